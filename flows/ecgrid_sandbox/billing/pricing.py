"""A naive pricer: what a quantity costs on a ladder of tiers under one reading, in exact fractions.

Written only from CONTRACT's description of `quote`; it shares no code with the SQL that rates billed lines, so that
agreement between the two is evidence. It is simple on purpose: quantities are whole numbers of the smallest decimal
that occurs, amounts are `Fraction`s, so rounding happens only where the reading requires it.

Order: the allowance and the rounding to blocks (in the order that the reading names), the choice of the tier, the
price of each slice, the flat fees, the rounding of the line.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import Literal

from ecgrid_transforms.money import ONE, ZERO, Decimal

Model = Literal["unit", "volume", "graduated", "stairstep", "stacked_flat"]
Blocks = Literal["up", "down", "nearest", "none"]
Bound = Literal["inclusive", "exclusive"]
Scope = Literal["quantity", "tier"]
RatePer = Literal["block", "unit"]
AllowanceRule = Literal["before_blocks", "after_blocks", "free_tier"]
Rounding = Literal[
    "half_up", "half_even", "up", "down", "none", "half_up_slices", "half_even_slices", "up_slices", "down_slices"
]


class Unpriceable(ValueError):
    """No price exists: malformed tiers, a quantity past a bounded last tier, or a negative quantity."""


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
    """The interpretation of a ladder. The defaults are CONTRACT's. `up_slices` rounds each slice before adding."""

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
    """What one tier bills; tier 0 is the allowance as a free tier. `parts` counts the smallest parts, of which a unit
    has `one` and a block `block`."""

    tier: int
    parts: int
    one: int
    block: int
    amount: Fraction

    @property
    def quantity(self) -> Fraction:
        """Units, after rounding to blocks."""
        return Fraction(self.parts, self.one)

    @property
    def blocks(self) -> Fraction:
        return Fraction(self.parts, self.block)


@dataclass(frozen=True, slots=True)
class Priced:
    """A price with its slices. `tier` is the one that holds the quantity, 0 the free one; for quantity 0 the first."""

    amount: Decimal
    tier: int
    slices: tuple[Slice, ...]

    @property
    def units(self) -> Fraction:
        """Units billed; those in a free tier are not billed."""
        billed = [part.quantity for part in self.slices if part.tier]
        return billed[0] if len(billed) == 1 else sum(billed, Fraction(0))

    @property
    def blocks(self) -> Fraction:
        """Blocks billed."""
        billed = [part.blocks for part in self.slices if part.tier]
        return billed[0] if len(billed) == 1 else sum(billed, Fraction(0))


def price(quantity: Decimal, allowance: Decimal, tiers: Sequence[Tier], reading: Reading) -> Decimal:
    """The price of `quantity`; raises `Unpriceable`."""
    return priced(quantity, allowance, tiers, reading).amount


def priced(quantity: Decimal, allowance: Decimal, tiers: Sequence[Tier], reading: Reading) -> Priced:
    """As `price`, with tier, billed quantity and slices."""
    digits = _ladder_digits(tuple(tiers))
    if quantity < 0:
        raise Unpriceable(f"a quantity of {quantity} is negative")
    if allowance < 0:
        raise Unpriceable(f"an allowance of {allowance} is negative")
    one = 10 ** max(digits, _decimals(quantity), _decimals(allowance))
    asked, free = _parts(quantity, one), _parts(allowance, one)
    if reading.allowance == "before_blocks":
        asked = max(asked - free, 0)
    if reading.block_scope == "quantity":
        asked = _to_blocks(asked, _parts(tiers[0].block, one), reading.blocks)
        if reading.allowance == "after_blocks":
            asked = max(asked - free, 0)
    return _rated(asked, free, one, tiers, reading)


@lru_cache(maxsize=256)
def _ladder_digits(tiers: tuple[Tier, ...]) -> int:
    """Decimals of the bounds and blocks of well-formed tiers; cached, as a ladder prices many quantities in a row."""
    well_formed(tiers)
    maxima = [tier.maximum for tier in tiers if tier.maximum is not None]
    return max(_decimals(value) for value in (*maxima, *(tier.block for tier in tiers)))


