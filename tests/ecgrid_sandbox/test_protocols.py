"""The four bindings of an ASMX service, and how its framework refuses what it cannot read."""

from typing import Any

import pytest

from ecgrid_sandbox import World
from ecgrid_sandbox.service.shapes import NAMESPACES, PATHS

BINDINGS = ("soap11", "soap12", "get", "post")
ACCOUNT = (4443, 105263)
PAIR = ("TrafficKCInterchangeTiered", "TieredKCIntCount")


@pytest.mark.parametrize("binding", BINDINGS)
@pytest.mark.parametrize(
    ("version", "operation", "arguments", "path"),
    [
        ("v4.1", "InterconnectCount", {"MaxDays": 7}, "diffgram/NewDataSet/Table/Interconnects"),
        ("v4.1", "ReportInstantStats", {"Minutes1": 60, "Minutes2": 1440}, "diffgram/NewDataSet/Table/OnLine"),
        ("v3.2", "WhoAmI", {}, "AuthLevel"),
        ("v3.2", "NetworkList", {"Name": ""}, "NetworkIDInfo/OwnerInfo/PricelistID"),
        ("v3.2", "PricelistInfo", {"PricelistID": 432}, "Levels/Level/Schedules/Schedule/Rate"),
        ("v2.3", "MailboxInfo", {"MailboxID": 105214}, "OwnerInfo/ContractID"),
    ],
)
def test_every_binding_gives_the_same_result(
    wire: Any, version: str, operation: str, arguments: dict[str, object], path: str, binding: str
) -> None:
    got = wire.ask(version, operation, binding, **arguments)
    assert got.status == 200, got.body
    assert dict(got.headers)["Content-Type"] == (
        "application/soap+xml; charset=utf-8" if binding == "soap12" else "text/xml; charset=utf-8"
    )
    reference = wire.ask(version, operation, "soap11", **arguments)
    assert got.texts(path)
    assert got.texts(path) == reference.texts(path)


@pytest.mark.parametrize("binding", BINDINGS)
def test_a_line_item_over_every_binding(wire: Any, world: World, binding: str) -> None:
    inside = next(a for a, use in world.use.items() if PAIR in use and 2000 < use[PAIR][3] < 4000)
    got = wire.line(inside, PAIR, binding)
    # tier 2 of price list 432: 1201 to 5000 at 0.1856; the wire samples' list
    assert got.text("Schedule/ScheduleID") == "43202"
    assert got.text("Schedule/Rate") == "0.1856"
    assert [child.tag.rpartition("}")[2] for child in got.result] == [
        *("LineItemNumber", "LineDate", "PriceListID", "PriceListDescription", "SystemObject", "SystemID"),
        *("SystemName", "Level", "LevelName", "Model", "Schedule", "Actual", "QuantityBilled", "Taxable", "Amount"),
    ]


@pytest.mark.parametrize("version", ["v2.3", "v3.2", "v4.1"])
@pytest.mark.parametrize("change", [str.upper, str.lower, lambda path: path])
def test_paths_are_taken_in_any_case(wire: Any, version: str, change: Any) -> None:
    got = wire.send("GET", f"{change(PATHS[version])}/{change('Version')}")
    assert got.status == 200
    assert got.result.text.startswith(version)


def test_scalars_are_roots_of_their_type(wire: Any) -> None:
    assert wire.ask("v2.3", "Version", "get").xml.tag == "{http://ecgridos.net/}string"
    assert wire.ask("v2.3", "NowUTC", "get").xml.tag == "{http://ecgridos.net/}dateTime"
    assert wire.ask("v4.1", "Version", "get").xml.tag == "{https://os.ecgrid.io/}string"


def test_the_body_decides_the_operation_whatever_the_soap_action(wire: Any) -> None:
    body = (
        f'<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body>'
        f'<Version xmlns="{NAMESPACES["v3.2"]}"/></s:Body></s:Envelope>'
    )
    got = wire.send("POST", PATHS["v3.2"], body, {"Content-Type": "text/xml"})
    assert got.text("") is None
    assert got.result.text == "v3.2 (Build 201)"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (
            {"AccountReport": "TrafficEverything"},
            "'TrafficEverything' is not a valid value for PricelistAccountReports",
        ),
        ({"NetworkID": "many"}, "Input string was not in a correct format"),
        ({"NetworkID": 2**31}, "Input string was not in a correct format"),
        ({"ReportingMonth": "October"}, "'October' is not a valid AllXsd value"),
    ],
)
def test_the_framework_refuses_values_of_the_wrong_type_without_a_code(
    wire: Any, arguments: dict[str, object], words: str
) -> None:
    got = wire.line(ACCOUNT, PAIR, **arguments)
    message, code = got.fault
    assert (got.status, code) == (500, None)
    assert message.startswith("Server was unable to read request. ---> There is an error in XML document")
    assert words in message
    plain = wire.line(ACCOUNT, PAIR, "get", **arguments)
    assert (plain.status, dict(plain.headers)["Content-Type"]) == (500, "text/plain; charset=utf-8")


