"""Calls over real HTTP: what goes out, sessions, retries, and every way in which an answer can be none."""

import gzip
import hashlib
import io
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import parse_qs

import pytest
from lxml import etree

from ecgrid_client import Credentials, ECGridClient, Endpoints, RetryPolicy, decode, errors
from tests.support.waiting import until

from .client_replay import Asked, Server, Told, fault, soap, told, wire

KEY = {
    "NetworkID": 4443,
    "MailboxID": 0,
    "ReportingMonth": "2023-08-01T00:00:00",
    "AccountReport": "TrafficKCInterchangeTiered",
    "MeasureField": "TieredKCIntCount",
}
LINE = "v3.2-InvoiceCalculateLineItem.soap11.response.xml"
OPERATION = "InvoiceCalculateLineItem"
API_KEY = "0f8fad5b-d9cb-469f-a165-70867728950e"


def canonical(document: bytes) -> str:
    """Canonical XML with prefixes and indentation out of the way."""
    parser = etree.XMLParser(remove_blank_text=True)
    return str(etree.canonicalize(etree.tostring(etree.fromstring(document, parser)).decode(), rewrite_prefixes=True))


# --- what goes out ----------------------------------------------------------------------------------------------------


def test_a_soap11_request_is_the_wire_samples() -> None:
    server = Server()
    with server.client(credentials=Credentials(api_key="c0ffee00c0ffee00c0ffee00c0ffee00")) as client:
        server.script = [told(LINE)]
        client.ask("v3.2", OPERATION, KEY)
    server.close()
    (asked,) = server.asked
    assert (asked.method, asked.path) == ("POST", "/v3.2/prod/ECGridOS.asmx")
    assert asked.headers["content-type"] == "text/xml; charset=utf-8"
    assert asked.headers["soapaction"] == '"http://ecgridos.net/InvoiceCalculateLineItem"'
    assert asked.headers["user-agent"].startswith("ecgrid-billing")
    assert canonical(asked.body) == canonical(wire("v3.2-InvoiceCalculateLineItem.soap11.request.xml"))


def test_a_soap12_request_is_the_wire_samples(server: Server) -> None:
    server.script = [told("v3.2-WhoAmI.soap12.response.xml")]
    with server.client(credentials=Credentials(api_key="69F4537D-A041-707E-DEA0-B59A9CB7F549")) as client:
        client.ask("v3.2", "WhoAmI", binding="soap12")
    (asked,) = server.asked
    assert asked.headers["content-type"] == "application/soap+xml; charset=utf-8"
    assert "soapaction" not in asked.headers
    assert canonical(asked.body) == canonical(wire("v3.2-WhoAmI.soap12.request.xml"))


def test_a_form_request_is_the_wire_samples(server: Server) -> None:
    server.script = [told("v2.3-Logout.httppost.response.xml")]
    with server.client(credentials=Credentials(api_key=API_KEY)) as client:
        client.ask("v2.3", "Logout", {"SessionID": "69F4537D-A041-707E-DEA0-B59A9CB7F549"}, binding="post")
    (asked,) = server.asked
    assert (asked.method, asked.path) == ("POST", "/v2.3/prod/ecgridos.asmx/Logout")
    assert asked.headers["content-type"] == "application/x-www-form-urlencoded"
    assert asked.body == wire("v2.3-Logout.httppost.request.txt").strip()


def test_a_get_request_names_every_parameter(server: Server) -> None:
    server.script = [told("v3.2-InvoiceCalculateLineItem.httpget.response.xml")]
    with server.client(credentials=Credentials(api_key=API_KEY)) as client:
        answer = client.ask("v3.2", OPERATION, KEY, binding="get")
    (asked,) = server.asked
    assert asked.method == "GET"
    assert asked.path == (
        f"/v3.2/prod/ECGridOS.asmx/InvoiceCalculateLineItem?SessionID={API_KEY}&NetworkID=4443&MailboxID=0"
        "&ReportingMonth=2023-08-01T00%3A00%3A00&AccountReport=TrafficKCInterchangeTiered&MeasureField=TieredKCIntCount"
    )
    assert decode.line_item(answer.body) == decode.line_item(wire(LINE))


@pytest.mark.parametrize("binding", ["soap11", "soap12", "get", "post"])
def test_text_arrives_as_it_was_given(server: Server, binding: str) -> None:
    name = "Müller & Söhne \"x\" 'y' +%20 株式会社 a=b&c=d\n2nd"
    seen: list[str] = []

    def rules(asked: Asked) -> Told | None:
        if b"Envelope" in asked.body:
            seen.append(etree.fromstring(asked.body).findtext(".//{*}Name") or "")
            return soap("NetworkList")
        form = asked.body.decode() if asked.method == "POST" else asked.path.partition("?")[2]
        seen.append(parse_qs(form, strict_parsing=True)["Name"][0])
        return Told(b'<ArrayOfNetworkIDInfo xmlns="http://ecgridos.net/" />')

    server.rules = rules
    with server.client(credentials=Credentials(api_key=API_KEY)) as client:
        answer = client.ask("v3.2", "NetworkList", {"Name": name}, binding=binding)
    assert seen == [name]
    assert decode.networks(answer.body) == []


