"""How the files of an export are written, and how they are read back.

A `Sheet` says what goes into one CSV: a relation, its order, its money. A folder of files has a manifest with rows,
columns, control totals and SHA-256 of each; `read_export` reads a file by it.
"""

import hashlib
import io
import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field, replace
from itertools import chain, groupby, zip_longest
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ecgrid_flows import formats
from ecgrid_flows.errors import BillingError, NoSuchData, SettingsError, StorageFailed
from ecgrid_flows.finance import journal_entries
from ecgrid_flows.finance.csv_writer import (
    ROWS_A_BATCH,
    Batches,
    CsvForm,
    Written,
    ahead,
    field_types,
    joined_cells,
    schema_of,
    write_groups,
    write_relation,
)
from ecgrid_flows.finance.export_cache import GATHERED, listed, show
from ecgrid_flows.settings import Settings
from ecgrid_flows.storage.atomic_folder import put_in_place
from ecgrid_flows.storage.base import disk_errors
from ecgrid_flows.warehouse import database
from ecgrid_flows.warehouse.csv_files import GUARD, MACROS, read_table
from ecgrid_flows.warehouse.temporary import load_macros_of
from ecgrid_transforms.money import Decimal, plain

__all__ = [
    "FOCUS_KEY",
    "FOCUS_VERSIONS",
    "KEY",
    "LEDGERS",
    "MANIFEST",
    "NO_CURRENCY",
    "PLACE",
    "Parted",
    "Repeating",
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
#: The folder of ledger files (`ledgers`), in that of the month's export.
LEDGERS = "ledgers"
NO_CURRENCY = "ECGrid states no currency: set ECGRID_CURRENCY (USD, EUR, …) and export again"
#: What DuckDB may use for an export; past that memory, sorts spill to a folder beside the warehouse.
MEMORY_LIMIT = "1500MiB"
#: Parts of a file that are worked out at the same time; each takes some 100 MB.
_AT_ONCE = 2
#: Column by which a row's place is known on its way to a file.
PLACE = "place in the file"
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
#: What FOCUS says of an account.
_FOCUS_ACCOUNT = (
    *("BillingAccountId", "BillingAccountName", "BillingAccountType", "BillingCurrency", "PricingCurrency"),
    *("InvoiceId", "InvoiceIssuerName", "SubAccountId", "SubAccountName", "SubAccountType", "x_BillingAccountName"),
    *("x_ContractId", "x_SubAccountName"),
)
#: What FOCUS says of a single line beside its decimals. All else goes with the kind of charge, which these tell.
_FOCUS_LINE = ("x_LineDate", "x_LineItemNumber", "x_Part", "x_ResponseSha256")
_FOCUS_KIND_BY = (
    *("kind_no", "charge", "category", "shows_factors", "is_above_proof"),
    *("slice_level", "slice_schedule_id", "pricing_block"),
)
#: Columns that are others under another name, for this service has one price and no commitments.
_FOCUS_SAME = {
    **dict.fromkeys(("EffectiveCost", "PricingCurrencyEffectiveCost"), "BilledCost"),
    "ListCost": "ContractedCost",
    **dict.fromkeys(
        ("ListUnitPrice", "PricingCurrencyContractedUnitPrice", "PricingCurrencyListUnitPrice"), "ContractedUnitPrice"
    ),
}
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

    connection: database.Connection
    gathered: str
    rows_of: Callable[[database.Connection], Any]

    def whole(self) -> Any:
        """All rows, as a relation, without their places."""
        return self.rows_of(self.connection).project(f"* EXCLUDE ({listed([PLACE])})")

    def project(self, columns: str) -> "Parted":
        """The same rows with other columns."""
        rows_of = self.rows_of
        return replace(self, rows_of=lambda seen: rows_of(seen).project(f"{columns}, {listed([PLACE])}"))

    def beside(self, table: str, columns: str, same: str) -> "Parted":
        """The same rows, each with columns of the row of a gathered table that it fits."""
        rows_of, name = self.rows_of, f"{GATHERED}.main.{table}"
        return replace(
            self, rows_of=lambda seen: rows_of(seen).join(seen.table(name).project(columns), same, how="left")
        )

    def one_of_each(self, by: Sequence[str], most: int) -> Any:
        """One of the rows for each combination that the gathered table has in `by`; None if they are above `most`."""
        cursor = self.connection.cursor()
        combinations = cursor.table(f"{GATHERED}.main.{self.gathered}").aggregate("min(rowid) AS row", listed(by))
        first = combinations.project("row").to_arrow_table()
        if first.num_rows > most:
            return None
        database.register(cursor, "first_of_each", first)
        show(cursor, self.gathered, "rowid IN (FROM first_of_each)")
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
                show(cursor, self.gathered, f"rowid // {ROWS_A_BATCH} % {at_once} = {turn}")
                reader = stack.enter_context(
                    closing(made_of(self.rows_of(cursor), [PLACE]).to_arrow_reader(ROWS_A_BATCH))
                )
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
    """Columns of a file that repeat together, so that each combination is worked out once.

    `by` are columns of the gathered table, which the rows have too: all that the repeating ones are made from. One row
    stands for all that agree in them.
    """

    columns: tuple[str, ...]
    by: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Sheet:
    """One file to write: a relation (whose column names and types are the file's), its order, and what is money.

    `order` must leave no ties that show; its columns need not be among `columns` (all of them by default). Without an
    `order` the rows must be in order, as those of a `Parted` are. `totals` are the columns whose sums stand in the
    manifest. `same` are columns that always hold what another one does; with `repeating` it is heeded in many `Parted`
    rows. With `parquet` the rows go into a Parquet file as well. With `by`, the first column of `order`, each of its
    values has a file, and stands for the braces in `name`, or its text in `stems` does. `tail` are a few more rows at
    the end of the file, a relation in its order.
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
        rows = rows.order(listed(self.order)) if self.order else rows
        return rows.project(listed(self.columns)) if self.columns else rows


def opened(settings: Settings) -> "closing[database.Connection]":
    """The warehouse, read-only, within the memory that an export may use."""
    spill = settings.warehouse_path.with_name("export.spill")
    connection = database.connect(settings.warehouse_path, memory_limit=MEMORY_LIMIT, temp_dir=spill)
    # several threads hand the rows of a large relation over as they get ready, whatever its order
    connection.execute("SET threads = 1").fetchall()
    connection.execute(f"ATTACH ':memory:' AS {GATHERED} (READ_WRITE)").fetchall()
    load_macros_of(connection, MACROS)
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
    """FOCUS rows: decimals at nine places (none is rounded: `core_charges` lets no more through), the currency set.

    The columns of FOCUS begin with a capital, our own in it with x_; no others are written. Corrections have one,
    `place`, by which an entry's rows are in order; charges that are `Parted` are in order already. `beside` are the
    charges of invoices that no line bills, for the end of the file.
    """
    shown, decimals, columns, others = [], [], [], []
    for column in schema_of(charges.whole() if isinstance(charges, Parted) else charges):
        name = f'"{column.name}"'
        if column.name in FOCUS_VERSIONS[version]:
            continue
        if not (column.name[0].isupper() or column.name.startswith("x_")):
            others.append(column.name)
        elif column.name in ("BillingCurrency", "PricingCurrency"):
            name = f"'{currency}' AS {name}"
        elif pa.types.is_decimal(column.type):
            name = f"{_NINE_PLACES.format(name)} AS {name}"
            decimals.append(column.name)
        shown.append(name)
        if column.name not in others:
            columns.append(column.name)
    rows = charges.project(", ".join(shown))
    of_others = {*_FOCUS_ACCOUNT, *_FOCUS_LINE, *decimals}
    more = (name for name in ("x_Correction", "place", "InvoiceId") if name in (*columns, *others))
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
        tail=None if beside is None else beside.project(", ".join(shown)).order(listed(order)),
    )


def write_sheet(sheet: Sheet, folder: Path, form: CsvForm) -> dict[str, Any]:
    """Write the file or files of one sheet; what the manifest says of each."""
    rows = sheet.ordered()
    schema = schema_of(rows)
    path = folder / sheet.name
    with disk_errors(str(path)):
        path.parent.mkdir(parents=True, exist_ok=True)
    options: dict[str, Any] = {"amounts": sheet.amounts, "totals": sheet.totals, "form": form, "schema": schema}
    if sheet.by is not None:
        none = f"no_{sheet.by.removesuffix('_id')}"
        made = write_groups(
            rows,
            sheet.by,
            lambda value: folder / sheet.name.format(none if value is None else sheet.stems.get(value, value)),
            **options,
        )
        return {path.name: _file_words(written, schema) for path, written in made.items()}
    folded = _folded(sheet, schema, form) if isinstance(sheet.rows, Parted) else Folded()
    tail = None if sheet.tail is None else sheet.tail.project(listed(schema.names))
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
class Fold:
    """The combinations of one group of columns; the rows have a column `number` that says which one is theirs."""

    number: str
    combinations: pa.Table


@dataclass(frozen=True, slots=True)
class Folded:
    """Rows of which columns that repeat are known by the number of their combination.

    `cells` are as for `write_relation`: the texts of its combination stand beside each row.
    """

    rows: Parted | None = None
    cells: Mapping[str, str] = field(default_factory=dict)
    folds: tuple[Fold, ...] = ()

    def batches(self, made_of: Callable[..., Any]) -> Batches:
        """As those of a `Parted`, with the numbers; a row that is of no combination is a `BillingError`."""
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
        """A Parquet file for rows of `schema`; texts that repeat are handed to it as dictionaries, and read as texts.

        Decimals and digests hardly repeat: to look for the same among them, for the least and the most, would take
        longer than to write them.
        """
        repeating = self.repeating()
        looked_at = [column.name for column in schema if column.name in repeating or not _is_wide(column.type)]
        return pq.ParquetWriter(
            file,
            self._written(schema),
            use_dictionary=looked_at if self.folds else True,
            write_statistics=looked_at if self.folds else True,
            store_schema=not self.folds,
        )

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
    """The values at `places`; texts as a dictionary, in which each stands once."""
    if not pa.types.is_string(values.type):
        return values.take(places)
    texts = values.dictionary_encode()
    return pa.DictionaryArray.from_arrays(texts.indices.take(places), texts.dictionary)


def _folded(sheet: Sheet, schema: pa.Schema, form: CsvForm) -> Folded:
    """The rows of a sheet; beside them the cells of its `repeating` columns, and the numbers of their combinations.

    Columns of a group that follow one another in the file share a text. Few rows are left as they are, as is a group
    that hardly repeats.
    """
    rows: Parted = sheet.rows
    count, plain, cells, folds = rows.count(), rows, dict[str, str](), []
    for place, group in enumerate(sheet.repeating if count > ROWS_A_BATCH else ()):
        some = plain.one_of_each(group.by, most=count // 2)
        if some is None:
            continue
        table = sheet.name.replace(".csv", f"_{place}")
        number = f"number in {table}"
        runs = {run: joined_cells(run, schema, sheet.amounts, form) for run in _runs(group.columns, schema.names)}
        told = [f'"{name}" AS "{name} of {table}"' for name in group.by]
        texts = [f'{text} AS "{run[0]} in {table}"' for run, text in runs.items()]
        numbered = f'(row_number() OVER () - 1)::INTEGER AS "{number}"'
        values = listed(group.columns)
        some.project(", ".join([*told, *texts, numbered, values])).create(f"{GATHERED}.main.{table}")
        made = rows.connection.table(f"{GATHERED}.main.{table}")
        folds.append(Fold(number, made.order(f'"{number}"').project(values).to_arrow_table()))
        same = " AND ".join(f'"{name}" IS NOT DISTINCT FROM "{name} of {table}"' for name in group.by)
        rows = rows.beside(table, f"* EXCLUDE ({values})", same)
        for run in runs:
            cells |= {run[0]: f'"{run[0]} in {table}"', **dict.fromkeys(run[1:], "")}
    return Folded(rows, cells, tuple(folds))


def _runs(group: Sequence[str], columns: Sequence[str]) -> list[tuple[str, ...]]:
    """The columns of a group, those together that follow one another among `columns`."""
    return [tuple(run) for is_in_group, run in groupby(columns, lambda name: name in group) if is_in_group]


def write_parquet(rows: Any, path: Path) -> None:
    """The rows of a relation, in its order, as a Parquet file.

    The reader is closed also where the disk is full: one that a traceback keeps alive holds its connection open, and
    the next `connect` of the process would wait for it.
    """
    with (
        disk_errors(str(path)),
        closing(rows.to_arrow_reader(65_536)) as reader,
        pq.ParquetWriter(path, reader.schema, compression="zstd") as parquet,
    ):
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
    """Which guard the texts of the CSVs have."""
    return int(manifest["csv"].get("guard", 1))


def place(
    staged: Path, target: Path, manifest: Mapping[str, Any], beside: Callable[[Path], object] = lambda _: None
) -> list[Path]:
    """Put the staged files and their manifest in place of `target`, unless they are there already.

    An export in place that differs in nothing but the run and the release behind it stays, both included. Otherwise
    `beside` adds to the staged folder what is made of its files. Gives the paths, manifest last.
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
    path = folder / MANIFEST
    try:
        manifest: dict[str, Any] = json.loads(path.read_bytes())
        manifest["files"].keys()
    except FileNotFoundError:
        raise NoSuchData(f"{folder} holds no whole export: run `ecgrid-billing export` for its month") from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise SettingsError(f"{path} is damaged: export the month again") from error
    formats.require_readable("export", manifest, str(path))
    return manifest


def derived_folders(folder: Path) -> frozenset[str]:
    """The folders of an export that hold it once more, for spreadsheets."""
    found = folder.glob(f"*/{MANIFEST}")
    return frozenset(path.parent.name for path in found if b"made_from" in path.read_bytes())


def columns_of(entry: Mapping[str, Any]) -> dict[str, str]:
    """The columns of a file and their types, by what its manifest states."""
    return {column["name"]: column["type"] for column in entry["columns"]}


def read_export(path: Path) -> pa.Table:
    """One CSV of an export as the table it was written from: types by its manifest, the formula guard undone.

    This is how an exported file is imported again without loss. Raises `NoSuchData` when the manifest does not name
    the file, `StorageFailed` when it is not the file that the manifest describes.
    """
    folder = next((above for above in path.parents if (above / MANIFEST).is_file()), path.parent)
    manifest = read_manifest(folder)
    entry = manifest["files"].get(path.relative_to(folder).as_posix())
    if entry is None:
        raise NoSuchData(f"{folder / MANIFEST} does not name {path.name}: export the month again")
    if sha256_of(path) != entry["sha256"]:
        raise StorageFailed(f"{path} is not the file that its manifest describes: export the month again")
    return read_table(path, columns_of(entry), form_of(manifest).delimiter, guard=guard_of(manifest))
