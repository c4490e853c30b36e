"""The charges of one shape's subscriptions as columns: usage in, units and exact sums out.

Whoever has anything unusual (a value that is no number or below zero, an event that no price
takes, a sum without room in 64 bits) is named in `left` and rated by itself.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import lcm
from types import MappingProxyType

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from kvit.core.catalogue import Catalogue, Meter
from kvit.core.charges import LARGEST
from kvit.core.columnar import Exact, NotColumnar, Sums, charge
from kvit.core.columnar.exact import Ints
from kvit.core.columnar.prices import Usage
from kvit.core.columnar.runs import Rows, Runs, borders
from kvit.core.money import exponent
from kvit.core.pricing.compiled import Compiled, MatchKey
from kvit.core.pricing.price import compile_price
from kvit.core.stretches import Charge as Pattern
from kvit.metering.queries import DIMENSIONS, TEXTS, UsageColumns

FINEST = 10**12  # units are stored with so many decimals
_ROOM = 2**62
_KINDS = ("nothing", "units", "events", "amounts", "keys")


@dataclass(frozen=True, slots=True)
class PricedColumn:
    """One price of all members, in their order; sums in minor units, `num / den` the exact one."""

    units: Rows
    unit_scale: int
    events: Rows
    num: Rows
    den: Rows
    minor: Rows


@dataclass(slots=True)
class Sheet:
    """Everything about a shape's members; `left` marks those to be rated by themselves."""

    columns: list[PricedColumn]
    events: Rows  # of each member, covered by some price
    left: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Own:
    """The prices of a column: the plan's, then overrides; `which` says whose is which."""

    prices: Sequence[Compiled]
    which: Rows


def sheet_of(
    patterns: Sequence[Pattern],
    codes: Sequence[str],
    usage: UsageColumns,
    catalogue: Catalogue,
    currency: str,
    owns: Mapping[str, Own] = MappingProxyType({}),
) -> Sheet:
    """Price every member.

    Args:
        codes: of the members, in byte order.
        owns: by price key, where members have prices of their own.

    Raises:
        NotColumnar: no member can be priced this way.
    """
    owners: Rows = pc.index_in(usage.subjects, value_set=pa.array(codes, pa.string())).to_numpy()
    sheet = Sheet([], np.zeros(len(codes), np.int64), np.zeros(len(codes), np.bool_))
    if usage.wide.any():
        sheet.left[owners[np.maximum.reduceat(usage.wide, usage.runs.starts)]] = True
    meters = {one.stretch.terms.meter for one in patterns if one.stretch.terms.meter}
    read = {code: _Read(catalogue.meters[code], usage, owners, len(codes)) for code in meters}
    for counted in read.values():
        sheet.events += counted.counts
    for place, meter in enumerate(usage.meter_codes):
        if meter in catalogue.meters and meter not in meters:
            # Events that no price takes: they wait, and are told.
            sheet.left[owners[usage.meters == place]] = True
    for one in patterns:
        stretch = one.stretch
        if stretch.terms.meter:
            plan_s = Own([compile_price(stretch.price)], np.zeros(len(codes), np.int64))
            own = owns.get(stretch.key, plan_s)
            column = _usage_column(one, own, read[stretch.terms.meter], currency, sheet.left)
        else:
            column = _fixed_column(one, len(codes), currency)
        sheet.columns.append(column)
    return sheet


def reads_of(patterns: Sequence[Pattern], catalogue: Catalogue) -> set[str]:
    """Return what of usage is looked at beside values: texts, dimensions."""
    reads = set()
    for one in patterns:
        meter = catalogue.meters.get(one.stretch.terms.meter)
        if meter is not None and meter.aggregation == "unique":
            reads.add(TEXTS)
        if compile_price(one.stretch.price).aggregation == "keys":
            reads.add(DIMENSIONS)
    return reads


