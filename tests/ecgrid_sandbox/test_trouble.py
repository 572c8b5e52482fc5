"""Trouble on request."""

import http.client
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from ecgrid_sandbox import Sandbox, Trouble, World
from ecgrid_sandbox.service.shapes import PATHS, shape
from ecgrid_sandbox.service.trouble import MISHAPS, PAGE_STATUSES, Fates, OddValue, OwnFault
from tests.support.waiting import until

Start = Callable[..., Any]
PAIR = ("TrafficKCInterchangeTiered", "TieredKCIntCount")


@pytest.fixture
def start(world: World, wire: Any) -> Iterator[Start]:
    """Starts a troubled sandbox for a test and gives a client of it."""
    running: list[Sandbox] = []

    def begin(**trouble: Any) -> Any:
        running.append(Sandbox(world, Trouble(**trouble)).start())
        return type(wire)(running[-1])

    yield begin
    for sandbox in running:
        sandbox.stop()


def test_no_trouble_by_default(wire: Any) -> None:
    assert {wire.ask("v3.2", "Version").status for _ in range(50)} == {200}


def test_latency_delays_each_answer(start: Start) -> None:
    wire = start(latency_ms=80)
    begun = time.monotonic()
    assert wire.ask("v3.2", "Version").status == 200
    assert time.monotonic() - begun >= 0.08


def test_mishaps_look_as_they_do_in_the_field(start: Start) -> None:
    seen: dict[str, Any] = {}
    for mishap in MISHAPS:
        if mishap != "cut":
            seen[mishap] = start(fault_rate=1.0, mishaps=(mishap,)).ask("v3.2", "Version")
    unavailable = seen["unavailable"]
    sample = (Path(__file__).parents[1] / "wire" / "v3.2-transient-503.httpget.response.html").read_bytes()
    assert (unavailable.status, unavailable.body) == (503, sample)
    assert dict(unavailable.headers)["Retry-After"] == "1"
    assert [name for name, _ in unavailable.headers] == [
        *("Content-Type", "Retry-After", "Server", "Date", "Content-Length", "Connection")
    ]
    assert (seen["busy"].status, dict(seen["busy"].headers)["Retry-After"]) == (429, "1")
    assert seen["bad_gateway"].status == 502
    assert seen["bad_gateway"].xml.tag == "html"  # well-formed by chance
    assert (seen["html_200"].status, b"<br>" in seen["html_200"].body) == (200, True)  # and this one is not
    assert (seen["empty_500"].status, seen["empty_500"].body) == (500, b"")
    assert seen["sql_error"].fault[1] == "SQLError"


def test_a_cut_answer_announces_more_than_it_sends(start: Start) -> None:
    wire = start(fault_rate=1.0, mishaps=("cut",))
    with pytest.raises(http.client.IncompleteRead) as caught:
        wire.ask("v3.2", "Version")
    assert caught.value.partial
    assert wire.sandbox.calls["v3.2", "Version"] == 1


def test_dropped_connections_lose_calls_and_answers(start: Start) -> None:
    wire = start(drop_rate=1.0, seed=3)
    for _ in range(20):
        with pytest.raises((http.client.RemoteDisconnected, ConnectionResetError)):
            wire.ask("v3.2", "Version")
    executed = wire.sandbox.calls["v3.2", "Version"]
    assert 0 < executed < 20  # some were executed, and their answers lost


def test_fault_rates_are_kept_and_repeat_by_seed() -> None:
    def drawn(seed: int) -> list[str | None]:
        fates = Fates(Trouble(fault_rate=0.1, drop_rate=0.05, seed=seed))
        return [fate.mishap or fate.drop for fate in (fates.draw() for _ in range(4000))]

    found = drawn(1)
    assert found == drawn(1) != drawn(2)
    counts = Counter(found)
    assert 280 <= sum(counts[mishap] for mishap in MISHAPS) <= 480
    assert 130 <= counts["before"] + counts["after"] <= 270
    assert set(MISHAPS) <= set(counts)


