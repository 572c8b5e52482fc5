"""The steps that a worker process may be given, as plain functions of the current run.

They stand apart from `tasks`, which makes Prefect tasks of them: a worker that Prefect does not record starts in half
the time and memory without it.
"""

from ecgrid_flows.extract.batches import Tally
from ecgrid_flows.extract.plan import Asked
from ecgrid_flows.orchestration import run_context
from ecgrid_flows.storage.parts import fetched
from ecgrid_flows.warehouse import partitioned_build
from ecgrid_transforms.period import parse_month

__all__ = ["build_partition", "pull_accounts", "survey_lines"]


def pull_accounts(month: str, asked: list[Asked]) -> Tally:
    """One batch: every key of these accounts that is not answered yet."""
    return run_context.current().puller.pull_batch(parse_month(month), asked)


def survey_lines(paths: list[str], grain: int) -> list[partitioned_build.Bound]:
    """The account at every so manieth line of a month."""
    return partitioned_build.survey(fetched(run_context.current().store, paths), grain)


def build_partition(job: partitioned_build.Job) -> dict[str, partitioned_build.Part]:
    """One job of a build by partitions."""
    run = run_context.current()
    return partitioned_build.run_job(job, run.store, run.settings.warehouse_path.parent / "jobs")
