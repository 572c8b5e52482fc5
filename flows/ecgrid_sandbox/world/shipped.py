"""The world that comes with the project: four networks, 134 mailboxes, eight price lists, four months.

The same model name means different things on different lists: 432 is Tiered and priced by volume, 434 is Tiered and
graduated; 433 is Stacked and graduated, 435 is Stacked and adds up flat fees. Its planted errors are in catalogue.toml.
"""

import tomllib
from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from functools import lru_cache
from importlib import resources
from random import Random
from typing import Any

from ecgrid_sandbox.billing.pricing import Reading
from ecgrid_sandbox.world import inference, ladders, names
from ecgrid_sandbox.world.ladders import Series
from ecgrid_sandbox.world.model import (
    Contract,
    Facts,
    Group,
    Mailbox,
    Meaning,
    Network,
    Pair,
    PlannedError,
    PriceList,
    Target,
    months_back,
)
from ecgrid_transforms.money import Decimal

MONTHS = 4
_FIRST_MAILBOX = 105211

_UNIT = Meaning(Reading(model="unit", rate_per="unit", rounding="half_up"))
_VOLUME = Meaning(Reading(model="volume", rate_per="unit", rounding="half_up"))
_GRADUATED = Meaning(Reading(model="graduated", rate_per="unit", rounding="half_up"))


def _reading(meaning: Meaning, **changes: Any) -> Meaning:
    return replace(meaning, reading=replace(meaning.reading, **changes))


def _fee(measure: str, rate: str, schedule_id: int, catalog_id: int) -> Group:
    return ladders.group(
        *("FixedRate", measure, _UNIT, [(0, rate)]), first_id=schedule_id, first_catalog=catalog_id, taxable=True
    )


def _price_lists(months: Sequence[date]) -> tuple[PriceList, ...]:
    old = date(months[0].year - 3, 1, 1)
    group = ladders.group
    money = Meaning(Reading(rounding="half_up"))
    return (
        PriceList(
            431,
            'Basic rates & "fees"',
            "Simple",
            old,
            (
                _fee("FixedRate", "39.9000", 43100, 9000),
                group(
                    *("TrafficAll", "ToTrans", _UNIT, [(0, "0.0776")]),
                    first_id=43101,
                    first_catalog=9001,
                    allowance="150",
                    block="20",
                ),
                group(
                    *("Statistics", "ActiveQIDs", replace(_UNIT, floor_and_cap=True), [(200, "1.2500")]),
                    first_id=43103,
                    first_catalog=9003,
                    minimum=25,
                ),
                group(
                    *("FixedRate", "Credit", money, [(0, "-6.0200")]),
                    first_id=43102,
                    first_catalog=9002,
                    level="Additional",
                    level_name="Adjustments",
                    description="Opening credit",
                    taxable=True,
                    limited_months=12,
                ),
            ),
        ),
        PriceList(
            432,
            "Naïve tiers",
            "Tiered",
            old,
            (
                group(
                    *("Statistics", "RegisteredQIDs", _UNIT, [(0, "1.5500")]),
                    first_id=43200,
                    first_catalog=9000,
                    allowance="2",
                ),
                group(
                    *("TrafficKCInterchangeTiered", "TieredKCIntCount", _VOLUME),
                    [(1200, "0.2178"), (5000, "0.1856"), (0, "0.1499")],
                    first_id=43201,
                    first_catalog=9001,
                    allowance="20",
                    block="5",
                ),
            ),
        ),
        PriceList(
            433,
            "Stacked KC, graduated",
            "Stacked",
            old,
            (
                _fee("Each", "25.0000", 43300, 9100),
                group(
                    *("TrafficAll", "TotalKCs", _GRADUATED),
                    [(500, "0.2000"), (2000, "0.1645"), (0, "0.1225")],
                    first_id=43301,
                    first_catalog=9101,
                    allowance="100",
                    block="1",
                ),
                group(
                    *("FixedRate", "MonthlyMinimum", money, [(0, "250.0000")]),
                    first_id=43304,
                    first_catalog=9104,
                    level="Minimum",
                    level_name="Least charge",
                ),
            ),
        ),
        PriceList(
            434,
            "EDI partners; slices",
            "Tiered",
            old,
            (
                _fee("FixedRate", "15.0000", 43400, 9200),
                group(
                    "TrafficInterECGrid",
                    "TotalKCs",
                    replace(_reading(_GRADUATED, blocks="nearest", rate_per="block"), billed_in="blocks"),
                    [(400, "2.1250"), (1500, "1.7775"), (0, "1.4335")],
                    first_id=43401,
                    first_catalog=9201,
                    block="10",
                ),
                group(
                    *("FixedRate", "Subtotal", money, [(0, "0.0000")]),
                    first_id=43404,
                    first_catalog=9204,
                    level="Additional",
                    level_name="Adjustments",
                ),
                group(
                    *("FixedRate", "CreditPercentage", money, [(0, "-2.5000")]),
                    first_id=43405,
                    first_catalog=9205,
                    level="Additional",
                    level_name="Adjustments",
                    description="Partner discount, per cent of the subtotal",
                ),
            ),
        ),
        PriceList(
            435,
            "Step fees",
            "Stacked",
            old,
            (
                group(
                    *("Statistics", "ActiveTPs", _reading(_UNIT, model="stacked_flat")),
                    [(10, "15.0000"), (50, "40.0000"), (0, "100.0000")],
                    first_id=43500,
                    first_catalog=9300,
                ),
                group(
                    *("TrafficAll", "FromKCs", _reading(_UNIT, allowance="after_blocks"), [(0, "0.1050")]),
                    first_id=43503,
                    first_catalog=9303,
                    allowance="75.5000",
                    block="10",
                ),
            ),
        ),
        PriceList(
            436,
            "Legacy connection",
            "Simple",
            months[2],
            (
                group(
                    *("FixedRate", "Each", _UNIT, [(0, "21.9000")]),
                    first_id=43600,
                    first_catalog=9400,
                    taxable=True,
                    former_rate="19.9000",
                ),
            ),
        ),
        PriceList(
            437,
            "Off-network, as typed in",
            "Tiered",
            old,
            (
                # 1001 to 1100 belongs to no tier
                _with_minimum(
                    group(
                        *("TrafficOffNetwork", "TotalKCs", _VOLUME, [(1000, "0.2400"), (0, "0.1900")]),
                        first_id=43700,
                        first_catalog=9500,
                        block="1",
                    ),
                    1101,
                ),
                # 401 to 500 belongs to two
                _with_minimum(
                    group(
                        *("TrafficOffNetwork", "ToTrans", _VOLUME, [(500, "0.0900"), (0, "0.0650")]),
                        first_id=43702,
                        first_catalog=9502,
                        block="1",
                    ),
                    401,
                ),
                group(
                    *("Statistics", "MigratedTPs", _VOLUME, [(1000, "4.0000"), (0, "3.5000")]),
                    first_id=43704,
                    first_catalog=9504,
                    block="1",
                    why_undecidable="every account stays inside the first tier, where unit, volume and graduated agree",
                ),
            ),
        ),
        PriceList(
            438,
            "Transactions, surcharged",
            "Simple",
            old,
            (
                group(
                    *("TrafficIntraNetwork", "TotalTrans", _UNIT, [(0, "0.0325")]), first_id=43800, first_catalog=9600
                ),
                group(
                    *("TrafficSpecial", "ToKCs", _UNIT, [(0, "0.2000")]),
                    first_id=43801,
                    first_catalog=9601,
                    block="1",
                    specified_network_id=4443,
                ),
                group(*("Statistics", "NewInterconnects", _UNIT, [(0, "5.0000")]), first_id=43803, first_catalog=9603),
                group(
                    *("FixedRate", "DebitPercentage", replace(money, percent="fraction"), [(0, "0.0300")]),
                    first_id=43802,
                    first_catalog=9602,
                    level="Additional",
                    level_name="Adjustments",
                    description="Handling, of the charges above",
                ),
            ),
        ),
    )


