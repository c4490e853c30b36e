"""Blocks: tiers counted in blocks of their own size, rounded up inside the tier.

A worked example, 5 325 units, "10 blocks of 100 at 1, then blocks of 1 000 at 1":

    all: 1 000 units are 10 blocks, 4 325 units are 5 blocks → 15
    top: the second tier is reached: 5 325 units are 6 blocks → 6

The last tier goes on above its `max_blocks`: there is no unit without a price.
"""

from dataclasses import dataclass
from fractions import Fraction
from typing import ClassVar, Literal

from kvit.core.pricing.compiled import Compiled, Piece, make_table
from kvit.core.pricing.errors import PriceError
from kvit.core.pricing.fields import Amount, Positive
from kvit.core.pricing.price import Price

ZERO = Fraction(0)


@dataclass(frozen=True, slots=True)
class Block:
    """Up to `max_blocks` blocks of `size` units at `unit` a block."""

    size: Positive
    unit: Amount
    max_blocks: Positive | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Blocks(Price):
    """`all`: every tier entered is charged; `top`: all blocks at the tier reached."""

    model: ClassVar[str] = "blocks"

    tiers: tuple[Block, ...]
    mode: Literal["all", "top"]

    def check(self, path: str) -> None:
        """Only the last tier may be without a limit, and blocks are whole."""
        if not self.tiers:
            raise PriceError("bad_tiers", f"{path}.tiers", reason="empty")
        for i, block in enumerate(self.tiers):
            field = f"{path}.tiers[{i}].max_blocks"
            if block.max_blocks is None:
                if i + 1 < len(self.tiers):
                    raise PriceError("bad_tiers", field, reason="open_inside")
            elif block.max_blocks.denominator != 1:
                raise PriceError("not_a_number", field, reason="whole", value=block.max_blocks)

    def compile(self) -> Compiled:
        """One row of packages a tier: stacked for `all`, each from zero for `top`."""
        pieces = []
        stacked = self.mode == "all"
        floor = below = ZERO
        for number, block in enumerate(self.tiers, start=1):
            limit = None if number == len(self.tiers) else block.max_blocks
            upper = None if limit is None else floor + limit * block.size
            pieces.append(
                Piece(
                    floor, upper, floor if stacked else ZERO, block.unit,
                    below if stacked else ZERO, package=block.size, tier=number,
                )
            )  # fmt: skip
            if limit is not None and upper is not None:
                below += limit * block.unit
                floor = upper
        return Compiled("units", tables=(make_table(pieces, shape="block", stacked=stacked),))
