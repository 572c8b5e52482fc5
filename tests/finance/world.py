"""A hand-made warehouse: the relations that exports read, filled with the rows that a test wants to see exported."""

import atexit
import csv
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import closing
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from ecgrid_flows.settings import Settings
from ecgrid_flows.warehouse import builder, database, sql_files, sql_tree
from ecgrid_transforms.money import Decimal
from ecgrid_transforms.schemas import ACCOUNTS, CALLS, INVOICES, LINE_ITEMS, MONEY_TYPE, PRICE_SCHEDULES

ROOT = Path(__file__).resolve().parents[2]
MONTH = date(2026, 10, 1)

_JUDGED = [
    pa.field("account_name", pa.string()),
    pa.field("contract_id", pa.int32()),
    pa.field("reading_id", pa.string()),
    pa.field("expected_quantity_billed", MONEY_TYPE),
    pa.field("expected_amount", MONEY_TYPE),
    pa.field("difference", MONEY_TYPE),
    pa.field("verdict", pa.string()),
    pa.field("reading_words", pa.string()),
]
_KEY = [LINE_ITEMS.field(name) for name in LINE_ITEMS.names[:5]]
_ON_INVOICE = [("contract_id", pa.int32()), ("source", pa.string()), ("invoice_id", pa.int32())]
RELATIONS: dict[str, pa.Schema] = {
    "out_line_items": pa.schema([*LINE_ITEMS, *_JUDGED]),
    "out_line_proofs": pa.schema(
        [
            *_KEY,
            pa.field("slice", pa.int32()),
            pa.field("tier", pa.int32()),
            pa.field("level", pa.string()),
            pa.field("schedule_id", pa.int32()),
            *(
                pa.field(name, MONEY_TYPE)
                for name in ("lower_bound", "upper_bound", "quantity", "block", "blocks", "rate", "flat")
            ),
            pa.field("product", pa.decimal128(38, 20)),
            pa.field("amount_before_rounding", pa.decimal128(38, 20)),
            pa.field("expected_amount", MONEY_TYPE),
            pa.field("reading_id", pa.string()),
            pa.field("rule", pa.string()),
        ]
    ),
    "out_findings": pa.schema(
        [
            ("check_name", pa.string()),
            ("severity", pa.string()),
            ("network_id", pa.int32()),
            ("mailbox_id", pa.int32()),
            ("reporting_month", pa.date32()),
            ("account_report", pa.string()),
            ("measure_field", pa.string()),
            ("price_list_id", pa.int32()),
            ("invoice_number", pa.string()),
            ("billed_amount", MONEY_TYPE),
            ("expected_amount", MONEY_TYPE),
            ("difference", MONEY_TYPE),
            ("explanation", pa.string()),
            ("cause_id", pa.string()),
            ("place", pa.int32()),
        ]
    ),
    "out_readings": pa.schema(
        [
            ("price_list_id", pa.int32()),
            ("account_report", pa.string()),
            ("measure_field", pa.string()),
            ("reading_id", pa.string()),
            ("verdict", pa.string()),
            ("is_chosen", pa.bool_()),
            ("rate_per", pa.string()),
        ]
    ),
    "core_accounts": pa.schema(
        [
            ("network_id", pa.int32()),
            ("mailbox_id", pa.int32()),
            ("account_name", pa.string()),
            ("contract_id", pa.int32()),
            ("price_list_id", pa.int32()),
        ]
    ),
    "core_tiers": pa.schema(
        [
            ("price_list_id", pa.int32()),
            ("reporting_month", pa.date32()),
            ("account_report", pa.string()),
            ("measure_field", pa.string()),
            ("terms_contract_id", pa.int32()),
            ("version", pa.int32()),
            ("schedule_id", pa.int32()),
            ("model", pa.string()),
            ("level", pa.string()),
            ("block", MONEY_TYPE),
            ("allowance", MONEY_TYPE),
            ("minimum", pa.int32()),
            ("maximum", pa.int32()),
        ]
    ),
    "reference_measures": pa.schema(
        [("measure_field", pa.string()), ("kind", pa.string()), ("unit", pa.string()), ("is_whole", pa.string())]
    ),
    "core_invoice_sums": pa.schema(
        [
            ("contract_id", pa.int32()),
            ("reporting_month", pa.date32()),
            ("source", pa.string()),
            ("invoice_id", pa.int32()),
            ("recalculated_amount", MONEY_TYPE),
            ("lines_difference", MONEY_TYPE),
            ("total_difference", MONEY_TYPE),
            ("is_total_named", pa.bool_()),
        ]
    ),
    "core_recalculated_totals": pa.schema(
        [
            ("contract_id", pa.int32()),
            ("reporting_month", pa.date32()),
            ("amount", MONEY_TYPE),
            ("keys_faulted", pa.int64()),
        ]
    ),
    "core_limited_runs": pa.schema([("reporting_month", pa.date32())]),
    "core_provisional_months": pa.schema([("reporting_month", pa.date32())]),
    "core_former_accounts": pa.schema([*_KEY[:3], ("contract_id", pa.int32())]),
    "core_invoice_lines": pa.schema(
        [
            *_KEY,
            *_ON_INVOICE,
            ("line_item_number", pa.int32()),
            ("line_description", pa.string()),
            ("amount", MONEY_TYPE),
        ]
    ),
    "core_invoice_matches": pa.schema([*_KEY, *_ON_INVOICE, ("status", pa.string()), ("amount", MONEY_TYPE)]),
    "core_invoice_shares": pa.schema(
        [
            ("contract_id", pa.int32()),
            ("source", pa.string()),
            ("invoice_id", pa.int32()),
            *_KEY,
            ("status", pa.string()),
            ("line_kind", pa.string()),
            ("line_description", pa.string()),
            ("line_amount", MONEY_TYPE),
            ("invoice_amount", MONEY_TYPE),
            ("recalculated_amount", MONEY_TYPE),
            ("difference", MONEY_TYPE),
            ("is_explained", pa.bool_()),
        ]
    ),
    "raw_accounts": ACCOUNTS,
    "raw_calls": CALLS,
    "raw_invoices": INVOICES,
    "raw_price_schedules": PRICE_SCHEDULES,
}
#: Views on them: each line is the only one of its rate ladder and quantity, whose breakdown is that of the line.
_LADDER = "hash(network_id, mailbox_id, reporting_month, account_report, measure_field) AS set_no"
VIEWS = {
    "core_line_items": f"SELECT *, {_LADDER} FROM out_line_items",
    "core_lines": f"SELECT *, {_LADDER} FROM out_line_items",
    "core_proofs": f"SELECT {_LADDER}, lines.actual, proofs.* FROM out_line_proofs AS proofs "
    f"INNER JOIN out_line_items AS lines USING ({', '.join(field.name for field in _KEY)})",
}
#: Relations of `BUILT` that a test may give as rows instead.
GIVEN_INSTEAD: dict[str, pa.Schema] = {
    "out_invoice_reconciliation": pa.schema(
        [
            ("contract_id", pa.int32()),
            ("reporting_month", pa.date32()),
            ("invoice_number", pa.string()),
            ("invoice_source", pa.string()),
            ("invoice_date", pa.date32()),
            ("due_date", pa.date32()),
            ("payment_terms", pa.string()),
            ("po_number", pa.string()),
            ("currency", pa.string()),
            ("invoiced_amount", MONEY_TYPE),
            ("expected_invoice_amount", MONEY_TYPE),
            ("recalculated_amount", MONEY_TYPE),
            ("explained_difference", MONEY_TYPE),
            ("unexplained_difference", MONEY_TYPE),
            ("claimable_amount", MONEY_TYPE),
            ("disputed_amount", MONEY_TYPE),
            ("accepted_amount", MONEY_TYPE),
            ("to_pay_amount", MONEY_TYPE),
        ]
    ),
    "out_finding_amounts": pa.schema(
        [
            ("finding_id", pa.string()),
            ("claimable_amount", MONEY_TYPE),
            ("contract_id", pa.int32()),
            ("invoice_source", pa.string()),
            ("invoice_id", pa.int32()),
            *_KEY,
            ("disputed_amount", MONEY_TYPE),
        ]
    ),
}
#: The macros that they use.
MACROS = ("csv", "decimals", "findings", "focus", "readings")
#: What this part of the project builds on them.
BUILT = (
    "core_issued_invoices",
    "core_line_invoices",
    "raw_finding_states",
    "out_finding_states",
    "out_finding_invoices",
    "out_finding_amounts",
    "out_invoice_reconciliation",
    "out_finance_lines",
    "out_finding_ids",
    "out_contract_invoices",
    "out_invoice_summary",
    "core_known_invoices",
    "core_invoice_amounts",
    "out_journal_amounts",
    "out_disputes",
    "core_credits",
    "out_claims",
    "core_numbered_lines",
    "core_charge_lines",
    "core_charge_slices",
    "core_charge_parts",
    "core_charges",
    "core_prices",
    "core_charge_terms",
    "core_focus",
    "core_invoice_charges",
    "core_invoice_focus",
    "out_focus",
)
#: Those of them that a build keeps as tables.
KEPT_AS_TABLES = ("out_finding_invoices", "core_line_invoices")


