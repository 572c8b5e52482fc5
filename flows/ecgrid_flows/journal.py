"""Raw answers, kept as received: the journal that a pull writes, and the only thing that landing reads.

    raw/<feed>/reporting_month=YYYY-MM/<segment>.jsonl      one answer a line

A line is JSON and checks itself: `{"check": <CRC-32 of what follows>, "answer": {…, "body": …}}`. A line is written by
one system call, so a killed process loses none that it wrote; an answer counts as done only after the fsync behind it
(one fsync serves all that came in meanwhile). Torn lines and foreign files are set aside under a name and reported,
never read.

Every writer opens segments of its own, so several processes may journal at once. Sessions and keys are never recorded.

The names of a month's segments give the order of writing. A name begins with the time at which its writer began, or
with a later one where a name in the month is not before it: a clock that was wrong once, or went back, changes no
order. Writers of one run ask different keys, so the order among them does not matter.
"""

import base64
import json
import logging
import re
import secrets
import threading
import time
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from ecgrid_client import Answer
from ecgrid_client.errors import ECGridError
from ecgrid_flows.errors import BillingError, StorageFailed
from ecgrid_flows.store import ASIDE, Appender, SetAside, Store
from ecgrid_transforms.period import NotAMonth, month_text, parse_month

log = logging.getLogger(__name__)

RAW = "raw"
SEGMENT_BYTES = 64 << 20
_STAMP = "%Y%m%dT%H%M%SZ"
_STAMPED = re.compile(r"[0-9]{8}T[0-9]{6}Z")
#: How long answers gather before one fsync makes them durable; whoever waits for it (`flush`) is not kept waiting.
GATHER_S = 0.02

#: Which feed keeps the answers of which operation. What is not here (Login, WhoAmI, keys) is never recorded.
FEED_OF: Mapping[str, str] = {
    "InvoiceCalculateLineItem": "line_items",
    "PricelistInfo": "price_schedules",
    "NetworkList": "accounts",
    "NetworkInfo": "accounts",
    "MailboxList": "accounts",
    "MailboxListEx": "accounts",
    "MailboxInfo": "accounts",
    "ContractList": "contracts",
    "ContractInfo": "contracts",
    "InvoiceList": "invoices",
    "InvoiceInfo": "invoices",
    "InvoiceCalculate": "invoices",
    "ReportMonthly": "monthly_reports",
    "ReportMonthlyEx": "monthly_reports",
    "InterconnectCount": "interconnect_counts",
    "InterconnectCountEx": "interconnect_counts",
    "ReportInstantStats": "instant_stats",
    "ReportInstantStatsEx": "instant_stats",
}

_HEAD, _MIDDLE, _TAIL = b'{"check":"', b'","answer":', b"}\n"
_INNER_AT = len(_HEAD) + 8 + len(_MIDDLE)
_BODY_AT = b',"body":'

Arguments = Mapping[str, str | int | bool]


@dataclass(frozen=True, slots=True)
class RawAnswer:
    """One answer, or the last of several failures.

    `is_usable` is False where no attempt gave an answer that could be used: it is kept for disputes and asked again.
    `outcome` is line, no_line or fault for a line item, as the pull saw it; None for other operations.
    """

    operation: str
    api_version: str
    arguments: Arguments
    received_at: datetime
    latency_ms: int
    attempts: int
    sha256: str
    is_usable: bool = True
    outcome: str | None = None
    fault_code: str | None = None
    fault_message: str | None = None
    binding: str | None = None
    http_status: int | None = None
    content_type: str | None = None
    body: bytes = b""

    @property
    def feed(self) -> str:
        return FEED_OF[self.operation]


def answered(answer: Answer, arguments: Arguments, outcome: str | None = None) -> RawAnswer:
    """The record of a good answer."""
    return RawAnswer(
        operation=answer.operation,
        api_version=answer.api_version,
        arguments=arguments,
        received_at=answer.received_at,
        latency_ms=answer.latency_ms,
        attempts=answer.attempts,
        sha256=answer.sha256,
        outcome=outcome,
        binding=answer.binding,
        http_status=answer.http_status,
        content_type=answer.content_type,
        body=answer.body,
    )


