"""`quote --batch`: rates quantities on given tiers under given readings, by the SQL that rates the billed lines.

In, one JSON object a line: id, quantity, allowance ("0"), tiers, reading (as in CONTRACT). Out, one a line, in the same
order: id, amount, quantity_billed and slices, or id and error. Any fault of one record (not JSON, an unknown field or
value, malformed tiers, too many digits) is the error of that record alone; an error begins with a stable word
(`tier_gap: tier 2 begins at 150 but tier 1 ends at 100`).

Numbers are plain decimal strings. A JSON number is taken by its text, so 0.1 is a tenth; one that DECIMAL(28,10) cannot
hold is an error and never rounded. Amounts are exact, up to 18 whole digits and 20 decimals.

Records are read, rated and written in chunks, so a file may be larger than memory. SQL reads lines in plain form (the
fields in their order, nothing escaped; nearly all are: `sql/quotes`), Python the others.
"""

import json
import re
import time
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from itertools import chain, islice, repeat
from operator import itemgetter
from typing import Any

import pyarrow as pa

from ecgrid_flows.warehouse import builder, database, sql_files, sql_tree
from ecgrid_transforms.columns import booleans, decimal_words, decimals, integers, texts
from ecgrid_transforms.money import DoesNotFit, NotADecimal, fitted, plain, to_decimal

#: Records per chunk: so many that planning in DuckDB hardly counts.
CHUNK = 50_000
#: Chunks at a time: half of the work on a chunk is work for one processor. A batch of 200,000 records peaked at
#: 680 MiB, one of 600,000 at 760.
_AT_ONCE = 2

#: Attribute of a reading -> its possible values; the first is the default, except for rounding: "none".
READING_VALUES: Mapping[str, tuple[str, ...]] = {
    "model": ("unit", "volume", "graduated", "stairstep", "stacked_flat"),
    "upper_bound": ("inclusive", "exclusive"),
    "blocks": ("up", "down", "nearest", "none"),
    "block_scope": ("quantity", "tier"),
    "rate_per": ("block", "unit"),
    "allowance": ("before_blocks", "after_blocks", "free_tier"),
    "rounding": ("half_up", "half_even", "up", "down", "none"),
}
READING_DEFAULTS: Mapping[str, object] = {
    **{name: values[0] for name, values in READING_VALUES.items()},
    "rounding": "none",
    "zero_pays_flat": False,
    "scale": "2",
}
LARGEST_SCALE = 20

_RECORD_FIELDS = ("id", "quantity", "allowance", "tiers", "reading")
_RECORD_REQUIRED = ("id", "quantity", "tiers")
_TIER_FIELDS = ("minimum", "maximum", "rate", "flat", "block")
_TIER_REQUIRED = ("minimum", "maximum", "rate")
_READING_FIELDS = tuple(READING_DEFAULTS)
_RECORD_SET, _TIER_SET, _READING_SET = frozenset(_RECORD_FIELDS), frozenset(_TIER_FIELDS), frozenset(_READING_FIELDS)
_PLAIN_AND_FITTING = re.compile(r"-?\d{1,18}(\.\d{1,10})?", re.ASCII)
_SCALE = re.compile(r"\d{1,2}", re.ASCII)

#: Inputs of the rating, and its output.
_INPUTS = ("core_rating_cases", "core_rating_tiers", "core_rating_readings")
_PRICES = "quote_prices"
#: Relations of plain lines, and their input.
_PLAIN = ("quote_cases", "quote_tiers")
_PLAIN_INPUTS = ("quote_lines", "quote_readings")

_tier_values = itemgetter(*_TIER_FIELDS)

#: The numbers of all tiers in Arrow's memory format, those of each tier in the order of `_TIER_FIELDS`.
Ladder = tuple[bytes | None, ...]
Reading = tuple[object, ...]


class BadRecord(ValueError):
    """A record that cannot be rated; the message is its error."""


class _Number(str):
    """A JSON number as its own text, so that nothing is lost before it becomes a decimal."""

    __slots__ = ()


def _refuse_constant(name: str) -> None:
    raise BadRecord(f"bad_number: {name} is not a number")


_decoder = json.JSONDecoder(
    parse_float=_Number,
    parse_int=_Number,
    parse_constant=_refuse_constant,
)


