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
from ecgrid_flows.warehouse import builder, database, partitioned_build, sql_files
from ecgrid_flows.warehouse.partitioned_build import CELL, GRAINS, GROUP, WHOLE, Accounts, Bounds, Job, Part, Sources
from ecgrid_flows.warehouse.sql_tree import SqlRefused
from ecgrid_transforms.schemas import FEEDS

from .billing import Billed, relations

pytestmark = pytest.mark.slow

#: Whole relations that read a bulk feed through, once.
READ_THE_LAKE = {
    "core_invoice_lines": "raw_invoice_lines",
    "core_requested_keys": "raw_calls",  # a view
    "out_invoices": "raw_invoice_lines",  # a sum per invoice
    "core_provisional_months": "raw_calls",  # a time per month
}


def test_no_whole_relation_reads_a_bulk_feed_unnoticed() -> None:
    bulk = {f"raw_{feed}" for feed in partitioned_build.BULK}
    readers = {
        name: read
        for name, sql in sql_files.load_sql().relations.items()
        if sql.over == WHOLE
        for read in sql.reads & bulk
        if not (name == "fail_invoice_line_differs" and read == "raw_line_item_history")
    }
    assert readers == READ_THE_LAKE


@pytest.mark.long
def test_each_row_is_in_one_part_where_a_header_states_so(local: Billed) -> None:
    """A row of one account and month (for a line, that of its billing terms) is worked out by one job."""
    with database.connect(local.data_dir / "warehouse/billing.duckdb") as connection:
        by_rows = [name for name, sql in sql_files.load_sql().relations.items() if sql.parts == "rows"]
        assert "out_line_items" in by_rows
        for name in by_rows:
            columns = set(connection.table(name).columns)
            assert {"network_id", "mailbox_id"} <= columns, name
            assert columns & {"reporting_month", "terms_no"}, name


def test_rounds_follow_what_is_read() -> None:
    tree = sql_files.load_sql()
    found = partitioned_build.rounds(tree)
    unbuilt = {name for name, sql in tree.relations.items() if sql.over == "quote"}
    assert unbuilt == {"core_rating_quotes", "core_rating_quote_slices"}
    assert set(found) == set(tree.relations) - unbuilt - {f"raw_{feed}" for feed in partitioned_build.BULK}
    for name, number in found.items():
        for read in tree.relations[name].reads & found.keys():
            same = tree.relations[name].over == tree.relations[read].over
            assert found[read] <= number if same else found[read] < number, f"{name} before {read}"


PARTED_READS = {
    "a local relation": (
        "cell, local",
        None,
        "whole",
        r"core_b .* reads core_a, whose rows mean something over one cell",
    ),
    "parts that nothing puts together": ("cell", None, "whole", r"core_b .* reads core_a, .* how its parts are put"),
    "a group that reads merged parts": ("cell", "sum(n)", "group", r"core_b .* reads core_a, .* how its parts are put"),
    "rows": ("cell", "rows", "group", None),
    "merged parts": ("cell", "sum(n)", "whole", None),
    "an unknown place": ("month", None, "whole", "core_a.sql: `-- per: month` is none of"),
    "an unknown aggregate": ("cell", "median(n)", "whole", "core_a.sql: `-- parts: median"),
    "parts of the whole": ("whole", "rows", "whole", "core_a.sql: `-- parts:` is for"),
}


@pytest.mark.parametrize("case", PARTED_READS)
def test_who_may_read_parts(tmp_path: Path, case: str) -> None:
    per, parts, reader, message = PARTED_READS[case]
    for layer in ("macros", "core"):
        (tmp_path / layer).mkdir()
    header = f"-- One row per x.\n-- per: {per}\n" + (f"-- parts: {parts}\n" if parts else "")
    (tmp_path / "core/core_a.sql").write_text(f"{header}SELECT 1 AS x, 1 AS n\n", encoding="utf-8")
    (tmp_path / "core/core_b.sql").write_text(
        f"-- One row per x.\n-- per: {reader}\nSELECT x FROM core_a\n", encoding="utf-8"
    )
    if message is None:
        assert partitioned_build.rounds(sql_files.load_sql(tmp_path)) == {"core_a": 1, "core_b": 2}
    else:
        with pytest.raises(SqlRefused, match=message):
            partitioned_build.rounds(sql_files.load_sql(tmp_path))


def test_parts_are_merged_by_their_header(tmp_path: Path) -> None:
    """Two parts: 2 + 3 lines of key a, null is a key too; the first line is the lesser row; numbers follow the key."""
    header = (
        "-- One row per key.\n-- per: cell\n-- parts: row_number(no), sum(lines), bool_or(is_odd), min(first)\n"
        "SELECT 1 AS no, 'a' AS key, 2::BIGINT AS lines, true AS is_odd, row(2, 1) AS first\n"
    )
    (tmp_path / "macros").mkdir()
    (tmp_path / "core").mkdir()
    (tmp_path / "core/core_a.sql").write_text(header, encoding="utf-8")
    with database.scratch() as connection:
        for number, rows in enumerate(
            (
                "(1, 'b', 2::BIGINT, false, row(2, 1)), (2, NULL, 1, true, row(1, 9))",
                "(1, 'a', 7, false, row(3, 3)), (2, 'b', 3, true, row(1, 5)), (3, NULL, 4, true, row(1, 8))",
            )
        ):
            connection.execute(
                f"COPY (SELECT * FROM (VALUES {rows}) AS r (no, key, lines, is_odd, first)) "
                f"TO '{tmp_path}/{number}.parquet' (FORMAT parquet)"
            ).fetchall()
        sql = sql_files.load_sql(tmp_path).relations["core_a"]
        builder.merge(connection, sql, [str(tmp_path / "0.parquet"), str(tmp_path / "1.parquet")])
        found = connection.execute("SELECT *, typeof(lines) FROM core_a ORDER BY no").fetchall()
        assert found == [
            (1, "a", 7, False, (3, 3), "BIGINT"),
            (2, "b", 5, True, (1, 5), "BIGINT"),
            (3, None, 5, True, (1, 8), "BIGINT"),
        ]


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


@pytest.mark.soak
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
    assert "raw_line_items" not in names  # as in a build in one: core_line_facts has its rows


def test_a_worker_with_other_sql_is_refused(tmp_path: Path) -> None:
    job = Job("b", 1, CELL, Accounts(0, None, None), date(2026, 10, 1), {}, {}, {}, {}, (), (), "another", 1, 512)
    with pytest.raises(SettingsError, match="another version of ecgrid-billing"):
        partitioned_build.run_job(job, LocalStore(tmp_path), tmp_path)


def test_a_job_is_told_nothing_but_names() -> None:
    kinds = {field.name: field.type for field in dataclasses.fields(Job)}
    assert not [name for name, kind in kinds.items() if "Settings" in str(kind) or "Secret" in str(kind)]
