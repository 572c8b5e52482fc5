"""The SQL runner: builds the warehouse, one DuckDB file, from the lake's Parquet files and the files under `sql/`.

The warehouse is a cache. `build` writes a new file beside the old one and replaces it only when every relation stands,
so a reader sees the old warehouse or the new one, whole. What goes in, in this order:

- `lake_<feed>` for every feed of `schemas.FEEDS`: a temporary view over its Parquet files (no files: no rows, same
  columns), gone when the build ends, so that the warehouse file stands alone;
- `reference_<stem>` for every `data/reference/*.csv`: a table, every column VARCHAR;
- `sql/macros/*.sql`: CREATE MACRO statements and nothing else, by file name (a macro uses those above it);
- `sql/{raw,core,out,checks}/*.sql`: one SELECT a file, file stem = relation, each after the relations that it reads.
  (`sql/quotes` has relations of the same kind that `quote` alone needs and no warehouse has.)

A relation's file opens with `-- One row per ...`, its grain. A second line `-- kept as: view` keeps it a view, which
may read tables, views and reference tables; `-- kept as: scratch` keeps its rows while the build lasts and no longer,
`-- kept as: scratch view` the view; without any the rows are stored. `-- kept as: table, c uncompressed` stores column
c as it is: to look how digests, no two alike, could be packed costs more than the packing saves. DECIMAL only: a DOUBLE
or FLOAT column in a `core_`, `out_` or check relation stops the build, for it means that money met a division.

A line `-- with: core_rating_cases = core_trial_cases` below those makes a relation of other inputs: what the SELECT
reads is worked out anew as if the left relation were the right one. So the rating, written once, serves several times.

Rows leave by Arrow alone (`table`, `frame`): DuckDB's own conversion to pandas turns DECIMAL into float64.
"""

import csv
import json
import logging
import os
import re
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from datetime import date
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import pyarrow as pa

from ecgrid_flows import contract_terms
from ecgrid_flows.errors import BillingError, NoSuchData, SettingsError, StorageFailed
from ecgrid_transforms.period import month_text
from ecgrid_transforms.schemas import DATASET_FEEDS, FEEDS

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "BuildFailed",
    "BuildReport",
    "BuiltRelation",
    "Connection",
    "SqlFile",
    "SqlRefused",
    "SqlTree",
    "build",
    "connect",
    "frame",
    "load_sql",
    "materialise",
    "of_month",
    "register",
    "require_month",
    "scratch",
    "sql_folder",
    "table",
    "was_pulled",
]

log = logging.getLogger(__name__)

Connection = duckdb.DuckDBPyConnection

#: Folder of `sql/` -> how the stems of its files begin.
LAYERS: dict[str, tuple[str, ...]] = {
    "raw": ("raw_",),
    "core": ("core_",),
    "out": ("out_",),
    "checks": ("fail_", "warn_", "info_"),
    "quotes": ("quote_",),
}
#: Folder of what `quote` alone needs: no warehouse has its relations.
_QUOTES = "quotes"
#: Relations whose columns must be free of floats; `raw_` shows a DataSet's own columns as they came.
_FLOAT_FREE = ("core_", "out_", "fail_", "warn_", "info_")
_PATTERN = re.compile(r"([*?\[])")
_STEM = re.compile(r"[a-z][a-z0-9_]*")
_GRAIN = re.compile(r"-- One row per \S")
_KEPT_AS_VIEW = "-- kept as: view"
_KEPT_AS_SCRATCH = "-- kept as: scratch"
_KEPT_AS_SCRATCH_VIEW = "-- kept as: scratch view"
_KEPT_UNCOMPRESSED = re.compile(r"-- kept as: table, (\w+) uncompressed")
_WITH = re.compile(r"-- with: (.+)")
_NAME = re.compile(r"\w+")
_EXCHANGE = re.compile(r"(\w+) = (\w+)")
_MACRO = re.compile(r"\s*create\s+(or\s+replace\s+)?macro\s", re.IGNORECASE)
_CSV_FORM = "header = true, all_varchar = true, delim = ',', quote = '\"', escape = '\"', nullstr = ''"
#: What error() in SQL says of a row of a table that the user keeps.
_USERS_TABLE = re.compile(r"Invalid Input Error: (\w+\.csv, .*)")
#: How DuckDB words the errors ENOSPC, EDQUOT and EFBIG.
_FULL = ("no space left", "not enough space", "disk quota exceeded", "file too large")
_COMMENT = re.compile(r"--[^\n]*|/\*.*?\*/", re.DOTALL)


class SqlRefused(SettingsError):
    """A file under `sql/` (or a reference table) breaks a rule of the runner."""


class BuildFailed(BillingError):
    """DuckDB could not build a relation; the warehouse of before is still in place."""


