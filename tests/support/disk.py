"""The file system below one folder, with each operation numbered: one fails, kills the process, or loses the power.

`Disk` replaces functions of `os` and `io` for the rest of the process, so it belongs in a child process. What native
libraries write (DuckDB, Arrow) is not numbered; their files count when this project syncs, renames or opens them.

**Power loss.** A file is durable as it was when it was last synced; a name is durable once its folder was synced after
it was made, renamed or removed. POSIX promises nothing of the rest, in any order: of each unsynced change of a folder
it is drawn whether it happened (a rename happens whole or not at all), and of each unsynced file what remains: nothing,
a beginning, zeros, or all. The state that remains is written beside the folder, as `<folder>.after`. The warehouse
stays as it is: DuckDB syncs it, and it is a cache.
"""

import builtins
import errno
import io
import os
import random
import shutil
import signal
import stat
import sys
import threading
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any, Literal

#: Operations by name; those of `READS` change nothing.
CHANGES = ("create", "write", "truncate", "fsync", "rename", "unlink", "rmdir", "mkdir", "chmod")
READS = ("open", "list", "pread")
#: Functions of `os`, and the operation that each is.
KINDS = {
    "write": "write",
    "pwrite": "write",
    "ftruncate": "truncate",
    "fsync": "fsync",
    "replace": "rename",
    "rename": "rename",
    "unlink": "unlink",
    "remove": "unlink",
    "rmdir": "rmdir",
    "mkdir": "mkdir",
    "chmod": "chmod",
    "scandir": "list",
    "pread": "pread",
}
What = Literal["count", "kill", "fail", "fail on", "power"]


class Disk:
    """Numbers the operations of this process below `root`, those of `kinds` alone.

    At the `at`-th one: `kill` ends the process, `fail` raises the error of `code` once and `fail on` at every later
    one too, `power` writes what a power loss at that moment leaves, by `seed`, and ends the process.
    """

    def __init__(
        self, root: Path, what: What = "count", at: int = 0, *, reads: bool = False, code: str = "EIO", seed: int = 0
    ) -> None:
        self.root = str(root.absolute())
        self.done = 0
        self._what, self._at, self._code = what, at, getattr(errno, code)
        self._kinds = {*CHANGES, *(READS if reads else ())}
        self._memory = Memory(root.absolute(), seed) if what == "power" else None
        self._own = threading.local()
        self._order = threading.RLock() if self._memory else nullcontext()

    def watch(self) -> None:
        """Replace the functions; they stay replaced until the process ends."""
        for name, kind in KINDS.items():
            setattr(os, name, self._watched(getattr(os, name), lambda *_, kind=kind, **__: kind))
        os.open = self._watched(os.open, _kind_of_flags)
        builtins.open = io.open = self._watched(io.open, _kind_of_mode)

    def end(self) -> None:
        """The process is about to end in good order; with `power` past the last operation the power goes now."""
        if self._memory is not None:
            self._own.is_at_work = True
            self._memory.lose_power()

    def _watched(self, real: Callable[..., Any], kind_of: Callable[..., str]) -> Callable[..., Any]:
        def one(*given: Any, **named: Any) -> Any:
            if getattr(self._own, "is_at_work", False) or not (path := self._below(given, named)):
                return real(*given, **named)
            kind = kind_of(*given, **named)
            with self._order:
                self._own.is_at_work = True
                try:
                    if kind in self._kinds:
                        self._step(path)
                    if self._memory is not None:
                        self._memory.before(kind, path, given)
                    found = real(*given, **named)
                    if self._memory is not None:
                        self._memory.after(kind, path, given)
                finally:
                    self._own.is_at_work = False
            return found

        return one

    def _step(self, path: str) -> None:
        self.done += 1
        if self._at and (self.done == self._at or (self._what == "fail on" and self.done > self._at)):
            if self._what.startswith("fail"):
                raise OSError(self._code, os.strerror(self._code), path)
            if self._memory is not None:
                self._memory.lose_power()
            if self._what != "count":
                os.kill(os.getpid(), signal.SIGKILL)

    def _below(self, given: tuple[Any, ...], named: dict[str, Any]) -> str:
        """The path that an operation is of, where it is below the root; else nothing."""
        first = given[0] if given else named.get("path", named.get("file", "."))
        path = path_of(first, named.get("dir_fd"))
        return path if path == self.root or path.startswith(f"{self.root}/") else ""


def path_of(first: Any, dir_fd: int | None = None) -> str:
    """The absolute path of a path or of an open file; empty where there is none."""
    if isinstance(first, int):
        try:
            return str(Path(f"/proc/self/fd/{first}").readlink())
        except OSError:
            return ""
    folder = Path.cwd() if dir_fd is None else Path(f"/proc/self/fd/{dir_fd}").readlink()
    return str(folder / os.fsdecode(first))


