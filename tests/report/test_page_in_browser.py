"""The page as a browser shows it: charts, folds, sorting, filtering, keyboard, screen reader, no network."""

import base64
import re
import shutil
from datetime import date
from itertools import pairwise
from pathlib import Path

import pytest

from ecgrid_flows.reporting.report import report_month
from ecgrid_flows.settings import Settings

from .chromium import Chromium
from .handmade import NASTY

pytestmark = pytest.mark.browser

CAPTIONS = "[...document.querySelectorAll('table.sortable')].map(t => t.caption.textContent)"


def table_js(caption: str) -> str:
    return f"[...document.querySelectorAll('table.sortable')].find(t => t.caption.textContent.startsWith('{caption}'))"


def column(browser: Chromium, caption: str, index: int) -> list[str]:
    shown: list[str] = browser.ask(
        f"[...{table_js(caption)}.tBodies[0].rows].filter(r => !r.hidden).map(r => r.cells[{index}].textContent.trim())"
    )
    return shown


def test_it_asks_the_network_for_nothing_and_logs_nothing(browser: Chromium, page: Path) -> None:
    assert browser.requests == [page.as_uri()]
    assert browser.console == []
    assert browser.exceptions == []


def test_the_policy_would_refuse_what_the_page_does_not_hold(browser: Chromium) -> None:
    """A script that is not the page's own does not run, and nothing can be fetched."""
    browser.ask("(() => { const s = document.createElement('script'); s.textContent = 'window.alien = 1';"
                " document.body.append(s); })()")  # fmt: skip
    assert browser.ask("window.alien === undefined")
    refused = browser.ask("fetch('data:text/plain,x').then(() => 'fetched', () => 'refused')")
    assert refused == "refused"


def test_the_verdict_comes_first(browser: Chromium) -> None:
    first = browser.ask("document.querySelector('main').innerText.split('\\n').filter(Boolean).slice(0, 2)")
    assert first == ["ECGrid bill · October 2026", "Query this bill before paying it"]
    # 4,653 x 0.02 and 2,825 x 0.02 too much; 2.00 too little (handmade.py)
    said = browser.ask("document.querySelector('.say').innerText")
    assert "2 errors and 1 warning in 25 lines. At stake in what is open: 149.56 too much and 2.00 too little" in said
    assert browser.ask("document.querySelector('.tile dt').textContent") == "Invoiced, USD"


def test_names_that_look_like_markup_are_text(browser: Chromium) -> None:
    assert browser.ask("document.title") == "Reconciliation 2026-10"
    assert browser.ask(f"document.body.innerText.includes({NASTY!r})")
    assert browser.ask("document.querySelectorAll('main b b, main i, bdi b').length") == 0


def test_every_chart_is_drawn_with_its_amounts(browser: Chromium) -> None:
    charts = browser.ask(
        "[...document.querySelectorAll('figure.chart')].map(f => ({title: f.querySelector('b').textContent,"
        " marks: f.querySelectorAll('.drawing svg [role=graphics-symbol]').length,"
        " width: f.querySelector('.drawing svg').getBoundingClientRect().width,"
        " text: f.querySelector('.drawing').textContent}))"
    )
    assert len(charts) == 4
    assert all(chart["marks"] > 0 and chart["width"] > 300 for chart in charts), charts
    by_check = next(chart for chart in charts if "by what is wrong" in chart["title"])
    assert "+149.56" in by_check["text"]
    assert "−2.00" in by_check["text"]


def test_charts_know_positions_as_numbers_and_amounts_as_text(browser: Chromium) -> None:
    labels = browser.ask(
        "[...document.querySelectorAll('figure.chart script')].flatMap(s => Object.values(JSON.parse(s.textContent)"
        ".datasets).flat().map(row => row.label))"
    )
    assert labels
    assert all(re.fullmatch(r"[+−]?[\d,]+\.\d\d", label) for label in labels), labels


def test_a_folded_proof_opens_by_keyboard_and_shows_its_slices(browser: Chromium) -> None:
    two_slices = "[...document.querySelectorAll('details.proof')].find(d => d.textContent.includes('2 slices'))"
    assert browser.ask(f"{two_slices}.open") is False
    assert browser.ask(f"{two_slices}.querySelector('table').checkVisibility()") is False
    browser.ask(f"{two_slices}.querySelector('summary').focus()")
    browser.press("Enter", 13, "\r")
    assert browser.ask(f"{two_slices}.open") is True
    assert browser.ask(f"{two_slices}.querySelector('table').checkVisibility()") is True
    rows = browser.ask(f"[...{two_slices}.querySelectorAll('tbody tr')].map(r => r.cells[3].textContent)")
    assert rows == ["2 × 100", "3 × 100"]
    # 2 x 3.00 + 3 x 1.3333333333 = 9.9999999999
    assert "9.9999999999, rounded to 10.00" in browser.ask(f"{two_slices}.querySelector('tfoot').textContent")


