"""A server over real HTTP that answers what a test tells it to, and keeps what it was asked."""

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from ecgrid_client import Credentials, ECGridClient, Endpoints, RetryPolicy

WIRE = Path(__file__).parents[1] / "wire"
HEADERS = json.loads((WIRE / "HEADERS.json").read_text(encoding="utf-8"))


@dataclass(frozen=True)
class Asked:
    """One request as it arrived."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def operation(self) -> str:
        action = self.headers.get("soapaction", "").strip('"').rpartition("/")[2]
        if action:
            return action
        if b"Body>" in self.body:
            start = self.body.split(b"Body>", 1)[1].split(b">", 1)[0]
            return start.split(b":")[-1 if b":" in start.split(b" ")[0] else 0].strip(b" <").split(b" ")[0].decode()
        return self.path.partition("?")[0].rpartition("/")[2]


@dataclass
class Told:
    """One answer to give."""

    body: bytes = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=lambda: {"Content-Type": "text/xml; charset=utf-8"})
    is_silent: bool = False
    drip_s: float = 0.0
    declared_length: int | None = None
    drop: bool = False
    chunked: bool = False


def wire(name: str) -> bytes:
    """A wire sample's body."""
    return (WIRE / name).read_bytes()


def told(name: str) -> Told:
    """A wire sample as an answer, with its own status and headers."""
    known = HEADERS[name]
    status = int(known["start"].split()[1])
    skipped = ("content-length", "date", "server", "connection")
    headers = {key: value for key, value in known["headers"] if key.lower() not in skipped}
    return Told(wire(name), status, headers)


def soap(operation: str, inner: str = "", namespace: str = "http://ecgridos.net/") -> Told:
    """A SOAP 1.1 answer of an operation whose result holds `inner`."""
    return Told(
        f'<?xml version="1.0" encoding="utf-8"?><soap:Envelope xmlns:soap="http://schemas.xmlsoap.org/soap/envelope/">'
        f'<soap:Body><{operation}Response xmlns="{namespace}"><{operation}Result>{inner}</{operation}Result>'
        f"</{operation}Response></soap:Body></soap:Envelope>".encode()
    )


def fault(words: str, code: str = "", status: int = 500, fault_code: str = "soap:Client") -> Told:
    """A SOAP 1.1 fault in the form of the wire samples."""
    detail = f"<ECGridOSSOAPErrorCode>{code}</ECGridOSSOAPErrorCode>" if code else ""
    return Told(
        f'<?xml version="1.0" encoding="utf-8"?><soap:Envelope xmlns:soap="http://schemas.xmlsoap.org/soap/envelope/">'
        f"<soap:Body><soap:Fault><faultcode>{fault_code}</faultcode><faultstring>{words}</faultstring>"
        f"<detail>{detail}</detail></soap:Fault></soap:Body></soap:Envelope>".encode(),
        status,
    )


class Server:
    """Answers by `script` (one after another, for all operations) or by `rules` (a function of what was asked)."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.script: list[Told] = []
        self.rules: Callable[[Asked], Told | None] = lambda asked: None
        #: What WhoAmI over SOAP 1.1 answers: that the session (or API key) is not known.
        self.who = fault("Invalid Session ID", "Authentication")
        self.sessions_opened = 0
        self.sessions_closed: list[str] = []
        #: What a silent answer waits for.
        self.is_closing = threading.Event()
        #: Closes each connection without a word when a request past so many comes over it.
        self.most_on_connection: int | None = None
        self._lock = threading.Lock()
        owner = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True
            served = 0

            def do_GET(self) -> None:
                self._serve()

            def do_POST(self) -> None:
                self._serve()

            def log_message(self, format: str, *args: object) -> None:
                pass

            def _serve(self) -> None:
                self.served += 1
                if owner.most_on_connection is not None and self.served > owner.most_on_connection:
                    self.close_connection = True
                    self.connection.close()
                    return
                length = int(self.headers.get("Content-Length") or 0)
                headers = {key.lower(): value for key, value in self.headers.items()}
                asked = Asked(self.command, self.path, headers, self.rfile.read(length))
                answer = owner.answer(asked)
                try:
                    self._answer(answer)
                except OSError:
                    self.close_connection = True

            def _answer(self, answer: Told) -> None:
                if answer.is_silent:
                    owner.is_closing.wait()
                    answer = Told(drop=True)
                if answer.drop:
                    self.close_connection = True
                    self.connection.close()
                    return
                self.send_response(answer.status)
                for name, value in answer.headers.items():
                    self.send_header(name, value)
                if answer.chunked:
                    self.send_header("Transfer-Encoding", "chunked")
                else:
                    declared = answer.declared_length if answer.declared_length is not None else len(answer.body)
                    self.send_header("Content-Length", str(declared))
                if answer.declared_length is not None:
                    self.send_header("Connection", "close")
                    self.close_connection = True
                self.end_headers()
                if answer.chunked:
                    self.wfile.write(f"{len(answer.body):x}\r\n".encode() + answer.body)
                    self.close_connection = True
                elif answer.drip_s:
                    for index in range(len(answer.body)):
                        self.wfile.write(answer.body[index : index + 1])
                        self.wfile.flush()
                        owner.is_closing.wait(answer.drip_s)
                else:
                    self.wfile.write(answer.body)

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()
        self.origin = f"http://127.0.0.1:{self._server.server_port}"

    def answer(self, asked: Asked) -> Told:
        with self._lock:
            self.asked.append(asked)
            ruled = self.rules(asked)
            if ruled is not None:
                return ruled
            if asked.operation == "Login":
                self.sessions_opened += 1
                return soap("Login", f"5E551011-0000-4000-8000-{self.sessions_opened:012d}")
            if asked.operation == "Logout" and b"Envelope" in asked.body:
                self.sessions_closed.append(asked.body.split(b"SessionID>")[1].split(b"<")[0].decode())
                return soap("Logout", "0")
            if asked.operation == "WhoAmI" and "soapaction" in asked.headers:
                return self.who
            return self.script.pop(0) if self.script else Told(b"not told what to say", 404, {})

    def operations(self) -> list[str]:
        """What was asked, without what sessions take: logins, logouts, and whether one is known."""
        return [asked.operation for asked in self.asked if asked.operation not in ("Login", "Logout", "WhoAmI")]

    def close(self) -> None:
        self.is_closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def endpoints(self) -> Endpoints:
        return Endpoints(
            f"{self.origin}/v2.3/prod/ecgridos.asmx",
            f"{self.origin}/v3.2/prod/ECGridOS.asmx",
            f"{self.origin}/v4.1/prod/ECGridOS.asmx",
        )

    def client(self, **options: object) -> ECGridClient:
        options = {
            "retry": RetryPolicy(max_attempts=3, first_wait_s=0.01, longest_wait_s=0.02),
            "connect_timeout_s": 600,
            "call_timeout_s": 600,
            **options,
        }
        credentials = options.pop("credentials", None) or Credentials("demo@localhost", "Corr3ct&Horse<9>")
        return ECGridClient(self.endpoints, credentials, **options)
