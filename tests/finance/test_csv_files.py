"""CSV back to table equals the table, whatever the texts and decimals; the guard lets no formula through."""

import csv
import errno
import hashlib
import io
import itertools
import re
import tempfile
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ecgrid_flows.errors import StorageFailed
from ecgrid_flows.finance import csv_writer
from ecgrid_flows.finance.csv_writer import CsvForm, write_groups, write_relation
from ecgrid_flows.warehouse import database
from ecgrid_flows.warehouse.csv_files import read_table
from ecgrid_flows.warehouse.csv_lines import schema_of
from ecgrid_sandbox.world.names import TRICKY
from ecgrid_transforms.money import Decimal
from ecgrid_transforms.schemas import MONEY_TYPE

from .world import sandbox_tree

SCHEMA = pa.schema(
    [
        ("account_id", pa.int32()),
        ("account_name", pa.string()),
        ("reporting_month", pa.date32()),
        ("quantity", MONEY_TYPE),
        ("amount", MONEY_TYPE),
        ("rest", pa.decimal128(38, 9)),
        ("is_taxable", pa.bool_()),
        ("at", pa.timestamp("us")),
        ("note", pa.string()),
    ]
)
FORMS = [CsvForm(), CsvForm(semicolons=True), CsvForm(bom=True), CsvForm(semicolons=True, bom=True)]
AWKWARD = (
    "",
    "'",
    "''=1",
    "=1+1 Trading",
    "+1 555 0100",
    "-7",
    "@SUM(A1)",
    "\ttab",
    "\rreturn",
    "a\r\nb",
    'say "hi"',
    ";,\n",
    "x;=1+1;y",
    "a|=1+1|b",
    "tab\there\t'=1+1",
    "'\t=1",
    'quoted;"=1+1"',
    "line\r\n-1",
    *TRICKY,
)


def utc(seconds: int) -> datetime:
    """A time without a zone, as DuckDB's TIMESTAMP holds it, from seconds since 1970 in UTC."""
    return (datetime.fromtimestamp(0, UTC) + timedelta(seconds=seconds)).replace(tzinfo=None)


texts = st.one_of(
    st.none(),
    st.sampled_from(AWKWARD),
    st.text(
        alphabet=st.one_of(
            st.sampled_from("'=+-@\t\r\n\",;| ＝"), st.characters(codec="utf-8", exclude_characters="\x00")
        )
    ),
)
money = st.one_of(
    st.none(),
    st.decimals(-(10**17), 10**17, places=10),
    st.sampled_from([Decimal("1E-10"), Decimal("150"), Decimal("-0.5")]),
)
rows = st.lists(
    st.tuples(
        st.one_of(st.none(), st.integers(-(2**31), 2**31 - 1)),
        texts,
        st.one_of(st.none(), st.dates(date(1, 1, 1), date(9999, 12, 31))),
        money,
        money,
        st.one_of(st.none(), st.decimals(-(10**27), 10**27, places=9)),
        st.one_of(st.none(), st.booleans()),
        st.one_of(
            st.none(),
            st.integers(-(2**32), 2**33).map(utc),
        ),
        texts,
    ),
    max_size=20,
)


def table_of(values: list[tuple[object, ...]]) -> pa.Table:
    columns = zip(*values, strict=True) if values else [()] * len(SCHEMA)
    return pa.table([pa.array(column, kind) for column, kind in zip(columns, SCHEMA.types, strict=True)], schema=SCHEMA)


@pytest.fixture(scope="module")
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with database.scratch(sandbox_tree()) as made:
        yield made


def write(connection: duckdb.DuckDBPyConnection, table: pa.Table, form: CsvForm) -> bytes:
    """The file that `table` becomes; its rows are kept in order by a number in front that is not written."""
    numbered = table.append_column("row", pa.array(range(table.num_rows), pa.int64()))
    connection.register("numbered", numbered)
    ordered = connection.table("numbered").order("row").select(*table.column_names)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "table.csv")
        written = write_relation(ordered, path, amounts=("amount",), form=form)
        data = path.read_bytes()
    assert (written.rows, written.size) == (table.num_rows, len(data))
    return data


def read(data: bytes, columns: dict[str, str], form: CsvForm | None = None, *, guard: int = 2) -> pa.Table:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "table.csv")
        path.write_bytes(data)
        return read_table(path, columns, (form or CsvForm()).delimiter, guard=guard)


#: What a spreadsheet runs when a cell begins with it.
RUN = tuple("=+-@＝＋－＠")
COLUMNS = {field.name: str(field.type) for field in SCHEMA} | {"at": "timestamp[us, tz=UTC]"}


