"""A Dask cluster of two worker processes: the local run's result, line for line, though a worker is killed at work.

Dask and Prefect take seconds to load, in every process that collects tests: they are loaded by the tests that run them.
"""

import logging
import os
import pickle
import shutil
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from inspect import signature
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import cloudpickle
import pytest

from ecgrid_flows.errors import Incomplete, SettingsError
from ecgrid_flows.extract.batches import Tally
from ecgrid_flows.extract.pull import Puller
from ecgrid_flows.lake import repeats
from ecgrid_flows.lake.raw_log import unpacked
from ecgrid_flows.orchestration import run_context, session, tasks
from ecgrid_flows.orchestration.run_context import Context, Run
from ecgrid_flows.progress import Reporter
from ecgrid_flows.settings import Secret, Settings
from ecgrid_flows.storage.local import LocalStore
from tests.support.signalled import LINE, signalled
from tests.support.storage import Storage, fronting

from .billing import MONTHS, TELLING, Billed, lines, pull, relations, running

if TYPE_CHECKING:
    from ecgrid_flows.orchestration.dask_worker import Job

CONCURRENCY = 6


#: Answers of a worker when it is killed.
ANSWERED = 10

#: A worker that runs this is killed, the hard way, by itself: if it is the first, once it has `left` no more to do.
#: Whatever it did so far is whole, and it has told nobody of the last.
DEADLY = """
import contextlib, os, signal, threading

lock = threading.Lock()

def deadly(real):
    def one(*arguments):
        global left
        with lock:
            result = real(*arguments)
            left -= 1
            if left <= 0:
                with contextlib.suppress(FileExistsError):
                    os.close(os.open(mark, os.O_CREAT | os.O_EXCL))
                    os.kill(os.getpid(), signal.SIGKILL)
            return result
    return one
"""
IN_A_PULL = "from ecgrid_flows.lake.raw_log import RawLog\nRawLog.record = deadly(RawLog.record)\n"


@pytest.fixture(scope="module")
def counted(local: Billed) -> Iterator[Storage]:
    """A proxy before the sandbox that counts what is in flight."""
    with fronting(int(urlsplit(local.sandbox.v3_url).port or 0)) as proxy:
        yield proxy


@pytest.mark.soak
@pytest.mark.slow
def test_workers_keep_repeats_without_their_bodies(local: Billed, tmp_path: Path) -> None:
    """A refresh of an unchanged month by a cluster adds what one by this process adds: a line in `_rounds`."""
    month = MONTHS[-1]
    shutil.copytree(local.data_dir, tmp_path / "data")
    store, before = LocalStore(tmp_path / "data"), lines(LocalStore(local.data_dir), month)
    kept = answers_in(tmp_path / "data/raw/line_items")
    settings = local.settings(tmp_path / "data", task_runner="dask", concurrency=CONCURRENCY)
    with session.opened(settings=settings, reporter=Reporter(mute=True), refresh=True) as run:
        assert pull(run, month) > 30
    assert answers_in(tmp_path / "data/raw/line_items") == kept
    assert not list((tmp_path / "data/raw").rglob("*.repeats.jsonl*"))
    (one,) = repeats.rounds(store, month)
    assert (one.only, len(one.but)) == (None, 0)
    assert lines(store, month) == before


def make_deadly(run: Run, code: str, mark: Path, left: int) -> None:
    """One worker of the run, whichever comes first, will be killed at work, and leave `mark`."""
    assert run.cluster is not None
    assert len(run.cluster.client.run(os.getpid)) >= 2
    run.cluster.client.run(exec, DEADLY + code, {"mark": str(mark), "left": left})