def test_a_response_has_its_request_and_its_time(server: Server) -> None:
    server.script = [told(LINE)]
    with server.client() as client:
        answer = client.ask("v3.2", OPERATION, KEY)
    assert answer.body == wire(LINE)
    assert (answer.operation, answer.api_version, answer.binding) == (OPERATION, "v3.2", "soap11")
    assert (answer.http_status, answer.content_type) == (200, "text/xml; charset=utf-8")
    assert dict(answer.arguments) == KEY
    assert answer.attempts == 1
    assert answer.received_at.utcoffset() is not None
    assert 0 <= answer.latency_ms < 10_000
    assert answer.sha256 == hashlib.sha256(wire(LINE)).hexdigest()


# --- refused before sending -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("version", "operation", "arguments", "words"),
    [
        ("v3.2", "InvoiceCalculateLineItems", {}, "no operation"),
        ("v4.1", OPERATION, KEY, "no operation"),
        ("v3.2", OPERATION, {**KEY, "AccountReport": "trafficall"}, "did you mean TrafficAll"),
        ("v3.2", OPERATION, {**KEY, "AccountReport": "TrafficEverything"}, "it takes FixedRate, Statistics"),
        ("v3.2", OPERATION, {**KEY, "MeasureField": "Parcels"}, "TieredKCIntCount"),
        ("v3.2", OPERATION, {**KEY, "NetworkID": "4443x"}, "whole number"),
        ("v3.2", OPERATION, {**KEY, "NetworkID": 2**31}, "2147483647"),
        ("v3.2", OPERATION, {**KEY, "NetworkID": True}, "whole number"),
        ("v3.2", OPERATION, {**KEY, "NetworkID": 4443.0}, "whole number"),
        ("v3.2", OPERATION, {**KEY, "ReportingMonth": "2023-08"}, "write it as"),
        ("v3.2", OPERATION, {**KEY, "ReportingMonth": "2023-02-30T00:00:00"}, "no such day"),
        ("v3.2", OPERATION, {**KEY, "ReportingMonth": "2023-08-01T00:00:00+00:00"}, "without a zone"),
        ("v3.2", OPERATION, {**KEY, "ReportingMonth": "2023-08-01T00:00:00Z"}, "without a zone"),
        ("v3.2", OPERATION, {name: KEY[name] for name in KEY if name != "MailboxID"}, "needs MailboxID"),
        ("v3.2", OPERATION, {**KEY, "Mailbox": 1}, "no parameter Mailbox"),
        ("v4.1", "InterconnectCount", {"MaxDays": 40_000}, "32767"),
        ("v3.2", "NetworkList", {"Name": "a\x01b"}, "XML cannot represent"),
        ("v3.2", "ContractList", {"ActiveDate": "2023-08-01T00:00:00", "ShowInactive": "yes"}, "true or false"),
    ],
)
def test_a_wrong_argument_costs_no_call(
    server: Server, version: str, operation: str, arguments: dict[str, object], words: str
) -> None:
    with server.client() as client, pytest.raises(errors.InvalidArgument, match=words) as caught:
        client.ask(version, operation, arguments)
    assert server.asked == []
    assert caught.value.should_retry is False


@pytest.mark.parametrize("value", ["<b", "a <script>", "x<!y", "</z", "<?p", "&#60;"])
def test_what_request_validation_refuses_is_not_sent_over_get_or_post(server: Server, value: str) -> None:
    server.script = [soap("NetworkList")]
    with server.client(credentials=Credentials(api_key=API_KEY)) as client:
        for binding in ("get", "post"):
            with pytest.raises(errors.InvalidArgument, match="soap11"):
                client.ask("v3.2", "NetworkList", {"Name": value}, binding=binding)
        assert server.asked == []
        client.ask("v3.2", "NetworkList", {"Name": value})
    assert len(server.asked) == 1


def test_plain_http_is_refused_except_to_loopback() -> None:
    with pytest.raises(errors.SettingsError, match=r"https://ecgridos\.net"):
        Endpoints(v3_url="http://ecgridos.net/v3.2/prod/ecgridos.asmx")
    for url in ("ecgridos.net", "ftp://x/y.asmx", "https://", "https://u:p@h/x.asmx", "https://h/x.asmx?WSDL", ""):
        with pytest.raises(errors.SettingsError):
            Endpoints(v4_url=url)
    assert Endpoints(v2_url="http://[::1]:8080/x.asmx").v2_url == "http://[::1]:8080/x.asmx"


def test_the_default_addresses_are_https() -> None:
    assert Endpoints().url("v4.1") == "https://os.ecgrid.io/v4.1/prod/ECGridOS.asmx"
    assert all(Endpoints().url(version).startswith("https://") for version in ("v2.3", "v3.2", "v4.1"))


# --- sessions ---------------------------------------------------------------------------------------------------------


