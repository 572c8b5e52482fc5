"""A month's books against a plain model, for any sequence of what can happen to them.

Rules: a pull, a restated line, an invoice imported or withdrawn, findings accepted, disputed, resolved or opened again,
close, book, reopen, export. After each, what was posted with what is to be posted is what the invoices ask; after an
export, its files too: the journal, and FOCUS per invoice.

The long test adds what leaves the model as it is: the process of a step is killed, or loses the power, at a change of
the disk, and the step is repeated; the books become those that an earlier release wrote.
"""

import hashlib
import itertools
import json
import os
import random
import shutil
import signal
import tempfile
from collections import defaultdict
from collections.abc import Callable
from contextlib import closing as closing_of
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from functools import cache
from pathlib import Path
from typing import Any, Literal

import duckdb
import pyarrow as pa
import pytest
from hypothesis import settings as checked
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from ecgrid_flows.errors import BillingError, NoSuchData, Refused
from ecgrid_flows.finance import audit_log, corrections
from ecgrid_flows.finance.export import export_month, read_export
from ecgrid_flows.finance.export_files import opened, read_manifest
from ecgrid_flows.finance.finding_states import find_of_checks, open_errors, set_state
from ecgrid_flows.finance.invoice_import import import_file, withdraw
from ecgrid_flows.finance.journal import open_journal
from ecgrid_flows.finance.period_close import close_month, reopen_month, verify
from ecgrid_flows.lake import import_register, raw_manifest
from ecgrid_flows.lake.landing import imported_invoices
from ecgrid_flows.settings import Settings
from ecgrid_flows.storage.opening import open_store
from ecgrid_transforms.invoices import imported_row
from ecgrid_transforms.money import ZERO, Decimal, rounded, total
from ecgrid_transforms.schemas import INVOICES
from tests.conftest import SEARCH
from tests.support.disk import Disk

from .test_postings import CALL
from .world import MONTH, build, fill, finding, line

CONTRACT = 8751
#: Invoices by number and day: the later is the newest, which bears what the other does not bill of the lines.
DAYS = {"8753": "2026-11-01", "8754": "2026-11-02"}
#: The month was pulled after its end, and each line's account is of the contract.
GIVEN: dict[str, list[dict[str, Any]]] = {
    "raw_calls": [CALL],
    "core_accounts": [{"network_id": 4443, "mailbox_id": box, "contract_id": CONTRACT} for box in range(3)],
}
mailboxes = st.integers(0, 2)
numbers = st.sampled_from(sorted(DAYS))
cents = st.integers(-50_000, 900_000).map(lambda cent: Decimal(cent).scaleb(-2))
tenths = st.integers(-500_000, 9_000_000).map(lambda tenth: Decimal(tenth).scaleb(-3))


@dataclass
class Model:
    """What is true: lines (billed, expected), what the API and files ask by invoice, and decisions that hold."""

    lines: dict[int, tuple[Decimal, Decimal]] = field(default_factory=dict)
    api: dict[str, Decimal] = field(default_factory=dict)
    files: dict[str, Decimal] = field(default_factory=dict)
    decided: dict[int, str] = field(default_factory=dict)

    @property
    def invoices(self) -> dict[str, Decimal]:
        return self.api | self.files

    @property
    def recalculated(self) -> Decimal:
        return total([billed for billed, _ in self.lines.values()])

    @property
    def wrong(self) -> dict[int, Decimal]:
        return {box: billed - due for box, (billed, due) in self.lines.items() if billed != due}

    def restate(self, lines: dict[int, tuple[Decimal, Decimal]]) -> None:
        """New lines; a decision holds where the amounts that it was made about are the same."""
        self.decided = {box: state for box, state in self.decided.items() if lines.get(box) == self.lines[box]}
        self.lines = lines

    def roles(self, number: str) -> dict[str, Decimal]:
        """What the ledger must hold of an invoice; nothing of one that is not there."""
        asked = self.invoices.get(number)
        if asked is None:
            return dict.fromkeys(("payable", "disputed", "unexplained", "cost"), ZERO)
        newest = number == max(self.invoices)
        others = total([amount for other, amount in self.invoices.items() if other != number])
        disputed = unexplained = ZERO
        if newest:
            wrong = self.wrong
            disputed = total(
                [wrong[box] for box, state in self.decided.items() if state == "disputed" and wrong[box] > 0]
            )
            unexplained = total([asked, others, -self.recalculated])
        amounts = {"disputed": rounded(disputed, 2), "unexplained": rounded(unexplained, 2), "payable": -asked}
        return amounts | {"cost": -total(list(amounts.values()))}


