"""What changes in a closed month comes as corrections, which sum to the change."""

import hashlib
import json
import shutil
from collections import defaultdict
from contextlib import closing as closing_of
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as checked
from hypothesis import strategies as st
from typer.testing import CliRunner

from ecgrid_flows import formats
from ecgrid_flows.cli import app
from ecgrid_flows.errors import NoSuchData, Refused, StorageFailed
from ecgrid_flows.finance import audit_log, corrections
from ecgrid_flows.finance.audit_log import Decision, Log
from ecgrid_flows.finance.csv_writer import CsvForm
from ecgrid_flows.finance.export import export_month, read_export
from ecgrid_flows.finance.export_files import read_manifest
from ecgrid_flows.finance.period_close import verify
from ecgrid_flows.settings import Settings
from ecgrid_flows.storage.opening import open_store
from ecgrid_transforms.money import ZERO, Decimal, total

from .decided import book, bucket, close, corrected, journal_of, shown
from .world import MONTH, build, fill, invoiced, line

pytestmark = pytest.mark.slow


def test_corrections_by_hand(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """One line changed, one came, one went; one only changed its reading's name, which is no correction.

    Later all is as it was closed: the file stays, without a row.
    """
    closed = [line(), line(mailbox_id=1), line(mailbox_id=3, reading_id="unit")]
    build(settings, out_line_items=closed)
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
    monkeypatch.setattr(corrections, "run_of", lambda _: "of the build")
    rows = corrected(settings)
    folder = settings.exports_dir(MONTH) / "corrections"
    assert read_manifest(folder)["run_id"] == "of the build"
    assert shown(rows) == [
        (1, "reversal", 0, "-72.96", "-72.96"),
        (1, "re-entry", 0, "75", "75"),
        (1, "reversal", 1, "-72.96", "-72.96"),
        (1, "re-entry", 2, "5", None),
    ]
    assert {row["reporting_month"] for row in rows} == {MONTH}
    assert [row["quantity_billed"] for row in rows] == [-335, 335, -335, 335]
    assert "place" not in rows[0]
    build(settings, out_line_items=closed)
    export_month(settings, MONTH, run_id="later", form=CsvForm(semicolons=True))
    assert read_export(folder / "corrections.csv").to_pylist() == []
    manifest = read_manifest(folder)
    assert (manifest["run_id"], manifest["csv"]["delimiter"]) == ("later", ";")
    assert sorted(manifest["left_out"]) == [
        *("corrections_focus_1_2.csv", "corrections_focus_1_2.parquet", "corrections_journal.csv")
    ]


@pytest.mark.long
def test_corrections_for_the_ledger_and_in_focus(usd: Settings) -> None:
    """72.96 is taken back and 75.00 entered; the invoice, corrected too, asks 2.04 more, by an entry of its own."""
    build(usd, **invoiced([line()]))
    close(usd)
    changed = line(amount="75.00", expected_amount="75.00", schedule_rate="0.2238805970")
    build(usd, **invoiced([changed]))
    export_month(usd, MONTH)
    folder = usd.exports_dir(MONTH) / "corrections"
    journal = read_export(folder / "corrections_journal.csv").to_pylist()
    columns = ("posting_date", "reporting_month", "account", "debit", "credit", "reference", "correction")
    assert [tuple(row[name] for name in columns) for row in journal] == [
        (date(2026, 11, 1), MONTH, "6100", Decimal("2.04"), None, "8753-C1", 1),
        (date(2026, 11, 1), MONTH, "2000", None, Decimal("2.04"), "8753-C1", 1),
    ]
    assert read_manifest(folder)["left_out"] == {}
    focus = read_export(folder / "corrections_focus_1_2.csv").to_pylist()
    assert [(row["ChargeClass"], row["x_Entry"], row["BilledCost"], row["InvoiceId"]) for row in focus] == [
        ("Correction", "reversal", Decimal("-72.96"), "8753-C1"),
        ("Correction", "re-entry", Decimal("75.00"), "8753-C1"),
    ]
    for row in focus:
        assert row["PricingQuantity"] * row["ContractedUnitPrice"] == row["ContractedCost"]
        assert row["ContractedUnitPrice"] > ZERO
        assert row["ChargePeriodStart"].date() == MONTH


@pytest.mark.long
def test_a_late_credit_note_is_listed_although_no_line_changed(usd: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """9.30 credited after the closing: the command lists its journal entry, and books it."""
    monkeypatch.setenv("ECGRID_CURRENCY", "USD")
    build(usd, **invoiced([line()]))
    close(usd)
    shown = CliRunner().invoke(app, ["corrections", "2026-10", "--data-dir", usd.data_dir]).stdout
    assert shown == "2026-10: no changes since the closing\n"
    build(usd, **invoiced([line()], "63.66"))
    for command in (["corrections", "2026-10"], ["corrections", "2026-10", "--book"], ["corrections", "2026-10"]):
        shown = CliRunner().invoke(app, [*command, "--data-dir", usd.data_dir]).stdout
        assert "2026-10, journal since the closing" in shown
        assert [text.split()[0:3] + text.split()[-1:] for text in shown.splitlines() if "8753-C1" in text] == [
            ["1", "2026-11-01", "8753-C1", "9.30"]
        ] * 2
    done = CliRunner().invoke(app, ["corrections", "2026-10", "--json", "--data-dir", usd.data_dir])
    assert [row["role"] for row in json.loads(done.stdout)["journal"]] == ["unexplained", "payable"]


def files_of_focus(folder: Path) -> dict[str, Decimal]:
    """The CSVs of FOCUS below an export, each with the sum that its manifest states and its rows have."""
    found = {}
    for path in sorted(folder.rglob("*focus_*.csv")):
        manifest = next(above for above in path.parents if (above / "manifest.json").is_file())
        entry = read_manifest(manifest)["files"][path.relative_to(manifest).as_posix()]
        billed = total(read_export(path).column("BilledCost").to_pylist())
        assert Decimal(entry["control_totals"]["BilledCost"]) == billed
        parquet = pq.read_table(path.with_suffix(".parquet"))
        assert total(parquet.column("BilledCost").to_pylist()) == billed
        found[path.relative_to(folder).as_posix()] = billed
    return found


@pytest.mark.long
def test_each_version_of_focus_stands_beside_the_other(usd: Settings) -> None:
    """1.4 has a folder of its own, so a reader of the month's files counts nothing twice; it is kept up, and closed."""
    build(usd, **invoiced([line()]))
    folder = usd.exports_dir(MONTH)
    export_month(usd, MONTH)
    assert files_of_focus(folder) == {"focus_1_2.csv": Decimal("72.96")}
    export_month(usd, MONTH, focus="1.4")
    both = {"focus-1.4/focus_1_4.csv": Decimal("72.96"), "focus_1_2.csv": Decimal("72.96")}
    assert files_of_focus(folder) == both
    assert [path.name for path in folder.glob("*.parquet")] == ["focus_1_2.parquet"]
    export_month(usd, MONTH)
    assert files_of_focus(folder) == both, "what is there is kept up"
    assert verify_names(folder) == []
    close(usd)
    build(usd, **invoiced([line(amount="75.00", expected_amount="75.00", schedule_rate="0.2238805970")]))
    export_month(usd, MONTH)
    assert files_of_focus(folder) == both | {
        "corrections/corrections_focus_1_2.csv": Decimal("2.04"),
        "corrections/focus-1.4/corrections_focus_1_4.csv": Decimal("2.04"),
    }
    assert verify(usd, open_store(usd), MONTH).faults == ()


def verify_names(folder: Path) -> list[str]:
    """Files of an export that its manifest does not name."""
    named = {*read_manifest(folder)["files"], "manifest.json"}
    return sorted({path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()} - named)


@pytest.mark.long
def test_a_month_closed_without_a_version_of_focus_says_so(usd: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ECGRID_CURRENCY", "USD")
    build(usd, **invoiced([line()]))
    close(usd)
    asked = ["export", "--month", "2026-10", "--focus", "1.4", "--data-dir", usd.data_dir]
    done = CliRunner().invoke(app, asked)
    assert "2026-10 is closed without FOCUS 1.4: run `reopen` to write it." in done.stderr
    assert list(files_of_focus(usd.exports_dir(MONTH))) == ["focus_1_2.csv"]
    assert "FOCUS" not in CliRunner().invoke(app, [*asked[:3], *asked[5:]]).stderr


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


pulls_of_a_closed_month = given(
    which=st.integers(0, len(CLOSED) - 1),
    pulls=st.lists(st.tuples(figures, st.booleans()), min_size=1, max_size=4),
)


@pulls_of_a_closed_month
@checked(max_examples=3, suppress_health_check=[HealthCheck.too_slow])
def test_reversals_and_re_entries_sum_to_the_change(
    closed_months: list[Path],
    tmp_path_factory: pytest.TempPathFactory,
    which: int,
    pulls: list[tuple[Figures, bool]],
) -> None:
    pull_and_correct(closed_months[which], CLOSED[which], tmp_path_factory.mktemp("pulls") / "data", pulls)


@pytest.mark.soak
@pulls_of_a_closed_month
@checked(max_examples=12, suppress_health_check=[HealthCheck.too_slow])
def test_reversals_and_re_entries_sum_to_the_change_for_any_sequence_of_pulls(
    closed_months: list[Path],
    tmp_path_factory: pytest.TempPathFactory,
    which: int,
    pulls: list[tuple[Figures, bool]],
) -> None:
    pull_and_correct(closed_months[which], CLOSED[which], tmp_path_factory.mktemp("pulls") / "data", pulls)


def pull_and_correct(closed: Path, first: Figures, data_dir: Path, pulls: list[tuple[Figures, bool]]) -> None:
    """After every pull, booked or not: what was closed and all corrections make what the warehouse says, by line."""
    settings = Settings(data_dir=str(data_dir))
    shutil.copytree(closed, settings.data_dir)
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
            log = audit_log.read(store)
            entry = log.closing(MONTH)
            assert entry is not None
            corrections.book(settings, store, log, entry, "posted")
            booked = rows
    assert verify(settings, store, MONTH).faults == ()


def listed_pairs(settings: Settings) -> list[dict[str, Any]]:
    store = open_store(settings)
    log = audit_log.read(store)
    entry = log.closing(MONTH)
    assert entry is not None
    with corrections.pairs(settings, store, log, entry) as (_, found):
        rows: list[dict[str, Any]] = found.lines.to_arrow_table().to_pylist()
    return rows


def test_what_is_booked_is_posted_once(settings: Settings) -> None:
    build(settings, out_line_items=[line()])
    close(settings)
    store = open_store(settings)

    def book() -> audit_log.Decision | None:
        log = audit_log.read(store)
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


@pytest.mark.soak
def test_what_was_posted_stays_in_the_journal_as_it_was(usd: Settings) -> None:
    """A batch keeps its reference and accounts when another chart comes later; so does what it posted to."""
    build(usd, **invoiced([line()]))
    close(usd)
    build(usd, **invoiced([line(amount="75")]))
    book(usd)
    posted = [("8753-C1", "6100", Decimal("2.04")), ("8753-C1", "2000", Decimal("-2.04"))]
    assert journal_of(usd) == posted
    own = Path(usd.data_dir) / "reference"
    own.mkdir()
    (own / "journal_accounts.csv").write_text(
        "role,network_id,account_report,measure_field,is_taxable,account,description\n"
        "charge,,,,,7100,Traffic\npayable,,,,,2100,Payable\nrounding,,,,,7990,Rounding\n"
        "disputed,,,,,7310,Disputed\nunexplained,,,,,7320,Unexplained\n"
    )
    build(usd, **invoiced([line(amount="70"), line(mailbox_id=1, account_report="FixedRate", amount="1")]))
    assert journal_of(usd) == [
        *posted,
        ("8753-C2", "7100", Decimal(1)),
        ("8753-C2", "6100", Decimal(-5)),
        ("8753-C2", "2000", Decimal(4)),
    ]


@pytest.mark.soak
def test_the_ledger_ends_at_the_new_sums_rounded(usd: Settings) -> None:
    """Tenths of a cent: 10.004 and 10.004 were booked as 10.00 each and owed as 20.01, of which 0.01 is rounding.

    As 10.008 the first is 10.01; together 20.012 are still 20.01: the cent moves from rounding to the charge. In a
    second batch the other is 10.009: 10.01, and 20.017 are 20.02.
    """
    build(usd, **invoiced([line(amount="10.004"), line(amount="10.004", measure_field="ToKCs")]))
    close(usd)
    table = read_export(usd.exports_dir(MONTH) / "journal.csv").to_pylist()
    cent = Decimal("0.01")
    assert [(row["account"], row["debit"], row["credit"]) for row in table] == [
        ("6100", Decimal(10), None),
        ("6100", Decimal(10), None),
        ("6990", cent, None),
        ("2000", None, Decimal("20.01")),
    ]
    build(usd, **invoiced([line(amount="10.008"), line(amount="10.004", measure_field="ToKCs")]))
    first = [("8753-C1", "6100", cent), ("8753-C1", "6990", -cent)]
    assert journal_of(usd) == first
    book(usd)
    build(usd, **invoiced([line(amount="10.008"), line(amount="10.009", measure_field="ToKCs")]))
    second = [("8753-C2", "6100", cent), ("8753-C2", "2000", -cent)]
    assert journal_of(usd) == [*first, *second]


@pytest.mark.long
def test_a_month_is_corrected_in_the_currency_that_it_was_closed_in(usd: Settings) -> None:
    build(usd, **invoiced([line()]))
    close(usd)
    build(usd, **invoiced([line(amount="75")]))
    with pytest.raises(Refused, match="was closed in USD, and ECGRID_CURRENCY is now EUR"):
        export_month(Settings(data_dir=usd.data_dir, currency="EUR"), MONTH)
    unset = Settings(data_dir=usd.data_dir)
    with pytest.raises(Refused, match="was closed in USD, and ECGRID_CURRENCY is not set"):
        book(unset)
    assert len(corrected(unset)) == 2
    folder = usd.exports_dir(MONTH) / "corrections"
    assert not (folder / "corrections_journal.csv").exists()
    assert "ECGRID_CURRENCY" in read_manifest(folder)["left_out"]["corrections_journal.csv"]


FOLDER = "closings/2026-10/000001/exports"
KEPT = {"manifest.json": b"{}", "z.csv": b"z", "disputes/7/claim.csv": b"c", "disputes/7/letter.html": b"l"}


def closing_with(files: dict[str, bytes]) -> Decision:
    """The closing of 2026-10 with these files of its export."""
    seals = {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}
    kept = {f"{FOLDER}/{name}": seal for name, seal in seals.items()}
    return Decision(1, "close", "", "", {"month": "2026-10", "exports": seals, "files": kept}, "")


def test_a_closed_export_is_restored_where_a_file_is_missing_and_refused_where_one_differs(
    settings: Settings, tmp_path: Path
) -> None:
    """The manifest comes last; what is whole is not published again."""
    store = bucket(tmp_path / "bucket")
    for name, data in KEPT.items():
        store.write(f"{FOLDER}/{name}", data)
    folder = settings.exports_dir(MONTH)
    names = ["disputes/7/claim.csv", "disputes/7/letter.html", "z.csv", "manifest.json"]

    def restored() -> list[bytes]:
        paths = corrections.frozen_export(settings, store, closing_with(KEPT))
        assert paths == [folder / name for name in names]
        return [path.read_bytes() for path in paths]

    whole = [b"c", b"l", b"z", b"{}"]
    assert restored() == whole
    assert [store.read(f"exports/2026-10/{name}") for name in names] == whole
    store.delete("exports/2026-10/z.csv")
    assert restored() == whole
    assert not store.exists("exports/2026-10/z.csv")
    (folder / "z.csv").write_bytes(b"y")
    with pytest.raises(Refused, match=r"z\.csv is not the file that 2026-10 was closed with"):
        restored()
    (folder / "z.csv").unlink()
    assert restored() == whole
    (folder / "z.csv").unlink()
    store.write(f"{FOLDER}/z.csv", b"y")
    with pytest.raises(StorageFailed, match=r"z\.csv is damaged"):
        restored()


def test_there_is_something_to_correct_where_a_file_of_corrections_has_a_row(settings: Settings, usd: Settings) -> None:
    """Without a currency there is no file of FOCUS."""
    empty, posted = pa.table({"debit": pa.array([], pa.int32())}), pa.table({"debit": [1]})
    with closing_of(duckdb.connect()) as connection:
        none, one = connection.sql("SELECT 1 LIMIT 0"), connection.sql("SELECT 1")
        cases = [
            *((settings, None, none, none), (settings, None, none, one), (settings, None, one, none)),
            *((usd, empty, none, none), (usd, empty, none, one), (usd, empty, one, none), (usd, posted, none, none)),
        ]
        assert [corrections._is_any(*case) for case in cases] == [False, False, True, False, True, True, True]


def test_a_batch_without_a_journal_keeps_its_number(usd: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first batch was booked without a currency, the second has two journal lines; one is to be posted."""
    tables = [None, pa.table({"debit": [1, 2]}), pa.table({"debit": [3]})]
    monkeypatch.setattr(corrections, "batches", lambda *_: tables[:2])
    monkeypatch.setattr(corrections, "open_journal", lambda *_: tables[2])
    given: Any = (open_store(usd), Log((), ()), closing_with({}), None)
    found = corrections._journal(None, usd, *given)
    assert found is not None
    assert found.to_pydict() == {"debit": [1, 2, 3], "correction": [2, 2, 3]}
    assert corrections._journal(None, replace(usd, currency=None), *given) is None
    assert corrections.listed_journal(usd, MONTH) == []


def test_a_batch_is_booked_with_a_sound_log_and_in_the_currency_of_the_closing(usd: Settings) -> None:
    """What passes both is stopped by the warehouse, which is not there."""
    usd.exports_dir(MONTH).mkdir(parents=True)
    store = open_store(usd)

    def booked(closed: str | None, present: str | None, *faults: str) -> None:
        manifest = {**formats.stamp("export"), "month": "2026-10", "currency": closed, "files": {}}
        (usd.exports_dir(MONTH) / "manifest.json").write_text(json.dumps(manifest))
        corrections.book(replace(usd, currency=present), store, Log((), faults), closing_with({}), "posted")

    for closed, present in ((None, None), (None, "USD"), ("USD", "USD")):
        with pytest.raises(NoSuchData):
            booked(closed, present)
    with pytest.raises(Refused, match="was closed in USD, and ECGRID_CURRENCY is now EUR"):
        booked("USD", "EUR")
    with pytest.raises(Refused, match="ECGRID_CURRENCY is now EUR"):
        corrections.export_corrections(replace(usd, currency="EUR"), store, Log((), ()), closing_with({}))
    with pytest.raises(Refused, match="was closed in USD, and ECGRID_CURRENCY is not set"):
        booked("USD", None)
    with pytest.raises(Refused, match="the log of closings is not as it was written: entry 1 was changed"):
        booked("USD", "USD", "entry 1 was changed")
