"""The store on a local folder: atomic writes, durable appends."""

import errno
import hashlib
import os
import secrets
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import BinaryIO

from ecgrid_flows.errors import SettingsError
from ecgrid_flows.storage.base import (
    _REASONS,
    FAILED_DISK,
    LOCK_FILE,
    PRIVATE_FILE,
    QUARANTINE,
    SHARED,
    Appender,
    Entry,
    Quarantined,
    disk_errors,
    free_name,
    sha256_of_file,
)
from ecgrid_flows.storage.run_lock import flocked


class LocalStore:
    """A folder of this machine. Durable means fsynced, the folder entry included."""

    is_self_checking = False

    def __init__(self, root: str | Path) -> None:
        self.root = str(Path(root).absolute())
        self._root = Path(self.root)
        self._known_folders: set[Path] = set()
        self._hashes: dict[Entry, str] = {}

    def prepare(self) -> None:
        """Create the folder and verify that it is writable; raises `SettingsError` when it is not."""
        probe = self._root / f".probe-{secrets.token_hex(4)}"
        try:
            self._root.mkdir(parents=True, exist_ok=True)
            probe.write_bytes(b"")
            probe.unlink()
        except OSError as error:
            if error.errno in FAILED_DISK:
                with disk_errors(self.root):
                    raise
            reason = _REASONS.get(error.errno or 0, error.strerror or type(error).__name__)
            if error.errno == errno.ENOENT:
                reason = "no folder can be created there: choose another --data-dir"
            raise SettingsError(f"the data directory {self.root} cannot be written; {reason}") from error

    def read(self, path: str) -> bytes:
        with disk_errors(self.uri(path)):
            return self._at(path).read_bytes()

    def open(self, path: str) -> BinaryIO:
        with disk_errors(self.uri(path)):
            return self._at(path).open("rb")

    def write(self, path: str, data: bytes) -> None:
        target = self._at(path)
        with disk_errors(self.uri(path)):
            self._make_folder(target.parent)
            half = target.with_name(f".half-{secrets.token_hex(6)}")
            try:
                with open(half, "xb", opener=partial(_open_new, mode=self._mode(path))) as file:
                    file.write(data)
                    file.flush()
                    os.fsync(file.fileno())
                half.replace(target)
            except BaseException:
                with suppress(OSError):
                    half.unlink(missing_ok=True)
                raise
            _sync_folder(target.parent)

    def write_if(self, path: str, data: bytes, version: str | None) -> bool:
        """Write unless the version changed. The run's lock already excludes other writers; this only compares."""
        if self.version(path) != version:
            return False
        self.write(path, data)
        return True

    def version(self, path: str) -> str | None:
        """An identifier of the present content of `path`; None when it is absent."""
        with disk_errors(self.uri(path)):
            try:
                return hashlib.sha256(self._at(path).read_bytes()).hexdigest()
            except FileNotFoundError:
                return None

    def appender(self, path: str) -> "LocalAppender":
        target = self._at(path)
        with disk_errors(self.uri(path)):
            self._make_folder(target.parent)
            made = LocalAppender(target)
            _sync_folder(target.parent)
            return made

    def sync_all(self, appenders: Iterable[Appender]) -> None:
        """`sync` each."""
        for appender in appenders:
            appender.sync()

    def entries(self, folder: str) -> Iterator[Entry]:
        """Every object below `folder`, in path order."""
        top = self._at(folder)
        with disk_errors(self.uri(folder)):
            if not top.is_dir():
                return
            for place, folders, names in os.walk(top, onerror=_raise_unless_gone):
                folders[:] = sorted(name for name in folders if not name.startswith("."))
                for name in sorted(names):
                    if not name.startswith("."):
                        found = Path(place, name)
                        with suppress(FileNotFoundError):
                            status = found.lstat()
                            version = f"{status.st_ino}.{status.st_mtime_ns}"
                            yield Entry(found.relative_to(self._root).as_posix(), status.st_size, version)

    def holds(self, entry: Entry, sha256: str) -> bool:
        if entry not in self._hashes:
            with disk_errors(self.uri(entry.path)):
                self._hashes[entry] = sha256_of_file(self._at(entry.path))
        return self._hashes[entry] == sha256

    def exists(self, path: str) -> bool:
        with disk_errors(self.uri(path)):
            return self._at(path).is_file()

    def written_at(self, path: str) -> datetime | None:
        """When `path` was last written, UTC; None when it is absent."""
        with disk_errors(self.uri(path)), suppress(FileNotFoundError):
            return datetime.fromtimestamp(int(self._at(path).stat().st_mtime), UTC)
        return None

    def delete(self, path: str) -> None:
        with disk_errors(self.uri(path)):
            self._at(path).unlink(missing_ok=True)

    def quarantine(self, path: str, why: str) -> Quarantined:
        source = self._at(path)
        with disk_errors(self.uri(path)):
            now = free_name(self, f"{QUARANTINE}/{path}")
            target = self._at(now)
            self._make_folder(target.parent)
            source.replace(target)
            _sync_folder(target.parent)
            _sync_folder(source.parent)
        return Quarantined(path, now, why)

    def uri(self, path: str) -> str:
        return str(self._at(path))

    def locals(self, paths: Sequence[str]) -> list[str]:
        """The paths of the objects on this machine."""
        return [self.uri(path) for path in paths]

    @contextmanager
    def lock(self, purpose: str) -> Iterator[None]:
        """Hold the folder for the length of the block; raises `DataDirectoryHeld` when another run does."""
        with flocked(self.uri(LOCK_FILE), purpose, f"{self.root} is held"):
            self.drop_half_written()
            yield

    def drop_half_written(self) -> None:
        """Remove half-written files of dead writers; only for the holder of the lock."""
        with disk_errors(self.root):
            for place, folders, names in os.walk(self._root):
                if LOCK_FILE in names and Path(place) != self._root:
                    folders.clear()  # another data directory; its run may be writing
                    continue
                for name in names:
                    if name.startswith(".half-"):
                        Path(place, name).unlink(missing_ok=True)

    def _at(self, path: str) -> Path:
        return self._root / path

    def make_folder(self, path: str) -> None:
        """Create the folder `path`, accessible to this user alone unless others read it."""
        with disk_errors(self.uri(path)):
            self._make_folder(self._at(path))

    @staticmethod
    def _mode(path: str) -> int:
        return 0o666 if path.split("/", 1)[0] in SHARED else PRIVATE_FILE

    def _make_folder(self, folder: Path) -> None:
        if folder in self._known_folders and folder.is_dir():
            return
        # The root is created once, by `prepare`: a data directory that vanished must not be recreated empty.
        if not self._root.is_dir():
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), self.root)
        missing = [place for place in (folder, *folder.parents) if not place.exists()]
        for place in reversed(missing):  # `parents=True` would apply the mode to the last folder alone
            place.mkdir(
                mode=0o777 if self._mode(place.relative_to(self._root).as_posix()) != PRIVATE_FILE else 0o700,
                exist_ok=True,
            )
            _sync_folder(place.parent)
        self._known_folders.add(folder)


class LocalAppender:
    """An append-only file, one system call per piece: a killed process loses no appended piece."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, PRIVATE_FILE)
        self._size = 0

    def append(self, piece: bytes) -> int:
        begin = self._size
        with disk_errors(str(self._path)):
            try:
                written = os.write(self._file, piece)
                while written < len(piece):
                    written += os.write(self._file, piece[written:])
            except OSError:
                with suppress(OSError):  # a torn piece would be found and quarantined anyway
                    os.ftruncate(self._file, begin)
                raise
        self._size += len(piece)
        return begin

    def sync(self) -> None:
        with disk_errors(str(self._path)):
            os.fsync(self._file)
            if not self._path.exists():
                raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(self._path))

    def close(self) -> None:
        os.close(self._file)


def _raise_unless_gone(error: OSError) -> None:
    """A folder that cannot be listed is an error, not an empty folder; one that is gone by now is nothing."""
    if not isinstance(error, FileNotFoundError):
        raise error


def _open_new(path: str, flags: int, *, mode: int) -> int:
    return os.open(path, flags | os.O_CLOEXEC, mode)


def _sync_folder(folder: Path) -> None:
    """Make a new name in `folder` durable."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
