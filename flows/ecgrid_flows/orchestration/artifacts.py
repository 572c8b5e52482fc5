"""What a billing run leaves in Prefect for each month: a summary, a table of findings, a link to the report.

Amounts are text made from decimals, with the currency where ECGRID_CURRENCY states it. A link is there only where
ECGRID_REPORT_URL states an address that others can open.
"""

from collections.abc import Iterable
from contextlib import closing

from prefect.artifacts import create_link_artifact, create_markdown_artifact, create_table_artifact

from ecgrid_flows.finance import audit_log
from ecgrid_flows.finance.finding_states import with_states
from ecgrid_flows.orchestration.run_context import MonthDone
from ecgrid_flows.reporting.frames import Book, money, signed, worst_first
from ecgrid_flows.reporting.wording import SEVERITIES, check_titles, records
from ecgrid_flows.settings import Settings
from ecgrid_flows.storage.data_owner import is_invented
from ecgrid_flows.storage.opening import open_store
from ecgrid_flows.warehouse import database
from ecgrid_transforms.money import ZERO, Decimal, total
from ecgrid_transforms.period import month_text

#: Findings in the table artifact; the report has more.
MOST_FINDINGS = 200


def leave_artifacts(settings: Settings, done: MonthDone) -> None:
    """The artifacts of one month, from the warehouse and the decisions as they are now."""
    month = month_text(done.month)
    text = summary(done, disputed(settings, done), settings.currency, is_invented(settings))
    create_markdown_artifact(text, key=f"summary-{month}", description=f"Bill {month}")
    with Book(settings.warehouse_path) as book:
        found = worst_first(book.out("out_findings", reporting_month=done.month))
    cut = f" (of {len(found):,})" if len(found) > MOST_FINDINGS else ""
    create_table_artifact(
        [
            {
                "severity": SEVERITIES.get(row["severity"], row["severity"]),
                "what": check_titles().get(row["check_name"], row["check_name"]),
                "account": f"{row['network_id']}/{row['mailbox_id']}" if row["network_id"] is not None else "",
                "measure": "/".join(part for part in (row["account_report"], row["measure_field"]) if part),
                "billed": money(row["billed_amount"]),
                "expected": money(row["expected_amount"]),
                "difference": signed(row["difference"]),
                "explanation": row["explanation"],
            }
            for row in records(found.head(MOST_FINDINGS))
        ],
        key=f"findings-{month}",
        description=f"Findings of {month}, worst first{cut}",
    )
    if done.report and settings.report_url:
        address = f"{settings.report_url}/{month}/{done.report.name}"
        create_link_artifact(address, f"Report {month}", key=f"report-{month}")


def disputed(settings: Settings, done: MonthDone) -> Decimal:
    """The month's disputed amount: what was billed too much. What was billed too little never nets against it."""
    log = audit_log.read(open_store(settings))
    with closing(database.connect(settings.warehouse_path)) as connection:
        found = database.of_month(with_states(connection, log), done.month).to_arrow_table()
    return positive_disputed(
        zip(found.column("state").to_pylist(), found.column("difference").to_pylist(), strict=True)
    )


def positive_disputed(findings: Iterable[tuple[str, Decimal | None]]) -> Decimal:
    """The sum of the positive differences of findings, given as (state, difference), that are disputed."""
    return total([amount for state, amount in findings if state == "disputed" and amount is not None and amount > ZERO])


def summary(done: MonthDone, disputed: Decimal, currency: str | None, invented: bool) -> str:
    """One month in a few lines of markdown."""

    def amount(value: Decimal) -> str:
        return f"{money(value)} {currency}" if currency else money(value)

    rows = [
        ("Accounts", f"{done.accounts:,}"),
        ("Calls", f"{done.calls:,} (answered before: {done.calls_kept:,})"),
        ("Lines", f"{done.lines:,}"),
        ("Amount billed", amount(done.amount)),
        ("Findings", f"{sum(done.findings.values()):,}, {done.errors_found:,} of them errors"),
        ("Money at stake", amount(done.at_stake or ZERO)),
        ("Disputed", amount(disputed)),
    ]
    lines = [f"# Bill {month_text(done.month)}", ""]
    if invented:
        lines += ["**Invented data of the built-in sandbox.**", ""]
    lines += ["| | |", "|---|---:|", *(f"| {label} | {value} |" for label, value in rows), ""]
    lines += [f"- {check_titles().get(check, check)}: {count}" for check, count in done.findings.items()]
    return "\n".join(lines) + "\n"