@dataclass(frozen=True, slots=True)
class SqlFile:
    """One relation: its SELECT, what it reads, and how it is kept: as a view or a table, and whether past the build.

    `uncompressed` is the column of a table that is stored as it is, if there is one.
    """

    name: str
    path: Path
    text: str
    reads: frozenset[str]
    is_view: bool
    is_scratch: bool
    uncompressed: str | None = None

    @property
    def layer(self) -> str:
        return self.path.parent.name


@dataclass(frozen=True, slots=True)
class SqlTree:
    """Everything under one `sql` folder, read and checked: macro scripts by file name, relations by stem.

    `merges` is for a build by partitions: the SELECT that puts a relation's parts together, by the relation's name.
    """

    folder: Path
    macros: tuple[Path, ...]
    relations: Mapping[str, SqlFile]
    merges: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class BuiltRelation:
    """One relation as built; `rows` is None for a view."""

    name: str
    rows: int | None
    seconds: float


@dataclass(frozen=True, slots=True)
class BuildReport:
    """What a build made, in the order in which it was made."""

    target: Path
    relations: tuple[BuiltRelation, ...] = field(default=())
    seconds: float = 0.0

    def rows(self, name: str) -> int | None:
        """Rows of relation `name`; None when it is a view, KeyError when there is no such relation."""
        return {relation.name: relation.rows for relation in self.relations}[name]


def sql_folder() -> Path:
    """The `sql` folder: inside the wheel, or at the top of the checkout when installed editable."""
    package = Path(__file__).resolve().parent
    for folder in (package / "_assets/sql", package.parents[1] / "sql"):
        if (folder / "macros").is_dir():
            return folder
    raise SqlRefused(f"no SQL files beside {package}: the installation is not whole; install ecgrid-billing again")


@cache
def load_sql(folder: Path | None = None, wanted: tuple[str, ...] = (), given: tuple[str, ...] = ()) -> SqlTree:
    """Read and check every file under `folder` (default: `sql_folder()`); raises `SqlRefused` naming the guilty file.

    With `wanted`, only the relations that these are made from, the `given` ones left out, and no merges: to parse all
    files takes longer than to rate a few thousand quantities.
    Read once per process: editing SQL wants a new process, as editing Python does.
    """
    root = folder or sql_folder()
    paths: dict[str, Path] = {}
    for path in sorted(root.glob("*/*.sql")):
        if path.parent.name in ("macros", "merges") or (path.parent.name == _QUOTES and not wanted):
            continue
        prefixes = LAYERS.get(path.parent.name)
        if prefixes is None:
            raise SqlRefused(f"{_shown(path)}: there is no layer {path.parent.name!r}; move it to {', '.join(LAYERS)}")
        if not path.stem.startswith(prefixes) or not _STEM.fullmatch(path.stem):
            raise SqlRefused(f"{_shown(path)}: the name of a relation here begins with {' or '.join(prefixes)}")
        paths[path.stem] = path
    merge_paths = [] if wanted else sorted(root.glob("merges/*.sql"))
    relations: dict[str, SqlFile] = {}
    with closing(_open(":memory:")) as parser:
        waiting = sorted(paths.keys() & set(wanted)) if wanted else list(paths)
        while waiting:
            found = _parsed(parser, [paths[name] for name in waiting])
            relations |= {name: _read_relation(paths[name], *found[paths[name]], paths.keys()) for name in waiting}
            named = frozenset[str]().union(*(relations[name].reads | _exchanged(relations[name]) for name in waiting))
            waiting = sorted((named & paths.keys()) - relations.keys() - set(given))
        parsed = _parsed(parser, merge_paths)
    merges = {path.stem: _read_merge(path, *parsed[path], paths.keys()) for path in merge_paths}
    for name in list(relations):
        _carry_out_with(name, relations, set())
    for sql in relations.values():
        is_lasting = sql.is_view and not sql.is_scratch
        gone = [read for read in sorted(sql.reads) if is_lasting and read in relations and relations[read].is_scratch]
        if gone:
            raise SqlRefused(f"{_shown(sql.path)}: {gone[0]} ends with the build, so this cannot be a view; store it")
    return SqlTree(root, tuple(sorted(root.glob("macros/*.sql"))), relations, merges)


def _parsed(parser: Connection, paths: Sequence[Path]) -> dict[Path, tuple[str, dict[str, Any]]]:
    """Each file's text, and what DuckDB's parser says of it: its statements, or an error. All at once costs half."""
    texts = [path.read_text(encoding="utf-8") for path in paths]
    answers = parser.execute(
        "SELECT json_serialize_sql(texts.text) "
        "FROM unnest(?::VARCHAR[]) WITH ORDINALITY AS texts (text, place) ORDER BY place",
        [texts],
    ).fetchall()
    trees = [json.loads(answer) for (answer,) in answers]
    return dict(zip(paths, zip(texts, trees, strict=True), strict=True))


