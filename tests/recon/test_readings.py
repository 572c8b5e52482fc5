"""What is inferred from lines made by hand; every amount is worked out in the comments.

All cases share one lake, each on a price list of its own, for a build costs more than a case.
"""

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from ecgrid_flows.rating.explain import explanation
from ecgrid_flows.warehouse import database, sql_tree
from ecgrid_flows.warehouse.database import Connection
from ecgrid_transforms.model import Key
from ecgrid_transforms.money import Decimal

from .hand import MONTH, NETWORK, Ladder, Lake, Tier, own_mailbox

KCS = ("TrafficAll", "TotalKCs")
TRANS = ("TrafficAll", "ToTrans")
FEE = ("FixedRate", "Each")

#: The wire samples: PricelistInfo of list 432, the line of network 4443, and a line of invoice INV-202307-18751.
WIRE_TIERS = Ladder(
    432,
    ("TrafficKCInterchangeTiered", "TieredKCIntCount"),
    [Tier(0, 1200, "0.2178"), Tier(1201, 0, "0.1856")],
    allowance="20",
    block="5",
)
WIRE_TRANS = Ladder(431, TRANS, [Tier(0, 0, "0.0776")], allowance="150", block="20", model="Simple")

GRADUATED = Ladder(500, TRANS, [Tier(0, 100, "1.00"), Tier(101, 0, "0.50")], model="Stacked")
VOLUME = Ladder(501, TRANS, [Tier(0, 100, "1.00"), Tier(101, 0, "0.50")], model="Stacked")
SMALL = Ladder(502, TRANS, [Tier(0, 100, "1.00"), Tier(101, 0, "0.50")])
NONSENSE = Ladder(503, TRANS, [Tier(0, 100, "1.00"), Tier(101, 0, "0.50")])
#: Terms of one interpretation, by which no line is billed, or one of four.
DEARER = Ladder(520, FEE, [Tier(0, 0, "10.00")], model="Simple")
DOUBLED = Ladder(521, TRANS, [Tier(0, 0, "0.05")], model="Simple")
FLOOR = Ladder(504, ("Statistics", "ActiveQIDs"), [Tier(25, 200, "1.25")], model="Simple")
UNLISTED = Ladder(506, TRANS, [Tier(0, 100, "1.00"), Tier(101, 0, "0.50")])
DATED_LATER = Ladder(507, FEE, [Tier(0, 0, "3.00")], model="Simple")
OVERCHARGED = Ladder(508, FEE, [Tier(0, 0, "2.00")], model="Simple")
ONE_WRONG = Ladder(509, FEE, [Tier(0, 0, "2.00")], model="Simple")
BOUNDED = Ladder(510, TRANS, [Tier(0, 100, "1.00"), Tier(101, 200, "0.90")])
FINE = Ladder(512, TRANS, [Tier(0, 0, "0.12345")], model="Simple")
EVEN = Ladder(513, TRANS, [Tier(0, 0, "0.125")], model="Simple")
MINIMUM = Ladder(514, ("FixedRate", "MonthlyMinimum"), [Tier(0, 0, "50.00")], model="Simple", level="Minimum")
BESIDE_MINIMUM = Ladder(514, TRANS, [Tier(0, 0, "1.00")], model="Simple")
#: Minimums that every account is above, and that two accounts below it show otherwise. A percentage on a list whose fee
#: nobody pays, and the same where one account does.
UNREACHED = Ladder(540, ("FixedRate", "MonthlyMinimum"), [Tier(0, 0, "50.00")], model="Simple", level="Minimum")
DISPUTED = replace(UNREACHED, price_list_id=543)
PINNED_MINIMUM = replace(UNREACHED, price_list_id=544)
UNTOLD = Ladder(541, ("FixedRate", "CreditPercentage"), [Tier(0, 0, "10.00")], model="Simple", level="Credit")
TOLD = Ladder(542, ("FixedRate", "CreditPercentage"), [Tier(0, 0, "10.00")], model="Simple", level="Credit")
PINNED = Ladder(515, TRANS, [Tier(0, 100, "1.00"), Tier(101, 0, "0.50")])
PROOF = Ladder(
    517, KCS, [Tier(0, 500, "0.2000"), Tier(501, 2000, "0.1645"), Tier(2001, 0, "0.1225")], allowance="100", block="1"
)
#: A cliff whose bound is the next tier's; one behind a free tier; a line below 0; and lines that the other model bills.
EXCLUDED = Ladder(530, TRANS, [Tier(0, 100, "1.00"), Tier(101, 0, "0.80")])
FREE = Ladder(531, TRANS, [Tier(0, 100, "1.00"), Tier(101, 0, "0.80")], allowance="100")
NEGATIVE = Ladder(532, TRANS, [Tier(0, 0, "2.00")], model="Simple")
OTHERWISE = Ladder(533, TRANS, [Tier(0, 100, "1.00"), Tier(101, 0, "0.50")])
STACKED = Ladder(534, TRANS, [Tier(0, 100, "10.00"), Tier(101, 0, "25.00")])
OLD = Ladder(516, TRANS, [Tier(None, 100, "1.00"), Tier(None, 0, "0.50")])
#: Two lines rounded up and two down; nine lines rounded alike and one not; amounts in coins of 0.05 and of 0.1.
HALVES = Ladder(550, TRANS, [Tier(0, 100, "0.03335"), Tier(101, 0, "0.01")])
SETTLED = replace(HALVES, price_list_id=551)
COINS = Ladder(552, TRANS, [Tier(0, 0, "0.137")], model="Simple")
TENTHS = replace(COINS, price_list_id=553)
UNSETTLED = Ladder(554, TRANS, [Tier(0, 0, "0.048")], model="Simple")
#: Parts of a block of 100 are free; the line shows the tier of the part, which bills nothing.
PART_IN_TIER = Ladder(
    561, TRANS, [Tier(0, 2000, "2.50"), Tier(2001, 5000, "2.25"), Tier(5001, 0, "2.00")], allowance="25", block="100"
)
COINS_AND_CENTS = replace(COINS, price_list_id=560)
UP_BUT_ONE = Ladder(562, TRANS, [Tier(0, 0, "0.0776")], model="Simple")
#: One line with something to round, a cent above half up; a list in whole units but for one; two fees in whole units.
ONE_CENT = Ladder(555, TRANS, [Tier(0, 0, "0.0776")], model="Simple")
SHORT = Ladder(556, TRANS, [Tier(0, 0, "1.75")], model="Simple")
SHORT_IN_CENTS = replace(SHORT, price_list_id=557)
TWO_FEES = (
    Ladder(558, FEE, [Tier(0, 0, "2.40")], model="Simple"),
    Ladder(558, ("FixedRate", "FixedRate"), [Tier(0, 0, "3.60")], model="Simple"),
)
#: Both tiers are stated twice, with the same numbers and another ScheduleID.
REPEATED = Ladder(
    559,
    TRANS,
    [Tier(0, 100, "1.00"), Tier(0, 100, "1.00"), Tier(101, 0, "0.80"), Tier(101, 0, "0.80")],
    level="General",
)
LARGEST_INT = Ladder(518, TRANS, [Tier(0, 100, "1.00"), Tier(101, 2**31 - 1, "0.50")])
FAR_BOUND = Ladder(519, TRANS, [Tier(0, 2 * 10**9, "1.00"), Tier(2 * 10**9 + 1, 0, "0.50")])


