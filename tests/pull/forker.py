"""Pulls and commands in child processes that start at once: forked from a process with all imports and no threads.

As a script it is that process: it reads one job a line, forks, and says the child's pid; asked to wait for a pid it
says its status. `Forker` is the test's end of it.
"""

import importlib
import json
import os
import resource
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from ecgrid_flows.errors import BillingError
from ecgrid_flows.settings import Secret
from tests.support.commands import IMPORTED
from tests.support.disk import Disk

ROOT = Path(__file__).resolve().parents[2]
#: Calls in flight of a child.
CONCURRENCY = 4


class Forker:
    """Starts and awaits children. The sandbox is asked by API key, for a killed run closes no session."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", __name__], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def start(
        self, sandbox: Any, data_dir: Path, accounts_file: Path | None = None, file_limit: int | None = None
    ) -> int:
        """Begin a pull of the month in a child; gives its pid."""
        names = ("v2_url", "v3_url", "v4_url", "login_name", "password", "api_key")
        job = {
            "sandbox": {name: getattr(sandbox, name) for name in names},
            "data_dir": str(data_dir),
            "accounts_file": accounts_file and str(accounts_file),
            "file_limit": file_limit,
        }
        return self._ask(job)

    def command(self, words: list[str], environ: dict[str, str], **disk: Any) -> int:
        """Run a command in a child whose data directory is a `Disk` with these options; gives its status."""
        return self.wait(self._ask({"command": words, "environ": environ, "disk": disk}))

    def wait(self, pid: int) -> int:
        """The exit status of a child, negative for the signal that killed it."""
        return self._ask({"wait": pid})

    def close(self) -> None:
        self._process.communicate()

    def _ask(self, job: dict[str, Any]) -> int:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(job) + "\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())


def _pull(job: dict[str, Any]) -> int:
    """What a child does. The error's words go to the file `said` beside the data directory."""
    from .pulling import pulled

    data_dir = Path(job["data_dir"])
    if job["file_limit"] is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (job["file_limit"], job["file_limit"]))
    try:
        pulled(
            SimpleNamespace(**job["sandbox"]),
            data_dir,
            api_key=Secret(job["sandbox"]["api_key"]),
            accounts_file=job["accounts_file"] and Path(job["accounts_file"]),
            concurrency=CONCURRENCY,
        )
    except BillingError as error:
        data_dir.with_name("said").write_text(f"{type(error).__name__}: {error}")
        return int(error.status)
    return 0


def _command(job: dict[str, Any]) -> int:
    """What a child does: `main` of the command line over a `Disk`, whose operations are counted in $CHANGES_FILE.

    What it writes to stderr goes to the file $CHANGES_FILE.err.
    """
    from ecgrid_flows.cli import main

    os.environ.update(job["environ"])
    words, counted = job["command"], Path(job["environ"]["CHANGES_FILE"])
    disk = Disk(Path(words[words.index("--data-dir") + 1]), **job["disk"])
    sys.argv = ["ecgrid-billing", *words]
    for number, path in ((1, Path(os.devnull)), (2, counted.with_name(f"{counted.name}.err"))):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), number)
    disk.watch()
    status = 0
    try:
        main()
    except SystemExit as ended:
        status = int(ended.code or 0)
    disk.end()
    counted.write_text(str(disk.done))
    return status


def _serve() -> None:
    from ecgrid_flows.warehouse import sql_files

    for name in (*IMPORTED, "tests.pull.pulling", "ecgrid_flows.finance.export", "ecgrid_flows.finance.period_close"):
        importlib.import_module(name)  # so that no child has to

    sql_files.load_sql()
    for line in sys.stdin:
        job = json.loads(line)
        if "wait" in job:
            print(os.waitstatus_to_exitcode(os.waitpid(job["wait"], 0)[1]), flush=True)
            continue
        pid = os.fork()
        if pid == 0:
            os._exit(_command(job) if "command" in job else _pull(job))
        print(pid, flush=True)


if __name__ == "__main__":
    _serve()
