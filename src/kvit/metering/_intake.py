"""The set-based path of an intake: insert what is new of a chunk, tell the rest apart.

The caller holds the lock of the source. Alone, where there is more than one chunk; else together
with others who take in few: each inserts in the order of ids, so that none waits for one who waits
for it, and what another has just committed is seen by the statement that tells rows apart.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import TypeVar
from uuid import UUID

import orjson
from django.db import connection

from kvit.metering._offered import offered
from kvit.metering._released import KEY
from kvit.metering.models import ConflictEvent, RejectedRow
from kvit.metering.rows import (
    MAX_KEY,
    MAX_RAW,
    EventIn,
    RejectedIn,
    clean,
    fault_of,
)
from kvit.platform.bulk import copy_in
from kvit.platform.ids import uuid7
from kvit.platform.tenancy import current_tenant_id

CHUNK = 20_000
FEW = 4_000  # up to here an intake holds its source together with others
_COLUMNS = 'event_id, subject_kind, subject, meter, "time", value, text, dimensions, payload_hash'
# Of two rows with one id the first offered is the event.
_INSERT = f"""
    INSERT INTO metering_usageevent
        (tenant_id, source, batch_id, revision, position, {_COLUMNS})
    SELECT %(tenant)s, %(source)s, %(batch)s, 0, position, {_COLUMNS}
    FROM {{offered}} {{unknown}} ORDER BY event_id, position
    ON CONFLICT (tenant_id, source, event_id, revision) DO NOTHING
"""
# Of events that have left the table, something is left that knows them again. It is looked for one
# by one: a join may choose to read what is left of all events.
_RELEASED = f"""
    (SELECT r.id FROM metering_releasedevent r
     WHERE r.tenant_id = %(tenant)s
       AND r.id = {KEY.format(source="%(source)s", event_id="s.event_id", revision=0)}
       {{that}} LIMIT 1)
"""
_NEW = f"WHERE {_RELEASED.format(that='')} IS NULL"
# What was not inserted says the same as an event we have (or as a conflict already decided upon),
# or is a conflict, new or known.
_CLASSIFY = """
    SELECT s.position,
           EXISTS (SELECT FROM metering_usageevent e
                   WHERE e.tenant_id = %(tenant)s AND e.source = %(source)s
                     AND e.event_id = s.event_id AND e.payload_hash = s.payload_hash)
           OR {known} OR d.id IS NOT NULL AS repeated,
           c.id IS NOT NULL AS known
    FROM {offered}
    LEFT JOIN metering_conflictevent c ON c.tenant_id = %(tenant)s AND c.source = %(source)s
          AND c.event_id = s.event_id AND c.payload_hash = s.payload_hash
    LEFT JOIN metering_conflictresolution d ON d.tenant_id = c.tenant_id AND d.conflict_id = c.id
    WHERE NOT EXISTS (SELECT FROM metering_usageevent e
                      WHERE e.tenant_id = %(tenant)s AND e.source = %(source)s
                        AND e.event_id = s.event_id AND e.revision = 0
                        AND e.batch_id = %(batch)s AND e.position = s.position)
    ORDER BY s.position
