"""What the oracle answers, and how it reads numbers and rounds."""

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

Document = dict[str, Any]


class NoPrice(Exception):
    """Nothing in the price applies to the quantity."""


class NoBand(Exception):
    """No band of a calendar price covers a moment that is used."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The unrounded sum in major units, and the sum rounded once in minor units."""

    exact: Fraction
    minor: int


def number(document: Document, field: str, default: str | None = None) -> Fraction:
    """Read a field that holds a decimal string; `default` stands where it is absent or null."""
    value = document.get(field)
    if value is None:
        if default is None:
            raise KeyError(field)
        value = default
    return Fraction(str(value))


def optional(document: Document, field: str) -> Fraction | None:
    """Read a field that may be absent or null."""
    return None if document.get(field) is None else Fraction(str(document[field]))


def whole_up(value: Fraction) -> int:
    """The least integer that is not below `value`."""
    return -(-value.numerator // value.denominator)


def rounded(value: Fraction, rounding: str) -> int:
    """Round by the words of the contract: look at both neighbours and choose."""
    below = value.numerator // value.denominator
    if below == value:
        return below
    above = below + 1
    if rounding == "down":
        return below
    if rounding == "up":
        return above
    to_below, to_above = value - below, above - value
    if to_below != to_above:
        return below if to_below < to_above else above
    if rounding == "half-even":
        return below if below % 2 == 0 else above
    return above if value > 0 else below  # half-up: away from zero at a tie
