"""ADO.NET DataSets to Arrow tables; columns and types are those of the response's inline schema (facts 2).

Parsed as a stream, so a response of the largest allowed size costs little more than its tables. Rows are those of the
diffgram's current data; `diffgr:before` (old rows) and `diffgr:errors` are no rows of the result. A null cell is an
absent element, an empty element an empty string. Column names lose their `_x0020_` escapes; elements that the schema
does not declare become text columns after the declared ones.

| XML Schema                  | Arrow |
|---|---|
| int, long, short, byte, unsigned… | int32, int64, int16, int8, uint… |
| decimal                     | decimal128(28,10) |
| dateTime                    | timestamp[ns, UTC] where the values have a zone, timestamp[ns] where they have none |
| boolean, base64Binary, date | bool, binary, date32 |
| double, float               | double, float: statistics, never money |
| everything else (Guid too)  | text |

A value that its column's type cannot hold exactly is null there and kept as text in a further column `<name> (text)`;
a value that is not of the type at all is also added to `odd`. Among dateTimes that is one beyond nanosecond range
(0001-01-01 and 9999-12-31 mean none and never), or one without a zone where others of its column have one.
"""

import base64
import binascii
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import pyarrow as pa

from ecgrid_client.errors import MalformedAnswer
from ecgrid_client.faults import error_of_fault, soap_fault
from ecgrid_client.markup import (
    DEEPEST,
    NIL,
    XML_SPACE,
    Branch,
    Element,
    children,
    local,
    local_name,
    parse,
    plain_value,
    read_stream,
    text,
)
from ecgrid_client.operations import DATE_TIME
from ecgrid_transforms.model import OddValue
from ecgrid_transforms.money import Decimal, fits, fitted, to_decimal
from ecgrid_transforms.schemas import MONEY_TYPE

_XS = "http://www.w3.org/2001/XMLSchema"
_DIFFGRAM = "urn:schemas-microsoft-com:xml-diffgram-v1"
_MSDATA = "urn:schemas-microsoft-com:xml-msdata"
_ROW_ID = f"{{{_DIFFGRAM}}}id"
_ROW_ORDER = f"{{{_MSDATA}}}rowOrder"

_ESCAPED = re.compile(r"_x([0-9A-Fa-f]{8}|[0-9A-Fa-f]{4})_")
_CHUNK_CELLS = 30_000
_MOST_COLUMNS = 2_000
_MOST_TABLES = 1_000
_LONGEST_NUMBER = 100
#: Prefix of a value that a row states twice. XML cannot hold this character, so no value begins with it.
_TWICE = "\0"
#: Odd values listed per column; the rest is counted.
_MOST_NOTED = 100

_INTEGERS = {
    "byte": pa.int8(),
    "short": pa.int16(),
    "int": pa.int32(),
    "long": pa.int64(),
    "unsignedByte": pa.uint8(),
    "unsignedShort": pa.uint16(),
    "unsignedInt": pa.uint32(),
    "unsignedLong": pa.uint64(),
}
_REALS = {"double": pa.float64(), "float": pa.float32()}  # statistics, never money
_WHOLE = re.compile(r"[+-]?[0-9]+")
_REAL = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?")
_UNREAL = ("INF", "-INF", "NaN")
_BOOLEANS = {"true": True, "1": True, "false": False, "0": False}
_EPOCH_DAY = date(1970, 1, 1).toordinal()
_NS_RANGE = range(-(2**63) + 1, 2**63)


def decoded_name(name: str) -> str:
    """A column or table name with .NET's escapes for characters that XML names cannot hold decoded."""

    def letter(found: re.Match[str]) -> str:
        code = int(found[1], 16)
        return chr(code) if code < 0x110000 and not 0xD800 <= code < 0xE000 else found[0]

    return _ESCAPED.sub(letter, name)


@dataclass
class _Column:
    name: str
    kind: str  # the XML Schema type without prefix, "" where undeclared
    naive: bool = False  # msdata:DateTimeMode="Unspecified"
    pending: list[str | None] = field(default_factory=list)
    chunks: list[pa.Array] = field(default_factory=list)

    def texts(self) -> Iterator[list[str | None]]:
        """The cells as text, a chunk at a time."""
        for chunk in self.chunks:
            yield chunk.to_pylist()


