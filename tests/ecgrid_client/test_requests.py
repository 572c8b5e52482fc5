"""Requests: what the templates give is what zeep gives, for every operation; and the published WSDLs load offline."""

import socket
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from ecgrid_client import VERSIONS, Credentials, drift, errors, own_service
from ecgrid_client.envelopes import Envelopes, own_envelopes
from ecgrid_client.operations import Field, Operation, Service, read_wsdl
from ecgrid_transforms.model import (
    ACCOUNT_REPORTS,
    MEASURE_FIELDS,
)
from ecgrid_transforms.money import Decimal

from .client_replay import Server, Told, soap, wire

PUBLISHED = Path(__file__).resolve().parents[3] / "shared" / "wsdl"
SNAPSHOTS = {"v3.2": "v3.2-2016.wsdl", "v4.1": "v4.1-2024.wsdl"}
USED = {
    "v2.3": "Login Logout WhoAmI Version NowUTC",
    "v3.2": "Login Logout WhoAmI Version NowUTC NetworkList NetworkInfo MailboxList MailboxListEx MailboxInfo "
    "ContractList ContractInfo PricelistInfo InvoiceCalculate InvoiceCalculateLineItem InvoiceList InvoiceInfo "
    "ReportMonthly ReportMonthlyEx ReportTrafficStats ReportTrafficStatsEx InterconnectCount InterconnectCountEx "
    "ReportInstantStats ReportInstantStatsEx GenerateAPIKey UserGetAPIKey",
    "v4.1": "Login Logout WhoAmI Version NowUTC NetworkList NetworkInfo MailboxList MailboxListEx MailboxInfo "
    "ReportMonthly ReportMonthlyEx ReportTrafficStats ReportTrafficStatsEx InterconnectCount InterconnectCountEx "
    "ReportInstantStats ReportInstantStatsEx GenerateAPIKey UserGetAPIKey",
}


def canonical(element: Any) -> str:
    return str(etree.canonicalize(etree.tostring(element).decode(), rewrite_prefixes=True))


def snapshot(version: str) -> bytes:
    path = PUBLISHED / SNAPSHOTS[version]
    if not path.is_file():
        pytest.skip(f"the published WSDLs are not beside this checkout ({PUBLISHED})")
    return path.read_bytes()


# XML text as a person may type it: everything XML can carry but CR, which zeep lets lxml write as it is
texts = st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="￾￿") | st.just("\n"), max_size=30)


def value_of(field: Field, service: Service, draw: st.DataObject) -> tuple[object, object]:
    """A value, and what zeep wants for it."""
    values = service.enumerations.get(field.type)
    if values:
        chosen = draw.draw(st.sampled_from(values))
        return chosen, chosen
    if field.type == "string":
        word = draw.draw(texts)
        return word, word
    if field.type == "dateTime":
        when = draw.draw(st.datetimes())
        return when, when
    if field.type == "boolean":
        flag = draw.draw(st.booleans())
        return flag, flag
    bits = {"short": 15, "int": 31}[field.type]
    number = draw.draw(st.integers(-(2**bits), 2**bits - 1))
    return number, number


@pytest.mark.parametrize("binding", ["soap11", "soap12"])
@pytest.mark.parametrize("version", VERSIONS)
@given(draw=st.data())
def test_a_filled_template_is_what_zeep_builds(version: str, binding: str, draw: st.DataObject) -> None:
    envelopes = own_envelopes(version)
    operation = draw.draw(st.sampled_from(sorted(envelopes.service.operations.values(), key=lambda one: one.name)))
    given_values, zeeps = {}, {}
    for field in operation.parameters:
        given_values[field.name], zeeps[field.name] = value_of(field, envelopes.service, draw)
    ours = envelopes.request(operation, operation.texts(given_values, binding), binding).body
    theirs = envelopes.zeep_envelope(operation.name, zeeps, binding)
    assert ours is not None
    assert canonical(etree.fromstring(ours)) == canonical(theirs)


def test_a_carriage_return_arrives() -> None:
    envelopes = own_envelopes("v3.2")
    operation = envelopes.service.operation("NetworkList")
    body = envelopes.request(operation, operation.texts({"Name": "a\r\nb"}, "soap11"), "soap11").body
    assert etree.fromstring(body).findtext(".//{*}Name") == "a\r\nb"


