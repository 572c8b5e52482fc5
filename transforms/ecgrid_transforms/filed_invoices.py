"""Records of imported invoices, made by `invoice_csv` and `x12_810`.

A file holds one invoice or several. What adds to the total is a line: items, allowances, charges, taxes and, where an
810 rounds only its total, the rounding. So `total_amount` less the sum of the lines is 0, or the file is wrong.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta

from ecgrid_transforms.model import Account
from ecgrid_transforms.money import Decimal, total
from ecgrid_transforms.period import next_month

__all__ = [
    "ALLOWANCE",
    "CHARGE",
    "CONTROL",
    "ITEM",
    "ROUNDING",
    "TAX",
    "FiledInvoice",
    "FiledLine",
    "InvoiceFileRefused",
]

#: Control characters without tab and line ends: no invoice has them, and a terminal would obey them.
CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
#: Kinds of lines.
ITEM, ALLOWANCE, CHARGE, TAX, ROUNDING = "item", "allowance", "charge", "tax", "rounding"


class InvoiceFileRefused(ValueError):
    """The file is not a readable invoice; the message states where, why and what to do."""


@dataclass(frozen=True, slots=True)
class FiledLine:
    """One line. `quantity` is in the unit of the invoice, `amount` and `tax` in its currency, the sign as it counts.

    `kind` is item, allowance, charge, tax or rounding. `tax` is the line's own tax; its amount is in a line of kind
    tax. `product_codes` are those of an 810's IT1, IT107 first.
    """

    kind: str
    amount: Decimal
    description: str | None = None
    quantity: Decimal | None = None
    unit_price: Decimal | None = None
    tax: Decimal | None = None
    account: Account | None = None
    account_report: str | None = None
    measure_field: str | None = None
    product_codes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class FiledInvoice:
    """One invoice; a credit note has a negative `total_amount`. `tax_amount` is part of the total; None: none stated.

    `period_begin` and `period_end` are the days that it bills, both included, where it states them.
    """

    invoice_number: str
    invoice_date: date
    total_amount: Decimal
    currency: str | None = None
    due_date: date | None = None
    po_number: str | None = None
    payment_terms: str | None = None
    bill_to: str | None = None
    contract_number: str | None = None
    period_begin: date | None = None
    period_end: date | None = None
    is_canceled: bool = False
    tax_amount: Decimal | None = None
    lines: tuple[FiledLine, ...] = ()

    @property
    def lines_amount(self) -> Decimal:
        return total([line.amount for line in self.lines])

    def accounts(self) -> Iterator[Account]:
        """The accounts that its lines name."""
        return (line.account for line in self.lines if line.account is not None)

    def billed_month(self) -> date | None:
        """The month of its period; without one, the month before its date. None: the period spans several months.

        The latter is inferred, as for InvoiceList: vendors date invoices on the last day of the month or after it.
        """
        days = [day for day in (self.period_begin, self.period_end) if day is not None]
        if not days:
            return next_month(self.invoice_date, -1)
        months = {day.replace(day=1) for day in days}
        if len(months) == 2:  # some vendors write the first day after the period as its end
            months = {day.replace(day=1) for day in (days[0], days[1] - timedelta(days=1))}
        return months.pop() if len(months) == 1 else None
