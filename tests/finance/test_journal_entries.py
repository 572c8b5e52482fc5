"""The journal balances for any input, says what it was made from, and refuses a chart that it cannot follow."""

from collections import defaultdict
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecgrid_flows.errors import SettingsError
from ecgrid_flows.finance.export import export_month, read_export
from ecgrid_flows.finance.export_files import read_manifest
from ecgrid_flows.finance.journal_entries import Charge, Chart, Entry, entries, minor_digits, read_chart
from ecgrid_flows.settings import Settings
from ecgrid_transforms.money import ZERO, Decimal, rounded, total

from .world import MONTH, ROOT, build, line

HEAD = "role,network_id,account_report,measure_field,is_taxable,account,description\r\n"
ENDS = "payable,,,,,2000,Payable\r\nrounding,,,,,6990,Rounding\r\n"
SHIPPED = ROOT / "data/reference/journal_accounts.csv"

charges = st.lists(
    st.builds(
        Charge,
        contract_id=st.sampled_from([None, 1, 2]),
        network_id=st.integers(1, 3),
        reporting_month=st.sampled_from([date(2026, 2, 1), MONTH]),
        account_report=st.sampled_from(["FixedRate", "Statistics", "TrafficAll"]),
        measure_field=st.sampled_from(["TotalKCs", "Credit", "MonthlyMinimum"]),
        is_taxable=st.booleans(),
        invoice_number=st.sampled_from([None, "INV-1"]),
        amount=st.one_of(
            st.decimals(-(10**15), 10**15, places=10),
            st.sampled_from([Decimal("0.005"), Decimal("-0.005"), Decimal("0.0049999999"), ZERO]),
        ),
    ),
    max_size=12,
)


def chart(tmp_path: Path, text: str) -> Chart:
    path = tmp_path / "journal_accounts.csv"
    path.write_bytes(text.encode())
    return read_chart(path)


@given(given_charges=charges, currency=st.sampled_from(["USD", "JPY", "KWD"]))
def test_debits_equal_credits_for_any_input(given_charges: list[Charge], currency: str) -> None:
    lines = entries(given_charges, read_chart(SHIPPED), currency)
    bills: dict[tuple[date, int | None, str], list[Entry]] = defaultdict(list)
    for entry in lines:
        assert (entry.debit is None) != (entry.credit is None)
        amount = entry.debit or entry.credit or ZERO
        assert amount > ZERO
        assert amount == rounded(amount, minor_digits(currency))
        bills[entry.date, entry.contract_id, entry.reference].append(entry)
    for bill in bills.values():
        assert total([e.debit or ZERO for e in bill]) == total([e.credit or ZERO for e in bill])
    payable = [(e.credit or ZERO) - (e.debit or ZERO) for e in lines if e.account == "2000"]
    assert abs(total(payable) - total([c.amount for c in given_charges])) <= Decimal("0.5") * len(given_charges)


@given(charges)
def test_the_payable_is_the_exact_sum_rounded_once(given_charges: list[Charge]) -> None:
    one = [
        Charge(7, c.network_id, MONTH, c.account_report, c.measure_field, c.is_taxable, None, c.amount)
        for c in given_charges
    ]
    lines = entries(one, read_chart(SHIPPED), "USD")
    payable = total([(e.credit or ZERO) - (e.debit or ZERO) for e in lines if e.account == "2000"])
    assert payable == rounded(total([c.amount for c in one]), 2)


