"""The forms of ledgers: the fields that each documents, and the same money in each as in the journal."""

import csv
import hashlib
import io
import json
import os
import re
import shutil
import subprocess
from collections import defaultdict
from dataclasses import replace
from datetime import date
from pathlib import Path

import pyarrow as pa
import pytest

from ecgrid_flows import formats
from ecgrid_flows.errors import NoSuchData, SettingsError
from ecgrid_flows.finance import ledgers
from ecgrid_flows.finance.export import export_month, read_export
from ecgrid_flows.finance.export_files import read_manifest
from ecgrid_flows.finance.journal_entries import Entry, from_table
from ecgrid_flows.finance.ledgers import rendered, template, write_ledgers
from ecgrid_flows.finance.period_close import close_month, verify
from ecgrid_flows.settings import Settings
from ecgrid_flows.storage.opening import open_store
from ecgrid_transforms.money import ZERO, Decimal

from .decided import bucket
from .test_postings import CALL
from .world import MONTH, build, invoiced, line

D = Decimal
DAY = date(2026, 10, 31)
#: Cost of 7,950.11 and a credit of 6.02, 7.96 disputed, 161.02 unexplained: 8,113.07.
LINES = [line(amount="7958.07"), line(mailbox_id=1, measure_field="Credit", amount="-6.02", is_taxable=True)]


@pytest.fixture(scope="module")
def month_exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data directory of these lines, exported; each test has a copy."""
    usd = Settings(data_dir=str(tmp_path_factory.mktemp("ledgers") / "data"), currency="USD")
    build(usd, raw_calls=[CALL], **invoiced(LINES, "8113.07", disputed={0: "7.96"}))
    export_month(usd, MONTH)
    return Path(usd.data_dir)


@pytest.fixture
def exported(month_exported: Path, usd: Settings) -> Settings:
    shutil.copytree(month_exported, usd.data_dir)
    return usd


def ledger(settings: Settings, name: str) -> Path:
    write_ledgers(settings, open_store(settings), MONTH, [name])
    return settings.exports_dir(MONTH) / "ledgers"


def journal(settings: Settings) -> list[Entry]:
    return from_table(read_export(settings.exports_dir(MONTH) / "journal.csv"), MONTH)


def by_account(lines: list[Entry]) -> dict[str, Decimal]:
    sums: dict[str, Decimal] = defaultdict(lambda: ZERO)
    for one in lines:
        sums[one.account] += one.amount
    return dict(sums)


def test_generic_is_the_journal_line_by_line(exported: Settings) -> None:
    text = (ledger(exported, "generic") / "generic.csv").read_bytes().decode("utf-8")
    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    assert rows[0] == {
        "Date": "2026-10-31",
        "Reference": "8753",
        "Account": "6190",
        "Description": "ECGrid credits",
        "Debit": "",
        "Credit": "6.02",
        "Currency": "USD",
        "Month": "2026-10",
    }
    for side in ("Debit", "Credit"):
        assert sum(D(row[side] or 0) for row in rows) == D("8119.09")


def test_a_xero_bill_adds_up_to_the_invoice(exported: Settings) -> None:
    """Xero sums Quantity times UnitAmount of the rows that share an InvoiceNumber; the payable is its own account."""
    text = (ledger(exported, "xero") / "xero.csv").read_bytes().decode("utf-8")
    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    required = (
        "*ContactName",
        "*InvoiceNumber",
        "*InvoiceDate",
        "*DueDate",
        "*Quantity",
        "*UnitAmount",
        "*AccountCode",
    )
    assert all(row[name] for row in rows for name in required)
    assert {row["*InvoiceNumber"] for row in rows} == {"8753"}
    assert {row["*InvoiceDate"] for row in rows} == {"31/10/2026"}
    assert sum(D(row["*Quantity"]) * D(row["*UnitAmount"]) for row in rows) == D("8113.07")
    booked: dict[str, Decimal] = defaultdict(lambda: ZERO)
    for row in rows:
        booked[row["*AccountCode"]] += D(row["*UnitAmount"])
    assert booked == {name: amount for name, amount in by_account(journal(exported)).items() if name != "2000"}


#: The patterns of DATEV's own description (developer.datev.de, Buchungsstapel), by column.
DATEV = {
    "Umsatz (ohne Soll/Haben-Kz)": r"\d{1,10}[,]\d{2}",
    "Soll/Haben-Kennzeichen": r'["](S|H)["]',
    "WKZ Umsatz": r'["][A-Z]{3}["]',
    "Kurs": r"([1-9]\d{0,3}[,]\d{2,6})?",
    "Basis-Umsatz": r"(\d{1,10}[,]\d{2})?",
    "WKZ Basis-Umsatz": r'["]([A-Z]{3})?["]',
    "Konto": r"\d{1,9}",
    "Gegenkonto (ohne BU-Schlüssel)": r"\d{1,9}",
    "Belegdatum": r"\d{4}",
    "Belegfeld 1": r'["][\w$%\-/&*+]{0,36}["]',
    "Buchungstext": r'["].{0,60}["]',
}


def datev_balances(text: str) -> dict[str, Decimal]:
    """The accounts' balances that DATEV makes of a batch; every line is held against its documented fields."""
    heading, columns, *rows = text.removesuffix("\r\n").split("\r\n")
    fields = heading.split(";")
    assert (len(fields), fields[:5]) == (31, ['"EXTF"', "700", "21", '"Buchungsstapel"', "13"])
    assert re.fullmatch(r"20\d{15}", fields[5])
    assert int(fields[10]) >= 1001
    assert (fields[12], fields[13], fields[21]) == ("20260101", "4", '"USD"')
    names = columns.split(";")
    assert (len(names), names[13], names[-1]) == (125, "Buchungstext", "Abw. Skontokonto")
    sums: dict[str, Decimal] = defaultdict(lambda: ZERO)
    for row in rows:
        cells = dict(zip(names, row.split(";"), strict=True))
        for name, pattern in DATEV.items():
            assert re.fullmatch(pattern, cells[name]), (name, cells[name])
        assert fields[14][4:] <= cells["Belegdatum"][2:] + cells["Belegdatum"][:2] <= fields[15][4:]
        amount = D(cells["Umsatz (ohne Soll/Haben-Kz)"].replace(",", "."))
        amount = amount if cells["Soll/Haben-Kennzeichen"] == '"S"' else -amount
        sums[cells["Konto"]] += amount
        sums[cells["Gegenkonto (ohne BU-Schlüssel)"]] -= amount
    return {account: amount for account, amount in sums.items() if amount != ZERO}


