"""`call`, `session`, `api-key`, `interconnects`, `stats` and `doctor` against the sandbox: what they print, and how
they end (CONTRACT, exit status)."""

import io
import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pytest

from ecgrid_flows.cli import _ending_in_order, main
from ecgrid_flows.errors import ExitStatus
from ecgrid_flows.storage.run_lock import served
from ecgrid_sandbox import Sandbox, Trouble, World

from .client_replay import Asked, Server, Told


@dataclass(frozen=True)
class Ran:
    """How a command ended and what it wrote."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> object:
        return json.loads(self.out)


class Commands:
    """Runs commands in this process, in an environment of their own."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], folder: Path) -> None:
        self.monkeypatch = monkeypatch
        self._capsys = capsys
        monkeypatch.chdir(folder)
        monkeypatch.setenv("ECGRID_MAX_ATTEMPTS", "2")

    def use(self, sandbox: Sandbox, **settings: str) -> None:
        for name, value in {**sandbox.settings(), **settings}.items():
            self.monkeypatch.setenv(name, value)

    def run(self, *words: str) -> Ran:
        self.monkeypatch.setattr("sys.argv", ["ecgrid-billing", *words])
        self._capsys.readouterr()
        try:
            main()
            status = 0
        except SystemExit as end:
            status = int(end.code or 0)
        out, err = self._capsys.readouterr()
        return Ran(status, out, err)


@pytest.fixture(scope="module")
def world() -> World:
    return World.shipped(date(2026, 10, 1))


@pytest.fixture
def sandbox(world: World) -> Iterator[Sandbox]:
    with Sandbox(world) as made:
        yield made


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Commands:
    return Commands(monkeypatch, capsys, tmp_path)


@pytest.fixture
def commands(bare: Commands, sandbox: Sandbox) -> Commands:
    bare.use(sandbox)
    return bare


@pytest.mark.parametrize("binding", ["soap11", "soap12", "get", "post"])
def test_call_gives_the_answer_as_json(commands: Commands, sandbox: Sandbox, binding: str) -> None:
    ran = commands.run("call", "NetworkInfo", "--api", "v3.2", "--binding", binding, "NetworkID=4440")
    assert (ran.status, ran.err) == (0, "")
    assert isinstance(ran.json, dict)
    assert (ran.json["NetworkID"], ran.json["ECGridAccount"]) == (4440, True)
    assert ran.json["Name"] == 'Müller & Töchter, "Logistik" GmbH'
    assert sandbox.open_sessions == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_command_that_is_ended_logs_out_first(tmp_path: Path, number: int) -> None:
    server, is_asked = Server(), threading.Event()

    def slow(asked: Asked) -> Told | None:
        if asked.operation != "InterconnectCount":
            return None
        is_asked.set()
        return Told(is_silent=True)

    server.rules = slow
    settings = {"ECGRID_V4_URL": server.endpoints.v4_url, "ECGRID_LOGIN_NAME": "a", "ECGRID_PASSWORD": "Passw0rd!"}
    command = [sys.executable, "-c", "from ecgrid_flows.cli import main; main()", "interconnects", "--max-days", "7"]
    with subprocess.Popen(
        command,
        env={**os.environ, **settings},
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        preexec_fn=lambda: signal.signal(number, signal.SIG_DFL),  # below nohup it would be ignored, and rightly so
    ) as ended:
        assert is_asked.wait()
        ended.send_signal(number)
        _, said = ended.communicate()
    assert (ended.returncode, b"Traceback" in said) == (128 + number, False)
    assert len(server.sessions_closed) == server.sessions_opened == 1
    server.close()


def test_what_goes_wrong_on_the_way_out_of_an_ended_command_is_no_fault() -> None:
    """As a lock does, that the unwinding found in the middle of being taken."""

    @_ending_in_order()
    def command() -> None:
        try:
            signal.raise_signal(signal.SIGTERM)
        except SystemExit:
            raise RuntimeError("release unlocked lock") from None

    with pytest.raises(SystemExit) as ended:
        command()
    assert ended.value.code == 128 + signal.SIGTERM
    with pytest.raises(RuntimeError, match="of its own"), _ending_in_order():
        raise RuntimeError("of its own")


def test_the_version_is_one_line(bare: Commands) -> None:
    ran = bare.run("--version")
    assert (ran.status, ran.err) == (0, "")
    assert re.fullmatch(r"ecgrid-billing \d+(\.\d+)+\n", ran.out)


def test_call_of_a_dataset(commands: Commands) -> None:
    ran = commands.run("call", "InterconnectCount", "--api", "v4.1", "MaxDays=7", "--json")
    assert ran.status == 0
    assert isinstance(ran.json, dict)
    assert [column["name"] for column in ran.json["tables"]["Table"]["columns"]][:2] == ["StatusID", "Status"]


