"""Prefect artifacts of a billing run for each month: a summary, a table of findings, a link to the report.

Amounts are text made from decimals, with the currency where ECGRID_CURRENCY states it. A link is there only where
ECGRID_REPORT_URL states an address that others can open.
"""

from prefect.artifacts import create_link_artifact, create_markdown_artifact, create_table_artifact

from ecgrid_flows.figures import money, signed
from ecgrid_flows.orchestration.run_context import MonthDone
from ecgrid_flows.reporting.frames import Book, worst_first
from ecgrid_flows.reporting.wording import SEVERITIES, check_titles, records
from ecgrid_flows.settings import Settings
from ecgrid_flows.storage.data_owner import is_invented
from ecgrid_transforms.money import Decimal
from ecgrid_transforms.period import month_text

#: Findings in the table artifact; the report has more.
MOST_FINDINGS = 200


def leave_artifacts(settings: Settings, done: MonthDone) -> None:
    """Write the artifacts of one month from the warehouse and the current decisions."""
    month = month_text(done.month)
    text = summary(done, settings.currency, is_invented(settings))
    create_markdown_artifact(text, key=f"summary-{month}", description=f"Bill {month}")
    with Book(settings.warehouse_path) as book:
        found = worst_first(book.out("out_finding_states", reporting_month=done.month))
    cut = f" (of {len(found):,})" if len(found) > MOST_FINDINGS else ""
    create_table_artifact(
        [
            {
                "severity": SEVERITIES.get(row["severity"], row["severity"]),
                "what": check_titles().get(row["check_name"], row["check_name"]),
                "account": "/".join(str(row[part]) for part in ("network_id", "mailbox_id") if row[part] is not None),
                "measure": "/".join(part for part in (row["account_report"], row["measure_field"]) if part),
                "billed": money(row["billed_amount"]),
                "expected": money(row["expected_amount"]),
                "difference": signed(row["difference"]),
                "state": row["state"],
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


def summary(done: MonthDone, currency: str | None, invented: bool) -> str:
    """Summary of one month as markdown."""

    invoices = done.checked.invoices

    def amount(value: Decimal | None) -> str:
        return f"{money(value)} {currency}" if currency and value is not None else money(value)

    rows = [
        ("Accounts", f"{done.accounts:,}"),
        ("Calls", f"{done.calls:,} (kept from before: {done.calls_kept:,})"),
        ("Lines", f"{done.lines:,}"),
        ("Invoiced", amount(invoices.invoiced)),
        ("Recalculated", amount(done.amount)),
        ("Claimable", amount(invoices.claimable)),
        ("Disputed", amount(invoices.disputed)),
        ("To pay", amount(invoices.to_pay)),
        ("Findings", f"{done.checked.count:,}, {done.checked.open_errors:,} of them open errors"),
        ("Money at stake", done.checked.at_stake.words(currency)),
    ]
    lines = [f"# Bill {month_text(done.month)}", ""]
    lines += [invoices.words(currency), ""]
    if done.checked.is_provisional:
        lines += ["**Provisional: the month is not over, or was not pulled since.**", ""]
    if invented:
        lines += ["**Invented data of the built-in sandbox.**", ""]
    lines += ["| | |", "|---|---:|", *(f"| {label} | {value} |" for label, value in rows), ""]
    lines += [f"- {check_titles().get(check, check)}: {count}" for check, count in done.checked.findings.items()]
    return "\n".join(lines) + "\n"
