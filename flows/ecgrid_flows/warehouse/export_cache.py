"""Per-month export cache: lines, proofs and charges materialised once in memory, in the order of the files.

A cached table replaces the warehouse's relation of its name for every reader. Repeated attributes are
dictionary-encoded: rows have the number of a combination, which is stored once (`COMBINED`). So millions of rows are
sorted and joined by a few numbers, and texts are joined back where they are read.

SQL text built here consists of identifiers only: the columns of a relation are known at run time.
"""

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import date
from itertools import zip_longest
from typing import Any

from ecgrid_flows.errors import NoSuchData
from ecgrid_flows.warehouse import database
from ecgrid_flows.warehouse.connection import listed, quoted
from ecgrid_flows.warehouse.csv_files import MACROS
from ecgrid_flows.warehouse.database import of_month
from ecgrid_flows.warehouse.temporary import load_macros_of

__all__ = [
    "COMBINED",
    "GATHERED",
    "another",
    "finance_lines",
    "gather",
    "gather_charges",
    "gather_lines",
    "listed",
    "prepare",
    "show",
]

#: The database in memory with the cached tables: visible to all connections, which a temporary table is not.
GATHERED = "gathered"


@dataclass(frozen=True, slots=True)
class Combination:
    """Columns of lines that repeat together: a line has the `number` of its combination in place of their values.

    The columns `beside` are part of a combination too, but stay with the line as well.
    """

    number: str
    columns: tuple[str, ...]
    beside: tuple[str, ...]


#: Attributes of a price and its reading. The first columns are those by which lines are ordered.
_KIND = Combination(
    "kind_no",
    (
        *("account_report", "measure_field", "price_list_id", "price_list_description", "level", "level_name", "model"),
        *("schedule_id", "schedule_allowance", "schedule_minimum", "schedule_maximum", "schedule_block"),
        *("schedule_rate", "is_taxable", "reading_id", "reading_words", "verdict"),
    ),
    beside=("reporting_month",),
)
_ACCOUNT = Combination(
    "account_no",
    ("account_name", "contract_id", "system_object", "system_id", "system_name"),
    beside=("network_id", "mailbox_id"),
)
_COMBINED = (_KIND, _ACCOUNT)
_LINES, _ITEMS, _NUMBERED, _PROOFS, _SLICES, _CHARGES = database.CACHED
#: Cached tables with such numbers.
COMBINED = {_LINES: _COMBINED, _CHARGES: _COMBINED}
#: Further relations that a cached table replaces.
_ALSO = {_LINES: (_ITEMS, _NUMBERED)}
#: Columns of lines and charges that no file has.
_UNREAD_OF_LINES = (
    *("schedule_catalog_id", "schedule_description", "schedule_account_report", "schedule_measure"),
    *("schedule_specified_network_id", "schedule_include_root_mailbox", "extra", "api_version", "pulled_at"),
)
_UNREAD_OF_CHARGES = (
    *("actual", "quantity_billed", "amount", "expected_quantity_billed", "expected_amount", "difference"),
)
#: Lines whose charges are worked out at a time.
_LINES_AT_ONCE = 262_144


def prepare(connection: database.Connection) -> None:
    """Let a connection cache tables: with a database in memory, one thread, and the macros for cells.

    Several threads would return the rows of a large relation in any order.
    """
    connection.execute("SET threads = 1").fetchall()
    connection.execute(f"ATTACH ':memory:' AS {GATHERED} (READ_WRITE)").fetchall()
    load_macros_of(connection, MACROS)


def gather_lines(connection: database.Connection, month: date) -> None:
    """Cache the lines of a month in key order, each with its number, and the proofs of their ladders and quantities.

    `out_line_items` and `core_numbered_lines` are cached with them.
    """
    full = f"{_LINES} in full"
    _create(connection, full, _month_of(connection, _LINES, month, _UNREAD_OF_LINES))
    rows = connection.table(_named(full)).set_alias("rows")
    for one in _COMBINED:
        columns = listed((*one.beside, *one.columns))
        numbered = f"(row_number() OVER (ORDER BY {columns}))::INTEGER AS {one.number}"
        combinations = connection.table(_named(full)).project(columns).distinct()
        _create(connection, one.number, combinations.project(f"{numbered}, *"))
        same = " AND ".join(
            f"rows.{name} IS NOT DISTINCT FROM {one.number}s.{name}" for name in (*one.beside, *one.columns)
        )
        rows = rows.join(connection.table(_named(one.number)).set_alias(f"{one.number}s"), same)
    left_out = listed([name for one in _COMBINED for name in one.columns])
    numbers = ", ".join(one.number for one in _COMBINED)
    # kind_no is in the order of report and measure, like the key
    rows = rows.project(f"rows.* EXCLUDE ({left_out}), {numbers}").order("network_id, mailbox_id, kind_no")
    _create(connection, _LINES, rows)
    connection.execute(f"DROP TABLE {_named(full)}").fetchall()
    show(connection, _LINES)
    cases = connection.table(_named(_LINES)).project("set_no, actual")
    gather(connection, _PROOFS, connection.table(f"main.{_PROOFS}").join(cases, "set_no, actual", how="semi"))


