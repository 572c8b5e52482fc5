"""Accept, dispute, resolve: a decision stays with its finding over rebuilds, and not over a change of amounts."""

import json
from contextlib import closing, nullcontext
from datetime import UTC, date, datetime, timedelta
from hashlib import sha256
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from typer.testing import CliRunner

from ecgrid_flows.cli import app
from ecgrid_flows.errors import NoSuchData, SettingsError
from ecgrid_flows.finance import audit_log, finding_states
from ecgrid_flows.finance.export_files import opened
from ecgrid_flows.finance.finding_states import find, keep, set_state, with_states
from ecgrid_flows.settings import Settings
from ecgrid_flows.storage.base import Store
from ecgrid_flows.storage.opening import open_store
from ecgrid_transforms.period import month_text

from .decided import decide
from .world import MONTH, build, finding, line


@pytest.fixture
def store(settings: Settings) -> Store:
    return open_store(settings)


def found(settings: Settings) -> list[dict[str, Any]]:
    """The findings of the warehouse, with what was decided of them."""
    log = audit_log.read(open_store(settings))
    with opened(settings) as connection:
        rows: list[dict[str, Any]] = with_states(connection, log).to_arrow_table().to_pylist()
    return rows


def test_ids_come_from_check_and_key_alone(settings: Settings) -> None:
    build(settings, out_line_items=[line()], out_findings=[finding()])
    first = found(settings)[0]["finding_id"]
    changed = finding(billed_amount="90", difference="17.04", explanation="other words", severity="warning")
    build(settings, out_line_items=[line()], out_findings=[changed])
    assert found(settings)[0]["finding_id"] == first
    others = [
        finding(check_name="wrong_tier"),
        finding(mailbox_id=1),
        finding(measure_field="ToKCs"),
        finding(account_report="FixedRate"),
        finding(network_id=1),
        finding(network_id=None, mailbox_id=None),
        finding(network_id=None, mailbox_id=None, price_list_id=7),
        finding(network_id=None, mailbox_id=None, invoice_number="INV-1"),
    ]
    build(settings, out_line_items=[line()], out_findings=[finding(), *others])
    ids = {row["finding_id"] for row in found(settings)}
    assert len(ids) == len(others) + 1
    assert first in ids


def test_findings_that_tie_are_listed_in_the_order_of_their_place(settings: Settings) -> None:
    """The same amounts on three accounts: the order is the warehouse's, which the report has too."""
    places = {0: 30, 1: 10, 2: 20}
    build(
        settings,
        out_line_items=[line(mailbox_id=number) for number in places],
        out_findings=[finding(mailbox_id=number, place=place) for number, place in places.items()],
    )
    done = CliRunner().invoke(
        app, ["findings", "--month", month_text(MONTH), "--json", "--data-dir", str(settings.data_dir)]
    )
    assert done.exit_code == 1, done.output
    assert [row["mailbox_id"] for row in json.loads(done.stdout)["findings"]] == [1, 2, 0]


def test_twins_of_one_key_have_ids_of_their_own(settings: Settings) -> None:
    build(settings, out_line_items=[line()], out_findings=[finding(), finding(billed_amount="90")])
    assert len({row["finding_id"] for row in found(settings)}) == 2


@pytest.mark.parametrize("begin", ["other digits", "f"])
def test_a_decision_by_an_earlier_id_is_still_found(settings: Settings, store: Store, begin: str) -> None:
    """Earlier ids were the first twelve digits of the hash; one in sixteen begins with f, as all of today do."""
    key = "amount_mismatch|4443|{}|2026-10-01|TrafficAll|TotalKCs||1"
    hashes = {box: sha256(key.format(box).encode()).hexdigest() for box in range(1, 200)}
    mailbox = next(box for box, digits in hashes.items() if digits.startswith("f") == (begin == "f"))
    earlier = hashes[mailbox][:12]
    build(settings, out_line_items=[line(mailbox_id=mailbox)], out_findings=[finding(mailbox_id=mailbox)])
    row = found(settings)[0]
    assert row["finding_id"] == f"f{earlier[:11]}"
    set_state(store, [{**row, "finding_id": earlier}], "accepted", "agreed by phone")
    assert (found(settings)[0]["state"], found(settings)[0]["note"]) == ("accepted", "agreed by phone")
    with opened(settings) as connection:
        assert find(connection, [earlier])[0]["finding_id"] == row["finding_id"]


