"""Closing a month: it is sealed, and from then on no pull and no inference changes what finance has.

    closings/YYYY-MM/<entry>/lines.parquet, readings.parquet, findings.parquet, focus.parquet    what was closed
                             exports/…                                                           the files as they were
    closings/log/…                                                                               see `audit_log`

A month with open findings of severity error is closed only if each is accepted, with a reason. The closing's entry in
the audit log has the hash of every frozen file, and is itself chained to later entries; `verify` compares all of it
with the files.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from ecgrid_flows.errors import NoSuchData, Refused, SettingsError
from ecgrid_flows.finance import audit_log, rebill, spreadsheets
from ecgrid_flows.finance.audit_log import CLOSINGS, Decision, Log
from ecgrid_flows.finance.corrections import CORRECTIONS, FOCUS, LINES
from ecgrid_flows.finance.csv_writer import CsvForm
from ecgrid_flows.finance.export import write_month
from ecgrid_flows.finance.export_files import (
    FOCUS_KEY,
    KEY,
    LEDGERS,
    MANIFEST,
    derived_folders,
    files_below,
    form_of,
    opened,
    read_manifest,
    sha256_of,
    write_parquet,
)
from ecgrid_flows.finance.finding_states import find, keep, open_errors, set_state, with_states
from ecgrid_flows.settings import Settings
from ecgrid_flows.storage.atomic_folder import publish, put_back, put_file, staging
from ecgrid_flows.storage.base import Store
from ecgrid_flows.warehouse import books, database
from ecgrid_flows.warehouse.database import of_month, ordered
from ecgrid_flows.warehouse.provenance import run_of
from ecgrid_transforms.money import grouped
from ecgrid_transforms.period import month_text

__all__ = ["Closed", "Verified", "close_month", "reopen_month", "require_closed", "verify"]

_SHOWN = 20
#: Length from which the first characters of a seal identify it; fewer prove nothing.
_SHORTEST_SEAL = 16


@dataclass(frozen=True, slots=True)
class Closed:
    """A month just closed: its log entry (keep its hash, the seal), the accepted findings, and the frozen export."""

    entry: Decision
    accepted: tuple[str, ...]
    exports: tuple[Path, ...]


@dataclass(frozen=True, slots=True)
class Verified:
    """Result of `verify`: the number of files, and those that differ from what was closed."""

    files: int
    faults: tuple[str, ...]


def close_month(
    settings: Settings, store: Store, month: date, accept: Mapping[str, str], posting_date: date | None = None
) -> Closed:
    """Seal `month`; `accept` gives a reason for each finding to accept. The caller holds the data directory's lock.

    Raises `Refused` if the month is closed, was requested only before its end, or has open findings of severity error;
    then nothing is recorded.
    """
    log = audit_log.read(store)
    log.require_sound()
    earlier = log.closing(month)
    if earlier is not None:
        raise Refused(
            f"{month_text(month)} is closed, since {earlier.at} by {earlier.by}: "
            f"`corrections {month_text(month)}` shows what changed, `reopen` opens it again"
        )
    if empty := [name for name, why in accept.items() if not why.strip()]:
        raise SettingsError(f"--accept {empty[0]} needs a reason: add --why TEXT")
    _require_currency(settings, month)
    with opened(settings) as connection:
        _require_whole(connection, month)
        accepted = find(connection, accept, month)
        _require_decided(open_errors(connection, log, month), month, {row["finding_id"] for row in accepted})
        reasons = list(accept.values())
        for why in dict.fromkeys(reasons):
            set_state(store, [row for row, one in zip(accepted, reasons, strict=True) if one == why], "accepted", why)
        log = audit_log.read(store)
        put_back(settings.exports_dir(month))
        made = sorted(derived_folders(settings.exports_dir(month)))
        exports = _export_again(connection, settings, store, log, month, posting_date, made)
        publish(store, settings.exports_dir(month), f"exports/{month_text(month)}", MANIFEST)
        spreadsheets.write(store, settings.exports_dir(month), made)
        entry = _freeze(connection, settings, store, log, month, exports)
    keep(settings.warehouse_path, log)
    if rebill.STATEMENTS in {Path(path).name for path in entry.data["files"]}:
        rebill.rebill_month(settings, store, audit_log.read(store), month)
    return Closed(entry, tuple(row["finding_id"] for row in accepted), tuple(exports))


def _require_whole(connection: database.Connection, month: date) -> None:
    """Raise `Refused` for a month with responses from before its end, which are not of the whole month.

    A run requests every line of its accounts again; lines of an account that no list names any more stay as they are.
    """
    early = database.of_month(books.create(connection, "books_incomplete_months"), month).to_arrow_table().to_pylist()
    if early:
        lines = early[0]["early_lines"]
        what = f"{lines} of its lines were" if lines else "it was"
        raise Refused(
            f"{month_text(month)} is not closed: {what} requested only before its end (UTC). After its end, run "
            f"`ecgrid-billing run --month {month_text(month)}`"
        )


def _require_decided(errors: Sequence[Mapping[str, Any]], month: date, accepted: set[str]) -> None:
    """Raise `Refused` while an error is open and not to be accepted now."""
    shown_columns = ("finding_id", "check_name", "network_id", "mailbox_id", "difference")
    still_open = [tuple(row[name] for name in shown_columns) for row in errors if row["finding_id"] not in accepted]
    if not still_open:
        return
    shown = "\n".join(
        f"  {name}  {check}"
        + ("" if network is None else f"  {network}/{mailbox}")
        + ("" if amount is None else f"  {grouped(amount)}")
        for name, check, network, mailbox, amount in still_open[:_SHOWN]
    )
    more = (
        f"\n  and {len(still_open) - _SHOWN} more: `ecgrid-billing findings --month {month_text(month)}` shows all"
        if len(still_open) > _SHOWN
        else ""
    )
    counted = "1 open finding" if len(still_open) == 1 else f"{len(still_open)} open findings"
    raise Refused(
        f"{month_text(month)} has {counted} of severity error, so it is not closed: accept each "
        f"by --accept FINDING --why TEXT, or decide by `findings set FINDING accepted|disputed|resolved --note TEXT`:\n"
        f"{shown}{more}"
    )


def _export_again(
    connection: database.Connection,
    settings: Settings,
    store: Store,
    log: Log,
    month: date,
    posting_date: date | None,
    also: Sequence[str],
) -> list[Path]:
    """Write the month's export again in its present forms, so that it has the latest decisions."""
    manifest = _manifest(settings, month)
    run_id, form = run_of(settings.warehouse_path), CsvForm()
    if manifest is not None:
        run_id, form = run_id or manifest["run_id"], form_of(manifest)
        if posting_date is None and manifest.get("posting_date"):
            posting_date = date.fromisoformat(manifest["posting_date"])
    return write_month(
        connection,
        settings,
        store,
        log,
        month,
        run_id=run_id,
        form=form,
        posting_date=posting_date,
        also=also,
    )


