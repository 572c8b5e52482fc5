"""The worlds of the sandbox: shipped, drawn by a seed, or small, each with its books."""

from dataclasses import dataclass, fields, replace
from datetime import date
from functools import cached_property
from random import Random

from ecgrid_sandbox.billing import messages
from ecgrid_sandbox.billing.books import Books
from ecgrid_sandbox.world import generated, shipped, small
from ecgrid_sandbox.world.metering import Metering, StatisticsShape
from ecgrid_sandbox.world.model import Facts, Meaning, PlantedError
from ecgrid_transforms.period import last_full_month


@dataclass(frozen=True)
class World(Facts):
    """Everything the sandbox serves: the facts, and the bills that follow from them."""

    @classmethod
    def of(cls, facts: Facts) -> "World":
        """The world of these facts."""
        return cls(**{part.name: getattr(facts, part.name) for part in fields(facts)})

    @classmethod
    def shipped(cls, last_month: date | None = None, *, seed: int = 1) -> "World":
        """The world that comes with the project, with the errors of catalogue.toml."""
        return cls.of(shipped.facts(seed, last_month or last_full_month()))

    @classmethod
    def generate(
        cls,
        seed: int,
        last_month: date | None = None,
        *,
        months: int = 4,
        mailboxes: int | None = None,
        meanings: tuple[Meaning, ...] | None = None,
        planted_errors: tuple[str, ...] | None = None,
        varies: bool = False,
    ) -> "World":
        """A world drawn by `seed`: other meanings, ladders and planted errors than the shipped one.

        `meanings` are used for the counted groups in turn instead of drawn ones, `planted_errors` are the check names
        to plant (all that fit when None, none when empty), `mailboxes` the approximate number of mailboxes. With
        `varies`, use that grows also varies from month to month, by 3 to 25 per cent and a season.
        """
        return cls.of(
            generated.facts(
                seed,
                last_month or last_full_month(),
                months=months,
                mailboxes=mailboxes,
                meanings=meanings,
                planted_errors=planted_errors,
                varies=varies,
            )
        )

    @classmethod
    def small(cls, seed: int, last_month: date | None = None) -> "World":
        """A world of one price list and a few lines, drawn by `seed`, of one of `small.KINDS`."""
        return cls.of(small.facts(seed, last_month or last_full_month()))

    def metered(self, metering: Metering) -> "World":
        """This world with statistics in another shape, and billed by a meter that errs in TrafficAll as planted.

        True quantities stay what they are here (`true_use`); the bills follow from what the meter counts.
        """
        served = replace(self, metering=metering)
        erring = {account for account in self.accounts if account[0] in metering.rounded_up | metering.by_1024}
        erring |= metering.duplicates_billed | metering.partners_billed
        use, true_use = dict(self.use), {}
        for account in erring:
            flows = [messages.billed_flow(served.books, account, month) for month in self.months]
            pairs = [
                pair for pair in self.use.get(account, {}) if pair[0] == "TrafficAll" and pair[1] in messages.MEASURES
            ]
            true_use[account] = {pair: self.use[account][pair] for pair in pairs}
            metered = {pair: tuple(messages.quantity_of(flow, pair[1]) for flow in flows) for pair in pairs}
            use[account] = {**self.use.get(account, {}), **metered}
        return replace(served, use=use, true_use=true_use)

    def with_meter_errors(self, shape: StatisticsShape) -> "World":
        """This world with statistics of a shape and each planted error of the meter once, drawn by its seed."""
        rng = Random(f"meter {self.seed}")
        networks: dict[str, list[int]] = {"KCs": [], "Trans": []}
        for unit, found in networks.items():
            found += sorted(
                {
                    account[0]
                    for account, use in self.use.items()
                    if any(report == "TrafficAll" and measure.endswith(unit) for report, measure in use)
                }
            )
        kcs = rng.sample(networks["KCs"], k=min(2, len(networks["KCs"])))
        counted = sorted(
            account
            for account, use in self.use.items()
            if account[0] not in kcs
            and any(pair[0] == "TrafficAll" and pair[1].endswith("Trans") and use[pair][-1] > 0 for pair in use)
        )
        first, second, third = rng.sample(counted, k=3)
        return self.metered(
            Metering(
                shape,
                rounded_up=frozenset(kcs[:1]),
                by_1024=frozenset(kcs[1:]),
                duplicates_billed=frozenset({first}),
                partners_billed=frozenset({second}),
                missing_days=frozenset({(third, 14)}),
            )
        )

    @cached_property
    def books(self) -> Books:
        """The bills, invoices and usage reports that follow from this world."""
        return Books(self)

    @property
    def planted_errors(self) -> tuple[PlantedError, ...]:
        """The planted errors in the present state of the world (more after `restate`)."""
        return self.books.planted_errors

    def restate(self) -> None:
        """Change the responses for the lines of the `restated` errors from now on, as after a vendor's correction."""
        self.books.restate()
