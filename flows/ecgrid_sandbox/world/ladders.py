"""Groups of schedules, and use that decides their meaning.

A meaning can be inferred from a month's lines only where other meanings would have billed them differently. So in every
month the accounts of a group have quantities at which readings differ: zero, below the allowance, exactly on each bound
and one step past it, at fractions of a block, in the middle of each tier, and where the amount is a tie between two
cents. The other accounts grow from month to month; errors are planted on those.
"""

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from random import Random

from ecgrid_sandbox.billing.pricing import Unpriceable, priced
from ecgrid_sandbox.world.model import Group, Meaning, Schedule
from ecgrid_transforms.money import ZERO, Decimal

Series = tuple[Decimal, ...]


def group(
    report: str,
    measure: str,
    meaning: Meaning,
    steps: Sequence[tuple[int, str]],
    *,
    first_id: int,
    first_catalog: int,
    allowance: str = "0",
    block: str = "0",
    minimum: int = 0,
    level: str | None = None,
    level_name: str | None = None,
    description: str | None = None,
    taxable: bool = False,
    specified_network_id: int = 0,
    limited_months: int = 0,
    former_rate: str | None = None,
    why_undecidable: str = "",
) -> Group:
    """A group from its steps (Maximum, Rate); Maximum 0 is open. A single step is a lone schedule, not a ladder.

    Levels are Tier1, Tier2, … on a ladder and General for a lone schedule, unless `level` is given.
    """
    schedules: list[Schedule] = []
    lower = minimum
    for number, (maximum, rate) in enumerate(steps, start=1):
        if len(steps) == 1:
            its_level, name = level or "General", level_name or "Basic"
            words = description or f"{report} {measure}"
        else:
            its_level, name = f"Tier{number}", f"Tier {number}"
            span = f"{lower}–{maximum}" if maximum else f"{lower}+"
            words = f"{report}/{measure} — step {number} ({span})"
        schedules.append(
            Schedule(
                schedule_id=first_id + number - 1,
                level=its_level,
                level_name=name,
                allowance=Decimal(allowance),
                minimum=lower,
                maximum=maximum,
                block=Decimal(block),
                rate=Decimal(rate),
                catalog_id=first_catalog + number - 1,
                description=words,
                report=report,
                measure=measure,
                specified_network_id=specified_network_id,
                include_root_mailbox=True,
                limited_months=limited_months,
            )
        )
        lower = maximum + 1
    return Group(
        report,
        measure,
        meaning,
        tuple(schedules),
        is_taxable=taxable,
        former_rate=None if former_rate is None else Decimal(former_rate),
        decidable=not why_undecidable,
        why=why_undecidable,
    )


def step_of(measure: str) -> Decimal:
    """The smallest difference between two quantities of a measure: KCs have three decimals (bytes), the rest none."""
    return Decimal("0.001") if measure.endswith("KCs") else Decimal(1)


def fixed(count: int, months: int) -> list[Series]:
    """A quantity of 1 in every month, for each account."""
    return [(Decimal(1),) * months] * count


def use(
    telling: Sequence[Series],
    measure: str,
    rng: Random,
    *,
    accounts: int,
    months: int,
    low: int,
    high: int,
    avoid: tuple[int, int] | None = None,
) -> list[Series]:
    """The quantities of `accounts` accounts over the months: the telling ones first, then growing ones.

    Growing ones start between `low` and `high`. `avoid` is a pair of bounds between which no quantity may be.
    Raises `ValueError` when there are fewer accounts than telling series plus two.
    """
    series = [values for values in telling if not any(_between(value, avoid) for value in values)]
    if accounts < len(series) + 2:
        raise ValueError(f"{measure} needs {len(series) + 2} accounts, not {accounts}")
    step = step_of(measure)
    while len(series) < accounts:
        start, growth = rng.randint(low, high), 100 + rng.randint(2, 9)
        grown = tuple(
            _stepped(Decimal(start) * growth**month / 100**month, step)
            + (Decimal(rng.randint(1, 999)).scaleb(-3) if step < 1 else ZERO)
            for month in range(months)
        )
        if not any(_between(value, avoid) for value in grown):
            series.append(grown)
    return series


