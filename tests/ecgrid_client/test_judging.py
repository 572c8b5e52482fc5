"""What is an answer: the body decides, whatever the status; and it is for the key that was requested."""

import gzip
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest

from ecgrid_client import Credentials, ECGridClient, Endpoints, RetryPolicy, decode, errors, judging
from ecgrid_client.faults import error_of_status, page_words
from ecgrid_client.judging import judge
from ecgrid_client.markup import parse
from ecgrid_client.transport import Reply

from .client_replay import Asked, Server, Told, fault, soap, told, wire

OPERATION = "InvoiceCalculateLineItem"
LINE = wire("v3.2-InvoiceCalculateLineItem.soap11.response.xml")
NOT_LISTED = wire("v3.2-InvoiceCalculateLineItem-not-listed.soap11.response.xml")
NO_RESULT = wire("v3.2-InvoiceCalculateLineItem-no-result.soap11.response.xml")
KEY = {
    "NetworkID": 4443,
    "MailboxID": 0,
    "ReportingMonth": "2023-08-01T00:00:00",
    "AccountReport": "TrafficKCInterchangeTiered",
    "MeasureField": "TieredKCIntCount",
}
API_KEY = Credentials(api_key="0f8fad5b-d9cb-469f-a165-70867728950e")
STATUSES = (
    *(200, 201, 202, 203, 204, 206, 300, 302, 304, 307, 400, 401, 402, 403, 404, 405, 406, 407, 408, 409, 410),
    *(411, 412, 413, 414, 415, 416, 417, 421, 422, 425, 426, 428, 429, 431, 451, 499),
    *(500, 501, 502, 503, 504, 505, 507, 511, 520, 522, 599),
)
HTML = {"Content-Type": "text/html; charset=utf-8"}
#: Statuses that HTTP gives no body.
BODILESS = (204, 304)


def xhtml(words: str) -> bytes:
    return (
        '<?xml version="1.0"?><!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0 Strict//EN" "http://www.w3.org/TR/xhtml1">'
        f'<html xmlns="http://www.w3.org/1999/xhtml"><body><h1>{words}</h1></body></html>'
    ).encode()


#: Bodies that are no answer of InvoiceCalculateLineItem.
PAGES: dict[str, bytes] = {
    "nothing": b"",
    "a page": b"<!DOCTYPE html><html><body><br>Sign in</html>",
    "a well-formed page": b"<html><body><p>Blocked. Reference 18.2a</p></body></html>",
    "XHTML": xhtml("Access Denied"),
    "XHTML that quotes a fault": xhtml("<faultstring>Access Denied</faultstring>"),
    "text": b"Access Denied",
    "JSON": b'{"error": {"code": "AccessDenied", "message": "not on price list"}}',
    "an object store's error": b"<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>",
    "another stack's error": b"<Exception><Message>NetworkID not found</Message></Exception>",
    "a bare fault": b"<Fault><faultstring>Access Denied</faultstring></Fault>",
    "half an answer": LINE[:900],
    "half a fault": NOT_LISTED[:350],
    "another operation's response": soap("InvoiceInfo").body,
    "an envelope of nothing": b"<soap:Envelope xmlns:soap='http://schemas.xmlsoap.org/soap/envelope/'><soap:Body/>"
    b"</soap:Envelope>",
}


@contextmanager
def asking(server: Server, attempts: int = 2) -> Iterator[ECGridClient]:
    retry = RetryPolicy(max_attempts=attempts, first_wait_s=0.001, longest_wait_s=0.002)
    with server.client(credentials=API_KEY, retry=retry) as client:
        yield client


def test_a_page_is_no_response_of_an_operation_without_a_result() -> None:
    """Only the service's own WSDL can have one."""
    operation = replace(decode.own_service("v3.2").operation("Logout"), result_type=None)
    reply = Reply(200, "text/html", None, b"<html><body>Sign in</body></html>")
    with pytest.raises(errors.ECGridError, match="<html> instead of an envelope"):
        judge(reply, operation, {}, "get", "here")


def test_only_a_status_that_refuses_a_call_says_that_it_was_not_executed() -> None:
    refused = [code for code in STATUSES if not error_of_status(code, "text/html", b"<html>", "here").may_have_run]
    assert refused == [401, 404, 407, 408, 410, 429, 503]


