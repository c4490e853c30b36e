"""Usage from sealed segments, with the tail that is not sealed yet and without what was undone.

A tenant's segments cover its usage versions one after the other, so those up to a version say what
was known then. Each is sorted; where there is more than one piece, they are merged by one sort.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from kvit.core.columnar.runs import Rows, Runs
from kvit.metering._segments import Segment, nothing_of
from kvit.metering.models import Batch, Retraction
from kvit.metering.models import Segment as Manifest
from kvit.metering.rows import EARLIEST

OPEN = 8  # segments that a process keeps open
_ORDER = [("subject", "ascending"), ("meter", "ascending"), ("time", "ascending"),
          ("event_id", "ascending")]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Asked:
    """What of usage is asked for."""

    kind: str
    subjects: Sequence[str]
    since: datetime
    until: datetime
    meters: Sequence[str] | None

    @property
    def span(self) -> tuple[int, int]:
        return microseconds(self.since), microseconds(self.until)


@dataclass(frozen=True, slots=True)
class Known:
    """What is sealed as of a version: seals up to `version`, and whether a tail follows.

    A seal is segments, one after the other: a subject is in one of them.
    """

    seals: Sequence[Sequence[Segment]]
    version: int
    has_tail: bool
    undone: NDArray[np.int64]  # numbers of events that count no more

    @property
    def segments(self) -> list[Segment]:
        return [one for seal in self.seals for one in seal]

    def within(self, since: datetime, until: datetime) -> list[list[Segment]]:
        """Return the seals that have anything of the span, without segments that have nothing."""
        first, end = microseconds(since), microseconds(until)
        seals = [[one for one in seal if one.overlaps(first, end)] for seal in self.seals]
        return [one for one in seals if one]


@lru_cache(maxsize=OPEN)
def _opened(events_digest: str, index_digest: str, scale: int) -> Segment:
    return Segment(events_digest, index_digest, scale)


def known(as_of: int) -> Known:
    """Return what is sealed of the usage known at a version."""
    rows = chain(as_of)
    version = rows[-1][-1].until_version if rows else 0
    tail = Batch.objects.filter(version__gt=version, version__lte=as_of)
    undone = Retraction.objects.filter(version__lte=as_of).values_list("event", flat=True)
    return Known(
        [
            [_opened(one.events_digest, one.index_digest, one.scale) for one in many]
            for many in rows
        ],
        version,
        tail.exists(),
        np.sort(np.fromiter(undone, np.int64)) if rows else np.zeros(0, np.int64),
    )


def chain(as_of: int) -> list[list[Manifest]]:
    """Return the seals that cover the versions up to the last sealed one of `as_of`, in order.

    Of those that end at one version the widest: it was merged of others, and says the same.
    """
    seals: dict[int, dict[int, list[Manifest]]] = defaultdict(lambda: defaultdict(list))
    for one in Manifest.objects.filter(until_version__lte=as_of).order_by("part"):
        seals[one.until_version][one.from_version].append(one)
    found = []
    end = max(seals, default=0)
    while end:
        start = min(seals[end])
        found.append(seals[end][start])
        end = start
    return found[::-1]


def piece(
    segment: Segment, asked: Asked, undone: NDArray[np.int64], columns: Sequence[str]
) -> tuple[Rows, Runs, pa.Table]:
    """Return what a segment has of it: the places of runs in its index, runs, and rows."""
    since, until = asked.span
    if not segment.overlaps(since, until):
        return np.zeros(0, np.int64), Runs(np.zeros(0, np.int64), 0), nothing_of(columns)
    runs = segment.runs_of(asked.kind, asked.subjects, asked.meters)
    is_cut = not (since <= segment.first and segment.last < until)
    if is_cut:
        first, last = (one[runs] for one in segment.times)
        runs = runs[(last >= since) & (first < until)]
        first, last = (one[runs] for one in segment.times)
        is_cut = bool(((first < since) | (last >= until)).any())
    needed = list(dict.fromkeys([*columns, *(["time"] if is_cut else []),
                                 *(["event"] if len(undone) else [])]))  # fmt: skip
    rows = segment.rows_of(runs, needed)
    counts = segment.counts_of(runs)
    if is_cut or len(undone):
        kept = np.ones(rows.num_rows, np.bool_)
        if is_cut:
            times = rows["time"].to_numpy()
            kept &= (times >= since) & (times < until)
        if len(undone):
            kept &= ~np.isin(rows["event"].to_numpy(), undone)
        if not kept.all():
            rows = rows.filter(pa.array(kept))
            owner = np.repeat(np.arange(len(runs)), counts)[kept]
            counts = np.bincount(owner, minlength=len(runs)).astype(np.int64)
            runs, counts = runs[counts > 0], counts[counts > 0]
    return runs, Runs(np.cumsum(counts) - counts, int(counts.sum())), rows.select(list(columns))


def as_table(segment: Segment, asked: Asked, undone: NDArray[np.int64]) -> pa.Table:
    """Return what a segment has as rows with their keys, values as decimals."""
    columns = ["time", "value", "wide", "text", "dimensions", "event_id"]
    runs, found, rows = piece(segment, asked, undone, columns)
    places = pa.array(np.repeat(segment.subjects_of(runs), found.counts))
    codes, names = segment.meters
    meters = pa.DictionaryArray.from_arrays(
        pa.array(np.repeat(codes[runs], found.counts).astype(np.int32)), pa.array(names)
    ).cast(pa.string())
    return pa.table(
        {
            "subject": segment.subjects.take(places),
            "meter": meters,
            "time": rows["time"],
            "value": _decimals(rows["value"], rows["wide"], segment.scale),
            "text": rows["text"].cast(pa.string()),
            "dimensions": rows["dimensions"].cast(pa.string()),
            "event_id": rows["event_id"],
        }
    )


def merged(tables: Sequence[pa.Table]) -> pa.Table:
    """Return the rows of all tables in order."""
    whole = pa.concat_tables(tables)
    return whole.sort_by(_ORDER) if len(tables) > 1 else whole


def _decimals(values: pa.ChunkedArray, wide: pa.ChunkedArray, scale: int) -> pa.ChunkedArray:
    whole = values.combine_chunks()
    numbers = pc.fill_null(whole, 0).to_numpy()
    halves = np.stack([numbers, numbers >> 63], axis=1).astype(np.int64)
    digits = len(str(scale)) - 1
    decimals = pa.Array.from_buffers(
        pa.decimal128(38, digits), len(numbers), [None, pa.py_buffer(halves.tobytes())]
    ).cast(pa.decimal128(38, 12))
    decimals = pc.if_else(whole.is_valid(), decimals, pa.scalar(None, decimals.type))
    return pa.chunked_array([pc.coalesce(decimals, wide.combine_chunks().cast(decimals.type))])


def microseconds(moment: datetime) -> int:
    """Return microseconds since 1970."""
    passed = moment - EARLIEST
    return (passed.days * 86_400 + passed.seconds) * 1_000_000 + passed.microseconds
