"""What a controller sees who opens an export in LibreOffice: the same rows, the same texts, the same numbers."""

import csv
import shutil
import subprocess
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from ecgrid_flows.finance.export import export_month, read_export
from ecgrid_flows.finance.export_files import read_manifest
from ecgrid_flows.settings import Settings
from ecgrid_sandbox.world.names import TRICKY
from ecgrid_transforms.money import ZERO, Decimal
from ecgrid_transforms.wall_time import wall_time_ns

from .world import MONTH, build, every_kind_of_charge, finding, line

AMOUNTS = ("72.96", "-6.02", "0", "0.1", "1234567.89", "0.0001")
TABLE = "{urn:oasis:names:tc:opendocument:xmlns:table:1.0}"
OFFICE = "{urn:oasis:names:tc:opendocument:xmlns:office:1.0}"
TEXT = "{urn:oasis:names:tc:opendocument:xmlns:text:1.0}"

#: Kind (string, float, date) and value of a cell.
Cell = tuple[str | None, str]


Converted = Callable[[list[Path], Path, str | None], list[list[list[Cell]]]]


@pytest.fixture(scope="module")
def converted(tmp_path_factory: pytest.TempPathFactory) -> Converted:
    """Each file as LibreOffice has it: rows of cells. `options` are the filter's, as a user ticks them on opening.

    All conversions share a user's profile, which takes as long to make as a conversion.
    """
    soffice = shutil.which("soffice")
    if soffice is None:
        pytest.skip("LibreOffice is not installed (no soffice on the PATH): apt-get install libreoffice-calc-nogui")
    profile = tmp_path_factory.mktemp("profile").as_uri()

    def convert(files: list[Path], folder: Path, options: str | None) -> list[list[list[Cell]]]:
        subprocess.run(
            [
                soffice,
                f"-env:UserInstallation={profile}",
                "--headless",
                *(["--infilter=" + options] if options else []),
                *("--convert-to", "fods", "--outdir", folder, *files),
            ],
            check=True,
            capture_output=True,
        )
        return [list(rows_of(folder / f"{path.stem}.fods")) for path in files]

    return convert


def rows_of(path: Path) -> Iterator[list[Cell]]:
    yield from cells_of(ElementTree.parse(path).getroot())


def cells_of(table: ElementTree.Element) -> Iterator[list[Cell]]:
    for row in table.iter(f"{TABLE}table-row"):
        cells: list[Cell] = []
        for cell in row.iter(f"{TABLE}table-cell"):
            # LibreOffice keeps the truth values of a workbook as formulas
            assert cell.get(f"{TABLE}formula") in (None, "of:=TRUE()", "of:=FALSE()"), "a cell was taken for a formula"
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


#: Names that a spreadsheet of some locale takes for a number, a date or a truth value.
LIKE_NUMBERS = (
    *("00123", "1E5", "1.10", "2026-10", "3/4", "12:30", "TRUE", "WAHR", "MAR1", "1-2", "(100)", "10%", "$5", "5 €"),
    *("1. Oktober", "Okt 26", "Mai 2026", "1.234,56", "-5", "'(100)", "219e01123456", "10:30 PM"),
)
OTHERS = (
    *TRICKY,
    *(
        "=1+1",
        "'=x",
        "＝1+1",
        "\ttab",
        "\nline",
        "a, b; c",
        "x;=1+1;y",
        "a|=1+1|b",
        "tab\there\t=1+1",
        "l\n=1+1",
        " =1+1",
    ),
    *('quoted;"=1+1"', "Maier 2", "3M Germany", "Marble 7"),
)
#: The filter's tokens: separator, quote, UTF-8, from line 1, no column formats, language (en-US, de-DE), no text for
#: being quoted, special numbers and dates found.
ENGLISH, GERMAN = "CSV:44,34,76,1,,1033,false,true", "CSV:59,34,76,1,,1031,false,true"