def _read_merge(path: Path, text: str, tree: Mapping[str, Any], stems: Iterable[str]) -> str:
    if path.stem not in stems:
        raise SqlRefused(f"{_shown(path)}: there is no relation {path.stem} whose parts it could put together")
    if not _GRAIN.match(text):
        raise SqlRefused(f"{_shown(path)}: the first line says the grain; write `-- One row per ...`")
    nodes = _nodes(_only_statement(path, tree))
    read = {str(node["table_name"]).lower() for node in nodes if node.get("type") == "BASE_TABLE"}
    if read != {path.stem}:
        raise SqlRefused(f"{_shown(path)}: reads {', '.join(sorted(read))}; a merge reads {path.stem} and nothing else")
    return text


def _read_relation(path: Path, text: str, tree: Mapping[str, Any], stems: Iterable[str]) -> SqlFile:
    lines = text.splitlines() or [""]
    if not _GRAIN.match(lines[0]):
        raise SqlRefused(f"{_shown(path)}: the first line says the grain; write `-- One row per ...`")
    is_view = lines[1:2] in ([_KEPT_AS_VIEW], [_KEPT_AS_SCRATCH_VIEW])
    is_scratch = lines[1:2] in ([_KEPT_AS_SCRATCH], [_KEPT_AS_SCRATCH_VIEW])
    uncompressed = next((match[1] for match in map(_KEPT_UNCOMPRESSED.fullmatch, lines[1:2]) if match), None)
    if not (is_view or is_scratch or uncompressed) and any(line.strip().startswith("-- kept as") for line in lines):
        raise SqlRefused(
            f"{_shown(path)}: the second line may be `{_KEPT_AS_VIEW}`, `{_KEPT_AS_SCRATCH}`, "
            f"`{_KEPT_AS_SCRATCH_VIEW}` or `-- kept as: table, <column> uncompressed`; without it, it is a table"
        )
    statement = _only_statement(path, tree)
    tables, cte_names, functions = set[str](), set[str](), set[str]()
    for node in _nodes(statement):
        if node.get("type") == "BASE_TABLE":
            if node.get("schema_name") or node.get("catalog_name"):
                raise SqlRefused(f"{_shown(path)}: reads {_qualified(node)}; name the relation alone, without a schema")
            tables.add(str(node["table_name"]).lower())
        elif node.get("class") == "FUNCTION":
            functions.add(str(node["function_name"]).lower())
        if isinstance(node.get("cte_map"), dict):
            cte_names |= {str(entry["key"]).lower() for entry in node["cte_map"]["map"]}
    clashes = sorted(name for name in cte_names if name in stems or name.startswith(("lake_", "reference_")))
    if clashes:
        raise SqlRefused(f"{_shown(path)}: the CTE {clashes[0]} hides the relation of that name; rename the CTE")
    readers = sorted(name for name in functions if name.startswith(("read_", "parquet_scan", "sniff_")))
    if readers:
        raise SqlRefused(f"{_shown(path)}: {readers[0]} reads a file; read a lake_ view or a reference_ table instead")
    reads = frozenset(tables - cte_names)
    if is_view and not is_scratch and "getvariable" in functions:
        raise SqlRefused(f"{_shown(path)}: a view has no variables once the build is over; remove `{_KEPT_AS_VIEW}`")
    if is_view and not is_scratch and any(name.startswith("lake_") for name in reads):
        raise SqlRefused(
            f"{_shown(path)}: lake_ views end with the build, so this cannot be a view; "
            f"store it as a table, or write `{_KEPT_AS_SCRATCH_VIEW}`"
        )
    if path.stem in reads:
        raise SqlRefused(f"{_shown(path)}: reads itself")
    return SqlFile(path.stem, path, text, reads, is_view, is_scratch, uncompressed)


def _asked_exchange(sql: SqlFile) -> str | None:
    """What stands behind `-- with:`, if the file has such a line."""
    return next((match[1] for match in map(_WITH.fullmatch, sql.text.splitlines()[1:3]) if match), None)


def _exchanged(sql: SqlFile) -> frozenset[str]:
    """The relations that a `-- with:` line names."""
    return frozenset(_NAME.findall(_asked_exchange(sql) or ""))


