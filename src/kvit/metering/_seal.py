"""Seal usage: copy the events of some versions, sorted, into files that never change.

What is sealed stays in PostgreSQL too, which tells repeats from conflicts and explains a single
event; rating reads the segments. The files lie in the store first, the manifest row commits after
them: cut off in between, a seal leaves files that no row names, and the next one writes anew.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import psycopg
import pyarrow as pa
import pyarrow.compute as pc
from django.db import connection
from django.db.models import Min, Sum
from pyarrow import csv

from kvit.metering._columns import halves, reading
from kvit.metering._sealed import chain, mark
from kvit.metering._segments import GROUP_ROWS, Written, cut, write
from kvit.metering.models import Batch, Segment
from kvit.platform.tenancy import current_tenant_id

PART_ROWS = 1_000_000  # of a file, about: it is made in memory
TAIL_ROWS = 100_000  # events beyond which the tail is sealed by schedule
TAIL_AGE = timedelta(days=1)  # or once it is so old
MERGED = 8  # small seals that become one
FINEST_DIGITS = 6  # decimals of a whole number's scale; what is finer stands as text
_COLUMNS = {
    "kind": pa.string(),
    "subject": pa.string(),
    "meter": pa.string(),
    "time": pa.int64(),
    "value": pa.decimal128(38, 12),
    "text": pa.string(),
    "dimensions": pa.string(),
    "event_id": pa.string(),
    "event": pa.int64(),
    "source": pa.string(),
    "revision": pa.int16(),
    "version": pa.int64(),
    "position": pa.int32(),
}
_WITHIN = """
    FROM metering_batch b JOIN metering_usageevent e
         ON e.tenant_id = b.tenant_id AND e.batch_id = b.id
    WHERE b.tenant_id = %(tenant)s AND b.version > %(since)s AND b.version <= %(until)s
"""
_SCALE = f"SELECT max(scale(trim_scale(e.value))) {_WITHIN}"
_EVENTS = f"""
    COPY (SELECT e.subject_kind, e.subject, e.meter,
                 (extract(epoch FROM e."time") * 1000000)::bigint, e.value, e.text,
                 nullif(e.dimensions, '{{}}'), e.event_id, e.id, e.source, e.revision,
                 b.version, e.position
          {_WITHIN}
          ORDER BY e.subject_kind, e.subject, e.meter, e."time", e.event_id)
    TO STDOUT (FORMAT csv)
