"""Usage of many subjects, parted into ranges that are read one by one or side by side.

What is sealed, and stands in one file for each subject, is parted where row groups end: a range is
decoded at one stroke, and memory does not grow with what subjects use. Anything else (a tail that
is not sealed, seals that are to be merged) is one range, which asks the database.
"""

from bisect import bisect_left
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from itertools import chain, pairwise
from typing import Protocol

import numpy as np
from django.db import connection, transaction
from numpy.typing import NDArray

from kvit.metering._columns import (
    DIMENSIONS,
    TEXTS,
    TIMES,
    UsageColumns,
    columns_of,
    of_segment,
    usage_table,
)
from kvit.metering._sealed import Asked, Known, known
from kvit.metering._segments import Segment

EVERYTHING = frozenset({TEXTS, DIMENSIONS, TIMES})


class Read(Protocol):
    """Returns the usage of a range; `reads` is which of texts, dimensions and times are looked at:
    others may all be zero."""

    def __call__(
        self,
        since: datetime,
        until: datetime,
        *,
        meters: Sequence[str] | None = None,
        reads: Collection[str] = EVERYTHING,
    ) -> UsageColumns: ...


@dataclass(frozen=True, slots=True)
class UsageRange:
    """Subjects side by side, in byte order. Of several ranges each may be read by a thread of its
    own; a single one is read by whoever asked for it, inside the transaction."""

    subjects: Sequence[str]
    read: Read


def usage_ranges(
    kind: str, subjects: Sequence[str], *, since: datetime, until: datetime, as_of: int
) -> Iterator[UsageRange]:
    """Part subjects of one kind for reading what they used within the span, or within less of it.

    Args:
        subjects: in byte order; each is in one of the ranges, which stand in their order.
    """
    if not connection.in_atomic_block:
        raise transaction.TransactionManagementError("usage is read inside a transaction")
    sealed = known(as_of)
    seals = sealed.within(since, until)
    if len(seals) == 1 and not sealed.has_tail:
        return ranges_of(seals[0], kind, subjects, sealed.undone, sealed.last_version)
    return iter([UsageRange(subjects, partial(_merged, kind, subjects, sealed, as_of))])


def ranges_of(
    segments: Sequence[Segment], kind: str, subjects: Sequence[str], undone: NDArray[np.int64],
    last_version: int | None = None,
) -> Iterator[UsageRange]:  # fmt: skip
    """Part subjects by the segments of one seal, and by the row groups of each.

    The first ranges are read while the index of the next segment is.
    """
    some = (one for one in segments if one.first_of(kind) is not None)
    mine = chain([next(some, segments[0])], some, [None])
    begun = 0
    for segment, following in pairwise(mine):
        assert segment is not None
        end = bisect_left(subjects, following.first_of(kind) or "") if following else len(subjects)
        its, begun = subjects[begun:end], end
        for first, last in pairwise([0, *segment.parts_of(kind, its), len(its)]):
            if range_ := its[first:last]:
                read = partial(_sealed, segment, kind, range_, undone, last_version)
                yield UsageRange(range_, read)


def _sealed(
    segment: Segment, kind: str, subjects: Sequence[str], undone: NDArray[np.int64],
    last_version: int | None, since: datetime, until: datetime, *,
    meters: Sequence[str] | None = None, reads: Collection[str] = EVERYTHING,
) -> UsageColumns:  # fmt: skip
    asked = Asked(kind, subjects, since, until, meters, last_version)
    return of_segment(segment, asked, undone, reads)


def _merged(
    kind: str, subjects: Sequence[str], sealed: Known, as_of: int,
    since: datetime, until: datetime, *,
    meters: Sequence[str] | None = None, reads: Collection[str] = EVERYTHING,
) -> UsageColumns:  # fmt: skip
    asked = Asked(kind, subjects, since, until, meters, sealed.last_version)
    return columns_of(usage_table(asked, sealed, as_of))
