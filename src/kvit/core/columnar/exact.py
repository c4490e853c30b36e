"""Exact numbers in columns: numerators over one denominator, in 64 bits where that is proven.

A worked example, 2.5 and 0.45 are Exact([250, 45], 100); beside thirds they are [750, 135] / 300.
"""

from dataclasses import dataclass
from fractions import Fraction
from math import lcm
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Ints: TypeAlias = "NDArray[Any]"
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


def sum_of(one: Ints, other: Ints) -> Ints:
    """Add exactly."""
    bound = largest(one) + largest(other)
    return room(one, bound) + room(other, bound)


@dataclass(frozen=True, slots=True)
class Exact:
    """num[i] / den."""

    num: Ints
    den: int = 1

    def over(self, den: int) -> Ints:
        """Return the numerators over a multiple of the denominator."""
        return scaled(self.num, den // self.den)

    def plus(self, other: "Exact") -> "Exact":
        den = lcm(self.den, other.den)
        return Exact(sum_of(self.over(den), other.over(den)), den)

    def rounded(self, scale: int) -> Ints:
        """Return num × scale / den as integers, half-up away from zero: the one rounding."""
        twice = 2 * self.den
        sized = scaled(np.abs(self.num), 2 * scale)
        whole = room(sized, largest(sized) + max(self.den, twice)) + self.den
        magnitude = whole // twice if twice < LIMIT else whole.astype(object) // twice
        return narrowed(np.where(self.num < 0, -magnitude, magnitude))

    def fraction(self, place: int) -> Fraction:
        return Fraction(int(self.num[place]), self.den)
