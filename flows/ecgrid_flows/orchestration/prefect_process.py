"""A Prefect server as a process beside this one, watched, with its log in a rotated file.

    logs/prefect-server.log      what the server and its scheduler write, secrets masked; five files of 1 MB

From WARNING up the lines also go to stderr. The server ends with this process, `kill -9` included (Linux).
"""

import contextlib
import ctypes
import logging
import os
import re
import secrets
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from logging.handlers import RotatingFileHandler
from pathlib import Path

from ecgrid_flows import logs
from ecgrid_flows.errors import Unreachable
from ecgrid_flows.storage.base import disk_errors

#: Prefect's own.
USUAL_PORT = 4200
SERVER_START_S = 120
#: How long a flow run's process has to end in good order once its `serve` is gone.
END_WITHIN_S = 20
LOG_NAME = "prefect-server.log"
_LOG_BYTES, _LOG_FILES = 1_000_000, 5
_PR_SET_PDEATHSIG = 1
#: In the environment of the processes that `serve` starts: its process id.
SERVED_BY = "_ECGRID_SERVED_BY"
#: `15:43:08.123 | WARNING | prefect.server.services.scheduler - …`, as Prefect writes without colours.
_LEVEL = re.compile(r"\| (DEBUG|INFO|WARNING|ERROR|CRITICAL)\s*\|")


class ServerFailed(Unreachable):
    """The Prefect server did not start, or it ended."""


class PrefectServer:
    """A running server: its API's address, and whether it has ended."""

    def __init__(self, address: str, process: "subprocess.Popen[str]", log: Path, warn: Callable[[str], None]) -> None:
        self.address = address
        self._process = process
        self._log = log
        self._warn = warn
        self._last_warning = ""
        with disk_errors(str(log.parent)):
            log.parent.mkdir(parents=True, exist_ok=True)
            handler = RotatingFileHandler(log, maxBytes=_LOG_BYTES, backupCount=_LOG_FILES - 1, encoding="utf-8")
        self._copier = threading.Thread(target=self._copy, args=(handler,), name="prefect-server-log", daemon=True)
        self._copier.start()

    @property
    def pid(self) -> int:
        return self._process.pid

    def ended(self) -> str | None:
        """Why the server is gone, with the last warning of its log; None while it runs."""
        status = self._process.poll()
        if status is None:
            return None
        self._copier.join(5)
        how = f"by {signal.Signals(-status).name}" if status < 0 else f"with status {status}"
        last = f" Its last warning: {self._last_warning}" if self._last_warning else ""
        return f"the Prefect server at {self.address} ended {how}; its log is {self._log}.{last}"

    def stop(self) -> None:
        """End the server; idempotent."""
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._copier.join(5)

    def _copy(self, handler: RotatingFileHandler) -> None:
        """Every line of the server to the file, and those of a warning or worse, with what follows them, to stderr."""
        assert self._process.stdout is not None
        level = logging.INFO
        with contextlib.closing(handler), self._process.stdout as lines:
            for raw in lines:
                line = logs.masked(raw.rstrip("\n"))
                if found := _LEVEL.search(line):
                    level = logging.getLevelNamesMapping()[found[1]]
                elif line.startswith("Traceback"):
                    level = max(level, logging.ERROR)
                handler.emit(logging.LogRecord("prefect.server", level, "", 0, line, None, None))
                if level >= logging.WARNING:
                    if found:
                        self._last_warning = line
                    self._warn(f"prefect server: {line}")


@contextmanager
def started(port: int | None, folder: Path, warn: Callable[[str], None]) -> Iterator[PrefectServer]:
    """A server on this port of loopback (0: a free one) for as long as the block runs; raises `ServerFailed`.

    Without a port it is `USUAL_PORT`, or a free one where that is taken: another `serve` may run on this machine.
    `warn` takes the lines of its log from WARNING up.
    """
    if port and not _is_free(port):  # that server's answers would pass for those of ours
        raise ServerFailed(f"port {port} is taken: give --port 0, or set PREFECT_API_URL to the Prefect server there")
    chosen = port or (USUAL_PORT if port is None and _is_free(USUAL_PORT) else free_port())
    address = f"http://127.0.0.1:{chosen}/api"
    command = [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(chosen)]
    own = {
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_LOGGING_COLORS": "false",
        "PYTHONUNBUFFERED": "1",
    }
    # Prefect would write its pages beside its code, where a user that did not install it may not
    home = Path(os.environ.get("PREFECT_HOME") or "~/.prefect").expanduser()
    process = subprocess.Popen(  # noqa: S603 - this interpreter, our own words
        [*command, "--analytics-off"],
        env={"PREFECT_UI_STATIC_DIRECTORY": str(home / "ui"), **os.environ, "PREFECT_LOGGING_LEVEL": "INFO", **own},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="backslashreplace",
        start_new_session=True,  # Ctrl-C ends the runs first, then this ends the server
        preexec_fn=_end_with_parent if sys.platform == "linux" else None,
    )
    try:
        server = PrefectServer(address, process, folder / LOG_NAME, warn)
    except BaseException:
        process.kill()
        raise
    try:
        _wait_until_healthy(server)
        yield server
    finally:
        server.stop()


def end_with_serve(environ: Mapping[str, str]) -> None:
    """End this flow run's process once the `serve` that started it is gone.

    By itself it would go on, hold the data directory against the run of the next `serve`, and report to nobody. It gets
    SIGTERM, and so closes its sessions; after `END_WITHIN_S` it is ended, for Prefect's client may wait for its server.
    """
    parent = os.getppid()
    if environ.get(SERVED_BY) == str(parent):
        threading.Thread(target=_end_after, args=(parent,), name="end-with-serve", daemon=True).start()


def hang_up_as_terminate() -> None:
    """Have a closed terminal (SIGHUP) end this flow run's process as SIGTERM does: in good order, sessions closed.

    By default it ends a process at once. A process that ignores it (`nohup`) continues.
    """
    is_main = threading.current_thread() is threading.main_thread()
    if is_main and hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) is signal.SIG_DFL:
        signal.signal(signal.SIGHUP, lambda *_: signal.raise_signal(signal.SIGTERM))


def _end_after(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(0.5)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(END_WITHIN_S)
    os._exit(128 + signal.SIGTERM)


def _end_with_parent() -> None:
    """Have the kernel end this process when the one that started it is gone, `kill -9` included (prctl(2)).

    SIGTERM would have the server wait for the connections of runs that are ending too.
    """
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _wait_until_healthy(server: PrefectServer) -> None:
    until = time.monotonic() + SERVER_START_S
    while time.monotonic() < until:
        if why := server.ended():
            raise ServerFailed(f"{why} If its port is taken, give another --port")
        try:
            with urllib.request.urlopen(f"{server.address}/health", timeout=2) as answer:  # noqa: S310 - our loopback
                if answer.status == 200:
                    return
        except (urllib.error.URLError, OSError):
            time.sleep(0.25)
    raise ServerFailed(
        f"the Prefect server at {server.address} did not respond within {SERVER_START_S} s: start one yourself "
        "(`prefect server start`) and set PREFECT_API_URL"
    )


def _is_free(port: int) -> bool:
    """Whether a server could listen on this port of loopback, one that ended a moment ago aside."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except (OSError, OverflowError):
            return False
    return True


def free_port() -> int:
    """A port nobody listens on, below those that outgoing connections are given: none of them takes it meanwhile."""
    for _ in range(100):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", 20_000 + secrets.randbelow(12_000)))
            return int(probe.getsockname()[1])
    raise ServerFailed("no port is free for a Prefect server: start one yourself and set PREFECT_API_URL")
