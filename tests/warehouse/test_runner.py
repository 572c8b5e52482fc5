"""The SQL runner: what it builds and in which order, what it refuses, and that a warehouse is replaced only whole."""

import subprocess
import sys
from collections.abc import Callable, Mapping
from datetime import date
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from ecgrid_flows.errors import NoSuchData, SettingsError
from ecgrid_flows.warehouse import builder, database, sql_files, sql_tree
from ecgrid_flows.warehouse.sql_tree import BuildFailed, SqlRefused
from ecgrid_transforms.money import Decimal
from ecgrid_transforms.schemas import FEEDS

ROOT = Path(__file__).parents[2]

Files = Mapping[str, str]
Build = Callable[..., sql_tree.BuildReport]

SUMS = "-- One row per account\nSELECT network_id, sum(amount) AS amount FROM raw_line_items GROUP BY network_id\n"
LINES = "-- One row per line\nSELECT network_id, amount FROM lake_line_items\n"


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "warehouse/billing.duckdb"


@pytest.fixture
def built(tmp_path: Path, target: Path) -> Build:
    """Builds from SQL files given as `folder/name` -> text (`.sql` is added), references as name -> CSV text."""
    count = 0

    def run(files: Files, *, references: Files | None = None, **options: object) -> sql_tree.BuildReport:
        nonlocal count
        count += 1  # load_sql keeps a folder in memory: each build has its own
        sql, reference = tmp_path / f"sql{count}", tmp_path / f"reference{count}"
        (sql / "macros").mkdir(parents=True)
        reference.mkdir()
        for name, text in files.items():
            path = sql / f"{name}.sql"
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8")
        for name, text in (references or {}).items():
            (reference / f"{name}.csv").write_text(text, encoding="utf-8")
        lake = options.pop("lake", {})
        return builder.build(lake, target, reference_dir=reference, sql=sql, **options)

    return run


def line_items(path: Path, amounts: list[str]) -> str:
    """A Parquet file of the feed with nothing in it but accounts 1, 2, … and amounts."""
    schema = FEEDS["line_items"]
    columns = {
        name: pa.nulls(len(amounts), schema.field(name).type)
        for name in schema.names
        if name not in {"network_id", "amount"}
    }
    columns["network_id"] = pa.array(range(1, len(amounts) + 1), pa.int32())
    columns["amount"] = pa.array([Decimal(amount) for amount in amounts], schema.field("amount").type)
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(columns).select(schema.names), path)
    return str(path)


def rows(path: Path, query: str) -> list[dict[str, object]]:
    with database.connect(path) as connection:
        return database.table(connection, query).to_pylist()


def test_relations_are_built_after_what_they_read(built: Build, target: Path, tmp_path: Path) -> None:
    lake = {
        "line_items": [
            line_items(tmp_path / "reporting_month=2026-10/a.parquet", ["1.10", "2.20"]),
            line_items(tmp_path / "b.parquet", ["0.0000000001"]),
        ]
    }
    report = built(
        {"out/out_z": "-- One row per a\nFROM core_b", "core/core_b": SUMS, "raw/raw_line_items": LINES}, lake=lake
    )
    assert [relation.name for relation in report.relations] == ["raw_line_items", "core_b", "out_z"]
    assert report.rows("raw_line_items") == 3
    assert rows(target, "FROM out_z ORDER BY network_id") == [
        {"network_id": 1, "amount": Decimal("1.1000000001")},
        {"network_id": 2, "amount": Decimal("2.2000000000")},
    ]


def test_a_month_in_the_path_does_not_replace_the_column(built: Build, target: Path, tmp_path: Path) -> None:
    path = line_items(tmp_path / "reporting_month=2026-10/part.parquet", ["1"])
    built(
        {"raw/raw_line_items": "-- One row per line\nSELECT reporting_month FROM lake_line_items"},
        lake={"line_items": [path]},
    )
    assert rows(target, "FROM raw_line_items") == [{"reporting_month": None}]


def test_every_feed_is_there_typed_though_empty(built: Build, target: Path) -> None:
    files = {f"raw/raw_{feed}": f"-- One row per row of the feed\nSELECT * FROM lake_{feed}\n" for feed in FEEDS}
    report = built(files)
    assert {relation.rows for relation in report.relations} == {0}
    with database.connect(target) as connection:
        for feed, schema in FEEDS.items():
            found = database.table(connection, f"FROM raw_{feed}").schema
            assert found.names == schema.names
            assert [field.type for field in found if pa.types.is_decimal(field.type)] == [
                field.type for field in schema if pa.types.is_decimal(field.type)
            ]


