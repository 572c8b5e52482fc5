"""Answers to records: bytes in, frozen records out, no network. The same bytes decode the same years later.

Every decoder takes SOAP 1.1 and 1.2 envelopes and the bare roots of GET and POST. Fields are found by local name, so
that an element inserted mid-sequence blanks nothing (facts 1.5, 1.7). Elements that the published types do not have go
into `extra`; a known element that occurs twice is malformed, for there is no saying which one holds.

Raises `MalformedAnswer` (no whole document, another answer, a value that is none of its type), `MissingElement` (a
field that this project needs is absent or nil), `ForbiddenXML`, or the error that a fault in the body is.
"""

import re
from collections.abc import Callable
from types import MappingProxyType
from typing import TypeVar

from ecgrid_client import datasets
from ecgrid_client.errors import ECGridError, MalformedAnswer, MissingElement
from ecgrid_client.faults import error_of_fault, soap_fault
from ecgrid_client.large import items
from ecgrid_client.markup import (
    DEEPEST,
    LARGE,
    LOCAL_NAMES,
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
    Level,
    LineItem,
    Pricelist,
    Schedule,
)
from ecgrid_transforms.money import Decimal, NotADecimal, to_decimal

T = TypeVar("T")
Parts = dict[str, Element]

_LONGEST_NUMBER = 64
_WHOLE = re.compile(r"[+-]?[0-9]{1,10}")
_BOOLEANS = {"true": True, "1": True, "false": False, "0": False}


def _names(words: str) -> frozenset[str]:
    return frozenset(words.split())


# --- the way in ------------------------------------------------------------------------------------------------------


def result(body: bytes, operation: str | None = None, roots: tuple[str, ...] = ()) -> Element | None:
    """The element that holds the result: None where it is absent or nil.

    `operation` is whose response a SOAP body must hold, `roots` are the names a GET or POST document may have; where
    one is not given it is not checked.
    """
    return result_in(parse(body), operation, roots)


def result_in(root: Element, operation: str | None = None, roots: tuple[str, ...] = ()) -> Element | None:
    """`result`, of a document that is parsed already."""
    name = local(root)
    if name != "Envelope":
        if roots and name not in roots:
            _raise_fault(root)
            raise MalformedAnswer(f"<{name[:60]}> instead of <{roots[0]}>: a page, or the answer of another operation")
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
        raise MalformedAnswer(f"<{name[:60]}> instead of <{operation or '…'}Response>: another operation's answer")
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
        raise error_of_fault(fault, "the answer is a fault")


def _only(parent: Element, name: str, where: str) -> Element:
    found = [child for child in children(parent) if local(child) == name]
    if len(found) != 1:
        raise MalformedAnswer(f"{where} holds {len(found)} times {name} instead of once")
    return found[0]


# --- fields ----------------------------------------------------------------------------------------------------------


def _parts(element: Element, where: str, known: frozenset[str]) -> tuple[Parts, Extra]:
    """Child elements by local name, and what is not known among them."""
    parts: Parts = {}
    extra: dict[str, list[object]] | None = None
    for child in element.iterchildren("*"):
        tag = child.tag
        name = LOCAL_NAMES.get(tag) or local_name(tag)  # the hot path: most tags were seen before
        if name in known:
            if name in parts:
                raise MalformedAnswer(f"{where} holds {name} twice")
            parts[name] = child
        else:
            extra = extra if extra is not None else {}
            extra.setdefault(name, []).append(plain_value(child))
    if extra is None:
        return parts, NO_EXTRA
    return parts, MappingProxyType({name: found[0] if len(found) == 1 else found for name, found in extra.items()})


def _missing(name: str, where: str) -> MissingElement:
    return MissingElement(f"{where} has no {name}: the service's shape has changed, or the line is damaged; see raw")


def _needed(parts: Parts, name: str, where: str) -> str:
    element = parts.get(name)
    if element is None:
        raise _missing(name, where)
    found: str | None = element.text
    if found is None or len(element):  # an empty element, xsi:nil, or one that holds others
        found = text(element)
        if found is None:
            raise _missing(name, where)
    return found


def _words(parts: Parts, name: str) -> str | None:
    element = parts.get(name)
    return None if element is None else text(element)


def _enum(parts: Parts, name: str, where: str) -> str:
    found = _needed(parts, name, where).strip()
    if not found:
        raise MalformedAnswer(f"{where}: {name} is empty")
    return found


