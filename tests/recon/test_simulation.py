"""`simulate`: lines of lists made by hand under other terms, by arithmetic; identities on the shipped world.

Two lists price the same use of three accounts each, in September and October: list 700 by volume, at 0.10 up to 1,000
and at 0.08 above; list 701 graduated, at 0.09 up to 1,000 and at 0.07 above. Both have a minimum of 100.00 an account.

    use       list 700                    list 701
    500        50.00, true-up 50.00        45.00, true-up 55.00
    1,500     120.00                      90.00 + 35.00 = 125.00
    2,000     160.00                      90.00 + 70.00 = 160.00

List 702 has lines of 800 at 0.10 alone; its second tier, above 1,000, is at 0.05.
"""

import csv
import json
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from ecgrid_flows.cli import app
from ecgrid_flows.errors import NoSuchData, Refused, SettingsError
from ecgrid_flows.rating.simulation import Change, Scope, Simulation, Terms, simulation
from ecgrid_flows.reporting.negotiation import write_negotiation
from ecgrid_flows.settings import Settings
from ecgrid_flows.warehouse import contract_terms, database, simulations
from ecgrid_flows.warehouse.database import Connection
from ecgrid_transforms.money import ZERO, Decimal, plain, total

from .hand import Ladder, Lake, Tier

pytestmark = pytest.mark.slow

USE = ("TrafficAll", "ToTrans")
SEPTEMBER, OCTOBER = date(2026, 9, 1), date(2026, 10, 1)
LIST_700 = Ladder(700, USE, [Tier(0, 1000, "0.10"), Tier(1001, 0, "0.08")])
LIST_701 = Ladder(701, USE, [Tier(0, 1000, "0.09"), Tier(1001, 0, "0.07")])
LIST_702 = Ladder(702, USE, [Tier(0, 1000, "0.10"), Tier(1001, 0, "0.05")])
MINIMUM = Ladder(700, ("FixedRate", "MonthlyMinimum"), [Tier(0, 0, "100.00")], model="Simple", level="Minimum")
#: Use -> amount and true-up by each list.
BILLED_700 = {"500": ("50.00", "50.00"), "1500": ("120.00", "0.00"), "2000": ("160.00", "0.00")}
BILLED_701 = {"500": ("45.00", "55.00"), "1500": ("125.00", "0.00"), "2000": ("160.00", "0.00")}
#: Contract of each list's accounts.
OF_700, OF_701, OF_702 = Scope(contract=70), Scope(contract=71), Scope(contract=72)
AS_MEASURED = Decimal(100)
HEADER = "account_report,measure_field,model,tier,minimum,maximum,allowance,block,rate,flat"


@pytest.fixture(scope="module")
def by_hand(tmp_path_factory: pytest.TempPathFactory) -> Path:
    lake = Lake()
    for month in (SEPTEMBER, OCTOBER):
        for ladder, billed, contract in ((LIST_700, BILLED_700, 70), (LIST_701, BILLED_701, 71)):
            minimum = replace(MINIMUM, price_list_id=ladder.price_list_id)
            lake.listed(ladder, (month,))
            lake.listed(minimum, (month,))
            for mailbox, (use, (amount, true_up)) in enumerate(billed.items(), 1):
                lake.contracted(ladder, mailbox, contract, month)
                lake.billed(ladder, mailbox, use, use, amount, tier=1 if use == "500" else 2, month=month)
                lake.billed(minimum, mailbox, "1", "1", true_up, month=month)
        lake.listed(LIST_702, (month,))
        for mailbox in (1, 2):
            lake.contracted(LIST_702, mailbox, 72, month)
            lake.billed(LIST_702, mailbox, "800", "800", "80.00", month=month)
    return lake.build(tmp_path_factory.mktemp("simulated"))


@pytest.fixture
def opened(by_hand: Path) -> Iterator[Connection]:
    with closing(database.connect(by_hand)) as connection:
        yield connection


