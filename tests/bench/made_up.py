"""A made-up lake for benches: lines of many accounts, whose amounts are worked out while they are made.

40 price lists of ten measures (unit, volume and graduated ladders, allowances, blocks, flat fees), accounts with ten
lines in each month, one line in two hundred wrong by 1.00. Amounts come in whole millionths and by other
formulas than the project's SQL, and from hashes, so that every run makes the same lake.
"""

import time
from collections.abc import Sequence
from datetime import date
from pathlib import Path

import duckdb
import pyarrow as pa

from ecgrid_transforms.period import months_between, next_month

LAST_MONTH = date(2026, 10, 1)
#: Files are in the order of accounts, as those of a lake that was landed.
LINES_PER_FILE = 1_000_000
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


def rate_of(rate: int, price_list: int) -> int:
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
                        "rate": rate_of(rate, price_list),
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
    FROM range({begin}, {end}) AS t (i), (VALUES (DATE '{month}')) AS m (month)
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
FROM prices, (VALUES (DATE '{month}')) AS m (month)
"""


Files = dict[str, dict[date, list[str]]]


def make_lake(folder: Path, lines: int, months: int = 2) -> Files:
    """Write the made-up lake of the last `months` below `folder`; gives the files of each feed by month."""
    keys = lines // months // LINES_PER_ACCOUNT * LINES_PER_ACCOUNT
    step = max(LINES_PER_FILE // LINES_PER_ACCOUNT, 1) * LINES_PER_ACCOUNT
    files: Files = {}
    with duckdb.connect() as connection:
        connection.execute("SET preserve_insertion_order = false")
        connection.register("prices", pa.Table.from_pylist(_price_rows()))
        for feed, sql, rows in (("line_items", LINES, keys), ("price_schedules", SCHEDULES, 1)):
            for month in months_between(next_month(LAST_MONTH, 1 - months), LAST_MONTH):
                target = folder / feed / f"month={month:%Y-%m}"
                target.mkdir(parents=True)
                for number, begin in enumerate(range(0, rows, step)):
                    select = sql.format(
                        per_account=LINES_PER_ACCOUNT,
                        begin=begin,
                        end=min(begin + step, rows),
                        month=month,
                        lists=LISTS,
                        wrong_every=WRONG_EVERY,
                    )
                    path = target / f"part-{number:05}.parquet"
                    connection.execute(
                        f"COPY ({select}) TO '{path}' (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 65536)"
                    )
                    files.setdefault(feed, {}).setdefault(month, []).append(str(path))
    return files


def all_of(files: Files) -> dict[str, list[str]]:
    """The files of each feed, of all months."""
    return {feed: [path for month in sorted(found) for path in found[month]] for feed, found in files.items()}


def scan_and_sum(files: Sequence[str], threads: int) -> float:
    """The least there is: read the lines and add up what they bill."""
    started = time.perf_counter()
    with duckdb.connect(config={"threads": str(threads)}) as connection:
        connection.execute(
            "SELECT reporting_month, price_list_id, account_report, measure_field, count(*), sum(actual), "
            "sum(quantity_billed), sum(amount) FROM read_parquet(?) GROUP BY ALL",
            [list(files)],
        ).fetchall()
    return time.perf_counter() - started
