"""One task's keys: which have a response already, what is counted, and which responses end the pull."""

import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime

from ecgrid_client import decode, errors
from ecgrid_flows.lake import raw_log as raw
from ecgrid_flows.lake.raw_log import Arguments, RawAnswer
from ecgrid_transforms.calls import LINE, NO_LINE
from ecgrid_transforms.keys import pair_bit
from ecgrid_transforms.model import Account, Key

LINE_OPERATION = "InvoiceCalculateLineItem"
LINES = raw.FEED_OF[LINE_OPERATION]
#: Codes of faults that leave a key without a line: the response is a refusal.
ANSWERED_FAULTS = frozenset(kind.code for kind in errors.ANSWERS) - {errors.NotOnPriceList.code}
#: Errors that end the run at once.
_FATAL = (
    errors.CredentialsRefused,
    errors.TooManySessions,
    errors.SettingsError,
    errors.Stopped,
    errors.CircuitOpen,
)
#: Number of missing keys that are named; the rest is counted.
NAMED_MISSING = 1000


@dataclass(slots=True)
class Tally:
    """Counts of some keys. `missing` names those without a usable response, `missing_calls` counts them."""

    calls: int = 0
    lines: int = 0
    no_lines: int = 0
    faults: dict[str, int] = field(default_factory=dict)
    missing_calls: int = 0
    missing: list[str] = field(default_factory=list)
    #: The keys that a worker of a cluster got responses for, for the coordinator.
    kept: "Kept | None" = None

    def add(self, other: "Tally") -> None:
        self.calls += other.calls
        self.lines += other.lines
        self.no_lines += other.no_lines
        for code, count in other.faults.items():
            self.faults[code] = self.faults.get(code, 0) + count
        self.missing_calls += other.missing_calls
        self.missing = (self.missing + other.missing)[:NAMED_MISSING]


@dataclass(slots=True)
class Kept:
    """The keys of a month that raw has responses for, as bits of `plan.PAIRS` by account: with a line, and in all."""

    answered: dict[Account, int] = field(default_factory=dict)
    lines: dict[Account, int] = field(default_factory=dict)

    def note(self, account: Account, bit: int, outcome: str | None) -> None:
        self.answered[account] = self.answered.get(account, 0) | bit
        if outcome == LINE:
            self.lines[account] = self.lines.get(account, 0) | bit

    def of(self, accounts: Sequence[Account]) -> "Kept":
        """The part of it that concerns these accounts."""
        return Kept(*({one: bits[one] for one in accounts if one in bits} for bits in (self.answered, self.lines)))


@dataclass(frozen=True, slots=True)
class _Counting:
    """Which kept responses of a month count (see `Puller.begin`): those after a segment, received within a span."""

    behind: str | None
    since: datetime | None
    until: datetime

    def counts(self, order: str, received_at: datetime) -> bool:
        is_behind = self.behind is None or order > self.behind
        return is_behind and (self.since is None or received_at >= self.since) and received_at < self.until


class Batch:
    """The calls of one task: handed out key by key, done when the last response is durable.

    `samples` are the void pairs among them. The service's response for one is undocumented (facts 3.2): a fault of its
    own that it repeats each time is a response for them, and leaves no line missing.
    """

    def __init__(self, month: date, keys: Iterator[Key], samples: Mapping[Account, int]) -> None:
        self.month = month
        self.tally = Tally()
        self._keys = keys
        self._samples = samples
        self._lock = threading.Lock()
        self._out = 0
        self._drained = False
        self.done = threading.Event()

    def take(self) -> Key | None:
        """The next key to request; None when all are handed out."""
        with self._lock:
            key = None if self._drained else next(self._keys, None)
            if key is not None:
                self._out += 1
                return key
            self._drained = True
            if self._out == 0:
                self.done.set()
            return None

    def returned(self, key: Key, answer: RawAnswer | None) -> None:
        """The response for one key is durable; or its call was never made (None)."""
        with self._lock:
            self._out -= 1
            if answer is not None:
                self._count(key, answer)
            if self._drained and self._out == 0:
                self.done.set()

    def _count(self, key: Key, answer: RawAnswer) -> None:
        tally = self.tally
        tally.calls += 1
        if not answer.is_usable and not self._is_void(key, answer):
            tally.missing_calls += 1
            if len(tally.missing) < NAMED_MISSING:
                tally.missing.append(f"{key}: {answer.fault_code} ({answer.fault_message})")
        elif answer.outcome == LINE:
            tally.lines += 1
        elif answer.outcome == NO_LINE:
            tally.no_lines += 1
        else:
            code = answer.fault_code or "unknown_fault"
            tally.faults[code] = tally.faults.get(code, 0) + 1

    def _is_void(self, key: Key, answer: RawAnswer) -> bool:
        is_sample = self._samples.get(key.account, 0) & pair_bit(key.account_report, key.measure_field)
        return bool(is_sample) and answer.fault_code == errors.ServiceError.code and _is_fault_without_code(answer.body)


def _is_fault_without_code(body: bytes) -> bool:
    fault = _fault_of(body)
    return fault is not None and fault.code is None


def _tag(answer: RawAnswer) -> int:
    """64 bits of the hash of a response's body: enough to distinguish the responses of one key."""
    return int(answer.sha256[:16] or "0", 16)


def _account_and_bit(arguments: Arguments) -> tuple[Account, int]:
    account = Account(int(arguments["NetworkID"]), int(arguments["MailboxID"]))
    return account, pair_bit(str(arguments["AccountReport"]), str(arguments["MeasureField"]))


def _fault_of(body: bytes) -> errors.Fault | None:
    """The SOAP fault in a body; None for a page, or an empty body."""
    try:
        error = decode.raised_by(body)
    except errors.ECGridError:
        return None
    return error.fault if error is not None else None
