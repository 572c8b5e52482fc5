"""Rows of Python values into Arrow, strictly by a feed's schema: nothing is rounded, nothing is guessed."""

import json
from collections.abc import Mapping, Sequence

import pyarrow as pa

from ecgrid_transforms.money import MONEY_TYPE, Decimal, DoesNotFit, fitted
from ecgrid_transforms.wall_time import has_zone, wall_time_ns

Row = tuple[object, ...]


def batch(schema: pa.Schema, rows: Sequence[Row]) -> pa.RecordBatch:
    """One record batch of `rows`, whose values stand in the order of `schema`.

    Raises `DoesNotFit`, naming column and row, for a decimal with more digits than DECIMAL(28,10) holds.
    """
    columns = list(zip(*rows, strict=True)) if rows else [()] * len(schema)
    try:
        arrays = [pa.array(column, field.type) for column, field in zip(columns, schema, strict=True)]
    except pa.ArrowInvalid as error:
        raise _explained(schema, rows, error) from error
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def json_text(extra: Mapping[str, object]) -> str | None:
    """`extra` as stable JSON; None when there is nothing."""
    if not extra:
        return None
    return json.dumps(dict(extra), ensure_ascii=False, sort_keys=True, default=str)


def wall_time(name: str, text: str | None, extra: dict[str, object]) -> int | None:
    """The timestamp of `text`; what it cannot say (out of range, or a zone) is kept in `extra` as `name`."""
    if text is None:
        return None
    found = wall_time_ns(text)
    if found is None or has_zone(text):
        extra[name] = text
    return found


def _explained(schema: pa.Schema, rows: Sequence[Row], error: Exception) -> Exception:
    for row in rows:
        for field, value in zip(schema, row, strict=True):
            if field.type == MONEY_TYPE and isinstance(value, Decimal):
                try:
                    fitted(value)
                except DoesNotFit as misfit:
                    return DoesNotFit(f"{field.name} of {row[:5]}: {misfit}")
    return ValueError(f"a row does not fit the schema ({', '.join(schema.names[:6])} …): {error}")