def test_a_dataset_feed_has_its_own_columns_and_those_of_the_answers(
    built: Build, target: Path, tmp_path: Path
) -> None:
    schema = FEEDS["monthly_reports"]
    for name, extra in (("a", {"KCs": [1]}), ("b", {"Trans": ["x"]})):
        columns = {column: pa.nulls(1, schema.field(column).type) for column in schema.names}
        pq.write_table(pa.table({**columns, **extra}), tmp_path / f"{name}.parquet")
    built(
        {"raw/raw_monthly_reports": "-- One row per row of the answer\nSELECT * FROM lake_monthly_reports"},
        lake={"monthly_reports": [str(tmp_path / "a.parquet"), str(tmp_path / "b.parquet")]},
    )
    found = rows(target, "SELECT KCs, Trans, asked FROM raw_monthly_reports ORDER BY KCs")
    assert found == [{"KCs": 1, "Trans": None, "asked": None}, {"KCs": None, "Trans": "x", "asked": None}]


def test_reference_tables_are_text_and_the_later_folder_wins(built: Build, target: Path, tmp_path: Path) -> None:
    (tmp_path / "sql/macros").mkdir(parents=True)
    (tmp_path / "sql/core").mkdir()
    (tmp_path / "sql/core/core_r.sql").write_text("-- One row per r\nSELECT * FROM reference_r", encoding="utf-8")
    for folder, text in (("shipped", "a,b\n1,\n"), ("own", 'a,b\n007,"x ""y"", z"\n')):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "r.csv").write_text(text, encoding="utf-8")
    folders = [tmp_path / "shipped", tmp_path / "own"]
    builder.build({}, target, reference_dir=folders, sql=tmp_path / "sql")
    assert rows(target, "FROM core_r") == [{"a": "007", "b": 'x "y", z'}]
    (tmp_path / "own/r.csv").write_text("a;b\n7;x\n", encoding="utf-8")
    with pytest.raises(SqlRefused, match=r"r\.csv has no column a: its first line is a,b, with commas"):
        builder.build({}, target, reference_dir=folders, sql=tmp_path / "sql")


@pytest.fixture
def of_a_large_lake(monkeypatch: pytest.MonkeyPatch) -> None:
    """Build as of a large lake, which has views."""
    monkeypatch.setattr(builder, "_FEW_BYTES", 0)


@pytest.mark.usefixtures("of_a_large_lake")
def test_macros_and_views_work_in_the_finished_file(built: Build, target: Path) -> None:
    report = built(
        {
            "macros/b": "-- once\nCREATE MACRO doubled(x) AS x + x;\n"
            "/* again */ CREATE OR REPLACE MACRO twice(x) AS doubled(x);",
            "core/core_v": "-- One row per number\n-- kept as: view\nSELECT twice(a.n) AS n FROM core_t AS a",
            "core/core_t": "-- One row per number\nSELECT 21 AS n",
        }
    )
    assert report.rows("core_v") is None
    assert rows(target, "FROM core_v") == [{"n": 42}]


def test_of_a_small_lake_a_view_is_stored_unless_it_reads_what_is_refilled(built: Build, target: Path) -> None:
    report = built(
        {
            "raw/raw_finding_states": "-- One row per decision\nSELECT 1 AS n WHERE false",
            "core/core_t": "-- One row per number\nSELECT 21 AS n",
            "core/core_v": "-- One row per number\n-- kept as: view\nFROM core_t",
            "core/core_w": "-- One row per number\n-- kept as: view\nFROM core_v UNION ALL FROM raw_finding_states",
            "out/out_x": "-- One row per number\n-- kept as: view\nFROM core_w",
        }
    )
    assert [report.rows(name) for name in ("core_v", "core_w", "out_x")] == [1, None, None]
    database.refill(target, "raw_finding_states", pa.table({"n": [7]}))
    assert rows(target, "FROM out_x ORDER BY n") == [{"n": 7}, {"n": 21}]
    with pytest.raises(ValueError, match="core_t is none of REFILLED"):
        database.refill(target, "core_t", pa.table({"n": [7]}))


