"""Repeated responses: a response equal to one in raw is stored as hash and time, without the body.

    raw/<feed>/reporting_month=YYYY-MM/<segment>.repeats.jsonl    one repeat per line, during a pull of the month
    raw/_rounds/YYYY-MM.jsonl                                     one line per completed pull of the month

Each repeat is durable by itself, so a killed pull continues from there. Once every call of the month has a response the
repeats of that pull become one line (`fold`): its start, the number of equal responses, the hash of them all, and the
calls, as a list of exceptions where that is shorter. So a nightly pull of an unchanged month adds some 300 bytes,
whatever its size. Repeats have the time at which their pull began.
"""

import hashlib
import json
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import Any

from ecgrid_flows.lake import raw_log
from ecgrid_flows.lake.raw_log import FEED_OF, Place, RawAnswer
from ecgrid_flows.storage.base import QUARANTINE, Quarantined, Store
from ecgrid_transforms.period import month_end

__all__ = ["Round", "fold", "resolved", "rounds", "verify", "with_rounds"]


@dataclass(frozen=True, slots=True)
class Round:
    """A completed pull of a month, and the calls whose responses it repeated, by `short` names.

    `order` is its place among the segments of the month; `only` is None where all calls are repeated `but` some.
    """

    order: str
    at: datetime
    only: frozenset[str] | None
    but: frozenset[str]

    def covers(self, place: Place, answer: RawAnswer) -> bool:
        """Whether it repeated this response, or a later one to the same call."""
        if place.order >= self.order or not answer.is_usable:
            return False
        if self.only is None and not self.but:
            return True
        name = short(raw_log.name(answer.operation, answer.arguments))
        return name not in self.but if self.only is None else name in self.only


def short(name: str) -> str:
    """A call as 16 characters: among ten million calls, two collide once in 400,000 months."""
    return hashlib.blake2b(name.encode(), digest_size=8).hexdigest()


def rounds(store: Store, month: date) -> tuple[Round, ...]:
    """The rounds of a month, oldest first."""
    return tuple(
        Round(
            found["order"],
            datetime.fromisoformat(found["at"]),
            None if found["only"] is None else frozenset(found["only"]),
            frozenset(found["but"]),
        )
        for found in raw_log.rounds(store, month)
    )


def fold(store: Store, month: date) -> None:
    """Replace the repeats of a completed pull by one line. A crash in between only repeats this.

    Those that a pull before the month's end left when it was interrupted become a line of their own: in one line with
    later ones they would give these their time, at which the month was not over.
    """
    segments = [
        path
        for feed in sorted(set(FEED_OF.values()))
        for path in raw_log.segments(store, feed, month)
        if raw_log.is_of_repeats(path)
    ]
    if not segments:
        return
    early, late, over = _Repeats(), _Repeats(), month_end(month)
    for path in segments:
        of_segment = _Repeats([raw_log.place_in_order(path)])
        for _, answer in raw_log.scan_segment(store, path):
            of_segment.hashes[short(raw_log.name(answer.operation, answer.arguments))] = answer.sha256
            of_segment.times.append(answer.received_at)
        if of_segment.times:
            (late if min(of_segment.times) >= over else early).add(of_segment)
    documents = [_folded(store, month, several) for several in (early, late) if several.times]
    if documents:
        orders = {one["order"] for one in documents}
        earlier = [one for one in raw_log.rounds(store, month) if one["order"] not in orders]
        store.write(raw_log.rounds_path(month), b"".join(map(raw_log.framed, [*earlier, *documents])))
    for path in segments:
        store.delete(path)


@dataclass(slots=True)
class _Repeats:
    """Repeats of some segments: the places of these in the order of writing, hashes by `short` name, and times."""

    orders: list[str] = field(default_factory=list)
    hashes: dict[str, str] = field(default_factory=dict)
    times: list[datetime] = field(default_factory=list)

    def add(self, later: "_Repeats") -> None:
        self.orders += later.orders
        self.hashes |= later.hashes
        self.times += later.times


def _folded(store: Store, month: date, found: _Repeats) -> dict[str, Any]:
    """The line of one pull."""
    first, hashes = min(found.orders), found.hashes
    known = {
        short(raw_log.name(answer.operation, answer.arguments))
        for feed in sorted(set(FEED_OF.values()))
        for place, answer in raw_log.scan(store, feed, month)
        if answer.is_usable and not answer.is_repeat and place.order < first
    }
    but = sorted(known - hashes.keys())
    is_short = len(but) <= len(hashes)
    return {
        "at": min(found.times).isoformat(),
        "to": max(found.times).isoformat(),
        "order": first,
        "answers": len(hashes),
        "sha256": _hash(hashes),
        "only": None if is_short else sorted(hashes),
        "but": but if is_short else [],
    }


