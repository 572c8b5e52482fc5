"""The errors of a call, as one tree. No exception of pycurl, zeep or lxml leaves this package.

    ECGridError                     retry?
    ├── ServiceUnreachable            yes   no connection, TLS, time-out, connection lost, a gateway's refusal
    │                                       (not: a bad certificate)
    ├── ServiceBusy                   yes   429 or 503; `retry_after_s` when the service sent it
    ├── ServiceError                  yes   5xx, InternalError, SQLError, a fault without a code
    ├── SessionExpired                yes   the session is unknown; the client renews it
    ├── CredentialsRefused            no    wrong login name, password or API key
    ├── TooManySessions               no    as many sessions are open as the user may have
    ├── AccessDenied                  no    the user lacks the right
    ├── NotFound                      no    no such network, mailbox, contract, …
    ├── InvalidArgument               no    refused before sending, or by the service
    ├── NotOnPriceList                no    the pair of account report and measure is not on the price list
    ├── NotImplementedByService       no    PENDING, or the service has no such operation or binding
    ├── AnswerTooLarge                no    over the size limit, also after decompression
    ├── ForbiddenXML                  yes   a DTD or entities
    ├── MalformedAnswer               yes   cut off, not XML, another page
    │   ├── MisdirectedAnswer         yes   the response for another key than was requested
    │   └── ValueOutOfRange           no    a whole response with a value that does not fit its type
    ├── MissingElement                no    a field that this project needs is not in the response
    ├── UnknownFault                  no    a fault with an unknown code and message
    ├── SettingsError                 no    an address, credential or WSDL setting is wrong
    ├── Stopped                       no    the client was stopped
    └── CircuitOpen                   no    every recent call failed; raised by a limiter

`should_retry` is an attribute of the error, not of its class: a write that may have run is not retried, whatever the
class. `is_answer` is set on the service's own response to the call: a retry would return the same.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ecgrid_client.answers import Answer


@dataclass(frozen=True, slots=True)
class Fault:
    """The content of a fault, read by local name from every known form (facts 4.1, 8).

    `code` is the service's own name or number (None for the framework's faults), `message` its text.
    """

    message: str
    code: str | None = None
    item: str | None = None
    fault_code: str | None = None


class ECGridError(Exception):
    """A call failed. The message states which call, why, and what to do next; it never holds a secret."""

    code: str = "ecgrid_error"
    should_retry: bool = False
    #: Whether this is the service's own response to the call (see `ANSWERS`).
    is_answer: bool = False

    def __init__(
        self,
        message: str,
        *,
        fault: Fault | None = None,
        answer: "Answer | None" = None,
        attempts: int = 0,
        retry_after_s: float | None = None,
        should_retry: bool | None = None,
        may_have_run: bool = True,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.fault = fault
        self.answer = answer
        self.attempts = attempts
        self.retry_after_s = retry_after_s
        #: Whether the service may have executed the call although no response was received.
        self.may_have_run = may_have_run
        #: Whether it is a text over GET or POST that may be the service's fault: a SOAP call would show it.
        self.is_unconfirmed = False
        if should_retry is not None:
            self.should_retry = should_retry

    @property
    def fault_message(self) -> str:
        """The service's own message where there is one, else this error's."""
        return self.fault.message if self.fault else self.message

    def __str__(self) -> str:
        return self.message

    def again(self) -> "ECGridError":
        """A copy, for another caller that shares this outcome (an exception is raised in one thread only)."""
        return _rebuild(type(self), self.message, self._state())

    def _state(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if not name.startswith("__")}

    def __reduce__(self) -> tuple[Callable[..., "ECGridError"], tuple[Any, ...]]:
        return _rebuild, (type(self), self.message, self._state())


def _rebuild(kind: type[ECGridError], message: str, state: dict[str, Any]) -> ECGridError:
    error = kind(message)
    error.__dict__.update(state)
    return error


class ServiceUnreachable(ECGridError):
    """No connection, TLS failure, time-out, or the connection was lost."""

    code = "service_unreachable"
    should_retry = True


class ServiceBusy(ECGridError):
    """429 or 503: retry later."""

    code = "service_busy"
    should_retry = True


class ServiceError(ECGridError):
    """The service failed: 5xx, InternalError, SQLError; or a fault without a code, whose origin is unknown."""

    code = "service_error"
    should_retry = True


class SessionExpired(ECGridError):
    """The session is unknown to the service; a new one may be opened."""

    code = "session_expired"
    should_retry = True


class CredentialsRefused(ECGridError):
    """Wrong login name, password or API key."""

    code = "credentials_refused"


class TooManySessions(ECGridError):
    """The user has as many sessions open as are allowed: five by default, over all versions (facts 4.3)."""

    code = "too_many_sessions"


class AccessDenied(ECGridError):
    """The user may not call this operation, or not for this network or mailbox."""

    code = "access_denied"


class NotFound(ECGridError):
    """The requested item does not exist, or not for this user."""

    code = "not_found"


class InvalidArgument(ECGridError):
    """An argument is wrong: refused here before sending, or by the service."""

    code = "invalid_argument"


class NotOnPriceList(ECGridError):
    """The pair of account report and measure is not on the account's price list."""

    code = "not_on_price_list"


class NotImplementedByService(ECGridError):
    """The operation is described but not implemented (PENDING), or does not exist."""

    code = "not_implemented_by_service"


class AnswerTooLarge(ECGridError):
    """The response is over the size limit, as sent or once decompressed."""

    code = "answer_too_large"


class ForbiddenXML(ECGridError):
    """The response holds a DTD or entity declarations."""

    code = "forbidden_xml"
    should_retry = True


class MalformedAnswer(ECGridError):
    """Not a response of this operation: cut off, not XML, another page."""

    code = "malformed_answer"
    should_retry = True


class MisdirectedAnswer(MalformedAnswer):
    """The response for another key than was requested: the connection is out of step, and is not used again."""

    code = "misdirected_answer"


class ValueOutOfRange(MalformedAnswer):
    """The service's own response, whole, with a value that does not fit its type; a retry would return the same."""

    code = "value_out_of_range"
    should_retry = False
    is_answer = True


class MissingElement(ECGridError):
    """A field that this project needs is absent (or nil) in the response."""

    code = "missing_element"
    is_answer = True


class UnknownFault(ECGridError):
    """A fault whose code and message are unknown."""

    code = "unknown_fault"


class SettingsError(ECGridError):
    """An address, credential or WSDL setting is wrong."""

    code = "settings_error"


class Stopped(ECGridError):
    """The client was stopped; the call was not made."""

    code = "stopped"


class CircuitOpen(ECGridError):
    """Every recent call failed, so the call was not made."""

    code = "circuit_open"


#: Errors that are the response to a call although they give no record: a retry would return the same.
ANSWERS: tuple[type[ECGridError], ...] = (
    AccessDenied,
    NotFound,
    InvalidArgument,
    NotImplementedByService,
    NotOnPriceList,
    UnknownFault,
    ValueOutOfRange,
    MissingElement,
)
