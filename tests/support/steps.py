"""Steps of a month over data directories in known states, to be disturbed at every point and then repeated.

A `Step` is a command over a state. A `Place` makes the states, each when first needed, and runs commands over a copy.
Who disturbs it (a disk, a bucket) compares the step's result with that of an undisturbed run.
"""

import json
import os
import random
import shutil
from collections.abc import Callable, Iterable
from contextlib import closing
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from ecgrid_flows.errors import ExitStatus
from ecgrid_flows.storage.base import Store
from ecgrid_flows.storage.local import LocalStore
from ecgrid_flows.warehouse import database
from ecgrid_sandbox import Sandbox
from tests.pull.pulling import lines_of
from tests.support.forker import Forker
from tests.upgrade.make_directory import CLOSED, small_world

MONTH = date(2026, 9, 1)
DONE = (ExitStatus.CLEAN, ExitStatus.FINDINGS)
INVOICE = "invoice_number,invoice_date,currency,total_amount\nPAPER-1,2026-10-01,USD,1234.50\n"


class Place:
    """A data directory of a small world, in one of several states; here in a folder."""

    def __init__(self, top: Path) -> None:
        self.top = top
        self.folder = top / "data"
        self.address = str(self.folder)
        self.forker = Forker()
        self.environ = {"ECGRID_CURRENCY": "USD", "CHANGES_FILE": str(top / "changes"), "LOGNAME": "accounts-payable"}
        (top / "invoice.csv").write_text(INVOICE)
        self._saved: set[str] = set()
        self._sandbox: Sandbox | None = None

    def close(self) -> None:
        self.forker.close()
        if self._sandbox is not None:
            self._sandbox.__exit__(None, None, None)

    @property
    def sandbox(self) -> Sandbox:
        if self._sandbox is None:
            self._sandbox = Sandbox(small_world()).__enter__()
            self.environ |= self._sandbox.settings() | {"ECGRID_API_KEY": self._sandbox.api_key}
        return self._sandbox

    @property
    def store(self) -> Store:
        return LocalStore(self.folder)

    @property
    def warehouse(self) -> Path:
        return self.folder / "warehouse/billing.duckdb"

    def command(self, *words: str, **disk: Any) -> tuple[int, str]:
        """The status of a command and what it writes to stderr."""
        given = [str(self.top / "invoice.csv") if word == "INVOICE" else word for word in words]
        status = self.forker.command([*given, "--data-dir", self.address], self.environ, **disk)
        return status, (self.top / "changes.err").read_text(encoding="utf-8", errors="replace")

    def done(self, *words: str) -> None:
        status, said = self.command(*words)
        assert status in DONE, said

    # --- states -------------------------------------------------------------------------------------------------------

    def begin(self, name: str) -> None:
        """The data directory is in a state, which is the name of a `_make_` method."""
        if name in self._saved:
            self.load(name)
            return
        getattr(self, f"_make_{name}")()
        self.save(name)
        self._saved.add(name)

    def save(self, name: str) -> None:
        shutil.copytree(self.folder, self.top / name)

    def load(self, name: str) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)
        shutil.copytree(self.top / name, self.folder)

    def clear(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir()

    def _make_empty(self) -> None:
        self.clear()

    def _make_pulled(self) -> None:
        assert self.sandbox
        self.begin("empty")
        self.done("pull", "--month", CLOSED)

    def _make_built(self) -> None:
        self.begin("pulled")
        self.done("build")

    def _make_decided(self) -> None:
        self.begin("built")
        self.done("findings", "set", *self.errors(), "accepted", "--note", "as billed")

    def _make_exported(self) -> None:
        """With a form for spreadsheets, which each later export keeps up."""
        self.begin("decided")
        self.done("export", "--month", CLOSED, "--csv-locale", "de-DE")

    def _make_closed(self) -> None:
        self.begin("exported")
        self.done("close", CLOSED)

    def _make_restated(self) -> None:
        self.begin("closed")
        self.sandbox.restate()
        self.done("pull", "--month", CLOSED, "--refresh")
        self.done("build")

    # --- results ------------------------------------------------------------------------------------------------------

    def errors(self) -> list[str]:
        with closing(database.connect(self.warehouse)) as connection:
            rows = connection.execute("SELECT finding_id FROM out_finding_ids WHERE severity = 'error'").fetchall()
        return [str(finding) for (finding,) in rows]

    def contents(self, folder: str) -> dict[str, bytes]:
        """The files by name; what is hidden is a leftover, which the next writer removes."""
        store = self.store
        return {entry.path: store.read(entry.path) for entry in store.entries(folder)}


def lines(place: Place) -> Any:
    return lines_of(place.store, MONTH)


def exports(place: Place) -> Any:
    return place.contents("exports")


def closings(place: Place) -> Any:
    """The files kept by closings, and the kinds of decisions: their entries have times."""
    return place.contents(f"closings/{CLOSED}"), decisions(place), exports(place)


def decisions(place: Place) -> Any:
    return [json.loads(body)["kind"] for _, body in sorted(place.contents("closings/log").items())]


def invoices(place: Place) -> Any:
    """The invoices of the warehouse, and the imported files that raw keeps."""
    with closing(database.connect(place.warehouse)) as connection:
        rows = connection.execute("SELECT source, invoice_number, total_amount FROM raw_invoices ORDER BY ALL")
        return rows.fetchall(), sorted(map(bytes, place.contents("raw/imported").values()))


@dataclass(frozen=True)
class Step:
    """A command over a state, and what of its result is compared with that of an undisturbed run.

    `is_done` is in what a repeated command writes where the first one took effect.
    """

    name: str
    base: str
    words: tuple[str, ...]
    result: Callable[[Place], Any]
    is_done: str = "no such words"

    def again(self, place: Place, right: Any, at: int) -> None:
        """The command once more, which ends as the first one should have."""
        status, said = place.command(*self.words)
        assert status in DONE or self.is_done in said, f"{at}: {said}"
        assert "Traceback" not in said, at
        assert differing(self.result(place), right) == [], at


EXPORT = ("export", "--month", CLOSED)
ACCEPT = ("findings", "set", "--check", "rate_mismatch", "--month", CLOSED, "accepted", "--note", "as billed")
SET = Step("set", "built", ACCEPT, decisions, "no finding")
CLOSE = Step("close", "decided", ("close", CLOSED), closings, "is closed, since")
FIRST_EXPORT = Step("first export", "decided", (*EXPORT, "--csv-locale", "de-DE"), exports)
EXPORT_AGAIN = Step("export again", "exported", EXPORT, exports)
CLOSE_AGAIN = Step("close again", "exported", ("close", CLOSED), closings, "is closed, since")
PULL = Step("pull", "empty", ("pull", "--month", CLOSED), lines)
BOOK = Step("book", "restated", ("corrections", CLOSED, "--book", "--note", "x"), closings, "no corrections")
BUILD = Step("build", "pulled", ("build",), lines)
IMPORT = Step("import", "built", ("invoice", "import", "INVOICE", "--contract", "8751", "--month", CLOSED), invoices)


#: In how many tests all points of a step are disturbed, and which of them SHARE=ci runs; `make soak` runs all.
_PARTS = 32
_RUN_PARTS = range(_PARTS) if "HYPOTHESIS_SEARCH" in os.environ else (7,)
#: A test over parts of a step's points; None is one point.
in_parts = pytest.mark.parametrize("part", [None, *(pytest.param(part, marks=pytest.mark.soak) for part in _RUN_PARTS)])


def chosen(count: int, part: int | None, seed: str) -> Iterable[int]:
    """Numbers from 1 to `count`: one by seed, or those of a part."""
    return [random.Random(seed).randint(1, count)] if part is None else range(1 + part, count + 1, _PARTS)


def differing(one: Any, other: Any) -> list[Any]:
    """Where two results differ, by names alone: pytest would compare files line by line for minutes."""
    if isinstance(one, tuple):
        return [name for each in zip(one, other, strict=True) for name in differing(*each)]
    if isinstance(one, dict):
        return sorted(name for name in one.keys() | other.keys() if one.get(name) != other.get(name))
    return [] if one == other else [one, other]