@cache
def template() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="books-"))
    build(Settings(data_dir=str(folder / "data"), currency="USD"), **GIVEN)
    return folder / "data"


class Books(RuleBasedStateMachine):
    """One month of one contract; every step goes through the program, and through the model."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="machine-"))
        self.settings = Settings(data_dir=str(self.folder / "data"), currency="USD")
        shutil.copytree(template(), self.settings.data_dir)
        self.store = open_store(self.settings)
        self.model = Model()
        self.posted: list[dict[str, Any]] = []
        self.is_closed = False
        self.imports = itertools.count()

    def teardown(self) -> None:
        self.export("1.2")
        shutil.rmtree(self.folder, ignore_errors=True)

    def step(self, run: Callable[[], object], is_done: type[BillingError] | None = None) -> None:
        """Run a step of the program. `is_done`: the error of a step that is repeated after it took effect."""
        run()

    # --- what happens -----------------------------------------------------------------------------------------------

    @initialize(lines=st.dictionaries(mailboxes, st.tuples(tenths, tenths), min_size=1), asked=st.none() | cents)
    def begin(self, lines: dict[int, tuple[Decimal, Decimal]], asked: Decimal | None) -> None:
        self.pull(lines, {} if asked is None else {"8753": asked})

    @rule(
        lines=st.dictionaries(mailboxes, st.tuples(tenths, tenths), min_size=1),
        asked=st.dictionaries(numbers, cents),
    )
    def pull(self, lines: dict[int, tuple[Decimal, Decimal]], asked: dict[str, Decimal]) -> None:
        self.model.restate(lines)
        self.model.api = asked
        self.rebuild()

    @rule(mailbox=mailboxes, billed=tenths)
    def restate(self, mailbox: int, billed: Decimal) -> None:
        _, due = self.model.lines.get(mailbox, (ZERO, billed))
        self.model.restate({**self.model.lines, mailbox: (billed, due)})
        self.rebuild()

    @rule(number=numbers, asked=cents)
    def import_invoice(self, number: str, asked: Decimal) -> None:
        text = f"invoice_number,invoice_date,currency,total_amount\n{number},{DAYS[number]},USD,{asked}\n"
        self.step(
            lambda: import_file(
                self.store,
                text.encode(),
                contract_id=CONTRACT,
                month=MONTH,
                wanted_currency="USD",
                now=datetime(2026, 11, 5, 0, 0, next(self.imports), tzinfo=UTC),
            )
        )
        self.model.files[number] = asked
        self.rebuild()

    @rule(number=numbers)
    def withdraw_invoice(self, number: str) -> None:
        def run() -> None:
            withdraw(self.store, number, now=datetime(2026, 11, 5, 0, 0, next(self.imports), tzinfo=UTC))

        if number in self.model.files:
            self.step(run, NoSuchData)
            del self.model.files[number]
        else:
            with pytest.raises(NoSuchData):
                run()
        self.rebuild()

    @rule(state=st.sampled_from(("accepted", "disputed", "resolved", "open")), below=st.none() | tenths)
    def decide(self, state: str, below: Decimal | None) -> None:
        def run() -> None:
            with opened(self.settings) as connection:
                log = audit_log.read(self.store)
                rows = find_of_checks(connection, log, ["amount_mismatch"], MONTH, state, below)
            if rows:
                set_state(self.store, rows, state, "agreed by phone")

        self.step(run)
        replaced = {"accepted": {None}, "disputed": {None}, "resolved": {None, "disputed"}}
        for box, difference in self.model.wrong.items():
            before = self.model.decided.get(box)
            if (below is None or abs(difference) < below) and before in replaced.get(state, {before}):
                self.model.decided[box] = state
                if state == "open":
                    del self.model.decided[box]

    @precondition(lambda self: not self.is_closed)
    @rule()
    def close(self) -> None:
        """With open errors it is refused; accepted, it goes on."""
        with opened(self.settings) as connection:
            errors = [row["finding_id"] for row in open_errors(connection, audit_log.read(self.store), MONTH)]
        undecided = [box for box in self.model.wrong if box not in self.model.decided]
        assert len(errors) == len(undecided)
        if errors:
            with pytest.raises(Refused):
                close_month(self.settings, self.store, MONTH, {})
        fresh = self.to_post(accepted=undecided)
        self.step(lambda: close_month(self.settings, self.store, MONTH, dict.fromkeys(errors, "agreed")), Refused)
        self.posted += fresh
        self.is_closed = True

    @precondition(lambda self: self.is_closed)
    @rule()
    def book(self) -> None:
        def run() -> None:
            closing = audit_log.read(self.store).closing(MONTH)
            assert closing is not None
            export_month(self.settings, MONTH)
            corrections.book(self.settings, self.store, audit_log.read(self.store), closing, "posted")

        fresh = self.to_post()
        self.step(run)
        self.posted += fresh

    @precondition(lambda self: self.is_closed)
    @rule()
    def reopen(self) -> None:
        self.step(lambda: reopen_month(self.store, MONTH, "once more"), NoSuchData)
        self.is_closed = False

    @rule(focus=st.sampled_from(("1.2", "1.4")))
    def export(self, focus: str) -> None:
        """The files of the month, held against the model; whole or with what was booked since."""
        self.step(lambda: export_month(self.settings, MONTH, focus=focus))
        folder = self.settings.exports_dir(MONTH)
        shown = dict.fromkeys(DAYS, ZERO)
        for path in (folder / "focus_1_2.csv", folder / "corrections/corrections_focus_1_2.csv"):
            for row in read_export(path).to_pylist() if path.is_file() else ():
                number = row["InvoiceId"].split("-C")[0].lstrip("0")
                if number in shown:
                    shown[number] = total([shown[number], row["BilledCost"]])
        assert shown == {number: self.model.invoices.get(number, ZERO) for number in DAYS}
        named = read_manifest(folder)["files"]
        assert (
            "focus-1.4/focus_1_4.csv" not in named
            or named["focus-1.4/focus_1_4.csv"]["rows"] == named["focus_1_2.csv"]["rows"]
        )
        if not self.is_closed:
            rows = read_export(folder / "journal.csv").to_pylist()
            assert rows == self.to_post()
            return
        path = folder / "corrections/corrections_journal.csv"
        listed = read_export(path).to_pylist() if path.is_file() else []
        fresh = self.to_post()
        assert [without_batch(row) for row in listed[len(listed) - len(fresh) :]] == fresh
        assert verify(self.settings, self.store, MONTH).faults == ()

    # --- what must hold ---------------------------------------------------------------------------------------------

    @invariant()
    def posted_and_to_post_are_what_the_invoices_ask(self) -> None:
        if not self.model.lines:
            return  # before the first pull
        fresh = self.to_post()
        entries: dict[str, Decimal] = defaultdict(lambda: ZERO)
        sums: dict[tuple[str, str], Decimal] = defaultdict(lambda: ZERO)
        for row in (*self.posted, *fresh):
            amount = total([row["debit"] or ZERO, -(row["credit"] or ZERO)])
            entries[row["reference"]] += amount
            role = "cost" if row["role"] in ("charge", "rounding") else row["role"]
            sums[row["invoice_number"].lstrip("0"), role] += amount
        assert set(entries.values()) <= {ZERO}, "debits are credits"
        assert not {row["reference"] for row in self.posted} & {row["reference"] for row in fresh}
        for number in DAYS:
            found = {role: sums[number, role] for role in ("payable", "disputed", "unexplained", "cost")}
            assert found == self.model.roles(number), number
        if self.is_closed:
            assert {row["posting_date"] for row in fresh} <= {date(2026, 11, 1)}

    def to_post(self, accepted: list[int] | None = None) -> list[dict[str, Any]]:
        """The journal to be posted now; `accepted` are findings that a closing is about to accept."""
        for box in accepted or ():
            self.model.decided[box] = "accepted"  # accepted is part of cost: no amount changes
        with opened(self.settings) as connection:
            journal = open_journal(connection, self.settings, self.store, audit_log.read(self.store), MONTH)
        rows: list[dict[str, Any]] = journal.to_pylist()
        return rows

    def rebuild(self) -> None:
        """What a build would make of the model's lines and invoices and of the files that raw keeps."""
        model = self.model
        sealed = raw_manifest.seal(self.store, MONTH)
        imports = [path for path, segment in sealed.segments.items() if segment.is_imported]
        assert import_register.register(self.store, MONTH, imports, sealed.quarantined) == []
        lines = [
            line(mailbox_id=box, amount=billed, expected_amount=due, difference=billed - due)
            for box, (billed, due) in model.lines.items()
        ]
        found = [
            finding(mailbox_id=box, billed_amount=billed, expected_amount=due, difference=billed - due, place=box)
            for box, (billed, due) in model.lines.items()
            if billed != due
        ]
        heads = [
            dict(zip(INVOICES.names, imported_row(one), strict=True))
            for one in imported_invoices(self.store, MONTH, [])
        ]
        heads += [
            {
                **dict.fromkeys(INVOICES.names),
                "reporting_month": MONTH,
                "source": "InvoiceInfo",
                "invoice_id": int(number),
                "invoice_number": f"00{number}",  # written otherwise than in the file
                "invoice_date": datetime.fromisoformat(DAYS[number]),
                "contract_id": CONTRACT,
                "total_amount": asked,
                "status": "Sent",
                "api_version": "v4.1",
                "pulled_at": datetime(2026, 11, 4, tzinfo=UTC),
                "response_sha256": "0" * 64,
            }
            for number, asked in model.api.items()
        ]
        with closing_of(duckdb.connect(str(self.settings.warehouse_path))) as connection:
            nullable = pa.schema([one.with_nullable(True) for one in INVOICES])
            fill(
                connection, out_line_items=lines, out_findings=found, raw_invoices=pa.Table.from_pylist(heads, nullable)
            )
            columns = "contract_id, reporting_month, source, invoice_id, total_amount, is_newest"
            issued = connection.table("core_issued_invoices").project(columns).fetchall()
            others = total([row[4] for row in issued if not row[5]])
            sums = [
                {
                    **dict(zip(("contract_id", "reporting_month", "source", "invoice_id"), row[:4], strict=True)),
                    "recalculated_amount": model.recalculated - others if row[5] else row[4],
                    "lines_difference": ZERO,
                }
                for row in issued
            ]
            fill(connection, core_invoice_sums=sums)


