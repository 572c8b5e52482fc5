"""Worlds of other seeds, meanings and wrongs: every planted wrong found, none invented.

Twenty worlds are landed in one lake, each moved to identifiers of its own, so that they are reconciled by one build,
and beside them the shipped one, after lines of it were corrected.
"""

from contextlib import closing
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from ecgrid_flows.warehouse import builder, database
from ecgrid_sandbox.world.model import World
from tests.support import lake_of

from . import planted

LAST_MONTH = date(2026, 10, 1)
SEEDS = range(101, 121)
RESTATED = len(SEEDS) + 1


@pytest.fixture(scope="module")
def worlds() -> dict[int, World]:
    return {place: World.generate(seed, LAST_MONTH, months=3) for place, seed in enumerate(SEEDS, start=1)}


@pytest.fixture(scope="module")
def answered() -> lake_of.Rows:
    """What the shipped world answered before its lines were corrected."""
    return lake_of.rows_of(World.shipped(LAST_MONTH))


@pytest.fixture(scope="module")
def restated() -> World:
    """The shipped world, its lines corrected."""
    world = World.shipped(LAST_MONTH)
    world.restate()
    return world


@pytest.fixture(scope="module")
def path(
    worlds: dict[int, World], restated: World, answered: lake_of.Rows, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The warehouse of all of them."""
    folder = tmp_path_factory.mktemp("worlds")
    rows = {place: lake_of.rows_of(world) for place, world in (worlds | {RESTATED: restated}).items()}
    now, superseded = set(rows[RESTATED]["line_items"]), lake_of.PULLED_AT.replace(day=9)
    rows[RESTATED]["line_item_history"] = [(*row, superseded) for row in answered["line_items"] if row not in now]
    assert rows[RESTATED]["line_item_history"]
    tables = {
        place: lake_of.tables_of(rows[place]) | {"monthly_reports": lake_of.monthly_reports(world)}
        for place, world in (worlds | {RESTATED: restated}).items()
    }
    files = lake_of.write(lake_of.together(tables), folder)
    builder.build(files, folder / "billing.duckdb", reference_dir=lake_of.REFERENCE)
    return folder / "billing.duckdb"


@pytest.fixture(scope="module")
def found(worlds: dict[int, World], path: Path) -> dict[int, list[planted.Found]]:
    """The findings of each world."""
    with closing(database.connect(path)) as connection:
        return planted.by_world(planted.found_in(connection), (*worlds, RESTATED))


@pytest.fixture(scope="module")
def rivals(path: Path) -> list[dict[str, Any]]:
    """The readings that undecided schedule sets leave open."""
    with closing(database.connect(path)) as connection:
        return database.table(connection, "FROM out_readings WHERE verdict = 'undecided' AND is_rival").to_pylist()


@pytest.mark.slow
@pytest.mark.parametrize("place", range(1, len(SEEDS) + 1))
def test_every_planted_wrong_is_found_and_nothing_else(
    worlds: dict[int, World], found: dict[int, list[planted.Found]], rivals: list[dict[str, Any]], place: int
) -> None:
    """Beyond what was planted a reading may be undecided, where a rival really explains all that the truth does."""
    missed, more = planted.differences(worlds[place], found[place])
    assert missed == []
    for one in more:
        its = [
            row
            for row in rivals
            if row["price_list_id"] == (one.price_list_id or 0) + place * lake_of.APART
            and (row["account_report"], row["measure_field"]) == one.key[3:]
        ]
        assert planted.is_honest_doubt(worlds[place], one, its), one


@pytest.mark.slow
def test_the_worlds_plant_every_kind_of_wrong(worlds: dict[int, World]) -> None:
    kinds = {wrong.check_name for world in worlds.values() for wrong in world.wrongs}
    assert len(kinds) >= 22


def test_a_world_alone_is_reconciled_as_well(tmp_path: Path) -> None:
    world = World.generate(7, LAST_MONTH)
    builder.build(lake_of.lake(world, tmp_path), tmp_path / "billing.duckdb", reference_dir=lake_of.REFERENCE)
    with closing(database.connect(tmp_path / "billing.duckdb")) as connection:
        assert planted.differences(world, planted.found_in(connection)) == ([], [])


def test_a_line_answered_otherwise_later_is_restated(restated: World, found: dict[int, list[planted.Found]]) -> None:
    """The vendor corrects lines after they were pulled: the new answers replace the old ones, which are kept."""
    assert planted.differences(restated, found[RESTATED]) == ([], [])
    assert any(one.check_name == "restated" for one in found[RESTATED])
