"""Many segment tables read at once: every quantity in the table of its own price.

A worked example, two tables "2.00 a unit" and "first 100 at 1.00, above at 0.50", quantities 3 in
the first and 150 in the second: rows are found among (0], (…) and (0], (100], (…), and the sums
are 6/1 and 125/1. An override is a table more, not a loop more.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import gcd, lcm

import numpy as np

from kvit.core.columnar.exact import LIMIT, Exact, Ints, largest, room
from kvit.core.columnar.runs import Rows
from kvit.core.pricing.compiled import Adjustment, Table


@dataclass(frozen=True, slots=True)
class _Flat:
    """The rows of all tables one after the other, and what each table says of the whole."""

    first: Rows  # of each table: its first row
    last: Rows
    uppers: Ints  # of each row; of an open one not looked at
    offsets: Ints
    rates: Ints
    bases: Ints
    fees: Ints
    sizes: Ints  # of a package, or 0
    multiples: Ints  # of each table: by which units become its integers
    free: Ints
    dens: Ints


def read_tables(tables: Sequence[Table], which: Rows, units: Exact, counts: Rows) -> "Sums":
    """Price each quantity by `tables[which]`, the tables' own adjustments taken in.

    Args:
        units: none below zero.
        counts: of events, for the fee of each.
    """
    flat = _flat(tables, units.den)
    bound = largest(units.num) * largest(flat.multiples)
    exact = room(units.num, bound) * flat.multiples[which]
    if largest(flat.free):
        exact = exact - np.minimum(exact, flat.free[which])
    row = _found(flat, which, exact)
    reach = largest(exact) + largest(flat.offsets)
    parts = room(exact, reach) - flat.offsets[row]
    size = flat.sizes[row]
    if largest(flat.sizes):
        whole = np.maximum(size, 1)
        parts = np.where(size > 0, -(-parts // whole), parts)
    bound = reach * largest(flat.rates) + largest(flat.bases)
    bound += largest(counts) * largest(flat.fees)
    num = room(parts, bound) * flat.rates[row] + flat.bases[row]
    if largest(flat.fees):
        num = num + room(counts, bound) * flat.fees[row]
    sums = Sums(num, flat.dens[which])
    return adjusted(sums, [table.adjustments for table in tables], which)


def _flat(tables: Sequence[Table], scale: int) -> _Flat:
    """Lay the tables out for units over `scale`; each has one denominator for all its rows."""
    columns: list[list[int]] = [[] for _ in range(6)]
    heads: list[list[int]] = [[] for _ in range(5)]
    for table in tables:
        # Units finer than the table's own scale are met by widening its integers.
        common = gcd(table.unit_scale, scale)
        fine, rows = scale // common, table.segments
        steps = [r.price[1] * (1 if r.package else table.unit_scale * fine) for r in rows]
        den = lcm(table.amount_scale, *steps)
        begin = len(columns[0])
        for row, step in zip(rows, steps, strict=True):
            of_row = (
                0 if row.upper is None else row.upper * fine, row.offset * fine,
                row.price[0] * (den // step), row.base * (den // table.amount_scale),
                row.fee * (den // table.amount_scale), row.package * fine,
            )  # fmt: skip
            for column, number in zip(columns, of_row, strict=True):
                column.append(number)
        of_table = begin, begin + len(rows) - 1, table.unit_scale // common, table.free * fine, den
        for head, number in zip(heads, of_table, strict=True):
            head.append(number)
    first, last, multiples, free, dens = map(column_of, heads)
    uppers, offsets, rates, bases, fees, sizes = map(column_of, columns)
    return _Flat(first, last, uppers, offsets, rates, bases, fees, sizes, multiples, free, dens)


def _found(flat: _Flat, which: Rows, exact: Ints) -> Rows:
    """Return the first row of each table whose upper bound holds the quantity; the last is open."""
    low: Rows = flat.first[which]
    high: Rows = flat.last[which]
    for _ in range(int((flat.last - flat.first).max(initial=0)).bit_length()):
        middle = (low + high) // 2
        above = (low < high) & (flat.uppers[middle] < exact)
        low = np.where(above, middle + 1, low)
        high = np.where(above, high, middle)
    return low


def column_of(numbers: Sequence[int]) -> Ints:
    """Return a column of whole numbers, in the type that holds them all."""
    try:
        found = np.array(numbers, np.int64)
    except OverflowError:
        return np.array(numbers, object)
    return found if largest(found) < LIMIT else found.astype(object)


@dataclass(frozen=True, slots=True)
class Sums:
    """num[i] / den[i]: sums by different tables."""

    num: Ints
    den: Ints

    def rounded(self, scale: int) -> Ints:
        """Return num × scale / den as integers, half-up away from zero: the one rounding."""
        bound = largest(self.num) * 2 * scale + largest(self.den) * 2
        num, den = room(np.abs(self.num), bound), room(self.den, bound)
        magnitude: Ints = (num * (2 * scale) + den) // (den * 2)
        return np.where(self.num < 0, -magnitude, magnitude)

    def reduced(self) -> tuple[Ints, Ints]:
        """Return numerators and denominators in lowest terms, as `Fraction` has them."""
        divisor = np.gcd(self.num, self.den)
        return self.num // divisor, self.den // divisor

    def times(self, factor: Fraction) -> "Sums":
        if factor == 1:
            return self
        num = room(self.num, largest(self.num) * abs(factor.numerator) + abs(factor.numerator))
        den = room(self.den, largest(self.den) * factor.denominator)
        return Sums(num * factor.numerator, den * factor.denominator)

    def plus(self, other: "Sums") -> "Sums":
        bound = largest(self.num) * largest(other.den) + largest(other.num) * largest(self.den)
        bound = max(bound, largest(self.den) * largest(other.den))
        one, beside = room(self.num, bound), room(self.den, bound)
        num = one * other.den + room(other.num, bound) * beside
        return Sums(num, beside * other.den)

    def fraction(self, place: int) -> Fraction:
        return Fraction(int(self.num[place]), int(self.den[place]))


def adjusted(sums: Sums, adjustments: Sequence[tuple[Adjustment, ...]], which: Rows) -> Sums:
    """Take discount, maximum and minimum of each price, in the order in which they stand."""
    for place in range(max(map(len, adjustments), default=0)):
        steps = [one[place] if place < len(one) else None for one in adjustments]
        for kind in ("discount", "maximum", "minimum"):
            mine = np.array([step is not None and step.kind == kind for step in steps], np.bool_)
            touched = np.flatnonzero(mine[which])
            if len(touched):
                values = [Fraction(*step.value) if step else Fraction(0) for step in steps]
                sums = _step(sums, kind, values, which, touched)
    return sums


def _step(sums: Sums, kind: str, values: Sequence[Fraction], which: Rows, touched: Rows) -> Sums:
    if kind == "discount":
        values = [1 - value for value in values]
    factor = column_of([value.numerator for value in values])[which[touched]]
    over = column_of([value.denominator for value in values])[which[touched]]
    num, den = sums.num[touched], sums.den[touched]
    bound = (largest(num) + 1) * max(largest(over), largest(factor))
    bound = max(bound, largest(den) * max(largest(over), largest(factor)))
    num, den, factor, over = (room(one, bound) for one in (num, den, factor, over))
    if kind == "discount":
        told = num * factor
    else:
        beside, limit = num * over, factor * den
        told = np.minimum(beside, limit) if kind == "maximum" else np.maximum(beside, limit)
    wholes, parts = room(sums.num, bound).copy(), room(sums.den, bound).copy()
    wholes[touched], parts[touched] = told, den * over
    return Sums(wholes, parts)
