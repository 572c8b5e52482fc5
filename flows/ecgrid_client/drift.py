"""Differences between the service's own WSDL and ours: normal, but worth knowing (facts 1.5).

Responses are read by name, so most drift is harmless; harmful differences are marked. `doctor` reports them.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from ecgrid_client.operations import Field, Service


@dataclass(frozen=True, slots=True)
class Drift:
    """One difference. `is_harmful`: calls fail or fields go missing because of it."""

    where: str
    what: str
    is_harmful: bool = False

    def __str__(self) -> str:
        return f"{self.where}: {self.what}"


def compare(ours: Service, theirs: Service) -> list[Drift]:
    """Every difference in what ours describes; operations that only theirs has are counted in one line."""
    found = [*_namespace(ours, theirs), *_operations(ours, theirs)]
    for name in sorted(set(ours.types) & set(theirs.types)):
        found.extend(_fields(f"type {name}", ours.types[name], theirs.types[name]))
    for name in sorted(set(ours.enumerations) & set(theirs.enumerations)):
        found.extend(_values(name, ours.enumerations[name], theirs.enumerations[name]))
    more = len(set(theirs.operations) - set(ours.operations))
    if more:
        found.append(Drift("operations", f"{more} more than ours; ECGRID_WSDL_V{ours.api_version[1]}=live uses them"))
    return found


def _namespace(ours: Service, theirs: Service) -> Iterator[Drift]:
    if ours.namespace != theirs.namespace:
        yield Drift("namespace", f"{theirs.namespace} instead of {ours.namespace}", is_harmful=True)


def _operations(ours: Service, theirs: Service) -> Iterator[Drift]:
    for name, operation in ours.operations.items():
        other = theirs.operations.get(name)
        if other is None:
            yield Drift(name, "the service does not have it", is_harmful=True)
            continue
        if other.result_type != operation.result_type:
            yield Drift(name, f"returns {other.result_type} instead of {operation.result_type}", is_harmful=True)
        mine = {field.name: field for field in operation.parameters}
        for field in other.parameters:
            if field.name not in mine:
                yield Drift(name, f"takes one more parameter, {field.name}", is_harmful=field.required)
            elif field.type != mine[field.name].type:
                yield Drift(name, f"{field.name} is {field.type} instead of {mine[field.name].type}", is_harmful=True)
        for lost in sorted(set(mine) - {field.name for field in other.parameters}):
            yield Drift(name, f"no longer takes {lost}", is_harmful=True)


def _fields(where: str, ours: tuple[Field, ...], theirs: tuple[Field, ...]) -> Iterator[Drift]:
    mine = {field.name: field for field in ours}
    others = {field.name: field for field in theirs}
    for name, field in others.items():
        if name not in mine:
            yield Drift(where, f"has one more field, {name} ({field.type}); it is kept in `extra`")
        elif field.type != mine[name].type:
            yield Drift(where, f"{name} is {field.type} instead of {mine[name].type}")
    for name, field in mine.items():
        if name not in others:
            yield Drift(where, f"lacks {name}", is_harmful=field.required and name not in _LATER)
    shared = [field.name for field in ours if field.name in others]
    if shared != [field.name for field in theirs if field.name in mine]:
        yield Drift(where, "has its fields in another order")


#: Fields newer than the published WSDLs: the decoder works without them (facts 1.5).
_LATER = frozenset({"LineDate", "Minimum"})


def _values(name: str, ours: tuple[str, ...], theirs: tuple[str, ...]) -> Iterator[Drift]:
    more = [value for value in theirs if value not in ours]
    fewer = [value for value in ours if value not in theirs]
    if more:
        yield Drift(f"enumeration {name}", f"also has {', '.join(more)}")
    if fewer:
        yield Drift(f"enumeration {name}", f"lacks {', '.join(fewer)}")
