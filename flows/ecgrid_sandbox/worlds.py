"""The worlds that the sandbox answers from: shipped, drawn by a seed, or small, each with the books that follow."""

from dataclasses import dataclass, fields
from datetime import date
from functools import cached_property

from ecgrid_sandbox.billing.books import Books
from ecgrid_sandbox.world import generated, shipped, small
from ecgrid_sandbox.world.model import Facts, Meaning, Wrong
from ecgrid_transforms.period import last_full_month


@dataclass(frozen=True)
class World(Facts):
    """Everything the sandbox answers from: the facts, and the bills that follow from them."""

    @classmethod
    def of(cls, facts: Facts) -> "World":
        """The world of these facts."""
        return cls(**{part.name: getattr(facts, part.name) for part in fields(facts)})

    @classmethod
    def shipped(cls, last_month: date | None = None, *, seed: int = 1) -> "World":
        """The world that comes with the project, with the wrongs of catalogue.toml."""
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
        wrongs: tuple[str, ...] | None = None,
    ) -> "World":
        """A world drawn by `seed`: other meanings, ladders and wrongs than the shipped one.

        `meanings` are given to the counted groups in turn instead of drawn ones, `wrongs` are the check names to plant
        (all that fit when None, none when empty), `mailboxes` how many there are about.
        """
        return cls.of(
            generated.facts(
                seed,
                last_month or last_full_month(),
                months=months,
                mailboxes=mailboxes,
                meanings=meanings,
                wrongs=wrongs,
            )
        )

    @classmethod
    def small(cls, seed: int, last_month: date | None = None) -> "World":
        """A world of one price list and a few lines, drawn by `seed`, with one of the kinds of `small.KINDS` in it."""
        return cls.of(small.facts(seed, last_month or last_full_month()))

    @cached_property
    def books(self) -> Books:
        """The bills, invoices and usage reports that follow from this world."""
        return Books(self)

    @property
    def wrongs(self) -> tuple[Wrong, ...]:
        """The planted wrongs, as the world stands now (after `restate` there are more)."""
        return self.books.wrongs

    def restate(self) -> None:
        """From now on the lines of the `restated` plants answer differently, as after a correction at the vendor."""
        self.books.restate()
