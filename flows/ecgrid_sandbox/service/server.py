"""The sandbox on a port: an ASMX-like web service in a thread of this process, or in a child process.

    with Sandbox(World.shipped()) as sandbox:
        client = ECGridClient(Endpoints(sandbox.v2_url, sandbox.v3_url, sandbox.v4_url), ...)

It listens on loopback only, its credentials are made up anew each time, and all its data are invented.
"""

import asyncio
import contextlib
import email.utils
import re
import signal
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs

import uvicorn
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.types import Receive, Scope, Send

from ecgrid_sandbox.service import datasets, envelope, pages
from ecgrid_sandbox.service.envelope import Binding, Fault
from ecgrid_sandbox.service.habits import Habits
from ecgrid_sandbox.service.operations import Call, Operations
from ecgrid_sandbox.service.sessions import LEVELS, Sessions, User
from ecgrid_sandbox.service.shapes import PATHS, VERSIONS, shape
from ecgrid_sandbox.service.trouble import Fate, Fates, Mishap, OddAnswers, Trouble
from ecgrid_sandbox.service.wsdl import wsdl
from ecgrid_sandbox.worlds import World

#: Cached responses of InvoiceCalculateLineItem; the cache is cleared when it is full.
_ANSWERS_KEPT = 20_000
_HOT = "InvoiceCalculateLineItem"
_MAX_REQUEST = 4 << 20

_UNAVAILABLE = (
    b'<!DOCTYPE HTML PUBLIC "-//W3C//DTD HTML 4.01//EN""http://www.w3.org/TR/html4/strict.dtd">\r\n'
    b"<HTML><HEAD><TITLE>Service Unavailable</TITLE>\r\n"
    b'<META HTTP-EQUIV="Content-Type" Content="text/html; charset=us-ascii"></HEAD>\r\n'
    b"<BODY><h2>Service Unavailable</h2>\r\n<hr><p>HTTP Error 503. The service is unavailable.</p>\r\n"
    b"</BODY></HTML>\r\n"
)
#: Statuses to which HTTP allows no body.
_BODILESS = (204, 304)
_PAGE = b"<html><head><title>Proxy</title></head><body><p>%s</p></body></html>"


@dataclass(frozen=True, slots=True)
class Reply:
    """An HTTP response."""

    status: int
    content_type: str
    body: bytes
    cache_control: str | None = "private, max-age=0"
    more: tuple[tuple[str, str], ...] = ()
    clock_off_s: int = 0


