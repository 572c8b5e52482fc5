"""Settings: one frozen object, read once from the environment and a `.env` file (CONTRACT, Settings).

The environment wins over `.env`; an empty value counts as absent. Nothing here opens a socket. Every refusal is a
`SettingsError` that names the variable, what is wrong with it and what to write instead, and never repeats a secret.
"""

import hashlib
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Literal, NoReturn
from urllib.parse import unquote, urlsplit

from dotenv import dotenv_values

from ecgrid_flows import due, logs
from ecgrid_flows.errors import SettingsError
from ecgrid_transforms.loopback import is_loopback
from ecgrid_transforms.period import month_text

#: Addresses of the service (facts 1.1); v2.3's host and path are documented, its https is inferred.
V2_URL = "https://ecgridos.net/v2.3/prod/ecgridos.asmx"
V3_URL = "https://ecgridos.net/v3.2/prod/ecgridos.asmx"
V4_URL = "https://os.ecgrid.io/v4.1/prod/ECGridOS.asmx"

PLANS = ("price-list", "all-pairs")
#: Whether your clients' costs have what is disputed of the vendor's invoice.
REBILL_DISPUTED = ("include", "exclude")
#: Added to a plan (`price-list,no-statistics`): usage reports are not requested.
NO_STATISTICS = ",no-statistics"
DATA_DIR = "data"
#: Data directory of the sandbox when none is given.
SANDBOX_DIR = "data/sandbox"
_URL = re.compile(r"[a-z][a-z0-9]*://.", re.IGNORECASE)
_NEXT_URL = re.compile(r"[\s,]+(?=[a-z][a-z0-9]*://)", re.IGNORECASE)
WsdlSource = Literal["own", "live"]


