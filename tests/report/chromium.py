"""A headless Chromium spoken to over its DevTools protocol: just what the page tests ask for."""

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any, Self

from websockets.sync.client import connect

from tests.support.waiting import until

NAMES = ("chromium", "chromium-browser", "google-chrome")
QUIET = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--remote-debugging-port=0",
)


def installed() -> str | None:
    """The path of a Chromium, or None."""
    return next((path for name in NAMES if (path := shutil.which(name))), None)


class Chromium:
    """One browser with one page; keeps what the page logged and what it asked the network for."""

    def __init__(self, profile: Path, width: int = 1200, height: int = 900) -> None:
        path = installed()
        assert path is not None
        self.requests: list[str] = []
        self.console: list[str] = []
        self.exceptions: list[str] = []
        self._number = 0
        self._is_loaded = False
        self._process = subprocess.Popen(
            [path, *QUIET, f"--user-data-dir={profile}", f"--window-size={width},{height}", "about:blank"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "HOME": str(profile)},
            start_new_session=True,
        )
        port = profile / "DevToolsActivePort"
        until(lambda: self._process.poll() is not None or (port.exists() and len(port.read_text().splitlines()) >= 2))
        assert self._process.poll() is None, "chromium ended at once"
        number, browser = port.read_text().splitlines()[:2]
        self._socket = connect(f"ws://127.0.0.1:{number}{browser}", max_size=None, proxy=None)
        self._session: str | None = None
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network", "Accessibility"):
            self.call(f"{domain}.enable")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._session = None
        try:
            self.call("Browser.close")
        finally:
            self._socket.close()
            self._process.wait()

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        """One command and its result; events that come meanwhile are kept."""
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        self._socket.send(json.dumps(message))
        while True:
            answer = json.loads(self._socket.recv())
            if answer.get("id") == self._number:
                assert "error" not in answer, f"{method}: {answer['error']}"
                result: dict[str, Any] = answer["result"]
                return result
            self._take(answer)

    def _take(self, event: dict[str, Any]) -> None:
        method, params = event.get("method"), event.get("params", {})
        if method == "Page.loadEventFired":
            self._is_loaded = True
        elif method == "Network.requestWillBeSent":
            self.requests.append(params["request"]["url"])
        elif method == "Runtime.consoleAPICalled" and params["type"] in ("error", "warning", "assert"):
            self.console.append(f"{params['type']}: {params['args']}")
        elif method == "Log.entryAdded" and params["entry"]["level"] in ("error", "warning"):
            self.console.append(f"{params['entry']['level']}: {params['entry']['text']}")
        elif method == "Runtime.exceptionThrown":
            self.exceptions.append(str(params["exceptionDetails"]))

    def load(self, page: Path) -> None:
        """Open a file and wait until it is loaded; its script need not run."""
        self._is_loaded = False
        self.call("Page.navigate", url=page.as_uri())
        while not self._is_loaded:
            self._take(json.loads(self._socket.recv()))

    def open(self, page: Path) -> None:
        """Open a file and wait until its charts are drawn."""
        self.load(page)
        until(lambda: self.exceptions or self.ask("document.documentElement?.dataset.charts") == "drawn")
        assert not self.exceptions, f"the charts were never drawn: {self.console}"

    def ask(self, expression: str) -> Any:
        """The value of a JavaScript expression in the page."""
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def press(self, key: str, code: int, text: str = "") -> None:
        """Press a key as a person does."""
        for kind in ("keyDown", "keyUp"):
            self.call(
                "Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=code,
                **({"text": text} if text and kind == "keyDown" else {}),
            )  # fmt: skip
