"""What commands cost on the sandbox's month, and what of it does not depend on the lines.

    python tests/bench/commands.py [--times N]

Each figure is of processes of their own, with what they start: the least of N, for other work only adds. The baseline
is a Python that does nothing. The parts: imports of the command line, of a run and of a report; parsing the SQL files;
a kernel that executes an empty notebook. The last two are differences to a process that only imports the same.
"""

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from ecgrid_transforms.period import last_full_month, month_text

PROGRAM = str(Path(sys.executable).with_name("ecgrid-billing"))
#: Without credentials, or a run would bill from the real service.
ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.startswith("ECGRID_")}
KEY = ("TrafficKCInterchangeTiered", "TieredKCIntCount")
IMPORTS = {
    "the command line": "import ecgrid_flows.cli",
    "a run": "import ecgrid_flows.cli, ecgrid_flows.orchestration.session, ecgrid_flows.orchestration.pipeline",
    "a report": "import ecgrid_flows.reporting.charts, ecgrid_flows.reporting.sections",
}
SQL = "from ecgrid_flows.warehouse import sql_files"
KERNEL = "import nbclient, nbformat; from ecgrid_flows.reporting import report"
EMPTY = """
import pathlib, sys
path = pathlib.Path(sys.argv[1])
nbformat.write(nbformat.v4.new_notebook(), path)
report.execute(path, {})
"""


@dataclass(frozen=True)
class Cost:
    """What some processes took: elapsed seconds, and processor seconds of them and what they started."""

    seconds: float
    core_seconds: float

    def __sub__(self, other: "Cost") -> "Cost":
        return Cost(self.seconds - other.seconds, self.core_seconds - other.core_seconds)


def cost_of(command: list[str], times: int) -> Cost:
    """The least of some runs, elapsed and of processors. A command may end with status 1: findings."""
    costs = []
    for _ in range(times):
        began = time.perf_counter()
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        before = used.ru_utime + used.ru_stime
        done = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, check=False)
        assert done.returncode in (0, 1), done.stderr
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        costs.append(Cost(time.perf_counter() - began, used.ru_utime + used.ru_stime - before))
    return Cost(min(one.seconds for one in costs), min(one.core_seconds for one in costs))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--times", type=int, default=5)
    times = parser.parse_args().times
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        data = ["--data-dir", str(folder / "data")]

        def python(code: str) -> Cost:
            return cost_of([sys.executable, "-c", code, str(folder / "empty.ipynb")], times)

        rows = {"Python that does nothing": python("")}
        rows |= {f"run, {number} time": cost_of([PROGRAM, "run", *data], 1) for number in ("first", "second")}
        commands = {
            "build": ["build"],
            "report": ["report"],
            "findings": ["findings"],
            "explain": ["explain", "4443", "105262", month_text(last_full_month()), *KEY],
        }
        rows |= {name: cost_of([PROGRAM, *command, *data], times) for name, command in commands.items()}
        rows |= {f"  imports of {name}": python(code) for name, code in IMPORTS.items()}
        rows["  parsing of SQL"] = python(f"{SQL}; sql_files.load_sql()") - python(SQL)
        rows["  a kernel, without cells"] = python(KERNEL + EMPTY) - python(KERNEL)
    bare = rows["Python that does nothing"].seconds
    print(f"least of {times}, load {os.getloadavg()[0]:.1f}")
    print(f"{'':<30}{'seconds':>9}{'core-seconds':>14}{'times bare Python':>19}")
    for name, cost in rows.items():
        print(f"{name:<30}{cost.seconds:>9.2f}{cost.core_seconds:>14.2f}{cost.seconds / bare:>19.0f}")


if __name__ == "__main__":
    main()
