"""Many writers of one bucket, simulated from a seed: what they were told is held against what is there.

The lock, the store and the log of decisions are the program's own. Threads, clocks, waits and the bucket are
simulated: one thread runs at a time, and the seed decides which one, how long each pause is, and what becomes of each
request. It may be refused, be done although its answer is lost, or be given up and still be done up to a minute later.
Writers pause for longer than a lease, are killed, and have clocks that differ and run up to a twentieth too fast or too
slow.
"""

import heapq
import itertools
import random
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ecgrid_flows.errors import DataDirectoryHeld, StorageFailed
from ecgrid_flows.finance import audit_log
from ecgrid_flows.storage import s3, s3_lease

#: Seed 186 once read a log while another writer appended.
FEW, MANY = (*range(8), 186), range(1000)
WRITERS, TURNS = 4, 5
START = datetime(2026, 11, 2, tzinfo=UTC)


class Killed(BaseException):
    """Ends a simulated process where it stands."""


@dataclass
class Actor:
    """A simulated process: its threads share a clock."""

    name: str
    offset_s: float = 0.0
    pace: float = 1.0
    is_killed: bool = False

    def clock(self, now_s: float) -> float:
        return self.offset_s + self.pace * now_s


class Simulation:
    """Threads of which one runs at a time, in an order that the seed gives, by a clock that only waits move."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.now_s = 0.0
        self._turns = itertools.count()
        self._waiting: list[tuple[float, int, threading.Event]] = []
        self._yielded = threading.Semaphore(0)
        self._mine = threading.local()

    @property
    def actor(self) -> Actor:
        found: Actor = self._mine.actor
        return found

    def start(self, actor: Actor, work: Callable[[], object]) -> Callable[[], bool]:
        """Start a thread; returns whether it has ended."""
        turn, ended = threading.Event(), threading.Event()

        def run() -> None:
            self._mine.actor = actor
            turn.wait()
            try:
                if not actor.is_killed:
                    work()
            except Killed:
                pass
            finally:
                ended.set()
                self._yielded.release()

        threading.Thread(target=run, daemon=True).start()
        self._wake(0.0, turn)
        return ended.is_set

    def wait(self, seconds: float) -> None:
        """Let others run; a killed process does not come back."""
        turn = threading.Event()
        self._wake(seconds, turn)
        self._yielded.release()
        turn.wait()
        if self.actor.is_killed:
            raise Killed

    def _wake(self, seconds: float, turn: threading.Event) -> None:
        heapq.heappush(self._waiting, (self.now_s + max(seconds, 0.0), next(self._turns), turn))

    def run(self) -> None:
        """Until every thread has ended."""
        while self._waiting:
            at_s, _, turn = heapq.heappop(self._waiting)
            self.now_s = at_s
            turn.set()
            self._yielded.acquire()

    # -- what the program takes for time and threads ------------------------------------------------------

    def time(self) -> SimpleNamespace:
        return SimpleNamespace(monotonic=self.clock, sleep=lambda seconds: self.wait(seconds / self.actor.pace))

    def clock(self) -> float:
        return self.actor.clock(self.now_s)

    def threading(self) -> SimpleNamespace:
        simulation = self

        class Thread:
            def __init__(self, target: Callable[[], object], **_: object) -> None:
                self._target = target

            def start(self) -> None:
                self._has_ended = simulation.start(simulation.actor, self._target)

            def join(self) -> None:
                while not self._has_ended():
                    simulation.wait(0.01)

        class Event:
            _is_set = False

            def set(self) -> None:
                self._is_set = True

            def is_set(self) -> bool:
                return self._is_set

            def wait(self, seconds: float) -> bool:
                until_s = simulation.now_s + seconds / simulation.actor.pace
                while not self._is_set and simulation.now_s < until_s:
                    simulation.wait(min(1.0, until_s - simulation.now_s))
                return self._is_set

        return SimpleNamespace(Thread=Thread, Event=Event, Lock=threading.Lock)


class Bucket:
    """obstore's client as the store uses it, with conditional writes and trouble."""

    def __init__(self, simulation: Simulation) -> None:
        self._simulation = simulation
        self._objects: dict[str, tuple[bytes, str, datetime]] = {}
        self._etags = itertools.count(1)
        self.trouble = 0.1
        self.fates: Counter[str] = Counter()

    def put(self, key: str, data: bytes, mode: Any = None) -> dict[str, Any]:
        return self._request(lambda: self._put(key, data, mode))

    def head(self, key: str) -> dict[str, Any]:
        return self._request(lambda: self._meta(key))

    def get(self, key: str) -> Any:
        def found() -> SimpleNamespace:
            data = self._found(key)[0]
            return SimpleNamespace(bytes=lambda: data, meta=self._meta(key))

        return self._request(found)

    def delete(self, key: str) -> None:
        self._request(lambda: self._objects.pop(key, None))

    def list(self, prefix: str | None, offset: str | None = None, chunk_size: int = 1000) -> Iterator[Any]:
        def page() -> list[dict[str, Any]]:
            keys = sorted(key for key in self._objects if key.startswith(prefix or "") and key > (offset or ""))
            return [self._meta(key) for key in keys[:chunk_size]]

        yield self._request(page)

    def _put(self, key: str, data: bytes, mode: Any) -> dict[str, Any]:
        from obstore import exceptions

        if mode == "create" and key in self._objects:
            raise exceptions.AlreadyExistsError("status code 412 <Code>PreconditionFailed</Code>")
        if isinstance(mode, dict) and (key not in self._objects or self._objects[key][1] != mode["e_tag"]):
            raise exceptions.PreconditionError("status code 412 <Code>PreconditionFailed</Code>")
        self._objects[key] = (bytes(data), f'"{next(self._etags)}"', self._now())
        return self._meta(key)

    def _now(self) -> datetime:
        return (START + timedelta(days=1, seconds=self._simulation.now_s)).replace(microsecond=0)

    def _found(self, key: str) -> tuple[bytes, str, datetime]:
        if key not in self._objects:
            raise FileNotFoundError("status code 404 <Code>NoSuchKey</Code>")
        return self._objects[key]

    def _meta(self, key: str) -> dict[str, Any]:
        data, etag, changed_at = self._found(key)
        return {"path": key, "e_tag": etag, "last_modified": changed_at, "size": len(data)}

    def _request(self, do: Callable[[], Any]) -> Any:
        drawn = self._simulation.random
        self._simulation.wait(drawn.uniform(0.01, 0.3))
        fate = "done" if drawn.random() > self.trouble else drawn.choice(("refused", "lost", "late"))
        self.fates[fate] += 1
        if fate == "late":
            self._simulation.start(Actor("network"), lambda: self._do_late(do, drawn.uniform(1.0, 60.0)))
            self._simulation.wait(30.0)
        answer = do() if fate in ("done", "lost") else None
        self._simulation.wait(drawn.uniform(0.01, 0.3))
        if fate != "done":
            raise OSError("status code 500 <Code>InternalError</Code>")
        return answer

    def _do_late(self, do: Callable[[], Any], seconds: float) -> None:
        self._simulation.wait(seconds)
        try:
            do()
        except Exception:  # nobody waits for this answer
            self.fates["late and refused"] += 1