def test_a_decision_survives_a_rebuild_and_a_change_of_words(settings: Settings, store: Store) -> None:
    build(settings, out_line_items=[line()], out_findings=[finding()])
    row = found(settings)[0]
    assert (row["state"], row["note"]) == ("open", None)
    decide(settings, store, row["finding_id"][:5], "disputed", "=claimed on 3 November")
    build(settings, out_line_items=[line()], out_findings=[finding(explanation="said in other words")])
    row = found(settings)[0]
    assert (row["state"], row["note"]) == ("disputed", "=claimed on 3 November")


@pytest.mark.parametrize("change", [{"billed_amount": "80.01"}, {"expected_amount": None}, {"difference": "7.05"}])
def test_it_is_open_again_when_an_amount_changes_and_decided_again_when_it_comes_back(
    settings: Settings, store: Store, change: dict[str, Any]
) -> None:
    build(settings, out_line_items=[line()], out_findings=[finding()])
    decide(settings, store, found(settings)[0]["finding_id"], "accepted")
    build(settings, out_line_items=[line()], out_findings=[finding(**change)])
    assert found(settings)[0]["state"] == "open"
    build(settings, out_line_items=[line()], out_findings=[finding()])
    assert found(settings)[0]["state"] == "accepted"


@pytest.mark.parametrize("is_read_meanwhile", [False, True])
def test_the_file_has_a_decision_without_a_rebuild(settings: Settings, store: Store, is_read_meanwhile: bool) -> None:
    build(settings, out_line_items=[line()], out_findings=[finding()])
    decide(settings, store, found(settings)[0]["finding_id"], "disputed", "claimed")
    before = settings.warehouse_path.read_bytes()
    with opened(settings) if is_read_meanwhile else nullcontext():
        keep(settings.warehouse_path, audit_log.read(store))
    with opened(settings) as connection:
        kept = connection.table("out_finding_states").project("state, note, explanation").fetchall()
    assert kept == [("disputed", "claimed", "335 units at 0.2178 are 72.96; 80.00 was billed.")]
    written = settings.warehouse_path.read_bytes()
    assert written != before
    keep(settings.warehouse_path, audit_log.read(store))
    assert settings.warehouse_path.read_bytes() == written


def test_missing_amounts_are_matched_too(settings: Settings, store: Store) -> None:
    nothing = {"billed_amount": None, "expected_amount": None, "difference": None}
    build(settings, out_line_items=[line()], out_findings=[finding(**nothing)])
    decide(settings, store, found(settings)[0]["finding_id"], "resolved")
    assert found(settings)[0]["state"] == "resolved"


def test_the_last_decision_counts_and_open_takes_it_back(settings: Settings, store: Store) -> None:
    build(settings, out_line_items=[line()], out_findings=[finding()])
    name = found(settings)[0]["finding_id"]
    for state in ("disputed", "accepted", "resolved", "open"):
        decide(settings, store, name, state)
        assert found(settings)[0]["state"] == state
    assert [entry.data["state"] for entry in audit_log.read(store).entries] == [
        "disputed",
        "accepted",
        "resolved",
        "open",
    ]


def test_refusals_say_what_to_write(settings: Settings, store: Store) -> None:
    build(settings, out_line_items=[line()], out_findings=[finding(), finding(mailbox_id=5)])
    name = found(settings)[0]["finding_id"]
    with opened(settings) as connection:
        with pytest.raises(NoSuchData, match="no finding 'zzzz'"):
            find(connection, ["zzzz"])
        with pytest.raises(SettingsError, match="write more of the id"):
            find(connection, [name[:2]])
        with pytest.raises(NoSuchData, match="of 2026-11"):
            find(connection, [name], date(2026, 11, 1))
        row = find(connection, [name])
    with pytest.raises(SettingsError, match="accepted, disputed, resolved"):
        set_state(store, row, "ignored", "x")
    with pytest.raises(SettingsError, match="--note"):
        set_state(store, row, "accepted", "  ")
    assert audit_log.read(store).entries == ()


