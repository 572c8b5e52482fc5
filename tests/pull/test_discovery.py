"""Who is billed, told by a service whose lists differ in what they allow: what one refuses the others still give."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime

import pytest

from ecgrid_flows.errors import Incomplete
from ecgrid_flows.extract import discovery
from ecgrid_flows.lake import billing_scope
from ecgrid_flows.lake.raw_log import Arguments, RawAnswer
from ecgrid_flows.progress import Reporter

MONTH = date(2026, 10, 1)
DENIED = "access_denied"


class Service:
    """Answers by operation: inner XML of the result, or the code of a fault; `*_error` codes are no usable answer."""

    def __init__(self, answers: Mapping[str, Callable[[Arguments], str]]) -> None:
        self.answers = answers
        self.asked: list[tuple[str, Arguments]] = []

    def ask(self, month: date, version: str, operation: str, arguments: Arguments) -> RawAnswer:
        self.asked.append((operation, arguments))
        inner = self.answers.get(operation, lambda _: DENIED)(arguments)
        is_fault = not inner.startswith("<")
        body = f"<r:Envelope xmlns:r='r'><r:Body><{operation}Response><{operation}Result>{inner}</{operation}Result></{operation}Response></r:Body></r:Envelope>"  # noqa: E501 # one answer
        return RawAnswer(
            operation,
            version,
            arguments,
            datetime(2026, 11, 1, tzinfo=UTC),
            1,
            1,
            "",
            is_usable=not inner.endswith("_error"),
            fault_code=inner if is_fault else None,
            fault_message=inner if is_fault else None,
            body=b"" if is_fault else body.encode(),
        )

    def ask_many(self, month: date, version: str, operation: str, many: Sequence[Arguments]) -> list[RawAnswer]:
        return [self.ask(month, version, operation, arguments) for arguments in many]

    def operations(self, *names: str) -> list[tuple[str, Arguments]]:
        return [one for one in self.asked if one[0] in names]


def contract(number: int, inner: str = "") -> str:
    return f"<ContractID>{number}</ContractID>{inner}"


def mailbox(network: int, number: int, contract_id: int = 0) -> str:
    return (
        f"<MailboxIDInfo><MailboxID>{number}</MailboxID><NetworkID>{network}</NetworkID>"
        f"<OwnerInfo><PricelistID>0</PricelistID><ContractID>{contract_id}</ContractID></OwnerInfo></MailboxIDInfo>"
    )


def network(number: int) -> str:
    return f"<NetworkIDInfo><NetworkID>{number}</NetworkID></NetworkIDInfo>"


def scope_of(service: Service) -> tuple[billing_scope.Scope, Reporter]:
    reporter = Reporter(mute=True)
    return billing_scope.scope(service, MONTH, None, reporter), reporter


def accounts(scope: billing_scope.Scope) -> list[tuple[int, int]]:
    return [(billed.account.network_id, billed.account.mailbox_id) for billed in scope.accounts]


def test_rights_may_differ_from_one_contract_and_network_to_the_next() -> None:
    service = Service(
        {
            "ContractList": lambda _: "".join(f"<Contract>{contract(number)}</Contract>" for number in (8, 9)),
            "ContractInfo": lambda asked: (
                DENIED if asked["ContractID"] == 8 else contract(9, f"<Mailboxes>{mailbox(3, 31)}</Mailboxes>")
            ),
            "NetworkList": lambda _: network(1) + network(2),
            "MailboxListEx": lambda asked: DENIED if asked["NetworkID"] == 1 else mailbox(2, 21),
            "MailboxList": lambda _: mailbox(1, 11),
        }
    )
    scope, reporter = scope_of(service)
    assert accounts(scope) == [(1, 0), (1, 11), (2, 0), (2, 21), (3, 0), (3, 31)], "each network's Root among them"
    (warning,) = reporter.warnings
    assert warning == "ContractInfo is left out for 1 of 2 (access_denied: access_denied); --refresh requests it again"
    assert not scope.unanswered


def test_a_pair_that_cannot_be_requested_is_reported() -> None:
    schedules = "".join(
        f"<Schedule><ScheduleID>1</ScheduleID><Allowance>0</Allowance><Maximum>0</Maximum><Block>0</Block><Rate>1</Rate>"
        f"<AccountReport>FixedRate</AccountReport><Measure>{measure}</Measure></Schedule>"
        for measure in ("Each", "CarbonFee")
    )
    price_list = (
        "<PricelistID>5</PricelistID><Model>Simple</Model><Status>Active</Status>"
        f"<Levels><Level><Level>General</Level><Schedules>{schedules}</Schedules></Level></Levels>"
    )
    owner = "<OwnerInfo><PricelistID>5</PricelistID></OwnerInfo>"
    service = Service(
        {
            "NetworkList": lambda _: f"<NetworkIDInfo><NetworkID>1</NetworkID>{owner}</NetworkIDInfo>",
            "PricelistInfo": lambda _: price_list,
        }
    )
    _, reporter = scope_of(service)
    assert any("price list 5 prices FixedRate/CarbonFee, which" in warning for warning in reporter.warnings)


def test_a_source_that_only_fails_leaves_what_the_others_give_and_the_month_incomplete() -> None:
    service = Service(
        {
            "ContractList": lambda _: "service_error",
            "NetworkList": lambda _: network(1),
            "MailboxListEx": lambda _: mailbox(1, 11),
        }
    )
    scope, _ = scope_of(service)
    assert accounts(scope) == [(1, 0), (1, 11)]
    (words,) = scope.unanswered
    assert words.startswith("ContractList has no usable response")


def test_where_contracts_are_not_listed_the_accounts_name_theirs() -> None:
    service = Service({"NetworkList": lambda _: network(1), "MailboxListEx": lambda _: mailbox(1, 11, contract_id=8)})
    scope, reporter = scope_of(service)
    discovery.ask_beside(service, scope, reporter)
    asked = [arguments["ContractID"] for _, arguments in service.operations("InvoiceList", "InvoiceCalculate")]
    assert asked == [8, 8]


def test_statistics_of_all_networks_or_else_of_the_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(discovery, "MONTHLY_REPORTS", (1, 2))
    table = "<schema xmlns='http://www.w3.org/2001/XMLSchema'/><diffgram/>"
    service = Service(
        {
            "NetworkList": lambda _: network(1) + network(2),
            "InterconnectCount": lambda _: table,
            "ReportInstantStatsEx": lambda _: table,
            "ReportMonthlyEx": lambda _: "not_implemented_by_service",
            "ReportMonthly": lambda _: "not_implemented_by_service",
        }
    )
    scope, reporter = scope_of(service)
    discovery.ask_beside(service, scope, reporter)
    assert service.operations("InterconnectCount") == [("InterconnectCount", {"MaxDays": 31})]
    of_ex = [(asked["NetworkID"], asked["MailboxID"]) for _, asked in service.operations("InterconnectCountEx")]
    assert of_ex == [(1, -1), (2, -1), (1, 0), (1, 0), (2, 0), (2, 0)], "all mailboxes, then the accounts by their ids"
    assert service.operations("ReportInstantStats") == [], "the networks' own figures are had"
    assert len(service.operations("ReportMonthlyEx", "ReportMonthly")) == 2, "what is not offered is asked once"


@pytest.mark.parametrize("code", ["not_found", "access_denied", "invalid_argument"])
def test_where_minus_one_is_not_known_each_account_is_requested_by_its_id(
    monkeypatch: pytest.MonkeyPatch, code: str
) -> None:
    """Neither for mailboxes nor for ECGridIDs; the session's own figures, of one network of two, are not enough."""
    monkeypatch.setattr(discovery, "MONTHLY_REPORTS", (1, 2))
    table = "<schema xmlns='http://www.w3.org/2001/XMLSchema'/><diffgram/>"

    def by_id(asked: Arguments) -> str:
        return code if -1 in (asked["MailboxID"], asked.get("ECGridID")) else table

    names = ("InterconnectCount", "ReportInstantStats", "ReportMonthly")
    service = Service(
        {
            "NetworkList": lambda _: network(1) + network(2),
            "MailboxListEx": lambda asked: by_network(int(asked["NetworkID"])),
            **dict.fromkeys((f"{name}Ex" for name in names), by_id),
        }
    )
    scope, reporter = scope_of(service)
    discovery.ask_beside(service, scope, reporter)
    assert service.operations(*names) == [], "the plain form comes last, and is not needed"
    for name in names:
        asked = [arguments for _, arguments in service.operations(f"{name}Ex") if by_id(arguments) == table]
        reports = 2 if name == "ReportMonthly" else 1
        assert sorted((one["NetworkID"], one["MailboxID"]) for one in asked) == sorted(accounts(scope) * reports)
        assert len([words for words in reporter.warnings if words.startswith(f"{name}Ex refuses -1")]) == 2, "a network"


