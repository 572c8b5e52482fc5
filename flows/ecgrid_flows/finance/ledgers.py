"""A journal in a ledger's import format: `exports/YYYY-MM/ledgers/`, by template files that a user can copy.

A template is `ledgers/NAME.toml` in a folder of reference tables; one in the data directory overrides the shipped one.
It states the file's name, encoding, separator, decimal mark, columns and their values, and the rules that the ledger
documents. `rows` is the source of one row:

    lines        each line of the journal
    bill         each line of an entry except the payable, so that the rows of an invoice add up to its total
    pairs        an amount, its account and the contra account
    text         no columns: a text for each entry, and one for each of its lines

Values are texts with fields in braces (`{account}`); dates take a format (`{posting_date:%d%m}`). A text that a
spreadsheet could run as a formula gets an apostrophe, as in every CSV of an export.

A journal without lines has no file. For a closed month the file with the form's name is that of its journal.csv; each
batch of corrections has its own file (`xero_C1.csv`), so that none is imported twice.
"""

import csv
import io
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import groupby
from pathlib import Path
from typing import Any

from ecgrid_flows import formats
from ecgrid_flows.currency import codes, minor_digits
from ecgrid_flows.errors import NoSuchData, SettingsError
from ecgrid_flows.finance.export_files import LEDGERS, MANIFEST, opened, place, read_export, read_manifest, sha256_of
from ecgrid_flows.finance.journal import JOURNAL
from ecgrid_flows.finance.journal_entries import AMOUNTS, Entry, from_table
from ecgrid_flows.settings import Settings, reference_folders
from ecgrid_flows.storage.atomic_folder import publish, staging
from ecgrid_flows.storage.base import Store, disk_errors
from ecgrid_flows.warehouse import database
from ecgrid_transforms.money import ZERO, Decimal, rounded, to_decimal, total
from ecgrid_transforms.period import month_text

__all__ = ["Template", "rendered", "template", "write_ledgers"]

ROWS = ("lines", "bill", "pairs", "text")
_RUNS_AS_FORMULA = re.compile("'*[=+@\t\r\n＝＋－＠-]")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


@dataclass(frozen=True, slots=True)
class Template:
    """One `ledgers/NAME.toml`; `path` is where it was found."""

    path: Path
    file: str
    rows: str
    encoding: str
    separator: str
    decimal_mark: str
    quotes: str
    heading: tuple[str, ...]
    columns: tuple[str, ...]
    values: Mapping[str, str]
    accounts: Mapping[str, str]
    limits: Mapping[str, int]
    allowed: Mapping[str, str]
    rules: Mapping[str, str]
    texts: Mapping[str, str]
    base: Mapping[str, str]
    line_end: str


def template(settings: Settings, name: str) -> Template:
    """The template of a ledger; raises `SettingsError` naming the available ones, or the fault in the file."""
    folders = [folder / LEDGERS for folder in reference_folders(settings)]
    found = {path.stem: path for folder in folders for path in sorted(folder.glob("*.toml"))}
    if name not in found:
        raise SettingsError(
            f"there is no ledger {name!r}: write {', '.join(sorted(found))}, or add a template to {folders[-1]}"
        )
    path = found[name]
    try:
        told = tomllib.loads(path.read_text(encoding="utf-8"))
        wanted = Template(
            path,
            told["file"],
            told["rows"],
            told.get("encoding", "utf-8"),
            told.get("separator", ","),
            told.get("decimal_mark", "."),
            told.get("quotes", "needed"),
            tuple(told.get("heading", ())),
            tuple(told.get("columns", ())),
            told.get("values", {}),
            told.get("accounts", {}),
            told.get("limits", {}),
            told.get("allowed", {}),
            told.get("rules", {}),
            told.get("texts", {}),
            told.get("base", {}),
            told.get("line_end", "\r\n"),
        )
        "".encode(wanted.encoding)
        if wanted.base and (to_decimal(wanted.base["rate"]) <= ZERO or wanted.base["currency"] not in codes()):
            raise ValueError("base needs a currency of ISO 4217 and a rate above 0")
    except (OSError, ValueError, KeyError, TypeError, LookupError) as error:
        raise SettingsError(
            f"{path} is no template of a ledger ({type(error).__name__}: {error}): correct it"
        ) from error
    if wanted.rows not in ROWS:
        raise SettingsError(f"{path}: rows is {wanted.rows!r}; write {', '.join(ROWS)}")
    if unknown := sorted(set(wanted.values) - set(wanted.columns)):
        raise SettingsError(f"{path}: there is no column {unknown[0]!r} that could have a value")
    if Path(wanted.file).name != wanted.file or wanted.file == MANIFEST:
        raise SettingsError(f"{path}: file is {wanted.file!r}; write a file's name without a folder")
    return wanted


