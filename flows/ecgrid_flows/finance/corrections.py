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
from ecgrid_flows.finance.export_cache import listed
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
from ecgrid_flows.warehouse import database
from ecgrid_flows.warehouse.builder import as_named
from ecgrid_flows.warehouse.database import of_month
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

#: What makes a line another line; names and readings may change without a correction.
_COMPARED = ("price_list_id", "contract_id", "quantity_billed", "billed_amount", "expected_amount", "is_taxable")
_NEGATED = ("quantity_billed", "billed_amount", "expected_amount", "difference", "actual", "expected_quantity_billed")
_FOCUS_NEGATED = (
    *("BilledCost", "ConsumedQuantity", "ContractedCost", "EffectiveCost", "ListCost", "PricingQuantity"),
)
_REVERSAL, _RE_ENTRY = "reversal", "re-entry"


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
                (staged / name).write_bytes(store.read(f"{closed_folder(closing)}/exports/{name}"))
            put_in_place(staged, target)
        publish(store, target, f"exports/{closing.data['month']}", MANIFEST)
    return [target / name for name in sorted(seals, key=lambda name: (name == MANIFEST, name))]


@dataclass(frozen=True, slots=True)
class Pairs:
    """The corrections of one closed month as relations: line by line, and as FOCUS rows (currency not yet filled in).

    `closed` are the lines as they were closed. `open_lines` and `open_focus` are those not yet booked; their number is
    `number`.
    """

    closed: Any
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
        closed_lines = as_closed = _read(connection, store, closing, f"{closed_folder(closing)}/{LINES}")
        closed_focus = _read(connection, store, closing, f"{closed_folder(closing)}/{FOCUS}")
        booked_lines, booked_focus = [], []
        for booking in bookings:
            booked_lines.append(_read(connection, store, booking, f"{_booked_folder(booking)}/{LINES}"))
            booked_focus.append(_read(connection, store, booking, f"{_booked_folder(booking)}/{FOCUS}"))
            closed_lines = _corrected(closed_lines, booked_lines[-1], KEY, "entry")
            closed_focus = _corrected(closed_focus, booked_focus[-1], FOCUS_KEY, "x_Entry")
        now_lines = of_month(connection.table("out_finance_lines"), month)
        same = " AND ".join(f"was.{name} IS NOT DISTINCT FROM now.{name}" for name in (*KEY, *_COMPARED))
        was, now = closed_lines.set_alias("was"), now_lines.set_alias("now")
        gone, come = was.join(now, same, how="anti"), now.join(was, same, how="anti")
        open_lines = _entered(gone, _REVERSAL, number, _NEGATED).union(_entered(come, _RE_ENTRY, number, _NEGATED))
        now_focus = of_month(connection.table("out_focus"), month)
        open_focus = _focus_entered(_of_keys(closed_focus, gone), _REVERSAL, number).union(
            _focus_entered(_of_keys(now_focus, come), _RE_ENTRY, number)
        )
        yield (
            connection,
            Pairs(
                as_closed,
                _together(booked_lines, open_lines),
                _together(booked_focus, open_focus),
                open_lines,
                open_focus,
                number,
            ),
        )


def _booked_journal(store: Store, booking: Decision) -> pa.Table | None:
    """The journal that a batch was booked with; None when it was booked without a currency."""
    path = f"{_booked_folder(booking)}/{_JOURNAL}"
    if path not in booking.data["files"]:
        return None
    _require_kept(store, booking, path)
    return pq.read_table(store.locals([path])[0], use_threads=False, pre_buffer=False)


def _booked_folder(booking: Decision) -> str:
    return f"{CLOSINGS}/{booking.data['month']}/{booking.number:06}"


def _read(connection: database.Connection, store: Store, entry: Decision, path: str) -> Any:
    _require_kept(store, entry, path)
    return connection.read_parquet(as_named(store.locals([path])[0]))


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


def _corrected(rows: Any, batch: Any, key: Sequence[str], entry: str) -> Any:
    """`rows` after a batch of corrections: every key in it is as the batch entered it, or gone."""
    same = " AND ".join(f'was."{name}" = batch."{name}"' for name in key)
    kept = rows.set_alias("was").join(batch.set_alias("batch"), same, how="anti")
    columns = ", ".join(f'"{name}"' for name in rows.columns)
    return kept.project(columns).union(batch.filter(f"\"{entry}\" = '{_RE_ENTRY}'").project(columns))


def _entered(rows: Any, entry: str, number: int, negated: Sequence[str]) -> Any:
    """Lines as entries of a batch; those of a reversal with the other sign."""
    return rows.project(
        ", ".join(
            (f"{number}::INTEGER AS correction", f"'{entry}' AS entry", *_signed(rows.columns, entry, negated)),
        )
    )


