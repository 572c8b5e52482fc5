"""A Dask cluster of two worker processes: the local run's result, line for line, though a worker is killed at work."""

import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import cloudpickle
import pytest
from billing import MONTHS, WORLD, lines, pull, relations, running, settings_of
from storage import Storage, fronting

from ecgrid_flows import tasks
from ecgrid_flows.errors import SettingsError
from ecgrid_flows.runs import Run
from ecgrid_flows.settings import Secret, Settings
from ecgrid_flows.store import LocalStore
from ecgrid_flows.worker import Job, RunOnWorker, _require_same, service_of
from ecgrid_sandbox import SpawnedSandbox, spawn

MONTH = MONTHS[-1]
CONCURRENCY = 6


@pytest.fixture(scope="module")
def sandbox() -> Iterator[SpawnedSandbox]:
    with spawn(WORLD, latency_ms=40) as started:
        yield started


@pytest.fixture(scope="module")
def counted(sandbox: SpawnedSandbox) -> Iterator[Storage]:
    """A proxy before the sandbox that counts what is in flight."""
    with fronting(int(sandbox.v3_url.split(":")[2].split("/")[0])) as proxy:
        yield proxy


def kill_one(run: Run, when: Callable[[], bool], killed: list[int]) -> threading.Thread:
    """Kill a worker process of the run, the hard way, as soon as `when`."""
    assert run.cluster is not None
    pids = sorted(run.cluster.client.run(os.getpid).values())
    assert len(pids) >= 2
    assert os.getpid() not in pids

    def watch() -> None:
        deadline = time.monotonic() + 120
        while not when() and time.monotonic() < deadline:
            time.sleep(0.02)
        os.kill(pids[0], signal.SIGKILL)
        killed.append(pids[0])

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    return thread


@pytest.mark.slow
def test_a_worker_killed_in_pull_and_in_build_changes_nothing(
    sandbox: SpawnedSandbox, counted: Storage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ecgrid_flows.discovery.MONTHLY_REPORTS", ())
    alone, many = tmp_path / "alone", tmp_path / "many"
    with running(settings_of(sandbox, alone)) as run:
        calls = pull(run, MONTH)
        tasks.build()
    settings = settings_of(
        sandbox,
        many,
        task_runner="dask",
        partition_lines=300,
        v3_url=sandbox.v3_url.replace(sandbox.v3_url.split("/")[2], f"127.0.0.1:{counted.port}"),
        concurrency=CONCURRENCY,
    )
    killed: list[int] = []
    with running(settings) as run:
        raw = many / "raw/line_items"
        watch = kill_one(run, lambda: sum(path.stat().st_size for path in raw.rglob("*.jsonl")) > 100_000, killed)
        counted.peak = 0
        asked = pull(run, MONTH)
        watch.join()
        assert counted.peak <= CONCURRENCY, "the bound is the cluster's"
        assert counted.peak > CONCURRENCY // 2
        assert asked >= calls * 0.8
        assert len(list(raw.rglob("*.jsonl"))) >= 2, "each process has segments of its own"
        parts = many / "warehouse/parts"
        watch = kill_one(run, lambda: len(list(parts.glob("*/core_lines/*.parquet"))) > 0, killed)
        tasks.build()
        watch.join()
    assert len(killed) == 2
    assert lines(LocalStore(many), MONTH) == lines(LocalStore(alone), MONTH)
    whole, parted = relations(alone / "warehouse/billing.duckdb"), relations(many / "warehouse/billing.duckdb")
    for name in ("out_findings", "out_line_proofs", "out_readings"):
        assert parted[name].equals(whole[name]), name
    assert sandbox.open_sessions == 0


@pytest.mark.slow
def test_a_stopped_run_keeps_every_answer(sandbox: SpawnedSandbox, tmp_path: Path) -> None:
    """SIGTERM: no new calls on any worker, those in flight kept, status 4; the next run asks only what is left."""
    data = tmp_path / "data"
    env = os.environ | sandbox.settings() | {"ECGRID_TASK_RUNNER": "dask", "ECGRID_CONCURRENCY": "2"}
    env |= {"ECGRID_API_KEY": sandbox.api_key}
    command = [str(Path(sys.executable).with_name("ecgrid-billing")), "pull", "--month", "2026-10"]
    run = subprocess.Popen([*command, "--data-dir", str(data)], env=env, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 120
    while not list(data.glob("raw/line_items/*/*.jsonl")) and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(0.5)
    run.send_signal(signal.SIGTERM)
    _, said = run.communicate(timeout=90)
    assert run.returncode == 4, said
    assert "stopped by SIGTERM" in said
    kept = sum(path.read_bytes().count(b"\n") for path in data.glob("raw/line_items/*/*.jsonl"))
    assert kept > 0
    with running(settings_of(sandbox, data)) as again:
        left = pull(again, MONTH)
        total = sum(bits.bit_count() for bits in again.puller.kept(MONTH).answered.values())
    assert left + kept == total, "nothing was lost, and nothing asked twice"


@contextmanager
def _job(settings: Settings) -> Iterator[Job]:
    yield Job("1", "/data", 8, service_of(settings), ".cluster-1")


def test_what_travels_to_a_worker_holds_no_secret() -> None:
    settings = Settings(login_name="me", password=Secret("swordfish"), api_key=Secret("0123-key"))
    with _job(settings) as job:
        sent = cloudpickle.dumps(RunOnWorker(job))
    assert b"swordfish" not in sent
    assert b"0123-key" not in sent
    with pytest.raises(TypeError, match="a secret does not travel"):
        pickle.dumps(settings)


def test_a_worker_with_another_environment_is_refused() -> None:
    run = Settings(api_key=Secret("k"))
    with _job(run) as job:
        _require_same(job, run)
        with pytest.raises(SettingsError, match="ECGRID_API_KEY is not set for this worker"):
            _require_same(job, Settings())
        with pytest.raises(SettingsError, match="ECGRID_V3_URL"):
            _require_same(job, Settings(api_key=Secret("k"), v3_url="https://other.example/x.asmx"))
