"""Events that have left the table, found in the segments that are read instead.

    rows of PostgreSQL ── UNION ALL ── rows of segments that may be asked for, staged

Who asks for events in SQL says what may be asked for, and names what comes of it in place of the
table: the statement is the same, and so is the answer. Nothing is staged of a tenant of whom
nothing was released.
"""

import hashlib
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from datetime import datetime
from io import BytesIO
from itertools import count
from typing import Any, NamedTuple
from uuid import UUID

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc
from django.db import connection, transaction
from django.db.models import Count, QuerySet
from numpy.typing import NDArray
from pyarrow import csv

from kvit.core.columnar.runs import Rows
from kvit.metering._locks import hold, moving_lock
from kvit.metering._sealed import (
    Mark,
    decimals_of,
    mark,
    microseconds,
    moment,
    opened,
    released_seals,
)
from kvit.metering._segments import EVENTS, NO_DIMENSIONS, Segment, said
from kvit.metering.models import ConflictResolution, ReleasedEvent, UsageEvent
from kvit.metering.models import Segment as Manifest
from kvit.metering.rows import EARLIEST, LATEST, EventIn, payload_of
from kvit.platform.tenancy import current_tenant_id

TABLE = UsageEvent._meta.db_table
KEY = "metering_event_key(%(tenant)s, {source}, {event_id}, {revision})"
_COLUMNS = {
    "id": "bigint",
    "source": 'varchar(200) COLLATE "C"',
    "event_id": 'varchar(200) COLLATE "C"',
    "revision": "smallint",
    "version": "bigint",
    "position": "integer",
    "subject_kind": 'varchar(12) COLLATE "C"',
    "subject": 'varchar(200) COLLATE "C"',
    "meter": 'varchar(200) COLLATE "C"',
    "time": "timestamptz",
    "value": "numeric(38,12)",
    "text": "text",
    "dimensions": "jsonb",
}
_SAID = (
    'id, tenant_id, source, event_id, revision, batch_id, "position", subject_kind, subject, meter,'
    ' "time", value, text, dimensions'
)
_STAGED = """
    SELECT s.id, %(tenant)s::uuid, s.source, s.event_id, s.revision, b.id, s."position",
           s.subject_kind, s.subject, s.meter, s."time", s.value, s.text, s.dimensions
    FROM pg_temp.released_usage s
    JOIN metering_batch b ON b.tenant_id = %(tenant)s AND b.version = s.version
    WHERE s.asked = {number}
"""
# Rows on their way are in the table and in segments.
_BEYOND = """
    WHERE batch_id NOT IN (SELECT id FROM metering_batch
                           WHERE tenant_id = %(tenant)s AND version <= {version})
"""
_asked = count(1)  # of what is staged: in a transaction several may be asked for


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which events may be asked for; more may be given, and none of these is left out."""

    subjects: Sequence[tuple[str, str]] | None = None  # pairs (kind, code)
    meters: Sequence[str] | None = None
    source: str = ""
    since: datetime = EARLIEST
    until: datetime = LATEST
    after_version: int = 0
    last_version: int | None = None


@dataclass(frozen=True, slots=True)
class Part:
    """A segment that is read instead of rows, and which of its rows are meant."""

    manifest: Manifest
    segment: Segment
    places: Rows


@contextmanager
def everything(wanted: Wanted) -> Iterator[str]:
    """Yield what to select events from, in place of their table: those in it, and the wanted
    ones of segments. The statement has the parameter `tenant`; it is run before the block ends."""
    with in_transaction():
        told = still_mark()
        if not told.version:
            yield TABLE
            return
        beyond = "" if told.is_settled else _BEYOND.format(version=told.version)
        with _staged(parts(wanted, told.version), beyond) as usage:
            yield usage


@contextmanager
def these(released: "QuerySet[Any]") -> Iterator[str]:
    """Yield what to select events from, of which some have left: see `named` and `numbered`."""
    with in_transaction():
        if not still_mark().version:
            yield TABLE
            return
        # An event is in the table or among these, at any moment.
        with _staged(parts_of(released), "") as usage:
            yield usage


def named(names: Iterable[tuple[str, str]]) -> "QuerySet[Any]":
    """Return what is kept of those of these events, by (source, id), that have left the table."""
    revisions = last_revisions(names := list(names))
    return ReleasedEvent.objects.filter(
        pk__in=[
            key_of(*name, revision)
            for name in names
            for revision in range(revisions.get(name, 0) + 1)
        ]
    )


def numbered(numbers: Iterable[int]) -> "QuerySet[Any]":
    """Return what is kept of those of these events, by number, that have left the table."""
    return ReleasedEvent.objects.filter(number__in=list(numbers))


def key_of(source: str, event_id: str, revision: int) -> UUID:
    """Return the key of an event, as `KEY` makes it."""
    name = f"{current_tenant_id()}:{revision}:{len(source)}:{source}{event_id}".encode()
    return UUID(bytes=hashlib.sha256(name).digest()[:16])


def last_revisions(names: Collection[tuple[str, str]]) -> dict[tuple[str, str], int]:
    """Return the last revision of those events that were replaced: once a decision."""
    replaced = ConflictResolution.objects.filter(
        outcome="replace",
        conflict__source__in={source for source, _ in names},
        conflict__event_id__in={event_id for _, event_id in names},
    )
    found = replaced.values_list("conflict__source", "conflict__event_id").annotate(n=Count("pk"))
    return {(source, event_id): n for source, event_id, n in found.order_by()}


class Last(NamedTuple):
    """The last revision of an event, in the table or not."""

    number: int
    revision: int


def last_of(source: str, event_ids: Collection[str]) -> dict[str, Last]:
    """Return the last revision of events of a source, whose lock the caller has, by id."""
    last = last_revisions([(source, one) for one in event_ids])
    revised = [
        (one, revision) for one in event_ids for revision in range(last.get((source, one), 0) + 1)
    ]
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT event_id, id, revision FROM metering_usageevent
            WHERE tenant_id = %(tenant)s AND source = %(source)s AND event_id = ANY(%(ids)s)
            UNION ALL
            SELECT n.event_id, r.number, n.revision
            FROM unnest(%(names)s::text[], %(revisions)s::integer[]) n (event_id, revision)
            JOIN metering_releasedevent r ON r.tenant_id = %(tenant)s
                 AND r.id = metering_event_key(%(tenant)s, %(source)s, n.event_id, n.revision)
            ORDER BY revision
            """,
            {
                "tenant": current_tenant_id(),
                "source": source,
                "ids": list(event_ids),
                "names": [name for name, _ in revised],
                "revisions": [revision for _, revision in revised],
            },
        )
        return {event_id: Last(*found) for event_id, *found in cursor.fetchall()}


