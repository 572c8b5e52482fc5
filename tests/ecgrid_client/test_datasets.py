"""DataSets to Arrow: the types of the inline schema, nulls, several tables, odd names, drift, and size."""

from datetime import UTC, datetime

import pyarrow as pa
import pytest

from ecgrid_client import datasets
from ecgrid_client.errors import AccessDenied, MalformedAnswer
from ecgrid_transforms.model import OddValue
from ecgrid_transforms.money import Decimal
from ecgrid_transforms.schemas import MONEY_TYPE

from .client_replay import wire

XS = "http://www.w3.org/2001/XMLSchema"
MSDATA = "urn:schemas-microsoft-com:xml-msdata"
DIFFGR = "urn:schemas-microsoft-com:xml-diffgram-v1"


def schema_of(columns: str, table: str = "Table") -> str:
    """An inline schema with one table; `columns` are its xs:element parts."""
    return (
        f'<xs:schema id="NewDataSet" xmlns="" xmlns:xs="{XS}" xmlns:msdata="{MSDATA}">'
        '<xs:element name="NewDataSet" msdata:IsDataSet="true"><xs:complexType>'
        f'<xs:choice minOccurs="0" maxOccurs="unbounded"><xs:element name="{table}"><xs:complexType><xs:sequence>'
        f"{columns}</xs:sequence></xs:complexType></xs:element></xs:choice></xs:complexType></xs:element></xs:schema>"
    )


def answer(columns: str, rows: str, *, soap: bool = False) -> bytes:
    """A DataSet answer, by GET or SOAP 1.1, with one table."""
    inner = (
        f"{schema_of(columns)}"
        f'<diffgr:diffgram xmlns:msdata="{MSDATA}" xmlns:diffgr="{DIFFGR}"><NewDataSet xmlns="">{rows}</NewDataSet>'
        "</diffgr:diffgram>"
    )
    if soap:
        return (
            '<?xml version="1.0" encoding="utf-8"?><soap:Envelope xmlns:soap="http://schemas.xmlsoap.org/soap/envelope/">'
            '<soap:Body><InterconnectCountResponse xmlns="https://os.ecgrid.io/"><InterconnectCountResult>'
            f"{inner}</InterconnectCountResult></InterconnectCountResponse></soap:Body></soap:Envelope>"
        ).encode()
    return f'<?xml version="1.0" encoding="utf-8"?>\n<DataSet xmlns="https://os.ecgrid.io/">{inner}</DataSet>'.encode()


def column(kind: str, *cells: str | None, extra: str = "") -> pa.ChunkedArray:
    """One column `C` of an XML Schema type, read from its cells."""
    return datasets.tables(cells_of(kind, *cells, extra=extra))["Table"]["C"]


def cells_of(kind: str, *cells: str | None, extra: str = "") -> bytes:
    """An answer with one column `C` of an XML Schema type."""
    declared = f'<xs:element name="C" type="xs:{kind}" minOccurs="0" {extra} />'
    rows = "".join("<Table />" if cell is None else f"<Table><C>{cell}</C></Table>" for cell in cells)
    return answer(declared, rows)


def test_interconnects_by_status() -> None:
    found = datasets.tables(wire("v4.1-InterconnectCount.soap11.response.xml"))
    assert list(found) == ["Table", "Table1"]
    table = found["Table"]
    assert table.schema == pa.schema(
        [
            ("StatusID", pa.int32()),
            ("Status", pa.string()),
            ("Interconnects", pa.int32()),
            ("OldestRequest", pa.timestamp("ns", tz="UTC")),
            ("AverageDays", MONEY_TYPE),
            ("Last Note", pa.string()),
        ]
    )
    assert table["Interconnects"].to_pylist() == [7, 21, 0, 25, 31, 2]
    # 2024-01-05T20:19:00-08:00 is 04:19 of the next day in UTC
    assert table["OldestRequest"][0].as_py().to_pydatetime() == datetime(2024, 1, 6, 4, 19, tzinfo=UTC)
    assert table["AverageDays"].to_pylist()[:3] == [Decimal("7.2625"), Decimal("21.7875"), None]
    assert table["Last Note"].to_pylist()[:3] == ["", 'état: "en attente" & <révisé>,\nligne 2', None]
    assert found["Table1"].num_rows == 0
    assert found["Table1"].schema.field("Fee").type == MONEY_TYPE


