"""The files that finance takes: `exports/YYYY-MM/`, whole or not at all, and the same bytes for the same warehouse.

    finance_lines.csv            every billed line, with what it should have cost
    invoice_summary.csv          what the lines add up to, per contract and account
    findings.csv                 what does not fit, and what was decided about it
    dispute_<contract>.csv       what to contest, with the proof in words and the amount claimed
    journal.csv                  double entry for the ledger            only with ECGRID_CURRENCY
    focus_1_2.parquet, .csv      FOCUS 1.2, one row per charge          only with ECGRID_CURRENCY
    manifest.json                rows, control totals and SHA-256 of each file; the run, price lists and readings behind

Nothing in a CSV tells when or by which run it was written. The manifest names the run that wrote the files: an export
that would change nothing leaves the old one in place, its run id included. `read_export` takes a file back in.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from ecgrid_flows import journal_entries, warehouse
from ecgrid_flows.csv_files import CsvForm, Written, field_types, read_table, schema_of, write_relation
from ecgrid_flows.errors import BillingError, NoSuchData, SettingsError
from ecgrid_flows.folders import put_in_place, staging
from ecgrid_flows.settings import Settings
from ecgrid_flows.store import disk_errors
from ecgrid_transforms.money import Decimal, plain
from ecgrid_transforms.period import month_text

__all__ = [
    "FOCUS_VERSION",
    "KEY",
    "MANIFEST",
    "NO_CURRENCY",
    "export_month",
    "read_export",
    "read_manifest",
    "sha256_of",
]

MANIFEST = "manifest.json"
#: What an export may use; past the memory, sorts spill to a folder beside the warehouse.
MEMORY_LIMIT = "1GiB"
FOCUS_VERSION = "1.2"
NO_CURRENCY = "ECGrid states no currency: set ECGRID_CURRENCY (USD, EUR, …) and export again"

KEY = ("network_id", "mailbox_id", "reporting_month", "account_report", "measure_field")
_JUDGED = ("billed_amount", "expected_amount", "difference")


class DoesNotTie(BillingError):
    """Two files of one export do not add up to the same amount: a fault of this program, or of its warehouse."""


@dataclass(frozen=True, slots=True)
class Sheet:
    """One file to write: a relation (whose column names and types are the file's), its order, and what is money.

    `order` must leave no ties that show; its columns need not be among `columns` (all of them by default). `totals` are
    the columns whose sums stand in the manifest. With `parquet` the rows go into a Parquet file of that name as well.
    """

    name: str
    rows: Any
    order: tuple[str, ...]
    amounts: tuple[str, ...] = ()
    totals: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    parquet: str | None = None

    def ordered(self) -> Any:
        rows = self.rows.order(_list(self.order))
        return rows.project(_list(self.columns)) if self.columns else rows


def _list(columns: Sequence[str]) -> str:
    return ", ".join(f'"{column}"' for column in columns)


def export_month(
    settings: Settings, month: date, *, run_id: str | None = None, form: CsvForm | None = None
) -> list[Path]:
    """Write the export of `month` from the warehouse as it stands; gives the paths of its files, manifest last.

    Without a currency in the settings the journal and the FOCUS files are left out, and the manifest says so. Raises
    `NoSuchData` when the warehouse or the month is not there, `StorageFailed` when the disk refuses.
    """
    form = form or CsvForm()
    target = settings.exports_dir(month)
    with opened(settings) as connection, staging(target) as staged:
        _require_month(connection, month)
        files: dict[str, Any] = {}
        for sheet in month_sheets(connection, settings, month):
            files |= _write(sheet, staged, form)
        _check_ties(files)
        manifest = {
            "month": month_text(month),
            "run_id": run_id,
            "currency": settings.currency,
            "csv": _form_words(form),
            "files": dict(sorted(files.items())),
            "left_out": {} if settings.currency else dict.fromkeys(_NEED_CURRENCY, NO_CURRENCY),
            **_sources(connection, month),
        }
        if not _is_unchanged(target, manifest):
            with disk_errors(str(staged)):
                text = json.dumps(manifest, ensure_ascii=False, indent=1) + "\n"
                (staged / MANIFEST).write_text(text, encoding="utf-8")
            put_in_place(staged, target)
    return [target / name for name in (*manifest["files"], MANIFEST)]


def opened(settings: Settings) -> "closing[warehouse.Connection]":
    """The warehouse, read-only, within the memory that an export may use."""
    spill = settings.warehouse_path.with_name("export.spill")
    return closing(warehouse.connect(settings.warehouse_path, memory_limit=MEMORY_LIMIT, temp_dir=spill))


def of_month(connection: warehouse.Connection, relation: str, month: date) -> Any:
    """The rows of a relation that belong to one month."""
    return connection.table(relation).filter(f"reporting_month = DATE '{month.isoformat()}'")


_NEED_CURRENCY = ("journal.csv", "focus_1_2.csv", "focus_1_2.parquet")


def month_sheets(connection: warehouse.Connection, settings: Settings, month: date) -> Iterator[Sheet]:
    """Every file of the month's export but the manifest."""
    yield Sheet(
        "finance_lines.csv",
        of_month(connection, "out_finance_lines", month),
        order=KEY,
        amounts=_JUDGED,
        totals=("quantity_billed", *_JUDGED),
    )
    summed = ("billed_amount", "expected_amount", "difference", "unproved_amount", "taxable_amount")
    yield Sheet(
        "invoice_summary.csv",
        of_month(connection, "out_invoice_summary", month),
        order=("contract_id", "network_id", "mailbox_id"),
        amounts=summed,
        totals=("lines", *summed),
    )
    yield Sheet(
        "findings.csv",
        of_month(connection, "out_finding_ids", month),
        order=("check_name", *KEY, "finding_id"),
        amounts=_JUDGED,
        totals=_JUDGED,
    )
    yield from _dispute_sheets(connection, month)
    if settings.currency:
        charges = of_month(connection, "out_journal_amounts", month)
        yield journal_sheet(connection, settings, charges, "journal.csv", settings.currency)
        yield focus_sheet(of_month(connection, "out_focus", month), "focus_1_2", settings.currency)


def _dispute_sheets(connection: warehouse.Connection, month: date) -> Iterator[Sheet]:
    claims = of_month(connection, "out_disputes", month)
    contracts = [row[0] for row in claims.project("contract_id").distinct().order("contract_id").fetchall()]
    for contract in contracts:
        yield Sheet(
            f"dispute_{'no_contract' if contract is None else contract}.csv",
            claims.filter("contract_id IS NULL" if contract is None else f"contract_id = {contract}"),
            order=(*KEY, "check_name", "finding_id"),
            amounts=("billed_amount", "expected_amount", "amount_claimed"),
            totals=("billed_amount", "expected_amount", "amount_claimed"),
        )


def journal_sheet(
    connection: warehouse.Connection, settings: Settings, charges: Any, name: str, currency: str
) -> Sheet:
    """The journal of the amounts in `charges`, by the user's chart of accounts."""
    fields = ("contract_id", "network_id", "reporting_month", "account_report", "measure_field", "is_taxable")
    rows = charges.project(_list((*fields, "invoice_number", "amount"))).to_arrow_table().to_pylist()
    chart = journal_entries.read_chart(_chart_path(settings))
    lines = journal_entries.entries((journal_entries.Charge(**row) for row in rows), chart, currency)
    warehouse.register(connection, f"rows of {name}", journal_entries.to_table(lines))
    return Sheet(
        name,
        connection.table(f'"rows of {name}"'),
        order=("row",),
        amounts=journal_entries.AMOUNTS,
        totals=journal_entries.AMOUNTS,
        columns=tuple(column for column in journal_entries.SCHEMA.names if column != "row"),
    )


def _chart_path(settings: Settings) -> Path:
    """The user's chart of accounts, else the one that ships."""
    from ecgrid_flows.runs import reference_folders

    return next(
        path for folder in reversed(reference_folders(settings)) if (path := folder / "journal_accounts.csv").is_file()
    )


def focus_sheet(charges: Any, stem: str, currency: str) -> Sheet:
    """FOCUS rows: decimals at nine places (none is rounded: `core_charges` lets no more through), the currency set."""
    shown = []
    for field in schema_of(charges):
        name = f'"{field.name}"'
        if field.name == "BillingCurrency":
            shown.append(f"'{currency}' AS {name}")
        elif pa.types.is_decimal(field.type):
            shown.append(f"{name}::DECIMAL(38, 9) AS {name}")
        else:
            shown.append(name)
    rows = charges.project(", ".join(shown))
    columns = tuple(name for name in rows.columns if name not in KEY)
    decimals = tuple(field.name for field in schema_of(rows) if pa.types.is_decimal(field.type))
    return Sheet(
        f"{stem}.csv",
        rows,
        order=("network_id", "mailbox_id", "reporting_month", "x_AccountReport", "x_MeasureField", "x_Part"),
        amounts=decimals,
        totals=("BilledCost", "EffectiveCost", "ListCost", "ContractedCost"),
        columns=columns,
        parquet=f"{stem}.parquet",
    )


def _require_month(connection: warehouse.Connection, month: date) -> None:
    """A month without a line may be exported when it was pulled; one that nobody asked about may not."""
    if not any(of_month(connection, name, month).limit(1).fetchall() for name in ("out_finance_lines", "raw_calls")):
        raise NoSuchData(
            f"the warehouse holds nothing of {month_text(month)}: "
            f"run `ecgrid-billing run --month {month_text(month)}`, or `build` if it was pulled already"
        )


def _write(sheet: Sheet, folder: Path, form: CsvForm) -> dict[str, Any]:
    """Write the files of one sheet; what the manifest says of each."""
    rows = sheet.ordered()
    schema = schema_of(rows)
    options: dict[str, Any] = {"amounts": sheet.amounts, "totals": sheet.totals, "form": form}
    if sheet.parquet is None:
        written = write_relation(rows, folder / sheet.name, **options)
        return {sheet.name: _file_words(written, schema)}
    schema = pa.schema([field.with_type(_utc(field.type)) for field in schema])
    path = folder / sheet.parquet
    with disk_errors(str(path)), pq.ParquetWriter(path, schema) as parquet:
        written = write_relation(
            rows,
            folder / sheet.name,
            also=lambda batch: parquet.write_batch(batch.cast(schema)),
            **options,
        )
    both = replace(written, size=path.stat().st_size, sha256=sha256_of(path))
    return {sheet.name: _file_words(written, schema), sheet.parquet: _file_words(both, schema)}


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


def _total_text(value: Decimal) -> str:
    text = plain(Decimal(value))
    return text.rstrip("0").rstrip(".") if "." in text else text


def _check_ties(files: Mapping[str, Any]) -> None:
    """Refuse an export whose files do not add up to the same amount."""
    billed = files["finance_lines.csv"]["control_totals"]["billed_amount"]
    others = {"invoice_summary.csv": "billed_amount", "focus_1_2.csv": "BilledCost"}
    for name, column in others.items():
        if name in files and files[name]["control_totals"][column] != billed:
            raise DoesNotTie(
                f"{name} adds up to {files[name]['control_totals'][column]}, finance_lines.csv to {billed}: "
                f"nothing was written; build the warehouse again, and report this if it stays"
            )
    if "journal.csv" in files:
        debit, credit = (files["journal.csv"]["control_totals"][name] for name in journal_entries.AMOUNTS)
        if debit != credit:
            raise DoesNotTie(f"journal.csv has debits of {debit} and credits of {credit}: nothing was written")


def _form_words(form: CsvForm) -> dict[str, Any]:
    return {"delimiter": form.delimiter, "line_end": "CRLF", "encoding": "UTF-8", "byte_order_mark": form.bom}


def _sources(connection: warehouse.Connection, month: date) -> dict[str, Any]:
    """The price lists and readings behind the month's lines."""
    found = of_month(connection, "out_finance_lines", month)
    lists = ("price_list_id", "price_list_description")
    readings = ("price_list_id", "account_report", "measure_field", "reading")
    return {"price_lists": _counted(found, lists), "readings": _counted(found, readings)}


def _counted(rows: Any, by: Sequence[str]) -> list[dict[str, Any]]:
    counted: list[dict[str, Any]] = (
        rows.aggregate(f"{_list(by)}, count(*) AS lines").order(_list(by)).to_arrow_table().to_pylist()
    )
    return counted


def _is_unchanged(target: Path, manifest: Mapping[str, Any]) -> bool:
    """Whether the export in place is, but for its run id, the one that was just made."""
    if not (target / MANIFEST).is_file():
        return False
    try:
        old = read_manifest(target)
    except SettingsError:
        return False
    return (
        {**old, "run_id": None} == {**json.loads(json.dumps(manifest)), "run_id": None}
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
    form = CsvForm(manifest["csv"]["delimiter"] == ";", manifest["csv"]["byte_order_mark"])
    return read_table(path, _schema(entry["columns"]), form)
