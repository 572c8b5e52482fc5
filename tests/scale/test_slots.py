"""The bound on calls in flight over a cluster: leases of one semaphore, shared among processes."""

import threading
from contextlib import suppress

import pytest

from ecgrid_client.errors import Stopped
from ecgrid_flows.extract import cluster_admission
from ecgrid_flows.extract.cluster_admission import ClusterLimiter, LeasedSlots
from tests.support.waiting import until


class Clock:
    """A clock that stands until it is set on."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


class Scheduler:
    """A semaphore as distributed's: so many leases, whoever holds them."""

    def __init__(self, leases: int) -> None:
        self.free = threading.Semaphore(leases)
        self.lock = threading.Lock()
        self.leased = self.asked = 0

    def acquire(self, timeout: float | None = None) -> bool:
        self.asked += 1
        got = self.free.acquire(timeout=timeout)
        with self.lock:
            self.leased += got
        return got

    def release(self) -> bool:
        with self.lock:
            self.leased -= 1
        self.free.release()
        return True


def test_two_processes_never_exceed_the_bound_and_both_get_work_done() -> None:
    scheduler, clock = Scheduler(3), Clock()
    processes = [LeasedSlots(scheduler, clock), LeasedSlots(scheduler, clock)]
    changed = threading.Condition()
    in_flight, peak, calls = 0, 0, [0, 0]

    class Enough(Exception):
        pass

    def is_full() -> bool:
        return peak >= 3

    def check() -> None:
        # the last threads of one process may leave all leases idle, and this clock, on which they would go back, stands
        if min(calls) > 10:
            raise Enough

    def work(number: int) -> None:
        with suppress(Enough):
            while True:
                call(number)

    def call(number: int) -> None:
        nonlocal in_flight, peak
        with processes[number].one(check), changed:
            in_flight += 1
            peak = max(peak, in_flight)
            assert in_flight <= scheduler.leased, "no call without a lease"
            changed.notify_all()
            changed.wait_for(is_full)
            in_flight -= 1
            calls[number] += 1
            clock.now += cluster_admission.KEEP_S / 10

    threads = [threading.Thread(target=work, args=(number,), daemon=True) for number in (0, 1) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for process in processes:
        process.close()
    assert peak == 3
    assert min(calls) > 10, "each had its share"
    assert scheduler.leased == 0


def test_a_lease_serves_many_calls_and_then_goes_back() -> None:
    scheduler, clock = Scheduler(1), Clock()
    mine = LeasedSlots(scheduler, clock)
    for _ in range(100):
        with mine.one(lambda: None):
            clock.now += cluster_admission.KEEP_S / 200
    assert (scheduler.asked, scheduler.leased) == (1, 1)
    with mine.one(lambda: None):
        clock.now += cluster_admission.KEEP_S
    assert (scheduler.asked, scheduler.leased) == (1, 0), "so that another process may have it"
    mine.close()


def test_an_idle_lease_goes_back_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster_admission, "IDLE_S", 0.1)
    scheduler = Scheduler(1)
    mine = LeasedSlots(scheduler)
    with mine.one(lambda: None):
        assert scheduler.leased == 1
    until(lambda: scheduler.leased == 0)
    mine.close()


def test_a_stop_ends_the_wait_for_a_lease() -> None:
    scheduler = Scheduler(0)
    mine = LeasedSlots(scheduler)
    limiter = ClusterLimiter(4, mine)
    ended: list[str] = []

    def call() -> None:
        try:
            with limiter.slot():
                ended.append("called")
        except Stopped:
            ended.append("stopped")

    waiting = [threading.Thread(target=call) for _ in range(3)]
    for thread in waiting:
        thread.start()
    until(lambda: limiter.in_flight == 3 and scheduler.asked)
    limiter.stop()
    for thread in waiting:
        thread.join()
    assert ended == ["stopped"] * 3
    mine.close()
