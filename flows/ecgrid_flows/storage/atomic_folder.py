"""Folders replaced as a whole: files are written to a hidden sibling folder, made durable, then moved into place.

The new folder holds the files of one writer and none of its predecessor. A process killed at any moment leaves the old
folder or the new one; killed between the two renames it leaves the old one hidden, and the next writer puts it back.
"""

import os
import re
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ecgrid_flows.errors import StorageFailed
from ecgrid_flows.storage.base import PRIVATE_FILE, SHARED, Store, disk_errors
from ecgrid_flows.storage.local import LocalStore

__all__ = ["make_folder", "publish", "put_back", "put_file", "put_in_place", "staging", "sync"]

_HIDDEN, _OLD = ".staged-", "-old"


@contextmanager
def staging(target: Path) -> Iterator[Path]:
    """An empty hidden folder beside `target`; removed when the block ends, whether or not it was put in place."""
    with disk_errors(str(target.parent)):
        make_folder(target.parent)
        put_back(target)
        staged = target.parent / f"{_HIDDEN}{target.name}-{secrets.token_hex(4)}"
        staged.mkdir()
    try:
        yield staged
    finally:
        shutil.rmtree(staged, ignore_errors=True)


def put_back(target: Path) -> None:
    """Undo a replacement of `target` that was cut short, and remove hidden folders of earlier writers.

    Needed before `target` is read for what a new one is to keep; `staging` does it too.
    """
    with disk_errors(str(target)):
        for leftover in sorted(target.parent.glob(f"{_HIDDEN}{target.name}-*")):
            own = re.fullmatch(r"[0-9a-f]{8}(-old)?", leftover.name.removeprefix(f"{_HIDDEN}{target.name}-"))
            if own and own[1] and not target.exists():
                leftover.rename(target)
            elif own:
                shutil.rmtree(leftover, ignore_errors=True)


def put_in_place(staged: Path, target: Path) -> None:
    """Make the files of `staged` durable and replace `target` with the folder; raises `StorageFailed`."""
    with disk_errors(str(target)):
        for path in staged.rglob("*"):
            sync(path)
        sync(staged)
        old = staged.with_name(f"{staged.name}{_OLD}")
        if target.exists():
            target.rename(old)
        try:
            staged.rename(target)
        except OSError:
            if old.exists():
                old.rename(target)
            raise
        sync(target.parent)
        shutil.rmtree(old, ignore_errors=True)


def make_folder(folder: Path) -> None:
    """Create a folder and those above it, each with a durable name."""
    missing = [place for place in (folder, *folder.parents) if not place.exists()]
    for place in reversed(missing):
        place.mkdir(exist_ok=True)
        sync(place.parent)


def sync(path: Path) -> None:
    """Make the content of a file, or the names in a folder, durable."""
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
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
            sync(half)
            half.replace(target)
        finally:
            half.unlink(missing_ok=True)
        sync(target.parent)


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
