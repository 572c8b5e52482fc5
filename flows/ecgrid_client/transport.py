"""HTTP: one request, one response, bounded in time and size. Independent of SOAP.

libcurl does the work, outside of Python's lock: a call costs a tenth of what http.client takes, and its total deadline
also holds against a server that sends single bytes slowly. TLS is verified (certifi's authorities, and those of
SSL_CERT_FILE for company authorities); proxies come from the environment, never for loopback; redirects are not
followed.
"""

import _thread
import io
import os
import threading
import time
import urllib.request
import zlib
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import certifi
import pycurl

from ecgrid_client.errors import (
    AnswerTooLarge,
    ECGridError,
    MalformedAnswer,
    ServiceUnreachable,
    SettingsError,
)
from ecgrid_client.masking import MASKER
from ecgrid_transforms.loopback import is_loopback

#: Number of replies per connection whose hash is remembered, to detect a repeated one.
_REMEMBERED = 500
_READABLE_CODINGS = ("gzip", "x-gzip", "deflate")


def user_agent() -> str:
    """`ecgrid-billing/<version>`, which identifies this client to the service's operators."""
    try:
        return f"ecgrid-billing/{version('ecgrid-billing')}"
    except PackageNotFoundError:
        return "ecgrid-billing"


@dataclass(frozen=True, slots=True)
class Reply:
    """One reply, whatever its status. Its connection is reserved until it is released (`release`).

    `is_kept`: the connection had carried other replies before. `is_repeat`: this equals, byte for byte, an earlier
    reply on it to another request, so it may be that reply sent twice.
    """

    status: int
    content_type: str
    retry_after: str | None
    body: bytes
    is_kept: bool = False
    is_repeat: bool = False
    loan: "_Loan | None" = None

    def release(self, *, is_sound: bool = True) -> None:
        """Return the connection to the pool; or close it, where it may be out of step."""
        if self.loan is not None:
            self.loan.release(is_sound=is_sound)


class _Flight:
    """One request in flight: the data received so far, and its deadline."""

    __slots__ = ("head", "limit", "pieces", "received", "until")

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.until: float | None = None
        self.head: list[bytes] = []
        self.pieces: list[bytes] = []
        self.received = 0

    def take_head(self, line: bytes) -> None:
        if line.startswith(b"HTTP/"):
            self.head.clear()  # earlier heads were a proxy's, or interim responses
        self.head.append(line)

    def take(self, piece: bytes) -> int:
        """Keeps a piece of the body; -1 ends the transfer."""
        self.received += len(piece)
        if self.received > self.limit:
            return -1
        self.pieces.append(piece)
        return len(piece)

    def is_over(self, *_sizes: int) -> int:
        """Called by libcurl at least once a second; 1 ends the transfer."""
        return 1 if self.until is not None and time.monotonic() >= self.until else 0

    def headers(self) -> dict[str, str]:
        found = {}
        for line in self.head[1:]:
            name, colon, value = line.partition(b":")
            if colon:
                found[name.strip().lower().decode("latin-1")] = value.strip().decode("latin-1")
        return found


class _Failed(Exception):
    """libcurl's error number, and how far the transfer had come."""

    def __init__(self, code: int, connection: Any) -> None:
        super().__init__(code)
        self.code = code
        self.was_connected = connection.getinfo(pycurl.PRETRANSFER_TIME) > 0
        self.proxy_status = connection.getinfo(pycurl.HTTP_CONNECTCODE)
        self.errno = connection.getinfo(pycurl.OS_ERRNO)
        self.proxy_error = connection.getinfo(pycurl.PROXY_ERROR)


def _is_bypassed(host: str) -> bool:
    """Whether NO_PROXY names the host."""
    return bool(urllib.request.proxy_bypass_environment(host))  # type: ignore[attr-defined] # typeshed lacks it


