"""One month of the built-in sandbox, end to end, twice: what a new user runs first."""

import base64
import csv
import hashlib
import json
import re
import subprocess
import sys
from collections import Counter
from datetime import date
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest

from ecgrid_flows.cli.context import month_of
from ecgrid_flows.cli.run import _print_summary
from ecgrid_flows.errors import SettingsError
from ecgrid_flows.lake.value_faults import Unread
from ecgrid_flows.orchestration.run_context import Checked, MonthDone
from ecgrid_flows.rating.month_totals import AtStake
from ecgrid_flows.settings import Settings
from ecgrid_sandbox import World
from ecgrid_transforms.money import Decimal
from ecgrid_transforms.period import last_full_month, month_text, parse_month
from tests.report.chromium import Chromium, installed

pytestmark = pytest.mark.slow

BEFORE = last_full_month()
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("e2e") / "data"


@pytest.fixture(scope="module")
def first_run(clean_environ: dict[str, str], data_dir: Path) -> "subprocess.CompletedProcess[str]":
    """`make run`, as the README has it, in the environment of these tests."""
    return subprocess.run(
        ["make", "-s", "-o", f"{sys.prefix}/.ready", f"VENV={sys.prefix}", "run"],
        env={**clean_environ, "ECGRID_DATA_DIR": str(data_dir)},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def month(first_run, data_dir: Path) -> date:
    """The month that the run chose by itself."""
    (folder,) = (data_dir / "exports").iterdir()
    return parse_month(folder.name)


def fingerprints(folder: Path, *, suffixes: tuple[str, ...]) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.suffix in suffixes and path.is_file()
    }


def findings(billing, data_dir: Path, month: date) -> list[dict[str, str]]:
    asked = billing("findings", "--month", month_text(month), "--json", "--data-dir", str(data_dir))
    found = json.loads(asked.stdout)
    return found["findings"] if isinstance(found, dict) else found


def test_the_run_finds_what_is_wrong_and_says_that_the_data_are_invented(first_run) -> None:
    assert first_run.returncode == 0, "findings are its result, not its failure"
    assert "invented" in first_run.stderr.lower()
    shown = first_run.stdout + first_run.stderr
    for word in (
        "accounts",
        "calls",
        "lines",
        "invoiced",
        "to pay",
        "recalculated",
        "findings",
        "at stake",
        "finance_lines.csv",
        ".html",
    ):
        assert word in shown.lower(), f"the summary says nothing of {word!r}"
    assert "Traceback" not in shown
    assert "Warning" not in shown


@pytest.mark.browser
@pytest.mark.skipif(installed() is None, reason="no Chromium on this machine")
def test_the_report_prints_on_six_sheets(first_run, data_dir: Path, month: date, tmp_path: Path) -> None:
    with Chromium(tmp_path) as browser:
        browser.open(data_dir / f"reports/{month_text(month)}/reconcile_month.html")
        printed = base64.b64decode(browser.call("Page.printToPDF", preferCSSPageSize=True)["data"])
    assert 1 < len(re.findall(rb"/Type\s*/Page\b", printed)) <= 6


def test_the_manifest_ties(first_run, data_dir: Path, month: date) -> None:
    folder = data_dir / "exports" / month_text(month)
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    built_by = json.loads((data_dir / "warehouse/built_by.json").read_text(encoding="utf-8"))
    assert manifest["run_id"] == built_by["run_id"] != ""
    for name, file in manifest["files"].items():
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == file["sha256"]
    written = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert written == {*manifest["files"], "manifest.json"}


def test_exactly_what_was_planted_is_found(first_run, billing, data_dir: Path, month: date) -> None:
    planted = Counter(
        (wrong.check_name, wrong.network_id, wrong.mailbox_id, wrong.account_report, wrong.measure_field)
        for wrong in World.shipped(month).planted_errors
        if wrong.reporting_month == month
    )
    found = Counter(
        (row["check_name"], row["network_id"], row["mailbox_id"], row["account_report"], row["measure_field"])
        for row in findings(billing, data_dir, month)
        if row["severity"] != "info"
    )
    assert found == planted


def test_the_second_run_changes_no_byte(first_run, billing, data_dir: Path, month: date) -> None:
    lake_before = fingerprints(data_dir / "lake", suffixes=(".parquet",))
    exports_before = fingerprints(data_dir / "exports", suffixes=(".csv", ".parquet"))
    assert lake_before
    assert exports_before
    again = billing("run", "--month", month_text(month), "--data-dir", str(data_dir))
    assert again.returncode == 1, again.stderr
    line_items = {name: sha for name, sha in lake_before.items() if name.startswith("line_items/")}
    lake_after = fingerprints(data_dir / "lake", suffixes=(".parquet",))
    assert {name: lake_after.get(name) for name in line_items} == line_items
    assert fingerprints(data_dir / "exports", suffixes=(".csv", ".parquet")) == exports_before


