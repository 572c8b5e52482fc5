"""Worlds of other seeds, meanings and wrongs: every planted wrong found, none invented.

Twenty worlds are landed in one lake, each moved to identifiers of its own, so that they are reconciled by one build,
and beside them the shipped one, after lines of it were corrected.
"""

from contextlib import closing
from datetime import date
from pathlib import Path
from typing import Any

import lake_of
import planted
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from ecgrid_flows import warehouse
from ecgrid_sandbox.world import World

LAST_MONTH = date(2026, 10, 1)
SEEDS = range(101, 121)
APART = 1_000_000
RESTATED = len(SEEDS) + 1
#: Identifiers that a world's move changes; 0 stays what it is (Root, no network specified).
MOVED = (
    *("network_id", "mailbox_id", "system_id", "price_list_id", "contract_id", "schedule_id", "invoice_id"),
    *("schedule_specified_network_id", "NetworkID", "MailboxID"),
)


def moved(table: pa.Table, by: int) -> pa.Table:
    """The table with every identifier raised by `by`, and invoice numbers told apart."""
    for name in table.column_names:
        if name in MOVED:
            column = table[name]
            raised = pc.if_else(pc.greater(column, 0), pc.add(column, pa.scalar(by, column.type)), column)
            table = table.set_column(table.column_names.index(name), table.schema.field(name), raised)
        elif name in ("invoice_number", "asked"):
            numbered = pc.binary_join_element_wise(table[name], str(by), "/")
            table = table.set_column(table.column_names.index(name), table.schema.field(name), numbered)
    return table


def at_home(found: planted.Found, by: int) -> planted.Found:
    """The finding in its world's own identifiers."""
    network_id, mailbox_id, *rest = found.key
    key = (network_id and network_id - by, mailbox_id and mailbox_id - by, *rest)
    return planted.Found(
        found.check_name,
        key,  # type: ignore[arg-type]
        found.price_list_id and found.price_list_id - by,
        found.invoice_number and found.invoice_number.rpartition("/")[0],
        found.billed_amount,
        found.expected_amount,
        found.explanation,
    )


def home_of(found: planted.Found) -> int:
    """Which world a finding is about, by the identifiers that it has."""
    if found.invoice_number:
        return int(found.invoice_number.rpartition("/")[2]) // APART
    return (found.key[0] or found.price_list_id or 0) // APART


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
    parts: dict[str, list[pa.Table]] = {}
    for place, world in (worlds | {RESTATED: restated}).items():
        tables = lake_of.tables_of(rows[place]) | {"monthly_reports": lake_of.monthly_reports(world)}
        for feed, table in tables.items():
            parts.setdefault(feed, []).append(moved(table, place * APART))
    files = lake_of.write({feed: pa.concat_tables(tables) for feed, tables in parts.items()}, folder)
    warehouse.build(files, folder / "billing.duckdb", reference_dir=lake_of.REFERENCE)
    return folder / "billing.duckdb"


@pytest.fixture(scope="module")
def found(worlds: dict[int, World], path: Path) -> dict[int, list[planted.Found]]:
    """The findings of each world."""
    by_world: dict[int, list[planted.Found]] = {place: [] for place in (*worlds, RESTATED)}
    with closing(warehouse.connect(path)) as connection:
        for one in planted.found_in(connection):
            by_world[home_of(one)].append(at_home(one, home_of(one) * APART))
    return by_world


@pytest.fixture(scope="module")
def rivals(path: Path) -> list[dict[str, Any]]:
    """The readings that undecided schedule sets leave open."""
    with closing(warehouse.connect(path)) as connection:
        return warehouse.table(connection, "FROM out_readings WHERE verdict = 'undecided' AND is_rival").to_pylist()


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
            if row["price_list_id"] == (one.price_list_id or 0) + place * APART
            and (row["account_report"], row["measure_field"]) == one.key[3:]
        ]
        assert planted.is_honest_doubt(worlds[place], one, its), one


@pytest.mark.slow
def test_the_worlds_plant_every_kind_of_wrong(worlds: dict[int, World]) -> None:
    kinds = {wrong.check_name for world in worlds.values() for wrong in world.wrongs}
    assert len(kinds) >= 22


def test_a_world_alone_is_reconciled_as_well(tmp_path: Path) -> None:
    world = World.generate(7, LAST_MONTH)
    warehouse.build(lake_of.lake(world, tmp_path), tmp_path / "billing.duckdb", reference_dir=lake_of.REFERENCE)
    with closing(warehouse.connect(tmp_path / "billing.duckdb")) as connection:
        assert planted.differences(world, planted.found_in(connection)) == ([], [])


def test_a_line_answered_otherwise_later_is_restated(restated: World, found: dict[int, list[planted.Found]]) -> None:
    """The vendor corrects lines after they were pulled: the new answers replace the old ones, which are kept."""
    assert planted.differences(restated, found[RESTATED]) == ([], [])
    assert any(one.check_name == "restated" for one in found[RESTATED])
