"""Usage from sealed segments, with the tail that is not sealed yet and without what was undone.

A tenant's segments cover its usage versions one after the other, so those up to a version say what
was known then. Each is sorted; where there is more than one piece, they are merged by one sort.

Of the versions that were released nothing but segments tells: what is asked as of one of them is
read from the seal that holds it, without what came later. Their files are compared with their
hashes before a process reads them.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from django.db.models import Count, F, Max, Q
from numpy.typing import NDArray

from kvit.core.columnar.runs import Rows, Runs
from kvit.core.wording import Words
from kvit.metering._segments import Segment, nothing_of, said
from kvit.metering.models import Batch, ReleasedSeal, Retraction, UsageCounter
from kvit.metering.models import Segment as Manifest
from kvit.metering.rows import EARLIEST
from kvit.platform import files
from kvit.platform.failures import Failure

WORDS: Words = {
    "metering_sealed_missing": (
        "Нет файла запечатанного потребления {digest} (версии {first}–{last}): без него потребление"
        " было бы неполным. Верните файл из резервной копии на место {path} и повторите.",
        "The file of sealed usage {digest} (versions {first} to {last}) is missing: without it"
        " usage would not be whole. Put the file of a backup back to {path} and try again.",
    ),
    "metering_sealed_damaged": (
        "Файл запечатанного потребления {digest} (версии {first}–{last}) повреждён: потребление"
        " было бы неверным. Замените файл {path} тем, что в резервной копии, и повторите.",
        "The file of sealed usage {digest} (versions {first} to {last}) is damaged: usage would be"
        " wrong. Replace the file {path} by that of a backup and try again.",
    ),
    "metering_sealed_unknown": (
        "Опись запечатанного потребления версий {first}–{last} неполна: потребление посчитали бы не"
        " всё. Выполните kvit verify и верните базу из резервной копии.",
        "What is noted of sealed usage, versions {first} to {last}, is not whole: not all usage"
        " would be counted. Run kvit verify, and restore the database from a backup.",
    ),
}
OPEN = 8  # segments that a process keeps open
_ORDER = [("subject", "ascending"), ("meter", "ascending"), ("time", "ascending"),
          ("event_id", "ascending")]  # fmt: skip


class SealedUnusable(Failure):
    """A file of sealed usage is missing or damaged: nothing is computed without it."""

    words = WORDS


@dataclass(frozen=True, slots=True)
class Asked:
    """What of usage is asked for."""

    kind: str
    subjects: Sequence[str]
    since: datetime
    until: datetime
    meters: Sequence[str] | None
    last_version: int | None = None  # what came later is left out; None: nothing did

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
    last_version: int | None = None  # see `Asked`

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


@lru_cache(maxsize=10_000)
def _check(digest: str, changed_ns: int, size: int) -> None:
    """Compare a file with its hash; once, as long as it is as sound as it was."""
    files.check(digest)


def opened(manifest: Manifest, released: int) -> Segment:
    """Return a segment to be read.

    Args:
        released: up to which version rows are not read: a damaged row of theirs nobody would see.

    Raises:
        SealedUnusable: a file of it is missing; or damaged, of what was released.
    """
    for digest in (manifest.events_digest, manifest.index_digest):
        path = files.path_of(digest)
        told = {"digest": digest, "first": manifest.from_version + 1,
                "last": manifest.until_version, "path": path}  # fmt: skip
        try:
            state = path.stat()
            if manifest.from_version < released:
                _check(digest, state.st_mtime_ns, state.st_size)
        except FileNotFoundError:
            raise SealedUnusable("metering_sealed_missing", **told) from None
        except files.FileUnusable:
            raise SealedUnusable("metering_sealed_damaged", **told) from None
    return _opened(manifest.events_digest, manifest.index_digest, manifest.scale)


class Mark(NamedTuple):
    """Up to which version events are read from segments alone; and whether all their rows are gone,
    or some are still, or again, in the table."""

    version: int
    is_settled: bool


def mark() -> Mark:
    """Return how far usage was released. It holds until the end of the transaction: who moves rows
    waits for all that have read it before."""
    told = ReleasedSeal.objects.aggregate(
        version=Max("until_version"),
        moving=Count("id", filter=Q(is_returning=True) | Q(gone__lt=F("rows"))),
    )
    return Mark(told["version"] or 0, not told["moving"])


def latest_version() -> int:
    """Return the tenant's usage version; 0 before the first event."""
    return UsageCounter.objects.values_list("last", flat=True).first() or 0


