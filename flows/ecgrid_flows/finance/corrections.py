"""What changed in a closed month since it was closed: pairs of reversal and re-entry, which sum to the difference.

    exports/YYYY-MM/corrections/corrections.csv                 the pairs, line by line
                                corrections_journal.csv         the same for the ledger             only with a currency
                                corrections_focus_1_2.parquet   the same in FOCUS, also .csv        only with a currency
                                manifest.json

A line that a later pull or another reading changed has a reversal (the closed values with the opposite sign) and a
re-entry (the present values). A new line has a re-entry only, a removed one a reversal only. All belong to the closed
month.

`corrections M --book` posts the pending corrections as a numbered batch, which is kept with the closing; later changes
start the next batch. So each pair is posted once, however often a month is pulled again, and all batches together are
the difference between the closed month and today. The journal is not made from these pairs: it starts from the
invoices, as the month's own does (`journal`), and is the difference to what was posted. Posted accounts, references,
dates and currency never change.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from ecgrid_flows import formats
from ecgrid_flows.errors import Refused
from ecgrid_flows.finance import audit_log
from ecgrid_flows.finance.audit_log import CLOSINGS, Decision, Log
from ecgrid_flows.finance.csv_writer import CsvForm
from ecgrid_flows.finance.export_files import (
    FOCUS_KEY,
    KEY,
    MANIFEST,
    NO_CURRENCY,
    Sheet,
    focus_files,
    focus_sheet,
    focus_stem,
    focus_versions,
    form_of,
    form_words,
    journal_sheet,
    opened,
    place,
    read_export,
    read_manifest,
    sha256_of,
    write_parquet,
    write_sheet,
)
from ecgrid_flows.finance.journal import BATCH, batches, closed_folder, kept_file, open_journal, require_kept, unbooked
from ecgrid_flows.settings import Settings
from ecgrid_flows.storage.atomic_folder import publish, put_file, put_in_place, staging
from ecgrid_flows.storage.base import Store, disk_errors
from ecgrid_flows.warehouse import books, database
from ecgrid_flows.warehouse.database import ordered
from ecgrid_flows.warehouse.provenance import run_of
from ecgrid_transforms.money import total
from ecgrid_transforms.period import month_text, parse_month

__all__ = [
    "CORRECTIONS",
    "FOCUS",
    "LINES",
    "book",
    "export_corrections",
    "frozen_export",
    "in_order",
    "pairs",
]

#: The snapshots of a closing that corrections are made from.
LINES, FOCUS = "lines.parquet", "focus.parquet"
#: Folder of the corrections, inside the folder of the month's export.
CORRECTIONS = "corrections"


def frozen_export(settings: Settings, store: Store, closing: Decision) -> list[Path]:
    """The export of a closed month, restored from the closing if it is missing. Raises `Refused` if it was changed."""
    month = parse_month(closing.data["month"])
    target = settings.exports_dir(month)
    seals: dict[str, str] = closing.data["exports"]
    for name, seal in seals.items():
        if (target / name).is_file() and sha256_of(target / name) != seal:
            raise Refused(
                f"{target / name} is not the file that {closing.data['month']} was closed with: move {target} away and "
                f"export again to get the closed files back, or `reopen` the month"
            )
    if not all((target / name).is_file() for name in seals):
        for name in seals:
            require_kept(store, closing, f"{closed_folder(closing)}/exports/{name}")
        with staging(target) as staged:
            for name in seals:
                (staged / name).parent.mkdir(parents=True, exist_ok=True)
                (staged / name).write_bytes(store.read(f"{closed_folder(closing)}/exports/{name}"))
            put_in_place(staged, target)
        publish(store, target, f"exports/{closing.data['month']}", MANIFEST)
    return [target / name for name in sorted(seals, key=lambda name: (name == MANIFEST, name))]


@dataclass(frozen=True, slots=True)
class Pairs:
    """The corrections of one closed month as relations: line by line, and as FOCUS rows (currency not yet filled in).

    `lines` and `focus` have a last column `place`: a line's reversal is 1, its re-entry 2. `open_lines` and
    `open_focus` are those not yet booked; their number is `number`.
    """

    lines: Any
    focus: Any
    open_lines: Any
    open_focus: Any
    number: int


@contextmanager
def pairs(settings: Settings, store: Store, log: Log, closing: Decision) -> Iterator[tuple[database.Connection, Pairs]]:
    """The corrections of a closed month: those booked, and the differences of the present warehouse to them."""
    month = parse_month(closing.data["month"])
    with opened(settings) as connection:
        bookings = log.bookings(closing)
        number = len(bookings) + 1
        _create_scans(connection, store, closing, bookings)
        lines = books.create(connection, "books_line_entries", month=month, correction=number)
        focus = books.create(connection, "books_focus_entries")
        open_lines, open_focus = connection.table("books_pending_lines"), connection.table("books_pending_focus")
        yield connection, Pairs(lines, focus, open_lines, open_focus, number)


def _create_scans(
    connection: database.Connection, store: Store, closing: Decision, bookings: Sequence[Decision]
) -> None:
    """Make the files of the closing and its batches readable as the inputs of `sql/books`."""
    columns = {
        LINES: ("lines", pa.schema([("correction", pa.int32()), ("entry", pa.string())])),
        FOCUS: ("focus", pa.schema([("x_Correction", pa.int32()), ("x_Entry", pa.string())])),
    }
    for name, (kind, more) in columns.items():
        closed = kept_file(store, closing, f"{closed_folder(closing)}/{name}")
        booked = [kept_file(store, booking, f"{closed_folder(booking)}/{name}") for booking in bookings]
        books.create_scan(connection, f"books_closed_{kind}", [closed], closed, pa.schema([]))
        books.create_scan(connection, f"books_booked_{kind}", booked, closed, more)
    database.register(connection, "books_no_focus", connection.table("out_focus").limit(0).to_arrow_table())


def _require_same_currency(settings: Settings, closed: Mapping[str, Any]) -> None:
    """Raise `Refused` if the currency is not that of `closed`, the manifest of the closed export."""
    if closed["currency"] and settings.currency and closed["currency"] != settings.currency:
        raise Refused(
            f"{closed['month']} was closed in {closed['currency']}, and ECGRID_CURRENCY is now {settings.currency}: "
            f"set it to {closed['currency']} to correct that month"
        )


def export_corrections(
    settings: Settings,
    store: Store,
    log: Log,
    closing: Decision,
    *,
    run_id: str | None = None,
    form: CsvForm | None = None,
    posting_date: date | None = None,
) -> list[Path]:
    """Write the corrections of a closed month beside its frozen files; gives the paths, none when nothing changed.

    `posting_date` is that of what is not yet booked; by default the first day after the last closed month.
    """
    month = parse_month(closing.data["month"])
    folder = settings.exports_dir(month)
    target = folder / CORRECTIONS
    closed = read_manifest(folder)
    _require_same_currency(settings, closed)
    form, versions = form or form_of(closed), focus_versions(closed)
    with pairs(settings, store, log, closing) as (connection, found):
        journal = _journal(connection, settings, store, log, closing, posting_date)
        if not target.exists() and not _is_any(settings, journal, found.lines, found.focus):
            return []
        with staging(target) as staged:
            files: dict[str, Any] = {}
            for sheet in _sheets(connection, settings, journal, found, versions):
                files |= write_sheet(sheet, staged, form)
            manifest = {
                **formats.stamp("export"),
                "month": month_text(month),
                "run_id": run_id or run_of(settings.warehouse_path),
                "closing": {"number": closing.number, "sha256": closing.sha256},
                "booked": [entry.number for entry in log.bookings(closing)],
                "currency": settings.currency,
                "not_booked": [one.data() for one in unbooked(connection, month)],
                "csv": form_words(form),
                "focus": list(versions),
                "files": dict(sorted(files.items())),
                "left_out": {} if settings.currency else dict.fromkeys(_need_currency(versions), NO_CURRENCY),
            }
            paths = place(staged, target, manifest)
    publish(store, target, f"exports/{month_text(month)}/{CORRECTIONS}", MANIFEST)
    return paths


def listed_journal(settings: Settings, month: date) -> list[dict[str, Any]]:
    """The journal of what changed since the closing, as exported: booked batches, then what is to be posted."""
    path = settings.exports_dir(month) / CORRECTIONS / _JOURNAL
    rows: list[dict[str, Any]] = read_export(path).to_pylist() if path.is_file() else []
    return rows


def in_order(found: Pairs) -> list[dict[str, Any]]:
    """The pairs line by line: batch, key, reversal before re-entry."""
    rows = database.ordered(found.lines, *_ORDER).to_arrow_table().drop_columns(["place"])
    pairs: list[dict[str, Any]] = rows.to_pylist()
    return pairs


_ORDER = ("correction", *KEY, "place")
_PREFIX, _JOURNAL = "corrections_", "corrections_journal.csv"


def _sheets(
    connection: database.Connection,
    settings: Settings,
    journal: pa.Table | None,
    found: Pairs,
    versions: Sequence[str],
) -> Iterator[Sheet]:
    amounts = ("billed_amount", "expected_amount", "difference")
    yield Sheet(
        "corrections.csv",
        found.lines,
        order=_ORDER,
        amounts=amounts,
        totals=("quantity_billed", *amounts),
        columns=tuple(name for name in found.lines.columns if name != "place"),
    )
    if journal is not None and settings.currency:
        yield journal_sheet(connection, journal, _JOURNAL)
        for version in versions:
            yield focus_sheet(found.focus, focus_stem(version, _PREFIX), settings.currency, version)


def _need_currency(versions: Sequence[str]) -> list[str]:
    return [_JOURNAL, *focus_files(versions, _PREFIX)]


def _is_any(settings: Settings, journal: pa.Table | None, lines: Any, focus: Any) -> bool:
    """Whether there is a row in one of the files of corrections."""
    is_changed = bool(lines.limit(1).fetchall()) or bool(journal)
    return is_changed or (settings.currency is not None and bool(focus.limit(1).fetchall()))


def _journal(
    connection: database.Connection,
    settings: Settings,
    store: Store,
    log: Log,
    closing: Decision,
    posting_date: date | None,
) -> pa.Table | None:
    """Journal lines posted since the closing, and those to post, with their batch; None without a currency."""
    if settings.currency is None:
        return None
    month = parse_month(closing.data["month"])
    to_post = open_journal(connection, settings, store, log, month, posting_date)
    numbered = [
        table.append_column("correction", pa.array([number] * table.num_rows, pa.int32()))
        for number, table in enumerate([*batches(store, log, closing), to_post], start=1)
        if table is not None
    ]
    return pa.concat_tables(numbered)


def book(
    settings: Settings, store: Store, log: Log, closing: Decision, note: str, posting_date: date | None = None
) -> Decision | None:
    """Post the pending corrections as a numbered batch; None if there are none. The caller holds the lock."""
    month = parse_month(closing.data["month"])
    log.require_sound()
    closed = read_manifest(settings.exports_dir(parse_month(closing.data["month"])))
    _require_same_currency(settings, closed)
    if closed["currency"] and settings.currency is None:
        raise Refused(
            f"{closed['month']} was closed in {closed['currency']}, and ECGRID_CURRENCY is not set: set it, so that "
            f"the journal of what is booked is kept too"
        )
    place_of = f"{CLOSINGS}/{closing.data['month']}/{len(log.entries) + 1:06}"
    with (
        pairs(settings, store, log, closing) as (connection, found),
        staging(settings.local_dir / CLOSINGS / "booking") as staged,
    ):
        journal = None
        if settings.currency:
            journal = open_journal(connection, settings, store, log, month, posting_date)
        if not _is_any(settings, journal, found.open_lines, found.open_focus):
            return None
        billed = database.rows(connection, "books_pending_lines", columns=["billed_amount"]).column(0).to_pylist()
        write_parquet(ordered(found.open_lines, *KEY, "entry"), staged / LINES)
        write_parquet(ordered(found.open_focus, *FOCUS_KEY, "x_Entry", "InvoiceId", "x_Part"), staged / FOCUS)
        if journal is not None:
            with disk_errors(str(staged / BATCH)):
                pq.write_table(journal, staged / BATCH, compression="zstd")
        seals = {f"{place_of}/{path.name}": sha256_of(path) for path in sorted(staged.iterdir())}
        for path in seals:
            put_file(store, path, staged / path.rsplit("/", 1)[1])
    return audit_log.append(
        store,
        "corrections",
        {
            "month": closing.data["month"],
            "correction": found.number,
            "entries": len(billed),
            "billed_amount": f"{total(billed):f}",
            "note": note,
            "files": seals,
        },
    )
