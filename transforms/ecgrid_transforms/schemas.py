"""The Arrow schema of every feed in the lake: columns, types, and what each column means.

Decimals are DECIMAL(28,10). `reporting_month` is the first day of the month. Times end in `_at` and are UTC.
The feeds monthly_reports, interconnect_counts and instant_stats take further columns from the schema in the response
(an ADO.NET DataSet describes itself); the schemas here are the columns that each of their tables begins with.
"""

import pyarrow as pa

from ecgrid_transforms.money import MONEY_DIGITS, MONEY_SCALE

#: Every decimal at rest.
MONEY_TYPE = pa.decimal128(MONEY_DIGITS, MONEY_SCALE)

_INT = pa.int32()
_TEXT = pa.string()
_MONTH = pa.date32()
_WALL_TIME = pa.timestamp("ns")
_UTC = pa.timestamp("us", tz="UTC")
_BOOL = pa.bool_()


def _field(name: str, kind: pa.DataType, meaning: str, required: bool = False) -> pa.Field:
    return pa.field(name, kind, nullable=not required, metadata={"description": meaning})


_KEY = [
    _field("network_id", _INT, "NetworkID asked for", required=True),
    _field("mailbox_id", _INT, "MailboxID asked for; 0 is the network's Root mailbox", required=True),
    _field("reporting_month", _MONTH, "first day of the month asked for", required=True),
    _field("account_report", _TEXT, "PricelistAccountReports value asked for", required=True),
    _field("measure_field", _TEXT, "PricelistMeasureField value asked for", required=True),
]

_SCHEDULE = [
    _field("schedule_id", _INT, "Schedule.ScheduleID"),
    _field("schedule_allowance", MONEY_TYPE, "Schedule.Allowance, in units of the measure [inferred]"),
    _field("schedule_minimum", _INT, "Schedule.Minimum; absent in older shapes of the service"),
    _field("schedule_maximum", _INT, "Schedule.Maximum; 0 may mean open-ended [inferred]"),
    _field("schedule_block", MONEY_TYPE, "Schedule.Block, the unit of sale [inferred]"),
    _field("schedule_rate", MONEY_TYPE, "Schedule.Rate, per unit or per block (which is inferred)"),
    _field("schedule_catalog_id", _INT, "Schedule.CatalogID"),
    _field("schedule_description", _TEXT, "Schedule.Description"),
    _field("schedule_account_report", _TEXT, "Schedule.AccountReport"),
    _field("schedule_measure", _TEXT, "Schedule.Measure"),
    _field("schedule_specified_network_id", _INT, "Schedule.SpecifiedNetworkID; 0 is none [inferred]"),
    _field("schedule_include_root_mailbox", _BOOL, "Schedule.IncludeRootMailbox"),
]

_LINE = [
    _field("line_item_number", _INT, "LineItemNumber", required=True),
    _field("line_date", _WALL_TIME, "LineDate as sent; null (text in extra) where out of range"),
    _field("price_list_id", _INT, "PriceListID", required=True),
    _field("price_list_description", _TEXT, "PriceListDescription"),
    _field("system_object", _TEXT, "SystemObject: what kind of thing was billed"),
    _field("system_id", _INT, "SystemID: which one"),
    _field("system_name", _TEXT, "SystemName: what it is called"),
    _field("level", _TEXT, "Level of the price list"),
    _field("level_name", _TEXT, "LevelName"),
    _field("model", _TEXT, "Model as ECGrid reports it: Simple, Tiered or Stacked, defined nowhere"),
    *_SCHEDULE,
    _field("actual", MONEY_TYPE, "Actual: the quantity measured, in units of the measure", required=True),
    _field("quantity_billed", MONEY_TYPE, "QuantityBilled, in units or blocks (inferred)", required=True),
    _field("is_taxable", _BOOL, "Taxable", required=True),
    _field("amount", MONEY_TYPE, "Amount, as billed; the API states no currency", required=True),
    _field("extra", _TEXT, "JSON: unknown elements; null when there were none"),
]

#: A line of an invoice: a value that does not fit its type is null there, with its text in `extra`.
_INVOICE_LINE = [_field(part.name, part.type, part.metadata[b"description"].decode()) for part in _LINE]

_PROVENANCE = [
    _field("api_version", _TEXT, "API version that answered; import: a file", required=True),
    _field("pulled_at", _UTC, "when this response was first received", required=True),
    _field("response_sha256", _TEXT, "SHA-256 of the response's body as received", required=True),
]

