"""LineItem, Pricelist, Contract and Invoice into rows: every value kept, nothing rounded, what does not fit named."""

import json
from dataclasses import replace
from datetime import UTC, date, datetime

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecgrid_transforms.contracts import contract_account_rows, contract_row
from ecgrid_transforms.invoices import invoice_line_rows, invoice_row
from ecgrid_transforms.line_items import line_item_row
from ecgrid_transforms.model import (
    Account,
    AccountInfo,
    Contract,
    Invoice,
    Key,
    Level,
    LineItem,
    Pricelist,
    Schedule,
)
from ecgrid_transforms.money import Decimal, DoesNotFit, fits
from ecgrid_transforms.price_schedules import price_schedule_rows
from ecgrid_transforms.rows import batch
from ecgrid_transforms.schemas import (
    CALLS,
    CONTRACT_ACCOUNTS,
    CONTRACTS,
    INVOICE_LINES,
    INVOICES,
    LINE_ITEMS,
    PRICE_SCHEDULES,
)

MONTH = date(2026, 10, 1)
NOW = datetime(2026, 11, 1, 8, tzinfo=UTC)
KEY = Key(4443, 0, MONTH, "TrafficKCInterchangeTiered", "TieredKCIntCount")
SCHEDULE = Schedule(
    43201, Decimal("20"), 0, 1200, Decimal("5"), Decimal("0.2178"), 9001, "step 1 (0–1200)",
    "TrafficKCInterchangeTiered", "TieredKCIntCount", 0, True,
)  # fmt: skip
LINE = LineItem(
    2, "2023-08-31T00:00:00", 432, "Naïve tiers", "Network", 4443, "=1+1 Trading", "Tier1", "Tier 1", "Tiered",
    SCHEDULE, Decimal("353"), Decimal("335"), False, Decimal("72.96"),
)  # fmt: skip


def line_row(line: LineItem = LINE) -> dict[str, object]:
    row = line_item_row(KEY, line, "v3.2", NOW, "ab" * 32)
    (found,) = batch(LINE_ITEMS, [row]).to_pylist()
    return found


@pytest.mark.parametrize("schema", [LINE_ITEMS, CALLS], ids=["line_items", "calls"])
def test_no_column_of_the_key_is_ever_null(schema: pa.Schema) -> None:
    key = ("network_id", "mailbox_id", "reporting_month", "account_report", "measure_field")
    assert [schema.field(name).nullable for name in key] == [False] * 5


def test_a_line_becomes_one_row_with_every_value() -> None:
    row = line_row()
    assert list(row) == LINE_ITEMS.names
    assert row["account_report"] == "TrafficKCInterchangeTiered"
    assert (row["schedule_rate"], row["schedule_minimum"], row["schedule_maximum"]) == (Decimal("0.2178"), 0, 1200)
    assert (row["actual"], row["quantity_billed"], row["amount"]) == (353, 335, Decimal("72.96"))
    assert (row["system_name"], row["is_taxable"], row["extra"]) == ("=1+1 Trading", False, None)
    assert str(row["line_date"]) == "2023-08-31 00:00:00"


def test_a_line_without_a_schedule_has_nulls_and_no_zeros() -> None:
    row = line_row(replace(LINE, schedule=None))
    assert {value for name, value in row.items() if name.startswith("schedule_")} == {None}


@pytest.mark.parametrize("text", ["0001-01-01T00:00:00", "9999-12-31T00:00:00", "not a date"])
def test_a_date_out_of_range_is_null_with_its_text_in_extra(text: str) -> None:
    row = line_row(replace(LINE, line_date=text))
    assert row["line_date"] is None
    assert json.loads(str(row["extra"])) == {"LineDate": text}


def test_a_zone_is_kept_beside_the_wall_time() -> None:
    row = line_row(replace(LINE, line_date="2023-08-31T00:00:00-07:00"))
    assert str(row["line_date"]) == "2023-08-31 00:00:00"
    assert json.loads(str(row["extra"])) == {"LineDate": "2023-08-31T00:00:00-07:00"}


def test_unknown_elements_are_kept_as_json_in_a_fixed_order() -> None:
    unknown = replace(LINE, extra={"b": "Ü", "a": ["1", "2"]}, schedule=replace(SCHEDULE, extra={"Tax": "7"}))
    assert line_row(unknown)["extra"] == '{"Schedule": {"Tax": "7"}, "a": ["1", "2"], "b": "Ü"}'


@given(st.decimals(places=10, min_value=Decimal(-(10**18) + 1), max_value=Decimal(10**18 - 1)))
def test_any_decimal_that_fits_comes_through_unchanged(value: Decimal) -> None:
    line = replace(LINE, amount=value)
    assert line_row(line)["amount"] == value


