"""The table of operations: parameters, types and enumerations of each version, read from a WSDL.

From our WSDLs (`wsdl/`) or the service's own: both are document/literal wrapped, as ASMX writes them. Arguments are
checked here before anything is sent: zeep checks no enumeration in either direction (facts 1.7), and the framework's
own refusal costs a call and has no code.
"""

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import cached_property, lru_cache
from importlib import resources

from ecgrid_client.endpoints import VERSIONS
from ecgrid_client.errors import InvalidArgument, SettingsError
from ecgrid_client.markup import Element, children, local, parse
from ecgrid_client.masking import SECRET_NAMES
from ecgrid_transforms.money import Decimal, NotADecimal, exact, plain

BINDINGS = ("soap11", "soap12", "get", "post")
_FILES = {"v2.3": "v2_3.wsdl", "v3.2": "v3_2.wsdl", "v4.1": "v4_1.wsdl"}

#: Sent without a zone: the server converts an offset, also +00:00, which makes the 1st the month before (facts 8).
BARE_MONTHS = frozenset({"ReportingMonth", "Month"})
_INTEGERS = {
    "byte": (-(2**7), 2**7 - 1),
    "unsignedByte": (0, 2**8 - 1),
    "short": (-(2**15), 2**15 - 1),
    "unsignedShort": (0, 2**16 - 1),
    "int": (-(2**31), 2**31 - 1),
    "unsignedInt": (0, 2**32 - 1),
    "long": (-(2**63), 2**63 - 1),
    "unsignedLong": (0, 2**64 - 1),
    "integer": (-(10**38), 10**38),
}
_WHOLE = re.compile(r"[+-]?[0-9]{1,39}")
DATE_TIME = re.compile(
    r"-?([0-9]{4,})-([0-9]{2})-([0-9]{2})T([0-9]{2}):([0-9]{2}):([0-9]{2})(\.[0-9]+)?(Z|[+-][0-9]{2}:[0-9]{2})?"
)
_NOT_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff￾￿]")
#: Values that ASP.NET's request validation refuses in GET and POST (facts 8: it echoes the value, even a password).
_DANGEROUS = re.compile(r"<[a-zA-Z!/?]|&#")

_READS = re.compile(
    r"(List(Ex|LockedOut|LockedOutEx|By\w+)?|Info(Ex|by\w+)?|Count(Ex)?|Find(Ex)?|Log)$|^Report|^Version$|^NowUTC$|^WhoAmI$"
)
#: Login too: a lost response leaves a session that times out, an aborted run leaves no bill.
_READ_NAMES = frozenset({"InvoiceCalculateLineItem", "UserGetAPIKey", "NetworkStatusSummary", "Login", "Logout"})


@dataclass(frozen=True, slots=True)
class Field:
    """One element of a sequence: a parameter, or a field of a type. `type` is the name without prefix."""

    name: str
    type: str
    required: bool
    repeated: bool = False
    built_in: bool = True


