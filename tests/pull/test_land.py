"""Landing: raw answers alone decide. The latest is current, what it replaced is history, a fault replaces nothing."""

from datetime import UTC, date, datetime, timedelta
from hashlib import sha256
from pathlib import Path

import pytest

from ecgrid_flows.lake import raw_log
from ecgrid_flows.lake.landing import billed_month, land_month
from ecgrid_flows.lake.raw_log import RawAnswer, RawLog
from ecgrid_flows.storage.local import LocalStore
from ecgrid_transforms.model import Invoice, LineItem
from ecgrid_transforms.money import ONE, Decimal

from .pulling import files, rows

MONTH = date(2026, 10, 1)
WIRE = Path(__file__).parents[1] / "wire"
LINE = (WIRE / "v3.2-InvoiceCalculateLineItem.soap11.response.xml").read_bytes()
OTHER = LINE.replace(b"<Amount>72.96</Amount>", b"<Amount>73.00</Amount>")
SPACED = LINE.replace(b"<Actual>353</Actual>", b"<Actual>353.00</Actual>")
NOTHING = (WIRE / "v3.2-InvoiceCalculateLineItem-no-result.soap11.response.xml").read_bytes()
START = datetime(2026, 11, 1, 12, tzinfo=UTC)


def answer(
    body: bytes, minute: int, *, fault: str | None = None, is_usable: bool = True, mailbox_id: int = 0
) -> RawAnswer:
    return RawAnswer(
        "InvoiceCalculateLineItem",
        "v3.2",
        {
            "NetworkID": 4443,
            "MailboxID": mailbox_id,
            "ReportingMonth": "2026-10-01T00:00:00",
            "AccountReport": "TrafficKCInterchangeTiered",
            "MeasureField": "TieredKCIntCount",
        },
        START + timedelta(minutes=minute),
        10,
        1,
        sha256(body).hexdigest() if body else "",
        is_usable=is_usable,
        fault_code=fault,
        fault_message=fault,
        body=body,
    )


def landed(tmp_path: Path, *answers: RawAnswer) -> tuple[list[tuple[Decimal, int]], list[tuple[Decimal, int, int]]]:
    """Current lines as (amount, minute pulled), and history as (amount, minute pulled, minute superseded)."""
    store = LocalStore(tmp_path)
    with RawLog(store) as opened:
        for one in answers:
            opened.record(MONTH, one)
        opened.flush()
    land_month(store, MONTH)

    def minute(moment: datetime) -> int:
        return (moment - START) // timedelta(minutes=1)

    current = [(row["amount"], minute(row["pulled_at"])) for row in rows(tmp_path, "line_items")]
    history = [
        (row["amount"], minute(row["pulled_at"]), minute(row["superseded_at"]))
        for row in rows(tmp_path, "line_item_history")
    ]
    return current, history


A, B = Decimal("72.96"), Decimal("73.00")


def test_the_latest_answer_is_current_and_the_earlier_history(tmp_path: Path) -> None:
    assert landed(tmp_path, answer(LINE, 0), answer(OTHER, 5)) == ([(B, 5)], [(A, 0, 5)])


def test_answers_count_in_the_order_of_their_times_not_of_their_writing(tmp_path: Path) -> None:
    assert landed(tmp_path, answer(OTHER, 5), answer(LINE, 0)) == ([(B, 5)], [(A, 0, 5)])


YEAR_AHEAD = 365 * 24 * 60


def test_a_time_that_was_wrong_once_does_not_stay_the_latest(tmp_path: Path) -> None:
    """The first run's clock was a year ahead. The second run's answer was written later, and is current."""
    landed(tmp_path, answer(OTHER, YEAR_AHEAD))
    assert landed(tmp_path, answer(LINE, 0)) == ([(A, 0)], [(B, YEAR_AHEAD, 0)])


def test_the_same_answer_again_mends_a_time_that_was_wrong(tmp_path: Path) -> None:
    landed(tmp_path, answer(LINE, YEAR_AHEAD))
    assert landed(tmp_path, answer(SPACED, 0)) == ([(A, 0)], [])


def test_the_latest_invoice_is_the_one_written_last(tmp_path: Path) -> None:
    listed = told("InvoiceList", {"ContractID": 8}, INVOICE.format(1, "5.00"))
    wrong_clock = told("InvoiceInfo", {"InvoiceID": 1}, INVOICE.format(1, "5.00"), minute=YEAR_AHEAD)
    landed_invoices(tmp_path, listed, wrong_clock)
    found = landed_invoices(tmp_path, told("InvoiceInfo", {"InvoiceID": 1}, INVOICE.format(1, "8.00"), minute=1))
    assert found == [(1, "InvoiceInfo", Decimal("8.00"))]


def test_the_same_answer_again_is_taken_for_the_first(tmp_path: Path) -> None:
    assert landed(tmp_path, answer(LINE, 0), answer(LINE, 5), answer(SPACED, 9)) == ([(A, 0)], [])


