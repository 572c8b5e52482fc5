"""Invoice -> one row of the feed invoices, and one row per line of the feed invoice_lines."""

from datetime import date, datetime

from ecgrid_transforms.line_items import line_values
from ecgrid_transforms.model import Invoice
from ecgrid_transforms.rows import Row, json_text, wall_time


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
            api_version,
            pulled_at,
            sha256,
        )
        for line in invoice.line_items
    ]
