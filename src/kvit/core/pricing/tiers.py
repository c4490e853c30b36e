"""Tiers: only the upper bound is stored, so that two tiers can neither overlap nor leave a gap."""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Protocol

from kvit.core.money import exact_text
from kvit.core.pricing.compiled import Piece
from kvit.core.pricing.errors import PriceError
from kvit.core.pricing.fields import Amount

ZERO = Fraction(0)


class Bounded(Protocol):
    """A row that holds up to and including `up_to`; None: open."""

    @property
    def up_to(self) -> Fraction | None: ...


@dataclass(frozen=True, slots=True)
class Tier:
    """A unit price that starts where the previous tier ended."""

    unit: Amount
    up_to: Amount | None = None  # units, inclusive
    flat: Amount = ZERO  # charged once if the tier is entered
    cap: Amount | None = None  # the most that units × unit of this tier may cost, before flat


def check_tiers(
    tiers: Sequence[Bounded], path: str, *, name: str = "tiers", low: Fraction | None = ZERO
) -> None:
    """Refuse tiers that do not cover every quantity above `low` exactly once.

    Raises:
        PriceError: bad_tiers.
    """
    if not tiers:
        raise PriceError("bad_tiers", f"{path}.{name}", reason="empty")
    previous = low
    last = len(tiers) - 1
    for i, tier in enumerate(tiers):
        field = f"{path}.{name}[{i}].up_to"
        if tier.up_to is None:
            if i != last:
                raise PriceError("bad_tiers", field, reason="open_inside")
            return
        if previous is not None and tier.up_to <= previous:
            raise PriceError(
                "bad_tiers",
                field,
                reason="not_rising",
                value=exact_text(tier.up_to),
                previous=exact_text(previous),
            )
        previous = tier.up_to
    raise PriceError("bad_tiers", field, reason="not_open", value=exact_text(previous or ZERO))


def pieces_of(tiers: Sequence[Tier], *, stacked: bool) -> list[Piece]:
    """Turn tiers into pieces: stacked on what lies below (graduated), or each alone (volume).

    A tier with a cap becomes two pieces: rising until the cap is reached, level above it.
    """
    pieces: list[Piece] = []
    floor = ZERO
    below = ZERO
    for number, tier in enumerate(tiers, start=1):
        offset = floor if stacked else ZERO
        base = below + tier.flat
        reach = None if tier.up_to is None else tier.up_to - offset
        level = offset + tier.cap / tier.unit if tier.cap is not None and tier.unit else None
        if level is None or (tier.up_to is not None and level >= tier.up_to):
            pieces.append(Piece(floor, tier.up_to, offset, tier.unit, base, tier=number))
            top = ZERO if reach is None else reach * tier.unit
        else:
            cap = tier.cap or ZERO
            if level > floor:
                pieces.append(Piece(floor, level, offset, tier.unit, base, tier=number))
            pieces.append(
                Piece(
                    max(level, floor), tier.up_to, offset, ZERO, base + cap,
                    tier=number, capped=True,
                )
            )  # fmt: skip
            top = cap
        if stacked:
            below = base + top
        floor = tier.up_to or ZERO
    return pieces