def test_get_gives_the_same_tables() -> None:
    over_soap = datasets.tables(wire("v4.1-InterconnectCount.soap11.response.xml"))
    over_get = datasets.tables(wire("v4.1-InterconnectCount.httpget.response.xml"))
    assert over_soap.keys() == over_get.keys()
    assert all(over_soap[name].equals(over_get[name]) for name in over_soap)


def test_tables_without_rows_keep_their_columns() -> None:
    found = datasets.tables(wire("v4.1-InterconnectCount-no-rows.soap11.response.xml"))
    full = datasets.tables(wire("v4.1-InterconnectCount.soap11.response.xml"))
    assert {name: (table.num_rows, table.schema) for name, table in found.items()} == {
        name: (0, table.schema) for name, table in full.items()
    }


def test_a_dataset_without_tables() -> None:
    assert datasets.tables(wire("v4.1-ReportTrafficStats-no-tables.soap11.response.xml")) == {}


def test_old_rows_of_an_edited_diffgram_are_no_rows() -> None:
    table = datasets.tables(wire("v4.1-InterconnectCount-edited.soap11.response.xml"))["Table"]
    assert table["StatusID"].to_pylist() == [1, 2, 3, 5, 6, 7]
    assert table["Interconnects"].to_pylist() == [7, 999, 0, 31, 2, 1]


def test_only_old_rows_are_no_rows_at_all() -> None:
    rows = "<Table><C>1</C></Table>"
    body = answer('<xs:element name="C" type="xs:int" />', rows).decode()
    deleted = body.replace('<NewDataSet xmlns="">', '<diffgr:before xmlns="">').replace(
        "</NewDataSet>", "</diffgr:before>"
    )
    assert datasets.tables(deleted.encode())["Table"].num_rows == 0


def test_errors_of_a_diffgram_are_no_rows() -> None:
    body = answer('<xs:element name="C" type="xs:int" />', '<Table diffgr:id="Table1"><C>1</C></Table>').decode()
    body = body.replace(
        "</NewDataSet>", '</NewDataSet><diffgr:errors><Table diffgr:id="Table1" diffgr:Error="bad" /></diffgr:errors>'
    )
    assert datasets.tables(body.encode())["Table"]["C"].to_pylist() == [1]


def test_traffic_across_the_end_of_daylight_saving() -> None:
    table = datasets.tables(wire("v4.1-ReportTrafficStats.soap11.response.xml"))["Table"]
    names = ["Period Start", "Period End", "ParcelsIn", "ParcelsOut", "Bytes", "Avg KC", "KCs/Parcel", "1stSender"]
    assert table.column_names == names
    # 00:00-07:00, 01:00-08:00 and 02:00-08:00 are two and one hours apart in UTC: 07, 09 and 10 o'clock
    assert [value.as_py().hour for value in table["Period Start"]] == [5, 6, 7, 9, 10]
    assert table["Bytes"].to_pylist()[0] == 14814814680
    assert table["KCs/Parcel"].type == pa.float64()
    assert table["1stSender"].to_pylist() == ["ACME & Søn"] * 5


def test_instant_statistics_over_soap12() -> None:
    table = datasets.tables(wire("v4.1-ReportInstantStats.soap12.response.xml"))["Table"]
    row = table.to_pylist()[0]
    assert (row["OnLine"], row["LastError"]) == (True, None)
    assert row["BatchID"] == "5ad490e6-57e6-c424-4177-46406c46e8cb"
    # 12:34:56.789 at -07:00
    assert table["AsOf"].cast(pa.int64())[0].as_py() == 1720121696_789000000


def test_a_monthly_report() -> None:
    table = datasets.tables(wire("v3.2-ReportMonthlyEx.soap11.response.xml"))["Table"]
    assert table["TotalKCs"].to_pylist() == [
        Decimal("19710.632"),
        Decimal("11983.586"),
        Decimal("16487.712"),
        Decimal("18627.943"),
    ]
    assert table["BytesOut"].to_pylist()[0] == 4305972892


