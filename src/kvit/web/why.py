"""Down from a line's sum to what was measured: days, the events of a day, one raw record.

The first level is `explaining.tree`. Here are the next three. Each says whether its parts add up to
the figure that was opened: days to the charge's quantity and events, a day's events to the day.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from uuid import UUID

from kvit.core.periods import local_date
from kvit.core.usage import UsageEvent
from kvit.invoicing import queries as invoicing
from kvit.metering import queries as metering
from kvit.metering.queries import EventView
from kvit.rating.explain import Explained, explain

ADDED_UP = frozenset({"sum", "count"})  # of other aggregations days do not make the whole
SHOWN = 100  # events of a day on one page


@dataclass(frozen=True, slots=True)
class DayOfUsage:
    """A local day's events behind a charge; `quantity` where the aggregation adds up."""

    day: date
    events: int
    quantity: Fraction | None


@dataclass(frozen=True, slots=True)
class Days:
    """The usage behind a charge by day, with Σ; `units` is what the price was asked for.

    `is_whole`: the days hold every event of the charge. `is_charged`: Σ is what was charged; some
    prices count otherwise (packages begun, a level over time), and then the line says how.
    """

    meter: str
    unit: str
    aggregation: str
    zone: str
    rows: tuple[DayOfUsage, ...]
    events: int
    quantity: Fraction | None
    units: Fraction
    is_whole: bool
    is_charged: bool


@dataclass(frozen=True, slots=True)
class EventOfDay:
    """One event behind a charge. `is_late`: it came after the first charge of its stretch."""

    source: str
    id: str
    event: UsageEvent
    is_late: bool


@dataclass(frozen=True, slots=True)
class DayEvents:
    """The events of one day behind a charge, a page of them, with Σ of the whole day."""

    day: date
    unit: str
    count: int
    quantity: Fraction | None
    rows: tuple[EventOfDay, ...]
    next: int | None  # how many were shown by now, where there are more


def charge_of_line(invoice_id: UUID, position: int) -> UUID | None:
    """Return the charge behind a line; None of a correction's line."""
    for info in invoicing.by_ids([invoice_id]):
        for line in info.lines:
            if line.position == position:
                return line.charge_id
    return None


def days_of(charge_id: UUID) -> Days:
    """Return the usage behind a charge by local day of the customer."""
    found = explain(charge_id)
    kind, unit, meter = _measure(found)
    rows = [_day(day, events, kind) for day, events in _parted(found).items()]
    quantity = None
    if kind in ADDED_UP:
        quantity = sum((row.quantity for row in rows if row.quantity is not None), Fraction(0))
    units = Fraction(0) if found.computed is None else found.computed.units
    return Days(
        meter=meter,
        unit=unit,
        aggregation=kind,
        zone=found.contract.zone,
        rows=tuple(rows),
        events=len(found.events),
        quantity=quantity,
        units=units,
        is_whole=sum(row.events for row in rows) == len(found.events),
        is_charged=quantity == units,
    )


def events_of(charge_id: UUID, day: date, *, skip: int = 0) -> DayEvents:
    """Return the events of a day behind a charge, in order of time."""
    found = explain(charge_id)
    kind, unit, _ = _measure(found)
    events = _parted(found).get(day, [])
    whole = _day(day, events, kind)
    page = events[skip : skip + SHOWN]
    # Sources number their events by themselves: the moment tells two of one id apart.
    views = {
        (view.event_id, view.time): view
        for view in metering.last_views([one.id for one in page]).values()
    }
    first = min((one.usage_version for one in found.revisions), default=0)
    rows = tuple(
        EventOfDay(
            view.source if view else "", one.id, one, view is not None and view.version > first
        )
        for one, view in ((one, views.get((one.id, one.time))) for one in page)
    )
    more = skip + SHOWN
    return DayEvents(day, unit, whole.events, whole.quantity, rows,
                     more if more < len(events) else None)  # fmt: skip


def record_of(source: str, event_id: str) -> list[EventView]:
    """Return the raw record of an event, then those that replaced it."""
    return metering.event(source, event_id)


def _measure(found: Explained) -> tuple[str, str, str]:
    if found.computed is None:
        return "", "", ""
    meter = found.catalogue.meters.get(found.computed.stretch.terms.meter)
    return (meter.aggregation, meter.unit, meter.name or meter.code) if meter else ("", "", "")


def _parted(found: Explained) -> dict[date, list[UsageEvent]]:
    days: dict[date, list[UsageEvent]] = {}
    for event in found.events:
        days.setdefault(local_date(event.time, found.contract.zone), []).append(event)
    return days


def _day(day: date, events: Sequence[UsageEvent], kind: str) -> DayOfUsage:
    quantity: Fraction | None = None
    if kind == "sum":
        quantity = sum((_number(one) for one in events), Fraction(0))
    elif kind == "count":
        quantity = Fraction(len(events))
    return DayOfUsage(day, len(events), quantity)


def _number(event: UsageEvent) -> Fraction:
    return event.value if isinstance(event.value, Fraction) else Fraction(0)
