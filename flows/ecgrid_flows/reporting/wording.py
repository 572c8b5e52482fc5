"""Display names and text formatting of reports: checks, severities, verdicts, units, months."""

from collections.abc import Sequence
from datetime import date
from functools import cache
from typing import Any

import pandas as pd
from babel import Locale
from babel.dates import format_skeleton
from babel.lists import format_list

from ecgrid_flows.rating.month_totals import AtStake
from ecgrid_flows.reporting.palette import GREEN, GREY, ORANGE, VERMILION
from ecgrid_flows.warehouse import sql_files, sql_headers
from ecgrid_transforms.period import next_month

#: English as outside the United States: `a, b and c`.
LOCALE = Locale("en", "001")
SEVERITIES = {"error": "Error", "warning": "Warning", "info": "Note"}
VERDICTS = {
    "fits": "fits",
    "differs": "differs",
    "undecided": "undecided",
    "not_provable": "not provable",
    "decided": "decided",
    "none_fits": "none fits",
}
#: A line's verdict in words, and its colour on charts, in the order of the bars.
VERDICT_WORDS = {"fits": "Fits", "differs": "Differs", "undecided": "Undecided", "not_provable": "Not provable"}
VERDICT_COLOURS = {"Fits": GREEN, "Differs": VERMILION, "Undecided": ORANGE, "Not provable": GREY}
UNITS = {
    "TotalKCs": "KC",
    "ToKCs": "KC",
    "FromKCs": "KC",
    "TotalTrans": "transactions",
    "ToTrans": "transactions",
    "FromTrans": "transactions",
    "NewInterconnects": "interconnects",
    "CurrentMailboxes": "mailboxes",
    "ActiveQIDs": "IDs",
    "RegisteredQIDs": "IDs",
    "ActiveTPs": "partners",
    "RegisteredTPs": "partners",
    "MigratedTPs": "partners",
}
KEY = ["network_id", "mailbox_id", "reporting_month", "account_report", "measure_field"]
#: The key of an interpretation: a measure of a price list with one set of schedules.
READ = ["price_list_id", "account_report", "measure_field", "schedule_set_id"]
#: Further columns that `_reading` uses.
_TOLD_OF = [
    *("rule", "verdict", "is_chosen", "is_rival", "is_pinned", "lines_explained", "lines_total", "share_pct"),
    *("counter_example", "deciding_quantity", "deciding_account", "amount_at_stake", "price_list_description"),
    *("model_word", "reason", "change_words"),
]


@cache
def check_titles() -> dict[str, str]:
    """Check name -> title of its findings (`-- title:` of the check's SQL)."""
    return sql_headers.check_titles(sql_files.sql_folder())


def month_words(month: date) -> str:
    """`October 2026`."""
    return str(format_skeleton("yMMMM", month, locale=LOCALE))


def records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows of a frame, each as a mapping from column to value; what is missing (NA, NaN, NaT) is None."""
    return [
        {str(column): None if missing(value) else value for column, value in row.items()}
        for row in frame.to_dict("records")
    ]


def missing(value: object) -> bool:
    """Whether a cell is empty (None, NA, NaN or NaT)."""
    return value is None or value is pd.NA or value is pd.NaT or (isinstance(value, float) and value != value)


def at_stake(findings: pd.DataFrame) -> AtStake:
    """The money at stake in a frame of `Book.findings`."""
    return AtStake.of(records(findings))


def undecided(findings: pd.DataFrame) -> pd.DataFrame:
    """The errors and warnings that nobody decided about."""
    return findings[findings["severity"].isin(["error", "warning"]) & (findings["state"] == "open")]


def sentence(text: object) -> str:
    """Text with an initial capital and a final full stop."""
    words = "" if missing(text) else str(text).strip()
    return words[:1].upper() + words[1:] + ("." if words and words[-1] not in ".!?" else "")


def equal(count: int) -> str:
    """`1 equals`, `2 equal`."""
    return "equals" if count == 1 else "equal"


def listing(items: Sequence[str]) -> str:
    """`a, b and c`."""
    return str(format_list(items, locale=LOCALE))


def month_before(month: date) -> date:
    """The month before."""
    return next_month(month, -1)
