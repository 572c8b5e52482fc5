"""The header of a SQL file: the comment lines before its SELECT, with the facts about its relation.

    -- One row per line as billed.                      the grain, always first
    -- kept as: view                                    instructions to the runner, below that sentence (INSTRUCTIONS)
    -- Amounts are those billed.                        notes
    -- actual: quantity measured                        meaning of a column, in out_, raw_ and check relations

Meanings that relations share are in `sql/columns.csv`; those of a feed's columns are in its schema
(`ecgrid_transforms.schemas`). A meaning in the header has priority.
"""

import csv
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import takewhile
from pathlib import Path

from ecgrid_flows.warehouse.sql_tree import Header, SqlFile, SqlRefused, SqlTree

#: Instructions that a header may have, each at most once.
INSTRUCTIONS = ("kept as", "with", "title")
#: Relations whose columns have meanings.
DESCRIBED = ("out_", "raw_", "fail_", "warn_", "info_")
SHARED_MEANINGS = "columns.csv"
#: Folder of the checks, and the relation with the rows of all checks.
CHECKS, CHECK_ROWS = "checks", "core_check_rows"
#: Columns of every check, with their types; a file leaves out those that are null in all its rows.
CHECK_COLUMNS = {
    **dict.fromkeys(("network_id", "mailbox_id"), "INTEGER"),
    "reporting_month": "DATE",
    **dict.fromkeys(("account_report", "measure_field"), "VARCHAR"),
    "price_list_id": "INTEGER",
    "invoice_number": "VARCHAR",
    **dict.fromkeys(("billed_amount", "expected_amount", "difference"), "DECIMAL(28, 10)"),
    "explanation": "VARCHAR",
}

_GRAIN = re.compile(r"-- (One row per \S.*)")
_INSTRUCTION = re.compile(rf"-- ({'|'.join(INSTRUCTIONS)}): (.+)")
_MEANING = re.compile(r"-- (\w+): (\S.*)")


def read_header(text: str, name: str, where: str) -> Header:
    """The header of relation `name`, whose file has this text; raises `SqlRefused` naming `where`."""
    lines = text.splitlines() or [""]
    grain = _GRAIN.fullmatch(lines[0])
    if not grain:
        raise SqlRefused(f"{where}: the first line says the grain; write `-- One row per ...`")
    comments = []
    for line in lines[1:]:
        if not line.startswith("--"):
            break
        comments.append(line)
    instructions: dict[str, str] = {}
    notes: list[str] = []
    is_below_grain = True
    columns: dict[str, str] = {}
    for line in comments:
        if instruction := _INSTRUCTION.fullmatch(line):
            if instruction[1] in instructions or not is_below_grain:
                raise SqlRefused(f"{where}: write `{line}` once, directly below the first sentence")
            instructions[instruction[1]] = instruction[2].strip()
        elif name.startswith(DESCRIBED) and (meaning := _MEANING.fullmatch(line)):
            if meaning[1] in columns:
                raise SqlRefused(f"{where}: column {meaning[1]} has two meanings; remove one")
            columns[meaning[1]] = meaning[2].strip()
            is_below_grain = False
        elif columns:
            raise SqlRefused(f"{where}: `{line}` is no `-- column: meaning`; notes stand above those lines")
        else:
            is_below_grain = not instructions and "." not in "".join([grain[1], *notes])[-1:]
            notes.append(line.removeprefix("--").strip())
    return Header(grain[1], tuple(notes), instructions, columns)


def check_titles(folder: Path) -> dict[str, str]:
    """Check name -> its title for people, of every check under `folder`, from `-- title:` in its header."""
    found = {}
    for path in sorted(folder.glob(f"{CHECKS}/*.sql")):
        header = read_header(path.read_text(encoding="utf-8"), path.stem, f"{CHECKS}/{path.name}")
        name = path.stem.split("_", 1)[1]
        found[name] = header.instructions.get("title", name)
    return found


