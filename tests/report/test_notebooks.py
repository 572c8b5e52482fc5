"""The notebooks run as they stand on the shipped world, and read nothing but `out_` relations."""

import json
import re
import shutil
from contextlib import closing
from pathlib import Path

import pytest

from ecgrid_flows.finance import audit_log, rebill
from ecgrid_flows.rating import what_if
from ecgrid_flows.reporting import frames
from ecgrid_flows.reporting.report import execute
from ecgrid_flows.settings import Settings
from ecgrid_flows.storage.opening import open_store
from ecgrid_flows.warehouse import database

pytestmark = pytest.mark.slow

NOTEBOOKS = sorted((Path(__file__).parents[2] / "notebooks").glob("*.ipynb"))


def source(path: Path, kind: str = "code") -> str:
    book = json.loads(path.read_text(encoding="utf-8"))
    return "\n\n".join("".join(cell["source"]) for cell in book["cells"] if cell["cell_type"] == kind)


@pytest.fixture(scope="module")
def rebilled_dir(shipped_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shipped world billed on to two clients, one of them at a loss."""
    folder = tmp_path_factory.mktemp("rebilled")
    (folder / "warehouse").mkdir()
    shutil.copyfile(shipped_dir / "warehouse/billing.duckdb", folder / "warehouse/billing.duckdb")
    (folder / "reference").mkdir()
    files = {
        "clients.csv": "network_id,mailbox_id,client,cost_centre,valid_from,valid_to\n4440,,Acme,,,\n4443,,Beta,,,\n",
        "client_prices.csv": "client,account_report,measure_field,rule,value,reading,minimum,valid_from\n"
        "Acme,,,markup_percent,10,,,\nBeta,,TotalKCs,markup_percent,-5,,,\n",
    }
    for name, text in files.items():
        (folder / "reference" / name).write_text(text, encoding="utf-8")
    settings = Settings(data_dir=str(folder))
    rebill.keep(settings, audit_log.read(open_store(settings)))
    return folder


def test_the_page_names_every_notebook() -> None:
    page = (NOTEBOOKS[0].parent / "README.md").read_text(encoding="utf-8")
    assert [path.stem for path in NOTEBOOKS] == sorted(re.findall(r"^\| `(\w+)` \|", page, re.M))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_each_says_first_what_it_answers_and_has_its_parameters(path: Path) -> None:
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    assert cells[0]["cell_type"] == "markdown"
    assert re.search(r"This notebook answers: \*\*.+\?\*\*", "".join(cells[0]["source"]))
    tagged = [cell for cell in cells if "parameters" in cell["metadata"].get("tags", [])]
    assert len(tagged) == 1
    assert "data_dir = " in "".join(tagged[0]["source"])


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_each_reads_only_out_relations(path: Path) -> None:
    code = source(path)
    read = set(re.findall(r"book\.out\(\s*\"(\w+)\"", code))
    assert read
    assert all(name.startswith("out_") for name in read)
    assert not re.search(r"duckdb|read_parquet|read_csv|\bopen\(|raw_|core_|lake_", code)


@pytest.mark.parametrize(
    "path",
    [NOTEBOOKS[0], *(pytest.param(path, marks=pytest.mark.soak) for path in NOTEBOOKS[1:])],
    ids=lambda path: path.stem,
)
def test_run_all_works_on_the_shipped_world(path: Path, request: pytest.FixtureRequest) -> None:
    data_dir = request.getfixturevalue("rebilled_dir" if path.stem == "margin" else "shipped_dir")
    executed = execute(path, {"data_dir": str(data_dir)})
    outputs = [output for cell in executed.cells if cell.cell_type == "code" for output in cell.outputs]
    assert not [output for output in outputs if output.output_type in ("error", "stream")]
    charts = [output.data for output in outputs if any("vegalite" in mime for mime in output.get("data", {}))]
    assert len(charts) >= (3 if path.stem == "reconcile_month" else 2)
    for data in charts:
        spec = next(value for mime, value in data.items() if "vegalite" in mime)
        assert spec["title"]["text"]
        assert spec["title"]["subtitle"]
        assert spec["description"]
        assert "<svg" in data["image/svg+xml"]


@pytest.mark.soak
def test_the_margin_without_clients_states_what_to_do(shipped_dir: Path) -> None:
    path = next(one for one in NOTEBOOKS if one.stem == "margin")
    outputs = [
        output for cell in execute(path, {"data_dir": str(shipped_dir)}).cells for output in cell.get("outputs", [])
    ]
    assert not [output for output in outputs if output.output_type == "error"]
    assert "write clients.csv and client_prices.csv" in str(outputs[0].data)


def test_the_waterfall_of_the_change_ends_at_the_amount_billed(shipped_dir: Path) -> None:
    with frames.open_book(shipped_dir) as book:
        month = book.month()
        changes, lines = (
            book.out("out_month_on_month", reporting_month=month),
            book.out("out_line_items", reporting_month=month),
        )
    from ecgrid_flows.reporting import sections

    end = frames.total(changes["previous_amount"]) + sum(change for _, change in sections.month_steps(changes))
    assert end == frames.total(lines["amount"])


def test_the_curves_are_those_of_the_bill(shipped_dir: Path) -> None:
    """What `quote` says on a ladder of out_tiers is what the comparison of the billed lines says, for every line."""
    with frames.open_book(shipped_dir) as book:
        tiers, chosen = book.out("out_tiers"), book.out("out_readings", is_chosen=True)
        comparison = book.out("out_model_comparison", reporting_month=book.month())
    cases, expected = [], []
    for set_id, rows in tiers.groupby("schedule_set_id"):
        if len(rows) < 2:
            continue
        first, reading = rows.iloc[0], chosen[chosen["schedule_set_id"] == set_id].iloc[0].to_dict()
        lines = comparison[
            (comparison["price_list_id"] == first["price_list_id"])
            & (comparison["account_report"] == first["account_report"])
            & (comparison["measure_field"] == first["measure_field"])
        ]
        if lines.empty:  # a ladder of steps has no unit price to compare
            continue
        cases += [
            (quantity, what_if.ladder(rows, model), what_if.reading(reading, model))
            for model in what_if.MODELS
            for quantity in lines["quantity"]
        ]
        expected += [amount for model in what_if.MODELS for amount in lines[f"{model}_amount"]]
    answers = what_if.rated_cases(cases)
    assert answers["error"].isna().all()
    assert answers["amount"].to_list() == expected
    assert len(expected) > 200


QUERIES = re.findall(
    r"^```sql\n(.*?)^```", (NOTEBOOKS[0].parent / "README.md").read_text(encoding="utf-8"), re.M | re.S
)


def test_the_page_has_a_query_per_question_of_an_analyst() -> None:
    assert len(QUERIES) == 3
    assert [re.findall(r"\bFROM (\w+)", query) for query in QUERIES] == [
        ["out_contract_comparison"],
        ["out_month_on_month"],
        ["out_model_comparison"],
    ]


@pytest.mark.parametrize("query", QUERIES, ids=lambda query: re.search(r"out_\w+", query)[0])
def test_each_query_has_rows_on_the_shipped_world(query: str, shipped_dir: Path) -> None:
    with closing(database.connect(shipped_dir / "warehouse/billing.duckdb")) as connection:
        rows = database.table(connection, query).to_pylist()
    assert rows
    if "change" in rows[0]:
        parts = [name for name in rows[0] if name.endswith("_part")]
        assert all(sum(row[part] for part in parts) == row["change"] for row in rows)
