"""Connections to the warehouse, and reading its relations."""

import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb

from ecgrid_flows.errors import NoSuchData, StorageFailed
from ecgrid_flows.storage.base import disk_errors
from ecgrid_transforms.period import month_text

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa
from ecgrid_flows.warehouse.connection import (
    Connection,
    _first_line,
    _open,
    full_disk,
    listed,
    of_another_version,
    quoted,
    reading_error,
)
from ecgrid_flows.warehouse.sql_files import _shown, load_sql
from ecgrid_flows.warehouse.sql_tree import SqlRefused, SqlTree

__all__ = [
    "CACHED",
    "REFILLED",
    "Connection",
    "as_frame",
    "batches",
    "column_types",
    "connect",
    "frame",
    "interrupt",
    "load_macros",
    "of_another_version",
    "of_month",
    "ordered",
    "reading_error",
    "records",
    "refill",
    "register",
    "require_month",
    "rows",
    "scratch",
    "selected",
    "table",
    "was_pulled",
]

#: Relations that `refill` fills after the build; a view that reads one is a view in every warehouse.
REFILLED = ("out_notices", "out_rebill_lines", "raw_finding_states")
#: Relations that the tables of `export_cache` replace; so are the views that read one of these.
CACHED = (
    *("core_line_items", "out_line_items", "core_numbered_lines", "core_proofs"),
    *("core_charge_slices", "core_charge_parts"),
)
#: DuckDB's types of times that `records` reads as numbers since 1970, each with the function that gives the number.
_TIMES = {"TIMESTAMP_NS": "epoch_ns", "TIMESTAMP WITH TIME ZONE": "epoch_us"}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MACRO = re.compile(r"\s*create\s+(or\s+replace\s+)?macro\s", re.IGNORECASE)
_COMMENT = re.compile(r"--[^\n]*|/\*.*?\*/", re.DOTALL)


def connect(
    path: Path,
    read_only: bool = True,
    *,
    threads: int | None = None,
    memory_limit: str | None = None,
    temp_dir: Path | None = None,
) -> Connection:
    """Open a built warehouse; raises `NoSuchData` when there is none."""
    if not path.is_file():
        sandbox = path.parents[1] / "sandbox"
        hint = f"; the sandbox's data are in --data-dir {sandbox}" if (sandbox / "warehouse").is_dir() else ""
        raise NoSuchData(
            f"there is no warehouse {path}: run `ecgrid-billing run` (`build`, if months are pulled), or correct "
            f"--data-dir{hint}"
        )
    return _open(str(path), threads, memory_limit, temp_dir, read_only)


@contextmanager
def scratch(
    tree: SqlTree | None = None, *, threads: int | None = None, memory_limit: str | None = None
) -> Iterator[Connection]:
    """A warehouse in memory with the macros only: for `quote` and for tests."""
    with closing(_open(":memory:", threads, memory_limit)) as connection:
        load_macros(connection, tree or load_sql())
        yield connection


def interrupt(connection: Connection) -> None:
    """End the query that another thread has in `connection`, if any; it may be closed."""
    with suppress(duckdb.Error):
        connection.interrupt()


def register(connection: Connection, name: str, rows: "pa.Table") -> None:
    """Make `rows` readable as relation `name` (no copy); an existing relation of that name is replaced."""
    connection.register(name, rows)


def refill(path: Path, name: str, rows: "pa.Table") -> None:
    """Replace the rows of a table of `REFILLED` in a built warehouse; one without the table is left unchanged.

    A file that another connection of this process reads cannot be written: a copy is written, and replaces it. The
    caller holds the lock.
    """
    if name not in REFILLED:
        raise ValueError(f"{name} is none of REFILLED: views that read it would keep the rows of before")
    if not path.is_file():
        return
    try:
        _refill(path, name, rows)
    except StorageFailed:
        _require_only_read(path)
        copy = path.with_name(f"{path.name}.new")
        with disk_errors(str(copy)):
            shutil.copyfile(path, copy)
            copy.chmod(0o600)
            _refill(copy, name, rows)
            copy.replace(path)


