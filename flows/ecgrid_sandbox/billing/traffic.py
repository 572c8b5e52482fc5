"""The traffic behind the bills: what each account sent and received, consistent with every billed quantity.

A price list bills some measures of some reports; those quantities are given (`World.use`), the rest is drawn by the
world's seed to fit: TrafficAll is the sum of intra-network, inter-ECGrid and off-network traffic, Total is To plus
From, and the days of a month add up to the month. KCs are bytes / 1000.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from random import Random

from ecgrid_sandbox.billing.books import Books
from ecgrid_sandbox.billing.documents import Account
from ecgrid_transforms.money import ZERO, Decimal
from ecgrid_transforms.period import next_month

PARTS = ("TrafficIntraNetwork", "TrafficInterECGrid", "TrafficOffNetwork")
REPORTS = ("TrafficAll", *PARTS, "TrafficSpecial")
_BYTE = Decimal("0.001")


@dataclass(frozen=True, slots=True)
class Flow:
    """Traffic of one report: transactions and KCs to and from the account."""

    to_trans: int = 0
    from_trans: int = 0
    to_kcs: Decimal = ZERO
    from_kcs: Decimal = ZERO

    @property
    def is_none(self) -> bool:
        return not (self.to_trans or self.from_trans or self.to_kcs or self.from_kcs)

    @property
    def total_trans(self) -> int:
        return self.to_trans + self.from_trans

    @property
    def total_kcs(self) -> Decimal:
        return self.to_kcs + self.from_kcs

    def __add__(self, other: "Flow") -> "Flow":
        return Flow(
            self.to_trans + other.to_trans,
            self.from_trans + other.from_trans,
            self.to_kcs + other.to_kcs,
            self.from_kcs + other.from_kcs,
        )

    def cut(self, weights: list[int]) -> "list[Flow]":
        """The flow divided in proportion to the weights, in whole transactions and bytes."""
        numbers = [
            pieces(value, weights)
            for value in (self.to_trans, self.from_trans, int(self.to_kcs * 1000), int(self.from_kcs * 1000))
        ]
        return [Flow(to, back, into * _BYTE, out * _BYTE) for to, back, into, out in zip(*numbers, strict=True)]


def month_flows(books: Books, account: Account, month: date) -> Mapping[str, Flow]:
    """Traffic of an account in a month, by account report."""
    world = books.world
    if month not in world.months:
        return dict.fromkeys(REPORTS, Flow())
    rng = Random(f"traffic {world.seed} {account} {world.months.index(month)}")
    given = {pair: books.quantity(account, month, pair) for pair in world.use.get(account, {}) if pair[0] in REPORTS}
    given |= {
        pair: series[world.months.index(month)]
        for pair, series in world.true_use.get(account, {}).items()
        if pair[0] in REPORTS
    }
    if given and not any(given.values()):
        return dict.fromkeys(REPORTS, Flow())
    trans = _dimension(given, "Trans", rng, Decimal(1), rng.randint(80, 900))
    kcs = _dimension(given, "KCs", rng, _BYTE, rng.randint(150, 2000))
    return {
        report: Flow(int(trans[report][0]), int(trans[report][1]), kcs[report][0], kcs[report][1]) for report in REPORTS
    }


def _dimension(
    given: Mapping[tuple[str, str], Decimal], unit: str, rng: Random, step: Decimal, usual: int
) -> dict[str, tuple[Decimal, Decimal]]:
    """To and From of each report in one unit: given ones as they are, the rest drawn."""

    def ends(report: str, otherwise: int) -> tuple[Decimal, Decimal]:
        both = given.get((report, f"Total{unit}"))
        to, back = given.get((report, f"To{unit}")), given.get((report, f"From{unit}"))
        if both is not None:
            to = _share(both, rng, step) if to is None else to
            return to, both - to
        drawn = [_drawn(rng, otherwise, step), _drawn(rng, otherwise, step)]
        return drawn[0] if to is None else to, drawn[1] if back is None else back

    found = {"TrafficSpecial": ends("TrafficSpecial", max(usual // 8, 1))}
    if any(("TrafficAll", f"{end}{unit}") in given for end in ("To", "From", "Total")):
        to, back = ends("TrafficAll", usual)
        for part in PARTS[:-1]:
            piece = _share(to, rng, step), _share(back, rng, step)
            found[part] = piece
            to, back = to - piece[0], back - piece[1]
        found[PARTS[-1]] = to, back
    else:
        for part in PARTS:
            found[part] = ends(part, max(usual // 3, 1))
    found["TrafficAll"] = (
        sum((found[part][0] for part in PARTS), ZERO),
        sum((found[part][1] for part in PARTS), ZERO),
    )
    return found


def _share(whole: Decimal, rng: Random, step: Decimal) -> Decimal:
    """Between a fifth and four fifths of a quantity, in whole steps."""
    return _stepped(whole * rng.randint(20, 80) / 100, step)


def _drawn(rng: Random, usual: int, step: Decimal) -> Decimal:
    return _stepped(Decimal(usual) * rng.randint(400, 1600) / 1000 + _BYTE * rng.randint(0, 999), step)


def _stepped(value: Decimal, step: Decimal) -> Decimal:
    return Decimal(int(value)) if step == 1 else value.quantize(_BYTE)


def day_flows(books: Books, account: Account, month: date) -> Iterator[tuple[date, Flow]]:
    """TrafficAll of each day of a month; the days add up to the month."""
    whole = month_flows(books, account, month)["TrafficAll"]
    if whole.is_none:
        return
    days = (next_month(month) - month).days
    rng = Random(f"days {books.world.seed} {account} {month.month}")
    weights = [
        rng.randint(2, 9) if (month + timedelta(days=day)).weekday() < 5 else rng.randint(0, 2) for day in range(days)
    ]
    for day, part in enumerate(whole.cut(weights)):
        yield month + timedelta(days=day), part


def pieces(whole: int, weights: list[int]) -> list[int]:
    """`whole` divided in proportion to the weights, in whole numbers that add up to it."""
    total = sum(weights)
    made, before, passed = [], 0, 0
    for weight in weights:
        passed += weight
        upto = whole * passed // total
        made.append(upto - before)
        before = upto
    return made
