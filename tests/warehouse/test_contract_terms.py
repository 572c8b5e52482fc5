"""contract_terms.csv: a wrong cell is named by line and column before anything is priced by it."""

from pathlib import Path

import pytest

from ecgrid_flows.errors import SettingsError
from ecgrid_flows.orchestration.run_context import Run
from ecgrid_flows.progress import Reporter
from ecgrid_flows.settings import Settings
from ecgrid_flows.warehouse import contract_terms

HEADER = ",".join(contract_terms.COLUMNS)
SHIPPED = Path(__file__).resolve().parents[2] / "data/reference" / contract_terms.FILE
#: Two tiers of price list 431, and the terms of contract 8751 before and after a change.
RIGHT = """
,431,TrafficAll,ToTrans,graduated,1,0,100,20,5,1.00,,2026-01-01,2026-12-31,MSA 7
,431,TrafficAll,ToTrans,graduated,2,101,,20,5,0.50,,2026-01-01,2026-12-31,MSA 7
8751,,FixedRate,Each,,1,,,,,2.00,,,2026-09-30,
8751,,FixedRate,Each,,1,,,,,,2.50,2026-10-01,,"Amendment 1, of May"
""".strip().splitlines()


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / contract_terms.FILE
    path.write_text(text, encoding="utf-8")
    return path


def test_the_shipped_file_is_its_header_alone() -> None:
    assert SHIPPED.read_text(encoding="utf-8") == f"{HEADER}\n"
    contract_terms.check(SHIPPED)


def test_terms_that_are_right_pass(tmp_path: Path) -> None:
    contract_terms.check(written(tmp_path, "\n".join([HEADER, *RIGHT]) + "\n"))


def test_one_column_of_the_owner_is_enough(tmp_path: Path) -> None:
    header = HEADER.removeprefix("contract_id,")
    contract_terms.check(written(tmp_path, "\n".join([header, *(row[1:] for row in RIGHT[:2])]) + "\n"))


@pytest.mark.parametrize(
    ("row", "column", "why"),
    [
        (",431,TrafficAl,ToTrans,,1,,,,,1,,,,", "account_report", "'TrafficAl' is none of "),
        (",431,TrafficAll,Trans,,1,,,,,1,,,,", "measure_field", "'Trans' is none of "),
        (",431,TrafficAll,ToTrans,Tiered,1,,,,,1,,,,", "model", "'Tiered' is none of unit, "),
        (",431,TrafficAll,ToTrans,,one,,,,,1,,,,", "tier", "'one' is not a whole number from 1"),
        (",431,TrafficAll,ToTrans,,2,,,,,1,,,,", "tier", "2 where tier 1 is due"),
        (",431,TrafficAll,ToTrans,,,,,,,1,,,,", "tier", "is empty"),
        (",431,TrafficAll,ToTrans,,1,,1.5,,,1,,,,", "maximum", "'1.5' is not a whole number from 0"),
        (",431,TrafficAll,ToTrans,,1,,,-1,,1,,,,", "allowance", "'-1' is not a decimal from 0"),
        (",431,TrafficAll,ToTrans,,1,,,,,0.12345678901,,,,", "rate", "'0.12345678901' is not a decimal"),
        (',431,TrafficAll,ToTrans,,1,,,,,"0,05",,,,', "rate", "'0,05' is not a decimal"),
        (",431,TrafficAll,ToTrans,,1,,,,,,,,,", "rate", "is empty, and so is flat"),
        (",431,TrafficAll,ToTrans,,1,,,,,1,,01.10.2026,,", "valid_from", "'01.10.2026' is not a date"),
        (",431,TrafficAll,ToTrans,,1,,,,,1,,2026-10-01,2026-09-30,", "valid_to", "2026-09-30 is before valid_from"),
        (",431,TrafficAll,ToTrans,,1,,,,,1 ,,,,", "rate", "'1 ' has spaces at its ends"),
        (",,TrafficAll,ToTrans,,1,,,,,1,,,,", "contract_id", "contract_id or price_list_id must be filled"),
        ("8751,431,TrafficAll,ToTrans,,1,,,,,1,,,,", "contract_id", "and not both"),
    ],
)
def test_a_wrong_cell_is_named(tmp_path: Path, row: str, column: str, why: str) -> None:
    path = written(tmp_path, f"{HEADER}\n{row}\n")
    with pytest.raises(SettingsError) as raised:
        contract_terms.check(path)
    assert str(raised.value).startswith(f"{path}, line 2, column {column}: ")
    assert why in str(raised.value)


@pytest.mark.parametrize(
    ("rows", "line", "column", "why"),
    [
        ([RIGHT[0].replace(",100,", ",,"), RIGHT[1]], 2, "maximum", "is open, but tier 2 follows"),
        ([RIGHT[0], RIGHT[1].replace(",101,", ",90,")], 3, "minimum", "90 is below maximum 100 of line 2"),
        ([RIGHT[0].replace(",1,0,100,", ",1,150,100,")], 2, "maximum", "100 is below minimum 150"),
        ([RIGHT[0], RIGHT[1].replace(",101,,", ",,100,")], 3, "maximum", "100 is not above maximum 100 of line 2"),
        ([RIGHT[0], RIGHT[0]], 3, "tier", "1 where tier 2 is due"),
        ([RIGHT[0], RIGHT[1].replace("graduated", "volume")], 3, "model", "differs from line 2"),
        ([RIGHT[0], RIGHT[1].replace("2026-12-31", "")], 3, "valid_to", "differs from line 2"),
        ([RIGHT[2], RIGHT[3].replace("2026-10-01", "2026-09-30")], 3, "valid_from", "is not after valid_to of line 2"),
    ],
)
def test_a_ladder_that_does_not_fit_together_is_named(
    tmp_path: Path, rows: list[str], line: int, column: str, why: str
) -> None:
    path = written(tmp_path, "\n".join([HEADER, *rows]) + "\n")
    with pytest.raises(SettingsError) as raised:
        contract_terms.check(path)
    assert str(raised.value).startswith(f"{path}, line {line}, column {column}: ")
    assert why in str(raised.value)


@pytest.mark.parametrize(
    ("header", "why"),
    [
        (HEADER.replace(",", ";"), "separated by semicolons"),
        (HEADER.replace("contract_id,price_list_id,", ""), "column contract_id or price_list_id is missing"),
        (HEADER.replace(",block", ""), "column block is missing"),
        (f"{HEADER},note", "column 'note' is unknown or repeated"),
    ],
)
def test_a_header_with_other_columns_is_named(tmp_path: Path, header: str, why: str) -> None:
    with pytest.raises(SettingsError, match=why):
        contract_terms.check(written(tmp_path, f"{header}\n"))


def test_a_run_is_refused_before_it_asks_anything(tmp_path: Path) -> None:
    (tmp_path / "reference").mkdir()
    path = written(tmp_path / "reference", f"{HEADER}\n,431,TrafficAll,ToTrans,,1,,,,,one,,,,\n")
    with pytest.raises(SettingsError, match="line 2, column rate") as raised:
        Run(Settings(data_dir=str(tmp_path)), Reporter(quiet=True, mute=True))
    assert str(path) in str(raised.value)
