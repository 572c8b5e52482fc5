"""A warehouse made by hand: the `out_` relations that the report reads, with amounts worked out here.

One volume price list (0.10 a KC up to 1,000 KC, 0.08 up to 5,000, 0.05 above), one graduated list with blocks of 100
and an allowance, one flat fee. Names carry what names carry: markup, quotes, an equals sign, a line end.
"""

from collections.abc import Iterable
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from ecgrid_flows.warehouse import builder, database, sql_files
from ecgrid_transforms.money import ZERO, Decimal, rounded, total
from ecgrid_transforms.period import next_month

NASTY = '<script>document.title="pwned"</script> & "Söhne"'
NAMES = (
    NASTY,
    "Müller & Töchter GmbH",
    '=HYPERLINK("http://x.invalid","free")',
    "Acme\nlogistics, north",
    "Łódź Œuvres <b>bold</b>",
    "Ordinary Foods",
)
VOLUME = ((1, 0, 1000, "0.10"), (2, 1000, 5000, "0.08"), (3, 5000, None, "0.05"))
MONEY = pa.decimal128(28, 10)
PROOF_MONEY = pa.decimal128(38, 20)
MONTH = date(2026, 10, 1)
QUIET_MONTH = date(2026, 11, 1)  # was asked, and nothing was billed

KEY = [
    ("network_id", pa.int32()),
    ("mailbox_id", pa.int32()),
    ("reporting_month", pa.date32()),
    ("account_report", pa.string()),
    ("measure_field", pa.string()),
]
LINE_ITEMS = pa.schema(
    [
        *KEY,
        ("account_name", pa.string()),
        ("contract_id", pa.int32()),
        ("line_item_number", pa.int32()),
        ("price_list_id", pa.int32()),
        ("price_list_description", pa.string()),
        ("level", pa.string()),
        ("model", pa.string()),
        ("schedule_id", pa.int32()),
        ("actual", MONEY),
        ("quantity_billed", MONEY),
        ("is_taxable", pa.bool_()),
        ("amount", MONEY),
        ("pulled_at", pa.timestamp("us", tz="UTC")),
        ("reading_id", pa.string()),
        ("expected_quantity_billed", MONEY),
        ("expected_amount", MONEY),
        ("difference", MONEY),
        ("verdict", pa.string()),
    ]
)
PROOFS = pa.schema(
    [
        *KEY,
        ("slice", pa.int32()),
        ("tier", pa.int32()),
        ("level", pa.string()),
        ("schedule_id", pa.int32()),
        ("lower_bound", MONEY),
        ("upper_bound", MONEY),
        ("quantity", MONEY),
        ("block", MONEY),
        ("blocks", pa.int64()),
        ("rate", MONEY),
        ("flat", MONEY),
        ("product", PROOF_MONEY),
        ("amount_before_rounding", PROOF_MONEY),
        ("expected_amount", MONEY),
        ("reading_id", pa.string()),
        ("rule", pa.string()),
    ]
)
FINDINGS = pa.schema(
    [
        ("check_name", pa.string()),
        ("severity", pa.string()),
        *KEY,
        ("price_list_id", pa.int32()),
        ("invoice_number", pa.string()),
        ("billed_amount", MONEY),
        ("expected_amount", MONEY),
        ("difference", MONEY),
        ("explanation", pa.string()),
        ("cause_id", pa.string()),
        ("place", pa.int32()),
    ]
)
RECONCILIATION = pa.schema(
    [
        ("contract_id", pa.int32()),
        ("reporting_month", pa.date32()),
        ("invoice_number", pa.string()),
        ("invoice_source", pa.string()),
        ("invoice_date", pa.date32()),
        ("invoiced_amount", MONEY),
        ("expected_invoice_amount", MONEY),
        ("recalculated_amount", MONEY),
        ("explained_difference", MONEY),
        ("unexplained_difference", MONEY),
        ("claimable_amount", MONEY),
        ("disputed_amount", MONEY),
        ("accepted_amount", MONEY),
        ("to_pay_amount", MONEY),
    ]
)
READINGS = pa.schema(
    [
        ("price_list_id", pa.int32()),
        ("price_list_description", pa.string()),
        ("account_report", pa.string()),
        ("measure_field", pa.string()),
        ("schedule_set_id", pa.string()),
        ("reading_id", pa.string()),
        ("model_word", pa.string()),
        ("model", pa.string()),
        ("upper_bound", pa.string()),
        ("lines_total", pa.int64()),
        ("lines_explained", pa.int64()),
        ("share_pct", pa.decimal128(9, 4)),
        ("verdict", pa.string()),
        ("is_chosen", pa.bool_()),
        ("is_pinned", pa.bool_()),
        ("is_rival", pa.bool_()),
        ("counter_example", pa.string()),
        ("deciding_quantity", MONEY),
        ("amount_at_stake", MONEY),
        ("first_month", pa.date32()),
        ("last_month", pa.date32()),
        ("rule", pa.string()),
        ("deciding_account", pa.string()),
    ]
)
INVOICES = pa.schema(
    [
        ("reporting_month", pa.date32()),
        ("contract_id", pa.int32()),
        ("invoice_number", pa.string()),
        ("total_amount", MONEY),
        ("lines_amount", MONEY),
        ("billed_amount", MONEY),
        ("lines_difference", MONEY),
        ("cause", pa.string()),
        ("is_tied", pa.bool_()),
    ]
)
USAGE = pa.schema(
    [
        *KEY,
        ("price_list_id", pa.int32()),
        ("source", pa.string()),
        ("actual", MONEY),
        ("stated_quantity", MONEY),
        ("difference", MONEY),
        ("is_tied", pa.bool_()),
    ]
)
CLAIMS = pa.schema(
    [
        ("finding_id", pa.string()),
        ("reporting_month", pa.date32()),
        ("contract_id", pa.int32()),
        ("filed_on", pa.date32()),
        ("claimed_amount", MONEY),
        ("credited_amount", MONEY),
        ("credited_month", pa.date32()),
        ("credited_by", pa.string()),
        ("outcome", pa.string()),
        ("place", pa.int32()),
    ]
)
METERS = pa.schema(
    [
        *(("network_id", pa.int32()), ("account_report", pa.string()), ("measure_field", pa.string())),
        ("not_told", pa.string()),
    ]
)
PARTNERS = pa.schema([*KEY, ("partner", pa.string()), ("cost", MONEY)])
VALUE_FAULTS = pa.schema(
    [
        ("reporting_month", pa.date32()),
        *((name, pa.string()) for name in ("feed", "operation", "asked", "record", "element", "value_text", "reason")),
    ]
)
CALLS = pa.schema([("reporting_month", pa.date32())])
MONTH_ON_MONTH = pa.schema(
    [
        *KEY,
        ("previous_amount", MONEY),
        ("amount", MONEY),
        ("change", MONEY),
        *((f"{part}_part", MONEY) for part in ("price", "volume", "mix", "new", "ended", "correction")),
    ]
)