@pytest.mark.parametrize("version", VERSIONS)
def test_our_wsdls_have_what_the_project_uses(version: str) -> None:
    service = own_service(version)
    assert set(USED[version].split()) <= set(service.operations)
    assert service.namespace == ("https://os.ecgrid.io/" if version == "v4.1" else "http://ecgridos.net/")
    assert b'location="http://' not in service.wsdl
    assert b"soap/encoding" not in service.wsdl
    for kind in (b"/wsdl/soap/", b"/wsdl/soap12/", b'verb="GET"', b'verb="POST"'):
        assert kind in service.wsdl


@pytest.mark.parametrize(
    ("operation", "parameters", "result"),
    [
        # the API page's own table (seed v3.2 InvoiceCalculateLineItem)
        (
            "InvoiceCalculateLineItem",
            "SessionID:string NetworkID:int MailboxID:int ReportingMonth:dateTime "
            "AccountReport:PricelistAccountReports MeasureField:PricelistMeasureField",
            "LineItem",
        ),
        (
            "InvoiceCalculate",
            "SessionID:string ContractID:int ReportingMonth:dateTime Include:InvoiceInclude InvoiceDate:dateTime "
            "InvoiceNumber:string NetworkID:int MailboxID:int Notice:string SpecialNotice:string Message:string "
            "Save:boolean",
            "Invoice",
        ),
        (
            "InvoiceList",
            "SessionID:string BeginDate:dateTime EndDate:dateTime ContractID:int Status:InvoiceStatus",
            "ArrayOfInvoice",
        ),
        ("ContractList", "SessionID:string ActiveDate:dateTime ShowInactive:boolean", "ArrayOfContract"),
        ("PricelistInfo", "SessionID:string PricelistID:int", "Pricelist"),
        ("MailboxListEx", "SessionID:string NetworkID:int Name:string", "ArrayOfMailboxIDInfo"),
        (
            "ReportTrafficStatsEx",
            "SessionID:string NetworkID:int MailboxID:int TargetTime:dateTime NumPeriods:short Period:StatisticsPeriod",
            "DataSet",
        ),
        (
            "ReportMonthlyEx",
            "SessionID:string NetworkID:int MailboxID:int Report:short Month:dateTime",
            "DataSet",
        ),
        ("Login", "LoginName:string Password:string", "string"),
        ("Logout", "SessionID:string", "int"),
    ],
)
def test_signatures(operation: str, parameters: str, result: str) -> None:
    found = own_service("v3.2").operation(operation)
    assert " ".join(f"{field.name}:{field.type}" for field in found.parameters) == parameters
    assert found.result_type == result


def test_signatures_of_v41() -> None:
    service = own_service("v4.1")
    assert [field.name for field in service.operation("InterconnectCountEx").parameters] == [
        "SessionID",
        "NetworkID",
        "MailboxID",
        "ECGridID",
        "MaxDays",
    ]
    assert [(field.name, field.type) for field in service.operation("ReportInstantStats").parameters] == [
        ("SessionID", "string"),
        ("Minutes1", "short"),
        ("Minutes2", "short"),
    ]
    assert not [name for name in service.operations if name.startswith(("Invoice", "Contract", "Pricelist"))]


def test_the_latest_shape_of_a_line() -> None:
    """The API page of InvoiceCalculateLineItem: 15 fields, LineDate second; 12 of a Schedule, Minimum third."""
    types = own_service("v3.2").types
    assert " ".join(field.name for field in types["LineItem"]) == (
        "LineItemNumber LineDate PriceListID PriceListDescription SystemObject SystemID SystemName Level "
        "LevelName Model Schedule Actual QuantityBilled Taxable Amount"
    )
    assert " ".join(field.name for field in types["Schedule"]) == (
        "ScheduleID Allowance Minimum Maximum Block Rate CatalogID Description AccountReport Measure "
        "SpecifiedNetworkID IncludeRootMailbox"
    )


def test_the_enumerations_are_the_models() -> None:
    values = own_service("v3.2").enumerations
    assert values["PricelistAccountReports"] == ACCOUNT_REPORTS
    assert values["PricelistMeasureField"] == MEASURE_FIELDS