def test_pages_come_by_count_with_their_statuses_in_turn(start: Start) -> None:
    """In every binding the operation is known, for which alone they come."""
    wire = start(page_every=2, page_statuses=(451, 204), page_of=("Version",))
    assert wire.ask("v3.2", "NowUTC").status == 200
    seen = [wire.ask("v3.2", "Version", binding) for binding in ("soap11", "soap12", "get", "post", "soap11", "soap12")]
    assert [got.status for got in seen] == [200, 451, 200, 204, 200, 451]
    assert (seen[1].xml.tag, seen[3].body) == ("html", b"")
    empty = start(page_every=1, page_is_empty=True)
    found = [empty.ask("v3.2", "Version") for _ in PAGE_STATUSES]
    assert [(got.status, got.body) for got in found] == [(status, b"") for status in PAGE_STATUSES]


def test_a_late_answer_is_the_one_to_the_call_before_over_the_same_connection(start: Start) -> None:
    wire = start(is_late=True)
    path = PATHS["v3.2"]
    connection = http.client.HTTPConnection("127.0.0.1", wire.sandbox.port)
    said = []
    for operation in ("Version", "NowUTC", "Version", "NowUTC"):
        connection.request("GET", f"{path}/{operation}")
        said.append(connection.getresponse().read())
    connection.close()
    assert [b"dateTime" in body for body in said] == [False, False, True, False]
    assert said[0] == said[1] == said[3]
    assert b"dateTime" in wire.ask("v3.2", "NowUTC", "get").body, "over a connection of its own it is right"


