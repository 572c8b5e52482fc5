"""Whether a group's use tells its meaning: which other meanings would have billed the same on all of it.

Used when a world is made, to add the quantities that are still missing, and by tests, to see that none are.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import product
from random import Random
from typing import get_args

from ecgrid_sandbox.ladders import Series, step_of
from ecgrid_sandbox.pricing import (
    AllowanceRule,
    Blocks,
    Bound,
    Model,
    RatePer,
    Reading,
    Rounding,
    Scope,
    Unpriceable,
    priced,
)
from ecgrid_sandbox.world import BilledIn, Group, Meaning
from ecgrid_transforms.money import ZERO, Decimal

_MODELS: tuple[Model, ...] = get_args(Model)
_BOUNDS: tuple[Bound, ...] = get_args(Bound)
_BLOCKS: tuple[Blocks, ...] = get_args(Blocks)
_SCOPES: tuple[Scope, ...] = get_args(Scope)
_PER: tuple[RatePer, ...] = get_args(RatePer)
_ALLOWANCES: tuple[AllowanceRule, ...] = get_args(AllowanceRule)
_ROUNDINGS: tuple[Rounding, ...] = ("half_up", "half_even", "up", "down")  # lines are always rounded
_BILLED_IN: tuple[BilledIn, ...] = get_args(BilledIn)

#: What a reading makes of a quantity: amount and QuantityBilled, or nothing where it has no price.
Outcome = tuple[Decimal, object] | None


def outcome(group: Group, meaning: Meaning, quantity: Decimal) -> Outcome:
    """What the group's schedules bill for a quantity if they mean `meaning`."""
    first = group.schedules[0]
    if meaning.floor_and_cap:
        quantity = max(quantity, Decimal(first.minimum))
        if first.maximum:
            quantity = min(quantity, Decimal(first.maximum))
    try:
        result = priced(quantity, first.allowance, group.tiers(meaning), meaning.reading)
    except Unpriceable:
        return None
    return result.amount, result.blocks if meaning.billed_in == "blocks" else result.units


def every_meaning(group: Group) -> Iterator[Meaning]:
    """All combinations of what a group could mean: the search space of an inference that assumes nothing."""
    for model, bound, blocks, scope, per, allowance, rounding, billed_in in product(
        _MODELS, _BOUNDS, _BLOCKS, _SCOPES, _PER, _ALLOWANCES, _ROUNDINGS, _BILLED_IN
    ):
        yield Meaning(
            Reading(model, bound, blocks, scope, per, allowance, False, rounding, 2),
            billed_in,
            floor_and_cap=group.meaning.floor_and_cap,
        )


def near_meanings(group: Group) -> list[Meaning]:
    """Meanings that differ from the group's in one part, or in two that work together.

    Parts that cannot matter on its schedules are left as they are: bounds where there is one tier, the allowance's
    rule where there is no allowance, blocks where every quantity is whole blocks.
    """
    meaning, first = group.meaning, group.schedules[0]
    reading = meaning.reading
    lone = len(group.schedules) == 1
    models: tuple[Model, ...] = (reading.model, "stairstep") if lone else _MODELS
    bounds = (reading.upper_bound,) if lone else _BOUNDS
    rules = _ALLOWANCES if first.allowance else (reading.allowance,)
    has_blocks = first.block > 0 and first.block != step_of(group.measure)
    near: set[Meaning] = set()
    for model, bound, rule in product(models, bounds, rules):
        near.add(replace(meaning, reading=replace(reading, model=model, upper_bound=bound, allowance=rule)))
    if has_blocks:
        for blocks, scope, rule in product(_BLOCKS, _SCOPES, rules):
            near.add(replace(meaning, reading=replace(reading, blocks=blocks, block_scope=scope, allowance=rule)))
        for per, billed_in in product(_PER, _BILLED_IN):
            near.add(replace(meaning, reading=replace(reading, rate_per=per), billed_in=billed_in))
    for rounding in _ROUNDINGS:
        near.add(replace(meaning, reading=replace(reading, rounding=rounding)))
    near.discard(meaning)
    return sorted(near, key=repr)


def completed(group: Group, telling: Sequence[Series], months: int, rng: Random, *, tries: int = 30) -> list[Series]:
    """`telling` with a series more for each near meaning that it does not tell apart but some quantity would.

    A meaning that no tried quantity tells apart bills the same as the right one, so there is nothing to decide.
    """
    series = list(telling)
    tried: list[Decimal] | None = None
    right: dict[Decimal, Outcome] = {}

    def parts(meaning: Meaning, quantity: Decimal) -> bool:
        if quantity not in right:
            right[quantity] = outcome(group, group.meaning, quantity)
        return right[quantity] is not None and right[quantity] != outcome(group, meaning, quantity)

    for meaning in near_meanings(group):
        if all(any(parts(meaning, values[month]) for values in series) for month in range(months)):
            continue
        if tried is None:
            tried = _quantities(group, rng, tries)
        deciding = next((quantity for quantity in tried if parts(meaning, quantity)), None)
        if deciding is not None:
            series.append((deciding,) * months)
    return series


def _quantities(group: Group, rng: Random, count: int) -> list[Decimal]:
    """Quantities over the whole ladder and a good way past its last bound, half of them near a bound or the start."""
    first = group.schedules[0]
    step = step_of(group.measure)
    block = first.block or Decimal(1)
    bounds = [Decimal(schedule.maximum) for schedule in group.schedules if schedule.maximum]
    top = int((bounds[-1] if bounds else block * 80) * 2 + first.allowance)
    found: list[Decimal] = []
    while len(found) < count:
        base = Decimal(rng.randint(0, top))
        if len(found) % 2:
            base = rng.choice([*bounds, first.allowance]) + rng.choice([ZERO, first.allowance])
            base += rng.randint(-2, 2) * block / 2
        value = base + (Decimal(rng.randint(0, 999)).scaleb(-3) if step < 1 and rng.random() < 0.7 else ZERO)
        if value >= 0:
            found.append(value.quantize(step) if step < 1 else Decimal(int(value)))
    return found
