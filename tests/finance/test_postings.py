"""What was posted is never written again, and with what follows it is always what the invoices ask."""

import itertools
import shutil
from collections import defaultdict
from contextlib import closing as closing_of
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as checked
from hypothesis import strategies as st
from typer.testing import CliRunner

from ecgrid_flows.cli import app
from ecgrid_flows.errors import SettingsError
from ecgrid_flows.finance import audit_log, corrections
from ecgrid_flows.finance.export import export_month, read_export
from ecgrid_flows.finance.export_files import opened, read_manifest
from ecgrid_flows.finance.journal import open_journal
from ecgrid_flows.finance.period_close import close_month, reopen_month
from ecgrid_flows.settings import Settings
from ecgrid_flows.storage.local import LocalStore
from ecgrid_flows.storage.opening import open_store
from ecgrid_transforms.money import ZERO, Decimal, rounded, total

from .world import MONTH, build, fill, invoiced, line

CALL = {**line(), "outcome": "line", "attempts": 1, "latency_ms": 1, "called_at": datetime(2026, 11, 2, tzinfo=UTC)}
NOVEMBER = date(2026, 11, 1)
EMPTY: dict[str, list[dict[str, Any]]] = {
    "raw_invoices": [],
    "out_invoice_reconciliation": [],
    "out_finding_amounts": [],
}

#: Amounts of lines by mailbox, the invoice's total (none: not there yet), and what is disputed of the first line.
cents = st.integers(-50_000, 900_000).map(lambda cent: str(Decimal(cent) / 100))
tenths = st.integers(-500_000, 9_000_000).map(lambda tenth: str(Decimal(tenth) / 1000))
states = st.tuples(st.dictionaries(st.integers(0, 2), tenths, min_size=1), st.none() | cents, st.none() | cents)
steps = st.one_of(
    st.tuples(st.just("change"), states),
    st.tuples(st.sampled_from(["close", "book", "reopen", "export", "export"]), st.none()),
)


def relations(state: tuple[dict[int, str], str | None, str | None]) -> dict[str, list[dict[str, Any]]]:
    amounts, asked, held = state
    lines = [line(mailbox_id=mailbox, amount=amount) for mailbox, amount in amounts.items()]
    if asked is None:
        return {**EMPTY, **invoiced(lines, number=None)}
    return {**EMPTY, **invoiced(lines, asked, disputed={} if held is None else {min(amounts): held})}


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    settings = Settings(data_dir=str(tmp_path_factory.mktemp("postings") / "data"), currency="USD")
    build(settings, raw_calls=[CALL], **relations(({0: "72.96"}, "72.96", None)))
    return Path(settings.data_dir)


def to_post(settings: Settings, is_closed: bool) -> list[dict[str, Any]]:
    """The journal of an open month, of a closed one that of all batches since; none where nothing changed."""
    export_month(settings, MONTH)
    folder = settings.exports_dir(MONTH)
    path = folder / "corrections/corrections_journal.csv" if is_closed else folder / "journal.csv"
    return read_export(path).to_pylist() if path.is_file() else []


def signed(row: dict[str, Any]) -> Decimal:
    return (row["debit"] or ZERO) - (row["credit"] or ZERO)


#: Steps after the first state: a state, or what is done with the one there is.
Sequence = list[tuple[str, Any]]


