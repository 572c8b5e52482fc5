"""Who is told of what: by a real webhook, of each event once, and never a secret or a client's line."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from ecgrid_flows.errors import DataDirectoryHeld, Incomplete, SettingsError, Unreachable
from ecgrid_flows.orchestration import doctor, notices, session
from ecgrid_flows.orchestration.run_context import Checked, MonthDone, Run
from ecgrid_flows.progress import Reporter
from ecgrid_flows.rating.month_totals import AtStake, InvoiceTotals
from ecgrid_flows.settings import Secret, Settings
from ecgrid_flows.storage.local import LocalStore
from ecgrid_transforms.money import Decimal
from ecgrid_transforms.period import NotAMonth
from tests.support.commands import Command
from tests.support.ear import TOKEN, Ear, listening

pytestmark = pytest.mark.slow

MONTH = date(2026, 10, 1)


@pytest.fixture
def ear() -> Iterator[Ear]:
    with listening() as made:
        yield made


MADE = MonthDone(
    MONTH,
    accounts=3,
    lines=1417,
    amount=Decimal("51783.125"),
    checked=Checked(
        {"wrong_tier": 2},
        1,
        AtStake(Decimal("9.99"), unclear=Decimal(155)),
        InvoiceTotals(
            invoiced=Decimal("51938.125"),
            claimable=Decimal("9.99"),
            to_pay=Decimal("51938.125"),
            once_disputed=Decimal("51928.135"),
        ),
    ),
    exports=[Path("finance_lines.csv")],
    report=Path("reports/2026-10/reconcile_month.html"),
)


def settings_for(folder: Path, *ears: Ear, **changes: Any) -> Settings:
    (folder / "data").mkdir(exist_ok=True)
    urls = tuple(Secret(ear.url) for ear in ears)
    return Settings(**({"data_dir": str(folder / "data"), "currency": "USD", "notify_urls": urls} | changes))


def ended(settings: Settings, *results: MonthDone, error: Exception | None = None) -> list[str]:
    """A run that bills these months, or ends in `error`; gives its warnings."""
    reporter = Reporter(mute=True)
    with suppress(type(error) if error else KeyError), session.opened(settings=settings, reporter=reporter) as run:
        run.results += results
        if error:
            raise error
    return reporter.warnings


def test_a_month_is_told_once_and_again_when_its_figures_change(tmp_path: Path, ear: Ear) -> None:
    settings = settings_for(tmp_path, ear, report_url="https://files.example.com/reports")
    for _ in range(2):
        ended(settings, MADE)
    assert ear.titles == ["ECGrid bill 2026-10 is ready"]
    assert ear.heard[0]["message"].startswith(
        "Invoiced 51,938.13 USD; claimable 9.99 USD; disputed 0.00 USD; to pay 51,938.13 USD, or 51,928.14 USD once "
        "all is disputed.\nRecalculated: 51,783.13 USD, 1,417 lines of 3 accounts\nFindings: 2, 1 of them open errors\n"
        "Money at stake: 9.99 USD too much, 155.00 USD unclear\n"
        "Report: https://files.example.com/reports/2026-10/reconcile_month.html\nData directory "
    )
    ended(settings, replace(MADE, amount=Decimal("51783.13") + 1))
    assert len(ear.heard) == 2
    assert "51,784.13" in ear.heard[1]["message"]
    files = [path for path in (tmp_path / "data").rglob("*") if path.is_file()]
    assert [path for path in files if TOKEN.encode() in path.read_bytes()] == []


def ahead(kind: str, difference: str, **of: object) -> dict[str, object]:
    names = ("contract_id", "network_id", "mailbox_id", "client", "account_report", "measure_field")
    return {"notice": kind, "difference": Decimal(difference), **dict.fromkeys(names), **of}


def test_what_is_ahead_is_told_as_sums_and_not_again_for_another_amount(tmp_path: Path, ear: Ear) -> None:
    settings = settings_for(tmp_path, ear)
    running = MonthDone(
        MONTH,
        notices=[
            ahead("budget_ahead", "10.50", contract_id=8751),
            ahead("budget_ahead", "2.00", client="Müller & Töchter"),
            ahead("tier_ahead", "-30.25", network_id=4443, mailbox_id=105262, measure_field="TotalKCs"),
        ],
    )
    ended(settings, running)
    assert ear.titles == ["ECGrid 2026-10: notices before the invoice"]
    assert ear.heard[0]["message"].startswith(
        "Budgets that will be exceeded: 2 (12.50 USD above them)\n"
        "Accounts that pass a tier: 1 (-30.25 USD against the price so far)\n"
    )
    assert not [word for word in ("8751", "105262", "Müller") if word in ear.heard[0]["message"]]
    ended(settings, replace(running, notices=[{**one, "difference": Decimal(99)} for one in running.notices]))
    assert len(ear.heard) == 1
    ended(settings, replace(running, notices=[*running.notices, ahead("unusual_use", "12", network_id=4440)]))
    assert len(ear.heard) == 2


def test_a_failure_is_told_once_until_a_run_succeeds(tmp_path: Path, ear: Ear) -> None:
    """The text of the error names an account: it is not told."""
    settings = settings_for(tmp_path, ear)
    for _ in range(2):
        ended(settings, error=Unreachable("4443/105262 TrafficKC: nobody answers"))
    assert ear.titles == ["ECGrid billing failed"]
    assert "cannot be reached" in ear.heard[0]["message"]
    assert "4443" not in json.dumps(ear.heard)
    ended(settings)  # it billed nothing, so it shows nothing
    ended(settings, error=Unreachable("again"))
    assert len(ear.heard) == 1
    ended(settings, error=Incomplete("another kind"))
    assert "some calls have no response" in ear.heard[1]["message"]
    ended(settings, MADE)
    ended(settings, error=Unreachable("again"))
    assert ear.titles[1:] == ["ECGrid billing failed", "ECGrid bill 2026-10 is ready", "ECGrid billing failed"]


def test_a_month_with_missing_keys_is_told_as_failed_not_as_ready(tmp_path: Path, ear: Ear) -> None:
    """`run` looks at such a month before it ends with 4, so no exception passes."""
    ended(settings_for(tmp_path, ear), replace(MADE, missing_calls=1))
    assert ear.titles == ["ECGrid billing failed"]
    assert "status 4" in ear.heard[0]["message"]


def test_a_month_that_stays_incomplete_is_told_once_whatever_goes_well_meanwhile(tmp_path: Path, ear: Ear) -> None:
    """Every night `serve` bills what is owed, in vain, and then looks at the running month, which goes well."""
    settings, running = settings_for(tmp_path, ear), MonthDone(date(2026, 11, 1))
    for _ in range(3):
        ended(settings, replace(MADE, missing_calls=1), error=Incomplete("4443/105262 was never answered"))
        ended(settings, running)
    assert ear.titles == ["ECGrid billing failed"]
    assert "The run of 2026-10 ended: some calls have no response" in ear.heard[0]["message"]
    ended(settings, replace(running, missing_calls=1))
    ended(settings, replace(running, missing_calls=1))
    assert ["2026-11" in one["message"] for one in ear.heard] == [False, True], "another month is another event"
    ended(settings, MADE)
    ended(settings, replace(MADE, missing_calls=1))
    assert ear.titles[2:] == ["ECGrid bill 2026-10 is ready", "ECGrid billing failed"], "it succeeded in between"


def test_a_month_that_lost_answers_is_told_as_failed(tmp_path: Path, ear: Ear) -> None:
    settings = settings_for(tmp_path, ear)
    for _ in range(2):
        with session.opened(settings=settings, reporter=Reporter(mute=True)) as run:
            run.lost[date(2026, 9, 1)] = "2026-09: 3 responses of the raw log are damaged or missing"
            run.results.append(MADE)
    assert ear.titles == ["ECGrid bill 2026-10 is ready", "ECGrid billing failed"]
    assert "The run of 2026-09 ended: some calls have no response" in ear.heard[1]["message"]


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (SettingsError("x"), "a setting, or the data directory"),
        (NotAMonth("2026-13"), "a setting, or the data directory"),
        (ZeroDivisionError("x"), "internal error"),
    ],
)
def test_every_kind_of_failure_is_told(tmp_path: Path, ear: Ear, error: Exception, told: str) -> None:
    ended(settings_for(tmp_path, ear), error=error)
    assert told in ear.heard[0]["message"]


def test_a_run_that_is_held_off_is_told(tmp_path: Path, ear: Ear) -> None:
    settings = settings_for(tmp_path, ear)
    with LocalStore(settings.data_dir).lock("run"):
        for _ in range(2):
            with pytest.raises(DataDirectoryHeld):
                ended(settings)
    assert ear.titles == ["ECGrid billing was blocked"]


def test_invented_data_are_called_so(tmp_path: Path, ear: Ear) -> None:
    settings = settings_for(tmp_path, ear)
    with session.opened(settings=settings, reporter=Reporter(mute=True), is_invented=True) as run:
        run.check_source()
        run.puller.before_first_answer()
        run.results.append(MADE)
    assert ear.titles == ["INVENTED DATA: ECGrid bill 2026-10 is ready"]


def test_other_commands_tell_nothing(tmp_path: Path, ear: Ear) -> None:
    for purpose in ("pull", "build", "accounts"):
        with session.opened(settings=settings_for(tmp_path, ear), reporter=Reporter(mute=True), purpose=purpose) as run:
            run.results.append(MADE)
    assert ear.heard == []


def test_an_address_that_refuses_fails_no_run_and_is_tried_by_the_next(tmp_path: Path, ear: Ear) -> None:
    settings = settings_for(tmp_path, ear)
    ear.status = 500
    warnings = ended(settings, MADE)
    assert warnings == [
        "address 1 of ECGRID_NOTIFY_URLS (json://…) did not accept the notice: ECGrid bill 2026-10 is ready"
    ]
    ear.status = 204
    ear.heard.clear()
    assert ended(settings, MADE) == []
    assert ear.titles == ["ECGrid bill 2026-10 is ready"]


def test_one_address_of_three_is_enough(tmp_path: Path, ear: Ear) -> None:
    """Sent again, those who got it would have it twice."""
    dead = [Secret("json://127.0.0.1:9/x"), Secret("nosuch://kind")]
    settings = settings_for(tmp_path, notify_urls=(*dead, Secret(ear.url)))
    warnings = ended(settings, MADE)
    assert [number for number in "123" if any(f"address {number} of" in words for words in warnings)] == ["1", "2"]
    assert ended(settings, MADE) == []
    assert len(ear.heard) == 1


def test_a_data_directory_that_takes_no_record_fails_no_run(tmp_path: Path, ear: Ear) -> None:
    settings = settings_for(tmp_path, ear)
    (tmp_path / "data/notices").write_text("a file where a folder should be")
    assert ended(settings, MADE) == ["the notices about this run could not be sent: StorageFailed"]
    assert ear.heard == []


def test_two_runs_that_are_held_off_at_once_tell_once(tmp_path: Path, ear: Ear) -> None:
    settings = settings_for(tmp_path, ear)
    LocalStore(settings.data_dir).prepare()

    def held_off(_: int) -> None:
        with suppress(DataDirectoryHeld), notices.watching(Run(settings, Reporter(mute=True))):
            raise DataDirectoryHeld("by another")

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(held_off, range(8)))
    assert ear.titles == ["ECGrid billing was blocked"]


def test_a_run_killed_before_it_sends_tells_nothing_twice(billing: Command, tmp_path: Path, ear: Ear) -> None:
    """The record comes first: killed in between, the notice is lost."""
    (tmp_path / "exports/2023-01").mkdir(parents=True)
    (tmp_path / "exports/2023-01/manifest.json").write_text("{}")
    program = (
        "import os, signal; from ecgrid_flows.orchestration import notices; from ecgrid_flows.cli import main; "
        "notices._send = lambda *_: os.kill(os.getpid(), signal.SIGKILL); main()"
    )
    arguments = ["status", "--notify", "--data-dir", str(tmp_path)]
    killed = subprocess.run(
        [sys.executable, "-c", program, *arguments], env=environment(ear), capture_output=True, check=False
    )
    assert killed.returncode == -signal.SIGKILL
    assert sorted(path.name for path in (tmp_path / "notices").glob("*.json")) == ["overdue-2023-01-invoice.json"]
    assert status(billing, tmp_path, ear).returncode == 4
    assert "ECGrid invoice of 2023-01 is overdue" not in ear.titles
    assert "ECGrid bill 2023-02 is overdue" in ear.titles
    told = len(ear.heard)
    status(billing, tmp_path, ear)
    assert len(ear.heard) == told == len(set(ear.titles))


def environment(ear: Ear) -> Mapping[str, str]:
    return {**os.environ, "ECGRID_NOTIFY_URLS": ear.url}


def status(billing: Command, data_dir: Path, ear: Ear) -> "subprocess.CompletedProcess[str]":
    arguments = ("status", "--notify", "--log-level", "DEBUG", "--data-dir", str(data_dir))
    done = billing(*arguments, env=environment(ear))
    assert TOKEN not in done.stdout + done.stderr
    return done


def test_a_flow_run_without_credentials_tells(tmp_path: Path, ear: Ear, monkeypatch: pytest.MonkeyPatch) -> None:
    """A work pool's process whose environment was lost."""
    from ecgrid_flows.orchestration import deployments

    monkeypatch.setattr(deployments, "_block", lambda _: None)  # no Prefect server is asked for a Secret block
    monkeypatch.setenv("ECGRID_NOTIFY_URLS", ear.url)
    monkeypatch.chdir(tmp_path)
    ended = deployments._settled(lambda _: iter(()), str(tmp_path / "data"))
    assert ended.name == "Settings"
    assert ear.titles == ["ECGrid billing failed"]


