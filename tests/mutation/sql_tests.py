"""The tests that run SQL, in one process, with one file of `sql/` changed.

A test that runs most relations is kept as a database in which they are all made: the tests of worlds in
`tests/recon`, and the SQL cases with `runs = ["*"]`. For a fault the changed relation is made anew there, and those
that read it as far as rows differ, in a transaction that is rolled back. Other SQL cases are run as they are.
"""

import inspect
import shutil
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import Self

import duckdb

from ecgrid_flows.errors import BillingError
from ecgrid_flows.warehouse import builder, database, sql_files
from ecgrid_flows.warehouse.sql_tree import SqlTree
from ecgrid_sandbox.worlds import World
from tests.mutation.mutant import Mutant
from tests.recon import test_generated_worlds as generated_worlds
from tests.recon import test_shipped_world as shipped_world
from tests.recon import test_small_worlds as small_worlds
from tests.support import lake_of
from tests.test_sql_cases import CASES, differing, prepare, read_case, run_case

#: Seconds after which a query counts as failed: some faults make a recursion endless.
_QUERY_S = 600
ROOT_SQL = sql_files.sql_folder()
_FAILED = (AssertionError, BillingError, duckdb.Error, ArithmeticError, LookupError, TypeError, ValueError)
_PRINT = "SELECT count(*), bit_xor(hash(kept)), sum(hash(kept)::HUGEINT) FROM {} AS kept"

Check = Callable[[database.Connection], None]


@dataclass(frozen=True)
class Made:
    """A database with the relations of a test, and what the test asserts."""

    connection: database.Connection
    tree: SqlTree
    given: frozenset[str]
    wanted: frozenset[str]
    check: Check

    @cached_property
    def prints(self) -> dict[str, object]:
        return {name: _print_of(self.connection, name) for name in self.wanted}

    def is_passed(self, changed: SqlTree) -> bool:
        """Whether the test passes with the changed tree."""
        expected = self.prints
        kept, differs = set(self.given), False
        with _rolled_back(self.connection):
            for sql in sql_files._ordered(changed, self.wanted & changed.relations.keys(), self.given):
                if sql.text == self.tree.relations[sql.name].text and sql.reads <= kept:
                    kept.add(sql.name)
                    continue
                builder.materialise(
                    self.connection, changed, [sql.name], (changed.relations.keys() | kept) - {sql.name}
                )
                if _print_of(self.connection, sql.name) == expected[sql.name]:
                    kept.add(sql.name)
                else:
                    differs = True
            if differs:
                self.check(self.connection)
            return True
        return False


class SqlTests:
    """The SQL cases, and the worlds of `tests/recon`, for one changed file at a time."""

    def __init__(self, folder: Path, *, has_worlds: bool = True) -> None:
        """`folder`: where a copy of `sql/` and the lakes of worlds are written."""
        self._stack = ExitStack()
        self._folder = folder
        self._tree = sql_files.load_sql()
        self._macros = self._stack.enter_context(database.scratch(threads=1))
        self._worlds = (_shipped, _small, _generated) if has_worlds else ()
        self._made: dict[str, Made] = {}
        shutil.copytree(self._tree.folder, folder / "sql")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def found_by(self, mutant: Mutant) -> str | None:
        """The first test that fails with the fault in place, or None."""
        file = self._folder / mutant.path
        original = file.read_bytes()
        file.write_text(mutant.text, encoding="utf-8")
        sql_files.load_sql.cache_clear()
        try:
            return self._failing(mutant.path.stem, sql_files.load_sql(self._folder / "sql"))
        except BillingError:  # a file of its form is refused
            return "the reader of sql/"
        finally:
            file.write_bytes(original)

    def _failing(self, relation: str, changed: SqlTree) -> str | None:
        for folder in cases_of(relation, self._tree):
            if is_whole(folder) and folder.parent.name in changed.relations:
                is_passed = self._kept(str(folder), lambda: _case(folder)).is_passed(changed)  # noqa: B023 - called here
            else:
                is_passed = self._is_case_passed(folder)
            if not is_passed:
                return "SQL cases"
        for make in self._worlds:
            name = make.__name__.strip("_")
            if not self._kept(name, lambda: make(self._folder)).is_passed(changed):  # noqa: B023 - called here
                return f"{name} worlds"
        return None

    def _kept(self, name: str, make: Callable[[], Iterator[Made]]) -> Made:
        if name not in self._made:
            self._made[name] = self._stack.enter_context(contextmanager(make)())
        return self._made[name]

    def _is_case_passed(self, folder: Path) -> bool:
        with self._macros.cursor() as connection, _rolled_back(connection):
            return not any(run_case(connection, folder, self._folder / "sql").values())
        return False


