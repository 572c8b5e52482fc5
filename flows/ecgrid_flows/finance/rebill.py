"""What each of your clients owes for a month: lines, margin and statements, in `rebill/YYYY-MM/`.

    <client>.csv, <client>.html   the statement: charges and what changed of earlier ones; nothing of cost or margin
    rebill_margin.csv             cost, price and margin by client and measure; for you alone
    manifest.json                 rows, control totals and SHA-256 of each file

The cost of all clients together is what the month's invoices ask. A statement gets its number when its month is closed:
`close` keeps its lines in the closing's folder (`statements.parquet`), and from then on it never changes, also after
`reopen`. A later change is a correction on the next statement.
"""

import hashlib
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ecgrid_flows import formats, pages
from ecgrid_flows.errors import NoSuchData
from ecgrid_flows.finance.audit_log import Decision, Log
from ecgrid_flows.finance.csv_writer import CsvForm
from ecgrid_flows.finance.export import DoesNotTie
from ecgrid_flows.finance.export_files import MANIFEST, Sheet, opened, place, write_sheet
from ecgrid_flows.finance.finding_states import with_states
from ecgrid_flows.finance.journal import closed_folder, kept_file
from ecgrid_flows.settings import Settings, reference_folders
from ecgrid_flows.storage.atomic_folder import publish, staging
from ecgrid_flows.storage.base import Store, disk_errors
from ecgrid_flows.storage.data_owner import is_invented
from ecgrid_flows.warehouse import client_files, clients, database
from ecgrid_flows.warehouse.provenance import run_of
from ecgrid_transforms.money import ZERO, Decimal, money_text, number_text, total
from ecgrid_transforms.period import month_text
from ecgrid_transforms.schemas import MONEY_TYPE

__all__ = [
    "MARGIN",
    "STATEMENTS",
    "Rebilled",
    "gaps",
    "has_clients",
    "keep",
    "new_statements",
    "numbers_of",
    "rebill_month",
]

#: The lines of a month's statements in its closing, and the margin among the files of a month.
STATEMENTS, MARGIN = "statements.parquet", "rebill_margin.csv"
#: The relation of the warehouse that `rebill` fills.
LINES = "out_rebill_lines"
_COLUMNS = (
    *("statement_number", "client", "cost_centre", "entry", "reporting_month", "network_id", "mailbox_id"),
    *("account_name", "account_report", "measure_field", "charge", "quantity", "price"),
)
_ORDER = ("entry", "reporting_month", "network_id", "mailbox_id", "account_report", "measure_field", "charge")
_ISSUED = pa.schema(
    [
        ("statement_month", pa.date32()),
        ("statement_number", pa.string()),
        ("client", pa.string()),
        ("cost_centre", pa.string()),
        ("entry", pa.string()),
        ("reporting_month", pa.date32()),
        ("network_id", pa.int32()),
        ("mailbox_id", pa.int32()),
        ("account_name", pa.string()),
        ("account_report", pa.string()),
        ("measure_field", pa.string()),
        ("charge", pa.string()),
        ("quantity", MONEY_TYPE),
        ("price", MONEY_TYPE),
    ]
)
#: What a file system may refuse or read otherwise; every name is printable.
_UNSAFE = re.compile(r'[/\\:*?"<>|%]')
#: A page with more lines than these shows their sums by measure; its CSV has each.
_MOST_LINES = 1000
_INVENTED = "Invented data of the built-in sandbox: nobody owes this"

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Rebilled:
    """A month as billed to your clients; amounts are exact. `margins` are rows of out_rebill_margin of the month."""

    month: date
    files: tuple[Path, ...]
    margins: tuple[Row, ...]
    cost: Decimal
    invoiced: Decimal
    without_price: tuple[Row, ...]
    without_invoice: tuple[int | None, ...]
    statements: Mapping[str, str | None]


def has_clients(settings: Settings) -> bool:
    """Whether clients.csv has a row; raises `SettingsError` for a file that is wrong."""
    return client_files.has_clients(reference_folders(settings))


def _make_lines(connection: database.Connection, settings: Settings, log: Log) -> None:
    """Make client_lines by the files and decisions of now; raises `SettingsError` for a file that is wrong."""
    files = client_files.read(reference_folders(settings))
    with_states(connection, log)
    clients.make_lines(connection, files.tables, is_disputed_borne=settings.rebill_disputed == "include")


