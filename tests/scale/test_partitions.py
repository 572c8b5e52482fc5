"""A build by partitions makes the same relations as a build in one, and every relation's place is a decision."""

import dataclasses
import itertools
import shutil
from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecgrid_flows.errors import SettingsError
from ecgrid_flows.lake.partitions import Lake
from ecgrid_flows.settings import reference_folders
from ecgrid_flows.storage.local import LocalStore
from ecgrid_flows.warehouse import database, partitioned_build, sql_files
from ecgrid_flows.warehouse.partitioned_build import CELL, GRAINS, GROUP, PARTED, Accounts, Bounds, Job, Part, Sources
from ecgrid_flows.warehouse.sql_tree import SqlRefused
from ecgrid_transforms.schemas import FEEDS

from .billing import Billed, relations

pytestmark = pytest.mark.slow

#: Whole relations that read parted ones: each was looked at, and reads what all parts make together.
READ_THE_PARTS = {
    "core_accounts": {"core_billed_accounts"},
    "core_aggregated_lines": {"core_lines"},
    "core_corrections": {"core_line_faults", "core_lines"},
    "core_faulted_keys": {"core_lines"},
    "core_invoice_matches": {"core_lines"},
    "core_line_headings": {"core_seen_headings"},
    "core_misnamed_lines": {"core_line_oddities"},
    "core_misses": {"core_trial_lines"},
    "core_money_bases": {"core_charge_sums", "core_derived_lines"},
    "core_money_candidates": {"core_charge_sums", "core_derived_lines"},
    "core_money_rivals": {"core_derived_lines"},
    "core_money_samples": {"core_derived_lines"},
    "core_money_screened": {"core_charge_sums"},
    "core_probe_quantities": {"core_quantities"},
    "core_ranked_quantities": {"core_quantities"},
    "core_reading_ranks": {"core_trial_lines"},
    "core_reading_reasons": {"core_trial_lines"},
    "core_reading_scores": {"core_trial_lines"},
    "core_recalculated_totals": {"core_lines"},
    "core_scope_sums": {"core_charge_sums", "core_derived_lines"},
    "core_open_roundings": {"core_trial_lines"},
    "core_screen_fits": {"core_trial_lines"},
    "core_set_habits": {"core_limited_accounts", "core_shown_tiers"},
    "core_sets": {"core_fractions"},
    "core_shortlist": {"core_trial_lines"},
    "core_trial_evidence": {"core_trial_lines"},
    "core_trial_fits": {"core_trial_lines"},
    "core_tried_quantities": {"core_trial_lines"},
    "core_unshown_allowances": {"core_trial_lines"},
    "fail_double_billed": {"core_lines"},
    "fail_invoice_line_differs": {"core_line_faults"},
    "fail_list_differs_from_contract": {"core_line_faults"},
    "fail_sign_mismatch": {"core_line_faults"},
    "fail_terms_differ": {"core_line_faults", "core_suspects"},
    "info_price_changed": {"core_lines"},
    "out_readings": {"core_pinned_differences", "core_trial_lines"},
    "warn_reading_undecided": {"core_lines"},
    "warn_tier_gap": {"core_lines", "core_suspects"},
    "warn_tier_overlap": {"core_lines"},
}
#: Whole relations that read a bulk feed through, once.
READ_THE_LAKE = {
    "core_invoice_lines": "raw_invoice_lines",
    "core_asked_keys": "raw_calls",  # a view
}


def test_every_whole_relation_that_reads_parts_is_known() -> None:
    """A new one must be looked at: may it read all rows, does it want a merge, or is it to be parted itself?"""
    tree = sql_files.load_sql()
    found = {
        name: set(sql.reads & PARTED.keys())
        for name, sql in tree.relations.items()
        if name not in PARTED
        and name not in partitioned_build.UNBUILT
        and sql.reads & PARTED.keys()
        and not sql.is_view
        and name != "out_findings"
    }
    assert found == READ_THE_PARTS
    bulk = {f"raw_{feed}" for feed in partitioned_build.BULK}
    readers = {
        name: read
        for name, sql in tree.relations.items()
        if name not in PARTED
        for read in sql.reads & bulk
        if not (name == "fail_invoice_line_differs" and read == "raw_line_item_history")
    }
    assert readers == READ_THE_LAKE


def test_rounds_follow_what_is_read() -> None:
    tree = sql_files.load_sql()
    found = partitioned_build.rounds(tree)
    assert set(found) == set(tree.relations) - partitioned_build.UNBUILT - {
        f"raw_{feed}" for feed in partitioned_build.BULK
    }
    for name, number in found.items():
        for read in tree.relations[name].reads & found.keys():
            same = PARTED.get(name) == PARTED.get(read)
            assert found[read] <= number if same else found[read] < number, f"{name} before {read}"


def test_a_local_relation_is_not_read_from_outside(tmp_path: Path) -> None:
    for layer in ("macros", "core"):
        (tmp_path / layer).mkdir()
    for name in PARTED:
        kind = "core" if name.startswith("core_") else "out" if name.startswith("out_") else "checks"
        (tmp_path / kind).mkdir(exist_ok=True)
        (tmp_path / kind / f"{name}.sql").write_text("-- One row per x.\nSELECT 1 AS x\n")
    (tmp_path / "out" / "out_totals.sql").write_text("-- One row per x.\nSELECT count(*) AS x FROM core_rated\n")
    with pytest.raises(SqlRefused, match=r"out_totals .* reads core_rated, .* name it in partitions\.PARTED"):
        partitioned_build.rounds(sql_files.load_sql(tmp_path))
    (tmp_path / "core/core_expected.sql").unlink()
    sql_files.load_sql.cache_clear()
    with pytest.raises(SqlRefused, match="PARTED names core_expected"):
        partitioned_build.rounds(sql_files.load_sql(tmp_path))
    sql_files.load_sql.cache_clear()


