"""Each step with its n-th operation on the disk failing, or the power going at it, for every n; then run again.

The result is that of an undisturbed run, and a command that fails ends with a sentence. What fails and what a power
loss leaves is drawn by `tests.support.disk`. `make soak` tries all operations, `make soak SHARE=ci` one of 32,
`make test` one of each quick step.
"""

import json
import os
import random
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from ecgrid_flows.errors import ExitStatus
from ecgrid_flows.warehouse import database
from ecgrid_sandbox import Sandbox
from tests.support.forker import Forker
from tests.upgrade.make_directory import CLOSED, small_world

from .pulling import files, lake_lines

pytestmark = pytest.mark.slow

MONTH = date(2026, 9, 1)
DONE = (ExitStatus.CLEAN, ExitStatus.FINDINGS)
#: In how many tests all operations of a step are tried, and which of them SHARE=ci tries; `make soak` tries all.
PARTS = 32
TRIED_PARTS = range(PARTS) if "HYPOTHESIS_SEARCH" in os.environ else (7,)


class Place:
    """Data directories of a small world, each made when first needed, and commands over copies of them."""

    def __init__(self, top: Path) -> None:
        self.top = top
        self.forker = Forker()
        self._sandbox: Sandbox | None = None
        self._environ = {"ECGRID_CURRENCY": "USD", "CHANGES_FILE": str(top / "changes"), "LOGNAME": "accounts-payable"}

    def close(self) -> None:
        self.forker.close()
        if self._sandbox is not None:
            self._sandbox.__exit__(None, None, None)

    @property
    def sandbox(self) -> Sandbox:
        if self._sandbox is None:
            self._sandbox = Sandbox(small_world()).__enter__()
            self._environ |= self._sandbox.settings() | {"ECGRID_API_KEY": self._sandbox.api_key}
        return self._sandbox

    def command(self, data_dir: Path, *words: str, **disk: Any) -> tuple[int, str]:
        """The status of a command and what it writes to stderr."""
        status = self.forker.command([*words, "--data-dir", str(data_dir)], self._environ, **disk)
        return status, (self.top / "changes.err").read_text(encoding="utf-8", errors="replace")

    def operations(self) -> int:
        """How many operations the last command made."""
        return int((self.top / "changes").read_text())

    def done(self, data_dir: Path, *words: str) -> None:
        status, said = self.command(data_dir, *words)
        assert status in DONE, said

    def copy(self, name: str, target: Path) -> Path:
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(self.base(name), target)
        return target

    def base(self, name: str) -> Path:
        """A data directory in a state, which is the name of a `_make_` method."""
        place = self.top / name
        if not place.exists():
            getattr(self, f"_make_{name}")(place)
        return place

    def _make_empty(self, place: Path) -> None:
        place.mkdir()

    def _make_pulled(self, place: Path) -> None:
        assert self.sandbox
        self.done(self.copy("empty", place), "pull", "--month", CLOSED)

    def _make_built(self, place: Path) -> None:
        self.done(self.copy("pulled", place), "build")

    def _make_decided(self, place: Path) -> None:
        self.copy("built", place)
        self.done(place, "findings", "set", *errors(place), "accepted", "--note", "as billed")

    def _make_exported(self, place: Path) -> None:
        """With a form for spreadsheets, which each later export keeps up."""
        self.done(self.copy("decided", place), "export", "--month", CLOSED, "--csv-locale", "de-DE")

    def _make_closed(self, place: Path) -> None:
        self.done(self.copy("exported", place), "close", CLOSED)

    def _make_restated(self, place: Path) -> None:
        self.copy("closed", place)
        self.sandbox.restate()
        self.done(place, "pull", "--month", CLOSED, "--refresh")
        self.done(place, "build")


def errors(data_dir: Path) -> list[str]:
    with closing(database.connect(data_dir / "warehouse/billing.duckdb")) as connection:
        rows = connection.execute("SELECT finding_id FROM out_finding_ids WHERE severity = 'error'").fetchall()
    return [str(finding) for (finding,) in rows]


def lines(data_dir: Path) -> Any:
    return lake_lines(data_dir, MONTH)


def exports(data_dir: Path) -> Any:
    """The files by name; what is hidden is a leftover, which the next writer removes."""
    found = files(data_dir / "exports")
    return {name: body for name, body in found.items() if not any(part.startswith(".") for part in name.split("/"))}


def closings(data_dir: Path) -> Any:
    """The files kept by closings, and the kinds of decisions: their entries have times."""
    kept = {name: body for name, body in files(data_dir / "closings").items() if name.startswith(CLOSED)}
    return kept, decisions(data_dir), exports(data_dir)


