"""The HTML pages of an ASMX service: the list of its operations, and one page per operation."""

import re
from functools import cache
from pathlib import Path

import jinja2

from ecgrid_sandbox.service.shapes import PATHS, VALUE_TYPES, Field, Shape


def page(interface: Shape, host: str, operation: str | None) -> bytes | None:
    """The list of operations, or the page of one (its name in any case); None for an unknown name."""
    values = {"title": f"ECGridOS API {interface.version[:2]}", "interface": interface}
    if operation is None:
        return _rendered("operations.html.j2", **values)
    found = next((op for op in interface.operations.values() if op.name.lower() == operation.lower()), None)
    if found is None:
        return None
    arguments = [(field.name, _kind(interface, field)) for field in found.parameters]
    return _rendered(
        "operation.html.j2",
        operation=found,
        path=PATHS[interface.version],
        host=host,
        arguments=arguments,
        **values,
    )


def not_found(what: str) -> bytes:
    """The page of a 404."""
    return _rendered("not_found.html.j2", what=what)


def _kind(interface: Shape, field: Field) -> str:
    if field.type in interface.enums:
        return " or ".join(interface.enums[field.type])
    return field.type if field.type in VALUE_TYPES else re.sub("^ArrayOf", "", field.type)


def _rendered(template: str, **values: object) -> bytes:
    return _environment().get_template(template).render(values).encode()


@cache
def _environment() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
