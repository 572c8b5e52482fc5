"""The charts of the notebooks and of the monthly report, in Altair.

A number on a chart is either text made from the decimal (labels, tooltips) or a position on the screen; positions
alone are floats. Colours are Okabe and Ito's, which people with any colour blindness can distinguish, and no chart uses
colour alone. Every chart has a title, a subtitle with its unit and a description for screen readers.

Importing this module makes Altair show charts as a Vega-Lite specification beside a drawing of it (SVG), so that they
appear in any notebook front end without a network.
"""

import os
from collections.abc import Sequence
from typing import Any

import altair as alt
import pandas as pd

from ecgrid_flows.figures import money, number, signed
from ecgrid_flows.reporting.palette import BLUE, GREEN, GREY, MODEL_COLOURS, ORANGE, PALETTE, SKY, VERMILION
from ecgrid_flows.reporting.render_svg import UNDRAWN, drawing
from ecgrid_transforms.money import ZERO, Decimal

__all__ = [
    "BLUE",
    "GREEN",
    "GREY",
    "ORANGE",
    "PALETTE",
    "SKY",
    "VERMILION",
    "bars",
    "curves",
    "pairs",
    "stacked",
    "trend",
    "waterfall",
]

INK, QUIET, RULE = "#1c2430", "#4a5563", "#d5dae1"
FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', 'DejaVu Sans', sans-serif"

#: Vega's number formats for axis ticks: whole steps of a scale, never an amount.
TICKS = ",~f"
#: Few ticks, fewer on a phone, and every one labelled: where labels make room for each other, Vega leaves out every
#: second, 0 too.
PLACES = alt.Axis(format=TICKS, tickCount=alt.ExprRef("width < 320 ? 3 : 5"), labelOverlap=False)
LONGEST_LABEL = 320
#: Share of a scale that the amount beside its longest bar takes.
LABEL_ROOM = 0.15

_MIME = "application/vnd.vegalite.v6+json"


def positions(values: "Sequence[Any] | pd.Series[Any]") -> list[float | None]:
    """Where values lie on a scale."""
    return [None if not isinstance(value, Decimal | int) else float(value) for value in values]  # never money: a place


def bars(
    frame: pd.DataFrame,
    category: str,
    amount: str,
    *,
    title: str,
    unit: str,
    describe: str,
    difference: bool = False,
    as_money: bool = True,
) -> alt.TopLevelMixin:
    """Horizontal bars, one per row in the order given, each with its amount as text. `difference` shows signs.

    Without `as_money` the values are quantities.
    """
    text = number if not as_money else signed if difference else money
    data = pd.DataFrame(
        {
            "category": [str(value) for value in frame[category]],
            "place": positions(frame[amount]),
            "label": [text(value) for value in frame[amount]],
            "kind": ["over" if value > ZERO else "under" for value in frame[amount]],
        }
    )
    x = alt.X("place:Q", title=None, axis=PLACES, scale=_from_zero(data["place"]))
    drawn = (
        alt.Chart(data)
        .mark_bar(height=16)
        .encode(
            x=x,
            color=alt.Color("kind:N", legend=None, scale=alt.Scale(domain=["over", "under"], range=[VERMILION, BLUE]))
            if difference
            else alt.value(BLUE),
            tooltip=[alt.Tooltip("category:N", title=" "), alt.Tooltip("label:N", title=unit)],
        )
    )
    return _finished(_rows(data, "category", x, drawn), title, unit, describe, height=26 * len(data) + 6)


