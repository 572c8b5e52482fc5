"""A sandbox in a child process, so that it shares no interpreter lock with its caller.

The parent sends world and trouble through the child's stdin and then keeps the pipe open. The child ends when the pipe
closes or its parent has ended, so also when the parent was killed.
"""

import json
import os
import pickle
import struct
import subprocess
import sys
import threading
import time
from collections import Counter
from types import TracebackType
from typing import Any, Self

from ecgrid_sandbox.service.server import Addresses, Sandbox
from ecgrid_sandbox.service.trouble import Trouble
from ecgrid_sandbox.worlds import World

_LENGTH = struct.Struct(">Q")


class SpawnedSandbox(Addresses):
    """A running child. Same interface as `Sandbox`; counters are requested from the child."""

    def __init__(self, process: "subprocess.Popen[bytes]") -> None:
        self._process = process
        self._lock = threading.Lock()
        hello = self._read()
        self.port = hello["port"]
        self.login_name = hello["login_name"]
        self.password = hello["password"]

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def api_key(self) -> str:
        """The current API key of the same user."""
        return str(self._asked("state")["api_key"])

    @property
    def open_sessions(self) -> int:
        """Sessions that are open: neither logged out nor timed out."""
        return int(self._asked("state")["open_sessions"])

    @property
    def calls(self) -> "Counter[tuple[str, str]]":
        """Calls received so far, by (version, operation)."""
        return Counter({(version, name): count for version, name, count in self._asked("state")["calls"]})

    def restate(self) -> None:
        """Change the responses for some lines from now on (`World.restate`)."""
        self._asked("restate")

    def stop(self) -> None:
        """End the child; idempotent."""
        process = self._process
        for pipe in (process.stdin, process.stdout):
            if pipe is not None and not pipe.closed:
                pipe.close()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _asked(self, command: str) -> dict[str, Any]:
        with self._lock:
            assert self._process.stdin is not None
            self._process.stdin.write(command.encode() + b"\n")
            self._process.stdin.flush()
            return self._read()

    def _read(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            self.stop()
            raise RuntimeError(f"the sandbox's process ended with status {self._process.returncode}")
        answer: dict[str, Any] = json.loads(line)
        return answer


def spawn(
    world: World | None = None,
    trouble: Trouble | None = None,
    *,
    latency_ms: int | None = None,
    port: int = 0,
    auth_level: str = "NetOps",
) -> SpawnedSandbox:
    """A sandbox in a child process, listening when this returns; the shipped world if none is given."""
    options = (world or World.shipped(), trouble, latency_ms, port, auth_level)
    load = pickle.dumps(options)
    process = subprocess.Popen(
        [sys.executable, "-m", "ecgrid_sandbox"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdin is not None
    process.stdin.write(_LENGTH.pack(len(load)) + load)
    process.stdin.flush()
    return SpawnedSandbox(process)


def _end_with_parent(parent: int) -> None:
    """Ends this process once its parent has changed: a forked sibling may keep the pipe open after the parent's end."""
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(0)


def _obey(sandbox: Sandbox) -> None:
    """Executes commands, one per line, until stdin closes; then the process ends."""
    for line in sys.stdin.buffer:
        command = line.decode().strip()
        if command == "restate":
            sandbox.restate()
        _say(
            {
                "open_sessions": sandbox.open_sessions,
                "api_key": sandbox.api_key,
                "calls": [[version, name, count] for (version, name), count in sandbox.calls.items()],
            }
        )
    os._exit(0)


def _say(answer: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


def main() -> None:
    """The child's entry point: reads the world from stdin, writes addresses to stdout, then serves."""
    parent = os.getppid()
    (size,) = _LENGTH.unpack(sys.stdin.buffer.read(_LENGTH.size))
    world, trouble, latency_ms, port, auth_level = pickle.loads(sys.stdin.buffer.read(size))  # noqa: S301 - from our parent's own pipe
    sandbox = Sandbox(world, trouble, latency_ms=latency_ms, port=port, auth_level=auth_level)

    def ready() -> None:
        _say({"port": sandbox.port, "login_name": sandbox.login_name, "password": sandbox.password})
        threading.Thread(target=_obey, args=(sandbox,), daemon=True).start()
        threading.Thread(target=_end_with_parent, args=(parent,), daemon=True).start()

    sandbox.serve(ready)
