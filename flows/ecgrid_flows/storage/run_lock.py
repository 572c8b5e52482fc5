"""The lock of a folder: one run at a time per data directory. A bucket's is `s3_lease`.

The lock is the kernel's (`flock`), released when its process ends in any way: it cannot be stale. The file `.lock` also
names the holder, for the message to a run that is refused; after release it stays, empty, without meaning.
"""

import fcntl
import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from ecgrid_flows.errors import DataDirectoryHeld
from ecgrid_flows.storage.base import disk_errors

#: Held by `serve` while it runs, in addition to the lock that each run takes.
SERVE_LOCK_FILE = ".serve.lock"


@contextmanager
def served(folder: Path) -> Iterator[None]:
    """Hold the schedule of a data directory for one process of this machine; runs may go on meanwhile.

    `folder` is the data directory, or the local cache of a remote one. Raises `DataDirectoryHeld`.
    """
    with disk_errors(str(folder)):
        folder.mkdir(parents=True, exist_ok=True)
    with flocked(str(folder / SERVE_LOCK_FILE), "serve", f"the schedule of {folder} is already served"):
        yield


@contextmanager
def flocked(path: str, purpose: str, refusal: str) -> Iterator[None]:
    """Hold the lock file `path`; raises `DataDirectoryHeld`, with `refusal` first, when another process holds it."""
    with disk_errors(path):
        # Never unlinked: two processes must always open the same file.
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise DataDirectoryHeld(
                f"{refusal} by {_holder(handle)}: wait for it to end, or use another --data-dir"
            ) from None
        with disk_errors(path):
            _write_holder(handle, purpose)
        try:
            yield
        finally:
            with suppress(OSError):  # a name that stays has no meaning without the lock
                os.ftruncate(handle, 0)
    finally:
        os.close(handle)


def _write_holder(handle: int, purpose: str) -> None:
    who = {
        "purpose": purpose,
        "pid": os.getpid(),
        "host": socket.gethostname(),
        "since": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    os.ftruncate(handle, 0)
    os.pwrite(handle, json.dumps(who).encode(), 0)


def _holder(handle: int) -> str:
    """The holder that the file names; a run that has just taken the lock may not have written it yet."""
    try:
        who = json.loads(os.pread(handle, 4096, 0))
        return f"`{who['purpose']}`, process {who['pid']} on {who['host']}, since {who['since']}"
    except (ValueError, KeyError, TypeError):
        return "another run"
