"""The page Unattended, tried from a wheel in an environment of its own: commands, units, cron lines, container file.

Not tried here, for want of root, systemd as the first process, a network and a container engine: see `NOT_TRIED`. The
steps of the container file that need none of these are run as they stand there, in an empty environment.
"""

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ecgrid_flows import due
from ecgrid_flows.errors import ExitStatus
from ecgrid_sandbox import Sandbox, World

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "flows/UNATTENDED.md").read_text(encoding="utf-8")
FILES = ROOT / "flows/unattended"
WORLD = World.shipped()
#: Beginnings of commands that want root, an engine, or a package index.
NOT_TRIED = (
    *("useradd ", "chmod 700 /var/lib", "install -m 600 -o", "cp flows/unattended", "systemctl ", "podman "),
    "/opt/ecgrid-billing/bin/python -m pip install --no-deps --require-hashes",
    "ECGRID_",  # settings, not commands
)


def lines_of_page() -> list[str]:
    blocks = re.findall(r"^```\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    return [line for block in blocks for line in block.splitlines() if line]


@dataclass(frozen=True)
class Machine:
    """A folder that stands for /opt, /var/lib, /var/log and dist."""

    top: Path

    def moved(self, text: str) -> str:
        """The text with the page's places below `top`."""
        for place in (
            "/opt/ecgrid-billing",
            "/var/lib/ecgrid-billing",
            "/var/log/ecgrid-billing",
            "/tmp/ecgrid-billing",
        ):
            text = text.replace(place, str(self.top / place.removeprefix("/")))
        return re.sub(r"(?<![\w/])dist\b", str(self.top / "dist"), text)

    @property
    def state(self) -> Path:
        return self.top / "var/lib/ecgrid-billing"

    def run(self, command: str, cwd: Path = ROOT) -> "subprocess.CompletedProcess[str]":
        """By a shell that knows nothing of this process, as cron, systemd and a container start it."""
        return subprocess.run(
            ["/bin/sh", "-c", self.moved(command)],
            env={"PATH": f"{self.top / 'bin'}:/usr/bin:/bin", "HOME": str(self.state), "LANG": "C.UTF-8"},
            cwd=cwd,
            capture_output=True,
            text=True,
            check=False,
        )


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(WORLD) as running:
        yield running


@pytest.fixture(scope="module")
def machine(sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Machine:
    """Installed by the page's lines; what the lock would install comes from the environment of these tests."""
    made = Machine(tmp_path_factory.mktemp("machine"))
    for folder in ("bin", "var/log/ecgrid-billing", "opt", "tmp/ecgrid-billing"):
        (made.top / folder).mkdir(parents=True)
    made.state.mkdir(parents=True, mode=0o700)
    # a link would lose the environment of these tests, whose hatchling makes the wheel
    (made.top / "bin/python3").write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    (made.top / "bin/python3").chmod(0o700)
    wheel, environment, _, install = [line for line in lines_of_page() if " -m " in line and "podman" not in line][:4]
    assert wheel.startswith("python3 -m pip wheel")
    done = made.run(f"{wheel} --no-build-isolation --quiet")  # isolated, it would fetch hatchling
    assert done.returncode == 0, done.stderr
    assert environment == "python3 -m venv /opt/ecgrid-billing"
    venv.create(made.top / "opt/ecgrid-billing", with_pip=True)
    paths = sysconfig.get_paths(vars={"base": str(made.top / "opt/ecgrid-billing")})
    libraries = [place for place in sys.path if place.endswith("site-packages")]  # without this checkout's own code
    (Path(paths["purelib"]) / "of_the_tests.pth").write_text("\n".join(libraries) + "\n")
    done = made.run(f"{install} --quiet")
    assert done.returncode == 0, done.stderr
    few = made.state / "few.csv"
    few.write_text(
        "network_id,mailbox_id\n" + "".join(f"{a},{b}\n" for a, b, *_ in sorted(WORLD.accounts)[:3]), encoding="utf-8"
    )
    urls = {name: text for name, text in sandbox.settings().items() if name.endswith("_URL")}
    settings = {**urls, "ECGRID_API_KEY": sandbox.api_key, "ECGRID_ACCOUNTS": "few.csv"}
    (made.state / ".env").write_text("".join(f"{name}={text}\n" for name, text in settings.items()), encoding="utf-8")
    return made


def test_every_line_of_the_page_is_tried_or_named() -> None:
    tried = ("python3 -m pip wheel", "python3 -m venv", "/opt/ecgrid-billing/bin/python -m pip install", "cd /var/lib/")
    assert [line for line in lines_of_page() if not line.startswith((*tried, *NOT_TRIED))] == []


@pytest.mark.soak
def test_the_commands_do_what_the_page_says(machine: Machine, sandbox: Sandbox) -> None:
    """In the page's order, then what the units and cron start."""
    first, upgrade = PAGE.split("## Upgrade")
    statuses = {"doctor": {0}, "run": {0, 1}, "status": {0, 4}, "build": {0}}
    for line in re.findall(r"^cd /var/lib/.*$", first, re.MULTILINE):
        done = machine.run(line)
        assert done.returncode in statuses[line.split()[-1]], f"{line}: {done.stdout}{done.stderr}"
    assert list(machine.state.glob("data/exports/*/manifest.json")), "the data go to the folder's own data"
    for name in ("ecgrid-billing", "ecgrid-billing-status"):
        unit = (FILES / f"{name}.service").read_text(encoding="utf-8")
        (command,) = re.findall(r"^ExecStart=(.*)$", unit, re.MULTILINE)
        done = machine.run(command, machine.state)
        assert done.returncode in {0, 1, 4}, f"{command}: {done.stderr}"
    assert "stage=export" in (machine.top / "var/log/ecgrid-billing/run.log").read_text(encoding="utf-8")
    for line in (FILES / "crontab").read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            *_, command = line.split(maxsplit=5)
            assert machine.run(command).returncode in {0, 1, 4}, command
    assert "stage=export" in (machine.state / "run.log").read_text(encoding="utf-8")
    assert '"months"' in (machine.state / "last-run.json").read_text(encoding="utf-8")
    again = next(line for line in upgrade.splitlines() if "--force-reinstall" in line)
    for line in (f"{again} --quiet", *re.findall(r"^cd /var/lib/.*$", upgrade, re.MULTILINE)):
        done = machine.run(line)
        assert done.returncode == 0, f"{line}: {done.stdout}{done.stderr}"
    files = [path for path in machine.top.rglob("*") if path.is_file() and path.name != ".env"]
    assert [path for path in files if sandbox.api_key.encode() in path.read_bytes()] == []


@pytest.mark.soak
def test_the_container_file_step_by_step(machine: Machine) -> None:
    """Its files are there, its steps run, and what it starts is a command."""
    text = (FILES / "Containerfile").read_text(encoding="utf-8")
    steps = [line.split(maxsplit=1) for line in text.splitlines() if line and not line.startswith("#")]
    of = {name: [words for step, words in steps if step == name] for name, _ in steps}
    assert re.fullmatch(r"python:3\.1[123]-slim", of["FROM"][0])
    *sources, target = of["COPY"][0].split()
    for source in sources:
        done = machine.run(f"cp {source} {target}")
        assert done.returncode == 0, done.stderr
    lock, wheel, user = of["RUN"]
    assert "--require-hashes -r /tmp/ecgrid-billing/requirements.lock" in lock
    done = machine.run(wheel.replace("python ", "/opt/ecgrid-billing/bin/python ", 1) + " --quiet --force-reinstall")
    assert done.returncode == 0, done.stderr
    assert user.startswith("useradd --system --create-home --home-dir /var/lib/ecgrid-billing ")
    assert of["ENTRYPOINT"] == ['["ecgrid-billing"]']
    assert of["CMD"] == ['["serve"]']
    refused = machine.run("/opt/ecgrid-billing/bin/ecgrid-billing serve", machine.top)
    assert (refused.returncode, "no credentials" in refused.stderr) == (ExitStatus.USAGE, True)
    assert of["WORKDIR"] == of["VOLUME"] == ["/var/lib/ecgrid-billing"]


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd here")
def test_systemd_takes_the_units(tmp_path: Path) -> None:
    there = tmp_path / "opt/ecgrid-billing/bin"
    there.mkdir(parents=True)
    (there / "ecgrid-billing").symlink_to(Path(sys.executable).with_name("ecgrid-billing"))
    units = []
    for path in sorted([*FILES.glob("*.service"), *FILES.glob("*.timer")]):
        text = path.read_text(encoding="utf-8").replace("/opt/ecgrid-billing", str(tmp_path / "opt/ecgrid-billing"))
        (tmp_path / path.name).write_text(text, encoding="utf-8")
        units.append(str(tmp_path / path.name))
    assert len(units) == 5
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *units],
        env={**os.environ, "SYSTEMD_UNIT_PATH": f"{tmp_path}:"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, [line for line in done.stderr.splitlines() if str(tmp_path) in line]) == (0, [])


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd here")
def test_the_timer_fires_when_the_month_is_due() -> None:
    (when,) = re.findall(
        r"^OnCalendar=(.*)$", (FILES / "ecgrid-billing.timer").read_text(encoding="utf-8"), re.MULTILINE
    )
    shown = subprocess.run(
        ["systemd-analyze", "calendar", "--base-time=2026-11-01 00:00:00 UTC", when],
        env={**os.environ, "TZ": "UTC", "LC_ALL": "C.UTF-8"},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    expected = due.next_fire(due.MONTHLY, datetime(2026, 11, 1, tzinfo=UTC))
    assert f"Next elapse: Mon {expected:%Y-%m-%d %H:%M:%S} UTC" in shown


def test_cron_fires_when_the_month_is_due() -> None:
    first, *_ = [line for line in (FILES / "crontab").read_text(encoding="utf-8").splitlines() if line[0].isdigit()]
    assert " ".join(first.split()[:5]) == due.MONTHLY
