"""An invoice that comes after its month was billed: it is asked for again, with few calls, until it is there."""

from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from ecgrid_flows.finance import audit_log
from ecgrid_flows.finance.export import export_month
from ecgrid_flows.orchestration import status, tasks
from ecgrid_flows.settings import Settings
from ecgrid_flows.storage.opening import open_store
from ecgrid_sandbox import Trouble, World, spawn
from tests.finance import world as finance_world

from .pulling import LAST_MONTH, QUICK, pull_and_land, running

ONCE = replace(QUICK, max_attempts=1)


@pytest.mark.soak
def test_an_invoice_that_comes_later_is_followed(tmp_path: Path, world: World, few_file: Path) -> None:
    refused = Trouble(refused=("InvoiceList",))
    with spawn(world, refused) as sandbox, running(sandbox, tmp_path, accounts_file=few_file) as run:
        pull_and_land(run)
        tasks.build(run)
        assert tasks.check(run, LAST_MONTH).invoices.not_invoiced > 0
        assert run.awaiting_invoices() == [LAST_MONTH]
        assert not run.follow_invoices(LAST_MONTH), "it is not there yet"
    with spawn(world) as sandbox, running(sandbox, tmp_path, accounts_file=few_file) as run:
        assert run.follow_invoices(LAST_MONTH)
        assert run.puller.counters.answered == 0, "no line is requested for it"
        tasks.build(run)
        assert run.awaiting_invoices() == []
        assert tasks.check(run, LAST_MONTH).invoices.not_invoiced == 0


def test_an_export_without_an_invoice_that_the_warehouse_has_is_made_again(tmp_path: Path) -> None:
    """A run was ended between the build with the invoice and the export, or another month's run built."""
    settings = Settings(data_dir=str(tmp_path / "data"), currency="USD")
    store, lines = open_store(settings), [finance_world.line()]
    now = datetime(2026, 11, 3, tzinfo=UTC)

    def months(now: datetime = now) -> list[date]:
        return status.invoiced_since_export(settings, store, now)

    assert months() == [], "there is no warehouse"
    finance_world.build(settings, **finance_world.invoiced(lines, number=None))
    export_month(settings, LAST_MONTH)
    assert months() == []
    finance_world.build(settings, **finance_world.invoiced(lines))
    assert months() == [LAST_MONTH]
    assert months(datetime(2026, 10, 31, 23, 59, tzinfo=UTC)) == [], "it still runs"
    export_month(settings, LAST_MONTH)
    assert months() == []
    finance_world.build(settings, **finance_world.invoiced(lines, number="8754"))
    assert months() == [LAST_MONTH], "another one"
    audit_log.append(store, "close", {"month": "2026-10"})
    assert months() == [], "what comes after the closing is a correction"
    audit_log.append(store, "reopen", {"month": "2026-10"})
    (settings.exports_dir(LAST_MONTH) / "manifest.json").unlink()
    assert months() == [], "a month without an export is due by the schedule"


def test_an_invoice_that_cannot_be_asked_for_is_not_taken_for_none(
    tmp_path: Path, world: World, few_file: Path
) -> None:
    with (
        spawn(world, Trouble(refused=("InvoiceList",))) as sandbox,
        running(sandbox, tmp_path, accounts_file=few_file) as run,
    ):
        pull_and_land(run)
    pages = Trouble(page_every=1, page_of=("InvoiceList",))
    with spawn(world, pages) as sandbox, running(sandbox, tmp_path, accounts_file=few_file, retry=ONCE) as run:
        assert not run.follow_invoices(LAST_MONTH)
        assert "2026-10: InvoiceList ContractID=" in run.not_followed[LAST_MONTH]
        assert "so it is not known how much is invoiced (malformed_answer: " in run.not_followed[LAST_MONTH]


@pytest.mark.soak
def test_a_run_of_such_a_month_asks_again_unless_it_is_closed(tmp_path: Path, world: World, few_file: Path) -> None:
    refused = Trouble(refused=("InvoiceList",))
    with spawn(world, refused) as sandbox, running(sandbox, tmp_path, accounts_file=few_file) as run:
        pull_and_land(run)
        tasks.build(run)
        audit_log.append(open_store(run.settings), "close", {"month": "2026-10"})
        assert run.awaiting_invoices() == []
        audit_log.append(open_store(run.settings), "reopen", {"month": "2026-10"})
    with spawn(world) as sandbox, running(sandbox, tmp_path, accounts_file=few_file) as run:
        assert pull_and_land(run).calls == 0, "the lines are kept"
        tasks.build(run)
        assert run.awaiting_invoices() == []