@pytest.mark.parametrize(
    ("kind", "cells", "type_", "values"),
    [
        ("int", ["-2147483648", " 7 ", None], pa.int32(), [-2147483648, 7, None]),
        ("long", ["9223372036854775807"], pa.int64(), [9223372036854775807]),
        ("short", ["-32768"], pa.int16(), [-32768]),
        ("byte", ["-128"], pa.int8(), [-128]),
        ("unsignedByte", ["255"], pa.uint8(), [255]),
        ("unsignedShort", ["65535"], pa.uint16(), [65535]),
        ("unsignedInt", ["4294967295"], pa.uint32(), [4294967295]),
        ("unsignedLong", ["18446744073709551615"], pa.uint64(), [18446744073709551615]),
        ("boolean", ["true", "0", "1", "false", None], pa.bool_(), [True, False, True, False, None]),
        ("base64Binary", ["AAEC/w==", "", None], pa.binary(), [b"\x00\x01\x02\xff", b"", None]),
        ("double", ["1.5E3", "-INF", None], pa.float64(), [1500.0, float("-inf"), None]),
        ("float", ["0.5"], pa.float32(), [0.5]),
        ("double", [f"{'1.5':0<100}"], pa.float64(), [1.5]),
        ("string", ["", " x ", None], pa.string(), ["", " x ", None]),
        ("anyURI", ["http://a"], pa.string(), ["http://a"]),
        ("duration", ["P1DT2H"], pa.string(), ["P1DT2H"]),
        ("date", ["2026-10-31"], pa.date32(), [datetime(2026, 10, 31, tzinfo=UTC).date()]),
    ],
)
def test_types(kind: str, cells: list[str | None], type_: pa.DataType, values: list[object]) -> None:
    found = column(kind, *cells)
    assert found.type == type_
    assert found.to_pylist() == values


def test_decimals_are_exact_or_kept_as_text() -> None:
    cells = ["0.1", "-0.0001", "123456789012345678.0123456789", "150.0000", None]
    found = column("decimal", *cells)
    assert found.type == pa.decimal128(28, 10)
    assert found.to_pylist() == [None if cell is None else Decimal(cell) for cell in cells]
    odd: list[OddValue] = []
    longer = ["0.3333333333333333333333333333", "7922816251.4", "79228162514264337593543950335"]
    table = datasets.tables(cells_of("decimal", *longer), odd)["Table"]
    assert table["C"].type == pa.decimal128(28, 10)
    assert table["C"].to_pylist() == [None, Decimal("7922816251.4"), None]
    assert table["C (text)"].to_pylist() == [longer[0], None, longer[2]]
    assert [(one.record, one.element, one.text) for one in odd] == [
        ("table Table, row 1", "C", longer[0]),
        ("table Table, row 3", "C", longer[2]),
    ]


@pytest.mark.parametrize(
    ("cell", "nanoseconds"),
    [
        # seconds since 1970 by the calendar: 2023-11-05T00:00Z is 19666 days
        ("2023-11-05T00:00:00Z", 19666 * 86400 * 10**9),
        ("2023-11-05T00:00:00.1234567Z", 19666 * 86400 * 10**9 + 123456700),
        ("2023-11-05T01:30:00.123456789-08:00", (19666 * 86400 + 9 * 3600 + 1800) * 10**9 + 123456789),
        ("2023-11-05T05:45:00+05:45", 19666 * 86400 * 10**9),
        ("1969-12-31T23:59:59.9999999Z", -100),
        ("1677-09-21T00:12:43.2Z", -9223372036_800000000),
    ],
)
def test_instants_are_exact_to_the_nanosecond(cell: str, nanoseconds: int) -> None:
    found = column("dateTime", cell)
    assert found.type == pa.timestamp("ns", tz="UTC")
    assert found.cast(pa.int64()).to_pylist() == [nanoseconds]


def test_times_without_a_zone_have_none() -> None:
    found = column("dateTime", "2023-11-05T01:30:00.1234567", None)
    assert found.type == pa.timestamp("ns")
    assert found.cast(pa.int64()).to_pylist() == [(19666 * 86400 + 5400) * 10**9 + 123456700, None]
    unspecified = column("dateTime", extra=f'xmlns:m="{MSDATA}" m:DateTimeMode="Unspecified"')
    assert unspecified.type == pa.timestamp("ns")
    assert column("dateTime").type == pa.timestamp("ns", tz="UTC")


def test_a_time_that_does_not_fit_is_kept_as_text() -> None:
    declared = '<xs:element name="At" type="xs:dateTime" minOccurs="0" />'
    cells = ["2023-11-05T01:30:00Z", "0001-01-01T00:00:00-08:00", "9999-12-31T23:59:59.9999999Z", "2023-11-05T01:30:00"]
    rows = "".join(f"<Table><At>{cell}</At></Table>" for cell in cells)
    table = datasets.tables(answer(declared, rows))["Table"]
    assert table.column_names == ["At", "At (text)"]
    assert [value is None for value in table["At"].to_pylist()] == [False, True, True, True]
    assert table["At (text)"].to_pylist() == [None, *cells[1:]]


