"""What a reconciliation costs in all: the build, and every `out_` relation written to Parquet.

    python tests/bench/reconcile.py [--lines 1000000 10000000 100000000] [--months 24] [--memory 3GiB] [--threads 2]
                                    [--verbose] [--no-baselines]

A size for which the disk has no room is left out: 100,000,000 lines need 50 GB, and hours.
The lake is made up: 40 price lists of ten measures (unit, volume and graduated ladders, allowances, blocks, flat fees),
accounts with ten lines in each month, one line in two hundred wrong by 1.00. Amounts are worked out while the
lake is made, in whole millionths and by other formulas than the project's SQL.

The build, and after it the writing of every `out_` relation, proofs and comparisons included, run in a process of their
own: seconds, processor time of all its threads, and its peak of memory. Beside them stand, for the same lines:
- a bare DuckDB scan-and-sum of the lake, the least that any reconciliation must do;
- a bare `COPY` of the files that were written, column for column: the least that writing them takes;
- the rating alone, its readings known, in pandas with Python's decimals, on a tenth of the lines and multiplied by ten.

Of more than 10,000,000 lines some relations are written by months (`IN_PARTS`), in files of at most that many lines.
Each file is deleted once its bare `COPY` is measured, so that the disk holds one beside lake and warehouse.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import Any

from made_up import MEASURES, all_of, make_lake, rate_of, scan_and_sum

ROOT = Path(__file__).resolve().parents[2]
#: The rating in pandas is done on this part of the lines.
PANDAS_PART = 10
#: Bytes of disk a line: lake, warehouse, what spills, and the largest relation twice.
DISK_PER_LINE = 500
#: Lines above which DuckDB's limit is `MORE_MEMORY`, unless one is given, and relations are written in parts.
MANY_LINES = 10_000_000
MEMORY, MORE_MEMORY = "3GiB", "6GiB"
#: Relations whose joins spill where all lines are read at once, and that read only the lines of the months asked for.
#: The others would work out the slices of all months again for each part.
IN_PARTS = {
    *("out_account_comparison", "out_contract_comparison", "out_model_comparison"),
    *("out_finance_lines", "out_line_items", "out_line_proofs", "out_month_on_month"),
}
#: The view that a relation reads whole for each part: its rows are stored meanwhile, as in an export.
KEPT = {"out_line_proofs": "core_proofs"}


def peak_mb() -> int:
    """The most memory that this process has had: its own, where getrusage begins at what its parent had."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    assert found is not None
    return int(found[1]) // 1024


@dataclass(frozen=True, slots=True)
class Cost:
    """Seconds and processor seconds of one step, the bytes that it wrote, and its process's peak of memory so far."""

    seconds: float
    core_seconds: float
    bytes: int = 0
    peak_mb: int = 0


def cost_of(step: Callable[[], object], written: Sequence[Path] = (), times: int = 1) -> Cost:
    """What `step` costs this process, multiplied by `times`; `written` are the files that it makes."""
    started, core_started = time.perf_counter(), time.process_time()
    step()
    core_seconds, seconds = time.process_time() - core_started, time.perf_counter() - started
    print(f"{seconds:.1f} s, {core_seconds:.1f} core-seconds", *(path.name for path in written), file=sys.stderr)
    return Cost(seconds * times, core_seconds * times, sum(path.stat().st_size for path in written), peak_mb())


def reconcile(files: dict[str, list[str]], folder: Path, threads: int, memory: str, has_baselines: bool) -> None:
    """What the child process does: one build and every `out_` relation, their figures as JSON on stdout."""
    from ecgrid_flows.warehouse import builder, database, sql_files

    target, outputs = folder / "billing.duckdb", folder / "out"
    reports: list[Any] = []

    def build() -> None:
        reports.append(
            builder.build(files, target, reference_dir=ROOT / "data/reference", threads=threads, memory_limit=memory)
        )

    steps = {"build": cost_of(build, [target])}
    copies = []
    outputs.mkdir()
    with database.connect(target, threads=threads, memory_limit=memory, temp_dir=folder / "spill") as connection:
        connection.execute("SET preserve_insertion_order = false")  # as in a build: order costs memory
        months_of_part = parts_of_months(connection)
        names = sorted(name for name in sql_files.load_sql().relations if name.startswith("out_"))
        for name in names:
            costs = []
            parts = parts_of(name, months_of_part)
            kept = KEPT.get(name) if len(parts) > 1 else None
            if kept:
                costs.append(cost_of(lambda kept=kept: keep(connection, kept)))
            for number, rows in enumerate(parts):
                path = outputs / f"{name}-{number}.parquet"
                costs.append(cost_of(lambda rows=rows, path=path: copy(connection, rows, path), [path]))
                if has_baselines:
                    copies.append(bare_copy(path, threads, memory))
                path.unlink()
            if kept:
                connection.execute(f"DROP TABLE temp.main.{kept}").fetchall()
            steps[name] = _sum(costs)
        verdicts = connection.execute(
            "SELECT verdict, count(*) FROM out_readings WHERE is_chosen GROUP BY 1"
        ).fetchall()
        findings = connection.execute("SELECT check_name, count(*) FROM out_findings GROUP BY 1").fetchall()
    slowest = sorted(reports[0].relations, key=lambda relation: -relation.seconds)[:12]
    json.dump(
        {
            "steps": {name: asdict(cost) for name, cost in steps.items()},
            "copies": [asdict(cost) for cost in copies],
            "slowest": [(relation.name, round(relation.seconds, 1), relation.rows) for relation in slowest],
            "verdicts": dict(verdicts),
            "findings": dict(findings),
        },
        sys.stdout,
    )


