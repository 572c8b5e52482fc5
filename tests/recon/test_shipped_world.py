"""The shipped world, straight from its books: every planted wrong is found, and nothing else."""

from collections import Counter
from fractions import Fraction

import pytest

from ecgrid_flows.warehouse import database, sql_files, sql_headers
from ecgrid_flows.warehouse.database import Connection
from ecgrid_sandbox.worlds import World
from ecgrid_transforms.money import Decimal

from . import planted

#: CONTRACT's check names.
CHECKS = {
    *("amount_mismatch", "wrong_tier", "rate_mismatch", "quantity_mismatch", "bound_ignored", "allowance_not_applied"),
    *("sign_mismatch", "percentage_mismatch", "minimum_mismatch", "tier_gap", "tier_overlap", "duplicate_line"),
    *("missing_line", "double_billed", "identity_mismatch", "date_outside_month", "taxable_changed", "price_changed"),
    *("restated", "usage_mismatch", "invoice_total_mismatch", "invoice_line_missing", "invoice_line_differs"),
    *("reading_undecided", "terms_differ", "list_differs_from_contract", "invoice_only_charge", "correction"),
    *("invoice_duplicate", "invoice_currency", "statistics_unread", "kc_rounding"),
}


def test_every_planted_wrong_is_found_and_nothing_else(shipped: World, reconciled: Connection) -> None:
    assert planted.differences(shipped, planted.found_in(reconciled)) == ([], [])


def test_every_check_of_contract_has_its_file_and_severity() -> None:
    files = {name for name in sql_files.load_sql().relations if name.startswith(("fail_", "warn_", "info_"))}
    assert {name.split("_", 1)[1] for name in files} == CHECKS
    assert len(files) == len(CHECKS)
    titles = sql_headers.check_titles(sql_files.sql_folder())
    assert titles.keys() == CHECKS
    assert len(set(titles.values()) - CHECKS) == len(CHECKS), "each has a title of its own"


def test_findings_are_the_rows_of_all_checks() -> None:
    """By name and severity, which the file's own name gives."""
    tree = sql_files.load_sql()
    checks = {name for name in tree.relations if name.startswith(("fail_", "warn_", "info_"))}
    assert tree.relations["core_check_rows"].reads == checks
    assert "core_check_rows" in tree.relations["out_findings"].reads


def test_a_check_has_the_columns_of_a_finding(reconciled: Connection) -> None:
    """The runner adds those that a file leaves out; a misspelt one would be one more."""
    columns = database.column_types(reconciled)
    checks = {name: list(columns[name]) for name in columns if name.startswith(("fail_", "warn_", "info_"))}
    own = list(sql_headers.CHECK_COLUMNS)
    assert {name for name, found in checks.items() if found[: len(own)] != own} == set()
    assert set().union(*(found[len(own) :] for found in checks.values())) == {"is_doubtful", "cause"}


def test_findings_carry_the_severity_of_their_file(reconciled: Connection) -> None:
    words = {"fail": "error", "warn": "warning", "info": "info"}
    files = [name for name in sql_files.load_sql().relations if name.startswith(("fail_", "warn_", "info_"))]
    severity = {name.split("_", 1)[1]: words[name.split("_", 1)[0]] for name in files}
    rows = database.table(reconciled, "FROM out_findings").to_pylist()
    assert {(row["check_name"], row["severity"]) for row in rows} <= set(severity.items())
    assert rows


def test_findings_state_the_true_amounts(shipped: World, reconciled: Connection) -> None:
    """Where the true amount is the point of a finding, it is the books' own, worked out by the naive pricer."""
    by_key = {(one.check_name, one.key): one for one in planted.found_in(reconciled)}
    compared = Counter[str]()
    for wrong in shipped.planted_errors:
        if wrong.check_name in {
            *("amount_mismatch", "wrong_tier", "rate_mismatch", "quantity_mismatch", "bound_ignored"),
            *("allowance_not_applied", "sign_mismatch", "minimum_mismatch", "missing_line", "invoice_line_differs"),
            *("duplicate_line", "double_billed", "invoice_line_missing", "percentage_mismatch"),
        }:
            found = by_key[wrong.check_name, wrong.key]
            assert (found.expected_amount, found.billed_amount) == (wrong.true_amount, wrong.billed_amount), wrong
            compared[wrong.check_name] += 1
    assert len(compared) == 14


def test_every_line_that_is_not_planted_fits(shipped: World, reconciled: Connection) -> None:
    """Every line is proved: it fits, or a finding of its own says why it does not."""
    rows = database.table(reconciled, "FROM out_line_items WHERE verdict <> 'fits'").to_pylist()
    wrong = {one.key for one in shipped.planted_errors}
    assert {row["verdict"] for row in rows} == {"differs"}
    keys = [tuple(row[name] for name in warehouse_key()) for row in rows]
    assert [key for key in keys if key not in wrong] == []


def warehouse_key() -> tuple[str, ...]:
    return ("network_id", "mailbox_id", "reporting_month", "account_report", "measure_field")