def test_a_time_that_is_none_is_named_by_its_row() -> None:
    odd: list[OddValue] = []
    datasets.tables(cells_of("dateTime", "2023-11-05T01:30:00Z", "x", "2023-11-05T01:30:00Z", "y"), odd)
    assert [(one.record, one.text) for one in odd] == [("table Table, row 2", "x"), ("table Table, row 4", "y")]


@pytest.mark.parametrize(
    ("kind", "cell"),
    [
        ("int", "1.0"),
        ("int", ""),
        *(("int", cell) for cell in ("2147483648", "-2147483649")),
        *(("byte", cell) for cell in ("128", "-129")),
        *(("short", cell) for cell in ("32768", "-32769")),
        *(("long", cell) for cell in ("9223372036854775808", "-9223372036854775809")),
        *(("unsignedByte", cell) for cell in ("256", "-1")),
        ("unsignedShort", "65536"),
        ("unsignedInt", "4294967296"),
        ("unsignedLong", "18446744073709551616"),
        ("int", "１"),
        ("int", "1_000"),
        ("decimal", "1e3"),
        ("decimal", "NaN"),
        ("decimal", ""),
        ("decimal", "1,5"),
        ("decimal", "9" * 60 + "." + "9" * 30),
        ("boolean", "True"),
        ("dateTime", "2023-11-05"),
        ("dateTime", "2023-02-30T00:00:00"),
        ("dateTime", "2023-11-05T25:00:00Z"),
        ("dateTime", "2023-11-05T00:00:00+15:00"),
        ("base64Binary", "AAE"),
        ("double", "abc"),
        ("double", "1_0"),
        ("double", f"{'1.5':0<101}"),
        ("date", "2023-13-01"),
    ],
)
def test_a_value_that_is_none_of_its_type_is_null_with_its_text_beside_it(kind: str, cell: str) -> None:
    odd: list[OddValue] = []
    table = datasets.tables(cells_of(kind, cell, None), odd)["Table"]
    assert table["C"].to_pylist() == [None, None]
    assert table["C (text)"].to_pylist() == [cell, None]
    assert odd == [OddValue("table Table, row 1", "C", cell, f"is not an xs:{kind}")]


def test_of_a_column_that_is_none_of_its_type_a_hundred_values_are_named_and_the_rest_counted() -> None:
    odd: list[OddValue] = []
    assert datasets.tables(cells_of("int", *["x"] * 150), odd)["Table"].num_rows == 150
    assert len(odd) == 101
    assert str(odd[-1]) == "table Table: C is not an xs:int in 50 more rows"


def test_undeclared_elements_become_text_columns() -> None:
    body = answer(
        '<xs:element name="A" type="xs:int" minOccurs="0" />',
        "<Table><A>1</A></Table><Table><A>2</A><New_x0020_One>x &amp; y</New_x0020_One></Table>"
        "<Table><A>3</A><Deep><B>1</B><B>2</B></Deep></Table><Other><Z>9</Z></Other>",
    )
    found = datasets.tables(body)
    assert found["Table"].to_pydict() == {
        "A": [1, 2, 3],
        "New One": [None, "x & y", None],
        "Deep": [None, None, '{"B": ["1", "2"]}'],
    }
    assert found["Other"].to_pydict() == {"Z": ["9"]}


@pytest.mark.parametrize(
    ("wire_name", "name"),
    [
        ("Avg_x0020_KC", "Avg KC"),
        ("_x0031_stSender", "1stSender"),
        ("KCs_x002F_Parcel", "KCs/Parcel"),
        ("_x005F_x0020_", "_x0020_"),
        ("_x0001F600_", "😀"),
        ("Plain_Name", "Plain_Name"),
        ("_x00G0_", "_x00G0_"),
        ("_xD7FF_", "\ud7ff"),
        ("_xD800_", "_xD800_"),  # half of a pair is no character
        ("_xDFFF_", "_xDFFF_"),
        ("_xE000_", "\ue000"),
    ],
)
def test_escaped_names(wire_name: str, name: str) -> None:
    assert datasets.decoded_name(wire_name) == name


def test_names_that_become_the_same_stay_apart() -> None:
    body = answer(
        '<xs:element name="A_x0020_B" type="xs:int" /><xs:element name="_x0041__x0020_B" type="xs:int" />',
        "<Table><A_x0020_B>1</A_x0020_B><_x0041__x0020_B>2</_x0041__x0020_B></Table>",
    )
    assert datasets.tables(body)["Table"].to_pydict() == {"A B": [1], "_x0041__x0020_B": [2]}


