"""CSVs of a locale and the workbook: what they hold, that they read back, and when they are written again."""

import json
import re
import zipfile
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import settings as checked
from hypothesis import strategies as st

from ecgrid_flows import formats
from ecgrid_flows.errors import Refused, SettingsError
from ecgrid_flows.finance import spreadsheets
from ecgrid_flows.finance.csv_writer import CsvForm
from ecgrid_flows.finance.export import export_month, read_export
from ecgrid_flows.finance.export_files import derived_folders, form_words, read_manifest, sha256_of
from ecgrid_flows.finance.period_close import verify
from ecgrid_flows.finance.spreadsheets import locale_form, read_localised
from ecgrid_flows.settings import Settings
from ecgrid_flows.storage.opening import open_store
from ecgrid_flows.warehouse import database
from ecgrid_flows.warehouse.csv_files import csv_connection
from ecgrid_transforms.money import Decimal

from .decided import bucket, close
from .world import MONTH, build, every_kind_of_charge, finding, line

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def connection() -> Iterator[database.Connection]:
    with csv_connection() as made:
        yield made


@pytest.mark.parametrize(
    ("name", "delimiter", "mark", "day"),
    [
        ("de-DE", ";", ",", "%d.%m.%Y"),
        ("de_AT", ";", ",", "%d.%m.%Y"),
        ("de-CH", ";", ".", "%d.%m.%Y"),
        ("fr-FR", ";", ",", "%d/%m/%Y"),
        ("en-US", ",", ".", "%-m/%-d/%Y"),
        ("en-GB", ",", ".", "%d/%m/%Y"),
        ("sv-SE", ";", ",", "%Y-%m-%d"),
        ("hr-HR", ";", ",", "%d.%m.%Y"),
        ("ar-EG", ",", ".", "%-d/%-m/%Y"),
        ("de", ";", ",", "%d.%m.%Y"),
    ],
)
def test_the_form_of_a_locale(name: str, delimiter: str, mark: str, day: str) -> None:
    form = locale_form(name)
    assert (form.delimiter, form.decimal_mark, form.day) == (delimiter, mark, day)


def test_a_decimal_mark_that_no_spreadsheet_reads_is_a_point() -> None:
    """CLDR has the Arabic mark for Western Balochi."""
    assert locale_form("bgn-PK").decimal_mark == "."


@pytest.mark.parametrize("name", ["", "xx-YY", "deutsch", "../de"])
def test_an_unknown_locale_is_refused(name: str) -> None:
    with pytest.raises(SettingsError, match="there is no locale"):
        locale_form(name)


@pytest.mark.parametrize(
    ("text", "is_kept"),
    [
        *(
            (text, True)
            for text in ("(100)", "3/4", "00123", "1E5", "MAR1", "10%", "$5", "WAHR", "5 €", "1. Mai", "#N/A")
        ),
        *((text, True) for text in ("2026-10-31T23:59:59Z", "219e01123456", "Oktober 2026", "10:30 pm", "'5")),
        *((text, False) for text in ("Maier 2", "3M Germany", "Müller & Söhne", "f19e01123456", "", "mai", "INV-7")),
    ],
)
def test_what_a_spreadsheet_would_turn_into_a_number(connection: database.Connection, text: str, is_kept: bool) -> None:
    ((cell,),) = connection.execute("SELECT csv_kept(?, ?)", [text, locale_form("de-DE").numbers]).fetchall()
    assert cell == (f"'{text}" if is_kept else text)


@pytest.mark.parametrize(
    ("locale", "text"),
    [
        ("ko-KR", "오전 10:30"),
        ("es-ES", "10:30 p.\u00a0m."),
        ("de-CH", "5 CHF"),
        ("pl-PL", "5 zł"),
        ("fr-FR", "3 février"),
    ],
)
def test_words_of_a_locale_are_part_of_its_numbers(connection: database.Connection, locale: str, text: str) -> None:
    """Times of day, currencies of the territory, months."""
    for name, cell in ((locale, f"'{text}"), ("en-US", text)):
        found = connection.execute("SELECT csv_kept(?, ?)", [text, locale_form(name).numbers]).fetchall()
        assert found == [(cell,)]


