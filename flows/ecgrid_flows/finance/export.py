"""The export of a month for finance: `exports/YYYY-MM/`, written atomically, the same bytes for the same warehouse.

    finance_lines.csv            every billed line, with what it should have cost
    invoice_summary.csv          what the lines add up to, per contract and account
    invoice_reconciliation.csv   what each invoice asks, its explanation, and the amount to pay
    findings.csv                 findings and the decisions about them
    disputes/<contract>/         claims to the vendor: claim.csv, letter.html, evidence/ (see `disputes`)
    journal.csv                  double entry for the ledger            only with ECGRID_CURRENCY
    focus_1_2.parquet, .csv      FOCUS 1.2, one row per charge          only with ECGRID_CURRENCY
    focus-1.4/                   the same charges as FOCUS 1.4          only once asked for
    <locale>/, xlsx/             the same for spreadsheets              only once asked for (see spreadsheets)
    manifest.json                rows, control totals and SHA-256 of each file; the run, price lists and readings behind

A CSV has neither the time nor the run that wrote it. The manifest names the run that built the warehouse; an export
that would change nothing leaves the old one in place, its run id included. `read_export` reads a file back.

A month that is not over, or was not pulled since its end, is provisional: it is exported only on request, into
`exports/YYYY-MM-provisional/`.

A closed month is never written again: later changes go into `exports/YYYY-MM/corrections/` (see `corrections`).
"""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa

from ecgrid_flows import formats
from ecgrid_flows.errors import BillingError, NoSuchData, SettingsError
from ecgrid_flows.finance import audit_log, corrections, journal_entries, spreadsheets
from ecgrid_flows.finance.audit_log import Log
from ecgrid_flows.finance.csv_writer import CsvForm
from ecgrid_flows.finance.disputes import write_disputes
from ecgrid_flows.finance.export_files import (
    KEY,
    MANIFEST,
    NO_CURRENCY,
    Sheet,
    derived_folders,
    focus_files,
    focus_sheet,
    focus_stem,
    focus_versions,
    form_words,
    journal_sheet,
    opened,
    place,
    read_export,
    read_manifest,
    write_sheet,
)
from ecgrid_flows.finance.finding_states import with_states
from ecgrid_flows.finance.journal import JOURNAL, open_journal, unbooked
from ecgrid_flows.logs import staged
from ecgrid_flows.rating import month_totals
from ecgrid_flows.settings import Settings
from ecgrid_flows.storage.atomic_folder import publish, put_back, staging
from ecgrid_flows.storage.base import Store
from ecgrid_flows.storage.opening import open_store
from ecgrid_flows.warehouse import books, database
from ecgrid_flows.warehouse.csv_lines import schema_of
from ecgrid_flows.warehouse.database import of_month, ordered, require_month
from ecgrid_flows.warehouse.export_cache import another, finance_lines, gather_charges, gather_lines
from ecgrid_flows.warehouse.parted import Parted, Repeating
from ecgrid_flows.warehouse.provenance import run_of
from ecgrid_transforms.money import Decimal, plain, total
from ecgrid_transforms.period import month_end, month_text

__all__ = ["NO_CURRENCY", "export_month", "need_currency", "read_export"]


def need_currency(focus: str = "1.2") -> tuple[str, ...]:
    """The files that an export with this version of FOCUS leaves out without a currency."""
    return (JOURNAL, *focus_files(focus_versions({}, focus)))


#: Columns of finance_lines.csv that repeat on many lines: those of an account, and of a price and its reading.
_ACCOUNT = ("network_id", "mailbox_id", "account_name", "contract_id", "system_object", "system_id", "system_name")
_PRICE = (
    *("reporting_month", "account_report", "measure_field", "price_list_id", "price_list_description", "reading"),
    "reading_words",
    *("verdict", "is_taxable", "level", "level_name", "model", "schedule_id", "schedule_rate", "schedule_block"),
)
_JUDGED = ("billed_amount", "expected_amount", "difference")
#: Columns of out_finance_lines that finance_lines.csv has not: FOCUS has them by line.
_OF_ANALYSTS = ("line_date", "invoice_number", "currency")


class DoesNotTie(BillingError):
    """Two files of one export have different totals: an internal error, or a damaged warehouse."""


