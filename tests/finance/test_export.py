"""The export of a month: what its files say, that they are whole, and that the same warehouse gives the same bytes."""

import contextlib
import hashlib
import json
import os
import resource
import sys
from collections.abc import Iterator
from datetime import date, datetime, tzinfo
from pathlib import Path
from typing import Any, cast

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ecgrid_flows import formats
from ecgrid_flows.cli import main
from ecgrid_flows.errors import BillingError, NoSuchData, Refused, SettingsError, StorageFailed
from ecgrid_flows.finance import audit_log, export, export_files
from ecgrid_flows.finance.csv_writer import CsvForm
from ecgrid_flows.finance.export import export_month, read_export
from ecgrid_flows.finance.export_files import (
    KEY,
    Sheet,
    files_below,
    focus_sheet,
    opened,
    read_manifest,
    write_sheet,
)
from ecgrid_flows.settings import Settings
from ecgrid_flows.storage.opening import open_store
from ecgrid_flows.warehouse import database
from ecgrid_flows.warehouse.export_cache import gather
from ecgrid_flows.warehouse.parted import Parted, Repeating
from ecgrid_flows.warehouse.provenance import building, run_of
from ecgrid_transforms.money import Decimal

from .world import MONTH, build, every_kind_of_charge, finding, line

pytestmark = pytest.mark.slow

#: The promise to whoever loads the file: these columns, first, in this order.
PROMISED = (
    "network_id,mailbox_id,account_name,reporting_month,account_report,measure_field,price_list_id,"
    "price_list_description,reading,quantity_billed,billed_amount,expected_amount,difference,verdict,is_taxable"
)
AWKWARD = [
    "=1+1 Trading",
    'say "hi"',
    "a, b; c",
    "First line,\r\nsecond line",
    "'=x",
    "",
    None,
    "Müller & Söhne",
    "日本",
]


def contents(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in files_below(folder)}


def test_finance_lines_by_hand(settings: Settings) -> None:
    build(
        settings,
        out_line_items=[
            line(mailbox_id=7, account_name="=1+1 Trading", amount="80", difference="7.04", verdict="differs"),
            line(),
            line(mailbox_id=9, expected_amount=None, difference=None, verdict="not_provable", reading_id=None),
            line(reporting_month=date(2026, 9, 1)),
        ],
    )
    export_month(settings, MONTH)
    text = (settings.exports_dir(MONTH) / "finance_lines.csv").read_bytes().decode()
    header, *lines = text.split("\r\n")
    assert header.startswith(PROMISED + ",")
    shown = ["4443,{},2026-10-01,TrafficAll,TotalKCs,432,Naïve tiers,{},false,8751,".format(*pair) for pair in (
        ("0,Müller & Söhne", "unit,335,72.96,72.96,0.00,fits"),
        ("7,\"'=1+1 Trading\"", "unit,335,80.00,72.96,7.04,differs"),
        ("9,Müller & Söhne", ",335,72.96,,,not_provable"),
    )]  # fmt: skip
    assert [line[: len(begin)] for line, begin in zip(lines, shown, strict=False)] == shown
    assert lines[3:] == [""]
    assert header.endswith(",reading_words")
    assert all(line.endswith(",Every unit at one rate.") for line in lines[:3])


def test_every_file_reads_back_as_the_relation(settings: Settings) -> None:
    lines = [
        line(mailbox_id=number, account_name=name, price_list_description=name, amount=f"{number}.0000000001")
        for number, name in enumerate(AWKWARD)
    ]
    build(settings, out_line_items=lines, out_findings=[finding(explanation=name) for name in AWKWARD])
    for form in (CsvForm(), CsvForm(semicolons=True, bom=True)):
        export_month(settings, MONTH, form=form)
        table = read_export(settings.exports_dir(MONTH) / "finance_lines.csv")
        assert table["account_name"].to_pylist() == AWKWARD
        assert table["billed_amount"].to_pylist() == [Decimal(f"{n}.0000000001") for n in range(len(AWKWARD))]
        found = read_export(settings.exports_dir(MONTH) / "findings.csv")
        assert sorted(map(str, found["explanation"].to_pylist())) == sorted(map(str, AWKWARD))


