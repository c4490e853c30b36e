"""Flat: one sum, however much was used."""

from dataclasses import dataclass
from typing import ClassVar

from kvit.core.pricing.compiled import Compiled, Segment, Table, scale_of, scaled
from kvit.core.pricing.fields import Amount
from kvit.core.pricing.price import Needs, Price


@dataclass(frozen=True, slots=True, kw_only=True)
class Flat(Price):
    """A fee for the period."""

    model: ClassVar[str] = "flat"
    part: ClassVar[Needs] = "nothing"

    amount: Amount

    def compile(self) -> Compiled:
        """A single row that holds for any quantity."""
        scale = scale_of([self.amount])
        row = Segment(-1, None, 0, (0, 1), scaled(self.amount, scale), tier=1)
        return Compiled("nothing", tables=(Table((row,), 1, scale, "flat"),))