@dataclass
class _Table:
    name: str
    columns: dict[str, _Column] = field(default_factory=dict)  # by name on the wire
    rows: int = 0
    pending: int = 0
    orders: list[int] | None = field(default_factory=list)

    def column(self, wire_name: str, kind: str = "", naive: bool = False) -> _Column:
        found = self.columns.get(wire_name)
        if found is None:
            if len(self.columns) >= _MOST_COLUMNS:
                raise MalformedAnswer(f"table {self.name} has more than {_MOST_COLUMNS} columns")
            name = decoded_name(wire_name)
            if any(known.name == name for known in self.columns.values()):
                name = wire_name
            found = self.columns[wire_name] = _Column(name, kind, naive)
            if self.rows > self.pending:  # rows already converted lack this column
                found.chunks.append(pa.nulls(self.rows - self.pending, pa.string()))
            found.pending.extend([None] * self.pending)
        return found

    def add(self, cells: dict[str, str | None], order: str | None) -> None:
        """Add one row; `order` is its msdata:rowOrder."""
        for wire_name in cells:
            if wire_name not in self.columns:
                self.column(wire_name)
        for wire_name, column in self.columns.items():
            column.pending.append(cells.get(wire_name))
        self.rows += 1
        self.pending += 1
        if self.orders is not None:
            if order is not None and _WHOLE.fullmatch(order) and len(order) < 19:
                self.orders.append(int(order))
            else:
                self.orders = None  # without it rows keep the order of the response
        if self.pending * len(self.columns) >= _CHUNK_CELLS:
            self.set_down()

    def set_down(self) -> None:
        """Converts the pending rows to Arrow text, a tenth of the size of Python's."""
        if not self.pending:
            return
        for column in self.columns.values():
            column.chunks.append(pa.array(column.pending, pa.string()))
            column.pending = []
        self.pending = 0

    def permutation(self) -> pa.Array | None:
        """The row positions by rowOrder; None when the rows are in that order already."""
        if self.orders is None or all(a <= b for a, b in zip(self.orders, self.orders[1:], strict=False)):
            return None
        return pa.array(sorted(range(self.rows), key=self.orders.__getitem__), pa.int64())


# --- reading ----------------------------------------------------------------------------------------------------------


