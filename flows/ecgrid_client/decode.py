"""Responses to records: bytes in, frozen records out, no network. The same bytes decode the same years later.

Every decoder takes SOAP 1.1 and 1.2 envelopes and the bare roots of GET and POST. Fields are found by local name, so
that an element inserted mid-sequence blanks nothing (facts 1.5, 1.7). Elements that the published types do not have are
kept in `extra`.

A value that does not fit its type (an int past 32 bits, more digits than DECIMAL(28,10) holds, an empty element, a
required one that is absent, one that occurs twice) concerns its own record alone:

- `line_item` raises `ValueOutOfRange` or `MissingElement`, and the key has a fault;
- every other decoder reads the value as None, keeps its text in the record's `extra`, and appends an `OddValue` to
  `odd` where the caller passes that list. A record whose own number cannot be read is omitted, and added as `LeftOut`.
  The response to a call that names one record takes that number from the call (`number`).

A date is never required: text that is not an xs:dateTime stays text, which no timestamp will accept.

Raises `MalformedAnswer` (no whole document, another response), `ForbiddenXML`, or the error of a fault in the body.
"""

import re
from collections.abc import Callable
from types import MappingProxyType
from typing import TypeVar

from lxml import etree

from ecgrid_client import datasets
from ecgrid_client.errors import ECGridError, MalformedAnswer, MissingElement, ValueOutOfRange
from ecgrid_client.faults import error_of_fault, soap_fault
from ecgrid_client.large import items
from ecgrid_client.markup import (
    DEEPEST,
    LARGE,
    LOCAL_NAMES,
    NIL,
    XML_SPACE,
    Element,
    children,
    is_nil,
    local,
    local_name,
    parse,
    plain_value,
    text,
)
from ecgrid_client.masking import MASK
from ecgrid_client.operations import DATE_TIME, Service, own_service
from ecgrid_transforms.model import (
    NO_EXTRA,
    Account,
    AccountInfo,
    Contract,
    Extra,
    Invoice,
    LeftOut,
    Level,
    LineItem,
    OddValue,
    Pricelist,
    Schedule,
)
from ecgrid_transforms.money import Decimal, NotADecimal, fits, to_decimal

T = TypeVar("T")
Parts = dict[str, Element]

#: Longest text of a value in a message or an OddValue.
LONGEST_SHOWN = 200
_LONGEST_NUMBER = 64
_WHOLE = re.compile(r"[+-]?[0-9]{1,10}")
_BOOLEANS = {"true": True, "1": True, "false": False, "0": False}


def _names(words: str) -> frozenset[str]:
    return frozenset(words.split())


# --- the result element ----------------------------------------------------------------------------------------------


def result(body: bytes, operation: str | None = None, roots: tuple[str, ...] = ()) -> Element | None:
    """The element that holds the result: None where it is absent or nil.

    `operation` is the one whose response a SOAP body must hold, `roots` are the allowed root names of a GET or POST
    document; either is not checked where it is not given.
    """
    return result_in(parse(body), operation, roots)


def result_in(root: Element, operation: str | None = None, roots: tuple[str, ...] = ()) -> Element | None:
    """`result`, of a parsed document."""
    name = local(root)
    if name != "Envelope":
        if roots and name not in roots:
            _raise_fault(root)
            raise MalformedAnswer(f"<{name[:60]}> instead of <{roots[0]}>: a page, or another operation's response")
        return None if is_nil(root) else root
    body = _only(root, "Body", "the envelope")
    answers = list(children(body))
    if len(answers) != 1:
        raise MalformedAnswer(f"the envelope's body holds {len(answers)} elements instead of one")
    answer = answers[0]
    name = local(answer)
    if name == "Fault":
        _raise_fault(root)
    if not name.endswith("Response") or (operation is not None and name != f"{operation}Response"):
        raise MalformedAnswer(f"<{name[:60]}> instead of <{operation or '…'}Response>: another operation's response")
    found = [child for child in children(answer) if local(child) == f"{name.removesuffix('Response')}Result"]
    if len(found) > 1:
        raise MalformedAnswer(f"{name} holds {len(found)} results")
    if not found:
        if len(answer):
            raise MalformedAnswer(f"{name} holds <{local(next(children(answer)))[:60]}> instead of its result")
        return None
    return None if is_nil(found[0]) else found[0]


