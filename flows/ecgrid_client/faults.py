"""Fault bodies to errors: SOAP 1.1 and 1.2, matched by local name; and the errors of all other bodies.

A code decides. The numbers are those of facts 4.2, of which only 8 is documented; the rest follow the enumeration's
order [inferred].

A fault without a code comes from the framework or a gateway, and may be transient: it is retried. Only phrases that
just this service and its framework write about a request are final: that the operation is PENDING, not implemented or
unknown; that the pair is not on the price list; and that an enumeration lacks the value (facts 8: such a fault has an
empty detail). A service with the interface of 2016 or 2017 returns the last for every report and measure that came
later (facts 1.5). It has no such pair and so bills none: if it were retried, no run against that service could ever be
complete.
"""

import html
import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from ecgrid_client.errors import (
    ANSWERS,
    AccessDenied,
    CredentialsRefused,
    ECGridError,
    Fault,
    InvalidArgument,
    MalformedAnswer,
    NotFound,
    NotImplementedByService,
    NotOnPriceList,
    ServiceBusy,
    ServiceError,
    ServiceUnreachable,
    SessionExpired,
    TooManySessions,
    UnknownFault,
)
from ecgrid_client.markup import Element, children, find, local, parse
from ecgrid_client.masking import MASKER

Kind = type[ECGridError]

_CODES: dict[str, Kind] = {
    "authentication": SessionExpired,
    "sessiontimeout": SessionExpired,
    "sesssiontimeout": SessionExpired,  # spelt so in v3.x
    "authorization": AccessDenied,
    "accessdenied": AccessDenied,
    "notfound": NotFound,
    "invalidid": NotFound,
    "duplicate": InvalidArgument,
    "idexistsonnetwork": InvalidArgument,
    "invaliddatatype": InvalidArgument,
    "invaliddatalength": InvalidArgument,
    "dataerror": InvalidArgument,
    "invalidparameter": InvalidArgument,
    "notimplemented": NotImplementedByService,
    "pending": NotImplementedByService,
    "sqlerror": ServiceError,
    "internalerror": ServiceError,
    "unknown": ServiceError,
}
_NUMBERS: dict[str, str] = {
    "-1": "unknown",
    "1": "sessiontimeout",
    "2": "accessdenied",
    "3": "notfound",
    "4": "invalidid",
    "5": "duplicate",
    "6": "idexistsonnetwork",
    "7": "invaliddatatype",
    "8": "invaliddatalength",
    "9": "dataerror",
    "10": "sqlerror",
    "11": "internalerror",
}
#: Phrases that are more specific than a code and override it.
_PHRASES: tuple[tuple[re.Pattern[str], Kind], ...] = tuple(
    (re.compile(pattern, flags), kind)
    for pattern, flags, kind in (
        (r"not on (the |this |a )?price ?list", re.IGNORECASE, NotOnPriceList),
        (r"maximum number of (open )?sessions|too many (open )?sessions", re.IGNORECASE, TooManySessions),
        (
            r"\bPENDING\b|^\W*pending\b|\bnot (yet |currently )?implemented\b|NotImplementedException",
            0,
            NotImplementedByService,
        ),
        (r"\bnot (yet |currently )?implemented\b", re.IGNORECASE, NotImplementedByService),
        (
            r"did not recognize the value of HTTP header SOAPAction|request format is (unrecognized|invalid)"
            r"|Unable to handle request without a valid action",
            re.IGNORECASE,
            NotImplementedByService,
        ),
    )
)
_WORDS: tuple[tuple[re.Pattern[str], Kind], ...] = tuple(
    (re.compile(pattern, re.IGNORECASE), kind)
    for pattern, kind in (
        (
            r"invalid session|session (id )?(is |has |was )?(invalid|expired|timed? ?out|not found|closed|unknown)"
            r"|sess+ion ?time-?out|no (such|open|valid) session",
            SessionExpired,
        ),
        (
            r"(invalid|incorrect|wrong|bad|unknown) (api ?key|login|log-?in name|user ?name|user|password|credentials?)"
            r"|log-?(in|on) (failed|failure|incorrect|invalid|denied)|(user|account) (is )?(locked|suspended|disabled)",
            CredentialsRefused,
        ),
        (
            r"access ?(is |was )?denied|not (authori[sz]ed|permitted|allowed)|unauthori[sz]ed"
            r"|no (permission|rights?)\b",
            AccessDenied,
        ),
        (r"\binvalid (\w+ ?)?ids?\b|\b(invalid|unknown) (network|mailbox|contract|price ?list|invoice)\b", NotFound),
        (
            r"unable to read request|is not a valid|validation error|cannot (be converted|convert)|failed to convert"
            r"|missing parameter|parameter name|not in a correct format|not recognized as a valid"
            r"|potentially dangerous|invalid (parameter|argument|data|value|month|date)"
            r"|out of range|too (large|long|small) ",
            InvalidArgument,
        ),
        (r"not found|does not exist|no such", NotFound),
        (
            r"unable to process request|object reference not set|time-?out expired|deadlock|SqlException|SQL Server"
            r"|internal (server )?error|arithmetic overflow|out of memory|transport-level error|temporarily",
            ServiceError,
        ),
    )
)
#: The framework's message for a value that the operation's enumeration lacks.
_NO_SUCH_VALUE = re.compile(r"'[^']{1,80}' is not a valid value for \w+")
#: Namespaces of a detail's own elements: none, an envelope's, the service's two (facts 1.1, 4.1, 8).
_OUR_NAMESPACES = (
    "",
    "http://schemas.xmlsoap.org/soap/envelope/",
    "http://www.w3.org/2003/05/soap-envelope",
    "http://ecgridos.net/",
    "https://os.ecgrid.io/",
)
_TAGS = re.compile(r"<(script|style)\b.*?</\1\s*>|<!--.*?-->|<[^>]*>", re.IGNORECASE | re.DOTALL)
_HTML = re.compile(r"\s*(<!doctype\s+html|<html\b)", re.IGNORECASE)


