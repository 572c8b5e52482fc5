"""A simulation as a page to take to the negotiation: self-contained, and it prints on A4."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ecgrid_flows import figures, pages
from ecgrid_flows.rating.simulation import Simulation, volume_words
from ecgrid_flows.reporting.report import INVENTED, write_whole
from ecgrid_flows.settings import Settings
from ecgrid_flows.storage.base import disk_errors
from ecgrid_flows.storage.data_owner import is_invented
from ecgrid_transforms.period import month_text

__all__ = ["write_negotiation"]

#: Lines on the page, those with the largest difference.
_LINES = 40


def write_negotiation(settings: Settings, found: Simulation, terms: str, target: Path) -> Path:
    """Write the page of a simulation; `terms` describes the terms tried. Raises `StorageFailed` when the disk fails."""
    figures.use_currency(settings.currency)
    changed = [row for row in found.lines if row["error"] is None and (row["difference_low"] or row["difference_high"])]
    changed.sort(key=lambda row: -max(abs(row["difference_low"]), abs(row["difference_high"])))
    page = pages.page(
        "negotiation.html.j2",
        notice=INVENTED if is_invented(settings) else "",
        currency=settings.currency,
        terms=terms,
        volume=volume_words(found.volume),
        first=month_text(found.first),
        last=month_text(found.last),
        total=found.total,
        parts=found.parts,
        best=_named(found.best_month),
        worst=_named(found.worst_month),
        break_evens=found.break_evens,
        groups=[
            ("Contracts", [{"name": _contract(row), **row} for row in found.contracts]),
            ("Months", [{"name": month_text(row["reporting_month"]), **row} for row in found.months]),
        ],
        readings=found.readings,
        curve=found.curve,
        lines=[_named(row) for row in changed[:_LINES]],
    )
    with disk_errors(str(target)):
        write_whole(target, page)
    return target


def _named(row: Mapping[str, Any]) -> dict[str, Any]:
    return {"month": month_text(row["reporting_month"]), **row}


def _contract(row: Mapping[str, Any]) -> str:
    return "without a contract" if row["contract_id"] is None else str(row["contract_id"])
