"""The records of the billing feeds, as frozen data. Field names are ECGrid's, in this project's spelling.

Sources: LineItem and Schedule from the API page of v3.2 InvoiceCalculateLineItem; Pricelist, Level, Contract, Invoice
and the *IDInfo types from the published WSDLs (facts 1.3); the enumerations from facts 1.4.

`extra` holds unknown elements by element path; no part of a response is dropped.
None means that the response had no such element, or one whose value does not fit its type (`extra` then has its text):
missing is never zero and never an empty string. The LineItem of an InvoiceCalculateLineItem response has every value
that is required.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from types import MappingProxyType

from ecgrid_transforms.money import Decimal

ACCOUNT_REPORTS = (
    "FixedRate",
    "Statistics",
    "TrafficAll",
    "TrafficIntraNetwork",
    "TrafficInterECGrid",
    "TrafficOffNetwork",
    "TrafficSpecial",
    "TrafficKCInterchangeTiered",
)
MEASURE_FIELDS = (
    "Each",
    "FixedRate",
    "NewInterconnects",
    "CurrentMailboxes",
    "ActiveQIDs",
    "ActiveTPs",
    "TotalTrans",
    "ToTrans",
    "FromTrans",
    "TotalKCs",
    "ToKCs",
    "FromKCs",
    "RegisteredQIDs",
    "RegisteredTPs",
    "MigratedTPs",
    "CreditPercentage",
    "DebitPercentage",
    "Subtotal",
    "TieredKCIntCount",
    "MonthlyMinimum",
    "Credit",
)
#: Measures that are amounts of money, not counts (billing-semantics C1).
MONEY_MEASURES = ("Subtotal", "CreditPercentage", "DebitPercentage", "MonthlyMinimum", "Credit")

Extra = Mapping[str, object]
NO_EXTRA: Extra = MappingProxyType({})


def _no_extra() -> Extra:
    return NO_EXTRA


@dataclass(frozen=True, slots=True, order=True)
class Account:
    """What is billed: one (NetworkID, MailboxID). MailboxID 0 is the network's Root mailbox."""

    network_id: int
    mailbox_id: int


@dataclass(frozen=True, slots=True, order=True)
class Key:
    """The argument of one InvoiceCalculateLineItem call. `reporting_month` is the first day of the month."""

    network_id: int
    mailbox_id: int
    reporting_month: date
    account_report: str
    measure_field: str

    @property
    def account(self) -> Account:
        return Account(self.network_id, self.mailbox_id)

    def __str__(self) -> str:
        return (
            f"{self.network_id}/{self.mailbox_id} {self.reporting_month:%Y-%m} "
            f"{self.account_report}/{self.measure_field}"
        )


@dataclass(frozen=True, slots=True)
class OddValue:
    """A value of a response that does not fit its type: its record, element and text, and the reason.

    `text` is None where the element is absent or nil, and cut where it is very long.
    """

    record: str
    element: str
    text: str | None
    why: str

    def __str__(self) -> str:
        return f"{self.record}: {self.element} {self.why}{'' if self.text is None else f': {self.text!r}'}"


@dataclass(frozen=True, slots=True)
class LeftOut(OddValue):
    """The identifier of a record cannot be read, so no request can be made for the record.

    `name` is the record's own name, `network_id` the network of a mailbox; None where they are unknown.
    """

    name: str | None = None
    network_id: int | None = None


@dataclass(frozen=True, slots=True)
class Schedule:
    """One tier of a price list, or the tier that a line states as applied. The vendor documents no field's meaning."""

    schedule_id: int | None
    allowance: Decimal | None
    minimum: int | None  # absent before 2022 (facts 1.5)
    maximum: int | None
    block: Decimal | None
    rate: Decimal | None
    catalog_id: int | None
    description: str | None
    account_report: str | None
    measure: str | None
    specified_network_id: int | None
    include_root_mailbox: bool | None
    extra: Extra = field(default_factory=_no_extra)


@dataclass(frozen=True, slots=True)
class LineItem:
    """One billed line. `line_date` is the text as received: 0001-01-01 and seven decimals fit no datetime."""

    line_item_number: int | None
    line_date: str | None
    price_list_id: int | None
    price_list_description: str | None
    system_object: str | None
    system_id: int | None
    system_name: str | None
    level: str | None
    level_name: str | None
    model: str | None
    schedule: Schedule | None
    actual: Decimal | None
    quantity_billed: Decimal | None
    is_taxable: bool | None
    amount: Decimal | None
    extra: Extra = field(default_factory=_no_extra)


@dataclass(frozen=True, slots=True)
class Level:
    """A level of a price list: several schedules (one per measure) under one name, perhaps for some months only."""

    level: str | None
    name: str | None
    limited_months: int | None
    schedules: tuple[Schedule, ...]
    extra: Extra = field(default_factory=_no_extra)


@dataclass(frozen=True, slots=True)
class Pricelist:
    """A price list with its rate ladder (PricelistInfo). `date` is the text as received."""

    price_list_id: int
    date: str | None
    description: str | None
    model: str | None
    status: str | None
    levels: tuple[Level, ...]
    extra: Extra = field(default_factory=_no_extra)


@dataclass(frozen=True, slots=True)
class AccountInfo:
    """One account in the response of a list operation. Price list or contract 0 means none of its own [inferred]."""

    account: Account
    name: str | None
    status: str | None
    price_list_id: int | None
    contract_id: int | None


@dataclass(frozen=True, slots=True)
class Contract:
    """A contract and the accounts it bills; ContractList may leave out the accounts that ContractInfo has."""

    contract_id: int
    description: str | None
    contract_number: str | None
    effective: str | None
    expires: str | None
    status: str | None
    po_number: str | None
    aggregate_network_traffic: bool | None
    last_invoice_number: str | None
    last_invoice_date: str | None
    networks: tuple[AccountInfo, ...]
    mailboxes: tuple[AccountInfo, ...]
    extra: Extra = field(default_factory=_no_extra)


@dataclass(frozen=True, slots=True)
class Invoice:
    """An invoice; InvoiceList may leave out the lines that InvoiceInfo has (then `line_items` is empty).

    `contract_id` is None where it cannot be read.
    """

    invoice_id: int
    invoice_number: str | None
    date: str | None
    contract_id: int | None
    total_amount: Decimal | None
    po_number: str | None
    status: str | None
    status_date: str | None
    date_due: str | None
    price_list_description: str | None
    terms: str | None
    bill_to: str | None
    line_items: tuple[LineItem, ...] = ()
    extra: Extra = field(default_factory=_no_extra)