class _Chunk:
    """The contents of lines, to be rated at once; equal ladders and readings are kept once.

    The place of a line in the chunk is its case_id, and the ladder_id of the ladder that it is the first to have.
    """

    def __init__(self) -> None:
        self.lines = 0
        self.ids: dict[int, str] = {}  # as JSON
        self.errors: dict[int, str] = {}
        self.plain: dict[str, pa.Table] = {}
        self.numbers: dict[str | None, bytes | None] = {None: None}  # plain text that fits -> the number
        self.cases: list[int] = []
        self.quantities: list[bytes] = []
        self.allowances: list[bytes] = []
        self.case_ladders: list[int] = []
        self.case_readings: list[str] = []
        self.ladders: dict[Ladder, int] = {}
        self.readings: dict[Reading, str] = {}

    def reading_id(self, reading: Reading) -> str:
        """The name of a reading within the chunk."""
        return self.readings.setdefault(reading, str(len(self.readings)))

    def tables(self) -> dict[str, pa.Table]:
        """The three relations that the rating reads."""
        numbers = list(chain.from_iterable(self.ladders))
        tiers = [len(ladder) // len(_TIER_FIELDS) for ladder in self.ladders]
        readings: dict[str, Any] = dict(zip(_READING_FIELDS, zip(*self.readings, strict=True), strict=True))
        cases = pa.table(
            {
                "case_id": integers("q", self.cases),
                "ladder_id": integers("q", self.case_ladders),
                "reading_id": texts(self.case_readings),
                "quantity": decimals(self.quantities),
                "allowance": decimals(self.allowances),
            }
        )
        ladders = pa.table(
            {
                "ladder_id": integers("q", chain.from_iterable(map(repeat, self.ladders.values(), tiers))),
                "tier": integers("i", chain.from_iterable(range(1, count + 1) for count in tiers)),
                **{name: decimals(numbers[place :: len(_TIER_FIELDS)]) for place, name in enumerate(_TIER_FIELDS)},
            }
        )
        return {
            "core_rating_cases": pa.concat_tables([cases, self.plain["quote_cases"]]),
            "core_rating_tiers": pa.concat_tables([ladders, self.plain["quote_tiers"]]),
            "core_rating_readings": pa.table(
                {
                    "reading_id": texts(self.readings.values()),
                    **{
                        {"allowance": "allowance_rule"}.get(name, name): texts(readings[name])
                        for name in READING_VALUES
                    },
                    "zero_pays_flat": booleans(readings["zero_pays_flat"]),
                    "scale": integers("i", readings["scale"]),
                }
            ),
        }


class _Reader:
    """Reads lines into chunks. It caches valid readings, for speed."""

    def __init__(self, connection: database.Connection, tree: sql_tree.SqlTree) -> None:
        self._connection = connection
        self._tree = tree
        self._readings: dict[tuple[object, ...], Reading] = {}
        self._chunk = _Chunk()

    def chunk(self, lines: Sequence[tuple[int, bytes]]) -> _Chunk:
        """Lines, each with its number in the file, as cases; an invalid one as its error."""
        chunk = self._chunk = _Chunk()
        chunk.lines = len(lines)
        self._read_plain([line for _, line in lines])
        for place, (number, line) in enumerate(lines):
            if place not in chunk.ids:
                self._read(place, line, number)
        return chunk

    def _read_plain(self, lines: Sequence[bytes]) -> None:
        """Read the lines that SQL can read; `_read` reads those with an invalid reading, and gives the reason."""
        chunk, connection = self._chunk, self._connection
        places = [place for place, line in enumerate(lines) if line.isascii()]
        asked = {"line_no": integers("q", places), "line": texts(lines[place].decode("ascii") for place in places)}
        database.register(connection, "quote_lines", pa.table(asked))
        builder.materialise(connection, self._tree, ["quote_records"], given=_PLAIN_INPUTS, is_guarded=False)
        readings = {}
        given_readings = database.rows(connection, "quote_records", columns=["reading"]).column("reading")
        for text in given_readings.unique().to_pylist():
            with suppress(BadRecord):
                readings[text] = chunk.reading_id(self._reading(_parsed(text.encode(), 0)))
        known = {"reading": texts(readings), "reading_id": texts(readings.values())}
        database.register(connection, "quote_readings", pa.table(known))
        given = (*_PLAIN_INPUTS, "quote_records")
        builder.materialise(connection, self._tree, _PLAIN, given=given, is_guarded=False)
        chunk.plain = {name: database.rows(connection, name) for name in _PLAIN}
        cases = chunk.plain["quote_cases"]
        chunk.ids = dict(zip(cases.column("case_id").to_pylist(), cases.column("id").to_pylist(), strict=True))
        chunk.plain["quote_cases"] = cases.drop_columns("id")

    def _read(self, place: int, line: bytes, number: int) -> None:
        """Read one line of any content."""
        chunk = self._chunk
        chunk.ids[place] = "null"
        try:
            record = _parsed(line, number)
            if "id" in record:
                chunk.ids[place] = _id_text(record["id"])
            if tuple(record) != _RECORD_FIELDS:
                _check_fields(record, _RECORD_SET, _RECORD_FIELDS, _RECORD_REQUIRED, "the record")
            quantity = self._number(record["quantity"], "quantity")
            allowance = self._number(record.get("allowance", "0"), "allowance")
            ladder = self._ladder(record["tiers"])
            reading = self._reading(record.get("reading", {}))
        except BadRecord as error:
            chunk.errors[place] = str(error)
            return
        chunk.cases.append(place)
        chunk.quantities.append(quantity)
        chunk.allowances.append(allowance)
        chunk.case_ladders.append(chunk.ladders.setdefault(ladder, place))
        chunk.case_readings.append(chunk.reading_id(reading))

    def _ladder(self, tiers: object) -> Ladder:
        """The numbers of the tiers; SQL checks how they fit together."""
        if not isinstance(tiers, list):
            raise BadRecord("bad_value: tiers is not a list")
        if not tiers:
            raise BadRecord("no_tiers: there is no tier to rate by")
        known = self._known_ladder(tiers)
        return known or tuple(chain.from_iterable(self._tier(tier, place) for place, tier in enumerate(tiers, 1)))

    def _known_ladder(self, tiers: list[Any]) -> Ladder | None:
        """The numbers of the tiers if they are complete and each is cached: most are."""
        known = self._chunk.numbers.__getitem__
        found: list[bytes | None] = []
        for tier in tiers:
            if not isinstance(tier, dict) or len(tier) != len(_TIER_FIELDS):
                return None
            try:
                found += map(known, _tier_values(tier))
            except (KeyError, TypeError):  # another field; a number not seen yet; a list or an object as a value
                return None
        maxima = found[_TIER_FIELDS.index("maximum") :: len(_TIER_FIELDS)]
        return tuple(found) if found.count(None) == maxima.count(None) else None

    def _tier(self, tier: object, place: int) -> Ladder:
        if not isinstance(tier, dict):
            raise BadRecord(f"bad_value: tier {place} is not an object")
        _check_fields(tier, _TIER_SET, _TIER_FIELDS, _TIER_REQUIRED, f"tier {place}")
        maximum = tier["maximum"]
        return (
            self._number(tier["minimum"], "minimum", place),
            None if maximum is None else self._number(maximum, "maximum", place),
            self._number(tier["rate"], "rate", place),
            self._number(tier.get("flat", "0"), "flat", place),
            self._number(tier.get("block", "1"), "block", place),
        )

    def _number(self, value: object, name: str, tier: int = 0) -> bytes:
        """A number that DECIMAL(28,10) holds, in Arrow's memory format."""
        numbers = self._chunk.numbers
        if isinstance(value, str):
            known = numbers.get(value)
            if known is not None:
                return known
            if _PLAIN_AND_FITTING.fullmatch(value):
                found = numbers[value] = decimal_words(value)
                return found
        where = f"tier {tier}: {name}" if tier else name
        if not isinstance(value, str):
            raise BadRecord(f"bad_number: {where} is {_shown(value)}; write a decimal as text")
        try:
            return decimal_words(plain(fitted(to_decimal(value))))
        except NotADecimal as error:
            raise BadRecord(f"bad_number: {where}: {error}") from error
        except DoesNotFit as error:
            raise BadRecord(f"too_large: {where}: {error}") from error

    def _reading(self, given: object) -> Reading:
        """The reading, complete, in the order of READING_DEFAULTS."""
        if not isinstance(given, dict):
            raise BadRecord("bad_value: reading is not an object")
        try:
            key = (*given, *given.values())
            reading = self._readings.get(key)
        except TypeError:  # a list or an object as a value
            return _whole_reading(given)
        if reading is None:
            reading = self._readings[key] = _whole_reading(given)
        return reading


def _parsed(line: bytes, number: int) -> dict[str, Any]:
    try:
        record = _decoder.decode(line.decode("utf-8-sig" if number == 1 else "utf-8"))
    except BadRecord:
        raise
    except UnicodeDecodeError as error:
        raise BadRecord(f"bad_json: line {number} is not UTF-8 ({error.reason} at byte {error.start})") from error
    except json.JSONDecodeError as error:
        raise BadRecord(f"bad_json: line {number} is not JSON ({error.msg} at character {error.colno})") from error
    except RecursionError as error:
        raise BadRecord(f"bad_json: line {number} is nested too deep") from error
    if not isinstance(record, dict):
        raise BadRecord(f"bad_json: line {number} is not a JSON object")
    return record


def _id_text(value: object) -> str:
    """The id as JSON, as received: text, a number or null; anything else is not an id."""
    if isinstance(value, _Number):
        return str(value)
    if value is None or isinstance(value, str | bool):
        return json.dumps(value)
    raise BadRecord("bad_id: an id is text or a number")


def _check_fields(
    found: Mapping[str, Any], known: frozenset[str], named: tuple[str, ...], required: tuple[str, ...], where: str
) -> None:
    if not found.keys() <= known:
        unknown = sorted(found.keys() - known)[0]
        raise BadRecord(f"unknown_field: {where} has {_shown(unknown)}; its fields are {', '.join(named)}")
    for name in required:
        if name not in found:
            raise BadRecord(f"missing_field: {where} has no {name}")


def _whole_reading(given: Mapping[str, object]) -> Reading:
    _check_fields(given, _READING_SET, _READING_FIELDS, (), "the reading")
    for name, values in READING_VALUES.items():
        if name in given and given[name] not in values:
            raise BadRecord(f"unknown_value: {name} is {_shown(given[name])}; it is one of {', '.join(values)}")
    whole = {**READING_DEFAULTS, **given}
    if not isinstance(whole["zero_pays_flat"], bool):
        raise BadRecord(f"unknown_value: zero_pays_flat is {_shown(whole['zero_pays_flat'])}; it is true or false")
    scale = whole["scale"]
    if not isinstance(scale, str) or not _SCALE.fullmatch(scale) or int(scale) > LARGEST_SCALE:
        raise BadRecord(f"unknown_value: scale is {_shown(scale)}; it is a whole number from 0 to {LARGEST_SCALE}")
    whole["scale"] = int(scale)
    return tuple(whole.values())


def _shown(value: object) -> str:
    text = json.dumps(value, default=str)
    return text if len(text) <= 60 else text[:57] + "..."


def rate(lines: Iterable[bytes], chunk_size: int = CHUNK) -> Iterator[str]:
    """The results of `lines`, one JSON object each, without line ends; empty lines have none.

    Raises nothing for the content of a record: that is the record's error.
    """
    tree = sql_files.load_sql(None, (_PRICES, *_PLAIN), (*_INPUTS, *_PLAIN_INPUTS))
    numbered = ((number, line) for number, line in enumerate(lines, 1) if line.strip())
    with ThreadPoolExecutor(_AT_ONCE, "rating") as workers:
        waiting: deque[Future[list[str]]] = deque()
        running: set[database.Connection] = set()
        try:
            while batch := list(islice(numbered, chunk_size)):
                waiting.append(workers.submit(_answers, tree, batch, running))
                if len(waiting) > _AT_ONCE:
                    yield from waiting[0].result()
                    waiting.popleft()
            while waiting:
                yield from waiting[0].result()
                waiting.popleft()
        finally:
            workers.shutdown(wait=False, cancel_futures=True)
            while any(chunk.running() for chunk in waiting):  # the reader takes no more, or Ctrl-C
                for connection in list(running):
                    database.interrupt(connection)
                time.sleep(0.05)


def _answers(
    tree: sql_tree.SqlTree, lines: Sequence[tuple[int, bytes]], running: set[database.Connection]
) -> list[str]:
    """The results of one chunk, rated in a database of its own, which is in `running` meanwhile."""
    with database.scratch(tree) as connection:
        running.add(connection)
        try:
            chunk = _Reader(connection, tree).chunk(lines)
            prices = _prices(connection, tree, chunk)
        finally:
            running.discard(connection)
    answers = []
    for place in range(chunk.lines):
        shown_id = chunk.ids[place]
        words, slices, error = prices[place] if place in prices else ("", "", chunk.errors[place])
        if error is None:
            answers.append(f'{{"id": {shown_id}, {words}, "slices": [{slices}]}}')
        else:
            answers.append(f'{{"id": {shown_id}, "error": {json.dumps(error)}}}')
    return answers


#: Place of a line -> amount and quantity billed, the slices (both as JSON); or why it has no price.
_Prices = dict[int, tuple[str, str, str | None]]


def _prices(connection: database.Connection, tree: sql_tree.SqlTree, chunk: _Chunk) -> _Prices:
    """The result of the SQL for each case of the chunk."""
    if not chunk.readings:
        return {}
    inputs = chunk.tables()
    for name, rows in inputs.items():
        database.register(connection, name, rows)
    builder.materialise(connection, tree, [_PRICES], given=inputs, is_guarded=False)
    prices = database.rows(connection, _PRICES, columns=["case_id", "words", "slices", "error"])
    cases, *texts_of_case = (column.to_pylist() for column in prices.columns)
    return dict(zip(cases, zip(*texts_of_case, strict=True), strict=True))
