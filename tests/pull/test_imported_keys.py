"""A key that an imported invoice bills is requested, though the plan left it out."""

from pathlib import Path

from ecgrid_flows.finance.invoice_import import import_file
from ecgrid_sandbox import World, spawn
from ecgrid_transforms.keys import PAIRS

from .pulling import LAST_MONTH, pull_and_land, rows, running


def test_a_key_that_an_imported_invoice_bills_is_requested(tmp_path: Path, world: World, few_file: Path) -> None:
    with spawn(world) as sandbox, running(sandbox, tmp_path, accounts_file=few_file) as run:
        asked = next(run.plan(LAST_MONTH).asked())
        report, measure = next(pair for number, pair in enumerate(PAIRS) if not asked.pairs >> number & 1)
        contract = world.contract_of(asked.account.network_id, asked.account.mailbox_id)
        account = f"{asked.account.network_id},{asked.account.mailbox_id}"
        text = (
            "invoice_number,invoice_date,total_amount,network_id,mailbox_id,account_report,measure_field,amount\n"
            f"8753,{LAST_MONTH},5,{account},{report},{measure},5\n"
        )
        import_file(run.store, text.encode(), contract_id=contract, month=LAST_MONTH)
        pull_and_land(run)
    names = ("network_id", "mailbox_id", "account_report", "measure_field")
    calls = {tuple(row[name] for name in names) for row in rows(tmp_path, "calls")}
    assert (asked.account.network_id, asked.account.mailbox_id, report, measure) in calls
