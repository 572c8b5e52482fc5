"""What stands of each month: read without a lock, a network or a whole warehouse, and unknown is never zero."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import duckdb
import pytest

from ecgrid_flows.finance import audit_log, finding_states
from ecgrid_flows.lake.partitions import Lake
from ecgrid_flows.orchestration import session, status, tasks
from ecgrid_flows.orchestration.pipeline import bill_months
from ecgrid_flows.progress import Reporter
from ecgrid_flows.settings import Settings
from ecgrid_flows.storage.local import LocalStore
from ecgrid_flows.warehouse import database
from ecgrid_sandbox import Sandbox, World
from ecgrid_transforms.money import Decimal
from ecgrid_transforms.rows import Row, batch
from ecgrid_transforms.schemas import INVOICES
from tests.support.commands import Command

from .pulling import few_of, settings_of

pytestmark = pytest.mark.slow

MONTH = date(2026, 10, 1)
WORLD = World.shipped(MONTH)
#: 02 November 06:00 is when the month is due, a day later it is overdue; its invoice is on 21 November.
NOW = datetime(2026, 11, 3, 6, tzinfo=UTC)
COLUMNS = [
    *("month", "state", "due_at", "asked", "answered", "missing", "lines", "open_errors", "invoiced_amount"),
    *("exported_at", "closed_at", "overdue"),
]


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(WORLD) as running:
        yield running


@pytest.fixture(scope="module")
def billed(sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """September pulled only, October billed; read by every test, changed by none."""
    folder = tmp_path_factory.mktemp("status")
    few = folder / "few.csv"
    few.write_text("network_id,mailbox_id\n" + "".join(f"{a},{b}\n" for a, b in few_of(WORLD)))
    settings = settings_of(sandbox, folder / "data", accounts_file=few)
    with session.opened(settings=settings, reporter=Reporter(mute=True)) as run:
        size = tasks.plan(run, date(2026, 9, 1))
        run.done(date(2026, 9, 1), tasks.pull(run, date(2026, 9, 1), size))
        bill_months(run, [MONTH])
    return settings


def one(found: status.Status, month: str) -> status.MonthStatus:
    return next(row for row in found.months if f"{row.month:%Y-%m}" == month)


def test_nothing_is_known_of_an_empty_directory_and_nothing_is_made(tmp_path: Path) -> None:
    settings = Settings(data_dir=str(tmp_path / "data"))
    assert status.status(settings) == status.Status((), ())
    assert not (tmp_path / "data").exists()


def test_a_billed_month(billed: Settings) -> None:
    found = status.status(billed, NOW)
    assert found.unread == ()
    october, september = one(found, "2026-10"), one(found, "2026-09")
    assert (october.state, october.overdue, october.missing) == ("exported", None, 0)
    assert october.asked == october.answered
    store = LocalStore(billed.data_dir)
    lines = (Path(billed.data_dir) / "exports/2026-10/finance_lines.csv").read_text(encoding="utf-8").count("\n") - 1
    assert october.lines == lines
    assert october.exported_at == store.written_at("exports/2026-10/manifest.json")
    assert (september.state, september.exported_at, september.overdue) == ("pulled", None, None), "before the first"
    assert (september.asked, september.missing) == (september.answered, 0)


THREADS = """
import os, sys, duckdb, pyarrow.parquet
from ecgrid_flows.orchestration import session, status
from ecgrid_flows.settings import Settings
before = len(os.listdir("/proc/self/task"))
assert status.status(Settings(data_dir=sys.argv[1])).months
print(len(os.listdir("/proc/self/task")) - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_it_leaves_no_thread_that_could_change_the_exit_status(billed: Settings) -> None:
    """Arrow's threads abort a process now and then as it ends (134 for a monitor that expects 0 or 4)."""
    command = [sys.executable, "-c", THREADS, billed.data_dir]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "0\n"


def test_the_invoiced_amount_is_what_the_invoices_ask(billed: Settings) -> None:
    """The sum of the issued invoices as the sandbox's books have them, never of the lines."""
    asked = [invoice.total_amount for invoice in WORLD.books.invoices() if invoice.month == MONTH]
    assert len(asked) > 1
    assert one(status.status(billed, NOW), "2026-10").invoiced_amount == sum(asked)


def invoice(month: date, source: str, number: str, contract: int, asked: str | None, state: str = "Sent") -> Row:
    """A row of the feed."""
    known = {
        "reporting_month": month,
        "source": source,
        "invoice_id": 1,
        "invoice_number": number,
        "contract_id": contract,
        "total_amount": None if asked is None else Decimal(asked),
        "status": state,
        "api_version": "v4.1",
        "pulled_at": NOW,
        "response_sha256": "0" * 64,
    }
    return tuple(known.get(name) for name in INVOICES.names)


def test_an_invoice_counts_once_whatever_month_its_sources_state(tmp_path: Path) -> None:
    """As in out_invoice_reconciliation: a file goes before the API, also where it was filed in another month."""
    september = date(2026, 9, 1)
    rows = {
        september: [invoice(september, "imported", "INV-0123", 8751, "70.00")],
        MONTH: [
            invoice(MONTH, "InvoiceInfo", "inv 0123", 8751, "70.00"),
            invoice(MONTH, "InvoiceInfo", "124", 8751, "8.50"),
            invoice(MONTH, "InvoiceCalculate", "124", 8751, "9.50"),
            invoice(MONTH, "InvoiceList", "125", 8753, "400.00"),
            invoice(MONTH, "imported", "0125", 8753, "400.00", "Canceled"),
            invoice(MONTH, "InvoiceInfo", "126", 8753, "-2.25"),
        ],
        date(2026, 8, 1): [invoice(date(2026, 8, 1), "InvoiceInfo", "119", 8751, None)],
    }
    lake = Lake(LocalStore(tmp_path))
    for month, of_month in rows.items():
        lake.write_partition("invoices", month, [batch(INVOICES, of_month)])
        status.note(LocalStore(tmp_path), month, 1, 0, is_whole=True)
    exported(tmp_path, "2026-08", "2026-09", "2026-10")
    found = status.status(Settings(data_dir=str(tmp_path)), NOW + timedelta(days=90))
    amounts = {f"{row.month:%Y-%m}": (row.invoiced_amount, row.overdue) for row in found.months[:3]}
    assert amounts == {
        "2026-08": (None, None),  # there is one, whose total cannot be read
        "2026-09": (Decimal("70.00"), None),
        "2026-10": (Decimal("6.25"), None),
    }


def test_open_errors_are_those_that_nobody_decided(billed: Settings, tmp_path: Path) -> None:
    settings = copied(billed, tmp_path)
    with closing(duckdb.connect(settings.warehouse_path, read_only=True)) as connection:
        counted = connection.execute(
            "SELECT count(*) FROM out_findings WHERE severity = 'error' AND reporting_month = DATE '2026-10-01'"
        ).fetchall()
    (errors,) = counted[0]
    assert errors > 1
    assert one(status.status(settings, NOW), "2026-10").open_errors == errors
    store = LocalStore(settings.data_dir)
    with closing(database.connect(settings.warehouse_path)) as connection:
        rows = database.of_month(connection.table("out_finding_ids"), MONTH)
        known = rows.filter("severity = 'error'").to_arrow_table().to_pylist()
    finding_states.set_state(store, known[:1], "disputed", "a test")
    assert one(status.status(settings, NOW), "2026-10").open_errors == errors - 1


def copied(billed: Settings, target: Path) -> Settings:
    subprocess.run(["cp", "-r", billed.data_dir, str(target / "data")], check=True)
    return Settings(data_dir=str(target / "data"))


@pytest.mark.parametrize("damage", ["gone", "junk", "empty", "of an earlier release"])
def test_without_a_whole_warehouse_open_errors_are_unknown(billed: Settings, tmp_path: Path, damage: str) -> None:
    settings = copied(billed, tmp_path)
    path = settings.warehouse_path
    path.unlink()
    if damage in ("junk", "empty"):
        path.write_bytes(b"junk" * 5000 if damage == "junk" else b"")
    elif damage == "of an earlier release":
        duckdb.connect(path).close()
    found = status.status(settings, NOW)
    october = one(found, "2026-10")
    assert (october.open_errors, october.state) == (None, "exported")
    assert bool(found.unread) == (damage != "gone")
    assert october.asked is not None


def test_what_cannot_be_read_is_unknown_and_named(ask: Command, billed: Settings, tmp_path: Path) -> None:
    settings = copied(billed, tmp_path)
    (tmp_path / "data/runs/2026-10.json").write_text("{")
    for part in (tmp_path / "data/lake/invoices").rglob("*2026-10/*.parquet"):
        part.write_bytes(b"PAR1")
    much_later = NOW + timedelta(days=400)
    found = status.status(settings, much_later)
    october = one(found, "2026-10")
    assert (october.asked, october.missing, october.invoiced_amount) == (None, None, None)
    assert october.lines == one(status.status(billed, NOW), "2026-10").lines, "the note is damaged, the lake is not"
    assert october.overdue is None, "an invoice that cannot be read may be there"
    shown = ask(data_dir=tmp_path / "data").stdout
    assert shown.splitlines()[2].split()[4:7] == ["unknown", "unknown", "unknown"]
    (tmp_path / "data/exports/2026-10/manifest.json").unlink()
    assert one(status.status(settings, NOW), "2026-10").state == "incomplete", "it was pulled, so much is known"
    assert "runs/2026-10.json is damaged" in " ".join(found.unread)
    assert "invoices of 2026-10" in " ".join(found.unread)


def exported(folder: Path, *months: str) -> Settings:
    for month in months:
        (folder / "exports" / month).mkdir(parents=True)
        (folder / "exports" / month / "manifest.json").write_text("{}")
    return Settings(data_dir=str(folder))


@pytest.mark.parametrize(
    ("now", "overdue"),
    [
        (NOW - timedelta(seconds=1), {}),
        (NOW, {"2026-10": "run"}),
        (datetime(2026, 10, 20, tzinfo=UTC), {}),
        (datetime(2026, 10, 21, tzinfo=UTC), {"2026-09": "invoice"}),  # 20 days after the month's end
        (datetime(2026, 11, 21, tzinfo=UTC), {"2026-09": "invoice", "2026-10": "run"}),
    ],
)
def test_a_month_is_overdue_a_day_after_the_cron_and_an_invoice_after_its_days(
    tmp_path: Path, now: datetime, overdue: dict[str, str]
) -> None:
    """September is exported without an invoice, so October is owed; what was before September is not."""
    settings = exported(tmp_path, "2026-09")
    if now >= NOW - timedelta(seconds=1) and "2026-09" not in overdue:
        settings = exported(tmp_path / "again", "2026-09")
        audit_log.append(LocalStore(tmp_path / "again"), "close", {"month": "2026-09"})  # a closed month owes nothing
    found = status.status(settings, now)
    assert {f"{row.month:%Y-%m}": row.overdue for row in found.overdue} == overdue


def test_a_month_that_still_runs_is_provisional(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    status.note(store, MONTH, 12, 2, is_whole=False)
    running = one(
        status.status(Settings(data_dir=str(tmp_path)), datetime(2026, 10, 31, 23, 59, tzinfo=UTC)), "2026-10"
    )
    assert (running.state, running.asked, running.answered, running.missing) == ("provisional", 12, 10, 2)
    over = one(status.status(Settings(data_dir=str(tmp_path)), datetime(2026, 11, 1, tzinfo=UTC)), "2026-10")
    assert (over.state, over.overdue) == ("incomplete", None), "nothing was exported yet, so nothing is owed"


@pytest.fixture
def ask(billing: Command) -> Command:
    """`status` with arguments over a data directory."""
    return lambda *arguments, data_dir: billing("status", *arguments, "--data-dir", str(data_dir))


def test_the_command_for_a_monitor_and_for_a_person(ask: Command, tmp_path: Path) -> None:
    """2023 is long ago: every month since is overdue, whenever this test runs."""
    exported(tmp_path, "2023-01")
    told = ask("--json", data_dir=tmp_path)
    months = json.loads(told.stdout)["months"]
    assert told.returncode == 4
    assert all(list(row) == COLUMNS for row in months)
    assert (months[0]["overdue"], months[1]["overdue"], months[1]["lines"]) == ("invoice", "run", None)
    shown = ask(data_dir=tmp_path)
    assert shown.returncode == 4
    assert "2023-02: due since 2023-03-02 06:00 UTC and not exported" in shown.stdout
    (tmp_path / "none").mkdir()
    nothing = ask(data_dir=tmp_path / "none")
    assert (nothing.returncode, "no month is pulled" in nothing.stdout) == (0, True)


@pytest.mark.parametrize(
    ("name", "words"), [("missing", "does not exist"), ("file", "is not a directory"), ("file/sub", "does not exist")]
)
def test_a_data_directory_that_is_not_there_never_passes_for_one_in_which_all_is_well(
    ask: Command, tmp_path: Path, name: str, words: str
) -> None:
    (tmp_path / "file").touch()
    refused = ask(data_dir=tmp_path / name)
    assert (refused.returncode, refused.stdout) == (2, "")
    assert words in refused.stderr
    assert len(refused.stderr.splitlines()) == 1


def test_it_reads_beside_a_run_that_holds_the_directory(ask: Command, billed: Settings) -> None:
    with session.opened(settings=billed, reporter=Reporter(mute=True), purpose="build"):
        assert ask(data_dir=Path(billed.data_dir)).stdout.count("2026-10") >= 1


def test_it_loads_neither_pandas_nor_prefect(billed: Settings) -> None:
    program = (
        "import sys; from ecgrid_flows.settings import Settings; from ecgrid_flows.orchestration.status import status; "
        "assert status(Settings(data_dir=sys.argv[1])).months; print(*sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program, billed.data_dir], capture_output=True, text=True, check=True)
    assert {"pandas", "prefect", "zeep", "apprise"} & set(done.stdout.split()) == set()


def test_a_run_that_is_stopped_leaves_how_far_it_came(sandbox: Sandbox, tmp_path: Path) -> None:
    few = tmp_path / "few.csv"
    few.write_text("network_id,mailbox_id\n" + "".join(f"{a},{b}\n" for a, b in few_of(WORLD)[:2]))
    settings = settings_of(sandbox, tmp_path / "data", accounts_file=few)
    with session.opened(settings=settings, reporter=Reporter(mute=True)) as run:
        size = tasks.plan(run, MONTH)
        assert size > 0
        run.note(MONTH)  # as at the start of its pull: a killed run leaves this
    found = one(status.status(settings, NOW), "2026-10")
    assert (found.asked, found.answered, found.missing, found.state) == (size, 0, size, "incomplete")
    assert isinstance(found.invoiced_amount, Decimal | None)