def line(**given: Any) -> dict[str, Any]:
    """One row of out_line_items: a line that fits, but for what is `given`."""
    row: dict[str, Any] = dict.fromkeys(RELATIONS["out_line_items"].names)
    row |= {
        "network_id": 4443,
        "mailbox_id": 0,
        "reporting_month": MONTH,
        "account_report": "TrafficAll",
        "measure_field": "TotalKCs",
        "line_item_number": 1,
        "price_list_id": 432,
        "price_list_description": "Naïve tiers",
        "account_name": "Müller & Söhne",
        "contract_id": 8751,
        "reading_id": "unit",
        "reading_words": "Every unit at one rate.",
        "schedule_id": 43201,
        "schedule_rate": "0.2178",
        "schedule_block": "0",
        "actual": "353",
        "quantity_billed": "335",
        "is_taxable": False,
        "amount": "72.96",
        "expected_quantity_billed": "335",
        "expected_amount": "72.96",
        "difference": "0",
        "verdict": "fits",
        "api_version": "v3.2",
        "pulled_at": 0,
        "response_sha256": "ab" * 32,
    }
    return row | given


def finding(**given: Any) -> dict[str, Any]:
    """One row of out_findings about `line()`."""
    return {
        "check_name": "amount_mismatch",
        "severity": "error",
        "network_id": 4443,
        "mailbox_id": 0,
        "reporting_month": MONTH,
        "account_report": "TrafficAll",
        "measure_field": "TotalKCs",
        "price_list_id": 432,
        "invoice_number": None,
        "billed_amount": "80.00",
        "expected_amount": "72.96",
        "difference": "7.04",
        "explanation": "335 units at 0.2178 are 72.96; 80.00 was billed.",
        "cause_id": "c0123456789a",
        "place": 1,
    } | given


