"""What a machine copies from the bucket before a command: whole exports with all that is below them."""

import hashlib
import json
from pathlib import Path

import pytest

from ecgrid_flows.lake.local_mirror import fetch
from ecgrid_flows.settings import Settings
from ecgrid_flows.storage.base import Store
from ecgrid_flows.storage.opening import open_store

from .billing import contents

MONTH = {
    "findings.csv": b"finding_id\r\n",
    "disputes/8751/claim.csv": b"claim_id\r\n",
    "disputes/8751/evidence/line-1.xml": b"<a/>",
}
CORRECTIONS = {"corrections.csv": b"reversal\r\n"}


def published(store: Store, folder: str, files: dict[str, bytes]) -> dict[str, bytes]:
    """The files and their manifest, as a store has them."""
    digests = {name: {"sha256": hashlib.sha256(content).hexdigest()} for name, content in files.items()}
    whole = {**files, "manifest.json": json.dumps({"files": digests}).encode()}
    for name, content in whole.items():
        store.write(f"{folder}/{name}", content)
    return whole


def test_an_export_is_fetched_with_the_folders_below_it(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    settings = Settings(data_dir=address)
    store = open_store(settings)
    month = published(store, "exports/2026-10", MONTH)
    corrections = published(store, "exports/2026-10/corrections", CORRECTIONS)
    store.write("exports/2026-09/disputes/8751/claim.csv", b"half published")
    fetch(settings, store)
    wanted = month | {f"corrections/{name}": content for name, content in corrections.items()}
    assert contents(settings.local_dir / "exports") == {f"2026-10/{name}": content for name, content in wanted.items()}


def test_a_claim_that_is_not_as_its_manifest_describes_is_quarantined(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    settings = Settings(data_dir=address)
    store = open_store(settings)
    month = published(store, "exports/2026-10", MONTH)
    damaged = "disputes/8751/claim.csv"
    store.write(f"exports/2026-10/{damaged}", b"claim_id;\r\n")
    fetch(settings, store)
    del month[damaged]
    assert contents(settings.local_dir / "exports/2026-10") == month
    assert not store.exists(f"exports/2026-10/{damaged}")
    assert "is not the file that its manifest describes" in caplog.text
