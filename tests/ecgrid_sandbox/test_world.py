"""The shipped world keeps its promises, and is wrong where the catalogue says, and nowhere else."""

from collections import Counter
from datetime import date

import pytest

from ecgrid_sandbox import World
from ecgrid_sandbox.billing.documents import Line
from ecgrid_sandbox.billing.pricing import priced
from ecgrid_sandbox.world.model import Group, Pair
from ecgrid_transforms.money import Decimal
from ecgrid_transforms.period import last_full_month

FIRST_FIVE = {"amount_mismatch", "wrong_tier", "tier_gap", "tier_overlap", "missing_line"}
#: Check names of CONTRACT that a service can cause.
CAUSABLE = FIRST_FIVE | {
    *("rate_mismatch", "quantity_mismatch", "bound_ignored", "allowance_not_applied", "sign_mismatch"),
    *("percentage_mismatch", "minimum_mismatch", "duplicate_line", "double_billed", "identity_mismatch"),
    *("date_outside_month", "taxable_changed", "price_changed", "restated", "usage_mismatch"),
    *("invoice_total_mismatch", "invoice_line_missing", "invoice_line_differs", "reading_undecided"),
}
#: Kinds that change what InvoiceCalculateLineItem answers.
OF_LINES = {
    *("amount_mismatch", "wrong_tier", "rate_mismatch", "quantity_mismatch", "bound_ignored"),
    *("allowance_not_applied", "sign_mismatch", "percentage_mismatch", "minimum_mismatch", "identity_mismatch"),
    *("date_outside_month", "taxable_changed", "usage_mismatch"),
}


def test_its_size_and_variety(world: World) -> None:
    assert len(world.networks) >= 3
    assert len(world.mailboxes) >= 40
    assert len(world.months) == 4
    assert {price_list.model for price_list in world.price_lists} == {"Simple", "Tiered", "Stacked"}
    assert {network.void for network in world.networks} == {"fault", "absent", "zero"}
    names = " ".join(world.name_of(*account) for account in world.accounts)
    for piece in ("ü", "&", '"', ",", "\n", "株", "+49", "=1+1"):
        assert piece in names
    assert any(world.name_of(*account).startswith("=") for account in world.accounts)


def _models(world: World, word: str) -> set[str]:
    return {
        group.meaning.reading.model
        for price_list in world.price_lists
        if price_list.model == word
        for group in price_list.groups
        if len(group.schedules) > 1 and group.decidable
    }


def test_the_same_word_means_different_things(world: World) -> None:
    assert _models(world, "Tiered") == {"volume", "graduated"}
    assert _models(world, "Stacked") == {"graduated", "stacked_flat"}


def test_what_its_price_lists_hold(world: World) -> None:
    groups = [group for price_list in world.price_lists for group in price_list.groups]
    readings = [group.meaning.reading for group in groups if not group.is_money]
    assert {reading.allowance for reading in readings} >= {"before_blocks", "after_blocks"}
    assert {reading.blocks for reading in readings} >= {"up", "nearest"}
    assert {reading.rate_per for reading in readings} == {"block", "unit"}
    assert {group.meaning.billed_in for group in groups} == {"units", "blocks"}
    assert {"Credit", "CreditPercentage", "DebitPercentage", "Subtotal", "MonthlyMinimum"} <= {
        group.measure for group in groups
    }
    assert {group.meaning.percent for group in groups if "Percentage" in group.measure} == {"hundred", "fraction"}
    assert any(group.meaning.floor_and_cap for group in groups)
    assert any(group.schedules[0].specified_network_id for group in groups)
    for group in groups:
        assert all(-schedule.rate.as_tuple().exponent == 4 for schedule in group.schedules)
        if len(group.schedules) > 1:
            assert group.schedules[-1].maximum == 0  # open


