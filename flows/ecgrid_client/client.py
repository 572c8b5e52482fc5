"""The client: three API versions, four bindings, one call at a time per thread, with sessions and retries.

    with ECGridClient(endpoints, credentials) as client:
        answer = client.ask("v3.2", "PricelistInfo", {"PricelistID": 431})
        price_list = decode.pricelist(answer.body)

`ask` is the only place that retries calls. It returns the response as received; `decode` and `datasets` convert it to
records and tables, at once or years later.
"""

import logging
import threading
import time
import weakref
from collections.abc import Mapping
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from types import TracebackType
from typing import Literal, Protocol

import tenacity

from ecgrid_client import decode
from ecgrid_client.answers import Answer
from ecgrid_client.endpoints import VERSIONS, Credentials, Endpoints
from ecgrid_client.envelopes import Envelopes, Request, own_envelopes
from ecgrid_client.errors import (
    CredentialsRefused,
    ECGridError,
    InvalidArgument,
    MalformedAnswer,
    MisdirectedAnswer,
    ServiceUnreachable,
    SessionExpired,
    SettingsError,
    Stopped,
)
from ecgrid_client.faults import error_of_status
from ecgrid_client.judging import Stated, judge
from ecgrid_client.masking import MASKER, SECRET_NAMES, masked_arguments
from ecgrid_client.operations import BINDINGS, Operation, Service, own_service, read_wsdl
from ecgrid_client.sessions import Session, SessionKeeper
from ecgrid_client.transport import Reply, Transport

log = logging.getLogger("ecgrid_client")

Source = Literal["own", "live"]
_LOGOUT_TIMEOUT_S, _LOGOUT_ATTEMPTS = 5.0, 3
_WSDL_BYTES = 16 << 20
_KEY_LENGTH = 120
_NO_CREDENTIALS = "no credentials: set ECGRID_API_KEY, or ECGRID_LOGIN_NAME together with ECGRID_PASSWORD"
_FAULT_BYTES = 100_000
#: Number of possibly duplicated responses that are probed; once all of them proved right, no further one is.
_DOUBTS = 20


