"""The lock of a data directory on S3: the object `.lock`, held by renewing it.

It is taken by conditional PUT and renewed `BEATS` times per lease. It is stale when its process is known to be dead
(same machine), or when the object did not change for a whole lease, measured by the storage's own clock or by watching
it: the clocks of two machines are never compared. A stale lock is taken over by `If-Match`, so only one of several
processes succeeds.

A holder that could not renew in time, or finds another's name in the lock, stops writing (`S3Store.fence`). Requests
that it still has in flight do no harm: parts and raw responses have unique names, and a manifest is written only over
the version that was read.
"""

import json
import logging
import os
import secrets
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

from ecgrid_flows.errors import DataDirectoryHeld, StorageFailed

log = logging.getLogger(__name__)

LOCK_OBJECT = ".lock"
LEASE_S = 30.0
#: Renewals per lease.
BEATS = 6
#: The storage's Last-Modified has whole seconds.
CLOCK_GRAIN_S = 2.0


@dataclass(frozen=True, slots=True)
class Stored:
    """One object as received, with its time of the last change by the storage's own clock."""

    body: bytes
    version: str
    changed_at: datetime


class Bucket(Protocol):
    """The part of a store that the lock needs (`S3Store`)."""

    root: str

    def stored(self, path: str) -> Stored | None: ...

    def now(self) -> datetime: ...

    def version(self, path: str) -> str | None: ...

    def put_if(self, path: str, data: bytes, version: str | None, attempts: int = ...) -> str | None: ...

    def fence(self, why_not: Callable[[], str | None]) -> None: ...

    def drop_half_written(self) -> None: ...


@contextmanager
def held(
    store: Bucket, purpose: str, lease_s: float = LEASE_S, clock: Callable[[], float] = time.monotonic
) -> Iterator[None]:
    """Hold the data directory for the length of the block; raises `DataDirectoryHeld` when another run does.

    Where it is not known at once whether the holder is alive, this watches for up to its lease, usually a sixth of it.
    """
    lease = _Lease(store, purpose, lease_s, clock)
    lease.take()
    try:
        store.drop_half_written()
        yield
    finally:
        lease.give_back()


class _Lease:
    def __init__(self, store: Bucket, purpose: str, lease_s: float, clock: Callable[[], float]) -> None:
        self._store, self._lease_s, self._clock = store, lease_s, clock
        self._who = {
            "purpose": purpose,
            "pid": os.getpid(),
            "host": socket.gethostname(),
            "place": _place(),
            "since": datetime.now(UTC).isoformat(timespec="seconds"),
            "lease_s": lease_s,
            "token": secrets.token_hex(16),
        }
        self._beats = 0
        self._version: str | None = None
        self._good_until = 0.0
        self._taken_from_us = False
        self._over = threading.Event()
        self._beater = threading.Thread(target=self._beat_forever, name="lease", daemon=True)

    def take(self) -> None:
        while True:
            found = self._store.stored(LOCK_OBJECT)
            if found is None or self._is_free(found) or not self._is_renewed(found):
                if self._sign(found.version if found else None):
                    break  # otherwise another process was faster: read the lock again
            elif (now := self._store.stored(LOCK_OBJECT)) is not None and not _holder_record(now).get("released"):
                raise DataDirectoryHeld(
                    f"{self._store.root} is held by {_holder(now)}: wait for it to end, or use another --data-dir"
                )
        self._store.fence(self._why_not)
        self._beater.start()

    def give_back(self) -> None:
        """Stop renewing and release the lock; a lost lock is left to its new owner."""
        self._over.set()
        self._beater.join()
        with suppress(StorageFailed):  # otherwise it stays until its lease ends
            self._store.put_if(LOCK_OBJECT, b'{"released": true}\n', self._version)

    def _is_free(self, found: Stored) -> bool:
        """Whether the lock is released, or stale beyond doubt."""
        record = _holder_record(found)
        if record.get("released"):
            return True
        if record.get("place") and record["place"] == self._who["place"] and not _is_alive(record.get("pid")):
            log.warning("took over the lock of %s, which ended without releasing it", _holder(found))
            return True
        age_s = (self._store.now() - found.changed_at).total_seconds()
        if age_s > self._lease_of(found) + CLOCK_GRAIN_S:
            log.warning("took over the lock of %s, which was not renewed for %d s", _holder(found), age_s)
            return True
        return False

    def _is_renewed(self, found: Stored) -> bool:
        """Watch the lock until it changes; False when a whole lease went by without."""
        lease_s = self._lease_of(found)
        log.info("%s is locked by %s: waiting to see whether that run is alive", self._store.root, _holder(found))
        deadline = time.monotonic() + lease_s
        while time.monotonic() < deadline:
            time.sleep(min(1.0, lease_s / 20))
            if self._store.version(LOCK_OBJECT) != found.version:
                return True
        log.warning("took over the lock of %s, which was not renewed for %g s", _holder(found), lease_s)
        return False

    def _lease_of(self, found: Stored) -> float:
        record = _holder_record(found).get("lease_s")
        return float(record) if isinstance(record, int | float) else self._lease_s  # seconds, never money

    def _sign(self, version: str | None, attempts: int = 10) -> bool:
        self._beats += 1
        started = self._clock()
        data = (json.dumps({**self._who, "beat": self._beats}) + "\n").encode()
        new = self._store.put_if(LOCK_OBJECT, data, version, attempts)
        if new is None:
            return False
        self._version = new
        # A sixth is a margin: requests in flight when the fence falls must arrive before another process may take over.
        self._good_until = started + self._lease_s * 5 / 6
        return True

    def _beat_forever(self) -> None:
        while not self._over.wait(self._lease_s / BEATS):
            try:
                if not self._sign(self._version, attempts=3) and not self._is_still_ours():
                    self._taken_from_us = True
                    return
            except StorageFailed as error:
                log.warning("the lock could not be renewed, trying again: %s", error)

    def _is_still_ours(self) -> bool:
        """A renewal may have been executed although every response was lost; the next one then finds its version."""
        found = self._store.stored(LOCK_OBJECT)
        if found is None or _holder_record(found).get("token") != self._who["token"]:
            return False
        return self._sign(found.version, attempts=3)

    def _why_not(self) -> str | None:
        if self._over.is_set():
            return None
        if self._taken_from_us:
            return "another run took over the lock, because this one did not renew it in time"
        if self._clock() > self._good_until:
            return "the lock could not be renewed in time, so another run may hold it"
        return None


def _place() -> str | None:
    """The scope within which process numbers are comparable: host, boot and process namespace; None if unknown."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{socket.gethostname()}/{boot}/{Path('/proc/self/ns/pid').stat().st_ino}"
    except OSError:
        return None


def _is_alive(pid: object) -> bool:
    if not isinstance(pid, int) or pid <= 0:
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def _holder_record(found: Stored) -> dict[str, Any]:
    try:
        record = json.loads(found.body)
    except ValueError:
        return {}
    return record if isinstance(record, dict) else {}


def _holder(found: Stored) -> str:
    record = _holder_record(found)
    try:
        return f"`{record['purpose']}`, process {record['pid']} on {record['host']}, since {record['since']}"
    except KeyError:
        return "another run"
