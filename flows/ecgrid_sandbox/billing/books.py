"""What follows from a world: each account's bill, the invoices, and the planted errors in them.

Bills are computed on first use and cached; nothing here is drawn at random.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import date, timedelta
from fractions import Fraction
from typing import Any

from ecgrid_sandbox.billing import faults as fault_kinds
from ecgrid_sandbox.billing.documents import Account, Invoice, Line
from ecgrid_sandbox.billing.pricing import Priced, Reading, priced, rounded
from ecgrid_sandbox.world.model import (
    MONEY_ORDER,
    Facts,
    Group,
    Pair,
    Part,
    PlannedError,
    PlantedError,
    PriceList,
    Schedule,
)
from ecgrid_transforms.money import ONE, ZERO, Decimal, total
from ecgrid_transforms.period import next_month

#: Number of account-months in the cache of bills.
_BILLS_KEPT = 50_000


class Books:
    """The bills and invoices of a world."""

    def __init__(self, world: Facts) -> None:
        self.world = world
        self.is_restated = False
        self._bills: dict[tuple[Account, date, bool], dict[Pair, Line]] = {}
        self._planted_errors: tuple[PlantedError, ...] | None = None
        self._invoices: list[Invoice] | None = None
        self._by_line: dict[tuple[Account, Pair], list[PlannedError]] = {}
        self._by_invoice: dict[tuple[int, date], list[PlannedError]] = {}
        self._month_index = {month: index for index, month in enumerate(world.months)}
        for planned in world.planned_errors:
            target = planned.target
            if target.contract_id is not None and target.month is not None:
                self._by_invoice.setdefault((target.contract_id, world.months[target.month]), []).append(planned)
            elif planned.check_name in fault_kinds.OF_PRICE_LIST:
                continue  # the error is in the price list itself
            elif target.network_id is not None and target.mailbox_id is not None and target.pair is not None:
                self._by_line.setdefault(((target.network_id, target.mailbox_id), target.pair), []).append(planned)

    def restate(self) -> None:
        """Apply the planned errors of kind `restated` from now on."""
        self.is_restated = True
        self._bills.clear()
        self._planted_errors = self._invoices = None

    # -- use ---------------------------------------------------------------------------------------

    def quantity(self, account: Account, month: date, pair: Pair) -> Decimal:
        """The true measured quantity; 0 outside the world's months."""
        index = self._month_index.get(month)
        series = self.world.use.get(account, {}).get(pair)
        if index is None or series is None:
            return ZERO
        value = series[index]
        if self.is_restated:
            for planned in self._planned_errors(account, pair, month, "restated"):
                value += Decimal(planned.figures["add"])
        return value

    def _planned_errors(
        self, account: Account, pair: Pair, month: date, check_name: str | None = None
    ) -> list[PlannedError]:
        index = self._month_index.get(month)

        def is_due(planned: PlannedError) -> bool:
            first = planned.target.month
            if first is None or index is None or planned.check_name not in fault_kinds.LASTING:
                return first == index
            return first <= index

        return [
            planned
            for planned in self._by_line.get((account, pair), ())
            if check_name in (None, planned.check_name) and is_due(planned)
        ]

    def is_planted(self, account: Account, month: date, pair: Pair) -> bool:
        """Whether an error is planted on the line."""
        return bool(self._planned_errors(account, pair, month))

    # -- bills -------------------------------------------------------------------------------------

    def bill(self, account: Account, month: date, *, right: bool = False) -> Mapping[Pair, Line]:
        """Every line of an account-month, as billed, or as it should be (`right`)."""
        key = (account, month, right)
        if key not in self._bills:
            if len(self._bills) >= _BILLS_KEPT:
                self._bills.clear()
            self._bills[key] = self._worked_out(account, month, right)
        return self._bills[key]

    def line(self, account: Account, month: date, pair: Pair) -> Line | None:
        """The line of InvoiceCalculateLineItem; None for a pair off the list, or withheld on purpose."""
        if any(planned.check_name == "missing_line" for planned in self._planned_errors(account, pair, month)):
            return None
        return self.bill(account, month).get(pair)

    def _worked_out(self, account: Account, month: date, right: bool) -> dict[Pair, Line]:
        price_list = self.world.price_list_of(*account)
        lines: dict[Pair, Line] = {}
        groups = sorted(
            price_list.groups, key=lambda group: MONEY_ORDER.index(group.measure) + 1 if group.is_money else 0
        )
        for group in groups:
            line = (
                self._money_line(account, month, price_list, group, lines)
                if group.is_money
                else self.counted_line(account, month, price_list, group)
            )
            line = replace(line, number=len(lines) + 1)
            if not right:
                for planned in self._planned_errors(account, group.pair, month):
                    line = fault_kinds.applied(self, account, month, planned, line)
            lines[group.pair] = line
        return lines

    def counted_line(
        self,
        account: Account,
        month: date,
        price_list: PriceList,
        group: Group,
        *,
        actual: Decimal | None = None,
        meaning_without: str | None = None,
        shown: Mapping[str, Decimal] | None = None,
    ) -> Line:
        """The line of a counted group. Parameters for planted errors: `actual` bills another quantity than the measured
        one, `meaning_without` leaves one rule out (`allowance`, `bounds`), `shown` replaces numbers (`rate`, `block`,
        `allowance`) of the schedule reached, which the line shows and is billed by."""
        quantity = self.quantity(account, month, group.pair) if actual is None else actual
        first = group.schedules[0]
        allowance = ZERO if meaning_without == "allowance" else first.allowance
        schedules = group.schedules
        if group.former_rate is not None and month < (group.former_until or price_list.date):
            schedules = (replace(first, rate=group.former_rate),)
        rated = replace(group, schedules=schedules)
        chargeable = quantity
        if group.meaning.floor_and_cap and meaning_without != "bounds":
            chargeable = max(chargeable, Decimal(first.minimum))
            if first.maximum:
                chargeable = min(chargeable, Decimal(first.maximum))
        result = priced(chargeable, allowance, rated.tiers(), group.meaning.reading)
        reached = schedules[max(result.tier, 1) - 1]
        if shown:
            changed: dict[str, Any] = dict(shown)
            reached, right = replace(reached, **changed), reached
            rated = replace(rated, schedules=tuple(reached if each is right else each for each in schedules))
            result = priced(chargeable, shown.get("allowance", allowance), rated.tiers(), group.meaning.reading)
        return self._line(
            account,
            month,
            price_list,
            rated,
            reached,
            actual=quantity,
            billed=billed_quantity(result, group),
            amount=result.amount,
        )

    def _money_line(
        self, account: Account, month: date, price_list: PriceList, group: Group, before: Mapping[Pair, Line]
    ) -> Line:
        schedule = group.schedules[0]
        meaning = group.meaning
        counted = total([line.amount for line in before.values() if not line.group.is_money])
        everything = total([line.amount for line in before.values()])
        if meaning.of:
            lines = list(before.values())
            if meaning.per_network:
                others = [other for other in self.world.accounts if other[0] == account[0] and other != account]
                lines += [line for other in others for line in self.bill(other, month).values()]
            counted = everything = total([line.amount for line in lines if part_of(line.group) in meaning.of])
        actual, billed, amount = counted, counted, ZERO
        if group.measure in ("CreditPercentage", "DebitPercentage"):
            share = Fraction(counted) * Fraction(schedule.rate)
            if meaning.percent == "hundred":
                share /= 100
            amount = rounded(share, Reading(rounding="half_up"))
        elif group.measure == "Credit":
            actual, billed, amount = ONE, ONE, rounded(Fraction(schedule.rate), Reading(rounding="half_up"))
            if month not in self._month_index:
                actual, billed, amount = ZERO, ZERO, ZERO
        elif group.measure == "MonthlyMinimum":
            actual = everything
            missing = max(schedule.rate - everything, ZERO)
            amount = {
                "true_up": missing,
                "whole": schedule.rate if missing else ZERO,
                "always": schedule.rate,
            }[meaning.minimum]
            amount = rounded(Fraction(amount if month in self._month_index else ZERO), Reading(rounding="half_up"))
            billed = ONE if amount else ZERO
        if not meaning.states_sum:
            actual = billed = ONE
        return self._line(account, month, price_list, group, schedule, actual=actual, billed=billed, amount=amount)

    def _line(
        self,
        account: Account,
        month: date,
        price_list: PriceList,
        group: Group,
        schedule: Schedule,
        *,
        actual: Decimal,
        billed: Decimal,
        amount: Decimal,
    ) -> Line:
        network_id, mailbox_id = account
        at_start = group.report == "FixedRate"
        return Line(
            number=0,
            line_date=month if at_start else next_month(month) - timedelta(days=1),
            price_list=price_list,
            system_object="Mailbox" if mailbox_id else "Network",
            system_id=mailbox_id or network_id,
            system_name=self.world.name_of(*account),
            schedule=schedule,
            actual=actual,
            billed=billed,
            is_taxable=group.is_taxable,
            amount=amount if amount else ZERO,
            group=group,
        )

    # -- invoices ----------------------------------------------------------------------------------

    def calculated(self, contract_id: int, month: date, accounts: list[Account] | None = None) -> Invoice:
        """The result of InvoiceCalculate: every line as billed, including those that single calls leave out."""
        chosen = self.world.accounts_of_contract(contract_id) if accounts is None else accounts
        lines: list[Line] = []
        for account in chosen:
            for line in self.bill(account, month).values():
                # the invoice names the account that it bills, also where a single response names another
                network_id, mailbox_id = account
                lines.append(
                    replace(
                        line,
                        number=len(lines) + 1,
                        system_id=mailbox_id or network_id,
                        system_name=self.world.name_of(*account),
                    )
                )
        return Invoice(
            invoice_id=0,
            number=f"INV-{month:%Y%m}-{contract_id}",
            contract_id=contract_id,
            month=month,
            issued=next_month(month),
            total_amount=total([line.amount for line in lines]),
            lines=tuple(lines),
        )

    def invoice(self, contract_id: int, month: date) -> Invoice:
        """The issued invoice, with the errors planted on it."""
        place = sorted(self.world.contract_by_id).index(contract_id)
        made = replace(self.calculated(contract_id, month), invoice_id=(month.year * 12 + month.month) * 100 + place)
        for planned in self._by_invoice.get((contract_id, month), ()):
            made = fault_kinds.applied_to_invoice(self, planned, made)
        return made

    def invoices(self) -> list[Invoice]:
        """Every invoice issued, by month and contract; contracts without accounts have none."""
        if self._invoices is None:
            self._invoices = [
                self.invoice(contract.contract_id, month)
                for month in self.world.months
                for contract in self.world.contracts
                if self.world.accounts_of_contract(contract.contract_id)
            ]
        return self._invoices

    # -- planted errors ----------------------------------------------------------------------------

    @property
    def planted_errors(self) -> tuple[PlantedError, ...]:
        """Every planted error that a reader of the current responses can find; `restated` ones only after `restate`."""
        if self._planted_errors is None:
            self._planted_errors = tuple(
                error
                for planned in self.world.planned_errors
                if planned.check_name != "restated" or self.is_restated
                for error in fault_kinds.described(self, planned)
            )
        return self._planted_errors


def part_of(group: Group) -> Part | None:
    """The part of an account's charges that a group is; None for a Subtotal or a minimum."""
    if not group.is_money:
        if group.report != "FixedRate":
            return "usage"
        return "one_time" if group.schedules[0].level == "OneTime" else "fixed"
    parts: dict[str, Part] = {
        "CreditPercentage": "percentages",
        "DebitPercentage": "percentages",
        "Credit": "credits",
    }
    return parts.get(group.measure)


def billed_quantity(result: Priced, group: Group) -> Decimal:
    """QuantityBilled in the unit that the group counts it in."""
    amount = result.blocks if group.meaning.billed_in == "blocks" else result.units
    return as_decimal(amount)


def as_decimal(value: Fraction) -> Decimal:
    """A fraction as the decimal that equals it; the worlds have no other fractions."""
    scale = 0
    while (value * 10**scale).denominator != 1:
        scale += 1
        if scale > 12:
            raise ValueError(f"{value} needs more than 12 decimals")
    whole = int(value * 10**scale)
    return Decimal((1 if whole < 0 else 0, tuple(int(digit) for digit in str(abs(whole))), -scale))
