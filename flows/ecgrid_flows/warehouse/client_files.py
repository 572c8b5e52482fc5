"""Who your clients are and what they pay: clients.csv, client_prices.csv, allocation.csv and `ladders/*.csv`.

They lie in `data/reference` (the data directory's `reference` in front of the shipped ones, which have headers alone).
`read` checks every cell and gives them as tables of texts, as SQL reads them; a header alone is right.
"""

import csv
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import pairwise
from pathlib import Path

import pyarrow as pa

from ecgrid_flows.errors import SettingsError
from ecgrid_flows.warehouse.user_rows import Cells
from ecgrid_transforms.columns import texts
from ecgrid_transforms.model import ACCOUNT_REPORTS, MEASURE_FIELDS
from ecgrid_transforms.money import ZERO, Decimal, fitted, to_decimal

__all__ = ["CLIENTS", "COLUMNS", "LADDERS", "UNASSIGNED", "ClientFiles", "has_clients", "read"]

CLIENTS, PRICES, ALLOCATION = "clients.csv", "client_prices.csv", "allocation.csv"
LADDERS = "ladders"
#: The client of an account that clients.csv gives to nobody.
UNASSIGNED = "unassigned"
COLUMNS: Mapping[str, tuple[str, ...]] = {
    CLIENTS: ("network_id", "mailbox_id", "client", "cost_centre", "valid_from", "valid_to"),
    PRICES: ("client", "account_report", "measure_field", "rule", "value", "reading", "minimum", "valid_from"),
    ALLOCATION: ("contract_id", "charge", "rule"),
}
_LADDER_COLUMNS = (
    *("account_report", "measure_field", "model", "tier", "minimum", "maximum", "allowance", "block", "rate", "flat"),
)
RULES = ("pass_through", "markup_percent", "markup_per_unit", "fixed", "ladder")
SHARES = ("proportional", "standalone", "even")
MODELS = ("unit", "volume", "graduated", "stairstep", "stacked_flat")
#: Words of allocation.csv, in small letters, as the macro `allocation_charge` reads them.
_CHARGES = (
    *("minimum", "contract_minimum", "monthlyminimum", "percentage", "percentages", "creditpercentage"),
    *("debitpercentage", "credit", "credits", "shared_tier", "shared_tiers", "other", "all", ""),
)
#: Words of a reading, as sql/clients/client_readings.sql takes them.
_READING_WORDS = frozenset(
    {
        *MODELS,
        *("inclusive", "exclusive", "max_inclusive", "max_exclusive", "min_exclusive"),
        *(f"{word}{scope}" for word in ("up", "down", "nearest", "none") for scope in ("", "_by_tier")),
        *("tier", "quantity", "unit", "block", "before_blocks", "after_blocks", "free_tier", "free", "pays_flat"),
        *(f"{word}{scale}" for word in ("half_up", "half_even") for scale in ("", *map(str, range(11)))),
    }
)
_DIGITS = re.compile(r"[0-9]{1,10}")
_ISO_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
#: So many whole digits of a value or a minimum leave room for the product with a cost.
_LARGEST = Decimal(10) ** 12


@dataclass(frozen=True, slots=True)
class ClientFiles:
    """The tables `reference_clients`, `reference_client_prices`, `reference_allocation`, `reference_ladders`."""

    tables: Mapping[str, pa.Table]
    clients: tuple[str, ...]


def has_clients(folders: Sequence[Path]) -> bool:
    """Whether clients.csv gives any account a client."""
    path = _latest(folders, CLIENTS)
    return path is not None and len(list(_rows(path, COLUMNS[CLIENTS]))) > 0


def read(folders: Sequence[Path]) -> ClientFiles:
    """Check the files of the reference folders, a later folder's in place of an earlier one's, and give their rows.

    Raises `SettingsError`, naming file, line and column, for the first cell that is wrong.
    """
    rows = {name: list(_file(folders, name)) for name in COLUMNS}
    ladders = _ladders(folders)
    for row in rows[CLIENTS]:
        _check_account(row)
    _check_accounts(rows[CLIENTS])
    clients = {row.text("client") for row in rows[CLIENTS]}
    for row in rows[PRICES]:
        _check_price(row, clients, ladders)
    _check_once(rows[PRICES], ("client", "account_report", "measure_field", "valid_from"))
    for row in rows[ALLOCATION]:
        row.needed("contract_id", _identifier, "a whole number from 1")
        if row.text("charge").lower().replace(" ", "_") not in _CHARGES:
            raise row.wrong("charge", f"{row.text('charge')!r} is none of {', '.join(filter(None, _CHARGES))}")
        row.one_of("rule", SHARES)
    _check_once(rows[ALLOCATION], ("contract_id", "charge"))
    tables = {f"reference_{Path(name).stem}": _table(COLUMNS[name], rows[name]) for name in COLUMNS}
    of_ladders = [{**row.row, "ladder": stem} for stem, found in ladders.items() for row in found]
    tables["reference_ladders"] = _texts(("ladder", *_LADDER_COLUMNS), of_ladders)
    return ClientFiles(tables, tuple(sorted(clients)))


