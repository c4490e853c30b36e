"""Stairstep: one sum for the whole quantity, by the step it reaches; zero units cost nothing."""

from dataclasses import dataclass
from fractions import Fraction
from typing import ClassVar

from kvit.core.pricing.compiled import Compiled, Piece, make_table
from kvit.core.pricing.fields import Amount
from kvit.core.pricing.price import Price
from kvit.core.pricing.tiers import check_tiers

ZERO = Fraction(0)


@dataclass(frozen=True, slots=True)
class Stair:
    """A sum that holds up to and including `up_to` units."""

    amount: Amount
    up_to: Amount | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Stairstep(Price):
    """A price list such as "up to 10 users 1 000, up to 50 users 4 000, more 9 000"."""

    model: ClassVar[str] = "stairstep"

    tiers: tuple[Stair, ...]

    def check(self, path: str) -> None:
        """Tiers rise and the last one is open."""
        check_tiers(self.tiers, path)

    def compile(self) -> Compiled:
        """One level row a step."""
        pieces = []
        floor = ZERO
        for number, stair in enumerate(self.tiers, start=1):
            pieces.append(Piece(floor, stair.up_to, ZERO, ZERO, stair.amount, tier=number))
            floor = stair.up_to or ZERO
        return Compiled("units", tables=(make_table(pieces, shape="stair"),))