def invoiced(
    lines: Sequence[Mapping[str, Any]],
    total: str | None = None,
    *,
    number: str | None = "8753",
    disputed: Mapping[int, str] | None = None,
) -> dict[str, list[dict[str, Any]]]:
    """Lines of one contract with its invoice, by default over their sum; what is not is unexplained.

    `disputed` are the amounts that are disputed of lines, by their mailbox. Without a `number` there is no invoice yet.
    """
    recalculated = sum((Decimal(row["amount"]) for row in lines), Decimal(0))
    asked = recalculated if total is None else Decimal(total)
    held = disputed or {}
    key = {"reporting_month": MONTH, "contract_id": 8751}
    found = {"out_line_items": [dict(row) for row in lines]}
    row = {**key, "recalculated_amount": str(recalculated)}
    if number is None:
        return {**found, "out_invoice_reconciliation": [row]}
    invoice = {**key, "invoice_id": 101, "invoice_number": number, "source": "InvoiceInfo", "status": "Sent"}
    reconciled = {
        **row,
        "invoice_number": number,
        "invoice_source": "InvoiceInfo",
        "invoiced_amount": str(asked),
        "unexplained_difference": str(asked - recalculated),
        "disputed_amount": str(sum(map(Decimal, held.values()), Decimal(0))),
    }
    findings = [
        line(mailbox_id=mailbox) | {"invoice_source": "InvoiceInfo", "invoice_id": 101, "disputed_amount": amount}
        for mailbox, amount in held.items()
    ]
    return {
        **found,
        "raw_invoices": [{**invoice, "total_amount": str(asked)}],
        "out_invoice_reconciliation": [reconciled],
        "out_finding_amounts": findings,
    }


