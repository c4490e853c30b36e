"""Half-open periods of local dates, billing cycles, and the way from local dates to instants.

A worked example, a monthly cycle anchored on 31 January 2026 (anniversary):

    period 0 = [31 Jan, 28 Feb)   period 1 = [28 Feb, 31 Mar)   period 2 = [31 Mar, 30 Apr)

Every boundary is computed from (anchor, k) alone, never from the boundary before it: the clamped
28 February does not make March begin on the 28th, and nothing drifts in a hundred years.
"""

import re
from bisect import bisect_right
from calendar import monthrange
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from itertools import pairwise
from typing import Literal, cast, get_args
from zoneinfo import ZoneInfo

Interval = Literal["day", "week", "month", "quarter", "half-year", "year", "custom"]
Anchor = Literal["calendar", "anniversary"]

_MONTHS = {"month": 1, "quarter": 3, "half-year": 6, "year": 12}
_DAYS = {"day": 1, "week": 7}
SHORTEST_MONTH = 28  # days
_CYCLE = re.compile(r"(?:(\d{1,4}) )?(day|week|month|quarter|half-year|year)(s?)", re.ASCII)
_PERIOD = re.compile(
    r"(?P<year>\d{4})(?:-(?:Q(?P<quarter>[1-4])|H(?P<half>[12])|W(?P<week>\d{2})"
    r"|(?P<month>\d{2})(?:-(?P<day>\d{2}))?))?",
    re.ASCII,
)
_SECOND = timedelta(seconds=1)


class BadPeriod(ValueError):
    """The text or the dates are no period: the end precedes the start, or there is no such day."""


class UnknownCycle(ValueError):
    """The words name no billing cycle."""


class UnknownZone(ValueError):
    """The name is not a time zone of the IANA database."""


@dataclass(frozen=True, slots=True, order=True)
class Period:
    """Local dates from `start` up to, not including, `end`. It may be empty, never negative."""

    start: date
    end: date

    def __post_init__(self) -> None:
        if self.end < self.start:
            raise BadPeriod(f"{self.start} … {self.end}")

    def __contains__(self, day: date) -> bool:
        return self.start <= day < self.end

    def __str__(self) -> str:
        return f"{self.start}…{self.end}"

    @property
    def days(self) -> int:
        return (self.end - self.start).days

    def within(self, other: "Period") -> bool:
        return other.start <= self.start and self.end <= other.end

    def overlap(self, other: "Period") -> "Period | None":
        """The days that both have, or None."""
        start, end = max(self.start, other.start), min(self.end, other.end)
        return Period(start, end) if start < end else None

    def start_instant(self, zone: str) -> datetime:
        return instant_of(self.start, zone)

    def end_instant(self, zone: str) -> datetime:
        """The first moment that no longer belongs to the period."""
        return instant_of(self.end, zone)


