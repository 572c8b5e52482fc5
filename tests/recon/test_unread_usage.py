"""A usage sum of which one value cannot be read is unknown: never the sum of what is left."""

from datetime import UTC, date, datetime
from pathlib import Path

import pyarrow as pa
import pytest

from ecgrid_flows.warehouse import builder, database, sql_files
from ecgrid_transforms.money import Decimal
from ecgrid_transforms.schemas import MONEY_TYPE

MONTH = date(2026, 10, 1)
#: Two days of two accounts: 1/11 has 5 and 7 KCs, 1/12 has 2 and 3.
DAYS = {"MailboxID": [11, 11, 12, 12], "ToKCs": ["5", "7", "2", "3"]}
COLUMNS = str(Path(__file__).resolve().parents[2] / "data/reference/usage_columns.csv")


def usage(**columns: list[object]) -> dict[int, Decimal]:
    """KCs to each mailbox, from the days with some columns replaced or added."""
    days = DAYS | columns
    table = pa.table(
        {
            "reporting_month": pa.array([MONTH] * 4, pa.date32()),
            "asked_network_id": pa.array([1] * 4, pa.int32()),
            "asked_mailbox_id": pa.array([-1] * 4, pa.int32()),
            "asked": ["Report=1"] * 4,
            "table_name": ["Table"] * 4,
            "row_number": pa.array([1, 2, 3, 4], pa.int32()),
            "api_version": ["v3.2"] * 4,
            "pulled_at": pa.array([datetime(2026, 11, 1, tzinfo=UTC)] * 4),
            "response_sha256": ["0"] * 4,
            "NetworkID": pa.array([1] * 4, pa.int32()),
            "Report": ["TrafficAll"] * 4,
            "MailboxID": pa.array(days.pop("MailboxID"), pa.int32()),
            "ToKCs": pa.array([None if one is None else Decimal(str(one)) for one in days.pop("ToKCs")], MONEY_TYPE),
            **days,
        }
    )
    with database.scratch(threads=1) as connection:
        database.register(connection, "raw_monthly_reports", table)
        connection.execute(
            "CREATE TABLE reference_usage_columns AS FROM read_csv(?, header = true, all_varchar = true)", [COLUMNS]
        ).fetchall()
        given = ["raw_monthly_reports", "reference_usage_columns"]
        builder.materialise(connection, sql_files.load_sql(), ["core_statistics", "core_usage"], given=given)
        rows = connection.table("core_usage").to_arrow_table().to_pylist()
    return {row["mailbox_id"]: row["quantity"] for row in rows if row["direction"] == "in" and row["unit"] == "KC"}


def test_days_add_up() -> None:
    assert usage() == {11: Decimal(12), 12: Decimal(5)}


@pytest.mark.parametrize(
    ("columns", "known"),
    [
        ({"ToKCs": ["5", None, "2", "3"], "ToKCs (text)": [None, "1e400", None, None]}, {12}),
        ({"ToKCs": ["5", None, "2", "3"], "ToKCs (text)": [None, "0.33333333333333333", None, None]}, {12}),
        ({"MailboxID": [11, None, 12, 12], "MailboxID (text)": [None, "x", None, None]}, set()),
    ],
)
def test_a_value_that_cannot_be_read_leaves_its_sum_unknown(columns: dict[str, list[object]], known: set[int]) -> None:
    assert usage(**columns).keys() == known