class DisturbedBooks(Books):
    """The same books; processes are killed or lose the power, and the program is upgraded."""

    def __init__(self) -> None:
        super().__init__()
        self.draw = random.Random(0)

    @initialize(seed=st.integers(0, 999_999))
    def trouble(self, seed: int) -> None:
        """What happens to which step."""
        self.draw = random.Random(seed)

    def step(self, run: Callable[[], object], is_done: type[BillingError] | None = None) -> None:
        """Two of five steps run in a child process that is cut off at a change of the disk, then once more.

        One with fewer changes is cut off after the last, so that it is repeated after it took effect.
        """
        if self.draw.random() < 0.6:
            run()
            return
        what: Literal["kill", "power"] = self.draw.choice(("kill", "power"))
        at = self.draw.randint(1, self.draw.choice((12, 100)))
        pid = os.fork()
        if not pid:
            disk = Disk(self.folder / "data", what, at, seed=at)
            disk.watch()
            ended = 1
            try:
                run()
                disk.end()
                ended = 0
            finally:
                os._exit(ended)
        _, status = os.waitpid(pid, 0)
        assert os.waitstatus_to_exitcode(status) in (-signal.SIGKILL, 0)
        if what == "power":
            shutil.rmtree(self.folder / "data")
            (self.folder / "data.after").rename(self.folder / "data")
        self.store = open_store(self.settings)
        with self.store.lock("the step again"), suppress(*([is_done] if is_done else [])):
            run()

    @rule()
    def upgrade(self) -> None:
        """An earlier release wrote the books; the warehouse is built anew."""
        as_written_earlier(self.folder / "data")
        build(self.settings, **GIVEN)
        self.rebuild()