def _carry_out_with(name: str, relations: dict[str, SqlFile], begun: set[str]) -> SqlFile:
    """`relations[name]`, after its `-- with:` line, if it has one, is carried out.

    The relations between those exchanged and the SELECT become CTEs of their own names in front of it, in order.
    """
    sql = relations[name]
    asked = _asked_exchange(sql)
    if asked is None or name in begun:
        return sql
    begun.add(name)
    exchanges: dict[str, str] = {}
    for part in asked.split(","):
        exchange = _EXCHANGE.fullmatch(part.strip())
        if not exchange or not {exchange[1], exchange[2]} <= relations.keys():
            raise SqlRefused(
                f"{_shown(sql.path)}: `-- with:` exchanges relations, `core_one = core_other`; not {part.strip()!r}"
            )
        exchanges[exchange[1]] = exchange[2]
    chain: list[str] = []
    known = dict.fromkeys(exchanges, True)

    def is_changed(read: str) -> bool:
        """Whether `read` reads what is exchanged; if so it is in `chain`, after what it reads."""
        if read not in known:
            known[read] = False  # a circle, if there is one, is for `_ordered` to report
            if read in relations:
                reads = sorted(_carry_out_with(read, relations, begun).reads)
                if any([is_changed(further) for further in reads]):
                    known[read] = True
                    chain.append(read)
        return known[read]

    if not any([is_changed(read) for read in sorted(sql.reads)]):
        raise SqlRefused(
            f"{_shown(sql.path)}: nothing that it reads comes from {' or '.join(exchanges)}; drop `-- with:`"
        )
    parts = [f"{old} AS NOT MATERIALIZED (SELECT * FROM {new})" for old, new in exchanges.items()]  # noqa: S608 - names of relations
    parts += [f"{read} AS (\n{relations[read].text}\n)" for read in chain]
    read_in_all = frozenset[str]().union(sql.reads, *(relations[read].reads for read in chain), exchanges.values())
    text = f"WITH {', '.join(parts)}\nSELECT * FROM (\n{sql.text}\n)"
    relations[name] = replace(sql, text=text, reads=read_in_all - exchanges.keys() - set(chain))
    return relations[name]


def _only_statement(path: Path, tree: Mapping[str, Any]) -> dict[str, Any]:
    """The parse tree of the file's one SELECT."""
    if tree.get("error"):
        message = str(tree.get("error_message")).splitlines()[0]
        raise SqlRefused(f"{_shown(path)}: not one SELECT ({message}); a relation's file holds a single SELECT")
    if len(tree["statements"]) != 1:
        count = len(tree["statements"])
        raise SqlRefused(f"{_shown(path)}: {count} statements; a relation's file holds a single SELECT")
    statement: dict[str, Any] = tree["statements"][0]
    return statement


def _nodes(value: Any) -> Iterator[dict[str, Any]]:
    """Every object within a parse tree (iteratively: long CASE and AND chains nest deep)."""
    waiting = [value]
    while waiting:
        item = waiting.pop()
        if isinstance(item, dict):
            yield item
            waiting.extend(item.values())
        elif isinstance(item, list):
            waiting.extend(item)


def _qualified(node: Mapping[str, Any]) -> str:
    return ".".join(str(node[part]) for part in ("catalog_name", "schema_name", "table_name") if node.get(part))


def _shown(path: Path) -> str:
    return f"{path.parent.name}/{path.name}"


def _ordered(tree: SqlTree, wanted: Iterable[str], given: Iterable[str]) -> list[SqlFile]:
    """The files to run for `wanted`, each after what it reads; `given` relations are there already."""
    present = set(given)
    graph: dict[str, set[str]] = {}
    waiting = [name for name in wanted if name not in present]
    while waiting:
        name = waiting.pop()
        if name in graph:
            continue
        sql = tree.relations.get(name)
        if sql is None:
            raise SqlRefused(f"there is no relation {name}: write sql/<layer>/{name}.sql")
        unknown = sorted(sql.reads - present - tree.relations.keys())
        if unknown:
            raise SqlRefused(
                f"{_shown(sql.path)}: reads {unknown[0]}, which is neither a file under sql/, nor a lake_ view, "
                f"nor a reference_ table; correct the name or add the file"
            )
        graph[name] = {read for read in sql.reads if read not in present}
        waiting.extend(graph[name])
    try:
        order = list(TopologicalSorter(graph).static_order())
    except CycleError as error:
        raise SqlRefused(f"relations read each other in a circle: {' -> '.join(error.args[1])}; cut it") from error
    return [tree.relations[name] for name in order]


def load_macros(connection: Connection, tree: SqlTree) -> None:
    """Create every macro; a macro file may hold CREATE MACRO statements only."""
    for path in tree.macros:
        text = path.read_text(encoding="utf-8")
        try:
            statements = connection.extract_statements(text)
        except duckdb.Error as error:
            raise SqlRefused(f"{_shown(path)}: cannot be parsed: {_first_line(error)}") from error
        for statement in statements:
            if not _MACRO.match(_COMMENT.sub(" ", statement.query)):
                raise SqlRefused(f"{_shown(path)}: holds something else than CREATE MACRO; a relation has its own file")
            try:
                connection.execute(statement).fetchall()
            except duckdb.Error as error:
                raise SqlRefused(f"{_shown(path)}: {_first_line(error)}") from error


