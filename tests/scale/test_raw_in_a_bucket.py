"""Segments in a bucket are described by the version that the storage gives, packed object by object, and read back."""

import hashlib
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from ecgrid_flows.lake import raw_log, repeats
from ecgrid_flows.lake.raw_log import Bodies, RawAnswer, RawLog
from ecgrid_flows.lake.raw_manifest import pack, seal
from ecgrid_flows.storage.s3 import S3Store

MONTH = date(2026, 10, 1)
LATER = datetime(2026, 12, 1, tzinfo=UTC)


def answer(number: int, *, is_repeat: bool = False) -> RawAnswer:
    body = b"<a>%d</a>" % number
    return RawAnswer(
        "InvoiceCalculateLineItem",
        "v3.2",
        {"NetworkID": 4443, "MailboxID": number, "AccountReport": "FixedRate", "MeasureField": "Each"},
        datetime(2026, 11, 1, tzinfo=UTC),
        1,
        1,
        hashlib.sha256(body).hexdigest(),
        outcome="line",
        body=body,
        is_repeat=is_repeat,
    )


def bodies(store: S3Store) -> list[bytes]:
    with Bodies(store) as opened:
        return [opened.read(place).body for place, _ in raw_log.scan(store, "line_items", MONTH)]


@pytest.mark.long
def test_what_a_bucket_holds_is_sealed_packed_and_folded(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ecgrid_flows.storage.s3.CHUNK_BYTES", 1000)
    store = S3Store(address, tmp_path)
    with RawLog(store) as opened:
        for number in range(12):
            opened.record(MONTH, answer(number))
        opened.flush()
    wanted = [b"<a>%d</a>" % number for number in range(12)]
    sealed = seal(store, MONTH)
    assert sealed.answers == 12
    assert all(one.version for one in sealed.segments.values())
    assert len(sealed.segments) > 1
    pack(store, MONTH, LATER)
    assert {path.rpartition(".")[2] for path in raw_log.segments(store, "line_items", MONTH)} == {"zst"}
    assert bodies(store) == wanted
    with RawLog(store) as opened:
        for number in range(12):
            opened.record(MONTH, answer(number, is_repeat=True))
        opened.flush()
        opened.end_repeats(MONTH)
        repeats.fold(store, MONTH)
    assert bodies(store) == wanted
    (one,) = repeats.rounds(store, MONTH)
    assert (one.only, one.but) == (None, frozenset())
    store.delete(raw_log.segments(store, "line_items", MONTH)[0])
    assert seal(store, MONTH).lost > 0
