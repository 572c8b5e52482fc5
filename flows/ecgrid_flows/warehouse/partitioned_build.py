"""A build by partitions: the relations of `builder.build`, made by jobs of bounded memory.

The scope of a relation is in its own header (`-- per:`):

- a *cell*, one month of some accounts: rating, proofs and the checks of a line;
- a *group*, those accounts in all months: comparisons of a month with the previous one;
- the *whole*, every relation without that line: price lists, readings, invoices, double billing.

The build proceeds in rounds. In a round every cell and every group is one job: a DuckDB database of its own that reads
and writes Parquet. The whole is built by the run itself, in the file that becomes the warehouse. A round reads what
earlier rounds wrote; `rounds` derives the rounds from the relations that each SELECT reads. Readers of a partitioned
relation get its parts merged by the `-- parts:` line of its header: `rows`, where each row is in one part, or an
aggregate for each column outside the key. Numbers that a job assigns (`case_id`) are valid only in that job: such
relations are *local* (`-- per: cell, local`) and may be read only over the same cell or group.

The resulting warehouse has tables for the whole and views on the parts' Parquet files beside it.
"""

import hashlib
import logging
import secrets
import shutil
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from functools import cache
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from ecgrid_flows.errors import SettingsError
from ecgrid_flows.storage.base import Store, disk_errors
from ecgrid_flows.storage.parts import fetched
from ecgrid_flows.warehouse import builder, sql_files
from ecgrid_flows.warehouse.database import Connection
from ecgrid_flows.warehouse.sql_tree import BuildReport, BuiltRelation, SqlRefused, SqlTree
from ecgrid_transforms.period import month_text
from ecgrid_transforms.schemas import FEEDS

log = logging.getLogger(__name__)

CELL, GROUP, WHOLE, QUOTE = "cell", "group", "whole", "quote"

#: Feeds as large as the lines: read in place, never copied.
BULK = ("line_items", "line_item_history", "calls", "invoice_lines")
#: Prefixes of the public relations of a warehouse.
SHOWN = ("out_", "fail_", "warn_", "info_")

#: Peak memory of a job per line, measured (tests/bench/scale.py).
BYTES_A_LINE = 1_500
#: DuckDB's share of a job's memory; the rest is for Python and for what DuckDB does not count.
DUCKDB_SHARE = 0.6
#: Cut points per cell: cells are cut with this precision.
GRAINS = 8
#: Parts of the previous warehouse are kept for processes that still read it.
BUILDS_KEPT = 2

PARTS = "warehouse/parts"

Bound = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Accounts:
    """Accounts after `after` up to `to`, by network and mailbox; None is no bound."""

    number: int
    after: Bound | None
    to: Bound | None

    def condition(self) -> str:
        """As SQL over network_id and mailbox_id, so that Parquet's statistics can tell files apart."""
        parts = []
        if self.after is not None:
            parts.append(
                f"network_id >= {self.after[0]} AND (network_id > {self.after[0]} OR mailbox_id > {self.after[1]})"
            )
        if self.to is not None:
            parts.append(f"network_id <= {self.to[0]} AND (network_id < {self.to[0]} OR mailbox_id <= {self.to[1]})")
        return " AND ".join(parts)


@dataclass(frozen=True, slots=True)
class Part:
    """The rows of one relation that one job wrote: a Parquet object in the store."""

    path: str
    rows: int


@dataclass(frozen=True, slots=True)
class Job:
    """The instructions of one job. Paths are the store's; nothing here is secret.

    `lake` has the files of bulk feeds, `inputs` those of partitioned relations; an input without rows has a file in
    `empty` for its columns. `whole` has database files and the relations in each. The job evaluates `wanted` and writes
    `kept`, a part of them.
    """

    build: str
    round: int
    over: str
    accounts: Accounts
    month: date | None
    lake: Mapping[str, tuple[str, ...]]
    inputs: Mapping[str, tuple[str, ...]]
    empty: Mapping[str, str]
    whole: Mapping[str, tuple[str, ...]]
    wanted: tuple[str, ...]
    kept: tuple[str, ...]
    sql_digest: str
    threads: int
    memory_mb: int

    @property
    def name(self) -> str:
        """The name of the job, unique in its round."""
        month = "all" if self.month is None else month_text(self.month)
        return f"{self.over}-{month}-{self.accounts.number:04}"