def test_use_grows_rests_and_hits_the_bounds(world: World) -> None:
    growing = quiet = 0
    for use in world.use.values():
        counted = [series for (report, _), series in use.items() if report != "FixedRate"]
        growing += any(series[0] < series[1] < series[2] < series[3] for series in counted)
        quiet += bool(counted) and not any(any(series) for series in counted)
    assert growing > 30
    assert quiet >= 3
    kcs = [value for use in world.use.values() for (_, measure), series in use.items() for value in series
           if measure.endswith("KCs")]  # fmt: skip
    assert any(value != value.to_integral_value() for value in kcs)


@pytest.mark.parametrize("seed", [1, 2, 77])
def test_it_is_reproducible(seed: int) -> None:
    month = date(2026, 10, 1)
    one, same, other = World.shipped(month, seed=seed), World.shipped(month, seed=seed), World.shipped(month, seed=99)
    assert one == same
    assert one.use != other.use
    assert one.planted_errors == same.planted_errors
    # another last month moves the months and leaves the figures
    later = World.shipped(date(2027, 2, 1), seed=seed)
    assert later.months == (date(2026, 11, 1), date(2026, 12, 1), date(2027, 1, 1), date(2027, 2, 1))
    assert later.use == one.use


def test_it_ends_with_the_last_full_month() -> None:
    assert World.shipped().last_month == last_full_month()


def test_the_last_month_is_billed_alike_whatever_month_it_is() -> None:
    """The tour's figures hold in any month: 2028-02 has 29 days."""

    def billed(last_month: date) -> list[tuple[object, ...]]:
        world = World.shipped(last_month)
        return [
            (account, pair, line.actual, line.amount)
            for account in world.accounts
            for pair, line in world.books.bill(account, last_month).items()
        ]

    first, *others = map(billed, (date(2026, 10, 1), date(2027, 2, 1), date(2027, 12, 1), date(2028, 2, 1)))
    assert len(first) > 400
    assert all(other == first for other in others)


def test_the_catalogue_plants_every_name_that_a_service_can_cause() -> None:
    world = World.shipped(date(2026, 10, 1))
    world.restate()
    counts = Counter(wrong.check_name for wrong in world.planted_errors)
    assert set(counts) == CAUSABLE
    assert sum(counts.values()) >= 15
    for month in world.months:
        assert {wrong.check_name for wrong in world.planted_errors if wrong.reporting_month == month} >= FIRST_FIVE
    assert all(wrong.reason and wrong.evidence for wrong in world.planted_errors)
    keys = [(wrong.check_name, wrong.key, wrong.invoice_number) for wrong in world.planted_errors]
    assert len(set(keys)) == len(keys)


def _lines(world: World, *, right: bool) -> dict[tuple[tuple[int, int], date, Pair], Line]:
    return {
        (account, month, pair): line
        for account in world.accounts
        for month in world.months
        for pair, line in world.books.bill(account, month, right=right).items()
    }


def test_lines_are_wrong_only_where_the_catalogue_states_it(world: World) -> None:
    billed, right = _lines(world, right=False), _lines(world, right=True)
    assert set(billed) == set(right)
    differing = {key for key in billed if billed[key] != right[key]}
    expected = set()
    for wrong in world.planted_errors:
        if wrong.check_name not in OF_LINES:
            continue
        network_id, mailbox_id, month, report, measure = wrong.key
        months = [month] if wrong.check_name != "taxable_changed" else [m for m in world.months if m >= month]
        expected |= {((network_id, mailbox_id), m, (report, measure)) for m in months}
        assert (wrong.true_amount, wrong.billed_amount) == (
            right[(network_id, mailbox_id), month, (report, measure)].amount,
            billed[(network_id, mailbox_id), month, (report, measure)].amount,
        )
    # a line that depends on wrong ones may differ too: none does
    assert differing == expected


def test_right_lines_follow_from_the_list_and_the_use(world: World) -> None:
    """Quantities and amounts once more, from the schedules as PricelistInfo shows them."""
    for (account, month, pair), line in _lines(world, right=True).items():
        group = line.group
        if group.is_money:
            continue
        quantity = world.use[account][pair][world.months.index(month)]
        assert line.actual == quantity
        if group.meaning.floor_and_cap:
            first = group.schedules[0]
            quantity = max(Decimal(first.minimum), min(quantity, Decimal(first.maximum)))
        result = priced(quantity, group.schedules[0].allowance, group.tiers(), group.meaning.reading)
        assert line.amount == result.amount
        if line.billed and len(group.schedules) > 1:
            assert line.schedule == group.schedules[result.tier - 1]


