"""The relations of `sql/books`: temporary views over a built warehouse and the files of closings and the audit log.

No build makes them. `create` makes the one that is wanted, with the relations of the same folder that it reads; all
others are the warehouse's, or registered by the caller first.
"""

from collections.abc import Sequence
from datetime import date
from functools import cache
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from ecgrid_flows.warehouse import builder, database
from ecgrid_flows.warehouse.connection import Connection
from ecgrid_flows.warehouse.sql_files import load_sql, sql_folder
from ecgrid_flows.warehouse.sql_tree import SqlTree
from ecgrid_transforms.period import month_text

__all__ = ["create", "create_scan"]

_FOLDER = "books"


def create(
    connection: Connection,
    wanted: str,
    *,
    month: date | None = None,
    correction: int | None = None,
    currency: str | None = None,
) -> Any:
    """The relation `wanted` of `sql/books`; the others are variables, `correction` the number of a batch."""
    variables = {"month": month and f"{month_text(month)}-01", "correction": correction, "currency": currency}
    for name, value in variables.items():
        if value is not None:
            connection.execute(f"SET VARIABLE {name} = ?::VARCHAR", [str(value)]).fetchall()
    tree = _tree()
    given = frozenset[str]().union(*(sql.reads for sql in tree.relations.values())) - tree.relations.keys()
    builder.materialise(connection, tree, [wanted], given=given, is_guarded=False)
    return connection.table(wanted)


def create_scan(connection: Connection, name: str, files: Sequence[str], like: str, more: pa.Schema) -> None:
    """Relation `name` over Parquet files; without any it is empty, with the columns of the file `like` and `more`."""
    if files:
        builder.create_scan(connection, name, files, is_temporary=True)
    else:
        schema = pa.schema([*pq.read_schema(like), *more])
        database.register(connection, name, schema.empty_table())


@cache
def _tree() -> SqlTree:
    root = sql_folder()
    own = tuple(sorted(path.stem for path in (root / _FOLDER).glob("*.sql")))
    others = tuple(sorted({path.stem for path in root.rglob("*.sql")} - set(own)))
    return load_sql(None, own, others)
