"""A charge priced once more by the slow oracle, which shares no code with the engine.

Events are put together by hand here, not by the aggregations: sums, counts and maxima, events one
by one, readings, calls, units by dimension. Where a meter adds up otherwise (an average level,
readings that are subtracted), the engine's units are believed and the price alone is checked.
The oracle is not asked about prices by destination, and about counters of such meters.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from fractions import Fraction
from typing import Any
from zoneinfo import ZoneInfo

from kvit.core.money import exact_text, exponent
from kvit.core.oracle import price_document
from kvit.core.oracle.whole import BY_UNITS
from kvit.core.periods import local_date
from kvit.core.pricing.composed import Composed
from kvit.core.stretches import Charge
from kvit.core.usage import UsageEvent
from kvit.rating import _pools
from kvit.rating.explain import Explained, events_of

ASKED = frozenset({
    "flat", *BY_UNITS, "allowance", "percentage", "dynamic", "matrix", "timed", "banded",
    "capacity", "composed",
})  # fmt: skip
ZERO = Fraction(0)
CLOCKED = frozenset({"timed", "banded", "composed"})
BY_HAND = frozenset({"sum", "count", "max"})
Quantity = dict[str, Any]


class _NotAsked(Exception):
    """Something that the oracle cannot be told."""


def gross_slowly(found: Explained) -> Fraction | None:
    """Return what the charge costs before discounts, in major units; None: the oracle is not
    asked about such a price."""
    charge = found.computed
    if charge is None or not charge.stretch.terms.version_id:
        return None
    if charge.stretch.price.model not in ASKED:
        return None
    try:
        if not charge.stretch.terms.meter:
            return _cost(found, charge, _of_fee(found, charge)) * charge.share
        return _of_usage(found, charge)
    except _NotAsked:
        return None


def _of_fee(found: Explained, charge: Charge) -> Quantity:
    stretch = charge.stretch
    assert found.service is not None  # a charge was computed
    until = found.service.end if stretch.when == "arrears" else found.service.start
    units = stretch.quantity if stretch.terms.counts_quantity else Fraction(1)
    return {"units": exact_text(units), **_circumstances(found, charge, until)}


def _of_usage(found: Explained, charge: Charge) -> Fraction:
    """What all costs by the end of the stretch, less what it cost by its beginning."""
    chain = _chain(found, charge)
    whole = _cost(found, charge, _quantity(found, charge, chain)) * charge.share
    if len(chain) == 1:
        return whole
    before = _quantity(found, charge, chain[:-1])
    return whole - _cost(found, charge, before) * chain[-2].share


def _chain(found: Explained, charge: Charge) -> Sequence[Charge]:
    """Return the charges since the price began to count, this one last."""
    place = found.chain.index(charge)
    first = place
    while first > 0:
        one, other = found.chain[first - 1].stretch, found.chain[first].stretch
        if one.price != other.price and not other.terms.continues:
            break
        if one.price != other.price:
            raise _NotAsked  # what an idle stretch was charged by another price is its own story
        first -= 1
    return found.chain[first : place + 1]


def _cost(found: Explained, charge: Charge, quantity: Quantity) -> Fraction:
    document = dict(charge.stretch.price.document())
    digits = exponent(found.contract.currency)
    return price_document(
        document, quantity, minor_digits=digits, holidays=_holidays(found, charge)
    ).exact


def _quantity(found: Explained, charge: Charge, chain: Sequence[Charge]) -> Quantity:
    """Put together what the stretches of the chain used."""
    stretch, last = charge.stretch, chain[-1]
    events = [event for one in chain for event in _own(found, one)]
    zone = ZoneInfo(found.contract.zone)
    reads = stretch.price.reads
    quantity = _circumstances(found, charge, last.stretch.end)
    if grants := _pools.kept(found.pins.given).get(found.pins.price_key):
        quantity["carried"] = [exact_text(grants)]
    elif getattr(stretch.price, "carry_periods", 0):
        raise _NotAsked  # what earlier periods left over
    if "units" in reads:
        quantity["units"] = exact_text(_units(found, stretch.terms.meter, events, chain))
    if "events" in reads:
        quantity["events"] = [str(one.value) for one in events]
    if "dynamic" in reads:
        quantity["events"] = [_priced(one) for one in events]
    if "usage" in reads:
        quantity["usage"] = _by_dimension(found, stretch.terms.meter, events)
    if "readings" in reads:
        quantity["readings"] = [
            {"start": one.time.astimezone(zone).isoformat(), "units": str(one.value)}
            for one in events
        ]
    if "sessions" in reads:
        quantity["sessions"] = [
            {"start": one.time.astimezone(zone).isoformat(), "seconds": str(one.value)}
            for one in events
        ]
    if "peaks" in reads:
        since = chain[0].stretch.start
        document: Any = stretch.price.document()
        meters = {name for tier in document["tiers"] for name in tier["limits"] or ()}
        quantity["peaks"] = {
            meter: exact_text(_by_hand(found, meter, found.measured.between(
                meter, since, last.stretch.end)))
            for meter in meters
        }  # fmt: skip
    return quantity


def _own(found: Explained, charge: Charge) -> Sequence[UsageEvent]:
    """Return the events of the price's own meter."""
    meter = charge.stretch.terms.meter
    start, end = charge.stretch.start, charge.stretch.end
    own = set(found.measured.between(meter, start, end))
    return [one for one in events_of(charge, found.measured) if one in own]