@staged("export")
def export_month(
    settings: Settings,
    month: date,
    *,
    run_id: str | None = None,
    form: CsvForm | None = None,
    is_provisional: bool = False,
    posting_date: date | None = None,
    also: Sequence[str] = (),
    focus: str = "1.2",
) -> list[Path]:
    """Write the export of `month` from the warehouse as it stands; gives the paths of its files, manifest last.

    The manifest names `run_id`, or else the run that built the warehouse. Of a closed month the frozen files stay, and
    the corrections are written beside them. `also` are locales for which CSVs are written too, or `WORKBOOK` (see
    `spreadsheets`); those that are there already are kept up. `focus` is a version of FOCUS to write beside 1.2, with
    those that are there already; a closed month keeps those that it was closed with. Without a currency in the settings
    the journal and the FOCUS files are left out, and the manifest says so. `is_provisional` exports a month that is not
    final, which is refused without it, and the other way round. Raises `NoSuchData` when the warehouse or the month is
    not there, `SettingsError` for a month that is final or not against `is_provisional`, `Refused` when a frozen file
    was changed, `StorageFailed` when the disk fails.
    """
    run_id = run_id or run_of(settings.warehouse_path)
    store = open_store(settings)
    log = audit_log.read(store)
    closing = log.closing(month)
    target = settings.exports_dir(month)
    if is_provisional and closing is None:
        target = target.with_name(f"{target.name}-provisional")
    put_back(target)
    wanted = sorted({*also, *derived_folders(target)})
    if closing is not None:
        written = corrections.frozen_export(settings, store, closing)
        written += corrections.export_corrections(
            settings, store, log, closing, run_id=run_id, form=form, posting_date=posting_date
        )
    else:
        with opened(settings) as connection:
            _require_final(connection, month, is_provisional)
            written = write_month(
                connection,
                settings,
                store,
                log,
                month,
                run_id=run_id,
                form=form or CsvForm(),
                target=target,
                posting_date=posting_date,
                focus=focus,
                also=wanted,
            )
        publish(store, target, f"exports/{target.name}", MANIFEST)
    return [*written, *spreadsheets.write(store, target, wanted)]


def _require_final(connection: database.Connection, month: date, is_provisional: bool) -> None:
    """Raise `SettingsError` for a provisional month without --provisional, and for a final one with it."""
    is_over = datetime.now(UTC) >= month_end(month)
    is_final = is_over and not month_totals.is_provisional(connection, month)
    if is_final and is_provisional:
        raise SettingsError(f"{month_text(month)} is over and final: export it without --provisional")
    if not is_final and not is_provisional:
        why = "was pulled only while it still ran: `run` it again" if is_over else "is not over"
        raise SettingsError(f"{month_text(month)} {why}. To export what there is, use --provisional")


def write_month(
    connection: database.Connection,
    settings: Settings,
    store: Store,
    log: Log,
    month: date,
    *,
    run_id: str | None,
    form: CsvForm,
    target: Path | None = None,
    posting_date: date | None = None,
    focus: str = "1.2",
    also: Sequence[str] = (),
) -> list[Path]:
    """Write the export of an open month into its folder, or into `target`; return the paths, manifest last.

    `also` as for `export_month`.
    """
    gather_lines(connection, month)
    if settings.currency:
        gather_charges(connection, month)
    require_month(connection, month)
    journal = open_journal(connection, settings, store, log, month, posting_date) if settings.currency else None
    asked = of_month(connection.table("core_invoice_focus"), month).to_arrow_table() if settings.currency else None
    target = target or settings.exports_dir(month)
    versions = _focus_versions(target, focus)
    with staging(target) as staged:
        # one thread for what is small, beside those of the two large files
        with another(connection) as beside, ThreadPoolExecutor(1) as thread:
            small = thread.submit(_write_small, beside, settings, log, journal, month, staged, form)
            files = write_sheet(_lines_sheet(connection), staged, form)
            if settings.currency:
                for version in versions:
                    files |= write_sheet(_focus_sheet(connection, asked, settings.currency, version), staged, form)
            more, sources = small.result()
            files |= more
        _check_ties(files, versions, asked)
        manifest = {
            **formats.stamp("export"),
            "month": month_text(month),
            "run_id": run_id,
            "currency": settings.currency,
            "posting_date": posting_date and posting_date.isoformat(),
            "not_booked": [one.data() for one in unbooked(connection, month)] if settings.currency else [],
            "csv": form_words(form),
            "focus": list(versions),
            "files": dict(sorted(files.items())),
            "left_out": {} if settings.currency else dict.fromkeys([JOURNAL, *focus_files(versions)], NO_CURRENCY),
            **sources,
        }
        in_place_of = target.name
        return place(staged, target, manifest, lambda made: spreadsheets.write_staged(made, in_place_of, also))


def _focus_versions(target: Path, asked: str) -> tuple[str, ...]:
    """The versions of FOCUS to write: 1.2, every version that the present export has, and that of `--focus`."""
    focus_stem(asked)  # refuses one that is not written
    try:
        return focus_versions(read_manifest(target), asked)
    except (NoSuchData, SettingsError):
        return focus_versions({}, asked)


