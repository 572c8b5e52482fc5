"""Logs of every command: one line per stage and per call, and no secret at any level, in any output or file."""

import csv
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest
import typer

from ecgrid_flows.cli import app
from ecgrid_flows.cli.dictionary import _commands
from ecgrid_sandbox import Sandbox, World
from ecgrid_sandbox.service import sessions
from tests.support.ear import TOKEN, listening

pytestmark = pytest.mark.slow

MONTH = date(2026, 10, 1)
WORLD = World.shipped(MONTH)
NETWORK = 4443
USER = "5001"
#: What each command is given; the others are started as they are. In this order: the first ones fill the directory.
ARGUMENTS = {
    "run": ["--month", "2026-10"],
    "pull": ["--month", "2026-10"],
    "accounts": ["--month", "2026-10"],
    "call": ["WhoAmI"],
    "interconnects": ["--max-days", "1"],
    "stats": ["--minutes", "1", "5"],
    "explain": ["4443", "105262", "2026-10", "TrafficKCInterchangeTiered", "TieredKCIntCount"],
    "lines": ["4443", "105262", "--month", "2026-10"],
    "close": ["2026-10"],
    "reopen": ["2026-10", "--why", "a test"],
    "corrections": ["2026-10"],
    "session login": ["--api", "v3.2"],
    "session logout": ["--api", "v3.2", "--session-id", "0B0E7C1E-AAAA-BBBB-CCCC-123456789012"],
    "session whoami": ["--api", "v3.2"],
    "api-key show": ["--user-id", USER],
    "api-key generate": ["--user-id", USER, "--yes"],
    "findings set": ["f0000000000", "accepted", "--note", "a test"],
    "quote": ["--batch", "/dev/null"],
    "invoice import": ["--template"],
    "simulate": ["--present"],
    "invoice withdraw": ["8753"],
}
#: They run until they are stopped; the schedule has tests of its own, and the sandbox prints the credentials it made.
SERVING = {"serve", "sandbox serve"}
#: Refused where the month has open errors, or where nothing has the name that they are given.
MAY_BE_REFUSED = {"accrue", "close", "corrections", "findings set", "invoice withdraw", "rebill", "reopen", "simulate"}
#: Their result is a secret, for that is what they are for. Their logs may not have it.
PRINT_ONE = {"session login", "api-key show", "api-key generate", "session whoami", "call"}


#: Those that `make test` starts: they pull, build, log in, or print a secret.
FEW = ("run", "call", "session login", "session whoami", "api-key generate", "doctor")


def names() -> list[str]:
    """Every command of the tree, those of `ARGUMENTS` first."""
    there = [name for name, _ in _commands("", typer.main.get_command(app))]
    assert ARGUMENTS.keys() <= set(there)
    return [*ARGUMENTS, *(name for name in there if name not in ARGUMENTS.keys() | SERVING)]


@pytest.fixture(scope="module")
def issued() -> Iterator[list[str]]:
    """Every session id and API key that the sandbox makes."""
    made: list[str] = []
    plain = sessions.new_guid

    def noted() -> str:
        made.append(plain())
        return made[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sessions, "new_guid", noted)
        yield made


def holding(secrets: list[str], text: str) -> list[str]:
    return [secret for secret in secrets if secret.lower() in text.lower()]


@pytest.mark.parametrize(
    "is_every",
    [pytest.param(False, marks=pytest.mark.long), pytest.param(True, marks=pytest.mark.soak)],
    ids=["few", "every"],
)
def test_no_command_shows_a_secret_at_debug(billing, issued: list[str], tmp_path: Path, is_every: bool) -> None:
    """Nor does a notice: of a month that is ready, and of a service that is gone."""
    few = tmp_path / "accounts.csv"
    accounts = [account for account in WORLD.accounts if account[0] == NETWORK]
    with few.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("network_id", "mailbox_id"), *accounts])
    log = tmp_path / "log.jsonl"
    with listening() as ear:
        with Sandbox(WORLD) as sandbox:
            own = {"ECGRID_ACCOUNTS": str(few), "ECGRID_CURRENCY": "USD", "ECGRID_NOTIFY_URLS": ear.url}
            env = {**sandbox.settings(), **own}
            secrets = [sandbox.password, sandbox.api_key, TOKEN]
            calls_before = 0
            for name in names() if is_every else FEW:
                arguments = [*name.split(), *ARGUMENTS.get(name, []), "--log-level", "debug", "--log-file", str(log)]
                done = billing(*arguments, env=env, cwd=tmp_path)
                shown = done.stderr if name in PRINT_ONE else done.stdout + done.stderr
                assert holding([*secrets, sandbox.api_key, *issued], shown) == [], name
                assert "Traceback" not in shown, f"{name}: {shown}"
                assert done.returncode != 2 or name in MAY_BE_REFUSED, f"{name}: {shown}"
                if name == "run":
                    calls_before = sum(sandbox.calls.values())
            secrets += [sandbox.api_key, *issued]
        arguments = ["run", "--month", "2026-10", "--refresh", "--log-level", "debug", "--log-file", str(log)]
        gone = billing(*arguments, env={**env, "ECGRID_MAX_ATTEMPTS": "1"}, cwd=tmp_path)
    assert gone.returncode == 3, gone.stderr
    assert holding(secrets, gone.stdout + gone.stderr) == []
    titles = [title for title in ear.titles if "overdue" not in title]  # those depend on the day
    assert titles == ["ECGrid bill 2026-10 is ready", "ECGrid billing failed"]
    private = [*secrets, "Tiered", "TrafficKC", *(str(account[1]) for account in accounts if account[1])]
    assert holding(private, json.dumps(ear.heard)) == []
    assert len(issued) > (10 if is_every else 5)
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert log in files
    guilty = [path for path in files if holding(secrets, path.read_bytes().decode("utf-8", "replace"))]
    assert guilty == []
    lines = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    assert all(line.keys() >= {"time", "level", "logger", "process", "message"} for line in lines)
    words = [line["message"] for line in lines]
    first = words[: next(n for n, line in enumerate(lines) if line["process"] != lines[0]["process"])]
    told = [word for word in first if re.fullmatch(r"op=\S+ key=\S+ status=.+ ms=\d+", word)]
    assert len(told) == calls_before, "one line for every call of the run"
    stages = [match[1] for word in first if (match := re.fullmatch(r"stage=(\w+) month=\S+ status=done ms=\d+", word))]
    assert stages == ["plan", "pull", "land", "build", "check", "export", "report"]
    assert not any("Envelope" in word for word in words)


