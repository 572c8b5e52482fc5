"""Lines are kept as billing terms that many share and a row of their own: joined, they are the lines of the feed."""

from collections.abc import Iterator
from datetime import date

import pyarrow as pa
import pytest

from ecgrid_flows.warehouse import builder, database, sql_files
from ecgrid_transforms.money import Decimal
from ecgrid_transforms.schemas import LINE_ITEMS

#: Columns that each line has to itself; all others are billing terms.
OWN = {
    *("network_id", "mailbox_id", "line_item_number", "line_date", "system_id", "system_name"),
    *("actual", "quantity_billed", "is_taxable", "amount", "extra", "pulled_at", "response_sha256"),
}
SHARED = [name for name in LINE_ITEMS.names if name not in OWN]


def other_value(kind: pa.DataType) -> object:
    """A value that no line has unless a test gives it one."""
    if pa.types.is_date(kind):
        return date(2026, 9, 1)
    if pa.types.is_decimal(kind):
        return Decimal("0.0000000001")
    if pa.types.is_boolean(kind):
        return True
    return 7 if pa.types.is_integer(kind) else "other"


def lines() -> list[dict[str, object]]:
    """A bare line, the same of another account, and for each shared column a line that differs in it."""
    bare = dict.fromkeys(LINE_ITEMS.names) | {
        "network_id": 1,
        "mailbox_id": 0,
        "reporting_month": date(2026, 10, 1),
        "account_report": "TrafficAll",
        "measure_field": "ToTrans",
        "price_list_id": 431,
        "amount": Decimal("1.5"),
    }
    found = [bare, bare | {"mailbox_id": 1, "amount": Decimal("2.5")}]
    for name in SHARED:
        found.append(bare | {"mailbox_id": len(found), name: other_value(LINE_ITEMS.field(name).type)})
    return found


@pytest.fixture(scope="module")
def kept() -> Iterator[database.Connection]:
    # as DuckDB takes them: a column that may be null takes null, whatever the feed demands
    schema = pa.schema([column.with_nullable(True) for column in LINE_ITEMS])
    with database.scratch() as connection:
        database.register(connection, "lake_line_items", pa.Table.from_pylist(lines(), schema))
        accounts = pa.schema(
            [(name, LINE_ITEMS.field(name).type) for name in ("network_id", "mailbox_id", "reporting_month")]
        ).append(pa.field("terms_contract_id", pa.int32()))
        database.register(connection, "core_terms_accounts", accounts.empty_table())
        given = ["lake_line_items", "core_terms_accounts"]
        builder.materialise(connection, sql_files.load_sql(), ["core_line_facts"], given=given)
        yield connection


def test_facts_joined_with_their_billing_terms_are_the_lines(kept: database.Connection) -> None:
    together = database.table(kept, "FROM core_line_facts INNER JOIN core_line_terms USING (terms_no)")
    found = together.select(LINE_ITEMS.names).to_pylist()
    assert sorted(found, key=lambda line: line["mailbox_id"]) == lines()


def test_lines_share_billing_terms_only_if_all_their_columns_are_equal(kept: database.Connection) -> None:
    counts = sorted(row["lines"] for row in database.table(kept, "FROM core_line_terms").to_pylist())
    assert counts == [1] * len(SHARED) + [2]