class _Read:
    """One meter of the members: the runs that are of it, and what they add up to."""

    def __init__(self, meter: Meter, usage: UsageColumns, owners: Rows, members: int) -> None:
        self.meter, self.usage, self.members = meter, usage, members
        known = usage.meter_codes
        place = known.index(meter.code) if meter.code in known else -1
        self.picked = np.flatnonzero(usage.meters == place)
        self.owners = owners[self.picked]
        self.counts = self.spread(usage.runs.counts[self.picked])

    def spread(self, of_runs: Ints) -> Ints:
        """Return a figure of each member: that of its run, or zero."""
        whole = np.zeros(self.members, of_runs.dtype)
        whole[self.owners] = of_runs
        return whole

    def rows(self) -> tuple[Rows, Runs]:
        """Return the places of this meter's rows, and its runs among them alone."""
        runs = self.usage.runs
        counts = runs.counts[self.picked]
        starts = np.cumsum(counts) - counts
        places = np.arange(int(counts.sum())) - np.repeat(starts, counts)
        return places + np.repeat(runs.starts[self.picked], counts), Runs(starts, len(places))

    def units(self, left: NDArray[np.bool_]) -> Exact:
        """Aggregate as `core.usage` does."""
        kind = self.meter.aggregation
        if kind == "count":
            return Exact(self.counts)
        places, runs = self.rows()
        values, missing = self.usage.values[places], self.usage.missing[places]
        if kind == "unique":
            if len(values) and np.abs(values).max() >= _ROOM // 2:
                raise NotColumnar("unique")
            said = np.where(missing, self.usage.texts[places] * 2 + 1, values * 2)
            return Exact(self.spread(runs.uniques(said)))
        self._leave_texts(missing, runs, left)
        found = runs.sums(values) if kind == "sum" else runs.maxima(values)
        return Exact(self.spread(found), self.usage.scale)

    def amounts(self, left: NDArray[np.bool_]) -> tuple[Exact, tuple[Rows, int, Runs]]:
        """Return the sum of the events' values, and the values one by one."""
        places, runs = self.rows()
        values = self.usage.values[places]
        self._leave_texts(self.usage.missing[places], runs, left)
        if len(values):
            left[self.owners[runs.minima(values) < 0]] = True
        total = Exact(self.spread(runs.sums(values)), self.usage.scale)
        return total, (values, self.usage.scale, runs)

    def cells(
        self, event: MatchKey, left: NDArray[np.bool_]
    ) -> tuple[dict[int, Exact], dict[int, Ints]]:
        """Add up units by the table that the dimensions name."""
        places, runs = self.rows()
        values, missing = self.usage.values[places], self.usage.missing[places]
        known = [_entry_of(event, self.meter, one) for one in self.usage.dimension_texts]
        entries = np.array([*known, 0], np.int64)[self.usage.dimensions[places]]
        owners = np.repeat(self.owners, runs.counts)
        counted = self.meter.aggregation == "count"
        wrong = entries < 0 if counted else (entries < 0) | missing | (values < 0)
        left[owners[wrong]] = True
        entries = np.maximum(entries, 0)
        order = np.lexsort((owners, entries))
        cells = borders(entries[order], owners[order])
        sums = cells.counts if counted else cells.sums(values[order])
        table_of, owner_of = cells.firsts(entries[order]), cells.firsts(owners[order])
        units: dict[int, Exact] = {}
        met: dict[int, Ints] = {}
        for table in sorted(set(table_of.tolist())):
            mine = table_of == table
            whole, seen = np.zeros(self.members, sums.dtype), np.zeros(self.members, np.int64)
            whole[owner_of[mine]], seen[owner_of[mine]] = sums[mine], 1
            units[table] = Exact(whole, 1 if counted else self.usage.scale)
            met[table] = seen
        return units, met

    def _leave_texts(self, missing: NDArray[np.bool_], runs: Runs, left: NDArray[np.bool_]) -> None:
        if missing.any():
            left[self.owners[np.add.reduceat(missing.astype(np.int64), runs.starts) > 0]] = True


def _entry_of(event: MatchKey, meter: Meter, text: str) -> int:
    """Return the table that dimensions name: the first entry that fits, the default, or −1."""
    given = orjson.loads(text)
    names = {name: given.get(name, "") for name in meter.dimensions}
    for place, entry in enumerate(event.entries):
        if all(names.get(name) == value for name, value in entry):
            return place
    return len(event.entries) if event.has_default else -1