def test_the_manifest_ties(settings: Settings) -> None:
    build(
        settings,
        out_line_items=[line(mailbox_id=1, amount="0.10"), line(mailbox_id=2, amount="0.2000000001", reading_id=None)],
        out_findings=[finding()],
    )
    paths = export_month(settings, MONTH, run_id="run-1")
    folder = settings.exports_dir(MONTH)
    manifest = json.loads((folder / "manifest.json").read_text("utf-8"))
    assert (
        {path.relative_to(folder).as_posix() for path in paths}
        == set(contents(folder))
        == {*manifest["files"], "manifest.json"}
    )
    for name, entry in manifest["files"].items():
        data = (folder / name).read_bytes()
        assert (entry["bytes"], entry["sha256"]) == (len(data), hashlib.sha256(data).hexdigest())
        if name.endswith(".csv"):
            assert entry["rows"] == read_export(folder / name).num_rows
    assert manifest["files"]["finance_lines.csv"]["control_totals"] == {
        "quantity_billed": "670",
        "billed_amount": "0.3000000001",
        "expected_amount": "145.92",
        "difference": "0",
    }
    assert manifest["run_id"] == "run-1"
    assert manifest["price_lists"] == [
        {"price_list_id": 432, "price_list_description": "Naïve tiers", "lines": 2},
    ]
    assert [(entry["reading"], entry["lines"]) for entry in manifest["readings"]] == [("unit", 1), (None, 1)]


def test_the_same_warehouse_gives_the_same_bytes(settings: Settings) -> None:
    rows = [line(mailbox_id=number) for number in range(50)]
    build(settings, out_line_items=rows)
    export_month(settings, MONTH, run_id="first")
    first = contents(settings.exports_dir(MONTH))
    build(settings, out_line_items=rows[::-1])
    export_month(settings, MONTH, run_id="second")
    assert contents(settings.exports_dir(MONTH)) == first


@pytest.mark.long
def test_the_run_is_the_one_that_built_the_warehouse(settings: Settings) -> None:
    def run_id() -> str | None:
        export_month(settings, MONTH)
        found: str | None = read_manifest(settings.exports_dir(MONTH))["run_id"]
        return found

    build(settings, out_line_items=[line()])
    assert run_id() is None
    with building(settings.warehouse_path, "run-7"):
        assert run_of(settings.warehouse_path) is None
    assert run_id() == "run-7"
    with contextlib.suppress(ZeroDivisionError), building(settings.warehouse_path, "run-8"):
        raise ZeroDivisionError
    assert run_of(settings.warehouse_path) is None  # nobody knows what such a build left
    assert run_id() == "run-7"  # the files are still those of that run


def untied(*_: object) -> None:
    raise export.DoesNotTie("one amount differs")


