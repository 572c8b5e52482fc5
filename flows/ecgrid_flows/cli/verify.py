"""`verify`: checks the hashes of all stored files."""

from typing import Any

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.text import Text

from ecgrid_flows.cli import context
from ecgrid_flows.cli.context import AsJson, DataDir, Month
from ecgrid_flows.cli.finance import existing_store
from ecgrid_flows.errors import Incomplete
from ecgrid_flows.settings import Settings
from ecgrid_transforms.period import month_text


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(verify)


def verify(month: Month = None, data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Check every stored hash (raw, lake, exports, closings) and restore damaged files; all months by default.

    Ends with status 4 if a file cannot be restored: a response missing in raw, or a file of a closing.
    """
    settings = Settings.load(data_dir)
    from ecgrid_flows.orchestration import session, verification
    from ecgrid_flows.progress import Reporter

    existing_store(settings)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with (
        session.opened(settings=settings, reporter=Reporter(quiet=True, mute=True), purpose="verify") as opened,
        Progress(*columns, console=context.stderr, transient=True, disable=not context.stderr.is_terminal) as bar,
    ):
        task = bar.add_task("verify", total=verification.count(opened, month))
        found = verification.verify(opened, month, lambda: bar.advance(task))
    _emit(found, None if month is None else month_text(month), as_json)
    if found.lost:
        raise Incomplete(f"{len(found.lost)} stored files cannot be restored: {found.lost[0]}")


def _emit(found: Any, month: str | None, as_json: bool) -> None:
    if as_json:
        context.emit_json({"month": month, "files": found.files, "healed": found.healed, "lost": found.lost})
        return
    checked = ", ".join(f"{count} of {place}" for place, count in found.files.items())
    context.stdout.print(Text(f"{sum(found.files.values())} files checked: {checked}"))
    if not any(found.files.values()):
        context.stderr.print(
            Text(f"Nothing is stored{'' if month is None else f' of {month}'}: run `ecgrid-billing run`.")
        )
    for words in found.healed:
        context.stdout.print(Text(f"healed  {words}"))
    for words in found.lost:
        context.stdout.print(Text(f"lost    {words}"))
