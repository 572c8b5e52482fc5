"""Keeping invoices that came as files: where each is filed, what changes nothing, what is refused."""

import hashlib
import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ecgrid_flows.cli import app
from ecgrid_flows.errors import Incomplete, NoSuchData, SettingsError, StorageFailed
from ecgrid_flows.finance.invoice_import import NEW, RESTATED, UNCHANGED, Filing, Withdrawn, import_file, withdraw
from ecgrid_flows.formats import FORMATS
from ecgrid_flows.lake import raw_log, raw_manifest
from ecgrid_flows.lake.landing import imported_invoices, land_month
from ecgrid_flows.lake.partitions import Lake
from ecgrid_flows.orchestration import doctor
from ecgrid_flows.settings import Settings
from ecgrid_flows.storage.local import LocalStore
from ecgrid_transforms.money import to_decimal
from ecgrid_transforms.rows import batch
from ecgrid_transforms.schemas import ACCOUNTS, INVOICES
from tests.support.x12 import interchange

OCTOBER = date(2026, 10, 1)
NOW = datetime(2026, 11, 5, tzinfo=UTC)
HEAD = "invoice_number,invoice_date,currency,total_amount,network_id,mailbox_id,amount\n"
TOTAL = HEAD + "8753,2026-11-01,USD,8113.07,,,\n"


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    """A directory whose lake knows accounts of two contracts in 2026-10, and one without a contract."""
    made = LocalStore(tmp_path)
    rows = [
        (OCTOBER, 1001, 0, "A", "Active", 431, 8751, "network"),
        (OCTOBER, 1001, 5001, "B", "Active", 431, 8751, "network"),
        (OCTOBER, 1002, 0, "C", "Active", 431, 8752, "network"),
        (OCTOBER, 1003, 0, "D", "Active", None, None, "network"),
    ]
    Lake(made).write_partition("accounts", OCTOBER, [batch(ACCOUNTS, rows)])
    return made


def keep(store: LocalStore, text: str, contract: int | None = 8751, month: date | None = None) -> list[Filing]:
    return import_file(store, text.encode(), contract_id=contract, month=month, wanted_currency="USD", now=NOW)


def kept(store: LocalStore, month: date = OCTOBER) -> list[tuple[str, str]]:
    return [
        (one.invoice.invoice_number, f"{one.invoice.total_amount:.2f}") for one in imported_invoices(store, month, [])
    ]


def test_the_file_is_kept_as_received_and_verified(store: LocalStore) -> None:
    (filing,) = keep(store, TOTAL)
    assert (filing.state, filing.month, filing.contract_id) == (NEW, OCTOBER, 8751)
    ((place, _),) = raw_log.scan(store, "invoices", OCTOBER)
    answer = raw_log.read(store, place)
    assert answer.body == TOTAL.encode()
    assert answer.sha256 == hashlib.sha256(TOTAL.encode()).hexdigest()
    assert (answer.operation, answer.content_type) == ("imported", "text/csv")
    assert (answer.latency_ms, answer.attempts) == (0, 1)
    assert json.loads(store.read("raw/_format.json"))["format"] == FORMATS["raw"]
    sealed = raw_manifest.seal(store, OCTOBER, is_deep=True)
    assert (sealed.answers, sealed.lost, sealed.quarantined) == (1, 0, [])


def test_the_same_file_changes_nothing_and_a_changed_one_restates(store: LocalStore) -> None:
    keep(store, TOTAL)
    assert [one.state for one in keep(store, TOTAL)] == [UNCHANGED]
    assert len(list(raw_log.scan(store, "invoices", OCTOBER))) == 1
    assert [one.state for one in keep(store, TOTAL.replace("8113.07", "8000.00"))] == [RESTATED]
    (found,) = imported_invoices(store, OCTOBER, [])
    assert found.invoice.total_amount == to_decimal("8000")
    assert found.previous == (to_decimal("8113.07"), hashlib.sha256(TOTAL.encode()).hexdigest())
    assert [one.state for one in keep(store, TOTAL)] == [RESTATED], "back to the first file"
    assert kept(store) == [("8753", "8113.07")]


