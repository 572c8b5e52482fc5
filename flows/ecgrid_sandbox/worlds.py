"""The worlds of the sandbox: shipped, drawn by a seed, or small, each with its books."""

from dataclasses import dataclass, fields
from datetime import date
from functools import cached_property

from ecgrid_sandbox.billing.books import Books
from ecgrid_sandbox.world import generated, shipped, small
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
    ) -> "World":
        """A world drawn by `seed`: other meanings, ladders and planted errors than the shipped one.

        `meanings` are used for the counted groups in turn instead of drawn ones, `planted_errors` are the check names
        to plant (all that fit when None, none when empty), `mailboxes` the approximate number of mailboxes.
        """
        return cls.of(
            generated.facts(
                seed,
                last_month or last_full_month(),
                months=months,
                mailboxes=mailboxes,
                meanings=meanings,
                planted_errors=planted_errors,
            )
        )

    @classmethod
    def small(cls, seed: int, last_month: date | None = None) -> "World":
        """A world of one price list and a few lines, drawn by `seed`, of one of `small.KINDS`."""
        return cls.of(small.facts(seed, last_month or last_full_month()))

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
