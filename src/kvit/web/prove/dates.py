"""R10: billing periods tile time, for every anchor day, interval and time zone.

For each zone, each anchor day 1–31 and each of six intervals: 28 periods in a row, somewhere in the
thirty years from an anchor in 2020–2027, and beside them two anchors of the kind of Lago #6173 (a
leap day, the end of a month) for forty years. Asked of each boundary:

    it is where the calendar says (counted anew here, from the anchor alone: no drift)
    the period before it ends on it, and the next begins on it (no gap, no overlap)
    `index_of` finds the period of its first and its last day
    its instant is the first moment at which the zone's clocks show that day or a later one
    instants rise as days do
"""

import hashlib
from calendar import monthrange
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from random import Random
from typing import get_args
from zoneinfo import ZoneInfo, available_timezones

from kvit.core.periods import Anchor, Cycle, Interval, instant_of
from kvit.web.prove.outcome import Outcome, Part, chance_of, gathered, spread

INTERVALS: tuple[Interval, ...] = ("day", "week", "month", "quarter", "half-year", "year")
ANCHORS: tuple[Anchor, ...] = get_args(Anchor)
PERIODS = 28  # in a row, of one case
DAYS = range(1, 32)
FIRST_YEAR, YEARS = 2020, 30
LEAP_DAYS = (date(2020, 2, 29), date(2024, 2, 29), date(2028, 2, 29))
MONTH_ENDS = (date(2023, 12, 31), date(2024, 1, 31), date(2024, 1, 30), date(2027, 8, 31))
EDGES = 2  # of these for each interval
FORTY_YEARS = 40
_MONTHS = {"month": 1, "quarter": 3, "half-year": 6, "year": 12}
_SPAN = {"day": 1, "week": 7}
_SECOND = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class _Job:
    seed: int
    zone: str
    periods: int


def prove(*, seed: int, size: int) -> Outcome:
    """Try about `size` boundaries: so many zones whole, and where all are taken, longer rows."""
    zones = sorted(available_timezones() - {"localtime", "Factory"})
    edges = sum(EDGES * _forty_years(Cycle(interval)) for interval in INTERVALS)
    rows = len(DAYS) * len(INTERVALS)
    wanted = max(1, round(size / (rows * PERIODS + edges)))
    periods = max(PERIODS, -(-(size // len(zones) - edges) // rows))
    chosen = sorted(chance_of(seed, "zones").sample(zones, min(wanted, len(zones))))
    parts = spread(_prove_zone, [_Job(seed, zone, periods) for zone in chosen])
    return gathered("dates", parts, seed=seed, size=size)


def _prove_zone(job: _Job) -> Part:
    part, chance, digest = Part(), chance_of(job.seed, job.zone), hashlib.sha256()
    part.figures["zones"] = 1
    midnights = _Midnights(job.zone, part)
    for cycle, anchor, first, periods in _cases(chance, job.periods):
        part.figures["cases"] += 1
        for fault in _walk(cycle, anchor, first, periods, midnights):
            part.violations.append(f"{job.zone}, {cycle.anchor} {cycle} from {anchor}: {fault}")
        if part.is_enough:
            break
        part.figures["boundaries"] += periods
        digest.update(f"{cycle}{anchor}{first}{cycle.boundary(anchor, first)}".encode())
    part.trace = digest.hexdigest()
    return part


def _cases(chance: Random, periods: int) -> Iterator[tuple[Cycle, date, int, int]]:
    """Yield (cycle, anchor date, number of the first period, how many)."""
    for interval in INTERVALS:
        for day in DAYS:
            anchor = _some_month(chance, day)
            # Three of four by the anniversary: the calendar's grid has no day to lose.
            cycle = Cycle(interval, 1, chance.choice((*ANCHORS, "anniversary", "anniversary")))
            most = YEARS * 365 // _length(cycle) - periods
            yield cycle, anchor, chance.randrange(max(1, most)), periods
        for anchor in (chance.choice(LEAP_DAYS), chance.choice(MONTH_ENDS)):
            cycle = Cycle(interval, 1, "anniversary")
            yield cycle, anchor, 0, _forty_years(cycle)


def _walk(
    cycle: Cycle, anchor: date, first: int, periods: int, midnights: "_Midnights"
) -> Iterator[str]:
    before = None
    for k in range(first, first + periods):
        period = cycle.period(anchor, k)
        start, end = period.start, period.end
        wanted = _counted(cycle, anchor, k)
        if start != wanted:
            yield f"period {k} begins on {start}, the calendar says {wanted}"
        if before is not None and before != start:
            yield f"period {k} begins on {start}, the one before it ended on {before}"
        if not start < end:
            yield f"period {k} is {period}"
        if cycle.index_of(anchor, start) != k or cycle.index_of(anchor, end - timedelta(1)) != k:
            yield f"the days of period {k}, {period}, are not found in it"
        if not midnights.instant(start) < midnights.instant(end):
            yield f"period {k} is {period}, and no time"
        before = end


class _Midnights:
    """The instants at which a zone's days begin, each looked at once."""

    def __init__(self, zone: str, part: Part) -> None:
        self._zone, self._where, self._part = zone, ZoneInfo(zone), part
        self._known: dict[date, datetime] = {}

    def instant(self, day: date) -> datetime:
        known = self._known.get(day)
        if known is None:
            known = self._known[day] = instant_of(day, self._zone)
            self._part.figures["instants"] += 1
            midnight = datetime.combine(day, time())
            if not self._shows(known - _SECOND) < midnight <= self._shows(known):
                self._part.violations.append(f"{self._zone}: {day} does not begin at {known}")
        return known

    def _shows(self, instant: datetime) -> datetime:
        return instant.astimezone(self._where).replace(tzinfo=None)


def _counted(cycle: Cycle, anchor: date, k: int) -> date:
    """Count the first day of period `k` by the calendar, knowing nothing of `Cycle`'s way."""
    interval, grid = cycle.interval, cycle.anchor == "calendar"
    if interval in _SPAN:
        back = anchor.weekday() if grid and interval == "week" else 0
        return date.fromordinal(anchor.toordinal() - back + k * _SPAN[interval])
    months = _MONTHS[interval]
    month = anchor.month - 1
    origin = month - month % months if grid else month
    year, month = divmod(anchor.year * 12 + origin + k * months, 12)
    day = 1 if grid else anchor.day
    return date(year, month + 1, min(day, monthrange(year, month + 1)[1]))


def _some_month(chance: Random, day: int) -> date:
    """A date with that day of the month, in a month that has it."""
    while True:
        year, month = FIRST_YEAR + chance.randrange(8), chance.randrange(12) + 1
        if day <= monthrange(year, month)[1]:
            return date(year, month, day)


def _forty_years(cycle: Cycle) -> int:
    return FORTY_YEARS * 12 // (cycle.months or 12)


def _length(cycle: Cycle) -> int:
    return cycle.months * 31 or _SPAN[cycle.interval]
