"""A clock for a whole process: the project's modules take the time from `datetime.now`, which is replaced in each."""

import sys
import threading
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any


def set_clock(start: datetime, step: timedelta) -> None:
    """Every module of the project loaded so far reads `start` (aware), then `step` later with every reading.

    For a process of its own: nothing puts the real clock back. Times of files and monotonic clocks stay real.
    """
    lock, moments = threading.Lock(), [start.astimezone(UTC)]

    class Kind(type):
        def __instancecheck__(cls, one: object) -> bool:
            return isinstance(one, datetime)

    class Simulated(datetime, metaclass=Kind):
        """`datetime`, whose `now` is the simulated time; what it makes are plain datetimes."""

        def __new__(cls, *given: Any, **named: Any) -> Any:
            return datetime(*given, **named)  # noqa: DTZ001 - the caller's zone

        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Any:
            with lock:
                moment = moments[0]
                moments[0] += step
            return moment.astimezone(tz)

    for name, module in list(sys.modules.items()):
        if name.startswith("ecgrid_") and getattr(module, "datetime", None) is datetime:
            module.datetime = Simulated
