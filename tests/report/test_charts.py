"""Scales of the charts: where their axes begin and end."""

from typing import Any

import pandas as pd
import pytest

from ecgrid_flows.reporting import charts
from ecgrid_transforms.money import Decimal


def scales(found: Any) -> list[list[float]]:
    """The domains of all x scales in a specification, at any depth."""
    if isinstance(found, list):
        return [one for part in found for one in scales(part)]
    if not isinstance(found, dict):
        return []
    own = [found["x"]["scale"]["domain"]] if "domain" in found.get("x", {}).get("scale", {}) else []
    return own + [one for part in found.values() for one in scales(part)]


@pytest.mark.parametrize(
    ("credit", "domain"),
    [
        ("0", [0.0, 30.0]),
        # 10 and 20 are 30; a credit of 5.60 reaches as far to the left and no round step further
        ("-5.60", [-5.6, 30.0]),
    ],
)
def test_stacked_bars_begin_at_nothing_or_at_their_credits(credit: str, domain: list[float]) -> None:
    rows = [("A", "fits", "10"), ("A", "differs", "20"), ("B", "fits", "7"), ("B", "differs", credit)]
    frame = pd.DataFrame([(name, part, Decimal(amount)) for name, part, amount in rows], columns=["c", "s", "a"])
    colours = {"fits": charts.GREEN, "differs": charts.VERMILION}
    chart = charts.stacked(frame, "c", "s", "a", colours=colours, title="T", unit="U", describe="D")
    assert scales(chart.to_dict()) == [domain]
