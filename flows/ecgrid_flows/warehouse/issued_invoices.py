"""The invoices that are to be paid, by core_issued_invoices over rows of the lake; no warehouse is needed."""

from collections.abc import Sequence
from datetime import date

import pyarrow as pa

from ecgrid_flows.warehouse import builder, database
from ecgrid_flows.warehouse.sql_files import load_sql
from ecgrid_transforms.money import Decimal, total

__all__ = ["COLUMNS", "month_totals"]

_ISSUED, _FEED = "core_issued_invoices", "raw_invoices"
#: Columns of the feed that decide which invoices are to be paid, and what they ask.
COLUMNS = (
    *("reporting_month", "source", "invoice_id", "invoice_number", "invoice_date", "contract_id", "total_amount"),
    *("status", "date_due", "terms", "po_number", "currency", "tax_amount"),
)


def month_totals(invoices: Sequence[pa.RecordBatch]) -> dict[date, Decimal | None]:
    """Month -> what its invoices ask, None where a total cannot be read; a month without an invoice has no entry.

    `invoices` are rows of the feed of all months, with `COLUMNS`: the same invoice may be filed under another month.
    """
    if not invoices:
        return {}
    tree = load_sql(None, (_ISSUED,), (_FEED,))
    with database.scratch(tree) as connection:
        tables = [pa.Table.from_batches([batch]) for batch in invoices]
        database.register(connection, _FEED, pa.concat_tables(tables, promote_options="default"))
        builder.materialise(connection, tree, [_ISSUED], given=[_FEED], is_guarded=False)
        rows = database.records(connection, _ISSUED, columns=("reporting_month", "total_amount"))
    asked: dict[date, list[Decimal | None]] = {}
    for row in rows:
        asked.setdefault(row["reporting_month"], []).append(row["total_amount"])
    return {
        month: None if None in amounts else total([one for one in amounts if one is not None])
        for month, amounts in asked.items()
    }