@pytest.mark.usefixtures("of_a_large_lake")
def test_scratch_ends_with_the_build(built: Build, target: Path) -> None:
    report = built(
        {
            "core/core_s": "-- One row per number\n-- kept as: scratch\nSELECT 21 AS n",
            "core/core_v": "-- One row per number\n-- kept as: scratch view\nSELECT n * 2 AS n FROM core_s",
            "core/core_t": "-- One row per number\nSELECT n FROM core_v",
        }
    )
    assert (report.rows("core_s"), report.rows("core_v")) == (1, None)
    assert rows(target, "FROM core_t") == [{"n": 42}]
    assert rows(target, "SELECT table_name FROM duckdb_tables()") == [{"table_name": "core_t"}]
    assert rows(target, "SELECT view_name FROM duckdb_views() WHERE NOT internal") == []


@pytest.mark.usefixtures("of_a_large_lake")
def test_meanings_become_comments(built: Build, target: Path, tmp_path: Path) -> None:
    """The header's meaning, else the feed's, else the shared one; a core relation has its grain alone."""
    (tmp_path / "sql1").mkdir()
    (tmp_path / "sql1/columns.csv").write_text(
        "column,meaning\nn,shared\nnetwork_id,of the account\n", encoding="utf-8"
    )
    view = "-- One row per user's number\n-- kept as: view\n-- m: it's own\nSELECT n, n AS m, n AS o FROM core_t"
    built(
        {
            "raw/raw_calls": "-- One row per call\nSELECT network_id, outcome FROM lake_calls",
            "core/core_t": "-- One row per number.\n-- n: a note\nSELECT 21 AS n",
            "out/out_v": view,
            "checks/fail_t": "-- One row per account\nSELECT 1 AS network_id",
        }
    )
    assert rows(
        target,
        "SELECT table_name, column_name, comment FROM duckdb_columns() WHERE comment IS NOT NULL "
        "ORDER BY table_name, column_name",
    ) == [
        {"table_name": "fail_t", "column_name": "network_id", "comment": "of the account"},
        {"table_name": "out_v", "column_name": "m", "comment": "it's own"},
        {"table_name": "out_v", "column_name": "n", "comment": "shared"},
        {"table_name": "raw_calls", "column_name": "network_id", "comment": "NetworkID asked for"},
        {"table_name": "raw_calls", "column_name": "outcome", "comment": "line, no_line or fault"},
    ]
    assert rows(target, "SELECT view_name, comment FROM duckdb_views() WHERE NOT internal") == [
        {"view_name": "out_v", "comment": "One row per user's number"}
    ]
    assert rows(target, "SELECT comment FROM duckdb_tables() WHERE table_name = 'core_t'") == [
        {"comment": "One row per number"}
    ]


def test_a_scratch_view_reads_the_lake(built: Build, target: Path) -> None:
    path = target.with_name("calls.parquet")
    path.parent.mkdir(parents=True)
    pq.write_table(FEEDS["calls"].empty_table(), path)
    built(
        {
            "raw/raw_calls": "-- One row per call\n-- kept as: scratch view\nSELECT network_id FROM lake_calls",
            "core/core_t": "-- One row per count\nSELECT count(*) AS n FROM raw_calls",
        },
        lake={"calls": [str(path)]},
    )
    assert rows(target, "FROM core_t") == [{"n": 0}]


