"""The invoice CSV of `invoice import`: one row per line of an invoice, or one row with its total alone.

Separated by commas, semicolons or tabs, in UTF-8 with or without a byte order mark; decimals have a point, dates are
ISO 8601. The columns that describe the invoice are filled on every row, or on its first. A row is a line where `amount`
is filled; `tax` adds to the total besides the amounts.
"""

import csv
import io
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import TypeVar

from ecgrid_transforms.filed_invoices import CONTROL, ITEM, TAX, FiledInvoice, FiledLine, InvoiceFileRefused
from ecgrid_transforms.model import ACCOUNT_REPORTS, MEASURE_FIELDS, Account
from ecgrid_transforms.money import Decimal, fitted, rounded, to_decimal, total

__all__ = ["COLUMNS", "TEMPLATE", "read"]

REQUIRED = ("invoice_number", "invoice_date", "total_amount")
INVOICE = ("invoice_number", "invoice_date", "due_date", "currency", "total_amount", "po_number", "payment_terms")
LINE = ("network_id", "mailbox_id", "account_report", "measure_field", "description", "quantity", "amount", "tax")
COLUMNS = (*INVOICE, *LINE)
#: Two lines and a set-up fee, to be filled in; 2,900.00 + 450.00 + 25.00 + 0.00 tax = 3,375.00.
TEMPLATE = f"""{",".join(COLUMNS)}
8753,2026-11-01,2026-12-01,USD,3375.00,PO-1001,Net 30,1001,5001,TrafficAll,TotalKCs,Kilo-characters,58000,2900.00,0.00
8753,2026-11-01,2026-12-01,USD,3375.00,PO-1001,Net 30,1001,0,FixedRate,FixedRate,Network fee,1,450.00,0.00
8753,2026-11-01,2026-12-01,USD,3375.00,PO-1001,Net 30,,,,,Set-up fee,1,25.00,0.00
"""
_SEPARATORS = (",", ";", "\t")
_NAMES = {",": "commas", ";": "semicolons", "\t": "tabs"}
_DIGITS = re.compile(r"[0-9]{1,10}")
_ISO_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_CURRENCY = re.compile(r"[A-Z]{3}")

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class _Cells:
    """One row of the file; `line` is the last of its lines in the file."""

    line: int
    row: Mapping[str, str]

    def wrong(self, column: str, why: str) -> InvoiceFileRefused:
        return InvoiceFileRefused(f"line {self.line}, column {column}: {why}")

    def text(self, column: str) -> str | None:
        return self.row.get(column, "").strip() or None

    def value(self, column: str, read: Callable[[str], Value], what: str) -> Value | None:
        """The cell by `read`; None where it is empty."""
        text = self.text(column)
        if text is None:
            return None
        try:
            return read(text)
        except (ValueError, ArithmeticError):
            raise self.wrong(column, f"{text!r} is not {what}") from None

    def amount(self, column: str) -> Decimal | None:
        return self.value(column, _decimal, "a decimal such as 8113.07, with a point and at most 10 decimals")

    def one_of(self, column: str, known: Collection[str]) -> str | None:
        text = self.text(column)
        if text is not None and text not in known:
            raise self.wrong(column, f"{text!r} is none of {', '.join(known)}")
        return text


def read(data: bytes, decimals: Callable[[str | None], int] | None = None) -> Sequence[FiledInvoice]:
    """The invoices of the file in its order; raises `InvoiceFileRefused`, naming line and column.

    `decimals` gives how many an amount may have, by the currency of its invoice; without it, up to 10.
    """
    invoices: dict[str, list[_Cells]] = {}
    for cells in _rows(data):
        number = cells.text("invoice_number")
        if number is None:
            raise cells.wrong("invoice_number", "is empty; fill it on every row")
        invoices.setdefault(number, []).append(cells)
    if decimals is not None:
        for rows in invoices.values():
            code = rows[0].text("currency")
            _check_decimals(rows, code, decimals(code))
    return [_invoice(number, rows) for number, rows in invoices.items()]


def _check_decimals(rows: Sequence[_Cells], code: str | None, most: int) -> None:
    for cells in rows:
        for column in ("total_amount", "amount", "tax"):
            amount = cells.amount(column)
            if amount is not None and rounded(amount, most) != amount:
                named = "an amount" if code is None else f"an amount in {code}"
                raise cells.wrong(column, f"{cells.text(column)!r} has more decimals than {named}, which has {most}")