def _gap_or_overlap(group: Group) -> str | None:
    for before, after in zip(group.schedules, group.schedules[1:], strict=False):
        if after.minimum not in (before.maximum, before.maximum + 1):
            return "tier_gap" if after.minimum > before.maximum else "tier_overlap"
    return None


def test_malformed_ladders_are_those_planted_and_no_use_lies_in_doubt(world: World) -> None:
    planted = {
        (wrong.price_list_id, (wrong.account_report, wrong.measure_field)): wrong.check_name
        for wrong in world.planted_errors
        if wrong.check_name in ("tier_gap", "tier_overlap")
    }
    found = {
        (price_list.price_list_id, group.pair): name
        for price_list in world.price_lists
        for group in price_list.groups
        if (name := _gap_or_overlap(group))
    }
    assert found == planted
    for (price_list_id, pair), name in found.items():
        group = world.price_list_by_id[price_list_id].group(pair)
        assert group
        first, second = group.schedules
        low, high = sorted((first.maximum, second.minimum))
        for account in world.accounts_of_list(price_list_id):
            for value in world.use[account][pair]:
                # on the first tier's end the line says which side it belongs to
                assert not low < value < high, (name, value)


def test_invoices_have_the_planted_errors_and_no_other(world: World) -> None:
    books = world.books
    planted = {wrong.invoice_number: wrong for wrong in world.planted_errors if wrong.invoice_number}
    assert len(planted) == 5
    for invoice in books.invoices():
        clean = books.calculated(invoice.contract_id, invoice.month)
        wrong = planted.get(invoice.number)
        kind = wrong.check_name if wrong else None
        adds_up = sum(line.amount for line in invoice.lines) == invoice.total_amount
        assert adds_up == (kind != "invoice_total_mismatch")
        more = len(invoice.lines) - len(clean.lines)
        assert more == {"duplicate_line": 1, "double_billed": 1, "invoice_line_missing": -1}.get(kind or "", 0)
        if kind is None:
            assert (invoice.lines, invoice.total_amount) == (clean.lines, clean.total_amount)


def test_missing_lines_are_demanded_by_list_and_use(world: World) -> None:
    missing = [wrong for wrong in world.planted_errors if wrong.check_name == "missing_line"]
    assert {world.network_by_id[wrong.network_id].void for wrong in missing} == {"fault", "absent", "zero"}
    for wrong in missing:
        account, pair = (wrong.network_id, wrong.mailbox_id), (wrong.account_report, wrong.measure_field)
        assert world.books.line(account, wrong.reporting_month, pair) is None
        assert world.price_list_of(*account).group(pair)
        assert world.use[account][pair][world.months.index(wrong.reporting_month)] > 0
        others = [month for month in world.months if month != wrong.reporting_month]
        assert all(world.books.line(account, month, pair) for month in others)
        on_invoice = [
            line
            for line in world.books.invoice(world.contract_of(*account), wrong.reporting_month).lines
            if (line.system_id, line.pair) == (account[1], pair)
        ]
        assert [line.amount for line in on_invoice] == [wrong.billed_amount]


def test_at_most_one_wrong_a_month_stands_on_one_group_of_readings(world: World) -> None:
    """So that the right meaning explains more lines than any other."""
    counts = Counter(
        (world.price_list_of(wrong.network_id, wrong.mailbox_id).price_list_id, wrong.account_report,
         wrong.measure_field, wrong.reporting_month)
        for wrong in world.planted_errors
        if wrong.check_name in OF_LINES and wrong.check_name not in ("identity_mismatch", "date_outside_month")
    )  # fmt: skip
    assert max(counts.values()) == 1