def keep(connection: Any, name: str) -> None:
    """Store the rows of a view for this connection; relations that read it read the stored rows."""
    connection.execute(f"CREATE TEMP TABLE {name} AS FROM main.{name}").fetchall()


def parts_of_months(connection: Any) -> list[list[date]]:
    """The months of the warehouse in their order, those together that have at most `MANY_LINES` lines, or one."""
    parts: list[list[date]] = []
    size = 0
    counted = "SELECT reporting_month, count(*) FROM core_lines GROUP BY ALL ORDER BY ALL"
    for month, lines in connection.execute(counted).fetchall():
        if not parts or size + lines > MANY_LINES:
            parts.append([])
            size = 0
        parts[-1].append(month)
        size += lines
    return parts


def parts_of(name: str, months: Sequence[Sequence[date]]) -> list[str]:
    """The rows of a relation, as a whole, or those of some months at a time."""
    if len(months) == 1 or name not in IN_PARTS:
        return [f'"{name}"']
    return [f"\"{name}\" WHERE reporting_month BETWEEN DATE '{part[0]}' AND DATE '{part[-1]}'" for part in months]


def bare_copy(file: Path, threads: int, memory: str) -> Cost:
    """The cost of reading a file and writing it anew, as it is."""
    import duckdb

    again = file.with_suffix(".again")
    config: dict[str, Any] = {"threads": str(threads), "memory_limit": memory, "preserve_insertion_order": "false"}
    with duckdb.connect(config=config) as connection:
        cost = cost_of(lambda: copy(connection, f"'{file}'", again), [again])
    again.unlink()
    return cost


def copy(connection: Any, rows: str, target: Path) -> None:
    """Write rows, a relation or a file, to a Parquet file."""
    # out_focus has 85 columns: at a limit of 700 MiB, row groups of 122,880 rows cost 152 core-seconds, these 25
    options = "FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 1, ROW_GROUP_SIZE 20480"
    connection.execute(f"COPY (FROM {rows}) TO '{target}' ({options})").fetchall()


