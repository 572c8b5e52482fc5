"""Whole runs over a data directory in a bucket that fails one request in ten: the local run's result, line for line."""

import json
import os
import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest

from ecgrid_flows.errors import NoSuchData
from ecgrid_flows.lake import local_mirror
from ecgrid_flows.lake.partitions import Lake
from ecgrid_flows.orchestration import tasks
from ecgrid_flows.settings import Settings
from ecgrid_flows.storage.data_owner import is_invented
from ecgrid_flows.storage.local import LocalStore
from ecgrid_flows.storage.opening import open_store
from tests.support.storage import Storage

from .billing import MONTHS, TELLING, Billed, contents, lines, pull, relations, running

pytestmark = pytest.mark.soak

COMMAND = str(Path(sys.executable).with_name("ecgrid-billing"))


def test_two_machines_bill_in_a_troubled_bucket_what_one_bills_on_its_disk(
    local: Billed, storage: Storage, address: str, tmp_path: Path, short_waits: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One machine pulls a month while a second run is refused; another goes on from the bucket, and exports."""
    there = local.settings(address)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "first machine"))
    storage.trouble = 0.1
    failed = storage.failed.total()
    with running(there) as run:
        run.check_source()
        pull(run, MONTHS[0])
        refused = subprocess.run(
            [COMMAND, "pull", "--data-dir", address], env=os.environ, capture_output=True, text=True, check=False
        )
    assert refused.returncode == 5, refused.stderr
    assert "is held by `run`" in refused.stderr
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "second machine"))
    with running(there) as run:
        assert pull(run, MONTHS[0]) == 0, "all that was answered is in the bucket"
        pull(run, MONTHS[1])
        tasks.build(run)
        exported = tasks.export(run, MONTHS[1])
    assert storage.failed.total() - failed > 20
    storage.trouble = 0
    for month in MONTHS:
        assert lines(open_store(there), month) == lines(LocalStore(local.data_dir), month)
    found = relations(there.warehouse_path, TELLING)
    for name in TELLING:
        assert found[name].equals(local.relations[name]), name
    assert not is_invented(there)
    no_stale_warehouse_is_taken(there)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "third machine"))
    fetches_what_is_whole(there, exported)


def no_stale_warehouse_is_taken(settings: Settings) -> None:
    """Until another machine lands something, this one's warehouse is the lake's."""
    store = open_store(settings)
    local_mirror.require_current(settings, store)
    lake = Lake(store)
    lake.write_partition("calls", date(2026, 11, 1), list(lake.batches("calls", MONTHS[1])))
    with pytest.raises(NoSuchData, match="run `ecgrid-billing build` first"):
        local_mirror.require_current(settings, store)


def fetches_what_is_whole(settings: Settings, exported: list[Path]) -> None:
    """Exports and reference tables come from the bucket; what was half published does not."""
    store = open_store(settings)
    found = settings.exports_dir(MONTHS[1])
    folder = exported[-1].parent
    wanted = {path.relative_to(folder).as_posix(): path.read_bytes() for path in exported}
    assert any(name.startswith("disputes/") and "/evidence/" in name for name in wanted)
    store.write("reference/pinned_readings.csv", b"mine\n")
    store.write("exports/2026-09/finance_lines.csv", b"half")
    local_mirror.fetch(settings, store)
    assert contents(found) == wanted
    assert (settings.local_dir / "reference/pinned_readings.csv").read_bytes() == b"mine\n"
    assert not settings.exports_dir(MONTHS[0]).exists()
    assert json.loads(wanted["manifest.json"])["files"].keys() == wanted.keys() - {"manifest.json"}
    store.delete("reference/pinned_readings.csv")
    local_mirror.fetch(settings, store)
    assert not (settings.local_dir / "reference").exists()
    damaged = "findings.csv"
    store.write(f"exports/2026-10/{damaged}", wanted[damaged].replace(b",", b";", 1))
    (found / "manifest.json").unlink()
    local_mirror.fetch(settings, store)
    assert contents(found) == {name: content for name, content in wanted.items() if name != damaged}, (
        "what is not as its manifest describes is quarantined"
    )
    assert not store.exists(f"exports/2026-10/{damaged}")
    store.write(f"exports/2026-10/{damaged}", wanted[damaged])
