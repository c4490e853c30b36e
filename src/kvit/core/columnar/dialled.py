"""Sessions of many quantities: each charged by its own quantity's tariff, then added up.

A number that is digits alone is a key (`destinations`); of another text stands −1 − its place among
`texts`, since a route may be known by a name as well.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kvit.core.columnar.exact import Exact
from kvit.core.columnar.prices import Ready
from kvit.core.columnar.runs import Rows, Runs
from kvit.core.columnar.sessions import Calls, Charged, Tariff, charge_calls
from kvit.core.columnar.tables import Sums, adjusted, column_of
from kvit.core.pricing.bands import SECOND, HolidayCalendar


@dataclass(frozen=True, slots=True)
class Wall:
    """What decides which band holds: the customer's clock, and the holidays."""

    zone: str
    calendar: HolidayCalendar | None = None


@dataclass(frozen=True, slots=True)
class Dialled:
    """Sessions, run after run; a run is of one quantity. Times in µs, see `sessions.Calls`."""

    starts: Rows
    lasting: Rows
    numbers: Rows
    texts: Sequence[str]
    runs: Runs
    owners: Rows  # of each run: the place of its quantity
    wall: Wall

    def of_runs(self, picked: Rows) -> "Dialled":
        """Return the sessions of some runs alone."""
        if len(picked) == len(self.owners):
            return self
        places, runs = self.runs.picked(picked)
        return Dialled(
            self.starts[places], self.lasting[places], self.numbers[places], self.texts, runs,
            self.owners[picked], self.wall,
        )  # fmt: skip

    def charged(self, tariff: Tariff) -> Charged:
        begin, end = int(self.starts.min()), int(self.starts.max()) + 1
        line = tariff.line(self.wall.zone, begin, end, self.wall.calendar)
        named = np.flatnonzero(self.numbers < 0)
        keys = np.maximum(self.numbers, 0) if len(named) else self.numbers
        routes = tariff.prefixes.of_keys(keys)
        if len(named):
            known = np.array([tariff.prefixes.of_text(one) for one in self.texts], np.int64)
            routes[named] = known[-1 - self.numbers[named]]
        return charge_calls(tariff, Calls(self.starts, self.lasting, routes), line)


def charge_dialled(
    prices: Sequence[Ready], which: Rows, dialled: Dialled
) -> tuple[Exact, Sums, NDArray[np.bool_]]:
    """Return of each quantity the seconds charged for, the exact sum, and whether it is odd: then
    zeros stand for it, and the evaluator is asked.

    Raises:
        NotColumnar: a sum might have no room in 64 bits, or the line of time is too long.
    """
    taken, num = np.zeros(len(which), np.int64), np.zeros(len(which), np.int64)
    odd = np.zeros(len(which), np.bool_)
    dens = np.ones(len(prices), np.int64)
    for place, price in enumerate(prices):
        assert price.tariff is not None
        dens[place] = price.tariff.den
        own = dialled.of_runs(np.flatnonzero(which[dialled.owners] == place))
        if not len(own.owners):
            continue
        found = own.charged(price.tariff)
        sums = own.runs.sums(found.num)
        num = num.astype(sums.dtype) if sums.dtype == object else num
        num[own.owners] = sums
        taken[own.owners] = own.runs.sums(found.taken)
        odd[own.owners] = own.runs.how_many(found.odd) > 0
    num[odd], taken[odd] = 0, 0
    total = Sums(num, column_of(dens.tolist())[which])
    total = adjusted(total, [one.compiled.adjustments for one in prices], which)
    return Exact(taken, SECOND), total, odd
