"""axe-core's rules on every page that is written, as a browser shows it: by day and by night, on a phone and on a desk.

axe-core is a package of npm (`npm install axe-core` in some folder, and NODE_PATH set to its node_modules).
"""

import os
import shutil
from contextlib import closing
from datetime import date
from pathlib import Path

import pytest

from ecgrid_flows.finance import audit_log, export, rebill
from ecgrid_flows.rating import simulation
from ecgrid_flows.reporting.index import write_index
from ecgrid_flows.reporting.negotiation import write_negotiation
from ecgrid_flows.settings import Settings
from ecgrid_flows.storage.opening import open_store
from ecgrid_flows.warehouse import database

from .chromium import Chromium

pytestmark = [pytest.mark.browser, pytest.mark.long]

OCTOBER = date(2026, 10, 1)
#: Each rule that is broken, with the first elements that break it.
BROKEN = """
axe.run(document, {resultTypes: ["violations"]}).then((found) => found.violations.map((rule) =>
  `${rule.id}: ${rule.help} (${rule.nodes.length}) ${rule.nodes.slice(0, 3).map((node) => node.html).join(" ")}`))
"""


@pytest.fixture(scope="session")
def axe() -> str:
    """axe-core's program."""
    folders = [Path(name) for name in os.environ.get("NODE_PATH", "").split(os.pathsep) if name]
    found = next((path for folder in folders if (path := folder / "axe-core/axe.min.js").is_file()), None)
    if found is None:
        pytest.skip("npm's package `axe-core` is not installed, or NODE_PATH does not name its node_modules")
    return found.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def written(shipped_dir: Path, page: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """One page of each kind, of the shipped world's October."""
    folder = tmp_path_factory.mktemp("pages")
    (folder / "warehouse").mkdir()
    (folder / "reference").mkdir()
    shutil.copyfile(shipped_dir / "warehouse/billing.duckdb", folder / "warehouse/billing.duckdb")
    (folder / "reference/clients.csv").write_text(
        "network_id,mailbox_id,client,cost_centre,valid_from,valid_to\n4440,,Acme,K1,,\n", encoding="utf-8"
    )
    (folder / "reference/client_prices.csv").write_text(
        "client,account_report,measure_field,rule,value,reading,minimum,valid_from\nAcme,,,markup_percent,10,,,\n",
        encoding="utf-8",
    )
    settings = Settings(data_dir=str(folder), currency="USD")
    store = open_store(settings)
    export.export_month(settings, OCTOBER)
    rebill.rebill_month(settings, store, audit_log.read(store), OCTOBER)
    with closing(database.connect(settings.warehouse_path)) as connection:
        tried = simulation.simulation(
            connection, simulation.Terms(changes=(simulation.change_of("43704.rate=3"),)), simulation.Scope()
        )
    (letter, *_) = sorted(settings.exports_dir(OCTOBER).glob("disputes/*/letter.html"))
    return {
        "report": page,
        "index": write_index(settings),
        "letter": letter,
        "statement": folder / "rebill/2026-10/Acme.html",
        "negotiation": write_negotiation(settings, tried, "The present terms", folder / "negotiation.html"),
    }


@pytest.mark.parametrize("name", ["report", "index", "letter", "statement", "negotiation"])
def test_no_rule_is_broken(started_browser: Chromium, axe: str, written: dict[str, Path], name: str) -> None:
    try:
        for scheme in ("light", "dark"):
            for width in (390, 1280):
                started_browser.call(
                    "Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}]
                )
                started_browser.call(
                    "Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=False
                )
                (started_browser.open if name == "report" else started_browser.load)(written[name])
                started_browser.ask("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
                started_browser.ask(f"{axe}; 0")
                assert started_browser.ask(BROKEN) == [], (scheme, width)
                assert started_browser.ask("document.documentElement.scrollWidth") <= width
    finally:
        started_browser.call("Emulation.setEmulatedMedia", features=[])
        started_browser.call("Emulation.clearDeviceMetricsOverride")
