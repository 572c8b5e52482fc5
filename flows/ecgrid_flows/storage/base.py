"""Storage of everything that lasts: one interface over a folder and a bucket.

Paths are relative, with `/`. A caller may rely on what both kinds of storage guarantee, and on nothing else:

- `write` is atomic, and durable when it returns; there is no rename;
- `write_if` writes only when the object is still the version last read (or still absent): compare-and-swap;
- `appender` grows one object by whole pieces; a piece is durable after `sync`; a crash may leave a torn tail;
- `quarantine` moves an object where no reader looks, without losing it.

Names that begin with a dot are the store's own (locks, half-written files) and are never listed. Every disk error is
raised as `StorageFailed` with the path, the reason and what to do.
"""

import errno
import hashlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import BinaryIO, Protocol

from ecgrid_flows.errors import SettingsError, StorageFailed

#: The folder of quarantined objects.
QUARANTINE = "set-aside"
#: What others read: these folders and files follow the umask. Everything else is created with 700 and 600.
SHARED = ("exports", "reports", "rebill")
PRIVATE_FILE = 0o600
#: The lock file of a folder (see `lock`), at the top of every data directory that a run has held.
LOCK_FILE = ".lock"

_REASONS = {
    errno.ENOSPC: "the disk is full: free space and run again",
    errno.EDQUOT: "the disk quota is used up: free space and run again",
    errno.EFBIG: "the file-size limit of this process is reached: raise it and run again",
    errno.EROFS: "the disk is read-only: mount it writable or choose another --data-dir",
    errno.EACCES: "permission is denied: grant it or choose another --data-dir",
    errno.EPERM: "the system forbids it: grant it or choose another --data-dir",
    errno.ENOENT: "it no longer exists: was the data directory moved or deleted during the run?",
    errno.ENOTDIR: "a file is where a folder is needed: move it away or choose another --data-dir",
    errno.EEXIST: "a file is where a folder is needed: move it away or choose another --data-dir",
    errno.EIO: "the disk failed to read or write: check it before running again",
}

#: Errors of the disk, which are no error of a setting.
FAILED_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EIO)


@dataclass(frozen=True, slots=True)
class Entry:
    """One stored object: its path, its size in bytes, and a version that changes with every write."""

    path: str
    size: int
    version: str = ""


@dataclass(frozen=True, slots=True)
class Quarantined:
    """One quarantined object: its former path, its present path, and the reason."""

    path: str
    now: str
    why: str

    def __str__(self) -> str:
        return f"{self.path} was quarantined as {self.now}: {self.why}"


class Appender(Protocol):
    """One growing object of one writer. `sync` may come from another thread than `append`."""

    def append(self, piece: bytes) -> int:
        """Add `piece`; returns the offset at which it begins."""

    def sync(self) -> None:
        """Make everything appended so far durable."""

    def close(self) -> None: ...


class Store(Protocol):
    """A folder or a bucket (guarantees: see the module)."""

    root: str
    #: Whether the storage verifies checksums itself, and an `Entry.version` changes with the content.
    is_self_checking: bool

    def prepare(self) -> None: ...

    def read(self, path: str) -> bytes: ...

    def open(self, path: str) -> BinaryIO: ...

    def write(self, path: str, data: bytes) -> None: ...

    def write_if(self, path: str, data: bytes, version: str | None) -> bool: ...

    def version(self, path: str) -> str | None: ...

    def appender(self, path: str) -> Appender: ...

    def sync_all(self, appenders: Iterable[Appender]) -> None: ...

    def entries(self, folder: str) -> Iterator[Entry]: ...

    def holds(self, entry: Entry, sha256: str) -> bool:
        """Whether the content of a listed object has this SHA-256. Hashed once per open store."""

    def exists(self, path: str) -> bool: ...

    def written_at(self, path: str) -> datetime | None: ...

    def delete(self, path: str) -> None: ...

    def quarantine(self, path: str, why: str) -> Quarantined: ...

    def uri(self, path: str) -> str: ...

    def locals(self, paths: Sequence[str]) -> list[str]: ...

    def lock(self, purpose: str) -> AbstractContextManager[None]:
        """Hold the data directory while the block runs; raises `DataDirectoryHeld` when another run does."""

    def drop_half_written(self) -> None: ...


@contextmanager
def disk_errors(what: str) -> Iterator[None]:
    """Convert an `OSError` inside to `StorageFailed`, naming `what`; a name that is too long to `SettingsError`."""
    try:
        yield
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            raise SettingsError(f"{what} cannot be used; File name too long: choose a shorter --data-dir") from error
        reason = _REASONS.get(error.errno or 0, f"{error.strerror or type(error).__name__}: correct it and run again")
        raise StorageFailed(f"{what} cannot be used; {reason}") from error


def sha256_of_file(path: Path) -> str:
    """The SHA-256 of a local file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def holds_path(store: Store, path: str, sha256: str) -> bool | None:
    """Whether the object at `path` has this SHA-256; None where there is no such object."""
    for entry in store.entries(path.rpartition("/")[0]):
        if entry.path == path:
            return store.holds(entry, sha256)
    return None


def free_name(store: Store, path: str) -> str:
    """`path`, or `path.2`, `path.3` … when that is taken."""
    number, candidate = 1, path
    while store.exists(candidate):
        number += 1
        candidate = f"{path}.{number}"
    return candidate
