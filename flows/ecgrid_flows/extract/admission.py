"""Adaptive limit of concurrent calls (AIMD) with a circuit breaker, for the whole run.

`slot()` admits a call; `observe()` reports the outcome of one attempt. The limit moves between 1 and the user's bound,
in rounds of as many attempts as the limit admits:

- an attempt that met 429, 503, a lost connection or a time-out reduces it by one, at most by half per round;
- a latency at twice an operation's usual one (a queue builds up) reduces it by three tenths, once per round;
- a round of successful attempts raises it by one, so the limit recovers.

So a service that refuses one call in ten settles near ten in flight, and one that refuses all is left with one.
A Retry-After delays only the call that received it (in the client), until three in a row received one: then all new
calls wait. After a period of failures only, the circuit opens permanently: the run ends, to spare a dead service.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from ecgrid_client.errors import (
    CircuitOpen,
    ECGridError,
    MalformedAnswer,
    ServiceBusy,
    ServiceError,
    ServiceUnreachable,
    Stopped,
)

#: Failures of the whole service; any other error is a response, and shows that the service works.
TROUBLE = (ServiceBusy, ServiceError, ServiceUnreachable, MalformedAnswer)

#: Those of them that mean overload, and not only an outage.
OVERLOAD = (ServiceBusy, ServiceUnreachable)

SLOWER = 0.7
#: A latency is rising when it exceeds its long-run level by this factor and by this many milliseconds.
RISE = 2.0
RISE_MS = 20.0
#: This many consecutive busy responses delay every call.
PAUSING_FAILURES = 3
LONGEST_PAUSE_S = 120.0


@dataclass(slots=True)
class _Latency:
    """An operation's latency in milliseconds, over the last round and over the long run."""

    now: float
    usual: float


class Limiter:
    """Admits calls. Thread-safe; one per process."""

    def __init__(
        self,
        concurrency: int,
        *,
        circuit_failures: int | None = None,
        circuit_seconds: float = 15.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._most = max(concurrency, 1)
        self._limit: float = self._most
        self._circuit_failures = circuit_failures or max(20, 3 * self._most)
        self._circuit_seconds = circuit_seconds
        self._clock = clock
        self._free = threading.Condition()
        self._in_flight = 0
        self._stopped = False
        self._open_because: str | None = None
        self._paused_until = 0.0
        self._failures_in_a_row = 0
        self._failing_since = 0.0
        self._left_in_round = self._most
        self._floor = self._most / 2
        self._is_calm = True
        self._latencies: dict[str, _Latency] = {}
        self.retries = 0

    @property
    def limit(self) -> int:
        return max(int(self._limit), 1)

    @property
    def in_flight(self) -> int:
        return self._in_flight

    @property
    def is_open(self) -> bool:
        """Whether the circuit is open."""
        return self._open_because is not None

    @contextmanager
    def slot(self) -> Iterator[None]:
        """Wait for a slot and hold it; raises `Stopped` or `CircuitOpen` when none will become free."""
        with self._free:
            while True:
                self.check()
                pause = self._paused_until - self._clock()
                if pause <= 0 and self._in_flight < self.limit:
                    break
                self._free.wait(timeout=pause if pause > 0 else None)
            self._in_flight += 1
        try:
            yield
        finally:
            with self._free:
                self._in_flight -= 1
                self._free.notify()

    def check(self) -> None:
        """Raise `Stopped` or `CircuitOpen` when no further call may be made."""
        if self._stopped:
            raise Stopped("the run was stopped; the call was not made")
        if self._open_because is not None:
            raise CircuitOpen(self._open_because)

    def observe(self, error: ECGridError | None, latency_ms: float, operation: str = "") -> None:
        """Record one attempt of `operation`: `error` is None for a usable response."""
        with self._free:
            if isinstance(error, TROUBLE):
                self._failed(error)
            else:
                self._went_well(latency_ms, operation)
            self._left_in_round -= 1
            if self._left_in_round <= 0:
                self._end_round()
            self._free.notify()

    def stop(self) -> None:
        """Admit no further call; those in flight may finish."""
        with self._free:
            self._stopped = True
            self._free.notify_all()

    def _went_well(self, latency_ms: float, operation: str) -> None:
        self._failures_in_a_row = 0
        # Each operation has its own level: a list may take 5 ms where a line takes 500.
        level = self._latencies.setdefault(operation, _Latency(latency_ms, latency_ms))
        # The short mean adapts within a round, the long one within some hundred calls.
        level.now += (latency_ms - level.now) / max(self.limit, 4)
        level.usual += (latency_ms - level.usual) / max(20 * self.limit, 200)
        if self._is_calm and level.now > RISE * level.usual + RISE_MS:
            self._is_calm = False
            self._limit = max(self._limit * SLOWER, 1.0)
        if self._is_calm:
            self._limit = min(self._limit + 1 / self._limit, self._most)

    def _failed(self, error: ECGridError) -> None:
        now = self._clock()
        self.retries += 1
        if self._failures_in_a_row == 0:
            self._failing_since = now
        self._failures_in_a_row += 1
        if isinstance(error, OVERLOAD):
            self._limit = max(self._limit - 1, self._floor, 1.0)
        if error.retry_after_s and self._failures_in_a_row >= PAUSING_FAILURES:
            self._paused_until = max(self._paused_until, now + min(error.retry_after_s, LONGEST_PAUSE_S))
        failing_s = now - self._failing_since
        is_dead = self._failures_in_a_row >= self._circuit_failures and failing_s >= self._circuit_seconds
        if is_dead and self._open_because is None:
            self._open_because = (
                f"the last {self._failures_in_a_row} attempts failed, over {failing_s:.0f} s, the latest with: {error}"
            )
            self._free.notify_all()

    def _end_round(self) -> None:
        self._left_in_round = self.limit
        self._floor = self._limit / 2
        self._is_calm = True
