"""The steps of a flow as Prefect tasks. A task is a batch of calls or a whole step, never one call.

Inside a flow run each step is reported to Prefect; called outside one (no Prefect server is set up) it is the plain
function. Prefect's own in-process server is not used: a new one takes 15 s or more to start and prints stack
traces at its end. Parameters are months, account numbers and pairs, never settings.

Prefect is imported only when needed: importing it takes as long as pulling a month of a hundred accounts. So are the
libraries of exports and reports.
"""

import inspect
import os
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from contextlib import closing
from datetime import UTC, date, datetime
from functools import cached_property, partial, wraps
from pathlib import Path
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar

from ecgrid_flows import logs
from ecgrid_flows.errors import BillingError, NoSuchData, Refused, Unreachable
from ecgrid_flows.extract.batches import Tally
from ecgrid_flows.extract.plan import Asked
from ecgrid_flows.finance import audit_log, finding_states
from ecgrid_flows.logs import staged
from ecgrid_flows.orchestration import prefect_api, run_context, signals, worker_steps
from ecgrid_flows.orchestration.run_context import Checked, Run
from ecgrid_flows.rating import month_totals
from ecgrid_flows.settings import reference_folders
from ecgrid_flows.threads import map_threads
from ecgrid_flows.warehouse import builder, database
from ecgrid_flows.warehouse.provenance import building
from ecgrid_transforms.period import month_text
from ecgrid_transforms.schemas import FEEDS

#: The only Prefect variable that the command line sets.
QUIET = "PREFECT_LOGGING_LEVEL"

P = ParamSpec("P")
R = TypeVar("R")


def prefect_is_set_up() -> bool:
    """Whether a Prefect API is set up: PREFECT_API_URL, or a Prefect profile that has one.

    Raises `Unreachable` if it does not respond, and `SettingsError` for an invalid address.
    """
    if not _prefect_has_settings() or (url := prefect_api.address()) is None:
        return False
    from prefect.client.orchestration import get_client

    logs.attach()
    with get_client(sync_client=True) as client:
        problem = client.api_healthcheck()
    if problem is not None:
        where = prefect_api.shown(url)
        raise Unreachable(f"Prefect at {where} does not respond ({problem}): start it, or unset PREFECT_API_URL")
    return True


def _prefect_has_settings() -> bool:
    """Whether any source of Prefect settings exists; Prefect reads and checks them."""
    if any(name.startswith("PREFECT_") and name != QUIET for name in os.environ):
        return True
    files = (Path("~/.prefect/profiles.toml").expanduser(), Path(".env"), Path("prefect.toml"))
    if any(path.exists() for path in files):
        return True
    project = Path("pyproject.toml")
    return project.exists() and "tool.prefect" in project.read_text(encoding="utf-8", errors="replace")


def _flow_run_context() -> Any:
    """Prefect's context of the current flow run, or None."""
    loaded = sys.modules.get("prefect.context")
    return None if loaded is None else loaded.FlowRunContext.get()