def write_ledgers(settings: Settings, store: Store, month: date, names: Sequence[str]) -> list[Path]:
    """Write the export's journal of `month` in each of these forms; return the paths. The caller holds the lock."""
    if not names:
        return []
    with opened(settings) as connection:
        paths = [path for name in names for path in _write_ledger(connection, settings, store, month, name)]
    return list(dict.fromkeys(paths))


def _write_ledger(
    connection: database.Connection, settings: Settings, store: Store, month: date, name: str
) -> list[Path]:
    """Write the export's journal of `month` in the form `name`; return the paths. The export must exist.

    Raises `NoSuchData` if the export has no journal, `SettingsError` if an account or amount breaks a rule of the
    ledger.
    """
    form = template(settings, name)
    folder = settings.exports_dir(month)
    if JOURNAL not in read_manifest(folder)["files"]:
        raise NoSuchData(f"{folder} has no {JOURNAL}: set ECGRID_CURRENCY and export the month again")
    journals = {form.file: from_table(read_export(folder / JOURNAL), month)}
    changed = folder / "corrections/corrections_journal.csv"
    if changed.is_file():
        table = read_export(changed)
        batches = table.column("correction").to_pylist() if "correction" in table.column_names else []
        for batch in sorted(set(batches)):
            places = [place for place, number in enumerate(batches) if number == batch]
            stem, dot, ending = form.file.partition(".")
            journals[f"{stem}_C{batch}{dot}{ending}"] = from_table(table.take(places), month)
    invoices = _invoices(connection, month)
    target = folder / LEDGERS
    with staging(target) as staged:
        files: dict[str, Any] = {}
        for file, lines in journals.items():
            for written, text in rendered(form, file, lines, invoices).items() if lines else ():
                with disk_errors(str(staged / written)):
                    (staged / written).write_bytes(text.encode(form.encoding, errors="replace"))
                sums = {side: total([getattr(line, side) or ZERO for line in lines]) for side in AMOUNTS}
                files[written] = {
                    "ledger": name,
                    "lines": len(lines),
                    "control_totals": {side: f"{amount.normalize():f}" for side, amount in sums.items()},
                    "sha256": sha256_of(staged / written),
                }
        for other, entry in _others(target, name).items():
            (staged / other).write_bytes((target / other).read_bytes())
            files[other] = entry
        manifest = {**formats.stamp("export"), "month": month_text(month), "run_id": None}
        manifest["files"] = dict(sorted(files.items()))
        paths = place(staged, target, manifest)
    publish(store, target, f"exports/{month_text(month)}/{LEDGERS}", MANIFEST)
    return paths


def _others(target: Path, name: str) -> dict[str, Any]:
    """Complete files of other ledgers in the folder, which stay, with their entries in the manifest."""
    if not (target / MANIFEST).is_file():
        return {}
    return {
        file: entry
        for file, entry in read_manifest(target)["files"].items()
        if entry["ledger"] != name and (target / file).is_file() and sha256_of(target / file) == entry["sha256"]
    }


#: Further data of an invoice, by contract and number.
Invoices = Mapping[tuple[int | None, str | None], Mapping[str, Any]]


