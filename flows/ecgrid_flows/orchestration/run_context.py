"""One run over one data directory: its settings, store, lake, puller and plans; and which run is the current one.

`session.opened` opens and ends a run. Prefect tasks find it by `current`, so no credential and no client is ever a
Prefect parameter.

An open run belongs to its context (`contextvars`): runs over several directories may be open at once, nested or in
threads. A new thread has no run, unless it works in a copy of the context, as those of Prefect's tasks and of
`map_threads` do. A worker process of a cluster has a `Context` of its own (`enter_worker`).
"""

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa
import pyarrow.compute as pc

from ecgrid_client import RetryPolicy
from ecgrid_flows import formats
from ecgrid_flows.errors import Incomplete, SettingsError
from ecgrid_flows.extract import discovery
from ecgrid_flows.extract.batches import ANSWERED_FAULTS, Tally
from ecgrid_flows.extract.plan import Asked, Plan, remember
from ecgrid_flows.extract.pull import Puller
from ecgrid_flows.finance import audit_log
from ecgrid_flows.lake import billing_scope, raw_manifest
from ecgrid_flows.lake.billing_scope import INVOICE_OPERATIONS, Scope, without_response
from ecgrid_flows.lake.landing import imported_invoices, land_month, limit_run
from ecgrid_flows.lake.partitions import Lake
from ecgrid_flows.lake.value_faults import Unread, unread
from ecgrid_flows.orchestration import status
from ecgrid_flows.progress import Reporter
from ecgrid_flows.rating import month_totals
from ecgrid_flows.rating.month_totals import AtStake, InvoiceTotals
from ecgrid_flows.settings import Settings, reference_folders
from ecgrid_flows.storage import data_owner
from ecgrid_flows.storage.base import Store
from ecgrid_flows.storage.opening import open_store
from ecgrid_flows.warehouse import client_files, contract_terms, product_codes
from ecgrid_flows.warehouse.provenance import new_run_id
from ecgrid_transforms.calls import FAULT
from ecgrid_transforms.keys import PAIRS, numbers, pair_bit
from ecgrid_transforms.model import Account
from ecgrid_transforms.money import ZERO, Decimal
from ecgrid_transforms.period import month_end, month_text

log = logging.getLogger(__name__)

#: Maximum number of tasks per month: more only cost time. Beyond it, each task takes several accounts.
TASKS_A_MONTH = 256


@dataclass(frozen=True, slots=True)
class Checked:
    """What the checks of a built month found, by the decisions of that moment.

    `findings` counts all by check, the most frequent first; `open_errors` those of severity error that nobody decided.
    """

    findings: Mapping[str, int] = field(default_factory=dict)
    open_errors: int = 0
    at_stake: AtStake = field(default_factory=AtStake)
    invoices: InvoiceTotals = field(default_factory=InvoiceTotals)
    is_provisional: bool = False

    @property
    def count(self) -> int:
        """How many findings there are."""
        return sum(self.findings.values())


@dataclass(slots=True)
class MonthDone:
    """What a run made of one month. `amount` is the sum of the lines.

    `missing` names calls without a usable response, which hold the month back; `unchecked` those that only check it.
    """

    month: date
    accounts: int = 0
    calls: int = 0
    calls_kept: int = 0
    lines: int = 0
    amount: Decimal = ZERO
    faults: dict[str, int] = field(default_factory=dict)
    missing_calls: int = 0
    missing: list[str] = field(default_factory=list)
    unchecked: list[str] = field(default_factory=list)
    value_faults: Unread = field(default_factory=Unread)
    checked: Checked = field(default_factory=Checked)
    exports: list[Path] = field(default_factory=list)
    notices: list[Mapping[str, Any]] = field(default_factory=list)
    report: Path | None = None

    @property
    def is_incomplete(self) -> bool:
        return bool(self.missing_calls or self.unchecked)


class Workers(Protocol):
    """The worker processes of a run, as its steps use them (`dask_cluster.Cluster`)."""

    def each(
        self, step: Any, calls: Iterable[tuple[Any, ...]], tell: Callable[[Any], None], is_recorded: bool
    ) -> list[Any]: ...

    def end_repeats(self, month: date) -> None: ...

    def stop(self, why: str) -> None: ...


