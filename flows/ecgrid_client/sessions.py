"""At most one session per version: opened when first needed, renewed once for all concurrent callers, always closed.

A failed login is not repeated by every waiting thread in turn: all waiting threads share its outcome. Refused
credentials are final, because a service locks users out (facts 4.3).
"""

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass

from ecgrid_client.errors import CredentialsRefused, ECGridError, Stopped
from ecgrid_client.masking import MASKER

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Session:
    """An open session; `number` distinguishes a renewed one from its predecessor. The repr shows no id."""

    number: int
    session_id: str

    def __repr__(self) -> str:
        return f"Session(number={self.number})"


class SessionKeeper:
    """The session of one version."""

    def __init__(self, api_version: str, log_in: Callable[[], str], log_out: Callable[[str], None]) -> None:
        self._api_version = api_version
        self._log_in = log_in
        self._log_out = log_out
        self._lock = threading.RLock()  # a signal handler may close while its thread is logging in
        self._session: Session | None = None
        self._logins = 0
        self._failure: ECGridError | None = None
        self._closed = False

    @property
    def is_open(self) -> bool:
        return self._session is not None

    def current(self) -> Session:
        """The open session, opened first if need be."""
        session = self._session
        return session if session is not None else self._open(None)

    def renew(self, expired: Session) -> Session:
        """A session other than `expired`: one that another thread has opened since, or a new one."""
        return self._open(expired)

    def forget(self, session: Session) -> None:
        """Drop a session that was closed by hand."""
        with self._lock:
            if self._session == session:
                self._session = None

    def _open(self, expired: Session | None) -> Session:
        logins_before = self._logins
        with self._lock:
            if self._closed:
                raise Stopped(f"{self._api_version}: the client is closed; no session can be opened")
            session = self._session
            if session is not None and session != expired:
                return session
            if self._failure is not None and (
                self._logins != logins_before or isinstance(self._failure, CredentialsRefused)
            ):
                raise self._failure.again()
            self._session = None
            try:
                session_id = self._log_in()
            except ECGridError as error:
                self._failure = error
                self._logins += 1
                raise
            self._failure = None
            self._logins += 1
            MASKER.learn(session_id, passing=True)
            if self._closed:  # closed by a signal handler during the login
                self._log_out(session_id)
                raise Stopped(f"{self._api_version}: the client was closed during the login")
            self._session = Session(self._logins, session_id)
            log.debug("session opened api=%s number=%d", self._api_version, self._logins)
            return self._session

    def close(self) -> None:
        """Logs the open session out, if any; no further one can be opened. Never raises; idempotent."""
        self._closed = True
        locked = self._lock.acquire(timeout=10)
        try:
            session, self._session = self._session, None
            if session is None:
                return
            try:
                self._log_out(session.session_id)
                log.debug("session closed api=%s number=%d", self._api_version, session.number)
            except ECGridError as error:
                log.warning("session not closed api=%s: %s", self._api_version, error)
        finally:
            if locked:
                self._lock.release()
