"""The command line, `ecgrid-billing`: a thin skin over the flows. One module per group of commands.

A command imports what it works with when it runs: pyarrow, DuckDB or the client would be a second of every `--help`.

Exit statuses are those of CONTRACT: 0 clean, 1 findings of severity error, 2 usage or settings, 3 unreachable or
refused, 4 incomplete, 5 the data directory is held by another run.
"""

import io
import signal
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer
from rich.text import Text

from ecgrid_flows.cli import context, finance, findings, quote, report, run, sandbox, serve, service
from ecgrid_flows.errors import BillingError, ExitStatus

_ENDING = [signal.SIGTERM, *([signal.SIGHUP] if hasattr(signal, "SIGHUP") else [])]

app = typer.Typer(
    name="ecgrid-billing",
    help="The auditable EDI bill: pull ECGrid line items, infer how each price list is meant, prove every amount.",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        context.stdout.print(f"ecgrid-billing {version('ecgrid-billing')}")
        raise typer.Exit


@app.callback()
def _options(
    is_wanted: Annotated[
        bool, typer.Option("--version", help="Print the version and end.", is_eager=True, callback=_print_version)
    ] = False,
) -> None:
    """What goes before a command's name."""


for commands in (run, service, findings, finance, quote, sandbox, report, serve):
    commands.register(app)


def main() -> None:
    """Run the command line; a `BillingError`, or a file that cannot be had, becomes one sentence and a status.

    Anything else is a fault, shown with where it happened: Python would end with 1, which says that there are findings.
    """
    _write_any_name()
    try:
        with _ending_in_order():
            app(prog_name="ecgrid-billing")
    except BillingError as error:
        context.stderr.print(Text(f"ecgrid-billing: {error}"))
        sys.exit(int(error.status))
    except Exception as error:
        if isinstance(error, OSError) and error.filename is not None:
            context.stderr.print(Text(f"ecgrid-billing: {error.filename}: {error.strerror}"))
            sys.exit(int(ExitStatus.USAGE))
        traceback.print_exc()
        said = "a fault of the program, or of its warehouse: run `build`, and report the lines above if it stays"
        context.stderr.print(Text(f"ecgrid-billing: {said}"))
        sys.exit(int(ExitStatus.INCOMPLETE))


def _write_any_name() -> None:
    r"""A name that the output's encoding lacks is written as \xf8 or \u682a: a log in ASCII ends no command."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


@contextmanager
def _ending_in_order() -> Iterator[None]:
    """SIGTERM and SIGHUP unwind the command, so that it logs out; a second one no longer cuts that short.

    By themselves they end a process where it stands, and its sessions stay open. What ignores them (`nohup`) goes on.
    What goes wrong on the way out is no fault: the unwinding may begin in the middle of anything, a lock's release too.
    """
    asked: list[int] = []

    def end(number: int, _frame: object) -> None:
        signal.signal(number, signal.SIG_IGN)
        asked.append(number)
        sys.exit(128 + number)

    taken = [number for number in _ENDING if signal.getsignal(number) is signal.SIG_DFL]
    for number in taken:
        signal.signal(number, end)
    try:
        yield
    except Exception:
        if asked:
            sys.exit(128 + asked[0])
        raise
    finally:
        for number in taken:
            signal.signal(number, signal.SIG_DFL)
