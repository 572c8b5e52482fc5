"""The lake: Parquet partitions, one per feed and month. This module is its only writer.

    lake/<feed>/reporting_month=YYYY-MM/part-<number>-<hash of its content>.parquet
    lake/<feed>/reporting_month=YYYY-MM/_manifest.json      names the parts that count

A partition is replaced whole: its parts are written under new names, then one write of the manifest makes them visible
and the old ones are dropped. Readers follow manifests and nothing else. Nothing of the time or the run goes into a
file, so the same rows give the same bytes and the same names.
"""

import hashlib
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date

import pyarrow as pa
import pyarrow.parquet as pq

from ecgrid_flows.errors import StorageFailed
from ecgrid_flows.store import SetAside, Store
from ecgrid_transforms.period import NotAMonth, month_text, parse_month

LAKE = "lake"
MANIFEST = "_manifest.json"
#: Folder of notes on what was landed (see `land`); no feed.
LANDED = f"{LAKE}/_landed"
ROWS_A_GROUP = 65_536
BYTES_A_PART = 64 << 20

_PART = re.compile(r"part-\d{5}-(?P<hash>[0-9a-f]{16})\.parquet")
_MONTH_FOLDER = "reporting_month="
_MAGIC = b"PAR1"


@dataclass(frozen=True, slots=True)
class Part:
    """One Parquet file of a partition, as its manifest describes it."""

    name: str
    rows: int
    size: int
    sha256: str


class Lake:
    """The partitions in one store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def files(self, feed: str, month: date | None = None) -> list[str]:
        """The Parquet files of a feed (of one month, or of all), from manifests alone; fetched where it is a bucket."""
        return self._store.locals(self.paths(feed, month))

    def paths(self, feed: str, month: date | None = None) -> list[str]:
        """The same files by their names in the store."""
        months = self.months(feed) if month is None else [month]
        return [f"{_folder(feed, one)}/{part.name}" for one in months for part in self.parts(feed, one) or ()]

    def months(self, feed: str) -> list[date]:
        """The months for which the feed has a partition, perhaps one without rows."""
        top = f"{LAKE}/{feed}/"
        found = {
            month
            for entry in self._store.entries(top.rstrip("/"))
            if entry.path.endswith("/" + MANIFEST) and (month := _month_of(entry.path[len(top) :])) is not None
        }
        return sorted(found)

    def parts(self, feed: str, month: date) -> tuple[Part, ...] | None:
        """What the partition's manifest names; None when there is no partition."""
        path = f"{_folder(feed, month)}/{MANIFEST}"
        if not self._store.exists(path):
            return None
        try:
            return _read_manifest(self._store.read(path))
        except (ValueError, KeyError, TypeError):
            raise StorageFailed(
                f"{self._store.uri(path)} is no manifest of this lake: `ecgrid-billing build` sets it aside and "
                "lands the month again"
            ) from None

    def batches(self, feed: str, month: date, columns: list[str] | None = None) -> Iterator[pa.RecordBatch]:
        """The rows of one partition, in stored order, a batch at a time."""
        for part in self.parts(feed, month) or ():
            with self._store.open(f"{_folder(feed, month)}/{part.name}") as source, pq.ParquetFile(source) as file:
                yield from file.iter_batches(batch_size=16_384, columns=columns)

    def write_partition(self, feed: str, month: date, tables: Iterable[pa.Table | pa.RecordBatch]) -> int:
        """Replace the partition by these rows; gives how many there are."""
        with self.partition(feed, month) as partition:
            for table in tables:
                partition.add(table)
        return partition.rows

    def partition(self, feed: str, month: date) -> "PartitionWriter":
        """A writer that replaces the partition by what is added, once its block ends without an exception."""
        return PartitionWriter(self._store, feed, month)

    def set_aside(self) -> list[SetAside]:
        """Take out of sight what is no part of a whole partition, and say what and why.

        A partition whose own part is gone or damaged loses its manifest too: it is landed again from the raw answers.
        """
        folders: dict[str, dict[str, int]] = {}
        for entry in self._store.entries(LAKE):
            folder, name = entry.path.rsplit("/", 1)
            if folder != LANDED:
                folders.setdefault(folder, {})[name] = entry.size
        aside: list[SetAside] = []
        for folder, names in folders.items():
            aside.extend(self._examine(folder, names))
        return aside

    def _examine(self, folder: str, names: dict[str, int]) -> Iterator[SetAside]:
        parts: tuple[Part, ...] = ()
        if MANIFEST in names:
            try:
                parts = _read_manifest(self._store.read(f"{folder}/{MANIFEST}"))
            except (ValueError, KeyError, TypeError):
                yield self._store.set_aside(f"{folder}/{MANIFEST}", "it is no manifest of this lake")
        named = {part.name: part for part in parts}
        for name, size in names.items():
            path = f"{folder}/{name}"
            if name == MANIFEST or (name in named and self._is_whole(path, size, named[name])):
                continue
            if name in named:
                yield self._store.set_aside(path, "it is not the file that its manifest describes")
            elif size == 0:
                yield self._store.set_aside(path, "it is empty")
            elif self._is_leftover(path, name):
                self._store.delete(path)  # of a run that ended before its manifest: whole, but never visible
            else:
                yield self._store.set_aside(path, "no manifest names it")
        broken = [
            part.name for part in parts if part.name not in names or not self._store.exists(f"{folder}/{part.name}")
        ]
        if broken:
            yield self._store.set_aside(f"{folder}/{MANIFEST}", f"it names {broken[0]}, which is not there whole")

    def _is_whole(self, path: str, size: int, part: Part) -> bool:
        """Size and both magic words; the content was durable before the manifest named it."""
        if size != part.size or size < 12:
            return False
        return self._store.read_range(path, 0, 4) == self._store.read_range(path, size - 4, 4) == _MAGIC

    def _is_leftover(self, path: str, name: str) -> bool:
        match = _PART.fullmatch(name)
        if match is None:
            return False
        return hashlib.sha256(self._store.read(path)).hexdigest().startswith(match["hash"])


