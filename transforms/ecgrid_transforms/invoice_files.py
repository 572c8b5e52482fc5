"""Invoice files of either form: CSV or X12 810."""

from collections.abc import Callable, Sequence

from ecgrid_transforms import invoice_csv, x12_810
from ecgrid_transforms.filed_invoices import FiledInvoice, InvoiceFileRefused
from ecgrid_transforms.invoices import number_key

__all__ = ["CSV", "X12", "media_type", "read"]

#: Media types of the two forms (RFC 4180, RFC 1767), as raw keeps them.
CSV, X12 = "text/csv", "application/EDI-X12"


def media_type(data: bytes) -> str:
    """`X12` where the file begins with an interchange header, else `CSV`."""
    return X12 if data.removeprefix(b"\xef\xbb\xbf").lstrip()[:3] == b"ISA" else CSV


def read(data: bytes, decimals: Callable[[str | None], int] | None = None) -> Sequence[FiledInvoice]:
    """The invoices of a file, at least one, each number once; raises `InvoiceFileRefused`.

    `decimals` gives how many an amount of a CSV may have, by currency; the totals of an 810 have two.
    """
    found = x12_810.read(data) if media_type(data) == X12 else invoice_csv.read(data, decimals)
    if not found:
        raise InvoiceFileRefused("the file holds no invoice")
    numbers: dict[str, str] = {}
    for invoice in found:
        number = invoice.invoice_number
        key = number_key(number) or number
        if key in numbers:
            written = "" if numbers[key] == number else f", written as {numbers[key]} too"
            raise InvoiceFileRefused(f"the file holds invoice {number} twice{written}; leave one of them")
        numbers[key] = number
    return found
