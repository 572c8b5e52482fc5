"""The wheel without the lock, as somebody installs it who has no checkout: the newest of everything that it admits.

What breaks Prefect is capped in pyproject.toml. A release that does so next is found here: the schedule that `serve`
runs from the wheel must make its runs by itself.
"""

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from .living import Api, environment, running, until

ROOT = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.soak


def pip(python: str | Path, *arguments: str | Path) -> "subprocess.CompletedProcess[str]":
    """pip as this machine is set up, without a person's constraints."""
    return subprocess.run(
        [str(python), "-m", "pip", *map(str, arguments)],
        env={name: value for name, value in os.environ.items() if name != "PIP_CONSTRAINT"},
        capture_output=True,
        text=True,
        check=False,
    )


def built(source: Path, folder: Path) -> Path:
    """The wheel of a tree, or of a source distribution."""
    done = pip(sys.executable, "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", folder, source)
    assert done.returncode == 0, done.stderr
    (wheel,) = folder.glob("ecgrid_billing-*.whl")
    return wheel


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the programs of a new environment that holds the wheel of this tree."""
    folder = tmp_path_factory.mktemp("wheel")
    looked = pip(sys.executable, "download", "--no-deps", "--no-cache-dir", "--dest", folder / "one", "iniconfig")
    if looked.returncode != 0:
        pytest.skip(f"pip reaches no package index: {looked.stderr.strip().splitlines()[-1]}")
    wheel = built(ROOT, folder)
    subprocess.run([sys.executable, "-m", "venv", str(folder / "venv")], check=True)
    programs = folder / "venv/bin"
    done = pip(programs / "python", "install", wheel)
    assert done.returncode == 0, done.stderr
    return programs


def test_the_wheel_brings_nothing_that_a_run_does_not_need(installed: Path) -> None:
    listed = json.loads(pip(installed / "python", "list", "--format", "json").stdout)
    names = {one["name"].lower() for one in listed}
    assert "ecgrid-billing" in names
    assert names & {"pytest", "mypy", "ruff", "hypothesis", "moto", "dask", "distributed", "obstore", "boto3"} == set()


def test_the_source_distribution_holds_the_whole_wheel(tmp_path: Path) -> None:
    """Built where no checkout is: SQL, notebooks and reference tables come from the archive alone."""
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "--target", "sdist", "--directory", str(tmp_path / "sdist")],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    (archive,) = (tmp_path / "sdist").glob("ecgrid_billing-*.tar.gz")
    of_archive, of_tree = (
        {name: whole.read(name) for name in whole.namelist()}
        for whole in (
            zipfile.ZipFile(built(archive, tmp_path / "archive")),
            zipfile.ZipFile(built(ROOT, tmp_path / "tree")),
        )
    )
    assert of_archive == of_tree
    assert any(name.endswith("_assets/sql/out/out_findings.sql") for name in of_tree)


def test_the_wheel_bills_a_month_in_an_empty_folder(installed: Path, tmp_path: Path) -> None:
    """No Makefile and no checkout: 417 lines of the sandbox's month, with its planted errors (status 1)."""
    done = subprocess.run(
        [str(installed / "ecgrid-billing"), "run", "--json"],
        cwd=tmp_path,
        env=environment(tmp_path),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1, done.stderr
    (month,) = json.loads(done.stdout)["months"]
    assert month["lines"] == 417
    assert (tmp_path / month["report"]).is_file()


def test_a_schedule_from_the_wheel_makes_its_runs_by_itself(installed: Path, tmp_path: Path) -> None:
    """Nothing here creates a run: those that appear are the scheduler's."""
    command = [str(installed / "ecgrid-billing"), "serve", "--sandbox", "--json", "--port", "0"]
    with running(command, tmp_path, environment(tmp_path)) as process:
        until(lambda: process.stdout.endswith("}\n"), "the start of serve", process)
        told = json.loads(process.stdout)
        api = Api(told["prefect_api_url"])
        until(lambda: set(told["deployments"]) <= set(api.deployments()), "the deployments", process)
        for deployment in (one for one in api.deployments().values() if one["schedules"]):
            until(
                lambda one=deployment: any(run["auto_scheduled"] for run in api.runs(one)),
                f"a run of {deployment['name']}",
                process,
            )
