"""Discounts of a subscription over the lines of one service period, in their declared order.

A worked example, two lines of 5 161.29… and 5 800.00, first −15 %, then 100.00 off:

    −15 %      4 387.096…    4 930.00
    −100.00    shared 47.09 : 52.91 by what each line still costs
    rounded    4 340.01      4 877.09      once a line

A fixed sum is divided in minor units, so that its parts add up to it; percentages stay exact
until the line is rounded. No discount drives a line below zero.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from math import floor
from typing import Generic, TypeVar

from kvit.core.money import allocate, exponent, to_minor
from kvit.core.terms import Discount

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class Applied:
    """A discount as it fell on one line: what it took, in minor units.

    Σ of a line's applied discounts == its rounded gross − its rounded amount.
    """

    discount: Discount
    amount_minor: int

    def document(self) -> dict[str, str | int]:
        return {**self.discount.document(), "amount_minor": self.amount_minor}


@dataclass(frozen=True, slots=True)
class Line(Generic[Item]):
    """A line before rounding: `exact` starts as the gross sum, in major units."""

    item: Item
    exact: Fraction
    discounts: tuple[Discount, ...]
    applied: tuple[Applied, ...] = ()


def apply_discounts(
    lines: Sequence[Line[Item]], currency: str, spent: Mapping[str, int] | None = None
) -> list[Line[Item]]:
    """Return the lines with every discount taken, in the order in which they were declared.

    Args:
        spent: what earlier periods drew from balances, in minor units by the discount's code.
    """
    done = list(lines)
    for discount in _declared(lines):
        places = [i for i, line in enumerate(done) if discount in line.discounts]
        if discount.percent is not None:
            rest = 1 - discount.percent / 100
            after = {i: done[i].exact * rest for i in places}
        else:
            left = to_minor(discount.fixed or Fraction(0), currency)
            if discount.balance:
                left = max(0, left - (spent or {}).get(discount.code, 0))
            after = _less_fixed(done, places, left, currency)
        for i, exact in after.items():
            took = to_minor(done[i].exact, currency) - to_minor(exact, currency)
            applied = (*done[i].applied, Applied(discount, took))
            done[i] = replace(done[i], exact=exact, applied=applied)
    return done


def _declared(lines: Sequence[Line[Item]]) -> list[Discount]:
    """Every discount once. A line's order is kept; where lines differ, the longer list leads."""
    found: list[Discount] = []
    for line in sorted(lines, key=lambda line: -len(line.discounts)):
        found += [discount for discount in line.discounts if discount not in found]
    return found


def _less_fixed(
    lines: Sequence[Line[Item]], places: Sequence[int], fixed_minor: int, currency: str
) -> dict[int, Fraction]:
    scale = 10 ** exponent(currency)
    # What is left of a kopeck cannot be given away: a line would fall below zero by it.
    whole = [max(floor(lines[i].exact * scale), 0) for i in places]
    take = min(fixed_minor, sum(whole))
    if not take:
        return {}
    parts = allocate(take, whole)
    return {
        i: lines[i].exact - Fraction(part, scale) for i, part in zip(places, parts, strict=True)
    }
