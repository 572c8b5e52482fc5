"""Each step with its n-th operation on the disk failing, or the power going at it, for every n; then run again.

The result is that of an undisturbed run, and a command that fails ends with a sentence. What fails and what a power
loss leaves is drawn by `tests.support.disk`. `make soak` tries all operations, `make soak SHARE=ci` one of 32,
`make test` one of each quick step.
"""

import shutil
from collections.abc import Iterator

import pytest

from ecgrid_flows.errors import ExitStatus
from tests.support import steps
from tests.support.steps import DONE, Place, Step, chosen, differing, in_parts

pytestmark = pytest.mark.slow

#: Tried everywhere, and by CI.
QUICK = (steps.SET, pytest.param(steps.CLOSE, marks=pytest.mark.long))
SLOW = (steps.FIRST_EXPORT, steps.EXPORT_AGAIN, steps.CLOSE_AGAIN, steps.PULL, steps.BOOK)
TRIED = (*QUICK, *(pytest.param(step, marks=pytest.mark.soak) for step in SLOW))


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    made = Place(tmp_path_factory.mktemp("failing"))
    yield made
    made.close()


def operations(place: Place) -> int:
    """How many operations the last command made."""
    return int((place.top / "changes").read_text())


@in_parts
@pytest.mark.parametrize("step", TRIED, ids=lambda step: step.name.replace(" ", "_"))
def test_an_operation_that_fails(place: Place, step: Step, part: int | None) -> None:
    """Once, or from then on; by a broken disk, or by a full one."""
    place.begin(step.base)
    assert place.command(*step.words, reads=True)[0] in DONE
    right = step.result(place)
    for at in chosen(operations(place), part, f"fail {step.name}"):
        place.begin(step.base)
        code, what = ("EIO", "ENOSPC")[at % 2], ("fail", "fail on")[at // 2 % 2]
        status, said = place.command(*step.words, what=what, at=at, code=code, reads=True)
        assert status in (*DONE, ExitStatus.INCOMPLETE), f"{at}: {said}"
        assert "Traceback" not in said, f"{at}: {said}"
        step.again(place, right, at)


@in_parts
@pytest.mark.parametrize("step", TRIED, ids=lambda step: step.name.replace(" ", "_"))
def test_a_power_loss(place: Place, step: Step, part: int | None) -> None:
    """At an operation, or after the command ended: what it reported as done is durable."""
    place.begin(step.base)
    assert place.command(*step.words)[0] in DONE
    count, right = operations(place), step.result(place)
    for at in chosen(count + 1, part, f"power {step.name}"):
        place.begin(step.base)
        status, said = place.command(*step.words, what="power", at=at, seed=at)
        assert status in (-9, *(DONE if at > count else ())), said
        shutil.rmtree(place.folder)
        place.folder.with_name("data.after").rename(place.folder)
        if at > count:
            assert differing(step.result(place), right) == [], "it had ended"
        step.again(place, right, at)
