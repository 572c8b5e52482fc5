"""Parsing of requests and writing of responses: SOAP 1.1, SOAP 1.2, HTTP GET and HTTP POST as in an ASMX service.

A response is a tree of `Node`s, written on one line inside an envelope and indented where it is the root of a GET/POST
response, as in the wire samples. The meaning of operations is not known here.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from lxml import etree

from ecgrid_sandbox.service.shapes import VALUE_TYPES, Field, Operation, Shape

Binding = Literal["soap11", "soap12", "get", "post"]

SOAP11 = "http://schemas.xmlsoap.org/soap/envelope/"
SOAP12 = "http://www.w3.org/2003/05/soap-envelope"
_XSI = "http://www.w3.org/2001/XMLSchema-instance"
_XSD = "http://www.w3.org/2001/XMLSchema"
_DECLARATION = '<?xml version="1.0" encoding="utf-8"?>'

XML_TYPE = "text/xml; charset=utf-8"
SOAP12_TYPE = "application/soap+xml; charset=utf-8"
PLAIN_TYPE = "text/plain; charset=utf-8"


class Fault(Exception):
    """An error that the service returns: its message, its code (none for the framework's own), HTTP status 500."""

    def __init__(self, message: str, code: str | None = None, *, cache_control: str = "private, max-age=0") -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.cache_control = cache_control


@dataclass(slots=True)
class Node:
    """An element: its tag, attributes as written, and either text or children (neither: an empty element)."""

    tag: str
    text: str | None = None
    children: "list[Node]" = field(default_factory=list)
    attributes: str = ""


def escaped(text: str) -> str:
    """Text escaped as .NET escapes element content: quotes and line breaks are unchanged."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def node(shape: Shape, tag: str, type_name: str, value: object) -> Node:
    """The element `tag` of a type for a value: text, a list for an array, or a mapping by element name.

    Elements are in the order of the type. One that the mapping lacks (or holds as None) is omitted if it is optional;
    a missing value type is a bug of the sandbox and raises `KeyError`.
    """
    item = shape.item_of(type_name)
    if item:
        if not isinstance(value, Sequence):
            raise TypeError(f"{tag} holds a list")
        name, item_type = item
        return Node(
            tag,
            children=[
                Node(name, attributes=' xsi:nil="true"') if entry is None else node(shape, name, item_type, entry)
                for entry in value
            ],
        )
    if type_name in shape.types:
        if not isinstance(value, Mapping):
            raise TypeError(f"{tag} holds a {type_name}")
        made = Node(tag)
        for part in shape.types[type_name]:
            inner = value.get(part.name)
            if inner is None:
                if not part.optional:
                    raise KeyError(f"{type_name}.{part.name} has no value")
                continue
            made.children.append(node(shape, part.name, part.type, inner))
        return made
    text = str(value)
    return Node(tag, text=escaped(text) if text else None)


def compact(tree: Node) -> str:
    """The element on one line."""
    if tree.children:
        inner = "".join(compact(child) for child in tree.children)
    elif tree.text is not None:
        inner = tree.text
    else:
        return f"<{tree.tag}{tree.attributes} />"
    return f"<{tree.tag}{tree.attributes}>{inner}</{tree.tag}>"


def indented(tree: Node, depth: int = 0) -> str:
    """The element over several lines, indented by two blanks per level, without a final line break."""
    pad = "  " * depth
    if tree.children:
        inner = "\n".join(indented(child, depth + 1) for child in tree.children)
        return f"{pad}<{tree.tag}{tree.attributes}>\n{inner}\n{pad}</{tree.tag}>"
    return pad + compact(tree)


def _envelope(binding: Binding, body: str) -> bytes:
    uri = SOAP12 if binding == "soap12" else SOAP11
    return (
        f'{_DECLARATION}<soap:Envelope xmlns:soap="{uri}" xmlns:xsi="{_XSI}" xmlns:xsd="{_XSD}">'
        f"<soap:Body>{body}</soap:Body></soap:Envelope>"
    ).encode()


def content_type(binding: Binding) -> str:
    """The media type of a response over `binding`."""
    return SOAP12_TYPE if binding == "soap12" else XML_TYPE


def answer(shape: Shape, operation: Operation, binding: Binding, result: Node | None) -> bytes:
    """The body of a successful response. `result` None is an absent result: no element in SOAP, else xsi:nil."""
    if binding in ("soap11", "soap12"):
        response = Node(f"{operation.name}Response", attributes=f' xmlns="{shape.namespace}"')
        if result is not None:
            result.tag = f"{operation.name}Result"
            response.children.append(result)
        return _envelope(binding, compact(response))
    root = result or Node("", attributes=' xsi:nil="true"')
    root.tag = operation.result
    if result is None or operation.result not in VALUE_TYPES | {"string", "DataSet"}:
        root.attributes = f' xmlns:xsd="{_XSD}" xmlns:xsi="{_XSI}"{root.attributes}'
    root.attributes += f' xmlns="{shape.namespace}"'
    return f"{_DECLARATION}\n{indented(root)}".encode()


def fault(binding: Binding, error: Fault, detail_form: str = "code") -> bytes:
    """The body of an error: a SOAP fault (`soap:Client`, detail in no namespace), or over GET and POST its message.

    `detail_form` is `code` (as in the wire samples), `ErrorInfo` or `details` (the vendor's client and guide).
    """
    if binding in ("get", "post"):
        return f"{error.message}\n".encode()
    detail = Node("detail")
    if error.code is not None:
        if detail_form == "code":
            detail.children.append(Node("ECGridOSSOAPErrorCode", text=escaped(error.code)))
        else:
            detail.children.append(
                Node(
                    detail_form,
                    children=[
                        Node("ErrorCode", text=escaped(error.code)),
                        Node("ErrorString", text=escaped(error.message)),
                        Node("ErrorItem"),
                        Node("ErrorMessage", text=escaped(error.message)),
                    ],
                )
            )
    if binding == "soap12":
        inner = (
            "<soap:Fault><soap:Code><soap:Value>soap:Sender</soap:Value></soap:Code><soap:Reason>"
            f'<soap:Text xml:lang="en">{escaped(error.message)}</soap:Text></soap:Reason>{compact(detail)}</soap:Fault>'
        )
    else:
        inner = (
            f"<soap:Fault><faultcode>soap:Client</faultcode><faultstring>{escaped(error.message)}</faultstring>"
            f"{compact(detail)}</soap:Fault>"
        )
    return _envelope(binding, inner)


# -- requests -------------------------------------------------------------------------------------------------------

# one parser for all requests: the server parses in one thread, and making a parser costs more than using it
_PARSER = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)


def read_soap(body: bytes, namespace: str) -> tuple[str, dict[str, str]]:
    """Operation and arguments of a SOAP request; raises `Fault` for any other document.

    As in .NET an element of another namespace is ignored, so its argument is missing.
    """
    try:
        root = etree.fromstring(body, _PARSER)
    except etree.XMLSyntaxError as error:
        raise Fault(
            "Server was unable to read request. ---> There is an error in XML document "
            f"({getattr(error, 'lineno', 0)}, {getattr(error, 'offset', 0)}). ---> Data at the root level is invalid.",
            cache_control="private",
        ) from None
    if root.getroottree().docinfo.doctype:
        raise Fault(
            "Server was unable to read request. ---> For security reasons DTD is prohibited in this XML document.",
            cache_control="private",
        )
    name = etree.QName(root)
    if name.localname != "Envelope" or name.namespace not in (SOAP11, SOAP12):
        raise Fault(
            "Server was unable to read request. ---> Possible SOAP version mismatch: Envelope namespace "
            f"{name.namespace} was unexpected. Expecting {SOAP11}.",
            cache_control="private",
        )
    content = root.find(f"{{{name.namespace}}}Body")
    calls = [child for child in content if isinstance(child.tag, str)] if content is not None else []
    if not calls or etree.QName(calls[0]).namespace != namespace:
        raise Fault("Server did not recognize the value of HTTP Header SOAPAction.", cache_control="private")
    found: dict[str, str] = {}
    for child in calls[0]:
        if isinstance(child.tag, str) and etree.QName(child).namespace == namespace:
            if child.get(f"{{{_XSI}}}nil") in ("true", "1"):
                continue
            found.setdefault(etree.QName(child).localname, "".join(child.itertext()))
    return etree.QName(calls[0]).localname, found


_INTEGER = re.compile(r"\s*[+-]?\d{1,19}\s*")
_DATE_TIME = re.compile(r"\s*(\d{4})-(\d\d)-(\d\d)(?:T(\d\d):(\d\d):(\d\d)(?:\.\d{1,9})?)?(Z|[+-]\d\d:\d\d)?\s*")
_BOOLEANS = {"true": "true", "1": "true", "false": "false", "0": "false"}
_RANGES = {"short": 2**15, "int": 2**31}


def checked(shape: Shape, operation: Operation, arguments: Mapping[str, str], binding: Binding) -> dict[str, str]:
    """The arguments, each of its parameter's type; raises the framework's own `Fault` (no code) where one is not.

    Over SOAP a missing value type is read as its default, as in .NET; over GET and POST every parameter is required.
    """
    taken: dict[str, str] = {}
    for parameter in operation.parameters:
        text = arguments.get(parameter.name)
        if text is None:
            if binding in ("get", "post"):
                raise Fault(f"Missing parameter: {parameter.name}.", cache_control="private")
            if parameter.optional:
                continue
            text = _default(shape, parameter)
        taken[parameter.name] = _value(shape, parameter, text, binding)
    return taken


def _default(shape: Shape, parameter: Field) -> str:
    if parameter.type in shape.enums:
        return shape.enums[parameter.type][0]
    return {"dateTime": "0001-01-01T00:00:00", "boolean": "false"}.get(parameter.type, "0")


def _value(shape: Shape, parameter: Field, text: str, binding: Binding) -> str:
    kind = parameter.type
    if kind in shape.enums:
        if text.strip() not in shape.enums[kind]:
            raise _unreadable(f"Instance validation error: '{text.strip()}' is not a valid value for {kind}.", binding)
        return text.strip()
    if kind in _RANGES:
        if not _INTEGER.fullmatch(text) or not -_RANGES[kind] <= int(text) < _RANGES[kind]:
            raise _unreadable("Input string was not in a correct format.", binding, parameter, text)
        return str(int(text))
    if kind == "boolean":
        if text.strip().lower() not in _BOOLEANS:
            raise _unreadable(f"The string '{text.strip()}' is not a valid Boolean value.", binding, parameter, text)
        return _BOOLEANS[text.strip().lower()]
    if kind == "dateTime":
        if not _DATE_TIME.fullmatch(text):
            raise _unreadable(f"The string '{text.strip()}' is not a valid AllXsd value.", binding, parameter, text)
        return text.strip()
    return text


def _unreadable(reason: str, binding: Binding, parameter: Field | None = None, text: str = "") -> Fault:
    if binding in ("get", "post"):
        kind = {"int": "System.Int32", "short": "System.Int16", "boolean": "System.Boolean"}.get(
            parameter.type if parameter else "", "System.DateTime"
        )
        where = f"Cannot convert {text.strip()} to {kind}.\nParameter name: type ---> " if parameter else ""
        return Fault(f"{where}{reason}", cache_control="private")
    return Fault(
        f"Server was unable to read request. ---> There is an error in XML document (9, 55). ---> {reason}",
        cache_control="private",
    )