"""


def sealed_version() -> int:
    """Return up to which usage version events are sealed."""
    return (
        Segment.objects.order_by("-until_version").values_list("until_version", flat=True).first()
        or 0
    )


def seal_versions(since: int, until: int, *, now: datetime) -> int:
    """Seal the events of the versions (since, until]; return how many. The caller has the lock."""
    names = {"tenant": current_tenant_id(), "since": since, "until": until}
    with connection.cursor() as cursor:
        cursor.execute(_SCALE, names)
        digits = min(cursor.fetchone()[0] or 0, FINEST_DIGITS)
    rows = 0
    # A seal of several that ends where one of them does: its parts follow that one's.
    first = Segment.objects.filter(until_version=until).count()
    # All files first: while a COPY runs, its connection can do nothing else.
    for part, written in enumerate(list(_parts(names, digits)), first):
        Segment.objects.create(
            from_version=since,
            until_version=until,
            part=part,
            rows=written.rows,
            runs=written.runs,
            scale=written.scale,
            events_digest=written.events_digest,
            index_digest=written.index_digest,
            sealed_at=now,
            is_whole=True,
        )
        rows += written.rows
    batches = Batch.objects.filter(version__gt=since, version__lte=until)
    # Sums of what intakes accepted: an event lost on the way would be a silent loss.
    assert rows == sum(batches.values_list("accepted", flat=True)), "segment and batches differ"
    return rows


def merge(*, now: datetime) -> int:
    """Seal the last small seals once more, as one; return how many events. The caller has the lock.

    Each event is sealed anew a few times in its life, however many seals there are. The merged
    ones stay for who reads as of an earlier version.
    """
    released = mark().version
    last = [one for one in chain(sealed_version())[-MERGED:] if one[0].from_version >= released]
    if len(last) < MERGED or any(sum(one.rows for one in seal) > PART_ROWS for seal in last):
        return 0
    return seal_versions(last[0][0].from_version, last[-1][0].until_version, now=now)


def is_due(*, now: datetime) -> bool:
    """Whether the unsealed tail is so long, or so old, that it is to be sealed."""
    tail = Batch.objects.filter(version__gt=sealed_version())
    told = tail.aggregate(events=Sum("accepted"), oldest=Min("received_at"))
    if not told["events"]:
        return False
    return bool(told["events"] >= TAIL_ROWS or now - told["oldest"] >= TAIL_AGE)


def _parts(names: dict[str, Any], digits: int) -> Iterator[Written]:
    """Write file after file, each ending where a subject ends."""
    gathered: list[pa.Table] = []
    for table in _whole_subjects(names):
        gathered.append(as_whole_numbers(table, digits))
        if sum(one.num_rows for one in gathered) >= PART_ROWS:
            yield write(gathered, 10**digits)
            gathered = []
    if gathered:
        yield write(gathered, 10**digits)


def _whole_subjects(names: dict[str, Any]) -> Iterator[pa.Table]:
    """Yield sorted tables of about `GROUP_ROWS`, each ending where a subject ends."""
    connection.sync_tenant()
    left: pa.Table | None = None
    enough = 2 * GROUP_ROWS
    with (
        connection.wrap_database_errors,
        psycopg.ClientCursor(connection.connection) as cursor,
        cursor.copy(_EVENTS, names) as copy,
    ):
        source = _Stream(iter(copy))
        if source.is_empty:
            return
        for batch in csv.open_csv(source, *reading(_COLUMNS)):
            table = pa.Table.from_batches([batch])
            left = table if left is None else pa.concat_tables([left, table])
            if left.num_rows >= enough:
                *whole, left = cut(left.combine_chunks())
                yield from whole
                # One subject alone may have more: looked through again once there is as much anew.
                enough = 2 * max(left.num_rows, GROUP_ROWS)
    if left is not None:
        yield from cut(left.combine_chunks())


class _Stream:
    """A COPY as a file that Arrow reads from."""

    closed = False

    def __init__(self, parts: Iterator[Any]) -> None:
        self._parts = parts
        self._held = b"".join(self._some(1))
        self.is_empty = not self._held

    def read(self, size: int = -1) -> bytes:
        if len(self._held) < size:
            self._held += b"".join(self._some(size - len(self._held)))
        given, self._held = self._held[:size], self._held[size:]
        return given

    def close(self) -> None:
        self.closed = True

    def readable(self) -> bool:
        return True

    def _some(self, size: int) -> Iterator[bytes]:
        got = 0
        while got < size:
            part = next(self._parts, None)
            if part is None:
                return
            got += len(part)
            yield bytes(part)


def as_whole_numbers(table: pa.Table, digits: int) -> pa.Table:
    """Replace decimals by whole numbers over 10^digits; one that is none stands in `wide`."""
    decimals = table["value"].combine_chunks().cast(pa.decimal128(38, 12))
    cut_off = pc.cast(decimals, pa.decimal128(38, digits), safe=False)
    low, high = halves(cut_off)
    same = pc.equal(cut_off.cast(decimals.type), decimals)
    is_exact = pc.fill_null(same, True).to_numpy(zero_copy_only=False) & (high == low >> 63)
    nothing = decimals.is_null().to_numpy(zero_copy_only=False)
    values = pa.array(low, mask=nothing | ~is_exact)
    wide = pc.if_else(pa.array(is_exact | nothing), pa.scalar(None, decimals.type), decimals)
    place = table.schema.get_field_index("value")
    return table.set_column(place, "value", values).append_column("wide", wide.cast(pa.string()))
