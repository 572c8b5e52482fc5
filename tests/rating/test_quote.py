"""`quote --batch`: what comes in, what comes out, and that one bad record is nobody else's trouble."""

import io
import json
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from typer.testing import CliRunner

from ecgrid_flows.cli import app
from ecgrid_flows.rating import quote
from ecgrid_flows.warehouse import builder, database, sql_files
from ecgrid_transforms.money import Decimal

OPEN = {"minimum": "0", "maximum": None, "rate": "0.10"}
GOOD = {"id": "a", "quantity": "10", "tiers": [OPEN]}


def answers(*records: Any) -> list[dict[str, Any]]:
    lines = [record if isinstance(record, bytes) else json.dumps(record).encode() for record in records]
    return [json.loads(answer) for answer in quote.rate(lines)]


def test_an_answer_has_what_is_promised_and_decimal_text() -> None:
    tiers = [
        {"minimum": "0", "maximum": "100", "rate": "0.20", "flat": "5", "block": "10"},
        {"minimum": "100", "maximum": None, "rate": "0.10", "flat": "0", "block": "10"},
    ]
    reading = {"model": "graduated", "rounding": "half_up", "scale": 2}
    [found] = answers({"id": "a", "quantity": "121.5", "allowance": "0", "tiers": tiers, "reading": reading})
    # 130 units in 13 blocks: 10 x 0.20 + 5, 3 x 0.10
    assert found == {
        "id": "a",
        "amount": "7.30",
        "quantity_billed": "130",
        "slices": [
            {"tier": 1, "quantity": "100", "blocks": "10", "rate": "0.2", "flat": "5", "amount": "7"},
            {"tier": 2, "quantity": "30", "blocks": "3", "rate": "0.1", "flat": "0", "amount": "0.3"},
        ],
    }


def test_what_is_left_out_takes_the_default() -> None:
    whole = {
        "model": "unit",
        "upper_bound": "inclusive",
        "blocks": "up",
        "block_scope": "quantity",
        "rate_per": "block",
        "allowance": "before_blocks",
        "zero_pays_flat": False,
        "rounding": "none",
        "scale": 2,
    }
    tier = {**OPEN, "flat": "0", "block": "1"}
    given = {"id": "a", "quantity": "2.5", "allowance": "0", "tiers": [tier], "reading": whole}
    short = {"id": "a", "quantity": "2.5", "tiers": [OPEN]}
    [by_default, in_full] = answers(short, given)
    assert by_default == in_full
    assert by_default["amount"] == "0.3"  # blocks of 1, rounded up


def test_order_is_kept_across_chunks_and_ids_come_back_as_they_came() -> None:
    ids = ["x", 7, -1.50, "ü\u2028", None, True, "x"]
    lines = [json.dumps({**GOOD, "id": name, "quantity": str(place)}).encode() for place, name in enumerate(ids)]
    lines.insert(3, b"  \n")  # an empty line asks nothing
    found = [json.loads(answer, parse_float=str) for answer in quote.rate(lines, chunk_size=2)]
    assert [one["id"] for one in found] == ["x", 7, "-1.5", "ü\u2028", None, True, "x"]
    assert [Decimal(one["amount"]) for one in found] == [Decimal(place) / 10 for place in range(7)]


def test_numbers_are_taken_by_their_text() -> None:
    record = b'{"id": 1, "quantity": 3, "tiers": [{"minimum": 0, "maximum": null, "rate": 0.1}]}'
    assert answers(record)[0]["amount"] == "0.3"
    exact = {"id": 1, "quantity": "999999999999999999", "tiers": [{**OPEN, "rate": "1"}]}
    assert answers(exact)[0]["amount"] == "999999999999999999"
    long = {"id": 1, "quantity": "12345678.5", "tiers": [{**OPEN, "rate": "0.0000000001", "block": "0"}]}
    assert answers(long)[0]["amount"] == "0.00123456785"
    padded = {"id": 1, "quantity": "+0003.50", "tiers": [{**OPEN, "rate": ".5", "block": "0"}]}
    assert answers(padded)[0]["amount"] == "1.75"


