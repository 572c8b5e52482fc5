"""The documents that follow from a world: lines and invoices, as data."""

from dataclasses import dataclass
from datetime import date

from ecgrid_sandbox.world.model import Group, Pair, PriceList, Schedule
from ecgrid_transforms.money import Decimal

#: (network_id, mailbox_id); mailbox 0 is the network's Root.
Account = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Line:
    """One LineItem, and the group that it comes from, which planted errors need."""

    number: int
    line_date: date
    price_list: PriceList
    system_object: str
    system_id: int
    system_name: str
    schedule: Schedule
    actual: Decimal
    billed: Decimal
    is_taxable: bool
    amount: Decimal
    group: Group

    @property
    def pair(self) -> Pair:
        return self.group.pair


@dataclass(frozen=True, slots=True)
class Invoice:
    """One invoice of a contract for a month."""

    invoice_id: int
    number: str
    contract_id: int
    month: date
    issued: date
    total_amount: Decimal
    lines: tuple[Line, ...]
