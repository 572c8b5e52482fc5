"""Whole runs of the command line, as a user would start them: in a process of their own."""

import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

Command = Callable[..., "subprocess.CompletedProcess[str]"]
BIN = Path(sys.executable).parent


@pytest.fixture(scope="session")
def clean_environ() -> dict[str, str]:
    """The environment without settings of the person who runs the tests."""
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("ECGRID_", "PREFECT_", "AWS_")) and not name.lower().endswith("_proxy")
    }


@pytest.fixture(scope="session")
def billing(clean_environ: dict[str, str]) -> Command:
    """`billing("run", "--json", env={…}, cwd=…)`: runs `ecgrid-billing` with a clean environment."""

    def run(
        *arguments: str, env: Mapping[str, str] | None = None, cwd: Path | None = None
    ) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [str(BIN / "ecgrid-billing"), *arguments],
            env={**clean_environ, **(env or {})},
            cwd=cwd,
            capture_output=True,
            text=True,
            check=False,
        )

    return run
