"""A service whose answers hold odd values, or faults of its own, over HTTP: each costs its own key or row alone."""

from collections import Counter
from contextlib import closing
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from ecgrid_flows.orchestration import doctor, tasks
from ecgrid_flows.warehouse import database
from ecgrid_sandbox import SpawnedSandbox

from .pulling import LAST_MONTH, WORLD, pull_and_land, pulled, rows, running, served

THIRD, LONG = "0.3333333333333333333333333333", "4.77001111111111111111107306"
LINE = "InvoiceCalculateLineItem"
#: What differs between two answers that say the same.
OF_THE_ANSWER = ("pulled_at", "response_sha256")
FEEDS = ("line_items", "price_schedules", "invoices", "invoice_lines", "contracts", "accounts")
EARLIER = date(2026, 9, 1)
KEY = ("network_id", "mailbox_id", "account_report", "measure_field")


def key_of(row: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(row[name] for name in KEY)


def lake(data_dir: Path, month: date = LAST_MONTH) -> dict[str, list[dict[str, Any]]]:
    """The month's rows by feed, without what differs between two answers that say the same."""
    return {
        feed: [{name: row[name] for name in row if name not in OF_THE_ANSWER} for row in rows(data_dir, feed, month)]
        for feed in FEEDS
    }


def changes(right: list[dict[str, Any]], found: list[dict[str, Any]]) -> Counter[str]:
    """How many values of each column are null in `found` alone; every other value is as in `right`."""
    counted: Counter[str] = Counter()
    for old, new in zip(right, found, strict=True):
        differing = [name for name in old if name != "extra" and old[name] != new[name]]
        assert all(new[name] is None for name in differing)
        assert (old.get("extra") == new.get("extra")) == (not differing), "the text is kept beside the null"
        counted.update(differing)
    return counted


@pytest.fixture(scope="module")
def right(sandbox: SpawnedSandbox, tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[dict[str, Any]]]:
    """The lake of a healthy service."""
    data_dir = tmp_path_factory.mktemp("right")
    pulled(sandbox, data_dir)
    return lake(data_dir)


@pytest.mark.long
def test_an_odd_value_costs_its_key_or_row_alone_and_a_right_answer_heals_it(
    sandbox: SpawnedSandbox, right: dict[str, list[dict[str, Any]]], tmp_path: Path
) -> None:
    """417 lines, 8 price lists, 10 invoices (5 of them of this month) and 5 trials are asked."""
    options = [f"{LINE}.Actual/300={THIRD}", f"{LINE}.Amount/250={LONG}", f"{LINE}.Amount/220"]
    options += [f"PricelistInfo.Rate/5={THIRD}", f"InvoiceInfo.Amount={LONG}", f"InvoiceCalculate.Amount/3={THIRD}"]
    with served(*(word for option in options for word in ("--odd-value", option))) as odd:
        first = pulled(odd, tmp_path)
        assert (first.missing_calls, first.faults) == (0, {"value_out_of_range": 2, "missing_element": 1})
        assert pulled(odd, tmp_path).calls == 0, "an odd value is an answer"
    named = Counter((row["operation"], row["element"], row["value_text"]) for row in rows(tmp_path, "value_faults"))
    assert named == {
        (LINE, "Actual", THIRD): 1,
        (LINE, "Amount", LONG): 1,
        (LINE, "Amount", None): 1,
        ("PricelistInfo", "Rate", THIRD): 1,
        ("InvoiceInfo", "Amount", LONG): 10,
        ("InvoiceCalculate", "Amount", THIRD): 1,
    }
    with running(sandbox, tmp_path) as run:
        unread = run.done(LAST_MONTH, None).value_faults
    assert (unread.count, len(unread.named)) == (15, 15)
    assert "InvoiceInfo InvoiceID=2432200: Invoice 2432200, LineItems[1]: Amount has more digits" in str(unread.named)
    values = next(check for check in doctor.machine(run.settings) if check.name == "values")
    assert (values.health, len(values.details)) == (doctor.Health.NOTE, 15)
    assert "15 of 2026-10" in values.words
    found = lake(tmp_path)
    faulted = {key_of(row) for row in rows(tmp_path, "calls") if row["outcome"] == "fault"}
    assert len(faulted) == 3
    assert {key_of(row) for row in found["line_items"]} == {key_of(row) for row in right["line_items"]} - faulted
    assert not [row for row in found["line_items"] if row not in right["line_items"]]
    changed = {feed: changes(right[feed], found[feed]) for feed in FEEDS[1:]}
    assert changed == {
        "price_schedules": {"schedule_rate": 1},
        "invoice_lines": {"amount": 6},
        "invoices": {},
        "contracts": {},
        "accounts": {},
    }
    assert not pulled(sandbox, tmp_path, EARLIER).missing_calls
    assert not rows(tmp_path, "value_faults", EARLIER)
    pulled(sandbox, tmp_path, refresh=True)
    assert lake(tmp_path) == right
    assert not rows(tmp_path, "value_faults")


@pytest.mark.soak
def test_an_account_whose_number_cannot_be_read_leaves_the_month_incomplete_until_it_can(
    sandbox: SpawnedSandbox, right: dict[str, list[dict[str, Any]]], tmp_path: Path
) -> None:
    """In the only list that names it, and in every contract; its mailboxes are known by the contracts."""
    odd_lists = ("NetworkList.NetworkID=four", "ContractInfo.NetworkIDInfo.NetworkID=four")
    with served(*(word for option in odd_lists for word in ("--odd-value", option))) as odd:
        with running(odd, tmp_path) as run:
            tally = pull_and_land(run)
            done = run.done(LAST_MONTH, tally)
        assert done.missing_calls
        assert any("whose NetworkID is not an xs:int ('four')" in words for words in done.missing)
        assert "NetworkList" in {row["operation"] for row in rows(tmp_path, "value_faults")}
        with running(odd, tmp_path) as run:
            assert run.done(LAST_MONTH, pull_and_land(run)).missing_calls, "a list that stays odd stays incomplete"
    with running(sandbox, tmp_path) as run:
        assert not run.done(LAST_MONTH, pull_and_land(run)).missing_calls
    assert lake(tmp_path) == right
    assert not rows(tmp_path, "value_faults")


def test_an_invoice_whose_contract_cannot_be_read_is_followed_and_kept(
    right: dict[str, list[dict[str, Any]]], tmp_path: Path
) -> None:
    """The list says which contract it was asked about, and the call which invoice."""
    odd_rows = (
        "InvoiceList.ContractID=x",
        "InvoiceInfo.ContractID=x",
        "InvoiceInfo.InvoiceID=y",
        "InvoiceCalculate.InvoiceID=z",
    )
    with served(*(word for option in odd_rows for word in ("--odd-value", option))) as odd:
        assert not pulled(odd, tmp_path).missing_calls
    found = lake(tmp_path)
    for feed in ("invoices", "invoice_lines"):
        assert [without_extra(row) for row in found[feed]] == [without_extra(row) for row in right[feed]]
    named = Counter((row["operation"], row["element"]) for row in rows(tmp_path, "value_faults"))
    assert named["InvoiceList", "ContractID"]
    assert named["InvoiceInfo", "ContractID"] == named["InvoiceInfo", "InvoiceID"] == 10


def without_extra(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name != "extra"}


@pytest.mark.soak
def test_a_fault_of_the_services_own_on_a_key_that_is_invoiced_is_a_missing_line(
    right: dict[str, list[dict[str, Any]]], tmp_path: Path
) -> None:
    """Of 429 results 12 are empty; every key with a line is billed by its contract's trial; 0.00 is not missed."""
    with served("--own-fault", f"{LINE}/8=DataError") as faulty:
        tally = pulled(faulty, tmp_path)
        assert (tally.missing_calls, tally.faults) == (0, {"invalid_argument": 429 // 8})
        with running(faulty, tmp_path) as run:
            tasks.build(run)
    faulted = {key_of(row) for row in rows(tmp_path, "calls") if row["outcome"] == "fault"}
    gone = {one: row for row in right["line_items"] if (one := key_of(row)) in faulted}
    assert len(rows(tmp_path, "line_items")) == 417 - len(gone)
    assert len(gone) >= 429 // 8 - 12
    with closing(database.connect(run.settings.warehouse_path)) as connection:
        findings = database.of_month(connection.table("out_findings"), LAST_MONTH).filter("check_name = 'missing_line'")
        named = {
            row[:4]: row[4:] for row in findings.project(f"{', '.join(KEY)}, billed_amount, explanation").fetchall()
        }
    planted = {
        tuple(getattr(wrong, name) for name in KEY) for wrong in WORLD.planted_errors if "invoice" in wrong.check_name
    }
    missed = {one for one, row in gone.items() if row["amount"]}
    billed = {one: named[one][0] for one in missed - planted}
    assert billed == {one: gone[one]["amount"] for one in billed}
    assert all("DataError in InvoiceCalculateLineItem" in named[one][1] for one in missed)
    assert not named.keys() & (gone.keys() - missed)
