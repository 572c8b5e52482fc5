"""Users, sessions, API keys and their rights.

A session belongs to the endpoint that opened it; whether one is valid across versions is unknown (facts 7), so the
sandbox is stricter. A user may have five open at once, over all endpoints (facts 4.3).
"""

import secrets
from dataclasses import dataclass, field
from datetime import UTC, datetime
from uuid import UUID

from ecgrid_sandbox.service.envelope import Fault

MAX_SESSIONS = 5
#: Levels from most to least rights; each includes the rights of those after it.
LEVELS = (
    "Root",
    "TechOps",
    "NetOps",
    "NetworkAdmin",
    "NetworkUser",
    "MailboxAdmin",
    "MailboxUser",
    "TPUser",
    "General",
)


def new_guid() -> str:
    """A new identifier in the service's format."""
    return str(UUID(bytes=secrets.token_bytes(16))).upper()


@dataclass(slots=True)
class User:
    """A user of the sandbox; its password and key are made up anew for every sandbox."""

    user_id: int
    login_name: str
    first_name: str
    last_name: str
    auth_level: str
    network_id: int
    mailbox_id: int = 0
    password: str = field(default_factory=lambda: f"Aa1!{secrets.token_urlsafe(12)}", repr=False)
    api_key: str = field(default_factory=new_guid, repr=False)
    last_login: datetime = field(default_factory=lambda: datetime.now(UTC))

    def at_least(self, level: str) -> bool:
        return LEVELS.index(self.auth_level) <= LEVELS.index(level)

    def may_see(self, network_id: int, mailbox_id: int | None = None) -> bool:
        """NetOps sees every network, network users their own, mailbox users their mailbox."""
        if self.at_least("NetOps"):
            return True
        if network_id != self.network_id:
            return False
        return self.at_least("NetworkUser") or mailbox_id == self.mailbox_id


@dataclass(slots=True)
class Session:
    """An open session. Times are monotonic seconds."""

    session_id: str = field(repr=False)
    version: str
    user: User
    event_id: int
    last_used: float
    calls: int = 0


class Sessions:
    """The open sessions and the valid keys of one sandbox."""

    def __init__(self, users: list[User], *, session_calls: int | None, idle_s: float) -> None:
        self.users = users
        self._session_calls = session_calls
        self._idle_s = idle_s
        self._open: dict[str, Session] = {}
        self._events = 880000
        self.opened = 0

    @property
    def open_count(self) -> int:
        return len(self._open)

    def open_of(self, user: User) -> int:
        return sum(session.user is user for session in self._open.values())

    def login(self, version: str, login_name: str, password: str, now: float) -> Session:
        user = next((user for user in self.users if user.login_name.lower() == login_name.strip().lower()), None)
        if user is None or not secrets.compare_digest(user.password.encode(), password.encode()):
            raise Fault("Invalid Login Name or Password", "Authentication")
        self._end_idle(now)
        if self.open_of(user) >= MAX_SESSIONS:
            raise Fault("Maximum Number of Open Sessions Exceeded", "Authorization")
        self._events += 1
        self.opened += 1
        user.last_login = datetime.now(UTC)
        session = Session(new_guid(), version, user, self._events, now)
        self._open[session.session_id] = session
        return session

    def logout(self, version: str, session_id: str) -> None:
        session = self._open.get(session_id.strip().upper())
        if session is None or session.version != version:
            if self.user_of_key(session_id) is not None:
                return  # a key opens no session, so there is none to close
            raise Fault("Invalid Session ID", "Authentication")
        del self._open[session.session_id]

    def user_of_key(self, key: str) -> User | None:
        wanted = key.strip().upper()
        return next((user for user in self.users if user.api_key == wanted), None)

    def user_of(self, version: str, session_id: str, now: float) -> tuple[User, Session | None]:
        """The caller, by an open session of this endpoint, or by an API key in its place."""
        session = self._open.get(session_id.strip().upper())
        if session is None or session.version != version:
            user = self.user_of_key(session_id)
            if user is None:
                raise Fault("Invalid Session ID", "Authentication")
            return user, None
        used_up = self._session_calls is not None and session.calls >= self._session_calls
        if used_up or now - session.last_used > self._idle_s:
            del self._open[session.session_id]
            raise Fault("Invalid Session ID", "Authentication")
        session.calls += 1
        session.last_used = now
        return session.user, session

    def _end_idle(self, now: float) -> None:
        for session in [s for s in self._open.values() if now - s.last_used > self._idle_s]:
            del self._open[session.session_id]
