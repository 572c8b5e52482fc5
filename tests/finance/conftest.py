"""Fixtures of the finance tests."""

from dataclasses import replace
from pathlib import Path

import pytest

from ecgrid_flows.settings import Settings


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """A data directory of its own for every test."""
    return Settings(data_dir=str(tmp_path / "data"))


@pytest.fixture
def usd(settings: Settings) -> Settings:
    """The same, with a currency."""
    return replace(settings, currency="USD")
