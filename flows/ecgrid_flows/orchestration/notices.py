"""Notices to people, by Apprise: a month is ready, a run failed or was held off, something is overdue.

    notices/<event>.json      what was sent of each event

Sent from `session.opened`, which `run`, `serve` and a work pool all pass through, and by `status --notify`. A notice
holds sums and counts: no account, no line, no text of the service, no secret. One that cannot be sent is a warning.

At most once: an event is recorded before it is sent, so a process killed in between sends nothing, and never twice. A
month whose state no notice has reported shows in `status`, and in the next notice. Only where every address refused
the notice is the record taken back, and the next run sends it again.
"""

import fcntl
import hashlib
import json
import logging
import os
import socket
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any, Protocol

from ecgrid_flows.errors import BillingError, ExitStatus
from ecgrid_flows.figures import amount
from ecgrid_flows.orchestration.run_context import MonthDone
from ecgrid_flows.orchestration.status import INVOICE, Status, status
from ecgrid_flows.progress import Reporter
from ecgrid_flows.settings import Settings
from ecgrid_flows.storage.base import Store, disk_errors
from ecgrid_flows.storage.data_owner import is_invented
from ecgrid_flows.storage.local import LocalStore
from ecgrid_flows.storage.opening import open_store
from ecgrid_transforms.money import ZERO
from ecgrid_transforms.period import NotAMonth, month_text

__all__ = ["kinds", "ready_text", "tell_not_opened", "tell_overdue", "watching"]

NOTICES = "notices"
_FAILING = f"{NOTICES}/failing"
_GUARD = f"{NOTICES}/.guard"
_WHY = {
    ExitStatus.USAGE: "a setting, or the data directory, does not allow it (status 2)",
    ExitStatus.UNREACHABLE: "the service cannot be reached, or it refused the credentials (status 3)",
    ExitStatus.INCOMPLETE: "some calls have no response, or the run was stopped (status 4). A month that lacks lines "
    "or invoices is not exported; the next run goes on from here",
    ExitStatus.HELD: "the data directory is locked by another run (status 5)",
    None: "internal error",
}


class Watched(Protocol):
    """What is needed of a run."""

    settings: Settings
    store: Store
    reporter: Reporter
    results: list[MonthDone]

    lost: dict[date, str]
    not_followed: dict[date, str]

    @property
    def months(self) -> Sequence[date]: ...


@contextmanager
def watching(run: Watched) -> Iterator[None]:
    """Send notices after the block: ready months, a failure, and overdue items."""
    if not run.settings.notify_urls:
        yield
        return
    try:
        yield
    except Exception as error:
        _tell(run, _status_of(error))
        raise
    is_whole = not run.lost and not run.not_followed and not any(one.is_incomplete for one in run.results)
    _tell(run, ExitStatus.CLEAN if is_whole else ExitStatus.INCOMPLETE)


def tell_not_opened(settings: Settings, reporter: Reporter, error: Exception) -> None:
    """Send a notice of a run that ended before it was open: its settings or reference tables were refused."""
    if not settings.notify_urls:
        return
    try:
        place = _Place(settings, open_store(settings), reporter)
    except BillingError:
        reporter.warn("the notice about this run could not be sent: the data directory cannot be used")
        return
    _tell(place, _status_of(error))


def _tell(run: Watched, ended: ExitStatus | None) -> None:
    """`ended` is None for an internal error. Nothing that goes wrong in here ends the run."""
    try:
        for done in run.results:
            if done.missing_calls:
                continue
            if done.exports:
                title, body = ready_text(run.settings, done)
                _send_once(run, f"{NOTICES}/ready-{month_text(done.month)}.json", title, body)
            if done.notices:
                _send_once(
                    run,
                    f"{NOTICES}/ahead-{month_text(done.month)}.json",
                    *ahead_text(done.month, done.notices, run.settings.currency),
                    event=_keys_of(done.notices),
                )
            if done.month not in run.lost and not done.unchecked:
                run.store.delete(_failing(done.month))  # from now on a failure of the month is a new one
        if ended is not ExitStatus.CLEAN:
            months = _failed_months(run)
            # an incomplete month is a separate event: other months are still billed
            path = _failing(months[0] if months and ended is ExitStatus.INCOMPLETE else None)
            _send_once(run, path, *_failing_text(months, ended), event=ended.name if ended else "internal error")
        elif run.results:
            run.store.delete(_failing(None))
        tell_overdue(run.settings, run.store, run.reporter, status(run.settings))
    except Exception as error:
        run.reporter.warn(f"the notices about this run could not be sent: {type(error).__name__}")


def _status_of(error: Exception) -> ExitStatus | None:
    if isinstance(error, NotAMonth):
        return ExitStatus.USAGE
    return error.status if isinstance(error, BillingError) else None


def ready_text(settings: Settings, done: MonthDone) -> tuple[str, str]:
    """Title and body of the notice for an exported month."""
    month = month_text(done.month)
    lines = [
        done.checked.invoices.words(settings.currency),
        f"Recalculated: {amount(done.amount, settings.currency)}, {done.lines:,} lines of {done.accounts:,} accounts",
        f"Findings: {done.checked.count:,}, {done.checked.open_errors:,} of them open errors",
        f"Money at stake: {done.checked.at_stake.words(settings.currency)}",
    ]
    if done.report and settings.report_url:
        lines.append(f"Report: {settings.report_url}/{month}/{done.report.name}")
    return f"ECGrid bill {month} is ready", "\n".join(lines)


#: What a notice ahead of the invoice is about, and what its difference is.
_AHEAD = {
    "budget_ahead": ("Budgets that will be exceeded", "above them"),
    "tier_ahead": ("Accounts that pass a tier", "against the price so far"),
    "unusual_use": ("Accounts with unusual use", "above the usual"),
}


