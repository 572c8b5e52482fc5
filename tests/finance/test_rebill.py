"""What clients owe: every cent of the invoices lands on a client, and a statement that was closed does not change."""

import csv
import hashlib
import io
import json
import re
import shutil
import signal
import subprocess
import sys
from contextlib import closing
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as checked
from hypothesis import strategies as st
from typer.testing import CliRunner

from ecgrid_flows.cli import app
from ecgrid_flows.errors import NoSuchData, SettingsError
from ecgrid_flows.finance import audit_log, rebill
from ecgrid_flows.finance.export import DoesNotTie
from ecgrid_flows.finance.export_files import opened
from ecgrid_flows.finance.finding_states import open_errors
from ecgrid_flows.finance.period_close import close_month, reopen_month
from ecgrid_flows.finance.rebill import Rebilled, gaps, rebill_month
from ecgrid_flows.rating import quote
from ecgrid_flows.settings import Settings
from ecgrid_flows.storage.opening import open_store
from ecgrid_flows.warehouse import client_files, database
from ecgrid_transforms.money import ZERO, Decimal, money_text, plain, total
from tests.support.lake_of import shipped_dir

from . import world
from .decided import bucket, contents

pytestmark = pytest.mark.slow

OCTOBER = date(2026, 10, 1)
SEPTEMBER = date(2026, 9, 1)
D = Decimal
#: What the invoices of the shipped world ask for 2026-10.
INVOICED = Decimal("52123.07")
LADDER = """account_report,measure_field,model,tier,minimum,maximum,allowance,block,rate,flat
TrafficKCInterchangeTiered,TieredKCIntCount,graduated,1,0,1000,20,5,0.30,
TrafficKCInterchangeTiered,TieredKCIntCount,graduated,2,1000,,,5,0.20,1.50
"""


@pytest.fixture(scope="module")
def shipped(once: object) -> Path:
    return shipped_dir(once)


@pytest.fixture
def data(shipped: Path, tmp_path: Path) -> Settings:
    """A data directory of the test's own with the shipped world's warehouse, all four months."""
    return own(shipped, tmp_path / "data")


def own(shipped: Path, folder: Path) -> Settings:
    (folder / "warehouse").mkdir(parents=True)
    shutil.copyfile(shipped / "warehouse/billing.duckdb", folder / "warehouse/billing.duckdb")
    return Settings(data_dir=str(folder), currency="USD")


def write(settings: Settings, clients: str = "", prices: str = "", allocation: str = "", ladder: str = "") -> None:
    folder = Path(settings.data_dir) / "reference"
    (folder / "ladders").mkdir(parents=True, exist_ok=True)
    for name, rows in ((client_files.CLIENTS, clients), ("client_prices.csv", prices), ("allocation.csv", allocation)):
        header = ",".join(client_files.COLUMNS[name])
        (folder / name).write_text(f"{header}\n{rows}", encoding="utf-8")
    if ladder:
        (folder / "ladders/kc.csv").write_text(ladder, encoding="utf-8")


def billed(settings: Settings, month: date = OCTOBER) -> Rebilled:
    store = open_store(settings)
    return rebill_month(settings, store, audit_log.read(store), month)


def lines(settings: Settings, **equals: object) -> list[dict[str, object]]:
    with closing(database.connect(settings.warehouse_path)) as connection:
        found: list[dict[str, object]] = database.rows(connection, "out_rebill_lines", **equals).to_pylist()
    return found


