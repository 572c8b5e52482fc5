"""A lake straight from a sandbox world: what a run would have landed, without the network in between.

One Parquet file per feed, and for the shipped world a warehouse of them. Only the books' answers go in (lines, lists,
invoices), nothing of what they mean.
"""

import csv
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, date, datetime, time
from itertools import product
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ecgrid_flows.warehouse import builder
from ecgrid_sandbox.billing.documents import Line
from ecgrid_sandbox.service import reports
from ecgrid_sandbox.world.model import PriceList, Schedule
from ecgrid_sandbox.worlds import World
from ecgrid_transforms import invoices as invoice_rows
from ecgrid_transforms import model
from ecgrid_transforms.line_items import line_item_row
from ecgrid_transforms.money import exact, fitted
from ecgrid_transforms.period import next_month
from ecgrid_transforms.price_schedules import price_schedule_rows
from ecgrid_transforms.rows import batch
from ecgrid_transforms.schemas import FEEDS, MONEY_TYPE

REFERENCE = Path(__file__).resolve().parents[2] / "data/reference"
PULLED_AT = datetime(2026, 11, 2, 6, 0, tzinfo=UTC)
SHA256 = "0" * 64
Rows = dict[str, list[tuple[object, ...]]]
#: What lies between the identifiers of worlds that share a lake.
APART = 1_000_000
#: Identifiers that a world's move changes; 0 stays what it is (Root, no network specified).
MOVED = (
    *("network_id", "mailbox_id", "system_id", "price_list_id", "contract_id", "schedule_id", "invoice_id"),
    *("schedule_specified_network_id", "NetworkID", "MailboxID", "asked_network_id", "asked_mailbox_id"),
)


def _schedule(schedule: Schedule) -> model.Schedule:
    return model.Schedule(
        schedule.schedule_id,
        schedule.allowance,
        schedule.minimum,
        schedule.maximum,
        schedule.block,
        schedule.rate,
        schedule.catalog_id,
        schedule.description,
        schedule.report,
        schedule.measure,
        schedule.specified_network_id,
        schedule.include_root_mailbox,
    )


def _line(line: Line) -> model.LineItem:
    return model.LineItem(
        line.number,
        f"{line.line_date.isoformat()}T00:00:00",
        line.price_list.price_list_id,
        line.price_list.description,
        line.system_object,
        line.system_id,
        line.system_name,
        line.schedule.level,
        line.schedule.level_name,
        line.price_list.model,
        _schedule(line.schedule),
        line.actual,
        line.billed,
        line.is_taxable,
        line.amount,
    )


def _price_list(price_list: PriceList) -> model.Pricelist:
    levels: dict[tuple[str, str | None, int], list[model.Schedule]] = {}
    for group in price_list.groups:
        for schedule in group.schedules:
            place = (schedule.level, schedule.level_name, schedule.limited_months)
            levels.setdefault(place, []).append(_schedule(schedule))
    return model.Pricelist(
        price_list.price_list_id,
        f"{price_list.date.isoformat()}T00:00:00",
        price_list.description,
        price_list.model,
        price_list.status,
        tuple(model.Level(level, name, months, tuple(made)) for (level, name, months), made in levels.items()),
    )


