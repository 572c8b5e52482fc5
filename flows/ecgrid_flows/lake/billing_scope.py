"""The accounts billed in a month, with their contracts and price lists; read from the service or from raw."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any, Protocol

from ecgrid_client import datasets, decode
from ecgrid_client.errors import NotImplementedByService
from ecgrid_flows.errors import Incomplete, Unreachable
from ecgrid_flows.lake.raw_log import Arguments, RawAnswer
from ecgrid_flows.progress import Reporter
from ecgrid_transforms.accounts import Billed, united
from ecgrid_transforms.model import (
    ACCOUNT_REPORTS,
    MEASURE_FIELDS,
    Account,
    AccountInfo,
    Contract,
    Invoice,
    LeftOut,
    OddValue,
    Pricelist,
)
from ecgrid_transforms.period import next_month, reporting_month_text
from ecgrid_transforms.wall_time import wall_time_ns

BILLING_API = "v3.2"
ALL = -1  # "all" for NetworkID, MailboxID and ECGridID filters (facts 5)
#: Feeds whose responses name what is billed.
ESSENTIAL = ("accounts", "contracts", "price_schedules")
_NOT_OFFERED = NotImplementedByService.code
#: Decoder of each operation's response; a response that cannot be decoded counts as none. Values that do not fit their
#: types are None, and added to the list.
READERS: Mapping[str, Callable[..., Any]] = {
    "NetworkList": decode.networks,
    "NetworkInfo": decode.networks,
    "MailboxList": decode.mailboxes,
    "MailboxListEx": decode.mailboxes,
    "MailboxInfo": decode.mailboxes,
    "ContractList": decode.contracts,
    "ContractInfo": decode.contract,
    "PricelistInfo": decode.pricelist,
    "InvoiceList": decode.invoices,
    "InvoiceInfo": decode.invoice,
    "InvoiceCalculate": decode.invoice,
    "ReportMonthly": datasets.tables,
    "ReportMonthlyEx": datasets.tables,
    "ReportTrafficStats": datasets.tables,
    "ReportTrafficStatsEx": datasets.tables,
    "ReportByDateEx": datasets.tables,
    "InterconnectCount": datasets.tables,
    "InterconnectCountEx": datasets.tables,
    "ReportInstantStats": datasets.tables,
    "ReportInstantStatsEx": datasets.tables,
}
#: The operations whose responses are the month's invoices.
INVOICE_OPERATIONS = ("InvoiceList", "InvoiceInfo")
#: The argument that identifies the record of an operation's response.
_NUMBER_OF = {
    "NetworkInfo": "NetworkID",
    "MailboxInfo": "MailboxID",
    "ContractInfo": "ContractID",
    "PricelistInfo": "PricelistID",
    "InvoiceInfo": "InvoiceID",
}


def read(operation: str, arguments: Arguments, body: bytes, odd: list[OddValue]) -> Any:
    """The decoded response of an operation. A record number that cannot be read is taken from the call."""
    if operation in _NUMBER_OF:
        return READERS[operation](body, odd, int(arguments[_NUMBER_OF[operation]]))
    if operation == "InvoiceCalculate":  # the number of a trial is meaningless
        trial = decode.invoice(body, odd, 0)
        return None if trial is None else _of_contract(trial, arguments)
    found = READERS[operation](body, odd)
    return [_of_contract(invoice, arguments) for invoice in found] if operation == "InvoiceList" else found


def _of_contract(invoice: Invoice, arguments: Arguments) -> Invoice:
    if invoice.contract_id is not None:
        return invoice
    return replace(invoice, contract_id=int(arguments["ContractID"]))


@dataclass(frozen=True, slots=True)
class Scope:
    """The accounts billed in a month, with their contracts and price lists (None: it could not be read).

    `unanswered` are the calls without a usable response that decide what is billed or invoiced, each with the reason;
    `unchecked` those that only check the bill (trial calculations, reports).
    """

    month: date
    accounts: Sequence[Billed]
    contracts: Sequence[Contract]
    price_lists: dict[int, Pricelist | None]
    unanswered: Sequence[str] = ()
    unchecked: Sequence[str] = ()

    @property
    def networks(self) -> list[int]:
        return sorted({billed.account.network_id for billed in self.accounts})

    @property
    def contract_ids(self) -> list[int]:
        """The contracts in force; where ContractList has none, those that the accounts name."""
        listed = [contract.contract_id for contract in self.contracts]
        return listed or sorted({billed.contract_id for billed in self.accounts if billed.contract_id})


class Asker(Protocol):
    """Source of responses: the service (`pull.Puller`), or the raw log alone (`landing.KeptAnswers`)."""

    def ask(self, month: date, version: str, operation: str, arguments: Arguments) -> RawAnswer: ...

    def ask_many(self, month: date, version: str, operation: str, many: Sequence[Arguments]) -> list[RawAnswer]: ...


def scope(asker: Asker, month: date, only: frozenset[Account] | None, reporter: Reporter) -> Scope:
    """The accounts billed (within `only`, if given); raises `Unreachable` when no source names any account."""
    unanswered: list[str] = []
    lists: list[_List] = []
    contracts = _contracts(asker, month, reporter, unanswered, lists)
    found = [("contract", info) for contract in contracts for info in _accounts_of(contract)]
    networks = _networks(asker, month, reporter, unanswered, lists)
    found += [("network", info) for info in networks]
    named = {info.account.network_id for _, info in found} | {account.network_id for account in only or ()}
    found += [("mailbox", info) for info in _mailboxes(asker, month, sorted(named), reporter, unanswered, lists)]
    left_out = list(_left_out(lists, [info for _, info in found], is_limited=only is not None))
    unanswered += left_out
    found += _roots(found)
    if only is not None:
        found += _single(asker, month, sorted(only - {info.account for _, info in found}), reporter, unanswered)
    accounts = united(found, only)
    if not accounts and left_out:
        raise Incomplete(f"no account to bill is known: {left_out[0]}")
    if not accounts:
        raise Unreachable(
            "no source names an account to bill: every list was refused or empty. "
            "Name them in a CSV with network_id,mailbox_id and set ECGRID_ACCOUNTS"
        )
    numbers = sorted({billed.price_list_id for billed in accounts if billed.price_list_id})
    price_lists = _price_lists(asker, month, numbers, reporter, unanswered)
    return Scope(month, accounts, contracts, price_lists, unanswered)


def _ask_each(
    asker: Asker,
    month: date,
    version: str,
    operation: str,
    many: Sequence[Arguments],
    reporter: Reporter,
    unanswered: list[str] | None = None,
) -> list[RawAnswer]:
    """The usable responses. Rights may differ between networks or contracts, so each is requested.

    If the service has no such operation, the rest is skipped. Equal refusals give one warning.
    """
    answers = _answers_of_each(asker, month, version, operation, many)
    _warn(answers, reporter, unanswered)
    return [answer for answer in answers if answer.fault_code is None]


def _answers_of_each(
    asker: Asker, month: date, version: str, operation: str, many: Sequence[Arguments]
) -> list[RawAnswer]:
    answers = asker.ask_many(month, version, operation, many[:1])
    if many and answers[0].fault_code != _NOT_OFFERED:
        answers += asker.ask_many(month, version, operation, many[1:])
    return answers


def _id(name: str, number: int) -> Arguments:
    return {name: number}


def _warn(answers: Sequence[RawAnswer], reporter: Reporter, unanswered: list[str] | None = None) -> None:
    """Warn of refusals, once per operation and code; add calls without a usable response to `unanswered`."""
    kinds: dict[tuple[str, str], list[RawAnswer]] = {}
    for answer in answers:
        if answer.fault_code is not None:
            kinds.setdefault((answer.operation, answer.fault_code), []).append(answer)
    for (operation, code), alike in kinds.items():
        of_all = f" for {len(alike)} of {len(answers)}" if len(answers) > 1 else ""
        again = "--refresh requests it again" if alike[0].is_usable else "the next run requests it again"
        reporter.warn(f"{operation} is left out{of_all} ({code}: {alike[0].fault_message}); {again}")
        if unanswered is not None:
            unanswered += [without_response(one) for one in alike if not one.is_usable]


def without_response(answer: RawAnswer) -> str:
    """Message about a call without a usable response: which one, what is unknown without it, and why."""
    of = "".join(
        f" {name}={value}"
        for name, value in answer.arguments.items()
        if value != ALL and (name.endswith("ID") or name == "Report")
    )
    so = ""
    if answer.operation in INVOICE_OPERATIONS:
        so = ", so it is not known how much is invoiced"
    elif answer.feed in ESSENTIAL:
        so = ", so it is not known what to bill"
    return f"{answer.operation}{of} has no usable response{so} ({answer.fault_code}: {answer.fault_message})"


@dataclass(frozen=True, slots=True)
class _List:
    """The content of one list response: accounts, and records that had to be omitted."""

    operation: str
    accounts: frozenset[Account]
    left_out: Sequence[LeftOut]


def _read(answer: RawAnswer, odd: list[OddValue]) -> Any:
    return read(answer.operation, answer.arguments, answer.body, odd)


def _listed(answer: RawAnswer, lists: list[_List]) -> Any:
    """The decoded response; its accounts and omitted records are added to `lists`."""
    odd: list[OddValue] = []
    found = _read(answer, odd)
    several = found if isinstance(found, list) else [] if found is None else [found]
    accounts = [info for one in several for info in (_accounts_of(one) if isinstance(one, Contract) else [one])]
    left_out = [one for one in odd if isinstance(one, LeftOut)]
    lists.append(_List(answer.operation, frozenset(info.account for info in accounts), left_out))
    return found


def _left_out(lists: Sequence[_List], found: Sequence[AccountInfo], *, is_limited: bool) -> Iterator[str]:
    """Records of lists whose number cannot be read, so that no request can be made for them.

    An account that another list names, with its number, was requested. A limited run requests its own accounts anyway.
    """
    unread = set()
    for one in lists:
        for record in one.left_out:
            is_contract = record.element == "ContractID"
            known = (
                info
                for info in found
                if info.name is not None
                and info.name == record.name
                and info.account not in one.accounts
                and record.network_id in (None, info.account.network_id)
                and (info.account.mailbox_id == 0) == ("NetworkIDInfo" in record.record)
            )
            if (is_limited or any(known)) and not is_contract:
                continue
            what = "a contract" if is_contract else "a network" if "NetworkIDInfo" in record.record else "a mailbox"
            named = what if record.name is None else f"{what}, {record.name!r},"
            unread.add(
                f"{one.operation} has {named} whose {record.element} {record.why}"
                f"{'' if record.text is None else f' ({record.text!r})'}, so it is not known what to bill: ask the "
                "vendor to correct it, the next run requests the list again"
            )
    yield from sorted(unread)


def _contracts(
    asker: Asker, month: date, reporter: Reporter, unanswered: list[str], lists: list[_List]
) -> list[Contract]:
    active: Arguments = {"ActiveDate": reporting_month_text(month), "ShowInactive": True}
    answers = _ask_each(asker, month, BILLING_API, "ContractList", [active], reporter, unanswered)
    found = [contract for answer in answers for contract in _listed(answer, lists)]
    listed = [contract for contract in found if _is_in_force(contract, month)]
    many = [_id("ContractID", contract.contract_id) for contract in listed]
    infos = _ask_each(asker, month, BILLING_API, "ContractInfo", many, reporter, unanswered)
    full = {contract.contract_id: contract for contract in listed}
    for info in infos:
        if (contract := _listed(info, lists)) is not None:
            full[contract.contract_id] = contract
    return [full[number] for number in sorted(full)]


def _is_in_force(contract: Contract, month: date) -> bool:
    """Whether the contract overlaps the month; a date that fits no timestamp (0001, 9999) is no bound."""
    begins, ends = wall_time_ns(contract.effective), wall_time_ns(contract.expires)
    first, after = wall_time_ns(month.isoformat()), wall_time_ns(next_month(month).isoformat())
    assert first is not None
    assert after is not None
    return (begins is None or begins < after) and (ends is None or ends >= first)


def _accounts_of(contract: Contract) -> Iterator[AccountInfo]:
    for info in (*contract.networks, *contract.mailboxes):
        yield replace(info, contract_id=contract.contract_id)


def _networks(
    asker: Asker, month: date, reporter: Reporter, unanswered: list[str], lists: list[_List]
) -> list[AccountInfo]:
    answers = _ask_each(asker, month, BILLING_API, "NetworkList", [{"Name": ""}], reporter, unanswered)
    return [info for answer in answers for info in _listed(answer, lists)]


def _mailboxes(
    asker: Asker,
    month: date,
    networks: Sequence[int],
    reporter: Reporter,
    unanswered: list[str],
    lists: list[_List],
) -> Iterator[AccountInfo]:
    """MailboxListEx of each network; where it is refused, MailboxList has the session's own network (facts 4.5)."""
    many: list[Arguments] = [{"NetworkID": network, "Name": ""} for network in networks]
    answers = asker.ask_many(month, BILLING_API, "MailboxListEx", many)
    _warn([answer for answer in answers if not answer.is_usable], reporter, unanswered)
    good = [answer for answer in answers if answer.fault_code is None]
    if not many or any(answer.fault_code is not None and answer.is_usable for answer in answers):
        good += _ask_each(asker, month, BILLING_API, "MailboxList", [{"Name": ""}], reporter, unanswered)
    for answer in good:
        yield from _listed(answer, lists)


