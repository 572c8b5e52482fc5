"""The raw log: an append-only, checksummed log of responses as received. Landing reads nothing else.

    raw/<feed>/reporting_month=YYYY-MM/<segment>.jsonl      one response per line

A line is JSON with its checksum: `{"check": <CRC-32 of what follows>, "answer": {…, "body": …}}`. A line is written by
one system call, so a killed process loses no written line; a response counts as done only after the next fsync (one
fsync serves all responses received meanwhile). Torn lines and foreign files are quarantined and reported, never read
(`raw_manifest.seal`). Segments of a month that is over are packed: `<segment>.jsonl.zst`.

Every writer opens its own segments, so several processes may write at once. Sessions and keys are never recorded.

The names of a month's segments give the order of writing. A name begins with the start time of its writer, or with a
later time if a name in the month is not before it: a wrong clock, or one set back, changes no order. Writers of one run
request different keys, so the order among them does not matter.
"""

import base64
import hashlib
import json
import logging
import re
import secrets
import tempfile
import threading
import time
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any, BinaryIO, cast

import pyarrow as pa

from ecgrid_client import Answer
from ecgrid_client.errors import ECGridError
from ecgrid_client.masking import MASKER
from ecgrid_flows.errors import BillingError, StorageFailed
from ecgrid_flows.storage.base import Appender, Store, disk_errors
from ecgrid_transforms.invoices import IMPORTED
from ecgrid_transforms.period import NotAMonth, month_text, parse_month

log = logging.getLogger(__name__)

RAW = "raw"
SEGMENT_BYTES = 64 << 20
#: Endings of segment names: while they are written, and once their month is over (see `raw_manifest.pack`).
PLAIN, PACKED = ".jsonl", ".jsonl.zst"
_REPEATS = ".repeats"
#: Level 3 compresses 27-fold at 650 MB/s; level 9 saves another seventh and takes ten times as long.
ZSTD_LEVEL, FRAME_BYTES = 3, 1 << 20
SEGMENTS_OPEN = 64
_FRAME = re.compile(rb"\x28\xb5\x2f\xfd")
_STAMP = "%Y%m%dT%H%M%SZ"
_STAMPED = re.compile(r"[0-9]{8}T[0-9]{6}Z")
#: How long responses accumulate before one fsync makes them durable; a waiting caller (`flush`) ends the wait.
GATHER_S = 0.02

#: Feed that keeps an operation's responses. Operations not listed (Login, WhoAmI, keys) are never recorded.
#: `imported` is not an operation: a file that `finance.invoice_import` keeps under ContractID and InvoiceNumber.
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
    IMPORTED: "invoices",
    "ReportMonthly": "monthly_reports",
    "ReportMonthlyEx": "monthly_reports",
    "ReportTrafficStats": "monthly_reports",
    "ReportTrafficStatsEx": "monthly_reports",
    "ReportByDateEx": "monthly_reports",
    "InterconnectCount": "interconnect_counts",
    "InterconnectCountEx": "interconnect_counts",
    "ReportInstantStats": "instant_stats",
    "ReportInstantStatsEx": "instant_stats",
}

#: Outcome of an imported invoice that was withdrawn: its file no longer exists.
WITHDRAWN = "withdrawn"
#: Outcome of a list with an omitted record: the next run requests it again (see `discovery.read`).
PARTIAL = "partial"

_HEAD, _MIDDLE, _TAIL = b'{"check":"', b'","answer":', b"}\n"
_INNER_AT = len(_HEAD) + 8 + len(_MIDDLE)
_BODY_AT = b',"body":'

Arguments = Mapping[str, str | int | bool]


class NotAsKept(StorageFailed):
    """A line of raw is damaged, or its body was exchanged, since it was written."""


