"""`sandbox serve`: runs the built-in simulation of the service, with or without injected failures."""

from typing import Annotated, Literal

import typer

from ecgrid_flows.cli import context
from ecgrid_flows.errors import ExitStatus
from ecgrid_transforms.period import NotAMonth, parse_month

sandbox = typer.Typer(help="The built-in simulation of ECGridOS, with invented data.", no_args_is_help=True)


@sandbox.callback()
def _group() -> None:
    """Keep `serve` a subcommand: typer would merge a group of one command."""


@sandbox.command()
def serve(
    port: Annotated[int, typer.Option(help="Port on loopback; 0: any free port.", min=0, max=65535)] = 8080,
    last_month: Annotated[
        str | None,
        typer.Option(metavar="YYYY-MM", help="Last month of the invented world (default: the last full month, UTC)."),
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of the accounts' usage and of the order of injected failures.")] = 1,
    auth_level: Annotated[
        str, typer.Option(help="Level of the user whose credentials are printed: NetOps, NetworkAdmin, MailboxUser …")
    ] = "NetOps",
    latency_ms: Annotated[int, typer.Option(help="Delay before each response, in milliseconds.", min=0)] = 0,
    jitter_ms: Annotated[int, typer.Option(help="Random additional delay, up to this many milliseconds.", min=0)] = 0,
    fault_rate: Annotated[
        float,
        typer.Option(help="Share of calls that fail: 503, 429, 502, SQL errors, truncated responses …", min=0, max=1),
    ] = 0.0,
    drop_rate: Annotated[
        float, typer.Option(help="Share of calls whose connection is dropped without a response.", min=0, max=1)
    ] = 0.0,
    session_calls: Annotated[int | None, typer.Option(help="End each session after this many calls.", min=1)] = None,
    pending: Annotated[
        list[str] | None, typer.Option(metavar="OPERATION", help="Operations that fault as PENDING (repeatable).")
    ] = None,
    nil: Annotated[
        list[str] | None, typer.Option(metavar="OPERATION", help="Operations without a result (repeatable).")
    ] = None,
    refused: Annotated[
        list[str] | None, typer.Option(metavar="OPERATION", help="Operations that deny access (repeatable).")
    ] = None,
    page_every: Annotated[
        int, typer.Option(metavar="N", help="Every N-th call gets a gateway's page instead of its response.", min=0)
    ] = 0,
    page_status: Annotated[
        list[int] | None,
        typer.Option(
            metavar="STATUS", help="Status of these pages (repeatable; default: twenty in turn).", min=200, max=599
        ),
    ] = None,
    page_of: Annotated[
        list[str] | None, typer.Option(metavar="OPERATION", help="Pages only for this operation (repeatable).")
    ] = None,
    page_is_empty: Annotated[bool, typer.Option("--page-is-empty", help="These pages have no body.")] = False,
    doubled_after_ms: Annotated[
        float | None, typer.Option(help="Send each response twice, the second time this many ms later.", min=0)
    ] = None,
    late: Annotated[
        bool, typer.Option("--late", help="On a reused connection, return the response of the previous call.")
    ] = False,
    odd_value: Annotated[
        list[str] | None,
        typer.Option(
            metavar="OPERATION.FIELD/N=TEXT",
            help="Put TEXT in the first FIELD (or PARENT.FIELD) of every N-th response that has it; without =TEXT, "
            "remove the field (repeatable).",
        ),
    ] = None,
    own_fault: Annotated[
        list[str] | None,
        typer.Option(
            metavar="OPERATION/N=CODE", help="Return this fault of the service for every N-th result (repeatable)."
        ),
    ] = None,
    all_refused: Annotated[
        Literal["NotFound", "AccessDenied"] | None,
        typer.Option(help="Ex operations refuse the id -1 (all) with this code."),
    ] = None,
    clock_off_s: Annotated[int, typer.Option(help="The service's clock is this many seconds ahead.")] = 0,
    statistics: Annotated[
        Literal["measures", "traffic", "by_date", "monthly", "outside"],
        typer.Option(
            help="Shape of the statistics of usage: ReportMonthly with measures, ReportTrafficStats of the old guide, "
            "ReportByDate, ReportMonthly with bytes, or these three at once."
        ),
    ] = "measures",
    meter_errors: Annotated[
        bool, typer.Option("--meter-errors", help="Plant errors of the meter: rounding, 1,024 bytes, duplicates …")
    ] = False,
    habits: Annotated[
        int | None,
        typer.Option(
            metavar="SEED", help="Draw by this seed: order of lines, rows and columns, and which operations answer."
        ),
    ] = None,
    drift: Annotated[
        Literal["older", "newer"] | None,
        typer.Option(help="The interface of 2016, or an invented later one with additional elements."),
    ] = None,
) -> None:
    """Run the sandbox until Ctrl-C; prints addresses and invented credentials as ECGRID_* settings."""
    from ecgrid_sandbox import Sandbox, Trouble, World
    from ecgrid_sandbox.service.habits import Habits
    from ecgrid_sandbox.service.trouble import PAGE_STATUSES, OddValue, OwnFault
    from ecgrid_sandbox.world.metering import Metering

    try:
        odd_values = tuple(map(OddValue.parsed, odd_value or ()))
        own_faults = tuple(map(OwnFault.parsed, own_fault or ()))
    except ValueError as error:
        context.fail(str(error), ExitStatus.USAGE)
    try:
        month = parse_month(last_month) if last_month else None
    except NotAMonth as error:
        context.fail(f"--last-month: {error}", ExitStatus.USAGE)
    trouble = Trouble(
        latency_ms=latency_ms,
        jitter_ms=jitter_ms,
        fault_rate=fault_rate,
        drop_rate=drop_rate,
        session_calls=session_calls,
        pending=tuple(pending or ()),
        nil=tuple(nil or ()),
        refused=tuple(refused or ()),
        drift=drift,
        page_every=page_every,
        page_statuses=tuple(page_status or PAGE_STATUSES),
        page_of=tuple(page_of or ()),
        page_is_empty=page_is_empty,
        doubled_after_ms=doubled_after_ms,
        is_late=late,
        odd_values=odd_values,
        own_faults=own_faults,
        all_refused=all_refused,
        clock_off_s=clock_off_s,
        seed=seed,
    )
    world = World.shipped(month, seed=seed)
    world = world.with_meter_errors(statistics) if meter_errors else world.metered(Metering(statistics))
    try:
        drawn = None if habits is None else Habits(habits)
        served = Sandbox(world, trouble, port=port, auth_level=auth_level, habits=drawn)
    except OSError as error:
        context.fail(f"port {port} is not available ({error.strerror}): choose another with --port", ExitStatus.USAGE)
    except ValueError as error:
        context.fail(str(error), ExitStatus.USAGE)

    def ready() -> None:
        for name, value in served.settings().items():
            typer.echo(f"{name}={value}")
        context.stderr.print(
            f"The sandbox serves invented data, months {world.months[0]:%Y-%m} to {world.months[-1]:%Y-%m}; "
            "Ctrl-C ends it."
        )

    served.serve_until_interrupted(ready)


def register(app: typer.Typer) -> None:
    """Add the `sandbox` commands."""
    app.add_typer(sandbox, name="sandbox")
