"""The scope of a month's run: accounts, contracts and price lists, and what is stored besides the lines.

Every list may be refused, PENDING or shallow (facts 4.5, 8), so each source only adds: contracts (ContractList, then
ContractInfo of each), networks (NetworkList; each network's Root mailbox 0 is an account), mailboxes (MailboxListEx per
network, MailboxList where that is refused), and the accounts file of the settings, which then limits the rest.
The other sources still count where one is refused; each refusal is one warning. If a source has no usable response,
accounts might be missing, so the month ends incomplete, whatever the others returned. So does a source whose lists have
an account or contract with a number that cannot be read.
"""

import csv
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import date, timedelta
from pathlib import Path

from ecgrid_client.errors import AccessDenied, InvalidArgument, NotFound, NotImplementedByService
from ecgrid_flows.errors import SettingsError
from ecgrid_flows.lake.billing_scope import (
    ALL,
    BILLING_API,
    Asker,
    Scope,
    _answers_of_each,
    _ask_each,
    _id,
    _read,
    _warn,
)
from ecgrid_flows.lake.raw_log import Arguments, RawAnswer
from ecgrid_flows.progress import Reporter
from ecgrid_transforms.model import MEASURE_FIELDS, Account, Invoice
from ecgrid_transforms.period import next_month, reporting_month_text

STATISTICS_API = "v4.1"
#: ReportMonthly's reports (facts 2.2): 1 traffic by day, 2 by trading partner, 3 partners by network, 4 in detail.
MONTHLY_REPORTS = (1, 2, 3, 4)
#: Periods that ReportTrafficStats is requested by: the month's sum, and its days.
TRAFFIC_PERIODS = ("Month", "Day")
#: ReportByDate's report with the columns known from outside, by trading partner [inferred], and the days of a window.
BY_DATE_REPORT, BY_DATE_DAYS = 2, 30
_NOT_KNOWN = (NotFound.code, AccessDenied.code, InvalidArgument.code)
INTERCONNECT_DAYS = 31
STATS_MINUTES = (60, 1440)