def keep(settings: Settings, log: Log) -> None:
    """Fill out_rebill_lines of the warehouse; the caller holds the lock."""
    with opened(settings) as connection:
        _make_lines(connection, settings, log)
        rows = _all_lines(connection)
    database.refill(settings.warehouse_path, LINES, rows)


def _all_lines(connection: database.Connection) -> pa.Table:
    """The rows of out_rebill_lines by what `_make_lines` made."""
    columns = connection.table(LINES).columns
    order = ("reporting_month", "client", *_ORDER[2:])
    return database.rows(connection, "client_lines", columns=columns, order=order)


def gaps(settings: Settings) -> tuple[date | None, tuple[str, ...], tuple[str, ...]]:
    """The last month with an invoice, its accounts without a client, and its lines of clients without a price.

    By out_rebill_lines as the warehouse has it; the month is None where nothing is billed on yet.
    """
    columns = ("reporting_month", "client", "network_id", "mailbox_id", "account_report", "measure_field", "price")
    with opened(settings) as connection:
        rows = database.records(connection, LINES, columns=columns, order=columns[:-1])
    month = max((row["reporting_month"] for row in rows), default=None)
    rows = [row for row in rows if row["reporting_month"] == month]
    accounts = {
        f"{row['network_id']}/{row['mailbox_id']}": None
        for row in rows
        if row["client"] == client_files.UNASSIGNED and row["network_id"] is not None
    }
    lines = [
        f"{row['client']}: {row['network_id']}/{row['mailbox_id']} {row['account_report']} {row['measure_field']}"
        for row in rows
        if row["price"] is None and row["client"] != client_files.UNASSIGNED
    ]
    return month, tuple(accounts), tuple(lines)


def rebill_month(settings: Settings, store: Store, log: Log, month: date) -> Rebilled:
    """Write `rebill/YYYY-MM/` and fill out_rebill_lines; the caller holds the lock.

    Raises `NoSuchData` for a month of which the warehouse has nothing or no invoice, `SettingsError` for a wrong file.
    """
    with opened(settings) as connection:
        database.require_month(connection, month)
        wanted, without = _invoices(connection, settings, log, month)
        _make_lines(connection, settings, log)
        rows = _statement_rows(connection, store, log, month)
        lines = _all_lines(connection)
    database.refill(settings.warehouse_path, LINES, lines)
    lines = lines.filter(pc.equal(lines.column("reporting_month"), pa.scalar(month, pa.date32())))
    with opened(settings) as connection:
        margins = database.rows(
            connection, "out_rebill_margin", order=("client", "measure_field"), reporting_month=month
        )
        cost = total([row["cost"] for row in margins.to_pylist()])
        if cost != wanted:
            raise DoesNotTie(
                f"the costs of {month_text(month)} add up to {money_text(cost)}, its invoices to {money_text(wanted)}: "
                "nothing was written. Build the warehouse again, and report this if it stays"
            )
        files, numbers = _write(connection, settings, store, month, margins, rows)
    lacking = lines.filter(
        pc.and_(pc.is_null(lines.column("price")), pc.not_equal(lines.column("client"), client_files.UNASSIGNED))
    ).to_pylist()
    return Rebilled(
        month, tuple(files), tuple(margins.to_pylist()), cost, wanted, tuple(lacking), tuple(without), numbers
    )


def _invoices(
    connection: database.Connection, settings: Settings, log: Log, month: date
) -> tuple[Decimal, list[int | None]]:
    """What the month's invoices ask of the clients, and the contracts of which no invoice, or no total, is known."""
    with_states(connection, log)
    columns = ("contract_id", "invoice_source", "invoiced_amount", "disputed_amount", "recalculated_amount")
    rows = database.records(
        connection, "out_invoice_reconciliation", columns=columns, order=("contract_id",), reporting_month=month
    )
    known = [row for row in rows if row["invoiced_amount"] is not None]
    if not known and any(row["invoice_source"] for row in rows):
        raise NoSuchData(
            f"the totals of the invoices of {month_text(month)} are not known: the run was limited to some accounts "
            "(ECGRID_ACCOUNTS), or they could not be read. `run` without the limit asks for all"
        )
    if not known:
        raise NoSuchData(
            f"no invoice of {month_text(month)} is known: nothing can be billed on. `run` asks for it, or `invoice "
            "import` takes a file"
        )
    asked = total([row["invoiced_amount"] for row in known])
    if settings.rebill_disputed == "exclude":
        asked -= total([row["disputed_amount"] for row in known])
    without = [row["contract_id"] for row in rows if row["invoiced_amount"] is None and row["recalculated_amount"]]
    return asked, without