def statement(settings: Settings, client: str, month: str = "2026-10") -> list[dict[str, str]]:
    path = Path(settings.data_dir) / "rebill" / month / f"{client}.csv"
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_without_a_client_file_every_cent_is_unassigned(data: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Costs that are a cent below what the invoices ask are refused."""
    done = billed(data)
    assert done.cost == done.invoiced == INVOICED
    found = lines(data)
    assert {row["client"] for row in found} == {"unassigned"}
    accounts = [(row["reporting_month"], row["network_id"]) for row in found if row["network_id"] is not None]
    assert accounts == sorted(accounts)
    assert done.statements == {}
    assert done.without_price == ()
    shutil.rmtree(Path(data.data_dir) / "rebill")
    monkeypatch.setattr(rebill, "_invoices", lambda *_: (INVOICED + D("0.01"), []))
    with pytest.raises(DoesNotTie, match=r"add up to 52,123\.07, its invoices to 52,123\.08: nothing was written"):
        billed(data)
    assert not (Path(data.data_dir) / "rebill").exists()


ACCOUNTS = [(network, mailbox) for network in (4440, 4443, 4447, 4451) for mailbox in (None, 0)]
given_clients = st.dictionaries(st.sampled_from(ACCOUNTS), st.sampled_from(["A", "B", "C"]))
given_rules = st.dictionaries(
    st.tuples(
        st.sampled_from([8751, 8752, 8753, 8755, 18751]),
        st.sampled_from(["", "minimum", "percentages", "credit", "shared_tiers", "other"]),
    ),
    st.sampled_from(["proportional", "standalone", "even"]),
)


@pytest.fixture(scope="module")
def reused(shipped: Path, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return own(shipped, tmp_path_factory.mktemp("rebill") / "data")


@checked(max_examples=6, deadline=None, suppress_health_check=list(HealthCheck))
@given(clients=given_clients, rules=given_rules, disputed=st.sampled_from(["include", "exclude"]))
def test_the_costs_of_any_clients_add_up_to_the_invoices(
    reused: Settings, clients: dict[tuple[int, int | None], str], rules: dict[tuple[int, str], str], disputed: str
) -> None:
    settings = replace(reused, rebill_disputed=disputed)
    write(
        settings,
        "".join(
            f"{network},{'' if mailbox is None else mailbox},{client},,,\n"
            for (network, mailbox), client in clients.items()
        ),
        "".join(f"{client},,,pass_through,,,,\n" for client in sorted(set(clients.values()))),
        "".join(f"{contract},{charge},{rule}\n" for (contract, charge), rule in rules.items()),
    )
    done = billed(settings)
    held = ZERO
    if disputed == "exclude":
        with closing(database.connect(settings.warehouse_path)) as connection:
            rows = database.rows(connection, "out_invoice_reconciliation", reporting_month=OCTOBER).to_pylist()
        held = total([row["disputed_amount"] for row in rows])
        assert held > ZERO or not any(row["check_name"] == "identity_mismatch" for row in _findings(settings))
    found = lines(settings, reporting_month=OCTOBER)
    assert total([row["cost"] for row in found]) == done.invoiced == INVOICED - held
    assert {row["client"] for row in found} <= {*clients.values(), "unassigned"}
    assert all(row["price"] == row["cost"] for row in found if row["client"] != "unassigned")


def _findings(settings: Settings) -> list[dict[str, object]]:
    with closing(database.connect(settings.warehouse_path)) as connection:
        rows: list[dict[str, object]] = database.rows(connection, "out_findings", reporting_month=OCTOBER).to_pylist()
    return rows


@pytest.mark.long
def test_prices_of_an_own_ladder_are_those_of_quote(data: Settings) -> None:
    write(data, "4443,,Acme,,,\n", "Acme,,,pass_through,,,,\nAcme,,TieredKCIntCount,ladder,kc.csv,down,,\n", "", LADDER)
    billed(data)
    found = lines(data, client="Acme", measure_field="TieredKCIntCount", reporting_month=OCTOBER)
    assert len(found) > 5
    tiers = [
        {"minimum": "0", "maximum": "1000", "rate": "0.30", "block": "5"},
        {"minimum": "1000", "maximum": None, "rate": "0.20", "flat": "1.50", "block": "5"},
    ]
    asked = [
        {
            "id": str(row["mailbox_id"]),
            "quantity": plain(row["quantity"]),
            "allowance": "20",
            "tiers": tiers,
            "reading": {"model": "graduated", "blocks": "down"},
        }
        for row in found
    ]
    answers = {one["id"]: one for one in map(json.loads, quote.rate(json.dumps(one).encode() for one in asked))}
    assert {str(row["mailbox_id"]): row["price"] for row in found} == {
        name: Decimal(one["amount"]) for name, one in answers.items()
    }


def test_a_line_without_a_rule_is_an_error_and_withholds_the_statement(data: Settings) -> None:
    write(data, "4440,,Acme,,,\n4443,,Beta,,,\n", "Acme,,,markup_percent,10,,,\nBeta,,TotalKCs,pass_through,,,,\n")
    done = CliRunner().invoke(app, ["rebill", "--month", "2026-10", "--json", "--data-dir", data.data_dir])
    assert done.exit_code == 1, done.output
    told = json.loads(done.stdout)
    assert {row["client"] for row in told["without_price"]} == {"Beta"}
    assert {one["client"]: one["has_statement"] for one in told["clients"]} == {
        "Acme": True,
        "Beta": False,
        "unassigned": False,
    }
    (beta,) = (one for one in told["clients"] if one["client"] == "Beta")
    assert (beta["price"], beta["margin"]) == (None, None)
    month, accounts, without = gaps(data)
    assert month == OCTOBER
    assert len(without) == len(told["without_price"])
    assert "4447/0" in accounts


def test_gaps_are_of_the_last_month_and_name_accounts_and_lines(data: Settings) -> None:
    """A minimum of a contract without a client has no account to name."""
    rows = [
        (OCTOBER, "unassigned", 4447, 0, "TrafficAll", "TotalKCs", None),
        (OCTOBER, "unassigned", 4447, 0, "TrafficAll", "FromKCs", None),
        (OCTOBER, "unassigned", None, None, "FixedRate", "MonthlyMinimum", None),
        (OCTOBER, "Beta", 4443, 5, "TrafficAll", "TotalKCs", None),
        (OCTOBER, "Beta", 4443, 5, "TrafficAll", "FromKCs", Decimal("1.00")),
        (OCTOBER, "Beta", 4443, 5, "TrafficAll", "KCs", None),
        (SEPTEMBER, "Beta", 4443, 6, "TrafficAll", "TotalKCs", None),
        (SEPTEMBER, "unassigned", 4448, 0, "TrafficAll", "TotalKCs", None),
    ]
    names = "reporting_month", "client", "network_id", "mailbox_id", "account_report", "measure_field", "price"
    with closing(database.connect(data.warehouse_path)) as connection:
        schema = connection.table("out_rebill_lines").limit(0).to_arrow_table().schema
    columns = dict(zip(names, zip(*rows, strict=True), strict=True))
    nothing = [None] * len(rows)
    table = pa.table([pa.array(columns.get(field.name, nothing), field.type) for field in schema], schema=schema)
    database.refill(data.warehouse_path, "out_rebill_lines", table)
    without = ("Beta: 4443/5 TrafficAll KCs", "Beta: 4443/5 TrafficAll TotalKCs")
    assert gaps(data) == (OCTOBER, ("4447/0",), without)


def test_nothing_of_cost_or_margin_is_in_a_statement(data: Settings, tmp_path: Path) -> None:
    """Each cost of the client, its rule and its margin are searched in the bytes; prices are 3.37 times the costs.

    A bucket has the same files.
    """
    write(data, "4440,,Acme,K1,,\n", "Acme,,,markup_percent,237,,,\n")
    rebill_month(data, bucket(tmp_path / "bucket"), audit_log.Log((), ()), OCTOBER)
    assert contents(tmp_path / "bucket/rebill/2026-10") == contents(Path(data.data_dir) / "rebill/2026-10")
    found = [row for row in lines(data, client="Acme", reporting_month=OCTOBER) if row["cost"]]
    prices = {f"{row['price']:.2f}" for row in found}
    hidden = {f"{row[name]:.2f}" for row in found for name in ("cost", "margin")} - prices
    assert len(hidden) > 20
    folder = Path(data.data_dir) / "rebill/2026-10"
    for name in ("Acme.csv", "Acme.html"):
        text = (folder / name).read_text(encoding="utf-8").replace(",", " ").replace("<", " ").replace(">", " ").split()
        assert not hidden & set(text)
        assert not {"cost", "margin", "markup_percent", "237"} & set(text)
    owed = total([Decimal(row["price"]) for row in statement(data, "Acme")])
    assert owed == total([row["price"] for row in found])


@pytest.mark.long
def test_a_closed_statement_keeps_its_number_and_what_changes_is_on_the_next(data: Settings) -> None:
    write(data, "4440,,Acme,,,\n4443,,Beta,,,\n", "Acme,,,pass_through,,,,\nBeta,,,pass_through,,,,\n")
    store = open_store(data)
    _close(data, SEPTEMBER)
    first = {name: statement(data, name, "2026-09") for name in ("Acme", "Beta")}
    assert {row["statement_number"] for rows in first.values() for row in rows} == {"S000001", "S000002"}
    before = (Path(data.data_dir) / "rebill/2026-09/Acme.csv").read_bytes()

    write(data, "4440,,Acme,,,\n4443,,Beta,,,\n", "Acme,,,markup_percent,10,,,\nBeta,,,pass_through,,,,\n")
    billed(data, SEPTEMBER)
    reopen_month(store, SEPTEMBER, "looked at again")
    billed(data, SEPTEMBER)
    assert (Path(data.data_dir) / "rebill/2026-09/Acme.csv").read_bytes() == before

    billed(data)
    october = statement(data, "Acme")
    assert {row["entry"] for row in statement(data, "Beta")} == {"charge"}
    corrected = [row for row in october if row["entry"] == "correction"]
    assert {row["reporting_month"] for row in corrected} == {"2026-09-01"}
    changed = {
        f"{row['mailbox_id']} {row['measure_field']}": row["price"] - row["cost"]
        for row in lines(data, client="Acme", reporting_month=SEPTEMBER)
        if row["price"] != row["cost"]
    }
    assert {f"{row['mailbox_id']} {row['measure_field']}": Decimal(row["price"]) for row in corrected} == changed

    _close(data, SEPTEMBER)
    _close(data, OCTOBER)
    numbers = {name: statement(data, name)[0]["statement_number"] for name in ("Acme", "Beta")}
    assert numbers == {"Acme": "S000003", "Beta": "S000004"}
    for name in ("Acme", "Beta"):
        issued = [Decimal(row["price"]) for month in ("2026-09", "2026-10") for row in statement(data, name, month)]
        present = [
            row["price"] for month in (SEPTEMBER, OCTOBER) for row in lines(data, client=name, reporting_month=month)
        ]
        assert total(issued) == total(present)


#: Closes 2026-09 in the data directory of the first argument, and is killed where the function of the second is called.
KILLED = """
import os, signal, sys
from importlib import import_module
from pathlib import Path
sys.path.insert(0, sys.argv[3])
from tests.finance import test_rebill
module, _, name = sys.argv[2].rpartition(".")
setattr(import_module(module), name, lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL))
test_rebill._close(test_rebill.Settings(data_dir=sys.argv[1], currency="USD"), test_rebill.SEPTEMBER)
"""


@pytest.mark.long
@pytest.mark.parametrize(
    "at", ["period_close.put_file", "rebill.rebill_month"], ids=["before its entry", "after its entry"]
)
def test_a_closing_that_is_killed_leaves_no_gap_in_the_numbers(data: Settings, at: str) -> None:
    """Before its entry in the log nothing is numbered; after it the statements have their numbers for good."""
    write(data, "4440,,Acme,,,\n4443,,Beta,,,\n", "Acme,,,pass_through,,,,\nBeta,,,pass_through,,,,\n")
    root = str(Path(__file__).parents[2])
    command = [sys.executable, "-c", KILLED, data.data_dir, f"ecgrid_flows.finance.{at}", root]
    assert subprocess.run(command, check=False).returncode == -signal.SIGKILL
    if at == "period_close.put_file":
        assert {row["statement_number"] for row in lines_of_statements(data, "2026-09")} == set()
        _close(data, SEPTEMBER)
    billed(data, SEPTEMBER)
    assert {row["statement_number"] for row in lines_of_statements(data, "2026-09")} == {"S000001", "S000002"}
    _close(data, OCTOBER)
    assert {row["statement_number"] for row in lines_of_statements(data, "2026-10")} == {"S000003", "S000004"}


def lines_of_statements(settings: Settings, month: str) -> list[dict[str, str]]:
    folder = Path(settings.data_dir) / "rebill" / month
    names = (path.stem for path in folder.glob("*.csv") if path.name != rebill.MARGIN)
    return [row for name in names for row in statement(settings, name, month)]


def _close(settings: Settings, month: date) -> None:
    store = open_store(settings)
    with closing(database.connect(settings.warehouse_path)) as connection:
        found = open_errors(connection, audit_log.read(store), month)
    close_month(settings, store, month, {row["finding_id"]: "seen" for row in found})


WRONG = {
    "client_prices.csv, line 2, column client": ("", "Acme,,,pass_through,,,,\n", ""),
    "clients.csv, line 2, column network_id": ("x,,Acme,,,\n", "", ""),
    "clients.csv, line 2, column client": ("1,,unassigned,,,\n", "", ""),
    "clients.csv, line 3, column valid_from": ("1,2,Acme,,,\n1,2,Beta,,2026-10-01,\n", "", ""),
    "clients.csv, line 2, column valid_to": ("1,2,Acme,,2026-10-01,2026-09-01\n", "", ""),
    "client_prices.csv, line 2, column rule": ("1,,Acme,,,\n", "Acme,,,free,,,,\n", ""),
    "client_prices.csv, line 2, column value": ("1,,Acme,,,\n", "Acme,,,markup_percent,ten,,,\n", ""),
    "client_prices.csv, line 2, column measure_field": ("1,,Acme,,,\n", "Acme,,KCs,pass_through,,,,\n", ""),
    "client_prices.csv, line 2, column reading": ("1,,Acme,,,\n", "Acme,,,ladder,kc,gradual,,\n", ""),
    "client_prices.csv, line 2, column minimum": ("1,,Acme,,,\n", "Acme,,,pass_through,,,-1,\n", ""),
    "allocation.csv, line 2, column charge": ("", "", "1,minima,even\n"),
    "allocation.csv, line 3, column contract_id": ("", "", "1,minimum,even\n1,minimum,even\n"),
}


@pytest.mark.parametrize("place", WRONG)
def test_a_wrong_cell_is_named_by_file_line_and_column(tmp_path: Path, place: str) -> None:
    settings = Settings(data_dir=str(tmp_path))
    write(settings, *WRONG[place], LADDER)
    with pytest.raises(SettingsError, match=place):
        client_files.read([tmp_path / "reference"])


@pytest.mark.parametrize(
    ("cell", "place"),
    [
        ("TieredKCIntCount,graduated,1,0,1000", "line 3, column model"),
        ("TieredKCIntCount,volume,1,0,", "line 2, column maximum"),
        ("TieredKCIntCount,volume,1,0,900", "line 3, column minimum"),
        ("TieredKCIntCount,volume,3,0,1000", "line 3, column tier"),
    ],
)
def test_a_malformed_ladder_is_refused(tmp_path: Path, cell: str, place: str) -> None:
    text = LADDER.replace("TieredKCIntCount,graduated,1,0,1000", cell).replace("graduated,2", "volume,2")
    write(Settings(data_dir=str(tmp_path)), ladder=text)
    with pytest.raises(SettingsError, match=place):
        client_files.read([tmp_path / "reference"])


def test_decisions_reach_the_costs_without_a_build(data: Settings) -> None:
    settings = replace(data, rebill_disputed="exclude")
    before = billed(settings).cost
    store = open_store(settings)
    from ecgrid_flows.finance.finding_states import find_of_checks, set_state

    with closing(database.connect(settings.warehouse_path)) as connection:
        found = find_of_checks(connection, audit_log.read(store), ["rate_mismatch"], OCTOBER, "disputed")
    set_state(store, found, "disputed", "twice")  # the warehouse does not have it yet
    claimed = total([row["difference"] for row in found if row["difference"] is not None])
    assert claimed > ZERO
    rebill.keep(settings, audit_log.read(store))
    kept = [Decimal(str(row["cost"])) for row in lines(settings, reporting_month=OCTOBER)]
    assert total(kept) == before - claimed
    assert billed(settings).cost == before - claimed


@pytest.mark.long
def test_a_long_statement_shows_sums_by_measure(data: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """The page of many lines has their sums, to the cent those of its CSV, which has every line."""
    write(data, "4440,,Acme,,,\n", "Acme,,,pass_through,,,,\n")
    monkeypatch.setattr(rebill, "_MOST_LINES", 3)
    billed(data)
    rows = statement(data, "Acme")
    assert len(rows) > 20
    page = (Path(data.data_dir) / "rebill/2026-10/Acme.html").read_text("utf-8")
    assert "By charge; the CSV beside this page has every line." in page
    sums: dict[tuple[str, str, str], Decimal] = {}
    for row in rows:
        key = (row["account_report"], row["measure_field"], row["charge"])
        sums[key] = sums.get(key, ZERO) + Decimal(row["price"])
    shown = re.findall(r'<td class="amount" data-label="Amount">([^<]*)</td></tr></tbody>', page)
    assert sorted(shown) == sorted(money_text(amount) for amount in sums.values())
    assert f"<strong>{money_text(total(list(sums.values())))} USD</strong>" in page


def issued_rows(*rows: tuple[object, ...]) -> pa.Table:
    """Rows of a draft of 2026-10, from the client on."""
    columns = zip(*((OCTOBER, None, *row) for row in rows), strict=True)
    schema = rebill._ISSUED
    return pa.table([pa.array(one, field.type) for one, field in zip(columns, schema, strict=True)], schema=schema)


OWN = ("Acme", None, "charge", OCTOBER, 4443, 5, "Hull", "TrafficAll", "TotalKCs", "own", D("1200.5"), D("12.345"))
MINIMUM = ("Acme", None, "charge", OCTOBER, None, None, None, "FixedRate", "MonthlyMinimum", "minimum", None, D(7))
CREDIT = ("Acme", "K1", "correction", SEPTEMBER, 4440, 0, None, None, None, "credit", D(3), D("-2.345"))


def test_the_page_of_a_statement_by_hand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """12.345 and a share of 7.00 are 19.345; with the correction of -2.345 it is 17.00."""
    settings = Settings(data_dir=str(tmp_path), currency="USD")
    rows = issued_rows(CREDIT, OWN, MINIMUM)
    monkeypatch.setattr(rebill, "_MOST_LINES", 3)
    nothing = {"account": "", "cost_centre": "", "quantity": ""}
    month = {"month": "2026-10"}
    minimum = nothing | month | {"charge": "Share of a minimum charge: FixedRate MonthlyMinimum", "price": "7.00"}
    traffic = nothing | month | {"charge": "TrafficAll TotalKCs", "quantity": "1,200.5", "price": "12.345"}
    credit = nothing | {"month": "2026-09", "charge": "Share of a credit", "quantity": "3", "price": "-2.345"}
    assert rebill._words(settings, OCTOBER, "Acme", rows) == {
        "notice": "",
        "client": "Acme",
        "number": None,
        "month": "2026-10",
        "currency": "USD",
        "is_by_measure": False,
        "has_cost_centres": True,
        "total": "17.00",
        "parts": [
            {"is_correction": False, "total": "19.345", "lines": [minimum, traffic | {"account": "4443-5 Hull"}]},
            {
                "is_correction": True,
                "total": "-2.345",
                "lines": [credit | {"account": "4440-0", "cost_centre": "K1"}],
            },
        ],
    }
    monkeypatch.setattr(rebill, "_MOST_LINES", 2)
    found = rebill._words(settings, OCTOBER, "Acme", rows)
    assert (found["is_by_measure"], found["has_cost_centres"], found["total"]) == (True, False, "17.00")
    assert [part["lines"] for part in found["parts"]] == [[minimum, traffic], [credit]]
    monkeypatch.setattr(rebill, "is_invented", lambda _: True)
    assert rebill._words(settings, OCTOBER, "Acme", rows)["notice"] == rebill._INVENTED
    only_charges = rebill._words(settings, OCTOBER, "Acme", issued_rows(OWN))
    assert [part["is_correction"] for part in only_charges["parts"]] == [False]


def asked(
    contract: int, source: str | None, invoiced: str | None, recalculated: str, held: str = "0"
) -> dict[str, Any]:
    """A row of out_invoice_reconciliation."""
    row = {"contract_id": contract, "invoice_source": source, "invoiced_amount": invoiced, "disputed_amount": held}
    return {"reporting_month": OCTOBER, **row, "recalculated_amount": recalculated}


def test_the_clients_owe_what_the_invoices_ask_whose_totals_are_known(settings: Settings) -> None:
    """100.00 and 50.00, of which 10.00 are disputed; contract 3 has no invoice, 4 no charges, 5 no known total."""
    known = [asked(1, "InvoiceInfo", "100", "100", "10"), asked(2, "imported", "50", "45")]
    without = [asked(3, None, None, "7"), asked(4, None, None, "0"), asked(5, "InvoiceInfo", None, "2")]

    def invoices(*rows: dict[str, Any], disputed: str = "include") -> tuple[Decimal, list[int | None]]:
        world.build(settings, out_invoice_reconciliation=rows)
        with opened(settings) as connection:
            given = replace(settings, rebill_disputed=disputed)
            return rebill._invoices(connection, given, audit_log.Log((), ()), OCTOBER)

    assert invoices(*known, *without) == (D(150), [3, 5])
    assert invoices(*known, *without, disputed="exclude") == (D(140), [3, 5])
    for rows in ([], without[:2]):
        with pytest.raises(NoSuchData, match="no invoice of 2026-10 is known"):
            invoices(*rows)
    with pytest.raises(NoSuchData, match="the totals of the invoices of 2026-10 are not known"):
        invoices(*without)
    with pytest.raises(NoSuchData, match="nothing of 2026-09"):
        rebill_month(settings, open_store(settings), audit_log.Log((), ()), SEPTEMBER)


def test_a_closing_issues_statements_once_and_only_with_clients(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows, made_lines = issued_rows(OWN), list[audit_log.Log]()
    monkeypatch.setattr(rebill, "_make_lines", lambda _, of, log: made_lines.append(log))
    monkeypatch.setattr(rebill, "_statement_rows", lambda *_: rows)
    store, name = open_store(settings), f"closings/2026-10/000001/{rebill.STATEMENTS}"
    first, before = audit_log.Log((), ()), audit_log.Log((decision(1, "close", "2026-10", [name]),), ())

    def made(log: audit_log.Log) -> pa.Table | None:
        return rebill.new_statements(None, settings, store, log, OCTOBER)

    assert made(first) is None
    write(settings, "4440,,Acme,,,\n")
    found = made(first)
    assert found is not None
    assert rebill.numbers_of(found) == {"Acme": "S000001"}
    assert made(before) is None
    assert made_lines == [first]


def test_the_statements_issued_are_those_of_closings(settings: Settings) -> None:
    store, entries = open_store(settings), []
    kinds = ["close", "corrections", "close", "close"]
    for number, (kind, row) in enumerate(zip(kinds, (OWN, None, MINIMUM, None), strict=True), start=1):
        path = f"closings/2026-10/{number:06}/{rebill.STATEMENTS}"
        if row is not None:
            buffer = io.BytesIO()
            pq.write_table(issued_rows(row), buffer)
            store.write(path, buffer.getvalue())
            seal = hashlib.sha256(buffer.getvalue()).hexdigest()
        files = {path: seal} if number < len(kinds) else {}
        entries.append(audit_log.Decision(number, kind, "", "", {"month": "2026-10", "files": files}, ""))
    entries.append(audit_log.Decision(5, "finding", "", "", {}, ""))
    assert rebill._issued(store, audit_log.Log(tuple(entries), ())).equals(issued_rows(OWN, MINIMUM))
    nothing = rebill._issued(store, audit_log.Log((), ()))
    assert (nothing.num_rows, nothing.schema) == (0, rebill._ISSUED)


def test_the_sums_by_measure_have_a_quantity_where_each_line_has_one() -> None:
    """12.345 twice is 24.69 for 2,401; of a line without a quantity the sum has none."""
    twice = [OWN, (*OWN[:4], 4447, 0, *OWN[6:])]
    without = [(*MINIMUM[:9], "other", D(2), D(1)), (*MINIMUM[:9], "other", None, D(5))]
    found = rebill._by_measure(issued_rows(*twice, *without))
    assert [(row["measure_field"], row["network_id"], row["quantity"], row["price"]) for row in found] == [
        ("TotalKCs", None, D(2401), D("24.69")),
        ("MonthlyMinimum", None, None, D(6)),
    ]


def test_clients_have_their_own_rows_files_and_numbers() -> None:
    """Names that a file system reads as one get a number; after two statements the next is the third."""
    rows = issued_rows(("Beta", *OWN[1:]), CREDIT, ("Beta", *MINIMUM[1:]))
    found = [(name, part.column("client").to_pylist()) for name, part in rebill._by_client(rows)]
    assert found == [("Acme", ["Acme"]), ("Beta", ["Beta", "Beta"])]
    names = ["A/B", ".x", "acme", "Acme", "rebill_margin", "manifest", "ACME"]
    assert [name for _, name in rebill._file_names(names)] == [
        *("A%2FB", "%2Ex", "acme", "Acme (2)", "rebill_margin (2)", "manifest (2)", "ACME (3)")
    ]
    log = audit_log.Log(
        (
            decision(1, "close", "2026-09", [f"closings/2026-09/000001/{rebill.STATEMENTS}"], {"A": "1", "B": "2"}),
            decision(2, "reopen", "2026-09", [f"closings/2026-09/000002/{rebill.STATEMENTS}"], {"C": "3"}),
            decision(3, "close", "2026-10", ["closings/2026-10/000003/lines.parquet"]),
            decision(4, "corrections", "2026-10", [f"closings/2026-10/000004/{rebill.STATEMENTS}"]),
        ),
        (),
    )
    numbered = rebill._numbered(rows, log)
    assert numbered.column("statement_number").to_pylist() == ["S000004", "S000003", "S000004"]
    assert rebill.numbers_of(numbered) == {"Acme": "S000003", "Beta": "S000004"}
    assert numbered.drop_columns("statement_number") == rows.drop_columns("statement_number")
    assert [rebill._is_issued(log, month) for month in (SEPTEMBER, OCTOBER)] == [True, False]


def decision(
    number: int, kind: str, month: str, files: list[str], statements: dict[str, str] | None = None
) -> audit_log.Decision:
    made = {} if statements is None else {"statements": statements}
    return audit_log.Decision(number, kind, "", "", {"month": month, "files": dict.fromkeys(files, ""), **made}, "")