def known(as_of: int) -> Known:
    """Return what is sealed of the usage known at a version."""
    instead = released_seals()
    released = instead[-1][0].until_version if instead else 0
    if as_of < released:
        seals = [one for one in instead if one[0].from_version < as_of]
        version, has_tail = as_of, False
    else:
        seals = chain(as_of)
        version = seals[-1][-1].until_version if seals else 0
        tail = Batch.objects.filter(version__gt=version, version__lte=as_of)
        has_tail = tail.exists()
    undone = Retraction.objects.filter(version__lte=as_of).values_list("event", flat=True)
    return Known(
        [[opened(one, released) for one in many] for many in seals],
        version,
        has_tail,
        np.sort(np.fromiter(undone, np.int64)) if seals else np.zeros(0, np.int64),
        as_of if as_of < released else None,
    )


def released_seals() -> list[list[Manifest]]:
    """Return the seals that are read instead of rows, in order, each as its segments.

    Raises:
        SealedUnusable: they are not those of which the rows have left.
    """
    marks = list(ReleasedSeal.objects.order_by("until_version"))
    if not marks:
        return []
    found: dict[tuple[int, int], list[Manifest]] = defaultdict(list)
    ends = [one.until_version for one in marks]
    for one in Manifest.objects.filter(until_version__in=ends, is_whole=True).order_by("part"):
        found[one.from_version, one.until_version].append(one)
    end = 0
    for mark_ in marks:
        seal = found[mark_.from_version, mark_.until_version]
        if mark_.from_version != end or sum(one.rows for one in seal) != mark_.rows:
            raise SealedUnusable("metering_sealed_unknown", first=mark_.from_version + 1,
                                 last=mark_.until_version)  # fmt: skip
        end = mark_.until_version
    return [found[one.from_version, one.until_version] for one in marks]


def chain(as_of: int) -> list[list[Manifest]]:
    """Return the seals that cover the versions up to the last sealed one of `as_of`, in order.

    Of those that end at one version the widest: it was merged of others, and says the same. Of two
    as wide, the one that says more.
    """
    seals: dict[int, dict[tuple[int, bool], list[Manifest]]] = defaultdict(
        lambda: defaultdict(list)
    )
    for one in Manifest.objects.filter(until_version__lte=as_of).order_by("part"):
        seals[one.until_version][one.from_version, not one.is_whole].append(one)
    found = []
    end = max(seals, default=0)
    while end:
        widest = min(seals[end])
        found.append(seals[end][widest])
        end = widest[0]
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
    latest = asked.last_version
    needed = list(dict.fromkeys([*columns, *(["time"] if is_cut else []),
                                 *(["event"] if len(undone) else []),
                                 *(["version"] if latest is not None else [])]))  # fmt: skip
    rows = segment.rows_of(runs, needed)
    laid = segment.laid(runs)
    if is_cut or len(undone) or latest is not None:
        kept = np.ones(rows.num_rows, np.bool_)
        if is_cut:
            times = rows["time"].to_numpy()
            kept &= (times >= since) & (times < until)
        if len(undone):
            kept &= ~np.isin(rows["event"].to_numpy(), undone)
        if latest is not None:
            kept &= rows["version"].to_numpy() <= latest
        if not kept.all():
            rows = rows.filter(pa.array(kept))
            counts = laid.how_many(kept)
            runs, counts = runs[counts > 0], counts[counts > 0]
            laid = Runs(np.cumsum(counts) - counts, int(counts.sum()))
    return runs, laid, rows.select(list(columns))


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
            "value": decimals_of(rows["value"], rows["wide"], segment.scale),
            "text": said(rows["text"]),
            "dimensions": rows["dimensions"].cast(pa.string()),
            "event_id": rows["event_id"],
        }
    )


def merged(tables: Sequence[pa.Table]) -> pa.Table:
    """Return the rows of all tables in order."""
    whole = pa.concat_tables(tables)
    return whole.sort_by(_ORDER) if len(tables) > 1 else whole


def decimals_of(values: pa.ChunkedArray, wide: pa.ChunkedArray, scale: int) -> pa.ChunkedArray:
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


def moment(passed: int) -> datetime:
    """Return the moment so many microseconds after 1970 began."""
    return EARLIEST + timedelta(microseconds=passed)
