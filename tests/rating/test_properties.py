"""What must hold of every price, whatever the quantity, the tiers and the reading.

Each property rates a list of cases at once: the SQL is set-based, and one statement costs more than its rows.
"""

from dataclasses import replace
from itertools import pairwise, product
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from ecgrid_sandbox.billing.pricing import Reading, Tier
from ecgrid_transforms.money import Decimal, rounded, total

ZERO, ONE = Decimal(0), Decimal(1)
MODELS = ("unit", "volume", "graduated", "stairstep", "stacked_flat")
PER_UNIT = ("unit", "volume", "graduated")
EXAMPLES = settings(max_examples=settings().max_examples // 50)  # each rates a dozen cases and more


def decimals(highest: int, places: int = 4, lowest: int = 0) -> st.SearchStrategy[Decimal]:
    """Decimals with few digits, so that bounds, blocks and ties are hit often."""
    return st.tuples(st.integers(lowest, highest), st.integers(0, places)).map(
        lambda drawn: Decimal(drawn[0]).scaleb(-drawn[1])
    )


BLOCKS = st.sampled_from([Decimal(text) for text in ("0", "1", "10", "3", "0.3", "7", "0.25", "12.5")])


@st.composite
def ladders(
    draw: st.DrawFn, *, flats: bool = True, blocks: st.SearchStrategy[Decimal] = BLOCKS, is_open: bool = True
) -> Any:
    """Well-formed tiers of up to four steps; one block for all or one each."""
    widths = draw(st.lists(st.integers(1, 60), min_size=1, max_size=4))
    step = draw(st.sampled_from([ONE, Decimal("2.5"), Decimal(10)]))
    shared = draw(st.one_of(blocks, st.none()))
    whole = draw(st.booleans()) and step != Decimal("2.5")
    tiers, end = [], ZERO
    for place, width in enumerate(widths):
        maximum = end + step * width
        tiers.append(
            Tier(
                minimum=end + 1 if whole and place else end,
                maximum=None if is_open and place == len(widths) - 1 else maximum,
                rate=draw(decimals(5000)),
                flat=draw(decimals(500, 2)) if flats else ZERO,
                block=draw(blocks) if shared is None else shared,
            )
        )
        end = maximum
    return tuple(tiers)


def readings(**fixed: Any) -> st.SearchStrategy[Reading]:
    """Readings with every attribute drawn but those given."""
    drawn: dict[str, Any] = {
        "model": st.sampled_from(MODELS),
        "upper_bound": st.sampled_from(("inclusive", "exclusive")),
        "blocks": st.sampled_from(("up", "down", "nearest", "none")),
        "block_scope": st.sampled_from(("quantity", "tier")),
        "rate_per": st.sampled_from(("block", "unit")),
        "allowance": st.sampled_from(("before_blocks", "after_blocks", "free_tier")),
        "zero_pays_flat": st.booleans(),
        "rounding": st.sampled_from(("half_up", "half_even", "up", "down", "none")),
        "scale": st.integers(0, 6),
    }
    return st.builds(Reading, **{**drawn, **{name: st.just(value) for name, value in fixed.items()}})


QUANTITIES = decimals(4000, 2)
WITHOUT_BLOCKS = st.just(ZERO)


def lists(*parts: st.SearchStrategy[Any]) -> st.SearchStrategy[list[tuple[Any, ...]]]:
    return st.lists(st.tuples(*parts), min_size=12, max_size=20)


@EXAMPLES
@given(lists(QUANTITIES, ladders(), readings(rounding="none"), decimals(300, 1)))
def test_an_amount_is_the_sum_of_its_slices(rate: Any, case: Any, drawn: list[Any]) -> None:
    """And each slice is its blocks or units times its rate, plus its flat; within a millionth of the 20th decimal."""
    cases = [case(quantity, tiers, reading, allowance) for quantity, tiers, reading, allowance in drawn]
    for priced, found in zip(cases, rate(cases), strict=True):
        if found.error:
            continue
        assert abs(total([part.amount for part in found.slices]) - found.amount) <= Decimal("5e-20")
        for part in found.slices:
            if part.tier and priced.reading.rate_per == "block":
                # blocks are shown with ten decimals
                assert abs(part.blocks * part.rate + part.flat - part.amount) <= part.rate * Decimal("1e-10")


@EXAMPLES
@given(lists(QUANTITIES, ladders(blocks=WITHOUT_BLOCKS), readings(rounding="none", allowance="before_blocks")))
def test_every_unit_is_rated_once(rate: Any, case: Any, drawn: list[Any]) -> None:
    """Slices lie end to end, each within its tier, and together they are the quantity."""
    cases = [case(quantity, tiers, reading) for quantity, tiers, reading in drawn]
    for priced, found in zip(cases, rate(cases), strict=True):
        assert found.error is None
        assert found.quantity_billed == priced.quantity
        if priced.quantity == 0:
            assert [part.quantity for part in found.slices] in ([], [ZERO])
            continue
        assert total([part.quantity for part in found.slices]) == priced.quantity
        if priced.reading.model in ("graduated", "stacked_flat"):
            assert [part.tier for part in found.slices] == list(range(1, len(found.slices) + 1))
            for part in found.slices[:-1]:
                tier = priced.tiers[part.tier - 1]
                assert part.quantity == tier.maximum - (priced.tiers[part.tier - 2].maximum if part.tier > 1 else 0)
        else:
            assert len(found.slices) == 1


@EXAMPLES
@given(st.lists(st.tuples(ladders(flats=False, blocks=WITHOUT_BLOCKS), st.integers(0, 300)), min_size=12, max_size=20))
def test_the_next_unit_costs_the_rate_of_the_tier_that_it_lies_in(rate: Any, case: Any, drawn: list[Any]) -> None:
    reading = Reading(model="graduated")
    steps = [(tiers, Decimal(quantity)) for tiers, quantity in drawn]
    now = rate([case(quantity, tiers, reading) for tiers, quantity in steps])
    then = rate([case(quantity + 1, tiers, reading) for tiers, quantity in steps])
    for (tiers, quantity), before, after in zip(steps, now, then, strict=True):
        bounds = [tier.maximum for tier in tiers[:-1]]
        if any(quantity < bound < quantity + 1 for bound in bounds):
            continue  # the unit lies in two tiers
        reached = sum(bound <= quantity for bound in bounds)
        assert after.amount - before.amount == tiers[reached].rate


@EXAMPLES
@given(
    st.lists(
        st.tuples(
            ladders(), readings(model="graduated"), decimals(300, 1), st.lists(QUANTITIES, min_size=4, max_size=4)
        ),
        min_size=5,
        max_size=8,
    )
)
def test_more_never_costs_less_under_graduated(rate: Any, case: Any, drawn: list[Any]) -> None:
    """With rates and flats that are not negative."""
    grouped = [
        [case(quantity, tiers, reading, free) for quantity in sorted(some)] for tiers, reading, free, some in drawn
    ]
    answers = iter(rate([one for group in grouped for one in group]))
    for group in grouped:
        amounts = [next(answers).amount for _ in group]
        assert all(less <= more for less, more in pairwise(amounts))


@EXAMPLES
@given(
    lists(
        QUANTITIES,
        ladders().map(lambda tiers: (replace(tiers[-1], minimum=ZERO),)),
        readings(allowance="before_blocks"),
        decimals(300, 1),
        st.sampled_from(("before_blocks", "after_blocks")),
    )
)
def test_with_one_tier_all_models_per_unit_agree(rate: Any, case: Any, drawn: list[Any]) -> None:
    groups = [
        [case(quantity, tiers, replace(reading, model=model, allowance=rule), allowance) for model in PER_UNIT]
        for quantity, tiers, reading, allowance, rule in drawn
    ]
    answers = iter(rate([one for group in groups for one in group]))
    for group in groups:
        assert len({(found.amount, found.quantity_billed) for found in (next(answers) for _ in group)}) == 1


@EXAMPLES
@given(lists(QUANTITIES, ladders(), readings(blocks="none", rate_per="block"), decimals(300, 1), st.integers(2, 1000)))
def test_scaling_blocks_and_rates_together_changes_nothing(rate: Any, case: Any, drawn: list[Any]) -> None:
    """A price of 5 per 100 is a price of 50 per 1,000, as long as nothing is rounded to blocks."""
    small, large = [], []
    for quantity, tiers, reading, allowance, factor in drawn:
        blocked = tuple(replace(tier, block=tier.block or ONE) for tier in tiers)
        small.append(case(quantity, blocked, reading, allowance))
        scaled = tuple(replace(tier, block=tier.block * factor, rate=tier.rate * factor) for tier in blocked)
        large.append(case(quantity, scaled, reading, allowance))
    assert [found.amount for found in rate(small)] == [found.amount for found in rate(large)]


@EXAMPLES
@given(lists(QUANTITIES, ladders(), readings(rate_per="block"), decimals(300, 1), st.sampled_from([2, 5, 8, 10, 100])))
def test_another_unit_of_measure_changes_nothing(rate: Any, case: Any, drawn: list[Any]) -> None:
    """Quantity, allowance, bounds and blocks in hundreds or in ones: what a block costs stays the same."""
    ones, others = [], []
    for quantity, tiers, reading, allowance, factor in drawn:
        blocked = [replace(tier, block=tier.block or ONE) for tier in tiers]
        continuous = tuple(
            replace(tier, minimum=before.maximum if before else ZERO)
            for before, tier in zip([None, *blocked], blocked, strict=False)
        )
        ones.append(case(quantity, continuous, reading, allowance))
        scaled = tuple(
            Tier(
                minimum=tier.minimum * factor,
                maximum=None if tier.maximum is None else tier.maximum * factor,
                rate=tier.rate,
                flat=tier.flat,
                block=tier.block * factor,
            )
            for tier in continuous
        )
        others.append(case(quantity * factor, scaled, reading, allowance * factor))
    assert [found.amount for found in rate(ones)] == [found.amount for found in rate(others)]


@EXAMPLES
@given(st.lists(st.tuples(ladders(blocks=WITHOUT_BLOCKS, is_open=False), st.booleans()), min_size=8, max_size=16))
def test_a_quantity_on_the_bound_lies_where_the_reading_says(rate: Any, case: Any, drawn: list[Any]) -> None:
    cases, expected = [], []
    for (tiers, is_inclusive), model in product(drawn, ("volume", "stairstep")):
        for place, tier in enumerate(tiers):
            reading = Reading(model=model, upper_bound="inclusive" if is_inclusive else "exclusive")
            cases.append(case(tier.maximum, tiers, reading))
            kept = tiers[place] if is_inclusive else next(iter(tiers[place + 1 :]), None)
            if kept is None:
                expected.append("past_last_tier")
            else:
                expected.append((kept.rate * tier.maximum if model == "volume" else ZERO) + kept.flat)
    assert [found.error or found.amount for found in rate(cases)] == expected


@EXAMPLES
@given(lists(QUANTITIES, ladders(blocks=WITHOUT_BLOCKS), readings(model="graduated"), decimals(300, 1)))
def test_a_free_tier_in_front_of_slices_is_an_allowance(rate: Any, case: Any, drawn: list[Any]) -> None:
    """Without blocks. On an excluded bound the flat of the first tier is due as soon as the free tier is full."""
    pairs = [
        [
            case(
                quantity,
                tiers,
                replace(reading, allowance=rule, upper_bound="inclusive", zero_pays_flat=False),
                allowance,
            )
            for rule in ("free_tier", "before_blocks")
        ]
        for quantity, tiers, reading, allowance in drawn
    ]
    answers = rate([one for pair in pairs for one in pair])
    for free, subtracted in zip(answers[::2], answers[1::2], strict=True):
        assert (free.amount, free.quantity_billed) == (subtracted.amount, subtracted.quantity_billed)


@EXAMPLES
@given(lists(QUANTITIES, ladders(), readings(rounding="none"), st.integers(0, 12)))
def test_a_line_is_rounded_once_and_as_told(rate: Any, case: Any, drawn: list[Any]) -> None:
    """By Python's own decimals: half up and down are away from and toward zero, half even to the even neighbour."""
    roundings = ("none", "half_up", "half_even", "up", "down")
    answers = iter(
        rate(
            [
                case(quantity, tiers, replace(reading, rounding=rounding, scale=scale))
                for quantity, tiers, reading, scale in drawn
                for rounding in roundings
            ]
        )
    )
    for *_, scale in drawn:
        exact, *told = [next(answers) for _ in roundings]
        if exact.amount != rounded(exact.amount, 18):
            continue  # an amount without end shows but 20 of its decimals
        for rounding, found in zip(roundings[1:], told, strict=True):
            assert found.amount == rounded(exact.amount, scale, rounding)
            assert -found.amount.as_tuple().exponent == scale


def test_nothing_costs_nothing_or_the_first_flat(rate: Any, case: Any) -> None:
    tiers = (Tier(ZERO, Decimal(10), Decimal(2), Decimal(7)), Tier(Decimal(10), None, Decimal(1), Decimal(9)))
    asked, expected = [], []
    for model, zero_pays_flat in product(MODELS, (False, True)):
        reading = Reading(model=model, zero_pays_flat=zero_pays_flat, blocks="down")
        asked += [
            case(ZERO, tiers, reading),
            case(Decimal("0.9"), tiers, reading),  # no whole block
            case(Decimal(5), tiers, reading, Decimal(8)),  # all of it free
        ]
        expected += [Decimal(7 if zero_pays_flat else 0)] * 3
    assert [found.amount for found in rate(asked)] == expected


def test_nothing_lies_in_the_free_tier_and_costs_nothing(rate: Any, case: Any) -> None:
    """A flat at quantity 0 is the first tier's, which a free tier in front is: else 0 would cost more than 1."""
    tiers = (Tier(minimum=ZERO, maximum=None, rate=ZERO, flat=ONE, block=ONE),)
    reading = Reading(model="graduated", allowance="free_tier", zero_pays_flat=True)
    steps = [(ZERO, ONE), (ONE, ONE), (Decimal(2), ONE), (ZERO, ZERO)]
    found = rate([case(quantity, tiers, reading, allowance) for quantity, allowance in steps])
    assert [one.amount for one in found] == [ZERO, ZERO, ONE, ONE]
