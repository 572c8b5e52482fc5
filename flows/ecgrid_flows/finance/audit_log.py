"""The audit log: an append-only, hash-chained log of decisions, closings, reopenings and posted corrections.

    closings/log/000001.json …   one entry each: month closed or reopened, state of a finding, corrections booked
    closings/head.json           the number of entries, and the hash of the last

Each entry has the SHA-256 of the previous one, so a changed, removed or inserted entry breaks the chain after it. Its
nonce makes it unique: the same decision, taken twice within a second, has two hashes. The head reveals missing entries
at the end. A rewrite of all files cannot be detected from them: keep the seal that `close` prints elsewhere, and give
it to `close --verify`. No rebuild, pull or export writes here.
"""

import getpass
import hashlib
import json
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from ecgrid_flows import formats
from ecgrid_flows.errors import DataDirectoryHeld, Refused, StorageFailed
from ecgrid_flows.storage.base import Store
from ecgrid_flows.storage.local import LocalStore
from ecgrid_transforms.period import month_text, parse_month

__all__ = ["CLOSINGS", "FIRST", "HEAD", "Decision", "Log", "append", "read"]

CLOSINGS = "closings"
LOG = f"{CLOSINGS}/log"
HEAD = f"{CLOSINGS}/head.json"
#: Previous hash of the first entry.
FIRST = "0" * 64


@dataclass(frozen=True, slots=True)
class Decision:
    """One entry of the log. `sha256` is the hash of its bytes: the seal of everything up to it."""

    number: int
    kind: str
    at: str
    by: str
    data: Mapping[str, Any]
    sha256: str


@dataclass(frozen=True, slots=True)
class Log:
    """All valid entries, in order, and the faults of the log (normally none)."""

    entries: tuple[Decision, ...]
    faults: tuple[str, ...]

    def closing(self, month: date) -> Decision | None:
        """The entry that closes `month`; None while it is open."""
        closing = None
        for entry in self.entries:
            if entry.data.get("month") == month_text(month):
                if entry.kind == "close":
                    closing = entry
                elif entry.kind == "reopen":
                    closing = None
        return closing

    def closed_months(self) -> list[date]:
        """The months that are closed, in order."""
        months = {parse_month(entry.data["month"]) for entry in self.entries if entry.kind == "close"}
        return sorted(month for month in months if self.closing(month) is not None)

    def bookings(self, closing: Decision) -> tuple[Decision, ...]:
        """The corrections booked since that closing, in order."""
        return tuple(
            entry
            for entry in self.entries
            if entry.kind == "corrections"
            and entry.number > closing.number
            and entry.data["month"] == closing.data["month"]
        )

    def require_sound(self) -> None:
        """Raise `Refused` if the log was tampered with."""
        if self.faults:
            raise Refused(
                f"the log of closings is not as it was written: {self.faults[0]}. Put the file back from a backup; "
                f"until then nothing is closed, reopened or decided here"
            )


def read(store: Store) -> Log:
    """Every entry, with the chain verified; read again while another process appends."""
    head = _head(store)
    while (log := _verified(store, head)).faults and (now := _head(store)) != head:
        head = now
    return log


def _head(store: Store) -> bytes | None:
    return store.read(HEAD) if store.exists(HEAD) else None


def _verified(store: Store, head: bytes | None) -> Log:
    paths = sorted(entry.path for entry in store.entries(LOG))
    decisions: list[Decision] = []
    faults: list[str] = []
    previous = FIRST
    for number, path in enumerate(paths, start=1):
        data = store.read(path)
        seal = hashlib.sha256(data).hexdigest()
        try:
            entry = json.loads(data)
            formats.require_readable("closings", entry, path)
            decision = Decision(entry["number"], entry["kind"], entry["at"], entry["by"], entry["data"], seal)
            before = entry["previous"]
        except (ValueError, KeyError, TypeError, AttributeError):
            faults.append(f"{path} is no entry of this log")
            previous = seal
            continue
        if path != _path(number) or decision.number != number:
            faults.append(f"{path} is in the place of entry {number}")
        elif before != previous:
            faults.append(f"{_path(number - 1)} was changed after {path} sealed it")
        decisions.append(decision)
        previous = seal
    faults.extend(_head_faults(head, decisions))
    return Log(tuple(decisions), tuple(faults))


def _head_faults(head: bytes | None, decisions: list[Decision]) -> list[str]:
    """The head may be one entry behind (a crash between the two writes), never ahead and never of another chain."""
    if head is None:
        return [] if len(decisions) < 2 else [f"{HEAD} is missing"]
    try:
        counted = json.loads(head)
        entries, seal = int(counted["entries"]), str(counted["sha256"])
    except (ValueError, KeyError, TypeError):
        return [f"{HEAD} is damaged"]
    if entries > len(decisions):
        return [f"{HEAD} counts {entries} entries, {len(decisions)} are there"]
    if len(decisions) - entries > 1:
        return [f"{HEAD} counts {entries} entries, but {len(decisions)} are there"]
    if seal != (decisions[entries - 1].sha256 if entries > 0 else FIRST):
        return [f"{_path(entries)} was changed after {HEAD} sealed it"]
    return []


def append(store: Store, kind: str, data: Mapping[str, Any]) -> Decision:
    """Append one decision; the caller holds the lock of the data directory. Raises `Refused` if the log is invalid."""
    log = read(store)
    log.require_sound()
    number = len(log.entries) + 1
    entry = {
        **formats.stamp("closings"),
        "number": number,
        "previous": log.entries[-1].sha256 if log.entries else FIRST,
        "kind": kind,
        "at": datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        "by": _who(),
        "data": data,
        "nonce": secrets.token_hex(16),
    }
    text = (json.dumps(entry, ensure_ascii=False, indent=1) + "\n").encode()
    if log.entries:  # after a crash between the two writes the head is one entry behind
        _write_head(store, number - 1, log.entries[-1].sha256)
    earlier = _head(store)
    try:
        is_first = store.write_if(_path(number), text, None)
    except StorageFailed:
        _take_back(store, number, earlier)
        raise
    if not is_first:
        raise DataDirectoryHeld(f"someone else decided something just now ({_path(number)}): look at it and try again")
    seal = hashlib.sha256(text).hexdigest()
    try:
        _write_head(store, number, seal)
    except StorageFailed:
        _take_back(store, number, earlier)
        raise
    return Decision(number, kind, str(entry["at"]), str(entry["by"]), data, seal)


def _write_head(store: Store, entries: int, seal: str) -> None:
    """Conditional, so that a request of an earlier run that the bucket carries out late cannot set the head back."""
    head = (json.dumps({"entries": entries, "sha256": seal}) + "\n").encode()
    while (version := store.version(HEAD)) is None or store.read(HEAD) != head:
        if store.write_if(HEAD, head, version):
            break


def _take_back(store: Store, number: int, head: bytes | None) -> None:
    """Undo a decision that is reported as failed: the head as it was, then no entry. In a bucket it may yet arrive."""
    if not isinstance(store, LocalStore):
        return
    if head is None:
        store.delete(HEAD)
    elif not store.exists(HEAD) or store.read(HEAD) != head:
        store.write(HEAD, head)
    store.delete(_path(number))


def _path(number: int) -> str:
    return f"{LOG}/{number:06}.json"


def _who() -> str:
    """The name of the user of this process; a container may have none."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}"
