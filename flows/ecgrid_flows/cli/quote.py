"""`ecgrid-billing quote`: what quantities would cost on given tiers under a given reading."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from ecgrid_flows.cli import context
from ecgrid_flows.errors import ExitStatus


def _lines(name: str) -> Iterator[bytes]:
    """The lines of the file, or of stdin; ends the command with status 2 where they cannot be read."""
    try:
        if name == "-":
            yield from sys.stdin.buffer
        else:
            with Path(name).open("rb") as file:
                yield from file
    except OSError as error:
        context.fail(
            f"{name} cannot be read ({error.strerror}); give a file of JSON lines, or - for stdin", ExitStatus.USAGE
        )


def quote_command(
    batch: Annotated[
        str, typer.Option("--batch", metavar="FILE.jsonl", help="Records, one JSON object a line; - is stdin.")
    ],
    data_dir: context.DataDir = None,
    as_json: context.AsJson = False,
) -> None:
    """Rate quantities against given tiers under a given reading, by the SQL that rates the billed lines.

    One JSON object a line in, one out, same order; a record that cannot be rated gives {"id", "error"}.
    """
    from ecgrid_flows.rating import quote

    out = sys.stdout.buffer
    opening, between, closing = ("[\n", ",\n", "\n]\n") if as_json else ("", "\n", "\n")
    try:
        is_first = True
        for answer in quote.rate(_lines(batch)):
            out.write(((opening if is_first else between) + answer).encode())
            is_first = False
        if not is_first:
            out.write(closing.encode())
        elif as_json:
            out.write(b"[]\n")
        out.flush()
    except BrokenPipeError:
        # the reader has seen enough; nothing may be flushed to it at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def register(app: typer.Typer) -> None:
    """Add the command of this module."""
    app.command("quote")(quote_command)