def test_a_datev_batch_has_the_documented_fields_and_the_journals_balances(exported: Settings) -> None:
    data = (ledger(exported, "datev") / "EXTF_Buchungsstapel.csv").read_bytes()
    assert datev_balances(data.decode("cp1252")) == by_account(journal(exported))
    _, columns, *rows = data.decode("cp1252").removesuffix("\r\n").split("\r\n")
    names = ("Umsatz (ohne Soll/Haben-Kz)", "Soll/Haben-Kennzeichen", "Konto", "Gegenkonto (ohne BU-Schlüssel)")
    cells = [dict(zip(columns.split(";"), row.split(";"), strict=True)) for row in rows]
    assert sorted(tuple(one[name] for name in names) for one in cells) == [
        ("161,02", '"S"', "1320", "2000"),
        ("6,02", '"H"', "6190", "2000"),
        ("7,96", '"S"', "1310", "2000"),
        ("7950,11", '"S"', "6100", "2000"),
    ], "each line against the payable"


def test_a_datev_batch_without_a_payable_pairs_debits_and_credits(exported: Settings) -> None:
    """A settled dispute, of 7.00 and 0.96 on two accounts, and texts that a batch cannot carry as they are."""
    one = replace(journal(exported)[0], reference="8753_C;1", description='Größe "0"; Δ ' + "x" * 80)
    lines = [
        replace(one, account="6100", debit=D("7"), credit=None),
        replace(one, account="6110", debit=D("0.96"), credit=None),
        replace(one, account="1310", debit=None, credit=D("7.96")),
    ]
    (text,) = rendered(template(exported, "datev"), "x.csv", lines, {}).values()
    assert ';"8753-C-1";' in text
    assert '"Größe ""0"";' in text
    balances = datev_balances(text.replace('""0"";', "0"))
    assert balances == {"6100": D("7"), "6110": D("0.96"), "1310": D("-7.96")}


