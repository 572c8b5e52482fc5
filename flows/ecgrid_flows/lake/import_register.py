"""The register of imported invoices: which records of them raw has to hold.

    raw/_imports/YYYY-MM.json     contract, invoice number, time and SHA-256 of each imported file and withdrawal

An imported invoice cannot be requested from the service, so a pull never restores it. A registered record that raw no
longer has is missing until that invoice is imported or withdrawn again (`settle`). A landing adds the records that the
register lacks, so a process killed between the two writes leaves nothing unregistered.
"""

import json
from collections.abc import Collection, Iterable, Iterator
from dataclasses import asdict, dataclass
from datetime import date

from ecgrid_flows import formats
from ecgrid_flows.lake import raw_log
from ecgrid_flows.lake.raw_log import RAW
from ecgrid_flows.storage.base import Quarantined, Store
from ecgrid_transforms.invoices import IMPORTED
from ecgrid_transforms.period import NotAMonth, month_text, parse_month

__all__ = ["IMPORTS", "Record", "all_missing", "register", "settle"]

IMPORTS = f"{RAW}/_imports"


@dataclass(frozen=True, slots=True, order=True)
class Record:
    """One imported file of an invoice, or its withdrawal (`sha256` is empty)."""

    contract_id: int
    invoice_number: str
    received_at: str
    sha256: str

    def __str__(self) -> str:
        what = f"the file {self.sha256[:12]}" if self.sha256 else "the withdrawal"
        return f"{what} of invoice {self.invoice_number}, contract {self.contract_id}, of {self.received_at[:10]}"


def register(store: Store, month: date, segments: Iterable[str], quarantined: list[Quarantined]) -> list[Record]:
    """Register the records of imports that `segments` hold; the registered ones that they do not hold.

    `segments` are those of the month that hold imports. A damaged register is quarantined, named in `quarantined` and
    written anew. The caller holds the run lock.
    """
    held, registered = _held(store, segments), _read(store, month)
    if registered is None:
        quarantined.append(
            store.quarantine(_path(month), "it is not a register of imported invoices; a new one is written")
        )
        registered = set()
    if held - registered:
        _write(store, month, registered | held)
    return sorted(registered - held)


def settle(store: Store, month: date, contract_id: int, number: str) -> None:
    """Forget what is registered of an invoice that was imported or withdrawn again; the next landing registers it anew.

    The caller holds the run lock.
    """
    registered = _read(store, month) or set()
    settled = {one for one in registered if (one.contract_id, one.invoice_number) == (contract_id, number)}
    if settled:
        _write(store, month, registered - settled)


def all_missing(store: Store) -> Iterator[tuple[date, Record]]:
    """The registered records that raw no longer holds, with their months; writes nothing."""
    for entry in store.entries(IMPORTS):
        try:
            month = parse_month(entry.path.removeprefix(f"{IMPORTS}/").removesuffix(".json"))
        except NotAMonth:
            continue
        registered = _read(store, month) or set()
        held = _held(store, raw_log.segments(store, raw_log.FEED_OF[IMPORTED], month))
        for record in sorted(registered - held):
            yield month, record


def _held(store: Store, segments: Iterable[str]) -> set[Record]:
    return {
        Record(
            int(answer.arguments["ContractID"]),
            str(answer.arguments["InvoiceNumber"]),
            answer.received_at.isoformat(),
            answer.sha256,
        )
        for path in segments
        for _, answer in raw_log.scan_segment(store, path)
        if answer.operation == IMPORTED
    }


def _path(month: date) -> str:
    return f"{IMPORTS}/{month_text(month)}.json"


def _read(store: Store, month: date) -> set[Record] | None:
    """The registered records; None where the register is damaged."""
    path = _path(month)
    if not store.exists(path):
        return set()
    try:
        found = json.loads(store.read(path))
        formats.require_readable("raw", found, store.uri(path))
        return {Record(**{**one, "contract_id": int(one["contract_id"])}) for one in found["records"]}
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def _write(store: Store, month: date, records: Collection[Record]) -> None:
    document = {**formats.stamp("raw"), "records": [asdict(one) for one in sorted(records)]}
    store.write(_path(month), (json.dumps(document, indent=1) + "\n").encode())
