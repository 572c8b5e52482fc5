"""The flows of Prefect: one month, and several in a row. What they do stands in `months`."""

from prefect import flow

from ecgrid_flows.orchestration.pipeline import bill_month, bill_months
from ecgrid_flows.orchestration.run_context import MonthDone


@flow(name="monthly-billing", flow_run_name="billing {month}", persist_result=False, log_prints=False)
def monthly_billing(month: str, data_dir: str | None = None, refresh: bool = False) -> MonthDone:
    """Bill and reconcile one month (`YYYY-MM`): plan → pull → land → build → check → export → report.

    Settings come from the environment, never from parameters. Raises `Incomplete` where keys never got an answer, and
    the other errors of `errors` as they are.
    """
    return bill_month(month, data_dir, refresh)


@flow(name="backfill", flow_run_name="backfill {first} to {last}", persist_result=False, log_prints=False)
def backfill(first: str, last: str, data_dir: str | None = None, refresh: bool = False) -> list[MonthDone]:
    """Bill and reconcile every month from `first` to `last`, both included; raises as `monthly_billing` does."""
    return bill_months(first, last, data_dir, refresh)
