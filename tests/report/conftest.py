"""A page made from a warehouse by hand, one made from the shipped world, and a browser to look at them."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ecgrid_flows.reporting.report import report_month
from ecgrid_flows.settings import Settings
from tests.support import lake_of

from . import chromium, handmade

Once = Callable[[str, Callable[[Path], object]], Path]


@pytest.fixture(scope="session")
def handmade_dir(once: Once) -> Path:
    """A data directory with the warehouse made by hand."""
    return once("handmade", lambda folder: handmade.build(folder / "warehouse/billing.duckdb"))


@pytest.fixture(scope="session")
def page(handmade_dir: Path, once: Once) -> Path:
    """The report of the month made by hand."""

    def fill(folder: Path) -> None:
        made = report_month(Settings(data_dir=str(handmade_dir), currency="USD"), handmade.MONTH)
        (folder / "made").write_text(str(made))

    return Path((once("page", fill) / "made").read_text())


@pytest.fixture(scope="session")
def shipped_dir(once: Once) -> Path:
    """A data directory with the warehouse of the sandbox's shipped world."""
    return lake_of.shipped_dir(once)


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
