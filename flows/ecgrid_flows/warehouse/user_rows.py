"""Rows of the CSV files that a user keeps: a wrong cell is a `SettingsError` that names file, line and column."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from ecgrid_flows.errors import SettingsError

__all__ = ["Cells"]

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class Cells:
    """One row of a file that the user keeps; an empty or absent cell states nothing."""

    path: Path
    line: int
    row: Mapping[str, str | None]

    def wrong(self, column: str, why: str) -> SettingsError:
        return SettingsError(f"{self.path}, line {self.line}, column {column}: {why}")

    def text(self, column: str) -> str:
        text = self.row.get(column) or ""
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