def rows_of(world: World, months: Iterable[date] | None = None, *, read_monthly: bool = False) -> Rows:
    """The rows of every feed that a full run over `months` (default: all of the world's) would have landed.

    `read_monthly`: price lists were read on the 3rd after each month, and not with all else.
    """
    books = world.books
    rows: Rows = {feed: [] for feed in FEEDS}
    for month in months or world.months:
        for account in world.accounts:
            price_list = world.price_list_of(*account)
            rows["accounts"].append(
                (
                    month,
                    *account,
                    world.name_of(*account),
                    "Active",
                    price_list.price_list_id,
                    world.contract_of(*account),
                    "contract",
                )
            )
            rows["contract_accounts"].append((month, world.contract_of(*account), *account, world.name_of(*account)))
            for group in price_list.groups:
                key = model.Key(*account, month, *group.pair)
                line = books.line(account, month, group.pair)
                asked = (*account, month, *group.pair)
                called = (1, 5, PULLED_AT)
                if line is None:
                    rows["calls"].append((*asked, "no_line", None, None, *called))
                    continue
                rows["calls"].append((*asked, "line", None, None, *called))
                rows["line_items"].append(line_item_row(key, _line(line), "v3.2", PULLED_AT, SHA256))
        read_at = datetime.combine(next_month(month).replace(day=3), time(6), UTC) if read_monthly else PULLED_AT
        for price_list in world.price_lists:
            if (read := world.list_read(price_list.price_list_id, month)) is not None:
                rows["price_schedules"] += price_schedule_rows(month, _price_list(read), "v3.2", read_at, SHA256)
    for contract in world.contracts:
        for month in months or world.months:
            rows["contracts"].append(
                (
                    month,
                    contract.contract_id,
                    contract.description,
                    contract.number,
                    None,
                    None,
                    contract.status,
                    contract.po_number,
                    False,
                    None,
                    None,
                    None,
                    "v3.2",
                    PULLED_AT,
                    SHA256,
                )
            )
    for made in books.invoices():
        if months is not None and made.month not in set(months):
            continue
        invoice = model.Invoice(
            made.invoice_id,
            made.number,
            f"{made.issued.isoformat()}T00:00:00",
            made.contract_id,
            made.total_amount,
            None,
            "Sent",
            None,
            f"{next_month(made.issued).isoformat()}T00:00:00",
            None,
            "Net 30",
            None,
            tuple(_line(line) for line in made.lines),
        )
        rows["invoices"].append(invoice_rows.invoice_row(made.month, "InvoiceInfo", invoice, "v3.2", PULLED_AT, SHA256))
        rows["invoice_lines"] += invoice_rows.invoice_line_rows(
            made.month, "InvoiceInfo", invoice, "v3.2", PULLED_AT, SHA256
        )
    return rows


def monthly_reports(world: World, months: Iterable[date] | None = None) -> pa.Table:
    """The feed monthly_reports: ReportMonthly's reports 1 and 2 of every account, with their own columns."""
    kinds = {"int": pa.int32(), "long": pa.int64(), "decimal": MONEY_TYPE}
    made = []
    for month, number in product(months or world.months, (1, 2)):
        asked = reports.monthly(world.books, world.accounts, number, month)[0]
        own = {}
        for place, column in enumerate(asked.columns):
            kind = kinds.get(column.type, pa.string())
            cells = [row[place] for row in asked.rows]
            if kind == MONEY_TYPE:
                values: list[object] = [None if cell is None else fitted(exact(cell)) for cell in cells]
            elif kind == pa.string():
                values = list(cells)
            else:
                values = [None if cell is None else int(cell) for cell in cells]
            own[column.name] = pa.array(values, kind)
        count = len(asked.rows)
        template = {
            "reporting_month": [month] * count,
            "asked_network_id": [None] * count,
            "asked_mailbox_id": [None] * count,
            "asked": [f"Report={number} Month={month}T00:00:00"] * count,
            "table_name": ["Table"] * count,
            "row_number": list(range(1, count + 1)),
            "api_version": ["v3.2"] * count,
            "pulled_at": [PULLED_AT] * count,
            "response_sha256": [SHA256] * count,
        }
        schema = FEEDS["monthly_reports"]
        given = {name: pa.array(template[name], schema.field(name).type) for name in schema.names}
        made.append(pa.table(given | own))
    return pa.concat_tables(made, promote_options="default")


def statistics(world: World, month: date) -> pa.Table:
    """The feed monthly_reports of a month as its run would land it: every operation that the world's shape has."""
    has = [name for name in ("ReportMonthlyEx", "ReportTrafficStatsEx", "ReportByDateEx")
           if name not in reports.PENDING[world.metering.shape]]  # fmt: skip
    found = []
    first, days = f"{month}T00:00:00", (next_month(month) - month).days
    midnight = datetime(month.year, month.month, month.day)  # noqa: DTZ001 - the server's wall time
    for network_id, mailbox_id in world.accounts:
        own = [(network_id, mailbox_id)]
        if "ReportMonthlyEx" in has:
            found.append((own[0], f"Report=1 Month={first}", reports.monthly(world.books, own, 1, month)[0]))
        if "ReportTrafficStatsEx" in has:
            for period, count in (("Month", 1), ("Day", days)):
                table = reports.traffic_stats(world.books, own, midnight, count, period)[0]
                found.append((own[0], f"TargetTime={first} NumPeriods={count} Period={period}", table))
        if "ReportByDateEx" in has:
            for start, end in ((1, 30), (31, 31)):
                window = month.replace(day=start), month.replace(day=end)
                table = reports.by_date(world.books, own[0], *window)[0]
                found.append((own[0], f"Report=2 StartDate={window[0]} EndDate={window[1]}", table))
    made = []
    for (network_id, mailbox_id), asked, table in found:
        fixed = [month, network_id, mailbox_id, asked, "Table"]
        origin = ["v3.2", PULLED_AT, SHA256]
        rows = [(*fixed, number, *origin) for number in range(1, len(table.rows) + 1)]
        one = pa.Table.from_batches([batch(FEEDS["monthly_reports"], rows)])
        for place, column in enumerate(table.columns):
            cells = pa.array([row[place] for row in table.rows], pa.string())
            one = one.append_column(column.name, pc.cast(cells, _KINDS.get(column.type, pa.string())))
        made.append(one)
    return pa.concat_tables(made, promote_options="default")