@pytest.fixture
def data_dir(by_hand: Path, tmp_path: Path) -> str:
    (tmp_path / "warehouse").mkdir()
    (tmp_path / "warehouse/billing.duckdb").hardlink_to(by_hand)
    return str(tmp_path)


def tried_on(connection: Connection, terms: Terms, scope: Scope) -> Simulation:
    return simulation(connection, terms, scope, has_curve=False)


def ladder_of(folder: Path, *rows: str) -> pa.Table:
    path = folder / "ladder.csv"
    path.write_text("\n".join([HEADER, *rows]) + "\n", encoding="utf-8")
    return contract_terms.read_ladder(path)


def amounts(found: Simulation, month: date = OCTOBER) -> dict[tuple[int, str], tuple[Any, Any]]:
    """(account's place in its list, measure) -> old and new amount."""
    return {
        (row["mailbox_id"] % 1000, row["measure_field"]): (row["old_amount"], row["new_amount"])
        for row in found.lines
        if row["reporting_month"] == month
    }


@pytest.mark.long
def test_another_list_is_tried_and_back(opened: Connection) -> None:
    there = tried_on(opened, Terms(price_list=701), OF_700)
    back = tried_on(opened, Terms(price_list=700), OF_701)
    for month in (SEPTEMBER, OCTOBER):
        for place, use in enumerate(BILLED_700, 1):
            for found, old, new in ((there, BILLED_700, BILLED_701), (back, BILLED_701, BILLED_700)):
                line, minimum = (Decimal(text) for text in old[use])
                new_line, new_minimum = (Decimal(text) for text in new[use])
                assert amounts(found, month)[place, "ToTrans"] == (line, new_line)
                assert amounts(found, month)[place, "MonthlyMinimum"] == (minimum, new_minimum)
    # 100 + 120 + 160 and 100 + 125 + 160, in two months
    assert (there.total["old_amount"], there.total["new_amount"]) == (760, 770)
    assert there.total["difference"] == -back.total["difference"] == 10
    assert [row["difference"] for row in there.months] == [5, 5]
    assert {row["mailbox_id"] % 1000: row["difference"] for row in there.accounts} == {1: 0, 2: 10, 3: 0}


def test_what_corrects_errors_is_no_merit_of_the_terms(opened: Connection, tmp_path: Path) -> None:
    """Billed 760, and 770 under list 701: of the 10 more, were 750 due by the present terms, 20 are of the terms."""
    there = tried_on(opened, Terms(price_list=701), OF_700)
    assert there.parts is None, "there is no curve"
    point = {"volume_percent": Decimal(100), "new_low": Decimal(770), "new_high": Decimal(770)}
    due = replace(there, curve=({**point, "present_low": Decimal(750), "present_high": Decimal(755)},))
    assert due.parts == {"errors_low": -10, "errors_high": -5, "terms_low": 15, "terms_high": 20}
    assert due.data()["parts"] == due.parts
    page = write_negotiation(Settings(data_dir=str(tmp_path)), due, "List 701", tmp_path / "page.html")
    text = page.read_text(encoding="utf-8")
    assert "Of it −10.00 to −5.00 corrects lines that are billed wrongly, by the present terms too;" in text
    assert "+15.00 to +20.00 is of these terms." in text
    as_due = replace(there, curve=({**point, "present_low": Decimal(760), "present_high": Decimal(760)},))
    assert as_due.parts is None


def test_a_line_states_why(opened: Connection) -> None:
    found = tried_on(opened, Terms(changes=(Change(schedule(LIST_700, 2), "rate", Decimal("0.07")),)), OF_700)
    why = {
        (row["mailbox_id"] % 1000, row["measure_field"]): row["why"]
        for row in found.lines
        if row["reporting_month"] == OCTOBER
    }
    assert why[1, "ToTrans"] == "same terms"
    assert why[2, "ToTrans"] == "tier Tier2 at 0.08 to Tier2 at 0.07"
    assert why[2, "MonthlyMinimum"] == "charges under the minimum 120.00 to 105.00"
    assert amounts(found)[2, "ToTrans"] == (120, 105)
    assert amounts(found)[2, "MonthlyMinimum"] == (0, 0)


