"""More than one process: `ECGRID_TASK_RUNNER=dask` (workers on this machine) or `dask://host:port` (a running cluster).

Prefect's DaskTaskRunner is the engine, in both of its uses: inside a flow run that Prefect records its `submit` takes
the batches as Prefect tasks; without a Prefect server its Dask client takes the same functions. A worker that dies has
its batches repeated on another. What a worker receives and keeps is in `dask_worker`; how the bound on calls in
flight holds over all of them, in `extract.cluster_admission`.

The credentials of this run reach the workers that it starts through their environment. A running cluster's workers
must have been started with the same variables.
"""

import logging
import os
import secrets
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import date
from pathlib import Path
from typing import Any

import dask.config
import distributed
from prefect_dask.task_runners import DaskTaskRunner

from ecgrid_flows.errors import BillingError, Incomplete, SettingsError
from ecgrid_flows.orchestration.dask_worker import (
    Job,
    RunOnWorker,
    call_step,
    end_repeats_here,
    service_of,
    stop_here,
)
from ecgrid_flows.settings import Settings
from ecgrid_flows.storage.base import Store

log = logging.getLogger(__name__)

#: A worker that died keeps its leases on calls in flight for this long.
LEASE_S = 10
LONGEST_START_S = 60
#: How long a running cluster is waited for: the lock of a run that was killed is given up by the scheduler meanwhile.
LONGEST_WAIT_S = 60
#: Threads per worker process: batches under way, so that no lease waits for the tail of another batch.
MOST_BATCHES = 32

_CONFIG = {
    "distributed.scheduler.locks.lease-timeout": f"{LEASE_S}s",
    "distributed.scheduler.locks.lease-validation-interval": "2s",
    "distributed.comm.timeouts.connect": f"{LONGEST_START_S}s",
    # Batches are small and short; one that waits is better where there is room.
    "distributed.scheduler.worker-saturation": 1.0,
    "distributed.worker.daemon": True,
}


class Cluster:
    """The workers of one run. Made by `opened`."""

    def __init__(self, runner: DaskTaskRunner, run: str) -> None:
        self._runner = runner
        self._run = run
        self._stopped: str | None = None
        self.client: distributed.Client = runner.client

    def size(self) -> int:
        """How many worker processes there are now."""
        return len(self.client.scheduler_info(n_workers=-1)["workers"])

    def each(
        self, step: Any, calls: Iterable[tuple[Any, ...]], tell: Callable[[Any], None], is_recorded: bool
    ) -> list[Any]:
        """`step` for each tuple of arguments on the workers; `tell` is called with each result as it comes.

        The first exception stops the rest, and is raised when all have ended.
        """
        futures = self._submitted(step, calls, is_recorded)
        order = {future.key: number for number, future in enumerate(futures)}
        results: list[Any] = [None] * len(futures)
        failure: BaseException | None = None
        for future in distributed.as_completed(futures, loop=self.client.loop):
            try:
                result = future.result()
                if is_recorded:
                    result = result.result()
                results[order[future.key]] = result
                tell(result)
            except Exception as error:
                if failure is None:
                    failure = error
                    self.stop("another batch failed")
            finally:
                future.release()
        if failure is not None:
            raise _told(failure, self._stopped) from failure
        return results

    def _submitted(self, step: Any, calls: Iterable[tuple[Any, ...]], is_recorded: bool) -> list[Any]:
        if is_recorded:
            return [self._runner.submit(step.task, step.parameters(arguments)).wrapped_future for arguments in calls]
        return [
            self.client.submit(call_step, step.name, arguments, pure=False, key=f"{step.name}-{secrets.token_hex(8)}")
            for arguments in calls
        ]

    def stop(self, why: str) -> None:
        """No new calls on any worker; those in flight may end. Batches that wait end as soon as they begin."""
        if self._stopped is None:
            self._stopped = why
            with suppress(Exception):  # a cluster that is gone makes no calls either
                self.client.run(stop_here, why, on_error="ignore")

    def end_repeats(self, month: date) -> None:
        """Close the workers' segments of repeats of the month. All in them is durable, for their batches are done."""
        self.client.run(end_repeats_here, month, on_error="ignore")

    def close(self) -> None:
        """Log every worker out."""
        with suppress(Exception):
            self.client.unregister_worker_plugin(RunOnWorker.name)
        with suppress(Exception):
            distributed.Semaphore(1, f"calls-{self._run}", self.client.scheduler, self.client.loop).close()


