"""The WSDL of a version, as ASP.NET writes it: all four bindings, and DataSets as a reference to s:schema and an any.

It has no imports: the published ones import the SOAP encoding schema for an array type that none of the operations here
uses (facts 8), and a client without network access could not load them.
"""

from functools import cache

from ecgrid_sandbox.service.envelope import escaped
from ecgrid_sandbox.service.shapes import VALUE_TYPES, Drift, Field, Operation, Shape, shape

_ABOUT = "Imitation of ECGridOS {version} with made-up data."

_HEAD = """<?xml version="1.0" encoding="utf-8"?>
<wsdl:definitions xmlns:soap="http://schemas.xmlsoap.org/wsdl/soap/" \
xmlns:soap12="http://schemas.xmlsoap.org/wsdl/soap12/" xmlns:http="http://schemas.xmlsoap.org/wsdl/http/" \
xmlns:mime="http://schemas.xmlsoap.org/wsdl/mime/" xmlns:s="http://www.w3.org/2001/XMLSchema" \
xmlns:tns="{namespace}" xmlns:wsdl="http://schemas.xmlsoap.org/wsdl/" targetNamespace="{namespace}">
  <wsdl:documentation>{about}</wsdl:documentation>
"""


@cache
def wsdl(version: str, drift: Drift | None, address: str) -> bytes:
    """The WSDL of a version (and age), with the address that the sandbox itself listens on."""
    interface = shape(version, drift)
    about = escaped(_ABOUT.format(version=version))
    parts = [
        _HEAD.format(namespace=interface.namespace, about=about),
        _types(interface),
        *(_messages(operation) for operation in interface.operations.values()),
        *(_port_type(interface, kind) for kind in ("Soap", "HttpGet", "HttpPost")),
        *(_binding(interface, kind) for kind in ("Soap", "Soap12", "HttpGet", "HttpPost")),
        _service(interface, about, address),
        "</wsdl:definitions>\n",
    ]
    return "".join(parts).encode()


def _qualified(interface: Shape, type_name: str) -> str:
    known = type_name in interface.types or type_name in interface.enums
    return f"{'tns' if known else 's'}:{type_name}"


def _element(interface: Shape, field: Field, *, many: bool = False, nillable: bool = False) -> str:
    occurs = "unbounded" if many else "1"
    nil = ' nillable="true"' if nillable else ""
    if field.type == "DataSet":
        return f'<s:element minOccurs="0" maxOccurs="1" name="{field.name}">{_DATA_SET}</s:element>'
    return (
        f'<s:element minOccurs="{0 if field.optional else 1}" maxOccurs="{occurs}" name="{field.name}"{nil} '
        f'type="{_qualified(interface, field.type)}" />'
    )


_DATA_SET = '<s:complexType><s:sequence><s:element ref="s:schema" /><s:any /></s:sequence></s:complexType>'


def _types(interface: Shape) -> str:
    lines = [
        "  <wsdl:types>",
        f'    <s:schema elementFormDefault="qualified" targetNamespace="{interface.namespace}">',
    ]
    if any(operation.result == "DataSet" for operation in interface.operations.values()):
        lines.append('      <s:import namespace="http://www.w3.org/2001/XMLSchema" />')
    for operation in interface.operations.values():
        result = Field(f"{operation.name}Result", operation.result, operation.result_optional)
        for name, parts in ((operation.name, operation.parameters), (f"{operation.name}Response", (result,))):
            inner = "".join(_element(interface, part) for part in parts)
            body = f"<s:complexType><s:sequence>{inner}</s:sequence></s:complexType>" if inner else "<s:complexType />"
            lines.append(f'      <s:element name="{name}">{body}</s:element>')
    for name, fields in interface.types.items():
        is_array = interface.item_of(name) is not None
        inner = "".join(
            _element(interface, field, many=is_array, nillable=is_array and field.type not in VALUE_TYPES)
            for field in fields
        )
        lines.append(f'      <s:complexType name="{name}"><s:sequence>{inner}</s:sequence></s:complexType>')
    for name, values in interface.enums.items():
        inner = "".join(f'<s:enumeration value="{value}" />' for value in values)
        lines.append(
            f'      <s:simpleType name="{name}"><s:restriction base="s:string">{inner}</s:restriction></s:simpleType>'
        )
    # the root elements of GET and POST responses
    for root in dict.fromkeys(operation.result for operation in interface.operations.values()):
        if root == "DataSet":
            lines.append(f'      <s:element name="DataSet" nillable="true">{_DATA_SET}</s:element>')
        else:
            nil = "" if root in VALUE_TYPES else ' nillable="true"'
            lines.append(f'      <s:element name="{root}"{nil} type="{_qualified(interface, root)}" />')
    lines += ["    </s:schema>", "  </wsdl:types>", ""]
    return "\n".join(lines)


