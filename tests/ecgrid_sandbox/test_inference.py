"""Whether the use of the worlds tells what their price lists mean: a brute-force inference over the billed lines."""

from datetime import date
from random import Random

import pytest

from ecgrid_sandbox import World
from ecgrid_sandbox.world.inference import every_meaning, near_meanings, outcome, tied_candidates
from ecgrid_sandbox.world.model import Group, PriceList
from ecgrid_transforms.money import Decimal

NOT_ON_THE_LINE = ("missing_line", "restated", "price_changed")
WORLD = World.shipped(date(2026, 10, 1))
GROUPS = [
    (price_list, group)
    for price_list in WORLD.price_lists
    for group in price_list.groups
    if not group.is_money and group.report != "FixedRate"
]


def _seen(world: World, price_list: PriceList, group: Group, month: date) -> list[tuple[Decimal, object]]:
    """What a month's lines show of a group: Actual, Amount and QuantityBilled, the wrong lines among them."""
    lines = [
        world.books.line(account, month, group.pair) for account in world.accounts_of_list(price_list.price_list_id)
    ]
    return [(line.actual, (line.amount, line.billed)) for line in lines if line is not None]


def is_malformed(group: Group) -> bool:
    """Whether a ladder has a gap or an overlap: nothing is used there, so its bound may stay open."""
    return any(
        after.minimum not in (before.maximum, before.maximum + 1)
        for before, after in zip(group.schedules, group.schedules[1:], strict=False)
    )


def _named(pairs: list[tuple[PriceList, Group]]) -> list[str]:
    return [f"{price_list.price_list_id}-{group.report}-{group.measure}" for price_list, group in pairs]


@pytest.mark.parametrize(("price_list", "group"), GROUPS, ids=_named(GROUPS))
def test_a_months_lines_of_the_shipped_world_leave_one_meaning(price_list: PriceList, group: Group) -> None:
    """Of all that a group could mean, in the last month; but for the group that is undecidable on purpose."""
    seen = _seen(WORLD, price_list, group, WORLD.months[-1])
    found = tied_candidates(group, seen, every_meaning(group), Random(1), tries=16)
    assert bool(found) != group.decidable, found[:3]


@pytest.mark.parametrize(("price_list", "group"), GROUPS, ids=_named(GROUPS))
def test_so_does_another_month_among_near_meanings(price_list: PriceList, group: Group) -> None:
    month = WORLD.months[group.schedules[0].schedule_id % 3]
    found = tied_candidates(group, _seen(WORLD, price_list, group, month), near_meanings(group), Random(2), tries=16)
    assert bool(found) != group.decidable, found[:3]


def test_the_undecidable_group_states_why() -> None:
    undecidable = [group for _, group in GROUPS if not group.decidable]
    assert [group.pair for group in undecidable] == [("Statistics", "MigratedTPs")]
    assert all("first tier" in group.why for group in undecidable)


@pytest.mark.parametrize("seed", range(1, 9))
def test_generated_worlds_plant_detectable_errors(seed: int) -> None:
    """A group drawn by the seed is decided in a month; each wrong line differs from the right one."""
    world = World.generate(seed, date(2026, 10, 1))
    rng = Random(seed)
    month = rng.choice(world.months)
    undecided = {
        (wrong.price_list_id, wrong.account_report, wrong.measure_field)
        for wrong in world.planted_errors
        if wrong.check_name == "reading_undecided"
    }
    pairs = [
        (price_list, group)
        for price_list in world.price_lists
        for group in price_list.groups
        if not group.is_money and group.report != "FixedRate" and not is_malformed(group)
    ]
    for price_list, group in rng.sample(pairs, 1):
        found = tied_candidates(group, _seen(world, price_list, group, month), near_meanings(group), rng, tries=12)
        planted = (price_list.price_list_id, *group.pair) in undecided
        assert bool(found) == planted, (group.pair, found[:2])
        assert group.decidable != planted
    world.restate()
    for wrong in world.planted_errors:
        network_id, mailbox_id, when, report, measure = wrong.key
        if (
            mailbox_id is None
            or wrong.invoice_number
            or wrong.check_name in ("missing_line", "restated", "price_changed")
        ):
            continue
        account, pair = (network_id, mailbox_id), (report, measure)
        billed = world.books.bill(account, when)[pair]
        right = world.books.bill(account, when, right=True)[pair]
        assert billed != right, wrong


def test_generated_worlds_differ_and_repeat() -> None:
    one, same, other = (World.generate(seed, date(2026, 10, 1), months=2) for seed in (5, 5, 6))
    assert one == same
    assert one.price_lists != other.price_lists
    assert {network.void for network in one.networks} == {"fault", "absent", "zero"}


def test_worlds_of_given_meanings_and_errors() -> None:
    meaning = WORLD.price_list_by_id[432].groups[1].meaning
    world = World.generate(3, date(2026, 10, 1), months=2, meanings=(meaning,), planted_errors=("amount_mismatch",))
    counted = [
        group
        for price_list in world.price_lists
        for group in price_list.groups
        if not group.is_money and group.report != "FixedRate" and not group.meaning.floor_and_cap
    ]
    assert meaning in {group.meaning for group in counted}
    assert {wrong.check_name for wrong in world.planted_errors} == {"amount_mismatch"}
    assert len(world.planted_errors) == 2  # one a month
    with pytest.raises(ValueError, match="no error can be planted as nonsense"):
        World.generate(3, date(2026, 10, 1), planted_errors=("nonsense",))
    with pytest.raises(ValueError, match="at least two months"):
        World.generate(3, date(2026, 10, 1), months=1)


def test_a_large_world_has_the_mailboxes_asked_for() -> None:
    world = World.generate(4, date(2026, 10, 1), months=2, mailboxes=600, planted_errors=())
    assert 590 <= len(world.mailboxes) <= 610
    line = world.books.line(
        world.accounts[-1], world.last_month, world.price_list_of(*world.accounts[-1]).groups[0].pair
    )
    assert line is not None
    assert world.planted_errors == ()


def test_the_brute_force_would_see_a_blind_spot() -> None:
    """With the quantities on and past the bounds gone, the side of the bound is open again: the check can fail."""
    price_list = WORLD.price_list_by_id[432]
    group = price_list.groups[1]
    seen = _seen(WORLD, price_list, group, WORLD.last_month)
    bounds = [schedule.maximum + int(group.schedules[0].allowance) for schedule in group.schedules]
    blind = [(quantity, billed) for quantity, billed in seen if quantity not in bounds]
    found = tied_candidates(group, blind, near_meanings(group), Random(1), tries=60)
    assert any(meaning.reading.upper_bound == "exclusive" for meaning in found)


def test_outcomes_are_amount_and_quantity_billed() -> None:
    group = WORLD.price_list_by_id[432].groups[1]
    assert outcome(group, group.meaning, Decimal(353)) == (Decimal("72.96"), Decimal(335))