def _proxy_for(scheme: str, host: str) -> str | None:
    if is_loopback(host) or _is_bypassed(host):
        return None
    proxies = urllib.request.getproxies_environment()
    return proxies.get(scheme) or proxies.get("all")


@cache
def _authorities(own_file: str | None) -> bytes:
    """Certifi's certificates, and those of SSL_CERT_FILE."""
    known = Path(certifi.where()).read_bytes()
    if own_file is None:
        return known
    try:
        return known + b"\n" + Path(own_file).read_bytes()
    except OSError as error:
        raise SettingsError(f"SSL_CERT_FILE cannot be read: {error.strerror}") from None


class _Origin:
    """A host with its idle connections; each serves one request at a time."""

    def __init__(self, scheme: str, host: str, port: int | None, most_idle: int, connect_timeout_s: float) -> None:
        if scheme != "https" and not (scheme == "http" and is_loopback(host)):
            raise SettingsError(f"plain http is refused except to loopback: {scheme}://{host}")
        self.shown = host if port is None else f"{host}:{port}"
        self.proxy = _proxy_for(scheme, host)
        self._options: list[tuple[int, Any]] = [
            (pycurl.NOSIGNAL, 1),
            (pycurl.NOPROGRESS, 0),
            (pycurl.FOLLOWLOCATION, 0),
            (pycurl.HTTP_VERSION, pycurl.CURL_HTTP_VERSION_1_1),
            (pycurl.HTTP09_ALLOWED, 0),
            (pycurl.HTTP_CONTENT_DECODING, 0),  # inflated here, within bounds
            (pycurl.USERAGENT, user_agent()),
            (pycurl.CONNECTTIMEOUT_MS, max(int(connect_timeout_s * 1000), 1)),
            (pycurl.PROXY, ""),  # otherwise curl would read the environment itself
            (pycurl.NOPROXY, ""),
        ]
        if scheme == "https":
            self._options += [
                (pycurl.SSL_VERIFYPEER, 1),
                (pycurl.SSL_VERIFYHOST, 2),
                (pycurl.CAINFO_BLOB, _authorities(os.environ.get("SSL_CERT_FILE") or None)),
            ]
            if folder := os.environ.get("SSL_CERT_DIR"):
                self._options.append((pycurl.CAPATH, folder))
        if self.proxy:
            self._options += _proxy_options(self.proxy)
        self._idle: deque[Any] = deque()
        self._most_idle = most_idle
        self._is_closed = False

    def borrow(self, *, is_new: bool = False) -> Any:
        """A connection: the last used one, which is most likely still alive; or a new one in its place.

        FRESH_CONNECT is not enough: libcurl may also keep the old connection and use it again later.
        """
        with suppress(IndexError):
            connection = self._idle.pop()
            if not is_new:
                return connection
            connection.close()
        connection = pycurl.Curl()
        for option, value in self._options:
            connection.setopt(option, value)
        connection.replies = {}
        return connection

    def give_back(self, connection: Any, *, is_sound: bool) -> None:
        if is_sound and not self._is_closed and len(self._idle) < self._most_idle:
            self._idle.append(connection)
        else:
            connection.close()

    def close(self) -> None:
        self._is_closed = True
        with suppress(IndexError):
            while True:
                self._idle.pop().close()


class _Loan:
    """A connection until its reply is judged. A loan that is never released closes its connection."""

    __slots__ = ("_origin", "connection")

    def __init__(self, origin: _Origin) -> None:
        self._origin = origin
        self.connection: Any = None

    def give_back(self, connection: Any, *, is_sound: bool) -> None:
        """The request is over: hold the connection, or close it when the request failed."""
        if is_sound:
            self.connection = connection
        else:
            self._origin.give_back(connection, is_sound=False)

    def release(self, *, is_sound: bool) -> None:
        connection, self.connection = self.connection, None
        if connection is not None:
            self._origin.give_back(connection, is_sound=is_sound)


