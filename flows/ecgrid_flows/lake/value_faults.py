"""Unreadable values of a month's responses (feed value_faults), for a run's last lines and for `doctor`."""

from dataclasses import dataclass
from datetime import date

from ecgrid_flows.lake.partitions import Lake

__all__ = ["NAMED", "Unread", "unread"]

#: Number of values named; the rest is counted.
NAMED = 100
_COLUMNS = ["operation", "asked", "record", "element", "value_text", "reason"]


@dataclass(frozen=True, slots=True)
class Unread:
    """The number of values of a month's responses that do not fit their types, and a description of the first."""

    count: int = 0
    named: tuple[str, ...] = ()


def unread(lake: Lake, month: date) -> Unread:
    """The month's values that do not fit their types."""
    count = sum(part.rows for part in lake.parts("value_faults", month) or ())
    named: list[str] = []
    if count:
        for batch in lake.batches("value_faults", month, _COLUMNS):
            for operation, asked, record, element, text, reason in zip(
                *(batch.column(name).to_pylist() for name in _COLUMNS), strict=True
            ):
                shown = "" if text is None else f": {text!r}"
                named.append(f"{operation} {asked}: {record}: {element} {reason}{shown}")
            if len(named) >= NAMED:
                break
    return Unread(count, tuple(named[:NAMED]))