def _manifest(settings: Settings, month: date) -> dict[str, Any] | None:
    """The manifest of the month's export, if that is complete."""
    try:
        return read_manifest(settings.exports_dir(month))
    except SettingsError:
        return None


def _require_currency(settings: Settings, month: date) -> None:
    """Refuse to close a month without the journal and the FOCUS files that finance already has."""
    manifest = _manifest(settings, month)
    exported_in = manifest and manifest.get("currency")
    if exported_in and exported_in != settings.currency:
        raise Refused(
            f"the export of {month_text(month)} is in {exported_in}, and ECGRID_CURRENCY is now "
            f"{settings.currency or 'not set'}: set it to {exported_in}, or `export` the month again first"
        )


def _freeze(
    connection: database.Connection, settings: Settings, store: Store, log: Log, month: date, exports: list[Path]
) -> Decision:
    """Keep the files, then append the log entry: a closing exists from its entry on."""
    folder = f"{CLOSINGS}/{month_text(month)}/{len(log.entries) + 1:06}"
    with_states(connection, log)
    snapshots = {
        LINES: ordered(of_month(connection.table("out_finance_lines"), month), *KEY),
        FOCUS: ordered(of_month(connection.table("out_focus"), month), *FOCUS_KEY, "InvoiceId", "x_Part"),
        "findings.parquet": ordered(books.create(connection, "books_findings", month=month), "finding_id"),
        "readings.parquet": ordered(
            books.create(connection, "books_used_readings", month=month),
            *("price_list_id", "account_report", "measure_field", "reading_id"),
        ),
    }
    seals = {}
    statements = rebill.new_statements(connection, settings, store, log, month)
    if statements is not None:
        database.register(connection, "new_statements", statements)
        snapshots[rebill.STATEMENTS] = connection.table("new_statements")
    with staging(settings.local_dir / CLOSINGS / "closing") as staged:
        for name, rows in snapshots.items():
            write_parquet(rows, staged / name)
            seals[f"{folder}/{name}"] = sha256_of(staged / name)
            put_file(store, f"{folder}/{name}", staged / name)
    target = settings.exports_dir(month)
    frozen = {path.relative_to(target).as_posix(): sha256_of(path) for path in exports}
    for name in frozen:
        put_file(store, f"{folder}/exports/{name}", target / name)
    manifest = read_manifest(target)
    return audit_log.append(
        store,
        "close",
        {
            "month": month_text(month),
            "run_id": manifest["run_id"],
            "control_totals": manifest["files"]["finance_lines.csv"]["control_totals"],
            "files": seals | {f"{folder}/exports/{name}": seal for name, seal in frozen.items()},
            "exports": frozen,
            **({} if statements is None else {"statements": rebill.numbers_of(statements)}),
        },
    )