def raw_line_items(data_dir: Path) -> dict[tuple[int, int, str, str], str]:
    """Key -> body of every answer to InvoiceCalculateLineItem, read without the project's code."""
    bodies = {}
    for segment in (data_dir / "raw/line_items").rglob("*.jsonl*"):
        with pa.input_stream(str(segment), compression="zstd" if segment.suffix == ".zst" else None) as source:
            lines = source.read().decode().splitlines()
        for text in lines:
            answer = json.loads(text)["answer"]
            said = answer["arguments"]
            key = (
                int(said["NetworkID"]),
                int(said["MailboxID"]),
                str(said["AccountReport"]),
                str(said["MeasureField"]),
            )
            bodies[key] = answer.get("body", "")
    return bodies


def test_every_decimal_in_parquet_is_the_text_of_the_answer(first_run, data_dir: Path) -> None:
    bodies = raw_line_items(data_dir)
    elements = {
        "amount": "Amount",
        "actual": "Actual",
        "quantity_billed": "QuantityBilled",
        "schedule_rate": "Rate",
        "schedule_block": "Block",
        "schedule_allowance": "Allowance",
    }
    rows = ds.dataset(data_dir / "lake/line_items", partitioning=None).to_table().to_pylist()
    assert len(rows) > 100
    for row in rows:
        body = bodies[row["network_id"], row["mailbox_id"], row["account_report"], row["measure_field"]]
        for column, element in elements.items():
            sent = re.search(rf"<{element}>([^<]*)</{element}>", body)
            assert sent, (element, body)
            assert row[column] == Decimal(sent[1]), (column, row)


def test_every_amount_in_the_csv_is_the_amount_in_parquet(first_run, data_dir: Path, month: date) -> None:
    lake = {
        (str(row["network_id"]), str(row["mailbox_id"]), row["account_report"], row["measure_field"]): row["amount"]
        for row in ds.dataset(data_dir / "lake/line_items", partitioning=None).to_table().to_pylist()
    }
    path = data_dir / "exports" / month_text(month) / "finance_lines.csv"
    with path.open(encoding="utf-8", newline="") as file:
        lines = list(csv.DictReader(file))
    billed = {
        (row["network_id"], row["mailbox_id"], row["account_report"], row["measure_field"]): Decimal(
            row["billed_amount"]
        )
        for row in lines
        if row["billed_amount"]
    }
    assert billed == lake


def test_no_decimal_column_of_the_lake_is_a_float(first_run, data_dir: Path) -> None:
    guilty = [
        f"{path.relative_to(data_dir)}: {field.name}"
        for path in (data_dir / "lake").rglob("*.parquet")
        if "line" in path.as_posix() or "schedule" in path.as_posix() or "invoice" in path.as_posix()
        for field in pq.read_schema(path)
        if pa.types.is_floating(field.type)
    ]
    assert guilty == []


@pytest.mark.soak
def test_foreign_files_unused_overrides_and_terms_are_named_and_an_invalid_cell_fails_the_build(
    first_run, billing, data_dir: Path, month: date
) -> None:
    """FixedRate of list 431 is 39.90; contract 8751 has 29.90 by its paper, contract 8755 has none."""
    folder = data_dir / f"lake/line_items/month={month_text(month)}"
    empty, foreign = folder / "empty.parquet", folder / "foreign.parquet"
    pins, terms = (data_dir / "reference" / name for name in ("pinned_readings.csv", "contract_terms.csv"))
    before = found_in(data_dir)
    terms.parent.mkdir(exist_ok=True)
    header = "contract_id,account_report,measure_field,model,tier,minimum,maximum,allowance,block,rate,flat,"
    rows = ["8751,FixedRate,FixedRate,,1,,,,,29.9O,,,,MSA 7", "424242,FixedRate,FixedRate,,1,,,,,1,,,,"]
    terms.write_text("\n".join([f"{header}valid_from,valid_to,document", *rows]) + "\n")
    refused = billing("build", "--data-dir", str(data_dir))
    assert refused.returncode == 2
    assert "contract_terms.csv, line 2, column rate: '29.9O' is not a decimal" in refused.stderr
    assert found_in(data_dir) == before != []
    terms.write_text(terms.read_text().replace("29.9O", "29.90"))
    empty.write_bytes(b"")
    pq.write_table(pa.table({"other": [1]}), foreign)
    pins.write_text(
        "price_list_id,account_report,measure_field,words,why\n424242,TrafficKC,,volume,a slip of the pen\n"
    )
    built = billing("build", "--data-dir", str(data_dir))
    assert built.returncode in (0, 1), built.stderr
    for path in (empty, foreign):
        assert not path.exists()
        assert path.name in built.stderr
    assert "the override of price list 424242 for TrafficKC matches no billed line" in built.stderr
    assert "contract_terms.csv: no line is billed by contract 424242 for FixedRate FixedRate" in built.stderr
    with duckdb.connect(data_dir / "warehouse/billing.duckdb", read_only=True) as connection:
        found = connection.execute(
            "SELECT check_name, count(*), min(difference), max(difference), count(DISTINCT cause_id) FROM out_findings "
            "WHERE price_list_id = 431 AND measure_field = 'FixedRate' AND check_name <> 'missing_line' GROUP BY ALL "
            "ORDER BY ALL"
        ).fetchall()
        lines = connection.execute(
            "SELECT terms_source, count(*), min(amount), max(amount) FROM out_line_items "
            "WHERE price_list_id = 431 AND measure_field = 'FixedRate' GROUP BY ALL ORDER BY ALL"
        ).fetchall()
    assert [row[0] for row in lines] == ["contract", "stated"]
    assert found == [
        ("list_differs_from_contract", 1, None, None, 1),
        ("rate_mismatch", lines[0][1], Decimal(10), Decimal(10), 1),
    ]
    terms.unlink()
    assert billing("build", "--data-dir", str(data_dir)).returncode in (0, 1)
    assert found_in(data_dir) == before, "the idle override is still there"


