"""The lock on S3: one holder, taken over only when it is dead or silent, and a silent holder stops writing."""

import json
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from storage import Storage

from ecgrid_flows.errors import DataDirectoryHeld, StorageFailed
from ecgrid_flows.lease import held
from ecgrid_flows.store_s3 import S3Store

HOLD = """
import sys, time
from pathlib import Path
from ecgrid_flows.lease import held
from ecgrid_flows.store_s3 import S3Store
with held(S3Store(sys.argv[1], Path(sys.argv[2])), "run", lease_s=float(sys.argv[3])):
    print("held", flush=True)
    time.sleep(60)
"""


def start_holder(address: str, tmp_path: Path, lease_s: float) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", HOLD, address, str(tmp_path / "cache"), str(lease_s)]
    holder = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    return holder


def test_a_second_run_is_told_who_holds_and_takes_the_lock_of_a_killed_one_at_once(
    address: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    holder = start_holder(address, tmp_path, 6)
    store = S3Store(address, tmp_path)
    try:
        with pytest.raises(DataDirectoryHeld, match=rf"`run`, process {holder.pid} on ") as caught, held(store, "run"):
            pass
        assert "use another --data-dir" in str(caught.value)
    finally:
        holder.kill()
        holder.communicate()
    with held(store, "run"):
        assert "which ended without giving it back" in caplog.text, "its end is known, so its lease is not waited for"


def test_the_lock_of_a_dead_machine_is_taken_after_its_lease(address: str, tmp_path: Path) -> None:
    store = S3Store(address, tmp_path)
    elsewhere = {"purpose": "run", "pid": 1, "host": "far", "place": "far/boot/1", "since": "then", "lease_s": 1}
    store.write(".lock", json.dumps(elsewhere).encode())
    started = time.monotonic()
    with held(store, "run"):
        assert time.monotonic() - started >= 1


def test_a_lock_that_was_given_back_is_free(address: str, tmp_path: Path) -> None:
    store = S3Store(address, tmp_path)
    for _ in range(3):
        with held(store, "run", lease_s=1):
            store.write("lake/x", b"1")
    assert list(store.entries("")) != []


def test_of_several_that_find_a_stale_lock_one_takes_it(address: str, tmp_path: Path) -> None:
    S3Store(address, tmp_path).write(".lock", b"damaged")
    outcomes: list[str] = []
    done = threading.Event()

    def race() -> None:
        try:
            with held(S3Store(address, tmp_path), "run", lease_s=1):
                outcomes.append("held")
                done.wait(10)
        except DataDirectoryHeld:
            outcomes.append("refused")

    racers = [threading.Thread(target=race) for _ in range(3)]
    for racer in racers:
        racer.start()
    deadline = time.monotonic() + 20
    while len(outcomes) < 3 and time.monotonic() < deadline:
        time.sleep(0.05)
    done.set()
    for racer in racers:
        racer.join()
    assert sorted(outcomes) == ["held", "refused", "refused"]


def test_a_lock_outlives_its_lease_while_it_is_renewed_through_trouble(
    address: str, storage: Storage, tmp_path: Path
) -> None:
    store = S3Store(address, tmp_path)
    storage.trouble = 0.1
    with held(store, "run", lease_s=2):
        deadline = time.monotonic() + 3
        number = 0
        while time.monotonic() < deadline:
            store.write("lake/x", b"%d" % (number := number + 1))
            time.sleep(0.05)
        storage.trouble = 0
        deadline = time.monotonic() + 30
        while (beat := json.loads(store.read(".lock"))["beat"]) <= 4 and time.monotonic() < deadline:
            time.sleep(0.1)
        assert beat > 4


def test_a_holder_that_cannot_renew_writes_nothing_more(address: str, storage: Storage, tmp_path: Path) -> None:
    store = S3Store(address, tmp_path)
    appender = store.appender("raw/s.jsonl")
    with held(store, "run", lease_s=1):
        appender.append(b"1\n")
        storage.is_down = True
        time.sleep(1)
        storage.is_down = False
        with pytest.raises(StorageFailed, match="the lock could not be renewed in time"):
            appender.sync()
        with pytest.raises(StorageFailed, match="nothing more is written: run again"):
            store.write_if("lake/_manifest.json", b"{}", None)


def test_a_holder_that_was_replaced_writes_nothing_more(address: str, tmp_path: Path) -> None:
    first, second = S3Store(address, tmp_path), S3Store(address, tmp_path)
    with held(first, "run", lease_s=6):
        second.write(".lock", b'{"token": "another", "purpose": "run"}')
        time.sleep(1.5)
        with pytest.raises(StorageFailed, match="another run took over the lock"):
            first.write("lake/x", b"1")
    assert second.read(".lock") == b'{"token": "another", "purpose": "run"}', "the new owner keeps its lock"
