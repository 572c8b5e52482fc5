"""Frames keep decimals exact, read out_ relations alone, and say what to do when there is nothing to read."""

import re
from datetime import date
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest

from ecgrid_flows import figures
from ecgrid_flows.errors import NoSuchData
from ecgrid_flows.reporting import frames, sections
from ecgrid_flows.reporting.wording import KEY
from ecgrid_transforms.money import Decimal

from . import handmade


def test_decimals_leave_the_warehouse_exact_and_add_up_exactly(handmade_dir: Path) -> None:
    with frames.open_book(handmade_dir) as book:
        lines = book.out("out_line_items", reporting_month=handmade.MONTH)
    assert lines["amount"].dtype == pd.ArrowDtype(pa.decimal128(28, 10))
    assert isinstance(lines["amount"].iloc[0], Decimal)
    # Quantities 540, 997, 1454 ... 5567 of the twelve accounts; rates 0.10, 0.08, 0.05; accounts 5 and 9 at 0.10.
    assert frames.total(lines["amount"]) == Decimal("3099.35")


def test_sums_are_exact_past_28_digits() -> None:
    large = Decimal("999999999999999999.9999999999")
    frame = pd.DataFrame({"k": ["a", "a", "b"], "v": [large, large, None]}).astype(
        {"v": pd.ArrowDtype(pa.decimal128(28, 10))}
    )
    assert frames.total(frame["v"]) == Decimal("1999999999999999999.9999999998")
    added = frames.sums(frame, ["k"], ["v"]).set_index("k")
    assert added.loc["a", "v"] == Decimal("1999999999999999999.9999999998")
    assert added["rows"].to_list() == [2, 1]
    assert pd.isna(added.loc["b", "v"]), "a sum over nothing is missing, not zero"


@pytest.mark.parametrize(
    ("value", "money", "signed", "number"),
    [
        (Decimal("1234.5"), "1,234.50", "+1,234.50", "1,234.5"),
        (Decimal("-1234.005"), "−1,234.01", "−1,234.01", "−1,234.005"),
        (Decimal("0.0000000000"), "0.00", "0.00", "0"),
        (Decimal("-0.25"), "−0.25", "−0.25", "−0.25"),
        (Decimal("12345678901234567.0750000000"), "12,345,678,901,234,567.08", "+12,345,678,901,234,567.08",
         "12,345,678,901,234,567.075"),
        (None, "–", "–", "–"),
    ],
)  # fmt: skip
def test_numbers_for_people_are_made_from_the_decimals(
    value: Decimal | None, money: str, signed: str, number: str
) -> None:
    assert (figures.money(value), figures.signed(value), figures.number(value)) == (money, signed, number)


def test_a_float_is_never_shown_as_money() -> None:
    assert figures.money(1.5) == "–"


def test_only_out_relations_are_read(handmade_dir: Path) -> None:
    with frames.open_book(handmade_dir) as book:
        with pytest.raises(ValueError, match="no out_ relation"):
            book.out("core_lines")
        with pytest.raises(ValueError, match="no out_ relation"):
            book.out("out_findings; DROP TABLE out_findings")
        with pytest.raises(ValueError, match="no column name"):
            book.out("out_findings", **{"1=1 OR severity": "error"})
        quoted = book.out("out_findings", severity="' OR 1=1 --")
    assert quoted.empty


def test_the_warehouse_is_opened_for_reading(handmade_dir: Path) -> None:
    """Two notebooks read at once, and neither can change the file."""
    before = (handmade_dir / "warehouse/billing.duckdb").read_bytes()
    with frames.open_book(handmade_dir) as one, frames.open_book(handmade_dir) as other:
        assert one.months() == other.months() == [date(2026, 8, 1), date(2026, 9, 1), handmade.MONTH]
    assert (handmade_dir / "warehouse/billing.duckdb").read_bytes() == before


def test_the_month_is_the_newest_unless_one_is_named(handmade_dir: Path) -> None:
    with frames.open_book(handmade_dir) as book:
        assert book.month() == handmade.MONTH
        assert book.month("2026-08") == date(2026, 8, 1)
        with pytest.raises(NoSuchData, match=r"2025-01 .*2026-08 to 2026-10.*run --month 2025-01"):
            book.month("2025-01")
        assert book.month("2026-11") == handmade.QUIET_MONTH, "asked, and nothing was billed"


def test_the_data_folder_is_found_further_up(
    handmade_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "data").symlink_to(handmade_dir)
    (tmp_path / "notebooks").mkdir()
    monkeypatch.chdir(tmp_path / "notebooks")
    with frames.open_book() as book:
        assert book.month() == handmade.MONTH
    monkeypatch.setenv("ECGRID_DATA_DIR", str(tmp_path / "elsewhere"))
    with pytest.raises(NoSuchData, match="ecgrid-billing run"):
        frames.open_book()


@pytest.mark.parametrize("by", ["check_name", "account"])
def test_a_month_where_nothing_hangs_on_the_findings_has_no_stakes(by: str) -> None:
    money = pd.ArrowDtype(pa.decimal128(28, 10))
    undecided = {
        "check_name": "reading_undecided",
        "severity": "warning",
        "state": "open",
        "network_id": 1,
        "mailbox_id": 0,
    }
    findings = pd.DataFrame([{**undecided, "account_name": None, "difference": None}]).astype({"difference": money})
    for found in (findings, findings.iloc[:0], findings.assign(difference=pd.array([Decimal(0)], money))):
        at_stake = sections.stakes(found, by)
        assert at_stake.empty
        assert {"name", "difference", "findings"} <= set(at_stake.columns)


