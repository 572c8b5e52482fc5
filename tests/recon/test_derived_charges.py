"""Percentages and minimums of lines made by hand: what they are computed from is found, and who is billed otherwise.

Every list bills 54 accounts by use at 1.00, a fee of 50.00, ten per hundred of both, and a credit of 5.00 to every
second account; then a minimum of 450.00. 22 accounts stay below it with a true-up, three more are billed the whole
450.00, and 29 are above it and billed 0.00. What the minimum is computed beside differs from list to list.
"""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from ecgrid_flows.rating.explain import explanation
from ecgrid_flows.warehouse import database
from ecgrid_flows.warehouse.database import Connection
from ecgrid_transforms.model import Key
from ecgrid_transforms.money import Decimal

from .hand import MONTH, NETWORK, Ladder, Lake, Tier, own_mailbox

USE = Ladder(600, ("TrafficAll", "ToTrans"), [Tier(0, 0, "1.00")], model="Simple")
FEE = Ladder(600, ("FixedRate", "Each"), [Tier(0, 0, "50.00")], model="Simple")
PERCENT = Ladder(600, ("FixedRate", "DebitPercentage"), [Tier(0, 0, "10.00")], model="Simple", level="Additional")
CREDIT = Ladder(600, ("FixedRate", "Credit"), [Tier(0, 0, "-5.00")], model="Simple", level="Additional")
MINIMUM = Ladder(600, ("FixedRate", "MonthlyMinimum"), [Tier(0, 0, "450.00")], model="Simple", level="Minimum")
BEFORE = date(2026, 9, 1)
#: Every line shows the list's number and is billed by another: 15 per hundred for 10, and 530.00 for 450.00.
OTHER_PERCENT, OTHER_MINIMUM = 630, 631
#: A minimum of 450.00 billed as a true-up to three accounts in four, and whole to the fourth.
OF_BOTH_KINDS = 640
#: A minimum of 450.00 billed to both accounts below it, and to one of four above it.
OF_ALL_OR_FEW = 641

#: Price list -> the parts that its minimum is computed beside, and whether the line's Actual states their sum.
LISTS = {
    600: (("use", "fee", "percent"), True),
    601: (("use", "fee", "percent"), False),
    602: (("use", "fee"), False),
    603: (("use", "percent"), False),
    604: (("use", "fee", "percent", "credit"), False),
    605: (("use", "credit"), True),
}
#: In the words of out_readings.
BASES = {
    600: "usage_fixed_percentages",
    601: "usage_fixed_percentages",
    602: "counted_lines",
    603: "usage_percentages",
    604: "lines_before",  # which are all its other lines
    605: "usage_credits",
}
BILLED_WHOLE = (23, 24, 25)
#: A minimum of 100.00 that a network as a whole must reach, billed to its Root; a percentage of the month before.
OF_NETWORK, OF_MONTH_BEFORE = 620, 621


def bill(lake: Lake, price_list_id: int, mailbox: int) -> None:
    """The five lines of one account; amounts by the arithmetic of the module's docstring."""
    use = 100 + 10 * mailbox if mailbox <= 22 else 100 if mailbox in BILLED_WHOLE else 600
    parts = {"use": Decimal(use), "fee": Decimal(50), "credit": Decimal(-5 if mailbox % 2 == 0 else 0)}
    parts["percent"] = (parts["use"] + parts["fee"]) / 10
    counted, is_stated = LISTS[price_list_id]
    base = sum((parts[name] for name in counted), Decimal(0))
    amount = max(Decimal(450) - base, Decimal(0))
    if mailbox in BILLED_WHOLE:
        amount = Decimal(450)
    of = {name: replace(ladder, price_list_id=price_list_id) for name, ladder in LADDERS.items()}
    lake.billed(of["use"], mailbox, str(use), str(use), str(use))
    lake.billed(of["fee"], mailbox, "1", "1", "50")
    lake.billed(of["percent"], mailbox, "1", "1", str(parts["percent"]))
    if parts["credit"]:
        lake.billed(of["credit"], mailbox, "1", "1", "-5")
    lake.billed(of["minimum"], mailbox, str(base) if is_stated else "1", "1", str(amount))


LADDERS = {"use": USE, "fee": FEE, "percent": PERCENT, "credit": CREDIT, "minimum": MINIMUM}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Connection]:
    lake = Lake()
    for price_list_id in LISTS:
        for ladder in LADDERS.values():
            lake.listed(replace(ladder, price_list_id=price_list_id))
        for mailbox in range(1, 55):
            bill(lake, price_list_id, mailbox)
    bill_networks(lake)
    bill_two_months(lake)
    bill_by_other_numbers(lake)
    bill_by_two_rules(lake)
    with closing(database.connect(lake.build(tmp_path_factory.mktemp("derived")))) as connection:
        yield connection


