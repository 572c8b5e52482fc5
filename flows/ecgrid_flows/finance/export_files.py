"""Files of an export: written with their manifest, and read back.

A `Sheet` describes one CSV: its relation, order and money columns. The manifest of a folder has rows, columns, control
totals and SHA-256 of each file; `read_export` reads a file by it.
"""

import hashlib
import io
import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from ecgrid_flows import formats
from ecgrid_flows.errors import BillingError, NoSuchData, SettingsError, StorageFailed
from ecgrid_flows.finance import journal_entries
from ecgrid_flows.finance.csv_writer import (
    CsvForm,
    Written,
    field_types,
    write_groups,
    write_relation,
)
from ecgrid_flows.settings import Settings
from ecgrid_flows.storage.atomic_folder import put_in_place
from ecgrid_flows.storage.base import disk_errors
from ecgrid_flows.warehouse import database, export_cache
from ecgrid_flows.warehouse.csv_files import GUARD, read_table
from ecgrid_flows.warehouse.csv_lines import joined_cells, schema_of
from ecgrid_flows.warehouse.focus_rows import focus_rows, is_of_focus
from ecgrid_flows.warehouse.parted import Batches, Fold, Parted, Repeating
from ecgrid_transforms.money import Decimal, plain

__all__ = [
    "FOCUS_KEY",
    "FOCUS_VERSIONS",
    "KEY",
    "LEDGERS",
    "MANIFEST",
    "NO_CURRENCY",
    "Sheet",
    "columns_of",
    "derived_folders",
    "files_below",
    "focus_files",
    "focus_sheet",
    "focus_stem",
    "focus_versions",
    "form_of",
    "form_words",
    "guard_of",
    "journal_sheet",
    "opened",
    "place",
    "read_export",
    "read_manifest",
    "sha256_of",
    "write_parquet",
    "write_sheet",
]

MANIFEST = "manifest.json"
#: Folder of ledger files (`ledgers`), inside the folder of the month's export.
LEDGERS = "ledgers"
NO_CURRENCY = "ECGrid states no currency: set ECGRID_CURRENCY (USD, EUR, …) and export again"
#: Memory of DuckDB for an export; larger sorts spill to a folder beside the warehouse.
MEMORY_LIMIT = "1536MiB"
KEY = ("network_id", "mailbox_id", "reporting_month", "account_report", "measure_field")
#: The same key in out_focus.
FOCUS_KEY = ("network_id", "mailbox_id", "reporting_month", "x_AccountReport", "x_MeasureField")
#: Versions of FOCUS that are written, the first always, and the columns that each leaves out: those that
#: the version has not, and in 1.2 those that ECGrid cannot fill.
FOCUS_VERSIONS: Mapping[str, frozenset[str]] = {
    "1.2": frozenset(
        {
            *("AllocatedMethodDetails", "AllocatedMethodId", "AllocatedResourceId", "AllocatedResourceName"),
            *("AllocatedTags", "AvailabilityZone", "CapacityReservationId", "CapacityReservationStatus"),
            *("CommitmentDiscountCategory", "CommitmentDiscountId", "CommitmentDiscountName"),
            *("CommitmentDiscountQuantity", "CommitmentDiscountType", "CommitmentDiscountUnit"),
            *("CommitmentProgramEligibilityDetails", "ContractApplied", "HostProviderName", "InvoiceDetailId"),
            *("PricingCurrency", "PricingCurrencyContractedUnitPrice", "PricingCurrencyEffectiveCost"),
            *("PricingCurrencyListUnitPrice", "RegionId", "RegionName", "ResourceId", "ResourceName", "ResourceType"),
            *("ServiceProviderName", "Tags"),
        }
    ),
    "1.4": frozenset({"ProviderName", "PublisherName"}),
}
_FIRST_FOCUS = next(iter(FOCUS_VERSIONS))
#: Columns of FOCUS that depend on the account.
_FOCUS_ACCOUNT = (
    *("BillingAccountId", "BillingAccountName", "BillingAccountType", "BillingCurrency", "PricingCurrency"),
    *("InvoiceId", "InvoiceIssuerName", "SubAccountId", "SubAccountName", "SubAccountType", "x_BillingAccountName"),
    *("x_ContractId", "x_SubAccountName"),
)
#: Columns of FOCUS that differ on every line, besides decimals; all others depend on the kind of charge, by these:
_FOCUS_LINE = ("x_LineDate", "x_LineItemNumber", "x_Part", "x_ResponseSha256")
_FOCUS_KIND_BY = (
    *("kind_no", "charge", "category", "shows_factors", "is_above_proof"),
    *("slice_level", "slice_schedule_id", "pricing_block"),
)
#: Columns equal to another column, because the service has one price and no commitments.
_FOCUS_SAME = {
    **dict.fromkeys(("EffectiveCost", "PricingCurrencyEffectiveCost"), "BilledCost"),
    "ListCost": "ContractedCost",
    **dict.fromkeys(
        ("ListUnitPrice", "PricingCurrencyContractedUnitPrice", "PricingCurrencyListUnitPrice"), "ContractedUnitPrice"
    ),
}


