"""How long a reconciliation takes: 10,000,000 lines from Parquet to decided readings, proofs and findings.

    python tests/bench/reconcile.py [--lines 10000000] [--memory 8GiB] [--threads 2]

The lake is made up: 40 price lists of ten measures (unit, volume and graduated ladders, allowances, blocks, flat fees),
accounts with ten lines in each of two months, one line in two hundred wrong by 1.00. Amounts are worked out while the
lake is made, in whole millionths and by other formulas than the project's SQL. The build runs in a process of its own,
whose peak memory is measured. Beside it stand a bare DuckDB scan-and-sum of the same Parquet, which is the least that
any reconciliation must do, and the rating alone in pandas with Python's decimals, on a tenth of the lines.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from made_up import MEASURES, all_of, make_lake, rate_of, scan_and_sum

ROOT = Path(__file__).resolve().parents[2]


def build_once(files: dict[str, list[str]], target: Path, threads: int, memory: str) -> None:
    """What the child process does: one build, its figures as JSON on stdout."""
    from ecgrid_flows.warehouse import builder, database

    report = builder.build(files, target, reference_dir=ROOT / "data/reference", threads=threads, memory_limit=memory)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    slowest = sorted(report.relations, key=lambda relation: -relation.seconds)[:12]
    with database.connect(target) as connection:
        verdicts = dict(
            connection.execute("SELECT verdict, count(*) FROM out_readings WHERE is_chosen GROUP BY 1").fetchall()
        )
        findings = dict(connection.execute("SELECT check_name, count(*) FROM out_findings GROUP BY 1").fetchall())
    json.dump(
        {
            "seconds": report.seconds,
            "peak_bytes": peak,
            "slowest": [(relation.name, round(relation.seconds, 1), relation.rows) for relation in slowest],
            "verdicts": verdicts,
            "findings": findings,
        },
        sys.stdout,
    )


def pandas_rating(files: list[str], lines: int) -> float:
    """The rating alone, with its readings known, in pandas and Python's decimals: seconds for `lines` lines."""
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
    started = time.perf_counter()
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
    seconds = time.perf_counter() - started
    assert 0 < wrong < lines // 100, f"{wrong} of {lines} lines differ: the lake is not what it should be"
    return seconds


def measure(lines: int, threads: int, memory: str) -> dict[str, Any]:
    """Make a lake of `lines` lines and time everything on it."""
    with tempfile.TemporaryDirectory(prefix="reconcile-") as name:
        folder = Path(name)
        files = all_of(make_lake(folder, lines))
        given = folder / "given.json"
        given.write_text(json.dumps(files))
        child = subprocess.run(
            [
                sys.executable,
                __file__,
                "--child",
                str(given),
                "--threads",
                str(threads),
                "--memory",
                memory,
            ],
            check=True,
            stdout=subprocess.PIPE,
            text=True,
        )
        found: dict[str, Any] = json.loads(child.stdout)
        found["scan"] = scan_and_sum(files["line_items"], threads)
        found["pandas"] = pandas_rating(files["line_items"], lines // 10)
        found["lake_bytes"] = sum(Path(path).stat().st_size for path in files["line_items"])
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--lines", type=int, default=10_000_000)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--memory", default="6GiB", help="DuckDB's limit; the process takes somewhat more")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    parser.add_argument("--verbose", action="store_true", help="name the slowest relations")
    asked = parser.parse_args()
    if asked.child:
        build_once(
            json.loads(Path(asked.child).read_text()),
            Path(asked.child).with_name("billing.duckdb"),
            asked.threads,
            asked.memory,
        )
        return
    sizes = sorted({asked.lines // 10, asked.lines})
    found = {lines: measure(lines, asked.threads, asked.memory) for lines in sizes}
    print(f"{asked.threads} threads, DuckDB limited to {asked.memory}")
    print(f"{'lines':>12} {'build s':>8} {'peak GiB':>9} {'scan+sum s':>11} {'pandas on 1/10 s':>17}  findings")
    for lines, one in found.items():
        print(
            f"{lines:>12,} {one['seconds']:>8.1f} {one['peak_bytes'] / 2**30:>9.2f} {one['scan']:>11.2f} "
            f"{one['pandas']:>17.1f}  {one['findings']} readings {one['verdicts']}"
        )
        if asked.verbose:
            for name, seconds, rows in one["slowest"]:
                print(f"{'':>14}{name} {rows} rows, {seconds} s")
    small, large = (found[lines]["seconds"] for lines in sizes)
    print(f"{sizes[0]:,} to {sizes[1]:,} lines: {large / small:.1f} times the time (at most 12)")


if __name__ == "__main__":
    main()
