"""Worked examples that other billing systems publish, each with its page: see examples/README.md."""

import json
from pathlib import Path
from typing import Any

import pytest

from ecgrid_flows.rating import quote
from ecgrid_transforms.money import Decimal

FOLDER = Path(__file__).parent / "examples"
FILES = sorted(FOLDER.glob("*/*.json"))


@pytest.fixture(scope="module")
def answers() -> dict[str, Any]:
    """What `quote` says of every example, by its id."""
    records = [json.loads(path.read_text(encoding="utf-8"))["record"] for path in FILES]
    return {
        found["id"]: found for found in map(json.loads, quote.rate(json.dumps(record).encode() for record in records))
    }


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(FOLDER).with_suffix("").as_posix())
def test_published_example(path: Path, answers: dict[str, Any]) -> None:
    example = json.loads(path.read_text(encoding="utf-8"))
    found = answers[example["record"]["id"]]
    assert Decimal(found["amount"]) == Decimal(example["amount"]), found


def test_every_example_is_cited() -> None:
    for path in FILES:
        example = json.loads(path.read_text(encoding="utf-8"))
        assert example.keys() == {"system", "title", "url", "says", "record", "amount"}
        assert example["url"].startswith("http")
        assert all(example[name] for name in ("system", "title", "says"))
        assert example["record"]["id"] == path.relative_to(FOLDER).with_suffix("").as_posix()


def test_there_are_enough_of_every_kind() -> None:
    examples = [json.loads(path.read_text(encoding="utf-8")) for path in FILES]
    records = [example["record"] for example in examples]
    assert len(examples) >= 60
    assert len({example["system"] for example in examples}) >= 10
    assert {record["reading"]["model"] for record in records} == set(quote.READING_VALUES["model"])
    assert any(Decimal(record["quantity"]) == 0 for record in records)
    assert any(Decimal(record["quantity"]) % 1 for record in records)
    assert any(Decimal(record.get("allowance", "0")) > Decimal(record["quantity"]) for record in records)
    on_bound = [r for r in records if r["quantity"] in [tier["maximum"] for tier in r["tiers"]]]
    assert len(on_bound) >= 5
