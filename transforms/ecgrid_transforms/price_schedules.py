"""Pricelist -> rows of the feed price_schedules: one row per tier, that is, per Schedule of a Level."""

from datetime import date, datetime

from ecgrid_transforms.line_items import schedule_values
from ecgrid_transforms.model import Pricelist
from ecgrid_transforms.rows import Row, json_text, wall_time


def price_schedule_rows(
    month: date, prices: Pricelist, api_version: str, pulled_at: datetime, sha256: str
) -> list[Row]:
    """The rows of one price list, in the order of the response; a list without schedules gives none."""
    rows: list[Row] = []
    for level_number, level in enumerate(prices.levels, start=1):
        for schedule_number, schedule in enumerate(level.schedules, start=1):
            extra: dict[str, object] = dict(prices.extra)
            if level.extra:
                extra["Level"] = dict(level.extra)
            if schedule.extra:
                extra["Schedule"] = dict(schedule.extra)
            price_list_date = wall_time("Date", prices.date, extra)
            rows.append(
                (
                    month,
                    prices.price_list_id,
                    prices.description,
                    price_list_date,
                    prices.status,
                    prices.model,
                    level_number,
                    level.level,
                    level.name,
                    level.limited_months,
                    schedule_number,
                    *schedule_values(schedule),
                    json_text(extra),
                    api_version,
                    pulled_at,
                    sha256,
                )
            )
    return rows
