"""Chooses the places of a generated world's planted errors, so that each has one check name and no other interferes.

At most one error is on an account's line over all months, and at most one per month on a group. No error is planted
where some other explanation would give its amount as well (another tier, another model, no allowance, a block more).
"""

from collections.abc import Callable, Sequence
from fractions import Fraction
from random import Random

from ecgrid_sandbox.billing.books import Books
from ecgrid_sandbox.billing.documents import Line
from ecgrid_sandbox.billing.faults import priced_at
from ecgrid_sandbox.billing.pricing import rounded
from ecgrid_sandbox.billing.traffic import REPORTS
from ecgrid_sandbox.world.model import Facts, Group, PlannedError, PriceList, Target
from ecgrid_transforms.money import Decimal

Account = tuple[int, int]
Candidates = Callable[[Group, str], list[Account]]

#: Check names of errors that a service can cause, and a world can plant.
PLANTABLE = (
    *("amount_mismatch", "wrong_tier", "tier_gap", "tier_overlap", "missing_line"),
    *("rate_mismatch", "quantity_mismatch", "bound_ignored", "allowance_not_applied", "sign_mismatch"),
    *("percentage_mismatch", "minimum_mismatch", "duplicate_line", "double_billed", "identity_mismatch"),
    *("date_outside_month", "taxable_changed", "price_changed", "restated", "usage_mismatch"),
    *("invoice_total_mismatch", "invoice_line_missing", "invoice_line_differs", "reading_undecided"),
)


def check_names(names: Sequence[str]) -> None:
    """Raises `ValueError` for a check name whose error cannot be planted."""
    if unknown := set(names) - set(PLANTABLE):
        raise ValueError(f"no error can be planted as {', '.join(sorted(unknown))}")


def planned_errors(
    bare: Facts, candidates: Candidates, rng: Random, planted_errors: tuple[str, ...] | None
) -> tuple[PlannedError, ...]:
    """The planned errors of a world: of each requested check name as many as its lists have room for, up to a few."""
    names = PLANTABLE if planted_errors is None else planted_errors
    planner = _Planner(bare, candidates, rng)
    # names with the fewest places first
    for name in sorted(names, key=_SCARCITY.index):
        planner.plant(name)
    return tuple(planner.made)


_SCARCITY = (
    *("tier_gap", "tier_overlap", "price_changed", "reading_undecided", "double_billed", "bound_ignored"),
    *("percentage_mismatch", "minimum_mismatch", "sign_mismatch", "wrong_tier", "allowance_not_applied"),
    *("quantity_mismatch", "restated", "usage_mismatch", "rate_mismatch", "amount_mismatch", "missing_line"),
    *("invoice_line_missing", "invoice_line_differs", "duplicate_line", "taxable_changed", "identity_mismatch"),
    *("date_outside_month", "invoice_total_mismatch"),
)