def failed(
    operation: str,
    api_version: str,
    arguments: Arguments,
    error: ECGridError,
    *,
    is_usable: bool,
    outcome: str | None = None,
    received_at: datetime | None = None,
) -> RawAnswer:
    """The record of a fault, or of no answer at all; with the body where there was one."""
    answer = error.answer
    return RawAnswer(
        operation=operation,
        api_version=api_version,
        arguments=arguments,
        received_at=answer.received_at if answer else received_at or datetime.now(UTC),
        latency_ms=answer.latency_ms if answer else 0,
        attempts=max(error.attempts, 1),
        sha256=answer.sha256 if answer else "",
        is_usable=is_usable,
        outcome=outcome,
        fault_code=error.code,
        fault_message=error.fault_message,
        binding=answer.binding if answer else None,
        http_status=answer.http_status if answer else None,
        content_type=answer.content_type if answer else None,
        body=answer.body if answer else b"",
    )


@dataclass(frozen=True, slots=True)
class Place:
    """Where one line stands: object, offset and length in bytes."""

    path: str
    offset: int
    length: int


def encode(answer: RawAnswer) -> bytes:
    """One journal line. The body stands last, so that an index is read without it."""
    header: dict[str, object] = {
        "operation": answer.operation,
        "api_version": answer.api_version,
        "arguments": dict(answer.arguments),
        "received_at": answer.received_at.isoformat(),
        "latency_ms": answer.latency_ms,
        "attempts": answer.attempts,
        "sha256": answer.sha256,
    }
    for item, value in (
        ("is_usable", None if answer.is_usable else False),
        ("outcome", answer.outcome),
        ("fault_code", answer.fault_code),
        ("fault_message", answer.fault_message),
        ("binding", answer.binding),
        ("http_status", answer.http_status),
        ("content_type", answer.content_type),
    ):
        if value is not None:
            header[item] = value
    try:
        header["body"] = answer.body.decode("utf-8")
    except UnicodeDecodeError:
        header["body_base64"] = base64.b64encode(answer.body).decode("ascii")
    inner = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode("utf-8")
    return b"%b%08x%b%b%b" % (_HEAD, zlib.crc32(inner), _MIDDLE, inner, _TAIL)


def is_whole(line: bytes) -> bool:
    """Whether `line`, its line feed included, is one that `encode` made, undamaged."""
    if not (line.startswith(_HEAD) and line.endswith(_TAIL) and line[len(_HEAD) + 8 : _INNER_AT] == _MIDDLE):
        return False
    return b"%08x" % zlib.crc32(line[_INNER_AT : -len(_TAIL)]) == line[len(_HEAD) : len(_HEAD) + 8]


def decode(line: bytes, *, with_body: bool = True) -> RawAnswer:
    """The answer of a whole line; `with_body=False` leaves the body empty and is several times cheaper."""
    inner = line[_INNER_AT : -len(_TAIL)]
    if not with_body and (cut := inner.find(_BODY_AT)) >= 0:
        inner = inner[:cut] + b"}"
    found = json.loads(inner)
    body = found.get("body", "").encode("utf-8")
    if "body_base64" in found and with_body:
        body = base64.b64decode(found["body_base64"])
    return RawAnswer(
        operation=found["operation"],
        api_version=found["api_version"],
        arguments=found["arguments"],
        received_at=datetime.fromisoformat(found["received_at"]),
        latency_ms=found["latency_ms"],
        attempts=found["attempts"],
        sha256=found["sha256"],
        is_usable=found.get("is_usable", True),
        outcome=found.get("outcome"),
        fault_code=found.get("fault_code"),
        fault_message=found.get("fault_message"),
        binding=found.get("binding"),
        http_status=found.get("http_status"),
        content_type=found.get("content_type"),
        body=body,
    )


def name(operation: str, arguments: Arguments) -> str:
    """What tells one call from another: the operation and its arguments, in a fixed order."""
    return f"{operation} {json.dumps(dict(arguments), sort_keys=True)}"


