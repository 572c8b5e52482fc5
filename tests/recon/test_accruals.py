"""`accrue`: a month projected from lines made by hand, booked, reversed and trued up, by the arithmetic stated.

List 800 prices by volume, at 0.10 up to 1,000 and at 0.08 above, with a minimum of 100.00 an account. Account 1 uses
1,000 and 1,100 in turn from August 2025 to September 2026; account 2 has one line of 500, in September. Account 3
appears in October: 310 by the 11th.

    October            projected                                      billed, at 0.09 above 1,000 from October on
    1  1,100           88.00 and 12.00 to the minimum                 1,200 x 0.09 = 108.00, and 0.00
    2  500             50.00 and 50.00                                50.00 and 50.00
    3  310 x 31 / 10   961 x 0.10 = 96.10, no minimum known           1,000 x 0.10 = 100.00, and 0.00
"""

import json
import shutil
from collections import defaultdict
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from ecgrid_flows import formats
from ecgrid_flows.cli import app
from ecgrid_flows.errors import BillingError, NoSuchData, Refused, SettingsError
from ecgrid_flows.finance import accruals, audit_log, export_files
from ecgrid_flows.finance.accruals import Accrual, accrual_dir, accrual_entries, accrue_month, is_due
from ecgrid_flows.finance.csv_writer import CsvForm
from ecgrid_flows.finance.export import read_export
from ecgrid_flows.finance.export_files import form_words, opened, read_manifest
from ecgrid_flows.finance.journal_entries import Amount, read_chart, to_table
from ecgrid_flows.settings import Settings
from ecgrid_flows.storage.atomic_folder import staging
from ecgrid_flows.storage.opening import open_store
from ecgrid_flows.warehouse import simulations
from ecgrid_transforms.money import ZERO, Decimal, total
from ecgrid_transforms.schemas import FEEDS, MONEY_TYPE
from ecgrid_transforms.wall_time import wall_time_ns
from tests.finance import world as finance_world
from tests.finance.decided import bucket
from tests.support import lake_of

from .hand import REFERENCE, Ladder, Lake, Tier

pytestmark = pytest.mark.slow

