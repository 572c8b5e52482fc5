"""Safe XML parsing. Elements are found by local name (facts 1.5, 4.1).

Only what ASMX writes is read: UTF-8, or UTF-16 with a byte order mark. Another declared encoding is refused rather than
decoded wrongly; a DTD is refused before parsing; control characters that .NET writes and XML forbids are read as U+FFFD
(facts 8), because one odd name must not cost the line that carries it.
"""

import re
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from lxml import etree

from ecgrid_client.errors import AnswerTooLarge, ForbiddenXML, MalformedAnswer

#: lxml ships no types; this alias keeps signatures readable.
Element = Any

XSI = "http://www.w3.org/2001/XMLSchema-instance"
NIL = f"{{{XSI}}}nil"

UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")
_DECLARATION = re.compile(rb"\A<\?xml\s[^>]*?\?>")
_ENCODING = re.compile(rb"""encoding\s*=\s*["']([A-Za-z0-9._:-]*)["']""")
#: utf-16 too: the name is searched in the decoded text, where it is only .NET's declaration of its strings.
_READABLE = frozenset({b"utf-8", b"utf8", b"us-ascii", b"ascii", b"utf-16"})
_PROLOG = re.compile(rb"(?:\s+|<!--.*?-->|<\?.*?\?>)*", re.DOTALL)
_FORBIDDEN_REFERENCE = re.compile(
    rb"&#(?:x0*(?:[0-8bcef]|1[0-9a-f]|d[89a-f][0-9a-f]{2}|fff[ef])|0*(?:[0-8]|1[124-9]|2[0-9]|3[01]));",
    re.IGNORECASE,
)
_FORBIDDEN_BYTE = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f]")
_REPLACEMENT = "�".encode()
#: White space that XML Schema trims from a number, a boolean or a date; a no-break or thin space is not included.
XML_SPACE = " \t\r\n"
_SMALL = 1 << 16
_PIECE = 1 << 18
#: A tree takes some ten times the memory of its text. Large lists and DataSets are parsed as a stream.
LARGE = 4 << 20
LARGEST_TREE = 16 << 20
MOST_NODES = 1_000_000
#: Attributes of one element: lxml compares each that it adds with all before.
MOST_ATTRIBUTES = 1_000
DEEPEST = 100

_parsers = threading.local()
#: No entity is resolved and nothing is fetched; comments and instructions are no data.
_OPTIONS = {
    **dict.fromkeys(("resolve_entities", "load_dtd", "huge_tree"), False),
    **dict.fromkeys(("no_network", "remove_comments", "remove_pis"), True),
}
#: Cache of tags without their namespace.
LOCAL_NAMES: dict[str, str] = {}


def _parser() -> Any:
    """This thread's parser: a parser shared by threads would serialise them."""
    parser = getattr(_parsers, "parser", None)
    if parser is None:
        parser = _parsers.parser = etree.XMLParser(**_OPTIONS)
    return parser


def utf8(body: bytes) -> bytes:
    """`body` as UTF-8 without byte order mark or declaration, after the checks common to all responses.

    Raises `MalformedAnswer` (empty, not XML, an HTML page, another encoding) and `ForbiddenXML` (a DTD).
    """
    if body[:2] in UTF16_MARKS:
        try:
            body = body.decode("utf-16").encode()
        except UnicodeError:
            raise MalformedAnswer("the response declares UTF-16 but is not; it was damaged on the way") from None
        body = _DECLARATION.sub(b"", body, count=1)
    body = body.removeprefix(b"\xef\xbb\xbf")
    if body[:1].isspace():
        body = body.lstrip()
    if not body:
        raise MalformedAnswer("the response is empty")
    if body[:1] != b"<":
        raise MalformedAnswer("the response is not XML")
    if body[:5] == b"<?xml":
        declaration = _DECLARATION.match(body)
        if declaration is None:
            raise MalformedAnswer("the response is cut off in its first line")
        named = _ENCODING.search(declaration[0])
        if named and named[1].lower() not in _READABLE:
            raise MalformedAnswer(
                f"the response has the encoding {named[1][:30].decode('ascii', 'replace')}; the service writes UTF-8"
            )
        body = body[declaration.end() :]
    start = _PROLOG.match(body)
    at = start.end() if start else 0
    if body[at : at + 9].upper() == b"<!DOCTYPE":
        head = body[at + 9 : at + 2000].lstrip()
        if head[:4].lower() == b"html" and b"[" not in head.partition(b">")[0]:
            raise MalformedAnswer("the response is an HTML page, not one of the service")
        raise ForbiddenXML("the response holds a DTD: it is not parsed, since a DTD can expand or fetch")
    return body