class Step(Generic[P, R]):
    """A function of a run that is a Prefect task inside a flow run, and itself anywhere else.

    The run is its first argument. Prefect records the parameters of a task, so the task has all others alone, and takes
    the run from where it works (`run_context.current`).
    """

    def __init__(self, name: str, function: Callable[Concatenate[Any, P], R]) -> None:
        self.function = function
        self.name = function.__name__
        self.__doc__ = function.__doc__
        self._task_name = name

    @cached_property
    def task(self) -> Any:
        """The Prefect task."""
        from prefect import task
        from prefect.cache_policies import NO_CACHE

        options: dict[str, Any] = {"cache_policy": NO_CACHE, "persist_result": False, "log_prints": False}
        return task(name=self._task_name, **options)(self._of_current_run())

    def _of_current_run(self) -> Callable[..., R]:
        """The function without its first argument, which is the run of the process that calls it."""
        function = self.function

        @wraps(function)
        def of_current_run(*args: Any, **kwargs: Any) -> R:
            return function(run_context.current(), *args, **kwargs)

        signature = inspect.signature(function)
        of_current_run.__signature__ = signature.replace(  # type: ignore[attr-defined] # `inspect` reads it
            parameters=list(signature.parameters.values())[1:]
        )
        return of_current_run

    def __call__(self, run: Run, *args: P.args, **kwargs: P.kwargs) -> R:
        run.puller.check_going_on()
        if _flow_run_context() is None:
            return self.function(run, *args, **kwargs)
        result: R = self.task(*args, **kwargs)
        return result

    def parameters(self, args: tuple[Any, ...]) -> dict[str, Any]:
        """The arguments after the run by name, as Prefect requires."""
        return dict(inspect.signature(self._of_current_run()).bind(*args).arguments)

    def each(
        self, run: Run, calls: Iterable[tuple[Any, ...]], at_once: int, tell: Callable[[R], None] = lambda _: None
    ) -> list[R]:
        """The step for each tuple of arguments, several at once; an exception is raised after all have ended.

        On a cluster they run on its workers, and `tell` is called here with each result as it comes.
        """
        if run.cluster is not None:
            run.puller.log_out()  # the workers need the sessions that the service allows a user
            return run.cluster.each(self, calls, tell, is_recorded=_flow_run_context() is not None)
        if _flow_run_context() is None:
            plain: Callable[..., R] = self.function
            return map_threads(lambda args: plain(run, *args), calls, at_once, "task")
        futures = [self.task.submit(*args) for args in calls]
        for future in futures:
            future.wait()
        return [future.result() for future in futures]


def step(name: str) -> Callable[[Callable[Concatenate[Any, P], R]], Step[P, R]]:
    return lambda function: Step(name, function)


@step("plan")
@staged("plan")
def plan(run: Run, month: date) -> int:
    """Plan the month: accounts, price lists and keys to request; returns the number of keys."""
    planned = run.plan(month)
    size = planned.size()
    run.reporter.say(
        f"{month_text(month)}: {len(planned.accounts)} accounts, {size} keys planned ({planned.kind}), "
        f"{planned.statistics_calls} calls for statistics of usage"
    )
    return size


pull_accounts = step("pull-accounts")(worker_steps.pull_accounts)


@staged("pull")
def pull(run: Run, month: date, size: int) -> Tally:
    """Request every key of the plan, then keys found missing from it; each response is durable."""
    puller, tally = run.puller, Tally()
    kept = sum(bits.bit_count() for bits in puller.kept(month).answered.values())
    puller.counters.total += size
    puller.counters.kept += min(kept, size)
    run.note(month)
    with (
        signals.stopping_on_signals(run, run.reporter),
        run.reporter.pulling(f"pull {month_text(month)}", puller.counters, puller.flight),
    ):
        try:
            for batches in (run.batches(month), _batches_of(run.surprises, month)):
                calls = [
                    (month, puller.open_keys(month, batch, is_for_worker=run.cluster is not None)) for batch in batches
                ]
                for done in pull_accounts.each(
                    run, calls, max(run.settings.concurrency, 1), partial(puller.learn, month)
                ):
                    tally.add(done)
        except BillingError as error:
            run.note(month)
            raise type(error)(f"{error}. {run.unanswered(month)}") from error
    run.note(month, tally)
    if tally.missing_calls or puller.failed(month):
        puller.all_requested(month)
    else:
        if run.cluster is not None:
            run.cluster.end_repeats(month)
        puller.finish(month)
    puller.log_out()  # a run killed in the long steps that follow leaves no session open
    return tally


def _batches_of(surprises: Callable[[date], list[Asked]], month: date) -> Iterable[list[Asked]]:
    """One batch per surprise; evaluated lazily, because surprises are known only after the pull."""
    for asked in surprises(month):
        yield [asked]


@step("land")
@staged("land")
def land(run: Run, month: date) -> None:
    """Land the raw log in the lake."""
    run.land(month)


@staged("build")
def build(run: Run) -> str:
    """Rebuild the warehouse from the whole lake; returns its path."""
    recorded = _flow_run_context()
    flow_run = recorded.flow_run if recorded else None
    with building(run.settings.warehouse_path, str(flow_run.id) if flow_run else run.id):
        path = build_warehouse(run)
        log = audit_log.read(run.store)
        finding_states.keep(run.settings.warehouse_path, log)
        _price_for_clients(run, log)
    _warn_of_unused_overrides(run)
    _warn_of_unused_terms(run)
    return path


