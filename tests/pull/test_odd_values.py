"""No raw answer makes a build, an export, a report or a later run fail: odd and enormous values all the way.

A real pull is damaged answer by answer: by values that do not fit their types, and by values that fit
DECIMAL(28,10) and overflow what is reckoned from them.
"""

import hashlib
import random
import re
import shutil
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from ecgrid_flows.lake import raw_log
from ecgrid_flows.orchestration import session, tasks
from ecgrid_flows.progress import Reporter
from ecgrid_flows.settings import Settings
from ecgrid_flows.storage.local import LocalStore
from ecgrid_flows.warehouse import database
from ecgrid_sandbox import Sandbox, World

from .pulling import LAST_MONTH, lake_lines, pulled, rows

KEY = ("network_id", "mailbox_id", "account_report", "measure_field")
ODD = [
    *("0.3333333333333333333333333333", "4.77001111111111111111107306", "2147483648", "-2147483649", "1e400", "INF"),
    *("-INF", "NaN", "", " ", "-0", "1,234.50", "1\u00a0234", "\u20095", "True", "yes", "-1", "x" * 5_000, "=1+1"),
    *("A&#x1;B", "9999-12-31T23:59:59", "0001-01-01T00:00:00", "2262-04-12T00:00:00", "yesterday", "9" * 28, "Tier99"),
    *("2026-02-30T00:00:00", "'; DROP TABLE x; --", "&quot;", "😀", "0x10"),
]
ENORMOUS = [
    *("999999999999999999.9999999999", "-999999999999999999.9999999999", "123456789012345678", "0.0000000001"),
    *("2147483647", "-2147483648", "-1"),
]
LEAF = re.compile(rb"<([A-Za-z_][\w.-]*)([^<>/]*)>([^<>]*)</\1>")
NUMBER = re.compile(
    rb"<(Amount|Actual|QuantityBilled|TotalAmount|Rate|Block|Allowance|Minimum|Maximum|LineItemNumber|LimitedMonths|"
    rb"(?:Total|To|From)(?:KCs|Trans)|Parcels(?:In|Out))>[^<>]*</"
)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    data_dir = tmp_path_factory.mktemp("whole")
    with Sandbox(World.shipped(LAST_MONTH)) as sandbox:
        pulled(sandbox, data_dir)
    return data_dir


def odd(body: bytes, chance: random.Random) -> bytes:
    """One to ten leaves with another value, without one, nil, twice, or with elements in them."""
    for _ in range(chance.choice((1, 1, 2, 10))):
        found = list(LEAF.finditer(body))
        if not found:
            break
        leaf = chance.choice(found)
        name, value = leaf[1], chance.choice(ODD).encode()
        new = chance.choice(
            [
                *[b"<%b%b>%b</%b>" % (name, leaf[2], value, name)] * 6,
                b'<%b xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:nil="true" />' % name,
                b"",
                leaf[0] * 2,
                b"<%b><Deep>1</Deep></%b>" % (name, name),
            ]
        )
        body = body[: leaf.start()] + new + body[leaf.end() :]
    return body


def enormous(body: bytes, chance: random.Random) -> bytes:
    """Every eighth number as large, or as small, as its type allows."""

    def another(found: re.Match[bytes]) -> bytes:
        return b"<%b>%b</" % (found[1], chance.choice(ENORMOUS).encode()) if chance.random() < 0.12 else found[0]

    return NUMBER.sub(another, body)


def damaged(whole: Path, data_dir: Path, damage: Callable[[bytes, random.Random], bytes], seed: int) -> None:
    """A copy of a pull with three in ten answers damaged, each still whole for the raw log.

    Which ones, and how, depends on the request, not on the order in which the responses came.
    """
    shutil.copytree(whole, data_dir)
    store = LocalStore(data_dir)
    for feed in sorted(set(raw_log.FEED_OF.values())):
        for segment in raw_log.segments(store, feed, LAST_MONTH):
            answers = [raw_log.decode(line) for line in store.read(segment).splitlines(keepends=True)]
            for place, answer in enumerate(answers):
                chance = random.Random(f"{seed} {raw_log.name(answer.operation, answer.arguments)}")
                if answer.body and chance.random() < 0.3:
                    body = damage(answer.body, chance)
                    answers[place] = replace(answer, body=body, sha256=hashlib.sha256(body).hexdigest())
            store.write(segment, b"".join(map(raw_log.encode, answers)))


def either(body: bytes, chance: random.Random) -> bytes:
    return chance.choice((odd, enormous))(body, chance)


@pytest.mark.parametrize(
    ("damage", "seed"),
    [
        pytest.param(either, 1, marks=pytest.mark.long),
        *(pytest.param(odd, seed, marks=pytest.mark.soak) for seed in (1, 2)),
        pytest.param(enormous, 1, marks=pytest.mark.soak),
    ],
)
def test_no_answer_makes_a_build_an_export_or_a_report_fail(
    whole: Path, tmp_path: Path, damage: Callable[[bytes, random.Random], bytes], seed: int
) -> None:
    data_dir = tmp_path / "data"
    damaged(whole, data_dir, damage, seed)
    settings = Settings(data_dir=str(data_dir))
    with session.opened(settings=settings, reporter=Reporter(mute=True), purpose="build") as run:
        run.restore()
        tasks.build(run)
        assert tasks.export(run, LAST_MONTH)
        assert tasks.report(run, LAST_MONTH).is_file()
    with closing(database.connect(settings.warehouse_path)) as connection:
        views = "SELECT view_name FROM duckdb_views() WHERE NOT internal AND view_name LIKE 'out_%'"
        for (view,) in connection.execute(views).fetchall():
            connection.execute(f'CREATE TEMP TABLE found AS FROM "{view}"; DROP TABLE found').fetchall()
    before, after = lake_lines(whole), lake_lines(data_dir)
    calls = rows(data_dir, "calls")
    assert len(calls) == len(rows(whole, "calls")), "every answer is kept and counted"
    faulted = {tuple(row[name] for name in KEY) for row in calls if row["outcome"] == "fault"}
    no_line = {tuple(row[name] for name in KEY) for row in calls if row["outcome"] == "no_line"}
    assert before.keys() - after.keys() <= faulted | no_line
    if damage is not enormous:
        assert len(faulted) > 10
        assert {row["record"].split(" ")[0] for row in rows(data_dir, "value_faults")} >= {"LineItem", "Invoice"}
    with session.opened(settings=settings, reporter=Reporter(mute=True), purpose="build") as run:
        run.restore()  # a later run finds it landed
