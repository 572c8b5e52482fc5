"""Records of the world as the service's types: mappings by element name, for `envelope.node`.

They include elements that only a newer interface has (`shapes`); the type's table selects what is written.
"""

from collections.abc import Mapping
from datetime import date, timedelta
from itertools import groupby

from ecgrid_sandbox.billing.documents import Invoice, Line
from ecgrid_sandbox.service.clock import NEVER, plain_day
from ecgrid_sandbox.service.shapes import Shape
from ecgrid_sandbox.world.model import Contract, Mailbox, Network, PriceList, Schedule
from ecgrid_sandbox.worlds import World
from ecgrid_transforms.money import Decimal

Record = Mapping[str, object]

_ADDRESS = "1 Example Way\nSuite 5, Floor 2\nLos Angeles, CA 90001"
_CONFIG: Record = {
    "InBoxTimeout": "48",
    "SegTerm": "126",
    "ElmSep": "42",
    "SubElmSep": "58",
    "EBCDICFilter": "false",
    "FTPasciiFilter": "false",
    "LowPassFilter": "false",
    "MailbagPassThrough": "false",
    "DeleteOnDownload": "true",
    "StripDirectedEnvelope": "false",
}


def text_of(value: Decimal) -> str:
    """A decimal as .NET writes it: plain, with its scale."""
    return format(value, "f")


def _truth(value: bool) -> str:
    return "true" if value else "false"


def _person(user_id: int, login: str, first: str, last: str | None, phone: str | None, level: str) -> Record:
    is_billing = user_id == 5003
    return {
        "UserID": str(user_id),
        "LoginName": login,
        "FirstName": first,
        "LastName": last,
        "Company": "" if is_billing else "Example & Sons",
        "EMail": login,
        "Phone": phone,
        "CellCarrier": "Undefined",
        "TimeZoneOffset": "-8",
        "NetworkID": "4440",
        "MailboxID": "0",
        "AuthLevel": level,
        "Created": "2012-02-29T00:00:00",
        "Modified": "2023-11-05T01:30:00.1234567" if level == "NetworkAdmin" else "2012-02-29T00:00:00",
        "LastLogin": NEVER,
        "Status": "Active",
        "LockedOut": "false",
        "OpenSessions": "0",
    }


ADMINISTRATOR = _person(5004, "auditor@localhost", "Aud", "Itør", "+1 555 0100", "NetworkAdmin")
OWNER = _person(5002, "owner@localhost", "Ow", "Ner", None, "NetworkUser")
BILLING = _person(5003, "billing@localhost", "", None, "", "NetworkUser")


def network(world: World, it: Network, *, deep: bool) -> Record:
    """NetworkIDInfo; `deep` adds LastLog and NetOpsInfo, which NetworkInfo has and NetworkList has not."""
    number = world.networks.index(it)
    record: dict[str, object] = {
        "NetworkID": str(it.network_id),
        "Name": it.name,
        "Location": it.location,
        "Region": "EU",
        "AdminContact": None if number % 2 else "Jörg O'Neil",
        "AdminPhone": f"+1 555 010{number}",
        "AdminEMail": f"noc{number}@localhost",
        "LastContact": "2024-03-10T02:30:00",
        "Type": "Network",
        "Status": it.status,
        "RunStatus": "Active",
        "NetworkStatus": "NormalOperation",
        "ECGridAccount": "true",
        "OwnerUserID": "5002",
        "RoutingUserID": "0",
        "ErrorsUserID": "5002",
        "InterconnectsUserID": "5002",
        "NoticesUserID": "5002",
        "ReportsUserID": "5003",
        "AccountingUserID": "5003",
        "CustomerServiceUserID": "0",
        "HomeWebsite": None if number % 2 else "http://localhost/?a=1&b=2",
        "SupportWebsite": "",
        "Created": "2010-01-01T09:15:30.127",
        "Modified": "2023-01-01T23:59:59.9999999",
        "OwnerInfo": {
            "Type": "S",
            "RoutingType": "O",
            "Routing": "Open",
            "InterconnectContact": None if number % 2 else "Jörg O'Neil",
            "InterconnectEMail": f"noc{number}@localhost",
            "Config": _CONFIG,
            "PricelistID": str(it.price_list_id),
            "ContractID": str(it.contract_id),
        },
    }
    if deep:
        record["LastLog"] = {
            "LogID": "1",
            "LogDate": "2024-03-10T02:30:00",
            "UserID": "5002",
            "Type": "SystemAutomated",
            "Status": "CheckIn",
            "AuthLevel": "General",
            "Description": "OK",
        }
        record["NetOpsInfo"] = _net_ops()
    return record


