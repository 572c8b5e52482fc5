"""How terms are meant, inferred from lines made by hand: open ends, roundings, lines that tell and lines that do not.

Every amount is worked out in the comments. All cases share one lake, each on a price list of its own.
"""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from ecgrid_flows.rating.explain import explanation
from ecgrid_flows.warehouse import database
from ecgrid_flows.warehouse.database import Connection
from ecgrid_transforms.model import Key
from ecgrid_transforms.money import Decimal

from .hand import MONTH, NETWORK, Ladder, Lake, Tier, own_mailbox

TRANS = ("TrafficAll", "ToTrans")
MONTHS = (date(2026, 8, 1), date(2026, 9, 1), MONTH)
#: Quantities, what they cost by slices of 1.00 up to 100 and 0.50 above, and by slices of 1.20 and 0.60.
SLICED = (
    ("200", "150", "180"),
    ("10", "10", "12"),
    ("100", "100", "120"),
    ("101", "100.5", "120.6"),
    ("150", "125", "150"),
    ("300", "200", "240"),
)
PINS = "620,,,allowance_ignored,by contract\n621,,,blocks_none.rate_per_unit.billed_in_units,by contract"

#: Ladders whose last Maximum is "no end", typed in one way or another: by volume, 1.00 up to 100 and 0.50 above.
OPEN_ENDS = {
    maximum: Ladder(600 + place, TRANS, [Tier(0, 100, "1.00"), Tier(101, maximum, "0.50")])
    for place, maximum in enumerate((0, -1, 999_999, 999_999_999, 2**31 - 1))
}
#: Before another tier the same figure is a bound: 999,999 at 1.00, above it 0.50.
BOUND_OF_NINES = Ladder(606, TRANS, [Tier(0, 999_999, "1.00"), Tier(1_000_000, 0, "0.50")])
#: Amounts cut to whole units, rounded up to three decimals, and slices to cents before they are added.
WHOLE_UNITS = Ladder(610, TRANS, [Tier(0, 0, "1.75")], model="Simple")
UP_TO_THREE = Ladder(611, TRANS, [Tier(0, 0, "0.12345")], model="Simple")
#: A network of four mailboxes whose Root is billed for all of them, 2.00 each; the mailboxes' own lines say 0.
AGGREGATED = Ladder(613, ("Statistics", "ActiveQIDs"), [Tier(0, 0, "2.00")], model="Simple")
#: A stated allowance and a stated block that the user pins as not meant; and three months in which nothing tells.
PINNED_ALLOWANCE = Ladder(620, TRANS, [Tier(0, 0, "0.05")], allowance="100", model="Simple")
PINNED_BLOCK = Ladder(621, TRANS, [Tier(0, 0, "0.05")], block="100", model="Simple")
OPEN_FOR_LONG = Ladder(622, TRANS, [Tier(0, 1000, "0.06"), Tier(1001, 0, "0.05")])
#: Every line shows and bills other rates than the list states, slice by slice; one line does.
ALL_DEARER = Ladder(623, TRANS, [Tier(0, 100, "1.00"), Tier(101, 0, "0.50")])
ONE_DEARER = replace(ALL_DEARER, price_list_id=624)
SLICES = Ladder(612, TRANS, [Tier(0, 101, "0.335"), Tier(102, 0, "0.225")], model="Stacked")


