"""The reports of the service, as tables: ReportMonthly, ReportTrafficStats, ReportInstantStats and InterconnectCount.

All are computed from the same traffic as the bills. The sandbox's present is the first moment after its last month, so
that "the last N days" and "the last N minutes" return the same on every day.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import date, datetime, timedelta
from itertools import pairwise
from random import Random
from uuid import UUID

from ecgrid_sandbox.billing.books import Books
from ecgrid_sandbox.billing.documents import Account
from ecgrid_sandbox.billing.messages import Message, counted_kcs, kcs_up, messages
from ecgrid_sandbox.billing.traffic import REPORTS, Flow, day_flows, month_flows
from ecgrid_sandbox.service.clock import pacific_text
from ecgrid_sandbox.service.datasets import Table, columns
from ecgrid_transforms.money import ZERO, Decimal, exact, rounded
from ecgrid_transforms.period import next_month

_MONTHLY = columns(
    "ReportDate:dateTime NetworkID:int MailboxID:int MailboxName:string Report:string ToTrans:int FromTrans:int "
    "TotalTrans:int ToKCs:decimal FromKCs:decimal TotalKCs:decimal ParcelsIn:int ParcelsOut:int BytesIn:long "
    "BytesOut:long LastTraffic:dateTime"
)
_MONTHLY_ERRORS = columns("MailboxID:int ErrorDate:dateTime Message:string")
_PARTNERS = columns(
    "ReportDate:dateTime NetworkID:int MailboxID:int TradingPartner:string ToTrans:int FromTrans:int ToKCs:decimal "
    "FromKCs:decimal"
)
_BY_NETWORK = columns("ReportDate:dateTime NetworkID:int MailboxID:int CounterNetwork:string Partners:int ToTrans:int")
_DETAIL = columns("Date:dateTime MailboxID:int TradingPartner:string InterchangeID:int Bytes:long")
_STATS = columns(
    "Period_x0020_Start:dateTime Period_x0020_End:dateTime ParcelsIn:int ParcelsOut:int Bytes:long "
    "Avg_x0020_KC:decimal KCs_x002F_Parcel:double _x0031_stSender:string"
)
_INSTANT = columns(
    "ParcelsIn1:int ParcelsOut1:int InterchangesIn1:int InterchangesOut1:int ParcelsIn2:int ParcelsOut2:int "
    "InterchangesIn2:int InterchangesOut2:int AsOf:dateTime AverageKC:decimal LastError:string OnLine:boolean "
    "BatchID:guid"
)
_INSTANT_ERRORS = columns("MailboxID:int Error:string At:dateTime")
_COUNTS = columns(
    "StatusID:int Status:string Interconnects:int OldestRequest:dateTime AverageDays:decimal Last_x0020_Note:string"
)
_REQUESTS = columns("InterconnectID:int Status:string Requested:dateTime Fee:decimal")

# shapes known from outside (facts 2.2, 9)
_TRAFFIC = columns(
    "Period:dateTime ParcelIn:int ParcelInKC:int ParcelOut:int ParcelOutKC:int InterchangeIn:int InterchangeInKC:int "
    "InterchangeOut:int InterchangeOutKC:int"
)
_BY_DATE = columns(
    "CustomerECGridID:int Customer:string Qid:string TradingPartner:string TradingPartnerQid:string Direction:string "
    "InterchangeStatus:int TotalInterchanges:int TotalBytes:long"
)
_MONTHLY_SUMS = columns(
    "ReportDate:dateTime MailboxID:int MailboxName:string ParcelsIn:int ParcelsOut:int InterchangesIn:int "
    "InterchangesOut:int BytesIn:long BytesOut:long"
)
BY_DATE_DAYS = 30
_MONTHLY_NAMES, _TRAFFIC_NAMES = ("ReportMonthly", "ReportMonthlyEx"), ("ReportTrafficStats", "ReportTrafficStatsEx")
#: Operations that a service with statistics of a shape does not have.
PENDING = {
    "measures": ("ReportByDateEx",),
    "traffic": ("ReportByDateEx", *_MONTHLY_NAMES),
    "by_date": (*_MONTHLY_NAMES, *_TRAFFIC_NAMES),
    "monthly": ("ReportByDateEx", *_TRAFFIC_NAMES),
    "outside": (),
}

_STATUSES = ("New", "Pending", "Approved", "Completed", "Rejected & closed", "Canceled")
_COMPLETED = 3
NEW_INTERCONNECTS = ("Statistics", "NewInterconnects")


def present(books: Books) -> datetime:
    """The sandbox's present: the first moment after its last month, by the server's clock."""
    return _midnight(next_month(books.world.last_month))


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day)  # noqa: DTZ001 - the server's wall time


def monthly(books: Books, accounts: Iterable[Account], report: int, month: date) -> list[Table]:
    """ReportMonthly: 1 is traffic by account and account report, 2 by partner, 3 by network, 4 in detail (no rows)."""
    when = pacific_text(_midnight(month))
    if books.world.metering.shape != "measures":
        rows = [row for account in accounts for row in _monthly_sums(books, account, month)] if report == 1 else []
        return [Table("Table", _MONTHLY_SUMS, rows)]
    if report == 1:
        return [
            Table("Table", _MONTHLY, [row for account in accounts for row in _monthly_rows(books, account, month)]),
            Table("Table1", _MONTHLY_ERRORS),
        ]
    if report == 2:
        rows = [
            (when, str(account[0]), str(account[1]), partner, *_ends(flow))
            for account in accounts
            for partner, flow in (
                ("ZZ:ACME & Søn", month_flows(books, account, month)["TrafficInterECGrid"]),
                ("01:005555555", month_flows(books, account, month)["TrafficOffNetwork"]),
            )
            if not flow.is_none
        ]
        return [Table("Table", _PARTNERS, list(rows))]
    if report == 3:
        counted = [
            (when, str(account[0]), str(account[1]), "Elsewhere VAN", "1", str(flow.to_trans))
            for account in accounts
            if not (flow := month_flows(books, account, month)["TrafficOffNetwork"]).is_none
        ]
        return [Table("Table", _BY_NETWORK, list(counted))]
    return [Table("Table", _DETAIL)]


def _ends(flow: Flow) -> tuple[str, str, str, str]:
    return str(flow.to_trans), str(flow.from_trans), f"{flow.to_kcs:f}", f"{flow.from_kcs:f}"


def _monthly_rows(books: Books, account: Account, month: date) -> list[tuple[str | None, ...]]:
    rows: list[tuple[str | None, ...]] = []
    true = month_flows(books, account, month)
    flows = dict(true)
    if account[0] in books.world.metering.rounded_up | books.world.metering.by_1024:
        kcs = counted_kcs(books, account, month)
        flows["TrafficAll"] = replace(flows["TrafficAll"], to_kcs=kcs[0], from_kcs=kcs[1])
    last = _midnight(next_month(month) - timedelta(days=1 + account[1] % 9)) + timedelta(
        hours=9, minutes=account[1] % 60, seconds=35, milliseconds=3
    )
    for report in REPORTS:
        flow = flows[report]
        if flow.is_none:
            continue
        rows.append(
            (
                pacific_text(_midnight(month)),
                str(account[0]),
                str(account[1]),
                books.world.name_of(*account),
                report,
                str(flow.to_trans),
                str(flow.from_trans),
                str(flow.total_trans),
                f"{flow.to_kcs:.3f}",
                f"{flow.from_kcs:.3f}",
                f"{flow.total_kcs:.3f}",
                str(_parcels(flow.to_trans)),
                str(_parcels(flow.from_trans)),
                str(int(true[report].to_kcs * 1000)),
                str(int(true[report].from_kcs * 1000)),
                pacific_text(last),
            )
        )
    return rows


def _parcels(trans: int) -> int:
    """Parcels of a number of interchanges: about three interchanges each."""
    return -(-trans // 3)


# -- traffic statistics ---------------------------------------------------------------------------------------------


def traffic_stats(books: Books, accounts: list[Account], target: datetime, periods: int, period: str) -> list[Table]:
    """ReportTrafficStats: periods from the target's own on, or (negative) up to it; only those with activity."""
    if periods == 0:
        return []
    spans = _spans(target, periods, period)
    if books.world.metering.shape != "measures":
        return [Table("Table", _TRAFFIC, list(_traffic_rows(books, accounts, spans)))]
    found: dict[datetime, Flow] = {}
    for moment, flow in _flows(books, accounts, spans[0][0], spans[-1][1], by_hour=period == "Hour"):
        start = _start_of(moment, period)
        found[start] = found.get(start, Flow()) + flow
    rows: list[tuple[str | None, ...]] = []
    for start, end in spans:
        flow = found.get(start, Flow())
        if flow.is_none:
            continue
        parcels_in, parcels_out = _parcels(flow.to_trans), _parcels(flow.from_trans)
        each = flow.total_kcs / max(parcels_in + parcels_out, 1)
        rows.append(
            (
                pacific_text(start),
                pacific_text(end),
                str(parcels_in),
                str(parcels_out),
                str(int(flow.total_kcs * 1000)),
                f"{rounded(each, 4):f}",
                f"{rounded(each, 15).normalize():f}",
                "ACME & Søn",
            )
        )
    return [Table("Table", _STATS, rows, changes="inserted")]


