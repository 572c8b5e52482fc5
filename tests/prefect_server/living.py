"""Prefect servers, workers and `ecgrid-billing serve` as real processes, and what a test asks their API.

Nothing waits by the clock: `until` waits for the event itself, or for the end of the process that was to bring it.
"""

import csv
import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from ecgrid_flows.orchestration import prefect_process
from ecgrid_sandbox import World
from ecgrid_transforms.period import month_text, next_month
from tests.support import waiting

BIN = Path(sys.executable).parent
BILLING = BIN / "ecgrid-billing"
WORLD = World.shipped()
TERMINAL = {"COMPLETED", "FAILED", "CRASHED", "CANCELLED"}

T = TypeVar("T")


def until(found: Callable[[], T], what: str, process: "Process | None" = None) -> T:
    """The first value of `found` that is true; fails when `process` ends before."""

    def found_or_ended() -> tuple[T] | None:
        if value := found():
            return (value,)
        if process is not None and process.popen.poll() is not None:
            raise AssertionError(f"the process ended before {what}: {process.stderr[-3000:]}")
        return None

    (value,) = waiting.until(found_or_ended, pause_s=0.3)
    return value


def environment(folder: Path, **variables: str) -> dict[str, str]:
    """Of this process what no program of ours or Prefect's reads, a Prefect home of its own, and `variables`."""
    clean = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("ECGRID_", "PREFECT_", "_ECGRID")) and not name.lower().endswith("_proxy")
    }
    return {
        **clean,
        "PREFECT_HOME": str(folder / "prefect"),
        "PREFECT_RUNNER_POLL_FREQUENCY": "1",
        "PREFECT_WORKER_QUERY_SECONDS": "1",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        **variables,
    }


def few_accounts(folder: Path) -> Path:
    """An ECGRID_ACCOUNTS of six accounts of the shipped world."""
    path = folder / "accounts.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["network_id", "mailbox_id"])
        writer.writerows(sorted((network, box) for network, box, *_ in WORLD.accounts)[:6])
    return path


def owing(folder: Path) -> dict[str, str]:
    """Settings of a data directory, `data` in the folder, that owes the last month: the one before is exported.

    The cron fires at the beginning of a month, so that no run but the one that makes up for it bills the month.
    """
    exported = folder / "data/exports" / month_text(next_month(WORLD.last_month, -1))
    exported.mkdir(parents=True)
    (exported / "manifest.json").write_text("{}")
    return {"ECGRID_ACCOUNTS": str(few_accounts(folder)), "ECGRID_CRON_MONTHLY": "0 0 1 * *"}


#: A monthly cron that fires at the next minute, however long everything takes to start.
EVERY_MINUTE = "* * * * *"


def _heed_signals() -> None:
    """What ignores a signal hands that on, and `serve` leaves it so: tests may run under nohup or in the background."""
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


class Process:
    """A process with its output in files, so that it never waits for a reader."""

    def __init__(self, command: list[str], folder: Path, variables: Mapping[str, str], name: str) -> None:
        self.out, self.err = folder / f"{name}.out", folder / f"{name}.err"
        with self.out.open("w") as out, self.err.open("w") as err:
            self.popen = subprocess.Popen(
                command, env=dict(variables), cwd=folder, stdout=out, stderr=err, preexec_fn=_heed_signals
            )

    @property
    def stdout(self) -> str:
        return self.out.read_text(encoding="utf-8")

    @property
    def stderr(self) -> str:
        return self.err.read_text(encoding="utf-8")

    @property
    def own_lines(self) -> list[str]:
        """Its stderr without the warnings of a Prefect server beside it: on a busy machine its SQLite is locked."""
        return [line for line in self.stderr.splitlines() if not line.startswith("prefect server: ")]

    def ended(self) -> int:
        """Its status, once it has one by itself."""
        return self.popen.wait()

    def end(self, number: int = signal.SIGTERM) -> int:
        """Its status after this signal."""
        self.popen.send_signal(number)
        return self.ended()

    def kill(self) -> None:
        if self.popen.poll() is None:
            self.popen.kill()
            self.popen.wait()


@contextmanager
def running(command: list[str], folder: Path, variables: Mapping[str, str], name: str = "process") -> Iterator[Process]:
    """The process for the length of the block; ended in good order if it has not ended by then."""
    process = Process(command, folder, variables, name)
    try:
        yield process
    finally:
        if process.popen.poll() is None:
            process.popen.terminate()
            try:
                process.popen.wait(60)
            except subprocess.TimeoutExpired:
                process.kill()