def test_a_column_of_a_table_is_stored_as_it_is(built: Build, target: Path) -> None:
    text = (
        "-- One row per number\n-- kept as: table, digest uncompressed\n"
        "SELECT n, 'same'::VARCHAR AS digest, 'same'::VARCHAR AS word FROM range(5000) AS t (n)"
    )
    report = built({"core/core_t": text})
    assert report.rows("core_t") == 5000
    assert rows(target, "SELECT sum(n)::BIGINT AS n, min(digest) AS digest FROM core_t") == [
        {"n": 12_497_500, "digest": "same"}
    ]
    stored = rows(
        target, "SELECT column_name, compression FROM pragma_storage_info('core_t') WHERE segment_type = 'VARCHAR'"
    )
    packed = {row["column_name"]: row["compression"] != "Uncompressed" for row in stored}
    assert packed == {"digest": False, "word": True}


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_relations_are_built_side_by_side_each_after_what_it_reads(built: Build, target: Path, threads: int) -> None:
    """Ten chains of ten relations, every second one kept until the end of the build only."""
    files = {}
    for chain in range(10):
        for place in range(10):
            kept = "-- kept as: scratch\n" if place % 2 else "-- kept as: scratch view\n" if place == 4 else ""
            read = f"SELECT n + 1 AS n FROM core_c{chain}_{place - 1}" if place else f"SELECT {100 * chain} AS n"
            files[f"core/core_c{chain}_{place}"] = f"-- One row per chain\n{kept}{read}"
    chains = " UNION ALL ".join(f"SELECT n FROM core_c{chain}_9" for chain in range(10))
    files["out/out_chains"] = f"-- One row per chain\n{chains}"
    report = built(files, threads=threads)
    assert rows(target, "FROM out_chains ORDER BY n") == [{"n": 100 * chain + 9} for chain in range(10)]
    assert sorted(relation.name for relation in report.relations) == sorted(Path(name).name for name in files)
    names = rows(target, "SELECT table_name AS name FROM duckdb_tables() ORDER BY name")
    assert [row["name"] for row in names] == [
        *(f"core_c{chain}_{place}" for chain in range(10) for place in (0, 2, 6, 8)),
        "out_chains",
    ]


def test_an_error_interrupts_the_relations_beside_it(built: Build, target: Path) -> None:
    """One of them alone would take hours: 10^13 sums."""
    endless = (
        "-- One row per build\nSELECT max(hash(a.range + b.range)) AS n FROM range(10000000) AS a, range(1000000) AS b"
    )
    failing = "-- One row per build\nSELECT error('no such price ' || max(hash(range))) AS n FROM range(5000000)"
    with pytest.raises(BuildFailed, match=r"core/core_b\.sql: .*no such price"):
        built({"core/core_a": endless, "core/core_b": failing}, threads=2)
    assert not target.exists()


def test_the_warehouse_stands_alone(built: Build, target: Path, tmp_path: Path) -> None:
    path = Path(line_items(tmp_path / "a.parquet", ["1.10"]))
    built({"raw/raw_line_items": LINES}, lake={"line_items": [str(path)]})
    path.unlink()
    assert rows(target, "SELECT count(*) AS n FROM raw_line_items") == [{"n": 1}]


def test_records_are_the_rows_as_values_of_python(built: Build, target: Path) -> None:
    text = (
        "SELECT n, (n / 4)::DECIMAL(28, 10) AS amount, DATE '2026-10-01' AS reporting_month, [n] AS list, "
        "TIMESTAMP_NS '2026-10-31 23:59:59.123456789' AS at, TIMESTAMP_NS '1969-12-31 00:00:00.000000007' AS early, "
        "TIMESTAMPTZ '2026-10-31 23:59:59.5+02' AS zoned FROM range(4) AS t (n) "
        "UNION ALL SELECT NULL, 0, NULL, NULL, NULL, NULL, NULL"
    )
    whole_second = "-- One row per time\nSELECT TIMESTAMP_NS '2026-10-31' AS at"
    built({"raw/raw_a": f"-- One row per number\n{text}", "raw/raw_b": whole_second})
    with database.connect(target) as connection:
        for equals in ({}, {"n": 3}, {"n": None}, {"reporting_month": date(2026, 10, 1)}):
            wanted = database.rows(
                connection, "raw_a", columns=("n", "amount", "list"), order=("n",), **equals
            ).to_pylist()
            assert (
                database.records(connection, "raw_a", columns=("n", "amount", "list"), order=("n",), **equals) == wanted
            )
        (row,) = database.records(connection, "raw_a", n=3)
        assert row["amount"] == Decimal("0.75")
        assert row["at"] == "2026-10-31T23:59:59.123456789"
        assert row["early"] == "1969-12-31T00:00:00.000000007"
        (whole,) = database.records(connection, "raw_b")
        assert whole == {"at": "2026-10-31T00:00:00"}
        assert row["zoned"].isoformat() == "2026-10-31T21:59:59.500000+00:00"
        times = database.records(connection, "raw_a", columns=("at", "zoned"), order=("n",))
        assert [one["at"] is None for one in times] == [one["zoned"] is None for one in times]
        assert [one["at"] is None for one in times] == [False, False, False, False, True]