class _Reader:
    """Parser target that builds tables; it keeps no elements but the schema's and those nested in a cell."""

    def __init__(self) -> None:
        self.tables: dict[str, _Table] = {}
        self._row_ids: set[str] = set()
        self._path: list[str] = []  # the first four names, enough to find the result
        self._depth = 0
        self._container = 0  # depth of the element that holds schema and diffgram; 0: not there yet
        self._diffgram = 0
        self._data = 0  # depth of the element that holds the current rows
        self._skipped = 0  # depth of `before` or `errors`
        self._tree: Branch | None = None  # an element that is needed as a whole
        self._row = 0  # depth of the row that is being read
        self._row_name = ""
        self._row_attributes: Mapping[str, str] = {}
        self._cells: dict[str, str | None] = {}
        self._inner: list[Element] = []
        self._cell: tuple[str, Mapping[str, str]] | None = None
        self._text: list[str] = []

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        self._depth += 1
        if self._tree is not None:
            self._tree.start(tag, attributes)
        elif self._skipped:
            pass
        elif self._row:
            self._start_in_row(tag, attributes)
        elif self._data and self._depth == self._data + 1:
            self._row, self._row_name, self._row_attributes = self._depth, local_name(tag), attributes
            self._cells, self._inner = {}, []
        else:
            self._start_outside(tag, attributes)

    def _start_in_row(self, tag: str, attributes: Mapping[str, str]) -> None:
        if self._depth > self._row + 1:  # an element within a cell
            assert self._cell is not None
            self._tree = Branch(*self._cell)
            self._tree.data("".join(self._text))
            self._tree.start(tag, attributes)
            return
        self._cell, self._text = (tag, attributes), []
        name = local_name(tag)
        known = self.tables.get(self._row_name)
        if _ROW_ID in attributes or (name in self.tables and (known is None or name not in known.columns)):
            self._tree = Branch(tag, attributes)  # a row of another table, nested in this one

    def _start_outside(self, tag: str, attributes: Mapping[str, str]) -> None:
        if not self._container:
            self._path.append(local_name(tag))
            self._container = self._depth if self._is_container() else 0
        elif self._diffgram and self._depth == self._diffgram + 1:
            if tag.startswith(f"{{{_DIFFGRAM}}}"):
                self._skipped = self._depth
            elif self._data:
                raise MalformedAnswer("the diffgram holds more than one set of current rows")
            else:
                self._data = self._depth
        elif self._depth == self._container + 1:
            if tag == f"{{{_XS}}}schema":
                self._tree = Branch(tag, attributes)
            elif self._diffgram or self._data:
                raise MalformedAnswer("the response holds more than one diffgram")
            elif local_name(tag) == "diffgram":
                self._diffgram = self._depth
            else:
                self._data = self._depth

    def data(self, text: str) -> None:
        if self._tree is not None:
            self._tree.data(text)
        elif self._cell is not None:
            self._text.append(text)

    def end(self, tag: str) -> None:
        if self._tree is not None:
            if self._tree.end(tag):
                element, self._tree = self._tree.close(), None
                if self._row:
                    self._end_cell_tree(element)
                else:
                    self._declare(element)
        elif self._skipped:
            if self._depth == self._skipped:
                self._skipped = 0
        elif self._cell is not None:
            self._end_cell()
        elif self._row and self._depth == self._row:
            self._end_row()
        elif not self._container:
            self._path.pop()
        self._depth -= 1

    def _end_cell(self) -> None:
        assert self._cell is not None
        (tag, attributes), self._cell = self._cell, None
        value = "".join(self._text)
        is_null = not value and attributes.get(NIL, "").strip() in ("true", "1")
        self._set_cell(local_name(tag), None if is_null else value)

    def _end_cell_tree(self, element: Element) -> None:
        self._cell = None
        name = local(element)
        known = self.tables.get(self._row_name)
        if element.get(_ROW_ID) is not None or (name in self.tables and (known is None or name not in known.columns)):
            self._inner.append(element)
        else:  # a value of no type but text, which `_typed` detects
            self._set_cell(name, json.dumps(plain_value(element), ensure_ascii=False))

    def _set_cell(self, name: str, value: str | None) -> None:
        # of two values neither is used
        if name in self._cells:
            earlier = (self._cells[name] or "").removeprefix(_TWICE)
            value = _TWICE + json.dumps([earlier, value], ensure_ascii=False)
        self._cells[name] = value

    def _end_row(self) -> None:
        self._row = 0
        self._add_row(self._row_name, self._row_attributes, self._cells)
        for element in self._inner:
            self._add_inner(element)

    def _add_row(self, wire_name: str, attributes: Mapping[str, str], cells: dict[str, str | None]) -> None:
        row_id = attributes.get(_ROW_ID)
        if row_id is not None:
            if row_id in self._row_ids:
                raise MalformedAnswer(f"the diffgram holds the row {row_id[:60]} twice")
            self._row_ids.add(row_id)
        table = self._table(wire_name)
        for name, value in attributes.items():
            if not name.startswith("{") and name in table.columns:
                cells.setdefault(name, value)
        table.add(cells, attributes.get(_ROW_ORDER))

    def _add_inner(self, element: Element, depth: int = 0) -> None:
        """A row nested in another, with its own nested ones."""
        if depth > DEEPEST:
            raise MalformedAnswer("rows of the response are nested too deep")
        cells: dict[str, str | None] = {}
        inner: list[Element] = []
        for child in children(element):
            name = local(child)
            if child.get(_ROW_ID) is not None or name in self.tables:
                inner.append(child)
            elif name in cells:
                raise MalformedAnswer(f"a row of {local(element)} holds {name} twice")
            else:
                cells[name] = json.dumps(plain_value(child), ensure_ascii=False) if len(child) else text(child)
        self._add_row(local(element), dict(element.attrib), cells)
        for child in inner:
            self._add_inner(child, depth + 1)

    def close(self) -> "dict[str, _Table]":
        for table in self.tables.values():
            table.set_down()
        return self.tables

    def _is_container(self) -> bool:
        """Whether the current path is the DataSet's element."""
        path = self._path
        if path[0] != "Envelope":
            if path[0] not in ("DataSet", "anyType"):
                raise MalformedAnswer(f"<{path[0][:60]}> instead of <DataSet>: a page, or another operation's response")
            return True
        if len(path) == 3 and path[1] == "Body" and not path[2].endswith("Response"):
            raise MalformedAnswer(f"<{path[2][:60]}> instead of a response")
        if len(path) == 4 and path[1] == "Body":
            if path[3] != f"{path[2].removesuffix('Response')}Result":
                raise MalformedAnswer(f"<{path[3][:60]}> instead of the result of {path[2]}")
            return True
        return False

    def _table(self, wire_name: str) -> _Table:
        found = self.tables.get(wire_name)
        if found is None:
            if len(self.tables) >= _MOST_TABLES:
                raise MalformedAnswer(f"the response holds more than {_MOST_TABLES} tables")
            found = self.tables[wire_name] = _Table(decoded_name(wire_name))
        return found

    def _declare(self, schema: Element) -> None:
        top = [part for part in children(schema) if local(part) == "element"]
        by_name = {part.get("name", ""): part for part in top}
        root = next((part for part in top if part.get(f"{{{_MSDATA}}}IsDataSet") == "true"), top[0] if top else None)
        if root is None:
            return
        for part in _content(root):
            if local(part) != "element":
                continue
            declared = by_name.get((part.get("ref") or "").rpartition(":")[2], part)
            self._declare_table(declared, schema)

    def _declare_table(self, declared: Element, schema: Element, depth: int = 0) -> None:
        name = declared.get("name", "")
        if not name:
            return
        if name in self.tables:
            raise MalformedAnswer(f"the schema declares the table {name} twice")
        table = self._table(name)
        for part in _content(declared, schema):
            column = part.get("name")
            if not column:
                continue
            if local(part) == "element" and any(local(inner) == "complexType" for inner in children(part)):
                if depth > DEEPEST:
                    raise MalformedAnswer("tables of the schema are nested too deep")
                self._declare_table(part, schema, depth + 1)  # a nested relation: its rows are inside their parent's
                continue
            if column in table.columns:
                raise MalformedAnswer(f"the schema declares the column {name}.{column} twice")
            kind = (part.get("type") or "").rpartition(":")[2]
            if not kind:
                base = next((inner for inner in part.iter() if local(inner) == "restriction"), None)
                kind = (base.get("base") or "").rpartition(":")[2] if base is not None else ""
            mode = part.get(f"{{{_MSDATA}}}DateTimeMode")
            table.column(column, kind or "string", naive=mode == "Unspecified")


