"""Sections of the monthly report as HTML: verdict, tiles, findings with folded rating breakdowns, sortable tables.

Each section is a value with `_repr_html_`, for notebooks and for the report. The functions choose rows and their order;
the markup is in the templates, which escape every text.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import date
from typing import Any

import pandas as pd

from ecgrid_flows.figures import money, number, plural
from ecgrid_flows.pages import Html, piece, without_controls
from ecgrid_flows.rating.month_totals import ClaimTotals, InvoiceTotals
from ecgrid_flows.reporting.frames import sums, total, worst_first
from ecgrid_flows.reporting.html import Column, Folded, empty, headline, paragraph, table, tiles
from ecgrid_flows.reporting.wording import (
    _TOLD_OF,
    KEY,
    READ,
    SEVERITIES,
    VERDICT_WORDS,
    at_stake,
    check_titles,
    equal,
    listing,
    month_words,
    records,
    sentence,
    undecided,
)
from ecgrid_transforms.model import MONEY_MEASURES
from ecgrid_transforms.money import ZERO, Decimal

__all__ = [
    "MONEY_MEASURES",
    "claims_table",
    "findings_list",
    "invoices_table",
    "key_figures",
    "not_told",
    "readings_summary",
    "reconciliation_table",
    "ties",
    "usage_table",
    "verdict",
    "worst_first",
]


def account(row: Mapping[str, Any]) -> tuple[str | None, str]:
    """The account of a row: its name, if known, and its numbers."""
    numbers = (
        f"network {row['network_id']}" if row["mailbox_id"] is None else f"{row['network_id']}/{row['mailbox_id']}"
    )
    return row.get("account_name"), numbers


def verdict(
    month: date,
    lines: pd.DataFrame,
    findings: pd.DataFrame,
    reconciliation: pd.DataFrame,
    notice: str | None = None,
    unread: pd.DataFrame | None = None,
    currency: str = "",
) -> Html:
    """What a manager reads first: what the invoices ask, does the bill fit, what is at stake, what to do next.

    `findings` are those of `Book.findings`, `reconciliation` the month's rows of out_invoice_reconciliation; `unread`
    are the values of the service's answers that cannot be read.
    """
    values = 0 if unread is None else len(unread)
    to_decide = undecided(findings)
    errors, warnings = (int((to_decide["severity"] == name).sum()) for name in ("error", "warning"))
    decided = findings[(findings["severity"] == "error") & (findings["state"] != "open")]
    if errors:
        tone, title = "bad", "Query this bill before paying it"
    elif len(decided):
        tone, title = "look", "Every error of this bill is decided"
    elif warnings or values:
        tone, title = "look", "This bill fits, with points to review"
    elif lines.empty:
        tone, title = "look", "Nothing was billed"
    else:
        tone, title = "good", "This bill fits its price lists"
    mark, word = {"good": ("✓", "Fits"), "look": ("!", "Look"), "bad": ("✕", "Query")}[tone]
    states = [(state, int((decided["state"] == state).sum())) for state in ("accepted", "disputed", "resolved")]
    counted = {state: lines[lines["verdict"] == state] for state in ("undecided", "not_provable")}
    ambiguous, unproven = ((len(rows), total(rows["amount"])) for rows in counted.values())
    claimable = total(findings["claimable_amount"])
    stake = at_stake(findings)
    return piece(
        "report/verdict.html.j2",
        month=month_words(month),
        tone=tone,
        title=title,
        mark=mark,
        word=word,
        totals=InvoiceTotals.of(records(reconciliation)).words(currency),
        found=listing([plural(number, word) for number, word in ((errors, "error"), (warnings, "warning")) if number]),
        lines=len(lines),
        decided=listing([f"{number:,} {state}" for state, number in states if number]),
        stake=stake,
        claimable=claimable,
        doubtful=stake.too_much - claimable,
        ambiguous=ambiguous,
        unproven=unproven,
        unread=values,
        notice=notice,
    )


def key_figures(lines: pd.DataFrame, findings: pd.DataFrame, reconciliation: pd.DataFrame, currency: str = "") -> Html:
    """The figures under the verdict: what is invoiced, to dispute and to pay; then how much is proven."""
    stake, totals = at_stake(findings), InvoiceTotals.of(records(reconciliation))
    fits = lines[lines["verdict"] == "fits"]
    accounts = len(lines[["network_id", "mailbox_id"]].drop_duplicates())
    invoices = int(reconciliation["invoice_source"].notna().sum())
    disputed = f"{money(totals.disputed)} are disputed already" if totals.disputed else "none is disputed yet"
    if totals.once_disputed == totals.to_pay:
        later = "nothing is left to dispute" if totals.to_pay is not None else "no invoice is known"
    else:
        later = f"{money(totals.once_disputed)} once all is disputed"
    return tiles(
        [
            (f"Invoiced, {currency}" if currency else "Invoiced", money(totals.invoiced), plural(invoices, "invoice")),
            ("To dispute", money(totals.claimable), disputed),
            ("To pay", money(totals.to_pay), later),
            (
                "Recalculated",
                money(totals.recalculated),
                f"{plural(len(lines), 'line')}, {plural(accounts, 'account')}",
            ),
            ("Proven to fit", money(total(fits["amount"])), f"{len(fits):,} of {plural(len(lines), 'line')}"),
            ("Unclear", money(stake.unclear), "billed, and not confirmed"),
        ]
    )


def reconciliation_table(reconciliation: pd.DataFrame) -> Html:
    """Each invoice: what it asks, what explains it, what is to be paid."""
    return table(
        reconciliation.sort_values(["contract_id", "invoice_date", "invoice_number"]),
        "Invoices: what they ask, and what is to be paid",
        {
            "invoice_number": "Invoice",
            "contract_id": Column("Contract", "id"),
            "invoiced_amount": Column("Invoiced", "money"),
            "recalculated_amount": Column("Recalculated", "money"),
            "explained_difference": Column("Explained", "difference"),
            "unexplained_difference": Column("Unexplained", "difference"),
            "claimable_amount": Column("Claimable", "money"),
            "disputed_amount": Column("Disputed", "money"),
            "to_pay_amount": Column("To pay", "money"),
        },
        limit=200,
        rest="The others are in invoice_reconciliation.csv.",
        empty="No contract has an invoice or a line in the month.",
    )


def claims_table(claims: pd.DataFrame, dispute_days: int | None = None, currency: str = "") -> Html:
    """What is claimed in all months, summed by month; a deadline is `dispute_days` after a claim was filed."""
    if claims.empty:
        return empty("Nothing is disputed, so nothing is claimed.")
    sums = [
        (month, ClaimTotals.of(records(rows), dispute_days))
        for month, rows in claims.groupby("reporting_month", sort=True)
    ]
    rows = [{"month": month, **asdict(one)} for month, one in sums]
    columns: dict[str, str | Column] = {
        "month": Column("Month", "month"),
        "count": Column("Claims", "number"),
        "claimed": Column("Claimed", "money"),
        "credited": Column("Credited", "money"),
        **{name: Column(name.capitalize(), "number") for name in ("recovered", "short", "open")},
        "next_deadline": "Next deadline",
    }
    return table(pd.DataFrame(rows), ClaimTotals.of(records(claims), dispute_days).words(currency), columns)


def findings_list(findings: pd.DataFrame, proofs: pd.DataFrame, top: int = 10) -> Html:
    """The largest findings, one entry per cause, each with the folded rating breakdown of its worst line."""
    if findings.empty:
        return empty("No findings.")
    ordered = worst_first(findings)
    rows = records(ordered)
    causes: dict[tuple[str, str], list[int]] = {}
    for place, row in enumerate(rows):
        causes.setdefault((row["severity"], row["cause_id"]), []).append(place)
    entries = [[rows[place] for place in places] for places in causes.values()]
    # stable sort: of causes with equal amounts, the one with the worst finding comes first
    severities = list(dict.fromkeys(ordered["severity"]))
    worst = sorted(
        zip(causes.values(), entries, strict=True),
        key=lambda entry: (
            all(row["state"] != "open" for row in entry[1]),
            severities.index(entry[1][0]["severity"]),
            -abs(_sum_of(entry[1])),
        ),
    )[:top]
    firsts = ordered.iloc[[places[0] for places, _ in worst]]
    wanted = proofs.merge(firsts[KEY].dropna().drop_duplicates(), on=KEY)
    by_key = {key: proof for key, proof in wanted.groupby(KEY, sort=False)}
    items = [_finding(entry, by_key.get(tuple(entry[0][column] for column in KEY))) for _, entry in worst]
    return piece("report/findings.html.j2", findings=items, severities=SEVERITIES)


def _sum_of(findings: Sequence[Mapping[str, Any]]) -> Decimal:
    return sum((row["difference"] for row in findings if row["difference"] is not None), ZERO)


def _finding(findings: Sequence[Mapping[str, Any]], proof: pd.DataFrame | None) -> dict[str, Any]:
    """The entry of one cause: its worst finding, the number and the sum of its findings, and what was decided."""
    row = findings[0]
    return {
        "worst": row,
        "title": check_titles().get(row["check_name"], row["check_name"]),
        "account": None if row["network_id"] is None else account(row),
        "count": len(findings),
        "difference": _sum_of(findings),
        "decision": _decision(findings),
        "note": next((row["note"] for row in findings if row["state"] != "open" and row["note"] is not None), None),
        "proof": [] if proof is None else _slices(proof),
    }


def _decision(findings: Sequence[Mapping[str, Any]]) -> str:
    """What was decided about the findings of a cause; empty while all are open."""
    states = [row["state"] for row in findings if row["state"] != "open"]
    if not states or len(findings) == 1:
        return "".join(states).capitalize()
    return f"Decided: {listing([f'{states.count(state):,} {state}' for state in dict.fromkeys(states)])}"


def _slices(proof: pd.DataFrame) -> list[dict[str, Any]]:
    return [row | {"rule": sentence(row["rule"])} for row in records(proof.sort_values("slice"))]


def readings_summary(readings: pd.DataFrame, limit: int = 300) -> Html:
    """The certainty of each price list's interpretation: a sentence, the undecided ones, and the others folded."""
    if readings.empty:
        return empty("No price list was read.")
    # a warehouse of an earlier release has no reason columns
    rows = records(readings.reindex(columns=[*READ, *_TOLD_OF]))
    sets = readings.groupby(READ, sort=True, dropna=False).indices
    frame = pd.DataFrame([_reading([rows[place] for place in places]) for places in sets.values()])
    is_open = frame["verdict"] != "decided"
    columns: dict[str, Column | str] = {
        "list": Column("Price list", "named"),
        "what": Column("Report / measure", "path"),
        "word": "ECGrid's model",
        "reading": Column("Interpretation", "long"),
        "lines": "Lines explained",
        "verdict": Column("Verdict", "pill"),
        "sure": Column("How sure", "folded"),
    }
    captions = {True: "Price lists with several interpretations, or none", False: "Price lists with one interpretation"}
    tables = {
        state: table(frame[is_open == state], caption, columns, limit=limit, rest="The others are in out_readings.")
        if (is_open == state).any()
        else None
        for state, caption in captions.items()
    }
    return piece(
        "report/readings.html.j2",
        count=len(frame),
        decided=int((~is_open).sum()),
        open_table=tables[True],
        decided_table=tables[False],
    )


