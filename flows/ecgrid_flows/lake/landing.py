"""Raw responses -> lake, one month at a time: a pure function of raw, so landing twice gives the same files.

Raw also holds the limit of the month's last run (`limit_run`): the accounts of ECGRID_ACCOUNTS. Of a limited month only
their keys are landed; responses of other accounts stay in raw, and are landed after an unlimited run.

The last response per key wins: last by the order of the segments, which is right even if the clock was wrong, and
within a segment by the time received. A replaced one that differs moves to line_item_history with the time of its
replacement. An identical one is ignored (time and hash of the first are kept), except the first response after the
month's end: earlier ones did not cover the whole month. A fault never overwrites a line.

A value that does not fit its type makes a fault of its own key (feed calls) or a null in its own row, with its text in
`extra`; each is a row of the feed value_faults. The rest of the response, and other responses, are not affected.

An index of the month's responses (some 40 bytes each) is sorted by key; bodies are then read one key at a time, so
memory does not grow with them.
"""

import hashlib
import json
import logging
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from itertools import groupby, pairwise
from typing import Any

import pyarrow as pa

from ecgrid_client import decode
from ecgrid_client.errors import ECGridError, MissingElement, ValueOutOfRange
from ecgrid_flows.errors import Incomplete, StorageFailed, Unreachable
from ecgrid_flows.lake import billing_scope, import_register, raw_log, raw_manifest, repeats
from ecgrid_flows.lake.import_register import Record
from ecgrid_flows.lake.partitions import LANDED, Lake, PartitionWriter
from ecgrid_flows.lake.raw_log import Arguments, Bodies, NotAsKept, Place, RawAnswer
from ecgrid_flows.lake.raw_manifest import Sealed
from ecgrid_flows.progress import Reporter
from ecgrid_flows.storage.base import Quarantined, Store
from ecgrid_transforms import invoice_files
from ecgrid_transforms.accounts import account_row
from ecgrid_transforms.calls import FAULT, LINE, NO_LINE, call_row
from ecgrid_transforms.contracts import contract_account_rows, contract_row
from ecgrid_transforms.filed_invoices import FiledInvoice, InvoiceFileRefused
from ecgrid_transforms.invoices import (
    IMPORTED,
    Imported,
    imported_line_rows,
    imported_row,
    invoice_line_rows,
    invoice_row,
)
from ecgrid_transforms.keys import PAIR_NUMBER, PAIRS, REFUSED
from ecgrid_transforms.line_items import line_item_row
from ecgrid_transforms.model import Account, Invoice, Key, LineItem, OddValue
from ecgrid_transforms.period import month_end, month_text, next_month
from ecgrid_transforms.price_schedules import price_schedule_rows
from ecgrid_transforms.rows import Row, batch
from ecgrid_transforms.schemas import DATASET_FEEDS, FEEDS
from ecgrid_transforms.value_faults import value_fault_row
from ecgrid_transforms.wall_time import wall_time_ns

log = logging.getLogger(__name__)

#: Increased whenever landing gives other rows from the same responses, so that every month is landed again.
LANDING = 8
ROWS_AT_ONCE = 4_096
#: Number of odd values named on the terminal; the feed value_faults has all.
NAMED_ODD = 5
#: Folder of the months' limits.
LIMITS = f"{raw_log.RAW}/_limits"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_US = timedelta(microseconds=1)

#: Faults that this project detects in a response itself: the body decides, whatever was recorded when it was received.
VALUE_FAULTS = (ValueOutOfRange.code, MissingElement.code)


