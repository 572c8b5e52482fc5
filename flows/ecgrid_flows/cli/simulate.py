"""`ecgrid-billing simulate`: the billed lines under other terms."""

import re
from collections.abc import Mapping, Sequence
from contextlib import closing
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.text import Text

from ecgrid_flows.cli import context
from ecgrid_flows.cli.context import AsJson, DataDir, First, Last
from ecgrid_flows.errors import SettingsError
from ecgrid_flows.settings import Settings
from ecgrid_transforms.money import Decimal, grouped, plain, to_decimal
from ecgrid_transforms.period import month_text

if TYPE_CHECKING:
    from ecgrid_flows.rating.simulation import Simulation
    from ecgrid_flows.warehouse.database import Connection

_ACCOUNT = re.compile(r"(\d{1,10})/(\d{1,10})", re.ASCII)
_VOLUME = re.compile(r"([+-]?)(\d{1,4}(?:\.\d{1,4})?)%?", re.ASCII)
#: Lines printed as text, those with the largest difference; `--json` and `--csv` have all.
_TOP = 15


def simulate(
    ladder: Annotated[
        Path | None, typer.Option("--ladder", metavar="FILE.csv", help="Tiers to try, one row each (data/README.md).")
    ] = None,
    price_list: Annotated[
        int | None, typer.Option("--price-list", metavar="ID", help="Another price list of the service.")
    ] = None,
    is_present: Annotated[bool, typer.Option("--present", help="The terms in force.")] = False,
    changes: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="SCHEDULE.FIELD=VALUE",
            help="Replace one number of a schedule (allowance, minimum, maximum, block, rate); repeatable.",
        ),
    ] = None,
    contract: Annotated[
        int | None, typer.Option("--contract", metavar="N", help="The accounts of this contract.")
    ] = None,
    account: Annotated[
        str | None, typer.Option("--account", metavar="NETWORK/MAILBOX", help="One account; mailbox 0 is the Root.")
    ] = None,
    first: First = None,
    last: Last = None,
    volume: Annotated[
        str | None, typer.Option("--volume", metavar="±P%", help="Quantities up or down by P percent; fees stay.")
    ] = None,
    reading: Annotated[
        str | None,
        typer.Option("--reading", metavar="WORDS", help="An interpretation, as in pinned_readings.csv."),
    ] = None,
    csv: Annotated[
        Path | None, typer.Option("--csv", metavar="FILE", help="Write the lines to this new file as well.")
    ] = None,
    html: Annotated[
        Path | None, typer.Option("--html", metavar="FILE", help="Write a page for the negotiation to this new file.")
    ] = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Rate the billed lines again under other terms: a ladder, another price list, or the present one changed.

    Old is what was billed, new is what the terms give, difference is new less old: a saving is negative. Every month
    that is over is simulated unless --from and --to are given. Where the interpretation is undecided the result is a
    range. Nothing is written to the data directory.
    """
    from ecgrid_flows.rating import simulation
    from ecgrid_flows.storage.opening import store_of
    from ecgrid_flows.warehouse import contract_terms, database

    if sum([ladder is not None, price_list is not None, is_present]) != 1:
        raise SettingsError("give one of --ladder FILE.csv, --price-list ID and --present")
    if first and last and first > last:
        raise SettingsError(f"--from {month_text(first)} is after --to {month_text(last)}: swap them")
    for option, target in (("--csv", csv), ("--html", html)):
        if target is not None and target.exists():
            raise SettingsError(f"{option} {target} exists: give the name of a new file")
        if target is not None and not target.absolute().parent.is_dir():
            raise SettingsError(
                f"{option} {target}: there is no folder {target.parent}: create it, or correct the path"
            )
    network, mailbox = _account(account)
    terms = simulation.Terms(
        ladder=None if ladder is None else contract_terms.read_ladder(ladder),
        price_list=price_list,
        changes=simulation.changes_of(changes or ()),
        reading=reading,
        volume=_volume(volume),
    )
    scope = simulation.Scope(first, last, contract, network, mailbox)
    settings = Settings.load(data_dir)
    store_of(settings)  # refuses the format of a later release
    with closing(database.connect(settings.warehouse_path)) as connection:
        found = simulation.simulation(connection, terms, scope)
        if csv is not None:
            _write_csv(connection, found, csv)
    if html is not None:
        from ecgrid_flows.reporting.negotiation import write_negotiation

        write_negotiation(settings, found, _terms_words(ladder, price_list, changes or ()), html)
    if as_json:
        context.emit_json(found.data())
    else:
        _print(found)


def _terms_words(ladder: Path | None, price_list: int | None, changes: Sequence[str]) -> str:
    """`The present terms, with 43202.rate=0.17`."""
    terms = "The present terms" if price_list is None else f"Price list {price_list}"
    if ladder is not None:
        terms = f"The ladder {ladder.name}"
    return f"{terms}, with {', '.join(changes)}" if changes else terms


def _account(text: str | None) -> tuple[int | None, int | None]:
    if text is None:
        return None, None
    match = _ACCOUNT.fullmatch(text)
    if not match:
        raise SettingsError(f"--account {text!r} is not NETWORK/MAILBOX, such as 4443/105262")
    return int(match[1]), int(match[2])


def _volume(text: str | None) -> Decimal:
    """`+10%` as 110, the percent of the quantities measured."""
    match = _VOLUME.fullmatch(text or "0%")
    change = to_decimal(match[2]) if match else None
    if match is None or change is None or (match[1] == "-" and change > 100):
        raise SettingsError(f"--volume {text!r} is not a percentage from -100%, such as +10% or -5%")
    return 100 - change if match[1] == "-" else 100 + change


def _write_csv(connection: "Connection", found: "Simulation", target: Path) -> None:
    from ecgrid_flows.finance import csv_writer
    from ecgrid_flows.warehouse import simulations

    rows = simulations.lines_of_file(connection, found.volume)
    names = rows.columns
    csv_writer.write_relation(
        rows, target, amounts=[name for name in names if name.startswith(("old_", "new_", "difference"))]
    )


def _print(found: "Simulation") -> None:
    from ecgrid_flows.rating.simulation import volume_words

    volume = volume_words(found.volume)
    months = " to ".join(dict.fromkeys(map(month_text, (found.first, found.last))))
    context.stdout.print(Text(f"{months}{volume and ', '}{volume}: {_sum_words(found.total)}"))
    if (parts := found.parts) is not None:
        context.stdout.print(
            Text(
                f"Of it {_range(parts, 'errors')} corrects lines that are billed wrongly, by the present terms too; "
                f"{_range(parts, 'terms')} is of these terms"
            )
        )
    _print_rows("Months", found.months, lambda row: month_text(row["reporting_month"]))
    _print_rows("Contracts", found.contracts, _contract)
    for name, row in (("Best", found.best_month), ("Worst", found.worst_month)):
        context.stdout.print(Text(f"{name} month: {month_text(row['reporting_month'])}, {_range(row, 'difference')}"))
    for row in found.break_evens:
        context.stdout.print(
            Text(
                f"Break-even: between {plain(row['from_percent'])} % and {plain(row['to_percent'])} % of the volume; "
                f"{row['above_it']} above it"
            )
        )
    if not found.break_evens:
        context.stdout.print(Text("Break-even: none between 50 % and 150 % of the volume"))
    _print_readings(found.readings)
    _print_lines(found.lines)


def _print_rows(title: str, rows: Sequence[Mapping[str, Any]], name: Any) -> None:
    context.stdout.print(Text(f"\n{title}"))
    for row in rows:
        context.stdout.print(Text(f"    {name(row)}: {_sum_words(row)}"))


def _print_readings(rows: Sequence[Mapping[str, Any]]) -> None:
    """Print the sum of each undecided ladder under each interpretation: the words of --reading, then the sentence."""
    ladder = itemgetter("price_list_id", "account_report", "measure_field", "old_amount")
    for (price_list, report, measure, old), readings in groupby(rows, ladder):
        context.stdout.print(
            Text(f"\nUndecided: price list {price_list}, {report} {measure}; old {grouped(old)}. By --reading:")
        )
        for row in readings:
            amount = "no price for every line" if row["new_amount"] is None else f"new {grouped(row['new_amount'])}"
            others = f" {row['readings'] - 1} more give the same." if row["readings"] > 1 else ""
            context.stdout.print(Text(f"    {row['reading_id']}: {amount}. {row['reading_words']}{others}"))


def _contract(row: Mapping[str, Any]) -> str:
    return "without a contract" if row["contract_id"] is None else f"contract {row['contract_id']}"


def _sum_words(row: Mapping[str, Any]) -> str:
    unrated = ""
    if row["unrated_lines"]:
        unrated = (
            f"; {row['unrated_lines']} lines of {grouped(row['unrated_amount'])} have no new price and are left out"
        )
    return (
        f"old {grouped(row['old_amount'])}, new {_range(row, 'new')}, difference {_range(row, 'difference')}{unrated}"
    )


def _range(row: Mapping[str, Any], name: str) -> str:
    low, high = row[f"{name}_low"], row[f"{name}_high"]
    return grouped(low) if low == high else f"{grouped(low)} to {grouped(high)}"


def _print_lines(rows: Sequence[Mapping[str, Any]]) -> None:
    changed = [row for row in rows if row["error"] is None and (row["difference_low"] or row["difference_high"])]
    changed.sort(key=lambda row: -max(abs(row["difference_low"]), abs(row["difference_high"])))
    unrated = sorted({(row["account_report"], row["measure_field"], row["error"]) for row in rows if row["error"]})
    more = f" ({_TOP} of {len(changed)}; --json and --csv have all)" if len(changed) > _TOP else ""
    context.stdout.print(Text(f"\nLines that change{more}"))
    for row in changed[:_TOP]:
        context.stdout.print(
            Text(
                f"    {row['network_id']}-{row['mailbox_id']} {month_text(row['reporting_month'])} "
                f"{row['account_report']} {row['measure_field']}: {grouped(row['old_amount'])} to {_range(row, 'new')} "
                f"({_range(row, 'difference')}), {row['why']}"
            )
        )
    for report, measure, error in unrated:
        context.stdout.print(Text(f"    {report} {measure} without a new price: {error.split(': ', 1)[1]}"))


def register(app: typer.Typer) -> None:
    """Add the command of this module."""
    app.command()(simulate)
