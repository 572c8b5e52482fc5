"""What keeps a month open, and what stays when it is closed."""

import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ecgrid_flows.errors import NoSuchData, Refused, SettingsError
from ecgrid_flows.finance import audit_log, corrections, period_close
from ecgrid_flows.finance.audit_log import Decision
from ecgrid_flows.finance.export import export_month, read_export
from ecgrid_flows.finance.export_files import read_manifest, sha256_of
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
    assert audit_log.read(open_store(settings)).entries == ()  # a refused closing records nothing
    done = close(settings, {ids[0]: "within our tolerance", ids[1]: "settled by phone"})
    assert done.accepted == (ids[0], ids[1])
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


def test_a_deleted_export_of_a_closed_month_comes_back_as_it_was(settings: Settings) -> None:
    build(settings, out_line_items=[line()])
    close(settings)
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
    export_month(settings, MONTH)
    name = read_export(settings.exports_dir(MONTH) / "findings.csv")["finding_id"][0].as_py()
    decide(settings, store, name, "disputed")
    closing = close_month(settings, store, MONTH, {}).entry
    folders = settings.exports_dir(MONTH), tmp_path / "bucket/exports/2026-10"
    frozen = tree(folders[0])
    assert "disputes/no_contract/claim.csv" in frozen
    assert tree(folders[1]) == frozen
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
    with pytest.raises(Refused, match="requested only before its end"):
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
    from ecgrid_flows.finance.csv_writer import CsvForm

    build(settings, out_line_items=[line()])
    export_month(settings, MONTH, form=CsvForm(semicolons=True, bom=True))
    before = contents(settings.exports_dir(MONTH))
    close(settings)
    assert contents(settings.exports_dir(MONTH)) == before


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
    (tmp_path / "corrections").mkdir()
    assert faults() == [*expected, "corrections/manifest.json is missing or damaged; `corrections` writes it anew"]
    assert [one.partition(" ")[0] for one in period_close._export_faults(tmp_path / "none", {})] == []


def test_the_files_of_a_month_are_those_of_its_closings_and_corrections() -> None:
    kinds = (("close", "2026-10"), ("corrections", "2026-10"), ("reopen", "2026-10"), ("close", "2026-09"))
    kept = [Decision(1, kind, "", "", {"month": month}, "") for kind, month in kinds]
    assert [period_close._keeps_files(entry, MONTH) for entry in kept] == [True, True, False, False]