@dataclass(slots=True)
class Landed:
    """The result of landing a month: rows by feed (empty when nothing had changed), what was quarantined or not read.

    `faults` are the rows of value_faults. `lost` counts responses that raw once kept and no longer has; `lost_imports`
    are such records of imported invoices.
    """

    month: date
    rows: dict[str, int] = field(default_factory=dict)
    quarantined: list[Quarantined] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)
    faults: list[Row] = field(default_factory=list)
    odd: list[str] = field(default_factory=list)
    lost: int = 0
    lost_imports: list[Record] = field(default_factory=list)

    def note(self, answer: RawAnswer, odd: Sequence[OddValue]) -> None:
        """Record the values of a response that do not fit their types."""
        named = " ".join(f"{value}" for name, value in answer.arguments.items() if name != "ReportingMonth")
        self.odd += [f"{answer.operation} {named}: {one}" for one in odd]
        self.faults += [
            value_fault_row(
                self.month,
                answer.feed,
                answer.operation,
                answer.arguments,
                one,
                answer.api_version,
                answer.received_at,
                answer.sha256,
            )
            for one in odd
        ]

    def odd_words(self) -> list[str]:
        """Message about values that do not fit their types: how many, and the first of them."""
        if not self.odd:
            return []
        count = f"{len(self.odd):,} value{'' if len(self.odd) == 1 else 's'}"
        more = "; …" if len(self.odd) > NAMED_ODD else ""
        return [
            f"{self.month:%Y-%m}: {count} of the service's responses cannot be read, so what depends on them is not "
            f"known: {'; '.join(self.odd[:NAMED_ODD])}{more}. Ask the vendor; --refresh requests the responses again"
        ]


def land_month(store: Store, month: date, only: frozenset[Account] | None = None) -> Landed:
    """Write every feed's partition of `month` from its raw responses; does nothing when they are landed already.

    `only` limits a month for which raw holds no limit: the run that pulled it was of an earlier release. The caller
    holds the run lock.
    """
    only = limit_of(store, month, only)
    sealed = raw_manifest.seal(store, month)
    try:
        return _landed(store, month, only, sealed)
    except NotAsKept:  # a body exchanged together with its checksum: detected when it is read
        again = raw_manifest.seal(store, month, is_deep=True)
        again.quarantined[:0] = sealed.quarantined
        return _landed(store, month, only, again)


def _landed(store: Store, month: date, only: frozenset[Account] | None, sealed: Sealed) -> Landed:
    landed = Landed(month, quarantined=sealed.quarantined, lost=sealed.lost)
    imports = sorted(path for path, segment in sealed.segments.items() if segment.is_imported)
    landed.lost_imports = import_register.register(store, month, imports, landed.quarantined)
    lake = Lake(store)
    note, mark = f"{LANDED}/{month_text(month)}.json", _mark(sealed, only)
    is_whole = all(lake.parts(feed, month) is not None for feed in FEEDS)
    before = _noted(store, note) if is_whole else {}
    if before == mark:
        return landed
    is_less = set(mark["segments"]).issubset(before.get("segments", ()))
    if (
        (sealed.lost or landed.lost_imports)
        and is_less
        and all(before.get(name) == mark[name] for name in ("landing", "accounts"))
    ):
        return landed  # the lake's rows were landed while raw was whole: they stay until the month is pulled again
    landed.rows |= _land_lines(store, lake, landed, only)
    _land_scope(store, lake, landed, only)
    _land_invoices(store, lake, landed)
    for feed in DATASET_FEEDS:
        landed.rows[feed] = lake.write_partition(feed, month, _dataset_tables(store, feed, landed))
    landed.rows["value_faults"] = lake.write_partition("value_faults", month, _batches("value_faults", landed.faults))
    store.write(note, (json.dumps(mark) + "\n").encode())
    return landed


def limit_run(store: Store, month: date, only: frozenset[Account] | None) -> None:
    """Store the accounts that the run of `month` is limited to; None: no limit."""
    named = None if only is None else sorted([account.network_id, account.mailbox_id] for account in only)
    path, data = f"{LIMITS}/{month:%Y-%m}.json", (json.dumps({"accounts": named}) + "\n").encode()
    if not store.exists(path) or store.read(path) != data:
        store.write(path, data)


