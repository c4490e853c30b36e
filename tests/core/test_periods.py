"""Billing cycles tile time for every anchor, and local days tile it in every time zone."""

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kvit.core.periods import (
    BadPeriod,
    Cycle,
    Period,
    UnknownCycle,
    UnknownZone,
    add_months,
    instant_of,
    local_date,
    parse_billing_period,
    parse_cycle,
    period_before,
    zone_of,
)

ZONES = sorted(available_timezones() - {"localtime", "Factory"})
WORDS = [
    "day", "3 days", "week", "2 weeks", "month", "2 months", "5 months", "quarter", "half-year",
    "year", "3 years", "18 months",
]  # fmt: skip
days = st.dates(date(1900, 1, 1), date(2100, 12, 31))
cycles = st.builds(
    parse_cycle, st.sampled_from(WORDS), st.sampled_from(["calendar", "anniversary"])
)


def d(text: str) -> date:
    return date.fromisoformat(text)


def starts(words: str, anchor: str, first: str, count: int) -> list[str]:
    cycle = parse_cycle(words, anchor)
    return [str(cycle.boundary(d(first), k)) for k in range(count)]


# Periods


def test_a_period_is_half_open() -> None:
    october = Period(d("2026-10-01"), d("2026-11-01"))
    assert october.days == 31
    assert d("2026-10-31") in october
    assert d("2026-11-01") not in october
    assert Period(d("2026-10-16"), d("2026-11-01")).within(october)
    assert not Period(d("2026-10-16"), d("2026-11-02")).within(october)


def test_overlap_is_what_both_have() -> None:
    october = Period(d("2026-10-01"), d("2026-11-01"))
    late = Period(d("2026-10-16"), d("2027-01-01"))
    assert october.overlap(late) == Period(d("2026-10-16"), d("2026-11-01"))
    assert october.overlap(Period(d("2026-11-01"), d("2026-12-01"))) is None


def test_a_period_may_be_empty_and_not_negative() -> None:
    assert Period(d("2026-10-01"), d("2026-10-01")).days == 0
    with pytest.raises(BadPeriod):
        Period(d("2026-10-02"), d("2026-10-01"))


@pytest.mark.parametrize(
    ("text", "start", "end"),
    [
        ("2026", "2026-01-01", "2027-01-01"),
        ("2026-H2", "2026-07-01", "2027-01-01"),
        ("2026-Q4", "2026-10-01", "2027-01-01"),
        ("2026-Q1", "2026-01-01", "2026-04-01"),
        ("2026-10", "2026-10-01", "2026-11-01"),
        ("2026-12", "2026-12-01", "2027-01-01"),
        ("2026-10-05", "2026-10-05", "2026-10-06"),
        ("2024-02-29", "2024-02-29", "2024-03-01"),
        ("2026-W41", "2026-10-05", "2026-10-12"),
        ("2026-W53", "2026-12-28", "2027-01-04"),
    ],
)
def test_billing_periods_are_read(text: str, start: str, end: str) -> None:
    assert parse_billing_period(text) == Period(d(start), d(end))


@pytest.mark.parametrize(
    "text",
    ["", "october", "2026-13", "2026-00", "2026-1", "2026-Q5", "2026-Q0", "2026-02-29", "2025-W53",
     "2026-W00", "0000-01", "9999-12", "9999", "2026-10 ", "٢٠٢٦-10", "2026-10-05-01", "26-10"],
)  # fmt: skip
def test_what_is_no_billing_period_is_refused(text: str) -> None:
    with pytest.raises(BadPeriod):
        parse_billing_period(text)


# Cycles


def test_an_anniversary_on_the_31st_is_clamped_and_never_sticks() -> None:
    assert starts("month", "anniversary", "2026-01-31", 5) == [
        "2026-01-31", "2026-02-28", "2026-03-31", "2026-04-30", "2026-05-31",
    ]  # fmt: skip


def test_a_year_from_29_february_returns_to_it() -> None:
    assert starts("year", "anniversary", "2024-02-29", 5) == [
        "2024-02-29", "2025-02-28", "2026-02-28", "2027-02-28", "2028-02-29",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("day", ["2026-08-20", "2026-08-21"]),
        ("3 days", ["2026-08-20", "2026-08-23"]),
        ("week", ["2026-08-17", "2026-08-24"]),
        ("2 weeks", ["2026-08-17", "2026-08-31"]),
        ("month", ["2026-08-01", "2026-09-01"]),
        ("2 months", ["2026-07-01", "2026-09-01"]),
        ("5 months", ["2026-08-01", "2027-01-01"]),
        ("quarter", ["2026-07-01", "2026-10-01"]),
        ("half-year", ["2026-07-01", "2027-01-01"]),
        ("year", ["2026-01-01", "2027-01-01"]),
        ("2 years", ["2026-01-01", "2028-01-01"]),
    ],
)
def test_calendar_cycles_stand_on_the_calendar(words: str, expected: list[str]) -> None:
    assert starts(words, "calendar", "2026-08-20", 2) == expected


