"""What a service happens to have, drawn by a seed: the order of rows, columns and lists, and which operations answer.

A client may rely on none of it: lines of an invoice, tiers of a level and rows of a report are sets, and columns have
names. One call gets the same order each time, another call may get another.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from random import Random
from typing import Any

from ecgrid_sandbox.service.datasets import Table

#: Operations without which a month can be billed; each is offered or not. Of a pair, one is always offered.
OPTIONAL = (
    "InvoiceCalculate",
    "InterconnectCount",
    "InterconnectCountEx",
    "ReportInstantStats",
    "ReportInstantStatsEx",
)
PAIRS = (("MailboxList", "MailboxListEx"), ("ReportMonthlyEx", "ReportTrafficStatsEx"))


@dataclass(frozen=True)
class Habits:
    """The habits of one service, by their seed."""

    seed: int

    @cached_property
    def pending(self) -> frozenset[str]:
        """Operations that this service does not offer."""
        rng = Random(f"pending {self.seed}")
        left_out = [name for name in OPTIONAL if rng.random() < 0.5]
        left_out += [rng.choice(pair) for pair in PAIRS if rng.random() < 0.5]
        return frozenset(left_out)

    def ordered(self, result: Any, operation: str, arguments: Mapping[str, str]) -> Any:
        """The result with its rows, columns and lists in the order of this call."""
        asked = sorted((name, value) for name, value in arguments.items() if name != "SessionID")
        return self._ordered(result, Random(f"order {self.seed} {operation} {asked}"))

    def _ordered(self, value: Any, rng: Random) -> Any:
        if isinstance(value, Table):
            places = rng.sample(range(len(value.columns)), k=len(value.columns))
            rows = [tuple(row[place] for place in places) for row in value.rows]
            rng.shuffle(rows)
            return replace(value, columns=tuple(value.columns[place] for place in places), rows=rows)
        if isinstance(value, list | tuple):
            made = [self._ordered(one, rng) for one in value]
            if not any(isinstance(one, Table) for one in made):
                rng.shuffle(made)
            return made
        if isinstance(value, Mapping):
            return {name: self._ordered(one, rng) for name, one in value.items()}
        return value
