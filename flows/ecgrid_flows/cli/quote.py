"""`ecgrid-billing quote`: what quantities would cost on given tiers under a given reading."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, BinaryIO

import typer

from ecgrid_flows import quote
from ecgrid_flows.cli import context
from ecgrid_flows.errors import ExitStatus


@contextmanager
def _opened(name: str) -> Iterator[BinaryIO]:
    if name == "-":
        yield sys.stdin.buffer
        return
    try:
        with Path(name).open("rb") as file:
            yield file
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
    out = sys.stdout.buffer
    before, between, after = ("[\n", ",\n", "\n]\n") if as_json else ("", "\n", "\n")
    try:
        with _opened(batch) as lines:
            written = 0
            for answer in quote.rate(lines):
                out.write(((between if written else before) + answer).encode())
                written += 1
        if written or as_json:
            out.write(((before if not written else "") + after).encode())
        out.flush()
    except BrokenPipeError:
        # the reader has seen enough; nothing may be flushed to it at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def register(app: typer.Typer) -> None:
    """Add the command of this module."""
    app.command("quote")(quote_command)
