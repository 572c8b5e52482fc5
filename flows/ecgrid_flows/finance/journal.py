"""The journal of a month: the entries still to be posted so that the ledger has the invoices' totals.

Posted entries are never rewritten. Posted are the journal.csv of each closing of the month and the journal of each
booked batch of corrections; the next journal is the difference to them, also after `reopen`. A first journal is dated
at the end of its month, a later one on the first day after the last closed month, so nothing is posted into a closed
one.

An invoice that has not arrived, or whose total is unknown, is not booked here: `accrue` books its expected cost.
"""

import calendar
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from ecgrid_flows.errors import NoSuchData, Refused, SettingsError, StorageFailed
from ecgrid_flows.finance.audit_log import CLOSINGS, Decision, Log
from ecgrid_flows.finance.export_files import MANIFEST, manifest_at, read_described
from ecgrid_flows.finance.finding_states import with_states
from ecgrid_flows.finance.journal_entries import (
    Amount,
    Chart,
    Entry,
    Posted,
    entries,
    from_table,
    read_chart,
    to_table,
)
from ecgrid_flows.settings import Settings, reference_folders
from ecgrid_flows.storage.base import Store, holds_path
from ecgrid_flows.warehouse import database
from ecgrid_transforms.period import month_text, next_month

__all__ = [
    "BATCH",
    "JOURNAL",
    "Unbooked",
    "batches",
    "chart_of",
    "closed_folder",
    "kept_file",
    "left_out_words",
    "open_journal",
    "require_kept",
    "unbooked",
]

#: File name of the journal of an export, and of a batch of corrections in its closing's folder.
JOURNAL, BATCH = "journal.csv", "journal.parquet"


@dataclass(frozen=True, slots=True)
class Unbooked:
    """An invoice, or a contract without one, that the month's journal omits; `invoice_number` is null without one."""

    contract_id: int | None
    invoice_number: str | None

    def data(self) -> dict[str, Any]:
        """In the form of an export's manifest."""
        return {"contract_id": self.contract_id, "invoice_number": self.invoice_number}


def open_journal(
    connection: database.Connection,
    settings: Settings,
    store: Store,
    log: Log,
    month: date,
    posting_date: date | None = None,
) -> pa.Table:
    """The entries to be posted for `month`, as a table of `journal_entries.SCHEMA`, dated by default as above.

    Raises `SettingsError` for a posting date in a closed month or a chart without a matching rule, `Refused` if the
    month was posted in another currency.
    """
    currency = settings.currency
    if currency is None:
        raise SettingsError("a journal needs a currency: set ECGRID_CURRENCY")
    journals = [lines for _, lines in _posted(store, log, month)]
    if other := {line.currency for lines in journals for line in lines} - {currency}:
        raise Refused(
            f"{month_text(month)} was posted in {min(other)}, and ECGRID_CURRENCY is now {currency}: "
            f"set it to {min(other)} for what changed in that month"
        )
    with_states(connection, log)
    rows = database.records(connection, "out_journal_amounts", reporting_month=month)
    dated = _posting_date(log, month, is_first=not any(journals), wanted=posting_date)
    return to_table(entries([Amount(**row) for row in rows], Posted(journals), chart_of(settings), currency, dated))


def unbooked(connection: database.Connection, month: date) -> list[Unbooked]:
    """The invoices of `month` that have not arrived or whose total is unknown, by contract."""
    rows = database.records(
        connection,
        "out_invoice_reconciliation",
        columns=["contract_id", "invoice_number", "invoiced_amount", "recalculated_amount"],
        order=["contract_id", "invoice_number"],
        reporting_month=month,
    )
    return [
        Unbooked(row["contract_id"], row["invoice_number"])
        for row in rows
        if row["invoiced_amount"] is None and (row["invoice_number"] is not None or row["recalculated_amount"])
    ]


