"""`ecgrid-billing` in processes that start at once: forked from one that has imported what commands need.

A command's own imports are 2 of its 3 CPU seconds, and the tests start a hundred. As a module this is that process: it
reads one job a line, forks, waits and writes the exit status. `Commands` is the test's end of it.
"""

import atexit
import gc
import importlib
import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
Command = Callable[..., "subprocess.CompletedProcess[str]"]
PROGRAM = Path(sys.executable).with_name("ecgrid-billing")
#: What a run imports. Not Prefect, which reads its settings from the environment while it is imported.
IMPORTED = (
    *("altair", "apprise", "cronsim", "duckdb", "jinja2", "lxml.etree", "markdown_it", "numpy", "pandas", "nbclient"),
    *("pyarrow.compute", "pyarrow.dataset", "pyarrow.parquet", "pycurl", "starlette.applications", "tenacity"),
    *("uvicorn", "vl_convert", "zeep", "ecgrid_client", "ecgrid_sandbox", "ecgrid_flows.cli"),
)


class Commands:
    """Runs commands one after the other."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self.environ = dict(environ)
        self._process: subprocess.Popen[str] | None = None

    def run(
        self, *arguments: str, env: Mapping[str, str] | None = None, cwd: Path | None = None
    ) -> "subprocess.CompletedProcess[str]":
        """`ecgrid-billing` with these arguments; `env` is added to the environment that the commands were given."""
        if self._process is None:
            self._process = subprocess.Popen(
                [sys.executable, "-m", __name__],
                cwd=ROOT,
                env={**self.environ, "OPENBLAS_NUM_THREADS": "1"},  # threads do not survive a fork
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with tempfile.NamedTemporaryFile() as out, tempfile.NamedTemporaryFile() as err:
            job = {
                "arguments": [str(PROGRAM), *arguments],
                "env": {**self.environ, **(env or {})},
                "cwd": str(cwd or Path.cwd()),
                "out": out.name,
                "err": err.name,
            }
            self._process.stdin.write(json.dumps(job) + "\n")
            self._process.stdin.flush()
            status = int(self._process.stdout.readline())
            return subprocess.CompletedProcess(
                job["arguments"], status, *(Path(file.name).read_text(encoding="utf-8") for file in (out, err))
            )

    def close(self) -> None:
        if self._process is not None:
            self._process.communicate()


def _become(job: dict[str, Any]) -> None:
    """Turn this child into the command."""
    for number, (path, flags) in enumerate(
        ((os.devnull, os.O_RDONLY), (job["out"], os.O_WRONLY | os.O_APPEND), (job["err"], os.O_WRONLY | os.O_APPEND))
    ):
        opened = os.open(path, flags)
        os.dup2(opened, number)
        os.close(opened)
    sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115 - for the rest of the process
    os.environ.clear()
    os.environ.update(job["env"])
    os.chdir(job["cwd"])
    sys.argv = job["arguments"]


def _status() -> int:
    """The status of the command that this child has become, once all that runs at a program's exit has run."""
    from ecgrid_flows.cli import main

    status = 0
    try:
        main()
    except SystemExit as ended:
        status = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    threading._shutdown()  # waits for threads that are no daemons, as the interpreter does
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    return status


def _serve() -> None:
    for name in IMPORTED:
        importlib.import_module(name)
    from ecgrid_flows.warehouse import sql_files

    sql_files.load_sql()  # parsing every relation is 0.7 CPU seconds of a command; no thread of DuckDB stays
    gc.freeze()  # a child that collects nothing of these copies no page of them
    for line in sys.stdin:
        job = json.loads(line)
        pid = os.fork()
        if pid == 0:
            _become(job)
            os._exit(_status())  # to take the imported modules apart would take longer than most commands
        print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)


if __name__ == "__main__":
    _serve()