def test_a_parameter_left_out_is_an_error_over_get_and_a_default_over_soap(wire: Any) -> None:
    got = wire.ask("v3.2", "NetworkInfo", "get")
    assert (got.status, got.body) == (500, b"Missing parameter: NetworkID.\n")
    assert wire.ask("v3.2", "NetworkInfo").fault == ("NetworkID 0 not found", "NotFound")
    assert wire.ask("v3.2", "NetworkList").status == 200  # Name is a reference type


def test_markup_in_a_get_argument_is_refused_and_echoed(wire: Any) -> None:
    got = wire.ask("v3.2", "Login", "post", LoginName="a", Password="pass<word")
    assert got.status == 500
    assert b'(Password="pass<word")' in got.body
    assert wire.ask("v3.2", "Login", "post", LoginName="a", Password="pass<1").body.startswith(b"Invalid Login")


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"<not xml", "There is an error in XML document"),
        (b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>', "DTD is prohibited"),
        (b"<a/>", "Possible SOAP version mismatch"),
        (
            b'<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body/></s:Envelope>',
            "did not recognize the value of HTTP Header SOAPAction",
        ),
        (
            b'<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body>'
            b'<Nothing xmlns="http://ecgridos.net/"/></s:Body></s:Envelope>',
            "http://ecgridos.net/Nothing",
        ),
    ],
)
def test_what_is_no_request_is_a_fault_of_the_framework(wire: Any, body: bytes, words: str) -> None:
    got = wire.send("POST", PATHS["v3.2"], body, {"Content-Type": "text/xml; charset=utf-8"})
    assert got.status == 500
    assert words in got.fault[0]
    assert got.fault[1] is None
    assert dict(got.headers)["Cache-Control"] == "private"


def test_unknown_places_and_media_types(wire: Any) -> None:
    assert wire.send("GET", "/v9.9/prod/ecgridos.asmx").status == 404
    assert wire.send("GET", "/").status == 404
    assert wire.send("POST", PATHS["v3.2"], "{}", {"Content-Type": "application/json"}).status == 415
    assert wire.ask("v3.2", "NoSuchOperation", "get").status == 500
    assert wire.ask("v4.1", "PricelistInfo", PricelistID=432).status == 500  # billing is v3.x only


def test_an_element_of_another_namespace_is_not_seen(wire: Any) -> None:
    body = (
        f'<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body>'
        f'<WhoAmI xmlns="{NAMESPACES["v3.2"]}"><SessionID xmlns="urn:other">{wire.sandbox.api_key}</SessionID></WhoAmI>'
        "</s:Body></s:Envelope>"
    )
    got = wire.send("POST", PATHS["v3.2"], body, {"Content-Type": "text/xml"})
    assert got.fault == ("Invalid Session ID", "Authentication")


def test_pages_list_the_operations_and_show_one(wire: Any) -> None:
    listed = wire.send("GET", PATHS["v3.2"]).body.decode()
    for operation in ("InvoiceCalculateLineItem", "ContractInfo", "Logout"):
        assert f'<a href="?op={operation}">{operation}</a>' in listed
    assert "?WSDL" in listed
    assert "InvoiceCalculateLineItem" not in wire.send("GET", PATHS["v4.1"]).body.decode()
    shown = wire.send("GET", PATHS["v3.2"].lower() + "?OP=invoicecalculatelineitem").body.decode()
    for words in ("SOAP 1.1", "SOAP 1.2", "HTTP GET", "HTTP POST", "ReportingMonth", "TrafficKCInterchangeTiered or"):
        assert words in shown or words.removesuffix(" or") in shown
    assert wire.send("GET", PATHS["v3.2"] + "?op=Nothing").status == 404


def test_the_wsdl_names_the_address_that_was_asked(wire: Any) -> None:
    got = wire.send("GET", PATHS["v4.1"].lower() + "?wsdl")
    assert dict(got.headers)["Content-Type"] == "text/xml; charset=utf-8"
    text = got.body.decode()
    assert f'location="http://127.0.0.1:{wire.sandbox.port}{PATHS["v4.1"]}"' in text
    assert "os.ecgrid.io:" not in text
    assert "schemas.xmlsoap.org/soap/encoding" not in text


def test_many_calls_on_one_connection(wire: Any) -> None:
    import http.client

    connection = http.client.HTTPConnection("127.0.0.1", wire.sandbox.port)
    for _ in range(50):
        connection.request("GET", f"{PATHS['v2.3']}/Version")
        answer = connection.getresponse()
        assert answer.read().endswith(b"v2.3 (Build 98)</string>")
    connection.close()