class _Planner:
    def __init__(self, bare: Facts, candidates: Candidates, rng: Random) -> None:
        self.world = bare
        self.books = Books(bare)
        self.candidates = candidates
        self.rng = rng
        self.made: list[PlannedError] = []
        self._lines: set[tuple[Account, tuple[str, str]]] = set()
        self._groups: set[tuple[int, tuple[str, str], int]] = set()
        self._invoices: set[tuple[int, int]] = set()

    def plant(self, name: str) -> None:
        """Plan as many errors of a check name as are wanted and fit."""
        match name:
            case "tier_gap" | "tier_overlap" | "reading_undecided" | "price_changed":
                self._of_list(name)
            case "invoice_total_mismatch":
                self._invoice_total()
            case "amount_mismatch" | "missing_line":
                # in every month
                for month in range(len(self.world.months)):
                    self._of_line(name, month)
            case "wrong_tier":
                for month in range(len(self.world.months)):
                    self._of_line(name, month)
            case _:
                for _ in range(self.rng.randint(1, 2)):
                    self._of_line(name, None)

    # -- price lists ---------------------------------------------------------------------------------

    def _of_list(self, name: str) -> None:
        for price_list in self.world.price_lists:
            its_id = price_list.price_list_id
            for group in price_list.groups:
                if name == "price_changed" and group.former_rate is not None:
                    (account,) = self.world.accounts_of_list(its_id)
                    self._add(
                        name,
                        Target(*account, self.world.months.index(price_list.date), group.pair, its_id),
                        f"the rate went from {group.former_rate} to {group.schedules[0].rate} on the list's Date",
                    )
                elif name == "reading_undecided" and not group.decidable:
                    self._add(name, Target(pair=group.pair, price_list_id=its_id), group.why)
                elif name == _malformed(group):
                    self._add(
                        name,
                        Target(pair=group.pair, price_list_id=its_id),
                        f"the first tier ends at {group.schedules[0].maximum}, the second begins at "
                        f"{group.schedules[1].minimum}",
                    )

    # -- lines -----------------------------------------------------------------------------------------

    def _of_line(self, name: str, month: int | None) -> None:
        """Plan one error on some line, in the given month or in any, where one fits."""
        places = [
            (price_list, group, account)
            for price_list in self.world.price_lists
            for group in price_list.groups
            for account in self._accounts(name, price_list, group)
            if (account, group.pair) not in self._lines
        ]
        self.rng.shuffle(places)
        every = list(range(len(self.world.months))) if month is None else [month]
        for price_list, group, account in places:
            if name in ("amount_mismatch", "missing_line", "taxable_changed") and group.is_money:
                continue
            self.rng.shuffle(every)
            for when in every:
                if (price_list.price_list_id, group.pair, when) in self._groups:
                    continue
                line = self.books.bill(account, self.world.months[when])[group.pair]
                figures = self._figures(name, price_list, group, account, when, line)
                if figures is None:
                    continue
                target = self._target(name, account, when, group)
                self._lines.add((account, group.pair))
                self._groups.add((price_list.price_list_id, group.pair, when))
                self._add(name, target, _REASONS[name].format(**figures), figures)
                return

    def _accounts(self, name: str, price_list: PriceList, group: Group) -> list[Account]:
        """The accounts that may have the error: growing ones; for `bound_ignored`, telling ones, where bounds apply."""
        if name == "bound_ignored":
            return self.world.accounts_of_list(price_list.price_list_id) if group.meaning.floor_and_cap else []
        growing = self.candidates(group, _KIND_OF_LIST.get(name, "plain"))
        # money lines decide nothing about a reading, whatever the account
        return self.world.accounts_of_list(price_list.price_list_id) if growing and group.is_money else growing

    def _target(self, name: str, account: Account, month: int, group: Group) -> Target:
        contract_id = None
        if name in ("invoice_line_missing", "invoice_line_differs", "duplicate_line"):
            contract_id = self.world.contract_of(*account)
        elif name == "double_billed":
            contract_id = self.world.network_by_id[account[0]].contract_id
        return Target(*account, month, group.pair, contract_id=contract_id)

    def _figures(
        self, name: str, price_list: PriceList, group: Group, account: Account, month: int, line: Line
    ) -> dict[str, str] | None:
        """The figures of an error on a line; None where it would be no error, or have several explanations."""
        rng, first = self.rng, line.schedule
        reading = group.meaning.reading
        lone = len(group.schedules) == 1
        counts = group.report != "FixedRate"
        match name:
            case "amount_mismatch":
                return self._add_to_amount(group, line) if counts and line.amount else None
            case "percentage_mismatch":
                fits = group.measure in ("CreditPercentage", "DebitPercentage") and line.amount != 0
                return {"add": f"{rng.choice((-1, 1)) * Decimal(rng.randint(111, 999)) / 100}"} if fits else None
            case "minimum_mismatch":
                fits = group.measure == "MonthlyMinimum" and line.amount > 30
                return {"add": f"{Decimal(rng.randint(500, 2500)) / 100}"} if fits else None
            case "wrong_tier":
                fits = counts and not lone and reading.model == "volume"
                if not fits or line.billed <= 0 or _malformed(group):
                    return None
                steps = rng.randrange(1, len(group.schedules))
                shown = group.schedules[(group.schedules.index(first) + steps) % len(group.schedules)]
                wrong = priced_at(line, shown.rate)
                return {"steps": str(steps)} if wrong not in self._explained(group, line, but=shown.rate) else None
            case "rate_mismatch":
                if not lone or group.is_money or group.meaning.floor_and_cap or line.amount < 2:
                    return None
                rate = (first.rate * rng.randint(108, 140) / 100).quantize(Decimal("0.0001"))
                wrong = priced_at(line, rate)
                return {"rate": f"{rate}"} if wrong not in self._explained(group, line) else None
            case "quantity_mismatch":
                fits = lone and counts and first.block > 1 and reading.blocks != "none" and line.billed > 0
                return {"blocks": "1"} if fits and not group.meaning.floor_and_cap else None
            case "allowance_not_applied":
                fits = lone and counts and first.allowance > 0 and line.actual > first.allowance
                return {} if fits and self._differs(group, line, account, month, "allowance") else None
            case "sign_mismatch":
                return {} if group.measure == "Credit" and line.amount else None
            case "usage_mismatch":
                fits = group.report in REPORTS and group.measure.endswith("Trans") and line.billed > 0
                if not fits or _malformed(group):
                    return None
                add = rng.randint(23, 60)
                block = int(first.block) or 1
                return {"add": str(add + block)}
            case "restated":
                fits = group.report in REPORTS and line.billed > 0 and not _malformed(group)
                return {"add": str(40 + 3 * (int(first.block) or 1))} if fits else None
            case "bound_ignored":
                return {} if self._bounded_with_others(group, price_list, line, month) else None
            case "identity_mismatch":
                others = [
                    box.mailbox_id
                    for box in self.world.mailboxes
                    if box.network_id == account[0] and box.mailbox_id != account[1]
                ]
                return {"mailbox_id": str(rng.choice(others))} if others and account[1] else None
            case "date_outside_month":
                return {"months": rng.choice(("1", "-1"))}
            case "taxable_changed":
                return {} if month > 0 else None
            case "double_billed":
                other = self.world.contract_of(*account) != self.world.network_by_id[account[0]].contract_id
                return {} if other and line.amount > 0 else None
            case "invoice_line_differs":
                return {"add": f"{Decimal(rng.randint(101, 999)) / 100}"} if line.amount else None
            case "missing_line" | "invoice_line_missing" | "duplicate_line":
                return {} if line.amount else None
        return None

    def _differs(self, group: Group, line: Line, account: Account, month: int, rule: str) -> bool:
        """Whether omitting a rule bills another amount and quantity."""
        without = self.books.counted_line(
            account, self.world.months[month], line.price_list, group, meaning_without=rule
        )
        return (without.amount, without.billed) != (line.amount, line.billed) and without.amount != line.amount

    def _bounded_with_others(self, group: Group, price_list: PriceList, line: Line, month: int) -> bool:
        """Whether a bound changes what a line bills, and that of another account too, which shows that it applies."""
        first = group.schedules[0]

        def side(actual: Decimal) -> int:
            return -1 if actual < first.minimum else int(first.maximum > 0 and actual > first.maximum)

        others = [
            self.books.quantity(account, self.world.months[month], group.pair)
            for account in self.world.accounts_of_list(price_list.price_list_id)
        ]
        return line.actual > 0 and side(line.actual) != 0 and sum(side(q) == side(line.actual) for q in others) > 1

    def _add_to_amount(self, group: Group, line: Line) -> dict[str, str] | None:
        explained = self._explained(group, line)
        for _ in range(20):
            add = Decimal(self.rng.randint(311, 2999)) / 100 * self.rng.choice((1, 1, -1))
            if line.amount + add > 0 and line.amount + add not in explained:
                return {"add": f"{add}"}
        return None

    def _explained(self, group: Group, line: Line, but: Decimal | None = None) -> set[Decimal]:
        """Amounts that have another explanation than a mistake: each tier's rate on billed, measured and neighbouring
        quantities, and the right amount itself."""
        block = line.schedule.block or Decimal(1)
        quantities = {line.billed, line.actual, *(line.billed + block * count for count in (-2, -1, 1, 2))}
        found = {
            rounded(Fraction(quantity) * Fraction(schedule.rate) * times, group.meaning.reading)
            for schedule in group.schedules
            if schedule.rate != but
            for quantity in quantities
            for times in (Fraction(1), Fraction(block), 1 / Fraction(block))
        }
        return found | {line.amount}

    # -- invoices ----------------------------------------------------------------------------------------

    def _invoice_total(self) -> None:
        contracts = [
            contract.contract_id
            for contract in self.world.contracts
            if self.world.accounts_of_contract(contract.contract_id)
        ]
        contract_id, month = self.rng.choice(contracts), self.rng.randrange(len(self.world.months))
        add = f"{Decimal(self.rng.randint(500, 5000)) / 100}"
        self._add(
            "invoice_total_mismatch",
            Target(month=month, contract_id=contract_id),
            f"TotalAmount is {add} above the sum of the invoice's lines",
            {"add": add},
        )

    def _add(self, name: str, target: Target, reason: str, figures: dict[str, str] | None = None) -> None:
        self.made.append(PlannedError(name, target, reason, _EVIDENCE.get(name, "the line itself"), figures or {}))


