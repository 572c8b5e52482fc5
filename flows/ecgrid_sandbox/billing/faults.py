"""How each kind of wrong comes about: a right line in, a wrong one out. One kind per check name of CONTRACT.

Each kind is made so that one check name fits it best; what sets it apart stands at its function. Figures are texts, as
catalogue.toml gives them.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from fractions import Fraction
from typing import Protocol

from ecgrid_sandbox.billing.documents import Account, Invoice, Line
from ecgrid_sandbox.billing.pricing import rounded
from ecgrid_sandbox.world.model import Facts, Group, Pair, Plant, PriceList, Wrong
from ecgrid_transforms.money import Decimal, total
from ecgrid_transforms.period import next_month

#: Kinds that hold from their month on, not for one month alone.
LASTING = frozenset({"taxable_changed"})

#: Kinds that live in a price list's schedules, seen in every month; the list itself is made so.
OF_PRICE_LIST = frozenset({"tier_gap", "tier_overlap", "price_changed", "reading_undecided"})

#: Kinds that live on an issued invoice.
OF_INVOICE = frozenset(
    {"duplicate_line", "double_billed", "invoice_total_mismatch", "invoice_line_missing", "invoice_line_differs"}
)


class Bills(Protocol):
    """What is needed of `books.Books`."""

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


def applied(books: Bills, account: Account, month: date, plant: Plant, line: Line) -> Line:
    """The line as the wrong leaves it. A `missing_line` leaves it: it is missing in single answers only."""
    figures = plant.figures
    price_list, group = line.price_list, line.group
    reading = group.meaning.reading
    match plant.check_name:
        case "amount_mismatch" | "percentage_mismatch" | "minimum_mismatch":
            # everything on the line is right but its amount, which no other rule gives either
            return replace(line, amount=line.amount + Decimal(figures["add"]))
        case "wrong_tier":
            # shown and priced by a tier that the quantity does not reach (volume ladders)
            reached = group.schedules.index(line.schedule)
            shown = group.schedules[(reached + int(figures["steps"])) % len(group.schedules)]
            return replace(line, schedule=shown, amount=priced_at(line, shown.rate))
        case "rate_mismatch" | "quantity_mismatch" | "terms_differ" if "shown" in figures:
            # a number of the schedule shown is not the price list's, and the line is billed by it
            number = {figures["shown"]: Decimal(figures["number"])}
            return replace(books.counted_line(account, month, price_list, group, shown=number), number=line.number)
        case _ if "by" in figures:
            # billed by the list as PricelistInfo gives it, in the place of the terms of the contract
            listed = books.world.list_read(price_list.price_list_id, month)
            assert listed is not None
            own = listed.group(group.pair)
            assert own is not None
            return replace(books.counted_line(account, month, price_list, own), number=line.number)
        case "correction":
            # takes back the line of the month before, at what it was billed
            before = books.bill(account, next_month(month, -1))[group.pair]
            return replace(
                line,
                schedule=before.schedule,
                actual=-before.actual,
                billed=-before.billed,
                amount=-before.amount,
            )
        case "rate_mismatch":
            # the schedule shown has another rate than the price list gives it, and the line is priced by that
            shown = replace(line.schedule, rate=Decimal(figures["rate"]))
            return replace(line, schedule=shown, amount=priced_at(line, shown.rate))
        case "quantity_mismatch":
            # one block more than the use comes to, priced by its right rate
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
            # another quantity than the reports have, billed right for what it is
            actual = line.actual + Decimal(figures["add"])
            return replace(books.counted_line(account, month, price_list, group, actual=actual), number=line.number)
        case "missing_line" | "restated":
            return line
    raise ValueError(f"{plant.check_name} is no wrong of a line ({reading.model})")


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


def applied_to_invoice(books: Bills, plant: Plant, invoice: Invoice) -> Invoice:
    """The invoice as the wrong leaves it; but for `invoice_total_mismatch` it still adds up to its total."""
    figures = plant.figures
    lines = list(invoice.lines)
    if plant.check_name == "invoice_total_mismatch":
        return replace(invoice, total_amount=invoice.total_amount + Decimal(figures["add"]))
    if plant.check_name == "double_billed":
        # a line of an account that another contract bills, and did bill
        lines.append(_right_line(books, plant, invoice.month))
    else:
        place = next(i for i, line in enumerate(lines) if _is_target(plant, line))
        if plant.check_name == "duplicate_line":
            lines.append(lines[place])
        elif plant.check_name == "invoice_line_missing":
            del lines[place]
        elif plant.check_name == "invoice_line_differs":
            lines[place] = replace(lines[place], amount=lines[place].amount + Decimal(figures["add"]))
        else:
            raise ValueError(f"{plant.check_name} is no wrong of an invoice")
    numbered = tuple(replace(line, number=number) for number, line in enumerate(lines, start=1))
    return replace(invoice, lines=numbered, total_amount=total([line.amount for line in numbered]))


def _is_target(plant: Plant, line: Line) -> bool:
    target = plant.target
    return line.pair == target.pair and line.system_id == (target.mailbox_id or target.network_id)


def _right_line(books: Bills, plant: Plant, month: date) -> Line:
    target = plant.target
    assert target.network_id is not None
    assert target.mailbox_id is not None
    assert target.pair is not None
    return books.bill((target.network_id, target.mailbox_id), month)[target.pair]


def _before_restating(books: Bills, account: Account, month: date, plant: Plant) -> Decimal:
    """The amount that was answered before: that of the quantity as it was measured first."""
    assert plant.target.pair is not None
    now = books.bill(account, month)[plant.target.pair]
    before = now.actual - Decimal(plant.figures["add"])
    return books.counted_line(account, month, now.price_list, now.group, actual=before).amount


def _by_other_terms(
    books: Bills, price_list_id: int, pair: tuple[str, str], month: date
) -> tuple[Decimal, Decimal] | tuple[None, None]:
    """What the lines of a list that a wrong is on should cost, and what they are billed; nothing where none is."""
    wrong = [
        (books.bill(account, month, right=True)[pair].amount, books.bill(account, month)[pair].amount)
        for account in books.world.accounts_of_list(price_list_id)
        if books.is_planted(account, month, pair)
    ]
    return (total([right for right, _ in wrong]), total([billed for _, billed in wrong])) if wrong else (None, None)


def described(books: Bills, plant: Plant) -> list[Wrong]:
    """The wrong as a finding should name it; a price list's wrong is in every month, an open reading in the last."""
    world, target = books.world, plant.target
    months = [None] if target.month is None else [world.months[target.month]]
    if plant.check_name in OF_PRICE_LIST and target.month is None:
        months = list(world.months[-1:] if plant.check_name == "reading_undecided" else world.months)
    return [_described(books, plant, month) for month in months]