@pytest.mark.parametrize(
    ("flow", "months"), [("billing_month", ["2026-13"]), ("billing_range", ["2026-13", "2026-10"]),
                         ("billing_range", ["2026-10", "2026-08"])],
)  # fmt: skip
def test_a_flow_run_with_a_wrong_month_tells(
    tmp_path: Path, ear: Ear, monkeypatch: pytest.MonkeyPatch, flow: str, months: list[str]
) -> None:
    from ecgrid_flows.orchestration import deployments

    monkeypatch.setenv("ECGRID_API_KEY", "a-key")
    monkeypatch.setenv("ECGRID_NOTIFY_URLS", ear.url)
    monkeypatch.chdir(tmp_path)
    assert getattr(deployments, flow).fn(*months, data_dir=str(tmp_path / "data")).name == "Settings"
    assert ear.titles == ["ECGrid billing failed"]
    assert "status 2" in ear.heard[0]["message"]


def test_reference_tables_that_are_refused_are_told_once(tmp_path: Path, ear: Ear) -> None:
    """A person edited a table by day; the run of the night ends before it is open."""
    settings = settings_for(tmp_path, ear)
    (tmp_path / "data/reference").mkdir()
    (tmp_path / "data/reference/contract_terms.csv").write_text("no,such,columns\n1,2,3\n")
    for _ in range(2):
        with pytest.raises(SettingsError, match=r"contract_terms\.csv"), session.opened(settings=settings):
            pytest.fail("it was opened")
    assert ear.titles == ["ECGrid billing failed"]
    with pytest.raises(SettingsError), session.opened(settings=settings, purpose="build"):
        pytest.fail("it was opened")
    assert len(ear.heard) == 1


