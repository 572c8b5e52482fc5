"""Refreshes of a month: each requests the whole month, and an interrupted one continues."""

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from ecgrid_client import RetryPolicy
from ecgrid_flows.extract.pull import REFRESH_SPAN
from ecgrid_flows.lake import repeats
from ecgrid_flows.storage.local import LocalStore
from ecgrid_sandbox import SpawnedSandbox, World, spawn
from ecgrid_transforms.period import last_full_month, month_text, next_month
from tests.support.storage import Storage, fronting

from .pulling import LAST_MONTH, few_of, lake_lines, line_calls, pulled, running, true_lines

RUNNING = next_month(last_full_month())
#: Two attempts are as good as five for a key that never has a response.
SHORT = RetryPolicy(max_attempts=2, first_wait_s=0.01, longest_wait_s=0.02)


@pytest.fixture(scope="module")
def running_world() -> World:
    """A world that bills the running month."""
    return World.shipped(RUNNING)


@pytest.fixture(scope="module")
def service(running_world: World) -> Iterator[SpawnedSandbox]:
    with spawn(running_world) as started:
        yield started


@pytest.fixture(scope="module")
def accounts(running_world: World, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("running") / "accounts.csv"
    named = [f"{network},{box}\n" for network, box in few_of(running_world)]
    path.write_text("network_id,mailbox_id\n" + "".join(named))
    return path


def without_one_key(proxy: Storage, service: SpawnedSandbox, world: World) -> tuple[dict[str, str], str]:
    """The service's addresses through the proxy, which breaks the connection of each call for one billed key."""
    (network, box, report, measure), *_ = sorted(true_lines(world, RUNNING, few_of(world)))
    texts = {"NetworkID": network, "MailboxID": box, "AccountReport": report, "MeasureField": measure}

    def before(data: bytes) -> None:
        if b"InvoiceCalculateLineItem" in data and all(
            f"{name}>{text}<".encode() in data for name, text in texts.items()
        ):
            raise ConnectionError

    proxy.before = before
    here, there = f":{service.port}/", f":{proxy.port}/"
    named = {name: getattr(service, name).replace(here, there) for name in ("v2_url", "v3_url", "v4_url")}
    return named, f"{network}/{box}"


@pytest.mark.long
def test_each_night_requests_the_whole_running_month_whatever_the_night_before_left(
    tmp_path: Path, service: SpawnedSandbox, running_world: World, accounts: Path
) -> None:
    first = pulled(service, tmp_path, RUNNING, accounts_file=accounts)
    assert first.missing_calls == 0
    with fronting(service.port) as proxy:
        addresses, account = without_one_key(proxy, service, running_world)
        for _ in range(3):
            calls = line_calls(service)
            night = pulled(service, tmp_path, RUNNING, refresh=True, retry=SHORT, accounts_file=accounts, **addresses)
            assert night.calls == first.calls
            assert line_calls(service) - calls == first.calls - 1, "all but the one that no connection lives to make"
            assert night.missing_calls == 1
            assert account in night.missing[0]
    calls = line_calls(service)
    assert pulled(service, tmp_path, RUNNING, accounts_file=accounts).calls == 1, "the key without a response, by `run`"
    assert pulled(service, tmp_path, RUNNING, accounts_file=accounts).calls == 0
    assert pulled(service, tmp_path, RUNNING, refresh=True, accounts_file=accounts).calls == first.calls
    assert line_calls(service) - calls == 1 + first.calls
    store = LocalStore(tmp_path)
    assert len(repeats.rounds(store, RUNNING)) == 4, "three nights, of which the third with the key, and a refresh"
    assert repeats.verify(store, RUNNING)[0] == []
    assert not list((tmp_path / "raw").rglob("*.repeats.jsonl"))
    assert lake_lines(tmp_path, RUNNING) == true_lines(running_world, RUNNING, accounts=few_of(running_world))


def cut_short(service: SpawnedSandbox, data_dir: Path, month: date, accounts: Path) -> tuple[int, int]:
    """A refresh of a month that ends in the middle: the calls that it made, and those of the whole month."""
    with running(service, data_dir, refresh=True, accounts_file=accounts) as run:
        plan = run.plan(month)
        return run.puller.pull_batch(month, list(plan.asked())[:4]).calls, plan.size()


def begun(data_dir: Path, month: date, moment: datetime) -> None:
    """Change the time at which the refresh of the month began."""
    path = data_dir / "raw/_refresh" / month_text(month)
    path.write_text(json.dumps(json.loads(path.read_text()) | {"began": moment.isoformat()}))


@pytest.mark.long
def test_an_interrupted_refresh_continues_unless_its_running_month_went_on_for_half_a_day(
    tmp_path: Path, service: SpawnedSandbox, accounts: Path
) -> None:
    whole = pulled(service, tmp_path, RUNNING, accounts_file=accounts).calls
    some, size = cut_short(service, tmp_path, RUNNING, accounts)
    assert 0 < some < size == whole
    begun(tmp_path, RUNNING, datetime.now(UTC) - REFRESH_SPAN + timedelta(hours=1))
    assert pulled(service, tmp_path, RUNNING, refresh=True, accounts_file=accounts).calls == whole - some
    cut_short(service, tmp_path, RUNNING, accounts)
    begun(tmp_path, RUNNING, datetime.now(UTC) - REFRESH_SPAN)
    assert pulled(service, tmp_path, RUNNING, refresh=True, accounts_file=accounts).calls == whole


@pytest.mark.soak
def test_an_interrupted_refresh_of_a_month_that_is_over_continues_at_any_time(
    tmp_path: Path, sandbox: SpawnedSandbox, few_file: Path
) -> None:
    whole = pulled(sandbox, tmp_path, accounts_file=few_file).calls
    some, _ = cut_short(sandbox, tmp_path, LAST_MONTH, few_file)
    begun(tmp_path, LAST_MONTH, datetime.now(UTC) - timedelta(days=3))
    assert pulled(sandbox, tmp_path, refresh=True, accounts_file=few_file).calls == whole - some > 0
