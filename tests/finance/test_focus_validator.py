"""What the FinOps Foundation's own validator says of a FOCUS file with every kind of charge in it."""

from pathlib import Path

import pytest

from ecgrid_flows.finance.export import export_month
from ecgrid_flows.settings import Settings

from . import validate_focus
from .world import MONTH, build, every_kind_of_charge


def verdict(path: Path) -> validate_focus.Verdict:
    try:
        return validate_focus.validate(path)
    except validate_focus.NotHere as why:
        pytest.skip(str(why))


@pytest.fixture
def exported(tmp_path: Path) -> Path:
    settings = Settings(data_dir=str(tmp_path / "data"), currency="USD")
    build(settings, **every_kind_of_charge())
    export_month(settings, MONTH)
    return settings.exports_dir(MONTH) / "focus_1_2.parquet"


@pytest.mark.slow
def test_only_the_two_known_faults_of_the_model_fail(exported: Path) -> None:
    """That these two do fail shows that the validator is awake: passing would mean nothing otherwise."""
    said = verdict(exported)
    assert said.unexpected == ()
    assert set(said.failed) == set(validate_focus.KNOWN_FAULTS)
    assert said.is_good
