"""A disk that is full, in every step: a small tmpfs as data directory. And warehouse files that cannot be read."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import duckdb
import nbformat
import pytest

from ecgrid_flows.cli import main
from ecgrid_flows.errors import StorageFailed
from ecgrid_flows.finance import export_files
from ecgrid_flows.settings import Settings
from ecgrid_flows.storage.local import LocalStore
from ecgrid_flows.warehouse import database
from ecgrid_sandbox import SpawnedSandbox

from .pulling import MONTH, files, lake_lines, pulled

PAGE = 4096
LARGE = 64 << 20
Ended = tuple[int, str]
Billing = Callable[..., Ended]


class Disk:
    """A file system of its own, whose size can be changed."""

    def __init__(self, place: Path) -> None:
        place.mkdir()
        self.place = place
        self.data_dir = place / "data"
        self._mount("-t", "tmpfs", "-o", f"size={LARGE},mode=700", "tmpfs")

    def _mount(self, *words: str) -> None:
        subprocess.run(["mount", *words, str(self.place)], check=True, capture_output=True)

    def leave(self, free: int) -> None:
        """Let so many bytes be free."""
        state = os.statvfs(self.place)
        used = (state.f_blocks - state.f_bfree) * state.f_frsize
        self._mount("-o", f"remount,size={-(-(used + free) // PAGE) * PAGE}")

    def grow(self) -> None:
        self._mount("-o", f"remount,size={LARGE}")

    def end(self) -> None:
        subprocess.run(["umount", "--lazy", str(self.place)], check=True)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    if os.geteuid() != 0 or not shutil.which("mount"):
        pytest.skip("only root can mount a small file system")
    try:
        made = Disk(tmp_path / "disk")
    except subprocess.CalledProcessError as error:
        pytest.skip(f"no small file system can be mounted here: {error.stderr.decode().strip()}")
    yield made
    made.end()


@pytest.fixture
def billing(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Billing:
    """`billing("build", …)`: the command's status, and what it writes to stderr."""

    def run(*words: str) -> Ended:
        monkeypatch.setattr(sys, "argv", ["ecgrid-billing", *words])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        return int(ended.value.code or 0), capsys.readouterr().err

    return run


