"""`ecgrid-billing quote`: the cost of quantities on given tiers under a given interpretation."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from ecgrid_flows.cli import context
from ecgrid_flows.errors import ExitStatus


def _lines(name: str) -> Iterator[bytes]:
    """The lines of the file or of stdin; ends the command with status 2 if it cannot be read."""
    try:
        if name == "-":
            yield from sys.stdin.buffer
        else:
            with Path(name).open("rb") as file:
                yield from file
    except OSError as error:
        context.fail(
            f"{name} cannot be read ({error.strerror}): give a file of JSON lines, or - for stdin", ExitStatus.USAGE
        )


def quote_command(
    batch: Annotated[
        str, typer.Option("--batch", metavar="FILE.jsonl", help="File with one JSON object per line; - is stdin.")
    ],
    data_dir: context.DataDir = None,
    as_json: context.AsJson = False,
) -> None:
    """Rate quantities on given tiers under a given interpretation, by the SQL that rates billed lines.

    One JSON object per line in and out, in the same order; a record that cannot be rated returns {"id", "error"}.
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
        # the reader closed the pipe: redirect stdout so that the flush at exit does not fail
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def register(app: typer.Typer) -> None:
    """Add the command of this module."""
    app.command("quote")(quote_command)
