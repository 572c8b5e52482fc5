"""A simulated stretch of months of one data directory: the service, the time, the events and the trouble from one seed.

The program is the real one: the flows of the schedule and the commands of a person, each in a process of its own whose
clock is set, so that a kill and a power loss are real (`tests.support.disk`). The service is the sandbox; between the
two is a proxy that breaks calls and notes which key was asked and answered. What is true is kept here in plain
dictionaries, priced by the sandbox, which shares no code with `sql/`.
"""

import csv
import heapq
import itertools
import json
import re
import shutil
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from random import Random

import pyarrow.parquet as pq

from ecgrid_flows.errors import ExitStatus
from ecgrid_sandbox import Sandbox, Trouble, World
from ecgrid_sandbox.billing.books import Books
from ecgrid_sandbox.billing.documents import Invoice
from ecgrid_sandbox.world.model import Pair, PlannedError, Target
from ecgrid_sandbox.world.small import KINDS
from ecgrid_transforms.money import ZERO, Decimal, total
from ecgrid_transforms.period import month_end, month_text, next_month
from tests.pull.pulling import Line, files, lake_lines, true_lines
from tests.support.forker import Forker
from tests.support.storage import Storage

FIRST = date(2026, 1, 1)
#: The owner's time zones: the program's days and months are UTC all the same.
ZONES = ("UTC", "America/New_York", "Europe/Berlin", "Australia/Lord_Howe", "Pacific/Kiritimati")
#: Nights on which clocks change in one of them.
CLOCK_CHANGES = (date(2026, 3, 8), date(2026, 3, 29), date(2026, 4, 5), date(2026, 10, 4), date(2026, 10, 25))
#: Seeds of small worlds whose kind needs no history of its price list.
_KINDS = ("rate", "rate_of_fee", "block", "allowance", "bound", "minimum", "percentage", "rounding", "ladder")
#: From the end of a month to its run, by the default cron.
MONTHLY = timedelta(days=1, hours=6)
DONE = (ExitStatus.CLEAN, ExitStatus.FINDINGS)
KILLED = -9

Account = tuple[int, int]
Key = tuple[date, Account, Pair]


class Issued(Books):
    """Books whose invoices are those that were issued, as they were then."""

    issued: tuple[Invoice, ...] = ()

    def invoices(self) -> list[Invoice]:
        return list(self.issued)


@dataclass
class Truth:
    """What is true: measured use by account, pair and month, planted errors, and invoices as issued."""

    base: World
    months: tuple[date, ...]
    use: dict[tuple[Account, Pair, date], Decimal]
    errors: list[tuple[date, PlannedError]]
    issued: dict[date, Invoice] = field(default_factory=dict)

    def world(self, now: datetime) -> World:
        """The service's world at a moment: use of a running month has grown by day."""
        begun = tuple(month for month in self.months if month <= now.date())
        pairs = {account: list(series) for account, series in self.base.use.items()}
        world = World.of(
            replace(
                self.base,
                last_month=begun[-1],
                months=begun,
                use={
                    account: {
                        pair: tuple(self.quantity(account, pair, month, now) for month in begun)
                        for pair in pairs[account]
                    }
                    for account in pairs
                },
                planned_errors=tuple(
                    replace(error, target=replace(error.target, month=begun.index(month)))
                    for month, error in self.errors
                    if month in begun
                ),
            )
        )
        books = Issued(world)
        books.issued = tuple(self.issued.values())
        world.__dict__["books"] = books
        return world

    def quantity(self, account: Account, pair: Pair, month: date, now: datetime) -> Decimal:
        whole, over = self.use[account, pair, month], month_end(month)
        if now >= over:
            return whole
        return whole * now.day // (over - timedelta(days=1)).day