def schedule(ladder: Ladder, tier: int) -> int:
    number = ladder.schedule(tier)[0]
    assert isinstance(number, int)
    return number


def test_an_allowance_and_a_minimum_are_set(opened: Connection) -> None:
    changes = (
        Change(schedule(LIST_700, 1), "allowance", Decimal(100)),
        Change(schedule(MINIMUM, 1), "rate", Decimal(130)),
    )
    found = tried_on(opened, Terms(changes=changes, reading="allowance_before_blocks"), OF_700)
    # 400 x 0.10 = 40, true-up 90; 1,400 x 0.08 = 112, true-up 18; 1,900 x 0.08 = 152, none
    assert amounts(found) == {
        (1, "ToTrans"): (50, 40),
        (1, "MonthlyMinimum"): (50, 90),
        (2, "ToTrans"): (120, 112),
        (2, "MonthlyMinimum"): (0, 18),
        (3, "ToTrans"): (160, 152),
        (3, "MonthlyMinimum"): (0, 0),
    }
    first = next(row for row in found.lines if row["measure_field"] == "ToTrans")
    assert first["why"] == "allowance 0 to 100"
    minimum = next(row for row in found.lines if row["measure_field"] == "MonthlyMinimum")
    assert minimum["why"] == "minimum 100 to 130; charges under the minimum 50.00 to 40.00"


def test_a_number_that_no_line_shows_how_to_apply_leaves_a_range(opened: Connection) -> None:
    """No list here has an allowance: it may come off the quantity, or be a free tier that only what it holds is in."""
    found = tried_on(opened, Terms(changes=(Change(schedule(LIST_700, 1), "allowance", Decimal(100)),)), OF_700)
    row = next(row for row in found.lines if row["measure_field"] == "ToTrans")
    # 400 x 0.10 = 40; 500 x 0.10 = 50, for by volume the whole quantity counts once it is past the free tier
    assert (row["new_amount"], row["new_low"], row["new_high"]) == (None, 40, 50)
    minimum = next(row for row in found.lines if row["measure_field"] == "MonthlyMinimum")
    # the true-up to 100 falls as the charge rises: together they are 100 under each interpretation
    assert (minimum["new_low"], minimum["new_high"]) == (50, 60)
    account = next(row for row in found.accounts if row["mailbox_id"] == 700_001)
    assert (account["new_amount"], account["new_low"], account["new_high"]) == (200, 200, 200)


def test_a_ladder_of_a_file_is_tried_and_other_charges_stay(opened: Connection, tmp_path: Path) -> None:
    offer = ladder_of(tmp_path, "TrafficAll,ToTrans,volume,1,,1000,,,0.09,", "TrafficAll,ToTrans,volume,2,,,,,0.06,")
    found = tried_on(opened, Terms(ladder=offer), OF_700)
    # 500 x 0.09 = 45; 1,500 x 0.06 = 90; 2,000 x 0.06 = 120
    assert amounts(found) == {
        (1, "ToTrans"): (50, 45),
        (1, "MonthlyMinimum"): (50, 55),
        (2, "ToTrans"): (120, 90),
        (2, "MonthlyMinimum"): (0, 10),
        (3, "ToTrans"): (160, 120),
        (3, "MonthlyMinimum"): (0, 0),
    }


def test_break_evens_are_found_where_the_cheaper_terms_change(opened: Connection) -> None:
    """Use of 2,000: 0.08 q and 20 + 0.07 q meet at it; below 1,143 both are raised to the minimum, or list 700 is."""
    found = simulation(opened, Terms(price_list=701), Scope(network=4440, mailbox=700_003))
    assert [(row["from_percent"], row["to_percent"], row["above_it"]) for row in found.break_evens] == [
        (99, 101, "cheaper"),
    ]
    curve = {row["volume_percent"]: (row["present_low"], row["new_low"]) for row in found.curve}
    # two months of 1,000; of 1,300, 104 and 90 + 21; of 2,200, 176 and 174
    assert (curve[50], curve[65], curve[110]) == ((200, 200), (208, 222), (352, 348))
    assert amounts(found)[3, "ToTrans"] == (160, 160)


