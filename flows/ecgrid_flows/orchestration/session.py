"""One run from its start to its end: the lock, the notices, the workers, the local copy of the lake, the puller."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress

from ecgrid_client import RetryPolicy
from ecgrid_flows.errors import BillingError, SettingsError
from ecgrid_flows.lake.local_mirror import fetch, noting_lake
from ecgrid_flows.orchestration import notices, run_context
from ecgrid_flows.orchestration.run_context import Run
from ecgrid_flows.progress import Reporter
from ecgrid_flows.settings import Settings


def settings_of_run(data_dir: str | None, load: Callable[[str | None], Settings] = Settings.load) -> Settings:
    """The settings that a run is to have, by `load`. A notice is sent when they are refused."""
    try:
        return load(data_dir)
    except SettingsError as error:
        with suppress(SettingsError):  # the addresses, or the data directory, are what is wrong
            notices.tell_not_opened(Settings.of_notices(data_dir), Reporter(), error)
        raise


@contextmanager
def opened(
    data_dir: str | None = None,
    *,
    settings: Settings | None = None,
    reporter: Reporter | None = None,
    refresh: bool = False,
    is_invented: bool = False,
    purpose: str = "run",
    retry: RetryPolicy | None = None,
) -> Iterator[Run]:
    """A run over the data directory of `settings`, else `data_dir`; it is the current run while the block runs.

    A run that the calling context has open over this directory is shared; without a directory, the current run is.
    Otherwise a new run is opened, which holds the directory's lock for the block. Without a directory it is that of
    this process's settings. Raises `DataDirectoryHeld` where another thread or process has a run over the directory,
    and `SettingsError` where the shared run has other settings, or does not refresh and `refresh` is given.
    """
    shared = run_context.open_over(settings.data_dir if settings else data_dir)
    if shared is not None:
        if settings not in (None, shared.settings) or (refresh and not shared.puller.refresh):
            raise SettingsError(
                f"a run over {shared.settings.data_dir} is open with other settings or without --refresh: "
                "end it first, or use another --data-dir"
            )
        with run_context.entered(shared):
            yield shared
        return
    settings, reporter = settings or Settings.load(data_dir), reporter or Reporter()
    try:
        run = Run(settings, reporter, refresh=refresh, is_invented=is_invented, retry=retry)
    except BillingError as error:
        if purpose == "run":
            notices.tell_not_opened(settings, reporter, error)
        raise
    with notices.watching(run) if purpose == "run" else nullcontext(), run.store.lock(purpose):
        fetch(run.settings, run.store)
        try:
            with run_context.entered(run), noting_lake(run.settings, run.store), _workers(run, purpose), run.puller:
                yield run
        finally:
            run.is_closed = True  # also for a thread that still has a copy of this context


@contextmanager
def _workers(run: Run, purpose: str) -> Iterator[None]:
    """The worker processes of the run while the block runs, where the settings ask for any."""
    if run.settings.task_runner == "threads" or purpose in ("accounts", "verify"):
        yield
        return
    try:
        from ecgrid_flows.orchestration import dask_cluster
    except ImportError as error:
        raise SettingsError(
            f"ECGRID_TASK_RUNNER={run.settings.task_runner} needs the extra `scale`: run "
            "pip install 'ecgrid-billing[scale]'"
        ) from error
    with dask_cluster.opened(run.settings, run.store) as run.cluster:
        yield
