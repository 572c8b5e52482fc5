"""Every folder tests/sql/<relation>/<case> tests that relation; tests/sql/README.md says how to write one."""

import re
import tomllib
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from ecgrid_flows.warehouse import builder, database, sql_files, sql_tree
from ecgrid_transforms.schemas import FEEDS

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "tests/sql"
CASES = sorted(path.parent for path in FOLDER.glob("*/*/expect.csv"))
NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
TYPE = re.compile(r"([A-Z][A-Z0-9_]*(\(\d+(, ?\d+)?\))?|STRUCT\(.+\))(\[\])?")


@dataclass(frozen=True)
class Case:
    """What `case.toml` says: relations to run from their own files, and variables of the build.

    `is_soak`: it runs nearly all relations, and others that do are in `make test`.
    """

    runs: tuple[str, ...] = ()
    variables: dict[str, str] = field(default_factory=dict)
    is_soak: bool = False


def read_case(folder: Path) -> Case:
    path = folder / "case.toml"
    told = tomllib.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    assert told.keys() <= {"runs", "variables", "soak"}, f"{path}: the entries are runs, variables and soak"
    return Case(tuple(told.get("runs", ())), dict(told.get("variables", {})), bool(told.get("soak", False)))


def quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def load(connection: database.Connection, path: Path) -> None:
    """One input relation from its CSV; a lake_ view has every column of its feed, those not given are null."""
    scan = f"read_csv({quoted(str(path))}, header = true, all_varchar = true, nullstr = '')"
    headers = connection.execute(f"DESCRIBE FROM {scan}").fetchall()
    columns = []
    for header, *_ in headers:
        name, _, kind = header.partition(":")
        assert NAME.fullmatch(name), f"{path}: a column is named `name` or `name:TYPE`, not {header!r}"
        assert not kind or TYPE.fullmatch(kind), f"{path}: {kind!r} is no type"
        columns.append(f'"{header}"::{kind or "VARCHAR"} AS "{name}"')
    select = f"SELECT {', '.join(columns)} FROM {scan}"
    feed = path.stem.removeprefix("lake_")
    if path.stem.startswith("lake_") and feed in FEEDS:
        database.register(connection, f"{feed}_template", FEEDS[feed].empty_table())
        connection.execute(f"CREATE TABLE {path.stem} AS FROM {feed}_template").fetchall()
        connection.execute(f"INSERT INTO {path.stem} BY NAME {select}").fetchall()
    else:
        connection.execute(f"CREATE TABLE {path.stem} AS {select}").fetchall()


def prepare(connection: database.Connection, tree: sql_tree.SqlTree, folder: Path) -> set[str]:
    """Every relation that the case gives, and what nobody has to give: empty feeds and the project's own references."""
    case = read_case(folder)
    given = {path.stem for path in folder.glob("*.csv")} - {"expect"}
    for name in given:
        load(connection, folder / f"{name}.csv")
    for name, value in case.variables.items():
        connection.execute(f"SET VARIABLE {name} = {quoted(value)}::VARCHAR").fetchall()
    waiting, seen = [folder.parent.name], set[str]()
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        for read in sorted(tree.relations[name].reads - given):
            feed = read.removeprefix("lake_")
            reference = ROOT / "data/reference" / f"{read.removeprefix('reference_')}.csv"
            if read.startswith("lake_") and feed in FEEDS:
                database.register(connection, read, FEEDS[feed].empty_table())
                given.add(read)
            elif read.startswith("reference_") and reference.exists():
                connection.execute(
                    f"CREATE TABLE {read} AS FROM read_csv({quoted(str(reference))}, header = true, all_varchar = true)"
                ).fetchall()
                given.add(read)
            else:
                assert read in case.runs or "*" in case.runs, (
                    f"{folder}: give {read}.csv, or name {read} under `runs` in case.toml"
                )
                waiting.append(read)
    return given


