"""Parts of the report as rendered pieces: tables, tiles and folds. The markup is in `templates/macros.html.j2`."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from itertools import count
from typing import Any, NamedTuple

import pandas as pd

from ecgrid_flows.pages import Html, macro
from ecgrid_flows.reporting.wording import SEVERITIES, VERDICTS, records
from ecgrid_transforms.period import month_text

__all__ = ["Column", "Folded", "Html", "empty", "fold", "headline", "paragraph", "table", "tiles"]

_NUMERIC = frozenset({"money", "difference", "number", "quantity", "id"})
_PILLS = {**SEVERITIES, **VERDICTS}
_ids = count(1)


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table: its heading and the kind of its values.

    `text`; `long`: a sentence or more; `money`, `difference`, `number` (every digit), `quantity` (two decimals):
    decimals; `id`; `month`; `pill`: a severity or a verdict; `named`: a name and a number, either may be None; `path`:
    texts; `folded`: `Folded`.
    """

    heading: str
    kind: str = "text"

    @property
    def is_number(self) -> bool:
        """Whether its values are aligned and sorted as numbers."""
        return self.kind in _NUMERIC

    @property
    def is_long(self) -> bool:
        """Whether its values are sentences, which take most of the room."""
        return self.kind in ("long", "folded")


class Folded(NamedTuple):
    """A text, and under `summary` a folded list of further texts; no list where there is none."""

    text: str
    summary: str
    items: tuple[str, ...]


def paragraph(text: str) -> Html:
    """A paragraph of plain text."""
    return macro("paragraph", text)


def headline(name: str | None, number: str, text: str) -> Html:
    """A paragraph that begins with a name and a number."""
    return macro("headline", name, number, text)


def empty(text: str) -> Html:
    """The piece shown for a list without entries."""
    return macro("empty", text)


def tiles(items: Iterable[tuple[str, str, str]]) -> Html:
    """Figures side by side: label, figure, note."""
    return macro("tiles", list(items))


def fold(summary: str, piece: Html) -> Html:
    """A piece folded beneath a line of text."""
    return macro("fold", summary, piece)


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

    `limit` cuts it after so many rows; a sentence states this, followed by `rest`: where the others are.
    """
    if frame.empty:
        return macro("empty", empty, caption)
    shown = {key: Column(value) if isinstance(value, str) else value for key, value in columns.items()}
    rows = [
        [_cell(row[key], column.kind) for key, column in shown.items()]
        for row in records(frame.head(limit) if limit else frame)
    ]
    classes = ["sortable"]
    if filterable and len(rows) > 5:
        classes.append("filterable")
    if len(shown) > 5:
        classes.append("wide")
    if any(column.is_long for column in shown.values()):
        classes.append("with-sentences")
    cut = f"The first {limit:,} of {len(frame):,} rows. {rest}" if limit and len(frame) > limit else None
    return macro("table", f"table-{next(_ids)}", caption, list(shown.values()), rows, classes, cut)


def _cell(value: Any, kind: str) -> Any:
    """The value as the template takes it."""
    if value is None:
        return None
    if kind == "month":
        return month_text(value) if isinstance(value, date) else str(value)[:7]
    if kind == "pill":
        return str(value), _PILLS.get(str(value), str(value).replace("_", " "))
    return str(value) if kind in ("text", "long") else value