def truth(rng: Random, months: tuple[date, ...]) -> Truth:
    """A small world's accounts and price list, with other use in each month and up to three wrong lines."""
    places = [place for place, kind in enumerate(KINDS) if kind in _KINDS]
    small = World.small(rng.choice(places) + len(KINDS) * rng.randrange(40), months[0])
    small = replace(small, planned_errors=(), stated={}, papers=())
    use = {}
    for account, series in small.use.items():
        for pair, values in series.items():
            for month in months:
                use[account, pair, month] = values[-1] * rng.randint(60, 140) // 100
    lines = [(account, pair) for account, series in small.use.items() for pair in series]
    errors = []
    for number in range(rng.randint(0, 3)):
        account, pair = rng.choice(lines)
        figures = {"add": f"{rng.randint(1, 900)}.{rng.randint(0, 99):02}"}
        kind = "missing_line" if number == 2 else "amount_mismatch"
        errors.append((rng.choice(months), PlannedError(kind, Target(*account, 0, pair), "drawn", "", figures)))
    return Truth(small, months, use, errors)


@dataclass(order=True)
class Event:
    """Something that happens at a time; `month` is the month that it is about."""

    at: datetime
    number: int
    what: str = field(compare=False)
    month: date = field(compare=False)


class Year:
    """The simulation. `play` runs it to its end, `check` holds the data directory against what is true."""

    def __init__(self, seed: int, count: int, folder: Path, forker: Forker, proxy: Storage) -> None:
        self.rng = Random(f"year {seed}")
        self.months = tuple(next_month(FIRST, number) for number in range(count))
        self.end = datetime.combine(FIRST, datetime.min.time(), UTC)
        self.truth = truth(self.rng, self.months)
        self.data_dir, self.folder = folder / "data", folder
        self.data_dir.mkdir(parents=True)
        self.forker, self.proxy = forker, proxy
        self.zone = self.rng.choice(ZONES)
        self.api_key_runs = self.rng.random() < 0.3
        #: What was answered last of each key: its line, None for a key that is not billed.
        self.received: dict[Key, Line | None] = {}
        #: Keys with an answer that counts: received in a run that began after the month's end and was not cut short.
        self.counted: set[Key] = set()
        self.closed: dict[date, dict[str, bytes]] = {}
        self.invoiced: dict[date, Decimal] = {}
        self.imported: set[date] = set()
        self.story: list[str] = []
        self._numbers = itertools.count()
        self._events: list[Event] = []
        self._down_until: datetime | None = None
        self._draw_events()

    # --- events -------------------------------------------------------------------------------------------------------

    def add(self, at: datetime, what: str, month: date) -> None:
        heapq.heappush(self._events, Event(at, next(self._numbers), what, month))

    def _draw_events(self) -> None:
        rng = self.rng
        for month in self.months:
            start = datetime.combine(month, datetime.min.time(), UTC)
            over = month_end(month)
            days = (over - start).days
            self.add(start + timedelta(days=rng.randint(2, days - 2), hours=3, minutes=30), "look", month)
            if rng.random() < 0.4:
                self.add(over - timedelta(seconds=rng.randint(20, 400)), "look", month)  # across midnight UTC
            for change in CLOCK_CHANGES:
                if start.date() <= change < over.date() and rng.random() < 0.4:
                    self.add(datetime.combine(change, datetime.min.time(), UTC) + timedelta(minutes=59), "look", month)
            self.add(over + MONTHLY, "billing_month", month)
            if rng.random() < 0.2:
                down = over - timedelta(days=rng.randint(0, 3), hours=rng.randint(0, 23))
                self.add(down, "down", month)
            late = rng.randint(1, 12) if rng.random() < 0.3 else 0  # most come before the month's run
            billed = over + timedelta(days=late, hours=rng.randint(0, 23))
            self.add(billed, "invoice file" if rng.random() < 0.15 else "invoice", month)
            self.add(over + timedelta(days=rng.randint(14, 24), hours=9), "close", month)
            if rng.random() < 0.3:
                self.add(over + timedelta(days=rng.randint(3, 35), hours=2), "restate", month)
            if rng.random() < 0.1:
                self.add(over + timedelta(days=rng.randint(36, 38), hours=9), "reopen", month)

    def play(self) -> None:
        latest = month_end(self.months[-1]) + timedelta(days=150)
        while self._events:
            event = heapq.heappop(self._events)
            assert event.at < latest, f"{event.what} of {event.month} is put off for ever"
            self.end = event.at + timedelta(hours=12)
            getattr(self, f"_{event.what.replace(' ', '_')}")(event)

    def _down(self, event: Event) -> None:
        """The machine is off for one to forty days; it runs what is due when it starts."""
        until = event.at + timedelta(days=self.rng.randint(1, 40), hours=self.rng.randint(0, 23))
        self._down_until = max(until, self._down_until or until)
        self.add(self._down_until, "start", event.month)

    def _start(self, event: Event) -> None:
        """`serve` starts, and runs the flow of the month where a month is due."""
        last = next_month(event.at.date().replace(day=1), -1)
        if last >= self.months[0] and event.at >= month_end(last) + MONTHLY and not self._exported(last):
            self._billing_month(event)

    def _is_down(self, event: Event) -> bool:
        """Whether the machine is off. What a person wants then waits for its start."""
        if self._down_until is None or event.at >= self._down_until:
            return False
        if event.what not in ("look", "billing_month"):
            self.add(self._down_until + timedelta(hours=6), event.what, event.month)
        return True

    def _look(self, event: Event) -> None:
        """A night of the running month, without the months before it."""
        if not self._is_down(event):
            self.run(event.at, "pull", "--month", month_text(event.month), "--refresh", refreshed=event.month)

    def _billing_month(self, event: Event) -> None:
        self._scheduled(event, "billing_month")

    def _billing_open_month(self, event: Event) -> None:
        self._scheduled(event, "billing_open_month")

    def _scheduled(self, event: Event, flow: str) -> None:
        if self._is_down(event):
            return
        running = event.at.date().replace(day=1)
        status = self.run(event.at, flow, refreshed=running if flow == "billing_open_month" else None)
        if status not in DONE:
            again = (event.at + timedelta(days=1)).replace(hour=3, minute=30)
            self.add(again, "billing_open_month", event.month)

    def _invoice(self, event: Event) -> None:
        """The vendor issues the month's invoice; the next night finds it, or the month's own run."""
        self._issue(event)
        if (self.data_dir / "exports" / month_text(event.month)).exists():
            self.add((event.at + timedelta(days=1)).replace(hour=3, minute=30), "billing_open_month", event.month)

    def _invoice_file(self, event: Event) -> None:
        """The invoice comes as a file, which a person imports; the API never has it."""
        if self._is_down(event):
            return
        invoice = self._issue(event)
        del self.truth.issued[event.month]
        self.imported.add(event.month)
        file = self.folder / f"{month_text(event.month)}.csv"
        names = ("invoice_number", "invoice_date", "currency", "total_amount")
        values = (invoice.number, invoice.issued.isoformat(), "USD", str(invoice.total_amount))
        file.write_text(f"{','.join(names)}\n{','.join(values)}\n")
        self._steady(event, "invoice", "import", str(file), "--contract", "901", "--month", month_text(event.month))

    def _issue(self, event: Event) -> Invoice:
        invoice = self.truth.world(event.at).books.invoice(901, event.month)
        self.truth.issued[event.month] = invoice
        self.invoiced[event.month] = invoice.total_amount
        return invoice

    def _restate(self, event: Event) -> None:
        """The vendor counts again; a person has the month pulled anew, and books what changed if it is closed."""
        for key in self.rng.sample(sorted(self.truth.use), k=len(self.truth.use)):
            if key[2] == event.month:
                self.truth.use[key] = self.truth.use[key] * self.rng.randint(50, 150) // 100
                break
        self.add(event.at + timedelta(hours=5), "refresh", event.month)

    def _refresh(self, event: Event) -> None:
        if self._is_down(event):
            return
        month = month_text(event.month)
        if event.month in self.closed:
            status = self.run(event.at, "run", "--month", month, "--refresh", refreshed=event.month)
            if status not in DONE:
                self.add(event.at + timedelta(hours=9), "refresh", event.month)
                return
            status, _ = self.command(event.at, ["corrections", month, "--book", "--note", "restated"])
            assert status in DONE or "no corrections" in self.said(), self.said()
        elif self._exported(event.month):
            self.run(event.at, "pull", "--month", month, "--refresh", refreshed=event.month)
            self.add(event.at + timedelta(hours=9), "rebuild", event.month)

    def _rebuild(self, event: Event) -> None:
        """The month as it is now in raw: what an interrupted refresh left is asked."""
        if self._is_down(event):
            return
        if self.run(event.at, "run", "--month", month_text(event.month)) not in DONE:
            self.add(event.at + timedelta(hours=9), "rebuild", event.month)

    def _close(self, event: Event) -> None:
        """A month that is not exported with its invoice yet waits for the next night."""
        if event.month in self.closed or self._is_down(event):
            return
        month = month_text(event.month)
        if not self._exported(event.month) or not self._is_invoiced(event.month):
            self.add((event.at + timedelta(days=1)).replace(hour=3, minute=30), "billing_open_month", event.month)
            self.add(event.at + timedelta(days=1), "close", event.month)
            return
        status, out = self.command(event.at, ["findings", "--month", month, "--json"])
        assert status in DONE, self.said()
        open_errors = [
            one["finding_id"]
            for one in json.loads(out)["findings"]
            if one["severity"] == "error" and one["state"] == "open"
        ]
        disputed = open_errors[: self.rng.randint(0, 1)]
        if disputed:
            self._steady(event, "findings", "set", *disputed, "disputed", "--note", "sent to the vendor")
        accepted = [word for name in open_errors[len(disputed) :] for word in ("--accept", name)]
        why = ["--why", "as billed"] if accepted else []
        self._steady(event, "close", month, *accepted, *why)
        self._keep(event.month)

    def _reopen(self, event: Event) -> None:
        """Reopened for a reason, and closed again the next day."""
        if event.month not in self.closed or self._is_down(event):
            return
        self._steady(event, "reopen", month_text(event.month), "--why", "once more")
        self._check_closed()
        del self.closed[event.month]
        self.add(event.at + timedelta(days=1), "close", event.month)

    # --- processes ----------------------------------------------------------------------------------------------------

    def _steady(self, event: Event, *words: str) -> None:
        """A command without trouble, which has to succeed."""
        status, _ = self.command(event.at, list(words))
        assert status in DONE, f"{words}: {self.said()}"

    def run(self, now: datetime, *words: str, refreshed: date | None = None) -> int:
        """A run that asks the service, with the trouble that is drawn for it; gives its status."""
        rng = self.rng
        disk: dict[str, object] = {}
        trouble, share, is_down = Trouble(seed=rng.randrange(1 << 30)), 0.0, False
        drawn = rng.random()
        if drawn < 0.25:
            what = "a troubled network"
            share = rng.choice((0.02, 0.1, 0.3))
            mishaps = ("sql_error", "cut", "html_200", "empty_500", "bad_gateway")
            trouble = replace(trouble, fault_rate=share / 2, mishaps=mishaps, jitter_ms=rng.choice((0, 3)))
        elif drawn < 0.45:
            what = rng.choice(("kill", "kill", "power"))
            disk = {"what": what, "at": int(10 ** rng.uniform(0, 2.8)), "seed": rng.randrange(1 << 30)}
        elif drawn < 0.5:
            what, is_down = "no service", True
        else:
            what = "nothing"
        step = timedelta(seconds=rng.choice((0, 0.2, 3, 20)))  # how slow the service is
        status, _ = self.command(now, list(words), step, trouble, share, is_down, refreshed, disk)
        self.story[-1] += f" with {what}"
        expected = {*DONE}
        if drawn < 0.25:
            expected |= {ExitStatus.INCOMPLETE, ExitStatus.UNREACHABLE}
        elif drawn < 0.45:
            expected |= {KILLED}
        elif is_down:
            expected |= {ExitStatus.UNREACHABLE, ExitStatus.INCOMPLETE}
        assert status in expected, f"{status}: {self.said()}"
        return status

    def command(
        self,
        now: datetime,
        words: list[str],
        step: timedelta = timedelta(seconds=1),
        trouble: Trouble | None = None,
        share: float = 0.0,
        is_down: bool = False,
        refreshed: date | None = None,
        disk: dict[str, object] | None = None,
    ) -> tuple[int, str]:
        """One process at a time `now` against the service as it is then; gives its status and its stdout."""
        world = self.truth.world(now)
        delivered: set[Key] = set()
        twice: list[str] = []
        answers = {}
        for month in world.months:
            for (network, box, *pair), line in true_lines(world, month).items():
                answers[month, (network, box), (pair[0], pair[1])] = line
        if refreshed is not None:
            self.counted = {key for key in self.counted if key[0] != refreshed}
        self.counted = {key for key in self.counted if now >= month_end(key[0])}
        sessions = Counter[str]()

        def before(data: bytes) -> None:
            sessions["logouts asked"] += b"<Logout" in data or b":Logout" in data

        def after(data: bytes, status: int, body: bytes) -> None:
            sessions["logins"] += b"LoginResult>" in body
            sessions["logouts"] += b"LogoutResult>" in body
            key = key_of(data)
            if key is None:
                return
            if is_answer(status, body):
                if key in delivered or key in self.counted:
                    twice.append(f"{key} {'in this run' if key in delivered else 'before'}")
                if b"InvoiceCalculateLineItemResult>" in body or not share:
                    delivered.add(key)  # another may be one to another key: it is proved by the next call, or repeated
                self.received[key] = answers.get(key)

        self.proxy.before, self.proxy.after, self.proxy.trouble, self.proxy.is_down = before, after, share, is_down
        with Sandbox(world, trouble) as sandbox:
            self.proxy.target_port = sandbox.port
            here, there = f":{sandbox.port}/", f":{self.proxy.port}/"
            environ = {name: text.replace(here, there) for name, text in sandbox.settings().items()}
            if self.api_key_runs:
                environ["ECGRID_API_KEY"] = sandbox.api_key
            environ |= {
                "ECGRID_CURRENCY": "USD",
                "ECGRID_CONCURRENCY": "1",
                "ECGRID_PLAN": "price-list,no-statistics",
                "ECGRID_DATA_DIR": str(self.data_dir),
                "CHANGES_FILE": str(self.folder / "changes"),
                "LOGNAME": "accounts-payable",
                "TZ": self.zone,
            }
            given = words if words[0].startswith("billing_") else [*words, "--data-dir", str(self.data_dir)]
            status = self.forker.command(given, environ, (now, step), self.data_dir, **(disk or {}))
            self.story.append(f"{now:%Y-%m-%d %H:%M} {' '.join(words[:4])} -> {status}")
            # of a lost login nobody learned the SessionID; a logout has three attempts
            lost = sandbox.sessions.opened - sessions["logins"]
            lost += (sessions["logouts asked"] - sessions["logouts"]) // 3
            assert status == KILLED or sandbox.open_sessions <= lost, "a session is open"
        left = self.data_dir.with_name("data.after")
        if left.exists():
            shutil.rmtree(self.data_dir)
            left.rename(self.data_dir)
        assert not twice, f"answered already: {twice[:3]} of {len(twice)}"
        if status == KILLED:
            self.counted -= delivered
        else:
            assert "Traceback" not in self.said(), self.said()
            self.counted |= {key for key in delivered if now >= month_end(key[0])}
        return status, (self.folder / "changes.out").read_text(encoding="utf-8", errors="replace")

    def said(self) -> str:
        return (self.folder / "changes.err").read_text(encoding="utf-8", errors="replace")

    # --- what must hold -----------------------------------------------------------------------------------------------

    def _exported(self, month: date) -> bool:
        return (self.data_dir / "exports" / month_text(month) / "manifest.json").exists()

    def _is_invoiced(self, month: date) -> bool:
        """Whether the month's export has an invoice, or one was imported since."""
        with (self.data_dir / "exports" / month_text(month) / "invoice_reconciliation.csv").open(newline="") as file:
            return month in self.imported or any(row["invoice_number"] for row in csv.DictReader(file))

    def _closed_files(self, month: date) -> Iterator[tuple[str, bytes]]:
        for top in ("exports", "closings"):
            for name, body in files(self.data_dir / top / month_text(month)).items():
                if not name.startswith(("corrections/", "ledgers/", ".")):
                    yield f"{top}/{name}", body

    def _keep(self, month: date) -> None:
        self.closed[month] = dict(self._closed_files(month))

    def _check_closed(self) -> None:
        """No file of a closed month has changed; files of later bookings may have come."""
        for month, kept in self.closed.items():
            now = dict(self._closed_files(month))
            assert [name for name, body in kept.items() if now.get(name) != body] == [], month

    def check(self) -> None:
        for month in self.months:
            right = {(*key[1], *key[2]): line for key, line in self.received.items() if key[0] == month and line}
            assert right, month
            assert lake_lines(self.data_dir, month) == right, month
            self._check_journals(month)
        self._check_closed()
        assert set(self.closed) == set(self.months), "every month came to its end"
        status, _ = self.command(self.end, ["verify"])
        assert status == ExitStatus.CLEAN, self.said()
        status, out = self.command(self.end, ["status", "--json"])
        assert {one["month"]: one["state"] for one in json.loads(out)["months"] if one["state"] == "closed"}.keys() >= {
            month_text(month) for month in self.months
        }

    def _check_journals(self, month: date) -> None:
        """Each entry's debits are its credits, and the payable account has what the invoice asks."""
        folder = self.data_dir / "closings" / month_text(month)
        rows = [row for path in sorted(folder.glob("*/journal.parquet")) for row in pq.read_table(path).to_pylist()]
        for path in sorted(folder.glob("*/exports/journal.csv")):
            with path.open(encoding="utf-8", newline="") as file:
                rows += csv.DictReader(file)
        entries: dict[str, Decimal] = defaultdict(lambda: ZERO)
        roles: dict[str, Decimal] = defaultdict(lambda: ZERO)
        for row in rows:
            amount = total([Decimal(row["debit"] or 0), -Decimal(row["credit"] or 0)])
            entries[row["reference"]] += amount
            roles[row["role"]] += amount
        assert set(entries.values()) <= {ZERO}, month
        assert roles["payable"] == -self.invoiced[month], month


_OPERATION = re.compile(rb"Body>\s*<(?:\w+:)?InvoiceCalculateLineItem\b")
_ARGUMENT = re.compile(rb"<(?:\w+:)?(\w+)>([^<]*)</")


def key_of(data: bytes) -> Key | None:
    """The key that a request asks for; None for another request."""
    if not _OPERATION.search(data):
        return None
    told = {name.decode(): text.decode() for name, text in _ARGUMENT.findall(data)}
    month = date.fromisoformat(told["ReportingMonth"][:10])
    account = int(told["NetworkID"]), int(told["MailboxID"])
    return month, account, (told["AccountReport"], told["MeasureField"])


def is_answer(status: int, body: bytes) -> bool:
    """Whether a whole response is one to a key: a line, an absent result, or that it is not on the price list."""
    if b"Envelope>" not in body[-40:]:
        return False
    return (status == 200 and b"InvoiceCalculateLineItemResponse" in body) or b"not on Pricelist" in body
