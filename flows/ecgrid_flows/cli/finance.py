"""`export`, `close`, `reopen`, `corrections` and `findings set`: files for finance and decisions by finance."""

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
from ecgrid_transforms.money import ZERO, Decimal, NotADecimal, money_text, number_text, to_decimal, total
from ecgrid_transforms.period import last_full_month, month_text

PostingDate = Annotated[
    str | None,
    typer.Option(
        "--posting-date",
        metavar="YYYY-MM-DD",
        help="Date of the journal that is not posted yet; not in a closed month. By default the end of the month; "
        "of what changed after a closing, the first day after the last closed month.",
    ),
]
Closed = Annotated[date, typer.Argument(metavar="MONTH", parser=context.month_of, help="YYYY-MM")]


def _amount(text: str) -> Decimal:
    """An amount of the command line, above 0; raises `SettingsError`."""
    try:
        amount = to_decimal(text)
    except NotADecimal as error:
        raise SettingsError(f"{text!r} is not an amount: write it like 1.00") from error
    if amount <= ZERO:
        raise SettingsError(f"{text} is not above 0: give an amount above 0")
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
        typer.Option("--semicolons", help="Semicolons between cells instead of commas; --csv-locale supersedes it."),
    ] = False,
    bom: Annotated[
        bool, typer.Option("--bom", help="Begin each CSV with a byte order mark; --csv-locale supersedes it.")
    ] = False,
    provisional: Annotated[
        bool,
        typer.Option("--provisional", help="Export a month that is not final, into exports/YYYY-MM-provisional."),
    ] = False,
    focus: Annotated[
        str, typer.Option("--focus", metavar="VERSION", help="Version of FOCUS beside 1.2: 1.4, into focus-1.4/.")
    ] = "1.2",
    posting_date: PostingDate = None,
    ledger: Annotated[
        list[str] | None,
        typer.Option(
            "--ledger",
            metavar="NAME",
            help="Write the journal for this ledger too, into ledgers/: generic, xero, datev, beancount, or a template "
            "of your own (repeatable).",
        ),
    ] = None,
    csv_locale: Annotated[
        list[str] | None,
        typer.Option(
            "--csv-locale",
            metavar="LOCALE",
            help="Also write CSVs that a spreadsheet of this locale (de-DE) opens by a double click; may be repeated.",
        ),
    ] = None,
    xlsx: Annotated[bool, typer.Option("--xlsx", help="Also write one workbook with a sheet for each CSV.")] = False,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Write the month's files for finance from the warehouse; uses no network.

    Always lines, invoice summary, findings and disputes; the journal and FOCUS if ECGRID_CURRENCY is set.
    """
    months = chosen_months(month, first, last)
    settings = Settings.load(data_dir)
    from ecgrid_flows.finance.csv_writer import CsvForm
    from ecgrid_flows.finance.export import NO_CURRENCY, export_month, need_currency
    from ecgrid_flows.finance.journal import JOURNAL
    from ecgrid_flows.finance.ledgers import template, write_ledgers
    from ecgrid_flows.finance.spreadsheets import WORKBOOK, locale_form

    not_without_currency = need_currency(focus)
    form = CsvForm(semicolons=semicolons, bom=bom)
    also = [*(locale_form(name).name for name in csv_locale or ()), *([WORKBOOK] if xlsx else [])]
    dated = _date(posting_date)
    if ledger and provisional:
        raise SettingsError("--ledger is of a final month: leave --provisional or --ledger out")
    for name in ledger or ():
        template(settings, name)  # a wrong name is found before anything is written
    with held(settings, "export") as store:
        written = {
            one: export_month(
                settings, one, form=form, is_provisional=provisional, posting_date=dated, also=also, focus=focus
            )
            for one in months
        }
        for one in months:
            written[one] += write_ledgers(settings, store, one, ledger or ())
    if as_json:
        left_out = [] if settings.currency else list(not_without_currency)
        done = [{"month": month_text(one), "files": paths, "left_out": left_out} for one, paths in written.items()]
        context.emit_json({"months": done})
    else:
        for line in context.path_lines(path for paths in written.values() for path in paths):
            context.stdout.print(Text(line))
    if settings.currency is None:
        context.stderr.print(Text(f"Left out: {', '.join(not_without_currency)}. {NO_CURRENCY}."))
    else:
        _note_not_booked(written)
        for one, paths in written.items():
            if JOURNAL not in {path.name for path in paths}:
                context.stderr.print(
                    Text(f"{month_text(one)} is closed without journal and FOCUS: run `reopen` to write them.")
                )
            elif not any(path.as_posix().endswith(f"/{name}") for path in paths for name in not_without_currency[-1:]):
                context.stderr.print(
                    Text(f"{month_text(one)} is closed without FOCUS {focus}: run `reopen` to write it.")
                )


def _note_not_booked(written: Mapping[date, Sequence[Path]]) -> None:
    """Name the invoices that a journal leaves out, from the manifests written with it, one line a month."""
    from ecgrid_flows.finance.export_files import MANIFEST, read_manifest
    from ecgrid_flows.finance.journal import left_out_words

    for one, paths in written.items():
        folder = next(
            path.parent for path in reversed(paths) if path.name == MANIFEST and path.parent.name != "ledgers"
        )
        if told := left_out_words(one, read_manifest(folder).get("not_booked", ())):
            context.stderr.print(Text(told))


def _date(text: str | None) -> date | None:
    if text is None:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise SettingsError(f"{text!r} is no date: write --posting-date as 2026-11-01") from error


def close(
    month: Closed,
    accept: Annotated[
        list[str] | None,
        typer.Option("--accept", metavar="FINDING", help="Accept this open finding (repeatable); needs --why."),
    ] = None,
    why: Annotated[
        list[str] | None,
        typer.Option("--why", metavar="TEXT", help="The reason: one for each --accept in order, or one for all."),
    ] = None,
    is_verify: Annotated[
        bool, typer.Option("--verify", help="Verify a closed month against its recorded hashes; changes nothing.")
    ] = False,
    seal: Annotated[
        str | None,
        typer.Option("--seal", metavar="HASH", help="With --verify: the hash that `close` printed, kept elsewhere."),
    ] = None,
    posting_date: PostingDate = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Close a month: its files no longer change, whatever is pulled or inferred later.

    Refused while findings of severity error are open, unless each is accepted with a reason. Prints the hash of the
    closing. Keep it elsewhere: `--verify --seal HASH` proves later that the closing was not rewritten.
    """
    settings = Settings.load(data_dir)
    if is_verify:
        _verify(settings, month, seal, as_json)
        return
    if seal is not None:
        raise SettingsError("--seal needs --verify: add it")
    reasons = _reasons(accept or [], why or [])
    from ecgrid_flows.finance.export import need_currency
    from ecgrid_flows.finance.period_close import close_month

    with held(settings, "close") as store:
        done = close_month(settings, store, month, reasons, _date(posting_date))
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
        context.stderr.print(
            Text("The second line is the closing's hash: keep it elsewhere, for `close --verify --seal`.")
        )
    if settings.currency is None:
        context.stderr.print(Text(f"Closed without {', '.join(need_currency())}: ECGRID_CURRENCY is not set."))


