"""The way of a month: plan → pull → land → build → check → export → report. The flows of Prefect are made of it.

Nothing here loads Prefect, which takes seconds and is only needed where a run is reported to it. A month that is not
whole (keys without an answer) is landed, built and checked, so that it can be looked at, but not exported or reported:
finance gets whole months only.
"""

from collections.abc import Sequence

from ecgrid_flows.errors import Incomplete
from ecgrid_flows.extract.batches import Tally
from ecgrid_flows.orchestration import run_context, session, tasks
from ecgrid_flows.orchestration.run_context import MonthDone, Run
from ecgrid_transforms.period import month_text, months_between, parse_month


class MonthIncomplete(Incomplete):
    """Some keys never got a usable answer; `done` has what there is of each month."""

    def __init__(self, done: Sequence[MonthDone]) -> None:
        partial = [month for month in done if month.missing_calls]
        named = "; ".join(words for month in partial for words in month.missing[:5])
        super().__init__(
            f"{sum(month.missing_calls for month in partial)} calls never got a usable answer, so "
            f"{', '.join(f'{month.month:%Y-%m}' for month in partial)} is neither exported nor reported: "
            f"run again. {named}"
        )
        self.done = list(done)


def bill_month(month: str, data_dir: str | None = None, refresh: bool = False) -> MonthDone:
    """Bill and reconcile one month (`YYYY-MM`). Settings come from the environment, never from parameters.

    An open run over `data_dir` is shared (`session.opened`); without `data_dir` the current run is, if there is one.
    Raises `Incomplete` where keys never got an answer, and the other errors of `errors` as they are.
    """
    with session.opened(data_dir, refresh=refresh):
        size = tasks.plan(month)
        pulled = tasks.pull(month, size)
        tasks.land(month)
        tasks.build()
        done = settle(month, pulled)
    if done.missing_calls:
        raise MonthIncomplete([done])
    return done


def bill_months(first: str, last: str, data_dir: str | None = None, refresh: bool = False) -> list[MonthDone]:
    """Bill and reconcile every month from `first` to `last`, both included; raises as `bill_month` does.

    Each is planned, pulled and landed in order (a month's plan learns from those before it), then the warehouse is
    built once and each month is checked, exported and reported.
    """
    months = [month_text(month) for month in months_between(parse_month(first), parse_month(last))]
    with session.opened(data_dir, refresh=refresh):
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


def settle(month: str, pulled: Tally | None) -> MonthDone:
    """What follows the build, for one month: check → export → report."""
    run = run_context.current()
    assert isinstance(run, Run)
    done = run.done(parse_month(month), pulled)
    done.findings, done.errors_found, done.at_stake = tasks.check(month)
    if not done.missing_calls:
        done.exports = tasks.export(month)
        done.report = tasks.report(month)
    return done
