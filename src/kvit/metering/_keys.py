"""Usage summed up by (kind, subject, meter): to find what waits, and what changed.

Of what has left the table the index of a segment says it, a run at a time; rows are looked at where
a run is cut by time or version, or has an event that was undone.
"""

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from django.db import connection, transaction
from numpy.typing import NDArray

from kvit.core.columnar.runs import Rows
from kvit.metering._released import (
    Wanted,
    copy_staged,
    is_version_cut,
    is_wanted,
    next_number,
    numbered,
    parts,
    runs_within,
    segments,
    still_mark,
    these,
)
from kvit.metering._sealed import Mark, latest_version, microseconds
from kvit.metering._segments import Segment
from kvit.metering._standing import STANDING, parameters_of
from kvit.metering.models import Retraction
from kvit.metering.rows import EARLIEST, LATEST
from kvit.platform.tenancy import current_tenant_id

Name = tuple[str, str, str]
_TABLE_KEYS = f"""
    SELECT subject_kind, subject, meter, count(*) AS events, min("time") AS first,
           max("time") AS last
    FROM metering_usageevent e
    WHERE e.tenant_id = %(tenant)s AND "time" >= %(since)s AND "time" < %(until)s AND {STANDING}
      AND (%(subjects)s::text[] IS NULL OR subject = ANY(%(subjects)s))
      AND {{beyond}}
    GROUP BY 1, 2, 3
"""
_BEYOND = """batch_id NOT IN (SELECT id FROM metering_batch
                              WHERE tenant_id = %(tenant)s AND version <= %(released)s)"""
_STAGED = """
    SELECT subject_kind, subject, meter, events, first, last FROM pg_temp.released_keys
    WHERE asked = {number}
"""
_COLUMNS = {
    "subject_kind": 'varchar(12) COLLATE "C"',
    "subject": 'varchar(200) COLLATE "C"',
    "meter": 'varchar(200) COLLATE "C"',
    "events": "bigint",
    "first": "timestamptz",
    "last": "timestamptz",
}


class Key(NamedTuple):
    """Events of one subject and meter, summed up."""

    subject_kind: str
    subject: str
    meter: str
    events: int
    first: datetime
    last: datetime


@transaction.atomic
def distinct_keys(
    since: datetime = EARLIEST,
    until: datetime = LATEST,
    *,
    as_of: int | None = None,
    subjects: Sequence[str] | None = None,
) -> list[Key]:
    """Return each (kind, subject, meter) with events in [since, until): to find what waits."""
    with _all_keys(since, until, as_of=as_of, subjects=subjects) as (sql, parameters):
        return _keys(f"{sql} ORDER BY 1, 2, 3", parameters)


@transaction.atomic
def changed_since(
    version: int, *, as_of: int | None = None, before: datetime = LATEST
) -> list[Key]:
    """Return the keys whose events of times before `before` were added or undone after `version`:
    late usage among them.

    `events` counts both kinds together, first and last are the times of those events.
    """
    latest = latest_version() if as_of is None else as_of
    told = still_mark()
    undone = list(
        Retraction.objects.filter(version__gt=version, version__lte=latest).values_list(
            "event", flat=True
        )
    )
    came = Wanted(until=before, after_version=version, last_version=latest)
    with these(numbered(undone)) as usage, _staged(came, told, ()) as staged:
        return _keys(
            f"""
            SELECT subject_kind, subject, meter, sum(events)::bigint, min(first), max(last)
            FROM (SELECT e.subject_kind, e.subject, e.meter, 1 AS events, e."time" AS first,
                         e."time" AS last
                  FROM metering_batch b JOIN metering_usageevent e
                       ON e.tenant_id = b.tenant_id AND e.batch_id = b.id
                  WHERE b.tenant_id = %(tenant)s AND b.version > %(version)s
                    AND b.version > %(released)s AND b.version <= %(as_of)s
                  UNION ALL
                  SELECT e.subject_kind, e.subject, e.meter, 1, e."time", e."time"
                  FROM metering_retraction r JOIN {usage} e
                       ON e.tenant_id = r.tenant_id AND e.id = r.event
                  WHERE r.tenant_id = %(tenant)s AND r.version > %(version)s
                    AND r.version <= %(as_of)s
                  {staged}) changed
            WHERE first < %(before)s
            GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
            """,
            {
                "tenant": current_tenant_id(), "version": version, "as_of": latest,
                "before": before, "released": told.version,
            },
        )  # fmt: skip


