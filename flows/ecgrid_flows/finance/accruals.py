"""Accruals: what a month will cost before its invoice is here, its journal with the reversal, and the true-up.

`exports/YYYY-MM-accrual/` holds

    accrual.csv           a row per key: method, quantity and amount projected, interval, source
    accrual_journal.csv   one entry per contract at the month's end, and its reversal on the first day after
                          (only with ECGRID_CURRENCY)
    accrual_trueup.csv    once a contract's invoice is here: accrued, invoiced, and what the difference is of
    manifest.json         rows, control totals and SHA-256 of each file

A contract is accrued until its invoice is here; then its rows and its entry stay as they were booked. A closed month is
not accrued anew. The same warehouse and day give the same bytes.
"""

import calendar
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa

from ecgrid_flows import formats
from ecgrid_flows.errors import NoSuchData, Refused
from ecgrid_flows.finance import audit_log
from ecgrid_flows.finance.csv_writer import CsvForm
from ecgrid_flows.finance.export_files import (
    MANIFEST,
    NO_CURRENCY,
    Sheet,
    form_words,
    journal_sheet,
    opened,
    place,
    read_export,
    write_sheet,
)
from ecgrid_flows.finance.journal import chart_of, unbooked
from ecgrid_flows.finance.journal_entries import Amount, Chart, Entry, Posted, entries, to_table
from ecgrid_flows.logs import staged as logged
from ecgrid_flows.settings import Settings
from ecgrid_flows.storage.atomic_folder import publish, staging
from ecgrid_flows.storage.base import Store, disk_errors
from ecgrid_flows.warehouse import database, simulations
from ecgrid_flows.warehouse.provenance import run_of
from ecgrid_transforms.money import Decimal, total
from ecgrid_transforms.period import month_text, next_month

__all__ = ["ACCRUAL", "JOURNAL", "TRUEUP", "Accrual", "accrual_dir", "accrue_month", "is_due"]

ACCRUAL, JOURNAL, TRUEUP = "accrual.csv", "accrual_journal.csv", "accrual_trueup.csv"
_KEY = ("network_id", "mailbox_id", "reporting_month", "account_report", "measure_field")
_COLUMNS = (
    *(*_KEY, "method", "actual_to_date", "projected_quantity", "projected_amount", "low", "high", "source"),
    *("contract_id", "is_taxable"),
)
#: The relation that the month's notices are kept in.
NOTICES = "out_notices"
_NOTICE_ORDER = ("notice", "contract_id", "network_id", "mailbox_id", "client", "account_report", "measure_field")
_AMOUNTS = ("projected_amount", "low", "high")
_TRUEUP_AMOUNTS = ("accrued", "invoiced", "difference", "price", "volume", "method")


@dataclass(frozen=True, slots=True)
class Accrual:
    """What was written: the rows of accrual.csv, accrual_trueup.csv and out_notices, and the paths of the files.

    `unjudged` is the number of keys whose history is too short to tell unusual use.
    """

    month: date
    rows: pa.Table
    trueups: pa.Table | None
    notices: tuple[Mapping[str, Any], ...]
    paths: tuple[Path, ...]
    unjudged: int

    @property
    def amount(self) -> Decimal:
        """The sum of the amounts accrued."""
        return total([value for value in self.rows.column("projected_amount").to_pylist() if value is not None])


def accrual_dir(settings: Settings, month: date) -> Path:
    """Where the accrual of a month is written."""
    folder = settings.exports_dir(month)
    return folder.with_name(f"{folder.name}-accrual")


def is_due(settings: Settings, month: date) -> bool:
    """Whether a contract has no invoice of `month` yet, or the month was accrued before.

    Of a run that was limited to some accounts no invoice is judged, so nothing is due.
    """
    if (accrual_dir(settings, month) / MANIFEST).is_file():
        return True
    with opened(settings) as connection:
        if database.rows(connection, "core_limited_runs", reporting_month=month).num_rows:
            return False
        asked = database.rows(connection, "out_invoice_reconciliation", columns=["contract_id"], reporting_month=month)
        return asked.num_rows == 0 or bool(unbooked(connection, month))


