"""Statistics of usage over HTTP: planted errors of the meter, unknown words, parts of a month; a service's habits."""

from contextlib import closing
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from ecgrid_flows.orchestration import doctor, tasks
from ecgrid_flows.warehouse import database
from ecgrid_sandbox import Sandbox
from ecgrid_sandbox.service.datasets import Table
from ecgrid_sandbox.service.envelope import Fault
from ecgrid_sandbox.service.habits import OPTIONAL, PAIRS, Habits
from ecgrid_sandbox.service.operations import Call, Operations
from ecgrid_sandbox.world.metering import Metering

from .pulling import LAST_MONTH, WORLD, few_of, lake_lines, pulled, rows, running, served, true_lines

CHECKS = ("usage_mismatch", "kc_rounding", "statistics_unread")


@pytest.fixture(autouse=True)
def all_reports(monkeypatch: pytest.MonkeyPatch, no_monthly_reports: None) -> None:
    monkeypatch.setattr("ecgrid_flows.extract.discovery.MONTHLY_REPORTS", (1, 2, 3, 4))
    monkeypatch.setattr("ecgrid_flows.extract.discovery.TRAFFIC_PERIODS", ("Month", "Day"))


def accounts_file(folder: Path, accounts: list[tuple[int, int]]) -> Path:
    path = folder / "accounts.csv"
    path.write_text("network_id,mailbox_id\n" + "".join(f"{network},{box}\n" for network, box in accounts))
    return path


@cache
def planted() -> Metering:
    """The meter of `sandbox serve --meter-errors`, by the seed of the shipped world; each error once."""
    return WORLD.with_meter_errors("outside").metering


def metered(count: int) -> list[tuple[int, int]]:
    """Accounts with an error of the meter, and some others of each network that has one."""
    meter = planted()
    own = [*meter.duplicates_billed, *meter.partners_billed, *(account for account, _ in meter.missing_days)]
    for network in sorted({*meter.rounded_up, *meter.by_1024, *(account[0] for account in own)}):
        billed = [account for account in WORLD.accounts if account[0] == network and account not in own]
        billed.sort(key=lambda account: all(report != "TrafficAll" for report, _ in WORLD.use.get(account, {})))
        own += billed[:count]
    return own


def findings(sandbox: Any, data_dir: Path, accounts: Path) -> list[dict[str, Any]]:
    """The findings of a run without an export."""
    pulled(sandbox, data_dir, accounts_file=accounts)
    with running(sandbox, data_dir, accounts_file=accounts) as run:
        run.restore()
        tasks.build(run)
        with closing(database.connect(run.settings.warehouse_path)) as connection:
            return database.rows(connection, "out_findings").to_pylist()


@pytest.mark.long
def test_errors_of_the_meter_are_found_over_http(tmp_path: Path) -> None:
    meter = planted()
    (of_duplicates,), (of_partners,) = meter.duplicates_billed, meter.partners_billed
    ((of_gap, gap_day),) = meter.missing_days
    accounts = accounts_file(tmp_path, metered(9))
    with served("--statistics", "outside", "--meter-errors") as sandbox:
        found = [row for row in findings(sandbox, tmp_path / "data", accounts) if row["check_name"] in CHECKS]

    def of(account: tuple[int, int]) -> list[dict[str, Any]]:
        return [row for row in found if (row["network_id"], row["mailbox_id"]) == account]

    for account in (of_duplicates, of_partners):
        assert {(row["check_name"], row["severity"]) for row in of(account)} == {("usage_mismatch", "error")}
    (gap,) = of(of_gap)
    assert (gap["check_name"], gap["severity"], gap["measure_field"]) == ("usage_mismatch", "warning", None)
    assert f"no row for 2026-10-{gap_day:02d}" in gap["explanation"]
    others = [
        row for row in found if (row["network_id"], row["mailbox_id"]) not in {of_duplicates, of_partners, of_gap}
    ]
    assert {(row["network_id"], row["check_name"], row["severity"]) for row in others} == {
        *((network, "kc_rounding", "info") for network in meter.rounded_up),
        *((network, "usage_mismatch", "warning") for network in meter.by_1024),
    }


@pytest.mark.long
def test_a_word_that_is_not_understood_is_a_finding_and_a_line_of_doctor(tmp_path: Path) -> None:
    accounts = accounts_file(tmp_path, metered(1))
    odd = "ReportByDateEx.Direction/1=sideways"
    with served("--statistics", "by_date", "--odd-value", odd) as sandbox:
        found = findings(sandbox, tmp_path / "data", accounts)
        with running(sandbox, tmp_path / "data", accounts_file=accounts) as run:
            (check,) = (one for one in doctor.machine(run.settings) if one.name == "statistics")
    (unread,) = (row for row in found if row["check_name"] == "statistics_unread")
    assert "ReportByDate, table Table, has Direction 'sideways'" in unread["explanation"]
    assert not [row for row in found if row["check_name"] == "usage_mismatch"], "no sum of what is left"
    assert check.health is doctor.Health.NOTE
    assert unread["explanation"] in check.words


def test_a_part_of_a_month_is_not_landed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the service refuses one window of ReportByDate, the other is no month."""
    world = WORLD.metered(replace(WORLD.metering, shape="by_date"))
    accounts = accounts_file(tmp_path, metered(1))
    with Sandbox(world) as sandbox:
        pulled(sandbox, tmp_path / "whole", accounts_file=accounts)
    assert rows(tmp_path / "whole", "monthly_reports")
    whole = Operations._report_by_date

    def first_alone(self: Operations, call: Call) -> list[Table]:
        if call.text("StartDate").startswith("2026-10-31"):
            raise Fault("no data of this day", "NotFound")
        return whole(self, call)

    monkeypatch.setattr(Operations, "_report_by_date", first_alone)
    with Sandbox(world) as sandbox:
        pulled(sandbox, tmp_path / "part", accounts_file=accounts)
        assert sandbox.calls["v4.1", "ReportByDateEx"] > 2
    assert rows(tmp_path / "part", "monthly_reports") == []


def test_habits_are_drawn_by_their_seed() -> None:
    several = [Habits(seed) for seed in range(40)]
    assert {name for one in several for name in one.pending} == {*OPTIONAL, *(name for pair in PAIRS for name in pair)}
    assert all(not set(pair) <= one.pending for one in several for pair in PAIRS)
    listed = [{"name": str(number)} for number in range(9)]
    first, again, other = (Habits(seed).ordered(listed, "NetworkList", {"Name": ""}) for seed in (1, 1, 2))
    assert first == again != other
    assert sorted(first, key=lambda row: row["name"]) == listed


@pytest.mark.long
@pytest.mark.parametrize("seed", [3, 8])
def test_no_result_depends_on_the_order_of_a_response(tmp_path: Path, seed: int) -> None:
    """The same lines and findings of lines, whatever order rows, columns and lists have and what else answers."""
    accounts = few_of(WORLD)
    chosen = accounts_file(tmp_path, accounts)
    found = []
    for name, habits in (("plain", None), ("drawn", Habits(seed))):
        with Sandbox(WORLD, habits=habits) as sandbox:
            several = findings(sandbox, tmp_path / name, chosen)
        of_lines = [row for row in several if row["measure_field"] is not None and row["check_name"] not in CHECKS]
        found.append(sorted((row["check_name"], row["explanation"], str(row["difference"])) for row in of_lines))
        assert lake_lines(tmp_path / name) == true_lines(WORLD, LAST_MONTH, accounts)
    assert found[0] == found[1]