def test_nested_rows_are_rows_of_their_own_table() -> None:
    nested = (
        '<xs:element name="Id" type="xs:int" /><xs:element name="Child"><xs:complexType><xs:sequence>'
        '<xs:element name="Name" type="xs:string" /></xs:sequence></xs:complexType></xs:element>'
    )
    body = answer(
        nested,
        '<Table diffgr:id="Table1"><Id>1</Id><Child diffgr:id="Child1"><Name>a</Name></Child>'
        '<Child diffgr:id="Child2"><Name>b</Name></Child></Table>',
    )
    found = datasets.tables(body)
    assert found["Table"].to_pydict() == {"Id": [1]}
    assert found["Child"].to_pydict() == {"Name": ["a", "b"]}


def test_attributes_and_restricted_types() -> None:
    body = answer(
        '<xs:element name="A"><xs:simpleType><xs:restriction base="xs:int" /></xs:simpleType></xs:element>',
        '<Table Code="x7"><A>5</A></Table>',
    ).replace(
        b"</xs:sequence></xs:complexType>",
        b'</xs:sequence><xs:attribute name="Code" type="xs:string" /></xs:complexType>',
    )
    assert datasets.tables(body)["Table"].to_pydict() == {"A": [5], "Code": ["x7"]}


def test_a_declared_column_without_a_type_is_of_strings() -> None:
    body = answer('<xs:element name="A" />', "<Table><A>5</A><B>6</B></Table>")
    assert datasets.to_json(body)["tables"]["Table"]["columns"] == [
        {"name": "A", "type": "string"},
        {"name": "B", "type": "undeclared"},
    ]


def test_rows_stand_in_their_row_order() -> None:
    rows = "".join(
        f'<Table diffgr:id="Table{index}" msdata:rowOrder="{index}"><C>{index}</C></Table>' for index in (2, 0, 1)
    )
    body = answer('<xs:element name="C" type="xs:int" />', rows)
    assert datasets.tables(body)["Table"]["C"].to_pylist() == [0, 1, 2]
    assert [row["C"] for row in datasets.to_json(body)["tables"]["Table"]["rows"]] == [0, 1, 2]


@pytest.mark.parametrize(("digits", "expected"), [(18, [1, 0]), (19, [0, 1])])
def test_an_order_of_more_than_18_digits_is_none(digits: int, expected: list[int]) -> None:
    orders = ("9" * digits, "0")
    rows = "".join(
        f'<Table diffgr:id="Table{index}" msdata:rowOrder="{order}"><C>{index}</C></Table>'
        for index, order in enumerate(orders)
    )
    body = answer('<xs:element name="C" type="xs:int" />', rows)
    assert datasets.tables(body)["Table"]["C"].to_pylist() == expected


@pytest.mark.parametrize(
    ("cell", "text"),
    [("<C>1</C><C>2</C>", '["1", "2"]'), ("<C>1</C><C>1</C>", '["1", "1"]'), ("<C><D>1</D></C>", '{"D": "1"}')],
)
def test_a_cell_that_is_there_twice_or_holds_elements_costs_no_other(cell: str, text: str) -> None:
    odd: list[OddValue] = []
    declared = '<xs:element name="C" type="xs:int" />'
    table = datasets.tables(answer(declared, f"<Table>{cell}</Table><Table><C>7</C></Table>"), odd)["Table"]
    assert (table["C"].to_pylist(), table["C (text)"].to_pylist()) == ([None, 7], [text, None])
    assert [(one.record, one.text) for one in odd] == [("table Table, row 1", text)]


def test_doubled_rows_are_malformed() -> None:
    rows = '<Table diffgr:id="Table1"><C>1</C></Table>' * 2
    with pytest.raises(MalformedAnswer):
        datasets.tables(answer('<xs:element name="C" type="xs:int" />', rows))


