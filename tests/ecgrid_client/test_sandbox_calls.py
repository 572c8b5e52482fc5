"""The client against the sandbox, over real HTTP: the five founding operations over all four protocols, and trouble."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path

import pytest

from ecgrid_client import (
    BINDINGS,
    VERSIONS,
    Credentials,
    ECGridClient,
    Endpoints,
    RetryPolicy,
    datasets,
    decode,
    errors,
)
from ecgrid_client.operations import read_wsdl
from ecgrid_sandbox import Sandbox, Trouble, World
from ecgrid_transforms.period import reporting_month_text

MONTH = date(2026, 10, 1)
PUBLISHED = Path(__file__).resolve().parents[3] / "shared" / "wsdl"


@pytest.fixture(scope="module")
def world() -> World:
    return World.shipped(MONTH)


@pytest.fixture(scope="module")
def sandbox(world: World) -> Iterator[Sandbox]:
    with Sandbox(world) as made:
        yield made


def client_of(sandbox: Sandbox, **options: object) -> ECGridClient:
    options = {"retry": RetryPolicy(max_attempts=6, first_wait_s=0.01, longest_wait_s=0.05), **options}
    credentials = options.pop("credentials", None) or Credentials(sandbox.login_name, sandbox.password)
    return ECGridClient(
        Endpoints(sandbox.v2_url, sandbox.v3_url, sandbox.v4_url),
        credentials,
        call_timeout_s=600,
        **options,
    )


def key_of(client: ECGridClient) -> dict[str, object]:
    """The arguments of a line that is billed: a network's Root, and a measure of its own price list."""
    info = decode.networks(client.ask("v3.2", "NetworkList", {"Name": ""}).body)[0]
    price_list = decode.pricelist(client.ask("v3.2", "PricelistInfo", {"PricelistID": info.price_list_id}).body)
    assert price_list is not None
    schedule = price_list.levels[0].schedules[0]
    return {
        "NetworkID": info.account.network_id,
        "MailboxID": info.account.mailbox_id,
        "ReportingMonth": reporting_month_text(MONTH),
        "AccountReport": schedule.account_report,
        "MeasureField": schedule.measure,
    }


# --- five operations, four protocols ----------------------------------------------------------------------------------


@pytest.mark.parametrize("binding", BINDINGS)
def test_interconnect_count(sandbox: Sandbox, binding: str) -> None:
    with client_of(sandbox) as client:
        found = datasets.tables(client.ask("v4.1", "InterconnectCount", {"MaxDays": 7}, binding=binding).body)
        reference = datasets.tables(client.ask("v4.1", "InterconnectCount", {"MaxDays": 7}).body)
    assert found["Table"].num_rows > 0
    assert {"Status", "Interconnects"} <= set(found["Table"].column_names)
    assert all(found[name].equals(reference[name]) for name in reference)


@pytest.mark.parametrize("binding", BINDINGS)
def test_instant_stats(sandbox: Sandbox, binding: str) -> None:
    with client_of(sandbox) as client:
        asked = ("v4.1", "ReportInstantStats", {"Minutes1": 5, "Minutes2": 60})
        found = datasets.tables(client.ask(*asked, binding=binding).body)["Table"]
        reference = datasets.tables(client.ask(*asked).body)["Table"]
    assert found.num_rows == 1
    assert {"ParcelsIn1", "ParcelsOut1", "ParcelsIn2"} <= set(found.column_names)
    assert found.equals(reference)


@pytest.mark.parametrize("binding", BINDINGS)
def test_logout(sandbox: Sandbox, binding: str) -> None:
    with client_of(sandbox) as client:
        before = sandbox.open_sessions
        session_id = client.log_in("v2.3")
        assert sandbox.open_sessions == before + 1
        answer = client.ask("v2.3", "Logout", {"SessionID": session_id}, binding=binding)
        assert decode.to_json(answer.body, "Logout", "v2.3") == 0
        assert sandbox.open_sessions == before
        with pytest.raises(errors.SessionExpired):
            client.ask("v2.3", "Logout", {"SessionID": session_id}, binding=binding)


@pytest.mark.parametrize("binding", BINDINGS)
def test_invoice_calculate_line_item(sandbox: Sandbox, binding: str) -> None:
    with client_of(sandbox) as client:
        key = key_of(client)
        line = decode.line_item(client.ask("v3.2", "InvoiceCalculateLineItem", key, binding=binding).body)
        same = decode.line_item(client.ask("v3.2", "InvoiceCalculateLineItem", key).body)
        with pytest.raises(errors.NotOnPriceList):
            client.ask("v3.2", "InvoiceCalculateLineItem", {**key, "MeasureField": "MigratedTPs"}, binding=binding)
    assert line is not None
    assert line == same
    assert line.schedule is not None
    assert (line.schedule.account_report, line.schedule.measure) == (key["AccountReport"], key["MeasureField"])


