"""Numbers in sentences: the SQL of findings and the Python of the command line write one form."""

from collections.abc import Sequence
from functools import cache

import duckdb
from hypothesis import given
from hypothesis import strategies as st

from ecgrid_flows.warehouse.sql_files import sql_folder
from ecgrid_transforms.money import Decimal, money_text, number_text

MONEY = st.integers(-(10**28) + 1, 10**28 - 1).map(lambda units: Decimal(units).scaleb(-10))


@cache
def with_macros() -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect()
    for file in ("decimals", "readings"):
        connection.execute((sql_folder() / f"macros/{file}.sql").read_text(encoding="utf-8"))
    return connection


def shown(macro: str, kind: str, values: Sequence[object]) -> list[str | None]:
    """What a macro gives for values of an SQL type."""
    given_values = "unnest(?::VARCHAR[]) WITH ORDINALITY AS given (value, place)"
    rows = (
        with_macros()
        .execute(
            f"SELECT {macro}(value::{kind}) FROM {given_values} ORDER BY place",
            [[None if value is None else format(value, "f" if isinstance(value, Decimal) else "") for value in values]],
        )
        .fetchall()
    )
    return [text for (text,) in rows]


def text(macro: str, values: Sequence[Decimal | None]) -> list[str | None]:
    return shown(macro, "DECIMAL(28, 10)", values)


def test_thousands_are_separated_and_digits_stay() -> None:
    given_values = [Decimal(one) for one in ("1210.97", "-1234567.5", "-0.5", "999", "1000", "1130.9955", "0")]
    assert text("money_text", given_values) == [
        *("1,210.97", "-1,234,567.50", "-0.50", "999.00", "1,000.00", "1,130.9955", "0.00"),
    ]
    assert text("grouped_text", given_values) == ["1,210.97", "-1,234,567.5", "-0.5", "999", "1,000", "1,130.9955", "0"]
    assert text("money_text", [None]) == [None]


@given(st.lists(MONEY, max_size=20))
def test_sql_and_python_write_one_form(values: list[Decimal]) -> None:
    assert text("money_text", values) == [money_text(value) for value in values]
    assert text("grouped_text", values) == [number_text(value) for value in values]


def test_the_words_of_an_interpretation_can_be_read() -> None:
    ids = ["unit", "stacked_flat", "volume.max_exclusive.allowance_before_blocks"]
    words = ["unit", "stacked flat", "volume (max exclusive, allowance before blocks)"]
    assert shown("reading_text", "VARCHAR", ids) == words
