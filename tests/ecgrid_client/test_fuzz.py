"""Damaged answers: each gives a typed error or the right value, never a wrong one, in bounded memory.

What is right is known from how the sample was damaged, not from the decoder: a value may be the sample's own, or
missing where its element is gone, and nothing else.
"""

import copy
import dataclasses
import random
import re
import subprocess
import sys
import textwrap
from collections import Counter
from collections.abc import Callable
from typing import Any
from xml.etree import ElementTree

import pandas as pd
import pyarrow as pa
import pytest
from lxml import etree

from ecgrid_client import datasets, decode
from ecgrid_client.errors import ECGridError, ForbiddenXML, MalformedAnswer

from .client_replay import Server, Told, wire

SAMPLES: tuple[tuple[str, Callable[[bytes], Any]], ...] = (
    ("v3.2-InvoiceCalculateLineItem.soap11.response.xml", decode.line_item),
    ("v3.2-InvoiceCalculateLineItem.httpget.response.xml", decode.line_item),
    ("v3.2-InvoiceCalculateLineItem-credit.soap11.response.xml", decode.line_item),
    ("v3.2-PricelistInfo.soap11.response.xml", decode.pricelist),
    ("v3.2-InvoiceInfo.soap11.response.xml", decode.invoice),
    ("v3.2-NetworkList.soap11.response.xml", decode.networks),
    ("v4.1-InterconnectCount.soap11.response.xml", datasets.tables),
    ("v4.1-ReportTrafficStats.soap11.response.xml", datasets.tables),
)
WEIGHTS = (8, 8, 6, 2, 1, 2, 1, 1)


def is_right(found: Any, sample: Any) -> bool:
    """Whether `found` says nothing that `sample` does not: equal, or less where something was taken away."""
    if found is None or found == sample:
        return True
    if dataclasses.is_dataclass(sample) and type(found) is type(sample):
        return all(
            field.name == "extra" or is_right(getattr(found, field.name), getattr(sample, field.name))
            for field in dataclasses.fields(sample)
        )
    if isinstance(sample, tuple | list) and isinstance(found, tuple | list):
        return all(any(is_right(one, known) for known in sample) for one in found)
    if isinstance(sample, dict) and isinstance(found, dict):
        return all(table_is_right(found[name], sample[name]) for name in found.keys() & sample.keys())
    return False


def table_is_right(found: pa.Table, sample: pa.Table) -> bool:
    """Cells are the sample's, typed or (where their schema was damaged) as the text received."""
    if found.num_rows > sample.num_rows + 1:
        return False
    return all(
        spelt(value) & {one for known in sample[name].to_pylist() for one in spelt(known)}
        for name in found.column_names
        if name in sample.column_names
        for value in found[name].to_pylist()
        if value is not None and not str(value).startswith('{"')  # what was moved into an undeclared cell
    )


def spelt(value: object) -> set[str]:
    """A cell's value in one spelling, whatever its type: a number without trailing zeros, an instant in UTC."""
    words = str(value)
    if re.fullmatch(r"-?[0-9]+\.[0-9]+", words):
        return {words.rstrip("0").rstrip("."), repr(float(words))}  # .NET writes a double with one digit more
    if re.match(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ]", words):
        return {str(pd.Timestamp(words).tz_convert("UTC"))}
    return {words}


# --- ways to damage an answer -----------------------------------------------------------------------------------------


def text_of(root: Any) -> bytes:
    return b'<?xml version="1.0" encoding="utf-8"?>' + etree.tostring(root, encoding="utf-8")


def inner(root: Any, chance: random.Random) -> Any:
    return chance.choice(list(root.iter("*"))[1:])


def truncated(body: bytes, root: Any, chance: random.Random) -> bytes:
    return body[: chance.randrange(len(body) - 2)]


def without_middle(body: bytes, root: Any, chance: random.Random) -> bytes:
    """A piece lost between tags, as when packets are: from inside one element to inside another."""
    start, end = sorted(chance.choice(range(len(body))) for _ in range(2))
    return body[:start] + body[end:] if b">" in body[start:end] and b"<" in body[start:end] else body[:start]


def reordered(body: bytes, root: Any, chance: random.Random) -> bytes:
    parents = [element for element in root.iter("*") if len(element) > 1]
    parent = chance.choice(parents)
    parts = list(parent)
    chance.shuffle(parts)
    for part in parts:
        parent.append(part)
    return text_of(root)


def doubled(body: bytes, root: Any, chance: random.Random) -> bytes:
    element = inner(root, chance)
    element.addnext(copy.deepcopy(element))
    return text_of(root)