def test_one_session_per_version_opened_when_needed_and_closed(server: Server) -> None:
    server.rules = lambda asked: {
        "Version": soap("Version", "v3.2 (Build 201)"),
        OPERATION: told(LINE),
        "InterconnectCount": told("v4.1-InterconnectCount.soap11.response.xml"),
    }.get(asked.operation)
    with server.client() as client:
        client.ask("v3.2", "Version")
        assert server.sessions_opened == 0
        for _ in range(3):
            client.ask("v3.2", OPERATION, KEY)
        assert client.open_sessions == ("v3.2",)
        client.ask("v4.1", "InterconnectCount", {"MaxDays": 7})
        assert client.open_sessions == ("v3.2", "v4.1")
    assert server.sessions_opened == 2
    assert sorted(server.sessions_closed) == [f"5E551011-0000-4000-8000-{n:012d}" for n in (1, 2)]
    client.close()
    assert len(server.sessions_closed) == 2


def test_sessions_are_closed_when_the_block_fails(server: Server) -> None:
    server.script = [told(LINE)]

    def interrupted() -> None:
        with server.client() as client:
            client.ask("v3.2", OPERATION, KEY)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert len(server.sessions_closed) == 1


def test_a_closed_client_opens_no_session(server: Server) -> None:
    client = server.client()
    client.close()
    with pytest.raises(errors.Stopped):
        client.ask("v3.2", OPERATION, KEY)
    assert server.asked == []


def test_an_api_key_stands_in_for_the_session(server: Server) -> None:
    server.script = [told(LINE)]
    with server.client(credentials=Credentials(api_key=API_KEY)) as client:
        client.ask("v3.2", OPERATION, KEY)
    (asked,) = server.asked
    assert f">{API_KEY}<".encode() in asked.body


def test_an_unknown_api_key_is_refused_credentials(server: Server) -> None:
    server.script = [told("v3.2-fault-session.soap11.response.xml")]
    with (
        server.client(credentials=Credentials(api_key=API_KEY)) as client,
        pytest.raises(errors.CredentialsRefused, match="API key") as caught,
    ):
        client.ask("v3.2", OPERATION, KEY)
    assert caught.value.should_retry is False
    assert [asked.operation for asked in server.asked] == [OPERATION, "WhoAmI"]


@pytest.mark.parametrize(
    "credentials", [Credentials(api_key=API_KEY), Credentials("demo@localhost", "Corr3ct&Horse<9>")]
)
@pytest.mark.parametrize("who", ["known", "unreachable"])
def test_a_session_fault_on_one_call_alone_is_that_calls(server: Server, credentials: Credentials, who: str) -> None:
    """The service knows the session: a renewal would leave it open, and no API key is refused. The call is retried."""
    sample = told("v3.2-fault-session.soap11.response.xml")
    server.who = soap("WhoAmI", "<UserID>5001</UserID>") if who == "known" else Told(b"", 503, {})
    server.rules = lambda asked: sample if b">4443<" in asked.body else None
    server.script = [told("v3.2-InvoiceCalculateLineItem-credit.soap11.response.xml")]
    with server.client(credentials=credentials) as client:
        with pytest.raises(errors.SessionExpired) as caught:
            client.ask("v3.2", OPERATION, KEY)
        assert caught.value.attempts == 3
        other = {"NetworkID": 4440, "AccountReport": "FixedRate", "MeasureField": "Credit"}
        client.ask("v3.2", OPERATION, {**KEY, **other})
    assert server.sessions_opened == len(server.sessions_closed) <= 1


def test_a_session_fault_that_passes_costs_one_retry(server: Server) -> None:
    server.who = soap("WhoAmI", "<UserID>5001</UserID>")
    server.script = [told("v3.2-fault-session.soap11.response.xml"), told(LINE)]
    with server.client(credentials=Credentials(api_key=API_KEY)) as client:
        assert client.ask("v3.2", OPERATION, KEY).attempts == 2


