"""What stands between a run and the service, over HTTP: pages for answers, answers for other keys, no word for all.

The sandbox's month 2026-10 means 417 lines over 51,783.12. They arrive, or what is missing is named and requested by
the next run.
"""

from dataclasses import replace
from pathlib import Path

import pytest

from ecgrid_flows.extract.batches import LINE_OPERATION
from ecgrid_flows.lake import raw_log
from ecgrid_flows.orchestration.pipeline import MonthIncomplete, bill_months
from ecgrid_flows.storage.opening import open_store
from ecgrid_sandbox import SpawnedSandbox, Trouble, World, spawn
from ecgrid_sandbox.service.trouble import PAGE_STATUSES
from ecgrid_transforms.money import Decimal, total

from .pulling import LAST_MONTH, MONTH, QUICK, lake_lines, line_calls, pull_and_land, pulled, rows, running, true_lines

pytestmark = pytest.mark.slow

LINES, AMOUNT = 417, Decimal("51783.12")


def assert_whole(data_dir: Path, world: World) -> None:
    found = lake_lines(data_dir)
    assert (len(found), total(line[2] for line in found.values())) == (LINES, AMOUNT)
    assert found == true_lines(world)


@pytest.mark.parametrize(
    "page_is_empty", [False, pytest.param(True, marks=pytest.mark.soak)], ids=["a page", "no body"]
)
def test_a_page_for_every_ninth_line_costs_a_retry_and_no_line(
    world: World, tmp_path: Path, page_is_empty: bool
) -> None:
    """Twenty statuses in turn."""
    trouble = Trouble(page_every=9, page_of=(LINE_OPERATION,), page_is_empty=page_is_empty)
    with spawn(world, trouble) as sandbox:
        tally = pulled(sandbox, tmp_path)
    assert tally.missing_calls == 0
    assert tally.faults.keys() <= {"access_denied"}, "faults of the service's own alone"
    assert_whole(tmp_path, world)
    asked = rows(tmp_path, "calls")
    again = sum(row["attempts"] - 1 for row in asked)
    assert again >= len(asked) // 9 > 40, "all but a few attempts more are for a page"


@pytest.mark.long
def test_keys_that_got_a_page_alone_are_missing_and_requested_by_the_next_run(
    sandbox: SpawnedSandbox, world: World, tmp_path: Path
) -> None:
    """One attempt for each call. The month is incomplete, though every call had a reply."""
    trouble = Trouble(page_every=9, page_of=(LINE_OPERATION,), page_statuses=PAGE_STATUSES[:4])
    with (
        spawn(world, trouble) as troubled,
        running(troubled, tmp_path, retry=replace(QUICK, max_attempts=1)) as run,
    ):
        tally = pull_and_land(run)
        done = run.done(LAST_MONTH, tally)
    assert tally.missing_calls > 40
    assert done.missing_calls == tally.missing_calls
    assert all("HTTP 4" in words or "HTTP 2" in words for words in tally.missing), tally.missing
    assert f"{MONTH} " in tally.missing[0]
    outcomes = [(row["outcome"], row["fault_code"]) for row in rows(tmp_path, "calls")]
    assert outcomes.count(("fault", "malformed_answer")) == tally.missing_calls
    assert len(lake_lines(tmp_path)) < LINES
    before = line_calls(sandbox)
    again = pulled(sandbox, tmp_path)
    assert again.calls == tally.missing_calls <= line_calls(sandbox) - before
    assert_whole(tmp_path, world)


