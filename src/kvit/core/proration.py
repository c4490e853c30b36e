"""What part of a period is paid for, by a declared policy, since real vendors disagree.

A worked example, a fee of 10 000.00 for October changed on the 16th (policy "days"):

    share of the old price  = 15/31   → 4 838.71
    share of the new price  = 16/31   → 8 500.00 × 16/31 = 4 387.10

A share is an exact fraction; money is rounded once, after the multiplication.
"""

import re
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from fractions import Fraction

from kvit.core.money import Rounding, to_minor
from kvit.core.periods import BadPeriod, Cycle, Period, add_months

_FIXED = re.compile(r"fixed_([1-9]\d{0,2})", re.ASCII)


class UnknownPolicy(ValueError):
    """The name is not a proration policy."""


@dataclass(frozen=True, slots=True)
class Moments:
    """Aware instants from `start` up to, not including, `end`: for the policy "seconds"."""

    start: datetime
    end: datetime

    def __post_init__(self) -> None:
        if self.start.tzinfo is None or self.end.tzinfo is None:
            raise BadPeriod("a moment without a time zone")
        if self.end < self.start:
            raise BadPeriod(f"{self.start} … {self.end}")


@dataclass(frozen=True, slots=True)
class PriceChange:
    """The money of a change in mid-period: minor units, both >= 0, each rounded once."""

    share: Fraction  # what is left of the period from the change on
    credit: int  # of the old price, for that share
    charge: int  # of the new price, for the same share

    @property
    def net(self) -> int:
        return self.charge - self.credit


def check_policy(policy: str) -> None:
    """Raise `UnknownPolicy` unless it is days, days_inclusive, seconds, fixed_N (1–999) or none."""
    named = policy in ("days", "days_inclusive", "seconds", "none")
    if not named and not _FIXED.fullmatch(policy):
        raise UnknownPolicy(policy)


def share(
    policy: str, period: Period | Moments, active: Period | Moments, *, zone: str = "UTC"
) -> Fraction:
    """The part of `period` for which `active` pays.

    Args:
        policy: see `check_policy`. "days_inclusive" reads the `end` of both periods as a day that
            is included; "fixed_N" counts months of N days from the dates of `active` alone, so
            that its share may exceed 1; "none" is the whole period for anything but no time.
        period: local dates, half-open; `Moments` for "seconds".
        active: of the same kind, inside `period` (not asked of "fixed_N").
        zone: turns dates into moments for "seconds", so that a day of 23 hours weighs 23.

    Raises:
        UnknownPolicy: see `check_policy`.
        BadPeriod: `period` has no length, `active` leaves it, or moments where dates are needed.
    """
    check_policy(policy)
    if policy == "seconds":
        return _share_of_seconds(_moments(period, zone), _moments(active, zone))
    if isinstance(period, Moments) or isinstance(active, Moments):
        raise BadPeriod(f"policy {policy} counts days: dates are needed")
    fixed = _FIXED.fullmatch(policy)
    if fixed:
        return _share_of_fixed(int(fixed[1]), active)
    included = 1 if policy == "days_inclusive" else 0
    length = period.days + included
    if not length or not active.within(period):
        raise BadPeriod(f"{active} in {period}")
    if policy == "none":
        return Fraction(1 if active.days else 0)
    return Fraction(active.days + included, length)


def remaining_share(
    policy: str, period: Period | Moments, at: date | datetime, *, zone: str = "UTC"
) -> Fraction:
    """The share of `period` from `at`, the first day (or moment) of the new price, to its end.

    Raises:
        BadPeriod: `at` lies outside the period, or is a moment where a date is needed or inversely.
        UnknownPolicy: see `check_policy`.
    """
    if isinstance(period, Moments):
        if not isinstance(at, datetime):
            raise BadPeriod(f"{at} is a date in a period of moments")
        return share(policy, period, Moments(at, period.end), zone=zone)
    if isinstance(at, datetime):
        raise BadPeriod(f"{at} is a moment in a period of dates")
    if at < period.start:
        raise BadPeriod(f"{at} before {period}")
    return share(policy, period, Period(at, period.end), zone=zone)


def price_change(
    old: Fraction, new: Fraction, left: Fraction, currency: str, rounding: Rounding = "half-up"
) -> PriceChange:
    """Credit the old price (major units) and charge the new for the share `left` of a period.

    Raises:
        ValueError: a price or the share is negative.
        UnknownCurrency: see `money.exponent`.
    """
    if min(old, new, left) < 0:
        raise ValueError("a price and a share are not negative")
    credit, charge = (to_minor(price * left, currency, rounding) for price in (old, new))
    return PriceChange(left, credit, charge)


def cycles_in_advance(
    cycle: Cycle, anchor_day: int, start: date, end: date | None, until: date
) -> Fraction:
    """How many periods of a subscription billed in advance are billed by `until`, inclusive.

    The policy "previous_period_stub": billing dates fall on `anchor_day`, clamped to the month's
    end. A leading stub, before the first of them, is divided by the days of the interval counted
    back from it; a trailing stub, cut by `end`, by the days of its own period. Whatever starts on
    or before `until` is billed whole.

    Worked example: month, day 31, start 14 February 2011, until 1 March: the first billing date
    is 28 February, its interval counted back began on 28 January: 14/31 + 1 = 45/31.

    Raises:
        BadPeriod: the end precedes the start, or the anchor day is not of 1–31.
        UnknownPolicy: the cycle is not of months (weeks and days have no anchor day).

    Source:
        Kill Bill, invoice/…/proRations/inAdvance (the published cases in its tests).
    """
    months = cycle.months
    if not months:
        raise UnknownPolicy(f"previous_period_stub for {cycle}")
    if not 1 <= anchor_day <= 31 or (end is not None and end < start):
        raise BadPeriod(f"day {anchor_day}, {start} … {end}")
    # Any month of 31 days carries the anchor day unclamped; the grid is that of the start's month.
    january = date(start.year, 1, anchor_day)
    offset = start.month - 1
    first = add_months(january, offset)
    if first < start:
        offset += months
        first = add_months(january, offset)
    if until < start or start == end:
        return Fraction(0)
    stub_end = first if end is None else min(first, end)
    billed = Fraction((stub_end - start).days, (first - add_months(first, -months)).days)
    begins = first
    while begins <= until and (end is None or begins < end):
        offset += months
        ends = add_months(january, offset)
        active_end = ends if end is None else min(ends, end)
        billed += Fraction((active_end - begins).days, (ends - begins).days)
        begins = ends
    return billed


def _share_of_fixed(days: int, active: Period) -> Fraction:
    """23 February … 15 March in months of 30 days: 30 × 1 + 15 − 23 = 22 of 30."""
    first, last = active.start, active.end
    months = (last.year - first.year) * 12 + last.month - first.month
    return Fraction(days * months + min(last.day, days) - min(first.day, days), days)


def _share_of_seconds(period: Moments, active: Moments) -> Fraction:
    length = period.end - period.start
    if not length or active.start < period.start or active.end > period.end:
        raise BadPeriod(f"{active} in {period}")
    return Fraction(_microseconds(active.end - active.start), _microseconds(length))


def _moments(period: Period | Moments, zone: str) -> Moments:
    if isinstance(period, Moments):
        return period
    return Moments(period.start_instant(zone), period.end_instant(zone))


def _microseconds(length: timedelta) -> int:
    return length // timedelta(microseconds=1)
