"""An answer that repeats what raw holds of its call is kept without its body, and the lake is the same."""

import hashlib
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ecgrid_flows.lake import raw_log, raw_manifest, repeats
from ecgrid_flows.lake.landing import land_month
from ecgrid_flows.lake.raw_log import RawAnswer, RawLog
from ecgrid_flows.storage.local import LocalStore
from ecgrid_sandbox import Sandbox, SpawnedSandbox, World

from .pulling import few_of, files, lake_lines, pulled, rows, true_lines

MONTH = date(2026, 10, 1)
WIRE = Path(__file__).parents[1] / "wire"
LINE = (WIRE / "v3.2-InvoiceCalculateLineItem.soap11.response.xml").read_bytes()
OTHER = LINE.replace(b"<Amount>72.96</Amount>", b"<Amount>73.00</Amount>")
BODIES = {"a": LINE, "b": OTHER}


def answer(mailbox: int, body: bytes, moment: datetime) -> RawAnswer:
    return RawAnswer(
        "InvoiceCalculateLineItem",
        "v3.2",
        {
            "NetworkID": 4443,
            "MailboxID": mailbox,
            "ReportingMonth": "2026-10-01T00:00:00",
            "AccountReport": "TrafficKCInterchangeTiered",
            "MeasureField": "TieredKCIntCount",
        },
        moment,
        10,
        1,
        hashlib.sha256(body).hexdigest(),
        outcome="line",
        body=body,
    )


def size(folder: Path) -> int:
    return sum(map(len, files(folder).values()))


@pytest.mark.long
@pytest.mark.parametrize("nights", [3, pytest.param(30, marks=pytest.mark.soak)])
def test_nightly_pulls_of_an_unchanged_month_add_a_three_hundredth_each_at_most(
    sandbox: SpawnedSandbox, tmp_path: Path, world: World, few_file: Path, monkeypatch: pytest.MonkeyPatch, nights: int
) -> None:
    """So thirty of them, a month's, add a tenth."""
    monkeypatch.setattr(raw_manifest, "pack", lambda _store, month, _now: raw_manifest.Sealed(month))
    calls = pulled(sandbox, tmp_path, accounts_file=few_file).calls
    lines, whole = size(tmp_path / "raw/line_items"), size(tmp_path / "raw")
    for _ in range(nights):
        assert pulled(sandbox, tmp_path, accounts_file=few_file, refresh=True).calls == calls
    assert size(tmp_path / "raw/line_items") == lines
    assert size(tmp_path / "raw") - whole <= lines / 300 * nights
    assert lake_lines(tmp_path) == true_lines(world, accounts=few_of(world))
    assert pulled(sandbox, tmp_path, accounts_file=few_file).calls == 0