def billed(lake: Lake, ladder: Ladder, lines: Sequence[tuple[str, str]], month: date = MONTH) -> None:
    """Lines of (Actual, Amount) without allowance or blocks, one an account."""
    for mailbox, (actual, amount) in enumerate(lines, start=1):
        tier = 2 if len(ladder.tiers) > 1 and int(actual) > ladder.tiers[0].maximum else 1
        lake.billed(ladder, mailbox, actual, actual, amount, tier=tier, month=month)


def made() -> Lake:
    lake = Lake()
    for ladder in (WIRE_TIERS, WIRE_TRANS, GRADUATED, VOLUME, SMALL, NONSENSE, FLOOR, OVERCHARGED, ONE_WRONG, BOUNDED):
        lake.listed(ladder)
    for ladder in (FINE, EVEN, MINIMUM, BESIDE_MINIMUM, PINNED, OLD, PROOF, LARGEST_INT, FAR_BOUND):
        lake.listed(ladder)
    for ladder in (EXCLUDED, FREE, NEGATIVE, OTHERWISE, STACKED, HALVES, SETTLED, COINS, TENTHS, UNSETTLED):
        lake.listed(ladder)
    lake.listed(DATED_LATER, dated="2026-12-01T00:00:00")

    # 353 - 20 = 333, up to 335 in fives; 335 x 0.2178 = 72.963
    lake.billed(WIRE_TIERS, 0, "353", "335", "72.96")
    # 3,521 - 150 = 3,371, up to 3,380 in twenties; 3,380 x 0.0776 = 262.288
    lake.billed(WIRE_TRANS, 105213, "3521", "3380", "262.29")
    # slices of 1.00 up to 100 and 0.50 above: 150 is 100 + 25; the last line is wrong, billed by volume, 300 x 0.50
    graduated = [("10", "10"), ("100", "100"), ("101", "100.5"), ("150", "125"), ("200", "150"), ("400", "250")]
    billed(lake, GRADUATED, graduated * 3 + [("0", "0"), ("300", "150")])
    billed(lake, VOLUME, [("10", "10"), ("100", "100"), ("101", "50.5"), ("150", "75"), ("200", "100")])
    # nobody leaves the first tier
    billed(lake, SMALL, [("10", "10"), ("20", "20"), ("30", "30")])
    billed(lake, NONSENSE, [("110", "3.33"), ("120", "9.99"), ("130", "1"), ("40", "40")])
    # three fees of 10.00 billed 11.00; 100 x 0.05 = 5.00, and three lines of twice the quantity: 2 x n x 0.05
    for ladder in (DEARER, DOUBLED):
        lake.listed(ladder)
    billed(lake, DEARER, [("1", "11")] * 3)
    lake.billed(DOUBLED, 1, "100", "100", "5")
    for mailbox, (actual, twice, amount) in enumerate(
        [("200", "400", "20"), ("340", "680", "34"), ("50", "100", "5")], 2
    ):
        lake.billed(DOUBLED, mailbox, actual, twice, amount)
    # at least 25 and at most 200, at 1.25
    for mailbox, (actual, quantity, amount) in enumerate(
        [("18", "25", "31.25"), ("25", "25", "31.25"), ("60", "60", "75"), ("200", "200", "250"), ("241", "200", "250")]
    ):
        lake.billed(FLOOR, mailbox + 1, actual, quantity, amount)
    billed(lake, UNLISTED, [("10", "10"), ("100", "100"), ("101", "100.5"), ("150", "125"), ("200", "150")])
    for mailbox in (1, 2):
        lake.billed(DATED_LATER, mailbox, "1", "1", "2.00", rate="2.00")
    for mailbox in range(1, 6):
        lake.billed(OVERCHARGED, mailbox, "1", "1", "2.50", rate="2.50")
        lake.billed(
            ONE_WRONG, mailbox, "1", "1", "2.00" if mailbox > 1 else "2.50", rate=None if mailbox > 1 else "2.50"
        )
    billed(lake, BOUNDED, [("50", "50"), ("100", "100"), ("101", "90.9"), ("200", "180"), ("250", "225")])
    # 0.12345 to four decimals: 3 are 0.37035, 5 are 0.61725, ties that go up
    billed(lake, FINE, [("3", "0.3704"), ("5", "0.6173"), ("7", "0.8642")])
    # 0.125 is a tie that goes to the even cent: 0.12; 0.375 goes to 0.38 either way
    billed(lake, EVEN, [("1", "0.12"), ("3", "0.38"), ("5", "0.62"), ("8", "1.00")])
    # 3.888, 19.776 and 3.792: half up and up fit the first two alike
    billed(lake, UNSETTLED, [("81", "3.89"), ("412", "19.78"), ("79", "3.83")])
    # a minimum of 50.00, whole when the account's charges stay below it
    for mailbox, (charges, least) in enumerate([("30", "50"), ("49", "50"), ("50", "0"), ("80", "0")], start=1):
        lake.billed(BESIDE_MINIMUM, mailbox, charges, charges, charges)
        lake.billed(MINIMUM, mailbox, charges, "1", least)
    for money in (UNREACHED, UNTOLD, TOLD, DISPUTED, PINNED_MINIMUM):
        lake.listed(money)
    fee = replace(DATED_LATER, price_list_id=542)
    # above 50.00; 20.00 missing to it; billed whole, though 10.00 are missing
    above = [("60", "0"), ("80", "0")]
    for minimum, accounts in (
        (UNREACHED, above),
        (PINNED_MINIMUM, [("30", "20"), *above]),
        (DISPUTED, [("30", "20"), ("40", "50"), ("80", "0")]),
    ):
        beside = replace(BESIDE_MINIMUM, price_list_id=minimum.price_list_id)
        for mailbox, (charges, least) in enumerate(accounts, start=1):
            lake.billed(beside, mailbox, charges, charges, charges)
            lake.billed(minimum, mailbox, charges, "1", least)
    # ten per hundred taken off, of the charges for use or of the fee as well: nobody can tell while nobody pays it
    for percentage in (UNTOLD, TOLD):
        beside = replace(BESIDE_MINIMUM, price_list_id=percentage.price_list_id)
        lake.listed(beside)
        lake.listed(replace(fee, price_list_id=percentage.price_list_id))
        for mailbox, charges, taken in [(1, "100", "-10"), (2, "40", "-4")]:
            lake.billed(beside, mailbox, charges, charges, charges)
            lake.billed(percentage, mailbox, "1", "1", taken)
    # 100.00 for use and 3.00 for the fee, ten per hundred of both, on two accounts: one line would be no proof
    for mailbox in (3, 4):
        lake.billed(replace(BESIDE_MINIMUM, price_list_id=542), mailbox, "100", "100", "100")
        lake.billed(fee, mailbox, "1", "1", "3")
        lake.billed(TOLD, mailbox, "1", "1", "-10.30")
    # 100 x 0.03335 = 3.335, and 0.01 for each further one: 3.835, 3.935, 4.035, 4.135
    billed(lake, HALVES, [("150", "3.84"), ("160", "3.93"), ("170", "4.03"), ("180", "4.14")])
    # 3.835, 3.935, ..., 4.635 go up; 4.735 does not
    settled = [(str(150 + 10 * n), str(Decimal("3.84") + n * Decimal("0.1"))) for n in range(9)]
    billed(lake, SETTLED, [*settled, ("240", "4.73")])
    # 0.959, 1.781, 3.151, 4.521, 5.617, 6.987 and 13.70
    uses = ("7", "13", "23", "33", "41", "51", "100")
    billed(lake, COINS, list(zip(uses, ("0.95", "1.80", "3.15", "4.50", "5.60", "7.00", "13.70"), strict=True)))
    lake.listed(UP_BUT_ONE)
    # 0.2328, 0.5432, 0.8536 and 1.4744 go up; 1.7848 goes to the nearest cent
    billed(lake, UP_BUT_ONE, [("3", "0.24"), ("7", "0.55"), ("11", "0.86"), ("19", "1.48"), ("23", "1.78")])
    lake.listed(PART_IN_TIER)
    # Rate is per block: 876 are 8 x 2.50; 1,553 are 15 x 2.50; 5,079 are 20 x 2.50 + 30 x 2.25
    for mailbox, (actual, quantity, amount, tier) in enumerate(
        [("901", "800", "20", 1), ("1578", "1500", "37.5", 1), ("5104", "5000", "117.5", 3)], start=1
    ):
        lake.billed(PART_IN_TIER, mailbox, actual, quantity, amount, tier=tier)
    lake.listed(COINS_AND_CENTS)
    # the same in coins, and 60 x 0.137 = 8.22 in cents
    coins = zip(uses, ("0.95", "1.80", "3.15", "4.50", "5.60", "7.00", "13.70"), strict=True)
    billed(lake, COINS_AND_CENTS, [*coins, ("60", "8.22")])
    billed(lake, TENTHS, list(zip(uses, ("1.0", "1.8", "3.2", "4.5", "5.6", "7.0", "13.7"), strict=True)))
    for ladder in (ONE_CENT, SHORT, SHORT_IN_CENTS, *TWO_FEES):
        lake.listed(ladder)
    # 1.94, 3.88, 7.76 and 0.2328; 7.00, 14.00 and 8.75; 5.25 and 8.75
    billed(lake, ONE_CENT, [("25", "1.94"), ("50", "3.88"), ("100", "7.76"), ("3", "0.24")])
    billed(lake, SHORT, [("4", "7"), ("8", "14"), ("5", "9")])
    billed(lake, SHORT_IN_CENTS, [("3", "5.25"), ("5", "9")])
    for fee_of_two, amount in zip(TWO_FEES, ("2", "4"), strict=True):
        billed(lake, fee_of_two, [("1", amount)] * 3)
    lake.listed(REPEATED)
    # 50 and 100 x 1.00; 101, 150 and 200 x 0.80; 300 billed at 1.00
    for mailbox, (actual, amount, tier) in enumerate(
        [
            ("50", "50", 1),
            ("100", "100", 2),
            ("101", "80.8", 3),
            ("150", "120", 4),
            ("200", "160", 3),
            ("300", "300", 4),
        ],
        start=1,
    ):
        lake.billed(REPEATED, mailbox, actual, actual, amount, tier=tier)
    billed(lake, PINNED, [("10", "10"), ("20", "20"), ("150", "75")])
    billed(lake, OLD, [("10", "10"), ("100", "100"), ("101", "50.5"), ("150", "75")])
    billed(lake, LARGEST_INT, graduated)
    billed(lake, FAR_BOUND, [("10", "10"), ("20", "20")])
    billed(lake, EXCLUDED, [("10", "10"), ("81", "81"), ("100", "80"), ("101", "80.8"), ("150", "120")])
    # a free tier of 100 in front, by volume: 201 are past the next one, 201 x 0.80
    for mailbox, (actual, amount) in enumerate(
        [("50", "0"), ("150", "150"), ("190", "190"), ("200", "200"), ("201", "160.8")], start=1
    ):
        lake.billed(FREE, mailbox, actual, actual if amount != "0" else "0", amount, tier=2 if actual == "201" else 1)
    billed(lake, NEGATIVE, [("5", "10"), ("7", "14"), ("9", "18"), ("-3", "-6")])
    # by volume, but for the last: 100 + 200 x 0.50
    by_volume = [("10", "10"), ("100", "100"), ("101", "50.5"), ("150", "75"), ("200", "100"), ("400", "200")]
    billed(lake, OTHERWISE, [*by_volume, ("300", "200")])
    # the fees of all steps reached, but for the last: the second step's alone
    billed(lake, STACKED, [("0", "0"), ("10", "10"), ("100", "10"), ("101", "35"), ("150", "35"), ("200", "25")])
    # 100 are free, parts of a KC go up: 500 x 0.2 = 100; 501 are 100 + 0.1645; 1,501 are 100 + 1,001 x 0.1645
    for mailbox, (actual, quantity, amount) in enumerate(
        [
            ("60", "0", "0"),
            ("300.25", "201", "40.2"),
            ("600", "500", "100"),
            ("600.5", "501", "100.16"),
            ("1601", "1501", "264.66"),
            ("2100", "2000", "346.75"),
            ("2771.486", "2672", "429.07"),
        ],
        start=1,
    ):
        lake.billed(PROOF, mailbox, actual, quantity, amount, tier=1 if Decimal(quantity) <= 500 else 2)
    return lake


