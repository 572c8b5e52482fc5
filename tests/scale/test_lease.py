"""The lock on S3: one holder, taken over only when it is dead or silent, and a silent holder stops writing."""

import json
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from ecgrid_flows.errors import DataDirectoryHeld, StorageFailed
from ecgrid_flows.storage.s3 import S3Store
from ecgrid_flows.storage.s3_lease import held
from tests.support.storage import Storage
from tests.support.waiting import until

#: A lease that no test outlives, renewed ten times a second.
LONG_S, OFTEN = 600.0, 6000

HOLD = f"""
import sys
from pathlib import Path
from ecgrid_flows.storage import s3_lease
from ecgrid_flows.storage.s3 import S3Store
s3_lease.BEATS = {OFTEN}
with s3_lease.held(S3Store(sys.argv[1], Path(sys.argv[2])), "run", lease_s={LONG_S}):
    print("held", flush=True)
    sys.stdin.read()
"""


class Clock:
    """A clock that stands until it is set on."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ecgrid_flows.storage.s3_lease.BEATS", OFTEN)


def start_holder(address: str, tmp_path: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", HOLD, address, str(tmp_path / "cache")]
    holder = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    return holder


def beat(store: S3Store) -> int:
    """How often the holder signed the lock."""
    return int(json.loads(store.read(".lock"))["beat"])


def test_a_second_run_is_told_who_holds_and_takes_the_lock_of_a_killed_one_at_once(
    address: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    holder = start_holder(address, tmp_path)
    store = S3Store(address, tmp_path)
    try:
        with pytest.raises(DataDirectoryHeld, match=rf"`run`, process {holder.pid} on ") as caught, held(store, "run"):
            pass
        assert "use another --data-dir" in str(caught.value)
    finally:
        holder.kill()
        holder.communicate()
    with held(store, "run"):
        assert "which ended without releasing it" in caplog.text, "its end is known, so its lease is not waited for"


@pytest.mark.parametrize(
    "lock",
    [
        json.dumps({"purpose": "run", "pid": 1, "host": "far", "place": "far/boot/1", "since": "then", "lease_s": 1}),
        "damaged",
    ],
    ids=["far", "damaged"],
)
def test_the_lock_of_a_dead_machine_is_taken_after_its_lease(address: str, tmp_path: Path, lock: str) -> None:
    store = S3Store(address, tmp_path)
    started = time.monotonic()
    store.write(".lock", lock.encode())
    with held(store, "run", lease_s=1):
        assert time.monotonic() - started >= 1


def test_a_lock_that_was_given_back_is_free(address: str, tmp_path: Path) -> None:
    store = S3Store(address, tmp_path)
    for _ in range(3):
        with held(store, "run", lease_s=LONG_S):
            store.write("lake/x", b"1")
    assert [entry.path for entry in store.entries("")] == ["lake/x"]


def test_of_several_that_find_a_stale_lock_one_takes_it(address: str, tmp_path: Path) -> None:
    S3Store(address, tmp_path).write(".lock", b'{"lease_s": 1}')
    outcomes: list[str] = []
    done = threading.Event()

    def race() -> None:
        try:
            with held(S3Store(address, tmp_path), "run", lease_s=LONG_S):
                outcomes.append("held")
                done.wait()
        except DataDirectoryHeld:
            outcomes.append("refused")

    racers = [threading.Thread(target=race, daemon=True) for _ in range(3)]
    for racer in racers:
        racer.start()
    until(lambda: len(outcomes) == 3)
    done.set()
    for racer in racers:
        racer.join()
    assert sorted(outcomes) == ["held", "refused", "refused"]


def test_a_lock_outlives_its_lease_while_it_is_renewed_through_trouble(
    address: str, storage: Storage, tmp_path: Path
) -> None:
    store, clock = S3Store(address, tmp_path), Clock()
    storage.trouble = 0.1
    with held(store, "run", LONG_S, clock):
        for number in range(4):
            clock.now += 0.8 * LONG_S
            store.write("lake/x", b"%d" % number)
            for _ in range(2):  # the first may have been begun before the clock was set on
                seen = beat(store)
                until(lambda seen=seen: beat(store) != seen)


def test_a_holder_that_cannot_renew_writes_nothing_more(address: str, storage: Storage, tmp_path: Path) -> None:
    store, clock = S3Store(address, tmp_path), Clock()
    appender = store.appender("raw/s.jsonl")
    with held(store, "run", LONG_S, clock):
        appender.append(b"1\n")
        before = storage.failed["dropped"]
        storage.is_down = True
        until(lambda: storage.failed["dropped"] > before)
        clock.now += LONG_S
        with pytest.raises(StorageFailed, match="the lock could not be renewed in time"):
            appender.sync()
        with pytest.raises(StorageFailed, match="writing has stopped: run again"):
            store.write_if("lake/_manifest.json", b"{}", None)
        storage.is_down = False


def test_a_holder_that_was_replaced_writes_nothing_more(address: str, tmp_path: Path) -> None:
    first, second = S3Store(address, tmp_path), S3Store(address, tmp_path)

    def write_until_refused() -> None:
        while True:
            first.write("lake/x", b"1")

    with held(first, "run", LONG_S):
        second.write(".lock", b'{"token": "another", "purpose": "run"}')
        with pytest.raises(StorageFailed, match="another run took over the lock"):
            write_until_refused()
    assert second.read(".lock") == b'{"token": "another", "purpose": "run"}', "the new owner keeps its lock"
