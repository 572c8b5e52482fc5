"""`invoice import`: invoices from files, kept in raw as received, by contract and month.

A file is kept once per invoice in it, whole, under the contract and the month that the invoice bills. The same file
again changes nothing; another file for the same invoice replaces it, and the earlier one stays in raw. All invoices of
a file are checked before the first is kept. An error in the invoice itself (a total that is not the sum of its lines)
is kept and found by the checks; an invoice whose contract or month is unclear is refused.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from ecgrid_client.masking import MASKER
from ecgrid_flows import currency, formats
from ecgrid_flows.errors import NoSuchData, SettingsError
from ecgrid_flows.lake import import_register, raw_log
from ecgrid_flows.lake.landing import imported_invoices
from ecgrid_flows.lake.partitions import Lake
from ecgrid_flows.lake.raw_log import RawAnswer, RawLog
from ecgrid_flows.storage.base import Store
from ecgrid_transforms import invoice_files
from ecgrid_transforms.filed_invoices import FiledInvoice, InvoiceFileRefused
from ecgrid_transforms.invoices import BY_FILE, IMPORTED, Imported, number_key
from ecgrid_transforms.model import Account
from ecgrid_transforms.money import money_text
from ecgrid_transforms.period import month_text

__all__ = ["NEW", "RESTATED", "UNCHANGED", "Filing", "Withdrawn", "import_file", "withdraw"]

NEW, RESTATED, UNCHANGED = "new", "restated", "unchanged"


@dataclass(frozen=True, slots=True)
class Filing:
    """One invoice of a file: where it is filed, and whether raw had it (`NEW`, `RESTATED` or `UNCHANGED`)."""

    invoice: FiledInvoice
    contract_id: int
    month: date
    state: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Withdrawn:
    """An invoice that was withdrawn."""

    month: date
    contract_id: int
    invoice_number: str


def import_file(
    store: Store,
    data: bytes,
    *,
    contract_id: int | None = None,
    month: date | None = None,
    wanted_currency: str | None = None,
    now: datetime | None = None,
) -> list[Filing]:
    """Keep the invoices of a file; return where each is filed. The caller holds the lock.

    `contract_id` is for a file that names no contract; `month` overrides the file. Raises `SettingsError` if the file
    cannot be read, if the contract or the month of an invoice is unclear or wrong, or if the API has the number of an
    invoice for another contract.
    """
    moment = now or datetime.now(UTC)
    body = MASKER.in_answer(data)
    try:
        invoices = invoice_files.read(body, lambda code: currency.minor_digits(code or wanted_currency))
    except InvoiceFileRefused as error:
        raise SettingsError(str(error)) from None
    sha256 = hashlib.sha256(body).hexdigest()
    kept = _imported(store)
    lake = Lake(store)
    filings = []
    for invoice in invoices:
        _check_currency(invoice, wanted_currency)
        of_month = month or _month_of(invoice)
        if of_month > moment.date():
            raise SettingsError(
                f"invoice {invoice.invoice_number} bills {month_text(of_month)}, which has not begun: correct its "
                "period or date, or give --month"
            )
        of_api = _of_number(lake, invoice.invoice_number)
        of_contract = _contract_of(lake, invoice, of_month, contract_id, set(of_api))
        _check_number(invoice, of_contract, of_api)
        filings.append(_filing(kept, invoice, of_contract, of_month, sha256))
    formats.stamp_folder(store, "raw")
    with RawLog(store) as opened:
        for filing in filings:
            if filing.state != UNCHANGED:
                opened.record(filing.month, _answer(filing, body, moment))
        opened.flush()
    for filing in filings:
        import_register.settle(store, filing.month, filing.contract_id, filing.invoice.invoice_number)
    return filings


def withdraw(store: Store, number: str, *, now: datetime | None = None) -> Withdrawn:
    """Withdraw an imported invoice: its file stays in raw and no longer counts. The caller holds the lock.

    An invoice whose file raw has lost can be withdrawn too.
    """
    key = number_key(number) or number
    if (kept := _imported(store).get(key)) is not None:
        found = Withdrawn(kept.month, kept.contract_id, kept.invoice.invoice_number)
    else:
        lost = (
            Withdrawn(month, one.contract_id, one.invoice_number)
            for month, one in import_register.all_missing(store)
            if (number_key(one.invoice_number) or one.invoice_number) == key
        )
        if (gone := next(lost, None)) is None:
            raise NoSuchData(f"no invoice {number} is imported: `ecgrid-billing invoice list` has those that are")
        found = gone
    taken_back = RawAnswer(
        IMPORTED,
        BY_FILE,
        _arguments(found.contract_id, found.invoice_number),
        now or datetime.now(UTC),
        0,
        1,
        "",
        outcome=raw_log.WITHDRAWN,
    )
    with RawLog(store) as opened:
        opened.record(found.month, taken_back)
        opened.flush()
    import_register.settle(store, found.month, found.contract_id, found.invoice_number)
    return found


def _answer(filing: Filing, body: bytes, moment: datetime) -> RawAnswer:
    return RawAnswer(
        IMPORTED,
        BY_FILE,
        _arguments(filing.contract_id, filing.invoice.invoice_number),
        moment,
        0,
        1,
        filing.sha256,
        content_type=invoice_files.media_type(body),
        body=body,
    )


def _arguments(contract_id: int, number: str) -> dict[str, str | int | bool]:
    return {"ContractID": contract_id, "InvoiceNumber": number}


def _imported(store: Store) -> dict[str, Imported]:
    """The imported invoices of all months, by their number in compared form."""
    return {
        number_key(one.invoice.invoice_number) or one.invoice.invoice_number: one
        for month in raw_log.months(store, raw_log.FEED_OF[IMPORTED])
        for one in imported_invoices(store, month, [])
    }


def _check_currency(invoice: FiledInvoice, wanted: str | None) -> None:
    code = invoice.currency
    if code is None:
        return
    if code not in currency.codes():
        near = currency.nearest(code)
        raise SettingsError(
            f"invoice {invoice.invoice_number} is in {code}, which is no currency of ISO 4217"
            + (f"; {near} is near" if near else "")
        )
    if wanted is not None and code != wanted:
        raise SettingsError(
            f"invoice {invoice.invoice_number} is in {code}, and ECGRID_CURRENCY is {wanted}: amounts of two "
            "currencies do not add up; import it into a data directory of its own"
        )


def _month_of(invoice: FiledInvoice) -> date:
    found = invoice.billed_month()
    if found is None:
        raise SettingsError(
            f"invoice {invoice.invoice_number} bills {invoice.period_begin} to {invoice.period_end}, more than one "
            "month: give --month"
        )
    return found


def _check_number(invoice: FiledInvoice, contract_id: int, of_api: Mapping[int, Mapping[str, Any]]) -> None:
    if of_api and contract_id not in of_api:
        theirs = " and ".join(
            f"the invoice {row['invoice_number']} of contract {one} for {month_text(row['reporting_month'])} over "
            + ("an amount that cannot be read" if row["total_amount"] is None else money_text(row["total_amount"]))
            for one, row in sorted(of_api.items())
        )
        raise SettingsError(
            f"invoice {invoice.invoice_number} of contract {contract_id} over {money_text(invoice.total_amount)} has "
            f"the number of {theirs}, which the API returned: correct the number in the file, or its contract"
        )


def _contract_of(lake: Lake, invoice: FiledInvoice, month: date, given: int | None, of_api: set[int]) -> int:
    """The contract that an invoice bills: as given, else by its contract number, its own number, or its accounts.

    `of_api`: contracts to which the API has an invoice of its number.
    """
    contracts = _rows(lake, "contracts", month, ["contract_id", "contract_number"])
    accounts = _rows(lake, "accounts", month, ["network_id", "mailbox_id", "contract_id"])
    numbers = {row["contract_id"]: row["contract_number"] for row in contracts}
    of_account = {Account(row["network_id"], row["mailbox_id"]): row["contract_id"] for row in accounts}
    known = {one for one in (*numbers, *of_account.values()) if one}
    name, listed = f"invoice {invoice.invoice_number}", ", ".join(map(str, sorted(known)))
    by_number = {one for one in known if invoice.contract_number in (str(one), numbers.get(one))}
    stated = by_number if invoice.contract_number is not None else set()
    if given is not None:
        if known and given not in known:
            raise SettingsError(f"no contract {given} is known in {month_text(month)}: the contracts are {listed}")
        if stated and given not in stated:
            raise SettingsError(
                f"{name} states contract {invoice.contract_number}, and --contract is {given}: correct the file, or "
                "leave --contract out"
            )
        return given
    by_account: set[int] = {of_account[account] for account in invoice.accounts() if of_account.get(account)}
    for named in (stated, of_api, by_account):
        if len(named) == 1:
            return named.pop()
        if named:
            several = ", ".join(map(str, sorted(named)))
            raise SettingsError(f"{name} may be of contracts {several}: give --contract")
    hint = f"; the contracts are {listed}" if known else "; none is known before the first run"
    raise SettingsError(f"{name} names no account of a known contract: give --contract{hint}")


def _of_number(lake: Lake, number: str) -> dict[int, Mapping[str, Any]]:
    """The invoices that the API has under a number, one per contract."""
    key = number_key(number)
    columns = ["source", "invoice_number", "contract_id", "reporting_month", "total_amount"]
    return {
        row["contract_id"]: row
        for month in lake.months("invoices")
        for batch in lake.batches("invoices", month, columns)
        for row in batch.to_pylist()
        if row["source"] in ("InvoiceInfo", "InvoiceList") and key and number_key(row["invoice_number"]) == key
    }


def _rows(lake: Lake, feed: str, month: date, columns: list[str]) -> Sequence[Mapping[str, Any]]:
    """The rows of a feed in the month, or in the nearest month that has any."""
    nearest = sorted(lake.months(feed), key=lambda one: (abs((one - month).days), one))
    for one in nearest:
        if found := [row for batch in lake.batches(feed, one, columns) for row in batch.to_pylist()]:
            return found
    return []


def _filing(kept: Mapping[str, Imported], invoice: FiledInvoice, contract_id: int, month: date, sha256: str) -> Filing:
    before = kept.get(number_key(invoice.invoice_number) or invoice.invoice_number)
    if before is None:
        return Filing(invoice, contract_id, month, NEW, sha256)
    number = before.invoice.invoice_number
    if (before.contract_id, before.month, number) != (contract_id, month, invoice.invoice_number):
        raise SettingsError(
            f"invoice {invoice.invoice_number} is imported already, as {number} of contract {before.contract_id} for "
            f"{month_text(before.month)}: correct the file or its --contract and --month, or take the earlier one back "
            f"by `invoice withdraw {number}`"
        )
    return Filing(invoice, contract_id, month, UNCHANGED if before.sha256 == sha256 else RESTATED, sha256)
