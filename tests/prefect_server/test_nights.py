"""A night of the schedule: an invoice that came late is reconciled, and the running month is billed provisionally."""

import csv
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ecgrid_flows.errors import ExitStatus
from ecgrid_sandbox import Trouble, World, spawn
from ecgrid_transforms.period import last_full_month, month_text, next_month
from tests.support.commands import Command

from .living import EVERY_MINUTE, environment, serve

RUNNING = next_month(last_full_month())
WORLD = World.shipped(RUNNING)
LAST, OPEN = month_text(last_full_month()), month_text(RUNNING)

pytestmark = pytest.mark.slow


@contextmanager
def invoiced_late(billing: Command, folder: Path) -> Iterator[dict[str, str]]:
    """The environment of a data directory whose last month was exported before its invoices came.

    They are there during the block.
    """
    accounts = folder / "accounts.csv"
    named = sorted((network, box) for network, box, *_ in WORLD.accounts)[:6]
    accounts.write_text("network_id,mailbox_id\n" + "".join(f"{network},{box}\n" for network, box in named))
    own = {
        "ECGRID_ACCOUNTS": str(accounts),
        "ECGRID_DATA_DIR": str(folder / "data"),
        "ECGRID_PLAN": "price-list,no-statistics",
    }
    with spawn(WORLD, Trouble(refused=("InvoiceList",))) as early:
        done = billing("run", "--month", LAST, env=environment(folder, **early.settings(), **own), cwd=folder)
    assert done.returncode in (ExitStatus.CLEAN, ExitStatus.FINDINGS), done.stderr
    sources = invoiced(folder)
    assert sources
    assert set(sources.values()) == {""}
    with spawn(WORLD, port=early.port) as service:  # the same service, for the data directory belongs to one
        yield environment(folder, **service.settings(), **own)


def invoiced(folder: Path) -> dict[str, str]:
    """The operation that gave the invoice of each contract in the last month's export; empty where there is none."""
    path = folder / "data/exports" / LAST / "invoice_reconciliation.csv"
    with path.open(newline="", encoding="utf-8") as file:
        return {row["contract_id"]: row["invoice_source"] for row in csv.DictReader(file)}


def check_after_the_night(folder: Path) -> None:
    """The last month is exported with its invoices; the running one is reported as provisional and not exported."""
    assert set(invoiced(folder).values()) == {"InvoiceInfo"}
    page = (folder / "data/reports" / OPEN / "reconcile_month.html").read_text(encoding="utf-8")
    assert "provisional" in page.lower()
    assert not (folder / "data/exports" / OPEN).exists()
    assert not (folder / "data/exports" / f"{OPEN}-provisional").exists()


@pytest.mark.soak
@pytest.mark.parametrize("is_built", [False, True], ids=["awaited", "in the warehouse and not exported"])
def test_a_night_reconciles_invoices_that_came_late_and_bills_the_running_month_provisionally(
    billing: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_built: bool
) -> None:
    """The flow as a function, without a Prefect server."""
    from ecgrid_flows.orchestration import deployments, flows

    monkeypatch.setattr(deployments, "monthly_billing", flows.monthly_billing.fn)
    monkeypatch.setattr(deployments, "_scheduled_at", lambda: datetime.now(UTC))
    for artifact in ("create_progress_artifact", "update_progress_artifact", "leave_artifacts"):
        monkeypatch.setattr(deployments, artifact, lambda *_, **__: None)
    with invoiced_late(billing, tmp_path) as variables:
        for command in (["pull", "--month", LAST], ["build"]) if is_built else ():
            assert billing(*command, env=variables, cwd=tmp_path).returncode in (0, 1)
        for name, text in variables.items():
            monkeypatch.setenv(name, text)
        state = deployments.billing_open_month.fn()
    assert state.type == "COMPLETED", state.message
    assert state.message.startswith(f"{LAST}: ")
    assert f", {OPEN}: " in state.message
    check_after_the_night(tmp_path)


@pytest.mark.soak
def test_prefects_scheduler_makes_such_a_night_by_itself(billing: Command, tmp_path: Path) -> None:
    crons = {"ECGRID_CRON_NIGHTLY": EVERY_MINUTE, "ECGRID_CRON_MONTHLY": "0 0 1 * *"}
    with (
        invoiced_late(billing, tmp_path) as variables,
        serve(tmp_path, variables | crons) as (process, api),
    ):
        nightly = api.named("serve-open-month")
        run = api.ended_run(nightly, lambda one: one["auto_scheduled"], process)
        assert run["state_type"] == "COMPLETED", run["state"]
        assert f"{LAST}: " in run["state"]["message"]
        assert f"{OPEN}: " in run["state"]["message"]
        process.end()
    check_after_the_night(tmp_path)
