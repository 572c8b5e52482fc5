"""`reports/index.html`: all months at a glance, each with its report."""

import json
from collections.abc import Iterator
from contextlib import closing
from datetime import date
from pathlib import Path
from typing import Any

from ecgrid_flows import figures, pages
from ecgrid_flows.reporting.report import INVENTED, write_whole
from ecgrid_flows.settings import Settings
from ecgrid_flows.storage.atomic_folder import put_file
from ecgrid_flows.storage.base import disk_errors
from ecgrid_flows.storage.data_owner import is_invented
from ecgrid_flows.storage.opening import open_store
from ecgrid_flows.warehouse import books, database
from ecgrid_transforms.money import ZERO, Decimal, to_decimal
from ecgrid_transforms.period import NotAMonth, month_text, parse_month

__all__ = ["write_index"]

INDEX = "index.html"
_WHOLE = Decimal(100)


def write_index(settings: Settings) -> Path:
    """Write the page anew from the warehouse and the reports that are there; the newest month comes first.

    Raises `NoSuchData` without a warehouse, `StorageFailed` when the disk fails.
    """
    with closing(database.connect(settings.warehouse_path)) as connection:
        rows = (
            database.ordered(books.create(connection, "books_months"), "reporting_month").to_arrow_table().to_pylist()
        )
    found = {row["reporting_month"]: row for row in rows}
    folder = settings.local_dir / "reports"
    reports = dict(_reports(folder))
    figures.use_currency(settings.currency)
    most = max([_size(row) for row in rows], default=ZERO)
    months = [
        {
            "month": month_text(month),
            "reports": reports.get(month, []),
            "share": _share(_size(found[month]), most) if month in found else None,
            "accrued": _accrued(settings, month),
            **found.get(month, dict.fromkeys(rows[0] if rows else ())),
        }
        for month in sorted({*found, *reports}, reverse=True)
    ]
    page = pages.page(
        "index.html.j2",
        notice=INVENTED if is_invented(settings) else "",
        currency=settings.currency,
        months=months,
    )
    target = folder / INDEX
    with disk_errors(str(target)):
        folder.mkdir(parents=True, exist_ok=True)
        write_whole(target, page)
    if settings.is_remote:
        put_file(open_store(settings), f"reports/{INDEX}", target)
    return target


def _accrued(settings: Settings, month: date) -> Decimal | None:
    """The sum of the month's accrual, by its manifest; None where there is none that can be read."""
    folder = settings.exports_dir(month)
    path = folder.with_name(f"{folder.name}-accrual") / "manifest.json"
    try:
        files = json.loads(path.read_text(encoding="utf-8"))["files"]
        return to_decimal(files["accrual.csv"]["control_totals"]["projected_amount"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _reports(folder: Path) -> Iterator[tuple[date, list[str]]]:
    """Month -> the paths of its pages, relative to `folder`."""
    for path in sorted(folder.glob("????-??")):
        try:
            month = parse_month(path.name)
        except NotAMonth:
            continue
        if pages_of := sorted(page.name for page in path.glob("*.html")):
            yield month, [f"{path.name}/{name}" for name in pages_of]


def _size(row: dict[str, Any]) -> Decimal:
    """What the month is drawn by: what was invoiced, else what was recalculated."""
    amount = row["invoiced_amount"] if row["invoiced_amount"] is not None else row["recalculated_amount"]
    return max(amount, ZERO) if isinstance(amount, Decimal) else ZERO


def _share(part: Decimal, most: Decimal) -> int:
    """A bar's width in percent of the longest."""
    return int(part * _WHOLE / most) if most else 0
