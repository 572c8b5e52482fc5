"""The journal balances for any input, says what it was made from, and refuses a chart that it cannot follow."""

import hashlib
import itertools
from collections import defaultdict
from dataclasses import replace
from datetime import date
from pathlib import Path
from random import Random

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecgrid_flows.currency import minor_digits
from ecgrid_flows.errors import NoSuchData, Refused, SettingsError, StorageFailed
from ecgrid_flows.finance import journal, journal_entries
from ecgrid_flows.finance.audit_log import Decision, Log
from ecgrid_flows.finance.export import export_month, read_export
from ecgrid_flows.finance.export_files import opened, read_manifest
from ecgrid_flows.finance.journal import chart_of, left_out_words, open_journal, require_kept, unbooked
from ecgrid_flows.finance.journal_entries import (
    Amount,
    Chart,
    Entry,
    Posted,
    Rule,
    entries,
    from_table,
    read_chart,
    to_table,
)
from ecgrid_flows.settings import Settings
from ecgrid_flows.storage.opening import open_store
from ecgrid_transforms.money import ZERO, Decimal, rounded, total

from .world import MONTH, ROOT, build, invoiced, line

HEAD = "role,network_id,account_report,measure_field,is_taxable,account,description\r\n"
ENDS = (
    "payable,,,,,2000,Payable\r\nrounding,,,,,6990,Rounding\r\n"
    "disputed,,,,,1310,Disputed\r\nunexplained,,,,,1320,Unexplained\r\n"
)
DATED = date(2026, 10, 31)
D = Decimal
SHIPPED = ROOT / "data/reference/journal_accounts.csv"

amounts = st.one_of(
    st.decimals(-(10**15), 10**15, places=10),
    st.sampled_from([Decimal("0.005"), Decimal("-0.005"), Decimal("0.0049999999"), ZERO]),
)
keys = st.one_of(
    st.builds(
        lambda role, network, report, measure, taxable: (role, network, report, measure, taxable),
        st.sampled_from(["charge", "disputed"]),
        st.integers(1, 3),
        st.sampled_from(["FixedRate", "Statistics", "TrafficAll"]),
        st.sampled_from(["TotalKCs", "Credit", "MonthlyMinimum"]),
        st.booleans(),
    ),
    st.sampled_from([(role, None, None, None, None) for role in ("charge", "unexplained")]),
)


@st.composite
def invoices(draw: st.DrawFn) -> list[Amount]:
    """The rows of out_journal_amounts for some invoices: those of each add up to 0."""
    rows = []
    for contract, month, number in draw(
        st.lists(
            st.tuples(st.sampled_from([None, 1, 2]), st.sampled_from([date(2026, 2, 1), MONTH]), st.sampled_from("AB")),
            unique=True,
            max_size=3,
        )
    ):
        parts = draw(st.dictionaries(keys, amounts, max_size=6))
        rows += [Amount(contract, month, number, *key, amount) for key, amount in parts.items()]
        owed = -total(list(parts.values()))
        rows.append(Amount(contract, month, number, "payable", None, None, None, None, owed))
    return rows


def amount_of(key: str, amount: str, *, network: int | None = 3, role: str = "charge") -> Amount:
    """An amount of invoice INV-1 for a measure of TrafficAll."""
    return Amount(
        1, MONTH, "INV-1", role, network, network and "TrafficAll", network and key, network and False, D(amount)
    )


def booked(rows: list[Amount], posted: list[list[Entry]] | None = None, rules: Chart | None = None) -> list[Entry]:
    return entries(rows, Posted(posted or []), rules or read_chart(SHIPPED), "USD", DATED)


def chart(tmp_path: Path, text: str) -> Chart:
    path = tmp_path / "journal_accounts.csv"
    path.write_bytes(text.encode())
    return read_chart(path)


