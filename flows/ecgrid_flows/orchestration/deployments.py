"""The flows of the schedule, and their deployments from one definition.

    monthly     every month that is due (`due`), or the last full month when none is
    open-month  every night: months that are still owed or not fully checked, then ended months whose invoice came
                since, then the running month, which is pulled again, rebuilt, checked and reported, never exported
    range       a backfill from one month to another, started by hand

`ecgrid-billing serve` runs them in its process (`serving`); `prefect.yaml` gives the same to a work pool. It is written
by `python -m ecgrid_flows.deployments`, and a test holds it to that. Parameters carry months and a folder, never a
setting. Secrets come from the environment, or from Prefect Secret blocks named in `BLOCKS`.

States follow the exit statuses of CONTRACT: 0 Completed; 1 Completed, named Findings; 4 Failed, named Incomplete;
2, 3 and 5 Failed, named Settings, Unreachable and Held.
"""

import atexit
import logging
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from prefect import flow
from prefect.artifacts import create_progress_artifact, update_progress_artifact
from prefect.client.schemas.objects import State
from prefect.deployments.runner import RunnerDeployment
from prefect.exceptions import FailedRun
from prefect.runtime import flow_run
from prefect.states import Completed, Failed
from prefect.types.entrypoint import EntrypointType

from ecgrid_flows import due, logs
from ecgrid_flows.errors import BillingError, ExitStatus, Incomplete, SettingsError
from ecgrid_flows.orchestration import schedule, session, signals, status, tasks
from ecgrid_flows.orchestration.artifacts import leave_artifacts
from ecgrid_flows.orchestration.flows import monthly_billing
from ecgrid_flows.orchestration.pipeline import MonthIncomplete
from ecgrid_flows.orchestration.prefect_process import end_with_serve, hang_up_as_terminate
from ecgrid_flows.orchestration.run_context import MonthDone, Run
from ecgrid_flows.settings import Settings, log_options
from ecgrid_transforms.period import (
    NotAMonth,
    last_full_month,
    month_text,
    months_between,
    next_month,
    parse_month,
    require_begun,
)

__all__ = [
    "Deployment",
    "billing_month",
    "billing_open_month",
    "billing_range",
    "deployments",
    "prefect_yaml",
    "with_blocks",
]

#: Prefect Secret blocks that stand in for variables which the environment does not set.
BLOCKS = {
    "ECGRID_LOGIN_NAME": "ecgrid-login-name",
    "ECGRID_PASSWORD": "ecgrid-password",
    "ECGRID_API_KEY": "ecgrid-api-key",
}
NO_CREDENTIALS = (
    "no credentials: set ECGRID_API_KEY (or ECGRID_LOGIN_NAME and ECGRID_PASSWORD) where this runs, "
    f"or create the Prefect Secret block {BLOCKS['ECGRID_API_KEY']}"
)
STATE_NAMES = {
    ExitStatus.USAGE: "Settings",
    ExitStatus.UNREACHABLE: "Unreachable",
    ExitStatus.INCOMPLETE: "Incomplete",
    ExitStatus.HELD: "Held",
}
_MODULE = "ecgrid_flows.deployments"  # prefect.yaml names this path, so it stays where this module moves


def _month_name() -> str:
    month = flow_run.parameters.get("month")
    return f"bill {month}" if month else f"bill what is due on {_scheduled_at():%Y-%m-%d}"


def _open_name() -> str:
    return f"look at {month_text(open_month())}"


@flow(name="billing-month", flow_run_name=_month_name, persist_result=False)
def billing_month(month: str | None = None, data_dir: str | None = None) -> State[Any]:
    """Bill and reconcile `month`; without one every month that is due, or the last full month (UTC) when none is."""

    def work(settings: Settings) -> Iterator[MonthDone]:
        if month:
            return _billed(settings, lambda _: [require_begun(parse_month(month))])
        return _billed(settings, lambda run: _owed(run) or [last_full_month(_scheduled_at())])

    return _settled(work, data_dir)


@flow(name="billing-open-month", flow_run_name=_open_name, persist_result=False)
def billing_open_month(data_dir: str | None = None) -> State[Any]:
    """Bill what is still owed or not fully checked, and months whose invoice came; then pull the running month again.

    The running month is rebuilt and reported, not exported: it is provisional.
    """

    def work(settings: Settings) -> Iterator[MonthDone]:
        failures = []
        for months in (_billed(settings, _unfinished), _billed(settings, _newly_invoiced), _looked_at(settings)):
            try:
                yield from months
            except BillingError as error:  # the other steps are independent of this one
                failures.append(error)
        if failures:
            raise failures[0] if len(failures) == 1 else type(failures[0])("; ".join(dict.fromkeys(map(str, failures))))

    return _settled(work, data_dir)