def in_transaction() -> AbstractContextManager[Any]:
    """Be in a transaction: the caller's, or one of one's own."""
    return nullcontext() if connection.in_atomic_block else transaction.atomic()


def still_mark() -> Mark:
    """Return how far usage was released. While rows are on their way, none moves until the
    transaction ends."""
    told = mark()
    if not told.is_settled:
        hold(moving_lock(), shared=True)
        told = mark()  # who was waited for may have moved the last of them
    return told


def parts(wanted: Wanted, released: int) -> Iterator[Part]:
    """Yield the rows of segments that are wanted; `released`: see `segments`."""
    for manifest, segment in segments(wanted, released):
        part = part_within(manifest, segment, wanted)
        if part is not None:
            yield part


def part_within(manifest: Manifest, segment: Segment, wanted: Wanted) -> Part | None:
    """Return the rows of a segment that are wanted; None where there are none."""
    if not segment.overlaps(microseconds(wanted.since), microseconds(wanted.until)):
        return None
    runs, is_cut = runs_within(segment, wanted)
    return _looked_at(Part(manifest, segment, segment.places_of(runs)), wanted, is_cut)


def narrowed(part: Part, wanted: Wanted) -> Part | None:
    """Return those of some rows of a segment that are wanted; None where there are none."""
    runs, is_cut = runs_within(part.segment, wanted)
    places = part.places[np.isin(part.segment.runs_at(part.places), runs)]
    return _looked_at(Part(part.manifest, part.segment, places), wanted, is_cut)


