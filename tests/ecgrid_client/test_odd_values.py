"""A value that does not fit its type: of a line it is its key's fault, of any other record a null in its own row."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecgrid_client import decode
from ecgrid_client.errors import MalformedAnswer, MissingElement, ValueOutOfRange
from ecgrid_client.markup import parse, plain_value
from ecgrid_transforms.model import OddValue
from ecgrid_transforms.money import Decimal, fits

from .client_replay import wire

LINE = wire("v3.2-InvoiceCalculateLineItem.soap11.response.xml")
INVOICE = wire("v3.2-InvoiceInfo.soap11.response.xml")
PRICE_LIST = wire("v3.2-PricelistInfo.soap11.response.xml")

INTS = ["LineItemNumber", "PriceListID", "SystemID", "ScheduleID", "Maximum", "CatalogID", "Minimum"]
DECIMALS = ["Actual", "QuantityBilled", "Amount", "Allowance", "Block", "Rate"]
THIRD = "0.3333333333333333333333333333"
ODD_DECIMALS = [
    THIRD, "4.77001111111111111111107306", "1000000000000000000", "1e400", "INF", "-INF", "NaN", "", " ", "1,234.50",
    "1 234.50", "1\u00a0234.50", "\u00a012.50", "12.50\u2009", "1\u202f234,50", "0x10", "١٢", "--1", "9" * 65,
    f"{'72.96':0<65}",
]  # fmt: skip
ODD_INTS = [
    "2147483648",
    "-2147483649",
    "1.5",
    "1e3",
    "",
    "NaN",
    "1,000",
    "\u00a01",
    "1\u2009000",
    "0x1F",
    "99999999999",
]
ODD_BOOLEANS = ["True", "TRUE", "yes", "2", "", "\u00a0true"]


def with_value(body: bytes, element: str, value: str, number: int = 0) -> bytes:
    """`body` with the text of the element's occurrence `number` replaced."""
    found = list(re.finditer(rf"<{element}>[^<]*</{element}>".encode(), body))[number]
    return body[: found.start()] + f"<{element}>{value}</{element}>".encode() + body[found.end() :]


CASES = [
    *((element, value) for element in DECIMALS for value in ODD_DECIMALS),
    *((element, value) for element in INTS for value in ODD_INTS),
    *((element, value) for element in ("Taxable", "IncludeRootMailbox") for value in ODD_BOOLEANS),
    *((element, "") for element in ("SystemObject", "Level", "Model", "AccountReport", "Measure")),
]


@pytest.mark.parametrize(("element", "value"), CASES)
def test_an_odd_value_of_a_line_is_its_keys_fault(element: str, value: str) -> None:
    body = with_value(LINE, element, value)
    with pytest.raises(ValueOutOfRange, match=element) as caught:
        decode.line_item(body)
    assert not caught.value.should_retry, "the same answer would come again"
    (odd,) = decode.odd_values(body)
    assert (odd.element, odd.text) == (element, value)


@pytest.mark.parametrize("element", [*DECIMALS, *INTS])
def test_a_number_with_an_element_in_it_is_its_keys_fault(element: str) -> None:
    body = with_value(LINE, element, "7<Part>2</Part>")
    with pytest.raises(ValueOutOfRange, match=f"{element} holds elements where a plain value belongs"):
        decode.line_item(body)


@pytest.mark.parametrize(
    "value", ["0001-01-01T00:00:00", "9999-12-31T23:59:59", "2262-04-12T00:00:00", "yesterday", ""]
)
def test_an_odd_date_costs_no_line(value: str) -> None:
    line = decode.line_item(with_value(LINE, "LineDate", value))
    assert line is not None
    assert (line.line_date, str(line.amount)) == (value, "72.96")


@pytest.mark.parametrize(
    "value", ["-0", "-0.00", "+72.96", " 72.96\n", "72.960000000000000000", f"{'72.96':0<64}", ".5", "5."]
)
def test_what_is_only_spelt_oddly_is_read(value: str) -> None:
    line = decode.line_item(with_value(LINE, "Amount", value))
    assert line is not None
    assert line.amount == Decimal(value.strip())


def test_a_nil_or_absent_amount_is_missing_and_never_zero() -> None:
    for gone in (b'<Amount xsi:nil="true" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" />', b""):
        with pytest.raises(MissingElement, match="LineItem has no Amount"):
            decode.line_item(LINE.replace(b"<Amount>72.96</Amount>", gone))


def test_a_line_with_a_nil_schedule_has_none() -> None:
    nil = b'<Schedule xsi:nil="true" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" />'
    line = decode.line_item(re.sub(rb"<Schedule>.*</Schedule>", nil, LINE, flags=re.DOTALL))
    assert line is not None
    assert (line.schedule, str(line.amount)) == (None, "72.96")


def test_an_element_that_occurs_twice_is_its_keys_fault() -> None:
    with pytest.raises(ValueOutOfRange, match="Amount twice"):
        decode.line_item(LINE.replace(b"<Amount>72.96</Amount>", b"<Amount>72.96</Amount><Amount>7.96</Amount>"))