def read_accounts_file(path: Path) -> frozenset[Account]:
    """The accounts of a CSV with the columns network_id and mailbox_id; raises `SettingsError`, naming the line.

    Columns may be separated by a comma, a semicolon or a tab, as spreadsheets of different locales write them.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as source:
            head = source.readline()
            separator = next((mark for mark in ",;\t" if mark in head), ",")
            source.seek(0)
            rows = csv.DictReader(source, delimiter=separator, skipinitialspace=True)
            rows.fieldnames = [name.strip().lower() for name in rows.fieldnames or ()]
            if not {"network_id", "mailbox_id"} <= set(rows.fieldnames):
                raise SettingsError(
                    f"{path} has no columns network_id and mailbox_id in its first line, which is {head.strip()[:80]!r}"
                )
            found = set()
            for row in rows:
                if any(part and part.strip() for part in row.values() if isinstance(part, str)):
                    found.add(_account_of(row, f"{path}, line {rows.line_num}"))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise SettingsError(f"{path} cannot be read as CSV ({error}): save it as UTF-8 text") from error
    if not found:
        raise SettingsError(f"{path} names no account: add a line with network_id,mailbox_id")
    return frozenset(found)


def _account_of(row: Mapping[str, str | None], where: str) -> Account:
    numbers = []
    for name, least in (("network_id", 1), ("mailbox_id", 0)):
        text = (row.get(name) or "").strip()
        if not (text.isascii() and text.isdigit() and len(text) <= 10 and least <= int(text) < 2**31):
            raise SettingsError(f"{where}: {name} is {text[:40]!r}: write a whole number from {least} to {2**31 - 1}")
        numbers.append(int(text))
    return Account(*numbers)


# --- besides the lines ------------------------------------------------------------------------------------------------


def ask_beside(asker: Asker, scope: Scope, reporter: Reporter, *, with_statistics: bool = True) -> int:
    """Request what is stored besides the lines: invoices, their trial calculation, and the reports, if allowed.

    Returns the number of calls for the statistics of usage.
    """
    ask_invoices(asker, scope, reporter)
    _ask_trials(asker, scope, reporter)
    _ask_or_own(
        asker, scope, STATISTICS_API, "InterconnectCount", {"MaxDays": INTERCONNECT_DAYS}, reporter, ECGridID=ALL
    )
    first, second = STATS_MINUTES
    spans: Arguments = {"Minutes1": first, "Minutes2": second}
    _ask_or_own(asker, scope, STATISTICS_API, "ReportInstantStats", spans, reporter, ECGridID=ALL)
    return _ask_statistics(asker, scope, reporter) if with_statistics else 0


def _ask_statistics(asker: Asker, scope: Scope, reporter: Reporter) -> int:
    """Request the month's statistics of usage by account; returns the number of calls.

    Each operation is requested for all mailboxes of a network, and where its rows name no mailbox, for each account;
    not so ReportTrafficStats of a network whose monthly report states measures by mailbox. ReportByDate needs a
    mailbox. Refusals are one warning per operation and code, or a single one if nothing is allowed.
    """
    month, statistics = scope.month, _Statistics(asker, reporter)
    without_measures = set(scope.networks)
    for number in MONTHLY_REPORTS:
        report: Arguments = {"Report": number, "Month": reporting_month_text(month)}
        found = _ask_or_own(
            statistics, scope, BILLING_API, "ReportMonthly", report, statistics, by_account=scope.networks
        )
        without_measures -= {
            number
            for answer in found
            if (number := int(answer.arguments.get("NetworkID", ALL))) in without_measures and _states_measures(answer)
        }
        if not found:
            break
    for period in TRAFFIC_PERIODS:
        spans: Arguments = {
            "TargetTime": reporting_month_text(month),
            "NumPeriods": 1 if period == "Month" else (next_month(month) - month).days,
            "Period": period,
        }
        if not _ask_or_own(
            statistics, scope, BILLING_API, "ReportTrafficStats", spans, statistics, by_account=without_measures
        ):
            break
    many: list[Arguments] = [
        {"NetworkID": billed.account.network_id, "MailboxID": billed.account.mailbox_id, **window}
        for billed in scope.accounts
        for window in _windows(month)
    ]
    windows = statistics.ask_many(month, STATISTICS_API, "ReportByDateEx", many[:1])
    if windows and windows[0].fault_code != NotImplementedByService.code:  # 3.x services have no such operation
        windows += statistics.ask_many(month, STATISTICS_API, "ReportByDateEx", many[1:4])
        if any(answer.fault_code is None for answer in windows):
            windows += statistics.ask_many(month, STATISTICS_API, "ReportByDateEx", many[4:])
        _warn(windows, statistics)
    statistics.warn_of_refusals()
    return statistics.calls


def _windows(month: date) -> Iterator[Arguments]:
    """The month as windows of ReportByDate, of at most 30 days each, without an overlap."""
    day = month
    while day < next_month(month):
        last = min(day + timedelta(days=BY_DATE_DAYS), next_month(month)) - timedelta(days=1)
        yield {
            "Report": BY_DATE_REPORT,
            "StartDate": reporting_month_text(day),
            "EndDate": f"{last.isoformat()}T23:59:59",
        }
        day = last + timedelta(days=1)


class _Statistics(Reporter):
    """An asker that counts its calls, and a reporter that holds warnings back until all operations are requested."""

    def __init__(self, asker: Asker, reporter: Reporter) -> None:
        super().__init__(mute=True)
        self.calls = 0
        self._asker, self._reporter = asker, reporter
        self._operations: dict[str, bool] = {}

    def ask(self, month: date, version: str, operation: str, arguments: Arguments) -> RawAnswer:
        return self.ask_many(month, version, operation, [arguments])[0]

    def ask_many(self, month: date, version: str, operation: str, many: Sequence[Arguments]) -> list[RawAnswer]:
        self.calls += len(many)
        answers = self._asker.ask_many(month, version, operation, many)
        is_good = any(answer.fault_code is None for answer in answers)
        self._operations[operation] = self._operations.get(operation, False) or is_good
        return answers

    def warn(self, words: str) -> None:
        if words not in self.warnings:
            self.warnings.append(words)

    def warn_of_refusals(self) -> None:
        """Pass the warnings on; a single one where no operation gave statistics."""
        if self.warnings and not any(self._operations.values()):
            names = ", ".join(self._operations)
            self._reporter.warn(
                f"statistics of usage are left out, so no quantity is compared with them: {names} are refused; "
                f"first: {self.warnings[0]}"
            )
            return
        for words in self.warnings:
            self._reporter.warn(words)


def invoices_of(asker: Asker, scope: Scope) -> Iterator[Invoice]:
    """The invoices of the month's contracts and their trial calculations, from responses to `ask_beside`."""
    month = scope.month
    for contract_id in scope.contract_ids:
        trial = asker.ask(month, BILLING_API, "InvoiceCalculate", trial_arguments(contract_id, month))
        listed = asker.ask(month, BILLING_API, "InvoiceList", invoice_list_arguments(contract_id, month))
        numbers = [] if listed.fault_code else [invoice.invoice_id for invoice in _read(listed, [])]
        infos = [asker.ask(month, BILLING_API, "InvoiceInfo", _id("InvoiceID", number)) for number in numbers]
        for answer in (trial, *infos):
            invoice = None if answer.fault_code else _read(answer, [])
            if invoice is not None:
                yield invoice


def trial_arguments(contract_id: int, month: date) -> dict[str, str | int | bool]:
    """Arguments of InvoiceCalculate for a whole contract, never saved: that would be a write."""
    return {
        "ContractID": contract_id,
        "ReportingMonth": reporting_month_text(month),
        "Include": "AllCurrentCharges",
        "InvoiceDate": reporting_month_text(next_month(month)),
        "InvoiceNumber": "",
        "NetworkID": ALL,
        "MailboxID": ALL,
        "Notice": "",
        "SpecialNotice": "",
        "Message": "",
        "Save": False,
    }


