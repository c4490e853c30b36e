"""Many segment tables read at once: every quantity in the table of its own price.

A worked example, two tables "2.00 a unit" and "first 100 at 1.00, above at 0.50", quantities 3 in
the first and 150 in the second: rows are found among (0], (…) and (0], (100], (…), and the sums
are 6/1 and 125/1. An override is a table more, not a loop more.

Quantities may be columns, one beneath the other: then which table is read may be said once a
column, as an array of one place a row, and what tables say is not spread over all quantities.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import lcm

import numpy as np
from numpy.typing import NDArray

from kvit.core.columnar.exact import LIMIT, Exact, Ints, largest, narrowed, room, split
from kvit.core.columnar.runs import Rows
from kvit.core.pricing.compiled import Adjustment, Table

_FEW = 4  # rows of a table, of which all are looked at
_COLUMNS = 6  # of a row: upper (of the open one 0), offset, rate, base, fee, package


@dataclass(frozen=True, slots=True)
class Laid:
    """One table as rows of integers, for units over its own scale."""

    rows: Ints  # its rows × `_COLUMNS`
    unit_scale: int
    free: int
    den: int  # of every rate, base and fee
    adjustments: tuple[Adjustment, ...]
    has_packages: bool


def lay(table: Table) -> Laid:
    """Lay a table out; done once a price, since it takes a step a row."""
    rows = table.segments
    steps = [row.price[1] * (1 if row.package else table.unit_scale) for row in rows]
    den = lcm(table.amount_scale, *steps)
    money = den // table.amount_scale
    numbers = [
        number
        for row, step in zip(rows, steps, strict=True)
        for number in (
            row.upper or 0, row.offset, row.price[0] * (den // step),
            row.base * money, row.fee * money, row.package,
        )
    ]  # fmt: skip
    laid = column_of(numbers).reshape(len(rows), _COLUMNS)
    has_packages = any(row.package for row in rows)
    return Laid(laid, table.unit_scale, table.free, den, table.adjustments, has_packages)


@dataclass(frozen=True, slots=True)
class _Flat:
    """The rows of all tables one after the other, and what each table says of the whole."""

    uppers: Ints  # of each row; of an open one not looked at
    offsets: Ints
    rates: Ints
    bases: Ints
    fees: Ints
    sizes: Ints  # of a package, or 0
    multiples: Ints  # of each table: by which units become its integers
    free: Ints
    dens: Ints
    closed: Sequence[Rows] | None  # uppers of all first rows, of all second ones …: of few rows
    tops: tuple[int, ...]  # what no offset, rate, base, fee, size, multiple or free is above

    def bound(self, units: int, count: int) -> int:
        """Return what no numerator is above, nor anything on the way to it."""
        offset, rate, base, fee, _, multiple, _ = self.tops
        return (units * multiple + offset) * max(rate, 1) + base + count * fee


class Book:
    """Tables side by side: the rows of one begin where those of the one before end."""

    def __init__(self, tables: Sequence[Laid]) -> None:
        counts = np.array([len(one.rows) for one in tables], np.int64)
        self.last: Rows = np.cumsum(counts) - 1
        self.first: Rows = self.last - counts + 1
        self.most_rows = int(counts.max(initial=0))
        self.adjustments = [one.adjustments for one in tables]
        self._counts = counts
        self._rows: Ints = np.ascontiguousarray(np.concatenate([one.rows for one in tables]).T)
        self._scales = column_of([one.unit_scale for one in tables])
        self._free = column_of([one.free for one in tables])
        self._dens = column_of([one.den for one in tables])
        self._tops = [*np.abs(self._rows[1:]).max(axis=1).tolist(), largest(self._free)]
        self._at: dict[int, _Flat] = {}

    def holds(self, units: Exact, counts: Rows | None) -> bool:
        """Whether sums of these quantities are known to fit into 64 bits."""
        return self.at(units.den).bound(largest(units.num) + 1, _most(counts)) < LIMIT

    def at(self, scale: int) -> _Flat:
        """Return the rows for units over `scale`."""
        if scale not in self._at:
            self._at[scale] = self._widened(scale)
        return self._at[scale]

    def _widened(self, scale: int) -> _Flat:
        # Units finer than a table's own scale are met by widening its integers.
        common: Ints = np.gcd(self._scales, column_of([scale]))
        fine = scale // common
        multiples = self._scales // common
        widest = largest(fine)
        *tops, free = [top * widest for top in self._tops]
        rows, dens, frees = self._rows, self._dens, self._free
        if widest > 1:
            bound = max(*tops, free, largest(rows[0]) * widest, largest(dens) * widest)
            fine = room(fine, bound)
            # A rate for a unit is over the units' scale already, one for a package is not.
            unit_rates = np.where(
                rows[5] > 0, room(rows[2], bound) * np.repeat(fine, self._counts), rows[2]
            )
            rows = room(rows, bound) * np.repeat(fine, self._counts)
            rows[2] = unit_rates
            dens, frees = dens * fine, frees * fine
        uppers, offsets, rates, bases, fees, sizes = rows
        return _Flat(
            uppers, offsets, rates, bases, fees, sizes, multiples, frees, dens,
            self._closed(uppers), (*tops, largest(multiples), free),
        )  # fmt: skip

    def _closed(self, uppers: Ints) -> list[Rows] | None:
        if self.most_rows > _FEW or uppers.dtype == object:
            return None
        rows = [np.minimum(self.first + place, self.last) for place in range(self.most_rows - 1)]
        never = np.iinfo(np.int64).max
        return [np.where(row < self.last, uppers[row], never) for row in rows]


def _most(counts: Rows | None) -> int:
    return 0 if counts is None else largest(counts)


def read_tables(book: Book, which: Rows, units: Exact, counts: Rows | None = None) -> "Sums":
    """Price each quantity by the table `which` of the book, its own adjustments taken in.

    Args:
        which: of each quantity; or of each column of them, of the shape (columns, 1).
        units: none below zero.
        counts: of events, for the fee of each; None: of none.
    """
    flat = book.at(units.den)
    *_, fee, size, multiple, free = flat.tops
    bound = flat.bound(largest(units.num) + 1, _most(counts))
    exact, rest = room(units.num, bound), units.rest
    if multiple > 1:
        exact = exact * flat.multiples[which]
        if rest is not None:
            finer = room(rest, multiple * units.part) * flat.multiples[which]
            whole, rest = split(finer, units.part)
            exact = exact + whole
    if free:
        if rest is not None:
            rest = np.where(exact < flat.free[which], 0, rest)
        exact = exact - np.minimum(exact, flat.free[which])
    # A whole bound is passed, and a whole package begun, by the least part of a unit above it.
    reached = exact if rest is None else exact + (rest > 0)
    row = _found(book, flat, which, reached)
    parts, rates = exact - flat.offsets[row], flat.rates[row]
    if size:
        sizes = flat.sizes[row]
        packages = -(-(reached - flat.offsets[row]) // np.maximum(sizes, 1))
        parts = np.where(sizes > 0, packages, parts)
        rest = None if rest is None else np.where(sizes > 0, 0, rest)
    num = parts * rates + flat.bases[row]
    if fee and counts is not None:
        num = num + room(counts, bound) * flat.fees[row]
    if rest is not None:
        rest = room(rest, units.part * max(largest(rates), 1)) * rates
    return adjusted(Sums(num, flat.dens[which], rest, units.part), book.adjustments, which)


def _found(book: Book, flat: _Flat, which: Rows, exact: Ints) -> Rows:
    """Return the first row of each table whose upper bound holds the quantity; the last is open."""
    if flat.closed is not None:
        row: Rows = book.first[which]
        for uppers in flat.closed:
            row = row + (uppers[which] < exact)
        return row
    low: Rows = book.first[which]
    high: Rows = book.last[which]
    for _ in range((book.most_rows - 1).bit_length()):
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
    """(num[i] + rest[i] / part) / den[i]: sums by different tables; mostly without a rest.

    Of columns one beneath the other, `den` may be one of each column.
    """

    num: Ints
    den: Ints
    rest: Ints | None = None
    part: int = 1

    def widened(self) -> "Sums":
        """Return the same without a rest."""
        if self.rest is None:
            return self
        bound = (largest(self.num) + 1) * self.part + largest(self.rest)
        num, den = room(self.num, bound), room(self.den, largest(self.den) * self.part)
        return Sums(num * self.part + self.rest, den * self.part)

    def rounded(self, scale: int) -> Ints:
        """Return num × scale / den as integers, half-up away from zero: the one rounding."""
        bound = largest(self.num) * 2 * scale + largest(self.den) * 2
        num, den = room(np.abs(self.num), bound), room(self.den, bound)
        is_below = self.num.min(initial=0) < 0
        if self.rest is None:
            magnitude: Ints = (num * (2 * scale) + den) // (den * 2)
            return np.where(self.num < 0, -magnitude, magnitude) if is_below else magnitude
        most = largest(self.den) * 2 * self.part + largest(self.rest) * 2 * scale
        if max(bound, most) >= LIMIT or is_below:
            return narrowed(self.widened().rounded(scale))
        # What is left below one minor unit, in parts of it, and the rest beside it.
        whole, left = split(num * (2 * scale) + den, den * 2)
        beside = left * self.part + self.rest * (2 * scale)
        rounded: Ints = whole + beside // (den * 2 * self.part)
        return rounded

    def reduced(self) -> tuple[Ints, Ints]:
        """Return numerators and denominators in lowest terms, as `Fraction` has them."""
        one = self.widened()
        divisor = np.gcd(one.num, one.den)
        return one.num // divisor, one.den // divisor

    def times(self, factor: Fraction) -> "Sums":
        if factor == 1:
            return self
        one = self.widened()
        num = room(one.num, largest(one.num) * abs(factor.numerator) + abs(factor.numerator))
        den = room(one.den, largest(one.den) * factor.denominator)
        return Sums(num * factor.numerator, den * factor.denominator)

    def plus(self, other: "Sums") -> "Sums":
        assert self.rest is None
        assert other.rest is None
        bound = largest(self.num) * largest(other.den) + largest(other.num) * largest(self.den)
        bound = max(bound, largest(self.den) * largest(other.den))
        one, beside = room(self.num, bound), room(self.den, bound)
        num = one * other.den + room(other.num, bound) * beside
        return Sums(num, beside * other.den)

    def chosen(self, mine: NDArray[np.bool_], other: "Sums") -> "Sums":
        """Return these where they are `mine`, the others elsewhere."""
        one, other = self.widened(), other.widened()
        return Sums(np.where(mine, one.num, other.num), np.where(mine, one.den, other.den))

    def column(self, place: int) -> "Sums":
        """Return the sums of one of several columns."""
        rest = None if self.rest is None else self.rest[place]
        num = self.num[place]
        return Sums(num, np.broadcast_to(self.den[place], num.shape), rest, self.part)

    def fraction(self, place: int) -> Fraction:
        one = self.widened()
        return Fraction(int(one.num[place]), int(one.den[place]))


def adjusted(sums: Sums, adjustments: Sequence[tuple[Adjustment, ...]], which: Rows) -> Sums:
    """Take discount, maximum and minimum of each price, in the order in which they stand."""
    deepest = max(map(len, adjustments), default=0)
    if not deepest:
        return sums
    one, shape = sums.widened(), sums.num.shape
    which = np.broadcast_to(which, shape).reshape(-1)
    sums = Sums(one.num.reshape(-1), np.broadcast_to(one.den, shape).reshape(-1))
    for place in range(deepest):
        steps = [one[place] if place < len(one) else None for one in adjustments]
        for kind in ("discount", "maximum", "minimum"):
            mine = np.array([step is not None and step.kind == kind for step in steps], np.bool_)
            touched = np.flatnonzero(mine[which])
            if len(touched):
                values = [Fraction(*step.value) if step else Fraction(0) for step in steps]
                sums = _step(sums, kind, values, which, touched)
    return Sums(sums.num.reshape(shape), sums.den.reshape(shape))


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
