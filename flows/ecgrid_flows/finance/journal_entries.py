"""Journal entries for the ledger: double entry, by a chart of accounts that the user keeps as a CSV.

`journal_accounts.csv` (in `reference/` of the data directory, or the shipped one) has one row per rule:

    role             charge (cost), disputed, unexplained, payable (the creditor) or rounding; accrued (owed before
                     the invoice), without which accruals are on the payable account
    network_id, account_report, measure_field, is_taxable
                     the charges that the rule is for; an empty cell is any. The other roles use network_id alone
    account          the ledger's account code
    description      text of the entry

The first matching rule, from the top, counts; a rule that can never match, because a rule above it matches all its
charges, is refused. Cells may be separated by commas or semicolons, as spreadsheets save them.

Each invoice has one entry: its cost, one line per network, account report, measure and tax flag; disputed amounts, by
the same; the unexplained amount; all against one payable, the invoice's total. Ledgers keep minor units, so each line
and the total are rounded half up; the difference between the total and the sum of the lines is a line of its own.
Debits equal credits.

Posted lines are never rewritten: an entry is the difference between the invoice's required entry and what was posted
of it. A posted line keeps its account; the chart decides about new ones.
"""

import csv
import io
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pyarrow as pa

from ecgrid_flows.currency import minor_digits
from ecgrid_flows.errors import SettingsError
from ecgrid_transforms.money import ZERO, Decimal, rounded, total
from ecgrid_transforms.period import month_text
from ecgrid_transforms.schemas import MONEY_TYPE

__all__ = [
    "AMOUNTS",
    "SCHEMA",
    "Amount",
    "Chart",
    "Entry",
    "Posted",
    "entries",
    "from_table",
    "read_chart",
    "to_table",
]

COLUMNS = ("role", "network_id", "account_report", "measure_field", "is_taxable", "account", "description")
#: In the order of an entry's lines.
ROLES = ("charge", "disputed", "unexplained", "rounding", "payable", "accrued")
#: The role that a chart may lack.
ACCRUED = "accrued"
#: Roles that a chart of an earlier release lacks: text of the row to add.
_ADDED = {"disputed": "Disputed with Loren Data", "unexplained": "Loren Data, unexplained"}

SCHEMA = pa.schema(
    [
        ("posting_date", pa.date32()),
        ("reporting_month", pa.date32()),
        ("currency", pa.string()),
        ("account", pa.string()),
        ("description", pa.string()),
        ("debit", MONEY_TYPE),
        ("credit", MONEY_TYPE),
        ("reference", pa.string()),
        ("role", pa.string()),
        ("invoice_number", pa.string()),
        ("contract_id", pa.int32()),
        ("network_id", pa.int32()),
        ("account_report", pa.string()),
        ("measure_field", pa.string()),
        ("is_taxable", pa.bool_()),
    ]
)
AMOUNTS = ("debit", "credit")


@dataclass(frozen=True, slots=True)
class Amount:
    """One row of out_journal_amounts: the exact amount of a role in one invoice's entry; a debit is above zero.

    The key is null for an amount of no line. The payable is the invoice's total, with the opposite sign.
    """

    contract_id: int | None
    reporting_month: date
    invoice_number: str | None
    role: str
    network_id: int | None
    account_report: str | None
    measure_field: str | None
    is_taxable: bool | None
    amount: Decimal


@dataclass(frozen=True, slots=True)
class Rule:
    """One row of the chart; None is any."""

    role: str
    network_id: int | None
    account_report: str | None
    measure_field: str | None
    is_taxable: bool | None
    account: str
    description: str

    def fits(self, charge: Amount) -> bool:
        return (
            self.network_id in (None, charge.network_id)
            and self.account_report in (None, charge.account_report)
            and self.measure_field in (None, charge.measure_field)
            and self.is_taxable in (None, charge.is_taxable)
        )

    def covers(self, other: "Rule") -> bool:
        """Whether this rule matches every charge that `other` matches."""
        wanted = ("network_id", "account_report", "measure_field", "is_taxable")
        return self.role == other.role and all(getattr(self, name) in (None, getattr(other, name)) for name in wanted)


