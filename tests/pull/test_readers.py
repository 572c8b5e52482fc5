"""The folder of a feed opens with pandas, polars, DuckDB and pyarrow as it is."""

from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.dataset as ds
import pytest

from ecgrid_flows.lake.landing import _as_one_type
from ecgrid_flows.lake.partitions import Lake
from ecgrid_flows.storage.local import LocalStore
from ecgrid_transforms.money import Decimal
from ecgrid_transforms.schemas import CALLS, FEEDS, MONEY_TYPE

SEPTEMBER, OCTOBER = date(2026, 9, 1), date(2026, 10, 1)


def by_duckdb(pattern: str) -> list[str]:
    rows = duckdb.sql(f"SELECT month, reporting_month FROM read_parquet('{pattern}', hive_partitioning = true)")
    return [f"{month} {day}" for month, day in rows.fetchall()]


def months(frame: pd.DataFrame | pl.DataFrame) -> list[str]:
    return [f"{month} {day}" for month, day in zip(frame["month"], frame["reporting_month"], strict=True)]


#: How a user opens a folder, and the two months of each row: that of the partition and that of its own column.
READERS: dict[str, Callable[[Path], list[str]]] = {
    "pandas": lambda folder: months(pd.read_parquet(folder)),
    "polars, folder": lambda folder: months(pl.read_parquet(folder)),
    "polars, pattern": lambda folder: months(pl.read_parquet(folder / "**/*.parquet", hive_partitioning=True)),
    "duckdb": lambda folder: by_duckdb(f"{folder}/**/*.parquet"),
    "pyarrow": lambda folder: months(ds.dataset(folder, partitioning="hive").to_table().to_pandas()),
}


def call(month: date) -> dict[str, object]:
    return {
        "network_id": 1,
        "mailbox_id": 0,
        "reporting_month": month,
        "account_report": "FixedRate",
        "measure_field": "Each",
        "outcome": "line",
        "attempts": 1,
        "latency_ms": 5,
        "called_at": datetime(2026, 11, 1, tzinfo=UTC),
    }


@pytest.mark.parametrize("reader", READERS)
def test_the_folder_of_a_feed_opens(tmp_path: Path, reader: str) -> None:
    lake = Lake(LocalStore(tmp_path))
    for month, rows in ((SEPTEMBER, 2), (OCTOBER, 1)):
        lake.write_partition("calls", month, [pa.Table.from_pylist([call(month)] * rows, schema=CALLS)])
    found = sorted(READERS[reader](tmp_path / "lake/calls"))
    assert found == ["2026-09 2026-09-01", "2026-09 2026-09-01", "2026-10 2026-10-01"]


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("feed", FEEDS)
def test_the_folder_of_a_feed_without_rows_opens(tmp_path: Path, feed: str, reader: str) -> None:
    Lake(LocalStore(tmp_path)).write_partition(feed, OCTOBER, [])
    assert READERS[reader](tmp_path / "lake" / feed) == []


def test_columns_of_one_name_become_one_type_and_never_a_float() -> None:
    money = pa.chunked_array([pa.array([Decimal("1.5")], MONEY_TYPE)])
    whole, text = pa.chunked_array([pa.array([7], pa.int32())]), pa.chunked_array([["n/a"]])
    assert [column.to_pylist() for column in _as_one_type([money, whole])] == [[Decimal("1.5")], [Decimal(7)]]
    assert [column.to_pylist() for column in _as_one_type([whole, text])] == [["7"], ["n/a"]]
    floats = pa.chunked_array([pa.array([0.5], pa.float64())])
    assert [column.to_pylist() for column in _as_one_type([floats, whole])] == [["0.5"], ["7"]]