def test_a_changed_line_makes_a_new_export_and_leaves_nothing_of_the_old(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A new one that does not add up leaves the old one."""
    build(settings, out_line_items=[line()])
    export_month(settings, MONTH, run_id="first")
    folder = settings.exports_dir(MONTH)
    (folder / "dispute_9.csv").write_text("from before")
    build(settings, out_line_items=[line(amount="73.00")])
    export_month(settings, MONTH, run_id="second")
    assert read_manifest(folder)["run_id"] == "second"
    assert "dispute_9.csv" not in contents(folder)
    before = contents(folder)
    build(settings, out_line_items=[line(amount="74.00")])
    monkeypatch.setattr(export, "_check_tie", untied)
    with pytest.raises(export.DoesNotTie):
        export_month(settings, MONTH)
    assert contents(folder) == before
    assert [path.name for path in folder.parent.iterdir()] == ["2026-10"]


@pytest.mark.long
def test_a_file_changed_by_hand_is_written_again(settings: Settings) -> None:
    build(settings, out_line_items=[line()])
    export_month(settings, MONTH)
    path = settings.exports_dir(MONTH) / "finance_lines.csv"
    good = path.read_bytes()
    path.write_bytes(good.replace(b"72.96", b"72.95"))
    export_month(settings, MONTH)
    assert path.read_bytes() == good


def test_a_month_that_nobody_pulled_is_refused(settings: Settings) -> None:
    build(settings, out_line_items=[line()])
    with pytest.raises(NoSuchData, match=r"2026-05.*run --month 2026-05"):
        export_month(settings, date(2026, 5, 1))
    assert not settings.exports_dir(date(2026, 5, 1)).exists()


def test_a_provisional_month_is_exported_only_into_a_folder_of_its_own(settings: Settings) -> None:
    build(settings, out_line_items=[line()], core_provisional_months=[{"reporting_month": MONTH}])
    with pytest.raises(SettingsError, match=r"2026-10 was pulled only while it still ran.*--provisional"):
        export_month(settings, MONTH)
    assert not settings.exports_dir(MONTH).exists()
    written = export_month(settings, MONTH, is_provisional=True)
    assert {path.parent for path in written} == {settings.local_dir / "exports/2026-10-provisional"}
    build(settings, out_line_items=[line()])
    with pytest.raises(SettingsError, match="final: export it without --provisional"):
        export_month(settings, MONTH, is_provisional=True)


@pytest.mark.parametrize(
    ("now", "is_early", "is_provisional", "said"),
    [
        ("2026-11-01T00:00:00", False, False, None),
        ("2026-11-01T00:00:00", False, True, "is over and final: export it without --provisional"),
        ("2026-11-01T00:00:00", True, False, "was pulled only while it still ran: `run` it again. To export"),
        ("2026-11-01T00:00:00", True, True, None),
        ("2026-10-31T23:59:59", False, False, "2026-10 is not over. To export"),
        ("2026-10-31T23:59:59", False, True, None),
    ],
)
def test_a_month_is_final_when_it_is_over_and_was_pulled_since(
    monkeypatch: pytest.MonkeyPatch, now: str, is_early: bool, is_provisional: bool, said: str | None
) -> None:
    class Clock(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> "Clock":
            return cls.fromisoformat(now).replace(tzinfo=tz)

    monkeypatch.setattr(export, "datetime", Clock)
    monkeypatch.setattr("ecgrid_flows.rating.month_totals.is_provisional", lambda *_: is_early)
    refused = pytest.raises(SettingsError, match=said) if said else contextlib.nullcontext()
    with refused:
        export._require_final(cast(Any, None), MONTH, is_provisional)


def test_an_export_is_written_in_its_form_published_and_copied(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a closed month the closing's files and the corrections, in its own folder, asked for as provisional or not.

    The locales are those asked for and those that are there, also after a kill between the two renames of the folder.
    """
    folder, made = settings.exports_dir(MONTH), Path("made.csv")
    kept = folder.with_name(".staged-2026-10-00000000-old") / "de-DE"
    kept.mkdir(parents=True)
    (kept / "manifest.json").write_text('{"made_from": {}}')
    calls: list[tuple[Any, ...]] = []

    def written(*given: Any, **named: Any) -> list[Path]:
        calls.append((named["run_id"], named["form"].semicolons, named["target"], named["also"]))
        return [made]

    monkeypatch.setattr(export, "opened", lambda _: contextlib.nullcontext())
    monkeypatch.setattr(export, "_require_final", lambda _, *given: calls.append(given))
    monkeypatch.setattr(export, "run_of", lambda _: "B")
    monkeypatch.setattr(export, "write_month", written)
    monkeypatch.setattr(export, "publish", lambda _, *given: calls.append(given))
    monkeypatch.setattr("ecgrid_flows.finance.spreadsheets.write", lambda _, *given: [Path(*map(str, given[1]))])
    assert export_month(settings, MONTH, also=["xlsx"]) == [made, Path("de-DE/xlsx")]
    published = (folder, "exports/2026-10", "manifest.json")
    assert calls == [(MONTH, False), ("B", False, folder, ["de-DE", "xlsx"]), published]
    calls.clear()
    export_month(settings, MONTH, run_id="R", form=CsvForm(semicolons=True), is_provisional=True)
    provisional = folder.with_name("2026-10-provisional")
    published = (provisional, "exports/2026-10-provisional", "manifest.json")
    assert calls == [(MONTH, True), ("R", True, provisional, []), published]
    calls.clear()
    audit_log.append(open_store(settings), "close", {"month": "2026-10"})
    monkeypatch.setattr("ecgrid_flows.finance.corrections.frozen_export", lambda *_: [Path("frozen.csv")])
    monkeypatch.setattr("ecgrid_flows.finance.corrections.export_corrections", lambda *_, run_id, **__: [Path(run_id)])
    paths = export_month(settings, MONTH, is_provisional=True)
    assert (paths, calls) == ([Path("frozen.csv"), Path("B"), Path("de-DE")], [])


def test_a_version_of_focus_that_is_not_written_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"FOCUS 1\.3 is not written"):
        export._focus_versions(tmp_path, "1.3")


