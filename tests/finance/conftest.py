"""Fixtures of the finance tests."""

from pathlib import Path

import pytest

from ecgrid_flows.settings import Settings


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """A data directory of its own for every test."""
    return Settings(data_dir=str(tmp_path / "data"))