def _raise_fault(root: Element) -> None:
    fault = soap_fault(root)
    if fault is not None:
        raise error_of_fault(fault, "the response is a fault")


def _only(parent: Element, name: str, where: str) -> Element:
    found = [child for child in children(parent) if local(child) == name]
    if len(found) != 1:
        raise MalformedAnswer(f"{where} holds {name} {len(found)} times instead of once")
    return found[0]


# --- fields ----------------------------------------------------------------------------------------------------------


class _Record:
    """The child elements of one record by name, each read as its type.

    Without `odd` a value that does not fit raises; with it the value is None, its text in `extra`, and `odd` lists it.
    """

    __slots__ = ("_extra", "_odd", "_where", "parts")

    def __init__(self, element: Element, where: str, known: frozenset[str], odd: list[OddValue] | None) -> None:
        self.parts: Parts = {}
        self._where = where
        self._odd = odd
        self._extra: dict[str, object] | None = None
        for child in element.iterchildren("*"):
            tag = child.tag
            name = LOCAL_NAMES.get(tag) or local_name(tag)  # the hot path: most tags are in the cache
            if name not in known:
                self._add_extra(name, _plain(child))
            elif name not in self.parts:
                self.parts[name] = child
            elif odd is None:
                raise ValueOutOfRange(f"{where} holds {name} twice")
            else:
                self._note(name, _plain(child), "occurs twice")
                self.parts[name] = etree.Element(name)  # which of them is right cannot be known
                self.parts[name].set(NIL, "true")

    @property
    def extra(self) -> Extra:
        """The unknown elements of the record, and the text of values that could not be read."""
        return NO_EXTRA if self._extra is None else MappingProxyType(self._extra)

    def integer(self, name: str) -> int | None:
        return self._read(_int, name)

    def maybe_integer(self, name: str) -> int | None:
        return self._read(_maybe_int, name)

    def decimal(self, name: str) -> Decimal | None:
        return self._read(_decimal, name)

    def boolean(self, name: str) -> bool | None:
        return self._read(_bool, name)

    def maybe_boolean(self, name: str) -> bool | None:
        return self._read(_maybe_bool, name)

    def enum(self, name: str) -> str | None:
        return self._read(_enum, name)

    def words(self, name: str) -> str | None:
        return self._read(_maybe_words, name)

    def time(self, name: str) -> str | None:
        """An xs:dateTime as its text: 0001-01-01, 9999-12-31 and seven decimals fit no datetime (facts 8)."""
        found = self.words(name)
        if found is None:
            return None
        if self._odd is not None and not DATE_TIME.fullmatch(found.strip(XML_SPACE)):
            self._odd.append(OddValue(self._where, name, _shown(found), "is not an xs:dateTime"))
        return found.strip(XML_SPACE)

    def _read(self, read: Callable[[Parts, str, str], T], name: str) -> T | None:
        if self._odd is None:
            return read(self.parts, name, self._where)
        try:
            return read(self.parts, name, self._where)
        except (ValueOutOfRange, MissingElement) as error:
            element = self.parts.get(name)
            why = error.message.removeprefix(f"{self._where}: {name} ").partition(": ")[0]
            is_absent = element is None or is_nil(element)
            self._note(name, None if is_absent else _plain(element), "is absent" if is_absent else why)
            return None

    def _note(self, name: str, value: object, why: str) -> None:
        if value is not None:
            self._add_extra(name, value)
        if self._odd is not None:
            self._odd.append(OddValue(self._where, name, None if value is None else _shown(str(value)), why))

    def _add_extra(self, name: str, value: object) -> None:
        if self._extra is None:
            self._extra = {}
        if name in self._extra:
            earlier = self._extra[name]
            value = [*(earlier if isinstance(earlier, list) else [earlier]), value]
        self._extra[name] = value


