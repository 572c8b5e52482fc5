"""HTTP: one request out, one answer in, bounded in time and size. Knows nothing of SOAP.

TLS is verified (certifi's authorities, and those of SSL_CERT_FILE where a company has its own); proxies come from the
environment, never for loopback; no redirect is followed. Connect and read time-outs are urllib3's; the total deadline
is kept by a watchman thread, which shuts the socket of a call that is over its time: a server that sends one byte now
and then would outlive any read time-out.
"""

import os
import queue
import socket
import ssl
import threading
import time
import urllib.request
import zlib
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from http.client import HTTPException
from http.client import IncompleteRead as HTTPIncompleteRead
from importlib.metadata import PackageNotFoundError, version
from typing import Any
from urllib.parse import unquote, urlsplit

import certifi
import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import (
    ConnectTimeoutError,
    HTTPError,
    IncompleteRead,
    InvalidChunkLength,
    NameResolutionError,
    NewConnectionError,
    ProtocolError,
    ProxyError,
    ReadTimeoutError,
    SSLError,
)

from ecgrid_client.endpoints import is_loopback
from ecgrid_client.errors import (
    AnswerTooLarge,
    ECGridError,
    MalformedAnswer,
    ServiceUnreachable,
    SettingsError,
)
from ecgrid_client.masking import MASKER, mask_library_logs

_PIECE = 1 << 18
_TICK_S = 0.1
_ONCE = urllib3.Retry.from_int(False)  # repeating is the client's, and failures come as they are