def test_an_expired_session_is_renewed_once_for_all_callers(server: Server) -> None:
    """The first session dies under eight threads: one login more, every call answered, none lost."""
    barrier = threading.Barrier(8)
    first = "5E551011-0000-4000-8000-000000000001"

    def rules(asked: Asked) -> Told | None:
        if asked.operation == OPERATION:
            if first.encode() in asked.body:
                return told("v3.2-fault-session.soap11.response.xml")
            return told(LINE)
        return None

    server.rules = rules
    answers = []
    with server.client() as client:

        def ask() -> None:
            barrier.wait()
            answers.append(client.ask("v3.2", OPERATION, KEY))

        threads = [threading.Thread(target=ask) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert [answer.body for answer in answers] == [wire(LINE)] * 8
    assert server.sessions_opened == 2
    assert server.sessions_closed == ["5E551011-0000-4000-8000-000000000002"]


@pytest.mark.parametrize(
    ("binding", "sample"),
    [
        ("soap12", "v3.2-fault-session.soap12.response.xml"),
        ("soap12", "v3.2-fault-session-subcode.soap12.response.xml"),
        ("get", "v3.2-fault-session.httpget.response.txt"),
        ("post", "v3.2-fault-session.httpget.response.txt"),
    ],
)
def test_an_expired_session_is_known_in_every_form(server: Server, binding: str, sample: str) -> None:
    """Over GET and POST the fault is a plain text: SOAP confirms it."""
    confirmed = [told("v3.2-fault-session.soap11.response.xml")] if binding in ("get", "post") else []
    answered = told(LINE if binding == "soap12" else LINE.replace("soap11", "httpget"))
    server.script = [told(sample), *confirmed, answered]
    with server.client() as client:
        answer = client.ask("v3.2", OPERATION, KEY, binding=binding)
    assert decode.line_item(answer.body) is not None
    assert answer.attempts == 2 + len(confirmed)
    assert server.sessions_opened == 2


def test_a_service_that_expires_every_session_is_given_up(server: Server) -> None:
    server.rules = lambda asked: (
        told("v3.2-fault-session.soap11.response.xml") if asked.operation == OPERATION else None
    )
    with server.client() as client, pytest.raises(errors.SessionExpired) as caught:
        client.ask("v3.2", OPERATION, KEY)
    assert server.sessions_opened <= 5
    assert caught.value.attempts == len(server.operations())


def test_refused_credentials_are_not_tried_again_by_other_threads(server: Server) -> None:
    server.rules = lambda asked: fault("Invalid Login", "Authentication") if asked.operation == "Login" else None
    with server.client() as client:
        caught: list[BaseException] = []

        def ask() -> None:
            try:
                client.ask("v3.2", OPERATION, KEY)
            except errors.ECGridError as error:
                caught.append(error)

        threads = [threading.Thread(target=ask) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        with pytest.raises(errors.CredentialsRefused, match="ECGRID_PASSWORD"):
            client.ask("v3.2", OPERATION, KEY)
    assert [type(error) for error in caught] == [errors.CredentialsRefused] * 6
    assert [asked.operation for asked in server.asked] == ["Login"]


def test_too_many_sessions_has_its_own_error(server: Server) -> None:
    server.rules = lambda asked: told("v3.2-Login-too-many-sessions.soap11.response.xml")
    with server.client() as client, pytest.raises(errors.TooManySessions) as caught:
        client.ask("v3.2", OPERATION, KEY)
    assert caught.value.should_retry is False
    for words in ("a killed run", "wait until they time out", "NetOps", "ECGRID_API_KEY"):
        assert words in str(caught.value)
    assert server.operations() == [], "no UserReset: that is a write"


def test_a_login_without_a_session_is_refused(server: Server) -> None:
    server.rules = lambda asked: soap("Login")
    with server.client() as client, pytest.raises(errors.CredentialsRefused):
        client.ask("v3.2", OPERATION, KEY)


def test_a_session_by_hand(server: Server) -> None:
    with server.client() as client:
        session_id = client.log_in("v2.3")
        assert client.open_sessions == ()
        client.log_out("v2.3", session_id)
    assert server.sessions_closed == [session_id]


# --- retries ----------------------------------------------------------------------------------------------------------


@contextmanager
def taking(at_least: float) -> Iterator[None]:
    started = time.monotonic()
    yield
    assert at_least <= time.monotonic() - started


def cut_off() -> Told:
    body = wire(LINE)
    return Told(body[:700], declared_length=len(body))


#: What may come instead of an answer: how, the error, whether asking again helps.
TROUBLE = {
    "503": (lambda: told("v3.2-transient-503.httpget.response.html"), errors.ServiceBusy, True),
    "429": (lambda: Told(b"slow down", 429, {"Content-Type": "text/plain"}), errors.ServiceBusy, True),
    "502 well-formed": (
        lambda: Told(b"<html><body><h1>502 Bad Gateway</h1></body></html>", 502, {"Content-Type": "text/html"}),
        errors.ServiceError,
        True,
    ),
    "502 not well-formed": (
        lambda: Told(b"<html><body><hr><h1>502 Bad Gateway</body></html>", 502, {"Content-Type": "text/html"}),
        errors.ServiceError,
        True,
    ),
    "504": (lambda: Told(b"", 504, {}), errors.ServiceError, True),
    "500 empty": (lambda: Told(b"", 500, {}), errors.ServiceError, True),
    "500 html": (
        lambda: Told(
            b"<html><head><title>Runtime Error</title></head><body><h1>Server Error</h1></body></html>",
            500,
            {"Content-Type": "text/html"},
        ),
        errors.ServiceError,
        True,
    ),
    "200 page well-formed": (
        lambda: Told(b"<html><body><h1>Maintenance</h1></body></html>", 200, {"Content-Type": "text/html"}),
        errors.MalformedAnswer,
        True,
    ),
    "200 page": (
        lambda: Told(b"<!DOCTYPE html><html><body><br>Back soon</html>", 200, {"Content-Type": "text/html"}),
        errors.MalformedAnswer,
        True,
    ),
    "200 text": (lambda: Told(b"OK", 200, {"Content-Type": "text/plain"}), errors.MalformedAnswer, True),
    "200 empty": (lambda: Told(b""), errors.MalformedAnswer, True),
    "200 cut off": (cut_off, errors.MalformedAnswer, True),
    "200 cut off unnoticed": (lambda: Told(wire(LINE)[:700]), errors.MalformedAnswer, True),
    "200 cut off in chunks": (lambda: Told(wire(LINE)[:700], chunked=True), errors.MalformedAnswer, True),
    "200 of another operation": (lambda: soap("InvoiceInfo"), errors.MalformedAnswer, True),
    "200 fault": (lambda: fault("Network not found", "NotFound", 200), errors.NotFound, False),
    "dropped": (lambda: Told(drop=True), errors.ServiceUnreachable, True),
    "DTD": (
        lambda: Told(b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b "c">]>' + wire(LINE)[38:]),
        errors.ForbiddenXML,
        True,
    ),
    "404": (lambda: Told(b"<html>not found</html>", 404, {}), errors.ServiceUnreachable, True),
    "403": (lambda: Told(b"<html>forbidden</html>", 403, {}), errors.ServiceUnreachable, True),
    "401": (lambda: Told(b"", 401, {}), errors.ServiceUnreachable, True),
    "302": (
        lambda: Told(b"", 302, {"Location": "https://login.example.com/?next=ecgrid"}),
        errors.ServiceUnreachable,
        True,
    ),
    "compressed otherwise": (
        lambda: Told(b"\x00\x01", 200, {"Content-Type": "text/xml", "Content-Encoding": "br"}),
        errors.MalformedAnswer,
        True,
    ),
    "damaged gzip": (
        lambda: Told(b"\x1f\x8bnonsense", 200, {"Content-Type": "text/xml", "Content-Encoding": "gzip"}),
        errors.MalformedAnswer,
        True,
    ),
    "cut gzip": (
        lambda: Told(gzip.compress(wire(LINE))[:-12], 200, {"Content-Type": "text/xml", "Content-Encoding": "gzip"}),
        errors.MalformedAnswer,
        True,
    ),
    "SQL": (lambda: fault("Timeout expired.", "SQLError"), errors.ServiceError, True),
    "number 11": (lambda: fault("oops", "11"), errors.ServiceError, True),
    "number 8": (lambda: fault("Invalid data length.", "8"), errors.InvalidArgument, False),
    "number 2": (lambda: fault("no", "2"), errors.AccessDenied, False),
    "unknown": (lambda: fault("The moon is full", "Lunar"), errors.UnknownFault, False),
    "unknown of the server's": (
        lambda: fault("The moon is full", fault_code="soap:Server"),
        errors.ServiceError,
        True,
    ),
    "pending": (lambda: fault("PENDING - not available"), errors.NotImplementedByService, False),
    "not implemented": (
        lambda: fault("Server was unable to process request. ---> The method is not implemented."),
        errors.NotImplementedByService,
        False,
    ),
    "no such operation": (
        lambda: fault("Server did not recognize the value of HTTP Header SOAPAction: http://ecgridos.net/X."),
        errors.NotImplementedByService,
        False,
    ),
    "not listed": (
        lambda: told("v3.2-InvoiceCalculateLineItem-not-listed.soap11.response.xml"),
        errors.NotOnPriceList,
        False,
    ),
    "bad enum": (
        lambda: told("v3.2-InvoiceCalculateLineItem-bad-enum.soap11.response.xml"),
        errors.InvalidArgument,
        False,
    ),
}


@pytest.mark.parametrize("name", TROUBLE)
def test_trouble_is_a_typed_error_and_asked_again_only_where_that_helps(server: Server, name: str) -> None:
    make, kind, helps = TROUBLE[name]
    server.rules = lambda asked: make() if asked.operation == OPERATION else None
    retry = RetryPolicy(max_attempts=2, first_wait_s=0.001, longest_wait_s=0.002)
    with server.client(retry=retry) as client, pytest.raises(kind) as caught:
        client.ask("v3.2", OPERATION, KEY)
    assert type(caught.value) is kind
    assert caught.value.should_retry is helps
    assert caught.value.attempts == len(server.operations()) == (2 if helps else 1)
    assert "InvoiceCalculateLineItem" in str(caught.value)
    assert "4443/0" in str(caught.value)
    assert caught.value.code == kind.code


@pytest.mark.parametrize("name", [name for name, (_, _, helps) in TROUBLE.items() if helps and name != "503"])
def test_what_passes_is_asked_again_until_it_has_passed(server: Server, name: str) -> None:
    make, _kind, _helps = TROUBLE[name]
    server.script = [make(), make(), told(LINE)]
    with server.client() as client:
        answer = client.ask("v3.2", OPERATION, KEY)
    assert answer.attempts == 3
    assert answer.body == wire(LINE)


def test_retry_after_is_honoured(server: Server) -> None:
    server.script = [Told(b"", 503, {"Retry-After": "1"}), told(LINE)]
    with server.client() as client, taking(1.0):
        client.ask("v3.2", OPERATION, KEY)


def test_a_retry_after_too_long_ends_the_call(server: Server) -> None:
    server.script = [Told(b"", 429, {"Retry-After": "3600"})]
    with server.client() as client, pytest.raises(errors.ServiceBusy, match="3600 s") as caught:
        client.ask("v3.2", OPERATION, KEY)
    assert caught.value.retry_after_s == 3600


@pytest.mark.parametrize("said", ["soon", "\xb2", "Mon, 1 Jan 12345678901234567890 00:00:00 GMT"])
def test_a_retry_after_without_a_number_is_none(server: Server, said: str) -> None:
    server.script = [Told(b"", 503, {"Retry-After": said}), told(LINE)]
    with server.client() as client:
        assert client.ask("v3.2", OPERATION, KEY).attempts == 2


def test_a_retry_after_may_be_a_date(server: Server) -> None:
    server.script = [Told(b"", 503, {"Retry-After": "Fri, 31 Dec 2100 23:59:59 GMT"})]
    with server.client() as client, pytest.raises(errors.ServiceBusy) as caught:
        client.ask("v3.2", OPERATION, KEY)
    assert (caught.value.retry_after_s or 0) > 1e9


@pytest.mark.parametrize(
    ("version", "operation", "arguments"),
    [
        ("v4.1", "GenerateAPIKey", {"UserID": 5001}),
        (
            "v3.2",
            "InvoiceCalculate",
            {
                "ContractID": 1,
                "ReportingMonth": "2023-08-01T00:00:00",
                "Include": "AllCurrentCharges",
                "InvoiceDate": "2023-09-01T00:00:00",
                "NetworkID": 1,
                "MailboxID": 0,
                "Save": True,
            },
        ),
    ],
)
def test_a_write_whose_answer_was_lost_is_not_repeated(
    server: Server, version: str, operation: str, arguments: dict[str, object]
) -> None:
    server.rules = lambda asked: Told(drop=True) if asked.operation == operation else None
    with server.client() as client, pytest.raises(errors.ServiceUnreachable) as caught:
        client.ask(version, operation, arguments)
    assert server.operations() == [operation]
    assert caught.value.may_have_run is True


def test_a_write_that_surely_did_not_run_is_repeated(server: Server) -> None:
    server.script = [Told(b"", 503, {}), soap("GenerateAPIKey", API_KEY, "https://os.ecgrid.io/")]
    with server.client() as client:
        answer = client.ask("v4.1", "GenerateAPIKey", {"UserID": 5001})
    assert decode.scalar(answer.body) == API_KEY


def test_a_calculation_that_is_not_saved_may_be_repeated(server: Server) -> None:
    server.script = [Told(drop=True), soap("InvoiceCalculate")]
    arguments = {
        "ContractID": 1,
        "ReportingMonth": "2023-08-01T00:00:00",
        "Include": "AllCurrentCharges",
        "InvoiceDate": "2023-09-01T00:00:00",
        "NetworkID": 1,
        "MailboxID": 0,
        "Save": "false",
    }
    with server.client() as client:
        assert client.ask("v3.2", "InvoiceCalculate", arguments).attempts == 2


def test_stop_ends_a_waiting_call_at_once(server: Server) -> None:
    """It waits for an hour, as it was told to."""
    server.rules = lambda asked: Told(b"", 503, {"Retry-After": "3600"}) if asked.operation == OPERATION else None
    with server.client(retry=RetryPolicy(longest_retry_after_s=7200)) as client:
        stopper = threading.Thread(target=lambda: (until(server.operations), client.stop()))
        stopper.start()
        with pytest.raises(errors.Stopped):
            client.ask("v3.2", OPERATION, KEY)
        stopper.join()
    assert len(server.operations()) == 1
    assert len(server.sessions_closed) == 1


def test_stop_gives_calls_under_way_a_grace(server: Server) -> None:
    server.script = [Told(is_silent=True)]
    with server.client() as client:
        stopper = threading.Thread(target=lambda: (until(server.operations), client.stop(0.2)))
        stopper.start()
        with taking(0.2), pytest.raises((errors.ServiceUnreachable, errors.Stopped)):
            client.ask("v3.2", OPERATION, KEY)
        stopper.join()


def test_a_signal_handler_may_close_the_client(server: Server) -> None:
    """SIGTERM in the middle of a call: the session is closed by the handler itself, and the call ends."""
    code = """
        import signal, sys
        from ecgrid_client import Credentials, ECGridClient, Endpoints, errors
        url = sys.argv[1]
        client = ECGridClient(Endpoints(url, url, url), Credentials("demo@localhost", "Corr3ct&Horse"))
        def handler(number, frame):
            client.close()
            raise SystemExit(0)
        signal.signal(signal.SIGTERM, handler)
        client.ask("v3.2", "NetworkList")
        print("open", client.open_sessions, flush=True)
        client.ask("v3.2", "MailboxList")
    """
    server.rules = lambda asked: {
        "NetworkList": soap("NetworkList"),
        "MailboxList": Told(is_silent=True),
    }.get(asked.operation)
    command = [sys.executable, "-c", textwrap.dedent(code), server.endpoints.v3_url]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
        until(lambda: "MailboxList" in server.operations() or running.poll() is not None)
        running.send_signal(signal.SIGTERM)
        said = running.communicate()
    assert (running.returncode, *said) == (0, "open ('v3.2',)\n", "")
    assert server.sessions_closed == ["5E551011-0000-4000-8000-000000000001"]


def test_a_forgotten_client_is_closed_when_the_process_ends(server: Server) -> None:
    code = """
        import sys
        from ecgrid_client import Credentials, ECGridClient, Endpoints
        url = sys.argv[1]
        client = ECGridClient(Endpoints(url, url, url), Credentials("demo@localhost", "Corr3ct&Horse"))
        client.ask("v3.2", "NetworkList")
        raise RuntimeError("forgot to close")
    """
    server.rules = lambda asked: soap("NetworkList") if asked.operation == "NetworkList" else None
    ran = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), server.endpoints.v3_url],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.stderr.endswith("RuntimeError: forgot to close\n")
    assert len(server.sessions_closed) == 1