def is_whole(folder: Path) -> bool:
    return "*" in read_case(folder).runs


def cases_of(relation: str, tree: SqlTree) -> list[Path]:
    """The SQL cases that run this relation from its file: its own, then those of what reads it, quick ones first."""

    def reads(name: str, seen: set[str]) -> set[str]:
        for read in tree.relations[name].reads & tree.relations.keys() - seen:
            seen.add(read)
            reads(read, seen)
        return seen

    chosen = []
    for folder in CASES:
        runs, tested = read_case(folder).runs, folder.parent.name
        is_read = tested in tree.relations and relation in reads(tested, set())
        if tested == relation or relation in runs or ("*" in runs and is_read):
            chosen.append(folder)
    return sorted(chosen, key=lambda folder: (is_whole(folder), folder.parent.name != relation))


@contextmanager
def _rolled_back(connection: database.Connection) -> Iterator[None]:
    """A transaction that is rolled back; what a failing test raises is swallowed, as is a query without an end."""
    timer = threading.Timer(_QUERY_S, connection.interrupt)
    timer.start()
    connection.begin()
    try:
        yield
    except _FAILED:
        pass
    finally:
        timer.cancel()
        connection.rollback()


def _print_of(connection: database.Connection, name: str) -> object:
    return connection.execute(_PRINT.format(f'"{name}"')).fetchone()


def _case(folder: Path) -> Iterator[Made]:
    """A SQL case that runs all relations."""
    tree, relation = sql_files.load_sql(ROOT_SQL), folder.parent.name

    def check(connection: database.Connection) -> None:
        assert not any(differing(connection, relation, folder / "expect.csv").values())

    with database.scratch(tree, threads=1) as connection:
        given = frozenset(prepare(connection, tree, folder))
        yield _kept(connection, tree, given, [relation], check)


def _world(files: dict[str, list[str]], references: Sequence[Path], check: Check) -> Iterator[Made]:
    tree = sql_files.load_sql(ROOT_SQL)
    with database.scratch(tree, threads=1) as connection:
        feeds = {feed: files.get(feed, []) for feed in builder.FEEDS}
        given = frozenset(builder.create_lake_views(connection, feeds, references, tree))
        yield _kept(connection, tree, given, list(tree.relations), check)


def _kept(
    connection: database.Connection, tree: SqlTree, given: frozenset[str], wanted: Sequence[str], check: Check
) -> Made:
    """Make the relations; the test passes with them."""
    built = builder.materialise(connection, tree, wanted, given)
    check(connection)
    return Made(connection, tree, given, frozenset(one.name for one in built), check)


def _shipped(folder: Path) -> Iterator[Made]:
    world = World.shipped(date(2026, 10, 1))
    (folder / "shipped").mkdir()

    def check(connection: database.Connection) -> None:
        given = {"shipped": world, "reconciled": connection}
        for name, test in vars(shipped_world).items():
            wanted = inspect.signature(test).parameters if name.startswith("test_") else {}
            if "reconciled" in wanted:
                for model in ("unit", "volume", "graduated") if "model" in wanted else ("",):
                    test(**{one: (given | {"model": model})[one] for one in wanted})

    yield from _world(lake_of.lake(world, folder / "shipped"), [lake_of.REFERENCE], check)


def _small(folder: Path) -> Iterator[Made]:
    (folder / "small").mkdir()
    worlds, files, references = small_worlds.landed((*small_worlds.FEW, *small_worlds.FEW_PAPERS), folder / "small")

    def check(connection: database.Connection) -> None:
        for audit in small_worlds.audits(connection, worlds).values():
            assert not list(audit.complaints())

    yield from _world(files, references, check)


def _generated(folder: Path) -> Iterator[Made]:
    """One generated world, and the shipped one with corrected lines."""
    (folder / "generated").mkdir()
    worlds, rows = generated_worlds.with_restated(generated_worlds.FEW[:1])

    def check(connection: database.Connection) -> None:
        audits = generated_worlds.audits(connection, worlds)
        generated_worlds.test_a_line_answered_otherwise_later_is_restated(audits)
        for number, audit in audits.items():
            assert number == generated_worlds.RESTATED or not generated_worlds.complaints(audit)

    yield from _world(generated_worlds.landed(worlds, rows, folder / "generated"), [lake_of.REFERENCE], check)