def as_written_earlier(folder: Path) -> None:
    """Rewrite the books of `folder` as the first releases wrote them: without formats, registers, FOCUS versions."""
    for name in ("_format.json", "_segments", "_imports"):
        path = folder / "raw" / name
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    renamed: dict[str, str] = {}
    for path in sorted(folder.glob("*/**/manifest.json")):
        before = path.read_bytes()
        document = json.loads(before)
        for name in ("format", "written_by", "focus", "posting_date", "not_booked"):
            document.pop(name, None)
        path.write_text(json.dumps(document, ensure_ascii=False, indent=1) + "\n")
        renamed[hashlib.sha256(before).hexdigest()] = hashlib.sha256(path.read_bytes()).hexdigest()
    previous, entries = audit_log.FIRST, sorted(folder.glob("closings/log/*.json"))
    for path in entries:
        text = path.read_text()
        for old, new in renamed.items():
            text = text.replace(old, new)
        entry = json.loads(text)
        for name in ("format", "written_by", "nonce"):
            entry.pop(name, None)
        for one in entry["data"].get("findings", ()):
            one["finding_id"] = first_id(one)
        path.write_text(json.dumps({**entry, "previous": previous}, ensure_ascii=False, indent=1) + "\n")
        previous = hashlib.sha256(path.read_bytes()).hexdigest()
    if entries:
        head = json.dumps({"entries": len(entries), "sha256": previous})
        (folder / audit_log.HEAD).write_text(f"{head}\n")


def first_id(one: dict[str, Any]) -> str:
    """The id of a line's finding in the first releases: twelve digits of a hash; today's is `f` and eleven of them."""
    names = ("check_name", "network_id", "mailbox_id", "reporting_month", "account_report", "measure_field")
    key = "|".join([*(str(one[name]) for name in names), "", "1"])
    return hashlib.sha256(key.encode()).hexdigest()[:12]


def without_batch(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name != "correction"}


@pytest.mark.long
def test_the_books_follow_a_model() -> None:
    run_state_machine_as_test(Books, settings=checked(max_examples=2 * max(SEARCH, 1), stateful_step_count=8))


@pytest.mark.soak
@pytest.mark.parametrize("part", range(max(SEARCH // 2, 1)))
def test_the_books_follow_a_model_for_long(part: int) -> None:
    """Each part draws its own examples, where HYPOTHESIS_SEARCH asks for new ones."""
    run_state_machine_as_test(DisturbedBooks, settings=checked(max_examples=8, stateful_step_count=20))
