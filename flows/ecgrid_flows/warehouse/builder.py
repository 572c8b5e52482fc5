"""The SQL runner: builds the warehouse, one DuckDB file, from the lake's Parquet files and the files under `sql/`.

The warehouse is a cache. `build` writes a new file beside the old one and replaces it only when every relation is
built, so a reader sees either the old or the new warehouse. It creates, in this order:

- `lake_<feed>` for every feed of `schemas.FEEDS`: a view over its Parquet files (no files: no rows, same columns) that
  ends with the build, so that the warehouse file is self-contained;
- `reference_<stem>` for every `data/reference/*.csv`: a table, every column VARCHAR;
- `sql/macros/*.sql`: CREATE MACRO statements only, by file name (a macro uses those above it);
- `sql/{raw,core,out,checks}/*.sql`: one SELECT a file, file stem = relation, each after the relations that it reads.
  (`sql/quotes` and `sql/books` have relations of the same form that are not in a warehouse.)

A relation's file opens with `-- One row per ...`, its grain; `sql_headers` documents the lines that may follow. Grain
and meanings of columns become comments in the warehouse. `-- kept as: view` below the grain keeps it as a view, which
may read tables, views and reference tables; `-- kept as: scratch` keeps its rows until the end of the build, `-- kept
as: scratch view` the view; otherwise the rows are stored. Of a small lake the rows of views are stored too, unless they
read what is refilled after the build, or replaced by an export: each query of nested views plans them again, which
takes longer than to read their few rows. `-- kept as: table, c uncompressed` stores column c without
compression: looking for a compression of digests, which never repeat, costs more than it saves. DECIMAL only: a DOUBLE
or FLOAT column in a `core_`, `out_` or check relation fails the build, because money was divided.

A line `-- with: core_rating_cases = core_trial_cases` gives a relation other inputs: every relation between its SELECT
and the left one is evaluated again with the right one in its place. So the rating is written once and used several
times.

Rows are read as Arrow only (`table`, `frame`): DuckDB's own conversion to pandas turns DECIMAL into float64.
"""

import csv
import logging
import os
import re
import time
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import closing
from dataclasses import replace
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from ecgrid_flows.errors import BillingError, StorageFailed
from ecgrid_flows.warehouse import contract_terms, product_codes, sql_headers
from ecgrid_flows.warehouse.connection import Connection, _first_line, _open, cursor_of, full_disk, literal
from ecgrid_flows.warehouse.database import CACHED, REFILLED, interrupt, load_macros
from ecgrid_flows.warehouse.sql_files import _STEM, _ordered, _shown, load_sql
from ecgrid_flows.warehouse.sql_tree import BuildFailed, BuildReport, BuiltRelation, SqlFile, SqlRefused, SqlTree
from ecgrid_transforms.schemas import DATASET_FEEDS, FEEDS

__all__ = ["build", "materialise"]

log = logging.getLogger(__name__)


#: Relations whose columns must not be floats; `raw_` has a DataSet's own columns as received.
_FLOAT_FREE = ("core_", "out_", "fail_", "warn_", "info_")
_PATTERN = re.compile(r"([*?\[])")
#: Bytes of a lake below which relations are built side by side, each by one thread, and views are stored: with few rows
#: most of the time goes into planning, for which DuckDB takes one thread.
_FEW_BYTES = 400_000
#: Statements that create a relation: in the file, in a connection, and in the memory that a build's cursors share.
_LASTING = "CREATE OR REPLACE {kind} {name}"
_TEMPORARY = "CREATE OR REPLACE TEMP {kind} {name}"
_UNTIL_BUILT = "CREATE OR REPLACE {kind} memory.{name}"
#: Prefix of messages of error() in SQL about a row of a user's table.
_USERS_TABLE = re.compile(r"Invalid Input Error: (\w+\.csv, .*)")
_CSV_FORM = "header = true, all_varchar = true, delim = ',', quote = '\"', escape = '\"', nullstr = ''"


def materialise(
    connection: Connection,
    tree: SqlTree,
    wanted: Iterable[str] | None = None,
    given: Iterable[str] = (),
    *,
    is_guarded: bool = True,
) -> list[BuiltRelation]:
    """Create the `wanted` relations (default: all) and those they read, in order; those in `given` exist already.

    `is_guarded=False` skips the search for floats, for relations that every build searches anyway. Raises `SqlRefused`
    for an invalid file, `BuildFailed` for an error of DuckDB.
    """
    ordered = _ordered(tree, tree.relations if wanted is None else wanted, given)
    built = [_create(connection, sql, _TEMPORARY) for sql in ordered]
    if is_guarded:
        _refuse_floats(connection, ordered)
    return built