def rendered(form: Template, file: str, lines: Sequence[Entry], invoices: Invoices) -> dict[str, str]:
    """The files of a journal by name: one, or with `texts.accounts` a second one that opens the accounts."""
    if form.rows == "text":
        return _texts(form, file, lines, invoices)
    rows = [_cells(form, fields) for fields in _rows(form, lines, invoices)]
    common = _common(lines)
    heading = [_filled(form, text, common) for text in form.heading]
    if form.quotes == "written":
        body = [form.separator.join(form.columns), *(form.separator.join(row) for row in rows)]
        return {file: "".join(f"{row}{form.line_end}" for row in [*heading, *body])}
    out = io.StringIO()
    writer = csv.writer(out, delimiter=form.separator, lineterminator=form.line_end)
    writer.writerows([form.columns, *rows])
    return {file: "".join(f"{row}{form.line_end}" for row in heading) + out.getvalue()}


def _rows(form: Template, lines: Sequence[Entry], invoices: Invoices) -> Iterator[dict[str, Any]]:
    for _, group in groupby(lines, key=lambda line: line.reference):
        entry = list(group)
        if form.rows == "pairs":
            for amount, line, contra in _pairs(entry):
                side = {"amount": _number(form, abs(amount), line.currency), "side": "S" if amount > ZERO else "H"}
                of_pair = side | _in_base(form, abs(amount), line.currency)
                yield _fields(form, line, invoices) | of_pair | {"contra_account": _account(form, contra)}
        else:
            for line in entry:
                if form.rows != "bill" or line.role != "payable":
                    yield _fields(form, line, invoices)


def _pairs(entry: Sequence[Entry]) -> Iterator[tuple[Decimal, Entry, Entry]]:
    """Amount (a debit of the first line is above 0), line and contra line; together they book the entry.

    Against the payable if the entry has one, otherwise debits against credits in their order.
    """
    payables = [line for line in entry if line.role == "payable"]
    if len(payables) == 1:
        yield from ((line.amount, line, payables[0]) for line in entry if line is not payables[0])
        return
    debits = [(line, line.amount) for line in entry if line.amount > ZERO]
    credits = [(line, -line.amount) for line in entry if line.amount < ZERO]
    while debits:
        (debit, left), (credit, right) = debits.pop(0), credits.pop(0)
        yield min(left, right), debit, credit
        if left > right:
            debits.insert(0, (debit, left - right))
        elif right > left:
            credits.insert(0, (credit, right - left))


def _texts(form: Template, file: str, lines: Sequence[Entry], invoices: Invoices) -> dict[str, str]:
    parts = [_filled(form, text, _common(lines)) for text in form.heading]
    for _, group in groupby(lines, key=lambda line: line.reference):
        entry = list(group)
        parts.append(_filled(form, form.texts["entry"], _fields(form, entry[0], invoices)))
        parts += [_filled(form, form.texts["line"], _fields(form, line, invoices)) for line in entry]
    files = {file: "".join(f"{part}{form.line_end}" for part in parts)}
    if "account" in form.texts:
        first = min(line.posting_date for line in lines)
        opened = {_account(form, line): _fields(form, line, invoices) | {"posting_date": first} for line in lines}
        shown = [_filled(form, form.texts["account"], fields) for _, fields in sorted(opened.items())]
        stem, dot, ending = file.partition(".")
        files[f"{stem}_accounts{dot}{ending}"] = "".join(f"{part}{form.line_end}" for part in shown)
    return files


def _common(lines: Sequence[Entry]) -> dict[str, Any]:
    """The fields of a file heading: dates and currency of the journal."""
    dates = [line.posting_date for line in lines]
    return {
        "first_posting_date": min(dates),
        "last_posting_date": max(dates),
        "reporting_month": lines[0].reporting_month,
        "currency": lines[0].currency,
    }


