"""Pulling from the sandbox over HTTP: every line exact, nothing asked twice, every refusal told for what it is."""

import hashlib
import shutil
from collections import Counter
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pyarrow.parquet as pq
import pytest

from ecgrid_client import RetryPolicy
from ecgrid_flows.errors import ExitStatus, Incomplete, SettingsError, Unreachable
from ecgrid_flows.extract.admission import Limiter
from ecgrid_flows.extract.batches import LINE_OPERATION, Batch
from ecgrid_flows.extract.discovery import read_accounts_file
from ecgrid_flows.extract.plan import Asked, ladder_pairs
from ecgrid_flows.extract.pull import CLOCK_SKEW
from ecgrid_flows.lake import raw_log
from ecgrid_flows.lake.partitions import Lake
from ecgrid_flows.lake.raw_log import RawAnswer
from ecgrid_flows.orchestration import tasks
from ecgrid_flows.settings import Secret
from ecgrid_flows.storage.local import LocalStore
from ecgrid_sandbox import Sandbox, SpawnedSandbox, Trouble, World, spawn
from ecgrid_transforms.keys import PAIRS, keys_of, numbers, pair_bit
from ecgrid_transforms.model import Account, Pricelist
from ecgrid_transforms.money import Decimal
from ecgrid_transforms.schemas import FEEDS, LINE_ITEMS

from .pulling import (
    LAST_MONTH,
    MONTH,
    accounts_of,
    files,
    lake_lines,
    line_calls,
    pull_and_land,
    pulled,
    rows,
    running,
    true_lines,
)

pytestmark = pytest.mark.slow

WIRE = Path(__file__).parents[1] / "wire"