def test_findings_are_found_by_the_beginning_of_their_ids() -> None:
    """Four characters or more of one finding: of an id, or of the twelve of an earlier release, without the f."""
    ids = {f"f0000000000{number}": 10 for number in range(1, 4)} | {"f00000000004": 11, "f12300000000": 10}
    ids |= {"f45600000001": 10, "f45600000002": 10}
    rows = [{"finding_id": name, "reporting_month": date(2026, month, 1)} for name, month in ids.items()]
    with closing(duckdb.connect()) as connection:
        connection.register("out_finding_ids", pa.Table.from_pylist(rows))

        def names(*wanted: str, month: date | None = None) -> list[str]:
            return [row["finding_id"] for row in find(connection, wanted, month)]

        assert names("f123", " F12300 ", "f00000000002") == ["f12300000000", "f00000000002"]
        assert names("f0000", month=date(2026, 11, 1)) == ["f00000000004"]
        assert names("12300000000f") == ["f12300000000"]
        for given in ("f12", "f0000"):
            with pytest.raises(SettingsError, match=f"'{given}' could be f.*: write more of the id"):
                names(given)
        with pytest.raises(SettingsError, match="could be f00000000001, f00000000002, f00000000003: write more"):
            names("f00000")
        with pytest.raises(SettingsError, match="could be f45600000001, f45600000002: write more"):
            names("f123", "f456")
        for given in ("1230", "f1230000000000"):
            with pytest.raises(NoSuchData, match=f"no finding '{given}': "):
                names(given)
        with pytest.raises(NoSuchData, match="no finding 'f00000000001' of 2026-11: "):
            names("f00000000001", month=date(2026, 11, 1))


def test_readers_of_decisions_have_those_of_the_log(settings: Settings, store: Store) -> None:
    """Of three findings one is claimed and one accepted since the build; the warehouse does not have it yet."""
    call = {**line(), "outcome": "line", "attempts": 1, "latency_ms": 1, "called_at": datetime(2026, 11, 2, tzinfo=UTC)}
    build(
        settings,
        out_line_items=[line(mailbox_id=number, amount="80") for number in range(3)],
        out_findings=[finding(mailbox_id=number, place=number) for number in range(3)],
        raw_calls=[call],
    )
    ids = {row["mailbox_id"]: row["finding_id"] for row in found(settings)}
    decide(settings, store, ids[0], "disputed")
    decide(settings, store, ids[1], "accepted")
    log = audit_log.read(store)
    with opened(settings) as connection:
        assert [row["mailbox_id"] for row in finding_states.open_errors(connection, log, MONTH)] == [2]
    with opened(settings) as connection:
        assert finding_states.error_counts(connection, log).fetchall() == [(MONTH, 1)]
    with opened(settings) as connection:
        assert [row["finding_id"] for row in finding_states.claims(connection, log, MONTH)] == [ids[0]]
    with opened(settings) as connection:
        whole = finding_states.find_of_checks(connection, log, ["amount_mismatch"], MONTH, "accepted")
        assert [row["mailbox_id"] for row in whole] == [2]
        with pytest.raises(SettingsError, match="'ignored' is no state"):
            finding_states.find_of_checks(connection, log, ["amount_mismatch"], MONTH, "ignored")