def _with_minimum(group: Group, minimum: int) -> Group:
    """The group with another Minimum on its second tier: a gap or an overlap, as the list shows it."""
    first, second, *rest = group.schedules
    return replace(group, schedules=(first, replace(second, minimum=minimum), *rest))


#: Initial range of growing use, and a pair of bounds between which no use is, by price list and pair.
_RANGES: dict[tuple[int, Pair], tuple[int, int]] = {
    (431, ("TrafficAll", "ToTrans")): (400, 4000),
    (431, ("Statistics", "ActiveQIDs")): (30, 150),
    (432, ("Statistics", "RegisteredQIDs")): (3, 60),
    (432, ("TrafficKCInterchangeTiered", "TieredKCIntCount")): (300, 7000),
    (433, ("TrafficAll", "TotalKCs")): (300, 4000),
    (434, ("TrafficInterECGrid", "TotalKCs")): (200, 3000),
    (435, ("Statistics", "ActiveTPs")): (12, 80),
    (435, ("TrafficAll", "FromKCs")): (100, 2500),
    (437, ("TrafficOffNetwork", "TotalKCs")): (300, 2500),
    (437, ("TrafficOffNetwork", "ToTrans")): (100, 1500),
    (437, ("Statistics", "MigratedTPs")): (5, 300),
    (438, ("TrafficIntraNetwork", "TotalTrans")): (500, 5000),
    (438, ("TrafficSpecial", "ToKCs")): (50, 900),
    (438, ("Statistics", "NewInterconnects")): (1, 12),
}
_AVOID: dict[tuple[int, Pair], tuple[int, int]] = {
    (437, ("TrafficOffNetwork", "TotalKCs")): (1000, 1101),
    (437, ("TrafficOffNetwork", "ToTrans")): (400, 500),
}

