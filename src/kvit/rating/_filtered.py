"""Usage of one meter that a price's filter lets through, as usage of its own.

A filter is a set of texts for each of some dimensions: `core.usage.filtered`, said of columns.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import orjson

from kvit.core.catalogue import Meter
from kvit.core.columnar.runs import Runs
from kvit.metering.queries import UsageColumns
from kvit.rating._counted import Counted, Truths, dimensions_of

Filters = tuple[tuple[str, tuple[str, ...]], ...]


class Filtered:
    """What the filters of a plan let through of usage, each read once."""

    def __init__(self, whole: Counted, codes: Sequence[str]) -> None:
        self._whole, self._codes = whole, codes
        self._known: dict[tuple[str, Filters], Counted] = {}

    def of(self, meter: Meter, filters: Filters) -> Counted:
        """Return what members used of a meter behind the filters; without any, all they used."""
        if not filters:
            return self._whole
        key = meter.code, filters
        if key not in self._known:
            levels = self._whole.levels
            if levels is not None:
                levels = replace(levels, before=_through(levels.before, meter, [filters]))
            usage = _through(self._whole.usage, meter, [filters])
            self._known[key] = Counted(usage, self._codes, [meter], levels)
        return self._known[key]

    def beside(self, meter: Meter, every: Sequence[Filters]) -> Truths:
        """Return who used what none of these filters lets through: it waits, and is told."""
        if () in every:
            return self._whole.nobody
        if len(set(every)) == 1:
            through = self.of(meter, every[0])
        else:
            through = Counted(_through(self._whole.usage, meter, every), self._codes, [meter])
        found: Truths = through.counts_of(meter) < self._whole.counts_of(meter)
        return found


def _through(usage: UsageColumns, meter: Meter, every: Sequence[Filters]) -> UsageColumns:
    """Return the events of a meter that any of the filters lets through."""
    place = usage.meter_codes.index(meter.code) if meter.code in usage.meter_codes else -1
    mine = np.flatnonzero(usage.meters == place)
    places, runs = usage.runs.picked(mine)
    texts, said = dimensions_of(usage, places)
    known = map(orjson.loads, texts.to_pylist())
    kept = np.array([any(_passes(one, each) for each in every) for one in known], np.bool_)[said]
    counts = runs.how_many(kept)
    met, rows = counts > 0, places[kept]
    counts = counts[met]
    return replace(
        usage,
        subjects=usage.subjects[mine[met]],
        meters=np.zeros(len(counts), np.uint8),
        meter_codes=[meter.code],
        runs=Runs(np.cumsum(counts) - counts, len(rows)),
        values=usage.values[rows],
        missing=usage.missing[rows],
        wide=usage.wide[rows],
        texts=usage.texts.of_rows(rows),
        dimensions=usage.dimensions.of_rows(rows),
        times=usage.times[rows],
    )


def _passes(dimensions: Mapping[str, str], filters: Filters) -> bool:
    return all(dimensions.get(name) in values for name, values in filters)
