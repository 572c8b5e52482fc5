"""Times as the service writes and reads them. The server is in Los Angeles, as in the wire samples.

dateTimes of objects have no zone, those of DataSets the server's offset, some are UTC with Z (facts 8).
"""

import re
from datetime import UTC, date, datetime, timedelta

NEVER = "0001-01-01T00:00:00"

_MOMENT = re.compile(r"(\d{4})-(\d\d)-(\d\d)(?:T(\d\d):(\d\d):(\d\d)(?:\.\d+)?)?(Z|([+-])(\d\d):(\d\d))?")


def plain_day(day: date) -> str:
    """Midnight of a day, without a zone."""
    return f"{day.isoformat()}T00:00:00"


def utc_text(moment: datetime) -> str:
    """A moment in UTC with Z, its fraction without trailing zeros."""
    text = moment.astimezone(UTC).isoformat().removesuffix("+00:00")
    return (text.rstrip("0") if "." in text else text) + "Z"


def _sunday(year: int, month: int, count: int) -> date:
    first = date(year, month, 1)
    return first + timedelta(days=(6 - first.weekday()) % 7 + 7 * (count - 1))


def pacific_hours(day: date) -> int:
    """Hours from UTC in Los Angeles on a day: -7 from the second Sunday of March to the first of November, else -8."""
    return -7 if _sunday(day.year, 3, 2) <= day < _sunday(day.year, 11, 1) else -8


def pacific_text(moment: datetime) -> str:
    """A wall time in Los Angeles with the offset of its day, as DataSets have it."""
    offset = pacific_hours(moment.date())
    text = moment.isoformat(timespec="milliseconds" if moment.microsecond else "seconds")
    return f"{text}-{-offset:02d}:00"


def as_server_reads(text: str, *, over_soap: bool) -> datetime:
    """The wall time as which the server reads a dateTime argument.

    A value with an offset, also +00:00, is converted to the server's local time, so that the first of a month becomes
    the last of the month before; Z survives over SOAP, not over GET and POST (facts 8).
    """
    match = _MOMENT.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{text!r} is not a dateTime")
    year, month, day, hour, minute, second = (int(match[i] or 0) for i in range(1, 7))
    wall = datetime(max(year, 1), month, day, hour, minute, second)  # noqa: DTZ001 - the server's wall time
    zone = match[7]
    if zone is None or (zone == "Z" and over_soap):
        return wall
    ahead = timedelta() if zone == "Z" else timedelta(hours=int(match[9]), minutes=int(match[10]))
    if match[8] == "-":
        ahead = -ahead
    try:
        return wall - ahead + timedelta(hours=pacific_hours(wall.date()))
    except OverflowError:
        return wall
