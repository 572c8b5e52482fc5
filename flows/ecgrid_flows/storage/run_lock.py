"""The lock of a folder: one run at a time per data directory. A bucket's is `s3_lease`.

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
from ecgrid_flows.storage.base import disk_errors

#: Held by `serve` for as long as it runs, beside the lock that each run takes.
SERVE_LOCK_FILE = ".serve.lock"


@contextmanager
def served(folder: Path) -> Iterator[None]:
    """Be the one process of this machine that serves the schedule of a data directory; runs may go on meanwhile.

    `folder` is the data directory, or the local cache of a remote one. Raises `DataDirectoryHeld`.
    """
    with disk_errors(str(folder)):
        folder.mkdir(parents=True, exist_ok=True)
    with flocked(str(folder / SERVE_LOCK_FILE), "serve", f"the schedule of {folder} is served already"):
        yield


@contextmanager
def flocked(path: str, purpose: str, refusal: str) -> Iterator[None]:
    """Hold the lock file `path`; raises `DataDirectoryHeld`, which begins with `refusal`, when a process holds it."""
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
