"""What `doctor` looks at: settings, disk, and for each version of the API whether it answers, agrees on the time, lets
this user in, allows the operations that a run asks, and describes itself as we know it. Nothing is written anywhere;
operations that could (GenerateAPIKey, InvoiceCalculate) are not tried.
"""

import os
import platform
import shlex
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from importlib.metadata import version
from pathlib import Path

from ecgrid_client import VERSIONS, ECGridClient, decode, drift, errors, own_service
from ecgrid_flows.errors import BillingError
from ecgrid_flows.finance import rebill
from ecgrid_flows.lake import import_register
from ecgrid_flows.lake.partitions import Lake
from ecgrid_flows.lake.value_faults import unread
from ecgrid_flows.orchestration import notices
from ecgrid_flows.settings import Settings
from ecgrid_flows.storage import data_owner
from ecgrid_flows.storage.opening import store_of
from ecgrid_flows.warehouse import database
from ecgrid_transforms.period import last_full_month, month_text, next_month, reporting_month_text

#: Warning where sessions are opened (facts 4.3).
NO_API_KEY = (
    "Without ECGRID_API_KEY each run opens a session per version. A killed run leaves them open, and a user may have "
    "five: set an API key (`api-key show`) for unattended runs"
)
_LITTLE_BYTES = 1 << 30
_CLOCK_OFF_S = 5
_LIBRARIES = ("ecgrid-billing", "zeep", "lxml", "pycurl", "pyarrow", "duckdb", "prefect")


class Health(StrEnum):
    """Result of a check. `refused`: the service responds, but refuses this user."""

    OK = "ok"
    NOTE = "note"
    FAILED = "failed"
    UNREACHABLE = "unreachable"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Check:
    """One row of the report; `api` is empty for checks of this machine."""

    api: str
    name: str
    health: Health
    words: str
    details: tuple[str, ...] = ()


def machine(settings: Settings) -> Iterator[Check]:
    """The checks that need no network."""
    installed = ", ".join(f"{name} {version(name)}" for name in _LIBRARIES)
    yield Check("", "software", Health.OK, f"Python {platform.python_version()}, {installed}")
    if settings.api_key is not None:
        yield Check("", "credentials", Health.OK, "an API key; no session will be opened")
    elif settings.has_credentials:
        yield Check("", "credentials", Health.NOTE, f"a login name and its password. {NO_API_KEY}")
    else:
        yield Check(
            "",
            "credentials",
            Health.NOTE,
            "none: `run` would use the built-in sandbox. Set ECGRID_API_KEY, or ECGRID_LOGIN_NAME and ECGRID_PASSWORD",
        )
    yield _disk(settings)
    yield _modes(settings)
    yield _owner(settings)
    yield _values(settings)
    yield from _imports(settings)
    yield _statistics(settings)
    yield from _clients(settings)
    yield _told(settings)


def _told(settings: Settings) -> Check:
    """The recipients of notices; sends nothing."""
    name = "notices"
    if not settings.notify_urls:
        return Check("", name, Health.NOTE, "no recipients: set ECGRID_NOTIFY_URLS")
    kinds = notices.kinds(settings)
    unread = [str(number) for number, (_, is_readable) in enumerate(kinds, start=1) if not is_readable]
    if unread:
        return Check(
            "", name, Health.FAILED, f"address {', '.join(unread)} of ECGRID_NOTIFY_URLS is no Apprise address"
        )
    return Check("", name, Health.OK, ", ".join(f"{kind}://…" for kind, _ in kinds))


def _owner(settings: Settings) -> Check:
    """Which service filled the data directory, and whether a run with these settings may use it."""
    name = "data belong to"
    store = store_of(settings)
    wanted = data_owner.of_settings(settings, is_invented=not settings.has_credentials)
    try:
        found = data_owner.read(store)
    except BillingError as error:
        return Check("", name, Health.FAILED, str(error))
    if found is None:
        return Check("", name, Health.OK, f"no service yet; the first run assigns them to {wanted}")
    if not data_owner.fits(found, wanted):
        return Check("", name, Health.FAILED, data_owner.refusal(store, found, wanted))
    return Check("", name, Health.OK, str(found))


def _values(settings: Settings) -> Check:
    """The number of unreadable values in kept responses, per month."""
    name = "values"
    try:
        lake = Lake(store_of(settings))
        months = {month: found for month in lake.months("value_faults") if (found := unread(lake, month)).count}
    except BillingError as error:
        return Check("", name, Health.NOTE, f"cannot be read now: {error}")
    if not months:
        return Check("", name, Health.OK, "every value of the kept responses can be read")
    counted = ", ".join(f"{found.count:,} of {month_text(month)}" for month, found in months.items())
    details = tuple(f"{month_text(month)}: {words}" for month, found in months.items() for words in found.named)
    return Check(
        "",
        name,
        Health.NOTE,
        f"cannot be read: {counted}; the first: {details[0]}. Ask the vendor; `run --refresh` requests them again",
        details,
    )


