"""The charges of one shape's subscriptions as columns: usage in, units and exact sums out.

Prices that are one table of units each, nearly all, are read at one stroke: all members of all such
columns are the quantities, all plans' and members' own prices the tables. A matrix and a price of
single events go column by column.

Whoever has anything unusual (a value that is no number or below zero, an event that no price
takes, a sum without room in 64 bits) is named in `left` and rated by itself.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property, lru_cache
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from kvit.core.catalogue import Catalogue, Meter
from kvit.core.charges import LARGEST
from kvit.core.columnar import Exact, NotColumnar, Sums, ready
from kvit.core.columnar.dialled import Wall
from kvit.core.columnar.exact import LIMIT, Ints, largest, stacked
from kvit.core.columnar.prices import Ready, book_of, known_book_of
from kvit.core.columnar.runs import Rows
from kvit.core.columnar.tables import adjusted, read_tables
from kvit.core.money import exponent
from kvit.core.pricing.compiled import Compiled
from kvit.core.pricing.price import compile_price
from kvit.core.stretches import Charge as Pattern
from kvit.metering.queries import DIMENSIONS, TEXTS, TIMES, UsageColumns
from kvit.rating._counted import Counted, Levels, Truths
from kvit.rating._filtered import Filtered
from kvit.rating._reading import TABLED, Own, apart, tabled

FINEST = 10**12  # units are stored with so many decimals
WIDEST = 10**36  # of a numerator that is stored
_READS = {"unique": {TEXTS}, "time_weighted": {TIMES}, "difference": {DIMENSIONS}}


@dataclass(frozen=True)
class PricedColumn:
    """One price of all members, in their order. What stands in a charge's row is put into its form
    when it is asked for: a total needs nothing but the minor units."""

    shown: Exact
    events: Rows
    exact: Sums
    minor: Rows

    @property
    def num(self) -> Ints:
        return self._reduced[0]

    @property
    def den(self) -> Ints:
        return self._reduced[1]

    @property
    def unit_scale(self) -> int:
        return self.shown.den if self._is_decimal else FINEST

    @cached_property
    def units(self) -> Ints:
        """Return units over `unit_scale`, as finely as they are stored."""
        return self.shown.num if self._is_decimal else self.shown.at_scale(FINEST)

    @property
    def _is_decimal(self) -> bool:
        return self.shown.rest is None and FINEST % self.shown.den == 0

    @cached_property
    def _reduced(self) -> tuple[Ints, Ints]:
        return self.exact.reduced()


@dataclass(slots=True)
class Sheet:
    """Everything about a shape's members; `left` marks those to be rated by themselves."""

    columns: list[PricedColumn]
    events: Rows  # of each member, covered by some price
    left: NDArray[np.bool_]


@dataclass(slots=True)
class Column:
    """A price of usage on its way: what it is, then what it comes to."""

    pattern: Pattern
    meter: Meter
    counted: Counted
    own: Own
    units: Exact = field(init=False)
    sums: Sums = field(init=False)
    minor: Ints = field(init=False)
    has_room: bool = False  # known to fit where figures are stored


def sheet_of(
    patterns: Sequence[Pattern],
    codes: Sequence[str],
    usage: UsageColumns,
    catalogue: Catalogue,
    currency: str,
    owns: Mapping[str, Own] = MappingProxyType({}),
    levels: Levels | None = None,
    zone: str = "",
) -> Sheet:
    """Price every member.

    Args:
        codes: of the members, in byte order.
        owns: by price key, where members have prices of their own.
        levels: where any meter goes on from before the period: see `plain.carrying`.
        zone: the members' own; without one nothing is charged by the hour.

    Raises:
        NotColumnar: no member can be priced this way.
    """
    meters = {one.stretch.terms.meter for one in patterns if one.stretch.terms.meter}
    counted = Counted(usage, codes, [catalogue.meters[one] for one in sorted(meters)], levels)
    filtered = Filtered(counted, codes)
    events = np.zeros(len(codes), np.int64)
    left = _odd_usage(counted, meters, catalogue)
    for code in meters:
        meter = catalogue.meters[code]
        events += counted.counts_of(meter)
        terms = (one.stretch.terms for one in patterns)
        left |= filtered.beside(meter, [one.filters for one in terms if one.meter == code])
    used: dict[int, Column] = {}
    for place, one in enumerate(patterns):
        if one.stretch.terms.meter:
            meter = catalogue.meters[one.stretch.terms.meter]
            mine = filtered.of(meter, one.stretch.terms.filters)
            own = owns.get(one.stretch.key) or _plan_s(one, len(codes))
            used[place] = Column(one, meter, mine, own)
    scale = 10 ** exponent(currency)
    for many in _alike(used.values(), left).values():
        _price(many, scale)
    for column in used.values():
        if not column.own.kinds <= TABLED:
            column.units, column.sums = apart(
                column.own, column.counted, column.meter, _wall(column, catalogue, zone), left
            )
            column.sums = column.sums.times(column.pattern.share)
            column.minor = column.sums.rounded(scale)
            column.has_room = _has_room(column.units, column.sums, column.minor)
    columns = [
        _finished(used[place], left) if place in used else _fixed(one, len(codes))
        for place, one in enumerate(patterns)
    ]
    return Sheet(columns, events, left)


