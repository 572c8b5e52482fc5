"""CSV files by DuckDB: exports read back into the table they came from, and COPY from expressions for cells.

Exports are written by `finance/csv_writer.py` and spreadsheets of a locale by `finance/spreadsheets.py`; the macros
for cells, with the formula guard and its inverse, are in `sql/macros/csv.sql`.
"""

import csv
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from ecgrid_flows.storage.base import disk_errors
from ecgrid_flows.warehouse.connection import Connection, _open, literal, quoted, reading_error
from ecgrid_flows.warehouse.temporary import load_macros_of

__all__ = [
    "GUARD",
    "MACROS",
    "csv_connection",
    "read_csv",
    "read_table",
    "with_cells",
    "write_cells",
]

#: The macros for cells, in `sql/macros`.
MACROS = "csv.sql"
_BOM = b"\xef\xbb\xbf"
#: The present guard of texts; 1 is that of earlier releases, which checked only the beginning of a text.
GUARD = 2
#: Arrow type of a column, as stated in a manifest, -> DuckDB type; decimals are handled separately.
_TYPES = {
    "int32": "INTEGER",
    "int64": "BIGINT",
    "bool": "BOOLEAN",
    "string": "VARCHAR",
    "date32[day]": "DATE",
    "timestamp[us, tz=UTC]": "TIMESTAMPTZ",
}


@contextmanager
def csv_connection() -> Iterator[Connection]:
    """A connection without a warehouse, with the macros for cells."""
    with closing(_open(":memory:")) as connection:
        load_macros_of(connection, MACROS)
        yield connection


def write_cells(
    connection: Connection, rows: Any, cells: Mapping[str, str], target: Path, *, texts: Sequence[str], delimiter: str
) -> int:
    """Write a relation to the new CSV file `target`, with a byte order mark; return the number of rows.

    `cells` has the expression of each column's cells; those of the columns `texts` are quoted. Raises `StorageFailed`
    if the file cannot be written; it may then be incomplete.
    """
    forced = f", FORCE_QUOTE ({', '.join(map(quoted, texts))})" if texts else ""
    query = with_cells(rows, cells).sql_query()
    options = f"FORMAT csv, HEADER, DELIMITER {literal(delimiter)}{forced}"
    try:
        ((count,),) = connection.execute(f"COPY ({query}) TO {literal(str(target))} ({options})").fetchall()
    except duckdb.IOException as error:
        raise reading_error(error, str(target)) from error
    _put_bom(target)
    return int(count)


def with_cells(rows: Any, cells: Mapping[str, str]) -> Any:
    """The rows of a relation with these columns, each computed by its expression."""
    return rows.project(", ".join(f"{cell} AS {quoted(name)}" for name, cell in cells.items()))


def _put_bom(path: Path) -> None:
    """Put a byte order mark at the start of a file."""
    marked = path.with_name(f"{path.name}.marked")
    with disk_errors(str(path)):
        with path.open("rb") as source, marked.open("xb") as file:
            file.write(_BOM)
            while piece := source.read(1 << 20):
                file.write(piece)
        marked.replace(path)


def read_csv(
    connection: Connection,
    source: Path,
    columns: Mapping[str, str],
    delimiter: str = ",",
    *,
    guard: int = GUARD,
    is_typed: bool = True,
) -> Any:
    """The rows of an exported file as a relation; `columns` are their types, as stated in its manifest.

    Empty cells are nulls, `""` is the empty text, and the guard of texts is undone. With `is_typed` false all columns
    are texts, numbers as written in the file. Raises `ValueError` for another header.
    """
    with disk_errors(str(source)), source.open(encoding="utf-8-sig", newline="") as file:
        header = next(csv.reader(file, delimiter=delimiter), [])
    if header != list(columns):
        raise ValueError(f"the header is {header}, not {list(columns)}: was the file written with other options?")
    rows = connection.read_csv(
        str(source),
        header=True,
        delimiter=delimiter,
        quotechar='"',
        escapechar='"',
        columns=dict.fromkeys(columns, "VARCHAR"),
        na_values="",
        allow_quoted_nulls=False,
        auto_detect=False,
        strict_mode=True,
        max_line_size=1 << 24,
        parallel=False,
    )
    unguarded = "csv_unguarded" if guard > 1 else "csv_unguarded_first"
    shown = []
    for name, kind in columns.items():
        column = quoted(name)
        cell = f"{unguarded}({column})" if kind == "string" else column
        shown.append(f"{cell}{f'::{_sql_type(kind)}' if is_typed else ''} AS {column}")
    return rows.project(", ".join(shown))


def read_table(source: Path, columns: Mapping[str, str], delimiter: str = ",", *, guard: int = GUARD) -> pa.Table:
    """The table that an exported file was written from; `ValueError` also for a cell that does not fit its type."""
    with csv_connection() as connection:
        try:
            table: pa.Table = read_csv(connection, source, columns, delimiter, guard=guard).to_arrow_table()
        except (duckdb.InvalidInputException, duckdb.ConversionException) as error:
            raise ValueError(str(error).splitlines()[0]) from error
    return table


def _sql_type(kind: str) -> str:
    return kind.replace("decimal128", "DECIMAL") if kind.startswith("decimal128(") else _TYPES[kind]