def limit_of(store: Store, month: date, default: frozenset[Account] | None = None) -> frozenset[Account] | None:
    """The accounts that the last run of `month` was limited to, None for no limit; `default` where none is stored."""
    path = f"{LIMITS}/{month:%Y-%m}.json"
    if not store.exists(path):
        return default
    try:
        named = json.loads(store.read(path))["accounts"]
        return None if named is None else frozenset(Account(int(network), int(box)) for network, box in named)
    except (ValueError, KeyError, TypeError):
        raise StorageFailed(
            f"{store.uri(path)} is damaged: run `ecgrid-billing run --month {month:%Y-%m}` to write it again"
        ) from None


def _noted(store: Store, path: str) -> dict[str, Any]:
    """The mark from which the lake was landed; a damaged file counts as absent."""
    try:
        found = json.loads(store.read(path)) if store.exists(path) else {}
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _mark(sealed: Sealed, only: frozenset[Account] | None) -> dict[str, Any]:
    """The inputs of the month's partitions: segments and their content."""
    named = sorted((account.network_id, account.mailbox_id) for account in only or ())
    accounts = hashlib.sha256(json.dumps(named).encode()).hexdigest()
    names = sorted({raw_log.place_in_order(path) for path in sealed.segments})
    return {"landing": LANDING, "accounts": accounts, "raw": sealed.digest(), "segments": names}


# --- lines ------------------------------------------------------------------------------------------------------------


class _Rows:
    """Collects rows into batches of one feed and passes them to its partition."""

    def __init__(self, feed: str, partition: PartitionWriter) -> None:
        self._schema = FEEDS[feed]
        self._partition = partition
        self._rows: list[Row] = []

    def add(self, row: Row) -> None:
        self._rows.append(row)
        if len(self._rows) >= ROWS_AT_ONCE:
            self.flush()

    def flush(self) -> None:
        if self._rows:
            self._partition.add(batch(self._schema, self._rows))
            self._rows = []


def _land_lines(store: Store, lake: Lake, landed: Landed, only: frozenset[Account] | None) -> dict[str, int]:
    """The feeds line_items, line_item_history and calls."""
    month = landed.month
    feeds = ("line_items", "line_item_history", "calls")
    with ExitStack() as stack:
        partitions = {feed: stack.enter_context(lake.partition(feed, month)) for feed in feeds}
        rows = {feed: _Rows(feed, partitions[feed]) for feed in feeds}
        for key, answers in _answers_by_key(store, month, only):
            last = _settle(key, answers, rows)
            if last.fault_code in VALUE_FAULTS:
                landed.note(last.answer, decode.odd_values(last.answer.body))
        for collected in rows.values():
            collected.flush()
    return {feed: partition.rows for feed, partition in partitions.items()}


@dataclass(frozen=True, slots=True)
class _State:
    """What one response states of its key: a line, no line (None), or nothing (`is_fault`)."""

    answer: RawAnswer
    line: LineItem | None
    fault_code: str | None
    fault_message: str | None

    @property
    def is_fault(self) -> bool:
        return self.fault_code is not None and self.fault_code != REFUSED

    @property
    def outcome(self) -> str:
        if self.line is not None:
            return LINE
        return FAULT if self.is_fault else NO_LINE


def _state_of(answer: RawAnswer) -> _State:
    if answer.fault_code is not None and answer.fault_code not in VALUE_FAULTS:
        return _State(answer, None, answer.fault_code, answer.fault_message)
    try:
        return _State(answer, decode.line_item(answer.body), None, None)
    except ECGridError as error:
        return _State(answer, None, error.code, error.fault_message)


