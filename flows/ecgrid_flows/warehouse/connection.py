"""Opening DuckDB: one configuration for every connection, and the errors that its messages map to."""

from collections.abc import Iterable
from pathlib import Path

import duckdb

from ecgrid_flows.errors import BillingError, NoSuchData, SettingsError, StorageFailed

Connection = duckdb.DuckDBPyConnection
#: Where a build's cursors find relations: the warehouse's file, then the memory with what ends with the build.
_BUILT = "SET search_path = 'warehouse,memory'"
#: DuckDB's texts for the errors ENOSPC, EDQUOT and EFBIG.
_FULL = ("no space left", "not enough space", "disk quota exceeded", "file too large")


def _open(
    path: str,
    threads: int | None = None,
    memory_limit: str | None = None,
    temp_dir: Path | None = None,
    read_only: bool = False,
    *,
    is_build: bool = False,
    is_small: bool = False,
) -> Connection:
    """A connection that installs nothing and spills to the given folder.

    A build does not keep the order of rows, because that takes memory. Any other connection does: otherwise DuckDB 2.0
    returns even the rows of an ORDER BY (by `execute`) in the order in which its threads finish. Nor does a build write
    a write-ahead log: a file that is not finished is discarded. The file of a small build has DuckDB's smallest blocks:
    each column of a table takes at least one.
    """
    config: dict[str, str | bool | int | float | list[str]] = {
        "autoinstall_known_extensions": "false",
        "preserve_insertion_order": "false" if is_build else "true",
        "python_enable_replacements": "false",  # no Python variable stands in for a missing relation
        "TimeZone": "UTC",
    }
    if threads:
        config["threads"] = str(threads)
    if memory_limit:
        config["memory_limit"] = memory_limit
    if temp_dir:
        config["temp_directory"] = str(temp_dir)
    try:
        if not is_build:
            return duckdb.connect(path, read_only=read_only, config=config)
        connection = duckdb.connect(":memory:", config=config)
        blocks = ", BLOCK_SIZE 16384" if is_small else ""
        connection.execute(f"ATTACH {literal(path)} AS warehouse (RECOVERY_MODE no_wal_writes{blocks})")
        return connection.execute(_BUILT)
    except (duckdb.InvalidInputException, duckdb.ParserException) as error:
        raise SettingsError(
            f"DuckDB refuses a setting ({_first_line(error)}); a memory limit is written 6GiB"
        ) from error
    except duckdb.Error as error:
        if "could not set lock" in str(error).lower():
            raise StorageFailed(
                f"{path} is held by another program ({_first_line(error)}): close that first"
            ) from error
        if isinstance(error, duckdb.IOException) and "permission denied" in str(error).lower():
            raise StorageFailed(f"{path} cannot be opened ({_first_line(error)}): grant the permission") from error
        raise reading_error(error, path) from error


def cursor_of(connection: Connection) -> Connection:
    """Another connection to the data of a build, for another thread."""
    return connection.cursor().execute(_BUILT)


def reading_error(error: duckdb.Error | OSError, where: str = "the warehouse") -> BillingError:
    """The error of a query on a built warehouse: no memory, a full disk, a damaged file, another release's relations.

    While rows are streamed, Arrow hands DuckDB's errors on as an `OSError` that has only their text.
    """
    text = _first_line(error)
    if full := full_disk(error, where):
        return full
    if isinstance(error, duckdb.OutOfMemoryException) or text.startswith("Out of Memory Error"):
        return StorageFailed(f"{where}: out of memory ({text}); allow more memory, or free disk for spilling")
    if isinstance(error, duckdb.BinderException | duckdb.CatalogException):
        return of_another_version(where, text)
    return StorageFailed(f"{where} is damaged or no DuckDB file ({text}): run `ecgrid-billing build`")


def of_another_version(where: str, lacks: str) -> NoSuchData:
    """A warehouse without what this version reads; like one that is not there, it needs a build."""
    return NoSuchData(
        f"{where} was built by another version and lacks what this one reads ({lacks}): run `ecgrid-billing build`"
    )


def full_disk(error: Exception, where: str) -> StorageFailed | None:
    """The error of a full disk, where that is the cause; any statement that writes may meet it."""
    if not any(words in str(error).lower() for words in _FULL):
        return None
    return StorageFailed(f"{where}: the disk is full ({_first_line(error)}); free some space and run again")


def _first_line(error: BaseException) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)


def literal(text: str) -> str:
    """A text as a SQL literal."""
    return "'" + text.replace("'", "''") + "'"


def quoted(name: str) -> str:
    """A name of a relation or column as SQL."""
    return '"' + name.replace('"', '""') + '"'


def listed(names: Iterable[str]) -> str:
    """Names of columns as a list for SQL."""
    return ", ".join(map(quoted, names))