@dataclass(frozen=True, slots=True)
class Sheet:
    """One file to write: a relation (whose column names and types are the file's), its order, and what is money.

    `order` must be unique in `columns` (default: all); its own columns need not be among them. Without an `order` the
    rows must be in order, as those of a `Parted` are. `totals` are the columns whose sums are in the manifest. `same`
    maps a column to another one that is always equal; it is used for many `Parted` rows, as `repeating` is. With
    `parquet` the rows are written to a Parquet file too. With `by`, the first column of `order`, each of its values has
    a file, named by the value, or its text in `stems`, in place of the braces in `name`. `tail` is a relation of a few
    more rows for the end of the file, in order.
    """

    name: str
    rows: Any
    order: tuple[str, ...] = ()
    amounts: tuple[str, ...] = ()
    totals: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    repeating: tuple[Repeating, ...] = ()
    same: Mapping[str, str] = field(default_factory=dict)
    parquet: str | None = None
    by: str | None = None
    stems: Mapping[Any, str] = field(default_factory=dict)
    tail: Any = None

    def ordered(self) -> Any:
        """The rows of the file, as a relation."""
        rows = self.rows.whole() if isinstance(self.rows, Parted) else self.rows
        rows = database.ordered(rows, *self.order) if self.order else rows
        return database.selected(rows, *self.columns) if self.columns else rows


def opened(settings: Settings) -> "closing[database.Connection]":
    """The warehouse, read-only, within the memory that an export may use."""
    spill = settings.warehouse_path.with_name("export.spill")
    connection = database.connect(settings.warehouse_path, memory_limit=MEMORY_LIMIT, temp_dir=spill)
    export_cache.prepare(connection)
    return closing(connection)


def journal_sheet(connection: database.Connection, journal: pa.Table, name: str) -> Sheet:
    """A journal as a file, in its order."""
    relation = name.removesuffix(".csv")
    numbered = journal.append_column("row", pa.array(range(journal.num_rows), pa.int64()))
    database.register(connection, relation, numbered)
    return Sheet(
        name,
        connection.table(relation),
        order=("row",),
        amounts=journal_entries.AMOUNTS,
        totals=journal_entries.AMOUNTS,
        columns=tuple(journal.column_names),
    )


def focus_stem(version: str, prefix: str = "") -> str:
    """The files of a version of FOCUS as the manifest names them, without their endings.

    Every version but the first is in a folder of its own: a reader of all files of a folder would count it twice.
    Raises `SettingsError` for a version that is not written.
    """
    if version not in FOCUS_VERSIONS:
        raise SettingsError(f"FOCUS {version} is not written: use --focus {' or '.join(FOCUS_VERSIONS)}")
    folder = "" if version == _FIRST_FOCUS else f"focus-{version}/"
    return f"{folder}{prefix}focus_{version.replace('.', '_')}"


def focus_files(versions: Sequence[str], prefix: str = "") -> list[str]:
    """The files of these versions, as the manifest names them."""
    return [f"{focus_stem(version, prefix)}{ending}" for version in versions for ending in (".csv", ".parquet")]


def focus_versions(manifest: Mapping[str, Any], asked: str = "") -> tuple[str, ...]:
    """The versions of FOCUS that an export has, and the one that is `asked` for; the first always."""
    found = manifest.get("focus", _FIRST_FOCUS)
    wanted = {_FIRST_FOCUS, asked, *([found] if isinstance(found, str) else found)}
    return tuple(version for version in FOCUS_VERSIONS if version in wanted)


