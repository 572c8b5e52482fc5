"""What the FinOps Foundation's own validator says of a FOCUS file with every kind of charge in it."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ecgrid_flows.export import export_month
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
    said = verdict(exported)
    assert said.unexpected == ()
    assert set(said.failed) == set(validate_focus.KNOWN_FAULTS)
    assert said.is_good


@pytest.mark.slow
def test_the_validator_is_awake(exported: Path, tmp_path: Path) -> None:
    """A category that FOCUS does not know must be noticed, or passing means nothing."""
    table = pq.read_table(exported)
    place = table.schema.get_field_index("ChargeCategory")
    wrong: Any = pa.array(["Guess"] * table.num_rows)
    pq.write_table(table.set_column(place, "ChargeCategory", wrong), tmp_path / "wrong.parquet")
    assert "ChargeCategory" in " ".join(verdict(tmp_path / "wrong.parquet").unexpected)