def exported(folder: Path, names: tuple[str, ...], *, has_invoice: bool = True, **also: Any) -> Path:
    """The export of a month with every kind of charge, and a line for each of the names.

    Its invoice asks 8,113.07; a spreadsheet would take its number and purchase order for numbers. Without it the
    journal is empty, and the reconciliation has a row without an invoice.
    """
    settings = Settings(data_dir=str(folder), currency="USD")
    world = every_kind_of_charge()
    world["out_line_items"] += [
        line(mailbox_id=number, account_name=name, amount=AMOUNTS[number % len(AMOUNTS)], expected_amount=None)
        for number, name in enumerate(names, start=100)
    ]
    if has_invoice:
        key = {"contract_id": 8751, "reporting_month": MONTH, "source": "InvoiceInfo", "invoice_id": 1}
        asked = {"invoice_number": "0008753", "po_number": "1E5", "terms": "=1+1", "total_amount": "8113.07"}
        dates = {"invoice_date": wall_time_ns("2026-11-01"), "date_due": wall_time_ns("2026-12-01")}
        world["raw_invoices"] = [{**key, **asked, **dates, "status": "Sent", "currency": "USD"}]
        world["core_invoice_sums"] = [{**key, "recalculated_amount": "7958.07", "lines_difference": "150.00"}]
    build(settings, **world, out_findings=[finding(explanation=name) for name in names])
    export_month(settings, MONTH, **also)
    return settings.exports_dir(MONTH)


def same_rows(
    folder: Path, name: str, sheet: list[list[Cell]], *, is_workbook: bool = False, is_plain: bool = False
) -> None:
    """Hold a sheet as LibreOffice has it against the export: kinds, values, and the sums of its manifest."""
    (header, *rows), table = sheet, read_export(folder / name)
    assert [text for _, text in header[: table.num_columns]] == table.column_names
    rows = [row for row in rows if any(kind for kind, _ in row)]  # an empty sheet has one empty row more
    assert len(rows) == table.num_rows
    sums = dict.fromkeys(read_manifest(folder)["files"][name]["control_totals"], ZERO)
    for row, expected in zip(rows, table.to_pylist(), strict=True):
        for (kind, value), (column, wanted) in zip(row, expected.items(), strict=False):
            if wanted is None or wanted == "":
                assert value == "", column
            elif isinstance(wanted, bool):
                # a truth value of a workbook is the formula FALSE(), whose value is 0
                assert {"0": "false", "1": "true"}.get(value, value.lower()) == str(wanted).lower(), column
            elif is_plain and isinstance(wanted, str) and wanted.isdecimal():
                assert value == wanted, column  # an account's code: a plain CSV stays plain
            elif isinstance(wanted, str) or (is_workbook and column.endswith(("_id", "Id", "_number", "Number"))):
                assert kind == "string", (column, wanted, value)
                # a guard is apostrophes; that it is undone without a loss is held elsewhere
                assert value.replace("'", "") == str(wanted).replace("'", "").replace("\r\n", "\n"), column
                assert not is_workbook or value == str(wanted).replace("\r\n", "\n"), column
            elif isinstance(wanted, int | Decimal):
                assert (kind, Decimal(value)) == ("float", wanted), column
                if column in sums:
                    sums[column] += Decimal(value)
            elif isinstance(wanted, datetime):
                assert (kind, value.removesuffix("T00:00:00")) == ("date", wanted.date().isoformat()), column
            else:
                assert (kind, value) == ("date", wanted.isoformat()), column
    totals = read_manifest(folder)["files"][name]["control_totals"]
    assert sums == {column: Decimal(text) for column, text in totals.items()}


FILES = ("finance_lines.csv", "findings.csv", "invoice_summary.csv", "journal.csv", "invoice_reconciliation.csv")


