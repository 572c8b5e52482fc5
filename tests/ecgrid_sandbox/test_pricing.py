"""The naive pricer against arithmetic done by hand and against the amounts of the wire samples."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecgrid_sandbox.billing.pricing import Reading, Tier, Unpriceable, price, priced
from ecgrid_transforms.money import Decimal

D = Decimal
# 0–100 at 0.50, 101–300 at 0.40, above at 0.25; flats 5, 7, 9
LADDER = (
    Tier(D(0), D(100), D("0.50"), D(5)),
    Tier(D(100), D(300), D("0.40"), D(7)),
    Tier(D(300), None, D("0.25"), D(9)),
)


def bill(quantity: str, *, allowance: str = "0", tiers: tuple[Tier, ...] = LADDER, **reading: object) -> Decimal:
    return price(D(quantity), D(allowance), tiers, Reading(**reading))


@pytest.mark.parametrize(
    ("model", "quantity", "amount"),
    [
        ("unit", "350", "180.00"),  # 350 x 0.50 + 5
        ("volume", "350", "96.50"),  # 350 x 0.25 + 9
        ("graduated", "350", "163.50"),  # 100 x 0.50 + 200 x 0.40 + 50 x 0.25 + 5 + 7 + 9
        ("stairstep", "350", "9"),
        ("stacked_flat", "350", "21"),  # 5 + 7 + 9
        ("volume", "100", "55.00"),
        ("volume", "101", "47.40"),  # 101 x 0.40 + 7
        ("graduated", "100", "55.00"),
        ("stacked_flat", "100", "5"),
        ("stairstep", "300", "7"),
        ("unit", "0", "0"),
        ("stairstep", "0", "0"),
    ],
)
def test_models_price_as_their_names_say(model: str, quantity: str, amount: str) -> None:
    assert bill(quantity, model=model) == D(amount)


@pytest.mark.parametrize(
    ("model", "inclusive", "exclusive"),
    [
        ("volume", "55.00", "47.00"),
        ("stairstep", "5", "7"),
        ("stacked_flat", "5", "12"),
        ("graduated", "55.00", "62.00"),
    ],
)
def test_a_quantity_on_a_bound_belongs_to_the_side_that_includes_it(model: str, inclusive: str, exclusive: str) -> None:
    assert bill("100", model=model) == D(inclusive)
    assert bill("100", model=model, upper_bound="exclusive") == D(exclusive)


@pytest.mark.parametrize(("blocks", "units"), [("up", "30"), ("down", "20"), ("nearest", "30"), ("none", "25")])
def test_blocks_round_the_whole_quantity(blocks: str, units: str) -> None:
    tiers = (Tier(D(0), None, D(2), block=D(10)),)
    assert bill("25", tiers=tiers, blocks=blocks, rate_per="unit") == D(units) * 2
    assert bill("25", tiers=tiers, blocks=blocks, rate_per="block") == D(units) / 10 * 2


def test_nearest_leaves_what_lies_below_a_half() -> None:
    tiers = (Tier(D(0), None, D(1), block=D(10)),)
    assert bill("24.999", tiers=tiers, blocks="nearest", rate_per="unit") == D(20)


def test_blocks_counted_inside_tiers_round_each_slice() -> None:
    tiers = (Tier(D(0), D(15), D(1), block=D(10)), Tier(D(15), None, D("0.5"), block=D(4)))
    # 15 is 2 blocks of 10, the 3 above are 1 block of 4: 20 x 1 + 4 x 0.5
    assert bill("18", tiers=tiers, model="graduated", block_scope="tier", rate_per="unit") == D("22.0")
    # over the whole quantity: 18 is 2 blocks of 10, so 20 units: 15 x 1 + 5 x 0.5
    assert bill("18", tiers=tiers, model="graduated", rate_per="unit") == D("17.5")


@pytest.mark.parametrize(
    ("rule", "amount"),
    [
        ("before_blocks", "30"),  # 37 - 12 = 25, up to 30
        ("after_blocks", "28"),  # 37 up to 40, less 12
        ("free_tier", "28"),  # 40 units, of which the first 12 lie in the free tier
    ],
)
def test_the_allowance_is_subtracted_by_its_rule(rule: str, amount: str) -> None:
    tiers = (Tier(D(0), None, D(1), block=D(10)),)
    assert price(D(37), D(12), tiers, Reading("graduated", rate_per="unit", allowance=rule)) == D(amount)


def test_a_free_tier_shifts_the_bounds() -> None:
    reading = Reading("graduated", allowance="free_tier")
    # 50 free, then 100 x 0.50 + 5, then 10 x 0.40 + 7
    assert price(D(160), D(50), LADDER, reading) == D("66.00")
    assert price(D(50), D(50), LADDER, reading) == 0
    # by volume all of it is priced by the tier reached: 160 x 0.40 + 7
    assert price(D(160), D(50), LADDER, Reading("volume", allowance="free_tier")) == D("71.00")


def test_zero_pays_the_first_flat_only_if_the_reading_states_it() -> None:
    assert bill("0", model="graduated", zero_pays_flat=True) == D(5)
    assert bill("40", allowance="40", model="graduated", zero_pays_flat=True) == D(5)
    assert bill("0", model="graduated") == 0


@pytest.mark.parametrize(
    ("rounding", "amount", "negative"),
    [("half_up", "1.13", "-1.13"), ("half_even", "1.12", "-1.12"), ("up", "1.13", "-1.13"), ("down", "1.12", "-1.12")],
)
def test_ties_are_rounded_as_named(rounding: str, amount: str, negative: str) -> None:
    for rate, expected in (("1.125", amount), ("-1.125", negative)):
        tiers = (Tier(D(0), None, D(rate)),)
        assert bill("1", tiers=tiers, rounding=rounding) == D(expected)


def test_an_unrounded_amount_keeps_every_digit() -> None:
    tiers = (Tier(D(0), None, D("0.0000000001")),)
    assert bill("123456789012345678.9", tiers=tiers, blocks="none") == D("12345678.90123456789")


@pytest.mark.parametrize(
    ("tiers", "words"),
    [
        ((), "no tiers"),
        ((Tier(D(0), D(100), D(1)), Tier(D(102), None, D(1))), "past the end"),
        ((Tier(D(0), D(100), D(1)), Tier(D(99), None, D(1))), "inside the one before"),
        ((Tier(D(0), None, D(1)), Tier(D(1), None, D(1))), "not the last"),
        ((Tier(D(0), D(100), D(1)), Tier(D(100), D(50), D(1))), "ends at 50"),
        ((Tier(D(5), None, D(1)),), "past the end"),
        ((Tier(D(0), D("99.5"), D(1)), Tier(D("100.5"), None, D(1))), "past the end"),
        ((Tier(D(0), None, D(1), block=D(-1)),), "negative"),
    ],
)
def test_malformed_tiers_have_no_price(tiers: tuple[Tier, ...], words: str) -> None:
    with pytest.raises(Unpriceable, match=words):
        price(D(1), D(0), tiers, Reading())


def test_whole_bounds_may_begin_at_the_next_number() -> None:
    tiers = (Tier(D(0), D(1200), D("0.2178")), Tier(D(1201), None, D("0.1856")))
    assert price(D(1201), D(0), tiers, Reading("volume")) == D("222.9056")
    assert price(D("1200.5"), D(0), tiers, Reading("volume", blocks="none")) == D("222.81280")


@pytest.mark.parametrize("model", ["unit", "volume", "graduated", "stairstep", "stacked_flat"])
def test_past_a_bounded_last_tier_there_is_no_price(model: str) -> None:
    tiers = (Tier(D(0), D(10), D(1), D(1)),)
    assert bill("10", tiers=tiers, model=model) > 0
    with pytest.raises(Unpriceable, match="past the last tier"):
        bill("11", tiers=tiers, model=model)
    with pytest.raises(Unpriceable, match="past the last tier"):
        bill("10", tiers=tiers, model=model, upper_bound="exclusive")


def test_negative_quantities_have_no_price() -> None:
    with pytest.raises(Unpriceable, match="negative"):
        bill("-1")


def test_the_wire_samples_amounts_come_out() -> None:
    """Actual 353, allowance 20, block 5, rate 0.2178: 335 billed, 72.96. Actual 3521, 150, 20, 0.0776: 3380, 262.29."""
    for quantity, allowance, block, rate, units, amount in (
        ("353", "20", "5", "0.2178", 335, "72.96"),
        ("3521", "150", "20", "0.0776", 3380, "262.29"),
    ):
        tiers = (Tier(D(0), D(5000), D(rate), block=D(block)),)
        result = priced(D(quantity), D(allowance), tiers, Reading(rate_per="unit", rounding="half_up"))
        assert (result.units, result.amount) == (units, D(amount))


_quantities = st.decimals(min_value=0, max_value=1000, places=3)


@given(_quantities)
def test_graduated_is_the_sum_of_its_slices(quantity: Decimal) -> None:
    result = priced(quantity, D(0), LADDER, Reading("graduated", blocks="none"))
    assert sum(part.quantity for part in result.slices) == quantity or quantity == 0
    assert sum(part.amount for part in result.slices) == result.amount


@given(_quantities, _quantities)
def test_graduated_never_falls(first: Decimal, second: Decimal) -> None:
    low, high = sorted((first, second))
    reading = Reading("graduated", blocks="none")
    assert price(low, D(0), LADDER, reading) <= price(high, D(0), LADDER, reading)


@given(_quantities, st.sampled_from(["up", "down", "nearest", "none"]))
def test_one_tier_makes_unit_volume_and_graduated_equal(quantity: Decimal, blocks: str) -> None:
    tiers = (Tier(D(0), None, D("0.1234"), D(3), D(7)),)
    amounts = {price(quantity, D(0), tiers, Reading(model, blocks=blocks)) for model in ("unit", "volume", "graduated")}
    assert len(amounts) == 1
