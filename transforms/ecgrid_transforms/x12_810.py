"""X12 810 (invoice), release 004010, to `FiledInvoice`: the amounts to pay, without those that are only information.

TDS01 and SAC05 have two implied decimals (811307 is 8,113.07); all other decimals have a point or none. SAC01 A is
taken off, C is added. BIG07 CR or CN is a credit: its amounts are negative, or are negated. BIG08 01 cancels.
A line's amount is its total (PAM with PAM04 1) or IT102 × IT104 rounded half up to cents. A tax that TXI07 marks as
included or as information adds nothing; taxes after TDS are those of the whole invoice, so taxes of lines are part of
them, unless the total needs both. Where only the total is rounded, a line of kind rounding makes up for the lines.

No guide of ECGrid's own is published. The account of a line is read from REF 11 or 12 as NETWORK/MAILBOX, of its IT1
or of the whole invoice [inferred]. CTT02, a hash total that trading partners fill in differently, is not checked.
Source: ASC X12 004010, transaction set 810.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import date

from ecgrid_transforms.filed_invoices import (
    ALLOWANCE,
    CHARGE,
    ITEM,
    ROUNDING,
    TAX,
    FiledInvoice,
    FiledLine,
)
from ecgrid_transforms.model import Account
from ecgrid_transforms.money import ZERO, Decimal, fits, fitted, plain, product, rounded, to_decimal, total
from ecgrid_transforms.x12 import Segment, Transaction, transactions

__all__ = ["read"]

VERSION = "004010"
CREDITS = ("CR", "CN")
CANCELLATION = "01"
LINE_TOTAL = "1"
#: TXI07: the tax is part of other amounts, or only information.
NOT_ADDED = ("I", "O")
#: IT105 (element 639): the price is for ten, a hundred, … of the unit; any other code is taken for one.
_TENTH = {
    "PN": "0.1",
    **dict.fromkeys(("HP", "LC", "QH", "RC", "TC", "WC"), "0.01"),
    **dict.fromkeys(("TP", "LM", "QS", "RM", "TM", "WM"), "0.001"),
    "TT": "0.0001",
    "HT": "0.00001",
}
#: IT105: prices by the dozen or by weight, whose amount must be stated (PAM).
_NOT_BY_UNIT = ("PD", "LD", "RD", "TD", "WD", "NC", "NS")
#: IT107, IT109, … IT125: product codes, each after its qualifier.
PRODUCT_CODES = range(7, 26, 2)
_HALF_CENT = to_decimal("0.005")
_IMPLIED = re.compile(r"-?[0-9]{1,15}")
_DAY = re.compile(r"[0-9]{8}")
_ACCOUNT = re.compile(r"([0-9]{1,9})[/-]([0-9]{1,9})")
#: Segments that end a subline; a subline details its line and adds nothing.
_ENDS_SUBLINE = ("IT1", "TDS", "CAD", "CTT", "SE")


def read(data: bytes) -> Sequence[FiledInvoice]:
    """The invoices of all interchanges, in their order; raises `InvoiceFileRefused`, naming segment and position."""
    body = data.removeprefix(b"\xef\xbb\xbf")
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError:
        text = body.decode("latin-1")  # X12 states no encoding; delimiters and numbers are ASCII in either
    return [_invoice(transaction) for transaction in transactions(text)]


@dataclass(slots=True)
class _Item:
    """An IT1 loop, as read so far."""

    head: Segment
    stated: Decimal | None = None
    taxes: list[Decimal] = field(default_factory=list)
    descriptions: list[str] = field(default_factory=list)
    account: Account | None = None
    adjustments: list[FiledLine] = field(default_factory=list)


@dataclass(slots=True)
class _Document:
    """A transaction set, as read so far."""

    head: Segment
    total: Decimal | None = None
    currency: str | None = None
    references: dict[str, str] = field(default_factory=dict)
    terms: str | None = None
    due: date | None = None
    begin: date | None = None
    end: date | None = None
    bill_to: str | None = None
    account: Account | None = None
    items: list[_Item] = field(default_factory=list)
    taxes: list[Decimal] = field(default_factory=list)
    adjustments: list[FiledLine] = field(default_factory=list)


def _invoice(transaction: Transaction) -> FiledInvoice:
    first = transaction.segments[0]
    if transaction.identifier != "810":
        raise first.wrong(f"transaction set {transaction.identifier} is no invoice (810)")
    if not transaction.version.startswith(VERSION):
        raise first.wrong(f"its group is of version {transaction.version}; {VERSION} is read")
    body = transaction.segments[1:-1]
    if not body or body[0].name != "BIG":
        raise (body or transaction.segments)[0].wrong("BIG is due after ST")
    document = _Document(body[0])
    is_subline = False
    for segment in body[1:]:
        is_subline = segment.name == "SLN" or (is_subline and segment.name not in _ENDS_SUBLINE)
        if not is_subline and segment.name in _READERS:
            _READERS[segment.name](document, segment)
    if document.total is None:
        raise transaction.segments[-1].wrong("TDS, the total of the invoice, is missing before it")
    return _filed(document, document.total)


def _filed(document: _Document, asked: Decimal) -> FiledInvoice:
    big = document.head
    is_credit = big.get(7) in CREDITS
    sign = Decimal(-1) if is_credit and asked > ZERO else Decimal(1)
    lines = [line for item in document.items for line in _lines(document, item)] + document.adjustments
    taxes = _taxes(document, asked - total([line.amount for line in lines]))
    lines += [FiledLine(TAX, tax, "Tax") for tax in taxes if tax]
    lines += _rounding(document, asked, lines)
    return FiledInvoice(
        big.need(2),
        _day(big, 1),
        sign * asked,
        document.currency,
        document.due,
        big.get(4) or document.references.get("PO"),
        document.terms,
        document.bill_to,
        document.references.get("CT"),
        document.begin,
        document.end,
        big.get(8) == CANCELLATION,
        sign * total(taxes) if taxes else None,
        tuple(_signed(line, sign) for line in lines),
    )


def _signed(line: FiledLine, sign: Decimal) -> FiledLine:
    quantity = None if line.quantity is None else sign * line.quantity
    return replace(
        line, amount=sign * line.amount, quantity=quantity, tax=None if line.tax is None else sign * line.tax
    )


def _lines(document: _Document, item: _Item) -> list[FiledLine]:
    """The item and its own allowances and charges, which change what its key is billed."""
    head = item.head
    quantity, price = _number(head, 2), _number(head, 4)
    amount = item.stated
    if amount is None:
        exact = _extended(item)
        if exact is None:
            raise head.wrong("the line has no amount: IT102 and IT104, or PAM05, are due")
        amount = rounded(exact)
        if not fits(amount):
            raise head.wrong(f"IT102 × IT104 is {plain(amount)}, which has more than 18 whole digits")
    codes = tuple(code for place in PRODUCT_CODES if (code := head.get(place)) is not None)
    account = item.account or document.account
    words = "; ".join(item.descriptions) or None
    tax = total(item.taxes) if item.taxes else None
    line = FiledLine(ITEM, amount, words, quantity, price, tax, account, product_codes=codes)
    return [line, *(replace(one, account=account, product_codes=codes) for one in item.adjustments)]


def _extended(item: _Item) -> Decimal | None:
    """Quantity times price, not rounded."""
    quantity, price = _number(item.head, 2), _number(item.head, 4)
    if quantity is None or price is None:
        return None
    basis = item.head.get(5) or ""
    if basis in _NOT_BY_UNIT:
        raise item.head.wrong(f"IT105 is {basis!r}, of which no amount follows; PAM05 is due")
    return product([quantity, price, to_decimal(_TENTH.get(basis, "1"))])


def _taxes(document: _Document, left: Decimal) -> list[Decimal]:
    """The taxes that add to the total; `left` is the total less lines, allowances and charges."""
    both = [*(tax for item in document.items for tax in item.taxes), *document.taxes]
    if not document.taxes or total(both) == left:
        return both
    return document.taxes


def _rounding(document: _Document, asked: Decimal, lines: Sequence[FiledLine]) -> list[FiledLine]:
    """What the rounding of lines to cents makes, where the total is the exact sum, rounded to cents in any way."""
    off = asked - total([line.amount for line in lines])
    exact = [found for item in document.items if item.stated is None and (found := _extended(item)) is not None]
    unrounded = total([one - rounded(one) for one in exact])
    if exact and off and abs(off - unrounded) <= _HALF_CENT:
        return [FiledLine(ROUNDING, off, "Rounding of the lines")]
    return []


# --- segments ---------------------------------------------------------------------------------------------------------


def _cur(document: _Document, segment: Segment) -> None:
    document.currency = document.currency or segment.need(2)


def _ref(document: _Document, segment: Segment) -> None:
    qualifier, text = segment.need(1), segment.get(2)
    if text is None:
        return
    named = _ACCOUNT.fullmatch(text) if qualifier in ("11", "12") else None
    account = None if named is None else Account(int(named[1]), int(named[2]))
    if not document.items:
        document.references.setdefault(qualifier, text)
        document.account = document.account or account
    elif document.total is None:
        document.items[-1].account = document.items[-1].account or account


def _n1(document: _Document, segment: Segment) -> None:
    if segment.need(1) == "BT" and not document.items:
        document.bill_to = segment.get(2)


def _itd(document: _Document, segment: Segment) -> None:
    if segment.get(6) is not None:
        document.due = _day(segment, 6)
    days = segment.get(7)
    document.terms = segment.get(12) or (f"Net {days}" if days else document.terms)


def _dtm(document: _Document, segment: Segment) -> None:
    qualifier = segment.need(1)
    if qualifier == "186":
        day = _day(segment, 2)
        document.begin = day if document.begin is None else min(day, document.begin)
    elif qualifier == "187":
        day = _day(segment, 2)
        document.end = day if document.end is None else max(day, document.end)


def _it1(document: _Document, segment: Segment) -> None:
    if document.total is not None:
        raise segment.wrong("a line after the total (TDS)")
    document.items.append(_Item(segment))


def _pid(document: _Document, segment: Segment) -> None:
    if document.items and document.total is None and (words := segment.get(5)) is not None:
        document.items[-1].descriptions.append(words)


def _pam(document: _Document, segment: Segment) -> None:
    if document.items and document.total is None and segment.get(4) == LINE_TOTAL:
        document.items[-1].stated = _number(segment, 5)


def _txi(document: _Document, segment: Segment) -> None:
    amount = _number(segment, 2)
    if amount is None or segment.get(7) in NOT_ADDED:
        return
    is_of_item = document.items and document.total is None
    (document.items[-1].taxes if is_of_item else document.taxes).append(amount)


def _sac(document: _Document, segment: Segment) -> None:
    indicator = segment.need(1)
    if indicator == "N":  # neither allowance nor charge
        return
    if indicator not in ("A", "C"):
        raise segment.wrong(f"SAC01 is {indicator!r}; A (allowance) and C (charge) are read")
    if segment.get(5) is None:
        raise segment.wrong("SAC05, its amount, is missing; a rate alone gives none")
    amount = _implied(segment, 5)
    words = segment.get(15) or f"{'Allowance' if indicator == 'A' else 'Charge'} {segment.get(2) or ''}".strip()
    line = FiledLine(ALLOWANCE, -amount, words) if indicator == "A" else FiledLine(CHARGE, amount, words)
    is_of_item = document.items and document.total is None
    (document.items[-1].adjustments if is_of_item else document.adjustments).append(line)


def _tds(document: _Document, segment: Segment) -> None:
    if document.total is not None:
        raise segment.wrong("the invoice has a total already")
    document.total = _implied(segment, 1)


def _ctt(document: _Document, segment: Segment) -> None:
    stated = segment.need(1)
    if not stated.isdecimal() or int(stated) != len(document.items):
        raise segment.wrong(f"CTT01 states {stated} lines, the invoice has {len(document.items)}")


_READERS: dict[str, Callable[[_Document, Segment], None]] = {
    "CUR": _cur,
    "REF": _ref,
    "N1": _n1,
    "ITD": _itd,
    "DTM": _dtm,
    "IT1": _it1,
    "PID": _pid,
    "PAM": _pam,
    "TXI": _txi,
    "SAC": _sac,
    "TDS": _tds,
    "CTT": _ctt,
}


# --- elements ---------------------------------------------------------------------------------------------------------


def _day(segment: Segment, place: int) -> date:
    text = segment.need(place)
    try:
        if not _DAY.fullmatch(text):
            raise ValueError(text)
        return date(int(text[:4]), int(text[4:6]), int(text[6:]))
    except ValueError:
        raise segment.wrong(f"{segment.name}{place:02} is {text!r}, not a day such as 20261031") from None


def _number(segment: Segment, place: int) -> Decimal | None:
    """A decimal whose point is written (type R); None where it is empty."""
    text = segment.get(place)
    if text is None:
        return None
    try:
        return fitted(to_decimal(text))
    except (ValueError, ArithmeticError):
        raise segment.wrong(f"{segment.name}{place:02} is {text!r}, not a decimal") from None


def _implied(segment: Segment, place: int) -> Decimal:
    """A decimal whose last two digits are decimals (type N2)."""
    text = segment.need(place)
    if not _IMPLIED.fullmatch(text):
        raise segment.wrong(
            f"{segment.name}{place:02} is {text!r}; it has two implied decimals and no point: 811307 is 8,113.07"
        )
    return to_decimal(text) * to_decimal("0.01")
