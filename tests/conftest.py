"""What every test shares: a clean environment, and property tests that do not judge a busy machine by its pace."""

import fcntl
import logging
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, settings

from tests.support.commands import Command, Commands

Once = Callable[[str, Callable[[Path], object]], Path]

# The same examples every time: a build does not fail by chance. HYPOTHESIS_SEARCH=20 looks at 20 times as many, and new
# ones each time. The phase that explains a failure traces every line, and would outlast the tests' time-out.
SEARCH = int(os.environ.get("HYPOTHESIS_SEARCH", "0"))
settings.register_profile(
    "house",
    deadline=None,
    derandomize=not SEARCH,
    max_examples=100 * max(SEARCH, 1),
    phases=[phase for phase in Phase if phase is not Phase.explain],
    suppress_health_check=[HealthCheck.too_slow],
    print_blob=True,
)
settings.load_profile("house")


def is_setting(name: str) -> bool:
    """Whether a variable of the environment changes what the code under test does."""
    return name.startswith(("ECGRID_", "PREFECT_", "AWS_")) or name.lower().endswith("_proxy")


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No setting of the person who runs the tests reaches the code under test."""
    for name in filter(is_setting, list(os.environ)):
        monkeypatch.delenv(name)


@pytest.fixture(autouse=True)
def clean_logs() -> Iterator[None]:
    """A test that calls `main` in this process leaves no handler and no level behind."""
    named = [logging.getLogger(), *map(logging.getLogger, ("ecgrid_client", "ecgrid_flows", "ecgrid_sandbox"))]
    before = [(one.level, one.propagate, list(one.handlers)) for one in named]
    made_by = logging.getLogRecordFactory()
    yield
    logging.setLogRecordFactory(made_by)
    for one, (level, propagate, handlers) in zip(named, before, strict=True):
        one.setLevel(level)
        one.propagate = propagate
        one.handlers = handlers


@pytest.fixture(scope="session")
def once(tmp_path_factory: pytest.TempPathFactory) -> Once:
    """`once(name, fill)`: a folder that one process of a run of the tests fills, and all read; none may change it."""
    own = tmp_path_factory.getbasetemp()
    shared = own.parent if "PYTEST_XDIST_WORKER" in os.environ else own

    def filled(name: str, fill: Callable[[Path], object]) -> Path:
        folder, whole = shared / f"once-{name}", shared / f"once-{name}.whole"
        with (shared / f"once-{name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not whole.exists():
                shutil.rmtree(folder, ignore_errors=True)
                folder.mkdir()
                fill(folder)
                whole.touch()
        return folder

    return filled


@pytest.fixture(scope="session")
def clean_environ() -> dict[str, str]:
    """The environment without settings of the person who runs the tests."""
    return {name: value for name, value in os.environ.items() if not is_setting(name)}


@pytest.fixture(scope="session")
def billing(clean_environ: dict[str, str]) -> Iterator[Command]:
    """`billing("run", "--json", env={…}, cwd=…)`: runs `ecgrid-billing` in a process of its own, without settings."""
    with closing(Commands(clean_environ)) as commands:
        yield commands.run


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with slow tests first, so that at the end no process waits long for another."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)
