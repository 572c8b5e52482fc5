"""`verify` finds every file that is not as it was written, makes anew what can be, and names what cannot."""

import json
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from ecgrid_flows.cli import app
from ecgrid_flows.errors import Incomplete

ARCHIVE = Path(__file__).parents[1] / "upgrade/1ca1074.tar.xz"
CLOSED, OPEN = "2026-09", "2026-10"

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two months, one of them closed, with a warehouse."""
    folder = tmp_path_factory.mktemp("verified") / "data"
    with tarfile.open(ARCHIVE) as archive:
        archive.extractall(folder, filter="data")
    environ = {"ECGRID_DATA_DIR": str(folder), "ECGRID_CURRENCY": "USD"}
    for command in (["build"], ["export", "--from", CLOSED, "--to", OPEN]):
        assert CliRunner().invoke(app, command, env=environ).exit_code == 0
    return folder


@pytest.fixture
def data(built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "data"
    shutil.copytree(built, folder)
    monkeypatch.setenv("ECGRID_DATA_DIR", str(folder))
    monkeypatch.setenv("ECGRID_CURRENCY", "USD")
    return folder


def verified(*arguments: str) -> tuple[int, dict[str, Any]]:
    """The exit status, and what `verify --json` gives."""
    done = CliRunner().invoke(app, ["verify", "--json", *arguments])
    status = int(done.exception.status) if isinstance(done.exception, Incomplete) else done.exit_code
    return status, json.loads(done.stdout)


def flip(path: Path) -> bytes:
    """Flip one bit in the middle; gives what was there."""
    content = path.read_bytes()
    other = bytearray(content)
    other[len(other) // 2] ^= 1
    path.write_bytes(other)
    return content


def one(pattern: str) -> Callable[[Path], Path]:
    return lambda data: sorted(data.glob(pattern))[0]


HEALED = {
    "lake": one(f"lake/line_items/month={OPEN}/*.parquet"),
    "lake of a closed month": one(f"lake/invoices/month={CLOSED}/*.parquet"),
    "export": one(f"exports/{OPEN}/finance_lines.csv"),
    "closed export": one(f"exports/{CLOSED}/journal.csv"),
    "corrections": one(f"exports/{CLOSED}/corrections/corrections.csv"),
    "closing's copy of the export": one(f"closings/{CLOSED}/*/exports/findings.csv"),
}


@pytest.mark.parametrize("what", HEALED)
@pytest.mark.parametrize("is_gone", [False, pytest.param(True, marks=pytest.mark.soak)], ids=["a bit", "gone"])
def test_files_that_can_be_rebuilt_are(data: Path, what: str, is_gone: bool) -> None:
    path = HEALED[what](data)
    content = flip(path)
    if is_gone:
        path.unlink()
    status, found = verified()
    assert (status, found["lost"]) == (0, [])
    assert any(path.name in words for words in found["healed"]), found["healed"]
    assert path.read_bytes() == content
    assert is_gone or list((data / "set-aside").rglob("*")), "what was damaged is quarantined"
    assert verified() == (0, {**found, "healed": []})


LOST = {
    "raw": one(f"raw/line_items/reporting_month={OPEN}/*.jsonl"),
    "lines as they were closed": one(f"closings/{CLOSED}/*/lines.parquet"),
    "booked correction": lambda data: sorted(data.glob(f"closings/{CLOSED}/*/lines.parquet"))[-1],
    "log of closings": one("closings/log/000001.json"),
}


@pytest.mark.parametrize("what", LOST)
def test_files_that_cannot_be_rebuilt_are_named_each_time(data: Path, what: str) -> None:
    path = LOST[what](data)
    flip(path)
    for _ in range(2):
        status, found = verified()
        assert status == 4
        assert found["lost"]
    named = f"{OPEN}: 1 responses of the raw log are damaged or missing" if what == "raw" else path.name
    assert named in found["lost"][0]


def test_a_month_is_verified_alone(data: Path) -> None:
    flip(one(f"closings/{CLOSED}/*/lines.parquet")(data))
    status, found = verified("--month", OPEN)
    assert (status, found["month"], found["lost"]) == (0, OPEN, [])
    assert verified("--month", CLOSED)[0] == 4


def test_everything_is_counted(data: Path) -> None:
    _, found = verified()
    assert found["files"] == {
        "raw": len(list(data.glob("raw/*/reporting_month=*/*.jsonl"))),
        "lake": len(list(data.glob("lake/*/month=*/*.parquet"))),
        "exports": len([path for path in data.glob("exports/**/*.*") if path.name != "manifest.json"]),
        "closings": len([path for path in data.glob("closings/**/*.*") if path.name != "head.json"]),
    }
