"""dateTimes of the service as nanoseconds of wall time, without a zone.

.NET writes up to seven decimals, and 0001-01-01 and 9999-12-31 mean "none" and "never" (facts 8): neither fits a
Python datetime or a nanosecond timestamp (1677-09-21 to 2262-04-11). A value that does not fit is None here, and the
transforms keep its text in `extra`. Nothing is rounded and no zone is applied.
"""

import re
from datetime import date

_DATE_TIME = re.compile(r"(\d{4})-(\d\d)-(\d\d)(?:T(\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?)?(Z|[+-]\d\d:\d\d)?")
_EPOCH = date(1970, 1, 1).toordinal()
_NS_A_DAY = 86_400 * 10**9


def wall_time_ns(text: str | None) -> int | None:
    """Nanoseconds from 1970-01-01T00:00:00 to the wall time in `text`; None where it fits no timestamp."""
    match = _DATE_TIME.fullmatch(text.strip()) if text else None
    if match is None:
        return None
    year, month, day, hour, minute, second = (int(part or 0) for part in match.groups()[:6])
    try:
        days = date(year, month, day).toordinal() - _EPOCH
    except ValueError:
        return None
    if hour > 23 or minute > 59 or second > 59:
        return None
    fraction = int((match[7] or "").ljust(9, "0"))
    found = days * _NS_A_DAY + (hour * 3600 + minute * 60 + second) * 10**9 + fraction
    return found if -(2**63) < found < 2**63 else None


def has_zone(text: str | None) -> bool:
    """Whether the text has a zone, which the wall time drops."""
    match = _DATE_TIME.fullmatch(text.strip()) if text else None
    return match is not None and match[8] is not None
