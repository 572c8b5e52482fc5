"""What changed in a closed month since it was closed: pairs of reversal and re-entry, which sum to the difference.

    exports/YYYY-MM/corrections/corrections.csv                 the pairs, line by line
                                corrections_journal.csv         the same for the ledger             only with a currency
                                corrections_focus_1_2.parquet   the same in FOCUS 1.2, also .csv    only with a currency
                                manifest.json

A line that a later pull or another reading made different is taken back as it was closed (the reversal: every quantity
and amount with the other sign) and entered as it is now (the re-entry). A line that came later has a re-entry alone,
one that is gone a reversal alone. All are of the month that was closed.

Corrections can be booked (`corrections M --book`): a batch then has its number for good, is kept with the closing, and
later changes are corrections of what was booked, in a batch of the next number. So each pair is posted once, however
often a month is pulled again, and all batches together are always the difference between the closed month and today.
The ledger keeps rounded amounts: each batch brings it from what it keeps to the new sums, rounded as a month's are.
What was booked stays as the ledger was told: accounts, references and currency.
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
from ecgrid_flows.errors import NoSuchData, Refused, StorageFailed
from ecgrid_flows.finance import audit_log
from ecgrid_flows.finance.audit_log import CLOSINGS, Decision, Log
from ecgrid_flows.finance.csv_writer import CsvForm
from ecgrid_flows.finance.export_files import (
    FOCUS_KEY,
    KEY,
    MANIFEST,
    NO_CURRENCY,
    Sheet,
    focus_sheet,
    form_of,
    form_words,
    journal_of,
    journal_sheet,
    opened,
    place,
    read_manifest,
    sha256_of,
    write_parquet,
    write_sheet,
)
from ecgrid_flows.finance.journal_entries import Charge
from ecgrid_flows.settings import Settings
from ecgrid_flows.storage.atomic_folder import publish, put_file, put_in_place, staging
from ecgrid_flows.storage.base import Store, disk_errors, holds_path
from ecgrid_flows.warehouse import books, database
from ecgrid_flows.warehouse.database import ordered
from ecgrid_flows.warehouse.provenance import run_of
from ecgrid_transforms.money import ZERO, Decimal, total
from ecgrid_transforms.period import month_text, parse_month

__all__ = [
    "CORRECTIONS",
    "FOCUS",
    "LINES",
    "book",
    "closed_folder",
    "export_corrections",
    "frozen_export",
    "in_order",
    "pairs",
]

#: The snapshots of a closing that corrections are made from.
LINES, FOCUS = "lines.parquet", "focus.parquet"
_NEED_CURRENCY = ("corrections_journal.csv", "corrections_focus_1_2.csv", "corrections_focus_1_2.parquet")
#: What a booking keeps beside these, when there was a currency.
_JOURNAL = "journal.parquet"
#: The folder of the corrections, in that of the month's export.
CORRECTIONS = "corrections"


def closed_folder(closing: Decision) -> str:
    """Where the frozen files of a closing are kept."""
    return f"{CLOSINGS}/{closing.data['month']}/{closing.number:06}"


def frozen_export(settings: Settings, store: Store, closing: Decision) -> list[Path]:
    """The export of a closed month, as it was closed; put back when gone. Raises `Refused` when it was changed."""
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
            _require_kept(store, closing, f"{closed_folder(closing)}/exports/{name}")
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
    """The corrections of a closed month: those booked, and what else the warehouse now says."""
    month = parse_month(closing.data["month"])
    with opened(settings) as connection:
        bookings = log.bookings(closing)
        number = len(bookings) + 1
        _create_scans(connection, store, closing, bookings)
        open_lines = books.create(connection, "books_open_lines", month=month, correction=number)
        open_focus = books.create(connection, "books_open_focus")
        lines, focus = (books.create(connection, f"books_{kind}_entries") for kind in ("line", "focus"))
        yield connection, Pairs(lines, focus, open_lines, open_focus, number)


def _create_scans(
    connection: database.Connection, store: Store, closing: Decision, bookings: Sequence[Decision]
) -> None:
    """The files that the closing and its batches keep, as the relations that `sql/books` reads."""
    columns = {
        LINES: ("lines", pa.schema([("correction", pa.int32()), ("entry", pa.string())])),
        FOCUS: ("focus", pa.schema([("x_Correction", pa.int32()), ("x_Entry", pa.string())])),
    }
    for name, (kind, more) in columns.items():
        closed = _kept_file(store, closing, f"{closed_folder(closing)}/{name}")
        booked = [_kept_file(store, booking, f"{_booked_folder(booking)}/{name}") for booking in bookings]
        books.create_scan(connection, f"books_closed_{kind}", [closed], closed, pa.schema([]))
        books.create_scan(connection, f"books_booked_{kind}", booked, closed, more)


def _booked_journal(store: Store, booking: Decision) -> pa.Table | None:
    """The journal that a batch was booked with; None when it was booked without a currency."""
    path = f"{_booked_folder(booking)}/{_JOURNAL}"
    if path not in booking.data["files"]:
        return None
    _require_kept(store, booking, path)
    return pq.read_table(store.locals([path])[0], use_threads=False, pre_buffer=False)


def _booked_folder(booking: Decision) -> str:
    return f"{CLOSINGS}/{booking.data['month']}/{booking.number:06}"


def _kept_file(store: Store, entry: Decision, path: str) -> str:
    """A file that the entry of the log names, on this machine."""
    _require_kept(store, entry, path)
    return str(store.locals([path])[0])


def _require_kept(store: Store, entry: Decision, path: str) -> None:
    """Refuse a file that is not the one that the entry of the log names by its hash."""
    is_whole = holds_path(store, path, entry.data["files"][path])
    if is_whole is None:
        raise NoSuchData(f"{store.uri(path)} is gone, which the closed month stands on: put it back from a backup")
    if not is_whole:
        raise StorageFailed(
            f"{store.uri(path)} is damaged, which the closed month stands on: put it back from a backup; "
            "`ecgrid-billing verify` quarantines it"
        )


def _require_same_currency(settings: Settings, closed: Mapping[str, Any]) -> None:
    """Refuse to correct a month in another currency than the `closed` export (its manifest) has."""
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
) -> list[Path]:
    """Write the corrections of a closed month beside its frozen files; gives the paths, none when nothing changed."""
    month = parse_month(closing.data["month"])
    folder = settings.exports_dir(month)
    target = folder / CORRECTIONS
    closed = read_manifest(folder)
    _require_same_currency(settings, closed)
    form = form or form_of(closed)
    with pairs(settings, store, log, closing) as (connection, found):
        if not target.exists() and not found.lines.limit(1).fetchall():
            return []
        with staging(target) as staged:
            files: dict[str, Any] = {}
            for sheet in _sheets(connection, settings, store, log.bookings(closing), found, month):
                files |= write_sheet(sheet, staged, form)
            manifest = {
                **formats.stamp("export"),
                "month": month_text(month),
                "run_id": run_id or run_of(settings.warehouse_path),
                "closing": {"number": closing.number, "sha256": closing.sha256},
                "booked": [entry.number for entry in log.bookings(closing)],
                "currency": settings.currency,
                "csv": form_words(form),
                "files": dict(sorted(files.items())),
                "left_out": {} if settings.currency else dict.fromkeys(_NEED_CURRENCY, NO_CURRENCY),
            }
            paths = place(staged, target, manifest)
    publish(store, target, f"exports/{month_text(month)}/{CORRECTIONS}", MANIFEST)
    return paths


def in_order(found: Pairs) -> list[dict[str, Any]]:
    """The pairs line by line: batch, key, reversal before re-entry."""
    rows = database.ordered(found.lines, *_ORDER).to_arrow_table().drop_columns(["place"])
    pairs: list[dict[str, Any]] = rows.to_pylist()
    return pairs


_ORDER = ("correction", *KEY, "place")


def _sheets(
    connection: database.Connection,
    settings: Settings,
    store: Store,
    bookings: Sequence[Decision],
    found: Pairs,
    month: date,
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
    if settings.currency:
        charges = _charges(connection, found, month)
        booked = [_booked_journal(store, booking) for booking in bookings]
        journals = [
            kept or journal_of(settings, charges[number], settings.currency)
            for number, kept in enumerate([*booked, None], start=1)
        ]
        yield journal_sheet(connection, pa.concat_tables(journals), "corrections_journal.csv")
        yield focus_sheet(found.focus, "corrections_focus_1_2", settings.currency)


_BOOKED_BY = ("contract_id", "network_id", "reporting_month", "account_report", "measure_field", "is_taxable")


def _charges(connection: database.Connection, found: Pairs, month: date) -> dict[int, list[Charge]]:
    """What each batch changes, by its number, with what the ledger was told before.

    Of the contracts in it a batch has all amounts, those that do not change as well: the payable is of their sum.
    """
    changes: dict[int, dict[tuple[Any, ...], Decimal]] = {number: {} for number in range(found.number + 1)}
    for row in books.create(connection, "books_batch_amounts").to_arrow_table().to_pylist():
        changes[row["correction"]][tuple(row[name] for name in _BOOKED_BY)] = row["amount"]
    invoices = {
        row["contract_id"]: row["invoice_number"]
        for row in database.rows(connection, "out_contract_invoices", reporting_month=month).to_pylist()
    }
    before = changes.pop(0)
    charges = {}
    for number, changed in changes.items():
        contracts = {contract for contract, *_ in changed}
        groups = [group for group in {**before, **changed} if group[0] in contracts]
        charges[number] = [
            Charge(
                **dict(zip(_BOOKED_BY, group, strict=True)),
                invoice_number=invoices.get(group[0]),
                amount=changed.get(group, ZERO),
                suffix=f"-C{number}",
                before=before.get(group, ZERO),
            )
            for group in groups
        ]
        for group, amount in changed.items():
            before[group] = total([before.get(group, ZERO), amount])
    return charges


def book(settings: Settings, store: Store, log: Log, closing: Decision, note: str) -> Decision | None:
    """Book what is open: it gets its number for good. None when there is nothing; the caller holds the lock."""
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
        if not found.open_lines.limit(1).fetchall():
            return None
        billed = database.rows(connection, "books_open_lines", columns=["billed_amount"]).column(0).to_pylist()
        write_parquet(ordered(found.open_lines, *KEY, "entry"), staged / LINES)
        write_parquet(ordered(found.open_focus, *FOCUS_KEY, "x_Entry", "x_Part"), staged / FOCUS)
        if settings.currency:
            charges = _charges(connection, found, parse_month(closing.data["month"]))[found.number]
            with disk_errors(str(staged / _JOURNAL)):
                pq.write_table(journal_of(settings, charges, settings.currency), staged / _JOURNAL, compression="zstd")
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