# --- statements -------------------------------------------------------------------------------------------------------


def _statement_rows(connection: database.Connection, store: Store, log: Log, month: date) -> pa.Table:
    """The lines of the month's statements as `_ISSUED`: those issued, or what would be issued now, without a number.

    The connection has client_lines (`_make_lines`).
    """
    issued = _issued(store, log)
    kept = issued.filter(pc.equal(issued.column("statement_month"), pa.scalar(month, pa.date32())))
    if kept.num_rows:
        return kept
    clients.make_statements(connection, month, issued)
    rows = database.rows(connection, "client_statements", order=("client", *_ORDER))
    rows = rows.filter(rows.column("is_whole"))
    made = {"statement_month": pa.repeat(pa.scalar(month, pa.date32()), rows.num_rows)}
    made["statement_number"] = pa.nulls(rows.num_rows, pa.string())
    return pa.table({name: made[name] if name in made else rows.column(name) for name in _ISSUED.names}).cast(_ISSUED)


def new_statements(
    connection: database.Connection, settings: Settings, store: Store, log: Log, month: date
) -> pa.Table | None:
    """The lines of the statements that a closing of `month` issues, with their numbers.

    None without clients, and where an earlier closing of the month issued them.
    """
    if not has_clients(settings) or _is_issued(log, month):
        return None
    _make_lines(connection, settings, log)
    return _numbered(_statement_rows(connection, store, log, month), log)


def numbers_of(statements: pa.Table) -> dict[str, str | None]:
    """Client -> number of its statement; None for a draft."""
    found = statements.group_by(["client", "statement_number"]).aggregate([]).to_pylist()
    return dict(sorted((row["client"], row["statement_number"]) for row in found))


def _numbered(rows: pa.Table, log: Log) -> pa.Table:
    """The lines of new statements with the numbers that follow those issued, by client."""
    last = sum(len(entry.data.get("statements", {})) for entry in log.entries if entry.kind == "close")
    names = sorted(rows.column("client").unique().to_pylist())
    numbers = {name: f"S{last + place:06}" for place, name in enumerate(names, start=1)}
    of_rows = pa.array([numbers[name] for name in rows.column("client").to_pylist()], pa.string())
    return rows.set_column(_ISSUED.get_field_index("statement_number"), "statement_number", of_rows)


def _is_issued(log: Log, month: date) -> bool:
    """Whether the statements of `month` were issued by a closing, reopened since or not."""
    return any(
        entry.kind == "close" and entry.data.get("month") == month_text(month) and _statements_of(entry) is not None
        for entry in log.entries
    )


def _statements_of(entry: Decision) -> str | None:
    path = f"{closed_folder(entry)}/{STATEMENTS}"
    return path if path in entry.data["files"] else None


def _issued(store: Store, log: Log) -> pa.Table:
    tables = [
        pq.read_table(kept_file(store, entry, path), use_threads=False, pre_buffer=False).cast(_ISSUED)
        for entry in log.entries
        if entry.kind == "close" and (path := _statements_of(entry))
    ]
    return pa.concat_tables(tables) if tables else pa.Table.from_batches([], _ISSUED)


def _write(
    connection: database.Connection, settings: Settings, store: Store, month: date, margins: pa.Table, rows: pa.Table
) -> tuple[list[Path], dict[str, str | None]]:
    """Write the folder of the month; its files, and the number of each client's statement."""
    target = settings.local_dir / "rebill" / month_text(month)
    numbers = numbers_of(rows)
    names = dict(_file_names(sorted(numbers)))
    form = CsvForm()
    with staging(target) as staged:
        database.register(connection, "margins_of_month", margins)
        margin_sheet = Sheet(
            MARGIN,
            connection.table("margins_of_month"),
            order=("client", "measure_field"),
            amounts=("cost", "price", "margin"),
            totals=("cost", "price", "margin"),
            columns=(
                *("client", "measure_field", "cost", "price", "margin", "margin_percent_of_price"),
                "markup_percent_of_cost",
            ),
        )
        files = write_sheet(margin_sheet, staged, form)
        database.register(connection, "lines_of_statements", rows)
        statements = Sheet(
            "{}.csv",
            connection.table("lines_of_statements"),
            order=("client", *_ORDER),
            amounts=("price",),
            totals=("price",),
            columns=_COLUMNS,
            by="client",
            stems=names,
        )
        files |= write_sheet(statements, staged, form)
        for client, own in _by_client(rows):
            name = names[client]
            page = pages.page("statement.html.j2", **_words(settings, month, client, own)).encode()
            with disk_errors(str(staged)):
                (staged / f"{name}.html").write_bytes(page)
            files[f"{name}.html"] = {"bytes": len(page), "sha256": hashlib.sha256(page).hexdigest()}
        manifest = {
            **formats.stamp("export"),
            "month": month_text(month),
            "run_id": run_of(settings.warehouse_path),
            "currency": settings.currency,
            "disputed": settings.rebill_disputed,
            "statements": {names[client]: number for client, number in numbers.items()},
            "files": dict(sorted(files.items())),
        }
        written = place(staged, target, manifest)
    publish(store, target, f"rebill/{target.name}", MANIFEST)
    return written, numbers


