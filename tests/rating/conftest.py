"""Rates cases the way a user does: JSON lines through `quote`, so through the SQL that rates the billed lines."""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields
from typing import Any

import pytest

from ecgrid_flows.rating import quote
from ecgrid_sandbox.billing.pricing import Reading, Tier
from ecgrid_transforms.money import ZERO, Decimal, plain

DEFAULTS = Reading()
READING_FIELDS = tuple(field.name for field in fields(Reading))


@dataclass(frozen=True)
class Case:
    """One quantity on one ladder under one reading."""

    quantity: Decimal
    tiers: tuple[Tier, ...]
    reading: Reading = DEFAULTS
    allowance: Decimal = ZERO

    def record(self, number: int) -> dict[str, Any]:
        """The case as `quote --batch` reads it."""
        return {
            "id": number,
            "quantity": plain(self.quantity),
            "allowance": plain(self.allowance),
            "tiers": [
                {
                    "minimum": plain(tier.minimum),
                    "maximum": None if tier.maximum is None else plain(tier.maximum),
                    "rate": plain(tier.rate),
                    "flat": plain(tier.flat),
                    "block": plain(tier.block),
                }
                for tier in self.tiers
            ],
            "reading": {name: getattr(self.reading, name) for name in READING_FIELDS},
        }


@dataclass(frozen=True)
class Slice:
    """A slice of an answer, its numbers as decimals."""

    tier: int
    quantity: Decimal
    blocks: Decimal
    rate: Decimal
    flat: Decimal
    amount: Decimal


@dataclass(frozen=True)
class Rated:
    """An answer: an amount, or the word that its error begins with."""

    amount: Decimal | None
    quantity_billed: Decimal | None
    slices: tuple[Slice, ...]
    error: str | None


def answer(line: str) -> Rated:
    """One line of `quote`'s output, read back."""
    found = json.loads(line)
    if "error" in found:
        assert found.keys() == {"id", "error"}
        return Rated(None, None, (), found["error"].partition(":")[0])
    assert found.keys() == {"id", "amount", "quantity_billed", "slices"}
    slices = tuple(
        Slice(
            part["tier"],
            *(Decimal(part[name]) for name in ("quantity", "blocks", "rate", "flat", "amount")),
        )
        for part in found["slices"]
    )
    return Rated(Decimal(found["amount"]), Decimal(found["quantity_billed"]), slices, None)


Rate = Callable[[Iterable[Case]], list[Rated]]


@pytest.fixture(scope="session")
def rate() -> Rate:
    """Rates cases; answers in their order."""

    def rated(cases: Iterable[Case]) -> list[Rated]:
        lines = [json.dumps(case.record(number)).encode() for number, case in enumerate(cases)]
        return [answer(line) for line in quote.rate(lines)]

    return rated


@pytest.fixture(scope="session")
def case() -> type[Case]:
    """How a test makes a case."""
    return Case
