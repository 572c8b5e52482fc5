"""A sandbox of the shipped world for this folder, and a run over it in a data directory of the test's own."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from ecgrid_sandbox import SpawnedSandbox, World, spawn

from .pulling import WORLD, few_of


@pytest.fixture(scope="session")
def world() -> World:
    return WORLD


@pytest.fixture(scope="session")
def sandbox(world: World) -> Iterator[SpawnedSandbox]:
    """An untroubled service that every test may ask; it counts calls, so tests compare before and after."""
    with spawn(world) as started:
        yield started


@pytest.fixture(scope="session")
def few(world: World) -> list[tuple[int, int]]:
    """Some accounts of every kind."""
    return few_of(world)


@pytest.fixture(scope="session")
def few_file(few: list[tuple[int, int]], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An accounts file that names the few."""
    path = tmp_path_factory.mktemp("accounts") / "accounts.csv"
    path.write_text("network_id,mailbox_id\n" + "".join(f"{network},{box}\n" for network, box in few))
    return path


@pytest.fixture(autouse=True)
def no_monthly_reports(monkeypatch: pytest.MonkeyPatch) -> None:
    """The reports beside the lines are large, and only the fixture `whole` wants them."""
    monkeypatch.setattr("ecgrid_flows.extract.discovery.MONTHLY_REPORTS", ())
    monkeypatch.setattr("ecgrid_flows.extract.discovery.TRAFFIC_PERIODS", ())
