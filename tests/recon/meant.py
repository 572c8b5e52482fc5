"""What the readings of out_readings bill, by the sandbox's own pricer, held against what a world means."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from fractions import Fraction
from itertools import product
from typing import Any

from ecgrid_sandbox.billing.books import part_of
from ecgrid_sandbox.billing.documents import Line
from ecgrid_sandbox.billing.pricing import Reading, Tier, Unpriceable, priced
from ecgrid_sandbox.world import ladders
from ecgrid_sandbox.world.model import OPEN_ENDS, Group
from ecgrid_sandbox.worlds import World
from ecgrid_transforms.money import ZERO, Decimal

Row = Mapping[str, Any]


def truth_of(group: Group) -> Row:
    """A group's meaning as a row of out_readings has it."""
    meaning, reading = group.meaning, group.meaning.reading
    return {
        "model": reading.model,
        "upper_bound": reading.upper_bound,
        "tiers_cut_at": "maximum",
        "allowance_rule": reading.allowance,
        "blocks": reading.blocks,
        "block_scope": reading.block_scope,
        "rate_per": reading.rate_per,
        "quantity_billed_in": meaning.billed_in,
        "lone_bounds": "floor_and_cap" if meaning.floor_and_cap else "ignored",
        "zero_block": "no_blocks",
        "zero_quantity": "pays_flat" if reading.zero_pays_flat else "free",
        "rounding": reading.rounding.removesuffix("_slices"),
        "rounding_scope": "slice" if reading.rounding.endswith("_slices") else "line",
        "scale": reading.scale,
    }


def billed(group: Group, row: Row, quantity: Decimal, *, exact: bool = False) -> tuple[Decimal, Fraction] | None:
    """Amount and QuantityBilled of a quantity under a reading; None where it has no price. `exact` rounds nothing."""
    first = group.schedules[0]
    is_flat = row["model"] in ("stairstep", "stacked_flat")
    lone = len(group.schedules) == 1
    at_minimum = row["tiers_cut_at"] == "minimum"
    tiers: list[Tier] = []
    below = ZERO
    for place, schedule in enumerate(group.schedules):
        upper = None if lone or schedule.maximum in OPEN_ENDS else Decimal(schedule.maximum)
        if upper is not None and at_minimum:
            upper = Decimal(group.schedules[place + 1].minimum)
        block = schedule.block or (Decimal(1) if row["zero_block"] == "one_unit" else ZERO)
        rate, flat = (ZERO, schedule.rate) if is_flat else (schedule.rate, ZERO)
        tiers.append(Tier(below, upper, rate, flat, block))
        below = upper or below
    rule, bounds = row["allowance_rule"], row["lone_bounds"]
    allowance = ZERO if rule == "ignored" else first.allowance
    if bounds == "floor_and_cap_after_allowance":
        quantity, allowance = max(quantity - allowance, ZERO), ZERO
    if lone and bounds.startswith("floor"):
        quantity = max(quantity, Decimal(first.minimum))
    if lone and "cap" in bounds and first.maximum not in OPEN_ENDS:
        quantity = min(quantity, Decimal(first.maximum))
    reading = Reading(
        row["model"],
        row["upper_bound"],
        row["blocks"],
        row["block_scope"],
        row["rate_per"],
        "before_blocks" if rule == "ignored" else rule,
        zero_pays_flat=row["zero_quantity"] == "pays_flat",
        rounding="none" if exact else row["rounding"] + ("_slices" if row["rounding_scope"] == "slice" else ""),
        scale=row["scale"],
    )
    try:
        result = priced(quantity, allowance, tiers, reading)
    except Unpriceable:
        return None
    return result.amount, result.blocks if row["quantity_billed_in"] == "blocks" else result.units