def materialise(
    connection: Connection,
    tree: SqlTree,
    wanted: Iterable[str] | None = None,
    given: Iterable[str] = (),
    *,
    is_guarded: bool = True,
) -> list[BuiltRelation]:
    """Create the `wanted` relations (default: all) and what they read, in order; `given` ones are there already.

    `is_guarded=False` leaves out the search for floats, for relations that every build searches anyway.
    Raises `SqlRefused` for a fault of a file, `BuildFailed` for one that DuckDB met while running it.
    """
    built = []
    ordered = _ordered(tree, tree.relations if wanted is None else wanted, given)
    for sql in ordered:
        started = time.perf_counter()
        kind = ("TEMP " if sql.is_scratch else "") + ("VIEW" if sql.is_view else "TABLE")
        try:
            if sql.uncompressed:
                _store_with_uncompressed(connection, sql, sql.uncompressed)
            else:
                connection.execute(f'CREATE OR REPLACE {kind} "{sql.name}" AS\n{sql.text}').fetchall()
        except duckdb.Error as error:
            raise _build_error(_shown(sql.path), error) from error
        rows = None if sql.is_view else _count(connection, sql.name)
        built.append(BuiltRelation(sql.name, rows, time.perf_counter() - started))
        log.debug("relation=%s rows=%s ms=%d", sql.name, rows, built[-1].seconds * 1000)
    if is_guarded:
        _refuse_floats(connection, ordered)
    return built


def _store_with_uncompressed(connection: Connection, sql: SqlFile, column: str) -> None:
    """CREATE TABLE AS knows no compression, so the table is made from the SELECT's columns and then filled."""
    described = connection.execute(f"DESCRIBE {sql.text}").fetchall()
    if column not in {name for name, *_ in described}:
        raise SqlRefused(f"{_shown(sql.path)}: has no column {column} to store uncompressed; correct its second line")
    columns = ", ".join(
        f'"{name}" {kind}{" USING COMPRESSION uncompressed" if name == column else ""}' for name, kind, *_ in described
    )
    connection.execute(f'CREATE OR REPLACE TABLE "{sql.name}" ({columns})').fetchall()
    connection.execute(f'INSERT INTO "{sql.name}"\n{sql.text}').fetchall()


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


def _count(connection: Connection, name: str) -> int:
    [(rows,)] = connection.execute(f'SELECT count(*) FROM "{name}"').fetchall()  # noqa: S608 - a stem matches _STEM
    return int(rows)


def _build_error(where: str, error: duckdb.Error) -> BillingError:
    text = _first_line(error)
    if isinstance(error, duckdb.OutOfMemoryException):
        return BuildFailed(
            f"{where}: out of memory ({text}); allow more memory, or free disk for spilling, and build again"
        )
    if _is_full(error):
        return StorageFailed(f"{where}: the disk is full ({text}); free some space and build again")
    if isinstance(error, duckdb.IOException):
        return BuildFailed(f"{where}: {text}; check the file that it names, pull its month again, and build again")
    if isinstance(error, duckdb.BinderException | duckdb.CatalogException | duckdb.ParserException):
        return SqlRefused(f"{where}: {text}")
    if blamed := _USERS_TABLE.fullmatch(text):
        return SqlRefused(f"{blamed[1]}; the warehouse of before, if any, is unchanged")
    return BuildFailed(f"{where}: {text}; the warehouse of before, if any, is unchanged")


def reading_error(error: duckdb.Error, where: str = "the warehouse") -> BillingError:
    """What a query of a built warehouse met: a full disk, a damaged file, or relations of another release."""
    text = _first_line(error)
    if _is_full(error):
        return StorageFailed(f"{where}: the disk is full ({text}); free some space and run again")
    if isinstance(error, duckdb.OutOfMemoryException):
        return StorageFailed(f"{where}: out of memory ({text}); allow more memory, or free disk for spilling")
    if isinstance(error, duckdb.BinderException | duckdb.CatalogException):
        return StorageFailed(
            f"{where} lacks what this version reads ({text}): another version built it; `build` it again"
        )
    return StorageFailed(f"{where} is damaged or no DuckDB file ({text}): run `ecgrid-billing build`")


def _is_full(error: duckdb.Error) -> bool:
    return any(words in str(error).lower() for words in _FULL)


def _first_line(error: BaseException) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)


