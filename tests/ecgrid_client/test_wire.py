"""Every wire sample, decoded: the expected values stand in the samples' own text (`tests/wire/README.md`)."""

from dataclasses import replace

import pytest

from ecgrid_client import decode
from ecgrid_client.errors import (
    ECGridError,
    InvalidArgument,
    MalformedAnswer,
    MissingElement,
    NotOnPriceList,
    SessionExpired,
    TooManySessions,
)
from ecgrid_client.operations import Field
from ecgrid_transforms.model import Account
from ecgrid_transforms.money import Decimal

from .client_replay import WIRE, wire


def test_a_line_keeps_every_field_and_scale() -> None:
    line = decode.line_item(wire("v3.2-InvoiceCalculateLineItem.soap11.response.xml"))
    assert line is not None
    assert (line.line_item_number, line.line_date, line.price_list_id) == (2, "2023-08-31T00:00:00", 432)
    assert (line.price_list_description, line.system_name) == ("Naïve tiers", "=1+1 Trading")
    assert (line.system_object, line.system_id) == ("Network", 4443)
    assert (line.level, line.level_name, line.model) == ("Tier1", "Tier\xa01", "Tiered")
    assert [str(line.actual), str(line.quantity_billed), str(line.amount)] == ["353", "335", "72.96"]
    assert line.is_taxable is False
    schedule = line.schedule
    assert schedule is not None
    assert (schedule.schedule_id, schedule.minimum, schedule.maximum, schedule.catalog_id) == (43201, 0, 1200, 9001)
    assert [str(schedule.allowance), str(schedule.block), str(schedule.rate)] == ["20", "5", "0.2178"]
    assert schedule.description == "TrafficKCInterchangeTiered/TieredKCIntCount — step 1 (0–1200)"
    assert (schedule.account_report, schedule.measure) == ("TrafficKCInterchangeTiered", "TieredKCIntCount")
    assert (schedule.specified_network_id, schedule.include_root_mailbox) == (0, True)
    assert dict(line.extra) == {}
    assert dict(schedule.extra) == {}


def test_get_and_soap_give_the_same_line() -> None:
    over_soap = decode.line_item(wire("v3.2-InvoiceCalculateLineItem.soap11.response.xml"))
    over_get = decode.line_item(wire("v3.2-InvoiceCalculateLineItem.httpget.response.xml"))
    assert over_soap == over_get


def test_utf_8_declared_as_utf_16_is_read_as_utf_8() -> None:
    body = wire("v3.2-InvoiceCalculateLineItem.soap11.response.xml")
    found = decode.line_item(body.replace(b'encoding="utf-8"', b'encoding="utf-16"'))
    assert found is not None
    assert (found.price_list_description, found.amount) == ("Naïve tiers", Decimal("72.96"))


def test_a_credit_is_negative_and_keeps_four_decimals() -> None:
    line = decode.line_item(wire("v3.2-InvoiceCalculateLineItem-credit.soap11.response.xml"))
    assert line is not None
    assert line.schedule is not None
    assert str(line.schedule.rate) == "-6.0200"
    assert line.amount == Decimal("-6.02")
    assert line.system_name == 'Müller & Töchter, "Logistik" GmbH'


@pytest.mark.parametrize(
    "name",
    [
        "v3.2-InvoiceCalculateLineItem-nil.httpget.response.xml",
        "v3.2-InvoiceCalculateLineItem-no-result.soap11.response.xml",
        "v3.2-InvoiceCalculateLineItem-no-schedule.soap11.response.xml",
    ],
)
def test_three_ways_to_say_that_nothing_is_billed(name: str) -> None:
    assert decode.line_item(wire(name)) is None


@pytest.mark.parametrize("field", ["Actual", "QuantityBilled", "Amount"])
def test_a_line_without_schedule_that_bills_something_is_a_line(field: str) -> None:
    body = wire("v3.2-InvoiceCalculateLineItem-no-schedule.soap11.response.xml")
    line = decode.line_item(body.replace(f"<{field}>0</".encode(), f"<{field}>0.01</".encode()))
    assert line is not None
    assert line.schedule is None