@flow(name="billing-range", flow_run_name="backfill {first} to {last}", persist_result=False)
def billing_range(first: str, last: str, data_dir: str | None = None) -> State[Any]:
    """Bill and reconcile every month from `first` to `last`, in order; existing responses are not requested again."""

    def months(_: Run) -> list[date]:
        found = list(months_between(parse_month(first), require_begun(parse_month(last))))
        if not found:
            raise SettingsError(f"first, {first}, is after last, {last}: swap them")
        return found

    return _settled(lambda settings: _billed(settings, months), data_dir)


def open_month(now: datetime | None = None) -> date:
    """The running month, UTC."""
    return next_month(last_full_month(now))


def _scheduled_at() -> datetime:
    """When this flow run was to start; it may have waited for a process since."""
    scheduled: datetime = flow_run.scheduled_start_time
    return scheduled


def _owed(run: Run) -> list[date]:
    """The months due in the data directory.

    In a work pool the first scheduled run finds no record of a schedule: it makes one that began just before it, so
    that its own month stays owed if the run fails.
    """
    schedule.begin(run.store, _scheduled_at() - timedelta(minutes=1))
    return [one.month for one in schedule.owed(run.settings, run.store, datetime.now(UTC))]


def _unfinished(run: Run) -> list[date]:
    """The months due in the data directory, and exported ones of which calls that check them have no response yet."""
    return sorted({*_owed(run), *status.unfinished(run.store, datetime.now(UTC))})


def _newly_invoiced(run: Run) -> list[date]:
    """The ended months that awaited an invoice which is there now, or is in the warehouse and not in the export."""
    came = [month for month in run.awaiting_invoices() if run.follow_invoices(month)]
    return sorted({*came, *status.invoiced_since_export(run.settings, run.store, datetime.now(UTC))})


