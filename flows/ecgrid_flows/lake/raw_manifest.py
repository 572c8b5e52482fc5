"""The manifest of a month's raw segments, and whether they are still whole.

    raw/_segments/YYYY-MM.json      name, size, SHA-256 and number of responses per segment; lost responses

`seal` compares every segment of a month with the manifest and describes new ones. A segment that is as described is
whole. One that grew since is whole up to its described size. Any other is read line by line: lines that are torn,
damaged or do not match their body's SHA-256 are quarantined, and the responses that the manifest counts beyond the
remaining ones are lost. They stay named until the month is pulled whole again (`pulled_whole`). Which calls they
answered is unknown, and an earlier response to the same call may remain: so of a feed that lost any, only what the
writer of the damaged segment or a later one wrote still counts for a pull (`Sealed.since`). Records of imported
invoices are not counted: no pull restores them, so `import_register` names each that is missing.

Segments of a month that is over are packed (`pack`): zstd frames of whole lines, so `zstdcat … | jq` reads them and a
damaged frame costs its own lines alone.
"""

import hashlib
import json
import zlib
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import Any

from ecgrid_flows import formats
from ecgrid_flows.lake import raw_log, repeats
from ecgrid_flows.lake.import_register import IMPORTS
from ecgrid_flows.lake.raw_log import FEED_OF, PACKED, RAW
from ecgrid_flows.storage.base import QUARANTINE, Entry, Quarantined, Store
from ecgrid_transforms.invoices import IMPORTED
from ecgrid_transforms.period import NotAMonth, month_end, month_text, parse_month

__all__ = ["Sealed", "Segment", "months", "pack", "pulled_whole", "seal"]

SEGMENTS = f"{RAW}/_segments"
_THREADS = 4


@dataclass(frozen=True, slots=True)
class Segment:
    """One segment as stored, and the size and hash of its lines, which packing does not change."""

    size: int
    sha256: str
    answers: int
    lines_size: int
    lines_sha256: str
    is_imported: bool = False
    #: `Entry.version`, where the storage verifies checksums; else empty, and the content is hashed each time.
    version: str = ""


@dataclass(slots=True)
class Sealed:
    """A month's segments by path. `lost` counts kept responses that are missing, until the month is pulled whole.

    `since` has, for each feed that lost any, the start of the names of the first damaged segment's writer.
    """

    month: date
    segments: dict[str, Segment] = field(default_factory=dict)
    lost: int = 0
    since: dict[str, str] = field(default_factory=dict)
    quarantined: list[Quarantined] = field(default_factory=list)
    repeats: list[str] = field(default_factory=list)

    @property
    def answers(self) -> int:
        return sum(segment.answers for segment in self.segments.values())

    def lose(self, path: str, count: int, *, is_imported: bool) -> None:
        """Count lost responses of a segment."""
        if count and not is_imported:
            self.lost += count
            feed, writer = path.split("/")[1], raw_log.place_in_order(path).rpartition("-")[0]
            self.since[feed] = min(writer, self.since.get(feed, writer))

    def digest(self) -> str:
        """Identifier of a state of the month's responses, packed or not."""
        described = [
            (raw_log.plain_name(path), one.lines_size, one.lines_sha256) for path, one in self.segments.items()
        ]
        return hashlib.sha256(json.dumps([sorted(described), self.repeats]).encode()).hexdigest()


def months(store: Store) -> list[date]:
    """Every month that has, or had, raw responses."""
    found = {month for feed in set(FEED_OF.values()) for month in raw_log.months(store, feed)}
    for folder in (SEGMENTS, IMPORTS):
        for entry in store.entries(folder):
            try:
                found.add(parse_month(entry.path.removeprefix(f"{folder}/").removesuffix(".json")))
            except NotAMonth:
                continue
    return sorted(found)


def seal(store: Store, month: date, *, is_deep: bool = False, advance: Callable[[], None] = lambda: None) -> Sealed:
    """Check and describe every segment of the month. The caller holds the run lock.

    `is_deep` reads every line, also of segments that are as described; `advance` is called after each segment.
    """
    sealed = Sealed(month, repeats=repeats.state(store, month))
    known, before = _read(store, month, sealed)
    if sealed.lost and not sealed.since:  # counted by an earlier release, which did not record where
        sealed.since = dict.fromkeys(FEED_OF.values(), raw_log.newest(store, month))
    for feed in sorted(set(FEED_OF.values())):
        entries = {entry.path: entry for entry in store.entries(raw_log.folder(feed, month))}
        _drop_twins(store, entries, known)
        for path, entry in entries.items():
            if raw_log.is_of_repeats(path):
                continue  # the repeated responses are in other segments, and the calls of a torn line are made again
            if not raw_log.is_segment(path):
                sealed.quarantined.append(store.quarantine(path, "it is not a segment of raw responses"))
                continue
            was = known.pop(path, None) or known.pop(_other_form(path), None)
            if was and not is_deep and entry.size == was.size and _is_as_described(store, entry, was):
                sealed.segments[path] = replace(was, version=entry.version if store.is_self_checking else "")
            else:
                _examine(store, entry, was, sealed, is_deep)
            advance()
    for path, was in known.items():
        sealed.lose(path, was.answers, is_imported=was.is_imported)
    _write(store, sealed, before)
    return sealed


