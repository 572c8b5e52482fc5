"""The sandbox's answers beside the wire samples: the same bytes where nothing is invented, else the same form.

`form` of an answer: for every path of elements the order of the children, and for every leaf the kind of its text.
The samples' people, networks and figures are other ones; their elements, order, types and headers are the same.
"""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from lxml import etree

WIRE = Path(__file__).parents[1] / "wire"
HEADERS: dict[str, Any] = json.loads((WIRE / "HEADERS.json").read_text())
MONTH = "2026-10-01T00:00:00"

# sample: (version, operation, binding, arguments that make the sandbox give the like)
ASKED: dict[str, tuple[str, str, str, dict[str, object]]] = {
    "v2.3-NowUTC.httpget.response.xml": ("v2.3", "NowUTC", "get", {}),
    "v3.2-ContractList.soap11.response.xml": (
        *("v3.2", "ContractList", "soap11"),
        {"ActiveDate": MONTH, "ShowInactive": "true"},
    ),
    "v3.2-InvoiceCalculateLineItem.soap11.response.xml": (
        *("v3.2", "InvoiceCalculateLineItem", "soap11"),
        {
            "NetworkID": 4443,
            "MailboxID": 0,
            "ReportingMonth": MONTH,
            "AccountReport": "TrafficKCInterchangeTiered",
            "MeasureField": "TieredKCIntCount",
        },
    ),
    "v3.2-InvoiceCalculateLineItem.httpget.response.xml": (
        *("v3.2", "InvoiceCalculateLineItem", "get"),
        {
            "NetworkID": 4443,
            "MailboxID": 0,
            "ReportingMonth": MONTH,
            "AccountReport": "TrafficKCInterchangeTiered",
            "MeasureField": "TieredKCIntCount",
        },
    ),
    "v3.2-InvoiceCalculateLineItem-credit.soap11.response.xml": (
        *("v3.2", "InvoiceCalculateLineItem", "soap11"),
        {
            "NetworkID": 4440,
            "MailboxID": 0,
            "ReportingMonth": MONTH,
            "AccountReport": "FixedRate",
            "MeasureField": "Credit",
        },
    ),
    "v3.2-InvoiceCalculateLineItem-no-schedule.soap11.response.xml": (
        *("v3.2", "InvoiceCalculateLineItem", "soap11"),
        {
            "NetworkID": 4447,
            "MailboxID": 0,
            "ReportingMonth": MONTH,
            "AccountReport": "TrafficSpecial",
            "MeasureField": "FromKCs",
        },
    ),
    "v3.2-InvoiceInfo.soap11.response.xml": ("v3.2", "InvoiceInfo", "soap11", {"InvoiceID": None}),
    "v3.2-InvoiceList.soap11.response.xml": (
        *("v3.2", "InvoiceList", "soap11"),
        {"BeginDate": "2026-01-01", "EndDate": "2027-01-01", "ContractID": 0, "Status": "All"},
    ),
    "v3.2-MailboxListEx.soap11.response.xml": ("v3.2", "MailboxListEx", "soap11", {"NetworkID": 4440, "Name": ""}),
    "v3.2-NetworkInfo.soap11.response.xml": ("v3.2", "NetworkInfo", "soap11", {"NetworkID": 4440}),
    "v3.2-NetworkList.soap11.response.xml": ("v3.2", "NetworkList", "soap11", {"Name": ""}),
    "v3.2-PricelistInfo.soap11.response.xml": ("v3.2", "PricelistInfo", "soap11", {"PricelistID": 432}),
    "v3.2-ReportMonthlyEx.soap11.response.xml": (
        *("v3.2", "ReportMonthlyEx", "soap11"),
        {"NetworkID": 4440, "MailboxID": -1, "Report": 1, "Month": MONTH},
    ),
    "v3.2-WhoAmI.soap12.response.xml": ("v3.2", "WhoAmI", "soap12", {}),
    "v4.1-InterconnectCount.soap11.response.xml": ("v4.1", "InterconnectCount", "soap11", {"MaxDays": 31}),
    "v4.1-InterconnectCount.httpget.response.xml": ("v4.1", "InterconnectCount", "get", {"MaxDays": 31}),
    "v4.1-ReportInstantStats.soap12.response.xml": (
        *("v4.1", "ReportInstantStats", "soap12"),
        {"Minutes1": 60, "Minutes2": 1440},
    ),
    "v4.1-ReportTrafficStats.soap11.response.xml": (
        *("v4.1", "ReportTrafficStats", "soap11"),
        {"TargetTime": "2026-10-12T09:00:00", "NumPeriods": 5, "Period": "Hour"},
    ),
}

