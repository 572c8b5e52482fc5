"""DataSets as .NET writes them: an inline schema, then a diffgram with the rows.

A null cell is an absent element, an empty text an empty element; a table without rows is in the schema alone
(facts 2.3 and 8).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from ecgrid_sandbox.service.envelope import Node, escaped

_XS = "http://www.w3.org/2001/XMLSchema"
_MSDATA = "urn:schemas-microsoft-com:xml-msdata"
_DIFFGR = "urn:schemas-microsoft-com:xml-diffgram-v1"

#: .NET's mark of a Guid column, for which XML Schema has no type.
GUID = ' msdata:DataType="System.Guid, mscorlib, Version=4.0.0.0, Culture=neutral, PublicKeyToken=b77a5c561934e089"'

Cell = str | None


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its escaped name (`Last_x0020_Note`), its XML Schema type and .NET's further attributes."""

    name: str
    type: str
    more: str = ""


@dataclass(slots=True)
class Table:
    """A table: rows hold one cell per column. `changes` is the mark of its rows, for instance `inserted`."""

    name: str
    columns: tuple[Column, ...]
    rows: list[tuple[Cell, ...]] = field(default_factory=list)
    changes: str | None = None


def columns(text: str) -> tuple[Column, ...]:
    """Columns from `Name:type` words; `guid` is a type too."""
    made = []
    for word in text.split():
        name, kind = word.split(":")
        made.append(Column(name, "string", GUID) if kind == "guid" else Column(name, kind))
    return tuple(made)


def nodes(tables: Sequence[Table]) -> list[Node]:
    """The two children of a DataSet result: xs:schema and diffgr:diffgram."""
    return [_schema(tables), _diffgram(tables)]


def _schema(tables: Sequence[Table]) -> Node:
    choice = Node(
        "xs:choice",
        children=[_table_schema(table) for table in tables],
        attributes=' minOccurs="0" maxOccurs="unbounded"',
    )
    data_set = Node(
        "xs:element",
        children=[Node("xs:complexType", children=[choice])],
        attributes=' name="NewDataSet" msdata:IsDataSet="true" msdata:UseCurrentLocale="true"',
    )
    return Node(
        "xs:schema",
        children=[data_set],
        attributes=f' id="NewDataSet" xmlns="" xmlns:xs="{_XS}" xmlns:msdata="{_MSDATA}"',
    )


def _table_schema(table: Table) -> Node:
    sequence = Node(
        "xs:sequence",
        children=[
            Node("xs:element", attributes=f' name="{column.name}"{column.more} type="xs:{column.type}" minOccurs="0"')
            for column in table.columns
        ],
    )
    return Node(
        "xs:element",
        children=[Node("xs:complexType", children=[sequence])],
        attributes=f' name="{table.name}"',
    )


def _diffgram(tables: Sequence[Table]) -> Node:
    diffgram = Node("diffgr:diffgram", attributes=f' xmlns:msdata="{_MSDATA}" xmlns:diffgr="{_DIFFGR}"')
    rows = [row for table in tables for row in _rows(table)]
    if rows:
        diffgram.children.append(Node("NewDataSet", children=rows, attributes=' xmlns=""'))
    return diffgram


def _rows(table: Table) -> list[Node]:
    marked = f' diffgr:hasChanges="{table.changes}"' if table.changes else ""
    return [
        Node(
            table.name,
            children=[
                Node(column.name, text=escaped(cell) if cell else None)
                for column, cell in zip(table.columns, row, strict=True)
                if cell is not None
            ],
            attributes=f' diffgr:id="{table.name}{place + 1}" msdata:rowOrder="{place}"{marked}',
        )
        for place, row in enumerate(table.rows)
    ]
