"""What processes do: the services' decisions, step by step, with the core's own functions.

A process is a generator. It yields a key that somebody else has locked, or None where another may
go on before it: between two statements of a service, and at its commit. What it decides follows
`rating.services.rate_many`, `invoicing.services._runs`, `_issue` and `_corrections`, and
`metering.services.ingest`; what it computes is computed by `kvit.core`.
"""

from bisect import bisect_left
from collections.abc import Generator, Hashable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from fractions import Fraction
from typing import Any, NamedTuple

from kvit.core.bookkeeping import Entry, InvoiceFact, Share, invoice_entries
from kvit.core.catalogue import Catalogue, Meter, PlanTerms, PriceTerms, build
from kvit.core.charges import rate
from kvit.core.differences import Due, Slot, Standing, differences, slot_of
from kvit.core.lines import DocumentLine, credit_lines, make_document
from kvit.core.measured import Measured
from kvit.core.numbering import number_text, series_of
from kvit.core.periods import Period, instant_of
from kvit.core.pricing import parse_price
from kvit.core.schedule import Contract, ServicePeriod, due_in_arrears, service_periods
from kvit.core.tax import NOTHING, TaxedLine, total_of
from kvit.core.terms import Amendment, Terms, counts_from, timeline
from kvit.core.usage import UsageEvent
from kvit.web.prove.simulated.oracle import A_CALL, CYCLES, FEES, USED, Life, Said
from kvit.web.prove.simulated.store import Transaction

Steps = Generator[Hashable, None, None]
Services = tuple[ServicePeriod, ...]
PATTERN = "{year}-{number:05}"
ARREARS = frozenset({"arrears"})
VAT = Fraction(22)


class ChargeRow(NamedTuple):
    subscription: int
    billed_in: date
    period: date  # the first day of service, as `ServicePeriod.key`
    slot: Slot
    revision: int
    amount: int
    gross: int
    units: Fraction
    events: int


class Memory(NamedTuple):
    """What a period was rated by."""

    whole: Period
    starts_at: datetime
    ends_at: datetime
    billed_in: date
    terms: int
    usage: int


class DocumentRow(NamedTuple):
    subscription: int
    lines: tuple[TaxedLine, ...]
    total: TaxedLine
    entries: tuple[Entry, ...]
    number: str
    on: date
    corrects: Hashable = None


@dataclass(slots=True)
class Subscriber:
    """What is committed of one subscription, beside the store's tables; rebuilt by its commits."""

    life: Life
    said: list[Said] = field(default_factory=list)
    events: list[UsageEvent] = field(default_factory=list)  # in order of time
    times: list[datetime] = field(default_factory=list)  # of the events
    known: tuple[int, Contract] | None = None
    periods: dict[int, Services] = field(default_factory=dict)  # by the year that they touch

    def contract(self, place: int) -> Contract:
        """Fold the amendments, once for each state of them."""
        if self.known is None or self.known[0] != len(self.said):
            self.known = (len(self.said), _contract(place, self.life, self.said))
            self.periods = {}
        return self.known[1]

    def serviced(self, contract: Contract, prices: Catalogue, window: Period) -> Services:
        """Return the service periods of the window's first year, those of the window among them:
        computed once for each state of the contract."""
        year = window.start.year
        if year not in self.periods:
            whole = Period(date(year, 1, 1), date(year + 1, 1, 1))
            self.periods[year] = service_periods(contract, prices, whole)
        return self.periods[year]

    def take(self, event: UsageEvent) -> None:
        place = bisect_left(self.times, event.time)
        self.times.insert(place, event.time)
        self.events.insert(place, event)

    def used(self, start: datetime, end: datetime) -> list[UsageEvent]:
        """Return the events of a stretch of time."""
        return self.events[slice(*self._reach(start, end))]

    def used_count(self, start: datetime, end: datetime) -> int:
        first, last = self._reach(start, end)
        return last - first

    def _reach(self, start: datetime, end: datetime) -> tuple[int, int]:
        first = bisect_left(self.times, start)
        return first, bisect_left(self.times, end, lo=first)


