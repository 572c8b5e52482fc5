"""What raw held of a month is known: what is torn, exchanged or gone is counted, and packing changes nothing."""

import hashlib
import json
import os
import re
import subprocess
import zlib
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ecgrid_flows.cli import app
from ecgrid_flows.errors import Incomplete, StorageFailed
from ecgrid_flows.finance.invoice_import import import_file
from ecgrid_flows.lake import raw_log, raw_manifest
from ecgrid_flows.lake.landing import land_month
from ecgrid_flows.lake.raw_log import Bodies, RawAnswer, RawLog
from ecgrid_flows.lake.raw_manifest import pack, pulled_whole, seal
from ecgrid_flows.storage.local import LocalStore
from ecgrid_sandbox import SpawnedSandbox, World

from .pulling import few_of, files, lake_lines, pulled, running, true_lines

MONTH = date(2026, 10, 1)
LATER = datetime(2026, 12, 1, tzinfo=UTC)


def answer(number: int, body: bytes = b"<a/>") -> RawAnswer:
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
    )


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    return LocalStore(tmp_path)


def write(store: LocalStore, *answers: RawAnswer) -> Path:
    """The segment of these answers."""
    before = set(raw_log.segments(store, "line_items", MONTH))
    with RawLog(store) as opened:
        for one in answers:
            opened.record(MONTH, one)
        opened.flush()
    (segment,) = set(raw_log.segments(store, "line_items", MONTH)) - before
    return Path(store.uri(segment))


def kept(store: LocalStore) -> list[int]:
    return [int(found.arguments["MailboxID"]) for _, found in raw_log.scan(store, "line_items", MONTH)]


def resealed(line: bytes, old: bytes, new: bytes) -> bytes:
    """The line with other content and a checksum that fits it."""
    inner = re.fullmatch(rb'\{"check":"[0-9a-f]{8}","answer":(.*)\}\n', line)[1].replace(old, new)
    return b'{"check":"%08x","answer":%b}\n' % (zlib.crc32(inner), inner)


def test_what_is_as_described_is_described_once(store: LocalStore, tmp_path: Path) -> None:
    write(store, answer(1), answer(2))
    first = seal(store, MONTH)
    manifest = (tmp_path / "raw/_segments/2026-10.json").read_bytes()
    assert (first.answers, first.lost, first.quarantined) == (2, 0, [])
    assert json.loads(manifest)["segments"][0]["answers"] == 2
    again = seal(LocalStore(tmp_path), MONTH)
    assert (again.digest(), again.lost) == (first.digest(), 0)
    assert (tmp_path / "raw/_segments/2026-10.json").read_bytes() == manifest


def test_a_segment_that_grew_is_whole(store: LocalStore) -> None:
    segment = write(store, answer(1))
    seal(store, MONTH)
    with segment.open("ab") as file:
        file.write(raw_log.encode(answer(2)))
    sealed = seal(store, MONTH)
    assert (sealed.answers, sealed.lost, sealed.quarantined) == (2, 0, [])


@pytest.mark.parametrize(("damage", "lost"), [("cut in a line", 2), ("cut at a line", 2), ("deleted", 4), ("bit", 1)])
def test_what_was_kept_and_is_gone_is_counted_until_the_month_is_pulled_whole(
    store: LocalStore, damage: str, lost: int
) -> None:
    write(store, answer(9))
    segment = write(store, *(answer(number) for number in range(4)))
    seal(store, MONTH)
    lines = segment.read_bytes().splitlines(keepends=True)
    content = b"".join(lines)
    if damage == "deleted":
        segment.unlink()
    elif damage == "bit":
        segment.write_bytes(content.replace(b'"MailboxID":2', b'"MailboxID":3', 1))
    else:
        segment.write_bytes(b"".join(lines[:2]) + (lines[2][:50] if damage == "cut in a line" else b""))
    for _ in range(2):
        assert seal(store, MONTH).lost == lost
    assert len(kept(store)) == 5 - lost
    write(store, *(answer(number) for number in range(4)))
    assert seal(store, MONTH).lost == lost, "nobody knows yet which they were"
    pulled_whole(store, MONTH)
    assert seal(store, MONTH).lost == 0


def test_a_damaged_line_counts_also_where_no_manifest_does(store: LocalStore) -> None:
    """A directory of the first format. A torn end is of a process that was killed: that answer was never done."""
    segment = write(store, answer(1), answer(2))
    first, second = segment.read_bytes().splitlines(keepends=True)
    segment.write_bytes(first.replace(b"4443", b"4444") + second + first[:60])
    assert seal(store, MONTH).lost == 1
    assert kept(store) == [2]


