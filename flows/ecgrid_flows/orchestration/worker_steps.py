"""The steps that a worker process may be given, as plain functions of what a step works with (`run_context.Context`).

They stand apart from `tasks`, which makes Prefect tasks of them: a worker that Prefect does not record starts in half
the time and memory without it.
"""

from datetime import date

from ecgrid_flows.extract.batches import Tally
from ecgrid_flows.extract.plan import Asked
from ecgrid_flows.orchestration.run_context import Context
from ecgrid_flows.storage.parts import fetched
from ecgrid_flows.warehouse import partitioned_build

__all__ = ["build_partition", "pull_accounts", "survey_lines"]


def pull_accounts(context: Context, month: date, asked: list[Asked]) -> Tally:
    """One batch: every unanswered key of these accounts."""
    return context.puller.pull_batch(month, asked)


def survey_lines(context: Context, paths: list[str], grain: int) -> list[partitioned_build.Bound]:
    """Every `grain`-th account key of a month, in key order: candidate cut points for partitions."""
    return partitioned_build.survey(fetched(context.store, paths), grain)


def build_partition(context: Context, job: partitioned_build.Job) -> dict[str, partitioned_build.Part]:
    """One job of a partitioned build."""
    return partitioned_build.run_job(job, context.store, context.settings.warehouse_path.parent / "jobs")