def _roots(found: Sequence[tuple[str, AccountInfo]]) -> list[tuple[str, AccountInfo]]:
    """The Root account of each network known only by its mailboxes, with the source that named it."""
    known = {info.account for _, info in found}
    missing = {Account(info.account.network_id, 0): source for source, info in found}
    return [
        (source, AccountInfo(root, None, None, None, None)) for root, source in missing.items() if root not in known
    ]


def _single(
    asker: Asker, month: date, accounts: Iterable[Account], reporter: Reporter, unanswered: list[str]
) -> list[tuple[str, AccountInfo]]:
    """NetworkInfo and MailboxInfo of the accounts that only the accounts file names."""
    networks = sorted({account.network_id for account in accounts})
    mailboxes = [account.mailbox_id for account in accounts if account.mailbox_id]
    found = []
    for kind, operation, argument, several in (
        ("network", "NetworkInfo", "NetworkID", networks),
        ("mailbox", "MailboxInfo", "MailboxID", mailboxes),
    ):
        answers = asker.ask_many(month, BILLING_API, operation, [_id(argument, number) for number in several])
        _warn([one for one in answers if not one.is_usable], reporter, unanswered)
        found += [(kind, info) for one in answers if not one.fault_code for info in _read(one, [])]
    return found


def _price_lists(
    asker: Asker, month: date, lists: Sequence[int], reporter: Reporter, unanswered: list[str]
) -> dict[int, Pricelist | None]:
    many = [_id("PricelistID", number) for number in lists]
    answers = asker.ask_many(month, BILLING_API, "PricelistInfo", many)
    found: dict[int, Pricelist | None] = {}
    for number, answer in zip(lists, answers, strict=True):
        ladder, why = None, answer.fault_message or "the answer has no content"
        if not answer.is_usable:
            _warn([answer], reporter, unanswered)
        elif answer.fault_code is None:
            ladder = _read(answer, [])
        if ladder is not None and (unknown := _unknown_pairs(ladder)):
            reporter.warn(
                f"price list {number} prices {', '.join(unknown)}, which cannot be requested: "
                "look for it on the invoice"
            )
        found[number] = ladder
        if ladder is None:
            reporter.warn(f"price list {number} cannot be read ({why}): all pairs of its accounts are requested once")
    return found


def _unknown_pairs(ladder: Pricelist) -> list[str]:
    schedules = [schedule for level in ladder.levels for schedule in level.schedules]
    return sorted(
        {
            f"{schedule.account_report}/{schedule.measure}"
            for schedule in schedules
            if schedule.account_report not in ACCOUNT_REPORTS or schedule.measure not in MEASURE_FIELDS
        }
    )