USE = Ladder(800, ("TrafficAll", "ToTrans"), [Tier(0, 1000, "0.10"), Tier(1001, 0, "0.08")])
MINIMUM = Ladder(800, ("FixedRate", "MonthlyMinimum"), [Tier(0, 0, "100.00")], model="Simple", level="Minimum")
SEPTEMBER, OCTOBER, NOVEMBER = date(2026, 9, 1), date(2026, 10, 1), date(2026, 11, 1)
HISTORY = [date(2025 + (7 + place) // 12, (7 + place) % 12 + 1, 1) for place in range(14)]
AS_OF = date(2026, 10, 20)


def billed(lake: Lake, mailbox: int, month: date, use: str, amount: str, true_up: str | None, tier: int) -> None:
    lake.contracted(USE, mailbox, 80, month)
    lake.billed(USE, mailbox, use, use, amount, tier=tier, month=month)
    if true_up is not None:
        lake.billed(MINIMUM, mailbox, "1", "1", true_up, month=month)


def history() -> Lake:
    lake = Lake()
    for place, month in enumerate(HISTORY):
        for ladder in (USE, MINIMUM):
            lake.listed(ladder, (month,), read=month.replace(day=15))
        if place % 2:
            billed(lake, 1, month, "1100", "88.00", "12.00", 2)
        else:
            billed(lake, 1, month, "1000", "100.00", "0.00", 1)
    billed(lake, 2, SEPTEMBER, "500", "50.00", "50.00", 1)
    return lake


def received(lake: Lake, day: datetime) -> None:
    """The last line came on this day."""
    place = FEEDS["line_items"].get_field_index("pulled_at")
    row = list(lake.rows["line_items"][-1])
    row[place] = day
    lake.rows["line_items"][-1] = tuple(row)


def placed(lake: Lake, folder: Path) -> Path:
    """The data directory of a lake's warehouse."""
    (folder / "lake").mkdir(parents=True)
    built = lake.build(folder / "lake")
    (folder / "warehouse").mkdir()
    built.rename(folder / "warehouse/billing.duckdb")
    return folder


@pytest.fixture(scope="module")
def before(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """October as it runs."""
    lake = history()
    billed(lake, 3, OCTOBER, "310", "31.00", None, 1)
    received(lake, datetime(2026, 10, 11, 6, tzinfo=UTC))
    return placed(lake, tmp_path_factory.mktemp("before"))


@pytest.fixture(scope="module")
def after(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """October when its invoice is here."""
    lake = history()
    for ladder, rates in ((USE, ("0.10", "0.09")), (MINIMUM, ("100.00",))):
        lake.listed(ladder, (OCTOBER,), "2026-10-01T00:00:00", read=date(2026, 10, 2), rates=rates)
    changed = replace(USE, tiers=[USE.tiers[0], Tier(1001, 0, "0.09")])
    lake.contracted(USE, 1, 80, OCTOBER)
    lake.billed(changed, 1, "1200", "1200", "108.00", tier=2, month=OCTOBER)
    lake.billed(MINIMUM, 1, "1", "1", "0.00", month=OCTOBER)
    billed(lake, 2, OCTOBER, "500", "50.00", "50.00", 1)
    billed(lake, 3, OCTOBER, "1000", "100.00", "0.00", 1)
    issued = {
        "reporting_month": OCTOBER,
        "source": "InvoiceInfo",
        "invoice_id": 1,
        "invoice_number": "I-1",
        "invoice_date": wall_time_ns("2026-11-05T00:00:00"),
        "contract_id": 80,
        "total_amount": Decimal("308.00"),
        "status": "Sent",
        "api_version": "v3.2",
        "pulled_at": lake_of.PULLED_AT,
        "response_sha256": lake_of.SHA256,
    }
    lake.rows["invoices"].append(tuple(issued.get(name) for name in FEEDS["invoices"].names))
    return placed(lake, tmp_path_factory.mktemp("after"))


def settings_of(folder: Path, warehouse: Path) -> Settings:
    """A data directory of the test's own, with this warehouse."""
    target = folder / "data/warehouse/billing.duckdb"
    target.parent.mkdir(parents=True, exist_ok=True)
    target.unlink(missing_ok=True)
    shutil.copyfile(warehouse / "warehouse/billing.duckdb", target)  # notices are written into it
    return Settings(data_dir=str(folder / "data"), currency="USD")


def by_key(rows: Sequence[dict[str, Any]]) -> dict[tuple[int, str], dict[str, Any]]:
    return {(row["mailbox_id"] % 1000, row["measure_field"]): row for row in rows}


def accrued(folder: Path, warehouse: Path, as_of: date = AS_OF) -> Accrual:
    settings = settings_of(folder, warehouse)
    return accrue_month(settings, open_store(settings), OCTOBER, as_of)


def test_each_key_is_projected_by_the_first_method_that_applies(before: Path, tmp_path: Path) -> None:
    found = by_key(accrued(tmp_path, before).rows.to_pylist())
    first, second, third = (found[place, "ToTrans"] for place in (1, 2, 3))
    assert (first["method"], first["projected_quantity"], first["projected_amount"]) == ("last month", 1100, 88)
    assert second["method"] == "last month; history too short for an interval"
    assert (second["projected_quantity"], second["projected_amount"]) == (500, 50)
    assert third["method"] == "recalculated line to date x 31 / 10 days; history too short for an interval"
    assert (third["actual_to_date"], third["projected_quantity"]) == (310, 961)
    assert third["projected_amount"] == Decimal("96.10")
    assert (found[1, "MonthlyMinimum"]["projected_amount"], found[2, "MonthlyMinimum"]["projected_amount"]) == (12, 50)
    assert found[1, "MonthlyMinimum"]["method"] == "last month, computed from the charges projected"
    assert found[1, "ToTrans"]["source"].startswith("line of 2026-09; terms 800-TrafficAll-ToTrans-")
    assert third["source"].startswith("line received 2026-10-11; terms ")
    assert (3, "MonthlyMinimum") not in found


def test_the_interval_is_of_the_accounts_own_history_and_sees_the_bound_between(before: Path, tmp_path: Path) -> None:
    """The ratios of 13 pairs of months are 1.1 and 1 / 1.1: 999 to 1,210, with the bound of 1,000 between them.

    999 x 0.10 = 99.90; 1,210 x 0.08 = 96.80; 1,000 x 0.10 = 100.00; 1,001 x 0.08 = 80.08.
    """
    found = by_key(accrued(tmp_path, before).rows.to_pylist())
    line, minimum = found[1, "ToTrans"], found[1, "MonthlyMinimum"]
    assert (line["low"], line["high"]) == (Decimal("80.08"), 100)
    assert (minimum["low"], minimum["high"]) == (0, Decimal("19.92"))
    assert (found[2, "ToTrans"]["low"], found[2, "ToTrans"]["high"]) == (None, None)


def test_what_came_after_the_day_is_not_known_on_it(before: Path, tmp_path: Path) -> None:
    found = by_key(accrued(tmp_path, before, date(2026, 10, 10)).rows.to_pylist())
    assert (3, "ToTrans") not in found
    # an account without any line owes its minimum
    third = found[3, "MonthlyMinimum"]
    assert (third["method"], third["projected_amount"], third["low"]) == ("contract minimum", 100, None)


def test_the_journal_balances_and_its_reversal_takes_it_back(before: Path, tmp_path: Path) -> None:
    accrued(tmp_path, before)
    lines = read_export(tmp_path / "data/exports/2026-10-accrual/accrual_journal.csv").to_pylist()
    dated: dict[date, list[dict[str, Any]]] = defaultdict(list)
    for line in lines:
        dated[line["posting_date"]].append(line)
    assert sorted(dated) == [date(2026, 10, 31), NOVEMBER]
    for entry in dated.values():
        assert total([line["debit"] or ZERO for line in entry]) == Decimal("296.10")
        assert total([line["credit"] or ZERO for line in entry]) == Decimal("296.10")
    # 88.00 + 50.00 + 96.10; 12.00 + 50.00; owed: both
    assert {line["account"]: line["debit"] or -line["credit"] for line in dated[date(2026, 10, 31)]} == {
        "6100": Decimal("234.10"),
        "6180": 62,
        "2010": Decimal("-296.10"),
    }
    assert {line["reference"] for line in lines} == {"ACCRUAL-80-2026-10", "ACCRUAL-80-2026-10-R"}
    assert {(line["currency"], line["reporting_month"]) for line in lines} == {("USD", OCTOBER)}


@pytest.mark.long
def test_the_same_day_gives_the_same_bytes(before: Path, tmp_path: Path) -> None:
    paths = accrued(tmp_path, before).paths
    first = {path.name: path.read_bytes() for path in paths}
    again = accrued(tmp_path, before)
    assert {path.name: path.read_bytes() for path in again.paths} == first
    assert again.trueups is None, "no invoice is here"
    assert sorted(first) == ["accrual.csv", "accrual_journal.csv", "manifest.json"]


def test_the_true_up_is_split_into_price_volume_and_method(before: Path, after: Path, tmp_path: Path) -> None:
    booked = {path.name: path.read_bytes() for path in accrued(tmp_path, before).paths}
    found = accrued(tmp_path, after)
    assert found.trueups is not None
    parts = {
        key: tuple(row[name] for name in ("accrued", "invoiced", "difference", "price", "volume", "method"))
        for key, row in by_key(found.trueups.to_pylist()).items()
    }
    cents = Decimal("0.01")
    assert parts == {
        # 1,200 at the accrued 0.08 are 96.00: 8.00 by volume, 12.00 by price
        (1, "ToTrans"): (88, 108, 20, 12, 8, 0),
        (1, "MonthlyMinimum"): (12, 0, -12, 0, 0, -12),
        (2, "ToTrans"): (50, 50, 0, 0, 0, 0),
        (2, "MonthlyMinimum"): (50, 50, 0, 0, 0, 0),
        (3, "ToTrans"): (9610 * cents, 100, 390 * cents, 0, 390 * cents, 0),
        (3, "MonthlyMinimum"): (0, 0, 0, 0, 0, 0),
    }
    # what was booked stays, to the byte
    kept = {path.name: path.read_bytes() for path in found.paths}
    assert {name: kept[name] for name in ("accrual.csv", "accrual_journal.csv")} == {
        name: booked[name] for name in ("accrual.csv", "accrual_journal.csv")
    }
    assert (tmp_path / "data/exports/2026-10-accrual/accrual_trueup.csv").is_file()


def test_a_closed_month_is_trued_up_and_not_accrued(before: Path, after: Path, tmp_path: Path) -> None:
    accrued(tmp_path, before)
    store = open_store(settings_of(tmp_path, before))
    audit_log.append(store, "close", {"month": "2026-10", "files": {}, "exports": {}})
    with pytest.raises(Refused, match="2026-10 is closed"):
        accrued(tmp_path, before)
    assert accrued(tmp_path, after).trueups is not None


def key_and(**amounts: str) -> pa.Table:
    """A row of account 1 with these amounts."""
    key = {"network_id": 1, "mailbox_id": 1, "reporting_month": OCTOBER, "account_report": "TrafficAll"}
    row = {**key, "measure_field": "ToTrans", "contract_id": 80}
    columns = {name: pa.array([Decimal(amount)], MONEY_TYPE) for name, amount in amounts.items()}
    return pa.table({**{name: [value] for name, value in row.items()}, **columns})


@pytest.mark.parametrize(("run_id", "has_journal"), [(None, True), ("r-1", False)])
def test_the_true_up_of_a_closed_month_has_the_files_that_were_booked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run_id: str | None, has_journal: bool
) -> None:
    """A month that was accrued without a currency has no journal then either; nothing is judged anew."""
    settings = Settings(data_dir=str(tmp_path / "data"), currency="USD")
    finance_world.build(settings)
    store, target = open_store(settings), accrual_dir(settings, OCTOBER)
    audit_log.append(store, "close", {"month": "2026-10", "files": {}, "exports": {}})
    booked = key_and(projected_amount="88", low="80", high="100")
    trueups = key_and(accrued="88", invoiced="108", difference="20", price="12", volume="8", method="0")
    with opened(settings) as connection, staging(target) as folder:
        files = accruals._write(connection, folder, booked, to_table([]) if has_journal else None, None)
        manifest = {**formats.stamp("export"), "csv": form_words(CsvForm()), "files": files}
        export_files.place(folder, target, manifest)
    monkeypatch.setattr(simulations, "compare_accrual", lambda connection, *_: connection.from_arrow(trueups))
    monkeypatch.setattr(accruals, "run_of", lambda _: "of the build")
    found = accrue_month(settings, store, OCTOBER, AS_OF, run_id=run_id)
    assert (found.rows, found.trueups, found.notices, found.unjudged) == (booked, trueups, (), 0)
    manifest = read_manifest(target)
    assert manifest["run_id"] == (run_id or "of the build")
    journal = ["accrual_journal.csv"] if has_journal else []
    assert sorted(manifest["files"]) == sorted(["accrual.csv", "accrual_trueup.csv", *journal])
    assert [*manifest["left_out"]] == ([] if has_journal else ["accrual_journal.csv"])


def test_the_sum_accrued_is_of_the_keys_with_an_amount() -> None:
    rows = pa.table({"projected_amount": pa.array([Decimal(88), None, Decimal("8.10")], MONEY_TYPE)})
    assert Accrual(OCTOBER, rows, None, (), (), 0).amount == Decimal("96.10")


def test_another_machine_trues_up_the_accrual_in_the_bucket(before: Path, after: Path, tmp_path: Path) -> None:
    store = bucket(tmp_path / "bucket")
    for machine, warehouse in (("first", before), ("second", after)):
        found = accrue_month(settings_of(tmp_path / machine, warehouse), store, OCTOBER, AS_OF)
    assert found.trueups is not None
    written = {path.name: path.read_bytes() for path in found.paths}
    assert {name: store.read(f"exports/2026-10-accrual/{name}") for name in written} == written


INVOICED = finance_world.invoiced([finance_world.line()])
LIMITED = {"core_limited_runs": [{"reporting_month": OCTOBER}]}


@pytest.mark.parametrize(
    ("relations", "is_expected"),
    [
        ({}, True),
        (INVOICED, False),
        (finance_world.invoiced([finance_world.line()], number=None), True),
        (LIMITED, False),
        ({**LIMITED, **finance_world.invoiced([finance_world.line()], number=None)}, False),
    ],
    ids=["no invoice", "invoiced", "lines without an invoice", "limited", "limited, without an invoice"],
)
def test_an_accrual_is_due_of_what_is_not_invoiced(
    tmp_path: Path, relations: dict[str, Any], is_expected: bool
) -> None:
    settings = Settings(data_dir=str(tmp_path / "data"), currency="USD")
    finance_world.build(settings, **relations)
    assert is_due(settings, OCTOBER) is is_expected


def test_a_month_that_was_accrued_stays_due(tmp_path: Path) -> None:
    settings = Settings(data_dir=str(tmp_path / "data"), currency="USD")
    finance_world.build(settings, **INVOICED)
    accrual_dir(settings, OCTOBER).mkdir(parents=True)
    (accrual_dir(settings, OCTOBER) / "manifest.json").touch()
    assert is_due(settings, OCTOBER)


def test_a_month_that_is_invoiced_without_an_accrual_has_none(after: Path, tmp_path: Path) -> None:
    with pytest.raises(NoSuchData, match="2026-10 has nothing to accrue"):
        accrued(tmp_path, after, date(2026, 11, 20))


def test_a_day_to_come_is_refused(before: Path, tmp_path: Path) -> None:
    folder = settings_of(tmp_path, before).data_dir
    done = CliRunner().invoke(app, ["accrue", "--month", "2026-10", "--as-of", "9999-12-31", "--data-dir", folder])
    assert isinstance(done.exception, SettingsError)
    assert "--as-of 9999-12-31 is a day to come" in str(done.exception)


def test_the_command_prints_the_sum_and_the_methods(before: Path, tmp_path: Path) -> None:
    folder = settings_of(tmp_path, before).data_dir
    told = ["accrue", "--month", "2026-10", "--as-of", "2026-10-20", "--data-dir", folder]
    done = CliRunner().invoke(app, told)
    assert done.exit_code == 0, done.output
    assert done.stdout.splitlines()[0] == "2026-10: accrued 296.10"
    found = json.loads(CliRunner().invoke(app, [*told, "--json"]).stdout)
    assert (Decimal(found["accrued"]), len(found["rows"]), found["trueups"]) == (Decimal("296.10"), 5, [])
    # account 3 alone has use of the month itself, and no history
    assert found["use_not_judged"] == 1
    assert "1 key with less than six months of history: unusual use is not judged" in done.stdout


@pytest.mark.parametrize("command", [["simulate", "--present"], ["accrue", "--month", "2026-10"]])
def test_a_warehouse_of_an_earlier_version_is_to_be_built_anew(
    before: Path, tmp_path: Path, command: list[str]
) -> None:
    folder = settings_of(tmp_path, before)
    with closing(duckdb.connect(str(folder.warehouse_path))) as connection:
        connection.execute("ALTER TABLE core_set_tiers RENAME COLUMN maximum TO upto")
    done = CliRunner().invoke(app, [*command, "--data-dir", folder.data_dir])
    assert isinstance(done.exception, NoSuchData)
    assert "built by another version" in str(done.exception)
    assert "run `ecgrid-billing build`" in str(done.exception)


amounts = st.lists(
    st.builds(
        Amount,
        contract_id=st.sampled_from([None, 80, 81]),
        reporting_month=st.just(OCTOBER),
        invoice_number=st.none(),
        role=st.just("charge"),
        network_id=st.sampled_from([1, 2]),
        account_report=st.sampled_from(["TrafficAll", "FixedRate"]),
        measure_field=st.sampled_from(["ToTrans", "Credit"]),
        is_taxable=st.booleans(),
        amount=st.decimals(min_value=-9999, max_value=9999, places=4, allow_nan=False, allow_infinity=False),
    ),
    max_size=12,
)


@given(amounts, st.sampled_from(["USD", "JPY", "KWD"]))
def test_debits_equal_credits_and_accrual_plus_reversal_is_nothing(charges: list[Amount], currency: str) -> None:
    owed = [
        replace(charges[0], contract_id=contract, role="accrued", network_id=None, account_report=None,
                measure_field=None, is_taxable=None,
                amount=-total([one.amount for one in charges if one.contract_id == contract]))
        for contract in {one.contract_id for one in charges}
    ]  # fmt: skip
    lines = accrual_entries([*charges, *owed], read_chart(REFERENCE / "journal_accounts.csv"), currency, OCTOBER)
    for reference in {line.reference for line in lines}:
        assert total([line.amount for line in lines if line.reference == reference]) == ZERO
    for account in {line.account for line in lines}:
        assert total([line.amount for line in lines if line.account == account]) == ZERO
    assert {line.posting_date for line in lines} <= {date(2026, 10, 31), NOVEMBER}


def noticed(
    folder: Path, lake: Lake, as_of: date
) -> tuple[dict[tuple[int, str], dict[str, Any]], list[dict[str, Any]]]:
    """The rows of accrual.csv for October by key, and the notices."""
    found = accrued(folder, placed(lake, folder / "made"), as_of)
    with closing(duckdb.connect(str(folder / "data/warehouse/billing.duckdb"), read_only=True)) as connection:
        kept = connection.table("out_notices").to_arrow_table().to_pylist()
    assert sorted(row["explanation"] for row in kept) == sorted(row["explanation"] for row in found.notices)
    return by_key(found.rows.to_pylist()), [dict(row) for row in found.notices]


def listed_alone(months: Sequence[date]) -> Lake:
    """A lake with the list of USE in these months and in October."""
    lake = Lake()
    for month in (*months, OCTOBER):
        lake.listed(USE, (month,), read=month.replace(day=15))
    return lake


def test_an_undecided_interpretation_is_stated_with_its_range(tmp_path: Path) -> None:
    """620 by the 16th are 620 x 31 / 15 = 1,281: 102.48 by volume, 122.48 by slices, 128.10 at the first rate for all.

    All months before are of 900 at 0.10, so no line shows what a quantity above 1,000 costs; no month varies.
    """
    lake = listed_alone(HISTORY[2:])
    for month in HISTORY[2:]:
        billed(lake, 1, month, "900", "90.00", None, 1)
    billed(lake, 2, SEPTEMBER, "900", "90.00", None, 1)
    for mailbox in (1, 2):
        billed(lake, mailbox, OCTOBER, "620", "62.00", None, 1)
        received(lake, datetime(2026, 10, 16, 6, tzinfo=UTC))
    found, notices = noticed(tmp_path, lake, date(2026, 10, 17))
    method = "recalculated line to date x 31 / 15 days"
    assert found[1, "ToTrans"]["method"] == f"{method}; the interpretation is undecided"
    short = f"{method}; history too short for an interval; the interpretation is undecided"
    assert found[2, "ToTrans"]["method"] == short
    # the interval of account 1 ends at the next whole quantity: 1,282 x 0.10 = 128.20
    for place, high in ((1, "128.20"), (2, "128.10")):
        row = found[place, "ToTrans"]
        assert (row["projected_quantity"], row["low"], row["high"]) == (1281, Decimal("102.48"), Decimal(high))
    assert [(row["notice"], row["mailbox_id"] % 1000, row["explanation"]) for row in notices] == [
        (
            "tier_ahead",
            place,
            "Projected 1,281 passes 1,000, from Tier1 to Tier2: 102.48 to 128.10 (the interpretation is undecided) "
            "where the price so far gives 128.10.",
        )
        for place in (1, 2)
    ]


@pytest.mark.long
def test_what_is_above_the_usual_is_priced_by_the_tiers(tmp_path: Path) -> None:
    """1,500 at 0.08 are 120.00; the usual 500 at 0.10 are 50.00: 70.00 above, not 120 x (1 - 500 / 1,500) = 80.00."""
    lake = listed_alone(HISTORY[2:])
    for month in HISTORY[2:]:
        billed(lake, 1, month, "500", "50.00", None, 1)
    billed(lake, 1, OCTOBER, "1500", "120.00", None, 2)
    received(lake, datetime(2026, 11, 2, 6, tzinfo=UTC))
    _, notices = noticed(tmp_path, lake, date(2026, 11, 3))
    unusual = [row for row in notices if row["notice"] == "unusual_use"]
    assert [(row["amount"], row["difference"]) for row in unusual] == [(120, 70)]
    assert unusual[0]["explanation"].endswith(": 70.00 of 120.00 is above the usual.")


@pytest.mark.long
def test_the_price_so_far_is_in_cents(tmp_path: Path) -> None:
    """401 are 40.10 by the 11th, so 401 x 31 / 10 = 1,243: 99.44 at 0.08, 40.10 x 1,243 / 401 = 124.30 so far."""
    lake = history()
    billed(lake, 3, OCTOBER, "401", "40.10", None, 1)
    received(lake, datetime(2026, 10, 11, 6, tzinfo=UTC))
    _, notices = noticed(tmp_path, lake, AS_OF)
    ahead = {row["mailbox_id"] % 1000: row["difference"] for row in notices if row["notice"] == "tier_ahead"}
    assert ahead[3] == Decimal("-24.86")


@pytest.mark.long
def test_a_key_without_a_response_last_month_is_accrued_by_last_year(tmp_path: Path) -> None:
    """Account 1: 1,100 x 0.08 = 88.00 in each month but September, in which account 2 has a line."""
    lake = listed_alone(HISTORY[1:])
    for month in HISTORY[1:]:
        if month != SEPTEMBER:
            billed(lake, 1, month, "1100", "88.00", None, 2)
        billed(lake, 2, month, "500", "50.00", None, 1)
    lake.contracted(USE, 1, 80, SEPTEMBER)
    found, _ = noticed(tmp_path, lake, AS_OF)
    row = found[1, "ToTrans"]
    assert (row["method"].split(";")[0], row["projected_amount"]) == ("same month last year", 88)
    assert found[2, "ToTrans"]["projected_amount"] == 50


def budgeted(folder: Path, warehouse: Path, clients: Sequence[tuple[Any, ...]], budget: tuple[Any, ...]) -> Accrual:
    """October accrued with these rows of clients.csv, and one of budgets.csv."""
    settings = settings_of(folder, warehouse)
    with closing(duckdb.connect(str(settings.warehouse_path))) as connection:
        connection.execute("DELETE FROM reference_clients")
        for row in clients:
            connection.execute(
                "INSERT INTO reference_clients (network_id, mailbox_id, client, valid_from, valid_to) "
                "VALUES (?, ?, ?, ?, ?)",
                row,
            )
        connection.execute(
            "INSERT INTO reference_budgets (network_id, mailbox_id, client, amount) VALUES (?, ?, ?, ?)", budget
        )
    return accrue_month(settings, open_store(settings), OCTOBER, AS_OF)


@pytest.mark.long
def test_a_budget_of_a_client_by_whole_network_counts_its_accounts_without_a_row(before: Path, tmp_path: Path) -> None:
    """296.10 in all, 100.00 of account 1, whose later row counts: the network's client has 196.10."""
    clients = [
        ("4440", None, "Whole", None, None),
        ("4440", "800001", "Earlier", None, None),
        ("4440", "800001", "Own", "2026-10-01", None),
    ]
    for client, amount in (("Whole", "196.10"), ("Own", "100.00")):
        over = budgeted(tmp_path / client, before, clients, (None, None, client, "1.00"))
        assert [row["amount"] for row in over.notices if row["notice"] == "budget_ahead"] == [Decimal(amount)]
        met = budgeted(tmp_path / f"{client} met", before, clients, (None, None, client, amount))
        assert [row for row in met.notices if row["notice"] == "budget_ahead"] == []
    none = budgeted(tmp_path / "none", before, clients, (None, None, "Earlier", "1.00"))
    assert [row for row in none.notices if row["notice"] == "budget_ahead"] == []


@pytest.mark.parametrize(
    ("budget", "words"),
    [
        ((None, None, "nobody", "1.00"), r"budgets\.csv, line 2: client nobody is not in clients\.csv"),
        (("4440", "9", None, "1.00"), r"budgets\.csv, line 2: account 4440/9 is not in the account list"),
    ],
)
def test_a_budget_of_an_unknown_owner_is_refused(
    before: Path, tmp_path: Path, budget: tuple[Any, ...], words: str
) -> None:
    with pytest.raises(BillingError, match=words):
        budgeted(tmp_path, before, [("4440", None, "Whole", None, None)], budget)
