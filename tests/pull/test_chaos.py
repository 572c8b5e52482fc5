"""A pull in a hostile world: killed, stopped, faulted, its disk full or gone. No line is lost, none comes twice."""

import errno
import itertools
import os
import queue
import random
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ecgrid_flows.errors import StorageFailed
from ecgrid_flows.lake.raw_log import segments
from ecgrid_flows.orchestration import tasks
from ecgrid_flows.settings import Secret
from ecgrid_flows.storage.local import LocalStore
from ecgrid_sandbox import SpawnedSandbox, Trouble, World, spawn
from tests.support.forker import CONCURRENCY, Forker
from tests.support.signalled import LINE, signalled
from tests.support.storage import Storage, fronting
from tests.support.waiting import until

from .pulling import LAST_MONTH, files, lake_lines, line_calls, pull_and_land, pulled, running, true_lines

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def forker() -> Iterator[Forker]:
    started = Forker()
    yield started
    started.close()


@contextmanager
def fronted(sandbox: SpawnedSandbox) -> Iterator[tuple[Any, Storage]]:
    """The sandbox behind a proxy, through which a test acts at a certain call."""
    with fronting(sandbox.port) as proxy:
        urls = {name: through(proxy, sandbox, getattr(sandbox, name)) for name in ("v2_url", "v3_url", "v4_url")}
        words = {name: getattr(sandbox, name) for name in ("login_name", "password", "api_key")}
        yield SimpleNamespace(**urls, **words), proxy


def through(proxy: Storage, sandbox: SpawnedSandbox, address: str) -> str:
    return address.replace(f"127.0.0.1:{sandbox.port}", f"127.0.0.1:{proxy.port}")


def at_call(number: int, operation: bytes, act: Callable[[], object]) -> Callable[[bytes], None]:
    """For `Storage.before`: `act` with the `number`-th call of an operation, before it is passed on."""
    numbers = itertools.count(1)

    def before(data: bytes) -> None:
        if operation in data and next(numbers) == number:
            act()

    return before


@pytest.mark.parametrize("most", [8, pytest.param(20, marks=pytest.mark.soak)])
@pytest.mark.long
def test_kills_at_random_moments_cost_only_the_calls_in_flight(
    tmp_path: Path, world: World, forker: Forker, most: int
) -> None:
    rng = random.Random(4)
    with spawn(world) as sandbox, fronted(sandbox) as (front, proxy):
        kills, calls_at_kills = 0, []
        while kills < most:
            pids: queue.Queue[int] = queue.Queue()

            def kill(pids: queue.Queue[int] = pids) -> None:
                os.kill(pids.get(), signal.SIGKILL)

            if kills < 3:  # somewhere on the way to the first line: start, lists, resuming
                proxy.before = at_call(rng.randint(1, 12), b"", kill)
            else:  # somewhere between the lines
                proxy.before = at_call(rng.randint(1, 20), LINE, kill)
            pid = forker.start(front, tmp_path)
            pids.put(pid)
            if forker.wait(pid) == 0:
                break
            kills += 1
            calls_at_kills.append(line_calls(sandbox))
        proxy.before = lambda data: None
        assert forker.wait(forker.start(front, tmp_path)) == 0
        calls, api_key = line_calls(sandbox), Secret(sandbox.api_key)
    assert len({count for count in calls_at_kills if 0 < count < calls}) >= 4, "it was killed half way, and often"
    assert lake_lines(tmp_path) == true_lines(world)
    with running(front, tmp_path, api_key=api_key) as run:
        planned = run.plan(LAST_MONTH).size()
        assert pull_and_land(run).calls == 0, "all is there, without a service"
    assert planned <= calls <= planned + kills * CONCURRENCY, f"{kills} kills"


def test_a_troubled_service_gives_every_line_exactly_once(tmp_path: Path, world: World) -> None:
    trouble = Trouble(fault_rate=0.08, drop_rate=0.02, session_calls=40, seed=11)
    with spawn(world, trouble) as sandbox:
        tally = pulled(sandbox, tmp_path)
        for _ in range(5):
            if not tally.missing_calls:
                break
            tally = pulled(sandbox, tmp_path)
        assert tally.missing_calls == 0
    assert lake_lines(tmp_path) == true_lines(world)


def test_a_signal_ends_the_run_in_good_order(
    tmp_path: Path, world: World, few: list[tuple[int, int]], few_file: Path
) -> None:
    with spawn(world) as sandbox, fronting(sandbox.port) as proxy:
        status, said = signalled(*command(sandbox, proxy, tmp_path, few_file), proxy, signal.SIGTERM, call=5)
        assert status == 4, said
        assert "stopped by SIGTERM; every response so far is kept: run again" in said
        assert "have no response yet" in said
        assert "Traceback" not in said
        assert sandbox.open_sessions == 0
        pulled(sandbox, tmp_path, accounts_file=few_file)
    assert lake_lines(tmp_path) == true_lines(world, accounts=few)


@pytest.mark.long
@pytest.mark.parametrize("operation", [b"", LINE], ids=["login", "lines"])
def test_a_signal_does_not_wait_for_calls_that_hang(
    tmp_path: Path, world: World, few_file: Path, operation: bytes
) -> None:
    with spawn(world) as sandbox, fronting(sandbox.port) as proxy:
        status, said = signalled(
            *command(sandbox, proxy, tmp_path, few_file), proxy, signal.SIGINT, call=1, more=0, operation=operation
        )
    assert status == 4, said
    assert "stopped by SIGINT" in said
    assert "Traceback" not in said


