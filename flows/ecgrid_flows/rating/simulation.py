"""What billed lines would cost under other terms (`ecgrid-billing simulate`).

The lines of the warehouse are rated anew by `sql/simulations`: the rating of `sql/core/rating` over a ladder from a
file, another price list, or the present list, with single numbers changed and volumes up or down. Nothing is written to
the lake. Differences are new less old: a saving is negative. Amounts are decimals without a currency; volumes are in
percent of the quantities measured.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from itertools import pairwise
from typing import Any

import pyarrow as pa

from ecgrid_flows.errors import NoSuchData, Refused, SettingsError
from ecgrid_flows.warehouse import database, simulations
from ecgrid_flows.warehouse.database import Connection
from ecgrid_transforms.money import ZERO, Decimal, DoesNotFit, NotADecimal, fitted, plain, to_decimal
from ecgrid_transforms.period import month_text

__all__ = ["FIELDS", "Change", "Scope", "Simulation", "Terms", "change_of", "changes_of", "simulation"]

Row = Mapping[str, Any]
#: Numbers of a schedule that `--set` replaces.
FIELDS = ("allowance", "minimum", "maximum", "block", "rate")
_WHOLE = Decimal(100)
#: Volumes of the curve, in percent, and the step to which a break-even between two of them is narrowed.
_CURVE = tuple(Decimal(percent) for percent in range(50, 155, 5))
_SET = re.compile(r"(\d{1,10})\.([a-z]+)=(.+)", re.ASCII)
_ROW_ORDER = ("reporting_month", "network_id", "mailbox_id", "account_report", "measure_field")


@dataclass(frozen=True, slots=True)
class Change:
    """One number of a schedule that is replaced."""

    schedule_id: int
    field: str
    value: Decimal


@dataclass(frozen=True, slots=True)
class Terms:
    """The terms that are tried: a ladder, a price list, or neither (the present terms), and what is changed in them.

    `ladder` has the columns of `contract_terms.LADDER_COLUMNS`. `reading` are words of an interpretation, separated by
    dots, as in pinned_readings.csv. `volume` is in percent of the quantities measured.
    """

    ladder: pa.Table | None = None
    price_list: int | None = None
    changes: tuple[Change, ...] = ()
    reading: str | None = None
    volume: Decimal = _WHOLE


@dataclass(frozen=True, slots=True)
class Scope:
    """The lines on which the terms are tried; `first` and `last` are months, None the first and last that are over."""

    first: date | None = None
    last: date | None = None
    contract: int | None = None
    network: int | None = None
    mailbox: int | None = None


@dataclass(frozen=True, slots=True)
class Simulation:
    """The result: a row per line, account, contract and month, each with old, new and difference.

    `new_amount` and `difference` are None where undecided interpretations give a range (`_low`, `_high`), and where a
    line has no new price (`error`). `readings` has the undecided ladders under each interpretation, `curve` the totals
    at other volumes, present terms beside those tried.
    """

    first: date
    last: date
    volume: Decimal
    total: Row
    months: tuple[Row, ...]
    contracts: tuple[Row, ...]
    accounts: tuple[Row, ...]
    lines: tuple[Row, ...]
    readings: tuple[Row, ...]
    curve: tuple[Row, ...]
    break_evens: tuple[Row, ...] = field(default=())

    @property
    def best_month(self) -> Row:
        """The month in which the terms tried save most, or cost least more."""
        return min(self.months, key=lambda row: (row["difference_high"], row["reporting_month"]))

    @property
    def worst_month(self) -> Row:
        """The month in which the terms tried cost most more, or save least."""
        return max(self.months, key=lambda row: (row["difference_low"], row["reporting_month"]))

    @property
    def parts(self) -> Row | None:
        """The difference in two: what the present terms give less what was billed, and what is of the terms tried.

        Lines that are billed wrongly are right under any terms, which is no merit of these. `errors_low` to
        `terms_high`; None where the present terms give what was billed, at another volume, without a curve, and with
        lines unrated.
        """
        row = next((row for row in self.curve if row["volume_percent"] == _WHOLE), None)
        if row is None or self.volume != _WHOLE or self.total["unrated_lines"]:
            return None
        old = self.total["old_amount"]
        if row["present_low"] == row["present_high"] == old:
            return None
        return {
            "errors_low": row["present_low"] - old,
            "errors_high": row["present_high"] - old,
            "terms_low": row["new_low"] - row["present_high"],
            "terms_high": row["new_high"] - row["present_low"],
        }

    def data(self) -> dict[str, Any]:
        """The simulation as one JSON-ready mapping."""
        return {
            "from": month_text(self.first),
            "to": month_text(self.last),
            "volume_percent": self.volume,
            "total": self.total,
            "parts": self.parts,
            "best_month": self.best_month,
            "worst_month": self.worst_month,
            "break_evens": self.break_evens,
            "months": self.months,
            "contracts": self.contracts,
            "accounts": self.accounts,
            "lines": self.lines,
            "readings": self.readings,
            "curve": self.curve,
        }


def change_of(text: str) -> Change:
    """`43202.rate=0.17` as a change; raises `SettingsError` for any other text."""
    match = _SET.fullmatch(text)
    if not match or match[2] not in FIELDS:
        raise SettingsError(f"--set {text!r} is not SCHEDULE.FIELD=VALUE with a field of {', '.join(FIELDS)}")
    try:
        value = fitted(to_decimal(match[3]))
    except (NotADecimal, DoesNotFit) as error:
        raise SettingsError(f"--set {text!r}: {error}") from error
    if match[2] != "rate" and value < 0:
        raise SettingsError(f"--set {text!r}: a negative {match[2]} has no meaning; give 0 or more")
    if match[2] in ("minimum", "maximum") and value != value.to_integral_value():
        raise SettingsError(f"--set {text!r}: bounds are whole numbers")
    return Change(int(match[1]), match[2], value)


def changes_of(texts: Sequence[str]) -> tuple[Change, ...]:
    """Each text as a change; raises `SettingsError` also where two change the same number."""
    found: dict[tuple[int, str], Change] = {}
    for text in texts:
        change = change_of(text)
        if (change.schedule_id, change.field) in found:
            raise SettingsError(f"--set {text}: {change.schedule_id}.{change.field} is set twice; give one value")
        found[change.schedule_id, change.field] = change
    return tuple(found.values())


def simulation(connection: Connection, terms: Terms, scope: Scope, *, has_curve: bool = True) -> Simulation:
    """The lines of `scope` under `terms`; afterwards `connection` has the relation simulation_results, for a file.

    Without a curve there is no break-even, and the lines are rated at one volume instead of twice at 21.

    Raises `NoSuchData` where the scope has no line, `SettingsError` for terms that no line can be tried on, and
    `Refused` where a quantity is past the bounded last tier of the terms tried.
    """
    scope = _months(connection, scope)
    first, last = scope.first, scope.last
    assert first
    assert last
    present = _curve(connection, Terms(), scope, _CURVE) if has_curve else {}
    _run(connection, terms, scope, sorted({terms.volume, *(_CURVE if has_curve else ())}))
    _check(connection, terms)
    rows = _Rows(connection, terms.volume)
    found = Simulation(
        first=first,
        last=last,
        volume=terms.volume,
        total=rows.totals("total")[0],
        months=rows.totals("month"),
        contracts=rows.totals("contract"),
        accounts=rows.totals("account"),
        lines=rows.of("simulation_results", *_ROW_ORDER, without=("read_amount", "least_amount", "most_amount")),
        readings=rows.of("simulation_readings", "price_list_id", "account_report", "measure_field", "reading_id"),
        curve=_beside(present, _totals(connection)),
    )
    brackets = _brackets(found.curve)
    if not brackets:
        return found
    steps = [step for low, high in brackets for step in _between(low, high)]
    with_steps = {**_by_volume(found.curve), **_by_volume(_finer(connection, terms, scope, steps))}
    finer = tuple(with_steps[volume] for volume in sorted(with_steps))
    _run(connection, terms, scope, [terms.volume])  # the relations of the terms tried, for a file of their lines
    return replace(found, break_evens=_break_evens(finer))


def _finer(connection: Connection, terms: Terms, scope: Scope, volumes: Sequence[Decimal]) -> tuple[Row, ...]:
    present = _curve(connection, Terms(), scope, volumes)
    return _beside(present, _curve(connection, terms, scope, volumes))


def _curve(connection: Connection, terms: Terms, scope: Scope, volumes: Sequence[Decimal]) -> dict[Decimal, Row]:
    _run(connection, terms, scope, volumes)
    return _totals(connection)


def _run(connection: Connection, terms: Terms, scope: Scope, volumes: Sequence[Decimal]) -> None:
    changes = [{"schedule_id": one.schedule_id, "field": one.field, "value": one.value} for one in terms.changes]
    variables = {
        "first_month": scope.first,
        "last_month": scope.last,
        "contract": scope.contract,
        "network": scope.network,
        "mailbox": scope.mailbox,
        "price_list": terms.price_list,
        "reading": terms.reading,
    }
    simulations.simulate(
        connection,
        variables,
        volumes,
        ladder=terms.ladder,
        changes=pa.Table.from_pylist(changes, simulations.CHANGES),
    )


def _months(connection: Connection, scope: Scope) -> Scope:
    """The scope with its first and last month filled in."""
    months = sorted(row["reporting_month"] for row in simulations.months(connection).to_arrow_table().to_pylist())
    if not months:
        raise NoSuchData("the warehouse has no line of a month that is over: run `ecgrid-billing run` first")
    first, last = scope.first or months[0], scope.last or months[-1]
    if not any(first <= month <= last for month in months):
        raise NoSuchData(
            f"no line of {month_text(first)} to {month_text(last)} is in the warehouse, which has "
            f"{month_text(months[0])} to {month_text(months[-1])}: correct --from and --to"
        )
    return replace(scope, first=first, last=last)


def _check(connection: Connection, terms: Terms) -> None:
    """Raise for terms that no line in scope can be tried on, and for a quantity past a bounded last tier."""
    pairs = database.records(connection, "simulation_terms")
    if not pairs:
        raise NoSuchData("no line with terms is in scope: correct --contract, --account, --from and --to")
    sources = {row["source"] for row in pairs}
    if terms.ladder is not None and "ladder" not in sources:
        raise SettingsError("no line in scope has a report and measure of the ladder: correct the file or the scope")
    if terms.price_list is not None and sources == {"unpriced"}:
        raise NoSuchData(
            f"price list {terms.price_list} prices no report and measure of the lines in scope, or is not in the "
            f"warehouse: see the lists by `ecgrid-billing accounts`"
        )
    names = ("set_no", "tier", "schedule_id", "minimum", "maximum")
    tiers = database.records(connection, "simulation_tiers", columns=names, order=["set_no", "tier"])
    schedules = {row["schedule_id"] for row in tiers}
    for change in terms.changes:
        if change.schedule_id not in schedules:
            raise SettingsError(
                f"--set {change.schedule_id}.{change.field}: no line in scope is priced by schedule "
                f"{change.schedule_id}; take schedule_id of out_line_items, or correct the scope"
            )
    _check_bounds(tiers, terms.changes)
    if terms.reading is not None and not database.rows(connection, "simulation_open_readings", is_asked=True).num_rows:
        raise SettingsError(
            f"--reading {terms.reading}: no ladder in scope has an interpretation with these words; take the words of "
            f"out_readings.reading_id"
        )
    refused = database.records(connection, "simulation_refused", volume=terms.volume)
    if refused:
        first = refused[0]
        raise Refused(
            f"{first['lines']} lines of {first['account_report']} {first['measure_field']} have no price: "
            f"{first['error'].split(': ', 1)[1]}; leave the maximum of the last tier empty, or lower --volume"
        )


def _check_bounds(tiers: Sequence[Row], changes: Sequence[Change]) -> None:
    """Raise `SettingsError` where a bound that is set leaves quantities without a tier, or gives them two."""
    moved = {one.schedule_id: one for one in changes if one.field in ("minimum", "maximum")}
    for below, above in pairwise([None, *tiers]):
        assert above
        change = moved.get(above["schedule_id"])
        if change and above["minimum"] and 0 < above["maximum"] < above["minimum"]:
            raise _wrong_bound(change, f"tier {above['tier']} ends at {above['maximum']}, below {above['minimum']}")
        if below is None or below["set_no"] != above["set_no"]:
            continue
        change = change or moved.get(below["schedule_id"])
        if not change:
            continue
        end, begin = below["maximum"], above["minimum"]
        if not end:
            raise _wrong_bound(change, f"tier {below['tier']} is open, but tier {above['tier']} follows")
        if begin and begin not in (end, end + 1):
            raise _wrong_bound(
                change, f"tier {below['tier']} ends at {end}, but tier {above['tier']} begins at {begin}"
            )
        if 0 < above["maximum"] <= end:
            raise _wrong_bound(change, f"tier {above['tier']} ends at {above['maximum']}, not above {end}")


def _wrong_bound(change: Change, why: str) -> SettingsError:
    name = f"{change.schedule_id}.{change.field}"
    return SettingsError(f"--set {name}={plain(change.value)}: {why}; set both bounds, or another value")


@dataclass(frozen=True, slots=True)
class _Rows:
    """Rows of the simulation's relations at one volume."""

    connection: Connection
    volume: Decimal

    def of(self, relation: str, *order: str, without: Sequence[str] = (), **equals: Any) -> tuple[Row, ...]:
        rows = database.rows(self.connection, relation, order=order, volume=self.volume, **equals)
        return tuple(rows.drop_columns(["volume", *without]).to_pylist())

    def totals(self, grouping: str) -> tuple[Row, ...]:
        rows = self.of(
            "simulation_totals",
            *("reporting_month", "contract_id", "network_id", "mailbox_id"),
            grouping=grouping,
        )
        keys = {"month": ("reporting_month",), "contract": ("contract_id",), "account": ("network_id", "mailbox_id")}
        unused = {"grouping", "reporting_month", "contract_id", "network_id", "mailbox_id"} - {*keys.get(grouping, ())}
        return tuple({name: value for name, value in row.items() if name not in unused} for row in rows)


