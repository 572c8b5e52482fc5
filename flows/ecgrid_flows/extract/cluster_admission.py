"""`ECGRID_CONCURRENCY` over a whole cluster: a call in flight holds a lease of the scheduler's one semaphore.

A process keeps a lease for many calls, up to `KEEP_S`, so the scheduler receives a few requests per second and not one
per call; then it returns the lease and requests another, so that busy processes share the total. An idle lease is
returned within `IDLE_S`. The leases of a dead process expire (distributed's lock lease time).

Each process adapts like a single one (`admission`), within its leases: when the service is overloaded, all reduce.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

from ecgrid_flows.extract.admission import Limiter

KEEP_S = 1.0
IDLE_S = 0.5
#: Time-out of one lease request at the scheduler, after which it is checked whether the run was stopped.
PATIENCE_S = 0.25


class Semaphore(Protocol):
    """The part of `distributed.Semaphore` that is used."""

    def acquire(self, timeout: float | None = None) -> bool: ...

    def release(self) -> bool: ...


class LeasedSlots:
    """This process's leases. Thread-safe; one thread at a time requests from the scheduler."""

    def __init__(self, semaphore: Semaphore, clock: Callable[[], float] = time.monotonic) -> None:
        self._semaphore = semaphore
        self._clock = clock
        self._changed = threading.Condition()
        self._idle: list[tuple[float, float]] = []  # when each was leased, and since when it is idle
        self._in_use = self._peak = 0
        self._is_asking = False
        self._closed = threading.Event()
        self._janitor = threading.Thread(target=self._return_idle, name="slots", daemon=True)
        self._janitor.start()

    def peak(self) -> int:
        """The most leases in use at once since the last call of this."""
        with self._changed:
            peak, self._peak = self._peak, self._in_use
            return peak

    @contextmanager
    def one(self, check: Callable[[], None]) -> Iterator[None]:
        """Hold a lease for the block; `check` is called while waiting, and ends the wait by raising."""
        leased_at = self._take(check)
        try:
            yield
        finally:
            self._give(leased_at)

    def close(self) -> None:
        """Return idle leases; those in use are returned when their calls end."""
        self._closed.set()
        self._janitor.join()

    def _take(self, check: Callable[[], None]) -> float:
        with self._changed:
            while True:
                check()
                if self._idle:
                    return self._use(self._idle.pop()[0])
                if not self._is_asking:
                    self._is_asking = True
                    break
                self._changed.wait(PATIENCE_S)
        try:
            while not self._semaphore.acquire(timeout=PATIENCE_S):
                check()
                with self._changed:
                    if self._idle:
                        return self._use(self._idle.pop()[0])
            with self._changed:
                return self._use(self._clock())
        finally:
            with self._changed:
                self._is_asking = False
                self._changed.notify_all()

    def _use(self, leased_at: float) -> float:
        self._in_use += 1
        self._peak = max(self._peak, self._in_use)
        return leased_at

    def _give(self, leased_at: float) -> None:
        now = self._clock()
        with self._changed:
            self._in_use -= 1
            is_kept = now - leased_at < KEEP_S and not self._closed.is_set()
            if is_kept:
                self._idle.append((leased_at, now))
                self._changed.notify()
        if not is_kept:
            self._semaphore.release()

    def _return_idle(self) -> None:
        is_over = False
        while not is_over:
            is_over = self._closed.wait(IDLE_S / 2)
            now = self._clock()
            with self._changed:
                stale = [one for one in self._idle if is_over or now - one[1] >= IDLE_S]
                self._idle = [one for one in self._idle if one not in stale]
            for _ in stale:
                self._semaphore.release()


class ClusterLimiter(Limiter):
    """A limiter whose calls also hold a lease: the bound is the cluster's, the adaptation is per process."""

    def __init__(self, concurrency: int, slots: LeasedSlots) -> None:
        super().__init__(concurrency)
        self._slots = slots

    @contextmanager
    def slot(self) -> Iterator[None]:
        with super().slot(), self._slots.one(self.check):
            yield

    def _end_round(self) -> None:
        super()._end_round()
        # The limit stays near this process's share, otherwise a reduction would have no effect.
        self._limit = min(self._limit, self._slots.peak() + 1)
