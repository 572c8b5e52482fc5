"""The tests find most small faults: shares of samples by seed, of the faults that `equivalent.csv` does not explain."""

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from tests.mutation import measure, python_mutants, sql_mutants
from tests.mutation.mutant import equivalents
from tests.mutation.sql_tests import SqlTests

#: Another sample: MUTATION_SEED=7 make soak.
SEED = int(os.environ.get("MUTATION_SEED", "1"))
COUNT, PYTHON_COUNT = 40, 30
#: What was missed of the sample of seed 1 is tested or explained since. Of a new seed, four of five faults are found;
#: three standard deviations of a sample of 40 are below that.
FLOOR = 0.95 if SEED == 1 else 0.6
#: Faults that no test found once.
ONCE_MISSED = (
    ("core_accounts", "LEFT JOIN to JOIN"),
    ("core_seen_schedules", "AND to OR"),
    ("core_tiers", "> to >="),
    ("core_usage", "OR to AND"),
    ("fail_invoice_line_differs", "IS NOT NULL to IS NULL"),
    ("out_line_items", "UNION to UNION ALL"),
    ("warn_tier_gap", "AND to OR"),
)


@pytest.mark.soak
def test_most_faults_in_the_sql_about_money_are_found() -> None:
    finders = [finder for _, finder in measure.of_sql(COUNT, SEED)]
    assert len(finders) == COUNT
    found: Counter[bool] = Counter(finder is not None for finder in finders if finder != measure.EXPLAINED)
    assert found[True] >= FLOOR * found.total(), (
        f"MUTATION_SEED={SEED}: {found[True]} of {found.total()} faults are found"
    )


@pytest.mark.soak
@pytest.mark.timeout(6 * 1200)  # a fault that is found late, or not, takes minutes on a busy machine
@pytest.mark.skipif(not (measure.ROOT / ".git").exists(), reason="the files are listed by git")
@pytest.mark.parametrize("code", ["python", "finance"])
def test_most_faults_in_the_python_about_money_are_found(code: str) -> None:
    """In a copy of the checkout, by a process of its own."""
    asked = [code, f"--count={PYTHON_COUNT}", f"--seed={SEED}", f"--floor={FLOOR}"]
    command = [sys.executable, "-m", "tests.mutation.measure", *asked]
    ran = subprocess.run(command, cwd=measure.ROOT, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, f"MUTATION_SEED={SEED}:\n{ran.stdout}{ran.stderr}"


@pytest.mark.soak
def test_what_is_explained_is_a_fault_of_the_code_as_it_is() -> None:
    explained = equivalents()
    paths = sorted({path for path, *_ in explained})
    sql = [
        one for path in paths if path.endswith(".sql") for one in sql_mutants.of_relation(measure.ROOT, Path(path).stem)
    ]
    python = python_mutants.sample(measure.ROOT, sys.maxsize, 0, [path for path in paths if path.endswith(".py")])
    assert sorted(explained.keys() - {one.key for one in (*sql, *python)}) == []


@pytest.mark.soak
def test_faults_that_no_test_found_once_are_found(tmp_path: Path) -> None:
    with SqlTests(tmp_path, has_worlds=False) as tests:
        for relation, change in ONCE_MISSED:
            drawn = [one for one in sql_mutants.of_relation(measure.ROOT, relation) if one.change.startswith(change)]
            assert drawn, f"{relation} has no place for {change}"
            assert [one.change for one in drawn if tests.found_by(one) is None] == [], relation
