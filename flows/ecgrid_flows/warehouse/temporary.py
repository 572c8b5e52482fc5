"""Temporary relations over a built warehouse: those of `sql/{books,clients,simulations,accruals}`.

No build makes them, and they end with the connection. What their files read of other folders is the warehouse's, or
registered by the caller first; what is worked out anew for them, as the rating is, becomes part of their SELECT.
"""

from collections.abc import Mapping
from functools import cache

import duckdb

from ecgrid_flows.warehouse import builder
from ecgrid_flows.warehouse.connection import Connection, of_another_version
from ecgrid_flows.warehouse.sql_files import load_sql, sql_folder
from ecgrid_flows.warehouse.sql_tree import SqlRefused, SqlTree

__all__ = ["load_macros_of", "make", "set_variables", "stems"]

#: Relations of `sql/core` that a simulation makes of the terms that it tries, not of those in force.
_TRIED = (
    *("core_tiers", "core_set_tiers", "core_sets", "core_set_readings", "core_changed_tiers", "core_reading_roundings"),
    "core_reading_rules",
    *("core_trial_readings", "core_rounded_readings", "core_rating_readings", "core_rating_rules", "core_rating_tiers"),
    *("core_rating_bounds", "core_rating_ladders", "core_rating_steps", "core_rating_cases", "core_rating_quantities"),
    *("core_rating_slices", "core_rated"),
)


def make(connection: Connection, folder: str, *wanted: str, made: tuple[str, ...] = ()) -> None:
    """Make relations of a folder of `sql/`, and what they read of it but for those `made` already.

    Raises `NoSuchData` where the warehouse, of an earlier version, lacks what they read.
    """
    tree = _tree(folder)
    reads = frozenset[str]().union(*(sql.reads for sql in tree.relations.values()))
    given = (reads - tree.relations.keys()) | set(made)
    try:
        builder.materialise(connection, tree, wanted, given=given, is_guarded=False)
    except SqlRefused as error:
        if isinstance(error.__cause__, duckdb.BinderException | duckdb.CatalogException):
            raise of_another_version("the warehouse", str(error)) from error
        raise


def set_variables(connection: Connection, values: Mapping[str, object]) -> None:
    """Set what SQL reads by `getvariable`, as VARCHAR; None is null."""
    for name, value in values.items():
        text = None if value is None else str(value)
        connection.execute(f"SET VARIABLE {name} = ?::VARCHAR", [text]).fetchall()


def load_macros_of(connection: Connection, file: str) -> None:
    """Give a connection this release's macros of `sql/macros/<file>`, whichever release built its warehouse."""
    text = (sql_folder() / "macros" / file).read_text(encoding="utf-8")
    connection.execute(text.replace("CREATE OR REPLACE MACRO", "CREATE OR REPLACE TEMP MACRO")).fetchall()


@cache
def stems(folder: str) -> tuple[str, ...]:
    """The relations of a folder of `sql/`, by name."""
    return tuple(sorted(path.stem for path in (sql_folder() / folder).glob("*.sql")))


@cache
def _tree(folder: str) -> SqlTree:
    """The files of the folder; relations that are in the warehouse, and not made anew, are not parsed."""
    own = stems(folder)
    anew = {"books": (), "clients": stems("core/rating")}.get(folder, _TRIED)
    others = {path.stem for path in sql_folder().rglob("*.sql")} - {*own, *anew}
    tree = load_sql(None, own, tuple(sorted(others)))
    return SqlTree(tree.folder, tree.macros, {name: tree.relations[name] for name in own}, tree.meanings)
