"""An export for spreadsheets that open it by a double click: CSVs of a locale, and one workbook.

    exports/YYYY-MM/de-DE/*.csv             separator, decimal mark, dates and byte order mark of that locale
    exports/YYYY-MM/xlsx/YYYY-MM.xlsx       a sheet for each CSV; numbers are numbers, identifiers texts, dates dates

Both are made from the CSVs of the export (and of its corrections), so their sums are equal, and a closed month has them
too. Each folder has a manifest. Once written they are kept up to date: `export` writes them again with the export.

A spreadsheet converts texts that look like numbers or dates, quoted or not. In the CSVs of a locale such a text gets
one more apostrophe: `(100)` is `'(100)`. `read_localised` removes it.

A cell of a workbook holds 15 digits. A number with more is written as text, so that no digit is wrong.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime
from itertools import chain
from pathlib import Path
from typing import Any

import pyarrow as pa
import xlsxwriter
from babel import Locale, UnknownLocaleError
from babel.dates import get_date_format
from babel.numbers import get_decimal_symbol, get_territory_currencies

from ecgrid_flows import formats
from ecgrid_flows.errors import Refused, SettingsError
from ecgrid_flows.finance.export_files import (
    MANIFEST,
    columns_of,
    form_of,
    guard_of,
    place,
    read_manifest,
    sha256_of,
)
from ecgrid_flows.storage.atomic_folder import publish, staging
from ecgrid_flows.storage.base import Store, disk_errors
from ecgrid_flows.warehouse import database
from ecgrid_flows.warehouse.connection import literal, quoted
from ecgrid_flows.warehouse.csv_files import GUARD, csv_connection, read_csv, with_cells, write_cells
from ecgrid_transforms.money import Decimal

__all__ = ["WORKBOOK", "LocaleForm", "locale_form", "read_localised", "write"]

#: The folder of the workbook; the others have the names of their locales.
WORKBOOK = "xlsx"
#: A column of a workbook is as wide as its widest value in so many rows, and no wider than so many characters.
_ROWS_SEEN, _MOST_WIDTH = 1000, 50
#: Limits of Excel: rows of a sheet with its header, and characters of a cell.
_MOST_ROWS, _MOST_TEXT = 1_048_576, 32_767
_MOST_DIGITS = 15
#: Locales for which Windows separates lists by semicolons, although decimals have a point.
_SEMICOLON_TERRITORIES = ("CH", "LI")
_ISO_DATE = "%Y-%m-%d"
_PLAIN_DATE = re.compile(r"(d{1,2}|M{1,2}|y{1,4})([-./])(d{1,2}|M{1,2}|y{1,4})\2(d{1,2}|M{1,2}|y{1,4})")
_STRFTIME = {"d": "%-d", "dd": "%d", "M": "%-m", "MM": "%m"}
#: Truth values as spreadsheets write them; CLDR has none.
_TRUTH = (
    *("true", "false", "wahr", "falsch", "vrai", "faux", "verdadero", "verdadeiro", "falso", "vero", "waar", "onwaar"),
    *("prawda", "fałsz", "pravda", "nepravda", "sant", "sann", "sand", "tosi", "epätosi", "igaz", "hamis", "истина"),
    *("ложь", "doğru", "yanliş", "yanlış"),
)
#: Words of numbers, times and ordinals, besides those of a locale.
_WORDS = ("e", "t", "z", "h", "am", "pm", "utc", "gmt", "st", "nd", "rd", "th", "usd", "eur", "gbp", "us")


@dataclass(frozen=True, slots=True)
class LocaleForm:
    """Format of the CSVs of a locale.

    `day` is a date format for strftime. `numbers` is an RE2 pattern; a text matches it as a whole, in lower case, if a
    spreadsheet could take it for a number, a date, a truth value or an error.
    """

    name: str
    delimiter: str
    decimal_mark: str
    day: str
    numbers: str


def locale_form(name: str) -> LocaleForm:
    """The form of a locale by CLDR (`de-DE`); raises `SettingsError` if there is no such locale."""
    try:
        locale = Locale.parse(name.strip().replace("_", "-"), sep="-")
    except (ValueError, UnknownLocaleError) as error:
        raise SettingsError(f"there is no locale {name!r}: write a language and a country, such as de-DE") from error
    mark = get_decimal_symbol(locale, numbering_system="latn")
    mark = mark if mark == "," else "."
    is_semicolon = mark == "," or locale.territory in _SEMICOLON_TERRITORIES
    return LocaleForm(
        str(locale).replace("_", "-"), ";" if is_semicolon else ",", mark, _day_of(locale), _numbers_of(locale)
    )


def _day_of(locale: Locale) -> str:
    """The short date of a locale with a four-digit year; ISO format if that is no plain date."""
    text = re.sub(r"'[^']*'|[^dMy./-]", "", get_date_format("short", locale).pattern).rstrip(".")
    found = _PLAIN_DATE.fullmatch(text)
    if not found:
        return _ISO_DATE
    first, mark, second, third = found.groups()
    return mark.join(_STRFTIME.get(part, "%Y") for part in (first, second, third))


def _numbers_of(locale: Locale) -> str:
    words = {*_WORDS}
    for one in (locale, Locale.parse("en")):
        for names in (one.months, one.days):
            words.update(
                text.lower().rstrip(".")
                for context in ("format", "stand-alone")
                for width in ("wide", "abbreviated")
                for text in names[context][width].values()
            )
        # CLDR states some only abbreviated, such as those of Korean and Swedish
        periods = (one.day_periods["format"][width] for width in ("wide", "abbreviated"))
        words.update(text.lower() for texts in periods for text in texts.values())
    for currency in get_territory_currencies(locale.territory) if locale.territory else ():
        words |= {currency.lower(), locale.currency_symbols.get(currency, currency).lower()}
    either = "|".join(map(re.escape, sorted(words)))
    truth = "|".join(_TRUTH)
    return (
        rf"(?:[^\pL\p{{Nd}}]|{either})*\p{{Nd}}(?:[^\pL]|{either})*"
        rf"|[^\pL]*(?:{truth})[^\pL]*"
        r"|'*#[a-z/0-9!?]+"
    )


def write(store: Store, folder: Path, wanted: Sequence[str]) -> list[Path]:
    """Write the export in `folder` for each locale in `wanted`, or as a workbook (`WORKBOOK`); return the paths.

    Raises `SettingsError` for an unknown locale, and `Refused` for a file with more rows than a sheet holds.
    """
    paths = []
    for name in wanted:
        paths += _write(folder, name)
        target = paths[-1].parent
        publish(store, target, f"exports/{folder.name}/{target.name}", MANIFEST)
    return paths


def write_staged(staged: Path, month: str, wanted: Sequence[str]) -> None:
    """Write them into an export that is not in place yet, so that it is never without them.

    One that is refused is left out: `write` reports it, once the export is in place.
    """
    for name in wanted:
        with suppress(SettingsError):
            _write(staged, name, month)


@dataclass(frozen=True, slots=True)
class _Source:
    """One CSV of the export: its path, its name and entry in the manifest, its separator and its guard."""

    path: Path
    name: str
    entry: Mapping[str, Any]
    delimiter: str
    guard: int

    @property
    def sheet(self) -> str:
        return self.name.removesuffix(".csv").removesuffix("/claim").replace("/", "_")

    def rows(self, connection: database.Connection, *, is_typed: bool) -> Any:
        columns = columns_of(self.entry)
        return read_csv(connection, self.path, columns, self.delimiter, guard=self.guard, is_typed=is_typed)


def _write(folder: Path, name: str, month: str = "") -> list[Path]:
    """The export in `folder` in one more form; `month` is the name of that folder once it is in place."""
    form = None if name == WORKBOOK else locale_form(name)
    target = folder / (form.name if form else WORKBOOK)
    manifests = [path for path in (folder / MANIFEST, folder / "corrections" / MANIFEST) if path.is_file()]
    made_from = {path.relative_to(folder).as_posix(): sha256_of(path) for path in manifests}
    sources = list(_sources([path.parent for path in manifests]))
    with csv_connection() as connection, staging(target) as staged:
        files = (
            {source.name: _localised(connection, source, staged, form) for source in sources}
            if form
            else _workbook(connection, sources, staged / f"{month or folder.name}.xlsx")
        )
        main = read_manifest(folder)
        manifest = {
            **formats.stamp("export"),
            "month": main["month"],
            "run_id": main["run_id"],
            "currency": main["currency"],
            "csv": _form_words(form) if form else None,
            "made_from": made_from,
            "files": dict(sorted(files.items())),
        }
        return place(staged, target, manifest)


def _sources(folders: Sequence[Path]) -> Iterator[_Source]:
    """The CSVs of each export; those of subfolders, such as claims, after the month's own."""
    for folder in folders:
        manifest = read_manifest(folder)
        for name, entry in sorted(manifest["files"].items(), key=lambda file: "/" in file[0]):
            if name.endswith(".csv"):
                yield _Source(folder / name, name, entry, form_of(manifest).delimiter, guard_of(manifest))


