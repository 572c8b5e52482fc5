"""`call`, `session`, `api-key`, `interconnects`, `stats` and `doctor`: single calls of the service, without a run.

The response goes to stdout. `session login` prints the SessionID and `api-key` the key; no other command prints one.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer
from rich.text import Text

from ecgrid_flows.cli import context
from ecgrid_flows.cli.context import AsJson, DataDir
from ecgrid_flows.errors import ExitStatus
from ecgrid_flows.settings import Settings

if TYPE_CHECKING:
    from ecgrid_client import Answer, ECGridClient, errors


class Api(StrEnum):
    """Versions of the API."""

    V2 = "v2.3"
    V3 = "v3.2"
    V4 = "v4.1"


class Binding(StrEnum):
    """The four protocols of an ASMX page."""

    SOAP11 = "soap11"
    SOAP12 = "soap12"
    GET = "get"
    POST = "post"


ApiOption = Annotated[Api, typer.Option("--api", help="Version of the API.")]
BindingOption = Annotated[Binding, typer.Option("--binding", help="Protocol.")]
UserId = Annotated[int, typer.Option("--user-id", metavar="N", help="UserID whose key it is.")]
SessionId = Annotated[
    str | None,
    typer.Option(
        "--session-id",
        metavar="ID",
        envvar="ECGRID_SESSION_ID",
        show_envvar=True,
        help="The session; without it you are asked, and nothing is shown while you type.",
    ),
]
NetworkId = Annotated[
    int | None, typer.Option("--network-id", metavar="N", help="This network instead of your own; -1 means all.")
]
MailboxId = Annotated[
    int, typer.Option("--mailbox-id", metavar="N", help="With --network-id: this mailbox; -1 means all, 0 the Root.")
]

session_app = typer.Typer(help="One session by hand, so that a stuck one can be released.", no_args_is_help=True)
key_app = typer.Typer(help="The API key of a user, which stands in for a session.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command(no_args_is_help=True)(call)
    app.command()(interconnects)
    app.command()(stats)
    app.command()(doctor)
    app.add_typer(session_app, name="session")
    app.add_typer(key_app, name="api-key")


# --- call -------------------------------------------------------------------------------------------------------------


def call(
    operation: Annotated[
        str, typer.Argument(metavar="OPERATION", help="Operation of that version's WSDL, for example NetworkInfo.")
    ],
    arguments: Annotated[
        list[str] | None, typer.Argument(metavar="NAME=VALUE", help="Its parameters; SessionID is filled in.")
    ] = None,
    api: ApiOption = Api.V3,
    binding: BindingOption = Binding.SOAP11,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Call any operation of the service, and print the response as JSON; new operations come from the service's WSDL.

    Example: ecgrid-billing call NetworkInfo --api v3.2 NetworkID=4440
    """
    from ecgrid_client import decode

    given: dict[str, object] = {}
    for argument in arguments or []:
        name, equals, value = argument.partition("=")
        if not equals or not name:
            context.fail(
                f"{argument[:80]!r} is not NAME=VALUE: write the parameter's name, =, its value", ExitStatus.USAGE
            )
        if name in given:
            context.fail(f"{name} is given twice: give it once", ExitStatus.USAGE)
        given[name] = value
    with connected(data_dir) as client:
        service = client.learn(api, operation)
        answer = client.ask(api, operation, given, binding=binding)
        context.emit_json(decode.to_json(answer.body, operation, api, service))


# --- sessions and keys ------------------------------------------------------------------------------------------------