def focus_sheet(charges: Any, stem: str, currency: str, version: str, beside: Any = None) -> Sheet:
    """FOCUS rows in `currency`: decimals with nine places (no amount of `core_charges` has more, so none is rounded).

    Columns of FOCUS begin with a capital, ours in its files with x_; other columns are not written. Corrections have
    the column `place`, the order of an entry's rows; `Parted` charges are in order. `beside` are the charges of
    invoices that no line bills, for the end of the file.
    """
    left_out = FOCUS_VERSIONS[version]
    schema = schema_of(charges.whole() if isinstance(charges, Parted) else charges)
    columns = [name for name in schema.names if is_of_focus(name) and name not in left_out]
    decimals = [name for name in columns if pa.types.is_decimal(schema.field(name).type)]
    rows = focus_rows(charges, schema, left_out, currency)
    of_others = {*_FOCUS_ACCOUNT, *_FOCUS_LINE, *decimals}
    more = (name for name in ("x_Correction", "place", "InvoiceId") if name in schema.names)
    order = (*FOCUS_KEY, *more, "x_Part")
    return Sheet(
        f"{stem}.csv",
        rows,
        order=() if isinstance(charges, Parted) else order,
        amounts=tuple(decimals),
        totals=("BilledCost", "EffectiveCost", "ListCost", "ContractedCost"),
        columns=tuple(columns),
        repeating=(
            Repeating(tuple(name for name in columns if name in _FOCUS_ACCOUNT), by=("account_no", "billed_on")),
            Repeating(tuple(name for name in columns if name not in of_others), by=_FOCUS_KIND_BY),
        ),
        same={name: other for name, other in _FOCUS_SAME.items() if name in columns},
        parquet=f"{stem}.parquet",
        tail=None if beside is None else database.ordered(focus_rows(beside, schema, left_out, currency), *order),
    )


def write_sheet(sheet: Sheet, folder: Path, form: CsvForm) -> dict[str, Any]:
    """Write the file or files of one sheet; return their manifest entries by name."""
    rows = sheet.ordered()
    schema = schema_of(rows)
    options: dict[str, Any] = {"amounts": sheet.amounts, "totals": sheet.totals, "form": form, "schema": schema}
    if sheet.by is not None:
        made = write_groups(
            rows, sheet.by, lambda value: folder / sheet.name.format(sheet.stems.get(value, value)), **options
        )
        return {path.relative_to(folder).as_posix(): _file_words(one, schema) for path, one in made.items()}
    path = folder / sheet.name
    with disk_errors(str(path)):
        path.parent.mkdir(parents=True, exist_ok=True)
    folded = _folded(sheet, schema, form) if isinstance(sheet.rows, Parted) else Folded()
    tail = None if sheet.tail is None else database.selected(sheet.tail, *schema.names)
    read = folded.batches if folded.rows else None
    options |= {"cells": folded.cells, "same": sheet.same, "read": read, "tail": tail}
    if sheet.parquet is None:
        written = write_relation(rows, path, **options)
        return {sheet.name: _file_words(written, schema)}
    schema = pa.schema([column.with_type(_utc(column.type)) for column in schema])
    target = folder / sheet.parquet
    with disk_errors(str(target)), _HashedFile(target) as file, folded.parquet(file, schema) as parquet:
        written = write_relation(
            rows,
            path,
            kept=[name for name in schema.names if name not in folded.repeating() and name not in sheet.same],
            also=lambda batch: parquet.write_batch(folded.unfolded(batch, schema, sheet.same)),
            **options,
        )
    both = replace(written, size=target.stat().st_size, sha256=file.digest.hexdigest())
    return {sheet.name: _file_words(written, schema), sheet.parquet: _file_words(both, schema)}


class _HashedFile(io.BufferedWriter):
    """A new file that is hashed while it is written."""

    def __init__(self, path: Path) -> None:
        super().__init__(io.FileIO(path, "x"))
        self.digest = hashlib.sha256()

    def write(self, data: Any) -> int:
        self.digest.update(data)
        return super().write(data)