@given(rows=invoices(), currency=st.sampled_from(["USD", "JPY", "KWD"]))
def test_each_entry_balances_and_owes_its_invoice_to_the_cent(rows: list[Amount], currency: str) -> None:
    lines = entries(rows, Posted(), read_chart(SHIPPED), currency, DATED)
    bills: dict[tuple[object, ...], list[Entry]] = defaultdict(list)
    for entry in lines:
        assert (entry.debit is None) != (entry.credit is None)
        amount = entry.debit or entry.credit or ZERO
        assert amount > ZERO
        assert amount == rounded(amount, minor_digits(currency))
        bills[entry.reporting_month, entry.contract_id, entry.reference].append(entry)
    for bill in bills.values():
        assert total([e.debit or ZERO for e in bill]) == total([e.credit or ZERO for e in bill])
    owed = {(r.reporting_month, r.contract_id, r.invoice_number): -r.amount for r in rows if r.role == "payable"}
    for key, amount in owed.items():
        credit = total([-e.amount for e in bills.get(key, []) if e.role == "payable"])
        assert credit == rounded(amount, minor_digits(currency))


@given(st.lists(invoices(), min_size=1, max_size=4))
def test_what_was_posted_and_what_follows_end_where_a_first_journal_would(states: list[list[Amount]]) -> None:
    """Whatever the invoices were each time: lines that went are taken back, and every reference is used once."""
    posted: list[list[Entry]] = []
    for rows in states:
        posted.append(booked(rows, posted))
        by_reference: dict[str, list[Entry]] = defaultdict(list)
        for entry in posted[-1]:
            by_reference[f"{entry.contract_id} {entry.reporting_month} {entry.reference}"].append(entry)
        assert all(total([e.amount for e in entry]) == ZERO for entry in by_reference.values())

    def balances(journals: list[list[Entry]]) -> dict[tuple[object, ...], Decimal]:
        kept: dict[tuple[object, ...], Decimal] = defaultdict(lambda: ZERO)
        for entry in itertools.chain(*journals):
            kept[entry.contract_id, entry.reporting_month, entry.invoice_number, entry.account] += entry.amount
        return {account: amount for account, amount in kept.items() if amount != ZERO}

    assert balances(posted) == balances([booked(states[-1])])
    used = [{(e.contract_id, e.reporting_month, e.reference) for e in journal} for journal in posted]
    assert sum(map(len, used)) == len(set().union(*used))


@given(invoices(), st.randoms(use_true_random=False))
def test_the_order_of_the_amounts_does_not_matter(rows: list[Amount], shuffled: Random) -> None:
    other = rows[:]
    shuffled.shuffle(other)
    assert booked(rows) == booked(other)


def test_a_worked_entry(tmp_path: Path) -> None:
    """Three costs of 0.335 are 0.34 each, 1.02 together; the invoice asks 3.006, that is 3.01, and 0.01 is rounding.

    Of it 1.50 are disputed and 0.501, that is 0.50, unexplained.
    """
    rules = chart(tmp_path, HEAD + "charge,,,,true,6101,Taxed\r\ncharge,,,,,6100,Untaxed\r\n" + ENDS)
    rows = [
        amount_of("ToKCs", "0.335"),
        replace(amount_of("FromKCs", "0.335"), is_taxable=True),
        amount_of("ToKCs", "0.335", network=4),
        amount_of("ToKCs", "1.50", role="disputed"),
        amount_of("", "0.501", network=None, role="unexplained"),
        amount_of("", "-3.006", network=None, role="payable"),
    ]
    cent = D("0.34")
    assert [(e.account, e.description, e.debit, e.credit, e.reference) for e in booked(rows, rules=rules)] == [
        ("6101", "Taxed", cent, None, "INV-1"),
        ("6100", "Untaxed", cent, None, "INV-1"),
        ("6100", "Untaxed", cent, None, "INV-1"),
        ("1310", "Disputed", D("1.50"), None, "INV-1"),
        ("1320", "Unexplained", D("0.50"), None, "INV-1"),
        ("6990", "Rounding", None, D("0.01"), "INV-1"),
        ("2000", "Payable", None, D("3.01"), "INV-1"),
    ]


