"""A request that a signal cuts short: its exception comes through as it is, wherever in the wait it is thrown."""

import linecache
import sys
import threading
from types import FrameType
from typing import Any

from ecgrid_client import transport


class _Ended(BaseException):
    """What a signal's handler throws."""


class _Connection:
    """A request that is under way until `may_end` is set."""

    def __init__(self) -> None:
        self.may_end = threading.Event()

    def perform(self) -> None:
        self.may_end.wait()

    def getinfo(self, _what: int) -> int:
        return 200


class _Origin:
    def __init__(self) -> None:
        self.given_back = threading.Event()

    def give_back(self, _connection: object, *, is_sound: bool) -> None:
        assert is_sound
        self.given_back.set()


def throw_at(line: int, flight: Any, origin: _Origin) -> bool:
    """Send a request, throw `_Ended` where the main thread comes to its `line`-th line; whether it was thrown."""
    lines_left, waits, connection = line, 0, _Connection()

    def trace(frame: FrameType, event: str, _argument: object) -> Any:
        nonlocal lines_left, waits
        if frame.f_code.co_filename not in (transport.__file__, threading.__file__):
            return None
        if event == "line":
            lines_left -= 1
            if lines_left == 0:
                raise _Ended
            waits += linecache.getline(frame.f_code.co_filename, frame.f_lineno).strip() == "until_done.acquire()"
            if waits == 2:  # at the first the lock is free; now the main thread waits for the request
                connection.may_end.set()
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        assert transport._performed(connection, flight, origin) == 200
    except _Ended:
        return True
    finally:
        sys.settrace(before)
        connection.may_end.set()
    return False


def test_an_exception_of_a_handler_comes_through_from_every_line() -> None:
    """Nothing else comes out; a request that is under way is told to stop, and gives its connection back."""
    told_to_stop, line, is_thrown = 0, 0, True
    while is_thrown:
        line += 1
        flight, origin = transport._Flight(1_000), _Origin()
        is_thrown = throw_at(line, flight, origin)
        told_to_stop += flight.until == 0.0
        if told_to_stop > 1 or not is_thrown:  # at the first such line the request is yet to begin
            assert origin.given_back.wait(), f"line {line}"
    assert told_to_stop >= 3
