"""Rows of Python values to Arrow, strictly by a feed's schema: no rounding, no type inference."""

import json
from collections.abc import Mapping, Sequence

import pyarrow as pa

from ecgrid_transforms.money import Decimal, DoesNotFit, fitted
from ecgrid_transforms.schemas import MONEY_TYPE
from ecgrid_transforms.wall_time import has_zone, wall_time_ns

Row = tuple[object, ...]


def batch(schema: pa.Schema, rows: Sequence[Row]) -> pa.RecordBatch:
    """One record batch of `rows`, whose values are in the order of `schema`.

    Raises `DoesNotFit`, naming column and row, for a decimal with more digits than DECIMAL(28,10) holds.
    """
    try:
        return _batch(schema, rows)
    except pa.ArrowInvalid:
        # Arrow also refuses values that fit once written with ten decimals, such as 1.00000000000 or 0E+30.
        return _batch(schema, [_fitted(schema, row) for row in rows])


def _batch(schema: pa.Schema, rows: Sequence[Row]) -> pa.RecordBatch:
    columns = list(zip(*rows, strict=True)) if rows else [()] * len(schema)
    arrays = [pa.array(column, field.type) for column, field in zip(columns, schema, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def _fitted(schema: pa.Schema, row: Row) -> Row:
    """`row` with its decimals at the lake's scale; raises `DoesNotFit`, naming column and row."""
    made = list(row)
    for place, (field, value) in enumerate(zip(schema, row, strict=True)):
        if field.type == MONEY_TYPE and isinstance(value, Decimal):
            try:
                made[place] = fitted(value)
            except DoesNotFit as error:
                raise DoesNotFit(f"{field.name} of {row[:5]}: {error}") from error
    return tuple(made)


def json_text(extra: Mapping[str, object]) -> str | None:
    """`extra` as JSON with a stable key order; None when it is empty."""
    if not extra:
        return None
    return json.dumps(dict(extra), ensure_ascii=False, sort_keys=True, default=str)


def wall_time(name: str, text: str | None, extra: dict[str, object]) -> int | None:
    """The timestamp of `text`; a text that does not fit (out of range, or with a zone) is kept in `extra` as `name`."""
    if text is None:
        return None
    found = wall_time_ns(text)
    if found is None or has_zone(text):
        extra[name] = text
    return found
