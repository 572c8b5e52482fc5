"""Columns made by way of memory hold what pyarrow's own `array` would hold."""

import subprocess
import sys
from datetime import date

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from ecgrid_transforms import columns
from ecgrid_transforms.money import fitted, plain
from ecgrid_transforms.schemas import MONEY_TYPE

MONEY = st.decimals(min_value=-(10**18) + 1, max_value=10**18 - 1, places=10, allow_nan=False, allow_infinity=False)


@given(st.lists(MONEY | st.none(), max_size=20))
def test_decimals(values: list[object]) -> None:
    words = [None if value is None else columns.decimal_words(plain(fitted(value))) for value in values]
    made = columns.decimals(words)
    made.validate(full=True)
    assert made.type == MONEY_TYPE
    assert made.to_pylist() == values


@given(st.lists(st.integers(-(2**31), 2**31 - 1), max_size=20))
def test_whole_numbers(values: list[int]) -> None:
    assert columns.integers("i", values).equals(pa.array(values, pa.int32()))
    assert columns.integers("q", values).equals(pa.array(values, pa.int64()))


@given(st.lists(st.dates(), max_size=20))
def test_dates(values: list[date]) -> None:
    assert columns.dates(values).equals(pa.array(values, pa.date32()))


@given(st.lists(st.booleans(), max_size=20))
def test_truth_values(values: list[bool]) -> None:
    assert columns.booleans(values).equals(pa.array(values, pa.bool_()))


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"])) | st.none(), max_size=20))
def test_texts(values: list[str | None]) -> None:
    assert columns.texts(values).equals(pa.array(values, pa.string()))


def test_pandas_stays_away() -> None:
    """That is what these are for."""
    made = "columns.decimals([columns.decimal_words('1.5'), None]), columns.texts(['a']), columns.booleans([True])"
    script = f"import sys; from ecgrid_transforms import columns; {made}; print('pandas' in sys.modules)"
    told = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "False"