def test_there_and_back_leaves_two_steps_of_history(tmp_path: Path) -> None:
    both = landed(tmp_path, answer(LINE, 0), answer(OTHER, 5), answer(LINE, 9))
    assert both == ([(A, 9)], [(A, 0, 5), (B, 5, 9)])


@pytest.mark.parametrize("gone", [answer(NOTHING, 5), answer(b"", 5, fault="not_on_price_list")])
def test_a_line_that_is_billed_no_more_is_history(tmp_path: Path, gone: RawAnswer) -> None:
    assert landed(tmp_path, answer(LINE, 0), gone) == ([], [(A, 0, 5)])
    (call,) = rows(tmp_path, "calls")
    assert (call["outcome"], call["fault_code"]) == ("no_line", gone.fault_code)


def test_a_line_that_comes_later_has_no_history(tmp_path: Path) -> None:
    assert landed(tmp_path, answer(NOTHING, 0), answer(LINE, 5)) == ([(A, 5)], [])


def test_a_fault_replaces_no_line_but_is_reported(tmp_path: Path) -> None:
    assert landed(tmp_path, answer(LINE, 0), answer(b"", 5, fault="access_denied")) == ([(A, 0)], [])
    (call,) = rows(tmp_path, "calls")
    assert (call["outcome"], call["fault_code"]) == ("fault", "access_denied")


def test_no_answer_at_all_never_hides_one(tmp_path: Path) -> None:
    lost = answer(b"", 5, fault="service_unreachable", is_usable=False)
    assert landed(tmp_path, answer(LINE, 0), lost) == ([(A, 0)], [])
    (call,) = rows(tmp_path, "calls")
    assert (call["outcome"], call["fault_code"]) == ("line", None)


def test_a_key_without_any_answer_is_a_fault(tmp_path: Path) -> None:
    assert landed(tmp_path, answer(b"", 5, fault="service_unreachable", is_usable=False)) == ([], [])
    (call,) = rows(tmp_path, "calls")
    assert (call["outcome"], call["fault_code"]) == ("fault", "service_unreachable")


def test_every_answer_of_a_price_list_is_kept(tmp_path: Path) -> None:
    """A list may be edited with its Date kept: only when it was read tells which terms were in force."""
    first = (WIRE / "v3.2-PricelistInfo.soap11.response.xml").read_bytes()
    second = first.replace(b"<Rate>1.5500</Rate>", b"<Rate>1.6000</Rate>")
    assert second != first
    days = (date(2026, 10, 20), date(2026, 11, 2), date(2026, 11, 3))
    listed = [
        RawAnswer(
            "PricelistInfo",
            "v3.2",
            {"PricelistID": 432},
            datetime(day.year, day.month, day.day, tzinfo=UTC),
            1,
            1,
            sha256(body).hexdigest(),
            body=body,
        )
        for day, body in zip(days, (first, first, second), strict=True)
    ]
    landed(tmp_path, *listed)

    def read(feed: str, *names: str) -> list[tuple[object, ...]]:
        found = [row for row in rows(tmp_path, feed) if row["schedule_id"] == 43200]
        return [(row["schedule_rate"], row["pulled_at"].date(), *(row[name].date() for name in names)) for row in found]

    assert read("price_schedules") == [(Decimal("1.6"), days[2])]
    assert read("price_schedule_history", "superseded_at") == [
        (Decimal("1.55"), days[0], days[1]),
        (Decimal("1.55"), days[1], days[2]),
    ]


def test_landing_is_done_once_and_again_when_raw_grows(tmp_path: Path) -> None:
    landed(tmp_path, *(answer(LINE, number, mailbox_id=number) for number in range(3)))
    before = files(tmp_path / "lake")
    assert land_month(LocalStore(tmp_path), MONTH).rows == {}
    assert files(tmp_path / "lake") == before
    landed(tmp_path, answer(LINE, 9, mailbox_id=9))
    assert [row["mailbox_id"] for row in rows(tmp_path, "line_items")] == [0, 1, 2, 9]


def test_the_same_answers_give_the_same_bytes_however_they_lie_in_segments(tmp_path: Path) -> None:
    answers = [answer(LINE, number, mailbox_id=number) for number in range(6)]
    for name, parts in (("one", [answers]), ("two", [answers[3:], answers[:3]])):
        (tmp_path / name).mkdir()
        for part in parts:
            landed(tmp_path / name, *part)
    lakes = [files(tmp_path / name / "lake") for name in ("one", "two")]
    for lake in lakes:
        lake.pop("_landed/2026-10.json")
    assert lakes[0] == lakes[1]