LINE_ITEMS = pa.schema([*_KEY, *_LINE, *_PROVENANCE])
LINE_ITEM_HISTORY = pa.schema(
    [
        *LINE_ITEMS,
        _field("superseded_at", _UTC, "when a different response for the key was received", required=True),
    ]
)
CALLS = pa.schema(
    [
        *_KEY,
        _field("outcome", _TEXT, "line, no_line or fault", required=True),
        _field("fault_code", _TEXT, "name of the fault, when the response was one"),
        _field("fault_message", _TEXT, "message of the fault, as received"),
        _field("attempts", _INT, "how often the call was sent", required=True),
        _field("latency_ms", _INT, "time of the last attempt in milliseconds", required=True),
        _field("called_at", _UTC, "when the last response was received", required=True),
    ]
)
PRICE_SCHEDULES = pa.schema(
    [
        _field("reporting_month", _MONTH, "month of the run that read the list", required=True),
        _field("price_list_id", _INT, "Pricelist.PricelistID", required=True),
        _field("price_list_description", _TEXT, "Pricelist.Description"),
        _field("price_list_date", _WALL_TIME, "Pricelist.Date"),
        _field("price_list_status", _TEXT, "Pricelist.Status"),
        _field("model", _TEXT, "Pricelist.Model: Simple, Tiered or Stacked"),
        _field("level_number", _INT, "position of the level within the response, from 1", required=True),
        _field("level", _TEXT, "Level.Level"),
        _field("level_name", _TEXT, "Level.Name"),
        _field("limited_months", _INT, "Level.LimitedMonths; 0 may mean unlimited [inferred]"),
        _field("schedule_number", _INT, "position of the schedule within its level, from 1", required=True),
        *_SCHEDULE,
        _field("extra", _TEXT, "JSON: unknown elements"),
        *_PROVENANCE,
    ]
)
PRICE_SCHEDULE_HISTORY = pa.schema(
    [*PRICE_SCHEDULES, _field("superseded_at", _UTC, "when the next response for the list was received", required=True)]
)
ACCOUNTS = pa.schema(
    [
        _field("reporting_month", _MONTH, "month of the run that listed the account", required=True),
        _field("network_id", _INT, "NetworkID", required=True),
        _field("mailbox_id", _INT, "MailboxID; 0 is the network's Root mailbox", required=True),
        _field("account_name", _TEXT, "name of the mailbox, or of the network for its Root"),
        _field("status", _TEXT, "Status of the mailbox or network"),
        _field("price_list_id", _INT, "price list that applies; the network's where the mailbox has none"),
        _field("contract_id", _INT, "contract that bills the account"),
        _field("sources", _TEXT, "which lists named it: settings, contract, network, mailbox; comma-separated"),
    ]
)
CONTRACTS = pa.schema(
    [
        _field("reporting_month", _MONTH, "month of the run that read the contract", required=True),
        _field("contract_id", _INT, "ContractID", required=True),
        _field("description", _TEXT, "Description"),
        _field("contract_number", _TEXT, "ContractNumber"),
        _field("effective", _WALL_TIME, "Effective"),
        _field("expires", _WALL_TIME, "Expires"),
        _field("status", _TEXT, "Status"),
        _field("po_number", _TEXT, "PONumber"),
        _field("aggregate_network_traffic", _BOOL, "AggregateNetworkTraffic"),
        _field("last_invoice_number", _TEXT, "LastInvoiceNumber"),
        _field("last_invoice_date", _WALL_TIME, "LastInvoiceDate"),
        _field("extra", _TEXT, "JSON: unknown elements, and dates out of range"),
        *_PROVENANCE,
    ]
)
CONTRACT_ACCOUNTS = pa.schema(
    [
        _field("reporting_month", _MONTH, "month of the run that read the contract", required=True),
        _field("contract_id", _INT, "ContractID", required=True),
        _field("network_id", _INT, "NetworkID", required=True),
        _field("mailbox_id", _INT, "MailboxID; 0 where the contract names the network", required=True),
        _field("account_name", _TEXT, "name as the contract states it"),
    ]
)
_INVOICE = [
    _field("reporting_month", _MONTH, "month that the invoice bills", required=True),
    _field(
        "source",
        _TEXT,
        "imported (a file), or the operation that returned it: InvoiceInfo, InvoiceList where that is refused, "
        "InvoiceCalculate",
        required=True,
    ),
    _field(
        "invoice_id",
        _INT,
        "InvoiceID; of an imported invoice its place among those of its contract and month, by date and number",
        required=True,
    ),
    _field("invoice_number", _TEXT, "InvoiceNumber"),
]
INVOICES = pa.schema(
    [
        *_INVOICE,
        _field("invoice_date", _WALL_TIME, "Date"),
        _field("contract_id", _INT, "ContractID", required=True),
        _field("total_amount", MONEY_TYPE, "TotalAmount; null where it does not fit (text in extra)"),
        _field("po_number", _TEXT, "PONumber"),
        _field("status", _TEXT, "InvoiceStatus"),
        _field("status_date", _WALL_TIME, "StatusDate"),
        _field("date_due", _WALL_TIME, "DateDue"),
        _field("price_list_description", _TEXT, "PricelistDescription"),
        _field("terms", _TEXT, "Terms"),
        _field("bill_to", _TEXT, "BillTo"),
        _field("currency", _TEXT, "ISO 4217 code on an imported invoice; the API states none"),
        _field("tax_amount", MONEY_TYPE, "of total_amount, the tax, where an imported invoice states it"),
        _field("previous_total_amount", MONEY_TYPE, "total_amount by the file that the imported one replaced"),
        _field("previous_response_sha256", _TEXT, "SHA-256 of the file that the imported one replaced"),
        _field("extra", _TEXT, "JSON: unknown elements, and dates out of range"),
        *_PROVENANCE,
    ]
)
INVOICE_LINES = pa.schema(
    [
        *_INVOICE,
        _field("contract_id", _INT, "ContractID", required=True),
        *_INVOICE_LINE,
        _field("line_kind", _TEXT, "item, allowance, charge, tax or rounding on an imported invoice"),
        _field("line_description", _TEXT, "description on an imported invoice"),
        _field("product_codes", _TEXT, "JSON list of the codes of an 810's IT1, IT107 first"),
        _field("unit_price", MONEY_TYPE, "price of one unit on an imported invoice"),
        _field("tax_amount", MONEY_TYPE, "tax of the line; its amount is in a line of kind tax"),
        *_PROVENANCE,
    ]
)
VALUE_FAULTS = pa.schema(
    [
        _field("reporting_month", _MONTH, "month under which the response is kept", required=True),
        _field("feed", _TEXT, "feed that the value belongs to", required=True),
        _field("operation", _TEXT, "operation whose response holds the value", required=True),
        _field("asked", _TEXT, "the request's arguments, as NAME=VALUE", required=True),
        _field("record", _TEXT, "which record of the response", required=True),
        _field("element", _TEXT, "name of the element", required=True),
        _field("value_text", _TEXT, "its text, cut after 200 characters; null where it is absent or nil"),
        _field("reason", _TEXT, "why it does not fit", required=True),
        *_PROVENANCE,
    ]
)
_DATASET = [
    _field("reporting_month", _MONTH, "month of the run", required=True),
    _field("asked_network_id", _INT, "NetworkID requested; null where the session's own was meant"),
    _field("asked_mailbox_id", _INT, "MailboxID requested; null where the session's own was meant"),
    _field("asked", _TEXT, "the other arguments, as NAME=VALUE", required=True),
    _field("table_name", _TEXT, "name of the table within the DataSet", required=True),
    _field("row_number", _INT, "position of the row within its table, from 1", required=True),
    *_PROVENANCE,
]
MONTHLY_REPORTS = pa.schema(_DATASET)
INTERCONNECT_COUNTS = pa.schema(_DATASET)
INSTANT_STATS = pa.schema(_DATASET)

FEEDS: dict[str, pa.Schema] = {
    "line_items": LINE_ITEMS,
    "line_item_history": LINE_ITEM_HISTORY,
    "calls": CALLS,
    "price_schedules": PRICE_SCHEDULES,
    "price_schedule_history": PRICE_SCHEDULE_HISTORY,
    "accounts": ACCOUNTS,
    "contracts": CONTRACTS,
    "contract_accounts": CONTRACT_ACCOUNTS,
    "invoices": INVOICES,
    "invoice_lines": INVOICE_LINES,
    "monthly_reports": MONTHLY_REPORTS,
    "interconnect_counts": INTERCONNECT_COUNTS,
    "instant_stats": INSTANT_STATS,
    "value_faults": VALUE_FAULTS,
}
#: Feeds whose tables add the columns of the schema in the response.
DATASET_FEEDS = ("monthly_reports", "interconnect_counts", "instant_stats")