accounts = st.tuples(st.integers(1, 9), st.integers(0, 9))
months = st.lists(st.lists(accounts, max_size=80).map(sorted), min_size=1, max_size=3)


@given(months, st.integers(1, 5))
def test_groups_take_every_account_once_and_few_lines_each(lines: list[list[tuple[int, int]]], grain: int) -> None:
    groups = partitioned_build.grouped([month[grain - 1 :: grain] for month in lines])
    for month in lines:
        one_account = max((month.count(account) for account in set(month)), default=0)
        counts = []
        for group in groups:
            counts.append(sum(is_in(account, group) for account in month))
        assert sum(counts) == len(month)
        assert max(counts) <= GRAINS * grain + 2 * one_account + 2 * grain


def is_in(account: tuple[int, int], group: Accounts) -> bool:
    return (group.after is None or account > group.after) and (group.to is None or account <= group.to)


def test_the_condition_says_what_the_bounds_mean() -> None:
    """Every account against every pair of bounds, in one query each."""
    every = [(network, mailbox) for network in range(1, 5) for mailbox in range(3)]
    rows = pa.table({"network_id": [one[0] for one in every], "mailbox_id": [one[1] for one in every]})
    with database.scratch() as connection:
        database.register(connection, "every", rows)
        for after, to in itertools.product([None, (1, 0), (2, 1), (3, 2)], [None, (2, 1), (3, 2), (4, 0)]):
            group = Accounts(0, after, to)
            found = connection.table("every").filter(group.condition() or "true").fetchall()
            assert sorted(found) == [one for one in every if is_in(one, group)], group


def test_a_survey_marks_every_so_manieth_line(tmp_path: Path) -> None:
    networks, mailboxes = [2, 1, 1, 2, 3, 1], [7, 5, 0, 0, 1, 9]
    pq.write_table(
        pa.table({"network_id": pa.array(networks, pa.int32()), "mailbox_id": pa.array(mailboxes, pa.int32())}),
        tmp_path / "a.parquet",
    )
    assert partitioned_build.survey([str(tmp_path / "a.parquet")], 2) == [(1, 5), (2, 0), (3, 1)]
    assert partitioned_build.survey([], 2) == []


def test_a_build_by_partitions_is_the_build_in_one(local: Billed, tmp_path: Path) -> None:
    """Two months in cells of some 60 lines; jobs done back to front, one of them twice, as a cluster may."""
    data_dir = Path(shutil.copytree(local.data_dir, tmp_path / "data"))
    store = LocalStore(data_dir)
    lake = Lake(store)
    sources = Sources(
        {feed: {month: lake.paths(feed, month) for month in lake.months(feed)} for feed in FEEDS},
        reference_folders(local.settings(data_dir)),
    )
    done: list[Job] = []

    def do_jobs(jobs: list[Job]) -> list[dict[str, Part]]:
        if jobs[0].round == 1:
            partitioned_build.run_job(jobs[0], store, tmp_path / "jobs")  # of a worker that died after its last write
        found = [partitioned_build.run_job(job, store, tmp_path / "jobs") for job in reversed(jobs)]
        done.extend(jobs)
        return found[::-1]

    def do_surveys(asked: list[tuple[list[str], int]]) -> list[list[tuple[int, int]]]:
        return [partitioned_build.survey(store.locals(paths), grain) for paths, grain in asked]

    target = data_dir / "warehouse/parted.duckdb"
    report = partitioned_build.build(sources, store, target, Bounds(1024, 1, 60, 2), do_jobs, do_surveys)
    assert {job.over for job in done} == {CELL, GROUP}
    assert len({job.accounts for job in done}) > 1
    assert report.rows("core_lines") == report.rows("out_line_items")
    assert not list((tmp_path / "jobs").iterdir())
    whole, parted = local.relations, relations(target)
    assert whole.keys() == parted.keys()
    for name, table in whole.items():
        assert parted[name].schema.equals(table.schema), name
        assert parted[name].equals(table), name
    assert whole["out_findings"].num_rows > 10
    # on how many lines a schedule was seen: put together from all cells
    seen = ("core_seen_schedules",)
    built = local.data_dir / "warehouse/billing.duckdb"
    assert relations(target, seen)[seen[0]].equals(relations(built, seen)[seen[0]])
    with database.connect(target) as connection:
        names = {name for (name,) in connection.table_function("duckdb_views").project("view_name").fetchall()}
    assert "raw_calls" in names
    assert "raw_line_items" not in names  # as in a build in one: core_headed_lines has its rows


def test_a_worker_with_other_sql_is_refused(tmp_path: Path) -> None:
    job = Job("b", 1, CELL, Accounts(0, None, None), date(2026, 10, 1), {}, {}, {}, {}, (), (), "another", 1, 512)
    with pytest.raises(SettingsError, match="another version of ecgrid-billing"):
        partitioned_build.run_job(job, LocalStore(tmp_path), tmp_path)


def test_a_job_is_told_nothing_but_names() -> None:
    kinds = {field.name: field.type for field in dataclasses.fields(Job)}
    assert not [name for name, kind in kinds.items() if "Settings" in str(kind) or "Secret" in str(kind)]
