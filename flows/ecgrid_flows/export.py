"""The files that finance takes: `exports/YYYY-MM/`, whole or not at all, and the same bytes for the same warehouse.

    finance_lines.csv         every billed line, with what it should have cost
    findings.csv              what does not fit, with what was decided about it
    manifest.json             rows, control totals and SHA-256 of each file; the run, price lists and readings behind it

Nothing in a CSV tells when or by which run it was written. The manifest names the run that wrote the files: an export
that would change nothing leaves the old one in place, its run id included.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa

from ecgrid_flows import warehouse
from ecgrid_flows.csv_files import CsvForm, Written, field_types, read_table, schema_of, write_relation
from ecgrid_flows.errors import NoSuchData, SettingsError
from ecgrid_flows.folders import put_in_place, staging
from ecgrid_flows.settings import Settings
from ecgrid_transforms.money import Decimal, plain
from ecgrid_transforms.period import month_text

__all__ = ["MANIFEST", "Sheet", "export_month", "read_export", "read_manifest"]

MANIFEST = "manifest.json"
#: What an export may use; past the memory, sorts spill to a folder beside the warehouse.
MEMORY_LIMIT = "1GiB"

KEY = ("network_id", "mailbox_id", "reporting_month", "account_report", "measure_field")


@dataclass(frozen=True, slots=True)
class Sheet:
    """One file to write: a relation (whose column names and types are the file's), its order, and what is money.

    `order` must leave no ties that show. `totals` are the columns whose sums stand in the manifest.
    """

    name: str
    rows: Any
    order: tuple[str, ...]
    amounts: tuple[str, ...]
    totals: tuple[str, ...] = field(default=())

    def ordered(self) -> Any:
        return self.rows.order(", ".join(f'"{column}"' for column in self.order))

    def control_totals(self) -> dict[str, str]:
        """Exact sums as plain decimal text; a column without a value sums to 0."""
        if not self.totals:
            return {}
        sums = self.rows.aggregate(", ".join(f'sum("{column}")' for column in self.totals)).fetchall()[0]
        return {name: _total_text(value) for name, value in zip(self.totals, sums, strict=True)}


def _total_text(value: Decimal | int | None) -> str:
    text = plain(Decimal(value or 0))
    return text.rstrip("0").rstrip(".") if "." in text else text


def export_month(
    settings: Settings, month: date, *, run_id: str | None = None, form: CsvForm | None = None
) -> list[Path]:
    """Write the export of `month` from the warehouse as it stands; gives the paths of its files, manifest last.

    Raises `NoSuchData` when the warehouse or the month is not there, `StorageFailed` when the disk refuses.
    """
    form = form or CsvForm()
    target = settings.exports_dir(month)
    spill = settings.warehouse_path.with_name("export.spill")
    with (
        closing(warehouse.connect(settings.warehouse_path, memory_limit=MEMORY_LIMIT, temp_dir=spill)) as connection,
        staging(target) as staged,
    ):
        _require_month(connection, month)
        files = {sheet.name: _write(sheet, staged, form) for sheet in month_sheets(connection, month)}
        manifest = {
            "month": month_text(month),
            "run_id": run_id,
            "csv": _form_words(form),
            "files": files,
            **_sources(connection, month),
        }
        if not _is_unchanged(target, manifest):
            (staged / MANIFEST).write_text(json.dumps(manifest, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
            put_in_place(staged, target)
    return [target / name for name in (*files, MANIFEST)]


def of_month(connection: warehouse.Connection, relation: str, month: date) -> Any:
    """The rows of a relation that belong to one month."""
    return connection.table(relation).filter(f"reporting_month = DATE '{month.isoformat()}'")


def month_sheets(connection: warehouse.Connection, month: date) -> Iterator[Sheet]:
    """Every CSV of the month's export."""
    yield Sheet(
        "finance_lines.csv",
        of_month(connection, "out_finance_lines", month),
        order=KEY,
        amounts=("billed_amount", "expected_amount", "difference"),
        totals=("quantity_billed", "billed_amount", "expected_amount", "difference"),
    )
    yield Sheet(
        "findings.csv",
        of_month(connection, "out_finding_ids", month),
        order=("check_name", *KEY, "finding_id"),
        amounts=("billed_amount", "expected_amount", "difference"),
        totals=("billed_amount", "expected_amount", "difference"),
    )


def _require_month(connection: warehouse.Connection, month: date) -> None:
    """A month without a line may be exported when it was pulled; one that nobody asked about may not."""
    if not any(of_month(connection, name, month).limit(1).fetchall() for name in ("out_finance_lines", "raw_calls")):
        raise NoSuchData(
            f"the warehouse holds nothing of {month_text(month)}: "
            f"run `ecgrid-billing run --month {month_text(month)}`, or `build` if it was pulled already"
        )


def _write(sheet: Sheet, folder: Path, form: CsvForm) -> dict[str, Any]:
    written = write_relation(sheet.ordered(), folder / sheet.name, amounts=sheet.amounts, form=form)
    return _file_words(written, sheet.control_totals(), schema_of(sheet.rows))


def _file_words(written: Written, totals: Mapping[str, str], schema: pa.Schema) -> dict[str, Any]:
    return {
        "rows": written.rows,
        "bytes": written.size,
        "sha256": written.sha256,
        "control_totals": dict(totals),
        "columns": field_types(schema),
    }


def _form_words(form: CsvForm) -> dict[str, Any]:
    return {"delimiter": form.delimiter, "line_end": "CRLF", "encoding": "UTF-8", "byte_order_mark": form.bom}


def _sources(connection: warehouse.Connection, month: date) -> dict[str, Any]:
    """The price lists and readings behind the month's lines."""
    found = of_month(connection, "out_finance_lines", month)
    lists = found.aggregate("price_list_id, price_list_description, count(*) AS lines")
    readings = found.aggregate("price_list_id, account_report, measure_field, reading, count(*) AS lines")
    return {
        "price_lists": _dicts(lists, ("price_list_id", "price_list_description")),
        "readings": _dicts(readings, ("price_list_id", "account_report", "measure_field", "reading")),
    }


def _dicts(rows: Any, order: Sequence[str]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = rows.order(", ".join(order)).to_arrow_table().to_pylist()
    return found


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
    with path.open("rb") as file:
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
    "timestamp[us]": pa.timestamp("us"),
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
