"""Commands that are killed at some change of the disk, and run again: the directory is as if nothing had happened."""

import random
import shutil
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from ecgrid_flows.lake import raw_log
from ecgrid_flows.storage.local import LocalStore
from ecgrid_flows.warehouse import database
from ecgrid_sandbox import SpawnedSandbox
from tests.support.forker import Forker

from .pulling import LAST_MONTH, MONTH, files, lake_lines, pulled

pytestmark = pytest.mark.slow


@pytest.fixture(params=[1, pytest.param(12, marks=pytest.mark.soak)])
def kills(request: pytest.FixtureRequest) -> int:
    """Moments at which a command is killed, beside its first and last change."""
    return int(request.param)


@pytest.fixture(scope="module")
def forker() -> Iterator[Forker]:
    started = Forker()
    yield started
    started.close()


@pytest.fixture(scope="module")
def whole(sandbox: SpawnedSandbox, few_file: Path, forker: Forker, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A month that is pulled and built, with every error accepted; nothing of raw is packed."""
    data_dir = tmp_path_factory.mktemp("whole") / "data"
    pulled(sandbox, data_dir, accounts_file=few_file)
    assert command(forker, data_dir, "build") == 0
    with closing(database.connect(data_dir / "warehouse/billing.duckdb")) as connection:
        rows = connection.execute("SELECT finding_id FROM out_finding_ids WHERE severity = 'error'").fetchall()
    errors = [str(finding) for (finding,) in rows]
    assert command(forker, data_dir, "findings", "set", *errors, "accepted", "--note", "paid as billed") == 0
    return data_dir


def command(forker: Forker, data_dir: Path, *words: str, kill_at: int = 0, **environ: str) -> int:
    counted = {"CHANGES_FILE": str(data_dir.parent / "changes"), "ECGRID_CURRENCY": "USD", **environ}
    return forker.command([*words, "--data-dir", str(data_dir)], counted, what="kill", at=kill_at)


def moments(data_dir: Path, kills: int) -> list[int]:
    """When to kill a command that made so many changes undisturbed."""
    changes = int((data_dir.parent / "changes").read_text())
    assert changes > kills
    return sorted({1, changes, *random.Random(kills).sample(range(2, changes), kills)})


def copied(whole: Path, folder: Path) -> Path:
    shutil.copytree(whole, folder / "data")
    return folder / "data"


def same(one: dict[str, bytes], other: dict[str, bytes]) -> list[str]:
    """Names of the files in which two directories differ."""
    return sorted(name for name in one.keys() | other.keys() if one.get(name) != other.get(name))


@pytest.mark.long
def test_an_export_that_is_killed(whole: Path, forker: Forker, tmp_path: Path, kills: int) -> None:
    undisturbed = copied(whole, tmp_path / "undisturbed")
    export = ("export", "--month", MONTH)
    assert command(forker, undisturbed, *export) == 0
    for moment in moments(undisturbed, kills):
        data_dir = copied(whole, tmp_path / str(moment))
        assert command(forker, data_dir, *export, kill_at=moment) == -9
        assert command(forker, data_dir, *export) == 0
        assert same(files(data_dir / "exports"), files(undisturbed / "exports")) == []
        shutil.rmtree(data_dir)


@pytest.mark.long
def test_a_closing_that_is_killed(whole: Path, forker: Forker, tmp_path: Path, kills: int) -> None:
    """Either the month is closed, or it can be; and what is closed is the same."""
    undisturbed = copied(whole, tmp_path / "undisturbed")
    assert command(forker, undisturbed, "close", MONTH) == 0
    right = frozen(undisturbed)
    assert any(name.endswith("lines.parquet") for name in right)
    for moment in moments(undisturbed, kills):
        data_dir = copied(whole, tmp_path / str(moment))
        assert command(forker, data_dir, "close", MONTH, kill_at=moment) == -9
        assert command(forker, data_dir, "close", MONTH) in (0, 2), "2: it is closed already"
        assert command(forker, data_dir, "close", "--verify", MONTH) == 0
        assert same(frozen(data_dir), right) == []
        assert same(files(data_dir / "exports"), files(undisturbed / "exports")) == []
        shutil.rmtree(data_dir)


def frozen(data_dir: Path) -> dict[str, bytes]:
    """What the closing keeps; its entry in the log bears its time."""
    return {name: body for name, body in files(data_dir / "closings").items() if name.startswith(MONTH)}


@pytest.mark.long
def test_packing_that_is_killed(
    whole: Path, forker: Forker, sandbox: SpawnedSandbox, few_file: Path, tmp_path: Path, kills: int
) -> None:
    """A run of another month packs first: `accounts` would not, and a pull of it asks the sandbox."""
    environ = {
        "ECGRID_V2_URL": sandbox.v2_url,
        "ECGRID_V3_URL": sandbox.v3_url,
        "ECGRID_V4_URL": sandbox.v4_url,
        "ECGRID_API_KEY": sandbox.api_key,
        "ECGRID_ACCOUNTS": str(few_file),
    }
    pull = ("pull", "--month", MONTH)
    undisturbed = copied(whole, tmp_path / "undisturbed")
    assert command(forker, undisturbed, *pull, **environ) == 0
    store, right = LocalStore(undisturbed), lake_lines(whole)
    packed = {feed: raw_log.segments(store, feed, LAST_MONTH) for feed in set(raw_log.FEED_OF.values())}
    assert all(path.endswith(".zst") for paths in packed.values() for path in paths)
    for moment in moments(undisturbed, kills):
        data_dir = copied(whole, tmp_path / str(moment))
        assert command(forker, data_dir, *pull, kill_at=moment, **environ) == -9
        assert command(forker, data_dir, *pull, **environ) == 0
        assert same(files(data_dir / "raw"), files(undisturbed / "raw")) == []
        assert lake_lines(data_dir) == right
        shutil.rmtree(data_dir)
