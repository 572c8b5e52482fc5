"""Planted errors, one kind per check name of CONTRACT: each takes a correct line and returns a wrong one.

Each kind fits one check name best; the distinguishing feature is stated at its function. Figures are strings, as in
catalogue.toml.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from fractions import Fraction
from typing import Protocol

from ecgrid_sandbox.billing.documents import Account, Invoice, Line
from ecgrid_sandbox.billing.pricing import rounded
from ecgrid_sandbox.world.model import Facts, Group, Pair, PlannedError, PlantedError, PriceList
from ecgrid_transforms.money import Decimal, total
from ecgrid_transforms.period import next_month

#: Kinds that persist from their month on.
LASTING = frozenset({"taxable_changed"})

#: Kinds that are in a price list's schedules, visible in every month; the list itself is built with the error.
OF_PRICE_LIST = frozenset({"tier_gap", "tier_overlap", "price_changed", "reading_undecided"})


class Bills(Protocol):
    """The part of `books.Books` that is needed here."""

    world: Facts

    def is_planted(self, account: Account, month: date, pair: Pair) -> bool: ...

    def bill(self, account: Account, month: date, *, right: bool = False) -> Mapping[Pair, Line]: ...

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
    ) -> Line: ...

    def calculated(self, contract_id: int, month: date) -> Invoice: ...

    def invoice(self, contract_id: int, month: date) -> Invoice: ...


def applied(books: Bills, account: Account, month: date, planned: PlannedError, line: Line) -> Line:
    """The line with the error. A `missing_line` returns it unchanged: it is missing in single responses only."""
    figures = planned.figures
    price_list, group = line.price_list, line.group
    reading = group.meaning.reading
    match planned.check_name:
        case "amount_mismatch" | "percentage_mismatch" | "minimum_mismatch":
            # everything on the line is right but its amount, which no other rule gives
            return replace(line, amount=line.amount + Decimal(figures["add"]))
        case "wrong_tier":
            # shown and priced by a tier that the quantity does not reach (volume ladders)
            reached = group.schedules.index(line.schedule)
            shown = group.schedules[(reached + int(figures["steps"])) % len(group.schedules)]
            return replace(line, schedule=shown, amount=priced_at(line, shown.rate))
        case "rate_mismatch" | "quantity_mismatch" | "terms_differ" if "shown" in figures:
            # a number of the shown schedule differs from the price list's, and the line is billed by it
            number = {figures["shown"]: Decimal(figures["number"])}
            return replace(books.counted_line(account, month, price_list, group, shown=number), number=line.number)
        case _ if "by" in figures:
            # billed by the list as in PricelistInfo instead of by the terms of the contract
            listed = books.world.list_read(price_list.price_list_id, month)
            assert listed is not None
            own = listed.group(group.pair)
            assert own is not None
            return replace(books.counted_line(account, month, price_list, own), number=line.number)
        case "correction":
            # reverses the line of the month before, at its billed amount
            before = books.bill(account, next_month(month, -1))[group.pair]
            return replace(
                line,
                schedule=before.schedule,
                actual=-before.actual,
                billed=-before.billed,
                amount=-before.amount,
            )
        case "rate_mismatch":
            # the shown schedule has another rate than the price list, and the line is priced by it
            shown = replace(line.schedule, rate=Decimal(figures["rate"]))
            return replace(line, schedule=shown, amount=priced_at(line, shown.rate))
        case "quantity_mismatch":
            # one block more than the use, priced at its right rate
            block = line.schedule.block if group.meaning.billed_in == "units" else Decimal(1)
            more = replace(line, billed=line.billed + block * int(figures["blocks"]))
            return replace(more, amount=priced_at(more, line.schedule.rate))
        case "bound_ignored":
            return replace(
                books.counted_line(account, month, price_list, group, meaning_without="bounds"),
                number=line.number,
            )
        case "allowance_not_applied":
            return replace(
                books.counted_line(account, month, price_list, group, meaning_without="allowance"),
                number=line.number,
            )
        case "sign_mismatch":
            return replace(line, amount=-line.amount)
        case "identity_mismatch":
            other = int(figures["mailbox_id"])
            network_id = books.world.mailbox_by_id[other].network_id
            return replace(line, system_id=other, system_name=books.world.name_of(network_id, other))
        case "date_outside_month":
            return replace(line, line_date=next_month(line.line_date, int(figures["months"])))
        case "taxable_changed":
            return replace(line, is_taxable=not line.is_taxable)
        case "usage_mismatch":
            # another quantity than in the reports, billed correctly for that quantity
            actual = line.actual + Decimal(figures["add"])
            return replace(books.counted_line(account, month, price_list, group, actual=actual), number=line.number)
        case "missing_line" | "restated":
            return line
    raise ValueError(f"{planned.check_name} is not a planted error of a line ({reading.model})")


def priced_at(line: Line, rate: Decimal) -> Decimal:
    """What a line would cost at another rate: QuantityBilled times another rate, rounded as the group rounds."""
    meaning = line.group.meaning
    quantity = Fraction(line.billed)
    block = Fraction(line.schedule.block) or Fraction(1)
    if meaning.billed_in == "units" and meaning.reading.rate_per == "block":
        quantity /= block
    elif meaning.billed_in == "blocks" and meaning.reading.rate_per == "unit":
        quantity *= block
    return rounded(quantity * Fraction(rate), meaning.reading)


def applied_to_invoice(books: Bills, planned: PlannedError, invoice: Invoice) -> Invoice:
    """The invoice with the error; except for `invoice_total_mismatch` its lines still add up to its total."""
    figures = planned.figures
    lines = list(invoice.lines)
    if planned.check_name == "invoice_total_mismatch":
        return replace(invoice, total_amount=invoice.total_amount + Decimal(figures["add"]))
    if planned.check_name == "double_billed":
        # a line of an account that another contract bills, and has billed
        lines.append(_right_line(books, planned, invoice.month))
    else:
        place = next(i for i, line in enumerate(lines) if _is_target(planned, line))
        if planned.check_name == "duplicate_line":
            lines.append(lines[place])
        elif planned.check_name == "invoice_line_missing":
            del lines[place]
        elif planned.check_name == "invoice_line_differs":
            lines[place] = replace(lines[place], amount=lines[place].amount + Decimal(figures["add"]))
        else:
            raise ValueError(f"{planned.check_name} is not a planted error of an invoice")
    numbered = tuple(replace(line, number=number) for number, line in enumerate(lines, start=1))
    return replace(invoice, lines=numbered, total_amount=total([line.amount for line in numbered]))


def _is_target(planned: PlannedError, line: Line) -> bool:
    target = planned.target
    return line.pair == target.pair and line.system_id == (target.mailbox_id or target.network_id)


def _right_line(books: Bills, planned: PlannedError, month: date) -> Line:
    target = planned.target
    assert target.network_id is not None
    assert target.mailbox_id is not None
    assert target.pair is not None
    return books.bill((target.network_id, target.mailbox_id), month)[target.pair]


def _before_restating(books: Bills, account: Account, month: date, planned: PlannedError) -> Decimal:
    """The amount before the restatement: that of the quantity as first measured."""
    assert planned.target.pair is not None
    now = books.bill(account, month)[planned.target.pair]
    before = now.actual - Decimal(planned.figures["add"])
    return books.counted_line(account, month, now.price_list, now.group, actual=before).amount


def _by_other_terms(
    books: Bills, price_list_id: int, pair: tuple[str, str], month: date
) -> tuple[Decimal, Decimal] | tuple[None, None]:
    """Correct and billed sums of a list's lines that have the error; nothing where none has it."""
    sums = [
        (books.bill(account, month, right=True)[pair].amount, books.bill(account, month)[pair].amount)
        for account in books.world.accounts_of_list(price_list_id)
        if books.is_planted(account, month, pair)
    ]
    return (total([right for right, _ in sums]), total([billed for _, billed in sums])) if sums else (None, None)


