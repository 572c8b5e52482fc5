"""`verify`: checks every stored hash and restores damaged files from the stage before.

raw ← nothing: a missing response is reported, and the next `run` of its month requests it again. The lake ← raw.
Exports ← the warehouse; those of a closed month ← closings. Closings ← the export if it is unchanged since the closing,
else nothing. A damaged file is quarantined before it is replaced.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from ecgrid_flows.errors import BillingError, NoSuchData, SettingsError
from ecgrid_flows.finance import audit_log, corrections
from ecgrid_flows.finance.audit_log import CLOSINGS
from ecgrid_flows.finance.export import export_month
from ecgrid_flows.finance.export_files import MANIFEST, read_manifest, sha256_of
from ecgrid_flows.lake import raw_manifest, repeats
from ecgrid_flows.lake.partitions import LAKE
from ecgrid_flows.orchestration import tasks
from ecgrid_flows.orchestration.run_context import Run
from ecgrid_flows.settings import Settings
from ecgrid_flows.storage.atomic_folder import publish, put_file
from ecgrid_flows.storage.base import Store, holds_path
from ecgrid_flows.storage.local import LocalStore
from ecgrid_transforms.period import NotAMonth, month_text, parse_month

__all__ = ["Verification", "count", "verify"]

PLACES = ("raw", LAKE, "exports", CLOSINGS)
Advance = Callable[[], None]


@dataclass(slots=True)
class Verification:
    """Number of files checked per place, restored files, and lost files."""

    files: dict[str, int] = field(default_factory=lambda: dict.fromkeys(PLACES, 0))
    healed: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)


def count(run: Run, month: date | None) -> int:
    """About how many files `verify` will check, for a progress bar."""
    return sum(
        place == LAKE or month is None or month_text(month) in entry.path
        for place in PLACES
        for entry in run.store.entries(place)
        if "/_" not in entry.path
    )


def verify(run: Run, month: date | None, advance: Advance = lambda: None) -> Verification:
    """Check the data of `month`, or of all months. The caller must have the lock."""
    found = Verification()
    months = [one for one in raw_manifest.months(run.store) if month in (None, one)]
    _raw(run, months, found, advance)
    _lake(run, month, months, found, advance)
    _closings(run.settings, run.store, month, found, advance)
    _exports(run, month, found, advance)
    return found


def _raw(run: Run, months: list[date], found: Verification, advance: Advance) -> None:
    for month in months:
        quarantined, files = repeats.verify(run.store, month)
        sealed = raw_manifest.seal(run.store, month, is_deep=True, advance=advance)
        found.files["raw"] += len(sealed.segments) + files
        found.healed += map(str, (*quarantined, *sealed.quarantined))


def _lake(run: Run, month: date | None, months: list[date], found: Verification, advance: Advance) -> None:
    """Quarantine damaged parts, then land their months again."""
    quarantined = run.lake.quarantine_damaged(advance=advance)
    for one in months:
        run.land(one)
        found.files[LAKE] += run.lake.part_count(one)
    found.healed += map(str, quarantined)
    run.name_what_cannot_be_landed()
    found.lost += [words for lost, words in sorted(run.lost.items()) if month in (None, lost)]


# --- exports ----------------------------------------------------------------------------------------------------------


def _exports(run: Run, month: date | None, found: Verification, advance: Advance) -> None:
    settings, log = run.settings, audit_log.read(run.store)
    for folder in _export_folders(settings):
        billed = _month_of(folder.relative_to(settings.local_dir).parts[1])
        if billed is None or month not in (None, billed):
            continue
        damaged = []
        for name, kept in _hashes(folder).items():
            found.files["exports"] += 1
            advance()
            if not (folder / name).is_file():
                damaged.append(f"{folder / name} is missing")
            elif kept is not None and sha256_of(folder / name) != kept:
                damaged.append(_quarantined(settings, folder / name))
        if not damaged:
            continue
        try:
            if log.closing(billed) is None and not _is_whole_month(folder):
                raise NoSuchData("export it again as it was exported")
            if not settings.warehouse_path.is_file():
                tasks.build(run)
            export_month(settings, billed)
        except BillingError as error:
            found.lost += [f"{words}. It was not restored: {error}" for words in damaged]
        else:
            found.healed += [f"{words}; exported anew" for words in damaged]


def _export_folders(settings: Settings) -> list[Path]:
    return sorted(path.parent for path in (settings.local_dir / "exports").rglob(MANIFEST))


def _hashes(folder: Path) -> Mapping[str, str | None]:
    """The files that a manifest names, by their hashes; the manifest itself, with none, where it cannot be read."""
    try:
        return {name: str(entry["sha256"]) for name, entry in read_manifest(folder)["files"].items()}
    except (SettingsError, KeyError, TypeError):
        return {MANIFEST: ""}


def _is_whole_month(folder: Path) -> bool:
    """Whether `export` writes this folder by itself, without an option."""
    return folder.parent.name == "exports" and len(folder.name) == len("YYYY-MM") and _month_of(folder.name) is not None


def _month_of(name: str) -> date | None:
    try:
        return parse_month(name[:7])
    except NotAMonth:
        return None


def _quarantined(settings: Settings, path: Path) -> str:
    """Quarantine a file of the export; returns the result as text."""
    place = path.relative_to(settings.local_dir).as_posix()
    return str(LocalStore(settings.local_dir).quarantine(place, "it differs from the exported file"))


# --- closings ---------------------------------------------------------------------------------------------------------


def _closings(settings: Settings, store: Store, month: date | None, found: Verification, advance: Advance) -> None:
    log = audit_log.read(store)
    found.files[CLOSINGS] += len(log.entries)
    found.lost += [f"the audit log: {fault}" for fault in log.faults]
    for entry, path, kept in _kept_files(log, month):
        found.files[CLOSINGS] += 1
        advance()
        if (is_whole := holds_path(store, path, kept)) is True:
            continue
        words = f"{path} is missing"
        if is_whole is False:
            words = str(store.quarantine(path, "it differs from the closed file"))
        source = settings.exports_dir(parse_month(entry.data["month"])) / path.rpartition("/exports/")[2]
        if "/exports/" in path and source.is_file() and sha256_of(source) == kept:
            put_file(store, path, source)
            found.healed.append(f"{words}; restored from {source}")
        else:
            found.lost.append(f"{words}. Restore it from a backup")
    for closing in _standing(log, month):
        _heal_frozen(settings, store, closing, found)


def _kept_files(log: audit_log.Log, month: date | None) -> Iterator[tuple[audit_log.Decision, str, str]]:
    """The files that closings and bookings keep, with the hashes that the log has of them."""
    for entry in log.entries:
        if entry.kind in ("close", "corrections") and (month is None or entry.data.get("month") == month_text(month)):
            for path, kept in entry.data.get("files", {}).items():
                yield entry, path, kept


def _standing(log: audit_log.Log, month: date | None) -> list[audit_log.Decision]:
    """The closings of the months that are closed now."""
    months = {entry.data["month"] for entry in log.entries if entry.kind == "close"}
    closings = [log.closing(parse_month(one)) for one in sorted(months) if month is None or one == month_text(month)]
    return [closing for closing in closings if closing is not None]


def _heal_frozen(settings: Settings, store: Store, closing: audit_log.Decision, found: Verification) -> None:
    """Restore the export of a closed month if one of its files changed."""
    folder = settings.exports_dir(parse_month(closing.data["month"]))
    exports: dict[str, Any] = closing.data["exports"]
    damaged = [name for name, kept in exports.items() if (folder / name).is_file() and sha256_of(folder / name) != kept]
    missing = [name for name in exports if not (folder / name).is_file()]
    words = [_quarantined(settings, folder / name) for name in damaged]
    words += [f"{folder / name} was missing" for name in missing]
    if not words:
        return
    try:
        corrections.frozen_export(settings, store, closing)
    except BillingError as error:
        found.lost += [f"{one}. It was not restored: {error}" for one in words]
    else:
        found.healed += [f"{one}; restored from the closing" for one in words]
    publish(store, folder, f"exports/{closing.data['month']}", MANIFEST)