def decide_many(settings: Settings, *arguments: str) -> dict[str, Any]:
    """What `findings set … --json` prints of its decision."""
    given = ["findings", "set", *arguments, "--note", "rounding", "--json", "--data-dir", str(settings.data_dir)]
    done = CliRunner().invoke(app, given, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    printed: dict[str, Any] = json.loads(done.stdout)
    return printed


def five_of_usage(settings: Settings) -> None:
    """Differences of 0.40, -0.99, 1.00 and 7.04, one that is not known, and one of another check."""
    amounts = ["0.40", "-0.99", "1.00", "7.04", None]
    findings = [
        finding(check_name="usage_mismatch", mailbox_id=number, difference=amount, place=number)
        for number, amount in enumerate(amounts)
    ]
    build(
        settings,
        out_line_items=[line(mailbox_id=number) for number in range(6)],
        out_findings=[*findings, finding(mailbox_id=5, difference="0.10", place=9)],
    )


def test_all_below_an_amount_are_decided_by_one_entry(settings: Settings, store: Store) -> None:
    five_of_usage(settings)
    below = ["--check", "usage_mismatch", "--below", "1.00", "--month", "2026-10", "accepted"]
    printed = decide_many(settings, *below)
    assert [row["mailbox_id"] for row in printed["findings"]] == [0, 1]
    assert (printed["count"], printed["too_much"], printed["too_little"]) == (2, "0.4000000000", "0.9900000000")
    (entry,) = audit_log.read(store).entries
    assert [row["mailbox_id"] for row in entry.data["findings"]] == [0, 1]
    assert {row["mailbox_id"]: row["state"] for row in found(settings)} == {
        **dict.fromkeys((0, 1), "accepted"),
        **dict.fromkeys((2, 3, 4, 5), "open"),
    }
    with opened(settings) as connection:  # the warehouse has them without a build
        kept = connection.table("raw_finding_states").project("state").fetchall()
    assert kept == [("accepted",), ("accepted",)]
    assert decide_many(settings, *below)["count"] == 0
    assert len(audit_log.read(store).entries) == 1


def test_a_check_as_a_whole_leaves_what_a_person_accepted(settings: Settings, store: Store) -> None:
    five_of_usage(settings)
    ids = {row["mailbox_id"]: row["finding_id"] for row in found(settings)}
    decide(settings, store, ids[0], "accepted")
    decide(settings, store, ids[1], "disputed")
    whole = ["--check", "usage_mismatch", "--month", "2026-10"]
    counts = [decide_many(settings, *whole, state)["count"] for state in ("disputed", "resolved", "accepted", "open")]
    assert counts == [3, 4, 0, 5]
    assert {row["state"] for row in found(settings)} == {"open"}


def test_several_checks_are_decided_by_one_entry_worst_first(settings: Settings, store: Store) -> None:
    five_of_usage(settings)
    both = ["--check", "amount_mismatch", "--check", "usage_mismatch", "--check", "amount_mismatch"]
    printed = decide_many(settings, *both, "--below", "1.00", "--month", "2026-10", "accepted")
    assert [row["mailbox_id"] for row in printed["findings"]] == [0, 1, 5]
    assert {(row["state"], row["note"]) for row in printed["findings"]} == {("accepted", "rounding")}
    assert len(audit_log.read(store).entries) == 1


def test_the_count_and_the_sum_are_printed(settings: Settings) -> None:
    five_of_usage(settings)
    whole = ["findings", "set", "--check", "usage_mismatch", "--month", "2026-10", "disputed", "--note", "x"]
    done = CliRunner().invoke(app, [*whole, "--data-dir", str(settings.data_dir)])
    last = "5 findings disputed: 8.44 too much, 0.99 too little, 1 without a difference"
    assert done.stdout.splitlines()[-1] == last


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["accepted"], "give one of them"),
        (["f0000", "--check", "usage_mismatch", "accepted"], "give one of them"),
        (["f0000", "--below", "1", "accepted"], "needs --check"),
        (["--check", "usage_mismatch", "--below", "1,00", "accepted"], "'1,00' is not an amount"),
        (["--check", "usage_mismatch", "--below", "0", "accepted"], "above 0"),
        (["--check", "usage", "--month", "2026-10", "accepted"], "usage_mismatch"),
        (["--check", "usage_mismatch", "--check", "usage", "--month", "2026-10", "accepted"], "'usage' is no check"),
        (["--check", "usage_mismatch", "--month", "2026-10", "ignored"], "accepted, disputed, resolved"),
        (["--check", "usage_mismatch", "--month", "2026-09", "accepted"], "nothing of 2026-09"),
    ],
)
def test_a_decision_about_many_is_refused_in_words(
    settings: Settings, store: Store, arguments: list[str], words: str
) -> None:
    five_of_usage(settings)
    given = ["findings", "set", *arguments, "--note", "x", "--data-dir", str(settings.data_dir)]
    done = CliRunner().invoke(app, given)
    assert isinstance(done.exception, SettingsError)
    assert words in str(done.exception)
    assert audit_log.read(store).entries == ()