@contextmanager
def opened(settings: Settings, store: Store) -> Iterator[Cluster]:
    """The workers that the settings name, each with the run open in it; raises `SettingsError` where one cannot."""
    run = secrets.token_hex(6)
    beacon = f".cluster-{run}"
    store.write(beacon, b"")
    try:
        with dask.config.set(_CONFIG), _runner(settings) as runner:
            cluster = Cluster(runner, run)
            data_dir = settings.data_dir if settings.is_remote else str(Path(settings.data_dir).absolute())
            job = Job(run, data_dir, settings.concurrency, service_of(settings), beacon)
            try:
                cluster.client.wait_for_workers(1, timeout=LONGEST_START_S)
            except TimeoutError as error:
                raise Incomplete(f"no worker joined the cluster within {LONGEST_START_S} s: start some") from error
            with _alone(cluster.client, settings):
                try:
                    cluster.client.register_plugin(RunOnWorker(job))
                    yield cluster
                finally:
                    cluster.close()
    finally:
        with suppress(BillingError):
            store.delete(beacon)


@contextmanager
def _runner(settings: Settings) -> Iterator[DaskTaskRunner]:
    """Prefect's task runner, started: on the running cluster that the settings name, or on one of our own."""
    if settings.task_runner == "dask":
        workers = max(os.cpu_count() or 1, 2)
        runner = DaskTaskRunner(
            cluster_class=distributed.LocalCluster,
            cluster_kwargs={
                "n_workers": workers,
                "threads_per_worker": min(max(-(-settings.concurrency // workers), 2), MOST_BATCHES),
                "processes": True,
                "dashboard_address": "127.0.0.1:0",
                "env": _environment(settings),
                "silence_logs": logging.CRITICAL,
            },
        )
    else:
        runner = DaskTaskRunner(address=f"tcp://{settings.task_runner.removeprefix('dask://')}")
    # It logs every worker that joins or leaves; the level of Prefect's logging decides whether that is shown.
    logging.getLogger("distributed").setLevel(os.environ.get("PREFECT_LOGGING_LEVEL", "CRITICAL"))
    with runner:
        try:
            runner.client  # noqa: B018 - connects
        except OSError as error:
            raise SettingsError(
                f"ECGRID_TASK_RUNNER is {settings.task_runner}, and no Dask scheduler responds there "
                f"({type(error).__name__}): start it, or set dask or threads"
            ) from error
        yield runner


@contextmanager
def _alone(client: distributed.Client, settings: Settings) -> Iterator[None]:
    """Keep other runs off a running cluster: a worker has one run open, and the bound on calls in flight is a run's."""
    if settings.task_runner == "dask":
        yield
        return
    lock = distributed.Lock("ecgrid-billing", client.scheduler, client.loop)
    if not lock.acquire(timeout=f"{LONGEST_WAIT_S}s"):
        raise Incomplete(f"another run uses the cluster {settings.task_runner}: run again after its end")
    try:
        yield
    finally:
        with suppress(Exception):  # a cluster that is gone holds nothing
            lock.release()


def _environment(settings: Settings) -> dict[str, str]:
    """This run's settings as variables, for the worker processes that it starts.

    Only they get them: in the environment of this process another run would take them for its own.
    """
    wanted = {name: value for name, value in service_of(settings) if value not in ("set", "not set")}
    wanted["ECGRID_DATA_DIR"] = settings.data_dir
    if settings.login_name is not None:
        wanted["ECGRID_LOGIN_NAME"] = settings.login_name
    for name, secret in (("ECGRID_PASSWORD", settings.password), ("ECGRID_API_KEY", settings.api_key)):
        if secret is not None:
            wanted[name] = secret.reveal()
    for name in ("call_timeout_s", "max_attempts", "plan"):
        wanted[f"ECGRID_{name.upper()}"] = str(getattr(settings, name))
    return wanted


def _told(error: BaseException, stopped: str | None) -> BaseException:
    """What the failure of a batch means for the run."""
    if isinstance(error, BillingError):
        return type(error)(str(error))
    if isinstance(error, distributed.scheduler.KilledWorker):
        return Incomplete("a batch ended several workers in a row: see their logs, then run again to continue")
    if isinstance(error, distributed.client.FutureCancelledError | OSError):
        return Incomplete(f"{stopped or 'the cluster was lost'}; every response so far is kept: run again to continue")
    return error
