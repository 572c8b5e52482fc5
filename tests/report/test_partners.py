"""Who drives the cost of traffic: sums by partner, their change, and the three sentences of the report."""

import pandas as pd

from ecgrid_flows.reporting import partners, sections
from ecgrid_transforms.money import Decimal


def usage(*rows: tuple[str | None, str]) -> pd.DataFrame:
    return pd.DataFrame([(partner, Decimal(cost)) for partner, cost in rows], columns=["partner", "cost"])


NOW = usage(("Acme", "10.00"), ("Acme", "2.50"), ("Beta", "7.00"), (None, "1.25"))
BEFORE = usage(("Acme", "12.00"), ("Beta", "2.00"), ("Gone", "0.75"))
CHANGES = pd.DataFrame(
    [("TrafficAll", Decimal(6), Decimal(1), Decimal(4)), ("FixedRate", Decimal(99), Decimal(99), Decimal(0))],
    columns=["account_report", "change", "price_part", "volume_part"],
)


def test_the_largest_change_comes_first_and_the_rest_is_one_row() -> None:
    found = partners.by_partner(NOW, BEFORE)
    assert list(found.itertuples(index=False, name=None)) == [
        ("Beta", Decimal("7.00"), Decimal("2.00"), Decimal("5.00")),
        ("Other traffic", Decimal("1.25"), 0, Decimal("1.25")),
        ("Gone", 0, Decimal("0.75"), Decimal("-0.75")),
        ("Acme", Decimal("12.50"), Decimal("12.00"), Decimal("0.50")),
    ]


def test_three_sentences_name_share_mover_and_cause() -> None:
    """Costs: 12.50 + 7.00 + 1.25 = 20.75; of a change of 6.00, 1.00 is price and 4.00 volume."""
    said = str(partners.sentences(partners.by_partner(NOW, BEFORE), CHANGES))
    assert "The statistics name 3 trading partners; Acme has 12.50 of the 20.75 that their lines cost." in said
    assert "Beta moved the bill most: 7.00 after 2.00, 5.00 more." in said
    assert "Of the change of all traffic lines, 1.00 is price, 4.00 volume, and 1.00 tiers," in said


def test_without_a_month_before_nothing_is_compared() -> None:
    said = str(partners.sentences(partners.by_partner(NOW, usage()), CHANGES.head(0)))
    assert "of the 20.75 that their lines cost. There is no month before to compare with.</p>" in said


def test_a_name_of_a_partner_is_escaped() -> None:
    said = str(partners.sentences(partners.by_partner(usage(("<script>", "1")), usage()), CHANGES.head(0)))
    assert "<script>" not in said


def test_what_the_statistics_cannot_tell_is_counted_by_measure() -> None:
    clock, size = "whether the month ends by UTC or by the service's clock", "whether a KC has 1,000 or 1,024 bytes"
    meters = pd.DataFrame(
        [
            (1, "TrafficAll", "ToTrans", "in", clock),
            (1, "TrafficAll", "ToTrans", "out", clock),
            (1, "TrafficAll", "ToKCs", "in", f"{clock}; {size}"),
            (2, "TrafficAll", "ToKCs", "in", None),
        ],
        columns=["network_id", "account_report", "measure_field", "direction", "not_told"],
    )
    assert sections.not_told(meters).markup == (
        "<p>What the statistics cannot tell of 3 measures of networks: whether the month ends by UTC or by the "
        "service&#39;s clock (2 measures); whether a KC has 1,000 or 1,024 bytes (1 measure).</p>"
    )
    assert sections.not_told(meters[meters["network_id"] == 2]).markup == ""
    assert sections.not_told(meters.head(0)).markup == ""
