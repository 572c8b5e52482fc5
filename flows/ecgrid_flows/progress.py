"""Progress of a run on stderr: a Rich display on a terminal, plain lines every few seconds otherwise.

Many threads set the counters, each under the lock, and the display only reads them: a figure may lag, none is lost.
"""

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.text import Text

from ecgrid_flows import logs

PLAIN_EVERY_S = 5.0


@dataclass(slots=True)
class Counters:
    """Progress of a pull. `answered` counts calls whose response is durable, `kept` those already in raw."""

    total: int = 0
    kept: int = 0
    answered: int = 0
    lines: int = 0


@dataclass(frozen=True, slots=True)
class Flight:
    """State of the calls in flight."""

    in_flight: int = 0
    limit: int = 0
    retries: int = 0


class Reporter:
    """Prints what the run is doing. `quiet` prints warnings only, `mute` nothing."""

    def __init__(self, *, quiet: bool = False, mute: bool = False, console: Console | None = None) -> None:
        self.console = console or Console(stderr=True, highlight=False, soft_wrap=True)
        self.quiet = quiet or mute
        self.mute = mute
        self.warnings: list[str] = []
        self._lock = threading.Lock()
        self._printed: set[str] = set()

    def say(self, words: str) -> None:
        """Print one progress line."""
        if not self.quiet:
            self.console.print(Text(words))

    def warn(self, words: str) -> None:
        """Print a warning, once however often it is raised."""
        with self._lock:
            if words in self._printed:
                return
            self._printed.add(words)
            self.warnings.append(words)
        logs.SHOWN.warning("%s", words)
        if not self.mute:
            self.console.print(Text(f"warning: {words}"))

    @contextmanager
    def pulling(self, title: str, counters: Counters, flight: Callable[[], Flight]) -> Iterator[None]:
        """Show `counters` until the block ends."""
        if self.quiet:
            yield
            return
        done = threading.Event()
        show = self._live if self.console.is_terminal and sys.stderr.isatty() else self._plain
        thread = threading.Thread(target=show, args=(title, counters, flight, done), name="progress", daemon=True)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join(timeout=5)

    def _plain(self, title: str, counters: Counters, flight: Callable[[], Flight], done: threading.Event) -> None:
        began = time.monotonic()
        while not done.wait(PLAIN_EVERY_S):
            self.say(f"{title}: {_summary(counters, flight(), time.monotonic() - began)}")

    def _live(self, title: str, counters: Counters, flight: Callable[[], Flight], done: threading.Event) -> None:
        began = time.monotonic()
        with Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[summary]}"),
            TimeRemainingColumn(),
            console=self.console,
            transient=True,
        ) as bar:
            task = bar.add_task(title, total=counters.total, summary="")
            while not done.wait(0.25):
                bar.update(
                    task,
                    total=counters.total,
                    completed=counters.kept + counters.answered,
                    summary=_summary(counters, flight(), time.monotonic() - began, short=True),
                )


def _summary(counters: Counters, flight: Flight, seconds: float, *, short: bool = False) -> str:
    rate = counters.answered / seconds if seconds > 0 else 0
    flying = f"{flight.in_flight} of {flight.limit} in flight, {flight.retries} retried"
    if short:
        return f"{counters.lines} lines, {rate:.0f}/s, {flying}"
    left = max(counters.total - counters.kept - counters.answered, 0)
    eta = f"{left / rate:.0f} s to go" if rate > 0 else "time to go unknown"
    done_calls = f"{counters.answered + counters.kept} of {counters.total} calls"
    return f"{done_calls}, {counters.lines} lines, {rate:.0f}/s, {eta}, {flying}"