def test_landing_gives_the_same_rows_twice(store: LocalStore) -> None:
    keep(store, TOTAL + "CN-1,2026-11-02,USD,-50.00,1001,5001,-50.00\n")
    land_month(store, OCTOBER)
    first = [row for part in Lake(store).batches("invoices", OCTOBER) for row in part.to_pylist()]
    columns = ("source", "invoice_id", "invoice_number", "total_amount")
    assert [tuple(row[name] for name in columns) for row in first] == [
        ("imported", 1, "8753", to_decimal("8113.07")), ("imported", 2, "CN-1", to_decimal("-50"))
    ]  # fmt: skip
    assert {row["currency"] for row in first} == {"USD"}
    lines = [row for part in Lake(store).batches("invoice_lines", OCTOBER) for row in part.to_pylist()]
    assert [(row["system_object"], row["system_id"], row["line_kind"]) for row in lines] == [("Mailbox", 5001, "item")]
    assert land_month(store, OCTOBER).rows == {}, "nothing has changed"


def test_an_invoice_that_was_withdrawn_can_be_filed_elsewhere(store: LocalStore) -> None:
    """Although the lake has it as imported until it is landed again, which does not make it one of the API."""
    keep(store, TOTAL)
    land_month(store, OCTOBER)
    with pytest.raises(SettingsError, match=r"imported already, as 8753 of contract 8751 for 2026-10.*withdraw 8753"):
        keep(store, TOTAL, contract=8752)
    with pytest.raises(SettingsError, match="imported already"):
        keep(store, TOTAL, month=date(2026, 9, 1))
    with pytest.raises(SettingsError, match="imported already, as 8753"):
        keep(store, TOTAL.replace("8753", "08753"))
    keep(store, TOTAL.replace("8753", "INV-1"), month=date(2026, 9, 1))
    with pytest.raises(SettingsError, match="imported already, as INV-1"):
        keep(store, TOTAL.replace("8753", "inv1"), month=date(2026, 9, 1))
    withdraw(store, "08753", now=NOW)
    assert kept(store) == []
    with pytest.raises(NoSuchData, match="no invoice 8753 is imported"):
        withdraw(store, "8753")
    assert [one.state for one in keep(store, TOTAL, contract=8752)] == [NEW]
    assert kept(store) == [("8753", "8113.07")]


