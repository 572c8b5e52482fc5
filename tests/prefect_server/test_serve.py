"""`ecgrid-billing serve` for real: a Prefect server of its own, a deployment run through it against the sandbox."""

import csv
import http.server
import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ecgrid_sandbox import SpawnedSandbox, World, spawn
from ecgrid_transforms.period import month_text

BILLING = Path(sys.executable).parent / "ecgrid-billing"
TERMINAL = {"COMPLETED", "FAILED", "CRASHED", "CANCELLED"}
WORLD = World.shipped()

pytestmark = [pytest.mark.slow, pytest.mark.timeout(420)]


@dataclass
class Serving:
    """A schedule that runs, and the API of the Prefect server beside it."""

    address: str
    data_dir: Path
    home: Path
    process: "subprocess.Popen[str]"

    def ask(self, path: str, body: object = None, method: str | None = None) -> Any:
        request = urllib.request.Request(
            f"{self.address}{path}",
            data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json"},
            method=method or ("GET" if body is None else "POST"),
        )
        for pause in (1, 2, 4, 8, None):
            try:
                with urllib.request.urlopen(request, timeout=60) as answer:
                    text = answer.read()
                return json.loads(text) if text else None
            except urllib.error.HTTPError as error:
                if error.code != 503 or pause is None:  # its SQLite is busy for a moment
                    raise
                time.sleep(pause)
        raise AssertionError("unreachable")

    def deployments(self) -> dict[str, Any]:
        return {one["name"]: one for one in self.ask("/deployments/filter", {})}

    def run(self, deployment: str, **parameters: object) -> dict[str, Any]:
        """Start a deployment and wait for the end of its run."""
        started = self.ask(
            f"/deployments/{self.deployments()[deployment]['id']}/create_flow_run",
            {"parameters": parameters, "state": {"type": "SCHEDULED"}},
        )
        until = time.monotonic() + 240
        while time.monotonic() < until:
            found: dict[str, Any] = self.ask(f"/flow_runs/{started['id']}")
            if found["state_type"] in TERMINAL:
                return found
            assert self.process.poll() is None, "serve ended"
            time.sleep(1)
        raise AssertionError(f"the run did not end: {found['state']}")

    def keep(self, block: str, secret: str) -> None:
        """Make a Prefect Secret block, as somebody would on its page."""
        kind = self.ask("/block_types/slug/secret")["id"]
        schemas = self.ask("/block_schemas/filter", {"block_schemas": {"block_type_id": {"any_": [kind]}}})
        named = {"name": block, "block_type_id": kind, "block_schema_id": schemas[0]["id"]}
        self.ask("/block_documents/", {**named, "data": {"value": secret}})

    def artifacts(self) -> dict[str, Any]:
        return {one["key"]: one for one in self.ask("/artifacts/latest/filter", {}) if one["key"]}


@pytest.fixture(scope="module")
def sandbox() -> Iterator[SpawnedSandbox]:
    with spawn(WORLD) as started:
        yield started