def _described(books: Bills, plant: Plant, month: date | None) -> Wrong:
    world, target = books.world, plant.target
    true_amount = billed_amount = None
    invoice_number = None
    price_list_id = target.price_list_id
    if target.contract_id is not None and month is not None:
        invoice_number = f"INV-{month:%Y%m}-{target.contract_id}"
        if plant.check_name == "invoice_total_mismatch":
            true_amount = books.calculated(target.contract_id, month).total_amount
            billed_amount = books.invoice(target.contract_id, month).total_amount
    if plant.check_name == "list_differs_from_contract" and target.pair and month is not None:
        true_amount, billed_amount = _by_other_terms(books, target.price_list_id or 0, target.pair, month)
    if target.network_id is not None and target.mailbox_id is not None and target.pair and month is not None:
        account = (target.network_id, target.mailbox_id)
        price_list_id = world.price_list_of(*account).price_list_id
        line = books.bill(account, month)[target.pair]
        true_amount, billed_amount = books.bill(account, month, right=True)[target.pair].amount, line.amount
        match plant.check_name:
            case "invoice_line_missing":
                billed_amount = None
            case "missing_line":
                true_amount = None  # the invoice bills it, and nothing confirms it
            case "duplicate_line" | "double_billed":
                billed_amount = line.amount * 2
            case "invoice_line_differs":
                billed_amount = line.amount + Decimal(plant.figures["add"])
            case "restated":
                billed_amount = _before_restating(books, account, month, plant)
    return Wrong(
        plant.check_name,
        target.network_id,
        target.mailbox_id,
        month,
        target.pair[0] if target.pair else None,
        target.pair[1] if target.pair else None,
        price_list_id,
        invoice_number,
        true_amount,
        billed_amount,
        plant.reason,
        plant.evidence,
    )