@pytest.mark.parametrize(
    ("name", "arguments", "repeatable"),
    [
        ("InvoiceCalculateLineItem", {}, True),
        ("NetworkList", {}, True),
        ("UserGetAPIKey", {}, True),
        ("ReportMonthlyEx", {}, True),
        ("InvoiceCalculate", {"Save": False}, True),
        ("InvoiceCalculate", {"Save": "true"}, False),
        ("InvoiceCalculate", {}, False),
        ("GenerateAPIKey", {}, False),
        ("InvoiceSetStatus", {}, False),
        ("ContractAdd", {}, False),
        ("NetworkSetStatus", {}, False),
        ("ParcelDownload", {}, False),
    ],
)
def test_what_may_be_asked_twice(name: str, arguments: dict[str, object], repeatable: bool) -> None:
    operation = Operation(name, "x", (), None, {})
    assert operation.is_repeatable(arguments) is repeatable


@pytest.mark.parametrize(
    ("value", "text"),
    [(Decimal("1E+3"), "1000"), ("-0.50", "-0.50"), (7, "7")],
)
def test_decimals_go_out_plain(value: object, text: str) -> None:
    operation = Operation("X", "x", (Field("Amount", "decimal", required=True),), None, {})
    assert operation.texts({"Amount": value}, "soap11") == {"Amount": text}


@pytest.mark.parametrize("value", [0.1, "1e3", "NaN", True, None, ""])
def test_what_is_no_decimal_is_refused(value: object) -> None:
    operation = Operation("X", "x", (Field("Amount", "decimal", required=True),), None, {})
    with pytest.raises(errors.InvalidArgument):
        operation.texts({"Amount": value}, "soap11")


# --- the service's own WSDL -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", SNAPSHOTS)
def test_the_published_wsdls_load_offline_and_unmodified(version: str, monkeypatch: pytest.MonkeyPatch) -> None:
    body = snapshot(version)

    def no_network(*args: object, **kwargs: object) -> None:
        raise AssertionError("a WSDL made something ask the network")

    monkeypatch.setattr(socket.socket, "connect", no_network)
    monkeypatch.setattr(socket, "getaddrinfo", no_network)
    service = read_wsdl(body, version, "the published WSDL")
    assert len(service.operations) == {"v3.2": 224, "v4.1": 221}[version]
    envelopes = Envelopes(service)
    built = 0
    for operation in service.operations.values():
        for binding in ("soap11", "soap12"):
            texts = {field.name: "x" for field in operation.parameters}
            request = envelopes.request(operation, texts, binding)
            document = etree.fromstring(request.body)
            assert [etree.QName(part).localname for part in document[0][0]] == list(texts)
            built += 1
    assert built == 2 * len(service.operations)


@pytest.mark.parametrize("version", SNAPSHOTS)
def test_drift_of_the_published_wsdls(version: str) -> None:
    """Facts 1.5: what the snapshots lack against the latest pages, and nothing that would break a call."""
    found = drift.compare(own_service(version), read_wsdl(snapshot(version), version, "the published WSDL"))
    assert not [str(one) for one in found if one.is_harmful]
    said = [str(one) for one in found]
    if version == "v3.2":
        assert "type LineItem: lacks LineDate" in said
        assert "type Schedule: lacks Minimum" in said
        assert any("TrafficKCInterchangeTiered" in one for one in said)
        assert any("CreditPercentage, DebitPercentage, Subtotal, TieredKCIntCount" in one for one in said)
    assert said[-1].startswith("operations: ")


def test_drift_names_every_kind() -> None:
    ours = own_service("v3.2")
    body = (
        ours.wsdl.replace(b'name="Save" type="s:boolean"', b'name="Save" type="s:string"')
        .replace(b'<s:enumeration value="Stacked" />', b'<s:enumeration value="Piled" />')
        .replace(
            b'<s:element minOccurs="1" maxOccurs="1" name="Amount" type="s:decimal" />',
            b'<s:element minOccurs="1" maxOccurs="1" name="Sum" type="s:decimal" />',
        )
    )
    found = {str(one): one.is_harmful for one in drift.compare(ours, read_wsdl(body, "v3.2", "test"))}
    assert found == {
        "InvoiceCalculate: Save is string instead of boolean": True,
        "type LineItem: has one more field, Sum (decimal); it is kept in `extra`": False,
        "type LineItem: lacks Amount": True,
        "enumeration PricelistModel: also has Piled": False,
        "enumeration PricelistModel: lacks Stacked": False,
    }
    assert drift.compare(ours, ours) == []


