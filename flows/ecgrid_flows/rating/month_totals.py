"""Totals of a month: invoiced, claimable, disputed and to pay, and the money at stake. Defined only here.

Run, findings, report, artifact and notice take these totals from here, and so from out_invoice_reconciliation and
out_finding_amounts. Amounts are exact decimals in the currency of the invoices.
"""

import logging
from collections import defaultdict
from collections.abc import Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Self

from ecgrid_flows.figures import amount, plural
from ecgrid_flows.warehouse import database
from ecgrid_transforms.money import ZERO, Decimal, total

__all__ = [
    "AtStake",
    "ClaimTotals",
    "Invoice",
    "InvoiceTotals",
    "at_stake",
    "awaiting_invoices",
    "claims",
    "invoice_totals",
    "invoices",
    "is_provisional",
]

log = logging.getLogger(__name__)

#: ContractID and number of an invoice.
Invoice = tuple[int | None, str | None]

_STAKES = ("too_much_amount", "too_little_amount", "unclear_amount")


@dataclass(frozen=True, slots=True)
class AtStake:
    """The money in open errors and warnings, each part at least 0.

    `too_much` and `too_little` sum the differences, billed less expected; `unclear` sums billed amounts of charges
    without an expected amount.
    """

    too_much: Decimal = ZERO
    too_little: Decimal = ZERO
    unclear: Decimal = ZERO

    @classmethod
    def of(cls, rows: Iterable[Mapping[str, Any]]) -> Self:
        """The sums of rows of out_finding_amounts."""
        found = list(rows)
        return cls(*(total([row[name] for row in found]) for name in _STAKES))

    def parts(self) -> list[tuple[str, Decimal]]:
        """Each part that is not 0, with its name."""
        named = [("too much", self.too_much), ("too little", self.too_little), ("unclear", self.unclear)]
        return [(name, value) for name, value in named if value]

    def words(self, currency: str | None = None) -> str:
        """`287.99 too much, 115.93 too little, 218.55 unclear`, or `nothing`."""
        return ", ".join(f"{amount(value, currency)} {name}" for name, value in self.parts()) or "nothing"


@dataclass(frozen=True, slots=True)
class InvoiceTotals:
    """The sums of a month's rows of out_invoice_reconciliation.

    `invoiced`, `to_pay` and `once_disputed` (to pay less claimable) sum the invoices with a known total, and are None
    without any. `not_invoiced` counts the contracts without an invoice, `unjudged` the invoices of unknown amount.
    """

    invoiced: Decimal | None = None
    recalculated: Decimal = ZERO
    explained: Decimal = ZERO
    unexplained: Decimal = ZERO
    claimable: Decimal = ZERO
    disputed: Decimal = ZERO
    accepted: Decimal = ZERO
    to_pay: Decimal | None = None
    once_disputed: Decimal | None = None
    not_invoiced: int = 0
    unjudged: int = 0

    @classmethod
    def of(cls, rows: Iterable[Mapping[str, Any]]) -> Self:
        """The sums of rows of out_invoice_reconciliation."""
        found = list(rows)
        known = [row for row in found if isinstance(row["invoiced_amount"], Decimal)]

        def summed(name: str) -> Decimal:
            return total([row[name] for row in found if isinstance(row[name], Decimal)])

        to_pay = total([row["to_pay_amount"] for row in known])
        return cls(
            invoiced=summed("invoiced_amount") if known else None,
            recalculated=summed("recalculated_amount"),
            explained=summed("explained_difference"),
            unexplained=summed("unexplained_difference"),
            claimable=summed("claimable_amount"),
            disputed=summed("disputed_amount"),
            accepted=summed("accepted_amount"),
            to_pay=to_pay if known else None,
            once_disputed=to_pay - total([row["claimable_amount"] for row in known]) if known else None,
            not_invoiced=sum(not isinstance(row["invoice_source"], str) for row in found),
            unjudged=len(found) - len(known) - sum(not isinstance(row["invoice_source"], str) for row in found),
        )

    def words(self, currency: str | None = None) -> str:
        """The first sentence of every summary of the month.

        `Invoiced 52,123.07; claimable 287.99; disputed 0.00; to pay 52,123.07, or 51,835.08 once all is disputed.`
        """
        parts = [f"claimable {amount(self.claimable, currency)}", f"disputed {amount(self.disputed, currency)}"]
        if self.invoiced is None or self.to_pay is None or self.once_disputed is None:
            known = "The invoices cannot be judged" if self.unjudged else "No invoice is known"
            return f"{known}; recalculated {amount(self.recalculated, currency)}; {'; '.join(parts)}."
        pay = f"to pay {amount(self.to_pay, currency)}"
        if self.once_disputed != self.to_pay:
            pay += f", or {amount(self.once_disputed, currency)} once all is disputed"
        said = f"Invoiced {amount(self.invoiced, currency)}; {'; '.join(parts)}; {pay}."
        if self.not_invoiced:
            said += f" {plural(self.not_invoiced, 'contract')} without an invoice yet."
        if self.unjudged:
            said += f" {plural(self.unjudged, 'invoice')} without an amount that can be judged."
        return said


