"""The keys to request in a month: every pair that can be billed, and as few others as safety allows.

168 pairs of account report and measure exist; most are void for most accounts. Under the `price-list` plan an account's
requests are

- the pairs of its price list's ladder (PricelistInfo), money measures included where the list has them;
- the pairs that earlier months billed: to the account itself, and off the ladder to any account of the list;
- not the pairs that the service refused as "not on the price list", until the list's id or date changes;
- a small sample of void pairs, chosen by a hash of month and account, so that a wrong ladder is detected.

If the ladder cannot be read, all pairs of the account are requested once; later months request the pairs billed on that
list, and the sample. `all-pairs` requests everything except refused pairs.

A plan is a pure function of the month, the accounts, the ladders and the lake's earlier months: deterministic, and
streamed. Pairs are bits of an integer, so an account costs some hundred bytes however many keys it has.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from ecgrid_flows.lake.partitions import Lake
from ecgrid_transforms.accounts import Billed
from ecgrid_transforms.keys import ALL_PAIRS, PAIRS, REFUSED, keys_of, pair_bit
from ecgrid_transforms.model import ACCOUNT_REPORTS, MEASURE_FIELDS, Account, Key, Pricelist
from ecgrid_transforms.period import next_month
from ecgrid_transforms.wall_time import wall_time_ns

#: Void pairs requested per hundred planned ones; at least one per price list and month.
SAMPLED_PER_CENT = 2
#: Months of the lake that are read; a pair not billed for longer is found again by the ladder or the sample.
MONTHS_REMEMBERED = 13


ListId = int | None


@dataclass(frozen=True, slots=True)
class Asked:
    """The requests of one account: bits of `PAIRS`. `sample` are the void pairs among them.

    `known` is for a worker of a cluster: the pairs that are requested again, by number, each with the tag of its last
    response (64 bits of its hash).
    """

    account: Account
    price_list_id: ListId
    planned: int
    sample: int
    known: tuple[tuple[int, int], ...] = ()

    @property
    def pairs(self) -> int:
        return self.planned | self.sample


@dataclass(frozen=True, slots=True)
class Memory:
    """Pairs known from the lake's earlier months, as bits of `PAIRS`.

    `refused` holds only pairs refused under the account's present price list, of the same date.
    """

    billed: Mapping[Account, int] = field(default_factory=dict)
    billed_on_list: Mapping[int, int] = field(default_factory=dict)
    refused: Mapping[Account, int] = field(default_factory=dict)
    refused_on_list: Mapping[int, int] = field(default_factory=dict)
    asked: Mapping[Account, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Plan:
    """The keys of one month. `ladders` maps a price list's id to the list, None where it could not be read.

    `statistics_calls` is the number of calls for statistics of usage, which are requested beside the keys.
    """

    month: date
    accounts: Sequence[Billed]
    ladders: Mapping[int, Pricelist | None]
    memory: Memory = field(default_factory=Memory)
    kind: str = "price-list"
    statistics_calls: int = 0

    def asked(self) -> Iterator[Asked]:
        """The requests of each account, in the order of the accounts."""
        on_ladder = {
            list_id: None if ladder is None else ladder_pairs(ladder) for list_id, ladder in self.ladders.items()
        }
        sampled_lists: set[ListId] = set()
        for billed in self.accounts:
            planned = self._planned(billed, on_ladder)
            sample = 0
            if self.kind == "price-list":
                sample = _sample(self.month, billed.account, planned, billed.price_list_id not in sampled_lists)
                sampled_lists.add(billed.price_list_id)
            yield Asked(billed.account, billed.price_list_id, planned, sample)

    def keys(self) -> Iterator[Key]:
        """Every key of the plan, in order."""
        for asked in self.asked():
            yield from keys_of(asked.account, self.month, asked.pairs)

    def size(self) -> int:
        """How many keys the plan has."""
        return sum(asked.pairs.bit_count() for asked in self.asked())

    def _planned(self, billed: Billed, on_ladder: Mapping[int, int | None]) -> int:
        account, list_id = billed.account, billed.price_list_id
        refused = self.memory.refused.get(account, 0)
        if self.kind == "all-pairs":
            return ALL_PAIRS & ~refused
        on_list = self.memory.billed_on_list.get(list_id, 0) if list_id is not None else 0
        once_billed = self.memory.billed.get(account, 0) | on_list
        ladder = on_ladder.get(list_id) if list_id is not None else None
        if ladder is None:
            # One full month shows which pairs are void; an account new to the list is requested in full again.
            whole = self.memory.asked.get(account, 0) == ALL_PAIRS
            return (once_billed if whole else ALL_PAIRS) & ~refused
        refused_on_list = self.memory.refused_on_list.get(list_id, 0) if list_id is not None else 0
        return (ladder | once_billed & ~refused_on_list) & ~refused


def ladder_pairs(ladder: Pricelist) -> int:
    """The pairs that a price list prices; unknown reports or measures cannot be requested."""
    bits = 0
    for level in ladder.levels:
        for schedule in level.schedules:
            bits |= pair_bit(schedule.account_report, schedule.measure)
    return bits


def remember(lake: Lake, month: date, accounts: Iterable[Billed], ladders: Mapping[int, Pricelist | None]) -> Memory:
    """The pairs known from the months before `month` for these accounts and lists."""
    now = {billed.account: billed.price_list_id for billed in accounts}
    dates_now = {list_id: wall_time_ns(ladder.date) if ladder else None for list_id, ladder in ladders.items()}
    first = next_month(month, -MONTHS_REMEMBERED)
    billed: dict[Account, int] = {}
    on_list: dict[int, int] = {}
    refused: dict[Account, int] = {}
    refused_on_list: dict[int, int] = {}
    asked: dict[Account, int] = {}
    for earlier in lake.months("line_items"):
        if first <= earlier < month:
            for account, list_id, bits in _pairs_by_account(lake, "line_items", earlier, "price_list_id"):
                billed[account] = billed.get(account, 0) | bits
                on_list[list_id] = on_list.get(list_id, 0) | bits
    for earlier in lake.months("calls"):
        if not first <= earlier < month:
            continue
        then, dates_then = _lists_of(lake, earlier)
        for account, code, bits in _pairs_by_account(lake, "calls", earlier, "fault_code"):
            if account not in now or now[account] != then.get(account):
                continue
            asked[account] = asked.get(account, 0) | bits
            list_id_now = now[account]
            same_date = list_id_now is None or dates_now.get(list_id_now) == dates_then.get(list_id_now)
            if code == REFUSED and same_date:
                refused[account] = refused.get(account, 0) | bits
                if list_id_now is not None:
                    refused_on_list[list_id_now] = refused_on_list.get(list_id_now, 0) | bits
    return Memory(billed, on_list, refused, refused_on_list, asked)


def _pairs_by_account(lake: Lake, feed: str, month: date, by: str) -> Iterator[tuple[Account, Any, int]]:
    """(account, value of `by`, pairs) of one partition; an account may occur several times."""
    names = ["network_id", "mailbox_id", "account_report", "measure_field", by]
    for batch in lake.batches(feed, month, names):
        reports = pc.index_in(batch.column("account_report"), pa.array(ACCOUNT_REPORTS)).to_pylist()
        measures = pc.index_in(batch.column("measure_field"), pa.array(MEASURE_FIELDS)).to_pylist()
        group: tuple[int, int, object] | None = None
        bits = 0
        for network, mailbox, value, report, measure in zip(
            batch.column("network_id").to_pylist(),
            batch.column("mailbox_id").to_pylist(),
            batch.column(by).to_pylist(),
            reports,
            measures,
            strict=True,
        ):
            if report is None or measure is None:
                continue
            if group != (network, mailbox, value):
                if group is not None:
                    yield Account(group[0], group[1]), group[2], bits
                group, bits = (network, mailbox, value), 0
            bits |= 1 << (report * len(MEASURE_FIELDS) + measure)
        if group is not None:
            yield Account(group[0], group[1]), group[2], bits


def _lists_of(lake: Lake, month: date) -> tuple[dict[Account, ListId], dict[int, int | None]]:
    """The price list of each account, and the date of each list, in `month`."""
    lists: dict[Account, ListId] = {}
    for batch in lake.batches("accounts", month, ["network_id", "mailbox_id", "price_list_id"]):
        for network, mailbox, list_id in zip(*(column.to_pylist() for column in batch.columns), strict=True):
            lists[Account(network, mailbox)] = list_id
    dates: dict[int, int | None] = {}
    for batch in lake.batches("price_schedules", month, ["price_list_id", "price_list_date"]):
        stamps = batch.column("price_list_date").cast(pa.int64()).to_pylist()
        dates.update(zip(batch.column("price_list_id").to_pylist(), stamps, strict=True))
    return lists, dates


def _sample(month: date, account: Account, planned: int, at_least_one: bool) -> int:
    """The void pair that is requested for this account this month, as a bit; mostly none."""
    void = ALL_PAIRS & ~planned
    if not void or not planned:
        return 0
    seed = f"{month.isoformat()}/{account.network_id}/{account.mailbox_id}".encode()
    digest = hashlib.blake2b(seed, digest_size=16).digest()
    chance, choice = int.from_bytes(digest[:8], "big"), int.from_bytes(digest[8:], "big")
    if not at_least_one and chance * 100 >= planned.bit_count() * SAMPLED_PER_CENT << 64:
        return 0
    place = choice % len(PAIRS)
    while not void >> place & 1:
        place = (place + 1) % len(PAIRS)
    return 1 << place


__all__ = ["Asked", "Memory", "Plan", "ladder_pairs", "remember"]
