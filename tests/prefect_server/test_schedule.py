"""`ecgrid-billing serve` by itself: nothing is started by hand, and what it started is watched."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from ecgrid_flows.errors import ExitStatus
from ecgrid_flows.orchestration import prefect_process
from ecgrid_sandbox import SpawnedSandbox, spawn
from ecgrid_transforms.period import month_text
from tests.support.commands import Command
from tests.support.storage import fronting

from .living import (
    EVERY_MINUTE,
    TERMINAL,
    WORLD,
    Api,
    Process,
    environment,
    owing,
    running,
    serve,
    until,
)

MONTH = month_text(WORLD.last_month)
KEY = "0123456789abcdef-no-real-key"

pytestmark = pytest.mark.slow


def children(process: Process, word: str) -> list[int]:
    """The process ids of the children of `process` whose command line has `word`."""
    told = subprocess.run(
        ["ps", "--ppid", str(process.popen.pid), "-o", "pid=,args="], capture_output=True, text=True, check=False
    )
    return [int(line.split()[0]) for line in told.stdout.splitlines() if word in line]


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"


@pytest.mark.soak
def test_the_scheduler_bills_the_sandboxs_month_by_itself(tmp_path: Path) -> None:
    """Nothing is created here: runs appear, and the first that the scheduler made bills, exports and reports."""
    variables = environment(tmp_path, ECGRID_CRON_MONTHLY=EVERY_MINUTE)
    with serve(tmp_path, variables, "--sandbox") as (process, api):
        for start in ("serve-monthly", "serve-open-month"):
            until(partial(api.runs, api.named(start)), f"a scheduled run of {start}", process)
        monthly = api.named("serve-monthly")
        run = api.ended_run(monthly, lambda one: one["auto_scheduled"], process)
        assert run["state_type"] == "COMPLETED", run["state"]
        data = tmp_path / "data/sandbox"
        manifest = json.loads((data / "exports" / MONTH / "manifest.json").read_text(encoding="utf-8"))
        assert manifest["files"]["finance_lines.csv"]["rows"] > 400
        assert (data / "reports" / MONTH / "reconcile_month.html").is_file()
        assert "INVENTED" in process.stderr
        assert (data / "logs/prefect-server.log").is_file()
        assert process.end() == ExitStatus.CLEAN
        assert [line for line in process.own_lines if "Traceback" in line or "leaked" in line] == []


@pytest.fixture(scope="module")
def sandbox() -> Iterator[SpawnedSandbox]:
    with spawn(WORLD) as started:
        yield started


@dataclass
class Gate:
    """A way to the service on which calls for lines wait, so that a run is under way until the test lets it go on."""

    settings: dict[str, str]
    waits: threading.Event = field(default_factory=threading.Event)
    is_open: threading.Event = field(default_factory=threading.Event)

    def before(self, data: bytes) -> None:
        if b"InvoiceCalculateLineItem" in data:
            self.waits.set()
            self.is_open.wait()


@pytest.fixture
def gate(sandbox: SpawnedSandbox) -> Iterator[Gate]:
    with fronting(sandbox.port) as proxy:
        here, there = f":{sandbox.port}/", f":{proxy.port}/"
        made = Gate({name: text.replace(here, there) for name, text in sandbox.settings().items()})
        proxy.before = made.before
        yield made
        made.is_open.set()


def owed(folder: Path, service: dict[str, str]) -> tuple[dict[str, str], tuple[str, ...]]:
    """The environment and options of a `serve` whose data directory owes the last month."""
    variables = environment(folder, **service, **owing(folder))
    return variables, ("--data-dir", str(folder / "data"))


def under_way(process: Process, api: Api, gate: Gate) -> Any:
    """The monthly run, once a call of its pull waits."""
    until(gate.waits.is_set, "a call for a line", process)
    return next(one for one in api.runs(api.named("serve-monthly")) if one["state_type"] == "RUNNING")


@pytest.mark.soak
def test_what_came_due_while_it_was_down_is_billed_and_a_dead_server_ends_it(
    tmp_path: Path, sandbox: SpawnedSandbox
) -> None:
    variables, options = owed(tmp_path, sandbox.settings())
    with serve(tmp_path, variables, *options) as (process, api):
        until(lambda: f"due and not exported: {MONTH}" in process.stderr, "what is due", process)
        run = api.ended_run(api.named("serve-monthly"), lambda one: not one["auto_scheduled"], process)
        assert run["state_type"] == "COMPLETED", run["state"]
        assert (tmp_path / "data/exports" / MONTH / "manifest.json").is_file()
        (server,) = children(process, "prefect server")
        os.kill(server, signal.SIGKILL)
        assert process.ended() == ExitStatus.UNREACHABLE
        last = process.own_lines[-1]
        assert last.startswith(f"ecgrid-billing: the Prefect server at {api.address} ended by SIGKILL; its log is ")
        assert [line for line in process.own_lines if "Traceback" in line] == []


@pytest.mark.soak
def test_a_kill_takes_everything_along_and_the_next_start_bills_the_month(tmp_path: Path, gate: Gate) -> None:
    variables, options = owed(tmp_path, gate.settings)
    with serve(tmp_path, variables, *options, name="killed") as (process, api):
        killed = under_way(process, api, gate)
        started = [*children(process, "prefect server"), *children(process, "prefect.")]
        assert len(started) >= 2
        process.end(signal.SIGKILL)
        until(lambda: not any(map(is_alive, started)), "the end of what it had started")
    gate.is_open.set()
    with serve(tmp_path, variables, *options, name="again") as (process, api):
        monthly = api.named("serve-monthly")
        run = api.ended_run(monthly, lambda one: one["id"] != killed["id"], process)
        assert run["state_type"] == "COMPLETED", run["state"]
        assert (tmp_path / "data/exports" / MONTH / "manifest.json").is_file()
        assert {one["id"]: one["state_type"] for one in api.runs(monthly)}[killed["id"]] in TERMINAL


@pytest.mark.soak
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP], ids=lambda number: number.name)
def test_a_signal_in_the_middle_of_a_pull_leaves_no_session_open_and_the_month_owed(
    tmp_path: Path, sandbox: SpawnedSandbox, gate: Gate, number: signal.Signals
) -> None:
    """SIGINT and SIGHUP come from a terminal, to the processes of the runs as well."""
    variables, options = owed(tmp_path, gate.settings)
    assert "ECGRID_API_KEY" not in variables  # with one there would be no session
    others = sandbox.open_sessions  # of a run that another test killed
    with serve(tmp_path, variables, *options, name="ended") as (process, api):
        under_way(process, api, gate)
        assert sandbox.open_sessions > others
        if number is not signal.SIGTERM:
            runs = children(process, "prefect.")
            assert runs
            for pid in runs:
                os.kill(pid, number)
        process.popen.send_signal(number)
        until(lambda: "no new calls" in process.stderr, "the end of new calls", process)
        gate.is_open.set()
        assert process.ended() == ExitStatus.CLEAN
        assert sandbox.open_sessions == others
        assert f"{number.name}: stopping the schedule" in process.stderr
        assert [line for line in process.own_lines if "Traceback" in line] == []
    with serve(tmp_path, variables, *options, name="again") as (process, api):
        until((tmp_path / "data/exports" / MONTH / "manifest.json").is_file, "the export", process)


@pytest.mark.soak
def test_a_signal_to_all_processes_of_serve_ends_it_although_its_prefect_server_is_gone(
    tmp_path: Path, sandbox: SpawnedSandbox, gate: Gate
) -> None:
    """As a supervisor sends it that signals a whole control group; Prefect's client would try for minutes."""
    variables, options = owed(tmp_path, gate.settings)
    others = sandbox.open_sessions  # of a run that another test killed
    with serve(tmp_path, variables, *options) as (process, api):
        under_way(process, api, gate)
        for pid in children(process, "prefect"):
            os.kill(pid, signal.SIGTERM)
        process.popen.send_signal(signal.SIGTERM)
        assert process.ended() == ExitStatus.CLEAN
        assert sandbox.open_sessions == others