def catalogue() -> Catalogue:
    """Two plans, each of three cycles, on the calendar's grid and by anniversaries. One of them
    asks for a fee alone."""
    plans = [
        f"{plan} {cycle} {anchor}"
        for plan in FEES
        for cycle in CYCLES
        for anchor in ("calendar", "anniversary")
    ]
    prices = []
    for code in plans:
        plan = code.split()[0]
        fee = {"model": "flat", "amount": f"{FEES[plan] // 100}.{FEES[plan] % 100:02}"}
        prices.append(PriceTerms(code, "fee", "fee", parse_price(fee)))
        if plan in USED:
            calls = {"model": "per_unit", "unit": f"0.{A_CALL:02}"}
            terms = PriceTerms(code, "calls", "calls", parse_price(calls), prorate="none",
                               meter="calls")  # fmt: skip
            prices.append(terms)
    return build(
        meters=[Meter("calls", "calls", "call", "sum")],
        plans=[PlanTerms(code, code, cycle=code.split()[1], anchor=code.split()[2])
               for code in plans],
        prices=prices,
        calendars={},
        revision=1,
    )  # fmt: skip


def take_in(db: Transaction, place: int, events: Iterable[UsageEvent]) -> Steps:
    """Accept each event of a batch once; the counter of versions is taken last."""
    yield None
    fresh = [one for one in events if db.get("event", one.id) is None]
    for event in fresh:
        db.insert("event", event.id, (place, event))
    if fresh:
        yield from _lock(db, ("usage",))
        db.put("counter", "usage", (db.get("counter", "usage") or 0) + 1)


def amend(db: Transaction, place: int, key: str, said: Said) -> Steps:
    """Record a change once for its key, under the next number of the subscription."""
    yield from _lock(db, ("subscription", place))
    if db.get("request", key) is None:
        db.insert("request", key, place)
        number = (db.get("amendments", place) or 0) + 1
        db.put("amendments", place, number)
        yield None
        db.insert("amendment", (place, number), replace(said, number=number))
    yield None


def credit(db: Transaction, key: str, document: Hashable, asked: int, on: date) -> Steps:
    """Credit the first line of a document once for its key, as far as it goes."""
    yield from _lock(db, ("document", document))
    row: DocumentRow = db.get("document", document)
    if db.get("request", key) is None:
        db.insert("request", key, document)
        taken = db.get("credited", document) or NOTHING
        given = credit_lines([row.lines[0]], [taken], [asked])[0]
        yield None
        if given.total > 0:
            db.put("credited", document, taken + given)
            yield from _issue(db, ("credit", key), row.subscription, [-given], on, document)
    yield None


def rate_some(
    db: Transaction,
    places: Sequence[int],
    subscribers: Sequence[Subscriber],
    prices: Catalogue,
    window: Period,
    clock: datetime,
) -> Steps:
    """Charge what is due of some subscriptions, and what is known to differ: one transaction."""
    for place in places:
        yield from _lock(db, ("subscription", place))
    yield None
    for place in places:
        subscriber = subscribers[place]
        contract = subscriber.contract(place)
        for service in _to_rate(db, place, subscriber, contract, prices, window, clock):
            _settle(db, place, subscriber, contract, service, prices, window)
        db.put("looked", place, (contract.terms_number, len(subscriber.events)))
    yield None


def invoice(db: Transaction, places: Sequence[int], window: Period) -> Steps:
    """Gather what is charged and not invoiced into documents, and issue them: one transaction."""
    yield from _lock(db, ("turn", window.start))
    found = {place: list(_not_invoiced(db, place, window)) for place in places}
    yield None
    on = window.end - timedelta(1)
    for place, rows in found.items():
        if rows:
            for key, _ in rows:
                db.insert("line", key, place)
            made = make_document([DocumentLine(row.amount, VAT) for _, row in rows])
            taxed = [line.taxed for line in made.lines]
            yield from _issue(db, (place, rows[0][0]), place, taxed, on, None)
    yield None


def _not_invoiced(
    db: Transaction, place: int, window: Period
) -> Iterable[tuple[Hashable, ChargeRow]]:
    charged: dict[Hashable, ChargeRow] = db.get("charged", place) or {}
    for key, row in charged.items():
        if row.billed_in == window.start and db.get("line", key) is None:
            yield key, row


def _lock(db: Transaction, key: Hashable) -> Steps:
    """Take a lock; another goes on meanwhile where somebody has it."""
    if not db.takes(key):
        yield key


