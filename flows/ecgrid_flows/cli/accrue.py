"""`ecgrid-billing accrue`: what a month will cost before its invoice is here, and the true-up once it is."""

from collections import defaultdict
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from ecgrid_flows.cli import context
from ecgrid_flows.cli.context import AsJson, DataDir, Month
from ecgrid_flows.cli.finance import held
from ecgrid_flows.errors import SettingsError
from ecgrid_flows.figures import plural
from ecgrid_flows.settings import Settings
from ecgrid_transforms.money import ZERO, Decimal, grouped
from ecgrid_transforms.period import last_full_month, month_text

if TYPE_CHECKING:
    from ecgrid_flows.finance.accruals import Accrual


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise SettingsError(f"{text!r} is not a day such as 2026-10-20") from None


def accrue(
    month: Month = None,
    as_of: Annotated[
        date | None,
        typer.Option("--as-of", metavar="DATE", parser=_day, help="What was known on this day (today, UTC)."),
    ] = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Accrue a month: the cost per key before the invoice is here, with its method, an interval and a journal.

    Writes exports/YYYY-MM-accrual/: accrual.csv, accrual_journal.csv (with ECGRID_CURRENCY) with its reversal on the
    first day after the month, and accrual_trueup.csv once an invoice is here.
    """
    from ecgrid_flows.finance.accruals import accrue_month

    settings = Settings.load(data_dir)
    wanted = month or last_full_month()
    today = datetime.now(UTC).date()
    if as_of is not None and as_of > today:
        raise SettingsError(f"--as-of {as_of} is a day to come: write {today} or an earlier one")
    with held(settings, "accrue") as store:
        found = accrue_month(settings, store, wanted, as_of or today)
    if as_json:
        context.emit_json(
            {
                "month": month_text(wanted),
                "accrued": found.amount,
                "rows": found.rows.to_pylist(),
                "trueups": found.trueups.to_pylist() if found.trueups else [],
                "notices": found.notices,
                "use_not_judged": found.unjudged,
                "files": [str(path) for path in found.paths],
            }
        )
    else:
        _print(found, settings.currency)
    if settings.currency is None:
        left_out = "Left out: accrual_journal.csv. Set ECGRID_CURRENCY (USD, EUR, …) and accrue again."
        context.stderr.print(Text(left_out))


def _print(found: "Accrual", currency: str | None) -> None:
    unit = f" {currency}" if currency else ""
    context.stdout.print(Text(f"{month_text(found.month)}: accrued {grouped(found.amount)}{unit}"))
    methods: dict[str, tuple[int, Decimal]] = defaultdict(lambda: (0, ZERO))
    unpriced = 0
    for row in found.rows.to_pylist():
        count, amount = methods[row["method"]]
        methods[row["method"]] = (count + 1, amount + (row["projected_amount"] or ZERO))
        unpriced += row["projected_amount"] is None
    for method, (count, amount) in sorted(methods.items(), key=lambda item: -item[1][1]):
        context.stdout.print(Text(f"    {grouped(amount):>14}  {count} keys by {method}"))
    if unpriced:
        context.stdout.print(
            Text(
                f"    {unpriced} key{'' if unpriced == 1 else 's'} without a price, not in the sum: "
                "see source in accrual.csv"
            )
        )
    if found.trueups:
        rows = found.trueups.to_pylist()
        sums = {name: sum((row[name] for row in rows), ZERO) for name in ("difference", "price", "volume", "method")}
        parts = ", ".join(f"{name} {grouped(sums[name])}" for name in ("price", "volume", "method"))
        context.stdout.print(Text(f"True-up: {grouped(sums['difference'])}, of it {parts}"))
    for notice in found.notices:
        of = notice["contract_id"] if notice["network_id"] is None else f"{notice['network_id']}-{notice['mailbox_id']}"
        named = " ".join(str(part) for part in (notice["client"] or of, notice["measure_field"]) if part is not None)
        context.stdout.print(context.cell(f"{notice['notice']}  {named}: {notice['explanation']}"))
    if found.unjudged:
        words = f"{plural(found.unjudged, 'key')} with less than six months of history: unusual use is not judged"
        context.stdout.print(Text(words))
    for line in context.path_lines(found.paths):
        context.stdout.print(line, style=None, markup=False)


def register(app: typer.Typer) -> None:
    """Add the command of this module."""
    app.command()(accrue)