def _totals(connection: Connection) -> dict[Decimal, Row]:
    """The total at each volume; none where a quantity is past a bounded last tier."""
    refused = set(database.rows(connection, "simulation_refused", columns=["volume"]).column(0).to_pylist())
    rows = database.records(connection, "simulation_totals", order=["volume"], grouping="total")
    return {row["volume"]: row for row in rows if row["volume"] not in refused}


def _beside(present: Mapping[Decimal, Row], tried: Mapping[Decimal, Row]) -> tuple[Row, ...]:
    """The totals of both terms at the volumes at which both have one."""
    return tuple(
        {
            "volume_percent": volume,
            "present_low": present[volume]["new_low"],
            "present_high": present[volume]["new_high"],
            "new_low": tried[volume]["new_low"],
            "new_high": tried[volume]["new_high"],
        }
        for volume in sorted(present.keys() & tried.keys())
    )


def _by_volume(curve: Iterable[Row]) -> dict[Decimal, Row]:
    return {row["volume_percent"]: row for row in curve}


def _side(row: Row) -> int:
    """-1 where the terms tried cost less for certain, 1 where they cost more, 0 where neither is certain."""
    if row["new_high"] < row["present_low"]:
        return -1
    return 1 if row["new_low"] > row["present_high"] else 0