def _materialise_all(connection: Connection, tree: SqlTree, given: Iterable[str], at_once: int) -> list[BuiltRelation]:
    """Create every relation of a warehouse, each after what it reads, up to `at_once` at a time."""
    ordered = _ordered(tree, tree.relations, given)
    if at_once == 1:
        built = [_create(connection, sql, _UNTIL_BUILT) for sql in ordered]
    else:
        built = _create_side_by_side(connection, {sql.name: sql for sql in ordered}, at_once)
    _refuse_floats(connection, ordered)
    return built


def _create_side_by_side(connection: Connection, files: Mapping[str, SqlFile], at_once: int) -> list[BuiltRelation]:
    """Create relations by a pool of threads; after an error or Ctrl-C the others are interrupted."""
    waiting = TopologicalSorter({name: sql.reads & files.keys() for name, sql in files.items()})
    waiting.prepare()
    cursors: set[Connection] = set()

    def create(name: str) -> BuiltRelation:
        with closing(cursor_of(connection)) as own:
            cursors.add(own)
            try:
                return _create(own, files[name], _UNTIL_BUILT)
            finally:
                cursors.discard(own)

    built: list[BuiltRelation] = []
    running: set[Future[BuiltRelation]] = set()
    with ThreadPoolExecutor(at_once) as pool:
        try:
            while waiting.is_active():
                running |= {pool.submit(create, name) for name in waiting.get_ready()}
                done, running = wait(running, return_when=FIRST_COMPLETED)
                built += [future.result() for future in done]
                waiting.done(*(relation.name for relation in built[-len(done) :]))
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            while left := {future for future in running if future.running()}:
                for own in list(cursors):
                    interrupt(own)  # again, for one that had not begun its query
                wait(left, timeout=0.05)
            raise
    return built


def _create(connection: Connection, sql: SqlFile, scratch: str) -> BuiltRelation:
    """Create one relation; `scratch` is the statement's form for what is kept as scratch."""
    started = time.perf_counter()
    form = scratch if sql.is_scratch else _LASTING
    head = form.format(kind="VIEW" if sql.is_view else "TABLE", name=f'"{sql.name}"')
    try:
        if sql.uncompressed:
            answer = _store_with_uncompressed(connection, sql, sql.uncompressed)
        else:
            answer = connection.execute(f"{head} AS\n{sql.text}").fetchall()
    except duckdb.Error as error:
        raise _build_error(_shown(sql.path), error) from error
    rows = None if sql.is_view else int(answer[0][0])
    built = BuiltRelation(sql.name, rows, time.perf_counter() - started)
    log.debug("relation=%s rows=%s ms=%d", sql.name, rows, built.seconds * 1000)
    return built


def _store_with_uncompressed(connection: Connection, sql: SqlFile, column: str) -> list[Any]:
    """Create the table from the SELECT's columns, then fill it: CREATE TABLE AS takes no compression.

    Returns DuckDB's result, the number of rows, as CREATE TABLE AS does.
    """
    described = connection.execute(f"DESCRIBE {sql.text}").fetchall()
    if column not in {name for name, *_ in described}:
        raise SqlRefused(f"{_shown(sql.path)}: has no column {column} to store uncompressed; correct its second line")
    columns = ", ".join(
        f'"{name}" {kind}{" USING COMPRESSION uncompressed" if name == column else ""}' for name, kind, *_ in described
    )
    connection.execute(f'CREATE OR REPLACE TABLE "{sql.name}" ({columns})').fetchall()
    return connection.execute(f'INSERT INTO "{sql.name}"\n{sql.text}').fetchall()


def _refuse_floats(connection: Connection, files: Iterable[SqlFile]) -> None:
    guarded = {sql.name: sql.path for sql in files if sql.name.startswith(_FLOAT_FREE)}
    columns = connection.execute(
        "SELECT table_name, column_name, data_type FROM duckdb_columns() "
        "WHERE regexp_matches(data_type, '\\b(DOUBLE|FLOAT)\\b') ORDER BY table_name, column_index"
    ).fetchall()
    for name, column, kind in columns:
        if name in guarded:
            raise SqlRefused(
                f"{_shown(guarded[name])}: column {column} is {kind}; money and shares are DECIMAL: "
                f"no `/`, `//` or avg outside macros, no exponent literals, or cast it"
            )