PINS = "515,,,graduated.max_inclusive,by contract\n544,,MonthlyMinimum,whole_when_below.of_other_lines,by contract"


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made().build(tmp_path_factory.mktemp("readings"), pins=PINS)


@pytest.fixture
def built(path: Path) -> Iterator[Connection]:
    with closing(database.connect(path)) as connection:
        yield connection


def chosen(connection: Connection, ladder: Ladder) -> dict[str, Any]:
    found = database.table(
        connection,
        "FROM out_readings WHERE is_chosen AND price_list_id = ? AND account_report = ? AND measure_field = ?",
        [ladder.price_list_id, *ladder.pair],
    ).to_pylist()
    assert len(found) == 1
    row: dict[str, Any] = found[0]
    return row


def lines(connection: Connection, ladder: Ladder) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = database.table(
        connection,
        "FROM out_line_items WHERE price_list_id = ? AND measure_field = ? ORDER BY mailbox_id",
        [ladder.price_list_id, ladder.pair[1]],
    ).to_pylist()
    return found


def findings(connection: Connection, ladder: Ladder) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = database.table(
        connection, "FROM out_findings WHERE price_list_id = ? ORDER BY mailbox_id", [ladder.price_list_id]
    ).to_pylist()
    return found


@pytest.mark.parametrize("ladder", [WIRE_TIERS, WIRE_TRANS], ids=["tiers", "transactions"])
def test_the_wire_samples_are_explained(built: Connection, ladder: Ladder) -> None:
    """One line each: it fits under every reading that it leaves open, though it cannot decide between them."""
    (line,) = lines(built, ladder)
    assert line["verdict"] == "fits"
    assert (line["expected_quantity_billed"], line["expected_amount"]) == (line["quantity_billed"], line["amount"])
    assert chosen(built, ladder)["verdict"] == "undecided"