def _rated(asked: int, free: int, one: int, tiers: Sequence[Tier], reading: Reading) -> Priced:
    """The price of a quantity after its allowance, except for the two allowance rules that need the tiers.

    `one` is the number of parts in a unit.
    """
    shift = free if reading.allowance == "free_tier" else 0
    if asked == 0:
        # with a free tier in front, that is the first tier, and its flat is 0
        pays_flat = reading.zero_pays_flat and not shift
        return Priced(rounded(Fraction(tiers[0].flat) if pays_flat else Fraction(0), reading), 1, ())
    bounds = [None if tier.maximum is None else _parts(tier.maximum, one) + shift for tier in tiers]
    inclusive = reading.upper_bound == "inclusive"

    def within(bound: int) -> bool:
        return asked <= bound if inclusive else asked < bound

    if shift and within(shift):
        return Priced(rounded(Fraction(0), reading), 0, (_free_slice(asked, one),))
    reached = next((place for place, bound in enumerate(bounds) if bound is None or within(bound)), None)
    if reached is None:
        raise Unpriceable(f"the quantity is past the last tier, which ends at {tiers[-1].maximum}")

    # (tier, quantity in it): whole, by slices, or for display only under the flat models
    if reading.model == "unit":
        parts = [(0, asked - shift)]
    elif reading.model in ("volume", "stairstep"):
        parts = [(reached, asked)]
    else:
        parts, below = [], shift
        for place in range(reached + 1):
            bound = bounds[place]
            top = asked if bound is None else min(asked, bound)
            parts.append((place, top - below))
            below = top

    slices = [_free_slice(shift, one)] if shift and reading.model not in ("volume", "stairstep") else []
    left = free if reading.block_scope == "tier" and reading.allowance == "after_blocks" else 0
    for place, quantity in parts:
        tier = tiers[place]
        block = _parts(tier.block, one) or one
        if reading.block_scope == "tier":
            quantity = _to_blocks(quantity, _parts(tier.block, one), reading.blocks)
            taken = min(left, quantity)
            left -= taken
            quantity -= taken
        amount = _exact(tier.flat)
        if reading.model not in ("stairstep", "stacked_flat") and quantity:
            each = _exact(tier.rate) * Fraction(quantity, block if reading.rate_per == "block" else one)
            amount = amount + each if amount else each
        if reading.rounding.endswith("_slices"):
            amount = Fraction(rounded(amount, reading))
        slices.append(Slice(place + 1, quantity, one, block, amount))
    total = slices[0].amount if len(slices) == 1 else sum((part.amount for part in slices), Fraction(0))
    return Priced(rounded(total, reading), reached + 1, tuple(slices))


@lru_cache(maxsize=1024)
def _exact(value: Decimal) -> Fraction:
    return Fraction(value)


def _free_slice(quantity: int, one: int) -> Slice:
    return Slice(0, quantity, one, one, Fraction(0))


def _decimals(value: Decimal) -> int:
    exponent = value.as_tuple().exponent
    assert isinstance(exponent, int)  # finite
    return max(-exponent, 0)


def _parts(value: Decimal, one: int) -> int:
    """A quantity in parts, of which a unit has `one`."""
    top, bottom = value.as_integer_ratio()
    return top * one // bottom


def _to_blocks(quantity: int, block: int, rule: Blocks) -> int:
    """A quantity rounded to whole blocks by the rule (`nearest`: a half up). A block of 0 rounds nothing."""
    if block == 0 or rule == "none":
        return quantity
    if rule == "down":
        return quantity // block * block
    if rule == "nearest":
        return (2 * quantity + block) // (2 * block) * block
    return -(-quantity // block) * block


def well_formed(tiers: Sequence[Tier]) -> None:
    """Raises `Unpriceable` unless the tiers are in order, without gap or overlap.

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
    """The line's amount, rounded by the reading. `up` is away from zero, `down` toward it.

    `none` keeps the amount exact; one that no decimal equals (a third of a block) has 20 decimals.
    """
    exact = reading.rounding == "none"
    mode = reading.rounding.removesuffix("_slices")
    scale = 20 if exact else reading.scale
    top, bottom = abs(amount.numerator), amount.denominator
    whole, rest = divmod(top * 10**scale, bottom)
    if (
        (mode == "up" and rest > 0)
        or (mode in ("half_up", "none") and 2 * rest >= bottom)
        or (mode == "half_even" and (2 * rest > bottom or (2 * rest == bottom and whole % 2 == 1)))
    ):
        whole += 1
    while exact and scale and whole % 10 == 0:  # trailing zeros are not digits of the amount
        whole, scale = whole // 10, scale - 1
    if whole < 10**28:
        return Decimal(-whole if amount < 0 else whole).scaleb(-scale)
    # from digits, not by arithmetic: the default context would round past 28 of them
    return Decimal((1 if amount < 0 and whole else 0, tuple(int(digit) for digit in str(whole)), -scale))
