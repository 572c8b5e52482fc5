"""How the files of an export are written, and how they are read back.

A `Sheet` says what goes into one CSV: a relation, its order, its money. A folder of files has a manifest with rows,
columns, control totals and SHA-256 of each; `read_export` reads a file by it.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from datetime import date
from itertools import chain, groupby, zip_longest
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ecgrid_flows import journal_entries, warehouse
from ecgrid_flows.csv_files import (
    ROWS_A_BATCH,
    Batches,
    CsvForm,
    Written,
    ahead,
    field_types,
    joined_cells,
    read_table,
    schema_of,
    write_groups,
    write_relation,
)
from ecgrid_flows.errors import BillingError, NoSuchData, SettingsError
from ecgrid_flows.folders import put_in_place
from ecgrid_flows.journal_entries import Charge
from ecgrid_flows.settings import Settings
from ecgrid_flows.store import disk_errors
from ecgrid_flows.warehouse import of_month
from ecgrid_transforms.money import Decimal, plain

__all__ = [
    "FOCUS_KEY",
    "KEY",
    "MANIFEST",
    "NO_CURRENCY",
    "PLACE",
    "Parted",
    "Repeating",
    "Sheet",
    "focus_sheet",
    "form_of",
    "form_words",
    "gather",
    "journal_of",
    "journal_sheet",
    "listed",
    "opened",
    "place",
    "read_export",
    "read_manifest",
    "sha256_of",
    "write_parquet",
    "write_sheet",
]

MANIFEST = "manifest.json"
NO_CURRENCY = "ECGrid states no currency: set ECGRID_CURRENCY (USD, EUR, …) and export again"
#: What an export may use; past the memory, sorts spill to a folder beside the warehouse.
MEMORY_LIMIT = "1000MiB"
#: The database in memory of what is gathered: all connections see it, as they would not see a temporary table.
_GATHERED = "gathered"
#: Parts of a file that are worked out at the same time; each takes some 100 MB.
_AT_ONCE = 2
#: Column by which a row's place is known on its way to a file.
PLACE = "place in the file"
KEY = ("network_id", "mailbox_id", "reporting_month", "account_report", "measure_field")
#: The same key in out_focus.
FOCUS_KEY = ("network_id", "mailbox_id", "reporting_month", "x_AccountReport", "x_MeasureField")
#: What FOCUS says of an account, and of a single line beside its decimals; all else goes with the kind of charge.
_FOCUS_ACCOUNT = (
    *("BillingAccountId", "BillingAccountName", "BillingAccountType", "BillingCurrency", "InvoiceId"),
    *("InvoiceIssuerName", "SubAccountId", "SubAccountName", "SubAccountType", "x_BillingAccountName"),
    *("x_ContractId", "x_SubAccountName"),
)
_FOCUS_LINE = ("x_LineDate", "x_LineItemNumber", "x_Part", "x_ResponseSha256")
#: What tells one kind of charge from another, in core_charge_terms.
_FOCUS_KIND = (
    *("price_list_id", "account_report", "measure_field", "category", "level", "schedule_id", "line_level"),
    *("pricing_unit", "description", "is_taxable", "reading_id", "verdict", "pricing_quantity IS NULL"),
)
#: A decimal of at most ten places with nine; small ones on 64 bits, where DuckDB is many times as fast.
_NINE_PLACES = (
    "CASE WHEN abs({0}) < 99999999 THEN {0}::DECIMAL(18, 10)::DECIMAL(18, 9)::DECIMAL(38, 9) "
    "ELSE {0}::DECIMAL(38, 9) END"
)


@dataclass(frozen=True, slots=True)
class Parted:
    """Rows that follow a gathered table, each from one of its rows, so that they can be worked out part by part.

    `rows_of` gives the rows that a connection sees, with `PLACE` among their columns: a whole number that never falls
    from row to row. Several threads of DuckDB's would hand the rows of one query over as they get ready, whatever
    their order; several queries that take turns at the parts keep it.
    """

    connection: warehouse.Connection
    gathered: str
    rows_of: Callable[[warehouse.Connection], Any]

    def whole(self) -> Any:
        """All rows, as a relation, without their places."""
        return self.rows_of(self.connection).project(f"* EXCLUDE ({listed([PLACE])})")

    def project(self, columns: str) -> "Parted":
        """The same rows with other columns."""
        rows_of = self.rows_of
        return replace(self, rows_of=lambda seen: rows_of(seen).project(f"{columns}, {listed([PLACE])}"))

    def beside(self, table: str, same: str) -> "Parted":
        """The same rows, each with the columns of the row of a gathered table that it fits, if there is one."""
        rows_of, name = self.rows_of, f"{_GATHERED}.main.{table}"
        return replace(self, rows_of=lambda seen: rows_of(seen).join(seen.table(name), same, how="left"))

    def one_of_each(self, by: Sequence[str], most: int) -> Any:
        """One of the rows for each combination that the gathered table has in `by`; None if they are above `most`."""
        cursor = self.connection.cursor()
        combinations = cursor.table(f"{_GATHERED}.main.{self.gathered}").aggregate("min(rowid) AS row", ", ".join(by))
        first = combinations.project("row").to_arrow_table()
        if first.num_rows > most:
            return None
        warehouse.register(cursor, "first_of_each", first)
        _show(cursor, self.gathered, "WHERE rowid IN (FROM first_of_each)")
        return self.rows_of(cursor)

    def count(self) -> int:
        """How many rows there are."""
        ((count,),) = self.connection.table(self.gathered).aggregate("count(*)").fetchall()
        return int(count)

    def batches(self, made_of: Callable[..., Any]) -> Batches:
        """What `made_of` makes of the rows, in the order of the gathered table, by `_AT_ONCE` queries at the same time.

        A part has as many rows as a batch, so the batches of the queries take turns. Few rows have one query, for a
        plan costs more than they do. `made_of` gets rows, and the names of columns that it has to keep.
        """
        at_once = _AT_ONCE if self.count() > ROWS_A_BATCH else 1
        with ExitStack() as stack:
            queries = []
            # a join with a table larger than the rows would be turned round, and give rows in the order of that table
            self.connection.execute("SET disabled_optimizers = 'build_side_probe_side'").fetchall()
            for turn in range(at_once):
                cursor = self.connection.cursor()
                _show(cursor, self.gathered, f"WHERE rowid // {ROWS_A_BATCH} % {at_once} = {turn}")
                reader = made_of(self.rows_of(cursor), [PLACE]).to_arrow_reader(ROWS_A_BATCH)
                queries.append(stack.enter_context(closing(ahead(reader))))
            self.connection.execute("RESET disabled_optimizers").fetchall()
            is_last, place = False, 0
            for batch in chain.from_iterable(zip_longest(*queries)):
                if batch is not None and batch.num_rows:
                    if is_last or not _is_rising(batch.column(PLACE), place):
                        raise BillingError(
                            f"{self.gathered} lost the order of its rows on the way to a file, so nothing was written: "
                            "export again, and report this if it stays"
                        )
                    is_last, place = batch.num_rows < ROWS_A_BATCH, batch.column(PLACE)[-1].as_py()
                    yield batch.drop_columns([PLACE])


def _is_rising(places: pa.Array, begin: int) -> bool:
    """Whether no place is below the one before it, the first not below `begin`."""
    steps = pc.subtract(places[1:], places[:-1])
    return bool(places[0].as_py() >= begin and (pc.min(steps).as_py() or 0) >= 0)


@dataclass(frozen=True, slots=True)
class Repeating:
    """Columns of a file whose cells repeat together, so that each combination is turned into text once.

    `by` are expressions over the gathered table that tell most combinations apart: one row stands for all that agree in
    them. They decide how often a text is worked out, never what it is.
    """

    columns: tuple[str, ...]
    by: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Sheet:
    """One file to write: a relation (whose column names and types are the file's), its order, and what is money.

    `order` must leave no ties that show; its columns need not be among `columns` (all of them by default). Without an
    `order` the rows must be in order, as those of a `Parted` are. `totals` are the columns whose sums stand in the
    manifest. `repeating` is heeded in many `Parted` rows. With `parquet` the rows go into a Parquet file as well. With
    `by`, the first column of `order`, each of its values has a file, and stands for the braces in `name`.
    """

    name: str
    rows: Any
    order: tuple[str, ...] = ()
    amounts: tuple[str, ...] = ()
    totals: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    repeating: tuple[Repeating, ...] = ()
    parquet: str | None = None
    by: str | None = None

    def ordered(self) -> Any:
        rows = self.rows.order(listed(self.order)) if self.order else self.rows
        return rows.project(listed(self.columns)) if self.columns else rows


def listed(columns: Sequence[str]) -> str:
    """Column names as a list for DuckDB."""
    return ", ".join(f'"{column}"' for column in columns)


def opened(settings: Settings) -> "closing[warehouse.Connection]":
    """The warehouse, read-only, within the memory that an export may use."""
    spill = settings.warehouse_path.with_name("export.spill")
    connection = warehouse.connect(settings.warehouse_path, memory_limit=MEMORY_LIMIT, temp_dir=spill)
    # several threads hand the rows of a large relation over as they get ready, whatever its order
    connection.execute("SET threads = 1").fetchall()
    connection.execute(f"ATTACH ':memory:' AS {_GATHERED} (READ_WRITE)").fetchall()
    return closing(connection)


def gather(
    connection: warehouse.Connection, name: str, month: date, order: Sequence[str] = (), *, without: Sequence[str] = ()
) -> None:
    """Work out one month of the relation `name` once, in `order`: from here on it holds that month and no other.

    Columns that nobody will read are left out (`without`): what does not fit into memory goes to the disk and back. A
    temporary view of a table in memory stands in front of the warehouse's relation, for whatever reads it, until the
    connection ends.
    """
    columns = connection.table_function("duckdb_columns").project("table_name").distinct().fetchall()
    if (name,) not in columns:
        raise NoSuchData(f"the warehouse has no {name}: an older version built it; `build` it again")
    rows = of_month(connection.table(f"main.{name}"), month)
    rows = rows.project(f"* EXCLUDE ({listed(without)})") if without else rows
    rows = rows.order(listed(order)) if order else rows
    connection.execute("RESET threads").fetchall()
    connection.execute(f"CREATE OR REPLACE TABLE {_GATHERED}.main.{listed([name])} AS {rows.sql_query()}").fetchall()
    connection.execute("SET threads = 1").fetchall()
    _show(connection, name)


def _show(connection: warehouse.Connection, name: str, part: str = "") -> None:
    """Let a connection see a gathered table, or a part of it, in place of the warehouse's relation."""
    rows = f"FROM {_GATHERED}.main.{listed([name])} {part}"
    connection.execute(f"CREATE OR REPLACE TEMP VIEW {listed([name])} AS {rows}").fetchall()


def journal_of(settings: Settings, charges: Iterable[Charge], currency: str) -> pa.Table:
    """The journal of these charges, by the user's chart of accounts."""
    chart = journal_entries.read_chart(_chart_path(settings))
    return journal_entries.to_table(journal_entries.entries(charges, chart, currency))


def journal_sheet(connection: warehouse.Connection, journal: pa.Table, name: str) -> Sheet:
    """A journal as a file, in its order."""
    relation = name.removesuffix(".csv")
    numbered = journal.append_column("row", pa.array(range(journal.num_rows), pa.int64()))
    warehouse.register(connection, relation, numbered)
    return Sheet(
        name,
        connection.table(relation),
        order=("row",),
        amounts=journal_entries.AMOUNTS,
        totals=journal_entries.AMOUNTS,
        columns=tuple(journal.column_names),
    )


def _chart_path(settings: Settings) -> Path:
    """The user's chart of accounts, else the one that ships."""
    from ecgrid_flows.runs import reference_folders

    found = [folder / "journal_accounts.csv" for folder in reference_folders(settings)]
    return next(path for path in reversed(found) if path.is_file())


def focus_sheet(charges: Any, stem: str, currency: str) -> Sheet:
    """FOCUS rows: decimals at nine places (none is rounded: `core_charges` lets no more through), the currency set.

    Corrections have a column `place` by which an entry's rows are in order; it is not written. Charges that are
    `Parted` are in order already.
    """
    shown, decimals, names = [], [], []
    for field in schema_of(charges.whole() if isinstance(charges, Parted) else charges):
        names.append(field.name)
        name = f'"{field.name}"'
        if field.name == "BillingCurrency":
            shown.append(f"'{currency}' AS {name}")
        elif pa.types.is_decimal(field.type):
            shown.append(f"{_NINE_PLACES.format(name)} AS {name}")
            decimals.append(field.name)
        else:
            shown.append(name)
    rows = charges.project(", ".join(shown))
    columns = tuple(name for name in names if name not in (*KEY, "place"))
    of_others = {*_FOCUS_ACCOUNT, *_FOCUS_LINE, *decimals}
    order = (*FOCUS_KEY, *(name for name in ("x_Correction", "place") if name in names), "x_Part")
    return Sheet(
        f"{stem}.csv",
        rows,
        order=() if isinstance(charges, Parted) else order,
        amounts=tuple(decimals),
        totals=("BilledCost", "EffectiveCost", "ListCost", "ContractedCost"),
        columns=columns,
        repeating=(
            Repeating(_FOCUS_ACCOUNT, by=("network_id", "mailbox_id")),
            Repeating(tuple(name for name in columns if name not in of_others), by=_FOCUS_KIND),
        ),
        parquet=f"{stem}.parquet",
    )


def write_sheet(sheet: Sheet, folder: Path, form: CsvForm) -> dict[str, Any]:
    """Write the file or files of one sheet; what the manifest says of each."""
    rows, options = sheet.ordered(), dict[str, Any]()
    schema = schema_of(rows.whole() if isinstance(rows, Parted) else rows)
    if isinstance(rows, Parted):
        parted, cells = _with_cells(rows, sheet, schema, form)
        rows, options = rows.whole(), {"read": parted.batches, "cells": cells}
    options |= {"amounts": sheet.amounts, "totals": sheet.totals, "form": form, "schema": schema}
    if sheet.by is not None:
        none = f"no_{sheet.by.removesuffix('_id')}"
        made = write_groups(
            rows, sheet.by, lambda value: folder / sheet.name.format(none if value is None else value), **options
        )
        return {path.name: _file_words(written, schema) for path, written in made.items()}
    if sheet.parquet is None:
        written = write_relation(rows, folder / sheet.name, **options)
        return {sheet.name: _file_words(written, schema)}
    schema = pa.schema([field.with_type(_utc(field.type)) for field in schema])
    path = folder / sheet.parquet
    with disk_errors(str(path)), pq.ParquetWriter(path, schema) as parquet:
        written = write_relation(
            rows, folder / sheet.name, also=lambda batch: parquet.write_batch(batch.cast(schema)), **options
        )
    both = replace(written, size=path.stat().st_size, sha256=sha256_of(path))
    return {sheet.name: _file_words(written, schema), sheet.parquet: _file_words(both, schema)}


def _with_cells(rows: Parted, sheet: Sheet, schema: pa.Schema, form: CsvForm) -> tuple[Parted, Mapping[str, str]]:
    """The rows of a sheet with the cells of its `repeating` columns beside them, and where each column's cell is.

    Columns of a group that follow one another in the file share a text. A row for which none was worked out, since `by`
    does not tell all, has its cells worked out by itself. Few rows are left as they are, as is a group that hardly
    repeats.
    """
    cells: dict[str, str] = {}
    count, plain = rows.count(), rows
    if count <= ROWS_A_BATCH:
        return rows, cells
    for number, group in enumerate(sheet.repeating):
        table = sheet.name.replace(".csv", f"_cells_{number}")
        runs = {run: joined_cells(run, schema, sheet.amounts, form) for run in _runs(group.columns, schema.names)}
        told = [f'"{name}" AS "{name} of {table}"' for name in group.columns]
        texts = [f'{text} AS "{run[0]} in {table}"' for run, text in runs.items()]
        some = plain.one_of_each(group.by, most=count // 2)
        if some is None:
            continue
        combinations = some.project(listed(group.columns)).distinct()
        combinations.project(", ".join([*told, *texts])).create(f"{_GATHERED}.main.{table}")
        same = " AND ".join(f'"{name}" IS NOT DISTINCT FROM "{name} of {table}"' for name in group.columns)
        rows = rows.beside(table, same)
        for run, text in runs.items():
            made = f'"{run[0]} in {table}"'
            cells |= {run[0]: f"CASE WHEN {made} IS NULL THEN {text} ELSE {made} END", **dict.fromkeys(run[1:], "")}
    return rows, cells


def _runs(group: Sequence[str], columns: Sequence[str]) -> list[tuple[str, ...]]:
    """The columns of a group, those together that follow one another among `columns`."""
    return [tuple(run) for is_in_group, run in groupby(columns, lambda name: name in group) if is_in_group]


def write_parquet(rows: Any, path: Path) -> None:
    """The rows of a relation, in its order, as a Parquet file."""
    with disk_errors(str(path)):
        reader = rows.to_arrow_reader(65_536)
        with pq.ParquetWriter(path, reader.schema, compression="zstd") as parquet:
            for batch in reader:
                parquet.write_batch(batch)


def _utc(kind: pa.DataType) -> pa.DataType:
    return pa.timestamp("us", tz="UTC") if pa.types.is_timestamp(kind) else kind


def _file_words(written: Written, schema: pa.Schema) -> dict[str, Any]:
    return {
        "rows": written.rows,
        "bytes": written.size,
        "sha256": written.sha256,
        "control_totals": {name: _total_text(value) for name, value in written.totals.items()},
        "columns": field_types(schema),
    }


def _total_text(value: Decimal | int) -> str:
    text = plain(Decimal(value))
    return text.rstrip("0").rstrip(".") if "." in text else text


def form_words(form: CsvForm) -> dict[str, Any]:
    """How the CSVs are written, as a manifest says it."""
    return {"delimiter": form.delimiter, "line_end": "CRLF", "encoding": "UTF-8", "byte_order_mark": form.bom}


def form_of(manifest: Mapping[str, Any]) -> CsvForm:
    """The form that `form_words` described."""
    return CsvForm(semicolons=manifest["csv"]["delimiter"] == ";", bom=manifest["csv"]["byte_order_mark"])


def place(staged: Path, target: Path, manifest: Mapping[str, Any]) -> list[Path]:
    """Put the staged files and their manifest in place of `target`, unless they are there already.

    An export in place that differs in nothing but its run id stays, run id included. Gives the paths, manifest last.
    """
    if not _is_unchanged(target, manifest):
        with disk_errors(str(staged)):
            text = json.dumps(manifest, ensure_ascii=False, indent=1) + "\n"
            (staged / MANIFEST).write_text(text, encoding="utf-8")
        put_in_place(staged, target)
    return [target / name for name in (*manifest["files"], MANIFEST)]


def _is_unchanged(target: Path, manifest: Mapping[str, Any]) -> bool:
    if not (target / MANIFEST).is_file():
        return False
    try:
        old = read_manifest(target)
    except SettingsError:
        return False
    return (
        (old.get("run_id") is not None or manifest["run_id"] is None)
        and {**old, "run_id": None} == {**json.loads(json.dumps(manifest)), "run_id": None}
        and {path.name for path in target.iterdir()} == {*manifest["files"], MANIFEST}
        and all(sha256_of(target / name) == entry["sha256"] for name, entry in manifest["files"].items())
    )


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file's bytes, in hexadecimal."""
    with disk_errors(str(path)), path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest of an export; raises `NoSuchData` when there is none, `SettingsError` when it is damaged."""
    path = folder / MANIFEST
    try:
        manifest: dict[str, Any] = json.loads(path.read_bytes())
        manifest["files"].keys()
    except FileNotFoundError:
        raise NoSuchData(f"{folder} holds no whole export: run `ecgrid-billing export` for its month") from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise SettingsError(f"{path} is damaged: export the month again") from error
    return manifest


_TYPES = {
    "int32": pa.int32(),
    "int64": pa.int64(),
    "bool": pa.bool_(),
    "string": pa.string(),
    "date32[day]": pa.date32(),
    "timestamp[us, tz=UTC]": pa.timestamp("us", tz="UTC"),
}


def _schema(columns: Sequence[Mapping[str, str]]) -> pa.Schema:
    """The Arrow schema that a manifest describes."""

    def kind(text: str) -> pa.DataType:
        if text.startswith("decimal128("):
            precision, scale = text.removeprefix("decimal128(").removesuffix(")").split(",")
            return pa.decimal128(int(precision), int(scale))
        return _TYPES[text]

    return pa.schema([(column["name"], kind(column["type"])) for column in columns])


def read_export(path: Path) -> pa.Table:
    """One CSV of an export as the table it was written from: types by its manifest, the formula guard undone.

    This is how an exported file is imported again without loss. Raises `NoSuchData` when the manifest does not name
    the file.
    """
    manifest = read_manifest(path.parent)
    entry = manifest["files"].get(path.name)
    if entry is None:
        raise NoSuchData(f"{path.parent / MANIFEST} does not name {path.name}: export the month again")
    return read_table(path, _schema(entry["columns"]), form_of(manifest))
