"""Requests to the service; every response goes to the raw log.

One `Puller` serves a process: one client, one limiter, one raw log, and `concurrency` threads that make the calls of
all batches in progress. So the bound holds over the whole run, however many batches (tasks) there are.

- `ask` makes the few calls besides the lines (lists, price lists, invoices, reports): a kept response is read from raw
  and not requested again;
- `pull_batch` requests the keys of some accounts, except keys with a kept response.

Errors: a fault of the service's own that a retry cannot resolve is the key's response (outcome `fault`, or `no_line`
where the pair is not on the price list) and stops nothing; so is a line with a value that does not fit its type. The
client decides what is a response (`ecgrid_client.judging`). Where all attempts failed the key is `missing`: kept for
disputes, requested again by the next run, and the run ends incomplete. Refused credentials and an open circuit end the
run.
"""

import json
import logging
import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta

from ecgrid_client import Answer, Credentials, ECGridClient, Endpoints, RetryPolicy, decode, errors
from ecgrid_flows.errors import BillingError, Incomplete, SettingsError, Unreachable
from ecgrid_flows.extract.admission import Limiter
from ecgrid_flows.extract.batches import (
    _FATAL,
    LINE_OPERATION,
    LINES,
    Batch,
    Kept,
    Tally,
    _account_and_bit,
    _Counting,
    _fault_of,
    _tag,
)
from ecgrid_flows.extract.plan import Asked
from ecgrid_flows.lake import raw_log as raw
from ecgrid_flows.lake import repeats
from ecgrid_flows.lake.billing_scope import BILLING_API, read
from ecgrid_flows.lake.raw_log import Arguments, Bodies, Place, RawAnswer, RawLog
from ecgrid_flows.lake.raw_manifest import Sealed, pulled_whole, seal
from ecgrid_flows.progress import Counters, Flight
from ecgrid_flows.settings import Settings
from ecgrid_flows.storage.base import Quarantined, Store
from ecgrid_flows.threads import map_threads
from ecgrid_transforms.calls import FAULT, LINE, NO_LINE
from ecgrid_transforms.keys import keys_of, numbers, pair_bit
from ecgrid_transforms.model import Account, Key, LeftOut, OddValue
from ecgrid_transforms.period import month_end, month_text, reporting_month_text
from ecgrid_transforms.schemas import DATASET_FEEDS

log = logging.getLogger(__name__)


#: Tolerated clock difference to another machine that wrote responses.
CLOCK_SKEW = timedelta(minutes=5)
#: How long calls in flight may take once the run is stopped.
GRACE_S = 6.0
#: An interrupted refresh of a running month that began longer ago is not continued by the next one: half of the month
#: would be a day older than the rest.
REFRESH_SPAN = timedelta(hours=12)
#: What to do when the service cannot be reached, or refuses the credentials.
_CHECKED_BY = ": check address, credentials and network with `ecgrid-billing doctor`"


@dataclass(frozen=True, slots=True)
class _Refresh:
    """A refresh of a month, as recorded while it is not over.

    `behind` is the segment after which it began, `began` its time (None in records of earlier releases, which hold the
    segment or the time alone). `is_requested`: every call was made, and some have no usable response.
    """

    behind: str
    began: datetime | None
    is_requested: bool = False

    @classmethod
    def read(cls, text: str) -> "_Refresh":
        if text.startswith("{"):
            found = json.loads(text)
            began = datetime.fromisoformat(found["began"]) if found["began"] else None
            return cls(found["behind"], began, found["is_requested"])
        try:
            began = datetime.fromisoformat(text)
        except ValueError:
            return cls(text, None)
        return cls(raw.stamp(began), began)

    def written(self) -> bytes:
        began = self.began.isoformat() if self.began else None
        return json.dumps({"behind": self.behind, "began": began, "is_requested": self.is_requested}).encode()

    def is_continued(self, now: datetime, over: datetime) -> bool:
        """Whether another refresh continues this one instead of beginning anew."""
        is_recent = self.began is not None and abs(now - self.began) < REFRESH_SPAN
        return not self.is_requested and (is_recent or now >= over)


def _refresh_path(month: date) -> str:
    return f"{raw.RAW}/_refresh/{month_text(month)}"