def test_slices_add_up_to_the_expected_amount(reconciled: Connection) -> None:
    lines = {
        tuple(row[name] for name in warehouse_key()): row
        for row in database.table(reconciled, "FROM out_line_items").to_pylist()
    }
    sums: dict[tuple[object, ...], Fraction] = {}
    proofs = database.table(reconciled, "FROM out_line_proofs").to_pylist()
    for row in proofs:
        key = tuple(row[name] for name in warehouse_key())
        sums[key] = sums.get(key, Fraction(0)) + Fraction(row["product"])
        assert row["expected_amount"] == lines[key]["expected_amount"]
        assert row["reading_id"] == lines[key]["reading_id"]
    assert sums.keys() == lines.keys()
    for row in proofs:
        key = tuple(row[name] for name in warehouse_key())
        assert sums[key] == Fraction(row["amount_before_rounding"])
        assert abs(sums[key] - Fraction(row["expected_amount"])) <= Fraction(1, 200)


def test_readings_are_what_the_world_means(shipped: World, reconciled: Connection) -> None:
    """Model, bounds, allowance, blocks and units of each chosen reading are those of the group's meaning."""
    chosen = {
        (row["price_list_id"], row["account_report"], row["measure_field"]): row
        for row in database.table(reconciled, "FROM out_readings WHERE is_chosen").to_pylist()
    }
    checked = 0
    for price_list in shipped.price_lists:
        for group in price_list.groups:
            row = chosen[price_list.price_list_id, *group.pair]
            if group.is_money and group.measure != "Credit":
                assert row["verdict"] == "decided"
                continue
            if not group.decidable or group.pair == ("TrafficOffNetwork", "TotalKCs"):
                assert row["verdict"] == "undecided"  # the latter for its gap: the two ways to cut it part inside
                continue
            meaning, first = group.meaning, group.schedules[0]
            assert row["verdict"] == "decided"
            assert row["rounding"] == meaning.reading.rounding
            if len(group.schedules) > 1:
                assert row["model"] == meaning.reading.model
                assert row["upper_bound"] == meaning.reading.upper_bound
            if first.allowance:
                assert row["allowance_rule"] == meaning.reading.allowance
            if first.block not in (Decimal(0), Decimal(1)):
                assert row["blocks"] == meaning.reading.blocks
                assert row["rate_per"] == meaning.reading.rate_per
                assert row["quantity_billed_in"] == meaning.billed_in
            assert (row["lone_bounds"] == "floor_and_cap") == meaning.floor_and_cap
            checked += 1
    assert checked > 12


def test_the_parts_of_a_change_add_up(reconciled: Connection) -> None:
    rows = database.table(reconciled, "FROM out_month_on_month").to_pylist()
    parts = [f"{part}_part" for part in ("price", "volume", "mix", "new", "ended", "correction")]
    assert all(sum(row[part] for part in parts) == row["change"] for row in rows)
    assert all(row["change"] == row["amount"] - row["previous_amount"] for row in rows)
    for part in parts:
        assert any(row[part] != 0 for row in rows), part
    # one price rose by 2.00, on one line
    assert sum(row["price_part"] for row in rows) == Decimal("2.00")


@pytest.mark.parametrize("model", ["unit", "volume", "graduated"])
def test_a_lines_own_model_costs_what_is_expected(reconciled: Connection, model: str) -> None:
    rows = database.table(reconciled, "FROM out_model_comparison WHERE model = ?", [model]).to_pylist()
    assert rows
    assert all(row[f"{model}_amount"] == row["expected_amount"] for row in rows)


def test_nothing_is_rounded_twice_in_a_comparison(reconciled: Connection) -> None:
    """Worked by hand: 5,000 of TieredKCIntCount on list 432 are 5,000 x 0.1856 = 928.00 by volume, and 1,200 x 0.2178 +
    3,800 x 0.1856 = 966.64 graduated; one block more, 5,005 x 0.1499 = 750.2495, is on the far side of a cliff."""
    rows = database.table(
        reconciled,
        "FROM out_model_comparison WHERE price_list_id = ? AND measure_field = ? AND quantity = ?",
        [432, "TieredKCIntCount", 5000],
    ).to_pylist()
    assert rows
    for row in rows:
        assert row["unit_amount"] == Decimal("1089.00")
        assert row["volume_amount"] == Decimal("928.00")
        assert row["graduated_amount"] == Decimal("966.64")
        assert row["is_on_cliff"]
        assert row["distance_to_next_bound"] == 0
        assert row["cliff_saving"] == Decimal("177.75")


def test_invoices_tie_but_for_what_is_found(reconciled: Connection) -> None:
    rows = database.table(reconciled, "FROM out_invoice_tieout").to_pylist()
    found = {one.invoice_number for one in planted.found_in(reconciled) if one.invoice_number}
    missing = {one.key[2] for one in planted.found_in(reconciled) if one.check_name == "missing_line"}
    loose = [row for row in rows if not row["is_tied"]]
    assert loose
    assert all(row["invoice_number"] in found or row["reporting_month"] in missing for row in loose)
    assert all(row["cause"] or row["total_difference"] for row in loose)
