"""A month reconciled with an imported invoice alone: the service refuses every operation on invoices."""

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from ecgrid_flows.warehouse import database
from ecgrid_sandbox import Sandbox, World
from ecgrid_sandbox.billing.documents import Invoice
from ecgrid_sandbox.service.trouble import Trouble
from ecgrid_transforms.money import Decimal, plain, total
from tests.support.x12 import interchange
from tests.upgrade.make_directory import small_world

MONTH = "2026-10"
REFUSED = Trouble(refused=("InvoiceList", "InvoiceInfo", "InvoiceCalculate"))


@pytest.fixture(scope="module")
def world() -> World:
    return small_world()


@pytest.fixture(scope="module")
def sandbox(world: World) -> Iterator[Sandbox]:
    with Sandbox(world, trouble=REFUSED) as running:
        yield running


def x12_of(invoice: Invoice, world: World) -> bytes:
    """The invoice as an 810: a line's account in REF 11, its report and measure as one code, its amount in PAM."""
    networks = {mailbox.mailbox_id: mailbox.network_id for mailbox in world.mailboxes}
    body = [f"BIG*{invoice.issued:%Y%m%d}*{invoice.number}", f"DTM*186*{invoice.month:%Y%m%d}"]
    for place, line in enumerate(invoice.lines, start=1):
        is_mailbox = line.system_object == "Mailbox"
        account = f"{networks[line.system_id]}/{line.system_id}" if is_mailbox else f"{line.system_id}/0"
        body.append(f"IT1*{place}*{plain(line.billed)}*EA***VC*{'.'.join(line.pair)}")
        body += [f"PAM****1*{plain(line.amount)}", f"REF*11*{account}"]
    body += [f"TDS*{plain(invoice.total_amount.scaleb(2).quantize(Decimal(1)))}", f"CTT*{len(invoice.lines)}"]
    return interchange(body, line="\n")


@pytest.mark.soak
def test_an_imported_invoice_reconciles_a_month_of_which_the_api_has_none(
    billing, sandbox: Sandbox, world: World, tmp_path: Path
) -> None:
    """The tie-out is worked out from the sandbox's books: what the invoice bills, less what the lines answer."""
    data = tmp_path / "data"
    env = {**sandbox.settings(), "ECGRID_CURRENCY": "USD"}

    def run(*arguments: str) -> dict:
        done = billing(*arguments, "--data-dir", str(data), "--json", env=env)
        assert done.returncode in (0, 1), done.stderr
        return json.loads(done.stdout)

    run("run", "--month", MONTH)
    assert run("invoice", "list")["invoices"] == []
    invoice = next(made for made in world.books.invoices() if f"{made.month:%Y-%m}" == MONTH)
    codes = sorted({line.pair for line in invoice.lines})
    (data / "reference").mkdir(exist_ok=True)
    mapped = "".join(f"{report}.{measure},{report},{measure}\n" for report, measure in codes)
    (data / "reference/invoice_lines.csv").write_text(f"product_code,account_report,measure_field\n{mapped}")
    file = tmp_path / "8751.edi"
    file.write_bytes(x12_of(invoice, world))
    # it bills a line of another contract too (a planted error), so its accounts leave the contract open
    unclear = billing("invoice", "import", str(file), "--data-dir", str(data), env=env)
    assert unclear.returncode == 2
    assert "give --contract" in unclear.stderr
    contract = ("--contract", str(invoice.contract_id))
    (imported,) = run("invoice", "import", str(file), *contract)["invoices"]
    assert (imported["state"], imported["contract_id"], imported["reporting_month"]) == (
        "new", invoice.contract_id, MONTH
    )  # fmt: skip
    assert Decimal(imported["total_amount"]) == invoice.total_amount
    assert (imported["lines"], imported["lines_without_key"]) == (len(invoice.lines), 0)

    (listed,) = run("invoice", "list", "--month", MONTH)["invoices"]
    assert (listed["source"], listed["counts_as"]) == ("imported", "invoice")
    accounts = world.accounts_of_contract(invoice.contract_id)
    answered = total(
        [
            line.amount
            for account in accounts
            for pair in world.books.bill(account, invoice.month)
            if (line := world.books.line(account, invoice.month, pair)) is not None
        ]
    )
    (tied,) = tieout(data)
    assert tied["source"] == "imported"
    assert tied["total_amount"] == invoice.total_amount
    assert tied["lines_amount"] == total([line.amount for line in invoice.lines])
    assert tied["billed_amount"] == answered
    assert tied["lines_difference"] == tied["lines_amount"] - answered
    status = next(one for one in run("status")["months"] if one["month"] == MONTH)
    assert Decimal(status["invoiced_amount"]) == invoice.total_amount

    assert run("invoice", "import", str(file), *contract)["invoices"][0]["state"] == "unchanged"
    assert run("verify", "--month", MONTH)["healed"] == []
    refused = billing("invoice", "import", str(file), "--contract", "1", "--data-dir", str(data), env=env)
    assert refused.returncode == 2
    assert "no contract 1 is known" in refused.stderr
    run("invoice", "withdraw", invoice.number)
    assert run("invoice", "list")["invoices"] == []


def tieout(data: Path) -> list[dict]:
    with closing(database.connect(data / "warehouse/billing.duckdb")) as connection:
        return database.table(connection, "FROM out_invoice_tieout").to_pylist()


def test_the_template_is_printed_and_wrong_files_are_status_2(billing, tmp_path: Path) -> None:
    printed = billing("invoice", "import", "--template")
    assert printed.returncode == 0
    assert printed.stdout.startswith("invoice_number,invoice_date,due_date,currency,total_amount")
    nothing = billing("invoice", "import", "--data-dir", str(tmp_path / "data"))
    assert (nothing.returncode, "name the FILE" in nothing.stderr) == (2, True)
    (tmp_path / "wrong.csv").write_text("invoice_number,invoice_date,total_amount\n1,2026-11-01,5,0\n")
    wrong = billing("invoice", "import", str(tmp_path / "wrong.csv"), "--data-dir", str(tmp_path / "data"))
    assert wrong.returncode == 2
    assert "wrong.csv: line 2: 4 cells under 3 columns" in wrong.stderr
    gone = billing("invoice", "import", str(tmp_path / "none.csv"), "--data-dir", str(tmp_path / "data"))
    assert gone.returncode == 2
    assert "Traceback" not in gone.stderr
