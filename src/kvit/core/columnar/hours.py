"""Hours of bands as a line of time: what the wall clock says of a moment, found by one search.

A worked example, peak 08:00-20:00, Moscow, one day (UTC):

    from 21:00 off-peak · from 05:00 peak · from 17:00 off-peak · from 21:00 the next day …

Borders are midnights, ends of bands and moments at which clocks are moved; between two of them a
session runs through one band by one clock.
"""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cached_property, lru_cache
from typing import Final
from zoneinfo import ZoneInfo

import numpy as np

from kvit.core.columnar.exact import NotColumnar
from kvit.core.columnar.runs import Rows
from kvit.core.pricing.bands import DAY, Banding, HolidayCalendar, band_at

SPAN: Final = 2**47  # microseconds that a line may have: four years
MOST_SCHEDULES: Final = 2**14
LONGEST: Final = 800 * DAY  # of a line that is drawn: a stretch takes microseconds to make
_TICK_BITS: Final = 30  # a tick of 18 minutes, within which there is rarely more than one border
_MOST_TICKS: Final = 2**20  # of all schedules: of more of them ticks are longer
NEVER: Final = 2**62  # after every key
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_EPOCH_DAY: Final = _EPOCH.toordinal()
_TICK: Final = timedelta(microseconds=1)
_HOUR: Final = DAY // 24
_CENTURY: Final = 36525 * DAY


@dataclass(frozen=True)
class Line:
    """Stretches of all schedules, one after the other; times in µs since 1970."""

    begin: int
    end: int
    keys: Rows  # schedule × SPAN + time since `begin`: where a stretch begins
    slots: Rows  # of a stretch: which band of the schedule holds; −1: none
    untils: Rows  # where it ends

    def stretch(self, schedules: Rows, moments: Rows) -> Rows:
        """Return the stretch of each moment, all of them within the line: the one in which its tick
        begins, and so many on as borders of that tick lie before the moment."""
        ticks = self._ticks
        since = moments - self.begin
        found = ticks.stretches[schedules * ticks.each + (since >> ticks.bits)]
        keys = since + schedules * SPAN
        for _ in range(ticks.most):
            found += keys >= ticks.next_keys[found]
        return found

    @cached_property
    def _ticks(self) -> "_Ticks":
        schedules = int(self.keys[-1]) // SPAN + 1
        bits = _TICK_BITS
        while schedules * (each := (self.end - self.begin >> bits) + 1) > _MOST_TICKS:
            bits += 1
        begins = (np.arange(schedules) * SPAN)[:, None] + (np.arange(each) << bits)
        stretches = np.searchsorted(self.keys, begins.reshape(-1), side="right") - 1
        inside = np.bincount((self.keys // SPAN) * each + (self.keys % SPAN >> bits))
        return _Ticks(each, bits, stretches, np.append(self.keys[1:], NEVER), int(inside.max()))


@dataclass(frozen=True, slots=True)
class _Ticks:
    """A line cut into equal parts, found by a shift where a search would jump about: seven times as
    fast."""

    each: int  # ticks of a schedule
    bits: int  # of a tick's length in µs
    stretches: Rows  # in which each tick of each schedule begins
    next_keys: Rows  # of each stretch: where the next one begins
    most: int  # stretches that begin in a tick


def line_of(
    schedules: Sequence[Banding],
    zone: str,
    begin: int,
    end: int,
    calendar: HolidayCalendar | None = None,
) -> Line:
    """Draw the line of [begin, end) as clocks of a zone show it.

    Raises:
        NotColumnar: it is too long, too far from today, or there are too many schedules.
    """
    if end - begin > LONGEST or len(schedules) > MOST_SCHEDULES:
        raise NotColumnar("a line of time")
    if not -_CENTURY < begin <= end < 3 * _CENTURY:
        raise NotColumnar("a century")
    clock = _clock(zone, begin, end)
    rows: list[tuple[int, int, int]] = []
    for place, one in enumerate(schedules):
        borders = sorted({begin, *clock.changes, *_borders(one, clock)})
        for at, until in zip(borders, [*borders[1:], end], strict=True):
            day, of_day = divmod(at + clock.offset(at), DAY)
            band = band_at(one, date.fromordinal(day + _EPOCH_DAY), of_day, calendar)
            rows.append((place * SPAN + at - begin, -1 if band is None else band, until))
    keys, slots, untils = np.array(rows, np.int64).T
    return Line(begin, end, keys, slots, untils)


def _borders(schedule: Banding, clock: "_Clock") -> Iterator[int]:
    """Give midnights and ends of bands within the line."""
    points = {0}.union(*({band.start, band.end % DAY} for band in schedule.bands))
    first = (clock.begin + min(clock.offsets)) // DAY
    last = (clock.end + max(clock.offsets)) // DAY
    for day in range(first, last + 1):
        for point in points:
            for offset in set(clock.offsets):
                at = day * DAY + point - offset
                if clock.begin <= at < clock.end and clock.offset(at) == offset:
                    yield at


@lru_cache(maxsize=64)
def _clock(zone: str, begin: int, end: int) -> "_Clock":
    """Return the clock of a zone: asked hour by hour, which takes most of the time of a line."""
    return _Clock(ZoneInfo(zone), begin, end)


class _Clock:
    """How far a zone's clocks are from UTC within a span, and when they are moved."""

    def __init__(self, zone: ZoneInfo, begin: int, end: int) -> None:
        self._zone, self.begin, self.end = zone, begin, end
        self.changes: list[int] = []
        self.offsets = [self._asked(begin)]
        for at in [*range(begin, end, _HOUR)[1:], end]:
            if (offset := self._asked(at)) != self.offsets[-1]:
                self.changes.append(self._moved(at - min(_HOUR, at - begin), at))
                self.offsets.append(offset)

    def offset(self, at: int) -> int:
        return self.offsets[bisect_right(self.changes, at)]

    def _asked(self, at: int) -> int:
        there = (_EPOCH + at * _TICK).astimezone(self._zone)
        return (there.utcoffset() or timedelta(0)) // _TICK

    def _moved(self, low: int, high: int) -> int:
        """Return the first microsecond in (low, high] by the new clock."""
        before = self._asked(low)
        while high - low > 1:
            middle = (low + high) // 2
            if self._asked(middle) == before:
                low = middle
            else:
                high = middle
        return high
