"""The folder `disputes/` of an export: claims to the vendor, by contract, with evidence.

    disputes/<contract>/claim.csv      one row per claim: invoice, line, key, both amounts, calculation, evidence
    disputes/<contract>/letter.html    the same as text, with the sum; printable
    disputes/<contract>/evidence/      responses as received: of the key, of PricelistInfo, of the invoice

The vendor receives it: it has no note, state, verdict or interpretation of a price list. Claims of an unknown contract
are in `no_contract`. Claims are the rows of out_disputes. The files do not depend on the time of writing.
"""

import hashlib
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa

from ecgrid_client.masking import MASKER, Masker
from ecgrid_flows import pages
from ecgrid_flows.finance.csv_writer import CsvForm
from ecgrid_flows.finance.export_files import KEY, Sheet, write_sheet
from ecgrid_flows.lake import evidence
from ecgrid_flows.lake.raw_log import RawAnswer
from ecgrid_flows.settings import Settings
from ecgrid_flows.storage.base import disk_errors
from ecgrid_flows.storage.data_owner import is_invented
from ecgrid_flows.storage.opening import open_store
from ecgrid_flows.warehouse import database, sql_files, sql_headers
from ecgrid_transforms.money import Decimal, money_text, total
from ecgrid_transforms.period import month_text

__all__ = ["DISPUTES", "write_disputes"]

DISPUTES = "disputes"
_AMOUNTS = ("billed_amount", "expected_amount", "amount_claimed")
_EVIDENCE = ("line_evidence", "price_list_evidence", "invoice_evidence")
#: claim.csv: only what the vendor needs to find the charge.
_COLUMNS = (
    *("claim_id", "contract_id", "invoice_number", "invoice_line_numbers", "network_id", "mailbox_id", "account_name"),
    *("reporting_month", "account_report", "measure_field", "price_list_id", "actual", "quantity_billed"),
    *("reason", *_AMOUNTS, "calculation", *_EVIDENCE),
)
#: Feed, column of out_disputes with the response's hash, and column of claim.csv that names the file.
_SOURCES = (
    ("line_items", "line_response_sha256", "line_evidence"),
    ("price_schedules", "price_list_response_sha256", "price_list_evidence"),
    ("invoices", "invoice_response_sha256", "invoice_evidence"),
)
_INVENTED = "Invented data of the built-in sandbox: this claims nothing of anybody"
#: Folder of claims of no known contract.
_NO_CONTRACT: Mapping[int | None, str] = {None: "no_contract"}
_UNSAFE = re.compile(r"[^A-Za-z0-9.-]")

Row = Mapping[str, Any]
Files = dict[str, Any]


@dataclass(frozen=True, slots=True)
class _Kept:
    """One file of evidence: the bytes as received, with secrets masked, and the response that they are from."""

    body: bytes
    answer: RawAnswer


def write_disputes(
    connection: database.Connection, settings: Settings, month: date, folder: Path, form: CsvForm
) -> Files:
    """Write `disputes/` into `folder` by the decisions of `connection`; return the files' manifest entries.

    Without a claim there is no folder. Raises `StorageFailed` if the disk fails or a kept response is damaged.
    """
    claims = database.of_month(connection.table("out_disputes"), month)
    claims = database.ordered(claims, "contract_id", *KEY, "check_name", "finding_id").to_arrow_table()
    rows = claims.to_pylist()
    kept = _kept_answers(settings, month, rows)
    titles = sql_headers.check_titles(sql_files.sql_folder())
    by_contract = defaultdict[int | None, list[int]](list)
    for number, row in enumerate(rows):
        by_contract[row["contract_id"]].append(number)
    files: Files = {}
    written = [row | _evidence_of(row, kept) for row in rows]
    for contract, numbers in by_contract.items():
        name = f"{DISPUTES}/{_NO_CONTRACT.get(contract, contract)}"
        named = [written[number] for number in numbers]
        with disk_errors(str(folder)):
            (folder / name / "evidence").mkdir(parents=True)
        used = {row[column]: kept[row[digest]] for row in named for _, digest, column in _SOURCES if row[column]}
        words = _letter_words(settings, month, contract, named, used, titles)
        letter = pages.page("letter.html.j2", **words).encode()
        for file, data in [("letter.html", letter), *((file, one.body) for file, one in sorted(used.items()))]:
            files |= _write(folder, f"{name}/{file}", data)
    if written:
        claims = claims.rename_columns({"finding_id": "claim_id"})
        claims = claims.append_column("reason", pa.array([titles[row["check_name"]] for row in rows], pa.string()))
        for column in _EVIDENCE:
            claims = claims.append_column(column, pa.array([row[column] for row in written], pa.string()))
        files |= write_sheet(_claims_sheet(connection, claims), folder, form)
    return files


def _claims_sheet(connection: database.Connection, claims: pa.Table) -> Sheet:
    """The claims, a file for each contract: its folder must exist."""
    database.register(connection, "claims of contracts", claims)
    return Sheet(
        f"{DISPUTES}/{{}}/claim.csv",
        connection.table('"claims of contracts"'),
        order=("contract_id", *KEY, "reason", "claim_id"),
        amounts=_AMOUNTS,
        totals=_AMOUNTS,
        columns=_COLUMNS,
        by="contract_id",
        stems=_NO_CONTRACT,
    )