@pytest.mark.parametrize(
    ("name", "kind", "code"),
    [
        ("v3.2-InvoiceCalculateLineItem-not-listed.soap11.response.xml", NotOnPriceList, "InvalidParameter"),
        ("v3.2-InvoiceCalculateLineItem-bad-enum.soap11.response.xml", InvalidArgument, None),
        ("v3.2-Login-too-many-sessions.soap11.response.xml", TooManySessions, "Authorization"),
        ("v3.2-fault-session.soap11.response.xml", SessionExpired, "Authentication"),
        ("v3.2-fault-session.soap12.response.xml", SessionExpired, "Authentication"),
        ("v3.2-fault-session-subcode.soap12.response.xml", SessionExpired, "Authentication"),
    ],
)
def test_a_kept_fault_is_its_error(name: str, kind: type[ECGridError], code: str | None) -> None:
    with pytest.raises(kind) as caught:
        decode.line_item(wire(name))
    assert caught.value.fault is not None
    assert caught.value.fault.code == code


def test_of_the_reasons_of_a_fault_the_english_one_is_stated() -> None:
    body = wire("v3.2-fault-session-subcode.soap12.response.xml")
    text = b'<soap:Text xml:lang="en">'
    assert text in body
    german = body.replace(
        text, b'<soap:Text xml:lang="de">Sitzung abgelaufen</soap:Text><soap:Text>?</soap:Text>' + text
    )
    assert str(decode.raised_by(german)) == str(decode.raised_by(body))
    assert "Sitzung" in str(decode.raised_by(german.replace(b'xml:lang="en"', b'xml:lang="fr"')))


def test_a_request_that_is_sent_back_is_no_response() -> None:
    request = (
        b'<Envelope xmlns="http://schemas.xmlsoap.org/soap/envelope/"><Body>'
        b'<NetworkList xmlns="http://www.ecgridos.net/"><SessionID>x</SessionID></NetworkList></Body></Envelope>'
    )
    with pytest.raises(MalformedAnswer, match="<NetworkList> instead of <…Response>"):
        decode.networks(request, [])


def test_a_response_that_is_no_fault_raises_nothing() -> None:
    assert decode.raised_by(wire("v3.2-NetworkInfo.soap11.response.xml")) is None


def test_a_response_without_a_result_has_no_record() -> None:
    def empty(operation: str) -> bytes:
        return (
            '<soap:Envelope xmlns:soap="http://schemas.xmlsoap.org/soap/envelope/"><soap:Body>'
            f'<{operation}Response xmlns="http://www.ecgridos.net/" /></soap:Body></soap:Envelope>'
        ).encode()

    assert decode.contract(empty("ContractInfo")) is None
    assert decode.invoice(empty("InvoiceInfo")) is None
    assert decode.scalar(empty("GetVersion")) is None
    assert decode.contracts(empty("ContractList")) == []


def test_price_list_with_its_ladder() -> None:
    found = decode.pricelist(wire("v3.2-PricelistInfo.soap11.response.xml"))
    assert found is not None
    assert (found.price_list_id, found.model, found.status) == (432, "Tiered", "Active")
    assert (found.date, found.description) == ("2023-12-01T00:00:00", "Naïve tiers")
    assert [(level.level, level.name, level.limited_months) for level in found.levels] == [
        ("General", "Basic", 0),
        ("Tier1", "Tier\xa01", 0),
        ("Tier2", "Tier\xa02", 0),
        ("Minimum", "Least charge", 0),
    ]
    ladder = [(s.minimum, s.maximum, str(s.rate)) for level in found.levels[1:3] for s in level.schedules]
    assert ladder == [(0, 1200, "0.2178"), (1201, 0, "0.1856")]
    assert [s.include_root_mailbox for level in found.levels for s in level.schedules] == [True, True, False, True]


def test_networks_are_root_accounts() -> None:
    found = decode.networks(wire("v3.2-NetworkList.soap11.response.xml"))
    assert [info.account for info in found] == [Account(4440, 0), Account(4443, 0)]
    assert [(info.name, info.price_list_id, info.contract_id) for info in found] == [
        ('Müller & Töchter, "Logistik" GmbH', 431, 8751),
        ("=1+1 Trading", 432, 8752),
    ]
    assert decode.networks(wire("v3.2-NetworkList-none.soap11.response.xml")) == []
    assert decode.networks(wire("v3.2-NetworkInfo.soap11.response.xml")) == [found[0]]


def test_mailboxes_with_odd_names() -> None:
    found = decode.mailboxes(wire("v3.2-MailboxListEx.soap11.response.xml"))
    assert [info.account for info in found] == [Account(4440, 105211), Account(4440, 105212), Account(4440, 105213)]
    assert [info.name for info in found] == [
        "+49 Versand",
        "株式会社テスト",
        "First line,\nsecond line\nthird line",  # CR LF arrives as LF
    ]
    assert [(info.price_list_id, info.contract_id) for info in found] == [(432, 8751), (433, 8751), (0, 18751)]