def test_tables_sort_by_number_and_say_so(browser: Chromium) -> None:
    heads = f"{table_js('Accounts')}.tHead.rows[0].cells"
    amounts = column(browser, "Accounts", 2)
    assert len(amounts) == 12
    browser.ask(f"{heads}[2].querySelector('button').focus()")
    browser.press("Enter", 13, "\r")  # largest first, as numbers are wanted
    assert browser.ask(f"{heads}[2].getAttribute('aria-sort')") == "descending"
    browser.press("Enter", 13, "\r")
    assert browser.ask(f"{heads}[2].getAttribute('aria-sort')") == "ascending"
    from ecgrid_transforms.money import to_decimal

    shown = [to_decimal(text.replace(",", "")) for text in column(browser, "Accounts", 2)]
    assert shown == sorted(shown)
    assert sorted(map(str, shown)) == sorted(text.replace(",", "") for text in amounts)
    browser.ask(f"{heads}[0].querySelector('button').click()")
    assert browser.ask(f"{heads}[2].hasAttribute('aria-sort')") is False
    assert browser.ask(f"{heads}[0].getAttribute('aria-sort')") == "ascending"


def test_empty_cells_sort_last_either_way(browser: Chromium) -> None:
    head = f"{table_js('Accounts')}.tHead.rows[0].cells[4].querySelector('button')"
    for _ in range(2):
        browser.ask(f"{head}.click()")
        shown = column(browser, "Accounts", 4)
        assert "–" not in shown[:3]
        assert set(shown[3:]) == {"–"}


def test_tables_filter_by_every_word(browser: Chromium) -> None:
    before = len(column(browser, "Accounts", 0))
    box = f"{table_js('Accounts')}.parentElement.previousElementSibling"
    browser.ask(f"{box}.querySelector('input').focus()")
    browser.call("Input.insertText", text="ordinary 102/1")
    shown = column(browser, "Accounts", 0)
    assert shown == ["Ordinary Foods 102/1"]
    assert browser.ask(f"{box}.querySelector('output').textContent") == f"1 of {before} rows"
    browser.ask(f"{box}.querySelector('input').select()")
    browser.press("Delete", 46)
    assert len(column(browser, "Accounts", 0)) == before


def test_a_screen_reader_finds_landmarks_names_and_headers(browser: Chromium) -> None:
    nodes = browser.call("Accessibility.getFullAXTree")["nodes"]
    roles: dict[str, list[str]] = {}
    for node in nodes:
        if not node.get("ignored"):
            roles.setdefault(node["role"]["value"], []).append(node.get("name", {}).get("value", ""))
    assert len(roles["main"]) == 1
    assert roles["navigation"] == ["On this page"]
    assert {"contentinfo"} <= roles.keys()
    for named in ("region", "table", "searchbox", "button", "columnheader", "rowheader", "figure"):
        assert roles.get(named), f"no {named}"
        assert all(name.strip() for name in roles[named]), f"a {named} without a name: {roles[named]}"
    levels = browser.ask("[...document.querySelectorAll('h1,h2,h3')].map(h => Number(h.tagName[1]))")
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))
    assert browser.ask("document.documentElement.lang") == "en"
    assert browser.ask("[...document.querySelectorAll('th')].every(h => h.scope)")


