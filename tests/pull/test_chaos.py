"""A pull in a hostile world: killed, stopped, faulted, its disk full or gone. No line is lost, none comes twice."""

import errno
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from forker import CONCURRENCY, Forker
from pulling import LAST_MONTH, MONTH, files, lake_lines, line_calls, pull_and_land, pulled, running, true_lines

from ecgrid_flows import tasks
from ecgrid_flows.errors import StorageFailed
from ecgrid_flows.journal import segments
from ecgrid_flows.settings import Secret
from ecgrid_flows.store import LocalStore
from ecgrid_sandbox import SpawnedSandbox, Trouble, World, spawn

pytestmark = pytest.mark.slow

KILLS = 20


@pytest.fixture(scope="module")
def forker() -> Iterator[Forker]:
    started = Forker()
    yield started
    started.close()


def test_kills_at_random_moments_cost_only_the_calls_in_flight(tmp_path: Path, world: World, forker: Forker) -> None:
    rng = random.Random(4)
    with spawn(world, latency_ms=8) as sandbox:
        kills, calls_at_kills = 0, []
        while kills < KILLS:
            pid, begin = forker.start(sandbox, tmp_path), time.monotonic()
            if kills < 3:  # somewhere on the way to the first line: start, lists, reports, resuming
                time.sleep(rng.uniform(0.0, 0.8))
            else:  # somewhere between the lines
                goal = line_calls(sandbox) + rng.randint(1, 20)
                while line_calls(sandbox) < goal and time.monotonic() - begin < 20:
                    time.sleep(rng.uniform(0.001, 0.01))
            os.kill(pid, signal.SIGKILL)
            if forker.wait(pid) == 0:
                break
            kills += 1
            calls_at_kills.append(line_calls(sandbox))
        assert forker.wait(forker.start(sandbox, tmp_path)) == 0
        calls, api_key = line_calls(sandbox), Secret(sandbox.api_key)
    assert len({count for count in calls_at_kills if 0 < count < calls}) >= 4, "it was killed half way, and often"
    assert lake_lines(tmp_path) == true_lines(world)
    with running(sandbox, tmp_path, api_key=api_key) as run:
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
    with spawn(world, latency_ms=100) as sandbox:
        process = command(sandbox, tmp_path, few_file)
        wait_for(lambda: segments(LocalStore(tmp_path), "line_items", LAST_MONTH))
        began = time.monotonic()
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=90)
        assert process.returncode == 4, said
        assert time.monotonic() - began < 10
        assert "stopped by SIGTERM; every answer so far is kept: run again" in said
        assert "have no answer yet" in said
        assert "Traceback" not in said
        assert sandbox.open_sessions == 0
        pulled(sandbox, tmp_path, accounts_file=few_file)
    assert lake_lines(tmp_path) == true_lines(world, accounts=few)


def test_a_signal_does_not_wait_for_calls_that_hang(tmp_path: Path, world: World, few_file: Path) -> None:
    with spawn(world, latency_ms=60_000) as sandbox:
        process = command(sandbox, tmp_path, few_file)
        wait_for(lambda: (tmp_path / ".lock").is_file() and (tmp_path / ".lock").read_text())
        time.sleep(1)
        began = time.monotonic()
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=90)
        assert process.returncode == 4, said
        assert time.monotonic() - began < 10
        assert "stopped by SIGINT" in said
        assert "Traceback" not in said


def command(sandbox: SpawnedSandbox, data_dir: Path, accounts_file: Path) -> "subprocess.Popen[str]":
    """`ecgrid-billing pull` in a process of its own."""
    environment = {
        **os.environ,
        **sandbox.settings(),
        "ECGRID_ACCOUNTS": str(accounts_file),
        "ECGRID_CONCURRENCY": "2",
    }
    program = [str(Path(sys.executable).parent / "ecgrid-billing"), "pull", "--month", "2026-10"]
    return subprocess.Popen(
        [*program, "--data-dir", str(data_dir)],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_for(condition: Any, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it never came"
        time.sleep(0.02)


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


def test_a_disk_that_fails_behind_the_last_answers_stops_the_run(
    sandbox: SpawnedSandbox, few: list[tuple[int, int]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No call is left that could meet the failure: the answers would be waited for in vain, until a timer ends it."""
    one_account = tmp_path / "accounts.csv"
    one_account.write_text("network_id,mailbox_id\n{},{}\n".format(*few[0]), encoding="utf-8")
    real = os.fsync
    with running(sandbox, tmp_path / "data", accounts_file=one_account, concurrency=16) as run:
        asked_before, size = line_calls(sandbox), tasks.plan(MONTH)
        assert size < 16
        rescue = threading.Timer(20, run.stop, ["nobody heard of the failure"])

        def broken(handle: int) -> None:
            if threading.current_thread().name == "journal":
                wait_for(lambda: line_calls(sandbox) == asked_before + size)
                time.sleep(0.3)  # so that all are recorded
                rescue.start()
                raise OSError(errno.EIO, "Input/output error")
            real(handle)

        monkeypatch.setattr(os, "fsync", broken)
        with pytest.raises(StorageFailed, match="the disk failed"):
            tasks.pull(MONTH, size)
        rescue.cancel()
        monkeypatch.undo()


def test_a_data_directory_that_vanishes_stops_the_run_and_does_not_come_back_empty(
    tmp_path: Path, world: World, few: list[tuple[int, int]], few_file: Path
) -> None:
    data_dir, moved = tmp_path / "data", tmp_path / "moved"
    with spawn(world, latency_ms=40) as sandbox:
        with running(sandbox, data_dir, accounts_file=few_file) as run:
            run.plan(LAST_MONTH)
            threading.Timer(0.2, data_dir.rename, [moved]).start()
            with pytest.raises(StorageFailed, match="it is gone"):
                pull_and_land(run)
        assert not data_dir.exists()
        moved.rename(data_dir)
        pulled(sandbox, data_dir, accounts_file=few_file)
    assert lake_lines(data_dir) == true_lines(world, accounts=few)


@pytest.mark.parametrize("place", ["raw/line_items", "raw/accounts"])
def test_a_place_that_cannot_be_written_is_named(
    sandbox: SpawnedSandbox, tmp_path: Path, few_file: Path, place: str
) -> None:
    blocked = tmp_path / place
    blocked.parent.mkdir(parents=True)
    blocked.write_bytes(b"a file where a folder is needed")
    with pytest.raises(StorageFailed, match=f"{place}.*a file stands where a folder is needed"):
        pulled(sandbox, tmp_path, accounts_file=few_file)
    blocked.unlink()
    pulled(sandbox, tmp_path, accounts_file=few_file)


def test_torn_raw_is_named_and_asked_again(
    sandbox: SpawnedSandbox, tmp_path: Path, world: World, few: list[tuple[int, int]], few_file: Path
) -> None:
    pulled(sandbox, tmp_path, accounts_file=few_file)
    store = LocalStore(tmp_path)
    segment = Path(store.uri(segments(store, "line_items", LAST_MONTH)[0]))
    segment.write_bytes(segment.read_bytes()[:-700])
    with running(sandbox, tmp_path, accounts_file=few_file) as run:
        assert pull_and_land(run).calls == 1
        assert any("torn or damaged; they are asked again" in warning for warning in run.reporter.warnings)
    assert lake_lines(tmp_path) == true_lines(world, accounts=few)