def test_what_the_disk_did_not_take_is_neither_imported_nor_withdrawn(
    store: LocalStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise StorageFailed("the disk is full")

    with monkeypatch.context() as patched:
        patched.setattr(LocalStore, "sync_all", full)
        with pytest.raises(StorageFailed, match="the disk is full"):
            keep(store, TOTAL)
    keep(store, TOTAL)
    monkeypatch.setattr(LocalStore, "sync_all", full)
    with pytest.raises(StorageFailed, match="the disk is full"):
        withdraw(store, "8753", now=NOW)


def test_a_withdrawn_file_may_come_again(store: LocalStore) -> None:
    keep(store, TOTAL)
    withdraw(store, "8753", now=NOW)
    *_, (place, _) = raw_log.scan(store, "invoices", OCTOBER)
    taken_back = raw_log.read(store, place)
    assert (taken_back.outcome, taken_back.latency_ms, taken_back.attempts) == (raw_log.WITHDRAWN, 0, 1)
    assert [one.state for one in keep(store, TOTAL)] == [NEW]
    (found,) = imported_invoices(store, OCTOBER, [])
    assert found.previous is None, "nothing was restated"


def test_an_import_and_a_withdrawal_are_of_now(store: LocalStore) -> None:
    """An invoice of 2020-10, which is over by any clock."""
    text = TOTAL.replace("2026-11", "2020-11")
    assert import_file(store, text.encode(), contract_id=8751)[0].month == date(2020, 10, 1)
    withdraw(store, "8753")
    received = [
        raw_log.read(store, place).received_at for place, _ in raw_log.scan(store, "invoices", date(2020, 10, 1))
    ]
    assert received == sorted(received)
    assert min(received) > datetime(2025, 1, 1, tzinfo=UTC)


def test_a_number_without_a_letter_or_digit_is_compared_as_it_is(store: LocalStore) -> None:
    """The API has one such number for another contract, which is not this one."""
    of_api(store, 8752, "#", "1.00")
    mark, other = TOTAL.replace("8753", "№"), TOTAL.replace("8753", "§")
    assert [keep(store, text)[0].state for text in (mark, other, mark)] == [NEW, NEW, UNCHANGED]
    withdraw(store, "№", now=NOW)
    assert [number for number, _ in kept(store)] == ["§"]
    land_month(store, OCTOBER)
    for path in raw_log.segments(store, "invoices", OCTOBER):
        store.delete(path)
    assert withdraw(store, "§", now=NOW).invoice_number == "§"


def test_the_contract_is_that_of_the_accounts_named(store: LocalStore) -> None:
    one = HEAD + "1,2026-11-01,USD,5,1001,5001,2\n1,2026-11-01,USD,5,1001,0,3\n"
    assert [filing.contract_id for filing in keep(store, one, contract=None)] == [8751]
    two = HEAD + "2,2026-11-01,USD,5,1001,5001,2\n2,2026-11-01,USD,5,1002,0,3\n"
    with pytest.raises(SettingsError, match="may be of contracts 8751, 8752: give --contract"):
        keep(store, two, contract=None)
    with pytest.raises(
        SettingsError, match="names no account of a known contract: give --contract; the contracts are 87"
    ):
        keep(store, TOTAL, contract=None)
    with pytest.raises(SettingsError, match=r"no contract 9 is known in 2026-10: the contracts are 8751, 8752$"):
        keep(store, TOTAL, contract=9)
    others = HEAD + "3,2026-11-01,USD,5,1003,0,1\n3,2026-11-01,USD,5,9999,0,1\n3,2026-11-01,USD,5,1002,0,3\n"
    assert [filing.contract_id for filing in keep(store, others, contract=None)] == [8752]


def test_before_the_first_run_the_contract_is_the_one_given(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    with pytest.raises(SettingsError, match="give --contract; none is known before the first run"):
        keep(store, TOTAL, contract=None)
    assert [filing.contract_id for filing in keep(store, TOTAL, contract=9)] == [9]


def of_api(store: LocalStore, contract: int, number: str, amount: str | None) -> None:
    """An invoice that InvoiceInfo returned for 2026-10."""
    row = {
        "reporting_month": OCTOBER,
        "source": "InvoiceInfo",
        "invoice_id": 71,
        "invoice_number": number,
        "contract_id": contract,
        "total_amount": None if amount is None else to_decimal(amount),
        "api_version": "v3.2",
        "pulled_at": NOW,
        "response_sha256": "b",
    }
    Lake(store).write_partition("invoices", OCTOBER, [batch(INVOICES, [tuple(map(row.get, INVOICES.names))])])


def test_a_number_that_the_api_has_for_another_contract_is_refused(store: LocalStore) -> None:
    of_api(store, 8752, "8753", "27113.07")
    with pytest.raises(
        SettingsError,
        match=r"08753 of contract 8751 over 8,113\.07 has the number of the invoice 8753 of contract 8752 for "
        r"2026-10 over 27,113\.07, which the API returned: correct the number",
    ):
        keep(store, TOTAL.replace("8753", "08753"))
    assert list(raw_log.scan(store, "invoices", OCTOBER)) == []
    assert [one.contract_id for one in keep(store, TOTAL.replace("8753", "08753"), contract=8752)] == [8752]
    assert [one.state for one in keep(store, TOTAL.replace("8753", "8755"))] == [NEW], "another number"
    of_api(store, 8752, "8754", None)
    with pytest.raises(SettingsError, match="of contract 8752 for 2026-10 over an amount that cannot be read, which"):
        keep(store, TOTAL.replace("8753", "8754"))


def test_a_file_that_states_another_contract_is_refused(store: LocalStore) -> None:
    stated = interchange(["BIG*20261101*E1", "REF*CT*8752", "TDS*43750"]).decode()
    with pytest.raises(SettingsError, match="E1 states contract 8752, and --contract is 8751: correct the file, or"):
        keep(store, stated)
    assert list(raw_log.scan(store, "invoices", OCTOBER)) == []
    assert [one.contract_id for one in keep(store, stated.replace("CT*8752", "CT*PAPER-9"))] == [8751], "a foreign name"
    assert [one.contract_id for one in keep(store, stated.replace("E1", "E2"), contract=None)] == [8752]
    assert [one.contract_id for one in keep(store, stated.replace("E1", "E3"), contract=8752)] == [8752]


def test_all_invoices_of_a_file_are_checked_before_one_is_kept(store: LocalStore) -> None:
    with pytest.raises(SettingsError, match="8754 is in EUR, and ECGRID_CURRENCY is USD"):
        keep(store, TOTAL + "8754,2026-11-01,EUR,1,,,\n")
    assert list(raw_log.scan(store, "invoices", OCTOBER)) == []


def test_a_code_that_is_no_currency_is_refused(store: LocalStore) -> None:
    with pytest.raises(SettingsError, match="UDS, which is no currency of ISO 4217; USD is near"):
        keep(store, TOTAL.replace("USD", "UDS"))
    with pytest.raises(SettingsError, match=r"QQQ, which is no currency of ISO 4217$"):
        keep(store, TOTAL.replace("USD", "QQQ"))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (TOTAL.replace("8113.07", "8113.075"), "line 2, column total_amount: '8113.075' has more decimals than an "
         "amount in USD, which has 2"),
        (TOTAL + "8753,,,,1001,5001,0.005\n", "line 3, column amount: '0.005' has more decimals"),
    ],
)  # fmt: skip
def test_an_amount_with_more_decimals_than_its_currency_is_refused(store: LocalStore, text: str, words: str) -> None:
    with pytest.raises(SettingsError, match=words):
        keep(store, text)
    assert list(raw_log.scan(store, "invoices", OCTOBER)) == []


