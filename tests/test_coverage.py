"""Branches of a package that its own tests take, held by a floor each.

Measured are packages whose tests run in this process: what commands in processes of their own take is not counted.
"""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
#: Package, its tests, least branches taken of a thousand.
FLOORS = (
    ("ecgrid_transforms", ["tests/transforms"], 950),
    ("ecgrid_client", ["tests/ecgrid_client"], 890),
    ("ecgrid_flows.finance", ["-m", "not soak", "tests/finance", "tests/recon/test_accruals.py"], 925),
)


@pytest.mark.soak
@pytest.mark.timeout(3 * 1200)  # it runs many tests
@pytest.mark.parametrize(("package", "tests", "floor"), FLOORS, ids=[package for package, *_ in FLOORS])
def test_the_tests_of_a_package_take_its_branches(package: str, tests: list[str], floor: int, tmp_path: Path) -> None:
    coverage = [sys.executable, "-m", "coverage"]
    data, report = f"--data-file={tmp_path / 'data'}", tmp_path / "report.json"
    suite = ["-m", "pytest", "-q", "-p", "no:cacheprovider", *tests]
    ran = subprocess.run(
        [*coverage, "run", f"--source={package}", "--branch", data, *suite],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout[-4000:]
    subprocess.run([*coverage, "json", data, "-q", "-o", report], cwd=ROOT, check=True)
    totals = json.loads(report.read_text())["totals"]
    taken, branches = totals["covered_branches"], totals["num_branches"]
    print(f"{package}: {taken} of {branches} branches")
    assert taken * 1000 >= floor * branches, f"{package}: {taken} of {branches} branches"