def _changes_of_side(curve: Sequence[Row]) -> list[tuple[Row, Row]]:
    """Neighbours on the curve, among those that are certain, of which one costs less and the other more."""
    certain = [row for row in curve if _side(row)]
    return [(one, other) for one, other in pairwise(certain) if _side(one) != _side(other)]


def _brackets(curve: Sequence[Row]) -> list[tuple[Decimal, Decimal]]:
    return [(one["volume_percent"], other["volume_percent"]) for one, other in _changes_of_side(curve)]


def _between(low: Decimal, high: Decimal) -> list[Decimal]:
    """The whole percents between two volumes."""
    return [Decimal(percent) for percent in range(int(low) + 1, int(high))]


def _break_evens(curve: Sequence[Row]) -> tuple[Row, ...]:
    """The volumes between which the terms tried become cheaper, or dearer, than the present ones."""
    return tuple(
        {
            "from_percent": one["volume_percent"],
            "to_percent": other["volume_percent"],
            "above_it": "cheaper" if _side(other) < 0 else "dearer",
        }
        for one, other in _changes_of_side(curve)
    )


def volume_words(volume: Decimal) -> str:
    """`10 % more volume`, or nothing at the volume measured."""
    change = volume - _WHOLE
    return "" if change == ZERO else f"{plain(abs(change))} % {'more' if change > ZERO else 'less'} volume"