@dataclass(frozen=True, slots=True)
class RawAnswer:
    """One response, or the last of several failures.

    `is_repeat` marks one whose body raw already holds, in an earlier response to the same call (see `repeats`).
    `is_usable` is False where no attempt gave a usable response: it is kept for disputes and requested again.
    `outcome` is line, no_line or fault for a line item, as seen by the pull; `PARTIAL` or None for other operations.
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
    is_repeat: bool = False

    @property
    def feed(self) -> str:
        return FEED_OF[self.operation]


def answered(answer: Answer, arguments: Arguments, outcome: str | None = None) -> RawAnswer:
    """The record of a good response, with echoed secrets masked."""
    answer = _without_secrets(answer)
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
    """The record of a fault, or of no response; with the body where there was one."""
    answer = _without_secrets(error.answer) if error.answer else None
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
        fault_message=MASKER.text(error.fault_message),
        binding=answer.binding if answer else None,
        http_status=answer.http_status if answer else None,
        content_type=answer.content_type if answer else None,
        body=answer.body if answer else b"",
    )


def _without_secrets(answer: Answer) -> Answer:
    body = MASKER.in_answer(answer.body)
    return answer if body is answer.body else replace(answer, body=body)


@dataclass(frozen=True, slots=True)
class Place:
    """Position of one line: object, offset and length in bytes (of its lines, where the segment is packed).

    If a later response repeated it, `received_at` and `written` are the time and the order of the later one.
    """

    path: str
    offset: int
    length: int
    received_at: datetime | None = None
    written: str = ""

    @property
    def order(self) -> str:
        """Sort key among the responses of its month (see `place_in_order`)."""
        return self.written or place_in_order(self.path)


def encode(answer: RawAnswer) -> bytes:
    """One line of the log. The body is last, so that an index can be read without it."""
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
    if answer.is_repeat:
        header["is_repeat"] = True
        return framed(header)
    try:
        header["body"] = answer.body.decode("utf-8")
    except UnicodeDecodeError:
        header["body_base64"] = base64.b64encode(answer.body).decode("ascii")
    return framed(header)


def framed(header: Mapping[str, object]) -> bytes:
    """One line with its checksum."""
    inner = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode("utf-8")
    return b"%b%08x%b%b%b" % (_HEAD, zlib.crc32(inner), _MIDDLE, inner, _TAIL)


def is_whole(line: bytes) -> bool:
    """Whether `line`, its line feed included, is one that `encode` made, undamaged."""
    if not (line.startswith(_HEAD) and line.endswith(_TAIL) and line[len(_HEAD) + 8 : _INNER_AT] == _MIDDLE):
        return False
    return b"%08x" % zlib.crc32(line[_INNER_AT : -len(_TAIL)]) == line[len(_HEAD) : len(_HEAD) + 8]


def has_its_body(answer: RawAnswer) -> bool:
    """Whether the body matches the response's SHA-256; a failure without a response has neither."""
    return answer.is_repeat or answer.sha256 == (
        hashlib.sha256(answer.body).hexdigest() if answer.sha256 or answer.body else ""
    )


def is_sound(line: bytes) -> bool:
    """Whether `line` is whole and its body matches its SHA-256."""
    return is_whole(line) and has_its_body(decode(line))


def decode(line: bytes, *, with_body: bool = True) -> RawAnswer:
    """The response in a whole line; `with_body=False` leaves the body empty and is several times cheaper."""
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
        is_repeat=found.get("is_repeat", False),
    )


def name(operation: str, arguments: Arguments) -> str:
    """Identifier of a call: the operation and its arguments, in a fixed order."""
    return f"{operation} {json.dumps(dict(arguments), sort_keys=True)}"


def folder(feed: str, month: date) -> str:
    return f"{RAW}/{feed}/reporting_month={month_text(month)}"


def months(store: Store, feed: str = "line_items") -> list[date]:
    """The months with raw responses of a feed."""
    top = f"{RAW}/{feed}/reporting_month="
    found = set()
    for entry in store.entries(f"{RAW}/{feed}"):
        if entry.path.startswith(top) and is_segment(entry.path):
            try:
                found.add(parse_month(entry.path[len(top) :].split("/", 1)[0]))
            except NotAMonth:
                continue
    return sorted(found)


def segments(store: Store, feed: str, month: date) -> list[str]:
    """The segments of one feed and month, oldest name first. Of a packed and a plain copy, the plain one is listed."""
    found = {entry.path for entry in store.entries(folder(feed, month)) if is_segment(entry.path)}
    return sorted(path for path in found if path == plain_name(path) or plain_name(path) not in found)


def is_segment(path: str) -> bool:
    return path.endswith((PLAIN, PACKED))


def is_of_repeats(path: str) -> bool:
    """Whether a segment holds repeats alone; in a bucket its objects have numbers before the ending."""
    return f"{_REPEATS}." in path.rpartition("/")[2]


def plain_name(path: str) -> str:
    """The name of a segment before it was packed."""
    return path.removesuffix(PACKED) + PLAIN if path.endswith(PACKED) else path


