"""What a controller sees who opens an export in LibreOffice: the same rows, the same texts, the same numbers."""

import csv
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import pytest

from ecgrid_flows.finance.csv_writer import CsvForm, unguarded
from ecgrid_flows.finance.export import export_month, read_export
from ecgrid_flows.settings import Settings
from ecgrid_sandbox.world.names import TRICKY
from ecgrid_transforms.money import Decimal

from .world import MONTH, build, finding, line

NAMES = (
    *TRICKY,
    *("=1+1", "'=x", "＝1+1", "\ttab", "\nline", "a, b; c"),
    *("00123", "1E5", "1.10", "2026-10", "3/4", "12:30", "TRUE", "0x1F"),
)
AMOUNTS = ("72.96", "-6.02", "0", "0.1", "1234567.89", "0.0001")
TABLE = "{urn:oasis:names:tc:opendocument:xmlns:table:1.0}"
OFFICE = "{urn:oasis:names:tc:opendocument:xmlns:office:1.0}"
TEXT = "{urn:oasis:names:tc:opendocument:xmlns:text:1.0}"

#: Kind (string, float, date) and value of a cell.
Cell = tuple[str | None, str]


def converted(files: list[Path], folder: Path, options: str | None) -> list[list[list[Cell]]]:
    """Each file as LibreOffice has it: rows of cells. `options` are the filter's, as a user ticks them on opening."""
    soffice = shutil.which("soffice")
    if soffice is None:
        pytest.skip("LibreOffice is not installed (no soffice on the PATH): apt-get install libreoffice-calc-nogui")
    subprocess.run(
        [
            soffice,
            f"-env:UserInstallation={(folder / 'profile').as_uri()}",
            "--headless",
            *(["--infilter=" + options] if options else []),
            *("--convert-to", "fods", "--outdir", folder, *files),
        ],
        check=True,
        capture_output=True,
    )
    return [list(rows_of(folder / f"{path.stem}.fods")) for path in files]


def rows_of(path: Path) -> Iterator[list[Cell]]:
    for row in ElementTree.parse(path).getroot().iter(f"{TABLE}table-row"):
        cells: list[Cell] = []
        for cell in row.iter(f"{TABLE}table-cell"):
            assert cell.get(f"{TABLE}formula") is None, "a cell was taken for a formula"
            value = cell.get(f"{OFFICE}value") or cell.get(f"{OFFICE}date-value") or shown(cell)
            cells += [(cell.get(f"{OFFICE}value-type"), value)] * int(cell.get(f"{TABLE}number-columns-repeated", "1"))
        if row.get(f"{TABLE}number-rows-repeated", "1") == "1":
            yield cells


def shown(cell: ElementTree.Element) -> str:
    """The text of a cell: one paragraph a line; runs of spaces and tabs are elements."""
    return "\n".join("".join(pieces(paragraph)) for paragraph in cell.findall(f"{TEXT}p"))


def pieces(element: ElementTree.Element) -> Iterator[str]:
    yield element.text or ""
    for child in element:
        if child.tag == f"{TEXT}s":
            yield " " * int(child.get(f"{TEXT}c", "1"))
        elif child.tag == f"{TEXT}tab":
            yield "\t"
        else:
            yield from pieces(child)
        yield child.tail or ""


@pytest.mark.parametrize(
    ("form", "options"),
    [
        # comma, double quote, UTF-8, from line 1, no column formats, language as is, quoted cells are text
        (CsvForm(), "CSV:44,34,76,1,,0,true"),
        (CsvForm(semicolons=True, bom=True), "CSV:59,34,76,1,,0,true"),
    ],
    ids=["as it is", "semicolons and a mark"],
)
def test_the_same_rows_texts_and_numbers(settings: Settings, tmp_path: Path, form: CsvForm, options: str) -> None:
    lines = [
        line(mailbox_id=number, account_name=name, amount=AMOUNTS[number % len(AMOUNTS)], expected_amount=None)
        for number, name in enumerate(NAMES)
    ]
    build(settings, out_line_items=lines, out_findings=[finding(mailbox_id=0, explanation=NAMES[0])])
    export_month(settings, MONTH, form=form)
    files = [settings.exports_dir(MONTH) / name for name in ("finance_lines.csv", "findings.csv")]
    for path, (header, *rows) in zip(files, converted(files, tmp_path / "office", options), strict=True):
        table = read_export(path)
        assert [text for _, text in header] == table.column_names
        assert len(rows) == table.num_rows
        for row, expected in zip(rows, table.to_pylist(), strict=True):
            for (kind, value), (name, wanted) in zip(row, expected.items(), strict=True):
                if wanted is None or wanted == "":
                    assert value == "", name
                elif isinstance(wanted, str):
                    assert unguarded(value) == wanted.replace("\r\n", "\n"), name
                    assert kind == "string" or wanted == "TRUE", (
                        name
                    )  # a word that LibreOffice knows; it reads the same
                elif isinstance(wanted, bool):
                    assert value.lower() == str(wanted).lower(), name
                elif isinstance(wanted, int | Decimal):
                    assert (kind, Decimal(value)) == ("float", wanted), name
                else:
                    assert (kind, value) == ("date", wanted.isoformat()), name


def test_the_file_itself_has_the_cells_that_libreoffice_is_given(settings: Settings) -> None:
    """Texts that look like numbers are in quotes, so that a spreadsheet can be told to leave them as they are."""
    build(settings, out_line_items=[line(account_name="00123"), line(mailbox_id=1, account_name="A1")])
    export_month(settings, MONTH)
    text = (settings.exports_dir(MONTH) / "finance_lines.csv").read_text("utf-8")
    assert [part[:24] for part in text.split("\n")[1:3]] == ['4443,0,"00123",2026-10-0', "4443,1,A1,2026-10-01,Tra"]
    assert [row["account_name"] for row in csv.DictReader(text.splitlines())] == ["00123", "A1"]
