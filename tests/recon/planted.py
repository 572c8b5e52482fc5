"""What was planted in a sandbox world, held against what was found in its warehouse."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

from ecgrid_flows.warehouse import database
from ecgrid_sandbox.world import inference
from ecgrid_sandbox.world.model import PlantedError
from ecgrid_sandbox.worlds import World
from ecgrid_transforms.money import Decimal
from tests.support import lake_of

Key = tuple[int | None, int | None, date | None, str | None, str | None]


@dataclass(frozen=True, slots=True)
class Found:
    """One row of out_findings."""

    check_name: str
    key: Key
    price_list_id: int | None
    invoice_number: str | None
    billed_amount: Decimal | None
    expected_amount: Decimal | None
    explanation: str
    severity: str
    cause_id: str


def found_in(connection: database.Connection) -> list[Found]:
    rows = database.table(connection, "FROM out_findings").to_pylist()
    return [
        Found(
            row["check_name"],
            (
                row["network_id"],
                row["mailbox_id"],
                row["reporting_month"],
                row["account_report"],
                row["measure_field"],
            ),
            row["price_list_id"],
            row["invoice_number"],
            row["billed_amount"],
            row["expected_amount"],
            row["explanation"],
            row["severity"],
            row["cause_id"],
        )
        for row in rows
    ]


def at_home(found: Found, by: int) -> Found:
    """The finding in its world's own identifiers."""
    network_id, mailbox_id, *rest = found.key
    key: Any = (network_id and network_id - by, mailbox_id and mailbox_id - by, *rest)
    number = found.invoice_number and found.invoice_number.rpartition("/")[0]
    return replace(
        found, key=key, price_list_id=found.price_list_id and found.price_list_id - by, invoice_number=number
    )


def home_of(found: Found) -> int:
    """Which world a finding is about, by the identifiers that it has."""
    if found.invoice_number:
        return int(found.invoice_number.rpartition("/")[2]) // lake_of.APART
    return (found.key[0] or found.price_list_id or 0) // lake_of.APART


def by_world(found: Iterable[Found], places: Iterable[int]) -> dict[int, list[Found]]:
    """The findings of each world of a lake of several."""
    made: dict[int, list[Found]] = {place: [] for place in places}
    for one in found:
        made[home_of(one)].append(at_home(one, home_of(one) * lake_of.APART))
    return made


def names(world: World, wrong: PlantedError) -> set[str]:
    """The check names that tell the truth about a wrong: its own, and another where the figures are the same.

    One block too many may be just what billing the allowance too would come to; nobody can tell which it was.
    """
    fair = {wrong.check_name}
    if wrong.check_name == "quantity_mismatch":
        network_id, mailbox_id, month, report, measure = wrong.key
        assert network_id is not None
        assert mailbox_id is not None
        assert month is not None
        price_list = world.price_list_of(network_id, mailbox_id)
        group = price_list.group((str(report), str(measure)))
        assert group is not None
        account = (network_id, mailbox_id)
        unfree = world.books.counted_line(account, month, price_list, group, meaning_without="allowance")
        billed = world.books.bill(account, month)[group.pair]
        if (unfree.billed, unfree.amount) == (billed.billed, billed.amount):
            fair.add("allowance_not_applied")
    return fair


def fits(world: World, wrong: PlantedError, found: Found) -> bool:
    """Whether a finding names the wrong: a name, every part of the key that the wrong has, list or invoice."""
    return (
        found.check_name in names(world, wrong)
        and all(part is None or part == said for part, said in zip(wrong.key, found.key, strict=True))
        and wrong.invoice_number in (None, found.invoice_number)
        and (wrong.network_id is not None or wrong.price_list_id in (None, found.price_list_id))
    )


def differences(world: World, found: Iterable[Found]) -> tuple[list[PlantedError], list[Found]]:
    """Wrongs that no finding names, and findings that name no wrong; each finding counts once."""
    left = list(found)
    missed = []
    for wrong in world.planted_errors:
        match = next((one for one in left if fits(world, wrong, one)), None)
        if match is None:
            missed.append(wrong)
        else:
            left.remove(match)
    return missed, left


def is_honest_doubt(world: World, found: Found, readings: Iterable[Mapping[str, Any]]) -> bool:
    """Whether a `reading_undecided` that nobody planted is true, by the naive pricer: its rivals explain every line
    that the truth explains, with the allowance or without it (a departure), and one of them bills another amount at the
    deciding quantity that it states."""
    if found.check_name != "reading_undecided":
        return False
    price_list = world.price_list_by_id[found.price_list_id or 0]
    group = price_list.group((str(found.key[3]), str(found.key[4])))
    assert group is not None
    accounts = [account for account in world.accounts if world.price_list_of(*account) is price_list]
    lines = {
        (line.actual, line.billed, line.amount)
        for account in accounts
        for month in world.months
        if (line := world.books.line(account, month, group.pair)) is not None
    }
    unallowed = replace(group, schedules=tuple(replace(schedule, allowance=Decimal(0)) for schedule in group.schedules))
    parted = False
    for row in readings:
        rival = replace(
            group.meaning,
            reading=replace(
                group.meaning.reading,
                model=row["model"],
                upper_bound=row["upper_bound"],
                blocks=row["blocks"],
                block_scope=row["block_scope"],
                rate_per=row["rate_per"],
                allowance=row["allowance_rule"],
            ),
            billed_in=row["quantity_billed_in"],
        )
        for actual, billed, amount in lines:
            said = (amount, billed)
            if inference.outcome(group, group.meaning, actual) != said:
                continue
            if said not in (inference.outcome(group, rival, actual), inference.outcome(unallowed, rival, actual)):
                return False
        quantity = row["deciding_quantity"]
        parted |= inference.outcome(group, rival, quantity) != inference.outcome(group, group.meaning, quantity)
    return parted
