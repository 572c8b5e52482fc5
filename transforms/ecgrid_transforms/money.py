"""Decimals: parsing, exact arithmetic, rounding and text.

No other module imports `decimal`. Text in, `Decimal` out; a float never enters, and missing is never zero.
At rest every decimal is DECIMAL(28,10): 18 whole digits and 10 decimals, which no value of the API is known to
exceed (facts 1.3 give `xs:decimal` and no bound). A value that does not fit raises `DoesNotFit` and is never rounded.

Wherever this project rounds a price it rounds half up, away from zero: 1.005 becomes 1.01, -1.005 becomes -1.01
(billing-engine practice, and what DuckDB's ROUND does on a DECIMAL). Python's own default is half even.
"""

import re
from decimal import (
    ROUND_DOWN,
    ROUND_HALF_EVEN,
    ROUND_HALF_UP,
    ROUND_UP,
    Context,
    Decimal,
    Inexact,
    InvalidOperation,
    localcontext,
)

__all__ = [
    "MONEY_DIGITS",
    "MONEY_SCALE",
    "ONE",
    "ROUNDINGS",
    "ZERO",
    "Decimal",
    "DoesNotFit",
    "NotADecimal",
    "exact",
    "fits",
    "fitted",
    "grouped",
    "in_last_decimals",
    "money_text",
    "number_text",
    "plain",
    "product",
    "rounded",
    "to_decimal",
    "total",
]

ZERO = Decimal(0)
ONE = Decimal(1)

MONEY_DIGITS = 28
MONEY_SCALE = 10

#: Names of roundings as CONTRACT (`quote --batch`) spells them; `up` and `down` are away from and toward zero.
ROUNDINGS = {"half_up": ROUND_HALF_UP, "half_even": ROUND_HALF_EVEN, "up": ROUND_UP, "down": ROUND_DOWN}

# The exponent, which xs:decimal does not allow, .NET never writes and some JSON encoders do, is refused on purpose.
_DECIMAL_TEXT = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)")
_WIDE = Context(prec=200)


class NotADecimal(ValueError):
    """The text is not a plain decimal number."""


class DoesNotFit(ValueError):
    """The value has more digits than DECIMAL(28,10) holds."""


def to_decimal(text: str) -> Decimal:
    """The decimal in `text`, with its scale kept (`150.0000` keeps four decimals).

    Raises `NotADecimal` for anything but plain decimal text: no None, no empty string, no exponent, no NaN.
    """
    if not isinstance(text, str):
        raise NotADecimal(f"a decimal is parsed from text, not from {type(text).__name__}")
    stripped = text.strip(" \t\r\n")  # no other space: a no-break or thin one may group digits
    if not _DECIMAL_TEXT.fullmatch(stripped) or not stripped.isascii():
        raise NotADecimal(f"{text[:60]!r} is not a plain decimal number")
    return Decimal(stripped)


def exact(value: str | int | Decimal) -> Decimal:
    """A decimal from text, an int or a decimal; a float (or a bool, or None) is a bug and raises `NotADecimal`."""
    if isinstance(value, Decimal):
        if not value.is_finite():
            raise NotADecimal(f"{value} is not a finite number")
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return Decimal(value)
    if isinstance(value, str):
        return to_decimal(value)
    raise NotADecimal(f"a decimal is made from text or an int, not from {type(value).__name__}")


def fits(value: Decimal) -> bool:
    """Whether DECIMAL(28,10) holds `value` exactly: at most 18 whole digits and 10 decimals, trailing zeros ignored."""
    parts = value.as_tuple()
    if not isinstance(parts.exponent, int):
        return False
    if parts.exponent < -MONEY_SCALE and any(parts.digits[parts.exponent + MONEY_SCALE :]):
        return False
    return not value or value.adjusted() < MONEY_DIGITS - MONEY_SCALE


def fitted(value: Decimal) -> Decimal:
    """`value`, unchanged in amount, at the scale of DECIMAL(28,10); raises `DoesNotFit` when digits would be lost."""
    try:
        with localcontext(Context(prec=MONEY_DIGITS, traps=[Inexact, InvalidOperation])):
            return value.quantize(Decimal(1).scaleb(-MONEY_SCALE))
    except (Inexact, InvalidOperation) as error:
        raise DoesNotFit(
            f"{plain(value)} does not fit DECIMAL({MONEY_DIGITS},{MONEY_SCALE}): "
            f"at most {MONEY_DIGITS - MONEY_SCALE} whole digits and {MONEY_SCALE} decimals"
        ) from error


def in_last_decimals(text: str) -> int:
    """Plain decimal text with at most 10 decimals, as an integer in units of 1e-10: `-1.5` gives -15000000000."""
    whole, _, decimals = text.partition(".")
    return int(whole + decimals.ljust(MONEY_SCALE, "0"))


def rounded(value: Decimal, scale: int = 2, rounding: str = "half_up") -> Decimal:
    """`value` rounded to `scale` decimals by a rounding named in `ROUNDINGS`."""
    return value.quantize(Decimal(1).scaleb(-scale), rounding=ROUNDINGS[rounding], context=_WIDE)


def total(values: "list[Decimal] | tuple[Decimal, ...]") -> Decimal:
    """The exact sum (Python's default context would round past 28 digits)."""
    result = ZERO
    for value in values:
        result = _WIDE.add(result, value)
    return result


def product(values: "list[Decimal] | tuple[Decimal, ...]") -> Decimal:
    """The exact product (Python's default context would round past 28 digits)."""
    result = ONE
    for value in values:
        result = _WIDE.multiply(result, value)
    return result


def plain(value: Decimal) -> str:
    """Plain text without an exponent, as in CSV and JSON. `Decimal('1E+3')` gives `1000`; -0 gives `0`."""
    text = format(value, "f")
    return text.removeprefix("-") if value.is_zero() else text


def grouped(value: Decimal, scale: int = 2) -> str:
    """Text for people: rounded half up, thousands separated by commas, a leading minus sign (`-1,234.50`)."""
    result = rounded(value, scale)
    return format(abs(result) if result.is_zero() else result, ",f")


def number_text(value: Decimal) -> str:
    """A quantity, a rate or an exact amount for people: all its digits, thousands separated by commas."""
    text = format(abs(value) if value.is_zero() else value, ",f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def money_text(value: Decimal) -> str:
    """An amount with all its decimals, two at least, thousands separated by commas."""
    return grouped(value) if rounded(value) == value else number_text(value)
