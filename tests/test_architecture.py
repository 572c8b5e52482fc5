"""What the import contracts of pyproject.toml cannot hold: pure transforms, an independent sandbox, SQL in `sql/`."""

import ast
import subprocess
import sys
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = {
    "ecgrid_flows": ROOT / "flows/ecgrid_flows",
    "ecgrid_client": ROOT / "flows/ecgrid_client",
    "ecgrid_sandbox": ROOT / "flows/ecgrid_sandbox",
    "ecgrid_transforms": ROOT / "transforms/ecgrid_transforms",
}
#: What the sandbox may know of the transforms: money and months, never how lines are flattened or rated.
SANDBOX_MAY_SHARE = {"ecgrid_transforms.money", "ecgrid_transforms.period"}
#: What the transforms may import beside the standard library.
PURE = {"pyarrow", "pandas", "ecgrid_transforms"}
IMPURE_STANDARD = {"socket", "urllib", "http", "sqlite3", "subprocess", "threading", "tempfile", "shutil"}


@cache
def modules(package: str) -> list[tuple[str, ast.Module]]:
    return [
        (path.relative_to(PACKAGES[package].parent).with_suffix("").as_posix(), ast.parse(path.read_text("utf-8")))
        for path in sorted(PACKAGES[package].rglob("*.py"))
    ]


@cache
def imported(tree: ast.Module) -> list[str]:
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            found += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    return found


def test_the_command_line_starts_without_what_a_command_may_not_need() -> None:
    """`--help`, `--version` and completion answer at once; every command pays for its own libraries alone."""
    loaded = subprocess.run(
        [sys.executable, "-c", "import sys, ecgrid_flows.cli; print(*sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    assert {"ecgrid_flows.cli", "typer"} <= set(loaded)
    assert {"pyarrow", "pandas", "numpy", "duckdb", "lxml", "zeep", "pycurl", "prefect", "starlette"} & set(
        loaded
    ) == set()


def test_transforms_are_pure() -> None:
    guilty = []
    for name, tree in modules("ecgrid_transforms"):
        for target in imported(tree):
            top = target.split(".")[0]
            if top in IMPURE_STANDARD or (top not in sys.stdlib_module_names and top not in PURE):
                guilty.append(f"{name} imports {target}")
        guilty += [
            f"{name} opens a file"
            for node in ast.walk(tree)
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "open"
        ]
    assert guilty == []


def test_the_sandbox_is_a_stranger() -> None:
    guilty = [
        f"{name} imports {target}"
        for name, tree in modules("ecgrid_sandbox")
        for target in imported(tree)
        if target.startswith("ecgrid_transforms")
        and not any((target + ".").startswith(shared + ".") for shared in SANDBOX_MAY_SHARE)
    ]
    assert guilty == []


def test_only_the_sandbox_and_its_tests_read_the_catalogue() -> None:
    readers = [
        path.relative_to(ROOT).as_posix()
        for folder in ("flows/ecgrid_flows", "flows/ecgrid_client", "transforms", "sql", "notebooks")
        for path in (ROOT / folder).rglob("*")
        if path.suffix in {".py", ".sql", ".ipynb"} and "catalogue" in path.read_text(encoding="utf-8")
    ]
    assert readers == []


def test_sql_text_stays_in_sql() -> None:
    """A statement in a Python string is one that no SQL test reaches; the runner's own few are allowed."""
    allowed = "ecgrid_flows/warehouse/"
    guilty = []
    for package in PACKAGES:
        for name, tree in modules(package):
            if name.startswith(allowed):
                continue
            guilty += [
                f"{name}:{node.lineno}"
                for node in ast.walk(tree)
                if isinstance(node, ast.Constant)
                and isinstance(node.value, str)
                and node.value.lstrip().upper().startswith(("SELECT ", "WITH ", "INSERT ", "CREATE ", "COPY "))
                and " FROM " in node.value.upper().replace("\n", " ")
            ]
    assert guilty == []