def test_a_quiet_month_that_was_pulled_is_exported_empty(settings: Settings) -> None:
    call = {**line(), "outcome": "no_line", "attempts": 1, "latency_ms": 1, "called_at": 0}
    build(settings, raw_calls=[call])
    export_month(settings, MONTH)
    table = read_export(settings.exports_dir(MONTH) / "finance_lines.csv")
    assert table.num_rows == 0
    assert table.schema.field("billed_amount").type == pa.decimal128(28, 10)


def test_more_rows_than_one_part_come_in_their_order(settings: Settings, tmp_path: Path) -> None:
    """A join may return rows in any order, as one that spills does; here they come by a hash. A part has 65,536."""
    build(settings)
    count = 200_000
    with contextlib.closing(database.connect(settings.warehouse_path, read_only=False)) as connection:
        connection.execute(
            # 7,919 and 200,000 have no common factor, so that each number comes once
            f"CREATE TABLE many AS SELECT DATE '{MONTH}' AS reporting_month, i * 7919 % {count} AS n, "
            f"'say \"' || n % 7 || '\"' AS name, '=' || n % 3 AS kind, n % 2 = 0 AS is_even "
            f"FROM range({count}) AS t (i)"
        ).fetchall()
    with opened(settings) as connection:
        gather(connection, "many", connection.table("main.many").order("n"))

        def rows_of(seen: Any, only: str) -> Any:
            rows = seen.table("many").filter(only).order("hash(n)")
            return rows.project("name, n, kind, is_even, n AS same_n, n // 2 AS pair, n % 2 AS side")

        def written_as(name: str, only: str = "true", **given: Any) -> dict[str, dict[str, Any]]:
            rows = Parted(connection, "many", lambda seen: rows_of(seen, only), order=("pair", "side"))
            repeating = (Repeating(("name",), by=("name",)), Repeating(("kind", "is_even"), by=("is_even", "kind")))
            columns = ("name", "n", "kind", "is_even", "same_n")
            more = {"columns": columns, "repeating": repeating, "same": {"same_n": "n"}, **given}
            return write_sheet(Sheet(name, rows, totals=("n", "same_n"), **more), tmp_path, CsvForm())

        written = written_as("many.csv", parquet="many.parquet")
        with pytest.raises(BillingError, match="many lost or repeated rows"):
            written_as("below/it/less.csv", "n <> 50")
        with pytest.raises(BillingError, match="many has a row that is like none of its rows"):
            written_as("below/it/unlike.csv", "n <> 5")  # the first of its name, which stands for all of them
    assert written["many.csv"]["rows"] == count
    digest = hashlib.sha256((tmp_path / "many.parquet").read_bytes()).hexdigest()
    assert written["many.parquet"]["sha256"] == digest
    # the numbers from 0 to 199,999 add up to 199,999 x 100,000
    assert written["many.csv"]["control_totals"] == {"n": "19999900000", "same_n": "19999900000"}
    rows = [(f'say "{n % 7}"', n, f"={n % 3}", n % 2 == 0, n) for n in range(count)]
    lines = [f'"say ""{n % 7}""",{n},"\'={n % 3}",{str(n % 2 == 0).lower()},{n}\r\n' for n in range(count)]
    assert (tmp_path / "many.csv").read_bytes().decode() == "name,n,kind,is_even,same_n\r\n" + "".join(lines)
    read = pq.read_table(tmp_path / "many.parquet")
    assert [column.to_pylist() for column in read.columns] == [list(column) for column in zip(*rows, strict=True)]
    assert read.schema.types == [pa.string(), pa.int64(), pa.string(), pa.bool_(), pa.int64()]
    # what a reader skips parts of the file by; the second part begins after 65,536 rows
    second = pq.read_metadata(tmp_path / "many.parquet").row_group(1)
    assert [(second.column(place).statistics.min, second.column(place).statistics.max) for place in (0, 1)] == [
        ('say "0"', 'say "6"'),
        (65_536, 131_071),
    ]