def _spans(target: datetime, periods: int, period: str) -> list[tuple[datetime, datetime]]:
    start = _start_of(target, period)
    if periods < 0:
        start = _moved(start, period, periods + 1)
    edges = [_moved(start, period, number) for number in range(abs(periods) + 1)]
    return list(pairwise(edges))


def _start_of(moment: datetime, period: str) -> datetime:
    if period == "Hour":
        return moment.replace(minute=0, second=0, microsecond=0)
    day = _midnight(moment.date())
    if period == "Week":
        return day - timedelta(days=(day.weekday() + 1) % 7)  # weeks begin on Sunday (facts 2.2)
    return day.replace(day=1) if period == "Month" else day


def _moved(moment: datetime, period: str, count: int) -> datetime:
    if period == "Month":
        return _midnight(next_month(moment.date(), count))
    return moment + timedelta(**{{"Hour": "hours", "Day": "days", "Week": "weeks"}[period]: count})


_OFFICE_HOURS = [0] * 6 + [1, 2, 4, 5, 6, 6, 4, 5, 6, 5, 4, 2, 1, 1] + [0] * 4


def _flows(
    books: Books, accounts: list[Account], start: datetime, end: datetime, *, by_hour: bool
) -> Iterator[tuple[datetime, Flow]]:
    """Traffic by day, or by hour of the day: a day's is divided over the hours in whole numbers."""
    for month in books.world.months:
        if _midnight(next_month(month)) <= start or _midnight(month) >= end:
            continue
        for account in accounts:
            for day, flow in day_flows(books, account, month):
                moment = _midnight(day)
                if not start.date() <= day < (end + timedelta(hours=23)).date():
                    continue
                if by_hour:
                    yield from zip(
                        (moment + timedelta(hours=hour) for hour in range(24)),
                        flow.cut(_OFFICE_HOURS),
                        strict=True,
                    )
                else:
                    yield moment, flow


