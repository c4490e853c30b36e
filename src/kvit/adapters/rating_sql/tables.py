"""Compiled prices as the contract's tables: whole numbers alone, with ranges proven beforehand.

A worked example, "first 100 at 2.00, above at 1.50", usage in thousandths: sums are numerators
over 1 000, and the price is rated up to `safe` units, whatever the engine multiplies on the way.

    tbl  multiple   lower    upper   begin   rate     base
      0         1      −1        0       0      0        0
      0         1       0  100 000       0      2        0
      0         1 100 000     10³⁷ 100 000  1.5 → 3 over 2 000, so den is 2 000 and 2 becomes 4

A price is compiled for units over one denominator: events in thousandths have 1 000, a level
weighted by the microseconds of a month 1 000 × 2 678 400 000 000.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from math import gcd, lcm
from types import MappingProxyType
from typing import Final, Literal, get_args

from kvit.adapters.rating_sql.dialects import Cell, Kind, TableRows
from kvit.core.columnar import is_columnar
from kvit.core.pricing.compiled import Adjustment, Compiled, MatchKey, Table

Units = Literal["sum", "count", "max", "unique", "latest", "time_weighted"]
KINDS: Final[tuple[Units, ...]] = get_args(Units)
ADDING: Final = frozenset({"sum", "count"})  # parts by dimension add up to the whole
ROOM: Final = 10**37  # Spark's decimals have 38 digits, and 128 bits hold them
QUOTIENT: Final = 10**31  # of a division: there six decimals stand behind the point
REACH: Final = 10**30  # of units × multiple
MOST_EVENTS: Final = 10**12  # of a line
LONGEST_US: Final = 2**50  # a service period: 35 years

PRICES: Final[Mapping[str, Kind]] = {
    "price": "int", "tbl": "int", "reads": "text", "den": "wide", "scale": "int",
    "factor": "wide", "most": "wide", "least": "wide", "safe": "wide",
}  # fmt: skip
SEGMENTS: Final[Mapping[str, Kind]] = {
    "tbl": "int", "multiple": "wide", "lower": "wide", "upper": "wide", "begin": "wide",
    "rate": "wide", "base": "wide", "fee": "wide", "package": "wide",
}  # fmt: skip
CELLS: Final[Mapping[str, Kind]] = {"price": "int", "dims": "text", "tbl": "int"}
_ORDER = ("discount", "maximum", "minimum")
_NO_DIMS: Mapping[str, Mapping[str, str]] = MappingProxyType({})


class NotInContract(ValueError):
    """The price reads more than the contract says: Kvit rates it itself."""


@dataclass(slots=True)
class Contract:
    """The tables of prices; a price is added where it is first asked for."""

    _known: dict[tuple[Compiled, Units, int, int], int] = field(default_factory=dict)
    _prices: list[Sequence[Cell]] = field(default_factory=list)
    _segments: list[Sequence[Cell]] = field(default_factory=list)
    _cells: dict[tuple[int, str], int] = field(default_factory=dict)
    _first: dict[int, int] = field(default_factory=dict)  # of each price: its first table
    _tables: int = 0

    def price(
        self,
        compiled: Compiled,
        kind: Units,
        *,
        value_scale: int,
        minor_scale: int = 100,
        period_us: int = 0,
        dims: Mapping[str, Mapping[str, str]] = _NO_DIMS,
    ) -> int:
        """Return the number that lines of this price name.

        Args:
            kind: how the meter aggregates.
            value_scale: the factor that makes the values of events whole numbers.
            minor_scale: minor units of the currency in a major one.
            period_us: the length of the service period, for `time_weighted`.
            dims: of a matrix: every text in `dims` of its events, and the dimensions it means.

        Raises:
            NotInContract: it reads more than units, counts, or a key of dimensions.
        """
        _check(compiled, kind, period_us)
        den = {"count": 1, "unique": 1, "time_weighted": value_scale * period_us}
        key = compiled, kind, den.get(kind, value_scale), minor_scale
        if key not in self._known:
            self._known[key] = self._add(compiled, key[2], minor_scale)
        number = self._known[key]
        if isinstance(compiled.event, MatchKey):
            first = self._first[number]
            for text, named in dims.items():
                place = _entry(compiled.event, named)
                if place is not None:
                    self._cells[number, text] = first + place
        return number

    def rows(self) -> tuple[TableRows, ...]:
        """Return the tables under the names that statements read."""
        cells = [(price, text, tbl) for (price, text), tbl in self._cells.items()]
        return (
            TableRows("kvit_prices", PRICES, self._prices),
            TableRows("kvit_segments", SEGMENTS, self._segments),
            TableRows("kvit_cells", CELLS, cells),
        )

    def _add(self, compiled: Compiled, units_den: int, minor_scale: int) -> int:
        number, first = len(self._prices), self._tables
        factor, most, least = _bounds(compiled.adjustments)
        laid = [_laid(table, units_den) for table in compiled.tables]
        limits = [one.denominator for one in (most, least) if one is not None]
        common = lcm(*(one.den for one in laid), *limits)
        laid = [one.over(common) for one in laid]
        den = common * factor.denominator
        within = [None if one is None else int(one * den) for one in (most, least)]
        room = min((ROOM - den) // (2 * minor_scale), QUOTIENT * den // minor_scale)
        each = room // (len(laid) * max(factor.numerator, 1))
        safe = min(one.safe(each) for one in laid)
        if den >= ROOM or any(abs(one) > room for one in within if one is not None):
            raise NotInContract(f"a denominator or a bound beyond {ROOM}")
        for place, one in enumerate(laid):
            self._segments += [(first + place, one.multiple, *row) for row in one.rows]
        keyed = compiled.aggregation == "keys"
        self._prices.append(
            (number, None if keyed else first, compiled.aggregation, den, minor_scale,
             factor.numerator, *within, safe)
        )  # fmt: skip
        self._tables += len(laid)
        self._first[number] = first
        return number


@dataclass(frozen=True, slots=True)
class _Laid:
    """One table for units over its denominator; rates, bases and fees over `den`."""

    multiple: int
    rows: Sequence[tuple[int, ...]]  # lower, upper, begin, rate, base, fee, package
    den: int

    def over(self, den: int) -> "_Laid":
        times = den // self.den
        rows = [(*row[:3], *(number * times for number in row[3:6]), row[6]) for row in self.rows]
        return _Laid(self.multiple, rows, den)

    def safe(self, room: int) -> int:
        """Return the most units with which no row's numerator leaves the room; −1: none."""
        rate, base, fee = (max(abs(row[place]) for row in self.rows) for place in (3, 4, 5))
        edge = max(max(row[0], row[2], row[6]) for row in self.rows)
        left = room - base - fee * MOST_EVENTS
        if left < 0 or edge >= REACH:
            return -1
        return min(left // max(rate, 1), REACH) // self.multiple


def _laid(table: Table, units_den: int) -> _Laid:
    # Units finer than the table's own scale are met by widening its integers.
    common = gcd(table.unit_scale, units_den)
    fine = units_den // common
    steps = [
        row.price[1] * (1 if row.package else table.unit_scale * fine) for row in table.segments
    ]
    den = lcm(table.amount_scale, *steps)
    money, free = den // table.amount_scale, table.free * fine
    rows = [
        (
            row.lower if row.lower < 0 else row.lower * fine + free,
            ROOM if row.upper is None else row.upper * fine + free,
            row.offset * fine + free,
            row.price[0] * (den // step),
            row.base * money,
            row.fee * money,
            row.package * fine,
        )
        for row, step in zip(table.segments, steps, strict=True)
    ]
    return _Laid(table.unit_scale // common, rows, den)


def _check(compiled: Compiled, kind: Units, period_us: int) -> None:
    reads = compiled.aggregation
    if kind not in KINDS or reads == "amounts" or not is_columnar(compiled):
        raise NotInContract(f"{reads} of {kind}")
    if (reads == "events" and kind != "sum") or (reads == "keys" and kind not in ADDING):
        raise NotInContract(f"{reads} of {kind}")
    if any(table.adjustments for table in compiled.tables):
        raise NotInContract("bounds of a cell")
    if kind == "time_weighted" and not 0 < period_us < LONGEST_US:
        raise NotInContract(f"a period of {period_us} µs")


def _bounds(
    adjustments: Sequence[Adjustment],
) -> tuple[Fraction, Fraction | None, Fraction | None]:
    """Return the share that a discount leaves, the maximum and the minimum."""
    kinds = [_ORDER.index(one.kind) for one in adjustments]
    if kinds != sorted(set(kinds)):
        raise NotInContract("adjustments in another order")
    values = {one.kind: Fraction(*one.value) for one in adjustments}
    left = 1 - values.get("discount", Fraction(0))
    return left, values.get("maximum"), values.get("minimum")


def _entry(event: MatchKey, named: Mapping[str, str]) -> int | None:
    """Return the place of the table that dimensions name, if one does."""
    for place, entry in enumerate(event.entries):
        if all(named.get(name) == value for name, value in entry):
            return place
    return len(event.entries) if event.has_default else None
