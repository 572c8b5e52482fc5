"""The local store: whole or not at all, durable, and every failure told with what to do."""

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from ecgrid_flows.errors import SettingsError, StorageFailed
from ecgrid_flows.finance import audit_log
from ecgrid_flows.storage import atomic_folder, local
from ecgrid_flows.storage.base import disk_errors
from ecgrid_flows.storage.local import LocalStore

from .pulling import files


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    made = LocalStore(tmp_path / "data")
    made.prepare()
    return made


def test_what_is_written_is_read(store: LocalStore) -> None:
    store.write("a/b/c.txt", b"one")
    store.write("a/b/c.txt", b"two")
    assert store.read("a/b/c.txt") == b"two"
    assert [(entry.path, entry.size) for entry in store.entries("a")] == [("a/b/c.txt", 3)]


def test_write_if_writes_over_what_was_read_and_nothing_else(store: LocalStore) -> None:
    assert store.write_if("m", b"first", None)
    assert not store.write_if("m", b"second", None)
    version = store.version("m")
    assert store.write_if("m", b"second", version)
    assert not store.write_if("m", b"third", version)
    assert store.read("m") == b"second"


def test_a_write_that_fails_leaves_what_was_there(store: LocalStore, monkeypatch: pytest.MonkeyPatch) -> None:
    store.write("a/file", b"before")

    def full(_handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StorageFailed, match="the disk is full: free space and run again"):
        store.write("a/file", b"after")
    monkeypatch.undo()
    assert files(Path(store.root)) == {"a/file": b"before"}


def test_names_of_the_stores_own_are_not_listed_and_dead_writers_are_cleared(store: LocalStore) -> None:
    store.write("a/file", b"x")
    (Path(store.root) / "a/.half-0123").write_bytes(b"torn")
    assert [entry.path for entry in store.entries("")] == ["a/file"]
    store.drop_half_written()
    assert files(Path(store.root)) == {"a/file": b"x"}


def test_quarantine_keeps_every_version(store: LocalStore) -> None:
    for content in (b"one", b"two"):
        store.write("lake/x", content)
        store.quarantine("lake/x", "no reason")
    assert files(Path(store.root)) == {"set-aside/lake/x": b"one", "set-aside/lake/x.2": b"two"}


def test_appended_pieces_stand_in_the_file_at_once(store: LocalStore) -> None:
    appender = store.appender("raw/seg")
    assert [appender.append(b"one\n"), appender.append(b"three\n")] == [0, 4]
    assert store.read("raw/seg") == b"one\nthree\n", "a killed process loses no piece: nothing waits in its memory"
    appender.sync()
    appender.close()


def test_a_segment_is_never_written_twice(store: LocalStore) -> None:
    store.appender("raw/seg").close()
    with pytest.raises(StorageFailed):
        store.appender("raw/seg")


def test_a_vanished_data_directory_does_not_come_back_empty(store: LocalStore) -> None:
    appender = store.appender("raw/seg")
    appender.append(b"one\n")
    Path(store.root).rename(store.root + "-moved")
    with pytest.raises(StorageFailed, match="it no longer exists"):
        appender.sync()
    with pytest.raises(StorageFailed, match="it no longer exists"):
        store.write("lake/x", b"y")
    assert not Path(store.root).exists()
    appender.close()


@pytest.mark.parametrize("place", ["file/data", "file"])
def test_a_data_directory_that_cannot_be_is_a_wrong_setting(tmp_path: Path, place: str) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(SettingsError, match="cannot be written"):
        LocalStore(tmp_path / place).prepare()


def test_every_reason_says_what_to_do() -> None:
    with pytest.raises(StorageFailed, match=r"here cannot be used; .*: .*"), disk_errors("here"):
        raise OSError(5, "Input/output error")
    with pytest.raises(StorageFailed, match="Too many open files: correct it"), disk_errors("here"):
        raise OSError(24, "Too many open files")


def test_a_folder_that_cannot_be_listed_is_an_error_and_not_empty(
    store: LocalStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is in it would be taken for missing: lines would be requested again, a build would be without them."""
    store.write("raw/line_items/a", b"1")
    real, folder = os.scandir, store.uri("raw/line_items")

    def scandir(path: Any) -> Any:
        if os.fsdecode(path) == folder:
            raise OSError(errno.EIO, os.strerror(errno.EIO), folder)
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)
    with pytest.raises(StorageFailed, match="the disk failed to read or write"):
        list(store.entries("raw"))


@pytest.mark.parametrize("failing", [1, 2], ids=["the entry", "the head"])
def test_a_decision_that_is_reported_as_failed_is_not_kept(
    store: LocalStore, monkeypatch: pytest.MonkeyPatch, failing: int
) -> None:
    """Both are in place when the sync of their folder fails."""
    audit_log.append(store, "close", {"month": "2026-09"})
    real, synced = local._sync_folder, 0

    def sync_folder(folder: Path) -> None:
        nonlocal synced
        synced += 1
        if synced == failing:
            raise OSError(errno.EIO, os.strerror(errno.EIO), str(folder))
        real(folder)

    monkeypatch.setattr(local, "_sync_folder", sync_folder)
    with pytest.raises(StorageFailed):
        audit_log.append(store, "close", {"month": "2026-10"})
    monkeypatch.undo()
    log = audit_log.read(store)
    assert [entry.data["month"] for entry in log.entries] == ["2026-09"]
    assert log.faults == ()
    audit_log.append(store, "close", {"month": "2026-11"})
    assert audit_log.read(store).faults == ()


def test_a_folder_whose_replacement_was_cut_short_is_put_back(tmp_path: Path) -> None:
    """Between the two renames; that of another folder, whose name begins alike, is not taken for it."""
    target = tmp_path / "2026-10"
    for name in (".staged-2026-10-0123abcd-old", ".staged-2026-10-provisional-0123abcd-old"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "which").write_text(name)
    atomic_folder.put_back(target)
    assert (target / "which").read_text() == ".staged-2026-10-0123abcd-old"
    atomic_folder.put_back(tmp_path / "2026-10-provisional")
    assert (tmp_path / "2026-10-provisional/which").read_text() == ".staged-2026-10-provisional-0123abcd-old"
    with atomic_folder.staging(target) as staged:
        (staged / "which").write_text("new")
        atomic_folder.put_in_place(staged, target)
    assert (target / "which").read_text() == "new"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["2026-10", "2026-10-provisional"]