TEXTS = st.text(
    alphabet=st.one_of(
        st.sampled_from("'=-+;,\t\n\"0123456789/.e() "), st.characters(codec="utf-8", exclude_characters="\x00")
    )
)


@given(st.lists(TEXTS, min_size=1, max_size=30))
@example(["'=1", "'5", "=1"])
@checked(max_examples=20)
def test_both_guards_are_undone_on_every_text(connection: database.Connection, texts: list[str]) -> None:
    """Many texts in one query, for DuckDB compiles the long pattern of a locale anew in each."""
    again = connection.execute(
        "SELECT csv_unguarded(csv_unkept(csv_kept(csv_guarded(text), $pattern), $pattern)) "
        "FROM unnest($texts::VARCHAR[]) WITH ORDINALITY AS texts (text, place) ORDER BY place",
        {"texts": texts, "pattern": locale_form("de-DE").numbers},
    ).fetchall()
    assert [text for (text,) in again] == texts


def export_all(folder: Path, names: tuple[str, ...] = ("(100)", "=1", ""), **also: object) -> Settings:
    settings = Settings(data_dir=str(folder), currency="USD")
    world = every_kind_of_charge()
    world["out_line_items"] += [
        line(mailbox_id=number, account_name=name, expected_amount=None) for number, name in enumerate(names, start=100)
    ]
    build(settings, **world, out_findings=[finding()])
    export_month(settings, MONTH, **also)
    return settings


@pytest.mark.long
def test_the_files_of_a_locale_by_hand_and_read_back(tmp_path: Path) -> None:
    settings = export_all(tmp_path, also=["de-DE", "en-US"])
    folder = settings.exports_dir(MONTH)
    data = (folder / "de-DE/finance_lines.csv").read_bytes()
    assert data.startswith(b"\xef\xbb\xbf")
    first = data.decode("utf-8-sig").split("\n")[1]
    assert first.startswith(
        '4443;0;"Müller & Söhne";01.10.2026;"TrafficAll";"TotalKCs";432;"Naïve tiers";"unit";1501;317,26;'
    )
    for locale in ("de-DE", "en-US"):
        for path in (folder / locale).rglob("*.csv"):
            assert read_localised(path).equals(read_export(folder / path.relative_to(folder / locale))), path
    totals = {name: entry.get("control_totals") for name, entry in read_manifest(folder)["files"].items()}
    german = read_manifest(folder / "de-DE")["files"]
    assert {name: entry["control_totals"] for name, entry in german.items()} == {
        name: found for name, found in totals.items() if name.endswith(".csv")
    }


@pytest.mark.long
def test_they_are_kept_up_and_stay_when_nothing_changed(tmp_path: Path) -> None:
    settings = export_all(tmp_path, also=["de-DE", "xlsx"])
    folder = settings.exports_dir(MONTH)
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    export_month(settings, MONTH)
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before
    build(settings, out_line_items=[line(amount="73.00")])
    export_month(settings, MONTH)
    assert read_localised(folder / "de-DE/finance_lines.csv").equals(read_export(folder / "finance_lines.csv"))
    assert derived_folders(folder) == {"de-DE", "xlsx"}
    assert [path.name for path in folder.parent.iterdir()] == ["2026-10"]


