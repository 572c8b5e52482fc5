"""What keeps a month open, and what stays when it is closed."""

import hashlib
import json
import shutil
from contextlib import closing as closing_of
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, cast

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ecgrid_flows import formats
from ecgrid_flows.errors import NoSuchData, Refused, SettingsError
from ecgrid_flows.finance import audit_log, corrections, period_close, rebill
from ecgrid_flows.finance.audit_log import Decision
from ecgrid_flows.finance.csv_writer import CsvForm
from ecgrid_flows.finance.export import export_month, read_export
from ecgrid_flows.finance.export_files import form_words, read_manifest, sha256_of
from ecgrid_flows.finance.period_close import close_month, reopen_month, verify
from ecgrid_flows.settings import Settings
from ecgrid_flows.storage.opening import open_store
from ecgrid_transforms.money import Decimal

from .decided import bucket, close, contents, corrected, decide
from .world import MONTH, build, finding, line


def test_open_errors_keep_a_month_open_until_each_is_accepted(settings: Settings) -> None:
    build(
        settings,
        out_line_items=[line(amount="80")],
        out_findings=[finding(), finding(mailbox_id=1), finding(mailbox_id=2, severity="warning")],
    )
    export_month(settings, MONTH)
    found = read_export(settings.exports_dir(MONTH) / "findings.csv").to_pylist()
    ids = {row["mailbox_id"]: row["finding_id"] for row in found}
    with pytest.raises(Refused, match=r"2 open findings of severity error.*--accept FINDING") as refused:
        close(settings)
    assert ids[0] in str(refused.value)
    with pytest.raises(Refused, match="1 open finding of"):
        close(settings, {ids[0]: "within our tolerance"})
    with pytest.raises(SettingsError, match=r"--accept f[0-9a-f]+ needs a reason"):
        close(settings, {ids[0]: "fine", ids[1]: " "})
    with pytest.raises(NoSuchData, match="no finding 'abcdef'"):
        close(settings, {ids[0]: "fine", "abcdef": "fine"})
    with pytest.raises(NoSuchData, match="the warehouse holds nothing of 2026-05"):
        close_month(settings, open_store(settings), date(2026, 5, 1), {})
    assert audit_log.read(open_store(settings)).entries == ()  # a refused closing records nothing
    done = close(settings, {ids[0]: "within our tolerance", ids[1]: "settled by phone"})
    assert done.accepted == (ids[0], ids[1])
    kept = Path(settings.data_dir) / f"closings/2026-10/{done.entry.number:06}/findings.parquet"
    assert sorted(pq.read_table(kept)["state"].to_pylist()) == ["accepted", "accepted", "open"]
    with closing_of(duckdb.connect(str(settings.warehouse_path), read_only=True)) as connection:
        states = connection.sql("SELECT state FROM raw_finding_states").fetchall()
    assert states == [("accepted",)] * 2, "kept for other readers of the warehouse"
    files = {path.name: path for path in done.exports}
    frozen = {row["mailbox_id"]: (row["state"], row["note"]) for row in read_export(files["findings.csv"]).to_pylist()}
    assert frozen == {
        0: ("accepted", "within our tolerance"),
        1: ("accepted", "settled by phone"),
        2: ("open", None),
    }


@pytest.mark.parametrize(("count", "more"), [(20, None), (22, "and 2 more: `ecgrid-billing findings")])
def test_twenty_of_the_open_errors_are_named(settings: Settings, count: int, more: str | None) -> None:
    build(settings, out_line_items=[line()], out_findings=[finding(mailbox_id=number) for number in range(count)])
    with pytest.raises(Refused, match=f"{count} open findings") as refused:
        close(settings)
    said = str(refused.value)
    assert said.count("  4443/") == 20
    assert ("more" in said, more is None or more in said) == (more is not None, True)


@pytest.mark.long
def test_a_disputed_error_does_not_keep_a_month_open(settings: Settings) -> None:
    build(settings, out_line_items=[line(amount="80")], out_findings=[finding()])
    export_month(settings, MONTH)
    name = read_export(settings.exports_dir(MONTH) / "findings.csv")["finding_id"][0].as_py()
    decide(settings, open_store(settings), name, "disputed")
    assert close(settings).entry.kind == "close"


