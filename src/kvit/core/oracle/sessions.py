"""Prices by the clock: a session is walked through, a reading is placed by its start."""

from collections.abc import Collection
from datetime import date, datetime, timedelta
from fractions import Fraction

from kvit.core.oracle.answers import Document, NoBand, number, rounded

ZERO = Fraction(0)


def timed(price: Document, start: str, seconds: Fraction, holidays: Collection[date]) -> Fraction:
    """Walk from the first second to the last, charging each stretch at the band it begins in."""
    if not seconds:
        return ZERO
    began = datetime.fromisoformat(start)
    total = number(_band(price, began, holidays), "connect_fee", "0")
    passed = ZERO
    while passed < seconds:
        moment = began + _exact(passed)
        band = _band(price, moment, holidays)
        step = _step(band, passed)
        if step is None:
            stretch = min(_to_next_change(band, passed, moment), seconds - passed)
            total += stretch * number(band, "rate") / number(band, "per")
        else:
            stretch = number(step, "step")  # charged whole, even if the session or the band ends
            source = band if step.get("rate") is None else step
            per = number(step, "per") if step.get("per") is not None else number(band, "per")
            total += stretch * number(source, "rate") / per
        passed += stretch
    precision = price.get("precision")
    if precision is None:
        return total
    # The price says how many decimals; "rounding" of a line is about its `amount` alone, and may
    # not change the exact sum beside it. So a session is rounded half-up, whatever the line says.
    scale = 10 ** int(precision)
    return Fraction(rounded(total * scale, "half-up"), scale)


def banded(price: Document, readings: list[Document], holidays: Collection[date]) -> Fraction:
    """A reading costs what the band in which its interval begins says."""
    return sum(
        (
            number(row, "units")
            * number(_band(price, datetime.fromisoformat(row["start"]), holidays), "unit")
            for row in readings
        ),
        ZERO,
    )


def _band(price: Document, moment: datetime, holidays: Collection[date]) -> Document:
    """The band of the wall clock; on a holiday those of holidays alone, where there are any."""
    bands: list[Document] = price["bands"]
    on_holiday = [band for band in bands if "holiday" in band["days"]]
    if moment.date() in holidays and on_holiday:
        found = on_holiday
    else:
        found = [band for band in bands if moment.isoweekday() in band["days"]]
    clock = moment.hour * 60 + moment.minute  # bands begin and end on whole minutes
    for band in found:
        if _minutes(band["from"]) <= clock < _minutes(band["to"]):
            return band
    raise NoBand


def _step(band: Document, passed: Fraction) -> Document | None:
    """The last step that applies from `passed` seconds of the session on."""
    begun = [step for step in band.get("steps") or [] if number(step, "after") <= passed]
    return max(begun, key=lambda step: number(step, "after")) if begun else None


def _to_next_change(band: Document, passed: Fraction, moment: datetime) -> Fraction:
    """Seconds for which nothing can change: up to the next whole minute or the next step."""
    inside = moment.second * 1_000_000 + moment.microsecond
    to_minute = 60 - Fraction(inside, 1_000_000)
    coming = [number(step, "after") - passed for step in band.get("steps") or []]
    return min([to_minute, *(wait for wait in coming if wait > 0)])


def _exact(seconds: Fraction) -> timedelta:
    microseconds = seconds * 1_000_000
    if microseconds.denominator != 1:
        raise ValueError("finer than a microsecond")
    return timedelta(microseconds=microseconds.numerator)


def _minutes(clock: str) -> int:
    hours, minutes = clock.split(":")
    return int(hours) * 60 + int(minutes)
