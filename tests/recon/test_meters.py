"""The meter behind Actual, inferred from statistics of every shape: the same ties, and errors of the meter found.

The worlds of all shapes are landed in one lake, each moved to identifiers of its own, and reconciled by one build.
"""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from ecgrid_flows.warehouse import builder, database
from ecgrid_sandbox.world.metering import SHAPES, Metering
from ecgrid_sandbox.worlds import World
from ecgrid_transforms.money import Decimal
from tests.support import lake_of

pytestmark = pytest.mark.long

MONTH = date(2026, 10, 1)
#: Networks whose lists bill TrafficAll: 4440 ToTrans, 4447 and 4451 KCs.
NETWORKS = (4440, 4447, 4451)
DUPLICATES, PARTNERS = (4440, 105216), (4440, 105217)
GAP = (4451, 105330)
TRUE, FALSE = range(1, 1 + len(SHAPES)), range(11, 11 + len(SHAPES))


def sound() -> World:
    """The shipped world without planted errors, cut down to the networks above."""
    whole = World.shipped(MONTH)
    boxes = tuple(box for box in whole.mailboxes if box.network_id in NETWORKS)
    networks = tuple(network for network in whole.networks if network.network_id in NETWORKS)
    contracts = {one.contract_id for one in networks} | {one.contract_id for one in boxes}
    return replace(
        whole,
        networks=networks,
        mailboxes=boxes,
        contracts=tuple(contract for contract in whole.contracts if contract.contract_id in contracts),
        planned_errors=(),
        use={account: use for account, use in whole.use.items() if account[0] in NETWORKS},
    )


@pytest.fixture(scope="module")
def worlds() -> dict[int, World]:
    """Each shape without planted errors of the meter, and with them."""
    whole = sound()
    wrong = Metering(
        rounded_up=frozenset({4451}),
        by_1024=frozenset({4447}),
        duplicates_billed=frozenset({DUPLICATES}),
        partners_billed=frozenset({PARTNERS}),
        missing_days=frozenset({(GAP, 14)}),
    )
    made = {place: whole.metered(Metering(shape)) for place, shape in zip(TRUE, SHAPES, strict=True)}
    made |= {place: whole.metered(replace(wrong, shape=shape)) for place, shape in zip(FALSE, SHAPES, strict=True)}
    return made


@pytest.fixture(scope="module")
def warehouse(worlds: dict[int, World], tmp_path_factory: pytest.TempPathFactory) -> Iterator[database.Connection]:
    folder = tmp_path_factory.mktemp("meters")
    tables = {
        place: lake_of.tables_of(lake_of.rows_of(world, [MONTH]))
        | {"monthly_reports": lake_of.statistics(world, MONTH)}
        for place, world in worlds.items()
    }
    files = lake_of.write(lake_of.together(tables), folder)
    builder.build(files, folder / "billing.duckdb", reference_dir=lake_of.REFERENCE)
    with closing(database.connect(folder / "billing.duckdb")) as connection:
        yield connection


def rows(warehouse: database.Connection, query: str, place: int) -> list[dict[str, Any]]:
    """Rows of one world, under its own identifiers."""
    found = database.table(warehouse, query).to_pylist()
    return [
        row | {"network_id": row["network_id"] % lake_of.APART, "mailbox_id": (row["mailbox_id"] or 0) % lake_of.APART}
        for row in found
        if (row["network_id"] or 0) // lake_of.APART == place
    ]


def place_of(shape: str, of: range) -> int:
    return of[SHAPES.index(shape)]


def ties(warehouse: database.Connection, place: int, unit: str) -> set[tuple[int, int, str, bool]]:
    found = rows(warehouse, "FROM out_usage_tieout WHERE account_report = 'TrafficAll' AND source <> 'lines'", place)
    return {
        (row["network_id"], row["mailbox_id"], row["measure_field"], row["is_tied"])
        for row in found
        if row["measure_field"].endswith(unit)
    }


FINDINGS = "FROM out_findings WHERE check_name IN ('usage_mismatch', 'kc_rounding', 'statistics_unread')"