@pytest.mark.parametrize("status", STATUSES)
def test_no_page_is_an_answer_whatever_its_status(server: Server, status: int) -> None:
    """Each is retried, and the answer that comes then is taken; where none comes, it is no answer of the service's."""
    pages = [b""] if status in BODILESS else list(PAGES.values())
    with asking(server) as client:
        for body in pages:
            server.script = [Told(body, status, HTML), Told(LINE)]
            assert client.ask("v3.2", OPERATION, KEY).attempts == 2, body
            server.script = [Told(body, status, HTML)] * 2
            with pytest.raises(errors.ECGridError) as caught:
                client.ask("v3.2", OPERATION, KEY)
            assert (caught.value.is_answer, caught.value.should_retry, caught.value.attempts) == (False, True, 2), body
            assert caught.value.code not in {kind.code for kind in errors.ANSWERS}
            assert "InvoiceCalculateLineItem 4443/0" in str(caught.value)


@pytest.mark.parametrize("status", [status for status in STATUSES if status not in BODILESS])
def test_a_result_and_a_fault_count_whatever_their_status(server: Server, status: int) -> None:
    with asking(server) as client:
        for content_type in ("text/xml; charset=utf-8", "text/html", "application/octet-stream"):
            headers = {"Content-Type": content_type}
            server.script = [Told(LINE, status, headers)]
            assert decode.line_item(client.ask("v3.2", OPERATION, KEY).body) is not None
            server.script = [Told(NOT_LISTED, status, headers)]
            with pytest.raises(errors.NotOnPriceList) as caught:
                client.ask("v3.2", OPERATION, KEY)
            assert (caught.value.is_answer, caught.value.attempts) == (True, 1)


def utf16(body: bytes) -> bytes:
    return body.replace(b'encoding="utf-8"', b'encoding="utf-16"').decode().encode("utf-16")


DRESSES: dict[str, Callable[[bytes], bytes]] = {
    "a byte order mark": lambda body: b"\xef\xbb\xbf" + body,
    "blank lines before": lambda body: b"\r\n \r\n" + body,
    "no declaration": lambda body: body.partition(b"?>")[2],
    "UTF-16": utf16,
    "the other namespace": lambda body: body.replace(b"http://ecgridos.net/", b"https://os.ecgrid.io/"),
    "SOAP 1.2": lambda body: body.replace(
        b"http://schemas.xmlsoap.org/soap/envelope/", b"http://www.w3.org/2003/05/soap-envelope"
    ),
    "a header": lambda body: body.replace(b"<soap:Body>", b"<soap:Header><a>1</a></soap:Header><soap:Body>"),
    "another prefix": lambda body: body.replace(b"soap:", b"SOAP-ENV:").replace(b"xmlns:soap=", b"xmlns:SOAP-ENV="),
    "a comment before": lambda body: body.replace(b"?>", b"?><!-- served by node 7 -->", 1),
}


@pytest.mark.parametrize("binding", ["soap11", "soap12"])
@pytest.mark.parametrize("dress", DRESSES)
@pytest.mark.parametrize("packed", [False, True])
def test_an_answer_is_read_in_every_dress(server: Server, binding: str, dress: str, packed: bool) -> None:
    """A SOAP 1.1 answer to a SOAP 1.2 request too, and the other way round."""
    encoding = {"Content-Encoding": "gzip"} if packed else {}

    def dressed(body: bytes) -> Told:
        made = DRESSES[dress](body)
        return Told(gzip.compress(made) if packed else made, 200, {"Content-Type": "text/xml", **encoding})

    server.script = [dressed(LINE), dressed(NOT_LISTED)]
    with asking(server) as client:
        assert decode.line_item(client.ask("v3.2", OPERATION, KEY, binding=binding).body) == decode.line_item(LINE)
        with pytest.raises(errors.NotOnPriceList):
            client.ask("v3.2", OPERATION, KEY, binding=binding)


# --- faults that may pass, and faults of others -----------------------------------------------------------------------