def _settle(key: Key, answers: Sequence[RawAnswer], rows: Mapping[str, _Rows]) -> _State:
    """The rows of one key, from all its responses in the order of writing; returns the latest usable state."""
    all_states = [_state_of(answer) for answer in answers]
    usable = [one for one in all_states if one.answer.is_usable]
    last = (usable or all_states)[-1]
    rows["calls"].add(
        call_row(
            key,
            last.outcome,
            last.fault_code,
            last.fault_message,
            last.answer.attempts,
            last.answer.latency_ms,
            last.answer.received_at,
        )
    )
    states: list[_State] = []
    for one in usable:
        if one.is_fault:
            continue
        if not states or not _repeats(one, states[-1], key):
            states.append(one)
        elif one.answer.received_at < states[-1].answer.received_at:
            states[-1] = one  # the clock was wrong when the earlier one was received: its time is not kept
    for earlier, later in pairwise(states):
        if earlier.line is not None:
            rows["line_item_history"].add((*_line_row(key, earlier), later.answer.received_at))
    if states and states[-1].line is not None:
        rows["line_items"].add(_line_row(key, states[-1]))
    return last


def _repeats(later: _State, earlier: _State, key: Key) -> bool:
    """Whether a response adds nothing to the earlier one."""
    over = month_end(key.reporting_month)
    is_first_of_whole_month = earlier.answer.received_at < over <= later.answer.received_at
    return later.line == earlier.line and not is_first_of_whole_month


def _line_row(key: Key, state: _State) -> Row:
    assert state.line is not None
    answer = state.answer
    return line_item_row(key, state.line, answer.api_version, answer.received_at, answer.sha256)


def _answers_by_key(
    store: Store, month: date, only: frozenset[Account] | None
) -> Iterator[tuple[Key, list[RawAnswer]]]:
    """Every key of the month (of `only`, where given), in order, with its responses in the order of writing."""
    index, paths = _index(store, month)
    month_rounds = repeats.rounds(store, month)
    with Bodies(store) as bodies:
        rows = (row for part in index.to_batches(max_chunksize=16_384) for row in zip(*_lists(part), strict=True))
        for (network, mailbox, pair), group in groupby(rows, key=lambda row: row[:3]):
            if only is not None and Account(network, mailbox) not in only:
                continue
            report, measure = PAIRS[pair]
            places = [Place(paths[row[4]], row[5], row[6]) for row in group]
            answers = [(place, bodies.read(place)) for place in places]
            yield Key(network, mailbox, month, report, measure), repeats.with_rounds(answers, month_rounds, month)


def _lists(part: pa.RecordBatch) -> list[list[Any]]:
    return [column.to_pylist() for column in part.columns]