def test_an_undecided_interpretation_gives_a_range_and_words_decide_it(opened: Connection) -> None:
    more = Terms(volume=Decimal(150))
    found = tried_on(opened, more, OF_702)
    for row in found.lines:
        # 1,200 by volume, and by the first rate for all
        assert (row["new_amount"], row["difference"]) == (None, None)
        assert (row["new_low"], row["new_high"]) == (60, 120)
    assert (found.total["new_amount"], found.total["new_low"], found.total["new_high"]) == (None, 240, 480)
    beside = {row["reading_id"].split(".")[0]: row["new_amount"] for row in found.readings}
    assert beside == {"unit": 480, "volume": 240, "graduated": 440}
    sentences = {row["reading_id"].split(".")[0]: row["reading_words"].split("; ")[0] for row in found.readings}
    assert sentences == {
        "unit": "Every unit at the rate of the first tier",
        "volume": "Every unit at the rate of the tier reached",
        "graduated": "Each slice at the rate of its own tier",
    }
    for words, amount in (("volume", 60), ("graduated", 110), ("unit", 120)):
        decided = tried_on(opened, replace(more, reading=words), OF_702)
        assert {row["new_amount"] for row in decided.lines} == {amount}, words
        assert decided.readings == ()


def test_undecided_interpretations_are_sentences_for_the_reader(data_dir: str, tmp_path: Path) -> None:
    """Two months of two lines: 1,200 at 0.10 are 120.00 a line."""
    page = tmp_path / "offer.html"
    told = ["simulate", "--present", "--volume", "+50%", "--contract", "72", "--data-dir", data_dir]
    done = CliRunner().invoke(app, [*told, "--html", str(page)])
    said = done.stdout.splitlines()
    begin = said.index("Undecided: price list 702, TrafficAll ToTrans; old 320.00. By --reading:")
    sentence = "Every unit at the rate of the first tier; the line is rounded half up to 2 decimals."
    assert any(line.startswith("    unit: new 480.00. ") and sentence in line for line in said[begin:])
    assert f">{sentence}" in page.read_text(encoding="utf-8")


def test_a_quantity_past_a_bounded_last_tier_is_refused(opened: Connection, tmp_path: Path) -> None:
    offer = ladder_of(
        tmp_path, "TrafficAll,ToTrans,volume,1,,1000,,,0.09,", "TrafficAll,ToTrans,volume,2,,1800,,,0.06,"
    )
    with pytest.raises(Refused, match=r"2 lines of TrafficAll ToTrans have no price: the quantity 2000 is past"):
        tried_on(opened, Terms(ladder=offer), OF_700)
    at_most = simulation(opened, Terms(ladder=offer), Scope(network=4440, mailbox=700_002))
    assert amounts(at_most)[2, "ToTrans"] == (120, 90)
    # 1,500 x 1.2 = 1,800, and no line shows whether a bound still belongs to its tier: the curve ends before it
    assert max(row["volume_percent"] for row in at_most.curve) == 115


@pytest.mark.parametrize(
    "model", ["graduated", *(pytest.param(model, marks=pytest.mark.long) for model in ("unit", "volume", ""))]
)
@pytest.mark.parametrize(
    "minimum", ["", pytest.param("0", marks=pytest.mark.long), pytest.param("1", marks=pytest.mark.long)]
)
def test_one_bounded_tier_is_a_ladder(opened: Connection, tmp_path: Path, model: str, minimum: str) -> None:
    """Up to 1,500 at 0.09: 500 are 45.00 and 1,500 are 135.00; 2,000 are past it."""
    offer = ladder_of(tmp_path, f"TrafficAll,ToTrans,{model},1,{minimum},1500,,,0.09,")
    for mailbox, billed, due in ((700_001, 50, 45), (700_002, 120, 135)):
        found = tried_on(opened, Terms(ladder=offer), Scope(network=4440, mailbox=mailbox))
        assert amounts(found)[mailbox % 1000, "ToTrans"] == (billed, due)
        assert found.total["unrated_lines"] == 0
    with pytest.raises(Refused, match="the quantity 2000 is past the last tier, which ends at 1500"):
        tried_on(opened, Terms(ladder=offer), OF_700)


