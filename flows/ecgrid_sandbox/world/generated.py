"""Worlds drawn by a seed: other meanings, ladders, accounts and planted errors than the shipped one.

Each price list is of one kind, so that every planted error has one check name:

- `plain` lists bill counted measures, perhaps with a Credit; errors of lines are planted on their growing accounts.
- `percent` and `minimum` lists have lines computed from the account's other lines (Subtotal and a percentage, a
  MonthlyMinimum); only those lines have errors there.
- `malformed` has a tier gap and a tier overlap, and a group whose use cannot decide its meaning, on purpose.
- `changed` raised its one fee in the course of the months; one account has it.

`inference.completed` makes sure that each group's meaning can be inferred from its use in every single month; the one
group for which it cannot is marked (`Group.decidable`).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from random import Random

from ecgrid_sandbox.billing.pricing import AllowanceRule, Blocks, Bound, Model, RatePer, Reading, Rounding, Scope
from ecgrid_sandbox.world import inference, ladders, names
from ecgrid_sandbox.world.ladders import Series
from ecgrid_sandbox.world.model import (
    BilledIn,
    Contract,
    Facts,
    Group,
    Mailbox,
    Meaning,
    Network,
    Pair,
    Percent,
    PriceList,
    VoidAnswer,
    months_back,
)
from ecgrid_sandbox.world.planting import check_names, planned_errors
from ecgrid_transforms.money import Decimal

_VOIDS: tuple[VoidAnswer, ...] = ("fault", "absent", "zero")
_TRAFFIC_REPORTS = ("TrafficAll", "TrafficIntraNetwork", "TrafficInterECGrid", "TrafficOffNetwork")
#: The usual meaning of a model name; sometimes a list uses the other's meaning.
_MODELS: dict[str, tuple[Model, ...]] = {
    "Tiered": ("volume", "volume", "graduated", "stairstep"),
    "Stacked": ("graduated", "graduated", "stacked_flat"),
}
_COUNTS = ("ActiveQIDs", "ActiveTPs", "RegisteredQIDs", "RegisteredTPs", "CurrentMailboxes")
_NETWORK_NAMES = ("Øresund EDI ApS", 'Quote "Net" Ltd.', "=Formula Networks", "日本ネット", "Comma, Semicolon; & Sons")
_DESCRIPTIONS = ("Größe L", "R&D", 'a "special"', "wholesale")
_GROWING = 6  # accounts of a list that grow and may have errors, besides the telling ones


@dataclass(slots=True)
class _Drawn:
    """A price list as drawn: its kind, and for each counted group its telling use and the range of growing use."""

    kind: str
    price_list: PriceList
    telling: dict[Pair, list[Series]]
    ranges: dict[Pair, tuple[int, int]]
    avoid: dict[Pair, tuple[int, int]]

    @property
    def accounts_wanted(self) -> int:
        if self.kind == "changed":
            return 1
        return max(len(series) for series in self.telling.values()) + _GROWING


class _Draw:
    """Draws a world's price lists from one generator, and assigns identifiers."""

    def __init__(self, rng: Random, months: int, meanings: Sequence[Meaning] | None) -> None:
        self.rng = rng
        self.months = months
        self._meanings = list(meanings or ())
        self._meanings_used = 0
        self._list_id = 500 + rng.randint(1, 60)
        self._schedule = 0
        self._has_volume = False

    def price_list(self, kind: str, word: str, valid_from: date) -> _Drawn:
        """A price list of a kind, under one of ECGrid's model names."""
        self._list_id += self.rng.randint(1, 4)
        self._schedule = 0
        drawn = _Drawn(kind, PriceList(self._list_id, "", word, valid_from, ()), {}, {}, {})
        groups: list[Group] = {
            "plain": self._plain,
            "percent": self._percent,
            "minimum": self._minimum,
            "malformed": self._malformed,
            "changed": self._changed,
        }[kind](drawn, word)
        drawn.price_list = replace(
            drawn.price_list,
            groups=tuple(groups),
            description=f"{word} {self._list_id}, {self.rng.choice(_DESCRIPTIONS)}",
        )
        return drawn

    # -- kinds -------------------------------------------------------------------------------------

    def _plain(self, drawn: _Drawn, word: str) -> list[Group]:
        rng = self.rng
        rounding: Rounding = rng.choice(("half_up", "half_up", "half_up", "half_even", "up", "down"))
        kcs = (rng.choice(_TRAFFIC_REPORTS), rng.choice(("TotalKCs", "ToKCs", "FromKCs")))
        trans = (rng.choice(_TRAFFIC_REPORTS), rng.choice(("TotalTrans", "ToTrans", "FromTrans")))
        count = ("Statistics", rng.choice(_COUNTS))
        groups = [self._fee("FixedRate")]
        if word == "Simple":
            groups.append(self._counted(drawn, trans, steps=1, rounding=rounding, model="unit", in_blocks=True))
            groups.append(self._counted(drawn, kcs, steps=1, rounding=rounding, model="unit"))
            groups.append(self._floor_and_cap(drawn, count, rounding))
            groups.append(self._money("Credit", f"-{rng.randint(1, 40)}.{rng.randint(1, 99):02d}00"))
        else:
            pool = _MODELS[word if rng.random() < 0.7 else {"Tiered": "Stacked", "Stacked": "Tiered"}[word]]
            for pair, most in ((trans, 4), (kcs, 3)):
                # one ladder by volume in every world, whatever its model name: only there can a tier be wrong
                model = rng.choice(pool) if self._has_volume else "volume"
                self._has_volume = True
                steps = rng.randint(2, most)
                groups.append(self._counted(drawn, pair, steps=steps, rounding=rounding, model=model))
            groups.append(self._counted(drawn, count, steps=1, rounding=rounding, model="unit"))
        return groups

    def _percent(self, drawn: _Drawn, word: str) -> list[Group]:
        rng = self.rng
        kcs = (rng.choice(_TRAFFIC_REPORTS), "TotalKCs")
        percent: Percent = rng.choice(("hundred", "fraction"))
        measure = rng.choice(("CreditPercentage", "DebitPercentage"))
        share = Decimal(rng.randint(4, 60)) / (8 if percent == "hundred" else 800)
        sign = "-" if measure == "CreditPercentage" else ""
        made = self._money(measure, f"{sign}{share:.4f}")
        return [
            self._fee("Each"),
            self._counted(drawn, kcs, steps=1 if word == "Simple" else 3, rounding="half_up", model=self._model(word)),
            self._money("Subtotal", "0.0000"),
            replace(made, meaning=replace(made.meaning, percent=percent)),
        ]

    def _minimum(self, drawn: _Drawn, word: str) -> list[Group]:
        trans = (self.rng.choice(_TRAFFIC_REPORTS), "TotalTrans")
        minimum = self._money("MonthlyMinimum", f"{self.rng.randint(8, 40) * 10}.0000")
        return [
            self._fee("FixedRate"),
            self._counted(
                drawn, trans, steps=1 if word == "Simple" else 2, rounding="half_up", model=self._model(word)
            ),
            replace(minimum, schedules=(replace(minimum.schedules[0], level="Minimum", level_name="Least charge"),)),
        ]

    def _malformed(self, drawn: _Drawn, word: str) -> list[Group]:
        rng = self.rng
        meaning = Meaning(Reading(model="volume", rate_per="unit", rounding="half_up"))
        groups = [self._fee("FixedRate")]
        bound = rng.randint(4, 12) * 100
        for pair, minimum in (
            (("TrafficOffNetwork", "TotalKCs"), bound + rng.randint(30, 90)),
            (("TrafficOffNetwork", "ToTrans"), bound - rng.randint(30, 90)),
        ):
            ladder = self._group(pair, meaning, [(bound, self._rate(20, 30)), (0, self._rate(10, 19))], block="1")
            first, second = ladder.schedules
            groups.append(replace(ladder, schedules=(first, replace(second, minimum=minimum))))
            drawn.avoid[pair] = (bound, minimum) if minimum > bound else (minimum - 1, bound)
            self._use(drawn, groups[-1], low=bound // 4, high=bound * 3, complete=False)
        blind = self._group(
            *(("Statistics", "MigratedTPs"), meaning, [(1000, "4.0000"), (0, "3.5000")]),
            block="1",
            why="every account stays inside the first tier, where unit, volume and graduated agree",
        )
        drawn.telling[blind.pair] = [tuple(Decimal(rng.randint(2, 400)) for _ in range(self.months)) for _ in range(4)]
        drawn.ranges[blind.pair] = (2, 400)
        return [*groups, blind]

    def _changed(self, drawn: _Drawn, word: str) -> list[Group]:
        rate = self.rng.randint(1500, 4000)
        return [
            replace(
                self._fee("Each"),
                schedules=(replace(self._fee("Each").schedules[0], rate=Decimal(f"{rate + 210}.00") / 100),),
                former_rate=(Decimal(rate) / 100).quantize(Decimal("0.0001")),
            )
        ]

    # -- groups --------------------------------------------------------------------------------------

    def _group(
        self,
        pair: Pair,
        meaning: Meaning,
        steps: Sequence[tuple[int, str]],
        *,
        allowance: str = "0",
        block: str = "0",
        minimum: int = 0,
        level: str | None = None,
        why: str = "",
    ) -> Group:
        first = self._schedule
        self._schedule += len(steps)
        return ladders.group(
            *(*pair, meaning, steps),
            first_id=self._list_id * 100 + first,
            first_catalog=7000 + first,
            allowance=allowance,
            block=block,
            minimum=minimum,
            level=level,
            level_name="Adjustments" if level else None,
            taxable=pair[0] == "FixedRate" and level is None,
            why_undecidable=why,
        )

    def _fee(self, measure: str) -> Group:
        meaning = Meaning(Reading(model="unit", rate_per="unit", rounding="half_up"))
        rate = f"{self.rng.randint(5, 60)}.{self.rng.choice((0, 50, 90)):02d}00"
        return self._group(("FixedRate", measure), meaning, [(0, rate)])

    def _money(self, measure: str, rate: str) -> Group:
        return self._group(
            ("FixedRate", measure), Meaning(Reading(rounding="half_up")), [(0, rate)], level="Additional"
        )

    def _rate(self, low: int, high: int) -> str:
        """A rate of `low` to `high` hundredths, with four decimals that are rarely zero."""
        return f"{Decimal(self.rng.randint(low * 100 + 1, high * 100 - 1)).scaleb(-4):.4f}"

    def _model(self, word: str) -> Model:
        words: dict[str, Model] = {"Simple": "unit", "Tiered": "volume", "Stacked": "graduated"}
        return words[word]

    def _meaning(self, model: Model, rounding: Rounding, block: str, allowance: str, steps: int) -> Meaning:
        """The next of the requested meanings, or a drawn one."""
        if not self._meanings:
            return meaning_of(self.rng, model, rounding, block, allowance, steps)
        chosen = self._meanings[self._meanings_used % len(self._meanings)]
        self._meanings_used += 1
        return chosen

    def _counted(
        self, drawn: _Drawn, pair: Pair, *, steps: int, rounding: Rounding, model: Model, in_blocks: bool = False
    ) -> Group:
        """A lone schedule or a ladder, with use that decides its meaning; `in_blocks` has an allowance and blocks."""
        rng = self.rng
        is_flat = model in ("stairstep", "stacked_flat")
        few = pair[0] == "Statistics"
        block = "0" if few or is_flat else rng.choice(("1", "5", "10", "20", "25"))
        allowance = rng.choice(("0", "2", "3")) if few else rng.choice(("0", "12", "40", "75.5000", "130"))
        if is_flat or (allowance == "75.5000" and not pair[1].endswith("KCs")):
            allowance = "0"
        if in_blocks:
            block, allowance = rng.choice(("5", "10", "20", "25")), rng.choice(("12", "42", "130"))
        meaning = self._meaning(model, rounding, block, allowance, steps)
        if in_blocks and not self._meanings and meaning.reading.blocks == "none":
            meaning = replace(meaning, reading=replace(meaning.reading, blocks="up"))
        top = 0
        ladder: list[tuple[int, str]] = []
        rate = Decimal(self._rate(*((150, 600) if few else (15, 90))))
        for number in range(steps):
            top = (top or rng.randint(3, 9) * (10 if few else 100)) * (rng.randint(2, 4) if number else 1)
            if rng.random() < 0.2:
                top += rng.randint(1, 9)  # a bound that is not a whole number of blocks
            shown = f"{rng.randint(4, 40) * 5 * (number + 1)}.0000" if is_flat else f"{rate:.4f}"
            ladder.append((0 if number == steps - 1 else top, shown))
            rate = (rate * rng.randint(60, 90) / 100).quantize(Decimal("0.0001"))
        group = self._group(pair, meaning, ladder, allowance=allowance, block=block)
        reach = ladder[-2][0] if steps > 1 else (60 if few else 2500)
        self._use(drawn, group, low=max(reach // 5, 4), high=reach * 2)
        return group

    def _floor_and_cap(self, drawn: _Drawn, pair: Pair, rounding: Rounding) -> Group:
        """A lone schedule whose Minimum and Maximum bound the quantity billed."""
        reading = Reading(model="unit", rate_per="unit", rounding=rounding)
        low, high = self.rng.randint(10, 30), self.rng.randint(150, 250)
        group = self._group(pair, Meaning(reading, floor_and_cap=True), [(high, self._rate(80, 300))], minimum=low)
        self._use(drawn, group, low=low + 5, high=high - 60)
        return group

    def _use(self, drawn: _Drawn, group: Group, *, low: int, high: int, complete: bool = True) -> None:
        telling = ladders.telling_series(group, self.months)
        if complete:
            telling = inference.completed(group, telling, self.months, self.rng)
        drawn.telling[group.pair] = telling
        drawn.ranges[group.pair] = (low, high)


def meaning_of(rng: Random, model: Model, rounding: Rounding, block: str, allowance: str, steps: int) -> Meaning:
    """A meaning drawn for a ladder of that many steps: any that rates can have, simpler ones for flat fees."""
    bound: Bound = "inclusive"
    if model not in ("unit", "graduated"):
        bound = rng.choice(("inclusive", "inclusive", "exclusive"))
    if model in ("stairstep", "stacked_flat"):
        return Meaning(
            Reading(
                model,
                bound,
                "up",
                rate_per="unit",
                allowance="before_blocks",
                zero_pays_flat=rng.random() < 0.3,
                rounding=rounding,
            )
        )
    has_blocks = block not in ("0", "1")
    scope: Scope = rng.choice(("quantity", "quantity", "tier")) if steps > 1 else "quantity"
    rules: list[AllowanceRule] = ["before_blocks", "before_blocks"]
    if scope == "quantity":
        rules.append("after_blocks")
    if model in ("volume", "graduated"):
        rules.append("free_tier")
    per: RatePer = rng.choice(("unit", "block")) if has_blocks else "unit"
    rule: AllowanceRule = rng.choice(rules) if allowance != "0" else "before_blocks"
    blocks: Blocks = rng.choice(("up", "up", "nearest", "down", "none"))
    billed_in: BilledIn = rng.choice(("units", "blocks")) if has_blocks else "units"
    if has_blocks and blocks == "none" and billed_in == "units":
        per = "block"  # otherwise neither quantity nor price would use the block
    return Meaning(Reading(model, bound, blocks, scope, per, rule, rounding=rounding), billed_in=billed_in)


def facts(
    seed: int,
    last_month: date,
    *,
    months: int = 4,
    mailboxes: int | None = None,
    meanings: Sequence[Meaning] | None = None,
    planted_errors: tuple[str, ...] | None = None,
    varies: bool = False,
) -> Facts:
    """The world that `seed` draws; see `World.generate`."""
    if months < 2:
        raise ValueError("a world needs at least two months: some errors are visible only from one month to the next")
    check_names(planted_errors or ())
    rng = Random(f"generated world {seed}")
    when = months_back(last_month, months)
    draw = _Draw(rng, months, meanings)
    words = ["Tiered", "Stacked", "Simple", rng.choice(("Tiered", "Stacked"))]
    rng.shuffle(words)
    old = date(when[0].year - 2, 1, 1)
    drawn = [draw.price_list("plain", word, old) for word in words]
    drawn.append(draw.price_list("percent", rng.choice(("Simple", "Tiered", "Stacked")), old))
    drawn.append(draw.price_list("minimum", rng.choice(("Simple", "Tiered", "Stacked")), old))
    drawn.append(draw.price_list("malformed", "Tiered", old))
    drawn.append(draw.price_list("changed", "Simple", when[rng.randint(1, months - 1)]))
    bare, accounts = _peopled(seed, last_month, when, rng, drawn, mailboxes)
    bare = replace(bare, use=_use(rng, months, drawn, accounts, Random(f"variation {seed}") if varies else None))
    return replace(bare, planned_errors=planned_errors(bare, _candidates(drawn, accounts), rng, planted_errors))


def _peopled(
    seed: int,
    last_month: date,
    when: tuple[date, ...],
    rng: Random,
    drawn: Sequence[_Drawn],
    mailboxes: int | None,
) -> tuple[Facts, dict[int, list[tuple[int, int]]]]:
    """Networks, mailboxes and contracts for the lists; and the accounts of each list, Root mailboxes last."""
    network_ids = [5100 + 7 * number + rng.randint(0, 3) for number in range(rng.randint(3, 4))]
    voids = list(_VOIDS)
    rng.shuffle(voids)
    voids.append(rng.choice(_VOIDS))
    networks = tuple(
        Network(
            network_id,
            _NETWORK_NAMES[number],
            rng.choice(("", "Köln", "Austin, TX")),
            drawn[number].price_list.price_list_id,
            9001 + number,
            voids[number],
        )
        for number, network_id in enumerate(network_ids)
    )
    wanted = [it.accounts_wanted for it in drawn]
    spare = max((mailboxes or 0) - sum(wanted), 0)
    growing = [number for number, it in enumerate(drawn) if it.kind != "changed"]
    for number in range(spare):
        wanted[growing[number % len(growing)]] += 1
    box_names = iter(names.mailbox_names(sum(wanted), rng))
    reseller = 9000 + len(networks) + 1
    boxes: list[Mailbox] = []
    accounts: dict[int, list[tuple[int, int]]] = {}
    for number, it in enumerate(drawn):
        list_id = it.price_list.price_list_id
        mine: list[tuple[int, int]] = []
        home = networks[number] if number < len(networks) else None
        for place in range(wanted[number] - (1 if home else 0)):
            network = home if home and rng.random() < 0.7 else rng.choice(networks)
            own = 0 if network is home and rng.random() < 0.7 else list_id
            is_resold = it.kind == "plain" and place == wanted[number] - 3
            boxes.append(
                Mailbox(
                    200000 + 3 * len(boxes) + rng.randint(1, 3),
                    network.network_id,
                    next(box_names),
                    own,
                    reseller if is_resold else rng.choice((0, network.contract_id)),
                )
            )
            mine.append((network.network_id, boxes[-1].mailbox_id))
        if home:
            mine.append((home.network_id, 0))
        accounts[list_id] = mine
    contracts = [
        Contract(network.contract_id, network.name, f"C-{network.contract_id}", "9999-12-31T00:00:00")
        for network in networks
    ]
    contracts.append(Contract(reseller, "Resold, here & there", "C-R/1", "2031-12-31T23:59:59.997", po_number="PO 7"))
    bare = Facts(
        seed,
        last_month,
        when,
        networks,
        tuple(boxes),
        tuple(it.price_list for it in drawn),
        tuple(contracts),
        use={},
    )
    return bare, accounts


def _use(
    rng: Random,
    months: int,
    drawn: Sequence[_Drawn],
    accounts: dict[int, list[tuple[int, int]]],
    variation: Random | None,
) -> dict[tuple[int, int], dict[Pair, Series]]:
    """The use of every account: the telling quantities first, so that the last accounts of a list are growing ones.

    With `variation`, what grows also varies from month to month.
    """
    found: dict[tuple[int, int], dict[Pair, Series]] = {}
    for it in drawn:
        mine = accounts[it.price_list.price_list_id]
        for group in it.price_list.groups:
            if group.is_money:
                continue
            if group.report == "FixedRate":
                series = ladders.fixed(len(mine), months)
            else:
                low, high = it.ranges[group.pair]
                series = ladders.use(
                    it.telling[group.pair],
                    group.measure,
                    rng,
                    accounts=len(mine),
                    months=months,
                    low=low,
                    high=high,
                    avoid=it.avoid.get(group.pair),
                )
                if variation is not None and group.pair not in it.avoid:
                    telling = len(it.telling[group.pair])
                    series[telling:] = [ladders.varied(one, group.measure, variation) for one in series[telling:]]
            for account, values in zip(mine, series, strict=True):
                found.setdefault(account, {})[group.pair] = values
    return found


def _candidates(
    drawn: Sequence[_Drawn], accounts: dict[int, list[tuple[int, int]]]
) -> Callable[[Group, str], list[tuple[int, int]]]:
    """Accounts of a group that may have a planted error of a kind of list: the growing ones, which decide nothing."""
    kinds = {id(group): it for it in drawn for group in it.price_list.groups}

    def candidates(group: Group, kind: str) -> list[tuple[int, int]]:
        it = kinds[id(group)]
        if it.kind != kind:
            return []
        mine = accounts[it.price_list.price_list_id]
        return mine[max((len(series) for series in it.telling.values()), default=0) :] if it.telling else mine

    return candidates
