"""Two flows of one process, each over a data directory of its own, with their tasks in the threads of Prefect."""

import sys
from pathlib import Path

import pytest

from ecgrid_flows.lake.partitions import Lake
from ecgrid_flows.storage.local import LocalStore
from ecgrid_sandbox import spawn
from ecgrid_transforms.period import month_text

from .living import WORLD, environment, few_accounts, prefect_server, running

#: Bills a month into two directories at once: both runs are open from before the first pull until after the last. Then
#: into a third, from inside a run over a fourth.
BOTH = """
import sys, threading
from concurrent.futures import ThreadPoolExecutor
from ecgrid_flows.orchestration import run_context, session, tasks
from ecgrid_flows.orchestration.flows import monthly_billing

month, folders, both, pull, threads_of = sys.argv[1], sys.argv[2:4], threading.Barrier(2), tasks.pull, {}
pull_batch = run_context.Puller.pull_batch

def pulled(run, month, size):
    both.wait()
    tally = pull(run, month, size)
    both.wait()
    return tally

def noted(puller, *arguments):
    threads_of.setdefault(puller.settings.data_dir, set()).add(threading.get_ident())
    return pull_batch(puller, *arguments)

def bill(folder):
    try:
        return monthly_billing(month, folder)
    except BaseException:
        both.abort()
        raise

run_context.Puller.pull_batch, tasks.report, tasks.pull = noted, lambda *_: None, pulled
with ThreadPoolExecutor(2) as threads:
    done = list(threads.map(bill, folders))
tasks.pull = pull
with session.opened(sys.argv[5]) as outer:
    done.append(monthly_billing(month, sys.argv[4]))
    assert outer.results == []
for one, folder in zip(done, sys.argv[2:5], strict=True):
    assert {str(path.parents[2]) for path in one.exports} == {folder}, folder
    assert threading.main_thread().ident not in threads_of[folder], "the tasks run in threads of Prefect"
assert threads_of.keys() == set(sys.argv[2:5])
"""


@pytest.mark.soak
def test_the_tasks_of_a_flow_find_the_run_of_their_flow(tmp_path: Path) -> None:
    month = month_text(WORLD.last_month)
    folders = [tmp_path / name for name in ("a", "b", "inner", "outer")]
    with spawn(WORLD) as sandbox:
        variables = environment(tmp_path, **sandbox.settings(), ECGRID_ACCOUNTS=str(few_accounts(tmp_path)))
        with prefect_server(tmp_path, variables) as api:
            variables["PREFECT_API_URL"] = api.address
            command = [sys.executable, "-c", BOTH, month, *map(str, folders)]
            with running(command, tmp_path, variables, "flows") as process:
                assert process.ended() == 0, process.stderr[-3000:]
            runs = api.ask("/flow_runs/filter", {})
            assert [run["state_type"] for run in runs] == ["COMPLETED"] * 3
            pulls = api.ask("/task_runs/filter", {"task_runs": {"name": {"like_": "pull-accounts"}}})
            assert len(pulls) >= 3 * 6, "six accounts each"
        assert sandbox.open_sessions == 0
    lakes = [Lake(LocalStore(folder)) for folder in folders]
    counts = [sum(part.rows for part in lake.parts("line_items", WORLD.last_month) or ()) for lake in lakes]
    assert counts[0] > 0
    assert counts == [counts[0]] * 3 + [0]
