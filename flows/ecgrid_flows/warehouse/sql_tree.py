"""Input and output of a build: SQL files, trees, reports, and its two errors."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ecgrid_flows.errors import BillingError, SettingsError


class SqlRefused(SettingsError):
    """A file under `sql/` (or a reference table) breaks a rule of the runner."""


class BuildFailed(BillingError):
    """DuckDB could not build a relation; the previous warehouse is unchanged."""


@dataclass(frozen=True, slots=True)
class Header:
    """What the header of a SQL file states (`sql_headers`): grain, notes, instructions, and meanings of columns."""

    grain: str
    notes: tuple[str, ...] = ()
    instructions: Mapping[str, str] = field(default_factory=dict)
    columns: Mapping[str, str] = field(default_factory=dict)

    @property
    def sentence(self) -> str:
        """The grain as a whole sentence, which may extend beyond the first line."""
        return " ".join([self.grain, *self.notes]).split(". ")[0].removesuffix(".")


@dataclass(frozen=True, slots=True)
class SqlFile:
    """One relation: its SELECT, what it reads, and how it is kept: view or table, and whether beyond the build.

    `uncompressed` is the column of a table that is stored without compression, if any.
    """

    name: str
    path: Path
    text: str
    reads: frozenset[str]
    is_view: bool
    is_scratch: bool
    header: Header
    uncompressed: str | None = None

    @property
    def layer(self) -> str:
        return self.path.parent.name


@dataclass(frozen=True, slots=True)
class SqlTree:
    """All files of one `sql` folder, read and checked: macro scripts by file name, relations by stem.

    `meanings` are those that columns of several relations share, by column.
    """

    folder: Path
    macros: tuple[Path, ...]
    relations: Mapping[str, SqlFile]
    meanings: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class BuiltRelation:
    """One built relation; `rows` is None for a view."""

    name: str
    rows: int | None
    seconds: float


@dataclass(frozen=True, slots=True)
class BuildReport:
    """The relations that a build made, in that order."""

    target: Path
    relations: tuple[BuiltRelation, ...] = field(default=())
    seconds: float = 0.0

    def rows(self, name: str) -> int | None:
        """Rows of relation `name`; None when it is a view, KeyError when there is no such relation."""
        return {relation.name: relation.rows for relation in self.relations}[name]