def other_stack(detail: str, words: str = "Access Denied") -> Told:
    """A SOAP fault of a gateway, with a code of its own."""
    return Told(
        '<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body><s:Fault><faultcode>s:Client'
        f"</faultcode><faultstring>{words}</faultstring><detail>{detail}</detail></s:Fault></s:Body></s:Envelope>".encode(),
        500,
    )


SUBCODE = wire("v3.2-fault-session-subcode.soap12.response.xml").replace(
    b"<soap:Detail><ECGridOSSOAPErrorCode>Authentication</ECGridOSSOAPErrorCode></soap:Detail>", b""
)
PASSING: dict[str, Callable[[], Told]] = {
    "SQL": lambda: fault("Timeout expired.", "SQLError"),
    "internal": lambda: fault("Object reference not set to an instance of an object.", "InternalError"),
    "unknown": lambda: fault("An error occurred.", "Unknown"),
    "number -1": lambda: fault("An error occurred.", "-1"),
    "no code": lambda: fault("Object reference not set to an instance of an object."),
    "no code, no words": lambda: fault(""),
    "no code, a refusal": lambda: fault("Access Denied"),
    "no code, not found": lambda: fault("NetworkID 4443 not found"),
    "no code, an unread request": lambda: fault("Server was unable to read request. ---> Root element is missing."),
    "no code, credentials": lambda: fault("Invalid user name or password"),
    "a gateway's code": lambda: other_stack(
        '<dp:ErrorCode xmlns:dp="http://www.datapower.com/">AccessDenied</dp:ErrorCode>'
    ),
    "a gateway's text": lambda: other_stack("<source>policy</source>", "Upstream not found"),
    "a gateway's subcode": lambda: Told(
        SUBCODE.replace(b"q0:Authentication", b"q0:InternalServiceFault").replace(b"Invalid Session ID", b"not found"),
        500,
    ),
}


@pytest.mark.parametrize("name", PASSING)
def test_a_fault_that_may_pass_is_retried_and_then_no_answer(server: Server, name: str) -> None:
    with asking(server) as client:
        server.script = [PASSING[name](), Told(LINE)]
        assert client.ask("v3.2", OPERATION, KEY).attempts == 2
        server.script = [PASSING[name](), PASSING[name]()]
        with pytest.raises(errors.ServiceError) as caught:
            client.ask("v3.2", OPERATION, KEY)
    assert (caught.value.is_answer, caught.value.attempts) == (False, 2)


FINAL: dict[str, tuple[Told, type[errors.ECGridError]]] = {
    "bad enum": (told("v3.2-InvoiceCalculateLineItem-bad-enum.soap11.response.xml"), errors.InvalidArgument),
    "pending": (fault("PENDING: not available"), errors.NotImplementedByService),
    "no such operation": (
        fault("Server did not recognize the value of HTTP Header SOAPAction: http://ecgridos.net/X."),
        errors.NotImplementedByService,
    ),
    "not listed without a code": (fault("not on the price list"), errors.NotOnPriceList),
    "a number in ErrorInfo": (other_stack("<ErrorInfo><ErrorCode>3</ErrorCode></ErrorInfo>"), errors.NotFound),
    "a known subcode": (Told(SUBCODE.replace(b"q0:Authentication", b"q0:NotFound"), 500), errors.NotFound),
    "a code nobody knows": (fault("The moon is full", "Lunar"), errors.UnknownFault),
}  # fmt: skip


@pytest.mark.parametrize("name", FINAL)
def test_a_fault_of_the_services_own_is_its_answer(server: Server, name: str) -> None:
    """Without a code only what nobody else writes: a service of 2016 says 'bad enum' of every later measure."""
    given, kind = FINAL[name]
    server.script = [given]
    with asking(server) as client, pytest.raises(kind) as caught:
        client.ask("v3.2", OPERATION, KEY)
    assert (caught.value.is_answer, caught.value.attempts) == (True, 1)


def test_a_busy_gateways_fault_has_the_time_to_wait(server: Server) -> None:
    busy = Told(other_stack("", "Rate limit exceeded").body, 503, {"Retry-After": "600"})
    server.script = [busy]
    with asking(server) as client, pytest.raises(errors.ServiceBusy) as caught:
        client.ask("v3.2", OPERATION, KEY)
    assert caught.value.retry_after_s == 600