def test_decimals_are_those_of_the_currency(store: LocalStore) -> None:
    """The yen has none, the dinar of Kuwait three; zeros at the end count for nothing.

    A file without a currency is in that of the data directory; where none is known, an amount has two.
    """
    for code, amount in (("JPY", "8113.00"), ("KWD", "8113.075")):
        data = TOTAL.replace("8113.07", amount).replace("USD", code).replace("8753", code).encode()
        assert import_file(store, data, contract_id=8751, now=NOW)[0].state == NEW
    with pytest.raises(
        SettingsError, match=r"line 2, column total_amount: '8113.07' has more decimals than an amount in"
    ):
        import_file(store, TOTAL.replace("USD", "JPY").encode(), contract_id=8751, now=NOW)
    silent = TOTAL.replace("8113.07", "8113.075").replace("USD", "").encode()
    dinar = import_file(store, silent, contract_id=8751, wanted_currency="KWD", now=NOW)
    assert (dinar[0].state, dinar[0].invoice.currency) == (NEW, None)
    with pytest.raises(SettingsError, match=r"'8113.075' has more decimals"):
        import_file(store, silent, contract_id=8751, now=NOW)


def test_a_month_that_has_not_begun_is_refused(store: LocalStore) -> None:
    with pytest.raises(SettingsError, match="bills 2026-12, which has not begun"):
        keep(store, TOTAL.replace("2026-11-01", "2027-01-01"))
    first = datetime(2026, 10, 1, tzinfo=UTC)
    with pytest.raises(SettingsError, match="bills 2026-10, which has not begun"):
        import_file(store, TOTAL.encode(), contract_id=8751, now=first - timedelta(seconds=1))
    assert import_file(store, TOTAL.encode(), contract_id=8751, now=first)[0].state == NEW


def test_an_invoice_of_two_months_needs_one_given(store: LocalStore) -> None:
    two = interchange(["BIG*20261101*E1", "DTM*186*20260901", "DTM*187*20261031", "TDS*43750"]).decode()
    with pytest.raises(SettingsError, match="E1 bills 2026-09-01 to 2026-10-31, more than one month: give --month"):
        keep(store, two)
    assert [one.month for one in keep(store, two, month=OCTOBER)] == [OCTOBER]


def lost(store: LocalStore) -> list[str]:
    return [str(one) for one in land_month(store, OCTOBER).lost_imports]


