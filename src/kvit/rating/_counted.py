"""What members used, meter by meter: every aggregation as one reduction over all runs.

Figures that nearly every meter asks for (sums, counts, whether a text stands among the values) are
reduced once, over all rows as they lie, and spread into tables of meters × members; what few ask
for picks the rows of its meter first.
"""

from collections.abc import Sequence
from functools import cached_property

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from kvit.core.catalogue import Meter
from kvit.core.columnar import Exact, NotColumnar
from kvit.core.columnar.exact import LIMIT, Ints, largest, narrowed
from kvit.core.columnar.runs import Rows, Runs
from kvit.core.pricing.compiled import MatchKey
from kvit.metering.queries import UsageColumns

Truths = NDArray[np.bool_]


class Counted:
    """Usage of members; `codes` are theirs, in byte order."""

    def __init__(self, usage: UsageColumns, codes: Sequence[str]) -> None:
        self.usage, self.members = usage, len(codes)
        places = pc.index_in(usage.subject_codes, value_set=pa.array(codes, pa.string()))
        # A subject that was not asked for has no runs: any place will do.
        self.owners: Rows = pc.fill_null(places, 0).to_numpy().astype(np.int64)[usage.subjects]
        self._cells = usage.meters * self.members + self.owners
        # The last row is that of meters which nobody used.
        self.meters = {code: place for place, code in enumerate(usage.meter_codes)}
        self._shape = len(usage.meter_codes) + 1, self.members
        self.nobody: Truths = np.zeros(self.members, np.bool_)
        self.counts = self._spread(usage.runs.counts)

    def _spread(self, of_runs: Ints) -> Ints:
        """Return a figure of each meter and member: that of its run, or zero."""
        whole = np.zeros(self._shape, of_runs.dtype)
        whole.reshape(-1)[self._cells] = of_runs
        return whole

    def _row(self, meter: Meter) -> int:
        return self.meters.get(meter.code, -1)

    def counts_of(self, meter: Meter) -> Rows:
        found: Rows = self.counts[self._row(meter)]
        return found

    @cached_property
    def _sums(self) -> Ints:
        return self._spread(self.usage.runs.sums(self.usage.values))

    @cached_property
    def _texts(self) -> Truths | None:
        return self._marked(self.usage.missing)

    @cached_property
    def _negative(self) -> Truths | None:
        return self._marked(self.usage.values < 0)

    def _marked(self, rows: Truths) -> Truths | None:
        """Return whose runs have such a row; None: nobody's."""
        if not rows.any():
            return None
        return self._spread(self.usage.runs.how_many(rows) > 0)

    def odd_values(self, meter: Meter, *, may_be_negative: bool = True) -> Truths:
        """Return who has a text where a number is needed, or a number below zero."""
        texts, negative = self._texts, None if may_be_negative else self._negative
        odd = self.nobody if texts is None else texts[self._row(meter)]
        return odd if negative is None else odd | negative[self._row(meter)]

    def sums(self, meter: Meter) -> Exact:
        return Exact(narrowed(self._sums[self._row(meter)]), self.usage.scale)

    def units(self, meter: Meter) -> Exact:
        """Aggregate as `core.usage` does."""
        match meter.aggregation:
            case "count":
                return Exact(self.counts_of(meter))
            case "sum":
                return self.sums(meter)
            case "max":
                places, runs, owners = self.rows(meter)
                return Exact(
                    self._of_members(owners, runs.maxima(self.usage.values[places])),
                    self.usage.scale,
                )
            case "unique":
                return self._uniques(meter)
            case kind:
                raise NotColumnar(kind)

    def rows(self, meter: Meter) -> tuple[Rows, Runs, Rows]:
        """Return the places of a meter's rows, its runs among them alone, and whose they are."""
        picked = np.flatnonzero(self.usage.meters == self._row(meter))
        counts = self.usage.runs.counts[picked]
        starts = np.cumsum(counts) - counts
        places = np.repeat(self.usage.runs.starts[picked] - starts, counts)
        places += np.arange(len(places))
        return places, Runs(starts, len(places)), self.owners[picked]

    def _of_members(self, owners: Rows, of_runs: Ints) -> Ints:
        whole = np.zeros(self.members, of_runs.dtype)
        whole[owners] = of_runs
        return whole

    def _uniques(self, meter: Meter) -> Exact:
        places, runs, owners = self.rows(meter)
        values, missing = self.usage.values[places], self.usage.missing[places]
        if largest(values) >= LIMIT // 2:
            raise NotColumnar("unique")
        said = np.where(missing, self.usage.texts[places].astype(np.int64) * 2 + 1, values * 2)
        return Exact(self._of_members(owners, runs.uniques(said)))

    def amounts(self, meter: Meter) -> tuple[Rows, int, Runs]:
        """Return the events' values one by one; none below zero, whoever has one is odd."""
        places, runs, _ = self.rows(meter)
        return np.maximum(self.usage.values[places], 0), self.usage.scale, runs

    def cells(
        self, event: MatchKey, meter: Meter
    ) -> tuple[dict[int, Exact], dict[int, Ints], Truths]:
        """Add up units by the table that the dimensions name.

        Returns:
            Units by table, who has any there, and who cannot be read this way.
        """
        places, runs, owners = self.rows(meter)
        known = [_entry_of(event, meter, one) for one in self.usage.dimension_texts]
        entries = np.array([*known, 0], np.int64)[self.usage.dimensions[places]]
        owner = np.repeat(owners, runs.counts)
        odd = self.nobody.copy()
        odd[owner[entries < 0]] = True
        key = np.maximum(entries, 0) * self.members + owner
        tables = range(len(event.entries) + event.has_default)
        met = np.zeros((len(tables), self.members), np.int64)
        met.reshape(-1)[key] = 1
        if meter.aggregation == "count":
            added, scale = np.ones(len(key), np.int64), 1
        else:
            added, scale = self.usage.values[places], self.usage.scale
            odd |= self.odd_values(meter, may_be_negative=False).astype(np.bool_)
        is_wide = largest(added) * max(len(added), 1) >= LIMIT
        whole: Ints = np.zeros(met.shape, object if is_wide else np.int64)
        np.add.at(whole.reshape(-1), key, added)
        units = {table: Exact(narrowed(whole[table]), scale) for table in tables}
        return units, {table: met[table] for table in tables}, odd


def _entry_of(event: MatchKey, meter: Meter, text: str) -> int:
    """Return the table that dimensions name: the first entry that fits, the default, or −1."""
    given = orjson.loads(text)
    names = {name: given.get(name, "") for name in meter.dimensions}
    for place, entry in enumerate(event.entries):
        if all(names.get(name) == value for name, value in entry):
            return place
    return len(event.entries) if event.has_default else -1
