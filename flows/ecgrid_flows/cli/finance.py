"""`export`, `close`, `reopen`, `corrections` and `findings set`: what finance takes, and what it decides."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.text import Text

from ecgrid_flows.cli import context
from ecgrid_flows.cli.context import AsJson, DataDir, First, Last, Month
from ecgrid_flows.cli.findings import findings_app
from ecgrid_flows.cli.run import chosen_months
from ecgrid_flows.errors import ExitStatus, SettingsError
from ecgrid_flows.settings import Settings
from ecgrid_transforms.money import ZERO, Decimal, NotADecimal, money_text, plain_number, to_decimal, total
from ecgrid_transforms.period import last_full_month, month_text

Closed = Annotated[date, typer.Argument(metavar="MONTH", parser=context.month_of, help="YYYY-MM")]


def _amount(text: str) -> Decimal:
    """An amount of the command line, above 0; raises `SettingsError`."""
    try:
        amount = to_decimal(text)
    except NotADecimal as error:
        raise SettingsError(f"{text!r} is no amount: write it like 1.00") from error
    if amount <= ZERO:
        raise SettingsError(f"{text} is no amount above 0: nothing is below it")
    return amount


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(export)
    app.command()(close)
    app.command()(reopen)
    app.command()(corrections)
    findings_app.command("set")(set_findings)


def export(
    month: Month = None,
    first: First = None,
    last: Last = None,
    semicolons: Annotated[
        bool,
        typer.Option("--semicolons", help="Semicolons between cells instead of commas, as many spreadsheets want."),
    ] = False,
    bom: Annotated[
        bool, typer.Option("--bom", help="Open each CSV with a byte-order mark, as Excel wants it.")
    ] = False,
    provisional: Annotated[
        bool,
        typer.Option("--provisional", help="Export a month that is not final, into exports/YYYY-MM-provisional."),
    ] = False,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Write the month's files for finance from the warehouse; no network is used.

    Lines, invoice summary, findings and disputes always; the journal and FOCUS 1.2 when ECGRID_CURRENCY is set.
    """
    months = chosen_months(month, first, last)
    settings = Settings.load(data_dir)
    from ecgrid_flows.finance.csv_writer import CsvForm
    from ecgrid_flows.finance.export import NEED_CURRENCY, NO_CURRENCY, export_month

    form = CsvForm(semicolons=semicolons, bom=bom)
    with _held(settings, "export"):
        written = {one: export_month(settings, one, form=form, is_provisional=provisional) for one in months}
    if as_json:
        left_out = [] if settings.currency else list(NEED_CURRENCY)
        done = [{"month": month_text(one), "files": paths, "left_out": left_out} for one, paths in written.items()]
        context.emit_json({"months": done})
    else:
        for path in (path for paths in written.values() for path in paths):
            context.stdout.print(Text(str(path)))
    if settings.currency is None:
        context.stderr.print(Text(f"Left out: {', '.join(NEED_CURRENCY)}. {NO_CURRENCY}."))
    else:
        for one, paths in written.items():
            if not {path.name for path in paths}.issuperset(NEED_CURRENCY):
                context.stderr.print(
                    Text(f"{month_text(one)} was closed without {', '.join(NEED_CURRENCY)}: `reopen` it to get them.")
                )


