"""The report as a file: whole or absent, small, without secrets, and with a sentence when it cannot be made."""

import os
import re
import shutil
import sys
from contextlib import closing
from datetime import date
from pathlib import Path

import duckdb
import nbformat
import pandas as pd
import pytest

from ecgrid_flows.errors import ExitStatus, NoSuchData
from ecgrid_flows.reporting.report import ReportFailed, execute, render, report_month
from ecgrid_flows.reporting.sections import claims_table, verdict
from ecgrid_flows.settings import Settings
from ecgrid_transforms.money import Decimal

from . import handmade

LIMIT = 5_000_000


def notebook(folder: Path, *cells: str) -> Path:
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell, id=f"c{n}") for n, cell in enumerate(cells)])
    book.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    path = folder / "made.ipynb"
    nbformat.write(book, path)
    return path


def test_it_lies_where_the_contract_says_and_fetches_nothing(page: Path, handmade_dir: Path) -> None:
    assert page == handmade_dir / "reports/2026-10/reconcile_month.html"
    assert [path.name for path in page.parent.iterdir()] == ["reconcile_month.html"]
    text = page.read_text(encoding="utf-8")
    head, _, body = text.partition("<body>")
    assert "default-src 'none'" in head
    assert not re.search(
        r"<(script|img|iframe)[^>]+src=|<link\b|@import|url\(", head + re.sub(r"(?s)<script>.*?</script>", "", body)
    )
    assert text.count("window.vegaEmbed=") <= 1


