"""`lines` and `notebook`, and the words for a mistyped key."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ecgrid_flows.cli import app
from ecgrid_transforms.money import Decimal, total
from tests.support.lake_of import shipped_dir

JUPYTER = """import json, os, sys
json.dump({"argv": sys.argv[1:], "environ": dict(os.environ)}, open(os.environ["TOLD"], "w"))
raise SystemExit(3)
"""


@pytest.fixture(scope="module")
def data(once: object) -> Path:
    return shipped_dir(once)


def test_the_lines_of_an_account_and_their_findings(data: Path) -> None:
    """The line that the pages of sql/core follow: 443.70 billed where 549.38 is due, by the wrong tier."""
    asked = ["lines", "4443", "105262", "--month", "2026-10", "--data-dir", str(data)]
    told = json.loads(CliRunner().invoke(app, [*asked, "--json"]).stdout)
    (line,) = (row for row in told["lines"] if row["measure_field"] == "TieredKCIntCount")
    assert (line["billed_amount"], line["expected_amount"]) == ("443.7000000000", "549.3800000000")
    assert line["findings"] == ["wrong_tier"]
    shown = CliRunner().invoke(app, asked)
    assert shown.exit_code == 0
    assert "443.70" in shown.stdout
    assert "wrong_tier" in shown.stdout


@pytest.mark.parametrize(
    ("account", "words"),
    [
        (("4443", "105263444"), "network 4443 has no mailbox 105263444; the nearest are"),
        (("4444", "0"), "there is no network 4444; there are"),
    ],
)
def test_an_account_that_is_not_there_gets_the_nearest(data: Path, account: tuple[str, str], words: str) -> None:
    done = CliRunner().invoke(app, ["lines", *account, "--month", "2026-10", "--data-dir", str(data)])
    assert words in str(done.exception)


def test_a_mistyped_measure_gets_the_nearest(data: Path) -> None:
    asked = ["explain", "4443", "105262", "2026-10", "TrafficAl", "ToKC", "--data-dir", str(data)]
    words = str(CliRunner().invoke(app, asked).exception)
    assert "there is no report TrafficAl, the nearest are TrafficAll" in words
    assert "there is no measure ToKC, the nearest are ToKCs" in words


def test_a_notebook_opens_as_a_copy_without_the_secrets(tmp_path: Path) -> None:
    """JupyterLab is started with the copy; a copy that is there is left as it is."""
    (tmp_path / "site/jupyterlab").mkdir(parents=True)
    (tmp_path / "site/jupyterlab/__init__.py").touch()
    (tmp_path / "site/jupyterlab/__main__.py").write_text(JUPYTER, encoding="utf-8")
    own = tmp_path / "data/notebooks/account_history.ipynb"
    own.parents[1].mkdir()
    given = {"PYTHONPATH": str(tmp_path / "site"), "TOLD": str(tmp_path / "told"), "ECGRID_API_KEY": "k-secret"}
    command = [sys.executable, "-c", "from ecgrid_flows.cli import main; main()", "notebook", "account_history"]
    for text in (None, "as I left it"):
        if text is not None:
            own.write_text(text, encoding="utf-8")
        done = subprocess.run(
            [*command, "--data-dir", str(tmp_path / "data")], env={**os.environ, **given}, check=False, cwd=tmp_path
        )
        assert done.returncode == 3
        told = json.loads((tmp_path / "told").read_text(encoding="utf-8"))
        assert told["argv"] == [str(own)]
        assert told["environ"]["ECGRID_DATA_DIR"] == str(tmp_path / "data")
        assert "k-secret" not in told["environ"].values()
        assert text is None or own.read_text(encoding="utf-8") == text


def test_a_mistyped_notebook_gets_the_nearest(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["notebook", "acount_history", "--data-dir", str(tmp_path)])
    assert "did you mean account_history" in str(done.exception)


def test_a_comparison_states_what_it_leaves_out(data: Path) -> None:
    """What is compared and what is left out are together what the service's lines bill: 51,783.12 in 2026-10."""
    asked = ["compare", "--month", "2026-10", "--json", "--data-dir", str(data)]
    told = json.loads(CliRunner().invoke(app, asked).stdout)
    compared = [Decimal(row["billed_amount"]) for row in told["contracts"]]
    left_out = [Decimal(row["billed_amount"]) for row in told["left_out"]]
    assert all(left_out)
    assert total([*compared, *left_out]) == Decimal("51783.12")


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        (["notebook", "recon"], "did you mean reconcile_month?"),
        (["notebook", "zzz"], "there are account_history, margin"),
        (["simulate", "--ladder", "none.csv"], "there is no file none.csv"),
        (["simulate", "--present", "--csv", "none/lines.csv"], "there is no folder none: create it"),
        (
            ["explain", "4443", "999", "2026-10", "TrafficAll", "TotalKCs"],
            "`ecgrid-billing lines 4443 999 --month 2026-10`",
        ),
        (["accrue", "--month", "2026-10"], "`ecgrid-billing status` shows both"),
    ],
)
def test_a_mistake_is_answered_by_what_to_do(asked: list[str], words: str, data: Path) -> None:
    done = CliRunner().invoke(app, [*asked, "--data-dir", str(data)])
    assert words in str(done.exception)


def test_a_build_does_not_make_a_mistyped_directory(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["build", "--data-dir", str(tmp_path / "dta")])
    assert "does not exist: correct --data-dir" in str(done.exception)
    assert not (tmp_path / "dta").exists()


def test_verifying_a_month_of_which_nothing_is_stored_states_so(data: Path) -> None:
    done = CliRunner().invoke(app, ["verify", "--month", "2025-01", "--data-dir", str(data)])
    assert done.exit_code == 0
    assert "Nothing is stored of 2025-01: run `ecgrid-billing run`." in done.stderr
