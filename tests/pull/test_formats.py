"""What lasts carries a format number: a later one is refused by name, an earlier one is read."""

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from ecgrid_flows import formats
from ecgrid_flows.cli import app
from ecgrid_flows.errors import Refused
from ecgrid_flows.finance import audit_log
from ecgrid_flows.finance.export_files import read_manifest
from ecgrid_flows.lake.partitions import Lake
from ecgrid_flows.settings import Settings
from ecgrid_flows.storage.local import LocalStore
from ecgrid_flows.storage.opening import open_store
from ecgrid_transforms.schemas import CALLS

MONTH = date(2026, 10, 1)


def of_later_release(path: Path) -> None:
    """Let the document at `path` be of a format and a release that are yet to come."""
    document: dict[str, Any] = json.loads(path.read_text())
    assert document["written_by"], "the release that wrote it is named"
    path.write_text(json.dumps({**document, "format": 99, "written_by": "7.0.0"}))


@pytest.mark.parametrize("kind", formats.FOLDERS)
def test_a_data_directory_of_a_later_format_is_refused(tmp_path: Path, kind: str) -> None:
    formats.stamp_folder(LocalStore(tmp_path), kind)
    open_store(Settings(data_dir=str(tmp_path)))
    of_later_release(tmp_path / kind / "_format.json")
    with pytest.raises(Refused, match=rf"{kind} format 99.*install ecgrid-billing 7\.0\.0 or newer"):
        open_store(Settings(data_dir=str(tmp_path)))


def test_a_partition_of_a_later_format_is_refused(tmp_path: Path) -> None:
    lake = Lake(LocalStore(tmp_path))
    lake.write_partition("calls", MONTH, [CALLS.empty_table()])
    of_later_release(tmp_path / "lake/_manifests/calls/2026-10.json")
    for read in (lambda: lake.files("calls"), lake.quarantine_damaged):
        with pytest.raises(Refused, match=r"install ecgrid-billing 7\.0\.0"):
            read()


def test_a_decision_of_a_later_format_is_refused(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    audit_log.append(store, "finding", {"state": "accepted"})
    of_later_release(tmp_path / "closings/log/000001.json")
    with pytest.raises(Refused, match=r"install ecgrid-billing 7\.0\.0"):
        audit_log.read(store)


def test_an_export_of_a_later_format_is_refused(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text(json.dumps({**formats.stamp("export"), "files": {}}))
    assert read_manifest(tmp_path)["files"] == {}
    of_later_release(tmp_path / "manifest.json")
    with pytest.raises(Refused, match=r"install ecgrid-billing 7\.0\.0"):
        read_manifest(tmp_path)


def test_a_format_is_noted_once_and_a_damaged_note_is_as_good_as_none(tmp_path: Path) -> None:
    store, path = LocalStore(tmp_path), tmp_path / "raw/_format.json"
    formats.stamp_folder(store, "raw")
    first = path.read_bytes()
    path.write_bytes(first.replace(formats.stamp("raw")["written_by"].encode(), b"0.0.9"))
    formats.stamp_folder(store, "raw")
    assert json.loads(path.read_text())["written_by"] == "0.0.9", "the release that introduced the format stays"
    path.write_text("{")
    formats.require_readable_folders(store)
    formats.stamp_folder(store, "raw")
    assert path.read_bytes() == first


EVERY_MONTH_COMMAND = [
    *(["run"], ["pull"], ["accounts"], ["export"], ["report"], ["findings"], ["compare"]),
    ["explain", "1", "0", "2026-10", "TrafficAll", "TotalKCs"],
]
COMMANDS = [
    *([*words, *([] if "2026-10" in words else ["--month", "2026-10"])] for words in EVERY_MONTH_COMMAND),
    *(["build"], ["verify"], ["status"], ["close", "2026-10"], ["corrections", "2026-10"]),
    ["close", "--verify", "2026-10"],
    ["reopen", "2026-10", "--why", "x"],
    ["findings", "set", "f00000000000", "accepted", "--note", "x"],
]
#: Which document of a data directory says its format to a command that needs no other.
PLACES = {"raw": "raw/_format.json", "lake": "lake/_format.json"}


@pytest.mark.parametrize("kind", PLACES)
@pytest.mark.parametrize("words", COMMANDS, ids=lambda words: " ".join(words[:2]))
def test_each_command_refuses_a_later_format_and_names_the_release(
    words: list[str], kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ECGRID_API_KEY", "0123-key")
    monkeypatch.setenv("ECGRID_CURRENCY", "USD")
    formats.stamp_folder(LocalStore(tmp_path), kind)
    of_later_release(tmp_path / PLACES[kind])
    before = sorted(tmp_path.rglob("*"))
    done = CliRunner().invoke(app, [*words, "--data-dir", str(tmp_path)])
    assert isinstance(done.exception, Refused), (done.output, done.exception)
    assert done.exception.status == 2
    assert "install ecgrid-billing 7.0.0 or newer" in str(done.exception)
    assert [path for path in sorted(tmp_path.rglob("*")) if path not in before and path.name != ".lock"] == []
