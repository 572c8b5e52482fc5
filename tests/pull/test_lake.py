"""Partitions: replaced whole, visible by manifest, the same bytes for the same rows, nothing foreign ever read."""

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ecgrid_flows.errors import StorageFailed
from ecgrid_flows.lake import partitions as lake_module
from ecgrid_flows.lake.partitions import Lake
from ecgrid_flows.storage.local import LocalStore
from ecgrid_transforms.money import Decimal
from ecgrid_transforms.schemas import CALLS, MONEY_TYPE

from .pulling import files

MONTH = date(2026, 10, 1)
FOLDER = "lake/calls/month=2026-10"
MANIFEST = "lake/_manifests/calls/2026-10.json"


def table(*amounts: str) -> pa.Table:
    return pa.table({"amount": pa.array([Decimal(amount) for amount in amounts], MONEY_TYPE)})


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    return LocalStore(tmp_path)


@pytest.fixture
def lake(store: LocalStore) -> Lake:
    return Lake(store)


def read(lake: Lake) -> list[Decimal]:
    return [value for batch in lake.batches("calls", MONTH) for value in batch.column("amount").to_pylist()]


def test_a_partition_is_replaced_whole(lake: Lake, tmp_path: Path) -> None:
    lake.write_partition("calls", MONTH, [table("1.10", "2.2")])
    before = lake.files("calls")
    lake.write_partition("calls", MONTH, [table("3.3333333333")])
    assert read(lake) == [Decimal("3.3333333333")]
    assert not Path(before[0]).exists(), "the parts of before are dropped"
    assert len(list((tmp_path / FOLDER).glob("*.parquet"))) == 1


def test_the_same_rows_give_the_same_bytes(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        Lake(LocalStore(tmp_path / name)).write_partition("calls", MONTH, [table("1"), table("2", "3")])
    assert files(tmp_path / "one") == files(tmp_path / "two")


def test_rows_added_in_pieces_make_the_same_part_as_rows_added_at_once(tmp_path: Path) -> None:
    for name, pieces in (("one", [table("1", "2", "3")]), ("two", [table("1"), table("2"), table("3")])):
        (tmp_path / name).mkdir()
        Lake(LocalStore(tmp_path / name)).write_partition("calls", MONTH, pieces)
    assert files(tmp_path / "one") == files(tmp_path / "two")


def test_a_partition_without_rows_has_one_part_with_the_columns_of_its_feed(lake: Lake) -> None:
    lake.write_partition("calls", MONTH, [table("1")])
    lake.write_partition("calls", MONTH, [])
    (part,) = lake.parts("calls", MONTH) or ()
    assert (part.rows, lake.months("calls")) == (0, [MONTH])
    assert pq.read_table(lake.files("calls")[0], partitioning=None).schema == CALLS


def test_tables_of_different_columns_stand_in_different_parts(lake: Lake) -> None:
    other = pa.table({"name": ["a"]})
    assert lake.write_partition("calls", MONTH, [table("1"), other]) == 2
    assert [pq.read_schema(path).names for path in lake.files("calls")] == [["amount"], ["name"]]


def test_a_large_partition_has_several_parts_and_full_row_groups(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lake_module, "ROWS_A_GROUP", 10)
    monkeypatch.setattr(lake_module, "BYTES_A_PART", 400)
    lake.write_partition("calls", MONTH, [table(str(number)) for number in range(45)])
    assert read(lake) == [Decimal(number) for number in range(45)]
    assert len(lake.files("calls")) > 1
    groups = pq.ParquetFile(lake.files("calls")[0]).metadata
    assert groups.row_group(0).num_rows == 10


def test_an_exception_leaves_the_partition_as_it_was(lake: Lake) -> None:
    lake.write_partition("calls", MONTH, [table("1")])

    def failing() -> Iterator[pa.Table]:
        yield table("2")
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        lake.write_partition("calls", MONTH, failing())
    assert read(lake) == [Decimal(1)]
    assert lake.quarantine_damaged() == []


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        ("part-00009-0123456789abcdef.parquet", b"", "it is empty"),
        ("stray.parquet", b"PAR1 nonsense PAR1", "no manifest names it"),
        ("notes.txt", b"hello", "no manifest names it"),
        ("part-00009-0123456789abcdef.parquet", b"half a part", "no manifest names it"),
    ],
)
def test_foreign_files_are_quarantined_and_named(
    lake: Lake, tmp_path: Path, name: str, content: bytes, why: str
) -> None:
    lake.write_partition("calls", MONTH, [table("1")])
    (tmp_path / FOLDER / name).write_bytes(content)
    assert read(lake) == [Decimal(1)], "what no manifest names is not read, also before it is quarantined"
    (quarantined,) = lake.quarantine_damaged()
    assert (quarantined.path, quarantined.now, quarantined.why) == (
        f"{FOLDER}/{name}",
        f"set-aside/{FOLDER}/{name}",
        why,
    )
    assert (tmp_path / quarantined.now).read_bytes() == content
    assert read(lake) == [Decimal(1)]