@pytest.mark.parametrize(
    ("ladder", "model"), [(GRADUATED, "graduated"), (VOLUME, "volume")], ids=["graduated", "volume"]
)
def test_one_word_may_mean_two_models(built: Connection, ladder: Ladder, model: str) -> None:
    row = chosen(built, ladder)
    assert (row["model_word"], row["model"], row["upper_bound"], row["verdict"]) == (
        "Stacked",
        model,
        "inclusive",
        "decided",
    )


def test_one_line_in_twenty_may_be_wrong(built: Connection) -> None:
    row = chosen(built, GRADUATED)
    assert (row["lines_total"], row["lines_explained"], row["share_pct"]) == (20, 19, Decimal(95))
    assert row["counter_example_reading_amount"] == Decimal(200)  # 100 + 200 x 0.50, billed 150
    (wrong,) = [line for line in lines(built, GRADUATED) if line["verdict"] != "fits"]
    assert (wrong["actual"], wrong["difference"]) == (300, -50)


def test_a_loser_has_the_smallest_line_that_it_misses(built: Connection) -> None:
    (row,) = database.table(
        built, "FROM out_readings WHERE price_list_id = 501 AND reading_id = 'graduated.max_inclusive'"
    ).to_pylist()
    # 101 are 100 + 0.50 by slices, billed 50.50 by volume
    assert (row["counter_example_billed_amount"], row["counter_example_reading_amount"]) == (
        Decimal("50.5"),
        Decimal("100.5"),
    )
    assert row["counter_example_mailbox_id"] == own_mailbox(VOLUME, 3)


def test_what_the_lines_leave_open_is_undecided_with_its_price(built: Connection) -> None:
    """Inside the first tier all models agree. The first quantity that tells is the bound, 100: volume that excludes it
    bills 50.00, the others 100.00; at 101 unit bills 101.00, volume 50.50, graduated 100.50."""
    row = chosen(built, SMALL)
    assert (row["verdict"], row["deciding_quantity"]) == ("undecided", 100)
    assert row["amount_at_stake"] == Decimal("50.5")
    rivals = database.table(built, "FROM out_readings WHERE price_list_id = 502 AND is_rival").to_pylist()
    open_questions = {rival["reading_id"]: (rival["deciding_quantity"], rival["amount_at_stake"]) for rival in rivals}
    assert open_questions["volume.max_exclusive"] == (100, 50)
    assert open_questions["volume.max_inclusive"] == (101, Decimal("50.5"))
    assert open_questions["graduated.max_inclusive"] == (101, Decimal("0.5"))
    assert {line["verdict"] for line in lines(built, SMALL)} == {"fits"}
    assert [found["check_name"] for found in findings(built, SMALL)] == ["reading_undecided"]