def made() -> Lake:
    lake = Lake()
    for ladder in OPEN_ENDS.values():
        lake.listed(ladder)
        for mailbox, (actual, amount) in enumerate(
            [("10", "10"), ("100", "100"), ("101", "50.5"), ("150", "75"), ("200", "100")], start=1
        ):
            lake.billed(ladder, mailbox, actual, actual, amount, tier=1 if int(actual) <= 100 else 2)
    lake.listed(BOUND_OF_NINES)
    # 999,999 x 1.00; 1,000,000 x 0.50 and 1,000,010 x 0.50
    for mailbox, (actual, amount) in enumerate([("999999", "999999"), ("1000000", "500000"), ("1000010", "500005")], 1):
        lake.billed(BOUND_OF_NINES, mailbox, actual, actual, amount, tier=1 if mailbox == 1 else 2)
    lake.listed(WHOLE_UNITS)
    # 5.25, 7.00, 8.75, 10.50, 12.25
    for mailbox, (actual, amount) in enumerate([("3", "5"), ("4", "7"), ("5", "8"), ("6", "10"), ("7", "12")], 1):
        lake.billed(WHOLE_UNITS, mailbox, actual, actual, amount)
    lake.listed(UP_TO_THREE)
    # 0.37035, 0.61725, 0.86415, 1.11105, 1.2345
    for mailbox, (actual, amount) in enumerate(
        [("3", "0.371"), ("5", "0.618"), ("7", "0.865"), ("9", "1.112"), ("10", "1.235")], 1
    ):
        lake.billed(UP_TO_THREE, mailbox, actual, actual, amount)
    lake.listed(SLICES)
    # 101 x 0.335 = 33.835, so 33.84; beyond it 1 is 0.225, so 0.23, 3 are 0.675, so 0.68, 5 are 1.125, so 1.13;
    # rounded once, 33.835 + 0.225 = 34.06, 33.835 + 0.675 = 34.51, 33.835 + 1.125 = 34.96. 10 are 3.35, 20 are 6.70
    for mailbox, (actual, amount) in enumerate(
        [("10", "3.35"), ("20", "6.70"), ("101", "33.84"), ("102", "34.07"), ("104", "34.52"), ("106", "34.97")], 1
    ):
        lake.billed(SLICES, mailbox, actual, actual, amount, tier=1 if int(actual) <= 101 else 2)
    for month in MONTHS:
        lake.listed(AGGREGATED, [month])
        # 10 + 20 + 30 + 40 are the network's 100
        lake.billed(AGGREGATED, 0, "100", "100", "200", month=month)
        for mailbox in (1, 2, 3, 4):
            lake.billed(AGGREGATED, mailbox, f"{mailbox}0", "0", "0", month=month)
    lake.listed(PINNED_ALLOWANCE)
    lake.listed(PINNED_BLOCK)
    for mailbox, actual in enumerate((150, 260, 340), 1):
        # 0.05 each: 7.50, 13.00, 17.00
        for ladder in (PINNED_ALLOWANCE, PINNED_BLOCK):
            lake.billed(ladder, mailbox, str(actual), str(actual), str(actual * Decimal("0.05")))
    for month in MONTHS:
        lake.listed(OPEN_FOR_LONG, [month])
        for mailbox, (actual, amount) in enumerate([("100", "6.00"), ("200", "12.00")], 1):
            lake.billed(OPEN_FOR_LONG, mailbox, actual, actual, amount, month=month)
    for ladder, dearer in ((ALL_DEARER, 6), (ONE_DEARER, 1)):
        lake.listed(ladder)
        tiers = [Tier(0, 100, "1.20"), Tier(101, 0, "0.60")]
        for mailbox, (actual, due, billed) in enumerate(SLICED, 1):
            shown = replace(ladder, tiers=tiers) if mailbox <= dearer else ladder
            # where one line alone shows 0.60, its first 100 are at 1.00: 160.00
            amount = due if mailbox > dearer else billed if dearer > 1 else "160"
            lake.billed(shown, mailbox, actual, actual, amount, tier=1 if int(actual) <= 100 else 2)
    return lake


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made().build(tmp_path_factory.mktemp("meaning"), pins=PINS)


@pytest.fixture
def built(path: Path) -> Iterator[Connection]:
    with closing(database.connect(path)) as connection:
        yield connection


def chosen(connection: Connection, ladder: Ladder) -> dict[str, Any]:
    found = database.table(
        connection, "FROM out_readings WHERE is_chosen AND price_list_id = ?", [ladder.price_list_id]
    ).to_pylist()
    assert len(found) == 1
    row: dict[str, Any] = found[0]
    return row


def findings(connection: Connection, ladder: Ladder) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = database.table(
        connection, "FROM out_findings WHERE price_list_id = ? ORDER BY mailbox_id", [ladder.price_list_id]
    ).to_pylist()
    return found


