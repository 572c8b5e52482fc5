"""The HTML pages of an ASMX service: the list of its operations, and one page per operation."""

import re
from html import escape

from ecgrid_sandbox.service.shapes import PATHS, VALUE_TYPES, Operation, Shape

_PAGE = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>{title} Web Service</title></head>
<body>
<h1>{title}</h1>
<p>Imitation of ECGridOS {version}; every name and figure is invented.</p>
{content}
</body></html>
"""


def page(interface: Shape, host: str, operation: str | None) -> bytes | None:
    """The list of operations, or the page of one (its name in any case); None for an unknown name."""
    title = f"ECGridOS API {interface.version[:2]}"
    if operation is None:
        content = _list(interface)
    else:
        found = next((op for op in interface.operations.values() if op.name.lower() == operation.lower()), None)
        if found is None:
            return None
        content = _one(interface, found, host)
    return _PAGE.format(title=title, version=interface.version, content=content).encode()


def not_found(what: str) -> bytes:
    """The page of a 404."""
    return f"<html><head><title>The resource cannot be found.</title></head><body>{escape(what)}</body></html>".encode()


def _list(interface: Shape) -> str:
    rows = "\n".join(
        f'<li><a href="?op={operation.name}">{operation.name}</a><br>{operation.about}</li>'
        for operation in interface.operations.values()
    )
    return (
        "<p>The following operations are supported. For a formal definition, please review the "
        f'<a href="?WSDL">Service Description</a>.</p>\n<ul>\n{rows}\n</ul>'
    )


def _one(interface: Shape, operation: Operation, host: str) -> str:
    path = PATHS[interface.version]
    words = "&amp;".join(f"{field.name}=string" for field in operation.parameters)
    sample = _arguments(interface, operation)
    parts = [f'<p><a href="{path}">Click here for a complete list of operations.</a></p>']
    parts.append(f"<h2>{operation.name}</h2>\n<p>{operation.about}</p>")
    for title, prefix, uri, head in (
        (
            "SOAP 1.1",
            "soap",
            "http://schemas.xmlsoap.org/soap/envelope/",
            f'Content-Type: text/xml; charset=utf-8\nSOAPAction: "{interface.namespace}{operation.name}"',
        ),
        (
            "SOAP 1.2",
            "soap12",
            "http://www.w3.org/2003/05/soap-envelope",
            "Content-Type: application/soap+xml; charset=utf-8",
        ),
    ):
        body = (
            f'<?xml version="1.0" encoding="utf-8"?>\n<{prefix}:Envelope xmlns:{prefix}="{uri}">\n  <{prefix}:Body>\n'
            f'    <{operation.name} xmlns="{interface.namespace}">\n{sample}    </{operation.name}>\n'
            f"  </{prefix}:Body>\n</{prefix}:Envelope>"
        )
        parts.append(
            f"<h3>{title}</h3>\n<pre>POST {path} HTTP/1.1\nHost: {escape(host)}\n{escape(head)}\n\n{escape(body)}</pre>"
        )
    query = f"?{words}" if words else "?"
    parts.append(
        f"<h3>HTTP GET</h3>\n<pre>GET {path}/{operation.name}{query} HTTP/1.1\nHost: {escape(host)}</pre>\n"
        f"<h3>HTTP POST</h3>\n<pre>POST {path}/{operation.name} HTTP/1.1\nHost: {escape(host)}\n"
        f"Content-Type: application/x-www-form-urlencoded\n\n{words}</pre>"
    )
    return "\n".join(parts)


def _arguments(interface: Shape, operation: Operation) -> str:
    lines = []
    for field in operation.parameters:
        kind = field.type
        if kind in interface.enums:
            kind = " or ".join(interface.enums[kind])
        elif kind not in VALUE_TYPES:
            kind = re.sub("^ArrayOf", "", kind)
        lines.append(f"      <{field.name}>{kind}</{field.name}>\n")
    return "".join(lines)