def build(
    lake_files: Mapping[str, Sequence[str]],
    target: Path,
    *,
    reference_dir: Path | Sequence[Path],
    threads: int | None = None,
    memory_limit: str | None = None,
    temp_dir: Path | None = None,
    variables: Mapping[str, str] | None = None,
    filesystem: Any | None = None,
    sql: Path | None = None,
) -> BuildReport:
    """Build the warehouse anew into `target`, which is replaced only when every relation stands.

    `lake_files` maps feeds to Parquet files (feeds left out have none). Of several `reference_dir` a later one's CSV
    replaces an earlier one's of the same name. `variables` are what SQL reads by `getvariable('name')`, as VARCHAR.
    `memory_limit` is DuckDB's ("6GiB"); past it rows spill to `temp_dir` (default: beside the target). `filesystem` is
    an fsspec filesystem for lake files that are addresses (`s3://...`).
    """
    tree = load_sql() if sql is None else load_sql(sql)  # the cache tells load_sql(None) from load_sql()
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
    try:
        with closing(_open(str(new), threads, memory_limit, spill, is_build=True)) as connection:
            if filesystem is not None:
                connection.register_filesystem(filesystem)
            for name, value in (variables or {}).items():
                if not _STEM.fullmatch(name):
                    raise SqlRefused(f"{name!r} is not a name for a variable: small letters, digits and _")
                connection.execute(f"SET VARIABLE {name} = ?::VARCHAR", [value]).fetchall()
            given = [_create_lake_view(connection, feed, lake_files.get(feed, ())) for feed in FEEDS]
            given += _create_reference_tables(connection, reference_dir, tree.relations)
            load_macros(connection, tree)
            built = materialise(connection, tree, given=given)
            connection.execute("CHECKPOINT").fetchall()
        new.chmod(0o600)
        os.replace(new, target)  # noqa: PTH105 - Path.replace is the same call; this one says that it is atomic
    except duckdb.Error as error:  # at its opening or its checkpoint: a full disk, most likely
        _discard(new)
        raise _build_error(target.name, error) from error
    except BaseException:
        _discard(new)
        raise
    return BuildReport(target, tuple(built), time.perf_counter() - started)


