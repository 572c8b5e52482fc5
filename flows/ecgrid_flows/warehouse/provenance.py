"""Provenance of the warehouse: the run that built it, whose id the export's manifest has.

    warehouse/built_by.json      beside the warehouse, and like it a cache

The id is that of the flow run in Prefect, if it is recorded there; otherwise it states when the run began. During a
build the file is absent: the id of a killed build is never that of another build's warehouse.
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
    """An id with the run's start (UTC) and a random part."""
    return f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(3)}"


@contextmanager
def building(warehouse: Path, run_id: str) -> Iterator[None]:
    """Context of a build of `warehouse`: if the block ends without an error, that run is recorded as its builder."""
    note = _note(warehouse)
    with disk_errors(str(note)):
        note.unlink(missing_ok=True)
    yield
    with disk_errors(str(note)):
        note.write_text(json.dumps({"run_id": run_id}) + "\n", encoding="utf-8")


def run_of(warehouse: Path) -> str | None:
    """The run that built `warehouse`; None if there is none, or if the record is incomplete."""
    try:
        return str(json.loads(_note(warehouse).read_text(encoding="utf-8"))["run_id"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _note(warehouse: Path) -> Path:
    return warehouse.with_name("built_by.json")
