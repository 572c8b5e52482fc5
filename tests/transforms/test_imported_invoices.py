"""An imported invoice, a value that does not fit and a requested key into rows: every value in its own column."""

from dataclasses import replace
from datetime import UTC, date, datetime

import pyarrow as pa

from ecgrid_transforms.calls import FAULT, call_row
from ecgrid_transforms.filed_invoices import ITEM, TAX, FiledInvoice, FiledLine
from ecgrid_transforms.invoices import Imported, imported_line_rows, imported_row, number_key
from ecgrid_transforms.model import Account, Key, OddValue
from ecgrid_transforms.money import to_decimal
from ecgrid_transforms.rows import Row, batch
from ecgrid_transforms.schemas import CALLS, INVOICE_LINES, INVOICES, VALUE_FAULTS
from ecgrid_transforms.value_faults import value_fault_row

MONTH, NOW, SHA256 = date(2026, 10, 1), datetime(2026, 11, 2, 8, tzinfo=UTC), "ab" * 32
MAILBOX = FiledLine(
    ITEM, to_decimal("12.5"), "Kilo-characters", to_decimal("5"), to_decimal("2.5"), to_decimal("1"), Account(7, 11),
    "TrafficAll", "ToTrans", ("A-1", "ß"),
)  # fmt: skip
ROOT = FiledLine(ITEM, to_decimal("3"), account=Account(7, 0))
INVOICE = FiledInvoice(
    "INV-9", date(2026, 11, 1), to_decimal("16.5"), "USD", date(2026, 12, 1), "PO-1", "Net 30", "A payer",
    tax_amount=to_decimal("1"), lines=(MAILBOX, ROOT, FiledLine(TAX, to_decimal("1"), "Tax")),
)  # fmt: skip


def told(schema: pa.Schema, rows: list[Row]) -> list[dict[str, object]]:
    """The filled columns of the rows."""
    found = batch(schema, rows).to_pylist()
    return [{name: value for name, value in row.items() if value is not None} for row in found]


def test_an_imported_invoice_fills_the_columns_that_it_has() -> None:
    before = (to_decimal("15"), "cd" * 32)
    (row,) = told(INVOICES, [imported_row(Imported(MONTH, 901, 2, INVOICE, NOW, SHA256, before))])
    assert [str(row.pop(name)) for name in ("invoice_date", "date_due")] == [
        "2026-11-01 00:00:00",
        "2026-12-01 00:00:00",
    ]
    assert row == {
        "reporting_month": MONTH, "source": "imported", "invoice_id": 2, "invoice_number": "INV-9", "contract_id": 901,
        "total_amount": to_decimal("16.5"), "po_number": "PO-1", "status": "Sent", "terms": "Net 30",
        "bill_to": "A payer", "currency": "USD", "tax_amount": to_decimal("1"),
        "previous_total_amount": to_decimal("15"), "previous_response_sha256": "cd" * 32, "api_version": "import",
        "pulled_at": NOW, "response_sha256": SHA256,
    }  # fmt: skip


def test_a_canceled_invoice_without_more_than_its_total() -> None:
    invoice = FiledInvoice("INV-9", date(2026, 11, 1), to_decimal("16.5"), is_canceled=True)
    (row,) = told(INVOICES, [imported_row(Imported(MONTH, 901, 1, invoice, NOW, SHA256))])
    assert row["status"] == "Canceled"
    assert row.keys().isdisjoint({"date_due", "currency", "tax_amount", "previous_total_amount", "terms"})


def test_a_line_of_a_mailbox_of_a_network_and_of_the_invoice() -> None:
    assert list(INVOICE.accounts()) == [Account(7, 11), Account(7, 0)]
    mailbox, root, tax = told(INVOICE_LINES, imported_line_rows(Imported(MONTH, 901, 2, INVOICE, NOW, SHA256)))
    common = {
        "reporting_month": MONTH, "source": "imported", "invoice_id": 2, "invoice_number": "INV-9", "contract_id": 901,
        "api_version": "import", "pulled_at": NOW, "response_sha256": SHA256,
    }  # fmt: skip
    assert mailbox == common | {
        "line_item_number": 1, "system_object": "Mailbox", "system_id": 11, "schedule_account_report": "TrafficAll",
        "schedule_measure": "ToTrans", "actual": to_decimal("5"), "quantity_billed": to_decimal("5"),
        "amount": to_decimal("12.5"), "line_kind": "item", "line_description": "Kilo-characters",
        "product_codes": '["A-1", "ß"]', "unit_price": to_decimal("2.5"), "tax_amount": to_decimal("1"),
    }  # fmt: skip
    assert root == common | {
        "line_item_number": 2, "system_object": "Network", "system_id": 7, "amount": to_decimal("3"),
        "line_kind": "item",
    }  # fmt: skip
    assert tax == common | {
        "line_item_number": 3, "system_object": "Invoice", "amount": to_decimal("1"), "line_kind": "tax",
        "line_description": "Tax",
    }  # fmt: skip


def test_the_object_of_a_line_without_an_account_and_of_the_first_mailbox() -> None:
    lines = (FiledLine(ITEM, to_decimal("1")), FiledLine(ITEM, to_decimal("2"), account=Account(7, 1)))
    rows = told(INVOICE_LINES, imported_line_rows(Imported(MONTH, 901, 2, replace(INVOICE, lines=lines), NOW, SHA256)))
    assert [(row.get("system_object"), row.get("system_id")) for row in rows] == [(None, None), ("Mailbox", 1)]


def test_invoice_numbers_are_compared_by_letters_and_digits() -> None:
    numbers = ("08-753", "inv 07", "0a0", "000", "-", "", None)
    assert [number_key(number) for number in numbers] == ["8753", "INV07", "A0", None, None, None, None]


def test_a_value_that_does_not_fit_is_a_row_with_what_was_asked() -> None:
    odd = OddValue("LineItem 2", "Amount", "1e999", "is not a decimal")
    row = value_fault_row(MONTH, "invoices", "InvoiceInfo", {"InvoiceID": 5, "Deep": True}, odd, "v3.2", NOW, SHA256)
    assert told(VALUE_FAULTS, [row]) == [{
        "reporting_month": MONTH, "feed": "invoices", "operation": "InvoiceInfo", "asked": "InvoiceID=5 Deep=True",
        "record": "LineItem 2", "element": "Amount", "value_text": "1e999", "reason": "is not a decimal",
        "api_version": "v3.2", "pulled_at": NOW, "response_sha256": SHA256,
    }]  # fmt: skip


def test_a_requested_key_is_a_row_with_its_outcome() -> None:
    row = call_row(Key(7, 11, MONTH, "TrafficAll", "ToTrans"), FAULT, "Session", "expired", 3, 250, NOW)
    assert told(CALLS, [row]) == [{
        "network_id": 7, "mailbox_id": 11, "reporting_month": MONTH, "account_report": "TrafficAll",
        "measure_field": "ToTrans", "outcome": "fault", "fault_code": "Session", "fault_message": "expired",
        "attempts": 3, "latency_ms": 250, "called_at": NOW,
    }]  # fmt: skip