class Context:
    """The context of a step, in the coordinator of a run and in each worker process of its cluster."""

    is_closed = False

    def __init__(self, settings: Settings, store: Store, puller: Puller) -> None:
        self.settings = settings
        self.store = store
        self.puller = puller


class Run(Context):
    """An open run in the coordinator; its resources are released at the end of its block."""

    def __init__(
        self,
        settings: Settings,
        reporter: Reporter,
        *,
        refresh: bool = False,
        is_invented: bool = False,
        retry: RetryPolicy | None = None,
    ) -> None:
        store = open_store(settings)
        self.only = discovery.read_accounts_file(settings.accounts_file) if settings.accounts_file else None
        for folder in reference_folders(settings):
            if (terms := folder / contract_terms.FILE).exists():
                contract_terms.check(terms)  # before a month is pulled for a file that will be refused
            if (codes := folder / product_codes.FILE).exists():
                product_codes.read(codes)
        client_files.read(reference_folders(settings))
        super().__init__(settings, store, Puller(settings, store, refresh=refresh, retry=retry))
        self.id = new_run_id()
        #: The data directory as two of them are compared, wherever this process goes meanwhile.
        self.place = _place(settings.data_dir)
        self.reporter = reporter
        self.is_invented = is_invented
        self.lake = Lake(store)
        self.cluster: Workers | None = None
        self.lost: dict[date, str] = {}
        self.not_followed: dict[date, str] = {}
        self._is_packed = False
        #: The months that were pulled to their end.
        self.results: list[MonthDone] = []
        self._plans: dict[date, tuple[Scope, Plan]] = {}

    @property
    def months(self) -> list[date]:
        """The months that were planned."""
        return list(self._plans)

    def stop(self, why: str) -> None:
        """Start no new calls, here or on a worker; calls in flight finish. Safe from a signal handler's thread."""
        if self.cluster is not None:
            self.cluster.stop(why)
        self.puller.stop(why)

    def check_source(self) -> None:
        """Raise `SettingsError` if the data directory belongs to another service.

        What has answers already is recorded now, an empty directory with the first answer.
        """
        wanted = data_owner.of_settings(self.settings, is_invented=self.is_invented)
        if data_owner.check(self.store, wanted):
            return
        if raw_manifest.months(self.store):
            data_owner.claim(self.store, wanted)
        else:
            self.puller.before_first_answer = partial(data_owner.claim, self.store, wanted)

    # --- steps --------------------------------------------------------------------------------------------------------

    def scope(self, month: date) -> Scope:
        """Request the accounts, contracts and price lists of a month."""
        self.puller.begin(month)
        return billing_scope.scope(self.puller, month, self.only, self.reporter)

    def plan(self, month: date) -> Plan:
        """Plan the month's calls, once per run, after requesting its accounts and its other feeds."""
        if month not in self._plans:
            self.restore(but=month)
            self._pack()
            scope = self.scope(month)
            limit_run(self.store, month, self.only)
            if month in self.awaiting_invoices():
                self.puller.ask_anew(month, *INVOICE_OPERATIONS)
            with_statistics = self.settings.with_statistics
            calls = discovery.ask_beside(self.puller, scope, self.reporter, with_statistics=with_statistics)
            invoices, checks = self._failed(month)
            scope = replace(scope, unanswered=(*scope.unanswered, *invoices), unchecked=checks)
            memory = remember(self.lake, month, scope.accounts, scope.price_lists)
            plan = Plan(month, scope.accounts, scope.price_lists, memory, self.settings.plan, calls)
            self._plans[month] = scope, plan
        return self._plans[month][1]

    def awaiting_invoices(self) -> list[date]:
        """The months that are over and not closed and in which a contract has lines and no invoice, oldest first."""
        decided, now = audit_log.read(self.store), datetime.now(UTC)
        waiting = month_totals.awaiting_invoices(self.settings.warehouse_path)
        return sorted(month for month in waiting if month_end(month) <= now and decided.closing(month) is None)

    def follow_invoices(self, month: date) -> bool:
        """Request the invoices of the month again and land them; True where one came. No line is requested.

        Where it is not known whether one came, the month is in `not_followed`.
        """
        before = self._invoices(month)
        scope = self.scope(month)
        self.puller.ask_anew(month, *INVOICE_OPERATIONS)
        discovery.ask_invoices(self.puller, scope, self.reporter)
        unanswered = (*scope.unanswered, *self._failed(month)[0])
        self.land(month)
        has_new = bool(self._invoices(month) - before)
        if unanswered and not has_new:
            self.not_followed[month] = f"{month_text(month)}: {'; '.join(unanswered[:5])}"
        return has_new

    def _failed(self, month: date) -> tuple[list[str], list[str]]:
        """The calls of this run without a usable response that ask for invoices, and those that only check the month.

        Those that name what is billed are in the scope.
        """
        invoices, checks = list[str](), list[str]()
        for answer in self.puller.failed(month):
            if answer.operation in INVOICE_OPERATIONS:
                invoices.append(without_response(answer))
            elif answer.feed not in billing_scope.ESSENTIAL:
                checks.append(without_response(answer))
        return invoices, checks

    def _invoices(self, month: date) -> set[tuple[int, int]]:
        """ContractID and InvoiceID of each invoice in the lake that asks to be paid."""
        columns = ["source", "status", "contract_id", "invoice_id"]
        rows = (row for batch in self.lake.batches("invoices", month, columns) for row in batch.to_pylist())
        return {
            (row["contract_id"], row["invoice_id"])
            for row in rows
            if row["source"] != "InvoiceCalculate" and row["status"] not in ("Canceled", "Pending")
        }

    def batches(self, month: date) -> Iterator[list[Asked]]:
        """The plan as tasks: one account each, or several if there are very many."""
        plan = self.plan(month)
        size = max(1, -(-len(plan.accounts) // TASKS_A_MONTH))
        batch: list[Asked] = []
        for asked in plan.asked():
            batch.append(asked)
            if len(batch) >= size:
                yield batch
                batch = []
        if batch:
            yield batch

    def surprises(self, month: date) -> list[Asked]:
        """What the plan left out and should not have, now that it was pulled.

        A void pair of the sample that is billed is asked of every account of its price list; a line of an invoice, of
        its trial calculation or of an imported file whose key was never asked is asked; and a line that an answer gave
        which counts no longer
        (`begin`).
        """
        scope, plan = self._plans[month]
        kept = self.puller.kept(month)
        by_list: dict[int | None, int] = {}
        planned: dict[Account, Asked] = {}
        for asked in plan.asked():
            planned[asked.account] = asked
            billed = kept.lines.get(asked.account, 0) & asked.sample
            if billed:
                by_list[asked.price_list_id] = by_list.get(asked.price_list_id, 0) | billed
        for list_id, pairs in sorted(by_list.items(), key=lambda item: (item[0] is not None, item[0])):
            for number in numbers(pairs):
                self.reporter.warn(
                    f"{'/'.join(PAIRS[number])} is billed but not on price list {list_id} by PricelistInfo: "
                    "requesting it for all accounts of the list"
                )
        wider = {account: by_list.get(asked.price_list_id, 0) for account, asked in planned.items()}
        for account, pairs in chain(
            self._invoiced_pairs(scope), self._filed_pairs(month), self.puller.outdated(month).items()
        ):
            if account in planned:
                wider[account] |= pairs
        found = []
        for account, pairs in sorted(wider.items()):
            left = pairs & ~planned[account].pairs & ~kept.answered.get(account, 0)
            if left:
                found.append(Asked(account, planned[account].price_list_id, left, 0))
        return found

    def _invoiced_pairs(self, scope: Scope) -> Iterator[tuple[Account, int]]:
        """Pairs billed by invoices and their trial calculations, by account."""
        mailboxes = {
            billed.account.mailbox_id: billed.account for billed in scope.accounts if billed.account.mailbox_id
        }
        for invoice in discovery.invoices_of(self.puller, scope):
            for line in invoice.line_items:
                if line.system_id is None:
                    continue
                account = mailboxes.get(line.system_id)
                if line.system_object == "Network":
                    account = Account(line.system_id, 0)
                if account is not None and line.schedule is not None:
                    yield account, pair_bit(line.schedule.account_report, line.schedule.measure)

    def _filed_pairs(self, month: date) -> Iterator[tuple[Account, int]]:
        """What imported invoices bill, as pairs by account."""
        codes: dict[str, tuple[str, str]] = {}
        for folder in reference_folders(self.settings):  # a later one replaces an earlier one
            if (path := folder / product_codes.FILE).exists():
                codes = dict(product_codes.read(path))
        for imported in imported_invoices(self.store, month, []):
            for line in imported.invoice.lines:
                pair = (line.account_report, line.measure_field)
                named = [pair, *(codes[code] for code in line.product_codes if code in codes)]
                if line.account is not None:
                    yield line.account, next((bit for one in named if (bit := pair_bit(*one))), 0)

    def note(self, month: date, tally: Tally | None = None) -> None:
        """Record the progress of the planned month for `status`; `tally` is that of a finished pull."""
        if month not in self._plans:
            return
        if tally is None:
            missing = self._unanswered(month)[0]
            status.note(self.store, month, self._plans[month][1].size(), missing, is_whole=False)
            return
        answered = sum(bits.bit_count() for bits in self.puller.kept(month).answered.values())
        scope = self._plans[month][0]
        is_whole = not tally.missing_calls and not scope.unanswered and not scope.unchecked
        status.note(self.store, month, answered + tally.missing_calls, tally.missing_calls, is_whole=is_whole)

    def land(self, month: date) -> None:
        """Land the raw log; warns of quarantined files."""
        landed = land_month(self.store, month, self.only)
        quarantined = map(str, (*self.puller.quarantined, *landed.quarantined))
        for words in (*quarantined, *landed.unread, *landed.odd_words()):
            self.reporter.warn(words)
        self.lost.pop(month, None)
        lost = []
        if landed.lost:
            lost.append(f"{landed.lost} responses of the raw log are damaged or missing")
        if landed.lost_imports:
            named = ", ".join(map(str, landed.lost_imports))
            lost.append(f"raw no longer has {named}: import or withdraw the invoice again")
        if lost:
            self.lost[month] = f"{month_text(month)}: {', '.join(lost)}"

    def _pack(self) -> None:
        """Pack segments of closed periods from earlier runs; once, before this run writes segments."""
        if self._is_packed:
            return
        self._is_packed = True
        for month in raw_manifest.months(self.store):
            for quarantined in raw_manifest.pack(self.store, month, datetime.now(UTC)).quarantined:
                self.reporter.warn(str(quarantined))

    def restore(self, *, but: date | None = None) -> list[date]:
        """Quarantine foreign or damaged files of the lake, and land every month whose lake is not current.

        `but` is left to its own landing. Gives all months that have raw answers.
        """
        for quarantined in self.lake.quarantine_damaged():
            self.reporter.warn(str(quarantined))
        for kind in formats.FOLDERS:
            formats.stamp_folder(self.store, kind)
        months = raw_manifest.months(self.store)
        for month in months:
            if month != but:
                self.land(month)
        self.name_what_cannot_be_landed()
        return months

    def name_what_cannot_be_landed(self) -> None:
        """Record damaged lake rows of a month without raw data as lost."""
        months = raw_manifest.months(self.store)
        for damaged in self.lake.damaged:
            if damaged.month not in months:
                self.lost[damaged.month] = (
                    f"{month_text(damaged.month)}: {damaged.rows} rows of {damaged.feed} are damaged, and raw has no "
                    "responses of the month to land again"
                )
        self.lake.damaged.clear()

    def require_nothing_lost(self) -> None:
        """Raise `Incomplete` if kept data is lost and cannot be restored."""
        if self.lost:
            named = "; ".join(words for _, words in sorted(self.lost.items()))
            raise Incomplete(f"{named}. Run the month again, or restore the files from a backup")

    def done(self, month: date, tally: Tally | None) -> MonthDone:
        """The month's figures so far, from the lake."""
        done = MonthDone(month)
        done.accounts = sum(part.rows for part in self.lake.parts("accounts", month) or ())
        for batch in self.lake.batches("line_items", month, ["amount"]):
            done.lines += batch.num_rows
            # Widened first: a sum of many DECIMAL(28,10) can overflow, one of DECIMAL(38,10) cannot.
            amount = pc.sum(batch.column("amount").cast(pa.decimal128(38, 10))).as_py()
            done.amount += amount or ZERO
        if tally is not None:
            done.calls = tally.calls
            done.missing_calls, done.missing = tally.missing_calls, tally.missing
        if month in self._plans:
            unanswered, done.unchecked = self._plans[month][0].unanswered, list(self._plans[month][0].unchecked)
            done.missing_calls += len(unanswered)
            done.missing = [*unanswered, *done.missing]
        done.value_faults = unread(self.lake, month)
        answers = 0
        for batch in self.lake.batches("calls", month, ["outcome", "fault_code"]):
            answers += batch.num_rows
            for code in batch.filter(pc.equal(batch.column("outcome"), FAULT)).column("fault_code").value_counts():
                name = code["values"].as_py()
                if name in ANSWERED_FAULTS:
                    done.faults[name] = done.faults.get(name, 0) + code["counts"].as_py()
        done.calls_kept = answers - done.calls
        if answers and not done.missing_calls and sum(done.faults.values()) == answers:
            told = ", ".join(f"{count} {name}" for name, count in sorted(done.faults.items()))
            done.missing_calls = answers
            done.missing = [
                f"the service refused every key ({told}); get access, then request them again with --refresh"
            ]
            status.note(self.store, month, answers, answers, is_whole=False)
        self.results.append(done)
        return done

    def unanswered(self, month: date) -> str:
        """The number of unanswered keys of the plan and the first of them, as text."""
        if month not in self._plans:
            return "the month is not planned yet"
        left, first = self._unanswered(month)
        return f"{left} keys of {month_text(month)} have no response yet" + (f", the first is {first}" if first else "")

    def _unanswered(self, month: date) -> tuple[int, str | None]:
        """The number of unanswered keys of the plan, and the first of them."""
        kept = self.puller.kept(month)
        left, first = 0, None
        for asked in self._plans[month][1].asked():
            open_pairs = asked.pairs & ~kept.answered.get(asked.account, 0)
            left += open_pairs.bit_count()
            if open_pairs and first is None:
                report, measure = PAIRS[next(numbers(open_pairs))]
                first = f"{asked.account.network_id}/{asked.account.mailbox_id} {report}/{measure}"
        return left, first


#: The runs that this context has open, the current one last.
_OPEN: ContextVar[tuple[Run, ...]] = ContextVar("open_runs", default=())
#: What the steps of a worker process work with, for all its threads; empty in every other process.
_OF_WORKER: list[Context] = []


def current() -> Context:
    """The open run of the calling context, for tasks; in a worker process, what its steps work with.

    Raises `Incomplete` where no run is open. Prefect records a task's parameters, so a run can be none of them.
    """
    here: Sequence[Context] = _OPEN.get() or _OF_WORKER
    if not here or here[-1].is_closed:
        raise Incomplete("no run is open in this thread")
    return here[-1]


@contextmanager
def entered(run: Run) -> Iterator[None]:
    """`run` is the current run of the calling context while the block runs."""
    token = _OPEN.set((*_OPEN.get(), run))
    try:
        yield
    finally:
        _OPEN.reset(token)


def enter_worker(context: Context) -> None:
    """Steps of this worker process work with `context`; raises `SettingsError` where they have another."""
    if _OF_WORKER:
        raise SettingsError("two workers of the cluster share a process: start each in its own process")
    _OF_WORKER.append(context)


def leave_worker(context: Context) -> None:
    with suppress(ValueError):  # it could not enter
        _OF_WORKER.remove(context)


def open_over(data_dir: str | None) -> Run | None:
    """The run that the calling context has open over `data_dir`; without a directory, the current run."""
    if not data_dir:
        return next((run for run in _OPEN.get()[-1:] if not run.is_closed), None)
    wanted = _place(data_dir)
    return next((run for run in _OPEN.get() if not run.is_closed and run.place == wanted), None)


def _place(data_dir: str) -> str:
    """A data directory in the one spelling by which two are compared: a resolved path, or the address of a bucket."""
    return data_dir.rstrip("/") if "://" in data_dir else str(Path(data_dir).resolve())
