"""The state of each month, read only from the data directory: no network, no lock, no write.

    runs/YYYY-MM.json      number of keys planned by the month's last run, number without a response, and whether it was
                           complete: every key and every list of accounts has a response

A figure that cannot be read is None, which means unknown, never zero. A month is overdue 24 hours after it was due and
not exported; its invoice is overdue `ECGRID_INVOICE_DAYS` after the end of an exported month that none bills (`due`).
"""

import json
from collections.abc import Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

import pyarrow as pa

from ecgrid_flows import due
from ecgrid_flows.due import DueMonth
from ecgrid_flows.errors import BillingError
from ecgrid_flows.finance import audit_log
from ecgrid_flows.finance.audit_log import Log
from ecgrid_flows.finance.finding_states import error_counts
from ecgrid_flows.lake import local_mirror, raw_log
from ecgrid_flows.lake.partitions import Lake
from ecgrid_flows.orchestration import schedule
from ecgrid_flows.rating import month_totals
from ecgrid_flows.settings import Settings
from ecgrid_flows.storage.base import Store
from ecgrid_flows.storage.opening import store_of
from ecgrid_flows.warehouse import database, issued_invoices
from ecgrid_transforms.money import Decimal
from ecgrid_transforms.period import NotAMonth, month_end, month_text, parse_month

__all__ = ["INVOICE", "RUN", "MonthStatus", "Status", "invoiced_since_export", "note", "status", "unfinished"]

RUNS = "runs"
#: What can be overdue.
RUN, INVOICE = "run", "invoice"
_INVOICE_KEY = ("contract_id", "invoice_number")


@dataclass(frozen=True, slots=True)
class MonthStatus:
    """One month, as `status --json` gives it. Counts of keys; amounts as landed, in the invoice's currency.

    `state` is the furthest that the month came: `not pulled`, `incomplete` (keys without an answer), `pulled`,
    `exported` or `closed`; `provisional` while it still runs. `overdue` is `run`, `invoice` or None.
    """

    month: date
    state: str
    due_at: datetime
    asked: int | None
    answered: int | None
    missing: int | None
    lines: int | None
    open_errors: int | None
    invoiced_amount: Decimal | None
    exported_at: datetime | None
    closed_at: str | None
    overdue: str | None


@dataclass(frozen=True, slots=True)
class Status:
    """The months, oldest first, and the unreadable files."""

    months: tuple[MonthStatus, ...]
    unread: tuple[str, ...]

    @property
    def overdue(self) -> tuple[MonthStatus, ...]:
        return tuple(one for one in self.months if one.overdue)


def note(store: Store, month: date, asked: int, missing: int, *, is_whole: bool) -> None:
    """Record the month's planned and unanswered keys, and whether it is complete; under the lock."""
    document = {"asked": asked, "missing": missing, "is_whole": is_whole}
    store.write(_note(month), (json.dumps(document) + "\n").encode())


def unfinished(store: Store, now: datetime) -> list[date]:
    """The months that were exported although calls that check them have no response; none that is closed."""
    log = audit_log.read(store)
    exported = (month for month in sorted(schedule.exported_months(store)) if now >= month_end(month))
    return [month for month in exported if log.closing(month) is None and _is_noted_incomplete(store, month)]


def invoiced_since_export(settings: Settings, store: Store, now: datetime) -> list[date]:
    """The months over and not closed whose export lacks an invoice that the warehouse has.

    A run that ended between the two leaves such a month, or a build of another month.
    """
    from ecgrid_flows.finance.export_files import read_export  # `status` does not need it

    log = audit_log.read(store)
    found = []
    for month, invoices in sorted(month_totals.invoices(settings.warehouse_path).items()):
        if now >= month_end(month) and log.closing(month) is None:
            # without a whole export there is nothing to compare; the schedule, or a person, exports the month
            with suppress(BillingError, OSError):
                table = read_export(settings.exports_dir(month) / "invoice_reconciliation.csv")
                exported = set(zip(*(table.column(name).to_pylist() for name in _INVOICE_KEY), strict=True))
                if not invoices <= exported:
                    found.append(month)
    return found


def _is_noted_incomplete(store: Store, month: date) -> bool:
    if not store.exists(_note(month)):
        return False
    try:
        return not json.loads(store.read(_note(month)))["is_whole"]
    except (ValueError, KeyError, TypeError):
        return True


def status(settings: Settings, now: datetime | None = None) -> Status:
    """Every month that is kept, exported, closed or due at `now` (UTC; default: the present)."""
    now = now or datetime.now(UTC)
    reading = _Reading(settings, store_of(settings))
    exported = reading.exported()
    log = reading.log()
    owed = {one.month: one for one in reading.owed(now)}
    closed = {month: entry for month in _closed_months(log) if (entry := log.closing(month)) is not None}
    open_errors = reading.open_errors(log)
    months = {*reading.months(), *exported, *closed, *owed}
    invoiced = reading.invoiced()
    found = []
    for month in sorted(months):
        asked, missing, lines, is_whole = reading.counts(month)
        entry = closed.get(month)
        late = None
        if month in owed and owed[month].overdue_at <= now:
            late = RUN
        elif month in exported and entry is None and month not in invoiced and month not in reading.unread_invoices:
            late = INVOICE if now >= month_end(month) + timedelta(days=settings.invoice_days) else None
        found.append(
            MonthStatus(
                month=month,
                state=_state(month, now, is_whole, is_exported=month in exported, is_closed=entry is not None),
                due_at=due.due_at(month, settings.cron_monthly),
                asked=asked,
                answered=None if asked is None or missing is None else asked - missing,
                missing=missing,
                lines=lines,
                open_errors=None if open_errors is None else open_errors.get(month),
                invoiced_amount=invoiced.get(month),
                exported_at=exported.get(month),
                closed_at=None if entry is None else entry.at,
                overdue=late,
            )
        )
    return Status(tuple(found), tuple(reading.unread))