def test_where_no_reading_explains_half_nothing_is_claimed(built: Connection) -> None:
    assert chosen(built, NONSENSE)["verdict"] == "none_fits"
    assert {line["verdict"] for line in lines(built, NONSENSE)} == {"not_provable"}
    assert {line["expected_amount"] for line in lines(built, NONSENSE)} == {None}
    assert [found["check_name"] for found in findings(built, NONSENSE)] == ["reading_undecided"]


@pytest.mark.parametrize(
    ("ladder", "check_name", "amounts"),
    [
        (DEARER, "amount_mismatch", [("11", "10")] * 3),
        (DOUBLED, "quantity_mismatch", [("20", "10"), ("34", "17"), ("5", "2.5")]),
    ],
    ids=["no line", "one line of four"],
)
def test_terms_of_one_interpretation_give_the_amounts_whatever_the_lines_have(
    built: Connection, ladder: Ladder, check_name: str, amounts: list[tuple[str, str]]
) -> None:
    """Questions with both amounts, not errors: the vendor may apply the terms in a way that nobody lists."""
    assert chosen(built, ladder)["verdict"] == "none_fits"
    question, *wrong = sorted(findings(built, ladder), key=lambda found: found["mailbox_id"] or 0)
    assert (question["severity"], question["check_name"]) == ("warning", "reading_undecided")
    assert [
        (found["severity"], found["check_name"], found["billed_amount"], found["expected_amount"]) for found in wrong
    ] == [("warning", check_name, Decimal(billed), Decimal(due)) for billed, due in amounts]
    assert {found["cause_id"] for found in wrong} == {question["cause_id"]}


def test_no_line_is_wrong_by_a_rounding_that_is_open(built: Connection) -> None:
    """Two lines of four confirm half up, two contradict it: 0.01 too little each, or all four are right."""
    assert (chosen(built, HALVES)["model"], chosen(built, HALVES)["verdict"]) == ("graduated", "undecided")
    assert [line["verdict"] for line in lines(built, HALVES)] == ["fits", "undecided", "undecided", "fits"]
    (question,) = findings(built, HALVES)
    assert (question["severity"], question["check_name"]) == ("warning", "reading_undecided")
    assert (
        "Of its 4 lines with something to round, 2 differ from the rounding that fits best, 0.02 too little in all"
        in (question["explanation"])
    )


@pytest.mark.parametrize(
    ("ladder", "words"),
    [(ONE_CENT, "1 differs from the rounding that fits best, 0.01 too much"), (SHORT, "0.25 too much")],
    ids=["a cent", "whole units"],
)
def test_the_only_line_with_something_to_round_settles_no_rounding(
    built: Connection, ladder: Ladder, words: str
) -> None:
    """0.2328 billed 0.24 may be rounded up, 8.75 billed 9.00 to whole units, as the others: or billed wrongly."""
    row = chosen(built, ladder)
    assert (row["verdict"], row["scale"], row["is_rounding_seen"]) == ("undecided", 2, False)
    *others, odd = [line["verdict"] for line in lines(built, ladder)]
    assert (set(others), odd) == ({"fits"}, "undecided")
    (question,) = findings(built, ladder)
    assert (question["severity"], question["check_name"]) == ("warning", "reading_undecided")
    assert words in question["explanation"]


def test_whole_units_beside_a_line_in_cents_are_wrong(built: Connection) -> None:
    (wrong,) = findings(built, SHORT_IN_CENTS)
    assert (wrong["severity"], wrong["check_name"], wrong["difference"]) == (
        "error",
        "amount_mismatch",
        Decimal("0.25"),
    )


def test_two_fees_in_whole_units_are_two_questions_with_amounts(built: Connection) -> None:
    """2.00 for 2.40 and 4.00 for 3.60, three lines each, and one question for each fee."""
    found = findings(built, TWO_FEES[0])
    assert {row["severity"] for row in found} == {"warning"}
    amounts = [
        (row["billed_amount"], row["expected_amount"]) for row in found if row["check_name"] == "amount_mismatch"
    ]
    assert sorted(amounts) == [(Decimal(2), Decimal("2.4"))] * 3 + [(Decimal(4), Decimal("3.6"))] * 3
    assert [row["check_name"] for row in found].count("reading_undecided") == 2


def test_a_line_at_a_maximum_may_show_either_tier_where_the_list_is_undecided(built: Connection) -> None:
    assert chosen(built, PART_IN_TIER)["verdict"] == "undecided"
    assert [found["check_name"] for found in findings(built, PART_IN_TIER)] == ["reading_undecided"]


def test_a_tier_stated_twice_is_one(built: Connection) -> None:
    row = chosen(built, REPEATED)
    assert (row["model"], row["upper_bound"], row["verdict"]) == ("volume", "inclusive", "decided")
    (wrong,) = findings(built, REPEATED)
    assert (wrong["severity"], wrong["billed_amount"], wrong["expected_amount"]) == (
        "error",
        Decimal(300),
        Decimal(240),
    )


def test_one_cent_is_an_error_where_nine_lines_decide_the_rounding(built: Connection) -> None:
    assert chosen(built, SETTLED)["verdict"] == "decided"
    (wrong,) = findings(built, SETTLED)
    assert (wrong["severity"], wrong["check_name"], wrong["difference"]) == (
        "error",
        "amount_mismatch",
        Decimal("-0.01"),
    )


@pytest.mark.parametrize(
    ("ladder", "words"),
    [
        # cents: 0.96, 1.78, 3.15, 4.52, 5.62, 6.99: -0.01 + 0.02 + 0 - 0.02 - 0.02 + 0.01
        (COINS, "5 differ from amounts in cents, 0.02 too little in all: they are rounded to multiples of 0.05"),
        # 0.04 + 0.02 + 0.05 - 0.02 - 0.02 + 0.01
        (TENTHS, "6 differ from amounts in cents, 0.08 too much in all: they are rounded to multiples of 0.1"),
    ],
    ids=["0.05", "0.1"],
)
def test_amounts_in_coins_are_one_question(built: Connection, ladder: Ladder, words: str) -> None:
    assert {line["verdict"] for line in lines(built, ladder)} == {"fits"}
    (question,) = findings(built, ladder)
    assert (question["severity"], question["check_name"]) == ("warning", "reading_undecided")
    assert f"Of its 6 lines with something to round, {words}" in question["explanation"]