def _proxy_options(proxy: str) -> list[tuple[int, Any]]:
    parts = urlsplit(proxy if "://" in proxy else f"http://{proxy}")
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise SettingsError("the proxy of HTTPS_PROXY is not an http or https address; SOCKS is not supported")
    port = f":{parts.port}" if parts.port else ""
    options: list[tuple[int, Any]] = [
        (pycurl.PROXY, f"{parts.scheme}://{parts.hostname}{port}"),
        (pycurl.PROXY_CAINFO_BLOB, _authorities(os.environ.get("SSL_CERT_FILE") or None)),
    ]
    if parts.username:
        MASKER.learn(unquote(parts.password or ""))
        options += [
            (pycurl.PROXYUSERNAME, unquote(parts.username)),
            (pycurl.PROXYPASSWORD, unquote(parts.password or "")),
        ]
    return options


class Transport:
    """A pool of connections to the services. Thread-safe."""

    def __init__(
        self, *, connect_timeout_s: float, call_timeout_s: float, max_answer_bytes: int, pool_size: int
    ) -> None:
        self._connect_timeout_s = connect_timeout_s
        self._call_timeout_s = call_timeout_s
        self._max_answer_bytes = max_answer_bytes
        self._pool_size = pool_size
        self._origins: dict[tuple[str, str], _Origin] = {}
        self._of_url: dict[str, _Origin] = {}
        self._lock = threading.RLock()
        self._flights: dict[int, _Flight] = {}

    def __repr__(self) -> str:
        return f"Transport(pool_size={self._pool_size})"

    def send(
        self,
        url: str,
        headers: Mapping[str, str],
        body: bytes | None = None,
        *,
        query: str = "",
        timeout_s: float | None = None,
        max_bytes: int | None = None,
        is_new_connection: bool = False,
        over: Reply | None = None,
    ) -> Reply:
        """Sends one request: a GET, or a POST of `body`. `query` is appended to `url`, and appears in no message.

        The server may have closed a kept connection meanwhile, and then the request is lost: a request that must not
        be lost, or was lost before, sets `is_new_connection`. (libcurl itself resends a GET.) `over` sends it over the
        connection of an unreleased reply. The caller releases the reply. Raises `ServiceUnreachable`,
        `MalformedAnswer` (cut off), `AnswerTooLarge` or `SettingsError`.
        """
        origin = self._of_url.get(url) or self._origin(url)
        total = min(self._call_timeout_s, timeout_s or self._call_timeout_s)
        flight = _Flight(max_bytes or self._max_answer_bytes)
        loan = over.loan if over is not None and over.loan is not None else _Loan(origin)
        connection, loan.connection = loan.connection or origin.borrow(is_new=is_new_connection), None
        lines = [f"{name}: {value}" for name, value in headers.items()]
        connection.setopt(pycurl.URL, f"{url}?{query}" if query else url)
        connection.setopt(pycurl.HTTPHEADER, [*lines, "Accept-Encoding: gzip", "Expect:"])
        connection.setopt(pycurl.TIMEOUT_MS, max(int(total * 1000), 1))
        connection.setopt(pycurl.MAXFILESIZE_LARGE, flight.limit)
        connection.setopt(pycurl.HEADERFUNCTION, flight.take_head)
        connection.setopt(pycurl.WRITEFUNCTION, flight.take)
        connection.setopt(pycurl.XFERINFOFUNCTION, flight.is_over)
        if body is None:
            connection.setopt(pycurl.HTTPGET, 1)
        else:
            connection.setopt(pycurl.POST, 1)
            connection.setopt(pycurl.POSTFIELDSIZE, len(body))
            # a body that can be read once only: otherwise libcurl would resend it after losing a kept connection
            connection.setopt(pycurl.READFUNCTION, io.BytesIO(body).read)
        self._flights[id(flight)] = flight
        try:
            status = _performed(connection, flight, loan)
        except _Failed as failed:
            failure = _failure(failed, flight, origin, total)
        else:
            return _reply(status, flight, loan, hash((url, query, body)))
        finally:
            self._flights.pop(id(flight), None)
        raise failure  # outside the handler, so that no library exception is chained

    def hurry(self, grace_s: float) -> None:
        """Requests in flight get at most `grace_s` more seconds, plus one until libcurl checks."""
        until = time.monotonic() + grace_s
        for flight in list(self._flights.values()):
            flight.until = until if flight.until is None else min(flight.until, until)

    def close(self) -> None:
        """Closes every idle connection, and those in use when they are returned; a later request opens new ones."""
        with self._lock:
            origins, self._origins, self._of_url = list(self._origins.values()), {}, {}
        for origin in origins:
            origin.close()

    def _origin(self, url: str) -> _Origin:
        parts = urlsplit(url)
        named = (parts.scheme, parts.netloc)
        with self._lock:
            found = self._origins.get(named)
            if found is None:
                found = _Origin(
                    parts.scheme, parts.hostname or "", parts.port, self._pool_size, self._connect_timeout_s
                )
                self._origins[named] = found
            self._of_url[url] = found
        return found


