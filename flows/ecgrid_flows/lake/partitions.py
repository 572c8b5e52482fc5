"""The lake: Parquet partitions, one per feed and month. This module is its only writer.

    lake/<feed>/month=YYYY-MM/part-<number>-<hash of its content>.parquet
    lake/_manifests/<feed>/YYYY-MM.json      lists the visible parts, with rows, size and SHA-256 of each

A partition is replaced as a whole: its parts are written under new names, then one write of the manifest makes them
visible and the old ones are deleted. Readers of this project use manifests only. Any Parquet engine can open the folder
of a feed: it holds parts alone, at least one per month (with no rows where there are none), and the partition column
has a name of its own. No time or run is stored in a file, so the same rows give the same bytes and the same names.

A part's hash is checked before it is read, by `quarantine_damaged`: the first step of every command that reads the
lake.
"""

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date

import pyarrow as pa
import pyarrow.parquet as pq

from ecgrid_flows import formats
from ecgrid_flows.errors import StorageFailed
from ecgrid_flows.storage.base import Entry, Quarantined, Store
from ecgrid_transforms.period import NotAMonth, month_text, parse_month
from ecgrid_transforms.schemas import FEEDS

LAKE = "lake"
#: Folder of the manifests; no feed.
MANIFESTS = f"{LAKE}/_manifests"
#: Folder of notes on what was landed (see `land`); no feed.
LANDED = f"{LAKE}/_landed"
ROWS_A_GROUP = 65_536
#: Name of a part; `hash` begins the SHA-256 of its content.
PART = re.compile(r"part-\d{5}-(?P<hash>[0-9a-f]{16})\.parquet")
BYTES_A_PART = 64 << 20
_MONTH_FOLDER = "month="
#: How format 1 named the folders, which held their manifests themselves.
_MONTH_FOLDER_1, _MANIFEST_1 = "reporting_month=", "_manifest.json"
#: Files hashed at once: hashing lets other threads run.
_THREADS = 4


@dataclass(frozen=True, slots=True)
class Part:
    """One Parquet file of a partition, as in its manifest."""

    name: str
    rows: int
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Damaged:
    """A partition that lost its manifest because a part was damaged or missing; `rows` is its former row count."""

    feed: str
    month: date
    rows: int


