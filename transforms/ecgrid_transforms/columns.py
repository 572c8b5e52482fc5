"""Arrow columns from lists, built from buffers: pyarrow's own `array` first imports pandas, which takes about a second.

For commands that must answer at once; a feed's rows go through `rows.batch`.
"""

import sys
from array import array
from collections.abc import Iterable, Sequence
from datetime import date

import pyarrow as pa

from ecgrid_transforms.money import in_last_decimals
from ecgrid_transforms.schemas import MONEY_TYPE

_EPOCH = date(1970, 1, 1).toordinal()
_KINDS = {"i": pa.int32(), "q": pa.int64()}


def integers(kind: str, values: Iterable[int]) -> pa.Array:
    """Whole numbers; `kind` is i (32 bits) or q (64). Raises `OverflowError`."""
    found = array(kind, values)
    return pa.Array.from_buffers(_KINDS[kind], len(found), [None, pa.py_buffer(found)])


def dates(values: Iterable[date]) -> pa.Array:
    """Dates, as days since 1970-01-01."""
    return integers("i", (value.toordinal() - _EPOCH for value in values)).view(pa.date32())


def booleans(values: Sequence[bool]) -> pa.Array:
    """Booleans."""
    return pa.Array.from_buffers(pa.bool_(), len(values), [None, _bitmap(values)])


def texts(values: Iterable[str | None]) -> pa.Array:
    """Texts, null where there is none."""
    builder = pa.lib.StringBuilder()
    builder.append_values(values)
    return builder.finish()


def decimal_words(text: str) -> bytes:
    """A DECIMAL(28,10) as Arrow stores it, 16 bytes; `text` is plain and fits (`money.fitted`)."""
    return in_last_decimals(text).to_bytes(16, sys.byteorder, signed=True)


def decimals(words: Sequence[bytes | None]) -> pa.Array:
    """Decimals given as `decimal_words`, null where there is none."""
    memory = b"".join(bytes(16) if word is None else word for word in words)
    holes = _bitmap([word is not None for word in words]) if None in words else None
    return pa.Array.from_buffers(MONEY_TYPE, len(words), [holes, pa.py_buffer(memory)])


def _bitmap(flags: Sequence[bool]) -> pa.Buffer:
    """One bit per flag, least significant first, as Arrow stores them."""
    digits = "".join("1" if flag else "0" for flag in reversed(flags))
    return pa.py_buffer(int(digits or "0", 2).to_bytes(len(flags) // 8 + 1, "little"))
