"""Rows of the feed accounts: what the sources state of one account, merged.

One row per account. A source that has no value (None, or 0 for a price list or contract: none of its own [inferred])
is filled from the next that has one; a mailbox without a price list or contract takes its network's [inferred].
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date

from ecgrid_transforms.model import Account, AccountInfo
from ecgrid_transforms.rows import Row

#: Order of trust, and of the source names in `sources`.
SOURCES = ("settings", "contract", "mailbox", "network")


@dataclass(frozen=True, slots=True)
class Billed:
    """One account to bill, with the values that its sources give."""

    account: Account
    name: str | None = None
    status: str | None = None
    price_list_id: int | None = None
    contract_id: int | None = None
    sources: frozenset[str] = field(default=frozenset())


def united(found: Iterable[tuple[str, AccountInfo]], only: frozenset[Account] | None = None) -> list[Billed]:
    """Every account in `found`, pairs of source and record, sorted; `only` limits them to those of the settings."""
    merged: dict[Account, Billed] = {}
    for source, info in sorted(found, key=lambda pair: SOURCES.index(pair[0])):
        known = merged.get(info.account, Billed(info.account))
        merged[info.account] = Billed(
            info.account,
            known.name if known.name is not None else info.name,
            known.status if known.status is not None else info.status,
            known.price_list_id or info.price_list_id or None,
            known.contract_id or info.contract_id or None,
            known.sources | {source},
        )
    for account in only or ():
        known = merged.get(account, Billed(account))
        merged[account] = replace(known, sources=known.sources | {"settings"})
    return [_completed(billed, merged) for account, billed in sorted(merged.items()) if only is None or account in only]


def _completed(billed: Billed, merged: Mapping[Account, Billed]) -> Billed:
    root = merged.get(Account(billed.account.network_id, 0))
    if root is None:
        return billed
    return replace(
        billed,
        price_list_id=billed.price_list_id or root.price_list_id,
        contract_id=billed.contract_id or root.contract_id,
    )


def account_row(month: date, billed: Billed) -> Row:
    """One row of accounts."""
    return (
        month,
        billed.account.network_id,
        billed.account.mailbox_id,
        billed.name,
        billed.status,
        billed.price_list_id,
        billed.contract_id,
        ",".join(source for source in SOURCES if source in billed.sources),
    )