class Lake:
    """The partitions in one store. `damaged` are those that `quarantine_damaged` moved away."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.damaged: list[Damaged] = []

    def files(self, feed: str, month: date | None = None) -> list[str]:
        """The Parquet files of a feed (of one month, or of all), from manifests alone; fetched where it is a bucket."""
        return self._store.locals(self.paths(feed, month))

    def paths(self, feed: str, month: date | None = None) -> list[str]:
        """The same files by their names in the store."""
        months = self.months(feed) if month is None else [month]
        return [f"{_folder(feed, one)}/{part.name}" for one in months for part in self.parts(feed, one) or ()]

    def months(self, feed: str) -> list[date]:
        """The months for which the feed has a partition, perhaps one without rows."""
        entries = self._store.entries(f"{MANIFESTS}/{feed}")
        return sorted(where[1] for entry in entries if (where := _of_manifest(entry.path)) is not None)

    def parts(self, feed: str, month: date) -> tuple[Part, ...] | None:
        """What the partition's manifest names; None when there is no partition."""
        path = _manifest_path(feed, month)
        if not self._store.exists(path):
            return None
        try:
            return _read_manifest(self._store.read(path), self._store.uri(path))
        except (ValueError, KeyError, TypeError, AttributeError):
            raise StorageFailed(
                f"{self._store.uri(path)} is not a manifest of this lake: `ecgrid-billing build` quarantines it and "
                "lands the month again"
            ) from None

    def part_count(self, month: date) -> int:
        """How many parts the month has, over all feeds."""
        return sum(len(self.parts(feed, month) or ()) for feed in FEEDS)

    def batches(self, feed: str, month: date, columns: list[str] | None = None) -> Iterator[pa.RecordBatch]:
        """The rows of one partition, in stored order, a batch at a time.

        Without Arrow's threads: they sometimes abort the process as it ends, with status 134 (apache/arrow#34314).
        """
        for part in self.parts(feed, month) or ():
            path = f"{_folder(feed, month)}/{part.name}"
            with self._store.open(path) as source, pq.ParquetFile(source, pre_buffer=False) as file:
                yield from file.iter_batches(batch_size=16_384, columns=columns, use_threads=False)

    def write_partition(self, feed: str, month: date, tables: Iterable[pa.Table | pa.RecordBatch]) -> int:
        """Replace the partition by these rows; returns their number."""
        with self.partition(feed, month) as partition:
            for table in tables:
                partition.add(table)
        return partition.rows

    def partition(self, feed: str, month: date) -> "PartitionWriter":
        """A writer that replaces the partition by the added rows, once its block ends without an exception."""
        return PartitionWriter(self._store, feed, month)

    def quarantine_damaged(self, *, advance: Callable[[], None] = lambda: None) -> list[Quarantined]:
        """Quarantine what is no part of a whole partition; lists what and why.

        A partition with a missing or damaged part loses its manifest too: it is landed again from the raw responses.
        `advance` is called after each part.
        """
        self._move_from_format_1()
        found: dict[str, dict[str, Entry]] = {}
        manifests: dict[str, str] = {}  # of a partition's folder, or of none
        for entry in list(self._store.entries(LAKE)):
            folder, name = entry.path.rsplit("/", 1)
            if entry.path.startswith(f"{MANIFESTS}/"):
                where = _of_manifest(entry.path)
                manifests[_folder(*where) if where else entry.path] = entry.path
            elif folder not in (LAKE, LANDED):
                found.setdefault(folder, {})[name] = entry
        quarantined: list[Quarantined] = []
        named: dict[str, tuple[Part, ...]] = {}
        for folder, path in manifests.items():
            try:
                if not folder.startswith(MANIFESTS):
                    named[folder] = _read_manifest(self._store.read(path), self._store.uri(path))
                    continue
            except (ValueError, KeyError, TypeError, AttributeError):
                pass
            quarantined.append(self._store.quarantine(path, "it is not a manifest of this lake"))
        whole = self._whole(found, named, advance)
        for folder, entries in found.items():
            quarantined.extend(self._examine(entries, named.get(folder, ()), whole))
        for folder, parts in named.items():
            lost = [part.name for part in parts if f"{folder}/{part.name}" not in whole]
            if lost:
                feed, month = folder.split("/")[1], parse_month(folder.rpartition("=")[2])
                self.damaged.append(Damaged(feed, month, sum(part.rows for part in parts)))
                quarantined.append(
                    self._store.quarantine(manifests[folder], f"it names {lost[0]}, which is missing or damaged")
                )
        return quarantined

    def _whole(
        self, found: dict[str, dict[str, Entry]], named: dict[str, tuple[Part, ...]], advance: Callable[[], None]
    ) -> set[str]:
        """The parts whose content is what their manifests describe."""
        sized = [
            (found[folder][part.name], part.sha256)
            for folder, parts in named.items()
            for part in parts
            if folder in found and part.name in found[folder] and found[folder][part.name].size == part.size
        ]
        results = []
        with ThreadPoolExecutor(_THREADS, "hash") as threads:
            for is_whole in threads.map(lambda one: self._store.holds(*one), sized):
                results.append(is_whole)
                advance()
        return {entry.path for (entry, _), is_whole in zip(sized, results, strict=True) if is_whole}

    def _examine(self, entries: dict[str, Entry], parts: tuple[Part, ...], whole: set[str]) -> Iterator[Quarantined]:
        """Quarantine what one folder holds besides whole parts of its manifest."""
        names = {part.name for part in parts}
        for name, entry in entries.items():
            if entry.path in whole:
                continue
            if name in names:
                yield self._store.quarantine(entry.path, "it is not the file that its manifest describes")
            elif entry.size == 0:
                yield self._store.quarantine(entry.path, "it is empty")
            elif self._is_leftover(entry.path, name):
                self._store.delete(entry.path)  # of a run that ended before its manifest: whole, never visible
            else:
                yield self._store.quarantine(entry.path, "no manifest names it")

    def _move_from_format_1(self) -> None:
        """Move the partitions of format 1 to their present places, each atomically.

        They are moved, not deleted, because the raw responses of some months may be kept elsewhere. A part that its
        manifest does not describe stays in place, and is quarantined with the rest of its folder.
        """
        for entry in list(self._store.entries(LAKE)):
            folder, name = entry.path.rsplit("/", 1)
            feed, _, tail = folder.removeprefix(f"{LAKE}/").partition("/")
            if name != _MANIFEST_1 or not tail.startswith(_MONTH_FOLDER_1):
                continue
            try:
                month = parse_month(tail.removeprefix(_MONTH_FOLDER_1))
                parts = _read_manifest(self._store.read(entry.path), self._store.uri(entry.path))
            except (ValueError, KeyError, TypeError, AttributeError):
                continue
            contents = {}
            for part in parts:
                path = f"{folder}/{part.name}"
                contents[part] = self._store.read(path) if self._store.exists(path) else b""
            if any(hashlib.sha256(data).hexdigest() != part.sha256 for part, data in contents.items()):
                continue
            if not self._store.exists(_manifest_path(feed, month)):
                for part, data in contents.items():
                    self._store.write(f"{_folder(feed, month)}/{part.name}", data)
                self._store.write(_manifest_path(feed, month), _manifest(feed, month, list(parts)))
            for part in parts:
                self._store.delete(f"{folder}/{part.name}")
            self._store.delete(entry.path)

    def _is_leftover(self, path: str, name: str) -> bool:
        match = PART.fullmatch(name)
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
            self._begin_part(table.schema)
        self._waiting.append(table)
        self._waiting_rows += table.num_rows
        self.rows += table.num_rows
        if self._waiting_rows >= ROWS_A_GROUP:
            self._end_group()

    def _begin_part(self, schema: pa.Schema) -> None:
        self._schema, self._sink, self._part_rows = schema, pa.BufferOutputStream(), 0
        self._writer = pq.ParquetWriter(self._sink, schema, compression="zstd", version="2.6")

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
        if not self._parts and self._feed in FEEDS:
            self._begin_part(FEEDS[self._feed])
            self._end_part()
        path = _manifest_path(self._feed, self._month)
        manifest = _manifest(self._feed, self._month, self._parts)
        version = self._store.version(path)
        unchanged = version is not None and self._store.read(path) == manifest
        if not unchanged and not self._store.write_if(path, manifest, version):
            raise StorageFailed(f"{self._store.uri(path)} was written by another process meanwhile: run again")
        kept = {part.name for part in self._parts}
        for entry in list(self._store.entries(self._folder)):
            name = entry.path.rsplit("/", 1)[1]
            if name not in kept and PART.fullmatch(name):
                self._store.delete(entry.path)


