"""FOCUS rows: quantity times unit price is the cost, exactly; billed costs add up to the invoice, exactly."""

import json
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as checked
from hypothesis import strategies as st
from typer.testing import CliRunner

from ecgrid_flows.cli import app
from ecgrid_flows.errors import SettingsError
from ecgrid_flows.finance.export import export_month, read_export
from ecgrid_flows.finance.export_files import focus_sheet
from ecgrid_flows.settings import Settings
from ecgrid_flows.warehouse import sql_files
from ecgrid_flows.warehouse.export_cache import COMBINED
from ecgrid_transforms.money import ONE, ZERO, Decimal, rounded, total

from .world import MONTH, build, fill, line, prepare, proof

#: FOCUS 1.2, columns that every data set must have.
MANDATORY = {
    *("BilledCost", "BillingAccountId", "BillingAccountName", "BillingCurrency", "BillingPeriodStart"),
    *("BillingPeriodEnd", "ChargeCategory", "ChargeClass", "ChargeDescription", "ChargePeriodStart", "ChargePeriodEnd"),
    *("ContractedCost", "EffectiveCost", "InvoiceIssuerName", "ListCost", "PricingQuantity", "PricingUnit"),
    *("ProviderName", "PublisherName", "ServiceCategory", "ServiceName"),
}


@pytest.fixture(scope="module")
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with closing(duckdb.connect()) as made:
        prepare(made)
        yield made


Focus = Callable[..., list[dict[str, Any]]]


@pytest.fixture
def focus(connection: duckdb.DuckDBPyConnection) -> Focus:
    """A function that gives the FOCUS rows of relations."""

    def rows_of(**relations: Any) -> list[dict[str, Any]]:
        empty: dict[str, Any] = {"core_accounts": [], "core_tiers": [], "out_line_proofs": [], "raw_invoices": []}
        fill(connection, **{**empty, **relations})
        ordered = focus_sheet(connection.table("out_focus"), "focus", "USD", "1.2").ordered()
        rows: list[dict[str, Any]] = ordered.to_arrow_table().to_pylist()
        return rows

    return rows_of


