"""Format versions of stored data; data of a later format are refused.

    raw/_format.json, lake/_format.json     {"format": 2, "written_by": "0.2.0"}

Entries of the log of closings (finding states among them) and manifests carry the same two fields. An item without them
was written before formats had numbers, and is of format 1. Every release reads all formats up to its own; when a format
changes, `tests/upgrade` keeps a directory of the previous one.
"""

import json
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Protocol

from ecgrid_flows.errors import Refused

__all__ = ["FORMATS", "require_readable", "require_readable_folders", "stamp", "stamp_folder"]

#: The formats that this release writes. Raw 2: segments have a manifest; 3: imported invoices. Lake 2: `month=`,
#: manifests outside the feeds' folders.
FORMATS: Mapping[str, int] = {"raw": 3, "lake": 2, "closings": 1, "export": 1}
#: The folders that have a format file.
FOLDERS = ("raw", "lake")


class _Files(Protocol):
    """The part of a store that is needed here."""

    def exists(self, path: str) -> bool: ...

    def read(self, path: str) -> bytes: ...

    def write(self, path: str, data: bytes) -> None: ...

    def uri(self, path: str) -> str: ...


def stamp(kind: str) -> dict[str, Any]:
    """The two fields that a document of `kind` carries."""
    return {"format": FORMATS[kind], "written_by": _release()}


def require_readable(kind: str, found: Mapping[str, Any], where: str) -> None:
    """Raise `Refused` where `found`, read at `where`, is of a format that a later release introduced."""
    number = found.get("format", 1)
    if not isinstance(number, int) or number > FORMATS[kind]:
        later = found.get("written_by", "of the release that wrote it")
        raise Refused(
            f"{where} is of {kind} format {number}, and ecgrid-billing {_release()} reads formats up to "
            f"{FORMATS[kind]}: install ecgrid-billing {later} or newer"
        )


def require_readable_folders(store: _Files) -> None:
    """Refuse a data directory that a later release wrote."""
    for kind in FOLDERS:
        path = _path(kind)
        if store.exists(path):
            require_readable(kind, _document(store.read(path)), store.uri(path))


def stamp_folder(store: _Files, kind: str) -> None:
    """Record that `kind` is now in the current format. The caller holds the run lock."""
    path, wanted = _path(kind), stamp(kind)
    found = _document(store.read(path)) if store.exists(path) else {}
    if found.get("format") != wanted["format"]:
        store.write(path, (json.dumps(wanted) + "\n").encode())


def _path(kind: str) -> str:
    return f"{kind}/_format.json"


def _document(data: bytes) -> Mapping[str, Any]:
    """The content of a format file. A damaged file counts as absent: the data are checked by their own hashes."""
    try:
        found = json.loads(data)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _release() -> str:
    try:
        return version("ecgrid-billing")
    except PackageNotFoundError:  # run from a folder that was never installed
        return "unknown"
