"""Compiled prices over columns of usage: the evaluator's arithmetic, many quantities at a time.

Tables of units are read by `tables`; here are the event steps that come before them (a matrix
names a table for each item, a percentage charges each event) and the adjustments after them.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import pairwise
from math import lcm

import numpy as np

from kvit.core.columnar.exact import Exact, Ints, NotColumnar, largest, room, scaled, stacked
from kvit.core.columnar.runs import Rows, Runs
from kvit.core.columnar.sessions import Tariff, tariff_of
from kvit.core.columnar.tables import Book, Laid, Sums, adjusted, column_of, lay, read_tables
from kvit.core.pricing.compiled import Compiled, MatchKey, PercentStep, SessionStep, Table

_READ = frozenset({"nothing", "units", "events", "amounts", "keys"})


@dataclass(frozen=True, slots=True)
class Usage:
    """What a price reads of many quantities, one row a quantity; none of it below zero.

    `units` for tables of units, and for a price of events the sum of their amounts; `keyed` is
    units by the place of a table, for a matrix; `amounts` are the events one by one.
    """

    units: Exact
    counts: Rows
    keyed: dict[int, Exact] = field(default_factory=dict)
    met: dict[int, Ints] = field(default_factory=dict)  # whether the key was met at all
    amounts: tuple[Rows, int, Runs] | None = None  # values, their scale, runs


@dataclass(frozen=True, slots=True, eq=False)
class Ready:
    """A price made ready for columns, its tables laid out: once, since that takes longer than
    to read a thousand quantities from them. Two are the same where they are one object."""

    compiled: Compiled
    tables: tuple[Laid, ...]
    tariff: Tariff | None  # of sessions
    reads: str  # see `Compiled.aggregation`; or "sessions"


def ready(compiled: Compiled) -> Ready:
    """Lay a price out.

    Raises:
        NotColumnar: it is not one of these (see `is_columnar`).
    """
    if not is_columnar(compiled):
        raise NotColumnar(compiled.aggregation)
    tariff = tariff_of(compiled.event) if isinstance(compiled.event, SessionStep) else None
    reads = compiled.aggregation if tariff is None else "sessions"
    return Ready(compiled, tuple(map(lay, compiled.tables)), tariff, reads)


def is_columnar(compiled: Compiled) -> bool:
    """Whether `charge` reads this price; of ranges it asks nothing, since those are widened."""
    if compiled.aggregation not in _READ or compiled.graph is not None:
        return False
    if compiled.aggregation == "amounts":
        return isinstance(compiled.event, PercentStep | SessionStep)
    if compiled.aggregation == "keys" and not isinstance(compiled.event, MatchKey):
        return False
    return all(map(_is_whole, compiled.tables))


def _is_whole(table: Table) -> bool:
    """Whether its rows follow each other without a gap and the last is open."""
    rows = table.segments
    joined = all(a.upper == b.lower for a, b in pairwise(rows))
    plain = not table.carries and not any(row.limits for row in rows)
    return plain and joined and rows[0].lower < 0 and rows[-1].upper is None


def charge(prices: Sequence[Ready], which: Rows, usage: Usage) -> Sums:
    """Return the exact sum of each quantity by `prices[which]`; nothing is rounded.

    Args:
        prices: of one aggregation, an override being one more; for sessions see `dialled`.

    Raises:
        NotColumnar: they are of several.
    """
    kinds = {one.reads for one in prices}
    if len(kinds) != 1 or "sessions" in kinds:
        raise NotColumnar(", ".join(sorted(kinds)))
    match prices[0].reads:
        case "keys":
            total = _chosen([_by_key(one, usage) for one in prices], which)
        case "amounts":
            total = _chosen([_each(one.compiled, usage) for one in prices], which)
        case kind:
            nothing = Exact(np.zeros(len(which), np.int64))
            units = nothing if kind == "nothing" else usage.units
            counts = usage.counts if kind == "events" else usage.counts * 0
            total = read_tables(book_of(prices), which, units, counts)
    return adjusted(total, [one.compiled.adjustments for one in prices], which)


def book_of(prices: Iterable[Ready]) -> Book:
    """Return the tables of prices that have one each."""
    return Book([one.tables[0] for one in prices])


@lru_cache(maxsize=1024)
def known_book_of(prices: tuple[Ready, ...]) -> Book:
    """Return the tables of plans' prices that are read together again and again."""
    return book_of(prices)