def differing(connection: database.Connection, relation: str, expect: Path) -> dict[str, list[tuple[object, ...]]]:
    """Rows that should be there and are not, and rows that are there and should not be; only `expect`'s columns."""
    scan = f"read_csv({quoted(str(expect))}, header = true, all_varchar = true, nullstr = '')"
    kinds = {name: kind for name, kind, *_ in connection.execute(f'DESCRIBE FROM "{relation}"').fetchall()}
    names = [name for name, *_ in connection.execute(f"DESCRIBE FROM {scan}").fetchall()]
    unknown = sorted(set(names) - kinds.keys())
    assert not unknown, f"{expect}: {relation} has no column {unknown[0]}"
    # a DECIMAL is compared with all the digits that either side has
    types = ["DECIMAL(38, 20)" if kinds[name].startswith("DECIMAL") else kinds[name] for name in names]
    typed = ", ".join(f'"{name}"::{kind} AS "{name}"' for name, kind in zip(names, types, strict=True))
    wanted, got = f"SELECT {typed} FROM {scan}", f'SELECT {typed} FROM "{relation}"'
    return {
        "missing": connection.execute(f"{wanted} EXCEPT ALL ({got}) ORDER BY ALL").fetchall(),
        "unexpected": connection.execute(f"{got} EXCEPT ALL ({wanted}) ORDER BY ALL").fetchall(),
    }


def run_case(
    connection: database.Connection, folder: Path, sql: Path | None = None
) -> dict[str, list[tuple[object, ...]]]:
    """How the case differs from its expectation, by the files of the folder `sql` (default: the project's)."""
    relation = folder.parent.name
    tree = sql_files.load_sql() if sql is None else sql_files.load_sql(sql)  # two calls for the cache
    if relation not in tree.relations:  # one that no build makes
        (path,) = (ROOT / "sql").rglob(f"{relation}.sql")
        is_exchanging = "\n-- with: " in path.read_text("utf-8")  # what is exchanged must be loaded
        files = () if is_exchanging else tuple(sorted(path.stem for path in folder.glob("*.csv")))
        tree = sql_files.load_sql(sql, (relation,), files)
    assert relation in tree.relations, f"there is no relation {relation}"
    given = prepare(connection, tree, folder)
    builder.materialise(connection, tree, [relation], given=given)
    return differing(connection, relation, folder / "expect.csv")


@pytest.fixture(scope="module")
def macros() -> Iterator[database.Connection]:
    """A warehouse with the macros, for all cases: to make one takes as long as a case."""
    with database.scratch(threads=1) as connection:
        yield connection


@pytest.fixture
def connection(macros: database.Connection) -> Iterator[database.Connection]:
    """A connection of the case's own; what the case makes is gone after it."""
    with closing(macros.cursor()) as own:
        own.begin()
        yield own
        own.rollback()


@pytest.mark.parametrize(
    "folder",
    [
        pytest.param(
            folder,
            id=f"{folder.parent.name}/{folder.name}",
            marks=[pytest.mark.soak] if read_case(folder).is_soak else [],
        )
        for folder in CASES
    ],
)
def test_sql_case(connection: database.Connection, folder: Path) -> None:
    assert run_case(connection, folder) == {"missing": [], "unexpected": []}


def test_every_case_folder_has_its_expectation() -> None:
    """A case without expect.csv would be collected by nobody."""
    folders = [path for path in FOLDER.glob("*/*") if path.is_dir()]
    assert [path.relative_to(FOLDER).as_posix() for path in folders if not (path / "expect.csv").exists()] == []


def test_a_wrong_expectation_fails(tmp_path: Path) -> None:
    """The comparison itself: a cent more, a row twice and a row missing are all seen."""
    expect = tmp_path / "expect.csv"
    expect.write_text("account,amount\n1,10.005\n1,10.005\n2,\n3,1.0\n", encoding="utf-8")
    with database.scratch(threads=1) as connection:
        connection.execute(
            "CREATE TABLE out_x AS SELECT account::INTEGER AS account, amount::DECIMAL(28, 10) AS amount "
            "FROM (VALUES (1, 10.005), (2, NULL), (2, NULL), (3, 1.01)) AS rows (account, amount)"
        ).fetchall()
        found = differing(connection, "out_x", expect)
    assert [row[0] for row in found["missing"]] == [1, 3]
    assert [row[0] for row in found["unexpected"]] == [2, 3]
