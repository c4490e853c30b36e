"""What members used, meter by meter: every aggregation as one reduction over all runs.

Figures that nearly every meter asks for (sums, counts, whether a text stands among the values) are
reduced once, over all rows as they lie, and spread into tables of meters × members; what few ask
for picks the rows of all meters of its aggregation first.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from math import lcm

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from kvit.core.catalogue import Meter
from kvit.core.columnar import Exact, NotColumnar
from kvit.core.columnar.exact import LIMIT, Ints, largest, narrowed, room, scaled, split
from kvit.core.columnar.runs import Rows, Runs, borders
from kvit.core.measured import CARRYING
from kvit.core.pricing.compiled import MatchKey
from kvit.core.schedule import ServicePeriod
from kvit.metering.queries import UsageColumns
from kvit.metering.rows import EARLIEST

Truths = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Levels:
    """What carrying meters showed before the period, and the period in microseconds since 1970."""

    before: UsageColumns
    start: int  # of what is served
    end: int
    whole: int  # how long the whole period is

    @classmethod
    def of(cls, before: UsageColumns, service: ServicePeriod, zone: str) -> "Levels":
        moments = (
            service.start, service.end,
            service.period.start_instant(zone), service.period.end_instant(zone),
        )  # fmt: skip
        start, end, first, last = ((one - EARLIEST) // timedelta(microseconds=1) for one in moments)
        return cls(before, start, end, last - first)


@dataclass(frozen=True, slots=True)
class _Kind:
    """The runs of all meters of one aggregation, and where their figures stand."""

    rows: dict[str, int]  # of a table of these meters × members, by meter
    runs: Rows
    cells: Rows  # of each run, in that table

    def spread(self, members: int, of_runs: Ints) -> Ints:
        """Return a figure of each meter and member: that of its run, or zero."""
        whole = np.zeros((len(self.rows), members), of_runs.dtype)
        whole.reshape(-1)[self.cells] = of_runs
        return whole


class Counted:
    """Usage of members by some meters; `codes` are the members', in byte order."""

    def __init__(
        self, usage: UsageColumns, codes: Sequence[str], meters: Iterable[Meter],
        levels: Levels | None = None,
    ) -> None:  # fmt: skip
        self.usage, self.members, self.levels = usage, len(codes), levels
        self.owners: Rows  # of each run
        self._asked = list(meters)
        has_before = levels is not None and levels.before.runs.rows > 0
        self._earlier = (
            Counted(levels.before, codes, self._asked) if levels and has_before else None
        )
        self._kinds: dict[str, _Kind] = {}
        self._units: dict[str, Exact] = {}
        mine = pa.array(codes, pa.string())
        if usage.subject_codes.equals(mine):
            self.owners = usage.subjects
        else:
            places = pc.index_in(usage.subject_codes, value_set=mine)
            # A subject that was not asked for has no runs: any place will do.
            self.owners = pc.fill_null(places, 0).to_numpy().astype(np.int64)[usage.subjects]
        self._cells = np.multiply(usage.meters, self.members, dtype=np.int64) + self.owners
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

    @property
    def wide(self) -> Truths:
        """Return who has a value without room in 64 bits."""
        usage, found = self.usage, self.nobody
        if usage.wide.any():
            found = self.nobody.copy()
            found[self.owners[usage.runs.having(usage.wide)]] = True
        return found if self._earlier is None else found | self._earlier.wide

    def _row(self, meter: Meter) -> int:
        return self.meters.get(meter.code, -1)

    def counts_of(self, meter: Meter) -> Rows:
        found: Rows = self.counts[self._row(meter)]
        return found

    @cached_property
    def _sums(self) -> Ints:
        most = max(abs(one) for one in self._ends)
        return self._spread(self.usage.runs.sums(self.usage.values, most))

    @cached_property
    def _ends(self) -> tuple[int, int]:
        """Return the least and the greatest value; of none, zeros."""
        values = self.usage.values
        return (int(values.min()), int(values.max())) if len(values) else (0, 0)

    @cached_property
    def _texts(self) -> Truths | None:
        return self._marked(self.usage.missing)

    @cached_property
    def _negative(self) -> Truths | None:
        return self._marked(self.usage.values < 0) if self._ends[0] < 0 else None

    def _marked(self, rows: Truths) -> Truths | None:
        """Return whose runs have such a row; None: nobody's."""
        if not rows.any():
            return None
        return self._spread(self.usage.runs.having(rows))

    def odd_values(self, meter: Meter, *, may_be_negative: bool = True) -> Truths:
        """Return who has a text where a number is needed, or a number below zero."""
        texts, negative = self._texts, None if may_be_negative else self._negative
        odd = self.nobody if texts is None else texts[self._row(meter)]
        if self._earlier is not None and meter.aggregation in CARRYING:
            odd = odd | self._earlier.odd_values(meter)
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
            case "difference":
                return self._consumed(meter)
            case kind:
                if kind not in self._units:
                    self._units[kind] = self._units_of(kind)
                return self._units[kind].column(self._kind(kind).rows[meter.code])

    def _units_of(self, kind: str) -> Exact:
        """Aggregate all meters of a kind at one stroke: meters × members."""
        match kind:
            case "max":
                return self._maxima()
            case "unique":
                return self._uniques()
            case "latest":
                return self._latest()
            case "time_weighted":
                return self._weighted()
            case _:
                raise NotColumnar(kind)

    def _kind(self, kind: str) -> _Kind:
        if kind not in self._kinds:
            mine = [one.code for one in self._asked if one.aggregation == kind]
            rows = {code: place for place, code in enumerate(mine)}
            row = np.array([rows.get(code, -1) for code in self.usage.meter_codes], np.int64)
            runs = np.flatnonzero(np.take(row >= 0, self.usage.meters))
            cells = row[self.usage.meters[runs]] * self.members + self.owners[runs]
            self._kinds[kind] = _Kind(rows, runs, cells)
        return self._kinds[kind]

    def rows(self, meter: Meter) -> tuple[Rows | slice, Runs, Rows]:
        """Return the places of a meter's rows, its runs among them alone, and whose they are."""
        picked = self._runs_of(meter)
        if len(picked) == len(self.owners):
            return slice(None), self.usage.runs, self.owners
        return *self.usage.runs.picked(picked), self.owners[picked]

    def _runs_of(self, meter: Meter) -> Rows:
        place = self.meters.get(meter.code)
        none: Rows = np.zeros(0, np.int64)
        return none if place is None else np.flatnonzero(self.usage.meters == place)

    def dimensions(self, places: Rows | slice) -> tuple["pa.Array", Rows]:
        """Return the dimensions that some rows say, and which of them each says."""
        return dimensions_of(self.usage, places)

    def _maxima(self) -> Exact:
        kind = self._kind("max")
        places, runs = self.usage.runs.picked(kind.runs)
        found = runs.maxima(self.usage.values.take(places))
        return Exact(kind.spread(self.members, found), self.usage.scale)

    def _uniques(self) -> Exact:
        kind = self._kind("unique")
        places, runs = self.usage.runs.picked(kind.runs)
        missing = _at(self.usage.missing, places)
        if missing.all():
            said = self.usage.texts.at(places)
        else:
            values = _at(self.usage.values, places)
            if largest(values) >= LIMIT // 2:
                raise NotColumnar("unique")
            said = np.where(missing, self.usage.texts.at(places) * 2 + 1, values * 2)
        return Exact(kind.spread(self.members, runs.uniques(said)))

    def _lasts(self, name: str) -> Exact:
        """Return each last value; nothing else is read."""
        kind = self._kind(name)
        lasts = self.usage.values[self.usage.runs.ends[kind.runs] - 1]
        return Exact(kind.spread(self.members, lasts), self.usage.scale)

    def _latest(self) -> Exact:
        found = self._lasts("latest")
        if self._earlier is None:
            return found
        kind = self._kind("latest")
        used = kind.spread(self.members, np.ones(len(kind.runs), np.bool_))
        return found.chosen(used, self._earlier._lasts("latest"))

    def _weighted(self) -> Exact:
        """Average over the whole period what held while it was served."""
        levels, kind = self.levels, self._kind("time_weighted")
        assert levels is not None
        places, runs = self.usage.runs.picked(kind.runs)
        values, times = self.usage.values.take(places), self.usage.times.take(places)
        scale, served = self.usage.scale, levels.end - levels.start
        if self._earlier is None:
            found = runs.weighted(values, times, start=levels.start, end=levels.end)
            total = kind.spread(self.members, found)
        else:
            before = self._earlier._lasts("time_weighted")
            scale = lcm(before.den, scale)
            carried = before.over(scale)
            total = scaled(carried, served)
            found = runs.weighted(
                scaled(values, scale // self.usage.scale), times, start=levels.start,
                end=levels.end, carried=carried.reshape(-1)[kind.cells],
            )  # fmt: skip
            total = total.astype(found.dtype) if found.dtype == object else total
            total.reshape(-1)[kind.cells] = found
        whole, rest = split(total, levels.whole)
        return Exact(narrowed(whole), scale, narrowed(rest), levels.whole)

    def _consumed(self, meter: Meter) -> Exact:
        """Add up what a cumulative meter showed more; each serial number starts where it starts."""
        parts = [one._readings(meter) for one in (self._earlier, self) if one is not None]
        scale = lcm(*(one.usage.scale for one in (self._earlier, self) if one is not None))
        serials = {text: place for place, text in enumerate({t for one in parts for t in one[2]})}
        owner = np.concatenate([one[0] for one in parts])
        values = np.concatenate([scaled(one[1].num, scale // one[1].den) for one in parts])
        serial = np.concatenate(
            [np.array([*map(serials.__getitem__, one[2])], np.int64)[one[3]] for one in parts]
        )
        early = np.arange(len(owner)) < (len(parts[0][0]) if len(parts) > 1 else 0)
        order = np.lexsort((serial, owner))  # stable: in order of time within, the earlier first
        meters = borders(owner[order], serial[order])
        counted = np.maximum(meters.how_many(early[order]) - 1, 0)
        ordered = room(values, 2 * largest(values))[order]  # one may be below zero
        more = meters.lasts(ordered) - ordered[meters.starts + counted]
        more = room(more, largest(more) * len(more))
        total = np.zeros(self.members, more.dtype)
        np.add.at(total, meters.firsts(owner[order]), more)
        return Exact(narrowed(total), scale)

    def _readings(self, meter: Meter) -> tuple[Rows, Exact, list[str], Rows]:
        """Return of each reading whose it is, its value, and which of the serial numbers."""
        places, runs, owners = self.rows(meter)
        texts, said = self.dimensions(places)
        serials = [orjson.loads(one).get("serial", "") for one in texts.to_pylist()]
        values = Exact(_at(self.usage.values, places), self.usage.scale)
        return np.repeat(owners, runs.counts), values, serials, said

    def amounts(self, meter: Meter) -> tuple[Rows, int, Runs]:
        """Return the events' values one by one; none below zero, whoever has one is odd."""
        places, runs, _ = self.rows(meter)
        return np.maximum(_at(self.usage.values, places), 0), self.usage.scale, runs

    def cells(
        self, event: MatchKey, meter: Meter
    ) -> tuple[dict[int, Exact], dict[int, Ints], Truths]:
        """Add up units by the table that the dimensions name.

        Returns:
            Units by table, who has any there, and who cannot be read this way.
        """
        places, runs, owners = self.rows(meter)
        codes, texts = self.usage.dimensions.at(places), self.usage.dimension_texts
        entry_of = np.zeros(len(texts), np.int64)
        for code in np.flatnonzero(_met(codes, len(texts))).tolist():
            entry_of[code] = _entry_of(event, meter, texts[code].as_py())
        entries = entry_of.take(codes)
        odd = self.nobody.copy()
        if entries.min(initial=0) < 0:
            odd[owners[runs.having(entries < 0)]] = True
            entries = np.maximum(entries, 0)
        key = entries * self.members + np.repeat(owners, runs.counts)
        tables = range(len(event.entries) + event.has_default)
        met = np.zeros((len(tables), self.members), np.int64)
        met.reshape(-1)[key] = 1
        if meter.aggregation == "count":
            added, scale = np.ones(len(key), np.int64), 1
        else:
            added, scale = _at(self.usage.values, places), self.usage.scale
            odd |= self.odd_values(meter, may_be_negative=False).astype(np.bool_)
        is_wide = largest(added) * max(len(added), 1) >= LIMIT
        whole: Ints = np.zeros(met.shape, object if is_wide else np.int64)
        np.add.at(whole.reshape(-1), key, added)
        units = {table: Exact(narrowed(whole[table]), scale) for table in tables}
        return units, {table: met[table] for table in tables}, odd


def dimensions_of(usage: UsageColumns, places: Rows | slice) -> tuple["pa.Array", Rows]:
    """Return the dimensions that some rows say, and which of them each says."""
    codes, texts = usage.dimensions.at(places), usage.dimension_texts
    said = _met(codes, len(texts))
    if said.all():
        return texts, codes
    return texts.filter(pa.array(said)), (np.cumsum(said) - 1)[codes]


def _at(column: Ints | Truths, places: Rows | slice) -> Ints:
    """Return some rows: `take` is twice as fast as an index."""
    return column[places] if isinstance(places, slice) else column.take(places)


def _met(codes: Rows, known: int) -> Truths:
    """Return which of so many codes stand among these."""
    found = np.zeros(known, np.bool_)
    found[codes] = True
    return found


def _entry_of(event: MatchKey, meter: Meter, text: str) -> int:
    """Return the table that dimensions name: the first entry that fits, the default, or −1."""
    given = orjson.loads(text)
    names = {name: given.get(name, "") for name in meter.dimensions}
    for place, entry in enumerate(event.entries):
        if all(names.get(name) == value for name, value in entry):
            return place
    return len(event.entries) if event.has_default else -1