KEY = "0f8fad5b-d9cb-469f-a165-70867728950e"


def test_a_live_wsdl_is_fetched_from_the_services_address_alone(server: Server) -> None:
    """It imports the SOAP-encoding schema and names another address; neither is asked."""
    server.rules = lambda asked: (
        Told(wire("v3.2-service.wsdl"))
        if asked.path.endswith("?WSDL")
        else soap("ParcelUpload", "7")
        if asked.operation == "ParcelUpload"
        else None
    )
    with server.client(wsdl={"v3.2": "live"}, credentials=Credentials(api_key=KEY)) as client:
        answer = client.ask("v3.2", "ParcelUpload", {"FileName": "a.edi", "Bytes": 3, "Content": b"\x00\x01\x02"})
        assert answer.http_status == 200
        assert [asked.path for asked in server.asked] == ["/v3.2/prod/ECGridOS.asmx?WSDL", "/v3.2/prod/ECGridOS.asmx"]
        assert b">AAEC<" in server.asked[1].body
        with pytest.raises(errors.InvalidArgument, match="no operation"):
            client.ask("v3.2", "GenerateAPIKey", {"UserID": 1})


def test_calls_through_the_published_wsdl(server: Server) -> None:
    body = snapshot("v3.2")
    server.rules = lambda asked: Told(body) if asked.path.endswith("?WSDL") else None
    server.script = [soap("TPInfo"), soap("InvoiceSetStatus", "true")]
    with server.client(wsdl={"v3.2": "live"}, credentials=Credentials(api_key=KEY)) as client:
        client.ask("v3.2", "TPInfo", {"ECGridID": 5})
        client.ask("v3.2", "InvoiceSetStatus", {"InvoiceID": 5, "Status": "Paid"})
        with pytest.raises(errors.InvalidArgument, match="it takes FixedRate"):
            client.ask(
                "v3.2",
                "InvoiceCalculateLineItem",
                {
                    "NetworkID": 1,
                    "MailboxID": 0,
                    "ReportingMonth": "2026-10-01T00:00:00",
                    "AccountReport": "TrafficKCInterchangeTiered",  # the service of 2016 does not know it
                    "MeasureField": "Each",
                },
            )


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"<html><body>no WSDL today</body></html>", errors.SettingsError),
        (b"<definitions xmlns='http://schemas.xmlsoap.org/wsdl/' targetNamespace='x'/>", errors.SettingsError),
        (b"<!DOCTYPE x [<!ENTITY a 'b'>]><definitions/>", errors.ForbiddenXML),
        (b"", errors.MalformedAnswer),
    ],
)
def test_a_live_wsdl_that_is_none(server: Server, body: bytes, kind: type[errors.ECGridError]) -> None:
    server.script = [Told(body)]
    with server.client(wsdl={"v3.2": "live"}, credentials=Credentials(api_key=KEY)) as client, pytest.raises(kind):
        client.ask("v3.2", "Version")


def test_a_wsdl_that_wants_another_host_is_refused(server: Server) -> None:
    body = own_service("v3.2").wsdl.replace(
        b"<wsdl:types>", b'<wsdl:import namespace="urn:x" location="http://elsewhere.example/more.wsdl" /><wsdl:types>'
    )
    server.script = [Told(body)]
    with (
        server.client(wsdl={"v3.2": "live"}, credentials=Credentials(api_key=KEY)) as client,
        pytest.raises(errors.SettingsError, match="nothing is fetched from any other host"),
    ):
        client.ask("v3.2", "WhoAmI")


def test_an_unknown_source_or_version_is_refused(server: Server) -> None:
    with pytest.raises(errors.SettingsError, match="own or live"):
        server.client(wsdl={"v3.2": "cached"})
    with server.client() as client, pytest.raises(errors.SettingsError, match=r"v2\.3, v3\.2, v4\.1"):
        client.ask("v5.0", "Version")