def stacked(
    frame: pd.DataFrame,
    category: str,
    series: str,
    amount: str,
    *,
    colours: dict[str, str],
    title: str,
    unit: str,
    describe: str,
) -> alt.TopLevelMixin:
    """Horizontal bars made of parts; `colours` names the parts in their order."""
    data = pd.DataFrame(
        {
            "category": [str(value) for value in frame[category]],
            "series": [str(value) for value in frame[series]],
            "place": positions(frame[amount]),
            "label": [money(value) for value in frame[amount]],
            "rank": [list(colours).index(str(value)) for value in frame[series]],
        }
    )
    above, below = data["place"].clip(lower=0), data["place"].clip(upper=0)
    ends = pd.concat([side.groupby(data["category"]).sum() for side in (above, below)])
    chart = (
        alt.Chart(data)
        .mark_bar(height=18, stroke="white", strokeWidth=1)
        .encode(
            y=alt.Y("category:N", sort=None, title=None, axis=alt.Axis(labelLimit=LONGEST_LABEL)),
            x=alt.X("place:Q", title=None, axis=PLACES, scale=_from_zero(ends)),
            color=alt.Color(
                "series:N",
                title=None,
                scale=alt.Scale(domain=list(colours), range=list(colours.values())),
                legend=alt.Legend(orient="top", labelLimit=LONGEST_LABEL),
            ),
            order=alt.Order("rank:Q"),
            tooltip=[
                alt.Tooltip("category:N", title=" "),
                alt.Tooltip("series:N", title="Part"),
                alt.Tooltip("label:N", title=unit),
            ],
        )
    )
    return _finished(chart, title, unit, describe, height=30 * data["category"].nunique() + 6)


def pairs(
    frame: pd.DataFrame, category: str, series: dict[str, str], *, title: str, unit: str, describe: str
) -> alt.TopLevelMixin:
    """Quantities side by side: for every category one bar for each of `series`, a name and its column."""
    names = list(series)
    data = pd.DataFrame(
        {
            "category": [str(value) for value in frame[category] for _ in names],
            "series": [name for _ in frame[category] for name in names],
            "place": positions([row[column] for _, row in frame.iterrows() for column in series.values()]),
            "label": [number(row[column]) for _, row in frame.iterrows() for column in series.values()],
        }
    )
    base = alt.Chart(data).encode(
        y=alt.Y("category:N", sort=None, title=None, axis=alt.Axis(labelLimit=LONGEST_LABEL)),
        yOffset=alt.YOffset("series:N", sort=names),
        x=alt.X("place:Q", title=None, axis=PLACES, scale=_from_zero(data["place"], room=LABEL_ROOM)),
        tooltip=[
            alt.Tooltip("category:N", title=" "),
            alt.Tooltip("series:N", title="Counted"),
            alt.Tooltip("label:N", title="Quantity"),
        ],
    )
    drawn = base.mark_bar().encode(color=alt.Color("series:N", title=None, scale=_scale(names), legend=_legend(names)))
    labels = base.mark_text(align="left", dx=5, color=INK, fontSize=11).encode(text="label:N")
    return _finished(alt.layer(drawn, labels), title, unit, describe, height=42 * len(frame) + 6)


def waterfall(
    steps: Sequence[tuple[str, Decimal]],
    *,
    start: str,
    end: str,
    opening: Decimal,
    title: str,
    unit: str,
    describe: str,
) -> alt.TopLevelMixin:
    """From an opening amount over its changes to the closing one, which is their exact sum; one row each, from the top.

    The two amounts are ticks, not bars, so that the scale need not begin at zero and small changes stay visible.
    """
    rows = [(f"Total of {start}", opening, opening, "level", money(opening))]
    level = opening
    for name, change in steps:
        rows.append((name, min(level, level + change), max(level, level + change), _way(change), signed(change)))
        level += change
    rows.append((f"Total of {end}", level, level, "level", money(level)))
    data = pd.DataFrame(
        {
            "category": [row[0] for row in rows],
            "place": positions([row[1] for row in rows]),
            "high": positions([row[2] for row in rows]),
            "kind": [row[3] for row in rows],
            "label": [row[4] for row in rows],
        }
    )
    low, high = data["place"].min(), data["high"].max()
    aside = (high - low or 1) * 0.05
    scale = alt.Scale(domain=[low - aside, high + aside], nice=False)
    x = alt.X("place:Q", title=None, axis=alt.Axis(format=TICKS, tickCount=5), scale=scale)
    base = alt.Chart(data).encode(
        x=x, tooltip=[alt.Tooltip("category:N", title=" "), alt.Tooltip("label:N", title=unit)]
    )
    changes = (
        base.transform_filter("datum.kind != 'level'")
        .mark_bar(height=16)
        .encode(
            x2="high:Q",
            color=alt.Color(
                "kind:N",
                title=None,
                scale=alt.Scale(domain=["Rises", "Falls"], range=[VERMILION, BLUE]),
                legend=alt.Legend(orient="top"),
            ),
        )
    )
    levels = base.transform_filter("datum.kind == 'level'").mark_tick(thickness=4, size=20, color=INK)
    return _finished(_rows(data, "category", x, changes, levels), title, unit, describe, height=26 * len(data) + 6)


