"""Which service periods a subscription has, and which of them a billing period must charge.

A worked example. Plan of a month on the calendar, begun on 10 September, cancelled on 20 October;
billing period October:

    [1 Sep, 1 Oct)  served [10 Sep, 1 Oct)    ends in September, not now
    [1 Oct, 1 Nov)  served [1 Oct, 20 Oct)    ends in October: arrears are due, 19 days of 31

A change of plan that keeps the cycle continues its periods; one that brings another cycle begins
a new count of periods at its moment, and the last old period is served up to it.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from itertools import count, pairwise

from kvit.core.catalogue import Catalogue
from kvit.core.periods import Cycle, Period, instant_of, local_date, parse_cycle
from kvit.core.terms import Spell

LIMITATION_YEARS = 3  # how far back a change may reach (ГК РФ ст. 196)


@dataclass(frozen=True, slots=True)
class Contract:
    """One subscription as the arithmetic sees it; ids are opaque strings."""

    id: str
    code: str
    zone: str
    currency: str
    spells: tuple[Spell, ...]
    milestones: tuple[tuple[datetime, str], ...] = ()
    terms_number: int = 0
    changes: tuple[tuple[int, datetime], ...] = ()  # (number, from when it counts) of amendments


@dataclass(frozen=True, slots=True)
class ServicePeriod:
    """A period of the plan's cycle and the part of it that is served.

    `period` is the whole period by which a share is counted; [start, end) is what of it lies
    within the subscription's life, as instants and as local days. `index` counts from the first
    period of this cycle, which is 0.
    """

    period: Period
    index: int
    start: datetime
    end: datetime
    served: Period
    cycle: Cycle
    anchor: date

    @property
    def key(self) -> date:
        """The first day served, by which it is known among the subscription's service periods.

        Not the first day of the whole period: where the cycle changed, two may share that.
        """
        return self.served.start

    def periods_since(self, day: date) -> int:
        """How many periods of this cycle lie between the one that contains `day` and this one."""
        first = self.cycle.index_of(self.anchor, day)
        return self.cycle.index_of(self.anchor, self.period.start) - first


@dataclass(frozen=True, slots=True)
class _Epoch:
    """A stretch of life under one cycle."""

    cycle: Cycle
    anchor: date
    start: datetime
    end: datetime | None


def service_periods(
    contract: Contract, catalogue: Catalogue, window: Period
) -> tuple[ServicePeriod, ...]:
    """Return the service periods that touch `window` (local days), in order of time.

    One that ends on the window's first day is returned as well: its last midnight is the
    window's, and the caller decides by `due_in_arrears`.
    """
    found: list[ServicePeriod] = []
    for epoch in _epochs(contract, catalogue):
        found += _periods_of(epoch, contract.zone, window)
    return tuple(found)


def reach_of_changes(day: date) -> date:
    """Return how far back a bill of `day` looks for what has changed or was left out."""
    return day.replace(year=day.year - LIMITATION_YEARS, day=min(day.day, 28))


def due_in_arrears(service: ServicePeriod, window: Period) -> bool:
    """Whether the service ends in the window; an end at the window's last midnight counts."""
    return window.start < service.served.end <= window.end


def due_in_advance(service: ServicePeriod, window: Period) -> bool:
    """Whether the service starts in the window."""
    return service.served.start in window


def _epochs(contract: Contract, catalogue: Catalogue) -> Sequence[_Epoch]:
    epochs: list[_Epoch] = []
    for spell in contract.spells:
        if spell.terms.state == "ended":
            continue
        day = local_date(spell.start, contract.zone)
        plan = catalogue.plan_on(spell.terms.plan, day)
        if plan is None:
            continue
        cycle = parse_cycle(plan.cycle, plan.anchor)
        last = epochs[-1] if epochs else None
        # Periods are made of days: the day that brings another cycle is wholly of the new one.
        at = spell.start if last is None else instant_of(day, contract.zone)
        if last and last.cycle == cycle:
            epochs[-1] = replace(last, end=spell.end)
        elif last and at <= last.start:
            epochs[-1] = replace(last, cycle=cycle, end=spell.end)
        else:
            if last:
                epochs[-1] = replace(last, end=at if last.end is None else min(last.end, at))
            epochs.append(_Epoch(cycle, _listed(cycle, day), at, spell.end))
    return epochs


def _periods_of(epoch: _Epoch, zone: str, window: Period) -> Sequence[ServicePeriod]:
    first_day = local_date(epoch.start, zone)
    last_day = None if epoch.end is None else _day_after(epoch.end, zone)
    start = max(window.start, first_day)
    if last_day is not None and last_day < window.start:
        return []
    if epoch.cycle.dates and first_day >= epoch.cycle.dates[-1]:
        return []
    begin = epoch.cycle.index_of(epoch.anchor, _listed(epoch.cycle, start))
    origin = epoch.cycle.index_of(epoch.anchor, _listed(epoch.cycle, first_day))
    found: list[ServicePeriod] = []
    # The period before may end exactly on the window's first day.
    for index, period in _periods_from(epoch, max(begin - 1, origin)):
        if period.start >= window.end or (last_day is not None and period.start >= last_day):
            return found
        starts = max(period.start_instant(zone), epoch.start)
        ends = period.end_instant(zone)
        if epoch.end is not None:
            ends = min(ends, epoch.end)
        served = Period(
            max(period.start, first_day),
            period.end if last_day is None else min(period.end, last_day),
        )
        if served.end >= window.start and starts < ends:
            found.append(
                ServicePeriod(
                    period, index - origin, starts, ends, served, epoch.cycle, epoch.anchor
                )
            )
    return found


def _periods_from(epoch: _Epoch, index: int) -> Iterator[tuple[int, Period]]:
    """Yield (number, period) from `index` on; a cycle of listed dates ends with its last date."""
    numbers: Iterable[int] = count(index)
    if epoch.cycle.dates:
        last = epoch.cycle.index_of(epoch.anchor, _listed(epoch.cycle, date.max))
        numbers = range(index, last + 1)
    boundaries = pairwise(epoch.cycle.boundary(epoch.anchor, k) for k in count(index))
    for number, (start, end) in zip(numbers, boundaries, strict=False):
        yield number, Period(start, end)


def _listed(cycle: Cycle, day: date) -> date:
    """Return the day, or the nearest one that a cycle of listed dates covers."""
    if not cycle.dates:
        return day
    return min(max(day, cycle.dates[0]), cycle.dates[-1] - timedelta(days=1))


def _day_after(instant: datetime, zone: str) -> date:
    """The first local day that is not served when service stops at `instant`."""
    day = local_date(instant, zone)
    if instant_of(day, zone) == instant:
        return day
    return date.fromordinal(day.toordinal() + 1)