#: Arrow types of DataSet columns, as `ecgrid_client.datasets` reads them.
_KINDS = {"int": pa.int32(), "long": pa.int64(), "decimal": MONEY_TYPE, "dateTime": pa.timestamp("ns", tz="UTC")}


def tables_of(rows: Rows) -> dict[str, pa.Table]:
    """The feeds that have rows, as Arrow tables."""
    return {feed: pa.Table.from_batches([batch(FEEDS[feed], made)]) for feed, made in rows.items() if made}


def moved(table: pa.Table, by: int) -> pa.Table:
    """The table with every identifier raised by `by`, and invoice numbers told apart."""
    for name in table.column_names:
        if name in MOVED:
            column = table[name]
            raised = pc.if_else(pc.greater(column, 0), pc.add(column, pa.scalar(by, column.type)), column)
            table = table.set_column(table.column_names.index(name), table.schema.field(name), raised)
        elif name in ("invoice_number", "asked"):
            numbered = pc.binary_join_element_wise(table[name], str(by), "/")
            table = table.set_column(table.column_names.index(name), table.schema.field(name), numbered)
    return table


def together(tables: Mapping[int, Mapping[str, pa.Table]]) -> dict[str, pa.Table]:
    """The feeds of several worlds as one lake's; each world is moved to identifiers of its own by its place."""
    parts: dict[str, list[pa.Table]] = {}
    for place, of_world in tables.items():
        for feed, table in of_world.items():
            parts.setdefault(feed, []).append(moved(table, place * APART))
    return {feed: pa.concat_tables(its, promote_options="default") for feed, its in parts.items()}


def papers(worlds: Mapping[int, World], folder: Path) -> Path:
    """contract_terms.csv of several worlds in a folder of references, moved as `together` moves their lakes."""
    folder.mkdir()
    header = (REFERENCE / "contract_terms.csv").read_text(encoding="utf-8").strip().split(",")
    with (folder / "contract_terms.csv").open("w", encoding="utf-8", newline="") as target:
        made = csv.DictWriter(target, header)
        made.writeheader()
        for place, world in worlds.items():
            for row in (row for paper in world.papers for row in paper.rows()):
                made.writerow(
                    {name: value + place * APART if name in MOVED and value else value for name, value in row.items()}
                )
    return folder


def write(tables: Mapping[str, pa.Table], folder: Path) -> dict[str, list[str]]:
    """Write the feeds, one Parquet file each; gives what `warehouse.build` takes."""
    for feed, table in tables.items():
        pq.write_table(table, folder / f"{feed}.parquet")
    return {feed: [str(folder / f"{feed}.parquet")] for feed in tables}


def lake(world: World, folder: Path, months: Iterable[date] | None = None) -> dict[str, list[str]]:
    """Write everything that a full run over `months` would have landed of `world`."""
    tables = tables_of(rows_of(world, months)) | {"monthly_reports": monthly_reports(world, months)}
    return write(tables, folder)


def shipped_dir(once: Callable[[str, Callable[[Path], object]], Path]) -> Path:
    """A data directory with the warehouse of the shipped world, all four months; for reading."""

    def fill(folder: Path) -> None:
        (folder / "lake").mkdir()
        files = lake(World.shipped(date(2026, 10, 1)), folder / "lake")
        builder.build(files, folder / "warehouse/billing.duckdb", reference_dir=REFERENCE)

    return once("shipped", fill)
