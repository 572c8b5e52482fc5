"""Worlds of other seeds, meanings and planted_errors: every planted wrong found, none invented.

The worlds of a test are landed in one lake, each moved to identifiers of its own, so that they are reconciled by one
build, and beside the few the shipped one, after lines of it were corrected.
"""

from collections.abc import Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from ecgrid_flows.warehouse import builder, database
from ecgrid_sandbox.worlds import World
from tests.support import lake_of

from . import planted

LAST_MONTH = date(2026, 10, 1)
FEW = range(101, 105)
MANY = range(105, 121)
RESTATED = 1


@dataclass(frozen=True, slots=True)
class Audit:
    """A world, its findings, and the readings that undecided schedule sets leave open, under its own identifiers."""

    world: World
    found: list[planted.Found]
    rivals: list[dict[str, Any]]


def generated(seeds: Iterable[int]) -> dict[int, World]:
    return {seed: World.generate(seed, LAST_MONTH, months=3) for seed in seeds}


def landed(worlds: Mapping[int, World], rows: Mapping[int, lake_of.Rows], folder: Path) -> dict[str, list[str]]:
    """The files of a lake of worlds and what each answered, by number."""
    tables = {
        number: lake_of.tables_of(rows[number]) | {"monthly_reports": lake_of.monthly_reports(world)}
        for number, world in worlds.items()
    }
    return lake_of.write(lake_of.together(tables), folder)


def open_rivals(connection: database.Connection) -> list[dict[str, Any]]:
    """The interpretations that undecided schedule sets leave open, as rows of `out_readings`."""
    return database.table(connection, "FROM out_readings WHERE verdict = 'undecided' AND is_rival").to_pylist()


def audits(connection: database.Connection, worlds: Mapping[int, World]) -> dict[int, Audit]:
    """What a warehouse holds of each world, by number."""
    found = planted.by_world(planted.found_in(connection), worlds)
    rivals: dict[int, list[dict[str, Any]]] = {number: [] for number in worlds}
    for row in open_rivals(connection):
        number, price_list_id = divmod(row["price_list_id"], lake_of.APART)
        rivals[number].append(row | {"price_list_id": price_list_id})
    return {number: Audit(world, found[number], rivals[number]) for number, world in worlds.items()}


def audited(worlds: Mapping[int, World], rows: Mapping[int, lake_of.Rows], folder: Path) -> dict[int, Audit]:
    """Worlds and what each answered, built in one warehouse."""
    files = landed(worlds, rows, folder)
    builder.build(files, folder / "billing.duckdb", reference_dir=lake_of.REFERENCE)
    with closing(database.connect(folder / "billing.duckdb")) as connection:
        return audits(connection, worlds)


def with_restated(seeds: Iterable[int]) -> tuple[dict[int, World], dict[int, lake_of.Rows]]:
    """Generated worlds and what they answer, and beside them the shipped one, after lines of it were corrected."""
    restated = World.shipped(LAST_MONTH)
    answered = lake_of.rows_of(restated)
    restated.restate()
    worlds = generated(seeds) | {RESTATED: restated}
    rows = {number: lake_of.rows_of(world) for number, world in worlds.items()}
    now, superseded = set(rows[RESTATED]["line_items"]), lake_of.PULLED_AT.replace(day=9)
    rows[RESTATED]["line_item_history"] = [(*row, superseded) for row in answered["line_items"] if row not in now]
    assert rows[RESTATED]["line_item_history"]
    return worlds, rows


@pytest.fixture(scope="module")
def few(tmp_path_factory: pytest.TempPathFactory) -> dict[int, Audit]:
    """A few generated worlds, and the shipped one as it answers after its lines were corrected."""
    worlds, rows = with_restated(FEW)
    return audited(worlds, rows, tmp_path_factory.mktemp("few"))


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> dict[int, Audit]:
    worlds = generated(MANY)
    rows = {number: lake_of.rows_of(world) for number, world in worlds.items()}
    return audited(worlds, rows, tmp_path_factory.mktemp("many"))


def complaints(audit: Audit) -> list[object]:
    """What was planted and not found, and what was found and is no honest doubt.

    Beyond what was planted a reading may be undecided, where a rival really explains all that the truth does.
    """
    missed, more = planted.differences(audit.world, audit.found)
    invented = []
    for one in more:
        its = [
            row
            for row in audit.rivals
            if row["price_list_id"] == (one.price_list_id or 0)
            and (row["account_report"], row["measure_field"]) == one.key[3:]
        ]
        if not planted.is_honest_doubt(audit.world, one, its):
            invented.append(one)
    return [*missed, *invented]


@pytest.mark.slow
@pytest.mark.parametrize("seed", FEW)
def test_every_planted_wrong_is_found_and_nothing_else(few: dict[int, Audit], seed: int) -> None:
    assert complaints(few[seed]) == []


@pytest.mark.soak
@pytest.mark.parametrize("seed", MANY)
def test_every_planted_wrong_of_more_worlds_is_found_and_nothing_else(many: dict[int, Audit], seed: int) -> None:
    assert complaints(many[seed]) == []


@pytest.mark.parametrize("seed", FEW)
def test_a_world_plants_every_kind_of_wrong(few: dict[int, Audit], seed: int) -> None:
    kinds = {wrong.check_name for wrong in few[seed].world.planted_errors}
    assert len(kinds) >= 22


@pytest.mark.soak
def test_a_world_alone_is_reconciled_as_well(tmp_path: Path) -> None:
    world = World.generate(7, LAST_MONTH)
    builder.build(lake_of.lake(world, tmp_path), tmp_path / "billing.duckdb", reference_dir=lake_of.REFERENCE)
    with closing(database.connect(tmp_path / "billing.duckdb")) as connection:
        assert complaints(Audit(world, planted.found_in(connection), open_rivals(connection))) == []


def test_a_line_answered_otherwise_later_is_restated(few: dict[int, Audit]) -> None:
    """The vendor corrects lines after they were pulled: the new answers replace the old ones, which are kept."""
    restated = few[RESTATED]
    assert planted.differences(restated.world, restated.found) == ([], [])
    assert any(one.check_name == "restated" for one in restated.found)