def _fields(form: Template, line: Entry, invoices: Invoices) -> dict[str, Any]:
    invoice = invoices.get((line.contract_id, line.invoice_number), {})
    invoice_date = invoice.get("invoice_date") or line.posting_date
    return {
        "posting_date": line.posting_date,
        "reporting_month": line.reporting_month,
        "invoice_date": invoice_date,
        "due_date": invoice.get("due_date") or invoice_date,
        "currency": line.currency,
        "account": _account(form, line),
        "amount": _number(form, line.amount, line.currency),
        "debit": "" if line.debit is None else _number(form, line.debit, line.currency),
        "credit": "" if line.credit is None else _number(form, line.credit, line.currency),
        **{
            name: _text(form, name, value)
            for name, value in (
                ("description", line.description),
                ("reference", line.reference),
                ("invoice_number", line.invoice_number),
                ("po_number", invoice.get("po_number")),
                ("contract_id", line.contract_id),
                ("network_id", line.network_id),
                ("account_report", line.account_report),
                ("measure_field", line.measure_field),
            )
        },
    }


def _in_base(form: Template, amount: Decimal, currency: str) -> dict[str, str]:
    """Rate, amount and code of the ledger's base currency; empty where the journal is in it, or none is stated."""
    code = form.base.get("currency", currency)
    if code == currency:
        return dict.fromkeys(("rate", "base_amount", "base_currency"), "")
    rate = to_decimal(form.base["rate"])
    return {
        "rate": f"{rounded(rate, max(2, len(form.base['rate'].partition('.')[2]))):f}".replace(".", form.decimal_mark),
        "base_amount": _number(form, amount / rate, code),
        "base_currency": code,
    }


def _account(form: Template, line: Entry) -> str:
    """The account in the ledger's form: by `accounts`, of its role, with characters not `allowed` replaced."""
    account = _text(form, "account", line.account)
    return form.accounts.get(line.role, "{account}").format(account=account)


def _number(form: Template, amount: Decimal, currency: str) -> str:
    return f"{rounded(amount, max(2, minor_digits(currency))):f}".replace(".", form.decimal_mark)


def _text(form: Template, name: str, value: object) -> str:
    text = _CONTROL.sub(" ", "" if value is None else str(value))
    if name in form.allowed:
        text = re.sub(f"[^{form.allowed[name]}]", "-", text)
    text = text[: form.limits.get(name, len(text))]
    return f"'{text}" if form.rows != "text" and _RUNS_AS_FORMULA.match(text) else text


def _cells(form: Template, fields: Mapping[str, Any]) -> list[str]:
    for name, pattern in form.rules.items():
        if not re.fullmatch(pattern, str(fields[name])):
            raise SettingsError(
                f"{name} {fields[name]!r} of {fields['reference']} does not fit {pattern}, which {form.path} states: "
                f"correct journal_accounts.csv or the template"
            )
    return [_filled(form, form.values.get(column, ""), fields) for column in form.columns]


def _filled(form: Template, text: str, fields: Mapping[str, Any]) -> str:
    if form.quotes == "written":
        fields = {name: value.replace('"', '""') if isinstance(value, str) else value for name, value in fields.items()}
    elif form.rows == "text":
        fields = {
            name: value.replace("\\", "\\\\").replace('"', '\\"') if isinstance(value, str) else value
            for name, value in fields.items()
        }
    try:
        return text.format(**fields)
    except KeyError as error:
        raise SettingsError(f"{form.path}: there is no field {error}; there are {', '.join(sorted(fields))}") from error
    except (ValueError, IndexError, AttributeError) as error:
        raise SettingsError(f"{form.path}: {text!r} cannot be filled in ({error})") from error


def _invoices(connection: database.Connection, month: date) -> dict[tuple[int | None, str | None], dict[str, Any]]:
    """Dates and purchase order of the month's invoices, by contract and number."""
    rows = database.records(
        connection,
        "out_invoice_reconciliation",
        columns=["contract_id", "invoice_number", "invoice_date", "due_date", "po_number"],
        reporting_month=month,
    )
    return {(row["contract_id"], row["invoice_number"]): row for row in rows}