def probes(group: Group) -> list[Decimal]:
    """Quantities at and about everything that the schedules state, and past it."""
    first, step = group.schedules[0], ladders.step_of(group.measure)
    block = first.block or Decimal(1)
    stated = {ZERO, first.allowance, Decimal(first.minimum), *(Decimal(each.maximum) for each in group.schedules)}
    stated = {value for value in stated if 0 <= value < 900_000_000} | {value + first.allowance for value in stated}
    top = max(value for value in stated if value < 900_000_000)
    near = {base + times * block for base in stated for times in (-2, -1, 0, 1, 3)}
    near |= {base + sign * step for base in stated for sign in (-1, 1)}
    near |= {base + block * Decimal(part) for base in stated for part in ("0.3", "0.5", "0.7")}
    near |= {top * share / 7 for share in range(1, 16)} | {Decimal(37), Decimal(451), Decimal(5003)}
    return sorted({(value // step) * step for value in near if 0 <= value < 900_000_000})


def same(group: Group, one: Row, other: Row) -> Decimal | None:
    """The first probe at which two readings bill otherwise, before any rounding; None where they are the same."""
    for quantity in probes(group):
        here, there = billed(group, one, quantity, exact=True), billed(group, other, quantity, exact=True)
        if here is None or there is None:
            continue
        if here[0] != there[0]:
            return quantity
    return None


# -- charges that are computed from others --------------------------------------------------------------------

_BASES = {"counted_lines": ("usage", "fixed", "one_time"), "usage_lines": ("usage",)}
_PARTS = ("usage", "fixed", "one_time", "percentages", "credits")


def _present(world: World, group: Group) -> tuple[str, ...]:
    """The parts that the accounts with such a charge have; a percentage is no part of itself."""
    its = next(each for each in world.price_lists if group in each.groups)
    found = {part_of(each) for each in its.groups if each is not group}
    if group.meaning.per_network:
        found.add("usage")
    return tuple(part for part in _PARTS if part in found)


def derived_parts(world: World, group: Group, row: Row) -> str | None:
    """Where a reading of a percentage or a minimum bills otherwise than the truth, in words; None where nowhere.

    Each part is 0, small or large, of the account, of the rest of its network and of the month before.
    """
    present = _present(world, group)
    spans = [(ZERO, Decimal(40), Decimal(700))] * len(present)
    for own in product(*spans):
        for others, before in ((ZERO, ZERO), (Decimal(90), ZERO), (ZERO, Decimal(55))):
            sums = dict(zip(present, own, strict=True))
            meant = _meant(group, sums, others)
            given = _given(group, row, sums, others, before)
            if given is not None and meant != given:
                return f"{row['reading_id']} on {sums}, others {others}, before {before}: {given}, truth {meant}"
    return None


def _meant(group: Group, sums: Mapping[str, Decimal], others: Decimal) -> Decimal:
    meaning, rate = group.meaning, group.schedules[0].rate
    base = sum((value for part, value in sums.items() if part in meaning.of), ZERO)
    base += others if meaning.per_network else 0
    if group.measure != "MonthlyMinimum":
        return base * rate / (100 if meaning.percent == "hundred" else 1)
    missing = max(rate - base, ZERO)
    return {"true_up": missing, "whole": rate if missing else ZERO, "always": rate}[meaning.minimum]


def _given(group: Group, row: Row, sums: Mapping[str, Decimal], others: Decimal, before: Decimal) -> Decimal | None:
    """As `_meant`, by the words of a reading; None where they take the line's own Actual, which the world states."""
    rule, base_word, *more = row["reading_id"].split(".")
    rate = group.schedules[0].rate
    name = base_word.removeprefix("of_")
    if name == "shown_actual":
        return None if group.meaning.states_sum else Decimal("Infinity")
    if name in ("lines_before", "other_lines"):
        parts = tuple(sums) if group.measure == "MonthlyMinimum" or name == "other_lines" else _BASES["counted_lines"]
    else:
        parts = _BASES.get(name) or tuple(part for part in _PARTS if part in name)
    base = sum((value for part, value in sums.items() if part in parts), ZERO)
    if "per_network" in more or "per_contract" in more:
        base += others
    if "of_month_before" in more:
        base = before
    missing = max(rate - base, ZERO)
    if rule in ("true_up", "whole_when_below", "always"):
        return {"true_up": missing, "whole_when_below": rate if missing else ZERO, "always": rate}[rule]
    amount = base * rate / (100 if rule.startswith("per_hundred") else 1)
    return -amount if rule.endswith("negated") else amount


def readings_of(rows: list[dict[str, Any]], price_list_id: int, group: Group) -> Iterator[list[dict[str, Any]]]:
    """The rows of a group's ladders: a ladder a list, its chosen reading first."""
    its = [row for row in rows if (row["price_list_id"], row["account_report"], row["measure_field"]) ==
           (price_list_id, *group.pair)]  # fmt: skip
    for schedule_set in sorted({row["schedule_set_id"] for row in its}):
        of_set = [row for row in its if row["schedule_set_id"] == schedule_set]
        yield sorted(of_set, key=lambda row: not row["is_chosen"])


def cost(group: Group, row: Row, line: Line) -> int:
    """What a reading takes to explain a line: 0 nothing but the terms, 1 one departure from them, 2 it cannot."""
    said = (line.amount, line.billed)
    if billed(group, row, line.actual) == said:
        return 0
    shown = replace(
        group,
        schedules=tuple(
            line.schedule if each.schedule_id == line.schedule.schedule_id else each for each in group.schedules
        ),
    )
    left_out = [dict(row) | {"allowance_rule": "ignored"}, dict(row) | {"lone_bounds": "ignored"}]
    is_departure = billed(shown, row, line.actual) == said or any(
        billed(group, each, line.actual) == said for each in left_out
    )
    return 1 if is_departure else 2
