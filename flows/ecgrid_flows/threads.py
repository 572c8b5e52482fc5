"""Waiting for threads so that a signal is never left waiting."""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor, wait
from contextvars import copy_context
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")

#: How long, at most, a signal's handler may be kept waiting. A signal that comes in the instant before the main thread
#: waits for a lock is noted, but does not wake it: a wait without an end would never run the handler.
WAKE_S = 0.5


def map_threads(function: Callable[[T], R], arguments: Iterable[T], at_once: int, name: str) -> list[R]:
    """`function` of each argument, in their order, on at most `at_once` threads.

    Each works in a copy of the caller's context, so it has the caller's open run (`run_context.current`). An exception
    of one is raised after all have ended.
    """
    with ThreadPoolExecutor(max(at_once, 1), name) as threads:
        futures = [threads.submit(copy_context().run, function, argument) for argument in arguments]
        while wait(futures, timeout=WAKE_S).not_done:
            pass
    return [future.result() for future in futures]