class Limiter:
    """Records the outcome of each attempt."""

    def __init__(self) -> None:
        self.slots = 0
        self.inside = 0
        self.heard: list[tuple[str | None, int]] = []

    @contextmanager
    def slot(self) -> Iterator[None]:
        self.slots += 1
        self.inside += 1
        yield
        self.inside -= 1

    def observe(self, error: errors.ECGridError | None, latency_ms: int, operation: str) -> None:
        assert self.inside == 1
        self.heard.append((error.code if error else None, latency_ms))


def test_every_attempt_goes_through_the_limiter(server: Server) -> None:
    limiter = Limiter()
    server.script = [Told(b"", 500, {}), told(LINE)]
    with server.client(limiter=limiter) as client:
        client.ask("v3.2", OPERATION, KEY)
    assert limiter.slots == 3  # the login, and two attempts
    assert [code for code, _ in limiter.heard] == [None, "service_error", None]


def test_a_limiter_may_refuse(server: Server) -> None:
    class Shut(Limiter):
        @contextmanager
        def slot(self) -> Iterator[None]:
            raise errors.CircuitOpen("every recent call failed")
            yield

    with (
        server.client(limiter=Shut(), credentials=Credentials(api_key=API_KEY)) as client,
        pytest.raises(errors.CircuitOpen),
    ):
        client.ask("v3.2", OPERATION, KEY)
    assert server.asked == []


