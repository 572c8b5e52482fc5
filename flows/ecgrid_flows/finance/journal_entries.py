"""Journal entries for the ledger: double entry, by a chart of accounts that the user keeps as a CSV.

`journal_accounts.csv` (in `reference/` of the data directory, else the one that ships) has one row per rule:

    role             charge (what was billed), payable (whom it is owed to) or rounding
    network_id, account_report, measure_field, is_taxable
                     which charges the rule is for; an empty cell is any. Payables and rounding look at network_id alone
    account          the ledger's account code
    description      the words of the entry

The first rule that fits, from the top, is the one that counts; one that never could, below a rule that fits all that it
fits, is refused. Cells may stand apart by commas or semicolons, as a spreadsheet saves them.

Each contract and month makes one entry: its charges, one line per network, account report, measure and tax flag,
against one payable. Ledgers keep minor units, so each line is rounded half up and so is the payable; what lies between
their sums is a line of its own. Debits equal credits.
"""

import calendar
import csv
import io
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pyarrow as pa

from ecgrid_flows.errors import SettingsError
from ecgrid_transforms.money import ZERO, Decimal, rounded, total
from ecgrid_transforms.period import month_text
from ecgrid_transforms.schemas import MONEY_TYPE

__all__ = ["AMOUNTS", "SCHEMA", "Charge", "Chart", "Entry", "entries", "minor_digits", "read_chart", "to_table"]

COLUMNS = ("role", "network_id", "account_report", "measure_field", "is_taxable", "account", "description")
ROLES = ("charge", "payable", "rounding")

#: Currencies (ISO 4217) whose minor unit is not a hundredth.
_NO_DIGITS = frozenset(
    {
        "BIF",
        "CLP",
        "DJF",
        "GNF",
        "ISK",
        "JPY",
        "KMF",
        "KRW",
        "PYG",
        "RWF",
        "UGX",
        "UYI",
        "VND",
        "VUV",
        "XAF",
        "XOF",
        "XPF",
    }
)
_THREE_DIGITS = frozenset({"BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"})

SCHEMA = pa.schema(
    [
        ("date", pa.date32()),
        ("account", pa.string()),
        ("description", pa.string()),
        ("debit", MONEY_TYPE),
        ("credit", MONEY_TYPE),
        ("reference", pa.string()),
        ("currency", pa.string()),
        ("contract_id", pa.int32()),
        ("network_id", pa.int32()),
        ("account_report", pa.string()),
        ("measure_field", pa.string()),
        ("is_taxable", pa.bool_()),
    ]
)
AMOUNTS = ("debit", "credit")


@dataclass(frozen=True, slots=True)
class Charge:
    """What one contract was billed for one network, report, measure and tax flag in a month; `amount` is exact.

    `suffix` ends the reference of its entry: charges of different suffixes are entries of their own. `before` is what
    the ledger was told already: it keeps that rounded, and gets what is missing to the new sum rounded.
    """

    contract_id: int | None
    network_id: int
    reporting_month: date
    account_report: str
    measure_field: str
    is_taxable: bool
    invoice_number: str | None
    amount: Decimal
    suffix: str = ""
    before: Decimal = ZERO


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

    def fits(self, charge: Charge) -> bool:
        return (
            self.network_id in (None, charge.network_id)
            and self.account_report in (None, charge.account_report)
            and self.measure_field in (None, charge.measure_field)
            and self.is_taxable in (None, charge.is_taxable)
        )

    def covers(self, other: "Rule") -> bool:
        """Whether this rule fits every charge that `other` fits."""
        wanted = ("network_id", "account_report", "measure_field", "is_taxable")
        return self.role == other.role and all(getattr(self, name) in (None, getattr(other, name)) for name in wanted)


