"""The schedule of one data directory: its name, the time it was first served, and the months due.

    schedule.json   {"name": "3f2a9c1d", "since": "2026-11-28T15:40:00+00:00"}

The name is random and stays with the data directory, wherever it is mounted and whatever the host is called: the
deployments of `serve` carry it, so that they are never another data directory's. The rule itself is `due`.
"""

import json
import re
import secrets
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime

from ecgrid_flows.due import DueMonth, due_months
from ecgrid_flows.errors import SettingsError
from ecgrid_flows.settings import Settings
from ecgrid_flows.storage.base import Store
from ecgrid_transforms.period import NotAMonth, parse_month

SCHEDULE = "schedule.json"
_EXPORT = re.compile(r"exports/(\d{4}-\d{2})/manifest\.json")


@dataclass(frozen=True, slots=True)
class Schedule:
    """`name` distinguishes the data directory from others; `since` is when a schedule first served it, UTC."""

    name: str
    since: datetime


def begin(store: Store, now: datetime) -> Schedule:
    """The schedule of the data directory; recorded as served since `now` where there is none yet."""
    found = read(store)
    if found is None:
        document = {"name": secrets.token_hex(4), "since": now.astimezone(UTC).isoformat(timespec="seconds")}
        store.write_if(SCHEDULE, (json.dumps(document) + "\n").encode(), None)  # another machine may have been first
        found = read(store)
        assert found is not None
    return found


def read(store: Store) -> Schedule | None:
    """The schedule of the data directory; None where none ever served it. Raises `SettingsError` when damaged."""
    if not store.exists(SCHEDULE):
        return None
    try:
        found = json.loads(store.read(SCHEDULE))
        since = datetime.fromisoformat(found["since"])
        if not re.fullmatch(r"[0-9a-f]{8}", found["name"]) or since.tzinfo is None:
            raise ValueError(found)
    except (ValueError, KeyError, TypeError):
        raise SettingsError(
            f"{store.uri(SCHEDULE)} is damaged: delete it; the next start of the schedule rewrites it"
        ) from None
    return Schedule(found["name"], since)


def exported_months(store: Store) -> set[date]:
    """The months with a complete export: its manifest is written last."""
    found = set()
    for entry in store.entries("exports"):
        if match := _EXPORT.fullmatch(entry.path):
            with suppress(NotAMonth):  # a folder that a person made
                found.add(parse_month(match[1]))
    return found


def owed(settings: Settings, store: Store, now: datetime) -> list[DueMonth]:
    """The months due at `now`, oldest first."""
    schedule = read(store)
    return due_months(exported_months(store), settings.cron_monthly, now, schedule.since if schedule else None)