def doubled_with_another_value(body: bytes, root: Any, chance: random.Random) -> bytes:
    leaves = [element for element in root.iter("*") if not len(element) and element.text and element.text.strip()]
    element = chance.choice(leaves)
    other = copy.deepcopy(element)
    other.text = "31337" if (element.text or "").strip().isdigit() else "2031-03-13T00:00:00"
    (element.addnext if chance.random() < 0.5 else element.addprevious)(other)
    return text_of(root)


def without_element(body: bytes, root: Any, chance: random.Random) -> bytes:
    element = inner(root, chance)
    element.getparent().remove(element)
    return text_of(root)


def moved(body: bytes, root: Any, chance: random.Random) -> bytes:
    element, target = inner(root, chance), inner(root, chance)
    if any(child.tag == element.tag for child in target):
        return doubled(body, root, chance)  # one more item of a list is as good as any other
    if element not in target.iterancestors() and element is not target:
        target.append(element)
    return text_of(root)


def made_nil(body: bytes, root: Any, chance: random.Random) -> bytes:
    element = inner(root, chance)
    for child in list(element):
        element.remove(child)
    element.text = None
    element.set("{http://www.w3.org/2001/XMLSchema-instance}nil", "true")
    return text_of(root)


def with_unknown(body: bytes, root: Any, chance: random.Random) -> bytes:
    element = inner(root, chance)
    stranger = etree.Element(chance.choice(["Stranger", "{urn:other}Currency", "{http://ecgridos.net/}Tax"]))
    stranger.text = "7"
    if chance.random() < 0.5:
        etree.SubElement(stranger, "Amount").text = "99999"
    element.insert(chance.randrange(len(element) + 1), stranger)
    return text_of(root)


def renamed(body: bytes, root: Any, chance: random.Random) -> bytes:
    element = inner(root, chance)
    element.tag = f"{element.tag}X"
    return text_of(root)


def commented(body: bytes, root: Any, chance: random.Random) -> bytes:
    """A comment in the middle of a value changes nothing."""
    leaves = [match for match in re.finditer(rb">([^<>&]{2,})<", body) if match[1].strip()]
    match = chance.choice(leaves)
    middle = match.start(1) + 1
    while middle < match.end(1) and body[middle] & 0xC0 == 0x80:  # not within a letter
        middle += 1
    return body[:middle] + chance.choice([b"<!-- 7 -->", b"<?x 7?>", b"<![CDATA[]]>"]) + body[middle:]


def noise_in_markup(body: bytes, root: Any, chance: random.Random) -> bytes:
    spots = [match.start() for match in re.finditer(rb"[<>]", body)]
    damaged = bytearray(body)
    for _ in range(chance.randint(1, 3)):
        damaged[chance.choice(spots)] = chance.choice(b"\x00\x07<>&/ \xff")
    return bytes(damaged)


def twice(body: bytes, root: Any, chance: random.Random) -> bytes:
    return body + chance.choice([body, body[38:], b"<a/>", b"garbage", b"\x00"])


def encoded_otherwise(body: bytes, root: Any, chance: random.Random) -> bytes:
    words = body.decode()
    bare = re.sub(r"^<\?xml.*?\?>", "", words)
    codec, declared = chance.choice(
        [
            ("latin-1", "utf-8"),
            ("latin-1", "iso-8859-1"),
            ("utf-8", "iso-8859-1"),
            ("utf-8", "windows-1252"),
            ("utf-16", "utf-16"),
            ("utf-16", "utf-8"),
            ("utf-16-le", "utf-16"),
            ("utf-16-be", "utf-8"),
            ("utf-8-sig", "utf-8"),
            ("utf-32", "utf-32"),
            ("utf-7", "utf-7"),
            ("cp037", "cp037"),
            ("cp1252", "utf-8"),
        ]
    )
    return f'<?xml version="1.0" encoding="{declared}"?>{bare}'.encode(codec, "ignore")


def with_entities(body: bytes, root: Any, chance: random.Random) -> bytes:
    bomb = (
        b'<!DOCTYPE x [<!ENTITY a "72"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;"><!ENTITY c SYSTEM "file:///etc/passwd">'
        b'<!ATTLIST LineItem Amount CDATA "1">]>'
    )
    start = body.index(b"?>") + 2
    spot = chance.choice([match.end() for match in re.finditer(rb"<[A-Z]\w*>", body)])
    reference = chance.choice([b"", b"&a;", b"&b;", b"&c;"])
    space = chance.choice([b"", b"\n", b"<!-- x -->\n"])
    return body[:start] + space + bomb + body[start:spot] + reference + body[spot:]