class Limiter(Protocol):
    """Admits calls, and receives the outcome of each attempt. `slot` may raise `Stopped` or `CircuitOpen`."""

    def slot(self) -> AbstractContextManager[object]: ...

    def observe(self, error: ECGridError | None, latency_ms: int, operation: str) -> None: ...


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Number of attempts, and the delays between them: exponential with jitter, or as Retry-After states.

    A Retry-After beyond `longest_retry_after_s` ends the call at once; the error carries it.
    """

    max_attempts: int = 5
    first_wait_s: float = 0.5
    longest_wait_s: float = 30.0
    longest_retry_after_s: float = 120.0

    def __post_init__(self) -> None:
        if self.max_attempts < 1:
            raise SettingsError(f"ECGRID_MAX_ATTEMPTS must be 1 or more, not {self.max_attempts}")


class ECGridClient:
    """Calls the three versions of ECGridOS. Thread-safe; `close` logs every session out.

    `wsdl` names the versions whose live WSDL replaces ours (`{"v3.2": "live"}`). Without credentials only operations
    that need no session can be called (Version, NowUTC), and any with an explicit SessionID.
    """

    def __init__(
        self,
        endpoints: Endpoints,
        credentials: Credentials | None,
        *,
        retry: RetryPolicy | None = None,
        connect_timeout_s: float = 10,
        call_timeout_s: float = 60,
        max_answer_bytes: int = 64 << 20,
        pool_size: int = 32,
        limiter: Limiter | None = None,
        wsdl: Mapping[str, Source] | None = None,
    ) -> None:
        self.endpoints = endpoints
        self._credentials = credentials
        self._retry = retry or RetryPolicy()
        self._limiter = limiter
        self._wsdl = dict(wsdl or {})
        for version, source in self._wsdl.items():
            if version not in VERSIONS or source not in ("own", "live"):
                raise SettingsError(f"ECGRID_WSDL_V{version[1:2]} is own or live, not {source!r}")
        self._stopped = threading.Event()
        self._lock = threading.RLock()
        self._envelopes: dict[str, Envelopes] = {}
        self._transport = Transport(
            connect_timeout_s=connect_timeout_s,
            call_timeout_s=call_timeout_s,
            max_answer_bytes=max_answer_bytes,
            pool_size=pool_size + 2,  # a login and a logout besides the calls
        )
        self._backoff = tenacity.wait_random_exponential(
            multiplier=self._retry.first_wait_s, max=self._retry.longest_wait_s
        )
        self._retrying = tenacity.Retrying(
            stop=tenacity.stop_after_attempt(self._retry.max_attempts),
            wait=self._pause,
            retry=self._may_repeat,
            sleep=self._sleep,
            reraise=True,
        )
        self._caller = _Caller(endpoints, self._transport)
        self._keepers = {
            version: SessionKeeper(version, self._log_in_of(version), self._log_out_of(version)) for version in VERSIONS
        }
        # sessions are closed even if `close` is never called: at the latest when the process ends
        self._finalizer = weakref.finalize(self, _close_all, self._keepers, self._transport)

    def __repr__(self) -> str:
        return f"ECGridClient({self.endpoints}, {self._credentials})"

    def __enter__(self) -> "ECGridClient":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # --- calls --------------------------------------------------------------------------------------------------------

    def ask(
        self,
        api_version: str,
        operation: str,
        arguments: Mapping[str, object] | None = None,
        *,
        binding: str = "soap11",
    ) -> Answer:
        """The response to one call, retried as the errors and the retry policy allow.

        SessionID is filled in; an explicit one is used as it is. Raises an `ECGridError` with `attempts` and `answer`
        (the raw fault, masked) set.
        """
        arguments = arguments or {}
        if binding not in BINDINGS:
            raise InvalidArgument(f"{binding!r} is not a binding: {', '.join(BINDINGS)}")
        envelopes = self._envelopes.get(api_version) or self._open(api_version)
        described = envelopes.service.operation(operation)
        texts = described.texts(arguments, binding)
        call = _Call(api_version, described, arguments, texts, binding, envelopes)
        try:
            return self._attempt(call)  # most calls need no second attempt, and so none of the code below
        except ECGridError as error:
            if not error.should_retry:
                raise
            call.failure = error
        return self._retrying(self._next_attempt, call)

    def _next_attempt(self, call: "_Call") -> Answer:
        """The outcome of the first attempt, after which the retry policy waits; then one attempt per call."""
        failure, call.failure = call.failure, None
        if failure is not None:
            raise failure
        return self._attempt(call)

    def _may_repeat(self, state: tenacity.RetryCallState) -> bool:
        outcome, call = state.outcome, state.args[0]
        failure = outcome.exception() if outcome is not None else None
        if not isinstance(failure, ECGridError) or not failure.should_retry:
            return False
        if failure.retry_after_s is not None and failure.retry_after_s > self._retry.longest_retry_after_s:
            return False
        # a write whose response was lost may have been executed; a retry would execute it twice
        return not failure.may_have_run or call.operation.is_repeatable(call.arguments)

    def _pause(self, state: tenacity.RetryCallState) -> float:
        failure = state.outcome.exception() if state.outcome is not None else None
        asked = failure.retry_after_s if isinstance(failure, ECGridError) else None
        return max(self._backoff(state), asked or 0.0)

    def _sleep(self, seconds: float) -> None:
        if self._stopped.wait(seconds):
            raise Stopped("the client was stopped while waiting to retry")

    def _attempt(self, call: "_Call") -> Answer:
        """One attempt. An expired session is renewed and the call repeated at once; so is a call that received the
        response for another key, over a new connection. A session fault of a single call is retried after a pause."""
        while True:
            try:
                return self._once(call)
            except MisdirectedAnswer:
                if call.was_misdirected or not call.operation.is_repeatable(call.arguments):
                    raise
                call.was_misdirected = True
                continue
            except SessionExpired as error:
                if call.is_refused_alone:
                    raise
                call.renewals += 1
                failure = error
            if call.expired is None or call.renewals > max(3, self._retry.max_attempts):
                failure.should_retry = False
                raise failure

    def _once(self, call: "_Call") -> Answer:
        self._refuse_when_stopped(call)
        session: Session | None = None
        texts = call.texts
        if call.operation.needs_session and "SessionID" not in texts:
            if self._credentials is None:
                raise SettingsError(_NO_CREDENTIALS)
            if self._credentials.api_key:
                session_id = self._credentials.api_key
            else:
                keeper = self._keepers[call.api_version]
                session = keeper.renew(call.expired) if call.expired is not None else keeper.current()
                session_id = session.session_id
            texts = {**texts, "SessionID": session_id}
        answer, failure = self._send(call, texts, call.binding)
        if failure is not None and failure.is_unconfirmed and call.operation.is_repeatable(call.arguments):
            _, over_soap = self._send(call, texts, "soap11")
            failure = over_soap if over_soap is not None and over_soap.fault is not None else failure
        if answer is not None:
            if session is not None and call.operation.name == "Logout":
                self._keepers[call.api_version].forget(session)
            return answer
        assert failure is not None
        if isinstance(failure, SessionExpired) and texts is not call.texts:  # the session is ours, not explicit
            if self._is_open(call, texts["SessionID"]):
                call.is_refused_alone = True
            elif session is not None:
                call.expired = session
            else:
                raise CredentialsRefused(
                    f"{call.where}: the service rejects the API key; check ECGRID_API_KEY",
                    fault=failure.fault,
                    answer=failure.answer,
                    attempts=call.sent,
                )
        raise failure

    def _is_open(self, call: "_Call", session_id: str) -> bool:
        """Whether a session (or API key) may be valid although one call refused it: WhoAmI accepts it.

        Then the fault concerns that call alone: a renewal would leave the session open, and the API key is valid.
        """
        who = call.envelopes.service.operations.get("WhoAmI")
        if who is None or call.operation.name == who.name:
            return False
        probe = _Call(call.api_version, who, {}, {}, "soap11", call.envelopes)
        answer, failure = self._send(probe, {"SessionID": session_id}, "soap11")
        return answer is not None or not isinstance(failure, SessionExpired | CredentialsRefused)

    def _send(self, call: "_Call", texts: Mapping[str, str], binding: str) -> tuple[Answer | None, ECGridError | None]:
        """One request: its response, or the error that the reply means."""
        request = call.envelopes.request(call.operation, texts, binding)
        call.sent += 1
        limiter = self._limiter
        if limiter is None:
            return self._caller.call(call, request, binding)
        with limiter.slot():
            self._refuse_when_stopped(call)
            answer, failure = self._caller.call(call, request, binding)
            limiter.observe(failure, call.latency_ms, call.operation.name)
            return answer, failure

    def _refuse_when_stopped(self, call: "_Call") -> None:
        if self._stopped.is_set():
            raise Stopped(f"{call.where}: the client was stopped")

    # --- sessions -----------------------------------------------------------------------------------------------------

    @property
    def open_sessions(self) -> tuple[str, ...]:
        """The versions with a session open now."""
        return tuple(version for version, keeper in self._keepers.items() if keeper.is_open)

    def log_in(self, api_version: str) -> str:
        """Opens one more session by hand and returns its id; the caller has to close it (`log_out`)."""
        return self._session_id(api_version)

    def _session_id(self, api_version: str) -> str:
        credentials = self._credentials
        if credentials is None or not credentials.login_name or not credentials.password:
            raise SettingsError("opening a session needs ECGRID_LOGIN_NAME and ECGRID_PASSWORD: set them")
        arguments = {"LoginName": credentials.login_name, "Password": credentials.password}
        try:
            answer = self.ask(api_version, "Login", arguments)
        except ECGridError as error:
            error.should_retry = False  # the login was retried already: the call that needs it must not start over
            raise
        session_id = (decode.scalar(answer.body) or "").strip()
        if not session_id:
            raise CredentialsRefused(
                f"{api_version} Login: the response has no session; check ECGRID_LOGIN_NAME and ECGRID_PASSWORD"
            )
        MASKER.learn(session_id, passing=True)
        # build now what the logout will need: at the end of the process nothing can be imported
        envelopes = self._envelopes[api_version]
        envelopes.request(envelopes.service.operation("Logout"), {"SessionID": ""}, "soap11")
        return session_id

    def log_out(self, api_version: str, session_id: str) -> None:
        """Closes a session by its id."""
        MASKER.learn(session_id, passing=True)
        self.ask(api_version, "Logout", {"SessionID": session_id})

    def _log_in_of(self, api_version: str) -> "_LogIn":
        return _LogIn(weakref.ref(self), api_version)

    def _log_out_of(self, api_version: str) -> "_LogOut":
        return _LogOut(self._caller, self._envelopes, api_version)

    # --- the service --------------------------------------------------------------------------------------------------

    def service(self, api_version: str) -> Service:
        """The table of operations in use for that version: ours, or the service's own where `wsdl` is `live`."""
        return (self._envelopes.get(api_version) or self._open(api_version)).service

    def learn(self, api_version: str, operation: str) -> Service:
        """The table of operations in use. If it lacks `operation`, the service's own replaces it, if that has it.

        Raises `InvalidArgument` for an operation that neither has.
        """
        ours = self.service(api_version)
        names = {name.lower() for name in ours.operations}
        if operation.lower() not in names and self._wsdl.get(api_version) != "live":
            with suppress(ECGridError):
                live = self.live_service(api_version)
                if operation in live.operations:
                    with self._lock:
                        self._envelopes[api_version], self._wsdl[api_version] = Envelopes(live), "live"
                    return live
        ours.operation(operation)
        return ours

    def live_service(self, api_version: str) -> Service:
        """The service's own WSDL as a table, fetched from its address only."""
        url = self.endpoints.url(api_version)
        reply = self._transport.send(url, {}, query="WSDL", max_bytes=_WSDL_BYTES)
        reply.release()
        if reply.status != 200:
            raise error_of_status(
                reply.status, reply.content_type, reply.body, f"{api_version} ?WSDL", retry_after=reply.retry_after
            )
        return read_wsdl(reply.body, api_version, f"{url}?WSDL")

    def _open(self, api_version: str) -> Envelopes:
        own_service(api_version)  # refuses an unknown version
        with self._lock:
            found = self._envelopes.get(api_version)
            if found is None:
                live = self._wsdl.get(api_version) == "live"
                found = Envelopes(self.live_service(api_version)) if live else own_envelopes(api_version)
                self._envelopes[api_version] = found
            return found

    # --- the end ------------------------------------------------------------------------------------------------------

    def stop(self, grace_s: float | None = None) -> None:
        """No new attempts: waiting calls raise `Stopped`. Calls in flight may finish, within `grace_s` if given."""
        self._stopped.set()
        if grace_s is not None:
            self._transport.hurry(grace_s)

    def close(self) -> None:
        """Logs every open session out and closes the connections. Never raises; thread-safe and idempotent."""
        self._stopped.set()
        self._finalizer()


