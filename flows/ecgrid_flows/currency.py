"""The codes of ISO 4217 that ECGRID_CURRENCY may have, from the territories of Unicode CLDR (babel).

A code counts when it was legal tender somewhere at some time since `SINCE`: books are kept for ten years. So funds,
metals and codes for tests (XXX, XAU, XTS) do not count, nor does money that is long gone (DEM).
"""

from collections import Counter
from difflib import SequenceMatcher

from babel.core import get_global

#: (year, month, day), as CLDR dates the end of a currency.
SINCE = (2016, 1, 1)
#: Two letters of three in common, in order.
_NEAR = 0.6


def codes() -> Counter[str]:
    """Each code, and of how many territories it is or was the money."""
    return Counter(
        code
        for used in get_global("territory_currencies").values()
        for code, _begin, end, is_tender in used
        if is_tender and (end is None or end >= SINCE)
    )


def nearest(text: str) -> str | None:
    """The code that `text` is most likely meant for: of those alike, the one of most territories; None if none is."""
    territories = codes()
    wanted = text.strip().upper()

    def likeness(code: str) -> tuple[float, int]:
        return SequenceMatcher(None, wanted, code).ratio(), territories[code]

    best = max(territories, key=likeness)
    return best if likeness(best)[0] > _NEAR else None
