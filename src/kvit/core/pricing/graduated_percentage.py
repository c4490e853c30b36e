"""Graduated percentage: tiers of a turnover, each with its own share of it in percent."""

from dataclasses import dataclass
from fractions import Fraction
from typing import ClassVar

from kvit.core.pricing.compiled import Compiled, make_table
from kvit.core.pricing.fields import Amount
from kvit.core.pricing.price import Price
from kvit.core.pricing.tiers import Tier, check_tiers, pieces_of

ZERO = Fraction(0)


@dataclass(frozen=True, slots=True)
class PercentTier:
    """`rate` percent of the part of the turnover that falls in the tier."""

    rate: Amount
    up_to: Amount | None = None
    flat: Amount = ZERO


@dataclass(frozen=True, slots=True, kw_only=True)
class GraduatedPercentage(Price):
    """`units` are money: a turnover."""

    model: ClassVar[str] = "graduated_percentage"

    tiers: tuple[PercentTier, ...]
    flat_at_zero: bool = False

    def check(self, path: str) -> None:
        """Tiers rise and the last one is open."""
        check_tiers(self.tiers, path)

    def compile(self) -> Compiled:
        """As graduated, with a hundredth of the rate as the price of one unit."""
        tiers = [Tier(t.rate / 100, t.up_to, t.flat) for t in self.tiers]
        at_zero = tiers[0].flat if self.flat_at_zero else ZERO
        table = make_table(
            pieces_of(tiers, stacked=True), shape="percent_tier", at_zero=at_zero, stacked=True
        )
        return Compiled("units", tables=(table,))
