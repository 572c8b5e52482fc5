"""Safe HTML: escaped text, tables, tiles and folds."""

import html
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from itertools import count

import pandas as pd

from ecgrid_flows.reporting.frames import money, number, signed
from ecgrid_flows.reporting.wording import SEVERITIES, VERDICTS, missing, records
from ecgrid_transforms.money import Decimal, plain, rounded
from ecgrid_transforms.period import month_text

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ufffe\uffff]")
_ids = count(1)


@dataclass(frozen=True, slots=True)
class Html:
    """A piece of the page."""

    markup: str

    def _repr_html_(self) -> str:
        return self.markup


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table: heading, and kind: `text`, `money`, `difference`, `number` (every digit), `quantity` (two
    decimals), `id`, `month`, `pill`, or `markup` (made here, escaped already)."""

    heading: str
    kind: str = "text"


def safe(value: object) -> str:
    """Text of the service as harmless HTML; line ends become spaces."""
    if missing(value):
        return ""
    return html.escape(_CONTROL.sub(" ", str(value)).replace("\n", " "))


def name(value: object) -> str:
    """A name of the service's, escaped and set apart."""
    return f"<bdi>{safe(value)}</bdi>" if not missing(value) else ""


def words(severity: object, labels: Mapping[str, str]) -> str:
    """A short word as a pill; its meaning is in the word, the colour only repeats it."""
    key = "" if missing(severity) else str(severity)
    return f'<span class="pill {safe(key)}">{safe(labels.get(key, key.replace("_", " ")))}</span>' if key else ""


def tiles(items: Iterable[tuple[str, str, str]]) -> Html:
    """Figures side by side: label, figure, a word on it."""
    cells = "".join(
        f'<div class="tile"><dt>{safe(label)}</dt><dd><span class="figure">{safe(figure)}</span>'
        f'<span class="note">{safe(note)}</span></dd></div>'
        for label, figure, note in items
    )
    return Html(f'<dl class="tiles">{cells}</dl>')


def fold(summary: str, piece: Html) -> Html:
    """A piece folded beneath a line of text."""
    return Html(f"<details><summary>{safe(summary)}</summary>{piece.markup}</details>")


def _cell(value: object, column: Column) -> tuple[str, str]:
    """Sort key and markup of one cell."""
    if column.kind == "markup":
        shown = str(value)
        return re.sub(r"<[^>]*>", "", shown), shown
    if missing(value):
        return "", '<span class="none">–</span>'
    if column.kind == "money" or column.kind == "difference":
        if isinstance(value, Decimal):
            return plain(value), money(value) if column.kind == "money" else signed(value)
        return "", safe(value)
    if column.kind == "number":
        return (plain(value) if isinstance(value, Decimal) else str(value)), number(value)
    if column.kind == "quantity":
        return (plain(value), number(rounded(value))) if isinstance(value, Decimal) else ("", safe(value))
    if column.kind == "id":
        return str(value), str(value)
    if column.kind == "month":
        text = month_text(value) if isinstance(value, date) else str(value)[:7]
        return text, text
    if column.kind == "pill":
        return str(value), words(value, {**SEVERITIES, **VERDICTS})
    return str(value), name(value)


def table(
    frame: pd.DataFrame,
    caption: str,
    columns: Mapping[str, Column | str],
    *,
    limit: int | None = None,
    filterable: bool = True,
    rest: str = "",
    empty: str = "None.",
) -> Html:
    """A table with a caption, its first column as row headers; the page makes it sortable and filterable.

    `limit` cuts it after so many rows and says so, together with `rest`: where the others are.
    """
    if frame.empty:
        return Html(f'<p class="empty"><b>{safe(caption)}.</b> {safe(empty)}</p>')
    shown = {key: Column(value) if isinstance(value, str) else value for key, value in columns.items()}
    numeric = {"money", "difference", "number", "quantity", "id"}
    head = "".join(
        f'<th scope="col" class="{"n" if column.kind in numeric else "t"}" '
        f'data-kind="{"number" if column.kind in numeric else "text"}">{safe(column.heading)}</th>'
        for column in shown.values()
    )
    body = []
    for row in records(frame.head(limit)) if limit else records(frame):
        cells = []
        for index, (key, column) in enumerate(shown.items()):
            order, markup = _cell(row[key], column)
            kind = "n" if column.kind in numeric else "t"
            keyed = f' data-v="{html.escape(order)}"' if column.kind in numeric else ""
            cells.append(
                f'<th scope="row" class="{kind}"{keyed}>{markup}</th>'
                if index == 0
                else f'<td class="{kind}"{keyed}>{markup}</td>'
            )
        body.append(f"<tr>{''.join(cells)}</tr>")
    cut = ""
    if limit and len(frame) > limit:
        cut = f'<p class="cut">The first {limit:,} of {len(frame):,} rows. {safe(rest)}</p>'
    identity = f"table-{next(_ids)}"
    kinds = "sortable" + (" filterable" if filterable and len(body) > 5 else "") + (" wide" if len(shown) > 5 else "")
    return Html(
        f'<div class="table" role="region" aria-labelledby="{identity}" tabindex="0">'
        f'<table class="{kinds}">'
        f'<caption id="{identity}">{safe(caption)}</caption>'
        f"<thead><tr>{head}</tr></thead><tbody>{''.join(body)}</tbody></table></div>{cut}"
    )