def pandas_rating(files: list[str], lines: int) -> None:
    """The rating alone, with its readings known, in pandas and Python's decimals, of `lines` lines."""
    import pandas as pd
    import pyarrow as pa
    import pyarrow.parquet as pq

    from ecgrid_transforms.money import Decimal, rounded

    columns = ["price_list_id", "account_report", "measure_field", "actual", "quantity_billed", "amount"]
    parts, missing = [], lines
    for path in files:
        for found in pq.ParquetFile(path).iter_batches(200_000, columns=columns):
            parts.append(found.slice(0, missing))
            missing -= len(parts[-1])
            if missing <= 0:
                break
        if missing <= 0:
            break
    frame = pa.Table.from_batches(parts).to_pandas(types_mapper=pd.ArrowDtype)
    rules = {(report, measure): rest for report, measure, *rest in MEASURES}
    million = Decimal(1_000_000)
    expected = []
    for price_list, report, measure, actual in zip(
        frame["price_list_id"], frame["account_report"], frame["measure_field"], frame["actual"], strict=True
    ):
        model, allowance, block, tiers = rules[report, measure]
        quantity = max(actual - allowance, Decimal(0))
        if block:
            quantity = (quantity // block + (quantity % block > 0)) * block
        amount, lower = Decimal(0), Decimal(0)
        for maximum, rate in tiers:
            price = rate_of(rate, price_list) / million
            if model == "graduated":
                top = quantity if maximum == 0 else min(quantity, Decimal(maximum))
                amount += max(top - lower, Decimal(0)) * price
                lower = Decimal(maximum)
            elif maximum == 0 or quantity <= maximum:
                amount = quantity * price
                break
        expected.append(rounded(amount))
    wrong = sum(1 for billed, right in zip(frame["amount"], expected, strict=True) if billed != right)
    assert 0 < wrong < lines // 100, f"{wrong} of {lines} lines differ: the lake is not what it should be"


def measure(lines: int, months: int, threads: int, memory: str, has_baselines: bool) -> dict[str, Any]:
    """Make a lake of `lines` lines of some months and time everything on it."""
    with tempfile.TemporaryDirectory(prefix="reconcile-") as name:
        folder = Path(name)
        files = all_of(make_lake(folder, lines, months))
        (folder / "given.json").write_text(json.dumps(files))
        command = [sys.executable, __file__, "--child", str(folder), "--threads", str(threads), "--memory", memory]
        if not has_baselines:
            command.append("--no-baselines")
        child = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
        found: dict[str, Any] = json.loads(child.stdout)
        found["steps"] = {name: Cost(**cost) for name, cost in found["steps"].items()}
        found["baselines"] = {}
        if has_baselines:
            part = lines // PANDAS_PART
            found["baselines"] = {
                "bare scan and sum": cost_of(lambda: scan_and_sum(files["line_items"], threads)),
                "bare COPY of the same": _sum(Cost(**cost) for cost in found["copies"]),
                "rating in pandas": cost_of(lambda: pandas_rating(files["line_items"], part), times=PANDAS_PART),
            }
    return found


def show(lines: int, found: dict[str, Any], is_verbose: bool) -> None:
    """Print the costs of one size."""
    steps: dict[str, Cost] = found["steps"]
    outputs = [cost for name, cost in steps.items() if name != "build"]
    rows = {
        "build": steps["build"],
        f"{len(outputs)} out_ relations": _sum(outputs),
        "in all": _sum(steps.values()),
    }
    baselines: dict[str, Cost] = found["baselines"]
    if is_verbose:
        rows |= {f"  {name}": cost for name, cost in steps.items() if cost.core_seconds >= 0.5}
    print(f"{lines:,} lines: findings {found['findings']}, readings {found['verdicts']}")
    print(f"{'':<26}{'seconds':>9}{'core-seconds':>14}{'peak GiB':>10}{'GB written':>12}")
    for name, cost in {**rows, **baselines}.items():
        peak = "" if name in baselines else f"{cost.peak_mb / 1024:.2f}"
        print(f"{name:<26}{cost.seconds:>9.1f}{cost.core_seconds:>14.1f}{peak:>10}{cost.bytes / 1e9:>12.2f}")
    print(f"{lines / rows['in all'].core_seconds:,.0f} lines fully proved per core-second")
    if is_verbose:
        for name, seconds, count in found["slowest"]:
            print(f"  {name}: {count} rows, {seconds} s")


def _sum(costs: Iterable[Cost]) -> Cost:
    """Costs one after the other: all add up but the peak."""
    all_costs = list(costs)
    return Cost(
        sum(cost.seconds for cost in all_costs),
        sum(cost.core_seconds for cost in all_costs),
        sum(cost.bytes for cost in all_costs),
        max(cost.peak_mb for cost in all_costs),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--lines", type=int, nargs="+", default=[1_000_000, 10_000_000, 100_000_000])
    parser.add_argument("--months", type=int, default=24, help="months that the lines are of (default: 24)")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument(
        "--memory",
        help=f"DuckDB's limit (default: {MEMORY}, above {MANY_LINES:,} lines {MORE_MEMORY}); the process takes more",
    )
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--verbose", action="store_true", help="name the slowest relations")
    parser.add_argument("--no-baselines", action="store_true", help="measure no bare scan, COPY and rating in pandas")
    asked = parser.parse_args()
    if asked.child:
        given = json.loads((asked.child / "given.json").read_text())
        reconcile(given, asked.child, asked.threads, asked.memory, not asked.no_baselines)
        return
    for lines in sorted(asked.lines):
        free = shutil.disk_usage(tempfile.gettempdir()).free
        if free < lines * DISK_PER_LINE:
            wanted = f"{lines * DISK_PER_LINE / 1e9:.0f} GB below {tempfile.gettempdir()}"
            print(f"\n{lines:,} lines are left out: they need {wanted}, {free / 1e9:.0f} GB are free")
            continue
        memory = asked.memory or (MEMORY if lines <= MANY_LINES else MORE_MEMORY)
        print(f"\n{asked.threads} threads, DuckDB limited to {memory}, load {os.getloadavg()[0]:.1f}")
        show(lines, measure(lines, asked.months, asked.threads, memory, not asked.no_baselines), asked.verbose)


if __name__ == "__main__":
    main()
