"""The flows of Prefect: one month, and several in a row. What they do is in `pipeline`.

Their parameters are text, as Prefect shows and keeps them; here a month becomes a date. Prefect's engine handles
SIGTERM by an exception in the main thread, which then waits for threads whose calls wait for a service that hangs: so
each flow handles it as a command does.
"""

from prefect import flow

from ecgrid_flows.orchestration import session, signals
from ecgrid_flows.orchestration.pipeline import bill_months
from ecgrid_flows.orchestration.run_context import MonthDone
from ecgrid_transforms.period import months_between, parse_month, require_begun


@flow(name="monthly-billing", flow_run_name="billing {month}", persist_result=False, log_prints=False)
def monthly_billing(month: str, data_dir: str | None = None, refresh: bool = False) -> MonthDone:
    """Bill and reconcile one month (`YYYY-MM`): plan → pull → land → build → check → export → accrue → report.

    Settings come from the environment, never from parameters. An open run over `data_dir` is shared
    (`session.opened`); without `data_dir` the current run is, if there is one. Raises as `bill_months` does.
    """
    with session.opened(data_dir, refresh=refresh) as run, signals.stopping_on_signals(run, run.reporter):
        (done,) = bill_months(run, [require_begun(parse_month(month))])
    return done


@flow(name="backfill", flow_run_name="backfill {first} to {last}", persist_result=False, log_prints=False)
def backfill(first: str, last: str, data_dir: str | None = None, refresh: bool = False) -> list[MonthDone]:
    """Bill and reconcile every month from `first` to `last`, both included; raises as `monthly_billing` does."""
    with session.opened(data_dir, refresh=refresh) as run, signals.stopping_on_signals(run, run.reporter):
        return bill_months(run, list(months_between(parse_month(first), require_begun(parse_month(last)))))