def test_a_plain_csv_in_an_english_spreadsheet(converted: Converted, tmp_path: Path) -> None:
    """FOCUS and names that look like numbers are left out: a plain CSV stays plain, and they are for --csv-locale."""
    folder = exported(tmp_path / "data", OTHERS, has_invoice=False)
    sheets = converted([folder / name for name in FILES], tmp_path / "office", ENGLISH)
    for name, sheet in zip(FILES, sheets, strict=True):
        same_rows(folder, name, sheet, is_plain=True)


@pytest.mark.long
@pytest.mark.parametrize("has_invoice", [True, False])
def test_a_german_spreadsheet_opens_the_files_of_its_locale(
    converted: Converted, tmp_path: Path, has_invoice: bool
) -> None:
    folder = exported(tmp_path / "data", OTHERS + LIKE_NUMBERS, has_invoice=has_invoice, also=["de-DE"])
    owed = [row["credit"] for row in read_export(folder / "journal.csv").to_pylist() if row["role"] == "payable"]
    assert owed == ([Decimal("8113.07")] if has_invoice else [])
    names = sorted(path.name for path in (folder / "de-DE").glob("*.csv"))
    assert names == sorted(path.name for path in folder.glob("*.csv"))
    sheets = converted([folder / "de-DE" / name for name in names], tmp_path / "office", GERMAN)
    for name, sheet in zip(names, sheets, strict=True):
        same_rows(folder, name, sheet)


@pytest.mark.long
@pytest.mark.parametrize("separator", [59, *(pytest.param(other, marks=pytest.mark.soak) for other in (44, 9))])
def test_no_formula_comes_to_life_under_another_separator(converted: Converted, tmp_path: Path, separator: int) -> None:
    """`rows_of` refuses a cell that is a formula, and the filter evaluates them; without the guard it finds one."""
    options = f"CSV:{separator},34,76,1,,1033,false,true,,,,,true"
    folder = exported(tmp_path / "data", OTHERS, also=["de-DE"])
    files = [folder / name for name in (*FILES, "focus_1_2.csv")]
    assert len(converted(files, tmp_path / "office", options)) == len(files)
    assert len(converted([folder / "de-DE/finance_lines.csv"], tmp_path / "german", options)) == 1
    (tmp_path / "bare.csv").write_text('a,"x;=1+1;y\t=1+1",=1+1\n')
    with pytest.raises(AssertionError, match="a cell was taken for a formula"):
        converted([tmp_path / "bare.csv"], tmp_path / "office", options)


def test_a_workbook(converted: Converted, tmp_path: Path) -> None:
    folder = exported(tmp_path / "data", OTHERS + LIKE_NUMBERS, also=["xlsx"])
    (book,) = (folder / "xlsx").glob("*.xlsx")
    converted([book], tmp_path / "office", None)
    tables = ElementTree.parse(tmp_path / "office" / f"{book.stem}.fods").getroot().iter(f"{TABLE}table")
    sheets = {table.get(f"{TABLE}name"): list(cells_of(table)) for table in tables}
    assert {path.stem for path in folder.glob("*.csv")} <= set(sheets)
    for path in folder.glob("*.csv"):
        same_rows(folder, path.name, sheets[path.stem], is_workbook=True)


def test_the_file_itself_has_the_cells_that_libreoffice_is_given(settings: Settings) -> None:
    """Texts that look like numbers are in quotes, so that a spreadsheet can be told to leave them as they are."""
    build(settings, out_line_items=[line(account_name="00123"), line(mailbox_id=1, account_name="A1")])
    export_month(settings, MONTH)
    text = (settings.exports_dir(MONTH) / "finance_lines.csv").read_text("utf-8")
    assert [part[:24] for part in text.split("\n")[1:3]] == ['4443,0,"00123",2026-10-0', "4443,1,A1,2026-10-01,Tra"]
    assert [row["account_name"] for row in csv.DictReader(text.splitlines())] == ["00123", "A1"]