def _require_only_read(path: Path) -> None:
    """Raise `StorageFailed` if another program has the file open for writing, or if it is damaged."""
    try:
        _open(str(path), read_only=True).close()
    except StorageFailed as error:
        if not isinstance(error.__cause__, duckdb.ConnectionException):  # otherwise this process itself has it open
            raise


def _refill(path: Path, name: str, rows: "pa.Table") -> None:
    with closing(_open(str(path))) as connection:
        try:
            tables = connection.table_function("duckdb_tables").project("table_name").fetchall()
            if (name,) not in tables:
                return
            rows = rows.select(connection.table(name).columns)  # a warehouse of an earlier release may have fewer
            if connection.table(name).to_arrow_table().equals(rows):
                return
            connection.register("rows_of_table", rows)
            text = f'BEGIN; DELETE FROM "{name}"; INSERT INTO "{name}" FROM rows_of_table; COMMIT'
            connection.execute(text).fetchall()
            connection.execute("CHECKPOINT").fetchall()
        except duckdb.Error as error:
            raise reading_error(error, str(path)) from error


def table(connection: Connection, sql: str, params: Sequence[object] | Mapping[str, object] = ()) -> "pa.Table":
    """The rows of a query as Arrow: decimals stay decimals."""
    return connection.sql(sql, params=params or None).to_arrow_table()


def rows(
    connection: Connection,
    relation: str,
    *,
    columns: Sequence[str] = (),
    order: Sequence[str] = (),
    **equals: Any,
) -> "pa.Table":
    """The `columns` (default: all) of the rows of a relation whose columns equal `equals`, ordered by `order`.

    A value of None equals nothing, as in SQL.
    """
    return table(connection, _select(listed(columns), relation, order, equals), list(equals.values()))


def records(
    connection: Connection,
    relation: str,
    *,
    columns: Sequence[str] = (),
    order: Sequence[str] = (),
    **equals: Any,
) -> list[dict[str, Any]]:
    """The same rows as mappings of Python's values.

    Faster than `rows` for few of them: DuckDB plans the query once instead of twice, and pyarrow is not imported. A
    timestamp in nanoseconds, which Python has not, is text (ISO 8601), one with a time zone is in UTC.
    """
    values = list(equals.values())
    result = connection.execute(_select(listed(columns), relation, order, equals), values)
    kinds = {name: str(kind) for name, kind, *_ in result.description or ()}
    times = {name for name, kind in kinds.items() if kind in _TIMES}
    if times:
        connection.abort()
        chosen = [
            f"{_TIMES[kinds[name]]}({quoted(name)}) AS {quoted(name)}" if name in times else quoted(name)
            for name in kinds
        ]
        result = connection.execute(_select(", ".join(chosen), relation, order, equals), values)
    found = [dict(zip(kinds, row, strict=True)) for row in result.fetchall()]
    for row in found:
        row.update({name: _time(kinds[name], row[name]) for name in times if row[name] is not None})
    return found


def _time(kind: str, number: int) -> str | datetime:
    """The time of a number: nanoseconds since 1970 as text, microseconds in UTC."""
    if kind != "TIMESTAMP_NS":
        return _EPOCH + timedelta(microseconds=number)
    microseconds, nanoseconds = divmod(number, 1000)
    time = _EPOCH.replace(tzinfo=None) + timedelta(microseconds=microseconds)
    return f"{time.isoformat(timespec='microseconds')}{nanoseconds:03}" if nanoseconds else time.isoformat()


def _select(chosen: str, relation: str, order: Sequence[str], equals: Mapping[str, Any]) -> str:
    select = f"SELECT {chosen} " if chosen else ""
    where = " AND ".join(f"{quoted(name)} = ?" for name in equals)
    text = f"{select}FROM {quoted(relation)}{where and f' WHERE {where}'}"
    return text + (f" ORDER BY {listed(order)}" if order else "")


