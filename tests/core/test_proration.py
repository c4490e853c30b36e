"""Shares of a period by policy: figures that vendors published, edges, and identities."""

from datetime import UTC, date, datetime, timedelta
from fractions import Fraction as F  # noqa: N817

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kvit.core.money import to_minor
from kvit.core.periods import BadPeriod, Period, add_months, parse_cycle
from kvit.core.proration import (
    Moments,
    PriceChange,
    UnknownPolicy,
    check_policy,
    cycles_in_advance,
    price_change,
    remaining_share,
    share,
)


def d(text: str) -> date:
    return date.fromisoformat(text)


def p(start: str, end: str) -> Period:
    return Period(d(start), d(end))


def m(start: str, end: str) -> Moments:
    return Moments(datetime.fromisoformat(start), datetime.fromisoformat(end))


OCTOBER = p("2026-10-01", "2026-11-01")


def test_a_fee_changed_on_the_16th_of_october() -> None:
    before = share("days", OCTOBER, p("2026-10-01", "2026-10-16"))
    after = share("days", OCTOBER, p("2026-10-16", "2026-11-01"))
    assert (before, after) == (F(15, 31), F(16, 31))
    assert to_minor(10_000 * before, "RUB") == 483_871
    assert to_minor(8_500 * after, "RUB") == 438_710


@pytest.mark.parametrize(
    ("policy", "period", "active", "expected"),
    [
        ("days", p("2024-02-01", "2024-03-01"), p("2024-02-15", "2024-03-01"), F(15, 29)),
        ("days", OCTOBER, OCTOBER, F(1)),
        ("days", OCTOBER, p("2026-10-05", "2026-10-05"), F(0)),
        ("days_inclusive", p("2026-10-01", "2026-10-31"), p("2026-10-16", "2026-10-31"), F(16, 31)),
        ("days_inclusive", p("2026-10-31", "2026-10-31"), p("2026-10-31", "2026-10-31"), F(1)),
        ("none", OCTOBER, p("2026-10-31", "2026-11-01"), F(1)),
        ("none", OCTOBER, p("2026-10-31", "2026-10-31"), F(0)),
        # Kill Bill, TestInvoiceDateUtilsWithFixedProration: months of 30 days.
        ("fixed_30", OCTOBER, p("2023-05-23", "2023-06-15"), F(22, 30)),
        ("fixed_30", OCTOBER, p("2023-06-23", "2023-07-15"), F(22, 30)),
        ("fixed_30", OCTOBER, p("2026-02-23", "2026-03-15"), F(22, 30)),
        ("fixed_30", OCTOBER, p("2026-02-01", "2026-03-01"), F(1)),
        ("fixed_30", OCTOBER, p("2026-10-31", "2026-11-30"), F(1)),
        ("fixed_30", OCTOBER, p("2026-01-01", "2026-03-16"), F(5, 2)),
        ("fixed_28", OCTOBER, p("2026-01-28", "2026-01-31"), F(0)),
    ],
)
def test_shares(policy: str, period: Period, active: Period, expected: F) -> None:
    assert share(policy, period, active) == expected


def test_fixed_months_agree_with_kill_bill_in_money() -> None:
    # TestInvoiceFixedProration, "leading BCD 15": 19.95 × 22/30.
    active = p("2023-05-23", "2023-06-15")
    assert to_minor(F("19.95") * share("fixed_30", active, active), "USD") == 1463


def test_seconds_weigh_a_short_day_as_it_is() -> None:
    march = p("2026-03-01", "2026-04-01")  # 743 hours in Toronto
    eighth = p("2026-03-08", "2026-03-09")
    assert share("seconds", march, eighth, zone="America/Toronto") == F(23, 743)
    assert share("seconds", march, eighth) == F(1, 31)
    period = m("2026-03-01T00:00:00-05:00", "2026-04-01T00:00:00-04:00")
    assert share("seconds", period, m("2026-03-01T05:00:00Z", "2026-03-01T05:00:01Z")) == F(
        1, 743 * 3600
    )