@dataclass(frozen=True, slots=True)
class Chart:
    """The rules in the order of their file."""

    rules: tuple[Rule, ...]
    source: str

    def rule(self, role: str, charge: Amount) -> Rule:
        """The first matching rule of `role`; raises `SettingsError` if there is none."""
        for rule in self.rules:
            if rule.role == role and rule.fits(charge):
                return rule
        if role == ACCRUED:
            return self.rule("payable", charge)
        of = f"{charge.account_report}/{charge.measure_field} of network {charge.network_id}"
        raise SettingsError(
            f"{self.source} has no {role} rule for {'what no line bills' if charge.network_id is None else of}: "
            f"add one; a rule with empty cells fits everything"
        )


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the journal: a debit or a credit, never both, never negative."""

    posting_date: date
    reporting_month: date
    currency: str
    account: str
    description: str
    debit: Decimal | None
    credit: Decimal | None
    reference: str
    role: str
    invoice_number: str | None
    contract_id: int | None
    network_id: int | None = None
    account_report: str | None = None
    measure_field: str | None = None
    is_taxable: bool | None = None

    @property
    def amount(self) -> Decimal:
        """The debit, or the credit with the opposite sign."""
        return (self.debit or ZERO) - (self.credit or ZERO)


def read_chart(path: Path) -> Chart:
    """The chart in `path`; raises `SettingsError` naming the invalid row."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path} cannot be read ({type(error).__name__}): make it a UTF-8 CSV") from error
    delimiter = ";" if text.startswith(";".join(COLUMNS)) else ","
    rows = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    if tuple(rows.fieldnames or ()) != COLUMNS:
        raise SettingsError(f"{path}: its first line must be {','.join(COLUMNS)}")
    placed: list[tuple[Rule, int]] = []
    try:
        for row in rows:
            if any(row.values()):  # spreadsheets save empty lines
                placed.append((_rule(row, f"{path}, line {rows.line_num}"), rows.line_num))
    except csv.Error as error:
        raise SettingsError(f"{path}, line {rows.line_num}: {error}; correct the quotes") from error
    for at, (rule, line) in enumerate(placed):
        for above, number in placed[:at]:
            if above.covers(rule):
                raise SettingsError(
                    f"{path}, line {line} can never count, for line {number} above it fits all that it fits: "
                    f"move it up, or take it out"
                )
    rules = tuple(rule for rule, _ in placed)
    for role in ROLES:
        if role != ACCRUED and not any(rule.role == role for rule in rules):
            whole = f", as `{role},,,,,ACCOUNT,{_ADDED[role]}` with your account" if role in _ADDED else ""
            raise SettingsError(f"{path} has no {role} rule: add a row that begins with {role}{whole}")
    return Chart(rules, str(path))


def _rule(row: dict[str, str | None], where: str) -> Rule:
    if None in row or None in row.values():
        raise SettingsError(f"{where}: write {len(COLUMNS)} cells, as in the first line")
    cells = {name: str(value).strip() for name, value in row.items()}
    if cells["role"] not in ROLES:
        raise SettingsError(f"{where}: role is {cells['role']!r}; write {', '.join(ROLES)}")
    if not cells["account"]:
        raise SettingsError(f"{where}: the account code is missing")
    if cells["network_id"] and not cells["network_id"].isdecimal():
        raise SettingsError(f"{where}: network_id is {cells['network_id']!r}; write its number, or nothing for any")
    is_taxable = cells["is_taxable"].lower()  # spreadsheets write TRUE
    if is_taxable not in ("", "true", "false"):
        raise SettingsError(f"{where}: is_taxable is {cells['is_taxable']!r}; write true, false, or nothing for any")
    if cells["role"] != "charge" and (cells["account_report"] or cells["measure_field"] or cells["is_taxable"]):
        raise SettingsError(f"{where}: a {cells['role']} rule may name a network and nothing else")
    return Rule(
        role=cells["role"],
        network_id=int(cells["network_id"]) if cells["network_id"] else None,
        account_report=cells["account_report"] or None,
        measure_field=cells["measure_field"] or None,
        is_taxable={"": None, "true": True, "false": False}[is_taxable],
        account=cells["account"],
        description=cells["description"],
    )


#: Key of an entry: contract, month and invoice number.
Bill = tuple[int | None, date, str | None]
#: Key of a line of an entry: role, network, account report, measure and tax flag.
Key = tuple[str, int | None, str | None, str | None, bool | None]


class Posted:
    """The posted journals of a month, in order: sums, accounts and references, by invoice."""

    def __init__(self, journals: Iterable[Sequence[Entry]] = ()) -> None:
        self.amounts: dict[Bill, dict[Key, Decimal]] = defaultdict(dict)
        self.rules: dict[tuple[Bill, Key], tuple[str, str]] = {}
        self.references: dict[Bill, set[str]] = defaultdict(set)
        for line in (line for journal in journals for line in journal):
            bill, key = (line.contract_id, line.reporting_month, line.invoice_number), _key(line)
            sums = self.amounts[bill]
            sums[key] = total([sums.get(key, ZERO), line.amount])
            self.rules[bill, key] = line.account, line.description
            self.references[bill].add(line.reference)