def test_a_manifest_that_is_none_is_made_anew_and_nothing_counts_as_lost(store: LocalStore, tmp_path: Path) -> None:
    write(store, answer(1))
    seal(store, MONTH)
    (tmp_path / "raw/_segments/2026-10.json").write_text("[]")
    sealed = seal(store, MONTH)
    assert (sealed.answers, sealed.lost, len(sealed.quarantined)) == (1, 0, 1)
    assert seal(store, MONTH).quarantined == []


def test_a_body_that_was_exchanged_with_its_checksum_is_refused(store: LocalStore) -> None:
    """Found where it is read, so also before anything was described."""
    segment = write(store, answer(1, b"<a>808.00</a>"), answer(2))
    first, second = segment.read_bytes().splitlines(keepends=True)
    segment.write_bytes(resealed(first, b"808.00", b"124.02") + second)
    assert [raw_log.is_whole(line) for line in segment.read_bytes().splitlines(keepends=True)] == [True, True]
    place = next(iter(raw_log.scan(store, "line_items", MONTH)))[0]
    with Bodies(store) as bodies, pytest.raises(StorageFailed, match="is not the one that was written"):
        bodies.read(place)
    landed = land_month(store, MONTH)
    assert (landed.lost, landed.rows["calls"]) == (1, 0 + 1)
    assert len(landed.quarantined) == 1


def test_packed_segments_are_read_as_before_and_by_standard_tools(store: LocalStore, tmp_path: Path) -> None:
    write(store, *(answer(number, b"<a>%d</a>" % number) for number in range(300)))
    land_month(store, MONTH)
    before, lake = list(raw_log.scan(store, "line_items", MONTH)), files(tmp_path / "lake")
    bodies = [raw_log.read(store, place).body for place, _ in before]
    content = raw_log.contents(store, raw_log.segments(store, "line_items", MONTH)[0])
    size = sum(map(len, files(tmp_path / "raw").values()))
    pack(store, MONTH, datetime(2026, 10, 31, 23, tzinfo=UTC))
    assert sum(map(len, files(tmp_path / "raw").values())) == size, "the month is not over"
    pack(store, MONTH, LATER)
    assert sum(map(len, files(tmp_path / "raw").values())) < size / 2
    (packed,) = raw_log.segments(store, "line_items", MONTH)
    assert packed.endswith(".jsonl.zst")
    after = list(raw_log.scan(store, "line_items", MONTH))
    assert [found for _, found in after] == [found for _, found in before]
    with Bodies(store) as opened:
        assert [opened.read(place).body for place, _ in after] == bodies
    land_month(store, MONTH)
    assert files(tmp_path / "lake") == lake, "packing is no reason to land again"
    after_packing = files(tmp_path / "raw")
    pack(store, MONTH, LATER)
    assert files(tmp_path / "raw") == after_packing
    if not os.environ.get("PATH") or subprocess.run(["which", "zstdcat"], capture_output=True, check=False).returncode:
        pytest.skip("there is no zstdcat here")
    shown = subprocess.run(["zstdcat", store.uri(packed)], capture_output=True, check=True)
    assert shown.stdout == content