def parse(body: bytes) -> Element:
    """The root element of `body`, not to be changed; raises `MalformedAnswer` or `ForbiddenXML`.

    A response is judged when it arrives and decoded right after by the same thread: the last small tree is cached.
    """
    if getattr(_parsers, "body", None) is body:
        return _parsers.root
    if len(body) > LARGEST_TREE or (len(body) > _SMALL and body.count(b"<") + body.count(b"=") > MOST_NODES):
        raise AnswerTooLarge(f"the response has {len(body):,} bytes, too many for a record or a short list")
    text = utf8(body)
    try:
        root = etree.fromstring(text, _parser())
        if len(body) <= _SMALL:
            _parsers.body, _parsers.root = body, root
        return root
    except etree.XMLSyntaxError as error:
        reason = str(error)
    mended = repaired(text)
    if mended:
        try:
            return etree.fromstring(mended, _parser())
        except etree.XMLSyntaxError as error:
            reason = str(error)
    raise MalformedAnswer(f"the response is not a whole XML document ({_shown(reason)})")


def repaired(document: bytes) -> bytes:
    """`document` with U+FFFD for characters that XML cannot hold; empty when there were none."""
    mended = _FORBIDDEN_BYTE.sub(_REPLACEMENT, _FORBIDDEN_REFERENCE.sub(_REPLACEMENT, document))
    return mended if mended != document else b""


def _shown(reason: str) -> str:
    """A parser's reason, shortened and without line breaks; it may quote the document."""
    return " ".join(reason.split())[:200]


def local(element: Element) -> str:
    """The element's name without its namespace."""
    return local_name(element.tag)


def local_name(tag: str) -> str:
    """A tag without its namespace."""
    name = LOCAL_NAMES.get(tag)
    if name is None:
        name = tag.rpartition("}")[2]
        if len(LOCAL_NAMES) < 4096:  # a hostile response cannot make this grow
            LOCAL_NAMES[tag] = name
    return name


def children(element: Element) -> Iterator[Element]:
    """Child elements, without comments and processing instructions."""
    found: Iterator[Element] = element.iterchildren("*")
    return found


def read_stream(body: bytes, make_target: Callable[[], Any]) -> Any:
    """The result of a target's `close()` after every start, text and end event in `body`; no tree is built.

    For responses whose tree would take some ten times the memory of their text. Raises `MalformedAnswer` or
    `ForbiddenXML`, and what the target raises.
    and what the target raises.
    """
    document = utf8(body)
    try:
        return _streamed(document, make_target())
    except etree.XMLSyntaxError as error:
        reason = str(error)
    mended = repaired(document)
    if mended:
        try:
            return _streamed(mended, make_target())
        except etree.XMLSyntaxError as error:
            reason = str(error)
    raise MalformedAnswer(f"the response is not a whole XML document ({_shown(reason)})")


def _streamed(document: bytes, target: Any) -> Any:
    parser = etree.XMLParser(target=target, **_OPTIONS)
    for start in range(0, len(document), _PIECE):
        parser.feed(document[start : start + _PIECE])
    return parser.close()


class Branch:
    """The tree of one item of a stream, limited in size."""

    def __init__(self, tag: str, attributes: Mapping[str, str]) -> None:
        self._builder = etree.TreeBuilder()
        self._depth = self._nodes = 0
        self.start(tag, attributes)

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        self._depth += 1
        self._nodes += 1 + len(attributes)
        if self._nodes > MOST_NODES // 10 or len(attributes) > MOST_ATTRIBUTES:
            raise AnswerTooLarge("one item of the response has too many elements or attributes to be a record")
        try:
            self._builder.start(tag, attributes)
        except ValueError:  # an undeclared prefix, for example
            raise MalformedAnswer(f"{tag[:60]!r} is not a valid element name") from None

    def data(self, text: str) -> None:
        self._builder.data(text)

    def end(self, tag: str) -> bool:
        """Whether the item is complete."""
        self._builder.end(tag)
        self._depth -= 1
        return self._depth == 0

    def close(self) -> Element:
        return self._builder.close()


def plain_value(element: Element, depth: int = 0) -> object:
    """An unknown element as JSON: text, None for nil, or its elements by name."""
    if depth > DEEPEST:
        raise MalformedAnswer("elements of the response are nested too deep")
    if not len(element):
        return text(element)
    found: dict[str, list[object]] = {}
    for child in children(element):
        found.setdefault(local(child), []).append(plain_value(child, depth + 1))
    if (element.text or "").strip() or any((child.tail or "").strip() for child in element):
        raise MalformedAnswer(f"{local(element)[:60]} mixes text with elements")
    return {name: values[0] if len(values) == 1 else values for name, values in found.items()}


def is_nil(element: Element) -> bool:
    """Whether the element has `xsi:nil`."""
    return bool(element.attrib) and element.get(NIL, "").strip() in ("true", "1")


def text(element: Element) -> str | None:
    """The element's text: None for xsi:nil, `` for an empty element. Elements inside it make it malformed."""
    if len(element):
        raise MalformedAnswer(f"{local(element)} holds elements instead of a plain value")
    found: str | None = element.text
    if found is None:
        return None if is_nil(element) else ""
    return found


def find(element: Element, *names: str) -> Element | None:
    """The first descendant with one of these local names, in document order, or None."""
    for found in element.iter():
        if isinstance(found.tag, str) and local(found) in names:
            return found
    return None
