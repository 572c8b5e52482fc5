"""contract_terms.csv: the terms of the user's own contracts, checked before anything is priced by them.

One row per tier. Either `contract_id` or `price_list_id` names the owner of the terms; one of the two columns may be
absent. Rows of the same owner, account report, measure and `valid_from` form one ladder. An empty cell states nothing:
the price list's number counts; an empty `maximum` of the last tier is no bound.
"""

import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from itertools import pairwise
from pathlib import Path

import pyarrow as pa

from ecgrid_flows.errors import SettingsError
from ecgrid_flows.warehouse.user_rows import Cells
from ecgrid_transforms.model import ACCOUNT_REPORTS, MEASURE_FIELDS
from ecgrid_transforms.money import ZERO, Decimal, fitted, to_decimal

__all__ = ["COLUMNS", "FILE", "LADDER_COLUMNS", "LADDER_SCHEMA", "check", "read_ladder"]

FILE = "contract_terms.csv"
#: The owner of the terms: a row fills one of the two columns, and the file may have only one of them.
OWNERS = ("contract_id", "price_list_id")
COLUMNS = (
    *(*OWNERS, "account_report", "measure_field", "model", "tier", "minimum", "maximum", "allowance", "block"),
    *("rate", "flat", "valid_from", "valid_to", "document"),
)
#: The columns of a ladder that `simulate` tries: terms without an owner and without dates.
LADDER_COLUMNS = COLUMNS[len(OWNERS) : COLUMNS.index("valid_from")]
_NUMBER = pa.decimal128(28, 10)
_LADDER_TYPES = (*[pa.string()] * 3, pa.int32(), pa.int64(), pa.int64(), *[_NUMBER] * 4)
LADDER_SCHEMA = pa.schema(list(zip(LADDER_COLUMNS, _LADDER_TYPES, strict=True)))
MODELS = ("unit", "volume", "graduated", "stairstep", "stacked_flat")
_DIGITS = re.compile(r"[0-9]{1,15}")
_ISO_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


def check(path: Path) -> None:
    """Raise `SettingsError`, naming line and column, for the first invalid cell; a header alone is valid."""
    ladders = _ladders(path, COLUMNS)
    firsts = sorted((ladder[0] for ladder in ladders.values()), key=lambda one: (one.terms, one.valid_from))
    for earlier, later in pairwise(firsts):
        if earlier.terms == later.terms and later.valid_from <= earlier.valid_to:
            why = f"{later.valid_from} is not after valid_to of line {earlier.cells.line}; end those terms first"
            raise later.cells.wrong("valid_from", why)


def read_ladder(path: Path) -> pa.Table:
    """The tiers of a ladder file, typed, in the order of the file; raises `SettingsError` as `check` does.

    One row per tier, of one or several ladders, each of a report and measure. Bounds are whole numbers; allowance,
    block, rate and flat DECIMAL(28,10). An empty cell is null.
    """
    tiers = [tier for ladder in _ladders(path, LADDER_COLUMNS).values() for tier in ladder]
    if not tiers:
        raise SettingsError(f"{path} has no tier: write one row per tier below its header")
    rows = [
        {
            "account_report": tier.terms[2],
            "measure_field": tier.terms[3],
            "model": tier.model or None,
            "tier": tier.tier,
            "minimum": tier.minimum,
            "maximum": tier.maximum,
            **{name: tier.cells.value(name, _decimal, "") for name in ("allowance", "block", "rate", "flat")},
        }
        for tier in tiers
    ]
    return pa.Table.from_pylist(rows, LADDER_SCHEMA)