def _reading(candidates: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """One row of the table of interpretations: the chosen one, or the best if none is chosen."""
    best = max(candidates, key=lambda one: (one["is_chosen"] is True, one["lines_explained"]))
    verdict = str(best["verdict"])
    rivals = [one for one in candidates if one["is_rival"] is True and one["is_chosen"] is not True]
    others = [one for one in candidates if one["counter_example"] is not None and one["is_chosen"] is not True]
    folded: list[str] = []
    if bool(best["is_pinned"]):
        sure = "Override in pinned_readings.csv."
    elif verdict == "decided":
        sure = (
            f"{plural(len(others), 'other interpretation')} contradicted by a line."
            if len(others)
            else "No other is possible."
        )
        if best["reason"] is not None:
            sure = f"{sentence(best['reason'])} {sentence(best['change_words'])}"
        nearest = sorted(others, key=lambda one: (-one["share_pct"], str(one["counter_example"])))
        examples = dict.fromkeys(str(one["counter_example"]) for one in nearest)
        folded = list(examples)[:3]
    elif verdict == "undecided":
        sure = (
            f"{plural(len(rivals), 'other interpretation')} fit as well."
            if len(rivals) > 1
            else "One other interpretation fits as well."
            if len(rivals)
            else f"{sentence(best['reason'])} {sentence(best['change_words'])}"
        )
        deciding = [one["deciding_quantity"] for one in rivals if one["deciding_quantity"] is not None]
        accounts = [str(one["deciding_account"]) for one in rivals if one["deciding_account"] is not None]
        result = "decide it" if len(rivals) == 1 else "rule some out"
        if deciding:
            sure += f" Two lines of {number(min(deciding))} would {result}."
        if accounts:
            sure += f" Two accounts with {accounts[0]} would {result}."
        stakes = [one["amount_at_stake"] for one in rivals if isinstance(one["amount_at_stake"], Decimal)]
        if stakes:
            sure += f" Up to {money(max(stakes))} per line at stake."
        rules = [one["rule"] for one in rivals if one["rule"] is not None]
        folded = list(dict.fromkeys(rules[:5]))
    else:
        sure = "No interpretation explains the lines; the best is shown."
    summary = "Counter-examples" if verdict == "decided" else "The other interpretations"
    return {
        "list": (best["price_list_description"], best["price_list_id"]),
        "what": (best["account_report"], best["measure_field"]),
        "word": str(best["model_word"]),
        "reading": sentence(best["rule"]),
        "lines": f"{int(best['lines_explained']):,} of {int(best['lines_total']):,}",
        "verdict": verdict,
        "sure": Folded(sure, summary, tuple(folded)),
    }


def invoices_table(tieout: pd.DataFrame) -> Html:
    """A table that compares each invoice with the sum of the lines that the service calculates."""
    return table(
        tieout.sort_values(["is_tied", "contract_id"]),
        "Invoices against the lines calculated for the month",
        {
            "invoice_number": "Invoice",
            "contract_id": Column("Contract", "id"),
            "total_amount": Column("Invoice total", "money"),
            "lines_amount": Column("Sum of its lines", "money"),
            "billed_amount": Column("Lines calculated", "money"),
            "lines_difference": Column("Difference", "difference"),
            "cause": "Cause",
        },
        limit=200,
        rest="The others are in out_invoice_tieout.",
        empty="The month has no invoice.",
    )


def ties(invoices: pd.DataFrame, usage: pd.DataFrame) -> Html:
    """One sentence on the invoices, one on the usage."""
    said = []
    judged = invoices[invoices["is_tied"].notna()] if not invoices.empty else invoices
    if not judged.empty:
        tied = int(judged["is_tied"].sum())
        said.append(f"{tied:,} of {plural(len(judged), 'invoice')} {equal(tied)} the lines calculated for the month.")
    if left := len(invoices) - len(judged):
        said.append(f"{plural(left, 'invoice')} could not be compared; the table has the cause.")
    if not usage.empty:
        tied = int(usage["is_tied"].fillna(False).sum())
        counted = plural(len(usage), "usage quantity", "usage quantities")
        said.append(f"{tied:,} of {counted} {equal(tied)} the service's own statistics.")
    return paragraph(" ".join(said) or "There is no invoice or statistic to compare the lines with.")


def not_told(meters: pd.DataFrame) -> Html:
    """One sentence on what the statistics of usage cannot tell, from out_meter_readings."""
    if meters.empty:
        return Html("")
    measures = meters.drop_duplicates(["network_id", "account_report", "measure_field"])
    counted = Counter(words for text in measures["not_told"].dropna() for words in text.split("; "))
    if not counted:
        return Html("")
    several = "; ".join(f"{words} ({plural(count, 'measure')})" for words, count in counted.most_common())
    return paragraph(f"What the statistics cannot tell of {plural(len(measures), 'measure')} of networks: {several}.")


def usage_table(tieout: pd.DataFrame, lines: pd.DataFrame) -> Html:
    """A table of billed quantities that differ from the service's statistics."""
    if tieout.empty or bool(tieout["is_tied"].fillna(False).all()):
        return Html("")
    off = with_names(tieout[~tieout["is_tied"].fillna(False)], lines)
    off["account"] = [account(row) for row in records(off)]
    return table(
        off,
        "Quantities that differ from the statistics",
        {
            "account": Column("Account", "named"),
            "account_report": "Report",
            "measure_field": "Measure",
            "source": "Statistics",
            "actual": Column("On the line", "number"),
            "stated_quantity": Column("In the statistics", "number"),
            "difference": Column("Difference", "number"),
        },
        limit=200,
        rest="The others are in out_usage_tieout.",
    )


def with_names(frame: pd.DataFrame, lines: pd.DataFrame) -> pd.DataFrame:
    """Rows with the name of their account, if the month's lines have it."""
    account_key = ["network_id", "mailbox_id"]
    names = lines[[*account_key, "account_name"]].dropna(subset=["account_name"]).drop_duplicates(account_key)
    return frame.merge(names, on=account_key, how="left")


def stakes(
    findings: pd.DataFrame, by: str, *, words: Mapping[str, str] | None = None, most: int | None = None
) -> pd.DataFrame:
    """Open errors and warnings summed: `name`, `difference`, `findings`, the largest differences first.

    `by` is a column, or `account` for the account's name and numbers.
    """
    to_decide = undecided(findings)
    counted = to_decide[to_decide["difference"].notna()].copy()
    if by == "account":
        counted["account"] = [account_text(row) for row in records(counted)]
    added = (
        sums(counted, [by], ["difference"]) if not counted.empty else counted.assign(rows=0)[[by, "difference", "rows"]]
    )
    named = added.rename(columns={by: "name", "rows": "findings"})
    named = named.loc[[value != ZERO for value in named["difference"]]]
    named["name"] = [(words or {}).get(value, value) for value in named["name"]]
    named = named.sort_values("difference", key=lambda column: column.abs(), ascending=False, kind="stable")
    return (named.head(most) if most else named).reset_index(drop=True)


def account_text(row: Mapping[str, Any]) -> str:
    """Name and numbers of an account as plain text, for chart labels."""
    numbers = "/".join(str(row[part]) for part in ("network_id", "mailbox_id") if row[part] is not None)
    shown = row.get("account_name")
    return (numbers if shown is None else f"{without_controls(shown)} ({numbers})") or "whole month"


def stakes_table(added: pd.DataFrame, heading: str) -> Html:
    """The data of the chart of amounts at stake."""
    return table(
        added,
        f"Billed less expected: {heading.lower()}",
        {"name": heading, "findings": Column("Findings", "number"), "difference": Column("Difference", "difference")},
        filterable=False,
    )


def billed_by_measure(lines: pd.DataFrame, most: int = 12) -> pd.DataFrame:
    """Amounts billed per report, measure and verdict: columns `measure`, `verdict`, `amount`, `rows`.

    The largest first; beyond `most` measures, the smaller ones are summed in one row.
    """
    named = lines[["account_report", "measure_field", "verdict", "amount"]].copy()
    named["measure"] = named["account_report"] + " / " + named["measure_field"]
    whole = {measure: abs(total(rows["amount"])) for measure, rows in named.groupby("measure")}
    largest = sorted(whole, key=lambda measure: (-whole[measure], measure))
    if len(largest) > most:
        kept = largest[: most - 1]
        others = plural(len(largest) - len(kept), "other measure")
        named["measure"] = [measure if measure in kept else others for measure in named["measure"]]
        largest = [*kept, others]
    added = sums(named, ["measure", "verdict"], ["amount"])
    added["verdict"] = [VERDICT_WORDS.get(str(value), str(value)) for value in added["verdict"]]
    words = list(VERDICT_WORDS.values())
    rank = [
        (largest.index(str(measure)), words.index(str(verdict)))
        for measure, verdict in zip(added["measure"], added["verdict"], strict=True)
    ]
    order = sorted(range(len(added)), key=rank.__getitem__)
    return added.iloc[order].reset_index(drop=True)


def measures_table(added: pd.DataFrame) -> Html:
    """The data of the chart of amounts billed."""
    return table(
        added,
        "Amount billed by measure and verdict",
        {
            "measure": "Report / measure",
            "verdict": "Verdict",
            "rows": Column("Lines", "number"),
            "amount": Column("Amount", "money"),
        },
        filterable=False,
    )


def month_steps(changes: pd.DataFrame) -> list[tuple[str, Decimal]]:
    """The parts of the change since last month that are not zero, summed over the frame."""
    parts = {
        "price_part": "Price: other rates",
        "volume_part": "Volume: more or less use",
        "mix_part": "Mix: other tiers and blocks",
        "new_part": "New lines",
        "ended_part": "Ended lines",
        "correction_part": "Correction: wrong billing",
    }
    added = [(words, total(changes[column])) for column, words in parts.items()]
    return [(words, value) for words, value in added if value != ZERO]


def steps_table(steps: Sequence[tuple[str, Decimal]]) -> Html:
    """The data of a waterfall chart."""
    return table(
        pd.DataFrame({"part": [part for part, _ in steps], "change": [change for _, change in steps]}),
        "Parts of the change",
        {"part": "Part", "change": Column("Change", "difference")},
        filterable=False,
    )


def findings_table(findings: pd.DataFrame, limit: int) -> Html:
    """A table of all findings, worst first."""
    ordered = worst_first(findings)
    rows = records(ordered)
    ordered["what"] = [check_titles().get(row["check_name"], row["check_name"]) for row in rows]
    ordered["where"] = [account(row) if row["network_id"] is not None else ("", None) for row in rows]
    ordered["measure"] = [
        " / ".join(str(row[part]) for part in ("account_report", "measure_field") if row[part] is not None)
        for row in rows
    ]
    return table(
        ordered,
        "Findings, worst first",
        {
            "what": "What",
            "severity": Column("Severity", "pill"),
            "state": "State",
            "where": Column("Account", "named"),
            "measure": "Report / measure",
            "billed_amount": Column("Billed", "money"),
            "expected_amount": Column("Expected", "money"),
            "difference": Column("Difference", "difference"),
            "explanation": Column("Explanation", "long"),
        },
        limit=limit,
        rest="The others: `ecgrid-billing findings`, or out_findings in the warehouse.",
        empty="No findings.",
    )


def accounts_table(lines: pd.DataFrame, findings: pd.DataFrame, limit: int) -> Html:
    """One row per account: lines, amount billed, amount at stake; the largest amounts first."""
    key = ["network_id", "mailbox_id"]
    added = sums(lines, key, ["amount"]).rename(columns={"rows": "lines"})
    names = lines[[*key, "account_name"]].drop_duplicates(key)
    to_decide = undecided(findings)
    counted = to_decide[to_decide["network_id"].notna()]
    if counted.empty:
        joined = added.merge(names, on=key, how="left").assign(difference=None, found=0)
    else:
        found = sums(counted, key, ["difference"]).rename(columns={"rows": "found"})
        joined = added.merge(names, on=key, how="left").merge(found, on=key, how="left")
    joined = joined.sort_values([*key]).sort_values("amount", ascending=False, kind="stable").reset_index(drop=True)
    joined["account"] = [account(row) for row in records(joined[[*key, "account_name"]])]
    joined["found"] = joined["found"].fillna(0).astype(int)
    return table(
        joined,
        "Accounts by amount billed",
        {
            "account": Column("Account", "named"),
            "lines": Column("Lines", "number"),
            "amount": Column("Billed", "money"),
            "found": Column("Findings", "number"),
            "difference": Column("Difference", "difference"),
        },
        limit=limit,
        rest="The others are in out_line_items.",
    )


def cliffs_table(comparison: pd.DataFrame) -> Html:
    """Accounts that would pay less with slightly more usage."""
    on_cliff = comparison[comparison["is_on_cliff"].fillna(False)].copy()
    on_cliff["account"] = [account(row) for row in records(on_cliff)]
    on_cliff["measure"] = on_cliff["account_report"] + " / " + on_cliff["measure_field"]
    return table(
        on_cliff.sort_values("cliff_saving", ascending=False),
        "On a cliff: more usage would cost less",
        {
            "account": Column("Account", "named"),
            "price_list_id": Column("Price list", "id"),
            "measure": "Report / measure",
            "quantity": Column("Quantity", "number"),
            "break_even_quantity": Column("Cheaper from", "quantity"),
            "next_bound": Column("Next tier from past", "number"),
            "billed_amount": Column("Billed", "money"),
            "cliff_saving": Column("Saved at the next tier", "money"),
        },
        limit=500,
        empty="No account is on a cliff.",
    )


def largest(frame: pd.DataFrame, by: str, amount: str, most: int, others: str = "others") -> pd.Series:
    """`by`, with all but the `most` largest sums of `amount` called `others`."""
    whole = {value: abs(total(rows[amount])) for value, rows in frame.groupby(by)}
    kept = set(sorted(whole, key=lambda value: (-whole[value], str(value)))[:most])
    return pd.Series([value if value in kept else others for value in frame[by]], index=frame.index, dtype="str")


def rows_table(frame: pd.DataFrame, caption: str, limit: int = 200, empty: str = "None.") -> Html:
    """Every column of a frame as text under its own name: for responses whose columns the service chooses."""
    filled = frame.dropna(axis="columns", how="all")
    return table(filled, caption, {str(column): str(column) for column in filled.columns}, limit=limit, empty=empty)


def values_table(unread: pd.DataFrame, limit: int) -> Html:
    """A table of response values that do not fit their type: the call, the place, the text and the reason."""
    columns = {
        "operation": "Operation",
        "asked": "Requested",
        "record": "Record",
        "element": "Element",
        "value_text": "Value",
        "reason": "Why it cannot be read",
    }
    return table(
        unread.sort_values(list(columns), kind="stable"),
        "Values that cannot be read",
        columns,
        limit=limit,
        rest="The others are in out_value_faults.",
    )


def most_changed(changes: pd.DataFrame, lines: pd.DataFrame) -> dict[str, int]:
    """The account whose amount changed most; without a month before, the one that pays most; 0/0 where none pays."""
    key = ["network_id", "mailbox_id"]
    if changes.empty and lines.empty:
        return dict.fromkeys(key, 0)
    of, frame = ("change", changes) if not changes.empty else ("amount", lines)
    added = records(sums(frame, key, [of]))
    best = max(added, key=lambda row: (abs(row[of]), -row["network_id"], -row["mailbox_id"]))
    return {part: int(best[part]) for part in key}


def account_headline(lines: pd.DataFrame, account_key: Mapping[str, int], month: date) -> Html:
    """Whose history this is."""
    names = lines["account_name"].dropna()
    shown = account({**account_key, "account_name": names.iloc[-1] if len(names) else None})
    months = sorted(set(lines["reporting_month"]))
    if not months:
        return headline(*shown, f" has no billed line up to {month_words(month)}.")
    return headline(*shown, f", {month_words(months[0])} to {month_words(months[-1])}.")


def history_table(lines: pd.DataFrame) -> Html:
    """Every line of an account over the months."""
    return table(
        lines.sort_values(["reporting_month", "measure"], ascending=[False, True]),
        "Lines by month",
        {
            "reporting_month": Column("Month", "month"),
            "measure": "Report / measure",
            "actual": Column("Measured", "number"),
            "quantity_billed": Column("Billed quantity", "number"),
            "amount": Column("Billed", "money"),
            "expected_amount": Column("Expected", "money"),
            "verdict": Column("Verdict", "pill"),
        },
        limit=500,
    )


def rates_table(lines: pd.DataFrame) -> Html:
    """The rate that each line names, month by month."""
    return table(
        lines.sort_values(["measure", "reporting_month"]),
        "Rate on each line",
        {
            "measure": "Report / measure",
            "reporting_month": Column("Month", "month"),
            "level": "Level",
            "schedule_rate": Column("Rate", "number"),
            "schedule_block": Column("Block", "number"),
            "schedule_allowance": Column("Allowance", "number"),
        },
        limit=500,
    )


def changes_table(changes: pd.DataFrame) -> Html:
    """The parts of the change, measure by measure."""
    parts = ("price", "volume", "mix", "new", "ended", "correction")
    shown = changes.assign(measure=changes["account_report"] + " / " + changes["measure_field"])
    return table(
        shown.sort_values("measure"),
        "The change by measure",
        {
            "measure": "Report / measure",
            "previous_amount": Column("Before", "money"),
            **{f"{part}_part": Column(part.capitalize(), "difference") for part in parts},
            "amount": Column("Now", "money"),
        },
        filterable=False,
    )
