"""A subscription's events of a service period, and the quantities that a price reads from them.

A quantity of a stretch is an increment: what the stretch adds to what was counted since the
chain of its price began. For sums that is the stretch's own events; for a maximum or a count of
unique values it is how far the whole rose.
"""

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from zoneinfo import ZoneInfo

from kvit.core.catalogue import Catalogue, Meter, PriceTerms
from kvit.core.money import NotANumber, parse_decimal
from kvit.core.pricing import Price, PricedEvent, PriceError, Quantity, Reading, Session, UsageItem
from kvit.core.schedule import Contract
from kvit.core.usage import Aggregation, Group, UsageEvent, aggregation, filtered, grouped

ZERO = Fraction(0)
CARRYING = frozenset({"latest", "time_weighted", "difference"})
# What is added up over a period; others are compared as wholes.
_ADDING = frozenset({"sum", "count", "expression", "time_weighted"})


def event(
    time: datetime,
    event_id: str,
    value: Decimal | None,
    text: str | None,
    dimensions: Mapping[str, str],
) -> UsageEvent:
    """Make an event from what is stored; one without a value counts and has its text."""
    number: Fraction | str = Fraction(value) if value is not None else (text or "")
    return UsageEvent(time, event_id, number, tuple(sorted(dimensions.items())))


@dataclass(frozen=True, slots=True)
class Measured:
    """Events by meter, each list in (time, id) order; `before` holds those before the period that
    a carrying meter goes on from."""

    events: Mapping[str, Sequence[UsageEvent]] = field(default_factory=dict)
    before: Mapping[str, Sequence[UsageEvent]] = field(default_factory=dict)

    def between(self, meter: str, start: datetime, end: datetime) -> Sequence[UsageEvent]:
        """Return the events of [start, end)."""
        events = self.events.get(meter, ())
        return events[bisect_left(events, start, key=_time) : bisect_left(events, end, key=_time)]

    def earlier(self, meter: str, moment: datetime) -> Sequence[UsageEvent]:
        """Return what is known of the meter before a moment."""
        events = self.events.get(meter, ())
        return [*self.before.get(meter, ()), *events[: bisect_left(events, moment, key=_time)]]

    def marks(self) -> "Marks":
        """Return a sheet on which the events that some price asks for are marked."""
        return Marks(self, {meter: bytearray(len(many)) for meter, many in self.events.items()})


@dataclass(frozen=True, slots=True)
class Marks:
    """Which events are billed: one may be asked for by two prices and still counts once."""

    measured: Measured
    sheet: dict[str, bytearray]

    def cover(self, price: Price, terms: PriceTerms, start: datetime, end: datetime) -> None:
        """Mark what the price asks for in [start, end)."""
        for meter in meters_of(price, terms):
            events = self.measured.events.get(meter, ())
            first = bisect_left(events, start, key=_time)
            last = bisect_left(events, end, key=_time)
            for place in range(first, last):
                if not terms.filters or filtered([events[place]], dict(terms.filters)):
                    self.sheet[meter][place] = 1

    def counts(self, start: datetime, end: datetime) -> tuple[dict[str, int], dict[str, int]]:
        """Return (covered, not covered) events by meter within [start, end)."""
        covered, uncovered = {}, {}
        for meter, sheet in self.sheet.items():
            events = self.measured.events[meter]
            first = bisect_left(events, start, key=_time)
            part = sheet[first : bisect_left(events, end, key=_time)]
            covered[meter] = sum(part)
            uncovered[meter] = len(part) - covered[meter]
        return covered, uncovered


def meters_of(price: Price, terms: PriceTerms) -> tuple[str, ...]:
    """Return the meters that a price reads: its own, and those of capacity limits."""
    if not terms.meter:
        return ()
    return tuple(dict.fromkeys((terms.meter, *_limited(price))))


def meters_read(contract: Contract, catalogue: Catalogue) -> tuple[str, ...]:
    """Return every meter that some plan of the subscription prices, whenever."""
    found: dict[str, None] = {}
    for spell in contract.spells:
        for plan in (spell.terms.plan, *(code for code, _ in spell.terms.add_ons)):
            for code in catalogue.plans_within(plan, date.max):
                for one in catalogue.prices.get(code, ()):
                    found |= dict.fromkeys(meters_of(one.price, one))
    return tuple(code for code in found if code in catalogue.meters)


def quantities(
    price: Price,
    terms: PriceTerms,
    meters: Mapping[str, Meter],
    measured: Measured,
    *,
    start: datetime,
    end: datetime,
    chain_start: datetime,
    period: tuple[datetime, datetime],
    zone: str,
    attributes: Mapping[str, Fraction | str],
) -> list[tuple[str, Quantity, int]]:
    """Return (group, quantity of the stretch, number of its events).

    A price without groups has one, named "", even without events: a flat part is due all the same.
    """
    meter = meters[terms.meter]
    events = _selected(terms, measured.between(meter.code, start, end))
    whole = _selected(terms, measured.between(meter.code, chain_start, end))
    if not terms.group_by:
        groups = {"": (events, whole)}
    else:
        mine = grouped(events, terms.group_by)
        all_of = grouped(whole, terms.group_by)
        groups = {_label(key): (mine.get(key, []), all_of[key]) for key in sorted(all_of)}
    read = _Reader(meter, measured, start, chain_start, end, period, ZoneInfo(zone))
    return [
        (group, read.quantity(price, own, so_far, meters, attributes), len(own))
        for group, (own, so_far) in groups.items()
    ]


