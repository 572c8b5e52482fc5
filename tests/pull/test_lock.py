"""One run per data directory: named holder, no stale lock, one winner of a race."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ecgrid_flows.cli import app
from ecgrid_flows.errors import DataDirectoryHeld, ExitStatus
from ecgrid_flows.storage.base import LOCK_FILE
from ecgrid_flows.storage.local import LocalStore

#: Says when it is ready, tries the lock when told to, and holds it until its stdin ends.
HOLD = """
import sys
from ecgrid_flows.storage.local import LocalStore
from ecgrid_flows.errors import DataDirectoryHeld
store = LocalStore(sys.argv[1])
print("ready", flush=True)
sys.stdin.readline()
try:
    with store.lock("run"):
        print("held", flush=True)
        sys.stdin.read()
except DataDirectoryHeld:
    print("refused", flush=True)
"""


class Holder:
    """A process that takes the lock when told to."""

    def __init__(self, folder: Path) -> None:
        command = [sys.executable, "-c", HOLD, str(folder)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def said(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def go(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write("go\n")
        self.process.stdin.flush()

    def end(self) -> None:
        self.process.kill()
        self.process.communicate()


@pytest.fixture
def holders(tmp_path: Path) -> Iterator[Callable[[int], list[Holder]]]:
    """Starts processes and waits until they are ready; ends them after the test."""
    started: list[Holder] = []

    def start(count: int) -> list[Holder]:
        started.extend(Holder(tmp_path) for _ in range(count))
        assert {one.said() for one in started} == {"ready"}
        return started

    yield start
    for one in started:
        one.end()


def test_the_second_process_is_refused_with_the_holder(tmp_path: Path, holders: Callable[[int], list[Holder]]) -> None:
    (first,) = holders(1)
    first.go()
    assert first.said() == "held"
    with pytest.raises(DataDirectoryHeld) as refused, LocalStore(tmp_path).lock("run"):
        pass
    assert refused.value.status == ExitStatus.HELD == 5
    assert f"`run`, process {first.process.pid} on " in str(refused.value)


def test_a_killed_holder_leaves_no_stale_lock(tmp_path: Path, holders: Callable[[int], list[Holder]]) -> None:
    (first,) = holders(1)
    first.go()
    assert first.said() == "held"
    first.end()
    assert (tmp_path / LOCK_FILE).read_text(), "it still names the dead"
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw/.half-0011").write_bytes(b"torn")
    with LocalStore(tmp_path).lock("run"):
        assert not (tmp_path / "raw/.half-0011").exists()
    assert (tmp_path / LOCK_FILE).read_text() == ""


def test_of_many_that_race_one_wins(holders: Callable[[int], list[Holder]]) -> None:
    racers = holders(6)
    for racer in racers:
        racer.go()
    assert sorted(racer.said() for racer in racers) == ["held"] + ["refused"] * 5


def test_a_lock_given_back_can_be_taken_again(tmp_path: Path) -> None:
    for _ in range(2):
        with LocalStore(tmp_path).lock("run"):
            pass


@pytest.mark.parametrize(
    "words",
    [
        *(["run", "--month", "2026-10"], ["pull", "--month", "2026-10"], ["accounts", "--month", "2026-10"], ["build"]),
        *(["verify"], ["export", "--month", "2026-10"], ["report", "--month", "2026-10"], ["close", "2026-10"]),
        *(["reopen", "2026-10", "--why", "x"], ["corrections", "2026-10"]),
        ["findings", "set", "f00000000000", "accepted", "--note", "x"],
    ],
    ids=lambda words: " ".join(words[:2]),
)
def test_every_command_that_writes_waits_for_nobody(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ECGRID_API_KEY", "0123-key")
    with LocalStore(tmp_path).lock("run"):
        before = sorted(tmp_path.rglob("*"))
        done = CliRunner().invoke(app, [*words, "--data-dir", str(tmp_path)])
        assert isinstance(done.exception, DataDirectoryHeld), (done.output, done.exception)
        assert done.exception.status == 5
        assert sorted(tmp_path.rglob("*")) == before
