"""What runs in a worker process of the cluster: its own settings, store, client and journal, for as long as the run.

The run tells its workers which data directory and which service (`Job`), never a credential: those a worker takes from
its own environment. A process has one puller, so at most one session, however many batches it is given; answers go to
segments of its own, and which keys they answer goes back with the batch.
"""

import asyncio
import logging
import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

from distributed import Semaphore, Worker, WorkerPlugin

from ecgrid_flows.errors import SettingsError
from ecgrid_flows.extract.batches import Kept, Tally
from ecgrid_flows.extract.cluster_admission import ClusterGovernor, LeasedSlots
from ecgrid_flows.extract.plan import Asked
from ecgrid_flows.extract.pull import Puller
from ecgrid_flows.lake.partitions import Lake
from ecgrid_flows.orchestration import run_context, worker_steps
from ecgrid_flows.progress import Reporter
from ecgrid_flows.settings import Settings
from ecgrid_flows.storage.opening import open_store
from ecgrid_transforms.model import Account

log = logging.getLogger(__name__)

#: What a step that takes a worker's whole memory needs; every worker has one.
HEAVY = "ecgrid-heavy"


@dataclass(frozen=True, slots=True)
class Job:
    """What a run tells its workers. `service` are the settings that must be the same everywhere, by variable.

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


class WorkerPuller(Puller):
    """A puller that leaves raw as it is, and tells with each batch which keys are answered.

    Mending and indexing raw is for the process that leads the run: another worker's segment may be growing. It leaves
    answered keys out of the batches, and says what the last answers were of those that are requested again: a repeat is
    kept here as it is there. What this process answered it does not ask again when a batch is repeated.
    """

    def __init__(self, settings: Settings, store: Any, slots: LeasedSlots) -> None:
        super().__init__(settings, store)
        self.governor = ClusterGovernor(settings.concurrency, slots)

    def kept(self, month: date) -> Kept:
        with self._lock:
            return self._kept.setdefault(month, Kept())

    def pull_batch(self, month: date, asked: Sequence[Asked]) -> Tally:
        with self._lock:
            for one in asked:
                for number, last in one.known:
                    self._latest_lines[month][one.account.network_id, one.account.mailbox_id, 1 << number] = last
        tally = super().pull_batch(month, asked)
        kept, accounts = self.kept(month), [one.account for one in asked]
        tally.kept = Kept(_only(kept.answered, accounts), _only(kept.lines, accounts))
        return tally


class WorkerRun(run_context.Run):
    """A run as its worker sees it: no lock and no plan, which are the leading process's."""

    def __init__(self, job: Job, semaphore: Any) -> None:
        settings = Settings.load(job.data_dir)
        _require_same(job, settings)
        self.settings = replace(settings, concurrency=job.concurrency)
        self.reporter = Reporter(mute=True)
        self.store = open_store(self.settings)
        if not self.store.exists(job.beacon):
            raise SettingsError(
                f"this worker sees another {job.data_dir} than the run does: use s3://bucket/prefix, "
                f"or a folder that every machine of the cluster mounts at that place"
            )
        self.lake = Lake(self.store)
        self.slots = LeasedSlots(semaphore)
        self.puller = WorkerPuller(self.settings, self.store, self.slots)

    def close(self) -> None:
        """Log out and close the segments."""
        try:
            self.puller.close()
        finally:
            self.slots.close()


class RunOnWorker(WorkerPlugin):
    """Opens the run in each worker process, also in one that joins or comes back later, and closes it at the end."""

    name = "ecgrid-billing"

    def __init__(self, job: Job) -> None:
        self._job = job

    async def setup(self, worker: Worker) -> None:
        semaphore = Semaphore(
            self._job.concurrency, f"calls-{self._job.run}", scheduler_rpc=worker.scheduler, loop=worker.loop
        )
        # In a thread: opening talks to the storage, and the semaphore's own calls want this loop free.
        self._run = await asyncio.to_thread(WorkerRun, self._job, semaphore)
        run_context.enter_worker(self._run)
        await worker.set_resources(**{HEAVY: 1})

    async def teardown(self, worker: Worker) -> None:
        if hasattr(self, "_run"):
            run_context.leave_worker(self._run)
            await asyncio.to_thread(self._run.close)


def call_step(name: str, arguments: tuple[Any, ...]) -> Any:
    """One of `steps`, on this worker."""
    return getattr(worker_steps, name)(*arguments)


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


def _only(bits: dict[Account, int], accounts: list[Account]) -> dict[Account, int]:
    return {account: bits[account] for account in accounts if account in bits}
