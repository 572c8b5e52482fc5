"""invoice_lines.csv: the measure of each product code of an imported invoice, checked before lines are read."""

from collections.abc import Mapping
from pathlib import Path

from ecgrid_flows.warehouse.user_rows import read_rows
from ecgrid_transforms.model import ACCOUNT_REPORTS, MEASURE_FIELDS

__all__ = ["COLUMNS", "FILE", "read"]

FILE = "invoice_lines.csv"
COLUMNS = ("product_code", "account_report", "measure_field")


def read(path: Path) -> Mapping[str, tuple[str, str]]:
    """Product code -> account report and measure; a header alone is valid.

    Raises `SettingsError`, naming line and column, for the first invalid cell.
    """
    found: dict[str, tuple[str, str]] = {}
    for row in read_rows(path, COLUMNS):
        code = row.needed("product_code", str, "the code on the invoice")
        if code in found:
            raise row.wrong("product_code", f"{code!r} has a line already; leave one of them")
        found[code] = row.one_of("account_report", ACCOUNT_REPORTS), row.one_of("measure_field", MEASURE_FIELDS)
    return found
