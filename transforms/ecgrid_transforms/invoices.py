"""Invoice -> one row of the feed invoices, and one row per line of the feed invoice_lines.

An imported invoice (`FiledInvoice`) fills the columns that it has; those that only the API returns are null.
"""

import json
import re
from dataclasses import dataclass
from datetime import date, datetime

from ecgrid_transforms.filed_invoices import ITEM, FiledInvoice, FiledLine
from ecgrid_transforms.line_items import line_values
from ecgrid_transforms.model import Invoice, LineItem, Schedule
from ecgrid_transforms.money import Decimal
from ecgrid_transforms.rows import Row, json_text, wall_time
from ecgrid_transforms.wall_time import wall_time_ns

#: Source and API version of an imported invoice.
IMPORTED, BY_FILE = "imported", "import"


@dataclass(frozen=True, slots=True)
class Imported:
    """One imported invoice: the contract and month that it was filed under, and the file.

    `place` numbers the invoices of a contract and month. `previous` are total and hash of the replaced file.
    """

    month: date
    contract_id: int
    place: int
    invoice: FiledInvoice
    imported_at: datetime
    sha256: str
    previous: tuple[Decimal, str] | None = None


def number_key(number: str | None) -> str | None:
    """An invoice number in comparable form: letters and digits, without leading zeros (as in core_invoices.sql)."""
    return re.sub("[^A-Za-z0-9]", "", number or "").upper().lstrip("0") or None


def invoice_row(month: date, source: str, invoice: Invoice, api_version: str, pulled_at: datetime, sha256: str) -> Row:
    """One row of invoices. `source` is the operation that returned it: InvoiceInfo, or InvoiceCalculate (a trial)."""
    extra: dict[str, object] = dict(invoice.extra)
    invoice_date = wall_time("Date", invoice.date, extra)
    status_date = wall_time("StatusDate", invoice.status_date, extra)
    date_due = wall_time("DateDue", invoice.date_due, extra)
    return (
        month,
        source,
        invoice.invoice_id,
        invoice.invoice_number,
        invoice_date,
        invoice.contract_id,
        invoice.total_amount,
        invoice.po_number,
        invoice.status,
        status_date,
        date_due,
        invoice.price_list_description,
        invoice.terms,
        invoice.bill_to,
        *(None,) * 4,
        json_text(extra),
        api_version,
        pulled_at,
        sha256,
    )


def invoice_line_rows(
    month: date, source: str, invoice: Invoice, api_version: str, pulled_at: datetime, sha256: str
) -> list[Row]:
    """The rows of the invoice's lines, in the order of the response."""
    return [
        (
            month,
            source,
            invoice.invoice_id,
            invoice.invoice_number,
            invoice.contract_id,
            *line_values(line),
            *(None,) * 5,
            api_version,
            pulled_at,
            sha256,
        )
        for line in invoice.line_items
    ]


def imported_row(one: Imported) -> Row:
    """One row of invoices."""
    invoice = one.invoice
    total_before, sha256_before = one.previous or (None, None)
    return (
        one.month,
        IMPORTED,
        one.place,
        invoice.invoice_number,
        wall_time_ns(invoice.invoice_date.isoformat()),
        one.contract_id,
        invoice.total_amount,
        invoice.po_number,
        "Canceled" if invoice.is_canceled else "Sent",
        None,
        None if invoice.due_date is None else wall_time_ns(invoice.due_date.isoformat()),
        None,
        invoice.payment_terms,
        invoice.bill_to,
        invoice.currency,
        invoice.tax_amount,
        total_before,
        sha256_before,
        None,
        BY_FILE,
        one.imported_at,
        one.sha256,
    )


def imported_line_rows(one: Imported) -> list[Row]:
    """The rows of the invoice's lines, in their order.

    An account is a SystemObject as in a LineItem. A line for the whole invoice (such as a tax) has the object Invoice.
    """
    return [
        (
            one.month,
            IMPORTED,
            one.place,
            one.invoice.invoice_number,
            one.contract_id,
            *line_values(_line_item(number, line)),
            line.kind,
            line.description,
            json.dumps(line.product_codes, ensure_ascii=False) if line.product_codes else None,
            line.unit_price,
            line.tax,
            BY_FILE,
            one.imported_at,
            one.sha256,
        )
        for number, line in enumerate(one.invoice.lines, start=1)
    ]


def _line_item(number: int, line: FiledLine) -> LineItem:
    """The line in the columns that it shares with a LineItem."""
    kind = None if line.kind == ITEM else "Invoice"
    of: int | None = None
    if line.account is not None:
        is_mailbox = line.account.mailbox_id > 0
        kind = "Mailbox" if is_mailbox else "Network"
        of = line.account.mailbox_id if is_mailbox else line.account.network_id
    schedule = None
    if line.measure_field is not None:
        schedule = Schedule(*(None,) * 8, line.account_report, line.measure_field, None, None)
    return LineItem(
        number, *(None,) * 3, kind, of, *(None,) * 4, schedule, line.quantity, line.quantity, None, line.amount
    )
