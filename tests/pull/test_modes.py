"""Who may read what: billing data is its owner's alone, what is made for others follows the umask."""

import os
from collections.abc import Iterator
from contextlib import closing
from datetime import date
from pathlib import Path

import pytest

from ecgrid_flows.errors import SettingsError
from ecgrid_flows.orchestration import doctor, session, tasks
from ecgrid_flows.progress import Reporter
from ecgrid_flows.reporting.report import write_whole
from ecgrid_flows.settings import Settings
from ecgrid_flows.storage.atomic_folder import put_file
from ecgrid_flows.storage.local import LocalStore
from ecgrid_flows.warehouse import database
from ecgrid_transforms.rows import batch
from ecgrid_transforms.schemas import FEEDS


@pytest.fixture
def usual_umask() -> Iterator[None]:
    before = os.umask(0o022)
    yield
    os.umask(before)


def modes(top: Path) -> dict[str, int]:
    return {path.relative_to(top).as_posix(): path.stat().st_mode & 0o777 for path in top.rglob("*")}


@pytest.mark.usefixtures("usual_umask")
def test_what_is_new_is_the_owners_alone_but_for_what_others_read(tmp_path: Path) -> None:
    store = LocalStore(tmp_path / "data")
    store.prepare()
    store.write("raw/line_items/x.jsonl", b"1")
    store.appender("raw/contracts/y.jsonl").close()
    store.write("closings/2026-10/1/lines.parquet", b"1")
    (tmp_path / "source").write_bytes(b"1")
    put_file(store, "closings/2026-10/1/exports/a.csv", tmp_path / "source")
    store.write("exports/2026-10/a.csv", b"1")
    put_file(store, "reports/2026-10/a.html", tmp_path / "source")
    found = modes(tmp_path / "data")
    assert {mode for name, mode in found.items() if name.startswith(("raw", "closings"))} == {0o700, 0o600}
    assert found["exports/2026-10"] == 0o755
    assert found["exports/2026-10/a.csv"] == found["reports/2026-10/a.html"] == 0o644


def test_a_report_follows_the_umask(tmp_path: Path) -> None:
    """The units of UNATTENDED.md set 077."""
    for umask, mode in ((0o022, 0o644), (0o077, 0o600)):
        before = os.umask(umask)
        try:
            write_whole(tmp_path / f"{umask}.html", "<p>")
        finally:
            os.umask(before)
        assert modes(tmp_path)[f"{umask}.html"] == mode


def test_doctor_names_what_other_users_can_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_text("")
    (tmp_path / ".env").chmod(0o644)
    (tmp_path / "data/raw").mkdir(parents=True)
    (tmp_path / "data/raw").chmod(0o755)
    settings = Settings(data_dir="data")
    (check,) = [one for one in doctor.machine(settings) if one.name == "modes"]
    assert check.health == "note"
    assert ".env (644), data/raw (755): run chmod -R go= .env data/raw" in check.words
    (tmp_path / ".env").chmod(0o600)
    (tmp_path / "data/raw").chmod(0o700)
    (check,) = [one for one in doctor.machine(settings) if one.name == "modes"]
    assert check.health == "ok"


@pytest.mark.long
@pytest.mark.usefixtures("usual_umask")
def test_a_data_directory_may_have_any_name_and_its_warehouse_is_the_owners_alone(tmp_path: Path) -> None:
    """What DuckDB would take for a pattern, a URL or the end of a text."""
    top = tmp_path / 'a*b [a] a#b%20 it\'s "a" Straße 株'
    (top / "reference").mkdir(parents=True)
    (top / "reference/pinned_readings.csv").write_text("price_list_id,account_report,measure_field,words,why\n")
    settings = Settings(data_dir=str(top))
    with session.opened(settings=settings, reporter=Reporter(mute=True), purpose="build") as run:
        row = (date(2026, 10, 1), 1, 0, "A", None, None, None, "settings")
        run.lake.write_partition("accounts", date(2026, 10, 1), [batch(FEEDS["accounts"], [row])])
        tasks.build(run)
    with closing(database.connect(settings.warehouse_path)) as connection:
        assert connection.table("raw_accounts").count("network_id").fetchall() == [(1,)]
    found = modes(top)
    assert found["warehouse"] == 0o700
    assert found["warehouse/billing.duckdb"] == 0o600


def test_a_question_mark_in_the_path_is_named() -> None:
    with pytest.raises(SettingsError, match=r"'a\?b' has a `\?` in its path"):
        Settings.load("a?b", environ={})
