"""Which terms are in force, by which witness, and what lines are called that show or bill others.

Every amount is worked out in the comments. All cases share one lake, each on a price list of its own; lists are dated
2020 and read on the 3rd of the next month unless said otherwise.
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
from ecgrid_transforms.period import next_month

from .hand import MONTH, NETWORK, Ladder, Lake, Tier, own_mailbox

TRANS = ("TrafficAll", "ToTrans")
KCS = ("TrafficAll", "TotalKCs")
MONTHS = [next_month(MONTH, -ago) for ago in (4, 3, 2, 1, 0)]
THIRD = date(2026, 11, 3)

TEN_TIMES = Ladder(700, TRANS, [Tier(0, 0, "0.05")], model="Simple")
FROM_THE_START = replace(TEN_TIMES, price_list_id=701)
BLOCKS = Ladder(702, KCS, [Tier(0, 0, "0.01")], block="1000", model="Simple")
ONE_IS_RIGHT = replace(TEN_TIMES, price_list_id=703)
EDITED = replace(TEN_TIMES, price_list_id=704)
READ_LATE = replace(TEN_TIMES, price_list_id=705)
RAISED = Ladder(706, TRANS, [Tier(0, 100, "1.00"), Tier(101, 500, "0.80"), Tier(501, 0, "0.60")])
PAPER = replace(TEN_TIMES, price_list_id=707)
SHARED = replace(TEN_TIMES, price_list_id=708)
AGREED = replace(TEN_TIMES, price_list_id=709)
FREE = Ladder(710, TRANS, [Tier(0, 0, "0.05")], allowance="100", model="Simple")
#: Known from lines alone, whose second tier nobody reached.
LACKING = Ladder(711, TRANS, [Tier(0, 100, "1.00"), Tier(101, 500, "0.80"), Tier(501, 0, "0.60")])
#: Known from lines of its second tier alone.
LONE = replace(LACKING, price_list_id=717)
#: By the contract slice by slice, and with a fee beside the rate; a list that changes inside the month.
SLICED = Ladder(712, TRANS, [Tier(0, 100, "1.00"), Tier(101, 0, "0.80")])
WITH_FEE = replace(TEN_TIMES, price_list_id=713)
MIDDLE = replace(TEN_TIMES, price_list_id=714)
#: Terms that state no more than the list: a Block of 1, a Maximum that is no bound.
IN_OTHER_WORDS = replace(TEN_TIMES, price_list_id=715)
#: The contract states the first tier alone.
FIRST_TIER = replace(SLICED, price_list_id=716)
#: Changed inside the month too, with lines at rates of neither terms; a Block that no line is rounded to.
NEITHER = replace(TEN_TIMES, price_list_id=718)
UNROUNDED = Ladder(719, KCS, [Tier(0, 0, "0.01")], block="100", model="Simple")

TERMS = """
,707,TrafficAll,ToTrans,unit,1,,,,,0.05,,2026-01-01,,MSA 7
8751,,TrafficAll,ToTrans,,1,,,,,0.04,,,,
,709,TrafficAll,ToTrans,,1,,,,,0.05,,2026-01-01,,MSA 9
,712,TrafficAll,ToTrans,graduated,1,,100,,,1.00,,,,
,712,TrafficAll,ToTrans,graduated,2,,,,,0.80,,,,
,713,TrafficAll,ToTrans,,1,,,,,0.05,10,,,
,715,TrafficAll,ToTrans,,1,0,2147483647,0,1,0.05,,,,
,716,TrafficAll,ToTrans,,1,0,100,,,1.00,,,,
""".strip()


def made() -> Lake:
    lake = Lake()
    # 0.50 for a listed 0.05: 100 are 50.00 for 5.00, 200 are 100.00 for 10.00, 340 are 170.00 for 17.00
    lake.listed(TEN_TIMES, read=THIRD)
    for mailbox, (actual, amount) in enumerate([("100", "50"), ("200", "100"), ("340", "170")], start=1):
        lake.billed(TEN_TIMES, mailbox, actual, actual, amount, rate="0.50")
    # 0.06 for a listed 0.05, 12 accounts in each of four months: 100 x n are 6.00 x n for 5.00 x n
    for month in MONTHS[1:]:
        lake.listed(FROM_THE_START, [month], read=next_month(month).replace(day=3))
        for mailbox in range(1, 13):
            lake.billed(
                FROM_THE_START, mailbox, f"{mailbox}00", f"{mailbox}00", str(6 * mailbox), month=month, rate="0.06"
            )
    # blocks of 100 for a listed 1,000: 1,234 are 1,300 for 2,000, so 13.00 for 20.00; 2,950 are 3,000 either way;
    # 120 are 200 for 1,000, so 2.00 for 10.00; 3,010 are 3,100 for 4,000, so 31.00 for 40.00
    lake.listed(BLOCKS, read=THIRD)
    hundreds = replace(BLOCKS, block="100")
    for mailbox, (actual, quantity, amount) in enumerate(
        [("1234", "1300", "13"), ("2950", "3000", "30"), ("120", "200", "2"), ("3010", "3100", "31")], start=1
    ):
        lake.billed(hundreds, mailbox, actual, quantity, amount)
    # four lines at 0.06 and one at the listed 0.05
    lake.listed(ONE_IS_RIGHT, read=THIRD)
    for mailbox in range(1, 5):
        lake.billed(ONE_IS_RIGHT, mailbox, "100", "100", "6", rate="0.06")
    lake.billed(ONE_IS_RIGHT, 5, "100", "100", "5")
    # edited to 0.06 after the month, its Date kept; the answer of the month before has 0.05, as the lines
    lake.listed(EDITED, [MONTHS[3]], read=date(2026, 10, 3))
    lake.listed(EDITED, [MONTH], read=THIRD, rates=["0.06"])
    for mailbox in (1, 2):
        lake.billed(EDITED, mailbox, "100", "100", "5")
    # read half a year later, for a month in which most lines show 0.06
    lake.listed(READ_LATE, [MONTH], read=date(2027, 5, 3))
    for mailbox in (1, 2, 3):
        lake.billed(READ_LATE, mailbox, "100", "100", "6", rate="0.06")
    # raised by a tenth in the fifth month, from which on the list is dated; the third tier is shown in the second month
    # alone. By volume: 50 x 1.00, 200 x 0.80, 600 x 0.60; then 50 x 1.10, 200 x 0.88
    lake.listed(RAISED, [MONTH], "2026-10-01T00:00:00", read=THIRD, rates=["1.10", "0.88", "0.66"])
    for month in MONTHS:
        is_new = month == MONTH
        lake.billed(RAISED, 1, "50", "50", "55" if is_new else "50", month=month, rate="1.10" if is_new else None)
        lake.billed(
            RAISED, 2, "200", "200", "176" if is_new else "160", tier=2, month=month, rate="0.88" if is_new else None
        )
    lake.billed(RAISED, 3, "600", "600", "360", tier=3, month=MONTHS[1])
    # the contract has 0.05, list and lines 0.06: 100 x n are 6.00 x n for 5.00 x n
    lake.listed(PAPER, read=THIRD, rates=["0.06"])
    for mailbox in (1, 2, 3):
        lake.billed(PAPER, mailbox, f"{mailbox}00", f"{mailbox}00", str(6 * mailbox), rate="0.06")
    # one list of two contracts, of which 8751 has 0.04 by its paper: 100 are 4.00, or 5.00 by the list
    lake.listed(SHARED, read=THIRD)
    for mailbox, contract_id, amount, rate in [
        *((1, 8751, "4", "0.04"), (2, 8751, "8", "0.04"), (3, 8751, "15", None)),
        *((4, 8755, "20", None), (5, 8755, "25", None)),
    ]:
        lake.contracted(SHARED, mailbox, contract_id)
        lake.billed(SHARED, mailbox, f"{mailbox}00", f"{mailbox}00", amount, rate=rate)
    # lines at the contract's 0.05 beside a list of 0.06
    lake.listed(AGREED, read=THIRD, rates=["0.06"])
    for mailbox in (1, 2, 3):
        lake.billed(AGREED, mailbox, f"{mailbox}00", f"{mailbox}00", str(5 * mailbox))
    # an allowance of 40 for a listed 100: 300 are 260 for 200, so 13.00 for 10.00; the others right
    lake.listed(FREE, read=THIRD)
    lake.billed(replace(FREE, allowance="40"), 1, "300", "260", "13")
    for mailbox, (actual, quantity, amount) in enumerate([("300", "200", "10"), ("500", "400", "20")], start=2):
        lake.billed(FREE, mailbox, actual, quantity, amount)
    # slice by slice 600 are 100 + 320 + 60, of which 320 are the second tier's
    for mailbox, (actual, amount) in enumerate([("10", "10"), ("20", "20"), ("90", "90")], start=1):
        lake.billed(LACKING, mailbox, actual, actual, amount)
    lake.billed(LACKING, 4, "600", "600", "480", tier=3)
    # 150 x 0.80, 200 x 0.80 and 300 x 0.80
    for mailbox, (actual, amount) in enumerate([("150", "120"), ("200", "160"), ("300", "240")], start=1):
        lake.billed(LONE, mailbox, actual, actual, amount, tier=2)
    # billed whole by the tier reached, 200 x 0.80 = 160.00 and 300 x 0.80 = 240.00; slice by slice 100 + 80 = 180.00
    # and 100 + 160 = 260.00
    lake.listed(SLICED, read=THIRD)
    for mailbox, (actual, amount) in enumerate([("50", "50"), ("200", "160"), ("300", "240")], start=1):
        lake.billed(SLICED, mailbox, actual, actual, amount, tier=1 if mailbox == 1 else 2)
    # 10.00 and 0.05 each: 100 are 15.00, 200 are 20.00, 400 are 30.00; the last without the fee
    lake.listed(WITH_FEE, read=THIRD)
    for mailbox, (actual, amount) in enumerate([("100", "15"), ("200", "20"), ("400", "30"), ("500", "25")], start=1):
        lake.billed(WITH_FEE, mailbox, actual, actual, amount)
    # by the list, and so by the contract: 100 x n are 5.00 x n
    lake.listed(IN_OTHER_WORDS, read=THIRD)
    for mailbox in (1, 2, 3):
        lake.billed(IN_OTHER_WORDS, mailbox, f"{mailbox}00", f"{mailbox}00", str(5 * mailbox))
    # whole by the tier reached: 50 x 1.00, 200 x 0.80 and 300 x 0.80
    lake.listed(FIRST_TIER, read=THIRD)
    for mailbox, (actual, amount) in enumerate([("50", "50"), ("200", "160"), ("300", "240")], start=1):
        lake.billed(FIRST_TIER, mailbox, actual, actual, amount, tier=1 if mailbox == 1 else 2)
    # 0.06 from the 15th on: two lines by the terms before, two by those after
    lake.listed(MIDDLE, [MONTHS[3]], read=date(2026, 10, 3))
    lake.listed(MIDDLE, [MONTH], "2026-10-15T00:00:00", read=THIRD, rates=["0.06"])
    for mailbox, (amount, rate) in enumerate([("5", None), ("5", None), ("6", "0.06"), ("6", "0.06")], start=1):
        lake.billed(MIDDLE, mailbox, "100", "100", amount, rate=rate)
    # 400 are 20.00 or 24.00, 1,000 are 50.00 or 60.00
    lake.listed(NEITHER, [MONTHS[3]], read=date(2026, 10, 3))
    lake.listed(NEITHER, [MONTH], "2026-10-15T00:00:00", read=THIRD, rates=["0.06"])
    for mailbox, (actual, amount, rate) in enumerate(
        [("100", "5", "0.05"), ("100", "6", "0.06"), ("400", "22", "0.055"), ("1000", "70", "0.07")], start=1
    ):
        lake.billed(NEITHER, mailbox, actual, actual, amount, rate=rate)
    # 1,234 are 1,200 or 1,300
    lake.listed(UNROUNDED, read=THIRD)
    for mailbox, (actual, amount) in enumerate([("1234", "12.34"), ("2950", "29.50"), ("300", "3")], start=1):
        lake.billed(UNROUNDED, mailbox, actual, actual, amount)
    return lake


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made().build(tmp_path_factory.mktemp("terms"), terms=TERMS)


@pytest.fixture
def built(path: Path) -> Iterator[Connection]:
    with closing(database.connect(path)) as connection:
        yield connection


def findings(connection: Connection, ladder: Ladder) -> list[dict[str, Any]]:
    return database.table(
        connection,
        "FROM out_findings WHERE price_list_id = ? ORDER BY reporting_month, mailbox_id NULLS LAST",
        [ladder.price_list_id],
    ).to_pylist()


def named(found: list[dict[str, Any]]) -> list[tuple[object, ...]]:
    return [
        (row["check_name"], row["severity"], row["billed_amount"], row["expected_amount"], row["difference"])
        for row in found
    ]


def wrong(check_name: str, severity: str, *amounts: tuple[str, str]) -> list[tuple[object, ...]]:
    """What `named` gives for findings of (billed, expected)."""
    return [
        (check_name, severity, Decimal(billed), Decimal(expected), Decimal(billed) - Decimal(expected))
        for billed, expected in amounts
    ]


@pytest.mark.long
def test_a_rate_that_all_lines_show_is_no_rate_of_the_list(built: Connection) -> None:
    found = findings(built, TEN_TIMES)
    assert named(found) == wrong("rate_mismatch", "error", ("50", "5"), ("100", "10"), ("170", "17"))
    assert len({row["cause_id"] for row in found}) == 1
    assert found[0]["explanation"] == (
        "Billed 50.00 at the rate 0.5; by the price list read on 2026-11-03 it is 0.05, which gives 5.00: 45.00 too "
        "much."
    )


def test_a_wrong_rate_from_the_first_month_on_is_one_cause(built: Connection) -> None:
    found = findings(built, FROM_THE_START)
    each = [(str(6 * mailbox), str(5 * mailbox)) for mailbox in range(1, 13)]
    assert named(found) == wrong("rate_mismatch", "error", *each * 4)
    assert len({row["cause_id"] for row in found}) == 1


def test_a_block_that_all_lines_show_is_no_block_of_the_list(built: Connection) -> None:
    """2,950 cost 30.00 either way: other terms all the same."""
    found = findings(built, BLOCKS)
    assert named(found) == [
        *wrong("quantity_mismatch", "error", ("13", "20")),
        *wrong("terms_differ", "error", ("30", "30")),
        *wrong("quantity_mismatch", "error", ("2", "10"), ("31", "40")),
    ]
    assert len({row["cause_id"] for row in found if row["check_name"] == "quantity_mismatch"}) == 1


def test_one_right_line_among_four_wrong_ones_is_right(built: Connection) -> None:
    found = findings(built, ONE_IS_RIGHT)
    assert named(found) == wrong("rate_mismatch", "error", *[("6", "5")] * 4)
    assert [row["mailbox_id"] for row in found] == [own_mailbox(ONE_IS_RIGHT, number) for number in range(1, 5)]


def test_a_list_edited_in_place_does_not_accuse_the_month_before(built: Connection) -> None:
    (found,) = findings(built, EDITED)
    assert (found["check_name"], found["severity"], found["difference"]) == ("terms_differ", "warning", None)
    assert found["explanation"] == (
        "Price list 704, TrafficAll ToTrans: General rate 0.05 by the price list read on 2026-10-03; General rate 0.06 "
        "by the price list read on 2026-11-03, with an unchanged Date of 2020-01-01. The previous terms apply to the "
        "month. Ask the vendor when the new terms take effect."
    )


def test_a_list_read_later_warns_with_both_amounts(built: Connection) -> None:
    found = findings(built, READ_LATE)
    assert named(found) == wrong("rate_mismatch", "warning", *[("6", "5")] * 3)
    assert found[0]["explanation"].endswith(
        "That list was read after the month: ask the vendor which terms were in force."
    )


def test_a_raise_is_one_change_and_no_other_month_has_a_price_part(built: Connection) -> None:
    """The third tier of the fourth month is that of the second, never that of the list of today."""
    changes = [row for row in findings(built, RAISED) if row["check_name"] != "reading_undecided"]
    assert [(row["check_name"], row["reporting_month"]) for row in changes] == [("price_changed", MONTH)]
    parts = database.table(
        built,
        "SELECT reporting_month, sum(price_part) AS part FROM out_month_on_month WHERE price_list_id = ? GROUP BY ALL",
        [RAISED.price_list_id],
    ).to_pylist()
    # 50 x 0.10 and 200 x 0.08
    assert {row["reporting_month"]: row["part"] for row in parts} == {
        **dict.fromkeys(MONTHS[1:4], Decimal(0)),
        MONTH: Decimal(21),
    }
    tiers = database.table(
        built,
        "SELECT rate FROM core_tiers WHERE price_list_id = ? AND reporting_month = ? ORDER BY tier",
        [RAISED.price_list_id, MONTHS[3]],
    ).to_pylist()
    assert [row["rate"] for row in tiers] == [Decimal("1.00"), Decimal("0.80"), Decimal("0.60")]


def test_a_list_that_differs_from_the_contract_is_named_with_the_money(built: Connection) -> None:
    *lines, of_list = findings(built, PAPER)
    assert named(lines) == wrong("rate_mismatch", "error", ("6", "5"), ("12", "10"), ("18", "15"))
    assert named([of_list]) == [("list_differs_from_contract", "error", Decimal(36), Decimal(30), None)]
    assert of_list["explanation"] == (
        "Price list 707, TrafficAll ToTrans: read on 2026-11-03, the list has General rate 0.06; your "
        "contract_terms.csv, document MSA 7 has General rate 0.05. 3 lines of the month billed 36.00, expected 30.00: "
        "6.00 too much (see the findings of these lines). Ask the vendor to correct the price list."
    )
    assert "; by your contract_terms.csv, document MSA 7 it is 0.05, which gives 5.00" in lines[0]["explanation"]


def test_the_terms_of_a_contract_hold_for_its_accounts_alone(built: Connection) -> None:
    found = findings(built, SHARED)
    assert named(found) == [
        *wrong("rate_mismatch", "error", ("15", "12")),
        ("list_differs_from_contract", "error", Decimal(15), Decimal(12), None),
    ]
    assert "contract 8751: read on" in found[1]["explanation"]


def test_lines_by_the_contract_are_right_whatever_the_list_has(built: Connection) -> None:
    (found,) = findings(built, AGREED)
    assert named([found]) == [("list_differs_from_contract", "error", None, None, None)]
    assert "No line of the month is billed by other terms than the contract's" in found["explanation"]


def test_a_block_of_one_and_an_open_maximum_state_nothing(built: Connection) -> None:
    assert findings(built, IN_OTHER_WORDS) == []


def test_a_paper_of_the_first_tier_states_nothing_about_the_second(built: Connection) -> None:
    assert [row["check_name"] for row in findings(built, FIRST_TIER)] == ["reading_undecided"]  # at the bound of 100


def test_the_model_of_the_contract_decides(built: Connection) -> None:
    found = findings(built, SLICED)
    assert [(row["severity"], row["expected_amount"], row["difference"]) for row in found] == [
        ("error", Decimal(180), Decimal(-20)),
        ("error", Decimal(260), Decimal(-20)),
    ]


def test_a_contract_may_have_a_fee_beside_the_rate(built: Connection) -> None:
    line, of_list = findings(built, WITH_FEE)
    assert (line["billed_amount"], line["expected_amount"]) == (Decimal(25), Decimal(35))
    assert ". The fee of 10.00 is missing. " in line["explanation"]
    key = Key(NETWORK, line["mailbox_id"], line["reporting_month"], *WITH_FEE.pair)
    assert "General: 500 x 0.05 + fee 10.00 = 35.00\n" in explanation(built, key).text()
    assert of_list["check_name"] == "list_differs_from_contract"
    assert "your contract_terms.csv has General rate 0.05 and a fee of 10. " in of_list["explanation"]


def test_a_date_inside_the_month_admits_both_terms(built: Connection) -> None:
    assert [(row["check_name"], row["severity"]) for row in findings(built, MIDDLE)] == [("price_changed", "info")]


def test_another_allowance_than_the_lists_has_the_general_name(built: Connection) -> None:
    (found,) = findings(built, FREE)
    assert named([found]) == wrong("terms_differ", "error", ("13", "10"))
    assert found["explanation"] == (
        "Billed 13.00 with allowance 40 instead of 100, by the price list read on 2026-11-03. These terms give 10.00: "
        "3.00 too much."
    )


def test_what_depends_on_an_unknown_tier_is_not_provable(built: Connection) -> None:
    lines = database.table(
        built,
        "SELECT actual, verdict, expected_amount FROM out_line_items WHERE price_list_id = ? ORDER BY actual",
        [LACKING.price_list_id],
    ).to_pylist()
    assert [row["verdict"] for row in lines] == ["fits", "fits", "fits", "not_provable"]
    assert lines[3]["expected_amount"] is None
    assert {row["severity"] for row in findings(built, LACKING)} <= {"warning"}
    assert {row["check_name"] for row in findings(built, LACKING)} <= {"reading_undecided"}


def test_one_tier_of_a_ladder_does_not_decide_how_it_is_meant(built: Connection) -> None:
    """What 50 cost is unknown, so the Minimum of 101 that the lines show is no floor of a schedule alone."""
    condition = "WHERE price_list_id = ? AND is_chosen"
    (row,) = database.table(built, f"FROM out_readings {condition}", [LONE.price_list_id]).to_pylist()
    assert row["verdict"] == "undecided"
    assert row["change_words"].startswith("one tier of the ladder is known alone")
    lines = database.table(
        built, "SELECT verdict FROM out_line_items WHERE price_list_id = ?", [LONE.price_list_id]
    ).to_pylist()
    assert {line["verdict"] for line in lines} == {"undecided"}
    (found,) = findings(built, LONE)
    assert (found["severity"], found["check_name"]) == ("warning", "reading_undecided")
    assert "its lines show one of them alone, Tier2: what the others bill is unknown" in found["explanation"]


@pytest.mark.parametrize(
    ("ladder", "words"),
    [
        (TEN_TIMES, "Terms: by the price list read on 2026-11-03 (stated, whatever the lines show)"),
        (PAPER, "Terms: by your contract_terms.csv, document MSA 7 (the strongest source)"),
        (READ_LATE, "Terms: by the price list read on 2027-05-03 (read after the month)"),
    ],
    ids=["stated", "contract", "stated later"],
)
def test_explain_names_the_witness(built: Connection, ladder: Ladder, words: str) -> None:
    text = explanation(built, Key(NETWORK, own_mailbox(ladder, 1), MONTH, *TRANS)).text()
    assert words in text.splitlines()


@pytest.mark.parametrize(
    ("ladder", "source"),
    [(TEN_TIMES, "stated"), (PAPER, "contract"), (READ_LATE, "stated_later"), (LACKING, "shown")],
    ids=["stated", "contract", "stated later", "shown"],
)
def test_a_reading_names_the_witness_of_its_terms(built: Connection, ladder: Ladder, source: str) -> None:
    rows = database.table(
        built, "SELECT DISTINCT terms_source FROM out_readings WHERE price_list_id = ?", [ladder.price_list_id]
    ).to_pylist()
    assert rows == [{"terms_source": source}]


@pytest.mark.parametrize(
    ("ladder", "mailbox", "expected", "difference"),
    [
        (
            NEITHER,
            3,
            "20.00 to 24.00: several terms are in force in the month",
            "undetermined: the amount billed is between these",
        ),
        (
            NEITHER,
            4,
            "50.00 to 60.00: several terms are in force in the month",
            "at least 10.00 too much",
        ),
        (
            UNROUNDED,
            1,
            "12.00 to 13.00: interpretations or terms left open differ",
            "undetermined: the amount billed is between these",
        ),
        (TEN_TIMES, 1, "5.00 for 100", "45.00 too much"),
    ],
    ids=["between two terms", "above two terms", "between two roundings to blocks", "one amount"],
)
def test_explain_states_all_amounts_that_may_be_expected(
    built: Connection, ladder: Ladder, mailbox: int, expected: str, difference: str
) -> None:
    found = explanation(built, Key(NETWORK, own_mailbox(ladder, mailbox), MONTH, *ladder.pair))
    assert f"\nExpected     {expected}\nDifference   {difference}\n" in found.text()
    line, *_ = (row for row in findings(built, ladder) if row["mailbox_id"] == own_mailbox(ladder, mailbox))
    assert (line["difference"] is None) == difference.startswith("undetermined")


def test_explain_has_no_breakdown_of_an_amount_that_is_not_expected(built: Connection) -> None:
    found = explanation(built, Key(NETWORK, own_mailbox(NEITHER, 3), MONTH, *NEITHER.pair))
    words = "Proof        none: several terms are in force in the month"
    assert found.proof == ()
    assert words in found.text().splitlines()


def test_explain_says_that_lines_alone_show_the_terms(built: Connection) -> None:
    text = explanation(built, Key(NETWORK, own_mailbox(RAISED, 1), MONTHS[0], *TRANS)).text()
    assert "Terms: by the lines of the month (no price list states terms for this month)" in text.splitlines()


@pytest.mark.parametrize(("mailbox", "share"), [(1, "3 of 3"), (4, "2 of 2")], ids=["by a contract", "by the list"])
def test_explain_counts_the_lines_of_its_own_ladder(built: Connection, mailbox: int, share: str) -> None:
    text = explanation(built, Key(NETWORK, own_mailbox(SHARED, mailbox), MONTH, *TRANS)).text()
    assert f"(explains {share} lines of its schedules)" in text
    assert f"Why: {share} telling lines fit unit" in text