@pytest.mark.long
def test_a_refresh_that_was_cut_short_goes_on_and_what_changed_is_kept_whole(
    tmp_path: Path, few_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World.shipped(MONTH)
    september = date(2026, 9, 1)  # of which the sandbox restates a line
    with Sandbox(world) as sandbox:
        calls = pulled(sandbox, tmp_path, september, accounts_file=few_file).calls
        before = lake_lines(tmp_path, september)
        sandbox.restate()

        def killed(*_: object) -> None:
            if list(tmp_path.rglob("*.repeats.jsonl")):  # at the end of the refresh; at its start there are none
                raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr(repeats, "fold", killed)
            with pytest.raises(KeyboardInterrupt):
                pulled(sandbox, tmp_path, september, accounts_file=few_file, refresh=True)
        assert list((tmp_path / "raw/line_items").rglob("*.repeats.jsonl"))
        assert pulled(sandbox, tmp_path, september, accounts_file=few_file).calls == 0, "each repeat was durable"
        assert not list((tmp_path / "raw").rglob("*.repeats.jsonl"))
        right = true_lines(world, september, accounts=few_of(world))
        assert lake_lines(tmp_path, september) == right
        changed = {key for key in right if right[key] != before[key]}
        assert len(rows(tmp_path, "line_item_history", september)) == len(changed) == 1
        (one,) = repeats.rounds(LocalStore(tmp_path), september)
        assert one.only is None
        assert one.but, "the line, and the invoices that have it"
        again = pulled(sandbox, tmp_path, september, accounts_file=few_file, refresh=True).calls
        assert again == calls, "a round is no reason to leave a refresh out"


def landed(
    folder: Path, nights: list[dict[int, str]], days: list[datetime], *, is_folded: bool, cut: tuple[int, ...] = ()
) -> Any:
    """Pull by pull the answers of each night, repeats as such where `is_folded`; the rows of the lake.

    The pulls of the nights in `cut` are interrupted after their last answer.
    """
    folder.mkdir()
    store, latest = LocalStore(folder), dict[int, str]()
    for place, (day, night) in enumerate(zip(days, nights, strict=True)):
        with RawLog(store) as opened:
            for mailbox, letter in night.items():
                is_same = is_folded and latest.get(mailbox) == letter
                opened.record(MONTH, replace(answer(mailbox, BODIES[letter], day), is_repeat=is_same))
                latest[mailbox] = letter
            opened.flush()
        if place not in cut:
            repeats.fold(store, MONTH)
        assert repeats.verify(store, MONTH)[0] == []
    land_month(store, MONTH)
    return {feed: rows(folder, feed, MONTH) for feed in ("line_items", "line_item_history", "calls")}


@pytest.mark.soak
@settings(max_examples=30)
@given(st.lists(st.dictionaries(st.integers(1, 3), st.sampled_from("ab"), min_size=1), min_size=1, max_size=5))
def test_the_lake_is_as_if_every_body_had_been_kept(
    tmp_path_factory: pytest.TempPathFactory, nights: list[dict[int, str]]
) -> None:
    """From three nights before the month's end to two after it."""
    days = [
        datetime(2026, 10, 29 + night, tzinfo=UTC) if night < 3 else datetime(2026, 11, night, tzinfo=UTC)
        for night in range(len(nights))
    ]
    top = tmp_path_factory.mktemp("nights")
    assert landed(top / "short", nights, days, is_folded=True) == landed(top / "long", nights, days, is_folded=False)


def test_repeats_of_a_pull_cut_short_before_the_months_end_do_not_date_those_after_it(tmp_path: Path) -> None:
    """Else the month would count as requested before its end. Mailbox 3 has a new line in the one cut short."""
    days = [datetime(2026, 10, 30, tzinfo=UTC), datetime(2026, 10, 31, tzinfo=UTC), datetime(2026, 11, 2, tzinfo=UTC)]
    nights = [{1: "a", 2: "a", 3: "a"}, {1: "a", 3: "b"}, {1: "a", 2: "a", 3: "b"}]
    found = landed(tmp_path / "raw", nights, days, is_folded=True, cut=(1,))
    assert [(row["mailbox_id"], row["called_at"]) for row in found["calls"]] == [(box, days[2]) for box in (1, 2, 3)]
    first, second = raw_log.rounds(LocalStore(tmp_path / "raw"), MONTH)
    assert (first["answers"], second["answers"]) == (1, 3)


def test_a_round_that_is_not_of_the_answers_it_repeats_is_quarantined(tmp_path: Path) -> None:
    """Its own checksum is made anew, as whoever edits the file could: its hash of the answers tells."""
    days = [datetime(2026, 11, night, tzinfo=UTC) for night in (1, 2, 3)]
    landed(tmp_path / "raw", [{1: "a", 2: "b"}, {1: "a", 2: "b"}, {1: "a"}], days, is_folded=True)
    store, path = LocalStore(tmp_path / "raw"), tmp_path / "raw/raw/_rounds/2026-10.jsonl"
    first, second = raw_log.rounds(store, MONTH)
    assert (first["answers"], second["answers"]) == (2, 1)
    assert repeats.verify(store, MONTH) == ([], 1)
    other = raw_log.framed({**first, "sha256": first["sha256"][:-1] + "x"})
    path.write_bytes(other + raw_log.framed(second))
    (quarantined,), _ = repeats.verify(store, MONTH)
    assert "1 of its lines are torn or damaged; their calls are made again" in str(quarantined)
    assert (tmp_path / "raw" / quarantined.now).read_bytes() == other
    assert raw_log.rounds(store, MONTH) == [second]
    path.write_bytes(path.read_bytes()[:-9])
    assert len(repeats.verify(store, MONTH)[0]) == 1
    assert not path.exists()


def test_a_repeat_that_is_not_folded_yet_is_checked(tmp_path: Path) -> None:
    store, moment = LocalStore(tmp_path), datetime(2026, 11, 1, tzinfo=UTC)
    with RawLog(store) as opened:
        opened.record(MONTH, answer(1, LINE, moment))
        opened.record(MONTH, replace(answer(1, LINE, moment), is_repeat=True))
        opened.record(MONTH, replace(answer(2, LINE, moment), is_repeat=True))
        opened.flush()
    (path,) = tmp_path.glob("raw/line_items/*/*.repeats.jsonl")
    path.write_bytes(path.read_bytes().replace(b'"attempts":1', b'"attempts":7', 1))
    (quarantined,), files_read = repeats.verify(store, MONTH)
    assert (files_read, "1 of its lines are torn" in str(quarantined)) == (1, True)
    assert len(path.read_bytes().splitlines()) == 1


@pytest.mark.long
def test_a_damaged_round_only_has_its_calls_made_again(
    sandbox: SpawnedSandbox, tmp_path: Path, world: World, few_file: Path
) -> None:
    calls = pulled(sandbox, tmp_path, accounts_file=few_file).calls
    pulled(sandbox, tmp_path, accounts_file=few_file, refresh=True)
    path = tmp_path / "raw/_rounds/2026-10.jsonl"
    assert len(path.read_bytes().splitlines()) == 1
    path.write_bytes(path.read_bytes().replace(b'"answers"', b'"answer5"'))
    assert raw_log.rounds(LocalStore(tmp_path), MONTH) == []
    assert pulled(sandbox, tmp_path, accounts_file=few_file).calls in (0, calls)
    assert lake_lines(tmp_path) == true_lines(world, accounts=few_of(world))