def test_a_dispute_that_is_settled_moves_to_cost(tmp_path: Path) -> None:
    """Nothing more is owed: 1.50 leave the disputed account for the cost, dated later, under a reference of its own.

    A line that was posted keeps its account whatever the chart is now.
    """
    rules = chart(tmp_path, HEAD + "charge,,,,,6199,New\r\n" + ENDS.replace("1310", "1399"))
    owed = amount_of("", "-3", network=None, role="payable")
    first = booked([amount_of("ToKCs", "1.50"), amount_of("ToKCs", "1.50", role="disputed"), owed])
    later = booked([amount_of("ToKCs", "3"), owed], [first], rules)
    assert [(e.account, e.debit, e.credit, e.reference) for e in later] == [
        ("6100", D("1.50"), None, "INV-1-C1"),
        ("1310", None, D("1.50"), "INV-1-C1"),
    ]
    assert booked([amount_of("ToKCs", "3"), owed], [first, later]) == []
    withdrawn = booked([], [first])
    assert [(e.account, e.amount) for e in withdrawn] == [(e.account, -e.amount) for e in first], "an invoice that went"


def test_a_credit_is_booked_the_other_way_round(tmp_path: Path) -> None:
    rules = chart(tmp_path, HEAD + "charge,,,,,6100,Charges\r\n" + ENDS)
    rows = [amount_of("Credit", "-6.02"), amount_of("", "6.02", network=None, role="payable")]
    found = [(e.account, e.debit, e.credit, e.reference) for e in booked(rows, rules=rules)]
    assert found == [("6100", None, D("6.02"), "INV-1"), ("2000", D("6.02"), None, "INV-1")]


def test_what_an_earlier_release_posted_without_an_invoice_stays_until_the_invoice_is_there() -> None:
    """It booked the sum of the lines as ECGRID-1-2026-10, and 0.01 in a batch; the invoice takes both back."""
    kept = {"description": "x", "currency": "USD", "contract_id": 1, "measure_field": "ToKCs", "is_taxable": False}
    old = {**kept, "date": DATED, "account_report": "TrafficAll", "network_id": 3, "reference": "ECGRID-1-2026-10"}
    later = {"reference": "ECGRID-1-2026-10-C1"}
    no_key = {"network_id": None, "account_report": None, "measure_field": None, "is_taxable": None}
    first = [
        {
            **old,
            "account": "6100",
            "debit": D("0.335"),
            "credit": None,
            "reference": "ECGRID-1-2026-10",
            "network_id": 3,
        },
        {**old, **no_key, "account": "6990", "debit": D("0.005"), "credit": None},
        {**old, **no_key, "account": "2000", "debit": None, "credit": D("0.34")},
    ]
    batch = [
        {
            **old,
            "account": "6100",
            "debit": D("0.01"),
            "credit": None,
            "reference": "ECGRID-1-2026-10-C1",
            "network_id": 3,
        },
        {**old, **no_key, "account": "2000", "debit": None, "credit": D("0.01"), **later},
    ]
    posted = [from_table(pa.Table.from_pylist(first), MONTH), from_table(pa.Table.from_pylist(batch), MONTH, 1)]
    assert booked([], posted) == []
    rows = [amount_of("ToKCs", "0.35"), amount_of("", "-0.35", network=None, role="payable")]
    assert [(e.account, e.amount, e.reference) for e in booked(rows, posted)] == [
        ("6100", D("-0.345"), "ECGRID-1-2026-10-C2"),
        ("6990", D("-0.005"), "ECGRID-1-2026-10-C2"),
        ("2000", D("0.35"), "ECGRID-1-2026-10-C2"),
        ("6100", D("0.35"), "INV-1"),
        ("2000", D("-0.35"), "INV-1"),
    ]


