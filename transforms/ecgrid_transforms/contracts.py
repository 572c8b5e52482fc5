"""Contract -> one row of the feed contracts, and one row per account of the feed contract_accounts."""

from datetime import date, datetime

from ecgrid_transforms.model import Contract
from ecgrid_transforms.rows import Row, json_text, wall_time


def contract_row(month: date, contract: Contract, api_version: str, pulled_at: datetime, sha256: str) -> Row:
    """One row of contracts."""
    extra: dict[str, object] = dict(contract.extra)
    effective = wall_time("Effective", contract.effective, extra)
    expires = wall_time("Expires", contract.expires, extra)
    last_invoice_date = wall_time("LastInvoiceDate", contract.last_invoice_date, extra)
    return (
        month,
        contract.contract_id,
        contract.description,
        contract.contract_number,
        effective,
        expires,
        contract.status,
        contract.po_number,
        contract.aggregate_network_traffic,
        contract.last_invoice_number,
        last_invoice_date,
        json_text(extra),
        api_version,
        pulled_at,
        sha256,
    )


def contract_account_rows(month: date, contract: Contract) -> list[Row]:
    """One row per account that the contract names, each once, in order; a named network means its Root mailbox."""
    named = {info.account: info.name for info in (*contract.mailboxes, *contract.networks)}
    return [
        (month, contract.contract_id, account.network_id, account.mailbox_id, named[account])
        for account in sorted(named)
    ]
