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

import duckdb

ROOT = Path(__file__).resolve().parents[2]
MONTHS = ("2026-09-01", "2026-10-01")
LINES_PER_ACCOUNT = 10
LISTS = 40
WRONG_EVERY = 200

#: (report, measure, model, allowance, block, [(maximum, rate in millionths)]); maximum 0 is open. Rates grow by list.
MEASURES = (
    ("FixedRate", "FixedRate", "unit", 0, 0, [(0, 39_900_000)]),
    ("Statistics", "RegisteredQIDs", "unit", 2, 0, [(0, 1_550_000)]),
    ("Statistics", "ActiveTPs", "graduated", 0, 1, [(10, 5_000_000), (50, 4_000_000), (0, 3_000_000)]),
    ("TrafficAll", "ToTrans", "unit", 150, 20, [(0, 77_600)]),
    ("TrafficAll", "FromTrans", "volume", 0, 5, [(1000, 90_000), (0, 65_000)]),
    ("TrafficAll", "TotalKCs", "graduated", 100, 1, [(500, 200_000), (2000, 164_500), (0, 122_500)]),
    ("TrafficAll", "ToKCs", "volume", 20, 5, [(1200, 217_800), (5000, 185_600), (0, 149_900)]),
    ("TrafficInterECGrid", "TotalTrans", "volume", 0, 1, [(400, 32_500), (1500, 27_500), (0, 20_000)]),
    ("TrafficOffNetwork", "TotalKCs", "unit", 0, 10, [(0, 105_000)]),
    ("TrafficKCInterchangeTiered", "TieredKCIntCount", "graduated", 0, 1, [(1000, 240_000), (0, 190_000)]),
)


def _rate(rate: int, price_list: int) -> int:
    """Each list has rates of its own, in steps of a hundredth of a cent."""
    return rate + 100 * (price_list % LISTS)


def _price_rows() -> list[dict[str, object]]:
    rows = []
    for price_list in range(LISTS):
        word = ("Simple", "Tiered", "Stacked")[price_list % 3]
        for place, (report, measure, _, allowance, block, tiers) in enumerate(MEASURES):
            lower = 0
            for tier, (maximum, rate) in enumerate(tiers, start=1):
                rows.append(
                    {
                        "price_list_id": 1000 + price_list,
                        "model": word,
                        "place": place,
                        "level": "General" if len(tiers) == 1 else f"Tier{tier}",
                        "tier": tier,
                        "schedule_id": (1000 + price_list) * 100 + place * 10 + tier,
                        "allowance": allowance,
                        "minimum": lower,
                        "maximum": maximum,
                        "block": block,
                        "rate": _rate(rate, price_list),
                        "report": report,
                        "measure": measure,
                    }
                )
                lower = maximum + 1
    return rows