# --- bounds -----------------------------------------------------------------------------------------------------------


def test_a_silent_server_is_left_after_the_time_out(server: Server) -> None:
    server.rules = lambda asked: Told(is_silent=True)
    with (
        server.client(
            call_timeout_s=0.4, retry=RetryPolicy(max_attempts=1), credentials=Credentials(api_key=API_KEY)
        ) as client,
        taking(0.3),
        pytest.raises(errors.ServiceUnreachable, match=r"within 0\.4 s"),
    ):
        client.ask("v3.2", OPERATION, KEY)


def test_a_trickling_response_ends_with_the_time_out(server: Server) -> None:
    """A byte every 50 ms keeps any read time-out content, until all has come; the deadline does not care."""
    server.rules = lambda asked: Told(wire(LINE), drip_s=0.05)
    with (
        server.client(
            call_timeout_s=1.0, retry=RetryPolicy(max_attempts=1), credentials=Credentials(api_key=API_KEY)
        ) as client,
        taking(0.9),
        pytest.raises(errors.ServiceUnreachable, match="within 1 s"),
    ):
        client.ask("v3.2", OPERATION, KEY)


def test_nobody_listening() -> None:
    server = Server()
    endpoints = server.endpoints
    server.close()
    with (
        ECGridClient(endpoints, Credentials("a", "b"), retry=RetryPolicy(1)) as client,
        pytest.raises(errors.ServiceUnreachable, match=r"no connection to 127\.0\.0\.1") as caught,
    ):
        client.ask("v3.2", "Version")
    assert caught.value.may_have_run is False
    assert caught.value.should_retry is True


