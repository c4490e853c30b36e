"""Allowance: units included in the period; what is over is priced by the nested price.

What was left unused may be carried over, up to a cap and for a number of periods. The price keeps
no memory: the caller gives what was carried in, and asks `carry_over` what goes on.

A worked example, 300 included, carried for 1 period, 50 carried in, 340 used: the 50 go first,
then 290 of the 300; nothing is over, and 10 are carried on.

A pooled allowance is shared within the period instead: what a subscription is given by the others
(`core/pools.py`) comes in the same way, as units beside its own.
"""

from dataclasses import dataclass, replace
from fractions import Fraction
from math import lcm
from typing import ClassVar

from kvit.core.pricing.compiled import Compiled, Segment
from kvit.core.pricing.errors import PriceError
from kvit.core.pricing.fields import Amount, read_choice
from kvit.core.pricing.price import Price, compile_price, require_units

ZERO = Fraction(0)
POOLS = ("payer",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowance(Price):
    """`carry_periods` 0: nothing is carried over. `pool` "payer": what one subscription leaves
    unused, others of the same payer use that period, for the same meter."""

    model: ClassVar[str] = "allowance"

    included: Amount
    price: Price
    carry_periods: int = 0
    carry_cap: Amount | None = None
    pool: str = ""

    def check(self, path: str) -> None:
        """The overage is a price of units; a pool has no memory."""
        if self.pool:
            read_choice(self.pool, f"{path}.pool", POOLS)
            if self.carry_periods:
                raise PriceError(
                    "out_of_range", f"{path}.carry_periods", value=self.carry_periods,
                    bounds="0 (pool)",
                )  # fmt: skip
        require_units(self.price, f"{path}.price", self.model)

    def compile(self) -> Compiled:
        """The nested tables, read after the included and carried units are taken off."""
        inner = compile_price(self.price)
        table = inner.tables[0]
        factor = lcm(table.unit_scale, self.included.denominator) // table.unit_scale
        scale = table.unit_scale * factor
        free = table.free * factor + (self.included * scale).numerator
        widened = replace(
            table,
            segments=tuple(_widen(segment, factor) for segment in table.segments),
            unit_scale=scale,
            free=free,
            carries=True,
        )
        return replace(inner, tables=(widened,))


def _widen(segment: Segment, factor: int) -> Segment:
    """Express the segment in finer units; −1 is the mark of the zero row, not a number."""
    return replace(
        segment,
        lower=segment.lower if segment.lower < 0 else segment.lower * factor,
        upper=None if segment.upper is None else segment.upper * factor,
        offset=segment.offset * factor,
        package=segment.package * factor,
    )


def carry_over(
    price: Allowance, *, used: Fraction, carried: tuple[Fraction, ...] = ()
) -> tuple[Fraction, ...]:
    """Return what the next period gets carried in, the oldest first.

    Args:
        price: the allowance that held in the period.
        used: units of the period.
        carried: what this period got, the oldest first; it is used up before the period's own.
    """
    rest = used
    left = []
    for grant in (*carried, price.included):
        taken = min(rest, grant)
        rest -= taken
        left.append(grant - taken)
    kept = left[-price.carry_periods :] if price.carry_periods else []
    cap = price.carry_cap
    while cap is not None and kept and sum(kept, ZERO) > cap:
        excess = sum(kept, ZERO) - cap
        if kept[0] > excess:
            kept[0] -= excess
        else:
            kept.pop(0)
    return tuple(kept)
