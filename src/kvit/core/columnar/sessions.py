"""Sessions charged in columns: the walk of `pricing.sessions`, all sessions a stretch at a time.

A worked example, 60/1 at 1.20 a minute, 0.50 to connect, calls of 90 and of 20 seconds:

    first stretch   60 s and 60 s are taken whole   0.50 + 1.20, 0.50 + 1.20
    second          30 s, of the first call alone   + 0.60

Sums are numerators over one denominator a tariff, times whole microseconds. The line of time is
drawn once for the chunk; a session goes from border to border, as many times as it needs.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import lcm
from typing import Final

import numpy as np
from numpy.typing import NDArray

from kvit.core.columnar.destinations import Prefixes
from kvit.core.columnar.digits import NOBODY
from kvit.core.columnar.exact import LIMIT, NotColumnar, largest
from kvit.core.columnar.hours import Line, line_of
from kvit.core.columnar.runs import Rows
from kvit.core.pricing.bands import DAY, SECOND, HolidayCalendar
from kvit.core.pricing.compiled import Route, SessionStep

CHUNK: Final = 1 << 15  # sessions whose columns stay in the processor's cache
LONGEST: Final = 40 * DAY  # of one session: a longer one is odd
NEVER: Final = 2**60
_WHOLE, _UP, _DOWN, _HALF_UP, _HALF_EVEN = range(5)
_MODES: Final = {"up": _UP, "down": _DOWN, "half-up": _HALF_UP, "half-even": _HALF_EVEN}


@dataclass(frozen=True, slots=True)
class Calls:
    """Sessions, one a row; times in µs since 1970, `routes` −1 where no prefix fits."""

    starts: Rows
    lasting: Rows
    routes: Rows


@dataclass(frozen=True, slots=True)
class Charged:
    """What each costs, as `num / den`, and the microseconds that it was charged for."""

    num: Rows
    den: int
    taken: Rows
    odd: NDArray[np.bool_]  # the evaluator is asked about these: zeros stand here


@dataclass(frozen=True, slots=True)
class Tariff:
    """A price by destinations and hours, laid out: routes, their bands, and the bands' rules."""

    routes: tuple[Route, ...]
    prefixes: Prefixes
    schedules: tuple[Route, ...]  # one of each kind of hours
    den: int
    schedule: Rows  # of a route
    band: Rows  # its first one
    free: Rows
    most: Rows
    quantum: Rows  # numerators in the last digit that a session keeps
    mode: Rows  # how it is rounded to that; `_WHOLE`: it is not
    fee: Rows  # of a band
    rule: Rows  # its first one
    step: Rows  # of a rule, in µs
    price: Rows  # for a microsecond
    until: Rows  # where the next rule of the band begins

    @property
    def most_rules(self) -> int:
        return int(np.diff(np.append(self.rule, len(self.step))).max())

    def line(
        self, zone: str, begin: int, end: int, calendar: HolidayCalendar | None = None
    ) -> Line:
        """Draw the line of time for sessions that begin in [begin, end), whatever they last; of
        whole days, so that parts of a month are of one clock."""
        reach = LONGEST + largest(self.step)
        first, last = begin // DAY, -(-(end + reach) // DAY)
        return line_of(self.schedules, zone, first * DAY, last * DAY, calendar)