def _way(change: Decimal) -> str:
    return "Rises" if change > ZERO else "Falls"


def trend(
    frame: pd.DataFrame, x: str, y: str, series: str, *, title: str, unit: str, describe: str, as_money: bool = True
) -> alt.TopLevelMixin:
    """One line with a point per month for every series. Months are `YYYY-MM`."""
    text = money if as_money else number
    data = pd.DataFrame(
        {
            "month": [str(value)[:7] for value in frame[x]],
            "series": [str(value) for value in frame[series]],
            "place": positions(frame[y]),
            "label": [text(value) for value in frame[y]],
        }
    )
    names = list(dict.fromkeys(data["series"]))
    chart = (
        alt.Chart(data)
        .mark_line(point=alt.OverlayMarkDef(size=55, filled=True), strokeWidth=2)
        .encode(
            x=alt.X("month:O", title="Reporting month", axis=alt.Axis(labelAngle=0)),
            y=alt.Y("place:Q", title=None, axis=alt.Axis(format=TICKS)),
            color=alt.Color("series:N", title=None, scale=_scale(names), legend=_legend(names)),
            shape=alt.Shape("series:N", title=None, scale=alt.Scale(domain=names), legend=_legend(names)),
            tooltip=[
                alt.Tooltip("series:N", title=" "),
                alt.Tooltip("month:O", title="Month"),
                alt.Tooltip("label:N", title=unit),
            ],
        )
    )
    return _finished(chart, title, unit, describe, height=260)


def curves(
    frame: pd.DataFrame,
    accounts: pd.DataFrame,
    *,
    quantity_unit: str,
    title: str,
    unit: str,
    describe: str,
) -> alt.TopLevelMixin:
    """What a quantity costs under each model (`quantity`, `amount`, `model`), and accounts as diamonds on them
    (`quantity`, `amount`, `account`)."""
    data = pd.DataFrame(
        {
            "quantity": positions(frame["quantity"]),
            "place": positions(frame["amount"]),
            "model": [str(value) for value in frame["model"]],
            "label": [money(value) for value in frame["amount"]],
            "quantity_label": [number(value) for value in frame["quantity"]],
        }
    )
    marks = pd.DataFrame(
        {
            "quantity": positions(accounts["quantity"]),
            "place": positions(accounts["amount"]),
            "account": [str(value) for value in accounts["account"]],
            "label": [money(value) for value in accounts["amount"]],
            "quantity_label": [number(value) for value in accounts["quantity"]],
        }
    )
    names = list(dict.fromkeys(data["model"]))
    colours = [MODEL_COLOURS[name.split(",")[0].replace(" ", "_")] for name in names]
    legend = alt.Legend(orient="top")
    x = alt.X("quantity:Q", title=quantity_unit, axis=PLACES)
    y = alt.Y("place:Q", title=None, axis=alt.Axis(format=TICKS, tickCount=5))
    lines = (
        alt.Chart(data)
        .mark_line(strokeWidth=2)
        .encode(
            x=x,
            y=y,
            color=alt.Color("model:N", title="Priced as", scale=alt.Scale(domain=names, range=colours), legend=legend),
            strokeDash=alt.StrokeDash("model:N", title="Priced as", scale=alt.Scale(domain=names), legend=legend),
            tooltip=[
                alt.Tooltip("model:N", title="Priced as"),
                alt.Tooltip("quantity_label:N", title=quantity_unit),
                alt.Tooltip("label:N", title=unit),
            ],
        )
    )
    points = (
        alt.Chart(marks)
        .mark_point(shape="diamond", size=80, filled=True, color=INK, opacity=0.75)
        .encode(
            x=x,
            y=y,
            tooltip=[
                alt.Tooltip("account:N", title=" "),
                alt.Tooltip("quantity_label:N", title=quantity_unit),
                alt.Tooltip("label:N", title=unit),
            ],
        )
    )
    return _finished(alt.layer(lines, points), title, unit, describe, height=300)