def described(books: Bills, planned: PlannedError) -> list[PlantedError]:
    """The error as a finding should name it; a price list's error is in every month, an open reading in the last."""
    world, target = books.world, planned.target
    months = [None] if target.month is None else [world.months[target.month]]
    if planned.check_name in OF_PRICE_LIST and target.month is None:
        months = list(world.months[-1:] if planned.check_name == "reading_undecided" else world.months)
    return [_described(books, planned, month) for month in months]


def _described(books: Bills, planned: PlannedError, month: date | None) -> PlantedError:
    world, target = books.world, planned.target
    true_amount = billed_amount = None
    invoice_number = None
    price_list_id = target.price_list_id
    if target.contract_id is not None and month is not None:
        invoice_number = f"INV-{month:%Y%m}-{target.contract_id}"
        if planned.check_name == "invoice_total_mismatch":
            true_amount = books.calculated(target.contract_id, month).total_amount
            billed_amount = books.invoice(target.contract_id, month).total_amount
    if planned.check_name == "list_differs_from_contract" and target.pair and month is not None:
        true_amount, billed_amount = _by_other_terms(books, target.price_list_id or 0, target.pair, month)
    if target.network_id is not None and target.mailbox_id is not None and target.pair and month is not None:
        account = (target.network_id, target.mailbox_id)
        price_list_id = world.price_list_of(*account).price_list_id
        line = books.bill(account, month)[target.pair]
        true_amount, billed_amount = books.bill(account, month, right=True)[target.pair].amount, line.amount
        match planned.check_name:
            case "invoice_line_missing":
                billed_amount = None
            case "missing_line":
                true_amount = None  # the invoice bills it, and no response confirms it
            case "duplicate_line" | "double_billed":
                billed_amount = line.amount * 2
            case "invoice_line_differs":
                billed_amount = line.amount + Decimal(planned.figures["add"])
            case "restated":
                billed_amount = _before_restating(books, account, month, planned)
    return PlantedError(
        planned.check_name,
        target.network_id,
        target.mailbox_id,
        month,
        target.pair[0] if target.pair else None,
        target.pair[1] if target.pair else None,
        price_list_id,
        invoice_number,
        true_amount,
        billed_amount,
        planned.reason,
        planned.evidence,
    )