def by_network(number: int) -> str:
    return {1: mailbox(1, 11) + mailbox(1, 12), 2: mailbox(2, 21)}[number]


def test_a_network_that_is_denied_whole_costs_two_calls_and_one_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(discovery, "MONTHLY_REPORTS", (1,))
    table = "<schema xmlns='http://www.w3.org/2001/XMLSchema'/><diffgram/>"
    service = Service(
        {
            "NetworkList": lambda _: network(1) + network(2),
            "MailboxListEx": lambda asked: by_network(int(asked["NetworkID"])),
            "ReportMonthlyEx": lambda asked: DENIED if asked["NetworkID"] == 1 else table,
        }
    )
    scope, reporter = scope_of(service)
    discovery.ask_beside(service, scope, reporter)
    asked = [(one["NetworkID"], one["MailboxID"]) for _, one in service.operations("ReportMonthlyEx")]
    assert asked == [(1, -1), (2, -1), (1, 0), (1, 11)]
    warned = [words for words in reporter.warnings if "ReportMonthly" in words]
    assert warned == [
        "ReportMonthlyEx is left out for 1 of 2 (access_denied: access_denied); --refresh requests it again"
    ]


def table_of(*names: str) -> str:
    """A DataSet of one table with a row of these columns."""
    columns = "".join(f"<element name='{name}' type='xs:int'/>" for name in names)
    cells = "".join(f"<{name}>1</{name}>" for name in names)
    return (
        "<schema xmlns='http://www.w3.org/2001/XMLSchema' id='D'><element name='D'><complexType><choice>"
        f"<element name='Table'><complexType><sequence>{columns}</sequence></complexType></element>"
        "</choice></complexType></element></schema>"
        f"<diffgram><D><Table>{cells}</Table></D></diffgram>"
    )