def bill_networks(lake: Lake) -> None:
    """Three networks of a Root and two mailboxes: 30.00, 40.00 and 25.00 for use. The minimum of 100.00 leaves 5.00.

    A fourth uses 60.00 and 50.00 in its mailboxes, so that nothing is missing. Each Root alone is far below it.
    """
    use = replace(USE, price_list_id=OF_NETWORK)
    minimum = replace(MINIMUM, price_list_id=OF_NETWORK, tiers=[Tier(0, 0, "100.00")])
    for ladder in (use, minimum):
        lake.listed(ladder)
    for network, (root, one, two, missing) in enumerate(
        [(30, 40, 25, 5), (10, 20, 30, 40), (5, 15, 35, 45), (0, 60, 50, 0)], start=7001
    ):
        for mailbox, quantity in ((0, root), (network * 10 + 1, one), (network * 10 + 2, two)):
            if quantity:
                lake.billed(use, mailbox, *[str(quantity)] * 3, network=network)
        lake.billed(minimum, 0, "1", "1", str(missing), network=network)


def bill_two_months(lake: Lake) -> None:
    """Ten per hundred, taken off, of what the month before was: 100, 200 and 300; this month's use is another."""
    use = replace(USE, price_list_id=OF_MONTH_BEFORE)
    percent = Ladder(
        OF_MONTH_BEFORE, ("FixedRate", "CreditPercentage"), [Tier(0, 0, "10.00")], model="Simple", level="Additional"
    )
    for ladder in (use, percent):
        lake.listed(ladder, months=(BEFORE, MONTH))
    for mailbox, (before, now) in enumerate([(100, 70), (200, 330), (300, 110)], start=1):
        lake.billed(use, mailbox, *[str(before)] * 3, month=BEFORE)
        lake.billed(use, mailbox, *[str(now)] * 3)
        lake.billed(percent, mailbox, "1", "1", str(Decimal(-before) / 10))


def bill_by_other_numbers(lake: Lake) -> None:
    """Use of 100, 233, 310 and 477 at 1.00 and a fee of 50.00 are 150, 283, 360 and 527; then 15 per hundred of each
    sum, or what it lacks to 530.00."""
    for price_list_id, derived, amounts in (
        (OTHER_PERCENT, PERCENT, ("22.5", "42.45", "54", "79.05")),
        (OTHER_MINIMUM, MINIMUM, ("380", "247", "170", "3")),
    ):
        of = [replace(ladder, price_list_id=price_list_id) for ladder in (USE, FEE, derived)]
        for ladder in of:
            lake.listed(ladder)
        for mailbox, (use, amount) in enumerate(zip(("100", "233", "310", "477"), amounts, strict=True), start=1):
            lake.billed(of[0], mailbox, use, use, use)
            lake.billed(of[1], mailbox, "1", "1", "50")
            lake.billed(of[2], mailbox, "1", "1", amount)


def bill_by_two_rules(lake: Lake) -> None:
    """Use of 50.00, 100.00, ... 400.00; six lack 400.00, 350.00, ... 150.00 to 450.00, two are billed 450.00."""
    use, minimum = (replace(ladder, price_list_id=OF_BOTH_KINDS) for ladder in (USE, MINIMUM))
    for ladder in (use, minimum):
        lake.listed(ladder)
    for mailbox in range(1, 9):
        charges = 50 * mailbox
        lake.billed(use, mailbox, *[str(charges)] * 3)
        lake.billed(minimum, mailbox, "1", "1", str(450 - charges if mailbox <= 6 else 450))
    use, minimum = (replace(ladder, price_list_id=OF_ALL_OR_FEW) for ladder in (USE, MINIMUM))
    for ladder in (use, minimum):
        lake.listed(ladder)
    for mailbox, (charges, amount) in enumerate(
        [(100, 450), (200, 450), (500, 0), (550, 0), (600, 0), (700, 450)], start=1
    ):
        lake.billed(use, mailbox, *[str(charges)] * 3)
        lake.billed(minimum, mailbox, "1", "1", str(amount))


def reading(connection: Connection, price_list_id: int, measure: str = "MonthlyMinimum") -> dict[str, Any]:
    condition = "WHERE price_list_id = ? AND measure_field = ? AND is_chosen"
    (row,) = database.table(connection, f"FROM out_readings {condition}", [price_list_id, measure]).to_pylist()
    return dict(row)


def findings(connection: Connection, price_list_id: int) -> list[dict[str, Any]]:
    return database.table(
        connection, "FROM out_findings WHERE price_list_id = ? ORDER BY mailbox_id", [price_list_id]
    ).to_pylist()


@pytest.mark.parametrize("price_list_id", LISTS)
def test_what_a_minimum_is_computed_beside_is_found(built: Connection, price_list_id: int) -> None:
    """Evidence are the 25 lines that bill something: 22 true-ups, and three that the true-up does not explain."""
    row = reading(built, price_list_id)
    assert row["reading_id"] == f"true_up.of_{BASES[price_list_id]}"
    assert row["verdict"] == "decided"
    assert (row["telling_lines_explained"], row["telling_lines"]) == (22, 25)