@pytest.mark.parametrize(
    ("terms", "scope", "error", "words"),
    [
        (Terms(price_list=9), OF_700, NoSuchData, "price list 9 prices no report"),
        (Terms(), Scope(contract=9), NoSuchData, "no line with terms is in scope"),
        (Terms(), Scope(first=date(2020, 1, 1), last=date(2020, 2, 1)), NoSuchData, "no line of 2020-01 to 2020-02"),
        (Terms(changes=(Change(9, "rate", ZERO),)), OF_700, SettingsError, "priced by schedule 9"),
        (Terms(reading="volumes"), OF_700, SettingsError, "--reading volumes: no ladder in scope"),
    ],
)
def test_terms_that_no_line_can_be_tried_on_are_refused(
    opened: Connection, terms: Terms, scope: Scope, error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        tried_on(opened, terms, scope)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ([(1, "maximum", 0)], "maximum=0: tier 1 is open, but tier 2 follows"),
        ([(2, "minimum", 1700)], "minimum=1700: tier 1 ends at 1000, but tier 2 begins at 1700"),
        ([(2, "minimum", 700)], "minimum=700: tier 1 ends at 1000, but tier 2 begins at 700"),
        ([(2, "maximum", 900)], "maximum=900: tier 2 ends at 900, below 1001"),
        ([(1, "maximum", 1200), (2, "minimum", 1300)], "=1300: tier 1 ends at 1200, but tier 2 begins at 1300"),
    ],
)
def test_bounds_that_leave_a_gap_or_an_overlap_are_refused(
    opened: Connection, changes: list[tuple[int, str, int]], words: str
) -> None:
    with pytest.raises(SettingsError, match=words):
        tried_on(opened, Terms(changes=changes_at(changes)), OF_700)


def changes_at(changes: list[tuple[int, str, int]]) -> tuple[Change, ...]:
    return tuple(Change(schedule(LIST_700, tier), field, Decimal(value)) for tier, field, value in changes)


def test_a_bound_is_moved_by_both_of_its_numbers(opened: Connection) -> None:
    """Up to 1,500 at 0.10: 1,500 are 150.00 and 2,000 stay at 0.08."""
    moved = changes_at([(1, "maximum", 1500), (2, "minimum", 1501)])
    found = amounts(tried_on(opened, Terms(changes=moved, reading="max_inclusive"), OF_700))
    assert (found[2, "ToTrans"], found[3, "ToTrans"]) == ((120, 150), (160, 160))


def test_a_ladder_that_no_line_matches_is_refused(opened: Connection, tmp_path: Path) -> None:
    offer = ladder_of(tmp_path, "Statistics,ActiveTPs,unit,1,,,,,1.00,")
    with pytest.raises(SettingsError, match="no line in scope has a report and measure of the ladder"):
        tried_on(opened, Terms(ladder=offer), OF_700)


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        (("TrafficAll,ToTrans,volume,1,,,,,0.09,", "TrafficAll,ToTrans,volume,2,,,,,0.06,"), "maximum: is open"),
        (
            ("TrafficAll,ToTrans,volume,1,0,1000,,,0.09,", "TrafficAll,ToTrans,volume,2,1501,,,,0.07,"),
            "line 3, column minimum: 1501 where 1000 or 1001 is due",
        ),
        (("TrafficAll,ToTrans,volume,1,100,50,,,0.09,",), "line 2, column maximum: 50 is below minimum 100"),
        (("TrafficAll,ToTrans,volume,1,100,,,,0.09,",), "line 2, column minimum: 100 where 0 or 1 is due"),
        (("TrafficAll,ToTrans,tiered,1,,,,,0.09,",), "model: 'tiered' is none of"),
        (("TrafficAll,ToTrans,volume,1,,,,,9e2000,",), "rate: '9e2000' is not a decimal"),
        ((), "has no tier"),
    ],
)
def test_a_wrong_ladder_names_its_cell(rows: Sequence[str], words: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=words):
        ladder_of(tmp_path, *rows)