@pytest.fixture(scope="module")
def whole(sandbox: SpawnedSandbox, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory with the last month pulled and landed; tests only read it."""
    data_dir = tmp_path_factory.mktemp("whole")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ecgrid_flows.extract.discovery.MONTHLY_REPORTS", (1, 2))
        pulled(sandbox, data_dir)
    return data_dir


def test_every_line_is_in_the_lake_exactly_as_answered(whole: Path, world: World) -> None:
    assert lake_lines(whole) == true_lines(world)


def test_every_decimal_of_the_lake_equals_the_text_of_the_answer(whole: Path) -> None:
    store = LocalStore(whole)
    texts = {}
    for place, answer in raw_log.scan(store, "line_items", LAST_MONTH):
        body = raw_log.read(store, place).body.decode()
        if answer.outcome == "line":
            arguments = answer.arguments
            key = tuple(arguments[name] for name in ("NetworkID", "MailboxID", "AccountReport", "MeasureField"))
            texts[key] = tuple(
                body.split(f"<{name}>")[1].split("<")[0] for name in ("Actual", "QuantityBilled", "Amount")
            )
    lines = lake_lines(whole)
    assert lines.keys() == texts.keys()
    for key, values in lines.items():
        assert values == tuple(type(value)(text) for value, text in zip(values, texts[key], strict=True))


def test_the_lake_holds_every_feed_by_its_schema(whole: Path) -> None:
    lake = Lake(LocalStore(whole))
    without_rows = {feed for feed in FEEDS if not sum(part.rows for part in lake.parts(feed, LAST_MONTH) or ())}
    nothing_yet = {"line_item_history", "price_schedule_history", "value_faults"}
    assert without_rows == nothing_yet, "nothing was superseded, and every value fits"
    assert {feed: lake.months(feed) for feed in FEEDS} == {feed: [LAST_MONTH] for feed in FEEDS}
    for feed, schema in FEEDS.items():
        for path in lake.files(feed):
            found = pq.read_schema(path)
            assert found.names[: len(schema)] == schema.names
            assert [found.field(name).type for name in schema.names] == schema.types
    assert pq.read_schema(lake.files("line_items")[0]).equals(LINE_ITEMS, check_metadata=True)


def test_calls_tell_what_came_of_every_key(whole: Path, world: World) -> None:
    asked = rows(whole, "calls")
    assert Counter(row["outcome"] for row in asked)["line"] == len(true_lines(world))
    assert {row["fault_code"] for row in asked if row["outcome"] == "no_line"} <= {None, "not_on_price_list"}
    keys = [(row["network_id"], row["mailbox_id"], row["account_report"], row["measure_field"]) for row in asked]
    assert keys == sorted(keys, key=lambda key: (*key[:2], PAIRS.index(key[2:]))), "in the order of the plan, each once"
    assert len(keys) == len(set(keys))


def test_at_most_a_tenth_more_calls_than_lines(whole: Path) -> None:
    assert len(rows(whole, "calls")) <= 1.10 * len(rows(whole, "line_items"))


def test_a_second_run_asks_nothing_and_changes_no_byte(sandbox: SpawnedSandbox, tmp_path: Path, few_file: Path) -> None:
    first = pulled(sandbox, tmp_path, accounts_file=few_file)
    before, calls = files(tmp_path), sandbox.calls
    second = pulled(sandbox, tmp_path, accounts_file=few_file)
    assert (first.calls, second.calls) == (len(rows(tmp_path, "calls")), 0)
    assert sandbox.calls == calls, "not even a session was opened"
    # it packs what the first left in raw, and nothing else changes; a third has nothing left to do
    after = files(tmp_path)
    unpacked = {name: content for name, content in before.items() if not name.startswith("raw/")}
    assert {name: content for name, content in after.items() if not name.startswith("raw/")} == unpacked
    pulled(sandbox, tmp_path, accounts_file=few_file)
    assert files(tmp_path) == after


@pytest.mark.long
def test_a_lake_that_was_deleted_comes_back_byte_for_byte(
    sandbox: SpawnedSandbox, tmp_path: Path, few_file: Path
) -> None:
    pulled(sandbox, tmp_path, accounts_file=few_file)
    before = files(tmp_path)
    shutil.rmtree(tmp_path / "lake")
    with running(sandbox, tmp_path, accounts_file=few_file) as run:
        run.restore()
    assert files(tmp_path) == before


def test_a_month_that_was_cut_short_in_its_lists_does_not_stand_in_the_way_of_others(
    sandbox: SpawnedSandbox, tmp_path: Path, few: list[tuple[int, int]], few_file: Path
) -> None:
    earlier = date(2026, 9, 1)
    with running(sandbox, tmp_path, accounts_file=few_file) as run:
        run.puller.begin(earlier)
        run.puller.ask(earlier, "v3.2", "NetworkList", {"Name": ""})
    assert pulled(sandbox, tmp_path, accounts_file=few_file).missing_calls == 0
    assert {(row["network_id"], row["mailbox_id"]) for row in rows(tmp_path, "accounts", earlier)} == set(few)


def test_a_damaged_partition_is_landed_again(sandbox: SpawnedSandbox, tmp_path: Path, few_file: Path) -> None:
    pulled(sandbox, tmp_path, accounts_file=few_file)
    before = files(tmp_path / "lake")
    part = Path(Lake(LocalStore(tmp_path)).files("line_items")[0])
    part.write_bytes(b"")
    with running(sandbox, tmp_path, accounts_file=few_file) as run:
        run.restore()
        assert any(part.name in warning for warning in run.reporter.warnings)
    assert files(tmp_path / "lake") == before


def test_sessions_are_closed_and_no_secret_is_written(sandbox: SpawnedSandbox, whole: Path) -> None:
    assert sandbox.open_sessions == 0
    assert sandbox.calls["v3.2", "Login"] == sandbox.calls["v3.2", "Logout"] > 0
    for path, content in files(whole).items():
        assert sandbox.password.encode() not in content, path
        assert b"SessionID" not in content, path


def test_a_refresh_keeps_the_earlier_answers(tmp_path: Path, few_file: Path) -> None:
    month = date(2026, 9, 1)  # the month of which the shipped world restates a line
    with Sandbox(World.shipped(LAST_MONTH)) as sandbox:
        pulled(sandbox, tmp_path, month, accounts_file=few_file)
        before = {tuple(row.values())[:5]: row for row in rows(tmp_path, "line_items", month)}
        sandbox.world.restate()
        sandbox.service.forget_answers()
        assert pulled(sandbox, tmp_path, month, accounts_file=few_file).calls == 0, "nothing is asked unasked"
        tally = pulled(sandbox, tmp_path, month, accounts_file=few_file, refresh=True)
    after = {tuple(row.values())[:5]: row for row in rows(tmp_path, "line_items", month)}
    history = {tuple(row.values())[:5]: row for row in rows(tmp_path, "line_item_history", month)}
    assert tally.calls == len(rows(tmp_path, "calls", month))
    changed = {key for key in before if before[key]["actual"] != after[key]["actual"]}
    assert changed
    assert history.keys() == changed
    for key, row in history.items():
        superseded_at = row.pop("superseded_at")
        assert row == before[key]
        assert superseded_at == after[key]["pulled_at"] > row["pulled_at"]
    for key in before.keys() - changed:
        assert after[key] == before[key], "the same answer again is taken for the first: its time stays"


def test_what_was_answered_while_the_month_ran_is_asked_again_once_it_is_over(
    sandbox: SpawnedSandbox, tmp_path: Path, few_file: Path
) -> None:
    """A nightly look at the running month must not stand for the whole; nor a line that nobody would ask today."""
    pulled(sandbox, tmp_path, accounts_file=few_file)
    store, running_still = LocalStore(tmp_path), datetime(2026, 10, 31, 3, 30, tzinfo=UTC)
    for feed in sorted(set(raw_log.FEED_OF.values())):
        for segment in raw_log.segments(store, feed, LAST_MONTH):
            lines = store.read(segment).splitlines(keepends=True)
            early = [replace(raw_log.decode(line), received_at=running_still) for line in lines]
            billed = next((answer for answer in early if answer.outcome == "line"), None)
            if billed is not None:
                gone = {"AccountReport": "TrafficSpecial", "MeasureField": "MigratedTPs"}
                early.append(replace(billed, arguments={**billed.arguments, **gone}))
            store.write(segment, b"".join(map(raw_log.encode, early)))
    tally = pulled(sandbox, tmp_path, accounts_file=few_file)
    found, history = rows(tmp_path, "line_items"), rows(tmp_path, "line_item_history")
    assert tally.calls == len(rows(tmp_path, "calls"))
    assert tally.lines == len(found) > 0
    assert all(row["pulled_at"] > datetime(2026, 11, 1, tzinfo=UTC) for row in found)
    assert len(history) == len(found) + 1
    assert "TrafficSpecial" in {row["account_report"] for row in history if row["measure_field"] == "MigratedTPs"}
    assert "TrafficSpecial" not in {row["account_report"] for row in found if row["measure_field"] == "MigratedTPs"}
    assert {row["pulled_at"] for row in history} == {running_still}
    assert pulled(sandbox, tmp_path, accounts_file=few_file).calls == 0, "what is of the whole month is not"


def redated(data_dir: Path, moment: datetime) -> None:
    """Give every kept answer of the month another time, as a machine whose clock is wrong would have."""
    store = LocalStore(data_dir)
    for feed in sorted(set(raw_log.FEED_OF.values())):
        for segment in raw_log.segments(store, feed, LAST_MONTH):
            lines = store.read(segment).splitlines(keepends=True)
            store.write(
                segment, b"".join(raw_log.encode(replace(raw_log.decode(line), received_at=moment)) for line in lines)
            )


@pytest.mark.parametrize("refresh", [True, False])
@pytest.mark.long
def test_answers_from_a_time_to_come_are_asked_again_once(
    sandbox: SpawnedSandbox, tmp_path: Path, world: World, few: list[tuple[int, int]], few_file: Path, refresh: bool
) -> None:
    """The clock was wrong once. Nobody knows when those were answered: perhaps while the month still ran."""
    first = pulled(sandbox, tmp_path, accounts_file=few_file)
    redated(tmp_path, datetime(2127, 1, 5, tzinfo=UTC))
    again = pulled(sandbox, tmp_path, accounts_file=few_file, refresh=refresh)
    assert again.calls == first.calls > 0
    assert all(row["pulled_at"].year < 2127 for row in rows(tmp_path, "line_items"))
    assert lake_lines(tmp_path) == true_lines(world, accounts=few)
    assert rows(tmp_path, "line_item_history") == []
    assert pulled(sandbox, tmp_path, accounts_file=few_file).calls == 0


@pytest.mark.long
def test_a_refresh_asks_what_an_hour_that_was_wrong_made_newer_than_now(
    sandbox: SpawnedSandbox, tmp_path: Path, few_file: Path
) -> None:
    """Too little to be noticed, and later than the time at which the refresh begins."""
    first = pulled(sandbox, tmp_path, accounts_file=few_file)
    redated(tmp_path, datetime.now(UTC) + CLOCK_SKEW / 2)
    assert pulled(sandbox, tmp_path, accounts_file=few_file).calls == 0
    assert pulled(sandbox, tmp_path, accounts_file=few_file, refresh=True).calls == first.calls


@pytest.mark.long
def test_a_refresh_that_an_earlier_release_began_goes_on(
    sandbox: SpawnedSandbox, tmp_path: Path, few_file: Path
) -> None:
    """It noted the time at which it began, not the segment behind which."""
    first = pulled(sandbox, tmp_path, accounts_file=few_file)
    mark = f"raw/_refresh/{MONTH}"
    LocalStore(tmp_path).write(mark, (datetime.now(UTC) + timedelta(seconds=1)).isoformat().encode())
    assert pulled(sandbox, tmp_path, accounts_file=few_file).calls == first.calls
    LocalStore(tmp_path).write(mark, b"2026-11-01T00:00:00+00:00")
    assert pulled(sandbox, tmp_path, accounts_file=few_file).calls == 0


def test_pages_that_an_earlier_release_kept_as_faults_are_requested_again(
    sandbox: SpawnedSandbox, tmp_path: Path, world: World, few: list[tuple[int, int]], few_file: Path
) -> None:
    """It judged by the status: 413 was an invalid argument, 405 an operation that is not offered. A fault stays one."""
    first = pulled(sandbox, tmp_path, accounts_file=few_file)
    store, seen = LocalStore(tmp_path), 0
    denied = SQL_ERROR.replace(b">SQLError<", b">AccessDenied<")
    kept_as = [(413, "text/html", b"<html>too large</html>"), (405, "text/html", b""), (502, "text/html", denied)]
    for segment in raw_log.segments(store, "line_items", LAST_MONTH):
        lines = []
        for line in store.read(segment).splitlines(keepends=True):
            answer = raw_log.decode(line)
            if answer.outcome == "line" and seen < len(kept_as):
                status, content_type, body = kept_as[seen]
                seen += 1
                answer = replace(
                    answer, outcome="fault", fault_code="access_denied", http_status=status,
                    content_type=content_type, body=body, sha256=hashlib.sha256(body).hexdigest(),
                )  # fmt: skip
            lines.append(raw_log.encode(answer))
        store.write(segment, b"".join(lines))
    again = pulled(sandbox, tmp_path, accounts_file=few_file)
    assert (seen, again.calls, first.missing_calls) == (3, 2, 0)
    assert len(true_lines(world, accounts=few).keys() - lake_lines(tmp_path).keys()) == 1, "that of the fault"


def test_a_refresh_cut_short_goes_on_where_it_stood(sandbox: SpawnedSandbox, tmp_path: Path, few_file: Path) -> None:
    pulled(sandbox, tmp_path, accounts_file=few_file)
    with running(sandbox, tmp_path, refresh=True, accounts_file=few_file) as run:
        plan = run.plan(LAST_MONTH)
        asked = list(plan.asked())[:4]
        some = run.puller.pull_batch(LAST_MONTH, asked).calls
    assert some > 0
    calls = line_calls(sandbox)
    again = pulled(sandbox, tmp_path, accounts_file=few_file)
    assert again.calls == line_calls(sandbox) - calls == plan.size() - some, "also without --refresh: it was begun"
    assert pulled(sandbox, tmp_path, accounts_file=few_file).calls == 0


def test_a_list_that_is_refused_leaves_what_the_others_give(tmp_path: Path, world: World) -> None:
    trouble = Trouble(refused=("ContractList", "MailboxListEx", "InterconnectCountEx"))
    with spawn(world, trouble) as sandbox, running(sandbox, tmp_path) as run:
        plan = run.plan(LAST_MONTH)
        warned = [warning.split()[0] for warning in run.reporter.warnings]
    assert Counter(warned) == {"ContractList": 1, "InterconnectCountEx": 1}, "each once, not once a network"
    own = world.networks[0].network_id
    found = [(billed.account.network_id, billed.account.mailbox_id) for billed in plan.accounts]
    assert found == sorted(account for account in accounts_of(world) if account[0] == own or account[1] == 0), (
        "MailboxList gives the session's own network, NetworkList every Root"
    )


def test_the_accounts_file_limits_the_run(sandbox: SpawnedSandbox, world: World, tmp_path: Path) -> None:
    mailbox = world.mailboxes[3]
    wanted = [(mailbox.network_id, mailbox.mailbox_id), (world.networks[1].network_id, 0)]
    path = tmp_path / "accounts.csv"
    path.write_text("network_id,mailbox_id\n" + "".join(f"{network},{box}\n" for network, box in wanted))
    pulled(sandbox, tmp_path / "data", accounts_file=path)
    assert lake_lines(tmp_path / "data") == {key: line for key, line in true_lines(world).items() if key[:2] in wanted}


@pytest.mark.parametrize(
    "content",
    [
        "network_id,mailbox_id\n4440,0\n4443,7\n",
        "network_id;mailbox_id\r\n4440;0\r\n4443;7\r\n",
        "mailbox_id\tname\tnetwork_id\n0\tx\t4440\n7\t\t4443\n\n",
        '\ufeff"Network_ID";"Mailbox_ID"\n4440; 0\n;\n4443;7',
    ],
)
def test_an_accounts_file_may_come_from_any_spreadsheet(tmp_path: Path, content: str) -> None:
    path = tmp_path / "accounts.csv"
    path.write_text(content, encoding="utf-8", newline="")
    assert read_accounts_file(path) == {Account(4440, 0), Account(4443, 7)}


@pytest.mark.parametrize(
    "content",
    [
        *("a,b\n1,2\n", "network_id,mailbox_id\n", "network_id,mailbox_id\n1,x\n", "\xff", ""),
        *("network_id,mailbox_id\n-1,0\n", "network_id,mailbox_id\n1,-1\n", "network_id,mailbox_id\n99999999999,0\n"),
        *("network_id,mailbox_id\n4\u00a0440,0\n", "network_id|mailbox_id\n1|0\n", "network_id,mailbox_id\n1\n"),
    ],
)
def test_an_accounts_file_that_is_none_is_a_wrong_setting(
    sandbox: SpawnedSandbox, tmp_path: Path, content: str
) -> None:
    path = tmp_path / "accounts.csv"
    path.write_bytes(content.encode("latin-1") if content == "\xff" else content.encode())
    with pytest.raises(SettingsError, match=r"accounts\.csv"), running(sandbox, tmp_path / "d", accounts_file=path):
        pass


@pytest.mark.parametrize("why", ["refused", pytest.param("pending", marks=pytest.mark.long)])
def test_where_a_price_list_cannot_be_read_all_pairs_are_asked_once(tmp_path: Path, why: str) -> None:
    world = World.shipped(LAST_MONTH)
    box = world.mailboxes[0]
    path = tmp_path / "accounts.csv"
    path.write_text(f"network_id,mailbox_id\n{box.network_id},{box.mailbox_id}\n")
    months = [date(2026, 9, 1), LAST_MONTH]
    with Sandbox(world, Trouble(**{why: ("PricelistInfo",)})) as sandbox:
        with running(sandbox, tmp_path / "data", accounts_file=path) as run:
            first = pull_and_land(run, months[0])
            assert any("cannot be read" in warning for warning in run.reporter.warnings)
        second = pulled(sandbox, tmp_path / "data", months[1], accounts_file=path)
    assert first.calls == len(PAIRS) == 168
    assert second.calls <= first.lines + 1, "what was billed, and a sample of the void"
    for month in months:
        expected = {
            key: line for key, line in true_lines(world, month).items() if key[:2] == (box.network_id, box.mailbox_id)
        }
        assert lake_lines(tmp_path / "data", month) == expected


def test_all_pairs_asks_all_pairs(sandbox: SpawnedSandbox, tmp_path: Path, world: World) -> None:
    path = tmp_path / "accounts.csv"
    path.write_text(f"network_id,mailbox_id\n{world.networks[0].network_id},0\n")
    assert pulled(sandbox, tmp_path / "data", accounts_file=path, plan="all-pairs").calls == 168


@pytest.mark.parametrize("refused", ["InvoiceList", "InvoiceCalculate"])
def test_a_line_off_the_ladder_is_found_by_the_trial_calculation_and_the_invoice(
    tmp_path: Path, world: World, few: list[tuple[int, int]], few_file: Path, refused: str
) -> None:
    """The ladders lose a pair before the plan is made: the trial calculation, or the invoice, still names its lines."""
    with (
        spawn(world, Trouble(refused=(refused,))) as sandbox,
        running(sandbox, tmp_path, accounts_file=few_file) as run,
    ):
        plan = run.plan(LAST_MONTH)
        for list_id, ladder in plan.ladders.items():
            assert ladder is not None
            cast(dict[int, Pricelist], plan.ladders)[list_id] = replace(ladder, levels=ladder.levels[1:])
        short = plan.size()
        tally = pull_and_land(run)
    assert tally.calls > short
    assert lake_lines(tmp_path) == true_lines(world, accounts=few)


def test_a_void_pair_that_is_billed_is_asked_of_the_whole_list(
    tmp_path: Path, world: World, few: list[tuple[int, int]], few_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without an invoice and a trial calculation it is the sample that brings a wrong ladder to light."""
    month, lost = LAST_MONTH, {}
    trouble = Trouble(refused=("InvoiceCalculate", "InvoiceList"))
    with spawn(world, trouble) as sandbox, running(sandbox, tmp_path, accounts_file=few_file) as run:
        plan = run.plan(month)
        for list_id, ladder in plan.ladders.items():
            assert ladder is not None
            cast(dict[int, Pricelist], plan.ladders)[list_id] = replace(ladder, levels=ladder.levels[1:])
            lost[list_id] = ladder_pairs(ladder) & ~ladder_pairs(replace(ladder, levels=ladder.levels[1:]))

        def sampled(_month: date, account: Account, planned: int, _first: bool) -> int:
            """Let the draw fall on a lost pair for the first account of each list."""
            billed = next(one for one in plan.accounts if one.account == account)
            assert billed.price_list_id is not None
            first = next(one for one in plan.accounts if one.price_list_id == billed.price_list_id)
            pairs = lost[billed.price_list_id] & ~planned
            return pairs & -pairs if first is billed else 0

        monkeypatch.setattr("ecgrid_flows.extract.plan._sample", sampled)
        pull_and_land(run)
        warned = [warning for warning in run.reporter.warnings if "is billed but not on price list" in warning]
    assert warned
    expected = true_lines(world, accounts=few)
    lists = {account: world.price_list_of(*account).price_list_id for account in few}
    seen = {key for key in lake_lines(tmp_path) if lost[lists[key[:2]]] & pair_bit(*key[2:])}
    first_lost = {list_id: PAIRS[next(numbers(pairs))] for list_id, pairs in lost.items() if pairs}
    assert seen == {key for key in expected if first_lost.get(lists[key[:2]]) == key[2:]}


@pytest.mark.parametrize("why", ["refused", "pending"])
def test_faults_that_retrying_cannot_mend_are_the_answer(
    tmp_path: Path, world: World, why: str, few_file: Path
) -> None:
    with Sandbox(world, Trouble(**{why: (LINE_OPERATION,)})) as sandbox:
        tally = pulled(sandbox, tmp_path, accounts_file=few_file)
        assert (tally.lines, tally.missing_calls) == (0, 0)
        assert line_calls(sandbox) == tally.calls, "asked once each"
        code = {"refused": "access_denied", "pending": "not_implemented_by_service"}[why]
        assert tally.faults == {code: tally.calls}
        assert {(row["outcome"], row["fault_code"]) for row in rows(tmp_path, "calls")} == {("fault", code)}
        with running(sandbox, tmp_path, accounts_file=few_file) as run:
            again = pull_and_land(run)
            done = run.done(LAST_MONTH, again)
        assert (again.calls, done.faults) == (0, {code: tally.calls}), "also told when it was answered before"
        assert done.missing_calls == tally.calls, "a month refused whole is no clean month"
        assert done.missing[0].startswith("the service refused every key")


def test_keys_without_an_answer_leave_the_month_incomplete_and_are_asked_again(
    sandbox: SpawnedSandbox, tmp_path: Path, world: World, few: list[tuple[int, int]], few_file: Path
) -> None:
    with running(sandbox, tmp_path, accounts_file=few_file) as run:
        tasks.plan(run, LAST_MONTH)
    hurried = RetryPolicy(max_attempts=1)
    with (
        Sandbox(world, Trouble(fault_rate=0.5, mishaps=("sql_error",), seed=3)) as troubled,
        running(troubled, tmp_path, retry=hurried, accounts_file=few_file) as run,
    ):
        tally = pull_and_land(run)
    assert 0.3 * tally.calls < tally.missing_calls < 0.7 * tally.calls
    assert "service_error" in tally.missing[0]
    failed = [row for row in rows(tmp_path, "calls") if row["outcome"] == "fault"]
    assert len(failed) == tally.missing_calls
    with running(sandbox, tmp_path, accounts_file=few_file) as run:
        assert pull_and_land(run).calls == tally.missing_calls
    assert lake_lines(tmp_path) == true_lines(world, accounts=few)


def test_a_wrong_password_is_one_sentence(sandbox: SpawnedSandbox, tmp_path: Path) -> None:
    with pytest.raises(Unreachable) as refused:
        pulled(sandbox, tmp_path, password=Secret("wrong-and-secret"))
    assert refused.value.status == ExitStatus.UNREACHABLE == 3
    assert "ECGRID_PASSWORD" in str(refused.value)
    assert "wrong-and-secret" not in str(refused.value)


def test_a_host_that_is_not_there_is_one_sentence(sandbox: SpawnedSandbox, tmp_path: Path) -> None:
    nowhere = "http://127.0.0.1:9/x.asmx"
    with pytest.raises(Unreachable, match=r"127\.0\.0\.1:9"):
        pulled(sandbox, tmp_path, v3_url=nowhere, retry=RetryPolicy(max_attempts=1))


def test_a_circuit_that_opens_ends_the_run_and_names_what_is_missing(
    sandbox: SpawnedSandbox, world: World, tmp_path: Path, few_file: Path
) -> None:
    with running(sandbox, tmp_path, accounts_file=few_file) as run:
        size = run.plan(LAST_MONTH).size()
    with (
        Sandbox(world, Trouble(fault_rate=1.0, mishaps=("empty_500",))) as dead,
        running(dead, tmp_path, accounts_file=few_file) as run,
    ):
        run.puller.limiter = Limiter(4, circuit_failures=10, circuit_seconds=0.05)
        with pytest.raises(Unreachable, match=rf"nothing but failures.* {size} keys of {MONTH} have no response yet"):
            pull_and_land(run)


def test_a_circuit_that_opens_half_way_leaves_the_run_incomplete(
    sandbox: SpawnedSandbox, world: World, tmp_path: Path, few: list[tuple[int, int]], few_file: Path
) -> None:
    with running(sandbox, tmp_path, accounts_file=few_file) as run:
        run.plan(LAST_MONTH)
    with (
        Sandbox(world, Trouble(session_calls=10)) as dying,
        running(dying, tmp_path, accounts_file=few_file) as run,
    ):
        run.puller.limiter = Limiter(2, circuit_failures=6, circuit_seconds=0.05)
        plan = run.plan(LAST_MONTH)
        some = run.puller.pull_batch(LAST_MONTH, list(plan.asked())[:3]).calls
        dying.stop()
        with pytest.raises(Incomplete, match=rf"nothing but failures.* {plan.size() - some} keys of {MONTH}") as ended:
            pull_and_land(run)
    assert ended.value.status == ExitStatus.INCOMPLETE == 4
    assert pulled(sandbox, tmp_path, accounts_file=few_file).calls == plan.size() - some
    assert lake_lines(tmp_path) == true_lines(world, accounts=few)


def test_more_accounts_than_tasks_share_tasks(
    sandbox: SpawnedSandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ecgrid_flows.orchestration.run_context.TASKS_A_MONTH", 10)
    with running(sandbox, tmp_path) as run:
        batches = list(run.batches(LAST_MONTH))
        accounts = len(run.plan(LAST_MONTH).accounts)
    assert len(batches) <= 10
    assert [len(batch) for batch in batches[:-1]] == [-(-accounts // 10)] * (len(batches) - 1)


def test_the_stop_of_a_run_is_incomplete_and_resumable(
    sandbox: SpawnedSandbox, tmp_path: Path, world: World, few: list[tuple[int, int]], few_file: Path
) -> None:
    with running(sandbox, tmp_path, accounts_file=few_file) as run:
        run.plan(LAST_MONTH)
        assert sandbox.open_sessions
        run.puller.stop("stopped by SIGTERM")
        assert sandbox.open_sessions == 0, "a flow run may be killed before it ends"
        with pytest.raises(Incomplete, match=r"stopped by SIGTERM.*run again"):
            pull_and_land(run)
    assert sandbox.open_sessions == 0
    pulled(sandbox, tmp_path, accounts_file=few_file)
    assert lake_lines(tmp_path) == true_lines(world, accounts=few)


def test_a_decimal_that_does_not_fit_faults_its_key_alone_and_the_right_answer_heals_it(
    tmp_path: Path, world: World, few: list[tuple[int, int]], few_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    right = true_lines(world, accounts=few)
    odd_key = min(key for key, line in right.items() if line[2])
    other_world = World.shipped(LAST_MONTH)
    with Sandbox(other_world) as sandbox:
        real = other_world.books.line

        def longer(account: tuple[int, int], month: date, pair: tuple[str, str]) -> Any:
            line = real(account, month, pair)
            is_odd = (*account, *pair) == odd_key and month == LAST_MONTH
            return replace(line, amount=line.amount + Decimal("0.00000000001")) if line and is_odd else line

        monkeypatch.setattr(other_world.books, "line", longer)
        first = pulled(sandbox, tmp_path, accounts_file=few_file)
        assert (first.missing_calls, first.faults) == (0, {"value_out_of_range": 1})
        assert pulled(sandbox, tmp_path, accounts_file=few_file).calls == 0, "it is answered"
        assert lake_lines(tmp_path) == {key: line for key, line in right.items() if key != odd_key}
        (call,) = [row for row in rows(tmp_path, "calls") if row["outcome"] == "fault"]
        assert (call["network_id"], call["mailbox_id"], call["account_report"], call["measure_field"]) == odd_key
        assert (call["fault_code"], "Amount has more digits" in call["fault_message"]) == ("value_out_of_range", True)
        odd = [row for row in rows(tmp_path, "value_faults") if row["feed"] == "line_items"]
        billed = right[odd_key][2] + Decimal("0.00000000001")
        assert [(row["element"], Decimal(row["value_text"])) for row in odd] == [("Amount", billed)]
        pulled(sandbox, tmp_path, date(2026, 9, 1), accounts_file=few_file)
    with Sandbox(world) as mended:
        pulled(mended, tmp_path, accounts_file=few_file, refresh=True)
    assert lake_lines(tmp_path) == right
    assert not [row for row in rows(tmp_path, "value_faults") if row["feed"] == "line_items"]


def test_what_a_contract_aggregates_and_a_level_is_limited_to_is_kept(whole: Path) -> None:
    aggregating = {row["contract_id"] for row in rows(whole, "contracts") if row["aggregate_network_traffic"]}
    limits = {row["schedule_id"]: row["limited_months"] for row in rows(whole, "price_schedules")}
    assert aggregating == {8755}
    assert {number: months for number, months in limits.items() if months} == {43102: 12}


NULL_REFERENCE = (WIRE / "v3.2-InvoiceCalculateLineItem-bad-enum.soap11.response.xml").read_bytes()
SQL_ERROR = (WIRE / "v3.2-fault-session.soap11.response.xml").read_bytes().replace(b">Authentication<", b">SQLError<")


@pytest.mark.parametrize(("body", "missing"), [(NULL_REFERENCE, 1), (SQL_ERROR, 2), (b"", 2)])
def test_a_fault_without_a_code_is_the_answer_to_a_void_pair_alone(body: bytes, missing: int) -> None:
    account = Account(1, 0)
    asked = Asked(account, None, planned=1, sample=2)
    batch = Batch(LAST_MONTH, keys_of(account, LAST_MONTH, asked.pairs), {account: asked.sample})
    while (key := batch.take()) is not None:
        answer = RawAnswer(
            LINE_OPERATION,
            "v3.2",
            {},
            datetime.now(UTC),
            1,
            5,
            "",
            is_usable=False,
            fault_code="service_error",
            body=body,
        )
        batch.returned(key, answer)
    assert (batch.tally.calls, batch.tally.missing_calls) == (2, missing)
