"""A data directory of every earlier release opens, runs and exports the same (see README.md)."""

import csv
import json
import tarfile
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from ecgrid_flows.cli import app
from ecgrid_flows.warehouse import database
from ecgrid_sandbox import Sandbox
from ecgrid_transforms.money import Decimal

from .make_directory import CLOSED, OPEN, small_world

pytestmark = pytest.mark.soak

HERE = Path(__file__).resolve().parent
#: Lines and what they add up to, by the sandbox's books; those of the closed month after the vendor restated a line.
BILLED = {CLOSED: (116, Decimal("6756.07")), OPEN: (116, Decimal("7067.39"))}
#: 63.63 was taken back and 68.29 entered.
FROZEN = (116, Decimal("6751.41"))
#: What was decided in the open month, by check and mailbox.
DECIDED = {
    ("amount_mismatch", "105227"): ("disputed", "sent to the vendor"),
    ("bound_ignored", "105213"): ("disputed", "sent to the vendor"),
    ("double_billed", "105225"): ("accepted", "settled by phone"),
}
KEY = ("network_id", "mailbox_id", "reporting_month", "account_report", "measure_field")
AS_RECEIVED = (*KEY, "line_item_number", "actual", "quantity_billed", "billed_amount", "response_sha256")


@pytest.fixture(params=sorted(path.name for path in HERE.glob("*.tar.xz")))
def earlier(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The directory, unpacked, as the one that commands work on."""
    folder = tmp_path / "data"
    with tarfile.open(HERE / request.param) as archive:
        archive.extractall(folder, filter="data")
    monkeypatch.setenv("ECGRID_DATA_DIR", str(folder))
    monkeypatch.setenv("ECGRID_CURRENCY", "USD")
    monkeypatch.chdir(tmp_path)
    return folder


def billing(*arguments: str) -> Any:
    """What a command gives by `--json`; it must end with 0 or, with open findings, with 1."""
    done = CliRunner().invoke(app, [*arguments, "--json"])
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    assert done.exit_code in (0, 1), done.stderr
    return json.loads(done.stdout)


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def received(path: Path) -> list[tuple[str, ...]]:
    """What every line of an export holds of the answer behind it."""
    return [tuple(row[name] for name in AS_RECEIVED) for row in rows(path)]


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir()) if path.is_file()}


def in_warehouse(folder: Path) -> dict[str, tuple[int, Decimal]]:
    """Lines and amount of each month."""
    with closing(database.connect(folder / "warehouse/billing.duckdb")) as connection:
        found = connection.table("out_line_items").aggregate(
            "strftime(reporting_month, '%Y-%m') AS month, count(*) AS lines, sum(amount) AS amount"
        )
        return {month: (lines, amount) for month, lines, amount in found.fetchall()}


def test_it_builds_and_exports_the_same(earlier: Path) -> None:
    frozen = contents(earlier / "exports" / CLOSED)
    booked = (earlier / "exports" / CLOSED / "corrections/corrections.csv").read_bytes()
    before = received(earlier / "exports" / OPEN / "finance_lines.csv")
    billing("build")
    assert in_warehouse(earlier) == BILLED
    billing("export", "--from", CLOSED, "--to", OPEN)
    assert received(earlier / "exports" / OPEN / "finance_lines.csv") == before
    assert (len(before), sum(Decimal(row[-2]) for row in before)) == BILLED[OPEN]
    found = rows(earlier / "exports" / OPEN / "findings.csv")
    decided = {(row["check_name"], row["mailbox_id"]): (row["state"], row["note"]) for row in found}
    assert {what: decided.get(what) for what in DECIDED} == DECIDED
    # the closed month: its files, its booked correction and its seals are what they were
    assert contents(earlier / "exports" / CLOSED) == frozen
    closed = rows(earlier / "exports" / CLOSED / "finance_lines.csv")
    assert (len(closed), sum(Decimal(row["billed_amount"]) for row in closed)) == FROZEN
    correction = billing("corrections", CLOSED)["corrections"]
    assert [(row["correction"], row["entry"], row["billed_amount"]) for row in correction] == [
        (1, "reversal", "-63.6300000000"),
        (1, "re-entry", "68.2900000000"),
    ]
    assert (earlier / "exports" / CLOSED / "corrections/corrections.csv").read_bytes() == booked
    assert billing("close", CLOSED, "--verify")["faults"] == []


def test_it_runs_without_asking_again_what_it_has(earlier: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = received(earlier / "exports" / OPEN / "finance_lines.csv")
    (earlier / "raw/_source.json").unlink(missing_ok=True)  # the sandbox that filled it had another port
    with Sandbox(small_world()) as sandbox:
        sandbox.restate()
        for name in ("v2_url", "v3_url", "v4_url", "login_name", "password"):
            monkeypatch.setenv(f"ECGRID_{name.upper()}", getattr(sandbox, name))
        billing("run", "--from", CLOSED, "--to", OPEN)
        assert [name for _, name in sandbox.calls if name == "InvoiceCalculateLineItem"] == []
    assert in_warehouse(earlier) == BILLED
    assert received(earlier / "exports" / OPEN / "finance_lines.csv") == before