@pytest.mark.long
def test_an_export_is_put_in_place_with_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that is ended just after leaves no export without them."""

    def ended(*_: object) -> None:
        raise KeyboardInterrupt

    settings = export_all(tmp_path, also=["de-DE"])
    build(settings, out_line_items=[line(amount="73.00")])
    monkeypatch.setattr("ecgrid_flows.finance.export.publish", ended)
    with pytest.raises(KeyboardInterrupt):
        export_month(settings, MONTH)
    table = read_localised(settings.exports_dir(MONTH) / "de-DE/finance_lines.csv")
    assert table["billed_amount"].to_pylist() == [Decimal("73.00")]


@pytest.mark.long
def test_a_closed_month_has_them_too(tmp_path: Path) -> None:
    settings = export_all(tmp_path, also=["xlsx"])
    closed = close(settings, {row["finding_id"]: "agreed" for row in findings_of(settings)})
    frozen = {path: path.read_bytes() for path in settings.exports_dir(MONTH).iterdir() if path.is_file()}
    export_month(settings, MONTH, also=["fr-FR"])
    folder = settings.exports_dir(MONTH)
    assert {path: path.read_bytes() for path in folder.iterdir() if path.is_file()} == frozen
    assert read_localised(folder / "fr-FR/findings.csv").equals(read_export(folder / "findings.csv"))
    assert verify(settings, open_store(settings), MONTH, closed.entry.sha256).faults == ()


def findings_of(settings: Settings) -> list[dict[str, str]]:
    rows: list[dict[str, str]] = read_export(settings.exports_dir(MONTH) / "findings.csv").to_pylist()
    return rows


def test_a_workbook_is_the_same_bytes_each_time_and_has_no_wrong_digit(tmp_path: Path) -> None:
    amounts = {"123456789012345.67": "123456789012345.67", "0.1234567891": None, "-99999999.99": None}
    settings = Settings(data_dir=str(tmp_path / "one"))
    rows = [line(mailbox_id=number, amount=amount) for number, amount in enumerate(amounts)]
    books = []
    for name in ("one", "two"):
        settings = Settings(data_dir=str(tmp_path / name))
        build(settings, out_line_items=rows, out_findings=[finding(explanation="\x01 & <b>")])
        export_month(settings, MONTH, also=["xlsx"])
        books.append((settings.exports_dir(MONTH) / "xlsx/2026-10.xlsx").read_bytes())
    assert books[0] == books[1]
    with zipfile.ZipFile(settings.exports_dir(MONTH) / "xlsx/2026-10.xlsx") as book:
        sheet = "".join(book.read(name).decode() for name in book.namelist() if "worksheets/" in name)
    assert "<t>123456789012345.67</t>" in sheet
    assert "<v>0.1234567891</v>" in sheet
    assert "<v>-99999999.99</v>" in sheet  # %.16G of the double is -99999999.98999999
    assert "<t>4443</t>" in sheet  # a network is no number to add up
    # reporting_month: 15 characters of the heading and 2 beside, in Excel's unit, so that a date is not shown as ###
    assert '<col min="4" max="4" width="17.7' in sheet


def test_a_workbook_opens_with_the_months_own_sheets(tmp_path: Path) -> None:
    settings = Settings(data_dir=str(tmp_path))
    build(settings, out_line_items=[line()], out_findings=[finding(mailbox_id=0)])
    export_month(settings, MONTH, also=["xlsx"])
    with zipfile.ZipFile(settings.exports_dir(MONTH) / "xlsx/2026-10.xlsx") as book:
        titles = re.findall(r'<sheet name="([^"]+)"', book.read("xl/workbook.xml").decode())
        number = titles.index("finance_lines") + 1
        sheet = book.read(f"xl/worksheets/sheet{number}.xml").decode()
    assert titles[-1].startswith("disputes")
    assert number < len(titles)
    rows = dict(re.findall(r'<row r="(\d+)"[^>]*>(.*?)</row>', sheet))
    header = (settings.exports_dir(MONTH) / "finance_lines.csv").read_text(encoding="utf-8").splitlines()[0]
    assert (list(rows), re.findall("<t>(.*?)</t>", rows["1"])) == (["1", "2"], header.split(","))


def test_a_date_before_excels_first_is_text(tmp_path: Path) -> None:
    """Excel counts days from 1900-01-01, which is 1."""
    settings = Settings(data_dir=str(tmp_path))
    days = {8751: date(1900, 1, 1), 8752: date(1899, 12, 31)}
    rows = [{"reporting_month": MONTH, "contract_id": number, "due_date": day} for number, day in days.items()]
    build(settings, out_line_items=[line()], out_invoice_reconciliation=rows)
    export_month(settings, MONTH, also=["xlsx"])
    with zipfile.ZipFile(settings.exports_dir(MONTH) / "xlsx/2026-10.xlsx") as book:
        titles = re.findall(r'<sheet name="([^"]+)"', book.read("xl/workbook.xml").decode())
        sheet = book.read(f"xl/worksheets/sheet{titles.index('invoice_reconciliation') + 1}.xml").decode()
    (place,) = (place for place, text in enumerate(re.findall("<t>(.*?)</t>", sheet)) if text == "due_date")
    column = "ABCDEFGHIJ"[place]
    assert re.findall(rf'<c r="{column}2"[^>]*><v>(.*?)</v>', sheet) == ["1"]
    assert re.findall(rf'<c r="{column}3"[^>]*><is><t>(.*?)</t>', sheet) == ["1899-12-31"]


def test_more_rows_than_a_sheet_holds_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spreadsheets, "_MOST_ROWS", 5)
    with pytest.raises(Refused, match=r"finance_lines\.csv has 11 rows and a sheet holds 4 below its header"):
        export_all(tmp_path, also=["xlsx"])
    folder = Settings(data_dir=str(tmp_path)).exports_dir(MONTH)
    assert (folder / "finance_lines.csv").is_file()
    assert not (folder / "xlsx").exists()


@pytest.mark.long
def test_the_manifest_names_what_they_were_made_from(tmp_path: Path) -> None:
    settings = export_all(tmp_path, also=["de-DE"])
    folder = settings.exports_dir(MONTH)
    manifest = json.loads((folder / "de-DE/manifest.json").read_text("utf-8"))
    assert set(manifest["made_from"]) == {"manifest.json"}
    assert manifest["csv"]["locale"] == "de-DE"
    assert isinstance(read_localised(folder / "de-DE/focus_1_2.csv"), pa.Table)


def exported_by_hand(folder: Path, files: dict[str, tuple[dict[str, str], str, int]]) -> None:
    """An export of these files: the columns with their types, the text and the number of rows of each."""
    found: dict[str, Any] = {}
    for name, (columns, text, rows) in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, "utf-8", newline="")
        types = [{"name": column, "type": kind} for column, kind in columns.items()]
        totals = {"amount": "1.5"}
        found[name] = {"rows": rows, "sha256": sha256_of(folder / name), "control_totals": totals, "columns": types}
    manifest = {**formats.stamp("export"), "month": "2026-10", "run_id": "R", "currency": "USD"}
    manifest |= {"csv": form_words(CsvForm()), "files": found}
    (folder / "manifest.json").write_text(json.dumps(manifest), "utf-8")


EVERY_TYPE = {
    "name": "string",
    "amount": "decimal128(28, 10)",
    "day": "date32[day]",
    "at": "timestamp[us, tz=UTC]",
    "count": "int32",
    "is_open": "bool",
}
ROWS_BY_HAND = (
    "name,amount,day,at,count,is_open\r\n"
    "(100),1.50,2026-10-31,2026-11-01T00:30:00Z,7,true\r\n"
    ",,,,,\r\n"
    '"\'=1",0.1234567891,1899-12-31,,,false\r\n'
)


def test_an_export_by_hand_in_a_locale_and_in_a_bucket(tmp_path: Path) -> None:
    """The export, its claims and its corrections; each file reads back as the table that it was made of."""
    folder, published = tmp_path / "data/exports/2026-10", tmp_path / "bucket/exports/2026-10"
    claims = dict.fromkeys(("a/b/x.csv", "p/q/y.csv", "p/q/z.csv"), ({"n": "int32"}, "n\r\n1\r\n", 1))
    exported_by_hand(folder, {**claims, "lines.csv": (EVERY_TYPE, ROWS_BY_HAND, 3), "z.html": ({}, "", 0)})
    paths = spreadsheets.write(bucket(tmp_path / "bucket"), folder, ["de-DE"])
    names = ["a/b/x.csv", "lines.csv", "p/q/y.csv", "p/q/z.csv", "manifest.json"]
    assert paths == [folder / "de-DE" / name for name in names]
    assert [(published / "de-DE" / name).read_bytes() for name in names] == [path.read_bytes() for path in paths]
    assert paths[1].read_bytes().decode("utf-8-sig").split("\n") == [
        '"name";amount;day;at;count;is_open',
        '"\'(100)";1,50;31.10.2026;01.11.2026 00:30:00;7;true',
        ";;;;;",
        "\"''=1\";0,1234567891;31.12.1899;;;false",
        "",
    ]
    for path in paths[:4]:
        assert read_localised(path).equals(read_export(folder / path.relative_to(folder / "de-DE")))
    manifest = read_manifest(folder / "de-DE")
    assert manifest["made_from"] == {"manifest.json": sha256_of(folder / "manifest.json")}
    assert (manifest["month"], manifest["run_id"], manifest["currency"]) == ("2026-10", "R", "USD")
    assert manifest["csv"] == {
        "locale": "de-DE",
        "delimiter": ";",
        "decimal_mark": ",",
        "date": "%d.%m.%Y",
        "line_end": "LF",
        "encoding": "UTF-8",
        "byte_order_mark": True,
        "guard": 2,
    }
    exported_by_hand(folder / "corrections", {"corrections.csv": ({"n": "int32"}, "n\r\n3\r\n", 1)})
    assert derived_folders(folder) == {"de-DE"}
    (written, *_) = spreadsheets.write(bucket(tmp_path / "bucket"), folder, ["xlsx"])
    assert written == folder / "xlsx/2026-10.xlsx"
    with zipfile.ZipFile(written) as book:
        sheet, *others = (book.read(f"xl/{name}.xml").decode() for name in ("worksheets/sheet1", "workbook", "styles"))
        made = book.read("docProps/core.xml").decode()
    assert "<t>(100)</t>" in sheet, "texts are in the sheet itself"
    assert '<pane ySplit="1" topLeftCell="A2" activePane="bottomLeft" state="frozen"/>' in sheet
    assert 'orientation="landscape"' in sheet
    assert "lines!$1:$1<" in others[0]
    assert "<b/>" in others[1]
    assert f"{datetime.now(UTC):%Y-%m-%dT}" not in made, "the same bytes on another day"
    manifest = read_manifest(folder / "xlsx")
    assert set(manifest["made_from"]) == {"manifest.json", "corrections/manifest.json"}
    assert (manifest["csv"], manifest["files"]["2026-10.xlsx"]["rows"]) == (None, 7)
    assert list(manifest["files"]["2026-10.xlsx"]["sheets"]) == ["lines", "a_b_x", "p_q_y", "p_q_z", "corrections"]
    spreadsheets.write_staged(folder, "2026-09", ["xlsx", "no-such-locale"])
    assert (folder / "xlsx/2026-09.xlsx").is_file()


def test_a_sheet_by_hand(tmp_path: Path, connection: database.Connection) -> None:
    """A column is as wide as its widest text of 1,000 rows, of 50 characters at most, and 2 beside."""
    rows = ['1,"",1.50', f'2,"{"x" * 60}",', *["3,,"] * 997, "4,y,1234567890123456", f"1234567890,{'z' * 9},2"]
    columns = {"claim_id": "int32", "text": "string", "amount": "decimal128(28, 10)"}
    path = tmp_path / "lines.csv"
    path.write_text("\r\n".join(["claim_id,text,amount", *rows, ""]), newline="")
    types = [{"name": name, "type": kind} for name, kind in columns.items()]
    calls: list[tuple[Any, ...]] = []

    class Recorded:
        def __getattr__(self, name: str) -> Any:
            return lambda *given: calls.append((name, *given))

    def filled(count: int) -> list[tuple[Any, ...]]:
        calls.clear()
        source = spreadsheets._Source(path, "lines.csv", {"rows": count, "columns": types}, ",", 2)
        spreadsheets._fill(connection, source, Recorded(), {"header": "H"})
        return calls

    found = filled(1001)
    assert found[:3] == [("write_string", 0, place, name, "H") for place, name in enumerate(columns)]
    cells = [call for call in found[3:-4] if call[2] or call[1] not in range(3, 1000)]
    assert cells == [
        ("write_string", 1, 0, "1"),
        ("write_number", 1, 2, Decimal("1.5")),
        ("write_string", 2, 0, "2"),
        ("write_string", 2, 1, "x" * 60),
        ("write_string", 1000, 0, "4"),
        ("write_string", 1000, 1, "y"),
        ("write_string", 1000, 2, "1234567890123456"),
        ("write_string", 1001, 0, "1234567890"),
        ("write_string", 1001, 1, "z" * 9),
        ("write_number", 1001, 2, 2),
    ]
    widths = [("set_column", place, place, width) for place, width in enumerate((10, 52, 29))]
    assert found[-4:] == [*widths, ("autofilter", 0, 0, 1001, 2)]
    path.write_text("claim_id,text,amount\r\n", newline="")
    assert filled(0)[-1] == ("set_column", 2, 2, 8), "no filter on a sheet without rows"


def test_a_sheet_has_1048576_rows_with_its_header(tmp_path: Path, connection: database.Connection) -> None:
    source = spreadsheets._Source(tmp_path, "lines.csv", {"rows": 1_048_576}, ",", 2)
    with pytest.raises(Refused, match="has 1,048,576 rows and a sheet holds 1,048,575 below its header"):
        spreadsheets._workbook(connection, [source], tmp_path / "x.xlsx")


class _Sheet:
    """Records what is written into it."""

    def __init__(self) -> None:
        self.written: list[tuple[Any, ...]] = []

    def __getattr__(self, name: str) -> Any:
        return lambda row, column, *value: self.written.append((name.removeprefix("write_"), *value))


def test_a_cell_is_written_by_the_type_of_its_value(tmp_path: Path) -> None:
    """Excel keeps 15 digits, has no day before 1900, and 32,767 characters in a cell."""
    sheet, styles = _Sheet(), {"time": "T", "date": "D"}
    source = spreadsheets._Source(tmp_path, "claims.csv", {}, ",", 1)
    moment = datetime(1900, 1, 1, 6, tzinfo=UTC)
    values = [
        *(True, 5, Decimal("5.00"), Decimal("1.50"), Decimal("123456789012.345"), Decimal("1234567890123.4560")),
        *(moment, moment.replace(year=1899), date(1900, 1, 1), date(1899, 12, 31), "x" * 32_767),
    ]
    for value in values:
        spreadsheets._put(sheet, 3, 1, value, styles, source)
    assert sheet.written == [
        ("boolean", True),
        ("number", 5),
        ("number", 5),
        ("number", Decimal("1.5")),
        ("number", Decimal("123456789012.345")),
        ("string", "1234567890123.456"),
        ("datetime", datetime(1900, 1, 1, 6), "T"),  # noqa: DTZ001 - a workbook has no time zones
        ("string", "1899-01-01T06:00:00+00:00"),
        ("datetime", date(1900, 1, 1), "D"),
        ("string", "1899-12-31"),
        ("string", "x" * 32_767),
    ]
    assert [type(value) for _, value, *_ in sheet.written[1:3]] == [int, int], "100 is not written as 1E+2"
    with pytest.raises(Refused, match=r"claims\.csv, row 3: column 2 has 32,768 characters"):
        spreadsheets._put(sheet, 3, 1, "x" * 32_768, styles, source)
    names = ("network_id", "InvoiceId", "line_number", "lineNumber", "idle", "amount")
    assert [spreadsheets._is_identifier(name) for name in names] == [True, True, True, True, False, False]