@pytest.mark.soak
def test_a_month_of_more_lines_than_one_part_says_what_the_relations_say(tmp_path: Path) -> None:
    """What repeats is worked out once for all that are alike; here 9,000 times eight lines are."""
    usd = Settings(data_dir=str(tmp_path), currency="USD")
    build(usd, **every_kind_of_charge())
    with contextlib.closing(database.connect(usd.warehouse_path, read_only=False)) as connection:
        for name in ("out_line_items", "out_line_proofs"):
            others = f"{name}.* REPLACE (mailbox_id + 10 * n AS mailbox_id) FROM {name}, range(1, 9000) AS t (n)"
            connection.execute(f"INSERT INTO {name} SELECT {others}").fetchall()
    export_month(usd, MONTH)
    with contextlib.closing(database.connect(usd.warehouse_path)) as connection:
        lines = connection.table("out_finance_lines").order(", ".join(KEY)).to_arrow_table()
        focus = focus_sheet(connection.table("out_focus"), "focus", "USD", "1.2").ordered().to_arrow_table()
    assert lines.num_rows == 72_000
    written = read_export(usd.exports_dir(MONTH) / "finance_lines.csv")
    assert written.equals(lines.select(written.column_names))
    read = read_export(usd.exports_dir(MONTH) / "focus_1_2.csv")
    assert read.equals(focus.cast(read.schema))
    assert read.equals(pq.read_table(usd.exports_dir(MONTH) / "focus_1_2.parquet"))


def test_lines_of_an_account_are_in_the_order_of_report_and_measure(settings: Settings) -> None:
    keys = [("MailboxStatistics", "CurrentMailboxes"), ("TrafficAll", "FromKCs"), ("TrafficAll", "ToKCs")]
    rows = [line(account_report=report, measure_field=measure) for report, measure in reversed(keys)]
    build(settings, out_line_items=rows)
    export_month(settings, MONTH)
    found = read_export(settings.exports_dir(MONTH) / "finance_lines.csv").to_pylist()
    assert [(row["account_report"], row["measure_field"]) for row in found] == keys


def test_without_a_warehouse_it_says_what_to_do(settings: Settings) -> None:
    with pytest.raises(NoSuchData, match="run `ecgrid-billing run`"):
        export_month(settings, MONTH)


def test_a_disk_that_fills_up_leaves_the_old_export(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """The manifest's write is the last before the folder is put in place; /dev/full takes its part."""
    build(settings, out_line_items=[line()])
    export_month(settings, MONTH)
    before = contents(settings.exports_dir(MONTH))
    build(settings, out_line_items=[line(amount="73.00")])
    real = os.open

    def full(path: os.PathLike[str], *given: int, **named: int) -> int:
        if str(path).endswith("manifest.json"):
            raise OSError(28, "No space left on device")
        return real(path, *given, **named)

    monkeypatch.setattr(os, "open", full)
    with pytest.raises(StorageFailed, match="disk is full"):
        export_month(settings, MONTH)
    monkeypatch.undo()
    assert contents(settings.exports_dir(MONTH)) == before
    assert [path.name for path in settings.exports_dir(MONTH).parent.iterdir()] == ["2026-10"]


def test_a_file_that_cannot_grow_says_so_while_rows_are_still_worked_out(settings: Settings) -> None:
    """The rows to come are asked for on a thread; it must have ended before the warehouse is closed."""
    build(settings, out_line_items=[line(mailbox_id=number) for number in range(2000)])
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))
    try:
        with pytest.raises(StorageFailed, match=r"finance_lines\.csv cannot be used; the file-size limit"):
            export_month(settings, MONTH)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert list(settings.exports_dir(MONTH).parent.iterdir()) == []


class _StreamWithoutMemory:
    """A relation whose memory ends after its first batch, as Arrow hands DuckDB's error on: without its class."""

    def to_arrow_reader(self, size: int) -> pa.RecordBatchReader:
        first = pa.record_batch({"n": pa.array(range(size))})

        def batches() -> Iterator[pa.RecordBatch]:
            yield first
            raise OSError("Out of Memory Error: failed to pin block of size 256.0 KiB")

        return pa.RecordBatchReader.from_batches(first.schema, batches())


def test_an_error_while_rows_are_streamed_is_one_of_the_warehouse(settings: Settings) -> None:
    with pytest.raises(StorageFailed, match="out of memory"), database.batches(_StreamWithoutMemory()) as batches:
        list(batches)
    build(settings)
    with opened(settings) as connection:
        rows = connection.sql("SELECT CASE WHEN n = 150000 THEN error('torn') ELSE n END FROM range(200000) AS t (n)")
        with database.batches(rows) as batches:
            assert next(batches).num_rows > 0
            with pytest.raises(StorageFailed, match="torn"):
                list(batches)


