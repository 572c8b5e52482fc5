"""SIGINT, SIGTERM and SIGHUP stop a run gracefully: calls in flight finish, sessions are closed."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from ecgrid_flows.progress import Reporter


class Stoppable(Protocol):
    """A pull or a run: `stop` starts no new calls and lets those in flight end. Safe from any thread."""

    def stop(self, why: str) -> None: ...


@contextmanager
def stopping_on_signals(stopped: Stoppable, reporter: Reporter) -> Iterator[None]:
    """SIGINT and SIGTERM stop the pull gracefully during the block; a second SIGINT aborts it.

    Only the main thread may do this; elsewhere it does nothing.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(number: int, _frame: object) -> None:
        name = signal.Signals(number).name
        signal.signal(signal.SIGINT, signal.default_int_handler)
        reporter.say(f"{name}: no new calls; waiting for those in flight")
        threading.Thread(target=stopped.stop, args=(f"stopped by {name}",), name="stop", daemon=True).start()

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
