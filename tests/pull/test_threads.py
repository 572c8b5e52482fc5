"""Waiting for threads: results in order, exceptions after all, and signals that come at the worst instant."""

import _thread
import signal
import threading

import pytest

from ecgrid_flows.threads import map_threads


def test_results_come_in_the_order_of_the_arguments() -> None:
    first_may_end = threading.Event()

    def square(number: int) -> int:
        if number == 1:
            first_may_end.wait()
        else:
            first_may_end.set()
        return number * number

    assert map_threads(square, [1, 2], 2, "square") == [1, 4]


def test_an_exception_is_raised_after_all_have_ended() -> None:
    ended: list[int] = []

    def work(number: int) -> None:
        if number == 1:
            raise ValueError("one")
        ended.append(number)

    with pytest.raises(ValueError, match="one"):
        map_threads(work, [1, 2, 3], 1, "work")
    assert ended == [2, 3]


def test_a_signal_that_does_not_wake_the_main_thread_is_handled() -> None:
    """`interrupt_main` notes a signal as the kernel does in the instant before a wait: without waking the thread."""
    handled = threading.Event()
    before = signal.signal(signal.SIGUSR1, lambda *_: handled.set())
    try:

        def work(_: int) -> bool:
            _thread.interrupt_main(signal.SIGUSR1)
            return handled.wait()

        assert map_threads(work, [0], 1, "work") == [True]
    finally:
        signal.signal(signal.SIGUSR1, before)