def ordered(relation: Any, *columns: str) -> Any:
    """A relation ordered by these columns."""
    return relation.order(listed(columns))


def selected(relation: Any, *columns: str) -> Any:
    """A relation with these columns alone."""
    return relation.project(listed(columns))


@contextmanager
def batches(relation: Any, size: int = 65_536) -> "Iterator[Iterator[pa.RecordBatch]]":
    """The rows of a relation in batches, each computed when it is read.

    The reader is closed at the end: one that a traceback refers to keeps the warehouse open, and `connect` would wait.
    """
    with closing(relation.to_arrow_reader(size)) as reader:
        yield _read(reader)


def _read(reader: "pa.RecordBatchReader") -> "Iterator[pa.RecordBatch]":
    try:
        yield from reader
    except OSError as error:
        raise reading_error(error) from error


def column_types(connection: Connection) -> dict[str, dict[str, str]]:
    """Relation -> column -> type, of all relations in the warehouse."""
    found: dict[str, dict[str, str]] = {}
    text = (
        "FROM duckdb_columns() SELECT table_name, column_name, data_type WHERE NOT internal "
        "ORDER BY table_name, column_index"
    )
    for name, column, kind in connection.sql(text).fetchall():
        found.setdefault(name, {})[column] = kind
    return found


def was_pulled(connection: Connection, month: date) -> bool:
    """Whether lines of `month` were requested, with or without a response."""
    return bool(table(connection, "FROM raw_calls WHERE reporting_month = ? LIMIT 1", [month]).num_rows)


def of_month(rows: Any, month: date) -> Any:
    """The rows of a relation that belong to one month."""
    return rows.filter(f"reporting_month = DATE '{month.isoformat()}'")


def require_month(connection: Connection, month: date) -> None:
    """Raise `NoSuchData` for a month without data in the warehouse.

    A month without a line may be exported if it was pulled, but not if nothing of it was requested.
    """
    # one column: for all of them DuckDB would first join every line with its verdict
    has_lines = of_month(connection.table("out_line_items"), month).project("reporting_month").limit(1).fetchall()
    if not has_lines and not was_pulled(connection, month):
        raise NoSuchData(
            f"the warehouse holds nothing of {month_text(month)}: "
            f"run `ecgrid-billing run --month {month_text(month)}`, or `build` if it was pulled already"
        )


def frame(connection: Connection, sql: str, params: Sequence[object] | Mapping[str, object] = ()) -> "pd.DataFrame":
    """The rows of a query as pandas on Arrow types: decimals stay decimals, and sums stay exact."""
    return as_frame(table(connection, sql, params))


def as_frame(rows: "pa.Table") -> "pd.DataFrame":
    """An Arrow table as pandas on Arrow types."""
    import pandas as pd  # imported only for frames: it takes a second, which every other command would pay

    result: pd.DataFrame = rows.to_pandas(types_mapper=pd.ArrowDtype)
    return result


def load_macros(connection: Connection, tree: SqlTree) -> None:
    """Create every macro; a macro file may hold CREATE MACRO statements only."""
    for path in tree.macros:
        text = path.read_text(encoding="utf-8")
        try:
            statements = connection.extract_statements(text)
        except duckdb.Error as error:
            raise SqlRefused(f"{_shown(path)}: cannot be parsed: {_first_line(error)}") from error
        for statement in statements:
            if not _MACRO.match(_COMMENT.sub(" ", statement.query)):
                raise SqlRefused(f"{_shown(path)}: holds something else than CREATE MACRO; a relation has its own file")
            try:
                connection.execute(statement).fetchall()
            except duckdb.Error as error:
                refused = SqlRefused(f"{_shown(path)}: {_first_line(error)}")
                raise full_disk(error, _shown(path)) or refused from error
