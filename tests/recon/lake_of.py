"""A lake straight from a sandbox world: what a run would have landed, without the network in between.

One Parquet file per feed. Only the books' answers go in (lines, lists, invoices), nothing of what they mean.
"""

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, date, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from ecgrid_sandbox.books import Line
from ecgrid_sandbox.world import PriceList, Schedule, World
from ecgrid_transforms import invoices as invoice_rows
from ecgrid_transforms import model
from ecgrid_transforms.line_items import line_item_row
from ecgrid_transforms.period import next_month
from ecgrid_transforms.price_schedules import price_schedule_rows
from ecgrid_transforms.rows import batch
from ecgrid_transforms.schemas import FEEDS

PULLED_AT = datetime(2026, 11, 2, 6, 0, tzinfo=UTC)
SHA256 = "0" * 64
Rows = dict[str, list[tuple[object, ...]]]


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


def rows_of(world: World, months: Iterable[date] | None = None) -> Rows:
    """The rows of every feed that a full run over `months` (default: all of the world's) would have landed."""
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
        for price_list in world.price_lists:
            rows["price_schedules"] += price_schedule_rows(month, _price_list(price_list), "v3.2", PULLED_AT, SHA256)
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


def write(rows: Mapping[str, list[tuple[object, ...]]], folder: Path) -> dict[str, list[str]]:
    """Write the feeds that have rows, one Parquet file each; gives what `warehouse.build` takes."""
    files: dict[str, list[str]] = {}
    for feed, made in rows.items():
        if made:
            path = folder / f"{feed}.parquet"
            pq.write_table(pa.Table.from_batches([batch(FEEDS[feed], made)]), path)
            files[feed] = [str(path)]
    return files


Change = Callable[[Rows], None]