def _form_words(form: LocaleForm) -> dict[str, Any]:
    return {
        "locale": form.name,
        "delimiter": form.delimiter,
        "decimal_mark": form.decimal_mark,
        "date": form.day,
        "line_end": "LF",
        "encoding": "UTF-8",
        "byte_order_mark": True,
        "guard": GUARD,
    }


def _localised(connection: database.Connection, source: _Source, folder: Path, form: LocaleForm) -> dict[str, Any]:
    """Write one CSV in the form of a locale; return its manifest entry. Numbers keep their digits."""
    columns = columns_of(source.entry)
    cells = {name: _cell(quoted(name), kind, form) for name, kind in columns.items()}
    texts = [name for name, kind in columns.items() if kind == "string"]
    target = folder / source.name
    target.parent.mkdir(parents=True, exist_ok=True)
    rows = source.rows(connection, is_typed=False)
    count = write_cells(connection, rows, cells, target, texts=texts, delimiter=form.delimiter)
    return {**source.entry, "rows": count, "bytes": target.stat().st_size, "sha256": sha256_of(target)}


def _cell(column: str, kind: str, form: LocaleForm) -> str:
    """The cells of a column from its text in the CSV; `kind` is its type."""
    if kind == "string":
        return f"csv_kept(csv_guarded({column}), {literal(form.numbers)})"
    if kind.startswith("decimal"):
        return f"replace({column}, '.', {literal(form.decimal_mark)})"
    if kind.startswith("date"):
        return f"strftime({column}::DATE, {literal(form.day)})"
    if kind.startswith("timestamp"):
        return f"strftime(timezone('UTC', {column}::TIMESTAMPTZ), {literal(f'{form.day} %H:%M:%S')})"
    return column


