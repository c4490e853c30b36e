"""Volume: all units are charged at the rate of the tier that the whole quantity reaches.

A worked example, 250 units, "up to 100 at 2.00, above at 1.50": 250 × 1.50 = 375.00.
"""

from dataclasses import dataclass
from fractions import Fraction
from typing import ClassVar

from kvit.core.pricing.compiled import Compiled, make_table
from kvit.core.pricing.price import Price
from kvit.core.pricing.tiers import Tier, check_tiers, pieces_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Volume(Price):
    """`flat_at_zero`: the first tier's flat is charged at zero units as well."""

    model: ClassVar[str] = "volume"

    tiers: tuple[Tier, ...]
    flat_at_zero: bool = False

    def check(self, path: str) -> None:
        """Tiers rise and the last one is open."""
        check_tiers(self.tiers, path)

    def compile(self) -> Compiled:
        """One row a tier, each from zero."""
        at_zero = self.tiers[0].flat if self.flat_at_zero else Fraction(0)
        pieces = pieces_of(self.tiers, stacked=False)
        return Compiled("units", tables=(make_table(pieces, shape="volume", at_zero=at_zero),))