@pytest.mark.parametrize("shape", SHAPES)
def test_without_errors_nothing_is_found_and_every_shape_ties_alike(warehouse: database.Connection, shape: str) -> None:
    place = place_of(shape, TRUE)
    assert rows(warehouse, FINDINGS, place) == []
    for unit in ("Trans", "KCs"):
        if (shape, unit) == ("traffic", "KCs"):
            continue  # its KCs are rounded up, and the bill's are not: no candidate fits
        found = ties(warehouse, place, unit)
        assert found == ties(warehouse, TRUE[0], unit)
        assert len(found) > 15
        assert all(is_tied for *_, is_tied in found)
    if shape == "traffic":
        verdicts = rows(warehouse, "SELECT *, 0 AS mailbox_id FROM out_meter_readings", place)
        of_kcs = [
            row for row in verdicts if row["measure_field"].endswith("KCs") and row["account_report"] == "TrafficAll"
        ]
        assert {row["verdict"] for row in of_kcs} == {"none_fits"}


def test_no_statistics_are_unread(warehouse: database.Connection) -> None:
    assert database.table(warehouse, "FROM out_findings WHERE check_name = 'statistics_unread'").num_rows == 0


@pytest.mark.parametrize("account", [DUPLICATES, PARTNERS])
@pytest.mark.parametrize("shape", SHAPES)
def test_what_should_not_be_counted_is_priced_to_the_cent(
    warehouse: database.Connection, worlds: dict[int, World], shape: str, account: tuple[int, int]
) -> None:
    """By the sandbox's own pricer: the line as billed, and as it would be for the true count."""
    pair = ("TrafficAll", "ToTrans")
    billed = worlds[place_of(shape, FALSE)].books.line(account, MONTH, pair)
    true = worlds[place_of(shape, TRUE)].books.line(account, MONTH, pair)
    assert billed is not None
    assert true is not None
    assert billed.actual > true.actual
    (found,) = [
        row
        for row in rows(warehouse, FINDINGS, place_of(shape, FALSE))
        if (row["network_id"], row["mailbox_id"]) == account
    ]
    assert found["check_name"] == "usage_mismatch"
    assert found["severity"] == "error"
    assert (found["billed_amount"], found["expected_amount"]) == (billed.amount, true.amount)
    assert found["difference"] == billed.amount - true.amount


def test_states_name_what_was_counted(warehouse: database.Connection) -> None:
    found = rows(warehouse, FINDINGS, place_of("by_date", FALSE))
    of_duplicates = next(row for row in found if (row["network_id"], row["mailbox_id"]) == DUPLICATES)
    assert "interchanges charged to the account in" in of_duplicates["explanation"]
    assert (
        "Actual equals the account's interchanges charged to the account, with duplicates in."
        in of_duplicates["explanation"]
    )
    of_partners = next(row for row in found if (row["network_id"], row["mailbox_id"]) == PARTNERS)
    assert "Actual equals the account's interchanges without duplicates, whoever pays in." in of_partners["explanation"]


def test_rounding_up_per_interchange_is_no_claim_and_priced(
    warehouse: database.Connection, worlds: dict[int, World]
) -> None:
    found = rows(warehouse, "FROM out_findings WHERE check_name = 'kc_rounding'", place_of("outside", FALSE))
    true, billed = worlds[TRUE[0]].books, worlds[place_of("outside", FALSE)].books
    assert {row["network_id"] for row in found} == {4451}
    assert len(found) > 15
    for row in found:
        account, pair = (row["network_id"], row["mailbox_id"]), (row["account_report"], row["measure_field"])
        exact, line = true.line(account, MONTH, pair), billed.line(account, MONTH, pair)
        assert exact is not None
        assert line is not None
        assert (row["severity"], row["difference"]) == ("info", None)
        assert row["billed_amount"] == line.amount
        # a line of a list whose reading is undecided has no price for another quantity
        assert row["expected_amount"] in (exact.amount, None)
    assert sum(row["expected_amount"] is not None for row in found) > 4
    for shape in ("measures", "traffic"):
        place = place_of(shape, FALSE)
        assert not rows(warehouse, "FROM out_findings WHERE check_name = 'kc_rounding'", place), (
            "no bytes to compare with"
        )
        assert {row["is_tied"] for row in rows(warehouse, "FROM out_usage_tieout WHERE unit LIKE 'KC%'", place)} <= {
            True,
            None,
        }


