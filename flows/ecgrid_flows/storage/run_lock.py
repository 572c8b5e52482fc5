"""One run at a time per data directory. What follows is for a folder; a bucket's lock is `lease`.

The lock is the kernel's (`flock`), so it ends with its process however that ends: a stale one cannot exist. The file
`.lock` also says who holds it, for the one who has to wait; it stays behind, empty, and means nothing then.
"""

import fcntl
import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from ecgrid_flows.errors import DataDirectoryHeld
from ecgrid_flows.storage import s3_lease
from ecgrid_flows.storage.base import LOCK_FILE, Store, disk_errors
from ecgrid_flows.storage.local import LocalStore
from ecgrid_flows.storage.s3 import S3Store

#: Held by `serve` for as long as it runs, beside the lock that each run takes.
SERVE_LOCK_FILE = ".serve.lock"


@contextmanager
def held(store: Store, purpose: str) -> Iterator[None]:
    """Hold the data directory for the length of the block; raises `DataDirectoryHeld` when another run does."""
    if isinstance(store, S3Store):
        with s3_lease.held(store, purpose):
            yield
    else:
        assert isinstance(store, LocalStore)
        with _folder_held(store, purpose):
            yield


@contextmanager
def served(folder: Path) -> Iterator[None]:
    """Be the one process of this machine that serves the schedule of a data directory; runs may go on meanwhile.

    `folder` is the data directory, or the local cache of a remote one. Raises `DataDirectoryHeld`.
    """
    with disk_errors(str(folder)):
        folder.mkdir(parents=True, exist_ok=True)
    with _flocked(str(folder / SERVE_LOCK_FILE), "serve", f"the schedule of {folder} is served already"):
        yield


@contextmanager
def _folder_held(store: LocalStore, purpose: str) -> Iterator[None]:
    with _flocked(store.uri(LOCK_FILE), purpose, f"{store.root} is held"):
        store.drop_half_written()
        yield


@contextmanager
def _flocked(path: str, purpose: str, refusal: str) -> Iterator[None]:
    with disk_errors(path):
        # Never unlinked: two processes must always meet at the same file.
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise DataDirectoryHeld(
                f"{refusal} by {_holder(handle)}: wait for it to end, or use another --data-dir"
            ) from None
        with disk_errors(path):
            _say(handle, purpose)
        try:
            yield
        finally:
            os.ftruncate(handle, 0)
    finally:
        os.close(handle)


def _say(handle: int, purpose: str) -> None:
    who = {
        "purpose": purpose,
        "pid": os.getpid(),
        "host": socket.gethostname(),
        "since": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    os.ftruncate(handle, 0)
    os.pwrite(handle, json.dumps(who).encode(), 0)


def _holder(handle: int) -> str:
    """Who the file names; a run that has just taken the lock may not have signed yet."""
    try:
        who = json.loads(os.pread(handle, 4096, 0))
        return f"`{who['purpose']}`, process {who['pid']} on {who['host']}, since {who['since']}"
    except (ValueError, KeyError, TypeError):
        return "another run"
