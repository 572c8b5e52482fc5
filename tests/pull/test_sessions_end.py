"""Sessions are open while calls are made and no longer, whatever ends a run; their ids are in memory alone."""

import os
import signal
import subprocess
import sys
import textwrap
import threading
from pathlib import Path
from typing import Any

import pytest

from ecgrid_flows.orchestration import tasks
from ecgrid_flows.orchestration.pipeline import bill_months
from ecgrid_flows.orchestration.run_context import Checked
from ecgrid_flows.orchestration.session import opened
from ecgrid_flows.progress import Reporter
from ecgrid_sandbox import Sandbox, SpawnedSandbox, Trouble, World
from ecgrid_transforms.period import next_month

from .pulling import LAST_MONTH, MONTH, QUICK, files, running, settings_of

STEPS = ("plan", "pull", "land", "build", "check", "export", "accrue", "report")


class Died(RuntimeError):
    """What a step dies of."""


@pytest.fixture
def built(sandbox: SpawnedSandbox, tmp_path: Path, few_file: Path) -> Any:
    return settings_of(sandbox, tmp_path, accounts_file=few_file)


@pytest.mark.parametrize(
    "name", [name if name in STEPS[:4] else pytest.param(name, marks=pytest.mark.soak) for name in STEPS]
)
def test_a_step_that_dies_leaves_no_session_open(
    sandbox: SpawnedSandbox, built: Any, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """From `land` on none is open to begin with: a kill would leave none. What it dies before need not be built."""
    step, open_within = getattr(tasks, name), []
    for earlier in STEPS[3 : STEPS.index(name)]:
        monkeypatch.setattr(tasks, earlier, lambda *_: Checked())

    def dies(*arguments: Any, **named: Any) -> Any:
        if name in ("plan", "pull"):
            step(*arguments, **named)
        open_within.append(sandbox.open_sessions)
        raise Died

    monkeypatch.setattr(tasks, name, dies)
    with pytest.raises(Died), opened(settings=built, reporter=Reporter(mute=True), retry=QUICK) as run:
        bill_months(run, [LAST_MONTH])
    assert sandbox.open_sessions == 0
    assert open_within == [2 if name == "plan" else 0], "one of v3.2 and one of v4.1"


@pytest.mark.parametrize(
    ("number", "ended"), [(signal.SIGTERM, 4), pytest.param(signal.SIGKILL, -9, marks=pytest.mark.long)]
)
def test_a_run_that_is_ended_while_it_builds_leaves_no_session_open(
    sandbox: SpawnedSandbox, tmp_path: Path, few_file: Path, number: int, ended: int
) -> None:
    code = """
        from ecgrid_flows.orchestration import tasks
        from tests.support.waiting import until
        def build(run):
            print("building", flush=True)
            until(run.puller.check_going_on)  # it raises what ended the run
        tasks.build = build
        from ecgrid_flows.cli import main
        main()
    """
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code), "run", "--month", MONTH, "--json"],
        env={
            **os.environ,
            **sandbox.settings(),
            "ECGRID_DATA_DIR": str(tmp_path),
            "ECGRID_ACCOUNTS": str(few_file),
            "PYTHONPATH": str(Path(__file__).parents[2]),
        },
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        preexec_fn=lambda: signal.signal(signal.SIGTERM, signal.SIG_DFL),
    )
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == b"building\n"
        process.send_signal(number)
        assert process.wait() == ended
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
    assert sandbox.open_sessions == 0


@pytest.mark.soak
def test_no_session_id_is_in_any_file(tmp_path: Path, few_file: Path) -> None:
    """Raw answers, lake, warehouse, exports, reports and logs, of a run whose sessions end every forty calls."""
    world = World.shipped()
    with Sandbox(world, Trouble(session_calls=40)) as sandbox:
        ids: set[str] = set()
        original = sandbox.sessions.login

        def noting(*arguments: Any) -> Any:
            session = original(*arguments)
            ids.add(session.session_id)
            return session

        sandbox.sessions.login = noting
        settings = settings_of(sandbox, tmp_path, accounts_file=few_file)
        with opened(settings=settings, reporter=Reporter(mute=True), retry=QUICK) as run:
            bill_months(run, world.months[-1:])
        assert sandbox.open_sessions == 0
    assert len(ids) > 2
    for path, content in files(tmp_path).items():
        assert not [one for one in ids if one.encode() in content], path


def test_a_session_is_opened_again_after_the_log_out(sandbox: SpawnedSandbox, tmp_path: Path, few_file: Path) -> None:
    """A backfill pulls month after month; threads that wait for batches meanwhile use the new client."""
    before = threading.active_count()
    with running(sandbox, tmp_path, accounts_file=few_file) as run:
        for month in (next_month(LAST_MONTH, -1), LAST_MONTH):
            tally = tasks.pull(run, month, tasks.plan(run, month))
            assert tally.missing_calls == 0
            assert sandbox.open_sessions == 0
    assert threading.active_count() <= before + 1
