"""`quote --batch` on 100,000 records and the rating alone on (case, reading) pairs, beside a loop over decimals.

    python tests/bench/quote.py [RECORDS] [PAIRS]

The baseline reads the same JSON, prices graduated slices one record at a time with `Decimal`, and writes JSON: what
one would write without a database. It knows one reading; `quote` rates all of them. Target: 100,000 records in under
10 s on two cores.
"""

import json
import random
import sys
import time
from collections.abc import Iterator
from typing import Any

from ecgrid_flows.rating import quote
from ecgrid_flows.warehouse import builder, database, sql_files
from ecgrid_transforms.money import ZERO, Decimal, plain

RECORDS = 100_000
PAIRS = 1_000_000
#: 1,000 ladders of four tiers, 80 readings, and as many quantities as it takes.
PAIR_INPUTS = {
    "core_rating_tiers": """
        SELECT
            ladder.i AS ladder_id,
            tier.i::INTEGER AS tier,
            ((tier.i - 1) * 100)::DECIMAL(28, 10) AS minimum,
            CASE WHEN tier.i < 4 THEN tier.i * 100 END::DECIMAL(28, 10) AS maximum,
            (0.20 - 0.01 * tier.i)::DECIMAL(28, 10) AS rate,
            (5 * tier.i)::DECIMAL(28, 10) AS flat,
            CASE WHEN ladder.i % 3 = 0 THEN 10 ELSE 1 END::DECIMAL(28, 10) AS block
        FROM range(1000) AS ladder (i), range(1, 5) AS tier (i)""",
    "core_rating_readings": """
        SELECT (row_number() OVER ())::VARCHAR AS reading_id, *
        FROM
            (VALUES ('unit'), ('volume'), ('graduated'), ('stairstep'), ('stacked_flat')) AS a (model),
            (VALUES ('inclusive'), ('exclusive')) AS b (upper_bound),
            (VALUES ('up')) AS c (blocks),
            (VALUES ('quantity'), ('tier')) AS d (block_scope),
            (VALUES ('block'), ('unit')) AS e (rate_per),
            (VALUES ('before_blocks'), ('free_tier')) AS f (allowance_rule),
            (VALUES (false, 'half_up', 2)) AS g (zero_pays_flat, rounding, scale)""",
    "core_rating_cases": """
        SELECT
            i::BIGINT AS case_id,
            (i // 80) % 1000 AS ladder_id,
            (i % 80 + 1)::VARCHAR AS reading_id,
            (((i // 80) * 7919) % 50000 * 0.01)::DECIMAL(28, 10) AS quantity,
            ((i // 80) % 3 * 25)::DECIMAL(28, 10) AS allowance
        FROM range($count) AS n (i)""",
}


def records(count: int) -> Iterator[dict[str, Any]]:
    """Records of two to five tiers and of every reading; nearly every record has a ladder of its own."""
    draw = random.Random(1)
    for number in range(count):
        tiers, end = [], 0
        for _ in range(draw.randint(2, 5)):
            start, end = end, end + draw.randint(1, 500)
            tiers.append(
                {
                    "minimum": str(start),
                    "maximum": str(end),
                    "rate": f"0.{draw.randint(1, 9999):04d}",
                    "flat": str(draw.randint(0, 50)),
                    "block": draw.choice(("1", "1", "10", "100")),
                }
            )
        tiers[-1]["maximum"] = None
        yield {
            "id": number,
            "quantity": f"{draw.randint(0, 2000)}.{draw.randint(0, 99):02d}",
            "allowance": draw.choice(("0", "25", "100")),
            "tiers": tiers,
            "reading": {name: draw.choice(values) for name, values in quote.READING_VALUES.items()},
        }


def baseline(lines: list[bytes]) -> list[str]:
    """Graduated slices, one record at a time, in Python."""
    written = []
    for line in lines:
        record = json.loads(line)
        quantity = max(Decimal(record["quantity"]) - Decimal(record["allowance"]), ZERO)
        lower, amount, slices = ZERO, ZERO, []
        for place, tier in enumerate(record["tiers"], start=1):
            if quantity <= lower:
                break
            upper = quantity if tier["maximum"] is None else min(quantity, Decimal(tier["maximum"]))
            part = (upper - lower) * Decimal(tier["rate"]) + Decimal(tier["flat"])
            slices.append({"tier": place, "quantity": plain(upper - lower), "amount": plain(part)})
            amount, lower = amount + part, upper
        written.append(json.dumps({"id": record["id"], "amount": plain(amount), "slices": slices}))
    return written


def timed(what: str, count: int, work: Any) -> float:
    started = time.perf_counter()
    work()
    seconds = time.perf_counter() - started
    print(f"{what:<48} {count:>10,} in {seconds:7.2f} s  {count / seconds:>12,.0f}/s")
    return seconds


def rate_pairs(count: int) -> float:
    """The rating alone: 1,000 ladders, every reading of models, bounds, block scopes and allowance rules."""
    tree = sql_files.load_sql()
    with database.scratch(tree, threads=2) as connection:
        for name, text in PAIR_INPUTS.items():
            connection.execute(f"CREATE TABLE {name} AS {text}".replace("$count", str(count))).fetchall()
        inputs = ["core_rating_tiers", "core_rating_readings", "core_rating_cases"]

        def rate() -> None:
            builder.materialise(connection, tree, ["core_rated"], given=inputs)
            connection.execute("CREATE TABLE rated AS FROM core_rated").fetchall()  # itself it is a view

        return timed("rating alone, (case, reading) pairs", count, rate)


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else RECORDS
    pairs = int(sys.argv[2]) if len(sys.argv) > 2 else PAIRS
    lines = [json.dumps(record).encode() for record in records(count)]
    by_hand = timed("a loop over Python decimals, one reading", count, lambda: baseline(lines))
    quoted = timed("quote --batch, every reading", count, lambda: sum(1 for _ in quote.rate(lines)))
    print(f"quote takes {quoted / by_hand:.1f} times as long as the loop")
    rate_pairs(pairs)


if __name__ == "__main__":
    main()