@pytest.mark.parametrize(
    ("start", "end", "change", "credit", "charge"),
    [  # Polar, test_service_prorations: 100.00 → 300.00, exact elapsed time
        ("2025-06-01", "2025-07-01", "2025-06-16", 5000, 15000),
        ("2024-02-18", "2024-03-18", "2024-02-25", 7586, 22759),
    ],
)
def test_polar_changes_of_plan(start: str, end: str, change: str, credit: int, charge: int) -> None:
    period = m(f"{start}T00:00:00Z", f"{end}T00:00:00Z")
    left = remaining_share("seconds", period, datetime.fromisoformat(f"{change}T00:00:00Z"))
    found = price_change(F(100), F(300), left, "USD")
    assert (found.credit, found.charge, found.net) == (credit, charge, charge - credit)


def test_flexprice_counts_the_last_day() -> None:
    # calculator_test.go: 2024-03-01..2024-03-31 are 31 days, a change on the 15th leaves 17.
    left = remaining_share("days_inclusive", p("2024-03-01", "2024-03-31"), d("2024-03-15"))
    assert price_change(F(10), F(20), left, "USD") == PriceChange(F(17, 31), 548, 1097)
    assert price_change(F(10), F(20), left, "USD").net == 549


def test_meteroid_changes_nothing_on_the_end_of_the_period() -> None:
    left = remaining_share("days", p("2025-01-01", "2025-01-31"), d("2025-01-31"))
    assert price_change(F(100), F(200), left, "USD") == PriceChange(F(0), 0, 0)


def test_lago_terminates_a_quarter_after_32_days() -> None:
    # upgrade_proration_spec: 2024-05-20 … 2024-06-20 inclusive, of a quarter of 91 days.
    part = share("days_inclusive", p("2024-04-15", "2024-07-14"), p("2024-05-20", "2024-06-20"))
    assert to_minor(910 * part, "USD") == 32_000


@pytest.mark.parametrize(
    ("day", "start", "end", "until", "expected"),
    [  # Kill Bill, proRations/inAdvance/monthly
        (31, "2011-02-14", None, "2011-03-01", F(45, 31)),
        (3, "2011-02-17", None, "2011-03-03", F(3, 2)),
        (15, "2010-12-15", None, "2011-01-16", F(2)),
        (15, "2011-03-07", None, "2011-04-21", F(16, 7)),
        (1, "2012-02-01", "2012-02-15", "2012-02-19", F(14, 29)),
        (15, "2011-02-15", None, "2011-04-21", F(3)),
        (13, "2011-02-01", None, "2011-04-13", F(105, 31)),
        (15, "2011-02-15", None, "2011-03-01", F(1)),
        # Ours: the edges.
        (15, "2011-02-15", None, "2011-02-14", F(0)),
        (15, "2011-02-15", None, "2011-02-15", F(1)),
        (15, "2011-02-15", None, "2011-03-14", F(1)),
        (15, "2011-02-15", None, "2011-03-15", F(2)),
        (15, "2011-02-05", "2011-02-10", "2011-12-31", F(5, 31)),
        (15, "2011-02-05", "2011-02-05", "2011-12-31", F(0)),
        (15, "2011-02-05", None, "2011-02-05", F(10, 31)),
    ],
)
def test_cycles_in_advance(day: int, start: str, end: str | None, until: str, expected: F) -> None:
    last = d(end) if end else None
    assert cycles_in_advance(parse_cycle("month"), day, d(start), last, d(until)) == expected


def test_a_year_in_advance_counts_its_stub_by_the_year_before() -> None:
    # Kill Bill, annual TestProRation: 349 of the 365 days before 15 January 2012.
    year = parse_cycle("year")
    assert cycles_in_advance(year, 15, d("2011-01-31"), None, d("2011-02-24")) == F(349, 365)


@given(st.integers(1, 31), st.dates(date(2000, 1, 1), date(2030, 12, 31)), st.integers(0, 40))
def test_whole_periods_from_an_unclamped_anchor_are_whole(day: int, near: date, n: int) -> None:
    start = near.replace(month=7, day=day)
    until = add_months(start, n)
    assert cycles_in_advance(parse_cycle("month"), day, start, None, until) == n + 1


