"""A naive pricer: what a quantity costs on a ladder of tiers under one reading, in plain fractions.

Written from CONTRACT's words about `quote` and from nothing else; it shares no code with the SQL that rates billed
lines, so that agreement between the two proves something. It is slow and simple on purpose: every number is a
`Fraction` until the last line, so nothing is rounded but what the reading says.

Order of work: the allowance and the rounding to blocks (in the order the reading names), the choice of the tier, the
price of each slice, the flat fees, the rounding of the line.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import floor
from typing import Literal

from ecgrid_transforms.money import ONE, ZERO, Decimal

Model = Literal["unit", "volume", "graduated", "stairstep", "stacked_flat"]
Blocks = Literal["up", "down", "nearest", "none"]
Bound = Literal["inclusive", "exclusive"]
Scope = Literal["quantity", "tier"]
RatePer = Literal["block", "unit"]
AllowanceRule = Literal["before_blocks", "after_blocks", "free_tier"]
Rounding = Literal["half_up", "half_even", "up", "down", "none"]


class Unpriceable(ValueError):
    """There is no price: malformed tiers, a quantity past a bounded last tier, or a negative quantity."""


@dataclass(frozen=True, slots=True)
class Tier:
    """One step of a ladder. `maximum` is the running upper bound of the step; None leaves the last step open."""

    minimum: Decimal
    maximum: Decimal | None
    rate: Decimal
    flat: Decimal = ZERO
    block: Decimal = ONE


@dataclass(frozen=True, slots=True)
class Reading:
    """How a ladder is meant. The defaults are CONTRACT's."""

    model: Model = "unit"
    upper_bound: Bound = "inclusive"
    blocks: Blocks = "up"
    block_scope: Scope = "quantity"
    rate_per: RatePer = "block"
    allowance: AllowanceRule = "before_blocks"
    zero_pays_flat: bool = False
    rounding: Rounding = "none"
    scale: int = 2


@dataclass(frozen=True, slots=True)
class Slice:
    """What one tier bills: tier 0 is the allowance as a free tier. `quantity` is in units, after rounding to blocks."""

    tier: int
    quantity: Fraction
    blocks: Fraction
    amount: Fraction


@dataclass(frozen=True, slots=True)
class Priced:
    """A price with the slices it was made of; `units` and `blocks` are what was billed."""

    amount: Decimal
    tier: int
    units: Fraction
    blocks: Fraction
    slices: tuple[Slice, ...]


def price(quantity: Decimal, allowance: Decimal, tiers: Sequence[Tier], reading: Reading) -> Decimal:
    """What `quantity` costs; raises `Unpriceable`, never a guess."""
    return priced(quantity, allowance, tiers, reading).amount


def priced(quantity: Decimal, allowance: Decimal, tiers: Sequence[Tier], reading: Reading) -> Priced:
    """As `price`, with tier, billed quantity and slices."""
    well_formed(tiers)
    if quantity < 0:
        raise Unpriceable(f"a quantity of {quantity} is negative")
    if allowance < 0:
        raise Unpriceable(f"an allowance of {allowance} is negative")
    asked, free = Fraction(quantity), Fraction(allowance)
    first_block = Fraction(tiers[0].block)
    if reading.block_scope == "quantity":
        if reading.allowance == "before_blocks":
            asked = in_blocks(max(asked - free, Fraction(0)), first_block, reading.blocks) * _unit(first_block)
        else:
            asked = in_blocks(asked, first_block, reading.blocks) * _unit(first_block)
            if reading.allowance == "after_blocks":
                asked = max(asked - free, Fraction(0))
    elif reading.allowance == "before_blocks":
        asked = max(asked - free, Fraction(0))
    shift = free if reading.allowance == "free_tier" else Fraction(0)
    return _rated(asked, free, shift, tiers, reading)


