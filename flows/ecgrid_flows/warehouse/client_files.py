"""Who your clients are and what they pay: clients.csv, client_prices.csv, allocation.csv and `ladders/*.csv`.

They lie in `data/reference` (the data directory's `reference` in front of the shipped ones, which have headers alone).
`read` checks every cell and gives them as tables of texts, as SQL reads them; a header alone is right.
"""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import pairwise
from pathlib import Path

import pyarrow as pa

from ecgrid_flows.warehouse.contract_terms import MODELS, PRICE_LADDER_SCHEMA, read_ladder
from ecgrid_flows.warehouse.user_rows import Cells, day, identifier, number, read_rows, whole
from ecgrid_transforms.columns import texts
from ecgrid_transforms.model import ACCOUNT_REPORTS, MEASURE_FIELDS
from ecgrid_transforms.money import ZERO, Decimal

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
RULES = ("pass_through", "markup_percent", "markup_per_unit", "fixed", "ladder")
SHARES = ("proportional", "standalone", "even")
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
#: So many whole digits of a value or a minimum leave room for the product with a cost.
_LARGEST = Decimal(10) ** 12


@dataclass(frozen=True, slots=True)
class ClientFiles:
    """The tables `reference_clients`, `reference_client_prices`, `reference_allocation`, `client_ladders`."""

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
    paths = {path.stem: path for folder in folders for path in sorted((folder / LADDERS).glob("*.csv"))}
    ladders = {stem: read_ladder(path, is_price=True) for stem, path in paths.items()}
    for row in rows[CLIENTS]:
        _check_account(row)
    _check_accounts(rows[CLIENTS])
    clients = {row.text("client") for row in rows[CLIENTS]}
    for row in rows[PRICES]:
        _check_price(row, clients, ladders)
    _check_once(rows[PRICES], ("client", "account_report", "measure_field", "valid_from"))
    for row in rows[ALLOCATION]:
        row.needed("contract_id", identifier, "a whole number from 1")
        if row.text("charge").lower().replace(" ", "_") not in _CHARGES:
            raise row.wrong("charge", f"{row.text('charge')!r} is none of {', '.join(filter(None, _CHARGES))}")
        row.one_of("rule", SHARES)
    _check_once(rows[ALLOCATION], ("contract_id", "charge"))
    tables = {f"reference_{Path(name).stem}": _table(COLUMNS[name], rows[name]) for name in COLUMNS}
    of_ladders = [found.append_column("ladder", texts([stem] * found.num_rows)) for stem, found in ladders.items()]
    none = pa.Table.from_batches([], PRICE_LADDER_SCHEMA.append(pa.field("ladder", pa.string())))
    tables["client_ladders"] = pa.concat_tables([none, *of_ladders])
    return ClientFiles(tables, tuple(sorted(clients)))


def _latest(folders: Sequence[Path], name: str) -> Path | None:
    return next((folder / name for folder in reversed(folders) if (folder / name).is_file()), None)


def _file(folders: Sequence[Path], name: str) -> Iterator[Cells]:
    path = _latest(folders, name)
    return iter(()) if path is None else _rows(path, COLUMNS[name])


def _rows(path: Path, columns: Sequence[str]) -> Iterator[Cells]:
    """The rows of a file; a spreadsheet's rows of empty cells are none, and no cell has spaces at its ends."""
    for row in read_rows(path, columns):
        if any([row.text(column) for column in columns]):
            yield row


def _check_account(row: Cells) -> None:
    row.needed("network_id", identifier, "a whole number from 1")
    row.value("mailbox_id", _mailbox, "a whole number from 0, or empty for every mailbox of the network")
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


def _check_price(row: Cells, clients: Collection[str], ladders: Collection[str]) -> None:
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


def _table(columns: Sequence[str], rows: Sequence[Cells]) -> pa.Table:
    """A table of texts, null where a cell is empty."""
    return pa.table({name: texts(row.row[name] or None for row in rows) for name in columns})


def _day(row: Cells, column: str) -> date | None:
    return row.value(column, day, "a date such as 2026-10-01")


def _mailbox(text: str) -> int:
    return whole(text) and identifier(text)


def _amount(text: str) -> Decimal:
    found = number(text)
    if abs(found) >= _LARGEST:
        raise ValueError(text)
    return found
