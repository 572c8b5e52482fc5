"""X12 810 of several makes, written by the rules of 004010; amounts by hand."""

from contextlib import suppress
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecgrid_transforms import invoice_files
from ecgrid_transforms.filed_invoices import FiledInvoice, InvoiceFileRefused
from ecgrid_transforms.model import Account
from ecgrid_transforms.money import Decimal, plain, to_decimal, total
from tests.support.x12 import interchange

#: One invoice of two lines with an allowance on the first, freight and a sales tax:
#: 58000 × 0.05 = 2,900.00, less 5.00, 450.00, 25.00 freight, 8.44 tax: 3,378.44.
WHOLE = (
    "BIG*20261101*8753*20260115*PO-1001***DI",
    "CUR*SE*USD",
    "REF*CT*C-8751",
    "N1*BT*Example Shipping Ltd*92*4443",
    "REF*11*9/9",
    "ITD*01*3****20261201*30*****Net 30 days",
    "DTM*186*20261001",
    "DTM*187*20261031",
    "IT1*1*58000*KC*0.05**VC*KC*MG*OTHER",
    "PID*F****Kilo-characters",
    "REF*11*1001/5001",
    "SAC*A*C310***500",
    "IT1*2*1*EA*450**VC*NETWORK-FEE",
    "REF*12*1001-0",
    "TDS*337844",
    "TXI*ST*8.44",
    "SAC*C*D240***2500**********Freight",
    "CTT*2",
)
LINE = ("BIG*20261101*8753", "IT1*1*10*EA*1.5**VC*KC", "TDS*1500", "CTT*1")


def only(data: bytes) -> FiledInvoice:
    (found,) = invoice_files.read(data)
    return found


def amounts(invoice: FiledInvoice) -> list[tuple[str, str]]:
    return [(line.kind, f"{line.amount:.2f}") for line in invoice.lines]


@pytest.mark.parametrize(
    "make",
    [
        {},
        {"line": "\n"},
        {"line": "\r\n"},
        {"end": "\n", "element": "|", "component": ">"},
        {"end": "\r", "line": "\n", "element": "^", "component": "\\"},
        {"end": "'", "element": "+"},
    ],
    ids=str,
)
def test_delimiters_are_those_of_isa(make: dict[str, str]) -> None:
    invoice = only(interchange(WHOLE, **make))
    assert (invoice.invoice_number, invoice.invoice_date) == ("8753", date(2026, 11, 1))
    assert invoice.total_amount == to_decimal("3378.44") == invoice.lines_amount
    assert (invoice.currency, invoice.due_date, invoice.po_number) == ("USD", date(2026, 12, 1), "PO-1001")
    assert (invoice.payment_terms, invoice.bill_to) == ("Net 30 days", "Example Shipping Ltd")
    assert invoice.contract_number == "C-8751"
    assert invoice.billed_month() == date(2026, 10, 1)
    assert amounts(invoice) == [
        ("item", "2900.00"), ("allowance", "-5.00"), ("item", "450.00"), ("charge", "25.00"), ("tax", "8.44")
    ]  # fmt: skip
    first, allowance, second, freight, tax = invoice.lines
    assert first.product_codes == allowance.product_codes == ("KC", "OTHER")
    assert first.account == allowance.account == Account(1001, 5001)
    assert second.account == Account(1001, 0)
    assert freight.account is None
    assert tax.account is None
    assert (first.quantity, first.unit_price, first.description) == (
        to_decimal("58000"), to_decimal("0.05"), "Kilo-characters"
    )  # fmt: skip
    assert invoice.tax_amount == to_decimal("8.44")


def test_tds_has_two_implied_decimals() -> None:
    assert only(interchange(("BIG*20261101*1", "TDS*811307"))).total_amount == to_decimal("8113.07")
    assert only(interchange(("BIG*20261101*1", "TDS*-5"))).total_amount == to_decimal("-0.05")


def test_a_file_holds_several_invoices() -> None:
    data = interchange(LINE, ("BIG*20261102*8754", "TDS*811307")) + interchange(("BIG*20261103*8755", "TDS*1"), end="|")
    found = invoice_files.read(data)
    assert [(one.invoice_number, plain(one.total_amount)) for one in found] == [
        ("8753", "15.00"), ("8754", "8113.07"), ("8755", "0.01")
    ]  # fmt: skip
    with pytest.raises(InvoiceFileRefused, match="holds invoice 08-753 twice, written as 8753 too"):
        invoice_files.read(interchange(LINE, ("BIG*20261102*08-753", "TDS*1")))
    with pytest.raises(InvoiceFileRefused, match="holds invoice 8753 twice;"):
        invoice_files.read(interchange(LINE) + interchange(LINE))