def verdicts(connection: Connection, ladder: Ladder) -> list[str]:
    rows = database.table(
        connection, "FROM out_line_items WHERE price_list_id = ? ORDER BY mailbox_id", [ladder.price_list_id]
    ).to_pylist()
    return [row["verdict"] for row in rows]


@pytest.mark.parametrize("maximum", OPEN_ENDS)
def test_a_last_maximum_that_means_no_end_is_none(built: Connection, maximum: int) -> None:
    ladder = OPEN_ENDS[maximum]
    row = chosen(built, ladder)
    assert (row["model"], row["upper_bound"], row["verdict"]) == ("volume", "inclusive", "decided")
    assert set(verdicts(built, ladder)) == {"fits"}
    assert findings(built, ladder) == []


def test_nines_before_another_tier_are_a_bound(built: Connection) -> None:
    assert verdicts(built, BOUND_OF_NINES) == ["fits"] * 3
    assert chosen(built, BOUND_OF_NINES)["model"] == "volume"


@pytest.mark.parametrize(
    ("ladder", "rounding", "scale", "scope"),
    [(WHOLE_UNITS, "down", 0, "line"), (UP_TO_THREE, "up", 3, "line"), (SLICES, "half_up", 2, "slice")],
    ids=["whole units", "up to three decimals", "slices to cents"],
)
def test_a_rounding_is_found(built: Connection, ladder: Ladder, rounding: str, scale: int, scope: str) -> None:
    row = chosen(built, ladder)
    assert (row["rounding"], row["scale"], row["rounding_scope"]) == (rounding, scale, scope)
    assert set(verdicts(built, ladder)) == {"fits"}
    assert findings(built, ladder) == []


def test_slices_that_are_rounded_first_are_told_in_the_rule(built: Connection) -> None:
    assert "each slice is rounded half up to 2 decimals" in chosen(built, SLICES)["rule"]
    (row,) = database.table(
        built, "FROM out_line_items WHERE price_list_id = ? AND actual = 102", [SLICES.price_list_id]
    ).to_pylist()
    assert row["expected_amount"] == Decimal("34.07")


def test_mailboxes_that_are_billed_with_their_network_tell_nothing(built: Connection) -> None:
    """The Root's three lines decide; the twelve of 0 are right."""
    row = chosen(built, AGGREGATED)
    assert (row["verdict"], row["lines_total"], row["lines_explained"]) == ("decided", 3, 3)
    assert verdicts(built, AGGREGATED) == ["fits"] * 15
    assert findings(built, AGGREGATED) == []
    text = explanation(built, Key(NETWORK, own_mailbox(AGGREGATED, 2), MONTH, *AGGREGATED.pair)).text()
    assert "Proof        none: the use of this mailbox is billed with its network\n" in text


@pytest.mark.parametrize("ladder", [PINNED_ALLOWANCE, PINNED_BLOCK], ids=["allowance", "block"])
def test_a_pin_may_set_a_stated_number_aside(built: Connection, ladder: Ladder) -> None:
    row = chosen(built, ladder)
    assert (row["is_pinned"], row["verdict"], row["plausibility"]) == (True, "decided", "departure")
    assert verdicts(built, ladder) == ["fits"] * 3
    assert findings(built, ladder) == []


def test_a_reading_is_undecided_once_for_all_months(built: Connection) -> None:
    (found,) = findings(built, OPEN_FOR_LONG)
    assert (found["check_name"], found["reporting_month"]) == ("reading_undecided", MONTH)


@pytest.mark.parametrize(
    ("ladder", "differences"),
    [(ALL_DEARER, ["30", "2", "20", "20.1", "25", "40"]), (ONE_DEARER, ["10"])],
    ids=["all lines", "one line"],
)
def test_a_fault_on_one_line_or_on_all_has_the_same_name(
    built: Connection, ladder: Ladder, differences: list[str]
) -> None:
    row = chosen(built, ladder)
    assert (row["model"], row["verdict"], row["departures"]) == ("graduated", "decided", len(differences))
    found = findings(built, ladder)
    assert {(one["check_name"], one["severity"]) for one in found} == {("rate_mismatch", "error")}
    assert [one["difference"] for one in found] == [Decimal(difference) for difference in differences]