def test_an_unreadable_response_is_reported_and_stops_nothing(tmp_path: Path) -> None:
    broken = RawAnswer(
        "PricelistInfo",
        "v3.2",
        {"PricelistID": 1},
        START,
        1,
        1,
        sha256(b"<not-a-price-list/>").hexdigest(),
        body=b"<not-a-price-list/>",
    )
    with RawLog(LocalStore(tmp_path)) as opened:
        opened.record(MONTH, broken)
        opened.flush()
    (unread,) = land_month(LocalStore(tmp_path), MONTH).unread
    assert unread.startswith("PricelistInfo of 2026-10 cannot be read")
    assert raw_log.months(LocalStore(tmp_path), "price_schedules") == [MONTH]


def line(dated: str | None) -> LineItem:
    return LineItem(1, dated, 1, None, "Mailbox", 1, None, "General", None, "Simple", None, ONE, ONE, False, ONE)


@pytest.mark.parametrize(
    ("issued", "dates", "month"),
    [
        ("2026-11-01T00:00:00", ["2026-10-01T00:00:00", "2026-10-31T00:00:00"], date(2026, 10, 1)),
        ("2026-10-31T00:00:00", ["2026-10-31T00:00:00"], date(2026, 10, 1)),
        (
            "2026-11-01T00:00:00",
            ["2026-10-31T00:00:00", "2026-09-30T00:00:00", "2026-10-01T00:00:00"],
            date(2026, 10, 1),
        ),
        ("2026-11-01T00:00:00", [], date(2026, 10, 1)),
        ("2026-11-01T00:00:00", [None, "0001-01-01T00:00:00"], date(2026, 10, 1)),
        ("0001-01-01T00:00:00", [], None),
    ],
)
def test_the_month_that_an_invoice_bills(issued: str, dates: list[str | None], month: date | None) -> None:
    lines = tuple(line(dated) for dated in dates)
    invoice = Invoice(1, None, issued, 1, ONE, None, "Sent", None, None, None, None, None, lines)
    assert billed_month(invoice) == month


INVOICE = (
    "<Invoice><InvoiceID>{0}</InvoiceID><Date>2026-11-01T00:00:00</Date><ContractID>8</ContractID>"
    "<TotalAmount>{1}</TotalAmount><Status>Sent</Status></Invoice>"
)


def told(
    operation: str, arguments: dict[str, str | int | bool], inner: str, fault: str | None = None, minute: int = 0
) -> RawAnswer:
    body = f"<ArrayOfInvoice>{inner}</ArrayOfInvoice>" if operation == "InvoiceList" else inner
    moment = START + timedelta(minutes=minute)
    return RawAnswer(
        operation,
        "v3.2",
        arguments,
        moment,
        1,
        1,
        sha256(body.encode()).hexdigest(),
        fault_code=fault,
        body=body.encode(),
    )


def landed_invoices(tmp_path: Path, *answers: RawAnswer) -> list[tuple[int, str, Decimal]]:
    with RawLog(LocalStore(tmp_path)) as opened:
        for one in answers:
            opened.record(MONTH, one)
        opened.flush()
    land_month(LocalStore(tmp_path), MONTH)
    return [(row["invoice_id"], row["source"], row["total_amount"]) for row in rows(tmp_path, "invoices")]


def test_an_invoice_whose_info_is_refused_is_taken_from_the_list(tmp_path: Path) -> None:
    found = landed_invoices(
        tmp_path,
        told("InvoiceList", {"ContractID": 8}, INVOICE.format(1, "5.00") + INVOICE.format(2, "7.00")),
        told("InvoiceInfo", {"InvoiceID": 1}, INVOICE.format(1, "5.00")),
        told("InvoiceInfo", {"InvoiceID": 2}, "", "access_denied"),
    )
    assert found == [(1, "InvoiceInfo", Decimal("5.00")), (2, "InvoiceList", Decimal("7.00"))]


def test_a_later_refusal_replaces_no_earlier_response(tmp_path: Path) -> None:
    found = landed_invoices(
        tmp_path,
        told("InvoiceList", {"ContractID": 8}, INVOICE.format(1, "5.00")),
        told("InvoiceInfo", {"InvoiceID": 1}, INVOICE.format(1, "5.00"), minute=1),
        told("InvoiceList", {"ContractID": 8}, "", "access_denied", minute=2),
        told("InvoiceInfo", {"InvoiceID": 1}, "", "access_denied", minute=3),
    )
    assert found == [(1, "InvoiceInfo", Decimal("5.00"))]


def test_an_invoice_that_the_list_names_no_more_was_taken_back(tmp_path: Path) -> None:
    found = landed_invoices(
        tmp_path,
        told("InvoiceList", {"ContractID": 8}, INVOICE.format(1, "5.00")),
        told("InvoiceInfo", {"InvoiceID": 1}, INVOICE.format(1, "5.00"), minute=1),
        told("InvoiceList", {"ContractID": 8}, INVOICE.format(2, "6.00"), minute=2),
        told("InvoiceInfo", {"InvoiceID": 2}, INVOICE.format(2, "6.00"), minute=3),
    )
    assert found == [(2, "InvoiceInfo", Decimal("6.00"))]
