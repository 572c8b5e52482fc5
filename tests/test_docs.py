"""What can be used is written down, and what is written by the code is not stale."""

import re
from pathlib import Path

import pytest

from ecgrid_flows.cli.dictionary import commands_text, dictionary_text, lineage_texts

ROOT = Path(__file__).resolve().parents[1]
ROOMS = ["flows", "transforms", "sql", "notebooks", "data", "tests"]
# Not what stands beside them: an environment, a build or a package of node brings pages of its own.
PAGES = [*ROOT.glob("*.md"), *(path for room in ROOMS for path in (ROOT / room).rglob("*.md"))]
STALE = "write it anew: .venv/bin/python -m ecgrid_flows.cli.dictionary"


def test_the_page_of_commands_is_not_stale() -> None:
    assert (ROOT / "flows/COMMANDS.md").read_text(encoding="utf-8") == commands_text(), STALE


def test_the_dictionary_is_not_stale() -> None:
    """Every feed, relation and column."""
    assert (ROOT / "data/DICTIONARY.md").read_text(encoding="utf-8") == dictionary_text(), STALE


def test_every_topic_has_its_page_and_its_lineage() -> None:
    texts = lineage_texts()
    assert {path.name for path in (ROOT / "sql/core").iterdir()} == texts.keys()
    stale = [
        topic
        for topic, text in texts.items()
        if (ROOT / "sql/core" / topic / "LINEAGE.md").read_text(encoding="utf-8") != text
    ]
    assert stale == [], STALE
    assert [topic for topic in texts if not (ROOT / "sql/core" / topic / "README.md").is_file()] == []


def test_every_option_says_what_it_does() -> None:
    bare = [line for line in commands_text().splitlines() if re.fullmatch(r"\| `.*` \|\s*\|", line)]
    assert bare == []


def test_every_setting_is_described() -> None:
    page = (ROOT / "flows/README.md").read_text(encoding="utf-8")
    used = {
        name
        for path in (ROOT / "flows").rglob("*.py")
        for name in re.findall(r"\bECGRID_[A-Z0-9_]*[A-Z0-9]\b", path.read_text(encoding="utf-8"))
    }
    assert sorted(name for name in used if name not in page) == []


@pytest.mark.parametrize("room", ROOMS)
def test_every_room_has_its_page(room: str) -> None:
    assert (ROOT / room / "README.md").is_file()


def test_links_lead_somewhere() -> None:
    broken = [
        f"{page.relative_to(ROOT)}: {target}"
        for page in PAGES
        for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text(encoding="utf-8"))
        if not (page.parent / target).exists()
    ]
    assert broken == []
