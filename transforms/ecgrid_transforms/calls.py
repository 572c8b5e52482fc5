"""One requested key -> one row of the feed calls: its outcome, attempts and latency."""

from datetime import datetime

from ecgrid_transforms.model import Key
from ecgrid_transforms.rows import Row

LINE, NO_LINE, FAULT = "line", "no_line", "fault"


def call_row(
    key: Key,
    outcome: str,
    fault_code: str | None,
    fault_message: str | None,
    attempts: int,
    latency_ms: int,
    called_at: datetime,
) -> Row:
    """One row of calls."""
    return (
        key.network_id,
        key.mailbox_id,
        key.reporting_month,
        key.account_report,
        key.measure_field,
        outcome,
        fault_code,
        fault_message,
        attempts,
        latency_ms,
        called_at,
    )
