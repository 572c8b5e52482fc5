"""Python files with one small fault each, made in the tree of Python's own parser.

The faults are those of `sql_mutants`, as Python has them: `>` for `>=`, minus for plus, `and` for `or`, a constant that
is one more, and a condition, a `not` or a statement that is missing.
"""

import ast
import copy
import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from tests.mutation.mutant import Mutant, place_of

_COMPARISONS: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
_OPERATORS: dict[type[ast.operator], type[ast.operator]] = {ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.FloorDiv}
_NAMES = {"min": "max", "max": "min", "any": "all", "all": "any"}
Change = Callable[[Any], None]


def sample(root: Path, count: int, seed: int, under: Sequence[str]) -> list[Mutant]:
    """So many mutants of the Python files under these folders (or files) of `root`, drawn over all places.

    A fault is drawn by the seed, its file and its code: a change elsewhere draws no other sample.
    """
    places: list[tuple[str, Path, int, int]] = []
    trees: dict[Path, ast.Module] = {}
    for folder in under:
        found = [root / folder] if folder.endswith(".py") else sorted((root / folder).rglob("*.py"))
        for path in found:
            trees[path] = ast.parse(path.read_text(encoding="utf-8"))
            seen = Counter[str]()
            for place, node in enumerate(_code(trees[path])):
                for number, _ in enumerate(_faults(node)):
                    code = f"{seed} {path.name} {ast.dump(node)} {number}"
                    drawn_by = hashlib.sha256(f"{code} {seen[code]}".encode()).hexdigest()
                    places.append((drawn_by, path, place, number))
                    seen[code] += 1
    drawn = []
    for _, path, place, number in sorted(places)[:count]:
        tree = copy.deepcopy(trees[path])
        node = list(_code(tree))[place]
        words, change = list(_faults(node))[number]
        change(node)
        line = getattr(node, "lineno", 0)
        text = ast.unparse(tree)
        where = place_of(ast.unparse(trees[path]), text)
        drawn.append(Mutant(path.relative_to(root), f"{words}, line {line}", text + "\n", where))
    return drawn


def _code(node: ast.AST) -> Iterator[ast.AST]:
    """The nodes that run: no annotation, no docstring, no `if TYPE_CHECKING`."""
    yield node
    for name, value in ast.iter_fields(node):
        if name in ("annotation", "returns", "decorator_list", "type_params"):
            continue
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST):
                yield from _code(child)


def _faults(node: ast.AST) -> Iterator[tuple[str, Change]]:
    """Each fault that this node can have: in words, and what makes it in the node."""
    if isinstance(node, ast.Compare):
        for place, operator in enumerate(node.ops):
            other = _COMPARISONS[type(operator)]
            yield f"{type(operator).__name__} to {other.__name__}", _set_item("ops", place, other())
    if isinstance(node, ast.BoolOp):
        other_op = ast.Or if isinstance(node.op, ast.And) else ast.And
        yield f"{type(node.op).__name__} to {other_op.__name__}", _set("op", other_op())
        for place in range(len(node.values)):
            yield f"condition {place + 1} of {len(node.values)} dropped", _drop_item("values", place)
    if isinstance(node, ast.BinOp) and type(node.op) in _OPERATORS:
        swapped = _OPERATORS[type(node.op)]
        yield f"{type(node.op).__name__} to {swapped.__name__}", _set("op", swapped())
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        yield "not dropped", _set("operand", ast.UnaryOp(ast.Not(), node.operand))  # `not not x`
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        yield "minus dropped", _set("op", ast.UAdd())
    if isinstance(node, ast.Constant) and type(node.value) is int:
        yield f"{node.value} to one more", _set("value", node.value + 1)
    if isinstance(node, ast.Constant) and type(node.value) is bool:
        yield f"{node.value} to {not node.value}", _set("value", not node.value)
    if isinstance(node, ast.Name) and node.id in _NAMES:
        yield f"{node.id} to {_NAMES[node.id]}", _set("id", _NAMES[node.id])
    if isinstance(node, ast.IfExp):
        yield "condition of an expression to true", _set("test", ast.Constant(True))
        yield "condition of an expression to false", _set("test", ast.Constant(False))
    if isinstance(node, ast.comprehension):
        for place in range(len(node.ifs)):
            yield "condition of a comprehension dropped", _drop_item("ifs", place)
    for name in ("body", "orelse", "finalbody"):
        for place, statement in enumerate(getattr(node, name, None) or [] if isinstance(node, ast.stmt) else []):
            if isinstance(statement, ast.Raise | ast.Continue | ast.Break | ast.AugAssign) or (
                isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call)
            ):
                yield f"{type(statement).__name__} dropped", _set_item(name, place, ast.Pass())


def _set(name: str, value: object) -> Change:
    def change(node: Any) -> None:
        setattr(node, name, value)

    return change


def _set_item(name: str, place: int, value: object) -> Change:
    def change(node: Any) -> None:
        getattr(node, name)[place] = value

    return change


def _drop_item(name: str, place: int) -> Change:
    def change(node: Any) -> None:
        del getattr(node, name)[place]

    return change
