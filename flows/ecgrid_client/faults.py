"""Fault bodies to errors: SOAP 1.1 and 1.2, text/plain and HTML of GET and POST, matched by local name.

A code decides before words do, and words decide where there is no code (GET and POST never have one, facts 8). The
numbers are those of facts 4.2, of which only 8 is documented; the rest follow the enumeration's order [inferred].
"""

import html
import re

from ecgrid_client.errors import (
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
    SettingsError,
    TooManySessions,
    UnknownFault,
)
from ecgrid_client.markup import UTF16_MARKS, Element, children, find, local, parse
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
}
_NUMBERS: dict[str, str] = {
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
#: Words that say more than a code does: they win over it.
_TELLING: tuple[tuple[re.Pattern[str], Kind], ...] = tuple(
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
_TAGS = re.compile(r"<(script|style)\b.*?</\1\s*>|<!--.*?-->|<[^>]*>", re.IGNORECASE | re.DOTALL)
_HTML = re.compile(r"\s*(<!doctype\s+html|<html\b)", re.IGNORECASE)


def soap_fault(root: Element) -> Fault | None:
    """The fault that a document is, or holds where an answer belongs; None when it is no fault."""
    name = local(root)
    if name == "Envelope":
        body = next((part for part in children(root) if local(part) == "Body"), None)
        found = next((part for part in children(body) if local(part) == "Fault"), None) if body is not None else None
    else:
        found = (
            root if name in ("Fault", "Error", "error", "Exception") or find(root, "faultstring") is not None else None
        )
    return None if found is None else _read_fault(found)


def _read_fault(fault: Element) -> Fault:
    words = _text(find(fault, "faultstring")) or _reason(fault) or _text(find(fault, "Message", "message"))
    detail = next((part for part in children(fault) if local(part).lower() in ("detail", "details")), None)
    code = item = None
    if detail is not None:
        # ErrorInfo or details as wrapper, ECGridOSSOAPErrorCode bare: all by local name (facts 4.1)
        code = _text(find(detail, "ErrorCode", "ECGridOSSOAPErrorCode"))
        item = _text(find(detail, "ErrorItem"))
        more = [_text(find(detail, "ErrorString")), _text(find(detail, "ErrorMessage"))]
        words = "; ".join(dict.fromkeys(part for part in (words, *more) if part))
    subcode = find(fault, "Subcode")
    if code is None and subcode is not None:
        code = (_text(find(subcode, "Value")) or "").rpartition(":")[2] or None
    fault_code = _text(find(fault, "faultcode")) or _text(find(fault, "Value"))
    return Fault(message=_clean(words), code=code, item=item, fault_code=fault_code)


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
    """Words for people, in one line, without secrets and not endless."""
    return MASKER.text(" ".join((words or "").split()))[:600]


def page_words(body: bytes) -> str:
    """What a text or HTML body says, without its tags, scripts and styles."""
    start = body[:20_000].decode("utf-8", "replace")
    return html.unescape(_TAGS.sub(" ", start)) if "<" in start else start


def kind_of(fault: Fault, *, is_login: bool = False) -> Kind:
    """The class of error that a fault is."""
    telling = next((told for pattern, told in _TELLING if pattern.search(fault.message)), None)
    if telling is not None:
        return telling
    code = re.sub(r"[^a-z0-9-]", "", (fault.code or "").lower())
    kind: Kind | None = _CODES.get(_NUMBERS.get(code, code)) or _by_words(fault.message)
    if kind is None:
        server = (fault.fault_code or "").rpartition(":")[2].lower() in ("server", "receiver")
        kind = ServiceError if server else UnknownFault
    if is_login and kind in (SessionExpired, AccessDenied, NotFound, InvalidArgument, UnknownFault):
        return CredentialsRefused
    return kind


def _by_words(words: str) -> Kind | None:
    return next((kind for pattern, kind in _WORDS if pattern.search(words)), None)


_ADVICE: dict[Kind, str] = {
    TooManySessions: "close one (`session logout`), wait until one ends, or use an API key, which needs none",
    CredentialsRefused: "check ECGRID_LOGIN_NAME and ECGRID_PASSWORD, or ECGRID_API_KEY",
    NotImplementedByService: "this service does not offer it now",
    AccessDenied: "this user lacks the right",
}


def error_of_fault(fault: Fault, where: str, *, is_login: bool = False) -> ECGridError:
    """The error that a fault is, saying where, the service's words and code, and what to do."""
    kind = kind_of(fault, is_login=is_login)
    code = f" [{fault.code}]" if fault.code else ""
    words = fault.message or "a fault without words"
    advice = f"; {_ADVICE[kind]}" if kind in _ADVICE else ""
    return kind(MASKER.text(f"{where}: {words}{code}{advice}"), fault=fault)


def error_of_status(
    status: int, content_type: str, body: bytes, where: str, *, retry_after_s: float | None, is_login: bool = False
) -> ECGridError:
    """The error that an answer with a status other than 200 is. A SOAP fault in its body says most, if there is one."""
    if status in (429, 503):
        wait = f"; it asks to wait {retry_after_s:g} s" if retry_after_s is not None else ""
        return ServiceBusy(
            f"{where}: the service is busy (HTTP {status}){wait}", retry_after_s=retry_after_s, may_have_run=False
        )
    fault = _fault_in(body)
    if fault is not None:
        return error_of_fault(fault, where, is_login=is_login)
    words = _clean(page_words(body))
    is_page = _HTML.match(body[:200].decode("latin-1")) is not None or "html" in content_type.lower()
    if status == 401:
        return CredentialsRefused(f"{where}: HTTP 401; {_ADVICE[CredentialsRefused]}", may_have_run=False)
    if status == 403:
        return AccessDenied(f"{where}: HTTP 403, refused before the service saw it", may_have_run=False)
    if status == 407:
        return SettingsError(f"{where}: the proxy wants credentials (HTTP 407); put them into HTTPS_PROXY")
    if status in (404, 410):
        return ServiceUnreachable(
            f"{where}: no service at this address (HTTP {status}); check the ECGRID_V…_URL setting",
            should_retry=False,
            may_have_run=False,
        )
    if status in (405, 415):
        return NotImplementedByService(f"{where}: the service does not take this binding (HTTP {status})")
    if status == 408:
        return ServiceUnreachable(
            f"{where}: the service waited too long for the request (HTTP 408)", may_have_run=False
        )
    if status in (413, 414, 431):
        return InvalidArgument(f"{where}: the request is too large for the service (HTTP {status})")
    if 300 <= status < 400:
        return ServiceUnreachable(
            f"{where}: the service redirects elsewhere (HTTP {status}), which is not followed; "
            "check the ECGRID_V…_URL setting",
            should_retry=False,
        )
    if status >= 500 and status != 500:
        return ServiceError(f"{where}: HTTP {status} from before the service")
    if status == 500 and words and (not is_page or _says_something(words)):
        found = Fault(message=words)
        error = error_of_fault(found, where, is_login=is_login)
        if is_page and isinstance(error, UnknownFault):
            return ServiceError(f"{where}: HTTP 500 with a page of the server's", fault=found)
        return error
    if status >= 500:
        return ServiceError(f"{where}: HTTP {status} without a word")
    return UnknownFault(f"{where}: HTTP {status}, which the service is not known to answer")


def _says_something(words: str) -> bool:
    return any(pattern.search(words) for pattern, _kind in (*_TELLING, *_WORDS))


def _fault_in(body: bytes) -> Fault | None:
    if body[:2] not in UTF16_MARKS and b"ault" not in body[:200_000] and b"rror" not in body[:2_000]:
        return None
    try:
        return soap_fault(parse(body))
    except ECGridError:
        return None


def error_of_page(body: bytes, error: MalformedAnswer) -> MalformedAnswer:
    """HTTP 200 with something that cannot be read: with the words of the page, where it is one."""
    is_words = body[:1] != b"<" or _HTML.match(body[:200].decode("latin-1")) is not None
    words = _clean(page_words(body))[:120] if is_words and body.strip() else ""
    return MalformedAnswer(f"{error.message}: {words}") if words.isprintable() and words else error