@dataclass(frozen=True, slots=True)
class Chart:
    """The rules in the order of their file."""

    rules: tuple[Rule, ...]
    source: str

    def rule(self, role: str, charge: Charge) -> Rule:
        """The first rule of `role` that fits; raises `SettingsError` when there is none."""
        for rule in self.rules:
            if rule.role == role and rule.fits(charge):
                return rule
        raise SettingsError(
            f"{self.source} has no {role} rule for {charge.account_report}/{charge.measure_field} of network "
            f"{charge.network_id}: add one; a rule with empty cells fits everything"
        )


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the journal: a debit or a credit, never both, never negative."""

    date: date
    account: str
    description: str
    debit: Decimal | None
    credit: Decimal | None
    reference: str
    currency: str
    contract_id: int | None
    network_id: int | None = None
    account_report: str | None = None
    measure_field: str | None = None
    is_taxable: bool | None = None


def minor_digits(currency: str) -> int:
    """Decimals of the currency's minor unit."""
    return 0 if currency in _NO_DIGITS else 3 if currency in _THREE_DIGITS else 2


def read_chart(path: Path) -> Chart:
    """The chart in `path`; raises `SettingsError` naming the row that is wrong."""
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
            if any(row.values()):  # a spreadsheet leaves empty lines behind
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
        if not any(rule.role == role for rule in rules):
            raise SettingsError(f"{path} has no {role} rule: add a row that begins with {role}")
    return Chart(rules, str(path))


def _rule(row: dict[str, str | None], where: str) -> Rule:
    if None in row or None in row.values():
        raise SettingsError(f"{where}: write {len(COLUMNS)} cells, as in the first line")
    cells = {name: (value or "").strip() for name, value in row.items()}
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


def entries(charges: Iterable[Charge], chart: Chart, currency: str) -> list[Entry]:
    """The journal of these charges, contract by contract in a stable order; it balances, whatever the amounts."""
    bills: dict[tuple[date, int, str], list[Charge]] = defaultdict(list)
    for charge in charges:
        contract = -1 if charge.contract_id is None else charge.contract_id
        bills[charge.reporting_month, contract, _reference(charge)].append(charge)
    return [entry for _, bill in sorted(bills.items()) for entry in _bill(bill, chart, currency)]


def _reference(charge: Charge) -> str:
    contract = "none" if charge.contract_id is None else charge.contract_id
    invoice = charge.invoice_number or f"ECGRID-{contract}-{month_text(charge.reporting_month)}"
    return invoice + charge.suffix


def _bill(charges: Sequence[Charge], chart: Chart, currency: str) -> list[Entry]:
    """The entry of one contract and month: charges, rounding, payable."""
    ordered = sorted(
        charges, key=lambda charge: (charge.network_id, charge.account_report, charge.measure_field, charge.is_taxable)
    )
    first, digits, reference = ordered[0], minor_digits(currency), _reference(ordered[0])
    month = first.reporting_month
    booked_on = month.replace(day=calendar.monthrange(month.year, month.month)[1])
    lines: list[Entry] = []

    def book(rule: Rule, amount: Decimal, charge: Charge | None = None) -> None:
        """`amount` above zero is a debit."""
        if amount == ZERO:
            return
        lines.append(
            Entry(
                date=booked_on,
                account=rule.account,
                description=rule.description,
                debit=amount if amount > ZERO else None,
                credit=-amount if amount < ZERO else None,
                reference=reference,
                currency=currency,
                contract_id=first.contract_id,
                network_id=charge.network_id if charge else None,
                account_report=charge.account_report if charge else None,
                measure_field=charge.measure_field if charge else None,
                is_taxable=charge.is_taxable if charge else None,
            )
        )

    booked = []
    for charge in ordered:
        booked.append(_step([charge], digits))
        if booked[-1] != ZERO:
            book(chart.rule("charge", charge), booked[-1], charge)
    payable = _step(ordered, digits)
    book(chart.rule("rounding", first), payable - total(booked))
    book(chart.rule("payable", first), -payable)
    return lines


def _step(charges: Sequence[Charge], digits: int) -> Decimal:
    """From what the ledger keeps of these charges to what it is to keep."""
    before = total([charge.before for charge in charges])
    return rounded(total([before, *(charge.amount for charge in charges)]), digits) - rounded(before, digits)


def to_table(lines: Sequence[Entry]) -> pa.Table:
    """The journal as a table of `SCHEMA`."""
    return pa.table(
        [pa.array([getattr(line, field.name) for line in lines], field.type) for field in SCHEMA], schema=SCHEMA
    )
