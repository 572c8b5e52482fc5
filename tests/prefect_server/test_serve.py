"""`ecgrid-billing serve` with a Prefect server that is set up, beside a work pool's deployments and a worker."""

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ecgrid_flows.errors import ExitStatus
from ecgrid_sandbox import SpawnedSandbox, spawn
from ecgrid_transforms.period import month_text
from tests.support.commands import Command
from tests.support.ear import TOKEN, Ear, listening

from .living import (
    BIN,
    EVERY_MINUTE,
    WORLD,
    Api,
    Process,
    environment,
    owing,
    prefect_server,
    running,
    serve,
    until,
)

MONTH = month_text(WORLD.last_month)

PREFECT = str(BIN / "prefect")

pytestmark = pytest.mark.slow


@dataclass
class Served:
    """A schedule that runs, and the API that it is reported to."""

    api: Api
    process: Process
    folder: Path
    environment: dict[str, str]

    @property
    def data_dir(self) -> Path:
        return self.folder / "data"


@pytest.fixture(scope="module")
def sandbox() -> Iterator[SpawnedSandbox]:
    with spawn(WORLD) as started:
        yield started


@pytest.fixture(scope="module")
def ear() -> Iterator[Ear]:
    with listening() as made:
        yield made


@pytest.fixture(scope="module")
def served(sandbox: SpawnedSandbox, ear: Ear, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """The schedule over six accounts of the shipped world, which owes a month; its credentials are in a Secret block.

    On the server is a deployment of somebody else, made before, that nothing that `serve` does may touch.
    """
    folder = tmp_path_factory.mktemp("served")
    variables = environment(
        folder,
        **{name: value for name, value in sandbox.settings().items() if name.endswith("_URL")},
        **owing(folder),
        ECGRID_CURRENCY="USD",
        ECGRID_REPORT_URL="https://files.example.com/reports/",
        ECGRID_NOTIFY_URLS=ear.url,
    )
    with prefect_server(folder, variables) as api:
        api.keep("ecgrid-api-key", sandbox.api_key)
        api.deploy("elsewhere", "0 0 1 * *")
        variables["PREFECT_API_URL"] = api.address
        with serve(folder, variables, "--data-dir", str(folder / "data")) as (process, _):
            yield Served(api, process, folder, variables)


@pytest.fixture(scope="module")
def pooled(served: Served) -> dict[str, str]:
    """The environment of a worker of a work pool that `prefect.yaml` was deployed to; its months are billed every
    minute."""
    folder, data_dir = served.folder, str(served.folder / "pool")
    variables = {**served.environment, "ECGRID_CRON_MONTHLY": EVERY_MINUTE, "ECGRID_DATA_DIR": data_dir}
    written = commanded(folder, variables, sys.executable, "-m", "ecgrid_flows.deployments")
    (folder / "prefect.yaml").write_text(written, encoding="utf-8")
    commanded(folder, variables, PREFECT, "work-pool", "create", "ecgrid-billing", "--type", "process")
    commanded(folder, variables, PREFECT, "--no-prompt", "deploy", "--all")
    return variables


def commanded(folder: Path, variables: dict[str, str], *command: str) -> str:
    """What a command writes, once it has ended well."""
    done = subprocess.run(command, env=variables, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_three_deployments_have_the_data_directorys_name_and_their_schedules_in_utc(served: Served) -> None:
    name = json.loads((served.data_dir / "schedule.json").read_text(encoding="utf-8"))["name"]
    schedules = {
        found: [(one["schedule"]["cron"], one["schedule"]["timezone"] or "UTC") for one in deployment["schedules"]]
        for found, deployment in served.api.deployments().items()
        if found.startswith("serve-")
    }
    assert schedules == {
        f"serve-monthly-{name}": [("0 0 1 * *", "UTC")],
        f"serve-open-month-{name}": [("30 3 * * *", "UTC")],
        f"serve-range-{name}": [],
    }


@pytest.fixture(scope="module")
def billed(served: Served) -> dict[str, Any]:
    """The run that `serve` started for what came due while it was down."""
    until(lambda: f"due and not exported: {MONTH}" in served.process.stderr, "what is due", served.process)
    monthly = served.api.named("serve-monthly")
    run: dict[str, Any] = served.api.ended_run(monthly, lambda one: not one["auto_scheduled"], served.process)
    return run


def test_a_month_runs_through_the_server_end_to_end(served: Served, billed: dict[str, Any]) -> None:
    assert billed["state_type"] == "COMPLETED", billed["state"]
    assert billed["name"].startswith("bill what is due on ")
    assert (served.data_dir / "exports" / MONTH / "manifest.json").is_file()
    assert (served.data_dir / "reports" / MONTH / "reconcile_month.html").is_file()


def test_it_leaves_a_summary_a_table_and_a_link(served: Served, billed: dict[str, Any]) -> None:
    artifacts = served.api.artifacts()
    summary = artifacts[f"summary-{MONTH}"]["data"]
    assert f"# Bill {MONTH}" in summary
    assert "| Accounts | 6 |" in summary
    assert "| Disputed | 0.00 USD |" in summary
    rows = json.loads(artifacts[f"findings-{MONTH}"]["data"])
    assert all(set(row) >= {"severity", "what", "account", "difference", "explanation"} for row in rows)
    assert f"https://files.example.com/reports/{MONTH}/reconcile_month.html" in artifacts[f"report-{MONTH}"]["data"]
    progress = [one for one in served.api.ask("/artifacts/filter", {}) if one["type"] == "progress"]
    assert [one["data"] for one in progress] == [100]


def test_the_log_has_no_line_per_task(served: Served, billed: dict[str, Any]) -> None:
    """The six accounts are six tasks; the steps beside them are few."""
    tasks = served.api.ask("/task_runs/filter", {"flow_runs": {"name": {"any_": [f"billing {MONTH}"]}}})
    assert sum(one["name"].startswith("pull-accounts") for one in tasks) >= 6
    for place in (served.api.log(billed), served.process.stderr.splitlines()):
        assert [line for line in place if "pull-accounts" in line] == []


def test_no_secret_reaches_the_server_or_the_data_directory(
    served: Served, billed: dict[str, Any], sandbox: SpawnedSandbox
) -> None:
    assert billed["parameters"].keys() <= {"month", "data_dir"}
    secrets = [text.encode() for text in (sandbox.password, sandbox.api_key, TOKEN)]
    guilty = [
        path
        for path in served.folder.rglob("*")
        if path.is_file() and any(secret in path.read_bytes() for secret in secrets)
    ]
    assert guilty == []


@pytest.mark.soak
def test_a_wrong_month_is_a_state_a_sentence_and_a_notice(served: Served, billed: dict[str, Any], ear: Ear) -> None:
    words = "'2026-13' is not a month"
    said = len(served.process.stderr)
    failed = served.api.run(served.api.named("serve-monthly"), served.process, month="2026-13")
    assert (failed["state_type"], failed["state"]["name"]) == ("FAILED", "Settings")
    assert words in failed["state"]["message"]
    assert [line for line in served.api.log(failed) if "Traceback" in line] == []
    until(lambda: words in served.process.stderr[said:], "the state in the log", served.process)
    assert "Traceback" not in served.process.stderr
    assert told(ear, served.data_dir) == [f"ECGrid bill {MONTH} is ready", "ECGrid billing failed"]


def told(ear: Ear, data_dir: Path) -> list[str]:
    """The titles of the notices about a data directory, without what is overdue, which depends on the day."""
    where = f"Data directory {data_dir} "
    return [one["title"] for one in ear.heard if where in one["message"] and "overdue" not in one["title"]]


def test_a_second_serve_of_the_data_directory_is_refused(served: Served, billing: Command) -> None:
    again = billing("serve", "--data-dir", str(served.data_dir), env=served.environment, cwd=served.folder)
    assert again.returncode == ExitStatus.HELD
    assert f"is already served by `serve`, process {served.process.popen.pid}" in again.stderr


@pytest.mark.soak
def test_a_run_beside_another_is_held_off_by_the_lock(served: Served, ear: Ear) -> None:
    """Whatever Prefect allows at once, the data directory allows one run."""
    held = subprocess.Popen(
        [sys.executable, "-c", _HOLD, str(served.data_dir)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert held.stdout is not None
        assert held.stdout.readline() == "held\n"
        failed = served.api.run(served.api.named("serve-monthly"), served.process, month=MONTH)
        assert (failed["state_type"], failed["state"]["name"]) == ("FAILED", "Held")
        assert f"process {held.pid}" in failed["state"]["message"]
        assert told(ear, served.data_dir)[-1] == "ECGrid billing was blocked"
    finally:
        held.communicate("\n")


_HOLD = """
import sys
from ecgrid_flows.storage.local import LocalStore
with LocalStore(sys.argv[1]).lock("test"):
    print("held", flush=True)
    sys.stdin.readline()
"""


@pytest.mark.soak
def test_a_worker_runs_what_the_scheduler_makes_past_a_run_left_pending_by_a_killed_one(
    served: Served, billed: dict[str, Any], pooled: dict[str, str], ear: Ear
) -> None:
    """`prefect.yaml`, a process work pool and a worker. A PENDING run is what a worker leaves when it is killed."""
    api = served.api
    left = api.start(api.deployments()["monthly"])
    api.ask(f"/flow_runs/{left['id']}/set_state", {"state": {"type": "PENDING"}, "force": True})
    worker = [PREFECT, "worker", "start", "--pool", "ecgrid-billing", "--limit", "1"]
    with running(worker, served.folder, pooled, "worker") as process:
        monthly = api.deployments()["monthly"]
        run = api.ended_run(monthly, lambda one: one["auto_scheduled"], process)
        assert run["state_type"] == "COMPLETED", run["state"]
        exports = served.folder / "pool" / "exports" / MONTH
        assert (exports / "manifest.json").is_file()
        assert told(ear, served.folder / "pool") == [f"ECGrid bill {MONTH} is ready"]
        assert (served.folder / "pool" / "reports" / MONTH / "reconcile_month.html").is_file()
        assert next(one for one in api.runs(monthly) if one["id"] == left["id"])["state_type"] == "PENDING"


def test_sigterm_pauses_and_deletes_nothing(served: Served, billed: dict[str, Any]) -> None:
    """Last in this file: it ends the schedule."""

    def scheduled() -> dict[str, list[str]]:
        return {
            name: [one["expected_start_time"] for one in served.api.runs(found) if one["state_type"] == "SCHEDULED"]
            for name, found in served.api.deployments().items()
        }

    crons = {name for name, one in served.api.deployments().items() if one["schedules"]}
    assert len(crons) >= 3, "two of this data directory's and one elsewhere"
    until(lambda: crons == {name for name, times in scheduled().items() if times}, "runs of every cron", served.process)
    before = scheduled()
    assert served.process.end() == ExitStatus.CLEAN
    after = served.api.deployments()
    assert set(after) == set(before)
    assert [
        name for name, one in after.items() if one["paused"] or not all(s["active"] for s in one["schedules"])
    ] == []
    for name, times in before.items():
        assert set(times) <= set(scheduled()[name]), name