@pytest.mark.parametrize(
    ("shape", "network", "words"),
    [
        ("measures", 4451, "whether KCs are rounded up message by message"),
        ("traffic", 4451, "whether a KC has 1,000 or 1,024 bytes, and what rounding costs"),
        ("traffic", 4447, "whether a KC has 1,000 or 1,024 bytes, and what rounding costs"),
        ("monthly", 4451, "whether KCs are rounded up message by message"),
        ("monthly", 4447, None),
        ("outside", 4451, None),
        ("outside", 4447, None),
    ],
)
def test_what_a_shape_cannot_tell_about_kcs_is_stated(
    warehouse: database.Connection, shape: str, network: int, words: str | None
) -> None:
    query = "SELECT *, 0 AS mailbox_id FROM out_meter_readings WHERE account_report = 'TrafficAll'"
    of_kcs = [
        row
        for row in rows(warehouse, query, place_of(shape, FALSE))
        if row["network_id"] == network and row["measure_field"].endswith("KCs")
    ]
    assert of_kcs
    for row in of_kcs:
        assert words in row["not_told"] if words else "KC" not in (row["not_told"] or "")
        assert row["clock"] is None, "no shape has times of interchanges"
        assert "by UTC or by the service's clock" in row["not_told"]


@pytest.mark.parametrize("shape", ["measures", "by_date", "monthly", "outside"])
def test_a_network_read_at_1024_is_named_and_priced(
    warehouse: database.Connection, worlds: dict[int, World], shape: str
) -> None:
    place = place_of(shape, FALSE)
    chosen = rows(warehouse, "SELECT *, 0 AS mailbox_id FROM out_meter_readings WHERE is_chosen", place)
    assert {row["unit"] for row in chosen if row["network_id"] == 4447 and row["account_report"] == "TrafficAll"} == {
        "bytes/1024"
    }
    found = [row for row in rows(warehouse, FINDINGS, place) if row["network_id"] == 4447]
    assert len(found) == 8
    for row in found:
        account, pair = (4447, row["mailbox_id"]), (row["account_report"], row["measure_field"])
        exact, line = worlds[TRUE[0]].books.line(account, MONTH, pair), worlds[place].books.line(account, MONTH, pair)
        assert exact is not None
        assert line is not None
        assert (row["check_name"], row["severity"]) == ("usage_mismatch", "warning")
        assert (row["billed_amount"], row["expected_amount"]) == (line.amount, exact.amount)
        assert row["difference"] == line.amount - exact.amount <= Decimal(0)


def test_a_day_without_statistics_is_a_gap_and_no_zero(warehouse: database.Connection) -> None:
    found = [
        row
        for row in rows(warehouse, FINDINGS, place_of("traffic", FALSE))
        if (row["network_id"], row["mailbox_id"]) == GAP
    ]
    assert found
    for row in found:
        assert (row["check_name"], row["severity"], row["difference"]) == ("usage_mismatch", "warning", None)
        assert "There are no statistics for 2026-10-14; a missing day is not zero" in row["explanation"]
        assert " would cost " in row["explanation"]


@pytest.mark.parametrize("shape", SHAPES)
def test_nothing_else_is_found(warehouse: database.Connection, shape: str) -> None:
    planted = {DUPLICATES, PARTNERS, GAP}
    found = rows(warehouse, "FROM out_findings WHERE check_name = 'usage_mismatch'", place_of(shape, FALSE))
    assert [
        row for row in found if (row["network_id"], row["mailbox_id"]) not in planted and row["network_id"] != 4447
    ] == []
