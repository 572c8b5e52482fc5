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
from itertools import chain, zip_longest
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from ecgrid_flows import journal_entries, warehouse
from ecgrid_flows.csv_files import (
    ROWS_A_BATCH,
    Batches,
    CsvForm,
    Written,
    ahead,
    field_types,
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
from ecgrid_transforms.money import Decimal, plain

__all__ = [
    "FOCUS_KEY",
    "KEY",
    "MANIFEST",
    "NO_CURRENCY",
    "Parted",
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
KEY = ("network_id", "mailbox_id", "reporting_month", "account_report", "measure_field")
#: The same key in out_focus.
FOCUS_KEY = ("network_id", "mailbox_id", "reporting_month", "x_AccountReport", "x_MeasureField")
#: A decimal of at most ten places with nine; small ones on 64 bits, where DuckDB is many times as fast.
_NINE_PLACES = (
    "CASE WHEN abs({0}) < 99999999 THEN {0}::DECIMAL(18, 10)::DECIMAL(18, 9)::DECIMAL(38, 9) "
    "ELSE {0}::DECIMAL(38, 9) END"
)


@dataclass(frozen=True, slots=True)
class Parted:
    """Rows that follow a gathered table, each from one of its rows, so that they can be worked out part by part.

    `rows_of` gives the rows that a connection sees. Several threads of DuckDB's would hand the rows of one query over
    as they get ready, whatever their order; several queries that take turns at the parts keep it.
    """

    connection: warehouse.Connection
    gathered: str
    rows_of: Callable[[warehouse.Connection], Any]

    def whole(self) -> Any:
        """All rows, as a relation."""
        return self.rows_of(self.connection)

    def project(self, columns: str) -> "Parted":
        """The same rows with other columns."""
        return replace(self, rows_of=lambda connection: self.rows_of(connection).project(columns))

    def batches(self, made_of: Callable[[Any], Any]) -> Batches:
        """What `made_of` makes of the rows, in the order of the gathered table, by `_AT_ONCE` queries at the same time.

        A part has as many rows as a batch, so the batches of the queries take turns. Few rows have one query, for a
        plan costs more than they do.
        """
        ((count,),) = self.connection.table(self.gathered).aggregate("count(*)").fetchall()
        at_once = _AT_ONCE if count > ROWS_A_BATCH else 1
        with ExitStack() as stack:
            queries = []
            for turn in range(at_once):
                cursor = self.connection.cursor()
                _show(cursor, self.gathered, f"WHERE rowid // {ROWS_A_BATCH} % {at_once} = {turn}")
                reader = made_of(self.rows_of(cursor)).to_arrow_reader(ROWS_A_BATCH)
                queries.append(stack.enter_context(closing(ahead(reader))))
            is_last = False
            for batch in chain.from_iterable(zip_longest(*queries)):
                if batch is not None:
                    if is_last:
                        raise BillingError(
                            f"{self.gathered} lost the order of its rows on the way to a file, so nothing was written: "
                            "export again, and report this if it stays"
                        )
                    is_last = batch.num_rows < ROWS_A_BATCH
                    yield batch


@dataclass(frozen=True, slots=True)
class Sheet:
    """One file to write: a relation (whose column names and types are the file's), its order, and what is money.

    `order` must leave no ties that show; its columns need not be among `columns` (all of them by default). Without an
    `order` the rows must be in order, as those of a `Parted` are. `totals` are the columns
    whose sums stand in the manifest. With `parquet` the rows go into a Parquet file of that name as well. With `by`,
    the first column of `order`, each of its values has a file, and stands for the braces in `name`.
    """

    name: str
    rows: Any
    order: tuple[str, ...] = ()
    amounts: tuple[str, ...] = ()
    totals: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
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


def gather(connection: warehouse.Connection, name: str, month: date, order: Sequence[str] = ()) -> None:
    """Work out one month of the relation `name` once, in `order`: from here on it holds that month and no other.

    A temporary view of a table in memory stands in front of the warehouse's relation, for whatever reads it, until the
    connection ends.
    """
    ordered = f"ORDER BY {listed(order)}" if order else ""
    rows = f"FROM main.{listed([name])} WHERE reporting_month = DATE '{month.isoformat()}' {ordered}"
    columns = connection.table_function("duckdb_columns").project("table_name").distinct().fetchall()
    if (name,) not in columns:
        raise NoSuchData(f"the warehouse has no {name}: an older version built it; `build` it again")
    connection.execute("RESET threads").fetchall()
    connection.execute(f"CREATE OR REPLACE TABLE {_GATHERED}.main.{listed([name])} AS {rows}").fetchall()
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
    order = (*FOCUS_KEY, *(name for name in ("x_Correction", "place") if name in names), "x_Part")
    return Sheet(
        f"{stem}.csv",
        rows,
        order=() if isinstance(charges, Parted) else order,
        amounts=tuple(decimals),
        totals=("BilledCost", "EffectiveCost", "ListCost", "ContractedCost"),
        columns=tuple(name for name in names if name not in (*KEY, "place")),
        parquet=f"{stem}.parquet",
    )


def write_sheet(sheet: Sheet, folder: Path, form: CsvForm) -> dict[str, Any]:
    """Write the file or files of one sheet; what the manifest says of each."""
    rows, options = sheet.ordered(), dict[str, Any]()
    if isinstance(rows, Parted):
        rows, options = rows.whole(), {"read": rows.batches}
    schema = schema_of(rows)
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
