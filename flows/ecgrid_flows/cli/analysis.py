"""`lines` and `notebook`: what an account is billed, and the notebooks of an analyst."""

import os
import shutil
import subprocess
import sys
from collections import defaultdict
from collections.abc import Collection, Mapping
from contextlib import closing
from datetime import date
from difflib import get_close_matches
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.text import Text

from ecgrid_flows.cli import context
from ecgrid_flows.cli.context import AsJson, DataDir, Month
from ecgrid_flows.errors import NoSuchData, SettingsError
from ecgrid_flows.settings import Settings
from ecgrid_transforms.money import money_text, number_text, total
from ecgrid_transforms.period import last_full_month, month_text

if TYPE_CHECKING:
    from ecgrid_flows.warehouse.database import Connection

#: Column of out_finance_lines -> title.
_SHOWN = {
    "account_report": "report",
    "measure_field": "measure",
    "actual": "measured",
    "quantity_billed": "quantity billed",
    "billed_amount": "billed",
    "expected_amount": "expected",
    "difference": "difference",
    "verdict": "verdict",
    "findings": "findings",
}
_AMOUNTS = ("billed_amount", "expected_amount", "difference")
#: So many accounts of the network are named where the account has no line.
_NAMED = 10


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(lines)
    app.command()(notebook)


def lines(
    network: Annotated[int, typer.Argument(metavar="NETWORK", help="NetworkID")],
    mailbox: Annotated[int, typer.Argument(metavar="MAILBOX", help="MailboxID; 0 is the network's Root mailbox")],
    month: Month = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """List the lines of an account: measured, billed, expected, and the findings of each."""
    wanted = month or last_full_month()
    settings = Settings.load(data_dir)
    from ecgrid_flows.storage.opening import store_of
    from ecgrid_flows.warehouse import database

    store_of(settings)  # refuses the format of a later release
    with closing(database.connect(settings.warehouse_path)) as connection:
        rows = _lines(connection, network, mailbox, wanted)
    if as_json:
        context.emit_json({"month": month_text(wanted), "network_id": network, "mailbox_id": mailbox, "lines": rows})
        return
    name = rows[0]["account_name"] or ""
    title = f"{network}-{mailbox} {name}, {month_text(wanted)}".replace(" ,", ",")
    shown = [[_cell(column, row[column]) for column in _SHOWN] for row in rows]
    context.stdout.print(context.table(None, tuple(_SHOWN.values()), shown))
    context.stdout.print(
        Text(f"{title}: {len(rows)} lines, billed {money_text(total([row['billed_amount'] for row in rows]))}")
    )


def _lines(connection: "Connection", network: int, mailbox: int, month: date) -> list[dict[str, Any]]:
    """The account's rows of out_finance_lines, each with the names of its findings."""
    from ecgrid_flows.warehouse import database

    database.require_month(connection, month)
    account: dict[str, Any] = {"network_id": network, "mailbox_id": mailbox, "reporting_month": month}
    key = ("account_report", "measure_field")
    rows = database.records(connection, "out_finance_lines", order=("line_item_number", *key), **account)
    if not rows:
        raise _no_line(connection, network, mailbox, month)
    columns = (*key, "check_name")
    found = defaultdict[tuple[Any, ...], list[str]](list)
    for row in database.records(connection, "out_findings", columns=columns, order=("place",), **account):
        found[row["account_report"], row["measure_field"]].append(row["check_name"])
    return [row | {"findings": found[row["account_report"], row["measure_field"]]} for row in rows]


def _no_line(connection: "Connection", network: int, mailbox: int, month: date) -> NoSuchData:
    """Why an account has no line: it is none, or nothing was billed to it."""
    from ecgrid_flows.warehouse import database

    known = database.rows(connection, "core_accounts", columns=("network_id", "mailbox_id"), order=("mailbox_id",))
    accounts: set[tuple[int, int]] = {(row["network_id"], row["mailbox_id"]) for row in known.to_pylist()}
    if (network, mailbox) in accounts:
        return NoSuchData(f"account {network}/{mailbox} has no line in {month_text(month)}: nothing was billed to it")
    mailboxes = sorted(one for of_network, one in accounts if of_network == network)
    if mailboxes:
        near = sorted(mailboxes, key=lambda one: (abs(one - mailbox), one))[:_NAMED]
        return NoSuchData(
            f"network {network} has no mailbox {mailbox}; the nearest are {', '.join(map(str, sorted(near)))} "
            "(`ecgrid-billing accounts` lists all)"
        )
    networks = sorted({of_network for of_network, _ in accounts}, key=lambda one: (abs(one - network), one))[:_NAMED]
    return NoSuchData(f"there is no network {network}; there are {', '.join(map(str, sorted(networks)))}")


def _cell(name: str, value: Any) -> object:
    if name in _AMOUNTS:
        return "" if value is None else money_text(value)
    if name == "findings":
        return ", ".join(value)
    if name == "verdict":
        return value.replace("_", " ")
    return number_text(value) if name in ("actual", "quantity_billed") and value is not None else value


def notebook(
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help="Its name; without one the names are listed.")
    ] = None,
    data_dir: DataDir = None,
) -> None:
    """Open a notebook in JupyterLab (extra `notebooks`), as a copy of your own in the data directory's `notebooks`.

    A copy that is there already is opened as you left it.
    """
    from ecgrid_flows.reporting.report import SECRETS, notebook_path, notebooks

    names = notebooks()
    if name is None:
        for one in names:
            context.stdout.print(Text(one))
        return
    stem = name.removesuffix(".ipynb")
    if stem not in names:
        near = get_close_matches(stem, names, 3) or [one for one in names if stem and stem in one]
        hint = f"did you mean {' or '.join(near)}?" if near else f"there are {', '.join(names)}"
        raise SettingsError(f"there is no notebook {name!r}: {hint}")
    settings = Settings.load(data_dir)
    context.require_directory(settings)
    if find_spec("jupyterlab") is None:
        raise SettingsError("JupyterLab is not installed: pip install 'ecgrid-billing[notebooks]'")
    own = settings.local_dir / "notebooks" / f"{stem}.ipynb"
    if not own.exists():
        own.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        shutil.copyfile(notebook_path(stem), own)
    raise typer.Exit(_open(own, settings, {*SECRETS, "ECGRID_NOTIFY_URLS"}))


def _open(path: Path, settings: Settings, secrets: Collection[str]) -> int:
    """Run JupyterLab with the notebook until it ends, without the secrets of the environment; its status."""
    environ: Mapping[str, str] = {name: value for name, value in os.environ.items() if name not in secrets}
    command = [sys.executable, "-m", "jupyterlab", str(path)]
    return subprocess.run(  # noqa: S603 - this interpreter, and a file of ours
        command, env={**environ, "ECGRID_DATA_DIR": str(settings.local_dir.resolve())}, check=False
    ).returncode
