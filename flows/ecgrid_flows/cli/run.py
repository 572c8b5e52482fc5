"""`run`, `pull`, `build` and `accounts`: the monthly flow and its steps."""

import os
import shlex
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from datetime import date
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.text import Text

from ecgrid_flows.cli import context
from ecgrid_flows.cli.context import AsJson, DataDir, First, Last, Month
from ecgrid_flows.errors import ExitStatus, Incomplete, SettingsError
from ecgrid_flows.settings import Secret, Settings
from ecgrid_transforms.money import grouped
from ecgrid_transforms.period import last_full_month, month_text, months_between

if TYPE_CHECKING:
    from ecgrid_flows.progress import Reporter

Refresh = Annotated[
    bool, typer.Option("--refresh", help="Re-request keys that have a response; earlier responses are kept.")
]

#: Number of unreadable values named at the end of a run.
_NAMED = 3

INVENTED = (
    "No credentials are set: using the built-in sandbox. Every network, mailbox, price and amount is INVENTED. "
    "For the real service, set ECGRID_API_KEY, or ECGRID_LOGIN_NAME and ECGRID_PASSWORD."
)


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(run)
    app.command()(pull)
    app.command()(build)
    app.command()(accounts)


def run(
    month: Month = None,
    first: First = None,
    last: Last = None,
    refresh: Refresh = False,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """The monthly flow: plan, pull, land, build, check, export, report."""
    months = chosen_months(month, first, last)
    _quiet_prefect()
    from ecgrid_flows.orchestration import session, tasks
    from ecgrid_flows.orchestration.pipeline import MonthIncomplete
    from ecgrid_flows.progress import Reporter

    settings = session.settings_of_run(data_dir)
    reporter = Reporter(console=context.stderr, quiet=as_json)
    incomplete: MonthIncomplete | None = None
    is_reported = tasks.prefect_is_set_up()
    with _opened(settings, reporter, "run", refresh) as (opened, is_invented):
        try:
            done = _billed(opened, months, is_reported)
        except MonthIncomplete as error:
            incomplete, done = error, error.done
    if as_json:
        context.emit_json({"is_invented": is_invented, "months": [_summary(one) for one in done]})
    else:
        _print_summary(done, settings, is_invented, reporter.warnings)
    if incomplete is not None:
        raise incomplete
    opened.require_nothing_lost()
    if any(one.checked.open_errors for one in done):
        raise typer.Exit(int(ExitStatus.FINDINGS))


def _billed(run: Any, months: Sequence[date], is_reported: bool) -> list[Any]:
    """The months billed: as flow runs if Prefect is set up, else by direct calls of the same functions."""
    if is_reported:
        from ecgrid_flows.orchestration.flows import backfill, monthly_billing

        first, last = month_text(months[0]), month_text(months[-1])
        return [monthly_billing(first)] if len(months) == 1 else backfill(first, last)
    from ecgrid_flows.orchestration.pipeline import bill_months

    return bill_months(run, months)


def pull(
    month: Month = None,
    first: First = None,
    last: Last = None,
    refresh: Refresh = False,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Plan, pull and land only: every response is kept, nothing is reconciled."""
    months = chosen_months(month, first, last)
    settings = Settings.load(data_dir)
    _quiet_prefect()
    from ecgrid_flows.orchestration import tasks
    from ecgrid_flows.orchestration.pipeline import MonthIncomplete
    from ecgrid_flows.progress import Reporter

    reporter = Reporter(console=context.stderr, quiet=as_json)
    done = []
    with _opened(settings, reporter, "pull", refresh) as (opened, is_invented):
        for wanted in months:
            size = tasks.plan(opened, wanted)
            tally = tasks.pull(opened, wanted, size)
            tasks.land(opened, wanted)
            done.append(opened.done(wanted, tally))
    if as_json:
        context.emit_json({"is_invented": is_invented, "months": [_summary(one) for one in done]})
    else:
        for one in done:
            context.stdout.print(
                f"{month_text(one.month)}: {one.calls} calls, {one.calls_kept} kept from before, "
                f"{one.lines} lines, {grouped(one.amount)} billed"
            )
            _print_value_faults(one)
    if any(one.is_incomplete for one in done):
        raise MonthIncomplete(done)
    opened.require_nothing_lost()


def build(data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Land the kept responses and rebuild the warehouse; uses no network."""
    settings = Settings.load(data_dir)
    context.require_directory(settings)
    _quiet_prefect()
    from ecgrid_flows.orchestration import session, tasks
    from ecgrid_flows.progress import Reporter

    reporter = Reporter(console=context.stderr, quiet=as_json)
    with session.opened(settings=settings, reporter=reporter, purpose="build") as opened:
        months = opened.restore()
        path = tasks.build(opened)
    if as_json:
        context.emit_json({"warehouse": path, "months": [month_text(one) for one in months]})
    else:
        hint = "" if months else "; no month is pulled: run `ecgrid-billing run`"
        context.stdout.print(Text(f"{path} from {len(months)} month{'' if len(months) == 1 else 's'}{hint}"))
    opened.require_nothing_lost()


def accounts(month: Month = None, data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """The accounts and contracts that a run would bill."""
    one = month or last_full_month()
    settings = Settings.load(data_dir)
    from ecgrid_flows.progress import Reporter

    reporter = Reporter(console=context.stderr, quiet=as_json)
    with _opened(settings, reporter, "accounts") as (opened, is_invented):
        scope = opened.scope(one)
    rows = [
        (
            billed.account.network_id,
            billed.account.mailbox_id,
            billed.name,
            billed.status,
            billed.price_list_id,
            billed.contract_id,
            ", ".join(sorted(billed.sources)),
        )
        for billed in scope.accounts
    ]
    names = ("network_id", "mailbox_id", "account_name", "status", "price_list_id", "contract_id", "sources")
    contracts = [
        (found.contract_id, found.contract_number, found.description, found.status, found.effective, found.expires)
        for found in scope.contracts
    ]
    contract_names = ("contract_id", "contract_number", "description", "status", "effective", "expires")
    if as_json:
        context.emit_json(
            {
                "is_invented": is_invented,
                "month": month_text(one),
                "accounts": [dict(zip(names, row, strict=True)) for row in rows],
                "contracts": [dict(zip(contract_names, row, strict=True)) for row in contracts],
            }
        )
    else:
        context.stdout.print(context.table(f"{len(rows)} accounts in {month_text(one)}", context.headings(names), rows))
        context.stdout.print(
            context.table(f"\n{len(contracts)} contracts", context.headings(contract_names), contracts)
        )
    if scope.unanswered:
        raise Incomplete(f"the list is not complete: {'; '.join(scope.unanswered)}")


def chosen_months(month: date | None, first: date | None, last: date | None) -> list[date]:
    """The months selected by the options; raises `SettingsError`."""
    if month is not None and (first is not None or last is not None):
        raise SettingsError("--month cannot be combined with --from and --to: give one of the two")
    if (first is None) != (last is None):
        raise SettingsError("--from needs --to and --to needs --from: give both, or --month")
    if first is None or last is None:
        return [month or last_full_month()]
    if first > last:
        raise SettingsError(f"--from {month_text(first)} is after --to {month_text(last)}: swap them")
    return list(months_between(first, last))


@contextmanager
def serving(settings: Settings, reporter: "Reporter") -> Iterator[tuple[Settings, bool]]:
    """The settings of the run, and whether the data are invented: starts the sandbox if no credentials are set."""
    if settings.has_credentials:
        yield settings, False
        return
    from ecgrid_flows.storage.opening import open_store
    from ecgrid_sandbox import World, spawn

    with open_store(settings).lock("start"):
        pass  # report an unusable data directory before starting the sandbox
    reporter.say(f"{INVENTED} Data directory: {settings.data_dir}.")
    with spawn(World.shipped()) as sandbox:
        served = replace(settings, v2_url=sandbox.v2_url, v3_url=sandbox.v3_url, v4_url=sandbox.v4_url)
        if settings.task_runner == "threads":
            served = replace(served, login_name=sandbox.login_name, password=Secret(sandbox.password))
        else:
            served = replace(
                served, api_key=Secret(sandbox.api_key)
            )  # a cluster may need more sessions than a user is allowed
        yield served, True


@contextmanager
def _opened(
    settings: Settings, reporter: "Reporter", purpose: str, refresh: bool = False
) -> Iterator[tuple[Any, bool]]:
    """A run that Ctrl-C and SIGTERM stop, with its source checked; and whether the data are invented."""
    from ecgrid_flows.orchestration import session, signals

    with (
        serving(settings, reporter) as (served, is_invented),
        session.opened(
            settings=served, reporter=reporter, refresh=refresh, is_invented=is_invented, purpose=purpose
        ) as run,
        signals.stopping_on_signals(run.puller, reporter),
    ):
        run.check_source()
        yield run, is_invented


def _quiet_prefect() -> None:
    """Hide Prefect's own log lines, which break up the display, unless its logging level is set."""
    os.environ.setdefault("PREFECT_LOGGING_LEVEL", "CRITICAL")


def _summary(done: Any) -> dict[str, Any]:
    return {
        "month": month_text(done.month),
        "accounts": done.accounts,
        "calls": done.calls,
        "calls_kept": done.calls_kept,
        "lines": done.lines,
        "amount": done.amount,
        "faults": done.faults,
        "missing_calls": done.missing_calls,
        "missing": done.missing,
        "unchecked": done.unchecked,
        "value_faults": done.value_faults.count,
        "value_faults_named": done.value_faults.named,
        "is_provisional": done.checked.is_provisional,
        "findings": done.checked.findings,
        "open_errors": done.checked.open_errors,
        "at_stake": asdict(done.checked.at_stake),
        "invoices": asdict(done.checked.invoices),
        "exports": done.exports,
        "report": done.report,
    }


def _print_value_faults(done: Any) -> None:
    """Print the unreadable values of a month's responses."""
    faults = done.value_faults
    if faults.count:
        shown = "; ".join(faults.named[:_NAMED]) + ("; …" if faults.count > _NAMED else "")
        what = "1 value" if faults.count == 1 else f"{faults.count:,} values"
        context.stdout.print(
            Text(
                f"\n{month_text(done.month)}: {what} in the service's responses cannot be read (feed value_faults); "
                f"figures that depend on them are unknown: {shown}"
            )
        )


def _print_summary(done: Sequence[Any], settings: Settings, is_invented: bool, warnings: Sequence[str]) -> None:
    columns = ("month", "accounts", "calls", "kept", "lines", "recalculated", "findings", "open errors")
    rows = [
        (
            month_text(one.month),
            one.accounts,
            one.calls,
            one.calls_kept,
            one.lines,
            grouped(one.amount),
            one.checked.count,
            one.checked.open_errors,
        )
        for one in done
    ]
    out = context.stdout
    out.print(context.table("INVENTED DATA (built-in sandbox)" if is_invented else None, columns, rows))
    for one in done:
        mark = "provisional, not exported. " if one.checked.is_provisional else ""
        invoices, at_stake = (
            one.checked.invoices.words(settings.currency),
            one.checked.at_stake.words(settings.currency),
        )
        out.print(
            Text(f"\n{month_text(one.month)}: {mark}{invoices}\nAt stake in open errors and warnings: {at_stake}.")
        )
    counted, faults = Counter[str](), Counter[str]()
    for one in done:
        counted.update(one.checked.findings)
        faults.update(one.faults)
    if counted:
        worst = sorted(counted, key=lambda name: (-counted[name], name))
        out.print(context.table("\nFindings", ("name", "count"), [(name, counted[name]) for name in worst]))
    if faults:
        out.print(Text("\nFaults: " + ", ".join(f"{count} {code}" for code, count in sorted(faults.items()))))
    for one in done:
        _print_value_faults(one)
    if warnings:
        out.print(Text(f"\n{len(warnings)} warnings, shown above"))
    paths = [path for one in done for path in (*one.exports, one.report) if path]
    if paths:
        out.print(Text("\n" + "\n".join(context.path_lines(paths))))
    if staked := [month_text(one.month) for one in done if one.checked.at_stake.parts()]:
        where = f"--month {staked[-1]} --data-dir {shlex.quote(settings.data_dir)}"
        out.print(Text(f"\nNext: {context.called_as()} findings {where}"))