def deep(body: bytes, root: Any, chance: random.Random) -> bytes:
    depth = chance.choice([50, 150, 400, 3_000])
    spot = chance.choice([match.end() for match in re.finditer(rb"<[A-Z]\w*>", body)])
    return body[:spot] + b"<d>" * depth + b"</d>" * depth + body[spot:]


def of_another_operation(body: bytes, root: Any, chance: random.Random) -> bytes:
    """Another operation's answer, or this one's under another name."""
    if chance.random() < 0.5:
        return (
            body.replace(b"Response", b"Answer").replace(b"<LineItem ", b"<Line ").replace(b"</LineItem>", b"</Line>")
        )
    others = [name for name, _ in SAMPLES if wire(name)[:700] != body[:700] and "CalculateLineItem" not in name]
    readers = {wire(name): read for name, read in SAMPLES}
    return wire(chance.choice([name for name in others if readers[wire(name)] is not readers[body]]))


#: How, and whether every such damage must be an error (else: an error or the right value).
DAMAGES: tuple[tuple[Callable[[bytes, Any, random.Random], bytes], bool], ...] = (
    (truncated, True),
    (without_middle, False),
    (reordered, False),
    (doubled, False),
    (doubled_with_another_value, False),
    (without_element, False),
    (moved, False),
    (made_nil, False),
    (with_unknown, False),
    (renamed, False),
    (commented, False),
    (noise_in_markup, False),
    (twice, True),
    (encoded_otherwise, False),
    (with_entities, True),
    (deep, False),
    (of_another_operation, True),
)
#: Damages that may join the halves of two values, which no reader can see: what is read must then be what stands there.
UNSEEN = (without_middle, noise_in_markup)
OF_TREES = {
    reordered,
    doubled,
    doubled_with_another_value,
    without_element,
    moved,
    made_nil,
    with_unknown,
    renamed,
}


@pytest.mark.parametrize("count", [4_000, pytest.param(20_000, marks=pytest.mark.soak)])
def test_no_damage_gives_a_wrong_value(count: int) -> None:
    chance = random.Random(20261122 + count)
    prepared = []
    for name, read in SAMPLES:
        body = wire(name)
        prepared.append((body, etree.fromstring(body.split(b"?>", 1)[1]), read, read(body)))
    failures: Counter[str] = Counter()
    readings: Counter[str] = Counter()
    longest = 0
    for number in range(count):
        damage, must_fail = DAMAGES[number % len(DAMAGES)]
        body, root, read, sample = chance.choices(prepared, WEIGHTS)[0]
        damaged = damage(body, copy.deepcopy(root) if damage in OF_TREES else body, chance)
        try:
            found = read(damaged)
        except ECGridError as error:
            failures[damage.__name__] += 1
            longest = max(longest, len(str(error)))
            continue
        readings[damage.__name__] += 1
        assert not must_fail, f"{damage.__name__} went unnoticed (number {number})"
        right = is_right(found, sample) or (damage in UNSEEN and stands_there(found, damaged))
        assert right, f"{damage.__name__} gave a wrong value (number {number}): {found}"
    assert longest < 2_000
    # every damage was tried often, and the harmless ones were read
    assert all((failures + readings)[damage.__name__] > count / 20 for damage, _ in DAMAGES)
    assert all(
        readings[damage.__name__] > count / 200 for damage in (reordered, with_unknown, commented, encoded_otherwise)
    )


def stands_there(found: Any, damaged: bytes) -> bool:
    """Whether every value stands word for word in a document that is whole again by chance."""
    root = ElementTree.fromstring(damaged)
    words = {"".join(element.itertext()).strip() for element in root.iter()}
    if isinstance(found, dict):
        cells = [value for table in found.values() for row in table.to_pylist() for value in row.values()]
        return all(value is None or spelt(value) & {one for word in words for one in spelt(word)} for value in cells)
    return all(value in ("None", "True", "False", "0") or value.strip() in words for value in leaves_of(found))


def leaves_of(record: Any) -> list[str]:
    if dataclasses.is_dataclass(record):
        return [
            leaf
            for field in dataclasses.fields(record)
            if field.name != "extra"
            for leaf in leaves_of(getattr(record, field.name))
        ]
    if isinstance(record, tuple | list):
        return [leaf for one in record for leaf in leaves_of(one)]
    return [str(record)]


# --- what the damages above cannot show -------------------------------------------------------------------------------