@dataclass(frozen=True)
class Operation:
    """One operation of one version."""

    name: str
    namespace: str
    parameters: tuple[Field, ...]
    result_type: str | None
    enumerations: Mapping[str, tuple[str, ...]]

    @cached_property
    def needs_session(self) -> bool:
        return any(field.name == "SessionID" for field in self.parameters)

    @cached_property
    def is_plain(self) -> bool:
        """Whether every parameter is a single value, as GET and POST require."""
        return all(field.built_in or field.type in self.enumerations for field in self.parameters)

    def is_repeatable(self, arguments: Mapping[str, object]) -> bool:
        """Whether a retry does no harm: reads, and a calculation that is not saved."""
        if self.name == "InvoiceCalculate":
            return str(arguments.get("Save")).lower() in ("false", "0")
        return self.name in _READ_NAMES or bool(_READS.search(self.name))

    def texts(self, arguments: Mapping[str, object], binding: str) -> dict[str, str]:
        """Every parameter but SessionID as text, checked; raises `InvalidArgument`, naming operation and parameter.

        "All parameters are required" (facts 1.1), so an omitted string is sent empty; any other omission raises.
        An explicit SessionID is used as it is.
        """
        texts: dict[str, str] = {}
        used = 0
        for field in self.parameters:
            if field.name in arguments:
                used += 1
                texts[field.name] = self._text(field, arguments[field.name])
            elif field.name == "SessionID":
                continue
            elif field.type == "string" and not field.repeated:
                texts[field.name] = ""
            else:
                raise InvalidArgument(f"{self.name} needs {field.name} ({self._kind(field)}), which is missing")
        if used != len(arguments):
            unknown = ", ".join(sorted(set(arguments) - {field.name for field in self.parameters}))
            known = ", ".join(field.name for field in self.parameters if field.name != "SessionID") or "none"
            raise InvalidArgument(f"{self.name} has no parameter {unknown}; it takes {known}")
        if binding in ("get", "post"):
            for name, value in texts.items():
                if _DANGEROUS.search(value):
                    raise InvalidArgument(
                        f"{self.name}: {name} holds `<` before a letter (or `&#`), which ASP.NET refuses over "
                        f"HTTP {binding.upper()}; call it over soap11 or soap12"
                    )
        return texts

    def _kind(self, field: Field) -> str:
        values = self.enumerations.get(field.type)
        return " or ".join(values) if values else field.type

    def _text(self, field: Field, value: object) -> str:
        values = self.enumerations.get(field.type)
        if values is not None:
            if isinstance(value, str) and value in values:
                return value
            near = [known for known in values if isinstance(value, str) and known.lower() == value.lower()]
            hint = f"did you mean {near[0]}?" if near else f"it takes {', '.join(values)}"
            raise InvalidArgument(f"{self.name}: {_shown(field, value)} is not a {field.type}; {hint}")
        try:
            return _text_of(field.type, value, field.name)
        except ValueError as error:
            raise InvalidArgument(f"{self.name}: {_shown(field, value)} is not a valid {field.type}; {error}") from None


def _shown(field: Field, value: object) -> str:
    if field.name in SECRET_NAMES:
        return f"the value of {field.name}"
    return f"{field.name} {str(value)[:80]!r}"


def _text_of(kind: str, value: object, name: str) -> str:
    """`value` as the text of an XML Schema type; raises `ValueError` with what to give instead."""
    if kind in _INTEGERS:
        if isinstance(value, bool) or not isinstance(value, int | str):
            raise ValueError("give a whole number")
        digits = str(value).strip()
        if not _WHOLE.fullmatch(digits):
            raise ValueError("give a whole number")
        low, high = _INTEGERS[kind]
        if not low <= int(digits) <= high:
            raise ValueError(f"the range is {low} to {high}")
        return str(int(digits))
    if kind == "string":
        if not isinstance(value, str):
            value = _plain_text(value)
        if _NOT_XML.search(value):
            raise ValueError("it holds a character that XML cannot represent")
        return value
    if kind == "dateTime":
        return _date_time(value, name)
    if kind == "boolean":
        word = str(value).strip().lower()
        if word not in ("true", "false", "1", "0"):
            raise ValueError("give true or false")
        return "true" if word in ("true", "1") else "false"
    if kind == "decimal":
        if isinstance(value, float) or not isinstance(value, int | str | Decimal):
            raise ValueError("give a decimal as text")
        try:
            return plain(exact(value))
        except NotADecimal as error:
            raise ValueError(str(error)) from None
    if kind == "base64Binary":
        return _base64(value)
    text = _plain_text(value)
    if _NOT_XML.search(text):
        raise ValueError("it holds a character that XML cannot represent")
    return text


def _base64(value: object) -> str:
    if isinstance(value, bytes):
        return base64.b64encode(value).decode("ascii")
    try:
        base64.b64decode(_plain_text(value), validate=True)
    except ValueError:
        raise ValueError("give bytes, or text in base64") from None
    return str(value)


def _plain_text(value: object) -> str:
    if value is None or isinstance(value, bytes | list | dict | tuple):
        raise ValueError("give one value as text")
    return str(value)


def _date_time(value: object, name: str) -> str:
    """A dateTime. An aware datetime is sent as UTC without a zone, because all times of the API are UTC (facts 1.1)."""
    if isinstance(value, datetime):
        if value.tzinfo is not None:
            if name in BARE_MONTHS:
                raise ValueError("give it without a zone: the server would convert it to the month before")
            value = value.astimezone(UTC).replace(tzinfo=None)
        return value.isoformat()
    if isinstance(value, date):
        return f"{value.isoformat()}T00:00:00"
    found = DATE_TIME.fullmatch(value.strip()) if isinstance(value, str) else None
    if found is None or not isinstance(value, str):
        raise ValueError("write it as 2026-10-01T00:00:00")
    if found[8] and name in BARE_MONTHS:
        raise ValueError("give it without a zone: the server would convert it to the month before")
    try:
        datetime.fromisoformat(value.strip()[:19])
    except ValueError:
        raise ValueError("there is no such day or time") from None
    return value.strip()