@pytest.mark.soak
def test_a_stopped_run_and_a_killed_worker_change_nothing(local: Billed, counted: Storage, tmp_path: Path) -> None:
    """A run is stopped while it pulls. Another goes on, and loses a worker in the pull."""
    settings = local.settings(
        tmp_path / "data",
        v3_url=local.sandbox.v3_url.replace(urlsplit(local.sandbox.v3_url).netloc, f"127.0.0.1:{counted.port}"),
        task_runner="dask",
        concurrency=CONCURRENCY,
    )
    raw, in_pull = tmp_path / "data/raw/line_items", tmp_path / "killed in the pull"
    stopped_run(settings, counted)
    assert ANSWERED - 2 <= answers_in(raw) <= ANSWERED + 1
    with running(settings) as run:
        assert [name for name in os.environ if name.startswith("ECGRID_")] == [], (
            "another run would take them for its own"
        )
        make_deadly(run, IN_A_PULL, in_pull, ANSWERED)
        counted.peak = 0
        # more than one worker's share are in flight at once before any is answered
        counted.before = lambda data: LINE in data and counted.has_peak(CONCURRENCY // 2 + 1)
        for month in MONTHS:
            pull(run, month)
        assert in_pull.exists()
        assert CONCURRENCY // 2 < counted.peak <= CONCURRENCY, "the bound is the cluster's"
        assert len(list(raw.rglob("*.jsonl*"))) >= 4, "each process has segments of its own"
        asked_twice = answers_in(raw) - sum(
            bits.bit_count() for month in MONTHS for bits in run.puller.kept(month).answered.values()
        )
        assert 0 < asked_twice <= ANSWERED, "of what the killed worker answered, at most what it had told nobody"
        tasks.build(run)
    for month in MONTHS:
        assert lines(LocalStore(tmp_path / "data"), month) == lines(LocalStore(local.data_dir), month)
    built = relations(settings.warehouse_path, TELLING)
    for name in TELLING:
        assert built[name].equals(local.relations[name]), name
    assert local.sandbox.open_sessions == 0


@pytest.mark.long
@pytest.mark.slow
def test_a_running_cluster_serves_one_run_at_a_time(
    local: Billed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import distributed

    from ecgrid_flows.orchestration import dask_cluster

    settings = local.settings(tmp_path / "data")
    for name, value in local_environment(settings).items():  # as whoever starts the workers has to
        monkeypatch.setenv(name, value)
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=2, dashboard_address="127.0.0.1:0", silence_logs=logging.CRITICAL
    ) as running_one:
        address = running_one.scheduler_address.replace("tcp://", "dask://")
        month = MONTHS[0]
        with running(replace(settings, task_runner=address)) as run:
            pull(run, month)
            monkeypatch.setattr(dask_cluster, "LONGEST_WAIT_S", 0.1)
            (tmp_path / "other").mkdir()
            other = local.settings(tmp_path / "other", task_runner=address)
            with (
                pytest.raises(Incomplete, match=f"another run uses the cluster {address}"),
                dask_cluster.opened(other, LocalStore(tmp_path / "other")),
            ):
                pytest.fail("it must not open")
            assert run.cluster is not None
            assert run.cluster.client.run(lambda: run_context.current().settings.data_dir), (
                "the first run is still open"
            )
    assert lines(LocalStore(tmp_path / "data"), month) == lines(LocalStore(local.data_dir), month)


@pytest.mark.soak
def test_two_runs_of_a_process_have_workers_of_their_own(local: Billed, tmp_path: Path) -> None:
    """Each cluster's workers work for the directory of its run; the steps of a run go to its own workers."""
    month = MONTHS[0]
    with running(local.settings(tmp_path / "outer", task_runner="dask")) as outer:
        with running(local.settings(tmp_path / "data", task_runner="dask")) as run:
            assert directories(run) == {str(tmp_path / "data")}
            assert directories(outer) == {str(tmp_path / "outer")}
            pull(run, month)
        assert directories(outer) == {str(tmp_path / "outer")}
    assert lines(LocalStore(tmp_path / "data"), month) == lines(LocalStore(local.data_dir), month)
    assert not list((tmp_path / "outer").glob("raw/line_items/**/*.jsonl*"))


def directories(run: Run) -> set[str]:
    """The data directories that the workers of the run work for."""
    assert run.cluster is not None
    return set(run.cluster.client.run(lambda: run_context.current().settings.data_dir).values())


def stopped_run(settings: Settings, counted: Storage) -> None:
    """SIGTERM: no new calls on any worker, those in flight kept if they are answered soon, status 4."""
    env = os.environ | local_environment(settings) | {"ECGRID_CONCURRENCY": "2"}
    command = [str(Path(sys.executable).with_name("ecgrid-billing")), "pull", "--month", "2026-09"]
    status, said = signalled(
        [*command, "--data-dir", settings.data_dir], env, counted, signal.SIGTERM, call=ANSWERED, more=2
    )
    assert status == 4, said
    assert "stopped by SIGTERM" in said


def local_environment(settings: Settings) -> dict[str, str]:
    assert settings.api_key is not None
    return {
        **{f"ECGRID_V{number}_URL": getattr(settings, f"v{number}_url") for number in (2, 3, 4)},
        "ECGRID_API_KEY": settings.api_key.reveal(),
        "ECGRID_ACCOUNTS": str(settings.accounts_file),
        "ECGRID_TASK_RUNNER": settings.task_runner,
    }


def answers_in(raw: Path) -> int:
    """Answers kept, each counted once while a segment is there plain and packed."""
    found = 0
    for path in raw.rglob("*.jsonl*"):
        with suppress(FileNotFoundError):
            if path.suffix == ".jsonl":
                found += path.read_bytes().count(b"\n")
            elif not path.with_suffix("").exists():
                found += unpacked(path.read_bytes()).count(b"\n")
    return found


@contextmanager
def _job(settings: Settings) -> Iterator["Job"]:
    from ecgrid_flows.orchestration.dask_worker import Job, service_of

    yield Job("1", "/data", 8, service_of(settings), ".cluster-1")


def test_what_travels_to_a_worker_holds_no_secret() -> None:
    from ecgrid_flows.orchestration.dask_worker import RunOnWorker

    settings = Settings(login_name="me", password=Secret("swordfish"), api_key=Secret("0123-key"))
    with _job(settings) as job:
        sent = cloudpickle.dumps(RunOnWorker(job))
    assert b"swordfish" not in sent
    assert b"0123-key" not in sent
    with pytest.raises(TypeError, match="a secret is never pickled"):
        pickle.dumps(settings)


def test_a_task_has_no_run_among_its_parameters_and_takes_that_of_its_process(tmp_path: Path) -> None:
    """As Prefect records it and Dask sends it: pickled, and called where another run is the current one."""
    task = pickle.loads(cloudpickle.dumps(tasks.pull_accounts.task))
    month = MONTHS[0]
    assert list(signature(task.fn).parameters) == ["month", "asked"]
    assert tasks.pull_accounts.parameters((month, [])) == {"month": month, "asked": []}
    settings, store = Settings(data_dir=str(tmp_path)), LocalStore(tmp_path)
    context = Context(settings, store, Puller(settings, store))
    with pytest.raises(Incomplete, match="no run is open"):
        task.fn(month, [])
    run_context.enter_worker(context)
    try:
        assert task.fn(month, []) == Tally()
    finally:
        run_context.leave_worker(context)


def test_a_worker_with_another_environment_is_refused() -> None:
    from ecgrid_flows.orchestration.dask_worker import _require_same

    run = Settings(api_key=Secret("k"))
    with _job(run) as job:
        _require_same(job, run)
        with pytest.raises(SettingsError, match="ECGRID_API_KEY is not set for this worker"):
            _require_same(job, Settings())
        with pytest.raises(SettingsError, match="ECGRID_V3_URL"):
            _require_same(job, Settings(api_key=Secret("k"), v3_url="https://other.example/x.asmx"))