def command(
    sandbox: SpawnedSandbox, proxy: Storage, data_dir: Path, accounts_file: Path
) -> tuple[list[str], dict[str, str]]:
    """`ecgrid-billing pull` through the proxy: the command and its environment."""
    environment = {
        **os.environ,
        **{name: through(proxy, sandbox, value) for name, value in sandbox.settings().items()},
        "ECGRID_ACCOUNTS": str(accounts_file),
        "ECGRID_CONCURRENCY": "2",
        "ECGRID_CALL_TIMEOUT_S": "3600",
    }
    program = [str(Path(sys.executable).parent / "ecgrid-billing"), "pull", "--month", "2026-10"]
    return [*program, "--data-dir", str(data_dir)], environment


@pytest.mark.long
def test_a_full_disk_stops_cleanly_and_the_next_run_goes_on(
    sandbox: SpawnedSandbox,
    tmp_path: Path,
    world: World,
    few: list[tuple[int, int]],
    few_file: Path,
    forker: Forker,
) -> None:
    data_dir = tmp_path / "data"
    assert forker.wait(forker.start(sandbox, data_dir, few_file, 60_000)) == StorageFailed.status == 4
    said = (tmp_path / "said").read_text()
    assert "StorageFailed" in said
    assert "the file-size limit of this process is reached: raise it and run again" in said
    assert not list((data_dir / "lake/_manifests").rglob("*.json"))
    pulled(sandbox, data_dir, accounts_file=few_file)
    assert lake_lines(data_dir) == true_lines(world, accounts=few)
    assert not [name for name in files(data_dir) if "/.half-" in name]


def answers_in(raw: Path) -> int:
    return sum(path.read_bytes().count(b"\n") for path in raw.rglob("*.jsonl"))


def test_a_disk_that_fails_behind_the_last_answers_stops_the_run(
    sandbox: SpawnedSandbox, few: list[tuple[int, int]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No call is left that could meet the failure: the answers would be waited for in vain."""
    one_account = tmp_path / "accounts.csv"
    one_account.write_text("network_id,mailbox_id\n{},{}\n".format(*few[0]), encoding="utf-8")
    real = os.fsync
    with running(sandbox, tmp_path / "data", accounts_file=one_account, concurrency=16) as run:
        size = tasks.plan(run, LAST_MONTH)
        assert size < 16

        def broken(handle: int) -> None:
            if threading.current_thread().name == "raw-log":
                until(lambda: answers_in(tmp_path / "data/raw/line_items") == size)
                raise OSError(errno.EIO, "Input/output error")
            real(handle)

        monkeypatch.setattr(os, "fsync", broken)
        with pytest.raises(StorageFailed, match="the disk failed"):
            tasks.pull(run, LAST_MONTH, size)
        monkeypatch.undo()


def test_a_data_directory_that_vanishes_stops_the_run_and_does_not_come_back_empty(
    tmp_path: Path, world: World, few: list[tuple[int, int]], few_file: Path
) -> None:
    data_dir, moved = tmp_path / "data", tmp_path / "moved"
    with spawn(world) as sandbox, fronted(sandbox) as (front, proxy):
        with running(front, data_dir, accounts_file=few_file) as run:
            run.plan(LAST_MONTH)
            proxy.before = at_call(5, LINE, lambda: data_dir.rename(moved))
            with pytest.raises(StorageFailed, match="it no longer exists"):
                pull_and_land(run)
        assert not data_dir.exists()
        moved.rename(data_dir)
        pulled(front, data_dir, accounts_file=few_file)
    assert lake_lines(data_dir) == true_lines(world, accounts=few)


@pytest.mark.parametrize("place", ["raw/line_items", "raw/accounts"])
def test_a_place_that_cannot_be_written_is_named(
    sandbox: SpawnedSandbox, tmp_path: Path, few_file: Path, place: str
) -> None:
    blocked = tmp_path / place
    blocked.parent.mkdir(parents=True)
    blocked.write_bytes(b"a file where a folder is needed")
    with pytest.raises(StorageFailed, match=f"{place}.*a file is where a folder is needed"):
        pulled(sandbox, tmp_path, accounts_file=few_file)
    blocked.unlink()
    pulled(sandbox, tmp_path, accounts_file=few_file)


@pytest.mark.long
def test_torn_raw_is_named_and_asked_again(
    sandbox: SpawnedSandbox, tmp_path: Path, world: World, few: list[tuple[int, int]], few_file: Path
) -> None:
    pulled(sandbox, tmp_path, accounts_file=few_file)
    store = LocalStore(tmp_path)
    segment = Path(store.uri(segments(store, "line_items", LAST_MONTH)[0]))
    segment.write_bytes(segment.read_bytes()[:-700])
    with running(sandbox, tmp_path, accounts_file=few_file) as run:
        assert pull_and_land(run).calls == 1
        assert any("torn or damaged; they are requested again" in warning for warning in run.reporter.warnings)
    assert lake_lines(tmp_path) == true_lines(world, accounts=few)