def _traffic_rows(
    books: Books, accounts: list[Account], spans: list[tuple[datetime, datetime]]
) -> Iterator[tuple[str | None, ...]]:
    """Rows of the old guide's shape: parcels and interchanges, and their KCs each rounded up; none without activity."""
    first, after = spans[0][0].date(), spans[-1][1].date()
    several: dict[datetime, list[tuple[Account, Message]]] = {}
    for month in books.world.months:
        if next_month(month) <= first or month >= after:
            continue
        for account in accounts:
            for one in messages(books, account, month):
                is_missing = (account, one.day.day) in books.world.metering.missing_days
                start = next((span[0] for span in spans if span[0].date() <= one.day < span[1].date()), None)
                if one.counts and start is not None and not is_missing:
                    several.setdefault(start, []).append((account, one))
    for start, _ in spans:
        found = several.get(start, [])
        if not found:
            continue
        sides: list[str] = []
        for side in ("in", "out"):
            own = [(account, one) for account, one in found if one.side == side]
            parcels: dict[tuple[Account, date, int], int] = {}
            for account, one in own:
                place = (account, one.day, one.parcel)
                parcels[place] = parcels.get(place, 0) + one.size
            count = sum(one.count for _, one in own)
            sides += [str(len(parcels)), str(kcs_up(parcels.values()))]
            sides += [str(count), str(kcs_up(one.size for _, one in own))]
        yield (pacific_text(start), *sides[0:2], *sides[4:6], *sides[2:4], *sides[6:8])


def _monthly_sums(books: Books, account: Account, month: date) -> Iterator[tuple[str | None, ...]]:
    """The month's row of an account in the shape of the newer pages: bytes, no account report and no network."""
    found = [one for one in messages(books, account, month) if one.counts]
    if found:
        sides = [[one for one in found if one.side == side] for side in ("in", "out")]
        yield (
            pacific_text(_midnight(month)),
            str(account[1]),
            books.world.name_of(*account),
            *(str(len({(one.day, one.parcel) for one in own})) for own in sides),
            *(str(sum(one.count for one in own)) for own in sides),
            *(str(sum(one.size for one in own)) for own in sides),
        )