def folder(feed: str, month: date) -> str:
    return f"{RAW}/{feed}/reporting_month={month_text(month)}"


def months(store: Store, feed: str = "line_items") -> list[date]:
    """The months of which raw answers of a feed are kept."""
    top = f"{RAW}/{feed}/reporting_month="
    found = set()
    for entry in store.entries(f"{RAW}/{feed}"):
        if entry.path.startswith(top) and entry.path.endswith(".jsonl"):
            try:
                found.add(parse_month(entry.path[len(top) :].split("/", 1)[0]))
            except NotAMonth:
                continue
    return sorted(found)


def segments(store: Store, feed: str, month: date) -> list[str]:
    """The segments of one feed and month, oldest name first."""
    return [entry.path for entry in store.entries(folder(feed, month)) if entry.path.endswith(".jsonl")]


def place_in_order(path: str) -> str:
    """What orders a segment among those of its month: the name without folder and endings."""
    return path.rpartition("/")[2].partition(".")[0]


def newest(store: Store, month: date) -> str:
    """The place in order of the month's latest segment, over all feeds; empty when there is none."""
    found = (place_in_order(path) for feed in set(FEED_OF.values()) for path in segments(store, feed, month))
    return max((place for place in found if _STAMPED.match(place)), default="")


def stamp(moment: datetime) -> str:
    """How the name of a segment begins whose writer began at `moment`."""
    return f"{moment:{_STAMP}}"


def mend(store: Store, feed: str, month: date) -> list[SetAside]:
    """Set aside what is no whole answer: foreign files, and lines that were torn or damaged.

    Only for the holder of the lock. The rest of a damaged segment is kept.
    """
    aside: list[SetAside] = []
    for entry in list(store.entries(folder(feed, month))):
        if not entry.path.endswith(".jsonl"):
            aside.append(store.set_aside(entry.path, "it is no segment of raw answers"))
            continue
        data = store.read(entry.path)
        lines = [data[begin:end] for begin, end in _lines(data)]
        bad = [line for line in lines if not is_whole(line)]
        if not bad and lines:
            continue
        good = b"".join(line for line in lines if is_whole(line))
        if not good:
            aside.append(store.set_aside(entry.path, "it holds no whole answer"))
            continue
        # The bad lines get a name of their own first; a crash in between only repeats this.
        torn = f"{ASIDE}/{entry.path}.torn-{zlib.crc32(b''.join(bad)):08x}"
        store.write(torn, b"".join(bad))
        store.write(entry.path, good)
        aside.append(SetAside(entry.path, torn, f"{len(bad)} of its lines are torn or damaged; they are asked again"))
    return aside


def scan(store: Store, feed: str, month: date) -> Iterator[tuple[Place, RawAnswer]]:
    """Every kept answer without its body, in the order of writing; lines that are not whole are skipped."""
    for path in segments(store, feed, month):
        data = store.read(path)
        for begin, end in _lines(data):
            line = data[begin:end]
            if is_whole(line):
                yield Place(path, begin, end - begin), decode(line, with_body=False)


def _lines(data: bytes) -> Iterator[tuple[int, int]]:
    """Begin and end of each line, its line feed included; the last may have none."""
    begin = 0
    while begin < len(data):
        end = data.find(b"\n", begin) + 1 or len(data)
        yield begin, end
        begin = end


def read(store: Store, place: Place) -> RawAnswer:
    """The kept answer at `place`, checked once more, with its body."""
    line = store.read_range(place.path, place.offset, place.length)
    if not is_whole(line):
        raise StorageFailed(f"{store.uri(place.path)} was changed while it was read: run again")
    return decode(line)


@dataclass(slots=True)
class _Segment:
    """A segment that is being written."""

    appender: Appender
    size: int = 0