@dataclass(frozen=True, slots=True)
class ClaimTotals:
    """The sums of rows of out_claims. `open`, `short` and `recovered` count claims.

    `next_deadline` is the first of those that are not recovered; None without one.
    """

    count: int = 0
    claimed: Decimal = ZERO
    credited: Decimal = ZERO
    open: int = 0
    short: int = 0
    recovered: int = 0
    next_deadline: date | None = None

    @classmethod
    def of(cls, rows: Iterable[Mapping[str, Any]], dispute_days: int | None = None) -> Self:
        """The sums of `rows`; a deadline is `dispute_days` after the day of filing."""
        found = list(rows)
        waiting = [row["filed_on"] for row in found if row["outcome"] != "recovered"]
        outcomes = [row["outcome"] for row in found]
        return cls(
            count=len(found),
            claimed=total([row["claimed_amount"] for row in found]),
            credited=total([row["credited_amount"] for row in found]),
            open=outcomes.count("open"),
            short=outcomes.count("short"),
            recovered=outcomes.count("recovered"),
            next_deadline=deadline(min(waiting), dispute_days) if waiting else None,
        )

    def words(self, currency: str | None = None) -> str:
        """`Claims: 2 filed for 123.44; credited 50.00; 1 short, 1 open; next deadline 2026-12-30.`

        A recovered claim stays disputed, and its amount unpaid, until a person resolves it: the words ask for that.
        """
        counts = {"recovered": self.recovered, "short": self.short, "open": self.open}
        said = ", ".join(f"{count:,} {name}" for name, count in counts.items() if count)
        until = f"; next deadline {self.next_deadline}" if self.next_deadline else ""
        amounts = f"{amount(self.claimed, currency)}; credited {amount(self.credited, currency)}"
        ask = " Set recovered claims to resolved: until then their amounts are withheld." if self.recovered else ""
        return f"Claims: {self.count:,} filed for {amounts}; {said}{until}.{ask}"


def deadline(filed_on: date, dispute_days: int | None) -> date | None:
    """The day until which a claim filed on that day is to be answered; None without `dispute_days`."""
    return None if dispute_days is None else filed_on + timedelta(days=dispute_days)


def claims(connection: database.Connection, month: date, dispute_days: int | None = None) -> list[dict[str, Any]]:
    """The claims of `month` (rows of out_claims) by the decisions that the connection sees, worst first.

    Each has its `deadline_on` besides.
    """
    rows = database.records(connection, "out_claims", order=["place", "finding_id"], reporting_month=month)
    return [row | {"deadline_on": deadline(row["filed_on"], dispute_days)} for row in rows]


def invoice_totals(connection: database.Connection, month: date) -> InvoiceTotals:
    """The totals of `month`, by the decisions that the connection has."""
    return InvoiceTotals.of(database.records(connection, "out_invoice_reconciliation", reporting_month=month))


def at_stake(connection: database.Connection, month: date) -> AtStake:
    """The money at stake in `month`, by the decisions that the connection has."""
    return AtStake.of(database.records(connection, "out_finding_amounts", reporting_month=month))


def is_provisional(connection: database.Connection, month: date) -> bool:
    """Whether no response of `month` is from after its end, so that its figures are not final."""
    return bool(database.records(connection, "core_provisional_months", reporting_month=month))


def awaiting_invoices(warehouse: Path) -> set[date]:
    """The months in which a contract has lines and no invoice; none if the warehouse, a cache, cannot be read."""
    return {
        row["reporting_month"]
        for row in _reconciled(warehouse)
        if row["invoice_source"] is None and row["contract_id"] is not None and row["recalculated_amount"]
    }


def invoices(warehouse: Path) -> dict[date, set[Invoice]]:
    """The invoices of each month that has any; none if the warehouse cannot be read."""
    found = defaultdict[date, set[Invoice]](set)
    for row in _reconciled(warehouse):
        if row["invoice_source"] is not None:
            found[row["reporting_month"]].add((row["contract_id"], row["invoice_number"]))
    return dict(found)


def _reconciled(warehouse: Path) -> list[dict[str, Any]]:
    if not warehouse.is_file():
        return []
    try:
        with closing(database.connect(warehouse)) as connection:
            return database.records(connection, "out_invoice_reconciliation")
    except Exception as error:  # the next build replaces a damaged cache
        log.info("the warehouse does not show which months await an invoice: %s", type(error).__name__)
        return []
