"""Trouble on request: what a service does to its callers, by code or by command line.

Which call meets which trouble is drawn from `seed`, in the order in which calls arrive; pages come by count.
"""

from collections.abc import Collection
from dataclasses import dataclass
from random import Random
from typing import Literal

from ecgrid_sandbox.shapes import Drift

Mishap = Literal[
    "unavailable",  # 503 in HTML that is no XML, with Retry-After
    "busy",  # 429 with Retry-After
    "bad_gateway",  # 502 whose page happens to be well-formed XML
    "sql_error",  # a fault of the service itself
    "cut",  # a good answer cut off half way, its length announced in full
    "html_200",  # a page of some proxy, status 200
    "empty_500",  # status 500, no body
]
#: Statuses under which gateways and proxies are known to send pages of their own.
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
class Trouble:
    """What goes wrong. Rates are shares of calls between 0 and 1.

    `drop_rate` cuts connections without an answer, one half before the call is executed and one half after.
    `session_calls` ends a session after so many calls; `session_idle_s` one that was idle so long. `pending` and `nil`
    name operations that answer PENDING faults or absent results. `refused` names operations that answer AccessDenied.
    `drift` gives the interface of 2016 (`older`) or an invented later one (`newer`). `extra_values` lets a newer
    service use enumeration values that are not even in its own WSDL. `latency_ms` delays every answer, and
    `jitter_ms` adds up to that much more.

    Every `page_every`-th call (of the operations `page_of`, where any are named) gets a page with one of
    `page_statuses` in turn, or with `page_is_empty` no body. `doubled_after_ms` sends each answer twice over its
    connection, the second time so much later; `is_late` answers each call over a kept connection with the answer to the
    one before. `all_refused` is the code with which Ex operations refuse an id of -1. `clock_off_s` sets the service's
    clock ahead (NowUTC, LastLogin, the Date header).
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


UNTROUBLED = Fate()


class Fates:
    """Draws the fate of each call in turn."""

    def __init__(self, trouble: Trouble) -> None:
        self._trouble = trouble
        self._rng = Random(f"trouble {trouble.seed}")  # noqa: S311 - which call fails is no secret
        self._steady = Fate(delay_s=trouble.latency_ms / 1000)
        self._is_steady = not (trouble.fault_rate or trouble.drop_rate or trouble.jitter_ms)
        self._paged_calls = 0

    def draw(self, operation: str = "") -> Fate:
        """The fate of the next call, which is of that operation."""
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