@pytest.fixture(scope="module")
def whole(sandbox: SpawnedSandbox, few_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory whose month is pulled, landed and built, on a disk with room."""
    data_dir = tmp_path_factory.mktemp("whole") / "data"
    pulled(sandbox, data_dir, accounts_file=few_file)
    before = sys.argv
    sys.argv = ["ecgrid-billing", "build", "--data-dir", str(data_dir)]
    try:
        with pytest.raises(SystemExit) as ended:
            main()
    finally:
        sys.argv = before
    assert not ended.value.code
    return data_dir


def require_full(ended: Ended, where: str) -> None:
    status, words = ended
    assert status == 4
    assert "the disk is full" in words
    assert where in words
    assert "Traceback" not in words


@pytest.mark.parametrize(
    ("error", "lacks"), [(MemoryError(), "memory"), (RuntimeError("can't start new thread"), "threads")]
)
def test_want_of_memory_or_threads_is_a_sentence(
    billing: Billing, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, lacks: str
) -> None:
    def lacking(_: LocalStore) -> None:
        raise error

    monkeypatch.setattr(LocalStore, "prepare", lacking)
    status, words = billing("verify", "--data-dir", str(tmp_path))
    assert status == 4
    assert f"out of {lacks}: allow this process more" in words
    assert "Traceback" not in words


def contents(data_dir: Path, *folders: str) -> dict[str, bytes]:
    return {name: body for name, body in files(data_dir).items() if name.startswith(folders)}


def differing(one: dict[str, bytes], other: dict[str, bytes]) -> list[str]:
    """Names alone: pytest would compare the files' text line by line for minutes."""
    return sorted(name for name in one.keys() | other.keys() if one.get(name) != other.get(name))


def findings(data_dir: Path) -> list[tuple[object, ...]]:
    with closing(database.connect(data_dir / "warehouse/billing.duckdb")) as connection:
        return connection.execute("FROM out_finding_ids ORDER BY ALL").fetchall()


@pytest.mark.long
def test_a_pull_onto_a_full_disk_keeps_what_it_has(
    disk: Disk, sandbox: SpawnedSandbox, whole: Path, few_file: Path
) -> None:
    disk.leave(400_000)
    with pytest.raises(StorageFailed, match=rf"{disk.data_dir}/raw/.*the disk is full"):
        pulled(sandbox, disk.data_dir, accounts_file=few_file)
    disk.grow()
    pulled(sandbox, disk.data_dir, accounts_file=few_file)
    assert lake_lines(disk.data_dir) == lake_lines(whole)


@pytest.mark.soak
def test_landing_build_and_checkpoint_on_a_full_disk(disk: Disk, whole: Path, billing: Billing) -> None:
    shutil.copytree(whole / "raw", disk.data_dir / "raw")
    command = ("build", "--data-dir", str(disk.data_dir))
    disk.leave(40_000)
    require_full(billing(*command), f"{disk.data_dir}/lake/")
    disk.grow()
    shutil.rmtree(disk.data_dir / "lake")
    shutil.copytree(whole / "lake", disk.data_dir / "lake")
    size = (whole / "warehouse/billing.duckdb").stat().st_size
    for free in (300_000, size - 200_000):
        disk.leave(free)
        require_full(billing(*command), ": the disk is full")
        assert not list(disk.data_dir.glob("warehouse/*"))
    disk.grow()
    assert billing(*command)[0] == 0
    assert differing(contents(disk.data_dir, "lake/line_items"), contents(whole, "lake/line_items")) == []
    assert findings(disk.data_dir) == findings(whole)


@pytest.mark.soak
def test_what_follows_a_build_on_a_full_disk(
    disk: Disk, whole: Path, tmp_path: Path, billing: Billing, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Export, report and `findings set`: what was there stays, and with room each does its work."""
    monkeypatch.setenv("ECGRID_CURRENCY", "USD")
    page = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell("A page.")])
    monkeypatch.setattr("ecgrid_flows.reporting.report.execute", lambda *_, **__: page)
    here, there = ("--data-dir", str(disk.data_dir)), ("--data-dir", str(tmp_path / "data"))
    shutil.copytree(whole, tmp_path / "data")
    shutil.copytree(whole, disk.data_dir)
    assert billing("export", "--month", MONTH, *there)[0] == 0
    errors = [str(one) for one in _errors(whole)]
    exported = f"exports/{MONTH}/"

    decided = ("closings/log", "closings/head.json")

    def tried(where: str, free: int, *words: str, kept: tuple[str, ...] = ("exports", "reports", *decided)) -> None:
        before = contents(disk.data_dir, *kept)
        disk.leave(free)
        require_full(billing(*words, *here), where)
        assert differing(contents(disk.data_dir, *kept), before) == []
        disk.grow()

    tried("exports/", 5 * PAGE, "export", "--month", MONTH)
    assert billing("export", "--month", MONTH, *here)[0] == 0
    made, undisturbed = contents(disk.data_dir, exported), contents(tmp_path / "data", exported)
    own = {f"{exported}{name}" for name in ("manifest.json", "focus_1_2.csv", "focus_1_2.parquet")}  # name their run
    assert made.keys() == undisturbed.keys()
    assert [name for name in differing(made, undisturbed) if name not in own] == []
    tried("reports/", 5 * PAGE, "report", "--month", MONTH)
    assert billing("report", "--month", MONTH, *here)[0] == 0
    accepting = ("findings", "set", *errors, "accepted", "--note", "paid as billed")
    tried("closings/", 2 * PAGE, *accepting)
    assert billing(*accepting, *here)[0] == 0
    tried("exports/", 5 * PAGE, "close", MONTH, kept=decided)
    assert billing("close", MONTH, *here)[0] == 0
    assert billing("close", "--verify", MONTH, *here)[0] == 0


def _errors(data_dir: Path) -> list[object]:
    with closing(database.connect(data_dir / "warehouse/billing.duckdb")) as connection:
        found = connection.execute("SELECT finding_id FROM out_finding_ids WHERE severity = 'error' ORDER BY ALL")
        return [finding_id for (finding_id,) in found.fetchall()]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
def test_the_warehouse_opens_again_after_a_file_that_did_not_fit(whole: Path) -> None:
    """DuckDB waits in `connect` for a connection that a reader, kept alive by the traceback, holds open."""
    settings = Settings(data_dir=str(whole))
    kept: list[StorageFailed] = []
    for _ in range(2):
        with export_files.opened(settings) as connection:
            with pytest.raises(StorageFailed, match="the disk is full") as failed:
                export_files.write_parquet(connection.table("out_finance_lines"), Path("/dev/full"))
            kept.append(failed.value)
    assert len(kept) == 2


COMMANDS = [
    ["findings"],
    ["explain", "1", "0", MONTH, "TrafficAll", "TotalKCs"],
    ["compare"],
    ["export"],
    ["report"],
    ["close", MONTH],
    ["findings", "set", "f00000000000", "accepted", "--note", "x"],
]


@pytest.mark.parametrize("words", COMMANDS, ids=lambda words: " ".join(words[:2]))
def test_a_warehouse_that_cannot_be_read_is_one_sentence(
    words: list[str], tmp_path: Path, billing: Billing, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Foreign, cut off, damaged within, of another release, and held by a program that writes."""
    monkeypatch.setenv("ECGRID_CURRENCY", "USD")
    path = tmp_path / "data/warehouse/billing.duckdb"
    path.parent.mkdir(parents=True)
    month = [] if MONTH in words or words[:2] == ["findings", "set"] else ["--month", MONTH]
    command = [*words, *month, "--data-dir", str(tmp_path / "data")]

    def require(sentence: str, wanted: int = 4) -> None:
        status, said = billing(*command)
        assert status == wanted, said
        assert sentence in said
        assert "Traceback" not in said

    path.write_text("not a database")
    require("is damaged or no DuckDB file")
    path.unlink()
    with closing(duckdb.connect(str(path))) as older:
        older.execute("CREATE TABLE raw_calls AS SELECT DATE '2026-10-01' AS reporting_month")
    require("was built by another version and lacks what this one reads", 2)
    data = bytearray(path.read_bytes())
    path.write_bytes(data[: len(data) // 2])
    require("is damaged or no DuckDB file")
    data[4200] ^= 1  # within the header that DuckDB checks
    data[8300] ^= 1
    path.write_bytes(data)
    require("is damaged or no DuckDB file")
    path.unlink()
    hold = f"import duckdb, sys; c = duckdb.connect({str(path)!r}); print(1, flush=True); sys.stdin.read()"
    holder = subprocess.Popen([sys.executable, "-c", hold], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert holder.stdout is not None
    holder.stdout.readline()
    try:
        require("is held by another program")
    finally:
        holder.communicate()
