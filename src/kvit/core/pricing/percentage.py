"""Percentage of each event's amount, with an allowance and bounds per event.

A worked example, 1.3 % + 2 an event, the first 3 events and 250 in all free; events 50, 100, 250:

    50 and 100 are free; 250 crosses the free sum of 250 by 150 → 150 × 1.3 % + 2 = 3.95
"""

from dataclasses import dataclass, replace
from fractions import Fraction
from typing import ClassVar

from kvit.core.pricing.compiled import (
    Compiled,
    PercentStep,
    Piece,
    make_table,
    ratio,
    scale_of,
    scaled,
)
from kvit.core.pricing.fields import Amount
from kvit.core.pricing.price import Needs, Price

ZERO = Fraction(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Percentage(Price):
    """`rate` 2.9 means 2.9 %; `fixed` is charged for each event that is not free."""

    model: ClassVar[str] = "percentage"
    part: ClassVar[Needs] = "events"

    rate: Amount
    fixed: Amount = ZERO
    free_events: int | None = None
    free_amount: Amount | None = None
    event_min: Amount | None = None
    event_max: Amount | None = None

    def compile(self) -> Compiled:
        """Without allowance and bounds a row of sum and count; with them an event step."""
        limits = (self.free_amount, self.event_min, self.event_max)
        if self.free_events is None and limits == (None, None, None):
            row = Piece(ZERO, None, ZERO, self.rate / 100, ZERO, fee=self.fixed, tier=1)
            table = make_table([row], shape="percent")
            zero, rated = table.segments
            # An event of nothing is an event and pays its fee: the row of zero charges it too.
            own = replace(rated, lower=zero.lower, upper=zero.upper)
            return Compiled("events", tables=(replace(table, segments=(own, rated)),))
        scale = scale_of([self.fixed, *limits])
        free, least, most = (None if v is None else scaled(v, scale) for v in limits)
        step = PercentStep(
            rate=ratio(self.rate / 100),
            scale=scale,
            fixed=scaled(self.fixed, scale),
            free_events=self.free_events,
            free_amount=free,
            least=least,
            most=most,
        )
        return Compiled("amounts", event=step)
