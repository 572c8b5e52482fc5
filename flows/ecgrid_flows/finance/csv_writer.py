"""CSV files for ledgers and spreadsheets, which read back to the same table.

The form is RFC 4180: CRLF after every line, quotes doubled, a header line. UTF-8; dates as 2026-10-31, times in UTC as
2026-10-31T23:59:59Z, `true` and `false`, plain decimals with a point. A missing value is an empty cell, an empty text
is `""`. A text that a spreadsheet could run as a formula, by any separator, gets apostrophes (`sql/macros/csv.sql`
states where); numbers never do. Semicolons as separators and a byte order mark are options (`CsvForm`); CSVs of a
locale are made by `spreadsheets`.

`warehouse/csv_files.py` is the inverse. DuckDB makes the lines (`csv_lines`) and returns them as Arrow buffers, which
are written without a Python object per value.
"""

import csv
import hashlib
import io
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from ecgrid_flows.storage.base import disk_errors
from ecgrid_flows.warehouse import database
from ecgrid_flows.warehouse.csv_lines import LINE, schema_of, with_lines
from ecgrid_flows.warehouse.parted import ROWS_A_BATCH, Batches, ahead
from ecgrid_transforms.money import ZERO, Decimal, total

__all__ = ["CsvForm", "Written", "field_types", "write_groups", "write_relation"]

_BOM = b"\xef\xbb\xbf"
#: Bytes written before a flush to disk: a single flush at the end would take all its time alone.
_AT_MOST_WAITING = 64 << 20
_make_durable = getattr(os, "fdatasync", os.fsync)  # macOS has no fdatasync


@dataclass(frozen=True, slots=True)
class CsvForm:
    """Form of a CSV file: `semicolons` between cells instead of commas, and a byte order mark at its beginning."""

    semicolons: bool = False
    bom: bool = False

    @property
    def delimiter(self) -> str:
        return ";" if self.semicolons else ","


_COMMAS = CsvForm()


@dataclass(frozen=True, slots=True)
class Written:
    """A written file: lines below the header, size in bytes, SHA-256, and sums of columns."""

    rows: int
    size: int
    sha256: str
    totals: Mapping[str, Decimal]


def _header(columns: Sequence[str], form: CsvForm) -> bytes:
    text = io.StringIO()
    csv.writer(text, delimiter=form.delimiter, lineterminator="\r\n").writerow(columns)
    return (_BOM if form.bom else b"") + text.getvalue().encode()


def write_relation(
    rows: Any,
    target: Path,
    *,
    amounts: Sequence[str] = (),
    totals: Sequence[str] = (),
    form: CsvForm = _COMMAS,
    schema: pa.Schema | None = None,
    kept: Sequence[str] = (),
    also: Callable[[pa.RecordBatch], None] | None = None,
    read: Callable[[Callable[..., Any]], Batches] | None = None,
    cells: Mapping[str, str] | None = None,
    same: Mapping[str, str] = MappingProxyType({}),
    tail: Any = None,
) -> Written:
    """Write the DuckDB relation `rows`, in its order, to the new file `target`, in one pass over it.

    Columns named in `amounts` are money and show at least two decimals; `totals` are added up. `schema` is that of
    `rows`, if known. `also` is called with every batch as Arrow, with the columns `kept`, in order. `read` evaluates
    the lines itself, for example in parts: called with a function from relation (and columns to keep) to lines, it
    yields batches. `cells` and `same` are those of `csv_lines.with_lines`. `tail` is a relation of a few more rows for
    the end of the file; `also` gets all their columns except those in `same`. Raises `StorageFailed` if the disk fails;
    the file may then be incomplete.
    """
    schema = schema or schema_of(rows)
    summed = list(dict.fromkeys(same.get(name, name) for name in totals))

    def lines_of(rows: Any, beside: Sequence[str] = ()) -> Any:
        return with_lines(
            rows, schema, amounts, form.delimiter, list(dict.fromkeys((*kept, *summed, *beside))), cells, same
        )

    def with_tail(batches: Batches) -> Batches:
        yield from batches
        if tail is not None:
            whole = [name for name in schema.names if name not in same]
            yield from (
                with_lines(tail, schema, amounts, form.delimiter, whole, None, same).to_arrow_table().to_batches()
            )

    # closed in any case: a running query, or a reader that a traceback keeps alive, would keep the warehouse open
    with ExitStack() as stack:
        batches = read(lines_of) if read else ahead(stack.enter_context(database.batches(lines_of(rows), ROWS_A_BATCH)))
        stack.enter_context(closing(batches))
        written = _write(with_tail(batches), target, _header(schema.names, form), summed, also)
    return replace(written, totals={name: written.totals[same.get(name, name)] for name in totals})


def write_groups(
    rows: Any,
    by: str,
    target_of: Callable[[Any], Path],
    *,
    amounts: Sequence[str],
    totals: Sequence[str],
    form: CsvForm,
    schema: pa.Schema,
) -> dict[Path, Written]:
    """Write a file for each value of the column `by`, by which `rows` are ordered; otherwise as `write_relation`.

    The relation is evaluated once, and held in memory.
    """
    table = with_lines(rows, schema, amounts, form.delimiter, (by, *totals)).to_arrow_table()
    values = table.column(by).to_pylist()
    begins = [at for at, value in enumerate(values) if at == 0 or value != values[at - 1]]
    written = {}
    for begin, end in pairwise([*begins, len(values)]):
        target, batches = target_of(values[begin]), table.slice(begin, end - begin).to_batches()
        written[target] = _write(batches, target, _header(schema.names, form), totals, None)
    return written


def _write(
    batches: Iterable[pa.RecordBatch],
    target: Path,
    header: bytes,
    totals: Sequence[str],
    also: Callable[[pa.RecordBatch], None] | None,
) -> Written:
    digest = hashlib.sha256()
    sums = dict.fromkeys(totals, ZERO)
    count, size, waiting = 0, len(header), 0
    with disk_errors(str(target)), target.open("xb") as file, ThreadPoolExecutor(1) as thread:

        def put(piece: Any) -> None:
            nonlocal waiting
            file.write(piece)
            digest.update(piece)
            waiting += len(piece)
            if waiting > _AT_MOST_WAITING:
                _make_durable(file.fileno())
                waiting = 0

        written = thread.submit(put, header)
        for batch in batches:
            text = _text_of(batch.column(LINE))
            written.result()
            written = thread.submit(put, text)  # writes and hashes on its thread while the batch is summed
            size += len(text)
            count += batch.num_rows
            for name in sums:
                sums[name] = total([sums[name], pc.sum(batch.column(name)).as_py() or ZERO])
            if also:
                also(batch.drop_columns([LINE]))
        written.result()
    return Written(count, size, digest.hexdigest(), sums)


def _text_of(column: pa.StringArray) -> memoryview:
    """The bytes of all texts of a column, without a copy."""
    if len(column) == 0:
        return memoryview(b"")
    _, offsets, data = column.buffers()
    ends = pa.Array.from_buffers(pa.int32(), column.offset + len(column) + 1, [None, offsets])
    return memoryview(data)[ends[column.offset].as_py() : ends[-1].as_py()]


def field_types(schema: pa.Schema) -> list[Mapping[str, str]]:
    """Columns and their types, for a manifest."""
    return [{"name": field.name, "type": str(field.type)} for field in schema]
