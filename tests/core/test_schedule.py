"""Service periods of a subscription, and which billing period charges them."""

import itertools
from datetime import date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kvit.core.periods import Period, add_months, instant_of, local_date, parse_billing_period
from kvit.core.schedule import ServicePeriod, due_in_advance, due_in_arrears, service_periods
from tests.core.billing import MOSCOW, contract, flat, moment, plan, price, shop

SHOP = shop(
    plan(),
    plan("other"),
    plan("quarterly", cycle="quarter"),
    plan("yearly", cycle="year"),
    plan("personal", anchor="anniversary"),
    plan("fortnight", cycle="2 weeks"),
    plan("daily", cycle="day"),
    price("fee", flat("1.00")),
)


def served(*said: Any, month: str = "2026-10", **more: Any) -> list[str]:
    """The service periods that touch a month, with what of them is served."""
    found = service_periods(contract(*said, **more), SHOP, parse_billing_period(month))
    return [f"{one.period}: {one.served}" for one in found]


def due(one: ServicePeriod, month: str) -> str:
    window = parse_billing_period(month)
    return ("advance " if due_in_advance(one, window) else "") + (
        "arrears" if due_in_arrears(one, window) else ""
    )


def test_worked_example() -> None:
    """Begun on 10 September, cancelled on 20 October."""
    one = ("2026-10-20", "cancel", None)
    found = served(one, start="2026-09-10")
    assert found == [
        "2026-09-01…2026-10-01: 2026-09-10…2026-10-01",
        "2026-10-01…2026-11-01: 2026-10-01…2026-10-20",
    ]


def test_an_end_at_the_last_midnight_counts() -> None:
    month = service_periods(contract(), SHOP, parse_billing_period("2026-10"))[1]
    assert due(month, "2026-10") == "advance arrears"
    assert due(month, "2026-11") == due(month, "2026-09") == ""


@pytest.mark.parametrize("at", ["2026-10-31T23:59:59", "2026-10-31T00:00:01", "2026-11-01"])
def test_an_end_on_the_last_day_is_due_in_its_month(at: str) -> None:
    window = parse_billing_period("2026-10")
    found = service_periods(contract((at, "cancel", None)), SHOP, window)
    assert [one.served.end for one in found][-1] == date(2026, 11, 1)
    assert due_in_arrears(found[-1], window)


def test_a_quarter_is_due_in_advance_in_its_first_month_and_in_arrears_in_its_last() -> None:
    one = contract(plan="quarterly", start="2026-08-15")
    first, second = service_periods(one, SHOP, Period(date(2026, 8, 1), date(2027, 1, 1)))
    months = ["2026-07", "2026-08", "2026-09", "2026-10", "2026-11", "2026-12"]
    assert [due(first, month) for month in months] == ["", "advance ", "arrears", "", "", ""]
    assert [due(second, month) for month in months] == ["", "", "", "advance ", "", "arrears"]


@pytest.mark.parametrize(
    ("start", "expected"),
    [
        ("2026-01-31", ["2026-01-31…2026-02-28", "2026-02-28…2026-03-31", "2026-03-31…2026-04-30"]),
        ("2026-01-30", ["2026-01-30…2026-02-28", "2026-02-28…2026-03-30", "2026-03-30…2026-04-30"]),
        ("2026-01-29", ["2026-01-29…2026-02-28", "2026-02-28…2026-03-29", "2026-03-29…2026-04-29"]),
        ("2024-01-31", ["2024-01-31…2024-02-29", "2024-02-29…2024-03-31", "2024-03-31…2024-04-30"]),
    ],
)
def test_anniversaries_at_the_end_of_a_month(start: str, expected: list[str]) -> None:
    first = date.fromisoformat(start)
    one = contract(plan="personal", start=start)
    found = service_periods(one, SHOP, Period(first, add_months(first, 2) + timedelta(days=3)))
    assert [str(part.period) for part in found][:3] == expected


def test_a_change_of_plan_with_the_same_cycle_continues_its_periods() -> None:
    assert served(("2026-10-16", "plan", "other"), start="2026-10-01") == [
        "2026-10-01…2026-11-01: 2026-10-01…2026-11-01"
    ]


def test_another_cycle_begins_its_own_count() -> None:
    """The quarter that October begins has the month's first day and is not the month."""
    found = served(("2026-10-16", "plan", "quarterly"), start="2026-10-01")
    assert found == [
        "2026-10-01…2026-11-01: 2026-10-01…2026-10-16",
        "2026-10-01…2027-01-01: 2026-10-16…2027-01-01",
    ]


def test_two_cycles_within_a_day_leave_the_last() -> None:
    said = (("2026-10-16T09:00", "plan", "quarterly"), ("2026-10-16T15:00", "plan", "personal"))
    window = parse_billing_period("2026-10")
    found = service_periods(contract(*said, start="2026-10-01"), SHOP, window)
    assert [(str(one.period), one.key) for one in found] == [
        ("2026-10-01…2026-11-01", date(2026, 10, 1)),
        ("2026-10-16…2026-11-16", date(2026, 10, 16)),
    ]
    assert found[0].end == found[1].start == moment("2026-10-16")