@pytest.mark.parametrize("sign", [1, -1], ids=["one debit, two credits", "one credit, two debits"])
def test_what_is_left_of_a_line_is_paired_with_the_next(exported: Settings, sign: int) -> None:
    """10.00 on 6100 is paired with 4.00 and 6.00; 3.00 on 6110 with the 3.00 that follow."""
    one = replace(journal(exported)[0], reference="8753-C1")
    amounts = {"6100": D(10), "6110": D(3), "1310": D(-4), "1320": D(-6), "1330": D(-3)}
    lines = []
    for account, amount in ((account, amount * sign) for account, amount in amounts.items()):
        debit, credit = (amount, None) if amount > ZERO else (None, -amount)
        lines.append(replace(one, account=account, debit=debit, credit=credit))
    (text,) = rendered(template(exported, "datev"), "x.csv", lines, {}).values()
    assert datev_balances(text) == {account: amount * sign for account, amount in amounts.items()}
    _, columns, *rows = text.removesuffix("\r\n").split("\r\n")
    names = ("Umsatz (ohne Soll/Haben-Kz)", "Konto", "Gegenkonto (ohne BU-Schlüssel)")
    cells = [dict(zip(columns.split(";"), row.split(";"), strict=True)) for row in rows]
    found = {(one[names[0]], frozenset((one[names[1]], one[names[2]]))) for one in cells}
    assert found == {
        ("4,00", frozenset(("6100", "1310"))),
        ("6,00", frozenset(("6100", "1320"))),
        ("3,00", frozenset(("6110", "1330"))),
    }


def test_a_datev_batch_has_no_line_of_nothing(exported: Settings) -> None:
    """DATEV takes no amount of 0: of a debit of 0, a debit and a credit of 7.96 one line is written."""
    one = replace(journal(exported)[0], reference="8753-C1")
    lines = [
        replace(one, account="6110", debit=ZERO, credit=None),
        replace(one, account="6100", debit=D("7.96"), credit=None),
        replace(one, account="1310", debit=None, credit=D("7.96")),
    ]
    (text,) = rendered(template(exported, "datev"), "x.csv", lines, {}).values()
    assert datev_balances(text) == {"6100": D("7.96"), "1310": D("-7.96")}
    assert text.count("8753-C1") == 1


def with_base(exported: Settings, rate: str, currency: str = "EUR") -> Settings:
    """The shipped form with a base currency, as a user's copy."""
    shipped = template(replace(exported, data_dir=f"{exported.data_dir}/none"), "datev").path.read_text("utf-8")
    folder = Path(exported.data_dir) / "reference/ledgers"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "datev.toml").write_text(f'{shipped}\n[base]\ncurrency = "{currency}"\nrate = "{rate}"\n', "utf-8")
    return exported


def test_a_datev_batch_in_a_foreign_currency_has_rate_and_base_amount(exported: Settings) -> None:
    """DATEV, Buchungsstapel #4: of a foreign amount #4, #5 and #6 are due. 7,950.11 USD at 1.25 is 6,360.09 EUR."""
    text = (ledger(with_base(exported, "1.25"), "datev") / "EXTF_Buchungsstapel.csv").read_bytes().decode("cp1252")
    assert datev_balances(text) == by_account(journal(exported)), "the amounts stay those of the journal"
    _, columns, *rows = text.removesuffix("\r\n").split("\r\n")
    names = ("Umsatz (ohne Soll/Haben-Kz)", "WKZ Umsatz", "Kurs", "Basis-Umsatz", "WKZ Basis-Umsatz")
    cells = [dict(zip(columns.split(";"), row.split(";"), strict=True)) for row in rows]
    shown = {tuple(one[name] for name in names) for one in cells}
    assert ("7,96", '"USD"', "1,25", "6,37", '"EUR"') in shown  # 7.96 / 1.25 = 6.368
    assert ("161,02", '"USD"', "1,25", "128,82", '"EUR"') in shown  # 161.02 / 1.25 = 128.816
    assert {one[2:3] + one[4:] for one in shown} == {("1,25", '"EUR"')}
    own = (ledger(with_base(exported, "1.25", "USD"), "datev") / "EXTF_Buchungsstapel.csv").read_bytes()
    assert b';;;"";' in own, "no rate where the journal is in the base currency"


