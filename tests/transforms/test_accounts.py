"""Several lists into one: who is named by any, and what each source says of it."""

from datetime import date

from hypothesis import given
from hypothesis import strategies as st

from ecgrid_transforms.accounts import account_row, united
from ecgrid_transforms.model import Account, AccountInfo
from ecgrid_transforms.schemas import ACCOUNTS

ROOT, BOX = Account(4440, 0), Account(4440, 105213)


def info(
    account: Account, name: str | None = None, price_list_id: int | None = None, contract_id: int | None = None
) -> AccountInfo:
    return AccountInfo(account, name, None, price_list_id, contract_id)


def test_every_account_that_any_source_names_is_there_once_and_sorted() -> None:
    found = united([("mailbox", info(BOX)), ("network", info(ROOT)), ("contract", info(BOX))])
    assert [billed.account for billed in found] == [ROOT, BOX]
    assert found[1].sources == {"mailbox", "contract"}


def test_a_source_that_says_nothing_is_overruled_by_the_next() -> None:
    (billed,) = united([("mailbox", info(BOX, "box", 431, 0)), ("contract", info(BOX, None, 0, 8751))])
    assert (billed.name, billed.price_list_id, billed.contract_id) == ("box", 431, 8751)


def test_the_contract_is_trusted_before_the_lists() -> None:
    (billed,) = united([("mailbox", info(BOX, "list", 431)), ("contract", info(BOX, "contract", 432))])
    assert (billed.name, billed.price_list_id) == ("contract", 432)


def test_a_mailbox_without_a_list_or_contract_takes_its_networks() -> None:
    _, box = united([("network", info(ROOT, "net", 431, 8751)), ("mailbox", info(BOX, "box", 0, 0))])
    assert (box.price_list_id, box.contract_id) == (431, 8751)


def test_nobody_has_a_list() -> None:
    (box,) = united([("mailbox", info(BOX, "box", 0, None))])
    assert (box.price_list_id, box.contract_id) == (None, None)


def test_the_settings_limit_and_name_accounts() -> None:
    only = frozenset({BOX, Account(9, 9)})
    found = united([("network", info(ROOT, price_list_id=431)), ("mailbox", info(BOX, "box"))], only)
    assert [billed.account for billed in found] == [Account(9, 9), BOX]
    assert found[0].sources == {"settings"}
    assert (found[1].sources, found[1].price_list_id) == ({"settings", "mailbox"}, 431)


@given(st.permutations([("network", info(ROOT)), ("mailbox", info(BOX, "m")), ("contract", info(BOX, "c"))]))
def test_the_order_of_the_sources_changes_nothing(found: list[tuple[str, AccountInfo]]) -> None:
    assert united(found) == united(sorted(found, key=lambda pair: pair[0]))


def test_a_row_names_its_sources_in_a_fixed_order() -> None:
    (billed,) = united([("network", info(ROOT)), ("contract", info(ROOT))], frozenset({ROOT}))
    row = dict(zip(ACCOUNTS.names, account_row(date(2026, 10, 1), billed), strict=True))
    assert row["sources"] == "settings,contract,network"
