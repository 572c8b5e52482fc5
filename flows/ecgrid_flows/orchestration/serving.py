"""Runs the schedule of one data directory in this process, and watches that it is one.

The deployments carry the name of the data directory (`schedule`), so those of a work pool or of another data directory
are never touched; on the way out nothing is paused or deleted. What came due while nothing ran is started at the
start. The process ends with `ScheduleFailed` when the Prefect server it started is gone, when Prefect no longer
answers, or when nothing is scheduled within two minutes although a cron is.
"""

import asyncio
import logging
import math
import signal
import time
from collections.abc import Callable, Coroutine, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar
from uuid import UUID

import httpx
from prefect.client.orchestration import PrefectClient, get_client
from prefect.client.schemas.filters import (
    DeploymentFilter,
    DeploymentFilterId,
    FlowRunFilter,
    FlowRunFilterParentFlowRunId,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.exceptions import ObjectNotFound, PrefectHTTPStatusError
from prefect.runner import Runner
from prefect.settings import PREFECT_API_URL, temporary_settings
from prefect.states import Crashed

from ecgrid_flows.due import next_fire
from ecgrid_flows.errors import Unreachable
from ecgrid_flows.orchestration import schedule
from ecgrid_flows.orchestration.deployments import Deployment, deployments, with_blocks
from ecgrid_flows.orchestration.prefect_api import shown
from ecgrid_flows.orchestration.prefect_process import END_WITHIN_S
from ecgrid_flows.orchestration.schedule import Schedule
from ecgrid_flows.settings import Settings
from ecgrid_flows.storage.base import Store

T = TypeVar("T")

log = logging.getLogger(__name__)

#: Time limit for the first response of a Prefect API, in seconds.
API_WAIT_S = 300.0
#: How long after the start, or after the last look that found any, a run must be scheduled.
SCHEDULED_WITHIN_S = 120.0
#: How often is looked: until the first runs are there, and then.
LOOK_S, LOOK_LATER_S = 3.0, 30.0
#: A run for a month that just came due is the scheduler's to start; after this long it is ours.
GRACE = timedelta(minutes=2)
#: Prefect schedules 100 days ahead; a cron that fires later than this has no run yet, and that is right.
AHEAD = timedelta(days=90)
_ENDING = [signal.SIGTERM, signal.SIGINT, *([signal.SIGHUP] if hasattr(signal, "SIGHUP") else [])]
_UNDER_WAY = (StateType.PENDING, StateType.RUNNING)
#: Errors of Prefect's client while its server does not respond.
_SILENT = (httpx.HTTPError, PrefectHTTPStatusError)


class ScheduleFailed(Unreachable):
    """The schedule stopped or did not start."""


def wait_for_api(address: str, say: Callable[[str], None]) -> None:
    """Wait at most `API_WAIT_S` until Prefect responds; reports it once. Raises `ScheduleFailed`."""
    until, has_said = time.monotonic() + API_WAIT_S, False
    with temporary_settings({PREFECT_API_URL: address}), get_client(sync_client=True) as client:
        while (problem := client.api_healthcheck()) is not None:
            if not has_said:
                say(f"Prefect at {shown(address)} does not respond yet; waiting up to {API_WAIT_S:.0f} s")
                has_said = True
            if time.monotonic() >= until:
                raise ScheduleFailed(
                    f"Prefect at {shown(address)} did not respond in {API_WAIT_S:.0f} s ({type(problem).__name__}): "
                    "start it, or unset PREFECT_API_URL to have a server started here"
                )
            time.sleep(1)


def settings_with_blocks(address: str, data_dir: str | None) -> Settings:
    """The settings, with the credentials of Prefect's Secret blocks. Raises `ScheduleFailed` when it refuses them."""
    try:
        with temporary_settings({PREFECT_API_URL: address}):
            return with_blocks(data_dir)
    except _SILENT as error:
        raise ScheduleFailed(f"Prefect at {shown(address)} failed: {_told(error)}") from error


def names(served: Schedule) -> dict[str, str]:
    """The names of this data directory's deployments, by those of `deployments`."""
    return {one.name: f"serve-{one.name}-{served.name}" for one in deployments()}


def run_schedule(
    settings: Settings, store: Store, served: Schedule, address: str, server_ended: Callable[[], str | None]
) -> None:
    """Run what is due, one run at a time, until SIGTERM, SIGINT or SIGHUP. Raises `ScheduleFailed`.

    `server_ended` gives the reason once the Prefect server that was started for this is gone.
    """
    with temporary_settings({PREFECT_API_URL: address}):
        asyncio.run(_Serving(settings, store, served, address, server_ended).run())


class _Serving:
    def __init__(
        self, settings: Settings, store: Store, served: Schedule, address: str, server_ended: Callable[[], str | None]
    ) -> None:
        self.settings = settings
        self.store = store
        self.names = names(served)
        self.began = datetime.now(UTC)
        self.address = shown(address)
        self.server_ended = server_ended
        #: Made here: inside a running loop Prefect would return a coroutine.
        self.to_serve = [
            (one, one.made(self.names[one.name])) for one in deployments(settings.cron_monthly, settings.cron_nightly)
        ]
        self.served: dict[UUID, Deployment] = {}
        #: Set by a signal.
        self.ending = asyncio.Event()

    async def run(self) -> None:
        runner = Runner(name="ecgrid-billing", limit=1, pause_on_shutdown=False)
        # It falls back to polling when its websocket closes, and warns of that with a traceback.
        logging.getLogger("prefect.FlowRunCancellingObserver").setLevel(logging.ERROR)
        self._listen()
        asked = asyncio.create_task(self.ending.wait())
        try:
            async with get_client() as client:
                preparing = asyncio.create_task(self._prepare(runner, client))
                await asyncio.wait({preparing, asked}, return_when=asyncio.FIRST_COMPLETED)
                if preparing.done():
                    preparing.result()
                    await self._serve(runner, client, asked)
                preparing.cancel()
        except _SILENT as error:
            why = self.server_ended() or f"Prefect at {self.address} failed: {_told(error)}"
            raise ScheduleFailed(why) from error
        finally:
            asked.cancel()

    def _listen(self) -> None:
        """Have SIGTERM, SIGINT and SIGHUP end the schedule in good order; one that is ignored (`nohup`) stays so."""

        def end(number: int) -> None:
            if not self.ending.is_set():
                name = signal.Signals(number).name
                log.warning("%s: stopping the schedule; the current run stops after its calls in flight", name)
            self.ending.set()

        for number in _ENDING:
            if signal.getsignal(number) is not signal.SIG_IGN:
                asyncio.get_running_loop().add_signal_handler(number, end, number)

    async def _prepare(self, runner: Runner, client: PrefectClient) -> None:
        """Register the deployments, and start due runs."""
        for one, made in self.to_serve:
            if await self._is_paused(client, one):
                for each in made.schedules or ():
                    each.active = False  # a person paused it: a restart is no reason to go on
            self.served[await runner.aadd_deployment(made)] = one
        await self._end_stale_runs(client)
        await self._catch_up(client)

    async def _is_paused(self, client: PrefectClient, one: Deployment) -> bool:
        """Whether the deployment exists and is paused."""
        try:
            found = await client.read_deployment_by_name(f"{one.flow.name}/{self.names[one.name]}")
        except ObjectNotFound:
            return False
        return found.paused or bool(found.schedules and not any(each.active for each in found.schedules))

    async def _serve(self, runner: Runner, client: PrefectClient, asked: "asyncio.Task[Any]") -> None:
        """The runner and the watch side by side; the first that ends, or a signal (`asked`), ends both."""
        serving = asyncio.create_task(runner.start())
        await asyncio.sleep(0)  # the runner has set its own handler, which would block this loop while it waits
        self._listen()
        log.info("the schedule runs: %s", ", ".join(self.names.values()))
        watching = asyncio.create_task(self._watch(client))
        await asyncio.wait({serving, watching, asked}, return_when=asyncio.FIRST_COMPLETED)
        if watching.done():
            reason = watching.exception()
        elif serving.done() and not asked.done():
            error = serving.exception()
            reason = ScheduleFailed(self.server_ended() or f"Prefect at {self.address} no longer responds"
                                    + (f" ({_told(error)})" if error else ""))  # fmt: skip
        else:
            reason = None
        if reason is not None:
            logging.disable()  # the runner, ending without its server, would bury the reason under tracebacks
        watching.cancel()
        if not serving.done():
            if reason is None and runner.started:
                if not await self._stopped(runner):
                    logging.disable()
                    serving.cancel()
            else:
                serving.cancel()
        await asyncio.wait({serving, watching}, timeout=60 if self.server_ended() is None else 10)
        if reason is not None:
            raise reason

    async def _stopped(self, runner: Runner) -> bool:
        """Stop the runner and its runs; False where its server is gone, so that it would report in vain for minutes.

        The run in progress still gets `END_WITHIN_S` to end.
        """
        stopping, until = asyncio.create_task(runner.astop()), math.inf
        while not (await asyncio.wait({stopping}, timeout=1))[0]:
            if until == math.inf and self.server_ended() is not None:
                until = time.monotonic() + END_WITHIN_S
            if time.monotonic() > until:
                stopping.cancel()
                return False
        return True

    async def _watch(self, client: PrefectClient) -> None:
        """Raises `ScheduleFailed` when the server is gone or nothing is scheduled; starts what nobody started."""
        seen, has_seen, look_at = time.monotonic(), False, 0.0
        next_due = next_fire(self.settings.cron_monthly, self.began)
        while True:
            if why := self.server_ended():
                raise ScheduleFailed(why)
            if time.monotonic() >= look_at:
                missing = await self._while_up(self._unscheduled(client))
                if not missing:
                    seen, has_seen = time.monotonic(), True
                elif time.monotonic() - seen > SCHEDULED_WITHIN_S:
                    raise ScheduleFailed(
                        f"Prefect at {self.address} scheduled no run of {', '.join(missing)} within "
                        f"{SCHEDULED_WITHIN_S:.0f} s: check that its scheduler runs, and see its log"
                    )
                look_at = time.monotonic() + (LOOK_LATER_S if has_seen else LOOK_S)
            now = datetime.now(UTC)
            if now >= next_due + GRACE:
                await self._while_up(self._catch_up(client, next_due))
                next_due = next_fire(self.settings.cron_monthly, now)
            await asyncio.sleep(1)

    async def _while_up(self, work: Coroutine[Any, Any, T]) -> T:
        """The result of `work`. Raises `ScheduleFailed` once the server is gone; Prefect's client tries for minutes."""
        task = asyncio.create_task(work)
        try:
            while not (await asyncio.wait({task}, timeout=1))[0]:
                if why := self.server_ended():
                    raise ScheduleFailed(why)
        finally:
            task.cancel()
        return task.result()

    async def _unscheduled(self, client: PrefectClient) -> list[str]:
        """The deployments whose cron is active and for which no run is scheduled; all of them when Prefect is silent.

        What a person paused is theirs: it is not expected.
        """
        now = datetime.now(UTC)
        found = []
        for one_id, one in self.served.items():
            try:
                if one.cron is None or next_fire(one.cron, now) > now + AHEAD or await self._is_paused(client, one):
                    continue
                runs = await self._runs(client, [one_id], StateType.SCHEDULED)
            except _SILENT:
                found.append(self.names[one.name])
                continue
            if not any(run.next_scheduled_start_time and run.next_scheduled_start_time >= now for run in runs):
                found.append(self.names[one.name])
        return found

    async def _catch_up(self, client: PrefectClient, fired: datetime | None = None) -> None:
        """Start due runs that no one started: at the start (`fired` is None), and after each time the cron fires.

        At the start, of several late runs of a deployment only the last is left: it does the work of all.
        """
        for one_id, one in self.served.items():
            late = [run for run in await self._runs(client, [one_id], StateType.SCHEDULED) if _is_late(run)]
            if fired is None:
                for run in late[:-1]:
                    await client.delete_flow_run(run.id)
            if one.name != "monthly" or late or await self._is_paused(client, one):
                continue
            if fired is not None:
                later = await self._runs(client, [one_id])
                if any(run.expected_start_time and fired <= run.expected_start_time <= datetime.now(UTC)
                       for run in later):  # fmt: skip
                    continue
            if owed := schedule.owed(self.settings, self.store, datetime.now(UTC)):
                told = ", ".join(f"{each.month:%Y-%m} since {each.due_at:%Y-%m-%d %H:%M} UTC" for each in owed)
                log.warning("due and not exported: %s; starting a run", told)
                await client.create_flow_run_from_deployment(one_id)

    async def _end_stale_runs(self, client: PrefectClient) -> None:
        """Runs that an earlier process left PENDING or RUNNING when it was killed are marked Crashed.

        One process at a time serves a local data directory. A bucket may be served by several machines: there such a
        run may be another's, and is left.
        """
        if self.settings.is_remote:
            return
        stale = await self._runs(client, list(self.served), *_UNDER_WAY)
        if stale:
            parents = FlowRunFilterParentFlowRunId(any_=[run.id for run in stale])
            stale += await client.read_flow_runs(
                flow_run_filter=FlowRunFilter(parent_flow_run_id=parents, state=_in_state(*_UNDER_WAY))
            )
        for run in stale:
            state: Any = Crashed(message="`ecgrid-billing serve` ended while this run was under way")
            await client.set_flow_run_state(run.id, state, force=True)

    async def _runs(self, client: PrefectClient, ids: Sequence[UUID], *states: StateType) -> list[FlowRun]:
        """The flow runs of these deployments in one of these states (any when none is given), oldest first."""
        only = (
            FlowRunFilter(state=FlowRunFilterState(type=FlowRunFilterStateType(any_=list(states)))) if states else None
        )
        found = await client.read_flow_runs(
            flow_run_filter=only,
            deployment_filter=DeploymentFilter(id=DeploymentFilterId(any_=list(ids))),
        )
        return sorted(found, key=lambda run: run.expected_start_time or datetime.min.replace(tzinfo=UTC))


def _in_state(*states: StateType) -> FlowRunFilterState:
    return FlowRunFilterState(type=FlowRunFilterStateType(any_=list(states)))


def _is_late(run: FlowRun) -> bool:
    return run.next_scheduled_start_time is not None and run.next_scheduled_start_time <= datetime.now(UTC)


def _told(error: BaseException) -> str:
    """The innermost reason in one line: the runner's errors come in groups."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    lines = str(error).splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
