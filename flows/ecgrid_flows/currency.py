"""ISO 4217 currencies: the codes that ECGRID_CURRENCY may have, from Unicode CLDR (babel), and their minor units.

A code is valid when it was legal tender in any territory at any time since `SINCE`, because books are kept for ten
years. Funds, metals and test codes (XXX, XAU, XTS) are not valid, nor are currencies that ended before (DEM).
"""

from collections import Counter
from difflib import SequenceMatcher

from babel.core import get_global

#: (year, month, day), as CLDR dates the end of a currency.
SINCE = (2016, 1, 1)
#: Two of three letters in common, in order.
_NEAR = 0.6
#: Decimals of the minor units that are not a hundredth (ISO 4217). CLDR has the digits of daily use instead: none for
#: HUF, COP and IDR, which have two by ISO 4217.
_MINOR_DIGITS: dict[str | None, int] = {
    **dict.fromkeys(("BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "UYI", "VND"), 0),
    **dict.fromkeys(("VUV", "XAF", "XOF", "XPF"), 0),
    **dict.fromkeys(("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"), 3),
}


def codes() -> Counter[str]:
    """Each code with the number of territories where it is or was legal tender."""
    return Counter(
        code
        for used in get_global("territory_currencies").values()
        for code, _begin, end, is_tender in used
        if is_tender and (end is None or end >= SINCE)
    )


def minor_digits(code: str | None) -> int:
    """Decimals of the currency's minor unit (ISO 4217); 2 where no currency is known."""
    return _MINOR_DIGITS.get(code, 2)


def nearest(text: str) -> str | None:
    """The most likely intended code: among similar ones, the one of most territories; None if none is similar."""
    territories = codes()
    wanted = text.strip().upper()

    def likeness(code: str) -> tuple[float, int]:
        return SequenceMatcher(None, wanted, code).ratio(), territories[code]

    best = max(territories, key=likeness)
    return best if likeness(best)[0] > _NEAR else None