def _write(folder: Path, name: str, data: bytes) -> Files:
    """Write a file that is no table."""
    with disk_errors(str(folder / name)):
        (folder / name).write_bytes(data)
    return {name: {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}}


# --- evidence ---------------------------------------------------------------------------------------------------------


def _kept_answers(settings: Settings, month: date, rows: Sequence[Row]) -> dict[str, _Kept]:
    """The responses behind claims, by the SHA-256 of their bodies in raw; absent if raw does not have it."""
    if not rows:
        return {}
    store = open_store(settings)
    found: dict[str, _Kept] = {}
    for feed, digest, _ in _SOURCES:
        wanted = {row[digest] for row in rows if row[digest] is not None}
        for sha256, answer in evidence.find(store, feed, month, wanted).items():
            found[sha256] = _Kept(_masked(answer.body, settings), answer)
    return found


def _masked(body: bytes, settings: Settings) -> bytes:
    """A body without secrets: raw masks those known at the pull; here those of today, and those marked by name.

    A secret so short that it may be part of a figure is masked by its name alone.
    """
    masker = Masker()
    body = MASKER.in_answer(masker.data(body))
    for secret in (settings.password, settings.api_key):
        masker.learn(secret.reveal() if secret else None)
    masker.learn(settings.login_name)
    return masker.in_answer(body)


def _evidence_of(row: Row, kept: Mapping[str, _Kept]) -> dict[str, str | None]:
    """The files of a claim, by the column of claim.csv that names each; None if the response is not kept."""
    key = (row[name] for name in ("network_id", "mailbox_id", "account_report", "measure_field"))
    names = {
        "line_evidence": "line-" + "-".join(_UNSAFE.sub("_", str(part)) for part in key),
        "price_list_evidence": f"price-list-{row['price_list_id']}",
        "invoice_evidence": f"invoice-{row['invoice_id']}",
    }
    return {
        column: f"evidence/{names[column]}{_ending(kept[row[digest]].body)}" if row[digest] in kept else None
        for _, digest, column in _SOURCES
    }


def _ending(body: bytes) -> str:
    return ".xml" if body.lstrip(b"\xef\xbb\xbf \r\n\t").startswith(b"<") else ".txt"


# --- the letter -------------------------------------------------------------------------------------------------------


def _letter_words(
    settings: Settings,
    month: date,
    contract: int | None,
    rows: Sequence[Row],
    used: Mapping[str, _Kept],
    titles: Mapping[str, str],
) -> dict[str, Any]:
    """The fields of the letter's template; all amounts as texts."""
    return {
        "notice": _INVENTED if is_invented(settings) else "",
        "contract": "charges of no known contract" if contract is None else f"contract {contract}",
        "month": month_text(month),
        "currency": settings.currency,
        "total": money_text(total([row["amount_claimed"] for row in rows])),
        "invoices": list(_by_invoice(rows)),
        "claims": [
            {
                "claim_id": row["finding_id"],
                "invoice": _invoice_line(row),
                "account": _account(row),
                "charge": " ".join(part for part in (row["account_report"], row["measure_field"]) if part),
                "billed": _amount(row["billed_amount"]),
                "due": _amount(row["expected_amount"]),
                "claimed": _amount(row["amount_claimed"]),
                "reason": titles[row["check_name"]],
                "calculation": row["calculation"],
                "evidence": ", ".join(row[column] for column in _EVIDENCE if row[column]),
            }
            for row in rows
        ],
        "evidence": [
            {
                "file": file.removeprefix("evidence/"),
                "call": f"{one.answer.operation} {one.answer.api_version}"
                + "".join(f" {name}={value}" for name, value in one.answer.arguments.items()),
                "received_at": f"{one.answer.received_at:%Y-%m-%d %H:%M:%S}",
                "sha256": hashlib.sha256(one.body).hexdigest(),
            }
            for file, one in sorted(used.items())
        ],
    }


def _by_invoice(rows: Sequence[Row]) -> Iterator[dict[str, Any]]:
    """One entry per invoice: its number, its claims and their sum."""
    by_invoice = defaultdict[str, list[Decimal]](list)
    for row in rows:
        by_invoice[row["invoice_number"] or ""].append(row["amount_claimed"])
    for number, claimed in sorted(by_invoice.items()):
        yield {"number": number or "not known", "count": len(claimed), "claimed": money_text(total(claimed))}


def _invoice_line(row: Row) -> str:
    """The invoice and the lines on it, such as `8753, line 4`."""
    lines = row["invoice_line_numbers"]
    return ", ".join(part for part in (row["invoice_number"], lines and f"line {lines}") if part)


def _account(row: Row) -> str:
    if row["network_id"] is None:
        return ""
    number = f"{row['network_id']}-{row['mailbox_id']}"
    return f"{number} {row['account_name']}" if row["account_name"] else number


def _amount(value: Decimal | None) -> str:
    return "" if value is None else money_text(value)
