"""dateTimes of the service as nanoseconds: exact, without zones, None where they fit no timestamp."""

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecgrid_transforms.wall_time import has_zone, wall_time_ns

DAY = 86_400 * 10**9


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1970-01-01T00:00:00", 0),
        ("1970-01-02", DAY),
        ("1969-12-31T23:59:59.9999999", -100),
        ("2023-07-31T00:00:00", 19_569 * DAY),
        ("2023-11-05T01:30:00.1234567", 19_666 * DAY + 5_400_123_456_700),
        ("2023-11-05T01:30:00.123456789", 19_666 * DAY + 5_400_123_456_789),
        ("2023-11-05T01:30:00.1234567-08:00", 19_666 * DAY + 5_400_123_456_700),
        ("1677-09-21T00:12:43.145224193", -(2**63) + 1),
        ("2262-04-11T23:47:16.854775807", 2**63 - 1),
        ("2262-04-11T23:47:16.854775808", None),
        ("1677-09-21T00:12:43.145224192", None),
        ("0001-01-01T00:00:00", None),
        ("9999-12-31T00:00:00", None),
        ("2023-02-30T00:00:00", None),
        ("2023-07-31T24:00:00", None),
        ("2023-07-31T00:00:00.1234567891", None),
        ("soon", None),
        ("", None),
        (None, None),
    ],
)
def test_the_wall_time_is_exact_or_none(text: str | None, expected: int | None) -> None:
    assert wall_time_ns(text) == expected


@given(st.datetimes(datetime(1678, 1, 1), datetime(2262, 1, 1)))  # noqa: DTZ001 - a wall time has no zone
def test_it_agrees_with_the_calendar(moment: datetime) -> None:
    microseconds = (moment - datetime(1970, 1, 1)) // timedelta(microseconds=1)  # noqa: DTZ001 - a wall time has no zone
    assert wall_time_ns(moment.isoformat()) == microseconds * 1000


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2023-07-31T00:00:00", False),
        ("2023-07-31T00:00:00Z", True),
        ("2023-07-31T00:00:00+00:00", True),
        (None, False),
    ],
)
def test_a_zone_is_seen(text: str | None, expected: bool) -> None:
    assert has_zone(text) is expected