@pytest.mark.parametrize(
    ("rate", "words"),
    [
        ("0.92", r"rate '0,92' of 8753 does not fit"),
        ("0", "a rate above 0"),
        ("x", "NotADecimal"),
        ("1,08", "NotADecimal"),
    ],
)
def test_a_rate_that_datev_does_not_take_is_refused(exported: Settings, rate: str, words: str) -> None:
    with pytest.raises(SettingsError, match=words):
        ledger(with_base(exported, rate), "datev")


def test_an_account_that_a_ledger_does_not_know_is_named(exported: Settings) -> None:
    lines = [replace(journal(exported)[0], account="61A")]
    with pytest.raises(SettingsError, match=r"account '61A' of 8753 does not fit .*, which .*datev.toml states"):
        rendered(template(exported, "datev"), "x.csv", [*lines, journal(exported)[-1]], {})


BEAN_CHECK = os.environ.get("BEAN_CHECK") or shutil.which("bean-check")


def test_a_beancount_file_has_the_journals_balances(exported: Settings) -> None:
    folder = ledger(exported, "beancount")
    text = (folder / "journal.beancount").read_text(encoding="utf-8")
    assert text.split("\n")[1:4] == [
        '2026-10-31 * "Loren Data" "ECGrid 2026-10, 8753"',
        '  invoice: "8753"',
        '  contract: "8751"',
    ]
    sums: dict[str, Decimal] = defaultdict(lambda: ZERO)
    for account, amount in re.findall(r"^  [A-Z]\w+:\w+:(\S+)  (-?[\d.]+) USD$", text, re.MULTILINE):
        sums[account] += D(amount)
    assert sums == by_account(journal(exported))


def test_a_beancount_file_has_quotes_escaped_and_its_accounts_opened_at_the_first_posting(exported: Settings) -> None:
    lines = journal(exported)
    later = replace(lines[0], posting_date=date(2026, 11, 30), reference="8753-C1", description='=6" \\ more')
    files = rendered(template(exported, "beancount"), "journal.beancount", [later, *lines], {})
    assert '    memo: "=6\\" \\\\ more TrafficAll Credit"\n' in files["journal.beancount"]
    opened_at = "2026-10-31 open {}"
    accounts = ("Assets:ECGrid:1310", "Assets:ECGrid:1320", "Expenses:ECGrid:6100", "Expenses:ECGrid:6190")
    assert files["journal_accounts.beancount"].splitlines() == [
        opened_at.format(account) for account in (*accounts, "Liabilities:LorenData:2000")
    ]


@pytest.mark.skipif(BEAN_CHECK is None, reason="no bean-check; BEAN_CHECK names that of another environment")
def test_bean_check_accepts_the_file(exported: Settings, tmp_path: Path) -> None:
    folder = ledger(exported, "beancount")
    whole = tmp_path / "all.beancount"
    includes = [f'include "{path}"\n' for path in sorted(folder.glob("*.beancount"))]
    balance = "balance Liabilities:LorenData:2000  -{} USD\n"
    for owed, expected in (("8113.07", 0), ("8113.10", 1)):  # a wrong balance is seen
        whole.write_text("".join(includes) + f"2026-11-01 {balance.format(owed)}")
        done = subprocess.run([str(BEAN_CHECK), str(whole)], capture_output=True, text=True, check=False)
        assert done.returncode == expected, done.stderr


def test_each_form_stays_beside_the_others_and_an_unchanged_export(exported: Settings) -> None:
    generic = (ledger(exported, "generic") / "generic.csv").read_bytes()
    folder = ledger(exported, "xero")
    assert (folder / "generic.csv").read_bytes() == generic
    files = read_manifest(folder)["files"]
    assert {name: entry["ledger"] for name, entry in files.items()} == {"generic.csv": "generic", "xero.csv": "xero"}
    totals = {"debit": "8119.09", "credit": "8119.09"}
    assert all(entry["control_totals"] == totals for entry in files.values())
    before = (folder / "xero.csv").read_bytes()
    export_month(exported, MONTH)
    assert (folder / "xero.csv").read_bytes() == before