@pytest.mark.soak
def test_what_a_person_paused_stays_paused_over_a_restart(tmp_path: Path, sandbox: SpawnedSandbox) -> None:
    variables, options = owed(tmp_path, sandbox.settings())
    variables |= {"ECGRID_LOG_LEVEL": "INFO"}
    with serve(tmp_path, variables, *options) as (process, api):
        until(lambda: "the schedule runs" in process.stderr, "the schedule", process)
        for start in ("serve-monthly", "serve-open-month"):
            found = api.named(start)
            api.ask(f"/deployments/{found['id']}/schedules/{found['schedules'][0]['id']}", {"active": False}, "PATCH")
        assert process.end() == ExitStatus.CLEAN
    with serve(tmp_path, variables, *options, name="again") as (process, api):
        until(lambda: "the schedule runs" in process.stderr, "the schedule", process)
        for start in ("serve-monthly", "serve-open-month"):
            assert [one["active"] for one in api.named(start)["schedules"]] == [False]
        assert process.end() == ExitStatus.CLEAN
        assert "due and not exported" not in process.stderr


def refused(billing: Command, folder: Path, *options: str, **variables: str) -> "subprocess.CompletedProcess[str]":
    """`serve` that ends before it has started anything."""
    return billing("serve", *options, env=environment(folder, **variables), cwd=folder)