def invoice_list_arguments(contract_id: int, month: date) -> dict[str, str | int | bool]:
    """Arguments for invoices dated from the month's first day to the end of the next: vendors date them differently."""
    return {
        "BeginDate": reporting_month_text(month),
        "EndDate": f"{next_month(month, 2) - timedelta(days=1)}T23:59:59",
        "ContractID": contract_id,
        "Status": "All",
    }


def ask_invoices(asker: Asker, scope: Scope, reporter: Reporter) -> None:
    """Ask which invoices the month's contracts have, and each of them."""
    month = scope.month
    many = [invoice_list_arguments(contract_id, month) for contract_id in scope.contract_ids]
    lists = _ask_each(asker, month, BILLING_API, "InvoiceList", many, reporter)
    listed = sorted({invoice.invoice_id for answer in lists for invoice in _read(answer, [])})
    _ask_each(asker, month, BILLING_API, "InvoiceInfo", [_id("InvoiceID", number) for number in listed], reporter)


def _ask_trials(asker: Asker, scope: Scope, reporter: Reporter) -> None:
    many = [trial_arguments(contract_id, scope.month) for contract_id in scope.contract_ids]
    _ask_each(asker, scope.month, BILLING_API, "InvoiceCalculate", many, reporter)


def _ask_or_own(
    asker: Asker,
    scope: Scope,
    version: str,
    operation: str,
    arguments: Arguments,
    reporter: Reporter,
    *,
    by_account: Collection[int] | None = None,
    **all_of: int,
) -> list[RawAnswer]:
    """The good responses of the operation's Ex form for every network; where there are none, the plain form's.

    A service may not support -1 for all mailboxes of a network, or not allow it: then each account is requested by its
    own id. With `by_account` that is done in these networks alone, and also where the rows for all mailboxes name
    none. The plain form covers the session's own network and mailbox only (facts 5), so it comes last.
    """
    month, name = scope.month, f"{operation}Ex"
    many: list[Arguments] = [
        {"NetworkID": network, "MailboxID": ALL, **all_of, **arguments} for network in scope.networks
    ]
    of_networks = _answers_of_each(asker, month, version, name, many)
    of_accounts: list[RawAnswer] = []
    for number, answer in zip(scope.networks, tuple(of_networks), strict=False):
        if by_account is not None and number not in by_account:
            continue
        if answer.is_usable and answer.fault_code in _NOT_KNOWN:
            accounts = [billed.account for billed in scope.accounts if billed.account.network_id == number]
            singles = _ask_accounts(asker, month, version, name, arguments, accounts, tuple(all_of))
            if any(single.fault_code is None for single in singles):
                of_networks.remove(answer)
                of_accounts += singles
                reporter.warn(
                    f"{name} refuses -1 for all mailboxes of network {number} ({answer.fault_code}: "
                    f"{answer.fault_message}): each of its {len(accounts)} accounts is requested by its id"
                )
        elif by_account is not None and answer.fault_code is None and not _names_mailboxes(answer):
            accounts = [billed.account for billed in scope.accounts if billed.account.network_id == number]
            of_accounts += _ask_accounts(asker, month, version, name, arguments, accounts, tuple(all_of))
    _warn(of_networks, reporter)
    _warn(of_accounts, reporter)
    good = [answer for answer in (*of_networks, *of_accounts) if answer.fault_code is None]
    return good or _ask_each(asker, month, version, operation, [arguments], reporter)


def _names_mailboxes(answer: RawAnswer) -> bool:
    """Whether the response needs no further request by account: its rows name mailboxes, or it has none."""
    tables = _columns_with_rows(answer)
    return not tables or any("mailboxid" in names for names in tables)


def _states_measures(answer: RawAnswer) -> bool:
    """Whether the response's rows state quantities by mailbox under the names of measures."""
    return any("mailboxid" in names and names & _MEASURE_COLUMNS for names in _columns_with_rows(answer))


def _columns_with_rows(answer: RawAnswer) -> list[set[str]]:
    """The columns of each table with rows, as small letters and digits."""
    return [set(map(_plain, table.column_names)) for table in _read(answer, []).values() if table.num_rows]


def _plain(name: str) -> str:
    return "".join(filter(str.isalnum, name)).lower()


_MEASURE_COLUMNS = frozenset(_plain(name) for name in MEASURE_FIELDS if name.endswith(("Trans", "KCs")))


def _ask_accounts(
    asker: Asker,
    month: date,
    version: str,
    operation: str,
    arguments: Arguments,
    accounts: Sequence[Account],
    all_of: Sequence[str],
) -> list[RawAnswer]:
    """The responses for single accounts of a network; none where the user may not see the first two.

    The value of an ECGridID that means all is -1 in newer interfaces and 0 in older ones (facts 1.5).
    """
    for word in (ALL, 0) if all_of else (ALL,):
        many: list[Arguments] = [
            {"NetworkID": one.network_id, "MailboxID": one.mailbox_id, **dict.fromkeys(all_of, word), **arguments}
            for one in accounts
        ]
        first = asker.ask_many(month, version, operation, many[:2])
        if any(answer.fault_code is None for answer in first):
            return first + asker.ask_many(month, version, operation, many[2:])
    return []


# --- sources ----------------------------------------------------------------------------------------------------------