def _imports(settings: Settings) -> Iterator[Check]:
    """Imported invoices whose files raw has lost; nothing where none is missing."""
    name = "imported invoices"
    try:
        found = tuple(f"{month_text(month)}: {one}" for month, one in import_register.all_missing(store_of(settings)))
    except BillingError as error:
        yield Check("", name, Health.NOTE, f"cannot be read now: {error}")
        return
    if found:
        words = f"{len(found)} missing in raw, the first {found[0]}; import or withdraw the invoice again"
        yield Check("", name, Health.FAILED, words, found)


def _clients(settings: Settings) -> Iterator[Check]:
    """Accounts without a client and lines of clients without a price, in the last month; nothing without clients."""
    name = "clients"
    try:
        if not rebill.has_clients(settings):
            return
        month, accounts, lines = rebill.gaps(settings)
    except BillingError as error:
        yield Check("", name, Health.FAILED, str(error))
        return
    if month is None:
        yield Check("", name, Health.NOTE, "no invoice is known yet: `rebill` has nothing to bill")
        return
    details = (*(f"{account}: no client in clients.csv" for account in accounts), *lines)
    if not details:
        yield Check("", name, Health.OK, f"every account of {month_text(month)} has a client, and every line a price")
        return
    words = (
        f"{month_text(month)}: {len(accounts):,} accounts without a client (clients.csv), {len(lines):,} lines "
        f"of clients without a price (client_prices.csv); the first: {details[0]}"
    )
    yield Check("", name, Health.NOTE, words, details)


def _statistics(settings: Settings) -> Check:
    """The months whose statistics of usage came in a shape that is not understood."""
    name = "statistics"
    if not settings.warehouse_path.exists():
        return Check("", name, Health.OK, "none yet: there is no warehouse")
    try:
        with closing(database.connect(settings.warehouse_path)) as connection:
            found = database.records(connection, "out_findings", check_name="statistics_unread")
    except BillingError as error:
        return Check("", name, Health.NOTE, f"cannot be read now: {error}")
    if not found:
        return Check("", name, Health.OK, "every shape of statistics of usage is understood")
    details = tuple(f"{month_text(row['reporting_month'])}: {row['explanation']}" for row in found)
    return Check("", name, Health.NOTE, details[0], details)


def _modes(settings: Settings) -> Check:
    """Whether other users of this machine can read the credentials or the billing data."""
    places = [Path(".env"), *(settings.local_dir / name for name in ("raw", "lake", "warehouse", "closings"))]
    found = [place for place in places if place.exists() and place.stat().st_mode & 0o077]
    if not found:
        return Check("", "modes", Health.OK, "other users can read neither .env nor the billing data")
    named = ", ".join(f"{place} ({place.stat().st_mode & 0o777:o})" for place in found)
    mend = " ".join(shlex.quote(str(place)) for place in found)
    return Check("", "modes", Health.NOTE, f"other users of this machine can read {named}: run chmod -R go= {mend}")


def _disk(settings: Settings) -> Check:
    wanted = settings.local_dir.resolve()
    existing = next((path for path in (wanted, *wanted.parents) if path.exists()), Path("/"))
    name = "data directory"
    if not existing.is_dir() or not os.access(existing, os.W_OK | os.X_OK):
        return Check("", name, Health.FAILED, f"{existing} is not writable: choose another with --data-dir")
    try:
        with tempfile.TemporaryFile(dir=existing) as probe:
            probe.write(b"doctor")
            probe.flush()
    except OSError as error:
        return Check(
            "", name, Health.FAILED, f"{existing} is not writable ({error.strerror}): choose another with --data-dir"
        )
    free = shutil.disk_usage(existing).free
    health = Health.OK if free >= _LITTLE_BYTES else Health.NOTE
    return Check("", name, health, f"{wanted}, {free // (1 << 20):,} MiB free")


def service(client: ECGridClient, api: str, *, has_credentials: bool) -> Iterator[Check]:
    """The checks of one API version; ends early if it does not respond."""
    url = client.endpoints.url(api)
    try:
        answer = client.ask(api, "Version")
    except errors.ECGridError as error:
        yield Check(api, "reachable", _health(error), f"{url}: {error.message}")
        if isinstance(error, errors.ServiceUnreachable):
            return
    else:
        said = decode.scalar(answer.body) or "no version"
        yield Check(api, "reachable", Health.OK, f"{url} responds {said!r} in {answer.latency_ms} ms")
    yield _clock(client, api)
    yield _drift(client, api)
    if has_credentials:
        yield from _rights(client, api)


