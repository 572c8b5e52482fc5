"""The schedule without a server: what is owed, how it is recorded, and that both ways to deploy say the same.

Prefect takes seconds to load, in every process that collects tests: it is loaded by the tests that run it.
"""

import asyncio
import signal
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from ecgrid_flows.errors import Incomplete, SettingsError
from ecgrid_flows.finance import audit_log
from ecgrid_flows.orchestration import run_context, schedule, session, status
from ecgrid_flows.orchestration.run_context import Checked, MonthDone
from ecgrid_flows.progress import Reporter
from ecgrid_flows.rating.month_totals import AtStake, InvoiceTotals
from ecgrid_flows.settings import Secret, Settings
from ecgrid_flows.storage.local import LocalStore
from ecgrid_transforms.money import Decimal
from ecgrid_transforms.period import last_full_month, month_text, next_month, parse_month
from tests.support.waiting import until

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def deployments() -> Any:
    from ecgrid_flows.orchestration import deployments

    return deployments


@pytest.fixture(scope="module")
def artifacts() -> Any:
    from ecgrid_flows.orchestration import artifacts

    return artifacts


def test_prefect_yaml_is_what_serve_serves(deployments: Any) -> None:
    """Written anew by: python -m ecgrid_flows.deployments > prefect.yaml."""
    assert (ROOT / "prefect.yaml").read_text(encoding="utf-8") == deployments.prefect_yaml()


def test_prefect_yaml_takes_the_crons_of_the_settings_and_no_limit_that_a_dead_run_could_hold(deployments: Any) -> None:
    text = deployments.prefect_yaml("5 7 3 * *", "0 1 * * *")
    assert text.count("cron:") == 2
    assert "cron: '5 7 3 * *'" in text
    assert "cron: '0 1 * * *'" in text
    assert "concurrency_limit" not in text


def test_each_deployment_is_found_by_its_module(deployments: Any) -> None:
    from prefect.flows import load_flow_from_entrypoint

    assert [one.name for one in deployments.deployments()] == ["monthly", "open-month", "range"]
    for one in deployments.deployments():
        assert load_flow_from_entrypoint(one.entrypoint).name == one.flow.name


def test_what_a_data_directory_owes_is_read_from_its_exports_and_its_record(tmp_path: Path) -> None:
    store, settings = LocalStore(tmp_path), Settings(data_dir=str(tmp_path))
    now = datetime(2026, 11, 28, tzinfo=UTC)
    assert schedule.owed(settings, store, now) == []
    begun = schedule.begin(store, datetime(2026, 10, 15, tzinfo=UTC))
    assert schedule.begin(store, now) == begun  # it stays as it was first recorded
    assert [one.month for one in schedule.owed(settings, store, now)] == [date(2026, 10, 1)]
    for month in ("2026-07", "2026-10", "2026-08-provisional", "2026-09/nested", "2026-13", "0000-01"):
        (tmp_path / "exports" / month).mkdir(parents=True)
        (tmp_path / "exports" / month / "manifest.json").write_text("{}")
    (tmp_path / "exports/2026-08").mkdir()  # begun, and not whole
    assert [one.month for one in schedule.owed(settings, store, now)] == [date(2026, 8, 1), date(2026, 9, 1)]


