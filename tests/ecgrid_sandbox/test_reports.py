"""The DataSet reports: consistent with the bills and with each other."""

from typing import Any

import pytest

from ecgrid_sandbox import World
from ecgrid_sandbox.billing.traffic import REPORTS, day_flows, month_flows, pieces
from ecgrid_sandbox.service import reports

MONTH = "2026-10-01T00:00:00"


def test_every_billed_traffic_quantity_is_in_the_monthly_report(wire: Any, world: World) -> None:
    checked = 0
    for network in world.networks:
        got = wire.ask("v3.2", "ReportMonthlyEx", NetworkID=network.network_id, MailboxID=-1, Report=1, Month=MONTH)
        rows = {
            (int(row.findtext("MailboxID")), row.findtext("Report")): row
            for row in got.all("diffgram/NewDataSet/Table")
        }
        for account in world.accounts:
            if account[0] != network.network_id:
                continue
            for (report, measure), series in world.use[account].items():
                if report not in REPORTS:
                    continue
                row = rows.get((account[1], report))
                said = row.findtext(measure) if row is not None else "0"
                assert format(series[3], "f") == said or (series[3] == 0 and said in ("0", "0.000"))
                checked += 1
    assert checked > 80


def test_the_parts_of_a_month_add_up(world: World) -> None:
    for account in world.accounts[::7]:
        flows = month_flows(world.books, account, world.last_month)
        parts = [flows[report] for report in REPORTS[1:4]]
        assert flows["TrafficAll"].to_trans == sum(part.to_trans for part in parts)
        assert flows["TrafficAll"].total_kcs == sum(part.total_kcs for part in parts)
        days = [flow for _, flow in day_flows(world.books, account, world.last_month)]
        assert sum(day.to_trans for day in days) == flows["TrafficAll"].to_trans
        assert sum(day.from_kcs for day in days) == flows["TrafficAll"].from_kcs
        assert all(day.to_trans >= 0 and day.to_kcs >= 0 for day in days)


@pytest.mark.parametrize(("whole", "weights"), [(0, [1, 2]), (7, [1, 1, 1]), (1000, [0, 3, 0, 5])])
def test_pieces_add_up_in_whole_numbers(whole: int, weights: list[int]) -> None:
    made = pieces(whole, weights)
    assert sum(made) == whole
    assert all(piece == 0 for piece, weight in zip(made, weights, strict=True) if weight == 0)


def _stats(wire: Any, target: str, periods: int, period: str) -> list[tuple[str, str, int]]:
    got = wire.ask(
        *("v4.1", "ReportTrafficStatsEx"),
        NetworkID=4440,
        MailboxID=-1,
        TargetTime=target,
        NumPeriods=periods,
        Period=period,
    )
    return [
        (
            row.findtext("Period_x0020_Start"),
            row.findtext("Period_x0020_End"),
            int(row.findtext("Bytes")),
        )
        for row in got.all("diffgram/NewDataSet/Table")
    ]


def test_periods_run_forward_or_up_to_the_target(wire: Any) -> None:
    forward = _stats(wire, "2026-08-19T15:30:00", 2, "Month")
    assert [row[:2] for row in forward] == [
        ("2026-08-01T00:00:00-07:00", "2026-09-01T00:00:00-07:00"),
        ("2026-09-01T00:00:00-07:00", "2026-10-01T00:00:00-07:00"),
    ]
    assert _stats(wire, "2026-09-02T00:00:00", -2, "Month") == forward
    weeks = _stats(wire, "2026-10-14T10:00:00", -1, "Week")
    assert [row[0] for row in weeks] == ["2026-10-11T00:00:00-07:00"]  # weeks begin on Sunday
    assert _stats(wire, "2026-10-14T10:00:00", 0, "Week") == []


def test_days_and_hours_of_traffic_add_up_to_the_month(wire: Any) -> None:
    (month,) = _stats(wire, MONTH, 1, "Month")
    days = _stats(wire, MONTH, 31, "Day")
    assert sum(row[2] for row in days) == month[2]
    hours = _stats(wire, "2026-10-14T00:00:00", 24, "Hour")
    day = next(row for row in days if row[0].startswith("2026-10-14"))
    assert sum(row[2] for row in hours) == day[2]
    assert len(hours) < 24  # no row for a period without activity