@dataclass(frozen=True)
class Api:
    """The API of a Prefect server."""

    address: str

    def ask(self, path: str, body: object = None, method: str | None = None) -> Any:
        request = urllib.request.Request(
            f"{self.address}{path}",
            data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json"},
            method=method or ("GET" if body is None else "POST"),
        )
        for pause in (1, 2, 4, 8, None):
            try:
                with urllib.request.urlopen(request) as answer:
                    text = answer.read()
                return json.loads(text) if text else None
            except urllib.error.HTTPError as error:
                if error.code != 503 or pause is None:  # its SQLite is busy for a moment
                    raise
                time.sleep(pause)
        raise AssertionError("unreachable")

    def deployments(self) -> dict[str, Any]:
        return {one["name"]: one for one in self.ask("/deployments/filter", {})}

    def named(self, start: str) -> Any:
        """The one deployment whose name begins so."""
        (found,) = [one for name, one in self.deployments().items() if name.startswith(start)]
        return found

    def runs(self, deployment: Any) -> list[Any]:
        """The flow runs of a deployment, oldest first."""
        found = self.ask("/flow_runs/filter", {"deployments": {"id": {"any_": [deployment["id"]]}}})
        return sorted(found, key=lambda run: run["expected_start_time"])

    def ended_run(self, deployment: Any, which: Callable[[Any], bool], process: Process) -> Any:
        """The first run of this kind that has ended."""

        def found() -> Any:
            return next((one for one in self.runs(deployment) if which(one) and one["state_type"] in TERMINAL), None)

        return until(found, f"the end of a run of {deployment['name']}", process)

    def start(self, deployment: Any, **parameters: object) -> Any:
        return self.ask(
            f"/deployments/{deployment['id']}/create_flow_run",
            {"parameters": parameters, "state": {"type": "SCHEDULED"}},
        )

    def run(self, deployment: Any, process: Process, **parameters: object) -> Any:
        """Start a deployment and wait for the end of its run."""
        started = self.start(deployment, **parameters)
        return self.ended_run(deployment, lambda run: run["id"] == started["id"], process)

    def log(self, run: Any) -> list[str]:
        """The log of a flow run, as its page shows it."""
        lines = self.ask("/logs/filter", {"logs": {"flow_run_id": {"any_": [run["id"]]}}})
        return [line["message"] for line in lines]

    def deploy(self, name: str, cron: str) -> None:
        """Make a deployment with a schedule, of a flow that is nobody's here."""
        flow = self.ask("/flows/", {"name": name})
        schedule = {"schedule": {"cron": cron, "timezone": "UTC"}, "active": True}
        self.ask("/deployments/", {"name": name, "flow_id": flow["id"], "schedules": [schedule]})

    def keep(self, block: str, secret: str) -> None:
        """Make a Prefect Secret block, as somebody would on its page."""
        kind = self.ask("/block_types/slug/secret")["id"]
        schemas = self.ask("/block_schemas/filter", {"block_schemas": {"block_type_id": {"any_": [kind]}}})
        named = {"name": block, "block_type_id": kind, "block_schema_id": schemas[0]["id"]}
        self.ask("/block_documents/", {**named, "data": {"value": secret}})

    def artifacts(self) -> dict[str, Any]:
        return {one["key"]: one for one in self.ask("/artifacts/latest/filter", {}) if one["key"]}


@contextmanager
def prefect_server(folder: Path, variables: Mapping[str, str]) -> Iterator[Api]:
    """`prefect server start` on a free port, as an operator starts one."""
    port = prefect_process.free_port()
    command = [str(BIN / "prefect"), "server", "start", "--host", "127.0.0.1", "--port", str(port)]
    with running(command, folder, variables, "server") as process:
        api = Api(f"http://127.0.0.1:{port}/api")

        def is_up() -> bool:
            try:
                return bool(api.ask("/health"))
            except OSError:
                return False

        until(is_up, "the Prefect server", process)
        yield api


@contextmanager
def serve(
    folder: Path, variables: Mapping[str, str], *options: str, name: str = "serve"
) -> Iterator[tuple[Process, Api]]:
    """`ecgrid-billing serve --json`, once its deployments are there."""
    command = [str(BILLING), "serve", "--json", "--port", "0", *options]
    with running(command, folder, variables, name) as process:
        until(lambda: process.stdout.endswith("}\n"), "the start of serve", process)
        told = json.loads(process.stdout)
        api = Api(told["prefect_api_url"])
        until(lambda: set(told["deployments"]) <= set(api.deployments()), "the deployments", process)
        yield process, api