def _units(
    found: Explained, meter: str, events: Sequence[UsageEvent], chain: Sequence[Charge]
) -> Fraction:
    """Add the events up, where adding is what the meter does."""
    if found.catalogue.meters[meter].aggregation in BY_HAND:
        return _by_hand(found, meter, events)
    return sum((one.units for one in chain), ZERO)


def _by_hand(found: Explained, meter: str, events: Sequence[UsageEvent]) -> Fraction:
    kind = found.catalogue.meters[meter].aggregation
    if kind == "count":
        return Fraction(len(events))
    values = [Fraction(one.value) for one in events]
    if kind == "max":
        return max(values, default=ZERO)
    if kind != "sum":
        raise _NotAsked
    return sum(values, ZERO)


def _by_dimension(
    found: Explained, meter: str, events: Sequence[UsageEvent]
) -> list[dict[str, Any]]:
    names = found.catalogue.meters[meter].dimensions
    groups: dict[tuple[tuple[str, str], ...], list[UsageEvent]] = defaultdict(list)
    for one in events:
        values = dict(one.dimensions)
        groups[tuple((name, values.get(name, "")) for name in sorted(names))].append(one)
    return [
        {"dimensions": dict(key), "units": exact_text(_by_hand(found, meter, many))}
        for key, many in groups.items()
    ]


def _priced(one: UsageEvent) -> dict[str, str]:
    own = dict(one.dimensions).get("amount")
    return {"units": str(one.value), "amount": str(one.value) if own is None else own}


def _circumstances(found: Explained, charge: Charge, until: datetime) -> Quantity:
    """Return attributes and counters, where the price reads any."""
    stretch = charge.stretch
    if not isinstance(stretch.price, Composed):
        return {}
    assert found.service is not None  # a charge was computed
    about: Mapping[str, str] = found.pins.given.get("about", {}).get(stretch.customer, {})
    group = dict(part.split("=", 1) for part in charge.group.split(", ") if "=" in part)
    counters = {}
    for name in stretch.price.counters:
        if name in found.catalogue.meters:
            events = found.measured.between(name, found.service.start, until)
            counters[name] = _by_hand(found, name, events)
        else:
            began = local_date(found.contract.spells[0].start, found.contract.zone)
            counters[name] = Fraction(found.service.periods_since(began))
    plan = stretch.terms.plan
    return {
        "attributes": {**about, "plan": plan, **stretch.attributes, **group},
        "counters": counters,
    }


def _holidays(found: Explained, charge: Charge) -> frozenset[date]:
    """Return the holidays of the service period, and of the day after: a call may last."""
    stretch = charge.stretch
    calendar = found.catalogue.calendar(stretch.terms.calendar or stretch.plan.calendar)
    if calendar is None or found.service is None or stretch.price.model not in CLOCKED:
        return frozenset()
    first, zone = found.service.start, found.contract.zone
    days = (found.service.end - first).days + 3
    every = (local_date(first + timedelta(days=n), zone) for n in range(days))
    return frozenset(day for day in every if calendar.is_holiday(day))