def ended(tmp_path: Path, *options: str, patched: str, **variables: str) -> Process:
    """`serve` that ends by itself; `patched` shortens the bounds of `serving`, which are minutes."""
    code = f"from ecgrid_flows import cli; from ecgrid_flows.orchestration import serving; {patched}; cli.main()"
    command = [sys.executable, "-c", code, "serve", *options]
    with running(command, tmp_path, environment(tmp_path, **variables)) as process:
        process.ended()
        return process


def test_without_credentials_it_refuses_at_once(billing: Command, tmp_path: Path) -> None:
    done = refused(billing, tmp_path, "--port", "0")
    assert done.returncode == ExitStatus.USAGE
    assert done.stderr.splitlines() == [
        "ecgrid-billing: no credentials: set ECGRID_API_KEY, or ECGRID_LOGIN_NAME and ECGRID_PASSWORD; "
        "or use --sandbox for invented data"
    ]
    assert not (tmp_path / "prefect/prefect.db").exists()  # no server was started for it


def test_what_is_no_address_of_a_prefect_api_is_refused_at_once(billing: Command, tmp_path: Path) -> None:
    done = refused(billing, tmp_path, ECGRID_API_KEY=KEY, PREFECT_API_URL="https://[::1")  # Prefect does not load
    assert done.returncode == ExitStatus.USAGE
    assert len(done.stderr.splitlines()) == 1
    assert "PREFECT_API_URL is 'https://[::1'" in done.stderr


@pytest.mark.soak
def test_a_port_that_is_taken_is_refused_and_the_usual_one_evaded(
    billing: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server there would answer in the place of ours, until ours ended. How a server ended is reported.

    Its pages are in PREFECT_HOME: beside its code only who installed it may write.
    """
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = refused(billing, tmp_path, "--port", str(port), ECGRID_API_KEY=KEY)
        monkeypatch.setenv("PREFECT_HOME", str(tmp_path / "prefect"))
        monkeypatch.setattr(prefect_process, "USUAL_PORT", port)
        with prefect_process.started(None, tmp_path / "logs", print) as server:
            assert f":{port}/" not in server.address
            assert server.ended() is None
            assert list((tmp_path / "prefect/ui").rglob("index.html"))
            os.kill(server.pid, signal.SIGKILL)
            reason = until(server.ended, "the end of the server")
    assert reason.startswith(f"the Prefect server at {server.address} ended by SIGKILL; its log is {tmp_path}/logs/")
    assert done.returncode == ExitStatus.UNREACHABLE
    assert done.stderr.splitlines() == [
        f"ecgrid-billing: port {port} is taken: give --port 0, or set PREFECT_API_URL to the Prefect server there"
    ]


def test_a_data_directory_of_another_service_is_refused_at_once(billing: Command, tmp_path: Path) -> None:
    (tmp_path / "data/raw").mkdir(parents=True)
    (tmp_path / "data/raw/_source.json").write_text('{"invented": true}\n')
    done = refused(billing, tmp_path, "--port", "0", ECGRID_API_KEY=KEY)
    assert done.returncode == ExitStatus.USAGE
    assert "holds invented data of the built-in sandbox" in done.stderr


def test_a_prefect_that_never_answers_is_waited_for_with_one_line(tmp_path: Path) -> None:
    with socket.socket() as silent:  # bound and not listening: refused, and no other process can take the port
        silent.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{silent.getsockname()[1]}/api"
        process = ended(tmp_path, patched="serving.API_WAIT_S = 2", ECGRID_API_KEY=KEY, PREFECT_API_URL=address)
    assert process.popen.returncode == ExitStatus.UNREACHABLE
    first, last = process.stderr.splitlines()
    assert first == f"Prefect at {address} does not respond yet; waiting up to 2 s"
    assert last.startswith(f"ecgrid-billing: Prefect at {address} did not respond in 2 s (")


@pytest.mark.soak
def test_a_scheduler_that_schedules_nothing_ends_it_with_the_reason(tmp_path: Path) -> None:
    """A Prefect server whose scheduler does not run: with SQLAlchemy 2.1 it died of itself, and nobody noticed."""
    process = ended(
        tmp_path,
        *("--port", "0"),
        patched="serving.SCHEDULED_WITHIN_S = 4",
        ECGRID_API_KEY=KEY,
        PREFECT_SERVER_SERVICES_SCHEDULER_ENABLED="false",
    )
    assert process.popen.returncode == ExitStatus.UNREACHABLE
    last: Any = process.stderr.splitlines()[-1]
    assert "scheduled no run of serve-monthly-" in last
    assert last.endswith("within 4 s: check that its scheduler runs, and see its log")
