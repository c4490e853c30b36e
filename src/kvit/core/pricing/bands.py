"""Bands: hours of some days, as `timed`, `banded` and `destination` describe them.

On a holiday of the calendar only the bands that list "holiday" are considered, where any does.
"""

import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from typing import Annotated, Protocol

from kvit.core.pricing.compiled import Rule, TimeBand, ratio
from kvit.core.pricing.errors import PriceError
from kvit.core.pricing.fields import Amount, Positive, Reader, read_list, read_text

SECOND = 1_000_000
DAY = 24 * 60 * 60 * SECOND
HOLIDAY = 0
_CLOCK = re.compile(r"(\d\d):(\d\d)(?::(\d\d))?", re.ASCII)
ZERO = Fraction(0)


class HolidayCalendar(Protocol):
    """Says which days are holidays."""

    def is_holiday(self, day: date) -> bool: ...


def read_clock(value: object, path: str) -> int:
    """Read "18:00" (or "18:00:30", or "24:00") as microseconds of the day."""
    match = _CLOCK.fullmatch(read_text(value, path))
    if match:
        hours, minutes, seconds = (int(part or 0) for part in match.groups())
        at = (hours * 60 + minutes) * 60 + seconds
        if minutes < 60 and seconds < 60 and at * SECOND <= DAY:
            return at * SECOND
    raise PriceError("bad_period", path, reason="clock", value=str(value)[:40])


def clock_text(at: int) -> str:
    """Write microseconds of the day as "18:00"."""
    minutes, seconds = divmod(at // SECOND, 60)
    text = f"{minutes // 60:02}:{minutes % 60:02}"
    return f"{text}:{seconds:02}" if seconds else text


def read_days(value: object, path: str) -> frozenset[int]:
    """Read [1, …, 7, "holiday"]: ISO weekdays, Monday is 1; "holiday" becomes 0."""
    rows = read_list(value, path)
    days = set()
    for i, day in enumerate(rows):
        if day == "holiday":
            days.add(HOLIDAY)
        elif day in range(1, 8) and not isinstance(day, bool | float):
            days.add(int(str(day)))
        else:
            raise PriceError(
                "out_of_range",
                f"{path}[{i}]",
                reason="choice",
                value=str(day)[:40],
                known='1, 2, 3, 4, 5, 6, 7, "holiday"',
            )
    if not days:
        raise PriceError("bad_tiers", path, reason="empty")
    return frozenset(days)


def _days_document(days: frozenset[int]) -> list[object]:
    weekdays = sorted(days - {HOLIDAY})
    return [*weekdays, *(["holiday"] if HOLIDAY in days else [])]


Clock = Annotated[int, Reader(read_clock, clock_text)]
Days = Annotated[frozenset[int], Reader(read_days, _days_document)]


def to_us(seconds: Fraction | int, path: str) -> int:
    """Turn seconds into whole microseconds.

    Raises:
        PriceError: out_of_range, the time is finer than a microsecond.
    """
    ticks = Fraction(seconds) * SECOND
    if ticks.denominator != 1:
        raise PriceError("out_of_range", path, value=str(seconds), bounds="0.000001")
    return ticks.numerator


class Hours(Protocol):
    """What every band has."""

    @property
    def days(self) -> frozenset[int]: ...
    @property
    def from_(self) -> int: ...
    @property
    def to(self) -> int: ...


def check_hours(bands: Sequence[Hours], path: str) -> None:
    """Refuse bands without hours, and bands that hold at the same moment of a day.

    Raises:
        PriceError: bad_tiers.
    """
    if not bands:
        raise PriceError("bad_tiers", f"{path}.bands", reason="empty")
    for i, band in enumerate(bands):
        if band.to <= band.from_:
            raise PriceError("bad_tiers", f"{path}.bands[{i}].to", reason="hours")
    for day in range(8):
        of_day = sorted((b.from_, b.to, i) for i, b in enumerate(bands) if day in b.days)
        for (_, end, first), (start, _, second) in itertools.pairwise(of_day):
            if start < end:
                raise PriceError(
                    "bad_tiers",
                    f"{path}.bands[{max(first, second)}]",
                    reason="overlap",
                    first=min(first, second) + 1,
                    second=max(first, second) + 1,
                )


class Banding(Protocol):
    """Bands with the holidays that their own price names."""

    @property
    def bands(self) -> tuple[TimeBand, ...]: ...
    @property
    def holidays(self) -> frozenset[date]: ...


def band_at(banding: Banding, day: date, at: int, calendar: HolidayCalendar | None) -> int | None:
    """Return the index of the band that holds at `at` µs of the local `day`, if one does."""
    bands = banding.bands
    kind = day.isoweekday()
    observed = any(HOLIDAY in band.days for band in bands)
    given = calendar is not None and calendar.is_holiday(day)
    if observed and (given or day in banding.holidays):
        kind = HOLIDAY
    for i, band in enumerate(bands):
        if kind in band.days and band.start <= at < band.end:
            return i
    return None


@dataclass(frozen=True, slots=True)
class TimeStep:
    """From `after` seconds of the session on, time is charged in whole steps of `step` seconds."""

    after: Amount
    step: Positive
    rate: Amount | None = None  # the band's own where absent
    per: Positive | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TimedBand:
    """`rate` for `per` seconds, in the hours from `from` to `to` of `days`."""

    days: Days
    from_: Clock
    to: Clock
    rate: Amount
    per: Positive
    connect_fee: Amount = ZERO
    steps: tuple[TimeStep, ...] = ()

    def check(self, path: str) -> None:
        """Steps begin later and later."""
        check_steps(self.steps, path)


def check_steps(steps: Sequence[TimeStep], path: str) -> None:
    """Refuse steps that do not begin later and later.

    Raises:
        PriceError: bad_tiers.
    """
    for i, (one, two) in enumerate(itertools.pairwise(steps), start=1):
        if two.after <= one.after:
            raise PriceError(
                "bad_tiers",
                f"{path}.steps[{i}].after",
                reason="not_rising",
                value=two.after,
                previous=one.after,
            )
    for i, step in enumerate(steps):
        to_us(step.after, f"{path}.steps[{i}].after")
        to_us(step.step, f"{path}.steps[{i}].step")


def compile_rules(steps: Sequence[TimeStep], rate: Fraction, per: Fraction) -> tuple[Rule, ...]:
    """Return the rules of a band; before the first step time is charged as it runs."""
    rules = [
        Rule(
            to_us(step.after, "after"),
            to_us(step.step, "step"),
            ratio((rate if step.rate is None else step.rate) / (step.per or per)),
        )
        for step in steps
    ]
    if not rules or rules[0].after:
        rules.insert(0, Rule(0, 0, ratio(rate / per)))
    return tuple(rules)


def compile_band(band: TimedBand) -> TimeBand:
    """Return the band in microseconds and money a second."""
    return TimeBand(
        days=band.days,
        start=band.from_,
        end=band.to,
        fee=ratio(band.connect_fee),
        rules=compile_rules(band.steps, band.rate, band.per),
        name=f"{clock_text(band.from_)}–{clock_text(band.to)}",
    )
