"""Raw answers: a line checks itself, what is torn is quarantined and named, an answer is done when it is durable."""

import hashlib
import json
import os
import threading
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecgrid_client import Answer
from ecgrid_client.errors import MissingElement
from ecgrid_client.masking import MASKER
from ecgrid_flows.errors import StorageFailed
from ecgrid_flows.lake import raw_log
from ecgrid_flows.lake.raw_log import RawAnswer, RawLog
from ecgrid_flows.lake.raw_manifest import seal
from ecgrid_flows.storage.local import LocalStore

MONTH = date(2026, 10, 1)
BODY = '<a>Müller & Töchter,\r\n\u2028"=1+1"</a>'.encode()
ANSWER = RawAnswer(
    operation="InvoiceCalculateLineItem",
    api_version="v3.2",
    arguments={"NetworkID": 4443, "MailboxID": 0, "AccountReport": "FixedRate", "MeasureField": "Each"},
    received_at=datetime(2026, 11, 1, 12, 30, 59, 123456, tzinfo=UTC),
    latency_ms=87,
    attempts=1,
    sha256=hashlib.sha256(BODY).hexdigest(),
    outcome="line",
    binding="soap11",
    http_status=200,
    content_type="text/xml; charset=utf-8",
    body=BODY,
)


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    return LocalStore(tmp_path)


def write(store: LocalStore, *answers: RawAnswer) -> Path:
    with RawLog(store) as opened:
        for answer in answers:
            opened.record(MONTH, answer)
        opened.flush()
    (segment,) = raw_log.segments(store, "line_items", MONTH)
    return Path(store.uri(segment))


@given(st.binary(max_size=300), st.text(max_size=40))
def test_an_answer_comes_back_byte_for_byte(body: bytes, message: str) -> None:
    answer = replace(ANSWER, body=body, fault_message=message or None)
    line = raw_log.encode(answer)
    assert line.count(b"\n") == 1
    assert raw_log.is_whole(line)
    assert raw_log.decode(line) == answer
    assert raw_log.decode(line, with_body=False) == replace(answer, body=b"")


def test_a_line_is_plain_json() -> None:
    found = json.loads(raw_log.encode(ANSWER))
    assert found["answer"]["arguments"]["NetworkID"] == 4443
    assert found["answer"]["body"].encode() == ANSWER.body


@given(st.data())
def test_any_damaged_byte_is_seen(data: st.DataObject) -> None:
    line = raw_log.encode(ANSWER)
    place = data.draw(st.integers(0, len(line) - 1))
    other = data.draw(st.integers(0, 255).filter(lambda byte: byte != line[place]))
    assert not raw_log.is_whole(line[:place] + bytes([other]) + line[place + 1 :])


@given(st.integers(0, len(raw_log.encode(ANSWER)) - 1))
def test_a_torn_line_is_no_line(length: int) -> None:
    assert not raw_log.is_whole(raw_log.encode(ANSWER)[:length])


def test_a_torn_tail_is_quarantined_and_named_and_the_rest_kept(store: LocalStore, tmp_path: Path) -> None:
    segment = write(store, ANSWER, replace(ANSWER, latency_ms=2))
    whole = segment.read_bytes()
    torn = raw_log.encode(ANSWER)[:100]
    segment.write_bytes(whole + torn)
    assert len(list(raw_log.scan(store, "line_items", MONTH))) == 2, "not read, also before it is mended"
    (quarantined,) = seal(store, MONTH).quarantined
    assert "1 of its lines" in quarantined.why
    assert (tmp_path / quarantined.now).read_bytes() == torn
    assert segment.read_bytes() == whole
    assert seal(store, MONTH).quarantined == []


def test_a_damaged_line_in_the_middle_does_not_cost_its_neighbours(store: LocalStore) -> None:
    segment = write(store, *(replace(ANSWER, latency_ms=number) for number in range(3)))
    lines = segment.read_bytes().splitlines(keepends=True)
    segment.write_bytes(lines[0] + lines[1].replace(b"4443", b"4444") + lines[2])
    seal(store, MONTH)
    assert [answer.latency_ms for _, answer in raw_log.scan(store, "line_items", MONTH)] == [0, 2]


@pytest.mark.parametrize(("name", "content"), [("zero.jsonl", b""), ("x.parquet", b"PAR1"), ("other.jsonl", b"{}\n")])
def test_foreign_files_among_the_segments_are_quarantined(
    store: LocalStore, tmp_path: Path, name: str, content: bytes
) -> None:
    segment = write(store, ANSWER)
    (segment.parent / name).write_bytes(content)
    (quarantined,) = seal(store, MONTH).quarantined
    assert quarantined.path.endswith(name)
    assert (tmp_path / quarantined.now).read_bytes() == content
    assert list(segment.parent.iterdir()) == [segment]