def test_call_needs_no_credentials_where_the_operation_needs_none(bare: Commands, sandbox: Sandbox) -> None:
    bare.use(sandbox)
    bare.monkeypatch.delenv("ECGRID_LOGIN_NAME")
    bare.monkeypatch.delenv("ECGRID_PASSWORD")
    assert bare.run("call", "Version", "--api", "v4.1").json == "v4.1 (Build 472)"
    ran = bare.run("call", "WhoAmI")
    assert ran.status == 2
    assert "ECGRID_API_KEY" in ran.err


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (("call", "Nonsense"), 2, "no operation"),
        (("call", "NetworkInfo"), 2, "needs NetworkID"),
        (("call", "NetworkInfo", "NetworkID=abc"), 2, "whole number"),
        (("call", "NetworkInfo", "NetworkID"), 2, "not NAME=VALUE"),
        (("call", "NetworkInfo", "NetworkID=1", "NetworkID=2"), 2, "twice"),
        (("call", "NetworkInfo", "NetworkID=999999"), 4, "not found"),
        (("call", "NetworkInfo", "--api", "v9"), 2, "v9"),
        (("interconnects",), 2, "--max-days"),
        (("stats", "--minutes", "5"), 2, "--minutes"),
    ],
)
def test_what_goes_wrong_ends_with_its_status_and_one_sentence(
    commands: Commands, words: tuple[str, ...], status: int, said: str
) -> None:
    ran = commands.run(*words)
    assert ran.status == status
    assert said in ran.err
    assert ran.out == ""


def test_a_wrong_password_and_nobody_home_are_status_3(commands: Commands, sandbox: Sandbox) -> None:
    commands.monkeypatch.setenv("ECGRID_PASSWORD", "Wr0ng-password")
    ran = commands.run("call", "WhoAmI")
    assert ran.status == 3
    assert "ECGRID_PASSWORD" in ran.err
    assert "Wr0ng-password" not in ran.err
    sandbox.stop()
    ran = commands.run("call", "Version")
    assert ran.status == 3
    assert "no connection" in ran.err


def test_a_session_by_hand(commands: Commands, sandbox: Sandbox) -> None:
    ran = commands.run("session", "login", "--api", "v2.3", "--json")
    assert isinstance(ran.json, dict)
    session_id = ran.json["session_id"]
    assert ran.json["api"] == "v2.3"
    assert sandbox.open_sessions == 1
    who = commands.run("session", "whoami", "--api", "v2.3", "--session-id", session_id)
    assert who.status == 0
    assert "demo@localhost" in who.out
    assert session_id not in who.out
    commands.monkeypatch.setenv("ECGRID_SESSION_ID", session_id)
    assert commands.run("session", "logout", "--api", "v2.3").out == "closed\n"
    assert sandbox.open_sessions == 0
    ran = commands.run("session", "logout", "--api", "v2.3")
    assert ran.status == 3
    assert session_id not in ran.err