def decisions(data_dir: Path) -> Any:
    return [json.loads(body)["kind"] for _, body in sorted(files(data_dir / "closings/log").items())]


@dataclass(frozen=True)
class Step:
    """A command over a state, and what of its result is compared with that of an undisturbed run.

    `is_done` is in what a repeated command writes where the first one took effect.
    """

    name: str
    base: str
    words: tuple[str, ...]
    result: Callable[[Path], Any]
    is_done: str = "no such words"


EXPORT = ("export", "--month", CLOSED)
ACCEPT = ("findings", "set", "--check", "rate_mismatch", "--month", CLOSED, "accepted", "--note", "as billed")
#: Tried everywhere.
QUICK = (
    Step("set", "built", ACCEPT, decisions, "no finding"),
    Step("close", "decided", ("close", CLOSED), closings, "is closed, since"),
)
SLOW = (
    Step("first export", "decided", (*EXPORT, "--csv-locale", "de-DE"), exports),
    Step("export again", "exported", EXPORT, exports),
    Step("close again", "exported", ("close", CLOSED), closings, "is closed, since"),
    Step("pull", "empty", ("pull", "--month", CLOSED), lines),
    Step("book", "restated", ("corrections", CLOSED, "--book", "--note", "x"), closings, "no corrections"),
)
TRIED = (*QUICK, *(pytest.param(step, marks=pytest.mark.soak) for step in SLOW))


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    made = Place(tmp_path_factory.mktemp("failing"))
    yield made
    made.close()


@pytest.fixture(params=[None, *(pytest.param(part, marks=pytest.mark.soak) for part in TRIED_PARTS)])
def part(request: pytest.FixtureRequest) -> int | None:
    """Which of `PARTS` parts of all operations is tried; one operation where it is None."""
    found: int | None = request.param
    return found


def chosen(count: int, part: int | None, seed: str) -> Iterable[int]:
    """Numbers of operations, from 1 to `count`."""
    return [random.Random(seed).randint(1, count)] if part is None else range(1 + part, count + 1, PARTS)


def check_again(place: Place, step: Step, data_dir: Path, right: Any, at: int) -> None:
    """The command once more, which ends as the first one should have."""
    status, said = place.command(data_dir, *step.words)
    assert status in DONE or step.is_done in said, f"{at}: {said}"
    assert "Traceback" not in said, at
    assert differing(step.result(data_dir), right) == [], at


def differing(one: Any, other: Any) -> list[Any]:
    """Where two results differ, by names alone: pytest would compare files line by line for minutes."""
    if isinstance(one, tuple):
        return [name for each in zip(one, other, strict=True) for name in differing(*each)]
    if isinstance(one, dict):
        return sorted(name for name in one.keys() | other.keys() if one.get(name) != other.get(name))
    return [] if one == other else [one, other]


@pytest.mark.parametrize("step", TRIED, ids=lambda step: step.name.replace(" ", "_"))
def test_an_operation_that_fails(place: Place, step: Step, part: int | None, tmp_path: Path) -> None:
    """Once, or from then on; by a broken disk, or by a full one."""
    data_dir = place.copy(step.base, tmp_path / "data")
    assert place.command(data_dir, *step.words, reads=True)[0] in DONE
    right = step.result(data_dir)
    for at in chosen(place.operations(), part, f"fail {step.name}"):
        place.copy(step.base, data_dir)
        code, what = ("EIO", "ENOSPC")[at % 2], ("fail", "fail on")[at // 2 % 2]
        status, said = place.command(data_dir, *step.words, what=what, at=at, code=code, reads=True)
        assert status in (*DONE, ExitStatus.INCOMPLETE), f"{at}: {said}"
        assert "Traceback" not in said, f"{at}: {said}"
        check_again(place, step, data_dir, right, at)


@pytest.mark.parametrize("step", TRIED, ids=lambda step: step.name.replace(" ", "_"))
def test_a_power_loss(place: Place, step: Step, part: int | None, tmp_path: Path) -> None:
    """At an operation, or after the command ended: what it reported as done is durable."""
    data_dir = place.copy(step.base, tmp_path / "data")
    assert place.command(data_dir, *step.words)[0] in DONE
    count, right = place.operations(), step.result(data_dir)
    for at in chosen(count + 1, part, f"power {step.name}"):
        place.copy(step.base, data_dir)
        status, said = place.command(data_dir, *step.words, what="power", at=at, seed=at)
        assert status in (-9, *(DONE if at > count else ())), said
        shutil.rmtree(data_dir)
        data_dir.with_name("data.after").rename(data_dir)
        if at > count:
            assert differing(step.result(data_dir), right) == [], "it had ended"
        check_again(place, step, data_dir, right, at)