@pytest.mark.parametrize("kind", ["CR", "CN"])
@pytest.mark.parametrize("sign", ["", "-"])
def test_a_credit_is_negative_by_whichever_sign_its_amounts_have(kind: str, sign: str) -> None:
    body = (f"BIG*20261101*C1*****{kind}", f"IT1*1*{sign}10*EA*5", f"TDS*{sign}4900", "SAC*A*C310***100", "CTT*1")
    if sign:
        body = (*body[:3], "SAC*C*C310***100", body[4])
    invoice = only(interchange(body))
    assert invoice.total_amount == to_decimal("-49") == invoice.lines_amount
    assert invoice.lines[0].quantity == to_decimal("-10")


def test_the_tax_of_a_credited_line_is_negative_too() -> None:
    invoice = only(interchange(("BIG*20261101*C1*****CR", "IT1*1*10*EA*5", "TXI*ST*0.75", "TDS*5075")))
    assert (invoice.lines[0].tax, invoice.tax_amount) == (to_decimal("-0.75"), to_decimal("-0.75"))
    nothing = ("BIG*20261101*C1*****CR", "IT1*1*1*EA*5", "SAC*A*C310***500", "TDS*0")
    assert amounts(only(interchange(nothing))) == [("item", "5.00"), ("allowance", "-5.00")], "0 has no sign to go by"


#: 2 × 3.00 with 0.60 tax, 4.00, and 0.10 tax of the whole invoice: 10.70.
REPEATED = (
    "BIG*20261101*8754",
    *("CUR*SE*USD", "CUR*BY*EUR", "REF*PO*PO-9", "REF*PO*PO-10", "REF*ZZ*5/5", "REF*11*9/9", "REF*12*8/8", "REF*CT"),
    *("N1*BT*Payer", "N1*ST*Elsewhere", "ITD*01*3****20261130", "ITD*01*3*****30", "ITD*01"),
    *("DTM*186*20261002", "DTM*186*20261001", "DTM*186*20261003", "DTM*150*20260101"),
    *("DTM*187*20261030", "DTM*187*20261031", "DTM*187*20261029"),
    *("PID*F****Head", "PAM****1*9", "TXI*ST*0.10", "SAC*N*C310***100"),
    *("IT1*1*2*EA*3", "TXI*ST*0.60", "REF*11*1001/5001", "REF*11*1001/7", "N1*BT*Another", "PID*F", "PID*F****A"),
    *("PID*F****B", "IT1*2*1*EA*4", "TDS*1070", "PID*F****Foot", "PAM****1*9", "REF*11*7/7"),
)


def test_of_what_is_repeated_the_first_counts_and_of_a_period_the_whole() -> None:
    invoice = only(interchange(REPEATED))
    assert (invoice.currency, invoice.po_number, invoice.contract_number) == ("USD", "PO-9", None)
    assert (invoice.bill_to, invoice.due_date, invoice.payment_terms) == ("Payer", date(2026, 11, 30), "Net 30")
    assert (invoice.period_begin, invoice.period_end) == (date(2026, 10, 1), date(2026, 10, 31))
    assert amounts(invoice) == [("item", "6.00"), ("item", "4.00"), ("tax", "0.60"), ("tax", "0.10")]
    first, second = invoice.lines[:2]
    assert (first.account, first.tax, first.description) == (Account(1001, 5001), to_decimal("0.60"), "A; B")
    assert (second.account, second.tax, second.description) == (Account(9, 9), None, None)
    assert (invoice.tax_amount, invoice.is_canceled) == (to_decimal("0.70"), False)
    plain_one = only(interchange(LINE))
    assert (plain_one.tax_amount, plain_one.due_date, plain_one.payment_terms) == (None, None, None)


def test_what_is_charged_before_the_lines_is_of_the_invoice() -> None:
    invoice = only(interchange(("BIG*20261101*1", "SAC*C*D240***100", "IT1*1*1*EA*4", "REF*11*7/7", "TDS*500")))
    assert [(line.kind, line.account) for line in invoice.lines] == [("item", Account(7, 7)), ("charge", None)]


