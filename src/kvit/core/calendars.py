"""Holidays and moved working days: a folder's own lists over the Russian production calendar.

A weekend is not a holiday by itself: prices by time of day list weekdays and "holiday" apart.
"""

from dataclasses import dataclass
from datetime import date
from functools import lru_cache

RUSSIAN = "ru"  # the name of the built-in calendar


class UnknownYear(ValueError):
    """The built-in calendar does not reach that year."""


@dataclass(frozen=True, slots=True)
class Calendar:
    """Days off that are not mere weekends, and days that are worked although they look free."""

    holidays: frozenset[date] = frozenset()
    working: frozenset[date] = frozenset()

    def is_holiday(self, day: date) -> bool:
        return day in self.holidays


NO_HOLIDAYS = Calendar()


def russian(first_year: int, last_year: int | None = None) -> Calendar:
    """The Russian production calendar of the years from `first_year` to `last_year`, inclusive.

    Holidays of ТК РФ ст. 112 with the days off that the Government moved, and the Saturdays and
    Sundays that are worked instead. Moves are decided a year ahead, in autumn: for years later
    than the installed `holidays` package knows, the law's own days stand without them.

    Raises:
        UnknownYear: a year before 1991 or after 2100.
    """
    calendar = NO_HOLIDAYS
    for year in range(first_year, (last_year or first_year) + 1):
        one = _russian_year(year)
        calendar = Calendar(calendar.holidays | one.holidays, calendar.working | one.working)
    return calendar


@dataclass(frozen=True, slots=True)
class RussianCalendar:
    """The built-in Russian calendar, read year by year as days are asked about.

    Days that `own` names are what it says. Outside the years that the built-in one reaches only
    `own` knows holidays.
    """

    own: Calendar | None = None

    def is_holiday(self, day: date) -> bool:
        if self.own is not None and (day in self.own.holidays or day in self.own.working):
            return day in self.own.holidays
        try:
            return _russian_year(day.year).is_holiday(day)
        except UnknownYear:
            return False


@lru_cache(maxsize=256)
def _russian_year(year: int) -> Calendar:
    from holidays import country_holidays  # half a second that only prices by the hour need

    found = country_holidays("RU", years=year)
    if not found.start_year <= year <= found.end_year:
        raise UnknownYear(str(year))
    return Calendar(
        frozenset(day for day in found if day.year == year),
        frozenset(day for day in found.weekend_workdays if day.year == year),
    )