def _malformed(group: Group) -> str | None:
    """`tier_gap` or `tier_overlap`, for a ladder that has one."""
    for before, after in zip(group.schedules, group.schedules[1:], strict=False):
        if after.minimum > before.maximum + 1:
            return "tier_gap"
        if after.minimum < before.maximum:
            return "tier_overlap"
    return None


#: The kind of price list that hosts an error; `plain` where none is named.
_KIND_OF_LIST = {"percentage_mismatch": "percent", "minimum_mismatch": "minimum"}

_REASONS = {
    "amount_mismatch": "the Amount is off by {add}",
    "wrong_tier": "shown and billed by a tier that the quantity does not reach",
    "missing_line": "a pair of the price list, with use, returns a response as if it were not on the list",
    "rate_mismatch": "billed at {rate}, which is not the price list's",
    "quantity_mismatch": "a block more than the use",
    "bound_ignored": "billed below the Minimum or above the Maximum that apply to all other lines",
    "allowance_not_applied": "the allowance was not taken off",
    "sign_mismatch": "a credit was charged",
    "percentage_mismatch": "the percentage is off by {add}",
    "minimum_mismatch": "the true-up is off by {add}",
    "duplicate_line": "the invoice has the line twice",
    "double_billed": "the line is on the invoices of two contracts",
    "identity_mismatch": "the line names mailbox {mailbox_id}",
    "date_outside_month": "LineDate is {months} month(s) off",
    "taxable_changed": "Taxable changed",
    "restated": "{add} units were added after the first pull",
    "usage_mismatch": "{add} transactions more than the monthly report has",
    "invoice_line_missing": "a billed line is not on the invoice",
    "invoice_line_differs": "the invoice has the line {add} higher",
}

_EVIDENCE = {
    "missing_line": "PricelistInfo has the pair, invoice and InvoiceCalculate the line",
    "tier_gap": "PricelistInfo; no use is in the gap",
    "tier_overlap": "PricelistInfo; no use but the first tier's end is in the overlap",
    "price_changed": "the lines before and after the list's Date",
    "reading_undecided": "several readings explain every line",
    "duplicate_line": "InvoiceInfo alone",
    "invoice_total_mismatch": "InvoiceInfo alone",
    "double_billed": "InvoiceInfo of two contracts; MailboxInfo names one",
    "invoice_line_missing": "InvoiceInfo against InvoiceCalculateLineItem",
    "invoice_line_differs": "InvoiceInfo against InvoiceCalculateLineItem",
    "usage_mismatch": "ReportMonthly against Actual",
    "restated": "a second pull against the first",
}