def _looked_at(part: Part, wanted: Wanted, is_cut: bool) -> Part | None:
    """Look at times, versions and sources of rows, where they may be others than are wanted."""
    segment, places = part.segment, part.places
    asked = {
        "time": is_cut,
        "version": is_version_cut(part.manifest, wanted),
        "source": bool(wanted.source) and segment.only_source != wanted.source,
    }
    columns = [name for name, needed in asked.items() if needed]
    if columns and len(places):
        places = places[is_wanted(segment.rows_at(places, columns), wanted)]
    return Part(part.manifest, segment, places) if len(places) else None


def segments(wanted: Wanted, released: int) -> Iterator[tuple[Manifest, Segment]]:
    """Yield the segments that are read instead of rows, and have versions that are wanted.

    Args:
        released: the version of the mark by which the table is read. Of what was marked since, the
            rows are still there.
    """
    last = released if wanted.last_version is None else wanted.last_version
    for seal in released_seals():
        for one in seal:
            if wanted.after_version < one.until_version <= released and one.from_version < last:
                yield one, opened(one, one.until_version)


def runs_within(segment: Segment, wanted: Wanted) -> tuple[Rows, bool]:
    """Return the runs that have any of what is wanted, and whether any has more, in time."""
    if wanted.subjects is None:
        runs = np.arange(segment.run_count)
        if wanted.meters is not None:
            codes, names = segment.meters
            asked = np.array([name in wanted.meters for name in names], np.bool_)
            runs = runs[asked[codes[runs]]]
    else:
        kinds = sorted({kind for kind, _ in wanted.subjects})
        codes_of = {
            kind: sorted(code for one, code in wanted.subjects if one == kind) for kind in kinds
        }
        found = [segment.runs_of(kind, codes_of[kind], wanted.meters) for kind in kinds]
        runs = np.sort(np.concatenate(found)) if found else np.zeros(0, np.int64)
    since, until = microseconds(wanted.since), microseconds(wanted.until)
    first, last = (one[runs] for one in segment.times)
    within = (last >= since) & (first < until)
    is_cut = bool(((first < since) | (last >= until))[within].any())
    return runs[within], is_cut


def spans(wanted: Wanted, released: int) -> Iterator[tuple[datetime, datetime]]:
    """Yield, of each segment that has any of the wanted subjects, their first and last moment."""
    for _, segment in segments(wanted, released):
        runs, _ = runs_within(segment, wanted)
        if len(runs):
            first, last = (one[runs] for one in segment.times)
            yield moment(int(first.min())), moment(int(last.max()))


def is_version_cut(manifest: Manifest, wanted: Wanted) -> bool:
    """Whether a segment has versions that are not wanted."""
    last = manifest.until_version if wanted.last_version is None else wanted.last_version
    return manifest.from_version < wanted.after_version or last < manifest.until_version


def is_wanted(rows: pa.Table, wanted: Wanted) -> "NDArray[np.bool_]":
    kept = np.ones(rows.num_rows, np.bool_)
    if "time" in rows.column_names:
        times = rows["time"].to_numpy()
        kept &= (times >= microseconds(wanted.since)) & (times < microseconds(wanted.until))
    if "version" in rows.column_names:
        versions = rows["version"].to_numpy()
        kept &= versions > wanted.after_version
        if wanted.last_version is not None:
            kept &= versions <= wanted.last_version
    if "source" in rows.column_names:
        kept &= pc.equal(rows["source"], wanted.source).to_numpy()
    return kept