@pytest.mark.parametrize(
    ("lines", "cents", "expected"),
    [
        (("IT1*1*1*EA*1.005", "PAM****1*1.01"), 100, ["1.01"]),  # an amount as stated was not rounded here
        (("IT1*1*1*EA*1", "PAM****1*1.004"), 100, ["1.00"]),
        (("IT1*1*10*EA*1", "TXI*ST*1"), 1150, ["10.00", "1.00"]),  # 0.50 off
    ],
)
def test_what_no_rounding_explains_is_left_to_the_check(
    lines: tuple[str, ...], cents: int, expected: list[str]
) -> None:
    invoice = only(interchange(("BIG*20261101*1", *lines, f"TDS*{cents}")))
    assert [amount for _, amount in amounts(invoice)] == expected


def test_a_set_without_big_is_refused_where_it_should_be() -> None:
    with pytest.raises(InvoiceFileRefused, match=r"segment 3 \(ST\).*BIG is due after ST"):
        invoice_files.read(interchange(()))


def test_big08_01_cancels() -> None:
    assert only(interchange(("BIG*20261101*8753******01", "TDS*1500"))).is_canceled


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (("IT1*1*3*EA*0.335",), "1.01"),  # 1.005, half up
        (("IT1*1*2500*EA*4.5*TP",), "11.25"),  # the price is for a thousand
        (("IT1*1*250*EA*4.5*HP",), "11.25"),
        (("IT1*1*7*EA*1", "PAM****1*6.5"), "6.50"),  # the line's total goes before
        (("IT1*1*7*EA*1", "SAC*N*C310***100", "REF*11", "TXI*ST", "PAM****2*9"), "7.00"),  # neither adds to the line
        (("IT1*1*7*EA*1", "SLN*1**I*3*EA*9", "SAC*C*D240***100", "PID*F****part"), "7.00"),  # sublines add nothing
    ],
)
def test_what_a_line_asks(lines: tuple[str, ...], expected: str) -> None:
    cents = expected.replace(".", "").lstrip("0")
    invoice = only(interchange(("BIG*20261101*1", *lines, f"TDS*{cents}", "CTT*1")))
    assert amounts(invoice) == [("item", expected)]


@pytest.mark.parametrize(
    ("segment", "words", "amount"),
    [
        ("SAC*A*C310***100", "Allowance C310", "-1.00"),
        ("SAC*C****100", "Charge", "1.00"),
        ("SAC*C*D240***100**********Freight", "Freight", "1.00"),
    ],
)
def test_an_adjustment_of_the_invoice_is_a_line_with_its_words(segment: str, words: str, amount: str) -> None:
    cents = 1000 + int(amount.replace(".", ""))
    invoice = only(interchange(("BIG*20261101*1", "IT1*1*10*EA*1", f"TDS*{cents}", segment, "CTT*1")))
    assert [(line.description, f"{line.amount:.2f}") for line in invoice.lines[1:]] == [(words, amount)]


def test_a_total_that_alone_is_rounded_has_a_line_for_the_rounding() -> None:
    """Three of 0.334 are 1.002, asked as 1.00; rounded one by one they are 0.33 each, 0.99."""
    body = ("BIG*20261101*1", *(f"IT1*{n}*1*EA*0.334" for n in (1, 2, 3)), "TDS*100", "CTT*3")
    assert amounts(only(interchange(body)))[-1] == ("rounding", "0.01")
    wrong = ("BIG*20261101*1", *(f"IT1*{n}*1*EA*0.334" for n in (1, 2, 3)), "TDS*101", "CTT*3")
    assert only(interchange(wrong)).lines_amount == to_decimal("0.99"), "off by more than rounding is left to the check"
    even = ("BIG*20261101*1", "IT1*1*3*EA*0.335", "TDS*100", "CTT*1")  # 1.005, rounded half even
    assert amounts(only(interchange(even))) == [("item", "1.01"), ("rounding", "-0.01")]


@pytest.mark.parametrize(
    ("item", "summary", "cents", "taxes"),
    [
        ("TXI*ST*1", "TXI*ST*1", 1100, ["1.00"]),  # the summary repeats the lines
        ("TXI*ST*1", "TXI*ST*2", 1300, ["1.00", "2.00"]),  # both are needed
        ("TXI*ST*1", "N1*RE*X", 1100, ["1.00"]),
        ("TXI*ST*0", "N1*RE*X", 1000, []),
        ("N1*RE*X", "TXI*ST*1*****I", 1000, []),  # included in other amounts
        ("N1*RE*X", "TXI*ST*1*****O", 1000, []),
    ],
)
def test_taxes_count_once(item: str, summary: str, cents: int, taxes: list[str]) -> None:
    invoice = only(interchange(("BIG*20261101*1", "IT1*1*10*EA*1", item, f"TDS*{cents}", summary, "CTT*1")))
    assert [amount for kind, amount in amounts(invoice) if kind == "tax"] == taxes
    assert invoice.lines_amount == invoice.total_amount


