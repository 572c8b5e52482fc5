"""Decisions about findings: accepted, disputed or resolved, with a note.

A decision is kept in the audit log (`decisions`), by the finding's id, which depends on its check and key only, with
the amounts at that time. It remains valid over rebuilds and pulls as long as these amounts stay the same; when one
changes, the finding is open again.

SQL reads decisions in raw_finding_states. Commands replace the warehouse's rows by those of the log (`with_states`);
`keep` writes them into the file after a build and after a decision, so no rebuild is needed.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ecgrid_flows.errors import NoSuchData, SettingsError
from ecgrid_flows.finance import audit_log
from ecgrid_flows.finance.audit_log import Log
from ecgrid_flows.rating import month_totals
from ecgrid_flows.storage.base import Store
from ecgrid_flows.warehouse import database, sql_files, sql_headers
from ecgrid_transforms.money import Decimal, fitted, plain, to_decimal
from ecgrid_transforms.period import month_text

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = [
    "OPEN",
    "STATES",
    "claims",
    "error_counts",
    "find",
    "find_of_checks",
    "keep",
    "open_errors",
    "set_state",
    "states",
    "with_states",
]

OPEN = "open"
#: Possible decisions; `open` withdraws one.
STATES = ("accepted", "disputed", "resolved", OPEN)
#: State set for all findings of a check -> states that it replaces. Accepted and resolved findings keep their state
#: unless the decision is withdrawn.
_CHANGED_BY = {
    "accepted": (OPEN,),
    "disputed": (OPEN,),
    "resolved": (OPEN, "disputed"),
    OPEN: ("accepted", "disputed", "resolved"),
}
#: The relation of the warehouse with the decisions.
RELATION = "raw_finding_states"
_AMOUNTS = ("billed_amount", "expected_amount", "difference")
_COLUMNS = ("finding_id", "state", "note", "decided_on", *(f"decided_{name}" for name in _AMOUNTS))
_SHORTEST = 4
_KEY = ("network_id", "mailbox_id", "reporting_month", "account_report", "measure_field")
#: Findings of one key that have numbered ids; more were never seen.
_MOST_TWINS = 100


@dataclass(frozen=True, slots=True)
class Decided:
    """The last decision about one finding."""

    finding_id: str
    state: str
    note: str
    amounts: Mapping[str, str | None]
    on: date


def states(log: Log) -> dict[str, Decided]:
    """Id -> last decision, of every finding that has one."""
    last: dict[str, Decided] = {}
    for entry in log.entries:
        if entry.kind != "finding":
            continue
        for finding in entry.data["findings"]:
            amounts = {a: finding[a] for a in _AMOUNTS}
            name = _todays_id(finding)
            decided_on = date.fromisoformat(entry.at[:10])
            before = last.get(name)
            if before and (before.state, before.amounts) == (entry.data["state"], amounts):
                decided_on = before.on  # a repeated decision about the same amounts is filed on the day of the first
            last[name] = Decided(name, entry.data["state"], entry.data["note"], amounts, decided_on)
    return {name: decided for name, decided in last.items() if decided.state != OPEN}


def _todays_id(finding: Mapping[str, Any]) -> str:
    """The id that the finding of an entry of the log has today.

    Ids of earlier releases were the first twelve digits of the hash of which today's are `f` and eleven. One that
    begins with f is either: the hash is made again from the key, as in out_finding_ids.
    """
    name: str = finding["finding_id"]
    if not name.startswith("f"):
        return f"f{name[:11]}"
    hashes = (sha256(f"{_identity(finding)}|{twin}".encode()).hexdigest() for twin in range(1, _MOST_TWINS + 1))
    return next((f"f{name[:11]}" for found in hashes if found[:12] == name), name)


def _identity(finding: Mapping[str, Any]) -> str:
    """The macro `finding_identity` of the key that the log keeps."""
    key = {name: "" if finding[name] is None else str(finding[name]) for name in _KEY}
    if finding["check_name"] == "reading_undecided":
        key["reporting_month"] = ""
    is_whole = all(finding[name] is not None for name in _KEY if name != "reporting_month")
    others = () if is_whole else (finding["price_list_id"], finding["invoice_number"])
    return "|".join(
        [finding["check_name"], *key.values(), "|".join("" if value is None else str(value) for value in others)]
    )


def with_states(connection: database.Connection, log: Log) -> Any:
    """The relation out_finding_states by the decisions of `log`.

    All readers of decisions on this connection (out_finding_amounts, out_invoice_reconciliation) get those of `log`
    from then on, not those kept in the warehouse.
    """
    decided = _rows(log)
    kept = database.records(connection, RELATION, columns=_COLUMNS, order=_COLUMNS[:1])
    if decided != [tuple(row.values()) for row in kept]:
        database.register(connection, RELATION, _table(decided))
    return connection.table("out_finding_states")


def open_errors(connection: database.Connection, log: Log, month: date) -> list[dict[str, Any]]:
    """The findings of severity error in `month` without a decision, worst first."""
    from ecgrid_flows.warehouse import books  # imports pyarrow, which the other queries do not need

    with_states(connection, log)
    found = database.of_month(books.create(connection, "books_open_errors"), month)
    rows: list[dict[str, Any]] = database.ordered(found, "place").to_arrow_table().to_pylist()
    return rows


def error_counts(connection: database.Connection, log: Log) -> Any:
    """The relation of months with the number of their open findings of severity error."""
    from ecgrid_flows.warehouse import books

    with_states(connection, log)
    return books.create(connection, "books_error_counts")


def claims(
    connection: database.Connection, log: Log, month: date, dispute_days: int | None = None
) -> list[dict[str, Any]]:
    """The claims of `month` (rows of out_claims), each with its `deadline_on`, worst first.

    The deadline is `dispute_days` after the day on which the claim was filed, None without them.
    """
    if all(one.state != "disputed" for one in states(log).values()):
        return []  # planning out_claims takes longer than all else that `findings` reads
    with_states(connection, log)
    return month_totals.claims(connection, month, dispute_days)


def keep(warehouse: Path, log: Log) -> None:
    """Write the decisions of `log` into the warehouse, for other readers of the file; the caller holds the lock."""
    database.refill(warehouse, RELATION, _table(_rows(log)))


def _rows(log: Log) -> list[tuple[Any, ...]]:
    """The rows of raw_finding_states, by finding: values of `_COLUMNS`."""
    return [
        (
            *(one.finding_id, one.state, one.note, one.on),
            *(None if (text := one.amounts[a]) is None else fitted(to_decimal(text)) for a in _AMOUNTS),
        )
        for one in sorted(states(log).values(), key=lambda one: one.finding_id)
    ]


def _table(rows: Sequence[tuple[Any, ...]]) -> "pa.Table":
    import pyarrow as pa

    from ecgrid_transforms.schemas import MONEY_TYPE

    types = [*[pa.string()] * 3, pa.date32(), *[MONEY_TYPE] * len(_AMOUNTS)]
    columns = zip(*rows, strict=True) if rows else [()] * len(types)
    arrays = [pa.array(values, type_) for values, type_ in zip(columns, types, strict=True)]
    return pa.table(arrays, names=list(_COLUMNS))


def find(connection: database.Connection, wanted: Iterable[str], month: date | None = None) -> list[dict[str, Any]]:
    """The findings with these ids (or their first characters); raises `NoSuchData` or `SettingsError`."""
    of_month: dict[str, Any] = {} if month is None else {"reporting_month": month}
    known = {row["finding_id"]: row for row in database.records(connection, "out_finding_ids", **of_month)}
    found = dict[str, dict[str, Any]]()
    where = "" if month is None else f" of {month_text(month)}"
    for name in wanted:
        given = name.strip().lower()
        # one of an earlier release is the whole id, without the f in front
        ids = (given, f"f{given[:11]}") if len(given) == 12 else (given,)
        fitting = sorted(one for one in known if one.startswith(ids))
        if not fitting:
            raise NoSuchData(
                f"there is no finding {name!r}{where}: `ecgrid-billing findings` shows them with their ids"
            )
        if len(fitting) > 1 or len(name.strip()) < _SHORTEST:
            raise SettingsError(f"{name!r} could be {', '.join(fitting[:3])}: write more of the id")
        found[fitting[0]] = known[fitting[0]]
    return list(found.values())


def find_of_checks(
    connection: database.Connection,
    log: Log,
    checks: Sequence[str],
    month: date,
    state: str,
    below: Decimal | None = None,
) -> list[dict[str, Any]]:
    """The findings of these checks in `month` that a decision for `state` changes, worst first.

    With `below`, only those whose difference is closer to 0 than that, in either direction, and known. Raises
    `SettingsError` for an unknown check or state.
    """
    require_state(state)
    known = sql_headers.check_titles(sql_files.sql_folder())
    for check in checks:
        if check not in known:
            raise SettingsError(f"{check!r} is no check: write one of {', '.join(sorted(known))}")
    database.require_month(connection, month)
    with_states(connection, log)
    rows = [
        row
        for check in dict.fromkeys(checks)
        for row in database.records(connection, "out_finding_states", check_name=check, reporting_month=month)
    ]
    return [
        row
        for row in sorted(rows, key=lambda row: (row["place"], row["finding_id"]))
        if row["state"] in _CHANGED_BY[state]
        and (below is None or (row["difference"] is not None and abs(row["difference"]) < below))
    ]


def require_state(state: str) -> None:
    """Raise `SettingsError` unless `state` can be decided."""
    if state not in STATES:
        raise SettingsError(f"{state!r} is no state of a finding: write {', '.join(STATES)}")


def set_state(store: Store, findings: Sequence[Mapping[str, Any]], state: str, note: str) -> audit_log.Decision:
    """Record one decision about these rows of out_finding_ids; the caller holds the lock. Raises `SettingsError`."""
    require_state(state)
    if not note.strip():
        raise SettingsError("a decision needs a note: state the reason (--note TEXT)")
    return audit_log.append(store, "finding", {"state": state, "note": note.strip(), "findings": _kept(findings)})


def _kept(findings: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The data of findings that the log keeps: ids, keys and the amounts at that time, as text."""
    names = (*_KEY, "price_list_id")
    return [
        {
            "finding_id": row["finding_id"],
            "check_name": row["check_name"],
            **{name: value.isoformat() if isinstance(value := row[name], date) else value for name in names},
            "invoice_number": row["invoice_number"],
            **{name: None if row[name] is None else plain(row[name]) for name in _AMOUNTS},
        }
        for row in findings
    ]