def test_a_line_to_the_nearest_cent_is_not_wrong_beside_amounts_rounded_up(built: Connection) -> None:
    assert [line["verdict"] for line in lines(built, UP_BUT_ONE)] == ["fits"] * 4 + ["undecided"]
    assert [found["check_name"] for found in findings(built, UP_BUT_ONE)] == ["reading_undecided"]


def test_a_line_in_cents_is_not_wrong_beside_amounts_in_coins(built: Connection) -> None:
    *coins, cents = [line["verdict"] for line in lines(built, COINS_AND_CENTS)]
    assert (set(coins), cents) == ({"fits"}, "undecided")
    assert [found["check_name"] for found in findings(built, COINS_AND_CENTS)] == ["reading_undecided"]


def test_minimum_and_maximum_of_a_schedule_alone_bound_the_quantity(built: Connection) -> None:
    row = chosen(built, FLOOR)
    assert (row["lone_bounds"], row["verdict"], row["lines_explained"]) == ("floor_and_cap", "decided", 5)


def test_schedules_seen_on_lines_stand_in_for_the_price_list(built: Connection) -> None:
    assert (chosen(built, UNLISTED)["model"], chosen(built, UNLISTED)["verdict"]) == ("graduated", "decided")
    tiers = database.table(built, "FROM core_tiers WHERE price_list_id = 506").to_pylist()
    assert {row["terms_source"] for row in tiers} == {"shown"}


def test_a_list_dated_later_says_nothing_of_the_month(built: Connection) -> None:
    assert {line["verdict"] for line in lines(built, DATED_LATER)} == {"fits"}
    assert findings(built, DATED_LATER) == []


def test_a_list_is_not_overruled_by_its_lines(built: Connection) -> None:
    """All five lines show and bill 2.50 for a listed 2.00."""
    found = findings(built, OVERCHARGED)
    assert [(row["check_name"], row["severity"], row["difference"]) for row in found] == [
        ("rate_mismatch", "error", Decimal("0.50"))
    ] * 5
    assert len({row["cause_id"] for row in found}) == 1


def test_a_line_with_another_rate_than_its_list_is_found(built: Connection) -> None:
    (found,) = findings(built, ONE_WRONG)
    assert (found["check_name"], found["mailbox_id"]) == ("rate_mismatch", own_mailbox(ONE_WRONG, 1))
    assert found["difference"] == Decimal("0.5")
    assert found["explanation"] == (
        "Billed 2.50 at the rate 2.5; by the price list read on 2026-11-02 it is 2, which gives 2.00: 0.50 too much."
    )


def test_a_quantity_past_a_bounded_last_tier_has_no_price(built: Connection) -> None:
    (past,) = [line for line in lines(built, BOUNDED) if line["verdict"] != "fits"]
    assert (past["actual"], past["verdict"], past["expected_amount"]) == (250, "not_provable", None)
    (found,) = findings(built, BOUNDED)
    assert (found["check_name"], found["mailbox_id"]) == ("tier_gap", past["mailbox_id"])


@pytest.mark.parametrize(
    ("ladder", "rounding", "scale"), [(FINE, "half_up", 4), (EVEN, "half_even", 2)], ids=["four decimals", "even"]
)
def test_rounding_is_seen_on_the_lines(built: Connection, ladder: Ladder, rounding: str, scale: int) -> None:
    row = chosen(built, ladder)
    assert (row["rounding"], row["scale"], row["lines_explained"]) == (rounding, scale, row["lines_total"])
    assert {line["verdict"] for line in lines(built, ladder)} == {"fits"}


def test_a_minimum_billed_whole_on_all_lines_is_one_question_with_amounts(built: Connection) -> None:
    """30.00 and 49.00 are billed 50.00 each, which does not tell whether 20.00 and 1.00 were meant: 79.00 at stake."""
    row = chosen(built, MINIMUM)
    assert row["reading_id"].startswith("whole_when_below.")
    assert (row["telling_lines_explained"], row["telling_lines"]) == (2, 2)
    assert row["change_words"] == (
        "tied: whole when below (of counted lines), true up (of counted lines); a minimum billed whole does not tell "
        "whether a true-up was meant: ask the vendor, and pin the answer in pinned_readings.csv"
    )
    assert {line["verdict"] for line in lines(built, MINIMUM)} == {"undecided", "fits"}
    (found,) = findings(built, MINIMUM)
    assert (found["severity"], found["check_name"]) == ("warning", "reading_undecided")
    amounts = (found["billed_amount"], found["expected_amount"], found["difference"])
    assert amounts == (Decimal(100), Decimal(21), Decimal(79))
    assert found["explanation"] == (
        "The lines of price list 514 do not decide the interpretation of FixedRate MonthlyMinimum. Billed in 2026-10: "
        "100.00; a true-up to Rate from the account's counted charges gives 21.00: 79.00 at stake. Lines billed the "
        "whole minimum do not tell whether it was meant. Ask the vendor, and state the answer in pinned_readings.csv."
    )


def rivals(connection: Connection, ladder: Ladder) -> list[tuple[object, ...]]:
    """Of each reading left open: its words, its bill of the deciding account, what is at stake, the account."""
    found = database.table(
        connection,
        "FROM out_readings WHERE is_rival AND price_list_id = ? AND measure_field = ? ORDER BY reading_id",
        [ladder.price_list_id, ladder.pair[1]],
    ).to_pylist()
    told = ("reading_id", "amount_at_deciding_quantity", "amount_at_stake", "deciding_account", "verdict")
    return [tuple(row[name] for name in told) for row in found]