def _issue(
    db: Transaction, key: Hashable, place: int, lines: Sequence[TaxedLine], on: date,
    corrects: Hashable,
) -> Steps:  # fmt: skip
    shares = tuple(Share(line.net, line.vat, on) for line in lines)
    entries = invoice_entries(InvoiceFact("RUB", on, shares))
    # The number comes last: its row is the one that every other issuer waits for.
    series = series_of(PATTERN, on=on)
    yield from _lock(db, ("series", series))
    number = (db.get("series", series) or 0) + 1
    db.put("series", series, number)
    text = number_text(series, number)
    row = DocumentRow(place, tuple(lines), total_of(lines), entries, text, on, corrects)
    db.insert("document", key, row)
    db.insert("number", text, key)


def _to_rate(
    db: Transaction, place: int, subscriber: Subscriber, contract: Contract, prices: Catalogue,
    window: Period, clock: datetime,
) -> Iterable[ServicePeriod]:  # fmt: skip
    memories: dict[date, Memory] = db.get("memory", place) or {}
    seen: set[date] = set()
    for service in subscriber.serviced(contract, prices, window):
        if due_in_arrears(service, window) and service.end <= clock:
            known = memories.get(service.key)
            seen.add(service.key)
            if known is None or _is_stale(known, subscriber, contract):
                yield service
    if db.get("looked", place) == (contract.terms_number, len(subscriber.events)):
        return  # nothing was learned of the others
    for key, known in memories.items():
        if key not in seen and _is_stale(known, subscriber, contract):
            again = subscriber.serviced(contract, prices, known.whole)
            yield next(one for one in again if one.key == key)


def _is_stale(known: Memory, subscriber: Subscriber, contract: Contract) -> bool:
    """Whether something was learned since that may change what the period costs."""
    if known.usage != subscriber.used_count(known.starts_at, known.ends_at):
        return True
    if known.terms == contract.terms_number:
        return False
    return any(n > known.terms and at < known.ends_at for n, at in contract.changes)


def _settle(
    db: Transaction, place: int, subscriber: Subscriber, contract: Contract,
    service: ServicePeriod, prices: Catalogue, window: Period,
) -> None:  # fmt: skip
    used = subscriber.used(service.start, service.end)
    rated = rate(contract, service, prices, Measured({"calls": used}), whens=ARREARS)
    wanted = {slot_of(one, "payer"): one for one in rated.charges}
    charged: dict[Hashable, ChargeRow] = dict(db.get("charged", place) or {})
    mine = [row for row in charged.values() if row.period == service.key]
    fresh, changed = differences(wanted, _standing(mine))
    for due in (*fresh, *changed):
        key = (place, service.key, due.slot, due.revision)
        charged[key] = _charge(place, window, service, due)
        db.insert("charge", key, charged[key])
    memories = dict(db.get("memory", place) or {})
    memories[service.key] = Memory(
        service.period, service.start, service.end, window.start, contract.terms_number, len(used)
    )
    db.put("memory", place, memories)
    db.put("charged", place, charged)


def _charge(place: int, window: Period, service: ServicePeriod, due: Due) -> ChargeRow:
    return ChargeRow(place, window.start, service.key, due.slot, due.revision, due.amount_minor,
                     due.gross_minor, due.units, due.events)  # fmt: skip


def _standing(rows: Iterable[ChargeRow]) -> dict[Slot, Standing]:
    found: dict[Slot, Standing] = {}
    for row in rows:
        before = found.get(row.slot)
        if before is None:
            taken = {"off": row.gross - row.amount}
            found[row.slot] = Standing(row.amount, row.units, row.events, row.revision, taken)
        else:
            taken = {"off": before.taken["off"] + row.gross - row.amount}
            found[row.slot] = Standing(
                before.amount_minor + row.amount, before.units + row.units,
                before.events + row.events, max(before.revision, row.revision), taken,
            )  # fmt: skip
    return found


def _contract(place: int, life: Life, said: Iterable[Said]) -> Contract:
    told = [
        Amendment(one.number, instant_of(one.day, life.zone), one.change, _value(one))
        for one in said
    ]
    spells = timeline(
        start=instant_of(life.start, life.zone),
        end=None,
        first=Terms(plan=life.plan, customer="payer"),
        amendments=told,
    )
    return Contract(str(place), str(place), life.zone, "RUB", spells,
                    terms_number=len(told), changes=counts_from(told))  # fmt: skip


def _value(said: Said) -> Any:
    return said.value if said.change == "plan" else {"code": "off", "percent": said.value}