def _messages(operation: Operation) -> str:
    name = operation.name
    made = [
        f'  <wsdl:message name="{name}SoapIn"><wsdl:part name="parameters" element="tns:{name}" /></wsdl:message>',
        f'  <wsdl:message name="{name}SoapOut">'
        f'<wsdl:part name="parameters" element="tns:{name}Response" /></wsdl:message>',
    ]
    for kind in ("HttpGet", "HttpPost"):
        parts = "".join(f'<wsdl:part name="{field.name}" type="s:string" />' for field in operation.parameters)
        made.append(f'  <wsdl:message name="{name}{kind}In">{parts}</wsdl:message>')
        made.append(
            f'  <wsdl:message name="{name}{kind}Out">'
            f'<wsdl:part name="Body" element="tns:{operation.result}" /></wsdl:message>'
        )
    return "\n".join(made) + "\n"


def _port_type(interface: Shape, kind: str) -> str:
    lines = [f'  <wsdl:portType name="{interface.service}{kind}">']
    for operation in interface.operations.values():
        about = escaped(operation.about)
        lines.append(
            f'    <wsdl:operation name="{operation.name}"><wsdl:documentation>{about}</wsdl:documentation>'
            f'<wsdl:input message="tns:{operation.name}{kind}In" />'
            f'<wsdl:output message="tns:{operation.name}{kind}Out" /></wsdl:operation>'
        )
    return "\n".join([*lines, "  </wsdl:portType>", ""])


def _binding(interface: Shape, kind: str) -> str:
    is_soap = kind.startswith("Soap")
    port_type = "Soap" if is_soap else kind
    prefix = {"Soap": "soap", "Soap12": "soap12"}.get(kind, "http")
    lines = [f'  <wsdl:binding name="{interface.service}{kind}" type="tns:{interface.service}{port_type}">']
    if is_soap:
        lines.append(f'    <{prefix}:binding transport="http://schemas.xmlsoap.org/soap/http" />')
    else:
        lines.append(f'    <http:binding verb="{"GET" if kind == "HttpGet" else "POST"}" />')
    for operation in interface.operations.values():
        name = operation.name
        if is_soap:
            action = f'<{prefix}:operation soapAction="{interface.namespace}{name}" style="document" />'
            given = taken = f'<{prefix}:body use="literal" />'
        else:
            action = f'<http:operation location="/{name}" />'
            taken = '<mime:mimeXml part="Body" />'
            given = (
                "<http:urlEncoded />"
                if kind == "HttpGet"
                else '<mime:content type="application/x-www-form-urlencoded" />'
            )
        lines.append(
            f'    <wsdl:operation name="{name}">{action}<wsdl:input>{given}</wsdl:input>'
            f"<wsdl:output>{taken}</wsdl:output></wsdl:operation>"
        )
    return "\n".join([*lines, "  </wsdl:binding>", ""])


def _service(interface: Shape, about: str, address: str) -> str:
    ports = "\n".join(
        f'    <wsdl:port name="{interface.service}{kind}" binding="tns:{interface.service}{kind}">'
        f'<{prefix}:address location="{escaped(address)}" /></wsdl:port>'
        for kind, prefix in (("Soap", "soap"), ("Soap12", "soap12"), ("HttpGet", "http"), ("HttpPost", "http"))
    )
    return (
        f'  <wsdl:service name="{interface.service}">\n    <wsdl:documentation>{about}</wsdl:documentation>\n'
        f"{ports}\n  </wsdl:service>\n"
    )