@lru_cache(maxsize=64)
def tariff_of(event: SessionStep) -> Tariff:
    """Lay a price out; kept, since thousands of prefixes take longer than thousands of calls.

    Raises:
        NotColumnar: its numbers have no room in 64 bits, or a prefix is too long.
    """
    bands = [band for route in event.routes for band in route.bands]
    rules = [rule for band in bands for rule in band.rules]
    if not all(band.rules for band in bands):
        raise NotColumnar("a band without rules")
    den = lcm(
        *(rule.price[1] * SECOND for rule in rules),
        *(band.fee[1] for band in bands),
        *(route.most[1] for route in event.routes if route.most is not None),
        *(10**route.precision for route in event.routes if route.precision is not None),
    )
    keys = [(tuple((b.days, b.start, b.end) for b in r.bands), r.holidays) for r in event.routes]
    schedules = dict(zip(keys, event.routes, strict=True))
    numbers = list(schedules)
    begins = [[rule.after for rule in band.rules] for band in bands]
    return Tariff(
        routes=event.routes,
        prefixes=Prefixes.of(event.prefixes),
        schedules=tuple(schedules.values()),
        den=den,
        schedule=_column([numbers.index(key) for key in keys]),
        band=_firsts([len(route.bands) for route in event.routes]),
        free=_column([route.free_us for route in event.routes]),
        most=_column([_over(route.most, den) for route in event.routes]),
        quantum=_column([den // 10 ** (r.precision or 0) for r in event.routes]),
        mode=_column([_mode(route) for route in event.routes]),
        fee=_column([_over(band.fee, den) for band in bands]),
        rule=_firsts([len(band.rules) for band in bands]),
        step=_column([rule.step or 1 for rule in rules]),
        price=_column([_over(rule.price, den // SECOND) for rule in rules]),
        until=_column([after for one in begins for after in (*one[1:], NEVER)]),
    )


def charge_calls(tariff: Tariff, calls: Calls, line: Line) -> Charged:
    """Charge each session by its route.

    Args:
        line: drawn by the tariff for all moments at which these sessions begin.

    Raises:
        NotColumnar: a sum might have no room in 64 bits.
    """
    _prove(tariff, calls)
    rows = len(calls.starts)
    found = Charged(
        np.zeros(rows, np.int64), tariff.den, np.zeros(rows, np.int64), np.zeros(rows, np.bool_)
    )
    for first in range(0, rows, CHUNK):
        part = slice(first, first + CHUNK)
        some = Calls(calls.starts[part], calls.lasting[part], calls.routes[part])
        into = Charged(found.num[part], found.den, found.taken[part], found.odd[part])
        _charge(tariff, some, line, into)
    return found


def _prove(tariff: Tariff, calls: Calls) -> None:
    longest = min(largest(calls.lasting), LONGEST) + largest(tariff.step)
    sums = longest * largest(tariff.price) + largest(tariff.fee)
    if sums + 2 * largest(tariff.quantum) >= LIMIT:
        raise NotColumnar("the cost of a session")


def _charge(tariff: Tariff, calls: Calls, line: Line, into: Charged) -> None:
    lasting, routes = calls.lasting, calls.routes
    into.odd[:] = (routes == NOBODY) | (lasting < 0) | (lasting > LONGEST)
    into.taken[:] = lasting  # of what is free: all of it
    paying = lasting > tariff.free[routes]
    if into.odd.any():
        paying &= ~into.odd
    _walk(tariff, calls, paying, line, into)
    if (tariff.most != NEVER).any():
        np.minimum(into.num, tariff.most[routes], out=into.num)
    if (tariff.mode != _WHOLE).any():
        into.num[:] = _rounded(into.num, tariff.quantum[routes], tariff.mode[routes])
    if into.odd.any():
        into.num[into.odd] = 0
        into.taken[into.odd] = 0


def _walk(
    tariff: Tariff, calls: Calls, paying: NDArray[np.bool_], line: Line, into: Charged
) -> None:
    """Take a stretch of every session that goes on, until none does."""
    starts, total, routes = calls.starts, calls.lasting, calls.routes
    places: Rows | slice = slice(None)  # all of them, as nearly always
    if not paying.all():
        places = np.flatnonzero(paying)
        starts, total, routes = starts[places], total[places], routes[places]
    schedules, bands = tariff.schedule[routes], tariff.band[routes]
    at = np.zeros(len(starts), np.int64)
    is_first = True
    while len(starts):
        stretch = line.stretch(schedules, starts + at)
        slot = line.slots[stretch]
        band = bands + np.maximum(slot, 0)
        rule = tariff.rule[band]
        for _ in range(0 if is_first else tariff.most_rules - 1):
            rule += at >= tariff.until[rule]
        until = np.minimum(line.untils[stretch] - starts, tariff.until[rule])
        # Every step that begins before the limit is charged whole.
        step = tariff.step[rule]
        spent = (np.minimum(total, until) - at + (step - 1)) // step * step
        cost = spent * tariff.price[rule]
        into.num[places] += cost + tariff.fee[band] if is_first else cost
        at += spent
        into.taken[places] = at
        goes_on = at < total
        is_closed = slot < 0
        if is_closed.any():
            into.odd[_among(places, np.flatnonzero(is_closed))] = True
            goes_on &= ~is_closed
        rest = np.flatnonzero(goes_on)  # picked by number: by truths it takes ten times as long
        places = _among(places, rest)
        starts, total, at, schedules, bands = (
            column[rest] for column in (starts, total, at, schedules, bands)
        )
        is_first = False


def _among(places: Rows | slice, some: Rows) -> Rows:
    """Return some of all sessions, or of those at some places."""
    return some if isinstance(places, slice) else places[some]


def _rounded(num: Rows, quantum: Rows, mode: Rows) -> Rows:
    """Round each to whole quanta by its mode; none is below zero."""
    whole = num // quantum
    twice = (num - whole * quantum) * 2
    is_odd = whole % 2 == 1
    up = (
        ((mode == _UP) & (twice > 0))
        | ((mode == _HALF_UP) & (twice >= quantum))
        | ((mode == _HALF_EVEN) & ((twice > quantum) | ((twice == quantum) & is_odd)))
    )
    return np.where(mode == _WHOLE, num, (whole + up) * quantum)


def _mode(route: Route) -> int:
    return _WHOLE if route.precision is None else _MODES[route.rounding]


def _over(value: tuple[int, int] | None, den: int) -> int:
    """Return a rate's numerator over a multiple of its denominator; no rate is never reached."""
    return NEVER if value is None else value[0] * (den // value[1])


def _column(numbers: Sequence[int]) -> Rows:
    if any(abs(number) >= LIMIT for number in numbers):
        raise NotColumnar("a number of the tariff")
    return np.array(numbers, np.int64)


def _firsts(counts: Sequence[int]) -> Rows:
    """Return where each group begins among all, groups standing one after the other."""
    return np.cumsum([0, *counts[:-1]]).astype(np.int64)