def test_service_text_never_becomes_markup(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert "<script>document.title" not in text
    assert "&lt;script&gt;document.title=" in text
    assert "<b>bold" not in text
    assert "\\u003cscript\\u003e" in text, "the chart's data are JSON inside a script element"


def test_a_credit_is_asked_for_what_errors_claim_alone() -> None:
    """An error of 30.00 and a warning of 20.00: 50.00 are at stake, 30.00 to dispute."""
    amounts = {name: [Decimal(0)] * 2 for name in ("too_little_amount", "unclear_amount")}
    findings = pd.DataFrame(
        {
            **amounts,
            "severity": ["error", "warning"],
            "state": ["open", "open"],
            "claimable_amount": [Decimal(30), Decimal(0)],
            "too_much_amount": [Decimal(30), Decimal(20)],
        }
    )
    lines = pd.DataFrame({"verdict": ["differs", "undecided"], "amount": [Decimal(130), Decimal(50)]})
    text = str(verdict(date(2026, 10, 1), lines, findings, pd.DataFrame()))
    assert "Ask Loren Data to credit 30.00;" in text
    assert "Ask Loren Data about 20.00 in warnings" in text


def test_a_month_in_which_nothing_was_billed_has_its_page(handmade_dir: Path, tmp_path: Path) -> None:
    (tmp_path / "warehouse").symlink_to(handmade_dir / "warehouse")
    made = report_month(Settings(data_dir=str(tmp_path)), handmade.QUIET_MONTH)
    assert "Nothing was billed" in made.read_text(encoding="utf-8")


@pytest.mark.slow
def test_values_that_cannot_be_read_are_counted_first_and_listed(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert '<a href="#values-that-cannot-be-read">1 value</a> of the responses cannot be read' in text
    assert text.count("is not an xs:decimal") == 1
    assert "InvoiceID=7" in text


def test_claims_are_summed(page: Path) -> None:
    """100.00 and 23.44 are claimed, 50.00 came back; a deadline is 30 days after the first, of 3 November."""
    text = page.read_text(encoding="utf-8")
    assert "Claims: 2 filed for 123.44 USD; credited 50.00 USD; 1 short, 1 open." in text
    claims = pd.DataFrame(
        {
            "reporting_month": [handmade.MONTH],
            "filed_on": [date(2026, 11, 3)],
            "claimed_amount": [Decimal(100)],
            "credited_amount": [Decimal(50)],
            "outcome": ["short"],
        }
    )
    assert "1 short; next deadline 2026-12-03." in claims_table(claims, 30).markup
    assert "Nothing is disputed" in claims_table(claims[:0]).markup


@pytest.mark.long
@pytest.mark.parametrize("accounts", [10_000, pytest.param(25_000, marks=pytest.mark.soak)])
def test_a_month_of_many_lines_stays_small(tmp_path: Path, accounts: int) -> None:
    handmade.build(tmp_path / "warehouse/billing.duckdb", accounts=accounts, months=1, wrong_every=accounts // 3_125)
    made = report_month(Settings(data_dir=str(tmp_path)), handmade.MONTH)
    assert made.stat().st_size < LIMIT
    text = made.read_text(encoding="utf-8")
    assert f"{accounts * 2 + 1:,} lines" in text
    assert re.search(r"The first 2,000 of \d,\d{3} rows", text), "what is cut is said"


def test_no_warehouse_and_no_such_month_are_told_before_anything_runs(handmade_dir: Path, tmp_path: Path) -> None:
    with pytest.raises(NoSuchData, match=r"no warehouse .*ecgrid-billing"):
        report_month(Settings(data_dir=str(tmp_path)), handmade.MONTH)
    with pytest.raises(NoSuchData, match=r"nothing of 2019-05.*run --month 2019-05"):
        report_month(Settings(data_dir=str(handmade_dir)), date(2019, 5, 1))
    assert not (handmade_dir / "reports/2019-05").exists()
    assert NoSuchData.status == ExitStatus.USAGE


def test_a_warehouse_of_another_version_is_to_be_built_again(handmade_dir: Path, tmp_path: Path) -> None:
    """It lacks a relation that only the notebook reads; the status is that of a directory without a warehouse."""
    (tmp_path / "warehouse").mkdir()
    shutil.copy(handmade_dir / "warehouse/billing.duckdb", tmp_path / "warehouse")
    with closing(duckdb.connect(str(tmp_path / "warehouse/billing.duckdb"))) as connection:
        connection.execute("DROP TABLE out_month_on_month")
    with pytest.raises(NoSuchData, match=r"built by another version .*out_month_on_month.*: run .*build") as caught:
        report_month(Settings(data_dir=str(tmp_path)), handmade.MONTH)
    assert "\n" not in str(caught.value)


def test_a_notebook_that_stops_says_where_and_why(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ReportFailed, match=r"made.ipynb stopped: cell 2: KeyError: 'amount'") as caught:
        execute(notebook(tmp_path, "1", "{}['amount']"), {})
    assert caught.value.status == ExitStatus.INCOMPLETE
    assert capfd.readouterr() == ("", ""), "nothing stray on the screen"


def test_a_notebook_that_is_damaged_is_no_traceback(tmp_path: Path) -> None:
    path = tmp_path / "made.ipynb"
    path.write_text("{not json")
    with pytest.raises(ReportFailed, match=r"made.ipynb could not be executed \(NotJSONError"):
        execute(path, {})


def test_a_kernel_gets_no_secret_and_leaves_nothing_in_home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """It runs in this very interpreter even where another kernelspec of that name is installed for the user."""
    home = tmp_path / "home"
    spec = home / ".local/share/jupyter/kernels/python3"
    spec.mkdir(parents=True)
    (spec / "kernel.json").write_text('{"argv": ["/bin/false"], "display_name": "other", "language": "python"}')
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("ECGRID_PASSWORD", "correct-horse")
    monkeypatch.setenv("ECGRID_API_KEY", "00000000-1111-2222-3333-444444444444")
    monkeypatch.setenv("ECGRID_SESSION_ID", "22222222-3333-4444-5555-666666666666")
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(home / ".local/share/jupyter"))
    secrets = "{'ECGRID_PASSWORD', 'ECGRID_API_KEY', 'ECGRID_SESSION_ID'}"
    connection = "json.loads(get_connection_info())['transport']"
    imports = "import json, os, sys\nfrom ipykernel.connect import get_connection_info\n"
    code = f"{imports}[sorted(os.environ.keys() & {secrets}), sys.prefix, {connection}]"
    executed = execute(notebook(tmp_path, code), {})
    assert executed.cells[-1].outputs[0].data["text/plain"] == repr([[], sys.prefix, "ipc"]), "no port to lose"
    found = {path.relative_to(home).as_posix() for path in home.rglob("*") if path.is_file()}
    assert found == {".local/share/jupyter/kernels/python3/kernel.json"}
    assert capfd.readouterr() == ("", "")
    assert os.environ["ECGRID_PASSWORD"] == "correct-horse"


def test_what_libraries_print_is_not_on_the_page(tmp_path: Path) -> None:
    code = "import sys; print('chatter'); sys.stderr.write('noise')\n'<b>text</b>'"
    text = render(execute(notebook(tmp_path, code), {}), "made")
    body = text.partition("<main")[2].partition("</main>")[0]
    assert "chatter" not in body
    assert "noise" not in body
    assert "&lt;b&gt;text&lt;/b&gt;" in body