def place_in_order(path: str) -> str:
    """Sort key of a segment within its month: the name without folder and endings."""
    return path.rpartition("/")[2].partition(".")[0]


def newest(store: Store, month: date) -> str:
    """The sort key of the month's latest segment or round, over all feeds; empty when there is none."""
    found = [place_in_order(path) for feed in set(FEED_OF.values()) for path in segments(store, feed, month)]
    found += [str(one["order"]) for one in rounds(store, month)]
    return max((place for place in found if _STAMPED.match(place)), default="")


def rounds_path(month: date) -> str:
    return f"{RAW}/_rounds/{month_text(month)}.jsonl"


def rounds(store: Store, month: date) -> list[dict[str, Any]]:
    """The month's rounds (see `repeats`); a damaged line counts as absent, because its calls are made again."""
    path = rounds_path(month)
    data = store.read(path) if store.exists(path) else b""
    found = [data[begin:end] for begin, end in lines(data)]
    whole = [line for line in found if is_whole(line)]
    if len(whole) < len(found):
        log.warning("%s: %d of its lines are damaged and left out", store.uri(path), len(found) - len(whole))
    return [json.loads(line)["answer"] for line in whole]


def stamp(moment: datetime) -> str:
    """First part of the segment names of a writer that began at `moment`."""
    return f"{moment:{_STAMP}}"


def scan(store: Store, feed: str, month: date) -> Iterator[tuple[Place, RawAnswer]]:
    """Every kept response without its body, in the order of writing; lines that are not whole are skipped."""
    for path in segments(store, feed, month):
        yield from scan_segment(store, path)


def scan_segment(store: Store, path: str) -> Iterator[tuple[Place, RawAnswer]]:
    """The responses of one segment, without their bodies."""
    data = contents(store, path)
    for begin, end in lines(data):
        line = data[begin:end]
        if is_whole(line):
            yield Place(path, begin, end - begin), decode(line, with_body=False)


def lines(data: bytes, begin: int = 0) -> Iterator[tuple[int, int]]:
    """Begin and end of each line from `begin` on, its line feed included; the last may have none."""
    while begin < len(data):
        end = data.find(b"\n", begin) + 1 or len(data)
        yield begin, end
        begin = end


def contents(store: Store, path: str) -> bytes:
    """The lines of a segment, packed or plain."""
    data = store.read(path)
    return unpacked(data) if path.endswith(PACKED) else data


def packed(data: bytes) -> bytes:
    """Lines as zstd frames, each of whole lines and about `FRAME_BYTES`: damage costs one frame, not the segment."""
    codec = pa.Codec("zstd", compression_level=ZSTD_LEVEL)
    frames, begin = [], 0
    while begin < len(data):
        end = data.find(b"\n", min(begin + FRAME_BYTES, len(data)) - 1) + 1 or len(data)
        frames.append(codec.compress(data[begin:end], asbytes=True))
        begin = end
    return b"".join(frames)


def unpacked(data: bytes) -> bytes:
    """The lines of a packed segment; where frames are damaged, those of the whole ones."""
    try:
        return _unpacked(data)
    except OSError:
        starts = [found.start() for found in re.finditer(_FRAME, data)]
    whole = []
    for begin, end in zip(starts, [*starts[1:], len(data)], strict=True):
        with suppress(OSError):
            whole.append(_unpacked(data[begin:end]))
    return b"".join(whole)


def _unpacked(data: bytes) -> bytes:
    with pa.CompressedInputStream(pa.BufferReader(data), "zstd") as stream:
        found: bytes = stream.read()
    return found


def read(store: Store, place: Place) -> RawAnswer:
    """The kept response at `place`, with its body; see `Bodies` for many of them. Raises `NotAsKept`."""
    with Bodies(store) as bodies:
        return bodies.read(place)


