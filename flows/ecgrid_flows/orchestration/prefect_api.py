"""The address of the Prefect API that is set up: read, checked, and shown without what is secret in it."""

import os
import re
from urllib.parse import urlsplit

from ecgrid_flows.errors import SettingsError

_EXAMPLE = "http://127.0.0.1:4200/api"


def address() -> str | None:
    """PREFECT_API_URL of the environment or of Prefect's own profile; None where neither has one.

    Raises `SettingsError` for what is no address, and where Prefect refuses one of its settings.
    """
    _check(os.environ.get("PREFECT_API_URL"))  # before Prefect is loaded, which some of them break
    from pydantic import ValidationError

    try:
        from prefect.settings import PREFECT_API_URL

        found: str | None = PREFECT_API_URL.value()
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = "_".join(map(str, first["loc"])).upper()
        raise SettingsError(f"Prefect refuses its settings{place and f' ({place})'}: {first['msg']}") from None
    _check(found)
    return found


def shown(address: str) -> str:
    """`address` without the user name and password that it may carry, for people."""
    return re.sub(r"(?<=//)[^/@]*@", "", address)


def _check(text: str | None) -> None:
    if not text:
        return
    try:
        parts = urlsplit(text)
        is_whole = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_whole = False
    if not is_whole or parts.query or parts.fragment or re.search(r"\s", text):
        raise SettingsError(
            f"PREFECT_API_URL is {shown(text)[:60]!r}: write the http or https address of a Prefect API, such as "
            f"{_EXAMPLE}, or unset it"
        )
