"""A subscription's events of a service period, and the quantities that a price reads from them.

A quantity of a stretch is an increment: what the stretch adds to what was counted since the
chain of its price began. For sums that is the stretch's own events; for a maximum or a count of
unique values it is how far the whole rose.
"""

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from zoneinfo import ZoneInfo

from kvit.core.catalogue import Catalogue, Meter, PriceTerms
from kvit.core.expression import ExpressionError
from kvit.core.money import NotANumber, parse_decimal
from kvit.core.pricing import Price, PricedEvent, PriceError, Quantity, Reading, Session, UsageItem
from kvit.core.pricing.composed import Composed
from kvit.core.schedule import Contract
from kvit.core.usage import (
    Aggregation,
    Group,
    NotMeasured,
    UsageEvent,
    aggregation,
    filtered,
    grouped,
)

ZERO = Fraction(0)
PERIODS = "periods"  # the counter of periods that came before
CARRYING = frozenset({"latest", "time_weighted", "difference"})
# What is added up over a period; others are compared as wholes.
_ADDING = frozenset({"sum", "count", "expression", "time_weighted"})
_LEVELS = frozenset({"latest", "time_weighted"})  # a level holds until the next event


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
            filters = dict(terms.filters) if meter == terms.meter else {}
            for place in range(first, last):
                if not filters or filtered([events[place]], filters):
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
    """Return the meters that a price reads: its own, those of capacity limits and of counters."""
    own = (terms.meter, *_limited(price)) if terms.meter else ()
    return tuple(dict.fromkeys((*own, *sorted(_counted(price)))))


def meters_read(contract: Contract, catalogue: Catalogue) -> tuple[str, ...]:
    """Return every meter that some plan of the subscription prices, whenever."""
    found: dict[str, None] = {}
    for spell in contract.spells:
        for plan in (spell.terms.plan, *(code for code, _ in spell.terms.add_ons)):
            for code in catalogue.plans_within(plan, date.max):
                for one in catalogue.prices.get(code, ()):
                    found |= dict.fromkeys(meters_of(one.price, one))
    return tuple(code for code in found if code in catalogue.meters)


def counters(
    price: Price,
    meters: Mapping[str, Meter],
    measured: Measured,
    *,
    start: datetime,
    end: datetime,
    period: tuple[datetime, datetime],
    periods_before: int,
    zone: str,
) -> dict[str, Fraction]:
    """Return the counters that a composed price names: what meters measured in [start, end), and
    how many periods came before. One that is neither is left out, and the price says so."""
    found = {}
    for name in _counted(price):
        if meter := meters.get(name):
            events = measured.between(name, start, end)
            before = measured.earlier(name, start)
            read = _Reader(meter, measured, start, start, end, period, ZoneInfo(zone))
            found[name] = read.units(_Found(events, events, before))
        elif name == PERIODS:
            found[name] = Fraction(periods_before)
    return found


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
    counters: Mapping[str, Fraction],
) -> list[tuple[str, Quantity, int]]:
    """Return (group, quantity of the stretch, number of its events).

    A price without groups has one, named "", even without events: a flat part is due all the same.
    """
    meter = meters.get(terms.meter)
    if meter is None:
        raise PriceError(
            "unknown_field", "meter", name=terms.meter, known=", ".join(sorted(meters))
        )
    found = _Found(
        _selected(terms, measured.between(meter.code, start, end)),
        _selected(terms, measured.between(meter.code, chain_start, end)),
        _selected(terms, measured.earlier(meter.code, start))
        if meter.aggregation in CARRYING
        else (),
    )
    read = _Reader(meter, measured, start, chain_start, end, period, ZoneInfo(zone))
    groups = {(): found} if not terms.group_by else found.parted(terms.group_by, meter)
    return [
        (
            _label(key),
            replace(
                read.quantity(price, part, meters),
                attributes={**attributes, **dict(key)},
                counters=counters,
            ),
            len(part.own),
        )
        for key, part in groups.items()
    ]