@pytest.mark.parametrize("binding", BINDINGS)
def test_generate_api_key(sandbox: Sandbox, binding: str) -> None:
    with client_of(sandbox) as client:
        key = decode.scalar(client.ask("v4.1", "GenerateAPIKey", {"UserID": 5001}, binding=binding).body)
        assert key == sandbox.api_key
        assert decode.scalar(client.ask("v4.1", "UserGetAPIKey", {"UserID": 5001}, binding=binding).body) == key
    opened = sandbox.calls[("v3.2", "Login")]
    with client_of(sandbox, credentials=Credentials(api_key=key)) as client:
        answer = client.ask("v3.2", "NetworkList", {"Name": ""}, binding=binding)
    assert decode.networks(answer.body)
    assert sandbox.calls[("v3.2", "Login")] == opened


# --- the rest of what a run asks --------------------------------------------------------------------------------------


def test_every_operation_of_ours_is_answered_and_read(sandbox: Sandbox, world: World) -> None:
    network = world.networks[0]
    bare = reporting_month_text(MONTH)
    arguments: dict[str, dict[str, object]] = {
        "NetworkInfo": {"NetworkID": network.network_id},
        "MailboxListEx": {"NetworkID": network.network_id},
        "ContractList": {"ActiveDate": bare, "ShowInactive": True},
        "InvoiceList": {"BeginDate": bare, "EndDate": "2026-12-01T00:00:00", "ContractID": 0, "Status": "All"},
        "ReportMonthly": {"Report": 1, "Month": bare},
        "ReportMonthlyEx": {"NetworkID": network.network_id, "MailboxID": -1, "Report": 1, "Month": bare},
        "ReportTrafficStats": {"TargetTime": bare, "NumPeriods": 3, "Period": "Day"},
    }
    with client_of(sandbox) as client:
        networks = decode.networks(client.ask("v3.2", "NetworkList", {"Name": ""}).body)
        assert {info.account.network_id for info in networks} == {one.network_id for one in world.networks}
        mailboxes = decode.mailboxes(client.ask("v3.2", "MailboxListEx", arguments["MailboxListEx"]).body)
        assert mailboxes
        contracts = decode.contracts(client.ask("v3.2", "ContractList", arguments["ContractList"]).body)
        contract = decode.contract(client.ask("v3.2", "ContractInfo", {"ContractID": contracts[0].contract_id}).body)
        assert contract is not None
        assert contract.contract_id == contracts[0].contract_id
        invoices = decode.invoices(client.ask("v3.2", "InvoiceList", arguments["InvoiceList"]).body)
        if invoices:
            invoice = decode.invoice(client.ask("v3.2", "InvoiceInfo", {"InvoiceID": invoices[0].invoice_id}).body)
            assert invoice is not None
            assert invoice.total_amount == invoices[0].total_amount
        for name in ("ReportMonthly", "ReportMonthlyEx", "ReportTrafficStats"):
            for version in ("v3.2", "v4.1"):
                assert datasets.tables(client.ask(version, name, arguments[name]).body)
        for version in VERSIONS:
            who = decode.to_json(client.ask(version, "WhoAmI").body, "WhoAmI", version)
            assert isinstance(who, dict)
            assert who["UserID"] == 5001
            assert decode.scalar(client.ask(version, "Version", binding="post").body)
            assert (decode.scalar(client.ask(version, "NowUTC", binding="get").body) or "").endswith("Z")
    assert sandbox.open_sessions == 0


@pytest.mark.parametrize("detail", ["code", "ErrorInfo", "details"])
@pytest.mark.parametrize("binding", BINDINGS)
def test_faults_in_every_form(world: World, detail: str, binding: str) -> None:
    trouble = Trouble(detail=detail, pending=["PricelistInfo"], refused=["ContractList"])
    with Sandbox(world, trouble) as troubled, client_of(troubled) as client:
        with pytest.raises(errors.NotImplementedByService):
            client.ask("v3.2", "PricelistInfo", {"PricelistID": 431}, binding=binding)
        with pytest.raises(errors.AccessDenied):
            client.ask(
                "v3.2",
                "ContractList",
                {"ActiveDate": "2026-10-01T00:00:00", "ShowInactive": False},
                binding=binding,
            )
        with pytest.raises(errors.NotFound):
            client.ask("v3.2", "NetworkInfo", {"NetworkID": 999_999}, binding=binding)


