"""The files of `sql/`: found, parsed and ordered by what they read."""

import re
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

from ecgrid_flows.warehouse.connection import Connection, _open
from ecgrid_flows.warehouse.sql_headers import (
    CHECK_ROWS,
    CHECKS,
    read_header,
    read_shared_meanings,
    union_of_checks,
    with_all_columns,
)
from ecgrid_flows.warehouse.sql_tree import SqlFile, SqlRefused, SqlTree

#: Folder of `sql/` -> prefixes of the stems of its files.
LAYERS: dict[str, tuple[str, ...]] = {
    "raw": ("raw_",),
    "core": ("core_",),
    "out": ("out_",),
    "checks": ("fail_", "warn_", "info_"),
    "quotes": ("quote_",),
    "books": ("books_",),
    "clients": ("client_",),
    "simulations": ("simulation_",),
    "accruals": ("accrual_",),
}
#: Folders of relations that are not in a warehouse: a command creates those that it needs.
_UNBUILT = ("quotes", "books", "clients", "simulations", "accruals")
_STEM = re.compile(r"[a-z][a-z0-9_]*")
_KEPT_UNCOMPRESSED = re.compile(r"table, (\w+) uncompressed")
_NAME = re.compile(r"\w+")
_EXCHANGE = re.compile(r"(\w+) = (\w+)")


@dataclass(frozen=True, slots=True)
class Parsed:
    """A file's text, and what DuckDB's parser finds in it: an error or the number of statements, and names."""

    text: str
    error: str | None
    statements: int
    schemas: frozenset[str]
    tables: frozenset[str]
    ctes: frozenset[str]
    functions: frozenset[str]


def sql_folder() -> Path:
    """The `sql` folder: inside the wheel, or at the top of the checkout when installed editable."""
    package = Path(__file__).resolve().parents[1]
    for folder in (package / "_assets/sql", package.parents[1] / "sql"):
        if (folder / "macros").is_dir():
            return folder
    raise SqlRefused(f"no SQL files beside {package}: the installation is not whole; install ecgrid-billing again")


@cache
def load_sql(folder: Path | None = None, wanted: tuple[str, ...] = (), given: tuple[str, ...] = ()) -> SqlTree:
    """Read and check every file under `folder` (default: `sql_folder()`); raises `SqlRefused` naming the invalid file.

    With `wanted`, only the relations needed for these, without the `given` ones: parsing all files takes longer than
    rating a few thousand quantities. Read once per process: edited SQL needs a new process, as edited Python does.
    """
    root = folder or sql_folder()
    paths: dict[str, Path] = {}
    for path in sorted(root.rglob("*.sql")):
        layer = path.relative_to(root).parts[0]
        if layer == "macros" or (layer in _UNBUILT and not wanted):
            continue
        prefixes = LAYERS.get(layer)
        if prefixes is None:
            raise SqlRefused(f"{_shown(path)}: there is no layer {layer!r}; move it to {', '.join(LAYERS)}")
        if not path.stem.startswith(prefixes) or not _STEM.fullmatch(path.stem):
            raise SqlRefused(f"{_shown(path)}: the name of a relation here begins with {' or '.join(prefixes)}")
        if path.stem in paths:
            raise SqlRefused(f"{_shown(path)}: {_shown(paths[path.stem])} has this name too; a relation has one file")
        paths[path.stem] = path
    paths.setdefault(CHECK_ROWS, root / CHECKS / f"{CHECK_ROWS}.sql")  # `_text` writes it, if anything reads it
    relations: dict[str, SqlFile] = {}
    with closing(_open(":memory:")) as parser:
        waiting = sorted(paths.keys() & set(wanted)) if wanted else sorted(paths.keys() - {CHECK_ROWS})
        while waiting:
            found = _parsed(parser, [paths[name] for name in waiting])
            relations |= {name: _read_relation(paths[name], found[paths[name]], paths.keys()) for name in waiting}
            named = frozenset[str]().union(*(relations[name].reads | _exchanged(relations[name]) for name in waiting))
            waiting = sorted((named & paths.keys()) - relations.keys() - set(given))
    for name in list(relations):
        _carry_out_with(name, relations, set())
    for sql in relations.values():
        is_lasting = sql.is_view and not sql.is_scratch
        gone = [read for read in sorted(sql.reads) if is_lasting and read in relations and relations[read].is_scratch]
        if gone:
            raise SqlRefused(f"{_shown(sql.path)}: {gone[0]} ends with the build, so this cannot be a view; store it")
    return SqlTree(
        root, tuple(sorted(root.glob("macros/*.sql"))), relations, {} if wanted else read_shared_meanings(root)
    )


def _text(path: Path) -> str:
    if path.stem == CHECK_ROWS:
        return union_of_checks(path.parents[1])
    text = path.read_text(encoding="utf-8")
    return with_all_columns(text) if path.parent.name == CHECKS else text


