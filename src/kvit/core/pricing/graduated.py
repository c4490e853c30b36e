"""Graduated: every unit is charged at the rate of the tier it falls in.

A worked example, 250.003 units, "first 100 at 2.00, the rest at 1.50":

    100     × 2.00 = 200.00
    150.003 × 1.50 = 225.0045   → 425.0045 in all, rounded once to 425.00

Not to be confused with volume pricing, where all units would cost 1.50 (see `volume.py`).
"""

from dataclasses import dataclass
from fractions import Fraction
from typing import ClassVar

from kvit.core.pricing.compiled import Compiled, make_table
from kvit.core.pricing.price import Price
from kvit.core.pricing.tiers import Tier, check_tiers, pieces_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Graduated(Price):
    """`flat_at_zero`: the first tier's flat is charged at zero units as well."""

    model: ClassVar[str] = "graduated"

    tiers: tuple[Tier, ...]
    flat_at_zero: bool = False

    def check(self, path: str) -> None:
        """Tiers rise and the last one is open."""
        check_tiers(self.tiers, path)

    def compile(self) -> Compiled:
        """One stacked row a tier."""
        at_zero = self.tiers[0].flat if self.flat_at_zero else Fraction(0)
        pieces = pieces_of(self.tiers, stacked=True)
        return Compiled(
            "units", tables=(make_table(pieces, shape="tier", at_zero=at_zero, stacked=True),)
        )