class Journal:
    """Writes raw answers; safe for many threads. One background thread makes them durable, many at a time.

    `on_failure` hears at once, on that thread, that it cannot: whoever waits for answers to be done waits in vain.
    """

    def __init__(self, store: Store, on_failure: Callable[[BillingError], None] = lambda _: None) -> None:
        self._store = store
        self._on_failure = on_failure
        self._lock = threading.Lock()
        self._dirty = threading.Condition(self._lock)
        self._settled = threading.Condition(self._lock)
        self._open: dict[tuple[str, date], _Segment] = {}
        self._waiting: list[tuple[Appender, Callable[[], None] | None]] = []
        self._full: list[Appender] = []
        self._written = self._durable = self._waiters = 0
        self._failure: BillingError | None = None
        self._closing = False
        self._began, self._token = datetime.now(UTC), secrets.token_hex(3)
        self._names: dict[date, str] = {}
        self._segments = 0
        self._syncer = threading.Thread(target=self._sync_forever, name="journal", daemon=True)
        self._syncer.start()

    def __enter__(self) -> "Journal":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def record(self, month: date, answer: RawAnswer, done: Callable[[], None] | None = None) -> None:
        """Append one answer; `done` is called once it is durable. Raises `StorageFailed`."""
        line = encode(answer)
        with self._lock:
            self._raise_failure()
            try:
                appender = self._appender(answer.feed, month, len(line))
                appender.append(line)
            except BillingError as error:
                self._failure = error
                self._dirty.notify_all()
                self._settled.notify_all()
                raise
            self._waiting.append((appender, done))
            self._written += 1
            if len(self._waiting) == 1:
                self._dirty.notify()

    def flush(self) -> None:
        """Wait until everything recorded so far is durable; raises `StorageFailed`."""
        with self._lock:
            goal = self._written
            self._waiters += 1
            self._dirty.notify()
            while self._durable < goal and self._failure is None:
                self._settled.wait()
            self._waiters -= 1
            self._raise_failure()

    def close(self) -> None:
        """Make everything durable and close the segments. A failure was or will be raised by `record` or `flush`."""
        with self._lock:
            self._closing = True
            self._dirty.notify_all()
        self._syncer.join()
        for segment in self._open.values():
            segment.appender.close()
        self._open.clear()

    def _appender(self, feed: str, month: date, size: int) -> Appender:
        segment = self._open.get((feed, month))
        if segment is not None and segment.size and segment.size + size > SEGMENT_BYTES:
            self._full.append(segment.appender)
            segment = None
        if segment is None:
            self._segments += 1
            path = f"{folder(feed, month)}/{self._name(month)}-{self._segments:05}.jsonl"
            segment = self._open[feed, month] = _Segment(self._store.appender(path))
        segment.size += size
        return segment.appender

    def _name(self, month: date) -> str:
        """How the names of this journal's segments of a month begin: after those of every earlier writer."""
        if month not in self._names:
            began, latest = self._began, newest(self._store, month)
            if latest and stamp(began) <= (last := latest[: len(stamp(began))]):
                with suppress(OverflowError, ValueError):  # the year 9999: nothing comes after it
                    began = datetime.strptime(last, _STAMP).replace(tzinfo=UTC) + timedelta(seconds=1)
            self._names[month] = f"{stamp(began)}-{self._token}"
        return self._names[month]

    def _raise_failure(self) -> None:
        if self._failure is not None:
            raise type(self._failure)(str(self._failure)) from self._failure

    def _gather(self) -> None:
        """Let a few more answers come in, unless someone waits meanwhile."""
        end = time.monotonic() + GATHER_S
        while not self._waiters and not self._closing and (left := end - time.monotonic()) > 0:
            self._dirty.wait(left)

    def _sync_forever(self) -> None:
        while True:
            with self._lock:
                while not self._waiting and not self._closing:
                    self._dirty.wait()
                if not self._waiting or self._failure is not None:
                    return
                if not self._waiters and not self._closing:
                    self._gather()
                batch, self._waiting = self._waiting, []
                full, self._full = self._full, []
            try:
                self._store.sync_all(dict.fromkeys(appender for appender, _ in batch))
                for appender in full:
                    appender.close()
            except BillingError as error:
                with self._lock:
                    self._failure = error
                    self._settled.notify_all()
                self._on_failure(error)
                return
            for _, done in batch:
                if done is not None:
                    done()
            with self._lock:
                self._durable += len(batch)
                self._settled.notify_all()
