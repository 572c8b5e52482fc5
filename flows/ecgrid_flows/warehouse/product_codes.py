"""invoice_lines.csv: the measure of each product code of an imported invoice, checked before lines are read."""

import csv
from collections.abc import Mapping
from pathlib import Path

from ecgrid_flows.errors import SettingsError
from ecgrid_transforms.model import ACCOUNT_REPORTS, MEASURE_FIELDS

__all__ = ["COLUMNS", "FILE", "read"]

FILE = "invoice_lines.csv"
COLUMNS = ("product_code", "account_report", "measure_field")


def read(path: Path) -> Mapping[str, tuple[str, str]]:
    """Product code -> account report and measure; a header alone is valid.

    Raises `SettingsError`, naming line and column, for the first invalid cell.
    """
    known = {"account_report": ACCOUNT_REPORTS, "measure_field": MEASURE_FIELDS}
    found: dict[str, tuple[str, str]] = {}
    try:
        with path.open(encoding="utf-8-sig", newline="") as source:
            rows = csv.reader(source, strict=True)
            header = next(rows, [])
            if tuple(header) != COLUMNS:
                raise SettingsError(f"{path}, line 1: the columns are {','.join(COLUMNS)}, separated by commas")
            for row in rows:
                where = f"{path}, line {rows.line_num}"
                if len(row) != len(COLUMNS):
                    raise SettingsError(f"{where}: {len(row)} cells under {len(COLUMNS)} columns")
                cells = dict(zip(COLUMNS, row, strict=True))
                code = cells["product_code"]
                if not code or code != code.strip():
                    raise SettingsError(f"{where}, column product_code: {code!r} is empty or has spaces at its ends")
                if code in found:
                    raise SettingsError(f"{where}, column product_code: {code!r} has a line already; leave one of them")
                for column, words in known.items():
                    if cells[column] not in words:
                        raise SettingsError(
                            f"{where}, column {column}: {cells[column]!r} is none of {', '.join(words)}"
                        )
                found[code] = cells["account_report"], cells["measure_field"]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise SettingsError(f"{path} cannot be read as CSV ({error}): make it a UTF-8 text") from error
    return found