def describe(connection: Connection, tree: SqlTree) -> None:
    """Write the grain of each relation and the meaning of each column into the warehouse, as comments.

    One statement each, in one transaction: a transaction each takes ten times as long.
    """
    own = "NOT internal AND database_name = current_database()"
    rows = connection.execute(
        f"SELECT table_name, column_name FROM duckdb_columns() WHERE {own} ORDER BY table_name, column_index"
    ).fetchall()
    views = {name for (name,) in connection.execute(f"SELECT view_name FROM duckdb_views() WHERE {own}").fetchall()}
    found = sql_headers.meanings(tree, rows).found
    grains = {name: tree.relations[name].header.sentence for name, _ in rows if name in tree.relations}
    statements = [
        f'COMMENT ON {"VIEW" if name in views else "TABLE"} "{name}" IS {literal(grain)}'
        for name, grain in grains.items()
    ]
    statements += [
        f'COMMENT ON COLUMN "{name}"."{column}" IS {literal(meaning)}'
        for name, columns in found.items()
        for column, meaning in columns.items()
    ]
    _run(connection, "; ".join(["BEGIN", *statements, "COMMIT"]), "comments")


def _build_error(where: str, error: duckdb.Error) -> BillingError:
    text = _first_line(error)
    if isinstance(error, duckdb.OutOfMemoryException):
        return BuildFailed(
            f"{where}: out of memory ({text}); allow more memory, or free disk for spilling, and build again"
        )
    if full := full_disk(error, where):
        return full
    if isinstance(error, duckdb.IOException):
        return BuildFailed(f"{where}: {text}; check the file that it names, pull its month again, and build again")
    if isinstance(error, duckdb.BinderException | duckdb.CatalogException | duckdb.ParserException):
        return SqlRefused(f"{where}: {text}")
    if blamed := _USERS_TABLE.fullmatch(text):
        return SqlRefused(f"{blamed[1]}; the warehouse of before, if any, is unchanged")
    return BuildFailed(f"{where}: {text}; the warehouse of before, if any, is unchanged")


def build(
    lake_files: Mapping[str, Sequence[str]],
    target: Path,
    *,
    reference_dir: Path | Sequence[Path],
    threads: int | None = None,
    memory_limit: str | None = None,
    temp_dir: Path | None = None,
    sql: Path | None = None,
) -> BuildReport:
    """Build the warehouse into `target`, which is replaced only when every relation is built.

    `lake_files` maps feeds to Parquet files (feeds left out have none). Of several `reference_dir` a later one's CSV
    replaces an earlier one's of the same name.
    Of a small lake as many relations as there are `threads` (default: one for each processor) are built at a time, of
    others one after the other. `memory_limit` is DuckDB's ("6GiB"); rows beyond it spill to `temp_dir` (default: beside
    the target).
    """
    tree = load_sql() if sql is None else load_sql(sql)  # for the cache, load_sql(None) and load_sql() are two calls
    started = time.perf_counter()
    unknown = sorted(set(lake_files) - FEEDS.keys())
    if unknown:
        raise SqlRefused(f"there is no feed {unknown[0]}: the feeds are {', '.join(FEEDS)}")
    new = target.with_name(f"{target.name}.new")
    try:
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _discard(new)
    except OSError as error:
        raise StorageFailed(
            f"{target.parent} cannot be written ({error.strerror}); make room or fix its rights"
        ) from error
    spill = temp_dir or target.with_name(f"{target.name}.spill")
    at_once = 1
    if is_small := _is_small(lake_files):
        tree = _with_views_stored(tree)
        at_once = threads or os.cpu_count() or 1
        threads = 1
    try:
        with closing(_open(str(new), threads, memory_limit, spill, is_build=True, is_small=is_small)) as connection:
            feeds = {feed: lake_files.get(feed, ()) for feed in FEEDS}
            given = create_lake_views(connection, feeds, reference_dir, tree)
            load_macros(connection, tree)
            built = _materialise_all(connection, tree, given, at_once)
            describe(connection, tree)
            connection.execute("CHECKPOINT").fetchall()
        new.chmod(0o600)
        new.replace(target)
    except duckdb.Error as error:  # when opened or at a checkpoint: most likely a full disk
        _discard(new)
        raise _build_error(target.name, error) from error
    except BaseException:
        _discard(new)
        raise
    return BuildReport(target, tuple(built), time.perf_counter() - started)


def _is_small(lake_files: Mapping[str, Sequence[str]]) -> bool:
    paths = (Path(path) for paths in lake_files.values() for path in paths)
    return sum(path.stat().st_size for path in paths if path.is_file()) < _FEW_BYTES


def _with_views_stored(tree: SqlTree) -> SqlTree:
    """The tree with its views as tables, but for those that read relations whose rows change after the build."""
    kept = {*CACHED, *REFILLED}
    while more := {name for name, sql in tree.relations.items() if sql.is_view and sql.reads & kept} - kept:
        kept |= more
    relations = {name: replace(sql, is_view=sql.is_view and name in kept) for name, sql in tree.relations.items()}
    return replace(tree, relations=relations)