def found_in(data_dir: Path) -> list[tuple[object, ...]]:
    with duckdb.connect(data_dir / "warehouse/billing.duckdb", read_only=True) as connection:
        return connection.execute("FROM out_findings ORDER BY ALL").fetchall()


@pytest.mark.parametrize("text", ["2026-13", "october", "2026-1"])
def test_only_months_are_months(text: str) -> None:
    with pytest.raises(SettingsError, match="YYYY-MM"):
        month_of(text)


def test_a_summary_of_months_adds_up_and_leads_to_a_month_with_findings(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The command that comes next works where `make run` shows it, whose .venv no shell looks into."""
    (command := tmp_path / "ecgrid-billing").write_text("#!/bin/sh\n")
    command.chmod(0o755)
    monkeypatch.setattr("sys.argv", [str(command), "run"])
    monkeypatch.setenv("PATH", "/nowhere")
    september, october = date(2026, 9, 1), date(2026, 10, 1)
    done = [
        MonthDone(
            september,
            faults={"access_denied": 2},
            checked=Checked({"wrong_tier": 1}, 1, AtStake(too_little=Decimal("9.99"))),
        ),
        MonthDone(
            october,
            faults={"access_denied": 1, "not_found": 1},
            value_faults=Unread(
                5, ("InvoiceInfo InvoiceID=7: Invoice 7: TotalAmount is not an xs:decimal: 'x'", *"abcd")
            ),
        ),
    ]
    _print_summary(done, Settings(data_dir="of mine"), False, [])
    said = capsys.readouterr().out
    assert "2026-09: No invoice is known; recalculated 0.00; claimable 0.00; disputed 0.00." in said
    assert "At stake in open errors and warnings: 9.99 too little." in said
    assert "Faults: 3 access_denied, 1 not_found" in said
    assert "2026-10: 5 values in the service's responses cannot be read (feed value_faults)" in said
    assert "Invoice 7: TotalAmount is not an xs:decimal: 'x'; a; b; …" in said
    assert said.endswith(f"Next: {command} findings --month 2026-09 --data-dir 'of mine'\n")
    monkeypatch.setenv("PATH", str(tmp_path))
    _print_summary(done, Settings(data_dir="of mine"), False, [])
    assert "Next: ecgrid-billing findings " in capsys.readouterr().out


def test_a_bad_month_is_a_usage_error(billing, tmp_path: Path) -> None:
    refused = billing("run", "--month", "2026-13", "--data-dir", str(tmp_path / "data"))
    assert refused.returncode == 2
    assert "YYYY-MM" in refused.stderr
    assert not (tmp_path / "data/lake").exists()


def test_a_data_directory_that_takes_no_file_is_a_settings_error(billing, tmp_path: Path) -> None:
    in_the_way = tmp_path / "data"
    in_the_way.write_text("a file where a folder should be", encoding="utf-8")
    refused = billing("run", "--data-dir", str(in_the_way))
    assert refused.returncode == 2
    assert len(refused.stderr.strip().splitlines()) <= 2
    assert "--data-dir" in refused.stderr


def test_an_unreachable_service_is_status_3(billing, tmp_path: Path) -> None:
    nowhere = "http://127.0.0.1:9/v3.2/prod/ECGridOS.asmx"
    env = {
        "ECGRID_V2_URL": nowhere,
        "ECGRID_V3_URL": nowhere,
        "ECGRID_V4_URL": nowhere,
        "ECGRID_LOGIN_NAME": "someone",
        "ECGRID_PASSWORD": "Not-4-secret",
        "ECGRID_MAX_ATTEMPTS": "2",
    }
    refused = billing("run", "--data-dir", str(tmp_path / "data"), env=env)
    assert refused.returncode == 3, refused.stderr
    assert "Not-4-secret" not in refused.stdout + refused.stderr
    assert "Traceback" not in refused.stderr
    assert not list((tmp_path / "data").glob("lake/**/*.parquet"))


def test_the_month_is_the_last_full_one(first_run, data_dir: Path, month: date) -> None:
    assert month in (BEFORE, last_full_month()), "one may have ended while these tests ran"
    months = {path.name for path in (data_dir / "lake/line_items").iterdir()}
    assert months == {f"month={month_text(month)}"}
