"""Whatever is changed, removed or added in what a closing keeps is named."""

import json
import shutil
from datetime import datetime, tzinfo
from pathlib import Path

import pytest

from ecgrid_flows.errors import DataDirectoryHeld, NoSuchData, Refused, SettingsError, StorageFailed
from ecgrid_flows.finance import audit_log
from ecgrid_flows.finance.export import export_month
from ecgrid_flows.finance.period_close import reopen_month, verify
from ecgrid_flows.settings import Settings
from ecgrid_flows.storage.local import LocalStore
from ecgrid_flows.storage.opening import open_store

from .decided import bucket, close
from .world import MONTH, build, line

TAMPERED = [
    "exports/2026-10/finance_lines.csv",
    "exports/2026-10/manifest.json",
    "closings/2026-10/000001/lines.parquet",
    "closings/2026-10/000001/readings.parquet",
    "closings/2026-10/000001/findings.parquet",
    "closings/2026-10/000001/exports/findings.csv",
    "closings/log/000001.json",
    "closings/head.json",
]


@pytest.fixture(scope="module")
def closed_twice(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory whose month was closed, reopened and closed again."""
    settings = Settings(data_dir=str(tmp_path_factory.mktemp("closed") / "data"))
    build(settings, out_line_items=[line()])
    close(settings)
    reopen_month(open_store(settings), MONTH, "once more")
    close(settings)
    return Path(settings.data_dir)


@pytest.mark.parametrize("is_missing", [False, True], ids=["changed", "missing"])
@pytest.mark.parametrize("path", TAMPERED)
def test_every_tampered_file_is_reported(settings: Settings, closed_twice: Path, path: str, is_missing: bool) -> None:
    shutil.copytree(closed_twice, settings.data_dir)
    path = path.replace("000001/", "000003/")  # of the closing that counts
    assert verify(settings, open_store(settings), MONTH).faults == ()
    victim = Path(settings.data_dir) / path
    if is_missing:
        victim.unlink()
    else:
        data = bytearray(victim.read_bytes())
        data[len(data) // 2] ^= 1
        victim.write_bytes(data)
    faults = verify(settings, open_store(settings), MONTH).faults
    assert faults
    assert any(victim.name in fault or (victim.parent.name == "log" and "log/" in fault) for fault in faults)


@pytest.mark.parametrize("path", ["closings/log/000001.json", "closings/head.json"])
def test_nothing_is_appended_to_a_log_that_was_changed(settings: Settings, closed_twice: Path, path: str) -> None:
    shutil.copytree(closed_twice, settings.data_dir)
    store, victim = open_store(settings), Path(settings.data_dir) / path
    audit_log.append(store, "reopen", {"month": "2026-10", "why": "a first time"})
    entries = len(audit_log.read(store).entries)
    victim.write_bytes(victim.read_bytes().replace(b'"', b"'", 1))
    with pytest.raises(Refused):
        audit_log.append(store, "reopen", {"month": "2026-10", "why": "a second time"})
    assert len(list((Path(settings.data_dir) / "closings/log").iterdir())) == entries


def test_an_entry_of_the_log_under_another_number_is_reported(settings: Settings, closed_twice: Path) -> None:
    shutil.copytree(closed_twice, settings.data_dir)
    last = Path(settings.data_dir) / "closings/log/000003.json"
    last.rename(last.with_name("000004.json"))
    assert audit_log.read(open_store(settings)).faults == ("closings/log/000004.json is in the place of entry 3",)


def test_the_batches_of_a_closing_are_those_of_its_month_booked_since() -> None:
    kinds = [
        *(("close", "2026-10"), ("corrections", "2026-10"), ("reopen", "2026-10"), ("close", "2026-10")),
        *(("close", "2026-09"), ("corrections", "2026-09"), ("corrections", "2026-10"), ("finding", None)),
    ]
    decisions = [
        audit_log.Decision(number, kind, "", "", {} if month is None else {"month": month}, "")
        for number, (kind, month) in enumerate(kinds, start=1)
    ]
    log = audit_log.Log(tuple(decisions), ())
    closing = decisions[3]
    assert log.closing(MONTH) == closing
    assert [entry.number for entry in log.bookings(closing)] == [7]
    assert [month.month for month in log.closed_months()] == [9, 10]


ADDED = [
    "exports/2026-10/dispute_9999.csv",
    "closings/2026-10/000003/more.parquet",
    "closings/2026-10/000003/exports/dispute_9999.csv",
    "closings/2026-10/000001/more.parquet",
    "closings/2026-10/000009",
]


@pytest.mark.parametrize("path", ADDED)
def test_a_file_that_was_not_closed_is_reported(settings: Settings, closed_twice: Path, path: str) -> None:
    shutil.copytree(closed_twice, settings.data_dir)
    stranger = Path(settings.data_dir) / path
    if not stranger.suffix:
        stranger = stranger / "lines.parquet"
    stranger.parent.mkdir(exist_ok=True)
    stranger.write_text("2.00")
    (fault,) = verify(settings, open_store(settings), MONTH).faults
    assert path in fault


def test_files_of_an_earlier_closing_are_verified_too(settings: Settings, closed_twice: Path) -> None:
    shutil.copytree(closed_twice, settings.data_dir)
    (Path(settings.data_dir) / "closings/2026-10/000001/lines.parquet").write_text("2.00")
    (fault,) = verify(settings, open_store(settings), MONTH).faults
    assert "000001/lines.parquet is not what it was" in fault


@pytest.mark.long
def test_corrections_are_compared_with_their_manifest(settings: Settings) -> None:
    build(settings, out_line_items=[line()])
    close(settings)
    build(settings, out_line_items=[line(amount="75")])
    export_month(settings, MONTH)
    assert verify(settings, open_store(settings), MONTH).faults == ()
    path = settings.exports_dir(MONTH) / "corrections/corrections.csv"
    path.write_bytes(path.read_bytes().replace(b"75", b"57"))
    (fault,) = verify(settings, open_store(settings), MONTH).faults
    assert "corrections.csv does not match its manifest" in fault


def test_frozen_files_without_a_log_are_reported(settings: Settings) -> None:
    """Without its log the month would pass for open, and never closed."""
    build(settings, out_line_items=[line()])
    close(settings)
    shutil.rmtree(Path(settings.data_dir) / "closings/log")
    (Path(settings.data_dir) / "closings/head.json").unlink()
    (fault,) = verify(settings, open_store(settings), MONTH).faults
    assert "closings/2026-10/000001 is there without an entry of the log" in fault


class Stopped(datetime):
    """A clock that stands."""

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> "Stopped":
        return cls(2026, 11, 3, 9, 0, 0, tzinfo=tz)


def test_a_truncated_or_rewritten_log_is_reported(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """All within one second: what tells one closing from another is no clock."""
    monkeypatch.setattr(audit_log, "datetime", Stopped)
    build(settings, out_line_items=[line()])
    seal = close(settings).entry.sha256
    store = open_store(settings)
    reopen_month(store, MONTH, "once more")
    assert verify_seal(settings, seal) == ()
    log = Path(settings.data_dir) / "closings/log"
    last = (log / "000002.json").read_bytes()
    (log / "000002.json").unlink()
    assert verify_seal(settings, seal) == ("closings/head.json counts 2 entries, 1 are there",)
    with pytest.raises(Refused, match="not as it was written"):
        close(settings)
    (log / "000002.json").write_bytes(last)
    # someone rewrites the whole log, hashes and all: only the seal that was kept elsewhere tells
    for path in [*log.iterdir(), log.parent / "head.json"]:
        path.unlink()
    close(settings)
    assert verify_seal(settings, None) == ()
    assert verify_seal(settings, seal) == (f"no entry of the log has the seal {seal}",)


@pytest.mark.parametrize("given", ["", " ", "7"])
def test_too_little_of_a_seal_proves_nothing(settings: Settings, given: str) -> None:
    """As an empty variable gives it: every entry's seal begins so."""
    build(settings, out_line_items=[line()])
    close(settings)
    with pytest.raises(SettingsError, match="give all of it"):
        verify_seal(settings, given)


def verify_seal(settings: Settings, seal: str | None) -> tuple[str, ...]:
    try:
        return verify(settings, open_store(settings), MONTH, seal).faults
    except NoSuchData:
        return ()


@pytest.mark.long
def test_a_crash_between_entry_and_head_is_no_tampering(settings: Settings) -> None:
    build(settings, out_line_items=[line()])
    close(settings)
    head = Path(settings.data_dir) / "closings/head.json"
    before = head.read_bytes()
    reopen_month(open_store(settings), MONTH, "once more")
    head.write_bytes(before)
    assert audit_log.read(open_store(settings)).faults == ()
    close(settings)
    assert json.loads(head.read_bytes())["entries"] == 3


def test_a_changed_frozen_file_stops_the_export(settings: Settings) -> None:
    build(settings, out_line_items=[line()])
    close(settings)
    path = settings.exports_dir(MONTH) / "finance_lines.csv"
    path.write_bytes(path.read_bytes().replace(b"72.96", b"72.95"))
    with pytest.raises(Refused, match=r"finance_lines\.csv is not the file that 2026-10 was closed with"):
        export_month(settings, MONTH)


def test_a_kill_after_each_of_several_entries_is_no_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each process is killed after its entry is written, before the head is."""
    store, write_if = LocalStore(tmp_path), LocalStore.write_if
    written: list[str] = []

    def killed(self: LocalStore, path: str, data: bytes, version: str | None) -> bool:
        if path == audit_log.HEAD and written:
            raise KeyboardInterrupt
        if path != audit_log.HEAD:
            written.append(path)
        return write_if(self, path, data, version)

    monkeypatch.setattr(LocalStore, "write_if", killed)
    for number in range(4):
        written.clear()
        with pytest.raises(KeyboardInterrupt):
            audit_log.append(store, "note", {"number": number})
    log = audit_log.read(store)
    assert log.faults == ()
    assert [entry.data["number"] for entry in log.entries] == [0, 1, 2, 3]


def log_entry(number: int, kind: str = "close", month: str = "2026-10") -> audit_log.Decision:
    return audit_log.Decision(number, kind, "", "", {"month": month}, f"seal {number}")


def test_the_head_of_a_log_may_be_one_entry_behind() -> None:
    entries = [log_entry(1), log_entry(2)]

    def faults(count: int, head: object) -> list[str]:
        there = entries[:count]
        text = None if head is None else json.dumps(head).encode()
        return audit_log._head_faults(text, there)

    def head(count: int, seal: str) -> dict[str, object]:
        return {"entries": count, "sha256": seal}

    assert [faults(count, None) for count in (0, 1, 2)] == [[], [], ["closings/head.json is missing"]]
    assert [faults(count, head(count, f"seal {count}")) for count in (1, 2)] == [[], []]
    assert faults(0, head(0, audit_log.FIRST)) == []
    assert faults(1, head(0, audit_log.FIRST)) == []
    assert faults(2, head(1, "seal 1")) == []
    assert faults(2, head(3, "seal 3")) == ["closings/head.json counts 3 entries, 2 are there"]
    assert faults(2, head(0, audit_log.FIRST)) == ["closings/head.json counts 0 entries, but 2 are there"]
    assert faults(2, [1]) == ["closings/head.json is damaged"]
    changed = "closings/log/{}.json was changed after closings/head.json sealed it"
    assert faults(2, head(2, "x")) == [changed.format("000002")]
    assert faults(2, head(1, "x")) == [changed.format("000001")]
    assert faults(1, head(0, "x")) == [changed.format("000000")]


def test_a_month_is_closed_by_its_last_decision() -> None:
    months = ("2026-11", "2026-09", "2026-10")
    closings = [log_entry(number, month=month) for number, month in enumerate(months, start=1)]
    log = audit_log.Log((*closings, log_entry(4, "reopen"), log_entry(5, "corrections", "2026-09")), ())
    assert [month.month for month in log.closed_months()] == [9, 11]
    assert log.closing(MONTH) is None
    again = audit_log.Log((*log.entries, log_entry(6), log_entry(7, "finding")), ())
    assert again.closing(MONTH) == log_entry(6)


def noted(root: Path, count: int) -> LocalStore:
    """A store whose log has so many notes."""
    store = LocalStore(root)
    for number in range(1, count + 1):
        audit_log.append(store, "note", {"number": number, "by": "Müller"})
    return store


def test_each_entry_is_held_against_its_place_and_the_entry_before(tmp_path: Path) -> None:
    store = noted(tmp_path, 3)
    first, second = (store.read(f"closings/log/{number:06}.json") for number in (1, 2))
    assert "Müller".encode() in first, "texts are readable without a parser"
    assert json.loads(first)["previous"] == "0" * 64

    def faults(path: str, data: bytes) -> list[str]:
        before = store.read(path)
        store.write(path, data)
        found = [fault.replace("closings/log/00000", "") for fault in audit_log.read(store).faults]
        store.write(path, before)
        return found

    one, two, three = (f"closings/log/{number:06}.json" for number in (1, 2, 3))
    assert faults(one, first.replace(b"ller", b"nch")) == ["1.json was changed after 2.json sealed it"]
    renumbered = second.replace(b'"number": 2,\n "prev', b'"number": 5,\n "prev')
    sealed = "2.json was changed after 3.json sealed it"
    assert faults(two, renumbered) == ["2.json is in the place of entry 2", sealed]
    counted = "closings/head.json counts 3 entries, 2 are there"
    assert faults(two, b"[]") == ["2.json is no entry of this log", sealed, counted]
    assert faults(three, b"{") == ["3.json is no entry of this log", counted]
    third = store.read(three)
    store.write("closings/log/000004.json", b"{")
    (fault,) = audit_log.read(store).faults
    assert fault == "closings/log/000004.json is no entry of this log", "the head is of the entry before"
    store.delete("closings/log/000004.json")
    with pytest.raises(Refused, match="is of closings format 2"):
        faults(three, third.replace(b'"format": 1', b'"format": 2'))
    store.write(three, third)
    assert audit_log.read(store).faults == ()


def test_a_log_is_read_again_while_its_head_moves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As another process appends: at first the head is older than the entries."""
    store = noted(tmp_path, 1)
    old = store.read(audit_log.HEAD)
    noted(tmp_path, 2)
    heads = [old, store.read(audit_log.HEAD)]
    monkeypatch.setattr(audit_log, "_head", lambda _: heads.pop(0))
    assert (audit_log.read(store).faults, heads) == ((), [])
    heads[:] = [old, old]
    (fault,) = audit_log.read(store).faults
    assert fault == "closings/head.json counts 1 entries, but 3 are there"


@pytest.mark.parametrize("earlier", [0, 1, 2])
@pytest.mark.parametrize("failing", ["entry", "head", "head is lost"])
def test_a_decision_that_is_reported_as_failed_leaves_the_log_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: str, earlier: int
) -> None:
    """The write that fails has been executed, as where its folder cannot be made durable."""
    store = noted(tmp_path, earlier)
    before = {entry.path: store.read(entry.path) for entry in store.entries("closings")}
    number, write_if, write = earlier + 1, LocalStore.write_if, LocalStore.write
    path = f"closings/log/{number:06}.json" if failing == "entry" else audit_log.HEAD

    def failed(self: LocalStore, written: str, data: bytes, version: str | None) -> bool:
        done = write_if(self, written, data, version)
        if written == path:
            if failing == "head is lost":
                store.delete(audit_log.HEAD)
            raise StorageFailed("the disk failed")
        return done

    def restored(self: LocalStore, written: str, data: bytes) -> None:
        assert failing != "entry" or written == path, "a head that is as it was is not written"
        write(self, written, data)

    with monkeypatch.context() as patched:
        patched.setattr(LocalStore, "write_if", failed)
        patched.setattr(LocalStore, "write", restored)
        with pytest.raises(StorageFailed, match="the disk failed"):
            audit_log.append(store, "note", {})
    assert {entry.path: store.read(entry.path) for entry in store.entries("closings")} == before
    assert audit_log.append(store, "note", {}).number == number


def test_in_a_bucket_an_entry_that_is_reported_as_failed_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The request may arrive after it was given up."""
    store, write_if = bucket(tmp_path), LocalStore.write_if

    def failed(self: LocalStore, path: str, data: bytes, version: str | None) -> bool:
        done = write_if(self, path, data, version)
        if path == audit_log.HEAD:
            raise StorageFailed("no answer")
        return done

    monkeypatch.setattr(LocalStore, "write_if", failed)
    with pytest.raises(StorageFailed, match="no answer"):
        audit_log.append(store, "note", {})
    assert [entry.path for entry in store.entries("closings")] == ["closings/head.json", "closings/log/000001.json"]


def test_a_decision_taken_by_another_process_meanwhile_is_not_overwritten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = noted(tmp_path, 1)
    monkeypatch.setattr(LocalStore, "write_if", lambda *_: False)
    monkeypatch.setattr(audit_log, "_write_head", lambda *_: None)
    with pytest.raises(DataDirectoryHeld, match=r"just now \(closings/log/000002\.json\)"):
        audit_log.append(store, "note", {})