class PartitionWriter:
    """Collects the rows of one partition, streamed, and makes them visible at the end, all at once.

    Row groups are filled up, whatever the size of what is added. A part ends at `BYTES_A_PART`, and where the next
    table has other columns (DataSet feeds).
    """

    def __init__(self, store: Store, feed: str, month: date) -> None:
        self._store = store
        self._feed = feed
        self._month = month
        self._folder = _folder(feed, month)
        self._parts: list[Part] = []
        self._schema: pa.Schema | None = None
        self._sink = pa.BufferOutputStream()
        self._writer: pq.ParquetWriter | None = None
        self._waiting: list[pa.Table] = []
        self._waiting_rows = self._part_rows = 0
        self.rows = 0

    def __enter__(self) -> "PartitionWriter":
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self._commit()

    def add(self, rows: pa.Table | pa.RecordBatch) -> None:
        """Add rows below those added before."""
        table = pa.Table.from_batches([rows]) if isinstance(rows, pa.RecordBatch) else rows
        if table.num_rows == 0:
            return
        if self._writer is not None and (table.schema != self._schema or self._sink.tell() >= BYTES_A_PART):
            self._end_part()
        if self._writer is None:
            self._schema, self._sink, self._part_rows = table.schema, pa.BufferOutputStream(), 0
            self._writer = pq.ParquetWriter(self._sink, self._schema, compression="zstd", version="2.6")
        self._waiting.append(table)
        self._waiting_rows += table.num_rows
        self.rows += table.num_rows
        if self._waiting_rows >= ROWS_A_GROUP:
            self._end_group()

    def _end_group(self) -> None:
        if self._waiting and self._writer is not None:
            group = pa.concat_tables(self._waiting).combine_chunks()
            self._writer.write_table(group, row_group_size=group.num_rows)
            self._part_rows += group.num_rows
        self._waiting, self._waiting_rows = [], 0

    def _end_part(self) -> None:
        if self._writer is None:
            return
        self._end_group()
        self._writer.close()
        self._writer = None
        data = self._sink.getvalue().to_pybytes()
        digest = hashlib.sha256(data).hexdigest()
        part = Part(f"part-{len(self._parts):05}-{digest[:16]}.parquet", self._part_rows, len(data), digest)
        if not self._store.exists(f"{self._folder}/{part.name}"):
            self._store.write(f"{self._folder}/{part.name}", data)
        self._parts.append(part)

    def _commit(self) -> None:
        self._end_part()
        manifest = _manifest(self._feed, self._month, self._parts)
        path = f"{self._folder}/{MANIFEST}"
        version = self._store.version(path)
        unchanged = version is not None and self._store.read(path) == manifest
        if not unchanged and not self._store.write_if(path, manifest, version):
            raise StorageFailed(f"{self._store.uri(path)} was written by someone else meanwhile: run again")
        kept = {MANIFEST, *(part.name for part in self._parts)}
        for entry in list(self._store.entries(self._folder)):
            name = entry.path.rsplit("/", 1)[1]
            if name not in kept and _PART.fullmatch(name):
                self._store.delete(entry.path)


def _folder(feed: str, month: date) -> str:
    return f"{LAKE}/{feed}/{_MONTH_FOLDER}{month_text(month)}"


def _month_of(tail: str) -> date | None:
    folder = tail.split("/", 1)[0]
    if not folder.startswith(_MONTH_FOLDER):
        return None
    try:
        return parse_month(folder.removeprefix(_MONTH_FOLDER))
    except NotAMonth:
        return None


def _manifest(feed: str, month: date, parts: list[Part]) -> bytes:
    document = {
        "feed": feed,
        "reporting_month": month_text(month),
        "rows": sum(part.rows for part in parts),
        "files": [{"name": part.name, "rows": part.rows, "bytes": part.size, "sha256": part.sha256} for part in parts],
    }
    return (json.dumps(document, indent=1) + "\n").encode()


def _read_manifest(data: bytes) -> tuple[Part, ...]:
    parts = tuple(
        Part(str(file["name"]), int(file["rows"]), int(file["bytes"]), str(file["sha256"]))
        for file in json.loads(data)["files"]
    )
    if not all(_PART.fullmatch(part.name) for part in parts):
        raise ValueError("a manifest names parts of its own folder only")
    return parts
