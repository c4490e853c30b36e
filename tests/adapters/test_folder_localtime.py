"""Local times: nights on which clocks change, stamps that end an hour, midnights that close."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kvit.adapters.folder.localtime import LocalClock, parser_of
from kvit.integrations.port import Notice, UsageRow
from tests.adapters.sample import Company, where

TORONTO = "America/Toronto"
HOUR = timedelta(hours=1)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


def utc_of(zone: str, *stamps: str, step: timedelta | None = None) -> list[str]:
    clock = LocalClock(zone, step)
    moments = [clock.utc(at(stamp), "flat", row) for row, stamp in enumerate(stamps, 2)]
    return [moment.strftime("%H:%M") for moment in moments]


def test_an_hour_that_strikes_twice_is_told_by_the_row_before() -> None:
    night = [f"2012-11-04T{hour}" for hour in ("00:00", "01:00", "01:00", "02:00")]
    assert utc_of(TORONTO, *night) == ["04:00", "05:00", "06:00", "07:00"]


def test_half_hours_are_told_by_their_step() -> None:
    night = [f"2012-11-04T{t}" for t in ("01:00", "01:30", "01:00", "01:30", "02:00")]
    expected = ["05:00", "05:30", "06:00", "06:30", "07:00"]
    assert utc_of(TORONTO, *night) == expected
    assert utc_of(TORONTO, *night, step=HOUR / 2) == expected


def test_a_missing_row_is_seen_by_the_step() -> None:
    # 01:00 of summer time was lost: two hours have passed since midnight.
    night = ["2012-11-04T00:00", "2012-11-04T01:00"]
    assert utc_of(TORONTO, *night, step=2 * HOUR) == ["04:00", "06:00"]


def test_without_a_row_before_the_earlier_offset_holds() -> None:
    assert utc_of(TORONTO, "2012-11-04T01:30") == ["05:30"]


def test_a_time_that_does_not_exist_goes_on_from_the_row_before() -> None:
    assert utc_of(TORONTO, "2012-03-11T01:30", "2012-03-11T02:30") == ["06:30", "07:30"]
    assert utc_of(TORONTO, "2012-03-11T02:30") == ["07:30"]


def test_rows_of_several_flats_are_told_apart() -> None:
    clock = LocalClock(TORONTO)
    hours = ["00:00", "01:00", "01:00", "02:00"]
    told = [
        (flat, clock.utc(at(f"2012-11-04T{hour}"), flat, 2).hour)
        for hour in hours
        for flat in ("a", "b")
    ]
    assert told == [(flat, hour) for hour in (4, 5, 6, 7) for flat in ("a", "b")]


def test_events_of_one_moment_stay_together() -> None:
    clock = LocalClock(TORONTO)
    moments = [clock.utc(at("2012-11-04T01:30"), flat, 2) for flat in ("a", "b", "c")]
    assert len(set(moments)) == 1


@settings(max_examples=60, deadline=None)
@given(
    zone=st.sampled_from([TORONTO, "Europe/Berlin", "Australia/Lord_Howe", "America/Sao_Paulo",
                          "Africa/Casablanca", "Asia/Vladivostok", "Pacific/Apia"]),
    day=st.dates(min_value=datetime(2005, 1, 1).date(), max_value=datetime(2026, 1, 1).date()),  # noqa: DTZ001
    minutes=st.sampled_from([15, 30, 60]),
)  # fmt: skip
def test_a_series_that_never_stops_comes_back_whole(zone: str, day: object, minutes: int) -> None:
    """Any zone, any days: stamps of every step, written as local times, give the moments back."""
    start = datetime.fromisoformat(f"{day}T00:00:00+00:00")
    moments = [start + i * timedelta(minutes=minutes) for i in range(3 * 24 * 60 // minutes)]
    clock = LocalClock(zone, timedelta(minutes=minutes))
    where_ = ZoneInfo(zone)
    # The very first stamp may strike twice with nothing before it to tell.
    first = moments[0].astimezone(where_)
    if first.fold or (first + timedelta(0)).replace(fold=1).utcoffset() != first.utcoffset():
        return
    told = [clock.utc(m.astimezone(where_).replace(tzinfo=None), "one", 2) for m in moments]
    assert told == moments


def test_resolved_times_are_counted_in_a_notice(company: Company) -> None:
    company.edit("customers.csv", "Asia/Vladivostok", TORONTO)
    hours = ["00:30", "01:30", "01:30", "02:30"]
    lines = [f"x{i},2026-11-01T{hour}:00,b-1,calls,1\n" for i, hour in enumerate(hours)]
    company.write("usage/night.csv", "id,time,subscription,meter,value\n" + "".join(lines))
    items = list(next(s for s in company.read().usage if s.name == "night").rows())
    assert [item.time.hour for item in items if isinstance(item, UsageRow)] == [4, 5, 6, 7]
    (notice,) = [item for item in items if isinstance(item, Notice)]
    assert notice.params == {"count": "2", "first": "3"}
    assert (notice.place.file, notice.place.row) == ("usage/night.csv", 3)
    assert "2" in notice.message("ru")


def test_a_stamp_that_ends_its_hour_and_a_midnight_that_closes_its_day(company: Company) -> None:
    company.write(
        "usage/hours.csv",
        "At,kWh\n10/05/2026 23:00:00,1\n10/05/2026 00:00:00,2\n10/06/2026 01:00:00,3\n",
    )
    company.write(
        "usage/hours.toml",
        """
meter = "calls"
subscription = "a-1"
value = { column = "kWh" }
id = ["At"]
[time]
column = "At"
format = "%m/%d/%Y %H:%M:%S"
zone = "Europe/Moscow"
marks = "end"
step = "1h"
midnight = "closes"
""",
    )
    folder = company.read()
    assert [where(fault) for fault in folder.faults] == []
    rows = list(next(s for s in folder.usage if s.name == "hours").rows())
    assert [row.time for row in rows if isinstance(row, UsageRow)] == [
        datetime(2026, 10, 5, 19, tzinfo=UTC),
        datetime(2026, 10, 5, 20, tzinfo=UTC),
        datetime(2026, 10, 5, 21, tzinfo=UTC),
    ]


@pytest.mark.parametrize(
    ("pattern", "text", "read"),
    [
        ("%m/%d/%Y %H:%M:%S", "11/25/2011 01:00:00", "2011-11-25T01:00:00"),
        ("%d.%m.%Y %H:%M", "25.11.2011 01:05", "2011-11-25T01:05:00"),
        ("%Y%m%d", "20111125", "2011-11-25T00:00:00"),
        ("%d %b %Y", "25 Nov 2011", "2011-11-25T00:00:00"),
        ("%d.%m.%y", "25.11.11", "2011-11-25T00:00:00"),
    ],
)
def test_formats_are_those_of_strptime(pattern: str, text: str, read: str) -> None:
    parse = parser_of(pattern)
    assert parse(text) == at(read)
    assert parse(text + "x") is None
    assert parse(text.replace("25", "32")) is None
