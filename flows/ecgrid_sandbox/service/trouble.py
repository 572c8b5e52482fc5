"""Simulated failures of a service, set by code or by command line.

`seed` draws which call meets which failure, in the order in which calls arrive; pages, faults of one operation and odd
values come by count.
"""

import re
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from random import Random
from typing import Literal, Self

from ecgrid_sandbox.service.envelope import Node, escaped
from ecgrid_sandbox.service.shapes import Drift

Mishap = Literal[
    "unavailable",  # 503 in HTML that is not XML, with Retry-After
    "busy",  # 429 with Retry-After
    "bad_gateway",  # 502 whose page happens to be well-formed XML
    "sql_error",  # a fault of the service itself
    "cut",  # a good response cut off half way, its whole length announced
    "html_200",  # a proxy's page, status 200
    "empty_500",  # status 500, no body
]
#: Statuses with which gateways and proxies are known to send pages of their own.
PAGE_STATUSES = (400, 201, 202, 204, 206, 302, 401, 402, 403, 404, 405, 406, 413, 414, 415, 422, 451, 500, 502, 503)
MISHAPS: tuple[Mishap, ...] = (
    "unavailable",
    "busy",
    "bad_gateway",
    "sql_error",
    "cut",
    "html_200",
    "empty_500",
)


@dataclass(frozen=True, slots=True)
class OddValue:
    """A replaced text for the first element `field` of every `every`-th response that has one; None omits it.

    A field `PARENT.FIELD` is the first FIELD within a PARENT.
    """

    operation: str
    field: str
    text: str | None
    every: int = 1

    @classmethod
    def parsed(cls, words: str) -> Self:
        """Parses OPERATION.FIELD/N=TEXT, without =TEXT for an element that is omitted; raises `ValueError`."""
        named = re.fullmatch(r"(\w+)\.((?:\w+\.)?\w+)(?:/([1-9]\d{0,8}))?(?:=(.*))?", words, re.DOTALL)
        if named is None:
            raise ValueError(f"{words!r} is not OPERATION.FIELD/N=TEXT, as InvoiceCalculateLineItem.Amount/9=1e400")
        return cls(named[1], named[2], named[4], int(named[3] or 1))


@dataclass(frozen=True, slots=True)
class OwnFault:
    """A fault of the service itself, with its code, instead of every `every`-th result of an operation."""

    operation: str
    code: str
    every: int = 1

    @classmethod
    def parsed(cls, words: str) -> Self:
        """Parses OPERATION/N=CODE; raises `ValueError`."""
        named = re.fullmatch(r"(\w+)(?:/([1-9]\d{0,8}))?=(\w+)", words)
        if named is None:
            raise ValueError(f"{words!r} is not OPERATION/N=CODE, as InvoiceCalculateLineItem/9=DataError")
        return cls(named[1], named[3], int(named[2] or 1))


@dataclass(frozen=True, slots=True)
class Trouble:
    """The failures to simulate. Rates are shares of calls between 0 and 1.

    `drop_rate` cuts connections without a response, one half before the call is executed and one half after.
    `session_calls` ends a session after that many calls; `session_idle_s` one that was idle that long. `pending` and
    `nil` name operations that return PENDING faults or absent results. `refused` names operations that return
    AccessDenied. `drift` gives the interface of 2016 (`older`) or an invented later one (`newer`). `extra_values` lets
    a newer service use enumeration values that are not even in its own WSDL. `latency_ms` delays every response, and
    `jitter_ms` adds up to that much more.

    Every `page_every`-th call (of the operations `page_of`, if any are named) gets a page with one of `page_statuses`
    in turn, or with `page_is_empty` no body. `doubled_after_ms` sends each response twice over its connection, the
    second after that delay; `is_late` answers each call over a kept connection with the response to the one before.
    `odd_values` and `own_faults` replace values and results. `all_refused` is the code with which Ex operations refuse
    an id of -1. `clock_off_s` sets the service's clock ahead (NowUTC, LastLogin, the Date header).
    """

    latency_ms: int = 0
    jitter_ms: int = 0
    fault_rate: float = 0.0
    mishaps: tuple[Mishap, ...] = MISHAPS
    drop_rate: float = 0.0
    session_calls: int | None = None
    session_idle_s: int = 20 * 60
    pending: Collection[str] = ()
    nil: Collection[str] = ()
    refused: Collection[str] = ()
    drift: Drift | None = None
    extra_values: bool = False
    page_every: int = 0
    page_statuses: tuple[int, ...] = PAGE_STATUSES
    page_is_empty: bool = False
    page_of: Collection[str] = ()
    doubled_after_ms: float | None = None
    is_late: bool = False
    odd_values: tuple[OddValue, ...] = ()
    own_faults: tuple[OwnFault, ...] = ()
    all_refused: Literal["NotFound", "AccessDenied"] | None = None
    clock_off_s: int = 0
    detail: Literal["code", "ErrorInfo", "details"] = "code"
    seed: int = 1