# (mailboxes, network, own price list: 0 is the network's, contract)
_BLOCKS = (
    (13, 4440, 0, 8751),
    (5, 4440, 431, 8755),
    (10, 4440, 438, 8751),
    (28, 4443, 0, 8752),
    (15, 4443, 437, 8752),
    (22, 4447, 0, 8753),
    (24, 4451, 0, 18751),
    (1, 4451, 436, 18751),
    (8, 4451, 435, 18751),
    (8, 4447, 435, 8753),
)


def facts(seed: int, last_month: date) -> Facts:
    """The shipped world, its use drawn by `seed`."""
    rng = Random(f"shipped world {seed}")
    months = months_back(last_month, MONTHS)
    networks = (
        Network(4440, 'Müller & Töchter, "Logistik" GmbH', "Los Angeles, CA", 431, 8751, "fault"),
        Network(4443, "=1+1 Trading", "", 432, 8752, "absent"),
        Network(4447, "Nordlicht EDI A/S", "København", 434, 8753, "zero"),
        Network(4451, "株式会社テスト", "大阪", 433, 18751, "fault"),
    )
    boxes: list[Mailbox] = []
    box_names = iter(names.mailbox_names(sum(block[0] for block in _BLOCKS), rng))
    for count, network_id, price_list_id, contract_id in _BLOCKS:
        for _ in range(count):
            boxes.append(
                Mailbox(
                    _FIRST_MAILBOX + len(boxes),
                    network_id,
                    next(box_names),
                    price_list_id,
                    contract_id,
                    description=None if len(boxes) % 3 else 'Multi-line\ndescription, with "quotes" & <angles>',
                )
            )
    contracts = (
        Contract(8751, 'Müller & Töchter, "Logistik" GmbH', "C-8751", "2030-12-31T23:59:59.997"),
        Contract(8752, "=1+1 Trading", "C-8752/Å", "2030-12-31T23:59:59.997", po_number='PO#8752, rev "B"'),
        Contract(8753, "Nordlicht EDI A/S", "C-8753", "9999-12-31T00:00:00"),
        Contract(18751, "First line,\nsecond line\nthird line", "C-18751", "9999-12-31T00:00:00"),
        Contract(8755, "Reseller of five, e.K.", "C-8755", "2030-12-31T23:59:59.997", aggregates=True),
        Contract(8759, "Never invoiced", "C-8759", "2020-12-31T00:00:00", status="Terminated"),
    )
    bare = Facts(seed, last_month, months, networks, tuple(boxes), _price_lists(months), contracts, use={})
    return replace(bare, use=_use(bare, rng), planned_errors=_planned_errors())


def _use(bare: Facts, rng: Random) -> dict[tuple[int, int], dict[Pair, Series]]:
    """The use of every account; the Root mailbox of a network comes last, so that it is a growing one."""
    found: dict[tuple[int, int], dict[Pair, Series]] = {account: {} for account in bare.accounts}
    for price_list in bare.price_lists:
        accounts = sorted(
            bare.accounts_of_list(price_list.price_list_id), key=lambda account: (account[1] == 0, account[1])
        )
        for group in price_list.groups:
            where = (price_list.price_list_id, group.pair)
            if group.is_money:
                continue
            if group.report == "FixedRate":
                series = ladders.fixed(len(accounts), MONTHS)
            elif not group.decidable:
                low, high = _RANGES[where]
                series = [tuple(Decimal(rng.randint(low, high)) for _ in range(MONTHS)) for _ in range(len(accounts))]
            else:
                low, high = _RANGES[where]
                series = ladders.use(
                    _telling(group),
                    group.measure,
                    rng,
                    accounts=len(accounts),
                    months=MONTHS,
                    low=low,
                    high=high,
                    avoid=_AVOID.get(where),
                )
            for account, values in zip(accounts, series, strict=True):
                found[account][group.pair] = values
    return found


@lru_cache(maxsize=64)
def _telling(group: Group) -> tuple[Series, ...]:
    """Use that decides a group's meaning, independent of the seed; computed once per process."""
    rng = Random(f"telling {group.pair}")
    return tuple(inference.completed(group, ladders.telling_series(group, MONTHS), MONTHS, rng))


def _planned_errors() -> tuple[PlannedError, ...]:
    """The planned errors of catalogue.toml; `months` there counts from 0, the oldest."""
    text = resources.files("ecgrid_sandbox.world").joinpath("catalogue.toml").read_text(encoding="utf-8")
    planned_errors: list[PlannedError] = []
    for entry in tomllib.loads(text)["error"]:
        pair = (entry["account_report"], entry["measure_field"]) if "account_report" in entry else None
        for month in entry.get("months", [None]):
            planned_errors.append(
                PlannedError(
                    entry["check_name"],
                    Target(
                        network_id=entry.get("network_id"),
                        mailbox_id=entry.get("mailbox_id"),
                        month=month,
                        pair=pair,
                        price_list_id=entry.get("price_list_id"),
                        contract_id=entry.get("contract_id"),
                    ),
                    entry["reason"],
                    entry["evidence"],
                    entry.get("figures", {}),
                )
            )
    return tuple(planned_errors)
