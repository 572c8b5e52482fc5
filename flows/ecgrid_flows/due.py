"""When a month is due, and which months are owed. Pure: months, cron expressions and an instant in; dates out.

A month is due at the first time that the monthly cron fires after the month's end, UTC. It is owed from then until it
is exported, and overdue 24 hours later. The owed months begin with the first exported one; where nothing was exported
yet, with the first month that came due under the data directory's schedule (CONTRACT, `serve` and `status`).
"""

import re
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from cronsim import CronSim, CronSimError

from ecgrid_transforms.period import last_full_month, month_end, months_between, next_month

#: Defaults of ECGRID_CRON_MONTHLY and ECGRID_CRON_NIGHTLY, UTC.
MONTHLY = "0 6 2 * *"
NIGHTLY = "30 3 * * *"
OVERDUE_AFTER = timedelta(hours=24)

#: The syntax that all cron implementations read alike: `*` alone or with a step; or a list of numbers, names of months
#: or days, and ranges, with or without a step. Prefect's croniter reads `2-2` as `*`; others differ on `5/2`.
_ITEM = r"(?:[0-9]+|[A-Za-z]{3})"
_ITEMS = rf"{_ITEM}(?:-{_ITEM}(?:/[0-9]+)?)?"
_FIELD = rf"(?:\*(?:/[0-9]+)?|{_ITEMS}(?:,{_ITEMS})*)"
_EXPRESSION = re.compile(rf"{_FIELD}(?: {_FIELD}){{4}}")
_RANGE_OF_ONE = re.compile(r"\b0*(\w+)-0*\1\b", re.IGNORECASE)


class NotACron(ValueError):
    """The text is not a cron expression, or implementations read it differently."""


@dataclass(frozen=True, slots=True, order=True)
class DueMonth:
    """One month that is owed. `due_at` is when the monthly cron fired for it, UTC."""

    month: date
    due_at: datetime

    @property
    def overdue_at(self) -> datetime:
        return self.due_at + OVERDUE_AFTER


def checked_cron(text: str) -> str:
    """`text` as five fields with single spaces; raises `NotACron`.

    An expression that restricts both the day of the month and the day of the week is refused: some implementations
    require both to match, others either. An expression that never fires (`0 0 30 2 *`) is refused too.
    """
    fields = text.split()
    cron = " ".join(fields)
    if not _EXPRESSION.fullmatch(cron):
        raise NotACron("write five fields: minute, hour, day of month, month, day of week, for example 0 6 2 * *")
    if _RANGE_OF_ONE.search(cron):
        raise NotACron("a range begins and ends with the same value: write that value alone")
    if "*" not in (fields[2], fields[4]):
        raise NotACron("give the day of the month or the day of the week, and * for the other")
    try:
        next(CronSim(cron, datetime(2026, 1, 1, tzinfo=UTC)))
    except CronSimError as error:
        raise NotACron(f"{error}: write it like 0 6 2 * *") from error
    except StopIteration:
        raise NotACron("it never fires: write it like 0 6 2 * *") from None
    return cron


def next_fire(cron: str, after: datetime) -> datetime:
    """The first time after `after` (aware) that `cron` fires, UTC, minute precision."""
    return next(CronSim(cron, after.astimezone(UTC)))


def due_at(month: date, cron: str) -> datetime:
    """The first time that `cron` fires at or after the end of `month`."""
    return next_fire(cron, month_end(month) - timedelta(minutes=1))


def due_months(
    exported: Collection[date], cron: str, now: datetime, scheduled_since: datetime | None = None
) -> list[DueMonth]:
    """The months that are owed at `now` (aware), oldest first.

    `exported` are the months with an export. `scheduled_since` is when a schedule first served the data directory:
    months that came due after that are owed even if nothing was exported yet. Without either, no month is owed.
    """
    first = min(exported, default=None)
    last = last_full_month(now)
    if scheduled_since is not None:
        scheduled = last_full_month(scheduled_since)
        if due_at(scheduled, cron) <= scheduled_since:
            scheduled = next_month(scheduled)
        first = scheduled if first is None else min(first, scheduled)
    if first is None:
        return []
    owed = [DueMonth(month, due_at(month, cron)) for month in months_between(first, last) if month not in exported]
    return [one for one in owed if one.due_at <= now]