def _net_ops() -> Record:
    record: dict[str, object] = {
        "BillingUserID": "5003",
        "BillingEMail": "billing@localhost",
        "BillingType": "1",
        "Created": "2010-01-01T09:15:30.127",
        "Commissioned": "2010-01-01T09:15:30.127",
        "Decommissioned": NEVER,
        "Modified": "2023-01-01T23:59:59.9999999",
        "RunDir": "",
        "SupportURL": "",
        "BlockSize": "80",
        "X1256": "false",
        "x1256": {"production": "false"},
        "Gateway": {
            "ApplicationTimeOut": "0",
            "Frequency": "0",
            "MinimumPolling": "0",
            "Handshake": "PushPull",
            "CommChannel": "as2",
            "Connection": "Internet",
        },
        "VPN": {
            "LocalTunnel": "127.0.0.1",
            "EncryptionDomain": ["127.0.0.0/8", None, ""],
            "EncryptionMethod": "_3DES_SHA1",
        },
    }
    zeros = """ArchiveDays EnvPerMB OutBoxTimeOut ProcessID AliasNetworkID AliasMailboxID ArchiveDaysInternal
        ArchiveDaysExternal MaxBatch dbOpenMaxCycles dbOpenMaxSeconds"""
    return record | dict.fromkeys(zeros.split(), "0")


def mailbox(it: Mailbox) -> Record:
    """MailboxIDInfo."""
    odd = it.mailbox_id % 2
    return {
        "MailboxID": str(it.mailbox_id),
        "NetworkID": str(it.network_id),
        "Name": it.name,
        "Created": "2016-01-01T00:00:00",
        "Region": "EU",
        "Modified": "2023-06-01T12:00:00",
        "Status": it.status,
        "Description": it.description if it.description or odd else "",
        "OwnerUserID": OWNER,
        "ReportsUserID": BILLING if odd else None,
        "Managed": _truth(not odd),
        "UseType": "Production",
        "Config": _CONFIG if odd else None,
        "ECGridAccount": "true",
        "DefaultAS2ID": f'AS2 "{it.mailbox_id}"' if odd else None,
        "OwnerInfo": {"PricelistID": str(it.price_list_id), "ContractID": str(it.contract_id)},
    }


def contract(world: World, it: Contract, *, deep: bool) -> Record:
    """Contract; ContractList returns it without the accounts that ContractInfo has (facts 8)."""
    accounts = world.accounts_of_contract(it.contract_id)
    last = world.last_month
    record: dict[str, object] = {
        "ContractID": str(it.contract_id),
        "Description": it.description,
        "ContractNumber": it.number,
        "CurrentMod": "1",
        "Channel": "direct",
        "Date": "2019-12-15T00:00:00",
        "Effective": "2020-01-01T00:00:00",
        "Expires": it.expires,
        "Term": "12",
        "RenewalDays": "60",
        "OptionTerms": "3",
        "Status": it.status,
        "PONumber": it.po_number,
        "AggregateNetworkTraffic": str(it.aggregates).lower(),
        "Address": _ADDRESS,
        "Owner": OWNER,
        "AdministratorUser": ADMINISTRATOR,
        "AccountingUser": BILLING,
        "X12InvoiceECGridID": "0",
        "LastInvoiceNumber": f"INV-{last:%Y%m}-{it.contract_id}" if accounts else None,
        "LastInvoiceDate": plain_day(_issued(last)) if accounts else NEVER,
    }
    if deep:
        record["Networks"] = [
            network(world, world.network_by_id[network_id], deep=False)
            for network_id, mailbox_id in accounts
            if mailbox_id == 0
        ]
        record["Mailboxes"] = [mailbox(world.mailbox_by_id[mailbox_id]) for _, mailbox_id in accounts if mailbox_id]
    return record


def _issued(month: date) -> date:
    return (month + timedelta(days=32)).replace(day=1)


def schedule(it: Schedule) -> Record:
    """Schedule."""
    return {
        "ScheduleID": str(it.schedule_id),
        "Allowance": text_of(it.allowance),
        "Minimum": str(it.minimum),
        "Maximum": str(it.maximum),
        "Tolerance": "0.5000",
        "Block": text_of(it.block),
        "Rate": text_of(it.rate),
        "CatalogID": str(it.catalog_id),
        "Tag": "net",
        "Description": it.description,
        "AccountReport": it.report,
        "Measure": it.measure,
        "SpecifiedNetworkID": str(it.specified_network_id),
        "IncludeRootMailbox": _truth(it.include_root_mailbox),
    }


def is_known(interface: Shape, it: Schedule) -> bool:
    """Whether an interface has the values of a schedule; that of 2016 lacks some measures and a level."""
    enums = interface.enums
    return (
        it.report in enums["PricelistAccountReports"]
        and it.measure in enums["PricelistMeasureField"]
        and it.level in enums["PricelistItemLevel"]
    )


