"""Sealed usage on disk: Parquet sorted by (kind, subject, meter, time, id), with an index of runs.

A segment is two files of the store, each known by its hash. The index has a row a run, in the
order of the events; the events' file has no keys at all, since where a run begins is the sum of
the runs before it. Its row groups end where a subject ends, so a reader of a range of subjects
decodes what it needs and no more.

Values are whole numbers over one power of ten; one without room in 64 bits stands in `wide` as
text. The number of PostgreSQL's row goes along, for what is undone later; and, since that row may
leave, all else that was known of the event. Earlier segments end with that number.

Where a column always says something, Arrow has half as much to do: texts that are not said stand as
what nobody can say (`NOTHING`), and so do dimensions ("{}"). In earlier segments both are null.
"""

import io
import threading
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from kvit.core.columnar.runs import Rows, Runs, borders
from kvit.metering._index import INDEX, Index, codes_of, index_of, last_before
from kvit.platform import files

GROUP_ROWS = 524_288  # of a row group, about: half as many cost a fifth more a row to rate
DECODED = 8  # row groups read in part that a process keeps: of some segments and threads
PAGE_ROWS = 131_072  # of a page: Arrow's own 20 000 are six times as many pages to begin
CODED_BYTES = 8  # of a text, on the average: a longer one is hardly ever said twice
EVENTS = pa.schema(
    [
        ("time", pa.int64()),
        ("value", pa.int64()),
        ("wide", pa.string()),
        ("text", pa.string()),
        ("dimensions", pa.string()),
        ("event_id", pa.string()),
        ("event", pa.int64()),
        ("source", pa.string()),
        ("revision", pa.int16()),
        ("version", pa.int64()),
        ("position", pa.int32()),
    ]
)
NOTHING = "\0"  # no text: PostgreSQL keeps none that has this sign
NO_DIMENSIONS = "{}"
_SAID_OFTEN = ["text", "dimensions", "source", "revision", "version"]
_ALWAYS: Mapping[str, str | None] = {  # what no row is without, and what stands where nothing is
    "time": None, "text": NOTHING, "dimensions": NO_DIMENSIONS,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Written:
    """A segment that lies in the store; it counts when its manifest row is committed."""

    events_digest: str
    index_digest: str
    rows: int
    runs: int
    scale: int


def write(parts: Iterable[pa.Table], scale: int) -> Written:
    """Store a segment.

    Args:
        parts: tables of (kind, subject, meter) and the columns of `EVENTS`, sorted throughout;
            a subject's rows never go on in the next part.
    """
    out = io.BytesIO()
    index: list[pa.Table] = []
    rows = 0
    with pq.ParquetWriter(
        out, _stored(), compression="zstd", compression_level=1, use_dictionary=_SAID_OFTEN,
        max_rows_per_page=PAGE_ROWS,
    ) as writer:  # fmt: skip
        for part in parts:
            writer.write_table(_as_stored(part), row_group_size=part.num_rows)
            index.append(index_of(part))
            rows += part.num_rows
    runs = pa.concat_tables(index).unify_dictionaries() if index else INDEX.empty_table()
    kept = io.BytesIO()
    pq.write_table(runs, kept, compression="zstd", max_rows_per_page=PAGE_ROWS)
    return Written(
        events_digest=files.put(out.getvalue()),
        index_digest=files.put(kept.getvalue()),
        rows=rows,
        runs=runs.num_rows,
        scale=scale,
    )


def _stored() -> pa.Schema:
    return pa.schema([one.with_nullable(one.name not in _ALWAYS) for one in EVENTS])


def _as_stored(part: pa.Table) -> pa.Table:
    """Return the columns of `EVENTS` as they are written."""
    known = part.select(EVENTS.names).cast(EVENTS)
    for name, nothing in _ALWAYS.items():
        if nothing is not None:
            place = known.schema.get_field_index(name)
            known = known.set_column(place, name, pc.fill_null(known[name], nothing))
    return known.cast(_stored())


def said(texts: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return a column of texts as they were said, null where none was."""
    found = texts.cast(pa.string())
    return pc.if_else(pc.equal(found, NOTHING), pa.scalar(None, pa.string()), found)


def cut(table: pa.Table) -> Iterator[pa.Table]:
    """Cut a sorted table into parts of about `GROUP_ROWS`, each ending where a subject ends."""
    codes = codes_of(table["kind"]), codes_of(table["subject"])
    subjects = borders(*codes)
    ends = subjects.ends
    start = 0
    while start < table.num_rows:
        place = int(np.searchsorted(ends, start + GROUP_ROWS, side="left"))
        end = int(ends[min(place, len(ends) - 1)])
        yield table.slice(start, end - start)
        start = end


def nothing_of(columns: Sequence[str]) -> pa.Table:
    """Return some columns of no events."""
    return EVENTS.empty_table().select(list(columns))


def _is_empty(chunk: Any, nothing: str | None) -> bool:
    """Whether a column says nothing in a row group, by what its writer noted."""
    told = chunk.statistics
    if told.null_count == chunk.num_values:
        return True
    return nothing is not None and told.has_min_max and told.min == told.max == nothing


class Segment:
    """A segment of the store, read by several threads. What was decoded last is kept.

    Each reading opens the file for itself: of two threads that decode by one reader of Arrow's each
    may wait for the other for ever.
    """

    def __init__(self, events_digest: str, index_digest: str, scale: int) -> None:
        self.scale = scale
        self._events, self._index = files.path_of(events_digest), files.path_of(index_digest)
        self._meta = pq.read_metadata(self._events)

    @cached_property
    def _runs(self) -> Index:
        return Index.read(self._index)

    @property
    def subjects(self) -> pa.Array:
        """Return the subjects in order, of each kind anew."""
        return self._runs.subjects

    @property
    def meters(self) -> tuple[NDArray[Any], list[str]]:
        """Return a code of each run's meter, and what the codes stand for."""
        return self._runs.meters, self._runs.meter_names

    def counts_of(self, runs: Rows) -> Rows:
        """Return how many rows each of these runs has."""
        starts = self._runs.starts
        if are_neighbours(runs):
            return np.diff(starts[runs[0] : runs[-1] + 2]).astype(np.int64)
        return (starts[runs + 1] - starts[runs]).astype(np.int64)

    def laid(self, runs: Rows) -> Runs:
        """Return where these runs stand among the rows that `rows_of` returns of them."""
        if are_neighbours(runs):
            edges = self._runs.starts[runs[0] : runs[-1] + 2]
            starts = np.subtract(edges[:-1], edges[0], dtype=np.int64)
            return Runs(starts, int(edges[-1] - edges[0]))
        counts = self.counts_of(runs)
        return Runs(np.cumsum(counts) - counts, int(counts.sum()))

    def meters_of(self, runs: Rows) -> NDArray[Any]:
        """Return the meter of each of these runs, in as few bytes as there are meters."""
        codes = self._runs.meters
        return codes[runs[0] : runs[-1] + 1] if are_neighbours(runs) else codes[runs]

    def subjects_of(self, runs: Rows) -> Rows:
        """Return the place of each of these runs' subject in `subjects`."""
        begun = self._runs.subject_starts
        if not are_neighbours(runs):
            return last_before(begun, runs)
        first, last = last_before(begun, runs[[0, -1]])
        borders = np.clip(begun[first : last + 2], runs[0], runs[-1] + 1)
        return np.repeat(np.arange(first, last + 1), np.diff(borders))

    @property
    def begun(self) -> NDArray[np.int32]:
        """Return the first run of each of `subjects`."""
        return self._runs.subject_starts[:-1]

    def kinds_of(self, subjects: Rows) -> list[str]:
        """Return the kind of each subject, named by its place in `subjects`."""
        names = self._runs.kind_names
        return [names[code] for code in self._runs.kinds[subjects].tolist()]

    def runs_at(self, places: Rows) -> Rows:
        """Return the run that each of these rows is in."""
        return last_before(self._runs.starts, places)

    def places_of(self, runs: Rows) -> Rows:
        """Return the places of the rows of these runs."""
        starts, counts = self._runs.starts[runs].astype(np.int64), self.counts_of(runs)
        return np.repeat(starts - np.cumsum(counts) + counts, counts) + np.arange(counts.sum())

    @property
    def run_count(self) -> int:
        return len(self._runs.starts) - 1

    @cached_property
    def group_starts(self) -> Rows:
        """Return where each row group begins, and the end of the last."""
        meta = self._meta
        counts = [meta.row_group(place).num_rows for place in range(meta.num_row_groups)]
        return np.append(0, np.cumsum(counts)).astype(np.int64)

    @cached_property
    def times(self) -> tuple[Rows, Rows]:
        """Return the first and the last moment of each run."""
        table = pq.ParquetFile(self._index, memory_map=True).read(["first", "last"])
        return table["first"].to_numpy(), table["last"].to_numpy()

    @property
    def firsts(self) -> Rows:
        """Return the first moment of each run; unlike `times` it is not kept."""
        file = pq.ParquetFile(self._index, memory_map=True)
        found: Rows = file.read(["first"], use_threads=False)["first"].to_numpy()
        return found

    @cached_property
    def first(self) -> int:
        """Return the first moment of all."""
        return min(one.min for one in self._statistics("time"))

    @cached_property
    def last(self) -> int:
        return max(one.max for one in self._statistics("time"))

    @property
    def versions(self) -> pa.Table:
        """Return how many events each usage version has here: `version`, `n`."""
        file = pq.ParquetFile(self._events, memory_map=True)
        found = file.read(["version"], use_threads=False)["version"].value_counts()
        return pa.table({"version": found.field("values"), "n": found.field("counts")})

    @cached_property
    def numbers(self) -> tuple[int, int]:
        """Return the least and the greatest number of an event."""
        told = self._statistics("event")
        return min(one.min for one in told), max(one.max for one in told)

    @cached_property
    def only_source(self) -> str | None:
        """Return the source of all events; None where there are several."""
        told = {end for one in self._statistics("source") for end in (one.min, one.max)}
        return told.pop() if len(told) == 1 else None

    def overlaps(self, since: int, until: int) -> bool:
        """Whether any event may lie in [since, until)."""
        return self.first < until and since <= self.last

    def _statistics(self, name: str) -> list[Any]:
        """Return what the writer noted of a column of the events, of each row group."""
        return [one.statistics for one in self._chunks(name)]

    def _chunks(self, name: str) -> list[Any]:
        """Return what is known of a column of the events, of each row group."""
        meta = self._meta
        place = meta.schema.names.index(name)
        return [meta.row_group(one).column(place) for one in range(meta.num_row_groups)]

    def is_empty(self, name: str) -> bool:
        """Whether a column of the events says nothing anywhere."""
        return name in self._empty

    @cached_property
    def _empty(self) -> frozenset[str]:
        """Return the columns that need not be decoded."""
        return frozenset(
            name
            for name in self._meta.schema.names
            if all(_is_empty(one, _ALWAYS.get(name)) for one in self._chunks(name))
        )

    @cached_property
    def _coded(self) -> list[str]:
        """Return the texts that are read as codes. Of dimensions that differ from event to event
        (numbers that were called) a dictionary takes longer to make than they take to charge."""
        size = sum(one.total_uncompressed_size for one in self._chunks("dimensions"))
        is_short = size <= CODED_BYTES * self._meta.num_rows
        return ["text", "dimensions"] if is_short else ["text"]

    def _subjects_of_kind(self, kind: str) -> tuple[int, int]:
        """Return the places [first, last) of the subjects of a kind: they stand side by side."""
        if kind not in self._runs.kind_names:
            return 0, 0
        mine = self._runs.kinds == self._runs.kind_names.index(kind)
        first = int(mine.argmax())
        return first, first + int(mine.sum())

    def runs_of(self, kind: str, subjects: Sequence[str], meters: Sequence[str] | None) -> Rows:
        """Return the runs of these subjects, rising. `subjects` are in byte order."""
        first, last = self._subjects_of_kind(kind)
        if first == last or not subjects:
            return np.zeros(0, np.int64)
        # The subjects of a run of the bill lie side by side: look between the first and the last.
        low = _place(self.subjects, subjects[0], first, last)
        high = _place(self.subjects, subjects[-1] + "\0", first, last)
        mine = self.subjects.slice(low, high - low)
        starts = self._runs.subject_starts[low : high + 1]
        runs: Rows = np.arange(starts[0], starts[-1], dtype=np.int64)
        named = pa.array(subjects, pa.string())
        if not mine.equals(named):
            wanted = pc.is_in(mine, value_set=named).to_numpy(zero_copy_only=False)
            runs = runs[np.repeat(wanted, np.diff(starts))]
        if meters is not None:
            codes, known = self.meters
            asked = np.array([code in meters for code in known], np.bool_)
            runs = runs[asked[codes[runs]]]
        return runs

    def first_of(self, kind: str) -> str | None:
        """Return the first subject of a kind; None where there is none."""
        first, last = self._subjects_of_kind(kind)
        return None if first == last else str(self.subjects[first].as_py())

    def parts_of(self, kind: str, subjects: Sequence[str]) -> list[int]:
        """Return where to part these subjects, in byte order: places among them, rising.

        Parts end where row groups do, so that each is decoded once; where few of a group's subjects
        are asked for, groups are read together.
        """
        first, last = self._subjects_of_kind(kind)
        begun = self.subjects_of(last_before(self._runs.starts, self.group_starts[:-1]))
        each = np.diff(self.group_starts) // np.diff(np.append(begun, len(self.subjects)))
        found, rows, before = [], 0, 0
        for place in np.flatnonzero((begun[1:] > first) & (begun[1:] < last)).tolist():
            cut = bisect_left(subjects, self.subjects[int(begun[place + 1])].as_py())
            rows += (cut - before) * int(each[place])
            before = cut
            if rows >= GROUP_ROWS // 2 and cut < len(subjects):
                found.append(cut)
                rows = 0
        return found

    def rows_of(self, runs: Rows, columns: Sequence[str]) -> pa.Table:
        """Return some columns of the rows of runs, in order."""
        if not len(runs):
            return nothing_of(columns)
        starts = self._runs.starts
        if are_neighbours(runs):
            return self._between(int(starts[runs[0]]), int(starts[runs[-1] + 1]), columns)
        breaks = np.flatnonzero(np.diff(runs) != 1) + 1
        parts = [
            self._between(int(starts[part[0]]), int(starts[part[-1] + 1]), columns)
            for part in np.split(runs, breaks)
        ]
        return parts[0] if len(parts) == 1 else pa.concat_tables(parts)

    def rows_at(self, places: Rows, columns: Sequence[str]) -> pa.Table:
        """Return some columns of single rows. `places` rise."""
        groups = self._group_at(places)
        schema = pa.schema([EVENTS.field(name) for name in columns])
        parts = []
        for place in np.unique(groups).tolist():
            group, inside = self._group(place, columns), places[groups == place]
            if len(inside) < group.num_rows:
                group = group.take(pa.array(inside - self.group_starts[place]))
            parts.append(group.cast(schema))
        return pa.concat_tables(parts) if parts else schema.empty_table()

    def _group_at(self, places: Rows) -> Rows:
        found: Rows = np.searchsorted(self.group_starts, places, side="right") - 1
        return found

    def _between(self, start: int, end: int, columns: Sequence[str]) -> pa.Table:
        first = int(np.searchsorted(self.group_starts, start, side="right")) - 1
        last = int(np.searchsorted(self.group_starts, end, side="left"))
        # A group that is asked for whole is done with: were it kept, the next one would be decoded
        # into fresh memory, which the system clears page by page.
        begun, ends = self.group_starts[first:last], self.group_starts[first + 1 : last + 1]
        is_cut = (begun < start) | (ends > end)
        tables = [
            self._group(place, columns, keep=bool(is_cut[place - first]))
            for place in range(first, last)
        ]
        whole = tables[0] if len(tables) == 1 else pa.concat_tables(tables)
        return whole.slice(start - int(self.group_starts[first]), end - start)

    def _group(self, place: int, columns: Sequence[str], *, keep: bool = True) -> pa.Table:
        key = self, place, tuple(columns)
        with _turn:
            found = _decoded.get(key) if keep else _decoded.pop(key, None)
        if found is None:
            file = pq.ParquetFile(
                self._events, metadata=self._meta, memory_map=True, read_dictionary=self._coded
            )
            found = file.read_row_group(place, list(columns), use_threads=False)
            if keep:
                with _turn:
                    while len(_decoded) >= DECODED:
                        _decoded.pop(next(iter(_decoded)))
                    _decoded[key] = found
        return found


_decoded: dict[tuple[Segment, int, tuple[str, ...]], pa.Table] = {}
_turn = threading.Lock()  # of who changes what is kept


def are_neighbours(places: Rows) -> bool:
    """Whether each place is the one after the place before it."""
    if not len(places) or int(places[-1]) - int(places[0]) != len(places) - 1:
        return False
    return bool((places[1:] > places[:-1]).all())  # rising so, they leave none out


def _place(values: pa.Array, wanted: str, first: int, last: int) -> int:
    """Return the first place in values[first:last], sorted by bytes, not before `wanted`."""
    low, high, key = first, last, wanted.encode()
    while low < high:
        middle = (low + high) // 2
        if values[middle].as_py().encode() < key:
            low = middle + 1
        else:
            high = middle
    return low
