"""Relations whose rows are lines of a CSV file: each cell by a macro of `sql/macros/csv.sql`, by the column's type."""

from collections.abc import Mapping, Sequence
from contextlib import closing
from typing import Any

import pyarrow as pa

from ecgrid_flows.warehouse.connection import _open, quoted

__all__ = ["LINE", "joined_cells", "schema_of", "with_lines"]

#: Name of the column with the text of a row's whole line.
LINE = "line of the file"
#: Decimals that the macros write; a relation with more must round them itself, in plain sight.
_MOST_PLACES = 10


def schema_of(rows: Any) -> pa.Schema:
    """The Arrow schema of a DuckDB relation, from its types: to read no rows of it takes as much planning as all."""
    types = ", ".join(f"NULL::{kind} AS {quoted(name)}" for name, kind in zip(rows.columns, rows.types, strict=True))
    with closing(_open(":memory:")) as connection:
        schema: pa.Schema = connection.sql(f"SELECT {types} LIMIT 0").to_arrow_table().schema
    return schema


def _cell(field: pa.Field, is_amount: bool) -> str:
    """The macro call that turns one column into the text of its cell."""
    kind = field.type
    if pa.types.is_string(kind):
        macro = "csv_text"
    elif pa.types.is_decimal(kind) and kind.scale <= _MOST_PLACES:
        macro = "csv_amount" if is_amount else "csv_number"
    elif pa.types.is_integer(kind) or pa.types.is_boolean(kind) or pa.types.is_date(kind):
        macro = "csv_plain"
    elif pa.types.is_timestamp(kind) and kind.tz is None:
        macro = "csv_time"
    else:
        raise TypeError(f"column {field.name} is {kind}, which has no form in a CSV")
    return f"{macro}({quoted(field.name)})"


def joined_cells(columns: Sequence[str], schema: pa.Schema, amounts: Sequence[str], delimiter: str) -> str:
    """The expression of the cells of these columns, with the delimiters between them."""
    cells = ", ".join(_cell(schema.field(name), name in amounts) for name in columns)
    return f"concat_ws('{delimiter}', {cells})"


def with_lines(
    rows: Any,
    schema: pa.Schema,
    amounts: Sequence[str],
    delimiter: str,
    kept: Sequence[str],
    cells: Mapping[str, str] | None = None,
    same: Mapping[str, str] | None = None,
) -> Any:
    """The columns `kept` of a relation, and each row's line of the file in the column LINE.

    Columns in `amounts` are money and show at least two decimals. `cells` has the expression of a column's cell where
    that is not to be worked out from the column; an empty one where the cell before holds it too. `same` are columns
    that always hold what another one does.
    """
    same = same or {}
    # in a step before the line: DuckDB would evaluate a text used twice in it twice
    twice = {name: quoted(f"cell of {name}") for name in same.values()}
    texts = [f"{_cell(schema.field(name), name in amounts)} AS {cell}" for name, cell in twice.items()]
    rows = rows.project(", ".join(["*", *texts])) if texts else rows
    cells = {**(cells or {}), **twice, **{name: twice[other] for name, other in same.items()}}
    shown = [cells.get(field.name, _cell(field, field.name in amounts)) for field in schema]
    delimited = f", '{delimiter}', ".join(cell for cell in shown if cell)
    line = f"concat({delimited}, chr(13), chr(10)) AS {quoted(LINE)}"
    return rows.project(", ".join([*map(quoted, kept), line]))
