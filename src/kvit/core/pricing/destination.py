"""Destination: sessions charged by the longest prefix of the number that was reached.

A worked example, prefixes 7 at 3.00 and 7495 at 1.20 a minute, 60/1 (the first minute whole, then
by the second), 0.50 to connect; 74951234567 for 90 seconds: 0.50 + 60 × 0.02 + 30 × 0.02 = 2.30.
"""

import re
from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from typing import Annotated, ClassVar

from kvit.core.money import Rounding
from kvit.core.pricing.bands import (
    DAY,
    TimedBand,
    TimeStep,
    check_hours,
    check_steps,
    compile_band,
    compile_rules,
    to_us,
)
from kvit.core.pricing.compiled import Compiled, Route, SessionStep, TimeBand, ratio
from kvit.core.pricing.errors import PriceError
from kvit.core.pricing.fields import Amount, Positive, Precision, Reader, read_text
from kvit.core.pricing.price import Needs, Price

ZERO = Fraction(0)
_INCREMENTS = re.compile(r"(\d{1,6})/(\d{1,6})", re.ASCII)


def read_increments(value: object, path: str) -> tuple[int, int]:
    """Read "60/1": the first increment and the following ones, in seconds."""
    match = _INCREMENTS.fullmatch(read_text(value, path))
    if not match or "0" in (str(int(part)) for part in match.groups()):
        raise PriceError("out_of_range", path, reason="kind", expected="60/60, 60/1, 1/1")
    return int(match[1]), int(match[2])


Increments = Annotated[tuple[int, int], Reader(read_increments, lambda pair: "{}/{}".format(*pair))]


@dataclass(frozen=True, slots=True, kw_only=True)
class Destination:
    """One group of prefixes: either `rate` for `per` seconds at any hour, or `bands`.

    A session of up to `free_seconds` costs nothing; a longer one is charged from its first second
    (free first seconds of every session are a step with the rate 0).
    """

    prefixes: tuple[str, ...]
    name: str = ""
    rate: Amount | None = None
    per: Positive = Fraction(60)
    connect_fee: Amount = ZERO
    increments: Increments | None = None
    steps: tuple[TimeStep, ...] = ()
    bands: tuple[TimedBand, ...] = ()
    free_seconds: Amount = ZERO
    max_cost: Amount | None = None  # the most that one session may cost
    precision: Precision | None = None
    precision_rounding: Rounding = "half-up"

    def check(self, path: str) -> None:
        """The rate is given once: plainly or by bands."""
        if not self.prefixes:
            raise PriceError("bad_tiers", f"{path}.prefixes", reason="empty")
        if self.bands:
            check_hours(self.bands, path)
            for name in ("rate", "increments", "steps", "connect_fee"):
                if getattr(self, name):
                    raise PriceError("unknown_field", f"{path}.{name}", name=name, known="bands")
        elif self.rate is None:
            raise PriceError("missing_field", f"{path}.rate", name="rate")
        if self.increments and self.steps:
            raise PriceError("unknown_field", f"{path}.steps", name="steps", known="increments")
        check_steps(self.steps, path)
        to_us(self.free_seconds, f"{path}.free_seconds")

    def route(self, holidays: frozenset[date]) -> Route:
        """Return the compiled form."""
        return Route(
            name=self.name or self.prefixes[0],
            bands=tuple(compile_band(band) for band in self.bands) or (self._any_hour(),),
            free_us=to_us(self.free_seconds, "free_seconds"),
            most=None if self.max_cost is None else ratio(self.max_cost),
            precision=self.precision,
            rounding=self.precision_rounding,
            holidays=holidays,
        )

    def _any_hour(self) -> TimeBand:
        steps = self.steps
        if self.increments:
            first, later = (Fraction(part) for part in self.increments)
            steps = (TimeStep(ZERO, first), TimeStep(first, later))
        return TimeBand(
            days=frozenset(range(1, 8)),
            start=0,
            end=DAY,
            fee=ratio(self.connect_fee),
            rules=compile_rules(steps, self.rate or ZERO, self.per),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class DestinationPrice(Price):
    """No prefix fits: no_price; the empty prefix fits everything."""

    model: ClassVar[str] = "destination"
    part: ClassVar[Needs] = "sessions"

    rates: tuple[Destination, ...]
    calendar: tuple[date, ...] = ()  # holidays, beside those of the calendar given at evaluation

    def check(self, path: str) -> None:
        """Every prefix stands once."""
        if not self.rates:
            raise PriceError("bad_tiers", f"{path}.rates", reason="empty")
        seen: set[str] = set()
        for i, rate in enumerate(self.rates):
            for j, prefix in enumerate(rate.prefixes):
                if prefix in seen:
                    field = f"{path}.rates[{i}].prefixes[{j}]"
                    raise PriceError("bad_tiers", field, reason="repeated", value=prefix)
                seen.add(prefix)

    def compile(self) -> Compiled:
        """A sorted table of prefixes over the routes."""
        prefixes = sorted((p, i) for i, rate in enumerate(self.rates) for p in rate.prefixes)
        routes = tuple(rate.route(frozenset(self.calendar)) for rate in self.rates)
        return Compiled("amounts", event=SessionStep(tuple(prefixes), routes))