def _shown(found: str) -> str:
    return found if len(found) <= LONGEST_SHOWN else f"{found[:LONGEST_SHOWN]}…"


def _plain(element: Element) -> object:
    """`plain_value`; an element that mixes text with elements, or nests too deep, as its text."""
    try:
        return plain_value(element)
    except MalformedAnswer:
        return _shown("".join(element.itertext()))


def _missing(name: str, where: str) -> MissingElement:
    return MissingElement(f"{where} has no {name}: the service's shape has changed, or the line is damaged; see raw")


def _whose(element: Element, name: str, where: str) -> None:
    """Refuse an element without the number of such a record: it is another element."""
    if all(local(child) != name for child in children(element)):
        raise _missing(name, where)


def _text(element: Element, name: str, where: str) -> str | None:
    if len(element):
        raise ValueOutOfRange(f"{where}: {name} holds elements where a plain value belongs")
    return text(element)


def _needed(parts: Parts, name: str, where: str) -> str:
    element = parts.get(name)
    if element is None:
        raise _missing(name, where)
    found: str | None = element.text
    if found is None or len(element):  # an empty element, xsi:nil, or one that holds others
        found = _text(element, name, where)
        if found is None:
            raise _missing(name, where)
    return found


def _maybe_words(parts: Parts, name: str, where: str) -> str | None:
    element = parts.get(name)
    return None if element is None else _text(element, name, where)


def _enum(parts: Parts, name: str, where: str) -> str:
    found = _needed(parts, name, where).strip()
    if not found:
        raise ValueOutOfRange(f"{where}: {name} is empty")
    return found


def whole(found: str, name: str, where: str) -> int:
    """An xs:int; raises `ValueOutOfRange`."""
    if len(found) < 10 and found.isdecimal() and found.isascii():
        return int(found)  # nearly always
    digits = found.strip(XML_SPACE)
    if _WHOLE.fullmatch(digits):
        number = int(digits)
        if -(2**31) <= number < 2**31:
            return number
    raise ValueOutOfRange(f"{where}: {name} is not an xs:int: {found[:40]!r}")


def _int(parts: Parts, name: str, where: str) -> int:
    return whole(_needed(parts, name, where), name, where)


def _maybe_int(parts: Parts, name: str, where: str) -> int | None:
    found = _maybe_words(parts, name, where)
    return None if found is None else whole(found, name, where)


def decimal(found: str, name: str, where: str) -> Decimal:
    """An xs:decimal that DECIMAL(28,10) holds exactly, its scale kept; raises `ValueOutOfRange`."""
    if len(found) <= _LONGEST_NUMBER:
        try:
            number = to_decimal(found)
        except NotADecimal:
            pass
        else:
            if fits(number):
                return number
            raise ValueOutOfRange(f"{where}: {name} has more digits than DECIMAL(28,10) holds: {found[:40]!r}")
    raise ValueOutOfRange(f"{where}: {name} is not an xs:decimal: {found[:40]!r}")


def _decimal(parts: Parts, name: str, where: str) -> Decimal:
    return decimal(_needed(parts, name, where), name, where)


def boolean(found: str, name: str, where: str) -> bool:
    """An xs:boolean; raises `ValueOutOfRange`."""
    value = _BOOLEANS.get(found.strip(XML_SPACE))
    if value is None:
        raise ValueOutOfRange(f"{where}: {name} is not an xs:boolean: {found[:40]!r}")
    return value


def _bool(parts: Parts, name: str, where: str) -> bool:
    return boolean(_needed(parts, name, where), name, where)


def _maybe_bool(parts: Parts, name: str, where: str) -> bool | None:
    found = _maybe_words(parts, name, where)
    return None if found is None else boolean(found, name, where)


def _items(parent: Element | None, name: str, make: Callable[[Element, str], T | None], where: str) -> tuple[T, ...]:
    """The items of an ArrayOf…, each made from its element and its place; nil ones are legal and skipped (facts 1.3).

    Items for which `make` returns None are skipped too: it has recorded why.
    """
    if parent is None:
        return ()
    made: list[T] = []
    for number, child in enumerate(children(parent), start=1):
        if local(child) != name:
            raise MalformedAnswer(f"{where} holds <{local(child)[:60]}> among its {name}")
        if not is_nil(child) and (one := make(child, f"{where}[{number}]")) is not None:
            made.append(one)
    return tuple(made)