def whole(found: str, name: str, where: str) -> int:
    """An xs:int; raises `MalformedAnswer`."""
    if len(found) < 10 and found.isdecimal() and found.isascii():
        return int(found)  # nearly always
    digits = found.strip()
    if _WHOLE.fullmatch(digits):
        number = int(digits)
        if -(2**31) <= number < 2**31:
            return number
    raise MalformedAnswer(f"{where}: {name} is no xs:int: {found[:40]!r}")


def _int(parts: Parts, name: str, where: str) -> int:
    return whole(_needed(parts, name, where), name, where)


def _maybe_int(parts: Parts, name: str, where: str) -> int | None:
    found = _words(parts, name)
    return None if found is None else whole(found, name, where)


def decimal(found: str, name: str, where: str) -> Decimal:
    """An xs:decimal, its scale kept; raises `MalformedAnswer`."""
    if len(found) <= _LONGEST_NUMBER:
        try:
            return to_decimal(found)
        except NotADecimal:
            pass
    raise MalformedAnswer(f"{where}: {name} is no xs:decimal: {found[:40]!r}")


def _decimal(parts: Parts, name: str, where: str) -> Decimal:
    return decimal(_needed(parts, name, where), name, where)


def boolean(found: str, name: str, where: str) -> bool:
    """An xs:boolean; raises `MalformedAnswer`."""
    value = _BOOLEANS.get(found.strip())
    if value is None:
        raise MalformedAnswer(f"{where}: {name} is no xs:boolean: {found[:40]!r}")
    return value


def _bool(parts: Parts, name: str, where: str) -> bool:
    return boolean(_needed(parts, name, where), name, where)


def _maybe_bool(parts: Parts, name: str, where: str) -> bool | None:
    found = _words(parts, name)
    return None if found is None else boolean(found, name, where)


def _maybe_time(parts: Parts, name: str, where: str) -> str | None:
    """An xs:dateTime as its text: 0001-01-01, 9999-12-31 and seven decimals fit no datetime (facts 8)."""
    found = _words(parts, name)
    if found is None:
        return None
    stripped = found.strip()
    if not DATE_TIME.fullmatch(stripped):
        raise MalformedAnswer(f"{where}: {name} is no xs:dateTime: {found[:40]!r}")
    return stripped


def _items(parent: Element | None, name: str, make: Callable[[Element], T], where: str) -> tuple[T, ...]:
    """The items of an ArrayOf…; nil ones are legal and left out (facts 1.3)."""
    if parent is None:
        return ()
    made: list[T] = []
    for child in children(parent):
        if local(child) != name:
            raise MalformedAnswer(f"{where} holds <{local(child)[:60]}> among its {name}")
        if not is_nil(child):
            made.append(make(child))
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


def _schedule(element: Element) -> Schedule:
    where = "Schedule"
    parts, extra = _parts(element, where, _SCHEDULE)
    return Schedule(
        schedule_id=_int(parts, "ScheduleID", where),
        allowance=_decimal(parts, "Allowance", where),
        minimum=_maybe_int(parts, "Minimum", where),
        maximum=_int(parts, "Maximum", where),
        block=_decimal(parts, "Block", where),
        rate=_decimal(parts, "Rate", where),
        catalog_id=_maybe_int(parts, "CatalogID", where),
        description=_words(parts, "Description"),
        account_report=_enum(parts, "AccountReport", where),
        measure=_enum(parts, "Measure", where),
        specified_network_id=_maybe_int(parts, "SpecifiedNetworkID", where),
        include_root_mailbox=_maybe_bool(parts, "IncludeRootMailbox", where),
        extra=extra,
    )


def _line_item(element: Element) -> LineItem:
    where = "LineItem"
    parts, extra = _parts(element, where, _LINE)
    schedule = parts.get("Schedule")
    return LineItem(
        line_item_number=_int(parts, "LineItemNumber", where),
        line_date=_maybe_time(parts, "LineDate", where),
        price_list_id=_int(parts, "PriceListID", where),
        price_list_description=_words(parts, "PriceListDescription"),
        system_object=_enum(parts, "SystemObject", where),
        system_id=_int(parts, "SystemID", where),
        system_name=_words(parts, "SystemName"),
        level=_enum(parts, "Level", where),
        level_name=_words(parts, "LevelName"),
        model=_enum(parts, "Model", where),
        schedule=None if schedule is None or is_nil(schedule) else _schedule(schedule),
        actual=_decimal(parts, "Actual", where),
        quantity_billed=_decimal(parts, "QuantityBilled", where),
        is_taxable=_bool(parts, "Taxable", where),
        amount=_decimal(parts, "Amount", where),
        extra=extra,
    )


