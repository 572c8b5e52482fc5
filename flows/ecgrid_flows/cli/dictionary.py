"""The pages that are written by the code: `data/DICTIONARY.md`, `flows/COMMANDS.md`, `sql/core/<topic>/LINEAGE.md`.

The dictionary has every feed, every relation of the warehouse and every column: from `ecgrid_transforms.schemas`, from
the headers of the SQL files and `sql/columns.csv`, and from a warehouse built over no data. COMMANDS has every command
with its options; the lineage of a topic states which relation reads which. Tests compare the committed pages with these
texts. Write them anew with `python -m ecgrid_flows.cli.dictionary`.
"""

import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import typer

from ecgrid_flows.settings import Settings, reference_folders
from ecgrid_flows.warehouse import builder, database, sql_files, sql_headers
from ecgrid_flows.warehouse.sql_tree import SqlFile, SqlRefused, SqlTree
from ecgrid_transforms.schemas import DATASET_FEEDS, FEEDS

_HEAD = """# Data dictionary

Written by `python -m ecgrid_flows.cli.dictionary`; a test fails when it is stale. Decimals are DECIMAL(28,10) at rest,
and no column of money is ever a float. `reporting_month` is the first day of the month. Times that end in `_at` are
UTC.
"""


def dictionary_text() -> str:
    """The text of the page; builds a warehouse without data in a temporary folder (some seconds)."""
    sections = [_HEAD, "## Feeds of the lake\n", "`lake/<feed>/month=YYYY-MM/`, any Parquet engine.\n"]
    for feed, schema in FEEDS.items():
        sections.append(f"### {feed}\n")
        if feed in DATASET_FEEDS:
            sections.append("These columns, then those of the answer's own schema (an ADO.NET DataSet).\n")
        sections.append("| column | type | meaning |\n|---|---|---|")
        sections += [
            f"| {field.name} | {field.type} | {_escaped((field.metadata or {}).get(b'description', b'').decode())} |"
            for field in schema
        ]
        sections.append("")
    tree = sql_files.load_sql()
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "empty.duckdb"
        builder.build({}, target, reference_dir=reference_folders(Settings(data_dir=folder)))
        with closing(database.connect(target)) as connection:
            types = database.column_types(connection)
        columns = [(name, column) for name, found in types.items() for column in found]
        columns += [(name, column) for name in tree.relations.keys() - types.keys() for column in _of_feed(tree, name)]
    meanings = sql_headers.meanings(tree, columns)
    if meanings.missing:
        raise SqlRefused(
            f"{meanings.missing[0]} has no meaning: write `-- column: meaning` in its header, or a line in "
            f"sql/{sql_headers.SHARED_MEANINGS}"
        )
    if meanings.unused:
        raise SqlRefused(f"sql/{sql_headers.SHARED_MEANINGS}: no relation takes {meanings.unused[0]} from it")
    sections.append("## Relations of the warehouse\n")
    sections.append(
        "`warehouse/billing.duckdb`. Users read `out_`; the rest is the way there. The same texts are comments in the\n"
        "warehouse: `SELECT column_name, comment FROM duckdb_columns() WHERE table_name = 'out_findings'`.\n"
    )
    for name in sorted(tree.relations, key=_place):
        sql = tree.relations[name]
        sections.append(f"### {name}\n")
        sections.append(_escaped(" ".join([sql.header.grain, *sql.header.notes])) + "\n")
        if sql.is_scratch:
            sections.append("Scratch: it ends with the build.\n")
        if name.startswith("raw_"):
            sections.append(
                f"Columns: those of the feed [{name.removeprefix('raw_')}](#{name.removeprefix('raw_')}).\n"
            )
        elif name in meanings.found:
            shown = {column: meaning for column, meaning in meanings.found[name].items() if _is_shown(sql, column)}
            if shown:
                sections.append("| column | type | meaning |\n|---|---|---|")
                sections += [
                    f"| {column} | {types[name][column]} | {_escaped(meaning)} |" for column, meaning in shown.items()
                ]
                sections.append("")
    return "\n".join(sections).rstrip() + "\n"


def _of_feed(tree: SqlTree, name: str) -> list[str]:
    """The columns of a relation that shows a feed and is dropped after the build."""
    return list(sql_headers.feed_meanings(tree.relations[name])) if name.startswith("raw_") else []