CONTRAST = r"""
(() => {
  const parse = (text) => text.match(/[\d.]+/g).map(Number);
  const linear = (v) => (v /= 255) <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
  const luminance = (colour) => colour.slice(0, 3).map(linear)
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = (node) => {
    for (let at = node; at; at = at.parentElement) {
      const colour = parse(getComputedStyle(at).backgroundColor);
      if (colour.length < 4 || colour[3] > 0) return colour;
    }
    return [255, 255, 255];
  };
  const poor = [];
  for (const node of document.querySelectorAll("body *")) {
    const own = [...node.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim());
    if (!own || !node.checkVisibility() || ["SCRIPT", "STYLE"].includes(node.tagName)) continue;
    const style = getComputedStyle(node);
    const inSvg = node.namespaceURI.endsWith("svg");
    const ink = luminance(parse(inSvg ? style.fill : style.color)), ground = luminance(behind(node));
    const ratio = (Math.max(ink, ground) + 0.05) / (Math.min(ink, ground) + 0.05);
    if (ratio < 4.5) poor.push(`${node.tagName} ${node.className} ${ratio} ${node.textContent.slice(0, 30)}`);
  }
  return poor;
})()
"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_all_text_has_contrast_enough(browser: Chromium, scheme: str) -> None:
    """WCAG AA: 4.5 to 1 for every text, those of the charts included."""
    browser.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
    try:
        ground = browser.ask("getComputedStyle(document.body).backgroundColor")
        assert (ground == "rgb(255, 255, 255)") == (scheme == "light")
        assert browser.ask(CONTRAST) == []
    finally:
        browser.call("Emulation.setEmulatedMedia", features=[])


@pytest.mark.parametrize("width", [360, 768, 1400])
def test_the_page_never_scrolls_sideways(browser: Chromium, width: int) -> None:
    browser.call("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=False)
    try:
        browser.call("Page.reload")
        assert browser.ask("new Promise(done => setTimeout(() => done(1), 300))") == 1
        assert browser.ask("document.documentElement.scrollWidth") <= width
    finally:
        browser.call("Emulation.clearDeviceMetricsOverride")


def test_a_row_of_a_wide_table_is_a_card_on_a_phone(browser: Chromium) -> None:
    """Every value is in sight with its name, and no table scrolls sideways."""
    browser.call("Emulation.setDeviceMetricsOverride", width=390, height=800, deviceScaleFactor=1, mobile=True)
    try:
        cells = f"[...{table_js('Findings, worst first')}.tBodies[0].rows[0].cells].slice(1, -1)"
        names = browser.ask(f"{cells}.map(c => JSON.parse(getComputedStyle(c, '::before').content))")
        assert names == ["Severity", "State", "Account", "Report / measure", "Billed", "Expected", "Difference"]
        assert browser.ask(f"{cells}.every(c => c.getBoundingClientRect().right <= 390)")
        assert browser.ask("[...document.querySelectorAll('.table:has(.wide)')].every(t => t.scrollWidth <= 390)")
    finally:
        browser.call("Emulation.clearDeviceMetricsOverride")


def test_explanations_have_room_on_a_desk(browser: Chromium) -> None:
    browser.call("Emulation.setDeviceMetricsOverride", width=1280, height=900, deviceScaleFactor=1, mobile=False)
    try:
        assert browser.ask("document.querySelector('td.long').getBoundingClientRect().width") > 300
    finally:
        browser.call("Emulation.clearDeviceMetricsOverride")


def test_print_opens_the_proofs_and_closes_them_again(browser: Chromium) -> None:
    closed = "document.querySelectorAll('details.proof:not([open])').length"
    before = browser.ask(closed)
    assert before > 0
    browser.ask("dispatchEvent(new Event('beforeprint'))")
    assert browser.ask(closed) == 0
    browser.ask("dispatchEvent(new Event('afterprint'))")
    assert browser.ask(closed) == before
    pdf = browser.call("Page.printToPDF")["data"]
    assert len(pdf) > 20_000


def test_bars_begin_at_a_zero_that_is_a_tick(browser: Chromium) -> None:
    """An axis of differences shows 0. The last chart is the waterfall: ticks for the levels, on a scale without 0."""
    ticks = browser.ask(
        "[...document.querySelectorAll('figure.chart')].map(f => "
        "[...f.querySelectorAll('.role-axis-label text')].map(t => t.textContent))"
    )
    scales = [[text for text in one if re.fullmatch(r"[−-]?[\d,.]+", text)] for one in ticks]
    assert ["0" in one for one in scales] == [True, True, True, False]


@pytest.mark.soak
def test_the_sandboxs_month_prints_on_six_sheets(started_browser: Chromium, shipped_dir: Path, tmp_path: Path) -> None:
    (tmp_path / "warehouse").mkdir()
    shutil.copyfile(shipped_dir / "warehouse/billing.duckdb", tmp_path / "warehouse/billing.duckdb")
    started_browser.open(report_month(Settings(data_dir=str(tmp_path), currency="USD"), date(2026, 10, 1)))
    printed = base64.b64decode(started_browser.call("Page.printToPDF", preferCSSPageSize=True)["data"])
    assert 3 <= len(re.findall(rb"/Type\s*/Page\b(?!s)", printed)) <= 6


def selected(browser: Chromium, selector: str) -> list[int]:
    """The nodes that a selector finds, asked of the browser itself and not of the page's script."""
    root = browser.call("DOM.getDocument")["root"]["nodeId"]
    found: list[int] = browser.call("DOM.querySelectorAll", nodeId=root, selector=selector)["nodeIds"]
    return found


def test_without_script_the_page_still_shows_everything(started_browser: Chromium, page: Path) -> None:
    """Mail previews and strict browsers run no script: tables and drawings stand in the page itself."""
    started_browser.call("Emulation.setScriptExecutionDisabled", value=True)
    try:
        started_browser.load(page)
        assert len(selected(started_browser, ".drawing svg")) == 4
        assert len(selected(started_browser, "table tbody tr")) > 15
    finally:
        started_browser.call("Emulation.setScriptExecutionDisabled", value=False)