@dataclass(frozen=True, slots=True)
class Cycle:
    """How a subscription's time is cut into billing periods.

    "anniversary" counts from the subscription's first day, clamped to a shorter month's end;
    "calendar" from the grid of the calendar: Monday, the 1st, the first month of a quarter, of a
    half-year, of a year. Days always count from the first day. Several weeks count from the
    Monday of the first week; a number of months that divides the year stands on the year's grid
    (2 months: January, March, …), whole years on 1 January of the first, any other number on the
    1st of the first month. Period 0 is the one that contains the anchor date.
    """

    interval: Interval
    count: int = 1
    anchor: Anchor = "calendar"
    dates: tuple[date, ...] = ()  # boundaries of a "custom" cycle, rising; empty otherwise

    def __post_init__(self) -> None:
        if self.interval not in get_args(Interval) or self.anchor not in get_args(Anchor):
            raise UnknownCycle(f"{self.interval} {self.anchor}")
        custom = self.interval == "custom"
        if self.count < 1 or custom != bool(self.dates) or len(self.dates) == 1:
            raise UnknownCycle(f"{self.count} {self.interval} {len(self.dates)} dates")
        if any(late <= early for early, late in pairwise(self.dates)):
            raise UnknownCycle("dates must rise")

    def __str__(self) -> str:
        if self.dates:
            return ",".join(map(str, self.dates))
        return self.interval if self.count == 1 else f"{self.count} {self.interval}s"

    @property
    def months(self) -> int:
        """How many months one period has; 0 where it is not made of months."""
        return self.count * _MONTHS.get(self.interval, 0)

    def boundary(self, anchor_date: date, k: int) -> date:
        """First day of period `k` (which may be negative).

        Raises:
            BadPeriod: outside the calendar (years 1 to 9999), or past a custom cycle's list.
        """
        if self.interval == "custom":
            place = self._custom_place(anchor_date) + k
            if not 0 <= place < len(self.dates):
                raise BadPeriod(f"the custom cycle has no boundary {k}")
            return self.dates[place]
        origin = self._origin(anchor_date)
        if self.interval in _DAYS:
            return _add_days(origin, k * self.count * _DAYS[self.interval])
        return add_months(origin, k * self.months)

    def period(self, anchor_date: date, k: int) -> Period:
        """Period `k`, a function of (anchor, k) alone. Raises as `boundary` does."""
        return Period(self.boundary(anchor_date, k), self.boundary(anchor_date, k + 1))

    def index_of(self, anchor_date: date, day: date) -> int:
        """The k whose period contains `day`, found without walking.

        Raises:
            BadPeriod: the day lies outside a custom cycle's list.
        """
        if self.interval == "custom":
            if not self.dates[0] <= day < self.dates[-1]:
                raise BadPeriod(f"the custom cycle does not cover {day}")
            return bisect_right(self.dates, day) - 1 - self._custom_place(anchor_date)
        origin = self._origin(anchor_date)
        if self.interval in _DAYS:
            return (day - origin).days // (self.count * _DAYS[self.interval])
        k = (_month_number(day) - _month_number(origin)) // self.months
        # The month alone may name the period that begins later in this same month.
        return k - 1 if add_months(origin, k * self.months) > day else k

    def _origin(self, anchor_date: date) -> date:
        """The day that boundaries are counted from."""
        if self.anchor == "anniversary" or self.interval == "day":
            return anchor_date
        if self.interval == "week":
            return _add_days(anchor_date, -anchor_date.weekday())
        months = self.months
        if 12 % months == 0:
            return date(anchor_date.year, (anchor_date.month - 1) // months * months + 1, 1)
        return anchor_date.replace(month=1 if months % 12 == 0 else anchor_date.month, day=1)

    def _custom_place(self, anchor_date: date) -> int:
        place = bisect_right(self.dates, anchor_date) - 1
        if not 0 <= place < len(self.dates) - 1:
            raise BadPeriod(f"the custom cycle does not cover {anchor_date}")
        return place


@lru_cache(maxsize=1024)
def parse_cycle(text: str, anchor: str = "calendar") -> Cycle:
    """Read "month", "3 days", "2 weeks", "half-year", or dates of a custom cycle with commas.

    Raises:
        UnknownCycle: neither; or the anchor is not "calendar" or "anniversary".
    """
    if anchor not in get_args(Anchor):
        raise UnknownCycle(anchor)
    side = cast(Anchor, anchor)
    if "," in text:
        try:
            dates = tuple(date.fromisoformat(part.strip()) for part in text.split(","))
        except ValueError:
            raise UnknownCycle(text) from None
        return Cycle("custom", 1, side, dates)
    match = _CYCLE.fullmatch(text.strip())
    if not match or (match[3] and not match[1]):
        raise UnknownCycle(text)
    return Cycle(cast(Interval, match[2]), int(match[1] or 1), side)


def parse_billing_period(text: str) -> Period:
    """Read 2026, 2026-H2, 2026-Q4, 2026-10, 2026-W41 (ISO week) or 2026-10-05.

    Raises:
        BadPeriod: the text is none of these, or no such period exists.
    """
    match = _PERIOD.fullmatch(text)
    if not match:
        raise BadPeriod(text)
    found = {name: int(value) for name, value in match.groupdict().items() if value}
    year = found["year"]
    try:
        if "week" in found:
            monday = date.fromisocalendar(year, found["week"], 1)
            return Period(monday, _add_days(monday, 7))
        if "day" in found:
            day = date(year, found["month"], found["day"])
            return Period(day, _add_days(day, 1))
        months = next((n for key, n in _PERIOD_MONTHS.items() if key in found), 12)
        place = next((found[key] for key in _PERIOD_MONTHS if key in found), 1)
        start = date(year, (place - 1) * months + 1, 1)
        return Period(start, add_months(start, months))
    except ValueError:
        raise BadPeriod(text) from None


_PERIOD_MONTHS = {"half": 6, "quarter": 3, "month": 1}


def add_months(day: date, months: int) -> date:
    """The same day of a month `months` later (or earlier), clamped to that month's end.

    Raises:
        BadPeriod: outside the years 1 to 9999.
    """
    year, month = divmod(_month_number(day) + months, 12)
    try:
        if day.day <= SHORTEST_MONTH:
            return date(year, month + 1, day.day)
        return date(year, month + 1, min(day.day, monthrange(year, month + 1)[1]))
    except ValueError:
        raise BadPeriod(f"{day} and {months} months") from None


def period_before(period: Period) -> Period:
    """Return what a period is compared with: as many months before it, else as many days.

        October                September
        1–15 November          1–15 October: a month so far beside the same days
        10–19 November         31 October – 9 November

    Raises:
        BadPeriod: it would begin before the year 1.
    """
    day = timedelta(days=1)
    if period.start.day != 1:
        try:
            return Period(period.start - (period.end - period.start), period.start)
        except OverflowError:
            raise BadPeriod(f"before {period}") from None
    last = period.end - day
    months = _month_number(last) - _month_number(period.start) + 1
    end = period.start
    if period.end.day != 1:
        end = min(add_months(last, -months) + day, end)
    return Period(add_months(period.start, -months), end)


def zone_of(name: str) -> ZoneInfo:
    """Find a time zone by its IANA name.

    Raises:
        UnknownZone: there is none of that name.
    """
    try:
        return ZoneInfo(name)
    except (ValueError, LookupError, OSError):
        raise UnknownZone(name) from None


def instant_of(local: date | datetime, zone: str) -> datetime:
    """The moment, in UTC, at which a local date begins or a naive local time strikes.

    A time that does not exist (clocks were set forward over it) gives the first moment that does;
    one that strikes twice gives the earlier.

    Raises:
        BadPeriod: the time already has a zone, or lies at the very edge of the calendar.
        UnknownZone: see `zone_of`.
    """
    if not isinstance(local, datetime):
        return _start_of_day(local, zone)
    if local.tzinfo is not None:
        raise BadPeriod(f"{local} has a zone of its own")
    where = zone_of(zone)
    try:
        # Across a gap the offset after it gives the earlier instant: the gap lies between them.
        early = local.replace(tzinfo=where, fold=1).astimezone(UTC)
        late = local.replace(tzinfo=where, fold=0).astimezone(UTC)
    except OverflowError:
        raise BadPeriod(f"{local} {zone}") from None
    if early >= late:
        return late  # the rule; or it strikes twice, and fold 0 is the earlier
    return _end_of_gap(early.replace(microsecond=0), late, local.replace(fold=0), where)


def local_date(instant: datetime, zone: str) -> date:
    """The date on the wall at `instant` (aware).

    To place an event in a period compare instants, not this date: where clocks were set back
    across midnight (St John's until 2011) the wall shows the old date again for an hour after
    the new day has begun.

    Raises:
        BadPeriod: `instant` has no zone.
        UnknownZone: see `zone_of`.
    """
    if instant.tzinfo is None:
        raise BadPeriod(f"{instant} has no zone")
    return instant.astimezone(zone_of(zone)).date()


def _end_of_gap(early: datetime, late: datetime, wall: datetime, where: ZoneInfo) -> datetime:
    """The first whole second at which clocks show `wall` or later, by halving (early, late]."""
    low, high = 0, int((late - early) / _SECOND)
    while high - low > 1:
        middle = (low + high) // 2
        shown = (early + middle * _SECOND).astimezone(where).replace(tzinfo=None)
        low, high = (low, middle) if shown >= wall else (middle, high)
    return early + high * _SECOND


# A bill run asks for the same midnights of the same zones again and again.
@lru_cache(maxsize=65536)
def _start_of_day(day: date, zone: str) -> datetime:
    return instant_of(datetime.combine(day, time()), zone)


def _month_number(day: date) -> int:
    return day.year * 12 + day.month - 1


def _add_days(day: date, days: int) -> date:
    try:
        return day + timedelta(days=days)
    except OverflowError:
        raise BadPeriod(f"{day} and {days} days") from None