@pytest.mark.parametrize(
    ("contract", "reference", "number"),
    [
        (None, "ECGRID-none-2026-10", None),
        (7, "ECGRID-7-2026-10", None),
        (7, "ECGRID-none-2026-10", "ECGRID-none-2026-10"),
        (7, "INV-1", "INV-1"),
    ],
)
def test_the_invoice_of_a_journal_of_an_earlier_release_is_its_reference(
    contract: int | None, reference: str, number: str | None
) -> None:
    """Or none where the reference is that of a contract's month without an invoice."""
    line = {
        **dict.fromkeys(("network_id", "account_report", "measure_field", "is_taxable", "debit")),
        "date": date(2026, 10, 31),
        "currency": "USD",
        "account": "2000",
        "description": "x",
        "credit": D("1"),
        "reference": reference,
        "contract_id": contract,
    }
    (entry,) = from_table(pa.Table.from_pylist([line]), MONTH)
    assert (entry.invoice_number, entry.role, entry.posting_date) == (number, "payable", date(2026, 10, 31))
    assert journal_entries._reference((contract, MONTH, number), set()) == reference


def test_the_last_line_of_each_entry_of_an_earlier_release_is_its_payable() -> None:
    line = {
        **dict.fromkeys(("account_report", "measure_field", "is_taxable", "contract_id", "debit")),
        "date": DATED,
        "currency": "USD",
        "account": "1",
        "description": "x",
        "credit": D("1"),
    }
    lines = [
        {**line, "reference": reference, "network_id": network}
        for reference, network in zip("AAABB", (3, None, None, 3, None), strict=True)
    ]
    found = from_table(pa.Table.from_pylist(lines), MONTH)
    assert [entry.role for entry in found] == ["charge", "rounding", "payable", "charge", "payable"]


