"""Several months in one go: each is planned, pulled and landed in order (a month's plan learns from those before it),
then the warehouse is built once and each month is checked, exported and reported."""

from prefect import flow

from ecgrid_flows import runs, tasks
from ecgrid_flows.monthly import MonthIncomplete, settle
from ecgrid_flows.runs import MonthDone
from ecgrid_transforms.period import month_text, months_between, parse_month


@flow(name="backfill", flow_run_name="backfill {first} to {last}", persist_result=False, log_prints=False)
def backfill(first: str, last: str, data_dir: str | None = None, refresh: bool = False) -> list[MonthDone]:
    """Bill and reconcile every month from `first` to `last`, both included; raises as `monthly_billing` does."""
    months = [month_text(month) for month in months_between(parse_month(first), parse_month(last))]
    with runs.opened(data_dir, refresh=refresh):
        pulled = {}
        for month in months:
            size = tasks.plan(month)
            pulled[month] = tasks.pull(month, size)
            tasks.land(month)
        tasks.build()
        done = [settle(month, pulled[month]) for month in months]
    if any(month.missing_calls for month in done):
        raise MonthIncomplete(done)
    return done
