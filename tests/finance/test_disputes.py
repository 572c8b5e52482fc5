"""The folder `disputes/`: which findings are claimed, what the vendor receives, and what must never reach it."""

import csv
import hashlib
from dataclasses import replace
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from ecgrid_flows.finance import audit_log, disputes
from ecgrid_flows.finance.export import export_month, read_export
from ecgrid_flows.finance.export_files import files_below, opened, read_manifest
from ecgrid_flows.finance.finding_states import with_states
from ecgrid_flows.finance.period_close import verify
from ecgrid_flows.lake.raw_log import RawAnswer, RawLog
from ecgrid_flows.settings import Secret, Settings
from ecgrid_flows.storage.base import Store
from ecgrid_flows.storage.opening import open_store
from ecgrid_transforms.money import Decimal

from .decided import close, decide
from .world import MONTH, build, finding, line, proof

LINE = b'<?xml version="1.0"?><InvoiceCalculateLineItemResult><Amount>80</Amount></InvoiceCalculateLineItemResult>'
LIST = b'<?xml version="1.0"?><PricelistInfoResult><Pricelist/></PricelistInfoResult>'
INVOICE = b'<?xml version="1.0"?><InvoiceInfoResult><SessionID>0F3C-secret</SessionID></InvoiceInfoResult>'


@pytest.fixture
def store(settings: Settings) -> Store:
    return open_store(settings)


def ids(settings: Settings) -> dict[int, str]:
    """The finding's id by mailbox."""
    with opened(settings) as connection:
        rows = with_states(connection, audit_log.read(open_store(settings))).to_arrow_table().to_pylist()
    return {row["mailbox_id"]: row["finding_id"] for row in rows}


def claims(settings: Settings, contract: int | str = 8751) -> list[dict[str, Any]]:
    export_month(settings, MONTH)
    path = settings.exports_dir(MONTH) / f"disputes/{contract}/claim.csv"
    rows: list[dict[str, Any]] = read_export(path).to_pylist() if path.is_file() else []
    return rows


def claimed(settings: Settings, contract: int | str = 8751) -> dict[int, str]:
    return {row["mailbox_id"]: f"{row['amount_claimed']:.2f}" for row in claims(settings, contract)}


def test_open_errors_and_what_is_disputed_are_claimed(settings: Settings, store: Store) -> None:
    """The sums are those of the reconciliation: claimable 7.04, disputed 7.04 + 3.00 + 155.00."""
    four = [finding(mailbox_id=number) for number in range(4)]
    others = [
        finding(mailbox_id=9, difference="-7.04", billed_amount="60"),
        finding(mailbox_id=8, severity="warning", difference="3.00"),
        finding(mailbox_id=7, severity="warning"),
        finding(mailbox_id=6, check_name="missing_line", billed_amount="155", expected_amount=None, difference=None),
        finding(mailbox_id=5, check_name="restated", severity="warning"),
    ]
    build(
        settings,
        out_line_items=[line(mailbox_id=number, amount="80") for number in range(10)],
        out_findings=[*four, *others],
    )
    known = ids(settings)
    for mailbox, state in ((1, "disputed"), (2, "accepted"), (3, "resolved"), (8, "disputed"), (9, "disputed")):
        decide(settings, store, known[mailbox], state)
    assert claimed(settings, "no_contract") == {0: "7.04", 1: "7.04", 8: "3.00"}
    decide(settings, store, known[6], "disputed")
    decide(settings, store, known[5], "disputed")
    assert claimed(settings, "no_contract") == {0: "7.04", 1: "7.04", 5: "7.04", 6: "155.00", 8: "3.00"}


def test_a_charge_in_doubt_as_a_whole_is_claimed_once(settings: Settings) -> None:
    """Mailbox 1: the answer names another account, 80.00 is held back; the 7.04 of the same line are part of it."""
    held = finding(mailbox_id=1, check_name="identity_mismatch", expected_amount=None, difference=None)
    build(
        settings,
        out_line_items=[line(mailbox_id=number, amount="80") for number in range(2)],
        out_findings=[finding(), finding(mailbox_id=1), held],
    )
    assert claimed(settings, "no_contract") == {0: "7.04", 1: "80.00"}


