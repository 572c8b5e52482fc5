"""A warehouse of the shipped world, built once."""

from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import date
from pathlib import Path

import pytest

from ecgrid_flows.warehouse import database
from ecgrid_sandbox.worlds import World
from tests.support import lake_of


@pytest.fixture(scope="session")
def shipped() -> World:
    """The world that comes with the project."""
    return World.shipped(date(2026, 10, 1))


@pytest.fixture(scope="session")
def shipped_path(once: Callable[[str, Callable[[Path], object]], Path]) -> Path:
    """A warehouse of the shipped world, all four months."""
    return lake_of.shipped_dir(once) / "warehouse/billing.duckdb"


@pytest.fixture
def reconciled(shipped_path: Path) -> Iterator[database.Connection]:
    """The warehouse of the shipped world, opened to read."""
    with closing(database.connect(shipped_path)) as connection:
        yield connection
