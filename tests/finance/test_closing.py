"""A closed month stays closed: what changes later comes as corrections, and whatever is tampered with is told."""

import json
import shutil
from collections import defaultdict
from contextlib import closing as closing_of
from datetime import UTC, date, datetime, tzinfo
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as checked
from hypothesis import strategies as st

from ecgrid_flows import corrections, decisions
from ecgrid_flows.closing import Closed, close_month, reopen_month, verify
from ecgrid_flows.errors import NoSuchData, Refused, SettingsError
from ecgrid_flows.export import export_month, read_export
from ecgrid_flows.settings import Settings
from ecgrid_flows.sheets import read_manifest
from ecgrid_flows.store import open_store
from ecgrid_transforms.money import ZERO, Decimal

from .world import MONTH, build, fill, finding, line


@pytest.fixture
def usd(tmp_path: Path) -> Settings:
    return Settings(data_dir=str(tmp_path / "data"), currency="USD")


def close(settings: Settings, accept: dict[str, str] | None = None) -> Closed:
    return close_month(settings, open_store(settings), MONTH, accept or {})


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir()) if path.is_file()}


def corrected(settings: Settings) -> list[dict[str, Any]]:
    export_month(settings, MONTH)
    path = settings.exports_dir(MONTH) / "corrections/corrections.csv"
    rows: list[dict[str, Any]] = read_export(path).to_pylist() if path.is_file() else []
    return rows


def plain_text(value: Decimal) -> str:
    return f"{value:f}".rstrip("0").rstrip(".")


