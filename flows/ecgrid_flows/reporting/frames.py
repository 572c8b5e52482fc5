"""What a notebook reads: `out_` relations of the warehouse as pandas frames, every decimal exact.

A `Book` is a warehouse opened read-only. `book.out("out_findings", reporting_month=month)` gives a frame whose
decimals are Arrow decimal128 (`pd.ArrowDtype`): they add up exactly and never pass through a float.
"""

import os
import re
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pandas as pd
import pyarrow as pa

from ecgrid_flows.errors import NoSuchData
from ecgrid_flows.rating import simulation
from ecgrid_flows.settings import DATA_DIR, SANDBOX_DIR
from ecgrid_flows.warehouse import database
from ecgrid_transforms.money import Decimal
from ecgrid_transforms.money import total as exact_total
from ecgrid_transforms.period import month_text, parse_month

__all__ = ["Book", "decimals", "open_book", "sums", "total", "worst_first"]

#: Where a data directory keeps its warehouse.
WAREHOUSE = Path("warehouse/billing.duckdb")

_OUT = re.compile(r"out_[a-z0-9_]+")
_COLUMN = re.compile(r"[a-z][a-z0-9_]*")


class Book:
    """A warehouse opened read-only; close it, or use it as a context manager."""

    def __init__(self, path: Path) -> None:
        if not path.is_file():
            raise NoSuchData(
                f"there is no warehouse {path}: run `ecgrid-billing run` (`build`, if months are pulled), or correct "
                f"data_dir"
            )
        self.path = path
        self._connection = database.connect(path, read_only=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Give the file free."""
        self._connection.close()

    def out(self, relation: str, **equals: Any) -> pd.DataFrame:
        """The rows of an `out_` relation, those alone whose columns equal `equals` (`reporting_month=month`)."""
        if not _OUT.fullmatch(relation):
            raise ValueError(f"{relation!r} is no out_ relation: notebooks read only those")
        if wrong := [name for name in equals if not _COLUMN.fullmatch(name)]:
            raise ValueError(f"{wrong[0]!r} is no column name")
        return database.as_frame(database.rows(self._connection, relation, **equals))

    def findings(self, month: date) -> pd.DataFrame:
        """The findings of a month with what was decided (`state`, `note`) and their parts of the money at stake."""
        amounts = self.out("out_finding_amounts", reporting_month=month)
        parts = ["finding_id", "claimable_amount", "too_much_amount", "too_little_amount", "unclear_amount"]
        return self.out("out_finding_states", reporting_month=month).merge(amounts[parts], on="finding_id", how="left")

    def simulated(self, terms: simulation.Terms, scope: simulation.Scope | None = None) -> simulation.Simulation:
        """The billed lines under other terms, of all months that are over unless `scope` names some."""
        return simulation.simulation(self._connection, terms, scope or simulation.Scope())

    def months(self) -> list[date]:
        """The months that have billed lines, oldest first."""
        return sorted(database.rows(self._connection, "core_months").column("reporting_month").to_pylist())

    def month(self, wanted: str | date | None = None) -> date:
        """`wanted` (`2026-10`) as a month, by default the newest; raises `NoSuchData` for one that was never pulled.

        A month that was pulled and in which nothing was billed is a month too.
        """
        months = self.months()
        if not wanted:
            if not months:
                raise NoSuchData(f"{self.path} holds no billed line: run `ecgrid-billing run` first")
            return months[-1]
        month = parse_month(wanted) if isinstance(wanted, str) else wanted.replace(day=1)
        if month not in months and not database.was_pulled(self._connection, month):
            held = f" ({month_text(months[0])} to {month_text(months[-1])} have)" if months else ""
            raise NoSuchData(
                f"{month_text(month)} has no billed lines here{held}: "
                f"run `ecgrid-billing run --month {month_text(month)}` first"
            )
        return month


def open_book(data_dir: str | Path | None = None) -> Book:
    """The warehouse of `data_dir`; by default of ECGRID_DATA_DIR, else of the nearest `data` or `data/sandbox`."""
    named = data_dir or os.environ.get("ECGRID_DATA_DIR")
    if named:
        return Book(Path(named).expanduser() / WAREHOUSE)
    here = Path.cwd()
    for folder in (here, *here.parents):
        for data in (DATA_DIR, SANDBOX_DIR):
            if (folder / data / WAREHOUSE).is_file():
                return Book(folder / data / WAREHOUSE)
    return Book(here / DATA_DIR / WAREHOUSE)


def decimals(column: "pd.Series[Any]") -> list[Decimal]:
    """The decimals of a column that are not missing."""
    return [value for value in column if isinstance(value, Decimal)]


def total(column: "pd.Series[Any]") -> Decimal:
    """The exact sum of a column's decimals; missing ones count nothing, an empty column gives 0."""
    return exact_total(decimals(column))


def sums(frame: pd.DataFrame, by: Sequence[str], of: Sequence[str]) -> pd.DataFrame:
    """Exact sums of the columns `of` for each `by`, and `rows`: how many rows went in. Missing groups stay."""
    table = pa.Table.from_pandas(frame[[*by, *of]], preserve_index=False)
    added = table.group_by(list(by), use_threads=False).aggregate([*((name, "sum") for name in of), ([], "count_all")])
    named = added.rename_columns([*by, *of, "rows"])
    result: pd.DataFrame = named.to_pandas(types_mapper=pd.ArrowDtype)
    return result


def worst_first(findings: pd.DataFrame) -> pd.DataFrame:
    """The findings in the order of `out_findings.place`."""
    return findings.sort_values("place").reset_index(drop=True)