def soap_fault(root: Element) -> Fault | None:
    """The SOAP fault in an envelope; None when it is no envelope, or has no fault."""
    if local(root) != "Envelope":
        return None
    body = next((part for part in children(root) if local(part) == "Body"), None)
    found = next((part for part in children(body) if local(part) == "Fault"), None) if body is not None else None
    return None if found is None else _read_fault(found)


def _read_fault(fault: Element) -> Fault:
    words = _text(find(fault, "faultstring")) or _reason(fault)
    detail = next((part for part in children(fault) if local(part).lower() in ("detail", "details")), None)
    code = item = None
    if detail is not None:
        # ErrorInfo or details as wrapper, ECGridOSSOAPErrorCode bare: all matched by local name (facts 4.1)
        code = next((_text(part) for part in detail.iter() if _is_our_code(part)), None)
        item = _text(find(detail, "ErrorItem"))
        more = [_text(find(detail, "ErrorString")), _text(find(detail, "ErrorMessage"))]
        words = "; ".join(dict.fromkeys(part for part in (words, *more) if part))
    subcode = find(fault, "Subcode")
    if code is None and subcode is not None:
        # every SOAP stack has subcodes of its own: only a known one is the service's
        named = (_text(find(subcode, "Value")) or "").rpartition(":")[2]
        code = named if _normal(named) in _CODES else None
    fault_code = _text(find(fault, "faultcode")) or _text(find(fault, "Value"))
    return Fault(message=_clean(words), code=code, item=item, fault_code=fault_code)


def _is_our_code(element: Element) -> bool:
    """Whether an element of a detail is the service's error code: other SOAP stacks write an ErrorCode too."""
    if not isinstance(element.tag, str) or local(element) not in ("ErrorCode", "ECGridOSSOAPErrorCode"):
        return False
    return element.tag.rpartition("}")[0].lstrip("{") in _OUR_NAMESPACES


def _normal(code: str | None) -> str:
    """A code by its name, without case and punctuation; a known number is mapped to its name."""
    bare = re.sub(r"[^a-z0-9-]", "", (code or "").lower())
    return _NUMBERS.get(bare, bare)


def _reason(fault: Element) -> str | None:
    reason = find(fault, "Reason")
    if reason is None:
        return None
    texts = [part for part in children(reason) if local(part) == "Text"]
    english = [
        part for part in texts if (part.get("{http://www.w3.org/XML/1998/namespace}lang") or "").startswith("en")
    ]
    return _text((english or texts or [reason])[0])


def _text(element: Element | None) -> str | None:
    if element is None:
        return None
    return "".join(element.itertext()).strip() or None


def _clean(words: str | None) -> str:
    """Text for people: one line, without secrets, cut to a length."""
    return MASKER.text(" ".join((words or "").split()))[:600]


def page_words(body: bytes) -> str:
    """The text of a plain-text or HTML body, without tags, scripts and styles."""
    start = body[:20_000].decode("utf-8", "replace")
    return html.unescape(_TAGS.sub(" ", start)) if "<" in start else start


def kind_of(fault: Fault, *, is_login: bool = False) -> Kind:
    """The error class of a fault."""
    specific = next((kind for pattern, kind in _PHRASES if pattern.search(fault.message)), None)
    if specific is not None:
        return specific
    by_words = _by_words(fault.message)
    if fault.code is None and not is_login:
        if _NO_SUCH_VALUE.search(fault.message):
            return InvalidArgument
        return SessionExpired if by_words is SessionExpired else ServiceError
    kind = _CODES.get(_normal(fault.code)) or by_words
    if kind is None:
        server = (fault.fault_code or "").rpartition(":")[2].lower() in ("server", "receiver")
        kind = ServiceError if server else UnknownFault
    if is_login and kind in (SessionExpired, AccessDenied, NotFound, InvalidArgument, UnknownFault):
        return CredentialsRefused
    return kind


def _by_words(words: str) -> Kind | None:
    return next((kind for pattern, kind in _WORDS if pattern.search(words)), None)