def user_agent() -> str:
    """`ecgrid-billing/<version>`, so that the service's people can see who asks."""
    try:
        return f"ecgrid-billing/{version('ecgrid-billing')}"
    except PackageNotFoundError:
        return "ecgrid-billing"


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back, whatever its status."""

    status: int
    content_type: str
    retry_after: str | None
    body: bytes


class _Flight:
    """One request under way, as the watchman sees it."""

    __slots__ = ("connection", "deadline", "expired")

    def __init__(self, deadline: float) -> None:
        self.deadline = deadline
        self.connection: Any = None
        self.expired = False


_here = threading.local()


def _board(connection: Any) -> None:
    flight: _Flight | None = getattr(_here, "flight", None)
    if flight is not None:
        flight.connection = connection


class _Boarding:
    """What both kinds of connection add: the watchman knows them, and a request goes out in one piece.

    http.client sends head and body apart, which costs one more system call and, with the pauses of TCP, sometimes
    a good deal of time.
    """

    _held: list[bytes] | None = None

    def connect(self) -> None:
        _board(self)
        super().connect()  # type: ignore[misc] # of the connection that this is mixed into

    def request(self, *args: Any, **kwargs: Any) -> None:
        _board(self)
        self._held = []
        try:
            super().request(*args, **kwargs)  # type: ignore[misc]
            request = b"".join(self._held)
        finally:
            self._held = None
        self.send(request)

    def send(self, data: Any) -> None:
        if self._held is None:
            super().send(data)  # type: ignore[misc]
        else:
            self._held.append(data)


class _PlainConnection(_Boarding, HTTPConnection):
    pass


class _TLSConnection(_Boarding, HTTPSConnection):
    pass


class _Queue(queue.LifoQueue[Any]):
    """Idle connections. A signal handler that closes the client may find its own thread inside; the lock lets it in."""

    def __init__(self, maxsize: int = 0) -> None:
        super().__init__(maxsize)
        self.mutex = threading.RLock()  # type: ignore[assignment] # the conditions below take either kind
        self.not_empty = threading.Condition(self.mutex)
        self.not_full = threading.Condition(self.mutex)
        self.all_tasks_done = threading.Condition(self.mutex)


class _PlainPool(urllib3.HTTPConnectionPool):
    ConnectionCls = _PlainConnection
    QueueCls = _Queue


class _TLSPool(urllib3.HTTPSConnectionPool):
    ConnectionCls = _TLSConnection
    QueueCls = _Queue


class _Watchman:
    """A thread that ends the requests whose time is over. It sleeps while there are none."""

    def __init__(self) -> None:
        self._flights: dict[int, _Flight] = {}
        self._lock = threading.Lock()
        self._work = threading.Event()
        self._closed = False
        self._thread: threading.Thread | None = None

    def take_off(self, flight: _Flight) -> None:
        self._flights[id(flight)] = flight
        if not self._work.is_set():
            if self._thread is None:
                self._start()
            self._work.set()

    def land(self, flight: _Flight) -> None:
        self._flights.pop(id(flight), None)

    def shorten(self, deadline: float) -> None:
        """No request under way lives longer than `deadline`."""
        for flight in list(self._flights.values()):
            flight.deadline = min(flight.deadline, deadline)

    def close(self) -> None:
        self._closed = True
        self._work.set()

    def _start(self) -> None:
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._watch, name="ecgrid-deadlines", daemon=True)
                self._thread.start()

    def _watch(self) -> None:
        while not self._closed:
            self._work.wait()
            if not self._flights:
                self._work.clear()
                if self._flights:  # one took off just before the flag fell, and found it still up
                    self._work.set()
                continue
            now = time.monotonic()
            for flight in list(self._flights.values()):
                if now >= flight.deadline and not flight.expired:
                    self._end(flight)
            time.sleep(_TICK_S)

    def _end(self, flight: _Flight) -> None:
        flight.expired = True
        connection = flight.connection
        if any(other.connection is connection and other is not flight for other in list(self._flights.values())):
            return  # the call was done just now, and its connection already serves the next
        raw = getattr(connection, "sock", None)
        if isinstance(raw, socket.socket):
            with suppress(OSError):  # it may be gone already
                # the plain socket's method: that of an SSLSocket would go on reading unencrypted
                socket.socket.shutdown(raw, socket.SHUT_RDWR)


def _tls_context() -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=certifi.where())
    own_file, own_dir = os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR")
    if own_file or own_dir:
        try:
            context.load_verify_locations(cafile=own_file or None, capath=own_dir or None)
        except (OSError, ssl.SSLError) as error:
            raise SettingsError(f"SSL_CERT_FILE or SSL_CERT_DIR cannot be read: {error}") from None
    return context


def _is_bypassed(host: str) -> bool:
    """Whether NO_PROXY names the host."""
    return bool(urllib.request.proxy_bypass_environment(host))  # type: ignore[attr-defined] # typeshed lacks it


def _proxy_for(scheme: str, host: str) -> str | None:
    if is_loopback(host) or _is_bypassed(host):
        return None
    proxies = urllib.request.getproxies_environment()
    return proxies.get(scheme) or proxies.get("all")


class Transport:
    """Keeps connections to the services and sends requests over them. Threads may share it."""

    def __init__(
        self, *, connect_timeout_s: float, call_timeout_s: float, max_answer_bytes: int, pool_size: int
    ) -> None:
        self._connect_timeout_s = connect_timeout_s
        self._call_timeout_s = call_timeout_s
        self._max_answer_bytes = max_answer_bytes
        self._pool_size = pool_size
        self._pools: dict[str, Any] = {}
        self._paths: dict[str, tuple[Any, str]] = {}
        self._managers: list[Any] = []
        self._lock = threading.RLock()
        self._watchman = _Watchman()
        self._headers = {"User-Agent": user_agent(), "Accept-Encoding": "gzip"}
        mask_library_logs()

    def __repr__(self) -> str:
        return f"Transport(pool_size={self._pool_size})"

    def send(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: bytes | None = None,
        *,
        query: str = "",
        timeout_s: float | None = None,
        max_bytes: int | None = None,
    ) -> Reply:
        """Sends one request. `url` is an address without query; `query` goes behind it and into no message.

        Raises `ServiceUnreachable`, `MalformedAnswer` (cut off), `AnswerTooLarge` or `SettingsError`.
        """
        pool, path = self._pool(url)
        total = min(self._call_timeout_s, timeout_s or self._call_timeout_s)
        limit = max_bytes or self._max_answer_bytes
        flight = _Flight(time.monotonic() + total)
        _here.flight = flight
        self._watchman.take_off(flight)
        failure: ECGridError
        try:
            response = pool.urlopen(
                method,
                f"{path}?{query}" if query else path,
                body=body,
                headers={**self._headers, **headers},
                retries=_ONCE,
                redirect=False,
                assert_same_host=False,
                timeout=urllib3.Timeout(connect=min(self._connect_timeout_s, total), read=total),
                preload_content=False,
                decode_content=False,
            )
            try:
                content = _content(response, limit)
            finally:
                if flight.expired:
                    response.close()
                response.release_conn()
            if not flight.expired:
                found = response.headers
                return Reply(response.status, found.get("Content-Type", ""), found.get("Retry-After"), content)
            failure = _over_time(total)
        except ECGridError as error:
            failure = _over_time(total) if flight.expired else error
        except (HTTPError, HTTPException, OSError, ValueError) as error:
            failure = _over_time(total) if flight.expired else _failure(error, urlsplit(url).netloc, total)
        finally:
            self._watchman.land(flight)
            _here.flight = None
        raise failure  # outside the handler: the library's exception may hold the address with its SessionID

    def hurry(self, grace_s: float) -> None:
        """Requests under way get `grace_s` more seconds at most."""
        self._watchman.shorten(time.monotonic() + grace_s)

    def close(self) -> None:
        """Closes every connection; a later request opens new ones."""
        with self._lock:
            managers, self._managers = self._managers, []
            self._pools, self._paths = {}, {}
        for manager in managers:
            manager.clear()
        self._watchman.close()
        self._watchman = _Watchman()

    def _pool(self, url: str) -> tuple[Any, str]:
        """The pool of the address's host, and the path behind it."""
        found = self._paths.get(url)
        if found is None:
            parts = urlsplit(url)
            origin = f"{parts.scheme}://{parts.netloc}"
            with self._lock:
                pool = self._pools.get(origin) or self._open_pool(parts.scheme, parts.hostname or "", parts.port)
                self._pools[origin] = pool
                found = self._paths[url] = (pool, parts.path or "/")
        return found

    def _open_pool(self, scheme: str, host: str, port: int | None) -> Any:
        if scheme != "https" and not (scheme == "http" and is_loopback(host)):
            raise SettingsError(f"plain http is refused except to loopback: {scheme}://{host}")
        # not "block": a logout at the end of the process finds the idle connections gone and has to open one
        options: dict[str, Any] = {"maxsize": self._pool_size}
        if scheme == "https":
            options["ssl_context"] = _tls_context()
        proxy = _proxy_for(scheme, host)
        manager = _proxy_manager(proxy, options) if proxy else urllib3.PoolManager(num_pools=4, **options)
        manager.pool_classes_by_scheme = {"http": _PlainPool, "https": _TLSPool}
        self._managers.append(manager)
        return manager.connection_from_host(host, port, scheme)


