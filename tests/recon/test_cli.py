"""`findings`, `explain` and `compare` over the shipped world's warehouse."""

import io
import json
import os
import re
from datetime import date
from pathlib import Path

import duckdb
import pytest
from typer.testing import CliRunner

from ecgrid_flows.cli import app, main
from ecgrid_flows.errors import NoSuchData, SettingsError
from ecgrid_flows.rating.explain import explanation
from ecgrid_flows.warehouse import database
from ecgrid_flows.warehouse.database import Connection
from ecgrid_sandbox.world.model import PlantedError
from ecgrid_sandbox.worlds import World
from ecgrid_transforms.model import Key
from ecgrid_transforms.money import Decimal, money_text, number_text

MONTH = "2026-10"


@pytest.fixture
def data_dir(shipped_path: Path, tmp_path: Path) -> str:
    (tmp_path / "warehouse").mkdir()
    os.link(shipped_path, tmp_path / "warehouse/billing.duckdb")
    return str(tmp_path)


def test_findings_end_with_status_1_while_there_are_errors(shipped: World, data_dir: str) -> None:
    done = CliRunner().invoke(app, ["findings", "--month", MONTH, "--json", "--data-dir", data_dir])
    assert done.exit_code == 1
    found = json.loads(done.stdout)
    planted = [wrong for wrong in shipped.planted_errors if wrong.reporting_month == date(2026, 10, 1)]
    assert sorted(row["check_name"] for row in found["findings"]) == sorted(wrong.check_name for wrong in planted)
    severities = [row["severity"] for row in found["findings"]]
    assert severities == sorted(severities, key=["error", "warning", "info"].index)
    assert all(isinstance(row["difference"], str | None) for row in found["findings"])


def test_findings_are_told_in_words(shipped: World, data_dir: str) -> None:
    done = CliRunner().invoke(app, ["findings", "--month", MONTH, "--data-dir", data_dir])
    wrong = planted_in_october(shipped, "wrong_tier")
    said = done.stdout.splitlines()
    place = next(number for number, line in enumerate(said) if line.startswith("error   wrong_tier "))
    assert f"{wrong.network_id}-{wrong.mailbox_id} {wrong.account_report} {wrong.measure_field}" in said[place]
    assert re.search(r"  -?[0-9.,]+  [0-9a-f]{12}$", said[place]), "the amount, and the id to decide by"
    assert said[place + 1].startswith(f"        Billed {wrong.billed_amount} at the rate of Tier")
    assert f"which gives {wrong.true_amount}: " in said[place + 1]
    assert said[-3] == "2026-10: 12 errors, 3 warnings"
    assert said[-2].startswith("2026-10: Invoiced 52,123.07; claimable 290.40; disputed 0.00; to pay 52,123.07")


def planted_in_october(world: World, check_name: str) -> PlantedError:
    """The first wrong of a kind in the world's last month."""
    return next(
        wrong
        for wrong in world.planted_errors
        if wrong.check_name == check_name and wrong.reporting_month == date(2026, 10, 1)
    )


def test_a_month_that_nobody_asked_about_is_not_a_month_without_findings(data_dir: str) -> None:
    done = CliRunner().invoke(app, ["findings", "--month", "2020-01", "--data-dir", data_dir])
    assert done.exit_code != 0
    assert done.stdout == ""
    assert isinstance(done.exception, NoSuchData)
    assert "run `ecgrid-billing run --month 2020-01`" in str(done.exception)


@pytest.mark.parametrize("command", [["findings", "--month", "2026-13"], ["compare", "--month", "October"]])
def test_a_bad_month_is_an_error_of_usage(command: list[str], data_dir: str) -> None:
    done = CliRunner().invoke(app, [*command, "--data-dir", data_dir])
    assert isinstance(done.exception, SettingsError)
    assert done.exception.status == 2


def test_explain_as_json_has_plain_decimals(shipped: World, data_dir: str) -> None:
    wrong = planted_in_october(shipped, "wrong_tier")
    line = [str(wrong.network_id), str(wrong.mailbox_id), MONTH, str(wrong.account_report), str(wrong.measure_field)]
    done = CliRunner().invoke(app, ["explain", *line, "--json", "--data-dir", data_dir])
    found = json.loads(done.stdout)
    assert found["line"]["verdict"] == "differs"
    assert wrong.billed_amount is not None
    assert wrong.true_amount is not None
    assert Decimal(found["line"]["difference"]) == wrong.billed_amount - wrong.true_amount
    assert [row["check_name"] for row in found["findings"]] == ["wrong_tier"]
    slices = [(Decimal(part["quantity"]), Decimal(part["rate"]), Decimal(part["product"])) for part in found["proof"]]
    assert slices
    assert all(quantity * rate == product for quantity, rate, product in slices)


def test_explain_of_a_missing_line_says_what_was_answered(reconciled: Connection, shipped: World) -> None:
    missing = next(wrong for wrong in shipped.planted_errors if wrong.check_name == "missing_line")
    network_id, mailbox_id, month, report, measure = missing.key
    key = Key(network_id or 0, mailbox_id or 0, month or date(2026, 10, 1), report or "", measure or "")
    text = explanation(reconciled, key).text()
    assert "The service answered with no line" in text
    assert "missing_line: The API returned no line item, but invoice" in text


