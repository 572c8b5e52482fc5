"""The limiter: a hard bound, down when the service says so, back up, and a circuit that opens for good."""

import threading
from collections.abc import Callable

import pytest

from ecgrid_client.errors import (
    AccessDenied,
    CircuitOpen,
    ECGridError,
    ServiceBusy,
    ServiceError,
    ServiceUnreachable,
    Stopped,
)
from ecgrid_flows.extract.admission import Limiter
from tests.support.waiting import until


class Clock:
    """A clock that stands until it is set on; it counts how often it is looked at."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.looks = 0

    def __call__(self) -> float:
        self.looks += 1
        return self.now


def rounds(limiter: Limiter, count: int, error: ECGridError | None = None, latency_ms: int = 100) -> None:
    """`count` rounds of as many attempts as the limit admits, all alike."""
    for _ in range(count):
        for _ in range(limiter.limit):
            limiter.observe(error, latency_ms)


def test_never_more_in_flight_than_the_bound() -> None:
    limiter, changed = Limiter(5), threading.Condition()
    came, flying, most = 0, 0, 0

    def are_all_here() -> bool:
        return came == 25 and most >= 5

    def call() -> None:
        nonlocal came, flying, most
        with changed:
            came += 1
            changed.notify_all()
        for _ in range(20):
            with limiter.slot(), changed:
                flying += 1
                most = max(most, flying)
                changed.notify_all()
                changed.wait_for(are_all_here)
                changed.wait(0.001)  # the others may come in, if they can
                flying -= 1
            limiter.observe(None, 1)

    threads = [threading.Thread(target=call, daemon=True) for _ in range(25)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 5
    assert limiter.in_flight == 0


@pytest.mark.parametrize("error", [ServiceBusy("429"), ServiceUnreachable("timed out")])
def test_one_failure_takes_one_away_and_a_round_of_them_half(error: ECGridError) -> None:
    limiter = Limiter(32)
    limiter.observe(error, 100)
    assert limiter.limit == 31
    limiter = Limiter(32)
    rounds(limiter, 1, error)
    assert limiter.limit == 16
    rounds(limiter, 10, error)
    assert limiter.limit == 1


def test_it_climbs_back_by_one_a_round_and_no_higher_than_the_bound() -> None:
    limiter = Limiter(32)
    rounds(limiter, 20, ServiceBusy("503"))
    rounds(limiter, 3)
    assert limiter.limit == 3
    rounds(limiter, 60)
    assert limiter.limit == 32


@pytest.mark.parametrize("error", [ServiceError("500"), AccessDenied("no"), None])
def test_errors_unrelated_to_load_leave_the_limit_unchanged(error: ECGridError | None) -> None:
    limiter = Limiter(32)
    rounds(limiter, 5, error)
    assert limiter.limit == 32


def test_one_busy_answer_in_ten_settles_near_ten() -> None:
    limiter = Limiter(64)
    for number in range(5000):
        limiter.observe(ServiceBusy("503") if number % 10 == 0 else None, 100)
    assert 6 <= limiter.limit <= 14


def test_rising_latency_lowers_the_limit_until_it_is_used_to_it() -> None:
    limiter = Limiter(32)
    rounds(limiter, 20, latency_ms=100)
    assert limiter.limit == 32
    rounds(limiter, 3, latency_ms=400)
    assert limiter.limit < 20
    rounds(limiter, 400, latency_ms=400)
    assert limiter.limit == 32, "a service that is slow for good is not a queue"


def test_an_operation_that_is_slower_than_another_is_no_rise() -> None:
    limiter = Limiter(8)
    for _ in range(30):
        limiter.observe(None, 3, "ContractInfo")
    for _ in range(30):
        limiter.observe(None, 300, "InvoiceCalculateLineItem")
    assert limiter.limit == 8


def test_a_jump_of_a_few_milliseconds_is_no_rise() -> None:
    limiter = Limiter(8)
    rounds(limiter, 20, latency_ms=2)
    rounds(limiter, 5, latency_ms=15)
    assert limiter.limit == 8


def test_all_callers_wait_after_three_retry_afters_in_a_row() -> None:
    clock = Clock()
    limiter = Limiter(4, clock=clock)
    told = ServiceBusy("503", retry_after_s=0.2)
    limiter.observe(told, 10)
    limiter.observe(told, 10)
    with limiter.slot():
        pass
    limiter.observe(told, 10)
    admitted = threading.Event()

    def call() -> None:
        with limiter.slot():
            admitted.set()

    thread, looks = threading.Thread(target=call, daemon=True), clock.looks
    thread.start()
    until(lambda: clock.looks >= looks + 2 or admitted.is_set())
    assert not admitted.is_set(), "it looks again after its wait, and the clock stands"
    clock.now += 0.3
    thread.join()
    assert admitted.is_set()


@pytest.mark.parametrize("end", [Limiter.stop, lambda limiter: rounds(limiter, 30, ServiceError("500"))])
def test_waiting_callers_are_woken_at_the_end(end: Callable[[Limiter], None]) -> None:
    limiter = Limiter(1, circuit_failures=10, circuit_seconds=0.0)
    ended: list[type[BaseException]] = []

    def call() -> None:
        try:
            with limiter.slot():
                pass
        except ECGridError as error:
            ended.append(type(error))

    with limiter.slot():
        threads = [threading.Thread(target=call, daemon=True) for _ in range(3)]
        for thread in threads:
            thread.start()
        until(lambda: len(limiter._free._waiters) == 3)
        end(limiter)
        for thread in threads:
            thread.join()
    assert ended in ([Stopped] * 3, [CircuitOpen] * 3)


def test_the_circuit_wants_failures_alone_many_and_for_a_while() -> None:
    clock = Clock()
    limiter = Limiter(4, circuit_failures=20, circuit_seconds=15, clock=clock)
    for _ in range(100):
        limiter.observe(ServiceUnreachable("refused"), 1)
    assert not limiter.is_open, "many, but within a moment"
    clock.now += 20
    limiter.observe(AccessDenied("an answer, so the service lives"), 1)
    for _ in range(19):
        limiter.observe(ServiceUnreachable("refused"), 1)
        clock.now += 1
    assert not limiter.is_open, "for a while, but not many"
    limiter.observe(ServiceUnreachable("refused"), 1)
    assert limiter.is_open
    with (
        pytest.raises(CircuitOpen, match=r"the last 20 attempts failed, over 19 s, the latest with: refused"),
        limiter.slot(),
    ):
        pass