_ADVICE: dict[Kind, str] = {
    TooManySessions: (
        "a killed run or another program left them open, and a session can be closed by its id only, which is lost: "
        "wait until they time out, or ask ECGrid's NetOps to reset this user; with ECGRID_API_KEY no session is "
        "opened"
    ),
    CredentialsRefused: "check ECGRID_LOGIN_NAME and ECGRID_PASSWORD, or ECGRID_API_KEY",
    NotImplementedByService: "the service does not offer it at present",
    AccessDenied: "this user lacks the right",
}


def error_of_fault(
    fault: Fault, where: str, *, is_login: bool = False, status: int = 200, retry_after: str | None = None
) -> ECGridError:
    """The error of a fault; its message has the place, the service's message and code, and what to do.

    A fault without a code that came with 429 or 503 is a gateway's, and means that it is busy.
    """
    kind = kind_of(fault, is_login=is_login)
    if kind is ServiceError and fault.code is None and status in _BUSY:
        return _busy(status, where, retry_after, fault)
    code = f" [{fault.code}]" if fault.code else ""
    words = fault.message or "a fault without a message"
    advice = f"; {_ADVICE[kind]}" if kind in _ADVICE else ""
    error = kind(MASKER.text(f"{where}: {words}{code}{advice}"), fault=fault)
    error.is_answer = kind in ANSWERS and not is_login
    return error


def form_words(status: int, content_type: str, body: bytes) -> str:
    """The text of a GET or POST reply that may be a fault of the service: a plain text with status 500 (facts 8), or a
    document with a faultstring (facts 4.1); empty for any other."""
    if status != 500:
        return ""
    if content_type.lower().startswith("text/plain"):
        return _clean(page_words(body))
    try:
        found = find(parse(body), "faultstring") if b"faultstring" in body[:20_000] else None
    except ECGridError:
        return ""
    return _clean(_text(found))


def unconfirmed(words: str, where: str) -> ECGridError:
    """The error of a reply that may be a fault of the service, until the same call over SOAP returns one."""
    error = ServiceError(f"{where}: {words}")
    error.is_unconfirmed = True
    return error


_BUSY = (429, 503)
#: Statuses of refusals on the way, with what to do; none of these comes from the service.
_ON_THE_WAY = {
    401: "a gateway before the service requires credentials of its own",
    403: "a gateway before the service refuses the call",
    404: "there is no service at this address; check the ECGRID_V…_URL setting",
    407: "the proxy requires credentials; put them into HTTPS_PROXY",
    408: "the service timed out waiting for the request",
    410: "there is no service at this address; check the ECGRID_V…_URL setting",
}
#: Statuses of a call that was not executed: even a write may be repeated.
_NOT_EXECUTED = (401, 404, 407, 408, 410, *_BUSY)


def error_of_status(
    status: int,
    content_type: str,
    body: bytes,
    where: str,
    reason: ECGridError | None = None,
    *,
    retry_after: str | None = None,
) -> ECGridError:
    """The error of a reply whose body is no valid response: a page, a text, half a document, nothing. All are retried.

    `reason` is why the body is invalid. The status only selects the message, and whether the call may have run.
    """
    may_have_run = status not in _NOT_EXECUTED
    if status in _BUSY:
        return _busy(status, where, retry_after)
    if status in _ON_THE_WAY:
        return ServiceUnreachable(f"{where}: {_ON_THE_WAY[status]} (HTTP {status})", may_have_run=may_have_run)
    if 300 <= status < 400:
        return ServiceUnreachable(
            f"{where}: the service redirects to another address (HTTP {status}), which is not followed; "
            "check the ECGRID_V…_URL setting"
        )
    words = _page_start(content_type, body)
    if status >= 500:
        return ServiceError(f"{where}: HTTP {status} without a response of the service{words}")
    if reason is None:
        reason = MalformedAnswer("no response of the service")
    if status == 200:
        reason.message = f"{where}: {reason.message}{words}"
        return reason
    return MalformedAnswer(f"{where}: HTTP {status}, {reason.message}{words}")


def _busy(status: int, where: str, retry_after: str | None, fault: Fault | None = None) -> ServiceBusy:
    seconds = retry_after_s(retry_after)
    wait = f"; Retry-After is {seconds:g} s" if seconds is not None else ""
    return ServiceBusy(
        f"{where}: the service is busy (HTTP {status}){wait}", fault=fault, retry_after_s=seconds, may_have_run=False
    )


def retry_after_s(header: str | None) -> float | None:
    """Retry-After in seconds, from its number or its date; None where it is absent or invalid."""
    if header is None:
        return None
    text = header.strip()
    if text.isdecimal():
        return float(text[:9])  # seconds, never money
    try:
        when = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    when = when if when.tzinfo is not None else when.replace(tzinfo=UTC)
    return max(0.0, (when - datetime.now(UTC)).total_seconds())


def _page_start(content_type: str, body: bytes) -> str:
    """The first words of a page or text, after a colon; empty where the body is a document."""
    is_page = body[:1] != b"<" or _HTML.match(body[:200].decode("latin-1")) is not None
    if not is_page and "html" not in content_type.lower():
        return ""
    words = _clean(page_words(body))[:120]
    return f": {words}" if words and words.isprintable() else ""