@pytest.mark.parametrize("way", ["command", "flow"])
def test_settings_that_are_refused_are_told(
    billing: Command, tmp_path: Path, ear: Ear, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    wrong = {"ECGRID_NOTIFY_URLS": ear.url, "ECGRID_CONCURRENCY": "many", "ECGRID_API_KEY": "s3cret-key"}
    if way == "command":
        done = billing("run", "--data-dir", str(tmp_path / "data"), env=wrong, cwd=tmp_path)
        assert (done.returncode, TOKEN in done.stderr) == (2, False)
    else:
        from ecgrid_flows.orchestration import deployments

        for name, text in wrong.items():
            monkeypatch.setenv(name, text)
        monkeypatch.chdir(tmp_path)
        assert deployments._settled(lambda _: iter(()), str(tmp_path / "data")).name == "Settings"
    assert ear.titles == ["ECGrid billing failed"]
    assert "s3cret" not in json.dumps(ear.heard)


def test_addresses_that_are_refused_end_the_run_in_their_own_sentence(billing: Command, tmp_path: Path) -> None:
    wrong = {"ECGRID_NOTIFY_URLS": "no-address", "ECGRID_API_KEY": "a-key"}
    done = billing("run", "--data-dir", str(tmp_path / "data"), env=wrong, cwd=tmp_path)
    assert done.returncode == 2
    assert "entry 1 is not an address" in done.stderr
    assert "Traceback" not in done.stderr


def test_amounts_have_a_currency_where_one_is_set() -> None:
    assert "51,783.13 EUR, 1,417 lines" in notices.ready_text(Settings(currency="EUR"), MADE)[1]
    assert "51,783.13, 1,417 lines" in notices.ready_text(Settings(), MADE)[1]


def load(text: str) -> Settings:
    return Settings.load("data", environ={"ECGRID_NOTIFY_URLS": text}, dotenv=Path("/nonexistent/.env"))


@pytest.mark.parametrize(
    ("text", "urls"),
    [
        ("json://a.example/x", ["json://a.example/x"]),
        (" json://a.example , mailto://u:p@b.example?to=x@c.example,y@c.example\tslack://A/B/C ",
         ["json://a.example", "mailto://u:p@b.example?to=x@c.example,y@c.example", "slack://A/B/C"]),
        (",json://a.example,", ["json://a.example"]),
    ],
)  # fmt: skip
def test_addresses_are_separated_by_spaces_or_commas(text: str, urls: list[str]) -> None:
    assert [url.reveal() for url in load(text).notify_urls] == urls


def test_what_is_no_address_is_refused_without_repeating_it() -> None:
    with pytest.raises(SettingsError, match="entry 1 is not an address") as refused:
        load("hunter2hunter2 json://a.example")
    assert "hunter2" not in str(refused.value)


def test_doctor_names_the_kinds_and_sends_nothing(ear: Ear) -> None:
    def told(settings: Settings) -> doctor.Check:
        return next(check for check in doctor.machine(settings) if check.name == "notices")

    assert told(Settings()).words == "no recipients: set ECGRID_NOTIFY_URLS"
    assert (told(load(ear.url)).health, told(load(ear.url)).words) == (doctor.Health.OK, "json://…")
    assert told(load(f"{ear.url} nosuch://kind")).health == doctor.Health.FAILED
    assert ear.heard == []