def test_wrong_password_and_too_many_sessions(world: World) -> None:
    with Sandbox(world) as fresh:
        wrong = Credentials(fresh.login_name, "Wr0ng-password")
        with client_of(fresh, credentials=wrong) as client, pytest.raises(errors.CredentialsRefused):
            client.ask("v3.2", "WhoAmI")
        with client_of(fresh) as client:
            held = [client.log_in("v3.2") for _ in range(5)]
            with pytest.raises(errors.TooManySessions):
                client.ask("v3.2", "WhoAmI")
            client.log_out("v3.2", held.pop())
            client.ask("v3.2", "WhoAmI")
            for session_id in held:
                client.log_out("v3.2", session_id)
        assert fresh.open_sessions == 0


@pytest.mark.parametrize("drift", ["older", "newer"])
def test_drift_neither_breaks_nor_blanks(world: World, drift: str) -> None:
    with Sandbox(world) as plain, Sandbox(world, Trouble(drift=drift, extra_values=drift == "newer")) as drifted:
        with client_of(plain) as client:
            key = key_of(client)
            expected = decode.line_item(client.ask("v3.2", "InvoiceCalculateLineItem", key).body)
        with client_of(drifted) as client:
            found = decode.line_item(client.ask("v3.2", "InvoiceCalculateLineItem", key).body)
    assert expected is not None
    assert found is not None
    assert expected.schedule is not None
    assert found.schedule is not None
    assert (found.amount, found.actual, found.quantity_billed) == (
        expected.amount,
        expected.actual,
        expected.quantity_billed,
    )
    assert (found.schedule.rate, found.schedule.block) == (expected.schedule.rate, expected.schedule.block)
    if drift == "older":
        assert (found.line_date, found.schedule.minimum) == (None, None)
    else:
        assert found.extra or found.schedule.extra


def test_the_sandboxes_own_wsdl_live(sandbox: Sandbox) -> None:
    with client_of(sandbox, wsdl={"v2.3": "live", "v3.2": "live", "v4.1": "live"}) as client:
        line = decode.line_item(client.ask("v3.2", "InvoiceCalculateLineItem", key_of(client)).body)
        assert line is not None
        for version in VERSIONS:
            client.ask(version, "WhoAmI", binding="soap12")
            assert client.service(version).source.endswith("?WSDL")


@pytest.mark.parametrize(("version", "name"), [("v3.2", "v3.2-2016.wsdl"), ("v4.1", "v4.1-2024.wsdl")])
def test_calls_through_the_published_wsdls(
    world: World, version: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The snapshots as they are, against the sandbox in the shape of their time."""
    path = PUBLISHED / name
    if not path.is_file():
        pytest.skip(f"the published WSDLs are not beside this checkout ({PUBLISHED})")
    published = read_wsdl(path.read_bytes(), version, "the published WSDL")
    with Sandbox(world, Trouble(drift="older")) as older, client_of(older, wsdl={version: "live"}) as client:
        monkeypatch.setattr(client, "live_service", lambda wanted: published)
        if version == "v3.2":
            key = key_of(client)
            assert decode.line_item(client.ask(version, "InvoiceCalculateLineItem", key).body) is not None
        else:
            assert datasets.tables(client.ask(version, "InterconnectCount", {"MaxDays": 7}).body)["Table"].num_rows
            assert datasets.tables(client.ask(version, "ReportInstantStats", {"Minutes1": 1, "Minutes2": 2}).body)
        assert client.service(version) is published


def test_a_troubled_service_still_gives_every_line_exactly(world: World) -> None:
    """Faults of all kinds, lost connections and sessions that die every 15 calls, under 8 threads."""
    with Sandbox(world) as plain, client_of(plain) as client:
        key = key_of(client)
        expected = decode.line_item(client.ask("v3.2", "InvoiceCalculateLineItem", key).body)
    trouble = Trouble(fault_rate=0.1, drop_rate=0.05, session_calls=15, seed=7)
    retry = RetryPolicy(max_attempts=9, first_wait_s=0.01, longest_wait_s=0.05)
    with (
        Sandbox(world, trouble) as troubled,
        client_of(troubled, retry=retry) as client,
        ThreadPoolExecutor(8) as pool,
    ):
        answers = list(pool.map(lambda _: client.ask("v3.2", "InvoiceCalculateLineItem", key), range(80)))
    assert [decode.line_item(answer.body) for answer in answers] == [expected] * 80
    assert max(answer.attempts for answer in answers) > 1