def _lines_sheet(connection: database.Connection) -> Sheet:
    """finance_lines.csv: every line."""
    return Sheet(
        "finance_lines.csv",
        Parted(connection, "core_line_items", finance_lines, order=("line_no",)),
        amounts=_JUDGED,
        totals=("quantity_billed", *_JUDGED),
        columns=tuple(name for name in connection.table("out_finance_lines").columns if name not in _OF_ANALYSTS),
        repeating=(
            Repeating(_ACCOUNT, by=("account_no",)),
            Repeating(_PRICE, by=("kind_no",)),
        ),
    )


def _focus_sheet(connection: database.Connection, beside: pa.Table, currency: str, version: str) -> Sheet:
    """Every charge in the form of FOCUS: those of lines, then `beside`, the charges of invoices that no line bills."""
    charges = Parted(connection, "core_charge_parts", lambda seen: seen.table("core_focus"), order=("line_no", "part"))
    schema = schema_of(charges.whole())
    none = pa.nulls(beside.num_rows)
    columns = {field.name: beside[field.name] if field.name in beside.column_names else none for field in schema}
    database.register(connection, "charges beside lines", pa.table(columns).cast(schema))
    return focus_sheet(charges, focus_stem(version), currency, version, connection.table('"charges beside lines"'))


def _write_small(
    connection: database.Connection,
    settings: Settings,
    log: Log,
    journal: pa.Table | None,
    month: date,
    folder: Path,
    form: CsvForm,
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Write the files with few rows; return their manifest entries, and the sources of all files."""
    files = dict[str, Any]()
    for sheet in _small_sheets(connection, settings, log, journal, month):
        files |= write_sheet(sheet, folder, form)
    files |= write_disputes(connection, settings, month, folder, form)
    return files, _sources(connection, month)


def _small_sheets(
    connection: database.Connection, settings: Settings, log: Log, journal: pa.Table | None, month: date
) -> Iterator[Sheet]:
    """The files without a row per line."""
    summed = ("billed_amount", "expected_amount", "difference", "unproved_amount", "taxable_amount")
    yield Sheet(
        "invoice_summary.csv",
        of_month(connection.table("out_invoice_summary"), month),
        order=("contract_id", "network_id", "mailbox_id"),
        amounts=summed,
        totals=("lines", *summed),
    )
    with_states(connection, log)  # the reconciliation and the findings read decisions
    sums = (
        *("invoiced_amount", "expected_invoice_amount", "recalculated_amount", "explained_difference"),
        *("unexplained_difference", "claimable_amount", "disputed_amount", "accepted_amount", "to_pay_amount"),
    )
    yield Sheet(
        "invoice_reconciliation.csv",
        books.create(connection, "books_reconciliation", month=month, currency=settings.currency),
        order=("contract_id", "reporting_month", "invoice_date", "invoice_number"),
        amounts=sums,
        totals=sums,
    )
    yield Sheet(
        "findings.csv",
        books.create(connection, "books_findings", month=month),
        order=("check_name", *KEY, "finding_id"),
        amounts=_JUDGED,
        totals=_JUDGED,
    )
    if journal is not None:
        yield journal_sheet(connection, journal, JOURNAL)


#: A further possible cause of a FOCUS file that does not tie.
_NINE_PLACES = "FOCUS holds nine decimals: an amount with a tenth is exported with ECGRID_CURRENCY unset only. "


def _check_ties(files: Mapping[str, Any], versions: Sequence[str], beside: pa.Table | None) -> None:
    """Refuse an export whose files do not add up to one amount; `beside` are charges of no line, in FOCUS alone."""
    billed = Decimal(files["finance_lines.csv"]["control_totals"]["billed_amount"])
    _check_tie(files, "invoice_summary.csv", "billed_amount", billed)
    if beside is not None:
        charged = total([billed, *beside["BilledCost"].to_pylist()])
        for version in versions:
            _check_tie(files, f"{focus_stem(version)}.csv", "BilledCost", charged, _NINE_PLACES)
    if "journal.csv" in files:
        debit, credit = (files["journal.csv"]["control_totals"][name] for name in journal_entries.AMOUNTS)
        if debit != credit:
            raise DoesNotTie(f"journal.csv has debits of {debit} and credits of {credit}: nothing was written")


def _check_tie(files: Mapping[str, Any], name: str, column: str, wanted: Decimal, why: str = "") -> None:
    found = files[name]["control_totals"][column]
    if Decimal(found) != wanted:
        raise DoesNotTie(
            f"{name} adds up to {found}, what it is made of to {plain(wanted)}: nothing was written. "
            f"{why}Build the warehouse again, and report this if it stays"
        )


def _sources(connection: database.Connection, month: date) -> dict[str, Any]:
    """The price lists and readings behind the month's lines."""
    relations = {"price_lists": "books_line_price_lists", "readings": "books_line_readings"}
    found = {key: books.create(connection, name, month=month) for key, name in relations.items()}
    return {key: ordered(rows, *rows.columns).to_arrow_table().to_pylist() for key, rows in found.items()}