@pytest.mark.parametrize(
    ("operation", "is_held_back"),
    [
        ("InvoiceList", True),
        ("InvoiceCalculate", False),
        pytest.param("InvoiceInfo", True, marks=pytest.mark.soak),
        pytest.param("InterconnectCountEx", False, marks=pytest.mark.soak),
    ],
)
def test_a_call_besides_the_lines_that_got_pages_alone_is_missing(
    world: World, tmp_path: Path, few_file: Path, operation: str, is_held_back: bool
) -> None:
    pages, refused = Trouble(page_every=1, page_of=(operation,)), Trouble(refused=(operation,))
    patience = replace(QUICK, max_attempts=2)
    with (
        spawn(world, pages) as sandbox,
        running(sandbox, tmp_path, retry=patience, accounts_file=few_file) as run,
    ):
        done = run.done(LAST_MONTH, pull_and_land(run))
    missing, other = (done.missing, done.unchecked) if is_held_back else (done.unchecked, done.missing)
    assert missing
    assert all(words.startswith(f"{operation} ") and "has no usable response" in words for words in missing)
    assert (other, done.missing_calls) == ([], len(missing) if is_held_back else 0)
    found = raw_log.scan(open_store(run.settings), raw_log.FEED_OF[operation], LAST_MONTH)
    attempts = [answer.attempts for _, answer in found if answer.operation == operation]
    assert attempts == [2] * len(missing), "the attempts of a call are made once in a run, also if it is needed twice"

    with spawn(world, refused) as sandbox, running(sandbox, tmp_path, accounts_file=few_file) as run:
        done = run.done(LAST_MONTH, pull_and_land(run))
        assert not done.is_incomplete, "a refusal is a response"
        assert any(words.startswith(f"{operation} is left out") for words in run.reporter.warnings)


@pytest.mark.parametrize(
    ("operation", "is_billed"),
    [("InvoiceList", False), pytest.param("InvoiceCalculate", True, marks=pytest.mark.soak)],
)
def test_a_month_without_its_invoices_is_held_back_and_one_without_its_trials_is_not(
    world: World, tmp_path: Path, few_file: Path, operation: str, is_billed: bool
) -> None:
    """The run is incomplete both times, and names what is missing."""
    trouble = Trouble(page_every=1, page_of=(operation,))
    with (
        spawn(world, trouble) as sandbox,
        running(sandbox, tmp_path, retry=replace(QUICK, max_attempts=2), accounts_file=few_file) as run,
        pytest.raises(MonthIncomplete) as raised,
    ):
        bill_months(run, [LAST_MONTH])
    (done,) = raised.value.done
    assert raised.value.status == 4
    assert f"{operation} ContractID=" in str(raised.value)
    assert (bool(done.exports), done.report is not None) == (is_billed, is_billed)


@pytest.mark.long
@pytest.mark.parametrize(
    "trouble",
    [
        Trouble(doubled_after_ms=0),
        Trouble(is_late=True),
        pytest.param(Trouble(doubled_after_ms=0.5), marks=pytest.mark.soak),
    ],
)
def test_answers_that_come_twice_or_late_are_no_other_keys(world: World, tmp_path: Path, trouble: Trouble) -> None:
    with spawn(world, trouble) as sandbox:
        tally = pulled(sandbox, tmp_path, concurrency=8)
        assert sandbox.open_sessions == 0
    assert tally.missing_calls == 0
    assert_whole(tmp_path, world)


@pytest.mark.long
@pytest.mark.parametrize("code", ["NotFound", pytest.param("AccessDenied", marks=pytest.mark.soak)])
def test_where_minus_one_is_not_known_every_network_has_its_reports(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str
) -> None:
    monkeypatch.setattr("ecgrid_flows.extract.discovery.MONTHLY_REPORTS", (1,))
    with spawn(world, Trouble(all_refused=code)) as sandbox, running(sandbox, tmp_path) as run:
        tasks_size = run.plan(LAST_MONTH).size()
        pull_and_land(run)
        warned = [words for words in run.reporter.warnings if "refuses -1" in words]
    assert tasks_size > 0
    networks = {network.network_id for network in world.networks}
    for feed in ("monthly_reports", "interconnect_counts", "instant_stats"):
        found = rows(tmp_path, feed)
        assert {row["asked_network_id"] for row in found} == networks, feed
    accounts = {(row["asked_network_id"], row["asked_mailbox_id"]) for row in rows(tmp_path, "monthly_reports")}
    with_traffic = {(row["NetworkID"], row["MailboxID"]) for row in rows(tmp_path, "monthly_reports")}
    assert accounts >= with_traffic > {(network, 0) for network in networks}
    assert len(warned) == 3 * len(networks), "one for each operation and network"


def test_the_clock_of_the_service_decides_nothing(world: World, tmp_path: Path, few_file: Path) -> None:
    with spawn(world, Trouble(clock_off_s=400 * 24 * 3600)) as sandbox:
        first = pulled(sandbox, tmp_path, accounts_file=few_file)
        assert first.lines > 0
        assert pulled(sandbox, tmp_path, accounts_file=few_file).calls == 0
        assert pulled(sandbox, tmp_path, accounts_file=few_file, refresh=True).calls == first.calls