@given(st.decimals(allow_nan=False, allow_infinity=False).map(lambda value: format(value, "f")))
def test_a_decimal_is_exact_or_a_fault(text: str) -> None:
    body = with_value(LINE, "Actual", text)
    if len(text) <= 64 and fits(Decimal(text)):
        line = decode.line_item(body)
        assert line is not None
        assert line.actual == Decimal(text)
    else:
        with pytest.raises(ValueOutOfRange):
            decode.line_item(body)


# --- rows of larger answers -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("element", "value"), [case for case in CASES if case[0] in DECIMALS or case[0] == "SystemID"])
def test_an_odd_value_of_an_invoice_line_is_null_there_alone(element: str, value: str) -> None:
    odd: list[OddValue] = []
    right, found = decode.invoice(INVOICE), decode.invoice(with_value(INVOICE, element, value), odd)
    assert right is not None
    assert found is not None
    assert (found.total_amount, found.line_items[1:]) == (right.total_amount, right.line_items[1:])
    line = found.line_items[0]
    extra = line.extra
    if element in ("Allowance", "Block", "Rate"):
        assert line.schedule is not None
        extra = line.schedule.extra
        assert getattr(line.schedule, element.lower()) is None
    assert extra[element] == value
    assert [(one.element, one.text) for one in odd] == [(element, value)]
    assert odd[0].record.startswith(f"Invoice {found.invoice_id}, LineItems[1]")


def test_an_odd_total_is_null_with_its_text() -> None:
    odd: list[OddValue] = []
    found = decode.invoice(with_value(INVOICE, "TotalAmount", THIRD), odd)
    assert found is not None
    assert (found.total_amount, found.extra["TotalAmount"]) == (None, THIRD)
    assert [str(one) for one in odd] == [f"Invoice: TotalAmount has more digits than DECIMAL(28,10) holds: '{THIRD}'"]
    assert [str(line.amount) for line in found.line_items] == ["39.90", "262.29", "-6.02"]


def test_of_two_amounts_neither_is_taken() -> None:
    odd: list[OddValue] = []
    twice = INVOICE.replace(b"<Amount>39.90</Amount>", b"<Amount>39.90</Amount><Amount>9.90</Amount>")
    found = decode.invoice(twice, odd)
    assert found is not None
    assert found.line_items[0].amount is None
    assert {one.element for one in odd} == {"Amount"}


def test_an_invoice_of_no_readable_number_is_left_out_and_named() -> None:
    listed = wire("v3.2-InvoiceList.soap11.response.xml")
    right, odd = decode.invoices(listed), list[OddValue]()
    assert decode.invoices(with_value(listed, "InvoiceID", "99999999999"), odd) == right[1:]
    assert [(one.record, one.element, one.text) for one in odd] == [("Invoice[1]", "InvoiceID", "99999999999")]


@pytest.mark.parametrize("value", ODD_DECIMALS)
def test_an_odd_rate_leaves_a_tier_without_a_rate(value: str) -> None:
    odd: list[OddValue] = []
    found = decode.pricelist(with_value(PRICE_LIST, "Rate", value, 1), odd)
    assert found is not None
    tiers = [tier for level in found.levels for tier in level.schedules]
    assert [tier.rate is None for tier in tiers] == [False, True, False, False]
    assert tiers[1].extra["Rate"] == value
    assert [one.record for one in odd] == ["Pricelist 432, Levels[2].Schedules[1]"]


def test_accounts_whose_number_no_key_can_have_are_left_out_and_named() -> None:
    networks = wire("v3.2-NetworkList.soap11.response.xml")
    for value in ("-1", "0", "2147483648", "", "4 440"):
        odd: list[OddValue] = []
        assert [info.account.network_id for info in decode.networks(with_value(networks, "NetworkID", value), odd)] == [
            4443
        ]
        assert [(one.element, one.text) for one in odd] == [("NetworkID", value)]
    first = decode.networks(with_value(networks, "NetworkID", "1"), [])
    assert [info.account.network_id for info in first] == [1, 4443]
    mailboxes = wire("v3.2-MailboxListEx.soap11.response.xml")
    assert len(decode.mailboxes(with_value(mailboxes, "MailboxID", "-1"))) == 2, "-1 would mean all of them"


@pytest.mark.parametrize(("number", "expected"), [(None, []), (4443, [4443]), (-1, [])])
def test_an_account_without_a_readable_number_has_that_of_its_request(number: int | None, expected: list[int]) -> None:
    body = with_value(wire("v3.2-NetworkInfo.soap11.response.xml"), "NetworkID", "4 440")
    odd: list[OddValue] = []
    assert [info.account.network_id for info in decode.networks(body, odd, number)] == expected
    assert odd[0].element == "NetworkID"


def test_an_odd_price_list_of_an_account_is_none() -> None:
    odd: list[OddValue] = []
    found = decode.networks(with_value(wire("v3.2-NetworkList.soap11.response.xml"), "PricelistID", "x"), odd)
    assert [info.price_list_id for info in found] == [None, 432]
    assert [one.record for one in odd] == ["NetworkIDInfo[1].OwnerInfo"]