def finance_lines(connection: database.Connection) -> Any:
    """The cached lines with the columns of out_finance_lines, and the numbers of what repeats."""
    return connection.table(_LINES).project("*, reading_id AS reading, amount AS billed_amount")


def gather_charges(connection: database.Connection, month: date) -> None:
    """Cache the charges of the cached lines, in their order.

    The accounts of some lines at a time, because joins and sorts of such wide rows take several times their memory.
    """
    gather(connection, _SLICES, connection.table(f"main.{_SLICES}"))
    words = [name for one in _COMBINED for name in one.columns]
    account = f"(network_id * {1 << 32}::BIGINT + mailbox_id)"
    firsts = connection.table(_named(_LINES)).filter(f"rowid % {_LINES_AT_ONCE} = 0").project(account).fetchall()
    bounds = sorted({begin for (begin,) in firsts} or {0})
    for begin, end in zip_longest(bounds, bounds[1:], fillvalue=1 << 62):
        show(connection, _LINES, f"{account} >= {begin} AND {account} < {end}")
        rows = _month_of(connection, _CHARGES, month, (*words, *_UNREAD_OF_CHARGES))
        _create(connection, _CHARGES, rows.order("line_no, part"), is_more=begin != bounds[0])
    for name in (_LINES, _CHARGES):
        show(connection, name)
    connection.execute(f"DROP TABLE {_named(_SLICES)}").fetchall()


def gather(connection: database.Connection, name: str, rows: Any) -> None:
    """Materialise `rows` as the relation `name`, in their order.

    A temporary view of the table in memory replaces the warehouse's relation for every reader, until the connection
    ends.
    """
    _create(connection, name, rows)
    show(connection, name)


def _month_of(connection: database.Connection, name: str, month: date, without: Sequence[str]) -> Any:
    columns = connection.table_function("duckdb_columns").project("table_name").distinct().fetchall()
    if (name,) not in columns:
        raise NoSuchData(f"the warehouse has no {name}: an older version built it; `build` it again")
    rows = of_month(connection.table(f"main.{name}"), month)
    return rows.project(f"* EXCLUDE ({listed(without)})") if without else rows


def _named(table: str) -> str:
    return f"{GATHERED}.main.{quoted(table)}"


def _create(connection: database.Connection, table: str, rows: Any, *, is_more: bool = False) -> None:
    """Make a cached table of rows; with `is_more` they are added to it."""
    into = f"INSERT INTO {_named(table)}" if is_more else f"CREATE OR REPLACE TABLE {_named(table)} AS"
    connection.execute("RESET threads").fetchall()  # several threads may fill a table: it keeps the order of its rows
    try:
        connection.execute(f"{into} {rows.sql_query()}").fetchall()
    finally:
        connection.execute("SET threads = 1").fetchall()


def show(connection: database.Connection, name: str, only: str = "") -> None:
    """Let a connection see a cached table, or its rows that match `only`, in place of the warehouse's relation."""
    table = connection.table(_named(name))
    rows = table.filter(only) if only else table
    if name == _LINES:
        rows = rows.project("(rowid + 1)::INTEGER AS line_no, *")
    for one in COMBINED.get(name, ()):
        words = connection.table(_named(one.number)).project(listed((one.number, *one.columns)))
        rows = rows.join(words, one.number, how="left")
    for shown in (name, *_ALSO.get(name, ())):
        connection.execute(f"CREATE OR REPLACE TEMP VIEW {quoted(shown)} AS {rows.sql_query()}").fetchall()


@contextmanager
def another(connection: database.Connection) -> Iterator[database.Connection]:
    """A second connection with the cached lines and their proofs, for another thread."""
    with closing(connection.cursor()) as cursor:
        for name in (_LINES, _PROOFS):
            show(cursor, name)
        yield cursor