INT = '<xs:element name="C" type="xs:int" />'
NESTED = (
    '<xs:element name="Child"><xs:complexType><xs:sequence><xs:element name="C" type="xs:int" />'
    "</xs:sequence></xs:complexType></xs:element>"
)
ROW = "<Table><C>1</C></Table>"


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (
            answer(INT, ROW).replace(b"</NewDataSet>", b'</NewDataSet><More xmlns=""/>'),
            "more than one set of current rows",
        ),
        (answer(INT, ROW).replace(b"</DataSet>", b"<diffgram/></DataSet>"), "more than one diffgram"),
        (answer(INT + NESTED * 2, ROW), "the schema declares the table Child twice"),
        (answer(NESTED, "<Table><Child><C>1</C><C>2</C></Child></Table>"), "a row of Child holds C twice"),
        (answer(INT, ROW, soap=True).replace(b"CountResult>", b"Count>"), "instead of the result of Interconnect"),
        (answer(INT, ROW, soap=True).replace(b"CountResponse", b"CountAnswer"), "instead of a response"),
    ],
)
def test_what_is_there_twice_or_named_otherwise_is_malformed(body: bytes, words: str) -> None:
    with pytest.raises(MalformedAnswer, match=words):
        datasets.tables(body)


def test_rows_nested_in_nested_rows() -> None:
    inner = NESTED.replace('"Child"', '"Toy"')
    declared = NESTED.replace("</xs:sequence>", f"{inner}</xs:sequence>")
    rows = "<Table><Child><C>1</C><Toy><C>2</C></Toy><Toy><C>3</C></Toy></Child></Table>"
    found = datasets.tables(answer(declared, rows))
    assert (found["Child"]["C"].to_pylist(), found["Toy"]["C"].to_pylist()) == ([1], [2, 3])


def test_a_null_by_xsi_nil() -> None:
    nil = '<Table><C xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:nil="true" /></Table>'
    assert datasets.tables(answer('<xs:element name="C" type="xs:int" />', nil))["Table"]["C"].to_pylist() == [None]


def test_an_absent_or_nil_result_has_no_tables() -> None:
    assert (
        datasets.tables(b'<DataSet xmlns="x" xmlns:i="http://www.w3.org/2001/XMLSchema-instance" i:nil="true"/>') == {}
    )
    body = wire("v4.1-ReportTrafficStats-no-tables.soap11.response.xml")
    start, end = body.index(b"<ReportTrafficStatsResult>"), body.index(b"</ReportTrafficStatsResponse>")
    assert datasets.tables(body[:start] + body[end:]) == {}


def test_a_fault_is_its_error() -> None:
    fault = wire("v3.2-fault-session.soap11.response.xml").replace(b"Invalid Session ID", b"Access Denied")
    for read in (datasets.tables, datasets.to_json):
        with pytest.raises(AccessDenied):
            read(fault.replace(b"Authentication", b"AccessDenied"))


@pytest.mark.parametrize(
    "body", [b"<html><body/></html>", b"<LineItem/>", wire("v3.2-NetworkList-none.soap11.response.xml")]
)
def test_another_answer_is_no_dataset(body: bytes) -> None:
    if b"NetworkList" in body:
        assert datasets.tables(body) == {}  # an empty result holds no table; the client knows what was asked
    else:
        with pytest.raises(MalformedAnswer):
            datasets.tables(body)


def test_json_keeps_values_as_received() -> None:
    found = datasets.to_json(wire("v4.1-InterconnectCount.soap11.response.xml"))["tables"]
    assert found["Table"]["columns"][3] == {"name": "OldestRequest", "type": "dateTime"}
    assert found["Table"]["rows"][0] == {
        "StatusID": 1,
        "Status": "New",
        "Interconnects": 7,
        "OldestRequest": "2024-01-05T20:19:00-08:00",
        "AverageDays": "7.2625",
        "Last Note": "",
    }
    assert found["Table1"]["rows"] == []


def test_many_rows() -> None:
    """More rows than are held as Python text at once."""
    kinds = {"A": "int", "B": "decimal", "C": "string"}
    columns = "".join(f'<xs:element name="{name}" type="xs:{kind}" />' for name, kind in kinds.items())
    row = '<Table diffgr:id="Table{0}" msdata:rowOrder="{0}"><A>{0}</A><B>{0}.5</B><C>name {0}</C></Table>'
    count = datasets._CHUNK_CELLS // 3 + 1_000
    body = answer(columns, "".join(row.format(index) for index in range(count)), soap=True)
    body = body.replace(f"<C>name {count - 1}</C>".encode(), b"<C>last</C><D>late</D>")
    table = datasets.tables(body)["Table"]
    assert table.num_rows == count
    assert table["A"].num_chunks > 1
    assert table["B"][count - 1].as_py() == Decimal(f"{count - 1}.5")
    assert (table["C"][0].as_py(), table["C"][count - 1].as_py()) == ("name 0", "last")
    assert (table["D"].null_count, table["D"][count - 1].as_py()) == (count - 1, "late")