@given(charges, st.lists(st.decimals(-(10**15), 10**15, places=10), min_size=12, max_size=12))
def test_a_journal_and_its_steps_end_where_a_new_journal_would(first: list[Charge], amounts: list[Decimal]) -> None:
    changed = [replace(charge, amount=amount) for charge, amount in zip(first, amounts, strict=False)]
    steps = [
        replace(charge, before=charge.amount, amount=total([after.amount, -charge.amount]), suffix="-C1")
        for charge, after in zip(first, changed, strict=True)
    ]
    shipped = read_chart(SHIPPED)

    def balances(lines: list[Entry]) -> dict[tuple[str, date, int | None], Decimal]:
        kept: dict[tuple[str, date, int | None], Decimal] = defaultdict(lambda: ZERO)
        for entry in lines:
            kept[entry.account, entry.date, entry.contract_id] += (entry.debit or ZERO) - (entry.credit or ZERO)
        return {account: amount for account, amount in kept.items() if amount != ZERO}

    told = [*entries(first, shipped, "USD"), *entries(steps, shipped, "USD")]
    assert balances(told) == balances(entries(changed, shipped, "USD"))


def test_the_order_of_the_charges_does_not_matter() -> None:
    given_charges = [
        Charge(contract, network, MONTH, "TrafficAll", measure, False, None, Decimal("1.115"))
        for contract in (None, 2, 1)
        for network in (9, 3)
        for measure in ("TotalKCs", "Credit")
    ]
    shipped = read_chart(SHIPPED)
    assert entries(given_charges, shipped, "USD") == entries(given_charges[::-1], shipped, "USD")


def test_a_worked_entry(tmp_path: Path) -> None:
    """Three charges of 0.335 are 0.34 each, 1.02 together; they are owed as 1.005, that is 1.01: 0.01 is rounding."""
    rules = chart(tmp_path, HEAD + "charge,,,,true,6101,Taxed\r\ncharge,,,,,6100,Untaxed\r\n" + ENDS)
    third = Decimal("0.335")
    given_charges = [
        Charge(8751, 4443, MONTH, "TrafficAll", "ToKCs", False, None, third),
        Charge(8751, 4443, MONTH, "TrafficAll", "FromKCs", True, None, third),
        Charge(8751, 4444, MONTH, "TrafficAll", "ToKCs", False, None, third),
    ]
    shown = [
        (str(e.date), e.account, e.description, e.debit, e.credit, e.reference)
        for e in entries(given_charges, rules, "USD")
    ]
    cent = Decimal("0.34")
    assert shown == [
        ("2026-10-31", "6101", "Taxed", cent, None, "ECGRID-8751-2026-10"),
        ("2026-10-31", "6100", "Untaxed", cent, None, "ECGRID-8751-2026-10"),
        ("2026-10-31", "6100", "Untaxed", cent, None, "ECGRID-8751-2026-10"),
        ("2026-10-31", "6990", "Rounding", None, Decimal("0.01"), "ECGRID-8751-2026-10"),
        ("2026-10-31", "2000", "Payable", None, Decimal("1.01"), "ECGRID-8751-2026-10"),
    ]


def test_a_credit_is_booked_the_other_way_round(tmp_path: Path) -> None:
    rules = chart(tmp_path, HEAD + "charge,,,,,6100,Charges\r\n" + ENDS)
    credit = Charge(1, 2, MONTH, "FixedRate", "Credit", False, "INV-7", Decimal("-6.02"))
    booked = [(e.account, e.debit, e.credit, e.reference) for e in entries([credit], rules, "USD")]
    assert booked == [("6100", None, Decimal("6.02"), "INV-7"), ("2000", Decimal("6.02"), None, "INV-7")]


