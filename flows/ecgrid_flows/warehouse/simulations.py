"""The relations of `sql/simulations` and `sql/accruals`: charges by other terms, or for quantities not yet billed.

They are temporary relations over a built warehouse, which is opened to read only. The rating is that of the lines
(`sql/core/rating`), over the terms that are tried.
"""

from collections.abc import Iterable, Mapping
from datetime import date
from itertools import count
from typing import Any

import pyarrow as pa

from ecgrid_flows.warehouse import contract_terms, database
from ecgrid_flows.warehouse.connection import Connection
from ecgrid_flows.warehouse.temporary import make, set_variables, stems
from ecgrid_transforms.money import Decimal, plain

__all__ = ["CHANGES", "accrue", "compare_accrual", "lines_of_file", "months", "simulate"]

_SIMULATIONS, _ACCRUALS = "simulations", "accruals"
#: What the relations read by getvariable; one that is None is not set.
_VARIABLES = ("first_month", "last_month", "contract", "network", "mailbox", "price_list", "reading")
_RESULTS = (
    *("simulation_results", "simulation_totals", "simulation_reading_rules", "simulation_readings"),
    "simulation_refused",
)
#: A charge may count charges that count charges; those that move after so many passes count each other.
_MOST_PASSES = 8
#: Columns of simulation_changes: single numbers of schedules that are replaced.
CHANGES = pa.schema([("schedule_id", pa.int64()), ("field", pa.string()), ("value", pa.decimal128(28, 10))])
_NUMBER = pa.decimal128(28, 10)
#: Columns of accrual_booked, as accrual.csv has them.
BOOKED = pa.schema(
    [
        *(("network_id", pa.int32()), ("mailbox_id", pa.int32()), ("reporting_month", pa.date32())),
        *(("account_report", pa.string()), ("measure_field", pa.string()), ("method", pa.string())),
        *((name, _NUMBER) for name in ("actual_to_date", "projected_quantity", "projected_amount", "low", "high")),
        *(("source", pa.string()), ("contract_id", pa.int32()), ("is_taxable", pa.bool_())),
    ]
)
_VOLUME = pa.decimal128(12, 4)
#: Quantities of an accrual: projected, least, most, either side of a bound between, and usual (accrual_quantities).
_PROJECTED = (100, 1, 2, 3, 4, 5)


def simulate(
    connection: Connection,
    variables: Mapping[str, object],
    volumes: Iterable[Decimal],
    *,
    ladder: pa.Table | None = None,
    changes: pa.Table | None = None,
) -> None:
    """Make the relations `simulation_…` of one simulation, in place of those of the one before.

    `variables` are those of _VARIABLES, `volumes` percentages of the quantities measured, `ladder` has the columns of
    contract_terms.LADDER_SCHEMA, `changes` those of CHANGES. Derived charges that count each other without end have no
    new amount.
    """
    set_variables(connection, {name: variables.get(name) for name in _VARIABLES})
    _simulate(connection, volumes, ladder, changes, made=())


def accrue(connection: Connection, month: date, as_of: date, booked: pa.Table | None = None) -> None:
    """Make accrual_all and accrual_amounts: what `month` will cost by what was known on the day `as_of`.

    `booked` has the rows of accrual.csv as it is; those of contracts that are invoiced since stay.
    """
    database.register(connection, "accrual_booked", pa.Table.from_batches([], BOOKED) if booked is None else booked)
    set_variables(connection, dict.fromkeys(_VARIABLES) | {"month": month, "as_of": as_of})
    make(connection, _ACCRUALS, "accrual_lines", "accrual_quantities")
    for name, source in (("lines", "lines"), ("line_quantities", "quantities")):
        _run(connection, f"CREATE OR REPLACE TEMP TABLE simulation_{name} AS FROM accrual_{source}")
    replaced = ("simulation_lines", "simulation_line_quantities")
    _simulate(connection, map(Decimal, _PROJECTED), None, None, made=replaced)
    parts = ("accrual_lines", "accrual_quantities", "accrual_projections", "accrual_keys", "accrual_sets")
    made = (*parts, "accrual_history", "accrual_invoiced_contracts", "accrual_usual_use")
    make(connection, _ACCRUALS, "accrual_all", "accrual_amounts", "accrual_notices", made=made)


def compare_accrual(connection: Connection, month: date, booked: pa.Table) -> Any:
    """The relation accrual_trueups of `month`: `booked`, the rows of accrual.csv, beside what was invoiced."""
    set_variables(connection, {"month": month})
    database.register(connection, "accrual_booked", booked)
    make(connection, _ACCRUALS, "accrual_trueups")
    return connection.table("accrual_trueups")


def months(connection: Connection) -> Any:
    """The months that are over and have lines, as a relation with the column reporting_month."""
    make(connection, _SIMULATIONS, "simulation_months")
    return connection.table("simulation_months")


def lines_of_file(connection: Connection, volume: Decimal) -> Any:
    """The lines of the last simulation at one volume, in the order of their keys, with the columns of a file."""
    rows = connection.table("simulation_results").filter(f"volume = {plain(volume)}")
    keys = "reporting_month, network_id, mailbox_id, account_report, measure_field"
    amounts = "old_amount, new_amount, new_low, new_high, difference, difference_low, difference_high"
    return rows.project(f"{keys}, account_name, contract_id, verdict, actual, quantity, {amounts}, why").order(keys)


def _simulate(
    connection: Connection,
    volumes: Iterable[Decimal],
    ladder: pa.Table | None,
    changes: pa.Table | None,
    made: tuple[str, ...],
) -> None:
    inputs = {
        "simulation_ladder": pa.Table.from_batches([], contract_terms.LADDER_SCHEMA) if ladder is None else ladder,
        "simulation_changes": pa.Table.from_batches([], CHANGES) if changes is None else changes,
        "simulation_volumes": pa.table({"volume": pa.array(list(volumes), _VOLUME)}),
    }
    for name, rows in inputs.items():
        database.register(connection, name, rows)
    make(connection, _SIMULATIONS, "simulation_counted", "simulation_first_pass", made=made)
    _run(connection, "CREATE OR REPLACE TEMP TABLE simulation_passed AS FROM simulation_first_pass")
    last = (*made, "simulation_counted", "simulation_bases")
    for number in count(1):  # ends: from _MOST_PASSES on each pass leaves fewer charges to move
        make(connection, _SIMULATIONS, "simulation_derived", "simulation_moving", made=last)
        if not connection.table("simulation_moving").limit(1).fetchall():
            break
        passed = "simulation_derived"
        if number >= _MOST_PASSES:
            passed = "simulation_unsettled"
            make(connection, _SIMULATIONS, passed, made=(*last, "simulation_derived", "simulation_moving"))
        _run(connection, f"CREATE OR REPLACE TEMP TABLE simulation_passed AS FROM {passed}")
    own = tuple(name for name in stems(_SIMULATIONS) if name not in _RESULTS)
    make(connection, _SIMULATIONS, *_RESULTS, made=own)


def _run(connection: Connection, text: str) -> None:
    connection.execute(text).fetchall()
