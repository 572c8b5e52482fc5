"""SELECTs with one small fault each, made in the tree of DuckDB's own parser, so that every one still parses.

The faults are those that a person makes: `>` for `>=`, minus for plus, INNER for LEFT, AND for OR, UNION for UNION ALL,
a constant that is one more, and a condition, a WHERE, a NOT or an arm of a CASE that is missing.
"""

import copy
import hashlib
import itertools
import json
import random
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from ecgrid_transforms.money import Decimal
from tests.mutation.mutant import Mutant, place_of

Node = dict[str, Any]
Way = tuple[str | int, ...]

_COMPARISONS = {
    "COMPARE_EQUAL": ("COMPARE_NOTEQUAL", "= to <>"),
    "COMPARE_NOTEQUAL": ("COMPARE_EQUAL", "<> to ="),
    "COMPARE_LESSTHAN": ("COMPARE_LESSTHANOREQUALTO", "< to <="),
    "COMPARE_LESSTHANOREQUALTO": ("COMPARE_LESSTHAN", "<= to <"),
    "COMPARE_GREATERTHAN": ("COMPARE_GREATERTHANOREQUALTO", "> to >="),
    "COMPARE_GREATERTHANOREQUALTO": ("COMPARE_GREATERTHAN", ">= to >"),
    "COMPARE_DISTINCT_FROM": ("COMPARE_NOT_DISTINCT_FROM", "IS DISTINCT FROM to IS NOT DISTINCT FROM"),
    "COMPARE_NOT_DISTINCT_FROM": ("COMPARE_DISTINCT_FROM", "IS NOT DISTINCT FROM to IS DISTINCT FROM"),
    "OPERATOR_IS_NULL": ("OPERATOR_IS_NOT_NULL", "IS NULL to IS NOT NULL"),
    "OPERATOR_IS_NOT_NULL": ("OPERATOR_IS_NULL", "IS NOT NULL to IS NULL"),
    "CONJUNCTION_AND": ("CONJUNCTION_OR", "AND to OR"),
    "CONJUNCTION_OR": ("CONJUNCTION_AND", "OR to AND"),
}
_FUNCTIONS = {
    "+": ("-", "+ to -"),
    "-": ("+", "- to +"),
    "min": ("max", "min to max"),
    "max": ("min", "max to min"),
    "least": ("greatest", "least to greatest"),
    "greatest": ("least", "greatest to least"),
    "bool_and": ("bool_or", "bool_and to bool_or"),
    "bool_or": ("bool_and", "bool_or to bool_and"),
}
#: Where a node is in its text.
_PLACE = re.compile(r'"query_location": \d+')
#: A type's digits are no constants of the query.
_NOT_CODE = ("cast_type", "type_expr")
_JOINS = {"LEFT": ("INNER", "LEFT JOIN to JOIN"), "INNER": ("LEFT", "JOIN to LEFT JOIN")}


def sample(root: Path, count: int, seed: int, under: Sequence[str]) -> list[Mutant]:
    """So many mutants of the SQL files under these folders of `root`, drawn over all places of all files.

    A place is drawn by the seed, its file and its code: a change elsewhere draws no other sample.
    """
    paths = sorted(path for folder in under for path in (root / folder).rglob("*.sql"))
    with duckdb.connect() as parser:
        places = sorted(
            (place for path in paths for place in _places(parser, path)), key=lambda place: place.draw(seed)
        )
        mutants = (
            mutant
            for place in places
            if (mutant := random.Random(place.draw(seed)).choice(place.mutants(parser, root))) is not None
        )
        return list(itertools.islice(mutants, count))


def of_relation(root: Path, relation: str) -> list[Mutant]:
    """Every mutant of one relation."""
    (path,) = (root / "sql").rglob(f"{relation}.sql")
    with duckdb.connect() as parser:
        found = [mutant for place in _places(parser, path) for mutant in place.mutants(parser, root)]
    return [mutant for mutant in found if mutant is not None]


@dataclass(frozen=True)
class _Place:
    """A node of a file's tree that can have a fault; `code` names it whatever stands before it in the file."""

    path: Path
    text: str
    tree: Node
    way: Way
    code: str

    def draw(self, seed: int) -> str:
        return hashlib.sha256(f"{seed} {self.path.name} {self.code}".encode()).hexdigest()

    def mutants(self, parser: duckdb.DuckDBPyConnection, root: Path) -> list[Mutant | None]:
        """One for each fault; None for one that changes nothing."""
        return [self._mutant(parser, root, *fault) for fault in _faults(_at(self.tree, self.way))]

    def _mutant(self, parser: duckdb.DuckDBPyConnection, root: Path, change: str, altered: Node) -> Mutant | None:
        original, select = _select(parser, self.tree), _select(parser, _with(self.tree, self.way, altered))
        if select == original:
            return None
        words = f"{change}, {_position(self.text, self.tree, self.way)}"
        text = _header(self.text) + select + "\n"
        return Mutant(self.path.relative_to(root), words, text, place_of(original, select))