def reads_of(patterns: Sequence[Pattern], catalogue: Catalogue) -> set[str]:
    """Return what of usage is looked at beside values: texts, dimensions, times."""
    reads = set()
    for one in patterns:
        meter = catalogue.meters.get(one.stretch.terms.meter)
        if meter is not None:
            reads |= _READS.get(meter.aggregation, set())
        if one.stretch.terms.filters or compile_price(one.stretch.price).aggregation == "keys":
            reads.add(DIMENSIONS)
        if one.stretch.price.needs == "sessions":
            reads |= {DIMENSIONS, TIMES}
    return reads


def _wall(column: Column, catalogue: Catalogue, zone: str) -> Wall:
    stretch = column.pattern.stretch
    if not zone and "sessions" in column.own.kinds:
        raise NotColumnar("sessions without a clock")
    return Wall(zone, catalogue.calendar(stretch.terms.calendar or stretch.plan.calendar))


def _plan_s(one: Pattern, members: int) -> Own:
    return Own([_laid(compile_price(one.stretch.price))], np.zeros(members, np.int64))


@lru_cache(maxsize=1024)
def _laid(compiled: Compiled) -> Ready:
    """Lay a plan's price out: once, not once a range."""
    return ready(compiled)


def _odd_usage(counted: Counted, meters: set[str], catalogue: Catalogue) -> Truths:
    """Return whose values have no room in 64 bits, or whose events no price takes."""
    usage, left = counted.usage, counted.wide.copy()
    for place, meter in enumerate(usage.meter_codes):
        if meter in catalogue.meters and meter not in meters:
            # Events that no price takes: they wait, and are told.
            left[counted.owners[usage.meters == place]] = True
    return left


_Likeness = tuple[int, int, Fraction, bool, bool, bool]


@dataclass(frozen=True, slots=True)
class _Read:
    """A column whose prices are tables, and what these read; nothing of it is below zero."""

    column: Column
    units: Exact
    counts: Rows | None  # of events, where any price has a fee for each

    @property
    def likeness(self) -> _Likeness:
        """Return what columns have in common that are priced at one stroke: the scale of units and
        the share, and which steps it takes."""
        prices = self.column.own.prices
        has_packages = any(one.tables[0].has_packages for one in prices)
        return (
            self.units.den, self.units.part, self.column.pattern.share,
            len(prices) == 1, self.counts is None, has_packages,
        )  # fmt: skip


def _alike(columns: Iterable[Column], left: Truths) -> dict[_Likeness, list[_Read]]:
    """Read columns whose prices are tables; return them by what must be the same at one stroke."""
    found: dict[_Likeness, list[_Read]] = defaultdict(list)
    for one in columns:
        if one.own.kinds <= TABLED:
            read = _Read(one, *tabled(one.own, one.counted, one.meter, left))
            found[read.likeness].append(read)
    return found


def _price(many: Sequence[_Read], scale: int) -> None:
    """Give columns that are alike their sums."""
    prices = tuple(price for one in many for price in one.column.own.prices)
    which = np.cumsum([0, *(len(one.column.own.prices) for one in many)])[:-1].reshape(-1, 1)
    if len(prices) == len(many):
        book = known_book_of(prices)
    else:
        book, which = book_of(prices), which + np.stack([one.column.own.which for one in many])
    units = stacked([one.units for one in many])
    told = [one.counts for one in many if one.counts is not None]
    counts = np.stack(told) if told else None
    if len(many) > 1 and not book.holds(units, counts):
        for one in many:  # what needs more than 64 bits does not slow down the others
            _price([one], scale)
        return
    sums = read_tables(book, which, units, counts)
    sums = adjusted(sums, [one.compiled.adjustments for one in prices], which)
    sums = sums.times(many[0].column.pattern.share)
    minor = sums.rounded(scale)
    has_room = _has_room(units, sums, minor)
    for place, one in enumerate(many):
        one.column.units = one.units
        one.column.sums = sums.column(place)
        one.column.minor = minor[place]
        one.column.has_room = has_room


def _has_room(units: Exact, sums: Sums, minor: Ints) -> bool:
    """Whether figures are known to fit where they are stored."""
    return (
        largest(minor) < LARGEST
        and max(largest(sums.num) + 1, largest(sums.den)) * sums.part < WIDEST
        and (largest(units.num) + 1) * FINEST < WIDEST
    )


def _finished(column: Column, left: Truths) -> PricedColumn:
    if not column.has_room:
        _leave_large(column, left)
    return PricedColumn(
        shown=column.units,
        events=column.counted.counts_of(column.meter),
        exact=column.sums,
        minor=column.minor.astype(np.int64, copy=False),
    )


def _leave_large(column: Column, left: Truths) -> None:
    """Leave out whose figures have no room where they are stored."""
    sums, units = Sums(*column.sums.reduced()), column.units
    for numbers, bound in (
        (column.minor, LARGEST), (sums.num, WIDEST), (sums.den, WIDEST),
        (units.num, WIDEST // FINEST),
    ):  # fmt: skip
        left |= (np.abs(numbers) >= bound).astype(np.bool_)
    column.minor = np.where(left, 0, column.minor)


def _fixed(one: Pattern, members: int) -> PricedColumn:
    """A fee is the same for every member."""

    def same(value: int) -> Rows:
        return np.full(members, value, np.int64)

    units = one.units * FINEST
    if units.denominator != 1 or abs(units) >= LIMIT:
        raise NotColumnar("units")
    exact = Sums(same(one.exact.numerator), same(one.exact.denominator))
    shown = Exact(same(units.numerator), FINEST)
    return PricedColumn(shown, same(0), exact, same(one.amount_minor))
