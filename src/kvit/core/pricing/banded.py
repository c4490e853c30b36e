"""Banded: a quantity measured in an interval is priced by the hour in which the interval starts.

A worked example, 07–23 h at 8.00 and 23–24 h at 3.00: 1.5 kWh from 22:00 and 2 kWh from 23:00 cost
1.5 × 8.00 + 2 × 3.00 = 18.00.
"""

from dataclasses import dataclass, replace
from datetime import date
from fractions import Fraction
from typing import ClassVar

from kvit.core.pricing.bands import Clock, Days, check_hours, clock_text
from kvit.core.pricing.compiled import BandKey, Compiled, Piece, TimeBand, make_table
from kvit.core.pricing.fields import Amount
from kvit.core.pricing.price import Needs, Price

ZERO = Fraction(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitBand:
    """A unit price in the hours from `from` to `to` of `days`."""

    days: Days
    from_: Clock
    to: Clock
    unit: Amount


@dataclass(frozen=True, slots=True, kw_only=True)
class Banded(Price):
    """Time of use: electricity by zones of the day."""

    model: ClassVar[str] = "banded"
    part: ClassVar[Needs] = "readings"

    bands: tuple[UnitBand, ...]
    calendar: tuple[date, ...] = ()  # holidays, beside those of the calendar given at evaluation

    def check(self, path: str) -> None:
        """Bands have hours and do not overlap."""
        check_hours(self.bands, path)

    def compile(self) -> Compiled:
        """One table a band."""
        tables = tuple(
            replace(
                make_table([Piece(ZERO, None, ZERO, band.unit, ZERO, tier=1)], shape="unit"),
                key=f"{clock_text(band.from_)}–{clock_text(band.to)}",
            )
            for band in self.bands
        )
        bands = tuple(TimeBand(band.days, band.from_, band.to) for band in self.bands)
        return Compiled("keys", event=BandKey(bands, frozenset(self.calendar)), tables=tables)