@session_app.command("login")
def session_login(api: ApiOption, data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Open a session and print its id; it stays open until `session logout`."""
    with connected(data_dir) as client:
        session_id = client.log_in(api)
    if as_json:
        context.emit_json({"api": api.value, "session_id": session_id})
    else:
        context.stdout.print(Text(session_id))


@session_app.command("logout")
def session_logout(
    api: ApiOption, session_id: SessionId = None, data_dir: DataDir = None, as_json: AsJson = False
) -> None:
    """Close a session by its id."""
    wanted = session_id or _asked_for("SessionID")
    with connected(data_dir) as client:
        client.log_out(api, wanted)
    if as_json:
        context.emit_json({"api": api.value, "closed": True})
    else:
        context.stdout.print("closed")


@session_app.command("whoami")
def session_whoami(
    api: ApiOption,
    session_id: Annotated[
        str | None,
        typer.Option(
            "--session-id",
            metavar="ID",
            envvar="ECGRID_SESSION_ID",
            show_envvar=True,
            help="This session; without it, a session is opened, checked and closed (or the API key is used).",
        ),
    ] = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Show the authenticated user, its rights, open sessions and session timeout."""
    from ecgrid_client import decode

    with connected(data_dir) as client:
        answer = client.ask(api, "WhoAmI", {"SessionID": session_id} if session_id else {})
        found = decode.to_json(answer.body, "WhoAmI", api, client.service(api))
    if as_json or not isinstance(found, dict):
        context.emit_json(found)
    else:
        rows = [(name, value) for name, value in found.items() if name != "SessionID"]
        context.stdout.print(context.table(None, ("name", "value"), rows))


@key_app.command("show")
def key_show(user_id: UserId, data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Print a user's API key (UserGetAPIKey)."""
    with connected(data_dir) as client:
        answer = client.ask(Api.V4, "UserGetAPIKey", {"UserID": user_id})
    _print_key(user_id, answer, as_json)


@key_app.command("generate")
def key_generate(
    user_id: UserId,
    yes: Annotated[bool, typer.Option("--yes", help="Skip the confirmation.")] = False,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Generate a new API key for a user (GenerateAPIKey); the old key becomes invalid at once."""
    if not yes:
        # not typer.confirm: it writes a blank to stdout, which is reserved for the result
        question = f"A new key for user {user_id} invalidates the old one at once. Continue? [y/N]: "
        context.stderr.print(Text(question), end="")
        if sys.stdin.readline().strip().lower() not in ("y", "yes"):
            context.fail("no key was generated", ExitStatus.USAGE)
    with connected(data_dir) as client:
        answer = client.ask(Api.V4, "GenerateAPIKey", {"UserID": user_id})
    _print_key(user_id, answer, as_json)


def _print_key(user_id: int, answer: "Answer", as_json: bool) -> None:
    from ecgrid_client import decode

    key = decode.scalar(answer.body)
    if not key:
        context.fail(f"the service has no API key for user {user_id}: run `api-key generate`", _NO_ANSWER)
    if as_json:
        context.emit_json({"user_id": user_id, "api_key": key})
    else:
        context.stdout.print(Text(key))


def _asked_for(name: str) -> str:
    try:
        if not sys.stdin.isatty():
            given = sys.stdin.readline().strip()
        else:
            given = str(typer.prompt(name, hide_input=True, err=True)).strip()
    except typer.Abort:
        given = ""
    if not given:
        context.fail(f"no {name} was given: use --session-id or ECGRID_SESSION_ID", ExitStatus.USAGE)
    return given


_WIDE = 7


# --- tables -----------------------------------------------------------------------------------------------------------


def interconnects(
    max_days: Annotated[int, typer.Option("--max-days", metavar="N", help="Number of days back.", min=0, max=32767)],
    network_id: NetworkId = None,
    mailbox_id: MailboxId = -1,
    ecgrid_id: Annotated[int, typer.Option("--ecgrid-id", metavar="N", help="With --network-id: this ECGridID.")] = -1,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Interconnects by status (InterconnectCount), of your own network and mailbox or of another."""
    with connected(data_dir) as client:
        if network_id is None:
            answer = client.ask(Api.V4, "InterconnectCount", {"MaxDays": max_days})
        else:
            answer = client.ask(
                Api.V4,
                "InterconnectCountEx",
                {"NetworkID": network_id, "MailboxID": mailbox_id, "ECGridID": ecgrid_id, "MaxDays": max_days},
            )
        _print_tables(answer, as_json)


def stats(
    minutes: Annotated[
        tuple[int, int], typer.Option("--minutes", metavar="N N", help="Two spans, in minutes back from now.")
    ],
    network_id: NetworkId = None,
    mailbox_id: MailboxId = -1,
    ecgrid_id: Annotated[int, typer.Option("--ecgrid-id", metavar="N", help="With --network-id: this ECGridID.")] = -1,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Traffic of the last minutes (ReportInstantStats), of your own network and mailbox or of another."""
    spans = {"Minutes1": minutes[0], "Minutes2": minutes[1]}
    with connected(data_dir) as client:
        if network_id is None:
            answer = client.ask(Api.V4, "ReportInstantStats", spans)
        else:
            answer = client.ask(
                Api.V4,
                "ReportInstantStatsEx",
                {"NetworkID": network_id, "MailboxID": mailbox_id, "ECGridID": ecgrid_id, **spans},
            )
        _print_tables(answer, as_json)


def _print_tables(answer: "Answer", as_json: bool) -> None:
    """Print every table of a DataSet with its values as received; a single row of many columns is transposed."""
    from ecgrid_client import datasets

    found = datasets.to_json(answer.body)
    if as_json:
        context.emit_json(found)
        return
    for name, table in found["tables"].items():
        columns = [column["name"] for column in table["columns"]]
        rows = [tuple(row.values()) for row in table["rows"]]
        if len(rows) == 1 and len(columns) > _WIDE:
            context.stdout.print(context.table(name, ("column", "value"), list(zip(columns, rows[0], strict=True))))
        else:
            context.stdout.print(context.table(name if rows else f"{name}: no rows", columns, rows))
    if not found["tables"]:
        context.stderr.print("The response has no table.")


# --- doctor -----------------------------------------------------------------------------------------------------------


def doctor(
    api: Annotated[list[Api] | None, typer.Option("--api", help="Only these versions (repeatable).")] = None,
    verbose: Annotated[
        bool, typer.Option("--verbose", help="List every difference between the service's WSDL and the bundled one.")
    ] = False,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Check settings, reachability, versions, clock, rights per operation and free disk; never prints a secret."""
    from ecgrid_flows.orchestration import doctor as checks

    settings = Settings.load(data_dir)
    found: list[checks.Check] = list(checks.machine(settings))
    with client_for(settings, hurried=True) as client:
        for version in api or list(Api):
            found.extend(checks.service(client, version, has_credentials=settings.has_credentials))
    if as_json:
        context.emit_json(
            {
                "checks": [
                    {
                        "api": check.api or None,
                        "check": check.name,
                        "result": check.health.value,
                        "words": check.words,
                        "details": check.details,
                    }
                    for check in found
                ]
            }
        )
    else:
        rows = [(check.api or "here", check.name, check.health.value, check.words) for check in found]
        context.stdout.print(context.table(None, ("api", "check", "result", "details"), rows))
        for check in found if verbose else ():
            for detail in check.details:
                context.stdout.print(Text(f"{check.api} {check.name}: {detail}"))
    healths = {check.health for check in found}
    if checks.Health.FAILED in healths:
        raise typer.Exit(int(ExitStatus.USAGE))
    if healths & {checks.Health.UNREACHABLE, checks.Health.REFUSED}:
        raise typer.Exit(int(ExitStatus.UNREACHABLE))


# --- the client -------------------------------------------------------------------------------------------------------

#: A call that the service refused has no response.
_NO_ANSWER = ExitStatus.INCOMPLETE


def exit_status(error: "errors.ECGridError") -> ExitStatus:
    """The exit status of CONTRACT for a client error in a command of one call."""
    from ecgrid_client import errors

    statuses: tuple[tuple[type[errors.ECGridError], ExitStatus], ...] = (
        (errors.SettingsError, ExitStatus.USAGE),
        (errors.InvalidArgument, ExitStatus.USAGE),
        (errors.ServiceUnreachable, ExitStatus.UNREACHABLE),
        (errors.ServiceBusy, ExitStatus.UNREACHABLE),
        (errors.ServiceError, ExitStatus.UNREACHABLE),
        (errors.MalformedAnswer, ExitStatus.UNREACHABLE),
        (errors.CredentialsRefused, ExitStatus.UNREACHABLE),
        (errors.TooManySessions, ExitStatus.UNREACHABLE),
        (errors.SessionExpired, ExitStatus.UNREACHABLE),
        (errors.AccessDenied, ExitStatus.UNREACHABLE),
    )
    return next((status for kind, status in statuses if isinstance(error, kind)), _NO_ANSWER)


@contextmanager
def connected(data_dir: str | None) -> Iterator["ECGridClient"]:
    """A client for the settings; its errors end the command with one line and their exit status."""
    from ecgrid_client import errors

    try:
        with client_for(Settings.load(data_dir)) as client:
            yield client
    except errors.ECGridError as error:
        _fail(error)


def _fail(error: "errors.ECGridError") -> NoReturn:
    context.fail(error.message, exit_status(error))


def client_for(settings: Settings, *, hurried: bool = False) -> "ECGridClient":
    """A client for the settings; `hurried` makes one attempt of at most 20 s, for checks."""
    from ecgrid_client import Credentials, ECGridClient, Endpoints, RetryPolicy

    credentials = None
    if settings.has_credentials:
        credentials = Credentials(
            login_name=settings.login_name,
            password=settings.password.reveal() if settings.password else None,
            api_key=settings.api_key.reveal() if settings.api_key else None,
        )
    return ECGridClient(
        Endpoints(settings.v2_url, settings.v3_url, settings.v4_url),
        credentials,
        retry=RetryPolicy(max_attempts=1 if hurried else settings.max_attempts),
        call_timeout_s=min(20, settings.call_timeout_s) if hurried else settings.call_timeout_s,
        pool_size=2,
        wsdl={"v2.3": settings.wsdl_v2, "v3.2": settings.wsdl_v3, "v4.1": settings.wsdl_v4},
    )