def pulled_whole(store: Store, month: date) -> None:
    """Record that every key of the month has a response again, so that nothing lost is missing."""
    sealed = Sealed(month)
    sealed.segments, before = _read(store, month, sealed)
    sealed.lost, sealed.since = 0, {}
    if before:
        _write(store, sealed, before)


def pack(store: Store, month: date, now: datetime) -> Sealed:
    """Pack the segments of a month that is over; returns their new state. The caller holds the run lock.

    A packed segment is written beside the plain one, then the manifest names it, then the plain one is deleted: a
    process killed in between leaves both, and `seal` deletes the one that the manifest does not name.
    """
    if now < month_end(month):
        return Sealed(month)
    sealed = seal(store, month)
    plain = [path for path in sealed.segments if not path.endswith(PACKED)]
    if not plain:
        return sealed

    def packed(path: str) -> tuple[str, Segment] | None:
        was, data = sealed.segments[path], store.read(path)
        if hashlib.sha256(data).hexdigest() != was.sha256:
            return None  # the next sealing adds it to the manifest
        small = raw_log.packed(data)
        store.write(path + PACKED.removeprefix(raw_log.PLAIN), small)
        size, sha256 = len(small), hashlib.sha256(small).hexdigest()
        return path, replace(was, size=size, sha256=sha256, version="")

    with ThreadPoolExecutor(_THREADS, "pack") as threads:
        for found in threads.map(packed, plain):
            if found is not None:
                path, segment = found
                del sealed.segments[path]
                sealed.segments[_other_form(path)] = segment
    _write(store, sealed, b"")
    for path in plain:
        if path not in sealed.segments:
            store.delete(path)
    return sealed


def _drop_twins(store: Store, entries: dict[str, Entry], known: Mapping[str, Segment]) -> None:
    """Where packing was interrupted, a segment exists packed and plain: keep the one that the manifest names."""
    for path in [path for path in entries if path.endswith(PACKED) and _other_form(path) in entries]:
        named = known.get(path)
        is_packed_whole = named is not None and store.holds(entries[path], named.sha256)
        superfluous = _other_form(path) if is_packed_whole else path
        store.delete(superfluous)
        del entries[superfluous]


def _is_as_described(store: Store, entry: Entry, was: Segment) -> bool:
    if store.is_self_checking and was.version:
        return entry.version == was.version
    return store.holds(entry, was.sha256)


def _examine(store: Store, entry: Entry, was: Segment | None, sealed: Sealed, is_deep: bool) -> None:
    """Describe one segment by its lines, and quarantine those that are not whole responses."""
    path = entry.path
    read = stored = store.read(path)
    data = raw_log.unpacked(stored) if path.endswith(PACKED) else stored
    begin, answers = 0, 0
    is_as_it_was = was is not None and hashlib.sha256(data[: was.lines_size]).hexdigest() == was.lines_sha256
    if was is not None and is_as_it_was and not is_deep:
        begin, answers = was.lines_size, was.answers
    is_whole = raw_log.is_sound if is_deep or (was is not None and not is_as_it_was) else raw_log.is_whole
    lines = [data[first:last] for first, last in raw_log.lines(data, begin)]
    good = [line for line in lines if is_whole(line)]
    answers += len(good)
    may_be_imported = path.split("/")[1] == FEED_OF[IMPORTED]
    is_imported = bool(was and was.is_imported) or (may_be_imported and any(map(_is_of_import, good)))
    bad = [line for line in lines if not is_whole(line)] if len(good) < len(lines) else []
    if was is not None:
        sealed.lose(path, max(was.answers - answers, 0), is_imported=is_imported)
    else:  # a last line without its end was written by a killed process, and never counted as done
        damaged = sum(line.endswith(b"\n") and _was_answer(line) for line in bad)
        sealed.lose(path, damaged, is_imported=is_imported)
    if not answers:
        sealed.quarantined.append(store.quarantine(path, "it holds no whole response"))
        return
    if bad or (path.endswith(PACKED) and was is not None and answers < was.answers):
        sealed.quarantined.append(_quarantine(store, path, stored, bad))
    elif path.endswith(PACKED) and was is not None and hashlib.sha256(stored).hexdigest() != was.sha256:
        now = f"{QUARANTINE}/{path}.torn-{zlib.crc32(stored):08x}"
        store.write(now, stored)
        sealed.quarantined.append(
            Quarantined(path, now, "it is not as it was packed; all its lines are whole and were packed again")
        )
    kept = data[:begin] + b"".join(good)
    if path.endswith(PACKED) and (was is None or hashlib.sha256(stored).hexdigest() != was.sha256 or kept != data):
        stored = raw_log.packed(kept)
        store.write(path, stored)
    elif kept != data:
        stored = kept
        store.write(path, stored)
    sealed.segments[path] = Segment(
        len(stored),
        hashlib.sha256(stored).hexdigest(),
        answers,
        len(kept),
        hashlib.sha256(kept).hexdigest(),
        is_imported,
        entry.version if store.is_self_checking and stored is read else "",
    )


