"""Capacity: the first tier whose limits hold for the peaks of all meters."""

from dataclasses import dataclass
from typing import ClassVar

from kvit.core.money import exact_text
from kvit.core.pricing.compiled import Compiled, Segment, Table, scale_of, scaled
from kvit.core.pricing.errors import PriceError
from kvit.core.pricing.fields import Amount, Amounts
from kvit.core.pricing.price import Needs, Price


@dataclass(frozen=True, slots=True)
class CapacityTier:
    """A sum while no meter's peak is above its limit; without limits it holds always."""

    amount: Amount
    limits: Amounts | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Capacity(Price):
    """Tiers by what a system was sized for. No tier holds: no_price."""

    model: ClassVar[str] = "capacity"
    part: ClassVar[Needs] = "peaks"

    tiers: tuple[CapacityTier, ...]

    def check(self, path: str) -> None:
        """There are tiers, and their amounts rise."""
        if not self.tiers:
            raise PriceError("bad_tiers", f"{path}.tiers", reason="empty")
        for i, tier in enumerate(self.tiers[1:], start=1):
            before = self.tiers[i - 1].amount
            if tier.amount <= before:
                raise PriceError(
                    "bad_tiers",
                    f"{path}.tiers[{i}].amount",
                    reason="not_rising",
                    value=exact_text(tier.amount),
                    previous=exact_text(before),
                )

    def compile(self) -> Compiled:
        """One level row a tier, chosen by its limits."""
        units = scale_of([limit for tier in self.tiers for _, limit in tier.limits or ()])
        amounts = scale_of([tier.amount for tier in self.tiers])
        rows = tuple(
            Segment(
                -1, None, 0, (0, 1), scaled(tier.amount, amounts), tier=number,
                limits=tuple((meter, scaled(limit, units)) for meter, limit in tier.limits or ()),
            )
            for number, tier in enumerate(self.tiers, start=1)
        )  # fmt: skip
        return Compiled("limits", tables=(Table(rows, units, amounts, "capacity"),))