def _rated(asked: Fraction, free: Fraction, shift: Fraction, tiers: Sequence[Tier], reading: Reading) -> Priced:
    """The price of a quantity whose allowance is dealt with, but for the two rules that need the tiers for it."""
    bounds = [None if tier.maximum is None else Fraction(tier.maximum) + shift for tier in tiers]
    if asked == 0:
        flat = Fraction(tiers[0].flat) if reading.zero_pays_flat else Fraction(0)
        return Priced(rounded(flat, reading), 1, Fraction(0), Fraction(0), ())

    def within(bound: Fraction) -> bool:
        return asked <= bound if reading.upper_bound == "inclusive" else asked < bound

    if shift > 0 and within(shift):
        return Priced(rounded(Fraction(0), reading), 0, Fraction(0), Fraction(0), (_free_slice(asked),))
    reached = next((i for i, bound in enumerate(bounds) if bound is None or within(bound)), None)
    if reached is None:
        raise Unpriceable(f"the quantity is past the last tier, which ends at {tiers[-1].maximum}")

    parts: list[tuple[int, Fraction]]
    slices = [_free_slice(shift)] if shift > 0 and reading.model not in ("volume",) else []
    if reading.model in ("unit", "volume"):
        place = 0 if reading.model == "unit" else reached
        parts = [(place, asked - shift if reading.model == "unit" else asked)]
    elif reading.model == "graduated":
        parts, below = [], shift
        for place in range(reached + 1):
            bound = bounds[place]
            top = asked if bound is None else min(asked, bound)
            parts.append((place, top - below))
            below = top
    elif reading.model == "stairstep":
        parts = [(reached, asked - shift)]
    else:
        parts = [(place, Fraction(0)) for place in range(reached)] + [(reached, asked - shift)]

    left = free if reading.block_scope == "tier" and reading.allowance == "after_blocks" else Fraction(0)
    for place, quantity in parts:
        tier = tiers[place]
        block = _unit(Fraction(tier.block))
        blocks = quantity / block
        if reading.block_scope == "tier":
            blocks = in_blocks(quantity, Fraction(tier.block), reading.blocks)
            taken = min(left, blocks * block)
            left -= taken
            blocks -= taken / block
        each = Fraction(tier.rate) if reading.rate_per == "block" else Fraction(tier.rate) * block
        amount = Fraction(tier.flat)
        if reading.model not in ("stairstep", "stacked_flat"):
            amount += blocks * each
        slices.append(Slice(place + 1, blocks * block, blocks, amount))
    total = sum((part.amount for part in slices), Fraction(0))
    return Priced(
        rounded(total, reading),
        reached + 1,
        sum((part.quantity for part in slices if part.tier), Fraction(0)),
        sum((part.blocks for part in slices if part.tier), Fraction(0)),
        tuple(slices),
    )


def _free_slice(quantity: Fraction) -> Slice:
    return Slice(0, quantity, Fraction(0), Fraction(0))


def _unit(block: Fraction) -> Fraction:
    """A block of 0 is no block: each unit stands for itself."""
    return block if block > 0 else Fraction(1)


def in_blocks(quantity: Fraction, block: Fraction, rule: Blocks) -> Fraction:
    """How many blocks `quantity` is, rounded as the rule says (`nearest`: a half up). A block of 0 rounds nothing."""
    if block == 0:
        return quantity
    exact = quantity / block
    if rule == "none":
        return exact
    if rule == "down":
        return Fraction(floor(exact))
    if rule == "nearest":
        return Fraction(floor(exact + Fraction(1, 2)))
    return Fraction(-floor(-exact))


def well_formed(tiers: Sequence[Tier]) -> None:
    """Raises `Unpriceable` unless the tiers follow each other without gap or overlap, in order.

    A tier begins where the one before ends, or, where both bounds are whole numbers, at the next whole number: 0–1200
    is followed by 1200 or by 1201. The first begins at 0 (or 1, in whole numbers). Only the last may be open.
    """
    if not tiers:
        raise Unpriceable("there are no tiers")
    end = Decimal(0)
    for number, tier in enumerate(tiers, start=1):
        if tier.block < 0:
            raise Unpriceable(f"tier {number}: a block of {tier.block} is negative")
        whole = tier.minimum == tier.minimum.to_integral_value() and end == end.to_integral_value()
        if tier.minimum < 0 or tier.minimum < end:
            raise Unpriceable(f"tier {number} begins at {tier.minimum}, inside the one before, which ends at {end}")
        if tier.minimum > end and not (whole and tier.minimum == end + 1):
            raise Unpriceable(f"tier {number} begins at {tier.minimum}, past the end of the one before, {end}")
        if tier.maximum is None:
            if number < len(tiers):
                raise Unpriceable(f"tier {number} is open, but is not the last")
            return
        if tier.maximum <= end or tier.maximum < tier.minimum:
            raise Unpriceable(f"tier {number} ends at {tier.maximum}, which is not past where it begins")
        end = tier.maximum


def rounded(amount: Fraction, reading: Reading) -> Decimal:
    """The line's amount, rounded as the reading says. `up` is away from zero, `down` toward it.

    `none` keeps the amount exact; one that no decimal spells (a third of a block) is given to 20 decimals.
    """
    scale = 20 if reading.rounding == "none" else reading.scale
    scaled = abs(amount) * 10**scale
    whole = floor(scaled)
    rest = scaled - whole
    half = Fraction(1, 2)
    if (
        (reading.rounding == "up" and rest > 0)
        or (reading.rounding in ("half_up", "none") and rest >= half)
        or (reading.rounding == "half_even" and (rest > half or (rest == half and whole % 2 == 1)))
    ):
        whole += 1
    if reading.rounding == "none":
        while scale and whole % 10 == 0:  # zeros that are no digits of the amount
            whole, scale = whole // 10, scale - 1
    # from digits, not by arithmetic: the default context would round past 28 of them
    return Decimal((1 if amount < 0 and whole else 0, tuple(int(digit) for digit in str(whole)), -scale))