def test_a_new_anchor_begins_its_own_count() -> None:
    found = served(
        ("2026-10-05", "plan", "personal"), ("2026-10-20", "plan", "pro"), start="2026-10-01"
    )
    assert found == [
        "2026-10-01…2026-11-01: 2026-10-01…2026-10-05",
        "2026-10-05…2026-11-05: 2026-10-05…2026-10-20",
        "2026-10-01…2026-11-01: 2026-10-20…2026-11-01",
    ]


def test_nothing_before_the_start_nor_after_the_end() -> None:
    assert served(start="2026-11-01") == []
    assert served(("2026-09-20", "cancel", None)) == []
    assert served(start="2026-10-05", end="2026-10-05") == []


def test_the_count_of_periods_since_a_day() -> None:
    window = parse_billing_period("2026-12")
    one = service_periods(contract(start="2026-09-10"), SHOP, window)[-1]
    assert one.index == 3
    assert one.periods_since(date(2026, 9, 30)) == 3
    assert one.periods_since(date(2026, 12, 1)) == 0


@pytest.mark.parametrize(
    ("zone", "day", "hours"),
    [
        ("Europe/Berlin", "2026-03-29", 23),
        ("Europe/Berlin", "2026-10-25", 25),
        ("America/New_York", "2026-11-01", 25),
        ("Africa/Cairo", "2026-04-24", 23),  # midnight itself does not exist
        (MOSCOW, "2026-03-29", 24),
    ],
)
def test_days_of_23_and_25_hours(zone: str, day: str, hours: int) -> None:
    first = date.fromisoformat(day)
    window = Period(first, first + timedelta(days=1))
    found = service_periods(contract(plan="daily", start="2026-01-05", zone=zone), SHOP, window)
    today = next(one for one in found if one.key == first)
    assert today.end - today.start == timedelta(hours=hours)


# --- laws -----------------------------------------------------------------------------------

plans = st.sampled_from(["pro", "other", "quarterly", "yearly", "personal", "fortnight", "daily"])
zones = st.sampled_from([MOSCOW, "Europe/Berlin", "America/New_York", "Pacific/Apia", "UTC"])
lives = st.lists(st.tuples(st.integers(0, 100), st.integers(0, 23), plans), max_size=4)
starts = st.dates(date(2011, 11, 1), date(2028, 12, 31))


def of(start: date, first: str, life: list[Any], zone: str, end: int | None = None) -> Any:
    said: list[Any] = [
        (f"{start + timedelta(days=day)}T{hour:02}:00", "plan", code) for day, hour, code in life
    ]
    if end is not None:
        said = [one for one in said if one[0] < f"{start + timedelta(days=end)}"]
        said.append((f"{start + timedelta(days=end)}", "cancel", None))
    return contract(*said, plan=first, start=start.isoformat(), zone=zone)


@settings(max_examples=150, deadline=None)
@given(starts, plans, lives, zones, st.one_of(st.none(), st.integers(1, 120)))
def test_service_periods_tile_the_life(
    start: date, first: str, life: list[Any], zone: str, end: int | None
) -> None:
    one = of(start, first, life, zone, end)
    found = service_periods(one, SHOP, Period(start, start + timedelta(days=130)))
    assert found[0].start == one.spells[0].start
    for early, late in itertools.pairwise(found):
        assert early.end == late.start
        assert early.key < late.key
    for part in found:
        assert part.served.within(part.period)
        assert part.start < part.end
    last = one.spells[-1]
    if last.terms.state == "ended":
        assert found[-1].end == last.start


@settings(max_examples=100, deadline=None)
@given(starts, plans, lives, zones)
def test_every_period_is_due_once(start: date, first: str, life: list[Any], zone: str) -> None:
    """Billed month by month, each service period that ended is due in arrears in exactly one
    month, and in advance in exactly one."""
    one = of(start, first, life, zone, 110)
    first_month = start.replace(day=1)
    months = [Period(add_months(first_month, n), add_months(first_month, n + 1)) for n in range(7)]
    arrears = [p.key for m in months for p in service_periods(one, SHOP, m) if due_in_arrears(p, m)]
    advance = [p.key for m in months for p in service_periods(one, SHOP, m) if due_in_advance(p, m)]
    whole = Period(first_month, add_months(first_month, 7))
    expected = [p.key for p in service_periods(one, SHOP, whole)]
    assert arrears == advance == expected


@settings(max_examples=60, deadline=None)
@given(starts, plans, zones, st.integers(0, 40))
def test_a_window_sees_what_a_wider_one_sees(start: date, first: str, zone: str, at: int) -> None:
    one = of(start, first, [], zone)
    wide = service_periods(one, SHOP, Period(start, start + timedelta(days=90)))
    day = start + timedelta(days=at)
    narrow = service_periods(one, SHOP, Period(day, day + timedelta(days=1)))
    assert set(narrow) <= set(wide)
    assert any(part.start <= instant_of(day, zone) < part.end for part in narrow)
    assert all(isinstance(part.start, datetime) for part in narrow)
    assert local_date(narrow[0].start, zone) <= day