@dataclass(frozen=True, slots=True)
class Folded:
    """Rows whose repeating columns are replaced by the number of their combination.

    `cells` are as for `write_relation`: each row has the texts of its combination as further columns.
    """

    rows: Parted | None = None
    cells: Mapping[str, str] = field(default_factory=dict)
    folds: tuple[Fold, ...] = ()

    def batches(self, made_of: Callable[..., Any]) -> Batches:
        """Batches as of a `Parted`, with the numbers; raises `BillingError` for a row without a combination."""
        rows: Any = self.rows
        numbers = [fold.number for fold in self.folds]
        with closing(rows.batches(lambda rows, kept: made_of(rows, [*kept, *numbers]))) as batches:
            for batch in batches:
                if any(batch.column(number).null_count for number in numbers):
                    raise BillingError(
                        f"{rows.gathered} has a row that is like none of its rows, so nothing was written: export "
                        "again, and report this if it stays"
                    )
                yield batch

    def repeating(self) -> frozenset[str]:
        """The columns that are not in the batches."""
        return frozenset(name for fold in self.folds for name in fold.combinations.column_names)

    def parquet(self, file: BinaryIO, schema: pa.Schema) -> pq.ParquetWriter:
        """A Parquet file for rows of `schema`; repeating texts are written as dictionaries, and read as texts.

        Decimals and digests hardly repeat: dictionaries and statistics of them would take longer than the writing.
        """
        repeating = self.repeating()
        looked_at = [column.name for column in schema if column.name in repeating or not _is_wide(column.type)]
        options = {"use_dictionary": looked_at, "write_statistics": looked_at, "store_schema": False}
        return pq.ParquetWriter(file, self._written(schema), **(options if self.folds else {}))

    def unfolded(self, batch: pa.RecordBatch, schema: pa.Schema, same: Mapping[str, str]) -> pa.RecordBatch:
        """A batch with all columns of `schema`, as `parquet` takes them."""
        columns = dict(zip(batch.schema.names, batch.columns, strict=True))
        for fold in self.folds:
            if fold.number not in columns:  # rows of the tail have the values themselves
                continue
            used = columns[fold.number].dictionary_encode()
            found = fold.combinations.take(used.dictionary)
            for name in found.column_names:
                columns[name] = _each(found[name].combine_chunks(), used.indices)
        columns |= {name: columns[other] for name, other in same.items()}
        written = self._written(schema)
        return pa.record_batch([columns[column.name].cast(column.type) for column in written], schema=written)

    def _written(self, schema: pa.Schema) -> pa.Schema:
        """`schema` with dictionaries for the texts that repeat."""
        repeating = self.repeating()
        return pa.schema(
            [
                column.with_type(pa.dictionary(pa.int32(), column.type))
                if column.name in repeating and pa.types.is_string(column.type)
                else column
                for column in schema
            ]
        )


def _is_wide(kind: pa.DataType) -> bool:
    return bool(pa.types.is_decimal(kind) or pa.types.is_string(kind))


def _each(values: pa.Array, places: pa.Array) -> pa.Array:
    """The values at `places`; texts as a dictionary with each text once."""
    if not pa.types.is_string(values.type):
        return values.take(places)
    texts = values.dictionary_encode()
    return pa.DictionaryArray.from_arrays(texts.indices.take(places), texts.dictionary)


def _folded(sheet: Sheet, schema: pa.Schema, form: CsvForm) -> Folded:
    """The rows of a sheet, with its `repeating` columns folded (`Parted.folded`)."""

    def cells_of(columns: Sequence[str]) -> str:
        return joined_cells(columns, schema, sheet.amounts, form.delimiter)

    return Folded(*sheet.rows.folded(sheet.repeating, sheet.name.removesuffix(".csv"), schema.names, cells_of))


def write_parquet(rows: Any, path: Path) -> None:
    """The rows of a relation, in its order, as a Parquet file."""
    schema = schema_of(rows)
    with (
        disk_errors(str(path)),
        database.batches(rows) as batches,
        pq.ParquetWriter(path, schema, compression="zstd") as parquet,
    ):
        for batch in batches:
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
    """The form of the CSVs, for a manifest."""
    return {
        "delimiter": form.delimiter,
        "line_end": "CRLF",
        "encoding": "UTF-8",
        "byte_order_mark": form.bom,
        "guard": GUARD,
    }