def varied(series: Series, measure: str, rng: Random) -> Series:
    """The series with each month off by a spread of its own, 3 to 25 per cent, and a season of up to 10 per cent."""
    step, spread, season, phase = step_of(measure), rng.randint(3, 25), rng.randint(0, 10), rng.randint(0, 11)
    made = []
    for month, value in enumerate(series):
        # a sum of three dice is near enough to a bell; the season is a triangle of twelve months
        noise = sum(rng.randint(-100, 100) for _ in range(3)) * spread
        swing = (abs((month + phase) % 12 - 6) * 2 - 6) * season
        made.append(max(_stepped(value * (Decimal(10_000 + noise) / 10_000 + Decimal(swing) / 600), step), step))
    return tuple(made)


def _between(value: Decimal, avoid: tuple[int, int] | None) -> bool:
    return avoid is not None and avoid[0] < value < avoid[1]


def telling_series(group: Group, months: int) -> list[Series]:
    """Quantities at which readings differ, one series per account; each decides something in every month."""
    first = group.schedules[0]
    step = step_of(group.measure)
    allowance = first.allowance
    block = first.block or Decimal(1)
    bounds = [Decimal(schedule.maximum) for schedule in group.schedules if schedule.maximum]
    lone = len(group.schedules) == 1
    made: list[Series] = []

    def add(*values: Decimal) -> None:
        stepped = tuple(_stepped(value, step) for value in values)
        if stepped not in made:
            made.append(stepped)

    def steady(value: Decimal) -> None:
        add(*([value] * months))

    if not group.meaning.floor_and_cap:
        add(*([ZERO] * months))
    if allowance:
        add(*(allowance * (3 + month % 6) / 10 for month in range(months)))
        steady(allowance)
        add(*(allowance + block * (1 + month) + step for month in range(months)))
    if group.meaning.floor_and_cap:
        floor, cap = Decimal(first.minimum), Decimal(first.maximum)
        for share in (2, 4, 7):
            add(*(max(floor * share / 10 + month % 2, step) for month in range(months)))
        steady(floor)
        steady(floor + step)
        if cap:
            steady(cap)
            add(*(cap + 1 + cap * (month + 1) / 10 for month in range(months)))
            add(*(cap * 2 + month for month in range(months)))
    elif not lone:
        for bound in bounds:
            steady(allowance + bound)
            steady(allowance + bound + step)
            if allowance:
                steady(bound)
        below = ZERO
        for bound in [*bounds, bounds[-1] * 2]:
            middle = (below + bound) / 2
            add(*(allowance + middle + (bound - below) * month / 20 for month in range(months)))
            below = bound
    if block > step:
        top = bounds[0] if bounds and not lone else block * 60
        blocks_in = max(int(top / block / 3), 1)
        for tenths in (2, 5, 8):
            add(*(allowance + block * (blocks_in + month) + block * tenths / 10 for month in range(months)))
        if not lone:
            past = int(bounds[0] / block) + 2
            add(*(allowance + block * (past + month) + block * 3 / 10 for month in range(months)))
            add(*(allowance + block * (past + month) + block * 7 / 10 for month in range(months)))
    elif step < 1:
        add(*(allowance + 40 + month + Decimal("0.237") for month in range(months)))
        add(*(allowance + 60 + month + Decimal("0.761") for month in range(months)))
    ties: list[Decimal] = []
    while len(ties) < months and (tie := _tie(group, len(ties))) is not None:
        ties.append(tie)
    if len(ties) == months:
        add(*ties)
    return made


def _tie(group: Group, month: int) -> Decimal | None:
    """A quantity whose exact amount is half way between an even cent and the next; None when none is near.

    In each tier it follows the straight line through the first two prices, and calls the pricer only for the candidates
    on it.
    """
    first = group.schedules[0]
    by = first.block or Decimal(1)

    def cents(quantity: Decimal) -> Fraction:
        exact = replace(group.meaning.reading, rounding="none")
        return Fraction(priced(quantity, first.allowance, group.tiers(), exact).amount) * 100

    starts = [first.allowance + by * (7 + 40 * month)]
    if len(group.schedules) > 1:
        starts += [first.allowance + schedule.maximum + by * (3 + 11 * month) for schedule in group.schedules[:-1]]
    for start in starts:
        try:
            at_start = cents(start)
            each = cents(start + by) - at_start
            for count in range(400):
                amount = at_start + each * count
                if amount.denominator == 2 and amount.numerator // 2 % 2 == 0 and cents(start + by * count) == amount:
                    return start + by * count
        except Unpriceable:
            continue
    return None


def _stepped(value: Decimal, step: Decimal) -> Decimal:
    """`value` truncated to the measure's step; whole quantities have no decimals."""
    return Decimal(int(value)) if step == 1 else value.quantize(step)
