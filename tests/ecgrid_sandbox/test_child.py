"""The sandbox in a process of its own, and from the command line."""

import http.client
import os
import signal
import subprocess
import sys
from typing import Any

import psutil
import pytest
from typer.testing import CliRunner

from ecgrid_flows.cli.sandbox import sandbox as commands
from ecgrid_sandbox import Trouble, World, spawn
from ecgrid_sandbox.service.shapes import PATHS
from tests.support.waiting import until


def _gone(pid: int) -> bool:
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def test_a_child_serves_counts_and_restates(wire: Any, world: World) -> None:
    pair = ("TrafficAll", "ToTrans")
    (plant,) = [plant for plant in world.planned_errors if plant.check_name == "restated"]
    account = (plant.target.network_id, plant.target.mailbox_id)
    month = f"{world.months[plant.target.month]}T00:00:00"
    with spawn(world, Trouble(), latency_ms=1) as child:
        talk = type(wire)(child)
        before = talk.line(account, pair, ReportingMonth=month).text("Actual")
        child.restate()
        assert int(talk.line(account, pair, ReportingMonth=month).text("Actual")) == int(before) + 60
        login = talk.ask("v3.2", "Login", LoginName=child.login_name, Password=child.password)
        assert login.status == 200
        assert child.open_sessions == 1
        assert child.calls == {("v3.2", "InvoiceCalculateLineItem"): 2, ("v3.2", "Login"): 1}
        assert child.settings()["ECGRID_V4_URL"] == f"http://127.0.0.1:{child.port}{PATHS['v4.1']}"
        pid = child.pid
    until(lambda: _gone(pid))
    child.stop()  # twice does no harm


def test_a_child_ends_when_its_parent_is_killed() -> None:
    code = (
        "import sys\nfrom ecgrid_sandbox import spawn\nchild = spawn()\nprint(child.pid, child.port, flush=True)\n"
        "sys.stdin.read()"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert parent.stdout is not None
    pid, port = (int(text) for text in parent.stdout.readline().split())
    try:
        connection = http.client.HTTPConnection("127.0.0.1", port)
        connection.request("GET", f"{PATHS['v2.3']}/Version")
        assert connection.getresponse().status == 200
        connection.close()
    finally:
        parent.kill()
        parent.communicate()
    until(lambda: _gone(pid))


def test_serve_prints_settings_and_ends_on_a_signal() -> None:
    command = [sys.executable, "-c", "from ecgrid_flows.cli.sandbox import sandbox; sandbox()", "serve"]
    options = ["--port", "0", "--last-month", "2026-10", "--pending", "InvoiceList", "--drift", "newer"]
    server = subprocess.Popen([*command, *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert server.stdout is not None
    assert server.stderr is not None
    settings = dict(server.stdout.readline().strip().split("=", 1) for _ in range(5))
    assert list(settings) == [
        *("ECGRID_V2_URL", "ECGRID_V3_URL", "ECGRID_V4_URL", "ECGRID_LOGIN_NAME", "ECGRID_PASSWORD")
    ]
    assert "2026-07 to 2026-10" in server.stderr.readline()
    host, path = settings["ECGRID_V3_URL"].removeprefix("http://").split("/", 1)

    def answers() -> bool:
        connection = http.client.HTTPConnection(host)
        try:
            connection.request("GET", f"/{path}?WSDL")
            return b"CurrencyCode" in connection.getresponse().read()
        except OSError:
            return False
        finally:
            connection.close()

    until(answers)
    os.kill(server.pid, signal.SIGTERM)
    assert server.wait() == 0
    server.stdout.close()
    server.stderr.close()


@pytest.mark.parametrize(
    ("options", "words"),
    [(["--last-month", "October"], "write YYYY-MM"), (["--auth-level", "Boss"], "not an authorisation level")],
)
def test_serve_refuses_what_it_cannot_serve(options: list[str], words: str) -> None:
    done = CliRunner().invoke(commands, ["serve", "--port", "0", *options])
    assert done.exit_code == 2
    assert words in " ".join(done.stderr.split())
