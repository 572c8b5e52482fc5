"""Rows of the CSV files that a user keeps: a wrong cell is a `SettingsError` that names file, line and column."""

import csv
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TypeVar

from ecgrid_flows.errors import SettingsError
from ecgrid_transforms.money import Decimal, fitted, to_decimal

__all__ = ["Cells", "day", "identifier", "number", "read_rows", "whole"]

Value = TypeVar("Value")
_DIGITS = re.compile(r"[0-9]{1,15}")
_ISO_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


@dataclass(frozen=True, slots=True)
class Cells:
    """One row of a file that the user keeps; an empty or absent cell states nothing."""

    path: Path
    line: int
    row: Mapping[str, str]

    def wrong(self, column: str, why: str) -> SettingsError:
        return SettingsError(f"{self.path}, line {self.line}, column {column}: {why}")

    def text(self, column: str) -> str:
        text = self.row.get(column, "")
        if text != text.strip():
            raise self.wrong(column, f"{text!r} has spaces at its ends; remove them")
        return text

    def one_of(self, column: str, known: Collection[str]) -> str:
        text = self.text(column)
        if text not in known:
            raise self.wrong(column, f"{text!r} is none of {', '.join(filter(None, known))}")
        return text

    def value(self, column: str, read: Callable[[str], Value], what: str) -> Value | None:
        """The cell by `read`; None where it is empty."""
        text = self.text(column)
        if not text:
            return None
        try:
            return read(text)
        except (ValueError, ArithmeticError):
            raise self.wrong(column, f"{text!r} is not {what}") from None

    def needed(self, column: str, read: Callable[[str], Value], what: str) -> Value:
        """The cell by `read`, which must not be empty."""
        found = self.value(column, read, what)
        if found is None:
            raise self.wrong(column, f"is empty; write {what}")
        return found


def read_rows(path: Path, columns: Sequence[str], owners: Collection[str] = ()) -> Iterator[Cells]:
    """The rows of a file that has these columns, in any order; of `owners`, one is enough. Empty lines are skipped.

    Raises `SettingsError` for another header, a line with another number of cells, and a file that is no CSV.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as source:
            lines = csv.reader(source, strict=True)
            header = next(lines, [])
            _check_header(path, header, columns, owners)
            for cells in filter(None, lines):
                if len(cells) != len(header):
                    counts = f"{len(cells)} cells under {len(header)} columns"
                    raise SettingsError(f"{path}, line {lines.line_num}: {counts}; quote texts with commas")
                yield Cells(path, lines.line_num, dict(zip(header, cells, strict=True)))
    except FileNotFoundError as error:
        raise SettingsError(f"there is no file {path}: correct its path") from error
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise SettingsError(f"{path} cannot be read as CSV ({error}): make it a UTF-8 text") from error


def _check_header(path: Path, header: Sequence[str], known: Sequence[str], owners: Collection[str]) -> None:
    columns = f"the columns are {','.join(known)}"
    if ";" in "".join(header):
        raise SettingsError(f"{path}, line 1: its columns are separated by semicolons; separate them by commas")
    if owners and not set(owners) & set(header):
        raise SettingsError(f"{path}, line 1: column {' or '.join(owners)} is missing; {columns}")
    for name in known:
        if name not in owners and name not in header:
            raise SettingsError(f"{path}, line 1: column {name} is missing; {columns}")
    for name in header:
        if name not in known or header.count(name) > 1:
            raise SettingsError(f"{path}, line 1: column {name!r} is unknown or repeated; {columns}")


def whole(text: str) -> int:
    """A whole number from 0; raises `ValueError`."""
    if not _DIGITS.fullmatch(text):
        raise ValueError(text)
    return int(text)


def identifier(text: str) -> int:
    """A number of the service, from 1 and below 2**31; raises `ValueError`."""
    found = whole(text)
    if not 1 <= found < 2**31:
        raise ValueError(text)
    return found


def number(text: str) -> Decimal:
    """A decimal with at most 10 decimals; raises `ValueError` or `ArithmeticError`."""
    return fitted(to_decimal(text))


def day(text: str) -> date:
    """A date in the form 2026-10-01; raises `ValueError`."""
    if not _ISO_DATE.fullmatch(text):
        raise ValueError(text)
    return date.fromisoformat(text)