# --- line items and price lists ---------------------------------------------------------------------------------------

_SCHEDULE = _names(
    "ScheduleID Allowance Minimum Maximum Block Rate CatalogID Description AccountReport Measure "
    "SpecifiedNetworkID IncludeRootMailbox"
)
_LINE = _names(
    "LineItemNumber LineDate PriceListID PriceListDescription SystemObject SystemID SystemName Level "
    "LevelName Model Schedule Actual QuantityBilled Taxable Amount"
)
_LEVEL = _names("Level Name LimitedMonths Schedules")
_PRICELIST = _names("PricelistID Owner Date Description Model Status Levels")


def _schedule(element: Element, where: str, odd: list[OddValue] | None) -> Schedule:
    found = _Record(element, where, _SCHEDULE, odd)
    return Schedule(
        schedule_id=found.integer("ScheduleID"),
        allowance=found.decimal("Allowance"),
        minimum=found.maybe_integer("Minimum"),
        maximum=found.integer("Maximum"),
        block=found.decimal("Block"),
        rate=found.decimal("Rate"),
        catalog_id=found.maybe_integer("CatalogID"),
        description=found.words("Description"),
        account_report=found.enum("AccountReport"),
        measure=found.enum("Measure"),
        specified_network_id=found.maybe_integer("SpecifiedNetworkID"),
        include_root_mailbox=found.maybe_boolean("IncludeRootMailbox"),
        extra=found.extra,
    )


def _line_item(element: Element, where: str, odd: list[OddValue] | None) -> LineItem:
    found = _Record(element, where, _LINE, odd)
    schedule = found.parts.get("Schedule")
    return LineItem(
        line_item_number=found.integer("LineItemNumber"),
        line_date=found.time("LineDate"),
        price_list_id=found.integer("PriceListID"),
        price_list_description=found.words("PriceListDescription"),
        system_object=found.enum("SystemObject"),
        system_id=found.integer("SystemID"),
        system_name=found.words("SystemName"),
        level=found.enum("Level"),
        level_name=found.words("LevelName"),
        model=found.enum("Model"),
        schedule=None if schedule is None or is_nil(schedule) else _schedule(schedule, f"{where}.Schedule", odd),
        actual=found.decimal("Actual"),
        quantity_billed=found.decimal("QuantityBilled"),
        is_taxable=found.boolean("Taxable"),
        amount=found.decimal("Amount"),
        extra=found.extra,
    )


def line_item(body: bytes) -> LineItem | None:
    """The line of an InvoiceCalculateLineItem response, with every required value.

    None where the response means that nothing is billed: no result, xsi:nil, or a line without a Schedule whose Actual,
    QuantityBilled and Amount are all 0 (`wire/README.md`). Raises `ValueOutOfRange` or `MissingElement` for a line with
    a value that does not fit its type.
    """
    element = result(body, "InvoiceCalculateLineItem", ("LineItem",))
    if element is None:
        return None
    line = _line_item(element, "LineItem", None)
    if line.schedule is None and not (line.actual or line.quantity_billed or line.amount):
        return None
    return line


def odd_values(body: bytes) -> list[OddValue]:
    """Every value of an InvoiceCalculateLineItem response that does not fit its type: why `line_item` raised."""
    odd: list[OddValue] = []
    element = result(body, "InvoiceCalculateLineItem", ("LineItem",))
    if element is not None:
        _line_item(element, "LineItem", odd)
    return odd


def _level(element: Element, where: str, odd: list[OddValue]) -> Level:
    found = _Record(element, where, _LEVEL, odd)
    schedules = found.parts.get("Schedules")
    return Level(
        level=found.enum("Level"),
        name=found.words("Name"),
        limited_months=found.maybe_integer("LimitedMonths"),
        schedules=_items(schedules, "Schedule", lambda child, at: _schedule(child, at, odd), f"{where}.Schedules"),
        extra=found.extra,
    )


