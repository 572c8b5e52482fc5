"""`findings`, `explain` and `compare`: the results of a reconciled month as text or JSON."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict
from datetime import date
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.text import Text

from ecgrid_flows.cli import context
from ecgrid_flows.cli.context import AsJson, DataDir, Month
from ecgrid_flows.errors import ExitStatus
from ecgrid_flows.settings import Settings
from ecgrid_transforms.money import ZERO, Decimal, grouped, number_text
from ecgrid_transforms.period import last_full_month, month_text

if TYPE_CHECKING:
    from ecgrid_flows.warehouse.database import Connection


#: `findings` is a group because `findings set` is a subcommand of it.
findings_app = typer.Typer(
    name="findings", help="The findings of a month, worst first.", invoke_without_command=True, rich_markup_mode=None
)

#: Rows of a long table printed as text; `--json` has all.
_TOP = 15
_NAME = 32


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(findings_app)
    app.command()(explain)
    app.command()(compare)


@findings_app.callback()
def findings(ctx: typer.Context, month: Month = None, data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """The findings of a month, worst first: what does not fit, by how much, and what to do.

    Each ends in its id, for `findings set` and `close --accept`, and in what was decided about it. The exit status is 1
    while the month has an open one of severity error: one that is accepted, disputed or resolved does not count.
    """
    if ctx.invoked_subcommand is not None:
        return
    wanted = month or last_full_month()
    settings = Settings.load(data_dir)
    from ecgrid_flows.finance import audit_log
    from ecgrid_flows.finance.finding_states import OPEN, claims, with_states
    from ecgrid_flows.rating import month_totals
    from ecgrid_flows.storage.opening import store_of
    from ecgrid_flows.warehouse import database

    store = store_of(settings)
    with closing(database.connect(settings.warehouse_path)) as connection:
        log = audit_log.read(store)
        with_states(connection, log)
        rows = database.records(connection, "out_finding_states", order=["place"], reporting_month=wanted)
        if not rows:
            database.require_month(connection, wanted)  # a month that was not built is an error, not an empty list
        at_stake = month_totals.at_stake(connection, wanted)
        invoices = month_totals.invoice_totals(connection, wanted)
        is_provisional = month_totals.is_provisional(connection, wanted)
        claimed = claims(connection, log, wanted, settings.dispute_days)
    if as_json:
        context.emit_json(
            {
                "month": month_text(wanted),
                "is_provisional": is_provisional,
                "invoices": asdict(invoices),
                "at_stake": asdict(at_stake),
                "claims": claimed,
                "findings": rows,
            }
        )
    else:
        _print_findings(wanted, rows)
        provisional = "provisional. " if is_provisional else ""
        context.stdout.print(Text(f"{month_text(wanted)}: {provisional}{invoices.words(settings.currency)}"))
        if claimed:
            context.stdout.print(
                Text(month_totals.ClaimTotals.of(claimed, settings.dispute_days).words(settings.currency))
            )
        context.stdout.print(Text(f"Money at stake in open errors and warnings: {at_stake.words(settings.currency)}"))
    if any(row["severity"] == "error" and row["state"] == OPEN for row in rows):
        raise typer.Exit(int(ExitStatus.FINDINGS))


def _print_findings(month: date, rows: Sequence[Mapping[str, Any]]) -> None:
    if not rows:
        context.stdout.print(Text(f"{month_text(month)}: no findings"))
        return
    from ecgrid_flows.finance.finding_states import OPEN

    causes: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        causes.setdefault(row["cause_id"], []).append(row)
    for number, row in ((place, row) for found in causes.values() for place, row in enumerate(found)):
        at_stake = "" if row["difference"] is None else grouped(row["difference"])
        decided = "" if row["state"] == OPEN else f"  {row['state']}: {_printable(row['note'] or '')}"
        context.stdout.print(
            Text(
                f"{row['severity']:<8}{row['check_name']:<24}{_where(row):<58}{at_stake:>14}  "
                f"{row['finding_id']}{decided}"
            )
        )
        of_cause = causes[row["cause_id"]]
        if number == 0:
            context.stdout.print(Text(f"        {_printable(row['explanation'])}"))
        if number == 0 and len(of_cause) > 1:
            in_all = sum((one["difference"] for one in of_cause if one["difference"] is not None), ZERO)
            context.stdout.print(Text(f"        {len(of_cause)} findings of this cause, {grouped(in_all)} in total:"))
    said = ", ".join(filter(None, (_count_words(severity, rows) for severity in ("error", "warning", "info"))))
    context.stdout.print(Text(f"\n{month_text(month)}: {said}"))


def _count_words(severity: str, rows: Sequence[Mapping[str, Any]]) -> str:
    """`12 errors (2 open)`; without the number of open ones where nothing was decided, empty without a finding."""
    from ecgrid_flows.finance.finding_states import OPEN

    states = [row["state"] for row in rows if row["severity"] == severity]
    if not states:
        return ""
    still = states.count(OPEN)
    of_them = "" if still == len(states) else f" ({still or 'none'} open)"
    return f"{len(states)} {severity}{'' if len(states) == 1 else 's'}{of_them}"


def _where(row: Mapping[str, Any]) -> str:
    account = "" if row["network_id"] is None else f"{row['network_id']}-{row['mailbox_id']}"
    named = " ".join(part for part in (row["account_report"], row["measure_field"]) if part)
    if row["network_id"] is None and row["price_list_id"] is not None:
        account = f"price list {row['price_list_id']}"
    return " ".join(part for part in (account, named, row["invoice_number"] or "") if part)


def explain(
    network: Annotated[int, typer.Argument(metavar="NETWORK", help="NetworkID")],
    mailbox: Annotated[int, typer.Argument(metavar="MAILBOX", help="MailboxID; 0 is the network's Root mailbox")],
    month: Annotated[date, typer.Argument(metavar="MONTH", parser=context.month_of, help="YYYY-MM")],
    report: Annotated[str, typer.Argument(metavar="REPORT", help="account report, such as TrafficAll")],
    measure: Annotated[str, typer.Argument(metavar="MEASURE", help="measure, such as TotalKCs")],
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Show the rating breakdown of one line: measured, free, blocks, tiers, billed and expected amounts."""
    from ecgrid_flows.rating.explain import explanation
    from ecgrid_transforms.model import Key

    key = Key(network, mailbox, month, report, measure)
    with _opened(data_dir) as connection:
        found = explanation(connection, key)
    if as_json:
        context.emit_json(found.data())
    else:
        context.stdout.print(Text(found.text()), end="")