def _kind_of_flags(_: Any, flags: int, *_more: Any, **_named: Any) -> str:
    return "create" if flags & os.O_CREAT else "open"


def _kind_of_mode(_: Any, mode: str = "r", *_more: Any, **named: Any) -> str:
    return "open" if "r" in mode and "+" not in mode else "create"


class Memory:
    """What of a folder is durable, from the operations on it; all that is there at the start is."""

    def __init__(self, root: Path, seed: int) -> None:
        self._root, self._warehouse = root, root / "warehouse"
        self._draw = random.Random(seed)
        self._listings: dict[int, dict[str, int]] = {}
        self._first: dict[int, tuple[int, int]] = {}
        self._synced: dict[int, bytes] = {}
        self._renames: list[tuple[tuple[int, str], tuple[int, str]]] = []
        #: Handles of removed files and folders: their inodes are given to nothing else, and their content stays.
        self._removed: dict[int, int] = {}
        for place in (root, *root.rglob("*")):
            found = place.lstat()
            if place.is_dir():
                self._listings[found.st_ino] = _listing(place)
            else:
                self._first[found.st_ino] = found.st_mtime_ns, found.st_size

    def before(self, kind: str, path: str, given: tuple[Any, ...]) -> None:
        if kind in ("unlink", "rmdir"):
            self._keep(path)
        elif kind == "rename":
            source, target = Path(path), Path(path_of(given[1]))
            self._keep(str(target))
            both = ((one.parent.stat().st_ino, one.name) for one in (source, target))
            self._renames.append((next(both), next(both)))

    def after(self, kind: str, path: str, given: tuple[Any, ...]) -> None:
        if kind == "mkdir":
            self._listings[Path(path).stat().st_ino] = {}
        elif kind == "fsync":
            found, place = os.fstat(given[0]), Path(f"/proc/self/fd/{given[0]}")
            if stat.S_ISDIR(found.st_mode):
                self._listings[found.st_ino] = _listing(place)
                self._renames = [one for one in self._renames if found.st_ino not in (one[0][0], one[1][0])]
            else:
                self._synced[found.st_ino] = place.read_bytes()

    def _keep(self, path: str) -> None:
        try:
            handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
        except OSError:
            return
        self._removed[os.fstat(handle).st_ino] = handle

    def lose_power(self) -> None:
        """Write what remains to `<root>.after`."""
        paths = {place.lstat().st_ino: place for place in (self._root, *self._root.rglob("*"))}
        present = {inode: _listing(place) for inode, place in paths.items() if place.is_dir()}
        chosen: dict[tuple[int, str], bool] = {}
        for source, target in self._renames:
            chosen[source] = chosen[target] = chosen.get(source, chosen.get(target, self._draw.random() < 0.5))
        style = self._draw.choice(("durable alone", "all", "drawn", "drawn"))
        after = self._root.with_name(f"{self._root.name}.after")
        shutil.rmtree(after, ignore_errors=True)

        def happened(here: int, name: str) -> bool:
            if style != "drawn":
                return style == "all"
            return chosen.setdefault((here, name), self._draw.random() < 0.5)

        def write(here: int, target: Path) -> None:
            target.mkdir(mode=0o700)
            durable, now = self._listings.get(here, {}), present.get(here, {})
            if paths.get(here) == self._warehouse:
                durable = now
            for name in sorted(durable.keys() | now.keys()):
                inode = (
                    now.get(name) if durable.get(name) == now.get(name) or happened(here, name) else durable.get(name)
                )
                if inode is None:
                    continue
                if inode in present or inode in self._listings:
                    write(inode, target / name)
                else:
                    content = self._content(inode, paths.get(inode))
                    if content is not None:
                        (target / name).write_bytes(content)
                        (target / name).chmod(0o600)

        write(self._root.stat().st_ino, after)

    def _content(self, inode: int, path: Path | None) -> bytes | None:
        place = path or (Path(f"/proc/self/fd/{self._removed[inode]}") if inode in self._removed else None)
        if place is None:
            return self._synced.get(inode)  # a native library removed it
        now, found = place.read_bytes(), place.stat()
        if place.parent == self._warehouse:
            return now
        if self._first.get(inode) == (found.st_mtime_ns, found.st_size) or self._synced.get(inode) == now:
            return now
        kept = self._synced.get(inode, b"")
        if now.startswith(kept) and kept:
            return now[: self._draw.choice((len(kept), self._draw.randint(len(kept), len(now)), len(now)))]
        return self._draw.choice((kept, kept, now, now[: len(now) // 2], bytes(len(now))))


def _listing(place: Path) -> dict[str, int]:
    with os.scandir(place) as found:
        return {one.name: one.inode() for one in found}


if sys.platform != "linux":
    raise ImportError("open files are named by /proc, which only Linux has")
