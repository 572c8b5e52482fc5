"""Amounts and quantities of 18 whole digits, the widest that a line holds, beside an ordinary price list.

The row that does not fit is not provable, alone; each command ends as without it. Sums have more digits, and are exact.
"""

import json
from contextlib import closing
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ecgrid_flows.cli import app
from ecgrid_flows.warehouse import database
from ecgrid_transforms.money import Decimal

from .hand import MONTH, Ladder, Lake, Tier

pytestmark = pytest.mark.slow

NINES = "999999999999999999"
TRANS, FIXED = ("TrafficAll", "ToTrans"), "FixedRate"
ORDINARY = Ladder(900, TRANS, [Tier(0, 0, "0.05")], model="Simple")
#: 18 digits of each kind: a quantity, a rate, a minimum, a percentage, a fee; all are of one contract.
UNITS = Ladder(901, TRANS, [Tier(0, 0, "1")], model="Simple")
DEAR = Ladder(902, TRANS, [Tier(0, 0, NINES)], model="Simple")
MINIMUM = Ladder(903, (FIXED, "MonthlyMinimum"), [Tier(0, 0, NINES)], model="Simple", level="Minimum")
HALF = Ladder(904, (FIXED, "MonthlyMinimum"), [Tier(0, 0, "500000000000000000")], model="Simple", level="Minimum")
PERCENT = Ladder(905, (FIXED, "CreditPercentage"), [Tier(0, 0, NINES)], model="Simple", level="Credit")
FEE = Ladder(906, (FIXED, "Each"), [Tier(0, 0, NINES)], model="Simple", level="Monthly")
ALIKE = Ladder(907, TRANS, [Tier(0, 0, "1")], model="Simple")
WIDE = (UNITS, ALIKE, DEAR, MINIMUM, HALF, PERCENT, FEE)


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    lake = Lake()
    for ladder in (ORDINARY, *WIDE):
        lake.listed(ladder)
    # 0.05 each: 100 give 5.00, 300 give 15.00; the third bills 20.00 for 200, which is 10.00 too much
    for mailbox, actual, amount in ((1, "100", "5"), (2, "300", "15"), (3, "200", "20"), (4, "400", "20")):
        lake.billed(ORDINARY, mailbox, actual, actual, amount)
        lake.contracted(ORDINARY, mailbox, 7)
    for ladder in WIDE:
        for mailbox, (quantity, amount) in enumerate(((NINES, NINES), ("-" + NINES, "-" + NINES), ("1", NINES)), 1):
            lake.billed(ladder, mailbox, quantity, quantity, amount)
            lake.contracted(ladder, mailbox, 8)
    folder = tmp_path_factory.mktemp("wide")
    (folder / "warehouse").mkdir()
    lake.build(folder).rename(folder / "warehouse/billing.duckdb")
    return folder


def test_the_ordinary_list_is_judged_as_alone(data_dir: Path) -> None:
    with closing(database.connect(data_dir / "warehouse/billing.duckdb")) as connection:
        rows = database.rows(connection, "out_line_items", reporting_month=MONTH).to_pylist()
    assert len(rows) == 4 + 3 * len(WIDE)
    ordinary = {row["actual"]: row for row in rows if row["price_list_id"] == 900}
    assert {actual: row["expected_amount"] for actual, row in ordinary.items()} == {
        Decimal(100): 5, Decimal(300): 15, Decimal(200): 10, Decimal(400): 20,
    }  # fmt: skip
    assert {row["verdict"] for actual, row in ordinary.items() if actual != 200} == {"fits"}
    units = {row["actual"]: row["expected_amount"] for row in rows if row["price_list_id"] == 901}
    assert units[Decimal(NINES)] == Decimal(NINES)
    assert units[Decimal(1)] == 1


@pytest.mark.parametrize(
    "command",
    [
        *(["findings"], ["compare"], ["simulate", "--present"], ["simulate", "--present", "--volume", "+10%"]),
        *(["simulate", "--price-list", "900"], ["accrue", "--as-of", "2026-11-05"], ["report"], ["export"]),
    ],
    ids=" ".join,
)
def test_each_command_ends_as_without_wide_values(command: list[str], data_dir: Path) -> None:
    month = [] if command[0] == "simulate" else ["--month", "2026-11" if command[0] == "accrue" else "2026-10"]
    done = CliRunner().invoke(app, [*command, *month, "--data-dir", str(data_dir)])
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    assert done.exit_code in (0, 1)


def test_a_sum_past_18_digits_is_exact(data_dir: Path) -> None:
    done = CliRunner().invoke(app, ["compare", "--month", "2026-10", "--json", "--data-dir", str(data_dir)])
    contracts = {row["contract_id"]: row for row in json.loads(done.stdout)["contracts"]}
    assert Decimal(contracts[7]["expected_amount"]) == 50  # 5 + 15 + 10 + 20
    # UNITS and ALIKE: 999999999999999999 and 1, at 1.00 each; a quantity below 0 is not compared
    assert Decimal(contracts[8]["expected_amount"]) == Decimal("2000000000000000000")
