"""Read usage: in order for rating, in sums for finding what waits, row by row for people.

Usage has versions: each intake that brought something and each event undone makes the next one.
What is asked "as of" a version comes out the same for ever.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from itertools import groupby, product
from typing import Any, TypeAlias
from uuid import UUID

import orjson
import pyarrow as pa
from django.db import connection
from django.db.models import Count, QuerySet, Sum, Value

from kvit.metering import _invariants
from kvit.metering._bulk import (
    BulkRequest,
    Unread,
    bulk_request,
    in_log,
    unread,
    unread_requests,
)
from kvit.metering._columns import DIMENSIONS, TEXTS, TIMES, UsageColumns
from kvit.metering._days import MeterDay, days_of
from kvit.metering._invariants import problems
from kvit.metering._keys import (
    Key,
    changed_since,
    distinct_keys,
    subjects_in_use,
)
from kvit.metering._late import LateUsage, late_usage
from kvit.metering._listed import (
    BatchRow,
    DaySum,
    EventFilter,
    EventRow,
    IntakeSums,
    Traces,
    by_day,
    events,
    intake_sums,
    may_see,
    sources,
    traces,
)
from kvit.metering._listed import batches as listed_batches
from kvit.metering._ranges import UsageRange, usage_ranges
from kvit.metering._released import (
    Wanted,
    everything,
    in_transaction,
    key_of,
    named,
    still_mark,
    these,
)
from kvit.metering._sealed import latest_version
from kvit.metering._settled import HeldBack, Settled, held_back
from kvit.metering._standing import STANDING, parameters_of
from kvit.metering._stream import UsageRow, rows, stream
from kvit.metering._to_decide import (
    ToDecide,
    conflicts_to_decide,
    rejections_to_mend,
    still_rejected,
)
from kvit.metering._used import Used, subjects_used
from kvit.metering.models import (
    Batch,
    ConflictEvent,
    ReleasedEvent,
    ReleasedSeal,
    Retraction,
    Segment,
    UsageEvent,
)
from kvit.platform.tenancy import current_tenant_id

__all__ = [
    "DIMENSIONS", "TEXTS", "TIMES", "BatchRow", "BulkRequest", "Counts", "DaySum", "EventFilter",
    "EventRow", "EventView", "HeldBack", "IntakeSums", "Key", "LateUsage", "MeterDay",
    "Settled", "Stored", "ToDecide", "Traces", "Unread", "UsageBatch", "UsageColumns", "UsageRange",
    "UsageRow", "Used", "batches", "bulk_request", "by_day", "changed_since", "conflicts",
    "conflicts_to_decide", "counts", "days_of", "distinct_keys", "event", "events", "held_back",
    "intake_sums", "last_views", "late_usage", "latest_version", "listed_batches", "may_see",
    "problems", "rejections", "rejections_to_mend", "rows", "segment_digests", "sources",
    "sources_of", "standing", "stored", "subjects_in_use", "subjects_used", "traces",
    "undone_since", "unread", "unread_requests", "usage", "usage_ranges",
]  # fmt: skip

PROBLEM_WORDS = _invariants.WORDS
UsageBatch: TypeAlias = "pa.RecordBatch"
"""Columns: `_stream.SCHEMA`; `rows(batch)` gives the same as Python values."""


@dataclass(frozen=True, slots=True)
class Counts:
    """A tenant's usage in figures. `accepted` = events that stand + `retracted`.

    `unread` were taken in bulk and not looked into yet: they are none of the others.
    """

    accepted: int
    retracted: int
    conflicts_open: int
    rejected_open: int
    version: int
    unread: int


@dataclass(frozen=True, slots=True)
class Stored:
    """Where accepted events are: rows of the database, and those that are in segments alone."""

    rows: int
    released: int


@dataclass(frozen=True, slots=True)
class EventView:
    """One event: what it says, which intake brought it, and whether it was undone."""

    source: str
    event_id: str
    revision: int
    subject_kind: str
    subject: str
    meter: str
    time: datetime
    value: Decimal | None
    text: str | None
    dimensions: Mapping[str, str]
    batch_id: UUID
    position: int
    version: int  # from it on it counts
    received_at: datetime
    retracted_from: int | None  # from it on it counts no more
    retraction_reason: str


def usage(
    subjects: Sequence[tuple[str, str]],
    *,
    since: datetime,
    until: datetime,
    as_of: int | None = None,
    meters: Sequence[str] | None = None,
) -> Iterator[UsageBatch]:
    """Yield the events of subjects in [since, until), sorted by (kind, subject, meter, time, id).

    Inside a transaction, which may write between two batches; memory holds one batch. All keys
    are in byte order. A run of one (subject, meter) may continue in the next batch.

    Args:
        subjects: pairs (kind, code), in any order.
        as_of: a usage version; None is the latest at the first batch.
        meters: only these; naming them spares the walk over a subject's other years and meters.
    """
    version = latest_version() if as_of is None else as_of
    wanted = sorted(set(subjects))
    for kind, pairs in groupby(wanted, key=lambda pair: pair[0]):
        codes = [code for _, code in pairs]
        yield from stream(kind, codes, since=since, until=until, as_of=version, meters=meters)


def segment_digests() -> Iterator[str]:
    """Yield the SHA-256 of every file of sealed usage."""
    for pair in Segment.objects.values_list("events_digest", "index_digest").iterator():
        yield from pair


def stored() -> Stored:
    """Return where the accepted events are."""
    seals = ReleasedSeal.objects.aggregate(gone=Sum("gone"))
    released = int(seals["gone"] or 0)
    return Stored(intake_sums().accepted - released, released)


def undone_since(version: int) -> int:
    """Return how many events were undone after `version`."""
    return Retraction.objects.filter(version__gt=version).count()


def counts() -> Counts:
    """Return the tenant's usage in figures; from the batches, not by counting events."""
    # The log first, then one statement for both sides of it: a file that is taken up meanwhile is
    # either unread or accepted, and never both or neither.
    kept = {one.request: one.events for one in in_log()}
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT (SELECT coalesce(sum(accepted), 0) FROM metering_batch
                    WHERE tenant_id = %(tenant)s),
                   ARRAY(SELECT id FROM metering_bulkverdict
                         WHERE tenant_id = %(tenant)s AND id = ANY(%(kept)s))
            """,
            {"tenant": current_tenant_id(), "kept": list(kept)},
        )
        accepted, looked_into = cursor.fetchone()
    others = _numbers(
        retracted=Retraction.objects.all(),
        conflicts_open=conflicts(),
        rejected_open=rejections(),
    )
    return Counts(
        accepted=int(accepted),
        **others,
        version=latest_version(),
        unread=sum(kept.values()) - sum(kept[one] for one in looked_into),
    )


def _numbers(**sets: QuerySet) -> dict[str, int]:
    """Return how many rows there are of each kind: one question."""
    asked = [
        rows.order_by().values(kind=Value(name)).annotate(n=Count("pk")).values_list("kind", "n")
        for name, rows in sets.items()
    ]
    return dict.fromkeys(sets, 0) | dict(asked[0].union(*asked[1:], all=True))


def conflicts(*, decided: bool = False) -> QuerySet:
    """Return disputed events as dicts, newest first: open ones, or those that were decided."""
    found = ConflictEvent.objects.filter(conflictresolution__isnull=not decided)
    return found.order_by("-id").values(
        "id", "source", "event_id", "row", "batch_id", "subject_kind", "subject", "meter", "time",
        "value", "text", "dimensions", "conflictresolution__outcome", "conflictresolution__reason",
        "conflictresolution__actor",
    )  # fmt: skip


def rejections() -> QuerySet:
    """Return rejected rows as dicts, newest first; one whose event came right since is left out."""
    return (
        still_rejected()
        .order_by("-id")
        .values("id", "source", "row", "event_id", "batch_id", "field", "code", "params", "raw")
    )


def batches() -> QuerySet:
    """Return intakes as dicts, newest first."""
    return Batch.objects.order_by("-version").values()


def event(source: str, event_id: str) -> list[EventView]:
    """Return the event of this id, then each that replaced it; empty if there is none."""
    with these(named([(source, event_id)])) as usage:
        return _views(
            f"{_VIEW.format(usage=usage)} WHERE e.tenant_id = %(tenant)s AND e.source = %(source)s"
            " AND e.event_id = %(id)s ORDER BY e.revision",
            {"tenant": current_tenant_id(), "source": source, "id": event_id},
        )


def last_views(event_ids: Sequence[str]) -> dict[tuple[str, str], EventView]:
    """Return events by (source, id), of every source; of one that was replaced, what holds now."""
    known = sources()
    with these(named(product(known, event_ids))) as usage:
        found = _views(
            f"{_VIEW.format(usage=usage)} WHERE e.tenant_id = %(tenant)s"
            " AND e.source = ANY(%(sources)s) AND e.event_id = ANY(%(ids)s) ORDER BY e.revision",
            {"tenant": current_tenant_id(), "sources": known, "ids": list(event_ids)},
        )
    return {(one.source, one.event_id): one for one in found}


def sources_of(event_id: str) -> list[str]:
    """Return the sources that have an event of this id."""
    # Every source has a batch: naming them lets the index find the event.
    known = sources()
    keys = {key_of(source, event_id, 0): source for source in known}
    with in_transaction():
        left = ReleasedEvent.objects.filter(pk__in=keys) if still_mark().version else ()
        found = UsageEvent.objects.filter(source__in=known, event_id=event_id, revision=0)
        return sorted({*found.values_list("source", flat=True), *(keys[one.pk] for one in left)})


def standing(
    key: tuple[str, str, str],
    *,
    since: datetime,
    until: datetime,
    limit: int,
    source: str = "",
) -> tuple[int, list[EventView]]:
    """Return how many events of a (kind, subject, meter) are in [since, until), and the first."""
    kind, subject, meter = key
    parameters = parameters_of(since=since, until=until, as_of=latest_version())
    parameters |= {"kind": kind, "subject": subject, "meter": meter, "source": source}
    which = f"""
        e.tenant_id = %(tenant)s AND e.subject_kind = %(kind)s AND e.subject = %(subject)s
        AND e.meter = %(meter)s AND e."time" >= %(since)s AND e."time" < %(until)s
        AND (%(source)s = '' OR e.source = %(source)s) AND {STANDING}
    """
    asked = Wanted([(kind, subject)], [meter], source, since, until)
    with everything(asked) as usage:
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT count(*) FROM {usage} e WHERE {which}", parameters)
            count = int(cursor.fetchone()[0])
        views = _views(
            f"{_VIEW.format(usage=usage)} WHERE {which}"
            ' ORDER BY e."time", e.event_id, e.source LIMIT %(limit)s',
            parameters | {"limit": limit},
        )
    return count, views


_VIEW = """
    SELECT e.source, e.event_id, e.revision, e.subject_kind, e.subject, e.meter, e."time",
           e.value, e.text, e.dimensions::text, e.batch_id, e.position, b.version,
           b.received_at, r.version, coalesce(r.reason, '')
    FROM {usage} e
    JOIN metering_batch b ON b.tenant_id = e.tenant_id AND b.id = e.batch_id
    LEFT JOIN metering_retraction r ON r.tenant_id = e.tenant_id AND r.event = e.id
"""


def _views(sql: str, parameters: dict[str, Any]) -> list[EventView]:
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        found = [list(row) for row in cursor.fetchall()]
    for row in found:
        row[9] = orjson.loads(row[9])
    return [EventView(*row) for row in found]
