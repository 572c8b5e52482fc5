"""Invoices, lines and decisions drawn at random: what is invoiced is always explained to the cent, line by line."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ecgrid_flows.rating.month_totals import AtStake, InvoiceTotals
from ecgrid_flows.warehouse import builder, database, sql_files
from ecgrid_transforms.money import ZERO, Decimal, total
from ecgrid_transforms.schemas import FEEDS, MONEY_TYPE

MONTH = date(2026, 10, 1)
MAILBOXES = (11, 12, 13, 21, 22)
SUMS = ("invoiced_amount", "recalculated_amount", "explained_difference", "unexplained_difference")
_KEY = [
    ("network_id", pa.int32()),
    ("mailbox_id", pa.int32()),
    ("reporting_month", pa.date32()),
    ("account_report", pa.string()),
    ("measure_field", pa.string()),
]
_AMOUNTS = [("billed_amount", MONEY_TYPE), ("expected_amount", MONEY_TYPE), ("difference", MONEY_TYPE)]
_FINDINGS = [
    ("check_name", pa.string()),
    ("severity", pa.string()),
    *_KEY,
    ("price_list_id", pa.int32()),
    ("invoice_number", pa.string()),
    *_AMOUNTS,
    ("explanation", pa.string()),
    ("cause_id", pa.string()),
    ("place", pa.int32()),
]
_ACCOUNT = [("network_id", pa.int32()), ("mailbox_id", pa.int32())]
GIVEN = {
    "core_lines": pa.schema(
        [*_KEY, ("price_list_id", pa.int32()), ("quantity_billed", MONEY_TYPE), ("amount", MONEY_TYPE)]
    ),
    "core_billed_accounts": pa.schema([*_ACCOUNT, ("reporting_month", pa.date32()), ("amount", MONEY_TYPE)]),
    "core_accounts": pa.schema([*_ACCOUNT, ("contract_id", pa.int32())]),
    "core_former_accounts": pa.schema([*_ACCOUNT, ("reporting_month", pa.date32()), ("contract_id", pa.int32())]),
    "core_requested_accounts": pa.schema([*_ACCOUNT, ("reporting_month", pa.date32())]),
    "core_faulted_keys": pa.schema(_KEY),
    "core_limited_runs": pa.schema([("reporting_month", pa.date32())]),
    "reference_invoice_lines": pa.schema(
        [(name, pa.string()) for name in ("product_code", *("account_report", "measure_field"))]
    ),
    "out_findings": pa.schema(_FINDINGS),
    "out_finding_ids": pa.schema([*_FINDINGS, ("finding_id", pa.string())]),
    "raw_finding_states": pa.schema(
        [
            ("finding_id", pa.string()),
            ("state", pa.string()),
            ("note", pa.string()),
            *((f"decided_{n}", t) for n, t in _AMOUNTS),
        ]
    ),
}


@dataclass(frozen=True)
class Month:
    """Our lines (mailbox to amount), invoices (contract, lines as mailbox and amount, excess, source), decisions."""

    lines: dict[int, Decimal]
    invoices: list[tuple[int, list[tuple[int | None, Decimal]], Decimal, str]]
    states: dict[int, str]


cents = st.integers(-300, 3000).filter(bool).map(lambda value: Decimal(value).scaleb(-2))
invoice = st.tuples(
    st.sampled_from((1, 2)),
    st.lists(st.tuples(st.sampled_from((*MAILBOXES, None)), cents), min_size=1, max_size=6),
    st.one_of(st.just(ZERO), cents),
    st.sampled_from(("InvoiceInfo", "InvoiceInfo", "imported")),
)
months = st.builds(
    Month,
    st.dictionaries(st.sampled_from(MAILBOXES), cents),
    st.lists(invoice, max_size=4),
    st.dictionaries(st.sampled_from(MAILBOXES), st.sampled_from(("accepted", "disputed", "resolved"))),
)


def contract_of(mailbox: int) -> int:
    return mailbox // 10


def key(mailbox: int) -> dict[str, Any]:
    return {
        "network_id": 1,
        "mailbox_id": mailbox,
        "reporting_month": MONTH,
        "account_report": "TrafficAll",
        "measure_field": "ToTrans",
    }


def finding(mailbox: int, difference: Decimal) -> dict[str, Any]:
    return {
        **key(mailbox),
        "check_name": "amount_mismatch",
        "severity": "error",
        "billed_amount": Decimal(100),
        "expected_amount": Decimal(100) - difference,
        "difference": difference,
        "finding_id": f"f{mailbox}",
        "place": mailbox,
    }


#: What is found wrong: every key has a finding, the even ones were billed too much.
DIFFERENCES = {mailbox: Decimal(mailbox) if mailbox % 2 == 0 else -Decimal(mailbox) for mailbox in MAILBOXES}


def rows_of(month: Month) -> dict[str, list[dict[str, Any]]]:
    heads, lines = [], []
    for number, (contract, billed, excess, source) in enumerate(month.invoices, start=1):
        one = {
            "reporting_month": MONTH,
            "source": source,
            "invoice_id": number,
            "invoice_number": f"INV-{number}",
            "contract_id": contract,
            "pulled_at": datetime(2026, 11, 3, tzinfo=UTC),
            "response_sha256": "",
            "api_version": "v3.2",
        }
        heads.append({**one, "total_amount": sum((amount for _, amount in billed), ZERO) + excess, "status": "Sent"})
        for place, (mailbox, amount) in enumerate(billed, start=1):
            named = {"schedule_account_report": "TrafficAll", "schedule_measure": "ToTrans", "schedule_id": 7}
            lines.append(
                {
                    **one,
                    "line_item_number": place,
                    "system_object": "Mailbox" if mailbox else "Network",
                    "system_id": mailbox or 1,
                    "actual": Decimal(1),
                    "quantity_billed": Decimal(1),
                    "amount": amount,
                    "is_taxable": False,
                    **(named if mailbox else {}),
                }
            )
    found = [finding(mailbox, difference) for mailbox, difference in DIFFERENCES.items()]
    return {
        "lake_invoices": heads,
        "lake_invoice_lines": lines,
        "core_lines": [
            {**key(mailbox), "quantity_billed": Decimal(1), "amount": amount} for mailbox, amount in month.lines.items()
        ],
        "core_billed_accounts": [
            {**{name: key(mailbox)[name] for name in ("network_id", "mailbox_id", "reporting_month")}, "amount": amount}
            for mailbox, amount in month.lines.items()
        ],
        "core_accounts": [{"network_id": 1, "mailbox_id": one, "contract_id": contract_of(one)} for one in MAILBOXES],
        "out_findings": found,
        "out_finding_ids": found,
        "raw_finding_states": [
            {
                "finding_id": f"f{mailbox}",
                "state": state,
                **{f"decided_{name}": finding(mailbox, DIFFERENCES[mailbox])[name] for name, _ in _AMOUNTS},
            }
            for mailbox, state in month.states.items()
        ],
    }


@pytest.fixture(scope="module")
def connection() -> Iterator[database.Connection]:
    """A warehouse without rows, in which what rows are given to is built anew for each month."""
    with database.scratch(threads=1) as made:
        yield made


def reconciled(connection: database.Connection, month: Month, relation: str) -> list[dict[str, Any]]:
    given_rows = rows_of(month)
    feeds = {f"lake_{feed}": FEEDS[feed] for feed in ("invoices", "invoice_lines")}
    for name, schema in {**GIVEN, **feeds}.items():
        nullable = pa.schema([field.with_nullable(True) for field in schema])
        connection.register("given_rows", pa.Table.from_pylist(given_rows.get(name, []), nullable))
        connection.execute(f'CREATE OR REPLACE TABLE "{name}" AS FROM given_rows').fetchall()
        connection.unregister("given_rows")
    wanted = ["out_invoice_reconciliation", "out_finding_amounts", "core_invoice_charges"]
    builder.materialise(connection, sql_files.load_sql(), wanted, [*GIVEN, *feeds], is_guarded=False)
    return database.rows(connection, relation).to_pylist()


def added(rows: Sequence[dict[str, Any]], name: str) -> Decimal:
    return total([row[name] for row in rows if row[name] is not None])


@settings(max_examples=settings.default.max_examples // 5)  # each builds a dozen relations
@given(month=months)
def test_what_is_invoiced_is_explained_to_the_cent(connection: database.Connection, month: Month) -> None:
    rows = reconciled(connection, month, "out_invoice_reconciliation")
    issued = [row for row in rows if row["invoice_number"] is not None]
    assert sorted(row["invoice_number"] for row in issued) == [f"INV-{n}" for n in range(1, len(month.invoices) + 1)]
    for row in issued:
        invoiced, recalculated, explained, unexplained = (row[name] for name in SUMS)
        contract, billed, excess, _ = month.invoices[int(row["invoice_number"][4:]) - 1]
        assert invoiced == sum((amount for _, amount in billed), ZERO) + excess
        assert row["contract_id"] == contract
        assert invoiced == recalculated + explained + unexplained
        cost = row["to_pay_amount"] - unexplained
        assert invoiced == cost + row["disputed_amount"] + unexplained
        # every key has a finding, so nothing but a total beside its lines is unexplained
        assert unexplained in (ZERO, excess)
    assert added(rows, "recalculated_amount") == sum(month.lines.values(), ZERO), (
        "no line is lost, and none counts twice"
    )
    over = {mailbox: max(difference, ZERO) for mailbox, difference in DIFFERENCES.items()}
    assert added(rows, "claimable_amount") == total([over[one] for one in MAILBOXES if one not in month.states])
    for state, name in (("disputed", "disputed_amount"), ("accepted", "accepted_amount")):
        assert added(rows, name) == total([over[one] for one, was in month.states.items() if was == state])
    assert InvoiceTotals.of(rows).claimable == added(rows, "claimable_amount")


@settings(max_examples=settings.default.max_examples // 5)
@given(month=months)
def test_lines_and_charges_beside_them_are_what_each_invoice_asks(
    connection: database.Connection, month: Month
) -> None:
    """As FOCUS has them: each line once, under one invoice; with the charges beside lines it is the invoice's total."""
    rows = reconciled(connection, month, "out_invoice_reconciliation")
    moved = database.rows(connection, "core_line_invoices").to_pylist()
    newest = dict(
        connection.table("core_issued_invoices").filter("is_newest").project("contract_id, invoice_number").fetchall()
    )
    under = {row["mailbox_id"]: row["invoice_number"] for row in moved}
    assert len(under) == len(moved)
    sums = dict.fromkeys([row["invoice_number"] for row in rows if row["invoice_number"]], ZERO)
    for mailbox, amount in month.lines.items():
        number = under.get(mailbox) or newest.get(contract_of(mailbox))
        if number is not None:
            sums[number] += amount
    for charge in database.rows(connection, "core_invoice_charges").to_pylist():
        assert charge["amount"] != ZERO
        sums[charge["invoice_number"]] += charge["amount"]
    assert sums == {row["invoice_number"]: row["invoiced_amount"] for row in rows if row["invoice_number"]}


def test_money_at_stake_is_what_is_open(connection: database.Connection) -> None:
    """12 and 22 too much, of which 12 is disputed; 11 + 13 + 21 too little, of which 13 is resolved."""
    month = Month({}, [], {12: "disputed", 13: "resolved"})
    rows = reconciled(connection, month, "out_finding_amounts")
    assert AtStake.of(rows) == AtStake(too_much=Decimal(22), too_little=Decimal(32))
