"""How a build by partitions grows: ten times the lines, under one bound on memory, with one worker and with two.

    python tests/bench/scale.py [--lines 10000000] [--memory-mb 8192] [--folder DIR] [--large-by-two-only]

The lake is made up (see `made_up`). The build is the project's own. Its partitions are done by the worker processes of
a Dask cluster, one job at a time each, with one thread; between them the process that leads has every core. The bound
on memory is shared out evenly among all these processes. A process's peak is what the kernel says of it (VmHWM) after
its last job.

Beside each build stands a bare scan-and-sum of the same files, by as many threads as there are workers: no build can
take less. With `--lines 100000000` the smaller lake has ten million; that wants some 20 GB of disk.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

from made_up import all_of, make_lake, scan_and_sum

ROOT = Path(__file__).resolve().parents[2]
LIMIT_GROWTH, LIMIT_SPEED_UP = 12, 1.6
#: What the child process found, in the bench's folder.
FOUND = "found.json"


def peak_mb() -> int:
    """The most memory that this process has had: its own, where getrusage begins at what its parent had."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    assert found is not None
    return int(found[1]) // 1024


def build_once(folder: Path, workers: int, memory_mb: int) -> dict[str, Any]:
    """One build by so many workers; what the child process does. `memory_mb` is for all processes together."""
    import dask.config
    from distributed import Client, LocalCluster

    from ecgrid_flows.storage.local import LocalStore
    from ecgrid_flows.warehouse import database, partitioned_build, sql_files
    from ecgrid_transforms.schemas import FEEDS

    each = memory_mb // (workers + 1)
    given = json.loads((folder / "files.json").read_text())
    lake = {feed: {date.fromisoformat(month): paths for month, paths in given.get(feed, {}).items()} for feed in FEEDS}
    sources = partitioned_build.Sources(lake, [ROOT / "data/reference"])
    store = LocalStore(folder)
    bounds = partitioned_build.Bounds(each, 1, partitioned_build.lines_that_fit(each), os.cpu_count() or 1)
    rounds: list[tuple[int, int, float]] = []
    dask.config.set({"distributed.scheduler.worker-saturation": 1.0, "distributed.worker.memory.terminate": False})
    with (
        LocalCluster(
            n_workers=workers, threads_per_worker=1, memory_limit=None, dashboard_address=None, silence_logs=50
        ) as cluster,
        Client(cluster) as client,
    ):

        def on_workers(function: Any, arguments: Sequence[tuple[Any, ...]]) -> list[Any]:
            return list(client.gather([client.submit(function, *one, pure=False) for one in arguments]))

        def do_jobs(jobs: list[partitioned_build.Job]) -> list[dict[str, partitioned_build.Part]]:
            started = time.perf_counter()
            found = on_workers(partitioned_build.run_job, [(job, store, folder / "jobs") for job in jobs])
            rounds.append((jobs[0].round, len(jobs), round(time.perf_counter() - started, 1)))
            return found

        client.run(sql_files.load_sql)  # each process reads the SQL once in its life
        relations = sql_files.load_sql().relations
        cpu = client.run(time.process_time)
        own_cpu, started = time.process_time(), time.perf_counter()
        report = partitioned_build.build(
            sources, store, folder / "warehouse/billing.duckdb", bounds, do_jobs,
            lambda asked: on_workers(partitioned_build.survey, asked),
        )  # fmt: skip
        seconds = time.perf_counter() - started
        own_cpu = time.process_time() - own_cpu
        cpu = {worker: spent - cpu[worker] for worker, spent in client.run(time.process_time).items()}
        peaks = sorted(client.run(peak_mb).values())
    parted = sum(found for _, _, found in rounds)
    with database.connect(report.target) as connection:
        findings = dict(connection.execute("SELECT check_name, count(*) FROM out_findings GROUP BY 1").fetchall())
        (lines,) = connection.execute("SELECT count(*) FROM out_line_items").fetchone() or (0,)
    whole = sorted(
        (one for one in report.relations if relations[one.name].over == partitioned_build.WHOLE),
        key=lambda one: -one.seconds,
    )
    return {
        "seconds": seconds,
        "whole": seconds - parted,
        "cpu": [round(spent, 1) for spent in (*sorted(cpu.values()), own_cpu)],
        "bound_mb": each,
        "peaks_mb": [*peaks, peak_mb()],
        "lines": lines,
        "findings": findings,
        "rounds": rounds,
        "slowest": [(one.name, round(one.seconds, 1), one.rows) for one in whole[:5]],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--lines", type=int, default=10_000_000)
    parser.add_argument("--memory-mb", type=int, default=8192, help="of all processes of a build together")
    parser.add_argument("--folder", type=Path, help="where the lakes are made (default: the system's place)")
    parser.add_argument("--large-by-two-only", action="store_true", help="do not build the large lake by one worker")
    parser.add_argument("--child", type=int, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.child:
        found = build_once(asked.folder, asked.child, asked.memory_mb)
        (asked.folder / FOUND).write_text(json.dumps(found), encoding="utf-8")
        return
    sizes = (asked.lines // 10, asked.lines)
    seconds: dict[tuple[int, int], float] = {}
    cpu: dict[tuple[int, int], float] = {}
    print(f"{asked.memory_mb} MiB for all processes of a build, {os.cpu_count()} cores")
    print(f"{'lines':>12} {'workers':>7} {'build s':>8} {'whole s':>8} {'scan s':>7}  peak MiB of each process (bound)")
    for lines in sizes:
        with tempfile.TemporaryDirectory(prefix="scale-", dir=asked.folder) as name:
            folder = Path(name)
            files = make_lake(folder / "lake", lines)
            (folder / "files.json").write_text(
                json.dumps(
                    {feed: {str(month): paths for month, paths in found.items()} for feed, found in files.items()}
                )
            )
            for workers in (2,) if asked.large_by_two_only and lines == sizes[1] else (1, 2):
                command = [sys.executable, __file__, "--child", str(workers), "--memory-mb", str(asked.memory_mb)]
                subprocess.run([*command, "--folder", name], check=True)
                found = json.loads((folder / FOUND).read_text(encoding="utf-8"))
                assert found["lines"] == lines
                scan = scan_and_sum(all_of(files)["line_items"], workers)
                *of_workers, of_leader = found["cpu"]
                seconds[lines, workers], cpu[lines, workers] = found["seconds"], max(of_workers) + of_leader
                print(
                    f"{lines:>12,} {workers:>7} {found['seconds']:>8.1f} {found['whole']:>8.1f} {scan:>7.2f}  "
                    f"{found['peaks_mb']} ({found['bound_mb']})  {found['findings']}"
                )
                print(f"{'':>14}processor s of each worker {of_workers}, of the one that leads {of_leader:.1f}")
                print(f"{'':>14}rounds (number, jobs, s): {found['rounds']}; slowest of the whole: {found['slowest']}")
                if max(found["peaks_mb"]) > found["bound_mb"]:
                    print(f"{'':>14}a process was over its memory")
    small, large = sizes
    print(
        f"{small:,} to {large:,} lines: {seconds[large, 2] / seconds[small, 2]:.1f} times the time "
        f"(at most {LIMIT_GROWTH}), {cpu[large, 2] / cpu[small, 2]:.1f} times the processor time"
    )
    for lines in sizes:
        if (lines, 1) in seconds:
            print(
                f"{lines:,} lines: two workers are {seconds[lines, 1] / seconds[lines, 2]:.2f} times as fast as one "
                f"(at least {LIMIT_SPEED_UP}); by the processor time of the busiest, which other programs of the "
                f"machine do not stretch, {cpu[lines, 1] / cpu[lines, 2]:.2f} times"
            )


if __name__ == "__main__":
    main()
