"""Lake parts, whose names carry the hash of their content, as local files."""

import re
from collections.abc import Sequence
from pathlib import Path

from ecgrid_flows.errors import StorageFailed
from ecgrid_flows.storage.base import Store, sha256_of_file

#: Name of a part; `hash` begins the sha256 of its content.
PART = re.compile(r"part-\d{5}-(?P<hash>[0-9a-f]{16})\.parquet")


def fetched(store: Store, paths: Sequence[str]) -> list[str]:
    """Parts as local files. A part fetched from a bucket is checked against the hash in its name.

    On local storage the parts are the same files that `quarantine_damaged` has checked. Raises `StorageFailed`.
    """
    files = store.locals(paths)
    for path, file in zip(paths, files, strict=True):
        part = PART.fullmatch(path.rpartition("/")[2])
        if file != store.uri(path) and part and not sha256_of_file(Path(file)).startswith(part["hash"]):
            raise StorageFailed(
                f"{store.uri(path)} is damaged: run `ecgrid-billing verify`, which quarantines it and lands its month"
            )
    return files