def ahead_text(month: date, rows: Sequence[Mapping[str, Any]], currency: str | None) -> tuple[str, str]:
    """Title and body of the notice about budgets, tiers and use of a month before its invoice."""
    lines = []
    for kind, (what, more) in _AHEAD.items():
        found = [row for row in rows if row["notice"] == kind]
        if found:
            difference = sum((row["difference"] for row in found), ZERO)
            lines.append(f"{what}: {len(found):,} ({amount(difference, currency)} {more})")
    lines.append("See out_notices, or `ecgrid-billing accrue`.")
    return f"ECGrid {month_text(month)}: notices before the invoice", "\n".join(lines)


def _keys_of(rows: Sequence[Mapping[str, Any]]) -> str:
    """What the notices are about, as a digest: amounts that change every night are no new event."""
    names = ("notice", "contract_id", "network_id", "mailbox_id", "client", "account_report", "measure_field")
    text = json.dumps(sorted([str(row[name]) for name in names] for row in rows))
    return hashlib.sha256(text.encode()).hexdigest()


def _failing(month: date | None) -> str:
    """Path of the record of a sent failure notice: of an incomplete month, or of runs in general."""
    return f"{_FAILING}-{month_text(month)}.json" if month else f"{_FAILING}.json"


def _failed_months(run: Watched) -> list[date]:
    """The months of the run, without those that are complete and lost nothing."""
    whole = {done.month for done in run.results if not done.is_incomplete} - set(run.lost)
    return sorted({*run.months, *run.lost, *run.not_followed, *(done.month for done in run.results)} - whole)


def _failing_text(months: Sequence[date], ended: ExitStatus | None) -> tuple[str, str]:
    of_months = f" of {', '.join(map(month_text, months))}" if months else ""
    title = "ECGrid billing was blocked" if ended is ExitStatus.HELD else "ECGrid billing failed"
    return title, (
        f"The run{of_months} ended: {_WHY[ended]}.\nSee its log for details. This notice is not repeated until a "
        "run succeeds."
    )


def tell_overdue(settings: Settings, store: Store, reporter: Reporter, found: Status) -> None:
    """Send one notice per overdue month and per overdue invoice, once each."""
    for one in found.overdue if settings.notify_urls else ():
        month = month_text(one.month)
        if one.overdue == INVOICE:
            title, body = (
                f"ECGrid invoice of {month} is overdue",
                (f"No invoice is known {settings.invoice_days} days after the month's end. Ask the vendor for it."),
            )
        else:
            title, body = (
                f"ECGrid bill {month} is overdue",
                (f"It was due on {one.due_at:%Y-%m-%d %H:%M} UTC and is not exported."),
            )
        _send_once(_Place(settings, store, reporter), f"{NOTICES}/overdue-{month}-{one.overdue}.json", title, body)


class _Place:
    """What a notice sent outside of a run needs: the settings, the store and the reporter, and no month."""

    def __init__(self, settings: Settings, store: Store, reporter: Reporter) -> None:
        self.settings, self.store, self.reporter = settings, store, reporter
        self.results: list[MonthDone] = []
        self.lost: dict[date, str] = {}
        self.not_followed: dict[date, str] = {}
        self.months: Sequence[date] = ()


def _send_once(place: "_Place | Watched", path: str, title: str, body: str, *, event: str | None = None) -> None:
    """Send, unless the record at `path` shows that this event was sent; `event` defaults to the text."""
    record = (json.dumps({"event": event or f"{title}\n{body}"}, ensure_ascii=False) + "\n").encode()
    with _alone(place.store):
        version = place.store.version(path)
        earlier = None if version is None else place.store.read(path)
        if earlier == record or not place.store.write_if(path, record, version):
            return
    if is_invented(place.settings):
        title = f"INVENTED DATA: {title}"
    where = f"\nData directory {place.settings.data_dir} on {socket.gethostname()}"
    if not _send(place, title, body + where):
        if earlier is None:
            place.store.delete(path)
        else:
            place.store.write(path, earlier)


def _send(place: "_Place | Watched", title: str, body: str) -> bool:
    """Whether any address accepted it; the others are reported by position, never by their text."""
    import apprise

    # Apprise logs whole addresses including tokens
    logging.getLogger("apprise").setLevel(logging.CRITICAL + 1)
    took = 0
    for number, url in enumerate(place.settings.notify_urls, start=1):
        text = url.reveal()
        try:
            server = apprise.Apprise.instantiate(text, suppress_exceptions=True)
            took_it = server is not None and bool(server.notify(body=body, title=title, body_format="text"))
        except Exception:  # any library behind any address
            took_it = False
        took += took_it
        if not took_it:
            kind = text.split("://", 1)[0]
            place.reporter.warn(
                f"address {number} of ECGRID_NOTIFY_URLS ({kind}://…) did not accept the notice: {title}"
            )
    return took > 0


def kinds(settings: Settings) -> list[tuple[str, bool]]:
    """The kind of each address (`mailto`, `slack`), and whether Apprise can parse it; sends nothing."""
    import apprise

    logging.getLogger("apprise").setLevel(logging.CRITICAL + 1)
    texts = [url.reveal() for url in settings.notify_urls]
    return [
        (text.split("://", 1)[0], apprise.Apprise.instantiate(text, suppress_exceptions=True) is not None)
        for text in texts
    ]


@contextmanager
def _alone(store: Store) -> Iterator[None]:
    """One process at a time reads and writes a record; a run that is held off has no other lock.

    In a bucket `write_if` alone decides between two.
    """
    if not isinstance(store, LocalStore):
        yield
        return
    path = store.uri(_GUARD)
    with disk_errors(path):
        Path(path).parent.mkdir(mode=0o700, exist_ok=True)
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