@pytest.fixture(scope="module")
def serving(sandbox: SpawnedSandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    """The schedule over six accounts of the shipped world; its credentials are in a Secret block alone."""
    folder = tmp_path_factory.mktemp("serving")
    few = folder / "accounts.csv"
    with few.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["network_id", "mailbox_id"])
        writer.writerows(sorted((network, box) for network, box, *_ in WORLD.accounts)[:6])
    clean = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("ECGRID_", "PREFECT_")) and not name.lower().endswith("_proxy")
    }
    environment = {
        **clean,
        **{name: value for name, value in sandbox.settings().items() if name.endswith("_URL")},
        "ECGRID_ACCOUNTS": str(few),
        "PREFECT_HOME": str(folder / "prefect"),
        "PREFECT_RUNNER_POLL_FREQUENCY": "1",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    }
    process = subprocess.Popen(
        [str(BILLING), "serve", "--port", "0", "--data-dir", str(folder / "data"), "--json"],
        env=environment,
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        assert process.stdout is not None
        text = ""
        while not text.endswith("}\n"):
            line = process.stdout.readline()
            assert line, "serve ended at once"
            text += line
        made = Serving(json.loads(text)["prefect_api_url"], folder / "data", folder / "prefect", process)
        until = time.monotonic() + 90
        while set(made.deployments()) != {"monthly", "open-month", "range"}:
            assert time.monotonic() < until, "the deployments never came"
            time.sleep(0.5)
        made.keep("ecgrid-api-key", sandbox.api_key)
        yield made
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdout is not None:
            process.stdout.close()


def test_the_three_deployments_stand_with_their_schedules_in_utc(serving: Serving) -> None:
    schedules = {
        name: [(one["schedule"]["cron"], one["schedule"]["timezone"] or "UTC") for one in deployment["schedules"]]
        for name, deployment in serving.deployments().items()
    }
    assert schedules == {
        "monthly": [("0 6 2 * *", "UTC")],
        "open-month": [("30 3 * * *", "UTC")],
        "range": [],
    }


@pytest.fixture(scope="module")
def billed(serving: Serving) -> dict[str, Any]:
    return serving.run("monthly", month=month_text(WORLD.last_month))


def test_a_month_runs_through_the_server_end_to_end(serving: Serving, billed: dict[str, Any]) -> None:
    month = month_text(WORLD.last_month)
    assert billed["state_type"] == "COMPLETED", billed["state"]
    assert billed["name"] == f"bill {month}"
    assert (serving.data_dir / "exports" / month / "manifest.json").is_file()
    assert (serving.data_dir / "reports" / month / "reconcile_month.html").is_file()
    found = json.loads((serving.data_dir / "exports" / month / "manifest.json").read_text(encoding="utf-8"))
    assert found


def test_it_leaves_a_summary_a_table_and_a_link(serving: Serving, billed: dict[str, Any]) -> None:
    month = month_text(WORLD.last_month)
    artifacts = serving.artifacts()
    assert {f"summary-{month}", f"findings-{month}", f"report-{month}"} <= artifacts.keys()
    assert f"# Bill {month}" in artifacts[f"summary-{month}"]["data"]
    assert "| Accounts | 6 |" in artifacts[f"summary-{month}"]["data"]
    rows = json.loads(artifacts[f"findings-{month}"]["data"])
    assert all(set(row) >= {"severity", "what", "account", "difference", "explanation"} for row in rows)
    assert "reconcile_month.html" in artifacts[f"report-{month}"]["data"]
    progress = [one for one in serving.ask("/artifacts/filter", {}) if one["type"] == "progress"]
    assert [one["data"] for one in progress] == [100]


def test_no_secret_reaches_the_server_or_the_data_directory(
    serving: Serving, billed: dict[str, Any], sandbox: SpawnedSandbox
) -> None:
    assert billed["parameters"].keys() <= {"month", "catch_up", "data_dir"}
    secrets = [text.encode() for text in (sandbox.password, sandbox.api_key)]
    guilty = [
        path
        for folder in (serving.home, serving.data_dir)
        for path in folder.rglob("*")
        if path.is_file() and any(secret in path.read_bytes() for secret in secrets)
    ]
    assert guilty == []


def test_a_bad_month_fails_as_a_setting_and_tells_somebody(serving: Serving) -> None:
    """The automation of the README, tried: a failed run is posted to a webhook."""
    heard: list[bytes] = []

    class Ear(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            heard.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    ear = http.server.HTTPServer(("127.0.0.1", 0), Ear)
    threading.Thread(target=ear.serve_forever, daemon=True).start()
    try:
        script = Path(__file__).parents[2] / "flows/notify.py"
        made = subprocess.run(
            [sys.executable, str(script), f"http://127.0.0.1:{ear.server_port}/billing"],
            env={**os.environ, "PREFECT_API_URL": serving.address, "PREFECT_HOME": str(serving.home)},
            capture_output=True,
            text=True,
            timeout=90,
            check=False,
        )
        assert made.returncode == 0, made.stderr
        failed = serving.run("monthly", month="2026-13")
        assert failed["state_type"] == "FAILED"
        assert failed["state"]["name"] == "Settings"
        assert "2026-13" in failed["state"]["message"]
        until = time.monotonic() + 60
        while not heard and time.monotonic() < until:
            time.sleep(0.5)
    finally:
        ear.shutdown()
        ear.server_close()
    assert heard, "nobody was told"
    assert b"Settings" in heard[0]
