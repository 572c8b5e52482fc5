"""`rebill`: what each of your clients owes for a month."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import typer
from rich.text import Text

from ecgrid_flows.cli import context
from ecgrid_flows.cli.context import AsJson, DataDir, Month
from ecgrid_flows.cli.finance import held
from ecgrid_flows.errors import ExitStatus
from ecgrid_flows.settings import Settings
from ecgrid_transforms.money import ZERO, Decimal, money_text
from ecgrid_transforms.period import last_full_month, month_text

if TYPE_CHECKING:
    from ecgrid_flows.finance.rebill import Rebilled

#: So many lines without a price are named; `--json` has all.
_SHOWN = 20


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(rebill)


def rebill(month: Month = None, data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Bill your clients for a month: statements, margin, and the proof that all costs are the vendor's invoices.

    Clients, prices and shares are in data/reference: clients.csv, client_prices.csv, allocation.csv, ladders/*.csv.
    Status 1 if a line of a client has no price.
    """
    wanted = month or last_full_month()
    settings = Settings.load(data_dir)
    from ecgrid_flows.finance import audit_log
    from ecgrid_flows.finance.rebill import rebill_month

    with held(settings, "rebill") as store:
        done = rebill_month(settings, store, audit_log.read(store), wanted)
    if as_json:
        context.emit_json(_data(done))
    else:
        _print(done)
    if done.without_price:
        raise typer.Exit(int(ExitStatus.FINDINGS))


def _data(done: "Rebilled") -> dict[str, Any]:
    return {
        "month": month_text(done.month),
        "cost": done.cost,
        "invoiced": done.invoiced,
        "clients": _by_client(done.margins, done.statements),
        "margin": done.margins,
        "without_price": done.without_price,
        "contracts_without_invoice": done.without_invoice,
        "files": done.files,
    }


def _by_client(margins: Sequence[Mapping[str, Any]], statements: Mapping[str, str | None]) -> list[dict[str, Any]]:
    """Cost, price and margin of each client; price and margin are None where a line has no price."""
    sums = defaultdict[str, dict[str, Decimal | None]](lambda: {"cost": ZERO, "price": ZERO, "margin": ZERO})
    for row in margins:
        own = sums[row["client"]]
        for name, so_far in own.items():
            own[name] = None if so_far is None or row[name] is None else so_far + row[name]
    return [
        {"client": client, **amounts, "has_statement": client in statements, "statement": statements.get(client)}
        for client, amounts in sorted(sums.items())
    ]


def _print(done: "Rebilled") -> None:
    rows = [
        [
            one["client"],
            *("" if (amount := one[name]) is None else money_text(amount) for name in ("cost", "price", "margin")),
            (one["statement"] or "draft") if one["has_statement"] else "none",
        ]
        for one in _by_client(done.margins, done.statements)
    ]
    context.stdout.print(
        context.table(f"{month_text(done.month)}, by client", ("client", "cost", "price", "margin", "statement"), rows)
    )
    context.stdout.print(
        Text(f"Cost of all clients {money_text(done.cost)} = asked by the invoices {money_text(done.invoiced)}")
    )
    for path in done.files:
        context.stdout.print(Text(str(path)))
    for row in done.margins:
        if row["margin"] is not None and row["margin"] < ZERO and row["client"] != "unassigned":
            context.stderr.print(
                Text(
                    f"{row['client']}: {row['measure_field'] or 'other charges'} costs more than it is billed for, "
                    f"by {money_text(-row['margin'])}"
                )
            )
    for contract in done.without_invoice:
        context.stderr.print(Text(f"Contract {contract} has no invoice for the month yet: none of its lines is here."))
    for row in done.without_price[:_SHOWN]:
        account = "" if row["network_id"] is None else f"{row['network_id']}/{row['mailbox_id']} "
        measure = f"{row['account_report'] or ''} {row['measure_field'] or ''}".strip()
        context.stderr.print(Text(f"{row['client']}: {account}{measure}: {row['explanation']}"))
    if (more := len(done.without_price) - _SHOWN) > 0:
        context.stderr.print(Text(f"and {more} more lines without a price: --json lists them"))
    if done.without_price:
        context.stderr.print(Text("A client with such a line gets no statement until it has a price."))