def _rows(data: pd.DataFrame, category: str, x: alt.X, *drawn: alt.Chart) -> alt.LayerChart:
    """Layers with one row per category: its name on the left, and its `label` in a column on the right.

    Both are axes, because only axes get the room that their texts take, on any width. A text beside a bar was cut or
    covered names on a phone.
    """
    data["row"] = [f"{name} {label}" for name, label in zip(data[category], data["label"], strict=True)]
    order, last = list(data["row"]), "lastindexof(datum.label, ' ')"  # an amount has no space

    def y(words: str, **axis: Any) -> alt.Y:
        return alt.Y("row:N", sort=order, title=None, axis=alt.Axis(labelExpr=words, **axis))

    names, *others = drawn
    named = [names.encode(y=y(f"slice(datum.label, 0, {last})", labelLimit=LONGEST_LABEL))]
    named += [layer.encode(y=alt.Y("row:N", sort=order, axis=None)) for layer in others]
    for layer in named:
        layer.data = data
    room = 7 * max(map(len, data["label"])) + 8
    labelled = (
        alt.Chart(data)
        .mark_tick(opacity=0, aria=False)
        .encode(
            x=x,
            y=y(
                f"slice(datum.label, {last} + 1)",
                orient="right",
                labelAlign="right",
                labelPadding=room,
                labelColor=INK,
                domain=False,
                ticks=False,
            ),
        )
    )
    layered: alt.LayerChart = alt.layer(*named, labelled).resolve_axis(y="independent")
    return layered


def _from_zero(places: "pd.Series[Any]", room: float = 0.0) -> alt.Scale:
    """A scale with 0 among its ticks, which ends at the values and the `room` of their labels, a share of it."""
    low, high = min(0, places.min()), max(0, places.max())
    if low == high:
        return alt.Scale(domain=[0, 1], nice=False)
    aside = room * (high - low)
    return alt.Scale(domain=[low - aside if low < 0 else 0, high + aside if high > 0 else 0], nice=False)


def _scale(names: Sequence[str]) -> alt.Scale:
    return alt.Scale(domain=list(names), range=[PALETTE[index % len(PALETTE)] for index in range(len(names))])


def _legend(names: Sequence[str]) -> alt.Legend | None:
    return alt.Legend(orient="top", labelLimit=LONGEST_LABEL) if len(names) > 1 else None


def _finished(chart: Any, title: str, unit: str, describe: str, height: int) -> alt.TopLevelMixin:
    """The house style, and the words that every chart carries."""
    fit = alt.AutoSizeParams(type="fit-x", contains="padding")  # the width is the page's, the height is the rows'
    finished: alt.TopLevelMixin = (
        chart.properties(
            title=alt.Title(title, subtitle=unit), width="container", height=height, description=describe, autosize=fit
        )
        .configure(font=FONT, background="white")
        .configure_view(stroke=None)
        .configure_axis(
            labelColor=QUIET,
            titleColor=QUIET,
            titleFontWeight="normal",
            gridColor="#e8ebef",
            domainColor=RULE,
            tickColor=RULE,
            labelFontSize=12,
            titleFontSize=12,
        )
        .configure_axisY(grid=False, ticks=False, labelPadding=8)
        .configure_text(font=FONT, fontSize=12)
        .configure_legend(labelColor=INK, labelFontSize=12, titleColor=QUIET, titleFontWeight="normal", symbolSize=120)
        .configure_title(
            anchor="start",
            color=INK,
            fontSize=15,
            subtitleColor=QUIET,
            subtitleFontSize=12,
            subtitlePadding=4,
            offset=12,
        )
    )
    return finished


def _offline(spec: dict[str, Any], **_metadata: object) -> dict[str, Any]:
    if os.environ.get(UNDRAWN):  # the report draws them itself, without their titles
        return {_MIME: spec}
    return {_MIME: spec, "image/svg+xml": drawing(spec)}


alt.data_transformers.disable_max_rows()
alt.renderers.register("offline", _offline)
alt.renderers.enable("offline")