# --- the plan of a build ----------------------------------------------------------------------------------------------


def rounds(tree: SqlTree) -> dict[str, int]:
    """Relation -> the round that evaluates it, after all that it reads; jobs of one kind share a round where possible.

    Raises `SqlRefused` for a relation that reads parts without a `-- parts:` line, or local ones from outside.
    """
    found: dict[str, int] = {}

    def round_of(name: str) -> int:
        if name not in tree.relations or name in _BULK_RAWS:
            return 0
        if name not in found:
            sql, reached = tree.relations[name], 1
            for read in sorted(sql.reads):
                is_own = _over(tree, read) == sql.over
                if not is_own:
                    _require_whole_rows(tree, name, read)
                reached = max(reached, round_of(read) + (0 if is_own else 1))
            found[name] = reached
        return found[name]

    for name, sql in tree.relations.items():
        if sql.over != QUOTE and name not in _BULK_RAWS:
            round_of(name)
    return found


def _over(tree: SqlTree, name: str) -> str:
    """The scope of `name`; `lake_` and `reference_` are read by the whole."""
    return tree.relations[name].over if name in tree.relations else WHOLE


def _require_whole_rows(tree: SqlTree, name: str, read: str) -> None:
    """Raise `SqlRefused` if `name` may not read `read`, which has another scope."""
    if _over(tree, read) == WHOLE:
        return
    over, sql = tree.relations[name].over, tree.relations[read]
    if sql.is_local:
        raise SqlRefused(
            f"{name} is worked out over the {over} and reads {read}, whose rows mean something over one "
            f"{sql.over} only: write `-- per: {sql.over}` in its header, or read another relation"
        )
    if sql.parts is None or (over != WHOLE and sql.parts != "rows"):
        raise SqlRefused(
            f"{name} is worked out over the {over} and reads {read}, which is worked out per {sql.over}: state in the "
            f"header of {read} how its parts are put together (`-- parts: rows` where each row is in one part)"
        )


_BULK_RAWS = frozenset(f"raw_{feed}" for feed in BULK)


def digest(tree: SqlTree) -> str:
    """A digest that identifies the version of the SQL."""
    texts = [(name, sql.text) for name, sql in sorted(tree.relations.items())]
    texts += [(path.name, path.read_text(encoding="utf-8")) for path in tree.macros]
    return hashlib.sha256(repr(texts).encode()).hexdigest()


@cache
def _own_digest() -> str:
    return digest(sql_files.load_sql())


def survey(files: Sequence[str], grain: int) -> list[Bound]:
    """Every `grain`-th account key of some files, in key order: candidate cut points for partitions."""
    keys = [
        pq.read_table(path, columns=["network_id", "mailbox_id"], use_threads=False).to_pandas().to_numpy(np.int64)
        for path in files
    ]
    if not keys:
        return []
    both = np.concatenate(keys)
    packed = np.sort((both[:, 0] << 32) + both[:, 1])
    return [(int(key >> 32), int(key & 0xFFFFFFFF)) for key in packed[grain - 1 :: grain]]


def grouped(surveys: Iterable[Sequence[Bound]]) -> list[Accounts]:
    """Groups of accounts with about `GRAINS` grains of lines in their largest month; see `survey`."""
    ends: list[Bound] = []
    counts: dict[int, int] = {}
    marks = sorted((bound, month) for month, found in enumerate(surveys) for bound in found)
    for bound, month in marks:
        counts[month] = counts.get(month, 0) + 1
        if counts[month] >= GRAINS and (not ends or bound > ends[-1]):
            ends.append(bound)
            counts = {}
    if ends and not counts:
        ends.pop()  # nothing is left behind the last end: that group is open
    bounds = [None, *ends, None]
    return [Accounts(number, bounds[number], bounds[number + 1]) for number in range(len(bounds) - 1)]


# --- one job ----------------------------------------------------------------------------------------------------------

_one_at_a_time = threading.Lock()