def _parsed(parser: Connection, paths: Sequence[Path]) -> dict[Path, Parsed]:
    """Each file's text, and what DuckDB's parser finds in it; parsing all files at once halves the time."""
    texts = [_text(path) for path in paths]
    answers = parser.execute(
        """
        WITH trees AS MATERIALIZED (
            SELECT place, json_serialize_sql(text, skip_null := true, skip_empty := true, skip_default := true) AS tree
            FROM unnest(?::VARCHAR[]) WITH ORDINALITY AS texts (text, place)
        )
        SELECT
            tree ->> '$.error_message', coalesce(json_array_length(tree, '$.statements'), 0), tree ->> '$..schema_name',
            tree ->> '$..table_name', tree ->> '$..cte_map.map[*].key', tree ->> '$..function_name'
        FROM trees
        ORDER BY place
        """,
        [texts],
    ).fetchall()
    return {
        path: Parsed(text, error, statements, *(frozenset(map(str.lower, found)) for found in names))
        for path, text, (error, statements, *names) in zip(paths, texts, answers, strict=True)
    }


def _read_relation(path: Path, parsed: Parsed, stems: Iterable[str]) -> SqlFile:
    header = read_header(parsed.text, path.stem, _shown(path))
    kept = header.instructions.get("kept as", "table")
    uncompressed = _KEPT_UNCOMPRESSED.fullmatch(kept)
    if kept not in ("table", "view", "scratch", "scratch view") and not uncompressed:
        raise SqlRefused(
            f"{_shown(path)}: `-- kept as: {kept}` is none of `-- kept as: view`, `-- kept as: scratch`, "
            f"`-- kept as: scratch view` and `-- kept as: table, <column> uncompressed`; without it, it is a table"
        )
    is_view, is_scratch = kept.endswith("view"), kept.startswith("scratch")
    if parsed.error or parsed.statements != 1:
        found = parsed.error.splitlines()[0] if parsed.error else f"{parsed.statements} statements"
        raise SqlRefused(f"{_shown(path)}: not one SELECT ({found}); a relation's file holds a single SELECT")
    if parsed.schemas:
        raise SqlRefused(
            f"{_shown(path)}: reads from schema {min(parsed.schemas)}; name the relation alone, without a schema"
        )
    clashes = sorted(name for name in parsed.ctes if name in stems or name.startswith(("lake_", "reference_")))
    if clashes:
        raise SqlRefused(f"{_shown(path)}: the CTE {clashes[0]} hides the relation of that name; rename the CTE")
    readers = sorted(name for name in parsed.functions if name.startswith(("read_", "parquet_scan", "sniff_")))
    if readers:
        raise SqlRefused(f"{_shown(path)}: {readers[0]} reads a file; read a lake_ view or a reference_ table instead")
    reads = parsed.tables - parsed.ctes
    if is_view and not is_scratch and "getvariable" in parsed.functions:
        raise SqlRefused(f"{_shown(path)}: a view has no variables once the build is over; remove `-- kept as: view`")
    if is_view and not is_scratch and any(name.startswith("lake_") for name in reads):
        raise SqlRefused(
            f"{_shown(path)}: lake_ views end with the build, so this cannot be a view; "
            f"store it as a table, or write `-- kept as: scratch view`"
        )
    if path.stem in reads:
        raise SqlRefused(f"{_shown(path)}: reads itself")
    return SqlFile(
        path.stem, path, parsed.text, reads, is_view, is_scratch, header, uncompressed[1] if uncompressed else None
    )


def _asked_exchange(sql: SqlFile) -> str | None:
    """The text after `-- with:`, if the file has such a line."""
    return sql.header.instructions.get("with")


def _exchanged(sql: SqlFile) -> frozenset[str]:
    """The relations that a `-- with:` line names: replaced -> replacement."""
    return frozenset(_NAME.findall(_asked_exchange(sql) or ""))


def _carry_out_with(name: str, relations: dict[str, SqlFile], begun: set[str]) -> SqlFile:
    """`relations[name]` with its `-- with:` line, if it has one, applied.

    The relations between those replaced and the SELECT become CTEs of the same names before it, in order.
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
            known[read] = False  # a cycle is reported by `_ordered`
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
    parts = [f"{old} AS NOT MATERIALIZED (SELECT * FROM {new})" for old, new in exchanges.items()]
    parts += [f"{read} AS (\n{relations[read].text}\n)" for read in chain]
    read_in_all = frozenset[str]().union(sql.reads, *(relations[read].reads for read in chain), exchanges.values())
    text = f"WITH {', '.join(parts)}\nSELECT * FROM (\n{sql.text}\n)"
    done = {kind: value for kind, value in sql.header.instructions.items() if kind != "with"}
    header = replace(sql.header, instructions=done)
    relations[name] = replace(sql, text=text, reads=read_in_all - exchanges.keys() - set(chain), header=header)
    return relations[name]


def _shown(path: Path) -> str:
    return f"{path.parent.name}/{path.name}"


def _ordered(tree: SqlTree, wanted: Iterable[str], given: Iterable[str]) -> list[SqlFile]:
    """The files to run for `wanted`, each after what it reads; `given` relations exist already."""
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