def _content(element: Element, schema: Element | None = None) -> list[Element]:
    """Elements and attributes that an element's type declares, inline or by name."""
    kind = next((part for part in children(element) if local(part) == "complexType"), None)
    if kind is None and schema is not None:
        named = (element.get("type") or "").rpartition(":")[2]
        kind = next(
            (part for part in children(schema) if local(part) == "complexType" and part.get("name") == named), None
        )
    found: list[Element] = []
    for part in children(kind) if kind is not None else ():
        if local(part) in ("sequence", "choice", "all"):
            found.extend(children(part))
        elif local(part) == "attribute":
            found.append(part)
    return found


def _read(body: bytes) -> list[_Table]:
    found: dict[str, _Table] = read_stream(body, _Reader)
    names: set[str] = set()
    for wire_name, table in found.items():
        if table.name in names:
            table.name = wire_name
        names.add(table.name)
    return list(found.values())


# --- values -----------------------------------------------------------------------------------------------------------


class _Notes:
    """The values of one column that are not of its type."""

    def __init__(self, table: _Table, column: _Column, odd: list[OddValue]) -> None:
        self._record = f"table {table.name}"
        self._column = column
        self._odd = odd
        self._more = 0
        self._noted = 0

    def add(self, row: int, value: str) -> None:
        if self._noted == _MOST_NOTED:
            self._more += 1
            return
        self._noted += 1
        why = "is stated twice" if value.startswith(_TWICE) else f"is not an xs:{self._column.kind}"
        shown = value.removeprefix(_TWICE)[:200]
        self._odd.append(OddValue(f"{self._record}, row {row + 1}", self._column.name, shown, why))

    def close(self) -> None:
        if self._more:
            kind = f"an xs:{self._column.kind}" if self._column.kind else "a value"
            why = f"is not {kind} in {self._more} more rows"
            self._odd.append(OddValue(self._record, self._column.name, None, why))