# What an account used in a month: hashes of key and month, so that every run makes the same lake. KCs have three
# decimals on one line in four, none otherwise. Quantities are in thousandths, money in millionths, all whole numbers.
LINES = """
WITH keys AS (
    SELECT
        i // {per_account} AS account,
        (i % {per_account})::INTEGER AS place,
        m.month,
        hash(i, m.month) AS h
    FROM range({keys}) AS t (i), (VALUES (DATE '{first}'), (DATE '{last}')) AS m (month)
),
used AS (
    SELECT
        *,
        (1000 + account % {lists})::INTEGER AS price_list_id,
        CASE
            WHEN place = 0 THEN 1000
            -- one line in 97 lies on the bound of its first tier, where readings part
            WHEN h % 97 = 5 AND place IN (2, 4, 5, 6, 7, 9) THEN [10, 1000, 600, 1220, 400, 1000][
                [0, 0, 1, 0, 2, 3, 4, 5, 0, 6][place + 1]
            ] * 1000
            WHEN place = 1 THEN (h % 80) * 1000
            WHEN place = 2 THEN (h % 120) * 1000
            WHEN place IN (5, 6, 8) AND h // 6000000 % 4 = 0 THEN (h % 6000) * 1000 + h // 6000 % 1000
            ELSE (h % 6000) * 1000
        END::BIGINT AS milli
    FROM keys
),
steps AS (
    SELECT
        place, price_list_id, min(allowance) AS allowance, min(block) AS block,
        max(rate) FILTER (WHERE tier = 1) AS rate1, max(rate) FILTER (WHERE tier = 2) AS rate2,
        max(rate) FILTER (WHERE tier = 3) AS rate3,
        max(maximum) FILTER (WHERE tier = 1) * 1000 AS bound1, max(maximum) FILTER (WHERE tier = 2) * 1000 AS bound2
    FROM prices GROUP BY ALL
),
billed AS (
    SELECT
        used.*, steps.* EXCLUDE (place, price_list_id),
        CASE
            WHEN block = 0 THEN greatest(milli - allowance * 1000, 0)
            ELSE (greatest(milli - allowance * 1000, 0) + block * 1000 - 1) // (block * 1000) * block * 1000
        END AS q
    FROM used INNER JOIN steps USING (place, price_list_id)
),
tiered AS (
    SELECT
        *,
        CASE
            WHEN coalesce(bound1, 0) = 0 OR q <= bound1 THEN 1
            WHEN coalesce(bound2, 0) = 0 OR q <= bound2 THEN 2
            ELSE 3
        END AS tier
    FROM billed
),
priced AS (
    SELECT
        *,
        CASE
            WHEN place IN (4, 6, 7) THEN q * CASE tier WHEN 1 THEN rate1 WHEN 2 THEN rate2 ELSE rate3 END
            WHEN place IN (2, 5, 9)
                THEN least(q, CASE WHEN tier = 1 THEN q ELSE bound1 END) * rate1
                + CASE
                    WHEN tier > 1 THEN (least(q, CASE WHEN tier = 2 THEN q ELSE bound2 END) - bound1) * rate2
                    ELSE 0
                END
                + CASE WHEN tier > 2 THEN (q - bound2) * rate3 ELSE 0 END
            ELSE q * rate1
        END::HUGEINT AS nano
    FROM tiered
)
SELECT
    (100 + account // 1000)::INTEGER AS network_id,
    (account + 1)::INTEGER AS mailbox_id,
    month AS reporting_month,
    prices.report AS account_report,
    prices.measure AS measure_field,
    (place + 1)::INTEGER AS line_item_number,
    month::TIMESTAMP_NS AS line_date,
    price_list_id,
    'List ' || price_list_id AS price_list_description,
    'Mailbox' AS system_object,
    (account + 1)::INTEGER AS system_id,
    'Mailbox ' || account AS system_name,
    prices.level,
    prices.level AS level_name,
    prices.model,
    prices.schedule_id::INTEGER AS schedule_id,
    prices.allowance::DECIMAL(28, 10) AS schedule_allowance,
    prices.minimum::INTEGER AS schedule_minimum,
    prices.maximum::INTEGER AS schedule_maximum,
    prices.block::DECIMAL(28, 10) AS schedule_block,
    (prices.rate::DECIMAL(28, 10) * 0.000001)::DECIMAL(28, 10) AS schedule_rate,
    9000 AS schedule_catalog_id,
    prices.report || ' ' || prices.measure AS schedule_description,
    prices.report AS schedule_account_report,
    prices.measure AS schedule_measure,
    0 AS schedule_specified_network_id,
    true AS schedule_include_root_mailbox,
    (milli::DECIMAL(28, 10) * 0.001)::DECIMAL(28, 10) AS actual,
    (q::DECIMAL(28, 10) * 0.001)::DECIMAL(28, 10) AS quantity_billed,
    place = 0 AS is_taxable,
    -- half up to cents: a cent is 10,000,000 of these
    (
        ((nano + 5000000) // 10000000)::DECIMAL(28, 10) * 0.01
        + CASE WHEN h % {wrong_every} = 7 THEN 1 ELSE 0 END
    )::DECIMAL(28, 10) AS amount,
    NULL::VARCHAR AS extra,
    'v3.2' AS api_version,
    TIMESTAMPTZ '2026-11-02 06:00:00+00' AS pulled_at,
    sha256(account || '-' || place || '-' || month) AS response_sha256
FROM priced
INNER JOIN prices USING (place, price_list_id, tier)
"""