def _quarantine(store: Store, path: str, stored: bytes, bad: list[bytes]) -> Quarantined:
    """Keep what is damaged under a new name, before the segment is written without it.

    A crash in between only repeats this. Of a packed segment the whole file is kept.
    """
    kept = stored if path.endswith(PACKED) else b"".join(bad)
    now = f"{QUARANTINE}/{path}.torn-{zlib.crc32(kept):08x}"
    store.write(now, kept)
    count = f"{len(bad)} of its lines" if bad else "some of its lines"
    return Quarantined(path, now, f"{count} are torn or damaged; they are requested again")


def _was_answer(line: bytes) -> bool:
    """Whether a damaged line was probably a response."""
    return line.startswith(b'{"check"') and line.endswith(b"}\n")


def _is_of_import(line: bytes) -> bool:
    return raw_log.decode(line, with_body=False).operation == IMPORTED


def _other_form(path: str) -> str:
    """The name of a segment in the other form: plain for a packed one, packed for a plain one."""
    plain = raw_log.plain_name(path)
    return plain if path != plain else plain.removesuffix(raw_log.PLAIN) + PACKED


def _path(month: date) -> str:
    return f"{SEGMENTS}/{month_text(month)}.json"


def _read(store: Store, month: date, sealed: Sealed) -> tuple[dict[str, Segment], bytes]:
    """The manifest's segments by path, and its bytes; what it counts as lost is noted in `sealed`.

    A damaged manifest is quarantined.
    """
    path = _path(month)
    if not store.exists(path):
        return {}, b""
    data = store.read(path)
    try:
        found = json.loads(data)
        formats.require_readable("raw", found, store.uri(path))
        segments = {f"{RAW}/{one['path']}": _segment(one) for one in found["segments"]}
        lost = int(found["lost"])
        sealed.since = {str(feed): str(name) for feed, name in found.get("lost_since", {}).items()}
    except (ValueError, KeyError, TypeError, AttributeError):
        sealed.quarantined.append(store.quarantine(path, "it is not a manifest of raw responses; a new one is written"))
        return {}, b""
    sealed.lost = lost
    return segments, data


def _segment(one: Mapping[str, Any]) -> Segment:
    size, sha256 = int(one["bytes"]), str(one["sha256"])
    lines = one.get("lines", {"bytes": size, "sha256": sha256})
    version = str(one.get("version", ""))
    lines_size, lines_sha256, is_imported = int(lines["bytes"]), str(lines["sha256"]), bool(one.get("is_imported"))
    return Segment(size, sha256, int(one["answers"]), lines_size, lines_sha256, is_imported, version)


def _described(sealed: Sealed) -> Iterator[dict[str, Any]]:
    for path, one in sorted(sealed.segments.items()):
        described: dict[str, Any] = {"path": path.removeprefix(f"{RAW}/"), "bytes": one.size, "sha256": one.sha256}
        described["answers"] = one.answers
        if one.version:
            described["version"] = one.version
        if one.is_imported:
            described["is_imported"] = True
        if path.endswith(PACKED):
            described["lines"] = {"bytes": one.lines_size, "sha256": one.lines_sha256}
        yield described


def _write(store: Store, sealed: Sealed, before: bytes) -> None:
    document: dict[str, Any] = {**formats.stamp("raw"), "lost": sealed.lost}
    if sealed.since:
        document["lost_since"] = sealed.since
    document["segments"] = list(_described(sealed))
    data = (json.dumps(document, indent=1) + "\n").encode()
    if data != before:
        store.write(_path(sealed.month), data)