def _places(parser: duckdb.DuckDBPyConnection, path: Path) -> list[_Place]:
    text = path.read_text(encoding="utf-8")
    tree = _tree(parser, text)
    places, seen = [], Counter[str]()
    for way in _ways(tree, ()):
        node = _at(tree, way)
        if any(_faults(node)):
            code = _PLACE.sub("", json.dumps(node))
            places.append(_Place(path, text, tree, way, f"{code} {seen[code]}"))
            seen[code] += 1
    return places


def _tree(parser: duckdb.DuckDBPyConnection, text: str) -> Node:
    return dict(json.loads(_one(parser, "SELECT json_serialize_sql(?::VARCHAR)", text)))


def _select(parser: duckdb.DuckDBPyConnection, tree: Node) -> str:
    return _one(parser, "SELECT json_deserialize_sql(?::JSON)", json.dumps(tree))


def _one(parser: duckdb.DuckDBPyConnection, query: str, value: str) -> str:
    row = parser.execute(query, [value]).fetchone()
    assert row is not None
    return str(row[0])


def _header(text: str) -> str:
    """The comments that a file opens with: they state how its relation is made, so a mutant keeps them."""
    return "".join(itertools.takewhile(lambda line: line.startswith("--"), text.splitlines(keepends=True)))


def _with(tree: Node, way: Way, altered: Node) -> Node:
    """A copy of the tree with another node in that place."""
    whole = copy.deepcopy(tree)
    _at(whole, way[:-1])[way[-1]] = altered
    return whole


def _ways(node: Any, way: Way) -> Iterator[Way]:
    if isinstance(node, dict):
        if way:
            yield way
        for key, child in node.items():
            if key not in _NOT_CODE:
                yield from _ways(child, (*way, key))
    elif isinstance(node, list):
        for place, child in enumerate(node):
            yield from _ways(child, (*way, place))


def _at(node: Any, way: Way) -> Any:
    for step in way:
        node = node[step]
    return node


def _position(text: str, tree: Node, way: Way) -> str:
    """The line of the file nearest to the node, as the parser gives places."""
    for length in range(len(way), -1, -1):
        node = _at(tree, way[:length])
        place = node.get("query_location") if isinstance(node, dict) else None
        if isinstance(place, int) and place < len(text):
            return f"line {text.encode()[:place].decode(errors='replace').count(chr(10)) + 1}"
    return "somewhere"


def _faults(node: Node) -> Iterator[tuple[str, Node]]:
    """Each fault that this node can have, in words and as the node with it."""
    kind = node.get("type")
    if kind in _COMPARISONS:
        other, change = _COMPARISONS[kind]
        yield change, node | {"type": other}
    if kind in ("CONJUNCTION_AND", "CONJUNCTION_OR"):
        children = node["children"]
        for place in range(len(children)):
            rest = children[:place] + children[place + 1 :]
            yield (
                f"condition {place + 1} of {len(children)} dropped",
                rest[0] if len(rest) == 1 else node | {"children": rest},
            )
    if kind == "OPERATOR_NOT":
        yield "NOT dropped", node["children"][0]
    if kind == "CASE_EXPR":
        checks = node["case_checks"]
        for place in range(len(checks)):
            rest = checks[:place] + checks[place + 1 :]
            yield f"arm {place + 1} of CASE dropped", node | {"case_checks": rest} if rest else node["else_expr"]
    if kind == "FUNCTION" and node["function_name"] in _FUNCTIONS:
        other, change = _FUNCTIONS[node["function_name"]]
        yield change, node | {"function_name": other}
    if kind == "JOIN" and node.get("join_type") in _JOINS and node.get("ref_type") == "REGULAR":
        other, change = _JOINS[node["join_type"]]
        yield change, node | {"join_type": other}
    if kind == "SET_OPERATION_NODE" and node.get("setop_type") == "UNION":
        yield (
            "UNION ALL to UNION" if node["setop_all"] else "UNION to UNION ALL",
            node | {"setop_all": not node["setop_all"]},
        )
    if kind == "SELECT_NODE" and node.get("where_clause"):
        yield "WHERE dropped", node | {"where_clause": None}
    if kind == "VALUE_CONSTANT" and node["literal"]["kind"] in ("INTEGER", "NUMERIC"):
        number = node["literal"]["text"]
        yield f"{number} to one more", node | {"literal": node["literal"] | {"text": str(Decimal(number) + 1)}}