def test_contracts_have_far_dates_as_text() -> None:
    found = decode.contracts(wire("v3.2-ContractList.soap11.response.xml"))
    assert [contract.contract_id for contract in found] == [8751, 8752, 18751]
    assert [contract.expires for contract in found] == [
        "2030-12-31T23:59:59.997",
        "2030-12-31T23:59:59.997",
        "9999-12-31T00:00:00",
    ]
    assert found[2].last_invoice_date == "0001-01-01T00:00:00"
    assert found[2].last_invoice_number is None
    assert found[1].po_number == 'PO#8752, rev "B"'
    assert all(contract.networks == () and contract.mailboxes == () and not contract.extra for contract in found)


def test_invoice_with_lines_and_list_without() -> None:
    found = decode.invoice(wire("v3.2-InvoiceInfo.soap11.response.xml"))
    assert found is not None
    assert (found.invoice_id, found.invoice_number, str(found.total_amount)) == (752000, "INV-202307-18751", "296.17")
    assert [str(line.amount) for line in found.line_items] == ["39.90", "262.29", "-6.02"]
    assert sum(line.amount for line in found.line_items) == found.total_amount
    listed = decode.invoices(wire("v3.2-InvoiceList.soap11.response.xml"))
    assert [(invoice.invoice_id, invoice.line_items) for invoice in listed] == [
        (750000, ()),
        (750001, ()),
        (750002, ()),
    ]
    assert not found.extra


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("v2.3-Login.soap11.response.xml", "69F4537D-A041-707E-DEA0-B59A9CB7F549"),
        ("v2.3-Logout.httppost.response.xml", "0"),
        ("v2.3-NowUTC.httpget.response.xml", "2026-11-22T02:31:03.855849Z"),
    ],
)
def test_scalars(name: str, value: str) -> None:
    assert decode.scalar(wire(name)) == value


def test_json_is_typed_by_the_wsdl() -> None:
    line = decode.to_json(wire("v3.2-InvoiceCalculateLineItem.soap11.response.xml"), "InvoiceCalculateLineItem", "v3.2")
    assert isinstance(line, dict)
    assert (line["PriceListID"], line["Amount"], line["Taxable"]) == (432, "72.96", False)
    assert line["Schedule"]["Rate"] == "0.2178"
    network = decode.to_json(wire("v3.2-NetworkInfo.soap11.response.xml"), "NetworkInfo", "v3.2")
    assert isinstance(network, dict)
    assert network["NetOpsInfo"]["VPN"]["EncryptionDomain"] == ["127.0.0.0/8", None, ""]
    assert network["Modified"] == "2023-01-01T23:59:59.9999999"
    who = decode.to_json(wire("v3.2-WhoAmI.soap12.response.xml"), "WhoAmI", "v3.2")
    assert isinstance(who, dict)
    assert who["SessionID"] == "***"
    assert (who["TimeZoneOffset"], who["OpenSessions"], who["ip"]) == ("-7.5", 1, "127.0.0.1")
    assert decode.to_json(wire("v3.2-NetworkList-none.soap11.response.xml"), "NetworkList", "v3.2") == []
    nil = wire("v3.2-InvoiceCalculateLineItem-nil.httpget.response.xml")
    assert decode.to_json(nil, "InvoiceCalculateLineItem", "v3.2") is None


def json_of(content: str, *fields: Field) -> object:
    """A result of the type `Node` with these fields, which only the service's own WSDL can have."""
    own = decode.own_service("v3.2")
    operation = replace(own.operations["NetworkInfo"], result_type="Node")
    service = replace(own, types={**own.types, "Node": fields}, operations={"NetworkInfo": operation})
    body = (
        '<Envelope xmlns="http://schemas.xmlsoap.org/soap/envelope/"><Body><NetworkInfoResponse>'
        f"<NetworkInfoResult>{content}</NetworkInfoResult></NetworkInfoResponse></Body></Envelope>"
    )
    return decode.to_json(body.encode(), "NetworkInfo", "v3.2", service)


NAME = Field("Name", "string", False)