def shown(rows: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    wanted = ("correction", "entry", "mailbox_id", "billed_amount", "expected_amount")
    return [tuple(plain_text(v) if isinstance(v, Decimal) else v for v in map(row.get, wanted)) for row in rows]


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
    with pytest.raises(SettingsError, match="without a reason"):
        close(settings, {ids[0]: "fine", ids[1]: " "})
    with pytest.raises(NoSuchData, match="no finding 'abcdef'"):
        close(settings, {ids[0]: "fine", "abcdef": "fine"})
    assert decisions.read(open_store(settings)).entries == ()  # a refused closing records nothing
    done = close(settings, {ids[0]: "within our tolerance", ids[1]: "settled by phone"})
    assert done.accepted == (ids[0], ids[1])
    files = {path.name: path for path in done.exports}
    frozen = {row["mailbox_id"]: (row["state"], row["note"]) for row in read_export(files["findings.csv"]).to_pylist()}
    assert frozen == {
        0: ("accepted", "within our tolerance"),
        1: ("accepted", "settled by phone"),
        2: ("open", None),
    }


def test_a_disputed_error_does_not_keep_a_month_open(settings: Settings) -> None:
    from .test_finding_states import decide

    build(settings, out_line_items=[line(amount="80")], out_findings=[finding()])
    export_month(settings, MONTH)
    name = read_export(settings.exports_dir(MONTH) / "findings.csv")["finding_id"][0].as_py()
    decide(settings, open_store(settings), name, "disputed")
    assert close(settings).entry.kind == "close"


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


def test_corrections_by_hand(settings: Settings) -> None:
    """One line changed, one came, one went; one only changed its reading's name, which is no correction."""
    build(settings, out_line_items=[line(), line(mailbox_id=1), line(mailbox_id=3, reading_id="unit")])
    close(settings)
    assert corrected(settings) == []
    build(
        settings,
        out_line_items=[
            line(amount="75.00", expected_amount="75.00", is_taxable=True),
            line(mailbox_id=2, amount="5", expected_amount=None, difference=None),
            line(mailbox_id=3, reading_id="unit (other words)"),
        ],
    )
    rows = corrected(settings)
    assert shown(rows) == [
        (1, "reversal", 0, "-72.96", "-72.96"),
        (1, "re-entry", 0, "75", "75"),
        (1, "reversal", 1, "-72.96", "-72.96"),
        (1, "re-entry", 2, "5", None),
    ]
    assert {row["reporting_month"] for row in rows} == {MONTH}
    assert [row["quantity_billed"] for row in rows] == [-335, 335, -335, 335]


def test_corrections_for_the_ledger_and_in_focus(usd: Settings) -> None:
    """72.96 is taken back and 75.00 entered: 2.04 more is owed, by an entry of its own."""
    build(usd, out_line_items=[line()])
    close(usd)
    build(usd, out_line_items=[line(amount="75.00", expected_amount="75.00", schedule_rate="0.2238805970")])
    export_month(usd, MONTH)
    folder = usd.exports_dir(MONTH) / "corrections"
    journal = read_export(folder / "corrections_journal.csv").to_pylist()
    assert [(row["date"], row["account"], row["debit"], row["credit"], row["reference"]) for row in journal] == [
        (date(2026, 10, 31), "6100", Decimal("2.04"), None, "ECGRID-8751-2026-10-C1"),
        (date(2026, 10, 31), "2000", None, Decimal("2.04"), "ECGRID-8751-2026-10-C1"),
    ]
    focus = read_export(folder / "corrections_focus_1_2.csv").to_pylist()
    assert [(row["ChargeClass"], row["x_Entry"], row["BilledCost"], row["InvoiceId"]) for row in focus] == [
        ("Correction", "reversal", Decimal("-72.96"), "provisional-8751-2026-10-C1"),
        ("Correction", "re-entry", Decimal("75.00"), "provisional-8751-2026-10-C1"),
    ]
    for row in focus:
        assert row["PricingQuantity"] * row["ContractedUnitPrice"] == row["ContractedCost"]
        assert row["ContractedUnitPrice"] > ZERO
        assert row["ChargePeriodStart"].date() == MONTH


#: What a month billed and should have, by mailbox; nothing is a line without a proof.
Figures = dict[int, tuple[Decimal, Decimal | None]]
CLOSED: tuple[Figures, ...] = (
    {},
    {0: (Decimal("72.9600"), Decimal("72.96")), 1: (Decimal("-6.02"), None), 3: (ZERO, Decimal("0.0001"))},
)
amounts = st.decimals("-999", "9999", places=4)
figures = st.dictionaries(st.integers(0, 4), st.tuples(amounts, st.none() | amounts), max_size=5)


def rows_of(month: Figures) -> list[dict[str, Any]]:
    return [
        line(mailbox_id=mailbox, amount=str(billed), expected_amount=None if right is None else str(right))
        for mailbox, (billed, right) in month.items()
    ]


@pytest.fixture(scope="module")
def closed_months(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """A data directory for each of `CLOSED`, with that month closed."""
    call = {**line(), "outcome": "line", "attempts": 1, "latency_ms": 1, "called_at": datetime(2026, 11, 2, tzinfo=UTC)}
    folders = [tmp_path_factory.mktemp("closed") / "data" for _ in CLOSED]
    for folder, month in zip(folders, CLOSED, strict=True):
        settings = Settings(data_dir=str(folder))
        build(settings, out_line_items=rows_of(month), raw_calls=[call])
        close(settings)
    return folders


@given(
    which=st.integers(0, len(CLOSED) - 1),
    pulls=st.lists(st.tuples(figures, st.booleans()), min_size=1, max_size=4),
)
@checked(max_examples=12, suppress_health_check=[HealthCheck.too_slow])
def test_reversals_and_re_entries_sum_to_the_change_for_any_sequence_of_pulls(
    closed_months: list[Path],
    tmp_path_factory: pytest.TempPathFactory,
    which: int,
    pulls: list[tuple[Figures, bool]],
) -> None:
    """After every pull, booked or not: what was closed and all corrections make what the warehouse says, by line."""
    settings, first = Settings(data_dir=str(tmp_path_factory.mktemp("pulls") / "data")), CLOSED[which]
    shutil.copytree(closed_months[which], settings.data_dir)
    store = open_store(settings)
    booked: list[dict[str, Any]] = []
    for month, is_booked in pulls:
        with closing_of(duckdb.connect(str(settings.warehouse_path))) as connection:
            fill(connection, out_line_items=rows_of(month))
        rows = listed_pairs(settings)
        assert all(row in rows for row in booked)  # what was booked stays
        sums: dict[int, list[Decimal]] = defaultdict(lambda: [ZERO, ZERO])
        for mailbox, (billed, right) in first.items():
            sums[mailbox] = [billed, right or ZERO]
        for row in rows:
            kept = sums[row["mailbox_id"]]
            sums[row["mailbox_id"]] = [kept[0] + row["billed_amount"], kept[1] + (row["expected_amount"] or ZERO)]
        for mailbox in {*first, *month}:
            billed, right = month.get(mailbox, (ZERO, ZERO))
            assert sums[mailbox] == [billed, right or ZERO]
        if is_booked:
            log = decisions.read(store)
            entry = log.closing(MONTH)
            assert entry is not None
            corrections.book(settings, store, log, entry, "posted")
            booked = rows
    assert verify(settings, store, MONTH).faults == ()


def listed_pairs(settings: Settings) -> list[dict[str, Any]]:
    store = open_store(settings)
    log = decisions.read(store)
    entry = log.closing(MONTH)
    assert entry is not None
    with corrections.pairs(settings, store, log, entry) as (_, found):
        rows: list[dict[str, Any]] = found.lines.to_arrow_table().to_pylist()
    return rows


def test_what_is_booked_is_posted_once(settings: Settings) -> None:
    build(settings, out_line_items=[line()])
    close(settings)
    store = open_store(settings)

    def book() -> decisions.Decision | None:
        log = decisions.read(store)
        entry = log.closing(MONTH)
        assert entry is not None
        return corrections.book(settings, store, log, entry, "posted in November")

    assert book() is None
    build(settings, out_line_items=[line(amount="75")])
    entry = book()
    assert entry is not None
    assert (entry.data["entries"], entry.data["billed_amount"]) == (2, "2.0400000000")
    build(settings, out_line_items=[line(amount="70")])
    assert shown(corrected(settings)) == [
        (1, "reversal", 0, "-72.96", "-72.96"),
        (1, "re-entry", 0, "75", "72.96"),
        (2, "reversal", 0, "-75", "-72.96"),
        (2, "re-entry", 0, "70", "72.96"),
    ]


def journal_of(settings: Settings) -> list[tuple[Any, ...]]:
    """Reference, account and signed amount of every line of the corrections' journal; a debit is above zero."""
    export_month(settings, MONTH)
    rows = read_export(settings.exports_dir(MONTH) / "corrections/corrections_journal.csv").to_pylist()
    return [(row["reference"], row["account"], (row["debit"] or ZERO) - (row["credit"] or ZERO)) for row in rows]


def book(settings: Settings) -> None:
    store = open_store(settings)
    log = decisions.read(store)
    entry = log.closing(MONTH)
    assert entry is not None
    corrections.book(settings, store, log, entry, "posted in November")


def test_what_was_posted_stays_in_the_journal_as_it_was(usd: Settings) -> None:
    """A batch keeps its reference and its account when the invoice and another chart come later."""
    build(usd, out_line_items=[line()])
    close(usd)
    build(usd, out_line_items=[line(amount="75")])
    book(usd)
    posted = [("ECGRID-8751-2026-10-C1", "6100", Decimal("2.04")), ("ECGRID-8751-2026-10-C1", "2000", Decimal("-2.04"))]
    assert journal_of(usd) == posted
    invoice = {"contract_id": 8751, "reporting_month": MONTH, "source": "InvoiceInfo", "invoice_id": 7}
    build(usd, out_line_items=[line(amount="70")], raw_invoices=[{**invoice, "invoice_number": "INV-7"}])
    own = Path(usd.data_dir) / "reference"
    own.mkdir()
    (own / "journal_accounts.csv").write_text(
        "role,network_id,account_report,measure_field,is_taxable,account,description\n"
        "charge,,,,,7100,Traffic\npayable,,,,,2100,Payable\nrounding,,,,,7990,Rounding\n"
    )
    assert journal_of(usd) == [*posted, ("INV-7-C2", "7100", Decimal(-5)), ("INV-7-C2", "2100", Decimal(5))]


def test_the_ledger_ends_at_the_new_sums_rounded(usd: Settings) -> None:
    """Tenths of a cent: 10.004 and 10.004 were booked as 10.00 each and owed as 20.01, of which 0.01 is rounding.

    As 10.008 the first is 10.01; together 20.012 are still 20.01: the cent moves from rounding to the charge. In a
    second batch the other is 10.009: 10.01, and 20.017 are 20.02.
    """
    build(usd, out_line_items=[line(amount="10.004"), line(amount="10.004", measure_field="ToKCs")])
    close(usd)
    table = read_export(usd.exports_dir(MONTH) / "journal.csv").to_pylist()
    cent = Decimal("0.01")
    assert [(row["account"], row["debit"], row["credit"]) for row in table] == [
        ("6100", Decimal(10), None),
        ("6100", Decimal(10), None),
        ("6990", cent, None),
        ("2000", None, Decimal("20.01")),
    ]
    build(usd, out_line_items=[line(amount="10.008"), line(amount="10.004", measure_field="ToKCs")])
    first = [("ECGRID-8751-2026-10-C1", "6100", cent), ("ECGRID-8751-2026-10-C1", "6990", -cent)]
    assert journal_of(usd) == first
    book(usd)
    build(usd, out_line_items=[line(amount="10.008"), line(amount="10.009", measure_field="ToKCs")])
    second = [("ECGRID-8751-2026-10-C2", "6100", cent), ("ECGRID-8751-2026-10-C2", "2000", -cent)]
    assert journal_of(usd) == [*first, *second]


def test_a_month_is_corrected_in_the_currency_that_it_was_closed_in(usd: Settings) -> None:
    build(usd, out_line_items=[line()])
    close(usd)
    build(usd, out_line_items=[line(amount="75")])
    with pytest.raises(Refused, match="was closed in USD, and ECGRID_CURRENCY is now EUR"):
        export_month(Settings(data_dir=usd.data_dir, currency="EUR"), MONTH)
    unset = Settings(data_dir=usd.data_dir)
    with pytest.raises(Refused, match="was closed in USD, and ECGRID_CURRENCY is not set"):
        book(unset)
    assert len(corrected(unset)) == 2
    folder = usd.exports_dir(MONTH) / "corrections"
    assert not (folder / "corrections_journal.csv").exists()
    assert "ECGRID_CURRENCY" in read_manifest(folder)["left_out"]["corrections_journal.csv"]


def test_closing_twice_and_reopening(settings: Settings) -> None:
    build(settings, out_line_items=[line()])
    with pytest.raises(NoSuchData, match="is not closed"):
        reopen_month(open_store(settings), MONTH, "wrong invoice")
    close(settings)
    with pytest.raises(Refused, match="is closed, since"):
        close(settings)
    with pytest.raises(SettingsError, match="wants a reason"):
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
    log = decisions.read(open_store(settings))
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
def test_whatever_is_tampered_with_is_told(settings: Settings, closed_twice: Path, path: str, is_missing: bool) -> None:
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


ADDED = [
    "exports/2026-10/dispute_9999.csv",
    "closings/2026-10/000003/more.parquet",
    "closings/2026-10/000003/exports/dispute_9999.csv",
    "closings/2026-10/000001/more.parquet",
    "closings/2026-10/000009",
]


@pytest.mark.parametrize("path", ADDED)
def test_a_file_that_was_not_closed_is_told(settings: Settings, closed_twice: Path, path: str) -> None:
    shutil.copytree(closed_twice, settings.data_dir)
    stranger = Path(settings.data_dir) / path
    if not stranger.suffix:
        stranger = stranger / "lines.parquet"
    stranger.parent.mkdir(exist_ok=True)
    stranger.write_text("2.00")
    (fault,) = verify(settings, open_store(settings), MONTH).faults
    assert path in fault


def test_what_an_earlier_closing_kept_is_held_too(settings: Settings, closed_twice: Path) -> None:
    shutil.copytree(closed_twice, settings.data_dir)
    (Path(settings.data_dir) / "closings/2026-10/000001/lines.parquet").write_text("2.00")
    (fault,) = verify(settings, open_store(settings), MONTH).faults
    assert "000001/lines.parquet is not what it was" in fault


def test_corrections_are_held_against_their_manifest(settings: Settings) -> None:
    build(settings, out_line_items=[line()])
    close(settings)
    build(settings, out_line_items=[line(amount="75")])
    export_month(settings, MONTH)
    assert verify(settings, open_store(settings), MONTH).faults == ()
    path = settings.exports_dir(MONTH) / "corrections/corrections.csv"
    path.write_bytes(path.read_bytes().replace(b"75", b"57"))
    (fault,) = verify(settings, open_store(settings), MONTH).faults
    assert "corrections.csv is not what its manifest says" in fault


def test_frozen_files_without_a_log_are_told(settings: Settings) -> None:
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


def test_a_log_cut_short_or_written_anew_is_told(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """All within one second: what tells one closing from another is no clock."""
    monkeypatch.setattr(decisions, "datetime", Stopped)
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
    with pytest.raises(Refused, match="only while it still ran"):
        close(settings)
    assert not decisions.read(open_store(settings)).entries


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
    with pytest.raises(Refused, match="1 of its lines were asked only while it still ran"):
        close(settings)
    assert not decisions.read(open_store(settings)).entries


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


def test_a_crash_between_entry_and_head_is_no_tampering(settings: Settings) -> None:
    build(settings, out_line_items=[line()])
    close(settings)
    head = Path(settings.data_dir) / "closings/head.json"
    before = head.read_bytes()
    reopen_month(open_store(settings), MONTH, "once more")
    head.write_bytes(before)
    assert decisions.read(open_store(settings)).faults == ()
    close(settings)
    assert json.loads(head.read_bytes())["entries"] == 3


def test_a_changed_frozen_file_stops_the_export(settings: Settings) -> None:
    build(settings, out_line_items=[line()])
    close(settings)
    path = settings.exports_dir(MONTH) / "finance_lines.csv"
    path.write_bytes(path.read_bytes().replace(b"72.96", b"72.95"))
    with pytest.raises(Refused, match=r"finance_lines\.csv is not the file that 2026-10 was closed with"):
        export_month(settings, MONTH)


def test_the_form_of_the_files_stays_through_closing(settings: Settings) -> None:
    from ecgrid_flows.csv_files import CsvForm

    build(settings, out_line_items=[line()])
    export_month(settings, MONTH, form=CsvForm(semicolons=True, bom=True))
    before = contents(settings.exports_dir(MONTH))
    close(settings)
    assert contents(settings.exports_dir(MONTH)) == before
