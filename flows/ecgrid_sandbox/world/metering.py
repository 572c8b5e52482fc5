"""How a service serves its statistics of usage, and what its meter gets wrong."""

from dataclasses import dataclass
from typing import Literal

#: `measures`: ReportMonthly names measures (this sandbox's own invention). Known from outside (facts 2.2, 9) are
#: `traffic` (ReportTrafficStats of the old guide), `by_date` (ReportByDateEx) and `monthly` (ReportMonthly of newer
#: pages, low trust); `outside` is these three at once.
StatisticsShape = Literal["measures", "traffic", "by_date", "monthly", "outside"]
SHAPES: tuple[StatisticsShape, ...] = ("measures", "traffic", "by_date", "monthly", "outside")
Account = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Metering:
    """The shape of the statistics, and planted errors of the meter, in TrafficAll.

    `rounded_up`: networks whose KCs are rounded up interchange by interchange. `by_1024`: networks whose KCs have 1,024
    bytes. `duplicates_billed` and `partners_billed`: accounts whose last month also counts duplicates, or what their
    partners were to pay. `missing_days`: accounts, and the day of the month that ReportTrafficStats lacks.
    """

    shape: StatisticsShape = "measures"
    rounded_up: frozenset[int] = frozenset()
    by_1024: frozenset[int] = frozenset()
    duplicates_billed: frozenset[Account] = frozenset()
    partners_billed: frozenset[Account] = frozenset()
    missing_days: frozenset[tuple[Account, int]] = frozenset()
