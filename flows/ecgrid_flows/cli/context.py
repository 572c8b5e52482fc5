"""Shared by all commands: common options, output to stdout and stderr, errors and exit statuses.

Results go to stdout, everything else to stderr; with `--json`, stdout has exactly one JSON document.
"""

import json
import re
import shlex
import shutil
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ecgrid_flows import logs
from ecgrid_flows.errors import ExitStatus, NoSuchData, SettingsError
from ecgrid_flows.settings import Settings
from ecgrid_transforms.money import Decimal, plain
from ecgrid_transforms.period import NotAMonth, parse_month, require_begun

#: An amount or a quantity as text.
_AMOUNT = re.compile(r"-?[\d,]+(?:\.\d+)?")

DataDir = Annotated[
    str | None,
    typer.Option(
        "--data-dir",
        metavar="DIR",
        help="Directory of raw, lake, warehouse, exports and reports (ECGRID_DATA_DIR, else data; data/sandbox while "
        "no credentials are set and no run has filled data).",
    ),
]


def month_of(text: str) -> date:
    """Parse an option or argument `YYYY-MM` to the first day of the month; raises `SettingsError`."""
    try:
        return require_begun(parse_month(text))
    except NotAMonth as error:
        raise SettingsError(str(error)) from error


Month = Annotated[
    date | None,
    typer.Option("--month", metavar="YYYY-MM", parser=month_of, help="The month (the last full one, UTC)."),
]
First = Annotated[
    date | None, typer.Option("--from", metavar="YYYY-MM", parser=month_of, help="The first of several months.")
]
Last = Annotated[
    date | None, typer.Option("--to", metavar="YYYY-MM", parser=month_of, help="The last of several months.")
]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON document on stdout instead of tables and text.")]

#: Width of a table written to a file or a pipe, in characters.
_PIPE_COLUMNS = 240

stdout = Console(highlight=False, soft_wrap=True, width=None if sys.stdout.isatty() else _PIPE_COLUMNS)
stderr = Console(stderr=True, highlight=False, soft_wrap=True)


def json_value(value: object) -> Any:
    """`value` for JSON: decimals as plain decimal strings, dates as ISO text; money is never a float."""
    if isinstance(value, Decimal):
        return plain(value)
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, Mapping):
        return {str(name): json_value(item) for name, item in value.items()}
    if isinstance(value, Sequence | set | frozenset) and not isinstance(value, str):
        return [json_value(item) for item in value]
    return value


def emit_json(data: object) -> None:
    """Write one JSON document to stdout; escape characters if the encoding is not UTF."""
    is_ascii = "utf" not in (sys.stdout.encoding or "utf-8").lower()
    sys.stdout.write(json.dumps(json_value(data), ensure_ascii=is_ascii, indent=2, allow_nan=False) + "\n")
    sys.stdout.flush()


def cell(value: object) -> Text:
    """A table cell with plain text: no markup, no control characters."""
    if value is None:
        return Text("")
    shown = str(json_value(value))
    return Text("".join(char if char.isprintable() else " " for char in shown))


def headings(columns: Iterable[str]) -> list[str]:
    """The titles of columns of relations: `price list` of `price_list_id`."""
    return [column.removesuffix("_id").replace("_", " ") for column in columns]


def table(title: str | None, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> Table:
    """A text table; numbers, and amounts as text, are right-aligned."""
    made = Table(title=title, title_justify="left", header_style="bold", box=None, pad_edge=False)
    for index, column in enumerate(columns):
        filled = [row[index] for row in rows if row[index] not in (None, "")]
        numeric = bool(filled) and all(
            (isinstance(value, Decimal | int) and not isinstance(value, bool))
            or (isinstance(value, str) and _AMOUNT.fullmatch(value) is not None)
            for value in filled
        )
        made.add_column(column, justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        made.add_row(*(cell(value) for value in row))
    return made


def path_lines(paths: Iterable[Path]) -> list[str]:
    """One line for each file written; the evidence of a claim as its folder, with the number of files."""
    lines: dict[str, int] = {}
    for path in paths:
        shown = path.parent if path.parent.name == "evidence" else path
        lines[str(shown)] = lines.get(str(shown), 0) + 1
    return [f"{shown}/ ({count} files)" if shown.endswith("/evidence") else shown for shown, count in lines.items()]


def called_as() -> str:
    """The command that starts this program: its name if it is on the PATH, else its path."""
    name, called = "ecgrid-billing", sys.argv[0]
    found = shutil.which(name)
    is_found = found is not None and Path(called).exists() and Path(called).samefile(found)
    return name if is_found else shlex.quote(called)


def fail(message: str, status: ExitStatus) -> NoReturn:
    """Print one line to stderr and end with the exit status of CONTRACT."""
    logs.SHOWN.error("%s", message)
    stderr.print(Text(f"ecgrid-billing: {message}"))
    raise typer.Exit(int(status))


def require_directory(settings: Settings) -> None:
    """Raise `NoSuchData` if the data directory does not exist: a mistyped path is not an empty directory."""
    folder = settings.local_dir
    if settings.is_remote or folder.is_dir():
        return
    if folder.exists():
        raise NoSuchData(f"the data directory {folder} is not a directory: correct --data-dir")
    raise NoSuchData(
        f"the data directory {folder} does not exist: correct --data-dir, or run `ecgrid-billing run` first"
    )