def test_the_month_is_the_period_else_the_month_before() -> None:
    def month(*period: str) -> date | None:
        return only(interchange(("BIG*20261101*1", *period, "TDS*1"))).billed_month()

    assert month() == date(2026, 10, 1)
    assert month("DTM*186*20260901", "DTM*187*20260930") == date(2026, 9, 1)
    assert month("DTM*186*20260901", "DTM*187*20261001") == date(2026, 9, 1), "an end that is not included"
    assert month("DTM*186*20260901", "DTM*187*20261002") is None
    assert month("DTM*186*20260901", "DTM*187*20261101") is None
    assert month("DTM*186*20261001", "DTM*187*20261001") == date(2026, 10, 1), "a day"
    assert month("DTM*187*20261001") == date(2026, 10, 1)
    assert month("DTM*186*20260930") == date(2026, 9, 1)
    assert month("DTM*187*20260915") == date(2026, 9, 1)


WRONG = [
    (b"*P*:~", b"*P*", "ISA"),
    (b"*P*:~", b"*P**~", "position 1: the delimiters of ISA are not three different signs"),
    (b"*P*:~", b"*P*x~", "position 1: the delimiters of ISA are not three different signs"),
    (b"SE*6*0001", b"SE*x*0001", "SE01 states x segments, the file has 6"),
    (b"BIG*20261101*8753", b"BIG*20261101*87\x0753", r"segment 4 \(BIG\).*it has the control character"),
    (b"ISA*00*  ", b"ISA*00* ", r"position 18: .* where ISA has its separator '\*'"),
    (
        b"IEA*1*000000905",
        b"IEA*2*000000905",
        r"segment 10 \(IEA\) at position \d+: IEA01 states 2 groups",
    ),
    (b"*P*:~", b"*T*:~", r"segment 1 \(ISA\) at position 1: ISA15 states that the interchange is a test"),
    (b"*P*:~", b"*I*:~", "the interchange is information, not production"),
    (b"*P*:~", b"* *:~", "ISA15 is missing"),
    (b"IEA*1*000000905", b"IEA*1*000000906", "IEA02 is 000000906, ISA13 is 000000905"),
    (b"GE*1*905", b"GE*2*905", "GE01 states 2 transaction sets, the file has 1"),
    (b"GE*1*905", b"GE*1*906", "GE02 is 906, GS06 is 905"),
    (b"SE*6*0001", b"SE*5*0001", "SE01 states 5 segments, the file has 6"),
    (b"SE*6*0001", b"SE*6*0002", "SE02 is 0002, ST02 is 0001"),
    (b"SE*6*0001~", b"", r"\(GE\).*transaction set 0001 has no end"),
    (b"GE*1*905~", b"", "a transaction set \\(ST\\) or the group's end \\(GE\\) is due"),
    (b"~IEA*1*000000905~", b"~", "ends inside an interchange, after segment 9"),
    (b"000000905~", b"000000905", "segment 10 has no end"),
    (b"000000905~", b"000000905~IEA*1*1~", "'IEA' where an interchange"),
    (b"CTT*1", b"CTT*2", r"segment 7 \(CTT\).*CTT01 states 2 lines, the invoice has 1"),
    (b"TDS*1500", b"TDS*15.00", r"segment 6 \(TDS\).*811307 is 8,113.07"),
    (b"TDS*1500", b"AMT*1*15", r"segment 8 \(SE\).*TDS, the total of the invoice, is missing"),
    (b"BIG*20261101*8753", b"BIG*20261131*8753", "BIG01 is '20261131', not a day"),
    (b"BIG*20261101*8753", b"BIG*20261101", "BIG02 is missing"),
    (b"BIG*20261101*8753", b"REF*PO*1", r"segment 4 \(REF\).*BIG is due after ST"),
    (b"IT1*1*10*EA*1.5", b"IT1*1*10*EA*1,5", "IT104 is '1,5', not a decimal"),
    (b"BIG*20261101*8753", b"BIG*202611 1*8753", "BIG01 is '202611 1', not a day"),
    (b"CTT*1", b"CTT*x", "CTT01 states x lines, the invoice has 1"),
    (b"IT1*1*10*EA*1.5", b"IT1*1**EA*1.5", "IT102 and IT104, or PAM05, are due"),
    (b"IT1*1*10*EA*1.5", b"IT1*1*10*EA*", "IT102 and IT104, or PAM05, are due"),
    (b"IT1*1*10*EA*1.5", b"IT1*1*1000000000*EA*1000000000", "more than 18 whole digits"),
    (b"IT1*1*10*EA*1.5*", b"IT1*1*10*EA*1.5*PD", "IT105 is 'PD'"),
    (b"SE*6", b"SAC*A*C310~SE*7", "SAC05, its amount, is missing"),
    (b"SE*6", b"SAC*X*C310***100~SE*7", r"segment 8 \(SAC\).*SAC01 is 'X'"),
    (b"SE*6", b"TDS*1500~SE*7", r"segment 8 \(TDS\).*the invoice has a total already"),
    (b"SE*6", b"IT1*2*1*EA*1~SE*7", r"segment 8 \(IT1\).*a line after the total"),
    (b"GE*1*905", b"ST*810*0001~SE*2*0001~GE*2*905", "control number 0001 is of an earlier set of the group too"),
    (b"GE*1*905", b"TA1*1~GE*1*905", "a transaction set .ST. or the group's end .GE. is due"),
    (b"IEA*1*", b"ST*850~IEA*1*", "a group .GS. or the interchange's end .IEA. is due"),
    (b"ST*810", b"ST*850", r"segment 3 \(ST\).*transaction set 850 is no invoice"),
    (b"*X*004010", b"*X*005010", "its group is of version 005010; 004010 is read"),
]


