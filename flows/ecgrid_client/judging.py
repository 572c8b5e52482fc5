"""What counts as a response. Decided here alone: by the body, never by the status.

A response is a SOAP fault that parses, or the operation's result, for the requested key. A page, an empty body or a
proxy's text is none, whatever its status: the call is retried. A proxy may change the service's 500 into a 502 or a
200 and leave the fault in the body; it may serve a login page with status 200.

Over GET and POST a fault of the service is a plain text with status 500, which anything on the way may write too: it
counts only once the same call over SOAP returns a fault (`Unconfirmed`).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ecgrid_client import decode, large
from ecgrid_client.errors import ForbiddenXML, MalformedAnswer
from ecgrid_client.faults import error_of_fault, error_of_status, form_words, soap_fault, unconfirmed
from ecgrid_client.markup import LARGE, Element, children, local, parse
from ecgrid_client.operations import Operation
from ecgrid_client.transport import Reply

#: The element of a record that repeats an argument of the request, by operation.
_RECORD_ID: Mapping[str, str] = {
    "ContractInfo": "ContractID",
    "InvoiceCalculate": "ContractID",
    "InvoiceInfo": "InvoiceID",
    "MailboxInfo": "MailboxID",
    "NetworkInfo": "NetworkID",
    "PricelistInfo": "PricelistID",
}
#: The same for each record of a list; 0 and -1 in the request mean all.
_LISTED_ID: Mapping[str, str] = {"InvoiceList": "ContractID", "MailboxListEx": "NetworkID"}
_LINE = "InvoiceCalculateLineItem"


@dataclass(frozen=True, slots=True)
class Stated:
    """What a response states of its key: `other` is the key it is for, where that is not the requested one; `is_named`
    whether it names its key precisely enough to exclude a response to another request."""

    is_named: bool = False
    other: str | None = None


def judge(reply: Reply, operation: Operation, texts: Mapping[str, str], binding: str, where: str) -> Stated:
    """What a response of the operation states of its key; raises the error of any other reply.

    An error with `is_answer` is the service's own fault. The others are retried, or never reached the service.
    """
    roots = (operation.result_type,) if operation.result_type else ()
    is_login, is_form = operation.name == "Login", binding in ("get", "post")
    try:
        if len(reply.body) > LARGE:
            wanted = _wanted(operation.name)
            return _of_ids(operation.name, texts, large.check(reply.body, operation.name, roots, wanted))
        root = parse(reply.body)
        fault = soap_fault(root)
        if fault is None and local(root) != "Envelope" and not roots:
            raise MalformedAnswer(f"<{local(root)[:60]}> instead of an envelope")
        if fault is None:
            return stated(decode.result_in(root, operation.name, roots), operation.name, texts)
    except (MalformedAnswer, ForbiddenXML) as error:
        reason = error
    else:
        raise error_of_fault(fault, where, is_login=is_login, status=reply.status, retry_after=reply.retry_after)
    if is_form and (words := form_words(reply.status, reply.content_type, reply.body)):
        raise unconfirmed(words, where)
    raise error_of_status(reply.status, reply.content_type, reply.body, where, reason, retry_after=reply.retry_after)


def stated(result: Element | None, operation: str, texts: Mapping[str, str]) -> Stated:
    """What the result of an operation states of the key with arguments `texts`."""
    if result is None:
        return Stated()
    if operation == _LINE:
        return _of_line(result, texts)
    wanted = _wanted(operation)
    if wanted is None:
        return Stated()
    name, depth = wanted
    records = [result] if depth == 1 else list(children(result))
    return _of_ids(operation, texts, [_child(record, name) for record in records])


def _wanted(operation: str) -> tuple[str, int] | None:
    """The element that names the key, and its depth below the result."""
    if operation in _RECORD_ID:
        return _RECORD_ID[operation], 1
    return (_LISTED_ID[operation], 2) if operation in _LISTED_ID else None


def _of_ids(operation: str, texts: Mapping[str, str], found: Iterable[str]) -> Stated:
    wanted = _wanted(operation)
    if wanted is None:
        return Stated()
    name, depth = wanted
    asked, seen = texts.get(name, ""), [value for value in found if value]
    if depth == 2 and asked in ("0", "-1"):
        return Stated()
    others = sorted({value for value in seen if value != asked})
    return Stated(bool(seen), f"{name} {', '.join(others)[:60]}" if others else None)


def _of_line(line: Element, texts: Mapping[str, str]) -> Stated:
    """A line names its account by SystemObject and SystemID (a network is its Root mailbox, 0), report and measure in
    its Schedule. Other objects (an AS2 id, a carbon copy) name no account. LineDate is no evidence: a line may
    correctly have a day outside the month."""
    kind, number = _child(line, "SystemObject"), _child(line, "SystemID")
    schedule = next((part for part in children(line) if local(part) == "Schedule"), None)
    pair = (_child(schedule, "AccountReport"), _child(schedule, "Measure")) if schedule is not None else ("", "")
    asked_pair = (texts.get("AccountReport", ""), texts.get("MeasureField", ""))
    mailbox = texts.get("MailboxID", "")
    asked_accounts = [("Mailbox", mailbox)] + ([("Network", texts.get("NetworkID", ""))] if mailbox == "0" else [])
    names_account, names_pair = kind in ("Network", "Mailbox") and bool(number), bool(pair[0] and pair[1])
    others = []
    if names_account and (kind, number) not in asked_accounts:
        others.append(f"{kind} {number}")
    if names_pair and pair != asked_pair:
        others.append(f"{pair[0]}/{pair[1]}")
    return Stated(names_account and names_pair, " ".join(others)[:200] or None)


def _child(parent: Element, name: str) -> str:
    """The text of a child, without blanks around it; empty where there is none."""
    return next(((part.text or "").strip() for part in children(parent) if local(part) == name), "")
