"""ECGRID_ACCOUNTS limits a run: nothing is said about what was not asked, with or without the setting later on."""

from collections.abc import Iterator
from contextlib import closing
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from ecgrid_flows.orchestration import session, tasks
from ecgrid_flows.progress import Reporter
from ecgrid_flows.settings import Secret, Settings
from ecgrid_flows.warehouse import database
from ecgrid_sandbox import Sandbox, World
from ecgrid_transforms.money import Decimal, total

MONTH = date(2026, 10, 1)
#: The case: two Root accounts with 6 lines over 610.21.
TWO = "network_id;mailbox_id\n4440;0\n4443;0\n"


@pytest.fixture(scope="module")
def limited(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Settings]]:
    """A data directory with the case's month pulled by a limited run, and settings that limit nothing."""
    folder = tmp_path_factory.mktemp("limited")
    (folder / "two.csv").write_text(TWO)
    with Sandbox(World.shipped(MONTH)) as sandbox:
        settings = Settings(
            data_dir=str(folder / "data"),
            v2_url=sandbox.v2_url,
            v3_url=sandbox.v3_url,
            v4_url=sandbox.v4_url,
            login_name=sandbox.login_name,
            password=Secret(sandbox.password),
            accounts_file=folder / "two.csv",
        )
        with session.opened(settings=settings, reporter=Reporter(mute=True)) as run:
            tasks.pull(run, MONTH, tasks.plan(run, MONTH))
            run.land(MONTH)
        yield folder / "data", Settings(data_dir=str(folder / "data"))


def rows(settings: Settings, relation: str) -> list[dict[str, Any]]:
    with closing(database.connect(settings.warehouse_path)) as connection:
        found: list[dict[str, Any]] = connection.table(relation).to_arrow_table().to_pylist()
    return found


@pytest.mark.soak
def test_a_build_without_the_setting_says_nothing_about_other_accounts(limited: tuple[Path, Settings]) -> None:
    _, settings = limited
    with session.opened(settings=settings, reporter=Reporter(mute=True), purpose="build") as run:
        run.restore()
        tasks.build(run)
    lines = rows(settings, "out_line_items")
    assert (len(lines), total([row["amount"] for row in lines])) == (6, Decimal("610.21"))
    findings = rows(settings, "out_findings")
    assert [row for row in findings if row["severity"] == "error"] == []
    assert {(row["network_id"], row["mailbox_id"]) for row in findings} <= {(None, None), (4440, 0), (4443, 0)}
    assert {(row["network_id"], row["mailbox_id"]) for row in rows(settings, "core_requested_accounts")} == {
        (4440, 0),
        (4443, 0),
    }
    assert rows(settings, "core_limited_runs") == [{"reporting_month": MONTH}]
    assert rows(settings, "out_disputes") == []
    assert {row["is_tied"] for row in rows(settings, "out_invoice_tieout")} == {None}
