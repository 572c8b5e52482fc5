"""Everything that can go wrong in a call, as one tree. No exception of pycurl, zeep or lxml leaves this package.

    ECGridError                     retry?
    ├── ServiceUnreachable            yes   no connection, TLS, time-out, connection lost, a gateway's refusal
    │                                       (not: a bad certificate)
    ├── ServiceBusy                   yes   429 or 503; `retry_after_s` when the service said so
    ├── ServiceError                  yes   5xx, InternalError, SQLError, a fault without a code
    ├── SessionExpired                yes   the session is gone; the client renews it by itself
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
    │   ├── MisdirectedAnswer         yes   the answer to another key than was requested
    │   └── ValueOutOfRange           no    a whole answer with a value that does not fit its type
    ├── MissingElement                no    a field that this project needs is not in the answer
    ├── UnknownFault                  no    a fault that says nothing known
    ├── SettingsError                 no    an address, credential or WSDL setting is wrong
    ├── Stopped                       no    the client was told to stop
    └── CircuitOpen                   no    everything failed lately; raised by a governor

`should_retry` is asked of the error, not of its class: a write that may have run is not repeated, whatever the class.
`is_answer` is set on what the service itself has to say to the call: a retry would give the same.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ecgrid_client.answers import Answer


@dataclass(frozen=True, slots=True)
class Fault:
    """What a fault says of itself, read by local name from every form that is known (facts 4.1, 8).

    `code` is the service's own word or number (None for the framework's faults), `message` its words.
    """

    message: str
    code: str | None = None
    item: str | None = None
    fault_code: str | None = None


class ECGridError(Exception):
    """A call failed. The message says which call, why, and what to do next; it never holds a secret."""

    code: str = "ecgrid_error"
    should_retry: bool = False
    #: Whether this is the service's own answer to the call (see `ANSWERS`).
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
        #: Whether the service may have executed the call although no answer came back.
        self.may_have_run = may_have_run
        #: Whether it is a text over GET or POST that may be the service's: SOAP would tell.
        self.is_unconfirmed = False
        if should_retry is not None:
            self.should_retry = should_retry

    @property
    def fault_message(self) -> str:
        """The service's own words where there are any, else this error's."""
        return self.fault.message if self.fault else self.message

    def __str__(self) -> str:
        return self.message

    def again(self) -> "ECGridError":
        """A fresh copy, for another caller that shares this outcome (an exception is raised in one thread only)."""
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
    """429 or 503: come back later."""

    code = "service_busy"
    should_retry = True


class ServiceError(ECGridError):
    """The service failed by itself: 5xx, InternalError, SQLError; or a fault without a code, which may be anybody's."""

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
    """What was asked for does not exist, or not for this user."""

    code = "not_found"


class InvalidArgument(ECGridError):
    """An argument is wrong: refused here before sending, or by the service."""

    code = "invalid_argument"


class NotOnPriceList(ECGridError):
    """The pair of account report and measure is not on the account's price list."""

    code = "not_on_price_list"


class NotImplementedByService(ECGridError):
    """The service has the operation only on paper (PENDING), or not at all."""

    code = "not_implemented_by_service"


class AnswerTooLarge(ECGridError):
    """The answer is over the size limit, as sent or once decompressed."""

    code = "answer_too_large"


class ForbiddenXML(ECGridError):
    """The answer holds a DTD or entity declarations."""

    code = "forbidden_xml"
    should_retry = True


class MalformedAnswer(ECGridError):
    """Not an answer of this operation: cut off, not XML, another page."""

    code = "malformed_answer"
    should_retry = True


class MisdirectedAnswer(MalformedAnswer):
    """The answer to another key than was requested: the connection is out of step, and is used no more."""

    code = "misdirected_answer"


class ValueOutOfRange(MalformedAnswer):
    """The service's own answer, whole, with a value that does not fit its type; asking again gives the same."""

    code = "value_out_of_range"
    should_retry = False
    is_answer = True


class MissingElement(ECGridError):
    """A field that this project needs is absent (or nil) in the answer."""

    code = "missing_element"
    is_answer = True


class UnknownFault(ECGridError):
    """A fault whose code and words are none of those known."""

    code = "unknown_fault"


class SettingsError(ECGridError):
    """An address, credential or WSDL setting is wrong."""

    code = "settings_error"


class Stopped(ECGridError):
    """The client was told to stop; the call was not made."""

    code = "stopped"


class CircuitOpen(ECGridError):
    """Everything failed lately, so the call was not made."""

    code = "circuit_open"


#: What is the answer to a call although it gives no record: a retry gives the same.
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