def union_of_checks(folder: Path) -> str:
    """The SELECT of `core_check_rows`: the rows of every check under `folder`, with its name and severity.

    The first row, without data, adds the two columns that a check may omit.
    """
    severities = {"fail": "error", "warn": "warning", "info": "info"}
    parts = ["SELECT NULL::BOOLEAN AS is_doubtful, NULL::VARCHAR AS cause WHERE false"]
    for path in sorted(folder.glob(f"{CHECKS}/*.sql")):
        kind, name = path.stem.split("_", 1)
        parts.append(f"SELECT '{name}' AS check_name, '{severities[kind]}' AS severity, * FROM {path.stem}")
    return (
        "-- One row per row of a check, with the check's name and severity: written by the runner from sql/checks.\n"
        "-- kept as: scratch view\n" + "\nUNION ALL BY NAME\n".join(parts) + "\n"
    )


def with_all_columns(text: str) -> str:
    """The file of a check with all CHECK_COLUMNS: those that it leaves out are null."""
    body = text.lstrip().splitlines()
    header = list(takewhile(lambda line: line.startswith("--"), body))
    none = ", ".join(f"NULL::{kind} AS {column}" for column, kind in CHECK_COLUMNS.items())
    return "\n".join([*header, f"SELECT {none} WHERE false UNION ALL BY NAME (", *body[len(header) :], ")"])


def read_shared_meanings(folder: Path) -> dict[str, str]:
    """Column -> meaning from `sql/columns.csv`; empty if there is no such file. Raises `SqlRefused`."""
    path = folder / SHARED_MEANINGS
    if not path.exists():
        return {}
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    if rows[:1] != [["column", "meaning"]]:
        raise SqlRefused(f"{path}: its first line is column,meaning")
    found: dict[str, str] = {}
    for number, row in enumerate(rows[1:], start=2):
        if len(row) != 2 or not all(cell.strip() for cell in row) or row[0] in found:
            raise SqlRefused(f"{path}, line {number}: a line has one column and its meaning, and no column has two")
        found[row[0]] = row[1]
    return found


@dataclass(slots=True)
class Meanings:
    """Meanings of the columns of a tree's relations: found and missing."""

    #: relation -> column -> meaning, in the order of the columns
    found: dict[str, dict[str, str]] = field(default_factory=dict)
    #: `relation.column` of each column that has none
    missing: list[str] = field(default_factory=list)
    #: columns of `columns.csv` that no relation takes from it
    unused: list[str] = field(default_factory=list)


def meanings(tree: SqlTree, columns: Iterable[tuple[str, str]]) -> Meanings:
    """The meanings of stored `columns` (relation, column) of `DESCRIBED` relations.

    The further columns of a DataSet feed have none. Raises `SqlRefused` for a header that names a column which its
    relation does not have.
    """
    given: dict[str, list[str]] = {}
    for name, column in columns:
        if name in tree.relations and name.startswith(DESCRIBED):
            given.setdefault(name, []).append(column)
    result = Meanings()
    used: set[str] = set()
    for name, present in given.items():
        sql = tree.relations[name]
        stale = sorted(sql.header.columns.keys() - set(present))
        if stale:
            raise SqlRefused(f"{name}: its header describes {stale[0]}, and there is no such column: remove the line")
        feed = feed_meanings(sql)
        result.found[name] = {}
        for column in present:
            if column in sql.header.columns:
                meaning = sql.header.columns[column]
            elif column in feed:
                meaning = feed[column]
            elif column in tree.meanings and not name.startswith("raw_"):
                meaning = tree.meanings[column]
                used.add(column)
            else:
                result.missing.append(f"{name}.{column}")
                continue
            result.found[name][column] = meaning
    result.unused = sorted(tree.meanings.keys() - used)
    return result


def feed_meanings(sql: SqlFile) -> Mapping[str, str]:
    """Column -> meaning by the schema of the feed that a `raw_` or `out_` relation is named after; else empty."""
    from ecgrid_transforms.schemas import FEEDS  # imports pyarrow, which a query of findings does not need

    layer, feed = sql.name.split("_", 1)
    if layer not in ("raw", "out") or feed not in FEEDS:
        return {}
    return {one.name: (one.metadata or {}).get(b"description", b"").decode() for one in FEEDS[feed]}