def test_a_rounded_amount_keeps_its_decimals_and_an_exact_one_has_no_spare_zeros() -> None:
    tier = [{**OPEN, "rate": "0.5"}]
    told = answers(
        {"id": 1, "quantity": "5", "tiers": tier},
        {"id": 2, "quantity": "5", "tiers": tier, "reading": {"rounding": "half_up"}},
        {"id": 3, "quantity": "5", "tiers": tier, "reading": {"rounding": "half_even", "scale": 0}},
        {"id": 4, "quantity": "0", "tiers": tier, "reading": {"rounding": "half_up", "scale": 3}},
        {"id": 5, "quantity": "3", "tiers": [{**OPEN, "rate": "-0.335"}], "reading": {"rounding": "half_up"}},
    )
    assert [one["amount"] for one in told] == ["2.5", "2.50", "2", "0.000", "-1.01"]


BAD = {
    "not JSON": (b'{"id": 1,', "bad_json"),
    "not an object": (b"[1]", "bad_json"),
    "not UTF-8": (b'{"id": "\xff"}', "bad_json"),
    "too deep": (b"[" * 100_000, "bad_json"),
    "not a number": (b'{"id": 1, "quantity": NaN, "tiers": []}', "bad_number"),
    "no quantity": ({"id": 1, "tiers": [OPEN]}, "missing_field"),
    "no id": ({"quantity": "1", "tiers": [OPEN]}, "missing_field"),
    "an id that is none": ({**GOOD, "id": ["a"]}, "bad_id"),
    "an unknown field": ({**GOOD, "quantty": "1"}, "unknown_field"),
    "an unknown field of a tier": ({**GOOD, "tiers": [{**OPEN, "price": "1"}]}, "unknown_field"),
    "an unknown field of the reading": ({**GOOD, "reading": {"modle": "unit"}}, "unknown_field"),
    "a tier without a rate": ({**GOOD, "tiers": [{"minimum": "0", "maximum": None}]}, "missing_field"),
    "an unknown model": ({**GOOD, "reading": {"model": "tiered"}}, "unknown_value"),
    "a model that is a list": ({**GOOD, "reading": {"model": ["unit"]}}, "unknown_value"),
    "a text for a flag": ({**GOOD, "reading": {"zero_pays_flat": "false"}}, "unknown_value"),
    "a scale too large": ({**GOOD, "reading": {"scale": 21}}, "unknown_value"),
    "a scale below 0": ({**GOOD, "reading": {"scale": -1}}, "unknown_value"),
    "a quantity in words": ({**GOOD, "quantity": "ten"}, "bad_number"),
    "an exponent": ({**GOOD, "quantity": "1e3"}, "bad_number"),
    "a flag for a quantity": ({**GOOD, "quantity": True}, "bad_number"),
    "null for a rate": ({**GOOD, "tiers": [{**OPEN, "rate": None}]}, "bad_number"),
    "eleven decimals": ({**GOOD, "quantity": "0.00000000001"}, "too_large"),
    "nineteen digits": ({**GOOD, "quantity": "1000000000000000000"}, "too_large"),
    "an amount of nineteen digits": (
        {**GOOD, "quantity": "999999999999999999", "tiers": [{**OPEN, "rate": "9"}]},
        "too_large",
    ),
    "a sum of nineteen digits": (
        {
            **GOOD,
            "quantity": "2",
            "tiers": [
                {"minimum": "0", "maximum": "1", "rate": "600000000000000000"},
                {"minimum": "1", "maximum": None, "rate": "600000000000000000"},
            ],
            "reading": {"model": "graduated"},
        },
        "too_large",
    ),
    "no tiers": ({**GOOD, "tiers": []}, "no_tiers"),
    "tiers that are none": ({**GOOD, "tiers": {"rate": "1"}}, "bad_value"),
    "a tier that is none": ({**GOOD, "tiers": ["0.10"]}, "bad_value"),
    "a reading that is none": ({**GOOD, "reading": "unit"}, "bad_value"),
    "a negative quantity": ({**GOOD, "quantity": "-0.1"}, "negative_quantity"),
    "a negative allowance": ({**GOOD, "allowance": "-1"}, "negative_allowance"),
    "past the last tier": ({**GOOD, "tiers": [{**OPEN, "maximum": "9"}]}, "past_last_tier"),
    "a gap": (
        {**GOOD, "tiers": [{**OPEN, "maximum": "5"}, {"minimum": "7", "maximum": None, "rate": "1"}]},
        "tier_gap",
    ),
    "an overlap": (
        {**GOOD, "tiers": [{**OPEN, "maximum": "5"}, {"minimum": "4", "maximum": None, "rate": "1"}]},
        "tier_overlap",
    ),
    "an open tier in the middle": ({**GOOD, "tiers": [OPEN, {**OPEN, "minimum": "5"}]}, "bound_order"),
    "a negative block": ({**GOOD, "tiers": [{**OPEN, "block": "-1"}]}, "negative_block"),
}