def test_what_is_cut_off_is_named_by_its_position() -> None:
    whole = interchange(LINE)
    data = whole.removesuffix(b"\n").removesuffix(b"~")
    with pytest.raises(InvoiceFileRefused, match=f"position {data.rindex(b'IEA') + 1}: segment 10 has no end"):
        invoice_files.read(data)
    data = whole[: whole.rindex(b"IEA")]
    with pytest.raises(InvoiceFileRefused, match=f"position {len(data) + 1}: the file ends inside an interchange"):
        invoice_files.read(data)
    with pytest.raises(InvoiceFileRefused, match="position 1: ISA has 105 characters, not 106: the file is cut off"):
        invoice_files.read(whole[:105])


def test_an_acknowledgment_before_the_groups_asks_nothing() -> None:
    data = interchange(LINE)
    assert data.count(b"~GS*") == 1
    assert only(data.replace(b"~GS*", b"~TA1*000000905*261101*1200*A*000~GS*")) == only(data)


@pytest.mark.parametrize(("right", "wrong", "words"), WRONG, ids=lambda one: str(one)[:30])
def test_what_is_not_whole_is_refused_by_segment_and_position(right: bytes, wrong: bytes, words: str) -> None:
    data = interchange(LINE)
    assert data.count(right) == 1
    with pytest.raises(InvoiceFileRefused, match=words):
        invoice_files.read(data.replace(right, wrong))


DELIMITERS = st.lists(st.sampled_from("*|^~':;+!<>=\x1c\x1d\x1e"), min_size=3, max_size=3, unique=True)


@given(
    st.lists(st.tuples(st.sampled_from("ACI"), st.integers(-(10**9), 10**9)), min_size=1, max_size=8),
    DELIMITERS,
    st.sampled_from(["", "\n", "\r\n"]),
)
def test_amounts_come_back_to_the_cent(drawn: list[tuple[str, int]], signs: list[str], line: str) -> None:
    """Items, allowances and charges by cents, whatever the delimiters."""
    body, due = ["BIG*20261101*8753"], Decimal(0)
    items = [cents for kind, cents in drawn if kind == "I"]
    for place, cents in enumerate(items, start=1):
        body.append(f"IT1*{place}*1*EA*{plain(Decimal(cents).scaleb(-2))}")
    rest = [(kind, cents) for kind, cents in drawn if kind != "I"]
    due = total([Decimal(cents) for cents in items] + [Decimal(-c if kind == "A" else c) for kind, c in rest])
    body += [f"TDS*{due}", *(f"SAC*{kind}*C310***{cents}" for kind, cents in rest), f"CTT*{len(items)}"]
    element, end, component = signs
    invoice = only(interchange(body, element=element, end=end, component=component, line=line))
    assert invoice.total_amount == due.scaleb(-2) == invoice.lines_amount
    assert [line.amount for line in invoice.lines if line.kind == "item"] == [Decimal(c).scaleb(-2) for c in items]


@given(st.binary(max_size=400))
def test_any_other_file_is_refused_and_nothing_else(noise: bytes) -> None:
    for data in (noise, interchange(WHOLE)[:106] + noise):
        with suppress(InvoiceFileRefused):
            invoice_files.read(data)