PROGRAM = """
import logging, sys
from ecgrid_flows import logs
from ecgrid_flows.settings import Settings
Settings.load(environ={"ECGRID_LOGIN_NAME": "me", "ECGRID_PASSWORD": 'pa"ss word-äß', "ECGRID_API_KEY": "0123-key"})
logs.set_up("DEBUG", sys.argv[1])
for name in ("zeep", "zeep.transports", "urllib3", "httpx", "httpcore", "botocore", "prefect", "distributed", "dask"):
    logging.getLogger(name).setLevel(logging.DEBUG)
    logging.getLogger(name).debug("<Envelope>of %s", name)
    logging.getLogger(name).info("%s at INFO", name)
    logging.getLogger(name).warning("%s with %s", name, 'pa"ss word-äß')
own = logging.getLogger("ecgrid_flows.any")
own.debug("100%% of %s", "0123-key")
own.debug("a text for %d numbers pa\\"ss word-äß", "no number")
try:
    raise ValueError("refused 0123-key")
except ValueError:
    own.exception("it failed")
foreign = logging.StreamHandler(sys.stdout)
logging.getLogger("httpx").addHandler(foreign)
logs.attach()
logging.getLogger("httpx").info("a request, by a handler that is not ours")
logging.getLogger("prefect").addHandler(foreign)
logging.getLogger("prefect").error("sent to a server: %s", "0123-key")
"""


def test_libraries_are_masked_and_never_heard_below_info(tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(log)], capture_output=True, text=True, check=True, cwd=tmp_path
    )
    shown = done.stdout + done.stderr + log.read_text(encoding="utf-8")
    assert "Envelope" not in shown
    assert holding(['pa"ss word-äß', 'pa\\"ss word-äß', "0123-key"], shown) == []
    lines = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    heard = {
        name: [line["message"] for line in lines if line["logger"] == name] for name in ("zeep.transports", "httpx")
    }
    assert heard == {
        "zeep.transports": ["zeep.transports at INFO", "zeep.transports with ***"],
        "httpx": ["httpx with ***"],  # at INFO it has a line for each request to Prefect
    }
    assert "100% of ***" in done.stderr
    assert "ValueError: refused ***" in done.stderr
    assert next(line["exception"] for line in lines if "exception" in line).endswith("ValueError: refused ***")
    assert done.stdout == "sent to a server: ***\n", "handlers that are not ours get the masked record too"


def test_the_level_comes_from_the_option_then_the_environment(billing, tmp_path: Path) -> None:
    arguments = ("doctor", "--api", "v3.2")
    nowhere = {f"ECGRID_{name}_URL": "http://127.0.0.1:9/x.asmx" for name in ("V2", "V3", "V4")}
    quiet = billing(*arguments, env=nowhere, cwd=tmp_path)
    loud = billing(*arguments, env={**nowhere, "ECGRID_LOG_LEVEL": "DEBUG"}, cwd=tmp_path)
    over = billing(*arguments, "--log-level", "INFO", env={**nowhere, "ECGRID_LOG_LEVEL": "DEBUG"}, cwd=tmp_path)
    assert ["op=v3.2.Version" in one.stderr for one in (quiet, loud, over)] == [False, True, False]
    refused = billing(*arguments, env={**nowhere, "ECGRID_LOG_LEVEL": "LOUD"}, cwd=tmp_path)
    assert (refused.returncode, "write DEBUG, INFO, WARNING, ERROR" in refused.stderr) == (2, True)
