"""Rows of a large file, worked out part by part in the order of a cached table (`export_cache`).

SQL text built here consists of identifiers only: the columns of a relation are known at run time.
"""

from collections.abc import Callable, Generator, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from itertools import chain, groupby, zip_longest
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from ecgrid_flows.errors import BillingError
from ecgrid_flows.warehouse import database
from ecgrid_flows.warehouse.connection import listed
from ecgrid_flows.warehouse.export_cache import GATHERED, show

__all__ = ["PLACE", "ROWS_A_BATCH", "Batches", "Fold", "Parted", "Repeating", "ahead", "placed"]

ROWS_A_BATCH = 65_536
#: Batches of rows, computed as they are read; a reader that stops early must close it.
Batches = Generator[pa.RecordBatch, None, None]
#: Parts of a file that are worked out at the same time; each takes some 100 MB.
_AT_ONCE = 2
#: Column by which a row's place is known on its way to a file.
PLACE = "place in the file"


def ahead(batches: Iterable[pa.RecordBatch]) -> Batches:
    """The same batches, of which the next is worked out on a thread while one is written."""
    waiting = iter(batches)
    with ThreadPoolExecutor(1) as thread:
        coming = thread.submit(next, waiting, None)
        while (batch := coming.result()) is not None:
            coming = thread.submit(next, waiting, None)
            yield batch


def placed(rows: Any) -> Any:
    """Rows that are in the order of their lines (`line_no`), with the place of each."""
    return rows.project(f'*, line_no::BIGINT AS "{PLACE}"')


@dataclass(frozen=True, slots=True)
class Repeating:
    """Columns of a file that repeat together, so that each combination is worked out once.

    `by` are columns of the cached table, which the rows have too: all that the repeating ones are made from. One row
    represents all that agree in them.
    """

    columns: tuple[str, ...]
    by: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Fold:
    """The combinations of one group of columns; the column `number` of a row is the number of its combination."""

    number: str
    combinations: pa.Table


