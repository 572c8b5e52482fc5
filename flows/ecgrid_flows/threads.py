"""Waiting for threads without delaying signals."""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor, wait
from contextvars import copy_context
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")

#: Longest delay of a signal's handler, seconds. A signal that arrives just before the main thread waits for a lock is
#: recorded, but does not interrupt the wait: without a time-out the handler would never run.
WAKE_S = 0.5


def map_threads(function: Callable[[T], R], arguments: Iterable[T], at_once: int, name: str) -> list[R]:
    """Results of `function` for each argument, in argument order, on at most `at_once` threads.

    Each thread works in a copy of the caller's context, so it has the caller's open run (`run_context.current`). An
    exception is raised after all have ended.
    """
    with ThreadPoolExecutor(max(at_once, 1), name) as threads:
        futures = [threads.submit(copy_context().run, function, argument) for argument in arguments]
        while wait(futures, timeout=WAKE_S).not_done:
            pass
    return [future.result() for future in futures]
