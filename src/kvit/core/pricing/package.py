"""Package: whole packages, the begun one counts. 45 units in packages of 20 are 3 packages."""

from dataclasses import dataclass
from fractions import Fraction
from typing import ClassVar

from kvit.core.pricing.compiled import Compiled, Piece, make_table
from kvit.core.pricing.fields import Amount, Positive
from kvit.core.pricing.price import Price

ZERO = Fraction(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Package(Price):
    """`free_units` are taken off before packages are counted."""

    model: ClassVar[str] = "package"

    size: Positive
    amount: Amount
    free_units: Amount = ZERO

    def compile(self) -> Compiled:
        """A free row where there are free units, and the row of packages above it."""
        free = self.free_units
        pieces = [Piece(ZERO, free, ZERO, ZERO, ZERO)] if free else []
        pieces.append(Piece(free, None, free, self.amount, ZERO, package=self.size, tier=1))
        return Compiled("units", tables=(make_table(pieces, shape="package", stacked=True),))