@dataclass(frozen=True, slots=True)
class Fate:
    """What happens to one call."""

    mishap: Mishap | None = None
    drop: Literal["before", "after"] | None = None
    delay_s: float = 0.0
    page_status: int | None = None


class Fates:
    """Draws the fate of each call in turn."""

    def __init__(self, trouble: Trouble) -> None:
        self._trouble = trouble
        self._rng = Random(f"trouble {trouble.seed}")
        self._steady = Fate(delay_s=trouble.latency_ms / 1000)
        self._is_steady = not (trouble.fault_rate or trouble.drop_rate or trouble.jitter_ms)
        self._paged_calls = 0

    def draw(self, operation: str = "") -> Fate:
        """The fate of the next call, a call of that operation."""
        status = self._page_status(operation) if self._trouble.page_every else None
        if status is not None:
            return Fate(page_status=status)
        if self._is_steady:
            return self._steady
        trouble, rng = self._trouble, self._rng
        delay = (trouble.latency_ms + rng.random() * trouble.jitter_ms) / 1000
        if rng.random() < trouble.drop_rate:
            return Fate(drop=rng.choice(("before", "after")), delay_s=delay)
        if rng.random() < trouble.fault_rate:
            return Fate(mishap=rng.choice(trouble.mishaps), delay_s=delay)
        return Fate(delay_s=delay)

    def _page_status(self, operation: str) -> int | None:
        trouble = self._trouble
        if trouble.page_of and operation not in trouble.page_of:
            return None
        self._paged_calls += 1
        pages, left = divmod(self._paged_calls, trouble.page_every)
        return None if left else trouble.page_statuses[(pages - 1) % len(trouble.page_statuses)]


class OddAnswers:
    """Counts the results of each operation, and replaces those whose turn it is by odd values or faults."""

    def __init__(self, trouble: Trouble) -> None:
        self._trouble = trouble
        self._seen: Counter[OddValue | OwnFault] = Counter()

    def concern(self, operation: str) -> bool:
        """Whether any response of the operation may be odd."""
        named = {odd.operation for odd in self._trouble.odd_values} | {
            one.operation for one in self._trouble.own_faults
        }
        return operation in named

    def fault(self, operation: str) -> str | None:
        """The code of the fault that replaces this result, None for a result that stays."""
        for fault in self._trouble.own_faults:
            if fault.operation == operation and self._is_turn(fault):
                return fault.code
        return None

    def alter(self, operation: str, result: Node) -> None:
        """Replace right values by odd ones."""
        for odd in self._trouble.odd_values:
            of, _, tag = odd.field.rpartition(".")
            place = _first(result, tag, of) if odd.operation == operation else None
            if place is not None and self._is_turn(odd):
                parent, element = place
                if odd.text is None:
                    parent.children.remove(element)
                else:
                    element.text, element.children, element.attributes = escaped(odd.text) or None, [], ""

    def _is_turn(self, one: OddValue | OwnFault) -> bool:
        self._seen[one] += 1
        return self._seen[one] % one.every == 0


def _first(parent: Node, tag: str, of: str = "") -> tuple[Node, Node] | None:
    """The first element of that tag below `parent` (in an element `of`), in document order, with its parent."""
    for child in parent.children:
        if child.tag == tag and of in ("", parent.tag):
            return parent, child
        if (found := _first(child, tag, of)) is not None:
            return found
    return None