def test_offsets_follow_the_servers_clock(world: World) -> None:
    """Across the end of daylight saving, 1 November 2026: -07:00 before, -08:00 after."""
    later = World.shipped(world.last_month.replace(month=11))
    (table,) = reports.traffic_stats(
        later.books, list(later.accounts), reports._midnight(later.last_month.replace(month=10, day=30)), 4, "Day"
    )
    starts = [row[0] for row in table.rows]
    assert starts[0] == "2026-10-30T00:00:00-07:00"
    assert any(start.endswith("-08:00") for start in starts if start)


def test_a_month_without_data_has_a_schema_and_no_rows(wire: Any) -> None:
    got = wire.ask("v3.2", "ReportMonthlyEx", NetworkID=4440, MailboxID=0, Report=1, Month="2020-01-01")
    assert got.status == 200
    assert got.all("schema/element")
    assert not list(got.all("diffgram")[0])
    detail = wire.ask("v3.2", "ReportMonthlyEx", NetworkID=4440, MailboxID=0, Report=4, Month=MONTH)
    assert not detail.all("diffgram/NewDataSet")
    assert wire.ask("v3.2", "ReportMonthlyEx", NetworkID=4440, MailboxID=0, Report=9, Month=MONTH).status == 500


def test_root_alone_and_all_of_a_network(wire: Any, world: World) -> None:
    def boxes(mailbox_id: int, operation: str = "ReportMonthlyEx") -> set[str]:
        arguments = {"Report": 1, "Month": MONTH}
        if operation.endswith("Ex"):
            arguments |= {"NetworkID": 4440, "MailboxID": mailbox_id}
        return set(wire.ask("v3.2", operation, **arguments).texts("diffgram/NewDataSet/Table/MailboxID"))

    assert boxes(0) == {"0"}
    assert boxes(105214) <= {"105214"}
    assert len(boxes(-1)) > 10
    assert boxes(0, "ReportMonthly") == boxes(-1)  # the session's own network
    refused = wire.ask(
        *("v3.2", "ReportMonthlyEx"),
        SessionID=wire.sandbox.users[1].api_key,
        NetworkID=4443,
        MailboxID=-1,
        Report=1,
        Month=MONTH,
    )
    assert refused.fault[1] == "AccessDenied"


def test_completed_interconnects_of_a_month_are_the_billed_new_ones(wire: Any, world: World) -> None:
    billed = sum(
        int(use[("Statistics", "NewInterconnects")][3])
        for use in world.use.values()
        if ("Statistics", "NewInterconnects") in use
    )
    assert billed > 0
    got = wire.ask("v4.1", "InterconnectCountEx", NetworkID=-1, MailboxID=-1, ECGridID=0, MaxDays=31)
    counts = dict(
        zip(
            got.texts("diffgram/NewDataSet/Table/Status"),
            got.texts("diffgram/NewDataSet/Table/Interconnects"),
            strict=True,
        )
    )
    assert counts["Completed"] == str(billed)
    none = wire.ask("v4.1", "InterconnectCountEx", NetworkID=-1, MailboxID=-1, ECGridID=0, MaxDays=0)
    assert set(none.texts("diffgram/NewDataSet/Table/Interconnects")) == {"0"}


def test_instant_statistics_grow_with_the_minutes(wire: Any) -> None:
    got = wire.ask("v4.1", "ReportInstantStats", Minutes1=60, Minutes2=22320)
    assert int(got.text("diffgram/NewDataSet/Table/InterchangesIn1")) < int(
        got.text("diffgram/NewDataSet/Table/InterchangesIn2")
    )
    month = wire.ask("v3.2", "ReportMonthly", Report=1, Month=MONTH)
    to_trans = sum(
        int(row.findtext("ToTrans"))
        for row in month.all("diffgram/NewDataSet/Table")
        if row.findtext("Report") == "TrafficAll"
    )
    assert got.text("diffgram/NewDataSet/Table/InterchangesIn2") == str(to_trans // 2)  # half of October


def test_two_asks_give_the_same_bytes(wire: Any) -> None:
    for operation, arguments in (
        ("InterconnectCount", {"MaxDays": 30}),
        ("ReportInstantStats", {"Minutes1": 5, "Minutes2": 50}),
    ):
        assert wire.ask("v4.1", operation, **arguments).body == wire.ask("v4.1", operation, **arguments).body