def _index(store: Store, month: date) -> tuple[pa.Table, list[str]]:
    """Position of each response, sorted by key and order of writing; and the segments that `segment` indexes."""
    networks, mailboxes, pairs = array("i"), array("i"), array("B")
    times, segments, offsets, lengths = array("q"), array("i"), array("q"), array("i")
    paths: list[str] = []
    for place, answer in raw_log.scan(store, "line_items", month):
        arguments = answer.arguments
        pair = PAIR_NUMBER.get((str(arguments["AccountReport"]), str(arguments["MeasureField"])))
        if pair is None:
            continue
        if not paths or paths[-1] != place.path:
            paths.append(place.path)
        networks.append(int(arguments["NetworkID"]))
        mailboxes.append(int(arguments["MailboxID"]))
        pairs.append(pair)
        times.append((answer.received_at - _EPOCH) // _US)
        segments.append(len(paths) - 1)
        offsets.append(place.offset)
        lengths.append(place.length)
    columns = {
        "network_id": _column(networks, pa.int32()),
        "mailbox_id": _column(mailboxes, pa.int32()),
        "pair": _column(pairs, pa.uint8()),
        "received_at": _column(times, pa.int64()),
        "segment": _column(segments, pa.int32()),
        "offset": _column(offsets, pa.int64()),
        "length": _column(lengths, pa.int32()),
    }
    table = pa.table(columns)
    by = ["network_id", "mailbox_id", "pair", "segment", "received_at", "offset"]
    return table.sort_by([(name, "ascending") for name in by]), paths


def _column(values: "array[int]", kind: pa.DataType) -> pa.Array:
    return pa.Array.from_buffers(kind, len(values), [None, pa.py_buffer(values)])


# --- who is billed ----------------------------------------------------------------------------------------------------


class KeptAnswers:
    """Responses from raw alone, for `discovery`: a call without a response counts as refused."""

    def __init__(self, store: Store, bodies: Bodies) -> None:
        self._store = store
        self._bodies = bodies
        self._index: dict[tuple[str, date], dict[str, Place]] = {}

    def ask(self, month: date, version: str, operation: str, arguments: Arguments) -> RawAnswer:
        feed = raw_log.FEED_OF[operation]
        if (feed, month) not in self._index:
            self._index[feed, month] = latest(self._store, feed, month)
        place = self._index[feed, month].get(raw_log.name(operation, arguments))
        if place is not None:
            return self._bodies.read(place)
        return RawAnswer(operation, version, arguments, _EPOCH, 0, 0, "", fault_code="not_asked")

    def ask_many(self, month: date, version: str, operation: str, many: Sequence[Arguments]) -> list[RawAnswer]:
        return [self.ask(month, version, operation, arguments) for arguments in many]


def latest(store: Store, feed: str, month: date) -> dict[str, Place]:
    """Position of the latest usable response of each call of a feed, by `raw_log.name`, in the order of the names.

    A refusal counts only where there is no other response: revoked rights do not invalidate a price list.
    """
    found: dict[str, tuple[tuple[bool, str, datetime], Place]] = {}
    for place, answer in repeats.resolved(raw_log.scan(store, feed, month), repeats.rounds(store, month)):
        name = raw_log.name(answer.operation, answer.arguments)
        rank = (answer.fault_code is None, place.order, answer.received_at)
        if answer.operation == IMPORTED:
            continue  # no call: see `imported_invoices`
        if answer.is_usable and (name not in found or found[name][0] <= rank):
            found[name] = rank, place
    return {name: found[name][1] for name in sorted(found)}


def _land_scope(store: Store, lake: Lake, landed: Landed, only: frozenset[Account] | None) -> None:
    """The feeds accounts, contracts, contract_accounts, price_schedules and price_schedule_history."""
    month = landed.month
    with Bodies(store) as bodies:
        try:
            kept = KeptAnswers(store, bodies)
            accounts = list(billing_scope.scope(kept, month, only, Reporter(quiet=True, mute=True)).accounts)
        except (Unreachable, Incomplete):  # no account is known
            accounts = []
    rows: dict[str, list[Row]] = {"contracts": [], "contract_accounts": [], "price_schedules": []}
    rows["accounts"] = [account_row(month, billed) for billed in accounts]
    for _ in _latest_read(store, "accounts", landed):
        pass  # read only for the values that do not fit
    contracts: dict[int, tuple[RawAnswer, Any]] = {}
    for answer, found in _latest_read(store, "contracts", landed):
        if answer.operation == "ContractList":
            for contract in found:
                contracts.setdefault(contract.contract_id, (answer, contract))
        elif found is not None:
            contracts[found.contract_id] = answer, found
    for _, (answer, contract) in sorted(contracts.items()):
        rows["contracts"].append(contract_row(month, contract, answer.api_version, answer.received_at, answer.sha256))
        rows["contract_accounts"] += contract_account_rows(month, contract)
    ladders: dict[int, list[Row]] = {}
    for answer, ladder in _latest_read(store, "price_schedules", landed):
        if ladder is not None:
            ladders[ladder.price_list_id] = price_schedule_rows(
                month, ladder, answer.api_version, answer.received_at, answer.sha256
            )
    rows["price_schedules"] = [row for _, tiers in sorted(ladders.items()) for row in tiers]
    rows["price_schedule_history"] = list(_earlier_price_lists(store, landed))
    for feed, feed_rows in sorted(rows.items()):
        landed.rows[feed] = lake.write_partition(feed, month, _batches(feed, feed_rows))


def _earlier_price_lists(store: Store, landed: Landed) -> Iterator[Row]:
    """The tiers of price lists in every response but the latest: a list may be edited with its Date kept."""
    answers: dict[str, list[tuple[tuple[str, datetime], Place]]] = {}
    found = repeats.resolved(raw_log.scan(store, "price_schedules", landed.month), repeats.rounds(store, landed.month))
    for place, answer in found:
        if answer.is_usable and answer.fault_code is None:
            rank = (place.order, answer.received_at)
            answers.setdefault(raw_log.name(answer.operation, answer.arguments), []).append((rank, place))
    with Bodies(store) as bodies:
        for _, ranked in sorted(answers.items()):
            ranked.sort(key=lambda one: one[0])
            for (_, place), ((_, superseded_at), _) in pairwise(ranked):
                # odd values are recorded for the latest response alone
                for answer, ladder in _read(bodies, [place], Landed(landed.month)):
                    if ladder is not None:
                        tiers = price_schedule_rows(
                            landed.month, ladder, answer.api_version, answer.received_at, answer.sha256
                        )
                        yield from ((*row, superseded_at) for row in tiers)


# --- invoices and reports ---------------------------------------------------------------------------------------------


def _land_invoices(store: Store, lake: Lake, landed: Landed) -> None:
    """The feeds invoices and invoice_lines: the issued invoices that bill this month, those imported, and the trials.

    An invoice that the lists no longer name was withdrawn, whatever InvoiceInfo once returned.
    """
    month = landed.month
    trials: list[tuple[str, int, int, RawAnswer, Invoice]] = []
    issued: dict[int, tuple[str, int, int, RawAnswer, Invoice]] = {}
    listed: dict[int, int | None] = {}  # the contract of each invoice that a list names
    for answer, read in _latest_read(store, "invoices", landed):
        if answer.operation == "InvoiceList":
            listed |= {invoice.invoice_id: invoice.contract_id for invoice in read}
        for invoice in read if answer.operation == "InvoiceList" else [read]:
            if invoice is None:
                continue
            one = (answer.operation, invoice.contract_id or 0, invoice.invoice_id, answer, invoice)
            if answer.operation == "InvoiceCalculate":
                trials.append(one)
            elif answer.operation == "InvoiceInfo" or invoice.invoice_id not in issued:
                issued[invoice.invoice_id] = one  # an invoice from a list alone may lack its lines
    standing = (_with_contract(issued[number], listed[number]) for number in issued.keys() & listed.keys())
    found = [*trials, *(one for one in standing if billed_month(one[4]) == month)]
    found.sort(key=lambda one: one[:3])
    heads = [
        invoice_row(month, source, invoice, answer.api_version, answer.received_at, answer.sha256)
        for source, _, _, answer, invoice in found
    ]
    lines = [
        row
        for source, _, _, answer, invoice in found
        for row in invoice_line_rows(month, source, invoice, answer.api_version, answer.received_at, answer.sha256)
    ]
    filed = imported_invoices(store, month, landed.unread)
    heads += [imported_row(one) for one in filed]
    lines += [row for one in filed for row in imported_line_rows(one)]
    landed.rows["invoices"] = lake.write_partition("invoices", month, _batches("invoices", heads))
    landed.rows["invoice_lines"] = lake.write_partition("invoice_lines", month, _batches("invoice_lines", lines))


def imported_invoices(store: Store, month: date, unread: list[str]) -> list[Imported]:
    """The month's imported invoices, by contract, date and number: the last file of each counts.

    Withdrawn ones are excluded. A file that cannot be read is named in `unread`.
    """
    files: dict[tuple[int, str], list[tuple[tuple[str, datetime, int], Place]]] = {}
    for place, answer in raw_log.scan(store, raw_log.FEED_OF[IMPORTED], month):
        if answer.operation == IMPORTED:
            of = int(answer.arguments["ContractID"]), str(answer.arguments["InvoiceNumber"])
            files.setdefault(of, []).append(((place.order, answer.received_at, place.offset), place))
    found: list[Imported] = []
    with Bodies(store) as bodies:
        for (contract_id, number), several in files.items():
            answers = [bodies.read(place) for _, place in sorted(several, key=lambda one: one[0])]
            if answers[-1].outcome == raw_log.WITHDRAWN:
                continue
            taken_back = max((at for at, one in enumerate(answers) if one.outcome == raw_log.WITHDRAWN), default=-1)
            try:
                invoices = [_filed(answer, number) for answer in answers[taken_back + 1 :][-2:]]
            except InvoiceFileRefused as error:
                unread.append(f"imported invoice {number} of {month_text(month)} cannot be read: {error}")
                continue
            previous = (invoices[0].total_amount, answers[-2].sha256) if len(invoices) > 1 else None
            last = answers[-1]
            found.append(Imported(month, contract_id, 0, invoices[-1], last.received_at, last.sha256, previous))
    found.sort(key=lambda one: (one.contract_id, one.invoice.invoice_date, one.invoice.invoice_number))
    return [
        replace(one, place=place)
        for _, of_contract in groupby(found, key=lambda one: one.contract_id)
        for place, one in enumerate(of_contract, start=1)
    ]


def _filed(answer: RawAnswer, number: str) -> FiledInvoice:
    """The invoice of that number in a kept file."""
    for invoice in invoice_files.read(answer.body):
        if invoice.invoice_number == number:
            return invoice
    raise InvoiceFileRefused("the file holds no invoice of that number")


def _with_contract(
    one: tuple[str, int, int, RawAnswer, Invoice], contract_id: int | None
) -> tuple[str, int, int, RawAnswer, Invoice]:
    """An invoice whose ContractID cannot be read belongs to the contract whose list names it."""
    source, _, number, answer, invoice = one
    if invoice.contract_id is None and contract_id is not None:
        return source, contract_id, number, answer, replace(invoice, contract_id=contract_id)
    return one


def billed_month(invoice: Invoice) -> date | None:
    """The month that an invoice bills: that of most of its lines' dates; without dated lines, the one before its date.

    Inferred: an Invoice states no month, and vendors date invoices on the last day of the month or after it.
    """
    votes: dict[date, int] = {}
    for line in invoice.line_items:
        if (dated := _month_of(line.line_date)) is not None:
            votes[dated] = votes.get(dated, 0) + 1
    if votes:
        return max(sorted(votes), key=lambda voted: votes[voted])
    issued = _month_of(invoice.date)
    return None if issued is None else next_month(issued, -1)


def _month_of(text: str | None) -> date | None:
    return None if text is None or wall_time_ns(text) is None else date.fromisoformat(text.strip()[:10]).replace(day=1)


def _dataset_tables(store: Store, feed: str, landed: Landed) -> Iterator[pa.Table]:
    """The tables of a DataSet feed, grouped by shape, all with the columns of all.

    Of an account that has no response for some window of its month, no window is landed: a part is not the month.
    """
    tables: list[tuple[str, Arguments, pa.Table]] = []
    asked: list[Arguments] = []
    for answer, found in _latest_read(store, feed, landed):
        asked.append(answer.arguments)
        for name, own in found.items():
            table = _with_origin(FEEDS[feed], landed.month, answer, name, own)
            tables.append((f"{name}\n{table.schema.to_string()}", answer.arguments, table))
    cut = _accounts_cut(asked, landed.month)
    several = [
        table
        for _, arguments, table in sorted(tables, key=lambda found: found[0])
        if not (arguments.keys() >= _WINDOW and _account_of(arguments) in cut)
    ]
    fields = {field_.name: field_ for table in reversed(several) for field_ in table.schema}
    names = dict.fromkeys(name for table in several for name in table.column_names)
    columns = {name: _as_one_type([table[name] for table in several if name in table.column_names]) for name in names}
    schema = pa.schema([fields[name].with_type(columns[name][0].type).with_nullable(True) for name in names])
    for table in several:
        yield pa.Table.from_arrays(
            [
                columns[name].pop(0)
                if name in table.column_names
                else pa.nulls(table.num_rows, schema.field(name).type)
                for name in names
            ],
            schema=schema,
        )


#: Arguments of an operation that is requested window by window.
_WINDOW = frozenset({"StartDate", "EndDate"})


def _account_of(arguments: Arguments) -> tuple[object, object]:
    return arguments.get("NetworkID"), arguments.get("MailboxID")


def _accounts_cut(asked: Iterable[Arguments], month: date) -> set[tuple[object, object]]:
    """Accounts (network, mailbox) whose windows leave a day of the month out."""
    days: dict[tuple[object, object], set[date]] = {}
    for arguments in asked:
        if arguments.keys() >= _WINDOW:
            first, last = (date.fromisoformat(str(arguments[name])[:10]) for name in ("StartDate", "EndDate"))
            own = days.setdefault(_account_of(arguments), set())
            own |= {first + timedelta(days=number) for number in range((last - first).days + 1)}
    whole = {month + timedelta(days=number) for number in range((next_month(month) - month).days)}
    return {account for account, own in days.items() if not whole <= own}


def _as_one_type(columns: list[pa.ChunkedArray]) -> list[pa.ChunkedArray]:
    """The columns of one name in the narrowest type that holds all their values; text where there is none."""
    types = list(dict.fromkeys(column.type for column in columns))
    if len(types) == 1:
        return columns
    try:
        several = [pa.schema([("column", kind)]) for kind in types]
        wider = pa.unify_schemas(several, promote_options="permissive").field(0).type
        return [column.cast(pa.string() if pa.types.is_floating(wider) else wider) for column in columns]
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError):
        return [column.cast(pa.string()) for column in columns]