def proof(number: int, quantity: str, rate: str, expected: str, **given: Any) -> dict[str, Any]:
    """One slice of the proof of `line()`: its blocks are its units unless told otherwise."""
    product = Decimal(given.get("blocks", quantity)) * Decimal(rate) + Decimal(given.get("flat", "0"))
    return {
        **line(),
        "slice": number,
        "tier": number,
        "level": f"Tier{number}",
        "schedule_id": 43200 + number,
        "quantity": quantity,
        "block": "1",
        "blocks": quantity,
        "rate": rate,
        "flat": "0",
        "product": str(product),
        "expected_amount": expected,
    } | given


def every_kind_of_charge() -> dict[str, list[dict[str, Any]]]:
    """Lines and proofs that become every kind of FOCUS row: slices, a flat fee, an adjustment, credits, a purchase."""
    unproved = {"expected_amount": None, "difference": None, "verdict": "not_provable"}
    fixed = {"account_report": "FixedRate", **unproved}
    return {
        "out_line_items": [
            line(actual="1501", quantity_billed="1501", amount="317.26", expected_amount="317.26", model="Stacked"),
            line(mailbox_id=1, amount="80", expected_amount="72.96", difference="7.04", verdict="differs"),
            line(mailbox_id=2, actual="10", quantity_billed="10", amount="7", expected_amount="7"),
            line(mailbox_id=3, amount="70.00", **unproved),
            line(mailbox_id=4, amount="-6.02", measure_field="Credit", **fixed),
            line(mailbox_id=5, amount="12.00", measure_field="MonthlyMinimum", **fixed),
            line(
                mailbox_id=6, amount="39.90", measure_field="FixedRate", schedule_rate="39.90", level="General", **fixed
            )
            | {"actual": "1", "quantity_billed": "1"},
            line(mailbox_id=7, amount="0", actual="0", quantity_billed="0", **unproved),
        ],
        "out_line_proofs": [
            proof(1, "1200", "0.2178", "317.26"),
            proof(2, "301", "0.1857", "317.26"),
            proof(1, "335", "0.2178", "72.96", mailbox_id=1),
            proof(1, "10", "0.2", "7", flat="5", mailbox_id=2),
        ],
    }


def rows_table(schema: pa.Schema, rows: Sequence[Mapping[str, Any]]) -> pa.Table:
    """Rows as a table; decimals are given as text, so that none is ever a float."""
    columns = []
    for field in schema:
        values = [row.get(field.name) for row in rows]
        if pa.types.is_decimal(field.type):
            values = [None if value is None else Decimal(value) for value in values]
        columns.append(pa.array(values, field.type))
    return pa.table(columns, schema=pa.schema([field.with_nullable(True) for field in schema]))


