"""Months are first days, and the default month is the last full one in UTC."""

from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecgrid_transforms.period import (
    NotAMonth,
    last_full_month,
    month_end,
    month_text,
    months_between,
    next_month,
    parse_month,
    reporting_month_text,
    require_begun,
)


def test_a_month_ends_with_the_first_instant_of_the_next() -> None:
    ends = [month_end(date(2026, month, 1)) for month in (10, 12)]
    assert ends == [datetime(2026, 11, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)]


@pytest.mark.parametrize(
    "text", ["2026-13", "2026-00", "2026-1", "202610", "2026-10-01", "", "october", "0000-01", "1899-12", "9999-01"]
)
def test_what_is_no_month_is_refused(text: str) -> None:
    with pytest.raises(NotAMonth, match="YYYY-MM"):
        parse_month(text)


@given(st.dates(date(1900, 1, 1), date(9998, 12, 31)))
def test_text_and_back(day: date) -> None:
    month = day.replace(day=1)
    assert parse_month(month_text(month)) == month


@given(st.dates(date(1901, 1, 1), date(9000, 12, 31)), st.integers(-24, 24))
def test_months_add_up(day: date, count: int) -> None:
    month = day.replace(day=1)
    assert next_month(next_month(month, count), -count) == month


def test_the_default_month_is_counted_in_utc() -> None:
    assert last_full_month(datetime(2026, 11, 22, tzinfo=UTC)) == date(2026, 10, 1)
    assert last_full_month(datetime(2026, 1, 1, tzinfo=UTC)) == date(2025, 12, 1)
    still_october_in_utc = datetime(2026, 11, 1, 1, 0, tzinfo=timezone(timedelta(hours=2)))
    assert last_full_month(still_october_in_utc) == date(2026, 9, 1)


def test_a_month_begins_with_its_first_instant_in_utc() -> None:
    november = date(2026, 11, 1)
    assert require_begun(november, datetime(2026, 11, 1, tzinfo=UTC)) == november
    with pytest.raises(NotAMonth, match="2026-11 has not begun"):
        require_begun(november, datetime(2026, 10, 31, 23, 59, 59, tzinfo=UTC))
    already_november_in_utc = datetime(2026, 10, 31, 20, 0, tzinfo=timezone(timedelta(hours=-5)))
    assert require_begun(november, already_november_in_utc) == november


def test_a_range_includes_both_ends() -> None:
    assert list(months_between(date(2025, 11, 1), date(2026, 2, 1))) == [
        date(2025, 11, 1),
        date(2025, 12, 1),
        date(2026, 1, 1),
        date(2026, 2, 1),
    ]


def test_a_reporting_month_goes_out_without_a_zone() -> None:
    assert reporting_month_text(date(2023, 8, 1)) == "2023-08-01T00:00:00"
