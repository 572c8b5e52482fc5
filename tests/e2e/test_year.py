"""A year of one data directory, simulated from a seed; see `year`."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.forker import Forker
from tests.support.storage import Storage, fronting

from .year import Year

pytestmark = pytest.mark.slow

#: YEAR_SEED=123 plays the year of that seed alone; `make soak SHARE=ci` one of the twenty.
SEEDS = range(1, 21) if "HYPOTHESIS_SEARCH" in os.environ else [1]
if "YEAR_SEED" in os.environ:
    SEEDS = [int(os.environ["YEAR_SEED"])]


@pytest.fixture(scope="module")
def forker() -> Iterator[Forker]:
    made = Forker()
    made.load_schedule()
    yield made
    made.close()


@pytest.fixture(scope="module")
def proxy() -> Iterator[Storage]:
    with fronting(0) as made:
        yield made


def played(seed: int, months: int, folder: Path, forker: Forker, proxy: Storage) -> None:
    year = Year(seed, months, folder, forker, proxy)
    try:
        year.play()
        year.check()
    except BaseException:
        print(f"YEAR_SEED={seed}, {months} months, in {year.zone}")
        print("\n".join(year.story))
        raise


def test_a_month(forker: Forker, proxy: Storage, tmp_path: Path) -> None:
    """With a power loss in the night across the month's end, errors accepted and a closing."""
    played(46, 1, tmp_path, forker, proxy)


@pytest.mark.soak
@pytest.mark.timeout(12 * 1200)  # a month has the time of another test
@pytest.mark.parametrize("seed", SEEDS, ids=lambda seed: f"seed{seed}")
def test_a_year(forker: Forker, proxy: Storage, tmp_path: Path, seed: int) -> None:
    played(seed, 12, tmp_path, forker, proxy)
