"""A usage sum of which one value cannot be read is unknown: never the sum of what is left."""

from datetime import UTC, date, datetime

import pyarrow as pa
import pytest

from ecgrid_flows.warehouse import builder, database, sql_files
from ecgrid_transforms.money import Decimal
from ecgrid_transforms.schemas import MONEY_TYPE

MONTH = date(2026, 10, 1)
#: Two days of two accounts: 1/11 has 5 and 7 KCs, 1/12 has 2 and 3.
DAYS = {"MailboxID": [11, 11, 12, 12], "ToKCs": ["5", "7", "2", "3"], "ParcelsIn": [1, 2, 1, 1]}


def usage(**columns: list[object]) -> dict[int, tuple[Decimal, int]]:
    """Quantity and parcels by mailbox, from the days with some columns replaced or added."""
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
            "ParcelsIn": pa.array(days.pop("ParcelsIn"), pa.int64()),
            **days,
        }
    )
    with database.scratch(threads=1) as connection:
        database.register(connection, "raw_monthly_reports", table)
        connection.execute("CREATE TABLE reference_usage_tolerances AS SELECT 'ToKCs' AS measure_field").fetchall()
        given = ["raw_monthly_reports", "reference_usage_tolerances"]
        builder.materialise(connection, sql_files.load_sql(), ["core_usage"], given=given)
        rows = connection.table("core_usage").to_arrow_table().to_pylist()
    return {row["mailbox_id"]: (row["reported_quantity"], row["parcels"]) for row in rows}


def test_days_add_up() -> None:
    assert usage() == {11: (Decimal(12), 3), 12: (Decimal(5), 2)}


@pytest.mark.parametrize(
    ("columns", "known"),
    [
        ({"ToKCs": ["5", None, "2", "3"], "ToKCs (text)": [None, "1e400", None, None]}, {12}),
        ({"ToKCs": ["5", None, "2", "3"], "ToKCs (text)": [None, "0.33333333333333333", None, None]}, {12}),
        ({"ParcelsIn": [1, None, 1, 1], "ParcelsIn (text)": [None, "x", None, None]}, {12}),
        ({"MailboxID": [11, None, 12, 12], "MailboxID (text)": [None, "x", None, None]}, set()),
    ],
)
def test_a_value_that_cannot_be_read_leaves_its_sum_unknown(columns: dict[str, list[object]], known: set[int]) -> None:
    assert usage(**columns).keys() == known