def test_a_failed_build_leaves_the_old_warehouse_and_nothing_else(built: Build, target: Path) -> None:
    built({"core/core_a": "-- One row per build\nSELECT 1 AS n"})
    with pytest.raises(BuildFailed, match=r"core/core_b\.sql"):
        built({"core/core_b": "-- One row per number\nSELECT 'x'::INTEGER AS n FROM range(3)"})
    assert rows(target, "FROM core_a") == [{"n": 1}]
    assert [path.name for path in target.parent.iterdir()] == [target.name]


def test_a_leftover_of_a_killed_build_is_no_hindrance(built: Build, target: Path) -> None:
    target.parent.mkdir(parents=True)
    target.with_name("billing.duckdb.new").write_bytes(b"half a file")
    built({"core/core_a": "-- One row per build\nSELECT 1 AS n"})
    assert rows(target, "FROM core_a") == [{"n": 1}]


def test_a_reader_of_the_old_warehouse_is_not_disturbed(built: Build, target: Path) -> None:
    built({"core/core_a": "-- One row per build\nSELECT 1 AS n"})
    with database.connect(target) as connection:
        built({"core/core_a": "-- One row per build\nSELECT 2 AS n"})
        assert database.table(connection, "FROM core_a").to_pylist() == [{"n": 1}]
    assert rows(target, "FROM core_a") == [{"n": 2}]