class Secret:
    """A string that repr, str, format and pickle never show. `reveal()` returns it."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        return self._text

    def __repr__(self) -> str:
        return "Secret('***')"

    __str__ = __repr__

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._text == self._text

    def __hash__(self) -> int:
        return hash(self._text)

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret is never pickled; the other process reads its own environment")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The settings of a command. `data_dir` is a local folder or `s3://bucket/prefix`.

    `build_memory_mb` bounds the memory of a build; beyond it rows spill to disk.
    """

    data_dir: str = DATA_DIR
    v2_url: str = V2_URL
    v3_url: str = V3_URL
    v4_url: str = V4_URL
    login_name: str | None = None
    password: Secret | None = None
    api_key: Secret | None = None
    accounts_file: Path | None = None
    concurrency: int = 8
    call_timeout_s: int = 60
    max_attempts: int = 5
    plan: str = "price-list"
    with_statistics: bool = True
    task_runner: str = "threads"
    build_memory_mb: int = 4096
    currency: str | None = None
    invoice_days: int = 20
    dispute_days: int | None = None
    rebill_disputed: str = "include"
    cron_monthly: str = due.MONTHLY
    cron_nightly: str = due.NIGHTLY
    report_url: str | None = None
    notify_urls: tuple[Secret, ...] = ()
    is_sandbox: bool = False
    wsdl_v2: WsdlSource = "own"
    wsdl_v3: WsdlSource = "own"
    wsdl_v4: WsdlSource = "own"

    @classmethod
    def load(
        cls,
        data_dir: str | None = None,
        environ: Mapping[str, str] | None = None,
        dotenv: Path | None = None,
    ) -> "Settings":
        """The settings of `environ` (default: this process's) over those of `dotenv` (default: `.env`).

        Raises `SettingsError`.
        """
        found = _found(environ if environ is not None else os.environ, dotenv or Path(".env"))
        login_name, password, api_key = (
            found.get("ECGRID_LOGIN_NAME"),
            found.get("ECGRID_PASSWORD"),
            found.get("ECGRID_API_KEY"),
        )
        if api_key is None and (login_name is None) != (password is None):
            missing = "ECGRID_PASSWORD" if password is None else "ECGRID_LOGIN_NAME"
            raise SettingsError(
                f"{missing} is not set: set both ECGRID_LOGIN_NAME and ECGRID_PASSWORD, or ECGRID_API_KEY"
            )
        logs.hide(password, api_key)
        plan = _one_of(found, "ECGRID_PLAN", (*PLANS, *(name + NO_STATISTICS for name in PLANS)), "price-list")
        return cls(
            data_dir=_data_dir(
                data_dir
                or found.get("ECGRID_DATA_DIR")
                or _default_data_dir(has_credentials=bool(api_key or login_name))
            ),
            v2_url=_url(found, "ECGRID_V2_URL", V2_URL),
            v3_url=_url(found, "ECGRID_V3_URL", V3_URL),
            v4_url=_url(found, "ECGRID_V4_URL", V4_URL),
            login_name=login_name,
            password=None if password is None else Secret(password),
            api_key=None if api_key is None else Secret(api_key),
            accounts_file=_existing_file(found, "ECGRID_ACCOUNTS"),
            concurrency=_whole(found, "ECGRID_CONCURRENCY", 8, 1, 1024),
            call_timeout_s=_whole(found, "ECGRID_CALL_TIMEOUT_S", 60, 1, 3600),
            max_attempts=_whole(found, "ECGRID_MAX_ATTEMPTS", 5, 1, 100),
            plan=plan.removesuffix(NO_STATISTICS),
            with_statistics=not plan.endswith(NO_STATISTICS),
            task_runner=_task_runner(found),
            build_memory_mb=_whole(found, "ECGRID_BUILD_MEMORY_MB", 4096, 256, 1_048_576),
            currency=_currency(found),
            invoice_days=_whole(found, "ECGRID_INVOICE_DAYS", 20, 0, 3660),
            dispute_days=_whole(found, "ECGRID_DISPUTE_DAYS", 0, 1, 3660) if "ECGRID_DISPUTE_DAYS" in found else None,
            rebill_disputed=_one_of(found, "ECGRID_REBILL_DISPUTED", REBILL_DISPUTED, "include"),
            cron_monthly=_cron(found, "ECGRID_CRON_MONTHLY", due.MONTHLY),
            cron_nightly=_cron(found, "ECGRID_CRON_NIGHTLY", due.NIGHTLY),
            report_url=_report_url(found),
            notify_urls=_notify_urls(found),
            is_sandbox=_one_of(found, "ECGRID_SANDBOX", ("0", "1"), "0") == "1",
            wsdl_v2=_wsdl(found, "ECGRID_WSDL_V2"),
            wsdl_v3=_wsdl(found, "ECGRID_WSDL_V3"),
            wsdl_v4=_wsdl(found, "ECGRID_WSDL_V4"),
        )

    @classmethod
    def of_notices(cls, data_dir: str | None = None) -> "Settings":
        """The recipients of notices and the data directory alone, for a run whose other settings are refused."""
        found = _found(os.environ, Path(".env"))
        has_credentials = "ECGRID_API_KEY" in found or "ECGRID_LOGIN_NAME" in found
        logs.hide(found.get("ECGRID_PASSWORD"), found.get("ECGRID_API_KEY"))
        chosen = data_dir or found.get("ECGRID_DATA_DIR") or _default_data_dir(has_credentials=has_credentials)
        return cls(data_dir=_data_dir(chosen), notify_urls=_notify_urls(found))

    @property
    def has_credentials(self) -> bool:
        return self.api_key is not None or self.login_name is not None

    @property
    def is_remote(self) -> bool:
        """Whether the data directory is object storage."""
        return "://" in self.data_dir

    @property
    def local_dir(self) -> Path:
        """The data directory, or the local cache of a remote one."""
        if not self.is_remote:
            return Path(self.data_dir)
        cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        return cache / "ecgrid-billing" / hashlib.sha256(self.data_dir.encode()).hexdigest()[:16]

    @property
    def warehouse_path(self) -> Path:
        return self.local_dir / "warehouse" / "billing.duckdb"

    def exports_dir(self, month: date) -> Path:
        return self.local_dir / "exports" / month_text(month)

    def reports_dir(self, month: date) -> Path:
        return self.local_dir / "reports" / month_text(month)