def test_an_encoding_is_never_guessed() -> None:
    name = "v3.2-NetworkList.soap11.response.xml"
    words = wire(name).decode().partition("?>")[2]
    for declared in ("utf-8", "UTF-8", "utf-16", "us-ascii"):
        assert decode.networks(f'<?xml version="1.0" encoding="{declared}"?>{words}'.encode("utf-16"))[0].name == (
            'Müller & Töchter, "Logistik" GmbH'
        )
    for codec, declared in (("utf-8", "iso-8859-1"), ("utf-8", "windows-1252"), ("latin-1", "utf-8")):
        with pytest.raises(MalformedAnswer):
            decode.networks(f'<?xml version="1.0" encoding="{declared}"?>{words}'.encode(codec))


@pytest.mark.parametrize(
    "head",
    [
        b'<!DOCTYPE a [<!ENTITY b "c">]>',
        b'<!DOCTYPE a SYSTEM "http://evil.example/a.dtd">',
        b"<!doctype a>",
        b'\n<!-- x -->\n<?y z?><!DOCTYPE a [<!ENTITY % b SYSTEM "file:///etc/passwd"> %b;]>',
    ],
)
def test_a_dtd_is_forbidden_wherever_it_stands(head: bytes) -> None:
    body = wire("v3.2-InvoiceCalculateLineItem.soap11.response.xml")
    start = body.index(b"?>") + 2
    with pytest.raises(ForbiddenXML):
        decode.line_item(body[:start] + head + body[start:])
    with pytest.raises(ForbiddenXML):
        decode.line_item((body[:start] + head + body[start:]).decode().encode("utf-16"))


def test_control_characters_cost_no_line() -> None:
    body = wire("v3.2-InvoiceCalculateLineItem.soap11.response.xml")
    for odd in (b"&#x1;", b"&#31;", b"&#xFFFE;", b"&#xD800;", b"\x0b"):
        line = decode.line_item(body.replace(b"=1+1 Trading", b"A" + odd + b"B"))
        assert line is not None
        assert line.system_name == "A\ufffdB"
        with pytest.raises(MalformedAnswer):
            decode.line_item(body.replace(b"<Amount>72.96", b"<Amount>72" + odd + b"96"))


HUNGRY = """
    import sys, threading
    import psutil
    from ecgrid_client import Credentials, ECGridClient, Endpoints, RetryPolicy, datasets, decode, errors
    most, watching, process = 0, threading.Event(), psutil.Process()
    def watch():  # the peak that the system keeps begins with that of the parent
        global most
        while not watching.wait(0.005):
            most = max(most, process.memory_info().rss)
    thread = threading.Thread(target=watch)
    thread.start()
    url = sys.argv[1]
    client = ECGridClient(Endpoints(url, url, url), Credentials(api_key="0f8fad5b-d9cb-469f-a165-70867728950e"),
                          retry=RetryPolicy(max_attempts=1), call_timeout_s=3600)
    readers = {"Version": decode.scalar, "NowUTC": decode.scalar, "NetworkList": decode.networks,
               "InterconnectCount": datasets.tables, "InvoiceInfo": decode.invoice}
    for operation, read in readers.items():
        version = "v4.1" if operation == "InterconnectCount" else "v3.2"
        arguments = {"InvoiceInfo": {"InvoiceID": 1}, "InterconnectCount": {"MaxDays": 1}}.get(operation, {})
        try:
            read(client.ask(version, operation, arguments, binding="get").body)
        except errors.ECGridError as error:
            print(operation, error.code)
        else:
            print(operation, "read")
    watching.set()
    thread.join()
    print(most // (1 << 20))
"""


@pytest.mark.long
def test_huge_answers_take_little_memory(server: Server) -> None:
    """100 MB of text is not read; what is under the limit but swells as a tree is refused or read as a stream."""
    tags = b"<a/>" * (2 << 20)
    items = b"<NetworkIDInfo>" + tags + b"</NetworkIDInfo>"
    answers = {
        "Version": Told(b"<string>" + b"x" * (100 << 20) + b"</string>", chunked=True),
        "NowUTC": Told(b"<dateTime>" + b"x" * (60 << 20) + b"</dateTime>"),
        "NetworkList": Told(b"<ArrayOfNetworkIDInfo>" + items + b"</ArrayOfNetworkIDInfo>"),
        "InterconnectCount": Told(b"<DataSet><d><T><C>" + tags + b"</C></T></d></DataSet>"),
        "InvoiceInfo": Told(b"<Invoice>" + tags + b"</Invoice>"),
    }
    server.rules = lambda asked: answers[asked.operation]
    ran = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(HUNGRY), server.endpoints.v3_url],
        capture_output=True,
        text=True,
        check=True,
    )
    *said, used = ran.stdout.split("\n")[:-1]
    assert said == [f"{operation} answer_too_large" for operation in answers]
    assert 50 < int(used) < 300