@pytest.mark.long
def test_the_command_writes_the_lines_and_nothing_else(data_dir: str, tmp_path: Path) -> None:
    before = sorted(path for path in tmp_path.rglob("*"))
    target = tmp_path / "lines.csv"
    told = [
        "simulate",
        "--price-list",
        "701",
        "--contract",
        "70",
        "--csv",
        str(target),
        "--json",
        "--data-dir",
        data_dir,
    ]
    done = CliRunner().invoke(app, told)
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    sums = {name: Decimal(found["total"][name]) for name in ("old_amount", "new_amount", "difference")}
    assert sums == {"old_amount": 760, "new_amount": 770, "difference": 10}
    assert (found["from"], found["to"], Decimal(found["volume_percent"])) == ("2026-09", "2026-10", 100)
    with target.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(found["lines"]) == 12
    assert total([Decimal(row["difference"]) for row in rows]) == 10
    assert sorted(path for path in tmp_path.rglob("*")) == sorted([*before, target])
    again = CliRunner().invoke(app, told)
    assert isinstance(again.exception, SettingsError)


def test_the_page_for_the_negotiation_has_the_sums_and_no_script(data_dir: str, tmp_path: Path) -> None:
    target = tmp_path / "offer.html"
    told = ["simulate", "--price-list", "701", "--contract", "70", "--html", str(target), "--data-dir", data_dir]
    assert CliRunner().invoke(app, told).exit_code == 0
    page = target.read_text(encoding="utf-8")
    assert "Terms compared, 2026-09 to 2026-10" in page
    assert "old 760.00, new 770.00, 12 lines" in page
    assert "tier Tier2 at 0.08 to Tier2 at 0.07" in page
    assert "<script" not in page


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ([], "one of --ladder FILE.csv, --price-list ID and --present"),
        (["--present", "--price-list", "1"], "one of --ladder FILE.csv, --price-list ID and --present"),
        (["--present", "--set", "43202.price=1"], "is not SCHEDULE.FIELD=VALUE"),
        (["--present", "--set", "43202.rate=one"], "43202.rate=one"),
        (["--present", "--set", "43202.maximum=1.5"], "bounds are whole numbers"),
        (["--present", "--set", "43301.rate=0.1", "--set", "43301.rate=0.3"], "43301.rate is set twice"),
        (["--present", "--csv", "/nonexist/x.csv"], "there is no folder /nonexist"),
        (["--present", "--account", "4440-1"], "is not NETWORK/MAILBOX"),
        (["--present", "--volume", "-101%"], "is not a percentage from -100%"),
        (["--present", "--from", "2026-10", "--to", "2026-09"], "swap them"),
    ],
)
def test_wrong_options_are_errors_of_usage(options: list[str], words: str, data_dir: str) -> None:
    done = CliRunner().invoke(app, ["simulate", *options, "--data-dir", data_dir])
    assert isinstance(done.exception, SettingsError)
    assert words in str(done.exception)


def test_the_text_has_totals_months_and_reasons(data_dir: str) -> None:
    done = CliRunner().invoke(app, ["simulate", "--price-list", "701", "--contract", "70", "--data-dir", data_dir])
    said = done.stdout.splitlines()
    assert said[0] == "2026-09 to 2026-10: old 760.00, new 770.00, difference 10.00"
    assert "    contract 70: old 760.00, new 770.00, difference 10.00" in said
    assert "Best month: 2026-09, 5.00" in said


