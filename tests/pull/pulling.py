"""Helpers of these tests: a run over a sandbox, and what its lake ought to hold, told by the sandbox's own books."""

import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from ecgrid_client import RetryPolicy
from ecgrid_flows.extract.batches import LINE_OPERATION, Tally
from ecgrid_flows.lake.partitions import Lake
from ecgrid_flows.orchestration import session, tasks
from ecgrid_flows.orchestration.run_context import Run
from ecgrid_flows.progress import Reporter
from ecgrid_flows.settings import Secret, Settings
from ecgrid_flows.storage.base import Store
from ecgrid_flows.storage.local import LocalStore
from ecgrid_sandbox import World
from ecgrid_transforms.money import Decimal

LAST_MONTH = date(2026, 10, 1)
MONTH = "2026-10"
WORLD = World.shipped(LAST_MONTH)
#: Patient enough for a troubled sandbox, and quick.
QUICK = RetryPolicy(max_attempts=8, first_wait_s=0.01, longest_wait_s=0.05)

Line = tuple[Decimal, Decimal, Decimal]


def settings_of(sandbox: Any, data_dir: Path, **changes: Any) -> Settings:
    values: dict[str, Any] = {
        "data_dir": str(data_dir),
        "v2_url": sandbox.v2_url,
        "v3_url": sandbox.v3_url,
        "v4_url": sandbox.v4_url,
        "login_name": sandbox.login_name,
        "password": Secret(sandbox.password),
        "concurrency": 4,
    }
    return Settings(**(values | changes))


@contextmanager
def running(
    sandbox: Any, data_dir: Path, *, refresh: bool = False, retry: RetryPolicy = QUICK, **changes: Any
) -> Iterator[Run]:
    """An open run whose reporter stays silent."""
    with session.opened(
        settings=settings_of(sandbox, data_dir, **changes),
        reporter=Reporter(mute=True),
        refresh=refresh,
        retry=retry,
    ) as run:
        yield run


@contextmanager
def served(*options: str) -> Iterator[Any]:
    """`ecgrid-billing sandbox serve` with these options: its addresses and credentials."""
    command = [str(Path(sys.executable).parent / "ecgrid-billing"), "sandbox", "serve", "--port", "0"]
    process = subprocess.Popen(
        [*command, "--last-month", MONTH, *options], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    assert process.stdout is not None
    try:
        told = dict(process.stdout.readline().strip().split("=", 1) for _ in range(5))
        yield SimpleNamespace(**{name.removeprefix("ECGRID_").lower(): value for name, value in told.items()})
    finally:
        process.terminate()
        process.wait()
        process.stdout.close()


def pull_and_land(run: Run, month: date = LAST_MONTH) -> Tally:
    """The month's plan → pull → land."""
    tally = tasks.pull(run, month, tasks.plan(run, month))
    run.land(month)
    return tally


def pulled(sandbox: Any, data_dir: Path, month: date = LAST_MONTH, **options: Any) -> Tally:
    """A whole run of plan → pull → land of its own."""
    with running(sandbox, data_dir, **options) as run:
        return pull_and_land(run, month)


def lake_lines(data_dir: Path, month: date = LAST_MONTH) -> dict[tuple[int, int, str, str], Line]:
    """`lines_of` a folder."""
    return lines_of(LocalStore(data_dir), month)


def lines_of(store: Store, month: date) -> dict[tuple[int, int, str, str], Line]:
    """The lines of the lake: key to actual, quantity billed and amount. A key that comes twice is an error."""
    found: dict[tuple[int, int, str, str], Line] = {}
    names = ["network_id", "mailbox_id", "account_report", "measure_field", "actual", "quantity_billed", "amount"]
    for batch in Lake(store).batches("line_items", month, names):
        for row in zip(*(column.to_pylist() for column in batch.columns), strict=True):
            assert row[:4] not in found, f"{row[:4]} stands twice in the lake"
            found[row[:4]] = row[4:]
    return found


def accounts_of(world: World) -> list[tuple[int, int]]:
    """Every account of the world, each network's Root first."""
    accounts = [(network.network_id, 0) for network in world.networks]
    return accounts + [(mailbox.network_id, mailbox.mailbox_id) for mailbox in world.mailboxes]


def few_of(world: World) -> list[tuple[int, int]]:
    """Two accounts of each price list, and those whose lines are restated: enough of everything, and quick."""
    by_list: dict[int, list[tuple[int, int]]] = {}
    for account in accounts_of(world):
        by_list.setdefault(world.price_list_of(*account).price_list_id, []).append(account)
    chosen = [account for accounts in by_list.values() for account in accounts[-2:]]
    targets = [plant.target for plant in world.planned_errors if plant.check_name == "restated"]
    return chosen + [(target.network_id, target.mailbox_id) for target in targets]


def true_lines(
    world: World, month: date = LAST_MONTH, accounts: Iterable[tuple[int, int]] | None = None
) -> dict[tuple[int, int, str, str], Line]:
    """The lines that the sandbox answers: by its books, without those that it leaves out on purpose."""
    found = {}
    for account in accounts_of(world) if accounts is None else accounts:
        for pair in world.books.bill(account, month):
            line = world.books.line(account, month, pair)
            if line is not None:
                found[*account, *pair] = line.actual, line.billed, line.amount
    return found


def rows(data_dir: Path, feed: str, month: date = LAST_MONTH) -> list[dict[str, Any]]:
    """Every row of one partition."""
    return [row for batch in Lake(LocalStore(data_dir)).batches(feed, month) for row in batch.to_pylist()]


def files(top: Path) -> dict[str, bytes]:
    """Every file below `top`, by relative path."""
    return {path.relative_to(top).as_posix(): path.read_bytes() for path in sorted(top.rglob("*")) if path.is_file()}


def line_calls(sandbox: Any) -> int:
    """InvoiceCalculateLineItem calls that the sandbox has received."""
    count: int = sandbox.calls["v3.2", LINE_OPERATION]
    return count
