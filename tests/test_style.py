"""Rules of the house that a linter does not know."""

import json
import re
import subprocess
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[1]
SQL_FILES = sorted((ROOT / "sql").rglob("*.sql"))
PYTHON_FILES = sorted(path for room in ("flows", "transforms") for path in (ROOT / room).rglob("*.py"))


def without_comments(sql: str) -> str:
    return re.sub(r"--[^\n]*", "", sql)


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("path", [p for p in SQL_FILES if p.parent.name != "macros"], ids=relative)
def test_sql_opens_with_its_grain(path: Path) -> None:
    assert path.read_text(encoding="utf-8").startswith("-- One row per "), "say the grain first"


@pytest.mark.parametrize("path", SQL_FILES, ids=relative)
def test_sql_lets_no_float_near(path: Path) -> None:
    """Outside macros nothing divides, averages or names a float: DECIMAL / anything is DOUBLE in DuckDB."""
    sql = without_comments(path.read_text(encoding="utf-8"))
    bare = re.sub(r"'(?:[^']|'')*'", "''", sql)
    assert not re.search(r"\b(double|float|real)\b", bare, re.IGNORECASE)
    assert not re.search(r"\d[eE][+-]?\d", bare), "an exponent literal is a DOUBLE"
    if path.parent.name != "macros":
        assert "/" not in bare, "division lives in macros"
        assert not re.search(r"\bavg\s*\(", bare, re.IGNORECASE), "avg gives a DOUBLE"


@pytest.mark.parametrize("path", PYTHON_FILES, ids=relative)
def test_python_lets_no_float_near_money(path: Path) -> None:
    """`float(` and float dtypes are allowed only on a line that says why it is never money."""
    guilty = [
        f"{relative(path)}:{number}: {line.strip()}"
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
        if re.search(r"\bfloat\(|astype\(.?float|\.df\(\)|to_numpy\(\)|float64\(\)", line) and "never money" not in line
    ]
    assert guilty == []


def test_every_exception_from_a_check_has_its_reason() -> None:
    """`# noqa: S310 - our loopback`, `# type: ignore[override] # nbclient awaits it`."""
    guilty = [
        f"{relative(path)}:{number}: {line.strip()}"
        for path in tracked()
        if path.suffix == ".py" and path != Path(__file__)
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
        if re.search(r"#\s*(noqa|type:\s*ignore)", line)
        and not re.search(r"# (noqa: [A-Z]+\d+|type: ignore\[[\w-]+\]) (-|#) [`\w]", line)
    ]
    assert guilty == []


def tracked() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode != 0:
        pytest.skip("not a git checkout")
    return [ROOT / name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]


def test_no_address_of_a_package_registry_is_committed() -> None:
    pattern = re.compile(
        rb"--(extra-)?index-"
        rb"url|--find-"
        rb"links|\"resolved\": *\"http|registry *= *http|py"
        rb"pi\.org|npm"
        rb"js\.org"
    )
    guilty = [relative(path) for path in tracked() if pattern.search(path.read_bytes())]
    assert guilty == []


LOCKS = ("requirements.lock", "requirements-dev.lock")


def locked(name: str) -> list[str]:
    """The requirements of a lock file, each with its hashes on one line."""
    joined = (ROOT / name).read_text(encoding="utf-8").replace("\\\n", " ")
    return [line for line in joined.splitlines() if line and not line.startswith((" ", "#"))]


@pytest.mark.parametrize("name", LOCKS)
def test_every_requirement_is_hashed(name: str) -> None:
    assert [line.split()[0] for line in locked(name) if "--hash=sha256:" not in line] == []


def test_the_runtime_lock_is_a_part_of_the_development_lock() -> None:
    """Else `make test` would exchange what `make run` runs."""
    runtime, development = ({line.split()[0] for line in locked(name)} for name in LOCKS)
    assert sorted(runtime - development) == []


def test_the_locks_hold_what_the_project_asks_for() -> None:
    """Written anew by `make lock`."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    groups = project["dependency-groups"]
    scale, dev = project["project"]["optional-dependencies"]["scale"], [*groups["build"], *groups["dev"]]
    wanted = {
        "requirements.lock": [*project["project"]["dependencies"], *groups["build"]],
        "requirements-dev.lock": [*project["project"]["dependencies"], *scale, *dev],
    }
    guilty = []
    for name, lines in wanted.items():
        versions = dict(re.match(r"([\w.-]+)(?:\[.*?\])?==([\w.]+)", line).groups() for line in locked(name))
        for one in map(Requirement, (line for line in lines if isinstance(line, str))):
            if not one.specifier.contains(versions.get(one.name, "0"), prereleases=True):
                guilty.append(f"{name}: {one}")
    assert guilty == []


def test_notebooks_are_committed_without_outputs() -> None:
    guilty = []
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        book = json.loads(path.read_text(encoding="utf-8"))
        guilty += [
            f"{path.name} cell {number}"
            for number, cell in enumerate(book["cells"])
            if cell["cell_type"] == "code" and (cell["outputs"] or cell["execution_count"] is not None)
        ]
    assert guilty == []


def test_what_a_run_writes_is_not_committed() -> None:
    guilty = [
        relative(path)
        for path in tracked()
        if path.is_relative_to(ROOT / "data")
        and not path.is_relative_to(ROOT / "data/reference")
        and path.name not in {"README.md", "DICTIONARY.md", ".gitignore"}
    ]
    assert guilty == []
