"""What every row of a feed has: a row without it is no row of the feed."""

import pytest

from ecgrid_transforms.schemas import FEEDS

KEY = ("network_id", "mailbox_id", "reporting_month", "account_report", "measure_field")
LINE = (*KEY, "line_item_number", "price_list_id", "actual", "quantity_billed", "is_taxable", "amount")
PROVENANCE = ("api_version", "pulled_at", "response_sha256")
TIER = ("reporting_month", "price_list_id", "level_number", "schedule_number", *PROVENANCE)
INVOICE = ("reporting_month", "source", "invoice_id", "contract_id", *PROVENANCE)
DATASET_ROW = ("reporting_month", "asked", "table_name", "row_number", *PROVENANCE)
REQUIRED = {
    "line_items": (*LINE, *PROVENANCE),
    "line_item_history": (*LINE, *PROVENANCE, "superseded_at"),
    "calls": (*KEY, "outcome", "attempts", "latency_ms", "called_at"),
    "price_schedules": TIER,
    "price_schedule_history": (*TIER, "superseded_at"),
    "accounts": ("reporting_month", "network_id", "mailbox_id"),
    "contracts": ("reporting_month", "contract_id", *PROVENANCE),
    "contract_accounts": ("reporting_month", "contract_id", "network_id", "mailbox_id"),
    "invoices": INVOICE,
    "invoice_lines": INVOICE,
    "monthly_reports": DATASET_ROW,
    "interconnect_counts": DATASET_ROW,
    "instant_stats": DATASET_ROW,
    "value_faults": ("reporting_month", "feed", "operation", "asked", "record", "element", "reason", *PROVENANCE),
}


@pytest.mark.parametrize("feed", FEEDS)
def test_what_a_row_always_has(feed: str) -> None:
    assert {field.name for field in FEEDS[feed] if not field.nullable} == set(REQUIRED[feed])