@pytest.mark.parametrize(("depth", "is_read"), [(100, True), (101, False)])
def test_json_of_a_type_in_itself_has_at_most_100_levels(depth: int, is_read: bool) -> None:
    content, child = "<Child>" * depth + "</Child>" * depth, Field("Child", "Node", False, built_in=False)
    if not is_read:
        with pytest.raises(MalformedAnswer, match="nested too deep"):
            json_of(content, child, NAME)
        return
    found, levels = json_of(content, child, NAME), 0
    while isinstance(found, dict) and found:
        found, levels = found["Child"], levels + 1
    assert levels == depth


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        ("int", " -12 ", -12),
        ("int", "9" * 18, 10**18 - 1),
        ("int", "9" * 19, "9" * 19),
        ("int", "twelve", "twelve"),
        ("string", "007", "007"),
        ("boolean", " true ", True),
        ("boolean", "yes", "yes"),
        ("string", "true", "true"),
    ],
)
def test_a_value_in_json_is_of_its_declared_type_or_its_text(kind: str, text: str, value: object) -> None:
    assert json_of(f"<Name>{text}</Name>", Field("Name", kind, False)) == {"Name": value}


@pytest.mark.parametrize("parts", [["a"], ["a", "b"], ["a", "b", "c"]], ids=len)
def test_an_element_that_may_repeat_is_a_list_in_json(parts: list[str]) -> None:
    content = "<Name>n</Name>" + "".join(f"<Part>{part}</Part>" for part in parts)
    assert json_of(content, NAME, Field("Part", "string", False, repeated=True)) == {"Name": "n", "Part": parts}


def test_elements_that_no_type_has_are_in_json_too() -> None:
    assert json_of("<Name>n</Name><New>1</New>", NAME) == {"Name": "n", "New": "1"}
    assert json_of("<New>1</New><New>2</New><Name>n</Name><New>3</New>", NAME) == {"New": ["1", "2", "3"], "Name": "n"}


LINE = wire("v3.2-InvoiceCalculateLineItem.soap11.response.xml")
NEEDED = (
    *("LineItemNumber", "PriceListID", "SystemObject", "SystemID", "Level", "Model"),
    *("Actual", "QuantityBilled", "Taxable", "Amount"),
    *("ScheduleID", "Allowance", "Maximum", "Block", "Rate", "AccountReport", "Measure"),
)


def test_an_element_inserted_mid_sequence_blanks_nothing_and_is_kept() -> None:
    plain = decode.line_item(LINE)
    drifted = decode.line_item(
        LINE.replace(b"<PriceListID>", b"<Currency>USD</Currency><Tax><Rate>0.1</Rate></Tax><PriceListID>").replace(
            b"<Block>", b"<FlatFee>1.25</FlatFee><Block>"
        )
    )
    assert plain is not None
    assert drifted is not None
    assert drifted.schedule is not None
    assert dict(drifted.extra) == {"Currency": "USD", "Tax": {"Rate": "0.1"}}
    assert dict(drifted.schedule.extra) == {"FlatFee": "1.25"}
    assert (drifted.amount, drifted.schedule.rate, drifted.price_list_id) == (
        plain.amount,
        plain.schedule.rate if plain.schedule else None,
        plain.price_list_id,
    )


def test_older_shapes_lack_line_date_and_minimum() -> None:
    older = decode.line_item(
        LINE.replace(b"<LineDate>2023-08-31T00:00:00</LineDate>", b"").replace(b"<Minimum>0</Minimum>", b"")
    )
    assert older is not None
    assert older.schedule is not None
    assert older.line_date is None
    assert older.schedule.minimum is None
    assert str(older.amount) == "72.96"


def test_an_unknown_enumeration_value_passes() -> None:
    line = decode.line_item(LINE.replace(b"<Model>Tiered<", b"<Model>Quantum<"))
    assert line is not None
    assert line.model == "Quantum"


@pytest.mark.parametrize("field", NEEDED)
def test_a_needed_field_that_is_absent_or_nil_is_a_typed_error(field: str) -> None:
    start, _, rest = LINE.partition(f"<{field}>".encode())
    _, _, end = rest.partition(f"</{field}>".encode())
    with pytest.raises(MissingElement, match=field):
        decode.line_item(start + end)
    with pytest.raises(MissingElement, match=field):
        decode.line_item(start + f'<{field} xsi:nil="true" />'.encode() + end)


def test_every_sample_is_covered_by_the_readme() -> None:
    listed = (WIRE / "README.md").read_text(encoding="utf-8")
    samples = [path.name for path in WIRE.iterdir() if path.name not in ("README.md", "HEADERS.json")]
    assert samples
    assert [name for name in samples if f"`{name}`" not in listed] == []
