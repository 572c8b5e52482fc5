"""LineItem -> rows of the feeds line_items, line_item_history and invoice_lines.

One row per key that is billed (line_items), per replaced response (line_item_history), per line of an invoice
(invoice_lines). Every decimal equals the text of the response, digit for digit; unknown elements, dates that fit no
timestamp and, on an invoice, values that do not fit their type are kept in `extra`.
"""

from datetime import datetime

from ecgrid_transforms.model import Key, LineItem, Schedule
from ecgrid_transforms.rows import Row, json_text, wall_time

_NO_SCHEDULE: Row = (None,) * 12


def schedule_values(schedule: Schedule | None) -> Row:
    """The values of the `schedule_` columns, in schema order; all null without a schedule."""
    if schedule is None:
        return _NO_SCHEDULE
    return (
        schedule.schedule_id,
        schedule.allowance,
        schedule.minimum,
        schedule.maximum,
        schedule.block,
        schedule.rate,
        schedule.catalog_id,
        schedule.description,
        schedule.account_report,
        schedule.measure,
        schedule.specified_network_id,
        schedule.include_root_mailbox,
    )


def line_values(line: LineItem) -> Row:
    """The values of a line's own columns, from line_item_number to extra."""
    extra: dict[str, object] = dict(line.extra)
    if line.schedule is not None and line.schedule.extra:
        extra["Schedule"] = dict(line.schedule.extra)
    line_date = wall_time("LineDate", line.line_date, extra)
    return (
        line.line_item_number,
        line_date,
        line.price_list_id,
        line.price_list_description,
        line.system_object,
        line.system_id,
        line.system_name,
        line.level,
        line.level_name,
        line.model,
        *schedule_values(line.schedule),
        line.actual,
        line.quantity_billed,
        line.is_taxable,
        line.amount,
        json_text(extra),
    )


def line_item_row(key: Key, line: LineItem, api_version: str, pulled_at: datetime, sha256: str) -> Row:
    """One row of line_items."""
    return (
        key.network_id,
        key.mailbox_id,
        key.reporting_month,
        key.account_report,
        key.measure_field,
        *line_values(line),
        api_version,
        pulled_at,
        sha256,
    )