def _performed(connection: Any, flight: _Flight, origin: _Origin | _Loan) -> int:
    """The status of the response; raises `_Failed`. The connection is always returned.

    libcurl does not return for a signal, and an exception of a signal handler would be lost in one of its callbacks. So
    the main thread has another thread do the work, and waits where signals are delivered.
    """
    if threading.current_thread() is not threading.main_thread():
        return _perform(connection, origin)
    outcome: list[Any] = []
    # A bare lock, and a thread started without waiting for it: a signal handler's exception within Event.wait or
    # Thread.start may end in a RuntimeError of a lock that is not held.
    until_done = threading.Lock()
    until_done.acquire()

    def work() -> None:
        try:
            outcome.append(_perform(connection, origin))
        except BaseException as error:
            outcome.append(error)
        finally:
            until_done.release()

    is_begun = False
    try:
        _thread.start_new_thread(work, ())
        is_begun = True
        until_done.acquire()
    except BaseException as error:
        if isinstance(error, RuntimeError) and not is_begun:  # the interpreter is ending, and starts no more threads
            return _perform(connection, origin)
        flight.until = 0.0
        raise
    if isinstance(outcome[0], BaseException):
        raise outcome[0]
    status: int = outcome[0]
    return status


def _perform(connection: Any, origin: _Origin | _Loan) -> int:
    is_sound = False
    try:
        connection.perform()
        is_sound = True
        return int(connection.getinfo(pycurl.RESPONSE_CODE))
    except pycurl.error as error:
        failed = _Failed(int(error.args[0]), connection)
    finally:
        origin.give_back(connection, is_sound=is_sound)
    raise failed


def _reply(status: int, flight: _Flight, loan: _Loan, request: int) -> Reply:
    """The reply to a request, which is identified by its hash."""
    headers = flight.headers()
    content = flight.pieces[0] if len(flight.pieces) == 1 else b"".join(flight.pieces)
    coding = headers.get("content-encoding", "").lower()
    if coding not in ("", "identity"):
        try:
            if coding not in _READABLE_CODINGS:
                raise MalformedAnswer(f"the response is compressed as {coding[:30]!r}, which was not requested")
            content = _inflated(content, flight.limit)
        except ECGridError:
            loan.release(is_sound=False)
            raise
    connection = loan.connection
    is_kept = connection.getinfo(pycurl.NUM_CONNECTS) == 0
    if not is_kept:
        connection.replies = {}
    body = hash(content)
    is_repeat = connection.replies.get(body, request) != request
    connection.replies[body] = request
    if len(connection.replies) > _REMEMBERED:
        del connection.replies[next(iter(connection.replies))]
    return Reply(status, headers.get("content-type", ""), headers.get("retry-after"), content, is_kept, is_repeat, loan)