@pytest.mark.soak
@given(first=states, sequence=st.lists(steps, min_size=1, max_size=5))
@checked(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_posted_and_what_follows_are_the_present_state_for_any_sequence(
    template: Path, tmp_path_factory: pytest.TempPathFactory, first: Any, sequence: Sequence
) -> None:
    follow(template, tmp_path_factory.mktemp("sequence") / "data", first, sequence)


@pytest.mark.soak
def test_posted_and_what_follows_are_the_present_state(template: Path, tmp_path: Path) -> None:
    """Closed with its invoice, changed, booked, changed again with a disputed line, reopened with another line gone."""
    changed = ({0: "75.005", 1: "-3.50"}, "80.00", None)
    disputed = ({0: "75.005", 1: "-3.50", 2: "12.345"}, "83.85", "7.04")
    sequence = [
        *(("close", None), ("change", changed), ("book", None), ("change", disputed)),
        *(("reopen", None), ("change", ({2: "12.345"}, "12.35", None))),
    ]
    follow(template, tmp_path / "data", ({0: "72.96", 1: "80.00"}, "153.00", None), sequence)


def follow(template: Path, data_dir: Path, first: Any, sequence: Sequence) -> None:
    """Every step of the sequence, with a check of all that is posted and to be posted after each."""
    settings = Settings(data_dir=str(data_dir), currency="USD")
    shutil.copytree(template, settings.data_dir)
    store = open_store(settings)
    posted: list[dict[str, Any]] = []
    present, is_closed, since = first, False, 0
    for name, state in [("change", first), *sequence, ("export", None)]:
        closing = audit_log.read(store).closing(MONTH)
        if name == "change":
            present = state
            with closing_of(duckdb.connect(str(settings.warehouse_path))) as connection:
                fill(connection, **relations(state))
        elif name == "close" and not is_closed:
            posted += to_post(settings, is_closed=False)
            close_month(settings, store, MONTH, {})
            is_closed, since = True, len(posted)
        elif name == "book" and closing is not None:
            fresh = to_post(settings, is_closed=True)[len(posted) - since :]
            corrections.book(settings, store, audit_log.read(store), closing, "posted")
            posted += fresh
        elif name == "reopen" and is_closed:
            # what is listed and was not booked goes with the closing's folder
            reopen_month(store, MONTH, "once more")
            is_closed = False
        rows = to_post(settings, is_closed)
        if is_closed:
            kept, fresh = rows[: len(posted) - since], rows[len(posted) - since :]
            assert [without_batch(row) for row in kept] == [without_batch(row) for row in posted[since:]]
        else:
            fresh = rows
        check(posted, fresh, present, is_first=not posted, is_closed=is_closed)


def without_batch(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name != "correction"}


def check(
    posted: list[dict[str, Any]], fresh: list[dict[str, Any]], present: Any, *, is_first: bool, is_closed: bool
) -> None:
    """Every entry balances; nothing new is dated into a closed month; the sums are those of the present invoice."""
    entries: dict[str, Decimal] = defaultdict(lambda: ZERO)
    for row in [*posted, *fresh]:
        entries[row["reference"]] += signed(row)
    assert all(amount == ZERO for amount in entries.values())
    assert not {row["reference"] for row in posted} & {row["reference"] for row in fresh}
    if is_closed:
        assert {row["posting_date"] for row in fresh} <= {NOVEMBER}
    roles: dict[str, Decimal] = defaultdict(lambda: ZERO)
    for row in itertools.chain(posted, fresh):
        roles[row["role"]] += signed(row)
    amounts, asked, held = present
    if asked is None:
        assert all(amount == ZERO for amount in roles.values())
        return
    disputed = Decimal(held or 0)
    recalculated = total([Decimal(amount) for amount in amounts.values()])
    assert roles["payable"] == -Decimal(asked)
    assert roles["disputed"] == disputed
    assert roles["unexplained"] == rounded(Decimal(asked) - recalculated, 2)
    cost = total([Decimal(asked), -disputed, -roles["unexplained"]])
    assert roles["charge"] + roles["rounding"] == cost


@pytest.mark.long
def test_a_late_invoice_is_posted_after_the_closed_month(template: Path, usd: Settings) -> None:
    """Closed without its invoice the month has an empty journal; the invoice over 8,113.07 is posted in November."""
    shutil.copytree(template, usd.data_dir)
    store = open_store(usd)
    with closing_of(duckdb.connect(str(usd.warehouse_path))) as connection:
        fill(connection, **relations(({0: "7958.07"}, None, None)))
    close_month(usd, store, MONTH, {})
    assert read_export(usd.exports_dir(MONTH) / "journal.csv").num_rows == 0
    with closing_of(duckdb.connect(str(usd.warehouse_path))) as connection:
        fill(connection, **relations(({0: "7958.07"}, "8113.07", None)))
    rows = to_post(usd, is_closed=True)
    assert [(row["posting_date"], row["reporting_month"], row["account"], signed(row)) for row in rows] == [
        (NOVEMBER, MONTH, "6100", Decimal("7958.07")),
        (NOVEMBER, MONTH, "1320", Decimal("155.00")),
        (NOVEMBER, MONTH, "2000", Decimal("-8113.07")),
    ]
    assert read_manifest(usd.exports_dir(MONTH) / "corrections")["not_booked"] == []


@pytest.mark.long
def test_a_reopened_month_posts_what_changed_since_it_was_closed(template: Path, usd: Settings) -> None:
    """72.96 is posted by the closing; of 75.00 after the reopening 2.04 is left to post."""
    shutil.copytree(template, usd.data_dir)
    store = open_store(usd)
    close_month(usd, store, MONTH, {})
    reopen_month(store, MONTH, "a wrong invoice")
    assert to_post(usd, is_closed=False) == []
    with closing_of(duckdb.connect(str(usd.warehouse_path))) as connection:
        fill(connection, **relations(({0: "75.00"}, "75.00", None)))
    rows = to_post(usd, is_closed=False)
    assert [(row["account"], signed(row), row["reference"]) for row in rows] == [
        ("6100", Decimal("2.04"), "8753-C1"),
        ("2000", Decimal("-2.04"), "8753-C1"),
    ]


def test_close_dates_the_journal_as_told(template: Path, usd: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(template, usd.data_dir)
    monkeypatch.setenv("ECGRID_CURRENCY", "USD")
    arguments = ["close", "2026-10", "--posting-date", "2026-11-12", "--data-dir", usd.data_dir]
    done = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    rows = read_export(usd.exports_dir(MONTH) / "journal.csv").to_pylist()
    assert {row["posting_date"] for row in rows} == {date(2026, 11, 12)}


def test_a_posting_date_is_the_users_and_never_in_a_closed_month(template: Path, usd: Settings) -> None:
    shutil.copytree(template, usd.data_dir)
    export_month(usd, MONTH, posting_date=date(2026, 11, 12))
    path = usd.exports_dir(MONTH) / "journal.csv"
    assert {row["posting_date"] for row in read_export(path).to_pylist()} == {date(2026, 11, 12)}
    close_month(usd, open_store(usd), MONTH, {})  # closes what was exported
    assert {row["posting_date"] for row in read_export(path).to_pylist()} == {date(2026, 11, 12)}
    with closing_of(duckdb.connect(str(usd.warehouse_path))) as connection:
        fill(connection, **relations(({0: "80"}, "80", None)))
    with pytest.raises(SettingsError, match="2026-10-31 is not after 2026-10, which is closed: give a --posting-date"):
        export_month(usd, MONTH, posting_date=date(2026, 10, 31))


@pytest.mark.long
def test_what_was_posted_is_read_from_local_copies_of_other_names(
    template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a bucket's are: a journal and its manifest are in no folder together."""
    settings = Settings(data_dir=str(tmp_path / "data"), currency="USD")
    shutil.copytree(template, settings.data_dir)
    store, numbers = open_store(settings), itertools.count()

    def copied(_: LocalStore, paths: list[str]) -> list[str]:
        copies = [tmp_path / f"{next(numbers)}" / "copy" for _ in paths]
        for path, copy in zip(paths, copies, strict=True):
            copy.parent.mkdir()
            copy.write_bytes(store.read(path))
        return list(map(str, copies))

    monkeypatch.setattr(LocalStore, "locals", copied)
    close_month(settings, store, MONTH, {})
    with opened(settings) as connection:
        assert open_journal(connection, settings, store, audit_log.read(store), MONTH).num_rows == 0
