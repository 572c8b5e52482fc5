"""How long a month's files for finance take: 1,000,000 lines, every file, journal and FOCUS included.

    python tests/bench/export.py [--lines 1000000] [--keep FOLDER]

The lake is that of `made_up.py` (so many lines in each of two months), with accounts of ten lines in twenty
contracts, awkward names, and an invoice of each contract that asks a cent more than its lines. It is built once; then
the export runs in a process of its own, whose peak memory is measured. Beside it stand baselines over the same lines
in the same run, without guard, order and sums: a bare DuckDB COPY of `out_finance_lines` to CSV; the same and
`out_focus` to CSV and Parquet, the three large files; and the csv module of Python with decimals, on a tenth of the
lines.
"""

import argparse
import csv
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
from made_up import LINES_PER_ACCOUNT, LISTS, all_of, make_lake

from ecgrid_flows.settings import Settings
from ecgrid_flows.warehouse import builder
from ecgrid_transforms.schemas import FEEDS

ROOT = Path(__file__).resolve().parents[2]
MONTH = date(2026, 10, 1)
MOST_SECONDS, MOST_BYTES = 30, 2 << 30

ACCOUNTS = """
SELECT
    m.month AS reporting_month,
    (100 + account // 1000)::INTEGER AS network_id,
    (account + 1)::INTEGER AS mailbox_id,
    ['Müller & Söhne', '=1+1 Trading', 'say "hi"', 'a, b; c', 'Plain Supply'][account % 5 + 1] || ' ' || account
        AS account_name,
    'Active' AS status,
    (1000 + account % {lists})::INTEGER AS price_list_id,
    (8000 + account % 20)::INTEGER AS contract_id,
    'mailbox' AS sources
FROM range({accounts}) AS t (account), (VALUES (DATE '2026-09-01'), (DATE '2026-10-01')) AS m (month)
"""

INVOICES = """
SELECT
    lines.reporting_month,
    'InvoiceInfo' AS source,
    accounts.contract_id AS invoice_id,
    'INV-' || strftime(lines.reporting_month, '%Y%m') || '-' || accounts.contract_id AS invoice_number,
    (lines.reporting_month + INTERVAL 1 MONTH)::TIMESTAMP_NS AS invoice_date,
    accounts.contract_id,
    (sum(lines.amount) + 0.01)::DECIMAL(28, 10) AS total_amount,
    'Sent' AS status,
    'v4.1' AS api_version,
    now() AS pulled_at,
    '' AS response_sha256
FROM read_parquet({lines}) AS lines
INNER JOIN read_parquet('{accounts}') AS accounts USING (network_id, mailbox_id, reporting_month)
GROUP BY ALL
"""


def make(folder: Path, lines: int) -> Settings:
    """A data directory with a built warehouse of `lines` lines in each of two months."""
    settings = Settings(data_dir=str(folder / "data"), currency="USD")
    lake = folder / "lake"
    lake.mkdir(parents=True)
    files = all_of(make_lake(lake, 2 * lines))
    target = lake / "accounts.parquet"
    with duckdb.connect() as connection:
        text = ACCOUNTS.format(lists=LISTS, accounts=lines // LINES_PER_ACCOUNT)
        connection.execute(f"COPY ({text}) TO '{target}' (FORMAT parquet)")
    files["accounts"] = [str(target)]
    invoices = lake / "invoices.parquet"
    with duckdb.connect() as connection:
        text = INVOICES.format(lines=files["line_items"], accounts=target)
        rows = connection.sql(text).to_arrow_table().to_pylist()
    schema = pa.schema([field.with_nullable(True) for field in FEEDS["invoices"]])
    pq.write_table(pa.Table.from_pylist(rows, schema), invoices)
    files["invoices"] = [str(invoices)]
    builder.build(files, settings.warehouse_path, reference_dir=ROOT / "data/reference", memory_limit="6GiB")
    return settings


def export_once(settings: Settings) -> dict[str, Any]:
    """What the child process does: one export; its time, peak memory and files."""
    from ecgrid_flows.finance.export import export_month

    started = time.perf_counter()
    paths = export_month(settings, MONTH)
    seconds = time.perf_counter() - started
    return {
        "seconds": seconds,
        "cpu_seconds": time.process_time(),
        "peak_bytes": peak_bytes(),
        "files": {path.name: path.stat().st_size for path in paths},
    }


def peak_bytes() -> int:
    """The most memory that this process held. (getrusage begins at what its parent held: it survives an exec.)"""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def copy_once(settings: Settings, name: str, file: str) -> float:
    """CPU seconds of DuckDB's own COPY of the month of relation `name` to `file`, whose suffix is its format."""
    target = settings.local_dir / file
    started = time.process_time()
    with duckdb.connect(str(settings.warehouse_path), read_only=True) as connection:
        connection.execute(f"COPY (FROM {name} WHERE reporting_month = DATE '{MONTH}') TO '{target}'")
    seconds = time.process_time() - started
    target.unlink()
    return seconds


def csv_module(settings: Settings, lines: int) -> float:
    """What one would write first: rows as Python objects, a csv.writer, on so many lines."""
    target = settings.local_dir / "written.csv"
    started = time.perf_counter()
    with duckdb.connect(str(settings.warehouse_path), read_only=True) as connection:
        rows = connection.sql(f"FROM out_finance_lines WHERE reporting_month = DATE '{MONTH}' LIMIT {lines}").fetchall()
    with target.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)
    return time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--lines", type=int, default=1_000_000)
    parser.add_argument("--keep", type=Path, help="make the data here and leave it, or use what is here")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.child:
        json.dump(export_once(Settings(data_dir=asked.child, currency="USD")), sys.stdout)
        return
    with tempfile.TemporaryDirectory(prefix="export-") as name:
        folder = asked.keep or Path(name)
        kept = Settings(data_dir=str(folder / "data"), currency="USD")
        settings = kept if kept.warehouse_path.is_file() else make(folder, asked.lines)
        command = [sys.executable, __file__, "--child", settings.data_dir]
        subprocess.run(["rm", "-rf", str(settings.local_dir / "exports")], check=True)
        found = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)
        lines = copy_once(settings, "out_finance_lines", "lines.csv")
        focus = [copy_once(settings, "out_focus", file) for file in ("focus.csv", "focus.parquet")]
        written = csv_module(settings, asked.lines // 10)
    print(f"{asked.lines:,} lines, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    for name, size in found["files"].items():
        if size > 1 << 20:
            print(f"  {name:<24}{size / 2**20:>8.0f} MiB")
    print(f"every file       {found['seconds']:>7.1f} s  (at most {MOST_SECONDS}); {found['cpu_seconds']:.1f} s of CPU")
    print(f"peak memory      {found['peak_bytes'] / 2**30:>7.2f} GiB (at most {MOST_BYTES >> 30})")
    for copied, words in ((lines, "the lines alone"), (lines + sum(focus), "lines and FOCUS")):
        times = found["cpu_seconds"] / copied
        print(f"bare COPY of {words:<17}{copied:.1f} s of CPU: every file takes {times:.1f} times that")
    print(f"csv module, lines alone       {written * 10:.0f} s, from {written:.1f} s for a tenth")


if __name__ == "__main__":
    main()