def _close_all(keepers: Mapping[str, SessionKeeper], transport: Transport) -> None:
    for keeper in keepers.values():
        keeper.close()
    transport.close()


class _Call:
    """The state of one call over its attempts."""

    def __init__(
        self,
        api_version: str,
        operation: Operation,
        arguments: Mapping[str, object],
        texts: dict[str, str],
        binding: str,
        envelopes: Envelopes,
    ) -> None:
        self.api_version = api_version
        self.operation = operation
        self.arguments = arguments
        self.texts = texts
        self.binding = binding
        self.envelopes = envelopes
        self.sent = 0
        self.renewals = 0
        self.latency_ms = 0
        self.was_lost = False
        self.was_misdirected = False
        #: The session (or API key) is valid for other calls; only this call returns a session fault.
        self.is_refused_alone = False
        #: The key of the last response that was for another key.
        self.other: str | None = None
        self.expired: Session | None = None
        self.failure: ECGridError | None = None

    @property
    def wants_new_connection(self) -> bool:
        """A kept connection may be dead or out of step: a write has one attempt, a logout few, a login whose response
        is lost leaves a session open, and a lost call would be lost again."""
        name = self.operation.name
        is_doubted = self.was_lost or self.was_misdirected
        return is_doubted or name in ("Login", "Logout") or not self.operation.is_repeatable(self.arguments)

    @property
    def key(self) -> str:
        """The arguments, shortened for logs and messages: no secret, no line break."""
        shown = "/".join(value for name, value in self.texts.items() if name not in SECRET_NAMES)
        clean = "".join(char if char.isprintable() and char != " " else "_" for char in shown)
        return clean[:_KEY_LENGTH]

    @property
    def where(self) -> str:
        return f"{self.api_version} {self.operation.name} {self.key}".rstrip()

    def log(self, level: int, status: str) -> None:
        """The one line of an attempt."""
        log.log(
            level,
            "op=%s.%s key=%s status=%s ms=%d",
            self.api_version,
            self.operation.name,
            MASKER.text(self.key) or "-",
            status,
            self.latency_ms,
        )


