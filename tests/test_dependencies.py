"""What a run installs: under licences that let it be passed on, and without a known vulnerability."""

import json
import re
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, metadata
from pathlib import Path

import pytest

from tests.prefect_server.test_wheel import pip

pytestmark = pytest.mark.soak

ROOT = Path(__file__).resolve().parents[1]
LOCK = ROOT / "requirements.lock"
#: Of an SPDX expression, a classifier or the words of a `License` field: permissive, or weak copyleft by file.
PERMITTED = re.compile(
    r"(MIT|BSD|0BSD|Apache|ISC|Zlib|CC0|PSF|CNRI|MPL)\b|Mozilla Public License|Python Software Foundation"
)
#: A choice of licences of which one is not in `PERMITTED`: the package is used under the other.
CHOSEN = {
    "text-unidecode": "Artistic License, by choice instead of the GPL",
    "pycurl": "MIT, by choice instead of the LGPL",
}


def locked() -> list[str]:
    return re.findall(r"^([A-Za-z0-9_.-]+)(?:\[[^\]]*\])?==", LOCK.read_text(encoding="utf-8"), re.MULTILINE)


def licences(name: str) -> list[str]:
    """Each licence that the package names, from the first of the places where packages do."""
    told = metadata(name)
    for expression in told.get_all("License-Expression") or ():
        return re.split(r" AND | OR |[()]", expression)
    classified = [one for one in told.get_all("Classifier") or () if one.startswith("License ::")]
    return [one.split(" :: ")[-1] for one in classified] or (told.get_all("License") or ["none"])


def test_every_licence_permits_to_pass_it_on() -> None:
    guilty: dict[str, list[str]] = {}
    seen = 0
    for name in sorted(set(locked()) - CHOSEN.keys()):
        try:
            named = licences(name)
        except PackageNotFoundError:  # for another system or an earlier Python
            continue
        seen += 1
        refused = [one for one in named if one.strip() and not PERMITTED.search(one.splitlines()[0])]
        if refused:
            guilty[name] = refused
    assert seen > 100, "the environment of the lock"
    assert guilty == {}


@pytest.mark.audit
def test_no_vulnerability_is_known(tmp_path: Path) -> None:
    """By pip-audit, where it reaches its data."""
    subprocess.run([sys.executable, "-m", "venv", str(tmp_path / "venv")], check=True)
    python = tmp_path / "venv/bin/python"
    installed = pip(python, "install", "pip-audit")
    if installed.returncode != 0:
        pytest.skip(f"pip-audit cannot be installed: {installed.stderr.strip().splitlines()[-1]}")
    command = [
        str(python),
        "-m",
        "pip_audit",
        "--requirement",
        str(LOCK),
        "--no-deps",
        "--disable-pip",
        "--format",
        "json",
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if not done.stdout.strip():
        pytest.skip(f"pip-audit reaches no data: {done.stderr.strip().splitlines()[-1]}")
    audited = [one for one in json.loads(done.stdout)["dependencies"] if "skip_reason" not in one]
    if not audited:
        pytest.skip("pip-audit reaches no data: not one package was found there")
    assert {one["name"]: one["vulns"] for one in audited if one["vulns"]} == {}