@pytest.mark.long
def test_a_contract_has_a_folder_of_its_own(settings: Settings) -> None:
    lines = [(0, 8751), (1, 7), (2, None), (3, 7)]
    accounts = [
        {"network_id": 4443, "mailbox_id": number, "account_name": "A", "contract_id": contract}
        for number, contract in lines
    ]
    build(
        settings,
        core_accounts=accounts,
        out_line_items=[line(mailbox_id=number, contract_id=contract, amount="80") for number, contract in lines],
        out_findings=[finding(mailbox_id=number) for number, _ in lines],
    )
    found = {name: [*claimed(settings, name)] for name in (7, 8751, "no_contract")}
    assert found == {7: [1, 3], 8751: [0], "no_contract": [2]}


def invoiced(settings: Settings, **given: Any) -> None:
    """Finding of 7.04 on line 12 of invoice INV-7, with an interpretation that must stay inside."""
    build(
        settings,
        core_accounts=[{"network_id": 4443, "mailbox_id": 0, "account_name": "A", "contract_id": 8751}],
        out_line_items=[line(amount="80", response_sha256=sha256(LINE), **given)],
        out_findings=[finding(explanation="By the reading graduated, 72.96. Ask the vendor.")],
        out_line_proofs=[
            proof(1, "300", "0.2", "72.96", block="5", blocks="60", rule="graduated-up"),
            proof(2, "60", "1.0", "72.96", flat="0.96", rule="graduated-up"),
        ],
        raw_invoices=[
            {
                "reporting_month": MONTH,
                "source": "InvoiceInfo",
                "invoice_id": 77,
                "invoice_number": "INV-7",
                "contract_id": 8751,
                "total_amount": "80",
                "status": "Sent",
                "response_sha256": sha256(INVOICE),
            }
        ],
        core_invoice_lines=[
            line(line_item_number=number, measure_field=measure, source="InvoiceInfo", invoice_id=77, amount="80")
            for number, measure in ((11, "ToKCs"), (12, "TotalKCs"))
        ],
        core_invoice_matches=[line(source="InvoiceInfo", invoice_id=77, status="matches")],
        raw_price_schedules=[{"reporting_month": MONTH, "price_list_id": 432, "response_sha256": sha256(LIST)}],
    )


def sha256(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


def receive(store: Store, operation: str, body: bytes, **arguments: Any) -> None:
    now = datetime(2026, 11, 2, 6, 0, 1, tzinfo=UTC)
    with RawLog(store) as journal:
        journal.record(MONTH, RawAnswer(operation, "v3.2", arguments, now, 1, 1, sha256(body), body=body))


def test_a_claim_leads_from_the_invoice_line_to_the_answers(settings: Settings, store: Store) -> None:
    invoiced(settings)
    receive(store, "InvoiceCalculateLineItem", b"<Other/>", NetworkID=1)
    receive(store, "InvoiceCalculateLineItem", LINE, NetworkID=4443, MailboxID=0)
    receive(store, "PricelistInfo", LIST, PricelistID=432)
    receive(store, "InvoiceInfo", INVOICE, InvoiceID=77)
    (row,) = claims(settings)
    named = {name: row[name] for name in ("invoice_number", "invoice_line_numbers", "account_report", "measure_field")}
    assert named == {
        "invoice_number": "INV-7",
        "invoice_line_numbers": "12",
        "account_report": "TrafficAll",
        "measure_field": "TotalKCs",
    }
    assert [f"{row[name]:.2f}" for name in ("billed_amount", "expected_amount", "amount_claimed")] == [
        "80.00",
        "72.96",
        "7.04",
    ]
    assert row["reason"] == "Amount does not follow from the price list"
    assert row["calculation"] == (
        "Tier 1 (Tier1): 300 in 60 blocks of 5 at 0.2 = 12; Tier 2 (Tier2): 60 at 1 plus a fee of 0.96 = 60.96. "
        "80.00 billed less 72.96 due is 7.04"
    )
    folder = settings.exports_dir(MONTH) / "disputes/8751"
    bodies = {name: (folder / row[f"{name}_evidence"]).read_bytes() for name in ("line", "price_list", "invoice")}
    assert bodies == {"line": LINE, "price_list": LIST, "invoice": INVOICE.replace(b"0F3C-secret", b"***")}
    assert row["line_evidence"] == "evidence/line-4443-0-TrafficAll-TotalKCs.xml"
    evidence = [f"evidence/{name}.xml" for name in ("invoice-77", "line-4443-0-TrafficAll-TotalKCs", "price-list-432")]
    described = [name for name in read_manifest(settings.exports_dir(MONTH))["files"] if name.startswith("disputes/")]
    assert described == [f"disputes/8751/{name}" for name in ("claim.csv", *evidence, "letter.html")]
    page = (folder / "letter.html").read_text("utf-8")
    assert "We dispute 1 charge and claim <strong>7.04</strong> in all, in the currency of the invoices." in page
    for shown in ("INV-7, line 12", "7.04", "InvoiceInfo v3.2 InvoiceID=77", "2026-11-02 06:00:01", sha256(LINE)):
        assert shown in page, shown


def test_nothing_internal_goes_to_the_vendor(settings: Settings, store: Store) -> None:
    invoiced(settings, verdict="differs", reading_id="graduated-up")
    decide(settings, store, ids(settings)[0], "disputed", "our weak point, keep quiet")
    export_month(settings, MONTH)
    folder = settings.exports_dir(MONTH) / "disputes"
    sent = b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())
    for word in (b"keep quiet", b"graduated", b"reading", b"verdict", b"differs", b"disputed,"):
        assert word not in sent, word
    assert "keep quiet" in (settings.exports_dir(MONTH) / "findings.csv").read_text("utf-8")