def _inflated(content: bytes, limit: int) -> bytes:
    inflate = zlib.decompressobj(wbits=zlib.MAX_WBITS | 32)
    try:
        made = inflate.decompress(content, limit + 1)
    except zlib.error:
        raise MalformedAnswer("the compressed response is damaged") from None
    if len(made) > limit:
        raise AnswerTooLarge(f"the response is over the limit of {limit:,} bytes once decompressed")
    if not inflate.eof:
        raise MalformedAnswer("the compressed response is cut off")
    return made


def _over_time(total: float) -> ServiceUnreachable:
    return ServiceUnreachable(f"no whole response within {total:g} s")


def _failure(failed: _Failed, flight: _Flight, origin: _Origin, total: float) -> ECGridError:
    """The error of libcurl's number. Its text is not passed on: it may hold the address with its SessionID."""
    host, cause = origin.shown, os.strerror(failed.errno) if failed.errno else f"curl error {failed.code}"
    if flight.received > flight.limit or failed.code == pycurl.E_FILESIZE_EXCEEDED:
        return AnswerTooLarge(f"the response is over the limit of {flight.limit:,} bytes")
    if origin.proxy and (failed.code in _PROXY or failed.proxy_error or failed.proxy_status not in (0, 200)):
        refused = f"status {failed.proxy_status}" if failed.proxy_status not in (0, 200) else cause
        return ServiceUnreachable(f"the proxy refuses the connection to {host} ({refused})", may_have_run=False)
    if failed.code in (pycurl.E_OPERATION_TIMEDOUT, pycurl.E_ABORTED_BY_CALLBACK):
        if failed.was_connected or failed.code == pycurl.E_ABORTED_BY_CALLBACK:
            return _over_time(total)
        return ServiceUnreachable(f"no connection to {host} in time", may_have_run=False)
    make = _FAILURES.get(failed.code)
    if make is not None:
        return make(host, cause)
    return ServiceUnreachable(f"no response from {host} ({cause})", may_have_run=failed.was_connected)


def _cut_off(_host: str, _cause: str) -> ECGridError:
    return MalformedAnswer("the response is cut off")


def _no_address(host: str, _cause: str) -> ECGridError:
    return ServiceUnreachable(f"no address found for {host}", may_have_run=False)


def _no_connection(host: str, cause: str) -> ECGridError:
    return ServiceUnreachable(f"no connection to {host} ({cause})", may_have_run=False)


def _no_trust(host: str, _cause: str) -> ECGridError:
    why = "its certificate is not signed by a known authority, has expired, or is another host's"
    return ServiceUnreachable(f"no trusted connection to {host} ({why})", should_retry=False, may_have_run=False)


def _no_tls(host: str, cause: str) -> ECGridError:
    return ServiceUnreachable(f"no trusted connection to {host} ({cause})", may_have_run=False)


def _lost(host: str, cause: str) -> ECGridError:
    return ServiceUnreachable(f"the connection to {host} was lost ({cause})")


_PROXY = (pycurl.E_COULDNT_RESOLVE_PROXY, 97)  # 97 is CURLE_PROXY
_FAILURES: dict[int, Callable[[str, str], ECGridError]] = {
    pycurl.E_COULDNT_RESOLVE_HOST: _no_address,
    pycurl.E_COULDNT_CONNECT: _no_connection,
    pycurl.E_PEER_FAILED_VERIFICATION: _no_trust,
    pycurl.E_SSL_CONNECT_ERROR: _no_tls,
    pycurl.E_PARTIAL_FILE: _cut_off,
    pycurl.E_GOT_NOTHING: _lost,
    pycurl.E_SEND_ERROR: _lost,
    pycurl.E_RECV_ERROR: _lost,
    pycurl.E_SEND_FAIL_REWIND: _lost,
}