def test_want_of_memory_ends_an_export_with_one_line(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    build(settings)
    monkeypatch.setattr(export_files, "MEMORY_LIMIT", "1MiB")
    monkeypatch.setattr(
        sys, "argv", ["ecgrid-billing", "export", "--month", "2026-10", "--data-dir", settings.data_dir]
    )
    with pytest.raises(SystemExit) as ended:
        main()
    told = capsys.readouterr().err.strip()
    assert ended.value.code == 4
    assert "out of memory" in told
    assert len(told.splitlines()) == 1
    assert not settings.exports_dir(MONTH).exists()


def test_an_export_in_place_stays_where_only_its_run_differs(tmp_path: Path) -> None:
    def manifest(run: str | None, month: str = "2026-10") -> dict[str, Any]:
        files = {name: {"sha256": hashlib.sha256(b"a").hexdigest()} for name in ("a.csv", "b.csv")}
        return {**formats.stamp("export"), "month": month, "run_id": run, "files": files}

    def is_unchanged(run: str | None, month: str = "2026-10") -> bool:
        return export_files._is_unchanged(tmp_path, manifest(run, month))

    def keep(run: str | None) -> None:
        (tmp_path / "manifest.json").write_text(json.dumps(manifest(run)), "utf-8")

    assert not is_unchanged("A")
    for name in ("a.csv", "b.csv"):
        (tmp_path / name).write_bytes(b"a")
    keep("A")
    assert [is_unchanged(run) for run in ("A", "B", None)] == [True, True, True]
    assert not is_unchanged("A", "2026-09")
    keep(None)
    assert [is_unchanged(run) for run in (None, "B")] == [True, False]
    (tmp_path / "ledgers").mkdir()
    (tmp_path / "ledgers/x.csv").write_bytes(b"x")
    assert is_unchanged(None), "forms for ledgers are made of it"
    (tmp_path / "more.csv").write_bytes(b"x")
    assert not is_unchanged(None)
    (tmp_path / "more.csv").unlink()
    (tmp_path / "a.csv").write_bytes(b"b")
    assert not is_unchanged(None)
    (tmp_path / "manifest.json").write_text("{")
    assert not is_unchanged(None)
    staged, made = tmp_path / "staged", list[Path]()
    staged.mkdir()
    paths = export_files.place(staged, tmp_path / "target", manifest("A"), made.append)
    assert made == [staged], "what is made of the files is put in place with them"
    assert (paths[-1], read_manifest(tmp_path / "target")["run_id"]) == (tmp_path / "target/manifest.json", "A")


def test_a_file_is_read_by_the_manifest_of_its_export(tmp_path: Path) -> None:
    """Which is in its folder or one above; a damaged one, or that of a later release, is refused."""
    kept = {"sha256": hashlib.sha256(b"a").hexdigest(), "columns": []}
    manifest = {**formats.stamp("export"), "files": {"sub/a.csv": kept}}
    (tmp_path / "sub").mkdir()
    for name in ("b.csv", "sub/b.csv", "sub/a.csv"):
        (tmp_path / name).write_bytes(b"b")
    with pytest.raises(NoSuchData, match="holds no whole export"):
        read_export(tmp_path / "b.csv")
    (tmp_path / "manifest.json").write_text(json.dumps(manifest), "utf-8")
    for name in ("b.csv", "sub/b.csv"):
        with pytest.raises(NoSuchData, match=f"does not name {name}: export the month again"):
            read_export(tmp_path / name)
    with pytest.raises(StorageFailed, match=r"a\.csv is not the file that its manifest describes"):
        read_export(tmp_path / "sub/a.csv")
    for damaged in ("{", "[]", "{}", '{"files": []}'):
        (tmp_path / "manifest.json").write_text(damaged, "utf-8")
        with pytest.raises(SettingsError, match=r"manifest\.json is damaged: export the month again"):
            read_manifest(tmp_path)
    (tmp_path / "manifest.json").write_text(json.dumps({**manifest, "format": 2}), "utf-8")
    with pytest.raises(Refused, match="is of export format 2"):
        read_manifest(tmp_path)


def test_the_words_of_a_manifest_by_hand() -> None:
    versions = [({}, ""), ({"focus": "1.2"}, "1.4"), ({"focus": ["1.4"]}, ""), ({"focus": "1.4"}, "")]
    assert [export_files.focus_versions(manifest, asked) for manifest, asked in versions] == [
        *(("1.2",), ("1.2", "1.4"), ("1.2", "1.4"), ("1.2", "1.4"))
    ]
    assert export_files.focus_files(("1.2", "1.4"), "p_") == [
        *("p_focus_1_2.csv", "p_focus_1_2.parquet", "focus-1.4/p_focus_1_4.csv", "focus-1.4/p_focus_1_4.parquet")
    ]
    with pytest.raises(SettingsError, match=r"FOCUS 1\.3 is not written: use --focus 1\.2 or 1\.4"):
        export_files.focus_stem("1.3")
    sums = (Decimal("10.50"), Decimal("100"), Decimal("0.00"), Decimal("-0.0100"), 700)
    assert [export_files._total_text(value) for value in sums] == ["10.5", "100", "0", "-0.01", "700"]
    for form in (CsvForm(), CsvForm(semicolons=True), CsvForm(bom=True)):
        assert export_files.form_of({"csv": export_files.form_words(form)}) == form
    assert [export_files.guard_of({"csv": csv}) for csv in ({}, {"guard": 2})] == [1, 2]


def test_a_sheet_of_focus_is_in_order_with_each_column_in_one_group(settings: Settings) -> None:
    """Columns of an account repeat by it, others by the kind of charge; decimals and those of a line by neither."""
    build(settings, **every_kind_of_charge())
    with opened(settings) as connection:
        charges = connection.table("out_focus")
        sheet = focus_sheet(charges, "x", "USD", "1.2")
        beside = focus_sheet(charges, "x", "USD", "1.4", charges)
        rows = sheet.ordered().to_arrow_table()
        tail = beside.tail.to_arrow_table()
        parts = [part for (part,) in charges.order("mailbox_id, x_MeasureField, x_Part").project("x_Part").fetchall()]
    assert (sheet.name, sheet.parquet, sheet.tail, sheet.columns) == (
        "x.csv",
        "x.parquet",
        None,
        tuple(rows.schema.names),
    )
    assert sheet.order == (*export_files.FOCUS_KEY, "InvoiceId", "x_Part")
    assert rows["x_Part"].to_pylist() == tail["x_Part"].to_pylist() == parts
    assert sheet.amounts == tuple(field.name for field in rows.schema if pa.types.is_decimal(field.type))
    account, kind = (group.columns for group in sheet.repeating)
    assert {"BillingAccountId", "SubAccountName", "InvoiceId"} <= set(account)
    assert {"ChargeCategory", "ServiceName", "x_MeasureField"} <= set(kind)
    groups = [*account, *kind, *sheet.amounts, "x_LineDate", "x_LineItemNumber", "x_Part", "x_ResponseSha256"]
    assert sorted(groups) == sorted(sheet.columns)
    assert sheet.same == {
        "EffectiveCost": "BilledCost",
        "ListCost": "ContractedCost",
        "ListUnitPrice": "ContractedUnitPrice",
    }
    assert len(beside.same) == 6, "1.4 has the prices and costs in the pricing currency too"


def test_files_that_do_not_add_up_to_one_amount_are_refused() -> None:
    """80.00 on lines and 5.50 that no line bills are 85.50 in FOCUS."""
    beside = pa.table({"BilledCost": pa.array([Decimal("5.5")])})

    def check(beside: pa.Table | None, **changed: dict[str, str]) -> None:
        sums = {
            "finance_lines": {"billed_amount": "80"},
            "invoice_summary": {"billed_amount": "80.00"},
            "focus_1_2": {"BilledCost": "85.5"},
            "journal": {"debit": "90", "credit": "90"},
        }
        files = {f"{name}.csv": {"control_totals": found} for name, found in (sums | changed).items()}
        export._check_ties(files, ("1.2",), beside)

    check(beside)
    check(None, focus_1_2={"BilledCost": "80"})
    with pytest.raises(export.DoesNotTie, match=r"^invoice_summary\.csv adds up to 79, what it is made of to 80: "):
        check(beside, invoice_summary={"billed_amount": "79"})
    with pytest.raises(export.DoesNotTie, match=r"^focus_1_2\.csv adds up to 80, what it is made of to 85\.5: .*nine"):
        check(beside, focus_1_2={"BilledCost": "80"})
    with pytest.raises(export.DoesNotTie, match=r"^journal\.csv has debits of 90 and credits of 91: "):
        check(beside, journal={"debit": "90", "credit": "91"})
