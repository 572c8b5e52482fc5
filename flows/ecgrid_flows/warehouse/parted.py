"""Rows of a large file, worked out part by part in the order of a cached table (`export_cache`).

SQL text built here consists of identifiers only: the columns of a relation are known at run time.
"""

from collections import deque
from collections.abc import Callable, Generator, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from itertools import cycle, groupby, islice
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from ecgrid_flows.errors import BillingError
from ecgrid_flows.warehouse import database
from ecgrid_flows.warehouse.connection import listed
from ecgrid_flows.warehouse.export_cache import GATHERED, show
from ecgrid_transforms.columns import integers

__all__ = ["ROWS_A_BATCH", "Batches", "Fold", "Parted", "Repeating", "ahead"]

ROWS_A_BATCH = 65_536
#: Batches of rows, computed as they are read; a reader that stops early must close it.
Batches = Generator[pa.RecordBatch, None, None]
#: Parts of a file that are worked out at the same time, each of a batch's rows; it takes some 100 MB.
_AT_ONCE = 2


def ahead(batches: Iterable[pa.RecordBatch]) -> Batches:
    """The same batches, of which the next is worked out on a thread while one is written."""
    waiting = iter(batches)
    with ThreadPoolExecutor(1) as thread:
        coming = thread.submit(next, waiting, None)
        while (batch := coming.result()) is not None:
            coming = thread.submit(next, waiting, None)
            yield batch


@dataclass(frozen=True, slots=True)
class Repeating:
    """Columns of a file that repeat together, so that each combination is worked out once.

    `by` are columns of the cached table, which the rows have too: all that the repeating ones are made from. One row
    represents all that agree in them. The first is never null.
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
    """Rows of a file, one from each row of a cached table, so that they can be worked out part by part.

    `rows_of` gives the rows that a connection sees. They have the columns `order`, which no file has: the order of the
    cached table.
    """

    connection: database.Connection
    gathered: str
    rows_of: Callable[[database.Connection], Any]
    order: tuple[str, ...]

    def whole(self) -> Any:
        """All rows, as a relation."""
        return self.rows_of(self.connection)

    def project(self, columns: str) -> "Parted":
        """The same rows with other columns."""
        rows_of = self.rows_of
        return replace(self, rows_of=lambda seen: rows_of(seen).project(columns))

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
            rows = rows._beside(table, f"* EXCLUDE ({values})", same, group.by[0])
            for run in runs:
                cells |= {run[0]: f'"{run[0]} in {table}"', **dict.fromkeys(run[1:], "")}
        return rows, cells, tuple(folds)

    def _beside(self, table: str, columns: str, same: str, key: str) -> "Parted":
        """The same rows, each with columns of the row of a cached table that it fits.

        Only rows with a `key` of the part are joined: to hash those of 100,000 accounts took a quarter of each part.
        """
        rows_of, name = self.rows_of, f"{GATHERED}.main.{table}"
        return replace(
            self,
            rows_of=lambda seen: rows_of(seen).join(
                seen.table(name).filter(f'"{key} of {table}" IN (SELECT {key} FROM {self.gathered})').project(columns),
                same,
                how="left",
            ),
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
        """What `made_of` makes of the rows, in their order, of `_AT_ONCE` parts at the same time.

        `made_of` gets rows, and the names of columns that it has to keep. Raises `BillingError` if rows are missing.
        """
        count = self.count()
        with ExitStack() as stack, ThreadPoolExecutor(_AT_ONCE) as threads:
            cursors = [stack.enter_context(closing(self.connection.cursor())) for _ in range(_AT_ONCE)]
            for cursor in cursors:
                show(cursor, self.gathered, "rowid >= getvariable('part_begin') AND rowid < getvariable('part_end')")
            # as text: a relation is bound anew with each step, which took half of the time of a part
            text = made_of(self.rows_of(cursors[0]), self.order).sql_query()
            parts = (
                threads.submit(self._part, cursor, text, begin)
                for cursor, begin in zip(cycle(cursors), range(0, count, ROWS_A_BATCH), strict=False)
            )
            coming = deque(islice(parts, _AT_ONCE))
            while coming:
                part = coming.popleft().result()
                coming.extend(islice(parts, 1))
                count -= part.num_rows
                yield from part.to_batches()
        if count:
            raise BillingError(
                f"{self.gathered} lost or repeated rows on the way to a file, so nothing was written: export again, "
                "and report this if it stays"
            )

    def _part(self, cursor: database.Connection, text: str, begin: int) -> pa.Table:
        """The rows from row `begin` of the cached table on."""
        cursor.execute(f"SET VARIABLE part_begin = {begin}").fetchall()
        cursor.execute(f"SET VARIABLE part_end = {begin + ROWS_A_BATCH}").fetchall()
        rows = cursor.sql(text).to_arrow_table().combine_chunks()
        # a join that spills returns its rows in the order of its partitions
        places = pc.sort_indices(rows, [(name, "ascending") for name in self.order])
        if not places.equals(integers("q", range(rows.num_rows)).view(places.type)):
            rows = rows.take(places).combine_chunks()
        return rows.drop_columns(list(self.order))


def _runs(group: Sequence[str], columns: Sequence[str]) -> list[tuple[str, ...]]:
    """The columns of a group, those together that follow one another among `columns`."""
    return [tuple(run) for is_in_group, run in groupby(columns, lambda name: name in group) if is_in_group]