def _proxy_manager(proxy: str, options: dict[str, Any]) -> Any:
    parts = urlsplit(proxy if "://" in proxy else f"http://{proxy}")
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise SettingsError("the proxy of HTTPS_PROXY is no http or https address; SOCKS is not supported")
    headers = None
    if parts.username:
        MASKER.learn(unquote(parts.password or ""))
        headers = urllib3.make_headers(proxy_basic_auth=f"{unquote(parts.username)}:{unquote(parts.password or '')}")
    port = f":{parts.port}" if parts.port else ""
    return urllib3.ProxyManager(f"{parts.scheme}://{parts.hostname}{port}", proxy_headers=headers, **options)


def _content(response: Any, limit: int) -> bytes:
    """The whole body, decompressed, never more than `limit` bytes of it in either form."""
    declared = response.headers.get("Content-Length", "")
    if declared.isdigit() and int(declared) > limit:
        response.close()
        raise AnswerTooLarge(f"the answer has {int(declared):,} bytes, over the limit of {limit:,}")
    coding = response.headers.get("Content-Encoding", "").strip().lower()
    if coding in ("", "identity"):
        pieces: list[bytes] = []
        received = 0
        while piece := response.read(_PIECE):
            received += len(piece)
            if received > limit:
                response.close()
                raise AnswerTooLarge(f"the answer is over the limit of {limit:,} bytes")
            pieces.append(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)
    if coding not in ("gzip", "x-gzip", "deflate"):
        response.close()
        raise MalformedAnswer(f"the answer is compressed as {coding[:30]!r}, which was not asked for")
    return _inflated(response, limit)


