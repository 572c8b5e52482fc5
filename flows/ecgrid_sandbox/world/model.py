"""The invented world behind the sandbox: who is billed, by which price lists, for how much use.

`Facts` are plain frozen data, made from a seed by `shipped`, `generated` or `small`. The bills that follow from them
are in `ecgrid_sandbox.billing.books`; `ecgrid_sandbox.worlds.World` has both. All names, figures and identifiers are
made up.

The meaning of price lists in this world (to be used by the sandbox and its tests only):

- A group is one (account report, measure) of a price list; its schedules are the tiers of its ladder, in order. Each
  tier ends at its Maximum, a running upper bound; Maximum 0 is open. Minimum is the previous Maximum plus 1, or 0.
- `Meaning` defines the ladder and the terms Allowance, Block, Rate and QuantityBilled, group by group.
- Under stairstep and stacked_flat the schedule's Rate is the flat fee of its step.
- A lone schedule whose group has `floor_and_cap` bills at least Minimum and at most Maximum units (0: no cap).
- A line shows the schedule of the tier reached, also where several tiers were billed.
- A pair on the price list always has a line: without use it is a line of 0 that shows the first tier's schedule.
- Money measures come after the counted ones and in this order: Subtotal (Actual is the sum of the account's counted
  lines; Amount 0, so that lines still add up to the invoice), CreditPercentage and DebitPercentage (of that sum, Rate
  per hundred or as a fraction, signed), Credit (Rate is the amount, signed), MonthlyMinimum (the true-up from the sum
  of all lines before it to Rate; 0 when the sum is above).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from datetime import date
from functools import cached_property, lru_cache
from typing import Literal

from ecgrid_sandbox.billing.pricing import Reading, Tier
from ecgrid_sandbox.world.metering import Metering
from ecgrid_transforms.money import ZERO, Decimal
from ecgrid_transforms.period import next_month

Pair = tuple[str, str]
BilledIn = Literal["units", "blocks"]
Percent = Literal["hundred", "fraction"]
Minimum = Literal["true_up", "whole", "always"]
Part = Literal["usage", "fixed", "one_time", "percentages", "credits"]
VoidAnswer = Literal["fault", "absent", "zero"]

#: Measures that are money, in the order in which they are computed.
MONEY_ORDER = ("Subtotal", "CreditPercentage", "DebitPercentage", "Credit", "MonthlyMinimum")

#: Values that vendors write as the Maximum of an open tier.
OPEN_ENDS = (0, -1, 999_999_999, 2_147_483_647)


@dataclass(frozen=True, slots=True)
class Meaning:
    """The meaning of a group's schedules: the reading, and what QuantityBilled counts.

    For a percentage or a minimum: `of` are the charges that it is computed from (empty: as in the module's docstring),
    those of the whole network if `per_network`; `states_sum` shows their sum as Actual. A `minimum` bills the true-up
    to Rate, or Rate itself if the sum is below it, or Rate in any case.
    """

    reading: Reading
    billed_in: BilledIn = "units"
    floor_and_cap: bool = False
    percent: Percent = "hundred"
    of: frozenset[Part] = frozenset()
    per_network: bool = False
    minimum: Minimum = "true_up"
    states_sum: bool = True


@dataclass(frozen=True, slots=True)
class Schedule:
    """One schedule of a price list, as PricelistInfo and LineItem show it."""

    schedule_id: int
    level: str
    level_name: str | None
    allowance: Decimal
    minimum: int
    maximum: int
    block: Decimal
    rate: Decimal
    catalog_id: int
    description: str
    report: str
    measure: str
    specified_network_id: int = 0
    include_root_mailbox: bool = True
    limited_months: int = 0


@dataclass(frozen=True, slots=True)
class Group:
    """The schedules of one (report, measure): a ladder of tiers, or a lone schedule, and their meaning.

    `former_rate` is a lone schedule's rate before `former_until`, or else before `PriceList.date`.
    `decidable` False marks a group whose use cannot decide its meaning, on purpose; `why` is the reason.
    """

    report: str
    measure: str
    meaning: Meaning
    schedules: tuple[Schedule, ...]
    is_taxable: bool = False
    former_rate: Decimal | None = None
    former_until: date | None = None
    decidable: bool = True
    why: str = ""

    @property
    def pair(self) -> Pair:
        return self.report, self.measure

    @property
    def is_money(self) -> bool:
        return self.measure in MONEY_ORDER

    def tiers(self, meaning: Meaning | None = None) -> tuple[Tier, ...]:
        """The ladder for the pricer, under a meaning (default: its own): cut at Maximum, whatever Minimum is."""
        model = (meaning or self.meaning).reading.model
        return _tiers(self.schedules, model in ("stairstep", "stacked_flat"))


@lru_cache(maxsize=256)
def _tiers(schedules: tuple[Schedule, ...], is_flat: bool) -> tuple[Tier, ...]:
    made: list[Tier] = []
    below = ZERO
    for schedule in schedules:
        upper = None if schedule.maximum in OPEN_ENDS or len(schedules) == 1 else Decimal(schedule.maximum)
        rate, flat = (ZERO, schedule.rate) if is_flat else (schedule.rate, ZERO)
        made.append(Tier(below, upper, rate, flat, schedule.block))
        below = upper if upper is not None else below
    return tuple(made)


@dataclass(frozen=True, slots=True)
class PriceList:
    """A price list. `date` is the day from which its rates are valid."""

    price_list_id: int
    description: str
    model: str
    date: date
    groups: tuple[Group, ...]
    status: str = "Active"

    def group(self, pair: Pair) -> Group | None:
        return next((group for group in self.groups if group.pair == pair), None)


@dataclass(frozen=True, slots=True)
class Network:
    """A network; `void` is its kind of response for a pair that is not on the price list."""

    network_id: int
    name: str
    location: str
    price_list_id: int
    contract_id: int
    void: VoidAnswer
    status: str = "Active"


@dataclass(frozen=True, slots=True)
class Mailbox:
    """A mailbox; price list 0 means its network's."""

    mailbox_id: int
    network_id: int
    name: str
    price_list_id: int
    contract_id: int
    description: str | None = None
    status: str = "Active"


@dataclass(frozen=True, slots=True)
class Contract:
    """A contract; it bills the accounts that name it. One that is never invoiced has no accounts.

    `aggregates` is its AggregateNetworkTraffic. No source states how ECGrid prices it; here it changes nothing.
    """

    contract_id: int
    description: str
    number: str
    expires: str
    po_number: str | None = None
    status: str = "Active"
    aggregates: bool = False


@dataclass(frozen=True, slots=True)
class Paper:
    """Terms of the user's own contract, a ladder of contract_terms.csv; these are the terms that apply.

    Of a contract if `contract_id` is set, else of a price list. Both days are included; None is open.
    """

    schedules: tuple[Schedule, ...]
    contract_id: int = 0
    price_list_id: int = 0
    valid_from: date | None = None
    valid_to: date | None = None
    document: str = ""

    def rows(self) -> Iterator[dict[str, object]]:
        """The rows of contract_terms.csv: every number of a tier, except a lone schedule's bounds."""
        for number, schedule in enumerate(self.schedules, start=1):
            is_ladder = len(self.schedules) > 1
            yield {
                "contract_id": self.contract_id or None,
                "price_list_id": self.price_list_id or None,
                "account_report": schedule.report,
                "measure_field": schedule.measure,
                "tier": number,
                "minimum": schedule.minimum if is_ladder else None,
                "maximum": schedule.maximum or None,
                "allowance": schedule.allowance,
                "block": schedule.block,
                "rate": schedule.rate,
                "valid_from": self.valid_from,
                "valid_to": self.valid_to,
                "document": self.document or None,
            }


@dataclass(frozen=True, slots=True)
class Target:
    """The place of a planted error: an account's line in a month, a price list's group, or an invoice."""

    network_id: int | None = None
    mailbox_id: int | None = None
    month: int | None = None  # index into Facts.months
    pair: Pair | None = None
    price_list_id: int | None = None
    contract_id: int | None = None


@dataclass(frozen=True, slots=True)
class PlannedError:
    """An error to plant: its kind, place and figures, and the evidence for a reader."""

    check_name: str
    target: Target
    reason: str
    evidence: str
    figures: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PlantedError:
    """A planted error: exactly one finding of `check_name` should name it."""

    check_name: str
    network_id: int | None
    mailbox_id: int | None
    reporting_month: date | None
    account_report: str | None
    measure_field: str | None
    price_list_id: int | None
    invoice_number: str | None
    true_amount: Decimal | None
    billed_amount: Decimal | None
    reason: str
    evidence: str

    @property
    def key(self) -> tuple[int | None, int | None, date | None, str | None, str | None]:
        """The call's key; parts that the error lacks are None (a gap in a price list has no account)."""
        return (
            self.network_id,
            self.mailbox_id,
            self.reporting_month,
            self.account_report,
            self.measure_field,
        )


@dataclass(frozen=True)
class Facts:
    """The ground truth of a world: everything that its bills follow from.

    `use` holds, per account and pair, the measured quantity of each month; absent pairs have none. `stated` holds, per
    price list and month, the PricelistInfo response of that month where it differs from the list itself; None where it
    was refused. `papers` are the user's own terms: where they differ from PricelistInfo, the list itself holds the
    terms of the paper. `true_use` holds the quantities of accounts whose meter errs (`metering`): `use` is what is
    billed.
    """

    seed: int
    last_month: date
    months: tuple[date, ...]
    networks: tuple[Network, ...]
    mailboxes: tuple[Mailbox, ...]
    price_lists: tuple[PriceList, ...]
    contracts: tuple[Contract, ...]
    use: Mapping[tuple[int, int], Mapping[Pair, tuple[Decimal, ...]]]
    planned_errors: tuple[PlannedError, ...] = ()
    stated: Mapping[tuple[int, date], PriceList | None] = field(default_factory=dict)
    papers: tuple[Paper, ...] = ()
    metering: Metering = field(default_factory=Metering)
    true_use: Mapping[tuple[int, int], Mapping[Pair, tuple[Decimal, ...]]] = field(default_factory=dict)

    @cached_property
    def accounts(self) -> tuple[tuple[int, int], ...]:
        """(network_id, mailbox_id) of every account, each network's Root (0) first."""
        roots = [(network.network_id, 0) for network in self.networks]
        return tuple(sorted(roots + [(box.network_id, box.mailbox_id) for box in self.mailboxes]))

    @cached_property
    def network_by_id(self) -> dict[int, Network]:
        return {network.network_id: network for network in self.networks}

    @cached_property
    def mailbox_by_id(self) -> dict[int, Mailbox]:
        return {mailbox.mailbox_id: mailbox for mailbox in self.mailboxes}

    @cached_property
    def price_list_by_id(self) -> dict[int, PriceList]:
        return {price_list.price_list_id: price_list for price_list in self.price_lists}

    @cached_property
    def contract_by_id(self) -> dict[int, Contract]:
        return {contract.contract_id: contract for contract in self.contracts}

    def has_account(self, network_id: int, mailbox_id: int) -> bool:
        if mailbox_id == 0:
            return network_id in self.network_by_id
        mailbox = self.mailbox_by_id.get(mailbox_id)
        return mailbox is not None and mailbox.network_id == network_id

    def name_of(self, network_id: int, mailbox_id: int) -> str:
        return self.mailbox_by_id[mailbox_id].name if mailbox_id else self.network_by_id[network_id].name

    def price_list_of(self, network_id: int, mailbox_id: int) -> PriceList:
        """The list that bills an account: its own, else its network's."""
        own = self.mailbox_by_id[mailbox_id].price_list_id if mailbox_id else 0
        return self.price_list_by_id[own or self.network_by_id[network_id].price_list_id]

    def list_read(self, price_list_id: int, month: date) -> PriceList | None:
        """The list in the PricelistInfo response of the month; None where it was refused."""
        return self.stated.get((price_list_id, month), self.price_list_by_id[price_list_id])

    def contract_of(self, network_id: int, mailbox_id: int) -> int:
        own = self.mailbox_by_id[mailbox_id].contract_id if mailbox_id else 0
        return own or self.network_by_id[network_id].contract_id

    def accounts_of_list(self, price_list_id: int) -> list[tuple[int, int]]:
        """The accounts that a price list bills, in order."""
        return self._accounts_by_list.get(price_list_id, [])

    def accounts_of_contract(self, contract_id: int) -> list[tuple[int, int]]:
        """The accounts that a contract bills, in order."""
        return self._accounts_by_contract.get(contract_id, [])

    @cached_property
    def _accounts_by_list(self) -> dict[int, list[tuple[int, int]]]:
        found: dict[int, list[tuple[int, int]]] = {}
        for account in self.accounts:
            found.setdefault(self.price_list_of(*account).price_list_id, []).append(account)
        return found

    @cached_property
    def _accounts_by_contract(self) -> dict[int, list[tuple[int, int]]]:
        found: dict[int, list[tuple[int, int]]] = {}
        for account in self.accounts:
            found.setdefault(self.contract_of(*account), []).append(account)
        return found

    def __getstate__(self) -> dict[str, object]:
        """The state that `spawn` sends to a child: the fields, without what was derived from them."""
        names = {part.name for part in fields(self)}
        return {name: value for name, value in self.__dict__.items() if name in names}


def months_back(last_month: date, count: int) -> tuple[date, ...]:
    """`count` months that end with `last_month`, oldest first."""
    return tuple(next_month(last_month, index - count + 1) for index in range(count))