def test_a_minimum_that_nobody_stays_below_is_undecided(built: Connection) -> None:
    """At half of 50.00, 25.00 are missing: a true-up bills them, another reading 50.00 in whole."""
    deciding = (Decimal(25), "other charges of 25.00", "undecided")
    assert rivals(built, UNREACHED) == [
        ("true_up.of_counted_lines", Decimal(25), *deciding),
        ("whole_when_below.of_counted_lines", Decimal(50), *deciding),
    ]
    assert {line["verdict"] for line in lines(built, UNREACHED)} == {"fits"}
    (found,) = findings(built, UNREACHED)
    assert found["check_name"] == "reading_undecided"
    assert found["explanation"] == (
        "The lines of price list 540 do not decide the interpretation of FixedRate MonthlyMinimum. For other charges "
        "of 25.00, Rate in full where it is above the account's counted charges bills 50.00 and a true-up to Rate from "
        "the account's counted charges 25.00: up to 25.00 per "
        "such account at stake. Ask the vendor, or wait for such accounts."
    )


def test_a_pin_decides_a_minimum_in_any_words_and_tells_what_it_changes(built: Connection) -> None:
    """The lines show a true-up, 20.00 at charges of 30.00; billed whole it is 50.00, so 30.00 more."""
    row = chosen(built, PINNED_MINIMUM)
    assert (row["reading_id"], row["verdict"], row["is_pinned"]) == ("whole_when_below.of_other_lines", "decided", True)
    assert row["pinned_difference"] == Decimal(30)
    assert chosen(built, UNREACHED)["pinned_difference"] is None
    (found,) = findings(built, PINNED_MINIMUM)
    assert (found["check_name"], found["difference"]) == ("minimum_mismatch", Decimal(-30))


def test_lines_that_tell_two_ways_of_a_minimum_are_undecided(built: Connection) -> None:
    """The smallest account on which the two part is that of 30.00: 20.00 are missing, or 50.00 is billed whole."""
    smallest = (Decimal(30), "other charges of 30.00", "undecided")
    assert rivals(built, DISPUTED) == [
        ("always.of_counted_lines", Decimal(50), *smallest),
        ("true_up.of_counted_lines", Decimal(20), *smallest),
        ("whole_when_below.of_counted_lines", Decimal(50), *smallest),
    ]
    assert [line["verdict"] for line in lines(built, DISPUTED)] == ["undecided"] * 3
    assert [found["check_name"] for found in findings(built, DISPUTED)] == ["reading_undecided"]


def test_what_a_percentage_is_taken_of_is_undecided_until_two_lines_tell(built: Connection) -> None:
    """Of 100.00 for use and 100.00 for the fee, ten per hundred are 20.00, or 10.00 where the fee is left out."""
    deciding = (Decimal(10), "other charges of 100.00 and 100.00 for Each", "undecided")
    assert rivals(built, UNTOLD) == [
        ("per_hundred_negated.of_counted_lines", Decimal(-20), *deciding),
        ("per_hundred_negated.of_usage_lines", Decimal(-10), *deciding),
    ]
    assert rivals(built, TOLD) == []
    assert chosen(built, TOLD)["reading_id"] == "per_hundred_negated.of_counted_lines"
    assert (chosen(built, TOLD)["verdict"], chosen(built, TOLD)["lines_explained"]) == ("decided", 4)
    assert findings(built, TOLD) == []


def test_lists_without_minimum_are_cut_at_their_maximum(built: Connection) -> None:
    """The service of before 2022 had no Schedule.Minimum: a running upper bound is all there is, and no gap."""
    row = chosen(built, OLD)
    assert (row["model"], row["tiers_cut_at"], row["verdict"]) == ("volume", "maximum", "decided")
    assert findings(built, OLD) == []


def test_the_largest_int_is_no_bound(built: Connection) -> None:
    row = chosen(built, LARGEST_INT)
    assert (row["model"], row["upper_bound"], row["verdict"]) == ("graduated", "inclusive", "decided")


def test_bounds_may_lie_far_out(built: Connection) -> None:
    """At 2,000,000,001 unit bills as many, volume half of it: 1,000,000,000.50 are at stake."""
    row = chosen(built, FAR_BOUND)
    assert (row["verdict"], row["deciding_quantity"]) == ("undecided", 2 * 10**9)
    assert row["amount_at_stake"] == Decimal("1000000000.5")


def test_a_pinned_reading_is_taken_and_says_what_it_changes(built: Connection) -> None:
    """The lines are billed by volume (150 x 0.50 = 75.00); pinned as graduated the last should be 100 + 25 = 125.00."""
    row = chosen(built, PINNED)
    assert (row["is_pinned"], row["model"], row["verdict"]) == (True, "graduated", "decided")
    assert (row["lines_explained"], row["pinned_difference"]) == (2, 50)
    (line,) = [line for line in lines(built, PINNED) if line["verdict"] != "fits"]
    assert (line["actual"], line["expected_amount"], line["difference"]) == (150, 125, -50)


def test_nothing_else_is_found(built: Connection) -> None:
    """The lists that are billed right have no finding, however odd they are."""
    quiet = (VOLUME, FLOOR, UNLISTED, DATED_LATER, FINE, EVEN, OLD, LARGEST_INT)
    assert [found for ladder in quiet for found in findings(built, ladder)] == []
    assert {line["network_id"] for line in lines(built, VOLUME)} == {NETWORK}


def test_a_pin_of_unknown_words_stops_the_build(tmp_path: Path) -> None:
    lake = Lake()
    lake.listed(SMALL)
    billed(lake, SMALL, [("10", "10")])
    with pytest.raises(sql_tree.SqlRefused, match="no reading has the word gradual"):
        lake.build(tmp_path, pins="502,,,gradual,a slip of the pen")