def test_every_bad_record_is_its_own_error_and_no_one_elses() -> None:
    """All of them in one batch, each between two good ones."""
    records = [record for bad, _ in BAD.values() for record in (GOOD, bad)] + [GOOD]
    found = answers(*records)
    assert [one.get("amount") for one in found[::2]] == ["1"] * (len(BAD) + 1)
    told = dict(zip(BAD, found[1::2], strict=True))
    assert {name: one["error"].partition(":")[0] for name, one in told.items()} == {
        name: code for name, (_, code) in BAD.items()
    }
    assert all(one.keys() == {"id", "error"} for one in told.values())
    assert told["a gap"]["id"] == "a"
    assert told["not JSON"]["id"] is None


def test_a_line_means_the_same_however_it_is_written() -> None:
    """A plain line is read by SQL, one with a tab in front by Python."""
    tiers = [
        {"minimum": "0", "maximum": "100", "rate": "0.2", "flat": "-5", "block": "0"},
        {"minimum": "101", "maximum": "250.0", "rate": "0.0000000001", "block": "12.5"},
        {"minimum": "250", "maximum": None, "rate": "-0", "flat": "000.50"},
    ]
    records = [
        GOOD,
        {**GOOD, "id": 0, "allowance": "5.50"},
        {**GOOD, "tiers": tiers},
        {**GOOD, "quantity": "123.4", "allowance": "100", "tiers": tiers, "reading": {"allowance": "free_tier"}},
        {**GOOD, "quantity": "252", "tiers": tiers, "reading": {"model": "graduated", "rounding": "up", "scale": 3}},
        {**GOOD, "quantity": "000000000000000000.0000000000", "reading": {"zero_pays_flat": True, "scale": "20"}},
        {**GOOD, "quantity": "999999999999999999.9999999999", "tiers": [{**OPEN, "block": "0"}], "reading": {}},
        *(bad for bad, _ in BAD.values() if isinstance(bad, dict)),
    ]
    lines = [json.dumps(record).encode() for record in records]
    lines.append(lines[4].replace(b'"model"', b'"model": "unit", "model"'))  # of two the last counts, as everywhere
    asked = [line for plain in lines for line in (plain, b"\t" + plain)]
    found = list(quote.rate(asked))
    assert found[::2] == found[1::2]
    # 10 x 0.10; 5 x 0.10; 10 x 0.2 - 5; 23.4 x 0.2 - 5; 100 x 0.2 - 5 and 12 blocks x 0.0000000001 and 0.50, up
    assert [Decimal(json.loads(answer)["amount"]) for answer in found[:10:2]] == [
        Decimal(amount) for amount in ("1", "0.5", "-3", "-0.32", "15.501")
    ]