def pricelist(body: bytes, odd: list[OddValue] | None = None, number: int | None = None) -> Pricelist | None:
    """The price list of a PricelistInfo response, levels and schedules in order; None where there is none."""
    element = result(body, "PricelistInfo", ("Pricelist",))
    if element is None:
        return None
    _whose(element, "PricelistID", "Pricelist")
    noted: list[OddValue] = [] if odd is None else odd
    found = _Record(element, "Pricelist", _PRICELIST, noted)
    price_list_id = _own_number(found, "PricelistID", number)
    if price_list_id is None:
        return None
    where = f"Pricelist {price_list_id}"
    return Pricelist(
        price_list_id=price_list_id,
        date=found.time("Date"),
        description=found.words("Description"),
        model=found.enum("Model"),
        status=found.enum("Status"),
        levels=_items(
            found.parts.get("Levels"), "Level", lambda child, at: _level(child, at, noted), f"{where}, Levels"
        ),
        extra=found.extra,
    )


# --- accounts and contracts -------------------------------------------------------------------------------------------

_NETWORK = _names("NetworkID Name Status OwnerInfo")
_MAILBOX = _names("MailboxID NetworkID Name Status OwnerInfo")
_OWNER = _names("PricelistID ContractID")


class _KnownParts(_Record):
    """The requested children only: the *IDInfo types have dozens of fields that no bill needs."""

    __slots__ = ()

    def _add_extra(self, name: str, value: object) -> None:
        """No other element is kept."""


def _own_number(found: _Record, name: str, number: int | None) -> int | None:
    """The number of a record; the call's where it cannot be read; recorded as odd in both cases."""
    own = found.integer(name)
    return number if own is None else own


def _account_info(
    element: Element, where: str, known: frozenset[str], odd: list[OddValue], number: int | None = None
) -> AccountInfo | None:
    """An account as a list names it; None where its numbers cannot be read, or are invalid in a key."""
    found = _KnownParts(element, where, known, odd)
    is_mailbox = "MailboxID" in known
    network_id = _own_number(found, "NetworkID", None if is_mailbox else number)
    mailbox_id = _own_number(found, "MailboxID", number) if is_mailbox else 0
    if network_id is not None and network_id < 1:  # a negative number means all of them (facts 5)
        odd.append(OddValue(where, "NetworkID", str(network_id), "is not a valid account number"))
        network_id = None
    elif mailbox_id is not None and mailbox_id < 0:
        odd.append(OddValue(where, "MailboxID", str(mailbox_id), "is not a valid account number"))
        mailbox_id = None
    if network_id is None or mailbox_id is None:
        noted = odd.pop()
        odd.append(LeftOut(where, noted.element, noted.text, noted.why, found.words("Name"), network_id))
        return None
    owner = found.parts.get("OwnerInfo")
    owned = None if owner is None or is_nil(owner) else _KnownParts(owner, f"{where}.OwnerInfo", _OWNER, odd)
    return AccountInfo(
        account=Account(network_id, mailbox_id),
        name=found.words("Name"),
        status=found.words("Status"),
        # OwnerInfo is shown to the owner only
        price_list_id=None if owned is None else owned.maybe_integer("PricelistID"),
        contract_id=None if owned is None else owned.maybe_integer("ContractID"),
    )


def _one_or_many(
    body: bytes,
    item: str,
    key: str,
    make: Callable[[Element, str, list[OddValue], int | None], T | None],
    odd: list[OddValue] | None,
    number: int | None = None,
) -> list[T]:
    """The items of a list response, or the one of an Info response, which `number` requested."""
    noted: list[OddValue] = [] if odd is None else odd
    if len(body) > LARGE:
        streamed = items(body, item, lambda element: make(element, item, noted, None))
        if streamed is not None:
            return [one for one in streamed if one is not None]
    element = result(body, None, (f"ArrayOf{item}", item))
    if element is None:
        return []
    if any(local(child) == key for child in children(element)):
        one = make(element, item, noted, number)
        return [] if one is None else [one]
    return list(_items(element, item, lambda child, at: make(child, at, noted, None), item))


