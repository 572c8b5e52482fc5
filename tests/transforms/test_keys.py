"""The pairs of account report and measure as bits, and hosts that are this machine."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecgrid_transforms.keys import ALL_PAIRS, PAIRS, keys_of, numbers, pair_bit
from ecgrid_transforms.loopback import is_loopback
from ecgrid_transforms.model import Account

MONTH = date(2026, 10, 1)


@given(st.sets(st.sampled_from(PAIRS)))
def test_bits_give_their_keys_in_the_order_of_the_pairs(chosen: set[tuple[str, str]]) -> None:
    bits = sum(pair_bit(*pair) for pair in chosen)
    found = list(keys_of(Account(7, 11), MONTH, bits))
    assert [(key.account_report, key.measure_field) for key in found] == [pair for pair in PAIRS if pair in chosen]
    assert {(key.account, key.reporting_month) for key in found} <= {(Account(7, 11), MONTH)}


def test_all_bits_are_the_168_pairs_and_an_unknown_pair_has_none() -> None:
    assert list(numbers(ALL_PAIRS)) == list(range(168))
    report, measure = PAIRS[0]
    assert [pair_bit(*pair) for pair in ((report, None), (None, measure), (report, "X"), ("X", measure))] == [0] * 4


@pytest.mark.parametrize(
    ("host", "is_here"),
    [
        ("localhost", True),
        ("LOCALHOST", True),
        ("127.0.0.2", True),
        ("::1", True),
        ("10.0.0.1", False),
        ("ecgrid.io", False),
    ],
)
def test_only_this_machine_is_loopback(host: str, is_here: bool) -> None:
    assert is_loopback(host) is is_here
