"""The steps of a month: plan → pull → land → build → check → export → report. The flows of Prefect are made of it.

Nothing here loads Prefect, which takes seconds and is only needed where a run is reported to it. A month that is not
whole (keys without an answer) is landed, built and checked, so that it can be looked at, but not exported or reported:
finance gets whole months only.
"""

from collections.abc import Sequence
from datetime import date

from ecgrid_flows.errors import Incomplete
from ecgrid_flows.extract.batches import Tally
from ecgrid_flows.orchestration import tasks
from ecgrid_flows.orchestration.run_context import MonthDone, Run


class MonthIncomplete(Incomplete):
    """Some keys have no usable response; `done` has the results of each month."""

    def __init__(self, done: Sequence[MonthDone]) -> None:
        partial = [month for month in done if month.missing_calls]
        named = "; ".join(words for month in partial for words in month.missing[:5])
        super().__init__(
            f"{sum(month.missing_calls for month in partial)} calls have no usable response, so "
            f"{', '.join(f'{month.month:%Y-%m}' for month in partial)} is neither exported nor reported: "
            f"run again. {named}"
        )
        self.done = list(done)


def bill_months(run: Run, months: Sequence[date]) -> list[MonthDone]:
    """Bill and reconcile these months, in order, in an open run.

    Each is planned, pulled and landed (a month's plan learns from those before it), then the warehouse is built once
    and each month is checked, exported and reported. Raises `Incomplete` where keys never got an answer, and the other
    errors of `errors` as they are.
    """
    pulled = {}
    for month in months:
        size = tasks.plan(run, month)
        pulled[month] = tasks.pull(run, month, size)
        tasks.land(run, month)
    tasks.build(run)
    done = [settle(run, month, pulled[month]) for month in months]
    if any(month.missing_calls for month in done):
        raise MonthIncomplete(done)
    return done


def settle(run: Run, month: date, pulled: Tally | None) -> MonthDone:
    """The steps after the build, for one month: check → export → report. A provisional month is not exported."""
    done = run.done(month, pulled)
    done.checked = tasks.check(run, month)
    if not done.missing_calls:
        if not done.checked.is_provisional:
            done.exports = tasks.export(run, month)
        done.report = tasks.report(run, month)
    return done
