"""Cost of lines, accounts and contracts under unit, volume and graduated pricing (`ecgrid-billing compare`).

All figures are from the warehouse: out_model_comparison rates every line by the SQL that proves it, with its own tiers,
allowance, blocks and rounding; only the model differs. Amounts are decimals without a currency, because the service
states none; quantities are in units of the measure, after the allowance.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from ecgrid_flows.errors import NoSuchData
from ecgrid_flows.warehouse import database
from ecgrid_flows.warehouse.database import Connection
from ecgrid_transforms.model import MONEY_MEASURES
from ecgrid_transforms.money import ZERO, Decimal, total
from ecgrid_transforms.period import month_text

Row = Mapping[str, Any]

_BY_ACCOUNT = ("network_id", "mailbox_id", "account_report", "measure_field")


@dataclass(frozen=True, slots=True)
class Comparison:
    """One month: a row per line, per account and per contract, each in the order of its keys.

    `left_out` has a row per reason for which lines are not compared: reason, lines, billed_amount.
    """

    month: date
    lines: tuple[Row, ...]
    accounts: tuple[Row, ...]
    contracts: tuple[Row, ...]
    left_out: tuple[Row, ...]

    @property
    def cliffs(self) -> list[Row]:
        """The lines that would cost less with a little more use, largest saving first."""
        found = [row for row in self.lines if row["is_on_cliff"]]
        return sorted(found, key=lambda row: (-row["cliff_saving"], *(row[name] for name in _BY_ACCOUNT)))

    @property
    def near_bounds(self) -> list[Row]:
        """The used lines below a bound, by their distance to it, as a share of the bound."""
        found = [row for row in self.lines if row["next_bound"] is not None and row["quantity"] > ZERO]
        return sorted(found, key=lambda row: (_share_missing(row), *(row[name] for name in _BY_ACCOUNT)))


def _share_missing(row: Row) -> Decimal:
    missing: Decimal = row["distance_to_next_bound"]
    bound: Decimal = row["next_bound"]
    return missing / bound if bound else ZERO


def comparison(connection: Connection, month: date) -> Comparison:
    """The comparison of `month`; raises `NoSuchData` if no line of it can be compared."""
    lines = _rows(connection, "out_model_comparison", month, _BY_ACCOUNT)
    if not lines:
        raise NoSuchData(
            f"no line of {month_text(month)} is rated by unit prices under a known reading: there is nothing to "
            f"compare, and `ecgrid-billing findings --month {month_text(month)}` lists what is undecided"
        )
    return Comparison(
        month,
        lines,
        _rows(connection, "out_account_comparison", month, ("network_id", "mailbox_id")),
        _rows(connection, "out_contract_comparison", month, ("contract_id",)),
        _left_out(connection, month, {tuple(row[name] for name in _BY_ACCOUNT) for row in lines}),
    )


def _left_out(connection: Connection, month: date, compared: Collection[tuple[Any, ...]]) -> tuple[Row, ...]:
    """The lines of the month that are not compared, by reason, the largest amount first."""
    columns = (*_BY_ACCOUNT, "amount", "verdict")
    amounts = defaultdict[str, list[Decimal]](list)
    for row in database.records(connection, "out_line_items", columns=columns, reporting_month=month):
        if tuple(row[name] for name in _BY_ACCOUNT) in compared:
            continue
        if row["measure_field"] in MONEY_MEASURES:
            reason = "computed from other charges"
        elif row["verdict"] == "not_provable":
            reason = "not priced by any known interpretation"
        else:
            reason = "not priced by the unit, or alike under every model"
        amounts[reason].append(row["amount"])
    rows = [{"reason": reason, "lines": len(of), "billed_amount": total(of)} for reason, of in amounts.items()]
    return tuple(sorted(rows, key=lambda row: (-row["billed_amount"], row["reason"])))


def _rows(connection: Connection, relation: str, month: date, order: tuple[str, ...]) -> tuple[Row, ...]:
    return tuple(database.records(connection, relation, order=order, reporting_month=month))
