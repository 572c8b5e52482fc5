"""Decisions on a month in a test: the state of a finding, the closing, and what corrections list and post."""

from pathlib import Path
from typing import Any, cast

from ecgrid_flows.finance import audit_log, corrections
from ecgrid_flows.finance.export import export_month, read_export
from ecgrid_flows.finance.export_files import opened
from ecgrid_flows.finance.finding_states import find, set_state
from ecgrid_flows.finance.period_close import Closed, close_month
from ecgrid_flows.settings import Settings
from ecgrid_flows.storage.base import Store
from ecgrid_flows.storage.local import LocalStore
from ecgrid_flows.storage.opening import open_store
from ecgrid_transforms.money import ZERO, Decimal

from .world import MONTH


def decide(settings: Settings, store: Store, finding_id: str, state: str, note: str = "agreed by phone") -> None:
    with opened(settings) as connection:
        set_state(store, find(connection, [finding_id]), state, note)


class _Remote:
    """A store that is not the data directory's own, kept in a folder."""

    def __init__(self, root: Path) -> None:
        self._store = LocalStore(root)
        self._store.prepare()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)


def bucket(root: Path) -> Store:
    """A store that stands for a bucket: exports reach it only when they are published."""
    return cast(Store, _Remote(root))


def close(settings: Settings, accept: dict[str, str] | None = None) -> Closed:
    return close_month(settings, open_store(settings), MONTH, accept or {})


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir()) if path.is_file()}


def corrected(settings: Settings) -> list[dict[str, Any]]:
    export_month(settings, MONTH)
    path = settings.exports_dir(MONTH) / "corrections/corrections.csv"
    rows: list[dict[str, Any]] = read_export(path).to_pylist() if path.is_file() else []
    return rows


def plain_text(value: Decimal) -> str:
    return f"{value:f}".rstrip("0").rstrip(".")


def shown(rows: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    wanted = ("correction", "entry", "mailbox_id", "billed_amount", "expected_amount")
    return [tuple(plain_text(v) if isinstance(v, Decimal) else v for v in map(row.get, wanted)) for row in rows]


def journal_of(settings: Settings) -> list[tuple[Any, ...]]:
    """Reference, account and signed amount of every line of the corrections' journal; a debit is above zero."""
    export_month(settings, MONTH)
    rows = read_export(settings.exports_dir(MONTH) / "corrections/corrections_journal.csv").to_pylist()
    return [(row["reference"], row["account"], (row["debit"] or ZERO) - (row["credit"] or ZERO)) for row in rows]


def book(settings: Settings) -> None:
    store = open_store(settings)
    log = audit_log.read(store)
    entry = log.closing(MONTH)
    assert entry is not None
    corrections.book(settings, store, log, entry, "posted in November")
