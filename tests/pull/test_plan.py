"""The plan: what is asked, what is spared, always the same, and small."""

import subprocess
import sys
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecgrid_flows.extract.plan import SAMPLED_PER_CENT, Memory, Plan, ladder_pairs, remember
from ecgrid_flows.lake.partitions import Lake
from ecgrid_flows.storage.local import LocalStore
from ecgrid_transforms.accounts import Billed, account_row
from ecgrid_transforms.calls import call_row
from ecgrid_transforms.keys import ALL_PAIRS, PAIRS, keys_of, numbers, pair_bit
from ecgrid_transforms.line_items import line_item_row
from ecgrid_transforms.model import Account, Key, Level, LineItem, Pricelist, Schedule
from ecgrid_transforms.money import ONE, ZERO
from ecgrid_transforms.price_schedules import price_schedule_rows
from ecgrid_transforms.rows import batch
from ecgrid_transforms.schemas import ACCOUNTS, CALLS, LINE_ITEMS, PRICE_SCHEDULES

SEPTEMBER, OCTOBER = date(2026, 9, 1), date(2026, 10, 1)
NOW = datetime(2026, 11, 1, tzinfo=UTC)
FLAT, TRANS, KCS = ("FixedRate", "FixedRate"), ("TrafficAll", "TotalTrans"), ("TrafficAll", "TotalKCs")
MINIMUM, TPS = ("FixedRate", "MonthlyMinimum"), ("Statistics", "ActiveTPs")
ONE_ACCOUNT = Account(4440, 105213)


def bits(*pairs: tuple[str, str]) -> int:
    return sum(pair_bit(*pair) for pair in pairs)


def schedule(pair: tuple[str, str]) -> Schedule:
    return Schedule(1, ZERO, 0, 0, ZERO, ONE, None, None, pair[0], pair[1], None, None)


def ladder(list_id: int, *pairs: tuple[str, str], dated: str = "2023-12-01T00:00:00") -> Pricelist:
    levels = tuple(Level("General", None, 0, (schedule(pair),)) for pair in pairs)
    return Pricelist(list_id, dated, "a list", "Simple", "Active", levels)


def billed(account: Account = ONE_ACCOUNT, list_id: int | None = 431) -> Billed:
    return Billed(account, price_list_id=list_id)


def planned(plan: Plan) -> int:
    (asked,) = plan.asked()
    return asked.planned


def test_there_are_168_pairs() -> None:
    assert len(PAIRS) == 8 * 21 == 168 == ALL_PAIRS.bit_count()


def test_the_ladder_says_what_is_asked_money_measures_included() -> None:
    plan = Plan(OCTOBER, [billed()], {431: ladder(431, FLAT, TRANS, TRANS, MINIMUM)})
    assert planned(plan) == bits(FLAT, TRANS, MINIMUM)


def test_pairs_of_unknown_reports_cannot_be_asked() -> None:
    assert ladder_pairs(ladder(431, FLAT, ("TrafficByDrone", "TotalTrans"))) == bits(FLAT)


def test_what_was_billed_earlier_is_asked_again_by_account_and_by_list() -> None:
    memory = Memory(billed={ONE_ACCOUNT: bits(TPS)}, billed_on_list={431: bits(KCS)})
    plan = Plan(OCTOBER, [billed()], {431: ladder(431, FLAT)}, memory)
    assert planned(plan) == bits(FLAT, TPS, KCS)


def test_what_was_refused_is_spared_also_where_the_ladder_has_it() -> None:
    memory = Memory(
        refused={ONE_ACCOUNT: bits(TRANS)}, refused_on_list={431: bits(KCS)}, billed_on_list={431: bits(KCS)}
    )
    assert planned(Plan(OCTOBER, [billed()], {431: ladder(431, FLAT, TRANS)}, memory)) == bits(FLAT)
    assert planned(Plan(OCTOBER, [billed()], {431: None}, memory)) == ALL_PAIRS & ~bits(TRANS)
    assert planned(Plan(OCTOBER, [billed()], {431: None}, memory, "all-pairs")) == ALL_PAIRS & ~bits(TRANS)