@dataclass(frozen=True, slots=True)
class Parted:
    """Rows that follow a cached table, each from one of its rows, so that they can be worked out part by part.

    `rows_of` gives the rows that a connection sees, with `PLACE` among their columns: a whole number that never falls
    from row to row. One query on several threads would return its rows in any order; several queries that take turns
    at the parts keep the order.
    """

    connection: database.Connection
    gathered: str
    rows_of: Callable[[database.Connection], Any]

    def whole(self) -> Any:
        """All rows, as a relation, without their places."""
        return self.rows_of(self.connection).project(f"* EXCLUDE ({listed([PLACE])})")

    def project(self, columns: str) -> "Parted":
        """The same rows with other columns."""
        rows_of = self.rows_of
        return replace(self, rows_of=lambda seen: rows_of(seen).project(f"{columns}, {listed([PLACE])}"))

    def count(self) -> int:
        """The number of rows of the cached table."""
        ((count,),) = self.connection.table(self.gathered).aggregate("count(*)").fetchall()
        return int(count)

    def folded(
        self, groups: Sequence[Repeating], name: str, columns: Sequence[str], cells_of: Callable[[Sequence[str]], str]
    ) -> tuple["Parted", dict[str, str], tuple[Fold, ...]]:
        """The rows without the columns of `groups`; beside them the cells of these, and the numbers of combinations.

        `columns` are those of the file, `cells_of` gives the expression of the cells of some. Columns of a group that
        follow one another in the file share a text. Few rows are left as they are, as is a group that hardly repeats.
        Returns the rows, the expression of each column's cell (empty where the cell before holds it too), the folds.
        """
        count, rows, cells, folds = self.count(), self, dict[str, str](), []
        for place, group in enumerate(groups if count > ROWS_A_BATCH else ()):
            some = self._one_of_each(group.by, most=count // 2)
            if some is None:
                continue
            table = f"{name}_{place}"
            number = f"number in {table}"
            runs = {run: cells_of(run) for run in _runs(group.columns, columns)}
            keys = [f'"{key}" AS "{key} of {table}"' for key in group.by]
            texts = [f'{text} AS "{run[0]} in {table}"' for run, text in runs.items()]
            numbered = f'(row_number() OVER () - 1)::INTEGER AS "{number}"'
            values = listed(group.columns)
            some.project(", ".join([*keys, *texts, numbered, values])).create(f"{GATHERED}.main.{table}")
            made = self.connection.table(f"{GATHERED}.main.{table}")
            folds.append(Fold(number, made.order(f'"{number}"').project(values).to_arrow_table()))
            same = " AND ".join(f'"{key}" IS NOT DISTINCT FROM "{key} of {table}"' for key in group.by)
            rows = rows._beside(table, f"* EXCLUDE ({values})", same)
            for run in runs:
                cells |= {run[0]: f'"{run[0]} in {table}"', **dict.fromkeys(run[1:], "")}
        return rows, cells, tuple(folds)

    def _beside(self, table: str, columns: str, same: str) -> "Parted":
        """The same rows, each with columns of the row of a cached table that it fits."""
        rows_of, name = self.rows_of, f"{GATHERED}.main.{table}"
        return replace(
            self, rows_of=lambda seen: rows_of(seen).join(seen.table(name).project(columns), same, how="left")
        )

    def _one_of_each(self, by: Sequence[str], most: int) -> Any:
        """One of the rows for each combination that the cached table has in `by`; None if they are above `most`."""
        cursor = self.connection.cursor()
        combinations = cursor.table(f"{GATHERED}.main.{self.gathered}").aggregate("min(rowid) AS row", listed(by))
        first = combinations.project("row").to_arrow_table()
        if first.num_rows > most:
            return None
        database.register(cursor, "first_of_each", first)
        show(cursor, self.gathered, "rowid IN (FROM first_of_each)")
        return self.rows_of(cursor)

    def batches(self, made_of: Callable[..., Any]) -> Batches:
        """What `made_of` makes of the rows, in the order of the cached table, by `_AT_ONCE` queries at the same time.

        A part has as many rows as a batch, so the batches of the queries take turns. Few rows have one query, for a
        plan costs more than they do. `made_of` gets rows, and the names of columns that it has to keep.
        """
        at_once = _AT_ONCE if self.count() > ROWS_A_BATCH else 1
        with ExitStack() as stack:
            queries = []
            # otherwise DuckDB swaps the sides of a join with a larger table, and rows follow the order of that table
            self.connection.execute("SET disabled_optimizers = 'build_side_probe_side'").fetchall()
            for turn in range(at_once):
                cursor = self.connection.cursor()
                show(cursor, self.gathered, f"rowid // {ROWS_A_BATCH} % {at_once} = {turn}")
                rows = stack.enter_context(database.batches(made_of(self.rows_of(cursor), [PLACE]), ROWS_A_BATCH))
                queries.append(stack.enter_context(closing(ahead(rows))))
            self.connection.execute("RESET disabled_optimizers").fetchall()
            is_last, place = False, 0
            for batch in chain.from_iterable(zip_longest(*queries)):
                if batch is not None and batch.num_rows:
                    if is_last or not _is_rising(batch.column(PLACE), place):
                        raise BillingError(
                            f"{self.gathered} lost the order of its rows on the way to a file, so nothing was written: "
                            "export again, and report this if it stays"
                        )
                    is_last, place = batch.num_rows < ROWS_A_BATCH, batch.column(PLACE)[-1].as_py()
                    yield batch.drop_columns([PLACE])


def _is_rising(places: pa.Array, begin: int) -> bool:
    """Whether no place is below the one before it, the first not below `begin`."""
    steps = pc.subtract(places[1:], places[:-1])
    return bool(places[0].as_py() >= begin and (pc.min(steps).as_py() or 0) >= 0)


def _runs(group: Sequence[str], columns: Sequence[str]) -> list[tuple[str, ...]]:
    """The columns of a group, those together that follow one another among `columns`."""
    return [tuple(run) for is_in_group, run in groupby(columns, lambda name: name in group) if is_in_group]