def _by_client(rows: pa.Table) -> Iterator[tuple[str, pa.Table]]:
    """The rows of each client, by its name."""
    ordered = rows.sort_by("client")
    begin = 0
    for client, count in sorted((one["values"], one["counts"]) for one in ordered["client"].value_counts().to_pylist()):
        yield client, ordered.slice(begin, count)
        begin += count


def _file_names(names: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Client -> name of its files: its own, with %XX for what a file system or a shell could take amiss.

    Names that a file system without capitals would confuse get a number.
    """
    used = {MARGIN.removesuffix(".csv"), MANIFEST.removesuffix(".json")}
    for name in names:
        safe = _UNSAFE.sub(lambda found: quote(found[0], safe=""), name)
        safe = f"%2E{safe[1:]}" if safe.startswith(".") else safe
        chosen, count = safe, 1
        while chosen.lower() in used:
            count += 1
            chosen = f"{safe} ({count})"
        used.add(chosen.lower())
        yield name, chosen


def _words(settings: Settings, month: date, client: str, rows: pa.Table) -> dict[str, Any]:
    """What the template of a statement shows; all amounts as texts."""
    is_long = rows.num_rows > _MOST_LINES
    shown = _by_measure(rows) if is_long else rows.to_pylist()
    ordered = sorted(shown, key=lambda row: tuple((row[name] is not None, row[name]) for name in _ORDER))
    sums = defaultdict[str, Decimal](lambda: ZERO)
    for row in ordered:
        sums[row["entry"]] += row["price"]
    return {
        "notice": _INVENTED if is_invented(settings) else "",
        "client": client,
        "number": rows.column("statement_number")[0].as_py(),
        "month": month_text(month),
        "currency": settings.currency,
        "is_by_measure": is_long,
        "has_cost_centres": any(row["cost_centre"] for row in shown),
        "total": money_text(total(list(sums.values()))),
        "parts": [
            {
                "is_correction": entry == "correction",
                "total": money_text(sums[entry]),
                "lines": [_line_words(row) for row in ordered if row["entry"] == entry],
            }
            for entry in ("charge", "correction")
            if entry in sums
        ],
    }


def _by_measure(rows: pa.Table) -> list[dict[str, Any]]:
    """One line for each measure and month of a statement too long to be read line by line."""
    of = ("entry", "reporting_month", "account_report", "measure_field", "charge")
    known = pc.CountOptions(mode="only_null")
    summed = rows.group_by(of).aggregate([("quantity", "sum"), ("price", "sum"), ("quantity", "count", known)])
    nothing = dict.fromkeys(("network_id", "mailbox_id", "account_name", "cost_centre"))
    return [
        {
            **{name: row[name] for name in of},
            **nothing,
            "quantity": None if row["quantity_count"] else row["quantity_sum"],
            "price": row["price_sum"],
        }
        for row in summed.to_pylist()
    ]


_SHARES = {
    "minimum": "Share of a minimum charge",
    "percentage": "Share of a percentage",
    "credit": "Share of a credit",
    "shared_tiers": "Share of usage billed to the network",
    "other": "Share of other charges",
}


def _line_words(row: Row) -> dict[str, str]:
    account = "" if row["network_id"] is None else f"{row['network_id']}-{row['mailbox_id']}"
    measure = " ".join(part for part in (row["account_report"], row["measure_field"]) if part)
    share = _SHARES.get(row["charge"], "")
    return {
        "account": f"{account} {row['account_name'] or ''}".strip(),
        "cost_centre": row["cost_centre"] or "",
        "month": month_text(row["reporting_month"]),
        "charge": f"{share}: {measure}" if share and measure else share or measure,
        "quantity": "" if row["quantity"] is None else number_text(row["quantity"]),
        "price": money_text(row["price"]),
    }