def test_what_stands_before_a_login_neither_refuses_the_password_nor_passes_for_the_answer_to_a_key(
    server: Server,
) -> None:
    server.rules = lambda asked: Told(b"", 401) if asked.operation == "Login" else None
    with server.client() as client, pytest.raises(errors.ServiceUnreachable) as caught:
        client.ask("v3.2", OPERATION, KEY)
    assert caught.value.is_answer is False
    server.rules = lambda asked: fault("PENDING: Login") if asked.operation == "Login" else None
    with server.client() as client, pytest.raises(errors.NotImplementedByService) as caught_too:
        client.ask("v3.2", OPERATION, KEY)
    assert caught_too.value.is_answer is False


# --- GET and POST -----------------------------------------------------------------------------------------------------

TEXT = {"Content-Type": "text/plain; charset=utf-8"}


@pytest.mark.parametrize("binding", ["get", "post"])
@pytest.mark.parametrize(
    "said",
    [Told(b"not on the price list\n", 500, TEXT), Told(b"<e><faultstring>not found</faultstring></e>", 500)],
    ids=["text", "faultstring"],
)
def test_a_text_over_get_or_post_counts_once_soap_gives_a_fault(server: Server, binding: str, said: Told) -> None:
    server.script = [said, Told(NOT_LISTED, 500)]
    with asking(server) as client, pytest.raises(errors.NotOnPriceList) as caught:
        client.ask("v3.2", OPERATION, KEY, binding=binding)
    assert (caught.value.is_answer, caught.value.attempts) == (True, 2)
    assert caught.value.answer is not None
    assert (caught.value.answer.binding, caught.value.answer.body) == ("soap11", NOT_LISTED)


@pytest.mark.parametrize("binding", ["get", "post"])
def test_a_text_that_soap_contradicts_is_a_proxys(server: Server, binding: str) -> None:
    over_get = wire("v3.2-InvoiceCalculateLineItem.httpget.response.xml")
    with asking(server) as client:
        server.script = [Told(b"not found", 500, TEXT), Told(LINE), Told(over_get)]
        assert decode.line_item(client.ask("v3.2", OPERATION, KEY, binding=binding).body) is not None
        server.script = [Told(b"not found", 500, TEXT), Told(LINE)] * 2
        with pytest.raises(errors.ServiceError, match="not found") as caught:
            client.ask("v3.2", OPERATION, KEY, binding=binding)
    assert caught.value.is_answer is False


def test_a_write_is_not_sent_once_more_to_confirm_a_text(server: Server) -> None:
    server.script = [Told(b"Access Denied", 500, TEXT)]
    with asking(server) as client, pytest.raises(errors.ServiceError, match="Access Denied") as caught:
        client.ask("v4.1", "GenerateAPIKey", {"UserID": 5001}, binding="post")
    assert (caught.value.attempts, caught.value.is_answer) == (1, False)


def test_a_text_to_a_soap_request_is_a_proxys_and_ends_no_session(server: Server) -> None:
    server.script = [Told(b"Invalid Session ID", 500, TEXT), Told(LINE)]
    with server.client() as client:
        assert client.ask("v3.2", OPERATION, KEY).attempts == 2
    assert server.sessions_opened == 1


# --- for the key that was requested -----------------------------------------------------------------------------------

OTHERS: dict[str, bytes] = {
    "another network": LINE.replace(b"<SystemID>4443<", b"<SystemID>4440<"),
    "a mailbox": LINE.replace(b"<SystemObject>Network<", b"<SystemObject>Mailbox<"),
    "another report": LINE.replace(b"<AccountReport>TrafficKCInterchangeTiered<", b"<AccountReport>TrafficAll<"),
    "another measure": LINE.replace(b"<Measure>TieredKCIntCount<", b"<Measure>ToTrans<"),
}


@pytest.mark.parametrize("name", OTHERS)
def test_an_answer_for_another_key_is_refused_and_the_key_requested_again(server: Server, name: str) -> None:
    """At once, within the attempt, over a new connection; also where one attempt is all there is."""
    assert OTHERS[name] != LINE
    ports: list[int] = []
    original = server._server.process_request

    def noting(request: object, address: tuple[str, int]) -> None:
        ports.append(address[1])
        original(request, address)

    server._server.process_request = noting
    server.script = [Told(LINE), Told(OTHERS[name]), Told(LINE)]
    with asking(server, attempts=1) as client:
        assert client.ask("v3.2", OPERATION, KEY).attempts == 1
        assert len(ports) == 1
        answer = client.ask("v3.2", OPERATION, KEY)
    assert (answer.body, answer.attempts, len(ports)) == (LINE, 2, 2)