@pytest.mark.parametrize("is_declared", [True, False])
def test_an_answer_over_the_limit_is_not_read(server: Server, is_declared: bool) -> None:
    body = b"<string>" + b"a" * 300_000 + b"</string>"
    server.script = [Told(body) if is_declared else Told(body, chunked=True)]
    with (
        server.client(max_answer_bytes=100_000) as client,
        pytest.raises(errors.AnswerTooLarge, match="100,000") as caught,
    ):
        client.ask("v3.2", "Version", binding="get")
    assert caught.value.should_retry is False


def test_a_small_answer_that_swells_is_not_read(server: Server) -> None:
    bomb = io.BytesIO()
    with gzip.GzipFile(fileobj=bomb, mode="wb") as packed:
        for _ in range(64):
            packed.write(b"\0" * (1 << 20))
    assert len(bomb.getvalue()) < 100_000
    server.script = [Told(bomb.getvalue(), 200, {"Content-Type": "text/xml", "Content-Encoding": "gzip"})]
    with (
        server.client(max_answer_bytes=1 << 20) as client,
        pytest.raises(errors.AnswerTooLarge, match="once decompressed"),
    ):
        client.ask("v3.2", "Version")


def test_a_compressed_answer_is_read(server: Server) -> None:
    server.script = [Told(gzip.compress(wire(LINE)), 200, {"Content-Type": "text/xml", "Content-Encoding": "gzip"})]
    with server.client() as client:
        assert client.ask("v3.2", OPERATION, KEY).body == wire(LINE)