def test_an_answer_counts_as_done_only_after_the_fsync_behind_it(
    store: LocalStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    may_sync, synced, real = threading.Event(), [], os.fsync

    def waiting(handle: int) -> None:
        if threading.current_thread().name == "raw-log":
            may_sync.wait()
        real(handle)
        synced.append(handle)

    monkeypatch.setattr(os, "fsync", waiting)
    done: list[int] = []
    with RawLog(store) as opened:
        for number in range(5):
            opened.record(MONTH, ANSWER, lambda number=number: done.append(number))
        assert done == []
        assert len(list(raw_log.scan(store, "line_items", MONTH))) == 5, "but a kill would not lose them"
        synced.clear()
        may_sync.set()
        opened.flush()
        assert done == [0, 1, 2, 3, 4]
        assert len(synced) <= 2, "one fsync serves all that came in meanwhile"


def test_a_failing_disk_stops_the_journal_and_no_answer_counts(
    store: LocalStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[int] = []
    opened = RawLog(store)
    opened.record(MONTH, ANSWER, lambda: done.append(0))
    opened.flush()

    def broken(_handle: int) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "fsync", broken)
    opened.record(MONTH, ANSWER, lambda: done.append(1))
    with pytest.raises(StorageFailed, match="the disk failed"):
        opened.flush()
    with pytest.raises(StorageFailed):
        opened.record(MONTH, ANSWER)
    opened.close()
    assert done == [0]


def test_segments_are_rolled(store: LocalStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(raw_log, "SEGMENT_BYTES", 3 * len(raw_log.encode(ANSWER)))
    with RawLog(store) as opened:
        for number in range(10):
            opened.record(MONTH, replace(ANSWER, latency_ms=number))
        opened.flush()
    assert len(raw_log.segments(store, "line_items", MONTH)) == 4
    assert [answer.latency_ms for _, answer in raw_log.scan(store, "line_items", MONTH)] == list(range(10))


@pytest.mark.parametrize("operation", ["Login", "Logout", "WhoAmI", "GenerateAPIKey", "UserGetAPIKey"])
def test_answers_that_hold_secrets_have_no_place_to_go(store: LocalStore, operation: str) -> None:
    with RawLog(store) as opened, pytest.raises(KeyError):
        opened.record(MONTH, replace(ANSWER, operation=operation))


def test_a_good_answer_that_echoes_a_secret_is_kept_without_it() -> None:
    secret = "7d3b0f6e-7c33-4e0f-9f9a-5b1f7c1d2a10"
    MASKER.learn(secret, passing=True)
    body = f"<LineItem><Amount>12.30</Amount><SystemName>{secret}</SystemName></LineItem>".encode()
    answer = Answer("InvoiceInfo", "v3.2", "soap11", {}, 200, "text/xml", body, datetime(2026, 11, 2, tzinfo=UTC), 1, 1)
    kept = raw_log.answered(answer, {})
    assert kept.body == body.replace(secret.encode(), b"***")
    assert kept.sha256 == hashlib.sha256(kept.body).hexdigest()
    error = MissingElement(f"{secret} is no amount", answer=answer)
    failed = raw_log.failed("InvoiceInfo", "v3.2", {}, error, is_usable=False)
    assert (failed.body, failed.fault_message) == (kept.body, "*** is no amount")


def test_the_names_of_segments_give_the_order_of_writing_whatever_the_clock_says(
    store: LocalStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Twice in one second, then a year ahead, then back, then another feed: each segment comes after those before."""
    now = datetime(2026, 11, 2, 6, tzinfo=UTC)
    clock = [now, now, now.replace(year=2027), now, now]

    class Clock(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> datetime:
            return clock.pop(0)

    monkeypatch.setattr("ecgrid_flows.lake.raw_log.datetime", Clock)
    for number in range(4):
        with RawLog(store) as opened:
            opened.record(MONTH, replace(ANSWER, latency_ms=number))
            opened.flush()
    assert [answer.latency_ms for _, answer in raw_log.scan(store, "line_items", MONTH)] == [0, 1, 2, 3]
    with RawLog(store) as opened:
        opened.record(MONTH, replace(ANSWER, operation="InvoiceInfo"))
        opened.flush()
    places = [
        raw_log.place_in_order(path)
        for feed in ("line_items", "invoices")
        for path in raw_log.segments(store, feed, MONTH)
    ]
    assert places == sorted(places)
    assert raw_log.newest(store, MONTH) == places[-1]
    assert [place[:16] for place in places] == [
        "20261102T060000Z",
        "20261102T060001Z",
        "20271102T060000Z",
        "20271102T060001Z",
        "20271102T060002Z",
    ]