@dataclass(frozen=True, slots=True)
class _Found:
    """The events that a stretch reads: its own, those since its chain began (its own among them),
    and for a carrying meter those before it."""

    own: Sequence[UsageEvent]
    so_far: Sequence[UsageEvent]
    before: Sequence[UsageEvent] = ()

    def parted(self, by: Sequence[str], meter: Meter) -> dict[Group, "_Found"]:
        """Part by dimensions. A level that nobody touched since is a group like any other."""
        own, so_far = grouped(self.own, by), grouped(self.so_far, by)
        before = grouped(self.before, by)
        levels = {key for key, many in before.items() if _level(many)}
        keys = so_far.keys() | (levels if meter.aggregation in _LEVELS else set())
        return {
            key: _Found(own.get(key, ()), so_far.get(key, ()), before.get(key, ()))
            for key in sorted(keys)
        }


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
        found: _Found,
        meters: Mapping[str, Meter],
    ) -> Quantity:
        """Fill in the parts that the price reads."""
        reads, own = price.reads, found.own
        return Quantity(
            units=self.units(found) if "units" in reads else ZERO,
            events=tuple(map(_number, own)) if "events" in reads else (),
            usage=self.usage(found) if "usage" in reads else (),
            peaks=self.peaks(price, meters) if "peaks" in reads else {},
            sessions=tuple(map(self.session, own)) if "sessions" in reads else (),
            readings=tuple(map(self.reading, own)) if "readings" in reads else (),
            dynamic=tuple(map(_priced, own)) if "dynamic" in reads else (),
        )

    def units(self, found: _Found) -> Fraction:
        """Return the increment of units that the stretch brings.

        Raises:
            PriceError: the value of an event is no number, or the expression cannot be computed.
        """
        try:
            return self._units(found)
        except NotMeasured as error:
            raise PriceError(
                "not_a_number", "value", reason="event", value=str(error)[:80]
            ) from None
        except ExpressionError as error:
            raise PriceError(
                "bad_expression", "expression", position=error.position, detail=error
            ) from None

    def _units(self, found: _Found) -> Fraction:
        kind, own = self.meter.aggregation, found.own
        if kind == "difference":
            return _consumed(own, found.before)
        how = _aggregation(self.meter)
        if kind == "time_weighted":
            carried = _level(found.before)
            average = how.units(own, start=self.start, end=self.end, carried=carried)
            return average * _ratio(self.end - self.start, self.period[1] - self.period[0])
        if kind in _ADDING:
            return how.units(own, start=self.start, end=self.end)
        carried = _level(_until(found.before, self.chain_start)) if kind == "latest" else ZERO
        whole = how.units(found.so_far, start=self.chain_start, end=self.end, carried=carried)
        if self.start == self.chain_start:
            return whole
        before = _until(found.so_far, self.start)
        return whole - how.units(before, start=self.chain_start, end=self.start, carried=carried)

    def usage(self, found: _Found) -> tuple[UsageItem, ...]:
        """Return units by the values of the meter's dimensions."""
        parts = found.parted(self.meter.dimensions, self.meter)
        return tuple(UsageItem(key, self.units(part)) for key, part in parts.items())

    def peaks(self, price: Price, meters: Mapping[str, Meter]) -> dict[str, Fraction]:
        """Return what each meter of a capacity price reached since the chain began."""
        found = {}
        for code in _limited(price):
            if code in meters:
                events = self.measured.between(code, self.chain_start, self.end)
                before = self.measured.earlier(code, self.chain_start)
                read = replace(self, meter=meters[code], start=self.chain_start)
                found[code] = read.units(_Found(events, events, before))
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


def _counted(price: Price) -> frozenset[str]:
    """Return the counters named by a composed price."""
    return price.counters if isinstance(price, Composed) else frozenset()


def _limited(price: Price) -> tuple[str, ...]:
    """Return the meters named by the limits of a capacity price."""
    tiers = getattr(price, "tiers", ())
    named = {meter for tier in tiers for meter, _ in (getattr(tier, "limits", None) or ())}
    return tuple(sorted(named))


def _aggregation(meter: Meter) -> Aggregation:
    return aggregation(meter.aggregation, expression=meter.expression, dimensions=meter.dimensions)


def _until(events: Sequence[UsageEvent], moment: datetime) -> Sequence[UsageEvent]:
    return events[: bisect_left(events, moment, key=_time)]


def _time(one: UsageEvent) -> datetime:
    return one.time


def _number(one: UsageEvent) -> Fraction:
    if isinstance(one.value, str):
        shown = f"{one.id}: {one.value[:40]!r}"
        raise PriceError("not_a_number", "value", reason="event", value=shown)
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
