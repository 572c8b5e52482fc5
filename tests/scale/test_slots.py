"""The bound on calls in flight over a cluster: leases of one semaphore, shared among processes."""

import threading
import time

import pytest

from ecgrid_client.errors import Stopped
from ecgrid_flows import slots
from ecgrid_flows.slots import ClusterGovernor, LeasedSlots


class Scheduler:
    """A semaphore as distributed's: so many leases, whoever holds them."""

    def __init__(self, leases: int) -> None:
        self.free = threading.Semaphore(leases)
        self.leased = self.asked = 0

    def acquire(self, timeout: float | None = None) -> bool:
        self.asked += 1
        got = self.free.acquire(timeout=timeout)
        self.leased += got
        return got

    def release(self) -> bool:
        self.leased -= 1
        self.free.release()
        return True


def test_two_processes_never_exceed_the_bound_and_both_get_work_done() -> None:
    scheduler = Scheduler(3)
    processes = [LeasedSlots(scheduler), LeasedSlots(scheduler)]
    lock = threading.Lock()
    in_flight, peak, calls = [0], [0], [0, 0]
    end = time.monotonic() + 1.5
    limit = end + 60  # a lease may be kept for a second, and this machine have other things to do

    def goes_on() -> bool:
        now = time.monotonic()
        return now < end or (min(calls) <= 10 and now < limit)

    def work(number: int) -> None:
        while goes_on():
            with processes[number].one(lambda: None):
                with lock:
                    in_flight[0] += 1
                    peak[0] = max(peak[0], in_flight[0])
                time.sleep(0.005)
                with lock:
                    in_flight[0] -= 1
                    calls[number] += 1

    threads = [threading.Thread(target=work, args=(number,)) for number in (0, 1) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for process in processes:
        process.close()
    assert peak[0] == 3
    assert min(calls) > 10, "each had its share"
    assert scheduler.asked < sum(calls) / 2, "a lease serves many calls"
    assert scheduler.leased == 0


def test_an_idle_lease_goes_back_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slots, "IDLE_S", 0.1)
    scheduler = Scheduler(1)
    mine = LeasedSlots(scheduler)
    with mine.one(lambda: None):
        assert scheduler.leased == 1
    deadline = time.monotonic() + 30
    while scheduler.leased and time.monotonic() < deadline:
        time.sleep(0.02)
    assert scheduler.leased == 0
    mine.close()


def test_a_stop_ends_the_wait_for_a_lease() -> None:
    scheduler = Scheduler(0)
    mine = LeasedSlots(scheduler)
    governor = ClusterGovernor(4, mine)
    ended: list[str] = []

    def call() -> None:
        try:
            with governor.slot():
                ended.append("called")
        except Stopped:
            ended.append("stopped")

    waiting = [threading.Thread(target=call) for _ in range(3)]
    for thread in waiting:
        thread.start()
    time.sleep(0.1)
    governor.stop()
    for thread in waiting:
        thread.join(timeout=30)
    assert ended == ["stopped"] * 3
    mine.close()