def test_a_month_without_a_line_has_no_account_that_changed_most() -> None:
    nothing = pd.DataFrame({"network_id": [], "mailbox_id": [], "amount": [], "change": []})
    assert sections.most_changed(nothing, nothing) == {"network_id": 0, "mailbox_id": 0}


def test_an_open_reading_tells_how_many_others_there_are_and_what_would_decide(handmade_dir: Path) -> None:
    with frames.open_book(handmade_dir) as book:
        readings = book.out("out_readings")
    shown = str(sections.readings_summary(readings))
    assert "Two lines of 200 would decide it. Up to 1.67 per line at stake." in shown
    assert "One other interpretation fits as well." in shown
    money = readings.assign(deciding_quantity=None, deciding_account="other charges of 25.00")
    shown = str(sections.readings_summary(money))
    assert "Two accounts with other charges of 25.00 would decide it." in shown


def test_findings_that_tie_are_in_the_order_of_their_place(handmade_dir: Path) -> None:
    """Three of 5.00: neither their causes, names nor rows decide, but the place that the warehouse gave them."""
    with frames.open_book(handmade_dir) as book:
        findings, proofs = book.out("out_finding_states"), book.out("out_line_proofs")
    template = findings[findings["place"] == 1]
    rows = pd.concat(
        [
            template.assign(cause_id=cause, difference=Decimal(5), explanation=f"{cause} here", place=place)
            for cause, place in [("c1", 30), ("c3", 20), ("c2", 10)]
        ],
        ignore_index=True,
    )
    assert sections.worst_first(rows)["cause_id"].tolist() == ["c2", "c3", "c1"]
    entries = str(sections.findings_list(rows, proofs)).split("<li>")[1:]
    found = [re.search("c[1-3] here", entry) for entry in entries]
    assert [one and one[0] for one in found] == ["c2 here", "c3 here", "c1 here"]


def test_findings_of_one_cause_are_one_entry_with_count_and_sum(handmade_dir: Path) -> None:
    """Two of 5.00 outweigh one of 8.00, and the entry shows the larger of them."""
    with frames.open_book(handmade_dir) as book:
        findings, proofs = book.out("out_finding_states"), book.out("out_line_proofs")
    template = sections.worst_first(findings).iloc[:1]
    rows = pd.concat(
        [
            template.assign(cause_id=cause, difference=Decimal(difference), explanation=words, place=place)
            for cause, difference, words, place in [
                ("c1", "8", "alone", 1),
                ("c2", "4", "smaller", 3),
                ("c2", "6", "larger", 2),
            ]
        ],
        ignore_index=True,
    )
    entries = str(sections.findings_list(rows, proofs)).split("<li>")[1:]
    assert [entry.count("findings of one cause") for entry in entries] == [1, 0]
    assert "larger" in entries[0]
    assert "smaller" not in entries[0]
    assert "<span>10.00</span> too much" in entries[0]
    assert "<span>8.00</span> too much" in entries[1]


def test_the_rate_ladders_of_one_measure_are_counted_each(handmade_dir: Path) -> None:
    with frames.open_book(handmade_dir) as book:
        readings = book.out("out_readings")
    decided = readings[readings["is_chosen"]].assign(verdict="decided").head(1)
    other = decided.assign(schedule_set_id="another")
    assert "The only rate ladder has one interpretation" in str(sections.readings_summary(decided))
    assert "All 2 rate ladders have one interpretation" in str(sections.readings_summary(pd.concat([decided, other])))
    shown = str(sections.readings_summary(pd.concat([decided, other.assign(verdict="none_fits")])))
    assert "1 of 2 rate ladders of the price lists has one interpretation" in shown


@pytest.mark.parametrize(
    ("expected", "title", "foot"),
    [(Decimal(0), "Proof of", "Expected"), (Decimal(1), "Breakdown of", "Sum"), (None, "Breakdown of", "Sum")],
    ids=["the amount expected", "another amount", "no amount"],
)
def test_slices_are_a_proof_of_the_amount_expected_alone(
    handmade_dir: Path, expected: Decimal | None, title: str, foot: str
) -> None:
    with frames.open_book(handmade_dir) as book:
        findings, proofs = book.out("out_finding_states"), book.out("out_line_proofs")
    line = findings.merge(proofs[KEY].drop_duplicates(), on=KEY).head(1)
    (amount,) = proofs.merge(line[KEY], on=KEY)["expected_amount"].unique()
    due = None if expected is None else amount + expected
    shown = str(sections.findings_list(line.assign(expected_amount=[due]), proofs))
    assert f"<summary>{title} {amount:,.2f} (" in shown
    assert f'colspan="5">{foot}</th>' in shown


def test_counter_examples_are_those_that_explain_most_lines_then_by_their_words(handmade_dir: Path) -> None:
    """Of five the three nearest are shown; two that explain a like share are in the order of their words."""
    with frames.open_book(handmade_dir) as book:
        readings = book.out("out_readings")
    decided = readings[readings["is_chosen"]].assign(verdict="decided", counter_example=None).head(1)
    share = decided["share_pct"].dtype
    others = [
        decided.assign(is_chosen=False, is_rival=False, lines_explained=0, counter_example=words).assign(
            share_pct=pd.array([Decimal(percent)], dtype=share)
        )
        for words, percent in [("near b", 80), ("far", 10), ("nearest", 90), ("near a", 80), ("farther", 5)]
    ]
    shown = str(sections.readings_summary(pd.concat([decided, *others], ignore_index=True)))
    assert re.findall("near[a-z]* ?[ab]?|far[a-z]*", shown) == ["nearest", "near a", "near b"]
