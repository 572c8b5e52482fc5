"""A lake made by hand: price lists and lines as a test says them, for one network and a month or two."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path

from ecgrid_flows.warehouse import builder
from ecgrid_transforms.money import Decimal
from ecgrid_transforms.rows import Row
from ecgrid_transforms.wall_time import wall_time_ns
from tests.support import lake_of

REFERENCE = Path(__file__).resolve().parents[2] / "data/reference"
MONTH = date(2026, 10, 1)
NETWORK = 4440
Pair = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Tier:
    """One schedule: Minimum, Maximum, Rate as the service would say them."""

    minimum: int | None
    maximum: int
    rate: str


@dataclass(slots=True)
class Ladder:
    """The schedules of one report and measure of a price list."""

    price_list_id: int
    pair: Pair
    tiers: Sequence[Tier]
    allowance: str = "0"
    block: str = "0"
    model: str = "Tiered"
    level: str | None = None
    limited_months: int = 0
    specified_network_id: int = 0

    def schedule(self, tier: int, rate: str | None = None) -> Row:
        """The `schedule_` columns of tier 1, 2, …, perhaps with another rate than the list's."""
        said = self.tiers[tier - 1]
        number = sum(map(ord, "".join(self.pair))) % 900
        return (
            self.price_list_id * 10_000 + number * 10 + tier,
            Decimal(self.allowance),
            said.minimum,
            said.maximum,
            Decimal(self.block),
            Decimal(rate or said.rate),
            9000,
            "as typed in",
            *self.pair,
            self.specified_network_id,
            True,
        )

    def level_of(self, tier: int) -> str:
        return self.level or (f"Tier{tier}" if len(self.tiers) > 1 else "General")


def own_mailbox(ladder: Ladder, mailbox: int) -> int:
    """The MailboxID of a list's account: lists share none, for an account has one list. 0 is the network's Root."""
    return ladder.price_list_id * 1000 + mailbox if mailbox else 0


@dataclass(slots=True)
class Lake:
    """Rows of the feeds, gathered line by line."""

    rows: lake_of.Rows = field(default_factory=lambda: {feed: [] for feed in lake_of.FEEDS})
    numbers: dict[tuple[int, date], int] = field(default_factory=dict)

    def listed(
        self,
        ladder: Ladder,
        months: Iterable[date] = (MONTH,),
        dated: str = "2020-01-01T00:00:00",
        *,
        read: date | None = None,
        rates: Sequence[str] = (),
    ) -> None:
        """PricelistInfo gave the ladder in these months, with this Date, read on that day, perhaps with other rates."""
        read_at = lake_of.PULLED_AT if read is None else datetime(read.year, read.month, read.day, 6, tzinfo=UTC)
        for month in months:
            for tier in range(1, len(ladder.tiers) + 1):
                self.rows["price_schedules"].append(
                    (
                        month,
                        ladder.price_list_id,
                        f"List {ladder.price_list_id}",
                        wall_time_ns(dated),
                        "Active",
                        ladder.model,
                        tier,
                        ladder.level_of(tier),
                        None,
                        ladder.limited_months,
                        1,
                        *ladder.schedule(tier, rates[tier - 1] if rates else None),
                        None,
                        "v3.2",
                        read_at,
                        lake_of.SHA256,
                    )
                )

    def billed(
        self,
        ladder: Ladder,
        mailbox: int,
        actual: str,
        quantity: str,
        amount: str,
        *,
        tier: int = 1,
        month: date = MONTH,
        rate: str | None = None,
        network: int = NETWORK,
    ) -> None:
        """A line of one of the list's own accounts, showing `tier`, perhaps with another rate than the list's."""
        mailbox = own_mailbox(ladder, mailbox)
        number = self.numbers[mailbox, month] = self.numbers.get((mailbox, month), 0) + 1
        self.rows["line_items"].append(
            (
                network,
                mailbox,
                month,
                *ladder.pair,
                number,
                wall_time_ns(f"{month.isoformat()}T00:00:00"),
                ladder.price_list_id,
                f"List {ladder.price_list_id}",
                "Mailbox" if mailbox else "Network",
                mailbox or network,
                f"Mailbox {mailbox}",
                ladder.level_of(tier),
                None,
                ladder.model,
                *ladder.schedule(tier, rate),
                Decimal(actual),
                Decimal(quantity),
                False,
                Decimal(amount),
                None,
                "v3.2",
                lake_of.PULLED_AT,
                lake_of.SHA256,
            )
        )

    def contracted(self, ladder: Ladder, mailbox: int, contract_id: int, month: date = MONTH) -> None:
        """One of the list's own accounts is billed under a contract."""
        mailbox = own_mailbox(ladder, mailbox)
        self.rows["accounts"].append(
            (month, NETWORK, mailbox, f"Mailbox {mailbox}", "Active", ladder.price_list_id, contract_id, "contract")
        )

    def build(self, folder: Path, pins: str = "", terms: str = "") -> Path:
        """The warehouse of this lake; `pins` are rows of pinned_readings.csv, `terms` of contract_terms.csv."""
        references = [REFERENCE, folder / "reference"]
        references[1].mkdir()
        for name, rows in (("pinned_readings.csv", pins), ("contract_terms.csv", terms)):
            if rows:
                header = (REFERENCE / name).read_text(encoding="utf-8").splitlines()[0]
                (references[1] / name).write_text(f"{header}\n{rows}\n", encoding="utf-8")
        target = folder / "billing.duckdb"
        builder.build(lake_of.write(lake_of.tables_of(self.rows), folder), target, reference_dir=references, threads=1)
        return target
