"""Large answers are read item by item, to the same records as small ones."""

import pytest

from ecgrid_client import Credentials, decode, large
from ecgrid_client.errors import AnswerTooLarge, MalformedAnswer
from ecgrid_client.markup import MOST_ATTRIBUTES, MOST_NODES, Branch
from ecgrid_transforms.model import OddValue

from .client_replay import Server, Told, soap, wire

SAMPLE = wire("v3.2-MailboxListEx.soap11.response.xml")
ITEM = SAMPLE[SAMPLE.index(b"<MailboxIDInfo>") : SAMPLE.index(b"</MailboxIDInfo>") + len(b"</MailboxIDInfo>")]


def many(count: int, item: bytes = ITEM) -> bytes:
    start, end = SAMPLE.index(b"<MailboxIDInfo>"), SAMPLE.rindex(b"</MailboxIDInfo>") + len(b"</MailboxIDInfo>")
    items = b"".join(item.replace(b">105211<", f">{index + 1}<".encode()) for index in range(count))
    return SAMPLE[:start] + items + SAMPLE[end:]


LARGE = 100_000
COUNT = LARGE // len(ITEM) + 100


@pytest.fixture(autouse=True)
def smaller(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same bounds, set lower: what counts is which side of them an answer is on."""
    monkeypatch.setattr("ecgrid_client.decode.LARGE", LARGE)
    monkeypatch.setattr("ecgrid_client.judging.LARGE", LARGE)
    monkeypatch.setattr("ecgrid_client.markup.LARGEST_TREE", 3 * LARGE)


def test_a_large_list_gives_every_record() -> None:
    body = many(COUNT)
    assert len(body) > LARGE
    found = decode.mailboxes(body)
    assert [info.account.mailbox_id for info in found] == list(range(1, COUNT + 1))
    assert {(info.name, info.price_list_id, info.contract_id) for info in found} == {("+49 Versand", 432, 8751)}


def test_a_large_list_over_get() -> None:
    body = many(COUNT)
    start = body.index(b"<MailboxIDInfo>")
    end = body.rindex(b"</MailboxIDInfo>") + len(b"</MailboxIDInfo>")
    bare = b'<ArrayOfMailboxIDInfo xmlns="http://ecgridos.net/">' + body[start:end] + b"</ArrayOfMailboxIDInfo>"
    assert decode.mailboxes(bare) == decode.mailboxes(body)


@pytest.mark.parametrize(
    ("damage", "kind"),
    [
        (lambda body: body[:-200], MalformedAnswer),
        (lambda body: body.replace(b"<soap:Body>", b"<soap:Body><Other/>"), MalformedAnswer),
        (lambda body: body.replace(b"</soap:Body>", b"</soap:Body><soap:Body/>"), MalformedAnswer),
        (lambda body: body.replace(b"MailboxListExResult", b"MailboxListResult"), MalformedAnswer),
    ],
)
def test_a_large_list_that_is_damaged(damage: object, kind: type[Exception]) -> None:
    with pytest.raises(kind):
        decode.mailboxes(damage(many(COUNT)))


@pytest.mark.parametrize(("odd", "text"), [(b"<MailboxID>seven</MailboxID>", "seven"), (b"", None)])
def test_an_account_without_a_readable_number_costs_no_list(odd: bytes, text: str | None) -> None:
    noted: list[OddValue] = []
    found = decode.mailboxes(many(COUNT).replace(b"<MailboxID>7</MailboxID>", odd), noted)
    assert len(found) == COUNT - 1
    assert [(one.element, one.text) for one in noted] == [("MailboxID", text)]


def test_a_control_character_costs_no_list() -> None:
    found = decode.mailboxes(many(COUNT, ITEM.replace(b"+49 Versand", b"A&#x1;B")))
    assert found[0].name == "A\ufffdB"


def test_one_record_may_not_be_endless() -> None:
    line = wire("v3.2-InvoiceInfo.soap11.response.xml")
    start, end = line.index(b"<LineItem>"), line.index(b"</LineItem>") + len(b"</LineItem>")
    body = line[:start] + line[start:end] * (3 * LARGE // (end - start) + 1) + line[end:]
    with pytest.raises(AnswerTooLarge):
        decode.invoice(body)


def test_the_client_looks_at_large_answers_too(server: Server) -> None:
    body = many(COUNT)
    with server.client(credentials=Credentials(api_key="0f8fad5b-d9cb-469f-a165-70867728950e")) as client:
        server.script = [Told(body)]
        answer = client.ask("v3.2", "MailboxListEx", {"NetworkID": 4440})
        assert len(decode.mailboxes(answer.body)) == COUNT
        server.script = [Told(body[:-300]), soap("MailboxListEx")]
        assert client.ask("v3.2", "MailboxListEx", {"NetworkID": 4440}).attempts == 2


def test_a_large_list_of_another_network_is_refused(server: Server) -> None:
    """Every mailbox of MailboxListEx names the network that was requested."""
    with server.client(credentials=Credentials(api_key="0f8fad5b-d9cb-469f-a165-70867728950e")) as client:
        server.script = [Told(many(COUNT)), soap("MailboxListEx")]
        assert client.ask("v3.2", "MailboxListEx", {"NetworkID": 4443}).attempts == 2
    body = many(COUNT)
    assert large.check(body, "MailboxListEx", (), ("NetworkID", 2)) == ["4440"] * COUNT
    assert large.check(body, "MailboxListEx", (), ("NetworkID", 1)) == []


@pytest.mark.parametrize(
    "body", [b"<html/>", SAMPLE.replace(b"MailboxListEx", b"MailboxList"), SAMPLE.replace(b"soap:Body", b"soap:Bode")]
)
def test_the_outline_of_another_answer_is_refused(body: bytes) -> None:
    large.check(SAMPLE, "MailboxListEx", ("ArrayOfMailboxIDInfo",))
    with pytest.raises(MalformedAnswer):
        large.check(body, "MailboxListEx", ("ArrayOfMailboxIDInfo",))


def test_an_item_of_a_hundred_thousand_elements_and_attributes_is_no_record() -> None:
    """An element of 999 attributes counts as 1,000; the item itself counts too."""
    item, attributes = Branch("Item", {}), dict.fromkeys((f"a{number}" for number in range(999)), "")
    for _ in range(MOST_NODES // 10 // 1000 - 1):
        item.start("Part", attributes)
        item.end("Part")
    with pytest.raises(AnswerTooLarge, match="too many elements or attributes"):
        item.start("Part", attributes)


def test_an_element_of_more_than_a_thousand_attributes_is_no_record() -> None:
    """lxml compares each attribute with all before: 100,000 took a minute."""
    attributes = dict.fromkeys((f"a{number}" for number in range(MOST_ATTRIBUTES)), "")
    Branch("Item", attributes)
    with pytest.raises(AnswerTooLarge, match="too many elements or attributes"):
        Branch("Item", attributes | {"one more": ""})