class Writers:
    """Processes that take the lock, append decisions under it, and are told of each whether it is there."""

    def __init__(self, simulation: Simulation, bucket: Bucket, folder: Path) -> None:
        self._simulation, self._bucket, self._folder = simulation, bucket, folder
        self._holding: dict[str, s3.S3Store] = {}
        self.acknowledged: list[str] = []
        self.tried: set[str] = set()
        self.told: Counter[str] = Counter()

    def work(self, actor: Actor) -> None:
        drawn = self._simulation.random
        for turn in range(TURNS):
            self._simulation.wait(drawn.uniform(0.0, 60.0))
            store = s3.S3Store("s3://bucket/data", self._folder / actor.name)
            try:
                with s3_lease.held(store, "close", s3_lease.LEASE_S, lambda: actor.clock(self._simulation.now_s)):
                    try:
                        self._holding[actor.name] = store
                        for number in range(3):
                            self._require_alone()
                            self._decide(store, f"{actor.name} {turn} {number}")
                    finally:
                        self._holding.pop(actor.name, None)
                self.told["released"] += 1
            except DataDirectoryHeld:
                self.told["held"] += 1
            except StorageFailed:
                self.told["failed"] += 1

    def _require_alone(self) -> None:
        writing = [name for name, store in self._holding.items() if store._fence() is None]
        assert len(writing) < 2, "two hold the lock, and both may write"

    def _decide(self, store: s3.S3Store, name: str) -> None:
        drawn = self._simulation.random
        if drawn.random() < 0.1:
            self._simulation.wait(drawn.uniform(0.0, 4 * s3_lease.LEASE_S))
        if drawn.random() < 0.03:
            self._simulation.actor.is_killed = True
            raise Killed
        self.tried.add(name)
        audit_log.append(store, "note", {"name": name})
        self.acknowledged.append(name)