class Bodies:
    """Reads responses by position, each checked again, with some segments kept open. Thread-safe.

    A packed segment is unpacked once, to a temporary file: otherwise an index of its frames would be needed.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._open: dict[str, BinaryIO] = {}
        self._lock = threading.Lock()

    def __enter__(self) -> "Bodies":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        with self._lock:
            while self._open:
                self._open.popitem()[1].close()

    def read(self, place: Place) -> RawAnswer:
        """Raises `NotAsKept` where the line, or the body's SHA-256, is not what was written."""
        with self._lock:
            line = self._line(place)
            if not is_whole(line):  # an object in a bucket may have grown since it was opened
                self._open.pop(place.path).close()
                line = self._line(place)
        answer = decode(line) if is_whole(line) else None
        if answer is None or not has_its_body(answer):
            raise NotAsKept(
                f"a response in {self._store.uri(place.path)} is not the one that was written: "
                "`ecgrid-billing verify` quarantines it"
            )
        return answer if place.received_at is None else replace(answer, received_at=place.received_at)

    def _line(self, place: Place) -> bytes:
        source = self._open.get(place.path)
        if source is None:
            if len(self._open) >= SEGMENTS_OPEN:
                self._open.pop(next(iter(self._open))).close()
            source = self._open[place.path] = self._opened(place.path)
        source.seek(place.offset)
        return source.read(place.length)

    def _opened(self, path: str) -> BinaryIO:
        if not path.endswith(PACKED):
            return self._store.open(path)
        with disk_errors(tempfile.gettempdir()):
            file = cast("BinaryIO", tempfile.TemporaryFile(prefix="ecgrid-billing-"))  # noqa: SIM115 - `close` does
            file.write(contents(self._store, path))
            return file


@dataclass(slots=True)
class _Segment:
    """A segment that is being written."""

    appender: Appender
    size: int = 0


class RawLog:
    """Appends raw responses; thread-safe. One background thread makes them durable, many at a time.

    `on_failure` is called on that thread as soon as it cannot: responses then never become done.
    """

    def __init__(self, store: Store, on_failure: Callable[[BillingError], None] = lambda _: None) -> None:
        self._store = store
        self._on_failure = on_failure
        self._lock = threading.Lock()
        self._dirty = threading.Condition(self._lock)
        self._settled = threading.Condition(self._lock)
        self._open: dict[tuple[str, date, bool], _Segment] = {}
        self._waiting: list[tuple[Appender, Callable[[], None] | None]] = []
        self._full: list[Appender] = []
        self._written = self._durable = self._waiters = 0
        self._failure: BillingError | None = None
        self._closing = False
        self._began, self._token = datetime.now(UTC), secrets.token_hex(3)
        self._names: dict[date, str] = {}
        self._segments = 0
        self._syncer = threading.Thread(target=self._sync_forever, name="raw-log", daemon=True)
        self._syncer.start()

    def __enter__(self) -> "RawLog":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def record(self, month: date, answer: RawAnswer, done: Callable[[], None] | None = None) -> None:
        """Append one response; `done` is called once it is durable. Raises `StorageFailed`."""
        line = encode(answer)
        with self._lock:
            self._raise_failure()
            try:
                appender = self._appender((answer.feed, month, answer.is_repeat), len(line))
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

    def end_repeats(self, month: date) -> None:
        """Make the month's repeats durable and close their segments, before they are folded."""
        self.flush()
        with self._lock:
            for of in [of for of in self._open if of[1:] == (month, True)]:
                self._open.pop(of).appender.close()

    def _appender(self, of: tuple[str, date, bool], size: int) -> Appender:
        feed, month, is_repeat = of
        segment = self._open.get(of)
        if segment is not None and segment.size and segment.size + size > SEGMENT_BYTES:
            self._full.append(segment.appender)
            segment = None
        if segment is None:
            self._segments += 1
            path = (
                f"{folder(feed, month)}/{self._name(month)}-{self._segments:05}{_REPEATS if is_repeat else ''}{PLAIN}"
            )
            segment = self._open[of] = _Segment(self._store.appender(path))
        segment.size += size
        return segment.appender

    def _name(self, month: date) -> str:
        """First part of the names of this log's segments of a month: after those of every earlier writer."""
        if month not in self._names:
            began, latest = self._began, newest(self._store, month)
            if latest and stamp(began) <= (last := latest[: len(stamp(began))]):
                with suppress(OverflowError, ValueError):  # the year 9999: there is no later one
                    began = datetime.strptime(last, _STAMP).replace(tzinfo=UTC) + timedelta(seconds=1)
            self._names[month] = f"{stamp(began)}-{self._token}"
        return self._names[month]

    def _raise_failure(self) -> None:
        if self._failure is not None:
            raise type(self._failure)(str(self._failure)) from self._failure

    def _gather(self) -> None:
        """Let a few more responses accumulate, unless a caller waits."""
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