def test_a_claim_has_a_filed_date_a_deadline_and_a_later_credit(
    settings: Settings, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Claims of 7.04 each: nothing, 5.00 in two later months, 7.04 are credited; a credit before the claim is none."""
    credits = [(1, 11, "-2.00"), (1, 12, "-3.00"), (2, 11, "-7.04"), (0, 9, "-7.04"), (0, 11, "7.04")]
    build(
        settings,
        out_line_items=[
            *(line(mailbox_id=number, amount="80") for number in range(4)),
            *(
                line(mailbox_id=box, reporting_month=date(2026, month, 1), amount=amount)
                for box, month, amount in credits
            ),
        ],
        out_findings=[finding(mailbox_id=number, place=number) for number in range(4)],
    )
    ids = {row["mailbox_id"]: row["finding_id"] for row in found(settings)}
    for mailbox in range(3):
        decide(settings, store, ids[mailbox], "disputed")
    filed = date.fromisoformat(audit_log.read(store).entries[0].at[:10])
    monkeypatch.setenv("ECGRID_DISPUTE_DAYS", "30")
    arguments = ["findings", "--month", "2026-10", "--data-dir", str(settings.data_dir)]
    claims = json.loads(CliRunner().invoke(app, [*arguments, "--json"]).stdout)["claims"]
    assert [(row["outcome"], row["credited_amount"]) for row in claims] == [
        ("open", "0.0000000000"),
        ("short", "5.0000000000"),
        ("recovered", "7.0400000000"),
    ]
    assert {(row["filed_on"], row["deadline_on"]) for row in claims} == {
        (filed.isoformat(), (filed + timedelta(days=30)).isoformat())
    }
    shown = CliRunner().invoke(app, arguments).stdout
    assert "Claims: 3 filed for 21.12; credited 12.04; 1 recovered, 1 short, 1 open; next deadline" in shown
    assert "Set recovered claims to resolved" in shown
    monkeypatch.delenv("ECGRID_DISPUTE_DAYS")
    claims = json.loads(CliRunner().invoke(app, [*arguments, "--json"]).stdout)["claims"]
    assert {row["deadline_on"] for row in claims} == {None}
    monkeypatch.setenv("ECGRID_DISPUTE_DAYS", "soon")
    assert "ECGRID_DISPUTE_DAYS" in str(CliRunner().invoke(app, arguments).exception)


KEY: dict[str, Any] = {
    "network_id": 4443,
    "mailbox_id": 0,
    "reporting_month": "2026-10-01",
    "account_report": "TrafficAll",
    "measure_field": "TotalKCs",
    "price_list_id": 432,
    "invoice_number": None,
}


def test_a_decision_repeated_is_of_the_first_day_and_one_about_other_amounts_of_its_own() -> None:
    def entry(day: str, state: str, billed: str = "80", name: str = "f0123456789a", kind: str = "finding") -> Any:
        about = {"finding_id": name, "check_name": "rate_mismatch", **KEY, "billed_amount": billed}
        about |= {"expected_amount": None, "difference": None}
        data = {"state": state, "note": day, "findings": [about]}
        return audit_log.Decision(1, kind, f"2026-11-{day}T08:00:00Z", "", data, "")

    def decided(*entries: Any) -> list[tuple[str, str, str, int]]:
        found = finding_states.states(audit_log.Log(entries, ())).values()
        return [(one.finding_id, one.state, one.note, one.on.day) for one in found]

    first = entry("02", "accepted")
    assert decided(first, entry("05", "accepted")) == [("f0123456789a", "accepted", "05", 2)]
    assert decided(first, entry("05", "accepted", "90")) == [("f0123456789a", "accepted", "05", 5)]
    assert decided(first, entry("05", "disputed")) == [("f0123456789a", "disputed", "05", 5)]
    assert decided(first, entry("05", "open")) == []
    assert decided(first, entry("05", "disputed", kind="close")) == [("f0123456789a", "accepted", "02", 2)]
    assert decided(entry("02", "accepted", name="0123456789ab")) == [("f0123456789a", "accepted", "02", 2)]


@pytest.mark.parametrize("twin", [1, 100])
def test_an_earlier_id_of_a_twin_that_begins_with_f_is_made_again(twin: int) -> None:
    """One hash in sixteen begins with f; one that no twin of the key has is an id of today."""
    key = "amount_mismatch|4443|{}|2026-10-01|TrafficAll|TotalKCs||{}"
    hashes = {box: sha256(key.format(box, twin).encode()).hexdigest() for box in range(200)}
    box = next(box for box, digits in hashes.items() if digits.startswith("f"))
    row = {"check_name": "amount_mismatch", **KEY, "mailbox_id": box}
    assert finding_states._todays_id({**row, "finding_id": hashes[box][:12]}) == f"f{hashes[box][:11]}"
    assert finding_states._todays_id({**row, "finding_id": "f0123456789a"}) == "f0123456789a"


def test_the_key_of_an_id_is_that_of_the_macro() -> None:
    def identity(check: str = "rate_mismatch", **other: Any) -> str:
        return finding_states._identity({"check_name": check, **KEY, **other})

    assert identity() == "rate_mismatch|4443|0|2026-10-01|TrafficAll|TotalKCs|"
    assert identity("reading_undecided") == "reading_undecided|4443|0||TrafficAll|TotalKCs|"
    assert identity(reporting_month=None) == "rate_mismatch|4443|0||TrafficAll|TotalKCs|"
    assert identity(mailbox_id=None) == "rate_mismatch|4443||2026-10-01|TrafficAll|TotalKCs|432|"
    assert identity(network_id=None, price_list_id=None, invoice_number="I") == (
        "rate_mismatch||0|2026-10-01|TrafficAll|TotalKCs||I"
    )