def test_a_password_in_an_answer_is_masked(settings: Settings, store: Store) -> None:
    invoiced(settings)
    body = LINE.replace(b"80", b"hunter2-hunter2")
    build(
        settings,
        out_line_items=[line(amount="80", response_sha256=sha256(body))],
        out_findings=[finding()],
    )
    receive(store, "InvoiceCalculateLineItem", body, NetworkID=4443, MailboxID=0)
    (row,) = claims(replace(settings, password=Secret("hunter2-hunter2")), "no_contract")
    kept = settings.exports_dir(MONTH) / "disputes/no_contract" / row["line_evidence"]
    assert kept.read_bytes() == LINE.replace(b"80", b"***")


class _Tags(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found |= {tag, *(f"{tag}[{name}]" for name, _ in attrs)}


def test_a_name_bites_in_no_file(settings: Settings) -> None:
    name = "=1+1</td><script>alert(1)</script><img src=x onerror=alert(1)>\r\n\x00"
    build(
        settings,
        out_line_items=[line(amount="80", account_name=name)],
        out_findings=[finding(account_report="../../x", measure_field='"><b>')],
        core_accounts=[{"network_id": 4443, "mailbox_id": 0, "account_name": name, "contract_id": 8751}],
    )
    (row,) = claims(settings)
    assert row["account_name"] == name
    folder = settings.exports_dir(MONTH) / "disputes/8751"
    with (folder / "claim.csv").open(encoding="utf-8", newline="") as file:
        assert next(csv.DictReader(file))["account_name"].startswith("'=1+1")
    tags = _Tags((folder / "letter.html").read_text("utf-8")).found
    assert tags.isdisjoint({"script", "img", "b", "img[src]"})
    assert not [tag for tag in tags if "[on" in tag or "[src" in tag or "[href" in tag]
    assert files_below(settings.exports_dir(MONTH) / "disputes") == ["8751/claim.csv", "8751/letter.html"]


def test_a_whole_invoice_is_contested_by_subtraction(settings: Settings) -> None:
    about = {"network_id": None, "mailbox_id": None, "account_report": None, "measure_field": None}
    whole = finding(check_name="invoice_total_mismatch", invoice_number="INV-7", price_list_id=None, **about)
    build(settings, out_line_items=[line()], out_findings=[whole])
    (row,) = claims(settings, "no_contract")
    assert (row["invoice_number"], row["calculation"]) == ("INV-7", "80.00 billed less 72.96 due is 7.04")


@pytest.mark.long
def test_the_folder_is_closed_and_restored_with_the_month(settings: Settings, store: Store) -> None:
    invoiced(settings)
    receive(store, "InvoiceCalculateLineItem", LINE, NetworkID=4443, MailboxID=0)
    decide(settings, store, ids(settings)[0], "disputed")
    close(settings)
    folder = settings.exports_dir(MONTH)
    before = {name: (folder / name).read_bytes() for name in files_below(folder)}
    assert "disputes/8751/evidence/line-4443-0-TrafficAll-TotalKCs.xml" in before
    assert verify(settings, store, MONTH).faults == ()
    stranger = folder / "disputes/8751/evidence/x.xml"
    stranger.write_text("<x/>")
    assert [str(stranger) in fault for fault in verify(settings, store, MONTH).faults] == [True]
    stranger.unlink()
    (folder / "disputes/8751/letter.html").unlink()
    export_month(settings, MONTH)
    assert {name: (folder / name).read_bytes() for name in files_below(folder)} == before


@pytest.mark.long
def test_the_same_warehouse_gives_the_same_files(settings: Settings, store: Store, tmp_path: Path) -> None:
    invoiced(settings)
    receive(store, "InvoiceCalculateLineItem", LINE, NetworkID=4443, MailboxID=0)
    folder = settings.exports_dir(MONTH)
    export_month(settings, MONTH)
    first = {name: ((folder / name).read_bytes(), (folder / name).stat().st_ino) for name in files_below(folder)}
    export_month(settings, MONTH)
    assert {
        name: ((folder / name).read_bytes(), (folder / name).stat().st_ino) for name in files_below(folder)
    } == first


def test_the_secrets_of_today_are_masked_in_what_was_kept_before(settings: Settings) -> None:
    own = {"login_name": "own-login-name", "password": Secret("hunter2-hunter2"), "api_key": Secret("0123-4567-89ab")}
    body = b"<a>own-login-name hunter2-hunter2 0123-4567-89ab</a>"
    assert disputes._masked(body, replace(settings, **own)) == b"<a>*** *** ***</a>"
    assert disputes._masked(body, settings) == body


def test_a_letter_names_what_is_known_of_a_claim(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """A charge without an account, of which two responses are kept; invented data are marked."""
    about = dict.fromkeys(("network_id", "mailbox_id", "account_name", "account_report", "invoice_line_numbers"))
    row = about | {
        "finding_id": "f1",
        "check_name": "rate_mismatch",
        "measure_field": "TotalKCs",
        "invoice_number": "8753",
        "billed_amount": Decimal(80),
        "expected_amount": None,
        "amount_claimed": Decimal("7.04"),
        "calculation": "80.00 less 72.96",
        "line_evidence": "evidence/a.xml",
        "price_list_evidence": None,
        "invoice_evidence": "evidence/b.txt",
    }

    def words(contract: int | None) -> dict[str, Any]:
        return disputes._letter_words(settings, MONTH, contract, [row], {}, {"rate_mismatch": "Another rate"})

    found = words(None)
    assert (found["notice"], found["contract"], found["total"]) == ("", "charges of no known contract", "7.04")
    assert found["claims"] == [
        {
            "claim_id": "f1",
            "invoice": "8753",
            "account": "",
            "charge": "TotalKCs",
            "billed": "80.00",
            "due": "",
            "claimed": "7.04",
            "reason": "Another rate",
            "calculation": "80.00 less 72.96",
            "evidence": "evidence/a.xml, evidence/b.txt",
        }
    ]
    monkeypatch.setattr(disputes, "is_invented", lambda _: True)
    assert (words(8751)["notice"], words(8751)["contract"]) == (disputes._INVENTED, "contract 8751")


def test_the_words_of_a_letter_by_hand() -> None:
    def claim(invoice: str | None, amount: str, **other: Any) -> dict[str, Any]:
        return {"invoice_number": invoice, "amount_claimed": Decimal(amount), **other}

    rows = [claim("B-2", "1.005"), claim(None, "-0.50"), claim("A-1", "2"), claim("B-2", "3")]
    assert list(disputes._by_invoice(rows)) == [
        {"number": "not known", "count": 1, "claimed": "-0.50"},
        {"number": "A-1", "count": 1, "claimed": "2.00"},
        {"number": "B-2", "count": 2, "claimed": "4.005"},
    ]
    lines = [("8753", "4"), ("8753", None), (None, "4"), (None, None)]
    assert [disputes._invoice_line(claim(number, "1", invoice_line_numbers=of)) for number, of in lines] == [
        *("8753, line 4", "8753", "line 4", "")
    ]
    accounts = [(4443, 0, "A"), (4443, 5, None), (None, None, "A")]
    assert [
        disputes._account({"network_id": network, "mailbox_id": mailbox, "account_name": name})
        for network, mailbox, name in accounts
    ] == ["4443-0 A", "4443-5", ""]
    assert [disputes._amount(value) for value in (None, Decimal(0), Decimal("-1234.5"))] == ["", "0.00", "-1,234.50"]
    assert [disputes._ending(body) for body in (b"\xef\xbb\xbf\r\n<a/>", b"a < b", b"")] == [".xml", ".txt", ".txt"]
