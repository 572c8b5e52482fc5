"""The rows that the pages of sql/core show are rows of the shipped world's warehouse."""

import re
from pathlib import Path

import pytest

from ecgrid_flows.warehouse.database import Connection

TOPICS = Path(__file__).resolve().parents[2] / "sql/core"


def rows_shown(page: str) -> list[tuple[str, dict[str, str]]]:
    """Each row of the page's block: its relation and what its columns are; a line without a name goes on with one."""
    found: list[tuple[str, dict[str, str]]] = []
    name = ""
    for line in page.split("```")[1].strip("\n").splitlines():
        cells = re.split(r"\s{2,}", line)
        name = cells[0] or name
        found.append((name, dict(cell.split("=", 1) for cell in cells[1:])))
    return found


@pytest.mark.parametrize("topic", sorted(path.name for path in TOPICS.iterdir()))
def test_the_rows_shown_are_in_the_warehouse(reconciled: Connection, topic: str) -> None:
    shown = rows_shown((TOPICS / topic / "README.md").read_text(encoding="utf-8"))
    assert shown
    for relation, row in shown:
        terms = [f'"{column}" IS NULL' if value == "null" else f'"{column}" = ?' for column, value in row.items()]
        given = [value for value in row.values() if value != "null"]
        found = reconciled.execute(f'SELECT count(*) FROM "{relation}" WHERE {" AND ".join(terms)}', given).fetchall()
        assert found[0][0] > 0, (relation, row)
