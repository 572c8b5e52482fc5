"""`reports/index.html` leads to all months, with the figures of the warehouse."""

import re
import shutil
from pathlib import Path

import pytest

from ecgrid_flows.reporting.index import write_index
from ecgrid_flows.settings import Settings

from .chromium import Chromium


def test_the_page_leads_to_each_report_with_the_months_figures(shipped_dir: Path, tmp_path: Path) -> None:
    """What the invoices of the shipped world ask for 2026-10 is 52,123.07, its lines 51,783.12."""
    (tmp_path / "warehouse").mkdir()
    shutil.copyfile(shipped_dir / "warehouse/billing.duckdb", tmp_path / "warehouse/billing.duckdb")
    for name in ("2026-10/reconcile_month.html", "2026-06/reconcile_month.html", "notes/other.html"):
        (tmp_path / "reports" / name).parent.mkdir(parents=True)
        (tmp_path / "reports" / name).touch()
    page = write_index(Settings(data_dir=str(tmp_path), currency="USD")).read_text(encoding="utf-8")
    assert re.findall(r'href="([^"]*)"', page) == ["2026-10/reconcile_month.html", "2026-06/reconcile_month.html"]
    months = re.findall(r'<th scope="row">.*?(\d{4}-\d{2})\D', page)
    assert months == sorted(months, reverse=True)
    assert {"2026-10", "2026-07", "2026-06"} <= set(months)
    row = page[page.index('<th scope="row"><a href="2026-10') :].split("</tr>")[0]
    assert [f'data-label="{label}">{figure}<' in row for label, figure in FIGURES.items()] == [True] * len(FIGURES)
    assert "<script" not in page


FIGURES = {
    "Invoiced": "52,123.07",
    "Recalculated": "51,783.12",
    "To pay": "52,123.07",
}


@pytest.mark.browser
def test_paper_has_dark_ink_whatever_the_readers_setting(
    started_browser: Chromium, shipped_dir: Path, tmp_path: Path
) -> None:
    (tmp_path / "warehouse").mkdir()
    shutil.copyfile(shipped_dir / "warehouse/billing.duckdb", tmp_path / "warehouse/billing.duckdb")
    started_browser.load(write_index(Settings(data_dir=str(tmp_path))))
    ink = "getComputedStyle(document.querySelector('h1')).color"
    dark = [{"name": "prefers-color-scheme", "value": "dark"}]
    try:
        started_browser.call("Emulation.setEmulatedMedia", media="screen", features=dark)
        assert started_browser.ask(ink) == "rgb(230, 234, 240)"
        started_browser.call("Emulation.setEmulatedMedia", media="print", features=dark)
        assert started_browser.ask(ink) == "rgb(28, 36, 48)"
    finally:
        started_browser.call("Emulation.setEmulatedMedia", media="", features=[])