OK = "-- One row per x\nSELECT 1 AS x"
REFUSED = {
    "no grain": ({"core/core_a": "SELECT 1 AS x"}, "core/core_a.sql: the first line says the grain"),
    "empty": ({"core/core_a": ""}, "the first line says the grain"),
    "two statements": ({"core/core_a": f"{OK};\nSELECT 2 AS x"}, "core/core_a.sql: not one SELECT \\(2 statements"),
    "a create": ({"core/core_a": "-- One row per x\nCREATE TABLE y AS SELECT 1"}, "not one SELECT"),
    "a delete": ({"core/core_a": "-- One row per x\nDELETE FROM core_b"}, "not one SELECT"),
    "not SQL": ({"core/core_a": "-- One row per x\nSELEC 1"}, "core/core_a.sql: not one SELECT"),
    "a name of another layer": ({"core/out_a": OK}, "core/out_a.sql: the name of a relation here begins with core_"),
    "a check without severity": ({"checks/amounts": OK}, "begins with fail_ or warn_ or info_"),
    "an unknown layer": ({"marts/core_a": OK}, "there is no layer 'marts'"),
    "an unknown relation": (
        {"core/core_a": "-- One row per x\nFROM core_b"},
        "core/core_a.sql: reads core_b, which is",
    ),
    "a circle": (
        {"core/core_a": "-- One row per x\nFROM core_b", "core/core_b": "-- One row per x\nFROM core_a"},
        "in a circle",
    ),
    "itself": ({"core/core_a": "-- One row per x\nFROM core_a"}, "reads itself"),
    "a CTE that hides": (
        {"core/core_a": "-- One row per x\nWITH core_b AS (SELECT 1 AS x) FROM core_b", "core/core_b": OK},
        "the CTE core_b hides",
    ),
    "a schema": ({"core/core_a": "-- One row per x\nFROM main.core_b", "core/core_b": OK}, "without a schema"),
    "a file": ({"core/core_a": "-- One row per x\nFROM read_csv('x.csv')"}, "read_csv reads a file"),
    "a view on the lake": (
        {"core/core_a": "-- One row per x\n-- kept as: view\nSELECT network_id FROM lake_calls"},
        "cannot be a view",
    ),
    "a view on scratch": (
        {
            "core/core_a": "-- One row per x\n-- kept as: scratch\nSELECT 1 AS x",
            "core/core_b": "-- One row per x\n-- kept as: view\nFROM core_a",
        },
        "core/core_b.sql: core_a ends with the build",
    ),
    "a double in scratch": (
        {"core/core_a": "-- One row per x\n-- kept as: scratch\nSELECT 1e0 AS x"},
        "column x is DOUBLE",
    ),
    "a view with a variable": (
        {"core/core_a": "-- One row per x\n-- kept as: view\nSELECT getvariable('m') AS x"},
        "a view has no variables",
    ),
    "kept as something": ({"core/core_a": "-- One row per x\n-- kept as: index\nSELECT 1 AS x"}, "kept as: view"),
    "no such column": (
        {"core/core_a": "-- One row per x\n-- kept as: table, y uncompressed\nSELECT 1 AS x"},
        "core/core_a.sql: has no column y",
    ),
    "an instruction below a note": (
        {"core/core_a": "-- One row per x.\n-- A note.\n-- kept as: view\nSELECT 1 AS x"},
        "core/core_a.sql: write `-- kept as: view` once, directly below the first sentence",
    ),
    "two meanings": (
        {"out/out_a": "-- One row per x\n-- x: one\n-- x: another\nSELECT 1 AS x"},
        "out/out_a.sql: column x has two meanings",
    ),
    "a note among meanings": (
        {"out/out_a": "-- One row per x\n-- x: one\n-- which goes on\nSELECT 1 AS x"},
        "out/out_a.sql: `-- which goes on` is no `-- column: meaning`",
    ),
    "a meaning without a column": (
        {"out/out_a": "-- One row per x\n-- y: one\nSELECT 1 AS x"},
        "out_a: its header describes y, and there is no such column",
    ),
    "a double": ({"core/core_a": "-- One row per x\nSELECT 1 / 2 AS x"}, "column x is DOUBLE"),
    "a double in a view": (
        {"core/core_a": "-- One row per x\n-- kept as: view\nSELECT 1e0 AS x"},
        "column x is DOUBLE",
    ),
    "a float in a list": ({"out/out_a": "-- One row per x\nSELECT [1::FLOAT] AS x"}, r"column x is FLOAT\[\]"),
    "an average in a check": (
        {"checks/fail_a": "-- One row per x\nSELECT avg(1.5) AS x"},
        "checks/fail_a.sql: column x is DOUBLE",
    ),
    "a table in the macros": ({"macros/m": "CREATE TABLE t AS SELECT 1", "core/core_a": OK}, "macros/m.sql: holds"),
    "a macro that is none": ({"macros/m": "CREATE MACRO", "core/core_a": OK}, "macros/m.sql: cannot be parsed"),
    "a column that is not": (
        {"core/core_a": "-- One row per x\nSELECT nothing FROM core_b", "core/core_b": OK},
        "core/core_a.sql: .*nothing",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_breaks_a_rule_is_refused_by_name(built: Build, target: Path, case: str) -> None:
    files, message = REFUSED[case]
    with pytest.raises(SqlRefused, match=message):
        built(files)
    assert not target.exists()


def test_a_double_is_welcome_in_raw_alone(built: Build) -> None:
    built({"raw/raw_a": "-- One row per x\nSELECT 1.5::DOUBLE AS x"})


def test_a_name_of_python_is_no_relation(built: Build) -> None:
    core_b = pd.DataFrame({"x": [1]})
    assert len(core_b) == 1
    with pytest.raises(SqlRefused, match="core_b"):
        built({"core/core_a": "-- One row per x\nFROM core_b"})


def test_a_missing_lake_file_is_named(built: Build, tmp_path: Path) -> None:
    with pytest.raises(BuildFailed, match=r"lake_calls.*gone\.parquet.*pull"):
        built(
            {"raw/raw_calls": "-- One row per call\nFROM lake_calls"}, lake={"calls": [str(tmp_path / "gone.parquet")]}
        )


def test_a_lake_file_without_a_column_is_named(built: Build, tmp_path: Path) -> None:
    pq.write_table(pa.table({"network_id": pa.array([1], pa.int32())}), tmp_path / "old.parquet")
    with pytest.raises(BuildFailed, match=r"lake_calls.*mailbox_id"):
        built(
            {"raw/raw_calls": "-- One row per call\nFROM lake_calls"}, lake={"calls": [str(tmp_path / "old.parquet")]}
        )


def test_an_unknown_feed_is_refused(built: Build) -> None:
    with pytest.raises(SqlRefused, match="there is no feed bills"):
        built({"core/core_a": OK}, lake={"bills": []})


def test_a_memory_limit_holds_and_rows_spill(built: Build, target: Path, tmp_path: Path) -> None:
    text = "-- One row per number\nSELECT i, repeat('x', 100) AS t FROM range(1500000) AS n (i) ORDER BY hash(i)"
    spill = tmp_path / "spill"
    built({"core/core_big": text}, memory_limit="120MB", threads=1, temp_dir=spill)
    assert rows(target, "SELECT count(*) AS n FROM core_big") == [{"n": 1_500_000}]


def test_a_bad_memory_limit_says_how_to_write_one(built: Build) -> None:
    with pytest.raises(SettingsError, match="6GiB"):
        built({"core/core_a": OK}, memory_limit="plenty")


def test_no_warehouse_says_how_to_make_one(target: Path) -> None:
    with pytest.raises(NoSuchData, match="ecgrid-billing run"):
        database.connect(target)


def test_decimals_leave_exact(built: Build, target: Path) -> None:
    built({"core/core_a": "-- One row per x\nSELECT 0.1::DECIMAL(28, 10) AS x FROM range(3)"})
    with database.connect(target) as connection:
        found = database.frame(connection, "SELECT x FROM core_a WHERE x < ?", [1])
        again = database.frame(connection, "SELECT x FROM core_a WHERE x < $most", {"most": 1})
    assert isinstance(found["x"].dtype, pd.ArrowDtype)
    assert found["x"].sum() == Decimal("0.3")
    assert again.equals(found)


def test_the_warehouse_is_read_only_unless_asked(built: Build, target: Path) -> None:
    built({"core/core_a": OK})
    with database.connect(target) as connection, pytest.raises(Exception, match="read-only"):
        connection.execute("DROP TABLE core_a")


def test_rows_are_read_by_what_their_columns_equal() -> None:
    """Without any condition all rows, in the order that was asked for; None equals nothing."""
    with database.scratch(threads=1) as connection:
        connection.execute(
            """CREATE TABLE out_a AS FROM (VALUES (2, 'x', 0.5), (1, 'y', 1.5), (3, NULL, 2.5)) AS r (n, "t t", a)"""
        ).fetchall()
        assert database.rows(connection, "out_a", order=["n"]).column("n").to_pylist() == [1, 2, 3]
        found = database.rows(connection, "out_a", columns=["t t", "n"], order=["n"], n=2)
        assert found.to_pylist() == [{"t t": "x", "n": 2}]
        assert database.rows(connection, "out_a", **{"t t": "y", "n": 1}).num_rows == 1
        assert database.rows(connection, "out_a", **{"t t": None}).num_rows == 0


def test_the_projects_own_sql_is_in_order() -> None:
    """Every file under sql/ keeps the rules, and everything that it reads exists."""
    tree = sql_files.load_sql()
    known = tree.relations.keys() | {f"lake_{feed}" for feed in FEEDS}
    references = {f"reference_{path.stem}" for path in (tree.folder.parent / "data/reference").glob("*.csv")}
    unknown = {
        name: sorted(sql.reads - known - references)
        for name, sql in tree.relations.items()
        if sql.reads - known - references
    }
    assert unknown == {}


def test_many_rows_come_in_their_order() -> None:
    """Several row groups, two threads: what exports read has to be in the order that it was laid down in."""
    made = "SELECT hash(i) % 1000000 AS k, i::VARCHAR || 'x' AS v FROM range(1000000) AS r (i) ORDER BY k"
    with database.scratch(threads=2) as connection:
        connection.execute(f"CREATE TABLE many AS {made}").fetchall()
        for rows in ("FROM many", "FROM many ORDER BY k"):
            found = database.table(connection, rows)["k"].combine_chunks()
            assert pc.all(pc.less_equal(found[:-1], found[1:])).as_py(), rows


#: Builds an empty lake under each limit of a file's size: the write that fails is in the file's head, in macros, in
#: reference tables, in relations.
OF_LIMITED_SIZE = """
import resource, sys, tempfile
from pathlib import Path
from ecgrid_flows.errors import StorageFailed
from ecgrid_flows.warehouse import builder
for limit in map(int, sys.argv[2:]):
    with tempfile.TemporaryDirectory() as folder:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
        try:
            builder.build({}, Path(folder) / "billing.duckdb", reference_dir=Path(sys.argv[1]))
        except StorageFailed as error:
            print(str(error).partition(": the disk is full (")[1])
"""


@pytest.mark.parametrize(
    "limits",
    [
        [8_000, 120_000],
        pytest.param([30_000, 60_000, 90_000, 160_000, 200_000], marks=pytest.mark.long),
    ],
    ids=["two", "others"],
)
def test_a_full_disk_is_named_whichever_statement_of_a_build_meets_it(tmp_path: Path, limits: list[int]) -> None:
    script = tmp_path / "limited.py"  # without a file DuckDB takes a process for a person's, and draws a progress bar
    script.write_text(OF_LIMITED_SIZE, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, str(script), str(ROOT / "data/reference"), *map(str, limits)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines() == [": the disk is full ("] * len(limits)