@contextmanager
def workbench(
    path: Path,
    tree: SqlTree,
    *,
    threads: int | None = None,
    memory_limit: str | None = None,
    temp_dir: Path | None = None,
) -> Iterator[Connection]:
    """A database file with the macros and nothing else, for a build by partitions; anything of its name goes first."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _discard(path)
    except OSError as error:
        raise StorageFailed(
            f"{path.parent} cannot be written ({error.strerror}); make room or fix its rights"
        ) from error
    with closing(_open(str(path), threads, memory_limit, temp_dir, is_build=True)) as connection:
        path.chmod(0o600)
        load_macros(connection, tree)
        yield connection


def create_lake_views(
    connection: Connection, lake_files: Mapping[str, Sequence[str]], reference_dir: Path | Sequence[Path], tree: SqlTree
) -> list[str]:
    """`lake_<feed>` for each feed given, `reference_<stem>` for each reference table; gives their names."""
    given = [_create_lake_view(connection, feed, files) for feed, files in lake_files.items()]
    return given + _create_reference_tables(connection, reference_dir, tree.relations)


def create_raw_view(connection: Connection, tree: SqlTree, feed: str, files: Sequence[str], condition: str = "") -> str:
    """`raw_<feed>` as a view straight on the lake's files, for a feed too large to be copied; gives its name.

    It reads them whenever it is read, so it lives as long as they do.
    """
    name = f"raw_{feed}"
    _create_lake_view(connection, feed, ())
    scan = f"SELECT * FROM lake_{feed}_no_rows"  # noqa: S608 - a feed's name
    if files:
        names = ", ".join(FEEDS[feed].names)
        scan = f"SELECT {names} FROM {_scan(files)}"  # noqa: S608 - names of a schema, paths are quoted
    where = f" WHERE {condition}" if condition else ""
    text = f"WITH lake_{feed} AS ({scan}{where}) SELECT * FROM (\n{tree.relations[name].text}\n)"  # noqa: S608 - SQL files
    _run(connection, f"CREATE OR REPLACE {'VIEW' if files else 'TABLE'} {name} AS {text}", name)
    return name


def create_scan(connection: Connection, name: str, files: Sequence[str], condition: str = "") -> None:
    """Relation `name` as a view on Parquet files that hold its rows."""
    where = f" WHERE {condition}" if condition else ""
    _run(connection, f'CREATE OR REPLACE VIEW "{name}" AS SELECT * FROM {_scan(files)}{where}', name)  # noqa: S608 - quoted


def merge(connection: Connection, tree: SqlTree, name: str, files: Sequence[str]) -> None:
    """Relation `name` as a table, put together from the Parquet files of its parts by `sql/merges/<name>.sql`."""
    parts = f'"{name}" AS (SELECT * FROM {_scan(files)})'  # noqa: S608 - quoted
    text = f'CREATE OR REPLACE TABLE "{name}" AS WITH {parts} SELECT * FROM (\n{tree.merges[name]}\n)'  # noqa: S608 - ours
    _run(connection, text, f"merges/{name}.sql")


def copy_out(connection: Connection, names: Iterable[str], target: Path) -> None:
    """Copy relations into a database file of their own, every type as it is (Parquet has no HUGEINT, for one)."""
    _run(connection, f"ATTACH '{_quoted(target)}' AS copied", target.name)
    for name in names:
        _run(connection, f'CREATE TABLE copied."{name}" AS SELECT * FROM "{name}"', name)  # noqa: S608 - stems
    _run(connection, "DETACH copied", target.name)


def attach(connection: Connection, path: str, names: Mapping[str, str]) -> None:
    """Make relations of a file that `copy_out` wrote readable: name -> condition on its rows, or ''."""
    alias = f"whole_{_count_databases(connection)}"
    _run(connection, f"ATTACH '{_quoted(path)}' AS {alias} (READ_ONLY)", path)
    for name, condition in names.items():
        where = f" WHERE {condition}" if condition else ""
        text = f'CREATE OR REPLACE VIEW "{name}" AS SELECT * FROM {alias}."{name}"{where}'  # noqa: S608 - stems
        _run(connection, text, name)


def _count_databases(connection: Connection) -> int:
    return int(_run(connection, "SELECT count(*) FROM duckdb_databases()", "duckdb_databases")[0][0])


def write_parquet(connection: Connection, name: str, target: Path) -> int:
    """Write the rows of relation `name`; gives how many there are. `SqlRefused`: a type that Parquet lacks."""
    for column, kind in _run(connection, f'SELECT column_name, column_type FROM (DESCRIBE "{name}")', name):  # noqa: S608 - a stem
        if "HUGEINT" in kind:
            raise SqlRefused(f"{name}: column {column} is {kind}, which Parquet holds as DOUBLE: cast it")
    copied = _run(
        connection,
        f"COPY (SELECT * FROM \"{name}\") TO '{_quoted(target)}' (FORMAT parquet, COMPRESSION zstd)",  # noqa: S608 - quoted
        name,
    )
    return int(copied[0][0])


def _run(connection: Connection, text: str, where: str) -> list[Any]:
    try:
        return connection.execute(text).fetchall()
    except duckdb.Error as error:
        raise _build_error(where, error) from error


def as_named(path: str | Path) -> str:
    """A file's path for DuckDB's readers, which take `*`, `?` and `[` in it for patterns."""
    return _PATTERN.sub(r"[\1]", str(path))


def _scan(files: Sequence[str]) -> str:
    listed = ", ".join(f"'{_quoted(as_named(path))}'" for path in files)
    return f"read_parquet([{listed}], union_by_name = true, hive_partitioning = false)"


def _quoted(path: str | Path) -> str:
    return str(path).replace("'", "''")


def _discard(path: Path) -> None:
    for leftover in (path, path.with_name(f"{path.name}.wal")):
        leftover.unlink(missing_ok=True)


def _create_lake_view(connection: Connection, feed: str, files: Sequence[str]) -> str:
    """`lake_<feed>`, typed by the feed's schema; a DataSet feed also has the columns that its files bring."""
    name = f"lake_{feed}"
    template = pa.Table.from_batches([], FEEDS[feed])  # `empty_table` would import pandas, most of a second
    no_rows = f"{name}_no_rows"
    connection.register("feed_template", template)
    connection.execute(f"CREATE TEMP TABLE {no_rows} AS SELECT * FROM feed_template").fetchall()  # noqa: S608 - a feed's name
    connection.unregister("feed_template")
    select = f"SELECT * FROM {no_rows}"  # noqa: S608 - a feed's name
    if files:
        scan = _scan(files)
        if feed in DATASET_FEEDS:
            select += f" UNION ALL BY NAME SELECT * FROM {scan}"  # noqa: S608 - paths are quoted
        else:
            select = f"SELECT {', '.join(template.column_names)} FROM {scan}"  # noqa: S608 - names of a schema
    try:
        connection.execute(f"CREATE TEMP VIEW {name} AS {select}").fetchall()
    except duckdb.Error as error:
        raise BuildFailed(f"{name}: {_first_line(error)}; pull its months again, then build again") from error
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
                f"CREATE TABLE {name} AS SELECT * FROM read_csv(?, {_CSV_FORM})",  # noqa: S608 - both are ours
                [as_named(path)],
            ).fetchall()
        except duckdb.Error as error:
            raise SqlRefused(
                f"{path}: not a CSV table with a header ({_first_line(error)}); correct the file"
            ) from error
        if path.name == contract_terms.FILE:
            contract_terms.check(path)
            lacking = [column for column in contract_terms.COLUMNS if column not in connection.table(name).columns]
            for column in lacking:
                connection.execute(f"ALTER TABLE {name} ADD COLUMN {column} VARCHAR").fetchall()
        elif path != shipped.get(stem, path):
            _check_columns(path, connection.table(name).columns, shipped[stem])
        names.append(name)
    return names


def _check_columns(path: Path, columns: Sequence[str], shipped: Path) -> None:
    """A table that stands in for a shipped one has its columns, or is refused: most often it has semicolons."""
    with shipped.open(encoding="utf-8", newline="") as file:
        wanted = next(csv.reader(file), [])
    if lacking := [column for column in wanted if column not in columns]:
        raise SqlRefused(f"{path} has no column {lacking[0]}: its first line is {','.join(wanted)}, with commas")


