"""Holidays: the folder's rows, the Russian production calendar, and one laid over the other."""

import os
import subprocess
import sys
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kvit.core.calendars import (
    NO_HOLIDAYS,
    Calendar,
    UnknownYear,
    russian,
)

days = st.frozensets(st.dates(date(2026, 1, 1), date(2026, 1, 20)))


@st.composite
def calendars(draw: st.DrawFn) -> Calendar:
    holidays = draw(days)
    return Calendar(holidays, draw(days) - holidays)


def test_a_weekend_is_no_holiday_and_no_workday() -> None:
    saturday = date(2026, 10, 17)
    assert not NO_HOLIDAYS.is_holiday(saturday)
    assert not NO_HOLIDAYS.is_workday(saturday)
    assert NO_HOLIDAYS.is_workday(date(2026, 10, 16))


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
    assert sum(calendar.is_workday(day) for day in year) == 247


def test_a_worked_saturday_of_2025_is_a_workday() -> None:
    calendar = russian(2024, 2026)
    assert calendar.is_workday(date(2025, 11, 1))
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


def test_own_days_win() -> None:
    own = Calendar(frozenset({date(2026, 10, 16)}), frozenset({date(2026, 1, 9)}))
    calendar = russian(2026).overridden_by(own)
    assert calendar.is_workday(date(2026, 1, 9))
    assert calendar.is_holiday(date(2026, 10, 16))
    assert calendar.is_holiday(date(2026, 1, 8))


@given(calendars(), calendars())
def test_an_override_is_final_and_the_rest_stays(under: Calendar, own: Calendar) -> None:
    both = under.overridden_by(own)
    assert not both.holidays & both.working
    named = own.holidays | own.working
    assert (both.holidays & named, both.working & named) == (own.holidays, own.working)
    assert both.holidays - named == under.holidays - named
    assert both.working - named == under.working - named
