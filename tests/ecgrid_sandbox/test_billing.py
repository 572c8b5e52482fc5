"""Lines, void answers, invoices and months as the service gives them."""

from decimal import Decimal as Plain  # noqa: TID251 - sums of texts as sent, without the project's own parser
from typing import Any

import pytest

from ecgrid_sandbox import World

MONTHS = ["2026-07-01", "2026-08-01", "2026-09-01", "2026-10-01"]
TO_TRANS = ("TrafficAll", "ToTrans")


def test_a_line_is_calculated_by_the_sample_list(wire: Any, world: World) -> None:
    """Allowance 150, block 20, rate 0.0776, as in the wire samples: what comes out for the account's quantity."""
    got = wire.line((4440, 105223), TO_TRANS)
    actual = int(got.text("Actual"))
    billed = -(-(actual - 150) // 20) * 20
    assert got.text("QuantityBilled") == str(billed)
    assert Plain(got.text("Amount")) == (billed * Plain("0.0776")).quantize(Plain("0.01"), "ROUND_HALF_UP")
    assert got.text("LineDate") == "2026-10-31T00:00:00"
    assert got.text("SystemObject") == "Mailbox"
    assert got.text("SystemID") == "105223"


def test_a_root_mailbox_is_billed_as_its_network(wire: Any) -> None:
    got = wire.line((4440, 0), ("FixedRate", "Credit"))
    assert (got.text("SystemObject"), got.text("SystemID")) == ("Network", "4440")
    assert (got.text("Schedule/Rate"), got.text("Amount")) == ("-6.0200", "-6.02")


@pytest.mark.parametrize(("network_id", "answer"), [(4440, "fault"), (4443, "absent"), (4447, "zero"), (4451, "fault")])
def test_a_pair_off_the_list_is_answered_in_the_networks_own_way(
    wire: Any, world: World, network_id: int, answer: str
) -> None:
    got = wire.line((network_id, 0), ("TrafficSpecial", "FromKCs"))
    if answer == "fault":
        assert got.fault == ("AccountReport/MeasureField not on Pricelist: TrafficSpecial/FromKCs", "InvalidParameter")
    elif answer == "absent":
        assert got.status == 200
        assert got.result is None
    else:
        assert got.text("Schedule") is None
        assert (got.text("Actual"), got.text("QuantityBilled"), got.text("Amount")) == ("0", "0", "0")


def test_without_use_a_pair_on_the_list_has_a_line_of_zero_with_its_schedule(wire: Any, world: World) -> None:
    quiet = next(
        account
        for account, use in world.use.items()
        if ("TrafficKCInterchangeTiered", "TieredKCIntCount") in use
        and not any(use[("TrafficKCInterchangeTiered", "TieredKCIntCount")])
    )
    got = wire.line(quiet, ("TrafficKCInterchangeTiered", "TieredKCIntCount"))
    assert (got.text("Actual"), got.text("Amount")) == ("0", "0")
    assert got.text("Schedule/ScheduleID") == "43201"


def test_accounts_that_are_not_there_are_not_found(wire: Any) -> None:
    assert wire.line((1, 0), TO_TRANS).fault == ("NetworkID 1 not found", "NotFound")
    assert wire.line((4440, 1), TO_TRANS).fault == ("MailboxID 1 of NetworkID 4440 not found", "NotFound")
    assert wire.line((4440, -1), TO_TRANS).fault[1] == "NotFound"
    assert wire.line((4443, 105214), TO_TRANS).fault[1] == "NotFound"  # of another network


@pytest.mark.parametrize(
    ("text", "binding", "month"),
    [
        ("2026-09-01T00:00:00", "soap11", 8),
        ("2026-09-30T23:59:59.9999999", "soap11", 8),
        ("2026-09-01", "soap11", 8),
        ("2026-09-01T00:00:00Z", "soap11", 8),  # Z survives over SOAP
        ("2026-09-01T00:00:00Z", "get", 7),  # and is turned into local time over GET
        ("2026-09-01T00:00:00+00:00", "soap11", 7),
        ("2026-09-01T08:00:00+00:00", "soap12", 8),
        ("2026-09-01T00:00:00-08:00", "soap11", 8),
    ],
)
def test_the_server_takes_an_offset_for_its_own_time(
    wire: Any, world: World, text: str, binding: str, month: int
) -> None:
    got = wire.line((4440, 105223), TO_TRANS, binding, ReportingMonth=text)
    use = world.use[(4440, 105223)][TO_TRANS]
    assert got.text("Actual") == str(use[month - 6])


def test_outside_the_worlds_months_nothing_is_billed(wire: Any) -> None:
    for account, pair in (((4440, 105223), TO_TRANS), ((4440, 0), ("FixedRate", "Credit"))):
        got = wire.line(account, pair, ReportingMonth="2020-01-01T00:00:00")
        assert (got.text("Actual"), got.text("Amount")) == ("0", "0")


def _invoices(wire: Any, **arguments: object) -> Any:
    given = {"BeginDate": "2026-01-01", "EndDate": "2027-01-01", "ContractID": -1, "Status": "All"} | arguments
    return wire.ask("v3.2", "InvoiceList", **given)


def test_invoices_are_listed_without_lines_and_given_with_them(wire: Any, world: World) -> None:
    listed = _invoices(wire)
    assert len(listed.all("Invoice")) == 4 * 5
    assert not listed.all("Invoice/LineItems")
    wrong = {
        invoice_number
        for plant in world.planted_errors
        if plant.check_name == "invoice_total_mismatch" and (invoice_number := plant.invoice_number)
    }
    for invoice_id in listed.texts("Invoice/InvoiceID"):
        deep = wire.ask("v3.2", "InvoiceInfo", InvoiceID=invoice_id)
        amounts = [Plain(text) for text in deep.texts("LineItems/LineItem/Amount")]
        adds_up = sum(amounts) == Plain(deep.text("TotalAmount"))
        assert adds_up != (deep.text("InvoiceNumber") in wrong)
        numbers = [int(text) for text in deep.texts("LineItems/LineItem/LineItemNumber")]
        assert numbers == list(range(1, len(numbers) + 1))


def test_invoices_are_chosen_by_date_contract_and_status(wire: Any) -> None:
    assert len(_invoices(wire, ContractID=8752).all("Invoice")) == 4
    august = _invoices(wire, BeginDate="2026-09-01", EndDate="2026-09-30", ContractID=8752)
    assert august.texts("Invoice/InvoiceNumber") == ["INV-202608-8752"]
    assert set(_invoices(wire, Status="AllUnpaid").texts("Invoice/Status")) == {"Sent"}
    assert set(_invoices(wire, Status="Paid").texts("Invoice/Status")) == {"Paid"}
    assert not _invoices(wire, Status="Canceled").all("Invoice")
    assert _invoices(wire, ContractID=7).fault[1] == "NotFound"


CALCULATE = {
    "ContractID": 8755,
    "ReportingMonth": "2026-10-01T00:00:00",
    "Include": "AllCurrentCharges",
    "InvoiceDate": "2026-11-01T00:00:00",
    "InvoiceNumber": "PRO-1",
    "NetworkID": -1,
    "MailboxID": -1,
    "Notice": "",
    "SpecialNotice": "",
    "Message": "for show",
    "Save": "false",
}


def test_an_invoice_is_calculated_but_never_saved(wire: Any, world: World) -> None:
    got = wire.ask("v3.2", "InvoiceCalculate", **CALCULATE)
    assert (got.text("InvoiceNumber"), got.text("Message")) == ("PRO-1", "for show")
    systems = set(got.texts("LineItems/LineItem/SystemID"))
    assert systems == {str(box) for _, box in world.accounts_of_contract(8755)}
    one = wire.ask("v3.2", "InvoiceCalculate", **CALCULATE | {"NetworkID": 4440, "MailboxID": 105225})
    assert set(one.texts("LineItems/LineItem/SystemID")) == {"105225"}
    refused = wire.ask("v3.2", "InvoiceCalculate", **CALCULATE | {"Save": "true"})
    assert refused.fault == ("Access Denied: InvoiceCalculate with Save", "AccessDenied")
    status = wire.ask("v3.2", "InvoiceSetStatus", InvoiceID=1, Status="Paid")
    assert status.fault[1] == "AccessDenied"


def test_every_line_that_single_calls_give_is_on_a_calculated_invoice(wire: Any, world: World) -> None:
    """And one more where a single call leaves a line out on purpose."""
    missing = [
        wrong.key
        for wrong in world.planted_errors
        if wrong.check_name == "missing_line" and wrong.reporting_month.month == 10
    ]
    assert missing
    for network_id, mailbox_id, _, report, measure in missing:
        contract_id = world.contract_of(network_id, mailbox_id)
        got = wire.ask("v3.2", "InvoiceCalculate", **CALCULATE | {"ContractID": contract_id})
        found = [
            line
            for line in got.all("LineItems/LineItem")
            if [
                line.findtext(f"{{*}}{name}")
                for name in ("SystemID", "Schedule/{*}AccountReport", "Schedule/{*}Measure")
            ]
            == [str(mailbox_id), report, measure]
        ]
        assert len(found) == 1
        single = wire.line((network_id, mailbox_id), (report, measure))
        assert single.status == 500 or single.result is None or single.text("Schedule") is None


def test_money_lines_follow_from_the_lines_before_them(wire: Any) -> None:
    lines = {
        measure: wire.line((4447, 105292), pair)
        for measure, pair in {
            "fee": ("FixedRate", "FixedRate"),
            "kcs": ("TrafficInterECGrid", "TotalKCs"),
            "subtotal": ("FixedRate", "Subtotal"),
            "credit": ("FixedRate", "CreditPercentage"),
        }.items()
    }
    subtotal = Plain(lines["fee"].text("Amount")) + Plain(lines["kcs"].text("Amount"))
    assert Plain(lines["subtotal"].text("Actual")) == subtotal
    assert lines["subtotal"].text("Amount") == "0"  # so that lines add up to the invoice
    expected = (subtotal * Plain("-2.5") / 100).quantize(Plain("0.01"), "ROUND_HALF_UP")
    assert Plain(lines["credit"].text("Amount")) == expected
    quiet = (4451, 105310)
    charges = sum(
        Plain(wire.line(quiet, pair).text("Amount")) for pair in (("FixedRate", "Each"), ("TrafficAll", "TotalKCs"))
    )
    true_up = wire.line(quiet, ("FixedRate", "MonthlyMinimum"))
    assert Plain(true_up.text("Amount")) == max(Plain(250) - charges, Plain(0))
    assert Plain(true_up.text("Actual")) == charges
