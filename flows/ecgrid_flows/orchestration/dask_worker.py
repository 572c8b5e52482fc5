"""Code of a worker process of the cluster: own settings, store, client and raw log, while the run lasts.

The run sends its workers the data directory and the service (`Job`), never a credential: those a worker takes from
its own environment. A process has one puller, so at most one session, however many batches it is given; answers go to
segments of its own, and which keys they answer goes back with the batch.
"""

import asyncio
import logging
import threading
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

from distributed import Semaphore, Worker, WorkerPlugin

from ecgrid_flows.errors import SettingsError
from ecgrid_flows.extract.cluster_admission import ClusterLimiter, LeasedSlots
from ecgrid_flows.extract.pull import Puller
from ecgrid_flows.orchestration import run_context, worker_steps
from ecgrid_flows.orchestration.run_context import Context
from ecgrid_flows.settings import Settings
from ecgrid_flows.storage.opening import open_store

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Job:
    """What a run sends its workers. `service` are the settings that must be the same everywhere, by variable.

    `beacon` is an object in the data directory that a worker must see, else it looks at another one.
    """

    run: str
    data_dir: str
    concurrency: int
    service: tuple[tuple[str, str], ...]
    beacon: str


def service_of(settings: Settings) -> tuple[tuple[str, str], ...]:
    """The settings, by variable, on which a run and its workers must agree; of credentials, whether there are any."""
    return (
        ("ECGRID_V2_URL", settings.v2_url),
        ("ECGRID_V3_URL", settings.v3_url),
        ("ECGRID_V4_URL", settings.v4_url),
        ("ECGRID_WSDL_V2", settings.wsdl_v2),
        ("ECGRID_WSDL_V3", settings.wsdl_v3),
        ("ECGRID_WSDL_V4", settings.wsdl_v4),
        ("ECGRID_API_KEY", "set" if settings.api_key else "not set"),
        ("ECGRID_PASSWORD", "set" if settings.password else "not set"),
    )


class WorkerContext(Context):
    """What the steps of a worker process work with. The coordinator owns the lock, the plan and the index of raw.

    Keys that this process answered are not requested again when a batch is repeated.
    """

    def __init__(self, job: Job, semaphore: Any) -> None:
        settings = Settings.load(job.data_dir)
        _require_same(job, settings)
        settings = replace(settings, concurrency=job.concurrency)
        store = open_store(settings)
        if not store.exists(job.beacon):
            raise SettingsError(
                f"this worker sees another {job.data_dir} than the run does: use s3://bucket/prefix, "
                f"or a folder that every machine of the cluster mounts at that place"
            )
        self.slots = LeasedSlots(semaphore)
        limiter = ClusterLimiter(settings.concurrency, self.slots)
        super().__init__(settings, store, Puller(settings, store, limiter=limiter, reads_raw=False))

    def close(self) -> None:
        """Log out and close the segments."""
        try:
            self.puller.close()
        finally:
            self.slots.close()


class RunOnWorker(WorkerPlugin):
    """Gives each worker process its context, also one that joins or comes back later, and closes it at the end."""

    name = "ecgrid-billing"

    def __init__(self, job: Job) -> None:
        self._job = job

    async def setup(self, worker: Worker) -> None:
        semaphore = Semaphore(
            self._job.concurrency, f"calls-{self._job.run}", scheduler_rpc=worker.scheduler, loop=worker.loop
        )
        # In a thread: opening talks to the storage, and the semaphore's own calls want this loop free.
        self._context = await asyncio.to_thread(WorkerContext, self._job, semaphore)
        run_context.enter_worker(self._context)

    async def teardown(self, worker: Worker) -> None:
        if hasattr(self, "_context"):
            run_context.leave_worker(self._context)
            await asyncio.to_thread(self._context.close)


def call_step(name: str, arguments: tuple[Any, ...]) -> Any:
    """One of `worker_steps`, on this worker."""
    return getattr(worker_steps, name)(run_context.current(), *arguments)


def stop_here(why: str) -> None:
    """No new calls in this process."""
    puller = run_context.current().puller
    threading.Thread(target=puller.stop, args=(why,), name="stop", daemon=True).start()


async def end_repeats_here(month: date) -> None:
    """Close this process's segments of repeats of the month; in a thread, for it waits for the storage."""
    await asyncio.to_thread(run_context.current().puller.end_repeats, month)


def _require_same(job: Job, settings: Settings) -> None:
    for (name, wanted), (_, found) in zip(job.service, service_of(settings), strict=True):
        if wanted != found:
            raise SettingsError(
                f"{name} is {found} for this worker and {wanted} for the run: "
                f"start every worker with the environment of the run"
            )