def costs(rows: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    wanted = ("ChargeCategory", "PricingQuantity", "PricingUnit", "ContractedUnitPrice", "ContractedCost", "BilledCost")
    return [tuple(str(v.normalize()) if isinstance(v, Decimal) else v for v in map(row.get, wanted)) for row in rows]


def test_a_graduated_line_is_a_row_per_slice(focus: Focus) -> None:
    """1200 at 0.2178 are 261.36; 301 at 0.1857 are 55.8957; together 317.2557, billed as 317.26."""
    rows = focus(
        out_line_items=[line(actual="1501", quantity_billed="1501", amount="317.26", expected_amount="317.26")],
        out_line_proofs=[proof(1, "1200", "0.2178", "317.26"), proof(2, "301", "0.1857", "317.26")],
    )
    assert costs(rows) == [
        ("Usage", "1.2E+3", "KC", "0.2178", "261.36", "261.36"),
        ("Usage", "301", "KC", "0.1857", "55.8957", "55.9"),
    ]
    assert [row["ConsumedQuantity"] for row in rows] == [1200, 301]
    assert [row["SkuPriceId"] for row in rows] == [
        "432:TrafficAll:TotalKCs:Tier1:43201",
        "432:TrafficAll:TotalKCs:Tier2:43202",
    ]


def test_a_price_is_told_by_its_own_tier(focus: Focus) -> None:
    """Each slice by the schedule that prices it, not by the one that the line shows; a tier unknown, by the line."""
    ladder = {"terms_contract_id": 0, "version": 1}
    tier = {**line(), **ladder, "model": "Stacked", "level": "Tier1", "block": "1", "allowance": "20.5", "minimum": 0}
    rows = focus(
        core_tiers=[
            {**tier, "schedule_id": 43201, "maximum": 1200},
            {**tier, "schedule_id": 43202, "level": "Tier2", "minimum": 1201, "maximum": None},
        ],
        out_line_items=[
            line(actual="1501", quantity_billed="1501", amount="317.26", expected_amount="317.26", schedule_id=43202),
            line(mailbox_id=1, schedule_id=7, model='so-called "flat"\\', schedule_block=None),
            line(mailbox_id=2, amount="-1", measure_field="Credit"),
        ],
        out_line_proofs=[proof(1, "1200", "0.2178", "317.26"), proof(2, "301", "0.1857", "317.26")],
    )
    common = {"x_Model": "Stacked", "x_Block": 1, "x_Allowance": 20.5}
    assert [None if row["SkuPriceDetails"] is None else json.loads(row["SkuPriceDetails"]) for row in rows] == [
        {**common, "x_Level": "Tier1", "x_Minimum": 0, "x_Maximum": 1200},
        {**common, "x_Level": "Tier2", "x_Minimum": 1201},
        {"x_Model": 'so-called "flat"\\'},
        None,
    ]


def test_blocks_and_what_was_free(focus: Focus) -> None:
    """353 less 20 free are 333: 67 blocks of 5 at 1.089. What was free was used all the same."""
    rows = focus(
        out_line_items=[line(amount="72.96", expected_amount="72.96", schedule_block="5")],
        out_line_proofs=[proof(1, "333", "1.089", "72.96", block="5", blocks="67")],
    )
    assert costs(rows) == [("Usage", "67", "5 KC", "1.089", "72.963", "72.96")]
    assert rows[0]["ConsumedQuantity"] == 353


def test_a_flat_fee_is_a_purchase_of_its_own(focus: Focus) -> None:
    rows = focus(
        out_line_items=[line(actual="10", amount="7", expected_amount="7")],
        out_line_proofs=[proof(1, "10", "0.2", "7", flat="5")],
    )
    assert costs(rows) == [
        ("Usage", "1E+1", "KC", "0.2", "2", "2"),
        ("Purchase", "1", "flat fee", "5", "5", "5"),
    ]


def test_what_is_billed_beyond_the_proof_is_an_adjustment(focus: Focus) -> None:
    rows = focus(
        out_line_items=[line(amount="80", expected_amount="72.96", difference="7.04", verdict="differs")],
        out_line_proofs=[proof(1, "335", "0.2178", "72.96")],
    )
    assert costs(rows) == [
        ("Usage", "335", "KC", "0.2178", "72.963", "72.96"),
        ("Adjustment", None, None, None, "7.04", "7.04"),
    ]


def test_a_line_without_a_proof_is_sold_once(focus: Focus) -> None:
    unproved = {"expected_amount": None, "difference": None, "verdict": "not_provable"}
    rows = focus(
        out_line_items=[
            line(mailbox_id=1, amount="72.96", **unproved),  # 335 x 0.2178 = 72.963: it shows what it multiplied
            line(mailbox_id=2, amount="70.00", **unproved),
            line(mailbox_id=3, amount="-6.02", measure_field="Credit", schedule_rate="-6.02", **unproved),
            line(mailbox_id=4, amount="12.00", measure_field="MonthlyMinimum", **unproved),
            line(mailbox_id=5, amount="0", measure_field="Subtotal", **unproved),
        ],
    )
    assert costs(rows) == [
        ("Usage", "335", "KC", "0.2178", "72.963", "72.96"),
        ("Usage", "1", "line", "7E+1", "7E+1", "7E+1"),
        ("Credit", None, None, None, "-6.02", "-6.02"),
        ("Adjustment", None, None, None, "12", "12"),
    ]


def utc(year: int, month: int) -> datetime:
    """The first of a month, without a zone, as DuckDB has it before the exporter says UTC."""
    return datetime(year, month, 1, tzinfo=UTC).replace(tzinfo=None)


def test_periods_names_and_invoices(focus: Focus) -> None:
    invoice = {
        "reporting_month": MONTH,
        "source": "InvoiceInfo",
        "invoice_id": 7,
        "invoice_number": "INV-7",
        "contract_id": 8751,
        "total_amount": "72.96",
        "status": "Sent",
    }
    rows = focus(
        out_line_items=[line(mailbox_id=7, account_name="=1+1 Trading"), line(mailbox_id=8, contract_id=None)],
        core_accounts=[{"network_id": 4443, "mailbox_id": 0, "account_name": "Große Müller & 日本"}],
        raw_invoices=[
            invoice,
            {**invoice, "invoice_id": 8, "invoice_number": "INV-8", "status": "Canceled"},
            {**invoice, "invoice_id": 9, "invoice_number": "INV-9", "source": "InvoiceCalculate"},
        ],
    )
    first, second = rows
    assert first["BillingPeriodStart"] == first["ChargePeriodStart"] == utc(2026, 10)
    assert first["BillingPeriodEnd"] == first["ChargePeriodEnd"] == utc(2026, 11)
    assert (first["BillingAccountId"], first["BillingAccountName"]) == ("4443", "Grosse Muller & ??")
    assert first["x_BillingAccountName"] == "Große Müller & 日本"
    assert (first["SubAccountId"], first["SubAccountName"]) == ("7", "=1+1 Trading")
    assert (first["InvoiceId"], second["InvoiceId"]) == ("INV-7", "provisional-2026-10")
    assert {row["BillingCurrency"] for row in rows} == {"USD"}


def test_the_two_files_hold_the_same_rows(tmp_path: Path) -> None:
    usd = Settings(data_dir=str(tmp_path / "data"), currency="USD")
    build(usd, out_line_items=[line(mailbox_id=number) for number in range(9)])
    export_month(usd, MONTH)
    folder = usd.exports_dir(MONTH)
    parquet = pq.read_table(folder / "focus_1_2.parquet")
    assert read_export(folder / "focus_1_2.csv").equals(parquet)
    assert set(parquet.schema.names) >= MANDATORY
    assert parquet.schema.names[-1] == "x_ReadingWords"
    assert set(parquet["x_ReadingWords"].to_pylist()) == {"Every unit at one rate."}
    assert {name for name in parquet.schema.names if name[0].islower()} == {
        name for name in parquet.schema.names if name.startswith("x_")
    }
    for field in parquet.schema:
        if pa.types.is_decimal(field.type):
            assert field.type == pa.decimal128(38, 9)
        assert not pa.types.is_timestamp(field.type) or field.type == pa.timestamp("us", tz="UTC")


#: Columns of what is joined on the way to FOCUS, and by which columns of charges those that they make are found.
JOINED = ("details", "invoice_number", "unit")
JOINED_BY = {
    "price_details": {"price_list_id", "reporting_month", "account_report", "measure_field", "schedule_id"},
    "invoice_number": {"contract_id", "reporting_month"},
    "network_name": {"network_id"},
    "unit": {"measure_field"},
    "pricing_unit": {"measure_field"},
}


def test_what_repeats_is_made_from_what_tells_it_apart(connection: duckdb.DuckDBPyConnection) -> None:
    """A file has each combination of what `by` names worked out once: nothing else may have a part in it."""
    layers = [made_from(connection, name) for name in ("core_focus", "core_charge_terms", "core_charges")]
    sheet = focus_sheet(connection.table("core_focus"), "focus", "USD", "1.2")
    assert made_of("InvoiceId", layers) == {"billed_on", "invoice_number", "contract_id", "reporting_month"}
    assert made_of("ChargeDescription", layers) >= {"charge", "level", "slice_level", "measure_field"}
    for group in sheet.repeating:
        told = {*group.by, "reporting_month", *JOINED}  # what is gathered is of one month
        for numbered in COMBINED["core_charge_parts"]:
            if numbered.number in group.by:
                told.update(numbered.columns, numbered.beside)
        assert {name: made_of(name, layers) - told for name in group.columns} == {name: set() for name in group.columns}
    focus = layers[0]
    assert {name: focus[name] for name in sheet.same} == {name: focus[other] for name, other in sheet.same.items()}


def made_from(connection: duckdb.DuckDBPyConnection, name: str) -> dict[str, set[str]]:
    """What each column of a relation that has an expression is made from."""
    text = next(sql_files.sql_folder().rglob(f"{name}.sql")).read_text("utf-8")
    ((tree,),) = connection.execute("SELECT json_serialize_sql(?)", [text]).fetchall()
    items = json.loads(tree)["statements"][0]["node"]["select_list"]
    return {
        item["alias"]: set(columns_in(item)) | JOINED_BY.get(item["alias"], set()) for item in items if item["alias"]
    }


def made_of(column: str, layers: list[dict[str, set[str]]]) -> set[str]:
    """The columns of core_charge_parts, and of what is joined to it, that a column goes back to."""
    found = {column}
    for layer in layers:
        found = set().union(*(layer.get(name, {name}) for name in found))
    return found


def columns_in(node: Any) -> Iterator[str]:
    """The columns that a part of a SELECT reads."""
    if isinstance(node, dict):
        if node.get("class") == "COLUMN_REF":
            yield node["column_names"][-1]
        node = list(node.values())
    if isinstance(node, list):
        for part in node:
            yield from columns_in(part)


@st.composite
def graduated_lines(draw: st.DrawFn) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Lines and their proofs, rated here slice by slice; some are billed wrong, some have flats and more decimals."""
    lines, proofs = [], []
    rate = st.decimals("0", "9", places=draw(st.sampled_from([2, 4, 8])))
    for mailbox in range(draw(st.integers(1, 20))):
        given_key = {"mailbox_id": mailbox, "contract_id": draw(st.sampled_from([None, 1, 2]))}
        slices, used = [], ZERO
        for number in range(1, draw(st.integers(0, 4)) + 1):
            quantity = draw(st.decimals("0", "99999", places=draw(st.sampled_from([0, 3]))))
            flat = draw(st.sampled_from([ZERO, ZERO, Decimal("12.5")]))
            slices.append(proof(number, str(quantity), str(draw(rate)), "0", flat=str(flat), **given_key))
            used += quantity
        exact = total([Decimal(row["product"]) for row in slices])
        expected = rounded(exact, draw(st.sampled_from([0, 2, 4])), draw(st.sampled_from(["half_up", "down", "up"])))
        off = draw(st.sampled_from([ZERO, ZERO, Decimal("0.01"), Decimal("-3")]))
        for row in slices:
            row["expected_amount"] = str(expected)
        proofs += slices
        proved = bool(slices)
        amount = (expected if proved else draw(st.decimals("-50", "50", places=2))) + off
        lines.append(
            line(
                actual=str(used),
                amount=str(amount),
                expected_amount=str(expected) if proved else None,
                difference=str(amount - expected) if proved else None,
                **given_key,
            )
        )
    return lines, proofs


@given(graduated_lines())
@checked(
    max_examples=checked.default.max_examples // 10,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_products_and_sums_are_exact(focus: Focus, made: tuple[list[dict[str, Any]], list[dict[str, Any]]]) -> None:
    lines, proofs = made
    rows = focus(out_line_items=lines, out_line_proofs=proofs)
    owed: dict[str, Decimal] = defaultdict(Decimal)
    for one in lines:
        contract = "" if one["contract_id"] is None else f"{one['contract_id']}-"
        owed[f"provisional-{contract}2026-10"] += Decimal(one["amount"])
    billed: dict[str, Decimal] = defaultdict(Decimal)
    for row in rows:
        billed[row["InvoiceId"]] += row["BilledCost"]
        assert row["EffectiveCost"] == row["BilledCost"]
        assert row["ListCost"] == row["ContractedCost"]
        assert (row["PricingQuantity"] is None) == (row["ContractedUnitPrice"] is None)
        if row["PricingQuantity"] is not None:
            assert row["PricingQuantity"] * row["ContractedUnitPrice"] == row["ContractedCost"]
            assert row["ContractedUnitPrice"] >= ZERO
            assert row["ListUnitPrice"] == row["ContractedUnitPrice"]
        assert (row["ConsumedQuantity"] is None) == (row["ChargeCategory"] != "Usage")
        assert row["ChargeFrequency"] != "Usage-Based" or row["ChargeCategory"] == "Usage"
    assert billed == owed
    for one in lines:
        mine = [row for row in rows if row["SubAccountId"] == str(one["mailbox_id"])]
        used = total([row["ConsumedQuantity"] for row in mine if row["ConsumedQuantity"] is not None])
        assert used == Decimal(one["actual"]) or all(row["ChargeCategory"] != "Usage" for row in mine)


def test_a_price_with_too_many_decimals_is_told_as_a_line(focus: Focus) -> None:
    """10 decimals times 3 do not fit nine: the line is one thing sold, and nothing is rounded away."""
    rows = focus(
        out_line_items=[line(actual="3", quantity_billed="3", amount="0.01", schedule_rate="0.0033333333")],
        out_line_proofs=[proof(1, "3", "0.0033333333", "0.01")],
    )
    assert costs(rows) == [("Usage", "1", "line", "0.01", "0.01", "0.01")]
    assert rows[0]["ContractedUnitPrice"] * ONE == Decimal("0.01")


@pytest.mark.parametrize("version", ["1.3", "1.1", ""])
def test_another_version_of_focus_is_refused(settings: Settings, version: str) -> None:
    build(settings, out_line_items=[line()])
    done = CliRunner().invoke(
        app, ["export", "--month", "2026-10", "--focus", version, "--data-dir", str(settings.data_dir)]
    )
    assert isinstance(done.exception, SettingsError)
    assert "use --focus 1.2" in str(done.exception)
    assert not settings.exports_dir(MONTH).exists()
