"""Folders replaced as a whole: files are written to a hidden sibling folder, made durable, then moved into place.

The new folder holds the files of one writer and none of its predecessor. A process killed at any moment leaves the old
folder, the new one, or for an instant none; the next writer removes the hidden folder.
"""

import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ecgrid_flows.errors import StorageFailed
from ecgrid_flows.storage.base import PRIVATE_FILE, SHARED, Store, disk_errors
from ecgrid_flows.storage.local import LocalStore

__all__ = ["publish", "put_file", "put_in_place", "staging"]

_HIDDEN = ".staged-"


@contextmanager
def staging(target: Path) -> Iterator[Path]:
    """An empty hidden folder beside `target`; removed when the block ends, whether or not it was put in place."""
    with disk_errors(str(target.parent)):
        target.parent.mkdir(parents=True, exist_ok=True)
        for leftover in target.parent.glob(f"{_HIDDEN}{target.name}-*"):
            shutil.rmtree(leftover, ignore_errors=True)
        staged = target.parent / f"{_HIDDEN}{target.name}-{secrets.token_hex(4)}"
        staged.mkdir()
    try:
        yield staged
    finally:
        shutil.rmtree(staged, ignore_errors=True)


def put_in_place(staged: Path, target: Path) -> None:
    """Make the files of `staged` durable and replace `target` with the folder; raises `StorageFailed`."""
    with disk_errors(str(target)):
        for path in staged.rglob("*"):
            _sync(path, os.O_RDONLY | os.O_DIRECTORY if path.is_dir() else os.O_RDONLY)
        _sync(staged, os.O_RDONLY | os.O_DIRECTORY)
        old = staged.with_name(f"{staged.name}-old")
        if target.exists():
            target.rename(old)
        try:
            staged.rename(target)
        except OSError:
            if old.exists():
                old.rename(target)
            raise
        _sync(target.parent, os.O_RDONLY | os.O_DIRECTORY)
        shutil.rmtree(old, ignore_errors=True)


def _sync(path: Path, flags: int) -> None:
    handle = os.open(path, flags | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def put_file(store: Store, path: str, source: Path) -> None:
    """Copy a local file into the store, atomically; on local storage without holding it in memory."""
    if not isinstance(store, LocalStore):
        store.write(path, source.read_bytes())
        return
    target = Path(store.uri(path))
    with disk_errors(str(target)):
        store.make_folder(path.rpartition("/")[0])
        half = target.with_name(f".half-{secrets.token_hex(6)}")
        try:
            shutil.copyfile(source, half)
            if path.split("/", 1)[0] not in SHARED:
                half.chmod(PRIVATE_FILE)
            _sync(half, os.O_RDONLY)
            half.replace(target)
        finally:
            half.unlink(missing_ok=True)
        _sync(target.parent, os.O_RDONLY | os.O_DIRECTORY)


def publish(store: Store, folder: Path, path: str, last: str) -> None:
    """Replace the folder `path` of a remote store with the files of the local `folder`; the file `last` comes last.

    Readers start from `last` (a manifest): it is deleted first, so that every file it lists is always present and
    whole, and is written back conditionally. A folder below that has a `last` of its own is published by itself.
    Raises `StorageFailed` when another writer has written it meanwhile.
    """
    if isinstance(store, LocalStore):
        return
    own = {found.parent for found in folder.glob(f"*/**/{last}")}
    names = sorted(
        found.relative_to(folder).as_posix()
        for found in folder.rglob("*")
        if found.is_file() and own.isdisjoint(found.parents)
    )
    store.delete(f"{path}/{last}")
    for name in names:
        if name != last:
            put_file(store, f"{path}/{name}", folder / name)
    kept = [entry.path.removeprefix(f"{path}/") for entry in store.entries(path)]
    apart = tuple(name.removesuffix(last) for name in kept if name.endswith(f"/{last}"))
    for name in kept:
        if name not in names and not name.startswith(apart):
            store.delete(f"{path}/{name}")
    if not store.write_if(f"{path}/{last}", (folder / last).read_bytes(), None):
        raise StorageFailed(f"{store.uri(path)} was written by another process meanwhile: run again")
