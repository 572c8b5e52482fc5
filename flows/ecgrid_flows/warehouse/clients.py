"""The relations of `sql/clients`: what each of your clients owes, as temporary relations over a built warehouse.

Own ladders are rated by the rating of the lines (`sql/core/rating`).
"""

from collections.abc import Mapping
from datetime import date

import pyarrow as pa

from ecgrid_flows.warehouse import database
from ecgrid_flows.warehouse.connection import Connection
from ecgrid_flows.warehouse.temporary import load_macros_of, make, set_variables

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
    load_macros_of(connection, "rebill.sql")
    set_variables(connection, {"rebill_disputed": "include" if is_disputed_borne else "exclude"})
    for name, rows in inputs.items():
        database.register(connection, name, rows)
    make(connection, _FOLDER, _LINES)


def make_statements(connection: Connection, month: date, issued: pa.Table) -> None:
    """Make client_statements of `month`, after `make_lines`; `issued` has what earlier statements hold."""
    set_variables(connection, {"month": month})
    database.register(connection, ISSUED, issued)
    make(connection, _FOLDER, _STATEMENTS, made=(_LINES, "client_accounts"))
