"""A page of the list of events, of which some have left the table.

    a page of the table ── merged with as many of the best of each segment ── a page

The newest segments come first. Who is not counted, or was counted far enough, and has nothing as
early in the list as all of the page, is not looked into: a list that begins with what came last
reads the newest alone.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any

import numpy as np
import orjson
from django.db.models import QuerySet
from numpy.typing import NDArray

from kvit.core.columnar.runs import Rows
from kvit.metering._released import (
    Part,
    Wanted,
    narrowed,
    numbered,
    part_within,
    parts_of,
    segments,
    told,
)
from kvit.metering._sealed import microseconds
from kvit.metering._segments import Segment
from kvit.metering.models import Batch, Retraction, UsageEvent
from kvit.platform.paging import COUNTED, Page, cursor_values, page_of

Place = tuple[int, ...]  # (time, number) or (number,): the greater, the earlier in the list


def with_released(
    page: Page[UsageEvent],
    wanted: Wanted,
    released: int,
    *,
    rows: "QuerySet[Any]",
    order: Sequence[str],
    after: str,
    limit: int,
    retracted: bool,
    standing: bool,
) -> Page[UsageEvent]:
    """Return the page with those events of segments that belong on it.

    Args:
        page: of the table, in `order`: falling by number, or by time and number.
        released: see `segments`.
        retracted: only those that were undone.
        standing: none of those.
    """
    by_time = len(order) > 1
    look = _Look(
        by_time,
        limit,
        beyond=_bound(cursor_values(rows, order, after)) if after else None,
        floor=_place(page.rows[-1], by_time) if page.next else None,
        left_out=_undone() if standing else None,
    )
    count = page.count
    for segment, part_of in _segments(wanted, released, retracted):
        if (count is None or count > COUNTED) and look.is_beyond(segment):
            continue
        part = part_of()
        if part is not None:
            seen = look.into(part)
            count = None if count is None else count + seen
    listed = [*((_place(row, by_time), row) for row in page.rows), *_rows(look.best)]
    listed.sort(key=lambda one: one[0], reverse=True)
    return page_of(
        [row for _, row in listed],
        order=order,
        limit=limit,
        is_more=page.next is not None,
        count=None if count is None else min(count, COUNTED + 1),
    )


def _segments(
    wanted: Wanted, released: int, retracted: bool
) -> Iterator[tuple[Segment, Callable[[], Part | None]]]:
    """Yield segments, the newest first, each with what looks for its rows that are wanted."""
    if retracted:
        for part in parts_of(numbered(_undone().tolist())):
            yield part.segment, partial(narrowed, part, wanted)
        return
    for manifest, segment in reversed(list(segments(wanted, released))):
        yield segment, partial(part_within, manifest, segment, wanted)


@dataclass(slots=True)
class _Look:
    """What of segments is on the page: the best, no better than the cursor, none worse than what
    fills the page already."""

    by_time: bool
    limit: int
    beyond: Place | None
    floor: Place | None
    left_out: "NDArray[np.int64] | None"
    best: list[tuple[Place, Part, int]] = field(default_factory=list)

    def is_beyond(self, segment: Segment) -> bool:
        """Whether nothing of a segment can be on the page."""
        if self.by_time:
            return False
        first, last = segment.numbers
        return (self.floor is not None and last < self.floor[0]) or (
            self.beyond is not None and first >= self.beyond[0]
        )

    def into(self, part: Part) -> int:
        """Take up the best of a segment; return how many rows it has."""
        rows = part.segment.rows_at(part.places, ["event", "time"] if self.by_time else ["event"])
        columns = [rows[name].to_numpy() for name in reversed(rows.column_names)]
        where = part.places
        if self.left_out is not None:
            kept = ~np.isin(columns[-1], self.left_out)
            columns, where = [one[kept] for one in columns], where[kept]
        count = len(where)
        kept = np.ones(count, np.bool_)
        if self.beyond is not None:
            kept &= _is_less(columns, self.beyond)
        if self.floor is not None:
            kept &= ~_is_less(columns, self.floor)
        if len(where) > self.limit:  # few are to be put in order
            rest = np.where(kept, columns[0], np.iinfo(np.int64).min)
            kept &= rest >= np.partition(rest, -self.limit - 1)[-self.limit - 1]
        columns, where = [one[kept] for one in columns], where[kept]
        for at in np.lexsort(columns[::-1])[::-1][: self.limit + 1].tolist():
            place = tuple(int(one[at]) for one in columns)
            self.best.append((place, part, int(where[at])))
        self.best.sort(key=lambda one: one[0], reverse=True)
        del self.best[self.limit + 1 :]
        if len(self.best) > self.limit:
            last = self.best[-1][0]
            self.floor = last if self.floor is None else max(last, self.floor)
        return count


def _is_less(columns: Sequence[Rows], bound: Place) -> "NDArray[np.bool_]":
    """Return which rows come later in the list than a place."""
    first: NDArray[np.bool_] = columns[0] < bound[0]
    if len(bound) > 1:
        first |= (columns[0] == bound[0]) & (columns[1] < bound[1])
    return first


def _undone() -> "NDArray[np.int64]":
    numbers = Retraction.objects.values_list("event", flat=True)
    return np.sort(np.fromiter(numbers, np.int64))


def _place(row: UsageEvent, by_time: bool) -> Place:
    return (microseconds(row.time), row.pk) if by_time else (row.pk,)


def _bound(values: Sequence[Any]) -> Place:
    return tuple(microseconds(one) if isinstance(one, datetime) else int(one) for one in values)


def _rows(best: Sequence[tuple[Place, Part, int]]) -> Iterator[tuple[Place, UsageEvent]]:
    """Yield rows of segments as events of the table."""
    by_part: dict[int, list[tuple[Place, Part, int]]] = {}
    for one in best:
        by_part.setdefault(id(one[1]), []).append(one)
    for some in by_part.values():
        some.sort(key=lambda one: one[2])
        part = some[0][1]
        rows = told(Part(part.manifest, part.segment, np.array([at for _, _, at in some])))
        said = rows.to_pylist()
        batches = dict(
            Batch.objects.filter(version__in={row["version"] for row in said}).values_list(
                "version", "pk"
            )
        )
        for (place, _, _), row in zip(some, said, strict=True):
            version = row.pop("version")
            row["dimensions"] = orjson.loads(row["dimensions"])
            yield place, UsageEvent(**row, batch_id=batches[version])