def volume_tier(quantity: Decimal) -> tuple[int, int, int | None, Decimal]:
    """The tier that a quantity reaches when upper bounds belong to their tier."""
    for number, lower, upper, rate in VOLUME:
        if upper is None or quantity <= upper:
            return number, lower, upper, Decimal(rate)
    raise AssertionError("the last tier is open")


def build(target: Path, accounts: int = 12, months: int = 3, wrong_every: int = 4) -> Path:
    """Write the warehouse: per account and month a volume line and a flat fee; every `wrong_every`-th account's volume
    line of the last month is billed by the first tier's rate."""
    lines: list[tuple[Any, ...]] = []
    proofs: list[tuple[object, ...]] = []
    findings: list[tuple[object, ...]] = []
    changes: list[tuple[object, ...]] = []
    first = next_month(MONTH, -(months - 1))
    for account in range(accounts):
        network, mailbox, name = 100 + account % 3, account // 3, NAMES[account % len(NAMES)]
        before: Decimal | None = None
        for index in range(months):
            month = next_month(first, index)
            quantity = Decimal(300 + 457 * (account % 14) + 120 * index)
            tier, lower, upper, rate = volume_tier(quantity)
            due = rounded(quantity * rate)
            is_wrong = month == MONTH and account % wrong_every == 1 and tier > 1
            billed = rounded(quantity * Decimal("0.10")) if is_wrong else due
            key = (network, mailbox, month, "TrafficAll", "TotalKCs")
            reading = "volume-inclusive"
            lines.append(
                (*key, name, 7, 1, 11, "Standard KC", f"Tier{tier}", "Tiered", 1100 + tier, quantity, quantity, True,
                 billed, None, reading, quantity, due, billed - due, "differs" if is_wrong else "fits")
            )  # fmt: skip
            proofs.append(
                (*key, 1, tier, f"Tier{tier}", 1100 + tier, Decimal(lower), None if upper is None else Decimal(upper),
                 quantity, Decimal(1), None, rate, ZERO, quantity * rate, quantity * rate, due, reading,
                 f"{quantity} KC reach tier {tier}, so all of them cost {rate} each.")
            )  # fmt: skip
            if is_wrong:
                findings.append(
                    ("wrong_tier", "error", *key, 11, None, billed, due, billed - due,
                     f"{quantity} KC reach tier {tier} at {rate}, but all of them were billed at 0.10, the rate of tier"
                     f" 1. Ask for a credit of {billed - due}.")
                )  # fmt: skip
            if before is not None:
                changes.append((*key, before, billed, billed - before, *(
                    (ZERO, billed - before, ZERO) if not is_wrong else (billed - due, due - before, ZERO)
                ), ZERO, ZERO, ZERO))  # fmt: skip
            before = billed
            fee = (network, mailbox, month, "FixedRate", "FixedRate")
            lines.append(
                (*fee, name, 7, 2, 12, "Mailbox fee", "General", "Simple", 1201, Decimal(1), Decimal(1), True,
                 Decimal("25.00"), None, "unit", Decimal(1), Decimal("25.00"), ZERO, "fits")
            )  # fmt: skip
            proofs.append(
                (*fee, 1, 1, "General", 1201, ZERO, None, Decimal(1), Decimal(1), None, Decimal(25), ZERO, Decimal(25),
                 Decimal(25), Decimal("25.00"), "unit", "One mailbox costs 25.")
            )  # fmt: skip
    # A line too low, a line that no reading proves, and a note.
    low = (100, 0, MONTH, "TrafficAll", "TotalTrans")
    lines.append(
        (*low, NASTY, 7, 3, 13, "Documents <i>plus</i>", "Level1", "Stacked", 1301, Decimal(450), Decimal(4), False,
         Decimal("8.00"), None, "graduated-inclusive", Decimal(5), Decimal("10.00"), Decimal("-2.00"), "differs")
    )  # fmt: skip
    for number, (lower, upper, part, blocks, rate) in enumerate(
        ((0, 200, 200, 2, "3.00"), (200, None, 250, 3, "1.3333333333")), start=1
    ):
        product = blocks * Decimal(rate)
        proofs.append(
            (*low, number, number, f"Level{number}", 1300 + number, Decimal(lower),
             None if upper is None else Decimal(upper), Decimal(part), Decimal(100), blocks, Decimal(rate), ZERO,
             product, Decimal("9.9999999999"), Decimal("10.00"), "graduated-inclusive",
             "Each slice is counted in blocks of 100, begun blocks in full, at its own tier's rate.")
        )  # fmt: skip
    findings.append(
        ("quantity_mismatch", "warning", *low, 13, None, Decimal("8.00"), Decimal("10.00"), Decimal("-2.00"),
         "450 documents are 5 blocks of 100, but 4 were billed. <b>Nothing</b> to pay back.")
    )  # fmt: skip
    findings.append(
        ("reading_undecided", "info", None, None, MONTH, "TrafficAll", "TotalTrans", 13, None, None, None, None,
         "Two readings explain every line of price list 13; a month with 200 documents exactly would decide.")
    )  # fmt: skip
    volume = "the whole quantity at the rate of the tier reached"
    slices = "each slice at the rate of its own tier"
    readings = [
        (11, "Standard KC", "TrafficAll", "TotalKCs", "a", "volume", "Tiered", "volume", "inclusive", 36, 34,
         Decimal("94.4444"), "decided", True, False, False, None, None, None, first, MONTH, volume, None),
        (11, "Standard KC", "TrafficAll", "TotalKCs", "a", "graduated", "Tiered", "graduated", "inclusive", 36, 9,
         Decimal(25), "decided", False, False, False,
         "account 102-0, 2026-10: 1,214 measured, billed at 97.12; this interpretation bills 117.12",
         None, None, first, MONTH, slices, None),
        (13, "Documents <i>plus</i>", "TrafficAll", "TotalTrans", "b", "graduated", "Stacked", "graduated", "inclusive",
         1, 0, Decimal(0), "undecided", True, False, True, None, Decimal(200), Decimal("1.67"), first, MONTH, slices,
         None),
        (13, "Documents <i>plus</i>", "TrafficAll", "TotalTrans", "b", "graduated.exclusive", "Stacked", "graduated",
         "exclusive", 1, 0, Decimal(0), "undecided", False, False, True, None, Decimal(200), Decimal("1.67"), first,
         MONTH, slices, None),
    ]  # fmt: skip
    billed_amount = total([line[16] for line in lines if line[2] == MONTH])
    invoices = [
        (MONTH, 7, "INV-7", billed_amount + 5, billed_amount, billed_amount, ZERO, "total is not its lines", False),
    ]
    claimable = total([row[11] for row in findings if row[1] == "error" and isinstance(row[11], Decimal)])
    asked = billed_amount + 5
    reconciliation = [
        (7, MONTH, "INV-7", "InvoiceInfo", next_month(MONTH), asked, None, billed_amount, ZERO, Decimal(5), claimable,
         ZERO, ZERO, asked),
    ]  # fmt: skip
    usage = [
        (100, 0, MONTH, "TrafficAll", "TotalKCs", 11, "ReportMonthly", Decimal(540), Decimal(540), ZERO, True),
        (
            100,
            0,
            MONTH,
            "TrafficAll",
            "TotalTrans",
            13,
            "ReportMonthly",
            Decimal(450),
            Decimal(440),
            Decimal(10),
            False,
        ),
    ]
    partners = [
        (100, 0, MONTH, "TrafficAll", "TotalKCs", NASTY, Decimal(30)),
        (100, 0, MONTH, "TrafficAll", "TotalKCs", "01*ACME", Decimal(20)),
        (100, 0, MONTH, "TrafficAll", "TotalKCs", None, Decimal("4.5")),
    ]
    values = [
        (MONTH, "invoices", "InvoiceInfo", "InvoiceID=7", "Invoice 7", "TotalAmount", NASTY, "is not an xs:decimal")
    ]
    claims = [
        ("f1", MONTH, 7, date(2026, 11, 3), Decimal("100.00"), Decimal("50.00"), date(2026, 11, 1), "key", "short", 1),
        ("f2", MONTH, 7, date(2026, 11, 5), Decimal("23.44"), Decimal("0.00"), None, None, "open", 2),
    ]
    severities = ("error", "warning", "info")
    findings.sort(key=lambda row: (severities.index(str(row[1])), -abs(Decimal(str(row[11] or 0)))))
    target.parent.mkdir(parents=True, exist_ok=True)
    target.unlink(missing_ok=True)
    with duckdb.connect(str(target)) as connection:
        for relation, schema, rows in (
            ("out_line_items", LINE_ITEMS, lines),
            ("out_line_proofs", PROOFS, proofs),
            (
                "out_findings",
                FINDINGS,
                [(*row, f"c{place:011d}", place) for place, row in enumerate(findings, 1)],
            ),
            ("out_readings", READINGS, readings),
            ("out_month_on_month", MONTH_ON_MONTH, changes),
            ("out_invoice_tieout", INVOICES, invoices),
            ("out_usage_tieout", USAGE, usage),
            ("out_partner_usage", PARTNERS, partners),
            ("out_meter_readings", METERS, [(7, "TrafficAll", "TotalKCs", "whether duplicates are counted")]),
            ("out_value_faults", VALUE_FAULTS, values),
            ("out_claims", CLAIMS, claims),
            ("raw_calls", CALLS, [(MONTH,), (QUIET_MONTH,)]),
            ("core_provisional_months", CALLS, []),
            ("core_months", CALLS, [(month,) for month in sorted({line[2] for line in lines})]),
            ("out_invoice_reconciliation", RECONCILIATION, reconciliation),
        ):
            connection.register("rows", arrow(schema, rows))
            connection.execute(f'CREATE TABLE "{relation}" AS FROM rows').fetchall()
            connection.unregister("rows")
        database.load_macros(connection, sql_files.load_sql())
        builder.materialise(connection, sql_files.load_sql(), ["out_finding_ids"], ["out_findings"])
        connection.execute(
            "CREATE TABLE out_finding_invoices AS "
            "SELECT finding_id, 7 AS contract_id, reporting_month, 'InvoiceInfo' AS invoice_source, 7 AS invoice_id "
            "FROM out_finding_ids"
        ).fetchall()
        given = ["out_findings", "out_finding_invoices"]
        builder.materialise(connection, sql_files.load_sql(), ["out_finding_amounts"], given)
    return target


def arrow(schema: pa.Schema, rows: Iterable[tuple[object, ...]]) -> pa.Table:
    columns = list(zip(*rows, strict=True)) or [()] * len(schema)
    return pa.table(
        [pa.array(list(values), field.type) for values, field in zip(columns, schema, strict=True)], schema=schema
    )