def _open(
    path: str,
    threads: int | None = None,
    memory_limit: str | None = None,
    temp_dir: Path | None = None,
    read_only: bool = False,
    *,
    is_build: bool = False,
) -> Connection:
    """A connection that installs nothing and spills where it is told to.

    A build keeps no order of rows, for that costs memory. Any other connection does: a table is read in its order,
    and DuckDB 2.0 else hands over even the rows of an ORDER BY as its threads get them ready (by `execute`).
    """
    config: dict[str, str | bool | int | float | list[str]] = {
        "autoinstall_known_extensions": "false",
        "preserve_insertion_order": "false" if is_build else "true",
        "python_enable_replacements": "false",  # a relation that is missing is not some Python variable of its name
        "TimeZone": "UTC",
    }
    if threads:
        config["threads"] = str(threads)
    if memory_limit:
        config["memory_limit"] = memory_limit
    if temp_dir:
        config["temp_directory"] = str(temp_dir)
    try:
        return duckdb.connect(path, read_only=read_only, config=config)
    except (duckdb.InvalidInputException, duckdb.ParserException) as error:
        raise SettingsError(
            f"DuckDB refuses a setting ({_first_line(error)}); a memory limit is written 6GiB"
        ) from error
    except duckdb.Error as error:
        if "could not set lock" in str(error).lower():
            raise StorageFailed(
                f"{path} is held by another program ({_first_line(error)}): close that first"
            ) from error
        if isinstance(error, duckdb.IOException) and "permission denied" in str(error).lower():
            raise StorageFailed(f"{path} cannot be opened ({_first_line(error)}): grant the permission") from error
        raise reading_error(error, path) from error


def connect(
    path: Path,
    read_only: bool = True,
    *,
    threads: int | None = None,
    memory_limit: str | None = None,
    temp_dir: Path | None = None,
) -> Connection:
    """Open a built warehouse; raises `NoSuchData` when there is none."""
    if not path.is_file():
        sandbox = path.parents[1] / "sandbox"
        hint = f"; the sandbox's data are in --data-dir {sandbox}" if (sandbox / "warehouse").is_dir() else ""
        raise NoSuchData(
            f"there is no warehouse {path}: run `ecgrid-billing run` (`build`, if months are pulled){hint}"
        )
    return _open(str(path), threads, memory_limit, temp_dir, read_only)


@contextmanager
def scratch(
    tree: SqlTree | None = None, *, threads: int | None = None, memory_limit: str | None = None
) -> Iterator[Connection]:
    """A warehouse in memory with the macros and nothing else: for `quote` and for tests."""
    with closing(_open(":memory:", threads, memory_limit)) as connection:
        load_macros(connection, tree or load_sql())
        yield connection


def register(connection: Connection, name: str, rows: pa.Table) -> None:
    """Make `rows` readable as relation `name` (no copy), replacing what had that name."""
    connection.register(name, rows)


def table(connection: Connection, sql: str, params: Sequence[object] | Mapping[str, object] = ()) -> pa.Table:
    """The rows of a query as Arrow: decimals stay decimals."""
    return connection.sql(sql, params=params or None).to_arrow_table()


def was_pulled(connection: Connection, month: date) -> bool:
    """Whether the service was asked for lines of `month`, whatever it answered."""
    return bool(table(connection, "FROM raw_calls WHERE reporting_month = ? LIMIT 1", [month]).num_rows)


def of_month(rows: Any, month: date) -> Any:
    """The rows of a relation that belong to one month."""
    return rows.filter(f"reporting_month = DATE '{month.isoformat()}'")


def require_month(connection: Connection, month: date) -> None:
    """Raise `NoSuchData` for a month of which the warehouse knows nothing.

    A month without a line may be exported when it was pulled; one that nobody asked about may not.
    """
    # one column alone: for all of them DuckDB would first join every line with its verdict
    has_lines = of_month(connection.table("out_line_items"), month).project("reporting_month").limit(1).fetchall()
    if not has_lines and not was_pulled(connection, month):
        raise NoSuchData(
            f"the warehouse holds nothing of {month_text(month)}: "
            f"run `ecgrid-billing run --month {month_text(month)}`, or `build` if it was pulled already"
        )


def frame(connection: Connection, sql: str, params: Sequence[object] | Mapping[str, object] = ()) -> "pd.DataFrame":
    """The rows of a query as pandas on Arrow types: decimals stay decimals, and sums stay exact."""
    import pandas as pd  # by who asks for a frame alone: it is a second of every other command's time

    result: pd.DataFrame = table(connection, sql, params).to_pandas(types_mapper=pd.ArrowDtype)
    return result
