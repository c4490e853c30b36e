"""Holidays: the Russian production calendar by law and by decree."""

import os
import subprocess
import sys
from datetime import date, timedelta

import pytest

from kvit.core.calendars import NO_HOLIDAYS, Calendar, RussianCalendar, UnknownYear, russian


def test_a_weekend_is_no_holiday_by_itself() -> None:
    assert not NO_HOLIDAYS.is_holiday(date(2026, 10, 17))


def test_the_russian_calendar_of_2026() -> None:
    # Постановление Правительства РФ от 24.09.2025 № 1466: 3 January moves to the 9th, 4 January to
    # 31 December; no Saturday is worked.
    calendar = russian(2026)
    weekdays_off = sorted(str(day) for day in calendar.holidays if day.weekday() < 5)
    assert weekdays_off == [
        "2026-01-01", "2026-01-02", "2026-01-05", "2026-01-06", "2026-01-07", "2026-01-08",
        "2026-01-09", "2026-02-23", "2026-03-09", "2026-05-01", "2026-05-11", "2026-06-12",
        "2026-11-04", "2026-12-31",
    ]  # fmt: skip
    assert calendar.working == frozenset()
    year = (date(2026, 1, 1) + timedelta(days=n) for n in range(365))
    assert sum(day.weekday() < 5 and not calendar.is_holiday(day) for day in year) == 247


def test_a_saturday_of_2025_is_worked() -> None:
    calendar = russian(2024, 2026)
    assert date(2025, 11, 1) in calendar.working
    assert calendar.is_holiday(date(2025, 11, 3))
    assert calendar.is_holiday(date(2024, 12, 31))
    assert calendar.is_holiday(date(2026, 12, 31))


def test_a_year_out_of_reach_is_refused() -> None:
    for year in (1990, 2101):
        with pytest.raises(UnknownYear):
            russian(year)


def test_the_package_is_loaded_only_when_asked() -> None:
    code = "import sys, kvit.core.calendars; sys.exit('holidays' in sys.modules)"
    where = {"PYTHONPATH": os.pathsep.join(sys.path)}
    assert subprocess.run([sys.executable, "-c", code], check=False, env=where).returncode == 0


def test_own_days_win_over_the_built_in_calendar() -> None:
    own = Calendar(frozenset({date(2026, 10, 16), date(1990, 1, 5)}), frozenset({date(2026, 1, 9)}))
    calendar = RussianCalendar(own)
    days = (date(2026, 1, 8), date(2026, 1, 9), date(2026, 10, 16), date(2026, 10, 17))
    assert [calendar.is_holiday(day) for day in days] == [True, False, True, False]
    assert [calendar.is_holiday(date(1990, 1, day)) for day in (1, 5)] == [False, True]
