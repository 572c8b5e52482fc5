"""The store on S3, against a server over HTTP: the same promises as a folder, and no harm from a failing storage."""

import subprocess
import sys
import threading
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ecgrid_flows.cli import app
from ecgrid_flows.errors import SettingsError, StorageFailed
from ecgrid_flows.orchestration import schedule
from ecgrid_flows.settings import Settings
from ecgrid_flows.storage.base import Store
from ecgrid_flows.storage.local import LocalStore
from ecgrid_flows.storage.s3 import CHUNK_BYTES, S3Store
from tests.support.storage import KINDS, Storage

Make = Callable[[], S3Store]

KILLED_BEFORE_SYNC = r"""
import os, signal, sys
from pathlib import Path
from ecgrid_flows.storage.s3 import S3Store
appender = S3Store(sys.argv[1], Path(sys.argv[2])).appender("raw/x/s.jsonl")
appender.append(b"one\n")
appender.sync()
appender.append(b"two\n")
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def make(address: str, tmp_path: Path) -> Make:
    return lambda: S3Store(address, tmp_path / "cache")


@pytest.fixture(params=["folder", "bucket"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    if request.param == "folder":
        made: LocalStore | S3Store = LocalStore(tmp_path / "data")
    else:
        made = request.getfixturevalue("make")()
    made.prepare()
    return made


def test_an_object_is_replaced_whole(store: Store) -> None:
    store.write("lake/a/part.parquet", b"first")
    store.write("lake/a/part.parquet", b"second, longer")
    assert store.read("lake/a/part.parquet") == b"second, longer"
    with store.open("lake/a/part.parquet") as file:
        assert file.read() == b"second, longer"
    assert store.uri("lake/a/part.parquet").startswith(store.root)


def test_a_conditional_write_wants_what_was_read(store: Store) -> None:
    assert store.version("m.json") is None
    assert store.write_if("m.json", b"1", None)
    assert not store.write_if("m.json", b"2", None)
    read = store.version("m.json")
    assert store.write_if("m.json", b"3", read)
    assert not store.write_if("m.json", b"4", read)
    assert not store.write_if("absent.json", b"4", read)
    assert store.read("m.json") == b"3"


def test_a_conditional_write_whose_answer_is_lost_was_made(make: Make, storage: Storage) -> None:
    """The repeat is refused by the object that the first request made; another's content is another writer's."""
    store = make()
    store.prepare()
    for content, was_made in ((b"1", True), (b"2", False)):
        storage.count_from_here((1, "lost"))
        assert store.write_if("m.json", content, None) is was_made
        assert storage.counted > 1
        storage.count_from_here()
    assert store.read("m.json") == b"1"


def test_what_begins_with_a_dot_is_never_listed(store: Store) -> None:
    for path in ("raw/b/2.jsonl", "raw/a/1.jsonl", "raw/.half", ".lock", "rawer/c", "raw/a/.x/y"):
        store.write(path, b"123")
    assert [(entry.path, entry.size) for entry in store.entries("raw")] == [("raw/a/1.jsonl", 3), ("raw/b/2.jsonl", 3)]
    assert list(store.entries("nothing")) == []
    store.delete("raw/b/2.jsonl")
    store.delete("raw/b/2.jsonl")
    assert not store.exists("raw/b/2.jsonl")
    assert store.exists("raw/a/1.jsonl")


def test_what_is_quarantined_is_kept_under_free_names(store: Store) -> None:
    for content in (b"one", b"two"):
        store.write("raw/a.jsonl", content)
        quarantined = store.quarantine("raw/a.jsonl", "it is torn")
        assert not store.exists("raw/a.jsonl")
        assert store.read(quarantined.now) == content
    assert quarantined.now == "set-aside/raw/a.jsonl.2"


def test_a_listing_longer_than_a_page_is_whole(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ecgrid_flows.storage.s3.PAGE", 4)
    store = make()
    for number in range(11):
        store.write(f"many/{number:02}", b"")
    assert [entry.path for entry in store.entries("many")] == [f"many/{number:02}" for number in range(11)]


def test_a_segment_grows_by_whole_pieces_in_few_objects(make: Make, storage: Storage) -> None:
    store = make()
    appender = store.appender("raw/x/segment.jsonl")
    piece = b"p" * 1023 + b"\n"
    assert appender.append(piece) == 0
    assert list(store.entries("raw")) == []  # not durable, so not there
    appender.sync()
    assert [entry.size for entry in store.entries("raw")] == [1024]
    for _ in range(2 * CHUNK_BYTES // 1024):
        appender.append(piece)
        if appender.append(piece) % (32 * 1024) == 0:
            appender.sync()
    appender.sync()
    puts = storage.requests["PUT"]
    appender.sync()
    assert storage.requests["PUT"] == puts, "nothing new, so nothing sent"
    found = list(store.entries("raw"))
    assert [entry.path for entry in found] == [f"raw/x/segment.{number:05}.jsonl" for number in range(5)]
    assert [entry.size for entry in found] == [CHUNK_BYTES] * 4 + [1024]
    assert b"".join(store.read(entry.path) for entry in found) == piece * (4 * CHUNK_BYTES // 1024 + 1)
    appender.close()
    assert [path for path in store.spool.rglob("*") if path.is_file()] == []


def test_pieces_that_come_while_others_are_synced_are_not_lost(make: Make, storage: Storage) -> None:
    storage.latency_s = 0.002
    store = make()
    appender = store.appender("raw/x/s.jsonl")
    pieces = [b"%06d" % number + b"." * 20_000 + b"\n" for number in range(300)]

    def append_all() -> None:
        for piece in pieces:
            appender.append(piece)

    writer = threading.Thread(target=append_all)
    writer.start()
    while writer.is_alive():
        appender.sync()
    appender.sync()
    stored = b"".join(store.read(entry.path) for entry in store.entries("raw"))
    assert stored == b"".join(pieces)


def test_what_a_killed_process_had_not_stored_yet_is_stored_by_the_next(
    make: Make, address: str, tmp_path: Path
) -> None:
    subprocess.run([sys.executable, "-c", KILLED_BEFORE_SYNC, address, str(tmp_path / "cache")], check=False)
    store = make()
    living = store.appender("raw/x/living.jsonl")
    living.append(b"mine\n")
    assert store.read("raw/x/s.00000.jsonl") == b"one\n"
    make().drop_half_written()
    assert store.read("raw/x/s.00000.jsonl") == b"one\ntwo\n"
    assert not store.exists("raw/x/living.00000.jsonl"), "its writer lives and stores it in its own time"
    living.sync()
    living.close()
    assert [path for path in store.spool.rglob("*") if path.is_file()] == []


def test_a_local_copy_is_fetched_once_per_version(make: Make, storage: Storage) -> None:
    store = make()
    store.write("lake/f/part.parquet", b"1" * 100)
    first = store.local("lake/f/part.parquet")
    gets = storage.requests["GET"]
    assert store.local("lake/f/part.parquet") == first
    assert make().local("lake/f/part.parquet") == first
    assert storage.requests["GET"] == gets
    store.write("lake/f/part.parquet", b"2" * 100)
    second, again = store.locals(["lake/f/part.parquet", "lake/f/part.parquet"])
    assert Path(second).read_bytes() == b"2" * 100
    assert second == again != first


def test_one_request_in_ten_may_fail(make: Make, storage: Storage, short_waits: None) -> None:
    """Refused, throttled, cut off, torn, or done with the answer lost: every operation still means what it says."""
    store = make()
    storage.trouble = 0.1
    storage.failed.clear()
    written = 0
    # Which request fails depends on how many a client sends, so the test goes on until each kind has happened.
    while set(storage.failed) < set(KINDS):
        path = f"lake/f/{written}"
        assert store.write_if(path, b"%d" % written, None), "its own request, repeated, is no other writer"
        assert not store.write_if(path, b"other", None)
        version = store.version(path)
        assert store.write_if(path, b"%d again" % written, version)
        assert store.read(path) == b"%d again" % written
        written += 1
    assert len(list(store.entries("lake"))) == written


def test_of_many_writers_one_wins(make: Make) -> None:
    stores = [make() for _ in range(4)]
    won: list[int] = []

    def race(number: int) -> None:
        if stores[number].write_if("lock", b"%d" % number, None):
            won.append(number)

    racers = [threading.Thread(target=race, args=(number,)) for number in range(4)]
    for racer in racers:
        racer.start()
    for racer in racers:
        racer.join()
    assert len(won) == 1
    assert make().read("lock") == b"%d" % won[0]


def test_a_storage_that_stays_down_is_named_with_what_to_do(make: Make, storage: Storage, short_waits: None) -> None:
    store = make()
    store.prepare()
    storage.is_down = True
    with pytest.raises(StorageFailed, match=r"s3://billing/.*/lake/x cannot be used; .*run again when it is available"):
        store.write("lake/x", b"1")
    with pytest.raises(SettingsError, match="cannot be used; the storage"):
        store.prepare()


def test_what_is_gone_is_named(make: Make) -> None:
    store = make()
    for reading in (
        lambda: store.read("lake/x"),
        lambda: store.open("lake/x"),
        lambda: store.local("lake/x"),
    ):
        with pytest.raises(StorageFailed, match=r"/lake/x cannot be used; it no longer exists"):
            reading()


def test_settings_of_the_storage_are_proven_before_a_run(storage: Storage, address: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="there is no such bucket: create it, or correct ECGRID_DATA_DIR"):
        S3Store("s3://elsewhere/data", tmp_path).prepare()
    with pytest.raises(SettingsError, match="write s3://bucket/prefix"):
        S3Store("s3://", tmp_path)
    storage.ignores_conditions = True
    with pytest.raises(SettingsError, match="ignores conditional writes"):
        S3Store(address, tmp_path).prepare()


def test_without_credentials_the_message_names_the_variables(
    storage: Storage, address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    with pytest.raises(SettingsError, match="set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"):
        S3Store(address, tmp_path).prepare()


@pytest.mark.parametrize("command", ["status", "verify", "build", "run", "report"])
def test_without_credentials_every_command_ends_alike(
    storage: Storage, address: str, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    """Those that read first, and those that try the storage before a run."""
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.setenv("ECGRID_API_KEY", "0123456789abcdef0123456789abcdef")
    with pytest.raises(SettingsError) as raised:
        CliRunner().invoke(app, [command, "--data-dir", address], catch_exceptions=False)
    assert str(raised.value) == (
        f"the data directory {address} cannot be used; there are no credentials: set AWS_ACCESS_KEY_ID and "
        "AWS_SECRET_ACCESS_KEY, or AWS_PROFILE"
    )
    assert raised.value.status == 2


def test_without_the_extra_the_message_names_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "obstore.store", None)
    with pytest.raises(SettingsError, match=r"ecgrid-billing\[scale\]"):
        S3Store("s3://billing/x", tmp_path)


def test_no_secret_is_in_a_failure(make: Make, storage: Storage, short_waits: None) -> None:
    store = make()
    storage.is_down = True
    with pytest.raises(SettingsError) as caught:
        store.read("lake/x")
    error: BaseException | None = caught.value
    while error is not None:
        assert "hidden-from-everyone" not in repr(error)
        error = error.__cause__ or error.__context__
    assert "hidden-from-everyone" not in repr(vars(store))


def test_the_schedule_of_a_bucket_is_recorded_once_and_owes_what_is_not_exported(store: Store, make: Make) -> None:
    """Two machines that serve one bucket have one name, and see each other's exports."""
    first = schedule.begin(store, datetime(2026, 9, 15, tzinfo=UTC))
    assert schedule.begin(make() if isinstance(store, S3Store) else store, datetime(2026, 11, 1, tzinfo=UTC)) == first
    store.write("exports/2026-09/manifest.json", b"{}")
    store.write("exports/2026-10/finance_lines.csv", b"")  # begun, and not whole
    now = datetime(2026, 12, 2, 5, 59, tzinfo=UTC)
    assert [one.month for one in schedule.owed(Settings(), store, now)] == [date(2026, 10, 1)]
