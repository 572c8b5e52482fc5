"""Local copies of a bucket's files that must be local: the user's reference tables, and exports.

A command works on the files below `Settings.local_dir`. `fetch` first copies them there from the bucket, so that any
machine may continue another's work; what the command then writes is published by its own module (`publish`, manifest
last). On a local data directory there is nothing to do.

The warehouse stays on the machine that built it. A command that takes figures from it calls `require_current` first:
another machine may have landed a month since.
"""

import hashlib
import json
import logging
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from types import MappingProxyType

from ecgrid_flows.errors import NoSuchData
from ecgrid_flows.lake.partitions import LAKE
from ecgrid_flows.settings import Settings
from ecgrid_flows.storage.atomic_folder import put_in_place, staging
from ecgrid_flows.storage.base import Store, disk_errors, sha256_of_file

__all__ = ["fetch", "noting_lake", "require_current"]

log = logging.getLogger(__name__)

MANIFEST = "manifest.json"


def fetch(settings: Settings, store: Store) -> None:
    """Copy the bucket's reference tables and exports to this machine. The caller holds the run lock."""
    if not settings.is_remote:
        return
    _replace(store, "reference", [entry.path for entry in store.entries("reference")], settings.local_dir)
    for folder, paths in sorted(_exports(store).items()):  # a month before the corrections below it
        local, wanted = settings.local_dir / folder / MANIFEST, store.read(f"{folder}/{MANIFEST}")
        if not local.is_file() or local.read_bytes() != wanted:
            _replace(store, folder, paths, settings.local_dir, _hashes(wanted))


def _exports(store: Store) -> dict[str, list[str]]:
    """Folder of each export -> its objects, those in folders below included (`disputes/<contract>/evidence`).

    An object belongs to the nearest folder above it that has a manifest. One without is half published and left out:
    the next export writes it again.
    """
    paths = [entry.path for entry in store.entries("exports")]
    folders: dict[str, list[str]] = {path.rpartition("/")[0]: [] for path in paths if path.endswith(f"/{MANIFEST}")}
    for path in paths:
        if folder := next((str(above) for above in PurePosixPath(path).parents if str(above) in folders), None):
            folders[folder].append(path)
    return folders


def _hashes(manifest: bytes) -> Mapping[str, str]:
    """The SHA-256 of each file of an export; empty where the manifest is damaged, which the next export detects."""
    try:
        return {name: str(entry["sha256"]) for name, entry in json.loads(manifest)["files"].items()}
    except (ValueError, KeyError, TypeError, AttributeError):
        return {}


def _replace(
    store: Store,
    folder: str,
    paths: Sequence[str],
    local_dir: Path,
    hashes: Mapping[str, str] = MappingProxyType({}),
) -> None:
    """Replace the files of `folder` below `local_dir` with these objects, by their names in the folder.

    One that does not match its hash is quarantined and skipped: the next export writes it again.
    """
    target = local_dir / folder
    if not paths:
        shutil.rmtree(target, ignore_errors=True)
        return
    with staging(target) as staged, disk_errors(str(target)):
        for path, file in zip(paths, store.locals(paths), strict=True):
            name = path.removeprefix(f"{folder}/")
            if name in hashes and sha256_of_file(Path(file)) != hashes[name]:
                log.warning("%s", store.quarantine(path, "it is not the file that its manifest describes"))
                continue
            (staged / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, staged / name)
        put_in_place(staged, target)


@contextmanager
def noting_lake(settings: Settings, store: Store) -> Iterator[None]:
    """Record beside the warehouse from which lake it was built, if the block built it and ended without an error.

    Only a lake in a bucket can change from elsewhere.
    """
    before = _built_at(settings)
    yield
    if settings.is_remote and _built_at(settings) != before:
        with disk_errors(str(settings.warehouse_path)):
            _note(settings).write_text(_lake(store), encoding="ascii")


def _built_at(settings: Settings) -> int:
    return settings.warehouse_path.stat().st_mtime_ns if settings.warehouse_path.is_file() else 0


def require_current(settings: Settings, store: Store) -> None:
    """Refuse a warehouse of this machine that is older than another machine's pull; raises `NoSuchData`."""
    if not settings.is_remote or not settings.warehouse_path.is_file():
        return
    note = _note(settings)
    if not note.is_file() or note.read_text(encoding="ascii") != _lake(store):
        raise NoSuchData(
            f"the lake in {store.root} is not the one that this machine's warehouse was built from: "
            f"run `ecgrid-billing build` first"
        )


def _lake(store: Store) -> str:
    """Identifier of a state of the lake: its parts' names hold the hash of their content."""
    names = sorted(entry.path for entry in store.entries(LAKE) if entry.path.endswith(".parquet"))
    return hashlib.sha256("\n".join(names).encode()).hexdigest()


def _note(settings: Settings) -> Path:
    return settings.warehouse_path.with_name("lake.sha256")