def _with_origin(schema: pa.Schema, month: date, answer: RawAnswer, name: str, table: pa.Table) -> pa.Table:
    """`table` after the columns of its origin; a column of its own with such a name gets a `_`."""
    arguments = dict(answer.arguments)
    network, mailbox = arguments.pop("NetworkID", None), arguments.pop("MailboxID", None)
    asked = " ".join(f"{key}={value}" for key, value in arguments.items())
    fixed = (month, network, mailbox, asked, name)
    origin = (answer.api_version, answer.received_at, answer.sha256)
    rows = [(*fixed, number, *origin) for number in range(1, table.num_rows + 1)]
    made = pa.Table.from_batches([batch(schema, rows)])
    taken = set(schema.names)
    for field_, column in zip(table.schema, table.columns, strict=True):
        own = field_.name
        while own in taken:
            own += "_"
        taken.add(own)
        made = made.append_column(field_.with_name(own), column)
    return made


def _latest_read(store: Store, feed: str, landed: Landed) -> Iterator[tuple[RawAnswer, Any]]:
    """The latest usable response of each call of a feed that is not a fault, and its decoded content."""
    with Bodies(store) as bodies:
        yield from _read(bodies, latest(store, feed, landed.month).values(), landed)


def _read(bodies: Bodies, places: Iterable[Place], landed: Landed) -> Iterator[tuple[RawAnswer, Any]]:
    """The responses at these positions that are not faults, and their decoded content."""
    for place in places:
        answer = bodies.read(place)
        if answer.fault_code is None:
            odd: list[OddValue] = []
            try:
                found = billing_scope.read(answer.operation, answer.arguments, answer.body, odd)
            except ECGridError as error:
                landed.unread.append(f"{answer.operation} of {landed.month:%Y-%m} cannot be read: {error}")
                continue
            landed.note(answer, odd)
            yield answer, found


def _batches(feed: str, rows: Sequence[Row]) -> Iterator[pa.RecordBatch]:
    for begin in range(0, len(rows), ROWS_AT_ONCE):
        yield batch(FEEDS[feed], rows[begin : begin + ROWS_AT_ONCE])
