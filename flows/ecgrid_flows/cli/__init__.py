"""The command line, `ecgrid-billing`, on top of the flows. One module per group of commands.

A command imports its libraries when it runs: importing pyarrow, DuckDB or the client adds a second to every `--help`.

Exit statuses are those of CONTRACT: 0 clean, 1 findings of severity error, 2 usage or settings, 3 unreachable or
refused, 4 incomplete, 5 the data directory is locked by another run.
"""

import errno
import io
import logging
import os
import signal
import sys
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from rich.text import Text
from typer.core import TyperGroup

from ecgrid_flows import logs
from ecgrid_flows.cli import (
    accrue,
    analysis,
    context,
    finance,
    findings,
    invoices,
    quote,
    rebill,
    report,
    run,
    sandbox,
    serve,
    service,
    simulate,
    status,
    verify,
)
from ecgrid_flows.errors import BillingError, ExitStatus, Incomplete, SettingsError, StorageFailed
from ecgrid_flows.settings import log_options
from ecgrid_flows.storage.base import FAILED_DISK

log = logging.getLogger(__name__)

_ENDING = [signal.SIGTERM, *([signal.SIGHUP] if hasattr(signal, "SIGHUP") else [])]


def _take_level(level: str | None) -> None:
    if level is not None:
        logs.set_up(level=level)
        os.environ["ECGRID_LOG_LEVEL"] = (
            level  # processes that a command starts (flow runs, workers) use the same level
        )


def _take_file(file: str | None) -> None:
    if file is not None:
        path = os.environ["ECGRID_LOG_FILE"] = str(Path(file).absolute())
        logs.set_up(file=path)


def _log_options(
    log_level: Annotated[
        str | None,
        typer.Option(
            "--log-level",
            metavar="LEVEL",
            help=f"{', '.join(logs.LEVELS)} (ECGRID_LOG_LEVEL, else WARNING; INFO for a log file).",
            callback=_take_level,
            expose_value=False,
            is_eager=True,
        ),
    ] = None,
    log_file: Annotated[
        str | None,
        typer.Option(
            "--log-file",
            metavar="FILE",
            help="Append the log to this file too, as JSON lines (ECGRID_LOG_FILE).",
            callback=_take_file,
            expose_value=False,
            is_eager=True,
        ),
    ] = None,
) -> None:
    """The log options of every command."""


#: Headings of `--help` -> commands below each, in order. Every command is in one.
_GROUPS = {
    "Every month": ("run", "pull", "build", "report", "export", "status", "serve"),
    "Look": ("findings", "explain", "lines", "compare", "accounts", "notebook", "verify"),
    "Finance": ("invoice", "accrue", "close", "reopen", "corrections", "rebill", "simulate", "quote"),
    "The service": ("doctor", "session", "api-key", "call", "interconnects", "stats", "sandbox"),
}


class _Commands(TyperGroup):
    """The tree of commands; adds the log options to each and lists them by groups."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        named = [name for names in _GROUPS.values() for name in names]
        if unlisted := self.commands.keys() ^ set(named):
            raise ValueError(f"the groups of --help and the commands differ in {', '.join(sorted(unlisted))}")
        self.commands = {name: self.commands[name] for name in named}
        only = typer.Typer(add_completion=False)
        only.command()(_log_options)
        _add_options(self, [option for option in typer.main.get_command(only).params if option.name != "help"])

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write the commands under their headings."""
        for heading, names in _GROUPS.items():
            with formatter.section(heading):
                formatter.write_dl([(name, _first_sentence(self.commands[name].help or "")) for name in names])


def _first_sentence(text: str) -> str:
    return " ".join(text.split("\n\n")[0].split()).split(". ")[0].removesuffix(".") + "."


def _add_options(group: Any, options: Sequence[Any]) -> None:
    for command in group.commands.values():
        if not hasattr(command, "commands") or command.invoke_without_command:
            command.params.extend(options)
        if hasattr(command, "commands"):
            _add_options(command, options)


app = typer.Typer(
    name="ecgrid-billing",
    cls=_Commands,
    help="The auditable EDI bill: pull ECGrid line items, infer the interpretation of each price list, prove every "
    "amount.",
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
    """Options before the command's name."""


for commands in (
    run,
    service,
    findings,
    analysis,
    finance,
    invoices,
    quote,
    simulate,
    accrue,
    rebill,
    sandbox,
    report,
    serve,
    status,
    verify,
):
    commands.register(app)


#: What DuckDB makes of Ctrl-C while it works: a RuntimeError, in the place of the KeyboardInterrupt.
_INTERRUPTED = "Query interrupted"


def main() -> None:
    """Run the command line. A `BillingError`, an unreadable file or a full disk is reported in one line.

    Each is mapped to an exit status. Any other exception is an internal error, reported with its traceback and status
    4: Python's default status 1 means findings.
    """
    _write_any_name()
    try:
        logs.set_up(*log_options())
        with _ending_in_order():
            app(prog_name="ecgrid-billing")
    except BillingError as error:
        _end(logs.masked(str(error)), error.status)
    except Exception as error:
        if str(error) == _INTERRUPTED:
            context.stderr.print("Aborted.")
            sys.exit(128 + signal.SIGINT)
        if (known := _known(error)) is not None:
            log.debug("%s", logs.masked(traceback.format_exc()))
            _end(logs.masked(str(known)), known.status)
        shown = logs.masked(traceback.format_exc())
        context.stderr.print(Text(shown), end="")
        logs.SHOWN.error("%s", shown)
        _end("internal error. Rebuild with `build`; if it persists, report the traceback above", ExitStatus.INCOMPLETE)


def _known(error: Exception) -> BillingError | None:
    """An error of the disk, of DuckDB, or for want of memory as a `BillingError`; None for any other error."""
    if isinstance(error, OSError) and error.errno in FAILED_DISK:
        where = error.filename or "standard output or a temporary file"
        if error.errno == errno.EIO:
            return StorageFailed(f"{where} cannot be used; the disk failed to read or write: check it and run again")
        return StorageFailed(f"{where} cannot be written; the disk is full: free space and run again")
    if isinstance(error, MemoryError) or str(error) == "can't start new thread":
        lacks = "memory" if isinstance(error, MemoryError) else "threads"
        return Incomplete(
            f"out of {lacks}: allow this process more, or lower ECGRID_BUILD_MEMORY_MB and ECGRID_CONCURRENCY, and run "
            "again"
        )
    if isinstance(error, OSError) and error.filename is not None:
        return SettingsError(f"{error.filename}: {error.strerror}: correct the path, or who may use it")
    duckdb = sys.modules.get("duckdb")
    if duckdb is not None and isinstance(error, duckdb.Error):
        from ecgrid_flows.warehouse import database

        return database.reading_error(error)
    return None


def _end(sentence: str, status: ExitStatus) -> NoReturn:
    logs.SHOWN.error("%s", sentence)
    context.stderr.print(Text(f"ecgrid-billing: {sentence}"))
    sys.exit(int(status))


def _write_any_name() -> None:
    r"""Write characters that the output's encoding lacks as \xf8 or \u682a instead of failing."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


@contextmanager
def _ending_in_order() -> Iterator[None]:
    """Unwind the command on SIGTERM and SIGHUP, so that it logs out; a second signal is ignored.

    The default handlers end the process at once and leave its sessions open. A signal that is ignored (`nohup`) stays
    ignored. Exceptions during the unwinding are not reported: it can start anywhere, also while a lock is released.
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