def _latest(folders: Sequence[Path], name: str) -> Path | None:
    return next((folder / name for folder in reversed(folders) if (folder / name).is_file()), None)


def _file(folders: Sequence[Path], name: str) -> Iterator[Cells]:
    path = _latest(folders, name)
    return iter(()) if path is None else _rows(path, COLUMNS[name])


def _rows(path: Path, columns: Sequence[str]) -> Iterator[Cells]:
    """The rows of a file that has these columns, in any order; empty lines are none."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as source:
            lines = csv.reader(source, strict=True)
            header = next(lines, [])
            if set(header) != set(columns) or len(header) != len(columns):
                separated = " separated by commas" if ";" in "".join(header) else ""
                raise SettingsError(f"{path}, line 1: its columns must be {','.join(columns)}{separated}")
            for cells in lines:
                if not any(cells):
                    continue
                if len(cells) != len(header):
                    raise SettingsError(
                        f"{path}, line {lines.line_num}: {len(cells)} cells under {len(header)} columns; "
                        "quote texts with commas"
                    )
                row = Cells(path, lines.line_num, dict(zip(header, cells, strict=True)))
                for column in row.row:
                    row.text(column)  # refuses spaces at its ends
                yield row
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise SettingsError(f"{path} cannot be read as CSV ({error}): make it a UTF-8 text") from error


def _check_account(row: Cells) -> None:
    row.needed("network_id", _identifier, "a whole number from 1")
    row.value("mailbox_id", _whole, "a whole number from 0, or empty for every mailbox of the network")
    client = row.text("client")
    if not client or not client.isprintable():
        raise row.wrong("client", f"{client!r} is not a name; write one in printable characters")
    if client == UNASSIGNED:
        raise row.wrong("client", f"{UNASSIGNED} is the name for accounts without a client; choose another")
    if len(client.encode()) > 150:
        raise row.wrong("client", "is longer than 150 bytes, and files are named after it; shorten it")
    begins, ends = _day(row, "valid_from"), _day(row, "valid_to")
    if begins and ends and ends < begins:
        raise row.wrong("valid_to", f"{ends} is before valid_from")


def _check_accounts(rows: Sequence[Cells]) -> None:
    """An account has one client at a time."""

    def account(row: Cells) -> tuple[int, int]:
        return int(row.text("network_id")), int(row.text("mailbox_id") or -1)

    ordered = sorted(rows, key=lambda row: (account(row), _day(row, "valid_from") or date.min))
    for earlier, later in pairwise(ordered):
        if account(earlier) == account(later):
            ends, begins = _day(earlier, "valid_to") or date.max, _day(later, "valid_from") or date.min
            if begins <= ends:
                why = f"line {earlier.line} still gives this account to {earlier.text('client')!r}; end that row first"
                raise later.wrong("valid_from", why)


def _check_price(row: Cells, clients: Collection[str], ladders: Mapping[str, Sequence[Cells]]) -> None:
    if row.text("client") not in clients:
        raise row.wrong("client", f"{row.text('client')!r} is not in {CLIENTS}; add it there or correct the name")
    row.one_of("account_report", ("", *ACCOUNT_REPORTS))
    row.one_of("measure_field", ("", *MEASURE_FIELDS))
    rule = row.one_of("rule", RULES)
    if rule == "ladder":
        if row.text("value").removesuffix(".csv") not in ladders:
            raise row.wrong("value", f"there is no {LADDERS}/{row.text('value').removesuffix('.csv')}.csv")
        for word in re.split(r"[. ]+", row.text("reading")):
            if word and word not in _READING_WORDS:
                raise row.wrong("reading", f"{word!r} is no word of a reading: {', '.join(sorted(_READING_WORDS))}")
    else:
        if row.text("reading"):
            raise row.wrong("reading", "belongs to a ladder alone; empty it")
        if rule == "pass_through":
            if row.text("value"):
                raise row.wrong("value", "pass_through has none; empty it")
        else:
            row.needed("value", _amount, "a decimal with at most 10 decimals")
    least = row.value("minimum", _amount, "a decimal from 0 with at most 10 decimals")
    if least is not None and least < ZERO:
        raise row.wrong("minimum", "is below 0")
    _day(row, "valid_from")


def _check_once(rows: Sequence[Cells], columns: Sequence[str]) -> None:
    seen: dict[tuple[str, ...], Cells] = {}
    for row in rows:
        before = seen.setdefault(tuple(row.text(column) for column in columns), row)
        if before is not row:
            raise row.wrong(columns[0], f"line {before.line} has the same {', '.join(columns)}; leave one of them")


def _ladders(folders: Sequence[Path]) -> dict[str, list[Cells]]:
    """Stem -> rows of each ladder file, a later folder's in place of an earlier one's."""
    paths = {path.stem: path for folder in folders for path in sorted((folder / LADDERS).glob("*.csv"))}
    found: dict[str, list[Cells]] = {}
    for stem, path in paths.items():
        found[stem] = list(_rows(path, _LADDER_COLUMNS))
        by_measure: dict[tuple[str, str], list[Cells]] = {}
        for row in found[stem]:
            key = (row.one_of("account_report", ACCOUNT_REPORTS), row.one_of("measure_field", MEASURE_FIELDS))
            row.one_of("model", ("", *MODELS))
            if not row.text("rate") and not row.text("flat"):
                raise row.wrong("rate", "is empty, and so is flat; fill one of them")
            for column in ("minimum", "maximum", "allowance", "block", "rate", "flat"):
                number = row.value(column, _amount, "a decimal with at most 10 decimals")
                if number is not None and number < ZERO and column not in ("rate", "flat"):
                    raise row.wrong(column, f"{row.text(column)} is below 0")
            row.needed("tier", _identifier, "a whole number from 1")
            by_measure.setdefault(key, []).append(row)
        for rows in by_measure.values():
            _check_tiers(sorted(rows, key=lambda row: int(row.text("tier"))))
    return found


def _check_tiers(rows: Sequence[Cells]) -> None:
    """Tiers are numbered from 1, bounds rise, and each begins where the one before ends, or one unit above."""
    end: Decimal | None = ZERO
    for place, row in enumerate(rows, start=1):
        if int(row.text("tier")) != place:
            raise row.wrong("tier", f"{row.text('tier')} where tier {place} is due; number the tiers from 1")
        if end is None:
            raise row.wrong("tier", "follows a tier without maximum; fill that maximum")
        if row.text("model") != rows[0].text("model"):
            raise row.wrong("model", f"differs from line {rows[0].line}; a ladder has one model")
        begin = to_decimal(row.text("minimum")) if row.text("minimum") else None
        if begin is not None and begin not in (end, end + 1):
            raise row.wrong("minimum", f"{row.text('minimum')} where {end} or {end + 1} is due")
        limit = to_decimal(row.text("maximum")) if row.text("maximum") else None
        if limit is not None and limit <= end:
            raise row.wrong("maximum", f"{row.text('maximum')} is not above {end}")
        end = limit


def _table(columns: Sequence[str], rows: Sequence[Cells]) -> pa.Table:
    return _texts(columns, [row.row for row in rows])


def _texts(columns: Sequence[str], rows: Sequence[Mapping[str, str | None]]) -> pa.Table:
    """A table of texts, null where a cell is empty."""
    return pa.table({name: texts(row[name] or None for row in rows) for name in columns})


def _day(row: Cells, column: str) -> date | None:
    return row.value(column, _date, "a date such as 2026-10-01")


def _whole(text: str) -> int:
    if not _DIGITS.fullmatch(text) or int(text) >= 2**31:
        raise ValueError(text)
    return int(text)


def _identifier(text: str) -> int:
    if (number := _whole(text)) < 1:
        raise ValueError(text)
    return number


def _amount(text: str) -> Decimal:
    number = fitted(to_decimal(text))
    if abs(number) >= _LARGEST:
        raise ValueError(text)
    return number


def _date(text: str) -> date:
    if not _ISO_DATE.fullmatch(text):
        raise ValueError(text)
    return date.fromisoformat(text)
