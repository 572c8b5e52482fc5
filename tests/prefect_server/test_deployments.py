"""The schedule without a server: what is due, how it ends, and that both ways to deploy say the same.

Prefect takes seconds to load, in every process that collects tests: it is loaded by the tests that run it.
"""

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from ecgrid_flows.runs import MonthDone
from ecgrid_flows.settings import Settings
from ecgrid_transforms.money import Decimal

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def deployments() -> Any:
    from ecgrid_flows import deployments

    return deployments


def test_prefect_yaml_is_what_serve_serves(deployments: Any) -> None:
    """Written anew by: python -c 'from ecgrid_flows.deployments import prefect_yaml; print(prefect_yaml(), end="")'."""
    assert (ROOT / "prefect.yaml").read_text(encoding="utf-8") == deployments.prefect_yaml()


def test_each_deployment_is_found_by_its_module(deployments: Any) -> None:
    from prefect.flows import load_flow_from_entrypoint

    assert [one.name for one in deployments.DEPLOYMENTS] == ["monthly", "open-month", "range"]
    for one in deployments.DEPLOYMENTS:
        assert load_flow_from_entrypoint(one.entrypoint).name == one.flow.name


def exported(folder: Path, *months: str) -> Settings:
    for month in months:
        (folder / "exports" / month).mkdir(parents=True)
        (folder / "exports" / month / "manifest.json").write_text("{}")
    return Settings(data_dir=str(folder))


@pytest.mark.parametrize(
    ("there", "due"),
    [
        ((), []),  # a new data directory owes nothing
        (("2026-09",), []),
        (("2026-07",), ["2026-08", "2026-09"]),
        (("2026-07", "2026-09"), ["2026-08"]),
        (("2026-05",), []),  # longer ago than it looks back
    ],
)
def test_a_missed_month_is_caught_up(deployments: Any, tmp_path: Path, there: tuple[str, ...], due: list[str]) -> None:
    settings = exported(tmp_path, *there)
    assert [f"{month:%Y-%m}" for month in deployments.missed(settings, date(2026, 10, 1), 3)] == due


def test_the_open_month_is_the_one_that_runs_in_utc(deployments: Any) -> None:
    assert deployments.open_month(datetime(2026, 11, 30, 23, 59, tzinfo=UTC)) == date(2026, 11, 1)
    assert deployments.open_month(datetime(2026, 12, 1, tzinfo=UTC)) == date(2026, 12, 1)


def test_the_summary_is_text_from_decimals_and_owns_up_to_invented_data(deployments: Any) -> None:
    done = MonthDone(date(2026, 10, 1), accounts=2, lines=3, amount=Decimal("1234.5"), findings={"wrong_tier": 1},
                     errors_found=1, at_stake=Decimal("0.1"))  # fmt: skip
    text = deployments.summary(done, invented=True)
    assert "| Amount billed | 1,234.50 |" in text
    assert "| Money at stake | 0.10 |" in text
    assert "- Priced by the wrong tier: 1" in text
    assert "Invented data" in text
    assert "Invented data" not in deployments.summary(done, invented=False)