@pytest.mark.parametrize("name", OTHERS)
def test_what_a_new_connection_answers_alike_is_the_services_own_word(server: Server, name: str) -> None:
    server.script = [Told(OTHERS[name])] * 2
    with asking(server, attempts=1) as client:
        answer = client.ask("v3.2", OPERATION, KEY)
    assert (answer.body, answer.attempts) == (OTHERS[name], 2)


def test_answers_for_ever_other_keys_are_none(server: Server) -> None:
    numbers = iter(range(5000, 6000))
    server.rules = lambda asked: Told(LINE.replace(b"<SystemID>4443<", b"<SystemID>%d<" % next(numbers)))
    with asking(server, attempts=3) as client, pytest.raises(errors.MisdirectedAnswer, match="Network 500") as caught:
        client.ask("v3.2", OPERATION, KEY)
    assert (caught.value.is_answer, caught.value.should_retry) == (False, True)
    assert isinstance(caught.value, errors.MalformedAnswer)


@pytest.mark.parametrize(
    "body",
    [
        LINE.replace(b"2023-08-31T00:00:00", b"2019-01-01T00:00:00"),
        LINE.replace(b"<SystemObject>Network<", b"<SystemObject>AS2<"),
        LINE.replace(b"<SystemObject>Network<", b"<SystemObject>Mailbox<").replace(b">4443<", b">0<"),
        NO_RESULT,
        wire("v3.2-InvoiceCalculateLineItem-no-schedule.soap11.response.xml").replace(b">4440<", b">4443<"),
        re.sub(rb"<AccountReport>\w+<", b"<AccountReport><", LINE),
        re.sub(rb"<Measure>\w+<", b"<Measure><", LINE),
    ],
    ids=["another day", "an AS2 id", "the Root as mailbox 0", "no result", "no schedule", "no report", "no measure"],
)
def test_what_states_no_other_key_is_taken(server: Server, body: bytes) -> None:
    """A line may rightly bear a day outside the month; an AS2 id names no account."""
    server.script = [Told(body)]
    with asking(server) as client:
        assert client.ask("v3.2", OPERATION, KEY).attempts == 1


RECORDS: dict[str, tuple[str, dict[str, object], dict[str, object]]] = {
    "PricelistInfo": ("v3.2-PricelistInfo.soap11.response.xml", {"PricelistID": 432}, {"PricelistID": 431}),
    "NetworkInfo": ("v3.2-NetworkInfo.soap11.response.xml", {"NetworkID": 4440}, {"NetworkID": 4443}),
    "InvoiceInfo": ("v3.2-InvoiceInfo.soap11.response.xml", {"InvoiceID": 752000}, {"InvoiceID": 750001}),
    "MailboxListEx": ("v3.2-MailboxListEx.soap11.response.xml", {"NetworkID": 4440}, {"NetworkID": 4443}),
}


@pytest.mark.parametrize("operation", RECORDS)
def test_records_and_lists_name_their_own_id(server: Server, operation: str) -> None:
    sample, right, wrong = RECORDS[operation]
    with asking(server) as client:
        server.script = [told(sample)]
        assert client.ask("v3.2", operation, right).attempts == 1
        server.script = [told(sample), told(sample)]
        assert client.ask("v3.2", operation, wrong).attempts == 2, "looked at twice, then the service's own word"
    everything = {"BeginDate": "2023-01-01T00:00:00", "EndDate": "2023-12-31T00:00:00", "Status": "All"}
    with asking(server) as client:
        server.script = [told("v3.2-InvoiceList.soap11.response.xml")]
        assert client.ask("v3.2", "InvoiceList", {**everything, "ContractID": -1}).attempts == 1, "of all contracts"
        server.script = [told("v3.2-InvoiceList.soap11.response.xml")] * 2
        assert client.ask("v3.2", "InvoiceList", {**everything, "ContractID": 8750}).attempts == 2


