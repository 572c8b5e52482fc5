"""Rating breakdown of one line (`ecgrid-billing explain`), as text for a finance person and as data.

Measured and free quantity, blocks, tier and its reason, billed and expected amount, and the cost under the other
models. Every figure is read from the warehouse; nothing is calculated here. Amounts are decimals without a currency,
because the service states none.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from ecgrid_flows.errors import NoSuchData
from ecgrid_flows.warehouse import database
from ecgrid_flows.warehouse.database import Connection
from ecgrid_transforms.model import ACCOUNT_REPORTS, MEASURE_FIELDS, Key
from ecgrid_transforms.money import ZERO, Decimal, money_text, number_text
from ecgrid_transforms.period import month_text

Row = Mapping[str, Any]

_WIDTH = 13


@dataclass(frozen=True, slots=True)
class Explanation:
    """All rows of the warehouse about one key. `line` is None if the service returned no line.

    `fault` has the amounts that may be expected of a line that does not fit.
    """

    key: Key
    line: Row | None
    proof: tuple[Row, ...]
    reading: Row | None
    comparison: Row | None
    findings: tuple[Row, ...]
    call: Row | None
    rounding: Row | None
    fault: Row | None

    def data(self) -> dict[str, Any]:
        """The explanation as one JSON-ready mapping."""
        return {
            "network_id": self.key.network_id,
            "mailbox_id": self.key.mailbox_id,
            "reporting_month": self.key.reporting_month,
            "account_report": self.key.account_report,
            "measure_field": self.key.measure_field,
            "line": self.line,
            "proof": list(self.proof),
            "reading": self.reading,
            "comparison": self.comparison,
            "findings": list(self.findings),
            "rounding": self.rounding,
            "range": self._range(),
            "call": self.call,
            "text": self.text(),
        }

    def text(self) -> str:
        """The explanation as plain text, one statement a line."""
        key = self.key
        name = f" ({_one_line(self.line['account_name'])})" if self.line and self.line["account_name"] else ""
        parts = [
            f"Account {key.network_id}-{key.mailbox_id}{name}, {month_text(key.reporting_month)}, "
            f"{key.account_report} {key.measure_field}"
        ]
        if self.line is None:
            parts += self._without_line()
        else:
            parts += [*self._list(self.line), "", *self._arithmetic(self.line), "", *self._verdict(self.line)]
            parts += self._models()
        if self.findings:
            parts += [
                "",
                *(_entry("Finding", f"{found['check_name']}: {found['explanation']}") for found in self.findings),
            ]
        if self.line is not None:
            answered = f"sha256 {self.line['response_sha256']}, received {self.line['pulled_at']:%Y-%m-%d %H:%M} UTC"
            parts += ["", _entry("Response", answered)]
        return "\n".join(parts) + "\n"

    def _without_line(self) -> list[str]:
        if self.call is None:
            return ["", "This key was not requested."]
        words = {"no_line": "no line", "fault": f"a fault: {self.call['fault_code']} {self.call['fault_message']}"}
        answered = words.get(self.call["outcome"], self.call["outcome"])
        return ["", f"The service answered with {answered}, on {self.call['called_at']:%Y-%m-%d %H:%M} UTC."]

    def _list(self, line: Row) -> list[str]:
        described = f" ({_one_line(line['price_list_description'])})" if line["price_list_description"] else ""
        contract = "" if line["contract_id"] is None else f"; contract {line['contract_id']}"
        parts = [f"Price list {line['price_list_id']}{described}, which ECGrid calls {line['model']}{contract}"]
        if line["terms_witness"] is not None:
            strength = _TERMS_SOURCES[line["terms_source"]]
            parts.append(f"Terms: by {_one_line(line['terms_witness'])} ({strength})")
        if self.reading is not None:
            reading = self.reading
            lines = "line" if reading["lines_total"] == 1 else "lines"
            share = f"{reading['lines_explained']} of {reading['lines_total']} {lines}"
            is_of_none = reading["verdict"] == "none_fits"
            sure = {
                "decided": f"explains {share} of its schedules",
                "undecided": f"explains {share}{', as do others' if reading['is_rival'] else ''}",
                "none_fits": f"explains only {share}",
            }[reading["verdict"]]
            pinned = ", set by pinned_readings.csv" if reading["is_pinned"] else ""
            parts.append(
                f"{'Nearest interpretation' if is_of_none else 'Interpretation'}: {reading['rule']} ({sure}{pinned})"
            )
            if reading["reason"] is not None:
                parts += [f"Why: {reading['reason']}", f"What would change it: {reading['change_words']}"]
        return parts

    def _arithmetic(self, line: Row) -> list[str]:
        parts = [_entry("Measured", number_text(line["actual"]))]
        if not self.proof:
            return [*parts, _entry("Proof", f"none: {self._why_unproved(line)}")]
        allowance = line["schedule_allowance"]
        if allowance is not None and allowance > ZERO:
            parts.append(_entry("Allowance", number_text(allowance)))
        parts += [_entry("Slice" if number == 0 else "", _slice_text(part)) for number, part in enumerate(self.proof)]
        exact = self.proof[0]["amount_before_rounding"]
        if exact != self.proof[0]["expected_amount"] or len(self.proof) > 1:
            parts.append(_entry("Sum", number_text(exact)))
        if self.rounding is not None:
            least, most = money_text(self.rounding["least_amount"]), money_text(self.rounding["most_amount"])
            parts.append(
                _entry("Rounding", f"assumed: others fit the lines of the list as well and give {least} to {most}")
            )
        return parts

    def _why_unproved(self, line: Row) -> str:
        if self.fault is not None and self.fault["left_open"] == "terms":
            return _LEFT_OPEN["terms"]
        if line["verdict"] == "fits":
            return "the use of this mailbox is billed with its network"
        if self.reading is not None and self.reading["verdict"] == "none_fits":
            return "no interpretation explains half of the lines of these schedules"
        if line["actual"] < ZERO:
            return "a quantity below 0 has no price"
        return "no interpretation gives a price for this quantity"

    def _verdict(self, line: Row) -> list[str]:
        parts = [_entry("Billed", f"{money_text(line['amount'])} for {number_text(line['quantity_billed'])}")]
        difference, amounts = line["difference"], self._range()
        if amounts is None and line["expected_amount"] is None:
            return [*parts, _entry("Expected", "unknown: the line is not provable")]
        if amounts is None:
            expected = f"{money_text(line['expected_amount'])} for {number_text(line['expected_quantity_billed'])}"
        else:
            difference = amounts["difference"]
            expected = (
                f"{money_text(amounts['least_amount'])} to {money_text(amounts['most_amount'])}: {amounts['reason']}"
            )
        parts.append(_entry("Expected", expected))
        words = {
            "fits": "none: the bill is right",
            "undecided": "none can be claimed: interpretations or terms left open differ at this quantity",
        }.get(line["verdict"])
        if words is None and difference is None:
            words = "undetermined: the amount billed is between these"
        elif words is None and difference == ZERO:
            words = (
                f"none in the amount, but {'the quantity billed is another' if amounts is None else 'it is not sure'}"
            )
        elif words is None:
            words = f"{money_text(abs(difference))} too {'much' if difference > ZERO else 'little'}"
            words = words if amounts is None else f"at least {words}"
        return [*parts, _entry("Difference", words)]

    def _range(self) -> Row | None:
        """The smallest and largest amount that may be expected of a line that is not right; None if there is one."""
        fault = self.fault
        if fault is None or fault["expected_least"] is None or fault["expected_least"] >= fault["expected_most"]:
            return None
        return {
            "least_amount": fault["expected_least"],
            "most_amount": fault["expected_most"],
            "difference": fault["difference"],
            "reason": _LEFT_OPEN[fault["left_open"]],
        }

    def _models(self) -> list[str]:
        if self.comparison is None:
            return []
        found = self.comparison
        parts = [
            "",
            _entry("By model", ", ".join(f"{model} {money_text(found[f'{model}_amount'])}" for model in _MODELS)),
        ]
        if found["next_bound"] is not None:
            parts.append(
                _entry(
                    "Next bound",
                    f"{number_text(found['next_bound'])}, {number_text(found['distance_to_next_bound'])} away",
                )
            )
        if found["is_on_cliff"]:
            parts.append(
                _entry("Cliff", f"past that bound the line would cost {money_text(found['cliff_saving'])} less")
            )
        return parts


#: Source of the terms -> text for the line.
_TERMS_SOURCES = {
    "contract": "the strongest source",
    "stated": "stated, whatever the lines show",
    "stated_later": "read after the month",
    "shown": "no price list states terms for this month",
}
#: What core_line_faults leaves open -> why there is a range of amounts.
_LEFT_OPEN = {
    None: "interpretations or terms left open differ",
    "terms": "several terms are in force in the month",
    "rounding": "roundings that fit the lines of the list alike differ",
}
_MODELS = ("unit", "volume", "graduated")


def _nearest(key: Key) -> str:
    """The reports and measures that a mistyped one may mean, as the begin of an advice; empty where both are known."""
    given = ((key.account_report, ACCOUNT_REPORTS, "report"), (key.measure_field, MEASURE_FIELDS, "measure"))
    told = []
    for name, known, what in given:
        if name not in known:
            near = get_close_matches(name, known, 3, 0.5)
            told.append(f"there is no {what} {name}{', the nearest are ' if near else ''}{', '.join(near)}; ")
    return "".join(told)


def explanation(connection: Connection, key: Key) -> Explanation:
    """The explanation of `key`; raises `NoSuchData` if the warehouse has nothing about it."""
    line = _first(connection, "out_line_items", key)
    call = _first(connection, "raw_calls", key)
    findings = _rows(connection, "out_findings", key, order=["place"])
    if line is None and call is None and not findings:
        raise NoSuchData(
            f"nothing is known of {key}: {_nearest(key)}see what the account is billed by `ecgrid-billing lines "
            f"{key.network_id} {key.mailbox_id} --month {month_text(key.reporting_month)}`, or pull the month with "
            f"`ecgrid-billing run --month {month_text(key.reporting_month)}`"
        )
    proof = _rows(connection, "out_line_proofs", key, order=["slice"])
    reading = None
    if line is not None:
        reading = _reading(connection, key, line)
    comparison = _first(connection, "out_model_comparison", key)
    rounding, fault = (_first(connection, name, key) for name in ("out_line_roundings", "core_line_faults"))
    return Explanation(key, line, proof, reading, comparison, findings, call, rounding, fault)


def _reading(connection: Connection, key: Key, line: Row) -> Row | None:
    """The interpretation that prices the line; without one, the best that does not fit; null if unknown.

    It is that of the line's own rate ladder: another ladder of the list may have the same interpretation.
    """
    ladder = next(iter(_rows(connection, "core_lines", key, columns=["set_no"])), None)
    if ladder is None or ladder["set_no"] is None:
        return None
    (named,) = database.records(connection, "core_sets", columns=["schedule_set_id"], set_no=ladder["set_no"])
    chosen = database.records(connection, "out_readings", is_chosen=True, **named)
    wanted = line["reading_id"]
    return next(
        (row for row in chosen if (row["verdict"] == "none_fits" if wanted is None else row["reading_id"] == wanted)),
        None,
    )


def _rows(
    connection: Connection, relation: str, key: Key, *, columns: Sequence[str] = (), order: Sequence[str] = ()
) -> tuple[Row, ...]:
    found = database.records(
        connection,
        relation,
        columns=columns,
        order=order,
        network_id=key.network_id,
        mailbox_id=key.mailbox_id,
        reporting_month=key.reporting_month,
        account_report=key.account_report,
        measure_field=key.measure_field,
    )
    return tuple(found)


def _first(connection: Connection, relation: str, key: Key) -> Row | None:
    """The row of a relation that has one per key."""
    return next(iter(_rows(connection, relation, key)), None)


def _entry(label: str, words: str) -> str:
    return f"{label:<{_WIDTH}}{words}".rstrip()


def _one_line(text: str) -> str:
    return "".join(char if char.isprintable() else " " for char in text)


def _slice_text(part: Row) -> str:
    """`Tier2 (1200 to 5000): 3600 (720 blocks of 5) x 0.1856 = 668.16`, or `60 (12 blocks of 5) at 0.9 a block = …`.

    A fee beside the rate is added: `400 x 0.8 + fee 15.00 = 335.00`.
    """
    if part["tier"] == 0:
        return f"free tier: {number_text(part['quantity'])} at no charge"
    quantity, rate, product = part["quantity"], part["rate"], part["product"]
    blocks, block = part["blocks"], part["block"]
    in_blocks = block is not None and block not in (ZERO, 1) and blocks is not None
    counted = (
        f" ({number_text(blocks)} {'block' if blocks == 1 else 'blocks'} of {number_text(block)})" if in_blocks else ""
    )
    place = part["level"] or f"tier {part['tier']}"
    bounds = _bounds_text(part["lower_bound"], part["upper_bound"])
    words = f"{place}{bounds}: {number_text(quantity)}{counted}"
    if part["flat"] and product == part["flat"]:
        return f"{words}, fee {money_text(part['flat'])} = {money_text(product)}"
    by_rate = product - part["flat"]
    total = (
        f" + fee {money_text(part['flat'])} = {money_text(product)}" if part["flat"] else f" = {number_text(product)}"
    )
    if in_blocks and blocks * rate == by_rate and quantity * rate != by_rate:
        return f"{words} at {number_text(rate)} a block{total}"
    return f"{words} x {number_text(rate)}{total}"


def _bounds_text(lower: Decimal | None, upper: Decimal | None) -> str:
    if lower is None or (lower == ZERO and upper is None):
        return ""
    return f" (above {number_text(lower)})" if upper is None else f" ({number_text(lower)} to {number_text(upper)})"