class Puller:
    """Makes the calls of one process. Use as a context manager: leaving it closes sessions and segments.

    With `reads_raw` False it does not read raw: the coordinator of the run repairs and indexes raw, and passes only
    keys without a response, with the last responses of those that are requested again. Each tally then lists the keys
    that this process got responses for (`learn`).
    """

    def __init__(
        self,
        settings: Settings,
        store: Store,
        *,
        refresh: bool = False,
        retry: RetryPolicy | None = None,
        limiter: Limiter | None = None,
        reads_raw: bool = True,
    ) -> None:
        self.settings = settings
        self.store = store
        self.refresh = refresh
        self.retry = retry or RetryPolicy(max_attempts=settings.max_attempts)
        self.counters = Counters()
        self.quarantined: list[Quarantined] = []
        self.limiter = limiter or Limiter(settings.concurrency)
        self._reads_raw = reads_raw
        self._client: ECGridClient | None = None
        self._raw_log: RawLog | None = None
        self._making = threading.Lock()  # several threads may need one first
        self._making_first = threading.Lock()
        self._ending = threading.Lock()
        self._lock = threading.Lock()
        self._work = threading.Condition(self._lock)
        self._batches: deque[Batch] = deque()
        self._threads: list[threading.Thread] = []
        self._failure: BillingError | None = None
        self._stopping: str | None = None
        self._closed = False
        self._bodies = Bodies(store)
        self._sealed: dict[date, Sealed] = {}
        self._kept: dict[date, Kept] = {}
        self._outdated: dict[date, Mapping[Account, int]] = {}
        self._index: dict[tuple[str, date], dict[str, Place]] = {}
        self._new: set[tuple[str, date, str]] = set()
        self._asked: set[tuple[str, date, str]] = set()
        #: Calls of this run that got no usable response: its attempts are made once, not each time one is needed.
        self._failed: dict[tuple[str, date, str], RawAnswer] = {}
        #: Operations whose kept answers of a month do not count; what this process asked of them does.
        self._anew: set[tuple[date, str]] = set()
        self._counting: dict[date, _Counting] = {}
        #: The latest usable responses to calls that are requested again: lines by key, other calls by name.
        self._latest_lines: defaultdict[date, dict[tuple[int, int, int], int]] = defaultdict(dict)
        self._latest: dict[tuple[str, date], dict[str, str]] = {}
        self._failed_at = 0.0
        self._heard = False
        self._has_line_answer = False
        #: Called once, before the first usable response is kept.
        self.before_first_answer: Callable[[], None] | None = None

    def __enter__(self) -> "Puller":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # --- calls around the lines ---------------------------------------------------------------------------------------

    def ask(self, month: date, version: str, operation: str, arguments: Arguments) -> RawAnswer:
        """The response to one call, kept under `month`; from raw where it is there and whole.

        It may be a fault (`fault_code`), or unusable (`is_usable`), which the next run requests again. Raises
        `Unreachable` or `Incomplete` when the run has to end; the first call of all shows whether there is a service.
        """
        feed, name = raw.FEED_OF[operation], raw.name(operation, arguments)
        place = self._place(feed, month, name)
        if place is not None and ((month, operation) not in self._anew or (feed, month, name) in self._asked):
            return self._bodies.read(place)
        if (feed, month, name) in self._failed:
            return self._failed[feed, month, name]
        try:
            found = self.client.ask(version, operation, dict(arguments))
            self._heard = True
            answer = self._readable(found, arguments)
        except _FATAL as error:
            raise self._ended(error) from error
        except errors.ECGridError as error:
            usable = error.is_answer
            # a fault of the service itself, even one that reports its failure, shows that there is a service
            is_fault = isinstance(error, errors.ServiceError) and error.fault is not None
            self._heard = self._heard or is_fault or bool(self.client.open_sessions)
            if not usable and not self._heard:
                raise Unreachable(f"{error}{_CHECKED_BY}") from error
            answer = raw.failed(operation, version, arguments, error, is_usable=usable)
        self._heard = self._heard or answer.is_usable
        is_same = answer.is_usable and self._latest.get((feed, month), {}).get(name) == answer.sha256
        self._record(month, replace(answer, is_repeat=True) if is_same else answer)
        self.raw_log.flush()
        with self._lock:
            if answer.is_usable:
                self._new.add((feed, month, name))
                self._asked.add((feed, month, name))
            else:
                self._failed[feed, month, name] = answer
        return answer

    def _readable(self, answer: Answer, arguments: Arguments) -> RawAnswer:
        """The record of a response; an undecodable one is kept, but unusable. A partial one is requested again.

        DataSets are large and not needed here: they are decoded when they are landed.
        """
        odd: list[OddValue] = []
        try:
            if raw.FEED_OF[answer.operation] not in DATASET_FEEDS:
                read(answer.operation, arguments, answer.body, odd)
        except errors.ECGridError as error:
            error.answer, error.attempts = answer, answer.attempts
            return raw.failed(answer.operation, answer.api_version, arguments, error, is_usable=False)
        is_partial = any(isinstance(one, LeftOut) for one in odd)
        return raw.answered(answer, arguments, raw.PARTIAL if is_partial else None)

    def ask_many(self, month: date, version: str, operation: str, many: Sequence[Arguments]) -> list[RawAnswer]:
        """`ask` for each, several at once, in the given order."""
        if not many:
            return []
        return map_threads(
            lambda arguments: self.ask(month, version, operation, arguments),
            many,
            min(self.settings.concurrency, len(many)),
            "ask",
        )

    def failed(self, month: date) -> list[RawAnswer]:
        """The last attempts of the month's calls that got no usable response in this run."""
        with self._lock:
            return [answer for (_, of_month, _), answer in self._failed.items() if of_month == month]

    def begin(self, month: date) -> None:
        """Open a month. An interrupted refresh continues, with `refresh` or without.

        With `refresh`, one that requested everything is not continued, nor one of a running month that began more than
        `REFRESH_SPAN` ago: a new one begins, so each night requests the whole running month. Without `refresh` only the
        calls are made that have had no response since the refresh began.

        A refresh begins after the latest existing segment, whatever the times of its responses: the clock may have been
        wrong. A response from before the month's end is requested again once the month is over: it did not cover the
        whole month. So is one with a time in the future, because its real time is unknown; and one that a response
        lost from raw may have replaced (`Sealed.since`).
        """
        now, over = datetime.now(UTC), month_end(month)
        refresh = self._refresh(month)
        if self.refresh and month not in self._counting and (refresh is None or not refresh.is_continued(now, over)):
            repeats.fold(self.store, month)  # those of the earlier one are no part of the new one's round
            refresh = _Refresh(raw.newest(self.store, month), now)
            self.store.write(_refresh_path(month), refresh.written())
        behind = refresh.behind if refresh else None
        self._counting[month] = _Counting(behind, over if now >= over else None, now + CLOCK_SKEW)

    def _refresh(self, month: date) -> _Refresh | None:
        path = _refresh_path(month)
        return _Refresh.read(self.store.read(path).decode()) if self.store.exists(path) else None

    def ask_anew(self, month: date, *operations: str) -> None:
        """Have `ask` request these operations of the month once more, though raw has an answer."""
        self._anew.update((month, operation) for operation in operations)

    def finish(self, month: date) -> None:
        """Every call of the month has a response: a refresh of it is over, and no response lost from raw is missing."""
        pulled_whole(self.store, month)
        self.end_repeats(month)
        repeats.fold(self.store, month)
        self.store.delete(_refresh_path(month))

    def all_requested(self, month: date) -> None:
        """Every call of the month was made, and some have no usable response: the next refresh begins anew."""
        if (refresh := self._refresh(month)) is not None:
            self.store.write(_refresh_path(month), replace(refresh, is_requested=True).written())

    def end_repeats(self, month: date) -> None:
        """Close this process's segments of repeats of the month, before they are folded."""
        if self._raw_log is not None:
            self._raw_log.end_repeats(month)

    # --- lines --------------------------------------------------------------------------------------------------------

    def kept(self, month: date) -> Kept:
        """The month's keys with a response in raw; in a refresh, those with one since it began (see `begin`)."""
        with self._lock:
            if not self._reads_raw:
                return self._kept.setdefault(month, Kept())
            if month not in self._kept:
                kept, outdated, early, latest = Kept(), Kept(), 0, self._latest_lines[month]
                until = self._counting[month].until if month in self._counting else None
                for _, answer, counts in self._scan("line_items", month):
                    account, bit = _account_and_bit(answer.arguments)
                    (kept if counts else outdated).note(account, bit, answer.outcome)
                    if not counts and not answer.is_repeat:
                        latest[account.network_id, account.mailbox_id, bit] = _tag(answer)
                    early += until is not None and answer.received_at >= until
                if early:
                    log.warning(
                        "%d responses of %s have a time in the future: this machine's clock was wrong, or is. "
                        "Their keys are requested again",
                        early,
                        month_text(month),
                    )
                self._kept[month], self._outdated[month] = kept, outdated.lines
            return self._kept[month]

    def outdated(self, month: date) -> Mapping[Account, int]:
        """The keys of the month whose line in raw is from a response that no longer counts."""
        self.kept(month)
        return self._outdated[month]

    def log_out(self) -> None:
        """Close the session until the next call; no call may be in flight."""
        with self._making:
            client, self._client = self._client, None
        if client is not None:
            client.close()

    def open_keys(self, month: date, batch: list[Asked], *, is_for_worker: bool) -> list[Asked]:
        """The batch without keys that have a response, for a process that does not read raw.

        A worker of a cluster also receives the last responses of keys that are requested again.
        """
        answered, latest = self.kept(month).answered, self._latest_lines[month]
        found = []
        for one in batch:
            left = one.pairs & ~answered.get(one.account, 0)
            known: list[tuple[int, int]] = []
            if is_for_worker and latest:
                account = (one.account.network_id, one.account.mailbox_id)
                tags = ((number, latest.get((*account, 1 << number))) for number in numbers(left))
                known = [(number, last) for number, last in tags if last is not None]
            found.append(replace(one, planned=one.planned & left, sample=one.sample & left, known=tuple(known)))
        return found

    def learn(self, month: date, done: Tally) -> None:
        """Add the keys that a worker of a cluster got responses for."""
        if done.kept is None:
            return
        kept = self.kept(month)
        for account, bits in done.kept.answered.items():
            kept.answered[account] = kept.answered.get(account, 0) | bits
            kept.lines[account] = kept.lines.get(account, 0) | done.kept.lines.get(account, 0)
        self.counters.answered += done.calls
        self.counters.lines += done.lines

    def pull_batch(self, month: date, asked: Sequence[Asked]) -> Tally:
        """Request what is not kept of these accounts' keys, and wait until every response is durable.

        Raises errors that end the run: `Unreachable`, `Incomplete` (stopped, circuit open), `StorageFailed`.
        """
        kept = self.kept(month)
        if not self._reads_raw:
            with self._lock:
                for one in asked:
                    for number, last in one.known:
                        self._latest_lines[month][one.account.network_id, one.account.mailbox_id, 1 << number] = last
        keys = (
            key for one in asked for key in keys_of(one.account, month, one.pairs & ~kept.answered.get(one.account, 0))
        )
        batch = Batch(month, keys, {one.account: one.sample for one in asked})
        self._start()
        with self._work:
            self._batches.append(batch)
            self._work.notify_all()
        while not batch.done.wait(timeout=0.2):
            if self._failure is not None and self._gave_up():
                break
        self.check_going_on()
        if not self._reads_raw:
            batch.tally.kept = kept.of([one.account for one in asked])
        return batch.tally

    # --- life cycle ---------------------------------------------------------------------------------------------------

    @property
    def client(self) -> ECGridClient:
        """The one client of this process, created when first needed: a run that finds all in raw opens no session."""
        with self._making:
            if self._client is None:
                settings = self.settings
                if not settings.has_credentials:
                    raise Unreachable("no credentials: set ECGRID_API_KEY, or ECGRID_LOGIN_NAME and ECGRID_PASSWORD")
                self._client = ECGridClient(
                    Endpoints(settings.v2_url, settings.v3_url, settings.v4_url),
                    Credentials(
                        login_name=settings.login_name,
                        password=settings.password.reveal() if settings.password else None,
                        api_key=settings.api_key.reveal() if settings.api_key else None,
                    ),
                    retry=self.retry,
                    call_timeout_s=settings.call_timeout_s,
                    pool_size=settings.concurrency,
                    limiter=self.limiter,
                    wsdl={"v2.3": settings.wsdl_v2, "v3.2": settings.wsdl_v3, "v4.1": settings.wsdl_v4},
                )
            return self._client

    @property
    def raw_log(self) -> RawLog:
        with self._making:
            if self._raw_log is None:
                self._raw_log = RawLog(self.store, self._fail)
            return self._raw_log

    def flight(self) -> Flight:
        """The state of the calls, for the progress display."""
        return Flight(self.limiter.in_flight, self.limiter.limit, self.limiter.retries)

    def check_going_on(self) -> None:
        """Raise the error that ended the run, if there is one."""
        if self._failure is not None:
            raise type(self._failure)(str(self._failure)) from self._failure

    def stop(self, why: str) -> None:
        """No new calls; those in flight may finish within `GRACE_S`, then sessions are closed.

        Safe in a signal handler's thread. Sessions do not wait for the end of the run: a flow run may first wait for
        its Prefect server, and be killed meanwhile.
        """
        self._stopping = why
        self._fail(Incomplete(f"{why}; every response so far is kept: run again to continue"))
        self.limiter.stop()
        if self._client is not None:
            self._client.stop(grace_s=GRACE_S)
            end = time.monotonic() + GRACE_S
            while self.limiter.in_flight and time.monotonic() < end:
                time.sleep(0.05)
            self._close_client()

    def close(self) -> None:
        """Wait for calls in flight (for a limited time, when stopping), then close sessions and segments."""
        with self._work:
            if self._closed:
                return
            self._closed = True
            self._work.notify_all()
        end = time.monotonic() + GRACE_S
        for thread in self._threads:
            thread.join(timeout=max(end - time.monotonic(), 0.05))
        try:
            self._close_client()
        finally:
            self._bodies.close()
            if self._raw_log is not None:
                self._raw_log.close()

    # --- internals ----------------------------------------------------------------------------------------------------

    def _close_client(self) -> None:
        """Close the sessions; waits for another thread that does, for the process may end after this."""
        with self._ending:
            if self._client is not None:
                self._client.close()

    def _start(self) -> None:
        with self._lock:
            if self._threads:
                return
            for number in range(self.settings.concurrency):
                thread = threading.Thread(target=self._call_forever, name=f"call-{number}", daemon=True)
                self._threads.append(thread)
        for thread in self._threads:
            thread.start()

    def _call_forever(self) -> None:
        while (given := self._next()) is not None:
            batch, key = given
            try:
                answer = self._ask_line(key)
                line = (key.network_id, key.mailbox_id, pair_bit(key.account_report, key.measure_field))
                is_same = answer.is_usable and self._latest_lines[batch.month].get(line) == _tag(answer)
                kept = replace(answer, is_repeat=True) if is_same else answer
                self._record(batch.month, kept, self._when_durable(batch, key, answer))
            except BillingError as error:
                self._fail(error)
                batch.returned(key, None)
            except _FATAL as error:
                self._fail(self._ended(error))
                batch.returned(key, None)
            except BaseException as error:
                self._fail(Incomplete(f"{key}: {type(error).__name__}: {error}"))
                batch.returned(key, None)
                raise

    def _next(self) -> tuple[Batch, Key] | None:
        """The next key of the first batch that has one; waits for batches; None at the end of the run."""
        with self._work:
            while True:
                if self._closed or self._failure is not None:
                    return None
                while self._batches:
                    key = self._batches[0].take()
                    if key is not None:
                        return self._batches[0], key
                    self._batches.popleft()
                self._work.wait()

    def _ask_line(self, key: Key) -> RawAnswer:
        arguments: dict[str, str | int | bool] = {
            "NetworkID": key.network_id,
            "MailboxID": key.mailbox_id,
            "ReportingMonth": reporting_month_text(key.reporting_month),
            "AccountReport": key.account_report,
            "MeasureField": key.measure_field,
        }
        try:
            answer = self.client.ask(BILLING_API, LINE_OPERATION, arguments)
        except _FATAL:
            raise
        except errors.ECGridError as error:
            outcome = NO_LINE if isinstance(error, errors.NotOnPriceList) else FAULT
            return raw.failed(LINE_OPERATION, BILLING_API, arguments, error, is_usable=error.is_answer, outcome=outcome)
        try:
            line = decode.line_item(answer.body)
        except errors.ECGridError as error:
            error.answer, error.attempts = answer, answer.attempts
            return raw.failed(LINE_OPERATION, BILLING_API, arguments, error, is_usable=error.is_answer, outcome=FAULT)
        return raw.answered(answer, arguments, NO_LINE if line is None else LINE)

    def _record(self, month: date, answer: RawAnswer, done: Callable[[], None] | None = None) -> None:
        if answer.is_usable and self.before_first_answer is not None:
            with self._making_first:
                if self.before_first_answer is not None:
                    self.before_first_answer()
                    self.before_first_answer = None
        self.raw_log.record(month, answer, done)

    def _when_durable(self, batch: Batch, key: Key, answer: RawAnswer) -> Callable[[], None]:
        def durable() -> None:
            if answer.is_usable:
                self._has_line_answer = True
                self._kept[batch.month].note(
                    key.account, pair_bit(key.account_report, key.measure_field), answer.outcome
                )
            self.counters.answered += 1
            self.counters.lines += answer.outcome == LINE
            batch.returned(key, answer)

        return durable

    def _fail(self, error: BillingError) -> None:
        with self._work:
            if self._failure is None:
                self._failure = error
                self._failed_at = time.monotonic()
            self._work.notify_all()

    def _gave_up(self) -> bool:
        """Whether calls in flight have had their grace period after a failure or a stop."""
        return not self._any_busy() or time.monotonic() - self._failed_at > GRACE_S

    def _any_busy(self) -> bool:
        return any(thread.is_alive() for thread in self._threads)

    def _ended(self, error: errors.ECGridError) -> BillingError:
        """The error of the run for a fatal error of the client."""
        if isinstance(error, errors.Stopped):
            return Incomplete(f"{self._stopping or 'the run was stopped'}; every response so far is kept: run again")
        if isinstance(error, errors.CircuitOpen):
            if not self._has_line_answer:
                return Unreachable(f"the service returns nothing but failures: {error}{_CHECKED_BY}")
            return Incomplete(f"the service returns nothing but failures: {error}; run again to continue")
        if isinstance(error, errors.SettingsError):
            return SettingsError(str(error))
        return Unreachable(f"{error}{_CHECKED_BY}")

    def _scan(self, feed: str, month: date) -> Iterator[tuple[Place, RawAnswer, bool]]:
        """The usable responses of a feed, and whether they count; torn and foreign ones are quarantined first, once."""
        if month not in self._sealed:
            self._sealed[month] = seal(self.store, month)
            self.quarantined.extend(self._sealed[month].quarantined)
        counting, rounds = self._counting.get(month), repeats.rounds(self.store, month)
        if counting is not None and (since := self._sealed[month].since.get(feed)) is not None:
            counting = replace(counting, behind=max(counting.behind or "", since))
        found = raw.scan(self.store, feed, month)
        if feed != LINES:  # positions of lines are not needed, and they are many
            found = repeats.resolved(found, rounds)
        for place, answer in found:
            if answer.is_usable and not self._is_page(place, answer):
                yield (
                    place,
                    answer,
                    counting is None
                    or counting.counts(place.order, answer.received_at)
                    or any(counting.counts(one.order, one.at) and one.covers(place, answer) for one in rounds),
                )

    def _is_page(self, place: Place, answer: RawAnswer) -> bool:
        """Whether a kept fault is really a page: earlier releases classified many pages as faults, by their status."""
        is_asmx = answer.http_status in (200, 500) and "xml" in (answer.content_type or "")
        if answer.fault_code is None or answer.http_status is None or is_asmx or answer.is_repeat:
            return False
        return _fault_of(self._bodies.read(place).body) is None

    def _place(self, feed: str, month: date, name: str) -> Place | None:
        """Position of the latest usable response to a call; the feed is scanned once, and once more for new ones."""
        with self._lock:
            if (feed, month) not in self._index or (feed, month, name) in self._new:
                self._new = {new for new in self._new if new[:2] != (feed, month)}
                index = self._index[feed, month] = {}
                latest = self._latest[feed, month] = {}
                for place, answer, counts in self._scan(feed, month):
                    called = raw.name(answer.operation, answer.arguments)
                    latest[called] = answer.sha256
                    if counts and (answer.outcome != raw.PARTIAL or (feed, month, called) in self._asked):
                        index[called] = place
            return self._index[feed, month].get(name)
