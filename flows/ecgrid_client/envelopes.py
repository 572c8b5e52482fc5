"""Requests as bytes. zeep builds and validates one envelope per operation from the WSDL; calls only fill in the values.

zeep takes about a millisecond to build an envelope, as much as the whole rest of a call; filling its envelope, cut at
the values, takes a few microseconds. A test compares both. No operation of the published WSDLs takes a list or an
object; one that did would be refused, not sent incomplete.
"""

import logging
import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any
from urllib.parse import quote_plus
from xml.sax.saxutils import escape

from lxml import etree

from ecgrid_client.endpoints import VERSIONS
from ecgrid_client.errors import InvalidArgument, SettingsError
from ecgrid_client.markup import local
from ecgrid_client.masking import MASKER
from ecgrid_client.operations import Operation, Service, own_service
from ecgrid_transforms.money import Decimal

_SAMPLES: dict[str, object] = {
    "dateTime": datetime.fromisoformat("2000-01-01"),
    "decimal": Decimal(1),
    "boolean": True,
    "base64Binary": b"1",
}
_MARK = re.compile(rb"@@([0-9]+)@@")
_SOAP_BINDINGS = {"Soap11Binding": "soap11", "Soap12Binding": "soap12"}  # zeep's classes


@dataclass(frozen=True, slots=True)
class Request:
    """One request, ready to send; its repr shows no value."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes | None

    def __repr__(self) -> str:
        return f"Request({self.method} {self.path})"


class _OfflineTransport:
    """Serves the documents that zeep loads: our WSDL, and the SOAP-encoding schema that ASMX's WSDLs import.

    Any other document would be another host's, and is refused.
    """

    def __init__(self, wsdl: bytes) -> None:
        self._wsdl = wsdl

    def load(self, url: str) -> bytes:
        if url == _WSDL_NAME:
            return self._wsdl
        if url.rstrip("/") == "http://schemas.xmlsoap.org/soap/encoding":
            return _SOAP_ENCODING
        raise SettingsError(f"the WSDL refers to {url[:200]!r}, and nothing is fetched from any other host")


_WSDL_NAME = "http://wsdl.invalid/service.wsdl"  # a name, never fetched
#: The part of the SOAP 1.1 encoding schema that a WSDL's `restriction base="soapenc:Array"` needs.
_SOAP_ENCODING = b"""<?xml version="1.0"?>
<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" xmlns:tns="http://schemas.xmlsoap.org/soap/encoding/"
           targetNamespace="http://schemas.xmlsoap.org/soap/encoding/">
  <xs:attribute name="arrayType" type="xs:string"/>
  <xs:attribute name="offset" type="xs:string"/>
  <xs:attributeGroup name="commonAttributes">
    <xs:attribute name="id" type="xs:ID"/>
    <xs:attribute name="href" type="xs:anyURI"/>
  </xs:attributeGroup>
  <xs:complexType name="Array">
    <xs:sequence><xs:any namespace="##any" minOccurs="0" maxOccurs="unbounded" processContents="lax"/></xs:sequence>
    <xs:attribute ref="tns:arrayType"/>
    <xs:attribute ref="tns:offset"/>
    <xs:attributeGroup ref="tns:commonAttributes"/>
  </xs:complexType>