def simulated(seed: int, folder: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Writers, Bucket, audit_log.Log]:
    """A history by its seed, and the log that a last reader finds once all requests have arrived."""
    simulation = Simulation(seed)
    bucket = Bucket(simulation)
    random.seed(seed)  # the jitter of retries
    monkeypatch.setattr(s3, "_bucket", lambda *_: bucket)
    monkeypatch.setattr(s3_lease, "_place", lambda: None)  # each writer is on a machine of its own
    monkeypatch.setattr(s3_lease, "time", simulation.time())
    monkeypatch.setattr(s3_lease, "threading", simulation.threading())
    monkeypatch.setattr("tenacity.nap.time", simulation.time())
    writers = Writers(simulation, bucket, folder)
    faults: list[BaseException] = []

    def work(actor: Actor) -> None:
        try:
            writers.work(actor)
        except Exception as error:
            faults.append(error)

    for number in range(WRITERS):
        drawn = simulation.random
        actor = Actor(f"writer{number}", drawn.uniform(0, 1e6), drawn.uniform(0.95, 1.05))
        simulation.start(actor, lambda actor=actor: work(actor))
    simulation.run()
    if faults:
        raise faults[0]
    bucket.trouble = 0.0
    logs: list[audit_log.Log] = []

    def read() -> None:
        store = s3.S3Store("s3://bucket/data", folder / "last")
        with s3_lease.held(store, "close", s3_lease.LEASE_S, simulation.clock):
            audit_log.append(store, "note", {"name": "last"})
            logs.append(audit_log.read(store))

    simulation.start(Actor("last"), read)
    simulation.run()
    return writers, bucket, logs[0]


def check(seed: int, folder: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Writers, Bucket]:
    writers, bucket, log = simulated(seed, folder, monkeypatch)
    assert log.faults == ()
    names = [entry.data["name"] for entry in log.entries]
    assert len(set(names)) == len(names), "a decision is there twice"
    assert [name for name in names if name in writers.acknowledged] == writers.acknowledged, "one was lost, or moved"
    assert set(names) <= writers.tried | {"last"}
    return writers, bucket


def test_what_many_writers_were_told_is_in_the_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told: Counter[str] = Counter()
    fates: Counter[str] = Counter()
    for seed in FEW:
        writers, bucket = check(seed, tmp_path / str(seed), monkeypatch)
        told += writers.told + Counter(acknowledged=len(writers.acknowledged))
        fates += bucket.fates
    assert {"released", "held", "failed", "acknowledged"} <= told.keys(), told
    assert {"done", "refused", "lost", "late", "late and refused"} <= fates.keys(), fates


@pytest.mark.soak
@pytest.mark.parametrize("hundred", range(10))
def test_what_writers_of_many_histories_were_told_is_in_the_log(
    hundred: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for seed in MANY:
        if seed // 100 == hundred:
            check(seed, tmp_path / str(seed), monkeypatch)
