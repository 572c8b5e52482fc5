"""Each step over a bucket with its n-th request failing, for every n; then run again where it could not end.

A request that fails once (refused, throttled, dropped, torn, or executed with its answer lost) is repeated, and the
step's result is that of an undisturbed run. Where the storage stays away from then on, or the process is killed before
or after the request was executed, the next run comes to that result. `make soak` tries all requests, `make soak
SHARE=ci` one of 32; one of the quickest step is among the `long`.
"""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from ecgrid_flows.errors import ExitStatus
from ecgrid_flows.storage.base import Store
from ecgrid_flows.storage.s3 import S3Store
from tests.support import steps
from tests.support.steps import DONE, Place, Step, chosen, differing, in_parts
from tests.support.storage import BUCKET, KINDS, LASTING, Storage

pytestmark = pytest.mark.slow

SLOW = (steps.PULL, steps.BUILD, steps.FIRST_EXPORT, steps.EXPORT_AGAIN, steps.CLOSE, steps.BOOK, steps.IMPORT)
TRIED = (
    pytest.param(steps.SET, marks=pytest.mark.long),
    *(pytest.param(step, marks=pytest.mark.soak) for step in SLOW),
)
KILLED = -9


class Bucket(Place):
    """A data directory in a bucket, and this machine's cache of it."""

    def __init__(self, top: Path, storage: Storage) -> None:
        super().__init__(top)
        self.storage = storage
        self.address = f"s3://{BUCKET}/failing/data"
        self.environ |= storage.environment() | {"XDG_CACHE_HOME": str(top / "cache")}
        self.cache = top / "cache"
        self._objects: dict[str, dict[str, bytes]] = {}
        storage.kill = self.forker.kill

    @property
    def store(self) -> Store:
        return S3Store(self.address, self.top / "reader")

    @property
    def warehouse(self) -> Path:
        (found,) = self.cache.glob("ecgrid-billing/*/warehouse/billing.duckdb")
        return found

    def save(self, name: str) -> None:
        self._objects[name] = self.contents("")
        shutil.copytree(self.cache, self.top / name, dirs_exist_ok=True)

    def load(self, name: str) -> None:
        """Objects get their versions by their content, so the cache fits."""
        store, wanted = self.store, self._objects[name]
        present = self.contents("")
        for path in {*present} - {*wanted} | {".lock"}:
            store.delete(path)
        for path, body in wanted.items():
            if present.get(path) != body:
                store.write(path, body)
        shutil.rmtree(self.cache, ignore_errors=True)
        shutil.copytree(self.top / name, self.cache)

    def clear(self) -> None:
        self._objects["nothing"] = {}
        (self.top / "nothing").mkdir(exist_ok=True)
        self.load("nothing")


@pytest.fixture(scope="module")
def bucket(one_storage: Storage, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bucket]:
    made = Bucket(tmp_path_factory.mktemp("failing"), one_storage)
    yield made
    made.close()


def disturbed(bucket: Bucket, step: Step, fail_at: tuple[int, str] | None = None) -> tuple[int, str]:
    """The step from its state, with one request failing; its status and what it wrote to stderr."""
    bucket.begin(step.base)
    bucket.storage.count_from_here(fail_at)
    try:
        return bucket.command(*step.words)
    finally:
        bucket.storage.fail_at = None


@pytest.mark.usefixtures("storage")
@in_parts
@pytest.mark.parametrize("step", TRIED, ids=lambda step: step.name.replace(" ", "_"))
def test_a_request_that_fails(bucket: Bucket, step: Step, part: int | None) -> None:
    status, said = disturbed(bucket, step)
    assert status in DONE, said
    count, right = bucket.storage.counted, step.result(bucket)
    for at in chosen(count, part, f"bucket {step.name}"):
        once = KINDS[at % len(KINDS)]
        status, said = disturbed(bucket, step, (at, once))
        assert status in DONE, f"{at} {once}: {said}"
        assert differing(step.result(bucket), right) == [], f"{at} {once}"
        lasting = LASTING[at % len(LASTING)]
        status, said = disturbed(bucket, step, (at, lasting))
        ends = (ExitStatus.INCOMPLETE, ExitStatus.USAGE) if lasting == "down" else (KILLED,)
        assert status in (*DONE, *ends), f"{at} {lasting}: {said}"
        assert "Traceback" not in said, f"{at} {lasting}: {said}"
        step.again(bucket, right, at)
