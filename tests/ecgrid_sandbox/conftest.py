"""One sandbox over the shipped world for the tests that leave it as it is, and a bare HTTP client to talk to it."""

import http.client
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from urllib.parse import urlencode

import pytest
from lxml import etree

from ecgrid_sandbox import Sandbox, World
from ecgrid_sandbox.service.shapes import NAMESPACES, PATHS

WIRE = Path(__file__).parents[1] / "wire"
LAST_MONTH = date(2026, 10, 1)
SOAP11 = "http://schemas.xmlsoap.org/soap/envelope/"
SOAP12 = "http://www.w3.org/2003/05/soap-envelope"


@dataclass(frozen=True)
class Got:
    """An HTTP answer as received."""

    status: int
    reason: str
    headers: list[tuple[str, str]]
    body: bytes

    @property
    def xml(self) -> etree._Element:
        return etree.fromstring(self.body)

    @property
    def result(self) -> etree._Element | None:
        """The result element of a SOAP answer, the root of a GET or POST one; None when absent or nil."""
        root = self.xml
        if etree.QName(root).localname == "Envelope":
            response = root[0][0]
            assert etree.QName(response).localname.endswith("Response"), self.body
            return response[0] if len(response) else None
        nil = root.get("{http://www.w3.org/2001/XMLSchema-instance}nil")
        return None if nil == "true" else root

    def all(self, path: str) -> list[etree._Element]:
        """Elements at a path of local names below the result."""
        found = [] if self.result is None else [self.result]
        for name in path.split("/"):
            found = [child for element in found for child in element if etree.QName(child).localname == name]
        return found

    def text(self, path: str) -> str | None:
        """Text of the first element at a path; None where there is none."""
        return next((element.text or "" for element in self.all(path)), None)

    def texts(self, path: str) -> list[str]:
        return [element.text or "" for element in self.all(path)]

    @property
    def fault(self) -> tuple[str, str | None]:
        """Words and code of a SOAP fault."""
        fault = self.xml[0][0]
        assert etree.QName(fault).localname == "Fault", self.body
        words = fault.findtext("faultstring") or fault.findtext(f".//{{{SOAP12}}}Text")
        assert words
        return words, fault.findtext(".//ECGridOSSOAPErrorCode")


class Wire:
    """Talks to a sandbox in bytes, over any binding."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox

    def send(
        self, method: str, target: str, body: str | bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> Got:
        connection = http.client.HTTPConnection("127.0.0.1", self.sandbox.port)
        try:
            data = body.encode() if isinstance(body, str) else body
            connection.request(method, target, data, dict(headers or {}))
            answer = connection.getresponse()
            return Got(answer.status, answer.reason, answer.getheaders(), answer.read())
        finally:
            connection.close()

    def ask(self, version: str, operation: str, binding: str = "soap11", **arguments: object) -> Got:
        """One call. `SessionID` is the sandbox's API key unless given; None leaves an argument out."""
        given = {name: str(value) for name, value in arguments.items() if value is not None}
        if operation not in ("Login", "Version", "NowUTC") and "SessionID" not in arguments:
            given = {"SessionID": self.sandbox.api_key, **given}
        path = PATHS[version]
        if binding == "get":
            return self.send("GET", f"{path}/{operation}?{urlencode(given)}")
        if binding == "post":
            kind = {"Content-Type": "application/x-www-form-urlencoded"}
            return self.send("POST", f"{path}/{operation}", urlencode(given), kind)
        root = etree.Element(f"{{{NAMESPACES[version]}}}{operation}")
        for name, value in given.items():
            etree.SubElement(root, f"{{{NAMESPACES[version]}}}{name}").text = value
        uri = SOAP12 if binding == "soap12" else SOAP11
        envelope = etree.Element(f"{{{uri}}}Envelope")
        etree.SubElement(envelope, f"{{{uri}}}Body").append(root)
        if binding == "soap12":
            headers = {"Content-Type": "application/soap+xml; charset=utf-8"}
        else:
            action = f'"{NAMESPACES[version]}{operation}"'
            headers = {"Content-Type": "text/xml; charset=utf-8", "SOAPAction": action}
        return self.send("POST", path, etree.tostring(envelope, xml_declaration=True, encoding="utf-8"), headers)

    def line(self, account: tuple[int, int], pair: tuple[str, str], binding: str = "soap11", **more: object) -> Got:
        """InvoiceCalculateLineItem of the last month."""
        arguments = {
            "NetworkID": account[0],
            "MailboxID": account[1],
            "ReportingMonth": f"{LAST_MONTH}T00:00:00",
            "AccountReport": pair[0],
            "MeasureField": pair[1],
        } | more
        return self.ask("v3.2", "InvoiceCalculateLineItem", binding, **arguments)


@pytest.fixture(scope="session")
def world() -> World:
    return World.shipped(LAST_MONTH)


@pytest.fixture(scope="session")
def sandbox(world: World) -> Iterator[Sandbox]:
    with Sandbox(world) as running:
        yield running


@pytest.fixture(scope="session")
def wire(sandbox: Sandbox) -> Wire:
    return Wire(sandbox)
