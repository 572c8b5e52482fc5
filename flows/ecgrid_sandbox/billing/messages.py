"""The messages behind an account's traffic of a month: what the statistics of other shapes add up.

They are drawn by the world's seed and add up to TrafficAll (`traffic.month_flows`). Beside them are messages that do
not count: duplicates, and those that the partner pays.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from random import Random
from typing import Literal

from ecgrid_sandbox.billing.books import Books
from ecgrid_sandbox.billing.documents import Account
from ecgrid_sandbox.billing.traffic import Flow, month_flows, pieces
from ecgrid_transforms.money import Decimal
from ecgrid_transforms.period import next_month

#: Numeric states (facts 9): charge sender, charge receiver, duplicate.
SENDER, RECEIVER, DUPLICATE = 4001, 4002, 1403
PARTNERS = ("ZZ*ACME & Søn", "01*005555555", "14;5790000000012")
Side = Literal["in", "out"]
MEASURES = {"ToTrans", "FromTrans", "TotalTrans", "ToKCs", "FromKCs", "TotalKCs"}


@dataclass(frozen=True, slots=True)
class Message:
    """One interchange: its day, side from the account's view, partner, state, bytes, and the parcel that held it.

    `count` is 0 for bytes of a month without interchanges.
    """

    day: date
    side: Side
    partner: str
    state: int
    size: int
    parcel: int
    count: int = 1

    @property
    def counts(self) -> bool:
        """Whether the account is to be billed for it."""
        return self.state == (RECEIVER if self.side == "in" else SENDER)


def messages(books: Books, account: Account, month: date) -> Iterator[Message]:
    """The month's messages of an account; those that count add up to its TrafficAll."""
    flow = month_flows(books, account, month)["TrafficAll"]
    if flow.is_none:
        return
    rng = Random(f"messages {books.world.seed} {account} {month}")
    days = [month + timedelta(days=day) for day in range((next_month(month) - month).days)]
    weights = [rng.randint(3, 9) if day.weekday() < 5 else rng.randint(0, 1) for day in days]
    sides: tuple[tuple[Side, int, Decimal, int], ...] = (
        ("in", flow.to_trans, flow.to_kcs, RECEIVER),
        ("out", flow.from_trans, flow.from_kcs, SENDER),
    )
    for side, count, kcs, state in sides:
        sizes = pieces(int(kcs * 1000), [rng.randint(1, 40) for _ in range(max(count, 1))])
        whens = rng.choices(days, weights, k=len(sizes))
        for place, (size, day) in enumerate(zip(sizes, sorted(whens), strict=True)):
            yield Message(day, side, rng.choice(PARTNERS), state, size, place // 3, min(count, 1))
        other = SENDER if state == RECEIVER else RECEIVER
        for place in range(rng.randint(2, 6)):
            yield Message(rng.choice(days), side, rng.choice(PARTNERS), other, rng.randint(900, 9000), -1 - place)
        for place in range(rng.randint(7, 12)):  # more than the others, so that a count tells which were billed
            yield Message(rng.choice(days), side, PARTNERS[0], DUPLICATE, rng.randint(900, 9000), -11 - place)


def kcs_up(sizes: Iterable[int]) -> int:
    """KCs of 1,000 bytes, each rounded up."""
    return sum(-(-size // 1000) for size in sizes)


def billed_flow(books: Books, account: Account, month: date) -> Flow:
    """TrafficAll as the meter counts it, with its planted errors (`Metering`)."""
    every = list(messages(books, account, month))
    return _metered(books, account, [one for one in every if one.counts or _errs(books, account, month, one)])


def counted_kcs(books: Books, account: Account, month: date) -> tuple[Decimal, Decimal]:
    """KCs to and from the account, as its network's meter rounds them, of what is to be billed."""
    flow = _metered(books, account, [one for one in messages(books, account, month) if one.counts])
    return flow.to_kcs, flow.from_kcs


def _metered(books: Books, account: Account, billed: Sequence[Message]) -> Flow:
    metering, network = books.world.metering, account[0]
    trans, kcs = {"in": 0, "out": 0}, {"in": Decimal(0), "out": Decimal(0)}
    for one in billed:
        trans[one.side] += one.count
        kcs[one.side] += kcs_up([one.size]) if network in metering.rounded_up else Decimal(one.size) / 1000
    if network in metering.by_1024:
        kcs = {side: (size * 1000 / 1024).quantize(Decimal("0.001")) for side, size in kcs.items()}
    return Flow(trans["in"], trans["out"], kcs["in"], kcs["out"])


def _errs(books: Books, account: Account, month: date, one: Message) -> bool:
    metering = books.world.metering
    if month != books.world.last_month:
        return False
    if one.state == DUPLICATE:
        return account in metering.duplicates_billed
    return account in metering.partners_billed and not one.counts


def quantity_of(flow: Flow, measure: str) -> Decimal:
    """A flow's quantity of a measure, as `ToKCs`."""
    return {
        "ToTrans": Decimal(flow.to_trans),
        "FromTrans": Decimal(flow.from_trans),
        "TotalTrans": Decimal(flow.total_trans),
        "ToKCs": flow.to_kcs,
        "FromKCs": flow.from_kcs,
        "TotalKCs": flow.total_kcs,
    }[measure]