"""

_KNOWN = f"{_RELEASED.format(that='AND r.said = metering_said_key(s.payload_hash)')} IS NOT NULL"

Item = TypeVar("Item")


@dataclass(slots=True)
class Intake:
    """One intake under way: its counts, and the first rows of each kind that was not accepted."""

    source: str
    listed: int
    released: bool  # whether events have left the table, as `hold_source` tells
    batch_id: UUID = field(default_factory=uuid7)
    offered: int = 0
    accepted: int = 0
    repeated: int = 0
    conflicting: int = 0
    rejected: int = 0
    new_facts: int = 0  # rows written of any kind: without them nothing happened
    repeats: list[EventIn] = field(default_factory=list)
    conflicts: list[EventIn] = field(default_factory=list)
    rejections: list[RejectedIn] = field(default_factory=list)

    def take_events(self, events: Iterable[EventIn]) -> None:
        """Store the events chunk by chunk, so that memory does not grow with the file."""
        for chunk in chunks(events, CHUNK):
            self._take_chunk(chunk)

    def take_rejected(self, rejected: Iterable[RejectedIn]) -> None:
        """Keep the rows that never became events; those kept before are counted, not kept twice."""
        for chunk in chunks(rejected, CHUNK):
            self.offered += len(chunk)
            self.rejected += len(chunk)
            _list(self.rejections, chunk, self.listed)
            self.new_facts += _keep_rejected(chunk, source=self.source, batch_id=self.batch_id)

    def _take_chunk(self, chunk: Sequence[EventIn]) -> None:
        chunk, faulty = _sift(chunk)
        first = self.offered + 1
        self.offered += len(chunk)
        names: dict[str, object] = {
            "tenant": current_tenant_id(), "source": self.source, "batch": self.batch_id
        }  # fmt: skip
        sql, parameters, hashes = offered(chunk, first)
        names |= parameters
        inserted = _execute(
            _INSERT.format(offered=sql, unknown=_NEW if self.released else ""), names
        )
        self.accepted += inserted
        self.new_facts += inserted
        if inserted < len(chunk):
            classify = _CLASSIFY.format(offered=sql, known=_KNOWN if self.released else "false")
            self._tell_apart(chunk, hashes, first, classify, names)
        self.take_rejected(faulty)

    def _tell_apart(
        self,
        chunk: Sequence[EventIn],
        hashes: Sequence[bytes],
        first: int,
        classify: str,
        names: Mapping[str, object],
    ) -> None:
        fresh: list[tuple[EventIn, bytes]] = []
        with connection.cursor() as cursor:
            cursor.execute(classify, names)
            for position, repeated, known in cursor.fetchall():
                event, digest = chunk[position - first], hashes[position - first]
                if repeated:
                    self.repeated += 1
                    _list(self.repeats, [event], self.listed)
                    continue
                self.conflicting += 1
                _list(self.conflicts, [event], self.listed)
                if not known:
                    fresh.append((event, digest))
        self.new_facts += _keep_conflicts(fresh, source=self.source, batch_id=self.batch_id)


def chunks(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    """Cut a stream into lists of at most `size`."""
    stream = iter(items)
    while chunk := list(islice(stream, size)):
        yield chunk


def _keep_conflicts(found: Sequence[tuple[EventIn, bytes]], *, source: str, batch_id: UUID) -> int:
    found = sorted(found, key=lambda one: (one[0].event_id, one[1]))
    kept = copy_in(
        ConflictEvent,
        (
            "id", "source", "event_id", "subject_kind", "subject", "meter", "time", "value",
            "text", "dimensions", "payload_hash", "batch_id", "row",
        ),
        (
            (
                uuid7(), source, event.event_id, event.subject_kind, event.subject, event.meter,
                event.time, event.value, event.text, dict(event.dimensions), digest, batch_id,
                event.row,
            )
            for event, digest in found
        ),
        on_conflict="DO NOTHING",
        returning=["id"],
    )  # fmt: skip
    return len(kept)


def _keep_rejected(rows: Sequence[RejectedIn], *, source: str, batch_id: UUID) -> int:
    known = sorted((_fingerprint(row), place) for place, row in enumerate(rows))
    kept = copy_in(
        RejectedRow,
        (
            "id", "source", "batch_id", "row", "event_id", "field", "code", "params", "raw",
            "fingerprint",
        ),
        (
            (
                uuid7(), source, batch_id, row.row, clean(row.event_id, MAX_KEY),
                clean(row.field, MAX_KEY), row.code, _params(row), clean(row.raw, MAX_RAW),
                fingerprint,
            )
            for fingerprint, row in ((one, rows[place]) for one, place in known)
        ),
        on_conflict="DO NOTHING",
        returning=["id"],
    )  # fmt: skip
    return len(kept)


def _sift(chunk: Sequence[EventIn]) -> tuple[list[EventIn], list[RejectedIn]]:
    """Part the events that can be stored as they are from those that cannot."""
    sound: list[EventIn] = []
    faulty: list[RejectedIn] = []
    for event in chunk:
        fault = fault_of(event)
        if fault is None:
            sound.append(event)
        else:
            raw = repr(event[: EventIn._fields.index("row")])[:MAX_RAW]
            faulty.append(RejectedIn(event.row, *fault, raw, event.event_id, event.part))
    return sound, faulty


def _fingerprint(row: RejectedIn) -> bytes:
    """Know a row again when lines were added above it; its line counts where nothing else can."""
    raw = clean(row.raw, MAX_RAW) or str(row.row)
    said = clean(row.event_id, MAX_KEY), clean(row.field, MAX_KEY), row.code, raw
    return hashlib.sha256(orjson.dumps(said)).digest()


def _params(row: RejectedIn) -> dict[str, int | str]:
    """Numbers stay numbers, for plurals; everything else is text for people."""
    return {
        clean(name, 40): value if isinstance(value, int) else clean(str(value), MAX_KEY)
        for name, value in row.params.items()
    }


def _list(shown: list[Item], more: Sequence[Item], limit: int) -> None:
    shown.extend(more[: limit - len(shown)])


def _execute(sql: str, parameters: dict[str, object] | None = None) -> int:
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        return cursor.rowcount