def verify(store: Store, month: date) -> tuple[list[Quarantined], int]:
    """Check every line of the month's repeats and rounds; returns what was quarantined and how many files were read.

    A round whose hash differs from that of the responses that it repeats proves nothing. Each call of a quarantined
    line is made again. The caller holds the run lock.
    """
    quarantined: list[Quarantined] = []
    files = 0
    for feed in sorted(set(FEED_OF.values())):
        for path in raw_log.segments(store, feed, month):
            if raw_log.is_of_repeats(path):
                files += 1
                quarantined += _kept_sound(store, path, raw_log.is_whole)
    path = raw_log.rounds_path(month)
    if store.exists(path):
        files += 1
        latest = _latest_before(store, month)
        quarantined += _kept_sound(store, path, lambda line: raw_log.is_whole(line) and _is_as_folded(line, latest))
    return quarantined, files


def _kept_sound(store: Store, path: str, is_sound: Callable[[bytes], bool]) -> list[Quarantined]:
    """Move the lines that are not sound out of a file, and keep them under a new name."""
    data = store.read(path)
    several = [data[begin:end] for begin, end in raw_log.lines(data)]
    bad = [line for line in several if not is_sound(line)]
    if not bad:
        return []
    now = f"{QUARANTINE}/{path}.torn-{zlib.crc32(b''.join(bad)):08x}"
    store.write(now, b"".join(bad))
    if len(bad) < len(several):
        store.write(path, b"".join(line for line in several if line not in bad))
    else:
        store.delete(path)
    return [Quarantined(path, now, f"{len(bad)} of its lines are torn or damaged; their calls are made again")]


def _latest_before(store: Store, month: date) -> Mapping[str, list[tuple[str, str]]]:
    """The usable responses of each call, by `short` name, as (order, hash), oldest first."""
    found: dict[str, list[tuple[str, str]]] = {}
    for feed in sorted(set(FEED_OF.values())):
        for place, answer in raw_log.scan(store, feed, month):
            if answer.is_usable and not answer.is_repeat:
                name = short(raw_log.name(answer.operation, answer.arguments))
                found.setdefault(name, []).append((place.order, answer.sha256))
    return found


def _is_as_folded(line: bytes, answers: Mapping[str, list[tuple[str, str]]]) -> bool:
    """Whether the responses that a round repeats are still those that it was folded from."""
    one = json.loads(line[line.index(b'"answer":') + 9 : -2])
    before = {
        name: hashes[-1]
        for name, several in answers.items()
        if (hashes := [sha256 for order, sha256 in several if order < one["order"]])
    }
    names = before.keys() - set(one["but"]) if one["only"] is None else one["only"]
    return bool(len(names) == one["answers"] and one["sha256"] == _hash({name: before.get(name, "") for name in names}))


def _hash(hashes: Mapping[str, str]) -> str:
    """One hash over the hashes of many calls' responses."""
    return hashlib.sha256("".join(f"{name}{hashes[name]}" for name in sorted(hashes)).encode()).hexdigest()


def state(store: Store, month: date) -> list[str]:
    """Identifier of a state of a month's repeats."""
    path = raw_log.rounds_path(month)
    folded = hashlib.sha256(store.read(path)).hexdigest() if store.exists(path) else ""
    top = [entry for feed in sorted(set(FEED_OF.values())) for entry in store.entries(raw_log.folder(feed, month))]
    return [folded, *(f"{entry.path} {entry.size}" for entry in top if raw_log.is_of_repeats(entry.path))]


def resolved(
    found: Iterable[tuple[Place, RawAnswer]], month_rounds: Sequence[Round]
) -> Iterator[tuple[Place, RawAnswer]]:
    """Responses of a small feed; each repeat as the position of the repeated response, with its own time and order."""
    latest: dict[str, tuple[Place, RawAnswer]] = {}
    for place, answer in found:
        name = raw_log.name(answer.operation, answer.arguments)
        if not answer.is_repeat:
            if answer.is_usable:
                latest[name] = place, answer
            yield place, answer
        elif name in latest and latest[name][1].sha256 == answer.sha256:
            yield replace(latest[name][0], received_at=answer.received_at, written=place.order), answer
    for one in month_rounds:
        for place, answer in latest.values():
            if one.covers(place, answer):
                yield (
                    replace(place, received_at=one.at, written=one.order),
                    replace(answer, received_at=one.at),
                )


def with_rounds(
    answers: Sequence[tuple[Place, RawAnswer]], month_rounds: Sequence[Round], month: date
) -> list[RawAnswer]:
    """All responses to one key in the order of writing, repeats with the body that they repeat.

    Of the rounds that repeat it only two can change what is known of a key: the first after the month's end, and the
    last.
    """
    merged = list(answers)
    over = month_end(month)
    late = (one for one in month_rounds if one.at >= over)
    for several in (late, reversed(month_rounds)):
        for one in several:
            before = [answer for place, answer in answers if one.covers(place, answer)]
            if before:
                merged.append((replace(answers[0][0], written=one.order), replace(before[-1], received_at=one.at)))
                break
    merged.sort(key=lambda pair: pair[0].order)
    whole: list[RawAnswer] = []
    for _, answer in merged:
        same = [earlier for earlier in whole if earlier.sha256 == answer.sha256] if answer.is_repeat else []
        if same:
            whole.append(replace(answer, body=same[-1].body, is_repeat=False))
        elif not answer.is_repeat:
            whole.append(answer)
    return whole