def _integer(value: str, bits: int, is_signed: bool) -> int:
    stripped = value.strip(XML_SPACE)
    if len(stripped) > _LONGEST_NUMBER or not _WHOLE.fullmatch(stripped):
        raise ValueError(value)
    number = int(stripped)
    least, most = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if is_signed else (0, 2**bits - 1)
    if not least <= number <= most:
        raise ValueError(value)
    return number


def _double(value: str) -> float:
    stripped = value.strip(XML_SPACE)
    if stripped not in _UNREAL and (len(stripped) > _LONGEST_NUMBER or not _REAL.fullmatch(stripped)):
        raise ValueError(value)
    return float(stripped)  # xs:double is statistics, never money


def _exact(value: str) -> Decimal:
    number = to_decimal(value) if len(value) <= _LONGEST_NUMBER else None
    if number is None or not fits(number):
        raise ValueError(value)
    return fitted(number)


def _day(value: str) -> date:
    return date.fromisoformat(value.strip()[:10])


def instant(value: str) -> tuple[int, bool] | None:
    """An xs:dateTime as nanoseconds since 1970 (UTC where it has a zone) and whether it has one; None: out of range.

    Raises `ValueError` for text that is not a dateTime. Exact to the nanosecond: seven decimals lose nothing.
    """
    found = DATE_TIME.fullmatch(value.strip())
    if found is None:
        raise ValueError(value)
    if len(found[1]) > 4 or value.strip().startswith("-"):
        return None
    year, month, day, hour, minute, second = (int(found[index]) for index in range(1, 7))
    late = 1 if (hour, minute, second) == (24, 0, 0) else 0
    if year == 0 or (hour > 23 and not late) or minute > 59 or second > 59:
        raise ValueError(value)
    days = date(year, month, day).toordinal() - _EPOCH_DAY
    zone = found[8]
    offset = 0
    if zone and zone != "Z":
        offset = (int(zone[1:3]) * 60 + int(zone[4:6])) * (1 if zone[0] == "+" else -1)
        if abs(offset) > 14 * 60:
            raise ValueError(value)
    fraction = (found[7] or ".0")[1:]
    if len(fraction) > 9 and fraction[9:].strip("0"):
        return None
    nanoseconds = int(fraction[:9].ljust(9, "0"))
    seconds = days * 86_400 + hour * 3_600 + (minute - offset) * 60 + second
    total = seconds * 1_000_000_000 + nanoseconds
    return (total, zone is not None) if total in _NS_RANGE else None


def _typed(table: _Table, column: _Column, odd: list[OddValue]) -> list[tuple[str, pa.ChunkedArray]]:
    """The column in its Arrow type; values that do not fit add a text column."""
    kind = column.kind
    notes = _Notes(table, column, odd)
    if kind == "dateTime":
        made = _times(column, notes)
    elif kind == "decimal" or kind in ("integer", "nonNegativeInteger", "positiveInteger"):
        made = _simple(column, notes, MONEY_TYPE, _exact)
    elif kind in _INTEGERS:
        whole = _INTEGERS[kind]
        made = _simple(column, notes, whole, lambda value: _integer(value, whole.bit_width, not kind.startswith("u")))
    elif kind in _REALS:
        made = _simple(column, notes, _REALS[kind], _double)
    elif kind == "boolean":
        made = _simple(column, notes, pa.bool_(), lambda value: _BOOLEANS[value.strip(XML_SPACE)])
    elif kind == "base64Binary":
        made = _simple(column, notes, pa.binary(), _bytes)
    elif kind == "date":
        made = _simple(column, notes, pa.date32(), _day)
    elif any(value is not None and value.startswith(_TWICE) for texts in column.texts() for value in texts):
        made = _simple(column, notes, pa.string(), _stated_once)
    else:
        made = [(column.name, pa.chunked_array(column.chunks, pa.string()))]
    notes.close()
    return made


def _stated_once(value: str) -> str:
    if value.startswith(_TWICE):
        raise ValueError(value)
    return value


def _bytes(value: str) -> bytes:
    return base64.b64decode("".join(value.split()), validate=True)