def test_the_first_rule_that_fits_counts(tmp_path: Path) -> None:
    text = "charge,7,,,,1,seven\r\ncharge,,FixedRate,,,2,fixed\r\ncharge,,,TotalKCs,true,3,taxed\r\n"
    rules = chart(tmp_path, HEAD + text + "charge,,,,,4,rest\r\n" + ENDS)
    found = [
        rules.rule("charge", Amount(1, MONTH, None, "charge", network, report, measure, taxable, ZERO)).account
        for network, report, measure, taxable in (
            (7, "FixedRate", "TotalKCs", True),
            (8, "FixedRate", "TotalKCs", True),
            (8, "TrafficAll", "TotalKCs", True),
            (8, "TrafficAll", "TotalKCs", False),
        )
    ]
    assert found == ["1", "2", "3", "4"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "first line must be role,network_id"),
        ("role,account\r\n", "first line must be role,network_id"),
        (HEAD + "charge,,,,,6100,x\r\n" + ENDS.replace("payable,,,,,2000,Payable\r\n", ""), "no payable rule"),
        (
            HEAD + "charge,,,,,6100,x\r\npayable,,,,,2000,x\r\nrounding,,,,,1,x\r\n",
            "no disputed rule: add a row that begins with disputed, as `disputed,,,,,ACCOUNT,Disputed with Loren Data`",
        ),
        (HEAD + "income,,,,,6100,x\r\n" + ENDS, "line 2: role is 'income'"),
        (HEAD + "charge,,,,,,x\r\n" + ENDS, "account code is missing"),
        (HEAD + "charge,all,,,,1,x\r\n" + ENDS, "network_id is 'all'"),
        (HEAD + "charge,,,,yes,1,x\r\n" + ENDS, "is_taxable is 'yes'"),
        (HEAD + "payable,,,TotalKCs,,1,x\r\n", "may name a network and nothing else"),
        (HEAD + "charge,,,\r\n" + ENDS, "line 2: write 7 cells"),
        (HEAD + "charge,,,,,6100,x,y\r\n" + ENDS, "line 2: write 7 cells"),
        (HEAD + "charge,,,,,1,x\r\ncharge,7,,,,2,x\r\n" + ENDS, "line 3 can never count, for line 2"),
        (HEAD + "charge,7,,,,1,x\r\ncharge,7,,,,2,x\r\n" + ENDS, "line 3 can never count, for line 2"),
        (HEAD + ENDS + ENDS, "line 6 can never count, for line 2"),
        (HEAD + 'charge,,,,,"1"x,x\r\n' + ENDS, "correct the quotes"),
    ],
)
def test_a_chart_that_cannot_be_followed_is_refused_by_line(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        chart(tmp_path, text)


@pytest.mark.parametrize("row", ["payable,,FixedRate,,,1,x", "payable,,,,true,1,x", "charge,7.0,,,,1,x"])
def test_a_rule_that_no_line_could_follow_is_refused(tmp_path: Path, row: str) -> None:
    with pytest.raises(SettingsError, match="line 2: "):
        chart(tmp_path, f"{HEAD}{row}\r\n{ENDS}")


def test_the_cells_of_a_rule_and_what_it_covers(tmp_path: Path) -> None:
    text = "charge, 7 ,FixedRate,TotalKCs,FALSE, 6100 ,x\r\ncharge,,,,,6101,y\r\npayable,7,,,,2001,z\r\n"
    narrow, wide, payable = chart(tmp_path, HEAD + text + ENDS).rules[:3]
    assert narrow == Rule("charge", 7, "FixedRate", "TotalKCs", False, "6100", "x")
    assert wide == Rule("charge", None, None, None, None, "6101", "y")
    assert payable == Rule("payable", 7, None, None, None, "2001", "z")
    assert (wide.covers(narrow), narrow.covers(wide), narrow.covers(narrow)) == (True, False, True)
    assert not replace(wide, role="payable").covers(narrow)
    others = ({"network_id": 8}, {"account_report": "X"}, {"measure_field": "X"}, {"is_taxable": True})
    assert not any(replace(narrow, **other).covers(narrow) for other in others)
    fits = Amount(1, MONTH, None, "charge", 7, "FixedRate", "TotalKCs", False, ZERO)
    assert [narrow.fits(fits), *(narrow.fits(replace(fits, **other)) for other in others)] == [True, *[False] * 4]


def test_entries_and_their_lines_have_an_order() -> None:
    """By month, contract (none first) and number; an entry's by role, network, report, measure and tax flag."""
    september = date(2026, 9, 1)
    bills = [(2, MONTH, "A"), (None, MONTH, "Z"), (1, september, "D"), *((1, MONTH, number) for number in "CEBGF")]
    rows = []
    for contract, month, number in bills:
        of = (contract, month, number)
        rows += [
            Amount(*of, "payable", None, None, None, None, D(-7)),
            Amount(*of, "charge", None, None, None, None, D(1)),
            Amount(*of, "charge", 4, "FixedRate", "ToKCs", False, D(1)),
            Amount(*of, "charge", 3, "TrafficAll", "ToKCs", True, D(1)),
            Amount(*of, "charge", 3, "TrafficAll", "ToKCs", False, D(1)),
            Amount(*of, "charge", 3, "TrafficAll", "FromKCs", True, D(1)),
            Amount(*of, "charge", 3, "FixedRate", "ToKCs", None, D(1)),
            Amount(*of, "charge", 3, "FixedRate", "ToKCs", True, D(1)),
            Amount(*of, "disputed", 3, "FixedRate", "ToKCs", True, ZERO),
        ]
    found = booked(rows)
    assert list(dict.fromkeys(line.reference for line in found)) == [*"DZBCEFGA"]
    keys = [(one.role, one.network_id, one.account_report, one.measure_field, one.is_taxable) for one in found[:8]]
    assert keys == [
        ("charge", 3, "FixedRate", "ToKCs", True),
        ("charge", 3, "FixedRate", "ToKCs", None),
        ("charge", 3, "TrafficAll", "FromKCs", True),
        ("charge", 3, "TrafficAll", "ToKCs", False),
        ("charge", 3, "TrafficAll", "ToKCs", True),
        ("charge", 4, "FixedRate", "ToKCs", False),
        ("charge", None, None, None, None),
        ("payable", None, None, None, None),
    ]


def test_amounts_of_an_account_without_a_report_or_measure_come_first() -> None:
    of = (1, MONTH, "A")
    rows = [
        Amount(*of, "charge", 3, "FixedRate", "ToKCs", False, D(1)),
        Amount(*of, "charge", 3, "FixedRate", None, False, D(2)),
        Amount(*of, "charge", 3, None, None, False, D(4)),
        Amount(*of, "payable", None, None, None, None, D(-7)),
    ]
    assert [line.amount for line in booked(rows)] == [D(4), D(2), D(1), D(-7)]


def test_a_chart_that_a_spreadsheet_saved_is_read(tmp_path: Path) -> None:
    """With a byte-order mark, semicolons, TRUE for true, and an empty line at the end."""
    text = HEAD + "charge,,,,true,6101,Taxed\r\ncharge,,,,,6100,Untaxed\r\n" + ENDS
    saved = "\ufeff" + text.replace(",", ";").replace("true", "TRUE") + ";;;;;;\r\n"
    assert chart(tmp_path, saved).rules == chart(tmp_path, text).rules


def test_a_charge_without_a_rule_is_named(tmp_path: Path) -> None:
    rules = chart(tmp_path, HEAD + "charge,,FixedRate,,,6100,x\r\n" + ENDS)
    with pytest.raises(SettingsError, match="no charge rule for TrafficAll/TotalKCs of network 4"):
        booked([amount_of("TotalKCs", "1", network=4)], rules=rules)
    rules = chart(tmp_path, HEAD + "charge,,,,,6100,x\r\n" + ENDS.replace("unexplained,,", "unexplained,4,"))
    with pytest.raises(SettingsError, match="no unexplained rule for what no line bills: add one"):
        booked([amount_of("", "1", network=None, role="unexplained")], rules=rules)


def test_the_journal_file(settings: Settings) -> None:
    """The user's own chart, in the data directory, goes before the one that ships.

    The invoice asks 8,113.07, its lines 7,958.07 and 0.005: 155.00 are unexplained, of the lines 7.96 disputed.
    """
    lines = [line(amount="7958.07"), line(measure_field="ToKCs", amount="0.005", is_taxable=True, mailbox_id=1)]
    build(settings, **invoiced(lines, "8113.07", disputed={0: "7.96"}))
    own = Path(settings.data_dir) / "reference"
    own.mkdir()
    (own / "journal_accounts.csv").write_bytes((HEAD + "charge,,,,,=6100,+Müller\r\n" + ENDS).encode())
    with_currency = Settings(data_dir=settings.data_dir, currency="USD")
    export_month(with_currency, MONTH)
    path = settings.exports_dir(MONTH) / "journal.csv"
    assert path.read_bytes().decode().split("\r\n")[:2] == [
        "posting_date,reporting_month,currency,account,description,debit,credit,reference,role,invoice_number,"
        "contract_id,network_id,account_report,measure_field,is_taxable",
        '2026-10-31,2026-10-01,USD,"\'=6100","\'+Müller",0.01,,"8753",charge,"8753",8751,4443,TrafficAll,ToKCs,true',
    ]
    table = read_export(path)
    assert [(row["account"], row["debit"], row["credit"]) for row in table.to_pylist()] == [
        ("=6100", D("0.01"), None),
        ("=6100", D("7950.11"), None),
        ("1310", D("7.96"), None),
        ("1320", D("155"), None),
        ("6990", None, D("0.01")),
        ("2000", None, D("8113.07")),
    ]


def test_a_month_without_its_invoice_is_not_booked(usd: Settings) -> None:
    build(usd, **invoiced([line()], number=None))
    export_month(usd, MONTH)
    assert read_export(usd.exports_dir(MONTH) / "journal.csv").num_rows == 0
    manifest = read_manifest(usd.exports_dir(MONTH))
    left_out = manifest["not_booked"]
    assert manifest["left_out"] == {}
    assert left_out == [{"contract_id": 8751, "invoice_number": None}]
    assert left_out_words(MONTH, left_out) == (
        "2026-10: not in journal.csv: no invoice yet of contract 8751, which is left to accrue."
    )


def test_only_what_bills_something_awaits_an_invoice(usd: Settings) -> None:
    """An invoice that is here without a total is named whatever its lines add up to."""
    rows = [
        {"contract_id": contract, "invoice_number": number, "recalculated_amount": amount}
        for contract, number, amount in ((1, None, "0"), (2, None, "1.00"), (3, "I-3", "0"), (4, None, None))
    ]
    rows.append({"contract_id": 5, "invoice_number": "I-5", "recalculated_amount": "1.00", "invoiced_amount": "1.00"})
    reconciled = [{"reporting_month": MONTH, **row} for row in rows]
    build(usd, out_line_items=[line()], out_invoice_reconciliation=reconciled)
    with opened(usd) as connection:
        found = [(one.contract_id, one.invoice_number) for one in unbooked(connection, MONTH)]
    assert found == [(2, None), (3, "I-3")]


def test_a_file_that_the_log_names_is_there_and_as_it_was(settings: Settings) -> None:
    store = open_store(settings)
    store.prepare()
    digest = hashlib.sha256(b"as it was").hexdigest()
    entry = Decision(1, "close", "", "", {"files": {"closings/a.parquet": digest}}, "")
    with pytest.raises(NoSuchData, match=r"a\.parquet is missing, and the closed month needs it"):
        require_kept(store, entry, "closings/a.parquet")
    store.write("closings/a.parquet", b"as it is")
    with pytest.raises(StorageFailed, match=r"a\.parquet is damaged, and the closed month needs it"):
        require_kept(store, entry, "closings/a.parquet")
    store.write("closings/a.parquet", b"as it was")
    require_kept(store, entry, "closings/a.parquet")


def closed_log(*months: str) -> Log:
    """A log in which these months are closed."""
    return Log(tuple(Decision(n, "close", "", "", {"month": one}, "") for n, one in enumerate(months, 1)), ())


def test_an_entry_is_dated_in_its_month_or_after_the_last_closed_one() -> None:
    november, december = date(2026, 11, 1), date(2026, 12, 1)

    def dated(log: Log, *, is_first: bool = True, wanted: date | None = None, month: date = MONTH) -> date:
        return journal._posting_date(log, month, is_first=is_first, wanted=wanted)

    nothing = closed_log()
    assert [dated(nothing, is_first=is_first) for is_first in (True, False)] == [DATED, DATED]
    assert dated(nothing, month=date(2028, 2, 1)) == date(2028, 2, 29)
    assert dated(nothing, wanted=date(2026, 9, 3)) == date(2026, 9, 3)
    before = closed_log("2026-09", "2026-08")
    assert [dated(before, is_first=is_first) for is_first in (True, False)] == [DATED, MONTH]
    assert dated(before, wanted=MONTH) == MONTH
    with pytest.raises(SettingsError, match=r"2026-09-30 is not after 2026-09, .* a --posting-date from 2026-10-01 on"):
        dated(before, wanted=date(2026, 9, 30))
    assert dated(closed_log("2026-10")) == november
    assert dated(closed_log("2026-10", "2026-11")) == december


def test_a_journal_is_of_the_currency_that_was_posted_and_dated_by_what_was(
    usd: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """72.96 are asked, 1.00 was posted in a first journal without lines and a second one."""
    build(usd, **invoiced([line()]))
    store, log = open_store(usd), closed_log("2026-09")
    one = Entry(DATED, MONTH, "USD", "2000", "Payable", None, D(1), "8753", "payable", "8753", 8751)
    journals: list[list[Entry]] = []
    monkeypatch.setattr(journal, "_posted", lambda *_: [(log.entries[0], lines) for lines in journals])
    with opened(usd) as connection:

        def dates() -> set[date]:
            table = open_journal(connection, usd, store, log, MONTH)
            return set(table.column("posting_date").to_pylist())

        with pytest.raises(SettingsError, match="set ECGRID_CURRENCY"):
            open_journal(connection, replace(usd, currency=None), store, log, MONTH)
        assert dates() == {DATED}
        journals[:] = [[]]
        assert dates() == {DATED}
        journals[:] = [[], [one]]
        assert dates() == {MONTH}
        journals[:] = [[replace(one, currency="EUR"), one], [replace(one, currency="CHF")]]
        with pytest.raises(Refused, match=r"^2026-10 was posted in CHF, and .* is now USD: set it to CHF for"):
            dates()


def test_posted_are_the_journals_of_the_months_closings_and_batches(settings: Settings, tmp_path: Path) -> None:
    """A closing without a currency has none; those of another month and of another decision are not the month's."""
    store = open_store(settings)
    store.prepare()
    one = Entry(DATED, MONTH, "USD", "2000", "Payable", None, D(1), "8753", "payable", "8753", 8751)
    entries_of_log = []
    kinds = (("close", "2026-10"), ("corrections", "2026-10"), ("corrections", "2026-09"), ("reopen", "2026-10"))
    for number, (kind, month) in enumerate(kinds, start=1):
        path = f"closings/{month}/{number:06}/journal.parquet"
        pq.write_table(to_table([replace(one, reference=str(number))]), tmp_path / "journal")
        store.write(path, (tmp_path / "journal").read_bytes())
        files = {} if kind == "close" else {path: hashlib.sha256(store.read(path)).hexdigest()}
        entries_of_log.append(Decision(number, kind, "", "", {"month": month, "files": files, "correction": 1}, ""))
    log = Log(tuple(entries_of_log), ())
    ((entry, lines),) = journal._posted(store, log, MONTH)
    assert (entry.number, lines) == (2, [replace(one, reference="2")])
    assert journal.batches(store, log, entries_of_log[0]) == [to_table(lines)]


def test_a_folder_of_the_users_without_a_chart_leaves_the_shipped_one(settings: Settings) -> None:
    (Path(settings.data_dir) / "reference").mkdir(parents=True)
    assert chart_of(settings).rules == read_chart(SHIPPED).rules


def test_what_a_journal_leaves_out_is_one_line() -> None:
    left_out = [(1, None), (None, None), (1, "INV-2"), (2, "INV-3")]
    rows = [{"contract_id": contract, "invoice_number": number} for contract, number in left_out]
    assert left_out_words(MONTH, rows) == (
        "2026-10: not in journal.csv: no invoice yet of contracts 1, none, which is left to accrue; "
        "the total of invoice INV-2, INV-3 is not known."
    )
    assert left_out_words(MONTH, []) == ""


def test_without_a_currency_there_is_no_journal_and_the_manifest_has_the_reason(settings: Settings) -> None:
    build(settings, out_line_items=[line()])
    paths = export_month(settings, MONTH)
    manifest = read_manifest(settings.exports_dir(MONTH))
    assert manifest["not_booked"] == []
    left_out = manifest["left_out"]
    assert sorted(left_out) == ["focus_1_2.csv", "focus_1_2.parquet", "journal.csv"]
    assert "set ECGRID_CURRENCY" in left_out["journal.csv"]
    assert not {path.name for path in paths} & set(left_out)