def test_the_first_rule_that_fits_counts(tmp_path: Path) -> None:
    text = "charge,7,,,,1,seven\r\ncharge,,FixedRate,,,2,fixed\r\ncharge,,,TotalKCs,true,3,taxed\r\n"
    rules = chart(tmp_path, HEAD + text + "charge,,,,,4,rest\r\n" + ENDS)
    found = [
        rules.rule("charge", Charge(1, network, MONTH, report, measure, taxable, None, ZERO)).account
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
        ("role,account\r\n", "first line must be role,network_id"),
        (HEAD + "charge,,,,,6100,x\r\nrounding,,,,,1,x\r\n", "no payable rule"),
        (HEAD + "income,,,,,6100,x\r\n" + ENDS, "line 2: role is 'income'"),
        (HEAD + "charge,,,,,,x\r\n" + ENDS, "account code is missing"),
        (HEAD + "charge,all,,,,1,x\r\n" + ENDS, "network_id is 'all'"),
        (HEAD + "charge,,,,yes,1,x\r\n" + ENDS, "is_taxable is 'yes'"),
        (HEAD + "payable,,,TotalKCs,,1,x\r\n", "may name a network and nothing else"),
        (HEAD + "charge,,,\r\n" + ENDS, "line 2: write 7 cells"),
        (HEAD + "charge,,,,,1,x\r\ncharge,7,,,,2,x\r\n" + ENDS, "line 3 can never count, for line 2"),
        (HEAD + "charge,7,,,,1,x\r\ncharge,7,,,,2,x\r\n" + ENDS, "line 3 can never count, for line 2"),
        (HEAD + ENDS + ENDS, "line 4 can never count, for line 2"),
        (HEAD + 'charge,,,,,"1"x,x\r\n' + ENDS, "correct the quotes"),
    ],
)
def test_a_chart_that_cannot_be_followed_is_refused_by_line(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        chart(tmp_path, text)


def test_a_chart_that_a_spreadsheet_saved_is_read(tmp_path: Path) -> None:
    """With a byte-order mark, semicolons, TRUE for true, and an empty line at the end."""
    text = HEAD + "charge,,,,true,6101,Taxed\r\ncharge,,,,,6100,Untaxed\r\n" + ENDS
    saved = "\ufeff" + text.replace(",", ";").replace("true", "TRUE") + ";;;;;;\r\n"
    assert chart(tmp_path, saved).rules == chart(tmp_path, text).rules


def test_a_charge_without_a_rule_is_named(tmp_path: Path) -> None:
    rules = chart(tmp_path, HEAD + "charge,,FixedRate,,,6100,x\r\n" + ENDS)
    with pytest.raises(SettingsError, match="no charge rule for TrafficAll/TotalKCs of network 4"):
        entries([Charge(1, 4, MONTH, "TrafficAll", "TotalKCs", False, None, Decimal(1))], rules, "USD")


def test_the_journal_file(settings: Settings) -> None:
    """The user's own chart, in the data directory, goes before the one that ships."""
    build(settings, out_line_items=[line(amount="72.96"), line(measure_field="ToKCs", amount="0.005", is_taxable=True)])
    own = Path(settings.data_dir) / "reference"
    own.mkdir()
    (own / "journal_accounts.csv").write_bytes((HEAD + "charge,,,,,=6100,+Müller\r\n" + ENDS).encode())
    with_currency = Settings(data_dir=settings.data_dir, currency="USD")
    export_month(with_currency, MONTH)
    path = settings.exports_dir(MONTH) / "journal.csv"
    assert path.read_bytes().decode().split("\r\n")[:3] == [
        "date,account,description,debit,credit,reference,currency,contract_id,network_id,account_report,"
        "measure_field,is_taxable",
        '2026-10-31,"\'=6100","\'+Müller",0.01,,ECGRID-8751-2026-10,USD,8751,4443,TrafficAll,ToKCs,true',
        '2026-10-31,"\'=6100","\'+Müller",72.96,,ECGRID-8751-2026-10,USD,8751,4443,TrafficAll,TotalKCs,false',
    ]
    table = read_export(path)
    assert table["account"].to_pylist() == ["=6100", "=6100", "2000"]
    assert table["credit"].to_pylist() == [None, None, Decimal("72.97")]


def test_without_a_currency_there_is_no_journal_and_the_manifest_says_why(settings: Settings) -> None:
    build(settings, out_line_items=[line()])
    paths = export_month(settings, MONTH)
    left_out = read_manifest(settings.exports_dir(MONTH))["left_out"]
    assert sorted(left_out) == ["focus_1_2.csv", "focus_1_2.parquet", "journal.csv"]
    assert "set ECGRID_CURRENCY" in left_out["journal.csv"]
    assert not {path.name for path in paths} & set(left_out)
