"""Secrets stay secret: in every repr, log line (DEBUG too), exception and kept fault body."""

import io
import logging
import pickle
import traceback
from collections.abc import Iterator
from urllib.parse import quote, quote_plus
from xml.sax.saxutils import escape

import pytest

from ecgrid_client import Credentials, ECGridClient, RetryPolicy, errors
from ecgrid_client.masking import MASKER, Masker

from .client_replay import Asked, Server, Told, fault, soap, told

PASSWORD = "Corr3ct&Horse<9> \"stäple'"
KEY = "0f8fad5b-d9cb-469f-a165-70867728950e"
PAIR = "TrafficKCInterchangeTiered/TieredKCIntCount"
LINE = {
    "NetworkID": 4443,
    "MailboxID": 0,
    "ReportingMonth": "2023-08-01T00:00:00",
    "AccountReport": "TrafficKCInterchangeTiered",
    "MeasureField": "TieredKCIntCount",
}


@pytest.fixture
def written() -> Iterator[io.StringIO]:
    """Everything that any logger of this process writes, at DEBUG, with tracebacks."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    root = logging.getLogger()
    before = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield stream
    root.removeHandler(handler)
    root.setLevel(before)


def all_text_of(error: BaseException) -> str:
    """What an exception shows anywhere: its words, its chain, its kept answer, its pickle."""
    parts = ["".join(traceback.format_exception(error)), repr(error), str(error)]
    seen: BaseException | None = error
    while seen is not None:
        parts += [repr(seen), repr(seen.args), repr(seen.__cause__), repr(seen.__context__)]
        if isinstance(seen, errors.ECGridError):
            parts += [repr(seen.__dict__), repr(seen.fault)]
            if seen.answer is not None:
                parts += [repr(seen.answer), seen.answer.body.decode("utf-8", "replace"), repr(seen.answer.arguments)]
            parts.append(pickle.dumps(seen).decode("latin-1"))
        seen = seen.__cause__ or seen.__context__
    return "\n".join(parts)


def forms(secret: str) -> list[str]:
    return [secret, quote(secret), quote_plus(secret), escape(secret), secret.lower(), secret.upper()]


def assert_silent(text: str, *secrets: str) -> None:
    for secret in secrets:
        for form in forms(secret):
            assert form not in text, f"{form[:3]}… is in what was written"


def echo(asked: Asked) -> Told:
    """A service that throws back whatever it was sent, in every place a message has."""
    sent = asked.path + " " + asked.body.decode()
    plain = sent.replace("&", "&amp;").replace("<", "&lt;")
    return fault(f"Server was unable to process request. ---&gt; {plain}", "InternalError")


def echo_text(asked: Asked) -> Told:
    sent = asked.path + " " + asked.body.decode()
    return Told(sent.encode(), 500, {"Content-Type": "text/plain; charset=utf-8"})


@pytest.mark.parametrize("binding", ["soap11", "soap12", "get", "post"])
@pytest.mark.parametrize("credentials", [Credentials("demo@localhost", PASSWORD), Credentials(api_key=KEY)])
def test_a_service_that_echoes_everything_gives_nothing_away(
    server: Server, written: io.StringIO, binding: str, credentials: Credentials
) -> None:
    def rules(asked: Asked) -> Told | None:
        if asked.operation in ("Login", "Logout"):
            return None
        return echo(asked) if binding.startswith("soap") else echo_text(asked)

    server.rules = rules
    retry = RetryPolicy(max_attempts=2, first_wait_s=0.001, longest_wait_s=0.001)
    with server.client(credentials=credentials, retry=retry) as client:
        with pytest.raises(errors.ECGridError) as caught:
            client.ask("v3.2", "InvoiceCalculateLineItem", LINE, binding=binding)
        logging.getLogger("test").exception("it failed", exc_info=caught.value)
        shown = repr(client) + repr(client.__dict__) + repr(credentials) + str(credentials)
    said = all_text_of(caught.value) + written.getvalue() + shown
    assert f"op=v3.2.InvoiceCalculateLineItem key=4443/0/2023-08-01T00:00:00/{PAIR} status=500" in said
    assert_silent(said, PASSWORD, KEY, "5E551011-0000-4000-8000-000000000001")


def test_a_login_that_echoes_the_password_in_part(server: Server, written: io.StringIO) -> None:
    """ASP.NET's request validation quotes the beginning of the value that it refuses."""
    words = "A potentially dangerous Request.Form value was detected from the client "
    server.rules = lambda asked: fault(words + '(Password="Corr3ct&amp;Horse&lt;9...").')
    with (
        server.client(credentials=Credentials("demo@localhost", PASSWORD)) as client,
        pytest.raises(errors.CredentialsRefused) as caught,
    ):
        client.ask("v3.2", "WhoAmI")
    said = all_text_of(caught.value) + written.getvalue()
    assert "Corr3ct" not in said
    assert "potentially dangerous" in said


@pytest.mark.parametrize(
    "trouble", [Told(drop=True), Told(b"<html>502</html>", 502), Told(b"<a>", 200), Told(b"", 302)]
)
def test_lost_connections_and_pages_give_nothing_away(server: Server, written: io.StringIO, trouble: Told) -> None:
    server.rules = lambda asked: None if asked.operation in ("Login", "Logout") else trouble
    with server.client(credentials=Credentials("demo@localhost", PASSWORD)) as client:
        for binding in ("soap11", "get", "post"):
            with pytest.raises(errors.ECGridError) as caught:
                client.ask("v3.2", "InvoiceCalculateLineItem", LINE, binding=binding)
            assert_silent(all_text_of(caught.value), PASSWORD, "5E551011-0000-4000-8000-000000000001")
    assert_silent(written.getvalue(), PASSWORD, "5E551011-0000-4000-8000-000000000001")


