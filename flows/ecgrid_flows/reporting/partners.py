"""Which trading partner drives the cost of traffic: sums by partner, the change since last month, and its sentences."""

import pandas as pd

from ecgrid_flows.figures import money, plural
from ecgrid_flows.pages import Html
from ecgrid_flows.reporting.frames import sums, total
from ecgrid_flows.reporting.html import Column, paragraph, table
from ecgrid_flows.reporting.wording import records
from ecgrid_transforms.money import ZERO, Decimal

#: Name of what the statistics of partners do not cover.
REST = "Other traffic"


def by_partner(now: pd.DataFrame, before: pd.DataFrame) -> pd.DataFrame:
    """Cost by partner in a month and the one before, from out_partner_usage: columns partner, cost, previous, change.

    The largest change first; the rest of the lines, which no partner is named for, is one row.
    """
    costs: dict[str, tuple[Decimal, Decimal]] = {}
    for place, rows in enumerate((now, before)):
        if rows.empty:
            continue
        named = rows[["partner", "cost"]].assign(partner=rows["partner"].fillna(REST))
        for row in records(sums(named, ["partner"], ["cost"])):
            both = list(costs.get(row["partner"], (ZERO, ZERO)))
            both[place] = row["cost"]
            costs[row["partner"]] = (both[0], both[1])
    found = [(name, cost, previous, cost - previous) for name, (cost, previous) in costs.items()]
    found.sort(key=lambda row: (-abs(row[3]), -row[1], row[0]))
    return pd.DataFrame(found, columns=["partner", "cost", "previous", "change"])


def sentences(partners: pd.DataFrame, changes: pd.DataFrame) -> Html:
    """Who has the largest share, who moved the bill most, and whether price or volume did.

    Three sentences; without a month before, one and that there is none.
    """
    named = [row for row in records(partners) if row["partner"] != REST]
    whole = sum((row["cost"] for row in records(partners)), ZERO)
    if not named:
        return paragraph("The statistics name no trading partner.")
    largest = max(named, key=lambda row: row["cost"])
    moved = named[0]
    count, share = plural(len(named), "trading partner"), money(largest["cost"])
    said = [
        f"The statistics name {count}; {largest['partner']} has {share} of the {money(whole)} that their lines cost."
    ]
    traffic = changes[changes["account_report"].str.startswith("Traffic")] if not changes.empty else changes
    if traffic.empty and not any(row["previous"] for row in records(partners)):
        return paragraph(f"{said[0]} There is no month before to compare with.")
    if moved["previous"]:
        way = "more" if moved["change"] >= ZERO else "less"
        said.append(
            f"{moved['partner']} moved the bill most: {money(moved['cost'])} after {money(moved['previous'])}, "
            f"{money(abs(moved['change']))} {way}."
        )
    else:
        said.append(
            f"{moved['partner']} moved the bill most: {money(moved['cost'])}, with no cost in the month before."
        )
    if traffic.empty:
        said.append("There is no month before to compare with.")
    else:
        price, volume = total(traffic["price_part"]), total(traffic["volume_part"])
        rest = total(traffic["change"]) - price - volume
        said.append(
            f"Of the change of all traffic lines, {money(price)} is price, {money(volume)} volume, and {money(rest)} "
            "tiers, new and ended lines, and corrections."
        )
    return paragraph(" ".join(said))


def partners_table(partners: pd.DataFrame) -> Html:
    """The data of the chart of partners."""
    return table(
        partners,
        "Cost of traffic by trading partner",
        {
            "partner": "Trading partner",
            "previous": Column("Month before", "money"),
            "cost": Column("Cost", "money"),
            "change": Column("Change", "difference"),
        },
        limit=500,
        rest="The others are in out_partner_usage.",
    )
