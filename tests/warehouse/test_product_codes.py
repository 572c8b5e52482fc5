"""invoice_lines.csv: a wrong cell is named by line and column."""

from pathlib import Path

import pytest

from ecgrid_flows.errors import SettingsError
from ecgrid_flows.warehouse import product_codes

SHIPPED = Path(__file__).resolve().parents[2] / "data/reference" / product_codes.FILE
HEADER = "product_code,account_report,measure_field\n"


def written(folder: Path, text: str) -> Path:
    path = folder / product_codes.FILE
    path.write_text(text, encoding="utf-8")
    return path


def test_codes_give_measures(tmp_path: Path) -> None:
    assert product_codes.read(SHIPPED) == {}
    found = product_codes.read(written(tmp_path, HEADER + 'KC,TrafficAll,TotalKCs\n"A,B",FixedRate,FixedRate\n'))
    assert found == {"KC": ("TrafficAll", "TotalKCs"), "A,B": ("FixedRate", "FixedRate")}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("code\n", "line 1: column product_code is missing; the columns are product_code,account_report,measure_field"),
        (HEADER.replace(",", ";"), "line 1: its columns are separated by semicolons"),
        (HEADER + "KC,TrafficAll\n", "line 2: 2 cells under 3 columns"),
        (HEADER + ",TrafficAll,TotalKCs\n", "line 2, column product_code: is empty"),
        (HEADER + "KC ,TrafficAll,TotalKCs\n", "line 2, column product_code: 'KC ' has spaces"),
        (HEADER + "KC,TrafficAll,TotalKCs\nKC,TrafficAll,ToKCs\n", "line 3, column product_code: 'KC' has a line"),
        (HEADER + "KC,Traffic,TotalKCs\n", "line 2, column account_report: 'Traffic' is none of FixedRate"),
        (HEADER + "KC,TrafficAll,KCs\n", "line 2, column measure_field: 'KCs' is none of"),
    ],
)
def test_a_wrong_cell_is_named(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(SettingsError, match=words):
        product_codes.read(written(tmp_path, text))