@logged("accrue")
def accrue_month(settings: Settings, store: Store, month: date, as_of: date, *, run_id: str | None = None) -> Accrual:
    """Write the accrual of `month` by what was known on the day `as_of`, and the true-up of invoices that are here.

    Fills out_notices of the warehouse with the notices of the month; the caller holds the lock. Raises `Refused` for a
    closed month without anything to true up, `NoSuchData` when nothing is known to project from.
    """
    log = audit_log.read(store)
    target = accrual_dir(settings, month)
    _fetch(store, target)
    booked = read_export(target / ACCRUAL) if (target / MANIFEST).is_file() else None
    notices: pa.Table | None = None
    unjudged = 0
    with opened(settings) as connection, staging(target) as folder:
        trueups = None if booked is None else simulations.compare_accrual(connection, month, booked).to_arrow_table()
        if log.closing(month) is not None:
            if booked is None or not trueups:
                raise Refused(
                    f"{month_text(month)} is closed and has no accrual whose invoice is here: nothing is accrued in a "
                    f"closed month; `reopen {month_text(month)} --why TEXT` first"
                )
            rows = booked
            journal = read_export(target / JOURNAL) if (target / JOURNAL).is_file() else None
        else:
            rows = _accrued(connection, month, as_of, booked)
            notices = database.rows(
                connection, "accrual_notices", columns=connection.table(NOTICES).columns, order=_NOTICE_ORDER
            )
            unjudged = database.rows(connection, "accrual_usual_use", columns=["months"], is_judged=False).num_rows
            journal = _journal(settings, connection, month)
        files = _write(connection, folder, rows, journal, trueups)
        manifest = {
            **formats.stamp("export"),
            "month": month_text(month),
            "run_id": run_id or run_of(settings.warehouse_path),
            "currency": settings.currency,
            "csv": form_words(CsvForm()),
            "files": files,
            "left_out": {} if journal is not None else {JOURNAL: NO_CURRENCY},
        }
        paths = place(folder, target, manifest)
    publish(store, target, f"exports/{target.name}", MANIFEST)
    if notices is not None:
        database.refill(settings.warehouse_path, NOTICES, notices)
    found = tuple(notices.to_pylist() if notices else ())
    return Accrual(month, rows, trueups or None, found, tuple(paths), unjudged)


def _accrued(connection: database.Connection, month: date, as_of: date, booked: pa.Table | None) -> pa.Table:
    """The rows of accrual.csv: those of contracts that are invoiced as they were booked, the others projected."""
    simulations.accrue(connection, month, as_of, booked)
    rows = database.rows(connection, "accrual_all", columns=_COLUMNS, order=_KEY)
    if not rows.num_rows:
        raise NoSuchData(
            f"{month_text(month)} has nothing to accrue: its invoices are here, or the warehouse has no line of it and "
            f"of the months before. `ecgrid-billing status` shows both; `ecgrid-billing run --month M` pulls one"
        )
    return rows


def _journal(settings: Settings, connection: database.Connection, month: date) -> pa.Table | None:
    """One entry per contract, dated at the month's end, and the same with the other sign on the first day after."""
    if settings.currency is None:
        return None
    rows = database.records(connection, "accrual_amounts")
    amounts = [Amount(reporting_month=month, invoice_number=None, **row) for row in rows]
    return to_table(accrual_entries(amounts, chart_of(settings), settings.currency, month))


def accrual_entries(amounts: Sequence[Amount], chart: Chart, currency: str, month: date) -> list[Entry]:
    """The entries of `amounts`, and their reversal: together they are nothing on any account."""
    dated = month.replace(day=calendar.monthrange(month.year, month.month)[1])
    lines = [
        replace(line, reference=line.reference.replace("ECGRID-", "ACCRUAL-"))
        for line in entries(amounts, Posted(), chart, currency, dated)
    ]
    return lines + [
        replace(
            line,
            posting_date=next_month(month),
            debit=line.credit,
            credit=line.debit,
            description=f"Reversal: {line.description}",
            reference=f"{line.reference}-R",
        )
        for line in lines
    ]


def _write(
    connection: database.Connection,
    folder: Path,
    rows: pa.Table,
    journal: pa.Table | None,
    trueups: pa.Table | None,
) -> dict[str, Any]:
    """Write the files and their manifest."""
    form = CsvForm()
    database.register(connection, "accrual_file", rows)
    sheets = [Sheet(ACCRUAL, connection.table("accrual_file"), order=_KEY, amounts=_AMOUNTS, totals=_AMOUNTS)]
    if journal is not None:
        sheets.append(journal_sheet(connection, journal, JOURNAL))
    if trueups:
        database.register(connection, "accrual_trueup_file", trueups)
        sheets.append(
            Sheet(
                TRUEUP,
                connection.table("accrual_trueup_file"),
                order=(*_KEY, "contract_id"),
                amounts=_TRUEUP_AMOUNTS,
                totals=_TRUEUP_AMOUNTS,
            )
        )
    files: dict[str, Any] = {}
    for sheet in sheets:
        files |= write_sheet(sheet, folder, form)
    return files


def _fetch(store: Store, target: Path) -> None:
    """Copy the accrual that another machine wrote into a remote store, where this one has none."""
    if (target / MANIFEST).is_file():
        return
    for entry in store.entries(f"exports/{target.name}"):
        with disk_errors(str(target)):
            target.mkdir(parents=True, exist_ok=True)
            (target / Path(entry.path).name).write_bytes(store.read(entry.path))