@lru_cache(maxsize=1024)
def _book_of_keys(price: Ready, places: tuple[int, ...]) -> Book:
    return Book([price.tables[place] for place in places])


def _chosen(sums: Sequence[Sums], which: Rows) -> Sums:
    """Return each quantity's sum by its own price."""
    total = sums[0]
    for place, one in enumerate(sums[1:], 1):
        total = one.chosen(which == place, total)
    return total


def _by_key(price: Ready, usage: Usage) -> Sums:
    """Read the tables of all keys at one stroke, then add up what each says."""
    total = Sums(usage.counts * 0, usage.counts * 0 + 1)
    if not usage.keyed:
        return total
    places = tuple(usage.keyed)
    units = stacked([usage.keyed[place] for place in places])
    which = np.arange(len(places)).reshape(-1, 1)
    found = read_tables(_book_of_keys(price, places), which, units)
    for n, place in enumerate(places):
        one = found.column(n)
        # A table that nothing was counted for is not read: its row of zero may cost something.
        total = total.plus(Sums(one.num * usage.met[place], one.den))
    return total


def _each(compiled: Compiled, usage: Usage) -> Sums:
    """Charge every event by itself, then add up each run: see `percent_events`."""
    step = compiled.event
    assert isinstance(step, PercentStep)
    assert usage.amounts is not None
    values, scale, runs = usage.amounts
    common = lcm(scale, step.scale)
    amounts = scaled(values, common // scale)
    paying, free = _paying(step, amounts, common // step.scale, runs)
    numerator, denominator = step.rate
    den = common * denominator
    own = den // step.scale
    fixed = step.fixed * own
    charges = scaled(paying, numerator)
    charges = room(charges, largest(charges) + abs(fixed)) + fixed
    if step.most is not None:
        charges = np.minimum(room(charges, step.most * own), step.most * own)
    if step.least is not None:
        charges = np.maximum(room(charges, step.least * own), step.least * own)
    charges = np.where(free, 0, charges)
    totals = np.zeros(len(usage.counts), np.int64)
    dens = column_of([den] * len(totals))
    if not len(runs.starts):
        return Sums(totals, dens)
    met = np.flatnonzero(usage.counts)  # runs stand in the order of quantities, empty ones left out
    if charges.dtype == object:
        sums: Ints = np.add.reduceat(charges, runs.starts)
    else:
        sums = runs.sums(charges)
    totals = totals.astype(sums.dtype)
    totals[met] = sums
    return Sums(totals, dens)


def _paying(step: PercentStep, amounts: Ints, factor: int, runs: Runs) -> tuple[Ints, Ints]:
    """Return the part of each event that pays, and which events are free."""
    nobody = np.zeros(len(amounts), np.bool_)
    if step.free_events is None and step.free_amount is None:
        return amounts, nobody
    owner = np.repeat(np.arange(len(runs.starts)), runs.counts)
    place = np.arange(len(amounts)) - runs.starts[owner]
    early = ~nobody if step.free_events is None else place < step.free_events
    if step.free_amount is None:
        return amounts, early
    allowed = step.free_amount * factor
    wide = room(amounts, largest(amounts) * max(len(amounts), 1) + allowed)
    before = np.cumsum(wide) - wide
    seen = before - before[runs.starts][owner]
    left = allowed - seen
    free = early & (wide <= left)
    part = np.where(early & ~free, wide - np.maximum(left, 0), wide)
    return part, free
