"""Whether a group's use decides its meaning: which other meanings would have billed all of it the same.

Used when a world is made, to add the missing quantities, and by tests, to check that none are missing.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import product
from random import Random
from typing import Any, get_args

from ecgrid_sandbox.billing.pricing import AllowanceRule, Blocks, Bound, Model, RatePer, Scope, Unpriceable, priced
from ecgrid_sandbox.world.ladders import Series, step_of
from ecgrid_sandbox.world.model import BilledIn, Group, Meaning
from ecgrid_transforms.money import ZERO, Decimal

#: The result of a reading for a quantity: amount and QuantityBilled, or None where it has no price.
Outcome = tuple[Decimal, object] | None


def outcome(group: Group, meaning: Meaning, quantity: Decimal) -> Outcome:
    """The bill of a quantity under the group's schedules if they mean `meaning`."""
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
    """All combinations of what a group could mean: the search space of an inference without assumptions."""
    yield from _combined(group, _choices(group))


def near_meanings(group: Group) -> list[Meaning]:
    """Meanings that differ from the group's in one part, or in two or three interacting parts."""
    own = _own(group)
    choices = _choices(group)
    together = (
        ("model", "upper_bound", "allowance"),
        ("blocks", "block_scope", "allowance"),
        ("rate_per", "billed_in"),
    )
    near: set[Meaning] = set()
    for parts in (*together, ("rounding",)):
        near.update(_combined(group, own | {part: choices[part] for part in parts}))
    near.discard(group.meaning)
    return sorted(near, key=repr)


Choices = dict[str, tuple[str, ...]]


def _own(group: Group) -> Choices:
    meaning, reading = group.meaning, group.meaning.reading
    return {
        "model": (reading.model,),
        "upper_bound": (reading.upper_bound,),
        "blocks": (reading.blocks,),
        "block_scope": (reading.block_scope,),
        "rate_per": (reading.rate_per,),
        "allowance": (reading.allowance,),
        "rounding": (reading.rounding,),
        "billed_in": (meaning.billed_in,),
    }


def _choices(group: Group) -> Choices:
    """The possible values of each part of a group's meaning. A part that is irrelevant to its schedules has one choice:
    bounds where there is one tier, the allowance's rule where there is no allowance, blocks where all quantities are
    whole ones."""
    first, own = group.schedules[0], _own(group)
    choices: Choices = {
        "model": get_args(Model),
        "upper_bound": get_args(Bound),
        "blocks": get_args(Blocks),
        "block_scope": get_args(Scope),
        "rate_per": get_args(RatePer),
        "allowance": get_args(AllowanceRule),
        "rounding": ("half_up", "half_even", "up", "down"),  # lines are always rounded
        "billed_in": get_args(BilledIn),
    }
    if len(group.schedules) == 1:
        choices |= {"model": (*own["model"], "stairstep"), "upper_bound": own["upper_bound"]}
    if not first.allowance:
        choices |= {"allowance": own["allowance"]}
    if not first.block or first.block == step_of(group.measure):
        choices |= {part: own[part] for part in ("blocks", "block_scope", "rate_per", "billed_in")}
    return choices


def _combined(group: Group, choices: Choices) -> Iterator[Meaning]:
    names = [name for name in choices if name != "billed_in"]
    for billed_in in choices["billed_in"]:
        for values in product(*(choices[name] for name in names)):
            changes: dict[str, Any] = dict(zip(names, values, strict=True))
            changed: dict[str, Any] = {"billed_in": billed_in}
            yield replace(group.meaning, reading=replace(group.meaning.reading, **changes), **changed)


def tied_candidates(
    group: Group, seen: Sequence[tuple[Decimal, Outcome]], meanings: Iterable[Meaning], rng: Random, *, tries: int = 60
) -> list[Meaning]:
    """Meanings that explain at least as many of the billed lines as the group's own, and would bill some other quantity
    differently: those that leave the group undecided."""
    lines = list(dict.fromkeys(seen))
    allowed = sum(outcome(group, group.meaning, quantity) != billed for quantity, billed in lines)
    tried = _quantities(group, rng, tries)
    found = []
    for meaning in meanings:
        missed = 0
        for quantity, billed in lines:
            missed += outcome(group, meaning, quantity) != billed
            if missed > allowed:
                break
        else:
            if any(outcome(group, meaning, value) != outcome(group, group.meaning, value) for value in tried):
                found.append(meaning)
    return found


def completed(group: Group, telling: Sequence[Series], months: int, rng: Random, *, tries: int = 30) -> list[Series]:
    """`telling` plus a series for each near meaning that it does not exclude but some quantity would.

    A meaning that no tried quantity excludes bills the same as the right one, so there is nothing to decide.
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
    """Quantities over the whole ladder and well past its last bound, half of them near a bound or the start."""
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
