"""The README's commands, run as they stand there, one after the other, against the sandbox in the service's place."""

import csv
import os
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from ecgrid_sandbox import Sandbox, World
from ecgrid_transforms.period import last_full_month, month_text

pytestmark = pytest.mark.slow

#: The last full month, which the README's examples have as 2026-10.
MONTH = month_text(last_full_month())
README = (Path(__file__).resolve().parents[2] / "README.md").read_text(encoding="utf-8").replace("2026-10", MONTH)
WORLD = World.shipped()
NETWORK = 4443
#: Commands that other tests run. This suite is `make test`; what `status` calls overdue depends on the day.
ELSEWHERE = {"make run", "make test", ".venv/bin/ecgrid-billing serve", ".venv/bin/ecgrid-billing status"}
#: Exit statuses other than 0: findings, and a month with open errors that does not let itself be closed.
STATUS = {"run": 1, "findings": 1, "close": 2, "corrections": 2}


def commands() -> list[str]:
    """Every command of the README: lines of its code blocks, and words between backticks that are more than a name."""
    blocks = re.findall(r"^```\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
    lines = [line.split("  #")[0].strip() for block in blocks for line in block.splitlines()]
    shown = [line for line in lines if re.match(r"(make |export |\.venv/bin/)", line)]
    words = re.findall(r"`([^`\n]+)`", re.sub(r"^```\n.*?^```", "", README, flags=re.MULTILINE | re.DOTALL))
    named = [word for word in words if re.match(r"(\.venv/bin/ecgrid-billing |(close|corrections|export)\b)", word)]
    return list(dict.fromkeys([*shown, *named]))


def test_they_are_found() -> None:
    found = commands()
    assert found[:2] == ["make run", "make test"]
    assert sum("ecgrid-billing" in command for command in found) >= 5
    assert {"export", f"close {MONTH}", f"corrections {MONTH}"} <= set(found)


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(WORLD) as running:
        yield running


@pytest.mark.soak
def test_every_command_does_what_the_readme_says(billing, sandbox: Sandbox, tmp_path: Path) -> None:
    few = tmp_path / "accounts.csv"
    with few.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(
            [("network_id", "mailbox_id"), *(account for account in WORLD.accounts if account[0] == NETWORK)]
        )
    env = {**sandbox.settings(), "ECGRID_ACCOUNTS": str(few), "ECGRID_CURRENCY": "USD"}
    # `make run` goes first, as in the README: invented data and the service's must not meet in one directory
    first = billing("run", env={"ECGRID_ACCOUNTS": str(few)}, cwd=tmp_path)
    assert first.returncode == 1, first.stderr
    assert "Data directory: data/sandbox" in first.stderr
    found = billing("findings", cwd=tmp_path)
    assert found.returncode == 1, "without credentials, the sandbox's findings"
    assert not (tmp_path / "data/raw").exists()
    said = {}
    for command in commands():
        if command in ELSEWHERE:
            continue
        words = shlex.split(command)
        if words[0] == "export" and len(words) > 1:  # the shell's: credentials, which the sandbox has its own of
            assert {word.partition("=")[0] for word in words[1:]} <= env.keys()
            continue
        arguments = words[1:] if words[0].endswith("ecgrid-billing") else words
        done = billing(*arguments, env=env, cwd=tmp_path)
        assert done.returncode == STATUS.get(arguments[0], 0), f"{command}: {done.stdout}{done.stderr}"
        assert "Traceback" not in done.stderr
        assert os.environ.get("ECGRID_PASSWORD", sandbox.password) not in done.stdout + done.stderr
        said[arguments[0]] = done.stdout + done.stderr
    assert said.keys() >= {"doctor", "run", "findings", "explain", "export", "close", "corrections"}
    assert "wrong_tier" in said["findings"], "the example of the README is a line that does not fit"
    assert "--accept" in said["close"]
    assert sandbox.open_sessions == 0
    currency = {"ECGRID_CURRENCY": env["ECGRID_CURRENCY"]}
    assert billing("findings", "--month", MONTH, env=currency, cwd=tmp_path).stdout == said["findings"], (
        "a reader has no password"
    )
    again = billing("run", cwd=tmp_path)
    assert again.returncode == 2
    assert "--data-dir data/sandbox" in again.stderr