def run_job(job: Job, store: Store, scratch: Path) -> dict[str, Part]:
    """Run one job on this machine; return what it wrote. One at a time per process, to bound its memory."""
    tree = sql_files.load_sql()
    if _own_digest() != job.sql_digest:
        raise SettingsError("this worker has another version of ecgrid-billing than the run: install the same on both")
    folder = scratch / f"{job.name}-{secrets.token_hex(4)}"
    with _one_at_a_time, _workspace(folder), _connection(folder / "job.duckdb", tree, job.threads, job.memory_mb) as db:
        given = _offer(db, tree, job, store)
        builder.materialise(db, tree, job.wanted, given)
        written: dict[str, Part] = {}
        for name in job.kept:
            file = folder / f"{name}.parquet"
            rows = builder.write_parquet(db, name, file)
            if rows or job.accounts.number == 0:  # of parts without rows one is enough to show the columns
                path = f"{PARTS}/{job.build}/{name}/{job.name}-{secrets.token_hex(4)}.parquet"
                store.adopt(path, file)
                written[name] = Part(path, rows)
            else:
                file.unlink()
    return written


def _offer(db: Connection, tree: SqlTree, job: Job, store: Store) -> list[str]:
    """Make the job's inputs readable; return their names."""
    condition = job.accounts.condition()
    given = [
        builder.create_raw_view(db, tree, feed, fetched(store, paths), condition) for feed, paths in job.lake.items()
    ]
    for name, paths in job.inputs.items():
        if paths:
            builder.create_scan(db, name, store.locals(paths))
        else:
            builder.create_scan(db, name, store.locals([job.empty[name]]), "false")
        given.append(name)
    for path, names in job.whole.items():
        builder.attach(db, store.locals([path])[0], {name: _narrow(tree, name, job) for name in names})
        given += names
    return given


def _narrow(tree: SqlTree, name: str, job: Job) -> str:
    """What a job reads of a large relation of the whole (`read by account and month`): its own accounts and month."""
    per = tree.relations[name].header.instructions.get("per", WHOLE) if name in tree.relations else WHOLE
    parts = [job.accounts.condition()] if "account" in per else []
    if "month" in per and job.month is not None:
        parts.append(f"reporting_month = DATE '{job.month.isoformat()}'")
    return " AND ".join(part for part in parts if part)


@contextmanager
def _workspace(folder: Path) -> Iterator[None]:
    with disk_errors(str(folder)):
        folder.mkdir(parents=True)
    try:
        yield
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _connection(path: Path, tree: SqlTree, threads: int, memory_mb: int) -> Iterator[Connection]:
    with builder.workbench(
        path,
        tree,
        threads=threads,
        memory_limit=f"{int(memory_mb * DUCKDB_SHARE)}MiB",
        temp_dir=path.with_suffix(".spill"),
    ) as connection:
        # DuckDB takes a worker process for somebody at a terminal, and would draw on the run's stdout.
        connection.execute("SET enable_progress_bar = false").fetchall()
        yield connection


# --- the build --------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Sources:
    """What a build reads: names of the lake's files in the store by feed and month, and the reference folders."""

    lake: Mapping[str, Mapping[date, Sequence[str]]]
    reference_dirs: Sequence[Path]


@dataclass(slots=True)
class Bounds:
    """How a build is cut: memory of a job, its threads, the lines of a cell, and the threads of the whole's own work.

    Jobs and the whole take turns, so the whole may have every core that the jobs share.
    """

    memory_mb: int
    threads: int
    lines: int
    whole_threads: int


def lines_that_fit(memory_mb: int) -> int:
    """How many lines one job of so much memory can work out."""
    return memory_mb * 1024 * 1024 // BYTES_A_LINE


Jobs = Callable[[list[Job]], list[dict[str, Part]]]
Surveys = Callable[[list[tuple[list[str], int]]], list[list[Bound]]]


@dataclass(slots=True)
class _Written:
    """What the jobs of one relation wrote, by the name of the job."""

    parts: dict[str, Part] = field(default_factory=dict)
    #: A part without rows, for the columns.
    empty: str = ""


def build(
    sources: Sources, store: Store, target: Path, bounds: Bounds, do_jobs: Jobs, do_surveys: Surveys
) -> BuildReport:
    """Build the warehouse anew into `target` by partitions; `target` is replaced only when all of it is built.

    `do_jobs` runs the jobs of a round anywhere and returns what each wrote, in order; `do_surveys` the same
    for `survey`.
    """
    started = time.perf_counter()
    return _Build(sources, store, target, bounds, do_jobs, do_surveys).run(started)