def test_only_complete_files_of_other_ledgers_stay(tmp_path: Path) -> None:
    assert ledgers._others(tmp_path, "generic") == {}
    entry = {"sha256": hashlib.sha256(b"x").hexdigest()}
    kinds = {"generic.csv": "generic", "xero.csv": "xero", "changed.csv": "xero", "lost.csv": "xero"}
    files = {name: {**entry, "ledger": kind} for name, kind in kinds.items()}
    (tmp_path / "manifest.json").write_text(json.dumps({**formats.stamp("export"), "files": files}), "utf-8")
    for name, data in (("generic.csv", b"x"), ("xero.csv", b"x"), ("changed.csv", b"y")):
        (tmp_path / name).write_bytes(data)
    assert ledgers._others(tmp_path, "generic") == {"xero.csv": files["xero.csv"]}


def test_forms_reach_the_bucket_and_a_journal_without_lines_has_none(
    exported: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Corrections of an earlier release have no column `correction`; a present release writes them anew."""
    folder, changed = exported.exports_dir(MONTH), "corrections/corrections_journal.csv"
    (folder / "corrections").mkdir()
    (folder / changed).touch()
    whole = read_export(folder / "journal.csv")
    tables = {"journal.csv": whole, "corrections_journal.csv": whole}
    monkeypatch.setattr(ledgers, "read_export", lambda path: tables[path.name])
    assert write_ledgers(exported, bucket(tmp_path / "bucket"), MONTH, []) == []

    def published() -> set[str]:
        paths = write_ledgers(exported, bucket(tmp_path / "bucket"), MONTH, ["generic"])
        found = {path.name for path in (tmp_path / "bucket/exports/2026-10/ledgers").iterdir()}
        assert found == {path.name for path in paths}
        return found

    assert published() == {"generic.csv", "manifest.json"}
    numbers = pa.array([1] + [2] * (whole.num_rows - 1), pa.int32())
    tables["corrections_journal.csv"] = whole.append_column("correction", numbers)
    assert published() == {"generic.csv", "generic_C1.csv", "generic_C2.csv", "manifest.json"}
    assert read_manifest(folder / "ledgers")["files"]["generic_C1.csv"]["lines"] == 1
    tables["journal.csv"] = whole.slice(0, 0)
    assert published() == {"generic_C1.csv", "generic_C2.csv", "manifest.json"}
    manifest = read_manifest(folder)
    del manifest["files"]["journal.csv"]
    (folder / "manifest.json").write_text(json.dumps(manifest), "utf-8")
    with pytest.raises(NoSuchData, match=r"has no journal\.csv: set ECGRID_CURRENCY"):
        published()


def test_a_users_template_goes_first_and_corrections_have_their_own_file(exported: Settings) -> None:
    own = Path(exported.data_dir) / "reference/ledgers"
    own.mkdir(parents=True)
    (own / "generic.toml").write_text(
        'file = "mine.csv"\nrows = "lines"\nseparator = ";"\ndecimal_mark = ","\ncolumns = ["Konto", "Betrag"]\n'
        '[values]\nKonto = "{account}"\nBetrag = "{amount}"\n'
    )
    store = open_store(exported)
    close_month(exported, store, MONTH, {})
    changed = [*LINES, line(mailbox_id=2, amount="3")]
    build(exported, raw_calls=[CALL], **invoiced(changed, "8116.07", disputed={0: "7.96"}))
    export_month(exported, MONTH)
    folder = ledger(exported, "generic")
    assert (folder / "mine.csv").read_text().splitlines()[-1] == "2000;-8113,07"
    assert (folder / "mine_C1.csv").read_text().splitlines() == ["Konto;Betrag", "6100;3,00", "2000;-3,00"]
    assert verify(exported, store, MONTH).faults == ()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("rows = 1", "is no template of a ledger"),
        ('file = "a.csv"\nrows = "some"', "rows is 'some'; write lines, bill, pairs, text"),
        ('file = "../a.csv"\nrows = "lines"', "write a file's name without a folder"),
        ('file = "manifest.json"\nrows = "lines"', "write a file's name without a folder"),
        ('file = "a.csv"\nrows = "lines"\nencoding = "utf-9"', "LookupError: unknown encoding"),
        ('file = "a.csv"\nrows = "lines"\n[base]\ncurrency = "XYZ"\nrate = "1"', "base needs a currency of ISO 4217"),
        ('file = "a.csv"\nrows = "lines"\n[values]\nX = "1"', "there is no column 'X'"),
        ('file = "a.csv"\nrows = "lines"\ncolumns = ["X"]\n[values]\nX = "{what}"', "there is no field 'what'"),
        ('file = "a.csv"\nrows = "lines"\ncolumns = ["X"]\n[values]\nX = "{account:%d}"', "cannot be filled in"),
    ],
)
def test_a_template_that_cannot_be_followed_is_named(settings: Settings, text: str, said: str) -> None:
    own = Path(settings.data_dir) / "reference/ledgers"
    own.mkdir(parents=True)
    (own / "mine.toml").write_text(text)
    entry = Entry(MONTH, MONTH, "USD", "6100", "x", D("1"), None, "8753", "charge", "8753", 8751)
    with pytest.raises(SettingsError, match=said):
        rendered(template(settings, "mine"), "a.csv", [entry], {})


def test_no_cell_begins_a_formula(settings: Settings) -> None:
    entry = Entry(date(2026, 10, 31), MONTH, "USD", "6100", "=1+1", D("1"), None, "@8753", "charge", "@8753", 8751)
    for name in ("generic", "xero"):
        (text,) = rendered(template(settings, name), "a.csv", [entry], {}).values()
        cells = [cell for row in csv.reader(io.StringIO(text, newline="")) for cell in row]
        assert not [cell for cell in cells if cell[:1] in "=+@-" and cell]


def test_an_unknown_ledger_is_refused(settings: Settings) -> None:
    with pytest.raises(SettingsError, match="no ledger 'sap': write beancount, datev, generic, xero"):
        template(settings, "sap")


def test_the_fields_of_a_line_by_hand(settings: Settings) -> None:
    """Dates are the invoice's where they are known; a yen has two decimals here all the same, a dinar three."""
    form = replace(template(settings, "generic"), limits={"description": 3}, allowed={"reference": "A-Z0-9"})
    entry = Entry(DAY, MONTH, "KWD", "6100", "abcd", None, D("1.5"), "a-7", "charge", "INV", 8751, 4443, "R", "M", True)
    known = {"invoice_date": date(2026, 11, 2), "due_date": date(2026, 12, 2), "po_number": "=PO"}
    fields = ledgers._fields(form, entry, {(8751, "INV"): known})
    assert fields == {
        "posting_date": DAY,
        "reporting_month": MONTH,
        "invoice_date": date(2026, 11, 2),
        "due_date": date(2026, 12, 2),
        "currency": "KWD",
        "account": "6100",
        "amount": "-1.500",
        "debit": "",
        "credit": "1.500",
        "description": "abc",
        "reference": "'--7",
        "invoice_number": "INV",
        "po_number": "'=PO",
        "contract_id": "8751",
        "network_id": "4443",
        "account_report": "R",
        "measure_field": "M",
    }
    undated = ledgers._fields(form, entry, {(8751, "INV"): {**known, "due_date": None}, (8752, "INV"): {}})
    assert undated["due_date"] == date(2026, 11, 2)
    unknown = ledgers._fields(form, replace(entry, debit=D(2), credit=None, currency="JPY"), {})
    assert (unknown["invoice_date"], unknown["due_date"], unknown["po_number"]) == (DAY, DAY, "")
    assert (unknown["debit"], unknown["credit"], unknown["amount"]) == ("2.00", "", "2.00")
    earlier = replace(entry, posting_date=date(2026, 10, 30))
    assert ledgers._common([entry, earlier, entry]) == {
        "first_posting_date": date(2026, 10, 30),
        "last_posting_date": DAY,
        "reporting_month": MONTH,
        "currency": "KWD",
    }


def test_the_rate_of_a_base_currency_has_two_decimals_at_least(settings: Settings) -> None:
    """10.00 at 1.2345 is 8.1004…, of which the yen shows 8.10 here."""
    form = replace(template(settings, "generic"), base={"currency": "JPY", "rate": "1.2345"}, decimal_mark=",")
    assert ledgers._in_base(form, D(10), "USD") == {"rate": "1,2345", "base_amount": "8,10", "base_currency": "JPY"}
    assert ledgers._in_base(form, D(10), "JPY") == {"rate": "", "base_amount": "", "base_currency": ""}
    whole = replace(form, base={"currency": "EUR", "rate": "4"})
    assert ledgers._in_base(whole, D(10), "USD") == {"rate": "4,00", "base_amount": "2,50", "base_currency": "EUR"}