class Service:
    """The ASGI application: finds the version, binding and operation of a request and responds."""

    def __init__(self, world: World, operations: Operations, trouble: Trouble) -> None:
        self.world = world
        self.operations = operations
        self.trouble = trouble
        self.calls: Counter[tuple[str, str]] = Counter()
        self._fates = Fates(trouble)
        self._odd = OddAnswers(trouble)
        self._versions = {path.lower(): version for version, path in PATHS.items()}
        self._shapes = {version: shape(version, trouble.drift) for version in VERSIONS}
        self._answers: dict[tuple[str, ...], Reply] = {}
        #: The last response over each connection, by the caller's address.
        self._last: dict[object, Reply] = {}

    def forget_answers(self) -> None:
        self._answers.clear()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        body = await _body(receive) if scope["method"] == "POST" else b""
        if body is None:
            await _send(send, Reply(413, envelope.PLAIN_TYPE, b"Request Entity Too Large\n"))
            return
        path: str = scope["path"]
        version, operation = self._place(path)
        if version is None:
            await _send(send, Reply(404, "text/html; charset=utf-8", pages.not_found(path)))
            return
        query = parse_qs(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        if operation is None and scope["method"] == "GET":
            await _send(send, self._page(version, scope, query))
            return
        fate = self._fates.draw(operation or _soap_operation(scope, body))
        if fate.page_status is not None:
            page = b"" if self.trouble.page_is_empty or fate.page_status in _BODILESS else _PAGE % b"Sign in"
            await self._say(send, receive, scope, Reply(fate.page_status, "text/html; charset=utf-8", page, None))
            return
        if fate.delay_s:
            await asyncio.sleep(fate.delay_s)
        if fate.drop == "before":
            await _drop(receive)
            return
        if fate.mishap and fate.mishap not in ("cut", "sql_error"):
            self.calls[version, operation or "?"] += 1
            await self._say(send, receive, scope, _mishap(fate.mishap))
            return
        reply = self._answered(version, operation, scope, query, body, fate)
        if fate.drop == "after":
            await _drop(receive)
        elif fate.mishap == "cut":
            await _send_cut(send, receive, reply)
        else:
            await self._say(send, receive, scope, reply)

    async def _say(self, send: Send, receive: Receive, scope: Scope, reply: Reply) -> None:
        """Send a reply; late or twice, if that is the simulated trouble."""
        trouble = self.trouble
        reply = replace(reply, clock_off_s=trouble.clock_off_s)
        if trouble.is_late:
            reply, self._last[scope.get("client")] = self._last.get(scope.get("client"), reply), reply
        await _send(send, reply)
        if trouble.doubled_after_ms is not None:
            asyncio.get_running_loop().call_later(trouble.doubled_after_ms / 1000, _send_again, receive, reply)

    def _place(self, path: str) -> tuple[str | None, str | None]:
        """Version and operation of a path, in any case; no operation at the service's own address."""
        lowered = path.lower().rstrip("/")
        version = self._versions.get(lowered)
        if version is not None:
            return version, None
        head, _, tail = lowered.rpartition("/")
        version = self._versions.get(head)
        if version is None:
            return None, None
        names = self._shapes[version].operations
        return version, next((name for name in names if name.lower() == tail), path.rsplit("/", 1)[1])

    def _page(self, version: str, scope: Scope, query: Mapping[str, list[str]]) -> Reply:
        host = _header(scope, b"host") or "127.0.0.1"
        lowered = {name.lower(): values[0] for name, values in query.items()}
        address = f"http://{host}{PATHS[version]}"
        if "wsdl" in lowered:
            return Reply(200, envelope.XML_TYPE, wsdl(version, self.trouble.drift, address))
        page = pages.page(self._shapes[version], host, lowered.get("op"))
        if page is None:
            return Reply(404, "text/html; charset=utf-8", pages.not_found(f"?op={lowered.get('op')}"))
        return Reply(200, "text/html; charset=utf-8", page)

    def _answered(
        self,
        version: str,
        operation: str | None,
        scope: Scope,
        query: Mapping[str, list[str]],
        body: bytes,
        fate: Fate,
    ) -> Reply:
        binding: Binding = "soap11"
        try:
            if operation is None:
                content_type = _header(scope, b"content-type")
                if content_type.lower().startswith("application/soap+xml"):
                    binding = "soap12"
                elif not content_type.lower().startswith("text/xml"):
                    return Reply(415, envelope.PLAIN_TYPE, b"Unsupported Media Type\n")
                operation, given = envelope.read_soap(body, self._shapes[version].namespace)
            else:
                binding = "get" if scope["method"] == "GET" else "post"
                if binding == "post":
                    query = parse_qs(body.decode("utf-8", "replace"), keep_blank_values=True)
                given = {name: values[0] for name, values in query.items()}
                _refuse_markup(given)
            return self._called(version, operation, given, binding, scope, fate)
        except Fault as error:
            return self._fault(binding, error)

    def _called(
        self, version: str, name: str, given: Mapping[str, str], binding: Binding, scope: Scope, fate: Fate
    ) -> Reply:
        interface = self._shapes[version]
        self.calls[version, name] += 1
        if name not in interface.operations:
            if binding in ("get", "post"):
                raise Fault(f"{name} Web Service method name is not valid.", cache_control="private")
            raise Fault(
                f"Server did not recognize the value of HTTP Header SOAPAction: {interface.namespace}{name}.",
                cache_control="private",
            )
        if fate.mishap == "sql_error":
            raise Fault("SQL Error: a transaction was deadlocked and chosen as the victim.", "SQLError")
        operation = interface.operations[name]
        arguments = envelope.checked(interface, operation, given, binding)
        client = scope.get("client") or ("127.0.0.1", 0)
        call = Call(interface, binding, name, arguments, client[0])
        self.operations.admit(call)
        return self._hot(call) if name == _HOT and not self._odd.concern(name) else self._rendered(call)

    def _rendered(self, call: Call) -> Reply:
        interface, operation = call.shape, call.shape.operations[call.operation]
        result = self.operations.result(call)
        code = None if result is None else self._odd.fault(call.operation)
        if code is not None:
            raise Fault(f"{code} in {call.operation}", code)
        if result is None:
            tree = None
        elif operation.result == "DataSet":
            tree = envelope.Node("result", children=datasets.nodes(result))
        else:
            tree = envelope.node(interface, "result", operation.result, result)
        if tree is not None:
            self._odd.alter(call.operation, tree)
        body = envelope.answer(interface, operation, call.binding, tree)
        return Reply(200, envelope.content_type(call.binding), body)

    def _hot(self, call: Call) -> Reply:
        """InvoiceCalculateLineItem: its responses to NetOps depend on world and arguments alone, so they are cached."""
        if not call.caller.at_least("NetOps"):
            return self._rendered(call)
        key = (call.binding, *(value for name, value in call.arguments.items() if name != "SessionID"))
        reply = self._answers.get(key)
        if reply is None:
            try:
                reply = self._rendered(call)
            except Fault as error:
                reply = self._fault(call.binding, error)
            if len(self._answers) >= _ANSWERS_KEPT:
                self._answers.clear()
            self._answers[key] = reply
        return reply

    def _fault(self, binding: Binding, error: Fault) -> Reply:
        kind = envelope.PLAIN_TYPE if binding in ("get", "post") else envelope.content_type(binding)
        body = envelope.fault(binding, error, self.trouble.detail)
        return Reply(500, kind, body, cache_control=error.cache_control)


def _refuse_markup(given: Mapping[str, str]) -> None:
    """ASP.NET's request validation: `<` followed by a letter is refused, and the value echoed (facts 8)."""
    for name, value in given.items():
        place = value.find("<")
        while place >= 0:
            if value[place + 1 : place + 2].isalpha() or value[place + 1 : place + 2] in ("!", "/", "?"):
                raise Fault(
                    f'A potentially dangerous Request.Form value was detected from the client ({name}="{value[:60]}").',
                    cache_control="private",
                )
            place = value.find("<", place + 1)


def _soap_operation(scope: Scope, body: bytes) -> str:
    """The operation that a SOAP request names, found without parsing the XML; empty where it names none."""
    action = _header(scope, b"soapaction").strip('"').rpartition("/")[2]
    if action:
        return action
    start = body.partition(b"Body>")[2].lstrip()[1:200]
    return re.split(rb"[\s/>]", start, maxsplit=1)[0].rpartition(b":")[2].decode("latin-1")


def _header(scope: Scope, name: bytes) -> str:
    return next((value.decode("latin-1") for key, value in scope["headers"] if key == name), "")


async def _body(receive: Receive) -> bytes | None:
    """The request's body; None when it is too large."""
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return b"".join(parts)
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > _MAX_REQUEST:
            return None
        if not message.get("more_body", False):
            return b"".join(parts)


_dates: tuple[int, str] = (0, "")


def _date(off_s: int) -> str:
    global _dates
    now = int(time.time()) + off_s
    if _dates[0] != now:
        _dates = (now, email.utils.formatdate(now, usegmt=True))
    return _dates[1]


def _headers(reply: Reply, length: int) -> list[tuple[bytes, bytes]]:
    """Headers as in the wire samples, in their order; a 503 comes from before ASP.NET."""
    made: list[tuple[str, str]] = []
    if reply.cache_control is not None:
        made += [("X-AspNet-Version", "4.0.30319"), ("Cache-Control", reply.cache_control)]
    made += [("Content-Type", reply.content_type), *reply.more]
    made += [("Server", "Mono-ASMX"), ("Date", _date(reply.clock_off_s)), ("Content-Length", str(length))]
    if reply.status in (502, 503):
        made.append(("Connection", "close"))
    return [(name.encode("latin-1"), value.encode("latin-1")) for name, value in made]


async def _send(send: Send, reply: Reply) -> None:
    await send({"type": "http.response.start", "status": reply.status, "headers": _headers(reply, len(reply.body))})
    await send({"type": "http.response.body", "body": reply.body})


def _send_again(receive: Receive, reply: Reply) -> None:
    """The same reply again over its connection, if that is still open, without a request."""
    transport = _transport(receive)
    if not transport.is_closing():
        head = b"".join(b"%b: %b\r\n" % header for header in _headers(reply, len(reply.body)))
        transport.write(b"HTTP/1.1 %d \r\n%b\r\n%b" % (reply.status, head, reply.body))


async def _send_cut(send: Send, receive: Receive, reply: Reply) -> None:
    """Half of a response whose whole length was announced, then the end of the connection."""
    await send({"type": "http.response.start", "status": reply.status, "headers": _headers(reply, len(reply.body))})
    await send({"type": "http.response.body", "body": reply.body[: len(reply.body) // 2], "more_body": True})
    await _drop(receive)


def _transport(receive: Receive) -> Any:
    """The connection of a request: uvicorn keeps it on the object that `receive` belongs to."""
    transport = getattr(getattr(receive, "__self__", None), "transport", None)
    if transport is None:
        raise ConnectionAbortedError("the server gives no access to the connection")
    return transport


async def _drop(receive: Receive) -> None:
    """Close the connection without sending another byte."""
    _transport(receive).close()
    with contextlib.suppress(asyncio.TimeoutError):
        await asyncio.wait_for(receive(), timeout=1)


def _mishap(kind: Mishap) -> Reply:
    match kind:
        case "unavailable":
            return Reply(503, "text/html; charset=us-ascii", _UNAVAILABLE, None, (("Retry-After", "1"),))
        case "busy":
            return Reply(429, envelope.PLAIN_TYPE, b"Too Many Requests\n", more=(("Retry-After", "1"),))
        case "bad_gateway":
            return Reply(502, "text/html; charset=utf-8", _PAGE % b"Bad Gateway", None)
        case "html_200":
            return Reply(200, "text/html; charset=utf-8", _PAGE % b"Please wait<br>while we come back", None)
        case _:
            return Reply(500, "text/html; charset=utf-8", b"")


# -- running it -----------------------------------------------------------------------------------------------------


class Addresses:
    """Addresses and credentials of a running sandbox."""

    host = "127.0.0.1"
    port: int
    login_name: str
    password: str

    def url(self, version: str) -> str:
        return f"http://{self.host}:{self.port}{PATHS[version]}"

    @property
    def v2_url(self) -> str:
        return self.url("v2.3")

    @property
    def v3_url(self) -> str:
        return self.url("v3.2")

    @property
    def v4_url(self) -> str:
        return self.url("v4.1")

    def settings(self) -> dict[str, str]:
        """The settings that direct a run to this sandbox."""
        return {
            "ECGRID_V2_URL": self.v2_url,
            "ECGRID_V3_URL": self.v3_url,
            "ECGRID_V4_URL": self.v4_url,
            "ECGRID_LOGIN_NAME": self.login_name,
            "ECGRID_PASSWORD": self.password,
        }


class Sandbox(Addresses):
    """A sandbox in a thread of this process. `users` are the one that `settings` logs in and some with fewer rights."""

    def __init__(
        self,
        world: World,
        trouble: Trouble | None = None,
        *,
        latency_ms: int | None = None,
        port: int = 0,
        auth_level: str = "NetOps",
        habits: Habits | None = None,
    ) -> None:
        if auth_level not in LEVELS:
            raise ValueError(f"{auth_level!r} is not an authorisation level: choose one of {', '.join(LEVELS)}")
        self.world = world
        self.trouble = trouble or Trouble()
        if latency_ms is not None:
            self.trouble = replace(self.trouble, latency_ms=latency_ms)
        home = world.networks[0].network_id
        first_box = next((box.mailbox_id for box in world.mailboxes if box.network_id == home), 0)
        is_below = LEVELS.index(auth_level) > LEVELS.index("NetworkUser")
        self.users = [
            User(5001, "demo@localhost", "Aud", "Itør", auth_level, home, first_box if is_below else 0),
            User(5005, "network@localhost", "Nell", "Work", "NetworkAdmin", home),
            User(5006, "mailbox@localhost", "Max", "Box", "MailboxUser", home, first_box),
        ]
        self.sessions = Sessions(
            self.users,
            session_calls=self.trouble.session_calls,
            idle_s=self.trouble.session_idle_s,
        )
        self.service = Service(world, Operations(world, self.sessions, self.trouble, habits), self.trouble)
        # asyncio disables Nagle's algorithm only where the protocol is named; else each response waits 40 ms for an ACK
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._socket.bind((self.host, port))
        self.port = self._socket.getsockname()[1]
        self.login_name = self.users[0].login_name
        self.password = self.users[0].password
        config = uvicorn.Config(
            Starlette(routes=[Mount("/", app=self.service)]),
            lifespan="off",
            log_config=None,
            log_level="critical",
            access_log=False,
            server_header=False,
            date_header=False,
            ws="none",
            http="h11",
            loop="asyncio",
            timeout_keep_alive=120,
            timeout_graceful_shutdown=1,
            backlog=2048,
        )
        self._server = _Server(config)
        self._thread: threading.Thread | None = None

    @property
    def api_key(self) -> str:
        """The current API key of the same user."""
        return self.users[0].api_key

    @property
    def open_sessions(self) -> int:
        """Sessions that are open: neither logged out nor timed out."""
        return self.sessions.open_count

    @property
    def calls(self) -> "Counter[tuple[str, str]]":
        """Calls received so far, by (version, operation); pages and WSDLs are not calls."""
        return self.service.calls

    def restate(self) -> None:
        """Change the responses for some lines from now on (`World.restate`)."""
        self.world.restate()
        self.service.forget_answers()

    def serve(self, ready: Callable[[], None] | None = None) -> None:
        """Serve in this thread until `stop` is called from another, or a signal arrives."""
        self._server.ready = ready
        self._server.run(sockets=[self._socket])

    def serve_until_interrupted(self, ready: Callable[[], None] = lambda: None) -> None:
        """Serve in a thread while this one waits for Ctrl-C or SIGTERM; calls `ready` once connections are accepted."""
        stopped = threading.Event()
        previous = signal.signal(signal.SIGTERM, lambda number, frame: stopped.set())
        with self:
            ready()
            try:
                stopped.wait()
            except KeyboardInterrupt:
                pass
            finally:
                signal.signal(signal.SIGTERM, previous)

    def start(self) -> Self:
        """Serve in a new thread; returns once connections are accepted."""
        started = threading.Event()
        self._thread = threading.Thread(target=self.serve, args=(started.set,), name="ecgrid-sandbox", daemon=True)
        self._thread.start()
        if not started.wait(30):
            raise RuntimeError("the sandbox did not start within 30 s")
        return self

    def stop(self) -> None:
        """Stop serving; idempotent."""
        self._server.should_exit = True
        if self._thread is not None:
            self._thread.join(10)
            self._thread = None
        self._socket.close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


class _Server(uvicorn.Server):
    """uvicorn's server that signals when it listens and leaves this process's signal handlers unchanged."""

    ready: Callable[[], None] | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.ready is not None:
            self.ready()

    @contextlib.contextmanager
    def capture_signals(self) -> Any:
        yield