def parts_of(released: "QuerySet[Any]") -> Iterator[Part]:
    found: dict[tuple[int, int], list[int]] = defaultdict(list)
    for until, part, place in released.values_list("until_version", "part", "place"):
        found[until, part].append(place)
    if not found:
        return
    for seal in released_seals():
        for one in seal:
            if places := found.get((one.until_version, one.part)):
                rows = np.array(sorted(places), np.int64)
                yield Part(one, opened(one, one.until_version), rows)


def told(part: Part) -> pa.Table:
    """Return all that is known of the rows of a segment: `_COLUMNS`."""
    segment = part.segment
    rows = segment.rows_at(part.places, EVENTS.names)
    runs = segment.runs_at(part.places)
    subjects = segment.subjects_of(runs)
    codes, names = segment.meters
    time = rows["time"].cast(pa.timestamp("us")).cast(pa.timestamp("us", "UTC"))
    found = {
        "id": rows["event"],
        "subject_kind": pa.array(segment.kinds_of(subjects), pa.string()),
        "subject": segment.subjects.take(pa.array(subjects)),
        "meter": pa.array([names[code] for code in codes[runs].tolist()], pa.string()),
        "time": time,
        "value": decimals_of(rows["value"], rows["wide"], segment.scale),
        "text": said(rows["text"]),
        "dimensions": pc.fill_null(rows["dimensions"], NO_DIMENSIONS),
    }
    return pa.table({name: found[name] if name in found else rows[name] for name in _COLUMNS})


def hashes_of(rows: pa.Table) -> list[bytes]:
    """Return the hash of what each row of `told` says, made anew."""
    said = rows.select(
        ["event_id", "subject_kind", "subject", "meter", "time", "value", "text", "dimensions"]
    )
    columns = [column.to_pylist() for column in said.columns]
    return [
        payload_of(EventIn._make([*fields, orjson.loads(dimensions), 0, 0]))[2]
        for *fields, dimensions in zip(*columns, strict=True)
    ]


@contextmanager
def _staged(found: Iterable[Part], beyond: str) -> Iterator[str]:
    """Stage rows of segments for a statement, which selects from what is yielded."""
    number = next_number()
    is_any = False
    for part in found:
        stage(told(part), number)
        is_any = True
    table = f"SELECT {_SAID} FROM {TABLE}{beyond}"
    if not is_any:
        yield f"({table})"
        return
    yield f"({table} UNION ALL {_STAGED.format(number=number)})"
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM pg_temp.released_usage WHERE asked = %s", [number])


def next_number() -> int:
    """Return what tells rows that are staged now from all others."""
    return next(_asked)


def stage(table: pa.Table, number: int) -> None:
    """Copy rows of `told` into the stage, under a number."""
    copy_staged("released_usage", _COLUMNS, table, number)


def copy_staged(name: str, columns: Mapping[str, str], table: pa.Table, number: int) -> None:
    """Copy rows into a temporary table, which has their number as its first column, `asked`."""
    told = ", ".join(f'"{column}" {kind}' for column, kind in columns.items())
    with connection.cursor() as cursor:
        cursor.execute(
            f"CREATE TEMP TABLE IF NOT EXISTS {name} (asked bigint, {told}) ON COMMIT DELETE ROWS"
        )
    numbers = pa.array(np.full(table.num_rows, number))
    out = BytesIO()
    csv.write_csv(
        table.add_column(0, "asked", numbers), out, csv.WriteOptions(include_header=False)
    )
    names = ", ".join(f'"{column}"' for column in columns)
    with (
        connection.wrap_database_errors,
        connection.connection.cursor() as cursor,
        cursor.copy(f"COPY pg_temp.{name} (asked, {names}) FROM STDIN (FORMAT csv)") as copy,
    ):
        copy.write(out.getbuffer())
