"""Which run built the warehouse: the id that an export's manifest names, to lead back to the pull behind its files.

    warehouse/built_by.json      beside the warehouse, and like it a cache

The id is the flow run's in Prefect, where one is recorded there; otherwise it says when the run began. While a
warehouse is being built nobody has built it: a build that was killed never lends its id to the warehouse of another.
"""

import json
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from ecgrid_flows.storage.base import disk_errors

__all__ = ["building", "new_run_id", "run_of"]


def new_run_id() -> str:
    """An id that tells when the run began (UTC), and apart from others of that second."""
    return f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(3)}"


@contextmanager
def building(warehouse: Path, run_id: str) -> Iterator[None]:
    """Around a build of `warehouse`: when the block ends well, it was built by that run."""
    note = _note(warehouse)
    with disk_errors(str(note)):
        note.unlink(missing_ok=True)
    yield
    with disk_errors(str(note)):
        note.write_text(json.dumps({"run_id": run_id}) + "\n", encoding="utf-8")


def run_of(warehouse: Path) -> str | None:
    """The run that built `warehouse`; None when it was built by none, or that was not recorded whole."""
    try:
        return str(json.loads(_note(warehouse).read_text(encoding="utf-8"))["run_id"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _note(warehouse: Path) -> Path:
    return warehouse.with_name("built_by.json")