def _usage_column(
    one: Pattern, own: Own, read: _Read, currency: str, left: NDArray[np.bool_]
) -> PricedColumn:
    """Price by kind of price: what one reads of usage, all of its kind read."""
    kinds = np.array([_KINDS.index(price.aggregation) for price in own.prices], np.int64)
    sums: Sums | None = None
    shown: Exact | None = None
    for kind in np.unique(kinds[own.which]):
        mine = kinds[own.which] == kind
        prices = [price for price in own.prices if price.aggregation == _KINDS[kind]]
        place = np.cumsum(kinds == kind) - 1
        # Members of other kinds are priced along by the first of these, and overwritten.
        which = np.where(mine, place[own.which], 0)
        usage = _usage(prices, read, mine, left)
        # Whoever is left is priced by itself: zeros stand here instead.
        part, units = charge(prices, which, _cleared(usage, left)), _shown(usage)
        sums = (
            part
            if sums is None
            else Sums(np.where(mine, part.num, sums.num), np.where(mine, part.den, sums.den))
        )
        shown = units if shown is None else _either(mine, units, shown)
    assert sums is not None
    assert shown is not None
    return _column(sums.times(one.share), shown, read.counts, currency, left)


def _either(mine: NDArray[np.bool_], one: Exact, other: Exact) -> Exact:
    den = lcm(one.den, other.den)
    return Exact(np.where(mine, one.over(den), other.over(den)), den)


def _usage(
    prices: Sequence[Compiled], read: _Read, mine: NDArray[np.bool_], left: NDArray[np.bool_]
) -> Usage:
    """Read what prices of one kind ask for; of `mine`, those that cannot be read are left."""
    nothing = Exact(np.zeros(read.members, np.int64))
    odd = np.zeros_like(left)
    match prices[0].aggregation:
        case "events" | "amounts":
            total, amounts = read.amounts(odd)
            usage = Usage(total, read.counts, amounts=amounts)
        case "keys":
            # Cells are of one price: another matrix would part them otherwise.
            [event] = {price.event for price in prices}
            assert isinstance(event, MatchKey)
            units, met = read.cells(event, odd)
            usage = Usage(nothing, read.counts, keyed=units, met=met)
        case "nothing":
            usage = Usage(nothing, read.counts)
        case _:
            usage = Usage(read.units(odd), read.counts)
    for part in (usage.units, *usage.keyed.values()):
        odd |= (part.num < 0).astype(np.bool_)
    left |= odd & mine
    return _cleared(usage, odd)


def _cleared(usage: Usage, left: NDArray[np.bool_]) -> Usage:
    def clear(one: Exact) -> Exact:
        return Exact(np.where(left, 0, one.num), one.den)

    keyed = {table: clear(one) for table, one in usage.keyed.items()}
    amounts = usage.amounts
    if amounts is not None:
        values, scale, runs = amounts
        amounts = np.maximum(values, 0), scale, runs
    return Usage(clear(usage.units), usage.counts, keyed, usage.met, amounts)


def _shown(usage: Usage) -> Exact:
    """Return the units that a charge names."""
    total = usage.units
    for one in usage.keyed.values():
        total = total.plus(one)
    return total


def _column(
    exact: Sums, units: Exact, events: Rows, currency: str, left: NDArray[np.bool_]
) -> PricedColumn:
    minor = exact.rounded(10 ** exponent(currency))
    num, den = exact.reduced()
    if units.den > 1 and FINEST % units.den:
        raise NotColumnar("units")
    for numbers, bound in ((minor, LARGEST), (num, _ROOM), (den, _ROOM), (units.num, _ROOM)):
        left |= (np.abs(numbers) >= bound).astype(np.bool_)
    return PricedColumn(
        units=_whole(units.num, left),
        unit_scale=units.den,
        events=events,
        num=_whole(num, left),
        den=_whole(den, left),
        minor=_whole(minor, left),
    )


def _whole(numbers: Ints, left: NDArray[np.bool_]) -> Rows:
    """Return 64 bits; what has no room there is of members that are left out."""
    if numbers.dtype != object:
        return numbers
    return np.where(left, 0, numbers).astype(np.int64)


def _fixed_column(one: Pattern, members: int, currency: str) -> PricedColumn:
    """A fee is the same for every member."""

    def same(value: int) -> Rows:
        return np.full(members, value, np.int64)

    units = one.units * FINEST
    if units.denominator != 1 or abs(units) >= _ROOM:
        raise NotColumnar("units")
    return PricedColumn(
        same(units.numerator), FINEST, same(0), same(one.exact.numerator),
        same(one.exact.denominator), same(one.amount_minor),
    )  # fmt: skip
