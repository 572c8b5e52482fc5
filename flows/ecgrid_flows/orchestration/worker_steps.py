"""The steps that a worker process may be given, as plain functions of what a step works with (`run_context.Context`).

They stand apart from `tasks`, which makes Prefect tasks of them: a worker that Prefect does not record starts in half
the time and memory without it.
"""

from datetime import date

from ecgrid_flows.extract.batches import Tally
from ecgrid_flows.extract.plan import Asked
from ecgrid_flows.orchestration.run_context import Context

__all__ = ["pull_accounts"]


def pull_accounts(context: Context, month: date, asked: list[Asked]) -> Tally:
    """One batch: every unanswered key of these accounts."""
    return context.puller.pull_batch(month, asked)