def _billed(settings: Settings, months_of: Callable[[Run], Sequence[date]]) -> Iterator[MonthDone]:
    """Each month as a flow run of its own, with the progress over all of them.

    A month that stays incomplete does not keep the later ones from being billed; its error is raised at the end. The
    flows inside share the run, by its data directory: no credential is ever handed on.
    """
    incomplete: list[MonthIncomplete] = []
    with (
        session.opened(settings=settings, is_invented=settings.is_sandbox) as run,
        signals.stopping_on_signals(run, run.reporter),
    ):
        run.check_source()
        if months := months_of(run):
            progress: Any = create_progress_artifact(progress=0, description=f"{len(months)} months to bill")
        for place, month in enumerate(months, start=1):
            try:
                yield monthly_billing(month_text(month), settings.data_dir)
            except MonthIncomplete as error:
                incomplete.append(error)
                yield from (done for done in error.done if done.report)
            update_progress_artifact(progress, progress=100 * place // len(months))
        if incomplete or run.not_followed:
            raise Incomplete(". ".join(map(str, (*incomplete, *run.not_followed.values()))))
        run.require_nothing_lost()


def _looked_at(settings: Settings) -> Iterator[MonthDone]:
    """The running month, pulled again: responses of a month that still runs are not final."""
    with (
        session.opened(settings=settings, refresh=True, is_invented=settings.is_sandbox) as run,
        signals.stopping_on_signals(run, run.reporter),
    ):
        run.check_source()
        month = open_month()
        size = tasks.plan(run, month)
        pulled = tasks.pull(run, month, size)
        tasks.land(run, month)
        tasks.build(run)
        done = run.done(month, pulled)
        done.checked = tasks.check(run, month)
        if done.missing_calls:
            raise MonthIncomplete([done])
        if done.lines:
            done.report = tasks.report(run, month)
        yield done
        if done.unchecked:
            raise MonthIncomplete([done])
        run.require_nothing_lost()


def _settled(work: Callable[[Settings], Iterator[MonthDone]], data_dir: str | None) -> State[Any]:
    """Do the work by the settings of this process and the blocks; leave artifacts, return the end state."""
    _keep_log_short()
    end_with_serve(os.environ)
    hang_up_as_terminate()
    done: list[MonthDone] = []
    failure: BillingError | None = None
    try:
        logs.set_up(*log_options())
        settings = session.settings_of_run(data_dir, with_blocks)
        if not settings.has_credentials:
            with session.opened(settings=settings):  # how a run ends is sent to people from there
                raise SettingsError(NO_CREDENTIALS)
        for month in work(settings):
            done.append(month)
    except NotAMonth as error:
        failure = SettingsError(str(error))
    except BillingError as error:
        failure = error
    try:
        for month in done:
            leave_artifacts(settings, month)
    except BillingError as error:  # the warehouse cannot be read any more
        failure = failure or error
    if failure is not None:
        return Failed(name=STATE_NAMES.get(failure.status, "Failed"), message=str(failure))
    errors = sum(month.checked.open_errors for month in done)
    found = ", ".join(f"{month_text(month.month)}: {month.checked.count} findings" for month in done)
    return Completed(name="Findings" if errors else "Completed", message=f"{found}; {errors} open errors")


def _keep_log_short() -> None:
    """No line per task, no traceback of an error that is a sentence, and no lines of DuckDB's binding at the end.

    A month has a task for each batch of accounts, and the flow reports what fails in a task. Without its websocket
    Prefect polls, which needs no traceback. When a flow run's process ends, Prefect's threads still hold modules, and
    the binding prints 40 lines about references that leak then; that is the very last thing a process does.
    """
    logging.getLogger("prefect.task_runs").setLevel(logging.CRITICAL + 1)
    logging.getLogger("prefect.FlowRunSuspendingObserver").setLevel(logging.ERROR)
    logging.getLogger("prefect.flow_runs").addFilter(_as_sentence)
    if "PREFECT__FLOW_RUN_ID" in os.environ:
        atexit.register(lambda: os.dup2(os.open(os.devnull, os.O_WRONLY), 2))


def _as_sentence(record: logging.LogRecord) -> bool:
    """Takes the traceback from an error that is a sentence; drops the record of a run that failed and said so."""
    error = record.exc_info[1] if record.exc_info else None
    if isinstance(error, BillingError):
        record.exc_info = record.exc_text = None
    return not isinstance(error, FailedRun)


def with_blocks(data_dir: str | None) -> Settings:
    """The settings of this process, with the credentials of Prefect's Secret blocks where the environment has none."""
    settings = Settings.load(data_dir)
    if settings.has_credentials:
        return settings
    held = {variable: text for variable, block in BLOCKS.items() if (text := _block(block))}
    # loaded again, not replaced: the default data directory depends on whether there are credentials
    return Settings.load(data_dir, {**os.environ, **held})


def _block(name: str) -> str | None:
    """The content of a Secret block; None where there is none."""
    from prefect.blocks.system import Secret as SecretBlock

    try:
        block: Any = SecretBlock.load(name)
    except ValueError:  # Prefect's word for a block that is not there
        return None
    return str(block.get())


@dataclass(frozen=True, slots=True)
class Deployment:
    """One deployment as both `serve` and `prefect.yaml` give it. `cron` is in UTC."""

    name: str
    flow: Any
    description: str
    cron: str | None = None

    @property
    def entrypoint(self) -> str:
        return f"{_MODULE}.{self.flow.fn.__name__}"

    def made(self, name: str) -> RunnerDeployment:
        """As `serve` takes it, under a name of its own."""
        made: RunnerDeployment = self.flow.to_deployment(
            name,
            cron=self.cron,
            description=self.description,
            tags=["ecgrid-billing"],
            entrypoint_type=EntrypointType.MODULE_PATH,
        )
        return made


def deployments(monthly: str = due.MONTHLY, nightly: str = due.NIGHTLY) -> tuple[Deployment, ...]:
    """The three deployments, by the crons of ECGRID_CRON_MONTHLY and ECGRID_CRON_NIGHTLY."""
    return (
        Deployment(
            "monthly", billing_month, "Every month that is due, or the last full month when none is", cron=monthly
        ),
        Deployment(
            "open-month",
            billing_open_month,
            "Months still owed or newly invoiced, then the running month pulled again",
            cron=nightly,
        ),
        Deployment("range", billing_range, "Every month from `first` to `last`; started manually"),
    )


def prefect_yaml(monthly: str = due.MONTHLY, nightly: str = due.NIGHTLY) -> str:
    """`prefect.yaml`: the same deployments for a work pool (`prefect deploy --all`).

    They have no concurrency limit: a run that a killed worker left PENDING would hold its slot. Runs of one data
    directory exclude each other by its lock; `prefect worker start --limit 1` keeps them from meeting.
    """
    lines = [
        "# Written by `python -m ecgrid_flows.deployments`; a test keeps it so. Secrets: environment or Secret blocks.",
        "name: ecgrid-billing",
        "",
        "deployments:",
    ]
    for one in deployments(monthly, nightly):
        lines += [
            f"  - name: {one.name}",
            f"    description: {one.description}",
            f"    entrypoint: {one.entrypoint}",
            "    tags: [ecgrid-billing]",
            "    work_pool: {name: ecgrid-billing}",
        ]
        if one.cron:
            lines.append(f"    schedules: [{{cron: '{one.cron}', timezone: UTC}}]")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Print `prefect.yaml` for the settings' crons."""
    from_settings = Settings.load()
    print(prefect_yaml(from_settings.cron_monthly, from_settings.cron_nightly), end="")