def create_lake_views(
    connection: Connection, lake_files: Mapping[str, Sequence[str]], reference_dir: Path | Sequence[Path], tree: SqlTree
) -> list[str]:
    """Create `lake_<feed>` for each feed given and `reference_<stem>` for each reference table; return their names."""
    given = [_create_lake_view(connection, feed, files) for feed, files in lake_files.items()]
    return given + _create_reference_tables(connection, reference_dir, tree.relations)


def create_scan(connection: Connection, name: str, files: Sequence[str]) -> None:
    """Create relation `name` as a temporary view on Parquet files with its rows."""
    _run(connection, f'CREATE OR REPLACE TEMP VIEW "{name}" AS SELECT * FROM {_scan(files)}', name)


def _run(connection: Connection, text: str, where: str) -> list[Any]:
    try:
        return connection.execute(text).fetchall()
    except duckdb.Error as error:
        raise _build_error(where, error) from error


def as_named(path: str | Path) -> str:
    """A path for DuckDB's readers, which take `*`, `?` and `[` in it as patterns."""
    return _PATTERN.sub(r"[\1]", str(path))


def _scan(files: Sequence[str]) -> str:
    listed = ", ".join(literal(str(as_named(path))) for path in files)
    return f"read_parquet([{listed}], union_by_name = true, hive_partitioning = false)"


def _create_lake_view(connection: Connection, feed: str, files: Sequence[str]) -> str:
    """Create `lake_<feed>`, typed by the feed's schema; a DataSet feed also has the further columns of its files."""
    name = f"lake_{feed}"
    template = pa.Table.from_batches([], FEEDS[feed])
    no_rows = f"{name}_no_rows"
    connection.register("feed_template", template)
    connection.execute(f"CREATE TABLE memory.{no_rows} AS SELECT * FROM feed_template").fetchall()
    connection.unregister("feed_template")
    select = f"SELECT * FROM {no_rows}"
    if files:
        scan = _scan(files)
        if feed in DATASET_FEEDS:
            select += f" UNION ALL BY NAME SELECT * FROM {scan}"
        else:
            select = f"SELECT {', '.join(template.column_names)} FROM {scan}"
    try:
        connection.execute(f"CREATE VIEW memory.{name} AS {select}").fetchall()
    except duckdb.Error as error:
        failed = BuildFailed(f"{name}: {_first_line(error)}; pull its months again, then build again")
        raise full_disk(error, name) or failed from error
    return name


def _create_reference_tables(
    connection: Connection, reference_dir: Path | Sequence[Path], relations: Iterable[str]
) -> list[str]:
    folders = [reference_dir] if isinstance(reference_dir, Path) else list(reference_dir)
    shipped = {path.stem: path for path in sorted(folders[0].glob("*.csv"))} if folders else {}
    paths = {path.stem: path for folder in folders for path in sorted(folder.glob("*.csv"))}
    names = []
    for stem, path in paths.items():
        name = f"reference_{stem}"
        if not _STEM.fullmatch(stem) or name in relations:
            raise SqlRefused(f"{path}: a reference table's file has a name of small letters, digits and _; rename it")
        try:
            connection.execute(
                f"CREATE TABLE {name} AS SELECT * FROM read_csv(?, {_CSV_FORM})",
                [as_named(path)],
            ).fetchall()
        except duckdb.Error as error:
            refused = SqlRefused(f"{path}: not a CSV table with a header ({_first_line(error)}); correct the file")
            raise full_disk(error, str(path)) or refused from error
        if path.name == contract_terms.FILE:
            contract_terms.check(path)
            lacking = [column for column in contract_terms.COLUMNS if column not in connection.table(name).columns]
            for column in lacking:
                connection.execute(f"ALTER TABLE {name} ADD COLUMN {column} VARCHAR").fetchall()
        elif path.name == product_codes.FILE:
            product_codes.read(path)
        elif path != shipped.get(stem, path):
            _check_columns(path, connection.table(name).columns, shipped[stem])
        names.append(name)
    return names


def _check_columns(path: Path, columns: Sequence[str], shipped: Path) -> None:
    """Refuse a user's table that lacks columns of the shipped one; most often it has semicolons."""
    with shipped.open(encoding="utf-8", newline="") as file:
        wanted = next(csv.reader(file), [])
    if lacking := [column for column in wanted if column not in columns]:
        raise SqlRefused(f"{path} has no column {lacking[0]}: its first line is {','.join(wanted)}, with commas")


def _discard(path: Path) -> None:
    for leftover in (path, path.with_name(f"{path.name}.wal")):
        leftover.unlink(missing_ok=True)
