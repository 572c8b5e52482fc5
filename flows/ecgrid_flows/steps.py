"""The steps that a worker process may be given, as plain functions of the current run.

They stand apart from `tasks`, which makes Prefect tasks of them: a worker that Prefect does not record starts in half
the time and memory without it.
"""

from ecgrid_flows import partitions, runs
from ecgrid_flows.lake import fetched
from ecgrid_flows.plan import Asked
from ecgrid_flows.pull import Tally
from ecgrid_transforms.period import parse_month

__all__ = ["build_partition", "pull_accounts", "survey_lines"]


def pull_accounts(month: str, asked: list[Asked]) -> Tally:
    """One batch: every key of these accounts that is not answered yet."""
    return runs.current().puller.pull_batch(parse_month(month), asked)


def survey_lines(paths: list[str], grain: int) -> list[partitions.Bound]:
    """The account at every so manieth line of a month."""
    return partitions.survey(fetched(runs.current().store, paths), grain)


def build_partition(job: partitions.Job) -> dict[str, partitions.Part]:
    """One job of a build by partitions."""
    run = runs.current()
    return partitions.run_job(job, run.store, run.settings.warehouse_path.parent / "jobs")