def _is_shown(sql: SqlFile, column: str) -> bool:
    """A check lists only meanings that differ from out_findings, whose columns all checks have."""
    return sql.name.startswith("out_") or column in sql.header.columns or column in ("is_doubtful", "cause")


def _place(name: str) -> tuple[int, str]:
    """out_ first, then checks, then core_ and raw_."""
    order = {"out": 0, "fail": 1, "warn": 1, "info": 1, "core": 2, "raw": 3}
    return order.get(name.split("_", 1)[0], 4), name


def _escaped(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")


def lineage_texts() -> dict[str, str]:
    """Topic of `sql/core` -> its page: which relation of it reads which, as a drawing and as a table."""
    tree = sql_files.load_sql()
    topics: dict[str, list[str]] = {}
    for name, sql in tree.relations.items():
        if name.startswith("core_") and sql.path.is_file():
            topics.setdefault(sql.layer, []).append(name)
    return {topic: _lineage(tree, topic, sorted(names)) for topic, names in sorted(topics.items())}


def _lineage(tree: SqlTree, topic: str, names: list[str]) -> str:
    """The diagram has an arrow from each relation read; relations of another topic or layer are one box."""
    edges: set[tuple[str, str]] = set()
    rows = []
    for name in names:
        readers = [other for other, sql in tree.relations.items() if name in sql.reads]
        edges |= {(_box(tree, topic, read), name) for read in tree.relations[name].reads}
        edges |= {(name, _box(tree, topic, reader)) for reader in readers}
        reads = ", ".join(sorted(tree.relations[name].reads)) or "nothing"
        rows.append(f"| {name} | {reads} | {', '.join(sorted(readers)) or 'nothing'} |")
    return "\n".join(
        [
            f"# Lineage of {topic}\n",
            "Written by `python -m ecgrid_flows.cli.dictionary`; a test fails when it is stale.\n",
            "```mermaid\nflowchart LR",
            *(f"  {read} --> {reader}" for read, reader in sorted(edges)),
            "```\n",
            "| relation | reads | read by |\n|---|---|---|",
            *rows,
            "",
        ]
    )


def _box(tree: SqlTree, topic: str, name: str) -> str:
    """A relation of the topic by its name; otherwise its topic or layer, with the brackets of a box."""
    sql = tree.relations.get(name)
    if sql is not None and sql.layer == topic:
        return name
    place = sql.layer if sql is not None and sql.layer != "sql" else name.split("_", 1)[0]
    return f"_{place}[[{place}]]"


def commands_text() -> str:
    """The page on the command line: every command, its arguments and options, in the order of `--help`."""
    from ecgrid_flows.cli import app

    root = typer.main.get_command(app)
    sections = ["# Commands of `ecgrid-billing`\n", "Written by `python -m ecgrid_flows.cli.dictionary`.\n"]
    for name, command in _commands("", root):
        sections.append(f"## `ecgrid-billing {name}`\n")
        sections.append(_escaped(" ".join((command.help or "").split())) + "\n")
        rows = [_option(parameter) for parameter in command.params if parameter.name != "help"]
        if rows:
            sections += ["| argument or option | meaning |\n|---|---|", *rows, ""]
    return "\n".join(sections).rstrip() + "\n"


def _commands(prefix: str, group: Any) -> Iterator[tuple[str, Any]]:
    for name, command in group.commands.items():
        full = f"{prefix} {name}".strip()
        if not hasattr(command, "commands") or command.invoke_without_command:
            yield full, command
        if hasattr(command, "commands"):
            yield from _commands(full, command)


def _option(parameter: Any) -> str:
    is_option = parameter.opts[0].startswith("-")
    shown = ", ".join(parameter.opts) if is_option else parameter.metavar or parameter.name.upper()
    return f"| `{_escaped(shown)}` | {_escaped(' '.join((getattr(parameter, 'help', None) or '').split()))} |"


def main() -> None:
    """Write the pages into the checkout of this file."""
    root = Path(__file__).resolve().parents[3]
    (root / "data/DICTIONARY.md").write_text(dictionary_text(), encoding="utf-8")
    (root / "flows/COMMANDS.md").write_text(commands_text(), encoding="utf-8")
    for topic, text in lineage_texts().items():
        (root / "sql/core" / topic / "LINEAGE.md").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
