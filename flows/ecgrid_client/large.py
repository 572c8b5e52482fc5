"""Streaming parser for responses too large for a DOM; memory stays proportional to the body."""

from collections.abc import Callable, Mapping
from typing import Any, Generic, TypeVar

from ecgrid_client.errors import MalformedAnswer
from ecgrid_client.markup import Branch, Element, is_nil, local_name, read_stream

T = TypeVar("T")


def check(body: bytes, operation: str, roots: tuple[str, ...], wanted: tuple[str, int] | None = None) -> list[str]:
    """Runs the checks of `decode.result`: a whole document that holds one response of the operation.

    Returns the texts of the element `wanted`, given by its name and its depth below the result.
    """
    found: list[str] = read_stream(body, lambda: _Outline(operation, roots, wanted))
    return found


def items(body: bytes, item: str, make: Callable[[Element], T]) -> list[T] | None:
    """The records of an `ArrayOf…` response, each made from its own small tree; None where the result is no array."""
    found: list[T] | None = read_stream(body, lambda: _Items(item, make))
    return found


class _Outline:
    """Checks how a document begins, down to the result; the parser checks that it ends."""

    def __init__(self, operation: str | None, roots: tuple[str, ...], wanted: tuple[str, int] | None = None) -> None:
        self._operation = operation
        self._roots = roots
        self._wanted = wanted
        self._found: list[str] = []
        self._is_inside = False
        self._path: list[str] = []
        self._seen: set[tuple[str, ...]] = set()
        self.depth = 0
        self.result_depth = 0

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        self.depth += 1
        if self._wanted is not None and self.result_depth and self.depth == self.result_depth + self._wanted[1]:
            self._is_inside = local_name(tag) == self._wanted[0]
            self._found += [""] if self._is_inside else []
        if self.depth > 4 or (self.result_depth == 1 and self.depth > 1):
            return
        del self._path[self.depth - 1 :]
        self._path.append(local_name(tag))
        path = self._path
        if self.depth == 1:
            if path[0] == "Envelope":
                return
            if self._roots and path[0] not in self._roots:
                raise MalformedAnswer(f"<{path[0][:60]}> instead of <{self._roots[0]}>")
            self.result_depth = 1
        elif path[1] == "Header":
            return
        elif not self._fits(path[-1]) or tuple(path) in self._seen:
            raise MalformedAnswer(f"<{path[-1][:60]}> instead of a response of {self._operation or 'a list operation'}")
        else:
            self._seen.add(tuple(path))
            self.result_depth = 4 if self.depth == 4 else 0

    def _fits(self, name: str) -> bool:
        if self.depth == 2:
            return name == "Body"
        if self.depth == 3:
            return name.endswith("Response") and self._operation in (None, name.removesuffix("Response"))
        return name == f"{self._path[2].removesuffix('Response')}Result"

    def end(self, tag: str) -> None:
        self.depth -= 1
        self._is_inside = False

    def data(self, text: str) -> None:
        if self._is_inside:
            self._found[-1] += text

    def close(self) -> Any:
        return [text.strip() for text in self._found]


class _Items(_Outline, Generic[T]):
    """Makes a record of each item and frees the item."""

    def __init__(self, item: str, make: Callable[[Element], T]) -> None:
        super().__init__(None, (f"ArrayOf{item}", item))
        self._item = item
        self._make = make
        self._tree: Branch | None = None
        self._is_array = True
        self._made: list[T] = []

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        if self._tree is not None:
            self.depth += 1
            self._tree.start(tag, attributes)
            return
        super().start(tag, attributes)
        if self._is_array and self.result_depth and self.depth == self.result_depth + 1:
            if local_name(tag) == self._item:
                self._tree = Branch(tag, attributes)
            else:
                self._is_array = False

    def data(self, text: str) -> None:
        if self._tree is not None:
            self._tree.data(text)

    def end(self, tag: str) -> None:
        if self._tree is not None and self._tree.end(tag):
            element, self._tree = self._tree.close(), None
            if not is_nil(element):
                self._made.append(self._make(element))
        super().end(tag)

    def close(self) -> list[T] | None:
        return self._made if self._is_array else None
