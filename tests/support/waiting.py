"""Waiting for an event, however long a machine takes for it."""

import time
from collections.abc import Callable
from typing import TypeVar

Found = TypeVar("Found")


def until(condition: Callable[[], Found], pause_s: float = 0.02) -> Found:
    """The first value of `condition()` that is true.

    There is no deadline here: what never comes is ended by the time-out of the test, which shows where it waited.
    """
    while not (found := condition()):
        time.sleep(pause_s)
    return found