def test_cycle_words_are_read_and_written() -> None:
    assert parse_cycle("2 weeks", "anniversary") == Cycle("week", 2, "anniversary")
    assert [str(parse_cycle(words)) for words in WORDS] == WORDS
    custom = "2026-01-10,2026-02-20,2026-04-01"
    assert str(parse_cycle(custom)) == custom


@pytest.mark.parametrize(
    "words",
    ["", "fortnight", "0 days", "months", "-1 months", "1.5 months", "2026-01-01,", "100000 days",
     "2026-02-01,2026-01-01", "2026-01-01,2026-01-01", "custom", "2026-02-30,2026-03-01"],
)  # fmt: skip
def test_words_of_no_cycle_are_refused(words: str) -> None:
    with pytest.raises(UnknownCycle):
        parse_cycle(words)


def test_an_unknown_anchor_is_refused() -> None:
    with pytest.raises(UnknownCycle):
        parse_cycle("month", "moon")


def test_a_custom_cycle_follows_its_dates_and_ends_with_them() -> None:
    cycle = parse_cycle("2026-01-10,2026-02-20,2026-04-01,2026-07-01")
    anchor = d("2026-02-25")
    assert cycle.period(anchor, 0) == Period(d("2026-02-20"), d("2026-04-01"))
    assert cycle.period(anchor, -1) == Period(d("2026-01-10"), d("2026-02-20"))
    assert cycle.index_of(anchor, d("2026-04-01")) == 1
    for refused in (
        lambda: cycle.period(anchor, 2),
        lambda: cycle.index_of(anchor, d("2026-07-01")),
        lambda: cycle.period(d("2026-01-09"), 0),
        lambda: cycle.period(d("2026-07-01"), 0),
    ):
        with pytest.raises(BadPeriod):
            refused()


def test_the_edge_of_the_calendar_is_refused_and_not_crossed() -> None:
    with pytest.raises(BadPeriod):
        parse_cycle("month").boundary(d("9999-12-05"), 1)
    with pytest.raises(BadPeriod):
        parse_cycle("day").boundary(d("0001-01-01"), -1)


@given(days, cycles, st.integers(-600, 600))
def test_periods_follow_without_gap_or_overlap(anchor: date, cycle: Cycle, k: int) -> None:
    period = cycle.period(anchor, k)
    assert period.start < period.end == cycle.period(anchor, k + 1).start


@given(days, cycles)
def test_period_zero_contains_the_anchor(anchor: date, cycle: Cycle) -> None:
    assert anchor in cycle.period(anchor, 0)


@given(days, cycles, days)
def test_index_of_is_the_inverse_of_period(anchor: date, cycle: Cycle, day: date) -> None:
    assert day in cycle.period(anchor, cycle.index_of(anchor, day))


@given(st.integers(1, 31), days, st.integers(-1200, 1200))
def test_every_anchor_day_comes_back_in_every_month_that_has_it(
    anchor_day: int, near: date, k: int
) -> None:
    anchor = date(near.year, 7, anchor_day)
    boundary = parse_cycle("month", "anniversary").boundary(anchor, k)
    following = add_months(boundary.replace(day=1), 1)
    assert boundary.day == min(anchor_day, (following - timedelta(days=1)).day)
    assert (boundary.year * 12 + boundary.month) - (anchor.year * 12 + anchor.month) == k


# Instants


@pytest.mark.parametrize(
    ("local", "zone", "expected"),
    [
        ("2026-10-01", "Europe/Moscow", "2026-09-30T21:00:00+00:00"),
        ("2026-10-01", "UTC", "2026-10-01T00:00:00+00:00"),
        # Clocks went from 00:00 to 01:00 in São Paulo: the day begins at 01:00.
        ("2018-11-04", "America/Sao_Paulo", "2018-11-04T03:00:00+00:00"),
        # From 23:30 to 00:30 in Toronto: midnight lay inside the gap.
        ("1919-03-31", "America/Toronto", "1919-03-31T04:30:00+00:00"),
        # Samoa had no 30 December 2011 at all: it begins where the 31st does.
        ("2011-12-30", "Pacific/Apia", "2011-12-30T10:00:00+00:00"),
        ("2011-12-31", "Pacific/Apia", "2011-12-30T10:00:00+00:00"),
        # 01:00 became 00:00 in Havana: midnight struck twice, the day begins at the first.
        ("2025-11-02", "America/Havana", "2025-11-02T04:00:00+00:00"),
        # A time of day: 02:30 did not exist, 01:30 came twice.
        ("2026-03-08T02:30:00", "America/Toronto", "2026-03-08T07:00:00+00:00"),
        ("2026-03-08T02:30:00.25", "America/Toronto", "2026-03-08T07:00:00+00:00"),
        ("2026-11-01T01:30:00", "America/Toronto", "2026-11-01T05:30:00+00:00"),
    ],
)
def test_local_times_become_instants(local: str, zone: str, expected: str) -> None:
    value = datetime.fromisoformat(local) if "T" in local else d(local)
    assert instant_of(value, zone).isoformat() == expected