class _Caller:
    """Sends one request and judges the reply. Has no session of its own, so it can also close sessions."""

    def __init__(self, endpoints: Endpoints, transport: Transport) -> None:
        self._endpoints = endpoints
        self._transport = transport
        self._doubts = _DOUBTS

    def call(
        self, call: _Call, request: Request, binding: str, timeout_s: float | None = None
    ) -> tuple[Answer | None, ECGridError | None]:
        """One attempt: a response of the operation, or its error. Logs one line, sets `call.latency_ms`."""
        reply: Reply | None = None
        started = time.perf_counter()
        try:
            reply = self._transport.send(
                self._endpoints.url(call.api_version) + request.path,
                request.headers,
                request.body,
                query=request.query,
                timeout_s=timeout_s,
                is_new_connection=call.wants_new_connection,
            )
            failure = self._judged(call, reply, binding)
        except ECGridError as error:
            failure = error
        call.latency_ms = int((time.perf_counter() - started) * 1000)
        if reply is not None:
            reply.release(is_sound=failure is None or failure.fault is not None)
            if failure is None:
                if log.isEnabledFor(logging.DEBUG):
                    call.log(logging.DEBUG, str(reply.status))
                return _answer(call, reply, binding, reply.body), None
        assert failure is not None
        call.was_lost = isinstance(failure, ServiceUnreachable | MalformedAnswer)  # others may be out of step too
        failure.attempts = call.sent
        where = call.where
        message = failure.message if failure.message.startswith(where) else f"{where}: {failure.message}"
        failure.message = MASKER.text(message)
        failure.args = (failure.message,)
        if reply is not None:
            failure.answer = _answer(call, reply, binding, MASKER.data(reply.body[:_FAULT_BYTES]))
        call.log(logging.DEBUG, f"{reply.status if reply else '-'} error={failure.code}")
        return None, failure

    def _judged(self, call: _Call, reply: Reply, binding: str) -> ECGridError | None:
        """The error that a reply means; None for a response to the requested key.

        A kept connection may be out of step: a proxy or server sent a response twice, and each call receives the
        response to the previous one. So a response for another key is refused, and the key is requested again over a
        new connection; if the new connection returns the same, it is the service's own response, and a check names it.

        A response that does not name its key (nothing is billed, a fault) is probed where its connection returned the
        same before. Most are right, so after some right ones no further one is probed, until one was wrong.
        """
        failure: ECGridError | None = None
        stated = Stated()
        try:
            stated = judge(reply, call.operation, call.texts, binding, call.where)
        except ECGridError as error:
            if not error.is_answer:
                return error
            failure = error
        if stated.other is not None and (reply.is_kept or stated.other != call.other):
            call.other, self._doubts = stated.other, _DOUBTS
            return MisdirectedAnswer(f"{call.where}: the response is for {stated.other}, which was not requested")
        is_doubtful = reply.is_repeat and not stated.is_named and self._doubts > 0
        if is_doubtful and not self._is_in_step(call, reply):
            self._doubts = _DOUBTS
            return MisdirectedAnswer(f"{call.where}: the connection repeated the response to an earlier call")
        return failure

    def _is_in_step(self, call: _Call, reply: Reply) -> bool:
        """Whether the next call over the reply's connection receives its own response, probed by Version (cheap)."""
        version = call.envelopes.service.operations.get("Version")
        if version is None:
            return False
        check = _Call(call.api_version, version, {}, {}, "soap11", call.envelopes)
        request = call.envelopes.request(version, {}, check.binding)
        url = self._endpoints.url(call.api_version)
        started = time.perf_counter()
        status = "-"
        try:
            probe = self._transport.send(url, request.headers, request.body, over=reply)
            status = str(probe.status)
            judge(probe, version, {}, check.binding, call.where)
        except ECGridError as error:
            status = f"{status} error={error.code}"
            return False
        finally:
            check.latency_ms = int((time.perf_counter() - started) * 1000)
            check.log(logging.DEBUG, status)
        self._doubts -= 1
        return probe.is_kept


