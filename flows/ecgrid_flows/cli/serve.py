"""`serve`: runs the schedule in this process, with a Prefect server of its own where none is set up."""

import contextlib
import ctypes
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer
from rich.text import Text

from ecgrid_flows.cli import context
from ecgrid_flows.cli.context import AsJson, DataDir
from ecgrid_flows.errors import BillingError
from ecgrid_flows.settings import Settings

SERVER_START_S = 120
Port = Annotated[int, typer.Option("--port", help="Port of the Prefect server, where one is started (0: a free one).")]


_PR_SET_PDEATHSIG = 1


class ServerFailed(BillingError):
    """The Prefect server did not come up."""


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(serve)


def serve(port: Port = 4200, data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Run the schedule here: the month on the 2nd (UTC), the running month every night, backfills by hand.

    Flow runs are reported to PREFECT_API_URL; without one a Prefect server is started beside, and ended with this.
    """
    if data_dir:
        os.environ["ECGRID_DATA_DIR"] = data_dir
    Settings.load()
    from ecgrid_flows.deployments import DEPLOYMENTS, api_address, serve_here

    with prefect_server(api_address(), port) as address:
        os.environ["PREFECT_API_URL"] = address  # for the processes that the runs are
        if as_json:
            context.emit_json({"prefect_api_url": address, "deployments": [one.name for one in DEPLOYMENTS]})
        else:
            context.stdout.print(Text(f"Prefect: {address.removesuffix('/api')}"))
            rows = [(one.name, one.cron or "by hand", one.description) for one in DEPLOYMENTS]
            context.stdout.print(context.table(None, ("deployment", "cron, UTC", "does"), rows))
        serve_here(address)


@contextmanager
def prefect_server(set_up: str | None, port: int) -> Iterator[str]:
    """The address of the Prefect API that is set up; or of a server started here for as long as the block runs."""
    if set_up:
        yield set_up
        return
    chosen = port or _free_port()
    address = f"http://127.0.0.1:{chosen}/api"
    command = [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(chosen)]
    quiet = {"PREFECT_SERVER_ANALYTICS_ENABLED": "false", "PREFECT_LOGGING_LEVEL": "WARNING"}
    server = subprocess.Popen(  # noqa: S603 - this interpreter, our own words
        [*command, "--analytics-off"],
        env={**os.environ, **quiet},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,  # Ctrl-C ends the runs first, then this ends the server
        preexec_fn=_end_with_parent if sys.platform == "linux" else None,
    )
    before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        _wait_until_healthy(server, address)
        yield address
    finally:
        signal.signal(signal.SIGTERM, before)
        server.terminate()
        try:
            server.wait(20)
        except subprocess.TimeoutExpired:
            server.kill()


def _end_with_parent() -> None:
    """Have the kernel end this process when the one that started it is gone, `kill -9` included (prctl(2))."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def _wait_until_healthy(server: "subprocess.Popen[bytes]", address: str) -> None:
    import urllib.error
    import urllib.request

    until = time.monotonic() + SERVER_START_S
    while time.monotonic() < until:
        if server.poll() is not None:
            raise ServerFailed(
                f"the Prefect server at {address} ended at once: is its port taken? "
                "Give --port 0, or set PREFECT_API_URL to a server that runs"
            )
        try:
            with urllib.request.urlopen(f"{address}/health", timeout=2) as answer:  # noqa: S310 - our own loopback
                if answer.status == 200:
                    return
        except (urllib.error.URLError, OSError):
            time.sleep(0.25)
    raise ServerFailed(f"the Prefect server at {address} did not come up in {SERVER_START_S} s: start one yourself "
                       "(`prefect server start`) and set PREFECT_API_URL")  # fmt: skip


def _free_port() -> int:
    """A port nobody listens on, below those that outgoing connections are given: none of them takes it meanwhile."""
    for _ in range(100):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", 20_000 + secrets.randbelow(12_000)))
            return int(probe.getsockname()[1])
    raise ServerFailed("no port is free for a Prefect server: start one yourself and set PREFECT_API_URL")