SCHEDULES = """
SELECT
    m.month AS reporting_month, price_list_id::INTEGER AS price_list_id,
    'List ' || price_list_id AS price_list_description, TIMESTAMP_NS '2020-01-01' AS price_list_date,
    'Active' AS price_list_status, model,
    (place * 10 + tier)::INTEGER AS level_number, level, level AS level_name, 0 AS limited_months, 1 AS schedule_number,
    schedule_id::INTEGER AS schedule_id, allowance::DECIMAL(28, 10) AS schedule_allowance,
    minimum::INTEGER AS schedule_minimum, maximum::INTEGER AS schedule_maximum,
    block::DECIMAL(28, 10) AS schedule_block,
    (rate::DECIMAL(28, 10) * 0.000001)::DECIMAL(28, 10) AS schedule_rate, 9000 AS schedule_catalog_id,
    report || ' ' || measure AS schedule_description, report AS schedule_account_report, measure AS schedule_measure,
    0 AS schedule_specified_network_id, true AS schedule_include_root_mailbox, NULL::VARCHAR AS extra,
    'v3.2' AS api_version, TIMESTAMPTZ '2026-11-02 06:00:00+00' AS pulled_at, repeat('0', 64) AS response_sha256
FROM prices, (VALUES (DATE '{first}'), (DATE '{last}')) AS m (month)
"""


def make_lake(folder: Path, lines: int) -> dict[str, list[str]]:
    """Write the made-up lake; gives the files of each feed."""
    import pyarrow as pa

    keys = lines // len(MONTHS)
    files: dict[str, list[str]] = {}
    with duckdb.connect() as connection:
        connection.execute("SET preserve_insertion_order = false")
        connection.register("prices", pa.Table.from_pylist(_price_rows()))
        given = {
            "per_account": LINES_PER_ACCOUNT,
            "keys": keys,
            "first": MONTHS[0],
            "last": MONTHS[1],
            "lists": LISTS,
            "wrong_every": WRONG_EVERY,
        }
        for feed, sql in (("line_items", LINES), ("price_schedules", SCHEDULES)):
            target = folder / feed
            target.mkdir()
            connection.execute(
                f"COPY ({sql.format(**given)}) TO '{target}' "
                "(FORMAT parquet, COMPRESSION zstd, FILE_SIZE_BYTES '256MB', ROW_GROUP_SIZE 200000)"
            )
            files[feed] = sorted(str(path) for path in target.glob("*.parquet"))
    return files


def build_once(files: dict[str, list[str]], target: Path, threads: int, memory: str) -> None:
    """What the child process does: one build, its figures as JSON on stdout."""
    from ecgrid_flows import warehouse

    report = warehouse.build(files, target, reference_dir=ROOT / "data/reference", threads=threads, memory_limit=memory)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    slowest = sorted(report.relations, key=lambda relation: -relation.seconds)[:12]
    with warehouse.connect(target) as connection:
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


def scan_and_sum(files: list[str], threads: int) -> float:
    """The least there is: read the lines and add up what they bill."""
    started = time.perf_counter()
    with duckdb.connect(config={"threads": str(threads)}) as connection:
        connection.execute(
            "SELECT reporting_month, price_list_id, account_report, measure_field, count(*), sum(actual), "
            "sum(quantity_billed), sum(amount) FROM read_parquet(?) GROUP BY ALL",
            [files],
        ).fetchall()
    return time.perf_counter() - started


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
            price = _rate(rate, price_list) / million
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
        files = make_lake(folder, lines)
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
