"""An S3 server for tests: moto over HTTP in a process of its own, and a proxy before it that makes trouble.

The proxy adds what a real storage has and moto has not (conditional writes that exclude each other), and what every
network has: refused requests, broken connections, torn answers, and answers lost after the request was done. Before
another server (`fronting`) it counts how many requests are in flight at once, and lets a test hold each (`before`).
"""

import http.client
import os
import random
import re
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from tests.support.waiting import until

BUCKET = "billing"
KINDS = ("refused", "busy", "dropped", "lost", "torn")
#: What `fail_at` can do beside these: fail that request and all later ones; end the client, before or after it is done.
LASTING = ("down", "killed", "done and killed")


class Storage:
    """One running server. `trouble` is the share of requests that fail; `requests` counts by method."""

    def __init__(self, target_port: int, seed: int = 1) -> None:
        self.trouble = 0.0
        self.latency_s = 0.0
        self.is_down = False
        self.ignores_conditions = False
        #: The number of a request since `count_from_here` (from 1), and how it fails: one of `KINDS` or `LASTING`.
        self.fail_at: tuple[int, str] | None = None
        self.kill: Callable[[], None] = lambda: None
        self.counted = 0
        self.requests: Counter[str] = Counter()
        self.failed: Counter[str] = Counter()
        self.bodies_sent = 0
        self.in_flight = self.peak = 0
        #: Called with the body of each request, on its own thread, before it is passed on.
        self.before: Callable[[bytes], None] = lambda data: None
        #: Called with each request's body and the status and body of its answer, just before a whole answer is sent.
        self.after: Callable[[bytes, int, bytes], None] = lambda data, status, body: None
        self.target_port = target_port
        self._random = random.Random(seed)
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)
        self._writes = threading.Lock()
        self.server = _Server(("127.0.0.1", 0), _handler(self))
        self.port: int = self.server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"

    def environment(self) -> dict[str, str]:
        """The AWS variables that lead to this server."""
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": "testing",
            "AWS_SECRET_ACCESS_KEY": "hidden-from-everyone",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        }

    def has_peak(self, peak: int) -> bool:
        """Wait until so many requests were in flight at once."""
        with self._changed:
            return self._changed.wait_for(lambda: self.peak >= peak)

    def count_from_here(self, fail_at: tuple[int, str] | None = None) -> None:
        """Number requests anew; one of them fails."""
        with self._lock:
            self.counted, self.fail_at = 0, fail_at

    def fate(self) -> str | None:
        """How the next request fails, or None."""
        with self._lock:
            self.counted += 1
            if self.is_down:
                return "dropped"
            if self.fail_at is not None:
                at, how = self.fail_at
                if how == "down":
                    return "dropped" if self.counted >= at else None
                return how if self.counted == at else None
            return self._random.choice(KINDS) if self._random.random() < self.trouble else None


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that hung up is no news."""


def _handler(storage: Storage) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _any(self) -> None:
            data = self._body()
            with storage._lock:
                storage.in_flight += 1
                storage.peak = max(storage.peak, storage.in_flight)
                storage._changed.notify_all()
            try:
                storage.before(data)
                self._pass_on(data)
            finally:
                with storage._lock:
                    storage.in_flight -= 1

        def _pass_on(self, data: bytes) -> None:
            storage.requests[self.command] += 1
            storage.bodies_sent += len(data)
            if storage.latency_s:
                time.sleep(storage.latency_s)
            fate = storage.fate()
            if fate:
                storage.failed[fate] += 1
            if fate in ("refused", "busy"):
                self._answer(500 if fate == "refused" else 503, {"Content-Type": "application/xml"}, _ERROR[fate])
                return
            if fate == "killed":
                storage.kill()
            if fate in ("dropped", "killed"):
                self._hang_up()
                return
            headers = {
                name.title(): value for name, value in self.headers.items() if name.lower() not in _NOT_PASSED_ON
            }
            is_conditional = "If-Match" in headers or "If-None-Match" in headers
            if storage.ignores_conditions and self.command == "PUT":
                headers.pop("If-Match", None)
                headers.pop("If-None-Match", None)
            if is_conditional and self.command != "GET":
                with storage._writes:  # moto looks and writes in two steps
                    status, answered, body = self._forward(data, headers)
            else:
                status, answered, body = self._forward(data, headers)
            if fate == "done and killed":
                storage.kill()
            if fate in ("lost", "done and killed") or (fate == "torn" and len(body) < 2):
                self._hang_up()
                return
            if fate != "torn":
                storage.after(data, status, body)
            self._answer(status, answered, body, torn=fate == "torn")

        do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = _any

        def _body(self) -> bytes:
            if "chunked" in self.headers.get("Transfer-Encoding", ""):
                data = b""
                while size := int(self.rfile.readline().split(b";")[0], 16):
                    data += self.rfile.read(size)
                    self.rfile.readline()
                while self.rfile.readline().strip():
                    pass
                return data
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))

        def _forward(self, data: bytes, headers: dict[str, str]) -> tuple[int, dict[str, str], bytes]:
            connection = http.client.HTTPConnection("127.0.0.1", storage.target_port)
            try:
                headers["Content-Length"] = str(len(data))
                connection.request(self.command, self.path, body=data, headers=headers)
                answer = connection.getresponse()
                return answer.status, dict(answer.getheaders()), answer.read()
            finally:
                connection.close()

        def _answer(self, status: int, headers: dict[str, str], body: bytes, torn: bool = False) -> None:
            self.send_response_only(status)
            names = {name.lower() for name in headers}
            for name, value in headers.items():
                if name.lower() not in {"content-length", "connection", "transfer-encoding"} or (
                    self.command == "HEAD" and name.lower() == "content-length"
                ):
                    self.send_header(name, value)
            if "date" not in names:
                self.send_header("Date", self.date_time_string())
            if self.command != "HEAD" or "content-length" not in names:
                self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body[: len(body) // 2] if torn else body)
            self.wfile.flush()
            if torn:
                self._hang_up()

        def _hang_up(self) -> None:
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)

        def log_message(self, *_: object) -> None:
            """Silent."""

    return Handler


_NOT_PASSED_ON = {"host", "connection", "content-length", "transfer-encoding", "expect"}
#: moto tells the service by the scope of the signature, which it does not check.
_SCOPE = "AWS4-HMAC-SHA256 Credential=testing/20200101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0"
_ERROR = {
    "refused": b"<Error><Code>InternalError</Code><Message>We encountered an internal error.</Message></Error>",
    "busy": b"<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>",
}


@contextmanager
def running(seed: int = 1) -> Iterator[Storage]:
    """A server with an empty bucket `BUCKET`."""
    with tempfile.NamedTemporaryFile("w+") as said:
        command = [sys.executable, "-W", "ignore", "-m", "moto.server", "-H", "127.0.0.1", "-p", "0"]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=said, cwd=Path("/"))
        port = until(lambda: _port(Path(said.name), process))
    try:
        made = http.client.HTTPConnection("127.0.0.1", port)
        made.request("PUT", f"/{BUCKET}", headers={"Authorization": _SCOPE})
        assert made.getresponse().status == 200
        made.close()
        with fronting(port, seed) as storage:
            yield storage
    finally:
        process.terminate()
        process.wait()


@contextmanager
def fronting(port: int, seed: int = 1) -> Iterator[Storage]:
    """The proxy before any HTTP server of this machine."""
    storage = Storage(port, seed)
    thread = threading.Thread(target=storage.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield storage
    finally:
        storage.server.shutdown()
        storage.server.server_close()
        thread.join()


def _port(said: Path, process: subprocess.Popen[bytes]) -> int | None:
    """The port that moto's server found for itself, once it listens there."""
    assert process.poll() is None, "moto's server did not start"
    found = re.search(r"Running on http://127\.0\.0\.1:(\d+)", said.read_text())
    return int(found[1]) if found else None
