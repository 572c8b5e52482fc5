"""Whole runs of the command line, in a process of their own."""

import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing
from os import environ

import pytest

from tests.support.commands import Commands

Command = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="session")
def clean_environ() -> dict[str, str]:
    """The environment without settings of the person who runs the tests."""
    return {
        name: value
        for name, value in environ.items()
        if not name.startswith(("ECGRID_", "PREFECT_", "AWS_")) and not name.lower().endswith("_proxy")
    }


@pytest.fixture(scope="session")
def billing(clean_environ: dict[str, str]) -> Iterator[Command]:
    """`billing("run", "--json", env={…}, cwd=…)`: runs `ecgrid-billing` with a clean environment."""
    with closing(Commands(clean_environ)) as commands:
        yield commands.run