@transaction.atomic
def subjects_in_use(
    kind: str, codes: Sequence[str], *, since: datetime, until: datetime
) -> set[str]:
    """Return which of these subjects have any event in [since, until), undone ones included."""
    released = still_mark().version
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT code FROM unnest(%s::text[]) code WHERE EXISTS (
                SELECT FROM metering_usageevent
                WHERE tenant_id = %s AND subject_kind = %s AND subject = code
                  AND "time" >= %s AND "time" < %s)
            """,
            [list(codes), current_tenant_id(), kind, since, until],
        )
        found = {code for (code,) in cursor.fetchall()}
    if released:
        pairs = [(kind, code) for code in codes if code not in found]
        asked = Wanted(subjects=pairs, since=since, until=until)
        for part in parts(asked, released):
            segment = part.segment
            subjects = np.unique(segment.subjects_of(segment.runs_at(part.places)))
            found.update(segment.subjects.take(pa.array(subjects)).to_pylist())
    return found


@contextmanager
def _all_keys(
    since: datetime,
    until: datetime,
    *,
    as_of: int | None = None,
    subjects: Sequence[str] | None = None,
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield what selects the keys of events that stand, and its parameters."""
    version = latest_version() if as_of is None else as_of
    told = still_mark()
    parameters = parameters_of(since=since, until=until, as_of=version)
    parameters |= {"subjects": subjects, "released": told.version}
    table = _TABLE_KEYS.format(beyond="true" if told.is_settled else _BEYOND)
    if not told.version:
        yield table, parameters
        return
    kinds = ("subscription", "customer")
    pairs = None if subjects is None else [(kind, one) for kind in kinds for one in subjects]
    wanted = Wanted(subjects=pairs, since=since, until=until, last_version=version)
    undone = Retraction.objects.filter(version__lte=version).values_list("event", flat=True)
    with _staged(wanted, told, list(undone)) as staged:
        yield (
            "SELECT subject_kind, subject, meter, sum(events)::bigint AS events,"
            " min(first) AS first, max(last) AS last"
            f" FROM ({table} {staged}) k GROUP BY 1, 2, 3",
            parameters,
        )


@contextmanager
def _staged(wanted: Wanted, told: Mark, undone: Collection[int]) -> Iterator[str]:
    """Stage what segments say of keys, without what was undone; yield what goes on a UNION."""
    number = next_number()
    is_any = False
    if told.version:
        numbers = np.array(sorted(undone), np.int64)
        strange = _names_of(undone, told) if undone else set()
        for manifest, segment in segments(wanted, told.version):
            cut = is_version_cut(manifest, wanted)
            table = _summed(segment, wanted, cut, numbers, strange)
            if table.num_rows:
                copy_staged("released_keys", _COLUMNS, table, number)
                is_any = True
    yield f"UNION ALL {_STAGED.format(number=number)}" if is_any else ""
    if is_any:
        with connection.cursor() as cursor:
            cursor.execute("DELETE FROM pg_temp.released_keys WHERE asked = %s", [number])


def _names_of(undone: Collection[int], told: Mark) -> set[Name]:
    """Return the keys that have an event that was undone, of those that segments tell of."""
    with these(numbered(undone)) as usage, connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT DISTINCT e.subject_kind, e.subject, e.meter FROM {usage} e
            JOIN metering_batch b ON b.tenant_id = e.tenant_id AND b.id = e.batch_id
            WHERE e.tenant_id = %(tenant)s AND e.id = ANY(%(undone)s) AND b.version <= %(released)s
            """,
            {"tenant": current_tenant_id(), "undone": list(undone), "released": told.version},
        )
        return set(cursor.fetchall())


def _summed(
    segment: Segment,
    wanted: Wanted,
    is_version_cut: bool,
    undone: "NDArray[np.int64]",
    strange: Collection[Name],
) -> pa.Table:
    """Return the keys of a segment, with what of their events is wanted and stands."""
    runs, _ = runs_within(segment, wanted)
    first, last = (one[runs] for one in segment.times)
    since, until = microseconds(wanted.since), microseconds(wanted.until)
    cut = (first < since) | (last >= until) | is_version_cut
    names = _names(segment, runs)
    if strange:
        cut |= np.array([name in strange for name in names], np.bool_)
    counts = segment.counts_of(runs)
    first, last = first.copy(), last.copy()
    if cut.any():
        counts[cut], first[cut], last[cut] = _looked_at(segment, runs[cut], wanted, undone)
    kept = pa.array(counts > 0)
    kinds, subjects, meters = zip(*names, strict=True) if names else ((), (), ())
    moments = [one.cast(pa.timestamp("us", "UTC")) for one in map(pa.array, (first, last))]
    columns = [pa.array(one, pa.string()) for one in (kinds, subjects, meters)]
    return pa.table([*columns, pa.array(counts), *moments], names=list(_COLUMNS)).filter(kept)


def _names(segment: Segment, runs: Rows) -> list[Name]:
    places = segment.subjects_of(runs)
    codes, meters = segment.meters
    return list(
        zip(
            segment.kinds_of(places),
            segment.subjects.take(pa.array(places)).to_pylist(),
            [meters[code] for code in codes[runs].tolist()],
            strict=True,
        )
    )


def _looked_at(
    segment: Segment, runs: Rows, wanted: Wanted, undone: "NDArray[np.int64]"
) -> tuple[Rows, Rows, Rows]:
    """Return of each run how many of its events are wanted, and the first and last of them."""
    rows = segment.rows_at(segment.places_of(runs), ["time", "version", "event"])
    kept = is_wanted(rows, wanted) & ~np.isin(rows["event"].to_numpy(), undone)
    owner = np.repeat(np.arange(len(runs)), segment.counts_of(runs))[kept]
    times = rows["time"].to_numpy()[kept]
    counts = np.bincount(owner, minlength=len(runs)).astype(np.int64)
    first, last = np.zeros(len(runs), np.int64), np.zeros(len(runs), np.int64)
    some = counts > 0
    ends = np.cumsum(counts)[some]
    first[some], last[some] = times[ends - counts[some]], times[ends - 1]
    return counts, first, last


def _keys(sql: str, parameters: dict[str, Any]) -> list[Key]:
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        return [Key(*row) for row in cursor.fetchall()]