def form_of(manifest: Mapping[str, Any]) -> CsvForm:
    """The form that `form_words` described."""
    return CsvForm(semicolons=manifest["csv"]["delimiter"] == ";", bom=manifest["csv"]["byte_order_mark"])


def guard_of(manifest: Mapping[str, Any]) -> int:
    """The version of the guard of texts in the CSVs."""
    return int(manifest["csv"].get("guard", 1))


def place(
    staged: Path, target: Path, manifest: Mapping[str, Any], beside: Callable[[Path], object] = lambda _: None
) -> list[Path]:
    """Put the staged files and their manifest in place of `target`, unless they are there already.

    An export in place that differs only in run and release stays as it is. Otherwise `beside` adds to the staged folder
    what is made of its files. Returns the paths, manifest last.
    """
    if not _is_unchanged(target, manifest):
        with disk_errors(str(staged)):
            text = json.dumps(manifest, ensure_ascii=False, indent=1) + "\n"
            (staged / MANIFEST).write_text(text, encoding="utf-8")
        beside(staged)
        put_in_place(staged, target)
    return [target / name for name in (*manifest["files"], MANIFEST)]


def _is_unchanged(target: Path, manifest: Mapping[str, Any]) -> bool:
    if not (target / MANIFEST).is_file():
        return False
    try:
        old = read_manifest(target)
    except SettingsError:
        return False
    by = {"run_id": None, "written_by": None}
    return (
        (old.get("run_id") is not None or manifest["run_id"] is None)
        and {**old, **by} == {**json.loads(json.dumps(manifest)), **by}
        and {name for name in files_below(target) if name.split("/")[0] not in {LEDGERS, *derived_folders(target)}}
        == {*manifest["files"], MANIFEST}
        and all(sha256_of(target / name) == entry["sha256"] for name, entry in manifest["files"].items())
    )


def files_below(folder: Path) -> list[str]:
    """The files of an export's folder as its manifest names them (`disputes/8751/claim.csv`)."""
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file's bytes, in hexadecimal."""
    with disk_errors(str(path)), path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest of an export; raises `NoSuchData` when there is none, `SettingsError` when it is damaged."""
    return manifest_at(folder / MANIFEST)


def manifest_at(path: Path) -> dict[str, Any]:
    """`read_manifest` of a file, whatever its name here: a bucket's local copies have others."""
    try:
        manifest: dict[str, Any] = json.loads(path.read_bytes())
        manifest["files"].keys()
    except FileNotFoundError:
        raise NoSuchData(f"{path.parent} holds no whole export: run `ecgrid-billing export` for its month") from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise SettingsError(f"{path} is damaged: export the month again") from error
    formats.require_readable("export", manifest, str(path))
    return manifest


def derived_folders(folder: Path) -> frozenset[str]:
    """The folders of an export with copies for spreadsheets."""
    found = folder.glob(f"*/{MANIFEST}")
    return frozenset(path.parent.name for path in found if b"made_from" in path.read_bytes())


def columns_of(entry: Mapping[str, Any]) -> dict[str, str]:
    """The columns of a file and their types, by its manifest entry."""
    return {column["name"]: column["type"] for column in entry["columns"]}


def read_export(path: Path) -> pa.Table:
    """One CSV of an export as the table it was written from: types by its manifest, the formula guard undone.

    Importing an exported file this way loses nothing. Raises `NoSuchData` when the manifest does not name
    the file, `StorageFailed` when it is not the file that the manifest describes.
    """
    folder = next((above for above in path.parents if (above / MANIFEST).is_file()), path.parent)
    return read_described(path, read_manifest(folder), path.relative_to(folder).as_posix())


def read_described(path: Path, manifest: Mapping[str, Any], name: str) -> pa.Table:
    """`read_export` of the file that the manifest calls `name`."""
    entry = manifest["files"].get(name)
    if entry is None:
        raise NoSuchData(f"the {MANIFEST} of {path.parent} does not name {name}: export the month again")
    if sha256_of(path) != entry["sha256"]:
        raise StorageFailed(f"{path} is not the file that its manifest describes: export the month again")
    return read_table(path, columns_of(entry), form_of(manifest).delimiter, guard=guard_of(manifest))
