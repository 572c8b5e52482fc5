"""The schedule: three Prefect deployments from one definition, and the flows behind them.

    monthly     the last full month, and those before it that a missed schedule left out
    open-month  every night, the month that still runs: asked again, rebuilt, checked and reported, never exported
    range       a backfill from one month to another, when somebody starts it

`ecgrid-billing serve` runs them in its process; `prefect.yaml` gives the same to a work pool (it is written from here,
a test holds it to that). Parameters carry months and a folder, never a setting. Secrets come from the environment, or
from Prefect Secret blocks named in `BLOCKS`.

States follow the exit statuses of CONTRACT: 0 Completed; 1 Completed, named Findings; 4 Failed, named Incomplete;
2, 3 and 5 Failed, named Settings, Unreachable and Held. Each run leaves a markdown summary, a table of findings and a
link to each report as artifacts.
"""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from prefect import flow
from prefect import serve as prefect_serve
from prefect.artifacts import (
    create_link_artifact,
    create_markdown_artifact,
    create_progress_artifact,
    create_table_artifact,
    update_progress_artifact,
)
from prefect.client.schemas.objects import State
from prefect.deployments.runner import RunnerDeployment
from prefect.runtime import flow_run
from prefect.settings import PREFECT_API_URL, temporary_settings
from prefect.states import Completed, Failed
from prefect.types.entrypoint import EntrypointType

from ecgrid_flows import logs, runs, tasks
from ecgrid_flows.errors import BillingError, ExitStatus, SettingsError
from ecgrid_flows.frames import Book, money, signed
from ecgrid_flows.monthly import monthly_billing
from ecgrid_flows.months import MonthIncomplete
from ecgrid_flows.page import CHECKS, SEVERITIES, records, worst_first
from ecgrid_flows.runs import MonthDone, Run
from ecgrid_flows.settings import Settings, log_options
from ecgrid_flows.source import is_invented
from ecgrid_transforms.money import ZERO
from ecgrid_transforms.period import NotAMonth, last_full_month, month_text, months_between, next_month, parse_month

__all__ = [
    "DEPLOYMENTS",
    "Deployment",
    "api_address",
    "billing_month",
    "billing_open_month",
    "billing_range",
    "prefect_yaml",
    "serve_here",
]

#: Prefect Secret blocks that stand in for variables which the environment does not set.
BLOCKS = {
    "ECGRID_LOGIN_NAME": "ecgrid-login-name",
    "ECGRID_PASSWORD": "ecgrid-password",
    "ECGRID_API_KEY": "ecgrid-api-key",
}
#: How many months back a monthly run looks for one that was missed.
CATCH_UP = 3
#: Findings in the table artifact; the report has more.
MOST_FINDINGS = 200
STATE_NAMES = {
    ExitStatus.USAGE: "Settings",
    ExitStatus.UNREACHABLE: "Unreachable",
    ExitStatus.INCOMPLETE: "Incomplete",
    ExitStatus.HELD: "Held",
}


def _month_name() -> str:
    months = flow_run.parameters.get("month") or month_text(last_full_month())
    return f"bill {months}"


def _open_name() -> str:
    return f"look at {month_text(open_month())}"


@flow(name="billing-month", flow_run_name=_month_name, persist_result=False)
def billing_month(month: str | None = None, data_dir: str | None = None, catch_up: int = CATCH_UP) -> State[Any]:
    """Bill and reconcile `month` (the last full one, UTC), after those of the `catch_up` months before it that are due.

    A month is due when a month before it was exported and it was not; a new data directory owes nothing.
    """

    def work(run: Run) -> list[MonthDone]:
        wanted = parse_month(month) if month else last_full_month()
        return _each([*missed(run.settings, wanted, catch_up), wanted], data_dir)

    return _settled(work, data_dir)


@flow(name="billing-open-month", flow_run_name=_open_name, persist_result=False)
def billing_open_month(data_dir: str | None = None) -> State[Any]:
    """Ask the running month again, rebuild, check and report it; it is not exported, for it is not whole."""

    def work(run: Run) -> list[MonthDone]:
        wanted = month_text(open_month())
        size = tasks.plan(wanted)
        pulled = tasks.pull(wanted, size)
        tasks.land(wanted)
        tasks.build()
        done = run.done(parse_month(wanted), pulled)
        done.findings, done.errors_found, done.at_stake = tasks.check(wanted)
        if done.missing_calls:
            raise MonthIncomplete([done])
        if done.lines:
            done.report = tasks.report(wanted)
        return [done]

    return _settled(work, data_dir, refresh=True)