def log_options(environ: Mapping[str, str] | None = None, dotenv: Path | None = None) -> tuple[str | None, str | None]:
    """ECGRID_LOG_LEVEL and ECGRID_LOG_FILE: logging is set up before the other settings are read."""
    found = _found(environ if environ is not None else os.environ, dotenv or Path(".env"))
    return found.get("ECGRID_LOG_LEVEL"), found.get("ECGRID_LOG_FILE")


def reference_folders(settings: Settings) -> list[Path]:
    """Folders of reference tables: the project's own (in the wheel or the checkout), then the data directory's."""
    package = Path(__file__).resolve().parent
    shipped = [package / "_assets/reference", package.parents[1] / "data/reference"]
    own = settings.local_dir / "reference"
    first = next((folder for folder in shipped if folder.is_dir()), None)
    if first is None:
        raise SettingsError(f"no reference tables beside {package}: reinstall ecgrid-billing")
    return [first] if not own.is_dir() or own.resolve() == first.resolve() else [first, own]


def _found(environ: Mapping[str, str], dotenv: Path) -> dict[str, str]:
    try:
        in_file = dotenv_values(dotenv, encoding="utf-8", interpolate=False) if dotenv.is_file() else {}
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{dotenv} cannot be read ({type(error).__name__}): save it as UTF-8 text") from error
    merged = {**in_file, **environ}
    return {
        name: value if name == "ECGRID_PASSWORD" else value.strip()  # a password may begin or end with a space
        for name, value in merged.items()
        if name.startswith("ECGRID_") and value is not None and value.strip()
    }


def _default_data_dir(*, has_credentials: bool) -> str:
    """`data`; the sandbox's own folder while no credentials are set and no run has filled `data`.

    So the sandbox and the service never share the default; every command without credentials finds what `run` without
    credentials wrote; and a `data` that a service has filled is found by a reader without credentials.
    """
    is_filled = any(Path(DATA_DIR, folder).is_dir() for folder in ("raw", "lake", "warehouse", "exports", "closings"))
    return DATA_DIR if has_credentials or is_filled else SANDBOX_DIR


def _data_dir(text: str) -> str:
    if "://" in text and not text.startswith("s3://"):
        raise SettingsError(f"ECGRID_DATA_DIR is {text.split('://')[0]}://…: use a local folder or s3://bucket/prefix")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise SettingsError(
            f"ECGRID_DATA_DIR is {text!a}, which cannot be decoded in this locale: set PYTHONUTF8=1, or choose a "
            "folder whose name is UTF-8"
        ) from error
    if "://" not in text and "?" in str(Path(text).absolute()):
        raise SettingsError(
            f"the data directory {text!r} has a `?` in its path, which DuckDB reads as the query of a URL: "
            "choose another --data-dir"
        )
    return text.rstrip("/") or "/"


def _url(found: Mapping[str, str], name: str, default: str) -> str:
    """The address in `name`: https, or http to loopback only, without credentials."""
    text = found.get(name, default)
    try:
        parts = urlsplit(text)
        host, user, _port = parts.hostname, parts.username, parts.port
    except ValueError as error:
        raise SettingsError(f"{name} is not an address: write it like {default}") from error
    if user is not None:
        raise SettingsError(f"{name} contains a user name: put credentials into ECGRID_LOGIN_NAME and ECGRID_PASSWORD")
    if parts.scheme not in ("http", "https") or not host:
        raise SettingsError(f"{name} is not a full https address: write it like {default}")
    if parts.query or parts.fragment:
        raise SettingsError(f"{name} must end in .asmx: remove the query string or fragment, for example {default}")
    if parts.scheme == "http" and not is_loopback(host):
        raise SettingsError(
            f"{name} is plain http to {host}: credentials would be readable; write https:// (http only to loopback)"
        )
    return text


def _existing_file(found: Mapping[str, str], name: str) -> Path | None:
    if name not in found:
        return None
    path = Path(found[name])
    if not path.is_file():
        raise SettingsError(f"{name} is {path}, which is not a file: give a CSV with network_id,mailbox_id")
    return path


