"""What a price is applied to: units, events, peaks, sessions, readings.

Two quantities of one period add up: `used before + the increment`. Peaks take the higher value;
attributes and counters are those of the later quantity.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from fractions import Fraction
from typing import NamedTuple

NOTHING = Fraction(0)


class UsageItem(NamedTuple):
    """Units with the values of their dimensions, as sorted pairs."""

    dimensions: tuple[tuple[str, str], ...]
    units: Fraction

    @classmethod
    def of(cls, dimensions: Mapping[str, str], units: Fraction) -> "UsageItem":
        """Make an item from a plain mapping of dimensions."""
        return cls(tuple(sorted(dimensions.items())), units)


class Session(NamedTuple):
    """A call or a ride. `start` is aware; its zone decides which band holds."""

    start: datetime
    seconds: Fraction | int
    destination: str = ""


class Reading(NamedTuple):
    """Units measured in the interval that begins at `start` (aware, in the customer's zone)."""

    start: datetime
    units: Fraction


class PricedEvent(NamedTuple):
    """An event that brings its own amount."""

    units: Fraction
    amount: Fraction


@dataclass(frozen=True, slots=True)
class Quantity:
    """Everything a price may read; a price reads the part named by its `needs`."""

    units: Fraction = NOTHING
    events: tuple[Fraction, ...] = ()  # amounts in (time, id) order
    usage: tuple[UsageItem, ...] = ()
    peaks: Mapping[str, Fraction] = field(default_factory=dict)
    sessions: tuple[Session, ...] = ()
    readings: tuple[Reading, ...] = ()
    dynamic: tuple[PricedEvent, ...] = ()
    carried: tuple[Fraction, ...] = ()  # unused allowance of earlier periods, the oldest first
    attributes: Mapping[str, str | Fraction] = field(default_factory=dict)
    counters: Mapping[str, Fraction] = field(default_factory=dict)

    def __add__(self, later: "Quantity") -> "Quantity":
        peaks = dict(self.peaks)
        for meter, peak in later.peaks.items():
            peaks[meter] = max(peak, peaks.get(meter, peak))
        return Quantity(
            units=self.units + later.units,
            events=self.events + later.events,
            usage=self.usage + later.usage,
            peaks=peaks,
            sessions=self.sessions + later.sessions,
            readings=self.readings + later.readings,
            dynamic=self.dynamic + later.dynamic,
            carried=later.carried or self.carried,
            attributes={**self.attributes, **later.attributes},
            counters={**self.counters, **later.counters},
        )

    @property
    def is_zero(self) -> bool:
        """Nothing was used: what a price of this quantity would cost is not subtracted."""
        return not (
            self.units
            or self.events
            or self.dynamic
            or any(self.peaks.values())
            or any(item[1] for item in self.usage)
            or any(session[1] for session in self.sessions)
            or any(reading[1] for reading in self.readings)
        )
