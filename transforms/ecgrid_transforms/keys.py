"""The keys of InvoiceCalculateLineItem: the 168 pairs of account report and measure, as bits of an integer."""

from collections.abc import Iterator
from datetime import date

from ecgrid_transforms.model import ACCOUNT_REPORTS, MEASURE_FIELDS, Account, Key

PAIRS = tuple((report, measure) for report in ACCOUNT_REPORTS for measure in MEASURE_FIELDS)
PAIR_NUMBER = {pair: number for number, pair in enumerate(PAIRS)}
ALL_PAIRS = (1 << len(PAIRS)) - 1
REFUSED = "not_on_price_list"


def keys_of(account: Account, month: date, pairs: int) -> Iterator[Key]:
    """The keys of one account for the set bits, lowest first."""
    for number in numbers(pairs):
        report, measure = PAIRS[number]
        yield Key(account.network_id, account.mailbox_id, month, report, measure)


def numbers(pairs: int) -> Iterator[int]:
    """The positions of the set bits, lowest first."""
    while pairs:
        lowest = pairs & -pairs
        yield lowest.bit_length() - 1
        pairs ^= lowest


def pair_bit(report: str | None, measure: str | None) -> int:
    """The bit of a pair; 0 for an unknown pair."""
    number = None if report is None or measure is None else PAIR_NUMBER.get((report, measure))
    return 0 if number is None else 1 << number