def _folder(feed: str, month: date) -> str:
    return f"{LAKE}/{feed}/{_MONTH_FOLDER}{month_text(month)}"


def _manifest_path(feed: str, month: date) -> str:
    return f"{MANIFESTS}/{feed}/{month_text(month)}.json"


def _of_manifest(path: str) -> tuple[str, date] | None:
    """Feed and month of the manifest at `path`; None for any other file."""
    feed, _, name = path.removeprefix(f"{MANIFESTS}/").partition("/")
    try:
        return (feed, parse_month(name.removesuffix(".json"))) if feed and name.endswith(".json") else None
    except NotAMonth:
        return None


def _manifest(feed: str, month: date, parts: list[Part]) -> bytes:
    document = {
        **formats.stamp("lake"),
        "feed": feed,
        "reporting_month": month_text(month),
        "rows": sum(part.rows for part in parts),
        "files": [{"name": part.name, "rows": part.rows, "bytes": part.size, "sha256": part.sha256} for part in parts],
    }
    return (json.dumps(document, indent=1) + "\n").encode()


def _read_manifest(data: bytes, where: str) -> tuple[Part, ...]:
    found = json.loads(data)
    formats.require_readable("lake", found, where)
    parts = tuple(
        Part(str(file["name"]), int(file["rows"]), int(file["bytes"]), str(file["sha256"])) for file in found["files"]
    )
    if not all(PART.fullmatch(part.name) for part in parts):
        raise ValueError("a manifest names parts of its own folder only")
    return parts