# sample: answers that say nothing invented, byte for byte
SAME: dict[str, tuple[str, str, str, dict[str, object]]] = {
    "v2.3-Logout.httppost.response.xml": ("v2.3", "Logout", "post", {}),
    "v3.2-NetworkList-none.soap11.response.xml": ("v3.2", "NetworkList", "soap11", {"Name": "no such name"}),
    "v3.2-fault-session.soap11.response.xml": ("v3.2", "WhoAmI", "soap11", {"SessionID": "none"}),
    "v3.2-fault-session.soap12.response.xml": ("v3.2", "WhoAmI", "soap12", {"SessionID": "none"}),
    "v3.2-fault-session.httpget.response.txt": ("v3.2", "WhoAmI", "get", {"SessionID": "none"}),
    "v4.1-ReportTrafficStats-no-tables.soap11.response.xml": (
        *("v4.1", "ReportTrafficStats", "soap11"),
        {"TargetTime": MONTH, "NumPeriods": 0, "Period": "Day"},
    ),
    "v3.2-InvoiceCalculateLineItem-not-listed.soap11.response.xml": (
        *("v3.2", "InvoiceCalculateLineItem", "soap11"),
        {
            "NetworkID": 4440,
            "MailboxID": 0,
            "ReportingMonth": MONTH,
            "AccountReport": "TrafficSpecial",
            "MeasureField": "FromKCs",
        },
    ),
    "v3.2-InvoiceCalculateLineItem-no-result.soap11.response.xml": (
        *("v3.2", "InvoiceCalculateLineItem", "soap11"),
        {
            "NetworkID": 4443,
            "MailboxID": 0,
            "ReportingMonth": MONTH,
            "AccountReport": "TrafficSpecial",
            "MeasureField": "FromKCs",
        },
    ),
    "v3.2-InvoiceCalculateLineItem-nil.httpget.response.xml": (
        *("v3.2", "InvoiceCalculateLineItem", "get"),
        {
            "NetworkID": 4443,
            "MailboxID": 0,
            "ReportingMonth": MONTH,
            "AccountReport": "TrafficSpecial",
            "MeasureField": "FromKCs",
        },
    ),
    "v3.2-InvoiceCalculateLineItem-bad-enum.soap11.response.xml": (
        *("v3.2", "InvoiceCalculateLineItem", "soap11"),
        {
            "NetworkID": 4440,
            "MailboxID": 0,
            "ReportingMonth": MONTH,
            "AccountReport": "TrafficEverything",
            "MeasureField": "FromKCs",
        },
    ),
}