@given(values=rows, form=st.sampled_from(FORMS))
@example(values=[(1, name, None, None, None, None, None, None, name) for name in AWKWARD], form=CsvForm())
@settings(max_examples=settings.default.max_examples // 3)
def test_csv_back_to_table_is_the_table_and_another_reader_sees_no_formula(
    connection: duckdb.DuckDBPyConnection, values: list[tuple[object, ...]], form: CsvForm
) -> None:
    table = table_of(values)
    data = write(connection, table, form)
    assert read(data, COLUMNS, form).cast(SCHEMA).equals(table)
    assert data.startswith(b"\xef\xbb\xbf") == form.bom
    text = data.decode("utf-8-sig" if form.bom else "utf-8")
    assert text.endswith("\r\n")
    header, *cells = csv.reader(io.StringIO(text, newline=""), delimiter=form.delimiter, strict=True)
    assert header == SCHEMA.names
    assert len(cells) == len(values)
    for row, value in zip(cells, values, strict=True):
        for column in (1, 8):
            assert row[column][:1] not in set("=+-@\t\r\n＝＋－＠")
            assert row[column].replace("'", "") == (value[column] or "").replace("'", "")
        for column in (3, 4, 5):
            assert (Decimal(row[column]) if row[column] else None) == value[column]
            assert "E" not in row[column]


@given(st.lists(texts, min_size=1, max_size=15), st.sampled_from(FORMS))
@example(list(AWKWARD), CsvForm())
@settings(max_examples=settings.default.max_examples // 3)
def test_no_cell_begins_a_formula_under_any_separator(
    connection: duckdb.DuckDBPyConnection, values: list[str | None], form: CsvForm
) -> None:
    """A reader that splits at each separator, line end and quote finds every cell that could be."""
    table = table_of([(1, value, None, None, None, None, None, None, value) for value in values])
    for cell in re.split('[,;\t|\r\n"]', write(connection, table, form).decode("utf-8-sig" if form.bom else "utf-8")):
        assert not cell.startswith(RUN)


@given(
    st.text(
        alphabet=st.one_of(st.sampled_from("'=+-@\t\r\n,;|\""), st.characters(codec="utf-8", exclude_characters="\x00"))
    )
)
def test_the_guard_is_undone_on_every_text(connection: duckdb.DuckDBPyConnection, text: str) -> None:
    ((cell, again),) = connection.execute(
        "SELECT csv_guarded(given), csv_unguarded(csv_guarded(given)) FROM (SELECT ?::VARCHAR AS given)", [text]
    ).fetchall()
    assert again == text
    assert cell.replace("'", "") == text.replace("'", "")


@pytest.mark.parametrize(
    ("text", "cell"),
    [
        ("=1+1 Trading", "'=1+1 Trading"),
        ("'=1", "''=1"),
        ("'tis", "'tis"),
        ("-5", "'-5"),
        ("\tx", "'\tx"),
        ("a=1", "a=1"),
        ("", ""),
        ("x;=1+1;y", "x;'=1+1;y"),
        ("a - b, -c", "a - b, -c"),
        ("'\t=1", "''\t'=1"),
        ('a;"@b"', 'a;"\'@b"'),
    ],
)
def test_the_guard_by_example(connection: duckdb.DuckDBPyConnection, text: str, cell: str) -> None:
    assert connection.execute("SELECT csv_guarded(?)", [text]).fetchall() == [(cell,)]
    assert connection.execute("SELECT csv_unguarded(?)", [cell]).fetchall() == [(text,)]


def test_a_file_of_the_first_guard_is_read_by_it() -> None:
    """Earlier releases looked at the beginning of a text alone, so that an apostrophe further on is the text's own."""
    data = b"t\r\n\"'=1;'=2\"\r\n"
    assert read(data, {"t": "string"}, guard=1)["t"].to_pylist() == ["=1;'=2"]
    assert read(data, {"t": "string"})["t"].to_pylist() == ["=1;=2"]


def test_the_very_bytes(connection: duckdb.DuckDBPyConnection) -> None:
    """Two lines written out by hand: null against empty text, quotes, a formula, amounts with two decimals or more."""
    table = table_of(
        [
            (
                7,
                'Müller, "Logistik"',
                date(2026, 10, 1),
                Decimal("353"),
                Decimal("72.9"),
                Decimal("-0.5"),
                True,
                None,
                "",
            ),
            (
                -1,
                "=1+1",
                None,
                Decimal("0.125"),
                Decimal("-0.125"),
                None,
                False,
                utc(1793491199),
                None,
            ),
        ]
    )
    assert write(connection, table, CsvForm()).decode() == (
        "account_id,account_name,reporting_month,quantity,amount,rest,is_taxable,at,note\r\n"
        '7,"Müller, ""Logistik""",2026-10-01,353,72.90,-0.5,true,,""\r\n'
        '-1,"\'=1+1",,0.125,-0.125,,false,2026-10-31T23:59:59Z,\r\n'
    )


def test_another_header_is_refused(connection: duckdb.DuckDBPyConnection) -> None:
    data = write(connection, table_of([]), CsvForm(semicolons=True))
    with pytest.raises(ValueError, match="other options"):
        read(data, COLUMNS)


def test_times_are_utc() -> None:
    found = read(b"at\r\n2026-10-31T23:59:59Z\r\n", {"at": "timestamp[us, tz=UTC]"})
    assert found["at"].to_pylist() == [datetime(2026, 10, 31, 23, 59, 59, tzinfo=UTC)]


@pytest.mark.parametrize(
    "kind", [pa.decimal128(38, 11), pa.timestamp("us", tz="UTC"), pa.float64(), pa.list_(pa.int32())]
)
def test_a_type_that_would_lose_something_is_refused(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path, kind: pa.DataType
) -> None:
    connection.register("odd", pa.table({"value": pa.array([None], kind)}))
    with pytest.raises(TypeError, match=r"column value is .* no form in a CSV"):
        write_relation(connection.table("odd"), tmp_path / "odd.csv")


@pytest.mark.parametrize(
    ("value", "amount", "number"),
    [
        ("99999999.9999999999", "99999999.9999999999", "99999999.9999999999"),
        ("100000000", "100000000.00", "100000000"),
        ("-100000000.5", "-100000000.50", "-100000000.5"),
        ("-99999999.1", "-99999999.10", "-99999999.1"),
        ("123456789012345678.0123456789", "123456789012345678.0123456789", "123456789012345678.0123456789"),
        ("-0.0000000001", "-0.0000000001", "-0.0000000001"),
        ("0", "0.00", "0"),
        ("-1200", "-1200.00", "-1200"),
    ],
)
def test_numbers_on_both_sides_of_the_short_way(
    connection: duckdb.DuckDBPyConnection, value: str, amount: str, number: str
) -> None:
    """Below 10^8 a number takes a faster way to its text; the text is the same on both."""
    table = table_of([(1, None, None, Decimal(value), Decimal(value), None, None, None, None)])
    assert write(connection, table, CsvForm()).decode().split("\r\n")[1] == f"1,,,{number},{amount},,,,"


@given(amount=st.integers(1 - 10**27, 10**27 - 1).map(lambda units: Decimal(units).scaleb(-9)))
@example(amount=Decimal("99999999"))
@example(amount=Decimal("-99999998.999999999"))
@example(amount=Decimal("100000000.000000001"))
@settings(deadline=None)
def test_nine_places_hold_every_amount_of_nine_decimals(connection: duckdb.DuckDBPyConnection, amount: Decimal) -> None:
    ((found,),) = connection.execute("SELECT csv_nine_places(?::DECIMAL(28, 10))", [amount]).fetchall()
    assert found == amount
    assert found.as_tuple().exponent == -9


@pytest.mark.parametrize("owners", ["", "a", "aab", "abbbcc"])
def test_a_file_for_each_value_of_a_column(connection: duckdb.DuckDBPyConnection, tmp_path: Path, owners: str) -> None:
    """Row n, from 1, is over n: of `aab` the file of a has 1 + 2, that of b has 3."""
    amounts = [Decimal(number) for number in range(1, len(owners) + 1)]
    columns = [pa.array(list(owners), pa.string()), pa.array(amounts, MONEY_TYPE)]
    connection.register("owned", pa.table(columns, names=["owner", "amount"]))
    rows = connection.table("owned").order("owner, amount")
    written = write_groups(
        rows,
        "owner",
        lambda owner: tmp_path / f"{owner}.csv",
        amounts=["amount"],
        totals=["amount"],
        form=CsvForm(semicolons=True),
        schema=schema_of(rows),
    )
    expected = {name: [n for n, owner in zip(amounts, owners, strict=True) if owner == name] for name in set(owners)}
    assert {path.stem: (one.rows, one.totals["amount"]) for path, one in written.items()} == {
        name: (len(own), sum(own)) for name, own in expected.items()
    }
    for name, own in expected.items():
        text = (tmp_path / f"{name}.csv").read_text(encoding="utf-8")
        assert text.split() == ["owner;amount", *(f"{name};{amount}.00" for amount in own)]


NAMED = pa.schema([("name", pa.string()), ("amount", MONEY_TYPE), ("again", MONEY_TYPE)])


def named_rows(connection: duckdb.DuckDBPyConnection, name: str, *rows: tuple[str, str | None]) -> Any:
    """Rows with an amount, which is in two columns."""
    values = [(one, *[None if amount is None else Decimal(amount)] * 2) for one, amount in rows]
    columns = zip(*values, strict=True)
    arrays = [pa.array(column, kind) for column, kind in zip(columns, NAMED.types, strict=True)]
    connection.register(name, pa.table(arrays, schema=NAMED))
    return connection.table(name)


def test_a_file_with_a_tail_a_column_that_is_another_and_what_its_rows_are_used_for(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    """1.50, nothing and 2.00 are 3.50; the first two rows are read one by one, the last is the tail."""
    rows, tail = named_rows(connection, "body", ("a", "1.5"), ("b", None)), named_rows(connection, "end", ("z", "2"))
    seen: list[tuple[list[str], list[dict[str, Any]]]] = []

    def one_by_one(lines_of: Callable[..., Any]) -> Iterator[pa.RecordBatch]:
        yield from lines_of(rows).to_arrow_table().to_batches(max_chunksize=1)

    written = write_relation(
        rows,
        tmp_path / "named.csv",
        amounts=["amount", "again"],
        totals=["again"],
        kept=["name"],
        also=lambda batch: seen.append((batch.schema.names, batch.to_pylist())),
        read=one_by_one,
        same={"again": "amount"},
        tail=tail,
    )
    assert (tmp_path / "named.csv").read_bytes() == b"name,amount,again\r\na,1.50,1.50\r\nb,,\r\nz,2.00,2.00\r\n"
    assert (written.rows, written.totals) == (3, {"again": Decimal("3.5")})
    assert written.sha256 == hashlib.sha256((tmp_path / "named.csv").read_bytes()).hexdigest()
    first, second = Decimal("1.5"), Decimal(2)
    assert seen == [
        (["name", "amount"], [{"name": name, "amount": amount}])
        for name, amount in (("a", first), ("b", None), ("z", second))
    ]


@pytest.mark.parametrize(("most", "count"), [(14, 3), (16, 2)])
def test_a_file_is_synced_each_time_that_more_than_so_many_bytes_wait(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, most: int, count: int
) -> None:
    """The header has 14 bytes and each row 8. Above 14: after rows 1, 3 and 5; above 16: after 1 (22) and 4 (24)."""
    synced: list[int] = []
    monkeypatch.setattr(csv_writer, "_AT_MOST_WAITING", most)
    monkeypatch.setattr(csv_writer, "_make_durable", synced.append)
    write_amounts(connection, tmp_path, 6)
    assert len(synced) == count


@pytest.mark.parametrize("failing", [1, 2, 3])
def test_a_piece_that_the_disk_refuses_fails_the_file_and_closes_what_is_read(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: int
) -> None:
    """The header, a row, or the last row."""
    calls = itertools.count(1)

    def sync(_: int) -> None:
        if next(calls) == failing:
            raise OSError(errno.EIO, "broken")

    monkeypatch.setattr(csv_writer, "_AT_MOST_WAITING", 0)
    monkeypatch.setattr(csv_writer, "_make_durable", sync)
    closed: list[bool] = []
    with pytest.raises(StorageFailed, match="the disk failed"):
        write_amounts(connection, tmp_path, 2, closed)
    assert closed == [True]


def write_amounts(
    connection: duckdb.DuckDBPyConnection, folder: Path, count: int, closed: list[bool] | None = None
) -> None:
    """Write `owner,amount` and rows such as `a,1.00`, a piece each; `closed` gets an item when the rows are closed."""
    table = pa.table([["a"] * count, pa.array(map(Decimal, range(count)), MONEY_TYPE)], names=["owner", "amount"])
    connection.register("amounts", table)

    def one_by_one(lines_of: Callable[..., Any]) -> Iterator[pa.RecordBatch]:
        try:
            yield from lines_of(connection.table("amounts")).to_arrow_table().to_batches(max_chunksize=1)
        finally:
            if closed is not None:
                closed.append(True)

    write_relation(connection.table("amounts"), folder / "amounts.csv", amounts=["amount"], read=one_by_one)
