"""Reporting months: always the first day of a month, as a plain date.

ECGrid takes ReportingMonth as a dateTime. The server converts a value with an offset to its local time and bills the
month before (facts 8). So it is sent without a zone, `2026-10-01T00:00:00`, and never as an aware datetime.
"""

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime

_MONTH_TEXT = re.compile(r"(\d{4})-(\d{2})")


class NotAMonth(ValueError):
    """The text is not a month as `YYYY-MM`."""


def parse_month(text: str) -> date:
    """The first day of the month in `text` (`2026-10`); raises `NotAMonth`."""
    match = _MONTH_TEXT.fullmatch(text.strip())
    if not match or not 1 <= int(match[2]) <= 12 or not 1900 <= int(match[1]) <= 9998:
        raise NotAMonth(f"{text!r} is not a month: write YYYY-MM, for example 2026-10")
    return date(int(match[1]), int(match[2]), 1)


def month_text(month: date) -> str:
    """`2026-10`, the form of CONTRACT, of directory names and of the command line."""
    return f"{month.year:04d}-{month.month:02d}"


def require_begun(month: date, now: datetime | None = None) -> date:
    """`month`; raises `NotAMonth` where it has not begun, UTC."""
    if month > (now or datetime.now(UTC)).astimezone(UTC).date():
        raise NotAMonth(f"{month_text(month)} has not begun: give a month up to the running one")
    return month


def next_month(month: date, count: int = 1) -> date:
    """The first day of the month `count` months after that of a day (before it when negative)."""
    index = month.year * 12 + month.month - 1 + count
    return date(index // 12, index % 12 + 1, 1)


def last_full_month(now: datetime | None = None) -> date:
    """The last full calendar month in UTC: the default month of every command."""
    today = (now or datetime.now(UTC)).astimezone(UTC).date()
    return next_month(today, -1)


def month_end(month: date) -> datetime:
    """The first instant after `month`, UTC, as all times of the service are (its wiki, Legacy Forum Q & A).

    A response received before it does not cover the whole month.
    """
    after = next_month(month)
    return datetime(after.year, after.month, 1, tzinfo=UTC)


def months_between(first: date, last: date) -> Iterator[date]:
    """Every month from `first` to `last`, both included, in order."""
    month = first
    while month <= last:
        yield month
        month = next_month(month)


def reporting_month_text(month: date) -> str:
    """ReportingMonth as sent to the service, without a zone (facts 8)."""
    return f"{month.isoformat()}T00:00:00"
