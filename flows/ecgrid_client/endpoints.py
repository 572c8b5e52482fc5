"""Addresses of the three versions, and credentials: validated once, masked always."""

from dataclasses import dataclass, field
from urllib.parse import urlsplit

from ecgrid_client.errors import SettingsError
from ecgrid_client.masking import MASK, MASKER
from ecgrid_transforms.loopback import is_loopback

VERSIONS = ("v2.3", "v3.2", "v4.1")
_SETTING = {"v2.3": "ECGRID_V2_URL", "v3.2": "ECGRID_V3_URL", "v4.1": "ECGRID_V4_URL"}


def _checked(url: str, setting: str) -> str:
    try:
        parts = urlsplit(url.strip())
        host, _port = parts.hostname, parts.port
    except ValueError:
        parts, host = urlsplit(""), None
    if parts.username or parts.password:
        raise SettingsError(f"{setting} contains a user name or password: remove them from the address")
    if parts.scheme not in ("https", "http") or not host:
        raise SettingsError(f"{setting} is not a full https address of an .asmx service: {url[:200]!r}")
    if parts.scheme == "http" and not is_loopback(host):
        raise SettingsError(f"{setting} is plain http: credentials would be readable. Use https://{host}{parts.path}")
    if parts.query or parts.fragment:
        raise SettingsError(f"{setting} must end in the .asmx file, without ? or #: {url[:200]!r}")
    return url.strip().rstrip("/")


@dataclass(frozen=True, slots=True)
class Endpoints:
    """Full .asmx addresses of the three versions. https only, except to loopback.

    v4.1's own WSDL names a plain-http address; no address is ever taken from a WSDL.
    """

    v2_url: str = "https://ecgridos.net/v2.3/prod/ecgridos.asmx"
    v3_url: str = "https://ecgridos.net/v3.2/prod/ecgridos.asmx"
    v4_url: str = "https://os.ecgrid.io/v4.1/prod/ECGridOS.asmx"

    def __post_init__(self) -> None:
        for name, version in (("v2_url", "v2.3"), ("v3_url", "v3.2"), ("v4_url", "v4.1")):
            object.__setattr__(self, name, _checked(getattr(self, name), _SETTING[version]))

    def url(self, api_version: str) -> str:
        """The address of `api_version` (`v2.3`, `v3.2` or `v4.1`)."""
        try:
            return {"v2.3": self.v2_url, "v3.2": self.v3_url, "v4.1": self.v4_url}[api_version]
        except KeyError:
            raise SettingsError(f"{api_version!r} is not a version: {', '.join(VERSIONS)}") from None


@dataclass(frozen=True, slots=True)
class Credentials:
    """A login name with its password, or an API key, which replaces a SessionID and needs no session.

    If both are given, the API key is used: it takes none of the few sessions that a user may have (facts 4.3).
    """

    login_name: str | None = None
    password: str | None = field(default=None, repr=False)
    api_key: str | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if not self.api_key and not (self.login_name and self.password):
            raise SettingsError(
                "no credentials: set ECGRID_API_KEY, or ECGRID_LOGIN_NAME together with ECGRID_PASSWORD"
            )
        MASKER.learn(self.api_key)
        MASKER.learn(self.password)

    def __repr__(self) -> str:
        shown = f"api_key={MASK!r}" if self.api_key else f"login_name={MASK!r}, password={MASK!r}"
        return f"Credentials({shown})"
