"""The relations of `sql/clients`: what each of your clients owes, as temporary relations over a built warehouse.

No build makes them. Own ladders are rated by the rating of the lines (`sql/core/rating`).
"""

from collections.abc import Mapping
from datetime import date
from functools import cache

import pyarrow as pa

from ecgrid_flows.warehouse import builder, database
from ecgrid_flows.warehouse.connection import Connection
from ecgrid_flows.warehouse.sql_files import load_sql, sql_folder
from ecgrid_flows.warehouse.sql_tree import SqlTree
from ecgrid_transforms.period import month_text

__all__ = ["ISSUED", "make_lines", "make_statements"]

_FOLDER = "clients"
#: Lines of the statements that were closed: input of `make_statements`.
ISSUED = "client_issued"
_LINES, _STATEMENTS = "client_lines", "client_statements"


def make_lines(connection: Connection, inputs: Mapping[str, pa.Table], *, is_disputed_borne: bool) -> None:
    """Make client_lines, of all months, from the tables of `client_files.read`.

    With `is_disputed_borne` the clients bear what is disputed too. The connection sees the decisions that
    `finding_states.with_states` gave it.
    """
    text = (sql_folder() / "macros/rebill.sql").read_text(encoding="utf-8")
    connection.execute(text.replace("CREATE OR REPLACE MACRO", "CREATE OR REPLACE TEMP MACRO")).fetchall()
    wanted = "include" if is_disputed_borne else "exclude"
    connection.execute("SET VARIABLE rebill_disputed = ?::VARCHAR", [wanted]).fetchall()
    for name, rows in inputs.items():
        database.register(connection, name, rows)
    _make(connection, _LINES)


def make_statements(connection: Connection, month: date, issued: pa.Table) -> None:
    """Make client_statements of `month`, after `make_lines`; `issued` has what earlier statements hold."""
    connection.execute("SET VARIABLE month = ?::VARCHAR", [f"{month_text(month)}-01"]).fetchall()
    database.register(connection, ISSUED, issued)
    _make(connection, _STATEMENTS, made=(_LINES, "client_accounts"))


def _make(connection: Connection, wanted: str, made: tuple[str, ...] = ()) -> None:
    tree = _tree()
    reads = frozenset[str]().union(*(sql.reads for sql in tree.relations.values()))
    given = (reads - tree.relations.keys()) | set(made)
    builder.materialise(connection, tree, [wanted], given=given, is_guarded=False)


@cache
def _tree() -> SqlTree:
    """The files of the folder, with the rating that they exchange the inputs of; others are not parsed."""
    root = sql_folder()
    own = tuple(sorted(path.stem for path in (root / _FOLDER).glob("*.sql")))
    rating = {path.stem for path in (root / "core/rating").glob("*.sql")}
    others = {path.stem for path in root.rglob("*.sql")} - rating - set(own)
    tree = load_sql(None, own, tuple(sorted(others)))
    return SqlTree(tree.folder, tree.macros, {name: tree.relations[name] for name in own}, tree.meanings)
