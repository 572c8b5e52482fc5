"""Numbers, amounts and counts as text for people, made from decimals; a float is never shown.

Amounts are rounded half up to the minor unit of their currency, or to two decimals where no currency is known.
Thousands are separated by commas, and negative values have a minus sign (U+2212), not a hyphen.
"""

from ecgrid_flows.currency import minor_digits
from ecgrid_transforms.money import ZERO, Decimal, grouped, number_text

__all__ = ["MISSING", "amount", "exactly", "money", "number", "plural", "signed", "use_currency"]

MISSING = "–"
_MINUS = "\N{MINUS SIGN}"

_digits = 2


def use_currency(code: str | None) -> None:
    """From now on `money` and `signed` round to the minor unit of `code` (ISO 4217); to two decimals without one."""
    global _digits
    _digits = minor_digits(code)


def money(value: object) -> str:
    """An amount: `−1,234.50`; `–` where it is missing."""
    return grouped(value, _digits).replace("-", _MINUS) if isinstance(value, Decimal) else MISSING


def signed(value: object) -> str:
    """A difference, always with its sign: `+12.00`."""
    return f"+{money(value)}" if isinstance(value, Decimal) and value > ZERO else money(value)


def amount(value: Decimal, currency: str | None) -> str:
    """An amount and its currency, for plain text: `-1,234.50 USD`, or `-1,234.50` without a currency."""
    return f"{grouped(value, minor_digits(currency))} {currency}" if currency else grouped(value)


def number(value: object) -> str:
    """A quantity or a rate with all its digits and no trailing zeros: `12,345.075`; `–` where it is missing."""
    if not isinstance(value, Decimal | int):
        return MISSING
    return number_text(Decimal(value)).replace("-", _MINUS)


def exactly(value: object) -> str:
    """An amount with all its digits, at least two decimals: `1,130.9955`, `100.00`."""
    shown = number(value)
    whole, _, places = shown.partition(".")
    return f"{whole}.{places.ljust(2, '0')}" if shown != MISSING else shown


def plural(count: int, one: str, many: str | None = None) -> str:
    """A count with its noun: `1 line`, `2,000 lines`."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"
