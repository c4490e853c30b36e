"""Runs of sorted rows → units: every aggregation as a reduction between borders.

A worked example, keys 7 7 9 9 9 and values 1 2 5 3 4: runs begin at rows 0 and 2;

    sum 3 12 · count 2 3 · max 2 5 · latest 2 4

A run is never empty: keys without events are the caller's zeros.
"""

import sys
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kvit.core.columnar.exact import LIMIT, Ints, largest, sum_of

Rows = NDArray[np.int64]
assert sys.byteorder == "little"  # the low half of a number comes first
_HALF = 20  # bits of a value that are weighted apart from the rest
_LOW = (1 << _HALF) - 1
_WORD = 2**31  # of what stands in a half, whatever the running sum before it came to
_BITS = 62  # codes that have a bit each in one word
_SPARSE = 8  # bytes a row that a table of what was seen may take


@dataclass(frozen=True)
class Runs:
    """Rows [starts[i], starts[i + 1]) are one run; the last ends with the rows."""

    starts: Rows
    rows: int

    @cached_property
    def ends(self) -> Rows:
        found = np.empty(len(self.starts), np.int64)
        found[:-1] = self.starts[1:]
        found[-1:] = self.rows
        return found

    @cached_property
    def counts(self) -> Rows:
        """Return how many rows each run has."""
        return self.ends - self.starts

    def picked(self, some: Rows) -> tuple[Rows, "Runs"]:
        """Return the places of the rows of some runs, and these runs among them alone."""
        counts = self.counts[some]
        starts = np.cumsum(counts) - counts
        places = np.repeat(self.starts[some] - starts, counts)
        places += np.arange(len(places))
        return places, Runs(starts, len(places))

    def firsts(self, column: NDArray[Any]) -> NDArray[Any]:
        return column[self.starts]

    def lasts(self, column: NDArray[Any]) -> NDArray[Any]:
        """Return each run's last value: the level that holds from there on."""
        return column[self.ends - 1]

    def sums(self, values: Rows, most: int | None = None) -> Ints:
        """Add up each run; `most` is the largest magnitude, where that is known."""
        if not len(self.starts):
            return np.zeros(0, np.int64)
        bound = (largest(values) if most is None else most) * int(self.counts.max())
        if bound < _WORD and values.flags.c_contiguous:
            # The low halves of all numbers, one after the other: a running sum of words that do
            # not stand side by side takes a quarter of the time.
            low = values.view(np.int32)[::2]
            return self._differences(np.cumsum(low, dtype=np.int32)).astype(np.int64)
        if bound < LIMIT:
            return self._added(values)
        # Halves of 32 bits: neither sum can leave 64 bits before a run has 2³⁰ rows.
        high = self._added(values >> 32).astype(object)
        return high * (1 << 32) + self._added(values & 0xFFFF_FFFF)

    def how_many(self, rows: NDArray[np.bool_]) -> Rows:
        """Return of how many rows of each run something is true."""
        if not rows.any():
            return np.zeros(len(self.starts), np.int64)
        # Halves of a word: ten times faster, from truths; no run has 2³¹ rows.
        return self._differences(np.cumsum(rows, dtype=np.int32)).astype(np.int64)

    def having(self, rows: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Return in which runs something is true of a row."""
        begun = np.flatnonzero(rows[1:] > rows[:-1]) + 1
        if self._is_start[begun].all():
            return self.firsts(rows)  # what is true of any row of a run is true of its first
        return self.how_many(rows) > 0

    @cached_property
    def _is_start(self) -> NDArray[np.bool_]:
        found = np.zeros(self.rows, np.bool_)
        found[self.starts] = True
        return found

    def _added(self, values: Rows) -> Rows:
        """Return sums that are known to fit: as differences of one running sum, since a reduction
        of many short runs takes four times as long. It may pass 64 bits and comes back exactly."""
        return self._differences(np.cumsum(values))

    def _differences(self, running: NDArray[Any]) -> NDArray[Any]:
        last = running[self.ends - 1]
        found = last.copy()
        np.subtract(last[1:], last[:-1], out=found[1:])
        return found

    def maxima(self, values: Rows) -> Rows:
        return np.maximum.reduceat(values, self.starts) if len(self.starts) else values[:0]

    def uniques(self, codes: Rows) -> Rows:
        """Return how many different codes each run has."""
        if not len(self.starts):
            return np.zeros(0, np.int64)
        least = int(codes.min())
        span = int(codes.max()) - least + 1
        if span <= _BITS:
            seen = np.bitwise_or.reduceat(np.int64(1) << (codes - least), self.starts)
            return np.bitwise_count(seen).astype(np.int64)
        runs, owner = len(self.starts), np.repeat(np.arange(len(self.starts)), self.counts)
        if span * runs <= _SPARSE * self.rows:
            met = np.zeros((runs, span), np.bool_)
            met[owner, codes - least] = True
            different: Rows = met.sum(axis=1, dtype=np.int64)
            return different
        if span * runs < LIMIT:
            ordered = np.sort(owner * span + (codes - least))
        else:
            ordered = codes[np.lexsort((codes, owner))]
        # Sorted within its run, a code is new where it differs from the row before, or begins one.
        new = np.empty(self.rows, np.bool_)
        new[0] = True
        np.not_equal(ordered[1:], ordered[:-1], out=new[1:])
        new[self.starts] = True
        return self.how_many(new)

    def weighted(
        self, values: Rows, times: Rows, *, start: int, end: int, carried: Rows | None = None
    ) -> Ints:
        """Return the sum of level × time, each value holding until the next one or `end`.

        Args:
            times: rising within a run, in the unit of `start` and `end`.
            carried: each run's level at `start`; None: nothing.
        """
        if not len(self.starts):
            return np.zeros(0, np.int64)
        held = np.empty(self.rows, np.int64)
        np.subtract(times[1:], times[:-1], out=held[:-1])
        last = self.ends - 1
        held[last] = end - times[last]
        total = self._products(values, held, end - start)
        if carried is None:
            return total
        waited = self.firsts(times) - start
        bound = largest(carried) * (end - start)
        first = carried * waited if bound < LIMIT else carried.astype(object) * waited
        return sum_of(total, first)

    def _products(self, values: Rows, held: Rows, whole: int) -> Ints:
        """Add value × time within each run; the times of a run add up to `whole` at most."""
        bound = largest(values) * whole
        if bound < LIMIT:
            return self._added(values * held)
        high, low = values >> _HALF, values & _LOW
        if largest(high) * whole >= LIMIT or _LOW * whole >= LIMIT:
            wide: Ints = np.add.reduceat(values.astype(object) * held, self.starts)
            return wide
        upper: Ints = np.add.reduceat(high * held, self.starts).astype(object)
        return upper * (1 << _HALF) + np.add.reduceat(low * held, self.starts)


def borders(*columns: NDArray[Any]) -> Runs:
    """Find the runs of rows in which no column changes; equal rows are neighbours."""
    rows = len(columns[0])
    if not rows:
        return Runs(np.zeros(0, np.int64), 0)
    changes = np.zeros(rows - 1, np.bool_)
    for column in columns:
        changes |= column[1:] != column[:-1]
    return Runs(np.append(0, np.flatnonzero(changes) + 1), rows)