def named(number: str, text: str) -> str:
    return (
        f"the file {hashlib.sha256(text.encode()).hexdigest()[:12]} of invoice {number}, contract 8751, of 2026-11-05"
    )


@pytest.mark.parametrize("is_gone", [True, False], ids=["the segment", "a byte"])
def test_a_lost_file_is_named_until_its_own_invoice_is_imported_again(store: LocalStore, is_gone: bool) -> None:
    """A pull of the whole month, a new manifest of raw, and an import of another invoice restore nothing."""
    keep(store, TOTAL)
    assert lost(store) == []
    (path,) = raw_log.segments(store, "invoices", OCTOBER)
    if is_gone:
        store.delete(path)
    else:
        store.write(path, store.read(path).replace(b"8113.07", b"8113.08"))
    assert lost(store) == [named("8753", TOTAL)]
    raw_manifest.pulled_whole(store, OCTOBER)
    store.delete("raw/_segments/2026-10.json")
    assert lost(store) == [named("8753", TOTAL)]
    other = TOTAL.replace("8753", "8754")
    keep(store, other)
    assert lost(store) == [named("8753", TOTAL)]
    assert kept(store) == [("8754", "8113.07")]
    keep(store, TOTAL.replace("8113.07", "8113.09"))
    assert lost(store) == []
    assert kept(store) == [("8753", "8113.09"), ("8754", "8113.07")]


def test_a_lost_file_that_nobody_has_any_more_is_withdrawn(store: LocalStore) -> None:
    """Of two that are lost, the one named, by its letters and digits."""
    both = TOTAL + TOTAL.replace("8753", "INV-1").removeprefix(HEAD)
    keep(store, both)
    land_month(store, OCTOBER)
    store.delete(raw_log.segments(store, "invoices", OCTOBER)[0])
    assert lost(store) == [named("8753", both), named("INV-1", both)]
    assert withdraw(store, "08753", now=NOW) == Withdrawn(OCTOBER, 8751, "8753")
    assert (lost(store), kept(store)) == ([named("INV-1", both)], [])
    assert withdraw(store, "inv1", now=NOW).invoice_number == "INV-1"
    with pytest.raises(NoSuchData, match="no invoice 8753 is imported"):
        withdraw(store, "8753")


def test_a_lost_withdrawal_is_named(store: LocalStore) -> None:
    """Without it the invoice would ask to be paid again."""
    keep(store, TOTAL)
    withdraw(store, "8753", now=NOW)
    land_month(store, OCTOBER)
    store.delete(raw_log.segments(store, "invoices", OCTOBER)[-1])
    assert lost(store) == ["the withdrawal of invoice 8753, contract 8751, of 2026-11-05"]
    withdraw(store, "8753", now=NOW)
    assert (lost(store), kept(store)) == ([], [])


def test_an_import_that_was_killed_before_its_registration_is_registered_by_the_landing(store: LocalStore) -> None:
    keep(store, TOTAL)
    assert not store.exists("raw/_imports/2026-10.json")
    land_month(store, OCTOBER)
    store.write("raw/_imports/2026-10.json", b"{")
    assert [one.path for one in land_month(store, OCTOBER).quarantined] == ["raw/_imports/2026-10.json"]
    store.delete(raw_log.segments(store, "invoices", OCTOBER)[0])
    assert lost(store) == [named("8753", TOTAL)]


def test_a_lost_file_is_named_by_build_verify_and_doctor(
    tmp_path: Path, store: LocalStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ECGRID_DATA_DIR", str(tmp_path))
    keep(store, TOTAL)
    land_month(store, OCTOBER)
    healthy = next(iter(doctor._imports(Settings.load())), None)
    assert healthy is None
    store.delete(raw_log.segments(store, "invoices", OCTOBER)[0])
    for _ in range(2):
        done = CliRunner().invoke(app, ["verify", "--json"])
        assert isinstance(done.exception, Incomplete)
        assert named("8753", TOTAL) in json.loads(done.stdout)["lost"][0]
        (check,) = doctor._imports(Settings.load())
        assert (check.health, check.details) == (doctor.Health.FAILED, (f"2026-10: {named('8753', TOTAL)}",))
