"""Small worlds drawn by a seed: one price list, three to five accounts, one to three months, and one kind of trouble.

`generated` has lists whose lines decide their meaning beyond doubt. The lists here have few lines, for which sometimes
only an undecided reading is correct, and errors that repeat on 25, 50, 75 or 100 % of a list's lines. The seed cycles
through `KINDS` and those shares. Every amount is priced by `pricing`, every planted error made by `faults`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from itertools import pairwise
from random import Random
from typing import Any

from ecgrid_sandbox.billing.books import Books
from ecgrid_sandbox.billing.documents import Line
from ecgrid_sandbox.billing.pricing import Model, Reading, Rounding
from ecgrid_sandbox.world import ladders
from ecgrid_sandbox.world.generated import meaning_of
from ecgrid_sandbox.world.model import (
    OPEN_ENDS,
    Contract,
    Facts,
    Group,
    Mailbox,
    Meaning,
    Network,
    Pair,
    Paper,
    Part,
    Percent,
    PlannedError,
    PriceList,
    Target,
    months_back,
)
from ecgrid_transforms.money import Decimal
from ecgrid_transforms.period import next_month

Account = tuple[int, int]

#: Errors that repeat, then changes of the list, then other behaviour of a vendor.
KINDS = (
    *("rate", "rate_of_fee", "block", "allowance", "other_allowance", "bound"),
    *("dated_inside", "dated_after", "edited", "refused", "raised", "raised_unlisted"),
    *("minimum", "percentage", "network_minimum", "open_end", "rounding", "correction", "ladder"),
    "refused_tie",
)
SHARES = (25, 50, 75, 100)
#: Terms of the user's own contract that may differ from the list; drawn by the seeds from `FIRST_OF_PAPERS` on.
PAPER_KINDS = (
    *("paper_rate", "paper_allowance", "paper_block", "paper_tier"),
    *("paper_from", "paper_until", "paper_inside", "paper_refused"),
)
FIRST_OF_PAPERS = 1000
_WITH_HISTORY = frozenset(
    {"dated_inside", "edited", "raised", "raised_unlisted", "correction", "paper_from", "paper_until", "paper_inside"}
)
_TRANS, _KCS, _COUNT = ("TrafficAll", "ToTrans"), ("TrafficOffNetwork", "TotalKCs"), ("Statistics", "ActiveQIDs")
_OLD = date(2020, 1, 1)


def kind_of(seed: int) -> str:
    return PAPER_KINDS[seed % len(PAPER_KINDS)] if seed >= FIRST_OF_PAPERS else KINDS[seed % len(KINDS)]


def share_of(seed: int) -> int:
    """Percentage of a list's lines that have a repeated error."""
    kinds = len(PAPER_KINDS if seed >= FIRST_OF_PAPERS else KINDS)
    return SHARES[(seed + seed // kinds) % len(SHARES)]


@dataclass(slots=True)
class _Plan:
    """The draw of a kind: the list, the series of each counted group (one per account), the PricelistInfo responses,
    and which errors to plant on which share of a group's lines."""

    groups: list[Group] = field(default_factory=list)
    series: dict[Pair, list[tuple[Decimal, ...]]] = field(default_factory=dict)
    dated: date = _OLD
    stated: dict[int, PriceList | None] = field(default_factory=dict)
    refused: bool = False
    fault: tuple[str, Pair, Mapping[str, str]] | None = None
    share: int = 0
    planned_errors: list[PlannedError] = field(default_factory=list)
    papers: list[Paper] = field(default_factory=list)


def facts(seed: int, last_month: date) -> Facts:
    """The small world that `seed` draws; `kind_of` and `share_of` name what is in it."""
    return _Draw(seed, last_month).facts()


class _Draw:
    def __init__(self, seed: int, last_month: date) -> None:
        self.seed = seed
        self.kind = kind_of(seed)
        self.rng = Random(f"small world {seed}")
        count = 3 if self.kind in _WITH_HISTORY else self.rng.choice((1, 1, 2))
        self.months = months_back(last_month, count)
        self.accounts = self.rng.randint(3, 5)
        self.list_id = 500 + self.rng.randint(1, 60)
        self.schedules = 0
        self.is_plain = self.rng.random() < 0.35
        self.word = self.rng.choice(("Tiered", "Stacked"))
        self.rounding = Reading(rounding=self.rng.choice(("half_up", "half_up", "half_even", "up", "down")))
        self.plan = _Plan()

    def facts(self) -> Facts:
        getattr(self, f"_{self.kind}")()
        plan = self.plan
        price_list = PriceList(self.list_id, f"{self.word} {self.list_id}", self.word, plan.dated, tuple(plan.groups))
        if self.kind == "network_minimum":
            bare = self._of_networks(price_list)
        else:
            network = Network(4100, "Small Ltd.", "", self.list_id, 901, "absent")
            boxes = tuple(Mailbox(4200 + number, 4100, f"Box {number}", 0, 901) for number in range(1, self.accounts))
            bare = self._world((network,), boxes, (price_list,), self._use([(4100, 0), *(_of(box) for box in boxes)]))
        stated = {(self.list_id, self.months[at]): answer for at, answer in plan.stated.items()}
        if plan.refused:
            stated = {(self.list_id, month): None for month in self.months}
        bare = replace(bare, stated=stated, papers=tuple(plan.papers))
        return replace(bare, planned_errors=(*plan.planned_errors, *self._faults(bare)))

    def _world(
        self,
        networks: tuple[Network, ...],
        boxes: tuple[Mailbox, ...],
        price_lists: tuple[PriceList, ...],
        use: dict[Account, dict[Pair, tuple[Decimal, ...]]],
    ) -> Facts:
        contract = Contract(901, "Small Ltd.", "C-901", "9999-12-31T00:00:00")
        return Facts(self.seed, self.months[-1], self.months, networks, boxes, price_lists, (contract,), use)

    def _use(self, accounts: Sequence[Account]) -> dict[Account, dict[Pair, tuple[Decimal, ...]]]:
        return {
            account: {pair: series[place] for pair, series in self.plan.series.items()}
            for place, account in enumerate(accounts)
        }

    # -- errors that repeat ----------------------------------------------------------------------------

    def _rate(self) -> None:
        group = self._counted(steps=self.rng.choice((1, 2, 3)))
        times = Decimal(self.rng.choice(("10", "1.2", "1.25", "0.1")))
        self._fault("rate_mismatch", group, shown="rate", times=f"{times}")

    def _rate_of_fee(self) -> None:
        self._counted(steps=1)
        self._fault("rate_mismatch", self.plan.groups[0], shown="rate", times=self.rng.choice(("10", "1.1")))

    def _block(self) -> None:
        block = self.rng.choice((10, 50, 100, 1000))
        group = self._counted(steps=1, block=f"{block}")
        self._fault("quantity_mismatch", group, shown="block", times=self.rng.choice(("0.1", "10", "2")))

    def _allowance(self) -> None:
        group = self._counted(steps=self.rng.choice((1, 2, 3)), allowance=self.rng.choice(("40", "100", "130")))
        self._fault("allowance_not_applied", group)

    def _other_allowance(self) -> None:
        group = self._counted(steps=1, allowance=self.rng.choice(("50", "100", "130")))
        self._fault("terms_differ", group, shown="allowance", times=self.rng.choice(("0.4", "0.5", "2")))

    def _bound(self) -> None:
        rng = self.rng
        low, high = rng.randint(10, 30), rng.choice((0, rng.randint(150, 250)))
        self._fee()
        meaning = Meaning(self._reading("unit"), floor_and_cap=True)
        group = self._add(_COUNT, meaning, [(high, f"{rng.randint(81, 299)}.0000")], minimum=low)
        spans = [(0, low - 1), (low - 1, high or 90)] + ([(high, high * 2)] if high else [])
        self._series(group, [spans[at % len(spans)] for at in range(self.accounts)])
        self._fault("bound_ignored", group)

    def _fault(self, name: str, group: Group, *, shown: str = "", times: str = "1") -> None:
        self.plan.share = share_of(self.seed)
        self.plan.fault = (name, group.pair, {"shown": shown, "times": times} if shown else {})

    def _faults(self, bare: Facts) -> list[PlannedError]:
        """The error on its share of the group's lines that it changes, at least one."""
        if self.plan.fault is None:
            return []
        name, pair, how = self.plan.fault
        books = Books(bare)
        made: list[PlannedError] = []
        for at, month in enumerate(bare.months):
            for account in bare.accounts:
                right = books.bill(account, month).get(pair)
                if right is None:
                    continue
                figures = _figures(right, how)
                planned = PlannedError(
                    name, Target(*account, at, pair), f"{self.kind}, {self.plan.share} %", "the list", figures
                )
                billed = Books(replace(bare, planned_errors=(planned,))).bill(account, month)[pair]
                if billed.amount != right.amount:
                    made.append(planned)
        self.rng.shuffle(made)
        return made[: max(len(made) * self.plan.share // 100, 1)]

    def _ladder(self) -> None:
        """No error, and any meaning of a ladder: few lines decide it, and the rest must stay undecided."""
        self.is_plain = False
        self._counted(steps=self.rng.choice((2, 3)))

    # -- changes of the list -----------------------------------------------------------------------------

    def _raise(self) -> tuple[Group, Group]:
        """A fee and a lone schedule, one of which was cheaper; returns it as it is and as it was."""
        self._counted(steps=1)
        place = self.rng.randrange(2)
        now = self.plan.groups[place]
        rate = (now.schedules[0].rate * 10 / 11).quantize(Decimal("0.01"))
        former = replace(now, schedules=(replace(now.schedules[0], rate=rate),))
        self.plan.groups[place] = replace(now, former_rate=rate)
        return self.plan.groups[place], former

    def _former(self, former: Group) -> PriceList:
        groups = tuple(former if group.pair == former.pair else group for group in self.plan.groups)
        return PriceList(self.list_id, f"{self.word} {self.list_id}", self.word, _OLD, groups)

    def _until(self, group: Group, until: date) -> None:
        self.plan.groups = [
            replace(each, former_until=until) if each.pair == group.pair else each for each in self.plan.groups
        ]

    def _changed(self, group: Group, at: int) -> None:
        self.plan.planned_errors.append(
            PlannedError(
                "price_changed",
                Target(month=at, pair=group.pair, price_list_id=self.list_id),
                f"the rate went from {group.former_rate} to {group.schedules[0].rate}",
                "the lines before and after",
            )
        )

    def _raised(self) -> None:
        """Dated the first of the second or third month; responses before that day have the former rate.

        The month before is read on the 3rd, when the list is already the new one.
        """
        group, former = self._raise()
        at = self.rng.choice((1, 2))
        self.plan.dated = self.months[at]
        self.plan.stated = dict.fromkeys(range(at - 1), self._former(former))
        self._changed(group, at)

    def _raised_unlisted(self) -> None:
        """As `_raised`, but PricelistInfo is refused: only lines show the rates."""
        self._raised()
        self.plan.refused = True

    def _dated_inside(self) -> None:
        """Dated in the middle of the last month, which is billed by the former rate or already by the new one."""
        group, former = self._raise()
        self.plan.dated = self.months[2] + timedelta(days=self.rng.randint(4, 25))
        self.plan.stated = dict.fromkeys(range(2), self._former(former))
        if self.rng.random() < 0.5:
            self._until(group, self.months[2])
        self._changed(group, 2)

    def _dated_after(self) -> None:
        """Dated after the last month: it states nothing about the lines, some of which have an error."""
        group, _ = self._raise()
        self.plan.dated = next_month(self.months[-1]) + timedelta(days=self.rng.choice((0, 1)))
        if self.accounts > 3 and self.rng.random() < 0.5:
            self._fault("rate_mismatch", group, shown="rate", times="1.3")
            self.plan.share = 25

    def _edited(self) -> None:
        """Edited after the last month with its Date kept; earlier responses have the former rate, or none is kept."""
        group, former = self._raise()
        self._until(group, next_month(self.months[2]))
        self.plan.stated = dict.fromkeys(range(2), self._former(former) if self.rng.random() < 0.5 else None)
        self.plan.planned_errors.append(
            PlannedError(
                "terms_differ",
                Target(month=2, pair=group.pair, price_list_id=self.list_id),
                "the list was edited after the month, its Date kept",
                "the reading before, or the lines of two months",
            )
        )

    def _refused(self) -> None:
        """The terms are merely shown; one line in four or five shows another rate."""
        group = self._counted(steps=self.rng.choice((1, 2)))
        self.plan.refused = True
        if len(group.schedules) == 1 and self.accounts > 3:
            self._fault("rate_mismatch", group, shown="rate", times="1.3")
            self.plan.share = 25

    def _refused_tie(self) -> None:
        """The terms are merely shown, and two of four lines show a lower rate than the other two: undecidable."""
        self.accounts, self.months, self.is_plain = 4, self.months[-1:], True
        group = self._counted(steps=1)
        self.plan.refused = True
        self._fault("rate_mismatch", group, shown="rate", times="0.8")
        self.plan.share = 50

    # -- contract terms besides the list -----------------------------------------------------------------

    def _paper(self, group: Group, listed: Group | None, **valid: date) -> None:
        """The group's terms are those of the contract; PricelistInfo returns `listed` instead, or is refused."""
        contract_id = self.rng.choice((0, 901))
        list_id = 0 if contract_id else self.list_id
        self.plan.papers.append(Paper(group.schedules, contract_id, list_id, **valid, document="MSA 7"))
        if listed is not None:
            self.plan.stated = dict.fromkeys(range(len(self.months)), self._former(listed))

    def _differs(self, group: Group, months: Sequence[int]) -> None:
        for at in months:
            self.plan.planned_errors.append(
                PlannedError(
                    "list_differs_from_contract",
                    Target(month=at, pair=group.pair, price_list_id=self.list_id),
                    "PricelistInfo gives other terms than the contract",
                    "contract_terms.csv",
                )
            )

    def _by_list(self, name: str, group: Group) -> None:
        """Some lines are billed by the list."""
        self.plan.share = share_of(self.seed)
        self.plan.fault = (name, group.pair, {"by": "list"})

    def _paper_of(self, name: str, group: Group, **changed: Any) -> None:
        schedules = (replace(group.schedules[0], **changed), *group.schedules[1:])
        self._paper(group, replace(group, schedules=schedules))
        self._differs(group, range(len(self.months)))
        self._by_list(name, group)

    def _paper_rate(self) -> None:
        group = self._counted(steps=1)
        self._paper_of("rate_mismatch", group, rate=group.schedules[0].rate * Decimal(self.rng.choice(("1.25", "2"))))

    def _paper_allowance(self) -> None:
        group = self._counted(steps=1, allowance=self.rng.choice(("40", "100")))
        self._paper_of("terms_differ", group, allowance=group.schedules[0].allowance / 2)

    def _paper_block(self) -> None:
        group = self._counted(steps=1, block=self.rng.choice(("10", "50")))
        self._paper_of("quantity_mismatch", group, block=group.schedules[0].block * self.rng.choice((2, 10)))

    def _paper_tier(self) -> None:
        """The list lacks the last tier of the contract: use that reaches it is billed by the tier below."""
        self.is_plain, self.word = True, "Tiered"
        self._counted(steps=3)
        group = self.plan.groups[-1]
        meaning = replace(group.meaning, reading=self._reading(self.rng.choice(("volume", "graduated"))))
        group = self.plan.groups[-1] = replace(group, meaning=meaning)
        first, second, _ = group.schedules
        self._paper(group, replace(group, schedules=(first, replace(second, maximum=0))))
        self._differs(group, range(len(self.months)))
        self._by_list("terms_differ", group)
        self.plan.share = 100

    def _paper_from(self) -> None:
        """The contract gives a lower rate from the second month on; before it the list applies."""
        group, former = self._raise()
        listed = replace(former, former_rate=None)
        self._until(group, self.months[1])
        self._paper(self._now(group), listed, valid_from=self.months[1])
        self._differs(group, (1, 2))
        self._changed(group, 1)
        self._by_list("rate_mismatch", group)

    def _paper_until(self) -> None:
        """The contract ends with the second month; then the list's rate applies."""
        group, former = self._raise()
        listed = replace(self._now(group), former_rate=None)
        self._until(group, self.months[2])
        self._paper(former, listed, valid_to=self.months[2] - timedelta(days=1))
        self._differs(group, (0, 1))
        self._by_list("rate_mismatch", group)
        self._changed(group, 2)

    def _paper_inside(self) -> None:
        """The contract begins inside the last month, whose lines are billed by the list or already by the contract."""
        group, former = self._raise()
        self._until(group, self.months[2] if self.rng.random() < 0.5 else next_month(self.months[2]))
        begins = self.months[2] + timedelta(days=self.rng.randint(4, 25))
        self._paper(self._now(group), replace(former, former_rate=None), valid_from=begins)
        self._differs(group, (2,))
        self._changed(group, 2)

    def _paper_refused(self) -> None:
        """The contract gives terms for a list that PricelistInfo refuses."""
        group = self._counted(steps=self.rng.choice((1, 2)))
        self._paper(group, None)
        self.plan.refused = True
        self._fault("rate_mismatch", group, shown="rate", times=self.rng.choice(("1.2", "10")))

    def _now(self, group: Group) -> Group:
        """The group's present state in the plan."""
        return next(each for each in self.plan.groups if each.pair == group.pair)

    # -- charges computed from others ----------------------------------------------------------------------

    def _minimum(self) -> None:
        """A minimum over any choice of charges; accounts below and above it, one of them perhaps billed wrongly."""
        rng = self.rng
        self.accounts, self.months = 5, self.months[-1:] if rng.random() < 0.5 else months_back(self.months[-1], 2)
        parts: list[Part] = [part for part in ("fixed", "one_time", "percentages", "credits") if rng.random() < 0.5]
        self._usual(has_percentage=True, has_credit=True)
        meaning = Meaning(
            Reading(rounding="half_up"),
            of=frozenset(("usage", *parts)),
            minimum=rng.choice(("true_up", "true_up", "whole")),
            states_sum=rng.random() < 0.5,
        )
        self._least(meaning)
        self._one_wrong("minimum_mismatch", ("FixedRate", "MonthlyMinimum"))

    def _least(self, meaning: Meaning) -> None:
        group = self._add(("FixedRate", "MonthlyMinimum"), meaning, [(0, f"{self.rng.randint(20, 40) * 10}.0000")])
        first = replace(group.schedules[0], level="Minimum", level_name="Least charge")
        self.plan.groups[-1] = replace(group, schedules=(first,))

    def _usual(self, *, has_percentage: bool = False, has_credit: bool = False) -> None:
        """A fee, sometimes a one-time fee, and use, of which a minimum or a percentage may be computed; perhaps a
        percentage and a credit."""
        rng = self.rng
        self._fee()
        if rng.random() < 0.5:
            once = ("FixedRate", "FixedRate")
            self._add(once, Meaning(self._reading("unit")), [(0, f"{rng.randint(5, 60)}.0000")], level="OneTime")
            self.plan.series[once] = [
                tuple(Decimal(rng.randint(0, 1)) for _ in self.months) for _ in range(self.accounts)
            ]
        use = self._add(_TRANS, Meaning(Reading("unit", rate_per="unit", rounding="half_up")), [(0, "0.5000")])
        self._series(use, [(100, 900)] * self.accounts)
        if has_percentage:
            self._percent(frozenset(("usage", "fixed")), "hundred", "DebitPercentage")
        if has_credit:
            rate = f"-{rng.randint(5, 40)}.0000"
            self._add(("FixedRate", "Credit"), Meaning(Reading(rounding="half_up")), [(0, rate)], level="Additional")

    def _percent(self, of: frozenset[Part], percent: Percent, measure: str, states_sum: bool = True) -> None:
        share = Decimal(self.rng.randint(4, 60)) / (8 if percent == "hundred" else 800)
        sign = "-" if measure == "CreditPercentage" else ""
        meaning = Meaning(Reading(rounding="half_up"), percent=percent, of=of, states_sum=states_sum)
        self._add(("FixedRate", measure), meaning, [(0, f"{sign}{share:.4f}")], level="Additional")

    def _percentage(self) -> None:
        rng = self.rng
        self._usual()
        parts: tuple[tuple[Part, ...], ...] = (
            *(("usage",), ("fixed",), ("usage", "fixed")),
            *(("usage", "one_time"), ("usage", "fixed", "one_time")),
        )
        measure = rng.choice(("CreditPercentage", "DebitPercentage"))
        self._percent(frozenset(rng.choice(parts)), rng.choice(("hundred", "fraction")), measure, rng.random() < 0.5)
        self._one_wrong("percentage_mismatch", ("FixedRate", measure))

    def _one_wrong(self, name: str, pair: Pair) -> None:
        if self.accounts * len(self.months) > 3 and self.rng.random() < 0.6:
            self.plan.fault = (name, pair, {"add": f"{Decimal(self.rng.randint(111, 1999)) / 100}"})

    def _network_minimum(self) -> None:
        """The Root of each network is billed the true-up of its whole network to the minimum; see `_of_networks`."""
        self._fee()
        self._least(Meaning(Reading(rounding="half_up"), of=frozenset(("usage", "fixed")), per_network=True))

    def _of_networks(self, of_roots: PriceList) -> Facts:
        rng, use = self.rng, {}
        self.plan.groups, roots_list = [], of_roots
        self.list_id += 1
        group = self._add(_TRANS, Meaning(Reading("unit", rate_per="unit", rounding="half_up")), [(0, "0.5000")])
        of_boxes = PriceList(self.list_id, f"{self.word} {self.list_id}", self.word, _OLD, (group,))
        networks = tuple(
            Network(4100 + n, f"Small {n} Ltd.", "", of_roots.price_list_id, 901, "absent") for n in range(4)
        )
        boxes = tuple(
            Mailbox(4200 + 10 * n + m, 4100 + n, f"Box {n}.{m}", of_boxes.price_list_id, 901)
            for n in range(4)
            for m in range(2)
        )
        fee = roots_list.groups[0]
        for network in networks:
            use[network.network_id, 0] = {fee.pair: (Decimal(1),) * len(self.months)}
        for box in boxes:
            use[_of(box)] = {group.pair: tuple(Decimal(rng.randint(20, 200)) for _ in self.months)}
        return self._world(networks, boxes, (of_roots, of_boxes), use)

    # -- other behaviour of a vendor -------------------------------------------------------------------------

    def _open_end(self) -> None:
        group = self._counted(steps=self.rng.choice((2, 3)))
        *others, last = group.schedules
        schedules = (*others, replace(last, maximum=self.rng.choice(OPEN_ENDS[1:])))
        self.plan.groups[-1] = replace(group, schedules=schedules)

    def _rounding(self) -> None:
        """Whole units of money, tenths of a cent, or slices rounded singly; on ten lines, so that two can decide."""
        self.accounts, self.months = 5, months_back(self.months[-1], 2)
        of_lines: tuple[Rounding, ...] = ("half_up", "down", "up")
        of_slices: tuple[Rounding, ...] = ("half_up_slices", "down_slices", "up_slices")
        at = self.rng.randrange(3)
        scale, by_slice = self.rng.choice(((0, False), (3, False), (2, True)))
        self.rounding = Reading(rounding=(of_slices if by_slice else of_lines)[at], scale=scale)
        self.is_plain = True
        if by_slice:
            self.word = "Stacked"
        self._counted(steps=3 if by_slice else self.rng.choice((1, 2)))

    def _correction(self) -> None:
        """A month of an account is reversed in the month after, by a line of negative quantity."""
        self._counted(steps=self.rng.choice((1, 2)))
        pair = self.plan.groups[-1].pair
        allowance = self.plan.groups[-1].schedules[0].allowance
        place = next((at for at in range(self.accounts) if self.plan.series[pair][at][1] > allowance + 25), None)
        if place is None:
            return
        account = (4100, 0) if place == 0 else (4100, 4200 + place)
        self.plan.planned_errors.append(
            PlannedError("correction", Target(*account, 2, pair), "takes back the month before", "the line")
        )

    # -- groups -----------------------------------------------------------------------------------------------

    def _reading(self, model: Model) -> Reading:
        return replace(self.rounding, model=model, rate_per="unit")

    def _add(
        self,
        pair: Pair,
        meaning: Meaning,
        steps: Sequence[tuple[int, str]],
        *,
        allowance: str = "0",
        block: str = "0",
        minimum: int = 0,
        level: str | None = None,
    ) -> Group:
        made = ladders.group(
            *(*pair, meaning, steps),
            first_id=self.list_id * 100 + self.schedules,
            first_catalog=7000 + self.schedules,
            allowance=allowance,
            block=block,
            minimum=minimum,
            level=level,
        )
        self.schedules += len(steps)
        self.plan.groups.append(made)
        return made

    def _fee(self) -> None:
        pair = ("FixedRate", "Each")
        self._add(pair, Meaning(self._reading("unit")), [(0, f"{self.rng.randint(5, 60)}.0000")])
        self.plan.series[pair] = [(Decimal(1),) * len(self.months)] * self.accounts

    def _counted(self, *, steps: int, allowance: str | None = None, block: str | None = None) -> Group:
        """A fee, and a lone schedule or a ladder of which every tier has use; plain, or of any meaning."""
        rng = self.rng
        needs_rates = allowance is not None or block is not None or self.kind == "rounding"
        self._fee()
        pair = rng.choice((_TRANS, _TRANS, _KCS))
        if allowance is None:
            allowance = "0" if self.is_plain else rng.choice(("0", "0", "40", "100"))
        if block is None:
            block = "0" if self.is_plain else rng.choice(("0", "1", "10", "25"))
        models: dict[str, tuple[Model, ...]] = {
            "Tiered": ("volume", "volume", "graduated", "stairstep"),
            "Stacked": ("graduated", "graduated", "stacked_flat"),
        }
        model: Model = "unit" if steps == 1 else rng.choice(models[self.word][: -1 if needs_rates else None])
        is_flat = model in ("stairstep", "stacked_flat")
        if is_flat:
            allowance = block = "0"
        if self.is_plain:
            meaning = Meaning(self._reading(model))
        else:
            meaning = meaning_of(rng, model, self.rounding.rounding, block, allowance, steps)
        ladder: list[tuple[int, str]] = []
        top, rate = 0, Decimal(rng.randint(1501, 9000)).scaleb(-2 if is_flat else -4)
        for number in range(steps):
            top = (top or rng.randint(3, 9) * 100) * (rng.randint(2, 4) if number else 1)
            ladder.append((0 if number == steps - 1 else top, f"{rate:.4f}"))
            rate *= Decimal(rng.randint(130, 190) if is_flat else rng.randint(65, 92)) / 100
        group = self._add(pair, meaning, ladder, allowance=allowance, block=block)
        bounds = [0, *(bound for bound, _ in ladder if bound)]
        spans = [*pairwise(bounds), (bounds[-1], max(bounds[-1] * 2, 1500))]
        self._series(group, [spans[at % steps] for at in range(self.accounts)])
        return group

    def _series(self, group: Group, spans: Sequence[tuple[int, int]]) -> None:
        """Use of each account, above the lower and up to the upper end of its span in every month."""

        def within(low: int, high: int) -> Decimal:
            # sometimes on the upper end itself, which decides whether it belongs to the tier
            value = Decimal(high if self.rng.random() < 0.15 else self.rng.randint(low + 1, high))
            has_decimals = group.measure.endswith("KCs") and value < high
            return value + Decimal(self.rng.randint(0, 999)).scaleb(-3) if has_decimals else value

        self.plan.series[group.pair] = [tuple(within(*span) for _ in self.months) for span in spans]


def _of(box: Mailbox) -> Account:
    return box.network_id, box.mailbox_id


def _figures(line: Line, how: Mapping[str, str]) -> dict[str, str]:
    """The figures of a planned error on a line: the number shown is a multiple of the list's."""
    if "shown" not in how:
        return dict(how)
    number = getattr(line.schedule, how["shown"]) * Decimal(how["times"])
    return {"shown": how["shown"], "number": f"{number.normalize():f}"}
