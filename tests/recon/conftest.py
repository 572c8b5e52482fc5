"""Lets the tests here import the helpers beside them (`hand`, `lake_of`), and builds the shipped world once."""

import sys
from collections.abc import Iterator
from contextlib import closing
from datetime import date
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

import lake_of

from ecgrid_flows import warehouse
from ecgrid_sandbox.world import World

REFERENCE = Path(__file__).resolve().parents[2] / "data/reference"


@pytest.fixture(scope="session")
def shipped() -> World:
    """The world that comes with the project."""
    return World.shipped(date(2026, 10, 1))


@pytest.fixture(scope="session")
def shipped_path(shipped: World, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A warehouse of the shipped world, all four months."""
    folder = tmp_path_factory.mktemp("shipped")
    warehouse.build(lake_of.lake(shipped, folder), folder / "billing.duckdb", reference_dir=REFERENCE)
    return folder / "billing.duckdb"


@pytest.fixture
def reconciled(shipped_path: Path) -> Iterator[warehouse.Connection]:
    """The warehouse of the shipped world, opened to read."""
    with closing(warehouse.connect(shipped_path)) as connection:
        yield connection
