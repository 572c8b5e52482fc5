"""The operations over a world: check rights, interpret arguments, look up records.

Every handler takes the call and returns the result's value for `envelope.node`, or None for an absent result; errors
are `Fault`s. HTTP is not handled here.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from ecgrid_sandbox.service import records, reports
from ecgrid_sandbox.service.clock import as_server_reads, utc_text
from ecgrid_sandbox.service.datasets import Table
from ecgrid_sandbox.service.envelope import Binding, Fault
from ecgrid_sandbox.service.habits import Habits
from ecgrid_sandbox.service.sessions import Session, Sessions, User, new_guid
from ecgrid_sandbox.service.shapes import BUILDS, Shape
from ecgrid_sandbox.service.trouble import Trouble
from ecgrid_sandbox.worlds import World

_ALL = -1
_IDS = ("NetworkID", "MailboxID", "ECGridID")


@dataclass(slots=True)
class Call:
    """One call, its arguments already of the right types."""

    shape: Shape
    binding: Binding
    operation: str
    arguments: Mapping[str, str]
    client_ip: str
    user: User | None = None
    session: Session | None = None

    def number(self, name: str) -> int:
        return int(self.arguments[name])

    def text(self, name: str) -> str:
        return self.arguments.get(name, "")

    def moment(self, name: str) -> datetime:
        try:
            return as_server_reads(self.arguments[name], over_soap=self.binding in ("soap11", "soap12"))
        except ValueError as error:
            raise Fault(f"Server was unable to read request. ---> {error}", cache_control="private") from None

    def month(self, name: str) -> date:
        """The month of an argument, by the server's clock: only year and month count."""
        return self.moment(name).date().replace(day=1)

    @property
    def caller(self) -> User:
        assert self.user is not None
        return self.user


def _denied(what: str) -> Fault:
    return Fault(f"Access Denied: {what}", "AccessDenied")


def _not_found(what: str) -> Fault:
    return Fault(f"{what} not found", "NotFound")