def _ladders(path: Path, columns: Sequence[str]) -> dict[tuple[object, ...], list["_Tier"]]:
    """The tiers of a file with these columns, by the terms that they belong to, each ladder in order."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as source:
            rows = csv.DictReader(source, strict=True)
            _check_header(path, rows.fieldnames or [], columns)
            tiers = [_tier(Cells(path, rows.line_num, row), "valid_from" in columns) for row in rows]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise SettingsError(f"{path} cannot be read as CSV ({error}): make it a UTF-8 text") from error
    ladders: dict[tuple[object, ...], list[_Tier]] = {}
    for tier in tiers:
        ladders.setdefault((*tier.terms, tier.valid_from), []).append(tier)
    for ladder in ladders.values():
        _check_ladder(ladder)
    return ladders


def _check_header(path: Path, header: Sequence[str], known: Sequence[str]) -> None:
    columns = f"the columns are {','.join(known)}"
    if ";" in "".join(header):
        raise SettingsError(f"{path}, line 1: its columns are separated by semicolons; separate them by commas")
    if set(OWNERS) & set(known) and not set(OWNERS) & set(header):
        raise SettingsError(f"{path}, line 1: column contract_id or price_list_id is missing; {columns}")
    for name in known:
        if name not in OWNERS and name not in header:
            raise SettingsError(f"{path}, line 1: column {name} is missing; {columns}")
    for name in header:
        if name not in known or header.count(name) > 1:
            raise SettingsError(f"{path}, line 1: column {name!r} is unknown or repeated; {columns}")


@dataclass(frozen=True, slots=True)
class _Tier:
    """One tier. `terms` are owner, number of the owner, report and measure."""

    cells: Cells
    terms: tuple[str, int, str, str]
    model: str
    tier: int
    minimum: int | None
    maximum: int | None
    valid_from: date
    valid_to: date


def _tier(cells: Cells, has_owner: bool) -> _Tier:
    if None in cells.row or None in cells.row.values():
        raise SettingsError(
            f"{cells.path}, line {cells.line}: not one cell per column of the header; quote texts with commas"
        )
    number = "a whole number from 1"
    owners = [(name, found) for name in OWNERS if (found := cells.value(name, _identifier, number)) is not None]
    if not has_owner:
        owners = [("ladder", 0)]
    if len(owners) != 1:
        raise cells.wrong(OWNERS[0], "contract_id or price_list_id must be filled, and not both")
    tier = cells.value("tier", _identifier, number)
    if tier is None:
        raise cells.wrong("tier", "is empty; number the tiers of a ladder from 1")
    positive = "a decimal from 0 with at most 10 decimals"
    for column in ("allowance", "block", "flat"):
        cells.value(column, _positive, positive)
    rate = cells.value("rate", _decimal, "a decimal with at most 10 decimals")
    if rate is None and not cells.text("flat"):
        raise cells.wrong("rate", "is empty, and so is flat; fill one of them")
    begins = cells.value("valid_from", _date, "a date such as 2026-10-01")
    ends = cells.value("valid_to", _date, "a date such as 2026-10-31")
    if begins and ends and ends < begins:
        raise cells.wrong("valid_to", f"{ends} is before valid_from")
    return _Tier(
        cells,
        (
            *owners[0],
            cells.one_of("account_report", ACCOUNT_REPORTS),
            cells.one_of("measure_field", MEASURE_FIELDS),
        ),
        cells.one_of("model", ("", *MODELS)),
        tier,
        cells.value("minimum", _whole, "a whole number from 0"),
        cells.value("maximum", _whole, "a whole number from 0"),
        begins or date.min,
        ends or date.max,
    )


def _check_ladder(ladder: list[_Tier]) -> None:
    ladder.sort(key=lambda one: one.tier)
    first = ladder[0]
    for place, one in enumerate(ladder, start=1):
        if one.tier != place:
            raise one.cells.wrong("tier", f"{one.tier} where tier {place} is due; number the tiers of a ladder from 1")
        if one.model != first.model:
            raise one.cells.wrong("model", f"differs from line {first.cells.line}; a ladder has one model")
        if one.valid_to != first.valid_to:
            raise one.cells.wrong("valid_to", f"differs from line {first.cells.line}; a ladder ends as a whole")
    for below, above in pairwise(ladder):
        if not below.maximum:
            raise below.cells.wrong("maximum", f"is open, but tier {above.tier} follows; fill it")
        where = f"maximum {below.maximum} of line {below.cells.line}"
        if above.minimum is not None and above.minimum < below.maximum:
            raise above.cells.wrong("minimum", f"{above.minimum} is below {where}")
        if above.maximum and above.maximum <= below.maximum:
            raise above.cells.wrong("maximum", f"{above.maximum} is not above {where}")


def _whole(text: str) -> int:
    if not _DIGITS.fullmatch(text):
        raise ValueError(text)
    return int(text)


def _identifier(text: str) -> int:
    number = _whole(text)
    if not 1 <= number < 2**31:
        raise ValueError(text)
    return number


def _decimal(text: str) -> Decimal:
    return fitted(to_decimal(text))


def _positive(text: str) -> Decimal:
    number = _decimal(text)
    if number < ZERO:
        raise ValueError(text)
    return number


def _date(text: str) -> date:
    if not _ISO_DATE.fullmatch(text):
        raise ValueError(text)
    return date.fromisoformat(text)