def test_nobody_home_gives_nothing_away(server: Server, written: io.StringIO) -> None:
    endpoints = server.endpoints
    server.close()
    with ECGridClient(endpoints, Credentials(api_key=KEY), retry=RetryPolicy(1)) as client:
        for binding in ("soap11", "get", "post"):
            with pytest.raises(errors.ServiceUnreachable) as caught:
                client.ask("v3.2", "WhoAmI", binding=binding)
            assert_silent(all_text_of(caught.value), KEY)
    assert_silent(written.getvalue(), KEY)


def test_good_calls_log_one_line_each_and_no_secret(server: Server, written: io.StringIO) -> None:
    server.script = [
        told("v3.2-InvoiceCalculateLineItem.soap11.response.xml"),
        told("v3.2-WhoAmI.soap12.response.xml"),
        soap("NetworkList"),
    ]
    with server.client(credentials=Credentials("demo@localhost", PASSWORD)) as client:
        client.ask("v3.2", "InvoiceCalculateLineItem", LINE)
        who = client.ask("v3.2", "WhoAmI", binding="soap12")
        client.ask("v3.2", "NetworkList", {"Name": "two\nlines \x1b[31m"[:10]})
    lines = [line for line in written.getvalue().splitlines() if line.startswith("op=")]
    names = [line.split()[0] for line in lines]
    assert names == [
        "op=v3.2.Login",
        "op=v3.2.InvoiceCalculateLineItem",
        "op=v3.2.WhoAmI",
        "op=v3.2.NetworkList",
        "op=v3.2.Logout",
    ]
    assert all("status=200 ms=" in line for line in lines)
    assert lines[3].split()[1] == "key=two_lines_"
    assert_silent(written.getvalue() + repr(who), PASSWORD, "5E551011-0000-4000-8000-000000000001")


def test_arguments_of_an_answer_have_no_secret(server: Server) -> None:
    server.script = [soap("Logout", "0"), soap("Login", KEY)]
    server.rules = lambda asked: server.script.pop(0)
    with server.client(credentials=Credentials(api_key=KEY)) as client:
        out = client.ask("v3.2", "Logout", {"SessionID": "5E551011-0000-4000-8000-00000000ABCD"})
        login = client.ask("v3.2", "Login", {"LoginName": "demo@localhost", "Password": PASSWORD})
    assert dict(out.arguments) == {}
    assert dict(login.arguments) == {"LoginName": "***", "Password": "***"}


def test_a_refused_argument_does_not_quote_a_secret(server: Server) -> None:
    wrong = {"LoginName": "x", "Password": "<script\x01 Corr3ct"}
    dangerous = {"LoginName": "x", "Password": "<script Corr3ct"}
    with server.client(credentials=Credentials(api_key=KEY)) as client:
        with pytest.raises(errors.InvalidArgument) as caught:
            client.ask("v3.2", "Login", wrong)
        with pytest.raises(errors.InvalidArgument) as validated:
            client.ask("v3.2", "Login", dangerous, binding="post")
    assert "Corr3ct" not in all_text_of(caught.value) + all_text_of(validated.value)


def test_the_masker() -> None:
    masker = Masker()
    masker.learn("s3cret/value")
    masker.learn("abc")  # too short: it would mask words
    masker.learn(None)
    assert masker.text("a s3cret/value and s3cret%2Fvalue and S3CRET/VALUE, abc") == "a *** and *** and ***, abc"
    assert masker.text("<SessionID>1</SessionID><ns0:Password a='b'>2</ns0:Password>") == (
        "<SessionID>***</SessionID><ns0:Password a='b'>***</ns0:Password>"
    )
    assert masker.text("x?SessionID=abc&NetworkID=1") == "x?SessionID=***&NetworkID=1"
    assert masker.data(b"\xff s3cret/value \xfe") == b"\xff *** \xfe"
    assert "s3cret" not in repr(masker)
    assert "s3cret" not in repr(MASKER)


def test_a_good_answer_loses_nothing_but_secrets() -> None:
    """Names beside values are data here, and a short secret may be a part of a figure."""
    masker = Masker()
    masker.learn("0F8FAD5B-D9CB-469F-A165-70867728950E")
    masker.learn("1000")
    body = b"<LoginName>demo</LoginName><Amount>1000.00</Amount><Key>0f8fad5b-d9cb-469f-a165-70867728950e</Key>\xff"
    assert masker.in_answer(body) == body.replace(b"0f8fad5b-d9cb-469f-a165-70867728950e", b"***")
    untouched = body[:50]
    assert masker.in_answer(untouched) is untouched


def test_old_sessions_are_dropped_for_new_ones() -> None:
    masker = Masker()
    for index in range(2_000):
        masker.learn(f"SESSION-{index:06d}-x", passing=True)
    assert masker.text("SESSION-001999-x") == "***"
    assert len(masker._passing) <= 256


def test_a_login_answer_that_reaches_another_call_is_kept_without_its_session(server: Server) -> None:
    """A connection out of step: nobody has learnt that session's id, so it is masked by where it stands."""
    stray = "5E551011-0000-4000-8000-00000000FFFF"
    server.rules = lambda asked: soap("Login", stray) if asked.operation == "NetworkList" else None
    with (
        server.client(retry=RetryPolicy(max_attempts=1)) as client,
        pytest.raises(errors.MalformedAnswer) as caught,
    ):
        client.ask("v3.2", "NetworkList")
    assert caught.value.answer is not None
    assert b"LoginResult>***<" in caught.value.answer.body
    assert_silent(all_text_of(caught.value), stray)