def compare(month: Month = None, data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Compare the cost of every line under unit, volume and graduated pricing; list break-evens and cliffs."""
    wanted = month or last_full_month()
    from ecgrid_flows.rating.model_comparison import comparison
    from ecgrid_flows.warehouse.database import require_month

    with _opened(data_dir) as connection:
        require_month(connection, wanted)
        found = comparison(connection, wanted)
    if as_json:
        context.emit_json(
            {
                "month": month_text(wanted),
                "contracts": found.contracts,
                "accounts": found.accounts,
                "lines": found.lines,
                "left_out": found.left_out,
            }
        )
        return
    context.stdout.print(Text(f"{month_text(wanted)}: lines rated by unit prices, under each pricing model"))
    for row in found.contracts:
        _print_contract(row)
    for row in found.left_out:
        lines = f"{row['lines']} line{'' if row['lines'] == 1 else 's'}"
        context.stdout.print(Text(f"Left out: {lines}, billed {grouped(row['billed_amount'])}: {row['reason']}"))
    cliffs = [
        (row, f"past {_number(row['next_bound'])} it costs {grouped(row['cliff_saving'])} less") for row in found.cliffs
    ]
    _print_lines("Cliffs: slightly more usage would cost less", cliffs)
    near = [
        (row, f"{_number(row['distance_to_next_bound'])} below the bound at {_number(row['next_bound'])}")
        for row in found.near_bounds
    ]
    _print_lines("Next to a bound", near)


def _print_contract(row: Mapping[str, Any]) -> None:
    named = "accounts without a contract" if row["contract_id"] is None else f"contract {row['contract_id']}"
    models = ", ".join(f"{model} {grouped(row[f'{model}_amount'])}" for model in ("unit", "volume", "graduated"))
    saving = f"; {row['cheapest_model']} would save {grouped(row['saving'])}" if row["saving"] > ZERO else ""
    context.stdout.print(
        Text(
            f"{named}: {row['lines']} lines of {row['accounts']} accounts, billed {grouped(row['billed_amount'])}, "
            f"expected {grouped(row['expected_amount'])}\n    {models}{saving}"
        )
    )


def _print_lines(title: str, rows: Sequence[tuple[Mapping[str, Any], str]]) -> None:
    if not rows:
        return
    more = f" ({_TOP} of {len(rows)}; --json has all)" if len(rows) > _TOP else ""
    context.stdout.print(Text(f"\n{title}{more}"))
    for row, words in rows[:_TOP]:
        name = _printable(row["account_name"] or "")
        context.stdout.print(
            Text(
                f"{row['network_id']}-{row['mailbox_id']} {name[:_NAME]}{'…' if len(name) > _NAME else ''}: "
                f"{row['account_report']} {row['measure_field']}, {_number(row['quantity'])} for "
                f"{grouped(row['expected_amount'])}, {words}"
            )
        )


def _number(value: Decimal | None) -> str:
    return "" if value is None else number_text(value)


def _printable(text: str) -> str:
    return "".join(char if char.isprintable() else " " for char in text)


@contextmanager
def _opened(data_dir: str | None) -> Iterator["Connection"]:
    from ecgrid_flows.storage.opening import store_of
    from ecgrid_flows.warehouse import database

    settings = Settings.load(data_dir)
    store_of(settings)  # refuses the format of a later release
    with closing(database.connect(settings.warehouse_path)) as connection:
        yield connection
