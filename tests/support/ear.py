"""A webhook on loopback that keeps what it is sent."""

import http.server
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

#: A secret in the webhook's path, as those of chats have.
TOKEN = "T0K3N5ECRET99"


class Ear:
    """`heard` are the documents posted to it; `status` is what it answers."""

    def __init__(self) -> None:
        ear = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                ear.heard.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                self.send_response(ear.status)
                self.end_headers()

            def log_message(self, *_: object) -> None: ...

        self.heard: list[dict[str, Any]] = []
        self.status = 204
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"json://127.0.0.1:{self.server.server_port}/hooks/{TOKEN}"

    @property
    def titles(self) -> list[str]:
        return [one["title"] for one in self.heard]


@contextmanager
def listening() -> Iterator[Ear]:
    ear = Ear()
    threading.Thread(target=ear.server.serve_forever, daemon=True).start()
    try:
        yield ear
    finally:
        ear.server.shutdown()
        ear.server.server_close()