def _state(month: date, now: datetime, is_whole: bool | None, *, is_exported: bool, is_closed: bool) -> str:
    if is_closed or is_exported:
        return "closed" if is_closed else "exported"
    if is_whole is None:
        return "not pulled"
    if now < month_end(month):
        return "provisional"
    return "pulled" if is_whole else "incomplete"


def _closed_months(log: Log) -> set[date]:
    return {parse_month(str(entry.data["month"])) for entry in log.entries if entry.kind == "close"}


def _note(month: date) -> str:
    return f"{RUNS}/{month_text(month)}.json"


@dataclass
class _Reading:
    """Reads the data directory and collects unreadable files."""

    settings: Settings
    store: Store
    unread: list[str] = field(default_factory=list)
    unread_invoices: set[date] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._lake = Lake(self.store)

    def months(self) -> set[date]:
        """The months with data of a run."""
        try:
            noted = [entry.path.removeprefix(f"{RUNS}/").removesuffix(".json") for entry in self.store.entries(RUNS)]
            return {*_months(noted), *raw_log.months(self.store), *self._lake.months("calls")}
        except BillingError as error:
            self.unread.append(str(error))
            return set()

    def exported(self) -> Mapping[date, datetime | None]:
        """Exported month -> time of its manifest."""
        months = schedule.exported_months(self.store)
        return {month: self.store.written_at(f"exports/{month_text(month)}/manifest.json") for month in months}

    def owed(self, now: datetime) -> list[DueMonth]:
        """The months that are due by the data directory's schedule."""
        return schedule.owed(self.settings, self.store, now)

    def log(self) -> Log:
        """The audit log; its faults are reported."""
        log = audit_log.read(self.store)
        self.unread += log.faults
        return log

    def counts(self, month: date) -> tuple[int | None, int | None, int | None, bool | None]:
        """Keys planned, keys without an answer, lines, and whether the last run was whole (None: there was none)."""
        asked = missing = lines = is_whole = None
        try:
            if self.store.exists(_note(month)):
                asked, missing, is_whole = self._noted(month)
            elif (asked := self._rows("calls", month)) is not None:
                is_whole = True  # landed by an earlier release; how many keys are unanswered is unknown
            lines = self._rows("line_items", month)
        except BillingError as error:
            self.unread.append(str(error))
        return asked, missing, lines, is_whole

    def _noted(self, month: date) -> tuple[int | None, int | None, bool]:
        """The note of the last run; a month with a damaged note counts as pulled and incomplete."""
        try:
            noted = json.loads(self.store.read(_note(month)))
            return int(noted["asked"]), int(noted["missing"]), bool(noted["is_whole"])
        except (ValueError, KeyError, TypeError):
            self.unread.append(f"{self.store.uri(_note(month))} is damaged; the next run of the month rewrites it")
            return None, None, False

    def _rows(self, feed: str, month: date) -> int | None:
        parts = self._lake.parts(feed, month)
        return None if parts is None else sum(part.rows for part in parts)

    def invoiced(self) -> Mapping[date, Decimal | None]:
        """Month -> total that its invoices ask, None where one cannot be read; no entry without an invoice."""
        batches: list[pa.RecordBatch] = []
        try:
            months = self._lake.months("invoices")
        except BillingError as error:
            self.unread.append(str(error))
            return {}
        for month in months:
            try:
                batches += self._lake.batches("invoices", month, list(issued_invoices.COLUMNS))  # few
            except (BillingError, pa.ArrowException, OSError) as error:
                self.unread.append(f"the invoices of {month_text(month)} cannot be read: {error}")
                self.unread_invoices.add(month)
        try:
            return issued_invoices.month_totals(batches)
        except BillingError as error:  # columns of an earlier release: the next build lands the months again
            self.unread.append(f"the invoices cannot be read: {error}")
            self.unread_invoices.update(months)
            return {}

    def open_errors(self, log: Log) -> Mapping[date, int] | None:
        """Open findings of severity error of every month in the warehouse; None if it cannot be read."""
        path = self.settings.warehouse_path
        if not path.is_file():
            return None
        try:
            local_mirror.require_current(self.settings, self.store)
            with closing(database.connect(path)) as connection:
                return dict(error_counts(connection, log).fetchall())
        except Exception as error:  # DuckDB's own errors too: whatever is wrong with a cache, its figures are unknown
            self.unread.append(f"{path} cannot be read, so open errors are unknown: run `build`. {_first(error)}")
            return None


def _first(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


def _months(texts: Sequence[str]) -> set[date]:
    found = set()
    for text in texts:
        try:
            found.add(parse_month(text))
        except NotAMonth:
            continue
    return found