class Operations:
    """The operations of one sandbox: a world, its users and sessions, and the trouble that affects results."""

    def __init__(self, world: World, sessions: Sessions, trouble: Trouble, habits: Habits | None = None) -> None:
        self.world = world
        self.sessions = sessions
        self.trouble = trouble
        self.habits = habits
        self._pending = {*trouble.pending, *reports.PENDING[world.metering.shape], *(habits.pending if habits else ())}
        self._handlers: dict[str, Callable[[Call], Any]] = {
            "Login": self._login,
            "Logout": self._logout,
            "WhoAmI": self._who_am_i,
            "Version": lambda call: BUILDS[call.shape.version],
            "NowUTC": lambda call: utc_text(self._now()),
            "NetworkList": self._network_list,
            "NetworkInfo": self._network_info,
            "MailboxList": self._mailbox_list,
            "MailboxListEx": self._mailbox_list_ex,
            "MailboxInfo": self._mailbox_info,
            "PricelistInfo": self._pricelist_info,
            "ContractList": self._contract_list,
            "ContractInfo": self._contract_info,
            "InvoiceList": self._invoice_list,
            "InvoiceInfo": self._invoice_info,
            "InvoiceCalculate": self._invoice_calculate,
            "InvoiceCalculateLineItem": self._invoice_calculate_line_item,
            "InvoiceSetStatus": self._invoice_set_status,
            "GenerateAPIKey": self._generate_api_key,
            "UserGetAPIKey": self._user_get_api_key,
            "ReportMonthly": self._report_monthly,
            "ReportMonthlyEx": self._report_monthly,
            "ReportTrafficStats": self._report_traffic_stats,
            "ReportTrafficStatsEx": self._report_traffic_stats,
            "ReportByDateEx": self._report_by_date,
            "ReportInstantStats": self._report_instant_stats,
            "ReportInstantStatsEx": self._report_instant_stats,
            "InterconnectCount": self._interconnect_count,
            "InterconnectCountEx": self._interconnect_count,
        }

    def admit(self, call: Call) -> None:
        """Authenticate the caller, and check that the operation is available; raises `Fault`."""
        name = call.operation
        if name in self._pending:
            raise Fault(f"PENDING: {name} is not implemented.", "NotImplemented")
        if name != "Logout" and call.shape.operations[name].wants_session:
            call.user, call.session = self.sessions.user_of(
                call.shape.version, call.text("SessionID"), time.monotonic()
            )
        if name in self.trouble.refused:
            raise _denied(name)

    def result(self, call: Call) -> Any:
        """The result of an admitted call, None for an absent one; raises `Fault`."""
        if call.operation in self.trouble.nil:
            return None
        if self.trouble.all_refused is not None and call.operation.endswith("Ex"):
            of_all = [name for name in _IDS if call.arguments.get(name) == str(_ALL)]
            if of_all:
                raise Fault(f"{of_all[0]} {_ALL} is unknown to this service", self.trouble.all_refused)
        result = self._handlers[call.operation](call)
        return result if self.habits is None else self.habits.ordered(result, call.operation, call.arguments)

    def _now(self) -> datetime:
        return datetime.now(UTC) + timedelta(seconds=self.trouble.clock_off_s)

    # -- sessions and keys -------------------------------------------------------------------------

    def _login(self, call: Call) -> str:
        session = self.sessions.login(
            call.shape.version, call.text("LoginName"), call.text("Password"), time.monotonic()
        )
        return session.session_id

    def _logout(self, call: Call) -> str:
        self.sessions.logout(call.shape.version, call.text("SessionID"))
        return "0"

    def _who_am_i(self, call: Call) -> Mapping[str, object]:
        user = call.caller
        return {
            "ECGridOSVersion": BUILDS[call.shape.version],
            "SessionID": call.text("SessionID"),
            "SessionEventID": str(call.session.event_id if call.session else 0),
            "UserID": str(user.user_id),
            "LoginName": user.login_name,
            "FirstName": user.first_name,
            "LastName": user.last_name,
            "Company": "Example & Sons",
            "EMail": user.login_name,
            "Phone": "+1 555 0100",
            "Locale": "en-US",
            "TimeZoneOffset": "-7.5",
            "AuthLevel": user.auth_level,
            "LastLogin": utc_text(user.last_login + timedelta(seconds=self.trouble.clock_off_s)),
            "OpenSessions": str(self.sessions.open_of(user)),
            "TimeOut": "20",
            "NetworkID": str(user.network_id),
            "MailboxID": str(user.mailbox_id),
            "ip": call.client_ip,
        }

    def _user(self, call: Call) -> User:
        """The user of a key operation: the caller, or a user below it."""
        wanted = call.number("UserID")
        user = next((user for user in self.sessions.users if user.user_id == wanted), None)
        if user is None:
            raise _not_found(f"UserID {wanted}")
        caller = call.caller
        if user is not caller and not (
            caller.at_least("MailboxAdmin") and caller.at_least(user.auth_level) and caller.may_see(user.network_id)
        ):
            raise _denied(f"UserID {wanted}")
        return user

    def _generate_api_key(self, call: Call) -> str:
        user = self._user(call)
        user.api_key = new_guid()
        return user.api_key

    def _user_get_api_key(self, call: Call) -> str:
        return self._user(call).api_key

    # -- networks and mailboxes --------------------------------------------------------------------

    def _network_list(self, call: Call) -> list[Mapping[str, object]]:
        wanted = call.text("Name").lower()
        return [
            records.network(self.world, network, deep=False)
            for network in self.world.networks
            if wanted in network.name.lower() and call.caller.may_see(network.network_id, 0)
        ]

    def _network_info(self, call: Call) -> Mapping[str, object]:
        network = self.world.network_by_id.get(call.number("NetworkID"))
        if network is None:
            raise _not_found(f"NetworkID {call.number('NetworkID')}")
        if not call.caller.may_see(network.network_id, 0):
            raise _denied(f"NetworkID {network.network_id}")
        return records.network(self.world, network, deep=call.caller.at_least("NetworkAdmin"))

    def _mailboxes(self, call: Call, network_id: int) -> list[Mapping[str, object]]:
        wanted = call.text("Name").lower()
        return [
            records.mailbox(mailbox)
            for mailbox in self.world.mailboxes
            if network_id in (_ALL, mailbox.network_id)
            and wanted in mailbox.name.lower()
            and call.caller.may_see(mailbox.network_id, mailbox.mailbox_id)
        ]

    def _mailbox_list(self, call: Call) -> list[Mapping[str, object]]:
        return self._mailboxes(call, call.caller.network_id)

    def _mailbox_list_ex(self, call: Call) -> list[Mapping[str, object]]:
        if not call.caller.at_least("NetOps"):
            raise _denied("MailboxListEx")
        network_id = call.number("NetworkID")
        if network_id != _ALL and network_id not in self.world.network_by_id:
            raise _not_found(f"NetworkID {network_id}")
        return self._mailboxes(call, network_id)

    def _mailbox_info(self, call: Call) -> Mapping[str, object]:
        mailbox = self.world.mailbox_by_id.get(call.number("MailboxID"))
        if mailbox is None:
            raise _not_found(f"MailboxID {call.number('MailboxID')}")
        if not call.caller.may_see(mailbox.network_id, mailbox.mailbox_id):
            raise _denied(f"MailboxID {mailbox.mailbox_id}")
        return records.mailbox(mailbox)

    # -- price lists and contracts -----------------------------------------------------------------

    def _pricelist_info(self, call: Call) -> Mapping[str, object]:
        price_list = self.world.price_list_by_id.get(call.number("PricelistID"))
        if price_list is None:
            raise _not_found(f"PricelistID {call.number('PricelistID')}")
        if not call.caller.at_least("NetOps") and not any(
            call.caller.may_see(*account) for account in self.world.accounts_of_list(price_list.price_list_id)
        ):
            raise _denied(f"PricelistID {price_list.price_list_id}")
        return records.price_list(call.shape, price_list, archived=self.trouble.extra_values)

    def _may_see_contract(self, caller: User, contract_id: int) -> bool:
        return caller.at_least("NetOps") or any(
            caller.may_see(network_id) for network_id, _ in self.world.accounts_of_contract(contract_id)
        )

    def _contract_list(self, call: Call) -> list[Mapping[str, object]]:
        active, show_inactive = call.moment("ActiveDate").isoformat(), call.text("ShowInactive") == "true"
        return [
            records.contract(self.world, contract, deep=False)
            for contract in self.world.contracts
            if self._may_see_contract(call.caller, contract.contract_id)
            and (show_inactive or (contract.status == "Active" and "2020-01-01T00:00:00" <= active <= contract.expires))
        ]

    def _contract_id(self, call: Call) -> int:
        contract_id = call.number("ContractID")
        if contract_id not in self.world.contract_by_id:
            raise _not_found(f"ContractID {contract_id}")
        if not self._may_see_contract(call.caller, contract_id):
            raise _denied(f"ContractID {contract_id}")
        return contract_id

    def _contract_info(self, call: Call) -> Mapping[str, object]:
        return records.contract(self.world, self.world.contract_by_id[self._contract_id(call)], deep=True)

    # -- invoices ----------------------------------------------------------------------------------

    def _account(self, call: Call) -> tuple[int, int]:
        network_id, mailbox_id = call.number("NetworkID"), call.number("MailboxID")
        if not self.world.has_account(network_id, mailbox_id):
            known = network_id in self.world.network_by_id
            raise _not_found(
                f"MailboxID {mailbox_id} of NetworkID {network_id}" if known else f"NetworkID {network_id}"
            )
        if not call.caller.may_see(network_id, mailbox_id):
            raise _denied(f"NetworkID {network_id}, MailboxID {mailbox_id}")
        return network_id, mailbox_id

    def _invoice_calculate_line_item(self, call: Call) -> Mapping[str, object] | None:
        account = self._account(call)
        month = call.month("ReportingMonth")
        pair = (call.text("AccountReport"), call.text("MeasureField"))
        line = self.world.books.line(account, month, pair)
        if line is not None:
            return records.line_item(line, odd_object=self.trouble.extra_values and account[1] % 10 == 7)
        void = self.world.network_by_id[account[0]].void
        if void == "fault":
            raise Fault(f"AccountReport/MeasureField not on Pricelist: {pair[0]}/{pair[1]}", "InvalidParameter")
        return None if void == "absent" else records.void_line(self.world, *account, month)

    def _invoice_list(self, call: Call) -> list[Mapping[str, object]]:
        begin, end = call.moment("BeginDate").date(), call.moment("EndDate").date()
        contract_id, status = call.number("ContractID"), call.text("Status")
        if contract_id > 0:
            self._contract_id(call)
        wanted = {"All": None, "AllUnpaid": {"Pending", "Sent"}}.get(status, {status})
        return [
            records.invoice(self.world, call.shape, invoice, with_lines=False)
            for invoice in self.world.books.invoices()
            if begin <= invoice.issued <= end
            and contract_id in (invoice.contract_id, 0, _ALL)
            and (wanted is None or records.invoice_status(self.world, invoice) in wanted)
            and self._may_see_contract(call.caller, invoice.contract_id)
        ]

    def _invoice_info(self, call: Call) -> Mapping[str, object]:
        wanted = call.number("InvoiceID")
        invoice = next((invoice for invoice in self.world.books.invoices() if invoice.invoice_id == wanted), None)
        if invoice is None:
            raise _not_found(f"InvoiceID {wanted}")
        if not self._may_see_contract(call.caller, invoice.contract_id):
            raise _denied(f"InvoiceID {wanted}")
        return records.invoice(self.world, call.shape, invoice, with_lines=True)

    def _invoice_calculate(self, call: Call) -> Mapping[str, object]:
        if call.text("Save") == "true":
            raise _denied("InvoiceCalculate with Save")
        contract_id, month = self._contract_id(call), call.month("ReportingMonth")
        network_id, mailbox_id = call.number("NetworkID"), call.number("MailboxID")
        accounts = [
            account
            for account in self.world.accounts_of_contract(contract_id)
            if network_id in (account[0], 0, _ALL)
            and (network_id <= 0 or mailbox_id in (account[1], _ALL))
            and call.caller.may_see(*account)
        ]
        invoice = self.world.books.calculated(contract_id, month, accounts)
        notes: dict[str, object] = {
            name: call.text(name) for name in ("Notice", "SpecialNotice", "Message") if call.text(name)
        }
        if call.text("InvoiceNumber"):
            notes["InvoiceNumber"] = call.text("InvoiceNumber")
        return records.invoice(self.world, call.shape, invoice, with_lines=True, notes=notes)

    def _invoice_set_status(self, call: Call) -> str:
        raise _denied("InvoiceSetStatus")

    # -- reports -----------------------------------------------------------------------------------

    def _accounts(self, call: Call) -> list[tuple[int, int]]:
        """The accounts of a report: the session's, or those that an Ex operation names.

        -1 means all networks, or all mailboxes of the network; MailboxID 0 is the Root alone (facts 5). A session of a
        whole network means all of its mailboxes.
        """
        caller = call.caller
        if "NetworkID" in call.arguments:
            network_id, mailbox_id = call.number("NetworkID"), call.number("MailboxID")
            if network_id != _ALL and network_id not in self.world.network_by_id:
                raise _not_found(f"NetworkID {network_id}")
            if network_id != _ALL and mailbox_id >= 0:
                return [self._account(call)]
        else:
            network_id, mailbox_id = caller.network_id, caller.mailbox_id or _ALL
        found = [
            account
            for account in self.world.accounts
            if network_id in (_ALL, account[0])
            and (mailbox_id < 0 or mailbox_id == account[1])
            and caller.may_see(*account)
        ]
        if not found:
            raise _denied(f"NetworkID {network_id}, MailboxID {mailbox_id}")
        return found

    def _report_monthly(self, call: Call) -> list[Table]:
        report = call.number("Report")
        if not 1 <= report <= 4:
            raise Fault(f"Report {report} is not one of 1, 2, 3, 4", "InvalidParameter")
        return reports.monthly(self.world.books, self._accounts(call), report, call.month("Month"))

    def _report_traffic_stats(self, call: Call) -> list[Table]:
        return reports.traffic_stats(
            self.world.books,
            self._accounts(call),
            call.moment("TargetTime"),
            call.number("NumPeriods"),
            call.text("Period"),
        )

    def _report_by_date(self, call: Call) -> list[Table]:
        first, last = call.moment("StartDate").date(), call.moment("EndDate").date()
        if (last - first).days >= reports.BY_DATE_DAYS or last < first:
            raise Fault(f"StartDate to EndDate is more than {reports.BY_DATE_DAYS} days", "InvalidParameter")
        return reports.by_date(self.world.books, self._account(call), first, last)

    def _report_instant_stats(self, call: Call) -> list[Table]:
        minutes = call.number("Minutes1"), call.number("Minutes2")
        return reports.instant_stats(self.world.books, self._accounts(call), minutes)

    def _interconnect_count(self, call: Call) -> list[Table]:
        return reports.interconnect_count(self.world.books, self._accounts(call), call.number("MaxDays"))