def line_item(body: bytes) -> LineItem | None:
    """The line of an InvoiceCalculateLineItem answer.

    None where the service says in one of its ways that nothing is billed: no result, xsi:nil, or a line without a
    Schedule whose Actual, QuantityBilled and Amount are all 0 (`wire/README.md`).
    """
    element = result(body, "InvoiceCalculateLineItem", ("LineItem",))
    if element is None:
        return None
    line = _line_item(element)
    if line.schedule is None and line.actual.is_zero() and line.quantity_billed.is_zero() and line.amount.is_zero():
        return None
    return line


def _level(element: Element) -> Level:
    where = "Level"
    parts, extra = _parts(element, where, _LEVEL)
    return Level(
        level=_enum(parts, "Level", where),
        name=_words(parts, "Name"),
        limited_months=_maybe_int(parts, "LimitedMonths", where),
        schedules=_items(parts.get("Schedules"), "Schedule", _schedule, "Schedules"),
        extra=extra,
    )


def pricelist(body: bytes) -> Pricelist | None:
    """The price list of a PricelistInfo answer, its levels and schedules in their order; None where there is none."""
    element = result(body, "PricelistInfo", ("Pricelist",))
    if element is None:
        return None
    where = "Pricelist"
    parts, extra = _parts(element, where, _PRICELIST)
    return Pricelist(
        price_list_id=_int(parts, "PricelistID", where),
        date=_maybe_time(parts, "Date", where),
        description=_words(parts, "Description"),
        model=_enum(parts, "Model", where),
        status=_enum(parts, "Status", where),
        levels=_items(parts.get("Levels"), "Level", _level, "Levels"),
        extra=extra,
    )


# --- accounts and contracts -------------------------------------------------------------------------------------------

_NETWORK = _names("NetworkID Name Status OwnerInfo")
_MAILBOX = _names("MailboxID NetworkID Name Status OwnerInfo")
_OWNER = _names("PricelistID ContractID")


def _owner(parts: Parts) -> tuple[int | None, int | None]:
    """PricelistID and ContractID of an OwnerInfo; other users than the owner are not shown one."""
    owner = parts.get("OwnerInfo")
    if owner is None or is_nil(owner):
        return None, None
    found = _known_parts(owner, "OwnerInfo", _OWNER)
    return _maybe_int(found, "PricelistID", "OwnerInfo"), _maybe_int(found, "ContractID", "OwnerInfo")


def _known_parts(element: Element, where: str, wanted: frozenset[str]) -> Parts:
    """The wanted children alone: the *IDInfo types have dozens of fields that no bill needs."""
    parts: Parts = {}
    for child in children(element):
        name = local(child)
        if name in wanted:
            if name in parts:
                raise MalformedAnswer(f"{where} holds {name} twice")
            parts[name] = child
    return parts


def _network(element: Element) -> AccountInfo:
    where = "NetworkIDInfo"
    parts = _known_parts(element, where, _NETWORK)
    price_list_id, contract_id = _owner(parts)
    return AccountInfo(
        account=Account(_int(parts, "NetworkID", where), 0),
        name=_words(parts, "Name"),
        status=_words(parts, "Status"),
        price_list_id=price_list_id,
        contract_id=contract_id,
    )


def _mailbox(element: Element) -> AccountInfo:
    where = "MailboxIDInfo"
    parts = _known_parts(element, where, _MAILBOX)
    price_list_id, contract_id = _owner(parts)
    return AccountInfo(
        account=Account(_int(parts, "NetworkID", where), _int(parts, "MailboxID", where)),
        name=_words(parts, "Name"),
        status=_words(parts, "Status"),
        price_list_id=price_list_id,
        contract_id=contract_id,
    )


def _one_or_many(body: bytes, item: str, key: str, make: Callable[[Element], T]) -> list[T]:
    """The items of a list answer, or the one of an Info answer."""
    if len(body) > LARGE:
        streamed = items(body, item, make)
        if streamed is not None:
            return streamed
    element = result(body, None, (f"ArrayOf{item}", item))
    if element is None:
        return []
    if any(local(child) == key for child in children(element)):
        return [make(element)]
    return list(_items(element, item, make, f"ArrayOf{item}"))


def networks(body: bytes) -> list[AccountInfo]:
    """The networks of a NetworkList (or NetworkInfo) answer, each as its Root account (MailboxID 0)."""
    return _one_or_many(body, "NetworkIDInfo", "NetworkID", _network)