def left_out_words(month: date, left_out: Sequence[Mapping[str, Any]]) -> str:
    """One line about what the journal of `month` omits, from its manifest; empty if nothing."""
    without = [str(one["contract_id"] or "none") for one in left_out if one["invoice_number"] is None]
    unread = [str(one["invoice_number"]) for one in left_out if one["invoice_number"] is not None]
    told = []
    if without:
        contracts = "contract" if len(without) == 1 else "contracts"
        told.append(f"no invoice yet of {contracts} {', '.join(without)}, which is left to accrue")
    if unread:
        told.append(f"the total of invoice {', '.join(unread)} is not known")
    return f"{month_text(month)}: not in {JOURNAL}: {'; '.join(told)}." if told else ""


def batches(store: Store, log: Log, closing: Decision) -> list[pa.Table | None]:
    """The journals booked since `closing`, in order; None for a batch that was booked without a currency."""
    month = date.fromisoformat(f"{closing.data['month']}-01")
    booked = {entry.number: to_table(lines) for entry, lines in _posted(store, log, month)}
    return [booked.get(entry.number) for entry in log.bookings(closing)]


def _posted(store: Store, log: Log, month: date) -> list[tuple[Decision, list[Entry]]]:
    """The journals of each closing and each batch of `month`, in order, including closings undone by `reopen`."""
    found: list[tuple[Decision, list[Entry]]] = []
    for entry in log.entries:
        if entry.kind not in ("close", "corrections") or entry.data.get("month") != month_text(month):
            continue
        folder, files = closed_folder(entry), entry.data["files"]
        if f"{folder}/exports/{JOURNAL}" in files:
            manifest = manifest_at(Path(kept_file(store, entry, f"{folder}/exports/{MANIFEST}")))
            path = kept_file(store, entry, f"{folder}/exports/{JOURNAL}")
            table, batch = read_described(Path(path), manifest, JOURNAL), None
        elif f"{folder}/{BATCH}" in files:
            path = kept_file(store, entry, f"{folder}/{BATCH}")
            table, batch = pq.read_table(path, use_threads=False, pre_buffer=False), entry.data["correction"]
        else:
            continue
        found.append((entry, from_table(table, month, batch)))
    return found


def _posting_date(log: Log, month: date, *, is_first: bool, wanted: date | None) -> date:
    last = max(log.closed_months(), default=None)
    if wanted is not None:
        if last is not None and wanted < next_month(last):
            raise SettingsError(
                f"{wanted.isoformat()} is not after {month_text(last)}, which is closed: give a --posting-date from "
                f"{next_month(last).isoformat()} on"
            )
        return wanted
    if last is not None and (last >= month or not is_first):
        return next_month(last)
    return month.replace(day=calendar.monthrange(month.year, month.month)[1])


def chart_of(settings: Settings) -> Chart:
    """The user's chart of accounts, or the shipped one."""
    found = [folder / "journal_accounts.csv" for folder in reference_folders(settings)]
    return read_chart(next(path for path in reversed(found) if path.is_file()))


def closed_folder(entry: Decision) -> str:
    """The folder with the files of a closing, or of a batch of corrections."""
    return f"{CLOSINGS}/{entry.data['month']}/{entry.number:06}"


def kept_file(store: Store, entry: Decision, path: str) -> str:
    """A file that the entry of the audit log names, on this machine."""
    require_kept(store, entry, path)
    return str(store.locals([path])[0])


def require_kept(store: Store, entry: Decision, path: str) -> None:
    """Raise `NoSuchData` for a missing file, `StorageFailed` for one whose hash differs from that in the audit log."""
    is_whole = holds_path(store, path, entry.data["files"][path])
    if is_whole is None:
        raise NoSuchData(f"{store.uri(path)} is missing, and the closed month needs it: restore it from a backup")
    if not is_whole:
        raise StorageFailed(
            f"{store.uri(path)} is damaged, and the closed month needs it: restore it from a backup; "
            "`ecgrid-billing verify` quarantines it"
        )
