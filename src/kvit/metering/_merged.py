"""A page of the list of events, of which some have left the table.

    a page of the table ── merged with as many of the best of each segment ── a page

Segments that have nothing as good as the page of the table are not looked into: a list that begins
with what came last reads none.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

import numpy as np
import orjson
from django.db.models import QuerySet
from numpy.typing import NDArray

from kvit.core.columnar.runs import Rows
from kvit.metering._released import Part, Wanted, intersected, numbered, parts, parts_of, told
from kvit.metering._sealed import microseconds
from kvit.metering._segments import Segment
from kvit.metering.models import Batch, Retraction, UsageEvent
from kvit.platform.paging import COUNTED, Page, cursor_values, page_of

Place = tuple[int, ...]  # (time, number) or (number,): the greater, the earlier in the list


def with_released(
    page: Page[UsageEvent],
    wanted: Wanted,
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
        retracted: only those that were undone.
        standing: none of those.
    """
    by_time = len(order) > 1
    bound = _bound(cursor_values(rows, order, after)) if after else None
    undone = _undone() if retracted or standing else np.zeros(0, np.int64)
    found = parts(wanted)
    if retracted:
        found = intersected(found, parts_of(numbered(undone.tolist())))
    count = page.count or 0
    worst = _place(page.rows[-1], by_time) if page.next else None
    best: list[tuple[Place, Part, int]] = []
    for part in found:
        if page.count is None and _is_beaten(part.segment, by_time, worst):
            continue
        places, where = _listed(part, by_time, undone if standing else None)
        count += len(where)
        kept = [(one, part, int(at)) for one, at in zip(places, where, strict=True)
                if (bound is None or one < bound) and (worst is None or one > worst)]  # fmt: skip
        best = sorted([*best, *kept], key=lambda one: one[0], reverse=True)[: limit + 1]
    listed = sorted(
        [*((_place(row, by_time), row) for row in page.rows), *_rows(best)],
        key=lambda one: one[0],
        reverse=True,
    )
    return page_of(
        [row for _, row in listed],
        order=order,
        limit=limit,
        is_more=page.next is not None,
        count=None if page.count is None else min(count, COUNTED + 1),
    )


def _undone() -> "NDArray[np.int64]":
    numbers = Retraction.objects.values_list("event", flat=True)
    return np.sort(np.fromiter(numbers, np.int64))


def _place(row: UsageEvent, by_time: bool) -> Place:
    return (microseconds(row.time), row.pk) if by_time else (row.pk,)


def _bound(values: Sequence[Any]) -> Place:
    return tuple(microseconds(one) if isinstance(one, datetime) else int(one) for one in values)


def _is_beaten(segment: Segment, by_time: bool, worst: Place | None) -> bool:
    """Whether nothing of a segment is as early in the list as all of the page."""
    return not by_time and worst is not None and segment.last_number < worst[0]


def _listed(
    part: Part, by_time: bool, left_out: "NDArray[np.int64] | None"
) -> tuple[list[Place], Rows]:
    """Return the places in the list of rows of a segment, and where they stand in it."""
    rows = part.segment.rows_at(part.places, ["event", "time"])
    numbers, times, where = rows["event"].to_numpy(), rows["time"].to_numpy(), part.places
    if left_out is not None:
        kept = ~np.isin(numbers, left_out)
        numbers, times, where = numbers[kept], times[kept], where[kept]
    columns = (times, numbers) if by_time else (numbers,)
    return list(zip(*(one.tolist() for one in columns), strict=True)), where


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