def read_localised(path: Path) -> pa.Table:
    """One CSV of a locale as the table that the export has: marks, dates and guards undone, types by its manifest."""
    folder = next(above for above in path.parents if (above / MANIFEST).is_file())
    manifest = read_manifest(folder)
    entry = manifest["files"][path.relative_to(folder).as_posix()]
    form, columns = locale_form(manifest["csv"]["locale"]), columns_of(entry)
    cells = {}
    for name, kind in columns.items():
        column = quoted(name)
        if kind == "string":
            cell = f"csv_unguarded(csv_unkept({column}, {literal(form.numbers)}))"
        elif kind.startswith("decimal"):
            cell = f"replace({column}, {literal(form.decimal_mark)}, '.')::{kind.replace('decimal128', 'DECIMAL')}"
        elif kind.startswith("date"):
            cell = f"strptime({column}, {literal(form.day)})::DATE"
        elif kind.startswith("timestamp"):
            cell = f"timezone('UTC', strptime({column}, {literal(f'{form.day} %H:%M:%S')}))"
        else:
            cell = f"{column}::{ {'int32': 'INTEGER', 'int64': 'BIGINT', 'bool': 'BOOLEAN'}[kind] }"
        cells[name] = cell
    with csv_connection() as connection:
        rows = read_csv(connection, path, dict.fromkeys(columns, "other"), form.delimiter, is_typed=False)
        table: pa.Table = with_cells(rows, cells).to_arrow_table()
    return table