def test_no_redirect_is_followed(server: Server) -> None:
    other = Server()
    server.script = [Told(b"", 307, {"Location": f"{other.origin}/v3.2/prod/ECGridOS.asmx"})] * 3
    with server.client() as client, pytest.raises(errors.ServiceUnreachable, match="redirects"):
        client.ask("v3.2", OPERATION, KEY)
    other.close()
    assert other.asked == []


def test_a_proxy_of_the_environment_is_used_but_not_for_loopback(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy = Server()
    monkeypatch.setenv("HTTPS_PROXY", f"http://user:s3cr3t-of-proxy@127.0.0.1:{proxy.origin.rpartition(':')[2]}")
    monkeypatch.setenv("HTTP_PROXY", proxy.origin)
    server.script = [soap("Version", "v3.2")]
    with server.client() as client:
        client.ask("v3.2", "Version")
    assert proxy.asked == []
    elsewhere = "https://ecgridos.invalid/v3.2/prod/ecgridos.asmx"
    with (
        ECGridClient(Endpoints(v3_url=elsewhere), Credentials("a", "b"), retry=RetryPolicy(1)) as client,
        pytest.raises(errors.ServiceUnreachable) as caught,
    ):
        client.ask("v3.2", "Version")
    assert "proxy" in str(caught.value)
    assert "s3cr3t" not in repr(caught.value)
    proxy.close()


def test_connections_are_kept_and_shared(server: Server) -> None:
    server.rules = lambda asked: soap("Version", asked.headers["host"])
    ports = set()
    original = server._server.process_request

    def counting(request: object, address: tuple[str, int]) -> None:
        ports.add(address[1])
        original(request, address)

    server._server.process_request = counting
    with server.client() as client:
        for _ in range(5):
            client.ask("v3.2", "Version")
            client.ask("v2.3", "Version")
    assert len(ports) == 1


def test_a_kept_connection_that_the_server_closed_loses_neither_call_nor_logout(server: Server) -> None:
    server.most_on_connection = 1
    server.rules = lambda asked: told(LINE) if asked.operation == OPERATION else None
    with server.client() as client:
        assert [client.ask("v3.2", OPERATION, KEY).attempts for _ in range(3)] == [2, 2, 2]
    assert len(server.sessions_closed) == 1


@pytest.mark.parametrize("first", [Told(b"", 503, {}), Told(drop=True)], ids=["busy", "lost"])
def test_a_logout_that_fails_once_is_repeated(server: Server, first: Told, caplog: pytest.LogCaptureFixture) -> None:
    """The lost one was executed, so the second finds no session: it is closed all the same."""
    logouts = [first, fault("Invalid Session ID", "Authentication")]
    server.rules = lambda asked: {OPERATION: lambda: told(LINE), "Logout": lambda: logouts.pop(0)}.get(
        asked.operation, lambda: None
    )()
    with server.client() as client:
        client.ask("v3.2", OPERATION, KEY)
    assert [asked.operation for asked in server.asked] == ["Login", OPERATION, "Logout", "Logout"]
    assert "session not closed" not in caplog.text


def test_an_operation_that_only_the_service_describes_is_asked_by_its_own_wsdl(server: Server) -> None:
    """`v3.2-service.wsdl` has ParcelUpload(FileName string, Bytes int, Content base64Binary), which ours has not."""
    server.rules = lambda asked: (
        Told(wire("v3.2-service.wsdl"))
        if asked.path.endswith("?WSDL")
        else soap("ParcelUpload", "77")
        if asked.operation == "ParcelUpload"
        else None
    )
    with server.client() as client:
        service = client.learn("v3.2", "ParcelUpload")
        answer = client.ask("v3.2", "ParcelUpload", {"FileName": "a.edi", "Bytes": 3, "Content": "QUJD"})
        assert decode.to_json(answer.body, "ParcelUpload", "v3.2", service) == 77
        with pytest.raises(errors.InvalidArgument, match="no operation 'Nonsense'"):
            client.learn("v3.2", "Nonsense")
    assert [asked.path for asked in server.asked if asked.method == "GET"] == ["/v3.2/prod/ECGridOS.asmx?WSDL"]


def test_a_login_is_sent_no_oftener_than_any_call(server: Server) -> None:
    server.rules = lambda asked: Told(b"", 503, {}) if asked.operation == "Login" else None
    with server.client() as client, pytest.raises(errors.ServiceBusy):
        client.ask("v3.2", OPERATION, KEY)
    assert len(server.asked) == 3, "max_attempts of these clients"