def by_date(books: Books, account: Account, first: date, last: date) -> list[Table]:
    """ReportByDate: interchanges and bytes by partner, direction and state; also duplicates and what others pay."""
    sums: dict[tuple[str, str, int], list[int]] = {}
    for month in books.world.months:
        if month <= last and next_month(month) > first:
            for one in messages(books, account, month):
                if first <= one.day <= last:
                    place = sums.setdefault((one.partner, one.side, one.state), [0, 0])
                    place[0] += one.count
                    place[1] += one.size
    rows: list[tuple[str | None, ...]] = [
        (
            str(700_000 + account[1]),
            books.world.name_of(*account),
            f"ZZ*{account[1]}",
            partner.partition("*")[2] or partner,
            partner,
            "TO" if side == "in" else "FROM",
            str(state),
            str(count),
            str(size),
        )
        for (partner, side, state), (count, size) in sorted(sums.items())
    ]
    return [Table("Table", _BY_DATE, rows)]


# -- instant statistics -----------------------------------------------------------------------------------------------


def instant_stats(books: Books, accounts: list[Account], minutes: tuple[int, int]) -> list[Table]:
    """ReportInstantStats: the share of the last month's traffic that falls on each number of minutes."""
    month = books.world.last_month
    in_month = (next_month(month) - month).days * 1440
    flows = [month_flows(books, account, month)["TrafficAll"] for account in accounts]
    to_trans, from_trans = sum(flow.to_trans for flow in flows), sum(flow.from_trans for flow in flows)
    kcs = sum((flow.total_kcs for flow in flows), ZERO)
    windows: list[str] = []
    for length in minutes:
        interchanges = [max(length, 0) * count // in_month for count in (to_trans, from_trans)]
        windows += [str(_parcels(count)) for count in interchanges] + [str(count) for count in interchanges]
    average = rounded(kcs / (to_trans + from_trans), 4) if to_trans + from_trans else exact("0.0000")
    rng = Random(f"batch {books.world.seed} {accounts[:1]} {minutes}")
    row = (
        *windows,
        pacific_text(present(books) - timedelta(milliseconds=211)),
        f"{average:f}",
        None,
        "true",
        str(UUID(int=rng.getrandbits(128))),
    )
    return [Table("Table", _INSTANT, [row]), Table("Table1", _INSTANT_ERRORS)]


# -- interconnects ---------------------------------------------------------------------------


def interconnect_count(books: Books, accounts: list[Account], max_days: int) -> list[Table]:
    """InterconnectCount: requests of the last `max_days` days by status.

    The completed ones of a month are the account's NewInterconnects of it; some more are still pending.
    """
    today = present(books)
    ages: dict[int, list[Decimal]] = {status: [] for status in range(len(_STATUSES))}
    for account in accounts:
        for status, requested in _requests(books, account):
            age = Decimal((today - requested) // timedelta(hours=1)) / 24
            if age <= max_days:
                ages[status].append(age)
    rows: list[tuple[str | None, ...]] = []
    for status, name in enumerate(_STATUSES):
        known = ages[status]
        note = {0: "", 1: 'état: "en attente" & <révisé>,\nligne 2'}.get(status)
        if not known:
            rows.append((str(status + 1), name, "0", None, None, None))
            continue
        oldest = today - timedelta(hours=int(max(known) * 24))
        average = rounded(sum(known, ZERO) / len(known), 4)
        rows.append((str(status + 1), name, str(len(known)), pacific_text(oldest), f"{average:f}", note))
    return [Table("Table", _COUNTS, rows), Table("Table1", _REQUESTS)]


def _requests(books: Books, account: Account) -> list[tuple[int, datetime]]:
    """(status, moment) of every interconnect request of an account."""
    found: list[tuple[int, datetime]] = []
    for month in books.world.months:
        rng = Random(f"interconnects {books.world.seed} {account} {month.month}")
        hours = (next_month(month) - month).days * 24
        completed = int(books.quantity(account, month, NEW_INTERCONNECTS))
        others = rng.randint(0, 2)
        for number in range(completed + others):
            status = _COMPLETED if number < completed else rng.choice((0, 1, 4, 5))
            found.append((status, _midnight(month) + timedelta(hours=rng.randrange(1, hours))))
    return found