# --- a connection out of step -----------------------------------------------------------------------------------------


class Doubling:
    """A server on one port that sends each answer twice: the second half a millisecond later, or at once.

    `answers` gives the body for a request's body. Its own books say how many requests came over each connection.
    """

    def __init__(self, answers: Callable[[bytes], bytes], *, later_s: float) -> None:
        self._answers = answers
        self._later_s = later_s
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.requests: list[bytes] = []
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}/v3.2/prod/ECGridOS.asmx"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, connection.makefile("rb") as incoming:
            try:
                while incoming.readline():
                    length = 0
                    while (line := incoming.readline().strip()) != b"":
                        name, _, value = line.partition(b":")
                        length = int(value) if name.lower() == b"content-length" else length
                    request = incoming.read(length)
                    self.requests.append(request)
                    body = self._answers(request)
                    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nContent-Length: %d\r\n\r\n" % len(body)
                    connection.sendall(head + body)
                    time.sleep(self._later_s)
                    connection.sendall(head + body)
            except OSError:
                return

    def close(self) -> None:
        self._listener.close()


def value_of(request: bytes, name: str) -> str:
    return request.partition(f"<ns0:{name}>".encode())[2].partition(b"<")[0].decode()


def line_for(request: bytes) -> bytes:
    """The right answer to a request: every fourth mailbox is billed nothing, so its answer names no key."""
    if b"InvoiceCalculateLineItem" not in request:
        return soap("Version", "3.2").body
    mailbox = value_of(request, "MailboxID")
    if int(mailbox) % 4 == 0:
        return NO_RESULT
    return LINE.replace(b"<SystemObject>Network<", b"<SystemObject>Mailbox<").replace(
        b"<SystemID>4443<", f"<SystemID>{mailbox}<".encode()
    )


@pytest.mark.parametrize("later_s", [0.0, 0.0005])
@pytest.mark.parametrize("first", [1, 4])
def test_a_server_that_sends_each_answer_twice_gives_no_key_another_keys(later_s: float, first: int) -> None:
    """Also where the first answer of all names no key, and would pass for that of the next."""
    server = Doubling(line_for, later_s=later_s)
    retry = RetryPolicy(max_attempts=2, first_wait_s=0.001, longest_wait_s=0.002)
    with ECGridClient(Endpoints(server.url, server.url, server.url), API_KEY, retry=retry) as client:
        for mailbox in range(first, first + 60):
            found = decode.line_item(client.ask("v3.2", OPERATION, {**KEY, "MailboxID": mailbox}).body)
            assert (found.system_id if found else None) == (mailbox if mailbox % 4 else None)
    server.close()


def test_answers_that_rightly_repeat_are_looked_into_a_few_times_only(server: Server) -> None:
    """Two hundred keys that are billed nothing: the connection shows by Version that it is in step, then is trusted."""

    def rules(asked: Asked) -> Told | None:
        return Told(NO_RESULT) if asked.operation == OPERATION else soap("Version", "3.2")

    server.rules = rules
    with asking(server) as client:
        for mailbox in range(1, 201):
            assert client.ask("v3.2", OPERATION, {**KEY, "MailboxID": mailbox}).attempts == 1
    assert server.operations().count(OPERATION) == 200
    assert 1 <= server.operations().count("Version") <= 20


def test_what_a_line_states_is_cut_to_200_characters() -> None:
    line = parse(b"<LineItem><SystemObject>Mailbox</SystemObject><SystemID>%s</SystemID></LineItem>" % (b"9" * 300))
    assert judging._of_line(line, {"MailboxID": "1"}) == judging.Stated(False, f"Mailbox {'9' * 192}")


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"Service unavailable &amp; closed", "Service unavailable &amp; closed"),
        (b"<p>Service&nbsp;<b>unavailable</b> &amp; closed</p>", "Service\xa0 unavailable  & closed"),
        (b"<STYLE>p { color: red }</style><script>alert('<p>')</script><!-- a <b> --><p>Down", "Down"),
    ],
)
def test_the_words_of_a_page(body: bytes, words: str) -> None:
    assert page_words(body).strip() == words