def test_explain_of_an_unknown_key_says_what_to_do(reconciled: Connection) -> None:
    with pytest.raises(
        NoSuchData, match=r"nothing is known of 1/2 2026-10 TrafficAll/TotalKCs: see what the account is billed"
    ):
        explanation(reconciled, Key(1, 2, date(2026, 10, 1), "TrafficAll", "TotalKCs"))


def test_every_kind_of_wrong_can_be_explained_in_text(reconciled: Connection, shipped: World) -> None:
    """Names that carry what names carry stay on their line. The views are worked out once here, not for each wrong."""
    for view in ("out_model_comparison", "out_line_proofs"):
        reconciled.execute(f"CREATE TEMP TABLE {view} AS FROM {view}").fetchall()
    kinds = {wrong.check_name: wrong for wrong in shipped.planted_errors if None not in wrong.key[:2]}
    del kinds["missing_line"]
    for wrong in kinds.values():
        network_id, mailbox_id, month, report, measure = wrong.key
        key = Key(network_id or 0, mailbox_id or 0, month or date(2026, 10, 1), report or "", measure or "")
        text = explanation(reconciled, key).text()
        assert text.splitlines()[0].startswith(f"Account {network_id}-{mailbox_id} (")
        assert f"{wrong.check_name}: " in text


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_an_output_that_lacks_a_letter_ends_no_command(
    encoding: str, data_dir: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    key = ["4451", "0", MONTH, "TrafficAll", "TotalKCs"]  # 株式会社テスト, whose first letter is U+682A
    monkeypatch.setattr("sys.stdout", out)
    for options in ([], ["--json"]):
        monkeypatch.setattr("sys.argv", ["ecgrid-billing", "explain", *key, "--data-dir", data_dir, *options])
        with pytest.raises(SystemExit) as ended:
            main()
        assert not ended.value.code
    out.flush()
    text, brace, document = out.buffer.getvalue().decode("ascii").partition("{")
    assert text.startswith("Account 4451-0 (\\u682a")
    assert json.loads(brace + document)["line"]["system_name"] == "株式会社テスト"


def test_a_path_that_no_file_can_have_is_an_error_of_usage(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["ecgrid-billing", "findings", "--data-dir", "n" * 300])  # a name has 255 bytes
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    assert "File name too long" in capsys.readouterr().err


def test_a_fault_is_not_taken_for_findings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A warehouse of another version is for `build` to make anew: Python by itself would end with 1."""
    (tmp_path / "warehouse").mkdir()
    duckdb.connect(tmp_path / "warehouse/billing.duckdb").close()
    monkeypatch.setattr("sys.argv", ["ecgrid-billing", "findings", "--data-dir", str(tmp_path)])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert "Table with name raw_finding_states does not exist" in said
    assert said.splitlines()[-1].startswith("ecgrid-billing: ")


def test_compare_gives_contracts_accounts_and_lines(data_dir: str) -> None:
    done = CliRunner().invoke(app, ["compare", "--month", MONTH, "--json", "--data-dir", data_dir])
    found = json.loads(done.stdout)
    for model in ("unit", "volume", "graduated"):
        by_line = sum(Decimal(row[f"{model}_amount"]) for row in found["lines"])
        assert by_line == sum(Decimal(row[f"{model}_amount"]) for row in found["accounts"])
        assert by_line == sum(Decimal(row[f"{model}_amount"]) for row in found["contracts"])
    cliffs = [row for row in found["lines"] if row["is_on_cliff"]]
    assert cliffs
    assert all(Decimal(row["quantity"]) > Decimal(row["break_even_quantity"]) for row in cliffs)


def test_compare_in_words_names_cliffs(data_dir: str) -> None:
    done = CliRunner().invoke(app, ["compare", "--month", MONTH, "--data-dir", data_dir])
    assert done.exit_code == 0
    assert "Cliffs: slightly more usage would cost less" in done.stdout
    assert "past 5,000 it costs 177.75 less" in done.stdout


def test_compare_of_a_month_without_lines_says_what_to_do(data_dir: str) -> None:
    done = CliRunner().invoke(app, ["compare", "--month", "2020-01", "--data-dir", data_dir])
    assert isinstance(done.exception, NoSuchData)
    assert "run `ecgrid-billing run --month 2020-01`" in str(done.exception)


@pytest.mark.parametrize(
    ("value", "shown"),
    [("1643.3000000000", "1,643.30"), ("0.0000000000", "0.00"), ("72.963", "72.963"), ("-6.02", "-6.02")],
)
def test_money_keeps_every_digit(value: str, shown: str) -> None:
    assert money_text(Decimal(value)) == shown


@pytest.mark.parametrize(("value", "shown"), [("100.0000000000", "100"), ("0.1050", "0.105"), ("7", "7")])
def test_numbers_lose_their_closing_zeros_alone(value: str, shown: str) -> None:
    assert number_text(Decimal(value)) == shown


def test_ctrl_c_during_a_query_ends_with_status_130(
    data_dir: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise RuntimeError("Query interrupted")  # as DuckDB 2.0.1 does

    monkeypatch.setattr(database, "records", interrupted)
    monkeypatch.setattr("sys.argv", ["ecgrid-billing", "findings", "--month", MONTH, "--data-dir", data_dir])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 130
    assert capsys.readouterr().err == "Aborted.\n"
