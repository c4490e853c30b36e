"""Per unit: units × price. A seat, a pallet, a cubic metre; norm × area is a factor of the unit."""

from dataclasses import dataclass
from fractions import Fraction
from typing import ClassVar

from kvit.core.pricing.compiled import Compiled, Piece, make_table
from kvit.core.pricing.fields import Amount
from kvit.core.pricing.price import Price

ZERO = Fraction(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class PerUnit(Price):
    """The same price for every unit."""

    model: ClassVar[str] = "per_unit"

    unit: Amount

    def compile(self) -> Compiled:
        """One open row."""
        return Compiled(
            "units",
            tables=(make_table([Piece(ZERO, None, ZERO, self.unit, ZERO, tier=1)], shape="unit"),),
        )
