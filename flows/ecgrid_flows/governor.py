"""How many calls may be in flight at once, over the whole run.

`slot()` admits a call; `observe()` tells how one attempt went. The limit moves between 1 and the user's bound:

- it is cut to 0.7 of itself when the service says 429 or 503, drops connections, times out or fails by itself, and
  when latency rises to twice its long-run level (a queue is building up somewhere): at most once per round of calls;
- it climbs by one for every round of calls that went well, so it finds its way back;
- a Retry-After holds back every new call, not only the one that was told.

When nothing but failures came for a while the circuit opens for good: the run is to end, not to hammer a dead service.
"""

import math
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from ecgrid_client.errors import (
    CircuitOpen,
    ECGridError,
    MalformedAnswer,
    ServiceBusy,
    ServiceError,
    ServiceUnreachable,
    Stopped,
)

#: Failures of the service as a whole; any other error is an answer, and shows that the service lives.
TROUBLE = (ServiceBusy, ServiceError, ServiceUnreachable, MalformedAnswer)

CUT = 0.7
#: Latency this many times its long-run level, and by this many milliseconds, counts as rising.
RISE = 2.0
RISE_MS = 20.0
LONGEST_PAUSE_S = 120.0


class Governor:
    """Admits calls. Safe for many threads; one per process."""

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
        self._cut_at = -math.inf
        self._latency_now = 0.0
        self._latency_usual = 0.0
        self.retries = 0

    @property
    def limit(self) -> int:
        return max(int(self._limit), 1)

    @property
    def in_flight(self) -> int:
        return self._in_flight

    @property
    def is_open(self) -> bool:
        """Whether the circuit has opened."""
        return self._open_because is not None

    @contextmanager
    def slot(self) -> Iterator[None]:
        """Wait for a place in flight and hold it; raises `Stopped` or `CircuitOpen` instead of waiting in vain."""
        with self._free:
            while True:
                if self._stopped:
                    raise Stopped("the run was stopped; the call was not made")
                if self._open_because is not None:
                    raise CircuitOpen(self._open_because)
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

    def observe(self, error: ECGridError | None, latency_ms: float) -> None:
        """One attempt went so: `error` is None for an answer that could be used."""
        with self._free:
            if isinstance(error, TROUBLE):
                self._failed(error)
            else:
                self._went_well(latency_ms)
            self._free.notify()

    def stop(self) -> None:
        """Admit no further call; those in flight may end."""
        with self._free:
            self._stopped = True
            self._free.notify_all()

    def _went_well(self, latency_ms: float) -> None:
        self._failures_in_a_row = 0
        if not self._latency_usual:
            self._latency_now = self._latency_usual = latency_ms
        # The short mean forgets within one round of calls, the long one within some hundred.
        self._latency_now += (latency_ms - self._latency_now) / max(self.limit, 4)
        self._latency_usual += (latency_ms - self._latency_usual) / max(20 * self.limit, 200)
        if self._latency_now > RISE * self._latency_usual + RISE_MS:
            self._cut()
        else:
            self._limit = min(self._limit + 1 / self._limit, self._most)

    def _failed(self, error: ECGridError) -> None:
        now = self._clock()
        self.retries += 1
        if self._failures_in_a_row == 0:
            self._failing_since = now
        self._failures_in_a_row += 1
        self._cut()
        if error.retry_after_s:
            self._paused_until = max(self._paused_until, now + min(error.retry_after_s, LONGEST_PAUSE_S))
        if (
            self._failures_in_a_row >= self._circuit_failures
            and now - self._failing_since >= self._circuit_seconds
            and self._open_because is None
        ):
            self._open_because = (
                f"the last {self._failures_in_a_row} attempts failed, over {now - self._failing_since:.0f} s, "
                f"the latest so: {error}"
            )
            self._free.notify_all()

    def _cut(self) -> None:
        """Once per round: the failures of one round of calls tell one thing, not as many as there are calls."""
        now = self._clock()
        round_s = max(self._latency_now / 1000, 0.05)
        if now - self._cut_at >= round_s:
            self._limit = max(self._limit * CUT, 1.0)
            self._cut_at = now
