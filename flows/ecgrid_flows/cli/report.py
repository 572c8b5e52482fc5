"""`report`: renders a month's report from the warehouse; uses no network."""

import typer
from rich.text import Text

from ecgrid_flows.cli import context
from ecgrid_flows.cli.context import AsJson, DataDir, Month
from ecgrid_flows.cli.finance import existing_store
from ecgrid_flows.settings import Settings
from ecgrid_transforms.period import last_full_month, month_text


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(report)


def report(month: Month = None, data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Render the month's reconciliation as a self-contained HTML report; uses no network.

    `reports/index.html` leads to all months.
    """
    wanted = month or last_full_month()
    settings = Settings.load(data_dir)
    from ecgrid_flows.finance import audit_log
    from ecgrid_flows.finance.finding_states import keep
    from ecgrid_flows.reporting.index import write_index
    from ecgrid_flows.reporting.report import report_month

    store = existing_store(settings)
    with store.lock("report"):
        keep(settings.warehouse_path, audit_log.read(store))  # the notebook reads decisions as the file has them
        path = report_month(settings, wanted)
        write_index(settings)
    if as_json:
        context.emit_json({"month": month_text(wanted), "report": path})
    else:
        context.stdout.print(Text(str(path)))