@pytest.mark.parametrize(
    ("value", "is_held"),
    [
        ("0.00000000001", False),
        ("1.00000000000000", True),
        ("999999999999999999.9999999999", True),
        ("1000000000000000000", False),
        ("0.0000000000", True),
        ("-0.12345678901", False),
        ("0E+30", True),
    ],
)
def test_what_has_more_digits_than_the_lake_is_never_rounded(value: str, is_held: bool) -> None:
    assert fits(Decimal(value)) is is_held
    line = replace(LINE, quantity_billed=Decimal(value))
    if is_held:
        assert line_row(line)["quantity_billed"] == Decimal(value)
    else:
        with pytest.raises(DoesNotFit, match=r"quantity_billed of \(4443, 0, .*TieredKCIntCount"):
            line_row(line)


def test_a_batch_without_rows_keeps_its_columns() -> None:
    assert batch(LINE_ITEMS, []).schema == LINE_ITEMS


def test_a_value_of_the_wrong_kind_is_refused() -> None:
    with pytest.raises((TypeError, pa.ArrowInvalid, pa.ArrowTypeError, ValueError)):
        batch(LINE_ITEMS, [(*line_item_row(KEY, LINE, "v3.2", NOW, "0")[:-1], 5)])


def test_a_price_list_gives_one_row_per_tier_in_the_order_of_the_answer() -> None:
    levels = (
        Level("Tier1", "Tier 1", 0, (SCHEDULE, replace(SCHEDULE, schedule_id=2))),
        Level("Minimum", None, None, (replace(SCHEDULE, schedule_id=3),), extra={"Hint": "x"}),
    )
    prices = Pricelist(432, "2023-12-01T00:00:00", "Naïve", "Tiered", "Active", levels, extra={"Owner2": "y"})
    rows = batch(PRICE_SCHEDULES, price_schedule_rows(MONTH, prices, "v3.2", NOW, "0")).to_pylist()
    assert [(row["level_number"], row["schedule_number"], row["schedule_id"]) for row in rows] == [
        (1, 1, 43201),
        (1, 2, 2),
        (2, 1, 3),
    ]
    assert rows[2]["limited_months"] is None
    assert json.loads(rows[2]["extra"]) == {"Level": {"Hint": "x"}, "Owner2": "y"}
    assert str(rows[0]["price_list_date"]) == "2023-12-01 00:00:00"


def test_a_contract_names_each_account_once_a_network_by_its_root() -> None:
    infos = (AccountInfo(Account(4440, 0), "Root", "Active", 431, 0), AccountInfo(Account(4440, 0), "Root", None, 0, 0))
    boxes = (AccountInfo(Account(4440, 105213), "a\nb", "Active", 0, 0),)
    contract = Contract(
        8751, "d", "C-8751", "2020-01-01T00:00:00", "9999-12-31T00:00:00", "Active", None, False, None,
        "0001-01-01T00:00:00", infos, boxes,
    )  # fmt: skip
    (row,) = batch(CONTRACTS, [contract_row(MONTH, contract, "v3.2", NOW, "0")]).to_pylist()
    assert (row["expires"], row["last_invoice_date"]) == (None, None)
    assert json.loads(row["extra"]) == {"Expires": "9999-12-31T00:00:00", "LastInvoiceDate": "0001-01-01T00:00:00"}
    accounts = batch(CONTRACT_ACCOUNTS, contract_account_rows(MONTH, contract)).to_pylist()
    assert [(row["network_id"], row["mailbox_id"], row["account_name"]) for row in accounts] == [
        (4440, 0, "Root"),
        (4440, 105213, "a\nb"),
    ]


def test_an_invoice_gives_its_head_and_its_lines() -> None:
    invoice = Invoice(
        752000, "INV-1", "2023-08-01T00:00:00", 18751, Decimal("296.17"), None, "Paid", "2023-08-22T10:00:00",
        "2023-08-31T00:00:00", None, "Net 30", "First\nsecond", (LINE, replace(LINE, line_item_number=3)),
    )  # fmt: skip
    (head,) = batch(INVOICES, [invoice_row(MONTH, "InvoiceInfo", invoice, "v3.2", NOW, "0")]).to_pylist()
    assert (head["source"], head["total_amount"], head["bill_to"]) == (
        "InvoiceInfo",
        Decimal("296.17"),
        "First\nsecond",
    )
    lines = batch(INVOICE_LINES, invoice_line_rows(MONTH, "InvoiceInfo", invoice, "v3.2", NOW, "0")).to_pylist()
    assert [line["line_item_number"] for line in lines] == [2, 3]
    assert {line["invoice_id"] for line in lines} == {752000}