@dataclass(frozen=True)
class Service:
    """The content of a WSDL: namespace, operations, types (fields in order) and enumerations (values in order)."""

    api_version: str
    source: str
    namespace: str
    operations: Mapping[str, Operation]
    types: Mapping[str, tuple[Field, ...]]
    enumerations: Mapping[str, tuple[str, ...]]
    wsdl: bytes

    def operation(self, name: str) -> Operation:
        """The operation of that name; raises `InvalidArgument` with similar names."""
        found = self.operations.get(name)
        if found is not None:
            return found
        near = [known for known in self.operations if known.lower() == name.lower()]
        near = near or [known for known in self.operations if name.lower() in known.lower()] or sorted(self.operations)
        raise InvalidArgument(
            f"{self.api_version} has no operation {name[:80]!r} in {self.source}; it has {', '.join(near)}. "
            f"ECGRID_WSDL_V{self.api_version[1]}=live uses the service's own WSDL, with all its operations"
        )


def _sequence(element: Element) -> list[Element]:
    """The elements of the first sequence under `element`."""
    for found in element.iter():
        if isinstance(found.tag, str) and local(found) in ("sequence", "all"):
            return [child for child in children(found) if local(child) in ("element", "any")]
    return []


def _field(element: Element, namespaces: Mapping[str | None, str]) -> Field:
    prefix, _, name = (element.get("type") or "").rpartition(":")
    if not name:  # an inline type: ASMX writes one for a DataSet only
        inner = _sequence(element)
        name = "DataSet" if any(local(part) == "any" or part.get("ref") for part in inner) else "anyType"
    return Field(
        name=element.get("name") or (element.get("ref") or "").rpartition(":")[2],
        type=name,
        required=element.get("minOccurs", "1") != "0",
        repeated=element.get("maxOccurs", "1") != "1",
        built_in=namespaces.get(prefix or None) == "http://www.w3.org/2001/XMLSchema",
    )


def read_wsdl(body: bytes, api_version: str, source: str) -> Service:
    """The table of a WSDL; raises `SettingsError` when it is not a WSDL, or of another style."""
    root = parse(body)
    if local(root) != "definitions":
        raise SettingsError(f"{source} is not a WSDL: it begins with <{local(root)}>")
    namespace = root.get("targetNamespace", "")
    messages: dict[str, Element] = {}
    types: dict[str, tuple[Field, ...]] = {}
    enumerations: dict[str, tuple[str, ...]] = {}
    for schema in root.iter("{http://www.w3.org/2001/XMLSchema}schema"):
        if schema.get("targetNamespace") != namespace:
            continue
        for part in children(schema):
            name = part.get("name", "")
            if local(part) == "element":
                messages[name] = part
            elif local(part) == "complexType":
                types[name] = tuple(_field(item, item.nsmap) for item in _sequence(part) if local(item) == "element")
            elif local(part) == "simpleType":
                values = [item.get("value", "") for item in part.iter() if local(item) == "enumeration"]
                if values:
                    enumerations[name] = tuple(values)
    operations: dict[str, Operation] = {}
    port = next((found for found in children(root) if local(found) == "portType"), None)
    for entry in children(port) if port is not None else ():
        name = entry.get("name", "")
        if local(entry) != "operation" or name not in messages or f"{name}Response" not in messages:
            continue
        results = [_field(item, item.nsmap) for item in _sequence(messages[f"{name}Response"])]
        operations[name] = Operation(
            name=name,
            namespace=namespace,
            parameters=tuple(_field(item, item.nsmap) for item in _sequence(messages[name])),
            result_type=results[0].type if results else None,
            enumerations=enumerations,
        )
    if not operations or not namespace:
        raise SettingsError(f"{source} describes no operation in ASMX's style (document/literal, wrapped)")
    return Service(api_version, source, namespace, operations, types, enumerations, body)


@lru_cache(maxsize=len(VERSIONS))
def own_service(api_version: str) -> Service:
    """The table of our WSDL of that version; raises `SettingsError` for another version."""
    if api_version not in _FILES:
        raise SettingsError(f"{api_version!r} is not a version of the API: {', '.join(VERSIONS)}")
    body = resources.files("ecgrid_client").joinpath("wsdl", _FILES[api_version]).read_bytes()
    return read_wsdl(body, api_version, "our WSDL")