def test_plain_lines_are_told_from_all_others() -> None:
    text = json.dumps({"id": "a 1", "quantity": "1.5", "tiers": [OPEN, OPEN], "reading": {"model": "unit", "scale": 2}})
    others = {
        "another order": json.dumps(dict(sorted(json.loads(text).items(), reverse=True))),
        "a field too many": text[:-1] + ', "note": "1"}',
        "a field twice": text.replace('"quantity"', '"quantity": "1", "quantity"'),
        "a number that is none": text.replace('"1.5"', "1.5"),
        "too many decimals": text.replace("1.5", "1.00000000000"),
        "no maximum": text.replace('"maximum": null, ', ""),
        "no tiers": text.replace('"tiers": [', '"tiers": [], "tier": ['),
        "an escape": text.replace("a 1", "a\\u0031"),
        "an id that begins with 0": text.replace('"a 1"', "01"),
        "an id below 0": text.replace('"a 1"', "-0"),
        "a comma too many": text.replace("}]", "},]"),
        "a text that does not end": text.replace('"unit"', '"unit'),
        "more behind": text + "}",
        "a tab": "\t" + text,
    }
    plain = [text, text.replace(" ", ""), text.replace(",", " , ") + "\r\n", text.replace('"a 1"', "17")]
    tree = sql_files.load_sql(None, ("quote_records",), ("quote_lines",))
    with database.scratch(tree) as connection:
        rows = {"line_no": range(len(plain) + len(others)), "line": [*plain, *others.values()]}
        database.register(connection, "quote_lines", pa.table({name: list(values) for name, values in rows.items()}))
        builder.materialise(connection, tree, ["quote_records"], given=["quote_lines"])
        found = database.table(connection, "FROM quote_records ORDER BY line_no").column("line_no").to_pylist()
    assert found == list(range(len(plain)))


def test_a_byte_order_mark_at_the_start_is_no_error() -> None:
    assert answers(b"\xef\xbb\xbf" + json.dumps(GOOD).encode())[0]["amount"] == "1"


def run(*arguments: str, stdin: bytes | None = None) -> Any:
    return CliRunner().invoke(app, ["quote", *arguments], input=stdin)


def test_the_command_reads_a_file_and_ends_well_despite_errors(tmp_path: Path) -> None:
    path = tmp_path / "batch.jsonl"
    path.write_bytes(json.dumps(GOOD).encode() + b"\nnonsense\n")
    result = run("--batch", str(path))
    assert result.exit_code == 0
    first, second = map(json.loads, result.stdout.splitlines())
    assert first["amount"] == "1"
    assert second["error"].startswith("bad_json: line 2")


def test_the_command_reads_stdin_and_gives_one_document_when_asked() -> None:
    result = run("--batch", "-", "--json", stdin=json.dumps(GOOD).encode() + b"\n" + json.dumps(GOOD).encode())
    assert result.exit_code == 0
    assert [one["amount"] for one in json.loads(result.stdout)] == ["1", "1"]


def test_nothing_in_is_nothing_out(tmp_path: Path) -> None:
    path = tmp_path / "empty.jsonl"
    path.touch()
    assert (run("--batch", str(path)).exit_code, run("--batch", str(path)).stdout) == (0, "")
    assert json.loads(run("--batch", str(path), "--json").stdout) == []


def test_a_file_that_cannot_be_read_is_status_2(tmp_path: Path) -> None:
    result = run("--batch", str(tmp_path / "gone.jsonl"))
    assert result.exit_code == 2
    assert run().exit_code == 2


def test_a_reader_who_has_seen_enough_is_no_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    class Closed(io.RawIOBase):
        def writable(self) -> bool:
            return True

        def write(self, _: Any) -> int:
            raise BrokenPipeError

    path = tmp_path / "batch.jsonl"
    path.write_text(json.dumps(GOOD), encoding="utf-8")
    with (tmp_path / "out").open("wb") as real:
        stream = io.TextIOWrapper(io.BufferedWriter(Closed(), buffer_size=1))
        stream.fileno = real.fileno
        monkeypatch.setattr(sys, "stdout", stream)
        from ecgrid_flows.cli.quote import quote_command

        quote_command(str(path))
        monkeypatch.undo()
        stream.detach().detach()


def test_a_reader_that_takes_no_more_stops_the_rating(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of three chunks that are handed on before the first answer, the third is not finished."""
    prices, rated = quote._prices, []

    def counted(*given: Any) -> Any:
        found = prices(*given)
        rated.append(len(found))
        return found

    monkeypatch.setattr(quote, "_prices", counted)
    tiers = [{"minimum": "0", "maximum": None, "rate": "0.1"}]
    lines = (json.dumps({"id": 1, "quantity": str(number % 997), "tiers": tiers}).encode() for number in range(10**9))
    answers = quote.rate(lines, chunk_size=20_000)
    assert json.loads(next(answers))["amount"] == "0"
    answers.close()
    assert len(rated) < 3
