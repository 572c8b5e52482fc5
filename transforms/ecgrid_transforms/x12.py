"""X12 interchanges, strictly: delimiters by the fixed positions of ISA, control numbers and counts as they must be.

    ISA … IEA     an interchange; several may follow one another
      GS … GE     a functional group, of transaction sets of one kind and version
        ST … SE   a transaction set

The segment terminator may be followed by line ends, or be one. Positions in messages are characters from 1, segments
are counted from the first ISA of the file. Source: ASC X12.5 (interchange control) and X12.6, release 004010.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from ecgrid_transforms.filed_invoices import CONTROL, InvoiceFileRefused

__all__ = ["Segment", "Transaction", "transactions"]

#: Positions of the element separator in ISA, from its first character; the terminator is at 105.
_ISA_SEPARATORS = (3, 6, 17, 20, 31, 34, 50, 53, 69, 76, 81, 83, 89, 99, 101, 103)
_ISA_COMPONENT, _ISA_END = 104, 105
_BETWEEN = "\r\n \t"


@dataclass(frozen=True, slots=True)
class Segment:
    """One segment: its place in the file, and its elements, the first being its name (`IT1`)."""

    number: int
    position: int
    elements: tuple[str, ...]

    @property
    def name(self) -> str:
        return self.elements[0]

    def get(self, place: int) -> str | None:
        """The element at `place` (IT102 is 2); None where it is absent or empty."""
        return (self.elements[place].strip() or None) if place < len(self.elements) else None

    def wrong(self, why: str) -> InvoiceFileRefused:
        return InvoiceFileRefused(f"segment {self.number} ({self.name}) at position {self.position}: {why}")

    def need(self, place: int) -> str:
        text = self.get(place)
        if text is None:
            raise self.wrong(f"{self.name}{place:02} is missing")
        return text


@dataclass(frozen=True, slots=True)
class Transaction:
    """One transaction set, ST and SE included; `version` is that of its group (GS08)."""

    identifier: str
    version: str
    segments: tuple[Segment, ...]


def transactions(text: str) -> Iterator[Transaction]:
    """Every transaction set of the file, in its order; raises `InvoiceFileRefused` where an envelope is not whole."""
    reader = _Reader(text)
    while reader.has_more():
        yield from _interchange(reader)


class _Reader:
    """Cuts the file into segments, with the delimiters of the interchange that it is in."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._count = 0
        self._separator = self._component = self._end = ""

    def has_more(self) -> bool:
        while self._at < len(self._text) and self._text[self._at] in _BETWEEN:
            self._at += 1
        return self._at < len(self._text)

    def begin(self) -> Segment:
        """ISA, whose fixed positions state the delimiters."""
        head = self._text[self._at : self._at + _ISA_END + 1]
        where = f"position {self._at + 1}"
        if not head.startswith("ISA"):
            raise InvoiceFileRefused(f"{where}: {head[:3]!r} where an interchange (ISA) begins")
        if len(head) <= _ISA_END:
            raise InvoiceFileRefused(f"{where}: ISA has {len(head)} characters, not 106: the file is cut off")
        self._separator, self._component, self._end = head[3], head[_ISA_COMPONENT], head[_ISA_END]
        for place in _ISA_SEPARATORS:
            if head[place] != self._separator:
                raise InvoiceFileRefused(
                    f"position {self._at + place + 1}: {head[place]!r} where ISA has its separator "
                    f"{self._separator!r}; ISA has 106 characters, its elements filled up with spaces"
                )
        delimiters = {self._separator, head[_ISA_COMPONENT], self._end}
        if len(delimiters) < 3 or any(one.isalnum() or one == " " for one in delimiters):
            raise InvoiceFileRefused(f"{where}: the delimiters of ISA are not three different signs")
        isa = self.segment()
        if (usage := isa.need(15)) != "P":
            words = {"T": "a test", "I": "information"}.get(usage, repr(usage))
            raise isa.wrong(f"ISA15 states that the interchange is {words}, not production (P), so it asks nothing")
        return isa

    def segment(self) -> Segment:
        if not self.has_more():
            raise InvoiceFileRefused(
                f"position {self._at + 1}: the file ends inside an interchange, after segment {self._count}"
            )
        begin, end = self._at, self._text.find(self._end, self._at)
        if end < 0:
            if self._end not in _BETWEEN:
                raise InvoiceFileRefused(
                    f"position {begin + 1}: segment {self._count + 1} has no end: the file is cut off"
                )
            end = len(self._text)  # the last line of a file may have no line end
        self._at, self._count = end + 1, self._count + 1
        text = self._text[begin:end].rstrip("\r\n")
        found = Segment(self._count, begin + 1, tuple(text.split(self._separator)))
        if wrong := CONTROL.search(text.replace(self._separator, "").replace(self._component, "")):
            raise found.wrong(f"it has the control character {wrong[0]!r}; remove it")
        return found


def _interchange(reader: _Reader) -> Iterator[Transaction]:
    head, groups = reader.begin(), 0
    while True:
        segment = reader.segment()
        if segment.name == "IEA":
            _closes(segment, groups, "groups", head.need(13), "ISA13")
            return
        if segment.name == "TA1":
            continue
        if segment.name != "GS":
            raise segment.wrong("a group (GS) or the interchange's end (IEA) is due")
        groups += 1
        yield from _group(reader, segment)


def _group(reader: _Reader, head: Segment) -> Iterator[Transaction]:
    controls: set[str] = set()
    while True:
        segment = reader.segment()
        if segment.name == "GE":
            _closes(segment, len(controls), "transaction sets", head.need(6), "GS06")
            return
        if segment.name != "ST":
            raise segment.wrong("a transaction set (ST) or the group's end (GE) is due")
        control = segment.need(2)
        if control in controls:
            raise segment.wrong(f"control number {control} is of an earlier set of the group too")
        controls.add(control)
        segments = [segment]
        while segments[-1].name != "SE":
            segments.append(reader.segment())
            if segments[-1].name in ("ST", "GS", "GE", "ISA", "IEA"):
                raise segments[-1].wrong(f"transaction set {control} has no end (SE) before it")
        _closes(segments[-1], len(segments), "segments", control, "ST02")
        yield Transaction(segment.need(1), head.need(8), tuple(segments))


def _closes(end: Segment, count: int, of: str, control: str, place: str) -> None:
    """Check a closing segment: the count in its first element, the control number in its second."""
    stated = end.need(1)
    if not stated.isdecimal() or int(stated) != count:
        raise end.wrong(f"{end.name}01 states {stated} {of}, the file has {count}")
    if end.need(2) != control:
        raise end.wrong(f"{end.name}02 is {end.need(2)}, {place} is {control}")