class _LogIn:
    """Logs in to one version; holds its client by a weak reference, so that an unused client can be collected."""

    def __init__(self, client: "weakref.ref[ECGridClient]", api_version: str) -> None:
        self._client = client
        self._api_version = api_version

    def __call__(self) -> str:
        client = self._client()
        if client is None:
            raise Stopped(f"{self._api_version}: the client no longer exists")
        return client._session_id(self._api_version)


class _LogOut:
    """Logs a session out of one version: few attempts, all within a short time.

    A session left open blocks one of the few that a user may have, until it times out.
    """

    def __init__(self, caller: _Caller, envelopes: Mapping[str, Envelopes], api_version: str) -> None:
        self._caller = caller
        self._envelopes = envelopes
        self._api_version = api_version

    def __call__(self, session_id: str) -> None:
        envelopes = self._envelopes[self._api_version]
        operation = envelopes.service.operation("Logout")
        texts = {"SessionID": session_id}
        call = _Call(self._api_version, operation, {}, texts, "soap11", envelopes)
        request = envelopes.request(operation, texts, "soap11")

        def attempt() -> None:
            _, failure = self._caller.call(call, request, "soap11", timeout_s=_LOGOUT_TIMEOUT_S)
            if failure is not None and not isinstance(failure, SessionExpired):  # an earlier attempt may have closed it
                raise failure

        tenacity.Retrying(
            stop=tenacity.stop_after_attempt(_LOGOUT_ATTEMPTS) | tenacity.stop_after_delay(_LOGOUT_TIMEOUT_S),
            wait=tenacity.wait_random(0, 0.5),
            retry=tenacity.retry_if_exception(lambda error: isinstance(error, ECGridError) and error.should_retry),
            reraise=True,
        )(attempt)


def _answer(call: _Call, reply: Reply, binding: str, body: bytes) -> Answer:
    return Answer(
        operation=call.operation.name,
        api_version=call.api_version,
        binding=binding,
        arguments=masked_arguments(call.arguments),
        http_status=reply.status,
        content_type=reply.content_type,
        body=body,
        received_at=datetime.now(UTC),
        latency_ms=call.latency_ms,
        attempts=call.sent,
    )
