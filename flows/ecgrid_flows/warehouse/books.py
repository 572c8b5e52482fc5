"""The relations of `sql/books`: temporary views over a built warehouse and the files of closings and the audit log.

`create` makes the one that is wanted, with the relations of the same folder that it reads.
"""

from collections.abc import Sequence
from datetime import date
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from ecgrid_flows.warehouse import builder, database
from ecgrid_flows.warehouse.connection import Connection
from ecgrid_flows.warehouse.temporary import make, set_variables

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
    variables = {"month": month, "correction": correction, "currency": currency}
    set_variables(connection, {name: value for name, value in variables.items() if value is not None})
    make(connection, _FOLDER, wanted)
    return connection.table(wanted)


def create_scan(connection: Connection, name: str, files: Sequence[str], like: str, more: pa.Schema) -> None:
    """Relation `name` over Parquet files; without any it is empty, with the columns of the file `like` and `more`."""
    if files:
        builder.create_scan(connection, name, files)
    else:
        schema = pa.schema([*pq.read_schema(like), *more])
        database.register(connection, name, pa.Table.from_batches([], schema))
