"""Exact numbers in columns: numerators over one denominator, in 64 bits where that is proven.

A worked example, 2.5 and 0.45 are Exact([250, 45], 100); beside thirds they are [750, 135] / 300.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import lcm
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Ints: TypeAlias = NDArray[Any]
"""int64, or objects that are Python's integers."""

LIMIT = 2**62  # of what may stand in 64 bits: twice it, and a sum of two, still fit


class NotColumnar(ValueError):
    """The shape is not one of arrays: the evaluator is asked, a quantity at a time."""


def largest(numbers: Ints) -> int:
    """Return the largest magnitude; 0 of nothing."""
    if not len(numbers):
        return 0
    return max(abs(int(numbers.max())), abs(int(numbers.min())))


def scaled(numbers: Ints, factor: int) -> Ints:
    """Multiply exactly."""
    if factor == 1:
        return numbers
    return room(numbers, max(largest(numbers), 1) * abs(factor)) * factor


def room(numbers: Ints, bound: int) -> Ints:
    """Return the numbers in a type that holds magnitudes up to `bound`."""
    if bound < LIMIT or numbers.dtype == object:
        return numbers
    return numbers.astype(object)


def narrowed(numbers: Ints) -> Ints:
    """Return 64 bits again, where every number has room there."""
    if numbers.dtype == object and largest(numbers) < LIMIT:
        return numbers.astype(np.int64)
    return numbers


def split(numbers: Ints, by: Any) -> tuple[Ints, Ints]:
    """Return whole parts and what is left of each, never below zero."""
    whole: Ints = numbers // by
    return whole, numbers - whole * by


def sum_of(one: Ints, other: Ints) -> Ints:
    """Add exactly."""
    bound = largest(one) + largest(other)
    return room(one, bound) + room(other, bound)


@dataclass(frozen=True, slots=True)
class Exact:
    """(num[i] + rest[i] / part) / den, 0 <= rest < part; mostly without a rest.

    An average over time is over so fine a denominator (microseconds of a month) that numerators
    alone would leave 64 bits; what is left of them beside whole parts does not.
    """

    num: Ints
    den: int = 1
    rest: Ints | None = None
    part: int = 1

    def widened(self) -> "Exact":
        """Return the same over one denominator."""
        if self.rest is None:
            return self
        num = room(self.num, (largest(self.num) + 1) * self.part)
        return Exact(num * self.part + self.rest, self.den * self.part)

    def over(self, den: int) -> Ints:
        """Return the numerators over a multiple of the denominator; there is no rest."""
        return scaled(self.num, den // self.den)

    def plus(self, other: "Exact") -> "Exact":
        one, other = self.widened(), other.widened()
        den = lcm(one.den, other.den)
        return Exact(sum_of(one.over(den), other.over(den)), den)

    def chosen(self, mine: NDArray[np.bool_], other: "Exact") -> "Exact":
        """Return these where they are `mine`, the others elsewhere."""
        one, other = self.widened(), other.widened()
        den = lcm(one.den, other.den)
        return Exact(np.where(mine, one.over(den), other.over(den)), den)

    def column(self, place: int) -> "Exact":
        """Return one of several columns."""
        rest = None if self.rest is None else self.rest[place]
        return Exact(narrowed(self.num[place]), self.den, rest, self.part)

    def cleared(self, odd: NDArray[np.bool_]) -> "Exact":
        """Return zeros in place of some."""
        rest = None if self.rest is None else np.where(odd, 0, self.rest)
        return Exact(np.where(odd, 0, self.num), self.den, rest, self.part)

    def at_scale(self, scale: int) -> Ints:
        """Return num × scale / den as integers, ties to even: as quantities are shown."""
        one = self.widened()
        sized = scaled(one.num, scale)
        whole, left = split(room(sized, one.den), one.den)
        twice = scaled(left, 2)
        up = (twice > one.den) | ((twice == one.den) & (whole % 2 == 1))
        return narrowed(whole + up.astype(np.int64))

    def rounded(self, scale: int) -> Ints:
        """Return num × scale / den as integers, half-up away from zero: the one rounding."""
        assert self.rest is None
        twice = 2 * self.den
        sized = scaled(np.abs(self.num), 2 * scale)
        whole = room(sized, largest(sized) + max(self.den, twice)) + self.den
        magnitude = whole // twice if twice < LIMIT else whole.astype(object) // twice
        return narrowed(np.where(self.num < 0, -magnitude, magnitude))

    def fraction(self, place: int) -> Fraction:
        one = self.widened()
        return Fraction(int(one.num[place]), one.den)


def stacked(parts: Sequence[Exact]) -> Exact:
    """Put columns one beneath the other, a row each; those with a rest are over the same
    denominators."""
    rests = [one.rest for one in parts if one.rest is not None]
    den = lcm(*(one.den for one in parts))
    num = np.stack([one.over(den) for one in parts])
    return Exact(num, den, np.stack(rests) if rests else None, parts[0].part)
