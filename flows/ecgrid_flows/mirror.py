"""What must be local files although the data directory is a bucket: reference tables of the user's, and exports.

A command works on the files below `Settings.local_dir`. `fetch` brings them there from the bucket before it begins, so
that any machine may go on from where another stood; what the command then writes, its own module publishes
(`folders.publish`, manifest last). On a local data directory there is nothing to do.
"""

import shutil
from collections.abc import Sequence
from pathlib import Path

from ecgrid_flows.folders import put_in_place, staging
from ecgrid_flows.settings import Settings
from ecgrid_flows.store import Store, disk_errors

__all__ = ["fetch"]

MANIFEST = "manifest.json"


def fetch(settings: Settings, store: Store) -> None:
    """Make the local reference tables and exports those of the bucket. Only for the holder of the lock."""
    if not settings.is_remote:
        return
    _replace(store, [entry.path for entry in store.entries("reference")], settings.local_dir / "reference")
    folders: dict[str, list[str]] = {}
    for entry in store.entries("exports"):
        folder, _ = entry.path.rsplit("/", 1)
        folders.setdefault(folder, []).append(entry.path)
    for folder, paths in sorted(folders.items()):  # a month before the corrections below it
        target = settings.local_dir / folder
        manifest = f"{folder}/{MANIFEST}"
        if manifest not in paths:
            continue  # half published: its writer left the files without their manifest, and writes them again
        local = target / MANIFEST
        if not local.is_file() or local.read_bytes() != store.read(manifest):
            _replace(store, paths, target)


def _replace(store: Store, paths: Sequence[str], target: Path) -> None:
    """Let `target` hold these objects, by their names, and nothing else."""
    if not paths:
        shutil.rmtree(target, ignore_errors=True)
        return
    with staging(target) as staged, disk_errors(str(target)):
        for path, file in zip(paths, store.locals(paths), strict=True):
            shutil.copyfile(file, staged / path.rsplit("/", 1)[1])
        put_in_place(staged, target)