@pytest.mark.parametrize("price_list_id", LISTS)
def test_only_those_billed_the_whole_minimum_are_accused(built: Connection, price_list_id: int) -> None:
    """At a use of 100.00: beside 165.00 with fee and percentage 285.00 are due, beside 150.00 300.00, and so on."""
    base = {600: 165, 601: 165, 602: 150, 603: 115, 605: 100}
    found = findings(built, price_list_id)
    assert {row["check_name"] for row in found} == {"minimum_mismatch"}
    assert [row["mailbox_id"] for row in found] == [price_list_id * 1000 + mailbox for mailbox in BILLED_WHOLE]
    for row, mailbox in zip(found, BILLED_WHOLE, strict=True):
        credit = -5 if mailbox % 2 == 0 and price_list_id in (604, 605) else 0
        due = Decimal(450 - base.get(price_list_id, 165) - credit)
        assert (row["billed_amount"], row["expected_amount"], row["difference"]) == (450, due, 450 - due)


def test_a_minimum_may_be_due_from_all_where_few_above_it_are_billed(built: Connection) -> None:
    """If 450.00 are due from every account, the one of 700.00 is right."""
    assert reading(built, OF_ALL_OR_FEW)["verdict"] == "undecided"
    condition = "WHERE price_list_id = ? AND measure_field = 'MonthlyMinimum' AND is_rival"
    rivals = database.table(built, f"FROM out_readings {condition}", [OF_ALL_OR_FEW]).to_pylist()
    assert {"always.of_counted_lines", "whole_when_below.of_counted_lines"} <= {row["reading_id"] for row in rivals}
    assert [found["check_name"] for found in findings(built, OF_ALL_OR_FEW)] == ["reading_undecided"]


def test_true_ups_on_three_lines_of_four_leave_the_whole_minimum_open(built: Connection) -> None:
    """If the whole 450.00 is meant, the two that are billed it are right."""
    row = reading(built, OF_BOTH_KINDS)
    assert (row["reading_id"], row["verdict"]) == ("true_up.of_counted_lines", "undecided")
    condition = "WHERE price_list_id = ? AND measure_field = 'MonthlyMinimum' AND is_rival"
    rivals = database.table(built, f"FROM out_readings {condition}", [OF_BOTH_KINDS]).to_pylist()
    assert "whole_when_below.of_counted_lines" in {rival["reading_id"] for rival in rivals}
    (question,) = findings(built, OF_BOTH_KINDS)
    assert (question["severity"], question["check_name"]) == ("warning", "reading_undecided")
    # 400 + 350 + 300 + 250 + 200 + 150 and twice 450; the last two lack 100 and 50
    amounts = tuple(question[name] for name in ("billed_amount", "expected_amount", "difference"))
    assert amounts == (Decimal(2550), Decimal(1800), Decimal(750))


def test_a_minimum_may_be_of_the_network(built: Connection) -> None:
    row = reading(built, OF_NETWORK)
    assert row["reading_id"] == "true_up.of_counted_lines.per_network"
    assert (row["telling_lines_explained"], row["telling_lines"]) == (3, 3)
    assert [found["check_name"] for found in findings(built, OF_NETWORK)] == []


def test_a_percentage_may_be_of_the_month_before(built: Connection) -> None:
    row = reading(built, OF_MONTH_BEFORE, "CreditPercentage")
    assert row["reading_id"] == "per_hundred_negated.of_counted_lines.of_month_before"
    assert (row["verdict"], row["telling_lines_explained"]) == ("decided", 3)
    assert findings(built, OF_MONTH_BEFORE) == []


@pytest.mark.parametrize(
    ("price_list_id", "amounts"),
    [
        # 15 and 10 per hundred of 150 + 283 + 360 + 527 = 1,320
        (OTHER_PERCENT, ("198", "132", "66")),
        # 530 less each sum: 380 + 247 + 170 + 3. The nearest is 450 less use alone: 350 + 217 + 140 + 0
        (OTHER_MINIMUM, ("800", "707", "93")),
    ],
    ids=["percentage", "minimum"],
)
def test_other_numbers_on_all_lines_are_one_question_with_amounts(
    built: Connection, price_list_id: int, amounts: tuple[str, str, str]
) -> None:
    (question,) = findings(built, price_list_id)
    assert (question["severity"], question["check_name"]) == ("warning", "reading_undecided")
    found = tuple(question[name] for name in ("billed_amount", "expected_amount", "difference"))
    assert found == tuple(map(Decimal, amounts))


def test_the_rule_is_stated_in_words(built: Connection) -> None:
    assert reading(built, 600)["rule"].startswith(
        "a true-up to Rate from the account's charges (usage, fixed, percentages)"
    )
    assert reading(built, OF_MONTH_BEFORE, "CreditPercentage")["rule"].startswith(
        "a credit of Rate percent of the account's counted charges of the month before"
    )


def test_explain_states_why_a_reading_was_chosen(built: Connection) -> None:
    """22 of the 25 accounts below the minimum are billed the true-up, on all 54 lines from the Actual shown."""
    key = Key(NETWORK, own_mailbox(replace(MINIMUM, price_list_id=600), 1), MONTH, "FixedRate", "MonthlyMinimum")
    text = explanation(built, key).text()
    why = (
        "Why: 22 of 25 accounts below the minimum fit the true-up; Actual is its base on 54 lines; "
        "the fixed minimum misses all 22"
    )
    assert why in text
    assert "What would change it: " in text
