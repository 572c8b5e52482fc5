"""The owner of a data directory: the service that filled it, or the built-in sandbox.

    raw/_source.json      {"invented": false, "service": {"v3": "ecgridos.net/prod/ecgridos.asmx", "v4": "…"}}

A service is identified by host and path of its addresses. The version in the path and letter case are ignored: the
vendor writes both in several ways for one service (facts 1.1). Data of two services would be merged into one bill, so a
run against another service is refused. An empty directory gets its owner with the first stored response: before a
login succeeds, it holds nothing of the service.

Earlier releases wrote `{"invented": …}` alone. Such a directory of a real service gets its addresses from the next run.
"""

import json
import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from ecgrid_flows.errors import BillingError, SettingsError
from ecgrid_flows.settings import SANDBOX_DIR, Settings
from ecgrid_flows.storage.base import Store
from ecgrid_flows.storage.opening import store_of

__all__ = ["SOURCE", "Source", "claim", "fits", "is_invented", "of_settings", "read", "refusal"]

SOURCE = "raw/_source.json"
_VERSION = re.compile(r"v\d+(\.\d+)*", re.IGNORECASE)
_USUAL_PORTS = {"https": 443, "http": 80}


@dataclass(frozen=True, slots=True)
class Source:
    """The sandbox (`is_invented`), or a service by its two addresses; None where an earlier release recorded none."""

    is_invented: bool
    v3: str | None = None
    v4: str | None = None

    def __str__(self) -> str:
        if self.is_invented:
            return "the built-in sandbox: invented data"
        return (
            " and ".join(dict.fromkeys(filter(None, (self.v3, self.v4))))
            or "a real service, recorded without its address"
        )


def of_settings(settings: Settings, *, is_invented: bool) -> Source:
    """The source that a run with these settings reads from."""
    if is_invented:
        return Source(is_invented=True)
    return Source(False, _named(settings.v3_url), _named(settings.v4_url))


def _named(url: str) -> str:
    """Host and path of an address, without its version, in lower case."""
    parts = urlsplit(url)
    port = "" if parts.port in (None, _USUAL_PORTS.get(parts.scheme)) else f":{parts.port}"
    path = [part.lower() for part in parts.path.split("/") if part and not _VERSION.fullmatch(part)]
    return "/".join([f"{parts.hostname}{port}", *path])


def read(store: Store) -> Source | None:
    """The recorded owner; None where no run wrote any data. Raises `SettingsError` when the record is damaged."""
    if not store.exists(SOURCE):
        return None
    try:
        found = json.loads(store.read(SOURCE))
        is_invented, service = found["invented"], found.get("service", {})
        if not isinstance(is_invented, bool):
            raise TypeError(is_invented)
        return Source(is_invented, service.get("v3"), service.get("v4"))
    except (ValueError, KeyError, TypeError, AttributeError):
        raise SettingsError(
            f"{store.uri(SOURCE)} is damaged, so it is unknown which service filled {store.root}: restore it from a "
            "backup, or delete it when you are sure that this run reads from the same service"
        ) from None


def check(store: Store, wanted: Source) -> bool:
    """Whether the directory is recorded as owned by `wanted`; raises `SettingsError` where another owns it."""
    found = read(store)
    if found is not None and not fits(found, wanted):
        raise SettingsError(refusal(store, found, wanted))
    return found == wanted


def claim(store: Store, wanted: Source) -> None:
    """Record the owner, or check it; the caller holds the lock. Raises `SettingsError` where another owns it."""
    if not check(store, wanted):
        document: dict[str, object] = {"invented": wanted.is_invented}
        if not wanted.is_invented:
            document["service"] = {"v3": wanted.v3, "v4": wanted.v4}
        store.write(SOURCE, (json.dumps(document) + "\n").encode())


def fits(found: Source, wanted: Source) -> bool:
    """Whether a run that reads from `wanted` may use a data directory of `found`."""
    return found == wanted or (not found.is_invented and found.v3 is None and not wanted.is_invented)


def refusal(store: Store, found: Source, wanted: Source) -> str:
    """Why a run that reads from `wanted` may not use this data directory, and what to do."""
    if found.is_invented:
        return (
            f"{store.root} holds invented data of the built-in sandbox: give another --data-dir for the real service, "
            "or delete this one"
        )
    if wanted.is_invented:
        return (
            f"{store.root} holds data of {found}; without credentials the sandbox would add invented data: set "
            f"ECGRID_API_KEY, or ECGRID_LOGIN_NAME and ECGRID_PASSWORD, or give the sandbox --data-dir {SANDBOX_DIR}"
        )
    return (
        f"{store.root} holds data of {found}, and this run reads from {wanted}: set ECGRID_V3_URL and ECGRID_V4_URL "
        f"to the former, or give another --data-dir. If the same service has a new address, delete "
        f"{store.uri(SOURCE)}: the next run records it"
    )


def is_invented(settings: Settings) -> bool:
    """Whether the data directory holds the sandbox's data; False where that is unknown."""
    try:
        found = read(store_of(settings))
    except BillingError:
        return False
    return found is not None and found.is_invented