def mailboxes(body: bytes) -> list[AccountInfo]:
    """The mailboxes of a MailboxList, MailboxListEx (or MailboxInfo) answer."""
    return _one_or_many(body, "MailboxIDInfo", "MailboxID", _mailbox)


_CONTRACT = _names(
    "ContractID Description ContractNumber CurrentMod Date Effective Expires Term RenewalDays OptionTerms "
    "Status PONumber AggregateNetworkTraffic Address Owner AdministratorUser AccountingUser AccountingCCUser "
    "X12InvoiceECGridID Networks Mailboxes LastInvoiceNumber LastInvoiceDate"
)


def _contract(element: Element) -> Contract:
    where = "Contract"
    parts, extra = _parts(element, where, _CONTRACT)
    return Contract(
        contract_id=_int(parts, "ContractID", where),
        description=_words(parts, "Description"),
        contract_number=_words(parts, "ContractNumber"),
        effective=_maybe_time(parts, "Effective", where),
        expires=_maybe_time(parts, "Expires", where),
        status=_words(parts, "Status"),
        po_number=_words(parts, "PONumber"),
        aggregate_network_traffic=_maybe_bool(parts, "AggregateNetworkTraffic", where),
        last_invoice_number=_words(parts, "LastInvoiceNumber"),
        last_invoice_date=_maybe_time(parts, "LastInvoiceDate", where),
        networks=_items(parts.get("Networks"), "NetworkIDInfo", _network, "Networks"),
        mailboxes=_items(parts.get("Mailboxes"), "MailboxIDInfo", _mailbox, "Mailboxes"),
        extra=extra,
    )


def contracts(body: bytes) -> list[Contract]:
    """The contracts of a ContractList answer, which may leave out the accounts that ContractInfo has (facts 8)."""
    return _one_or_many(body, "Contract", "ContractID", _contract)


def contract(body: bytes) -> Contract | None:
    """The contract of a ContractInfo answer, or None."""
    element = result(body, "ContractInfo", ("Contract",))
    return None if element is None else _contract(element)


# --- invoices ---------------------------------------------------------------------------------------------------------

_INVOICE = _names(
    "InvoiceID InvoiceNumber Date ContractID TotalAmount PONumber Notice SpecialNotice Message Status "
    "StatusDate DateDue PricelistDescription Terms BillTo BillToAddress SendTo CopiesTo Sender LineItems"
)


def _invoice(element: Element) -> Invoice:
    where = "Invoice"
    parts, extra = _parts(element, where, _INVOICE)
    return Invoice(
        invoice_id=_int(parts, "InvoiceID", where),
        invoice_number=_words(parts, "InvoiceNumber"),
        date=_maybe_time(parts, "Date", where),
        contract_id=_int(parts, "ContractID", where),
        total_amount=_decimal(parts, "TotalAmount", where),
        po_number=_words(parts, "PONumber"),
        status=_enum(parts, "Status", where),
        status_date=_maybe_time(parts, "StatusDate", where),
        date_due=_maybe_time(parts, "DateDue", where),
        price_list_description=_words(parts, "PricelistDescription"),
        terms=_words(parts, "Terms"),
        bill_to=_words(parts, "BillTo"),
        line_items=_items(parts.get("LineItems"), "LineItem", _line_item, "LineItems"),
        extra=extra,
    )


def invoices(body: bytes) -> list[Invoice]:
    """The invoices of an InvoiceList answer, most likely without the lines that InvoiceInfo has (facts 8)."""
    return _one_or_many(body, "Invoice", "InvoiceID", _invoice)


def invoice(body: bytes) -> Invoice | None:
    """The invoice of an InvoiceInfo or InvoiceCalculate answer, or None."""
    element = result(body, None, ("Invoice",))
    return None if element is None else _invoice(element)


# --- anything ---------------------------------------------------------------------------------------------------------


def scalar(body: bytes) -> str | None:
    """The one value of an answer as its text: a SessionID, a version, a time, a number; None where there is none."""
    element = result(body)
    return None if element is None else text(element)


def to_json(body: bytes, operation: str, version: str, service: Service | None = None) -> object:
    """Any answer as JSON carries it, typed by the WSDL (`service`, by default ours of that version).

    Integers and booleans become JSON's own, decimals and times stay text as received, arrays become lists, a DataSet
    becomes its tables; elements that no type has come as text. A SessionID in an answer is masked.
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
        raise MalformedAnswer("the answer nests elements without end")
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
    """The error that a kept body is when it is a fault; None when it is an answer."""
    fault = soap_fault(parse(body))
    return None if fault is None else error_of_fault(fault, "the answer is a fault")
