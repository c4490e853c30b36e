"""A pool of allowances: what one member leaves unused, others may use.

A worked example, three SIM cards of one payer with 10 GB each:

    a used 4  → 6 to spare        b used 13 → 3 over        c used 19 → 9 over
    6 to spare for 12 over: b gets 6 × 3/12 = 1.5, c gets 4.5; b pays for 1.5 GB, c for 4.5

Those who are over share in proportion to how far over they are, so that nobody's place in a list
decides; every member's price goes on counting its own units.
"""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import TypeVar

ZERO = Fraction(0)
M = TypeVar("M", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Share:
    """What a member brings into its pool: units of its own, and how many it used."""

    own: Fraction
    used: Fraction


def grants(members: Mapping[M, Share]) -> dict[M, Fraction]:
    """Return how many units each member that is over gets from the others; nobody gets nothing."""
    spare = sum((max(one.own - one.used, ZERO) for one in members.values()), ZERO)
    over = {key: one.used - one.own for key, one in members.items() if one.used > one.own}
    wanted = sum(over.values(), ZERO)
    if not spare or not wanted:
        return {}
    part = min(Fraction(1), spare / wanted)
    return {key: units * part for key, units in over.items()}
