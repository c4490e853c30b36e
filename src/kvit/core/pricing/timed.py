"""Timed: sessions charged by their time, by the bands through which they run.

A worked example, 00–18 h at 1.00 a second and 1.00 to connect, 18–24 h at 0.50; from 17:30:00 for
1 850 seconds: 1.00 + 1 800 × 1.00 + 50 × 0.50 = 1 826.00.
"""

from dataclasses import dataclass
from datetime import date
from typing import ClassVar

from kvit.core.money import Rounding
from kvit.core.pricing.bands import TimedBand, check_hours, compile_band
from kvit.core.pricing.compiled import Compiled, Route, SessionStep
from kvit.core.pricing.fields import Precision
from kvit.core.pricing.price import Needs, Price


@dataclass(frozen=True, slots=True, kw_only=True)
class Timed(Price):
    """`precision`: decimals to which one session is rounded, where a market does so.

    `calendar`: dates that are holidays, beside those of the calendar given at evaluation.
    """

    model: ClassVar[str] = "timed"
    part: ClassVar[Needs] = "sessions"

    bands: tuple[TimedBand, ...]
    precision: Precision | None = None
    precision_rounding: Rounding = "half-up"
    calendar: tuple[date, ...] = ()

    def check(self, path: str) -> None:
        """Bands have hours and do not overlap."""
        check_hours(self.bands, path)

    def compile(self) -> Compiled:
        """One route that takes every destination."""
        route = Route(
            "",
            tuple(compile_band(band) for band in self.bands),
            precision=self.precision,
            rounding=self.precision_rounding,
            holidays=frozenset(self.calendar),
        )
        return Compiled("amounts", event=SessionStep((("", 0),), (route,)))
