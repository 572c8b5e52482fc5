"""Which share of small faults in the SQL do the tests find? Prints each fault, what found it, and the shares.

    python -m tests.mutation.measure --count 40 --seed 1 [--under core/rating --under checks] [--only-cases]

Each fault is put into a copy of the tree. First the SQL cases that run its relation are tried, then the tests that
build whole warehouses (`WHOLE`). One that survives is printed with its file and line: it lacks a test, or the code
there does nothing, or both forms mean the same.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from ecgrid_flows.warehouse import sql_files
from tests.mutation.sql_mutants import Mutant, sample
from tests.test_sql_cases import CASES, read_case

ROOT = Path(__file__).resolve().parents[2]
#: The tests that build warehouses of whole worlds, the quickest to find a fault first.
WHOLE = ("tests/recon/test_shipped_world.py", "tests/recon", "tests/rating", "tests/warehouse", "tests/finance")


def copied(folder: Path) -> Path:
    """The files of this tree that git holds or would hold, under `folder`."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    for name in listed.stdout.splitlines():
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, folder / name)
    return folder


def cases_of(relation: str) -> list[str]:
    """The ids of the SQL cases that run this relation from its file: its own, and those that run what reads it."""
    tree = sql_files.load_sql()

    def reads(name: str, seen: set[str]) -> set[str]:
        for read in tree.relations[name].reads & tree.relations.keys() - seen:
            seen.add(read)
            reads(read, seen)
        return seen

    chosen = []
    for folder in CASES:
        case, tested = read_case(folder), folder.parent.name
        is_run = relation in case.runs or ("*" in case.runs and tested in tree.relations)
        if tested == relation or (is_run and relation in reads(tested, set())):
            chosen.append(f"tests/test_sql_cases.py::test_sql_case[{tested}/{folder.name}]")
    return chosen


def is_passed(tree: Path, tests: Sequence[str]) -> bool:
    """Whether these tests pass in the copy; one that hangs or fails is a fault found."""
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "-p", "no:xdist", *tests],
        cwd=tree,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, (tree / "flows", tree / "transforms", tree)))},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode in (0, 1), done.stdout[-2000:] + done.stderr[-2000:]
    return done.returncode == 0


def found_by(tree: Path, mutant: Mutant, whole: Sequence[str]) -> str | None:
    """The first group of tests that fails with the mutant in place, or None."""
    file = tree / "sql" / mutant.path
    original = file.read_text(encoding="utf-8")
    file.write_text(mutant.text, encoding="utf-8")
    try:
        cases = cases_of(mutant.path.stem)
        if cases and not is_passed(tree, cases):
            return "its SQL cases"
        return next((group for group in whole if not is_passed(tree, [group])), None)
    finally:
        file.write_text(original, encoding="utf-8")


def measured(mutants: Sequence[Mutant], whole: Sequence[str]) -> Iterator[tuple[Mutant, str | None]]:
    with tempfile.TemporaryDirectory() as folder:
        tree = copied(Path(folder))
        for mutant in mutants:
            yield mutant, found_by(tree, mutant, whole)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=40)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--under", action="append", help="a folder of sql/; core, checks and out by default")
    parser.add_argument("--only-cases", action="store_true", help="leave out the tests of whole warehouses")
    asked = parser.parse_args()
    drawn = sample(ROOT / "sql", asked.count, asked.seed, asked.under or ("core", "checks", "out"))
    found: Counter[str] = Counter()
    for mutant, finder in measured(drawn, () if asked.only_cases else WHOLE):
        found[finder or "nothing"] += 1
        print(f"{finder or 'SURVIVED':40} {mutant.path}: {mutant.change}", flush=True)
    for finder, count in found.most_common():
        print(f"{count:4} of {len(drawn)} found by {finder}")


if __name__ == "__main__":
    main()
