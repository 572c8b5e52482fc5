"""`invoice import`, `invoice withdraw` and `invoice list`: invoices imported from files, beside those of the API."""

from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.text import Text

from ecgrid_flows.cli import context
from ecgrid_flows.cli.context import AsJson, DataDir, Month
from ecgrid_flows.errors import SettingsError
from ecgrid_flows.settings import Settings
from ecgrid_transforms.money import money_text
from ecgrid_transforms.period import month_text

if TYPE_CHECKING:
    from ecgrid_flows.finance.invoice_import import Filing
    from ecgrid_flows.warehouse.database import Connection

invoice_app = typer.Typer(
    name="invoice",
    help="Invoices imported from files, and those of the API.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

_LISTED = (
    *("reporting_month", "contract_id", "invoice_number", "source", "status", "counts_as", "invoice_date", "due_date"),
    *("currency", "total_amount", "lines", "lines_amount"),
)


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(invoice_app)
    invoice_app.command("import")(import_)
    invoice_app.command()(withdraw)
    invoice_app.command("list")(list_)


def import_(
    file: Annotated[Path | None, typer.Argument(metavar="FILE", help="CSV or X12 810 (004010).")] = None,
    contract: Annotated[
        int | None, typer.Option("--contract", metavar="N", help="ContractID, if the file names none.")
    ] = None,
    month: Month = None,
    is_template: Annotated[bool, typer.Option("--template", help="Print a CSV to fill in; imports nothing.")] = False,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Import an invoice from a file and rebuild the warehouse with it; uses no network.

    The month is --month, else the period that the file states, else the one before the invoice's date. The same file
    again changes nothing; a changed file of the same number restates the invoice.
    """
    if is_template:
        from ecgrid_transforms.invoice_csv import TEMPLATE

        typer.echo(TEMPLATE, nl=False)
        return
    if file is None:
        raise SettingsError("name the FILE to import, or --template for a CSV to fill in")
    data = file.read_bytes()
    settings = Settings.load(data_dir)
    from ecgrid_flows.finance import invoice_import
    from ecgrid_flows.orchestration import session, tasks
    from ecgrid_flows.progress import Reporter
    from ecgrid_flows.warehouse import database

    reporter = Reporter(console=context.stderr, quiet=as_json)
    with session.opened(settings=settings, reporter=reporter, purpose="invoice") as run:
        try:
            filings = invoice_import.import_file(
                run.store, data, contract_id=contract, month=month, wanted_currency=settings.currency
            )
        except SettingsError as error:
            raise type(error)(f"{file}: {error}") from None
        run.restore()
        tasks.build(run)
    with closing(database.connect(settings.warehouse_path)) as connection:
        rows = [_imported(connection, filing) for filing in filings]
    if as_json:
        context.emit_json({"file": file, "invoices": rows})
        return
    for row in rows:
        context.stdout.print(Text(_sentence(row)))
        for words in row["findings"]:
            context.stdout.print(Text(f"    {words}"))


def _imported(connection: "Connection", filing: "Filing") -> dict[str, Any]:
    """Result of one invoice of the file: its row of out_invoices and the findings that name it."""
    from ecgrid_flows.warehouse import database

    named: dict[str, Any] = {"reporting_month": filing.month, "invoice_number": filing.invoice.invoice_number}
    of_file: dict[str, Any] = {"source": "imported", "contract_id": filing.contract_id}
    (row,) = database.records(connection, "out_invoices", **named, **of_file)
    columns = ("severity", "check_name", "explanation")
    found = database.records(connection, "out_findings", columns=columns, order=("place",), **named)
    return {
        "state": filing.state,
        **row,
        "reporting_month": month_text(filing.month),
        "findings": [f"{one['severity']} {one['check_name']}: {one['explanation']}" for one in found],
    }


def _sentence(row: Mapping[str, Any]) -> str:
    money = f"{money_text(row['total_amount'])} {row['currency'] or ''}".strip()
    lines = "its total alone" if not row["lines"] else f"{row['lines']} line{'' if row['lines'] == 1 else 's'}"
    open_lines = row["lines_without_key"]
    unnamed = f", {open_lines} of them without an account or measure" if open_lines else ""
    codes = f" (codes not in invoice_lines.csv: {row['codes_unmapped']})" if row["codes_unmapped"] else ""
    return (
        f"{row['state']}: invoice {row['invoice_number']} of contract {row['contract_id']} for "
        f"{row['reporting_month']}, {money}, {lines}{unnamed}{codes}"
    )


def withdraw(
    number: Annotated[str, typer.Argument(metavar="NUMBER", help="Number of an imported invoice.")],
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Withdraw an imported invoice and rebuild the warehouse without it. Its file stays in raw."""
    settings = Settings.load(data_dir)
    context.require_directory(settings)
    from ecgrid_flows.finance import invoice_import
    from ecgrid_flows.orchestration import session, tasks
    from ecgrid_flows.progress import Reporter

    reporter = Reporter(console=context.stderr, quiet=as_json)
    with session.opened(settings=settings, reporter=reporter, purpose="invoice") as run:
        gone = invoice_import.withdraw(run.store, number)
        run.restore()
        tasks.build(run)
    if as_json:
        context.emit_json({"invoice_number": gone.invoice_number, "contract_id": gone.contract_id, "month": gone.month})
    else:
        context.stdout.print(
            Text(
                f"withdrawn: invoice {gone.invoice_number} of contract {gone.contract_id} for {month_text(gone.month)}"
            )
        )


def list_(month: Month = None, data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """The invoices of every source by month and contract: files, InvoiceInfo, InvoiceList and trials.

    Of all months, unless --month is given. `counts_as` states whether a row asks to be paid.
    """
    settings = Settings.load(data_dir)
    from ecgrid_flows.storage.opening import store_of
    from ecgrid_flows.warehouse import database

    store_of(settings)  # refuses what a later release wrote
    with closing(database.connect(settings.warehouse_path)) as connection:
        order = ("reporting_month", "contract_id", "invoice_number", "source")
        wanted: dict[str, Any] = {} if month is None else {"reporting_month": month}
        rows = database.records(connection, "out_invoices", order=order, **wanted)
    if as_json:
        context.emit_json({"invoices": [row | {"reporting_month": month_text(row["reporting_month"])} for row in rows]})
        return
    shown = [[_cell(name, row[name]) for name in _LISTED] for row in rows]
    context.stdout.print(context.table(None, context.headings(_LISTED), shown))


def _cell(name: str, value: Any) -> object:
    if value is not None and name == "reporting_month":
        return month_text(value)
    if value is not None and name in ("total_amount", "lines_amount"):
        return money_text(value)
    return value.date() if hasattr(value, "date") else value
