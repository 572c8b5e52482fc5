"""Money: text in, exact decimals out."""

from fractions import Fraction

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecgrid_transforms.money import (
    Decimal,
    DoesNotFit,
    NotADecimal,
    exact,
    fits,
    fitted,
    grouped,
    money_text,
    number_text,
    plain,
    rounded,
    to_decimal,
    total,
)
from ecgrid_transforms.schemas import MONEY_TYPE

MONEY = st.decimals(min_value=-(10**18) + 1, max_value=10**18 - 1, places=10, allow_nan=False, allow_infinity=False)


@pytest.mark.parametrize("text", ["150.0000", "4481.824", "-6.0200", "0", "+1.5", ".5", "5."])
def test_text_keeps_its_scale(text: str) -> None:
    assert to_decimal(text) == Decimal(text)
    assert to_decimal(text).as_tuple() == Decimal(text).as_tuple()


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "1e3",
        "NaN",
        "Infinity",
        "1,000",
        "0x10",
        "--1",
        "1 2",
        "١٢",
        "\u00a05",
        "5\u00a0",
        "\u20095.00",
        "1\u00a0234.50",
        "1\u2009234",
        "1 234",
        "1'234",
    ],
)
def test_what_is_no_plain_decimal_is_refused(text: str) -> None:
    with pytest.raises(NotADecimal):
        to_decimal(text)


@pytest.mark.parametrize("value", [1.5, None, True, float("nan"), Decimal("NaN"), Decimal("-Infinity")])
def test_floats_and_missing_values_never_enter(value: object) -> None:
    with pytest.raises(NotADecimal):
        exact(value)


def test_text_an_int_and_a_decimal_are_exact() -> None:
    assert [exact(value) for value in ("1.50", -3, Decimal("2"))] == [Decimal("1.50"), Decimal(-3), Decimal(2)]
    with pytest.raises(NotADecimal, match="from text, not from bytes"):
        to_decimal(b"1")


def test_half_up_goes_away_from_zero() -> None:
    assert rounded(to_decimal("1.005")) == to_decimal("1.01")
    assert rounded(to_decimal("-1.005")) == to_decimal("-1.01")
    assert rounded(to_decimal("10.125"), 2, "half_even") == to_decimal("10.12")
    assert rounded(to_decimal("1.001"), 2, "up") == to_decimal("1.01")
    assert rounded(to_decimal("-1.009"), 2, "down") == to_decimal("-1.00")


def test_a_value_that_does_not_fit_stops() -> None:
    assert plain(fitted(to_decimal("999999999999999999.9999999999"))) == "999999999999999999.9999999999"
    with pytest.raises(DoesNotFit, match=r"DECIMAL\(28,10\): at most 18 whole digits and 10 decimals"):
        fitted(to_decimal("1000000000000000000"))
    with pytest.raises(DoesNotFit):
        fitted(to_decimal("0.00000000001"))


@pytest.mark.parametrize(
    ("text", "is_fitting"),
    [
        ("999999999999999999.9999999999", True),
        ("1000000000000000000", False),
        ("-1000000000000000000", False),
        ("0.00000000001", False),
        ("0.000000000010", False),
        ("-0.1000000000000", True),
        ("0.0000000000000", True),
    ],
)
def test_eighteen_whole_digits_and_ten_decimals_fit(text: str, is_fitting: bool) -> None:
    assert fits(to_decimal(text)) == is_fitting


def test_what_is_not_finite_does_not_fit() -> None:
    assert not fits(Decimal("NaN"))


def test_a_long_text_is_named_by_its_first_60_characters() -> None:
    with pytest.raises(NotADecimal, match=f"^'{'x' * 60}' is not"):
        to_decimal("x" * 61)


def test_text_for_people_and_machines() -> None:
    assert grouped(to_decimal("-1234567.005")) == "-1,234,567.01"
    assert grouped(to_decimal("-0.001")) == "0.00"
    assert number_text(to_decimal("-12345.0750")) == "-12,345.075"
    assert number_text(Decimal("0E-10")) == "0"
    assert number_text(to_decimal("-0.0")) == "0"
    assert number_text(to_decimal("-1000")) == "-1,000"
    assert number_text(to_decimal("1000.0")) == "1,000"
    assert money_text(to_decimal("1130.9955")) == "1,130.9955"
    assert money_text(to_decimal("1000")) == "1,000.00"
    assert plain(Decimal("1E+3")) == "1000"
    assert plain(to_decimal("-0.00")) == "0.00"


@given(MONEY)
def test_text_and_back_is_the_same_value(value: Decimal) -> None:
    assert to_decimal(plain(value)) == value


@given(MONEY)
def test_arrow_and_back_is_the_same_value(value: Decimal) -> None:
    assert pa.array([fitted(value)], MONEY_TYPE)[0].as_py() == value


@given(st.lists(MONEY, max_size=30))
def test_totals_are_exact(values: list[Decimal]) -> None:
    assert Fraction(total(values)) == sum((Fraction(value) for value in values), Fraction(0))