def networks(body: bytes, odd: list[OddValue] | None = None, number: int | None = None) -> list[AccountInfo]:
    """The networks of a NetworkList (or NetworkInfo) response, each as its Root account (MailboxID 0)."""
    return _one_or_many(
        body,
        "NetworkIDInfo",
        "NetworkID",
        lambda child, at, noted, own: _account_info(child, at, _NETWORK, noted, own),
        odd,
        number,
    )


def mailboxes(body: bytes, odd: list[OddValue] | None = None, number: int | None = None) -> list[AccountInfo]:
    """The mailboxes of a MailboxList, MailboxListEx (or MailboxInfo) response."""
    return _one_or_many(
        body,
        "MailboxIDInfo",
        "MailboxID",
        lambda child, at, noted, own: _account_info(child, at, _MAILBOX, noted, own),
        odd,
        number,
    )


_CONTRACT = _names(
    "ContractID Description ContractNumber CurrentMod Date Effective Expires Term RenewalDays OptionTerms "
    "Status PONumber AggregateNetworkTraffic Address Owner AdministratorUser AccountingUser AccountingCCUser "
    "X12InvoiceECGridID Networks Mailboxes LastInvoiceNumber LastInvoiceDate"
)


def _contract(element: Element, where: str, odd: list[OddValue], number: int | None = None) -> Contract | None:
    found = _Record(element, where, _CONTRACT, odd)
    contract_id = _own_number(found, "ContractID", number)
    if contract_id is None:
        noted = odd.pop()
        odd.append(LeftOut(where, noted.element, noted.text, noted.why, found.words("ContractNumber")))
        return None
    at = f"Contract {contract_id}"
    return Contract(
        contract_id=contract_id,
        description=found.words("Description"),
        contract_number=found.words("ContractNumber"),
        effective=found.time("Effective"),
        expires=found.time("Expires"),
        status=found.words("Status"),
        po_number=found.words("PONumber"),
        aggregate_network_traffic=found.maybe_boolean("AggregateNetworkTraffic"),
        last_invoice_number=found.words("LastInvoiceNumber"),
        last_invoice_date=found.time("LastInvoiceDate"),
        networks=_items(
            found.parts.get("Networks"),
            "NetworkIDInfo",
            lambda child, place: _account_info(child, place, _NETWORK, odd),
            f"{at}, Networks",
        ),
        mailboxes=_items(
            found.parts.get("Mailboxes"),
            "MailboxIDInfo",
            lambda child, place: _account_info(child, place, _MAILBOX, odd),
            f"{at}, Mailboxes",
        ),
        extra=found.extra,
    )


def contracts(body: bytes, odd: list[OddValue] | None = None) -> list[Contract]:
    """The contracts of a ContractList response, which may leave out the accounts that ContractInfo has (facts 8)."""
    return _one_or_many(body, "Contract", "ContractID", _contract, odd)


def contract(body: bytes, odd: list[OddValue] | None = None, number: int | None = None) -> Contract | None:
    """The contract of a ContractInfo response, or None."""
    element = result(body, "ContractInfo", ("Contract",))
    if element is not None:
        _whose(element, "ContractID", "Contract")
    return None if element is None else _contract(element, "Contract", [] if odd is None else odd, number)


# --- invoices ---------------------------------------------------------------------------------------------------------

_INVOICE = _names(
    "InvoiceID InvoiceNumber Date ContractID TotalAmount PONumber Notice SpecialNotice Message Status "
    "StatusDate DateDue PricelistDescription Terms BillTo BillToAddress SendTo CopiesTo Sender LineItems"
)