@pytest.fixture
def all_reports(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(discovery, "MONTHLY_REPORTS", (1, 2, 3, 4))
    monkeypatch.setattr(discovery, "TRAFFIC_PERIODS", ("Month", "Day"))


def of_statistics(service: Service) -> list[tuple[str, object, object, object]]:
    """(operation, network, mailbox, what) of each request for statistics of usage."""
    return [
        (name, one.get("NetworkID"), one.get("MailboxID"), one.get("Report", one.get("Period")))
        for name, one in service.operations(
            *("ReportMonthlyEx", "ReportMonthly", "ReportTrafficStatsEx", "ReportTrafficStats", "ReportByDateEx")
        )
    ]


@pytest.mark.usefixtures("all_reports")
def test_statistics_whose_rows_name_no_mailbox_are_requested_by_account() -> None:
    service = Service(
        {
            "NetworkList": lambda _: network(1),
            "MailboxListEx": lambda _: mailbox(1, 11),
            "ReportTrafficStatsEx": lambda _: table_of("Period", "ParcelIn", "ParcelInKC"),
        }
    )
    scope, reporter = scope_of(service)
    assert discovery.ask_beside(service, scope, reporter) == len(of_statistics(service))
    traffic = [one for one in of_statistics(service) if one[0] == "ReportTrafficStatsEx"]
    assert traffic == [
        ("ReportTrafficStatsEx", 1, mailbox_id, period) for period in ("Month", "Day") for mailbox_id in (-1, 0, 11)
    ]
    days = [asked for _, asked in service.operations("ReportTrafficStatsEx") if asked["Period"] == "Day"]
    assert {(asked["TargetTime"], asked["NumPeriods"]) for asked in days} == {("2026-10-01T00:00:00", 31)}
    refused = {name for name in ("ReportMonthlyEx", "ReportMonthly", "ReportByDateEx")}
    warned = [words for words in reporter.warnings if words.split()[0] in refused]
    assert len(warned) == 3, "one for each operation"


@pytest.mark.usefixtures("all_reports")
def test_a_month_of_31_days_is_two_windows_by_date_that_do_not_overlap() -> None:
    service = Service(
        {
            "NetworkList": lambda _: network(1),
            "MailboxListEx": lambda _: mailbox(1, 11) + mailbox(1, 12),
            "ReportByDateEx": lambda _: table_of("Direction", "TotalBytes"),
        }
    )
    scope, reporter = scope_of(service)
    discovery.ask_beside(service, scope, reporter)
    asked = [(one["MailboxID"], one["StartDate"], one["EndDate"]) for _, one in service.operations("ReportByDateEx")]
    assert asked == [
        (mailbox_id, first, last)
        for mailbox_id in (0, 11, 12)
        for first, last in (
            ("2026-10-01T00:00:00", "2026-10-30T23:59:59"),
            ("2026-10-31T00:00:00", "2026-10-31T23:59:59"),
        )
    ]


@pytest.mark.usefixtures("all_reports")
def test_a_report_that_states_measures_by_mailbox_spares_the_requests_by_account() -> None:
    service = Service(
        {
            "NetworkList": lambda _: network(1),
            "MailboxListEx": lambda _: mailbox(1, 11),
            "ReportMonthlyEx": lambda _: table_of("Mailbox_ID", "TO_TRANS"),
            "ReportTrafficStatsEx": lambda _: table_of("ParcelIn"),
        }
    )
    scope, reporter = scope_of(service)
    discovery.ask_beside(service, scope, reporter)
    assert {one[2] for one in of_statistics(service) if one[0] != "ReportByDateEx"} == {-1}


@pytest.mark.usefixtures("all_reports")
def test_one_account_that_states_measures_spares_them_for_its_network() -> None:
    """The monthly report refuses -1; the first mailbox's rows state measures, the last one's do not."""
    monthly = {0: table_of("Mailbox_ID", "TO_TRANS"), 11: table_of("Mailbox_ID")}
    service = Service(
        {
            "NetworkList": lambda _: network(1),
            "MailboxListEx": lambda _: mailbox(1, 11),
            "ReportMonthlyEx": lambda asked: monthly.get(int(asked["MailboxID"]), DENIED),
            "ReportTrafficStatsEx": lambda _: table_of("ParcelIn"),
        }
    )
    scope, reporter = scope_of(service)
    discovery.ask_beside(service, scope, reporter)
    assert {one[2] for one in of_statistics(service) if one[0] == "ReportTrafficStatsEx"} == {-1}


@pytest.mark.usefixtures("all_reports")
def test_statistics_that_are_refused_altogether_are_one_warning() -> None:
    service = Service({"NetworkList": lambda _: network(1), "MailboxListEx": lambda _: mailbox(1, 11)})
    scope, reporter = scope_of(service)
    before = len(reporter.warnings)
    discovery.ask_beside(service, scope, reporter)
    about = [words for words in reporter.warnings[before:] if "statistics of usage" in words]
    assert len(about) == 1
    assert "ReportMonthlyEx, ReportMonthly, ReportTrafficStatsEx, ReportTrafficStats, ReportByDateEx" in about[0]
    assert not [words for words in reporter.warnings if words.startswith(("ReportMonthly", "ReportTraffic"))]


@pytest.mark.usefixtures("all_reports")
def test_a_plan_may_leave_the_statistics_out() -> None:
    service = Service({"NetworkList": lambda _: network(1)})
    scope, reporter = scope_of(service)
    assert discovery.ask_beside(service, scope, reporter, with_statistics=False) == 0
    assert of_statistics(service) == []


def named(kind: str, number: str, name: str, network_id: int | None = None) -> str:
    inner = f"<{kind}ID>{number}</{kind}ID>" + (f"<NetworkID>{network_id}</NetworkID>" if network_id else "")
    return f"<{kind}IDInfo>{inner}<Name>{name}</Name></{kind}IDInfo>"


@pytest.mark.parametrize(
    ("listed", "of_contract", "left_out"),
    [
        ("x", "11", []),  # another list names it by its number
        ("x", "x", ["ContractInfo has a mailbox, 'A',", "MailboxListEx has a mailbox, 'A',"]),
        ("11", "x", []),
        ("-1", "12", []),
    ],
)
def test_an_account_is_left_out_where_no_list_names_it_by_a_number(
    listed: str, of_contract: str, left_out: list[str]
) -> None:
    service = Service(
        {
            "ContractList": lambda _: f"<Contract>{contract(8)}</Contract>",
            "ContractInfo": lambda _: contract(8, f"<Mailboxes>{named('Mailbox', of_contract, 'A', 1)}</Mailboxes>"),
            "NetworkList": lambda _: named("Network", "1", "A"),
            "MailboxListEx": lambda _: named("Mailbox", listed, "A", 1),
        }
    )
    scope, _ = scope_of(service)
    assert [words.split(" whose ")[0] for words in scope.unanswered] == left_out
    assert all("so it is not known what to bill: ask the vendor" in words for words in scope.unanswered)


def test_two_mailboxes_of_one_name_are_not_taken_for_each_other() -> None:
    service = Service(
        {
            "NetworkList": lambda _: named("Network", "1", "N"),
            "MailboxListEx": lambda _: named("Mailbox", "x", "A", 1) + named("Mailbox", "12", "A", 1),
        }
    )
    scope, _ = scope_of(service)
    assert accounts(scope) == [(1, 0), (1, 12)]
    assert len(scope.unanswered) == 1


def test_a_contract_whose_number_cannot_be_read_leaves_the_month_incomplete() -> None:
    service = Service(
        {
            "ContractList": lambda _: (
                "<Contract><ContractID>x</ContractID><ContractNumber>C-9</ContractNumber></Contract>"
            ),
            "NetworkList": lambda _: network(1),
        }
    )
    scope, _ = scope_of(service)
    assert [words.split(" whose ")[0] for words in scope.unanswered] == ["ContractList has a contract, 'C-9',"]


def test_a_list_that_names_no_account_by_a_number_is_no_empty_list() -> None:
    service = Service({"NetworkList": lambda _: named("Network", "x", "A")})
    with pytest.raises(Incomplete, match="NetworkList has a network, 'A', whose NetworkID is not an xs:int"):
        scope_of(service)