def _health(error: errors.ECGridError) -> Health:
    if isinstance(error, errors.ServiceUnreachable | errors.ServiceBusy | errors.ServiceError | errors.MalformedAnswer):
        return Health.UNREACHABLE
    if isinstance(error, errors.CredentialsRefused | errors.TooManySessions):
        return Health.REFUSED
    return Health.NOTE


def _clock(client: ECGridClient, api: str) -> Check:
    try:
        answer = client.ask(api, "NowUTC")
        said = decode.scalar(answer.body) or ""
        theirs = datetime.fromisoformat(said[:19]).replace(tzinfo=UTC)
    except errors.ECGridError as error:
        return Check(api, "clock", _health(error), error.message)
    except ValueError:
        return Check(api, "clock", Health.NOTE, f"NowUTC is not a time: {said[:40]!r}")
    off = round((answer.received_at - theirs).total_seconds())
    if abs(off) > _CLOCK_OFF_S:
        return Check(api, "clock", Health.NOTE, f"this machine is {off:+d} s off the service's clock (NowUTC)")
    return Check(api, "clock", Health.OK, "agrees with NowUTC")


def _drift(client: ECGridClient, api: str) -> Check:
    try:
        found = drift.compare(own_service(api), client.live_service(api))
    except errors.ECGridError as error:
        return Check(api, "wsdl", _health(error), error.message)
    harmful = [one for one in found if one.is_harmful]
    if not found:
        return Check(api, "wsdl", Health.OK, "equal to the bundled WSDL")
    words = f"{len(found)} {'difference' if len(found) == 1 else 'differences'} from ours, {len(harmful)} harmful"
    if harmful:
        words += ": " + "; ".join(str(one) for one in harmful[:3])
    details = tuple(str(one) for one in (*harmful, *(one for one in found if not one.is_harmful)))
    return Check(api, "wsdl", Health.NOTE if harmful else Health.OK, words, details)


def _rights(client: ECGridClient, api: str) -> Iterator[Check]:
    try:
        who = decode.to_json(client.ask(api, "WhoAmI").body, "WhoAmI", api)
    except errors.ECGridError as error:
        yield Check(api, "login", _health(error), error.message)
        return
    found = who if isinstance(who, dict) else {}
    yield Check(
        api,
        "login",
        Health.OK,
        f"user {found.get('UserID')}, {found.get('AuthLevel')} of network {found.get('NetworkID')} mailbox "
        f"{found.get('MailboxID')}; {found.get('OpenSessions')} sessions open, time-out {found.get('TimeOut')}",
    )
    for operation, arguments in _tries(api, found):
        yield _right(client, api, operation, arguments)


def _tries(api: str, who: Mapping[str, object]) -> Iterator[tuple[str, dict[str, object]]]:
    """Read operations of a run, with arguments that are cheap for the service."""
    network_id, mailbox_id = who.get("NetworkID") or 0, who.get("MailboxID") or 0
    month = last_full_month()
    bare = reporting_month_text(month)
    account: dict[str, object] = {"NetworkID": network_id, "MailboxID": mailbox_id}
    if api == "v3.2":
        yield "NetworkList", {"Name": ""}
        yield "MailboxList", {"Name": ""}
        yield "MailboxListEx", {"NetworkID": network_id, "Name": ""}
        yield "ContractList", {"ActiveDate": bare, "ShowInactive": False}
        yield "PricelistInfo", {"PricelistID": 1}
        yield (
            "InvoiceCalculateLineItem",
            {**account, "ReportingMonth": bare, "AccountReport": "TrafficAll", "MeasureField": "TotalKCs"},
        )
        yield (
            "InvoiceList",
            {
                "BeginDate": bare,
                "EndDate": reporting_month_text(next_month(month)),
                "ContractID": 0,
                "Status": "All",
            },
        )
        yield "ReportMonthly", {"Report": 1, "Month": bare}
    elif api == "v4.1":
        yield "InterconnectCount", {"MaxDays": 1}
        yield "ReportInstantStats", {"Minutes1": 1, "Minutes2": 5}


def _right(client: ECGridClient, api: str, operation: str, arguments: Mapping[str, object]) -> Check:
    name = f"right to {operation}"
    try:
        client.ask(api, operation, arguments)
    except (errors.NotOnPriceList, errors.NotFound, errors.InvalidArgument) as error:
        return Check(api, name, Health.OK, f"allowed (response: {error.fault_message})")
    except errors.AccessDenied:
        return Check(api, name, Health.NOTE, "refused to this user; a run continues without it")
    except errors.NotImplementedByService as error:
        return Check(api, name, Health.NOTE, f"not offered: {error.fault_message}")
    except errors.ECGridError as error:
        return Check(api, name, _health(error), error.message)
    return Check(api, name, Health.OK, "allowed")


def everything(settings: Settings, client: ECGridClient) -> Iterator[Check]:
    """All checks, one at a time."""
    yield from machine(settings)
    for api in VERSIONS:
        yield from service(client, api, has_credentials=settings.has_credentials)
