"""contract_terms.csv: the terms of the user's own contracts, checked before anything is priced by them.

One row per tier. Either `contract_id` or `price_list_id` names the owner of the terms; one of the two columns may be
absent. Rows of the same owner, account report, measure and `valid_from` form one ladder. An empty cell states nothing:
the price list's number counts; an empty `maximum` of the last tier is no bound.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import pairwise
from pathlib import Path

import pyarrow as pa

from ecgrid_flows.errors import SettingsError
from ecgrid_flows.warehouse.user_rows import Cells, day, identifier, number, read_rows, whole
from ecgrid_transforms.model import ACCOUNT_REPORTS, MEASURE_FIELDS
from ecgrid_transforms.money import ZERO, Decimal

__all__ = [
    "COLUMNS",
    "FILE",
    "LADDER_COLUMNS",
    "LADDER_SCHEMA",
    "MODELS",
    "PRICE_LADDER_SCHEMA",
    "check",
    "read_ladder",
]

FILE = "contract_terms.csv"
#: The owner of the terms: a row fills one of the two columns, and the file may have only one of them.
OWNERS = ("contract_id", "price_list_id")
COLUMNS = (
    *(*OWNERS, "account_report", "measure_field", "model", "tier", "minimum", "maximum", "allowance", "block"),
    *("rate", "flat", "valid_from", "valid_to", "document"),
)
#: The columns of a ladder that `simulate` tries, or that a client pays by: terms without an owner and without dates.
LADDER_COLUMNS = COLUMNS[len(OWNERS) : COLUMNS.index("valid_from")]
_NUMBER, _BOUNDS = pa.decimal128(28, 10), ("minimum", "maximum")
_LADDER_TYPES = (*[pa.string()] * 3, pa.int32(), pa.int64(), pa.int64(), *[_NUMBER] * 4)
LADDER_SCHEMA = pa.schema(list(zip(LADDER_COLUMNS, _LADDER_TYPES, strict=True)))
#: The bounds of what a client pays may be decimals.
PRICE_LADDER_SCHEMA = pa.schema([(one.name, _NUMBER if one.name in _BOUNDS else one.type) for one in LADDER_SCHEMA])
MODELS = ("unit", "volume", "graduated", "stairstep", "stacked_flat")
#: Numbers of what a client pays are smaller: the product with a quantity has to fit.
_LARGEST_PRICE = Decimal(10) ** 12


def check(path: Path) -> None:
    """Raise `SettingsError`, naming line and column, for the first invalid cell; a header alone is valid."""
    ladders = _ladders(path, COLUMNS)
    firsts = sorted((ladder[0] for ladder in ladders.values()), key=lambda one: (one.terms, one.valid_from))
    for earlier, later in pairwise(firsts):
        if earlier.terms == later.terms and later.valid_from <= earlier.valid_to:
            why = f"{later.valid_from} is not after valid_to of line {earlier.cells.line}; end those terms first"
            raise later.cells.wrong("valid_from", why)


def read_ladder(path: Path, *, is_price: bool = False) -> pa.Table:
    """The tiers of a ladder file, typed, by ladder and tier; raises `SettingsError` as `check` does.

    One row per tier, of one or several ladders, each of a report and measure. Bounds are whole numbers; allowance,
    block, rate and flat DECIMAL(28,10). An empty cell is null. The first tier begins at 0 or 1, and no quantity may lie
    between two tiers. With `is_price`, a ladder that a client pays by, bounds may be decimals and a fee may be below 0.
    """
    tiers = [tier for ladder in _ladders(path, LADDER_COLUMNS, is_price).values() for tier in ladder]
    if not tiers and not is_price:
        raise SettingsError(f"{path} has no tier: write one row per tier below its header")
    rows = [
        {
            "account_report": tier.terms[2],
            "measure_field": tier.terms[3],
            "model": tier.model or None,
            "tier": tier.tier,
            "minimum": tier.minimum,
            "maximum": tier.maximum,
            **{name: tier.cells.value(name, number, "") for name in ("allowance", "block", "rate", "flat")},
        }
        for tier in tiers
    ]
    return pa.Table.from_pylist(rows, PRICE_LADDER_SCHEMA if is_price else LADDER_SCHEMA)


def _ladders(path: Path, columns: Sequence[str], is_price: bool = False) -> dict[tuple[object, ...], list["_Tier"]]:
    """The tiers of a file with these columns, by the terms that they belong to, each ladder in order."""
    ladders: dict[tuple[object, ...], list[_Tier]] = {}
    for cells in read_rows(path, columns, OWNERS if columns is COLUMNS else ()):
        tier = _tier(cells, columns is COLUMNS, is_price)
        ladders.setdefault((*tier.terms, tier.valid_from), []).append(tier)
    for ladder in ladders.values():
        _check_ladder(ladder, is_whole=columns is not COLUMNS)
    return ladders


@dataclass(frozen=True, slots=True)
class _Tier:
    """One tier. `terms` are owner, number of the owner, report and measure."""

    cells: Cells
    terms: tuple[str, int, str, str]
    model: str
    tier: int
    minimum: int | Decimal | None
    maximum: int | Decimal | None
    valid_from: date
    valid_to: date


def _tier(cells: Cells, has_owner: bool, is_price: bool) -> _Tier:
    from_one = "a whole number from 1"
    owners = [(name, found) for name in OWNERS if (found := cells.value(name, identifier, from_one)) is not None]
    if not has_owner:
        owners = [("ladder", 0)]
    if len(owners) != 1:
        raise cells.wrong(OWNERS[0], "contract_id or price_list_id must be filled, and not both")
    tier = cells.value("tier", identifier, from_one)
    if tier is None:
        raise cells.wrong("tier", "is empty; number the tiers of a ladder from 1")
    positive = "a decimal from 0 with at most 10 decimals"
    for column in ("allowance", "block", *(() if is_price else ("flat",))):
        cells.value(column, _positive, positive)
    rate = cells.value("rate", number, "a decimal with at most 10 decimals")
    if is_price:
        for column in (*_BOUNDS, "allowance", "block", "rate", "flat"):
            cells.value(column, _price, "a decimal below 10^12 with at most 10 decimals")
    if rate is None and not cells.text("flat"):
        raise cells.wrong("rate", "is empty, and so is flat; fill one of them")
    bound: tuple[Callable[[str], int | Decimal], str] = (whole, "a whole number from 0")
    if is_price:
        bound = (_positive, positive)
    begins = cells.value("valid_from", day, "a date such as 2026-10-01")
    ends = cells.value("valid_to", day, "a date such as 2026-10-31")
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
        cells.value("minimum", *bound),
        cells.value("maximum", *bound),
        begins or date.min,
        ends or date.max,
    )


def _check_ladder(ladder: list[_Tier], is_whole: bool) -> None:
    ladder.sort(key=lambda one: one.tier)
    first = ladder[0]
    for place, one in enumerate(ladder, start=1):
        if one.tier != place:
            raise one.cells.wrong("tier", f"{one.tier} where tier {place} is due; number the tiers of a ladder from 1")
        if one.model != first.model:
            raise one.cells.wrong("model", f"differs from line {first.cells.line}; a ladder has one model")
        if one.valid_to != first.valid_to:
            raise one.cells.wrong("valid_to", f"differs from line {first.cells.line}; a ladder ends as a whole")
        if one.maximum and one.minimum is not None and one.maximum < one.minimum:
            raise one.cells.wrong("maximum", f"{one.maximum} is below minimum {one.minimum}")
    if is_whole and first.minimum not in (None, 0, 1):
        raise first.cells.wrong("minimum", f"{first.minimum} where 0 or 1 is due")
    for below, above in pairwise(ladder):
        if not below.maximum:
            raise below.cells.wrong("maximum", f"is open, but tier {above.tier} follows; fill it")
        where = f"maximum {below.maximum} of line {below.cells.line}"
        if above.minimum is not None and above.minimum < below.maximum:
            raise above.cells.wrong("minimum", f"{above.minimum} is below {where}")
        if is_whole and above.minimum not in (None, below.maximum, below.maximum + 1):
            raise above.cells.wrong("minimum", f"{above.minimum} where {below.maximum} or {below.maximum + 1} is due")
        if above.maximum and above.maximum <= below.maximum:
            raise above.cells.wrong("maximum", f"{above.maximum} is not above {where}")


def _positive(text: str) -> Decimal:
    found = number(text)
    if found < ZERO:
        raise ValueError(text)
    return found


def _price(text: str) -> Decimal:
    found = number(text)
    if abs(found) >= _LARGEST_PRICE:
        raise ValueError(text)
    return found
