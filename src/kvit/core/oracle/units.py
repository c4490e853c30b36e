"""Prices of one number of units: each unit, block or package is met in turn."""

from collections.abc import Callable, Iterator
from fractions import Fraction
from math import lcm

from kvit.core.oracle.answers import Document, NoPrice, number, optional, whole_up

ZERO = Fraction(0)
MOST_STEPS = 3000  # beyond it a stretch of units that share a tier is taken at once

Tiers = list[Document]


def flat(price: Document) -> Fraction:
    return number(price, "amount")


def per_unit(price: Document, units: Fraction) -> Fraction:
    return units * number(price, "unit")


def graduated(price: Document, units: Fraction) -> Fraction:
    """Every unit costs what the tier it falls in says; a tier's flat is paid once it is entered."""
    return _by_tier(price, units, lambda tier, count: count * number(tier, "unit"))


def graduated_percentage(price: Document, units: Fraction) -> Fraction:
    """The same with money for units: every unit of it pays the rate of the tier it falls in."""
    return _by_tier(price, units, lambda tier, count: count * number(tier, "rate") / 100)


def volume(price: Document, units: Fraction) -> Fraction:
    """All units cost what the tier that the last of them falls in says."""
    tiers: Tiers = price["tiers"]
    if not units:
        return number(tiers[0], "flat", "0") if price.get("flat_at_zero") else ZERO
    tier = tiers[_tier_of(tiers, units)]
    return _capped(tier, units * number(tier, "unit")) + number(tier, "flat", "0")


def stairstep(price: Document, units: Fraction) -> Fraction:
    """The amount of the step reached; nothing used has reached none."""
    tiers: Tiers = price["tiers"]
    return number(tiers[_tier_of(tiers, units)], "amount") if units else ZERO


def package(price: Document, units: Fraction) -> Fraction:
    """Packages are opened one after another until they hold the units that are not free."""
    size, amount = number(price, "size"), number(price, "amount")
    left = units - number(price, "free_units", "0")
    if left > size * MOST_STEPS:  # too many to open one by one: they are all alike
        return whole_up(left / size) * amount
    total = ZERO
    while left > 0:
        total += amount
        left -= size
    return total


def blocks(price: Document, units: Fraction) -> Fraction:
    """Fill tier after tier with whole blocks; pay for all of them, or all at the last's price.

    Units beyond the limit of the last tier stay in it: no unit may be lost.
    """
    tiers: Tiers = price["tiers"]
    total, left = ZERO, units
    for i, tier in enumerate(tiers):
        if left <= 0:
            break
        size, limit = number(tier, "size"), optional(tier, "max_blocks")
        inside = left if limit is None or i == len(tiers) - 1 else min(left, size * limit)
        total += whole_up(inside / size) * number(tier, "unit")
        left -= inside
        if left <= 0 and price.get("mode") == "top":
            return whole_up(units / size) * number(tier, "unit")
    return total


def capacity(price: Document, peaks: dict[str, str]) -> Fraction:
    """The first tier whose limits hold for every meter; a meter without a peak stood at zero."""
    for tier in price["tiers"]:
        limits = tier.get("limits") or {}
        if all(Fraction(peaks.get(meter, "0")) <= Fraction(top) for meter, top in limits.items()):
            return number(tier, "amount")
    raise NoPrice


def _by_tier(
    price: Document, units: Fraction, cost: Callable[[Document, Fraction], Fraction]
) -> Fraction:
    tiers: Tiers = price["tiers"]
    if not units:
        return number(tiers[0], "flat", "0") if price.get("flat_at_zero") else ZERO
    fallen: dict[int, Fraction] = {}
    for place, count in _walk(tiers, units):
        fallen[place] = fallen.get(place, ZERO) + count
    # A tier of which no unit was used, but whose successor was, does not exist: bounds rise.
    return (
        sum(
            (_capped(tiers[i], cost(tiers[i], n)) + number(tiers[i], "flat", "0"))
            for i, n in fallen.items()
        )
        or ZERO
    )


def _walk(tiers: Tiers, units: Fraction) -> Iterator[tuple[int, Fraction]]:
    """Yield (tier, units of it), grain by grain: no grain lies across a bound."""
    bounds = [bound for tier in tiers if (bound := optional(tier, "up_to")) is not None]
    grain = Fraction(1, lcm(units.denominator, *(bound.denominator for bound in bounds)))
    if units / grain > MOST_STEPS:  # whole stretches between bounds, by the same rule
        edges = sorted({ZERO, units, *(bound for bound in bounds if bound < units)})
    else:
        edges = [grain * i for i in range(int(units / grain) + 1)]
    for i in range(1, len(edges)):
        yield _tier_of(tiers, edges[i]), edges[i] - edges[i - 1]


def _tier_of(tiers: Tiers, place: Fraction) -> int:
    """The first tier whose upper bound, inclusive, is not below `place`."""
    for i, tier in enumerate(tiers):
        bound = optional(tier, "up_to")
        if bound is None or place <= bound:
            return i
    raise NoPrice


def _capped(tier: Document, cost: Fraction) -> Fraction:
    cap = optional(tier, "cap")
    return cost if cap is None else min(cost, cap)
