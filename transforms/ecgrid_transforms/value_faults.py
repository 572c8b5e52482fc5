"""OddValue -> one row of the feed value_faults: a value of a kept response that does not fit its type."""

from collections.abc import Mapping
from datetime import date, datetime

from ecgrid_transforms.model import OddValue
from ecgrid_transforms.rows import Row


def value_fault_row(
    month: date,
    feed: str,
    operation: str,
    arguments: Mapping[str, object],
    odd: OddValue,
    api_version: str,
    pulled_at: datetime,
    sha256: str,
) -> Row:
    """One row of value_faults."""
    asked = " ".join(f"{name}={value}" for name, value in arguments.items())
    return (
        month,
        feed,
        operation,
        asked,
        odd.record,
        odd.element,
        odd.text,
        odd.why,
        api_version,
        pulled_at,
        sha256,
    )