@dataclass(frozen=True, slots=True)
class _Reader:
    """Reads one stretch: [start, end) of a chain that began at `chain_start`."""

    meter: Meter
    measured: Measured
    start: datetime
    chain_start: datetime
    end: datetime
    period: tuple[datetime, datetime]
    zone: ZoneInfo

    def quantity(
        self,
        price: Price,
        own: Sequence[UsageEvent],
        so_far: Sequence[UsageEvent],
        meters: Mapping[str, Meter],
        attributes: Mapping[str, Fraction | str],
    ) -> Quantity:
        """Fill in the parts that the price reads."""
        reads = price.reads
        numbers = tuple(map(_number, own)) if reads & {"events", "dynamic"} else ()
        return Quantity(
            units=self.units(own, so_far) if "units" in reads else ZERO,
            events=numbers if "events" in reads else (),
            usage=self.usage(own, so_far) if "usage" in reads else (),
            peaks=self.peaks(price, meters) if "peaks" in reads else {},
            sessions=tuple(map(self.session, own)) if "sessions" in reads else (),
            readings=tuple(map(self.reading, own)) if "readings" in reads else (),
            dynamic=tuple(map(_priced, own)) if "dynamic" in reads else (),
            attributes=dict(attributes),
        )

    def units(self, own: Sequence[UsageEvent], so_far: Sequence[UsageEvent]) -> Fraction:
        """Return the increment of units that the stretch brings."""
        kind = self.meter.aggregation
        earlier = self.measured.earlier(self.meter.code, self.start)
        if kind == "difference":
            return _consumed(own, earlier)
        how = _aggregation(self.meter)
        if kind == "time_weighted":
            average = how.units(own, start=self.start, end=self.end, carried=_level(earlier))
            return average * _ratio(self.end - self.start, self.period[1] - self.period[0])
        if kind in _ADDING:
            return how.units(own, start=self.start, end=self.end)
        level = _level(self.measured.earlier(self.meter.code, self.chain_start))
        carried = level if kind == "latest" else ZERO
        whole = how.units(so_far, start=self.chain_start, end=self.end, carried=carried)
        if self.start == self.chain_start:
            return whole
        before = so_far[: len(so_far) - len(own)]
        return whole - how.units(before, start=self.chain_start, end=self.start, carried=carried)

    def usage(
        self, own: Sequence[UsageEvent], so_far: Sequence[UsageEvent]
    ) -> tuple[UsageItem, ...]:
        """Return units by the values of the meter's dimensions."""
        mine = grouped(own, self.meter.dimensions)
        everything = grouped(so_far, self.meter.dimensions)
        return tuple(UsageItem(key, self.units(mine[key], everything[key])) for key in mine)

    def peaks(self, price: Price, meters: Mapping[str, Meter]) -> dict[str, Fraction]:
        """Return what each meter of a capacity price reached since the chain began."""
        found = {}
        for code in _limited(price):
            if code in meters:
                events = self.measured.between(code, self.chain_start, self.end)
                how = _aggregation(meters[code])
                found[code] = how.units(events, start=self.chain_start, end=self.end)
        return found

    def session(self, one: UsageEvent) -> Session:
        """Read a call: the value is its seconds, `destination` a dimension."""
        destination = dict(one.dimensions).get("destination", "")
        return Session(one.time.astimezone(self.zone), _number(one), destination)

    def reading(self, one: UsageEvent) -> Reading:
        """Read an interval: its time is its start on the customer's wall."""
        return Reading(one.time.astimezone(self.zone), _number(one))


def _selected(terms: PriceTerms, events: Sequence[UsageEvent]) -> Sequence[UsageEvent]:
    return filtered(events, dict(terms.filters)) if terms.filters else events


def _label(key: Group) -> str:
    return ", ".join(f"{name}={value}" for name, value in key)


def _limited(price: Price) -> tuple[str, ...]:
    """Return the meters named by the limits of a capacity price."""
    tiers = getattr(price, "tiers", ())
    named = {meter for tier in tiers for meter in (getattr(tier, "limits", None) or ())}
    return tuple(sorted(named))


def _aggregation(meter: Meter) -> Aggregation:
    return aggregation(meter.aggregation, expression=meter.expression, dimensions=meter.dimensions)


def _time(one: UsageEvent) -> datetime:
    return one.time


def _number(one: UsageEvent) -> Fraction:
    if isinstance(one.value, str):
        raise PriceError("not_a_number", "value", value=one.value[:40])
    return one.value


def _priced(one: UsageEvent) -> PricedEvent:
    """An event that brings its own amount: in the dimension `amount`, else as its value."""
    own = dict(one.dimensions).get("amount")
    if own is None:
        return PricedEvent(ZERO, _number(one))
    try:
        return PricedEvent(_number(one), parse_decimal(own))
    except NotANumber:
        raise PriceError("not_a_number", "amount", value=own[:40]) from None


def _level(earlier: Sequence[UsageEvent]) -> Fraction:
    return _number(earlier[-1]) if earlier else ZERO


def _ratio(part: timedelta, whole: timedelta) -> Fraction:
    tick = timedelta(microseconds=1)
    return Fraction(part // tick, whole // tick)


def _consumed(own: Sequence[UsageEvent], earlier: Sequence[UsageEvent]) -> Fraction:
    """Add up what a cumulative meter showed more from reading to reading.

    The dimension `serial` tells a replaced meter from the old one: the first reading of a serial
    number is where it starts, not what it used.
    """
    last: dict[str, Fraction] = {}
    for one in earlier:
        last[dict(one.dimensions).get("serial", "")] = _number(one)
    consumed = ZERO
    for one in own:
        serial = dict(one.dimensions).get("serial", "")
        value = _number(one)
        consumed += value - last.get(serial, value)
        last[serial] = value
    return consumed
