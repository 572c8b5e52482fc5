"""The invoice CSV: separators, exact decimals, errors by line and column."""

import csv
import io
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecgrid_transforms import invoice_files
from ecgrid_transforms.filed_invoices import InvoiceFileRefused
from ecgrid_transforms.invoice_csv import COLUMNS, TEMPLATE
from ecgrid_transforms.model import Account
from ecgrid_transforms.money import MONEY_SCALE, Decimal, plain, to_decimal, total

TOTAL = "invoice_number,invoice_date,total_amount\n8753,2026-11-01,8113.07\n"
LINE = (
    "invoice_number,invoice_date,total_amount,network_id,mailbox_id,account_report,measure_field,quantity,amount\n"
    "8753,2026-11-01,5,1001,5001,TrafficAll,ToTrans,3,5\n"
)


def test_the_template_ties() -> None:
    """2,900.00 + 450.00 + 25.00 + 0.00 tax = 3,375.00."""
    (invoice,) = invoice_files.read(TEMPLATE.encode())
    assert TEMPLATE.splitlines()[0].split(",") == list(COLUMNS)
    assert invoice.lines_amount == invoice.total_amount == to_decimal("3375")
    assert [line.account for line in invoice.lines] == [Account(1001, 5001), Account(1001, 0), None]
    assert invoice.lines[0].measure_field == "TotalKCs"
    assert invoice.billed_month() == date(2026, 10, 1)


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_a_total_alone(separator: str, mark: bytes) -> None:
    (invoice,) = invoice_files.read(mark + TOTAL.replace(",", separator).replace("\n", "\r\n").encode())
    assert (invoice.invoice_number, invoice.total_amount, invoice.lines) == ("8753", to_decimal("8113.07"), ())
    assert invoice.tax_amount is None


def test_tax_adds_to_the_total_and_is_a_line() -> None:
    """10.00 + 5.00, tax 1.50 and 0.75: 17.25."""
    head = "invoice_number,invoice_date,total_amount,amount,tax\n"
    (invoice,) = invoice_files.read(f"{head}1,2026-11-01,17.25,10,1.5\n1,,,5,0.75\n".encode())
    assert [(line.kind, line.amount) for line in invoice.lines] == [
        ("item", to_decimal("10")), ("item", to_decimal("5")), ("tax", to_decimal("2.25"))
    ]  # fmt: skip
    assert invoice.lines_amount == invoice.total_amount
    (alone,) = invoice_files.read(f"{head}1,2026-11-01,17.25,,2.25\n".encode())
    assert (alone.tax_amount, alone.lines) == (to_decimal("2.25"), ())


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "the file is empty"),
        ("invoice_number\n1\n", "line 1: separate the columns"),
        ("invoice_number,invoice_date;total_amount\n", "line 1: separate the columns"),
        (TOTAL.replace("total_amount", "total"), "line 1: column 'total' is unknown"),
        ("invoice_number,invoice_date\n", "line 1: column total_amount is missing"),
        (TOTAL.replace("8113.07", '"8,113.07"'), "line 2, column total_amount: '8,113.07' is not a decimal"),
        (TOTAL.replace("8113.07", "1e3"), "line 2, column total_amount"),
        (TOTAL.replace("8753", "87\x1b[31m"), "line 2, column invoice_number: it has the control character .{1,2}x1b'"),
        (TOTAL.replace("8753", "87\x0053"), "line 2, column invoice_number: it has the control character .{1,2}x00'"),
        (TOTAL.replace("8113.07", "8113,07"), "line 2: 4 cells under 3 columns"),
        (TOTAL.replace("8113.07", ""), "line 2, column total_amount: is empty"),
        (TOTAL.replace("2026-11-01", ""), "line 2, column invoice_date: is empty"),
        (TOTAL.replace("2026-11-01", "11/1/2026"), "line 2, column invoice_date"),
        (TOTAL.replace("2026-11-01", "20261101"), "line 2, column invoice_date"),
        (TOTAL.replace("8753", ""), "line 2, column invoice_number: is empty"),
        (TOTAL + "8753,2026-11-02,\n", "line 3, column invoice_date: '2026-11-02' differs from line 2"),
        ("invoice_number,invoice_date,total_amount,quantity,amount\n1,2026-11-01,5,3,\n", "column amount: is empty"),
        ("invoice_number,invoice_date,total_amount,network_id,amount\n1,2026-11-01,5,3,5\n", "column mailbox_id"),
        ("invoice_number,invoice_date,total_amount,account_report,amount\n1,2026-11-01,5,X,5\n", "'X' is none of"),
        ("invoice_number,invoice_date,total_amount,currency\n1,2026-11-01,5,usd\n", "column currency: 'usd'"),
        (
            "invoice_number,invoice_date,total_amount,total_amount\n",
            "line 1: column 'total_amount' is unknown or repeated",
        ),
        (LINE.replace("1001", ""), "line 2, column network_id: is empty; fill both"),
        (LINE.replace("5001", "2147483648"), "line 2, column mailbox_id: '2147483648' is not a whole number"),
        (LINE.replace("5001", "-1"), "line 2, column mailbox_id: '-1' is not a whole number"),
        (LINE.replace("ToTrans", ""), "line 2, column measure_field: is empty; fill both"),
        (LINE.replace("TrafficAll", ""), "line 2, column account_report: is empty; fill both"),
        (LINE.replace("5001", "2147483647\x7f"), "line 2, column mailbox_id: it has the control character"),
        (TOTAL.replace("8753", '"8753'), "line 2: .*quotes"),
    ],
)
def test_a_wrong_cell_is_named(text: str, words: str) -> None:
    with pytest.raises(InvoiceFileRefused, match=words):
        invoice_files.read(text.encode())