def measures() -> list[dict[str, str]]:
    with (ROOT / "data/reference/measures.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@cache
def sandbox_tree() -> sql_tree.SqlTree:
    """The macros and the relations of `BUILT`, alone: what stands before them is given."""
    whole = sql_files.sql_folder()
    folder = Path(tempfile.mkdtemp(prefix="finance-sql-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    for name in (*MACROS, *BUILT):
        path = next(whole.rglob(f"{name}.sql"))
        copy = folder / path.relative_to(whole)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, copy)
        if name in KEPT_AS_TABLES:  # `build` fills what stands before them, and runs nothing again
            copy.write_text(copy.read_text("utf-8").replace("\n", "\n-- kept as: view\n", 1), "utf-8")
    return sql_files.load_sql(folder)


Rows = Sequence[Mapping[str, Any]] | pa.Table


def fill(connection: duckdb.DuckDBPyConnection, **relations: Rows) -> None:
    """Make the given relations anew as tables; with lines the totals of their contracts too, unless they are given."""
    lines = relations.get("out_line_items")
    if lines is not None and "core_recalculated_totals" not in relations:
        relations["core_recalculated_totals"] = recalculated_totals(lines)
    for name, rows in relations.items():
        kinds = {"duckdb_tables": "TABLE", "duckdb_views": "VIEW"}
        for source, kind in kinds.items():
            columns = "table_name" if kind == "TABLE" else "view_name"
            if connection.execute(f"FROM {source}() WHERE {columns} = ?", [name]).fetchall():
                connection.execute(f'DROP {kind} "{name}"').fetchall()
        table = rows if isinstance(rows, pa.Table) else rows_table({**RELATIONS, **GIVEN_INSTEAD}[name], rows)
        connection.register("given_rows", table)
        connection.table("given_rows").create(name)
        connection.unregister("given_rows")


def recalculated_totals(lines: Rows) -> list[dict[str, Any]]:
    """The rows of core_recalculated_totals for these lines, none of which is a fault."""
    sums: dict[tuple[Any, ...], Decimal] = {}
    for row in lines.to_pylist() if isinstance(lines, pa.Table) else lines:
        key = row["contract_id"], row["reporting_month"]
        sums[key] = sums.get(key, Decimal(0)) + Decimal(row["amount"] or 0)
    return [
        {"contract_id": contract, "reporting_month": month, "amount": amount, "keys_faulted": 0}
        for (contract, month), amount in sums.items()
    ]


def prepare(connection: duckdb.DuckDBPyConnection, **relations: Rows) -> None:
    """Make every relation: those given, empty ones for the rest, and on them what this part of the project builds."""
    tree = sandbox_tree()
    empty: dict[str, Rows] = dict.fromkeys(RELATIONS, ())
    if "out_line_items" in relations:
        del empty["core_recalculated_totals"]
    fill(connection, **{**empty, "reference_measures": measures(), **relations})
    database.load_macros(connection, tree)
    for name, text in VIEWS.items():
        connection.execute(f"CREATE VIEW {name} AS {text}").fetchall()
    builder.materialise(connection, tree, wanted=BUILT, given=[*RELATIONS, *VIEWS])


@cache
def _template() -> Path:
    """A warehouse with every relation, and no row in those that are given."""
    path = Path(tempfile.mkdtemp(prefix="finance-warehouse-")) / "billing.duckdb"
    atexit.register(shutil.rmtree, path.parent, ignore_errors=True)
    with closing(duckdb.connect(str(path))) as connection:
        prepare(connection)
    return path


def build(settings: Settings, /, **relations: Rows) -> None:
    """Make the warehouse of `settings` anew from rows by relation name; all that is built on them are views."""
    path = settings.warehouse_path
    path.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(_template(), path)
    with closing(duckdb.connect(str(path))) as connection:
        fill(connection, **relations)