def _signed(columns: Sequence[str], entry: str, negated: Sequence[str]) -> list[str]:
    return [f'-"{name}" AS "{name}"' if entry == _REVERSAL and name in negated else f'"{name}"' for name in columns]


def _of_keys(focus: Any, lines: Any) -> Any:
    """The FOCUS rows of these lines."""
    same = " AND ".join(f'focus."{name}" = lines."{key}"' for name, key in zip(FOCUS_KEY, KEY, strict=True))
    return focus.set_alias("focus").join(lines.set_alias("lines"), same, how="semi")


def _focus_entered(rows: Any, entry: str, number: int) -> Any:
    """FOCUS rows as corrections. Unit prices stay what they were; quantities and costs of a reversal change sign.

    No invoice is known yet that will carry them: each batch has a provisional one of its own.
    """
    shown = []
    for name, text in zip(rows.columns, _signed(rows.columns, entry, _FOCUS_NEGATED), strict=True):
        if name == "ChargeClass":
            shown.append("'Correction' AS \"ChargeClass\"")
        elif name == "InvoiceId":
            shown.append(f'"InvoiceId" || \'-C{number}\' AS "InvoiceId"')
        elif name == "ChargeDescription":
            shown.append(f'\'{entry.capitalize()}: \' || "ChargeDescription" AS "ChargeDescription"')
        else:
            shown.append(text)
    return rows.project(", ".join([*shown, f'{number}::INTEGER AS "x_Correction"', f"'{entry}' AS \"x_Entry\""]))


def _together(booked: Sequence[Any], still_open: Any) -> Any:
    """All batches, in the columns of the newest."""
    columns = ", ".join(f'"{name}"' for name in still_open.columns)
    for rows in booked:
        still_open = still_open.union(rows.project(columns))
    return still_open


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


def in_order(found: Pairs) -> Any:
    """The pairs line by line: batch, key, reversal before re-entry."""
    return _placed(found).order(listed(_ORDER)).project(listed(found.lines.columns))


def _placed(found: Pairs) -> Any:
    return found.lines.project(f"*, CASE entry WHEN '{_REVERSAL}' THEN 1 ELSE 2 END AS place")


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
        _placed(found),
        order=_ORDER,
        amounts=amounts,
        totals=("quantity_billed", *amounts),
        columns=tuple(found.lines.columns),
    )
    if settings.currency:
        charges = _charges(connection, found, month)
        booked = [_booked_journal(store, booking) for booking in bookings]
        journals = [
            kept or journal_of(settings, charges[number], settings.currency)
            for number, kept in enumerate([*booked, None], start=1)
        ]
        yield journal_sheet(connection, pa.concat_tables(journals), "corrections_journal.csv")
        focus = found.focus.project(f"*, CASE \"x_Entry\" WHEN '{_REVERSAL}' THEN 1 ELSE 2 END AS place")
        yield focus_sheet(focus, "corrections_focus_1_2", settings.currency)


_BOOKED_BY = ("contract_id", "network_id", "reporting_month", "account_report", "measure_field", "is_taxable")


def _charges(connection: database.Connection, found: Pairs, month: date) -> dict[int, list[Charge]]:
    """What each batch changes, by its number, with what the ledger was told before.

    Of the contracts in it a batch has all amounts, those that do not change as well: the payable is of their sum.
    """
    columns = (*_BOOKED_BY, "billed_amount")
    lines = found.closed.project(f"0 AS correction, {listed(columns)}").union(
        found.lines.project(f"correction, {listed(columns)}")
    )
    sums = lines.aggregate(f"correction, {listed(_BOOKED_BY)}, sum(billed_amount)::DECIMAL(38, 10) AS amount")
    changes: dict[int, dict[tuple[Any, ...], Decimal]] = {number: {} for number in range(found.number + 1)}
    for number, *group, amount in sums.project(f"correction, {listed(_BOOKED_BY)}, amount").fetchall():
        changes[number][tuple(group)] = amount
    invoices = dict(
        of_month(connection.table("out_contract_invoices"), month).project("contract_id, invoice_number").fetchall()
    )
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
        count, billed = found.open_lines.aggregate("count(*), sum(billed_amount)::VARCHAR").fetchall()[0]
        write_parquet(found.open_lines.order(", ".join((*KEY, "entry"))), staged / LINES)
        write_parquet(
            found.open_focus.order(", ".join(f'"{n}"' for n in (*FOCUS_KEY, "x_Entry", "x_Part"))), staged / FOCUS
        )
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
            "entries": count,
            "billed_amount": billed,
            "note": note,
            "files": seals,
        },
    )