def close(
    month: Closed,
    accept: Annotated[
        list[str] | None,
        typer.Option("--accept", metavar="FINDING", help="Accept this open finding; may be repeated, each with --why."),
    ] = None,
    why: Annotated[
        list[str] | None,
        typer.Option("--why", metavar="TEXT", help="Why; one for each --accept in turn, or one for them all."),
    ] = None,
    is_verify: Annotated[
        bool, typer.Option("--verify", help="Close nothing: hold a closed month against its seals.")
    ] = False,
    seal: Annotated[
        str | None, typer.Option("--seal", metavar="HASH", help="With --verify: a seal that you kept elsewhere.")
    ] = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Seal a month: what finance has stays as it is, whatever is pulled or inferred later.

    Refused while findings of severity error are open, unless each is accepted with a reason. Prints the seal; kept
    somewhere else, it proves later (--verify --seal) that nobody rewrote the closing.
    """
    settings = Settings.load(data_dir)
    if is_verify:
        _verify(settings, month, seal, as_json)
        return
    if seal is not None:
        raise SettingsError("--seal goes with --verify")
    reasons = _reasons(accept or [], why or [])
    from ecgrid_flows.finance.export import NEED_CURRENCY
    from ecgrid_flows.finance.period_close import close_month

    with _held(settings, "close") as store:
        done = close_month(settings, store, month, reasons)
    if as_json:
        context.emit_json(
            {
                "month": month_text(month),
                "entry": done.entry.number,
                "seal": done.entry.sha256,
                "accepted": done.accepted,
                "files": done.exports,
            }
        )
    else:
        context.stdout.print(
            Text(f"{month_text(month)} is closed, with {len(done.exports)} files.\n{done.entry.sha256}")
        )
        context.stderr.print(Text("The second line is the seal: keep it somewhere else, for `close --verify --seal`."))
    if settings.currency is None:
        context.stderr.print(Text(f"Closed without {', '.join(NEED_CURRENCY)}: ECGRID_CURRENCY is not set."))


def _reasons(accept: Sequence[str], why: Sequence[str]) -> Mapping[str, str]:
    """A reason for each finding to accept; raises `SettingsError` when they do not pair up."""
    if why and not accept:
        raise SettingsError("--why gives the reason for an --accept: name the finding")
    if accept and not why:
        raise SettingsError("accepting a finding wants a reason: give one by --why for each --accept, or one for all")
    if len(why) not in (1, len(accept)) and accept:
        raise SettingsError(f"--accept is given {len(accept)} times and --why {len(why)} times: give one each, or one")
    return dict(zip(accept, [why[0]] * len(accept) if len(why) == 1 else why, strict=True))


def _verify(settings: Settings, month: date, seal: str | None, as_json: bool) -> None:
    from ecgrid_flows.finance.period_close import verify

    found = verify(settings, existing_store(settings), month, seal)
    if as_json:
        context.emit_json({"month": month_text(month), "files": found.files, "faults": found.faults})
    elif found.faults:
        for fault in found.faults:
            context.stdout.print(Text(fault))
    else:
        context.stdout.print(
            Text(f"{month_text(month)}: all {found.files} files are what they were when it was closed")
        )
    if found.faults:
        raise typer.Exit(int(ExitStatus.FINDINGS))


def reopen(
    month: Closed,
    why: Annotated[str, typer.Option("--why", metavar="TEXT", help="The reason, for the log.")],
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Open a closed month again; what was closed is kept, and the log says who, when and why."""
    settings = Settings.load(data_dir)
    from ecgrid_flows.finance.period_close import reopen_month

    with _held(settings, "reopen") as store:
        entry = reopen_month(store, month, why)
    if as_json:
        context.emit_json({"month": month_text(month), "entry": entry.number, "seal": entry.sha256})
    else:
        context.stdout.print(Text(f"{month_text(month)} is open again"))


def corrections(
    month: Closed,
    is_book: Annotated[
        bool, typer.Option("--book", help="Number what is new for good: later changes become a batch of their own.")
    ] = False,
    note: Annotated[str, typer.Option("--note", metavar="TEXT", help="With --book: what the log is to say.")] = "",
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """List and export what changed in a month since it was closed, as reversal and re-entry rows."""
    settings = Settings.load(data_dir)
    from ecgrid_flows.finance import audit_log
    from ecgrid_flows.finance import corrections as correcting
    from ecgrid_flows.finance.export_files import NO_CURRENCY
    from ecgrid_flows.finance.period_close import require_closed

    with _held(settings, "corrections") as store:
        log = audit_log.read(store)
        closing = require_closed(log, month)
        correcting.frozen_export(settings, store, closing)
        if is_book and correcting.book(settings, store, log, closing, note) is not None:
            log = audit_log.read(store)
        paths = correcting.export_corrections(settings, store, log, closing)
        with correcting.pairs(settings, store, log, closing) as (_, found):
            rows = correcting.in_order(found)
    if as_json:
        context.emit_json({"month": month_text(month), "corrections": rows, "files": paths})
        return
    _print_corrections(month, rows, paths)
    if rows and settings.currency is None:
        context.stderr.print(Text(f"Left out: the journal and FOCUS. {NO_CURRENCY}."))


_SHOWN = ("correction", "entry", "network_id", "mailbox_id", "account_report", "measure_field")
_SHOWN_AMOUNTS = ("quantity_billed", "billed_amount", "expected_amount")


def _print_corrections(month: date, rows: Sequence[Mapping[str, Any]], paths: Sequence[Path]) -> None:
    if not rows:
        context.stdout.print(Text(f"{month_text(month)}: nothing changed since it was closed"))
        return
    columns = (*_SHOWN, *_SHOWN_AMOUNTS)
    cells = [[_cell(name, row[name]) for name in columns] for row in rows]
    context.stdout.print(context.table(f"{month_text(month)}, since it was closed", columns, cells))
    billed, expected = (total([row[name] for row in rows if row[name] is not None]) for name in _SHOWN_AMOUNTS[1:])
    context.stdout.print(Text(f"In all: billed {money_text(billed)}, expected {money_text(expected)}"))
    for path in paths:
        context.stderr.print(Text(str(path)))


def _cell(name: str, value: Any) -> Any:
    """Amounts of money as such, a quantity without superfluous zeros, the rest as it is."""
    if value is None or name in _SHOWN:
        return value
    return money_text(value) if name.endswith("_amount") else plain_number(value)


def set_findings(
    findings: Annotated[list[str] | None, typer.Argument(metavar="ID...", help="Ids as `findings` shows them.")] = None,
    *,
    state: Annotated[
        str, typer.Argument(metavar="STATE", help="accepted, disputed, resolved, or open to take it back.")
    ],
    note: Annotated[str, typer.Option("--note", metavar="TEXT", help="The reason, for the log.")],
    check: Annotated[
        str | None,
        typer.Option(
            "--check",
            metavar="NAME",
            help="In place of ids: all findings of this check in the month. Accepted and disputed change open ones, "
            "resolved also disputed ones, open all that are decided.",
        ),
    ] = None,
    below: Annotated[
        Decimal | None,
        typer.Option(
            "--below",
            metavar="AMOUNT",
            parser=_amount,
            help="With --check: only where the difference, in either direction, is below this amount.",
        ),
    ] = None,
    month: Month = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Accept, dispute or resolve findings, by id or all of one check, as one entry of the log.

    A decision holds until the amounts that it was about change.
    """
    if bool(findings) == (check is not None):
        raise SettingsError("name the findings by their ids or by --check NAME, then the state: one of the two")
    if below is not None and check is None:
        raise SettingsError("--below AMOUNT goes with --check NAME")
    settings = Settings.load(data_dir)
    from ecgrid_flows.finance import audit_log
    from ecgrid_flows.finance.export_files import opened
    from ecgrid_flows.finance.finding_states import find, find_of_check, keep, set_state

    with _held(settings, "findings set") as store:
        log = audit_log.read(store)
        with opened(settings) as connection:
            if check is None:
                rows = find(connection, findings or [], month)
            else:
                rows = find_of_check(connection, log, check, month or last_full_month(), state, below)
        if rows:
            set_state(store, rows, state, note)
            keep(settings.warehouse_path, audit_log.read(store))
    differences = [row["difference"] for row in rows if row["difference"] is not None]
    sums = {
        "too_much": total([one for one in differences if one > ZERO]),
        "too_little": -total([one for one in differences if one < ZERO]),
    }
    if as_json:
        context.emit_json({"state": state, "note": note, "count": len(rows), **sums, "findings": rows})
        return
    for row in rows:
        context.stdout.print(Text(f"{row['finding_id']}  {row['check_name']}  {state}"))
    said = [f"{money_text(value)} {name.replace('_', ' ')}" for name, value in sums.items() if value]
    if unknown := len(rows) - len(differences):
        said.append(f"{unknown} without a difference")
    counted = f"{len(rows):,} finding{'' if len(rows) == 1 else 's'} {state}"
    context.stdout.print(Text(f"{counted}: {', '.join(said) or 'differences of 0.00'}" if rows else counted))


@contextmanager
def _held(settings: Settings, purpose: str) -> Iterator[Any]:
    """The data directory's store, held for the block, with what a bucket keeps brought to this machine."""
    from ecgrid_flows.lake.local_mirror import fetch, require_current

    store = existing_store(settings)
    with store.lock(purpose):
        fetch(settings, store)
        require_current(settings, store)
        yield store


def existing_store(settings: Settings) -> Any:
    """The store of a data directory that is there; a typing error must not make a new one."""
    from ecgrid_flows.storage.opening import open_store

    context.require_directory(settings)
    return open_store(settings)