# -- identities on the shipped world -------------------------------------------------------------------------


def tried(connection: Connection, *changes: Change, volume: Decimal = AS_MEASURED) -> list[dict[str, Any]]:
    """The lines of all months at one volume, by the relations alone."""
    rows_of_changes = [{"schedule_id": one.schedule_id, "field": one.field, "value": one.value} for one in changes]
    simulations.simulate(
        connection,
        {"first_month": date(2026, 7, 1), "last_month": OCTOBER},
        [volume],
        changes=pa.Table.from_pylist(rows_of_changes, simulations.CHANGES),
    )
    rows: list[dict[str, Any]] = database.rows(connection, "simulation_results").to_pylist()
    return rows


def by_key(rows: Sequence[dict[str, Any]]) -> dict[tuple[Any, ...], dict[str, Any]]:
    names = ("network_id", "mailbox_id", "reporting_month", "account_report", "measure_field")
    return {tuple(row[name] for name in names): row for row in rows}


def test_the_present_terms_change_no_line_that_is_proved(reconciled: Connection) -> None:
    rows = tried(reconciled)
    lines = database.rows(reconciled, "out_line_items").to_pylist()
    assert len(rows) == len(lines)
    proved = [row for row in rows if row["verdict"] == "fits"]
    assert len(proved) > 1500
    assert [row for row in proved if row["difference"] != 0] == []
    expected = {key: row["expected_amount"] for key, row in by_key(lines).items()}
    wrong = {key: row["new_amount"] for key, row in by_key(rows).items() if row["verdict"] == "differs"}
    assert wrong
    assert wrong == {key: expected[key] for key in wrong}


SCHEDULES = (43100, 43101, 43201, 43202, 43301, 43304, 43405, 43401, 43503, 43700, 43802)


@pytest.mark.long
@settings(max_examples=3)
@given(
    st.sampled_from(SCHEDULES),
    st.decimals(min_value="0.0001", max_value="500", places=4),
    st.sampled_from([Decimal(80), Decimal(100), Decimal(125)]),
)
def test_sums_agree_and_what_is_set_back_is_the_start(
    shipped_path: Path, schedule_id: int, rate: Decimal, volume: Decimal
) -> None:
    with closing(database.connect(shipped_path)) as connection:
        check_identities(connection, schedule_id, rate, volume)


def check_identities(reconciled: Connection, schedule_id: int, rate: Decimal, volume: Decimal) -> None:
    tiers = database.rows(reconciled, "core_set_tiers", schedule_id=schedule_id).to_pylist()
    listed = Change(schedule_id, "rate", tiers[0]["rate"])
    start = by_key(tried(reconciled, volume=volume))
    changed = by_key(tried(reconciled, Change(schedule_id, "rate", rate), volume=volume))
    totals = database.rows(reconciled, "simulation_totals").to_pylist()
    assert by_key(tried(reconciled, listed, volume=volume)) == start
    for grouping in ("total", "month", "contract", "account"):
        of_it = [row for row in totals if row["grouping"] == grouping]
        assert total([row["new_low"] for row in of_it]) <= total([row["new_high"] for row in of_it])
        for name in ("old_amount", "read_amount"):
            rated = [row[name] for row in changed.values() if row["error"] is None]
            if name == "old_amount":
                assert total([row[name] for row in of_it]) == total(rated)
    for row in changed.values():
        assert row["error"] is None
        assert row["new_low"] <= row["new_high"]
        assert row["new_amount"] is None or row["new_amount"] == row["new_low"] == row["new_high"]
        assert row["difference_low"] == row["new_low"] - row["old_amount"]
    # a line that shows the schedule alone and no derived charge moves by what its tiers cost
    moved = {key for key, row in changed.items() if row["new_low"] != start[key]["new_low"]}
    assert all(changed[key]["why"] != "same terms" for key in moved), plain(rate)