def test_without_a_ladder_all_pairs_are_asked_once() -> None:
    learnt = Memory(asked={ONE_ACCOUNT: ALL_PAIRS}, billed_on_list={431: bits(FLAT, TRANS)})
    other = Account(4440, 105214)
    plan = Plan(OCTOBER, [billed(), billed(other)], {431: None}, learnt)
    assert [asked.planned for asked in plan.asked()] == [bits(FLAT, TRANS), ALL_PAIRS], "but of a new account in full"


def test_an_account_without_a_list_is_asked_everything() -> None:
    assert planned(Plan(OCTOBER, [billed(list_id=None)], {})) == ALL_PAIRS


def test_keys_come_in_the_order_of_accounts_and_pairs() -> None:
    keys = list(keys_of(ONE_ACCOUNT, OCTOBER, bits(TPS, FLAT)))
    assert keys == [Key(4440, 105213, OCTOBER, *FLAT), Key(4440, 105213, OCTOBER, *TPS)]


@given(st.integers(0, ALL_PAIRS))
def test_numbers_are_the_set_bits(pairs: int) -> None:
    found = list(numbers(pairs))
    assert found == sorted(found)
    assert sum(1 << number for number in found) == pairs


# --- the sample -------------------------------------------------------------------------------------------------------


def many(count: int, month: date = OCTOBER) -> Plan:
    accounts = [billed(Account(4440 + number // 100, number)) for number in range(count)]
    return Plan(month, accounts, {431: ladder(431, FLAT, TRANS, KCS, TPS, MINIMUM)})


def test_the_sample_is_void_small_and_always_the_same() -> None:
    asked = list(many(4000).asked())
    assert list(many(4000).asked()) == asked
    assert all(one.sample & one.planned == 0 and one.sample.bit_count() <= 1 for one in asked)
    sampled, normal = sum(one.sample.bit_count() for one in asked), sum(one.planned.bit_count() for one in asked)
    assert 0.7 * SAMPLED_PER_CENT < 100 * sampled / normal < 1.3 * SAMPLED_PER_CENT


def test_the_sample_changes_with_the_month_and_reaches_every_void_pair() -> None:
    september, october = list(many(4000, SEPTEMBER).asked()), list(many(4000).asked())
    assert [one.sample for one in september] != [one.sample for one in october]
    reached = 0
    for month in range(1, 13):
        for one in many(1500, date(2026, month, 1)).asked():
            reached |= one.sample
    assert reached == ALL_PAIRS & ~bits(FLAT, TRANS, KCS, TPS, MINIMUM)


def test_each_list_has_at_least_one_sample() -> None:
    accounts = [billed(Account(4440, number), list_id=431 + number % 3) for number in range(9)]
    plan = Plan(OCTOBER, accounts, {431 + number: ladder(431 + number, FLAT) for number in range(3)})
    assert {one.price_list_id for one in plan.asked() if one.sample} >= {431, 432, 433}


def test_all_pairs_needs_no_sample() -> None:
    assert [one.sample for one in Plan(OCTOBER, [billed()], {431: None}, kind="all-pairs").asked()] == [0]


# --- memory -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(LocalStore(tmp_path))


def stored(
    lake: Lake,
    month: date = SEPTEMBER,
    *,
    list_id: int | None = 431,
    dated: str = "2023-12-01T00:00:00",
    refused: tuple[tuple[str, str], ...] = (),
    lines: tuple[tuple[str, str], ...] = (),
) -> None:
    """A month of one account in the lake: its list, and what came of its calls."""
    where = (ONE_ACCOUNT.network_id, ONE_ACCOUNT.mailbox_id, month)
    calls = [call_row(Key(*where, *pair), "no_line", "not_on_price_list", "no", 1, 5, NOW) for pair in refused]
    calls += [call_row(Key(*where, *pair), "line", None, None, 1, 5, NOW) for pair in lines]
    items = [line_item_row(Key(*where, *pair), line(list_id or 0), "v3.2", NOW, "0" * 64) for pair in lines]
    prices = price_schedule_rows(month, ladder(list_id, FLAT, dated=dated), "v3.2", NOW, "0" * 64) if list_id else []
    for feed, schema, rows in (
        ("calls", CALLS, calls),
        ("line_items", LINE_ITEMS, items),
        ("accounts", ACCOUNTS, [account_row(month, billed(list_id=list_id))]),
        ("price_schedules", PRICE_SCHEDULES, prices),
    ):
        lake.write_partition(feed, month, [batch(schema, rows)] if rows else [])


def line(list_id: int) -> LineItem:
    return LineItem(1, None, list_id, None, "Mailbox", 1, None, "General", None, "Simple", None, ONE, ONE, False, ONE)


def recalled(
    lake: Lake, *, list_id: int | None = 431, dated: str = "2023-12-01T00:00:00", month: date = OCTOBER
) -> Memory:
    lists = {list_id: ladder(list_id, FLAT, dated=dated)} if list_id else {}
    return remember(lake, month, [billed(list_id=list_id)], lists)


def test_the_lake_remembers_what_was_billed_and_refused(lake: Lake) -> None:
    stored(lake, refused=(KCS, TPS), lines=(FLAT, TRANS))
    memory = recalled(lake)
    assert memory.billed == {ONE_ACCOUNT: bits(FLAT, TRANS)}
    assert memory.billed_on_list == {431: bits(FLAT, TRANS)}
    assert memory.refused == {ONE_ACCOUNT: bits(KCS, TPS)}
    assert memory.refused_on_list == {431: bits(KCS, TPS)}
    assert memory.asked == {ONE_ACCOUNT: bits(FLAT, TRANS, KCS, TPS)}


@pytest.mark.parametrize("change", [{"dated": "2026-10-01T00:00:00"}, {"list_id": 432}])
def test_a_refusal_is_forgotten_when_the_lists_date_or_id_changes(lake: Lake, change: dict[str, object]) -> None:
    stored(lake, refused=(KCS,), lines=(FLAT,))
    memory = recalled(lake, **change)
    assert (memory.refused, memory.refused_on_list) == ({}, {})
    assert memory.billed == {ONE_ACCOUNT: bits(FLAT)}, "what was billed is not"


def test_only_earlier_months_of_the_last_thirteen_count(lake: Lake) -> None:
    stored(lake, OCTOBER, lines=(FLAT,))
    stored(lake, date(2025, 8, 1), lines=(TRANS,))
    stored(lake, date(2025, 9, 1), lines=(KCS,))
    assert recalled(lake).billed == {ONE_ACCOUNT: bits(KCS)}


def test_a_plan_made_after_the_months_own_landing_is_the_same(lake: Lake) -> None:
    stored(lake, SEPTEMBER, lines=(TRANS,), refused=(KCS,))
    before = recalled(lake)
    stored(lake, OCTOBER, lines=(FLAT,), refused=(TPS,))
    assert recalled(lake) == before


# --- size -------------------------------------------------------------------------------------------------------------

MILLION = """
import re
from datetime import date
from pathlib import Path
from ecgrid_flows.extract.plan import Memory, Plan
from ecgrid_transforms.keys import PAIRS, pair_bit
from ecgrid_transforms.accounts import Billed
from ecgrid_transforms.model import Account, Level, Pricelist, Schedule
from ecgrid_transforms.money import ONE, ZERO
pairs = PAIRS[::17]
levels = tuple(
    Level("General", None, 0, (Schedule(1, ZERO, 0, 0, ZERO, ONE, None, None, report, measure, None, None),))
    for report, measure in pairs
)
ladders = {n: Pricelist(n, None, None, "Simple", "Active", levels) for n in range(8)}
accounts = [
    Billed(Account(4440 + n // 1000, n), f"mailbox {n}", "Active", n % 8, 1, frozenset({"contract", "mailbox"}))
    for n in range(100_000)
]
memory = Memory(billed={one.account: pair_bit(*PAIRS[3]) for one in accounts})
plan = Plan(date(2026, 10, 1), accounts, ladders, memory)
count = sum(1 for _ in plan.keys())
# not getrusage: its ru_maxrss begins at what the process that started this one had in memory
peak_kib = int(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1])
print(count, peak_kib // 1024)
"""


@pytest.mark.soak
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs /proc, for a process's own peak of memory")
def test_a_million_keys_are_planned_in_little_memory() -> None:
    told = subprocess.run([sys.executable, "-c", MILLION], capture_output=True, text=True, check=True).stdout
    count, mebibytes = map(int, told.split())
    assert count >= 1_000_000
    assert mebibytes < 300