@pytest.mark.parametrize("after_ms", [0, 20])
def test_a_doubled_answer_comes_twice(start: Start, after_ms: float) -> None:
    """Byte for byte, but for the second in the server's Date."""
    wire = start(doubled_after_ms=after_ms)
    with socket.create_connection(("127.0.0.1", wire.sandbox.port)) as connection:
        connection.sendall(f"GET {PATHS['v3.2']}/Version HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        got = b""
        while got.count(b"</string>") < 2:
            piece = connection.recv(65536)
            assert piece
            got += piece
    first, second = (
        [line for line in part.lower().split(b"\r\n")[1:] if not line.startswith(b"date:")]
        for part in got.split(b"HTTP/1.1 200 ")[1:]
    )
    assert first == second
    assert b"</string>" in first[-1]


@pytest.mark.parametrize("code", ["NotFound", "AccessDenied"])
def test_all_may_be_refused(start: Start, code: str) -> None:
    wire = start(all_refused=code)
    ids = {"NetworkID": 4443, "MailboxID": 0, "ECGridID": 0}
    for name in ids:
        got = wire.ask("v4.1", "InterconnectCountEx", **(ids | {name: -1}), MaxDays=7)
        assert got.fault == (f"{name} -1 is unknown to this service", code)
    assert wire.ask("v4.1", "InterconnectCountEx", **ids, MaxDays=7).status == 200


def test_the_clock_may_be_wrong(start: Start, wire: Any) -> None:
    ahead = start(clock_off_s=86_400 * 400)
    year_of = {
        name: int(one.ask("v3.2", "NowUTC", "get").xml.text.partition("-")[0])
        for name, one in (("right", wire), ("ahead", ahead))
    }
    assert year_of["ahead"] - year_of["right"] in (1, 2)
    got = ahead.ask("v3.2", "WhoAmI")
    assert str(year_of["ahead"]) in dict(got.headers)["Date"]
    assert got.text("LastLogin").startswith(str(year_of["ahead"]))


def test_odd_values_and_faults_come_by_count_where_they_are_to_be_had(start: Start) -> None:
    """The empty answer to a void pair has no Amount, and is not counted; every binding is."""
    odd = (
        OddValue.parsed("InvoiceCalculateLineItem.Rate/2=<1e400>"),
        OddValue.parsed("InvoiceCalculateLineItem.Amount/3"),
        OddValue.parsed("NetworkList.Name="),
    )
    wire = start(odd_values=odd, own_faults=(OwnFault.parsed("MailboxInfo/2=DataError"),))
    seen = []
    for _ in range(3):
        seen.append(wire.line((4443, 0), PAIR))
        wire.line((4443, 0), ("FixedRate", "CreditPercentage"))
    assert [line.text("Schedule/Rate") == "<1e400>" for line in seen] == [False, True, False]
    assert [line.text("Amount") is None for line in seen] == [False, False, True]
    assert seen[2].text("Actual") == seen[0].text("Actual")
    assert wire.ask("v3.2", "NetworkList", Name="").texts("NetworkIDInfo/Name")[:1] == [""]
    assert wire.ask("v3.2", "MailboxInfo", MailboxID=105223).status == 200
    assert wire.ask("v3.2", "MailboxInfo", MailboxID=105223).fault == ("DataError in MailboxInfo", "DataError")


@pytest.mark.parametrize("words", ["Amount=1", "InvoiceInfo.Amount/0=1", "InvoiceInfo.A.B.C=1", "=1", ""])
def test_an_odd_value_without_its_place_is_refused(words: str) -> None:
    with pytest.raises(ValueError, match=r"is not OPERATION\.FIELD/N=TEXT"):
        OddValue.parsed(words)


@pytest.mark.parametrize("words", ["InvoiceInfo", "InvoiceInfo/0=DataError", "InvoiceInfo.Amount=1", "=DataError", ""])
def test_a_fault_without_its_operation_is_refused(words: str) -> None:
    with pytest.raises(ValueError, match="is not OPERATION/N=CODE"):
        OwnFault.parsed(words)


def test_every_trouble_of_the_wire_has_its_option() -> None:
    """`sandbox serve` with all of them: every second Version is a page."""
    options = "--port 0 --page-every 2 --page-status 422 --page-of Version --page-is-empty --doubled-after-ms 1 --late"
    command = [sys.executable, "-c", "from ecgrid_flows.cli.sandbox import sandbox; sandbox()", "serve"]
    process = subprocess.Popen(
        [*command, *options.split(), "--all-refused", "NotFound", "--clock-off-s", "3600"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    try:
        told = dict(process.stdout.readline().strip().split("=", 1) for _ in range(5))
        parts = urlsplit(told["ECGRID_V3_URL"])

        def status() -> int | None:
            connection = http.client.HTTPConnection(parts.netloc)
            try:
                connection.request("GET", f"{parts.path}/Version")
                return connection.getresponse().status
            except ConnectionRefusedError:  # it prints its addresses first, and listens then
                return None
            finally:
                connection.close()

        statuses = [until(status) for _ in range(4)]
        assert statuses == [200, 422, 200, 422]
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def test_a_troubled_service_still_answers_right_in_between(start: Start, world: World) -> None:
    wire = start(fault_rate=0.3, drop_rate=0.1)
    good = 0
    for _ in range(60):
        try:
            got = wire.line((4443, 0), PAIR)
        except (http.client.HTTPException, ConnectionError):
            continue
        if got.status == 200 and got.body.startswith(b"<?xml"):
            assert got.text("Actual") == str(world.use[(4443, 0)][PAIR][3])
            good += 1
    assert 15 < good < 60


def test_pending_nil_and_refused_operations(start: Start) -> None:
    wire = start(pending=("InvoiceList",), nil=("PricelistInfo",), refused=("ContractList",))
    arguments = {"BeginDate": "2026-01-01", "EndDate": "2027-01-01", "ContractID": 0, "Status": "All"}
    assert wire.ask("v3.2", "InvoiceList", **arguments).fault == (
        "PENDING: InvoiceList is not implemented.",
        "NotImplemented",
    )
    assert wire.ask("v3.2", "InvoiceList", "get", **arguments).body == b"PENDING: InvoiceList is not implemented.\n"
    assert wire.ask("v3.2", "PricelistInfo", PricelistID=432).result is None
    assert wire.ask("v3.2", "PricelistInfo", "get", PricelistID=432).result is None
    refused = wire.ask("v3.2", "ContractList", ActiveDate="2026-10-01", ShowInactive="true")
    assert refused.fault[1] == "AccessDenied"


@pytest.mark.parametrize("wrapper", ["ErrorInfo", "details"])
def test_other_forms_of_a_faults_detail(start: Start, wrapper: str) -> None:
    got = start(detail=wrapper).ask("v3.2", "WhoAmI", SessionID="none")
    node = got.xml.find(f".//{wrapper}")
    assert node is not None
    assert node.findtext("ErrorCode") == "Authentication"
    assert node.findtext("ErrorString") == "Invalid Session ID"


def test_the_older_shape_is_that_of_2016(start: Start) -> None:
    """Facts 1.5: no LineDate, no Schedule.Minimum, 7 account reports, 15 measures, no level Minimum."""
    older = shape("v3.2", "older")
    assert len(older.enums["PricelistAccountReports"]) == 7
    assert len(older.enums["PricelistMeasureField"]) == 15
    wire = start(drift="older")
    line = wire.line((4440, 105223), ("TrafficAll", "ToTrans"))
    names = [child.tag.rpartition("}")[2] for child in line.result]
    assert names[:3] == ["LineItemNumber", "PriceListID", "PriceListDescription"]
    assert line.text("Schedule/Minimum") is None
    assert line.text("Schedule/Maximum") == "0"
    assert wire.line((4443, 0), PAIR).fault[1] is None  # a report that the enumeration lacks
    listed = wire.ask("v3.2", "PricelistInfo", PricelistID=433)
    assert "Minimum" not in listed.texts("Levels/Level/Level")
    deep = wire.ask(
        *("v3.2", "InvoiceInfo"),
        InvoiceID=wire.ask(
            *("v3.2", "InvoiceList"),
            BeginDate="2026-01-01",
            EndDate="2027-01-01",
            ContractID=8755,
            Status="Paid",
        ).text("Invoice/InvoiceID"),
    )
    assert set(deep.texts("LineItems/LineItem/Schedule/Measure")) <= set(older.enums["PricelistMeasureField"])


def test_the_newer_shape_inserts_elements_and_values(start: Start) -> None:
    wire = start(drift="newer", extra_values=True)
    line = wire.line((4440, 105217), ("TrafficAll", "ToTrans"))
    names = [child.tag.rpartition("}")[2] for child in line.result]
    assert names[names.index("PriceListID") + 1] == "CurrencyCode"
    assert names[names.index("Taxable") + 1] == "TaxRate"
    assert line.text("SystemObject") == "VirtualMailbox"  # a word that no WSDL has
    inner = [child.tag.rpartition("}")[2] for child in line.all("Schedule")[0]]
    assert inner[inner.index("Maximum") + 1] == "Tolerance"
    assert wire.ask("v3.2", "PricelistInfo", PricelistID=431).text("Status") == "Archived"
    text = wire.send("GET", "/v3.2/prod/ecgridos.asmx?wsdl").body.decode()
    assert 'name="CurrencyCode"' in text
    assert 'value="Peppol"' in text


def test_restating_changes_the_planted_line_alone(world: World) -> None:
    """A world of its own: restating is for good."""
    fresh = World.shipped(world.last_month)
    (plant,) = [plant for plant in fresh.planned_errors if plant.check_name == "restated"]
    account = (plant.target.network_id, plant.target.mailbox_id)
    before = {account: dict(fresh.books.bill(account, month)) for account in fresh.accounts for month in fresh.months}
    month = fresh.months[plant.target.month]
    old = fresh.books.bill(account, month)[plant.target.pair]
    assert not [wrong for wrong in fresh.planted_errors if wrong.check_name == "restated"]
    with Sandbox(fresh) as sandbox:
        sandbox.restate()
    new = fresh.books.bill(account, month)[plant.target.pair]
    assert new.actual == old.actual + 60
    assert new.amount > old.amount
    (wrong,) = [wrong for wrong in fresh.planted_errors if wrong.check_name == "restated"]
    assert (wrong.billed_amount, wrong.true_amount) == (old.amount, new.amount)
    last = fresh.months[-1]
    assert all(dict(fresh.books.bill(account, last)) == before[account] for account in fresh.accounts)