def _price_for_clients(run: Run, log: audit_log.Log) -> None:
    """Fill out_rebill_lines where clients.csv has clients."""
    from ecgrid_flows.finance import rebill

    if rebill.has_clients(run.settings):
        rebill.keep(run.settings, log)


def _warn_of_unused_overrides(run: Run) -> None:
    """Warn of overrides that match no line: a typo, or a row for another month."""
    with closing(database.connect(run.settings.warehouse_path)) as connection:
        for override in database.records(connection, "core_unused_overrides"):
            where = "/".join(filter(None, (override["account_report"], override["measure_field"])))
            run.reporter.warn(
                f"pinned_readings.csv: the override of price list {override['price_list_id']}"
                f"{where and f' for {where}'} matches no billed line: correct or delete the row"
            )


def _warn_of_unused_terms(run: Run) -> None:
    """Warn of contract terms that match no line: a wrong owner or measure, or terms for another month."""
    with closing(database.connect(run.settings.warehouse_path)) as connection:
        for terms in database.records(
            connection,
            "core_unused_terms",
            order=["terms_contract_id", "price_list_id", "account_report", "measure_field"],
        ):
            owner = (
                f"contract {terms['terms_contract_id']}"
                if terms["terms_contract_id"]
                else f"price list {terms['price_list_id']}"
            )
            run.reporter.warn(
                f"contract_terms.csv: no line is billed by {owner} for {terms['account_report']} "
                f"{terms['measure_field']}: correct or delete the rows"
            )


@step("build")
def build_warehouse(run: Run) -> str:
    """Build the warehouse; returns its path."""
    run.reporter.say("building the warehouse")
    files = {feed: run.lake.files(feed) for feed in FEEDS}
    report = builder.build(
        files,
        run.settings.warehouse_path,
        reference_dir=reference_folders(run.settings),
        memory_limit=f"{run.settings.build_memory_mb}MiB",
    )
    return str(report.target)


@step("check")
@staged("check")
def check(run: Run, month: date) -> Checked:
    """What the checks found in the month, and what its invoices ask."""
    with closing(database.connect(run.settings.warehouse_path)) as connection:
        finding_states.with_states(connection, audit_log.read(run.store))
        columns = ("check_name", "severity", "state")
        found = database.records(connection, "out_finding_states", columns=columns, reporting_month=month)
        names = Counter(row["check_name"] for row in found)
        return Checked(
            findings=dict(sorted(names.items(), key=lambda item: (-item[1], item[0]))),
            open_errors=sum(row["severity"] == "error" and row["state"] == finding_states.OPEN for row in found),
            at_stake=month_totals.at_stake(connection, month),
            invoices=month_totals.invoice_totals(connection, month),
            is_provisional=month_totals.is_provisional(connection, month),
        )


@step("export")
def export(run: Run, month: date) -> list[Path]:
    """Write the month's CSVs and their manifest; returns their paths."""
    from ecgrid_flows.finance.export import export_month

    return list(export_month(run.settings, month))


@step("accrue")
def accrue(run: Run, month: date) -> list[Mapping[str, Any]]:
    """Refresh the month's accrual until its invoices are here, and true it up then; returns its notices."""
    from ecgrid_flows.finance.accruals import accrue_month, is_due

    try:
        if is_due(run.settings, month):
            return list(accrue_month(run.settings, run.store, month, datetime.now(UTC).date()).notices)
    except (NoSuchData, Refused):  # nothing to project from, or a closed month without a true-up
        pass
    return []


@step("report")
def report(run: Run, month: date) -> Path:
    """Write the month's HTML report; returns its path."""
    from ecgrid_flows.reporting.index import write_index
    from ecgrid_flows.reporting.report import report_month

    run.reporter.say(f"{month_text(month)}: writing the report")
    finding_states.keep(run.settings.warehouse_path, audit_log.read(run.store))
    path = report_month(run.settings, month)
    write_index(run.settings)
    return path
