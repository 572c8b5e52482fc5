"""Which months are owed, and when: worked by hand against the calendar, and the same fires as Prefect's scheduler."""

import asyncio
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ecgrid_flows.due import MONTHLY, NIGHTLY, NotACron, checked_cron, due_at, due_months, next_fire
from ecgrid_flows.errors import SettingsError
from ecgrid_flows.settings import Settings


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def month(text: str) -> date:
    return date.fromisoformat(f"{text}-01")


@pytest.mark.parametrize(
    ("cron", "of", "when"),
    [
        (MONTHLY, "2026-10", "2026-11-02T06:00"),
        (MONTHLY, "2026-12", "2027-01-02T06:00"),
        ("0 0 1 * *", "2026-10", "2026-11-01T00:00"),  # the first instant after the month counts
        ("59 23 31 * *", "2026-10", "2026-12-31T23:59"),  # November has no 31st
        ("30 7 * * MON", "2026-10", "2026-11-02T07:30"),  # the first Monday of November 2026
        ("0 6 2 1,4,7,10 *", "2026-10", "2027-01-02T06:00"),
    ],
)
def test_a_month_is_due_when_the_cron_first_fires_after_its_end(cron: str, of: str, when: str) -> None:
    assert due_at(month(of), cron) == at(when)


@pytest.mark.parametrize(
    ("exported", "since", "now", "owed"),
    [
        ([], None, "2026-11-28T12:00", []),  # a new data directory owes nothing
        ([], "2026-11-28T12:00", "2026-12-02T05:59", []),
        ([], "2026-11-28T12:00", "2026-12-02T06:00", ["2026-11"]),  # but its first scheduled month
        ([], "2026-11-02T06:00", "2026-12-01T00:00", []),  # October was due when the schedule began
        ([], "2026-11-02T05:59", "2026-11-03T00:00", ["2026-10"]),
        (["2026-09"], None, "2026-11-02T05:59", []),  # October has ended, its time has not come
        (["2026-09"], None, "2026-11-02T06:00", ["2026-10"]),
        (["2026-05", "2026-08"], None, "2026-11-28T12:00", ["2026-06", "2026-07", "2026-09", "2026-10"]),
        (["2026-12"], "2026-11-28T12:00", "2027-01-05T00:00", ["2026-11"]),
        (["2026-10"], "2026-11-28T12:00", "2026-11-28T12:00", []),
        (["2027-03"], None, "2026-11-28T12:00", []),  # a provisional or future export owes nothing
    ],
)
def test_what_is_owed(exported: list[str], since: str | None, now: str, owed: list[str]) -> None:
    due = due_months([month(one) for one in exported], MONTHLY, at(now), at(since) if since else None)
    assert [f"{one.month:%Y-%m}" for one in due] == owed
    assert all(one.overdue_at == one.due_at + timedelta(hours=24) for one in due)


@pytest.mark.parametrize(
    "text",
    ["", "0 6 2 *", "0 6 2 * * *", "60 * * * *", "@monthly", "0 6 2 * MON", "0 6 L * *", "0 6 * * 5L", "0 6 ? * *",
     "0 0 30 2 *", "0 6 2 13 *", "0 6 9-2 * *", "0 6 */0 * *", "0 6 2-2 * *", "0 6 2 3-3 *", "0 6 * * MON-mon",
     "0 6 2/3 * *", "0 6 *,3 * *"],
)  # fmt: skip
def test_what_means_nothing_or_not_the_same_everywhere_is_refused(text: str) -> None:
    with pytest.raises(NotACron, match=r"write|give"):
        checked_cron(text)
    if text:
        with pytest.raises(SettingsError, match=r"ECGRID_CRON_NIGHTLY is .*: "):
            Settings.load(environ={"ECGRID_CRON_NIGHTLY": text})


def test_the_schedules_are_settings() -> None:
    assert Settings.load(environ={}).cron_monthly == MONTHLY == "0 6 2 * *"
    assert Settings.load(environ={}).cron_nightly == NIGHTLY == "30 3 * * *"
    assert Settings.load(environ={"ECGRID_CRON_MONTHLY": " 5  7 3 * * "}).cron_monthly == "5 7 3 * *"


def field(least: int, most: int) -> st.SearchStrategy[str]:
    number = st.integers(least, most)
    ranges = st.tuples(number, number).filter(lambda two: two[0] < two[1]).map(lambda two: f"{two[0]}-{two[1]}")
    one = number.map(str) | ranges
    steps = st.tuples(st.just("*") | ranges, st.integers(1, 9)).map(lambda two: f"{two[0]}/{two[1]}")
    return st.just("*") | steps | st.lists(one, min_size=1, max_size=3).map(",".join)


DAYS = st.tuples(field(1, 28), st.just("*")) | st.tuples(st.just("*"), field(0, 6) | st.sampled_from(["MON", "fri"]))
CRONS = st.tuples(field(0, 59), field(0, 23), DAYS, field(1, 12)).map(
    lambda parts: f"{parts[0]} {parts[1]} {parts[2][0]} {parts[3]} {parts[2][1]}"
)


@given(CRONS, st.datetimes(datetime(2024, 1, 1), datetime(2031, 1, 1)))  # noqa: DTZ001 - made aware below
@settings(max_examples=60)
def test_it_fires_when_prefect_fires(cron: str, moment: datetime) -> None:
    from prefect.server.schemas.schedules import CronSchedule

    start = moment.replace(tzinfo=UTC)
    expected = asyncio.run(CronSchedule(cron=cron, timezone="UTC").get_dates(3, start + timedelta(microseconds=1)))
    found, fire = [], start
    for _ in expected:
        fire = next_fire(checked_cron(cron), fire)
        found.append(fire)
    assert found == expected