@pytest.mark.long
def test_a_closed_month_keeps_its_files_whatever_comes_later(settings: Settings) -> None:
    build(settings, out_line_items=[line(), line(mailbox_id=1)])
    export_month(settings, MONTH, run_id="first")
    close(settings)
    frozen = contents(settings.exports_dir(MONTH))
    build(settings, out_line_items=[line(amount="75.00", expected_amount="75.00"), line(mailbox_id=2)])
    paths = export_month(settings, MONTH, run_id="second")
    assert contents(settings.exports_dir(MONTH)) == frozen
    assert read_manifest(settings.exports_dir(MONTH))["run_id"] == "first"
    assert {path.parent.name for path in paths} == {"2026-10", "corrections"}
    assert verify(settings, open_store(settings), MONTH).faults == ()


def test_closing_twice_and_reopening(settings: Settings) -> None:
    build(settings, out_line_items=[line()])
    with pytest.raises(NoSuchData, match="is not closed"):
        reopen_month(open_store(settings), MONTH, "wrong invoice")
    close(settings)
    with pytest.raises(Refused, match="is closed, since"):
        close(settings)
    with pytest.raises(SettingsError, match="needs a reason"):
        reopen_month(open_store(settings), MONTH, " ")
    build(settings, out_line_items=[line(amount="75")])
    assert len(corrected(settings)) == 2
    reopen_month(open_store(settings), MONTH, "wrong invoice")
    export_month(settings, MONTH)
    table = read_export(settings.exports_dir(MONTH) / "finance_lines.csv")
    assert table["billed_amount"].to_pylist() == [Decimal(75)]
    assert not (settings.exports_dir(MONTH) / "corrections").exists()
    close(settings)
    assert corrected(settings) == []
    log = audit_log.read(open_store(settings))
    assert [entry.kind for entry in log.entries] == ["close", "reopen", "close"]
    assert log.entries[1].data["why"] == "wrong invoice"


