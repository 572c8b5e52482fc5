"""`status`: the state of each month and what is overdue, as a table or as JSON for a monitor."""

from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from ecgrid_flows.cli import context
from ecgrid_flows.cli.context import AsJson, DataDir
from ecgrid_flows.errors import ExitStatus
from ecgrid_flows.settings import DATA_DIR, SANDBOX_DIR, Settings
from ecgrid_transforms.money import grouped
from ecgrid_transforms.period import month_text

if TYPE_CHECKING:
    from ecgrid_flows.orchestration.status import MonthStatus

_COLUMNS = (
    *("month", "state", "due, UTC", "asked", "answered", "missing", "lines", "open errors", "invoiced"),
    *("exported, UTC", "closed, UTC", "overdue"),
)


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(status)


def status(
    notify: Annotated[
        bool, typer.Option("--notify", help="Notify ECGRID_NOTIFY_URLS of what is overdue, once per item.")
    ] = False,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Show each month: requests, responses, lines, open errors, invoice, export, closing; what is due and overdue.

    Reads only the data directory, also during a run. The exit status is 4 if something is overdue, for monitors.
    """
    settings = Settings.load(data_dir)
    if settings.data_dir not in (DATA_DIR, SANDBOX_DIR) or settings.local_dir.exists():
        context.require_directory(settings)  # a disk that is not mounted must be an error for a monitor
    from ecgrid_flows.orchestration.status import status as read_status

    found = read_status(settings)
    for words in found.unread:
        context.stderr.print(Text(f"warning: {words}"))
    if as_json:
        context.emit_json({"months": [_row(one) for one in found.months]})
    elif not found.months:
        context.stdout.print(Text(f"{settings.data_dir}: no month is pulled, and none is due"))
    else:
        context.stdout.print(context.table(None, _COLUMNS, [_cells(one) for one in found.months]))
        for one in found.overdue:
            context.stdout.print(Text(_sentence(one, settings.invoice_days)))
    if notify:
        from ecgrid_flows.orchestration.notices import tell_overdue
        from ecgrid_flows.progress import Reporter
        from ecgrid_flows.storage.opening import open_store

        tell_overdue(settings, open_store(settings), Reporter(console=context.stderr), found)
    if found.overdue:
        raise typer.Exit(int(ExitStatus.INCOMPLETE))


def _row(one: "MonthStatus") -> dict[str, object]:
    return {
        "month": month_text(one.month),
        "state": one.state,
        "due_at": one.due_at,
        "asked": one.asked,
        "answered": one.answered,
        "missing": one.missing,
        "lines": one.lines,
        "open_errors": one.open_errors,
        "invoiced_amount": one.invoiced_amount,
        "exported_at": one.exported_at,
        "closed_at": one.closed_at,
        "overdue": one.overdue,
    }


def _cells(one: "MonthStatus") -> tuple[object, ...]:
    is_blank = one.asked is None and one.lines is None and one.exported_at is None
    unknown = "" if is_blank else "unknown"
    return (
        month_text(one.month),
        one.state,
        f"{one.due_at:%Y-%m-%d %H:%M}",
        *(unknown if count is None else f"{count:,}" for count in (one.asked, one.answered, one.missing, one.lines)),
        unknown if one.open_errors is None else f"{one.open_errors:,}",
        "no invoice" if one.invoiced_amount is None else grouped(one.invoiced_amount),
        "" if one.exported_at is None else f"{one.exported_at:%Y-%m-%d %H:%M}",
        "" if one.closed_at is None else one.closed_at[:16].replace("T", " "),
        one.overdue or "",
    )


def _sentence(one: "MonthStatus", invoice_days: int) -> str:
    month = month_text(one.month)
    if one.overdue == "invoice":
        return f"{month}: no invoice is known {invoice_days} days after the month's end. Ask the vendor for it"
    return f"{month}: due since {one.due_at:%Y-%m-%d %H:%M} UTC and not exported. Run `run --month {month}`"