def test_a_session_id_may_come_by_pipe(commands: Commands, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    session_id = commands.run("session", "login", "--api", "v3.2").out.strip()
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{session_id}\n"))
    assert commands.run("session", "logout", "--api", "v3.2").status == 0
    assert sandbox.open_sessions == 0
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    assert commands.run("session", "logout", "--api", "v3.2").status == 2


def test_whoami_by_itself_leaves_no_session(commands: Commands, sandbox: Sandbox) -> None:
    ran = commands.run("session", "whoami", "--api", "v4.1", "--json")
    assert isinstance(ran.json, dict)
    assert (ran.json["UserID"], ran.json["SessionID"]) == (5001, "***")
    assert sandbox.open_sessions == 0


def test_an_api_key_is_made_only_on_consent(
    commands: Commands, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = sandbox.api_key
    assert commands.run("api-key", "show", "--user-id", "5001").out.strip() == before
    for answer in ("n\n", ""):
        monkeypatch.setattr("sys.stdin", io.StringIO(answer))
        ran = commands.run("api-key", "generate", "--user-id", "5001")
        assert (ran.status, ran.out) == (2, "")
        assert "no key was generated" in ran.err
    assert sandbox.api_key == before
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n"))
    made = commands.run("api-key", "generate", "--user-id", "5001").out.strip()
    assert made == sandbox.api_key != before
    again = commands.run("api-key", "generate", "--user-id", "5001", "--yes", "--json")
    assert again.json == {"user_id": 5001, "api_key": sandbox.api_key}


def test_tables_for_people_and_for_programs(commands: Commands) -> None:
    ran = commands.run("interconnects", "--max-days", "7")
    assert ran.status == 0
    assert "Rejected" in ran.out
    assert "Table1: no rows" in ran.out
    found = commands.run("interconnects", "--max-days", "7", "--network-id", "4440", "--json").json
    assert isinstance(found, dict)
    assert {"Table", "Table1"} == set(found["tables"])
    ran = commands.run("stats", "--minutes", "5", "60")
    assert "ParcelsIn1" in ran.out
    found = commands.run("stats", "--minutes", "5", "60", "--json").json
    assert isinstance(found, dict)
    assert len(found["tables"]["Table"]["rows"]) == 1


def checks_of(ran: Ran) -> dict[tuple[str | None, str], str]:
    assert isinstance(ran.json, dict)
    return {(check["api"], check["check"]): check["result"] for check in ran.json["checks"]}


def test_doctor_in_good_health(commands: Commands, sandbox: Sandbox) -> None:
    ran = commands.run("doctor", "--json")
    assert ran.status == 0
    found = checks_of(ran)
    for api in ("v2.3", "v3.2", "v4.1"):
        assert [found[(api, name)] for name in ("reachable", "clock", "wsdl", "login")] == ["ok"] * 4
    assert found[("v3.2", "right to InvoiceCalculateLineItem")] == "ok"
    assert found[("v4.1", "right to ReportInstantStats")] == "ok"
    assert found[(None, "data directory")] == "ok"
    assert sandbox.open_sessions == 0
    assert not {name for _, name in sandbox.calls} & {"GenerateAPIKey", "InvoiceCalculate", "UserGetAPIKey"}
    people = commands.run("doctor", "--api", "v3.2", "--verbose")
    assert people.status == 0
    assert sandbox.password not in ran.out + people.out
    assert sandbox.login_name not in ran.out + people.out


def test_serve_and_doctor_warn_where_there_is_no_api_key(commands: Commands, sandbox: Sandbox, tmp_path: Path) -> None:
    """`serve` ends here at once, for another serves the data directory; it warns before."""
    words = "Without ECGRID_API_KEY each run opens a session per version"

    def said() -> tuple[str, str, str]:
        with served(tmp_path / "data"):
            serving = commands.run("serve", "--data-dir", str(tmp_path / "data"))
        assert serving.status == ExitStatus.HELD
        ran = commands.run("doctor", "--api", "v2.3", "--json")
        return " ".join(serving.err.split()), checks_of(ran)[(None, "credentials")], ran.out

    warned, result, out = said()
    assert (words in warned, result, words in out) == (True, "note", True)
    commands.monkeypatch.setenv("ECGRID_API_KEY", sandbox.api_key)
    warned, result, out = said()
    assert (words in warned, result, words in out) == (False, "ok", False)


def test_doctor_tells_missing_rights_drift_and_pending(bare: Commands, world: World) -> None:
    with Sandbox(world, Trouble(drift="older", pending=["PricelistInfo"]), auth_level="NetworkUser") as older:
        bare.use(older)
        ran = bare.run("doctor", "--api", "v3.2", "--json")
    assert ran.status == 0
    found = checks_of(ran)
    assert found[("v3.2", "right to MailboxListEx")] == "note"
    assert found[("v3.2", "right to PricelistInfo")] == "note"
    assert isinstance(ran.json, dict)
    (wsdl,) = [check for check in ran.json["checks"] if check["check"] == "wsdl"]
    assert "type LineItem: lacks LineDate" in wsdl["details"]


def test_doctor_without_a_service_or_with_a_wrong_password(commands: Commands, sandbox: Sandbox) -> None:
    commands.monkeypatch.setenv("ECGRID_PASSWORD", "Wr0ng-password")
    ran = commands.run("doctor", "--api", "v3.2", "--json")
    assert ran.status == 3
    assert checks_of(ran)[("v3.2", "login")] == "refused"
    assert "Wr0ng-password" not in ran.out
    sandbox.stop()
    ran = commands.run("doctor", "--json")
    assert ran.status == 3
    assert checks_of(ran)[("v4.1", "reachable")] == "unreachable"


def test_doctor_with_a_data_directory_that_cannot_be(commands: Commands, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no directory")
    ran = commands.run("doctor", "--api", "v2.3", "--data-dir", str(tmp_path / "file" / "data"), "--json")
    assert ran.status == 2
    assert checks_of(ran)[(None, "data directory")] == "failed"


def test_a_live_wsdl_offers_more_operations(commands: Commands) -> None:
    assert commands.run("call", "ReportTrafficStatsPublic", "--api", "v4.1").status == 2
    commands.monkeypatch.setenv("ECGRID_WSDL_V4", "live")
    ran = commands.run("call", "InterconnectCount", "--api", "v4.1", "MaxDays=3")
    assert ran.status == 0


@pytest.mark.parametrize(
    "words", [("call",), ("session",), ("session", "login"), ("api-key",), ("interconnects",), ("stats",), ("doctor",)]
)
def test_help(bare: Commands, words: tuple[str, ...]) -> None:
    ran = bare.run(*words, "--help")
    assert ran.status == 0
    assert "Usage: ecgrid-billing" in ran.out
