"""Runs over a sandbox for these tests, and what they leave, comparable line for line."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa

from ecgrid_client import RetryPolicy
from ecgrid_flows.lake.partitions import Lake
from ecgrid_flows.orchestration import session, tasks
from ecgrid_flows.orchestration.run_context import Run
from ecgrid_flows.progress import Reporter
from ecgrid_flows.settings import Secret, Settings
from ecgrid_flows.storage.base import Store
from ecgrid_flows.warehouse import database
from ecgrid_sandbox import SpawnedSandbox, World, spawn

WAREHOUSE = "warehouse/billing.duckdb"
MONTHS = (date(2026, 9, 1), date(2026, 10, 1))
WORLD = World.shipped(MONTHS[-1])
#: Some thirty accounts of four networks, those with which something is wrong: every relation has rows, none has many.
ACCOUNTS = sorted({(one.network_id, one.mailbox_id) for one in WORLD.planted_errors if one.mailbox_id is not None})
#: What differs between two pulls of the same answers.
OF_THE_PULL = {"pulled_at", "response_sha256"}


@dataclass(frozen=True, slots=True)
class Billed:
    """The sandbox that these tests bill, the accounts that they bill there, and what a run in one process made of it.

    `data_dir` holds two months, pulled by this process, and `relations` what its warehouse, built in one, says.
    """

    sandbox: SpawnedSandbox
    accounts_file: Path
    data_dir: Path
    relations: dict[str, pa.Table]

    def settings(self, data_dir: Path | str, **changes: Any) -> Settings:
        return settings_of(self.sandbox, data_dir, accounts_file=self.accounts_file, **changes)


@contextmanager
def billed(once: Callable[[str, Callable[[Path], object]], Path]) -> Iterator[Billed]:
    """Two months, billed by one process of the run of these tests, and a sandbox of this process's own."""
    with spawn(WORLD) as sandbox:
        folder = once("local", lambda folder: _bill(sandbox, folder))
        yield Billed(sandbox, folder / "accounts.csv", folder / "data", relations(folder / "data" / WAREHOUSE))


def _bill(sandbox: SpawnedSandbox, folder: Path) -> None:
    rows = "".join(f"{network},{mailbox}\n" for network, mailbox in ACCOUNTS)
    (folder / "accounts.csv").write_text(f"network_id,mailbox_id\n{rows}", encoding="utf-8")
    with running(settings_of(sandbox, folder / "data", accounts_file=folder / "accounts.csv")) as run:
        for month in MONTHS:
            pull(run, month)
        tasks.build(run)


def settings_of(sandbox: Any, data_dir: Path | str, **changes: Any) -> Settings:
    values: dict[str, Any] = {
        "data_dir": str(data_dir),
        "v2_url": sandbox.v2_url,
        "v3_url": sandbox.v3_url,
        "v4_url": sandbox.v4_url,
        "api_key": Secret(sandbox.api_key),
        "concurrency": 6,
    }
    return Settings(**(values | changes))


@contextmanager
def running(settings: Settings) -> Iterator[Run]:
    """An open run whose reporter stays silent."""
    quick = RetryPolicy(max_attempts=8, first_wait_s=0.01, longest_wait_s=0.05)
    with session.opened(settings=settings, reporter=Reporter(mute=True), retry=quick) as run:
        yield run


def pull(run: Run, month: date) -> int:
    """The month's plan → pull → land; gives how many calls were made for its lines."""
    tally = tasks.pull(run, month, tasks.plan(run, month))
    run.land(month)
    assert tally.missing_calls == 0
    return tally.calls


def lines(store: Store, month: date) -> list[tuple[Any, ...]]:
    """Every line of the lake, in order, but for when it was pulled."""
    found = [row for batch in Lake(store).batches("line_items", month) for row in batch.to_pylist()]
    return sorted(tuple((name, str(value)) for name, value in row.items() if name not in OF_THE_PULL) for row in found)


#: What tells two warehouses apart.
TELLING = ("out_findings", "out_line_proofs", "out_readings")


def relations(path: Path, wanted: tuple[str, ...] = ()) -> dict[str, pa.Table]:
    """What everyone may look up in a warehouse, or what is wanted of it: relations, their rows in order."""
    with database.connect(path) as connection:
        names = [
            str(name)
            for (name,) in connection.execute("SELECT DISTINCT table_name FROM duckdb_columns() ORDER BY 1").fetchall()
            if (str(name) in wanted if wanted else str(name).startswith(("out_", "fail_", "warn_", "info_")))
        ]
        return {name: database.table(connection, f'SELECT * FROM "{name}" ORDER BY ALL') for name in names}


def contents(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, by its name there."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