@pytest.mark.parametrize(
    "policy", ["", "day", "fixed_", "fixed_0", "fixed_030", "fixed_1000", "NONE"]
)
def test_an_unknown_policy_is_refused(policy: str) -> None:
    with pytest.raises(UnknownPolicy):
        check_policy(policy)


def test_what_makes_no_share_is_refused() -> None:
    moments = m("2026-10-01T00:00:00Z", "2026-11-01T00:00:00Z")
    refused = [
        lambda: share("days", p("2026-10-01", "2026-10-01"), p("2026-10-01", "2026-10-01")),
        lambda: share("days", OCTOBER, p("2026-10-31", "2026-11-02")),
        lambda: share("none", OCTOBER, p("2026-09-30", "2026-10-02")),
        lambda: share("days", moments, moments),
        lambda: share("seconds", moments, m("2026-10-31T00:00:00Z", "2026-11-01T00:00:01Z")),
        lambda: share("seconds", m("2026-10-01T00:00:00Z", "2026-10-01T00:00:00Z"), moments),
        lambda: m("2026-10-01T00:00:00", "2026-11-01T00:00:00"),
        lambda: m("2026-11-01T00:00:00Z", "2026-10-01T00:00:00Z"),
        lambda: remaining_share("days", OCTOBER, d("2026-09-30")),
        lambda: remaining_share("days", OCTOBER, d("2026-11-02")),
        lambda: remaining_share("days", OCTOBER, datetime(2026, 10, 5, tzinfo=UTC)),
        lambda: remaining_share("seconds", moments, d("2026-10-05")),
        lambda: cycles_in_advance(parse_cycle("month"), 0, d("2026-01-01"), None, d("2026-01-01")),
        lambda: cycles_in_advance(
            parse_cycle("month"), 1, d("2026-01-02"), d("2026-01-01"), d("2026-01-01")
        ),
    ]
    for call in refused:
        with pytest.raises(BadPeriod):
            call()
    with pytest.raises(UnknownPolicy):
        cycles_in_advance(parse_cycle("week"), 1, d("2026-01-01"), None, d("2026-01-01"))
    with pytest.raises(ValueError, match="not negative"):
        price_change(F(-1), F(1), F(1, 2), "RUB")


@st.composite
def split_periods(draw: st.DrawFn) -> tuple[Period, date]:
    start = draw(st.dates(date(2000, 1, 1), date(2060, 1, 1)))
    length = draw(st.integers(1, 800))
    at = draw(st.integers(0, length))
    return Period(start, start + timedelta(days=length)), start + timedelta(days=at)


@given(
    split_periods(), st.sampled_from(["days", "seconds"]), st.sampled_from(["UTC", "Asia/Amman"])
)
def test_a_period_cut_in_two_loses_nothing(
    split: tuple[Period, date], policy: str, zone: str
) -> None:
    period, at = split
    parts = [Period(period.start, at), Period(at, period.end)]
    assert sum(share(policy, period, part, zone=zone) for part in parts) == 1


@given(split_periods(), st.integers(1, 31))
def test_fixed_months_cut_in_two_add_up(split: tuple[Period, date], days: int) -> None:
    period, at = split
    policy = f"fixed_{days}"
    parts = [Period(period.start, at), Period(at, period.end)]
    assert sum(share(policy, period, x) for x in parts) == share(policy, period, period)
    assert all(share(policy, period, x) >= 0 for x in parts)


@given(
    st.integers(0, 10**9), st.integers(0, 10**9), split_periods(),
    st.sampled_from(["RUB", "JPY", "KWD"]),
)  # fmt: skip
def test_credit_and_charge_identities(
    old: int, new: int, split: tuple[Period, date], currency: str
) -> None:
    period, at = split
    left = remaining_share("days", period, at)
    change = price_change(F(old, 100), F(new, 100), left, currency)
    # The same price costs nothing to change to, and a change back undoes the first.
    assert price_change(F(old, 100), F(old, 100), left, currency).net == 0
    assert price_change(F(new, 100), F(old, 100), left, currency).net == -change.net
    assert 0 <= change.credit <= to_minor(F(old, 100), currency)
    assert 0 <= change.charge <= to_minor(F(new, 100), currency)
