"""One S3 server and one billed world for this folder.

Every test gets a prefix of its own on the server, and no trouble but what it asks for.
"""

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.storage import BUCKET, Storage, running

from .billing import Billed, billed

_numbers = itertools.count()


@pytest.fixture(scope="session")
def one_storage() -> Iterator[Storage]:
    with running() as storage:
        yield storage


@pytest.fixture
def storage(one_storage: Storage, monkeypatch: pytest.MonkeyPatch) -> Iterator[Storage]:
    """The server, with the AWS variables of this process set to it."""
    for name, value in one_storage.environment().items():
        monkeypatch.setenv(name, value)
    try:
        yield one_storage
    finally:
        one_storage.trouble = one_storage.latency_s = 0.0
        one_storage.is_down = one_storage.ignores_conditions = False


@pytest.fixture
def address(storage: Storage) -> str:
    """A data directory that nobody has used."""
    return f"s3://{BUCKET}/test-{next(_numbers)}/data"


@pytest.fixture
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """The waits between attempts are what they are; a test of what comes of them need not sit through them."""
    monkeypatch.setattr("ecgrid_flows.storage.s3.LONGEST_WAIT_S", 0.05)


@pytest.fixture(scope="session")
def local(once: Callable[[str, Callable[[Path], object]], Path]) -> Iterator[Billed]:
    """What all others must come to: two months, pulled and built by one process on local files."""
    with billed(once) as made:
        yield made