def _invoice(element: Element, where: str, odd: list[OddValue], number: int | None = None) -> Invoice | None:
    found = _Record(element, where, _INVOICE, odd)
    invoice_id = _own_number(found, "InvoiceID", number)
    if invoice_id is None:
        noted = odd.pop()
        odd.append(LeftOut(where, noted.element, noted.text, noted.why, found.words("InvoiceNumber")))
        return None
    return Invoice(
        invoice_id=invoice_id,
        invoice_number=found.words("InvoiceNumber"),
        date=found.time("Date"),
        contract_id=found.integer("ContractID"),
        total_amount=found.decimal("TotalAmount"),
        po_number=found.words("PONumber"),
        status=found.enum("Status"),
        status_date=found.time("StatusDate"),
        date_due=found.time("DateDue"),
        price_list_description=found.words("PricelistDescription"),
        terms=found.words("Terms"),
        bill_to=found.words("BillTo"),
        line_items=_items(
            found.parts.get("LineItems"),
            "LineItem",
            lambda child, at: _line_item(child, at, odd),
            f"Invoice {invoice_id}, LineItems",
        ),
        extra=found.extra,
    )


def invoices(body: bytes, odd: list[OddValue] | None = None) -> list[Invoice]:
    """The invoices of an InvoiceList response, most likely without the lines that InvoiceInfo has (facts 8)."""
    return _one_or_many(body, "Invoice", "InvoiceID", _invoice, odd)


def invoice(body: bytes, odd: list[OddValue] | None = None, number: int | None = None) -> Invoice | None:
    """The invoice of an InvoiceInfo or InvoiceCalculate response, or None."""
    element = result(body, None, ("Invoice",))
    if element is not None:
        _whose(element, "InvoiceID", "Invoice")
    return None if element is None else _invoice(element, "Invoice", [] if odd is None else odd, number)


# --- any response -----------------------------------------------------------------------------------------------------


def scalar(body: bytes) -> str | None:
    """The one value of a response as text: a SessionID, a version, a time, a number; None where there is none."""
    element = result(body)
    return None if element is None else text(element)


def to_json(body: bytes, operation: str, version: str, service: Service | None = None) -> object:
    """Any response as JSON, typed by the WSDL (`service`, by default ours of that version).

    Integers and booleans become JSON's own, decimals and times stay text as received, arrays become lists, a DataSet
    becomes its tables; elements without a type become text. A SessionID in a response is masked.
    """
    known = service or own_service(version)
    described = known.operation(operation)
    kind = described.result_type or "string"
    element = result(body, operation, (kind,))
    if element is None:
        return None
    if kind == "DataSet":
        return datasets.to_json(body)
    return _typed(element, kind, known)


_NUMBERS = frozenset({"byte", "short", "int", "long", "unsignedByte", "unsignedShort", "unsignedInt", "integer"})


def _typed(element: Element, kind: str, service: Service, depth: int = 0) -> object:
    if depth > DEEPEST:
        raise MalformedAnswer("elements of the response are nested too deep")
    if is_nil(element):
        return None
    fields = service.types.get(kind)
    if fields is None:
        if len(element):
            return plain_value(element)
        found = text(element)
        return _value(found, kind)
    if len(fields) == 1 and fields[0].repeated:
        return [_typed(child, fields[0].type, service, depth + 1) for child in children(element)]
    types = {field.name: field for field in fields}
    made: dict[str, object] = {}
    for child in children(element):
        name = local(child)
        field = types.get(name)
        value = (
            MASK
            if name == "SessionID"
            else _typed(child, field.type, service, depth + 1)
            if field
            else plain_value(child)
        )
        if field is not None and not field.repeated and name in made:
            raise MalformedAnswer(f"{kind} holds {name} twice")
        if name in made or (field is not None and field.repeated):
            earlier = made.get(name, [])
            made[name] = [*(earlier if isinstance(earlier, list) else [earlier]), value]
        else:
            made[name] = value
    return made


def _value(found: str | None, kind: str) -> object:
    if found is None:
        return None
    stripped = found.strip()
    if kind in _NUMBERS and re.fullmatch(r"[+-]?[0-9]{1,18}", stripped):
        return int(stripped)
    if kind == "boolean" and stripped in _BOOLEANS:
        return _BOOLEANS[stripped]
    return found


def raised_by(body: bytes) -> ECGridError | None:
    """The error of a kept body that is a fault; None for any other response."""
    fault = soap_fault(parse(body))
    return None if fault is None else error_of_fault(fault, "the response is a fault")