@flow(name="billing-range", flow_run_name="backfill {first} to {last}", persist_result=False)
def billing_range(first: str, last: str, data_dir: str | None = None) -> State[Any]:
    """Bill and reconcile every month from `first` to `last`, in order; what is answered already is not asked again."""

    def work(_run: Run) -> list[MonthDone]:
        return _each(list(months_between(parse_month(first), parse_month(last))), data_dir)

    return _settled(work, data_dir)


def open_month(now: datetime | None = None) -> date:
    """The month that runs now, UTC."""
    return next_month(last_full_month(now))


def missed(settings: Settings, wanted: date, catch_up: int) -> list[date]:
    """The months before `wanted`, at most `catch_up`, that come after an exported one and were not exported."""
    before = [next_month(wanted, -count) for count in range(catch_up, 0, -1)]
    exported = [(settings.exports_dir(month) / "manifest.json").is_file() for month in before]
    if True not in exported:
        return []
    start = exported.index(True)
    return [month for month, is_there in zip(before[start:], exported[start:], strict=True) if not is_there]


def _each(months: Sequence[date], data_dir: str | None) -> list[MonthDone]:
    """Each month as a flow run of its own, with the progress over all of them; stops at the first that fails."""
    if not months:
        raise SettingsError("the first month lies after the last: turn them round")
    progress = create_progress_artifact(progress=0, description=f"{len(months)} months to bill")
    done = []
    for place, month in enumerate(months, start=1):
        done.append(monthly_billing(month_text(month), data_dir))
        update_progress_artifact(progress, progress=100 * place // len(months))  # type: ignore[arg-type]
    return done


def _settled(work: Callable[[Run], list[MonthDone]], data_dir: str | None, refresh: bool = False) -> State[Any]:
    """Do the work within one run, by the settings of this process and the blocks; leave artifacts, give the end state.

    The flows inside find the run open in this process: no credential is ever handed on.
    """
    try:
        logs.set_up(*log_options())
        settings = with_blocks(data_dir)
        if not settings.has_credentials:
            raise SettingsError(
                "no credentials: set ECGRID_API_KEY (or ECGRID_LOGIN_NAME and ECGRID_PASSWORD) where this runs, "
                f"or make the Prefect Secret block {BLOCKS['ECGRID_API_KEY']}"
            )
        with runs.opened(settings=settings, refresh=refresh) as run:
            run.check_source()
            done = work(run)
        for month in done:
            leave_artifacts(settings, month)
    except NotAMonth as error:
        return Failed(name=STATE_NAMES[ExitStatus.USAGE], message=str(error))
    except BillingError as error:
        return Failed(name=STATE_NAMES.get(error.status, "Failed"), message=str(error))
    errors = sum(month.errors_found for month in done)
    told = ", ".join(f"{month_text(month.month)}: {sum(month.findings.values())} findings" for month in done)
    return Completed(name="Findings" if errors else "Completed", message=f"{told}; {errors} of them errors")


def with_blocks(data_dir: str | None) -> Settings:
    """The settings of this process, with the credentials of Prefect's Secret blocks where the environment has none."""
    settings = Settings.load(data_dir)
    if settings.has_credentials:
        return settings
    held = {variable: text for variable, block in BLOCKS.items() if (text := _block(block))}
    # loaded again, not replaced: the default data directory depends on whether there are credentials
    return Settings.load(data_dir, {**os.environ, **held})


def _block(name: str) -> str | None:
    """What a Secret block holds; None where there is none."""
    from prefect.blocks.system import Secret as SecretBlock

    try:
        block: Any = SecretBlock.load(name)
    except ValueError:  # Prefect's word for a block that is not there
        return None
    return str(block.get())


def leave_artifacts(settings: Settings, done: MonthDone) -> None:
    """The summary, the findings and the link to the report of one month."""
    month = month_text(done.month)
    create_markdown_artifact(summary(done, is_invented(settings)), key=f"summary-{month}", description=f"Bill {month}")
    with Book(settings.warehouse_path) as book:
        found = worst_first(book.out("out_findings", reporting_month=done.month))
    cut = f" (of {len(found):,})" if len(found) > MOST_FINDINGS else ""
    create_table_artifact(
        [
            {
                "severity": SEVERITIES.get(row["severity"], row["severity"]),
                "what": CHECKS.get(row["check_name"], row["check_name"]),
                "account": f"{row['network_id']}/{row['mailbox_id']}" if row["network_id"] is not None else "",
                "measure": "/".join(part for part in (row["account_report"], row["measure_field"]) if part),
                "billed": money(row["billed_amount"]),
                "expected": money(row["expected_amount"]),
                "difference": signed(row["difference"]),
                "explanation": row["explanation"],
            }
            for row in records(found.head(MOST_FINDINGS))
        ],
        key=f"findings-{month}",
        description=f"Findings of {month}, worst first{cut}",
    )
    if done.report:
        create_link_artifact(done.report.resolve().as_uri(), f"Report {month}", key=f"report-{month}")


def summary(done: MonthDone, invented: bool) -> str:
    """One month in a few lines of markdown; amounts are text made from decimals."""
    rows = [
        ("Accounts", f"{done.accounts:,}"),
        ("Calls", f"{done.calls:,} (answered before: {done.calls_kept:,})"),
        ("Lines", f"{done.lines:,}"),
        ("Amount billed", money(done.amount)),
        ("Findings", f"{sum(done.findings.values()):,}, {done.errors_found:,} of them errors"),
        ("Money at stake", money(done.at_stake if done.at_stake else ZERO)),
    ]
    lines = [f"# Bill {month_text(done.month)}", ""]
    if invented:
        lines += ["**Invented data of the built-in sandbox.**", ""]
    lines += ["| | |", "|---|---:|", *(f"| {label} | {value} |" for label, value in rows), ""]
    lines += [f"- {CHECKS.get(check, check)}: {count}" for check, count in done.findings.items()]
    return "\n".join(lines) + "\n"


@dataclass(frozen=True, slots=True)
class Deployment:
    """One deployment as both `serve` and `prefect.yaml` give it. `cron` is in UTC."""

    name: str
    flow: Any
    description: str
    cron: str | None = None
    parameters: dict[str, Any] = field(default_factory=dict)

    @property
    def entrypoint(self) -> str:
        return f"{self.flow.fn.__module__}.{self.flow.fn.__name__}"

    def made(self) -> RunnerDeployment:
        """As `serve` takes it."""
        made: RunnerDeployment = self.flow.to_deployment(
            self.name,
            cron=self.cron,
            parameters=self.parameters,
            description=self.description,
            tags=["ecgrid-billing"],
            entrypoint_type=EntrypointType.MODULE_PATH,
        )
        return made


DEPLOYMENTS = (
    Deployment(
        "monthly",
        billing_month,
        "The last full month, on the second day after it, and months that were missed",
        cron="0 6 2 * *",
        parameters={"catch_up": CATCH_UP},
    ),
    Deployment("open-month", billing_open_month, "The running month, asked again every night", cron="30 3 * * *"),
    Deployment("range", billing_range, "Every month from `first` to `last`; start it by hand"),
)


def api_address() -> str | None:
    """The Prefect API that is set up, in the environment or in Prefect's own profile."""
    address: str | None = PREFECT_API_URL.value()
    return address


def serve_here(address: str) -> None:
    """Run what is due, one run at a time (they share a data directory), until the process is told to end."""
    with temporary_settings({PREFECT_API_URL: address}):
        prefect_serve(*(one.made() for one in DEPLOYMENTS), limit=1, print_starting_message=False)


def prefect_yaml() -> str:
    """`prefect.yaml`: the same deployments for a work pool (`prefect deploy --all`)."""
    lines = [
        "# Written from flows/ecgrid_flows/deployments.py; a test keeps it so. Secrets: environment or Secret blocks.",
        "name: ecgrid-billing",
        "",
        "deployments:",
    ]
    for one in DEPLOYMENTS:
        lines += [
            f"  - name: {one.name}",
            f"    description: {one.description}",
            f"    entrypoint: {one.entrypoint}",
            "    tags: [ecgrid-billing]",
            "    concurrency_limit: 1",
            "    work_pool: {name: ecgrid-billing}",
        ]
        if one.parameters:
            inner = ", ".join(f"{name}: {value}" for name, value in one.parameters.items())
            lines.append(f"    parameters: {{{inner}}}")
        if one.cron:
            lines.append(f"    schedules: [{{cron: '{one.cron}', timezone: UTC}}]")
    return "\n".join(lines) + "\n"