def price_list(interface: Shape, it: PriceList, *, archived: bool = False) -> Record:
    """Pricelist: its schedules by level, in the order of each level's first schedule, tiers before adjustments."""
    # another name than the function's: CPython 3.12.1 confuses the two in the comprehension below
    schedules = [one for group in it.groups for one in group.schedules if is_known(interface, one)]
    order = interface.enums["PricelistItemLevel"]
    places = {"General": -1, "Additional": len(order), "Minimum": len(order) + 1}

    def place(tier: Schedule) -> tuple[int, str, int]:
        number = places.get(tier.level, order.index(tier.level))
        return number, tier.level_name or "", tier.limited_months

    levels = [
        {
            "Level": members[0].level,
            "Name": members[0].level_name,
            "LimitedMonths": str(members[0].limited_months),
            "Schedules": [schedule(member) for member in members],
        }
        for members in (list(found) for _, found in groupby(sorted(schedules, key=place), key=place))
    ]
    return {
        "PricelistID": str(it.price_list_id),
        "Owner": OWNER,
        "Date": plain_day(it.date),
        "Description": it.description,
        "Currency": "XXX",
        "Model": it.model,
        "Status": "Archived" if archived else it.status,
        "Levels": levels,
    }


def line_item(it: Line, *, odd_object: bool = False) -> Record:
    """LineItem. `odd_object` names a SystemObject that no interface has."""
    return {
        "LineItemNumber": str(it.number),
        "LineDate": plain_day(it.line_date),
        "PriceListID": str(it.price_list.price_list_id),
        "CurrencyCode": "XXX",
        "PriceListDescription": it.price_list.description,
        "SystemObject": "VirtualMailbox" if odd_object else it.system_object,
        "SystemID": str(it.system_id),
        "SystemName": it.system_name,
        "Level": it.schedule.level,
        "LevelName": it.schedule.level_name,
        "Model": it.price_list.model,
        "Schedule": schedule(it.schedule),
        "Actual": text_of(it.actual),
        "QuantityBilled": text_of(it.billed),
        "Taxable": _truth(it.is_taxable),
        "TaxRate": "0.0000",
        "Amount": text_of(it.amount),
    }


def void_line(world: World, network_id: int, mailbox_id: int, month: date) -> Record:
    """A line of zero without a Schedule: one possible response for a pair that is not on the price list."""
    its_list = world.price_list_of(network_id, mailbox_id)
    return {
        "LineItemNumber": "0",
        "LineDate": plain_day(month),
        "PriceListID": str(its_list.price_list_id),
        "PriceListDescription": its_list.description,
        "SystemObject": "Mailbox" if mailbox_id else "Network",
        "SystemID": str(mailbox_id or network_id),
        "SystemName": world.name_of(network_id, mailbox_id),
        "Level": "General",
        "Model": its_list.model,
        "Actual": "0",
        "QuantityBilled": "0",
        "Taxable": "false",
        "TaxRate": "0.0000",
        "Amount": "0",
    }


def invoice_status(world: World, it: Invoice) -> str:
    """The invoices of the last two months are sent, older ones are paid."""
    age = (world.last_month.year - it.month.year) * 12 + world.last_month.month - it.month.month
    return "Sent" if age < 2 else "Paid"


def invoice(world: World, interface: Shape, it: Invoice, *, with_lines: bool, notes: Record | None = None) -> Record:
    """Invoice; InvoiceList returns it without the lines that InvoiceInfo has (facts 8)."""
    its_contract = world.contract_by_id[it.contract_id]
    status = invoice_status(world, it)
    shown = [line for line in it.lines if is_known(interface, line.schedule)]
    hidden = sum((line.amount for line in it.lines if not is_known(interface, line.schedule)), Decimal(0))
    lists = {line.price_list.description for line in it.lines}
    record: dict[str, object] = {
        "InvoiceID": str(it.invoice_id),
        "InvoiceNumber": it.number,
        "Date": plain_day(it.issued),
        "ContractID": str(it.contract_id),
        "TotalAmount": text_of(it.total_amount - hidden),
        "TaxAmount": "0.00",
        "PONumber": its_contract.po_number,
        "Status": status,
        "StatusDate": f"{it.issued + timedelta(days=21 if status == 'Paid' else 0)}T10:00:00",
        "DateDue": plain_day(it.issued + timedelta(days=30)),
        "PricelistDescription": lists.pop() if len(lists) == 1 else "",
        "Terms": "Net 30",
        "BillTo": its_contract.description,
        "BillToAddress": _ADDRESS,
        "SendTo": BILLING,
        "Sender": OWNER,
    }
    if with_lines:
        record["LineItems"] = [line_item(line) for line in shown]
    record.update(notes or {})
    return record