def _simple(
    column: _Column, notes: _Notes, kind: pa.DataType, read: Callable[[str], object]
) -> list[tuple[str, pa.ChunkedArray]]:
    chunks, words, row = [], [], 0
    is_odd = False
    for texts in column.texts():
        values: list[object] = []
        left: list[str | None] = []
        for value in texts:
            made = None
            if value is not None:
                try:
                    made = read(value)
                except (ValueError, KeyError, OverflowError, binascii.Error):
                    notes.add(row, value)
                    is_odd = True
            values.append(made)
            left.append(None if made is not None or value is None else value.removeprefix(_TWICE))
            row += 1
        chunks.append(pa.array(values, kind))
        words.append(pa.array(left, pa.string()))
    found = [(column.name, pa.chunked_array(chunks, kind))]
    return [*found, (f"{column.name} (text)", pa.chunked_array(words, pa.string()))] if is_odd else found


def _times(column: _Column, notes: _Notes) -> list[tuple[str, pa.ChunkedArray]]:
    zoned = bare = odd = False
    row = 0
    for texts in column.texts():
        for value in texts:
            found = None
            if value is not None:
                try:
                    found = instant(value)
                except ValueError:
                    notes.add(row, value)
                odd = odd or found is None
                zoned = zoned or (found is not None and found[1])
                bare = bare or (found is not None and not found[1])
            row += 1
    utc = zoned or (not bare and not column.naive)
    kind = pa.timestamp("ns", tz="UTC") if utc else pa.timestamp("ns")
    times: list[pa.Array] = []
    words: list[pa.Array] = []
    for texts in column.texts():
        found_times: list[int | None] = []
        found_words: list[str | None] = []
        for value in texts:
            found = _instant_or_none(value)
            fits_column = found is not None and found[1] == utc
            found_times.append(found[0] if found is not None and fits_column else None)
            found_words.append(None if fits_column or value is None else value.removeprefix(_TWICE))
        times.append(pa.array(found_times, pa.int64()).cast(kind))
        if odd or (zoned and bare):
            words.append(pa.array(found_words, pa.string()))
    made = [(column.name, pa.chunked_array(times, kind))]
    if words:
        made.append((f"{column.name} (text)", pa.chunked_array(words, pa.string())))
    return made


def _instant_or_none(value: str | None) -> tuple[int, bool] | None:
    try:
        return None if value is None else instant(value)
    except ValueError:
        return None


# --- out --------------------------------------------------------------------------------------------------------------


def tables(body: bytes, odd: list[OddValue] | None = None) -> dict[str, pa.Table]:
    """The tables of a DataSet response by name, tables without rows included; an absent result has none.

    Values that are not of their column's type are null, kept in the text column, and added to `odd`.

    Raises `MalformedAnswer`, `ForbiddenXML`, or the error of a fault in the body.
    """
    _refuse_faults(body)
    made: dict[str, pa.Table] = {}
    for table in _read(body):
        columns: list[tuple[str, pa.ChunkedArray]] = []
        for column in table.columns.values():
            columns.extend(_typed(table, column, [] if odd is None else odd))
        names = [name for name, _ in columns]
        arrow = pa.table([values for _, values in columns], names=names)
        order = table.permutation()
        made[table.name] = arrow if order is None else arrow.take(order)
    return made


def to_json(body: bytes) -> dict[str, Any]:
    """The tables as JSON: integers and booleans as such, decimals and times as the text received."""
    _refuse_faults(body)
    made: dict[str, object] = {}
    for table in _read(body):
        columns = list(table.columns.values())
        cells = [[_json(value, column.kind) for texts in column.texts() for value in texts] for column in columns]
        rows = [dict(zip((column.name for column in columns), row, strict=True)) for row in zip(*cells, strict=True)]
        order = table.permutation()
        made[table.name] = {
            "columns": [{"name": column.name, "type": column.kind or "undeclared"} for column in columns],
            "rows": rows if order is None else [rows[index] for index in order.to_pylist()],
        }
    return {"tables": made}


def _json(value: str | None, kind: str) -> object:
    if value is None:
        return None
    if kind in _INTEGERS and _WHOLE.fullmatch(value.strip()) and len(value) < 20:
        return int(value)
    if kind == "boolean":
        return _BOOLEANS.get(value.strip(), value)
    return value


def _refuse_faults(body: bytes) -> None:
    """Raises the error of a fault. A fault is small, so a large body is parsed as a stream alone."""
    if len(body) < 200_000 and b"ault" in body:
        fault = soap_fault(parse(body))
        if fault is not None:
            raise error_of_fault(fault, "the response is a fault")