def test_a_damaged_frame_costs_its_own_lines_alone(store: LocalStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(raw_log, "FRAME_BYTES", 4 * len(raw_log.encode(answer(10))) - 10)
    segment = write(store, *(answer(number) for number in range(10, 22)))
    pack(store, MONTH, LATER)
    packed = segment.with_suffix(".jsonl.zst")
    data = bytearray(packed.read_bytes())
    frames = [found.start() for found in re.finditer(re.escape(bytes(data[:4])), bytes(data))]
    assert len(frames) == 3
    data[frames[1] + 12] ^= 0xFF
    packed.write_bytes(data)
    sealed = seal(store, MONTH)
    assert (sealed.lost, len(sealed.quarantined)) == (4, 1)
    assert kept(store) == [10, 11, 12, 13, 18, 19, 20, 21]
    assert seal(store, MONTH).quarantined == []


def test_a_packed_segment_that_is_not_as_it_was_packed_is_named(store: LocalStore, tmp_path: Path) -> None:
    segment = write(store, answer(1), answer(2))
    pack(store, MONTH, LATER)
    packed = segment.with_suffix(".jsonl.zst")
    before = packed.read_bytes()
    other = before + b"\x50\x2a\x4d\x18\0\0\0\0"  # a frame that readers skip
    packed.write_bytes(other)
    sealed = seal(store, MONTH, is_deep=True)
    assert (sealed.lost, [one.path for one in sealed.quarantined]) == (0, [packed.relative_to(tmp_path).as_posix()])
    assert (tmp_path / sealed.quarantined[0].now).read_bytes() == other
    assert packed.read_bytes() == before
    assert kept(store) == [1, 2]
    assert seal(store, MONTH, is_deep=True).quarantined == []


@pytest.mark.parametrize("moment", ["before the manifest", "after the manifest"])
def test_packing_that_was_killed_loses_and_doubles_nothing(
    store: LocalStore, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    write(store, answer(1), answer(2))
    seal(store, MONTH)

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        if moment == "before the manifest":
            patch.setattr(raw_manifest, "_write", lambda *given: None if given[2] else killed())
        else:
            patch.setattr(LocalStore, "delete", killed)
        with pytest.raises(KeyboardInterrupt):
            pack(store, MONTH, LATER)
    assert kept(store) == [1, 2], "read once, also before the next sealing"
    sealed = seal(store, MONTH)
    assert (sealed.answers, sealed.lost, sealed.quarantined, len(sealed.segments)) == (2, 0, [], 1)
    assert kept(store) == [1, 2]
    pack(store, MONTH, LATER)
    assert kept(store) == [1, 2]


@pytest.mark.long
def test_torn_raw_keeps_what_is_landed_and_ends_a_build_with_status_4(
    sandbox: SpawnedSandbox, tmp_path: Path, world: World, few_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ECGRID_ACCOUNTS", str(few_file))
    pulled(sandbox, tmp_path, accounts_file=few_file)
    store = LocalStore(tmp_path)
    segment = Path(store.uri(raw_log.segments(store, "line_items", MONTH)[0]))
    content = segment.read_bytes()
    segment.write_bytes(content[: len(content) * 6 // 10])
    gone = content.count(b"\n") - segment.read_bytes().count(b"\n")
    for _ in range(2):
        done = CliRunner().invoke(app, ["build", "--data-dir", str(tmp_path)])
        assert isinstance(done.exception, Incomplete), done.output
        assert done.exception.status == 4
        assert f"2026-10: {gone} responses of the raw log are damaged or missing" in str(done.exception)
    right = true_lines(world, accounts=few_of(world))
    assert lake_lines(tmp_path) == right
    assert pulled(sandbox, tmp_path, accounts_file=few_file).calls == gone
    with running(sandbox, tmp_path, accounts_file=few_file) as run:
        run.restore()
        assert run.lost == {}
    assert lake_lines(tmp_path) == right


@pytest.mark.soak
@pytest.mark.parametrize("is_landed", [True, False], ids=["lake", "no lake"])
def test_where_the_latest_response_is_damaged_an_earlier_one_is_not_taken_for_it(
    sandbox: SpawnedSandbox,
    tmp_path: Path,
    world: World,
    few_file: Path,
    monkeypatch: pytest.MonkeyPatch,
    is_landed: bool,
) -> None:
    """Nobody can tell which key was damaged: all keys that the damaged segment no longer has are requested again."""
    monkeypatch.setenv("ECGRID_ACCOUNTS", str(few_file))
    first = pulled(sandbox, tmp_path, accounts_file=few_file)
    store, right = LocalStore(tmp_path), true_lines(world, accounts=few_of(world))
    (path,) = raw_log.segments(store, "line_items", MONTH)
    segment = Path(store.uri(path))
    lines = segment.read_bytes().splitlines(keepends=True)
    place = next(number for number, line in enumerate(lines) if raw_log.decode(line).outcome == "line")
    latest = raw_log.decode(lines[place])
    body = re.sub(rb"<Amount>[^<]*<", b"<Amount>999.00<", latest.body)
    earlier = replace(latest, body=body, sha256=hashlib.sha256(body).hexdigest())
    store.write(f"{raw_log.folder('line_items', MONTH)}/20200101T000000Z-aaaaaa-00001.jsonl", raw_log.encode(earlier))
    land_month(store, MONTH)

    lines[place] = lines[place].replace(b"<Amount>", b"<Amaunt>")
    segment.write_bytes(b"".join(lines))
    if not is_landed:
        for entry in [*store.entries("lake")]:
            store.delete(entry.path)
    done = CliRunner().invoke(app, ["build", "--data-dir", str(tmp_path)])
    assert isinstance(done.exception, Incomplete), done.output
    assert "2026-10: 1 responses of the raw log are damaged or missing" in str(done.exception)
    assert land_month(store, MONTH).lost == 1, "each time"
    assert (lake_lines(tmp_path) == right) is is_landed
    assert pulled(sandbox, tmp_path, accounts_file=few_file).calls == 1 < first.calls
    assert lake_lines(tmp_path) == right
    assert CliRunner().invoke(app, ["build", "--data-dir", str(tmp_path)]).exit_code == 0


def test_lost_records_of_imported_invoices_are_no_lost_responses(store: LocalStore) -> None:
    """A pull cannot request them: `import_register` names each."""
    import_file(store, b"invoice_number,invoice_date,total_amount\nR-1,2026-11-01,12.50\n", contract_id=7, month=MONTH)
    (path,) = raw_log.segments(store, "invoices", MONTH)
    seal(store, MONTH)
    store.write(path, store.read(path).replace(b"12.50", b"10.50"))
    assert [seal(store, MONTH).lost for _ in range(2)] == [0, 0]
