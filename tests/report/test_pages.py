"""Templates escape every text, and figures have the decimals of their currency."""

import re
from collections.abc import Iterator

import jinja2
import pytest

from ecgrid_flows import figures, pages
from ecgrid_flows.reporting import html
from ecgrid_transforms.money import Decimal

from .handmade import NASTY


@pytest.fixture(autouse=True)
def _no_currency() -> Iterator[None]:
    yield
    figures.use_currency(None)


def test_a_text_is_escaped_once_wherever_it_stands() -> None:
    escaped = "&lt;b&gt; &amp; &#34;x&#34; &#39;y&#39;"
    text = "<b> & \"x\" 'y'"
    folded = html.fold(text, html.paragraph(text))
    assert folded.markup == f"<details><summary>{escaped}</summary><p>{escaped}</p></details>"
    cell = pages.macro("cell", html.Folded(text, text, (text,)), "folded").markup
    assert re.sub(r"</?(details|summary|ul|li)>", "|", cell) == f"{escaped}||{escaped}|||{escaped}|||"
    assert pages.macro("named", text, text).markup == f'<bdi>{escaped}</bdi> <span class="id">{escaped}</span>'
    assert "<script>" not in pages.macro("tiles", [(NASTY, NASTY, NASTY)]).markup


def test_control_characters_become_spaces() -> None:
    assert html.paragraph("a\x00b\x1bc\u2028d").markup == "<p>a b c d</p>"


def test_a_value_that_a_template_lacks_is_an_error() -> None:
    with pytest.raises(jinja2.UndefinedError, match="open_table"):
        pages.piece("report/readings.html.j2", count=1, decided=1)


def test_no_template_switches_the_escaping_off() -> None:
    found = [path for path in pages.TEMPLATES.rglob("*.j2")]
    assert len(found) > 5
    assert not [path for path in found if re.search(r"\|\s*safe\b|autoescape", path.read_text("utf-8"))]


@pytest.mark.parametrize(
    ("currency", "shown", "named"),
    [
        (None, "1,234.57", "1,234.57"),
        ("USD", "1,234.57", "1,234.57 USD"),
        ("JPY", "1,235", "1,235 JPY"),
        ("KWD", "1,234.568", "1,234.568 KWD"),
        ("HUF", "1,234.57", "1,234.57 HUF"),  # two decimals by ISO 4217; CLDR has none
    ],
)
def test_an_amount_is_rounded_half_up_to_the_minor_unit(currency: str | None, shown: str, named: str) -> None:
    value = Decimal("1234.5675")
    figures.use_currency(currency)
    assert figures.money(value) == shown
    assert figures.signed(value) == f"+{shown}"
    assert figures.amount(value, currency) == named