def _workbook(connection: database.Connection, sources: Sequence[_Source], target: Path) -> dict[str, Any]:
    """Write one workbook with a sheet for each source; return its manifest entry. The same bytes each time."""
    for source in sources:
        if source.entry["rows"] >= _MOST_ROWS:
            raise Refused(
                f"{source.name} has {source.entry['rows']:,} rows and a sheet holds {_MOST_ROWS - 1:,} below its "
                "header, so no workbook was written: use --csv-locale, or the CSV and Parquet files"
            )
    options = {"constant_memory": True, "tmpdir": str(target.parent)}
    with disk_errors(str(target)), xlsxwriter.Workbook(str(target), options) as book:
        book.set_properties({"created": datetime(2000, 1, 1)})  # noqa: DTZ001 - a workbook has no time zones
        styles = {
            "header": book.add_format({"bold": True}),
            "date": book.add_format({"num_format": "yyyy-mm-dd"}),
            "time": book.add_format({"num_format": "yyyy-mm-dd hh:mm:ss"}),
        }
        for source in sources:
            sheet = book.add_worksheet(source.sheet)
            sheet.freeze_panes(1, 0)
            sheet.repeat_rows(0)
            sheet.set_landscape()
            _fill(connection, source, sheet, styles)
    return {
        target.name: {
            "rows": sum(source.entry["rows"] for source in sources),
            "bytes": target.stat().st_size,
            "sha256": sha256_of(target),
            "control_totals": {},
            "columns": [],
            "sheets": {source.sheet: source.entry["control_totals"] for source in sources},
        }
    }


def _fill(connection: database.Connection, source: _Source, sheet: Any, styles: Mapping[str, Any]) -> None:
    columns = columns_of(source.entry)
    for place_of, name in enumerate(columns):
        sheet.write_string(0, place_of, name, styles["header"])
    widths = list(map(len, columns))
    is_text = [_is_identifier(name) for name in columns]
    with database.batches(source.rows(connection, is_typed=True)) as batches:
        rows = (zip(*(column.to_pylist() for column in batch.columns), strict=True) for batch in batches)
        for number, row in enumerate(chain.from_iterable(rows), start=1):
            for place_of, value in enumerate(row):
                if value is not None and value != "":
                    _put(sheet, number, place_of, str(value) if is_text[place_of] else value, styles, source)
                    if number <= _ROWS_SEEN:
                        widths[place_of] = max(widths[place_of], min(len(str(value)), _MOST_WIDTH))
    for place_of, width in enumerate(widths):
        sheet.set_column(place_of, place_of, width + 2)
    if source.entry["rows"]:
        sheet.autofilter(0, 0, source.entry["rows"], len(widths) - 1)


def _put(sheet: Any, row: int, column: int, value: Any, styles: Mapping[str, Any], source: _Source) -> None:
    """Write one cell by the type of its value."""
    if isinstance(value, bool):
        sheet.write_boolean(row, column, value)
    elif isinstance(value, int | Decimal):
        number = Decimal(value).normalize()
        if len(number.as_tuple().digits) > _MOST_DIGITS:
            sheet.write_string(row, column, f"{number:f}")
        else:
            # XlsxWriter writes sixteen digits of the decimal itself, which is never a float
            sheet.write_number(row, column, int(number) if number == number.to_integral_value() else number)
    elif isinstance(value, datetime) and value.year >= 1900:
        sheet.write_datetime(row, column, value.replace(tzinfo=None), styles["time"])
    elif isinstance(value, date) and value.year >= 1900:
        sheet.write_datetime(row, column, value, styles["date"])
    else:
        text = value if isinstance(value, str) else value.isoformat()
        if len(text) > _MOST_TEXT:
            raise Refused(
                f"{source.name}, row {row}: column {column + 1} has {len(text):,} characters and a cell of a "
                f"workbook holds {_MOST_TEXT:,}, so none was written: use the CSV files"
            )
        sheet.write_string(row, column, text)


def _is_identifier(name: str) -> bool:
    """Whether a column of whole numbers is an identifier, which must not be summed."""
    return name.endswith(("_id", "Id", "_number", "Number"))
