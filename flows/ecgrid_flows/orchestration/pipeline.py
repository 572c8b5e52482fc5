"""The steps of a month: plan → pull → land → build → check → export → accrue → report. Prefect flows are made of it.

Nothing here loads Prefect, which takes seconds and is only needed where a run is reported to it. A month that is not
whole (keys or invoices without a response) is landed, built and checked, so that it can be looked at, but not exported
or reported: finance gets whole months only. A trial calculation or a report without a response holds nothing back: it
only checks the month. The run ends incomplete all the same.
"""

from collections.abc import Sequence
from datetime import date

from ecgrid_flows.errors import Incomplete
from ecgrid_flows.extract.batches import Tally
from ecgrid_flows.orchestration import tasks
from ecgrid_flows.orchestration.run_context import MonthDone, Run


class MonthIncomplete(Incomplete):
    """Some calls have no usable response; `done` has the results of each month."""

    def __init__(self, done: Sequence[MonthDone]) -> None:
        partial = [month for month in done if month.missing_calls]
        unchecked = [month for month in done if month.unchecked and not month.missing_calls]
        sentences = []
        if partial:
            named = "; ".join(words for month in partial for words in (*month.missing, *month.unchecked)[:5])
            count = _calls(sum(month.missing_calls + len(month.unchecked) for month in partial))
            why = f"{_months(partial)} is neither exported nor reported"
            sentences.append(f"{count} no usable response, so {why}: run again. {named}")
        if unchecked:
            named = "; ".join(words for month in unchecked for words in month.unchecked[:5])
            count = _calls(sum(len(month.unchecked) for month in unchecked))
            why = f"{_months(unchecked)} is not fully checked"
            sentences.append(f"{count} no usable response, so {why}: run again. {named}")
        super().__init__(". ".join(sentences))
        self.done = list(done)


def _calls(count: int) -> str:
    return "1 call has" if count == 1 else f"{count} calls have"


def _months(several: Sequence[MonthDone]) -> str:
    return ", ".join(f"{one.month:%Y-%m}" for one in several)


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
    if any(month.is_incomplete for month in done):
        raise MonthIncomplete(done)
    return done


def settle(run: Run, month: date, pulled: Tally | None) -> MonthDone:
    """The steps after the build, for one month: check → export → accrue → report.

    A provisional month is not exported; one whose invoices are here is not accrued.
    """
    done = run.done(month, pulled)
    done.checked = tasks.check(run, month)
    if not done.missing_calls:
        if not done.checked.is_provisional:
            done.exports = tasks.export(run, month)
        done.notices = tasks.accrue(run, month)
        done.report = tasks.report(run, month)
    return done
