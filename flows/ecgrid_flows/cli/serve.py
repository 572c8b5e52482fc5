"""`serve`: runs the schedule in this process, and starts a Prefect server if none is set up."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from ecgrid_flows.cli import context
from ecgrid_flows.cli.context import AsJson, DataDir
from ecgrid_flows.errors import SettingsError
from ecgrid_flows.settings import DATA_DIR, SANDBOX_DIR, Settings

if TYPE_CHECKING:
    from ecgrid_flows.storage.base import Store

Port = Annotated[
    int | None,
    typer.Option(
        "--port",
        help="Port of the Prefect server if one is started (0: any free port). Default: 4200, or a free port if taken.",
        min=0,
        max=65535,
    ),
]
WithSandbox = Annotated[
    bool, typer.Option("--sandbox", help="Start the built-in sandbox and bill its invented data in data/sandbox.")
]
NO_CREDENTIALS = (
    "no credentials: set ECGRID_API_KEY, or ECGRID_LOGIN_NAME and ECGRID_PASSWORD; or use --sandbox for invented data"
)


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(serve)


def serve(port: Port = None, sandbox: WithSandbox = False, data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Run the schedule: each month when it is due, the running month every night, backfills on request.

    Runs that were due while `serve` was down start first. Flow runs are reported to PREFECT_API_URL; without it, a
    Prefect server is started and ends with this process. Status 3 if the server or its scheduler stops.
    """
    with _source(sandbox, data_dir) as settings:
        from ecgrid_flows.orchestration import prefect_api

        set_up = prefect_api.address()  # before Prefect is imported
        from ecgrid_flows import logs
        from ecgrid_flows.orchestration import schedule, serving
        from ecgrid_flows.orchestration.deployments import deployments
        from ecgrid_flows.orchestration.prefect_process import SERVED_BY
        from ecgrid_flows.storage.opening import open_store
        from ecgrid_flows.storage.run_lock import served

        logs.attach()
        if set_up is not None:
            serving.wait_for_api(set_up, _warn)
        if not settings.has_credentials and set_up is not None:
            settings = serving.settings_with_blocks(set_up, data_dir)
        if not settings.has_credentials:
            raise SettingsError(NO_CREDENTIALS)
        if settings.api_key is None:
            from ecgrid_flows.orchestration.doctor import NO_API_KEY

            _warn(NO_API_KEY)
        for secret in (settings.api_key, settings.password):
            logs.hide(secret.reveal() if secret else None)
        store = open_store(settings)
        _refuse_other_source(settings, store)
        of_directory = schedule.begin(store, datetime.now(UTC))  # runs due while the server starts are not skipped
        with served(settings.local_dir), _prefect(set_up, port, settings) as (address, ended):
            # for the processes of the runs
            os.environ.update(
                {"ECGRID_DATA_DIR": settings.data_dir, "PREFECT_API_URL": address, SERVED_BY: str(os.getpid())}
            )
            names = serving.names(of_directory)
            if as_json:
                context.emit_json(
                    {
                        "prefect_api_url": prefect_api.shown(address),
                        "data_dir": settings.data_dir,
                        "deployments": list(names.values()),
                    }
                )
            else:
                context.stdout.print(Text(f"Prefect: {prefect_api.shown(address).removesuffix('/api')}"))
                context.stdout.print(Text(f"Data directory: {settings.data_dir}"))
                rows = [
                    (names[one.name], one.cron or "by hand", one.description)
                    for one in deployments(settings.cron_monthly, settings.cron_nightly)
                ]
                context.stdout.print(context.table(None, ("deployment", "cron, UTC", "does"), rows))
            serving.run_schedule(settings, store, of_directory, address, ended)


@contextmanager
def _source(sandbox: bool, data_dir: str | None) -> Iterator[Settings]:
    """The settings; with `sandbox`, of a sandbox that runs for the block, also in the environment of the runs."""
    settings = Settings.load(data_dir)
    if not sandbox:
        yield settings
        return
    from ecgrid_sandbox import World, spawn

    own_dir = SANDBOX_DIR if data_dir is None and settings.data_dir == DATA_DIR else settings.data_dir
    _warn(f"--sandbox: every network, price and amount is INVENTED. Data directory: {own_dir}.")
    with spawn(World.shipped()) as started:
        os.environ.update(started.settings())
        os.environ.update(
            ECGRID_LOGIN_NAME=started.login_name,
            ECGRID_PASSWORD=started.password,
            ECGRID_API_KEY=started.api_key,
            ECGRID_SANDBOX="1",
        )
        yield Settings.load(own_dir)


@contextmanager
def _prefect(
    set_up: str | None, port: int | None, settings: Settings
) -> Iterator[tuple[str, Callable[[], str | None]]]:
    """The address of the Prefect API, and a function that returns why a server started here ended (None: it runs)."""
    if set_up is not None:
        yield set_up, lambda: None
        return
    from ecgrid_flows.orchestration import prefect_process

    with prefect_process.started(port, settings.local_dir / "logs", _warn) as server:
        yield server.address, server.ended


def _warn(line: str) -> None:
    context.stderr.print(Text(line))


def _refuse_other_source(settings: Settings, store: "Store") -> None:
    """Raise `SettingsError` if the data directory belongs to another service: every run would be refused."""
    from ecgrid_flows.storage import data_owner

    found, wanted = data_owner.read(store), data_owner.of_settings(settings, is_invented=settings.is_sandbox)
    if found is not None and not data_owner.fits(found, wanted):
        raise SettingsError(data_owner.refusal(store, found, wanted))