def _inflated(response: Any, limit: int) -> bytes:
    inflate = zlib.decompressobj(wbits=zlib.MAX_WBITS | 32)
    pieces: list[bytes] = []
    received = 0
    try:
        while piece := response.read(_PIECE):
            while piece:
                out = inflate.decompress(piece, limit - received + 1)
                received += len(out)
                if received > limit:
                    response.close()
                    raise AnswerTooLarge(f"the answer swells to over the limit of {limit:,} bytes once decompressed")
                pieces.append(out)
                piece = inflate.unconsumed_tail
        pieces.append(inflate.flush())
    except zlib.error:
        response.close()
        raise MalformedAnswer("the compressed answer is damaged") from None
    if not inflate.eof:
        raise MalformedAnswer("the compressed answer is cut off")
    return b"".join(pieces)


def _over_time(total: float) -> ServiceUnreachable:
    return ServiceUnreachable(f"no whole answer within {total:g} s")


def _failure(error: Exception, host: str, total: float) -> ECGridError:
    """What a library's exception means. Its text is not passed on: it may hold the address with its SessionID."""
    for kind, make in _FAILURES:
        if isinstance(error, kind):
            return make(error, host, total)
    return ServiceUnreachable(f"no answer from {host}: {type(error).__name__}")


def _cause(error: BaseException) -> str:
    """The system's word for a failed connection, without addresses of ours."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, ssl.SSLCertVerificationError):
            return f"certificate: {seen.verify_message}"
        if isinstance(seen, OSError) and seen.strerror:
            return seen.strerror
        inner = seen.args[-1] if seen.args and isinstance(seen.args[-1], BaseException) else None
        seen = inner or seen.__cause__ or seen.__context__
    return type(error).__name__


def _tls_failure(error: Exception, host: str, _total: float) -> ECGridError:
    cause = _cause(error)
    return ServiceUnreachable(
        f"no trusted connection to {host} ({cause})", should_retry="certificate" not in cause, may_have_run=False
    )


_Make = Callable[[Exception, str, float], ECGridError]
_FAILURES: tuple[tuple[tuple[type[Exception], ...], _Make], ...] = (
    (
        (ProxyError,),
        lambda error, host, total: ServiceUnreachable(
            f"the proxy gives no way to {host} ({_cause(error)})", may_have_run=False
        ),
    ),
    (
        (NameResolutionError,),
        lambda error, host, total: ServiceUnreachable(f"there is no address for {host}", may_have_run=False),
    ),
    (
        (NewConnectionError,),
        lambda error, host, total: ServiceUnreachable(f"no connection to {host} ({_cause(error)})", may_have_run=False),
    ),
    (
        (ConnectTimeoutError,),
        lambda error, host, total: ServiceUnreachable(f"no connection to {host} in time", may_have_run=False),
    ),
    ((SSLError, ssl.SSLError), _tls_failure),
    ((ReadTimeoutError, TimeoutError), lambda error, host, total: _over_time(total)),
    (
        (IncompleteRead, InvalidChunkLength),
        lambda error, host, total: MalformedAnswer("the answer is cut off"),
    ),
    (
        (ProtocolError,),
        lambda error, host, total: (
            MalformedAnswer("the answer is cut off")
            if isinstance(error.args[-1] if error.args else None, HTTPIncompleteRead)
            else ServiceUnreachable(f"the connection to {host} was lost ({_cause(error)})")
        ),
    ),
)
