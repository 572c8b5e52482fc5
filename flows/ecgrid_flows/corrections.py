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
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from ecgrid_flows import decisions, warehouse
from ecgrid_flows.built_by import run_of
from ecgrid_flows.csv_files import CsvForm
from ecgrid_flows.decisions import CLOSINGS, Decision, Log
from ecgrid_flows.errors import NoSuchData, Refused
from ecgrid_flows.folders import publish, put_file, put_in_place, staging
from ecgrid_flows.settings import Settings
from ecgrid_flows.sheets import (
    FOCUS_KEY,
    KEY,
    MANIFEST,
    Sheet,
    focus_sheet,
    form_of,
    form_words,
    journal_sheet,
    listed,
    of_month,
    opened,
    place,
    read_manifest,
    sha256_of,
    write_parquet,
    write_sheet,
)
from ecgrid_flows.store import Store
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
        with staging(target) as staged:
            for name in seals:
                (staged / name).write_bytes(store.read(f"{closed_folder(closing)}/exports/{name}"))
            put_in_place(staged, target)
        publish(store, target, f"exports/{closing.data['month']}", MANIFEST)
    return [target / name for name in sorted(seals, key=lambda name: (name == MANIFEST, name))]


@dataclass(frozen=True, slots=True)
class Pairs:
    """The corrections of one closed month as relations: line by line, and as FOCUS rows (currency not yet filled in).

    `open_lines` and `open_focus` are those not yet booked; their number is `number`.
    """

    lines: Any
    focus: Any
    open_lines: Any
    open_focus: Any
    number: int


@contextmanager
def pairs(
    settings: Settings, store: Store, log: Log, closing: Decision
) -> Iterator[tuple[warehouse.Connection, Pairs]]:
    """The corrections of a closed month: those booked, and what else the warehouse now says."""
    month = parse_month(closing.data["month"])
    with opened(settings) as connection:
        bookings = log.bookings(closing)
        number = len(bookings) + 1
        closed_lines = _read(connection, store, f"{closed_folder(closing)}/{LINES}")
        closed_focus = _read(connection, store, f"{closed_folder(closing)}/{FOCUS}")
        booked_lines, booked_focus = [], []
        for booking in bookings:
            booked_lines.append(_read(connection, store, f"{_booked_folder(booking)}/{LINES}"))
            booked_focus.append(_read(connection, store, f"{_booked_folder(booking)}/{FOCUS}"))
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
                _together(booked_lines, open_lines), _together(booked_focus, open_focus), open_lines, open_focus, number
            ),
        )


def _booked_folder(booking: Decision) -> str:
    return f"{CLOSINGS}/{booking.data['month']}/{booking.number:06}"


def _read(connection: warehouse.Connection, store: Store, path: str) -> Any:
    if not store.exists(path):
        raise NoSuchData(f"{store.uri(path)} is gone, which the closed month stands on: put it back from a backup")
    return connection.read_parquet(store.locals([path])[0])


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
    form = form or form_of(read_manifest(folder))
    with pairs(settings, store, log, closing) as (connection, found):
        if not target.exists() and not found.lines.limit(1).fetchall():
            return []
        with staging(target) as staged:
            files: dict[str, Any] = {}
            for sheet in _sheets(connection, settings, found, month):
                files |= write_sheet(sheet, staged, form)
            manifest = {
                "month": month_text(month),
                "run_id": run_id or run_of(settings.warehouse_path),
                "closing": {"number": closing.number, "sha256": closing.sha256},
                "booked": [entry.number for entry in log.bookings(closing)],
                "currency": settings.currency,
                "csv": form_words(form),
                "files": dict(sorted(files.items())),
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


def _sheets(connection: warehouse.Connection, settings: Settings, found: Pairs, month: date) -> Iterator[Sheet]:
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
        yield journal_sheet(
            connection, settings, _charges(connection, found, month), "corrections_journal.csv", settings.currency
        )
        focus = found.focus.project(f"*, CASE \"x_Entry\" WHEN '{_REVERSAL}' THEN 1 ELSE 2 END AS place")
        yield focus_sheet(focus, "corrections_focus_1_2", settings.currency)


def _charges(connection: warehouse.Connection, found: Pairs, month: date) -> Any:
    """The pairs as amounts to book: what each batch changes per contract, network, report, measure and tax flag."""
    by = "correction, contract_id, network_id, reporting_month, account_report, measure_field, is_taxable"
    changes = found.lines.aggregate(f"{by}, sum(billed_amount)::DECIMAL(38, 10) AS amount").set_alias("changes")
    invoices = of_month(connection.table("out_contract_invoices"), month).project("contract_id, invoice_number")
    numbered = changes.join(
        invoices.set_alias("invoices"), "changes.contract_id IS NOT DISTINCT FROM invoices.contract_id", how="left"
    )
    return numbered.project("changes.*, invoices.invoice_number, concat('-C', changes.correction) AS suffix")


def book(settings: Settings, store: Store, log: Log, closing: Decision, note: str) -> Decision | None:
    """Book what is open: it gets its number for good. None when there is nothing; the caller holds the lock."""
    log.require_sound()
    place_of = f"{CLOSINGS}/{closing.data['month']}/{len(log.entries) + 1:06}"
    with (
        pairs(settings, store, log, closing) as (_, found),
        staging(settings.local_dir / CLOSINGS / "booking") as staged,
    ):
        if not found.open_lines.limit(1).fetchall():
            return None
        count, billed = found.open_lines.aggregate("count(*), sum(billed_amount)::VARCHAR").fetchall()[0]
        write_parquet(found.open_lines.order(", ".join((*KEY, "entry"))), staged / LINES)
        write_parquet(
            found.open_focus.order(", ".join(f'"{n}"' for n in (*FOCUS_KEY, "x_Entry", "x_Part"))), staged / FOCUS
        )
        seals = {f"{place_of}/{name}": sha256_of(staged / name) for name in (LINES, FOCUS)}
        for path in seals:
            put_file(store, path, staged / path.rsplit("/", 1)[1])
    return decisions.append(
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