</xs:schema>
"""


class Envelopes:
    """Builds the requests of one version."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self._lock = threading.RLock()
        self._templates: dict[tuple[str, str], tuple[tuple[bytes, ...], tuple[str, ...]]] = {}
        self._zeep: Any = None

    def request(self, operation: Operation, texts: Mapping[str, str], binding: str) -> Request:
        """The request of a call. `texts` are the checked values, including SessionID where the operation has one."""
        namespace = self.service.namespace
        if binding == "soap11":
            headers = {
                "Content-Type": "text/xml; charset=utf-8",
                "SOAPAction": f'"{namespace}{operation.name}"',
            }
            return Request("POST", "", "", headers, self._envelope(operation, texts, binding))
        if binding == "soap12":
            # without SOAPAction and action parameter, as the service's pages show it
            headers = {"Content-Type": "application/soap+xml; charset=utf-8"}
            return Request("POST", "", "", headers, self._envelope(operation, texts, binding))
        if not operation.is_plain:
            raise InvalidArgument(f"{operation.name} takes lists or objects, which only soap11 and soap12 carry")
        pairs = "&".join(
            f"{quote_plus(field.name)}={quote_plus(texts.get(field.name, ''))}" for field in operation.parameters
        )
        path = f"/{operation.name}"
        if binding == "get":
            return Request("GET", path, pairs, {}, None)
        if binding == "post":
            headers = {"Content-Type": "application/x-www-form-urlencoded"}
            return Request("POST", path, "", headers, pairs.encode())
        raise InvalidArgument(f"{binding!r} is not a binding: soap11, soap12, get or post")

    def _envelope(self, operation: Operation, texts: Mapping[str, str], binding: str) -> bytes:
        template = self._templates.get((operation.name, binding))
        if template is None:
            template = self._template(operation, binding)
        pieces, names = template
        filled = [pieces[0]]
        for name, piece in zip(names, pieces[1:], strict=True):
            filled.append(_escaped(texts.get(name, "")))
            filled.append(piece)
        return b"".join(filled)

    def _template(self, operation: Operation, binding: str) -> tuple[tuple[bytes, ...], tuple[str, ...]]:
        """zeep's envelope, cut at the values."""
        if not operation.is_plain:
            raise InvalidArgument(
                f"{operation.name} takes lists or objects, which this client does not build; no billing operation does"
            )
        samples = {field.name: self._sample(field.type) for field in operation.parameters}
        envelope = self.zeep_envelope(operation.name, samples, binding)
        names = [field.name for field in operation.parameters]
        found = [element for element in envelope.iter() if local(element) in names]
        if [local(element) for element in found] != names:
            raise SettingsError(
                f"the WSDL of {self.service.api_version} does not describe {operation.name} as ASMX does"
            )
        for index, element in enumerate(found):
            element.text = f"@@{index}@@"
        written = etree.tostring(envelope, encoding="utf-8", xml_declaration=True)
        pieces = _MARK.split(written)
        template = (tuple(pieces[0::2]), tuple(names[int(index)] for index in pieces[1::2]))
        with self._lock:
            self._templates[(operation.name, binding)] = template
        return template

    def _sample(self, kind: str) -> object:
        values = self.service.enumerations.get(kind)
        if values:
            return values[0]
        return _SAMPLES.get(kind, "1" if kind in ("string", "anyURI", "guid") else 1)

    def zeep_envelope(self, operation: str, values: Mapping[str, object], binding: str) -> Any:
        """The envelope that zeep builds and validates from the WSDL, as an element."""
        import zeep.exceptions

        with self._lock:
            client, services = self._loaded()
            try:
                return client.create_message(services[binding], operation, **values)
            except (zeep.exceptions.Error, TypeError, ValueError, AttributeError) as error:
                reason = MASKER.text(f"{error}")[:200]
        raise InvalidArgument(f"{operation}: the WSDL does not allow these arguments ({reason})")

    def _loaded(self) -> tuple[Any, dict[str, Any]]:
        if self._zeep is None:
            import zeep
            import zeep.exceptions

            # at DEBUG zeep logs every type that it reads, and nothing of a call: it sends none here
            logging.getLogger("zeep").setLevel(logging.INFO)
            try:
                client: Any = zeep.Client(_WSDL_NAME, transport=_OfflineTransport(self.service.wsdl))
                services = {
                    _SOAP_BINDINGS[type(port.binding).__name__]: client.bind(service.name, port.name)
                    for service in client.wsdl.services.values()
                    for port in service.ports.values()
                    if type(port.binding).__name__ in _SOAP_BINDINGS
                }
            except (zeep.exceptions.Error, etree.Error, KeyError, AttributeError, ValueError) as error:
                raise SettingsError(
                    f"zeep cannot read {self.service.source} of {self.service.api_version}: {error}"
                ) from None
            if set(services) != set(_SOAP_BINDINGS.values()):
                raise SettingsError(f"{self.service.source} of {self.service.api_version} lacks a SOAP 1.1 or 1.2 port")
            self._zeep = (client, services)
        loaded: tuple[Any, dict[str, Any]] = self._zeep
        return loaded


@lru_cache(maxsize=len(VERSIONS))
def own_envelopes(api_version: str) -> Envelopes:
    """The requests of our WSDL of that version; shared by all clients of the process, since zeep loads it slowly."""
    return Envelopes(own_service(api_version))


def _escaped(value: str) -> bytes:
    if "\r" in value:  # a bare CR would be read as LF (XML 1.0, 2.11)
        return escape(value).replace("\r", "&#13;").encode()
    return escape(value).encode()