def _whole(found: Mapping[str, str], name: str, default: int, least: int, most: int) -> int:
    text = found.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and len(text) < 10 and least <= int(text) <= most):
        raise SettingsError(f"{name} is {text[:20]!r}: write a whole number from {least} to {most}")
    return int(text)


def _one_of(found: Mapping[str, str], name: str, choices: tuple[str, ...], default: str) -> str:
    text = found.get(name, default)
    if text not in choices:
        raise SettingsError(f"{name} is {text[:40]!r}: write {' or '.join(choices)}")
    return text


def _wsdl(found: Mapping[str, str], name: str) -> WsdlSource:
    return "live" if _one_of(found, name, ("own", "live"), "own") == "live" else "own"


def _currency(found: Mapping[str, str]) -> str | None:
    """The currency of all amounts. ECGrid states none, and there is no default."""
    text = found.get("ECGRID_CURRENCY")
    if text is None:
        return None
    from ecgrid_flows import currency  # imported here: it reads CLDR data of all territories

    if text not in currency.codes():
        near = currency.nearest(text)
        meant = f"did you mean {near}?" if near else "three capitals such as USD"
        raise SettingsError(f"ECGRID_CURRENCY is {text[:20]!r}: write the ISO 4217 code of a currency; {meant}")
    return text


def _cron(found: Mapping[str, str], name: str, default: str) -> str:
    """A schedule, UTC."""
    text = found.get(name, default)
    try:
        return due.checked_cron(text)
    except due.NotACron as error:
        raise SettingsError(f"{name} is {text[:40]!r}: {error}") from error


def _report_url(found: Mapping[str, str]) -> str | None:
    """Base URL of the published `reports/` folder, without a trailing slash."""
    text = found.get("ECGRID_REPORT_URL")
    if text is None:
        return None
    example = "https://files.example.com/billing/reports"
    try:
        parts = urlsplit(text)
        host, user, _port = parts.hostname, parts.username, parts.port
    except ValueError as error:
        raise SettingsError(f"ECGRID_REPORT_URL is not an address: write it like {example}") from error
    if parts.scheme not in ("http", "https") or not host or parts.query or parts.fragment:
        raise SettingsError(f"ECGRID_REPORT_URL is not the http or https address of a folder: write it like {example}")
    if user is not None:
        raise SettingsError("ECGRID_REPORT_URL contains a user name: remove it, every reader of a report sees the link")
    return text.rstrip("/")


def _notify_urls(found: Mapping[str, str]) -> tuple[Secret, ...]:
    """Apprise addresses, separated by spaces or commas; a comma within an address is kept."""
    texts = [text.strip(", \t\n") for text in _NEXT_URL.split(found.get("ECGRID_NOTIFY_URLS", ""))]
    for number, text in enumerate(texts, start=1):
        if text and not _URL.match(text):
            raise SettingsError(
                f"ECGRID_NOTIFY_URLS: entry {number} is not an address: write them like mailto://… or slack://…, "
                "separated by spaces"
            )
        logs.hide(text, *_tokens(text))
    return tuple(Secret(text) for text in texts if text)


def _tokens(url: str) -> Iterator[str]:
    """Possible secrets in an Apprise address: tokens have digits and occur anywhere; a password may have none."""
    password = re.match(r"[^/]*//[^:/@]*:(.*)@", url)
    yield from {password[1], unquote(password[1])} if password else ()
    for part in re.split(r"[/:@?&=,]", unquote(url)):
        if len(part) >= 8 and "." not in part and any(char.isdigit() for char in part):
            yield part


def _task_runner(found: Mapping[str, str]) -> str:
    text = found.get("ECGRID_TASK_RUNNER", "threads")
    if text not in ("threads", "dask") and not text.startswith("dask://"):
        raise SettingsError(f"ECGRID_TASK_RUNNER is {text[:60]!r}: write threads, dask or dask://host:port")
    return text