def test_a_night_takes_up_exported_months_that_are_not_fully_checked(
    deployments: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A trial calculation without a response holds no export back, and status 4 promises that it is requested again."""
    store = LocalStore(tmp_path)
    months = [next_month(last_full_month(), past) for past in (-3, -2, -1, 0)]  # the last, or it would be owed
    for month, is_whole in zip(months, (True, False, False, True), strict=True):
        store.write(f"exports/{month_text(month)}/manifest.json", b"{}")
        status.note(store, month, 5, 0, is_whole=is_whole)
    audit_log.append(store, "close", {"month": month_text(months[1])})
    store.write(f"runs/{month_text(months[0])}.json", b"cut sh")
    settings = Settings(data_dir=str(tmp_path), api_key=Secret("a-key"))
    taken: list[list[date]] = []

    def billed(_: Settings, months_of: Any) -> Any:
        with session.opened(settings=settings, reporter=Reporter(mute=True)) as run:
            taken.append(months_of(run))
        return iter(())

    monkeypatch.setattr(deployments, "_scheduled_at", lambda: datetime.now(UTC))
    monkeypatch.setattr(deployments, "_settled", lambda work, _: list(work(settings)))
    monkeypatch.setattr(deployments, "_billed", billed)
    monkeypatch.setattr(deployments, "_looked_at", lambda _: iter(()))
    deployments.billing_open_month.fn()
    assert taken[0] == [months[0], months[2]]


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"name": "../../x", "since": "2026-10-15T00:00:00+00:00"}',
                                  '{"name": "0123abcd", "since": "2026-10-15T00:00:00"}'])  # fmt: skip
def test_a_damaged_record_of_the_schedule_is_a_sentence(tmp_path: Path, text: str) -> None:
    (tmp_path / "schedule.json").write_text(text)
    with pytest.raises(SettingsError, match=r"schedule\.json is damaged: delete it"):
        schedule.read(LocalStore(tmp_path))


def test_a_scheduled_run_that_lost_answers_ends_as_the_command_does(
    deployments: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`run` ends with 4 there; so the flow run is Failed, named Incomplete, after what it billed was given out."""

    def billed(month: str, _: str) -> MonthDone:
        run_context.current().lost[date(2026, 9, 1)] = "2026-09: 3 responses of the raw log are damaged or missing"
        return MonthDone(parse_month(month))

    monkeypatch.setattr(deployments, "monthly_billing", billed)
    for artifact in ("create_progress_artifact", "update_progress_artifact"):
        monkeypatch.setattr(deployments, artifact, lambda *_, **__: None)
    months = deployments._billed(Settings(data_dir=str(tmp_path)), lambda _: [date(2026, 10, 1)])
    assert next(months).month == date(2026, 10, 1)
    with pytest.raises(Incomplete, match="2026-09: 3 responses of the raw log are damaged or missing"):
        next(months)


@pytest.mark.parametrize(
    ("flow", "parameters", "told"),
    [
        ("billing_month", ["2026-13"], "'2026-13' is not a month"),
        ("billing_range", ["2026-13", "2026-10"], "'2026-13' is not a month"),
        ("billing_range", ["2026-10", "2026-08"], "first, 2026-10, is after last, 2026-08: swap them"),
    ],
)
def test_a_wrong_month_is_a_failed_state_with_a_sentence(
    deployments: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, flow: str, parameters: list[str], told: str
) -> None:
    monkeypatch.setattr(deployments, "_block", lambda _: None)  # no Prefect server is asked for a Secret block
    monkeypatch.setenv("ECGRID_API_KEY", "a-key")
    ended = getattr(deployments, flow).fn(*parameters, data_dir=str(tmp_path / "data"))
    assert (ended.type, ended.name) == ("FAILED", "Settings")
    assert told in ended.message


@pytest.mark.parametrize("is_in_month", [True, False], ids=["in a month", "between months"])
def test_a_signal_stops_the_calls_of_every_step_of_a_scheduled_run(
    deployments: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_in_month: bool
) -> None:
    """The handler of Prefect's engine, here that of each flow, would leave calls to a service that hangs waiting."""
    from ecgrid_flows.orchestration import flows

    def stopped(*_: Any) -> list[date]:
        signal.raise_signal(signal.SIGTERM)
        until(lambda: run_context.current().puller.check_going_on())  # it raises once the calls are stopped
        raise AssertionError("nothing stopped the calls")

    def engine(*parameters: str) -> MonthDone:
        before = signal.signal(signal.SIGTERM, lambda *_: pytest.fail("the flow does not handle it"))
        try:
            done: MonthDone = flows.monthly_billing.fn(*parameters)
            return done
        finally:
            signal.signal(signal.SIGTERM, before)

    monkeypatch.setattr(flows, "bill_months", stopped)
    monkeypatch.setattr(deployments, "monthly_billing", engine)
    for artifact in ("create_progress_artifact", "update_progress_artifact"):
        monkeypatch.setattr(deployments, artifact, lambda *_, **__: None)
    before = signal.signal(signal.SIGTERM, lambda *_: pytest.fail("the run does not handle it"))
    try:
        months = (lambda _: [date(2026, 10, 1)]) if is_in_month else stopped
        with pytest.raises(Incomplete, match="stopped by SIGTERM; every response so far is kept"):
            list(deployments._billed(Settings(data_dir=str(tmp_path)), months))
    finally:
        signal.signal(signal.SIGTERM, before)


def test_the_open_month_is_the_one_that_runs_in_utc(deployments: Any) -> None:
    assert deployments.open_month(datetime(2026, 11, 30, 23, 59, tzinfo=UTC)) == date(2026, 11, 1)
    assert deployments.open_month(datetime(2026, 12, 1, tzinfo=UTC)) == date(2026, 12, 1)


def test_a_dead_server_is_noticed_while_prefects_client_still_tries_to_reach_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It tries for minutes; `serve` then ended with "scheduled no run", not with the reason."""
    from ecgrid_flows.orchestration import serving

    async def tries(*_: object) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(serving._Serving, "_unscheduled", tries)
    looks = iter([None, None])
    watched = serving._Serving.__new__(serving._Serving)  # without its deployments, which take seconds
    watched.settings, watched.began = Settings(data_dir=str(tmp_path)), datetime.now(UTC)
    watched.server_ended = lambda: next(looks, "the Prefect server ended by SIGKILL")
    with pytest.raises(serving.ScheduleFailed, match="ended by SIGKILL"):
        asyncio.run(watched._watch(None))


def test_an_address_with_a_password_is_shown_without_it() -> None:
    from ecgrid_flows.orchestration.prefect_api import shown

    assert shown("https://me:pa%40ss@prefect.example.com:8443/api") == "https://prefect.example.com:8443/api"
    assert shown("http://127.0.0.1:4200/api") == "http://127.0.0.1:4200/api"


@pytest.mark.parametrize(
    "text",
    ["nonsense", "/api", "ftp://prefect.example.com/api", "http://", "http:///api", "https://[::1", "http://x:99999/api",
     "http://x/api?a=1", "http://me:pa%40ss@x/a pi"],
)  # fmt: skip
def test_what_is_no_address_of_a_prefect_api_is_refused_at_once(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from ecgrid_flows.orchestration.prefect_api import address

    monkeypatch.setenv("PREFECT_API_URL", text)
    with pytest.raises(SettingsError, match=r"^PREFECT_API_URL is '.*': write the http or https address") as refused:
        address()
    assert "pa%40ss" not in str(refused.value)


def test_the_summary_is_text_from_decimals_and_owns_up_to_invented_data(artifacts: Any) -> None:
    invoices = InvoiceTotals(
        invoiced=Decimal(1300), claimable=Decimal("0.1"), disputed=Decimal(12), to_pay=Decimal(1288),
        once_disputed=Decimal("1287.9")
    )  # fmt: skip
    checked = Checked({"wrong_tier": 1}, 1, AtStake(Decimal("0.1")), invoices)
    done = MonthDone(date(2026, 10, 1), accounts=2, lines=3, amount=Decimal("1234.5"), checked=checked)
    text = artifacts.summary(done, "USD", invented=True)
    assert (
        "Invoiced 1,300.00 USD; claimable 0.10 USD; disputed 12.00 USD; to pay 1,288.00 USD, or 1,287.90 USD once"
        in text
    )
    assert "| Invoiced | 1,300.00 USD |" in text
    assert "| Recalculated | 1,234.50 USD |" in text
    assert "| Money at stake | 0.10 USD too much |" in text
    assert "| Disputed | 12.00 USD |" in text
    assert "- Priced by the wrong tier: 1" in text
    assert "Invented data" in text
    without = artifacts.summary(done, None, invented=False)
    assert "| Recalculated | 1,234.50 |" in without
    assert "Invented data" not in without