_KINDS = (
    ("empty", r""),
    ("boolean", r"true|false"),
    ("dateTime with offset", r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?[+-]\d\d:\d\d"),
    ("dateTime Z", r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z"),
    ("dateTime", r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?"),
    ("number", r"-?\d+(\.\d+)?"),
)
# leaves whose text is a name: invented names may look like numbers
_NAMES = {"Name", "SystemName", "MailboxName", "Description", "BillTo", "PricelistDescription", "Location"}


def kind_of(text: str) -> str:
    return next((kind for kind, pattern in _KINDS if re.fullmatch(pattern, text)), "text")


def form(root: etree._Element) -> tuple[dict[str, set[tuple[str, ...]]], dict[str, set[str]]]:
    """For each path its orders of children (each run of a repeated child counted once), for each leaf its kinds."""
    orders: dict[str, set[tuple[str, ...]]] = {}
    leaves: dict[str, set[str]] = {}

    def visit(element: etree._Element, path: str) -> None:
        children = list(element)
        if not children:
            leaves.setdefault(path, set()).add(kind_of(element.text or ""))
            return
        names = [child.tag for child in children]
        runs = tuple(name for place, name in enumerate(names) if place == 0 or names[place - 1] != name)
        orders.setdefault(path, set()).add(runs)
        for child in children:
            visit(child, f"{path}/{child.tag.rpartition('}')[2]}")

    visit(root, etree.QName(root).localname)
    return orders, leaves


def agrees(one: tuple[str, ...], other: tuple[str, ...]) -> bool:
    """Whether two orders have their common names in the same order."""
    return [name for name in one if name in other] == [name for name in other if name in one]


@pytest.fixture(scope="module")
def answers(wire: Any) -> dict[str, Any]:
    found = {}
    for sample, (version, operation, binding, arguments) in ASKED.items():
        if operation == "InvoiceInfo":
            listed = wire.ask(
                *("v3.2", "InvoiceList"),
                BeginDate="2026-01-01",
                EndDate="2027-01-01",
                ContractID=8755,
                Status="Paid",
            )
            arguments = {"InvoiceID": listed.text("Invoice/InvoiceID")}
        found[sample] = wire.ask(version, operation, binding, **arguments)
    return found


@pytest.mark.parametrize("sample", ASKED)
def test_elements_order_and_types_are_the_samples(answers: dict[str, Any], sample: str) -> None:
    got = answers[sample]
    assert got.status == 200, got.body
    orders, leaves = form(got.xml)
    its_orders, its_leaves = form(etree.parse(WIRE / sample).getroot())
    for path, expected in its_orders.items():
        if path.rpartition("/")[2] in ("NewDataSet", "diffgram"):
            continue  # how many rows there are of which table
        assert path in orders, path
        for order in expected:
            assert all(agrees(order, ours) for ours in orders[path]), path
        assert set().union(*orders[path]) >= set().union(*expected), path
    for path, kinds in its_leaves.items():
        if path.rpartition("/")[2] in _NAMES or "/schema" in path:
            continue
        ours = leaves.get(path, set())
        assert ours, path
        assert ours - {"empty"} <= kinds | ({"number"} if "text" in kinds else set()), (path, ours, kinds)


@pytest.mark.parametrize("sample", [name for name in ASKED if "DataSet" in (WIRE / name).read_text()])
def test_inline_schemas_are_the_samples_to_the_letter(answers: dict[str, Any], sample: str) -> None:
    pattern = re.compile(rb"<xs:schema.*</xs:schema>", re.DOTALL)
    ours, theirs = (pattern.search(body) for body in (answers[sample].body, (WIRE / sample).read_bytes()))
    assert ours
    assert theirs
    assert ours[0] == theirs[0]


@pytest.mark.parametrize("sample", ASKED | SAME)
def test_start_line_and_headers_are_the_samples(wire: Any, answers: dict[str, Any], sample: str) -> None:
    version, operation, binding, arguments = (ASKED | SAME)[sample]
    got = answers[sample] if sample in answers else wire.ask(version, operation, binding, **arguments)
    assert f"HTTP/1.1 {got.status} {got.reason}" == HEADERS[sample]["start"]
    expected = [tuple(header) for header in HEADERS[sample]["headers"]]
    assert [name for name, _ in got.headers] == [name for name, _ in expected]
    for (name, value), (_, theirs) in zip(got.headers, expected, strict=True):
        if name not in ("Date", "Content-Length"):
            assert (name, value) == (name, theirs)
    assert dict(got.headers)["Content-Length"] == str(len(got.body))


@pytest.mark.parametrize("sample", SAME)
def test_answers_without_invention_are_the_samples_byte_for_byte(wire: Any, sample: str) -> None:
    version, operation, binding, arguments = SAME[sample]
    assert wire.ask(version, operation, binding, **arguments).body == (WIRE / sample).read_bytes()


@pytest.mark.parametrize("sample", [name for name in ASKED if ".soap" in name])
def test_envelopes_begin_as_the_samples(answers: dict[str, Any], sample: str) -> None:
    """Declaration, prefixes and their order: all up to the first value."""
    head = re.compile(rb".*?<soap:Body><\w+ xmlns=\"[^\"]+\"><\w+>", re.DOTALL)
    ours, theirs = (head.match(body) for body in (answers[sample].body, (WIRE / sample).read_bytes()))
    assert ours
    assert theirs
    assert ours[0] == theirs[0]


def test_a_login_answers_as_the_sample(wire: Any) -> None:
    sandbox = wire.sandbox
    got = wire.ask("v2.3", "Login", LoginName=sandbox.login_name, Password=sandbox.password)
    session = got.result.text
    assert re.fullmatch(r"[0-9A-F]{8}-([0-9A-F]{4}-){3}[0-9A-F]{12}", session)
    sample = (WIRE / "v2.3-Login.soap11.response.xml").read_text()
    known = re.search(r"<LoginResult>(.*)</LoginResult>", sample)
    assert known
    assert got.body.decode() == sample.replace(known[1], session)
    assert wire.ask("v2.3", "Logout", SessionID=session).status == 200


def test_the_samples_requests_are_understood(wire: Any) -> None:
    path, kind = "/v3.2/prod/ECGridOS.asmx", "text/xml; charset=utf-8"
    request = (WIRE / "v3.2-InvoiceCalculateLineItem.soap11.request.xml").read_text()
    request = request.replace("c0ffee00c0ffee00c0ffee00c0ffee00", wire.sandbox.api_key).replace("2023-08", "2026-10")
    assert wire.send("POST", path, request, {"Content-Type": kind}).text("PriceListID") == "432"
    known = "69F4537D-A041-707E-DEA0-B59A9CB7F549"
    request = (WIRE / "v3.2-WhoAmI.soap12.request.xml").read_text().replace(known, wire.sandbox.api_key)
    got = wire.send("POST", path, request, {"Content-Type": "application/soap+xml; charset=utf-8"})
    assert got.text("LoginName") == wire.sandbox.login_name


def test_the_wsdl_has_the_samples_parameters_and_types(wire: Any) -> None:
    """Each type and operation of the sample's WSDL that the sandbox has: the same elements, types and occurrence."""
    ours = etree.fromstring(wire.send("GET", "/v3.2/prod/ECGridOS.asmx?WSDL").body)
    theirs = etree.parse(WIRE / "v3.2-service.wsdl").getroot()
    schema = "{http://www.w3.org/2001/XMLSchema}"

    def parts(root: etree._Element, kind: str) -> dict[str, list[tuple[str | None, ...]]]:
        return {
            item.get("name"): [
                tuple(element.get(name) for name in ("name", "type", "minOccurs", "maxOccurs", "nillable", "ref"))
                for element in item.iter(f"{schema}element")
                if element is not item
            ]
            for item in root.findall(f".//{schema}schema[@targetNamespace='http://ecgridos.net/']/{schema}{kind}")
        }

    for kind in ("complexType", "element"):
        mine = parts(ours, kind)
        compared = [name for name in parts(theirs, kind) if name in mine]
        assert len(compared) > 20
        for name in compared:
            assert mine[name] == parts(theirs, kind)[name], name
    enums = {
        item.get("name"): [value.get("value") for value in item.iter(f"{schema}enumeration")]
        for item in theirs.iter(f"{schema}simpleType")
    }
    for item in ours.iter(f"{schema}simpleType"):
        if item.get("name") in enums:
            assert [value.get("value") for value in item.iter(f"{schema}enumeration")] == enums[item.get("name")]
    soap = "{http://schemas.xmlsoap.org/wsdl/}"
    assert [port.get("name") for port in ours.iter(f"{soap}port")] == [
        port.get("name") for port in theirs.iter(f"{soap}port")
    ]
