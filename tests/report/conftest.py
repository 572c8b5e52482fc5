"""A page made from a warehouse by hand, one made from the shipped world, and a browser to look at them."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[1] / "recon"))

import chromium
import handmade

from ecgrid_flows.report import report_month
from ecgrid_flows.settings import Settings


@pytest.fixture(scope="session")
def handmade_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory with the warehouse made by hand."""
    folder = tmp_path_factory.mktemp("handmade")
    handmade.build(folder / "warehouse/billing.duckdb")
    return folder


@pytest.fixture(scope="session")
def page(handmade_dir: Path) -> Path:
    """The report of the month made by hand."""
    return report_month(Settings(data_dir=str(handmade_dir), currency="USD"), handmade.MONTH)


@pytest.fixture(scope="session")
def shipped_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory with the warehouse of the sandbox's shipped world, its last two months."""
    import lake_of

    from ecgrid_flows import warehouse
    from ecgrid_sandbox import World
    from ecgrid_transforms.period import next_month

    folder = tmp_path_factory.mktemp("shipped")
    (folder / "lake").mkdir()
    months = [next_month(handmade.MONTH, -1), handmade.MONTH]
    files = lake_of.lake(World.shipped(handmade.MONTH), folder / "lake", months)
    reference = Path(__file__).parents[2] / "data/reference"
    warehouse.build(files, folder / "warehouse/billing.duckdb", reference_dir=reference)
    return folder


@pytest.fixture(scope="session")
def started_browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[chromium.Chromium]:
    if chromium.installed() is None:
        pytest.skip("no Chromium on this machine: install the Debian package chromium to look at the page")
    with chromium.Chromium(tmp_path_factory.mktemp("chromium")) as browser:
        yield browser


@pytest.fixture
def browser(started_browser: chromium.Chromium, page: Path) -> chromium.Chromium:
    """The browser with the hand-made month's page open, nothing clicked yet."""
    for seen in (started_browser.requests, started_browser.console, started_browser.exceptions):
        seen.clear()
    started_browser.open(page)
    return started_browser