def entries(amounts: Iterable[Amount], posted: Posted, chart: Chart, currency: str, posting_date: date) -> list[Entry]:
    """The lines to post so that each invoice's entry has the `amounts`; invoices in a stable order.

    An entry posted for a contract and month without its invoice (by an earlier release) stays until the invoice
    arrives, then it is reversed. It balances, whatever the amounts.
    """
    digits = minor_digits(currency)
    wanted: dict[Bill, dict[Key, Decimal]] = {}
    for bill, rows in _by_bill(amounts).items():
        sums: dict[Key, Decimal] = defaultdict(lambda: ZERO)
        for row in rows:
            sums[_key(row)] = total([sums[_key(row)], row.amount])
        lines = {key: rounded(amount, digits) for key, amount in sums.items()}
        lines["rounding", None, None, None, None] = -total(list(lines.values()))
        wanted[bill] = lines
    invoiced = {(contract, month) for contract, month, number in wanted}
    bills = {*wanted, *(bill for bill in posted.amounts if bill[2] is not None or bill[:2] in invoiced)}
    found: list[Entry] = []
    for bill in sorted(bills, key=lambda bill: (bill[1], -1 if bill[0] is None else bill[0], bill[2] or "")):
        before, after = posted.amounts.get(bill, {}), wanted.get(bill, {})
        reference = _reference(bill, posted.references.get(bill, set()))
        for key in sorted({*before, *after}, key=_place):
            amount = total([after.get(key, ZERO), -before.get(key, ZERO)])
            if amount == ZERO:
                continue
            role, network, report, measure, is_taxable = key
            account, description = posted.rules.get((bill, key)) or _by_chart(chart, bill, key)
            found.append(
                Entry(
                    posting_date=posting_date,
                    reporting_month=bill[1],
                    currency=currency,
                    account=account,
                    description=description,
                    debit=amount if amount > ZERO else None,
                    credit=-amount if amount < ZERO else None,
                    reference=reference,
                    role=role,
                    invoice_number=bill[2],
                    contract_id=bill[0],
                    network_id=network,
                    account_report=report,
                    measure_field=measure,
                    is_taxable=is_taxable,
                )
            )
    return found


def _by_bill(amounts: Iterable[Amount]) -> Mapping[Bill, list[Amount]]:
    bills: dict[Bill, list[Amount]] = defaultdict(list)
    for amount in amounts:
        bills[amount.contract_id, amount.reporting_month, amount.invoice_number].append(amount)
    return bills


def _key(line: Amount | Entry) -> Key:
    return line.role, line.network_id, line.account_report, line.measure_field, line.is_taxable


def _place(key: Key) -> tuple[object, ...]:
    """Order of a line in its entry: by role, then by key, amounts of no line last."""
    role, network, report, measure, is_taxable = key
    return (
        ROLES.index(role),
        network is None,
        network or 0,
        report or "",
        measure or "",
        is_taxable is None,
        bool(is_taxable),
    )


def _by_chart(chart: Chart, bill: Bill, key: Key) -> tuple[str, str]:
    contract, month, number = bill
    role, network, report, measure, is_taxable = key
    rule = chart.rule(role, Amount(contract, month, number, role, network, report, measure, is_taxable, ZERO))
    return rule.account, rule.description


def _reference(bill: Bill, used: set[str]) -> str:
    """The invoice's number; for a later entry with a suffix number, so that a ledger does not reject a duplicate."""
    contract, month, number = bill
    first = number or f"ECGRID-{'none' if contract is None else contract}-{month_text(month)}"
    reference, place = first, 0
    while reference in used:
        place += 1
        reference = f"{first}-C{place}"
    return reference


def to_table(lines: Sequence[Entry]) -> pa.Table:
    """The journal as a table of `SCHEMA`."""
    return pa.table(
        [pa.array([getattr(line, field.name) for line in lines], field.type) for field in SCHEMA], schema=SCHEMA
    )


def from_table(table: pa.Table, month: date, batch: int | None = None) -> list[Entry]:
    """The lines of a kept journal, also one of an earlier release, as the `batch` of that number.

    Those had a column `date` and neither roles nor invoice numbers: the last line of an entry was its payable, another
    line without a network the rounding, and the reference the invoice's number, else ECGRID-CONTRACT-MONTH.
    """
    if "role" in table.column_names:
        return [Entry(**row) for row in table.select(SCHEMA.names).to_pylist()]
    rows = table.to_pylist()
    suffix = "" if batch is None else f"-C{batch}"
    lines = []
    for place, row in enumerate(rows):
        is_last = place + 1 == len(rows) or rows[place + 1]["reference"] != row["reference"]
        number = row["reference"].removesuffix(suffix)
        contract = "none" if row["contract_id"] is None else row["contract_id"]
        row["role"] = "charge" if row["network_id"] is not None else "payable" if is_last else "rounding"
        row["invoice_number"] = None if number == f"ECGRID-{contract}-{month_text(month)}" else number
        row["reporting_month"] = month
        row["posting_date"] = row.pop("date")
        lines.append(Entry(**row))
    return lines