def test_a_line_has_what_its_row_has() -> None:
    (invoice,) = invoice_files.read(("\r\n" + LINE.replace("5001", "2147483647") + "\n,,,,,,,,\n").encode())
    (line,) = invoice.lines
    assert (line.account, line.amount) == (Account(1001, 2**31 - 1), to_decimal("5"))
    assert (line.account_report, line.measure_field, line.quantity) == ("TrafficAll", "ToTrans", to_decimal("3"))


def test_numbers_without_a_letter_or_digit_are_as_they_are_written() -> None:
    data = b"invoice_number,invoice_date,total_amount\n-,2026-11-01,1\n/,2026-11-01,2\n"
    assert [one.invoice_number for one in invoice_files.read(data)] == ["-", "/"]


def test_a_file_without_rows_holds_no_invoice() -> None:
    with pytest.raises(InvoiceFileRefused, match="the file holds no invoice"):
        invoice_files.read(b"invoice_number,invoice_date,total_amount\n")


def test_more_decimals_than_the_currency_has_are_refused() -> None:
    def decimals(code: str | None) -> int:
        return 0 if code == "JPY" else 2

    head = "invoice_number,invoice_date,total_amount,currency,amount\n"
    assert invoice_files.read(f"{head}1,2026-11-01,5.25,USD,5.25\n2,2026-11-01,5.0,JPY,5\n".encode(), decimals)
    with pytest.raises(
        InvoiceFileRefused, match=r"line 2, column amount: '5.5' has more decimals .* in JPY, which has 0"
    ):
        invoice_files.read(f"{head}2,2026-11-01,5,JPY,5.5\n".encode(), decimals)
    with pytest.raises(
        InvoiceFileRefused, match=r"column total_amount: '5.125' has more .* than an amount, which has 2"
    ):
        invoice_files.read(f"{head}2,2026-11-01,5.125,,\n".encode(), decimals)


def test_another_encoding_is_refused() -> None:
    with pytest.raises(InvoiceFileRefused, match="byte 11 is not UTF-8"):
        invoice_files.read("Rechnung für,1".encode("latin-1"))


MONEY = st.decimals(-(10**12), 10**12, places=MONEY_SCALE, allow_nan=False, allow_infinity=False)


@given(st.lists(MONEY, min_size=1, max_size=6), st.sampled_from([",", ";", "\t"]), st.text("äß,;\t\"'=x ", max_size=9))
def test_amounts_come_back_digit_for_digit(amounts: list[Decimal], separator: str, words: str) -> None:
    text = io.StringIO()
    writer = csv.writer(text, delimiter=separator)
    writer.writerow(["invoice_number", "invoice_date", "total_amount", "description", "amount"])
    due = plain(total(amounts))
    for amount in amounts:
        writer.writerow(["8753", "2026-11-01", due, words, plain(amount)])
    (invoice,) = invoice_files.read(text.getvalue().encode())
    assert [line.amount for line in invoice.lines] == amounts
    assert invoice.total_amount == total(amounts)
    assert {line.description for line in invoice.lines} == {words.strip() or None}