def test_a_deleted_export_of_a_closed_month_comes_back_as_it_was(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """New statements are kept with the closing, not with the export, and written anew under their numbers."""
    written: list[Any] = []
    monkeypatch.setattr("ecgrid_flows.finance.rebill.new_statements", lambda *_: pa.table({"client": ["Acme"]}))
    monkeypatch.setattr("ecgrid_flows.finance.rebill.numbers_of", lambda found: found.to_pylist())
    monkeypatch.setattr("ecgrid_flows.finance.rebill.rebill_month", lambda *given: written.append(given[2:]))
    build(settings, out_line_items=[line()])
    entry = close(settings).entry
    assert entry.data["statements"] == [{"client": "Acme"}]
    ((log, month),) = written
    assert (log.closing(MONTH), month) == (entry, MONTH)
    kept = Path(settings.data_dir) / f"closings/2026-10/{entry.number:06}/{rebill.STATEMENTS}"
    assert pq.read_table(kept).to_pylist() == [{"client": "Acme"}]
    folder = settings.exports_dir(MONTH)
    frozen = contents(folder)
    build(settings, out_line_items=[line(amount="75")])
    for path in folder.iterdir():
        path.unlink()
    export_month(settings, MONTH)
    assert contents(folder) == frozen


def test_an_export_that_is_lost_on_disk_and_in_the_bucket_comes_back_in_both(
    settings: Settings, tmp_path: Path
) -> None:
    """Its files in folders too, such as `disputes/no_contract/claim.csv`."""
    store = bucket(tmp_path / "bucket")
    build(settings, out_line_items=[line(amount="80")], out_findings=[finding()])
    export_month(settings, MONTH, also=["xlsx"])
    name = read_export(settings.exports_dir(MONTH) / "findings.csv")["finding_id"][0].as_py()
    decide(settings, store, name, "disputed")
    closing = close_month(settings, store, MONTH, {}).entry
    folders = settings.exports_dir(MONTH), tmp_path / "bucket/exports/2026-10"
    frozen = tree(folders[0])
    assert {"disputes/no_contract/claim.csv", "xlsx/2026-10.xlsx"} <= set(frozen)
    assert tree(folders[1]) == frozen
    frozen = {name: data for name, data in frozen.items() if not name.startswith("xlsx/")}
    for folder in folders:
        shutil.rmtree(folder)
    corrections.frozen_export(settings, store, closing)
    assert [tree(folder) for folder in folders] == [frozen, frozen]
    build(settings, out_line_items=[line(amount="75")])
    corrections.export_corrections(settings, store, audit_log.read(store), closing)
    present = [tree(folder) for folder in folders]
    assert present[0] == present[1]
    assert "corrections/corrections.csv" in present[1]


def tree(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize(("asked", "is_closed"), [("2026-10-31T23:59:59", False), ("2026-11-01T00:00:00", True)])
def test_a_month_that_was_asked_only_while_it_ran_is_not_closed(
    settings: Settings, asked: str, is_closed: bool
) -> None:
    called_at = datetime.fromisoformat(asked).replace(tzinfo=UTC)
    call = {**line(), "outcome": "line", "attempts": 1, "latency_ms": 1, "called_at": called_at}
    build(settings, out_line_items=[line()], raw_calls=[call])
    if is_closed:
        close(settings)
        return
    with pytest.raises(Refused, match="2026-10 is not closed: it was requested only before its end"):
        close(settings)
    assert not audit_log.read(open_store(settings)).entries


@pytest.mark.parametrize(("mailbox_id", "is_closed"), [(0, False), (7, True)], ids=["listed", "listed no more"])
def test_a_month_of_which_a_line_was_asked_only_while_it_ran_is_not_closed(
    settings: Settings, mailbox_id: int, is_closed: bool
) -> None:
    """As after a run that was killed while it asked again. What no list names any more, no run asks again."""
    listed = {"reporting_month": MONTH, "network_id": 4443, "mailbox_id": 0}
    lines = [line(), line(mailbox_id=mailbox_id, measure_field="FromKCs")]
    times = [datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 10, 31, 23, 59, 59, tzinfo=UTC)]
    calls = [
        {**billed, "outcome": "line", "attempts": 1, "latency_ms": 1, "called_at": called_at}
        for billed, called_at in zip(lines, times, strict=True)
    ]
    build(settings, out_line_items=lines, raw_calls=calls, raw_accounts=[listed])
    if is_closed:
        close(settings)
        return
    with pytest.raises(Refused, match="1 of its lines were requested only before its end"):
        close(settings)
    assert not audit_log.read(open_store(settings)).entries


@pytest.mark.long
def test_the_form_of_the_files_stays_through_closing(settings: Settings) -> None:
    build(settings, out_line_items=[line()])
    export_month(settings, MONTH, form=CsvForm(semicolons=True, bom=True))
    folder = settings.exports_dir(MONTH)
    before = contents(folder)
    folder.rename(folder.with_name(f".staged-{folder.name}-00000000-old"))  # as a kill between two renames leaves it
    close(settings)
    assert contents(folder) == before


def open_error(number: int, **other: object) -> dict[str, object]:
    of = {"check_name": "rate_mismatch", "network_id": 4443, "mailbox_id": 0, "difference": Decimal("1234.505")}
    return {"finding_id": f"F{number}", **of, **other}


def test_what_is_still_to_be_decided_is_listed_up_to_twenty() -> None:
    period_close._require_decided([open_error(1)], MONTH, {"F1"})
    rows = [open_error(1), open_error(2, network_id=None), open_error(3, difference=None)]
    with pytest.raises(Refused) as one:
        period_close._require_decided(rows[:1], MONTH, {"F2"})
    assert str(one.value).startswith("2026-10 has 1 open finding of severity error, so")
    assert str(one.value).splitlines()[1:] == ["  F1  rate_mismatch  4443/0  1,234.51"]
    with pytest.raises(Refused, match="has 2 open findings") as two:
        period_close._require_decided(rows, MONTH, {"F1"})
    assert str(two.value).splitlines()[1:] == ["  F2  rate_mismatch  1,234.51", "  F3  rate_mismatch  4443/0"]
    for count, last in ((20, "  F20  rate_mismatch  4443/0  1,234.51"), (22, "  and 2 more: `ecgrid-billing findings")):
        with pytest.raises(Refused) as many:
            period_close._require_decided([open_error(number) for number in range(1, count + 1)], MONTH, set())
        lines = str(many.value).splitlines()
        assert lines[-1].startswith(last)
        assert len(lines) == min(count, 21) + 1


def test_a_closed_folder_is_compared_name_by_name(tmp_path: Path) -> None:
    """Forms for ledgers and hidden files are no part of it; corrections are held against their own manifest."""
    for name in ("kept.csv", "changed.csv", "more.csv", ".hidden", "ledgers/x.csv", "disputes/y.csv"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)
    seal = sha256_of(tmp_path / "kept.csv")
    exports = {"kept.csv": seal, "changed.csv": seal, "lost.csv": seal}

    def faults() -> list[str]:
        return [one.removeprefix(f"{tmp_path}/") for one in period_close._export_faults(tmp_path, exports)]

    expected = [
        "changed.csv is not what was closed",
        "lost.csv is missing; `export` puts it back as it was closed",
        "disputes/y.csv was not there when the month was closed: take it away",
        "more.csv was not there when the month was closed: take it away",
    ]
    assert faults() == expected
    (tmp_path / "de-DE").mkdir()
    (tmp_path / "de-DE/manifest.json").write_text('{"made_from": {}}')
    assert faults() == expected, "copies for spreadsheets have a manifest of their own"
    (tmp_path / "corrections").mkdir()
    assert faults() == [*expected, "corrections/manifest.json is missing or damaged; `corrections` writes it anew"]
    entry = {"sha256": seal}
    files = dict.fromkeys(("kept.csv", "changed.csv", "lost.csv"), entry)
    kept_manifest(tmp_path / "corrections", files=files)
    for name, text in (("kept.csv", "kept.csv"), ("changed.csv", "x"), ("unnamed.csv", "x")):
        (tmp_path / "corrections" / name).write_text(text)
    again = "does not match its manifest; `corrections` writes it anew"
    assert faults() == [*expected, f"corrections/changed.csv {again}", f"corrections/lost.csv {again}"]
    assert [one.partition(" ")[0] for one in period_close._export_faults(tmp_path / "none", {})] == []


def test_the_files_of_a_month_are_those_of_its_closings_and_corrections() -> None:
    kinds = (("close", "2026-10"), ("corrections", "2026-10"), ("reopen", "2026-10"), ("close", "2026-09"))
    kept = [Decision(1, kind, "", "", {"month": month}, "") for kind, month in kinds]
    assert [period_close._keeps_files(entry, MONTH) for entry in kept] == [True, True, False, False]


def kept_manifest(folder: Path, **given: Any) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    manifest = {**formats.stamp("export"), "run_id": "M", "csv": form_words(CsvForm(semicolons=True)), "files": {}}
    (folder / "manifest.json").write_text(json.dumps({**manifest, **given}), "utf-8")


def test_a_month_is_closed_in_the_currency_of_its_export(settings: Settings) -> None:
    """An export without one, or none at all, may be closed in any."""
    usd = replace(settings, currency="USD")
    period_close._require_currency(usd, MONTH)
    kept_manifest(settings.exports_dir(MONTH), currency=None)
    for either in (settings, usd):
        period_close._require_currency(either, MONTH)
    kept_manifest(settings.exports_dir(MONTH), currency="EUR")
    period_close._require_currency(replace(settings, currency="EUR"), MONTH)
    for other, now in ((usd, "USD"), (settings, "not set")):
        with pytest.raises(Refused, match=f"of 2026-10 is in EUR, and ECGRID_CURRENCY is now {now}: set it to EUR"):
            close_month(other, open_store(settings), MONTH, {})


def test_a_closing_writes_the_export_in_its_present_form(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Under the run that built the warehouse, or that of the export; with the posting date given, or that of it."""
    built_by: list[str | None] = [None]
    monkeypatch.setattr(period_close, "run_of", lambda _: built_by[0])
    monkeypatch.setattr(period_close, "write_month", lambda *_, **given: given)

    def written(wanted: date | None = None) -> tuple[Any, ...]:
        none = cast(Any, None)
        given: Any = period_close._export_again(none, settings, none, none, MONTH, wanted, ["xlsx"])
        return given["run_id"], given["form"].semicolons, given["posting_date"], given["also"]

    assert written() == (None, False, None, ["xlsx"])
    kept_manifest(settings.exports_dir(MONTH), posting_date=None)
    assert written() == ("M", True, None, ["xlsx"])
    kept_manifest(settings.exports_dir(MONTH), posting_date="2026-11-12")
    built_by[0] = "W"
    assert written() == ("W", True, date(2026, 11, 12), ["xlsx"])
    assert written(date(2026, 11, 30))[2] == date(2026, 11, 30)


def test_a_seal_that_was_kept_elsewhere_is_that_of_an_entry(settings: Settings) -> None:
    """At least its first 16 characters, in either case."""
    store = open_store(settings)
    seals = [audit_log.append(store, "note", {}).sha256 for _ in range(2)]
    for seal in (seals[0], f" {seals[1][:16].upper()} "):
        with pytest.raises(NoSuchData, match="2026-10 is not closed"):
            verify(settings, store, MONTH, seal)
    with pytest.raises(SettingsError, match="give all of it"):
        verify(settings, store, MONTH, f" {seals[0][:15]} ")
    unknown = f"no entry of the log has the seal {'0' * 16}"
    assert verify(settings, store, MONTH, "0" * 16) == period_close.Verified(0, (unknown,))
    with pytest.raises(SettingsError, match="reopening needs a reason"):
        reopen_month(store, MONTH, " ")
    store.write("closings/log/000001.json", b"{")
    for change in (lambda: close_month(settings, store, MONTH, {}), lambda: reopen_month(store, MONTH, "wrong")):
        with pytest.raises(Refused, match="the log of closings is not as it was written"):
            change()


def test_the_files_of_a_closing_are_counted_and_held_against_their_hashes(settings: Settings) -> None:
    """Those of an earlier closing and of a batch too; a folder that the log numbers otherwise was cut short."""
    store, kept = open_store(settings), hashlib.sha256(b"kept").hexdigest()

    def decide(kind: str, *names: str, **exports: str) -> None:
        folder = f"closings/2026-10/{len(audit_log.read(store).entries) + 1:06}"
        for name in names:
            store.write(f"{folder}/{name}", b"kept")
        files = {f"{folder}/{name}": kept for name in names if kind != "note"}
        audit_log.append(store, kind, {"month": "2026-10", "files": files, "exports": exports, "note": ""})

    decide("close", "a.parquet", "exports/b.csv")
    decide("reopen")
    decide("note", "left.parquet")
    kept_manifest(settings.exports_dir(MONTH))
    sealed = {"manifest.json": sha256_of(settings.exports_dir(MONTH) / "manifest.json")}
    decide("close", "a.parquet", **sealed)
    decide("corrections", "a.parquet")
    assert verify(settings, store, MONTH) == period_close.Verified(5, ())
    store.write("closings/2026-10/000001/exports/b.csv", b"changed")
    store.delete("closings/2026-10/000005/a.parquet")
    for path in ("000001/exports/c.csv", "000009/a.parquet", "000009/exports/b.csv"):
        store.write(f"closings/2026-10/{path}", b"kept")
    faults = [fault.removeprefix(f"{store.root}/closings/2026-10/") for fault in verify(settings, store, MONTH).faults]
    told = "is there without an entry of the log: a closing was cut short, or entries of the log are gone"
    assert faults == [
        "000001/exports/c.csv was not there when 2026-10 was closed",
        f"000009 {told}",
        "000001/exports/b.csv is not what it was",
        "000005/a.parquet is missing",
    ]
    (settings.exports_dir(MONTH) / "manifest.json").unlink()
    (*_, fault) = verify(settings, store, MONTH).faults
    assert fault.endswith("manifest.json is missing; `export` puts it back as it was closed")
