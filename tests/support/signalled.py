"""A command that is told to stop with a certain one of its calls."""

import itertools
import signal
import subprocess
import threading
from collections.abc import Mapping, Sequence

from tests.support.storage import Storage

LINE = b"InvoiceCalculateLineItem"


def signalled(
    command: Sequence[str],
    env: Mapping[str, str],
    proxy: Storage,
    sent: signal.Signals,
    *,
    call: int,
    more: int = 2,
    operation: bytes = LINE,
) -> tuple[int, str]:
    """Run `command` against the service behind `proxy`: its status and what it wrote to stderr.

    The signal comes with the `call`-th call of `operation`. That one and those that follow, `more` in all, are answered
    once the command wrote that it heard; the others would be when it has ended, so nothing else can end it.
    """
    is_started, has_heard, has_ended = threading.Event(), threading.Event(), threading.Event()
    numbers = itertools.count(1)

    def before(data: bytes) -> None:
        if operation not in data:
            return
        number = next(numbers)
        if number == call:
            is_started.wait()
            running.send_signal(sent)
        if number >= call:
            has_heard.wait()
        if number >= call + more:
            has_ended.wait()

    proxy.before = before
    with subprocess.Popen(
        command, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as running:
        is_started.set()
        assert running.stderr is not None
        said = ""
        for line in running.stderr:
            said += line
            if "no new calls" in line:
                has_heard.set()
    has_heard.set()
    has_ended.set()
    proxy.before = lambda data: None
    return running.returncode, said
