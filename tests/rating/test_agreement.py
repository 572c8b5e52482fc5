"""The SQL and the sandbox's naive pricer, written apart, agree on random cases or both refuse."""

import random
from typing import Any

import pytest

from ecgrid_sandbox.billing.pricing import Reading, Tier, Unpriceable, price
from ecgrid_transforms.money import ZERO, Decimal

BLOCKS = ("0", "1", "10", "3", "0.3", "7", "0.25", "12.5", "100")
READINGS = {
    "model": ("unit", "volume", "graduated", "stairstep", "stacked_flat"),
    "upper_bound": ("inclusive", "exclusive"),
    "blocks": ("up", "down", "nearest", "none"),
    "block_scope": ("quantity", "tier"),
    "rate_per": ("block", "unit"),
    "allowance": ("before_blocks", "after_blocks", "free_tier"),
    "zero_pays_flat": (False, True),
    "rounding": ("half_up", "half_even", "up", "down", "none"),
    "scale": (0, 1, 2, 3, 6),
}


def random_ladder(draw: random.Random) -> tuple[Tier, ...]:
    """Mostly well-formed tiers, bounds often shared by quantities; one in fifteen or so is malformed somewhere."""
    step = draw.choice((Decimal(1), Decimal(10), Decimal("0.5"), Decimal("2.5"), Decimal(100)))
    count = draw.choice((1, 1, 2, 3, 4))
    whole = draw.random() < 0.3
    block = Decimal(draw.choice(BLOCKS))
    tiers, end = [], ZERO
    for place in range(count):
        maximum: Decimal | None = end + step * draw.randint(1, 20)
        if place == count - 1 and draw.random() < 0.7:
            maximum = None
        minimum = end + 1 if whole and (place or draw.random() < 0.5) else end
        if draw.random() < 0.02:
            minimum += draw.choice((Decimal(-1), Decimal(1), Decimal("0.5")))
        if draw.random() < 0.01 and maximum is not None:
            maximum = end
        if draw.random() < 0.3:
            block = Decimal(draw.choice(BLOCKS)) if draw.random() < 0.97 else Decimal(-1)
        rate = Decimal(draw.randint(-5 if draw.random() < 0.1 else 0, 1000)).scaleb(-draw.randint(0, 4))
        flat = Decimal(draw.choice((0, 0, draw.randint(0, 100)))).scaleb(-draw.randint(0, 2))
        tiers.append(Tier(minimum, maximum, rate, flat, block))
        end = end if maximum is None else maximum
    return tuple(reversed(tiers)) if draw.random() < 0.01 else tuple(tiers)


def random_quantity(draw: random.Random, tiers: tuple[Tier, ...]) -> Decimal:
    bounds = [tier.maximum for tier in tiers if tier.maximum is not None]
    chance = draw.random()
    if chance < 0.25 and bounds:
        return draw.choice(bounds)
    if chance < 0.3:
        return ZERO
    if chance < 0.32:
        return Decimal(-draw.randint(1, 9))
    highest = int(max(bounds, default=ZERO) * 2 * 1000) + 3000
    return Decimal(draw.randint(0, highest)).scaleb(-draw.choice((0, 1, 3, 3)))


@pytest.mark.parametrize("count", [5_000, pytest.param(50_000, marks=pytest.mark.soak)])
def test_the_sql_and_the_naive_pricer_agree(rate: Any, case: Any, count: int) -> None:
    draw = random.Random(20261101 + count)
    cases = []
    for _ in range(count):
        tiers = random_ladder(draw)
        quantity = random_quantity(draw, tiers)
        allowance = draw.choice((ZERO, ZERO, Decimal(draw.randint(0, 300)).scaleb(-draw.choice((0, 1))), abs(quantity)))
        reading = Reading(**{name: draw.choice(values) for name, values in READINGS.items()})
        cases.append(case(quantity, tiers, reading, allowance))

    differing, refused = [], 0
    for asked, found in zip(cases, rate(cases), strict=True):
        try:
            expected = price(asked.quantity, asked.allowance, asked.tiers, asked.reading)
        except Unpriceable:
            expected = None
            refused += 1
        if found.amount != expected:
            differing.append((asked, expected, found))
    assert differing[:3] == []
    assert count * 0.05 < refused < count * 0.4  # the cases are of both kinds
