"""Which share of small faults in the code do the tests find? Prints each fault, what found it, and the shares.

    python -m tests.mutation.measure sql --count 60 --seed 1 [--under sql/core/rating --under sql/checks]
    python -m tests.mutation.measure python --count 60 --seed 1 [--under transforms/ecgrid_transforms/money.py]
    python -m tests.mutation.measure finance --count 30 --seed 1 --floor 0.95

A fault that survives is printed with its file, line and place: it lacks a test, or the code there does nothing, or both
forms mean the same. The last get a row in `equivalent.csv`, and count as explained.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.mutation import python_mutants, sql_mutants
from tests.mutation.mutant import Mutant, copied, equivalents, is_found, preload
from tests.mutation.sql_tests import SqlTests

ROOT = Path(__file__).resolve().parents[2]
#: The SQL that decides what an amount should be, and what is claimed, booked and paid.
MONEY = (
    *("sql/core/charges", "sql/core/comparisons", "sql/core/derived_charges", "sql/core/inference"),
    *("sql/core/invoices", "sql/core/line_terms", "sql/core/lines", "sql/core/price_lists", "sql/core/rating"),
    *("sql/core/verdicts", "sql/checks", "sql/out"),
)
#: Python that reads amounts from responses and files -> the tests that are tried, the quickest to find a fault first.
DECODING = {
    "transforms/ecgrid_transforms": ("tests/transforms", "tests/ecgrid_client/test_wire.py", "tests/pull/test_land.py"),
    **{
        f"flows/ecgrid_client/{module}.py": (
            *("tests/ecgrid_client/test_wire.py", "tests/ecgrid_client/test_datasets.py"),
            *("tests/ecgrid_client/test_odd_values.py", "tests/ecgrid_client/test_judging.py"),
            *("tests/ecgrid_client/test_large.py", "tests/ecgrid_client/test_client.py"),
            "tests/ecgrid_client/test_fuzz.py",
        )
        for module in ("answers", "datasets", "decode", "envelopes", "faults", "judging", "large", "markup")
    },
}

#: The modules of finance, by the tests of each.
FINANCE = {
    "flows/ecgrid_flows/finance/accruals.py": ("tests/recon/test_accruals.py",),
    **{
        f"flows/ecgrid_flows/finance/{module}.py": tuple(f"tests/finance/test_{name}.py" for name in names)
        for module, names in {
            "audit_log": ("tampering", "finding_states"),
            "corrections": ("corrections", "closing", "postings", "books_machine"),
            "csv_writer": ("csv_files",),
            "disputes": ("disputes",),
            "export": ("export", "journal_entries", "closing"),
            "export_files": ("export", "focus", "spreadsheets", "closing", "verification"),
            "finding_states": ("finding_states", "disputes"),
            "invoice_import": ("invoice_import",),
            "journal": ("journal_entries", "postings", "corrections"),
            "journal_entries": ("journal_entries", "postings"),
            "ledgers": ("ledgers",),
            "period_close": ("closing", "corrections", "verification", "tampering"),
            "rebill": ("rebill",),
            "spreadsheets": ("spreadsheets",),
        }.items()
    },
}
PYTHON = {**DECODING, **FINANCE}
#: What a sample is drawn from, by its name.
CODE = {"sql": MONEY, "python": tuple(DECODING), "finance": tuple(FINANCE)}
#: What stands for the tests where a fault changes no result.
EXPLAINED = "explained"

Found = Iterator[tuple[Mutant, str | None]]


def of_sql(count: int, seed: int, under: Sequence[str] = MONEY) -> Found:
    """A sample of faults in SQL, each with the tests that find it."""
    with tempfile.TemporaryDirectory() as folder, SqlTests(Path(folder)) as tests:
        for mutant in sql_mutants.sample(ROOT, count, seed, under):
            yield mutant, explained(mutant, tests.found_by(mutant))


def explained(mutant: Mutant, finder: str | None) -> str | None:
    """What finds the fault, EXPLAINED where nothing can; a fault that is explained and found is explained wrongly."""
    if mutant.key not in equivalents():
        return finder
    assert finder is None, f"equivalent.csv has {mutant.key}, but {finder} find it"
    return EXPLAINED


def of_python(count: int, seed: int, under: Sequence[str]) -> Found:
    """A sample of faults in Python, each with the tests that find it; the working directory is a copy of the tree."""
    preload()
    mutants = python_mutants.sample(ROOT, count, seed, under)
    tests_of = {
        mutant: next(tests for place, tests in PYTHON.items() if mutant.path.is_relative_to(place))
        for mutant in mutants
    }
    path = Path(next(iter(DECODING)), "money.py")
    for tests in dict.fromkeys(tests_of.values()):
        for test in tests:
            assert not is_found(Mutant(path, "none", path.read_text(encoding="utf-8"), ""), [test]), (
                f"{test} fails anyway"
            )
    for mutant, tests in tests_of.items():
        yield mutant, explained(mutant, next((test for test in tests if is_found(mutant, [test])), None))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("code", choices=CODE)
    parser.add_argument("--count", type=int, default=60)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--under", action="append", help="a folder of the checkout; by default those about money")
    parser.add_argument("--floor", type=float, default=0.0, help="least share of the faults not explained to be found")
    asked = parser.parse_args()
    if asked.code != "sql" and (ROOT / ".git").exists():
        with tempfile.TemporaryDirectory() as folder:
            tree = copied(ROOT, Path(folder).resolve())
            path = os.pathsep.join(map(str, (tree / "flows", tree / "transforms", tree)))
            again = [sys.executable, "-m", "tests.mutation.measure", *sys.argv[1:]]
            done = subprocess.run(again, cwd=tree, env={**os.environ, "PYTHONPATH": path}, check=False)
        sys.exit(done.returncode)
    found: Counter[str] = Counter()
    measure = of_sql if asked.code == "sql" else of_python
    for mutant, finder in measure(asked.count, asked.seed, asked.under or CODE[asked.code]):
        found[finder or "nothing"] += 1
        print(f"{finder or 'NOTHING':40} {mutant.path}: {mutant.change}", flush=True)
        if finder is None:
            print(f"{'':40} {mutant.place}", flush=True)
    for finder, count in found.most_common():
        print(f"{count:4} of {found.total()} found by {finder}")
    counted = found.total() - found[EXPLAINED]
    if counted - found["nothing"] < asked.floor * counted:
        sys.exit(1)


if __name__ == "__main__":
    main()