class _Build:
    def __init__(
        self, sources: Sources, store: Store, target: Path, bounds: Bounds, do_jobs: Jobs, do_surveys: Surveys
    ) -> None:
        self._sources, self._store, self._target, self._bounds = sources, store, target, bounds
        self._do_jobs, self._do_surveys = do_jobs, do_surveys
        self._tree = sql_files.load_sql()
        self._rounds = rounds(self._tree)
        self._digest = digest(self._tree)
        self._name = f"{int(time.time()):010}-{secrets.token_hex(4)}"
        self._parted: dict[str, _Written] = {}
        self._exported: dict[str, str] = {}
        self._present: set[str] = set()
        self._built: list[BuiltRelation] = []
        self._months = sorted({month for feed in ("line_items", "line_item_history") for month in sources.lake[feed]})
        self._groups: list[Accounts] = []

    def run(self, started: float) -> BuildReport:
        lines = [list(self._sources.lake["line_items"].get(month, ())) for month in self._months]
        grain = max(self._bounds.lines // GRAINS, 1)
        self._groups = grouped(self._do_surveys([(paths, grain) for paths in lines]))
        new = self._target.with_name(f"{self._target.name}.new")
        with _connection(new, self._tree, self._bounds.whole_threads, self._bounds.memory_mb) as db:
            self._take_lake(db)
            for number in range(1, max(self._rounds.values()) + 1):
                wanted = [name for name, found in self._rounds.items() if found == number]
                self._work_parts(number, [name for name in wanted if self._over(name) != WHOLE])
                self._work_whole(db, [name for name in wanted if self._over(name) == WHOLE])
            self._show_parts(db)
            builder.describe(db, self._tree)
            db.execute("CHECKPOINT").fetchall()
        new.replace(self._target)
        self._drop_old_builds()
        return BuildReport(self._target, tuple(self._built), time.perf_counter() - started)

    def _over(self, name: str) -> str:
        return _over(self._tree, name)

    # -- rounds ----------------------------------------------------------------------------------------------------

    def _work_parts(self, number: int, wanted: Sequence[str]) -> None:
        jobs = []
        for over in (CELL, GROUP):
            names = tuple(name for name in wanted if self._over(name) == over)
            if names:
                months: list[date] | list[None] = self._months if over == CELL else [None]
                jobs += [self._job(number, over, names, group, month) for group in self._groups for month in months]
        if not jobs:
            return
        started = time.perf_counter()
        for job, written in zip(jobs, self._do_jobs(jobs), strict=True):
            for name, part in written.items():
                found = self._parted.setdefault(name, _Written())
                found.empty = found.empty or part.path
                if part.rows:
                    found.parts[job.name] = part
        seconds = time.perf_counter() - started
        for name in wanted:
            rows = sum(part.rows for part in self._parted[name].parts.values()) if name in self._parted else None
            self._built.append(BuiltRelation(name, rows, seconds / len(wanted)))

    def _job(self, number: int, over: str, names: tuple[str, ...], accounts: Accounts, month: date | None) -> Job:
        read = set().union(*(self._tree.relations[name].reads for name in names)) - set(names)
        feeds = [feed for feed in BULK if f"raw_{feed}" in read]
        months = self._months if month is None else [month]
        lake = {feed: tuple(path for one in months for path in self._sources.lake[feed].get(one, ())) for feed in feeds}
        inputs: dict[str, tuple[str, ...]] = {}
        empty: dict[str, str] = {}
        whole: dict[str, list[str]] = {}
        for name in sorted(read - _BULK_RAWS):
            if name in self._parted:
                empty[name] = self._parted[name].empty
                mine = [f"{CELL}-{month_text(one)}-{accounts.number:04}" for one in months]
                mine = mine if self._over(name) == CELL else [f"{GROUP}-all-{accounts.number:04}"]
                parts = self._parted[name].parts
                inputs[name] = tuple(parts[one].path for one in mine if one in parts)
            else:
                whole.setdefault(self._exported[name], []).append(name)
        return Job(
            build=self._name,
            round=number,
            over=over,
            accounts=accounts,
            month=month,
            lake=lake,
            inputs=inputs,
            empty=empty,
            whole={path: tuple(found) for path, found in whole.items()},
            wanted=names,
            kept=tuple(name for name in names if name.startswith(SHOWN) or self._is_read_later(name, number, over)),
            sql_digest=self._digest,
            threads=self._bounds.threads,
            memory_mb=self._bounds.memory_mb,
        )

    def _is_read_later(self, name: str, number: int, over: str) -> bool:
        return any(
            name in sql.reads and (sql.over != over or self._rounds[reader] > number)
            for reader, sql in self._tree.relations.items()
            if reader in self._rounds
        )

    def _work_whole(self, db: Connection, wanted: Sequence[str]) -> None:
        read = set().union(*(self._tree.relations[name].reads for name in wanted))
        for name in sorted(read & self._parted.keys() - self._present):
            self._take_parts(db, name)
        self._built += builder.materialise(db, self._tree, wanted, self._present)
        self._present.update(wanted)
        self._export(db)

    def _export(self, db: Connection) -> None:
        """Write what jobs of later rounds read of the whole."""
        names = sorted(self._read_by_jobs() & self._present - self._exported.keys() - self._parted.keys())
        if names:
            file = self._target.parent / f".whole-{secrets.token_hex(4)}.duckdb"
            path = f"{PARTS}/{self._name}/whole-{len(self._exported):04}.duckdb"
            builder.copy_out(db, names, file)
            self._store.adopt(path, file)
            self._exported.update(dict.fromkeys(names, path))

    def _read_by_jobs(self) -> set[str]:
        parted = [sql for sql in self._tree.relations.values() if sql.over in (CELL, GROUP)]
        found: set[str] = set().union(*(sql.reads for sql in parted))
        return found - {sql.name for sql in parted} - _BULK_RAWS

    # -- the warehouse ---------------------------------------------------------------------------------------------

    def _take_lake(self, db: Connection) -> None:
        small = {
            feed: fetched(self._store, [path for paths in self._sources.lake[feed].values() for path in paths])
            for feed in FEEDS
            if feed not in BULK
        }
        self._present.update(builder.create_lake_views(db, small, list(self._sources.reference_dirs), self._tree))
        for feed in BULK:
            if self._tree.relations[f"raw_{feed}"].is_scratch:
                continue  # read by jobs only
            paths = [path for found in self._sources.lake[feed].values() for path in found]
            files = [self._beside(feed, number, file) for number, file in enumerate(fetched(self._store, paths))]
            self._present.add(builder.create_raw_view(db, self._tree, feed, files))
        self._export(db)

    def _beside(self, feed: str, number: int, file: str) -> str:
        """A hard link to the lake's file that lives as long as this warehouse: landing may delete the original."""
        link = self._folder() / f"lake-{feed}" / f"{number:06}.parquet"
        with disk_errors(str(link)):
            link.parent.mkdir(parents=True, exist_ok=True)
            try:
                link.hardlink_to(file)
            except OSError:
                shutil.copyfile(file, link)
        return str(link)

    def _take_parts(self, db: Connection, name: str) -> None:
        written = self._parted[name]
        paths = [part.path for part in written.parts.values()]
        files = self._files_beside(name, paths or [written.empty])
        sql = self._tree.relations[name]
        if sql.parts not in (None, "rows"):
            builder.merge(db, sql, files)
        else:
            builder.create_scan(db, name, files, "" if paths else "false")
        self._present.add(name)

    def _files_beside(self, name: str, paths: Sequence[str]) -> list[str]:
        """Parts as files that live as long as this warehouse."""
        files = self._store.locals(paths)
        if all(Path(file).is_relative_to(self._folder()) for file in files):
            return files
        return [self._beside(name, number, file) for number, file in enumerate(files)]

    def _show_parts(self, db: Connection) -> None:
        for name in sorted(self._parted.keys() - self._present):
            if not self._tree.relations[name].is_local:
                self._take_parts(db, name)

    def _folder(self) -> Path:
        return self._target.parent / "parts" / self._name

    def _drop_old_builds(self) -> None:
        builds = sorted((path for path in self._folder().parent.iterdir() if path.is_dir()), reverse=True)
        for old in builds[BUILDS_KEPT:]:
            shutil.rmtree(old, ignore_errors=True)
        if str(self._folder()) != self._store.uri(f"{PARTS}/{self._name}"):
            for entry in list(self._store.entries(PARTS)):
                self._store.delete(entry.path)  # in a bucket parts only pass between machines
