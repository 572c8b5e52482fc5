"""FOCUS 1.4: the specification's queries run on our file, its columns are there, and its invoice check ties."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ecgrid_flows.finance.export import export_month
from ecgrid_flows.settings import Settings
from ecgrid_transforms.money import Decimal

from .focus_queries import NotHere, run
from .world import MONTH, build, every_kind_of_charge, invoiced

#: Types of the specification as Arrow has them.
IS_TYPE = {
    "String": pa.types.is_string,
    "JSON": pa.types.is_string,
    "Decimal": pa.types.is_decimal,
    "Date/Time": pa.types.is_timestamp,
}


@pytest.fixture
def exported(usd: Settings) -> Path:
    """Every kind of charge; the invoice asks 700.00, which is not the sum of the lines."""
    charges = every_kind_of_charge()
    build(usd, **{**charges, **invoiced(charges["out_line_items"], "700.00")})
    export_month(usd, MONTH, focus="1.4")
    return usd.exports_dir(MONTH) / "focus-1.4"


def queried(folder: Path) -> dict[str, Any]:
    try:
        return run(folder, "2026-10-01", "2026-11-02")
    except NotHere as why:
        pytest.skip(str(why))


def test_every_query_of_the_specification_runs_on_the_file(exported: Path) -> None:
    found = queried(exported)
    assert len(found["rows"]) == 66
    assert found["rows"]["verify_accuracy_of_provider_invoices_aka_invoice_reconciliation"] == [
        ["Loren Data", "8753", "700.000000000"]
    ]
    (category,) = found["rows"]["costs_service_category"]
    assert "700.000000000" in category


def test_the_columns_are_those_of_the_specification(exported: Path) -> None:
    columns: dict[str, Any] = queried(exported)["columns"]
    table = pq.read_table(exported / "focus_1_4.parquet")
    own = [name for name in table.schema.names if name.startswith("x_")]
    added = ["x_ReadingWords"]  # after release 0.2.0: at the end
    assert table.schema.names == [*sorted(columns), *sorted(set(own) - set(added)), *added]
    for name, told in columns.items():
        assert IS_TYPE[told["data_type"]](table.schema.field(name).type), name
        if told["allows_nulls"] == "False":
            assert table[name].null_count == 0, name
        allowed = {one["value"] for one in told.get("allowed_values", ()) if name != "ServiceSubcategory"}
        assert not allowed or set(table[name].to_pylist()) - {None} <= allowed, name


def test_the_version_is_the_closed_one_and_no_other_is_written(exported: Path, usd: Settings) -> None:
    total = pq.read_table(exported / "focus_1_4.parquet", columns=["BilledCost"])["BilledCost"].to_pylist()
    assert sum(total) == Decimal("700.00")
    assert not (exported / "focus_1_2.parquet").exists()
