"""A scheduler and workers as processes with environments of their own, their data in a bucket."""

import itertools
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from ecgrid_flows.orchestration import run_context, tasks
from ecgrid_flows.storage.local import LocalStore
from ecgrid_flows.storage.opening import open_store
from tests.support.signalled import LINE
from tests.support.storage import Storage, fronting
from tests.support.waiting import until

from .billing import MONTHS, TELLING, Billed, lines, pull, relations, running
from .test_cluster import CONCURRENCY, DEADLY, IN_A_PULL, local_environment

pytestmark = pytest.mark.soak

#: Line calls of a month after which the late worker is started. Further ones wait until it has joined.
BEFORE_THE_LATE = 20
#: Responses that the lost worker records before it is killed.
OF_THE_LOST = 5
#: The slow worker runs for the first of these, in seconds, and is stopped for the second, in turn.
RUNS_S, IS_STOPPED_S = 0.05, 0.2


@contextmanager
def started(module: str, *options: str, env: Mapping[str, str]) -> Iterator["subprocess.Popen[bytes]"]:
    """A process of Dask, killed at the end."""
    process = subprocess.Popen(
        [sys.executable, "-m", f"distributed.cli.{module}", "--no-dashboard", *options],
        env=env,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield process
    finally:
        process.send_signal(signal.SIGCONT)
        process.kill()
        process.wait()


@contextmanager
def slowed(process: "subprocess.Popen[bytes]") -> Iterator[None]:
    """Stop and resume the process in turn: it runs for a fifth of the time."""
    ended = threading.Event()

    def alternate() -> None:
        while not ended.wait(RUNS_S):
            process.send_signal(signal.SIGSTOP)
            ended.wait(IS_STOPPED_S)
            process.send_signal(signal.SIGCONT)

    thread = threading.Thread(target=alternate, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def calls_of_this_worker() -> int:
    """How many responses this worker has received and stored. Runs on the worker."""
    return run_context.current().puller.counters.answered


def test_a_cluster_bills_in_a_bucket_what_one_process_bills(
    local: Billed, storage: Storage, address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One worker is lost at work, one is slow, one joins late: the lines and findings of one process, each once."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "coordinator"))
    plain = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8"}
    contact, killed = tmp_path / "scheduler.json", tmp_path / "killed"
    with ExitStack() as stack:
        service = stack.enter_context(fronting(int(urlsplit(local.sandbox.v3_url).port or 0)))
        at = ("--host", "127.0.0.1", "--port", "0", "--scheduler-file", str(contact))
        stack.enter_context(started("dask_scheduler", *at, env=plain))
        scheduler = until(lambda: contact.exists() and json.loads(contact.read_text() or "{}").get("address"))
        settings = local.settings(
            address,
            v3_url=local.sandbox.v3_url.replace(urlsplit(local.sandbox.v3_url).netloc, f"127.0.0.1:{service.port}"),
            task_runner=scheduler.replace("tcp://", "dask://"),
            concurrency=CONCURRENCY,
        )
        credentials = local_environment(settings)
        del credentials["ECGRID_TASK_RUNNER"]

        def worker(name: str) -> "subprocess.Popen[bytes]":
            home = tmp_path / name
            home.mkdir()
            own = {"HOME": str(home), "XDG_CACHE_HOME": str(home)}
            options = ("--no-nanny", "--nthreads", "2", "--name", name, "--local-directory", str(home))
            return stack.enter_context(
                started("dask_worker", scheduler, *options, env=plain | credentials | storage.environment() | own)
            )

        lost, slow = worker("lost"), worker("slow")
        with running(settings) as run:
            assert run.cluster is not None
            client = run.cluster.client

            def address_of(name: str) -> str | None:
                found = client.scheduler_info(n_workers=-1)["workers"]
                return next((where for where, one in found.items() if one["name"] == name), None)

            fatal = {"mark": str(killed), "left": OF_THE_LOST}
            client.run(exec, DEADLY + IN_A_PULL, fatal, workers=[until(lambda: address_of("lost"))])
            until(lambda: address_of("slow"))
            due, joined = threading.Event(), threading.Event()
            made = itertools.count(1)

            def hold(body: bytes) -> None:
                if LINE in body and next(made) >= BEFORE_THE_LATE:
                    due.set()
                    joined.wait()

            def join_late() -> None:
                due.wait()
                worker("late")
                until(lambda: address_of("late"))
                joined.set()

            service.before = hold
            joining = threading.Thread(target=join_late)
            joining.start()
            with slowed(slow):
                for month in MONTHS:
                    pull(run, month)
            joining.join()
            assert killed.exists()
            assert lost.wait() == -signal.SIGKILL
            made_by = client.run(calls_of_this_worker)
            assert {address_of("slow"), address_of("late")} == made_by.keys()
            assert min(made_by.values()) > 0, "each that is left has done a part"
            tasks.build(run)
    for month in MONTHS:
        assert lines(open_store(settings), month) == lines(LocalStore(local.data_dir), month)
    built = relations(settings.warehouse_path, TELLING)
    for name in TELLING:
        assert built[name].equals(local.relations[name]), name
    assert local.sandbox.open_sessions == 0