def _rows(data: bytes) -> list[_Cells]:
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvoiceFileRefused(f"byte {error.start + 1} is not UTF-8; save the file as CSV in UTF-8") from None
    if not text.strip():
        raise InvoiceFileRefused("the file is empty")
    header = text.lstrip("\r\n").splitlines()[0]
    separators = [separator for separator in _SEPARATORS if separator in header]
    if len(separators) != 1:
        raise InvoiceFileRefused(
            "line 1: separate the columns by commas, semicolons or tabs, and by one of them alone; "
            f"the columns are {','.join(COLUMNS)}"
        )
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=separators[0], strict=True)
    try:
        names: list[str] = []
        found = []
        for row in rows:
            if not any(cell.strip() for cell in row):
                continue
            if not names:
                names = [name.strip() for name in row]
                _check_header(names)
                continue
            if len(row) != len(names):
                raise InvoiceFileRefused(
                    f"line {rows.line_num}: {len(row)} cells under {len(names)} columns; quote cells that hold "
                    f"{_NAMES[separators[0]]}, and write decimals with a point"
                )
            cells = _Cells(rows.line_num, dict(zip(names, row, strict=True)))
            for name, cell in cells.row.items():
                if control := CONTROL.search(cell):
                    raise cells.wrong(name, f"it has the control character {control[0]!r}; remove it")
            found.append(cells)
    except csv.Error as error:
        raise InvoiceFileRefused(f"line {rows.line_num}: {error}; correct the quotes") from None
    return found


def _check_header(names: Sequence[str]) -> None:
    columns = f"the columns are {','.join(COLUMNS)}"
    for name in names:
        if name not in COLUMNS or names.count(name) > 1:
            raise InvoiceFileRefused(f"line 1: column {name!r} is unknown or repeated; {columns}")
    for name in REQUIRED:
        if name not in names:
            raise InvoiceFileRefused(f"line 1: column {name} is missing; {columns}")


def _invoice(number: str, rows: Sequence[_Cells]) -> FiledInvoice:
    first = rows[0]
    for cells in rows[1:]:
        for column in INVOICE:
            if cells.text(column) not in (None, first.text(column)):
                why = f"{cells.text(column)!r} differs from line {first.line}; an invoice has one"
                raise cells.wrong(column, why)
    day = "a date such as 2026-10-31"
    dated = first.value("invoice_date", _date, day)
    asked = first.amount("total_amount")
    if dated is None:
        raise first.wrong("invoice_date", "is empty; write the date of the invoice")
    if asked is None:
        raise first.wrong("total_amount", "is empty; write the invoice's total, tax included")
    lines = [line for cells in rows if (line := _line(cells)) is not None]
    taxes = [tax for cells in rows if (tax := cells.amount("tax")) is not None]
    tax = total(taxes) if taxes else None
    if lines and tax:
        lines.append(FiledLine(TAX, tax, "Tax"))
    return FiledInvoice(
        number,
        dated,
        asked,
        first.value("currency", _currency, "a currency's code such as USD (ISO 4217)"),
        first.value("due_date", _date, day),
        first.text("po_number"),
        first.text("payment_terms"),
        tax_amount=tax,
        lines=tuple(lines),
    )


def _line(cells: _Cells) -> FiledLine | None:
    """The line of a row; None where the row has only the invoice's columns."""
    amount = cells.amount("amount")
    if amount is None:
        if filled := [column for column in LINE if column not in ("amount", "tax") and cells.text(column)]:
            raise cells.wrong("amount", f"is empty, but {filled[0]} is filled; write the line's amount")
        return None
    number = "a whole number below 2147483648"
    network, mailbox = cells.value("network_id", _whole, number), cells.value("mailbox_id", _whole, number)
    if (network is None) != (mailbox is None):
        lacking = "network_id" if network is None else "mailbox_id"
        raise cells.wrong(lacking, "is empty; fill both network_id and mailbox_id (0 is the Root mailbox), or neither")
    report, measure = cells.one_of("account_report", ACCOUNT_REPORTS), cells.one_of("measure_field", MEASURE_FIELDS)
    if (report is None) != (measure is None):
        lacking = "account_report" if report is None else "measure_field"
        raise cells.wrong(lacking, "is empty; fill both account_report and measure_field, or neither")
    return FiledLine(
        ITEM,
        amount,
        cells.text("description"),
        cells.amount("quantity"),
        None,
        cells.amount("tax"),
        None if network is None or mailbox is None else Account(network, mailbox),
        report,
        measure,
    )


def _whole(text: str) -> int:
    if not _DIGITS.fullmatch(text) or int(text) >= 2**31:
        raise ValueError(text)
    return int(text)


def _decimal(text: str) -> Decimal:
    return fitted(to_decimal(text))


def _currency(text: str) -> str:
    if not _CURRENCY.fullmatch(text):
        raise ValueError(text)
    return text


def _date(text: str) -> date:
    if not _ISO_DATE.fullmatch(text):
        raise ValueError(text)
    return date.fromisoformat(text)