def test_a_graduated_line_is_explained_slice_by_slice(built: Connection) -> None:
    """2,771.486 less 100 free is 2,671.486, up to 2,672 whole KCs: 500 x 0.2 + 1,500 x 0.1645 + 672 x 0.1225 = 100 +
    246.75 + 82.32 = 429.07; by volume 2,672 x 0.1225 = 327.32, at the first rate 2,672 x 0.2 = 534.40."""
    key = Key(NETWORK, own_mailbox(PROOF, 7), MONTH, *KCS)
    said = explanation(built, key).text().splitlines()
    assert said[1] == "Price list 517 (List 517), which ECGrid calls Tiered"
    arithmetic = [
        "Measured     2,771.486",
        "Allowance    100",
        "Slice        Tier1 (0 to 500): 500 x 0.2 = 100",
        "             Tier2 (500 to 2,000): 1,500 x 0.1645 = 246.75",
        "             Tier3 (above 2,000): 672 x 0.1225 = 82.32",
        "Sum          429.07",
        "",
        "Billed       429.07 for 2,672",
        "Expected     429.07 for 2,672",
        "Difference   none: the bill is right",
        "",
        "By model     unit 534.40, volume 327.32, graduated 429.07",
    ]
    start = said.index(arithmetic[0])
    assert said[start : start + len(arithmetic)] == arithmetic


@pytest.mark.parametrize(
    ("ladder", "actual", "break_even", "saving"),
    [
        # 100 are the next tier's already, and cost 80.00
        (EXCLUDED, 81, 80, Decimal("1.00")),
        # 190 in all cost 190.00, 201 x 0.80 = 160.80; beyond the 100 free ones 60 cost 160.00, as 200 x 0.80
        (FREE, 190, 60, Decimal("29.20")),
    ],
    ids=["excluded bound", "free tier"],
)
def test_a_cliff_is_told_by_what_the_next_tier_really_bills(
    built: Connection, ladder: Ladder, actual: int, break_even: int, saving: Decimal
) -> None:
    (row,) = database.table(
        built,
        "SELECT compared.* FROM out_model_comparison AS compared JOIN out_line_items AS lines "
        "USING (network_id, mailbox_id, reporting_month, account_report, measure_field) "
        "WHERE lines.price_list_id = ? AND lines.actual = ?",
        [ladder.price_list_id, actual],
    ).to_pylist()
    assert (row["is_on_cliff"], row["break_even_quantity"], row["cliff_saving"]) == (True, break_even, saving)


def test_a_quantity_below_zero_at_the_rate_is_a_correction(built: Connection) -> None:
    """-3 at 2.00 are -6.00: no reading prices it, and it takes back what was billed before."""
    (line,) = [line for line in lines(built, NEGATIVE) if line["actual"] < 0]
    assert (line["verdict"], line["expected_amount"]) == ("not_provable", None)
    (found,) = findings(built, NEGATIVE)
    assert (found["check_name"], found["mailbox_id"], found["difference"]) == (
        "correction",
        line["mailbox_id"],
        None,
    )
    assert found["severity"] == "info"
    text = explanation(built, Key(NETWORK, line["mailbox_id"], MONTH, *TRANS)).text()
    assert "Proof        none: a quantity below 0 has no price\n" in text


@pytest.mark.parametrize(
    ("ladder", "check_name", "words"),
    [
        (
            OTHERWISE,
            "amount_mismatch",
            "Billed 200.00 for 300 transactions measured: price list 533 gives 150.00, so 50.00 too much. The billed "
            "amount prices each slice at the rate of its own tier; the list prices the whole quantity at the rate "
            "of the tier reached. Request a correction. Terms from the price list read on 2026-11-02.",
        ),
        (
            GRADUATED,
            "wrong_tier",
            "Billed 150.00 at the rate of Tier2 (0.5), but only a slice of the 300 billed is in that tier: price "
            "each slice at its own tier of price list 500, which gives 200.00: 50.00 too little. Terms from the price "
            "list read on 2026-11-02.",
        ),
        (
            STACKED,
            "wrong_tier",
            "Billed 25.00, the fee of Tier2 alone, but 200 billed reach Tier2: add the fees of all tiers up to it of "
            "price list 534, which gives 35.00: 10.00 too little. Terms from the price list read on 2026-11-02.",
        ),
    ],
    ids=["graduated on a volume list", "volume on a graduated list", "one fee of two"],
)
def test_a_line_billed_by_the_other_model_says_so(
    built: Connection, ladder: Ladder, check_name: str, words: str
) -> None:
    (found,) = findings(built, ladder)
    assert (found["check_name"], found["explanation"]) == (check_name, words)


def test_where_no_reading_fits_the_nearest_is_named(built: Connection) -> None:
    said = explanation(built, Key(NETWORK, own_mailbox(NONSENSE, 1), MONTH, *NONSENSE.pair)).text().splitlines()
    assert said[2] == "Terms: by the price list read on 2026-11-02 (stated, whatever the lines show)"
    assert said[3].startswith("Nearest interpretation: ")
    assert "Proof        none: no interpretation explains half of the lines of these schedules" in said


def test_a_rounding_is_assumed_where_the_amount_depends_on_it(built: Connection) -> None:
    """79 x 0.048 is 3.792: 3.79 half up and 3.80 up; 3.888 is 3.89 by both. 0.125 as 0.12 shows ties to even."""
    assert [chosen(built, ladder)["is_rounding_seen"] for ladder in (UNSETTLED, EVEN)] == [False, True]
    dependent, same, even = (
        explanation(built, Key(NETWORK, own_mailbox(ladder, mailbox), MONTH, *ladder.pair)).text()
        for ladder, mailbox in ((UNSETTLED, 3), (UNSETTLED, 1), (EVEN, 1))
    )
    words = "\nRounding     assumed: others fit the lines of the list as well and give 3.79 to 3.80\n"
    assert words in dependent
    assert "assumed" not in same + even


def test_a_line_past_the_last_tier_is_explained_without_comparison(built: Connection) -> None:
    """250 of at most 200: no model has a price, so none can be held against what was billed."""
    text = explanation(built, Key(NETWORK, own_mailbox(BOUNDED, 5), MONTH, *TRANS)).text()
    assert "Proof        none: no interpretation gives a price for this quantity\n" in text
    assert "By model" not in text


def test_which_schedule_a_line_past_the_first_tier_shows(built: Connection) -> None:
    """The last line of PROOF reaches the third tier, but shows the second."""
    assert chosen(built, GRADUATED)["shown_schedule"] == "tier reached"
    assert chosen(built, PROOF)["shown_schedule"] == "varies"
    assert chosen(built, WIRE_TRANS)["shown_schedule"] is None
