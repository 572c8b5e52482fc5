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


def test_modules_of_findings_and_explain_import_no_arrow() -> None:
    """pyarrow and numpy take longer to import than a query of findings: rows with timestamps alone need them."""
    modules = "finance.finding_states, ecgrid_flows.rating.explain, ecgrid_flows.rating.month_totals"
    loaded = subprocess.run(
        [sys.executable, "-c", f"import sys, ecgrid_flows.{modules}; print(*sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    assert "duckdb" in loaded
    assert {"pyarrow", "numpy", "pandas"} & set(loaded) == set()


def test_empty_tables_are_made_without_pandas() -> None:
    """`Schema.empty_table` imports pandas, two tenths of a second that a build or a query of findings does not need."""
    guilty = [
        f"{name}:{node.lineno}"
        for package in PACKAGES
        for name, tree in modules(package)
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and node.attr == "empty_table"
    ]
    assert guilty == []


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


def test_the_sandbox_shares_no_pricing_code() -> None:
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


#: Methods of a DuckDB relation or connection that take SQL text alone.
SQL_METHODS = {"project", "order", "sort", "sql", "query", "execute", "executemany", "sql_query"}


def is_sql_call(call: ast.Call) -> bool:
    """Whether a call hands a condition, a list of columns or a statement to DuckDB as text."""
    if not isinstance(call.func, ast.Attribute) or not call.args:
        return False
    method, first = call.func.attr, call.args[0]
    if method in SQL_METHODS:
        return True
    if method in {"table", "frame"}:  # of `database`: a statement behind the connection
        return isinstance(call.func.value, ast.Name) and call.func.value.id == "database"
    is_text = isinstance(first, ast.Constant | ast.JoinedStr | ast.BinOp) or (
        isinstance(first, ast.Call) and isinstance(first.func, ast.Attribute) and first.func.attr == "join"
    )
    if method in {"filter", "aggregate"}:
        return is_text and not (isinstance(first, ast.Constant) and not isinstance(first.value, str))
    return method == "join" and len(call.args) > 1


def test_sql_text_stays_in_sql() -> None:
    """A statement in a Python string is one that no SQL test reaches; the runner's own few are allowed.

    So are conditions and lists of columns, which a relation's methods take. Reads by key go through `database.rows`.
    """
    guilty = []
    for package in PACKAGES:
        for name, tree in modules(package):
            if name.startswith("ecgrid_flows/warehouse/"):
                continue
            for node in ast.walk(tree):
                is_statement = (
                    isinstance(node, ast.Constant)
                    and isinstance(node.value, str)
                    and node.value.lstrip().upper().startswith(("SELECT ", "WITH ", "INSERT ", "CREATE ", "COPY "))
                    and " FROM " in node.value.upper().replace("\n", " ")
                )
                is_part = isinstance(node, ast.Call) and is_sql_call(node)
                if is_statement or is_part:
                    guilty.append(f"{name}:{node.lineno}")
    assert guilty == []


def test_sql_text_is_seen_in_every_method_that_takes_it() -> None:
    handed = (
        *("rows.filter(f'a = {b}')", "rows.project('a, b')", "rows.join(others, 'a', how='semi')"),
        *("rows.aggregate('count(*)')", "rows.order(listed(KEY))", "connection.sql('FROM a')"),
        *("rows.project(', '.join(names))", "database.table(connection, 'FROM a ORDER BY b')"),
    )
    not_sql = (
        *("', '.join(names)", "thread.join(5)", "batch.filter(pc.equal(a, b))", "connection.table('out_x')"),
        *("table.group_by(['a']).aggregate([('b', 'sum')])", "database.rows(connection, 'out_x', a=1)"),
    )
    calls = {
        text: next(n for n in ast.walk(ast.parse(text)) if isinstance(n, ast.Call)) for text in (*handed, *not_sql)
    }
    assert [text for text in handed if not is_sql_call(calls[text])] == []
    assert [text for text in not_sql if is_sql_call(calls[text])] == []
