"""What the prices of a column read of usage: units and events for tables, or cells and amounts.

A column is one price of a plan and what members have in its place. Where all of them are one table
of units each, `tabled` says what these read; where one is a matrix or charges single events, the
column is priced by `apart`, kind by kind.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from kvit.core.catalogue import Meter
from kvit.core.columnar import Exact, Sums, charge
from kvit.core.columnar.dialled import Wall, charge_dialled
from kvit.core.columnar.prices import Ready, Usage
from kvit.core.columnar.runs import Rows
from kvit.core.pricing.compiled import MatchKey
from kvit.rating._counted import Counted, Truths
from kvit.rating._dialled import dialled

TABLED = frozenset({"nothing", "units", "events"})
_TEXTS_COUNT = frozenset({"count", "unique"})  # aggregations that take texts as well


@dataclass(frozen=True)
class Own:
    """The prices of a column: the plan's, then overrides; `which` says whose is which."""

    prices: Sequence[Ready]
    which: Rows

    @cached_property
    def kinds(self) -> frozenset[str]:
        """What they read: see `Compiled.aggregation`."""
        return frozenset(one.reads for one in self.prices)

    def having(self, kind: str) -> Truths:
        """Return which members' price is of a kind."""
        if self.kinds == {kind}:
            return np.ones(len(self.which), np.bool_)
        return np.array([one.reads == kind for one in self.prices], np.bool_)[self.which]


def tabled(own: Own, counted: Counted, meter: Meter, left: Truths) -> tuple[Exact, Rows | None]:
    """Return units, and events where each has a fee, else None; who cannot be read is left."""
    units: Exact | None = None
    for kind in sorted(own.kinds):
        mine = own.having(kind)
        one, odd = _units(kind, counted, meter)
        left |= odd & mine
        units = one if units is None else one.chosen(mine, units)
    assert units is not None
    # Of a price that asks for none, no row has a fee.
    counts = counted.counts_of(meter) if "events" in own.kinds else None
    return units.cleared(left) if left.any() else units, counts


def apart(own: Own, counted: Counted, meter: Meter, wall: Wall, left: Truths) -> tuple[Exact, Sums]:
    """Return units as they are shown and exact sums; who cannot be read is left."""
    found: tuple[Exact, Sums] | None = None
    for kind in sorted(own.kinds):
        mine = own.having(kind)
        prices = [one for one in own.prices if one.reads == kind]
        place = np.cumsum([one.reads == kind for one in own.prices]) - 1
        # Members of other kinds are priced along by the first of these, and overwritten.
        which = np.where(mine, place[own.which], 0)
        if kind == "sessions":
            shown, sums, odd = charge_dialled(prices, which, dialled(counted, meter, wall))
            odd = odd | counted.odd_values(meter, may_be_negative=False)
        else:
            usage, odd = _usage(prices, counted, meter)
            sums, shown = charge(prices, which, usage), usage.units
            for one in usage.keyed.values():
                shown = shown.plus(one)
        left |= odd & mine
        if found is not None:
            shown, sums = shown.chosen(mine, found[0]), sums.chosen(mine, found[1])
        found = shown, sums
    assert found is not None
    return found


def _usage(prices: Sequence[Ready], counted: Counted, meter: Meter) -> tuple[Usage, Truths]:
    """Read what prices of one kind ask for, and who cannot be read; zeros stand for those."""
    kind, counts = prices[0].reads, counted.counts_of(meter)
    if kind == "keys":
        # Cells are of one price: another matrix would part them otherwise.
        [event] = {price.compiled.event for price in prices}
        assert isinstance(event, MatchKey)
        keyed, met, odd = counted.cells(event, meter)
        keyed = {table: one.cleared(odd) for table, one in keyed.items()}
        return Usage(Exact(counts * 0), counts, keyed, met), odd
    units, odd = _units(kind, counted, meter)
    amounts = counted.amounts(meter) if kind == "amounts" else None
    return Usage(units.cleared(odd), counts, amounts=amounts), odd


def _units(kind: str, counted: Counted, meter: Meter) -> tuple[Exact, Truths]:
    """Return units, and who has a text where a number is needed, or what is below zero."""
    if kind == "nothing":
        return Exact(np.zeros(counted.members, np.int64)), counted.nobody
    if kind != "units":  # of events, whose values are added up whatever the meter does with them
        return counted.sums(meter), counted.odd_values(meter, may_be_negative=False)
    units, odd = counted.units(meter), counted.nobody
    if meter.aggregation not in _TEXTS_COUNT:
        odd = counted.odd_values(meter)
    negative = (units.num < 0).astype(np.bool_)
    return units, odd | negative if negative.any() else odd