def test_a_leftover_of_a_killed_writer_is_dropped_without_a_word(lake: Lake, tmp_path: Path) -> None:
    lake.write_partition("calls", MONTH, [table("2")])
    leftover = Path(lake.files("calls")[0])
    content = leftover.read_bytes()
    lake.write_partition("calls", MONTH, [table("1")])
    leftover.write_bytes(content)
    assert lake.quarantine_damaged() == []
    assert not leftover.exists()


@pytest.mark.parametrize("damage", ["truncate", "overwrite", "flip a bit", "delete"])
def test_a_damaged_part_takes_its_partition_out_of_sight(lake: Lake, tmp_path: Path, damage: str) -> None:
    lake.write_partition("calls", MONTH, [table("1")])
    part = Path(lake.files("calls")[0])
    if damage == "truncate":
        part.write_bytes(part.read_bytes()[:-8])
    elif damage == "overwrite":
        part.write_bytes(b"\0" * part.stat().st_size)
    elif damage == "flip a bit":
        content = bytearray(part.read_bytes())
        content[len(content) // 2] ^= 1
        part.write_bytes(content)
    else:
        part.unlink()
    quarantined = lake.quarantine_damaged()
    assert quarantined[-1].path == MANIFEST
    assert part.name in quarantined[-1].why
    assert (lake.months("calls"), lake.files("calls")) == ([], [])


def test_a_manifest_that_is_none_is_quarantined(lake: Lake, tmp_path: Path) -> None:
    lake.write_partition("calls", MONTH, [table("1")])
    (tmp_path / MANIFEST).write_text('{"files": 5}')
    assert "it is not a manifest of this lake" in [quarantined.why for quarantined in lake.quarantine_damaged()]
    assert lake.months("calls") == []


def test_a_manifest_cannot_name_a_file_elsewhere(lake: Lake, tmp_path: Path) -> None:
    lake.write_partition("calls", MONTH, [table("1")])
    path = tmp_path / MANIFEST
    document = json.loads(path.read_text())
    document["files"][0]["name"] = "../../../secret.parquet"
    path.write_text(json.dumps(document))
    with pytest.raises(StorageFailed, match="not a manifest of this lake"):
        lake.files("calls")
    assert lake.quarantine_damaged()[0].path == MANIFEST


def test_the_schema_of_a_feed_keeps_the_meaning_of_its_columns(lake: Lake) -> None:
    lake.write_partition("calls", MONTH, [CALLS.empty_table(), table("1")])
    lake.write_partition("calls", MONTH, [pa.Table.from_pylist([_call()], schema=CALLS)])
    field = pq.read_schema(lake.files("calls")[0]).field("outcome")
    assert field.metadata == {b"description": b"line, no_line or fault"}


def _call() -> dict[str, object]:
    return {
        "network_id": 1,
        "mailbox_id": 0,
        "reporting_month": MONTH,
        "account_report": "FixedRate",
        "measure_field": "Each",
        "outcome": "line",
        "attempts": 1,
        "latency_ms": 5,
        "called_at": datetime(2026, 11, 1, tzinfo=UTC),
    }