def _reasons(accept: Sequence[str], why: Sequence[str]) -> Mapping[str, str]:
    """Finding id -> reason; raises `SettingsError` if the counts do not match."""
    if why and not accept:
        raise SettingsError("--why needs --accept: add --accept FINDING")
    if accept and not why:
        raise SettingsError("--accept needs a reason: add --why TEXT, one for each --accept or one for all")
    if len(why) not in (1, len(accept)) and accept:
        raise SettingsError(f"{len(accept)} --accept but {len(why)} --why: give one --why each, or one for all")
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
        context.stdout.print(Text(f"{month_text(month)}: all {found.files} files are unchanged since the closing"))
    if found.faults:
        raise typer.Exit(int(ExitStatus.FINDINGS))


def reopen(
    month: Closed,
    why: Annotated[str, typer.Option("--why", metavar="TEXT", help="The reason, for the audit log.")],
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Reopen a closed month. The closing is kept, and the audit log records who, when and why."""
    settings = Settings.load(data_dir)
    from ecgrid_flows.finance.period_close import reopen_month

    with held(settings, "reopen") as store:
        entry = reopen_month(store, month, why)
    if as_json:
        context.emit_json({"month": month_text(month), "entry": entry.number, "seal": entry.sha256})
    else:
        context.stdout.print(Text(f"{month_text(month)} is open again"))


def corrections(
    month: Closed,
    is_book: Annotated[
        bool,
        typer.Option(
            "--book", help="Post the pending corrections as a numbered batch; later changes start the next one."
        ),
    ] = False,
    note: Annotated[str, typer.Option("--note", metavar="TEXT", help="With --book: a note for the audit log.")] = "",
    posting_date: PostingDate = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """List and export the changes of a month since its closing, as reversal and re-entry rows."""
    settings = Settings.load(data_dir)
    from ecgrid_flows.finance import audit_log
    from ecgrid_flows.finance import corrections as correcting
    from ecgrid_flows.finance.export_files import NO_CURRENCY
    from ecgrid_flows.finance.period_close import require_closed

    with held(settings, "corrections") as store:
        log = audit_log.read(store)
        closing = require_closed(log, month)
        correcting.frozen_export(settings, store, closing)
        dated = _date(posting_date)
        if is_book and correcting.book(settings, store, log, closing, note, dated) is not None:
            log = audit_log.read(store)
        paths = correcting.export_corrections(settings, store, log, closing, posting_date=dated)
        with correcting.pairs(settings, store, log, closing) as (_, found):
            rows = correcting.in_order(found)
        journal = correcting.listed_journal(settings, month)
    if as_json:
        context.emit_json({"month": month_text(month), "corrections": rows, "journal": journal, "files": paths})
        return
    _print_corrections(month, rows, journal, paths)
    if rows and settings.currency is None:
        context.stderr.print(Text(f"Left out: the journal and FOCUS. {NO_CURRENCY}."))


_SHOWN = ("correction", "entry", "network_id", "mailbox_id", "account_report", "measure_field")
_SHOWN_AMOUNTS = ("quantity_billed", "billed_amount", "expected_amount")
_ENTRY = ("correction", "posting_date", "reference", "account", "description", "debit", "credit")


def _print_corrections(
    month: date, rows: Sequence[Mapping[str, Any]], journal: Sequence[Mapping[str, Any]], paths: Sequence[Path]
) -> None:
    if not rows and not journal:
        context.stdout.print(Text(f"{month_text(month)}: no changes since the closing"))
        return
    if rows:
        columns = (*_SHOWN, *_SHOWN_AMOUNTS)
        cells = [[_cell(name, row[name]) for name in columns] for row in rows]
        context.stdout.print(
            context.table(f"{month_text(month)}, lines since the closing", context.headings(columns), cells)
        )
        billed, expected = (total([row[name] for row in rows if row[name] is not None]) for name in _SHOWN_AMOUNTS[1:])
        context.stdout.print(Text(f"Total: billed {money_text(billed)}, expected {money_text(expected)}"))
    if journal:  # invoices and decisions change it without a changed line
        entries = [
            [
                row[name] if (row[name] is None or name not in ("debit", "credit")) else money_text(row[name])
                for name in _ENTRY
            ]
            for row in journal
        ]
        context.stdout.print(
            context.table(f"{month_text(month)}, journal since the closing", context.headings(_ENTRY), entries)
        )
    for path in paths:
        context.stderr.print(Text(str(path)))


def _cell(name: str, value: Any) -> Any:
    """Amounts with at least two decimals, quantities without trailing zeros, other values unchanged."""
    if value is None or name in _SHOWN:
        return value
    return money_text(value) if name.endswith("_amount") else number_text(value)


def set_findings(
    findings: Annotated[list[str] | None, typer.Argument(metavar="ID...", help="Ids from `findings`.")] = None,
    *,
    state: Annotated[
        str, typer.Argument(metavar="STATE", help="accepted, disputed, resolved, or open to revoke the decision.")
    ],
    note: Annotated[str, typer.Option("--note", metavar="TEXT", help="The reason, for the audit log.")],
    checks: Annotated[
        list[str] | None,
        typer.Option(
            "--check",
            metavar="NAME",
            help="Instead of ids: all findings of this check in the month; give it again for another check. Accepted "
            "and disputed change open ones, resolved also disputed ones, open all decided ones.",
        ),
    ] = None,
    below: Annotated[
        Decimal | None,
        typer.Option(
            "--below",
            metavar="AMOUNT",
            parser=_amount,
            help="With --check: only findings whose absolute difference is below this amount.",
        ),
    ] = None,
    month: Month = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Accept, dispute or resolve findings, by id or all of a check, as one entry of the audit log.

    A decision is valid until the amounts of its finding change.
    """
    if bool(findings) == bool(checks):
        raise SettingsError("findings need ids or --check NAME, not both: give one of them, then the state")
    if below is not None and not checks:
        raise SettingsError("--below AMOUNT needs --check NAME: add it")
    settings = Settings.load(data_dir)
    from ecgrid_flows.finance import audit_log
    from ecgrid_flows.finance.export_files import opened
    from ecgrid_flows.finance.finding_states import OPEN, find, find_of_checks, keep, set_state

    with held(settings, "findings set") as store:
        log = audit_log.read(store)
        with opened(settings) as connection:
            if checks:
                rows = find_of_checks(connection, log, checks, month or last_full_month(), state, below)
            else:
                rows = find(connection, findings or [], month)
        if rows:
            set_state(store, rows, state, note)
            keep(settings.warehouse_path, audit_log.read(store))
    rows = [{**row, "state": state, "note": None if state == OPEN else note.strip()} for row in rows]
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
    if months := sorted({month_text(row["reporting_month"]) for row in rows if row["reporting_month"]}):
        steps = " and ".join(f"`{step} --month {months[-1]}`" for step in ("export", "report"))
        context.stderr.print(Text(f"Files and report still show the states of before: {steps} write them anew."))


@contextmanager
def held(settings: Settings, purpose: str) -> Iterator[Any]:
    """The data directory's store, locked for the block; files of a bucket are copied to this machine first."""
    from ecgrid_flows.lake.local_mirror import fetch, require_current

    store = existing_store(settings)
    with store.lock(purpose):
        fetch(settings, store)
        require_current(settings, store)
        yield store


def existing_store(settings: Settings) -> Any:
    """The store of an existing data directory; a mistyped path must not create a new one."""
    from ecgrid_flows.storage.opening import open_store

    context.require_directory(settings)
    return open_store(settings)
