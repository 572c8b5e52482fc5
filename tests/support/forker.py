"""Pulls and commands in child processes that start at once: forked from a process with all imports and no threads.

As a script it is that process: it reads one job a line, forks, and writes the child's pid; for a job to wait for a pid
it writes its status. `Forker` is the test's end of it.
"""

import importlib
import json
import os
import pkgutil
import resource
import signal
import subprocess
import sys
import time
from datetime import UTC, date, datetime, timedelta
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from ecgrid_flows.errors import BillingError, ExitStatus
from ecgrid_flows.settings import Secret
from tests.support.clock import set_clock
from tests.support.commands import IMPORTED
from tests.support.disk import Disk
from tests.support.waiting import until

ROOT = Path(__file__).resolve().parents[2]
#: Calls in flight of a child.
CONCURRENCY = 4
#: Flows of the schedule that a child can run.
FLOWS = ("billing_month", "billing_open_month")


class Forker:
    """Starts and awaits children. The sandbox is asked by API key, for a killed run closes no session."""

    def __init__(self) -> None:
        #: The pid of the command that `command` waits for.
        self.running: int | None = None
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

    def command(
        self,
        words: list[str],
        environ: dict[str, str],
        clock: tuple[datetime, timedelta] | None = None,
        data_dir: Path | None = None,
        **disk: Any,
    ) -> int:
        """Run a command in a child whose data directory is a `Disk` with these options; gives its status.

        `clock` is the time at its start, and how far each reading moves it. The first word may also be a flow of the
        schedule, `billing_month` or `billing_open_month` (after `load_schedule`).
        """
        folder = data_dir or Path(words[words.index("--data-dir") + 1])
        job = {"command": words, "environ": environ, "data_dir": str(folder), "disk": disk}
        if clock is not None:
            job |= {"now": clock[0].isoformat(), "step_s": clock[1].total_seconds()}
        self.running = self._ask(job)
        try:
            return self.wait(self.running)
        finally:
            self.running = None

    def kill(self) -> None:
        """End the running command at once; for another thread."""
        os.kill(until(lambda: self.running) or 0, signal.SIGKILL)

    def load_schedule(self) -> None:
        """Import Prefect and the whole program, for children that run flows or have a clock of their own."""
        self._ask({"load": True})

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
    from tests.pull.pulling import pulled

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

    What it writes to stdout and stderr goes to the files $CHANGES_FILE.out and .err.
    """
    from ecgrid_flows.cli import main
    from ecgrid_flows.storage import s3

    os.environ.update(job["environ"])
    time.tzset()
    words, counted = job["command"], Path(job["environ"]["CHANGES_FILE"])
    disk = Disk(Path(job["data_dir"]), **job["disk"])
    sys.argv = ["ecgrid-billing", *words]
    for number, path in ((1, counted.with_name(f"{counted.name}.out")), (2, counted.with_name(f"{counted.name}.err"))):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), number)
    disk.watch()
    s3.LONGEST_WAIT_S = 0.05
    status = 0
    try:
        if "now" in job:
            _simulate(datetime.fromisoformat(job["now"]), timedelta(seconds=job["step_s"]))
        if words[0] in FLOWS:
            status = _flow(words[0])
        else:
            main()
    except SystemExit as ended:
        status = int(ended.code or 0)
    disk.end()
    counted.write_text(str(disk.done))
    return status


def _simulate(now: datetime, step: timedelta) -> None:
    """Another time, no long pause between the attempts of a call, and no report, which takes a third of a run."""
    from ecgrid_client import RetryPolicy
    from ecgrid_flows.extract import pull
    from ecgrid_flows.orchestration import tasks
    from ecgrid_flows.orchestration.run_context import Run

    def no_report(run: Run, month: date) -> Path:
        return Path(run.settings.data_dir)

    set_clock(now, step)
    pull.RetryPolicy = partial(RetryPolicy, first_wait_s=0.01, longest_wait_s=0.05)
    tasks.report.function = no_report


def _flow(name: str) -> int:
    """Run a flow of the schedule as a function, without a Prefect server; its message goes to stderr."""
    from ecgrid_flows.orchestration import deployments, flows

    for artifact in ("create_progress_artifact", "update_progress_artifact", "leave_artifacts"):
        setattr(deployments, artifact, lambda *_, **__: None)
    deployments.monthly_billing = flows.monthly_billing.fn
    deployments._scheduled_at = lambda: deployments.datetime.now(UTC)
    state = getattr(deployments, name).fn()
    print(state.message, file=sys.stderr)
    if state.type == "COMPLETED":
        return int(ExitStatus.FINDINGS if state.name == "Findings" else ExitStatus.CLEAN)
    return next(int(status) for status, of in deployments.STATE_NAMES.items() if of == state.name)


def _load_schedule() -> None:
    import ecgrid_flows

    for found in pkgutil.walk_packages(ecgrid_flows.__path__, "ecgrid_flows."):
        if "dask" not in found.name:
            importlib.import_module(found.name)


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
        if "load" in job:
            _load_schedule()
            print(0, flush=True)
            continue
        pid = os.fork()
        if pid == 0:
            os._exit(_command(job) if "command" in job else _pull(job))
        print(pid, flush=True)


if __name__ == "__main__":
    _serve()