def reopen_month(store: Store, month: date, why: str) -> Decision:
    """Reopen a closed month, for a reason; what was closed stays in `closings`. The caller holds the lock."""
    if not why.strip():
        raise SettingsError("reopening needs a reason: add --why TEXT")
    log = audit_log.read(store)
    log.require_sound()
    closing = require_closed(log, month)
    return audit_log.append(
        store, "reopen", {"month": month_text(month), "why": why.strip(), "closing": closing.number}
    )


def require_closed(log: Log, month: date) -> Decision:
    """The closing of `month`; raises `NoSuchData` if it is open."""
    closing = log.closing(month)
    if closing is None:
        raise NoSuchData(f"{month_text(month)} is not closed: `ecgrid-billing close {month_text(month)}` closes it")
    return closing


def verify(settings: Settings, store: Store, month: date, seal: str | None = None) -> Verified:
    """Hold the log and every file of the closed month against their seals; `seal` is one that was kept elsewhere.

    The files of the month's earlier closings, and of what was booked, are held as well. Raises `NoSuchData` when the
    month is open and nothing is wrong, `SettingsError` when `seal` cannot be one.
    """
    if seal is not None and len(seal.strip()) < _SHORTEST_SEAL:
        raise SettingsError(f"a seal has 64 letters and digits, and {seal!r} would fit many: give all of it")
    log = audit_log.read(store)
    faults = list(log.faults)
    if seal is not None and not any(entry.sha256.startswith(seal.strip().lower()) for entry in log.entries):
        faults.append(f"no entry of the log has the seal {seal}")
    faults.extend(_unnamed_files(store, log, month))
    closing = log.closing(month)
    if closing is None:
        if not faults:
            require_closed(log, month)
        return Verified(0, tuple(faults))
    seals: dict[str, str] = {}
    for entry in log.entries:
        if _keeps_files(entry, month):
            seals |= entry.data["files"]
    for path, kept in seals.items():
        if not store.exists(path):
            faults.append(f"{store.uri(path)} is missing")
        elif _sha256(store, path) != kept:
            faults.append(f"{store.uri(path)} is not what it was")
    exports: dict[str, str] = closing.data["exports"]
    faults.extend(_export_faults(settings.exports_dir(month), exports))
    return Verified(len(seals) + len(exports), tuple(faults))


def _keeps_files(entry: Decision, month: date) -> bool:
    return entry.kind in ("close", "corrections") and entry.data.get("month") == month_text(month)


def _unnamed_files(store: Store, log: Log, month: date) -> list[str]:
    """Files among what the closings of `month` keep that no entry of the log names.

    A folder whose number the log gave to another decision is left from a closing that was cut short, and is nothing.
    """
    numbered = {f"{entry.number:06}": entry for entry in log.entries}
    faults: dict[str, None] = {}
    for found in store.entries(f"{CLOSINGS}/{month_text(month)}"):
        folder = "/".join(found.path.split("/")[:3])
        entry = numbered.get(folder.rsplit("/", 1)[1])
        if entry is None:
            told = "is there without an entry of the log: a closing was cut short, or entries of the log are gone"
            faults[f"{store.uri(folder)} {told}"] = None
        elif _keeps_files(entry, month) and found.path not in entry.data["files"]:
            faults[f"{store.uri(found.path)} was not there when {month_text(month)} was closed"] = None
    return list(faults)


def _export_faults(folder: Path, exports: Mapping[str, str]) -> list[str]:
    """Files of the export's folder that differ from what was closed; corrections are compared with their manifest."""
    faults = []
    for name, kept in exports.items():
        if not (folder / name).is_file():
            faults.append(f"{folder / name} is missing; `export` puts it back as it was closed")
        elif sha256_of(folder / name) != kept:
            faults.append(f"{folder / name} is not what was closed")
    if folder.is_dir():
        apart = (CORRECTIONS, LEDGERS, *derived_folders(folder))
        faults.extend(
            f"{folder / name} was not there when the month was closed: take it away"
            for name in files_below(folder)
            if name not in exports and not name.startswith(".") and name.split("/")[0] not in apart
        )
    if (folder / CORRECTIONS).is_dir():
        faults.extend(_correction_faults(folder / CORRECTIONS))
    return faults


def _correction_faults(folder: Path) -> list[str]:
    again = "`corrections` writes it anew"
    try:
        files = read_manifest(folder)["files"]
    except (NoSuchData, SettingsError):
        return [f"{folder / MANIFEST} is missing or damaged; {again}"]
    return [
        f"{folder / name} does not match its manifest; {again}"
        for name, entry in files.items()
        if not (folder / name).is_file() or sha256_of(folder / name) != entry["sha256"]
    ]


def _sha256(store: Store, path: str) -> str:
    return sha256_of(Path(store.locals([path])[0]))