def test_a_record_without_a_number_of_its_own_is_another_answer() -> None:
    with pytest.raises((MissingElement, MalformedAnswer)):
        decode.invoice(b"<Invoice><TotalAmount>1</TotalAmount></Invoice>")


def test_a_line_of_nothing_is_a_line_where_it_has_a_schedule() -> None:
    body = LINE
    for element in ("Actual", "QuantityBilled", "Amount"):
        body = with_value(body, element, "0")
    line = decode.line_item(body)
    assert line is not None
    assert (line.actual, line.quantity_billed, line.amount) == (0, 0, 0)
    assert decode.line_item(re.sub(rb"<Schedule>.*</Schedule>", b"", body, flags=re.DOTALL)) is None


def test_an_element_in_the_place_of_the_result_is_no_answer() -> None:
    body = LINE.replace(b"InvoiceCalculateLineItemResult", b"InvoiceListResult")
    with pytest.raises(MalformedAnswer, match="holds <InvoiceListResult> instead of its result"):
        decode.line_item(body)


@pytest.mark.parametrize("mixed", ["text<Code>1</Code>", "<Code>1</Code>text", "<Code>1</Code>text<Code>2</Code>"])
def test_an_unknown_element_that_mixes_text_and_elements_is_refused(mixed: str) -> None:
    with pytest.raises(MalformedAnswer, match="Discount mixes text with elements"):
        plain_value(parse(f"<Discount>{mixed}</Discount>".encode()))


@pytest.mark.parametrize(
    ("text", "number"),
    [
        *(("0", 0), ("123456789", 123456789), ("2147483647", 2**31 - 1), ("-2147483648", -(2**31)), ("+5", 5)),
        *((" 7\n", 7), ("0000000007", 7), ("2147483648", None), ("-2147483649", None), ("00000000007", None)),
        *(("9999999999", None), ("\u0663", None), ("1.0", None), ("", None), ("\u00a07", None)),
    ],
)
def test_a_whole_number_has_32_bits(text: str, number: int | None) -> None:
    if number is None:
        with pytest.raises(ValueOutOfRange, match=r"^Line: Level is not an xs:int: "):
            decode.whole(text, "Level", "Line")
    else:
        assert decode.whole(text, "Level", "Line") == number


def test_a_decimal_has_64_characters_and_is_named_by_its_first_40() -> None:
    assert decode.decimal("0" * 63 + "1", "Amount", "Line") == Decimal(1)
    with pytest.raises(ValueOutOfRange, match=f"^Line: Amount is not an xs:decimal: '{'0' * 40}'$"):
        decode.decimal("0" * 64 + "1", "Amount", "Line")
    with pytest.raises(ValueOutOfRange, match=f"has more digits than .* holds: '{'1' * 40}'$"):
        decode.decimal("1" * 64, "Amount", "Line")
    with pytest.raises(ValueOutOfRange, match=f"^Line: Amount is not an xs:decimal: '{'x' * 40}'$"):
        decode.decimal("x" * 41, "Amount", "Line")
    with pytest.raises(ValueOutOfRange, match=f"^Line: Level is not an xs:int: '{'x' * 40}'$"):
        decode.whole("x" * 41, "Level", "Line")
    with pytest.raises(ValueOutOfRange, match=f"^Line: Taxable is not an xs:boolean: '{'x' * 40}'$"):
        decode.boolean("x" * 41, "Taxable", "Line")
    assert [decode.boolean(text, "Taxable", "Line") for text in (" true", "1", "false\n", "0")] == [
        *(True, True, False, False)
    ]
    assert [len(decode._shown("x" * length)) for length in (200, 201)] == [200, 201]
    assert decode._shown("x" * 202) == "x" * 200 + "…"


def contract_of(content: str) -> bytes:
    return f'<Contract xmlns="http://ecgridos.net/">{content}</Contract>'.encode()


def test_odd_values_of_a_contract_are_named() -> None:
    odd: list[OddValue] = []
    shared = "<AggregateNetworkTraffic>partly</AggregateNetworkTraffic>"
    found = decode.contract(contract_of(f"<ContractID>8751</ContractID>{shared}"), odd)
    assert found is not None
    assert (found.contract_id, found.aggregate_network_traffic) == (8751, None)
    assert [(one.record, one.element, one.text) for one in odd] == [("Contract", "AggregateNetworkTraffic", "partly")]


def test_a_contract_without_its_number_is_left_out_and_named() -> None:
    body = b"<ArrayOfContract>" + contract_of("<ContractNumber>C-1</ContractNumber>") + b"</ArrayOfContract>"
    odd: list[OddValue] = []
    assert decode.contracts(body, odd) == []
    assert [(one.element, one.text, one.why) for one in odd] == [("ContractID", None, "is absent")]


def test_another_record_among_those_of_a_list_is_an_error() -> None:
    body = contract_of("<ContractID>8751</ContractID><Networks><Foreign /></Networks>")
    with pytest.raises(MalformedAnswer, match="Contract 8751, Networks holds <Foreign> among its NetworkIDInfo"):
        decode.contract(body, [])