def test_a_period_of_a_summer_time_change_has_an_hour_less() -> None:
    day = parse_billing_period("2026-03-08")
    length = day.end_instant("America/Toronto") - day.start_instant("America/Toronto")
    assert length == timedelta(hours=23)


def test_local_date_is_the_date_on_the_wall() -> None:
    moment = datetime(2026, 9, 30, 22, 0, tzinfo=UTC)
    assert local_date(moment, "Europe/Moscow") == d("2026-10-01")
    assert local_date(moment, "America/Toronto") == d("2026-09-30")


def test_a_day_that_begins_twice_begins_at_the_first() -> None:
    # At 00:01 on 7 November 2010 clocks in St John's went back to 23:01 of the 6th.
    start = instant_of(d("2010-11-07"), "America/St_Johns")
    assert start.isoformat() == "2010-11-07T02:30:00+00:00"
    assert local_date(start, "America/St_Johns") == d("2010-11-07")
    assert local_date(start + timedelta(minutes=30), "America/St_Johns") == d("2010-11-06")


@pytest.mark.parametrize("name", ["", "Mars/Olympus", "../etc/passwd", "/etc/passwd", "Europe"])
def test_an_unknown_zone_is_refused(name: str) -> None:
    with pytest.raises(UnknownZone):
        zone_of(name)


def test_times_with_and_without_a_zone_are_not_mixed() -> None:
    with pytest.raises(BadPeriod):
        instant_of(datetime(2026, 1, 1, tzinfo=UTC), "UTC")
    with pytest.raises(BadPeriod):
        local_date(datetime(2026, 1, 1), "UTC")  # noqa: DTZ001
    with pytest.raises(BadPeriod):
        instant_of(date(1, 1, 1), "Asia/Tokyo")


def first_moment_showing(day: date, zone: str) -> datetime:
    """A slow oracle: walk by minutes from a day before until the wall shows `day` or later."""
    moment = datetime(day.year, day.month, day.day, tzinfo=UTC) - timedelta(hours=26)
    place = ZoneInfo(zone)
    while moment.astimezone(place).date() < day:
        moment += timedelta(minutes=1)
    return moment


@pytest.mark.parametrize("zone", ["America/Toronto", "Pacific/Apia", "Africa/Cairo", "Asia/Amman"])
def test_a_day_begins_when_the_wall_first_shows_it(zone: str) -> None:
    for k in range(-400, 400, 7):
        day = d("2011-12-30") + timedelta(days=k)
        assert instant_of(day, zone) == first_moment_showing(day, zone)


def test_months_tile_time_in_every_zone() -> None:
    month = parse_cycle("month", "anniversary")
    for zone in ZONES:
        for anchor in (d("1995-01-31"), d("2026-01-01")):
            edges = [month.period(anchor, k) for k in range(13)]
            for early, late in pairwise(edges):
                assert early.end_instant(zone) == late.start_instant(zone)
                assert early.start_instant(zone) < early.end_instant(zone)


@given(st.sampled_from(ZONES), days)
def test_days_never_run_backwards_and_begin_on_their_date(zone: str, day: date) -> None:
    start = instant_of(day, zone)
    assert start <= instant_of(day + timedelta(days=1), zone)
    shown = start.astimezone(ZoneInfo(zone)).replace(tzinfo=None)
    midnight = datetime(day.year, day.month, day.day)  # noqa: DTZ001
    assert shown >= midnight
    before = (start - timedelta(seconds=1)).astimezone(ZoneInfo(zone)).replace(tzinfo=None)
    assert before < midnight


@pytest.mark.parametrize(
    ("start", "end", "before"),
    [
        ("2026-10-01", "2026-11-01", "2026-09-01…2026-10-01"),  # a month
        ("2026-07-01", "2026-10-01", "2026-04-01…2026-07-01"),  # a quarter
        ("2026-11-01", "2026-11-16", "2026-10-01…2026-10-16"),  # a month so far
        ("2026-03-01", "2026-03-31", "2026-02-01…2026-03-01"),  # February has no 30th
        ("2026-10-01", "2026-11-16", "2026-08-01…2026-09-16"),  # a quarter so far
        ("2026-11-10", "2026-11-20", "2026-10-31…2026-11-10"),  # ten days
    ],
)
def test_a_period_is_compared_with_the_one_before(start: str, end: str, before: str) -> None:
    asked = Period(date.fromisoformat(start), date.fromisoformat(end))
    assert str(period_before(asked)) == before


def test_nothing_is_before_the_first_year() -> None:
    for start in (date(1, 1, 1), date(1, 1, 2)):
        with pytest.raises(BadPeriod):
            period_before(Period(start, date(1, 3, 1)))
